/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what a request over HTTP gets: a file of the page, a WebSocket, a profile, or no. Pure
 * functions of what the peer sent and of the rules; knows no sockets. Loop thread.
 */
#ifndef FLICKERSCOPE_REQUEST_H
#define FLICKERSCOPE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/access.h"

struct viewer_body;
struct viewer_file;

enum request_limit {
	REQUEST_HEAD_SIZE_MAX = 4096, /* of an answer, the longest name of a file in it */
	REQUEST_NAME_SIZE_MAX = 512,  /* of a file or an event that is named in the query */
};

enum request_method {
	REQUEST_GET,
	REQUEST_HEAD,
	REQUEST_POST,
	REQUEST_OTHER_METHOD,
};

/* Headers as they came, each NULL when it did not. */
struct request {
	enum request_method method;
	bool has_body;
	bool is_chunked;	      /* the body has no size */
	struct access_text body_size; /* Content-Length */
	struct access_text path;      /* without the query */
	struct access_text query;     /* without its question mark */
	struct access_text host;
	struct access_text origin;
	struct access_text authorization;
	struct access_text accept_encoding;
	struct access_text if_none_match;
	struct access_text range;
	struct access_text upgrade;
	struct access_text protocols; /* of the WebSocket: Sec-WebSocket-Protocol ... */
	struct access_text version;
	struct access_text key;
};

struct request_rules {
	const struct access_tokens *tokens;
	unsigned int schemes; /* enum access_scheme, by which we are reached */
	bool limited;	      /* too many wrong tokens came from there: none is looked at ... */
	bool is_shared;	      /* ... but right ones, where everybody has the same address */
	const char *const *hosts;
	size_t host_count;
	bool live;     /* there is a window: /live and /download */
	bool metrics;  /* there are counters: /metrics */
	bool profiles; /* there are files: /profiles */
	bool imports;  /* there is somebody who reads what is sent: /import */
	bool imports_full;
	const char *start; /* where "/" leads; NULL: it is the page itself */
	bool clients_full;
	bool readers_full;
};

enum request_status {
	REQUEST_UPGRADE = 101, /* let it in */
	REQUEST_OK = 200,
	REQUEST_PARTIAL = 206,
	REQUEST_FOUND = 302,
	REQUEST_NOT_MODIFIED = 304,
	REQUEST_BAD = 400,
	REQUEST_UNAUTHORIZED = 401,
	REQUEST_FORBIDDEN = 403,
	REQUEST_NOT_FOUND = 404,
	REQUEST_METHOD_NOT_ALLOWED = 405,
	REQUEST_LENGTH_REQUIRED = 411,
	REQUEST_CONTENT_TOO_LARGE = 413,
	REQUEST_RANGE_UNSATISFIABLE = 416,
	REQUEST_UNPROCESSABLE = 422,
	REQUEST_UPGRADE_REQUIRED = 426,
	REQUEST_TOO_MANY = 429,
	REQUEST_UNAVAILABLE = 503,
};

enum answer_content {
	ANSWER_TEXT,	 /* `text` is all */
	ANSWER_PAGE,	 /* `file` */
	ANSWER_DOWNLOAD, /* of the window, from_us to to_us; the rest is for who holds the token */
	ANSWER_LIST,	 /* of the profiles */
	ANSWER_PROFILE,	 /* `profile`, or the part of it in `range` */
	ANSWER_METRICS,	 /* the counters, for Prometheus */
	ANSWER_IMPORT,	 /* a capture of the request's body, `body_size` bytes */
};

/* Bytes of a file, RFC 9110, 14.1.2: the first and the last one; only one range is understood. */
struct request_range {
	bool given;
	uint64_t first;
	uint64_t last;
};

struct answer {
	enum request_status status;
	enum answer_content content;
	const struct viewer_file *file;
	const struct viewer_body *body; /* of the file, plain or compressed; sent with 200 to GET */
	const char *text;		/* one line for people: what is wrong and what to do */
	const char *location;		/* with REQUEST_FOUND */
	uint64_t from_us;		/* timeline */
	uint64_t to_us;
	struct access_text profile; /* its id; of the request */
	struct request_range range;
	uint64_t body_size;
	char name[REQUEST_NAME_SIZE_MAX];  /* of the file that is sent, any bytes */
	char event[REQUEST_NAME_SIZE_MAX]; /* which one of several in the file; empty: choose */
	bool refused;			   /* counted; the connection ends with the answer */
	bool wrong_token;		   /* one was guessed; counted by address */
	const struct access_token *token;  /* that opened it; NULL: it is open to all */
	bool framed;			   /* pages of ours may show it in a frame */
	bool head_only;
};

/* What is sent of the window or of a file: known when it was opened. */
struct answer_data {
	const char *type;
	const char *name;    /* of the file, any bytes; NULL: none */
	uint64_t size;	     /* of what follows; BODY_SIZE_UNKNOWN: chunked (RFC 9112, 7.1) */
	uint64_t file_size;  /* of the whole file; with REQUEST_PARTIAL */
	uint64_t file_first; /* which byte of it comes first */
};

/* What @request gets. Never fails; REQUEST_UPGRADE only for what may see the profile. */
struct answer request_answer(const struct request *request, const struct request_rules *rules);

/* Turns @answer into a refusal: what it promised is not there. */
struct answer answer_refuse(const struct answer *answer, enum request_status status,
			    const char *text);

/*
 * Writes the head of @answer and, for ANSWER_TEXT, its text. Returns the bytes written, which are
 * always fewer than REQUEST_HEAD_SIZE_MAX. @data: for all but ANSWER_TEXT and ANSWER_PAGE.
 */
size_t answer_head(const struct answer *answer, const struct answer_data *data,
		   char ret_head[REQUEST_HEAD_SIZE_MAX]);

#endif
