/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peers of the server, each a connection of libwebsockets': a guest until it has opened a
 * WebSocket with the token, then a client; a reader while it is sent what it asked for with it, or
 * while that is being made of a file (serve/importer.h), which the peer may have sent before.
 *
 * Guests are few (SERVER_GUESTS_MAX) and have little time, and the oldest makes room for a new one:
 * whoever holds connections open locks nobody out. A reader has time as long as it goes on reading. A
 * client costs its cursor, and the kernel's and libwebsockets' buffers with at most one message. Loop
 * thread.
 */
#ifndef FLICKERSCOPE_CONNECTION_H
#define FLICKERSCOPE_CONNECTION_H

#include <libwebsockets.h>
#include <stdint.h>
#include <sys/queue.h>

#include "serve/access.h"
#include "serve/client.h"
#include "serve/peer.h"
#include "serve/server.h"

struct connection;
struct importer;
struct profile_store;
TAILQ_HEAD(connection_list, connection);

enum connection_limit {
	CONNECTION_SEND_BUFFER_SIZE = 262144, /* of the kernel, for each socket */
	CONNECTION_UNSENT_SIZE = 65536,	      /* of that, what may wait behind what is on its way */
};

/* All of them, and what they are served from. Borrows everything but the connections. */
struct connection_table {
	const struct sample_window *window;		  /* NULL: nothing is live */
	struct profile_store *profiles;			  /* NULL: none */
	struct importer *importer;			  /* NULL: foreign files are not read */
	void (*metrics)(void *context, uint64_t *values); /* as in struct server_options */
	void (*page_opened)(void *context);
	void *context;
	const char *start; /* where "/" leads; NULL: it is the page */
	struct client_greeting greeting;
	const struct access_tokens *tokens;
	unsigned int schemes; /* enum access_scheme */
	bool behind_proxy;    /* X-Forwarded-For is the word of one that may be believed */
	const char *const *hosts;
	size_t host_count;
	unsigned int guest_time_ms;
	unsigned int resume_time_ms;

	struct connection_list guests;	/* in the order of their arrival */
	struct connection_list readers; /* of what only the token opens, while it is sent */
	struct connection_list clients;
	uint32_t guest_count;
	uint32_t reader_count;
	uint32_t client_count;
	uint32_t upload_count;		 /* of the readers: those that send a file */
	struct server_counters counters; /* but for `clients` */
	struct peer_failures failures;
	uint8_t scratch[LWS_PRE + WIRE_MESSAGE_SIZE_MAX]; /* what is being received or sent now */
};

void connection_table_init(struct connection_table *table);

/* Sets the options of an accepted socket before libwebsockets gets it. */
void connection_prepare_socket(int fd);

/* Takes in a new guest. Returns 0 or -ENOMEM; the caller then ends @wsi. */
int connection_add(struct connection_table *table, struct lws *wsi);

/* Hangs up on whose time is over. Returns whether anybody is left whose time is running. */
bool connection_table_expire(struct connection_table *table);

/* The window changed: every client looks again. */
void connection_table_wake(struct connection_table *table);

struct server_counters connection_table_counters(const struct connection_table *table);

/*
 * For the protocols "http" and "flickerscope" of libwebsockets, whose context's user pointer is
 * the table.
 */
int connection_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
			size_t size);

#endif
