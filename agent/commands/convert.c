/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope convert IN -o OUT`: any profile in another format, or a part of it. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/confined_child.h"
#include "base/confinement.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/output_file.h"
#include "commands/commands.h"
#include "commands/loading.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "convert/formats.h"
#include "convert/input.h"
#include "convert/merged_profile.h"
#include "convert/output.h"

const struct options_usage usage_convert = {
	.name = "convert",
	.arguments = "FILE",
	.summary = "Writes a profile in another format, or a part of it.",
	.details = "FILE is a profile in any format that 'view' opens, - standard input. Without "
		   "--to\n"
		   "the ending of the output's name decides:\n\n"
		   "  flicker      .flk .flicker          a capture of flickerscope\n"
		   "  perf-script  .perf .stacks          text, as FlameScope opens it\n"
		   "  folded       .folded .collapsed     text, as flamegraph.pl takes it\n"
		   "  pprof        .pb.gz .pprof          as go tool pprof opens it\n"
		   "  speedscope   .speedscope.json       as speedscope.app opens it\n"
		   "  d3           .json                  as d3-flame-graph draws it\n"
		   "  html         .html                  one page, to open without a network\n\n"
		   "--to may be given twice: the name of a format is the format, all else a time. "
		   "T is\n"
		   "as in 'flickerscope report --help'.",
	.groups = OPTIONS_CONVERT | OPTIONS_EVENT,
	.arguments_least = 1,
	.arguments_most = 1,
};

static const struct format *choose_format(const struct options *options)
{
	const struct format *format = options->format;

	if (format)
		return format;
	if (strcmp(options->output, "-") == 0) {
		log_error("standard output has no name that tells the format: say it with --to");
		return NULL;
	}
	format = format_by_path(options->output);
	if (!format)
		log_error("%s: its ending is that of no format; say --to flicker, perf-script, "
			  "folded, pprof, speedscope, d3 or html",
			  options->output);
	return format;
}

/* What the page and speedscope call it: the name of the file it was read from. */
static const char *title_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : input_name(path);
}

struct converting {
	const struct options *options;
	const struct format *format;
	int input_fd;
	int output_fd;
};

static int write_profile(const struct converting *converting, struct merged_profile *profile)
{
	CLEANUP(output_free) struct output *output = NULL;
	const struct options *options = converting->options;
	int r = output_new(converting->output_fd, &output);

	if (!r)
		r = converting->format->write(profile, title_of(options->arguments[0]), output);
	if (!r)
		r = output_finish(output);
	return r < 0 ? log_errno(r, "write %s", options->output) : 0;
}

/* In a process that has nothing but the two descriptors. */
static int convert_confined(void *context)
{
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	const struct converting *converting = context;
	const struct options *options = converting->options;
	int r = load_profile(converting->input_fd, options, &profile);

	if (r < 0)
		return r;
	if (!profile->sample_count)
		log_warning("%s: there is no sample %s", options->arguments[0],
			    time_range_is_whole(&options->range)
				    ? "in it"
				    : "from --from on and before --to");
	return write_profile(converting, profile);
}

static void on_end(uint32_t events, void *context)
{
	/* A signal to all of us, as Ctrl-C is, came first. */
	if (!loop_stopped(context, NULL))
		loop_stop(context, 0);
}

/* Until the child has ended, or a signal ends us. Returns 0 or -errno; logged, but for signals. */
static int wait_for_child(struct loop *loop, pid_t pid, const char *input)
{
	int r = loop_run(loop);

	if (r > 0)
		return -EINTR; /* whoever sent it knows; the child ends with us */
	return r < 0 ? log_errno(r, "wait for the process that reads %s", input)
		     : confined_child_wait(pid, input);
}

static int convert(const struct options *options, const struct format *format)
{
	CLEANUP(output_file_free) struct output_file *file = NULL;
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(fd_close) int input_fd = -1, pid_fd = -1;
	struct converting converting = { .options = options, .format = format };
	const char *input = options->arguments[0];
	int r = input_open_file(input, &input_fd);
	pid_t pid;

	/* Before there is a file that a signal could leave behind, and after what may wait for another. */
	if (r == 0)
		r = sampling_loop_new(&loop);
	if (r == 0)
		r = output_file_open(options->output, options->force, &file);
	if (r < 0)
		return r;
	converting.input_fd = input_fd;
	converting.output_fd = output_file_fd(file);
	r = confined_child_start(convert_confined, &converting, input, &pid);
	if (r < 0)
		return r;
	pid_fd = pidfd_open(pid, 0);
	r = pid_fd < 0 ? -errno : loop_add_fd(loop, pid_fd, EPOLLIN, on_end, loop, NULL);
	if (r < 0)
		return log_errno(r, "watch the process that reads %s", input);
	r = confine_finisher(output_file_folder_fd(file));
	if (r < 0)
		return log_errno(r, "give up what is not needed to put a file in its place");
	r = wait_for_child(loop, pid, input);
	return r < 0 ? r : output_file_commit(file);
}

int command_convert(int argc, char **argv)
{
	const struct format *format;
	struct options options;
	int r = options_parse(&usage_convert, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (!options.output) {
		log_error(
			"convert needs a place to write to: -o FILE, or -o - for standard output");
		return EXIT_CODE_USAGE;
	}
	format = choose_format(&options);
	if (!format)
		return EXIT_CODE_USAGE;
	if (!format->is_text && strcmp(options.output, "-") == 0 && isatty(STDOUT_FILENO)) {
		log_error("%s is not for a terminal: redirect it, or give -o FILE", format->name);
		return EXIT_CODE_USAGE;
	}
	return convert(&options, format) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
