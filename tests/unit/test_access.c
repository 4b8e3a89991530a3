/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "check.h"

static struct access_text text_of(const char *text)
{
	return (struct access_text){ text, text ? strlen(text) : 0 };
}

static struct access_token token_of(const char *text)
{
	struct access_token token = { .size = strlen(text) };

	memcpy(token.text, text, token.size);
	return token;
}

/* A folder of this test's own; `path` becomes FOLDER/token. */
static void make_folder(char folder[64], char path[96])
{
	strcpy(folder, "/tmp/test_access.XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, 96, "%s/token", folder);
}

static void remove_folder(const char *folder, const char *path)
{
	unlink(path);
	CHECK_EQ(rmdir(folder), 0);
}

static void write_file(const char *path, const char *content, mode_t mode)
{
	CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, content, strlen(content)), strlen(content));
	CHECK_EQ(fchmod(fd, mode), 0);
}

static void token_is_made_once_and_read_again(void)
{
	struct access_token made = { .size = 0 }, again = { .size = 0 };
	char folder[64], path[96];
	struct stat status;

	make_folder(folder, path);
	CHECK_EQ(access_token_open(path, &made), 0);
	CHECK_EQ(made.size, 43);
	CHECK_EQ(strspn(made.text,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		 43);
	CHECK_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0600);
	CHECK_EQ(status.st_nlink, 1);
	CHECK_EQ(access_token_open(path, &again), 0);
	CHECK_STR_EQ(again.text, made.text);
	remove_folder(folder, path); /* fails when anything else was left there */
}

static void two_tokens_are_never_alike(void)
{
	struct access_token first = { .size = 0 }, second = { .size = 0 };
	char folder[64], path[96];

	make_folder(folder, path);
	CHECK_EQ(access_token_open(path, &first), 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(access_token_open(path, &second), 0);
	CHECK(strcmp(first.text, second.text) != 0);
	remove_folder(folder, path);
}

static void directory_of_token_is_made_for_its_owner(void)
{
	struct access_token token = { .size = 0 };
	char folder[64], path[96], deeper[160];
	struct stat status;

	make_folder(folder, path);
	snprintf(deeper, sizeof(deeper), "%s/token", path);
	CHECK_EQ(access_token_open(deeper, &token), 0);
	CHECK_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0700);
	CHECK_EQ(unlink(deeper), 0);
	CHECK_EQ(rmdir(path), 0);
	remove_folder(folder, path);
}

static void file_that_others_can_touch_is_refused(void)
{
	static const mode_t modes[] = { 0644, 0640, 0620, 0602, 0604, 0666 };
	struct access_token token = { .size = 99 };
	char folder[64], path[96];

	make_folder(folder, path);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		write_file(path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", modes[i]);
		CHECK_EQ(access_token_open(path, &token), -EPERM);
	}
	CHECK_EQ(token.size, 99);
	remove_folder(folder, path);
}

static void file_of_another_user_is_refused(void)
{
	struct access_token token;
	char folder[64], path[96];

	if (geteuid() != 0)
		SKIP("only root can give a file away");
	make_folder(folder, path);
	write_file(path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 0600);
	CHECK_EQ(chown(path, 12345, 12345), 0);
	CHECK_EQ(access_token_open(path, &token), -EPERM);
	remove_folder(folder, path);
}

static void symbolic_link_and_fifo_are_refused(void)
{
	char folder[64], path[96], target[160];
	struct access_token token;

	make_folder(folder, path);
	snprintf(target, sizeof(target), "%s.target", path);
	write_file(target, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 0600);
	CHECK_EQ(symlink(target, path), 0);
	CHECK_EQ(access_token_open(path, &token), -ELOOP);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(unlink(target), 0);
	CHECK_EQ(symlink("/nowhere/at/all", path), 0);
	CHECK_EQ(access_token_open(path, &token), -ELOOP);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(access_token_open(path, &token), -EINVAL);
	remove_folder(folder, path);
}

static void content_that_is_no_token_is_refused(void)
{
	static const char *const contents[] = {
		"",
		"\n",
		"short",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 31 */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		"AAAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\n",
	};
	char folder[64], path[96], long_content[ACCESS_TOKEN_SIZE_MAX + 2];
	struct access_token token;

	make_folder(folder, path);
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		write_file(path, contents[i], 0600);
		CHECK_EQ(access_token_open(path, &token), -EINVAL);
	}
	memset(long_content, 'A', sizeof(long_content));
	long_content[ACCESS_TOKEN_SIZE_MAX + 1] = '\0';
	write_file(path, long_content, 0600);
	CHECK_EQ(access_token_open(path, &token), -EINVAL);
	long_content[ACCESS_TOKEN_SIZE_MAX] = '\0';
	write_file(path, long_content, 0600);
	CHECK_EQ(access_token_open(path, &token), 0);
	CHECK_EQ(token.size, ACCESS_TOKEN_SIZE_MAX);
	remove_folder(folder, path);
}

static void only_the_token_matches(void)
{
	const struct access_token token = token_of("abcdefghijklmnopqrstuvwxyz012345");
	const struct access_token none = { .size = 0 };

	CHECK(access_token_matches(&token, text_of("abcdefghijklmnopqrstuvwxyz012345")));
	CHECK(!access_token_matches(&token, text_of("abcdefghijklmnopqrstuvwxyz012346")));
	CHECK(!access_token_matches(&token, text_of("Abcdefghijklmnopqrstuvwxyz012345")));
	CHECK(!access_token_matches(&token, text_of("abcdefghijklmnopqrstuvwxyz01234")));
	CHECK(!access_token_matches(&token, text_of("abcdefghijklmnopqrstuvwxyz0123456")));
	CHECK(!access_token_matches(&token, text_of("")));
	CHECK(!access_token_matches(&token, text_of(NULL)));
	CHECK(!access_token_matches(&none, text_of("")));
}

static void hosts_of_this_machine_are_allowed_at_any_port(void)
{
	static const char *const allowed[] = { "localhost",  "localhost:1",    "LocalHost:65535",
					       "127.0.0.1",  "127.0.0.1:7780", "[::1]",
					       "[::1]:7780", "box.example",    "BOX.example:443" };
	static const char *const refused[] = { "",
					       ":",
					       ":80",
					       "localhost:",
					       "localhost:123456",
					       "localhost:80:80",
					       "localhost:8o",
					       "localhost.",
					       "localhost.evil.example",
					       "evil.example",
					       "evil.example:7780",
					       "127.0.0.1.evil.example",
					       "127.0.0.2",
					       "0.0.0.0",
					       "::1",
					       "[::2]:80",
					       "user@localhost",
					       "localhost,evil.example",
					       " localhost",
					       "box.example.org" };
	static const char *const hosts[] = { "box.example" };

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		CHECK(access_host_allowed(text_of(allowed[i]), hosts, 1));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK(!access_host_allowed(text_of(refused[i]), hosts, 1));
	CHECK(!access_host_allowed(text_of(NULL), hosts, 1));
	CHECK(!access_host_allowed(text_of("box.example"), NULL, 0));
}

static void origin_is_scheme_and_host(void)
{
	const struct access_text host = text_of("localhost:7780");

	CHECK(access_origin_matches(text_of("http://localhost:7780"), host));
	CHECK(access_origin_matches(text_of("HTTP://LOCALHOST:7780"), host));
	CHECK(!access_origin_matches(text_of("https://localhost:7780"), host));
	CHECK(!access_origin_matches(text_of("http://localhost"), host));
	CHECK(!access_origin_matches(text_of("http://localhost:77800"), host));
	CHECK(!access_origin_matches(text_of("http://localhost:7780/"), host));
	CHECK(!access_origin_matches(text_of("localhost:7780"), host));
	CHECK(!access_origin_matches(text_of("null"), host));
	CHECK(!access_origin_matches(text_of(""), host));
	CHECK(!access_origin_matches(text_of(NULL), host));
	CHECK(!access_origin_matches(text_of("http://"), text_of(NULL)));
}

static void token_stands_among_the_protocols(void)
{
	static const char *const good[] = { "flickerscope, token.ABC", "flickerscope,token.ABC",
					    " flickerscope ,\ttoken.ABC " };
	static const char *const bad[] = { "",
					   ",",
					   ",,,",
					   "flickerscope",
					   "token.ABC",
					   "Flickerscope, token.ABC",
					   "flickerscope, Token.ABC",
					   "flickerscope token.ABC",
					   "flickerscope, token.ABC, token.ABC",
					   "flickerscope, flickerscope, token.ABC",
					   "flickerscopes, token.ABC",
					   "token.ABC, flickerscope",
					   "other, flickerscope, token.ABC" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct access_text found = { NULL, 0 };

		CHECK(access_protocols_token(text_of(good[i]), &found));
		CHECK_EQ(found.size, 3);
		CHECK(found.text && memcmp(found.text, "ABC", 3) == 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct access_text found = { "untouched", 9 };

		CHECK(!access_protocols_token(text_of(bad[i]), &found));
		CHECK_EQ(found.size, 9);
	}
	CHECK(!access_protocols_token(text_of(NULL), &(struct access_text){ NULL, 0 }));
}

static void token_stands_behind_bearer(void)
{
	struct access_text found = { NULL, 0 };

	CHECK(access_bearer_token(text_of("Bearer ABC"), &found));
	CHECK_EQ(found.size, 3);
	CHECK(access_bearer_token(text_of("bearer   ABC "), &found));
	CHECK_EQ(found.size, 3);
	CHECK(!access_bearer_token(text_of("Bearer"), &found));
	CHECK(!access_bearer_token(text_of("Bearer "), &found));
	CHECK(!access_bearer_token(text_of("Basic ABC"), &found));
	CHECK(!access_bearer_token(text_of("ABC"), &found));
	CHECK(!access_bearer_token(text_of(NULL), &found));
}

TESTS(TEST(token_is_made_once_and_read_again), TEST(two_tokens_are_never_alike),
      TEST(directory_of_token_is_made_for_its_owner), TEST(file_that_others_can_touch_is_refused),
      TEST(file_of_another_user_is_refused), TEST(symbolic_link_and_fifo_are_refused),
      TEST(content_that_is_no_token_is_refused), TEST(only_the_token_matches),
      TEST(hosts_of_this_machine_are_allowed_at_any_port), TEST(origin_is_scheme_and_host),
      TEST(token_stands_among_the_protocols), TEST(token_stands_behind_bearer))
