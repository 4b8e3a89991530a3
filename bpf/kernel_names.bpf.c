// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells the name of a kernel address, as the kernel prints it in its own traces: of the kernel, a
 * module or a BPF program. The agent runs it for each address that it sees for the first time.
 */
#include "kernel_types.bpf.h"

/*
 * The last answer: "name", "name [module]", or the address itself where nobody knows it.
 *   writer: name_kernel_address()
 *   reader: agent/privileged/sampler_program.c, the one who runs it
 *   full:   what does not fit is cut off
 */
char kernel_name[SAMPLE_KERNEL_NAME_SIZE] = { 0 };

/* Argument: the address. Returns what bpf_snprintf() does: the bytes of the text, its zero included. */
SEC("raw_tp")
int name_kernel_address(struct bpf_raw_tracepoint_args *ctx)
{
	static const char format[] = "%ps";
	__u64 address = ctx->args[0];

	return bpf_snprintf(kernel_name, sizeof(kernel_name), format, &address, sizeof(address));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
