/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a page sends, and the headers that let it in.
 *
 * The first byte says into how many pieces the message is cut; then whatever was understood is
 * served to its end, so that no cursor from outside reads beyond the window.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "profile/chunk.h"
#include "profile/sample_window.h"
#include "serve/access.h"
#include "serve/client.h"
#include "serve/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct sample_window *window;

static void fill(void)
{
	const struct sample_window_options options = { .bytes_max = 1 << 24 };

	if (sample_window_new(&options, &window) < 0)
		abort();
	for (uint32_t segment = 1; segment <= 5; segment++)
		for (uint32_t sequence = 0; sequence < 3; sequence++) {
			struct chunk *chunk = chunk_new(1000 * segment, 0);

			if (!chunk)
				abort();
			chunk->segment = segment;
			chunk->sequence = sequence;
			if (sequence == 2 && segment < 5)
				chunk->flags = WIRE_CHUNK_LAST;
			if (sample_window_add(window, chunk) < 0)
				abort();
			chunk_unref(chunk);
		}
}

static void serve(const uint8_t *bytes, size_t size, size_t piece)
{
	static uint8_t message[WIRE_MESSAGE_SIZE_MAX];
	const struct client_greeting greeting = { .instance_id = 1, .source = WIRE_SOURCE_LIVE };
	CLEANUP(client_free) struct client *client = NULL;
	size_t message_size, total = 0;
	int r = 0;

	if (client_new(window, &greeting, &client) < 0)
		abort();
	do {
		size_t part = size < piece ? size : piece;

		r = client_receive(client, bytes, part, part == size);
		bytes += part;
		size -= part;
	} while (!r && size);
	while (client_next_message(client, message, &message_size) == 0)
		total += message_size;
	if (total > 200000)
		abort(); /* more than the window holds */
}

static void let_in(const uint8_t *bytes, size_t size)
{
	static const char *const HOSTS[] = { "box.example" };
	const struct access_text text = { (const char *)bytes, size };
	const struct access_tokens tokens = {
		.tokens = { { "abcdefghijklmnopqrstuvwxyz012345", 32, ACCESS_ALL, "" } },
		.count = 1,
	};
	struct access_tokens parsed;
	struct access_text candidate;
	struct peer peer;
	unsigned int line;

	if (!access_tokens_parse(text.text, size, &parsed, &line) && !parsed.count)
		abort();
	peer_of_proxy(text, &peer);
	access_host_allowed(text, HOSTS, 1);
	access_origin_matches(text, (struct access_text){ "localhost", 9 },
			      ACCESS_SCHEME_HTTP | ACCESS_SCHEME_HTTPS);
	if (access_protocols_token(text, &candidate))
		access_tokens_find(&tokens, candidate);
	if (access_bearer_token(text, &candidate))
		access_tokens_find(&tokens, candidate);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!window)
		fill();
	if (!size)
		return 0;
	serve(bytes + 1, size - 1, bytes[0] ? bytes[0] : size);
	let_in(bytes + 1, size - 1);
	return 0;
}
