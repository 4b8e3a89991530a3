/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes from the calling process, for good, what it does not need, before it meets what strangers wrote:
 * privileges, the file system, system calls. Those that are left are listed in confinement.c, and in a
 * table of agent/README.md, which a test holds beside it.
 *
 * Sources: capabilities(7), chroot(2), seccomp(2), seccomp_rule_add(3). For a process with one thread.
 */
#ifndef FLICKERSCOPE_CONFINEMENT_H
#define FLICKERSCOPE_CONFINEMENT_H

#include <stdbool.h>

enum confinement {
	CONFINED_TO_PARSING,	 /* memory, and descriptors that it has or is sent */
	CONFINED_TO_DOWNLOADING, /* ... and threads, connections, and files that all may read */
	CONFINEMENTS,
};

/*
 * Becomes nobody, without capabilities, without a way to new ones. Who is not root stays who it is. In a
 * user namespace that has no such user the user stays as well.
 *
 * Returns 0 or -errno.
 */
int confine_privileges(void);

/*
 * Makes the root directory one without any entry. Needs root, /proc and fork(); before
 * confine_privileges().
 *
 * Returns 0 or -errno: -EPERM where that is forbidden, as in some containers.
 */
int confine_files(void);

/*
 * From now on every system call that is not in the list fails with EPERM, and so do memory that can be
 * executed (but for downloading, which loads libraries) and signals to others. The last step: the
 * other functions need more.
 *
 * Returns 0 or -errno.
 */
int confine_system_calls(enum confinement confinement);

/* For tests: whether a system call's number is in the list. */
bool confinement_allows(enum confinement confinement, int number);

#endif
