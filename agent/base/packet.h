/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets with file descriptors between our processes: SOCK_SEQPACKET and SCM_RIGHTS (unix(7)). What a
 * packet says is its receiver's business, and so is to doubt it. Any thread.
 */
#ifndef FLICKERSCOPE_PACKET_H
#define FLICKERSCOPE_PACKET_H

#include <stddef.h>

enum { PACKET_FDS_MAX = 253 }; /* SCM_MAX_FD of the kernel */

/*
 * Sends @head and, behind it, @body.
 *
 * @fds: sent along, borrowed.
 *
 * Returns 0 or -errno; -EAGAIN when the socket's buffer is full and it does not block.
 */
int packet_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size,
		const int *fds, size_t fd_count);

/*
 * Receives one packet of at most @size_max bytes; a longer one, and one with more descriptors than
 * @fds_max, is refused whole.
 *
 * @ret_fds: close-on-exec; owned by the caller. -1 behind the last one.
 *
 * Returns 0; -EPIPE when the other side is closed; -EMSGSIZE; or -errno, -EAGAIN among them.
 */
int packet_receive(int socket, void *bytes, size_t size_max, size_t *ret_size, int *ret_fds,
		   size_t fds_max);

#endif
