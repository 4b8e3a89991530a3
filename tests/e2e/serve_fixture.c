/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real server over a window of known bytes that grows in time: for tests of access and of slow
 * clients, which need no sampling.
 *
 *	serve_fixture listen=127.0.0.1:0 token=/tmp/t/token chunk=1000 chunks=20 interval_ms=50 ...
 *
 * The byte at (segment, offset) is ((segment * 2654435761 + offset * 40503) >> 8) & 255 in 32 bits.
 * Prints the URL as its first line, and a line of JSON with its counters at each SIGUSR1; at SIGUSR2
 * it grows by one chunk; with control=1 it has a control socket. Ends at SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "profile/chunk.h"
#include "profile/sample_window.h"
#include "serve/control.h"
#include "serve/server.h"

struct fixture {
	struct loop *loop;
	struct sample_window *window;
	struct server *server;
	uint32_t chunk_size;
	uint32_t chunks_per_segment;
	uint32_t segment;
	uint32_t sequence;
	uint32_t offset;
	uint64_t dispatched_us; /* when the timer below came last */
	uint64_t pause_us;	/* the longest time between two of them */
};

static const char *option(char **arguments, const char *name, const char *fallback)
{
	size_t size = strlen(name);

	for (; *arguments; arguments++)
		if (strncmp(*arguments, name, size) == 0 && (*arguments)[size] == '=')
			return *arguments + size + 1;
	return fallback;
}

static uint32_t number(char **arguments, const char *name, const char *fallback)
{
	return (uint32_t)strtoul(option(arguments, name, fallback), NULL, 10);
}

static void grow(struct fixture *fixture)
{
	CLEANUP(chunk_unref) struct chunk *chunk = chunk_new(fixture->chunk_size, 0);

	if (!chunk)
		abort();
	chunk->segment = fixture->segment;
	chunk->sequence = fixture->sequence++;
	chunk->start_us = fixture->segment * 1000000ull;
	chunk->end_us = chunk->start_us + 1000000;
	for (uint32_t i = 0; i < chunk->size; i++)
		chunk->bytes[i] = (uint8_t)((fixture->segment * 2654435761u +
					     (fixture->offset + i) * 40503u) >>
					    8);
	fixture->offset += chunk->size;
	if (fixture->sequence == fixture->chunks_per_segment) {
		chunk->flags = WIRE_CHUNK_LAST;
		fixture->segment++;
		fixture->sequence = 0;
		fixture->offset = 0;
	}
	if (sample_window_add(fixture->window, chunk) < 0)
		abort();
}

static void on_timer(void *context)
{
	struct fixture *fixture = context;

	grow(fixture);
	server_wake(fixture->server);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Every millisecond: how long the loop is kept away from what it should do. */
static void on_pulse(void *context)
{
	struct fixture *fixture = context;
	uint64_t now = now_us(), pause = now - fixture->dispatched_us;

	if (pause > fixture->pause_us)
		fixture->pause_us = pause;
	fixture->dispatched_us = now;
}

static uint64_t resident_bytes(void)
{
	CLEANUP(file_close) FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (!file || fscanf(file, "%*u %llu", &pages) != 1)
		return 0;
	return pages * 4096;
}

static void on_report(int signal, void *context)
{
	struct fixture *fixture = context;
	struct server_counters counters = server_counters(fixture->server);
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"clients\":%llu,\"total\":%llu,\"refused\":%llu,\"skipped\":%llu,\"sent\":%llu,"
	       "\"rss\":%llu,\"cpu_us\":%llu,\"switches\":%ld,\"oldest\":%u,\"newest\":%u,"
	       "\"open\":%u,\"window\":%llu,\"pause_us\":%llu,\"wrong_tokens\":%llu}\n",
	       (unsigned long long)counters.clients, (unsigned long long)counters.clients_total,
	       (unsigned long long)counters.clients_refused,
	       (unsigned long long)counters.clients_skipped,
	       (unsigned long long)counters.bytes_sent, (unsigned long long)resident_bytes(),
	       (unsigned long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		       (unsigned long long)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
	       usage.ru_nvcsw, sample_window_oldest(fixture->window),
	       sample_window_newest(fixture->window), sample_window_open(fixture->window),
	       (unsigned long long)sample_window_bytes(fixture->window),
	       (unsigned long long)fixture->pause_us, (unsigned long long)counters.tokens_refused);
	fixture->pause_us = 0;
	fflush(stdout);
}

static void on_grow(int signal, void *context)
{
	on_timer(context);
}

static void on_end(int signal, void *context)
{
	struct fixture *fixture = context;

	loop_stop(fixture->loop, 0);
}

static int serve(struct fixture *fixture, char **arguments)
{
	const char *host = option(arguments, "host", NULL);
	const struct server_options options = {
		.loop = fixture->loop,
		.window = fixture->window,
		.listen = option(arguments, "listen", "127.0.0.1:0"),
		.token_path = option(arguments, "token", NULL),
		.tls_certificate_path = option(arguments, "tls_cert", NULL),
		.tls_key_path = option(arguments, "tls_key", NULL),
		.hosts = &host,
		.host_count = host != NULL,
		.source = WIRE_SOURCE_LIVE,
		.instance_id = 0x1122334455667788,
		.ping_after_s = number(arguments, "ping_s", "0"),
		.hang_up_after_s = number(arguments, "hang_up_s", "0"),
		.guest_time_ms = number(arguments, "guest_ms", "0"),
		.resume_time_ms = number(arguments, "resume_ms", "0"),
	};
	const uint32_t interval_ms = number(arguments, "interval_ms", "50");
	CLEANUP(server_free) struct server *server = NULL;
	CLEANUP(control_free) struct control *control = NULL;
	struct control_options control_options = {
		.loop = fixture->loop,
		.window = fixture->window,
		.instance_id = options.instance_id,
	};

	if (server_new(&options, &server) < 0)
		return 1;
	fixture->server = server;
	for (uint32_t i = number(arguments, "chunks_at_start", "0"); i; i--)
		grow(fixture);
	if (loop_add_signal(fixture->loop, SIGUSR1, on_report, fixture) < 0 ||
	    loop_add_signal(fixture->loop, SIGUSR2, on_grow, fixture) < 0 ||
	    loop_add_signal(fixture->loop, SIGTERM, on_end, fixture) < 0)
		return 1;
	if (interval_ms &&
	    loop_add_timer(fixture->loop, interval_ms * 1000000ull, on_timer, fixture, NULL) < 0)
		return 1;
	control_options.port = server_port(server);
	fixture->dispatched_us = now_us();
	if (number(arguments, "control", "0") &&
	    (control_new(&control_options, &control) < 0 ||
	     loop_add_timer(fixture->loop, 1000000, on_pulse, fixture, NULL) < 0))
		return 1;
	printf("%s\n", server_url(server));
	fflush(stdout);
	return server_run(server) ? 1 : 0;
}

int main(int argc, char **arguments)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	const struct sample_window_options window_options = {
		.bytes_max = number(arguments, "bytes_max", "67108864"),
	};
	struct fixture fixture = {
		.chunk_size = number(arguments, "chunk", "1000"),
		.chunks_per_segment = number(arguments, "chunks", "20"),
		.segment = 1,
	};

	log_set_level(number(arguments, "debug", "0") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (loop_new(&loop) < 0 || sample_window_new(&window_options, &window) < 0)
		return 1;
	fixture.loop = loop;
	fixture.window = window;
	return serve(&fixture, arguments);
}
