/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	V6_NETWORK_SIZE = 8, /* bytes of an address that one customer has all of the rest of */
	LIMIT_MS = PEER_WRONG_TOKENS_MAX * PEER_WRONG_TOKEN_MS,
};

static struct peer of_v4(struct in_addr address)
{
	struct peer peer = { .kind = PEER_V4 };

	peer.is_local = ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
	memcpy(peer.bytes, &address, sizeof(address));
	return peer;
}

static struct peer of_v6(const struct in6_addr *address)
{
	struct peer peer = { .kind = PEER_V6, .is_local = IN6_IS_ADDR_LOOPBACK(address) };

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		struct in_addr v4;

		memcpy(&v4, &address->s6_addr[12], sizeof(v4));
		return of_v4(v4);
	}
	memcpy(peer.bytes, address, sizeof(*address));
	return peer;
}

struct peer peer_of_socket(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage space;
	} address;
	socklen_t size = sizeof(address);
	struct ucred user;

	if (getpeername(fd, &address.any, &size) < 0)
		return (struct peer){ .kind = PEER_UNKNOWN };
	if (address.any.sa_family == AF_INET)
		return of_v4(address.v4.sin_addr);
	if (address.any.sa_family == AF_INET6)
		return of_v6(&address.v6.sin6_addr);
	size = sizeof(user);
	if (address.any.sa_family == AF_UNIX &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &size) == 0) {
		struct peer peer = { .kind = PEER_USER };

		memcpy(peer.bytes, &user.uid, sizeof(user.uid));
		return peer;
	}
	return (struct peer){ .kind = PEER_UNKNOWN };
}

bool peer_of_proxy(struct access_text forwarded, struct peer *ret_peer)
{
	const char *comma = forwarded.text ? memrchr(forwarded.text, ',', forwarded.size) : NULL;
	size_t begin = comma ? (size_t)(comma - forwarded.text) + 1 : 0, size;
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	while (begin < forwarded.size && forwarded.text[begin] == ' ')
		begin++;
	size = forwarded.size - begin;
	if (!forwarded.text || !size || size >= sizeof(text))
		return false;
	memcpy(text, forwarded.text + begin, size);
	text[size] = '\0';
	if (strlen(text) != size)
		return false;
	if (inet_pton(AF_INET, text, &v4) == 1)
		*ret_peer = of_v4(v4);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		*ret_peer = of_v6(&v6);
	else
		return false;
	return true;
}

void peer_name(const struct peer *peer, char ret_name[PEER_NAME_SIZE_MAX])
{
	uint32_t user;

	switch (peer->kind) {
	case PEER_V4:
		inet_ntop(AF_INET, peer->bytes, ret_name, PEER_NAME_SIZE_MAX);
		return;
	case PEER_V6:
		inet_ntop(AF_INET6, peer->bytes, ret_name, PEER_NAME_SIZE_MAX);
		return;
	case PEER_USER:
		memcpy(&user, peer->bytes, sizeof(user));
		snprintf(ret_name, PEER_NAME_SIZE_MAX, "user %u", user);
		return;
	case PEER_UNKNOWN:
		break;
	}
	snprintf(ret_name, PEER_NAME_SIZE_MAX, "an unknown address");
}

static bool is_same(const struct peer *one, const struct peer *other)
{
	size_t size = one->kind == PEER_V6 && !one->is_local ? V6_NETWORK_SIZE : sizeof(one->bytes);

	return one->kind == other->kind && memcmp(one->bytes, other->bytes, size) == 0;
}

/* As a bucket that runs out with time: each wrong token adds to what has to run out. */
static bool is_full(const struct peer_failure *row, uint64_t now_ms)
{
	return row->until_ms > now_ms + LIMIT_MS - PEER_WRONG_TOKEN_MS;
}

static const struct peer_failure *find(const struct peer_failures *failures,
				       const struct peer *peer)
{
	for (size_t i = 0; i < PEER_FAILURES_MAX; i++)
		if (failures->rows[i].until_ms && is_same(&failures->rows[i].peer, peer))
			return &failures->rows[i];
	return NULL;
}

bool peer_failures_limited(const struct peer_failures *failures, const struct peer *peer,
			   uint64_t now_ms)
{
	const struct peer_failure *row = find(failures, peer);

	return row && is_full(row, now_ms);
}

bool peer_failures_add(struct peer_failures *failures, const struct peer *peer, uint64_t now_ms)
{
	struct peer_failure *row = (struct peer_failure *)find(failures, peer);
	bool was_full;

	if (!row) {
		row = &failures->rows[0];
		for (size_t i = 1; i < PEER_FAILURES_MAX; i++)
			if (failures->rows[i].last_ms < row->last_ms)
				row = &failures->rows[i];
		*row = (struct peer_failure){ .peer = *peer };
	}
	was_full = is_full(row, now_ms);
	row->last_ms = now_ms;
	if (row->until_ms < now_ms)
		row->until_ms = now_ms;
	if (!was_full)
		row->until_ms += PEER_WRONG_TOKEN_MS;
	return !was_full && is_full(row, now_ms);
}
