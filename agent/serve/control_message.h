/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said over the agent's control socket (serve/control.h): one datagram each way, numbers
 * little-endian.
 *
 *	request	 magic u32, version u16, kind u16, last_us u64; with it, by SCM_RIGHTS, one
 *		 descriptor of an empty regular file that is open for writing
 *	reply	 magic u32, version u16, kind u16, errno u32 (0: all is well), reserved u32, bytes u64
 *
 * Pure functions of bytes.
 */
#ifndef FLICKERSCOPE_CONTROL_MESSAGE_H
#define FLICKERSCOPE_CONTROL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum control_message_size {
	CONTROL_REQUEST_SIZE = 16,
	CONTROL_REPLY_SIZE = 24,
	CONTROL_MESSAGE_SIZE_MAX = 64, /* what is read of one: a longer one is refused */
};

/* Write the window to the file. */
struct control_request {
	uint64_t last_us; /* only the newest part of it; 0: all */
};

struct control_reply {
	int error;	/* 0 or -errno: why the file is not whole */
	uint64_t bytes; /* written */
};

void control_request_write(const struct control_request *request,
			   uint8_t ret_bytes[CONTROL_REQUEST_SIZE]);
void control_reply_write(const struct control_reply *reply, uint8_t ret_bytes[CONTROL_REPLY_SIZE]);

/* False for anything else than one whole message of this version. */
bool control_request_read(const void *bytes, size_t size, struct control_request *ret_request);
bool control_reply_read(const void *bytes, size_t size, struct control_reply *ret_reply);

#endif
