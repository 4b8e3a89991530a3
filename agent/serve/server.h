/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves the page and, to pages that hold the token, the window's segments over WebSockets.
 *
 * libwebsockets' loop is the loop: server_run() drives it, and it drives ours through loop_fd().
 * Everything runs on the loop thread. No client can slow the sampling or grow memory: each is a
 * cursor into the window with one message under way, and one that is too slow is skipped ahead.
 *
 *	/, /index.html, ...	the page's files: constant, no token
 *	/healthz		200 "ok": no data, no token
 *	/download?from=&to=	the window, or the stretch (microseconds since 1970), as a capture
 *	/metrics		the agent's counters, as Prometheus reads them
 *	/profiles		what `view` serves, as JSON (serve/profile_store.h)
 *	/profiles/ID?event=	one of them, or the part that `Range` asks for, as a capture
 *	/import?name=&event=	POST: a capture of the file that is sent, whatever wrote it
 *	/live			WebSocket `flickerscope, token.TOKEN`; without an upgrade a question
 *				whether "Authorization: Bearer TOKEN" is right: 426 yes, 401 no
 *
 * The five before the last want "Authorization: Bearer TOKEN"; a token may open but a part of them, see
 * enum access_right. Over TLS where the operator has given a certificate. On a unix socket a proxy is
 * in front: its X-Forwarded-For is believed.
 *
 * Refused, and counted: 403 for Host, Origin, token, kind of upgrade and what is no HTTP, 404 for a
 * path, 405 for a method, 413 for a body, 429 after
 * too many wrong tokens, 503 beyond SERVER_CLIENTS_MAX. Headers beyond
 * SERVER_HEADERS_SIZE_MAX end the connection.
 */
#ifndef FLICKERSCOPE_SERVER_H
#define FLICKERSCOPE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "wire.h"

struct importer;
struct loop;
struct profile_store;
struct sample_window;
struct server;

enum server_limit {
	SERVER_CLIENTS_MAX = 256,	   /* pages at once */
	SERVER_GUESTS_MAX = 32,		   /* connections that have not shown the token */
	SERVER_GUEST_TIME_MAX_MS = 5000,   /* for a guest's request, and for our answer */
	SERVER_READERS_MAX = 16,	   /* downloads and profiles being sent at once */
	SERVER_READER_TIME_MAX_MS = 20000, /* for each piece of them, and of what is sent here */
	SERVER_UPLOADS_MAX = 2,		   /* files of WIRE_IMPORT_SIZE_MAX at once, in memory */
	SERVER_RESUME_TIME_MAX_MS = 20000, /* from the opening of a WebSocket to the RESUME */
	SERVER_PING_AFTER_S = 20,	   /* of silence of a client */
	SERVER_HANG_UP_AFTER_S = 40,
	SERVER_HEADERS_SIZE_MAX = 4096,
	SERVER_HOSTS_MAX = 16,
};

#define SERVER_LISTEN_DEFAULT "127.0.0.1:7780"
#define SERVER_TOKEN_PATH_DEFAULT "/run/flickerscope/token"

struct server_options {
	struct loop *loop;
	const struct sample_window *window; /* NULL: nothing is live */
	/* Fills WIRE_COUNTER_COUNT values, which start as 0, for /metrics; NULL: there are none. */
	void (*metrics)(void *context, uint64_t *values);
	void (*page_opened)(void *context); /* one more is among the clients; may be NULL */
	void *context;
	struct profile_store *profiles; /* what /profiles serves; NULL: none */
	struct importer *importer;	/* who reads foreign files; NULL: nobody */
	const char *start;		/* the path to which "/" leads; copied; NULL: itself */
	const char *listen; /* "ADDRESS:PORT", "[IPv6]:PORT" or "localhost:PORT"; 0 picks one;
				   "unix:/PATH"; NULL: SERVER_LISTEN_DEFAULT */
	const char *tls_certificate_path; /* both or none */
	const char *tls_key_path;
	const char *token_path;	  /* made when missing; NULL: SERVER_TOKEN_PATH_DEFAULT */
	const char *const *hosts; /* further names that a Host header may hold, without port */
	size_t host_count;
	enum wire_source source;
	uint64_t instance_id;
	/* How long peers have, for tests; 0: as above. */
	unsigned int ping_after_s;
	unsigned int hang_up_after_s;
	unsigned int guest_time_ms;
	unsigned int resume_time_ms;
};

/* Totals since the start, but for `clients`. */
struct server_counters {
	uint64_t clients;	   /* connected now */
	uint64_t clients_total;	   /* ever let in */
	uint64_t clients_refused;  /* requests and connections that were turned away */
	uint64_t tokens_refused;   /* wrong ones, and those that were not looked at any more */
	uint64_t accepts_deferred; /* pauses for want of descriptors, or memory */
	uint64_t clients_skipped;  /* segments that left the window before a client had them */
	uint64_t bytes_sent;	   /* of WebSocket messages */
};

/* Whether "ADDRESS:PORT" or "unix:/PATH" of --listen can be read; says on the log what is wrong. 0 or -EINVAL. */
int server_listen_check(const char *listen);

/*
 * Reads or makes the token and listens; nobody is served before server_run().
 *
 * Returns 0 or -errno; every failure has been logged as one line with its remedy. Strings of
 * @options are copied; the loop and the window are borrowed until the server is freed.
 */
int server_new(const struct server_options *options, struct server **ret_server);
void server_free(struct server *server); /* NULL is fine; hangs up on everybody */
DEFINE_CLEANUP(struct server *, server_free);

/* The unix socket that it listens on, borrowed; -1: it is none. */
int server_socket(const struct server *server);

/* Serves, and dispatches the loop, until loop_stop(). Returns its exit code, or -errno. */
int server_run(struct server *server);

/* New bytes are in the window, a segment was closed or one was dropped: clients look again. Cheap. */
void server_wake(struct server *server);

/*
 * "http://127.0.0.1:7780/#TOKEN", of a unix socket "unix:/PATH#TOKEN": for the terminal of whoever
 * started the program, never for a log.
 */
const char *server_url(const struct server *server);
uint16_t server_port(const struct server *server); /* 0 of a unix socket */

struct server_counters server_counters(const struct server *server);

#endif
