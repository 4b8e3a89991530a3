/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/body.h"
#include "serve/download.h"
#include "serve/importer.h"
#include "serve/metrics.h"
#include "serve/profile_store.h"
#include "serve/request.h"
#include "serve/viewer_files.h"

/* An answer that is made in another process. */
struct pending {
	struct answer answer; /* but for what it borrows of the request */
	struct stored_profile profile;
	int upload_fd;	       /* owned; what it is made of, as far as that is there; -1: none */
	struct import *import; /* owned; NULL: it does not work on it */
	struct download *download; /* owned: of what is to be cut, while that is gathered */
	int error;		   /* of the result ... */
	int fd;			   /* ... owned; -1: it is not there yet */
	char text[IMPORTER_TEXT_SIZE_MAX + 1]; /* what is wrong */
	bool is_done;
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct connection_table *table;
	struct lws *wsi;
	struct peer peer;      /* of the socket */
	struct client *client; /* NULL: a guest */
	int close_code;	       /* enum wire_close_code; 0: it stays */
	uint64_t deadline_ms;  /* of a guest's next step, or of a client's RESUME */
	bool answered;	       /* one request at least */
	bool silent;	       /* it ended without a word: browsers open what they may never use */
	struct body *body;     /* under way, owned; NULL: none */
	struct pending *pending; /* owned; NULL: nothing is waited for */
	bool chunked;		 /* its size is not known */
	bool reads;		 /* one of the readers, as long as the body is under way */
};

enum {
	/* "8000\r\n" in front of a piece whose size is not known before, "\r\n" behind it. */
	PIECE_HEAD_SIZE = 6,
	PIECE_TAIL_SIZE = 2,
	LIST_SIZE_MAX = 4 << 20,
	METRICS_SIZE_MAX = 65536,
	GATHERED_MAX = 1 << 20, /* bytes in one turn of the loop */
	OPEN_LATER = 1,		/* the answer is made in another process */
};

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

/* Whoever goes while a file is read for it ends that. */
static void pending_end(struct connection *connection)
{
	struct pending *pending = TAKE(connection->pending);

	if (!pending)
		return;
	connection->table->upload_count -= pending->answer.content == ANSWER_IMPORT;
	import_free(pending->import);
	download_free(pending->download);
	fd_close(pending->upload_fd);
	fd_close(pending->fd);
	free(pending);
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
	pending_end(connection);
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
	connection->peer = peer_of_socket(lws_get_socket_fd(wsi));
	connection->deadline_ms = monotonic_ms() + table->guest_time_ms;
	TAILQ_INSERT_TAIL(&table->guests, connection, link);
	table->guest_count++;
	lws_set_opaque_user_data(wsi, connection);
	return 0;
}

/* While the child works on it, which has a time of its own. */
static bool is_importing(const struct connection *connection)
{
	return connection->pending && connection->pending->import;
}

bool connection_table_expire(struct connection_table *table)
{
	const uint64_t now = monotonic_ms();
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
		/* Who waits for us is not late. */
		if (now >= connection->deadline_ms && !is_importing(connection))
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
	if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0)
		return REQUEST_POST;
	return lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0 ? REQUEST_HEAD
								 : REQUEST_OTHER_METHOD;
}

/* What a token opened, and for whom, where tokens have names; and who tries wrong ones. */
static void note_access(struct connection *connection, const struct peer *peer,
			const struct answer *answer)
{
	struct connection_table *table = connection->table;
	char name[PEER_NAME_SIZE_MAX];

	peer_name(peer, name);
	if (answer->wrong_token) {
		table->counters.tokens_refused++;
		if (peer_failures_add(&table->failures, peer, monotonic_ms()))
			log_warning("%d wrong tokens came from %s: it is held off",
				    PEER_WRONG_TOKENS_MAX, name);
	} else if (answer->status == REQUEST_TOO_MANY) {
		table->counters.tokens_refused++;
	} else if (answer->token && answer->token->name[0] && !answer->refused) {
		if (answer->status == REQUEST_UPGRADE)
			log_info("%s, from %s, looks at the page", answer->token->name, name);
		else if (answer->content == ANSWER_DOWNLOAD)
			log_info("%s, from %s, downloads a capture", answer->token->name, name);
	}
}

static struct answer decide(struct connection *connection, struct access_text upgrade)
{
	struct connection_table *table = connection->table;
	struct header_space space = { connection->wsi, (char *)table->scratch,
				      sizeof(table->scratch) };
	struct peer peer = connection->peer;
	struct request_rules rules = {
		.tokens = table->tokens,
		.schemes = table->schemes,
		.hosts = table->hosts,
		.host_count = table->host_count,
		.live = table->window != NULL,
		.metrics = table->metrics != NULL,
		.profiles = table->profiles != NULL,
		.imports = table->importer != NULL,
		.imports_full = table->upload_count >= SERVER_UPLOADS_MAX,
		.start = table->start,
		.clients_full = table->client_count >= SERVER_CLIENTS_MAX,
		.readers_full = table->reader_count >= SERVER_READERS_MAX,
	};
	struct request request = { .method = method_of(connection->wsi), .upgrade = upgrade };
	struct access_text length = header(&space, WSI_TOKEN_HTTP_CONTENT_LENGTH);
	struct answer answer;

	request.body_size = length;
	request.is_chunked = header(&space, WSI_TOKEN_HTTP_TRANSFER_ENCODING).text != NULL;
	request.has_body = (length.text && !(length.size == 1 && length.text[0] == '0')) ||
			   request.is_chunked;
	request.path = header(&space, request.method == REQUEST_HEAD   ? WSI_TOKEN_HEAD_URI
				      : request.method == REQUEST_POST ? WSI_TOKEN_POST_URI
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
	if (table->behind_proxy)
		peer_of_proxy(header(&space, WSI_TOKEN_X_FORWARDED_FOR), &peer);
	rules.is_shared = peer.is_local;
	rules.limited = peer_failures_limited(&table->failures, &peer, monotonic_ms());
	answer = request_answer(&request, &rules);
	note_access(connection, &peer, &answer);
	return answer;
}

static void give_time(struct connection *connection)
{
	connection->deadline_ms =
		monotonic_ms() +
		(connection->reads ? SERVER_READER_TIME_MAX_MS : connection->table->guest_time_ms);
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

static int open_metrics(const struct connection_table *table, struct answer_data *data,
			struct body **ret_body)
{
	struct bytes_writer text = bytes_writer_with_max(METRICS_SIZE_MAX);
	uint64_t counters[WIRE_COUNTER_COUNT] = { 0 };

	table->metrics(table->context, counters);
	metrics_write(counters, &text);
	data->type = METRICS_TYPE;
	if (text.failed) {
		bytes_writer_free(&text);
		return -ENOMEM;
	}
	return body_of_text(text, ret_body);
}

/* --- what another process makes -------------------------------------------------------------- */

static void on_imported(const struct import_result *result, void *context)
{
	struct connection *connection = context;
	struct pending *pending = connection->pending;

	download_free(TAKE(pending->download));
	pending->is_done = true;
	pending->error = result->error;
	if (!result->error) {
		pending->fd = fcntl(result->fd, F_DUPFD_CLOEXEC, 0);
		pending->error = pending->fd < 0 ? -errno : 0;
	}
	snprintf(pending->text, sizeof(pending->text), "%s", result->error ? result->text : "");
	import_free(TAKE(pending->import));
	lws_callback_on_writable(connection->wsi);
}

static int pending_new(struct connection *connection, const struct answer *answer)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return -ENOMEM;
	pending->answer = *answer;
	pending->answer.profile = (struct access_text){ NULL, 0 };
	pending->upload_fd = pending->fd = -1;
	connection->pending = pending;
	connection->table->upload_count += answer->content == ANSWER_IMPORT;
	return 0;
}

/* Makes a capture of @order->fd; the answer is given when it is done. Returns OPEN_LATER or -errno. */
static int import_start(struct connection *connection, const struct import_order *order)
{
	struct pending *pending = connection->pending;
	int r = import_new(connection->table->importer, order, on_imported, connection,
			   &pending->import);

	return r < 0 ? r : OPEN_LATER;
}

/* What is sent is kept in memory; the answer comes when all of it is there. */
static int open_upload(struct connection *connection, const struct answer *answer)
{
	int r = pending_new(connection, answer);

	if (r < 0)
		return r;
	connection->pending->upload_fd = memfd_create("flickerscope-upload", MFD_CLOEXEC);
	return connection->pending->upload_fd < 0 ? -errno : OPEN_LATER;
}

static int keep_upload(const struct pending *pending, const uint8_t *bytes, size_t size)
{
	while (size) {
		ssize_t written = write(pending->upload_fd, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -ENOMEM;
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

static int import_stretch(struct connection *connection)
{
	const struct answer *answer = &connection->pending->answer;
	const struct import_order order = {
		.fd = connection->pending->upload_fd,
		.name = "the window",
		.is_cut = true,
		.from_us = (int64_t)(answer->from_us < INT64_MAX ? answer->from_us : INT64_MAX),
		.to_us = (int64_t)(answer->to_us < INT64_MAX ? answer->to_us : INT64_MAX),
	};

	return import_start(connection, &order);
}

/* The segments that a stretch touches, some at a time: the loop has other things to do. */
static int gather(struct connection *connection)
{
	struct connection_table *table = connection->table;
	struct pending *pending = connection->pending;
	int r = 0;

	for (size_t gathered = 0, size; gathered < GATHERED_MAX && !r; gathered += size) {
		r = download_next(pending->download, table->scratch, sizeof(table->scratch), &size);
		if (!r)
			r = keep_upload(pending, table->scratch, size);
		if (!r && !size) {
			download_free(TAKE(pending->download));
			return import_stretch(connection);
		}
	}
	lws_callback_on_writable(connection->wsi);
	return r < 0 ? r : OPEN_LATER;
}

static int open_stretch(struct connection *connection, const struct answer *answer)
{
	const struct connection_table *table = connection->table;
	int r = open_upload(connection, answer);

	if (r < 0)
		return r;
	r = download_new(table->window, table->greeting.instance_id, answer->from_us, answer->to_us,
			 &connection->pending->download);
	lws_callback_on_writable(connection->wsi);
	return r < 0 ? r : OPEN_LATER;
}

static int import_upload(struct connection *connection)
{
	const struct pending *pending = connection->pending;
	const struct import_order order = {
		.fd = pending->upload_fd,
		.name = pending->answer.name[0] ? pending->answer.name : "the file",
		.event = pending->answer.event,
	};

	return import_start(connection, &order);
}

static int import_profile(struct connection *connection, const struct answer *answer,
			  struct stored_profile *profile)
{
	CLEANUP(fd_close) int fd = profile->fd;
	const struct import_order order = {
		.fd = fd,
		.name = profile->name,
		.event = answer->event,
	};
	int r = pending_new(connection, answer);

	profile->fd = -1;
	if (r < 0)
		return r;
	connection->pending->profile = *profile;
	return import_start(connection, &order);
}

/* --- what is opened for an answer ------------------------------------------------------------ */

/* The part of a file that is asked for. @fd: taken. */
static int open_part(int fd, const struct answer *answer, struct answer_data *data,
		     struct body **ret_body)
{
	uint64_t first = 0, size;
	struct stat status;

	if (fstat(fd, &status) < 0) {
		close(fd);
		return -EIO;
	}
	size = data->file_size = (uint64_t)status.st_size;
	if (answer->range.given && answer->range.first >= size) {
		close(fd);
		return -ERANGE;
	}
	if (answer->range.given) {
		first = answer->range.first;
		if (answer->range.last < size - 1)
			size = answer->range.last + 1;
		size -= first;
	}
	data->type = "application/octet-stream";
	data->file_first = first;
	return body_of_file(fd, first, size, ret_body);
}

/* All of the window as it is; of a stretch exactly what is in it, where there is somebody to cut it. */
static int open_download(struct connection *connection, const struct answer *answer,
			 struct answer_data *data)
{
	const struct connection_table *table = connection->table;
	struct download *download;
	int r;

	if (table->importer && (answer->from_us || answer->to_us != UINT64_MAX))
		return open_stretch(connection, answer);
	r = download_new(table->window, table->greeting.instance_id, answer->from_us, answer->to_us,
			 &download);
	data->type = "application/octet-stream";
	return r < 0 ? r : body_of_download(download, &connection->body);
}

static int open_profile(struct connection *connection, const struct answer *answer,
			struct answer_data *data, struct stored_profile *ret_profile)
{
	struct connection_table *table = connection->table;
	int r = profile_store_open(table->profiles, answer->profile.text, answer->profile.size,
				   answer->event, ret_profile);

	if (r < 0)
		return r;
	if (ret_profile->is_foreign)
		return import_profile(connection, answer, ret_profile);
	data->name = ret_profile->name;
	return open_part(ret_profile->fd, answer, data, &connection->body);
}

/* What was made meanwhile; the next one who asks for it need not wait. */
static int open_made(struct connection *connection, const struct answer *answer,
		     struct answer_data *data)
{
	struct pending *pending = connection->pending;
	struct connection_table *table = connection->table;

	if (pending->error)
		return pending->error;
	if (answer->content == ANSWER_PROFILE) {
		profile_store_keep(table->profiles, &pending->profile, pending->fd);
		data->name = pending->profile.name;
	}
	return open_part(TAKE_FD(pending->fd), answer, data, &connection->body);
}

/* What is wrong with what cannot be opened. */
static struct answer refuse_opening(const struct connection *connection,
				    const struct answer *answer, int error)
{
	const struct pending *pending = connection->pending;

	if (error == -ERANGE)
		return answer_refuse(answer, REQUEST_RANGE_UNSATISFIABLE,
				     "The file ends before this range.");
	if (error == -ENOENT && !pending)
		return answer_refuse(answer, REQUEST_NOT_FOUND, "There is no such profile.");
	if (error == -EBUSY)
		return answer_refuse(answer, REQUEST_UNAVAILABLE,
				     "Other files are being read: try again.");
	if (pending && pending->is_done && pending->text[0])
		return answer_refuse(answer, REQUEST_UNPROCESSABLE, pending->text);
	if (error == -ENOMEM || error == -ENOSPC)
		return answer_refuse(answer, REQUEST_UNAVAILABLE, "There is no memory for this.");
	return answer_refuse(answer, REQUEST_UNPROCESSABLE, "This file cannot be read.");
}

/*
 * Opens what @answer promises; when it is not there, the answer says so instead. Returns whether it
 * has to be waited for.
 */
static bool open_body(struct connection *connection, struct answer *answer,
		      struct answer_data *data, struct stored_profile *ret_profile)
{
	struct connection_table *table = connection->table;
	int r = 0;

	if (connection->pending)
		r = open_made(connection, answer, data);
	else if (answer->content == ANSWER_PAGE && answer->status == REQUEST_OK)
		r = body_of_bytes(answer->body->bytes, answer->body->size, &connection->body);
	else if (answer->content == ANSWER_DOWNLOAD)
		r = open_download(connection, answer, data);
	else if (answer->content == ANSWER_LIST)
		r = open_list(table, data, &connection->body);
	else if (answer->content == ANSWER_METRICS)
		r = open_metrics(table, data, &connection->body);
	else if (answer->content == ANSWER_PROFILE)
		r = open_profile(connection, answer, data, ret_profile);
	else if (answer->content == ANSWER_IMPORT)
		r = open_upload(connection, answer);
	if (r == OPEN_LATER)
		return true;
	if (r < 0)
		*answer = refuse_opening(connection, answer, r);
	if (r == 0 && connection->body)
		data->size = body_size(connection->body);
	return false;
}

static int send_answer(struct connection *connection, struct answer *answer)
{
	char *head = (char *)connection->table->scratch + LWS_PRE;
	struct stored_profile profile;
	struct answer_data data = { 0 };
	size_t size;

	if (open_body(connection, answer, &data, &profile)) {
		become_reader(connection);
		give_time(connection);
		return 0;
	}
	size = answer_head(answer, &data, head);
	pending_end(connection);
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
	if (answer->content != ANSWER_PAGE && !connection->reads)
		become_reader(connection);
	lws_callback_on_writable(connection->wsi);
	return 0;
}

/* A piece of a file that is sent to be read. */
static int on_sent(struct connection *connection, const uint8_t *bytes, size_t size)
{
	struct pending *pending = connection->pending;

	if (!pending || pending->upload_fd < 0 || pending->import || pending->is_done)
		return -1;
	give_time(connection);
	return keep_upload(pending, bytes, size) < 0 ? -1 : 0;
}

static int on_sent_all(struct connection *connection)
{
	int r;

	if (!connection->pending || connection->pending->upload_fd < 0)
		return -1;
	/* Its own time is the importer's: see connection_table_expire(). */
	lws_set_timeout(connection->wsi, NO_PENDING_TIMEOUT, 0);
	r = import_upload(connection);
	if (r < 0)
		on_imported(&(struct import_result){ .error = r, .text = "" }, connection);
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

	if (connection->pending && connection->pending->download) {
		int r = gather(connection);

		if (r < 0)
			on_imported(&(struct import_result){ .error = r, .text = "" }, connection);
		return 0;
	}
	if (connection->pending && connection->pending->is_done) {
		struct answer answer = connection->pending->answer;

		return send_answer(connection, &answer);
	}
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
	if (table->page_opened)
		table->page_opened(table->context);
	connection->deadline_ms = monotonic_ms() + table->resume_time_ms;
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

/*
 * What is new goes out at once to a page that keeps up: to ask for libwebsockets' callback takes another turn of its
 * loop. Returns whether no callback is needed for it.
 */
static bool send_now(struct connection *connection)
{
	return !connection->close_code && client_resumed(connection->client) &&
	       !lws_send_pipe_choked(connection->wsi) && on_client_writeable(connection) == 0;
}

void connection_table_wake(struct connection_table *table)
{
	struct connection *connection;

	for (connection = TAILQ_FIRST(&table->clients); connection;
	     connection = TAILQ_NEXT(connection, link)) {
		/* Without memory it is tried again, and told, when the client is served. */
		client_track(connection->client);
		if (!send_now(connection))
			lws_callback_on_writable(connection->wsi);
	}
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
		return on_sent(connection, in, size);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return on_sent_all(connection);
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
