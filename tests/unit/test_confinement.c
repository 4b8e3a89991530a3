/* SPDX-License-Identifier: Apache-2.0 */
/* What a confined process may ask of the kernel: every system call is tried. */
#include "base/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"

enum {
	NUMBERS = 1024, /* beyond all that there are */
	/* uprobe and uretprobe: the kernel lets them pass filters, and ends who calls them from elsewhere. */
	UPROBE_FIRST = 335,
	UPROBE_LAST = 336,
	LINE_SIZE = 4096,
};

/* Runs in a child; returns what its function did: 0 to 255, -1 when it was killed. */
static int in_child(int (*run)(enum confinement), enum confinement confinement)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (confine_process(confinement, -1) < 0)
			_exit(255);
		_exit(run(confinement));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The number of system calls that were not refused though they are not in the list. */
static int try_all_others(enum confinement confinement)
{
	int count = 0;

	for (int number = 0; number < NUMBERS; number++) {
		if (confinement_allows(confinement, number) ||
		    (number >= UPROBE_FIRST && number <= UPROBE_LAST))
			continue;
		errno = 0;
		/* Of one call it is said that there is none, so that libc takes another. */
		if (syscall(number, -1, -1, -1, -1, -1, -1) != -1 ||
		    errno != (number == SYS_clone3 ? ENOSYS : EPERM))
			count++;
	}
	return count;
}

static void every_other_system_call_is_refused(void)
{
	for (int confinement = 0; confinement < CONFINEMENTS; confinement++)
		CHECK_EQ(in_child(try_all_others, (enum confinement)confinement), 0);
}

static bool downloads(enum confinement confinement)
{
	return confinement == CONFINED_TO_DOWNLOADING ||
	       confinement == CONFINED_TO_FORKING_TO_DOWNLOAD;
}

static bool forks(enum confinement confinement)
{
	return confinement == CONFINED_TO_FORKING || confinement == CONFINED_TO_FORKING_TO_DOWNLOAD;
}

static int try_arguments(enum confinement confinement)
{
	const bool may_execute = downloads(confinement);
	struct rlimit limit;
	void *memory;

	memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if ((memory != MAP_FAILED) != may_execute)
		return 1;
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	if ((mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0) != may_execute)
		return 3;
	if (mprotect(memory, 4096, PROT_READ) < 0)
		return 4;
	/* A forker's forks have this from it, and bound it by themselves. */
	if (!forks(confinement) &&
	    (syscall(SYS_tgkill, getppid() > 0 ? getppid() : 1, 1, 0) != -1 || errno != EPERM))
		return 5;
	if (prlimit(0, RLIMIT_NOFILE, NULL, &limit) < 0)
		return 6;
	if (prlimit(1, RLIMIT_NOFILE, NULL, &limit) != -1 || errno != EPERM)
		return 7;
	/* What remains is refused by the file's mode, when it is asked for reading alone. */
	if (open("/dev/null", O_WRONLY) >= 0 || errno != EPERM)
		return 8;
	if ((open("/dev/null", O_RDONLY) >= 0) != may_execute)
		return 9;
	return 0;
}

static void what_is_allowed_is_bounded_by_its_arguments(void)
{
	for (int confinement = 0; confinement < CONFINEMENTS; confinement++)
		CHECK_EQ(in_child(try_arguments, (enum confinement)confinement), 0);
}

static void *end_at_once(void *context)
{
	return context;
}

static int try_threads_and_processes(enum confinement confinement)
{
	const bool may_start_threads =
		confinement != CONFINED_TO_PARSING && confinement != CONFINED_TO_OPENING &&
		confinement != CONFINED_TO_OPENING_AND_MAKING &&
		confinement != CONFINED_TO_FORKING && confinement != CONFINED_TO_FINISHING;
	pthread_t thread;
	pid_t pid;

	if ((pthread_create(&thread, NULL, end_at_once, NULL) == 0) != may_start_threads)
		return 1;
	if (may_start_threads && pthread_join(thread, NULL) != 0)
		return 2;
	pid = fork();
	if (pid == 0)
		_exit(0);
	if ((pid > 0) != forks(confinement))
		return 3;
	return pid > 0 || errno == EPERM ? 0 : 4;
}

static void threads_and_processes_are_started_by_some(void)
{
	for (int confinement = 0; confinement < CONFINEMENTS; confinement++)
		CHECK_EQ(in_child(try_threads_and_processes, (enum confinement)confinement), 0);
}

static long raw_clone(unsigned long flags)
{
	return syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

/* Forks end at its word, and their own filter holds; what else makes or ends processes is refused. */
static int try_forking(enum confinement confinement)
{
	int status = 0;
	pid_t pid;

	if (raw_clone(CLONE_NEWUSER | SIGCHLD) != -1 || errno != EPERM)
		return 1;
	if (raw_clone(CLONE_VM | SIGCHLD) != -1 || errno != EPERM)
		return 2;
	if (raw_clone(CLONE_PARENT | SIGCHLD) != -1 || errno != EPERM)
		return 3;
	if (kill(getppid(), 0) != -1 || errno != EPERM)
		return 4;
	if (kill(-1, SIGKILL) != -1 || errno != EPERM)
		return 5;
	if (prctl(PR_SET_DUMPABLE, 1) != -1 || errno != EPERM)
		return 6;
	pid = fork();
	if (pid == 0) {
		if (confine_system_calls(downloads(confinement) ? CONFINED_TO_DOWNLOADING
								: CONFINED_TO_PARSING) < 0 ||
		    raw_clone(SIGCHLD) != -1 || kill(getppid(), SIGKILL) != -1)
			_exit(1);
		for (;;)
			pause();
	}
	if (pid < 0 || kill(pid, SIGKILL) < 0 || waitpid(pid, &status, 0) != pid)
		return 7;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 8;
}

static void a_forker_forks_and_does_nothing_else(void)
{
	CHECK_EQ(in_child(try_forking, CONFINED_TO_FORKING), 0);
	CHECK_EQ(in_child(try_forking, CONFINED_TO_FORKING_TO_DOWNLOAD), 0);
}

/* What is written into a terminal's input is run by the shell behind us. */
static int try_terminal(enum confinement confinement)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCSTI, "x") == 0 || errno != EPERM)
		return 1;
	return ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 || errno != EPERM ? 0 : 2;
}

static void a_terminal_is_asked_for_its_size_alone(void)
{
	CHECK_EQ(in_child(try_terminal, CONFINED_TO_READING), 0);
	CHECK_EQ(in_child(try_terminal, CONFINED_TO_SERVING), 0);
	CHECK_EQ(in_child(try_terminal, CONFINED_TO_SAMPLING), 0);
}

/* Of what is beneath the folder all can be read, and of what is not nothing. */
static void a_folder_that_is_served_is_all_there_is(void)
{
	char folder[] = "/tmp/flickerscope-test-XXXXXX", path[64];
	pid_t pid;
	int status = -1, fd;

	CHECK_OR_RETURN(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/inside", folder);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		const struct open_how how = { .flags = O_RDONLY };
		int r = confine_process(CONFINED_TO_SERVING_A_FOLDER, fd);

		_exit(r < 0 || getuid() == 0						    ? 1
		      : syscall(SYS_openat2, fd, "inside", &how, sizeof(how)) < 0	    ? 2
		      : syscall(SYS_openat2, fd, "../../etc/hosts", &how, sizeof(how)) >= 0 ? 3
		      : syscall(SYS_openat2, fd, "/etc/hosts", &how, sizeof(how)) >= 0	    ? 4
											    : 0);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	close(fd);
	unlink(path);
	rmdir(folder);
}

static int try_sampling(int folder_fd)
{
	union bpf_attr attribute = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};

	if (confine_sampler() < 0)
		return 1;
	if (getuid() == 0 || geteuid() == 0 || getgid() == 0)
		return 2;
	if (open("/etc/hostname", O_RDONLY) >= 0 || errno != EPERM)
		return 3;
	if (openat(folder_fd, "old", O_RDONLY) >= 0 || errno != EPERM)
		return 4;
	if (openat(folder_fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0 || errno != EPERM)
		return 5;
	if (unlinkat(folder_fd, "old", 0) == 0 || errno != EPERM)
		return 6;
	if (renameat(folder_fd, "old", folder_fd, "new") == 0 || errno != EPERM)
		return 7;
	if (execl("/bin/true", "true", NULL) == 0 || errno != EPERM)
		return 8;
	if (kill(getppid(), 0) == 0 || errno != EPERM)
		return 9;
	if (syscall(SYS_bpf, BPF_PROG_LOAD, NULL, 0) >= 0 || errno != EPERM)
		return 10;
	if (syscall(SYS_bpf, BPF_MAP_CREATE, &attribute, sizeof(attribute)) >= 0 || errno != EPERM)
		return 11;
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != -1)
		return 12; /* not even asking is allowed */
	return 0;
}

/* Neither by a path nor in a folder that it has. */
static void what_samples_opens_and_makes_nothing(void)
{
	char folder[] = "/tmp/flickerscope-test-XXXXXX";
	CLEANUP(fd_close) int fd = -1;
	int status = -1;
	pid_t pid;

	CHECK_OR_RETURN(mkdtemp(folder));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(openat(fd, "old", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	pid = fork();
	if (pid == 0)
		_exit(try_sampling(fd));
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_EQ(unlinkat(fd, "old", 0), 0);
	CHECK_EQ(rmdir(folder), 0);
}

static int try_finishing(int folder_fd)
{
	if (confine_finisher(folder_fd) < 0)
		return 1;
	if (openat(folder_fd, "new", O_WRONLY | O_CREAT, 0600) >= 0 || errno != EPERM)
		return 2;
	if (renameat(folder_fd, "old", folder_fd, "new") < 0)
		return 3;
	/* The folder is all there is. */
	if (open("/new", O_RDONLY) < 0 || open("/etc/hostname", O_RDONLY) >= 0 || errno != ENOENT)
		return 4;
	if (execl("/bin/true", "true", NULL) == 0 || errno != EPERM)
		return 5;
	return fork() < 0 && errno == EPERM ? 0 : 6;
}

/* In a folder of its own, and in one of somebody else that is like /tmp. */
static void who_finishes_a_file_has_its_folder_alone(void)
{
	enum { SOMEBODY = 1234 };

	for (int i = 0; i < 2; i++) {
		char folder[] = "/tmp/flickerscope-test-XXXXXX";
		CLEANUP(fd_close) int fd = -1;
		int status = -1;
		pid_t pid;

		CHECK_OR_RETURN(mkdtemp(folder));
		fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		for (int j = 0; j < 2; j++)
			close(openat(fd, j ? "new" : "old", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		if (i)
			CHECK(chown(folder, SOMEBODY, 0) == 0 && chmod(folder, 01755) == 0 &&
			      fchownat(fd, "new", SOMEBODY, 0, 0) == 0);
		pid = fork();
		if (pid == 0)
			_exit(try_finishing(fd));
		waitpid(pid, &status, 0);
		CHECK_EQ(status, 0);
		CHECK_EQ(unlinkat(fd, "new", 0), 0);
		CHECK_EQ(rmdir(folder), 0);
	}
}

/* Whoever is ended in the middle of it leaves no process behind. */
static void confining_files_outlives_nobody(void)
{
	enum { ROUNDS = 200, PAUSE_STEP_US = 7, PATIENCE_MS = 10000 };
	pid_t ended = 0;

	/* Orphans become our children. */
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(confine_files() < 0);
		usleep((useconds_t)(round * PAUSE_STEP_US));
		kill(pid, SIGKILL);
	}
	for (int ms = 0; ms < PATIENCE_MS && ended >= 0; ms++) {
		while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (ended == 0)
			usleep(1000);
	}
	CHECK(ended < 0 && errno == ECHILD);
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static int try_opening(unsigned int tasks)
{
	const bool makes = tasks & OPENER_MAKES_FILES;
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	int fd;

	if (confine_opener(tasks) < 0)
		return 1;
	fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map));
	if (fd < 0)
		return 2;
	map = (union bpf_attr){ .map_fd = (uint32_t)fd };
	if (syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &map, sizeof(map)) >= 0 || errno != EPERM)
		return 3;
	if (syscall(SYS_bpf, BPF_PROG_LOAD, &map, sizeof(map)) >= 0 || errno != EPERM)
		return 4;
	if (open("/etc/hostname", O_WRONLY) >= 0 || errno != EPERM)
		return 5;
	if (open("/tmp/x", O_RDONLY | O_CREAT, 0600) >= 0 || errno != EPERM)
		return 6;
	if (open("/etc/hostname", O_RDONLY | O_TRUNC) >= 0 || errno != EPERM)
		return 7;
	if (open("/nowhere/x", O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0 ||
	    errno != (makes ? ENOENT : EPERM))
		return 8;
	return kill(getppid(), 0) < 0 && errno == EPERM ? 0 : 9;
}

static void what_opens_makes_maps_and_uses_none(void)
{
	static const unsigned int tasks[] = { 0, OPENER_MAKES_FILES };

	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0)
			_exit(try_opening(tasks[i]));
		waitpid(pid, &status, 0);
		CHECK_EQ(status, 0);
	}
}

static int raise_own(enum confinement confinement)
{
	raise(SIGKILL);
	return 1;
}

static void a_process_may_end_itself(void)
{
	CHECK_EQ(in_child(raise_own, CONFINED_TO_PARSING), -1);
}

/* A row of the table in agent/README.md: "| parsing | `brk`, `close`, ... |". */
static bool read_row(const char *name, char row[LINE_SIZE])
{
	CLEANUP(file_close) FILE *file = fopen("agent/README.md", "re");
	char start[64];

	snprintf(start, sizeof(start), "| %s |", name);
	while (file && fgets(row, LINE_SIZE, file))
		if (strncmp(row, start, strlen(start)) == 0)
			return true;
	return false;
}

static bool row_has(const char *row, int number)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	char quoted[128];
	bool is_there;

	if (!name)
		return false;
	snprintf(quoted, sizeof(quoted), "`%s`", name);
	is_there = strstr(row, quoted);
	free(name);
	return is_there;
}

/* Each row names what its confinement has beyond that of another row. */
static void the_lists_are_those_of_the_readme(void)
{
	static const struct {
		const char *name;
		enum confinement beyond;
	} rows[] = {
		[CONFINED_TO_PARSING] = { "parsing", CONFINED_TO_PARSING },
		[CONFINED_TO_DOWNLOADING] = { "downloading", CONFINED_TO_PARSING },
		[CONFINED_TO_READING] = { "reading", CONFINED_TO_PARSING },
		[CONFINED_TO_SERVING] = { "serving", CONFINED_TO_READING },
		[CONFINED_TO_SERVING_A_FOLDER] = { "serving a folder", CONFINED_TO_SERVING },
		[CONFINED_TO_OPENING] = { "opening", CONFINED_TO_PARSING },
		[CONFINED_TO_SAMPLING] = { "sampling", CONFINED_TO_SERVING },
		[CONFINED_TO_OPENING_AND_MAKING] = { "opening and making", CONFINED_TO_OPENING },
		[CONFINED_TO_FORKING] = { "forking", CONFINED_TO_PARSING },
		[CONFINED_TO_FORKING_TO_DOWNLOAD] = { "forking to download",
						      CONFINED_TO_DOWNLOADING },
		[CONFINED_TO_FINISHING] = { "finishing", CONFINED_TO_PARSING },
	};

	for (int confinement = 0; confinement < CONFINEMENTS; confinement++) {
		enum confinement beyond = rows[confinement].beyond;
		char row[LINE_SIZE];

		CHECK_OR_RETURN(read_row(rows[confinement].name, row));
		for (int number = 0; number < NUMBERS; number++) {
			bool is_given = (int)beyond != confinement &&
					confinement_allows(beyond, number);

			CHECK_EQ(confinement_allows((enum confinement)confinement, number),
				 is_given || row_has(row, number));
			CHECK(!is_given || !row_has(row, number));
		}
	}
}

TESTS(TEST(every_other_system_call_is_refused), TEST(what_is_allowed_is_bounded_by_its_arguments),
      TEST(threads_and_processes_are_started_by_some), TEST(a_forker_forks_and_does_nothing_else),
      TEST(a_terminal_is_asked_for_its_size_alone), TEST(a_folder_that_is_served_is_all_there_is),
      TEST(what_samples_opens_and_makes_nothing), TEST(who_finishes_a_file_has_its_folder_alone),
      TEST(what_opens_makes_maps_and_uses_none), TEST(a_process_may_end_itself),
      TEST(confining_files_outlives_nobody), TEST(the_lists_are_those_of_the_readme))
