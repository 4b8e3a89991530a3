/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/server.h"

#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "serve/access.h"
#include "serve/certificate.h"
#include "serve/connection.h"
#include "serve/listener.h"

enum server_private_limit {
	ACCEPTS_MAX = 16,	/* in one turn of the loop */
	TICK_MS = 1000,		/* how exactly the times of peers are kept */
	RECEIVE_SIZE = 65536,	/* of what a peer sends, at a time: files are large */
	CONNECTIONS_SPARE = 16, /* of libwebsockets' table: ours, its own, and those that end */
	HOST_SIZE_MAX = 253,	/* of a name (RFC 1035, 2.3.4) */
	URL_SIZE_MAX = 32 + HOST_SIZE_MAX + ACCESS_TOKEN_SIZE_MAX,
};

struct server {
	struct loop *loop; /* borrowed */
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct certificate *certificate; /* NULL: no TLS */
	int listen_fd;
	char *socket_path;		   /* owned; of a unix socket, to be removed; NULL: none */
	struct loop_source *listen_source; /* NULL while accepting pauses */
	struct loop_source *tick;
	bool ticking;
	struct access_tokens tokens;
	char *hosts[SERVER_HOSTS_MAX + 1]; /* owned; the last place is for the address itself */
	size_t host_count;
	char url[URL_SIZE_MAX];
	char *start; /* owned; NULL: none */
	uint16_t port;
	lws_retry_bo_t patience;
	struct connection_table connections;
};

static int on_loop_readable(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
			    size_t size);

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		   size_t size);

static const struct lws_protocols PROTOCOLS[] = {
	{ .name = "http", .callback = on_http },
	{ .name = "flickerscope", .callback = connection_callback },
	{ .name = "loop", .callback = on_loop_readable },
	{ 0 },
};

static struct server *server_of(struct lws *wsi)
{
	struct connection_table *table = lws_context_user(lws_get_context(wsi));

	return lws_container_of(table, struct server, connections);
}

/* libwebsockets has made its context for TLS, and leaves the certificate to us. */
static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		   size_t size)
{
	if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
		return certificate_use(server_of(wsi)->certificate, user) < 0;
	return connection_callback(wsi, reason, user, in, size);
}

/* libwebsockets' loop found our loop's descriptor readable. */
static int on_loop_readable(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
			    size_t size)
{
	struct loop *loop;
	int r;

	if (reason != LWS_CALLBACK_RAW_RX_FILE)
		return 0;
	loop = server_of(wsi)->loop;
	r = loop_dispatch(loop, 0);
	if (r < 0) {
		log_errno(r, "wait for events");
		loop_stop(loop, 1);
	}
	return 0;
}

/* The library's own lines: only when one looks for a fault, and never on standard output. */
static void log_library_line(int level, const char *line)
{
	log_debug("libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

/* --- accepting ------------------------------------------------------------------------------- */

static void tick_start(struct server *server)
{
	if (!server->ticking && loop_timer_set(server->tick, TICK_MS * 1000000ull) == 0)
		server->ticking = true;
}

static void adopt(struct server *server, int fd)
{
	struct lws *wsi;

	connection_prepare_socket(fd);
	wsi = lws_adopt_socket_vhost(server->vhost, fd); /* closes the socket when it fails */
	if (!wsi)
		server->connections.counters.clients_refused++;
	else if (connection_add(&server->connections, wsi) < 0)
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
	tick_start(server);
}

static void on_connection(uint32_t events, void *context)
{
	struct server *server = context;

	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			adopt(server, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* It stays readable: without a pause the loop would spin. */
			loop_remove(server->listen_source);
			server->listen_source = NULL;
			server->connections.counters.accepts_deferred++;
			tick_start(server);
		}
		return;
	}
}

static int listen_resume(struct server *server)
{
	return loop_add_fd(server->loop, server->listen_fd, EPOLLIN, on_connection, server,
			   &server->listen_source);
}

static void on_tick(void *context)
{
	struct server *server = context;
	bool running = connection_table_expire(&server->connections);

	if (!server->listen_source)
		listen_resume(server);
	if (!running && server->listen_source) {
		loop_timer_set(server->tick, 0);
		server->ticking = false;
	}
}

/* --- setting up ------------------------------------------------------------------------------ */

int server_listen_check(const char *listen)
{
	struct listener_address address;

	return listener_parse(listen, &address);
}

static void say_if_exposed(const struct server *server, const struct listener_address *address)
{
	char name[LISTENER_NAME_SIZE_MAX];

	if (listener_is_loopback(address) || listener_is_unix(address))
		return;
	listener_name(address, name);
	if (!server->certificate)
		log_warning(
			"listening on %s without encryption: whoever can read the traffic gets "
			"the token and the profile; safer is --tls-cert, or 127.0.0.1 and, from "
			"elsewhere, ssh -L %u:127.0.0.1:%u HOST",
			name, listener_port(address), listener_port(address));
	if (listener_is_wildcard(address) && server->host_count == 0)
		log_warning("pages are served for localhost and 127.0.0.1 only: allow the name in "
			    "the browser's address bar with --host NAME");
}

static int add_host(struct server *server, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	server->hosts[server->host_count++] = copy;
	return 0;
}

static int listen_open(struct server *server, const char *text)
{
	char name[LISTENER_NAME_SIZE_MAX];
	struct listener_address address;
	int r;

	r = listener_parse(text, &address);
	if (r < 0)
		return r;
	r = listener_open(&address, &server->listen_fd);
	if (r < 0)
		return r;
	r = listener_bound(server->listen_fd, &address);
	if (r < 0)
		return log_errno(r, "ask for the port that was picked");
	say_if_exposed(server, &address);

	server->port = listener_port(&address);
	listener_name(&address, name);
	if (listener_is_unix(&address)) {
		server->socket_path = strdup(name);
		return server->socket_path ? 0 : log_errno(-ENOMEM, "keep the socket's path");
	}
	if (listener_is_wildcard(&address))
		strcpy(name, address.any.sa_family == AF_INET ? "127.0.0.1" : "[::1]");
	return add_host(server, name) < 0 ? log_errno(-ENOMEM, "keep the address to listen on") : 0;
}

/* A certificate is for a name, which is the first that --host gives. */
static void make_url(struct server *server)
{
	const char *token = access_tokens_best(&server->tokens)->text;

	if (server->socket_path)
		snprintf(server->url, sizeof(server->url), "unix:%s#%s", server->socket_path,
			 token);
	else
		snprintf(server->url, sizeof(server->url), "http%s://%s:%u/#%s",
			 server->certificate ? "s" : "",
			 server->hosts[server->certificate ? 0 : server->host_count - 1],
			 server->port, token);
}

static int context_open(struct server *server)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER, /* we accept, it adopts */
		.protocols = PROTOCOLS,
		.user = &server->connections,
		.gid = -1,
		.uid = -1,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
		.alpn = "http/1.1",
		.fd_limit_per_thread = SERVER_CLIENTS_MAX + SERVER_READERS_MAX + SERVER_GUESTS_MAX +
				       CONNECTIONS_SPARE,
		.pt_serv_buf_size = RECEIVE_SIZE,
		.max_http_header_data = SERVER_HEADERS_SIZE_MAX,
		.max_http_header_pool = SERVER_READERS_MAX + SERVER_GUESTS_MAX + CONNECTIONS_SPARE,
		/* Its own times are a last resort: connection.c knows who is who. */
		.timeout_secs = SERVER_READER_TIME_MAX_MS / 1000,
		.keepalive_timeout = SERVER_READER_TIME_MAX_MS / 1000,
		.retry_and_idle_policy = &server->patience,
		.vhost_name = "flickerscope",
	};

	if (server->certificate)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
				LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
	lws_set_log_level(LLL_ERR | LLL_WARN, log_library_line);
	server->context = lws_create_context(&info);
	if (!server->context)
		return log_errno(-ENOMEM, "start libwebsockets");
	server->vhost = lws_create_vhost(server->context, &info);
	if (!server->vhost)
		return log_errno(-ENOMEM, "start libwebsockets");
	return 0;
}

/* It closes what it adopts, so it gets a copy of our loop's descriptor. */
static int adopt_loop(struct server *server)
{
	lws_sock_file_fd_type descriptor;

	descriptor.filefd = fcntl(loop_fd(server->loop), F_DUPFD_CLOEXEC, 0);
	if (descriptor.filefd < 0)
		return log_errno(-errno, "copy the loop's descriptor");
	if (!lws_adopt_descriptor_vhost(server->vhost, LWS_ADOPT_RAW_FILE_DESC, descriptor, "loop",
					NULL))
		return log_errno(-ENOMEM, "join the loops");
	return 0;
}

static int keep_hosts(struct server *server, const struct server_options *options)
{
	if (options->host_count > SERVER_HOSTS_MAX) {
		log_error("too many names with --host: %d at most", SERVER_HOSTS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < options->host_count; i++)
		if (add_host(server, options->hosts[i]) < 0)
			return log_errno(-ENOMEM, "keep the names of --host");
	return 0;
}

static int set_up(struct server *server, const struct server_options *options)
{
	int r = keep_hosts(server, options);

	if (r == 0 && options->tls_certificate_path)
		r = certificate_open(options->tls_certificate_path, options->tls_key_path,
				     &server->certificate);
	if (r < 0)
		return r;
	r = access_tokens_open(options->token_path ? options->token_path
						   : SERVER_TOKEN_PATH_DEFAULT,
			       &server->tokens);
	if (r < 0)
		return r;
	r = listen_open(server, options->listen ? options->listen : SERVER_LISTEN_DEFAULT);
	if (r < 0)
		return r;
	make_url(server);
	r = context_open(server);
	if (r < 0)
		return r;
	r = adopt_loop(server);
	if (r < 0)
		return r;
	r = loop_add_timer(server->loop, 0, on_tick, server, &server->tick);
	if (r == 0)
		r = listen_resume(server);
	return r < 0 ? log_errno(r, "wait for connections") : 0;
}

int server_new(const struct server_options *options, struct server **ret_server)
{
	CLEANUP(server_free) struct server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return log_errno(-ENOMEM, "make the server");
	server->loop = options->loop;
	server->listen_fd = -1;
	server->patience = (lws_retry_bo_t){
		.secs_since_valid_ping = options->ping_after_s ? options->ping_after_s
							       : SERVER_PING_AFTER_S,
		.secs_since_valid_hangup = options->hang_up_after_s ? options->hang_up_after_s
								    : SERVER_HANG_UP_AFTER_S,
	};
	connection_table_init(&server->connections);
	server->connections.guest_time_ms = options->guest_time_ms ? options->guest_time_ms
								   : SERVER_GUEST_TIME_MAX_MS;
	server->connections.resume_time_ms = options->resume_time_ms ? options->resume_time_ms
								     : SERVER_RESUME_TIME_MAX_MS;
	if (options->start) {
		server->start = strdup(options->start);
		if (!server->start)
			return log_errno(-ENOMEM, "make the server");
	}
	r = set_up(server, options);
	if (r < 0)
		return r;
	server->connections.window = options->window;
	server->connections.profiles = options->profiles;
	server->connections.importer = options->importer;
	server->connections.metrics = options->metrics;
	server->connections.page_opened = options->page_opened;
	server->connections.context = options->context;
	server->connections.start = server->start;
	server->connections.greeting = (struct client_greeting){
		.instance_id = options->instance_id,
		.source = options->source,
	};
	server->connections.tokens = &server->tokens;
	server->connections.behind_proxy = server->socket_path != NULL;
	server->connections.schemes = server->socket_path ? ACCESS_SCHEME_HTTP | ACCESS_SCHEME_HTTPS
				      : server->certificate ? ACCESS_SCHEME_HTTPS
							    : ACCESS_SCHEME_HTTP;
	server->connections.hosts = (const char *const *)server->hosts;
	server->connections.host_count = server->host_count;
	*ret_server = TAKE(server);
	return 0;
}

int server_socket(const struct server *server)
{
	return server->socket_path ? server->listen_fd : -1;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->context)
		lws_context_destroy(server->context);
	loop_remove(server->listen_source);
	loop_remove(server->tick);
	if (server->socket_path)
		unlink(server->socket_path);
	free(server->socket_path);
	fd_close(server->listen_fd);
	certificate_free(server->certificate);
	for (size_t i = 0; i < server->host_count; i++)
		free(server->hosts[i]);
	free(server->start);
	explicit_bzero(&server->tokens, sizeof(server->tokens));
	explicit_bzero(server->url, sizeof(server->url));
	free(server);
}

int server_run(struct server *server)
{
	int exit_code = 0;

	while (!loop_stopped(server->loop, &exit_code))
		if (lws_service(server->context, 0) < 0) {
			log_error("libwebsockets ended its loop");
			return -EIO;
		}
	return exit_code;
}

void server_wake(struct server *server)
{
	connection_table_wake(&server->connections);
}

const char *server_url(const struct server *server)
{
	return server->url;
}

uint16_t server_port(const struct server *server)
{
	return server->port;
}

struct server_counters server_counters(const struct server *server)
{
	return connection_table_counters(&server->connections);
}
