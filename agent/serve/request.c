/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "serve/viewer_files.h"

#define LIVE_PATH "/live"
#define WEBSOCKET_VERSION "13" /* RFC 6455, 4.1 */

static const struct {
	enum request_status status;
	const char *phrase;
	const char *header; /* what this status has beyond the others */
} STATUSES[] = {
	{ REQUEST_OK, "OK", "" },
	{ REQUEST_NOT_MODIFIED, "Not Modified", "" },
	{ REQUEST_BAD, "Bad Request", "" },
	{ REQUEST_UNAUTHORIZED, "Unauthorized", "WWW-Authenticate: Bearer\r\n" },
	{ REQUEST_FORBIDDEN, "Forbidden", "" },
	{ REQUEST_NOT_FOUND, "Not Found", "" },
	{ REQUEST_METHOD_NOT_ALLOWED, "Method Not Allowed", "Allow: GET, HEAD\r\n" },
	{ REQUEST_CONTENT_TOO_LARGE, "Content Too Large", "" },
	{ REQUEST_UPGRADE_REQUIRED, "Upgrade Required",
	  "Upgrade: websocket\r\nSec-WebSocket-Version: " WEBSOCKET_VERSION "\r\n" },
	{ REQUEST_UNAVAILABLE, "Service Unavailable", "" },
};

static bool text_is(struct access_text text, const char *other)
{
	return text.text && text.size == strlen(other) && memcmp(text.text, other, text.size) == 0;
}

static bool text_is_word(struct access_text text, const char *word)
{
	return text.text && text.size == strlen(word) &&
	       strncasecmp(text.text, word, text.size) == 0;
}

static bool text_has(struct access_text text, const char *part)
{
	return text.text && memmem(text.text, text.size, part, strlen(part));
}

static struct answer refuse(enum request_status status, const char *text)
{
	return (struct answer){ .status = status, .text = text, .refused = true };
}

static struct answer answer_file(const struct request *request, const struct viewer_file *file)
{
	struct answer answer = { .status = REQUEST_OK, .file = file, .body = &file->plain };

	/* A refusal "gzip;q=0" is not worth a parser: who sends it gets what everybody can read. */
	if (file->gzip.size && text_has(request->accept_encoding, "gzip") &&
	    !text_has(request->accept_encoding, "q=0"))
		answer.body = &file->gzip;
	/* RFC 9110, 13.1.2: the weak comparison; a list, of which ours may be any. */
	if (text_has(request->if_none_match, answer.body->etag) ||
	    text_is(request->if_none_match, "*"))
		answer.status = REQUEST_NOT_MODIFIED;
	return answer;
}

static bool token_is_right(const struct request_rules *rules, bool found,
			   struct access_text candidate)
{
	return found && access_token_matches(rules->token, candidate);
}

/* The page asks this way why its WebSocket was refused, which browsers don't tell. */
static struct answer answer_live_question(const struct request *request,
					  const struct request_rules *rules)
{
	struct access_text candidate = { NULL, 0 };
	bool found = access_bearer_token(request->authorization, &candidate);

	if (request->origin.text && !access_origin_matches(request->origin, request->host))
		return refuse(REQUEST_FORBIDDEN, "This page's Origin may not read profiles.");
	if (!token_is_right(rules, found, candidate))
		return refuse(REQUEST_UNAUTHORIZED, "The token is missing or wrong.");
	return (struct answer){ .status = REQUEST_UPGRADE_REQUIRED,
				.text = "The token is right; open a WebSocket here." };
}

static struct answer answer_upgrade(const struct request *request,
				    const struct request_rules *rules)
{
	struct access_text candidate = { NULL, 0 };
	bool found = access_protocols_token(request->protocols, &candidate);

	if (!text_is_word(request->upgrade, "websocket"))
		return refuse(REQUEST_FORBIDDEN, "The only upgrade here is to websocket.");
	if (request->method != REQUEST_GET)
		return refuse(REQUEST_METHOD_NOT_ALLOWED, "A WebSocket is opened with GET.");
	if (!text_is(request->path, LIVE_PATH))
		return refuse(REQUEST_NOT_FOUND, "The WebSocket is at " LIVE_PATH ".");
	if (!access_origin_matches(request->origin, request->host))
		return refuse(REQUEST_FORBIDDEN,
			      "Origin must be there and be http:// and what Host says.");
	if (!token_is_right(rules, found, candidate))
		return refuse(REQUEST_FORBIDDEN,
			      "The token is missing or wrong: Sec-WebSocket-Protocol: "
			      "flickerscope, token.TOKEN");
	if (!text_is(request->version, WEBSOCKET_VERSION))
		return refuse(REQUEST_UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13.");
	if (!request->key.size)
		return refuse(REQUEST_BAD, "Sec-WebSocket-Key is missing.");
	if (rules->clients_full)
		return refuse(REQUEST_UNAVAILABLE, "Too many pages are open: close one.");
	return (struct answer){ .status = REQUEST_UPGRADE };
}

static struct answer answer_path(const struct request *request, const struct request_rules *rules)
{
	for (size_t i = 0; i < viewer_file_count; i++)
		if (text_is(request->path, viewer_files[i].path))
			return answer_file(request, &viewer_files[i]);
	if (text_is(request->path, "/healthz"))
		return (struct answer){ .status = REQUEST_OK, .text = "ok" };
	if (text_is(request->path, LIVE_PATH))
		return answer_live_question(request, rules);
	return refuse(REQUEST_NOT_FOUND, "There is nothing here; the page is at /");
}

struct answer request_answer(const struct request *request, const struct request_rules *rules)
{
	struct answer answer;

	if (request->method == REQUEST_OTHER_METHOD)
		return refuse(REQUEST_METHOD_NOT_ALLOWED, "Only GET and HEAD are answered.");
	if (!access_host_allowed(request->host, rules->hosts, rules->host_count))
		return refuse(REQUEST_FORBIDDEN,
			      "This name is not one of ours: use localhost or 127.0.0.1, or start "
			      "flickerscope with --host NAME.");
	if (request->has_body)
		return refuse(REQUEST_CONTENT_TOO_LARGE, "A request has no body here.");
	answer = request->upgrade.text ? answer_upgrade(request, rules)
				       : answer_path(request, rules);
	answer.head_only = request->method == REQUEST_HEAD;
	return answer;
}

/* What every answer says: keep nothing, guess nothing, load nothing from elsewhere. */
static int common_headers(char *text, size_t size_max)
{
	return snprintf(text, size_max,
			"Cache-Control: no-store\r\n"
			"Referrer-Policy: no-referrer\r\n"
			"X-Content-Type-Options: nosniff\r\n"
			"Cross-Origin-Opener-Policy: same-origin\r\n"
			"Cross-Origin-Resource-Policy: same-origin\r\n"
			"Content-Security-Policy: default-src 'none'; script-src 'self' '%s'; "
			"style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
			viewer_import_map_hash);
}

static int content_headers(const struct answer *answer, char *text, size_t size_max)
{
	if (!answer->file)
		return snprintf(text, size_max,
				"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
				"\r\n%s%s",
				strlen(answer->text) + 1, answer->head_only ? "" : answer->text,
				answer->head_only ? "" : "\n");
	if (answer->status == REQUEST_NOT_MODIFIED)
		return snprintf(text, size_max, "ETag: %s\r\nVary: Accept-Encoding\r\n\r\n",
				answer->body->etag);
	return snprintf(text, size_max,
			"ETag: %s\r\nVary: Accept-Encoding\r\n%sContent-Type: %s\r\n"
			"Content-Length: %zu\r\n\r\n",
			answer->body->etag,
			answer->body == &answer->file->gzip ? "Content-Encoding: gzip\r\n" : "",
			answer->file->type, answer->body->size);
}

size_t answer_head(const struct answer *answer, char ret_head[REQUEST_HEAD_SIZE_MAX])
{
	const char *phrase = "", *header = "";
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(STATUSES); i++)
		if (STATUSES[i].status == answer->status) {
			phrase = STATUSES[i].phrase;
			header = STATUSES[i].header;
		}
	size = (size_t)snprintf(ret_head, REQUEST_HEAD_SIZE_MAX, "HTTP/1.1 %d %s\r\n%s%s",
				answer->status, phrase, header,
				answer->refused ? "Connection: close\r\n" : "");
	size += (size_t)common_headers(ret_head + size, REQUEST_HEAD_SIZE_MAX - size);
	size += (size_t)content_headers(answer, ret_head + size, REQUEST_HEAD_SIZE_MAX - size);
	assert(size < REQUEST_HEAD_SIZE_MAX);
	return size;
}
