/* SPDX-License-Identifier: Apache-2.0 */
#include "base/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	NOBODY = 65534,
	PROC_PATH_SIZE = 64,
};

/* --- system calls ---------------------------------------------------------------------------- */

static const int parsing_calls[] = {
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

/* Beyond those for parsing. */
static const int downloading_calls[] = {
	/* threads: */
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(exit),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list),
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

static bool is_in(const int *calls, size_t count, int number)
{
	for (size_t i = 0; i < count; i++)
		if (calls[i] == number)
			return true;
	return false;
}

bool confinement_allows(enum confinement confinement, int number)
{
	return is_in(parsing_calls, ARRAY_SIZE(parsing_calls), number) ||
	       (confinement == CONFINED_TO_DOWNLOADING &&
		is_in(downloading_calls, ARRAY_SIZE(downloading_calls), number));
}

/* Allows a call where bits of an argument have a value. */
static int allow_where(scmp_filter_ctx filter, int call, unsigned int argument, uint64_t mask,
		       uint64_t value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

static int allow(scmp_filter_ctx filter, enum confinement confinement, int call)
{
	const bool may_execute = confinement == CONFINED_TO_DOWNLOADING;

	switch (call) {
	case SCMP_SYS(mmap):
	case SCMP_SYS(mprotect):
		if (may_execute)
			break;
		return allow_where(filter, call, 2, PROT_EXEC, 0);
	case SCMP_SYS(tgkill):
		return allow_where(filter, call, 0, UINT32_MAX, (uint64_t)getpid());
	case SCMP_SYS(prlimit64):
		return allow_where(filter, call, 0, UINT32_MAX, 0); /* its own */
	case SCMP_SYS(openat):
		return allow_where(filter, call, 2, O_ACCMODE, O_RDONLY);
	default:
		break;
	}
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int add_rules(scmp_filter_ctx filter, enum confinement confinement)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parsing_calls); i++)
		r = allow(filter, confinement, parsing_calls[i]);
	if (confinement == CONFINED_TO_DOWNLOADING)
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(downloading_calls); i++)
			r = allow(filter, confinement, downloading_calls[i]);
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
	pid_t pid = fork();
	int r;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	r = chroot(path) < 0 || chdir("/") < 0 ? -errno : 0;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

/* --- privileges ------------------------------------------------------------------------------ */

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int confine_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (geteuid() == 0) {
		/* Those that a program might give it: refused where root is none, and needless there. */
		for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
		if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		    setresuid(NOBODY, NOBODY, NOBODY) < 0)
			return -errno;
	}
	return drop_capabilities();
}
