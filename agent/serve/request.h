/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what a request over HTTP gets: a file of the page, a WebSocket, or no. Pure functions of
 * what the peer sent and of the rules; knows no sockets. Loop thread.
 */
#ifndef FLICKERSCOPE_REQUEST_H
#define FLICKERSCOPE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/access.h"

struct viewer_body;
struct viewer_file;

enum request_limit {
	REQUEST_HEAD_SIZE_MAX = 2048, /* of an answer */
};

enum request_method {
	REQUEST_GET,
	REQUEST_HEAD,
	REQUEST_OTHER_METHOD,
};

/* Headers as they came, each NULL when it did not. */
struct request {
	enum request_method method;
	bool has_body;
	struct access_text path; /* without the query */
	struct access_text host;
	struct access_text origin;
	struct access_text authorization;
	struct access_text accept_encoding;
	struct access_text if_none_match;
	struct access_text upgrade;
	struct access_text protocols; /* of the WebSocket: Sec-WebSocket-Protocol ... */
	struct access_text version;
	struct access_text key;
};

struct request_rules {
	const struct access_token *token;
	const char *const *hosts;
	size_t host_count;
	bool clients_full;
};

enum request_status {
	REQUEST_UPGRADE = 101, /* let it in */
	REQUEST_OK = 200,
	REQUEST_NOT_MODIFIED = 304,
	REQUEST_BAD = 400,
	REQUEST_UNAUTHORIZED = 401,
	REQUEST_FORBIDDEN = 403,
	REQUEST_NOT_FOUND = 404,
	REQUEST_METHOD_NOT_ALLOWED = 405,
	REQUEST_CONTENT_TOO_LARGE = 413,
	REQUEST_UPGRADE_REQUIRED = 426,
	REQUEST_UNAVAILABLE = 503,
};

struct answer {
	enum request_status status;
	const struct viewer_file *file; /* NULL: `text` is all */
	const struct viewer_body *body; /* of the file, plain or compressed; sent with 200 to GET */
	const char *text;		/* one line for people: what is wrong and what to do */
	bool refused;			/* counted; the connection ends with the answer */
	bool head_only;
};

/* What @request gets. Never fails; REQUEST_UPGRADE only for what may see the profile. */
struct answer request_answer(const struct request *request, const struct request_rules *rules);

/*
 * Writes the head of @answer and, for one without a file, its text. Returns the bytes written, which
 * are always fewer than REQUEST_HEAD_SIZE_MAX.
 */
size_t answer_head(const struct answer *answer, char ret_head[REQUEST_HEAD_SIZE_MAX]);

#endif
