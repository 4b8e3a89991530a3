/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of /proc: maps, stat, status, cgroup and mountinfo. */
#include "process/proc_maps.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"
#include "privileged/mount_info.h"
#include "process/cgroup_path.h"
#include "process/proc_status.h"

static struct bytes_reader text_of(const char *text)
{
	return bytes_reader_of(text, strlen(text));
}

static void an_executable_line_gives_all_its_fields(void)
{
	struct bytes_reader text = text_of("55ae3a3a3000-55ae3a3c7000 r-xp 00004000 fe:01 247476"
					   "                     /usr/bin/grep\n");
	struct proc_maps_row row;

	CHECK_OR_RETURN(proc_maps_next(&text, &row) == 0);
	CHECK_EQ(row.start, 0x55ae3a3a3000);
	CHECK_EQ(row.end, 0x55ae3a3c7000);
	CHECK_EQ(row.file_offset, 0x4000);
	CHECK_EQ(row.device_major, 0xfe);
	CHECK_EQ(row.device_minor, 1);
	CHECK_EQ(row.inode, 247476);
	CHECK(row.executable);
	CHECK_EQ(row.path_size, strlen("/usr/bin/grep"));
	CHECK(memcmp(row.path, "/usr/bin/grep", row.path_size) == 0);
	CHECK_EQ(proc_maps_next(&text, &row), PROC_MAPS_END);
}

static void a_path_keeps_its_blanks(void)
{
	struct bytes_reader text = text_of("1000-2000 r-xp 0 0:1 5  /a b  (deleted)");
	struct proc_maps_row row;

	CHECK_OR_RETURN(proc_maps_next(&text, &row) == 0);
	CHECK_EQ(row.path_size, strlen("/a b  (deleted)"));
}

static void anonymous_memory_has_no_path(void)
{
	struct bytes_reader text = text_of("7f00-7f01 rwxp 00000000 00:00 0 \n"
					   "7f02-7f03 rw-p 00000000 00:00 0\n");
	struct proc_maps_row row;

	CHECK_OR_RETURN(proc_maps_next(&text, &row) == 0);
	CHECK_EQ(row.path_size, 0);
	CHECK_EQ(row.inode, 0);
	CHECK(row.executable);
	CHECK_OR_RETURN(proc_maps_next(&text, &row) == 0);
	CHECK(!row.executable);
}

static void bad_lines_are_passed_over(void)
{
	static const char *const bad[] = {
		"",
		"-",
		"2000-1000 r-xp 0 0:0 0",
		"1000-1000 r-xp 0 0:0 0",
		"1000-2000",
		"1000-2000 r-xp",
		"1000-2000 r-xp 0",
		"1000-2000 r-xp 0 0:0",
		"1000-2000 rx 0 0:0 0",
		"1000-2000 r-xp 0 0-0 0",
		"g000-2000 r-xp 0 0:0 0",
		"11112222333344445-2 r-xp 0 0:0 0",
		"1000-2000 r-xp 0 100000000:0 0",
		"1000-2000 r-xp 0 0:0 99999999999999999999",
		"1000-2000 r-xp 0 0:0 5/path",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char lines[256];
		struct bytes_reader text;
		struct proc_maps_row row = { .start = 99 };

		snprintf(lines, sizeof(lines), "%s\n3000-4000 r-xp 0 0:0 0 /good\n", bad[i]);
		text = text_of(lines);
		CHECK_EQ(proc_maps_next(&text, &row), PROC_MAPS_BAD_LINE);
		CHECK_EQ(row.start, 99);
		CHECK_EQ(proc_maps_next(&text, &row), 0);
		CHECK_EQ(row.start, 0x3000);
	}
}

static void our_own_maps_are_understood_whole(void)
{
	CLEANUP(file_close) FILE *file = fopen("/proc/self/maps", "re");
	static char content[1 << 20];
	uint64_t here = (uint64_t)(uintptr_t)our_own_maps_are_understood_whole;
	struct bytes_reader text;
	struct proc_maps_row row;
	int bad = 0, holds_us = 0, r;

	CHECK_OR_RETURN(file);
	text = bytes_reader_of(content, fread(content, 1, sizeof(content), file));
	while ((r = proc_maps_next(&text, &row)) != PROC_MAPS_END) {
		bad += r != 0;
		holds_us += r == 0 && row.executable && row.start <= here && here < row.end;
	}
	CHECK_EQ(bad, 0);
	CHECK_EQ(holds_us, 1);
}

static void the_start_is_found_behind_any_name(void)
{
	static const char plain[] = "1 (sh) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9\n";
	static const char tricky[] =
		"1 (a) R 1 ) 3) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4343 9\n";
	static const char cut[] = "1 (sh) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0";
	struct proc_stat stat = { 0 };

	CHECK(proc_stat_parse(plain, strlen(plain), &stat));
	CHECK_EQ(stat.start_ticks, 4242);
	CHECK_EQ(stat.state, 'S');
	CHECK(proc_stat_parse(tricky, strlen(tricky), &stat));
	CHECK_EQ(stat.start_ticks, 4343);
	CHECK(!proc_stat_parse(cut, strlen(cut), &stat));
	CHECK(!proc_stat_parse("", 0, &stat));
	CHECK_EQ(stat.start_ticks, 4343);
}

static void the_innermost_pid_and_the_effective_user_are_taken(void)
{
	static const char text[] =
		"Name:\tUid:\nUmask:\t0022\nUid:\t1\t100\t3\t4\nNSpid:\t700\t33\t2\n";
	static const char old[] = "Name:\tx\nUid:\t5\t6\t7\t8\n";
	struct proc_status status;

	CHECK_OR_RETURN(proc_status_parse(text, strlen(text), &status));
	CHECK_EQ(status.effective_user, 100);
	CHECK_EQ(status.namespace_pid, 2);
	CHECK_OR_RETURN(proc_status_parse(old, strlen(old), &status));
	CHECK_EQ(status.effective_user, 6);
	CHECK_EQ(status.namespace_pid, 0);
	CHECK(!proc_status_parse("Name:\tx\n", 8, &status));
}

static void the_unified_path_wins_unless_it_is_unused(void)
{
	char path[CGROUP_PATH_SIZE_MAX];
	static const char unified[] = "0::/system.slice/a.service\n";
	static const char hybrid[] = "4:memory:/x\n1:name=systemd:/docker/abc\n0::/\n";
	static const char both[] = "1:name=systemd:/longer/than/that\n0::/user.slice\n";

	cgroup_path_of(unified, strlen(unified), path);
	CHECK_STR_EQ(path, "/system.slice/a.service");
	cgroup_path_of(hybrid, strlen(hybrid), path);
	CHECK_STR_EQ(path, "/docker/abc");
	cgroup_path_of(both, strlen(both), path);
	CHECK_STR_EQ(path, "/user.slice");
	CHECK_EQ(cgroup_path_of("nonsense\n1\n::/\n", 14, path), 0);
	CHECK_STR_EQ(path, "");
}

static void a_long_cgroup_path_is_cut(void)
{
	static char text[3 * CGROUP_PATH_SIZE_MAX];
	char path[CGROUP_PATH_SIZE_MAX];

	memset(text, 'a', sizeof(text));
	memcpy(text, "0::/", 4);
	CHECK_EQ(cgroup_path_of(text, sizeof(text), path), CGROUP_PATH_SIZE_MAX - 1);
	CHECK_EQ(strlen(path), CGROUP_PATH_SIZE_MAX - 1);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void containers_are_told_by_their_managers_paths(void)
{
	static const struct {
		const char *path, *container;
	} cases[] = {
		{ "/docker/" ID, "0123456789ab" },
		{ "/system.slice/docker-" ID ".scope", "0123456789ab" },
		{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"
		  "1f2e3d4c_aaaa_bbbb_cccc_0123456789ab.slice/cri-containerd-" ID ".scope",
		  "0123456789ab" },
		{ "/kubepods/burstable/pod1f2e3d4c-aaaa-bbbb-cccc-0123456789ab/" ID,
		  "0123456789ab" },
		{ "/kubepods.slice/crio-" ID ".scope", "0123456789ab" },
		{ "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID,
		  "0123456789ab" },
		{ "/machine.slice/libpod-" ID ".scope/container", "0123456789ab" },
		{ "/machine.slice/machine-debian.scope/payload/init.scope", "debian" },
		{ "/lxc.payload.web1/system.slice", "web1" },
		{ "/system.slice/ssh.service", "" },
		{ "/user.slice/user-1000.slice/session-3.scope", "" },
		{ "/", "" },
		{ "", "" },
		{ "/deadbeef", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char container[CGROUP_CONTAINER_SIZE_MAX];

		cgroup_path_container(cases[i].path, container);
		CHECK_STR_EQ(container, cases[i].container);
	}
}

static void fuse_mounts_are_told_from_others(void)
{
	static const char text[] =
		"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
		"nonsense\n"
		"31 27 0:45 / /mnt/a\\040b rw shared:3 master:1 - fuse.sshfs host: rw\n"
		"32 27 0:46 / /srv rw - fuse x rw\n"
		"33 27 0:47 / /tmp rw - tmpfs fuse rw\n"
		"34 27 0:48 / /opt rw - fusectl none rw\n";
	size_t size = strlen(text);

	CHECK_EQ(mount_info_kind(text, size, 31, 9, 9), MOUNT_FUSE);
	CHECK_EQ(mount_info_kind(text, size, 999, 0, 46), MOUNT_FUSE);
	CHECK_EQ(mount_info_kind(text, size, 33, 0, 47), MOUNT_OTHER);
	CHECK_EQ(mount_info_kind(text, size, 34, 0, 48), MOUNT_OTHER);
	CHECK_EQ(mount_info_kind(text, size, 999, 0, 99), MOUNT_UNKNOWN);
	CHECK(mount_info_path_is_fuse(text, size, "/mnt/a b/file"));
	CHECK(mount_info_path_is_fuse(text, size, "/srv"));
	CHECK(!mount_info_path_is_fuse(text, size, "/srv2/x"));
	CHECK(!mount_info_path_is_fuse(text, size, "/tmp/perf-1.map"));
	CHECK(!mount_info_path_is_fuse(text, size, "/mnt/a"));
	CHECK(!mount_info_path_is_fuse("", 0, "/"));
}

static void a_fuse_root_covers_every_path(void)
{
	static const char text[] = "9 1 0:3 / / rw - fuse.fuse-overlayfs x rw\n";

	CHECK(mount_info_path_is_fuse(text, strlen(text), "/tmp/perf-1.map"));
}

static void the_folder_of_cgroups_is_found_where_it_is_mounted(void)
{
	static const char text[] =
		"30 27 0:24 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
		"31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
		"32 30 0:29 /web /srv/web rw - cgroup2 cgroup2 rw\n"
		"33 30 0:29 / /mnt/all\\040of\\040it rw shared:9 - cgroup2 cgroup2 rw\n";
	char path[PATH_MAX] = "untouched";

	CHECK(!mount_info_cgroups(text, strlen(text) - 75, path));
	CHECK_STR_EQ(path, "untouched");
	CHECK(mount_info_cgroups(text, strlen(text), path));
	CHECK_STR_EQ(path, "/mnt/all of it");
}

TESTS(TEST(an_executable_line_gives_all_its_fields), TEST(a_path_keeps_its_blanks),
      TEST(anonymous_memory_has_no_path), TEST(bad_lines_are_passed_over),
      TEST(our_own_maps_are_understood_whole), TEST(the_start_is_found_behind_any_name),
      TEST(the_innermost_pid_and_the_effective_user_are_taken),
      TEST(the_unified_path_wins_unless_it_is_unused), TEST(a_long_cgroup_path_is_cut),
      TEST(containers_are_told_by_their_managers_paths), TEST(fuse_mounts_are_told_from_others),
      TEST(a_fuse_root_covers_every_path), TEST(the_folder_of_cgroups_is_found_where_it_is_mounted))
