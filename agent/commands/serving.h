/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that serve a page share: the server by the command line, and its address. */
#ifndef FLICKERSCOPE_SERVING_H
#define FLICKERSCOPE_SERVING_H

struct options;
struct server;
struct server_options;

/* Fills in what the command line says of the server, and listens. Returns 0 or -errno; logged. */
int serving_start(const struct options *options, struct server_options *server_options,
		  struct server **ret_server);

/*
 * Prints the page's address as the first line on standard output, where that is a log without its
 * secret, and serves until a signal.
 * Returns its number, or -errno; logged.
 */
int serving_run(const struct options *options, struct server *server);

#endif
