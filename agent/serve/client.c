/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A position's offset once the whole segment was sent; no segment is that large. */
#define SENT_WHOLE UINT32_MAX

struct position {
	uint32_t segment;
	uint32_t offset; /* bytes sent, or SENT_WHOLE */
};

struct client {
	const struct sample_window *window; /* borrowed */
	struct client_greeting greeting;
	struct bytes_writer received; /* the message that is arriving */
	bool greeted;
	bool resumed;
	bool caught_up;		    /* and told so */
	struct position *positions; /* sorted by segment; the last is the newest */
	uint32_t position_count;
	uint32_t position_capacity;
	uint32_t
		history_count; /* of positions at the front: all between them and the last are whole */
	uint32_t tracked;      /* the newest segment that was ever added to the positions */
	uint64_t skipped_count;
};

int client_new(const struct sample_window *window, const struct client_greeting *greeting,
	       struct client **ret_client)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->window = window;
	client->greeting = *greeting;
	client->received = bytes_writer_with_max(WIRE_MESSAGE_SIZE_MAX);
	*ret_client = client;
	return 0;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	bytes_writer_free(&client->received);
	free(client->positions);
	free(client);
}

bool client_resumed(const struct client *client)
{
	return client->resumed;
}

uint64_t client_skipped(const struct client *client)
{
	return client->skipped_count;
}

/* Takes the oldest position off. Returns whether its segment was not sent whole: counted. */
static bool drop_oldest(struct client *client)
{
	bool skipped = client->positions[0].offset != SENT_WHOLE;

	client->position_count--;
	memmove(client->positions, client->positions + 1,
		client->position_count * sizeof(*client->positions));
	if (client->history_count)
		client->history_count--;
	client->skipped_count += skipped;
	return skipped;
}

static bool oldest_was_evicted(const struct client *client)
{
	return client->position_count &&
	       client->positions[0].segment < sample_window_oldest(client->window);
}

static int positions_grow(struct client *client)
{
	uint32_t capacity = client->position_capacity ? client->position_capacity * 2 : 16;
	struct position *positions;

	if (capacity > CLIENT_SEGMENTS_MAX)
		capacity = CLIENT_SEGMENTS_MAX;
	positions = realloc(client->positions, capacity * sizeof(*positions));
	if (!positions)
		return -ENOMEM;
	client->positions = positions;
	client->position_capacity = capacity;
	return 0;
}

static int position_add(struct client *client, uint32_t segment)
{
	int r;

	/* Full of segments that are gone: their loss is counted, telling it would need more room. */
	while (client->position_count == CLIENT_SEGMENTS_MAX && oldest_was_evicted(client))
		drop_oldest(client);
	if (client->position_count == client->position_capacity) {
		if (client->position_capacity == CLIENT_SEGMENTS_MAX)
			return -ENOBUFS;
		r = positions_grow(client);
		if (r < 0)
			return r;
	}
	if (client->position_count &&
	    client->positions[client->position_count - 1].offset != SENT_WHOLE)
		client->history_count = client->position_count;
	client->positions[client->position_count++] = (struct position){ .segment = segment };
	client->tracked = segment;
	return 0;
}

int client_track(struct client *client)
{
	uint32_t segment;
	int r;

	if (!client->resumed)
		return 0;
	while ((segment = sample_window_after(client->window, client->tracked))) {
		r = position_add(client, segment);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct position *position_find(struct client *client, uint32_t segment)
{
	uint32_t low = 0, high = client->position_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (client->positions[middle].segment < segment)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == client->position_count || client->positions[low].segment != segment)
		return NULL;
	return &client->positions[low];
}

/* More than there is cannot have come from here: such a segment is sent from its start. */
static void resume_row(struct client *client, uint32_t number, uint32_t offset)
{
	struct position *position = position_find(client, number);
	struct sample_window_segment segment;

	if (position && sample_window_segment(client->window, number, &segment) &&
	    offset <= segment.size)
		position->offset = offset;
}

/* struct wire_resume and its rows, nothing before and nothing behind. */
static int resume(struct client *client, struct bytes_reader reader)
{
	uint64_t instance_id = bytes_read_u64(&reader);
	uint32_t count = bytes_read_u32(&reader);
	int r;

	bytes_read_u32(&reader);
	if (reader.failed || count > WIRE_RESUME_SEGMENTS_MAX ||
	    bytes_left(&reader) != count * sizeof(struct wire_resume_row))
		return CLIENT_BAD_MESSAGE;

	client->resumed = true;
	r = client_track(client);
	if (r < 0)
		return r;
	if (instance_id == client->greeting.instance_id)
		for (uint32_t i = 0; i < count; i++) {
			uint32_t number = bytes_read_u32(&reader);

			resume_row(client, number, bytes_read_u32(&reader));
		}
	client->history_count = client->position_count;
	return 0;
}

static int check_head(const struct client *client)
{
	const uint8_t *head = client->received.bytes;

	if (client->received.size > 0 && head[0] != WIRE_MESSAGE_RESUME)
		return CLIENT_BAD_MESSAGE;
	if (client->received.size > 1 && head[1] != WIRE_VERSION_MAJOR)
		return CLIENT_BAD_VERSION;
	return 0;
}

int client_receive(struct client *client, const void *bytes, size_t size, bool last)
{
	struct bytes_reader reader;
	int r;

	if (client->resumed)
		return CLIENT_BAD_MESSAGE;
	if (size > WIRE_MESSAGE_SIZE_MAX - client->received.size)
		return CLIENT_BAD_MESSAGE;
	bytes_write(&client->received, bytes, size);
	if (client->received.failed)
		return -ENOMEM;
	r = check_head(client);
	if (r || !last)
		return r;

	reader = bytes_reader_of(client->received.bytes, client->received.size);
	if (!bytes_read(&reader, sizeof(struct wire_message_header)))
		return CLIENT_BAD_MESSAGE;
	r = resume(client, reader);
	bytes_writer_free(&client->received);
	client->received = bytes_writer_with_max(WIRE_MESSAGE_SIZE_MAX);
	return r;
}

static uint8_t *put_header(const struct client *client, struct wire_message_header header,
			   uint8_t *ret_message)
{
	header.version_major = WIRE_VERSION_MAJOR;
	header.oldest_segment = sample_window_oldest(client->window);
	memcpy(ret_message, &header, sizeof(header));
	return ret_message + sizeof(header);
}

static size_t greet(const struct client *client, uint8_t *ret_message)
{
	const struct wire_message_header header = { .kind = WIRE_MESSAGE_HELLO };
	const struct wire_file_header hello = {
		.magic = { 0x89, 'F', 'L', 'K', '\r', '\n', 0x1a, '\n' },
		.version_major = WIRE_VERSION_MAJOR,
		.version_minor = WIRE_VERSION_MINOR,
		.header_size = sizeof(hello),
		.instance_id = client->greeting.instance_id,
		.source = client->greeting.source,
		.oldest_segment = sample_window_oldest(client->window),
		.open_segment = sample_window_open(client->window),
	};

	memcpy(put_header(client, header, ret_message), &hello, sizeof(hello));
	return sizeof(header) + sizeof(hello);
}

/* The unsent bytes at @position, as many as a message holds; 0 when there are none at present. */
static size_t put_bytes(const struct client *client, struct position *position,
			uint8_t *ret_message)
{
	const struct wire_message_header header = {
		.kind = WIRE_MESSAGE_BYTES,
		.segment = position->segment,
		.offset = position->offset,
	};
	uint8_t *const begin = put_header(client, header, ret_message);
	uint32_t room = WIRE_MESSAGE_SIZE_MAX - sizeof(header);
	uint8_t *at = begin;

	while (room && position->offset != SENT_WHOLE) {
		const uint8_t *bytes;
		uint32_t size = sample_window_read(client->window, position->segment,
						   position->offset, &bytes);

		if (!size)
			break;
		if (size > room)
			size = room;
		memcpy(at, bytes, size);
		at += size;
		room -= size;
		position->offset += size;
	}
	return at == begin ? 0 : (size_t)(at - ret_message);
}

static void mark_whole(const struct client *client, struct position *position)
{
	struct sample_window_segment segment;

	if (sample_window_segment(client->window, position->segment, &segment) && segment.closed &&
	    position->offset == segment.size)
		position->offset = SENT_WHOLE;
}

static size_t put_position(const struct client *client, struct position *position,
			   uint8_t *ret_message)
{
	size_t size = put_bytes(client, position, ret_message);

	mark_whole(client, position);
	return size;
}

/* The newest segment first, then what is missing of the others, from the newest to the oldest. */
static size_t put_newest_bytes(struct client *client, uint8_t *ret_message)
{
	struct position *newest = &client->positions[client->position_count - 1];
	size_t size = put_position(client, newest, ret_message);

	while (!size && client->history_count) {
		size = put_position(client, &client->positions[client->history_count - 1],
				    ret_message);
		if (!size)
			client->history_count--;
	}
	return size;
}

int client_next_message(struct client *client, uint8_t ret_message[WIRE_MESSAGE_SIZE_MAX],
			size_t *ret_size)
{
	struct wire_message_header header = { 0 };
	int r;

	if (!client->greeted) {
		client->greeted = true;
		*ret_size = greet(client, ret_message);
		return 0;
	}
	if (!client->resumed)
		return CLIENT_NOTHING_TO_SEND;
	r = client_track(client);
	if (r < 0)
		return r;
	while (oldest_was_evicted(client)) {
		header.kind = WIRE_MESSAGE_SKIPPED;
		header.segment = client->positions[0].segment;
		header.offset = client->positions[0].offset;
		if (drop_oldest(client)) {
			put_header(client, header, ret_message);
			*ret_size = sizeof(header);
			return 0;
		}
	}
	*ret_size = client->position_count ? put_newest_bytes(client, ret_message) : 0;
	if (*ret_size)
		return 0;
	if (client->caught_up)
		return CLIENT_NOTHING_TO_SEND;
	client->caught_up = true;
	header.kind = WIRE_MESSAGE_CAUGHT_UP;
	put_header(client, header, ret_message);
	*ret_size = sizeof(header);
	return 0;
}

bool client_is_up_to_date(const struct client *client)
{
	const struct position *newest;
	struct sample_window_segment segment;

	if (!client->caught_up || client->history_count || oldest_was_evicted(client) ||
	    sample_window_after(client->window, client->tracked))
		return false;
	if (!client->position_count)
		return true;
	newest = &client->positions[client->position_count - 1];
	return newest->offset == SENT_WHOLE ||
	       (sample_window_segment(client->window, newest->segment, &segment) &&
		newest->offset == segment.size);
}
