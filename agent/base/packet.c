/* SPDX-License-Identifier: Apache-2.0 */
#include "base/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"

/* Room for all that may come, so that all can be closed. */
union control {
	struct cmsghdr aligned;
	char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
};

int packet_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size,
		const int *fds, size_t fd_count)
{
	union control control;
	struct iovec parts[] = {
		{ .iov_base = (void *)head, .iov_len = head_size },
		{ .iov_base = (void *)body, .iov_len = body_size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };
	ssize_t sent;

	if (fd_count > PACKET_FDS_MAX)
		return -EINVAL;
	if (fd_count) {
		struct cmsghdr *rights;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		memset(control.bytes, 0, message.msg_controllen);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static void close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fd_close(TAKE_FD(fds[i]));
}

/* Hands over the descriptors of the message; closes all when there are too many. */
static int take_descriptors(struct msghdr *message, int *ret_fds, size_t fds_max)
{
	size_t count = 0;

	for (size_t i = 0; i < fds_max; i++)
		ret_fds[i] = -1;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		size_t size = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int), count++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
			if (count < fds_max)
				ret_fds[count] = fd;
			else
				fd_close(fd);
		}
	}
	if (count > fds_max || message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		close_all(ret_fds, fds_max);
		return -EMSGSIZE;
	}
	return 0;
}

int packet_receive(int socket, void *bytes, size_t size_max, size_t *ret_size, int *ret_fds,
		   size_t fds_max)
{
	union control control;
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
	r = take_descriptors(&message, ret_fds, fds_max);
	if (r < 0)
		return r;
	if (!size) {
		/* Nobody here sends empty packets. */
		close_all(ret_fds, fds_max);
		return -EPIPE;
	}
	*ret_size = (size_t)size;
	return 0;
}
