/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/serving.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/options.h"
#include "serve/server.h"

/* The token's file of the agent is root's; who is not root has one of his own. */
static const char *token_path(const struct options *options, char *buffer, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || strcmp(options->token_file, SERVER_TOKEN_PATH_DEFAULT) != 0)
		return options->token_file;
	if (runtime && runtime[0] == '/')
		snprintf(buffer, size, "%s/flickerscope/token", runtime);
	else
		snprintf(buffer, size, "/tmp/flickerscope-%u/token", geteuid());
	return buffer;
}

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
	printf("Ctrl-C ends it.\n");
}

int serving_start(const struct options *options, struct server_options *server_options,
		  struct server **ret_server)
{
	char token[PATH_MAX];

	server_options->listen = options->listen;
	server_options->token_path = token_path(options, token, sizeof(token));
	server_options->hosts = options->hosts;
	server_options->host_count = options->host_count;
	return server_new(server_options, ret_server);
}

int serving_run(struct server *server)
{
	int r;

	printf("%s\n", server_url(server));
	print_hints(server);
	fflush(stdout);
	r = server_run(server);
	return r < 0 ? log_errno(r, "serve the page") : r;
}
