/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope view FILE`: serve the page for a capture. Needs no root. */
#include "base/log.h"
#include "base/loop.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "convert/input.h"
#include "commands/serving.h"
#include "profile/chunk.h"
#include "profile/sample_window.h"
#include "serve/server.h"
#include "stream/capture_reader.h"

static const struct options_usage usage = {
	.name = "view",
	.arguments = "FILE",
	.summary = "Serves the page for a capture. Needs no root.",
	.details = "The first line on standard output is the page's address. Ctrl-C ends it.",
	.groups = OPTIONS_SERVING,
	.arguments_least = 1,
	.arguments_most = 1,
};

static int add_chunk(struct chunk *chunk, void *context)
{
	return sample_window_add(context, chunk);
}

/* Everything that can be read of the capture; the reader warns of what cannot. */
static int load(struct capture_reader *reader, struct sample_window **ret_window)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	/* The file is in memory as it is on disk; twice that covers what holding it costs. */
	struct sample_window_options options = {
		.bytes_max = capture_reader_size(reader) * 2 + SAMPLE_WINDOW_BYTES_LEAST,
	};
	int r = sample_window_new(&options, &window);

	if (r < 0)
		return log_errno(r, "load the capture");
	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++) {
		r = capture_reader_chunks(reader, i, add_chunk, window);
		if (r < 0)
			return log_errno(r, "load the capture");
	}
	sample_window_seal(window);
	*ret_window = TAKE(window);
	return 0;
}

static int serve(const struct options *options, struct loop *loop)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	CLEANUP(server_free) struct server *server = NULL;
	struct server_options server_options = { .loop = loop, .source = WIRE_SOURCE_CAPTURE };
	const char *path = options->arguments[0];
	int r = input_open(path, NULL, &reader);

	if (r)
		return -1;
	r = load(reader, &window);
	if (r < 0)
		return r;
	server_options.window = window;
	server_options.instance_id = capture_reader_header(reader)->instance_id;
	r = serving_start(options, &server_options, &server);
	return r < 0 ? r : serving_run(server);
}

int command_view(int argc, char **argv)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	struct options options;
	int r = options_parse(&usage, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (server_listen_check(options.listen) < 0)
		return EXIT_CODE_USAGE;
	r = sampling_loop_new(&loop);
	if (r < 0)
		return EXIT_CODE_FAILED;
	return serve(&options, loop) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
