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
			size_t body_size, int fd)
{
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec parts[] = {
		{ .iov_base = (void *)head, .iov_len = head_size },
		{ .iov_base = (void *)body, .iov_len = body_size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };
	ssize_t sent;

	if (fd >= 0) {
		struct cmsghdr *rights;

		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Hands over the only descriptor of the message; closes all when there are more. */
static int take_descriptors(struct msghdr *message, int *ret_fd)
{
	int first = -1, count = 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		size_t size = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int), count++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
			if (count)
				fd_close(fd);
			else
				first = fd;
		}
	}
	if (count > 1 || message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		fd_close(first);
		return -EMSGSIZE;
	}
	*ret_fd = first;
	return 0;
}

int worker_message_receive(int socket, void *bytes, size_t size_max, size_t *ret_size, int *ret_fd)
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
	r = take_descriptors(&message, ret_fd);
	if (r < 0)
		return r;
	if (!size) {
		/* Nobody here sends empty packets. */
		fd_close(TAKE_FD(*ret_fd));
		return -EPIPE;
	}
	*ret_size = (size_t)size;
	return 0;
}
