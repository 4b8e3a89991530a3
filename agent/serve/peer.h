/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a connection, as far as that can be known: the address, behind a proxy
 * that it tells, or the user of a unix socket; and how many wrong tokens came from there.
 *
 * Bounded: PEER_FAILURES_MAX addresses are remembered, the one that failed longest ago makes room.
 * Loop thread.
 */
#ifndef FLICKERSCOPE_PEER_H
#define FLICKERSCOPE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "serve/access.h"

enum peer_limit {
	PEER_FAILURES_MAX = 256,     /* addresses */
	PEER_WRONG_TOKENS_MAX = 16,  /* of one address, before it is limited ... */
	PEER_WRONG_TOKEN_MS = 10000, /* ... and one more each time */
	PEER_NAME_SIZE_MAX = 64,
};

enum peer_kind {
	PEER_UNKNOWN,
	PEER_USER, /* of a unix socket, without a proxy's word */
	PEER_V4,
	PEER_V6,
};

struct peer {
	enum peer_kind kind;
	bool is_local;	   /* shared by everybody on this host */
	uint8_t bytes[16]; /* the address, of V6 all of it; or the user's id */
};

/* Who has connected to us with @fd. */
struct peer peer_of_socket(int fd);

/*
 * Whom a proxy speaks for: the last address of X-Forwarded-For, which the proxy itself has put there.
 * False when there is none; *ret_peer is untouched then.
 */
bool peer_of_proxy(struct access_text forwarded, struct peer *ret_peer);

/* "192.0.2.1", "user 33". */
void peer_name(const struct peer *peer, char ret_name[PEER_NAME_SIZE_MAX]);

struct peer_failure {
	struct peer peer;  /* of V6 the first 64 bits: more are given away whole */
	uint64_t until_ms; /* when its wrong tokens are forgotten; 0: free */
	uint64_t last_ms;
};

/* All zero is an empty one. */
struct peer_failures {
	struct peer_failure rows[PEER_FAILURES_MAX];
};

/* Whether so many wrong tokens came from there that no more are looked at now. */
bool peer_failures_limited(const struct peer_failures *failures, const struct peer *peer,
			   uint64_t now_ms);

/* A wrong token came from there. Returns whether it is the one that made it limited. */
bool peer_failures_add(struct peer_failures *failures, const struct peer *peer, uint64_t now_ms);

#endif
