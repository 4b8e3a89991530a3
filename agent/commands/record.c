/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope record`: sample this host into a capture file. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "pipeline.h"
#include "stream/capture_writer.h"
#include "wire.h"

#define NS_PER_SECOND UINT64_C(1000000000)

static const struct options_usage usage = {
	.name = "record",
	.arguments = "",
	.summary = "Samples this host into a capture file. Needs root.",
	.details =
		"Without -d it goes on until Ctrl-C. 'flickerscope view FILE' shows the capture.",
	.groups = OPTIONS_SAMPLING | OPTIONS_OUTPUT | OPTIONS_DURATION,
};

struct recording {
	struct loop *loop;
	struct sampling *sampling;
	bool terminal; /* standard error is one: show how it goes */
};

static void print_progress(const struct recording *recording, const char *end)
{
	struct pipeline_progress progress =
		pipeline_progress(sampling_pipeline(recording->sampling));
	struct capture_writer_status file =
		capture_writer_status(sampling_writer(recording->sampling));

	fprintf(stderr, "\r%.1f s, %llu samples, %llu lost, %.1f kB%s",
		(double)progress.span_us / 1e6, (unsigned long long)progress.samples,
		(unsigned long long)progress.samples_lost, (double)file.written_bytes / 1e3, end);
}

static void on_second(void *context)
{
	const struct recording *recording = context;

	if (recording->terminal)
		print_progress(recording, "  ");
}

static void on_end(void *context)
{
	const struct recording *recording = context;

	loop_stop(recording->loop, 0);
}

static int record(const struct options *options, struct loop *loop)
{
	CLEANUP(sampling_stop) struct sampling *sampling = NULL;
	struct recording recording = { .loop = loop, .terminal = isatty(STDERR_FILENO) };
	int r = sampling_start(options, loop, NULL, &sampling);

	if (r < 0)
		return r;
	recording.sampling = sampling;
	r = loop_add_timer(loop, NS_PER_SECOND, on_second, &recording, NULL);
	if (r >= 0 && options->duration_ms)
		r = loop_add_timer(loop, options->duration_ms * 1000000, on_end, &recording, NULL);
	if (r < 0)
		return log_errno(r, "start a timer");
	r = loop_run(loop);
	if (r < 0)
		return log_errno(r, "record");
	r = sampling_finish(sampling);
	print_progress(&recording, "\n");
	if (r >= 0 && recording.terminal)
		log_info("'flickerscope view %s' shows it", options->output);
	return r;
}

int command_record(int argc, char **argv)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	struct options options;
	int r = options_parse(&usage, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (!options.output) {
		log_error("record needs a file: -o FILE; try 'flickerscope record --help'");
		return EXIT_CODE_USAGE;
	}
	/* Nobody looks back, but a short window is made of short segments, each with all its names. */
	options.window_s = WIRE_SEGMENT_SPAN_MAX_US / 1000000 * PIPELINE_WINDOW_SEGMENTS;
	r = sampling_loop_new(&loop);
	if (r < 0)
		return EXIT_CODE_FAILED;
	return record(&options, loop) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
