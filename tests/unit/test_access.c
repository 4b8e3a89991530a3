/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "serve/peer.h"
#include "check.h"

static struct access_text text_of(const char *text)
{
	return (struct access_text){ text, text ? strlen(text) : 0 };
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
	struct access_tokens made = { .count = 0 }, again = { .count = 0 };
	char folder[64], path[96];
	struct stat status;

	make_folder(folder, path);
	CHECK_EQ(access_tokens_open(path, &made), 0);
	CHECK_EQ(made.count, 1);
	CHECK_EQ(made.tokens[0].right, ACCESS_ALL);
	CHECK_EQ(made.tokens[0].size, 43);
	CHECK_EQ(strspn(made.tokens[0].text,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		 43);
	CHECK_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0600);
	CHECK_EQ(status.st_nlink, 1);
	CHECK_EQ(access_tokens_open(path, &again), 0);
	CHECK_STR_EQ(again.tokens[0].text, made.tokens[0].text);
	remove_folder(folder, path); /* fails when anything else was left there */
}

static void two_tokens_are_never_alike(void)
{
	struct access_tokens first = { .count = 0 }, second = { .count = 0 };
	char folder[64], path[96];

	make_folder(folder, path);
	CHECK_EQ(access_tokens_open(path, &first), 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(access_tokens_open(path, &second), 0);
	CHECK(strcmp(first.tokens[0].text, second.tokens[0].text) != 0);
	remove_folder(folder, path);
}

static void directory_of_token_is_made_for_its_owner(void)
{
	struct access_tokens token = { .count = 0 };
	char folder[64], path[96], deeper[160];
	struct stat status;

	make_folder(folder, path);
	snprintf(deeper, sizeof(deeper), "%s/token", path);
	CHECK_EQ(access_tokens_open(deeper, &token), 0);
	CHECK_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0700);
	CHECK_EQ(unlink(deeper), 0);
	CHECK_EQ(rmdir(path), 0);
	remove_folder(folder, path);
}

static void file_that_others_can_touch_is_refused(void)
{
	static const mode_t modes[] = { 0644, 0640, 0620, 0602, 0604, 0666 };
	struct access_tokens token = { .count = 99 };
	char folder[64], path[96];

	make_folder(folder, path);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		write_file(path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", modes[i]);
		CHECK_EQ(access_tokens_open(path, &token), -EPERM);
	}
	CHECK_EQ(token.count, 99);
	remove_folder(folder, path);
}

static void file_of_another_user_is_refused(void)
{
	struct access_tokens token;
	char folder[64], path[96];

	if (geteuid() != 0)
		SKIP("only root can give a file away");
	make_folder(folder, path);
	write_file(path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 0600);
	CHECK_EQ(chown(path, 12345, 12345), 0);
	CHECK_EQ(access_tokens_open(path, &token), -EPERM);
	remove_folder(folder, path);
}

static void symbolic_link_and_fifo_are_refused(void)
{
	char folder[64], path[96], target[160];
	struct access_tokens token;

	make_folder(folder, path);
	snprintf(target, sizeof(target), "%s.target", path);
	write_file(target, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 0600);
	CHECK_EQ(symlink(target, path), 0);
	CHECK_EQ(access_tokens_open(path, &token), -ELOOP);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(unlink(target), 0);
	CHECK_EQ(symlink("/nowhere/at/all", path), 0);
	CHECK_EQ(access_tokens_open(path, &token), -ELOOP);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(access_tokens_open(path, &token), -EINVAL);
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
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	};
	char folder[64], path[96], long_content[ACCESS_TOKEN_SIZE_MAX + 2];
	struct access_tokens token;

	make_folder(folder, path);
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		write_file(path, contents[i], 0600);
		CHECK_EQ(access_tokens_open(path, &token), -EINVAL);
	}
	memset(long_content, 'A', sizeof(long_content));
	long_content[ACCESS_TOKEN_SIZE_MAX + 1] = '\0';
	write_file(path, long_content, 0600);
	CHECK_EQ(access_tokens_open(path, &token), -EINVAL);
	long_content[ACCESS_TOKEN_SIZE_MAX] = '\0';
	write_file(path, long_content, 0600);
	CHECK_EQ(access_tokens_open(path, &token), 0);
	CHECK_EQ(token.tokens[0].size, ACCESS_TOKEN_SIZE_MAX);
	remove_folder(folder, path);
}

#define TOKEN_A "abcdefghijklmnopqrstuvwxyz012345"
#define TOKEN_B "abcdefghijklmnopqrstuvwxyz012346"
#define TOKEN_C "abcdefghijklmnopqrstuvwxyz012347"

static void each_token_has_its_name_and_right(void)
{
	static const char text[] = "# who may look\n\n"
				   "dashboard\tmetrics  " TOKEN_A "\r\n"
				   "  alice@ops   all " TOKEN_B " # until June\n"
				   "wall view " TOKEN_C;
	struct access_tokens tokens;
	unsigned int line;

	CHECK(!access_tokens_parse(text, strlen(text), &tokens, &line));
	CHECK_EQ(tokens.count, 3);
	CHECK_STR_EQ(tokens.tokens[0].name, "dashboard");
	CHECK_EQ(tokens.tokens[0].right, ACCESS_METRICS);
	CHECK_EQ(tokens.tokens[1].right, ACCESS_ALL);
	CHECK_EQ(tokens.tokens[2].right, ACCESS_VIEW);
	CHECK(access_tokens_best(&tokens) == &tokens.tokens[1]);
	CHECK(access_tokens_find(&tokens, text_of(TOKEN_C)) == &tokens.tokens[2]);
	CHECK(!access_tokens_find(&tokens, text_of("Abcdefghijklmnopqrstuvwxyz012345")));
	CHECK(!access_tokens_find(&tokens, text_of("abcdefghijklmnopqrstuvwxyz01234")));
	CHECK(!access_tokens_find(&tokens, text_of(TOKEN_A "6")));
	CHECK(!access_tokens_find(&tokens, text_of("")));
	CHECK(!access_tokens_find(&tokens, text_of(NULL)));
}

static void a_wrong_line_is_told_without_its_words(void)
{
	static const struct {
		const char *text;
		unsigned int line;
	} cases[] = {
		{ "a view " TOKEN_A "\nb\tview " TOKEN_A "\n", 2 }, /* one token, two names */
		{ "a view " TOKEN_A "\na view " TOKEN_B "\n", 2 },
		{ "a view " TOKEN_A "\n" TOKEN_B "\n", 2 },
		{ TOKEN_B "\na view " TOKEN_A "\n", 2 },
		{ "a look " TOKEN_A, 1 },
		{ "a nothing " TOKEN_A, 1 },
		{ "a view short", 1 },
		{ "a view " TOKEN_A "=", 1 },
		{ "a/b view " TOKEN_A, 1 },
		{ "a view " TOKEN_A " more", 1 },
		{ "a " TOKEN_A, 1 },
		{ "\n\n#" TOKEN_A "\n", 4 },
	};
	struct access_tokens tokens;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int line = 0;
		const char *problem =
			access_tokens_parse(cases[i].text, strlen(cases[i].text), &tokens, &line);

		CHECK(problem && !strstr(problem, "abcdef"));
		CHECK_EQ(line, cases[i].line);
	}
}

static void addresses_are_told_apart_as_far_as_they_can_be_taken(void)
{
	static struct peer_failures failures;
	struct peer first = { 0 }, neighbour = { 0 }, other = { 0 }, local = { 0 };
	char name[PEER_NAME_SIZE_MAX];
	uint64_t now = 1000000;

	CHECK(peer_of_proxy(text_of("10.0.0.1, 2001:db8::1"), &first));
	CHECK(peer_of_proxy(text_of("2001:db8::ffff"), &neighbour));
	CHECK(peer_of_proxy(text_of("2001:db8:0:1::1"), &other));
	CHECK(peer_of_proxy(text_of("::ffff:127.0.0.1"), &local));
	CHECK(local.is_local && !first.is_local);
	peer_name(&local, name);
	CHECK_STR_EQ(name, "127.0.0.1");
	CHECK(!peer_of_proxy(text_of("unknown"), &first));
	CHECK(!peer_of_proxy(text_of("1.2.3.4,"), &first));
	CHECK(!peer_of_proxy(text_of(NULL), &first));
	for (int i = 1; i < PEER_WRONG_TOKENS_MAX; i++)
		CHECK(!peer_failures_add(&failures, &first, now));
	CHECK(!peer_failures_limited(&failures, &first, now));
	CHECK(peer_failures_add(&failures, &first, now)); /* said once */
	CHECK(!peer_failures_add(&failures, &first, now));
	CHECK(peer_failures_limited(&failures, &first, now));
	CHECK(peer_failures_limited(&failures, &neighbour, now));
	CHECK(!peer_failures_limited(&failures, &other, now));
	/* One more each time, and then it is full again. */
	now += PEER_WRONG_TOKEN_MS;
	CHECK(!peer_failures_limited(&failures, &first, now));
	CHECK(peer_failures_add(&failures, &neighbour, now));
	CHECK(peer_failures_limited(&failures, &first, now));
	/* Whoever comes from everywhere makes it forget, and takes no memory. */
	for (uint32_t i = 0; i < 2 * PEER_FAILURES_MAX; i++) {
		struct peer many = { .kind = PEER_V4 };

		memcpy(many.bytes, &i, sizeof(i));
		peer_failures_add(&failures, &many, now + 1 + i);
	}
	CHECK(!peer_failures_limited(&failures, &first, now));
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

	CHECK(access_origin_matches(text_of("http://localhost:7780"), host, ACCESS_SCHEME_HTTP));
	CHECK(access_origin_matches(text_of("HTTP://LOCALHOST:7780"), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of("https://localhost:7780"), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of("http://localhost"), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of("http://localhost:77800"), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of("http://localhost:7780/"), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of("localhost:7780"), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of("null"), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of(""), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of(NULL), host, ACCESS_SCHEME_HTTP));
	CHECK(!access_origin_matches(text_of("http://"), text_of(NULL), ACCESS_SCHEME_HTTP));
	CHECK(access_origin_matches(text_of("https://localhost:7780"), host, ACCESS_SCHEME_HTTPS));
	CHECK(!access_origin_matches(text_of("http://localhost:7780"), host, ACCESS_SCHEME_HTTPS));
	CHECK(access_origin_matches(text_of("http://localhost:7780"), host,
				    ACCESS_SCHEME_HTTP | ACCESS_SCHEME_HTTPS));
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
      TEST(content_that_is_no_token_is_refused), TEST(each_token_has_its_name_and_right),
      TEST(a_wrong_line_is_told_without_its_words),
      TEST(addresses_are_told_apart_as_far_as_they_can_be_taken),
      TEST(hosts_of_this_machine_are_allowed_at_any_port), TEST(origin_is_scheme_and_host),
      TEST(token_stands_among_the_protocols), TEST(token_stands_behind_bearer))
