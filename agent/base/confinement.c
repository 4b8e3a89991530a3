/* SPDX-License-Identifier: Apache-2.0 */
#include "base/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/own_process.h"
#include "base/own_user.h"

enum {
	PROC_PATH_SIZE = 64,
};

#define NEGATIVE UINT64_C(0x80000000) /* the sign of 32 bits */

/* --- system calls ---------------------------------------------------------------------------- */

static const int basic_calls[] = {
	/* descriptors: */
	SCMP_SYS(close),
	SCMP_SYS(dup2),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(lseek),
	SCMP_SYS(memfd_create),
	SCMP_SYS(newfstatat),
	SCMP_SYS(poll),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(read),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	/* memory: */
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	/* itself: */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(exit_group),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(gettid),
	SCMP_SYS(pause),
	SCMP_SYS(prlimit64),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sysinfo),
	SCMP_SYS(tgkill),
};

/* To start threads, and to end them. */
static const int thread_calls[] = {
	SCMP_SYS(clone),       SCMP_SYS(exit),
	SCMP_SYS(rseq),	       SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list),
};

/* Whether it is a terminal, and how wide. */
static const int terminal_calls[] = {
	SCMP_SYS(ioctl),
};

/* Connections that others open, and what is to happen when. */
static const int serving_calls[] = {
	SCMP_SYS(accept4),	  SCMP_SYS(clock_getres),    SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),	  SCMP_SYS(epoll_pwait),     SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),	  SCMP_SYS(fdatasync),	     SCMP_SYS(fstatfs),
	SCMP_SYS(getpeername),	  SCMP_SYS(getsockname),     SCMP_SYS(getsockopt),
	SCMP_SYS(recvfrom),	  SCMP_SYS(sendto),	     SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),	  SCMP_SYS(signalfd4),	     SCMP_SYS(socketpair),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(uname),
	SCMP_SYS(wait4),
};

/* Files beneath a folder that it has open. */
static const int folder_calls[] = {
	SCMP_SYS(getdents64),
	SCMP_SYS(openat2),
};

/* What others have to tell, paths in their roots to the files at their ends, BPF maps and perf events. */
static const int opening_calls[] = {
	SCMP_SYS(bpf),	       SCMP_SYS(fstatfs),	  SCMP_SYS(getdents64),
	SCMP_SYS(getsockname), SCMP_SYS(getsockopt),	  SCMP_SYS(openat),
	SCMP_SYS(openat2),     SCMP_SYS(perf_event_open), SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(readlinkat),  SCMP_SYS(statx),		  SCMP_SYS(unlinkat),
};

/* The tables of the walks, what it cost, and the end of the command that is recorded. */
static const int sampling_calls[] = {
	SCMP_SYS(bpf),
	SCMP_SYS(getrusage),
	SCMP_SYS(waitid),
};

/* New files in folders, as of dumps and of what was downloaded. */
static const int making_calls[] = {
	SCMP_SYS(renameat),
	SCMP_SYS(utimensat),
};

/* To fork processes that confine themselves further, and to end them. */
static const int forking_calls[] = {
	SCMP_SYS(clone),   SCMP_SYS(close_range),     SCMP_SYS(getppid),
	SCMP_SYS(kill),	   SCMP_SYS(pidfd_open),      SCMP_SYS(prctl),
	SCMP_SYS(seccomp), SCMP_SYS(set_robust_list), SCMP_SYS(wait4),
};

/* To put a file in its place when the process that writes it has ended. */
static const int finishing_calls[] = {
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait), SCMP_SYS(fdatasync),
	SCMP_SYS(fsync),       SCMP_SYS(openat),     SCMP_SYS(renameat),
	SCMP_SYS(renameat2),   SCMP_SYS(unlinkat),   SCMP_SYS(wait4),
};

static const int downloading_calls[] = {
	/* connections: */
	SCMP_SYS(bind),
	SCMP_SYS(connect),
	SCMP_SYS(eventfd2),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(ioctl),
	SCMP_SYS(pipe2),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	/* files that all may read: */
	SCMP_SYS(access),
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(openat),
	SCMP_SYS(readlink),
	SCMP_SYS(statfs),
	SCMP_SYS(statx),
	/* who it is: */
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(uname),
};

#define BIT(confinement) (1u << (confinement))
#define SERVERS                                                                                    \
	(BIT(CONFINED_TO_SERVING) | BIT(CONFINED_TO_SERVING_A_FOLDER) | BIT(CONFINED_TO_SAMPLING))
#define OPENERS (BIT(CONFINED_TO_OPENING) | BIT(CONFINED_TO_OPENING_AND_MAKING))
#define FORKERS (BIT(CONFINED_TO_FORKING) | BIT(CONFINED_TO_FORKING_TO_DOWNLOAD))
#define DOWNLOADERS (BIT(CONFINED_TO_DOWNLOADING) | BIT(CONFINED_TO_FORKING_TO_DOWNLOAD))
#define WITH_THREADS (DOWNLOADERS | SERVERS | BIT(CONFINED_TO_READING))

static const struct {
	const int *calls;
	size_t count;
	unsigned int confinements; /* that have them */
} groups[] = {
	{ basic_calls, ARRAY_SIZE(basic_calls), ~0u },
	{ thread_calls, ARRAY_SIZE(thread_calls), WITH_THREADS },
	{ terminal_calls, ARRAY_SIZE(terminal_calls), BIT(CONFINED_TO_READING) | SERVERS },
	{ serving_calls, ARRAY_SIZE(serving_calls), SERVERS },
	{ folder_calls, ARRAY_SIZE(folder_calls), BIT(CONFINED_TO_SERVING_A_FOLDER) },
	{ sampling_calls, ARRAY_SIZE(sampling_calls), BIT(CONFINED_TO_SAMPLING) },
	{ opening_calls, ARRAY_SIZE(opening_calls), OPENERS },
	{ making_calls, ARRAY_SIZE(making_calls), BIT(CONFINED_TO_OPENING_AND_MAKING) },
	{ downloading_calls, ARRAY_SIZE(downloading_calls), DOWNLOADERS },
	{ forking_calls, ARRAY_SIZE(forking_calls), FORKERS },
	{ finishing_calls, ARRAY_SIZE(finishing_calls), BIT(CONFINED_TO_FINISHING) },
};

bool confinement_allows(enum confinement confinement, int number)
{
	for (size_t group = 0; group < ARRAY_SIZE(groups); group++)
		for (size_t i = 0;
		     groups[group].confinements & BIT(confinement) && i < groups[group].count; i++)
			if (groups[group].calls[i] == number)
				return true;
	return false;
}

/* Allows a call where bits of an argument have a value. */
static int allow_where(scmp_filter_ctx filter, int call, unsigned int argument, uint64_t mask,
		       uint64_t value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

static bool is_one_of(enum confinement confinement, unsigned int confinements)
{
	return BIT(confinement) & confinements;
}

/* Threads, and what fork() of libc asks for: no namespaces, no memory that is shared. */
static int allow_clone(scmp_filter_ctx filter, enum confinement confinement)
{
	const uint64_t of_libc = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	int r = 0;

	if (is_one_of(confinement, WITH_THREADS))
		r = allow_where(filter, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
	if (r == 0 && is_one_of(confinement, FORKERS))
		r = allow_where(filter, SCMP_SYS(clone), 0, ~of_libc, SIGCHLD);
	return r;
}

/* The end of one process, by its number. */
static int allow_kill(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 2,
				SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, NEGATIVE, 0),
				SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, SIGKILL));
}

/* A fork's name, its end with its parent, and its own filter. */
static int allow_prctl(scmp_filter_ctx filter)
{
	static const int options[] = { PR_SET_NAME, PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(options); i++)
		r = allow_where(filter, SCMP_SYS(prctl), 0, UINT32_MAX, (uint64_t)options[i]);
	return r;
}

static int allow_ioctl(scmp_filter_ctx filter, enum confinement confinement)
{
	static const unsigned long requests[] = { TCGETS,
						  TIOCGWINSZ,
						  TIOCGPGRP,
						  PERF_EVENT_IOC_ENABLE,
						  PERF_EVENT_IOC_DISABLE,
						  PERF_EVENT_IOC_PERIOD,
						  PERF_EVENT_IOC_SET_BPF };
	size_t count = confinement == CONFINED_TO_SAMPLING ? ARRAY_SIZE(requests) : 2;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = allow_where(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, requests[i]);
	return r;
}

/* For reading, without O_TRUNC; and new files, where some may be made. */
static int allow_openat(scmp_filter_ctx filter, enum confinement confinement)
{
	const uint64_t new_file = O_CREAT | O_EXCL;
	int r = allow_where(filter, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY);

	if (r == 0 && confinement == CONFINED_TO_OPENING_AND_MAKING)
		r = allow_where(filter, SCMP_SYS(openat), 2, new_file, new_file);
	return r;
}

/* One process makes maps and cannot use them, the other uses those that it has. */
static int allow_bpf(scmp_filter_ctx filter, enum confinement confinement)
{
	static const int commands[] = { BPF_MAP_CREATE,	       BPF_MAP_LOOKUP_ELEM,
					BPF_MAP_UPDATE_ELEM,   BPF_MAP_UPDATE_BATCH,
					BPF_MAP_DELETE_ELEM,   BPF_PROG_TEST_RUN,
					BPF_OBJ_GET_INFO_BY_FD };
	const bool makes = is_one_of(confinement, OPENERS);
	int r = 0;

	for (size_t i = makes ? 0 : 1; r == 0 && i < (makes ? 1 : ARRAY_SIZE(commands)); i++)
		r = allow_where(filter, SCMP_SYS(bpf), 0, UINT32_MAX, (uint64_t)commands[i]);
	return r;
}

static int allow(scmp_filter_ctx filter, enum confinement confinement, int call)
{
	const bool downloads = is_one_of(confinement, DOWNLOADERS);

	switch (call) {
	case SCMP_SYS(mmap):
	case SCMP_SYS(mprotect):
		if (downloads)
			break;
		return allow_where(filter, call, 2, PROT_EXEC, 0);
	case SCMP_SYS(clone):
		return allow_clone(filter, confinement);
	case SCMP_SYS(kill):
		return allow_kill(filter);
	case SCMP_SYS(prctl):
		return allow_prctl(filter);
	case SCMP_SYS(ioctl):
		if (downloads)
			break;
		return allow_ioctl(filter, confinement);
	case SCMP_SYS(bpf):
		return allow_bpf(filter, confinement);
	case SCMP_SYS(tgkill):
		if (is_one_of(confinement, FORKERS))
			break; /* its forks' own filters say which */
		return allow_where(filter, call, 0, UINT32_MAX, (uint64_t)getpid());
	case SCMP_SYS(prlimit64):
		return allow_where(filter, call, 0, UINT32_MAX, 0); /* its own */
	case SCMP_SYS(openat):
		return allow_openat(filter, confinement);
	default:
		break;
	}
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int add_rules(scmp_filter_ctx filter, enum confinement confinement)
{
	/*
	 * What it is to start stands in memory, where a filter cannot look. Told that there is no such
	 * call, libc takes clone().
	 */
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t group = 0; group < ARRAY_SIZE(groups); group++)
		for (size_t i = 0; r == 0 && groups[group].confinements & BIT(confinement) &&
				   i < groups[group].count;
		     i++)
			r = allow(filter, confinement, groups[group].calls[i]);
	return r;
}

int confine_system_calls(enum confinement confinement)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	/* Without privileges a filter needs this, which libseccomp sets (no_new_privs) by itself. */
	r = add_rules(filter, confinement);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/* --- files ----------------------------------------------------------------------------------- */

/*
 * The directory of a process that has ended has no entries and never gets any, and nobody has to
 * make it or remove it.
 */
int confine_files(void)
{
	char path[PROC_PATH_SIZE];
	pid_t own_pid = getpid(), pid = fork();
	int r;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		while (own_process_die_with(own_pid) == 0)
			pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	r = chroot(path) < 0 || chdir("/") < 0 ? -errno : 0;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

/* Makes the folder the root directory. Returns as confine_files() does. */
static int confine_files_to(int folder_fd)
{
	return fchdir(folder_fd) < 0 || chroot(".") < 0 ? -errno : 0;
}

/* --- privileges ------------------------------------------------------------------------------ */

#define CAPABILITY(number) (UINT64_C(1) << (number))

/* Of those that it has. */
static int keep_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (kept && syscall(SYS_capget, &header, sets) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		sets[i].permitted &= (uint32_t)(kept >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

/* Those that a program might give it: refused where root is none, and needless there. */
static void bound_capabilities(uint64_t kept)
{
	for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
		if (!(kept & CAPABILITY(capability)))
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

/* Keeps capabilities of the set @kept (1 << CAP_...) across the change of the user. */
static int confine_privileges(const struct own_user *own, uint64_t kept)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (geteuid() != 0)
		return keep_capabilities(0);
	bound_capabilities(kept);
	if (prctl(PR_SET_KEEPCAPS, kept != 0, 0, 0, 0) < 0)
		return -errno;
	if (setgroups(0, NULL) == 0 && setresgid(own->group, own->group, own->group) == 0 &&
	    setresuid(own->user, own->user, own->user) < 0)
		return -errno;
	return keep_capabilities(kept);
}

/* The user stays; new programs, which there are none of, would get nothing. */
static int keep_only(uint64_t kept)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	bound_capabilities(kept);
	return keep_capabilities(kept);
}

int confine_opener(unsigned int tasks)
{
	const bool makes = tasks & (OPENER_MAKES_FILES | OPENER_MAKES_FILES_OF_OTHERS);
	/* CHECKPOINT_RESTORE is for /proc/PID/map_files; of its calls only perf_event_open asks for SYS_ADMIN. */
	int r = keep_only(
		CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH) |
		CAPABILITY(CAP_CHECKPOINT_RESTORE) | CAPABILITY(CAP_BPF) | CAPABILITY(CAP_PERFMON) |
		(tasks & OPENER_NEEDS_ADMIN ? CAPABILITY(CAP_SYS_ADMIN) : 0) |
		(tasks & OPENER_SIGNALS ? CAPABILITY(CAP_KILL) : 0) |
		(tasks & OPENER_MAKES_FILES_OF_OTHERS ? CAPABILITY(CAP_DAC_OVERRIDE) : 0));

	tzset(); /* reads a file, for the names of dumps */
	return r < 0 ? r
		     : confine_system_calls(makes ? CONFINED_TO_OPENING_AND_MAKING
						  : CONFINED_TO_OPENING);
}

/* --- all of it ------------------------------------------------------------------------------- */

static int confine_root_directory(enum confinement confinement, int folder_fd)
{
	int r;

	if (geteuid() != 0 || is_one_of(confinement, DOWNLOADERS))
		return 0;
	r = folder_fd >= 0 ? confine_files_to(folder_fd) : confine_files();
	/* Forbidden in some containers; all but a folder's server have no call that could open a file. */
	return r == -EPERM ? 0 : r;
}

/* @kept: of the capabilities. */
static int confine(enum confinement confinement, int folder_fd, uint64_t kept)
{
	const struct own_user own = own_user_find(OWN_USER_FILE);
	int death_signal = 0, r;

	tzset(); /* reads a file, which cannot be reached later, as that of users */
	prctl(PR_GET_PDEATHSIG, &death_signal);
	r = confine_root_directory(confinement, folder_fd);
	if (r == 0)
		r = confine_privileges(&own, kept);
	/* The change of the user takes it back. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, death_signal) < 0)
		r = -errno;
	return r == 0 ? confine_system_calls(confinement) : r;
}

int confine_process(enum confinement confinement, int folder_fd)
{
	return confine(confinement, folder_fd,
		       folder_fd >= 0 ? CAPABILITY(CAP_DAC_READ_SEARCH) : 0);
}

/*
 * Whether even what is done with a map that is open needs a capability: before 5.19, where
 * kernel.unprivileged_bpf_disabled is set. Asked with none in effect.
 */
static bool bpf_needs_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 },
				      none[ARRAY_SIZE(sets)];
	union bpf_attr no_map = { .map_fd = UINT32_MAX };
	bool needs;

	if (syscall(SYS_capget, &header, sets) < 0)
		return true;
	memcpy(none, sets, sizeof(none));
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		none[i].effective = 0;
	if (syscall(SYS_capset, &header, none) < 0)
		return true;
	needs = syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &no_map, sizeof(no_map)) < 0 &&
		errno == EPERM;
	return syscall(SYS_capset, &header, sets) < 0 || needs;
}

int confine_sampler(void)
{
	return confine(CONFINED_TO_SAMPLING, -1, bpf_needs_capability() ? CAPABILITY(CAP_BPF) : 0);
}

int confine_finisher(int folder_fd)
{
	int r = 0;

	if (folder_fd < 0)
		return confine_process(CONFINED_TO_FINISHING, -1);
	if (geteuid() == 0)
		r = confine_files_to(folder_fd);
	/*
	 * A folder, and a file that is replaced in one like /tmp, may be somebody else's. The child is another user:
	 * when we end, the kernel asks whether we might end it.
	 */
	if (r == 0 || r == -EPERM)
		r = keep_only(CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FOWNER) |
			      CAPABILITY(CAP_KILL));
	return r == 0 ? confine_system_calls(CONFINED_TO_FINISHING) : r;
}
