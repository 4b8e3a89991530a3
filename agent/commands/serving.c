/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/serving.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Whether standard output is the journal (systemd.exec(5)), which more people read than may look. */
static bool is_logged(void)
{
	const char *journal = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return journal && sscanf(journal, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDOUT_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

/* For people only: a script reads the first line, and a log must not hold the address's secret. */
static void print_hints(const struct server *server)
{
	char host[HOST_NAME_MAX + 1] = "THIS-HOST";

	if (!isatty(STDOUT_FILENO))
		return;
	if (server_port(server) && getenv("SSH_CONNECTION")) {
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
	server_options->tls_certificate_path = options->tls_certificate;
	server_options->tls_key_path = options->tls_key;
	server_options->hosts = options->hosts;
	server_options->host_count = options->host_count;
	return server_new(server_options, ret_server);
}

int serving_run(const struct options *options, struct server *server)
{
	const char *url = server_url(server);
	int r;

	if (is_logged())
		printf("%.*s; the token is in %s\n", (int)strcspn(url, "#"), url,
		       options->token_file);
	else
		printf("%s\n", url);
	print_hints(server);
	fflush(stdout);
	r = server_run(server);
	return r < 0 ? log_errno(r, "serve the page") : r;
}
