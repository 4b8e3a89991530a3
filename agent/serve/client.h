/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one page has of the window, and what it gets next: a cursor that makes one message at a time.
 *
 * Order: always the newest segment that has unsent bytes. So the open segment comes first, whatever
 * is missing of the closed ones follows from the newest to the oldest, and when a segment closes
 * under a slow client, that client goes on with the new one and gets the rest as history. What
 * leaves the window unsent is told (WIRE_MESSAGE_SKIPPED) and counted.
 *
 * Memory: 8 bytes for each segment held, CLIENT_SEGMENTS_MAX at most; nothing waits in a queue here.
 * Knows no sockets. Loop thread.
 */
#ifndef FLICKERSCOPE_CLIENT_H
#define FLICKERSCOPE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "profile/sample_window.h"
#include "wire.h"

enum client_limit {
	CLIENT_SEGMENTS_MAX = SAMPLE_WINDOW_SEGMENTS_MAX,
};

enum client_outcome {
	CLIENT_BAD_MESSAGE = 1, /* hang up with WIRE_CLOSE_BAD_MESSAGE */
	CLIENT_BAD_VERSION,	/* hang up with WIRE_CLOSE_VERSION */
	CLIENT_NOTHING_TO_SEND,
};

struct client;

/* What the greeting says of the agent. */
struct client_greeting {
	uint64_t instance_id;
	enum wire_source source;
};

int client_new(const struct sample_window *window, const struct client_greeting *greeting,
	       struct client **ret_client);
void client_free(struct client *client); /* NULL is fine */
DEFINE_CLEANUP(struct client *, client_free);

/*
 * Takes the next fragment of a binary message; @last ends the message. Bounded: a message that
 * cannot be a RESUME is refused while it arrives.
 *
 * Returns 0, CLIENT_BAD_MESSAGE, CLIENT_BAD_VERSION, or -ENOMEM.
 */
int client_receive(struct client *client, const void *bytes, size_t size, bool last);

/* Whether the page has said what it has; before that it gets the greeting only. */
bool client_resumed(const struct client *client);

/*
 * Looks which segments came and went. To be called whenever the window changed, also while
 * the client's socket is full: what it doesn't see cannot be told as skipped. Returns 0 or -ENOMEM.
 */
int client_track(struct client *client);

/*
 * Makes the next message: WIRE_MESSAGE_SIZE_MAX bytes at most. It counts as sent.
 *
 * Returns 0, CLIENT_NOTHING_TO_SEND, or -ENOMEM.
 */
int client_next_message(struct client *client, uint8_t ret_message[WIRE_MESSAGE_SIZE_MAX],
			size_t *ret_size);

/* Whether all that is there has been sent: nothing follows until the window changes. */
bool client_is_up_to_date(const struct client *client);

/* Segments that left the window before this client had them whole. */
uint64_t client_skipped(const struct client *client);

#endif
