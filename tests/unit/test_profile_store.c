/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/profile_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "capture_fixture.h"

#include "check.h"

/* A folder with a capture in it, and a secret beside it. */
struct place {
	struct capture_fixture capture;
	char folder[96];
	char secret[96];
	struct profile_store *store;
};

static void place_make(struct place *place)
{
	capture_fixture_init(&place->capture);
	capture_fixture_fill(&place->capture, 2, 4, 5);
	snprintf(place->folder, sizeof(place->folder), "%s/profiles", place->capture.folder);
	snprintf(place->secret, sizeof(place->secret), "%s/secret.flk", place->capture.folder);
	if (mkdir(place->folder, 0700) < 0)
		check_give_up();
	snprintf(place->capture.path, sizeof(place->capture.path), "%s", place->secret);
	capture_fixture_write(&place->capture);
	if (profile_store_new_folder(place->folder, &place->store) < 0)
		check_give_up();
}

static void place_remove(struct place *place)
{
	char command[160];

	profile_store_free(place->store);
	snprintf(command, sizeof(command), "rm -rf '%s'", place->folder);
	if (system(command) != 0)
		check_give_up();
	capture_fixture_free(&place->capture);
}

static void cleanup_place_remove(struct place *place)
{
	place_remove(place);
}

/* A file in the folder with these bytes. */
static void put(const struct place *place, const char *name, const void *bytes, size_t size)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", place->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		check_give_up();
	close(fd);
}

static void put_capture(const struct place *place, const char *name)
{
	put(place, name, place->capture.bytes, place->capture.size);
}

/* Opens what is called @name, which may be any bytes. */
static int open_name(struct profile_store *store, const char *name,
		     struct stored_profile *ret_profile)
{
	char id[PROFILE_STORE_ID_SIZE_MAX + 64];
	size_t size = 0;

	for (; *name; name++)
		size += (size_t)snprintf(id + size, 3, "%02x", (unsigned char)*name);
	return profile_store_open(store, id, size, "", ret_profile);
}

static const char *list(struct profile_store *store)
{
	static char text[1 << 20];
	CLEANUP(bytes_writer_free) struct bytes_writer json = bytes_writer_with_max(1 << 20);

	CHECK_EQ(profile_store_list(store, &json), 0);
	memcpy(text, json.bytes, json.size);
	text[json.size] = 0;
	return text;
}

static void folder_lists_its_captures_with_what_is_in_them(void)
{
	CLEANUP(place_remove) struct place place = { 0 };
	struct stored_profile profile;
	const char *text;

	place_make(&place);
	CHECK(strstr(list(place.store), "\"folder\":\"profiles\",\"cut\":false,\"profiles\":[]"));
	put_capture(&place, "one.flk");
	put_capture(&place, "no-ending");
	put(&place, "notes", "no profile", 10);
	text = list(place.store);
	CHECK(strstr(text, "\"name\":\"one.flk\""));
	CHECK(strstr(text, "\"name\":\"no-ending\""));
	CHECK(!strstr(text, "notes"));
	CHECK(strstr(text, "\"samples\":40"));
	CHECK(strstr(text, "\"duration_us\":8000000"));
	CHECK_OR_RETURN(open_name(place.store, "one.flk", &profile) == 0);
	CHECK_EQ(profile.size, place.capture.size);
	CHECK_STR_EQ(profile.name, "one.flk");
	close(profile.fd);
}

/* Nothing that is no regular file of the folder itself, by whatever way. */
static void nothing_outside_of_the_folder_is_opened(void)
{
	static const char *const names[] = {
		"..",
		".",
		"../secret.flk",
		"/etc/passwd",
		"link.flk",
		"folder.flk",
		"pipe.flk",
		"below/a.flk",
		"",
		"missing.flk",
		"up",
		"absolute.flk",
		"./../secret.flk",
	};
	CLEANUP(place_remove) struct place place = { 0 };
	struct stored_profile profile;
	char path[512];

	place_make(&place);
	put_capture(&place, "good.flk");
	snprintf(path, sizeof(path), "%s/link.flk", place.folder);
	CHECK_EQ(symlink("good.flk", path), 0);
	snprintf(path, sizeof(path), "%s/absolute.flk", place.folder);
	CHECK_EQ(symlink(place.secret, path), 0);
	snprintf(path, sizeof(path), "%s/up", place.folder);
	CHECK_EQ(symlink("..", path), 0);
	snprintf(path, sizeof(path), "%s/pipe.flk", place.folder);
	CHECK_EQ(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/below", place.folder);
	CHECK_EQ(mkdir(path, 0700), 0);
	put_capture(&place, "below/a.flk");
	snprintf(path, sizeof(path), "%s/folder.flk", place.folder);
	CHECK_EQ(mkdir(path, 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_EQ(open_name(place.store, names[i], &profile), -ENOENT);
		if (names[i][0] && names[i][0] != '.')
			CHECK(!strstr(list(place.store), names[i]));
	}
	CHECK_EQ(open_name(place.store, "good.flk", &profile), 0);
	close(profile.fd);
}

static void ids_are_hexadecimal_or_nothing(void)
{
	static const char *const ids[] = { "6",	     "6g", "676f6f642e666c6",	 "676F6F642E666C6B",
					   "00",     "2f", "676f6f642e666c6b00", "good.flk",
					   "../good" };
	CLEANUP(place_remove) struct place place = { 0 };
	char long_id[2 * PROFILE_STORE_ID_SIZE_MAX];
	struct stored_profile profile;

	place_make(&place);
	put_capture(&place, "good.flk");
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		CHECK_EQ(profile_store_open(place.store, ids[i], strlen(ids[i]), "", &profile),
			 -ENOENT);
	memset(long_id, '6', sizeof(long_id));
	for (size_t size = 2; size <= sizeof(long_id); size *= 2)
		CHECK_EQ(profile_store_open(place.store, long_id, size, "", &profile), -ENOENT);
}

/* Names are any bytes but two: they come out as JSON, and by their id the file is found. */
static void names_of_strangers_are_escaped(void)
{
	static const char *const names[] = { "\"quoted\\.flk", "<script>.flk", "a\nb.flk",
					     "\xff\xfe.flk",   "%2e%2e.flk",   "caf\xc3\xa9.flk" };
	CLEANUP(place_remove) struct place place = { 0 };
	struct stored_profile profile;
	const char *text;

	place_make(&place);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		put_capture(&place, names[i]);
	text = list(place.store);
	CHECK(strstr(text, "\\\"quoted\\\\.flk"));
	CHECK(strstr(text, "a\\u000ab.flk") || strstr(text, "a\\nb.flk"));
	CHECK(!strchr(text, '\xff'));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_EQ(open_name(place.store, names[i], &profile), 0);
		CHECK_STR_EQ(profile.name, names[i]);
		close(profile.fd);
	}
}

static void long_folder_is_cut_to_the_newest(void)
{
	CLEANUP(place_remove) struct place place = { 0 };
	const struct timespec old[] = { { 1000, 0 }, { 1000, 0 } };
	const char *text;
	char path[512];
	int count = 0;

	place_make(&place);
	for (int i = 0; i < PROFILE_STORE_LISTED_MAX + 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "p%05d.folded", i);
		put(&place, name, "a;b 1\n", 6);
	}
	snprintf(path, sizeof(path), "%s/p00700.folded", place.folder);
	CHECK_EQ(utimensat(AT_FDCWD, path, old, 0), 0);
	text = list(place.store);
	CHECK(strstr(text, "\"cut\":true"));
	for (const char *at = text; (at = strstr(at, "\"id\":")); at++)
		count++;
	CHECK_EQ(count, PROFILE_STORE_LISTED_MAX);
	CHECK(!strstr(text, "p00700.folded"));
}

/* What was made of a foreign file is given out until the file, or the event, is another one. */
static void captures_of_foreign_files_are_kept(void)
{
	static const char id[] = "612e666f6c646564"; /* a.folded */
	CLEANUP(place_remove) struct place place = { 0 };
	CLEANUP(fd_close) int made = memfd_create("made", MFD_CLOEXEC);
	struct stored_profile profile, again;

	place_make(&place);
	put(&place, "a.folded", "main;work 10\n", 13);
	CHECK(strstr(list(place.store), "\"samples\":null"));
	CHECK_OR_RETURN(open_name(place.store, "a.folded", &profile) == 0);
	CHECK(profile.is_foreign);
	CHECK_EQ(profile.size, 13);
	close(profile.fd);
	CHECK_EQ(write(made, "capture", 7), 7);
	profile_store_keep(place.store, &profile, made);
	CHECK_OR_RETURN(open_name(place.store, "a.folded", &again) == 0);
	CHECK(!again.is_foreign);
	CHECK_EQ(again.size, 7);
	close(again.fd);
	CHECK_EQ(profile_store_open(place.store, id, sizeof(id) - 1, "cycles", &again), 0);
	CHECK(again.is_foreign);
	close(again.fd);
	for (int i = 0; i < PROFILE_STORE_CONVERTED_MAX; i++) {
		profile.identity.inode++;
		profile_store_keep(place.store, &profile, made);
	}
	CHECK_EQ(open_name(place.store, "a.folded", &again), 0);
	CHECK(again.is_foreign);
	profile_store_keep(place.store, &again, made);
	close(again.fd);
	put(&place, "a.folded", "main;work;deeper 100\n", 21);
	CHECK_EQ(open_name(place.store, "a.folded", &again), 0);
	CHECK(again.is_foreign);
	close(again.fd);
}

/* Of a named file the capture is there at once; another event of it has to be made. */
static void named_foreign_file_can_be_read_again(void)
{
	CLEANUP(place_remove) struct place place = { 0 };
	CLEANUP(profile_store_free) struct profile_store *store = NULL;
	char path[512], magic[4] = "";
	char *paths[] = { path };
	struct stored_profile profile;

	place_make(&place);
	put(&place, "a.folded", "main;work 10\n", 13);
	snprintf(path, sizeof(path), "%s/a.folded", place.folder);
	CHECK_OR_RETURN(profile_store_new_files(paths, 1, NULL, &store) == 0);
	CHECK_OR_RETURN(open_name(store, "a.folded", &profile) == 0);
	CHECK(!profile.is_foreign);
	CHECK_EQ(pread(profile.fd, magic, 4, 0), 4);
	CHECK(memcmp(magic,
		     "\x89"
		     "FLK",
		     4) == 0);
	close(profile.fd);
	CHECK_OR_RETURN(profile_store_open(store, "612e666f6c646564", 16, "samples", &profile) ==
			0);
	CHECK(profile.is_foreign);
	close(profile.fd);
}

static void named_files_are_served_and_no_others(void)
{
	CLEANUP(place_remove) struct place place = { 0 };
	CLEANUP(profile_store_free) struct profile_store *store = NULL;
	char first[512], start[PROFILE_STORE_START_SIZE_MAX];
	char *paths[] = { first, place.secret, place.secret };
	struct stored_profile profile;

	place_make(&place);
	put_capture(&place, "one.flk");
	snprintf(first, sizeof(first), "%s/one.flk", place.folder);
	CHECK_OR_RETURN(profile_store_new_files(paths, 3, NULL, &store) == 0);
	CHECK_EQ(open_name(store, "one.flk", &profile), 0);
	close(profile.fd);
	CHECK_EQ(open_name(store, "secret.flk", &profile), 0);
	close(profile.fd);
	CHECK_EQ(open_name(store, "secret.flk (2)", &profile), 0);
	close(profile.fd);
	CHECK_EQ(open_name(store, "secret.flk (3)", &profile), -ENOENT);
	CHECK(strstr(list(store), "{\"folder\":null"));
	profile_store_start(store, start);
	CHECK_STR_EQ(start, "/list.html");
	profile_store_free(TAKE(store));
	CHECK_OR_RETURN(profile_store_new_files(paths, 1, NULL, &store) == 0);
	profile_store_start(store, start);
	CHECK_STR_EQ(start, "/?profile=6f6e652e666c6b");
	profile_store_free(TAKE(store));
	CHECK_OR_RETURN(profile_store_new_files(paths, 2, NULL, &store) == 0);
	profile_store_start(store, start);
	CHECK_STR_EQ(start, "/compare.html?profile=6f6e652e666c6b&profile=7365637265742e666c6b");
	paths[1] = (char *)"/nowhere/at/all";
	profile_store_free(TAKE(store));
	CHECK_EQ(profile_store_new_files(paths, 2, NULL, &store), -ENOENT);
}

TESTS(TEST(folder_lists_its_captures_with_what_is_in_them),
      TEST(nothing_outside_of_the_folder_is_opened), TEST(ids_are_hexadecimal_or_nothing),
      TEST(names_of_strangers_are_escaped), TEST(long_folder_is_cut_to_the_newest),
      TEST(captures_of_foreign_files_are_kept), TEST(named_foreign_file_can_be_read_again),
      TEST(named_files_are_served_and_no_others))
