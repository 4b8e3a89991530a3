/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"

/* SCM_MAX_FD of the kernel: room for all that may come, so that all can be closed. */
enum { DESCRIPTORS_RECEIVED_MAX = 253 };

int worker_message_send(int socket, const void *head, size_t head_size, const void *body,
			size_t body_size, struct worker_message_fds fds)
{
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(sizeof(fds.at))];
	} control = { 0 };
	struct iovec parts[] = {
		{ .iov_base = (void *)head, .iov_len = head_size },
		{ .iov_base = (void *)body, .iov_len = body_size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };
	size_t count = 0;
	ssize_t sent;

	while (count < WORKER_MESSAGE_FDS_MAX && fds.at[count] >= 0)
		count++;
	if (count) {
		struct cmsghdr *rights;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(rights), fds.at, count * sizeof(int));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Hands over the descriptors of the message; closes all when there are too many. */
static int take_descriptors(struct msghdr *message, struct worker_message_fds *ret_fds)
{
	struct worker_message_fds fds = worker_message_fds(-1, -1);
	size_t count = 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		size_t size = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int), count++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
			if (count < WORKER_MESSAGE_FDS_MAX)
				fds.at[count] = fd;
			else
				fd_close(fd);
		}
	}
	if (count > WORKER_MESSAGE_FDS_MAX || message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		worker_message_fds_close(&fds);
		return -EMSGSIZE;
	}
	*ret_fds = fds;
	return 0;
}

int worker_message_receive(int socket, void *bytes, size_t size_max, size_t *ret_size,
			   struct worker_message_fds *ret_fds)
{
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(DESCRIPTORS_RECEIVED_MAX * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = bytes, .iov_len = size_max };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t size;
	int r;

	do
		size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size < 0)
		return -errno;
	r = take_descriptors(&message, ret_fds);
	if (r < 0)
		return r;
	if (!size) {
		/* Nobody here sends empty packets. */
		worker_message_fds_close(ret_fds);
		return -EPIPE;
	}
	*ret_size = (size_t)size;
	return 0;
}
