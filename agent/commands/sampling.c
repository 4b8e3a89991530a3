/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/sampling.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/confinement.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/output_file.h"
#include "commands/options.h"
#include "pipeline.h"
#include "privileged/privileged_process.h"
#include "stream/capture_writer.h"
#include "wire.h"

enum {
	FILTER_SIZE_MAX = 256,
	FINISH_TIME_MAX_MS = 800, /* an end is asked for to come within a second */
};

struct sampling {
	struct pipeline *pipeline;
	struct capture_writer *writer;
	const char *path;
	int file_fd;	/* until the writer has it; -1: none */
	bool made_file; /* at the path, where nothing was before */
};

static void on_signal(int signal, void *context)
{
	loop_stop(context, signal);
}

int sampling_loop_new(struct loop **ret_loop)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	int r = loop_new(&loop);

	if (r >= 0)
		r = loop_add_signal(loop, SIGINT, on_signal, loop);
	if (r >= 0)
		r = loop_add_signal(loop, SIGTERM, on_signal, loop);
	if (r >= 0)
		r = loop_add_signal(loop, SIGHUP, on_signal, loop);
	if (r < 0)
		return log_errno(r, "start the event loop");
	/* A page or a pipe that goes away is an error of that write, not the end of us. */
	signal(SIGPIPE, SIG_IGN);
	*ret_loop = TAKE(loop);
	return 0;
}

/* Appends to what the page says is shown; what has no room any more is left out. */
__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
							 const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + used, size - used, format, arguments);
	va_end(arguments);
}

static void append_names(char *text, size_t size, const char *kind, const char *const *names,
			 size_t count)
{
	if (count)
		append(text, size, "%s%s ", text[0] ? "; " : "", kind);
	for (size_t i = 0; i < count; i++)
		append(text, size, "%s%s", i ? ", " : "", names[i]);
}

/* "process 12, 13 and children; cgroup web; 2 CPUs": what the page says is shown. Empty: everything. */
static void describe_filter(const struct options *options, char *ret_text, size_t size)
{
	unsigned int cpus = 0;

	ret_text[0] = 0;
	for (uint32_t i = 0; i < options->pid_count; i++)
		append(ret_text, size, "%s%u", i ? ", " : "process ", options->pids[i]);
	if (options->pid_count)
		append(ret_text, size, " and children");
	append_names(ret_text, size, "cgroup", options->cgroups, options->cgroup_count);
	append_names(ret_text, size, "user", options->user_names, options->user_count);
	for (unsigned int i = 0; i < SAMPLE_CPUS_MAX; i++)
		cpus += options->cpu_chosen[i];
	if (options->cpus_chosen)
		append(ret_text, size, "%s%u %s", ret_text[0] ? "; " : "", cpus,
		       cpus == 1 ? "CPU" : "CPUs");
}

static int open_file(struct sampling *sampling, const struct options *options)
{
	bool to_output = strcmp(options->output, "-") == 0;

	sampling->path = to_output ? "(standard output)" : options->output;
	if (!to_output)
		return output_file_create(options->output, options->force, &sampling->file_fd);
	sampling->file_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	return sampling->file_fd < 0 ? log_errno(-errno, "open standard output") : 0;
}

static int open_writer(struct sampling *sampling)
{
	const struct capture_writer_options writer = {
		.path = sampling->path,
		.fd = sampling->file_fd,
		.instance_id = pipeline_instance_id(sampling->pipeline),
	};
	int r;

	sampling->file_fd = -1; /* taken */
	r = capture_writer_open(&writer, &sampling->writer);
	if (r == 0)
		pipeline_set_writer(sampling->pipeline, sampling->writer);
	return r;
}

int sampling_start(const struct options *options, struct loop *loop, const char *title,
		   pid_t command_pid, struct sampling **ret_sampling)
{
	CLEANUP(sampling_stop) struct sampling *sampling = calloc(1, sizeof(*sampling));
	char filter[FILTER_SIZE_MAX];
	struct pipeline_options pipeline = {
		.loop = loop,
		.sampler = {
			.frequency_hz = options->frequency_hz,
			.pids = options->pids,
			.pid_count = options->pid_count,
			.children = true,
			.tasks = {
				.cgroups = options->cgroups,
				.cgroup_count = options->cgroup_count,
				.users = options->users,
				.user_count = options->user_count,
			},
			.cpu_chosen = options->cpus_chosen ? options->cpu_chosen : NULL,
			.kernel_frames = true,
			.user_frames = true,
			.unwind = true,
		},
		.filter = filter,
		.command_pid = command_pid,
		.title = title,
		.window_us = options->window_s * 1000000,
		/* In a file names are repeated with each segment: there they are as long as they may be,
		 * whatever a short window would want. It then reaches back up to one segment more. */
		.segment_us = options->output ? WIRE_SEGMENT_SPAN_MAX_US : 0,
		.max_cpu_us_per_s = options->max_cpu_us_per_s,
		.memory_bytes = options->memory_bytes,
		.debuginfod_urls = options->debuginfod_urls,
		.debuginfod_url_count = options->debuginfod_url_count,
		.debuginfod_cache = options->debuginfod_cache,
		.dump_folder = options->dump_dir,
	};
	int r;

	if (!sampling)
		return log_errno(-ENOMEM, "start");
	sampling->file_fd = -1;
	if (geteuid() != 0) {
		log_error("sampling needs root: run it with sudo");
		return -EPERM;
	}
	describe_filter(options, filter, sizeof(filter));
	r = pipeline_new(&pipeline, &sampling->pipeline);
	if (r < 0)
		return r;
	if (options->output) {
		r = open_file(sampling, options);
		if (r < 0)
			return r;
		sampling->made_file = strcmp(options->output, "-") != 0 && !options->force;
		/* Who is confined cannot; should it fail, an empty file may stay. */
		if (sampling->made_file)
			privileged_process_remove_empty(pipeline_privileged(sampling->pipeline),
							sampling->file_fd);
	}
	*ret_sampling = TAKE(sampling);
	return 0;
}

int sampling_confine(struct sampling *sampling)
{
	int r = confine_sampler();

	if (r < 0)
		return log_errno(r, "give up what is not needed to sample");
	/* Its thread is as confined as the one that starts it. */
	return sampling->file_fd >= 0 ? open_writer(sampling) : 0;
}

int sampling_finish(struct sampling *sampling)
{
	struct capture_writer_status status;
	int r;

	pipeline_finish(sampling->pipeline);
	if (!sampling->writer)
		return 0;
	r = capture_writer_finish_wait(sampling->writer, FINISH_TIME_MAX_MS);
	if (r < 0)
		return log_errno(r, "%s: the end of the capture was not written", sampling->path);
	status = capture_writer_status(sampling->writer);
	if (status.lost_bytes) {
		log_error("%s: %llu bytes were not written: the disk was full or too slow, or "
			  "memory ran out",
			  sampling->path, (unsigned long long)status.lost_bytes);
		return -EIO;
	}
	return 0;
}

void sampling_discard(struct sampling *sampling)
{
	if (sampling->made_file)
		unlink(sampling->path);
}

void sampling_stop(struct sampling *sampling)
{
	if (!sampling)
		return;
	if (sampling->pipeline)
		pipeline_set_writer(sampling->pipeline, NULL);
	capture_writer_free(sampling->writer);
	fd_close(sampling->file_fd);
	pipeline_free(sampling->pipeline);
	free(sampling);
}

struct pipeline *sampling_pipeline(struct sampling *sampling)
{
	return sampling->pipeline;
}

struct capture_writer *sampling_writer(struct sampling *sampling)
{
	return sampling->writer;
}
