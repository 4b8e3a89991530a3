/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/access.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/log.h"

static const char BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define PROTOCOL_NAME "flickerscope"
#define PROTOCOL_TOKEN "token."

/* RFC 4648, 5, without padding. */
static size_t base64url(const uint8_t *bytes, size_t size, char *ret_text)
{
	uint32_t bits = 0;
	unsigned int bit_count = 0;
	size_t length = 0;

	for (size_t i = 0; i < size; i++) {
		bits = (bits << 8 | bytes[i]) & 0xffff;
		for (bit_count += 8; bit_count >= 6; bit_count -= 6)
			ret_text[length++] = BASE64URL[bits >> (bit_count - 6) & 63];
	}
	if (bit_count)
		ret_text[length++] = BASE64URL[bits << (6 - bit_count) & 63];
	ret_text[length] = '\0';
	return length;
}

static int write_whole(int fd, const char *text, size_t size)
{
	ssize_t written = write(fd, text, size);

	if (written < 0)
		return -errno;
	return (size_t)written == size ? 0 : -ENOSPC;
}

static int make_directory_of(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	if ((size_t)(slash - path) >= sizeof(directory))
		return log_errno(-ENAMETOOLONG, "make the directory of the token file %s", path);
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = '\0';
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return log_errno(-errno, "make the directory %s for the token", directory);
	return 0;
}

/* Under another name first, then linked: nobody ever reads a token that is half written. */
static int make_token(const char *path)
{
	uint8_t random[ACCESS_TOKEN_RANDOM_SIZE];
	char text[ACCESS_TOKEN_SIZE_MAX + 1], unfinished[PATH_MAX];
	CLEANUP(fd_close) int fd = -1;
	size_t size;
	int r;

	r = make_directory_of(path);
	if (r < 0)
		return r;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return log_errno(-EIO, "get random bytes for the token");
	size = base64url(random, sizeof(random), text);
	text[size++] = '\n';

	if (snprintf(unfinished, sizeof(unfinished), "%s.%ld", path, (long)getpid()) >=
	    (int)sizeof(unfinished))
		return log_errno(-ENAMETOOLONG, "make the token file %s", path);
	unlink(unfinished); /* left by a process of the same pid that was killed here */
	fd = open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return log_errno(-errno, "make the token file %s", unfinished);
	r = write_whole(fd, text, size);
	if (r == 0 && fchmod(fd, 0600) < 0)
		r = -errno;
	if (r == 0 && link(unfinished, path) < 0 && errno != EEXIST)
		r = -errno;
	unlink(unfinished);
	return r < 0 ? log_errno(r, "make the token file %s", path) : 0;
}

static int check_token_file(int fd, const char *path)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return log_errno(-errno, "look at the token file %s", path);
	if (!S_ISREG(status.st_mode)) {
		log_error("the token file %s is no regular file: remove it or choose another "
			  "with --token-file",
			  path);
		return -EINVAL;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		log_error("the token file %s belongs to uid %u: remove it, or choose another with "
			  "--token-file",
			  path, (unsigned int)status.st_uid);
		return -EPERM;
	}
	if (status.st_mode & 077) {
		log_error("the token file %s is open to others (mode %03o): remove it, so that a "
			  "new token is made, or chmod 600 it",
			  path, (unsigned int)status.st_mode & 0777);
		return -EPERM;
	}
	return 0;
}

/* --- the file's text ------------------------------------------------------------------------- */

static const char *const right_names[] = {
	[ACCESS_NOTHING] = "nothing",
	[ACCESS_METRICS] = "metrics",
	[ACCESS_VIEW] = "view",
	[ACCESS_ALL] = "all",
};

const char *access_right_name(enum access_right right)
{
	return right_names[right];
}

enum { WORDS_MAX = 3 };

/* Takes the words of a line, without its comment; more than WORDS_MAX count, but are not kept. */
static size_t split_words(const char *line, size_t size, struct access_text ret_words[WORDS_MAX])
{
	size_t count = 0, at = 0;

	while (at < size && line[at] != '#') {
		size_t begin = at;

		while (at < size && line[at] != ' ' && line[at] != '\t' && line[at] != '\r' &&
		       line[at] != '#')
			at++;
		if (at > begin && count++ < WORDS_MAX)
			ret_words[count - 1] = (struct access_text){ line + begin, at - begin };
		while (at < size && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r'))
			at++;
	}
	return count;
}

static bool is_made_of(struct access_text word, const char *characters, const char *more)
{
	for (size_t i = 0; i < word.size; i++)
		if (!word.text[i] ||
		    (!strchr(characters, word.text[i]) && !strchr(more, word.text[i])))
			return false;
	return true;
}

static bool find_right(struct access_text word, enum access_right *ret_right)
{
	for (enum access_right right = ACCESS_METRICS; right <= ACCESS_ALL; right++)
		if (word.size == strlen(right_names[right]) &&
		    memcmp(word.text, right_names[right], word.size) == 0) {
			*ret_right = right;
			return true;
		}
	return false;
}

static bool is_known(const struct access_tokens *tokens, const struct access_token *token)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (strcmp(tokens->tokens[i].name, token->name) == 0 ||
		    strcmp(tokens->tokens[i].text, token->text) == 0)
			return true;
	return false;
}

/* Returns NULL, or what is wrong with the line. */
static const char *parse_line(const struct access_text *words, size_t word_count,
			      struct access_tokens *tokens)
{
	struct access_token token = { .right = ACCESS_ALL };
	struct access_text secret = words[word_count == 1 ? 0 : 2];

	if (word_count != 1 && word_count != WORDS_MAX)
		return "a line is NAME RIGHT TOKEN";
	if (word_count == WORDS_MAX &&
	    (words[0].size > ACCESS_NAME_SIZE_MAX || !is_made_of(words[0], BASE64URL, ".@+")))
		return "a name is 1 to 32 letters, digits and . - _ @ +";
	if (word_count == WORDS_MAX && !find_right(words[1], &token.right))
		return "a right is metrics, view or all";
	if (secret.size < ACCESS_TOKEN_SIZE_MIN || secret.size > ACCESS_TOKEN_SIZE_MAX ||
	    !is_made_of(secret, BASE64URL, ""))
		return "there is no token (32 to 128 letters, digits, - and _)";
	if (word_count == WORDS_MAX)
		memcpy(token.name, words[0].text, words[0].size);
	memcpy(token.text, secret.text, secret.size);
	token.size = secret.size;
	if (tokens->count && (word_count == 1 || !tokens->tokens[0].name[0]))
		return "of several tokens each needs a name";
	if (is_known(tokens, &token))
		return "a name or a token comes twice";
	if (tokens->count == ACCESS_TOKENS_MAX)
		return "64 tokens are the most";
	tokens->tokens[tokens->count++] = token;
	return NULL;
}

const char *access_tokens_parse(const char *text, size_t size, struct access_tokens *ret_tokens,
				unsigned int *ret_line)
{
	size_t at = 0;

	ret_tokens->count = 0;
	for (*ret_line = 1; at < size; ++*ret_line) {
		const char *newline = memchr(text + at, '\n', size - at);
		size_t line_size = newline ? (size_t)(newline - text) - at : size - at;
		struct access_text words[WORDS_MAX];
		size_t word_count = split_words(text + at, line_size, words);
		const char *problem = word_count ? parse_line(words, word_count, ret_tokens) : NULL;

		if (problem)
			return problem;
		at += line_size + 1;
	}
	return ret_tokens->count ? NULL : "there is no token (32 to 128 letters, digits, - and _)";
}

static int read_tokens(int fd, const char *path, struct access_tokens *ret_tokens)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(ACCESS_FILE_SIZE_MAX);
	struct access_tokens tokens;
	const char *problem;
	unsigned int line;
	int r = bytes_writer_read(&text, fd);

	if (r < 0)
		return log_errno(r, "read the token file %s", path);
	problem = access_tokens_parse((const char *)text.bytes, text.size, &tokens, &line);
	if (text.bytes)
		explicit_bzero(text.bytes, text.size);
	if (problem) {
		log_error("the token file %s, line %u: %s; correct that, or remove the file, and "
			  "one with a new token is made",
			  path, line, problem);
		return -EINVAL;
	}
	*ret_tokens = tokens;
	explicit_bzero(&tokens, sizeof(tokens));
	return 0;
}

int access_tokens_open(const char *path, struct access_tokens *ret_tokens)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	CLEANUP(fd_close) int fd = open(path, flags);
	int r;

	if (fd < 0 && errno == ENOENT) {
		r = make_token(path);
		if (r < 0)
			return r;
		fd = open(path, flags);
	}
	if (fd < 0 && errno == ELOOP) {
		log_error("the token file %s is a symbolic link: remove it, or name its target "
			  "with --token-file",
			  path);
		return -ELOOP;
	}
	if (fd < 0)
		return log_errno(-errno, "open the token file %s", path);
	r = check_token_file(fd, path);
	if (r < 0)
		return r;
	return read_tokens(fd, path, ret_tokens);
}

static bool token_matches(const struct access_token *token, struct access_text candidate)
{
	volatile uint8_t difference = candidate.size != token->size;

	/* All of the token is compared, with itself where the candidate has nothing. */
	for (size_t i = 0; i < token->size; i++) {
		char sent = i < candidate.size ? candidate.text[i] : token->text[i];

		difference |= (uint8_t)(sent ^ token->text[i]);
	}
	return token->size && !difference;
}

const struct access_token *access_tokens_find(const struct access_tokens *tokens,
					      struct access_text candidate)
{
	const struct access_token *found = NULL;

	for (size_t i = 0; i < tokens->count; i++)
		if (token_matches(&tokens->tokens[i], candidate))
			found = &tokens->tokens[i];
	return found;
}

const struct access_token *access_tokens_best(const struct access_tokens *tokens)
{
	const struct access_token *best = &tokens->tokens[0];

	for (size_t i = 1; i < tokens->count; i++)
		if (tokens->tokens[i].right > best->right)
			best = &tokens->tokens[i];
	return best;
}

static bool text_is(struct access_text text, const char *other)
{
	return text.size == strlen(other) && strncasecmp(text.text, other, text.size) == 0;
}

/* Takes ":PORT" off, if there is one; false when what follows the colon is no port. */
static bool split_port(struct access_text host, struct access_text *ret_name)
{
	size_t name_size = host.size;
	size_t port_size;

	while (name_size && host.text[name_size - 1] >= '0' && host.text[name_size - 1] <= '9')
		name_size--;
	port_size = host.size - name_size;
	if (!name_size || host.text[name_size - 1] != ':') {
		*ret_name = host; /* no colon before the digits: they belong to the name */
		return true;
	}
	if (port_size < 1 || port_size > 5)
		return false;
	*ret_name = (struct access_text){ host.text, name_size - 1 };
	return true;
}

bool access_host_allowed(struct access_text host, const char *const *hosts, size_t host_count)
{
	static const char *const OWN[] = { "localhost", "127.0.0.1", "[::1]" };
	struct access_text name;

	if (!host.text || !split_port(host, &name))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(OWN); i++)
		if (text_is(name, OWN[i]))
			return true;
	for (size_t i = 0; i < host_count; i++)
		if (text_is(name, hosts[i]))
			return true;
	return false;
}

static bool is_origin(struct access_text origin, const char *scheme, struct access_text host)
{
	size_t scheme_size = strlen(scheme);

	return origin.size == scheme_size + host.size &&
	       strncasecmp(origin.text, scheme, scheme_size) == 0 &&
	       strncasecmp(origin.text + scheme_size, host.text, host.size) == 0;
}

bool access_origin_matches(struct access_text origin, struct access_text host, unsigned int schemes)
{
	if (!origin.text || !host.text)
		return false;
	return (schemes & ACCESS_SCHEME_HTTP && is_origin(origin, "http://", host)) ||
	       (schemes & ACCESS_SCHEME_HTTPS && is_origin(origin, "https://", host));
}

static bool is_blank(char character)
{
	return character == ' ' || character == '\t';
}

static struct access_text trimmed(struct access_text text)
{
	while (text.size && is_blank(text.text[0])) {
		text.text++;
		text.size--;
	}
	while (text.size && is_blank(text.text[text.size - 1]))
		text.size--;
	return text;
}

/* The next element of a list with commas (RFC 9110, 5.6.1), taken off its front. */
static bool list_next(struct access_text *list, struct access_text *ret_element)
{
	const char *comma;
	size_t size;

	if (!list->size)
		return false;
	comma = memchr(list->text, ',', list->size);
	size = comma ? (size_t)(comma - list->text) : list->size;
	*ret_element = trimmed((struct access_text){ list->text, size });
	size += comma != NULL;
	list->text += size;
	list->size -= size;
	return true;
}

bool access_protocols_token(struct access_text protocols, struct access_text *ret_candidate)
{
	const size_t prefix_size = sizeof(PROTOCOL_TOKEN) - 1;
	struct access_text name, token, more;

	if (!protocols.text || !list_next(&protocols, &name) || !list_next(&protocols, &token) ||
	    list_next(&protocols, &more))
		return false;
	if (name.size != sizeof(PROTOCOL_NAME) - 1 ||
	    memcmp(name.text, PROTOCOL_NAME, name.size) != 0)
		return false;
	if (token.size < prefix_size || memcmp(token.text, PROTOCOL_TOKEN, prefix_size) != 0)
		return false;
	*ret_candidate = (struct access_text){ token.text + prefix_size, token.size - prefix_size };
	return true;
}

bool access_bearer_token(struct access_text authorization, struct access_text *ret_candidate)
{
	static const char SCHEME[] = "Bearer ";
	const size_t scheme_size = sizeof(SCHEME) - 1;

	if (!authorization.text || authorization.size <= scheme_size ||
	    strncasecmp(authorization.text, SCHEME, scheme_size) != 0)
		return false;
	*ret_candidate = trimmed((struct access_text){ authorization.text + scheme_size,
						       authorization.size - scheme_size });
	return true;
}
