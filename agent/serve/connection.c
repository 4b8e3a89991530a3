/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/connection.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "serve/body.h"
#include "serve/download.h"
#include "serve/profile_store.h"
#include "serve/request.h"
#include "serve/viewer_files.h"

struct connection {
	TAILQ_ENTRY(connection) link;
	struct connection_table *table;
	struct lws *wsi;
	struct client *client; /* NULL: a guest */
	int close_code;	       /* enum wire_close_code; 0: it stays */
	uint64_t deadline_ms;  /* of a guest's next step, or of a client's RESUME */
	bool answered;	       /* one request at least */
	bool silent;	       /* it ended without a word: browsers open what they may never use */
	struct body *body;     /* under way, owned; NULL: none */
	bool chunked;	       /* its size is not known */
	bool reads;	       /* one of the readers, as long as the body is under way */
};

enum {
	/* "8000\r\n" in front of a piece whose size is not known before, "\r\n" behind it. */
	PIECE_HEAD_SIZE = 6,
	PIECE_TAIL_SIZE = 2,
	LIST_SIZE_MAX = 4 << 20,
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void connection_table_init(struct connection_table *table)
{
	TAILQ_INIT(&table->guests);
	TAILQ_INIT(&table->readers);
	TAILQ_INIT(&table->clients);
}

void connection_prepare_socket(int fd)
{
	const int on = 1, buffer_size = CONNECTION_SEND_BUFFER_SIZE;
	const int unsent_size = CONNECTION_UNSENT_SIZE;

	/* Best effort: without them a client is slower or costs the kernel more, not wrong. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof(buffer_size));
	/* History must not fill the socket: live bytes would wait behind it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_size, sizeof(unsent_size));
}

/* From the lists; its connection of libwebsockets' may live on for a moment, without an owner. */
static void connection_free(struct connection *connection)
{
	struct connection_table *table = connection->table;

	lws_set_opaque_user_data(connection->wsi, NULL);
	if (connection->client) {
		TAILQ_REMOVE(&table->clients, connection, link);
		table->client_count--;
		table->counters.clients_skipped += client_skipped(connection->client);
		client_free(connection->client);
	} else if (connection->reads) {
		TAILQ_REMOVE(&table->readers, connection, link);
		table->reader_count--;
	} else {
		TAILQ_REMOVE(&table->guests, connection, link);
		table->guest_count--;
		table->counters.clients_refused += !connection->answered && !connection->silent;
	}
	body_free(connection->body);
	free(connection);
}

/* Not from within a callback of the same connection. */
static void hang_up(struct connection *connection)
{
	struct lws *wsi = connection->wsi;

	connection_free(connection);
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

/* Whether the peer ever sent anything. */
static bool has_spoken(const struct connection *connection)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return getsockopt(lws_get_socket_fd(connection->wsi), IPPROTO_TCP, TCP_INFO, &info,
			  &size) == 0 &&
	       info.tcpi_bytes_received > 0;
}

int connection_add(struct connection_table *table, struct lws *wsi)
{
	struct connection *connection;

	if (table->guest_count == SERVER_GUESTS_MAX)
		hang_up(TAILQ_FIRST(&table->guests));
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		return -ENOMEM;
	connection->table = table;
	connection->wsi = wsi;
	connection->deadline_ms = now_ms() + table->guest_time_ms;
	TAILQ_INSERT_TAIL(&table->guests, connection, link);
	table->guest_count++;
	lws_set_opaque_user_data(wsi, connection);
	return 0;
}

bool connection_table_expire(struct connection_table *table)
{
	const uint64_t now = now_ms();
	struct connection *connection, *next;
	bool running = false;

	for (connection = TAILQ_FIRST(&table->guests); connection; connection = next) {
		next = TAILQ_NEXT(connection, link);
		if (now >= connection->deadline_ms) {
			connection->silent = !has_spoken(connection);
			hang_up(connection);
		}
	}
	for (connection = TAILQ_FIRST(&table->readers); connection; connection = next) {
		next = TAILQ_NEXT(connection, link);
		if (now >= connection->deadline_ms)
			hang_up(connection);
	}
	for (connection = TAILQ_FIRST(&table->clients); connection; connection = next) {
		next = TAILQ_NEXT(connection, link);
		if (client_resumed(connection->client))
			continue;
		running = true;
		if (now >= connection->deadline_ms)
			hang_up(connection);
	}
	return running || table->guest_count || table->reader_count;
}

void connection_table_wake(struct connection_table *table)
{
	struct connection *connection;

	for (connection = TAILQ_FIRST(&table->clients); connection;
	     connection = TAILQ_NEXT(connection, link)) {
		/* Without memory it is tried again, and told, when the client is served. */
		client_track(connection->client);
		lws_callback_on_writable(connection->wsi);
	}
}

struct server_counters connection_table_counters(const struct connection_table *table)
{
	struct server_counters counters = table->counters;
	const struct connection *connection;

	counters.clients = table->client_count;
	for (connection = TAILQ_FIRST(&table->clients); connection;
	     connection = TAILQ_NEXT(connection, link))
		counters.clients_skipped += client_skipped(connection->client);
	return counters;
}

/* --- HTTP ------------------------------------------------------------------------------------ */

/* Where the next header is copied to. */
struct header_space {
	struct lws *wsi;
	char *at;
	size_t left;
};

static struct access_text header(struct header_space *space, enum lws_token_indexes token)
{
	struct access_text text = { NULL, 0 };
	int size;

	if (lws_hdr_total_length(space->wsi, token) <= 0)
		return text;
	size = lws_hdr_copy(space->wsi, space->at, (int)space->left, token);
	if (size < 0)
		size = 0; /* too long for what all headers may be: it is there, and matches nothing */
	text = (struct access_text){ space->at, (size_t)size };
	space->at += size;
	space->left -= (size_t)size;
	return text;
}

static enum request_method method_of(struct lws *wsi)
{
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0)
		return REQUEST_GET;
	return lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0 ? REQUEST_HEAD
								 : REQUEST_OTHER_METHOD;
}

static struct answer decide(struct connection *connection, struct access_text upgrade)
{
	struct connection_table *table = connection->table;
	struct header_space space = { connection->wsi, (char *)table->scratch,
				      sizeof(table->scratch) };
	const struct request_rules rules = {
		.token = table->token,
		.hosts = table->hosts,
		.host_count = table->host_count,
		.live = table->window != NULL,
		.profiles = table->profiles != NULL,
		.start = table->start,
		.clients_full = table->client_count >= SERVER_CLIENTS_MAX,
		.readers_full = table->reader_count >= SERVER_READERS_MAX,
	};
	struct request request = { .method = method_of(connection->wsi), .upgrade = upgrade };
	struct access_text length = header(&space, WSI_TOKEN_HTTP_CONTENT_LENGTH);

	request.has_body = (length.text && !(length.size == 1 && length.text[0] == '0')) ||
			   header(&space, WSI_TOKEN_HTTP_TRANSFER_ENCODING).text;
	request.path = header(&space, request.method == REQUEST_HEAD ? WSI_TOKEN_HEAD_URI
								     : WSI_TOKEN_GET_URI);
	request.query = header(&space, WSI_TOKEN_HTTP_URI_ARGS);
	request.host = header(&space, WSI_TOKEN_HOST);
	request.origin = header(&space, WSI_TOKEN_ORIGIN);
	request.authorization = header(&space, WSI_TOKEN_HTTP_AUTHORIZATION);
	request.accept_encoding = header(&space, WSI_TOKEN_HTTP_ACCEPT_ENCODING);
	request.if_none_match = header(&space, WSI_TOKEN_HTTP_IF_NONE_MATCH);
	request.range = header(&space, WSI_TOKEN_HTTP_RANGE);
	request.protocols = header(&space, WSI_TOKEN_PROTOCOL);
	request.version = header(&space, WSI_TOKEN_VERSION);
	request.key = header(&space, WSI_TOKEN_KEY);
	return request_answer(&request, &rules);
}

static void give_time(struct connection *connection)
{
	connection->deadline_ms = now_ms() + (connection->reads ? SERVER_READER_TIME_MAX_MS
								: connection->table->guest_time_ms);
}

static void become_reader(struct connection *connection)
{
	struct connection_table *table = connection->table;

	TAILQ_REMOVE(&table->guests, connection, link);
	table->guest_count--;
	TAILQ_INSERT_TAIL(&table->readers, connection, link);
	table->reader_count++;
	connection->reads = true;
}

/* Ends a request; the next one on the same connection has its own time. */
static int finish(struct connection *connection)
{
	struct connection_table *table = connection->table;

	body_free(TAKE(connection->body));
	if (connection->reads) {
		TAILQ_REMOVE(&table->readers, connection, link);
		table->reader_count--;
		TAILQ_INSERT_TAIL(&table->guests, connection, link);
		table->guest_count++;
		connection->reads = false;
	}
	give_time(connection);
	return lws_http_transaction_completed(connection->wsi) ? -1 : 0;
}

static int open_download(const struct connection_table *table, const struct answer *answer,
			 struct answer_data *data, struct body **ret_body)
{
	struct download *download;
	int r = download_new(table->window, table->greeting.instance_id, answer->from_us,
			     answer->to_us, &download);

	data->type = "application/octet-stream";
	return r < 0 ? r : body_of_download(download, ret_body);
}

static int open_list(const struct connection_table *table, struct answer_data *data,
		     struct body **ret_body)
{
	struct bytes_writer json = bytes_writer_with_max(LIST_SIZE_MAX);
	int r = profile_store_list(table->profiles, &json);

	data->type = "application/json";
	if (r < 0) {
		bytes_writer_free(&json);
		return r;
	}
	return body_of_text(json, ret_body);
}

/* @ret_name: lives as long as the head is written. */
static int open_profile(const struct connection_table *table, struct answer *answer,
			struct answer_data *data, struct stored_profile *ret_profile,
			struct body **ret_body)
{
	uint64_t first = 0, size;
	int r = profile_store_open(table->profiles, answer->profile.text, answer->profile.size,
				   ret_profile);

	if (r < 0)
		return r;
	size = ret_profile->size;
	if (answer->range.given && answer->range.first >= size) {
		close(ret_profile->fd);
		return -ERANGE;
	}
	if (answer->range.given) {
		first = answer->range.first;
		if (answer->range.last < size - 1)
			size = answer->range.last + 1;
		size -= first;
	}
	data->type = "application/octet-stream";
	data->name = ret_profile->name;
	data->file_first = first;
	data->file_size = ret_profile->size;
	return body_of_file(ret_profile->fd, first, size, ret_body);
}

/* Opens what @answer promises; when it is not there, the answer says so instead. */
static void open_body(struct connection *connection, struct answer *answer,
		      struct answer_data *data, struct stored_profile *ret_profile)
{
	struct connection_table *table = connection->table;
	int r = 0;

	if (answer->content == ANSWER_PAGE && answer->status == REQUEST_OK)
		r = body_of_bytes(answer->body->bytes, answer->body->size, &connection->body);
	else if (answer->content == ANSWER_DOWNLOAD)
		r = open_download(table, answer, data, &connection->body);
	else if (answer->content == ANSWER_LIST)
		r = open_list(table, data, &connection->body);
	else if (answer->content == ANSWER_PROFILE)
		r = open_profile(table, answer, data, ret_profile, &connection->body);
	if (r == -ERANGE)
		*answer = answer_refuse(answer, REQUEST_RANGE_UNSATISFIABLE,
					"The file ends before this range.");
	else if (r == -ENOENT)
		*answer = answer_refuse(answer, REQUEST_NOT_FOUND, "There is no such profile.");
	else if (r == -ENOMEM)
		*answer =
			answer_refuse(answer, REQUEST_UNAVAILABLE, "There is no memory for this.");
	else if (r < 0)
		*answer =
			answer_refuse(answer, REQUEST_UNPROCESSABLE,
				      "This is no profile that can be read; what is wrong with it "
				      "stands where flickerscope was started.");
	if (r == 0 && connection->body)
		data->size = body_size(connection->body);
}

static int send_answer(struct connection *connection, struct answer *answer)
{
	char *head = (char *)connection->table->scratch + LWS_PRE;
	struct stored_profile profile;
	struct answer_data data = { 0 };
	size_t size;

	open_body(connection, answer, &data, &profile);
	size = answer_head(answer, &data, head);
	connection->answered = true;
	give_time(connection);
	if (lws_write(connection->wsi, (uint8_t *)head, size, LWS_WRITE_HTTP_HEADERS) < 0)
		return -1;
	if (answer->refused) {
		connection->table->counters.clients_refused++;
		return -1;
	}
	if (!connection->body || answer->head_only)
		return finish(connection);
	connection->chunked = data.size == BODY_SIZE_UNKNOWN;
	if (answer->content != ANSWER_PAGE)
		become_reader(connection);
	lws_callback_on_writable(connection->wsi);
	return 0;
}

static int on_request(struct connection *connection)
{
	struct answer answer = decide(connection, (struct access_text){ NULL, 0 });

	return send_answer(connection, &answer);
}

/* @upgrade: what the request wants to become, zero-terminated. */
static int on_upgrade(struct connection *connection, const char *upgrade)
{
	struct answer answer = decide(connection, (struct access_text){ upgrade, strlen(upgrade) });

	return answer.status == REQUEST_UPGRADE ? 0 : send_answer(connection, &answer);
}

static int write_piece(struct connection *connection, uint8_t *bytes, size_t size)
{
	if (lws_write(connection->wsi, bytes, size, LWS_WRITE_HTTP) < 0)
		return -1;
	lws_callback_on_writable(connection->wsi);
	return 0;
}

static int on_body_writeable(struct connection *connection)
{
	uint8_t *const begin = connection->table->scratch + LWS_PRE;
	uint8_t *const bytes = begin + (connection->chunked ? PIECE_HEAD_SIZE : 0);
	char head[PIECE_HEAD_SIZE + 1];
	size_t size;

	if (!connection->body)
		return 0;
	if (body_next(connection->body, bytes,
		      WIRE_MESSAGE_SIZE_MAX - PIECE_HEAD_SIZE - PIECE_TAIL_SIZE, &size) < 0)
		return -1; /* cut, and seen as that: it is shorter than its head said */
	if (!size && !connection->chunked)
		return finish(connection);
	give_time(connection);
	if (!connection->chunked)
		return write_piece(connection, begin, size);
	if (!size) {
		memcpy(begin, "0\r\n\r\n", 5);
		return lws_write(connection->wsi, begin, 5, LWS_WRITE_HTTP_FINAL) < 0
			       ? -1
			       : finish(connection);
	}
	snprintf(head, sizeof(head), "%04x\r\n", (unsigned int)size & 0xffff);
	memcpy(begin, head, PIECE_HEAD_SIZE);
	memcpy(bytes + size, "\r\n", PIECE_TAIL_SIZE);
	return write_piece(connection, begin, PIECE_HEAD_SIZE + size + PIECE_TAIL_SIZE);
}

/* --- WebSocket ------------------------------------------------------------------------------- */

static int on_opened(struct connection *connection)
{
	struct connection_table *table = connection->table;
	int r = client_new(table->window, &table->greeting, &connection->client);

	if (r < 0)
		return -1;
	TAILQ_REMOVE(&table->guests, connection, link);
	table->guest_count--;
	TAILQ_INSERT_TAIL(&table->clients, connection, link);
	table->client_count++;
	table->counters.clients_total++;
	connection->deadline_ms = now_ms() + table->resume_time_ms;
	lws_callback_on_writable(connection->wsi);
	return 0;
}

/*
 * Lets the connection end with a close frame at its next writeable callback: ended in the callback
 * of what was received, libwebsockets 4.1.6 sometimes hangs up without the frame.
 */
static int close_with(struct connection *connection, enum wire_close_code code)
{
	connection->table->counters.clients_refused++;
	connection->close_code = code;
	lws_callback_on_writable(connection->wsi);
	return 0;
}

static int on_received(struct connection *connection, const void *bytes, size_t size)
{
	struct lws *wsi = connection->wsi;
	bool last = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);
	int r;

	if (connection->close_code)
		return 0;
	if (!lws_frame_is_binary(wsi))
		return close_with(connection, WIRE_CLOSE_BAD_MESSAGE);
	r = client_receive(connection->client, bytes, size, last);
	switch (r) {
	case 0:
		lws_callback_on_writable(wsi);
		return 0;
	case CLIENT_BAD_VERSION:
		return close_with(connection, WIRE_CLOSE_VERSION);
	case CLIENT_BAD_MESSAGE:
		return close_with(connection, WIRE_CLOSE_BAD_MESSAGE);
	}
	return -1;
}

static int on_client_writeable(struct connection *connection)
{
	uint8_t *message = connection->table->scratch + LWS_PRE;
	struct lws *wsi = connection->wsi;
	size_t size;
	int r;

	if (connection->close_code) {
		lws_close_reason(wsi, (enum lws_close_status)connection->close_code, NULL, 0);
		return -1;
	}
	/* What the kernel did not take is kept by libwebsockets: nothing is added to it. */
	if (lws_partial_buffered(wsi)) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	r = client_next_message(connection->client, message, &size);
	if (r == CLIENT_NOTHING_TO_SEND)
		return 0;
	if (r < 0 || lws_write(wsi, message, size, LWS_WRITE_BINARY) < 0)
		return -1;
	connection->table->counters.bytes_sent += size;
	if (!client_is_up_to_date(connection->client))
		lws_callback_on_writable(wsi);
	return 0;
}

int connection_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
			size_t size)
{
	struct connection *connection = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	if (!connection)
		return 0; /* of the context itself, or while it is being taken in or ended */
	switch (reason) {
	case LWS_CALLBACK_HTTP:
		return on_request(connection);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_upgrade(connection, in);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return on_body_writeable(connection);
	case LWS_CALLBACK_HTTP_BODY:
		return -1;
	case LWS_CALLBACK_ESTABLISHED:
		return on_opened(connection);
	case LWS_CALLBACK_RECEIVE:
		return connection->client ? on_received(connection, in, size) : -1;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return connection->client ? on_client_writeable(connection) : -1;
	case LWS_CALLBACK_CLOSED_HTTP: /* not where the library has answered by itself */
		connection->silent = !has_spoken(connection);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		connection_free(connection);
		return 0;
	default:
		return 0;
	}
}
