/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket: reads "ADDRESS:PORT" or "unix:/PATH", binds it, and says in one line what
 * stands in the way.
 */
#ifndef FLICKERSCOPE_LISTENER_H
#define FLICKERSCOPE_LISTENER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum listener_limit {
	LISTENER_BACKLOG = 64,
	LISTENER_NAME_SIZE_MAX = 128, /* "[IPv6%zone]", or a socket's path, with its zero */
};

struct listener_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
	socklen_t size;
};

/*
 * Reads "127.0.0.1:7780", "[::1]:7780", "localhost:7780" or ":7780" for localhost, and "*:7780"
 * for all addresses of IPv4. Other names are not looked up. "unix:/run/a/page.sock" is a socket
 * for a proxy. Returns 0, or -EINVAL after one line on
 * the log.
 */
int listener_parse(const char *text, struct listener_address *ret_address);

/*
 * Returns 0 or -errno after one line on the log with the remedy. @ret_fd: non-blocking.
 *
 * A unix socket is for its owner and its group (0660), which is that of a folder with the set-group-ID
 * bit; one that nobody serves any more is replaced, and nothing else is.
 */
int listener_open(const struct listener_address *address, int *ret_fd);

/* What @fd is bound to: its port is the one picked when 0 was asked for. */
int listener_bound(int fd, struct listener_address *ret_address);

bool listener_is_unix(const struct listener_address *address);
bool listener_is_loopback(const struct listener_address *address);
bool listener_is_wildcard(const struct listener_address *address);
uint16_t listener_port(const struct listener_address *address); /* 0 of a unix socket */

/* Whether somebody listens on a unix socket of @type; true as well where that cannot be told. */
bool listener_is_served(const struct sockaddr_un *address, int type);

/* As it stands in a URL: IPv6 in brackets. The path of a unix socket. */
void listener_name(const struct listener_address *address, char ret_name[LISTENER_NAME_SIZE_MAX]);

#endif
