/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/client.h"

#include "base/bytes.h"
#include "check.h"
#include "profile/chunk.h"

static const struct client_greeting GREETING = {
	.instance_id = 77,
	.source = WIRE_SOURCE_LIVE,
};

static struct sample_window *window_with(uint64_t bytes_max)
{
	struct sample_window *window = NULL;

	CHECK_EQ(sample_window_new(&(struct sample_window_options){ .bytes_max = bytes_max },
				   &window),
		 0);
	return window;
}

static void window_add(struct sample_window *window, uint32_t segment, uint32_t sequence,
		       uint32_t size, bool last)
{
	CLEANUP(chunk_unref) struct chunk *chunk = chunk_new(size, 0);

	CHECK_OR_RETURN(chunk != NULL);
	chunk->segment = segment;
	chunk->sequence = sequence;
	chunk->flags = last ? WIRE_CHUNK_LAST : 0;
	memset(chunk->bytes, (int)(segment * 16 + sequence), size);
	CHECK_EQ(sample_window_add(window, chunk), 0);
}

static void window_add_closed(struct sample_window *window, uint32_t segment, uint32_t size)
{
	window_add(window, segment, 0, size, true);
}

struct message {
	struct wire_message_header header;
	size_t size; /* of the payload */
	uint8_t payload[WIRE_MESSAGE_SIZE_MAX];
};

static int next(struct client *client, struct message *ret_message)
{
	uint8_t bytes[WIRE_MESSAGE_SIZE_MAX];
	bool up_to_date = client_is_up_to_date(client);
	size_t size;
	int r = client_next_message(client, bytes, &size);

	CHECK(!up_to_date || r == CLIENT_NOTHING_TO_SEND);
	if (r)
		return r;
	CHECK(size >= sizeof(ret_message->header) && size <= sizeof(bytes));
	memcpy(&ret_message->header, bytes, sizeof(ret_message->header));
	ret_message->size = size - sizeof(ret_message->header);
	memcpy(ret_message->payload, bytes + sizeof(ret_message->header), ret_message->size);
	CHECK_EQ(ret_message->header.version_major, WIRE_VERSION_MAJOR);
	return 0;
}

static void expect(struct client *client, enum wire_message_kind kind, uint32_t segment,
		   uint32_t offset, size_t size)
{
	struct message message = { .size = 0 };

	CHECK_EQ(next(client, &message), 0);
	CHECK_EQ(message.header.kind, kind);
	CHECK_EQ(message.header.segment, segment);
	CHECK_EQ(message.header.offset, offset);
	CHECK_EQ(message.size, size);
}

static void expect_nothing(struct client *client)
{
	struct message message;

	CHECK_EQ(next(client, &message), CLIENT_NOTHING_TO_SEND);
	CHECK_EQ(client_is_up_to_date(client), client_resumed(client));
}

static struct bytes_writer resume_bytes(uint64_t instance_id, const struct wire_resume_row *rows,
					uint32_t count)
{
	struct bytes_writer writer = bytes_writer_with_max(1 << 20);
	const struct wire_message_header header = {
		.kind = WIRE_MESSAGE_RESUME,
		.version_major = WIRE_VERSION_MAJOR,
	};
	const struct wire_resume resume = { .instance_id = instance_id, .segment_count = count };

	bytes_write(&writer, &header, sizeof(header));
	bytes_write(&writer, &resume, sizeof(resume));
	bytes_write(&writer, rows, count * sizeof(*rows));
	return writer;
}

static int resume(struct client *client, uint64_t instance_id, const struct wire_resume_row *rows,
		  uint32_t count)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer writer = resume_bytes(instance_id, rows, count);

	return client_receive(client, writer.bytes, writer.size, true);
}

/* Greeted, and with nothing of its own. */
static struct client *client_of(const struct sample_window *window)
{
	struct client *client = NULL;

	CHECK_EQ(client_new(window, &GREETING, &client), 0);
	expect(client, WIRE_MESSAGE_HELLO, 0, 0, sizeof(struct wire_file_header));
	CHECK_EQ(resume(client, 0, NULL, 0), 0);
	return client;
}

static void greeting_comes_first_and_alone(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;
	struct message message = { .size = 0 };
	struct wire_file_header hello;

	window_add_closed(window, 3, 10);
	window_add(window, 4, 0, 10, false);
	CHECK_EQ(client_new(window, &GREETING, &client), 0);
	CHECK_EQ(next(client, &message), 0);
	CHECK_EQ(message.header.kind, WIRE_MESSAGE_HELLO);
	CHECK_EQ(message.header.oldest_segment, 3);
	memcpy(&hello, message.payload, sizeof(hello));
	CHECK_EQ(message.size, sizeof(hello));
	CHECK_EQ(memcmp(hello.magic,
			"\x89"
			"FLK\r\n\x1a\n",
			8),
		 0);
	CHECK_EQ(hello.header_size, sizeof(hello));
	CHECK_EQ(hello.instance_id, 77);
	CHECK_EQ(hello.source, WIRE_SOURCE_LIVE);
	CHECK_EQ(hello.oldest_segment, 3);
	CHECK_EQ(hello.open_segment, 4);
	expect_nothing(client);
	CHECK(!client_resumed(client));
}

static void open_segment_comes_before_history_from_new_to_old(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;

	window_add_closed(window, 1, 100);
	window_add_closed(window, 2, 200);
	window_add(window, 3, 0, 30, false);
	client = client_of(window);
	expect(client, WIRE_MESSAGE_BYTES, 3, 0, 30);
	expect(client, WIRE_MESSAGE_BYTES, 2, 0, 200);
	expect(client, WIRE_MESSAGE_BYTES, 1, 0, 100);
	expect(client, WIRE_MESSAGE_CAUGHT_UP, 0, 0, 0);
	expect_nothing(client);
	window_add(window, 3, 1, 7, false);
	expect(client, WIRE_MESSAGE_BYTES, 3, 30, 7);
	expect_nothing(client);
	CHECK_EQ(client_skipped(client), 0);
}

static void new_bytes_overtake_history(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;
	const uint32_t room = WIRE_MESSAGE_SIZE_MAX - sizeof(struct wire_message_header);

	window_add_closed(window, 1, 2 * room + 5);
	window_add(window, 2, 0, 10, false);
	client = client_of(window);
	expect(client, WIRE_MESSAGE_BYTES, 2, 0, 10);
	expect(client, WIRE_MESSAGE_BYTES, 1, 0, room);
	window_add(window, 2, 1, 10, false);
	expect(client, WIRE_MESSAGE_BYTES, 2, 10, 10);
	expect(client, WIRE_MESSAGE_BYTES, 1, room, room);
	expect(client, WIRE_MESSAGE_BYTES, 1, 2 * room, 5);
	expect(client, WIRE_MESSAGE_CAUGHT_UP, 0, 0, 0);
}

static void segment_that_closes_under_a_slow_client_becomes_history(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;
	const uint32_t room = WIRE_MESSAGE_SIZE_MAX - sizeof(struct wire_message_header);

	window_add(window, 1, 0, room + 100, false);
	client = client_of(window);
	expect(client, WIRE_MESSAGE_BYTES, 1, 0, room);
	window_add(window, 1, 1, 50, true);
	window_add(window, 2, 0, 9, false);
	expect(client, WIRE_MESSAGE_BYTES, 2, 0, 9);
	expect(client, WIRE_MESSAGE_BYTES, 1, room, 150);
	expect(client, WIRE_MESSAGE_CAUGHT_UP, 0, 0, 0);
	expect_nothing(client);
}

static void several_chunks_fill_one_message(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;
	struct message message = { .size = 0 };

	window_add(window, 1, 0, 10, false);
	window_add(window, 1, 1, 20, false);
	client = client_of(window);
	CHECK_EQ(next(client, &message), 0);
	CHECK_EQ(message.size, 30);
	CHECK_EQ(message.payload[0], 16);
	CHECK_EQ(message.payload[9], 16);
	CHECK_EQ(message.payload[10], 17);
	CHECK_EQ(message.payload[29], 17);
}

static void what_leaves_the_window_unsent_is_told_once(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(1);
	CLEANUP(client_free) struct client *client = NULL;
	const uint32_t size = SAMPLE_WINDOW_BYTES_LEAST / 2;

	window_add_closed(window, 1, size - 1000);
	window_add(window, 2, 0, 10, false);
	client = client_of(window);
	expect(client, WIRE_MESSAGE_BYTES, 2, 0, 10);
	window_add(window, 2, 1, size, true);
	CHECK_EQ(client_track(client), 0);
	window_add_closed(window, 3, size);
	CHECK_EQ(client_track(client), 0);
	window_add(window, 4, 0, size, true);
	CHECK_EQ(sample_window_oldest(window), 4);
	expect(client, WIRE_MESSAGE_SKIPPED, 1, 0, 0);
	expect(client, WIRE_MESSAGE_SKIPPED, 2, 10, 0);
	expect(client, WIRE_MESSAGE_SKIPPED, 3, 0, 0);
	CHECK_EQ(client_skipped(client), 3);
	expect(client, WIRE_MESSAGE_BYTES, 4, 0,
	       WIRE_MESSAGE_SIZE_MAX - sizeof(struct wire_message_header));
}

static void what_was_sent_whole_leaves_in_silence(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(1);
	CLEANUP(client_free) struct client *client = NULL;

	window_add_closed(window, 1, 1000);
	window_add_closed(window, 2, 1000);
	client = client_of(window);
	expect(client, WIRE_MESSAGE_BYTES, 2, 0, 1000);
	expect(client, WIRE_MESSAGE_BYTES, 1, 0, 1000);
	expect(client, WIRE_MESSAGE_CAUGHT_UP, 0, 0, 0);
	window_add(window, 3, 0, SAMPLE_WINDOW_BYTES_LEAST, false);
	CHECK_EQ(sample_window_oldest(window), 3);
	expect(client, WIRE_MESSAGE_BYTES, 3, 0,
	       WIRE_MESSAGE_SIZE_MAX - sizeof(struct wire_message_header));
	CHECK_EQ(client_skipped(client), 0);
}

static void resume_leaves_out_what_the_page_has(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;
	const struct wire_resume_row rows[] = {
		{ 9, 3 }, /* not there (yet) */
		{ 3, 5 },
		{ 1, 100 },
		{ 2, 201 }, /* more than there is */
	};

	window_add_closed(window, 1, 100);
	window_add_closed(window, 2, 200);
	window_add_closed(window, 3, 300);
	window_add(window, 5, 0, 50, false);
	CHECK_EQ(client_new(window, &GREETING, &client), 0);
	expect(client, WIRE_MESSAGE_HELLO, 0, 0, sizeof(struct wire_file_header));
	CHECK_EQ(resume(client, 77, rows, ARRAY_SIZE(rows)), 0);
	expect(client, WIRE_MESSAGE_BYTES, 5, 0, 50);
	expect(client, WIRE_MESSAGE_BYTES, 3, 5, 295);
	expect(client, WIRE_MESSAGE_BYTES, 2, 0, 200);
	expect(client, WIRE_MESSAGE_CAUGHT_UP, 0, 0, 0);
}

static void resume_from_another_instance_starts_anew(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;
	const struct wire_resume_row rows[] = { { 1, 100 } };

	window_add_closed(window, 1, 100);
	CHECK_EQ(client_new(window, &GREETING, &client), 0);
	expect(client, WIRE_MESSAGE_HELLO, 0, 0, sizeof(struct wire_file_header));
	CHECK_EQ(resume(client, 78, rows, 1), 0);
	expect(client, WIRE_MESSAGE_BYTES, 1, 0, 100);
}

/* Every cut of a good message, and good messages with one thing wrong. */
static void malformed_resume_is_refused(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	const struct wire_resume_row rows[] = { { 1, 2 }, { 3, 4 } };
	CLEANUP(bytes_writer_free) struct bytes_writer good = resume_bytes(77, rows, 2);

	for (size_t size = 0; size <= good.size; size++) {
		CLEANUP(client_free) struct client *client = NULL;

		CHECK_EQ(client_new(window, &GREETING, &client), 0);
		CHECK_EQ(client_receive(client, good.bytes, size, true),
			 size == good.size ? 0 : CLIENT_BAD_MESSAGE);
		CHECK_EQ(client_resumed(client), size == good.size);
	}
	for (size_t at = 0; at < 28; at++) {
		static const struct {
			size_t at;
			int outcome;
		} checked[] = { { 0, CLIENT_BAD_MESSAGE },
				{ 1, CLIENT_BAD_VERSION },
				{ 24, CLIENT_BAD_MESSAGE },
				{ 27, CLIENT_BAD_MESSAGE } };
		CLEANUP(client_free) struct client *client = NULL;
		int outcome = 0;

		for (size_t i = 0; i < ARRAY_SIZE(checked); i++)
			if (checked[i].at == at)
				outcome = checked[i].outcome;
		if (at == 25 || at == 26)
			continue; /* of the count, like its neighbours */
		CHECK_EQ(client_new(window, &GREETING, &client), 0);
		good.bytes[at] ^= 0x40;
		CHECK_EQ(client_receive(client, good.bytes, good.size, true), outcome);
		good.bytes[at] ^= 0x40;
	}
}

static void message_in_pieces_is_put_together_and_bounded(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = NULL;
	CLEANUP(client_free) struct client *other = NULL;
	CLEANUP(bytes_writer_free) struct bytes_writer good = resume_bytes(77, NULL, 0);
	int r = 0, pieces = 0;

	CHECK_EQ(client_new(window, &GREETING, &client), 0);
	for (size_t i = 0; i < good.size; i++)
		CHECK_EQ(client_receive(client, good.bytes + i, 1, i + 1 == good.size), 0);
	CHECK(client_resumed(client));

	CHECK_EQ(client_new(window, &GREETING, &other), 0);
	for (; !r && pieces < 10000; pieces++)
		r = client_receive(other, good.bytes, good.size, false);
	CHECK_EQ(r, CLIENT_BAD_MESSAGE);
	CHECK(pieces <= WIRE_MESSAGE_SIZE_MAX / 32 + 1);
}

static void second_message_is_refused(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(0);
	CLEANUP(client_free) struct client *client = client_of(window);

	CHECK_EQ(resume(client, 0, NULL, 0), CLIENT_BAD_MESSAGE);
}

static void as_many_segments_as_the_window_holds_are_sent_once(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = window_with(1 << 28);
	CLEANUP(client_free) struct client *client = NULL;
	uint32_t expected = CLIENT_SEGMENTS_MAX;

	for (uint32_t i = 1; i <= CLIENT_SEGMENTS_MAX; i++)
		window_add_closed(window, i, 8);
	client = client_of(window);
	for (; expected > 0; expected--)
		expect(client, WIRE_MESSAGE_BYTES, expected, 0, 8);
	expect(client, WIRE_MESSAGE_CAUGHT_UP, 0, 0, 0);

	/* A client that never asks while all of them are replaced: memory stays, loss is counted. */
	for (uint32_t i = 1; i <= 2 * CLIENT_SEGMENTS_MAX; i++) {
		window_add_closed(window, CLIENT_SEGMENTS_MAX + i, 8);
		CHECK_EQ(client_track(client), 0);
	}
	expect(client, WIRE_MESSAGE_BYTES, 3 * CLIENT_SEGMENTS_MAX, 0, 8);
	CHECK_EQ(client_skipped(client), CLIENT_SEGMENTS_MAX);
}

TESTS(TEST(greeting_comes_first_and_alone), TEST(open_segment_comes_before_history_from_new_to_old),
      TEST(new_bytes_overtake_history),
      TEST(segment_that_closes_under_a_slow_client_becomes_history),
      TEST(several_chunks_fill_one_message), TEST(what_leaves_the_window_unsent_is_told_once),
      TEST(what_was_sent_whole_leaves_in_silence), TEST(resume_leaves_out_what_the_page_has),
      TEST(resume_from_another_instance_starts_anew), TEST(malformed_resume_is_refused),
      TEST(message_in_pieces_is_put_together_and_bounded), TEST(second_message_is_refused),
      TEST(as_many_segments_as_the_window_holds_are_sent_once))
