/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's types as BTF (Documentation/bpf/btf.rst, Linux 6.1), cut down to what a BPF object
 * reads of them: of 150,000 types the dozen structures that it names, of their members those that it
 * names. libbpf finds the same places in them (CO-RE) in a tenth of the time that it needs to read
 * all of them and to search them for each structure.
 *
 * Any thread.
 */
#ifndef FLICKERSCOPE_KERNEL_TYPES_H
#define FLICKERSCOPE_KERNEL_TYPES_H

#include <stddef.h>

#include <bpf/btf.h>

#include "base/cleanup.h"

#define KERNEL_TYPES_PATH "/sys/kernel/btf/vmlinux"

DEFINE_CLEANUP(struct btf *, btf__free);

/*
 * Cuts @size bytes of BTF down to what @wanted, the object's own types, names. What it names and the
 * kernel doesn't have is not there. Members that lie in nameless ones stand in the structure itself.
 *
 * @bytes: aligned to 4; need not be valid
 * @ret_types: the caller's, btf__free()
 *
 * Returns 0, -EINVAL for what is no BTF or a kind of type that is newer than this code, -ENOMEM.
 */
int kernel_types_cut(const void *bytes, size_t size, const struct btf *wanted,
		     struct btf **ret_types);

/*
 * Writes the running kernel's types to @fd, cut down where that can be done, else all of them.
 *
 * Returns 0 or -errno; not logged.
 */
int kernel_types_write(int fd, const struct btf *wanted);

#endif
