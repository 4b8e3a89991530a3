/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope record`: sample this host into a capture file. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/clock.h"
#include "base/loop.h"
#include "commands/child.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "pipeline.h"
#include "stream/capture_writer.h"

enum {
	TITLE_SIZE_MAX = 256,
	COMMAND_TIME_MAX_MS = 700, /* for a command to end when we are to */
};

const struct options_usage usage_record = {
	.name = "record",
	.arguments = "[-- COMMAND...]",
	.summary = "Samples this host into a capture file. Needs root.",
	.details =
		"With a command: only it and its children, until it ends; its exit code is ours.\n"
		"Without: until Ctrl-C. -d ends the command with SIGTERM; that is exit 0.\n"
		"-o - is standard output; what the command writes there goes to standard error.\n"
		"'flickerscope view FILE' shows the capture.",
	.groups = OPTIONS_SAMPLING | OPTIONS_OUTPUT | OPTIONS_DURATION | OPTIONS_RECORDING,
	.arguments_most = INT_MAX,
	.runs_command = true,
};

struct recording {
	struct loop *loop;
	struct sampling *sampling;
	struct child *child; /* NULL: no command */
	bool terminal;	     /* standard error is one: show how it goes */
	bool to_output; /* the capture goes to standard output: what failed there stays failed */
};

static void print_progress(const struct recording *recording, const char *end)
{
	struct pipeline_progress progress =
		pipeline_progress(sampling_pipeline(recording->sampling));
	struct capture_writer_status file =
		capture_writer_status(sampling_writer(recording->sampling));

	if (recording->terminal)
		fprintf(stderr, "\r%.0f s, %llu samples, %llu lost, %.1f MB%s",
			(double)progress.span_us / 1e6, (unsigned long long)progress.samples,
			(unsigned long long)progress.samples_lost, (double)file.written_bytes / 1e6,
			end);
}

static void on_second(void *context)
{
	const struct recording *recording = context;

	print_progress(recording, "  ");
	if (recording->to_output &&
	    capture_writer_status(sampling_writer(recording->sampling)).error)
		loop_stop(recording->loop, 0);
}

static void on_end(void *context)
{
	loop_stop(context, 0);
}

/* Runs until the command, the time or a signal ends it. Returns the signal, 0 or -errno. */
static int run(struct recording *recording, const struct options *options)
{
	const uint64_t duration_ms = options->duration_ms;
	int r = loop_add_timer(recording->loop, NS_PER_S, on_second, recording, NULL);

	if (r >= 0 && duration_ms)
		r = loop_add_timer(recording->loop, duration_ms * 1000000, on_end, recording->loop,
				   NULL);
	if (r < 0)
		return log_errno(r, "start a timer");
	if (recording->child) {
		r = child_start(recording->child, recording->loop,
				pipeline_privileged(sampling_pipeline(recording->sampling)));
		if (r < 0)
			return r;
	}
	r = sampling_confine(recording->sampling);
	if (r < 0)
		return r;
	r = loop_run(recording->loop);
	return r < 0 ? log_errno(r, "record") : r;
}

static int finish(const struct recording *recording, const struct options *options)
{
	int r = sampling_finish(recording->sampling);

	print_progress(recording, "\n");
	if (r >= 0 && recording->terminal && !recording->to_output)
		log_info("'flickerscope view %s' shows it", options->output);
	return r;
}

/* "make -j4 all": what the page and `info` call the capture of a command. */
static void describe_command(char **arguments, bool name_only, char ret_title[TITLE_SIZE_MAX])
{
	size_t used = 0;

	ret_title[0] = 0;
	for (; *arguments && used < TITLE_SIZE_MAX - 1 && !(used && name_only); arguments++) {
		int size = snprintf(ret_title + used, TITLE_SIZE_MAX - used, "%s%s",
				    used ? " " : "", *arguments);

		used += size > 0 ? (size_t)size : 0;
	}
}

/* Ends a command that still runs, @stopped_by: a signal, or 0. Returns the exit code that it means. */
static int end_command(struct child *child, const char *name, int stopped_by)
{
	bool by_time = !stopped_by && !child_ended(child);

	if (!child_end(child, stopped_by ? stopped_by : SIGTERM, COMMAND_TIME_MAX_MS)) {
		log_warning("%s goes on without us, as process %d", name, child_pid(child));
		return by_time ? EXIT_CODE_OK : CHILD_SIGNALLED + stopped_by;
	}
	return by_time ? EXIT_CODE_OK : child_exit_code(child);
}

/* Returns the exit code. */
static int record(const struct options *options, struct loop *loop, struct child *child)
{
	CLEANUP(sampling_stop) struct sampling *sampling = NULL;
	struct recording recording = {
		.loop = loop,
		.child = child,
		.terminal = isatty(STDERR_FILENO),
		.to_output = strcmp(options->output, "-") == 0,
	};
	char title[TITLE_SIZE_MAX];
	int r, stopped_by, exit_code = EXIT_CODE_OK;

	describe_command(options->arguments, options->no_command_line, title);
	r = sampling_start(options, loop, title[0] ? title : NULL, child ? child_pid(child) : 0,
			   &sampling);
	if (r < 0)
		return EXIT_CODE_FAILED;
	recording.sampling = sampling;
	stopped_by = run(&recording, options);
	if (stopped_by < 0) {
		sampling_discard(sampling);
		exit_code = child ? child_exit_code(child) : EXIT_CODE_OK;
		return exit_code ? exit_code : EXIT_CODE_FAILED;
	}
	r = finish(&recording, options);
	if (child)
		exit_code = end_command(child, options->arguments[0], stopped_by);
	return r < 0 && !exit_code ? EXIT_CODE_FAILED : exit_code;
}

static int check(const struct options *options)
{
	if (!options->output) {
		log_error("record needs a file: -o FILE; try 'flickerscope record --help'");
		return EXIT_CODE_USAGE;
	}
	if (strcmp(options->output, "-") == 0 && isatty(STDOUT_FILENO)) {
		log_error(
			"-o -: a capture is nothing for a terminal; lead it into a file or a pipe");
		return EXIT_CODE_USAGE;
	}
	if (options->argument_count && options->pid_count) {
		log_error("-p: a command is recorded alone, with its children");
		return EXIT_CODE_USAGE;
	}
	return EXIT_CODE_OK;
}

int command_record(int argc, char **argv)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(child_free) struct child *child = NULL;
	struct options options;
	int r = options_parse(&usage_record, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	r = check(&options);
	if (r)
		return r;
	if (options.argument_count) {
		r = child_new(options.arguments, strcmp(options.output, "-") == 0, &child);
		if (r < 0)
			return EXIT_CODE_FAILED;
		options.pids[options.pid_count++] = (uint32_t)child_pid(child);
	}
	/* Nobody looks back: the open segment is all that is kept. */
	options.window_s = 0;
	r = sampling_loop_new(&loop);
	if (r < 0)
		return EXIT_CODE_FAILED;
	return record(&options, loop, child);
}
