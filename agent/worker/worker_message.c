/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker_message.h"

#include "base/packet.h"

int worker_message_send(int socket, const void *head, size_t head_size, const void *body,
			size_t body_size, struct worker_message_fds fds)
{
	size_t count = 0;

	while (count < WORKER_MESSAGE_FDS_MAX && fds.at[count] >= 0)
		count++;
	return packet_send(socket, head, head_size, body, body_size, fds.at, count);
}

int worker_message_receive(int socket, void *bytes, size_t size_max, size_t *ret_size,
			   struct worker_message_fds *ret_fds)
{
	struct worker_message_fds fds = worker_message_fds(-1, -1);
	int r = packet_receive(socket, bytes, size_max, ret_size, fds.at, WORKER_MESSAGE_FDS_MAX);

	if (r < 0)
		return r;
	*ret_fds = fds;
	return 0;
}
