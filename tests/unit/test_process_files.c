/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening files that another process chose: links out of its root, FIFOs, files of strangers, of any
 * size, on FUSE. The processes are real ones.
 */
#include "privileged/process_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "check.h"

enum { PAGE_SIZE = 4096, STRANGER = 12345, PATIENCE_S = 20 };

static char folder[] = "/tmp/test_process_files.XXXXXX";

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", folder);
	if (system(command) != 0)
		printf("# %s is left\n", folder);
}

/* Makes the folder as well, at the first use. */
static const char *in_folder(const char *name)
{
	static char path[512];
	static bool is_made;

	if (!is_made) {
		if (geteuid() || !mkdtemp(folder) || chmod(folder, 0755))
			check_give_up();
		is_made = true;
		umask(0);
		atexit(remove_folder);
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *path, const char *content)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	fputs(content, file);
	fclose(file);
}

static bool content_is(int fd, const char *content)
{
	char text[64] = "";
	ssize_t size = read(fd, text, sizeof(text) - 1);

	return size >= 0 && strcmp(text, content) == 0;
}

/* A process whose root is the folder, waiting; ends with us. */
static pid_t start_in_folder(void)
{
	const char *root = in_folder("");
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chroot(root) < 0 || chdir("/") < 0)
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		pid = -1;
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

struct opened {
	struct process_files *files;
	pid_t pid; /* of a process in the folder; -1: ourselves */
	int process_fd;
};

static bool open_process(struct opened *opened, bool in_root)
{
	*opened = (struct opened){ .pid = in_root ? start_in_folder() : -1, .process_fd = -1 };
	return process_files_new(&opened->files) == 0 &&
	       process_files_open_process(opened->files,
					  in_root ? (uint32_t)opened->pid : (uint32_t)getpid(),
					  &opened->process_fd) == 0;
}

static void cleanup_opened_close(struct opened *opened)
{
	fd_close(opened->process_fd);
	process_files_free(opened->files);
	end(opened->pid);
}

static const struct process_file_rules map_rules = { .size_max = PROCESS_PERF_MAP_SIZE_MAX,
						     .owner_matters = true,
						     .owner = 0 };

static void an_absolute_link_stays_inside_the_processs_root(void)
{
	CLEANUP(opened_close) struct opened opened = { 0 };
	CLEANUP(fd_close) int fd = -1;
	char outside[512], target[1024];

	CHECK_OR_RETURN(open_process(&opened, true));
	snprintf(outside, sizeof(outside), "%s", in_folder("outside"));
	write_file(outside, "the host's");
	mkdir(in_folder("tmp"), 0777);
	symlink(outside, in_folder("tmp/link.map"));
	/* As the process sees it, that path leads to nothing. */
	CHECK_EQ(process_files_open_in_root(opened.files, process_place_of(opened.process_fd),
					    "/tmp/link.map", &map_rules, &fd),
		 -ENOENT);
	CHECK_EQ(fd, -1);
	/* And when there is a file at that path inside, it is that one. */
	snprintf(target, sizeof(target), "%s/%s", folder, folder);
	mkdir(in_folder("tmp"), 0777);
	mkdir(target, 0777);
	snprintf(target, sizeof(target), "%s/%s", folder, outside);
	write_file(target, "its own");
	CHECK_OR_RETURN(process_files_open_in_root(opened.files,
						   process_place_of(opened.process_fd),
						   "/tmp/link.map", &map_rules, &fd) == 0);
	CHECK(content_is(fd, "its own"));
}

static void a_link_through_proc_is_refused(void)
{
	CLEANUP(opened_close) struct opened opened = { 0 };
	CLEANUP(fd_close) int fd = -1;

	CHECK_OR_RETURN(open_process(&opened, false));
	symlink("/proc/self/fd/0", in_folder("magic.map"));
	CHECK_EQ(process_files_open_in_root(opened.files, process_place_of(opened.process_fd),
					    in_folder("magic.map"), &map_rules, &fd),
		 -ELOOP);
}

/* One file that has to be refused, by its outcome. */
static void check_refused(const char *name, int outcome)
{
	CLEANUP(opened_close) struct opened opened = { 0 };
	CLEANUP(fd_close) int fd = -1;

	CHECK_OR_RETURN(open_process(&opened, false));
	CHECK_EQ(process_files_open_in_root(opened.files, process_place_of(opened.process_fd),
					    in_folder(name), &map_rules, &fd),
		 outcome);
	CHECK_EQ(fd, -1);
	CHECK_EQ(process_files_counters(opened.files)->refused, 1);
	CHECK(process_file_outcome_text(outcome) != NULL);
}

static void a_fifo_is_refused_without_waiting(void)
{
	CHECK_OR_RETURN(mkfifo(in_folder("fifo"), 0666) == 0);
	alarm(PATIENCE_S); /* opening one for reading would wait for a writer */
	check_refused("fifo", PROCESS_FILE_NOT_REGULAR);
	alarm(0);
}

static void a_device_and_a_folder_are_refused(void)
{
	CHECK_OR_RETURN(mknod(in_folder("device"), S_IFCHR | 0666, makedev(1, 3)) == 0);
	check_refused("device", PROCESS_FILE_NOT_REGULAR);
	mkdir(in_folder("folder"), 0777);
	check_refused("folder", PROCESS_FILE_NOT_REGULAR);
}

static void a_strangers_file_is_refused(void)
{
	write_file(in_folder("strange"), "1000 10 planted\n");
	CHECK_OR_RETURN(chown(in_folder("strange"), STRANGER, STRANGER) == 0);
	check_refused("strange", PROCESS_FILE_WRONG_OWNER);
}

static void the_processs_own_user_may_own_it(void)
{
	struct process_file_rules rules = map_rules;
	CLEANUP(opened_close) struct opened opened = { 0 };
	CLEANUP(fd_close) int fd = -1;

	rules.owner = STRANGER;
	write_file(in_folder("own"), "mine");
	CHECK_OR_RETURN(chown(in_folder("own"), STRANGER, STRANGER) == 0);
	CHECK_OR_RETURN(open_process(&opened, false));
	CHECK_OR_RETURN(process_files_open_in_root(opened.files,
						   process_place_of(opened.process_fd),
						   in_folder("own"), &rules, &fd) == 0);
	CHECK(content_is(fd, "mine"));
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void a_huge_sparse_file_is_refused(void)
{
	write_file(in_folder("huge"), "");
	if (truncate(in_folder("huge"), (off_t)10 << 30) < 0)
		SKIP("the file system has no sparse files of 10 GiB");
	check_refused("huge", PROCESS_FILE_TOO_LARGE);
	unlink(in_folder("huge"));
}

static void another_file_at_the_path_is_refused(void)
{
	struct process_file_rules rules = { .size_max = 100, .identity_matters = true };
	CLEANUP(process_files_free) struct process_files *files = NULL;
	CLEANUP(fd_close) int fd = -1;
	struct stat status;

	CHECK_OR_RETURN(process_files_new(&files) == 0);
	write_file(in_folder("program"), "x");
	CHECK_OR_RETURN(stat(in_folder("program"), &status) == 0);
	rules.device_major = major(status.st_dev);
	rules.device_minor = minor(status.st_dev);
	rules.inode = status.st_ino + 1;
	CHECK_EQ(process_files_open_path(files, in_folder("program"), &rules, &fd),
		 PROCESS_FILE_OTHER);
	rules.inode = status.st_ino;
	CHECK_EQ(process_files_open_path(files, in_folder("program"), &rules, &fd), 0);
	CHECK(content_is(fd, "x"));
}

static void a_plain_path_follows_no_link(void)
{
	const struct process_file_rules rules = { .size_max = 100 };
	CLEANUP(process_files_free) struct process_files *files = NULL;
	CLEANUP(fd_close) int fd = -1;

	CHECK_OR_RETURN(process_files_new(&files) == 0);
	write_file(in_folder("real"), "x");
	symlink("real", in_folder("alias"));
	CHECK_EQ(process_files_open_path(files, in_folder("alias"), &rules, &fd), -ELOOP);
}

/* As the search for debug files does: what is not there or refused is passed over. */
static void the_first_of_several_paths_that_will_do_is_opened(void)
{
	static const char paths[] = "/none\0/strange2\0/folder2\0/good\0/link\0";
	CLEANUP(opened_close) struct opened opened = { 0 };
	CLEANUP(fd_close) int fd = -1;
	unsigned int index = 99;

	write_file(in_folder("strange2"), "planted");
	CHECK_OR_RETURN(chown(in_folder("strange2"), STRANGER, STRANGER) == 0);
	mkdir(in_folder("folder2"), 0777);
	write_file(in_folder("good"), "good");
	symlink("/good", in_folder("link"));
	CHECK_OR_RETURN(open_process(&opened, true));
	CHECK_OR_RETURN(process_files_open_first(opened.files, opened.process_fd, paths, 0,
						 &map_rules, &index, &fd) == 0);
	CHECK_EQ(index, 3);
	CHECK(content_is(fd, "good"));
	close(fd);
	/* Going on behind it. */
	CHECK_OR_RETURN(process_files_open_first(opened.files, opened.process_fd, paths, index + 1,
						 &map_rules, &index, &fd) == 0);
	CHECK_EQ(index, 4);
	CHECK(content_is(fd, "good"));
	close(TAKE_FD(fd));
	CHECK_EQ(process_files_open_first(opened.files, opened.process_fd, paths, index + 1,
					  &map_rules, &index, &fd),
		 -ENOENT);
	/* As we see it, none of them is there. */
	CHECK_EQ(process_files_open_first(opened.files, -1, paths, 0, &map_rules, &index, &fd),
		 -ENOENT);
}

static void a_process_in_another_root_is_told_from_one_in_ours(void)
{
	CLEANUP(opened_close) struct opened own = { 0 };
	CLEANUP(opened_close) struct opened other = { 0 };

	CHECK_OR_RETURN(open_process(&own, false) && open_process(&other, true));
	CHECK(process_files_shares_root(own.files, process_place_of(own.process_fd)));
	CHECK(!process_files_shares_root(other.files, process_place_of(other.process_fd)));
}

static void a_deleted_mapped_file_is_opened(void)
{
	const struct process_file_rules rules = { .size_max = 100 }, small = { .size_max = 5 };
	CLEANUP(opened_close) struct opened opened = { 0 };
	CLEANUP(fd_close) int fd = -1, mapped_fd = -1;
	struct process_place place;
	struct process_range range;
	uint64_t time_ns = 0;
	void *memory;

	CHECK_OR_RETURN(open_process(&opened, false));
	place = process_place_of(opened.process_fd);
	write_file(in_folder("deleted"), "still here");
	mapped_fd = open(in_folder("deleted"), O_RDONLY | O_CLOEXEC);
	CHECK_OR_RETURN(mapped_fd >= 0 && unlink(in_folder("deleted")) == 0);
	memory = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, mapped_fd, 0);
	CHECK_OR_RETURN(memory != MAP_FAILED);
	range.start = (uint64_t)(uintptr_t)memory;
	range.end = range.start + PAGE_SIZE;
	CHECK_OR_RETURN(process_files_open_mapped(opened.files, place, range, &rules, &fd) == 0);
	CHECK(content_is(fd, "still here"));
	CHECK_EQ(process_files_open_mapped(opened.files, place, range, &small, &fd),
		 PROCESS_FILE_TOO_LARGE);
	CHECK_EQ(process_files_times_changed(opened.files, place, &range, 1, &time_ns), 0);
	CHECK(time_ns > 0);
	munmap(memory, PAGE_SIZE);
	CHECK_EQ(process_files_open_mapped(opened.files, place, range, &rules, &fd), -ENOENT);
	CHECK_EQ(process_files_times_changed(opened.files, place, &range, 1, &time_ns), 0);
	CHECK_EQ(time_ns, 0);
}

static void a_process_that_ended_gives_nothing(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer text = bytes_writer_with_max(1 << 20);
	CLEANUP(process_files_free) struct process_files *files = NULL;
	CLEANUP(fd_close) int process_fd = -1;
	struct process_look look;
	pid_t pid = start_in_folder();

	CHECK_OR_RETURN(pid > 0 && process_files_new(&files) == 0);
	CHECK_EQ(process_files_open_process(files, (uint32_t)pid, &process_fd), 0);
	end(pid);
	CHECK(process_files_read(files, process_place_of(process_fd), "status", &text) < 0);
	CHECK_EQ(text.size, 0);
	CHECK_EQ(process_files_look(files, (uint32_t)pid, &look), -ENOENT);
	fd_close(TAKE_FD(process_fd));
	CHECK_EQ(process_files_open_process(files, (uint32_t)pid, &process_fd), -ENOENT);
}

static void the_vdso_is_an_elf_file(void)
{
	CLEANUP(process_files_free) struct process_files *files = NULL;
	CLEANUP(fd_close) int fd = -1;
	char magic[4] = "";

	CHECK_OR_RETURN(process_files_new(&files) == 0);
	CHECK_OR_RETURN(process_files_open_vdso(files, &fd) == 0);
	CHECK_EQ(pread(fd, magic, sizeof(magic), 0), sizeof(magic));
	CHECK(memcmp(magic, "\177ELF", 4) == 0);
	CHECK(lseek(fd, 0, SEEK_END) >= PAGE_SIZE);
	/* Whoever it is given to cannot change it for the next. */
	CHECK(write(fd, "x", 1) < 0 && errno == EPERM);
}

/* Mounts FUSE with a daemon that never answers. The root of it is a file or a folder. */
static int mount_silent_fuse(const char *place, const char *root_mode)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=%s,user_id=0,group_id=0,allow_other", fd,
		 root_mode);
	if (mount("silent", place, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool leave_mount_namespace(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void a_silent_fuse_folder_is_refused_without_waiting(void)
{
	CLEANUP(fd_close) int fuse_fd = -1;

	mkdir(in_folder("fuse"), 0777);
	if (!leave_mount_namespace())
		SKIP("no mount namespaces here");
	fuse_fd = mount_silent_fuse(in_folder("fuse"), "40000");
	if (fuse_fd < 0)
		SKIP("no FUSE here");
	alarm(PATIENCE_S);
	check_refused("fuse/perf-1.map", PROCESS_FILE_ON_FUSE);
	alarm(0);
	umount2(in_folder("fuse"), MNT_DETACH);
}

/* The path itself leads nowhere near FUSE; only the link in it does. */
static void a_link_to_a_silent_fuse_file_is_refused_without_waiting(void)
{
	CLEANUP(fd_close) int fuse_fd = -1;

	write_file(in_folder("fuse_file"), "");
	symlink("fuse_file", in_folder("fuse_link"));
	if (!leave_mount_namespace())
		SKIP("no mount namespaces here");
	fuse_fd = mount_silent_fuse(in_folder("fuse_file"), "100000");
	if (fuse_fd < 0)
		SKIP("no FUSE here");
	alarm(PATIENCE_S);
	check_refused("fuse_link", PROCESS_FILE_ON_FUSE);
	alarm(0);
	umount2(in_folder("fuse_file"), MNT_DETACH);
}

TESTS(TEST(an_absolute_link_stays_inside_the_processs_root), TEST(a_link_through_proc_is_refused),
      TEST(a_fifo_is_refused_without_waiting), TEST(a_device_and_a_folder_are_refused),
      TEST(a_strangers_file_is_refused), TEST(the_processs_own_user_may_own_it),
      TEST(a_huge_sparse_file_is_refused), TEST(another_file_at_the_path_is_refused),
      TEST(a_plain_path_follows_no_link), TEST(the_first_of_several_paths_that_will_do_is_opened),
      TEST(a_process_in_another_root_is_told_from_one_in_ours),
      TEST(a_deleted_mapped_file_is_opened), TEST(a_process_that_ended_gives_nothing),
      TEST(the_vdso_is_an_elf_file), TEST(a_silent_fuse_folder_is_refused_without_waiting),
      TEST(a_link_to_a_silent_fuse_file_is_refused_without_waiting))
