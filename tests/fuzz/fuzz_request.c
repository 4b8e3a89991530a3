/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request over HTTP by who holds the token: lines of the input are its path, query, range,
 * encodings, tags and the size of its body, which is sent with POST. What it gets has a head that
 * fits, and a profile only from the store.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/body.h"
#include "serve/request.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct access_text next_line(const uint8_t **bytes, size_t *size)
{
	const uint8_t *begin = *bytes, *end = *size ? memchr(begin, '\n', *size) : NULL;
	size_t line = end ? (size_t)(end - begin) : *size;

	*bytes += line + (end != NULL);
	*size -= line + (end != NULL);
	return (struct access_text){ (const char *)begin, line };
}

static void check(const struct answer *answer)
{
	char head[REQUEST_HEAD_SIZE_MAX], name[256];
	struct answer_data data = {
		.type = "application/octet-stream",
		.name = name,
		.size = 1,
		.file_size = UINT64_MAX,
		.file_first = answer->range.first,
	};

	memset(name, 0xff, sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	if (answer->content == ANSWER_DOWNLOAD && answer->from_us >= answer->to_us)
		abort();
	if (answer->range.given && answer->range.first > answer->range.last)
		abort();
	if (strlen(answer->name) >= sizeof(answer->name) ||
	    strlen(answer->event) >= sizeof(answer->event) ||
	    answer->body_size > WIRE_IMPORT_SIZE_MAX)
		abort();
	if (answer->status == REQUEST_UPGRADE)
		return;
	if (answer_head(answer, &data, head) >= sizeof(head))
		abort();
	data.size = BODY_SIZE_UNKNOWN;
	answer_head(answer, &data, head);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char bearer[] = "Bearer abcdefghijklmnopqrstuvwxyz012345";
	const struct access_tokens tokens = {
		.tokens = { { "abcdefghijklmnopqrstuvwxyz012345", 32, ACCESS_ALL, "" } },
		.count = 1,
	};
	struct request request = {
		.path = next_line(&bytes, &size),
		.query = next_line(&bytes, &size),
		.range = next_line(&bytes, &size),
		.accept_encoding = next_line(&bytes, &size),
		.if_none_match = next_line(&bytes, &size),
		.body_size = next_line(&bytes, &size),
		.host = { "localhost", 9 },
		.authorization = { bearer, sizeof(bearer) - 1 },
	};

	request.has_body = request.body_size.size > 0;
	request.method = request.has_body ? REQUEST_POST : REQUEST_GET;
	for (int live = 0; live < 2; live++) {
		const struct request_rules rules = {
			.tokens = &tokens,
			.schemes = ACCESS_SCHEME_HTTP,
			.live = live,
			.metrics = live,
			.profiles = !live,
			.imports = true,
			.start = live ? NULL : "/list.html",
		};
		struct answer answer = request_answer(&request, &rules);

		check(&answer);
		answer = answer_refuse(&answer, REQUEST_NOT_FOUND, "There is nothing.");
		check(&answer);
	}
	return 0;
}
