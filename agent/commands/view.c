/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope view FILE... | DIRECTORY`: serve the page for profiles. Needs no root. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/confinement.h"
#include "base/log.h"
#include "base/loop.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/progress.h"
#include "commands/sampling.h"
#include "commands/serving.h"
#include "convert/input.h"
#include "serve/importer.h"
#include "serve/profile_store.h"
#include "serve/server.h"

enum { FILES_MAX = 64 };

const struct options_usage usage_view = {
	.name = "view",
	.arguments = "FILE...|DIRECTORY",
	.summary = "Serves the page for captures, or for files of other profilers. Needs no root.",
	.details =
		"Two files are shown side by side; of more, or of a directory, there is a list.\n"
		"The first line on standard output is the page's address. Ctrl-C ends it.",
	.groups = OPTIONS_SERVING | OPTIONS_EVENT,
	.arguments_least = 1,
	.arguments_most = FILES_MAX,
};

static int open_store(const struct options *options, struct profile_store **ret_store)
{
	struct stat status;
	int count = options->argument_count;
	struct progress progress = progress_begin("Reading");
	const struct input_options input = {
		.event = options->event,
		.progress = progress_update,
		.progress_context = &progress,
	};
	bool folder = count == 1 && stat(options->arguments[0], &status) == 0 &&
		      S_ISDIR(status.st_mode);

	int r = folder ? profile_store_new_folder(options->arguments[0], ret_store)
		       : profile_store_new_files(options->arguments, (size_t)count, &input,
						 ret_store);

	progress_end(&progress);
	return r;
}

/* All is open: what is left to do is to read captures and to talk to pages. */
static int confine(const struct profile_store *store)
{
	int folder_fd = profile_store_folder_fd(store);
	int r = confine_process(folder_fd < 0 ? CONFINED_TO_SERVING : CONFINED_TO_SERVING_A_FOLDER,
				folder_fd);

	return r < 0 ? log_errno(r, "give up what is not needed to serve pages") : 0;
}

static int serve(const struct options *options)
{
	CLEANUP(profile_store_free) struct profile_store *store = NULL;
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(importer_free) struct importer *importer = NULL;
	CLEANUP(server_free) struct server *server = NULL;
	struct server_options server_options = { 0 };
	char start[PROFILE_STORE_START_SIZE_MAX];
	/* Before the loop takes the signals: a large file may take a while, and Ctrl-C ends it. */
	int r = open_store(options, &store);

	if (r < 0)
		return r;
	r = sampling_loop_new(&loop);
	if (r == 0)
		r = importer_new(loop, &importer);
	if (r < 0)
		return r;
	profile_store_start(store, start);
	server_options.loop = loop;
	server_options.profiles = store;
	server_options.importer = importer;
	server_options.start = start;
	r = serving_start(options, &server_options, &server);
	if (r < 0)
		return r;
	r = confine(store);
	return r < 0 ? r : serving_run(options, server);
}

int command_view(int argc, char **argv)
{
	struct options options;
	int r = options_parse(&usage_view, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (server_listen_check(options.listen) < 0)
		return EXIT_CODE_USAGE;
	return serve(&options) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
