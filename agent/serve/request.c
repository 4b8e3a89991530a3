/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/request.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "serve/body.h"
#include "serve/viewer_files.h"
#include "wire.h"

#define LIVE_PATH "/live"
#define DOWNLOAD_PATH "/download"
#define METRICS_PATH "/metrics"
#define PROFILES_PATH "/profiles"
#define IMPORT_PATH "/import"
#define WEBSOCKET_VERSION "13" /* RFC 6455, 4.1 */

static const struct {
	enum request_status status;
	const char *phrase;
	const char *header; /* what this status has beyond the others */
} STATUSES[] = {
	{ REQUEST_OK, "OK", "" },
	{ REQUEST_PARTIAL, "Partial Content", "" },
	{ REQUEST_FOUND, "Found", "" },
	{ REQUEST_NOT_MODIFIED, "Not Modified", "" },
	{ REQUEST_BAD, "Bad Request", "" },
	{ REQUEST_UNAUTHORIZED, "Unauthorized", "WWW-Authenticate: Bearer\r\n" },
	{ REQUEST_FORBIDDEN, "Forbidden", "" },
	{ REQUEST_NOT_FOUND, "Not Found", "" },
	{ REQUEST_METHOD_NOT_ALLOWED, "Method Not Allowed", "Allow: GET, HEAD\r\n" },
	{ REQUEST_LENGTH_REQUIRED, "Length Required", "" },
	{ REQUEST_CONTENT_TOO_LARGE, "Content Too Large", "" },
	{ REQUEST_RANGE_UNSATISFIABLE, "Range Not Satisfiable", "" },
	{ REQUEST_UNPROCESSABLE, "Unprocessable Content", "" },
	{ REQUEST_UPGRADE_REQUIRED, "Upgrade Required",
	  "Upgrade: websocket\r\nSec-WebSocket-Version: " WEBSOCKET_VERSION "\r\n" },
	{ REQUEST_TOO_MANY, "Too Many Requests", "Retry-After: 60\r\n" },
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
	struct answer answer = {
		.status = REQUEST_OK,
		.content = ANSWER_PAGE,
		.file = file,
		.body = &file->plain,
	};

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

/*
 * Looks whose token it is. Returns NULL and the refusal, @status, when it is missing, wrong, or does
 * not open so much.
 */
static const struct access_token *open_with(const struct request_rules *rules,
					    struct access_text candidate, enum access_right right,
					    enum request_status status, const char *words,
					    struct answer *ret_refusal)
{
	const struct access_token *token = NULL;
	/* Where everybody has one address, nobody may lock out who has a right one. */
	bool is_looked_at = candidate.text && (!rules->limited || rules->is_shared);

	if (is_looked_at)
		token = access_tokens_find(rules->tokens, candidate);
	if (!token && candidate.text && rules->limited)
		*ret_refusal =
			refuse(REQUEST_TOO_MANY,
			       "Too many wrong tokens came from this address: wait a minute.");
	else if (!token)
		*ret_refusal = refuse(status, words);
	else if (token->right < right)
		*ret_refusal = refuse(REQUEST_FORBIDDEN, "This token does not open so much.");
	else
		return token;
	ret_refusal->wrong_token = is_looked_at && !token;
	return NULL;
}

/* Whose token lets @request see so much; NULL and the refusal when none does. */
static const struct access_token *trusted(const struct request *request,
					  const struct request_rules *rules,
					  enum access_right right, struct answer *ret_refusal)
{
	struct access_text candidate = { NULL, 0 };

	access_bearer_token(request->authorization, &candidate);
	if (request->origin.text &&
	    !access_origin_matches(request->origin, request->host, rules->schemes)) {
		*ret_refusal =
			refuse(REQUEST_FORBIDDEN, "This page's Origin may not read profiles.");
		return NULL;
	}
	return open_with(rules, candidate, right, REQUEST_UNAUTHORIZED,
			 "The token is missing or wrong.", ret_refusal);
}

/* The page asks this way why its WebSocket was refused, which browsers don't tell. */
static struct answer answer_live_question(void)
{
	return (struct answer){ .status = REQUEST_UPGRADE_REQUIRED,
				.text = "The token is right; open a WebSocket here." };
}

/* A decimal number of at most 19 digits, so that it cannot overflow, off the front of @text. */
static bool take_number(struct access_text *text, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t digits = 0;

	while (digits < text->size && digits < 19 && text->text[digits] >= '0' &&
	       text->text[digits] <= '9')
		number = number * 10 + (uint64_t)(text->text[digits++] - '0');
	text->text += digits;
	text->size -= digits;
	*ret_number = number;
	return digits > 0;
}

static bool take_word(struct access_text *text, const char *word)
{
	size_t size = strlen(word);

	if (text->size < size || memcmp(text->text, word, size) != 0)
		return false;
	text->text += size;
	text->size -= size;
	return true;
}

/* Hexadecimal digits up to the next part of a query; see unescape_hex(). */
static bool take_name(struct access_text *text, char ret_name[REQUEST_NAME_SIZE_MAX])
{
	size_t size = 0;

	while (size < text->size && text->text[size] != '&' && text->text[size] != ',')
		size++;
	if (!unescape_hex(text->text, size, ret_name, REQUEST_NAME_SIZE_MAX))
		return false;
	text->text += size;
	text->size -= size;
	return true;
}

/*
 * "from=US&to=US&name=HEX&event=HEX", any or none; libwebsockets hands out the parts of a query with
 * commas.
 */
static bool read_query(struct access_text query, struct answer *answer)
{
	answer->from_us = 0;
	answer->to_us = UINT64_MAX;
	while (query.size) {
		bool understood = take_word(&query, "from=") ? take_number(&query, &answer->from_us)
				  : take_word(&query, "to=") ? take_number(&query, &answer->to_us)
				  : take_word(&query, "name=")	? take_name(&query, answer->name)
				  : take_word(&query, "event=") ? take_name(&query, answer->event)
								: false;

		if (!understood ||
		    (query.size && !take_word(&query, "&") && !take_word(&query, ",")))
			return false;
	}
	return answer->from_us < answer->to_us;
}

/* What is not understood is as if it was not there (RFC 9110, 14.2). */
static struct request_range read_range(struct access_text text)
{
	struct request_range range = { .given = true, .last = UINT64_MAX };

	if (!text.text || !take_word(&text, "bytes=") || !take_number(&text, &range.first) ||
	    !take_word(&text, "-"))
		return (struct request_range){ 0 };
	if (text.size &&
	    (!take_number(&text, &range.last) || text.size || range.last < range.first))
		return (struct request_range){ 0 };
	return range;
}

static struct answer answer_download(const struct request *request)
{
	struct answer answer = { .status = REQUEST_OK, .content = ANSWER_DOWNLOAD };

	if (!read_query(request->query, &answer))
		return refuse(REQUEST_BAD, "A stretch is from=US&to=US, in microseconds since "
					   "1970, the end behind the start.");
	return answer;
}

static struct answer refuse_query(void)
{
	return refuse(REQUEST_BAD,
		      "A query is name=HEX&event=HEX, of bytes as hexadecimal digits.");
}

static struct answer answer_profile(const struct request *request, struct access_text id)
{
	struct request_range range = read_range(request->range);
	struct answer answer = {
		.status = range.given ? REQUEST_PARTIAL : REQUEST_OK,
		.content = ANSWER_PROFILE,
		.profile = id,
		.range = range,
	};

	return read_query(request->query, &answer) ? answer : refuse_query();
}

static struct answer answer_import(const struct request *request, const struct request_rules *rules)
{
	struct answer answer = { .status = REQUEST_OK, .content = ANSWER_IMPORT };
	struct access_text size = request->body_size;

	if (request->method != REQUEST_POST)
		return refuse(REQUEST_METHOD_NOT_ALLOWED, "A file to be read is sent with POST.");
	if (!read_query(request->query, &answer))
		return refuse_query();
	if (request->is_chunked || !take_number(&size, &answer.body_size) || size.size)
		return refuse(REQUEST_LENGTH_REQUIRED,
			      "How large the file is must be said before.");
	if (answer.body_size > WIRE_IMPORT_SIZE_MAX)
		return refuse(REQUEST_CONTENT_TOO_LARGE,
			      "Files of up to 1 GiB are read here: open it with 'flickerscope view "
			      "FILE'.");
	if (rules->imports_full)
		return refuse(REQUEST_UNAVAILABLE, "Other files are being read: try again.");
	return answer;
}

/* What only who holds the token gets; false when @request is not for any of it. */
static bool answer_data(const struct request *request, const struct request_rules *rules,
			struct answer *ret_answer)
{
	struct access_text id = request->path;
	bool live = rules->live && text_is(request->path, LIVE_PATH);
	bool download = rules->live && text_is(request->path, DOWNLOAD_PATH);
	bool metrics = rules->metrics && text_is(request->path, METRICS_PATH);
	bool list = rules->profiles && text_is(request->path, PROFILES_PATH);
	bool profile = rules->profiles && take_word(&id, PROFILES_PATH "/");
	bool import = rules->imports && text_is(request->path, IMPORT_PATH);
	const struct access_token *token;

	if (!live && !download && !metrics && !list && !profile && !import)
		return false;
	token = trusted(request, rules,
			metrics		     ? ACCESS_METRICS
			: download || import ? ACCESS_ALL
					     : ACCESS_VIEW,
			ret_answer);
	if (!token)
		return true;
	if (live)
		*ret_answer = answer_live_question();
	else if (metrics)
		*ret_answer = (struct answer){ .status = REQUEST_OK, .content = ANSWER_METRICS };
	else if (rules->readers_full)
		*ret_answer = refuse(REQUEST_UNAVAILABLE,
				     "Too much is being downloaded: try again later.");
	else if (list)
		*ret_answer = (struct answer){ .status = REQUEST_OK, .content = ANSWER_LIST };
	else if (import)
		*ret_answer = answer_import(request, rules);
	else
		*ret_answer = download ? answer_download(request) : answer_profile(request, id);
	ret_answer->token = token;
	return true;
}

static struct answer answer_upgrade(const struct request *request,
				    const struct request_rules *rules)
{
	struct access_text candidate = { NULL, 0 };
	const struct access_token *token;
	struct answer refusal;

	access_protocols_token(request->protocols, &candidate);
	if (!text_is_word(request->upgrade, "websocket"))
		return refuse(REQUEST_FORBIDDEN, "The only upgrade here is to websocket.");
	if (request->method != REQUEST_GET)
		return refuse(REQUEST_METHOD_NOT_ALLOWED, "A WebSocket is opened with GET.");
	if (!rules->live || !text_is(request->path, LIVE_PATH))
		return refuse(REQUEST_NOT_FOUND, "The WebSocket of an agent is at " LIVE_PATH ".");
	if (!access_origin_matches(request->origin, request->host, rules->schemes))
		return refuse(REQUEST_FORBIDDEN,
			      "Origin must be there and be http:// or https://, as this page is, "
			      "and what Host says.");
	token = open_with(rules, candidate, ACCESS_VIEW, REQUEST_FORBIDDEN,
			  "The token is missing or wrong: Sec-WebSocket-Protocol: "
			  "flickerscope, token.TOKEN",
			  &refusal);
	if (!token)
		return refusal;
	if (!text_is(request->version, WEBSOCKET_VERSION))
		return refuse(REQUEST_UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13.");
	if (!request->key.size)
		return refuse(REQUEST_BAD, "Sec-WebSocket-Key is missing.");
	if (rules->clients_full)
		return refuse(REQUEST_UNAVAILABLE, "Too many pages are open: close one.");
	return (struct answer){ .status = REQUEST_UPGRADE, .token = token };
}

static struct answer answer_path(const struct request *request, const struct request_rules *rules)
{
	struct answer answer;

	if (rules->start && text_is(request->path, "/") && !request->query.size)
		return (struct answer){ .status = REQUEST_FOUND,
					.text = "The page is elsewhere.",
					.location = rules->start };
	for (size_t i = 0; i < viewer_file_count; i++)
		if (text_is(request->path, viewer_files[i].path))
			return answer_file(request, &viewer_files[i]);
	if (text_is(request->path, "/healthz"))
		return (struct answer){ .status = REQUEST_OK, .text = "ok" };
	if (answer_data(request, rules, &answer))
		return answer;
	return refuse(REQUEST_NOT_FOUND, "There is nothing here; the page is at /");
}

struct answer request_answer(const struct request *request, const struct request_rules *rules)
{
	bool may_send = rules->imports && text_is(request->path, IMPORT_PATH);
	struct answer answer;

	if (request->method == REQUEST_OTHER_METHOD ||
	    (request->method == REQUEST_POST && !may_send))
		return refuse(REQUEST_METHOD_NOT_ALLOWED, "Only GET and HEAD are answered.");
	if (!access_host_allowed(request->host, rules->hosts, rules->host_count))
		return refuse(REQUEST_FORBIDDEN,
			      "This name is not one of ours: use localhost or 127.0.0.1, or start "
			      "flickerscope with --host NAME.");
	if (request->has_body && !may_send)
		return refuse(REQUEST_CONTENT_TOO_LARGE, "A request has no body here.");
	answer = request->upgrade.text ? answer_upgrade(request, rules)
				       : answer_path(request, rules);
	answer.head_only = request->method == REQUEST_HEAD;
	answer.framed = rules->profiles;
	return answer;
}

struct answer answer_refuse(const struct answer *answer, enum request_status status,
			    const char *text)
{
	struct answer refusal = refuse(status, text);

	refusal.head_only = answer->head_only;
	return refusal;
}

/* What every answer says: keep nothing, guess nothing, load nothing from elsewhere. */
static int common_headers(const struct answer *answer, char *text, size_t size_max)
{
	return snprintf(text, size_max,
			"Cache-Control: no-store\r\n"
			"Referrer-Policy: no-referrer\r\n"
			"X-Content-Type-Options: nosniff\r\n"
			"X-Frame-Options: %s\r\n"
			"Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n"
			"Cross-Origin-Opener-Policy: same-origin\r\n"
			"Cross-Origin-Resource-Policy: same-origin\r\n"
			"Content-Security-Policy: default-src 'none'; script-src 'self'; "
			"style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
			"base-uri 'none'; form-action 'none'; %s\r\n",
			answer->framed ? "SAMEORIGIN" : "DENY",
			answer->framed ? "frame-src 'self'; frame-ancestors 'self'"
				       : "frame-ancestors 'none'");
}

/* Any bytes as an ext-value (RFC 8187, 3.2); @text has room for three times as many. */
static void encode_name(const char *name, char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";

	for (; *name; name++)
		text += sprintf(text, strchr(plain, *name) ? "%c" : "%%%02X", (unsigned char)*name);
	*text = 0;
}

static int data_headers(const struct answer *answer, const struct answer_data *data, char *text,
			size_t size_max)
{
	char name[3 * NAME_MAX + 1] = "", range[96] = "", size[48];

	if (data->name && strlen(data->name) <= NAME_MAX)
		encode_name(data->name, name);
	if (answer->status == REQUEST_PARTIAL)
		snprintf(range, sizeof(range),
			 "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
			 data->file_first, data->file_first + data->size - 1, data->file_size);
	if (data->size == BODY_SIZE_UNKNOWN)
		snprintf(size, sizeof(size), "Transfer-Encoding: chunked");
	else
		snprintf(size, sizeof(size), "Content-Length: %" PRIu64, data->size);
	return snprintf(text, size_max, "Content-Type: %s\r\n%s%s%s%s%s\r\n\r\n", data->type,
			name[0] ? "Content-Disposition: attachment; filename*=UTF-8''" : "", name,
			name[0] ? "\r\n" : "", range, size);
}

static int page_headers(const struct answer *answer, char *text, size_t size_max)
{
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

static int text_headers(const struct answer *answer, char *text, size_t size_max)
{
	return snprintf(text, size_max,
			"%s%s%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
			"\r\n%s%s",
			answer->location ? "Location: " : "",
			answer->location ? answer->location : "", answer->location ? "\r\n" : "",
			strlen(answer->text) + 1, answer->head_only ? "" : answer->text,
			answer->head_only ? "" : "\n");
}

size_t answer_head(const struct answer *answer, const struct answer_data *data,
		   char ret_head[REQUEST_HEAD_SIZE_MAX])
{
	const char *phrase = "", *header = "";
	size_t size, left;
	char *at;

	for (size_t i = 0; i < ARRAY_SIZE(STATUSES); i++)
		if (STATUSES[i].status == answer->status) {
			phrase = STATUSES[i].phrase;
			header = STATUSES[i].header;
		}
	size = (size_t)snprintf(ret_head, REQUEST_HEAD_SIZE_MAX, "HTTP/1.1 %d %s\r\n%s%s",
				answer->status, phrase, header,
				answer->refused ? "Connection: close\r\n" : "");
	size += (size_t)common_headers(answer, ret_head + size, REQUEST_HEAD_SIZE_MAX - size);
	at = ret_head + size;
	left = REQUEST_HEAD_SIZE_MAX - size;
	if (answer->content == ANSWER_TEXT)
		size += (size_t)text_headers(answer, at, left);
	else if (answer->content == ANSWER_PAGE)
		size += (size_t)page_headers(answer, at, left);
	else
		size += (size_t)data_headers(answer, data, at, left);
	assert(size < REQUEST_HEAD_SIZE_MAX);
	return size;
}
