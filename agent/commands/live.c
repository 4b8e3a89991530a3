/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope live`: sample this host, serve the page, and record as well when asked. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "pipeline.h"
#include "profile/sample_window.h"
#include "serve/server.h"

static const struct options_usage usage = {
	.name = "live",
	.arguments = "",
	.summary = "Samples this host and serves a page that shows what its CPUs do. Needs root.",
	.details = "The first line on standard output is the page's address. Ctrl-C ends it.",
	.groups = OPTIONS_SAMPLING | OPTIONS_SERVING | OPTIONS_WINDOW | OPTIONS_OUTPUT,
};

/* For people only: a script reads the first line, and a log must not hold the address's secret. */
static void print_hints(const struct server *server)
{
	char host[HOST_NAME_MAX + 1] = "THIS-HOST";

	if (!isatty(STDOUT_FILENO))
		return;
	if (getenv("SSH_CONNECTION")) {
		gethostname(host, sizeof(host) - 1);
		printf("From your own machine first: ssh -L %u:127.0.0.1:%u %s\n",
		       server_port(server), server_port(server), host);
	}
	printf("Sampling. Ctrl-C ends it.\n");
}

static int serve(const struct options *options, struct loop *loop)
{
	CLEANUP(server_free) struct server *server = NULL;
	CLEANUP(sampling_stop) struct sampling *sampling = NULL;
	struct server_options server_options = {
		.loop = loop,
		.listen = options->listen,
		.token_path = options->token_file,
		.hosts = options->hosts,
		.host_count = options->host_count,
		.source = WIRE_SOURCE_LIVE,
	};
	int r = sampling_start(options, loop, NULL, &sampling);

	if (r < 0)
		return r;
	server_options.window = pipeline_window(sampling_pipeline(sampling));
	server_options.instance_id = pipeline_instance_id(sampling_pipeline(sampling));
	r = server_new(&server_options, &server);
	if (r < 0)
		return r;
	pipeline_set_server(sampling_pipeline(sampling), server);
	printf("%s\n", server_url(server));
	print_hints(server);
	fflush(stdout);
	r = server_run(server);
	pipeline_set_server(sampling_pipeline(sampling), NULL);
	if (r < 0)
		return log_errno(r, "serve the page");
	return sampling_finish(sampling);
}

int command_live(int argc, char **argv)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	struct options options;
	int r = options_parse(&usage, argc, argv, &options);

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
