/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of kernel addresses: the kernel, its modules and BPF programs, as the kernel itself tells
 * them (printk()'s %ps), one address at a time, when it is first seen.
 *
 * What it said is remembered for a while: modules and BPF programs come and go, and others take
 * their place. Nothing that leaves here tells an address: keys are made of names. Owned by the loop
 * thread.
 */
#ifndef FLICKERSCOPE_KERNEL_SYMBOLS_H
#define FLICKERSCOPE_KERNEL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct frame_description;
struct kernel_symbols;

enum kernel_symbols_limits {
	KERNEL_SYMBOLS_KEPT_MS = 30000, /* that an answer counts at most */
};

/* Who knows: see sampler_session_kernel_name(). */
struct kernel_names {
	/* "name" or "name [module]", borrowed until the next call; NULL: the kernel does not say. */
	const char *(*name)(void *context, uint64_t address); /* NULL: nobody is asked */
	void *context;
};

int kernel_symbols_new(struct kernel_names names, struct kernel_symbols **ret_symbols);
void kernel_symbols_free(struct kernel_symbols *symbols); /* NULL is fine */
DEFINE_CLEANUP(struct kernel_symbols *, kernel_symbols_free);

/* Describes @address (of the instruction itself). The name is borrowed until the next call. */
void kernel_symbols_describe(struct kernel_symbols *symbols, uint64_t address,
			     struct frame_description *ret_frame);

/* Forgets what is old. @now_ns: CLOCK_MONOTONIC. */
void kernel_symbols_tick(struct kernel_symbols *symbols, uint64_t now_ns);

/* How often the kernel was asked. */
uint64_t kernel_symbols_asked(const struct kernel_symbols *symbols);

#endif
