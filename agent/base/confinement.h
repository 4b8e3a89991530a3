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
#include <stdint.h>
#include <sys/types.h>

enum confinement {
	CONFINED_TO_PARSING,	 /* memory, and descriptors that it has or is sent */
	CONFINED_TO_DOWNLOADING, /* ... and threads, connections, and files that all may read */
	CONFINED_TO_READING,	 /* parsing, with threads, for a terminal */
	CONFINED_TO_SERVING,	 /* reading, for connections that others open, with timers */
	CONFINED_TO_SERVING_A_FOLDER,	 /* ... and files beneath a folder that it has open */
	CONFINED_TO_SAMPLING,		 /* serving, with changes of BPF maps that it has */
	CONFINED_TO_OPENING,		 /* parsing, with paths that lead to files for reading */
	CONFINED_TO_OPENING_AND_MAKING,	 /* ... and new files */
	CONFINED_TO_FORKING,		 /* parsing, with forks of itself that can be ended */
	CONFINED_TO_FORKING_TO_DOWNLOAD, /* downloading, with such forks */
	CONFINED_TO_FINISHING,		 /* parsing, with a file that is put in its place */
	CONFINEMENTS,
};

/*
 * Makes the root directory one without any entry. Needs root, /proc and fork().
 *
 * Returns 0 or -errno: -EPERM where that is forbidden, as in some containers.
 */
int confine_files(void);

/*
 * From now on every system call that is not in the list fails with EPERM, and so do memory that can be
 * executed (but for downloading, which loads libraries), signals to others, new processes (but for
 * forking, which also ends them), and what may be done to a terminal but to ask for its size. The last
 * step: the other functions need more.
 *
 * Returns 0 or -errno.
 */
int confine_system_calls(enum confinement confinement);

/*
 * All of it: an empty root directory (but for downloading), another user (base/own_user.h) without capabilities and without a way to new
 * ones, and the list of system calls. Who is not root stays who it is, with its root directory; in a user
 * namespace that has no such user root stays as well. A signal that was asked for when the parent ends
 * (PR_SET_PDEATHSIG) goes on being sent.
 *
 * @folder_fd: of the folder that is to be served, which root may go on reading whoever its files
 *	belong to; -1: none.
 *
 * Returns 0 or -errno.
 */
int confine_process(enum confinement confinement, int folder_fd);

enum opener_task {
	OPENER_SIGNALS = 1,		  /* ends a command of whatever user */
	OPENER_MAKES_FILES = 2,		  /* in folders of root's */
	OPENER_MAKES_FILES_OF_OTHERS = 4, /* ... or of whoever */
	OPENER_NEEDS_ADMIN = 8,		  /* to open perf events: perf_events_need_admin() */
};

/*
 * For the process that opens what belongs to others: the user stays, of the capabilities those to look into other
 * processes, to read their files, to make BPF maps and to open perf events, and system calls those of
 * CONFINED_TO_OPENING.
 *
 * @tasks: what it does besides, of enum opener_task: adds CAP_KILL, the calls of
 *	CONFINED_TO_OPENING_AND_MAKING, CAP_DAC_OVERRIDE, CAP_SYS_ADMIN.
 *
 * Returns 0 or -errno.
 */
int confine_opener(unsigned int tasks);

/*
 * For the agent while it samples: as confine_process(CONFINED_TO_SAMPLING). Before 5.19 CAP_BPF stays, where a
 * BPF map cannot be used without; its list has no call that could make one, or load a program.
 *
 * Returns 0 or -errno.
 */
int confine_sampler(void);

/*
 * For who waits until a child has written a file, and then puts that in its place: the user stays, since the folder is
 * his, the folder becomes the root directory, and root keeps what lets it change folders of others, and what has the
 * kernel end its child with it.
 *
 * @folder_fd: the file's; -1: nothing is put anywhere, and it becomes another user as all others do.
 *
 * Returns 0 or -errno.
 */
int confine_finisher(int folder_fd);

/* For tests: whether a system call's number is in the list. */
bool confinement_allows(enum confinement confinement, int number);

#endif
