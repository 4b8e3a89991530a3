/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope live`: sample this host, serve the page, and record as well when asked. */
#include <signal.h>

#include "base/log.h"
#include "base/loop.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "commands/serving.h"
#include "pipeline.h"
#include "privileged/privileged_process.h"
#include "profile/sample_window.h"
#include "serve/control.h"
#include "serve/importer.h"
#include "serve/server.h"

const struct options_usage usage_live = {
	.name = "live",
	.arguments = "",
	.summary = "Samples this host and serves a page that shows what its CPUs do. Needs root.",
	.details = "The first line on standard output is the page's address. Ctrl-C ends it.\n"
		   "'flickerscope dump' writes what it holds to a capture, at any time.",
	.groups = OPTIONS_SAMPLING | OPTIONS_SERVING | OPTIONS_WINDOW | OPTIONS_OUTPUT |
		  OPTIONS_DUMPED | OPTIONS_CONFIG,
};

static void flush(void *context)
{
	pipeline_flush(context);
}

static void count(void *context, uint64_t *values)
{
	pipeline_counters(context, values);
}

static void on_page(void *context)
{
	pipeline_watch(context);
}

static void on_dump_signal(int signal, void *context)
{
	control_dump(context);
}

static int open_control(const struct options *options, struct loop *loop, struct pipeline *pipeline,
			const struct server *server, struct control **ret_control)
{
	const struct control_options control = {
		.loop = loop,
		.window = pipeline_window(pipeline),
		.instance_id = pipeline_instance_id(pipeline),
		.port = server_port(server),
		.dump_folder = options->dump_dir,
		.privileged = pipeline_privileged(pipeline),
		.flush = flush,
		.context = pipeline,
	};
	int r = control_new(&control, ret_control);

	if (r < 0)
		return r;
	r = loop_add_signal(loop, SIGUSR1, on_dump_signal, *ret_control);
	return r < 0 ? log_errno(r, "wait for SIGUSR1") : 0;
}

static int serve(const struct options *options, struct loop *loop)
{
	CLEANUP(importer_free) struct importer *importer = NULL;
	CLEANUP(server_free) struct server *server = NULL;
	CLEANUP(sampling_stop) struct sampling *sampling = NULL;
	CLEANUP(control_free) struct control *control = NULL;
	struct server_options server_options = { .loop = loop, .source = WIRE_SOURCE_LIVE };
	struct pipeline *pipeline;
	int r = importer_new(loop, &importer);

	if (r == 0)
		r = sampling_start(options, loop, NULL, 0, &sampling);
	if (r < 0)
		return r;
	pipeline = sampling_pipeline(sampling);
	server_options.window = pipeline_window(pipeline);
	server_options.importer = importer;
	server_options.instance_id = pipeline_instance_id(pipeline);
	server_options.metrics = count;
	server_options.page_opened = on_page;
	server_options.context = pipeline;
	r = serving_start(options, &server_options, &server);
	if (r < 0)
		return r;
	r = open_control(options, loop, pipeline, server, &control);
	if (r < 0)
		return r;
	/* Who is confined cannot. When it fails they stay, as those of an agent that was killed. */
	privileged_process_remove_at_end(pipeline_privileged(pipeline), control_socket(control));
	privileged_process_remove_at_end(pipeline_privileged(pipeline), server_socket(server));
	r = sampling_confine(sampling);
	if (r < 0)
		return r;
	pipeline_set_server(pipeline, server);
	r = serving_run(options, server);
	pipeline_set_server(pipeline, NULL);
	return r < 0 ? r : sampling_finish(sampling);
}

int command_live(int argc, char **argv)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	struct options options;
	int r = options_parse(&usage_live, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	/* Said before anything is loaded: a wrong address needs no root to be found. */
	if (server_listen_check(options.listen) < 0)
		return EXIT_CODE_USAGE;
	r = sampling_loop_new(&loop);
	if (r < 0)
		return EXIT_CODE_FAILED;
	return serve(&options, loop) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
