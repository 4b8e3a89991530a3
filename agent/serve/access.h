/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may read the profile: the token's file, and the checks of a request's headers.
 *
 * The token is a secret shared through a file that only root (or the user who runs the program)
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
};

/* Text of a header, not zero-terminated; NULL when the request does not have it. */
struct access_text {
	const char *text;
	size_t size;
};

struct access_token {
	char text[ACCESS_TOKEN_SIZE_MAX + 1];
	size_t size;
};

/*
 * Reads the token from @path, or makes it there: 32 random bytes, mode 0600, its directory with
 * 0700 when that is missing. Two programs that start at once end up with the same token.
 *
 * Returns 0, or -errno after one line on the log: not a regular file, a symbolic link, somebody
 * else's, readable by others, or no token in it (-EPERM, -ELOOP, -EINVAL ...).
 */
int access_token_open(const char *path, struct access_token *ret_token);

/* In the same time for any @candidate. */
bool access_token_matches(const struct access_token *token, struct access_text candidate);

/*
 * Host is localhost, 127.0.0.1, [::1] or one of @hosts (without port), each with any port or none:
 * a tunnel ends at whatever port its user chose.
 */
bool access_host_allowed(struct access_text host, const char *const *hosts, size_t host_count);

/* Origin (RFC 6454, 6.2) is exactly http://HOST, HOST being what the Host header says. */
bool access_origin_matches(struct access_text origin, struct access_text host);

/*
 * The token of "Sec-WebSocket-Protocol: flickerscope, token.TOKEN": these two, in this order, and
 * nothing else. False otherwise; what is found is still to be compared.
 */
bool access_protocols_token(struct access_text protocols, struct access_text *ret_candidate);

/* The token of "Authorization: Bearer TOKEN" (RFC 6750, 2.1). */
bool access_bearer_token(struct access_text authorization, struct access_text *ret_candidate);

#endif
