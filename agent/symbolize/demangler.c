/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/demangler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/demangle.h"
#include "symbolize/name_cache.h"
#include "symbolize/symbol_jobs.h"
#include "worker/worker.h"

struct request {
	uint64_t key;
	uint32_t place; /* of the mangled name, in the texts */
	uint32_t size;
};

struct demangler {
	struct worker *worker;
	struct name_cache cache;   /* an empty name: it stays as it is */
	struct hash_index waiting; /* by key; ids are indexes of requests, from 1 */
	struct request requests[DEMANGLER_QUEUE_MAX];
	uint32_t request_count;
	uint32_t sent_count; /* of these, in the worker's hands: the first ones */
	uint32_t batch_max;  /* names that may be sent in one job; smaller after a failure */
	struct bytes_writer texts;
	uint64_t ready[DEMANGLER_READY_MAX]; /* keys whose names came */
	uint32_t ready_count;
	struct demangler_counters counters;
};

static bool request_is(uint32_t id, const void *wanted, const void *owner)
{
	const struct demangler *demangler = owner;

	return demangler->requests[id - 1].key == *(const uint64_t *)wanted;
}

int demangler_new(struct worker *worker, struct demangler **ret_demangler)
{
	CLEANUP(demangler_free) struct demangler *demangler = calloc(1, sizeof(*demangler));
	int r;

	if (!demangler)
		return -ENOMEM;
	demangler->worker = worker;
	demangler->batch_max = DEMANGLE_BATCH_MAX;
	demangler->waiting = hash_index_with_max(DEMANGLER_QUEUE_MAX);
	demangler->texts = bytes_writer_with_max(DEMANGLER_QUEUE_BYTES_MAX);
	r = name_cache_open(&demangler->cache);
	if (r < 0)
		return r;
	*ret_demangler = TAKE(demangler);
	return 0;
}

void demangler_free(struct demangler *demangler)
{
	if (!demangler)
		return;
	name_cache_close(&demangler->cache);
	hash_index_free(&demangler->waiting);
	bytes_writer_free(&demangler->texts);
	free(demangler);
}

/* Whether a late name will come. */
static bool want(struct demangler *demangler, uint64_t key, const char *name, uint32_t size)
{
	uint32_t place = (uint32_t)demangler->texts.size;

	if (hash_index_find(&demangler->waiting, hash_u64(key), request_is, &key, demangler))
		return true;
	if (size > DEMANGLE_SIZE_MAX)
		return false; /* stays as it is */
	if (demangler->request_count == DEMANGLER_QUEUE_MAX ||
	    size > DEMANGLER_QUEUE_BYTES_MAX - place) {
		demangler->counters.dropped++;
		return false;
	}
	bytes_write(&demangler->texts, name, size);
	if (demangler->texts.failed ||
	    hash_index_add(&demangler->waiting, hash_u64(key), demangler->request_count + 1) != 0) {
		demangler->texts.failed = false;
		demangler->texts.size = place;
		demangler->counters.dropped++;
		return false;
	}
	demangler->requests[demangler->request_count++] =
		(struct request){ .key = key, .place = place, .size = size };
	return true;
}

bool demangler_name(struct demangler *demangler, uint64_t key, const char **name, uint32_t *size)
{
	const char *demangled;
	uint32_t demangled_size;

	if (!demangle_is_mangled(*name, *size))
		return false;
	if (!name_cache_find(&demangler->cache, key, &demangled, &demangled_size))
		return want(demangler, key, *name, *size);
	if (demangled_size) {
		*name = demangled;
		*size = demangled_size;
	}
	return false;
}

/* Takes the first @count requests off the queue. */
static void remove_requests(struct demangler *demangler, uint32_t count)
{
	uint32_t left = demangler->request_count - count;
	uint32_t place = left ? demangler->requests[count].place : (uint32_t)demangler->texts.size;

	memmove(demangler->requests, demangler->requests + count,
		left * sizeof(demangler->requests[0]));
	if (place)
		memmove(demangler->texts.bytes, demangler->texts.bytes + place,
			demangler->texts.size - place);
	demangler->texts.size -= place;
	demangler->request_count = left;
	hash_index_clear(&demangler->waiting);
	for (uint32_t i = 0; i < left; i++) {
		demangler->requests[i].place -= place;
		hash_index_add(&demangler->waiting, hash_u64(demangler->requests[i].key), i + 1);
	}
}

static void take_result(struct demangler *demangler, uint64_t key, const char *name, size_t size)
{
	name_cache_put(&demangler->cache, key, name, (uint32_t)size);
	if (!size || demangler->ready_count == DEMANGLER_READY_MAX)
		return;
	demangler->ready[demangler->ready_count++] = key;
	demangler->counters.demangled++;
}

static void on_result(int outcome, struct worker_result result, void *context)
{
	struct demangler *demangler = context;
	struct bytes_reader batch = bytes_reader_of(result.bytes, result.size);
	uint32_t count = demangler->sent_count;
	const char *name;
	size_t size;

	demangler->sent_count = 0;
	if (outcome != 0 && count > 1) {
		demangler->batch_max = count / 2; /* they are still at the front of the queue */
		return;
	}
	demangler->counters.failed += outcome != 0;
	for (uint32_t i = 0; i < count; i++) {
		if (outcome != 0 || !demangle_batch_next(&batch, &name, &size) ||
		    size > DEMANGLED_SIZE_MAX) {
			name = "";
			size = 0;
		}
		take_result(demangler, demangler->requests[i].key, name, size);
	}
	remove_requests(demangler, count);
	worker_result_free(&result);
	demangler->batch_max = demangler->batch_max * 2 < DEMANGLE_BATCH_MAX
				       ? demangler->batch_max * 2
				       : DEMANGLE_BATCH_MAX;
}

void demangler_tick(struct demangler *demangler)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer batch = bytes_writer_with_max(WORKER_ARGUMENT_SIZE_MAX);
	uint32_t count = 0;

	if (demangler->sent_count || !demangler->request_count)
		return;
	while (count < demangler->request_count && count < demangler->batch_max) {
		const struct request *request = &demangler->requests[count];

		if (count && batch.size + request->size > DEMANGLER_BATCH_BYTES_MAX)
			break;
		demangle_batch_add(&batch, (const char *)demangler->texts.bytes + request->place,
				   request->size);
		count++;
	}
	if (batch.failed || worker_submit(demangler->worker, SYMBOL_JOB_DEMANGLE, -1, batch.bytes,
					  batch.size, on_result, demangler) != 0)
		return; /* the next tick tries again */
	demangler->sent_count = count;
}

bool demangler_next(struct demangler *demangler, struct late_name *ret_late_name)
{
	while (demangler->ready_count) {
		uint64_t key = demangler->ready[--demangler->ready_count];
		const char *name;
		uint32_t size;

		if (!name_cache_find(&demangler->cache, key, &name, &size))
			continue;
		*ret_late_name = (struct late_name){
			.key = key,
			.canonical_key = key,
			.name = name,
			.name_size = size,
		};
		return true;
	}
	return false;
}

const struct demangler_counters *demangler_counters(const struct demangler *demangler)
{
	return &demangler->counters;
}
