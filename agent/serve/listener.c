/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"

static int parse_failed(const char *text)
{
	log_error("cannot listen on \"%s\": write an address and a port, such as 127.0.0.1:7780, "
		  "[::1]:7780, 127.0.0.1:0 for any free port, or unix:/PATH for a proxy",
		  text);
	return -EINVAL;
}

static bool parse_port(const char *text, uint16_t *ret_port)
{
	size_t size = strlen(text);
	unsigned long port;

	if (size < 1 || size > 5 || size != strspn(text, "0123456789"))
		return false;
	port = strtoul(text, NULL, 10);
	if (port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

static bool parse_v4(const char *name, uint16_t port, struct listener_address *ret_address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (!*name || strcmp(name, "localhost") == 0)
		name = "127.0.0.1";
	if (strcmp(name, "*") == 0)
		name = "0.0.0.0";
	if (inet_pton(AF_INET, name, &v4.sin_addr) != 1)
		return false;
	*ret_address = (struct listener_address){ .v4 = v4, .size = sizeof(v4) };
	return true;
}

static bool parse_v6(const char *name, uint16_t port, struct listener_address *ret_address)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET6, name, &v6.sin6_addr) != 1)
		return false;
	*ret_address = (struct listener_address){ .v6 = v6, .size = sizeof(v6) };
	return true;
}

#define UNIX_PREFIX "unix:"

static bool parse_unix(const char *path, struct listener_address *ret_address)
{
	struct listener_address address = { .local = { .sun_family = AF_UNIX },
					    .size = sizeof(address.local) };

	if (path[0] != '/' || strlen(path) >= sizeof(address.local.sun_path))
		return false;
	strcpy(address.local.sun_path, path);
	*ret_address = address;
	return true;
}

int listener_parse(const char *text, struct listener_address *ret_address)
{
	const char *colon = strrchr(text, ':');
	char name[LISTENER_NAME_SIZE_MAX];
	size_t size;
	uint16_t port;

	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		return parse_unix(text + strlen(UNIX_PREFIX), ret_address) ? 0 : parse_failed(text);
	if (!colon || !parse_port(colon + 1, &port))
		return parse_failed(text);
	size = (size_t)(colon - text);
	if (size >= sizeof(name))
		return parse_failed(text);
	memcpy(name, text, size);
	name[size] = '\0';
	if (name[0] == '[' && name[size - 1] == ']') {
		name[size - 1] = '\0';
		return parse_v6(name + 1, port, ret_address) ? 0 : parse_failed(text);
	}
	return parse_v4(name, port, ret_address) ? 0 : parse_failed(text);
}

static int open_failed(int error, const struct listener_address *address)
{
	char name[LISTENER_NAME_SIZE_MAX];
	unsigned int port = listener_port(address);

	listener_name(address, name);
	switch (-error) {
	case EADDRINUSE:
		log_error("port %u of %s is taken by another program, or by a flickerscope that "
			  "already runs: choose another with --listen %s:PORT, or any free one "
			  "with --listen %s:0",
			  port, name, name, name);
		return error;
	case EADDRNOTAVAIL:
		log_error("%s is no address of this machine: choose another with --listen", name);
		return error;
	case EACCES:
		log_error("not allowed to listen on port %u of %s: choose one above 1023 with "
			  "--listen %s:PORT, or run as root",
			  port, name, name);
		return error;
	}
	return log_errno(error, "listen on %s:%u", name, port);
}

bool listener_is_served(const struct sockaddr_un *address, int type)
{
	CLEANUP(fd_close) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       errno != ECONNREFUSED;
}

/* Left by one that was killed. */
static bool remove_stale(const struct sockaddr_un *address)
{
	struct stat status;

	return lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
	       !listener_is_served(address, SOCK_STREAM) && unlink(address->sun_path) == 0;
}

static int open_unix(const struct listener_address *address, int *ret_fd)
{
	CLEANUP(fd_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const char *path = address->local.sun_path;
	mode_t before;
	int r;

	if (fd < 0)
		return log_errno(-errno, "listen on %s", path);
	before = umask(0117);
	r = bind(fd, &address->any, address->size) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && remove_stale(&address->local))
		r = bind(fd, &address->any, address->size) < 0 ? -errno : 0;
	umask(before);
	if (r == -EADDRINUSE) {
		log_error(
			"cannot listen on %s: it is there already, and it is no socket or another "
			"program serves it",
			path);
		return r;
	}
	if (r == 0 && listen(fd, LISTENER_BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return log_errno(r, "listen on %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int listener_open(const struct listener_address *address, int *ret_fd)
{
	CLEANUP(fd_close) int fd = -1;
	const int on = 1;

	if (listener_is_unix(address))
		return open_unix(address, ret_fd);
	fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return open_failed(-errno, address);
	/* So that a restart need not wait until old connections are forgotten. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return open_failed(-errno, address);
	if (address->any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return open_failed(-errno, address);
	if (bind(fd, &address->any, address->size) < 0 || listen(fd, LISTENER_BACKLOG) < 0)
		return open_failed(-errno, address);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int listener_bound(int fd, struct listener_address *ret_address)
{
	struct listener_address bound = { .size = sizeof(bound.local) };

	if (getsockname(fd, &bound.any, &bound.size) < 0)
		return -errno;
	*ret_address = bound;
	return 0;
}

bool listener_is_unix(const struct listener_address *address)
{
	return address->any.sa_family == AF_UNIX;
}

bool listener_is_loopback(const struct listener_address *address)
{
	if (listener_is_unix(address))
		return false;
	if (address->any.sa_family == AF_INET)
		return ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

bool listener_is_wildcard(const struct listener_address *address)
{
	if (listener_is_unix(address))
		return false;
	if (address->any.sa_family == AF_INET)
		return address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

uint16_t listener_port(const struct listener_address *address)
{
	if (listener_is_unix(address))
		return 0;
	return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port
						       : address->v6.sin6_port);
}

void listener_name(const struct listener_address *address, char ret_name[LISTENER_NAME_SIZE_MAX])
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (listener_is_unix(address)) {
		snprintf(ret_name, LISTENER_NAME_SIZE_MAX, "%s", address->local.sun_path);
		return;
	}
	if (address->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof(text));
		snprintf(ret_name, LISTENER_NAME_SIZE_MAX, "%s", text);
		return;
	}
	inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof(text));
	snprintf(ret_name, LISTENER_NAME_SIZE_MAX, "[%s]", text);
}
