// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells the walks which table is a file's. The agent maps the file into itself and runs this once:
 * so the file is known by what the kernel finds in a mapping of it, which no number that the agent
 * could ask for tells on every file system (overlay and btrfs have several for one file).
 */
#include "kernel_types.bpf.h"
#include "maps.bpf.h"
#include "vma.bpf.h"

/* Arguments: an address in the mapping, then the four numbers of struct unwind_file_table. */
SEC("raw_tp")
int unwind_teach_file(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct vm_area_struct *vma = vma_is_supported() ? vma_walk(task, ctx->args[0]) : 0;
	struct unwind_file_table table = {
		.serial = ctx->args[1],
		.first_page = ctx->args[2],
		.page_count = ctx->args[3],
		.file_page = ctx->args[4],
	};
	struct file_key key;

	if (!vma || !vma_file_key(task, vma, &key))
		return 0;
	bpf_map_update_elem(&unwind_files, &key, &table, BPF_ANY);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
