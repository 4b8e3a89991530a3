/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may read the profile: the file of tokens, and the checks of a request's headers.
 *
 * A token is a secret shared through a file that only root (or the user who runs the program)
 * can read. It is random, so a guess is the only attack and comparing takes the same time whatever
 * was sent. Host and Origin are checked because a browser will carry a stranger's page here: by a
 * name that resolves to 127.0.0.1 (DNS rebinding) or by a WebSocket from elsewhere (RFC 6455,
 * 10.2). The checks are pure functions of what the peer sent. Loop thread.
 */
#ifndef FLICKERSCOPE_ACCESS_H
#define FLICKERSCOPE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

enum access_limit {
	ACCESS_TOKEN_RANDOM_SIZE = 32, /* bytes */
	ACCESS_TOKEN_SIZE_MIN = 32,    /* characters of base64url (RFC 4648, 5) */
	ACCESS_TOKEN_SIZE_MAX = 128,
	ACCESS_TOKENS_MAX = 64,
	ACCESS_NAME_SIZE_MAX = 32,     /* of who has a token */
	ACCESS_FILE_SIZE_MAX = 131072, /* bytes of a file of tokens, about twice what is needed */
};

/* What a token opens; each opens what those before it do. */
enum access_right {
	ACCESS_NOTHING,
	ACCESS_METRICS, /* the agent's counters */
	ACCESS_VIEW,	/* the page's data */
	ACCESS_ALL,	/* downloads, and reading files that are sent here */
};

/* Text of a header, not zero-terminated; NULL when the request does not have it. */
struct access_text {
	const char *text;
	size_t size;
};

struct access_token {
	char text[ACCESS_TOKEN_SIZE_MAX + 1];
	size_t size;
	enum access_right right;
	char name[ACCESS_NAME_SIZE_MAX + 1]; /* empty: it is the only one, and has none */
};

struct access_tokens {
	struct access_token tokens[ACCESS_TOKENS_MAX];
	size_t count;
};

/*
 * Reads the tokens from @path, or makes one there: 32 random bytes, mode 0600, its directory with
 * 0700 when that is missing. Two programs that start at once end up with the same token.
 *
 * Returns 0, or -errno after one line on the log: not a regular file, a symbolic link, somebody
 * else's, readable by others, or no tokens in it (-EPERM, -ELOOP, -EINVAL ...).
 */
int access_tokens_open(const char *path, struct access_tokens *ret_tokens);

/*
 * Reads the text of such a file: a token alone, which opens everything, or a line for each, as in
 *
 *	alice      all      TOKEN
 *	dashboard  metrics  TOKEN
 *
 * where "#" begins a comment. Pure.
 *
 * Returns NULL, or what is wrong with line *ret_line; without a word of the text.
 */
const char *access_tokens_parse(const char *text, size_t size, struct access_tokens *ret_tokens,
				unsigned int *ret_line);

/* Whose token it is, or NULL; in the same time for any @candidate. */
const struct access_token *access_tokens_find(const struct access_tokens *tokens,
					      struct access_text candidate);

/* The first one of those that open most. */
const struct access_token *access_tokens_best(const struct access_tokens *tokens);

const char *access_right_name(enum access_right right);

/*
 * Host is localhost, 127.0.0.1, [::1] or one of @hosts (without port), each with any port or none:
 * a tunnel ends at whatever port its user chose.
 */
bool access_host_allowed(struct access_text host, const char *const *hosts, size_t host_count);

enum access_scheme {
	ACCESS_SCHEME_HTTP = 1,
	ACCESS_SCHEME_HTTPS = 2, /* or-ed: a proxy in front of us may speak either */
};

/*
 * Origin (RFC 6454, 6.2) is exactly SCHEME://HOST, HOST being what the Host header says, for one
 * of @schemes.
 */
bool access_origin_matches(struct access_text origin, struct access_text host,
			   unsigned int schemes);

/*
 * The token of "Sec-WebSocket-Protocol: flickerscope, token.TOKEN": these two, in this order, and
 * nothing else. False otherwise; what is found is still to be compared.
 */
bool access_protocols_token(struct access_text protocols, struct access_text *ret_candidate);

/* The token of "Authorization: Bearer TOKEN" (RFC 6750, 2.1). */
bool access_bearer_token(struct access_text authorization, struct access_text *ret_candidate);

#endif
