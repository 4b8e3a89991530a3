/* SPDX-License-Identifier: Apache-2.0 */
#include "base/output_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"

struct place {
	char folder[64];
	char path[96];
	char other[96];
};

static struct place place_make(void)
{
	struct place place = { .folder = "/tmp/flickerscope-test-XXXXXX" };

	if (!mkdtemp(place.folder))
		check_give_up();
	snprintf(place.path, sizeof(place.path), "%s/file", place.folder);
	snprintf(place.other, sizeof(place.other), "%s/other", place.folder);
	return place;
}

static void place_remove(struct place *place)
{
	unlink(place->path);
	unlink(place->other);
	rmdir(place->folder);
}

static void cleanup_place_remove(struct place *place)
{
	place_remove(place);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file) < 0)
		check_give_up();
	chmod(path, 0644);
}

static const char *content(const char *path)
{
	static char text[64];
	FILE *file = fopen(path, "r");
	size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (!file)
		return NULL;
	text[size] = 0;
	fclose(file);
	return text;
}

static int entry_count(const char *folder)
{
	CLEANUP(dir_close) DIR *dir = opendir(folder);
	int count = -2; /* itself and the one above */

	while (dir && readdir(dir))
		count++;
	return count;
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	return stat(path, &status) < 0 ? 0 : status.st_mode & 07777;
}

static void created_file_is_for_its_owner_alone(void)
{
	CLEANUP(place_remove) struct place place = place_make();
	CLEANUP(fd_close) int fd = -1;

	umask(0);
	CHECK_EQ(output_file_create(place.path, false, &fd), 0);
	CHECK_EQ(mode_of(place.path), 0600);
	CHECK_EQ(output_file_create(place.path, false, &fd), -EEXIST);
}

static void forced_file_keeps_nothing_of_the_old_one(void)
{
	CLEANUP(place_remove) struct place place = place_make();
	CLEANUP(fd_close) int fd = -1;

	put(place.path, "old");
	CHECK_EQ(output_file_create(place.path, true, &fd), 0);
	CHECK_EQ(mode_of(place.path), 0600);
	CHECK_STR_EQ(content(place.path), "");
}

static void links_folders_and_devices_are_refused(void)
{
	CLEANUP(place_remove) struct place place = place_make();
	struct output_file *file = NULL;
	int fd = -1;

	put(place.other, "precious");
	CHECK_EQ(symlink(place.other, place.path), 0);
	for (int force = 0; force < 2; force++) {
		CHECK(output_file_create(place.path, force, &fd) < 0);
		CHECK_EQ(output_file_open(place.path, force, &file), -ELOOP);
		CHECK(output_file_create(place.folder, force, &fd) < 0);
		CHECK(output_file_open(place.folder, force, &file) < 0);
		CHECK(output_file_create("/dev/null", force, &fd) < 0);
		CHECK(output_file_open("/dev/null", force, &file) < 0);
		CHECK_EQ(output_file_open("/nowhere/at/all", force, &file), -ENOENT);
	}
	CHECK_EQ(fd, -1);
	CHECK(!file);
	CHECK_STR_EQ(content(place.other), "precious");
	CHECK_EQ(entry_count(place.folder), 2);
}

static void file_appears_when_it_is_whole(void)
{
	CLEANUP(place_remove) struct place place = place_make();
	struct output_file *file = NULL;

	CHECK_OR_RETURN(output_file_open(place.path, false, &file) == 0);
	CHECK_EQ(write(output_file_fd(file), "new", 3), 3);
	CHECK(!content(place.path));
	CHECK_EQ(output_file_commit(file), 0);
	output_file_free(file);
	CHECK_STR_EQ(content(place.path), "new");
	CHECK_EQ(mode_of(place.path), 0600);
	CHECK_EQ(entry_count(place.folder), 1);
}

static void unfinished_file_leaves_the_old_one(void)
{
	CLEANUP(place_remove) struct place place = place_make();
	struct output_file *file = NULL;

	put(place.path, "old");
	CHECK_EQ(output_file_open(place.path, false, &file), -EEXIST);
	CHECK_OR_RETURN(output_file_open(place.path, true, &file) == 0);
	CHECK_EQ(write(output_file_fd(file), "new", 3), 3);
	output_file_free(file);
	CHECK_STR_EQ(content(place.path), "old");
	CHECK_EQ(entry_count(place.folder), 1);

	CHECK_OR_RETURN(output_file_open(place.path, true, &file) == 0);
	CHECK_EQ(write(output_file_fd(file), "new", 3), 3);
	CHECK_EQ(output_file_commit(file), 0);
	output_file_free(file);
	CHECK_STR_EQ(content(place.path), "new");
	CHECK_EQ(entry_count(place.folder), 1);
}

/* Somebody else makes a file, or a link, at the path while ours is being written. */
static void file_that_came_meanwhile_is_kept(void)
{
	CLEANUP(place_remove) struct place place = place_make();
	struct output_file *file = NULL;

	CHECK_OR_RETURN(output_file_open(place.path, false, &file) == 0);
	put(place.path, "theirs");
	CHECK_EQ(output_file_commit(file), -EEXIST);
	output_file_free(file);
	CHECK_STR_EQ(content(place.path), "theirs");

	unlink(place.path);
	CHECK_OR_RETURN(output_file_open(place.path, true, &file) == 0);
	CHECK_EQ(symlink(place.other, place.path), 0);
	CHECK_EQ(output_file_commit(file), -ELOOP);
	output_file_free(file);
	CHECK(!content(place.other));
	CHECK_EQ(entry_count(place.folder), 1);
}

static void dash_is_standard_output(void)
{
	CLEANUP(output_file_free) struct output_file *file = NULL;

	CHECK_OR_RETURN(output_file_open("-", false, &file) == 0);
	CHECK(output_file_fd(file) != STDOUT_FILENO);
	CHECK_EQ(write(output_file_fd(file), "# to standard output\n", 21), 21);
	CHECK_EQ(output_file_commit(file), 0);
}

TESTS(TEST(created_file_is_for_its_owner_alone), TEST(forced_file_keeps_nothing_of_the_old_one),
      TEST(links_folders_and_devices_are_refused), TEST(file_appears_when_it_is_whole),
      TEST(unfinished_file_leaves_the_old_one), TEST(file_that_came_meanwhile_is_kept),
      TEST(dash_is_standard_output))
