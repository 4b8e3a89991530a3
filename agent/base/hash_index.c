/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash_index.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SLOTS_LEAST = 64 };

struct hash_index hash_index_with_max(uint32_t entries_max)
{
	return (struct hash_index){ .entries_max = entries_max };
}

void hash_index_free(struct hash_index *index)
{
	free(index->slots);
	*index = hash_index_with_max(index->entries_max);
}

void hash_index_clear(struct hash_index *index)
{
	if (index->slots)
		memset(index->slots, 0, index->slot_count * sizeof(*index->slots));
	index->entry_count = 0;
}

static uint32_t fold(uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 32);
}

uint32_t hash_index_find(const struct hash_index *index, uint64_t hash, hash_index_equal equal,
			 const void *wanted, const void *owner)
{
	uint32_t mask = index->slot_count - 1, folded = fold(hash);

	if (!index->slots)
		return 0;
	for (uint32_t i = folded & mask; index->slots[i].id; i = (i + 1) & mask)
		if (index->slots[i].hash == folded && equal(index->slots[i].id, wanted, owner))
			return index->slots[i].id;
	return 0;
}

static void place(struct hash_index_slot *slots, uint32_t slot_count, struct hash_index_slot entry)
{
	uint32_t i = entry.hash & (slot_count - 1);

	while (slots[i].id)
		i = (i + 1) & (slot_count - 1);
	slots[i] = entry;
}

static int grow(struct hash_index *index)
{
	uint32_t slot_count = index->slot_count ? index->slot_count * 2 : SLOTS_LEAST;
	struct hash_index_slot *slots = calloc(slot_count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < index->slot_count; i++)
		if (index->slots[i].id)
			place(slots, slot_count, index->slots[i]);
	free(index->slots);
	index->slots = slots;
	index->slot_count = slot_count;
	return 0;
}

int hash_index_add(struct hash_index *index, uint64_t hash, uint32_t id)
{
	if (index->entry_count >= index->entries_max)
		return HASH_INDEX_FULL;
	if (index->entry_count * 4 >= index->slot_count * 3) {
		int r = grow(index);

		if (r < 0)
			return r;
	}
	place(index->slots, index->slot_count,
	      (struct hash_index_slot){ .hash = fold(hash), .id = id });
	index->entry_count++;
	return 0;
}

void hash_index_remove(struct hash_index *index, uint64_t hash, uint32_t id)
{
	uint32_t mask = index->slot_count - 1, i = fold(hash) & mask;

	if (!index->slots)
		return;
	while (index->slots[i].id && index->slots[i].id != id)
		i = (i + 1) & mask;
	if (!index->slots[i].id)
		return;
	index->entry_count--;
	/* Close the hole: move back every later entry of the run that may stand there. */
	for (uint32_t next = (i + 1) & mask; index->slots[next].id; next = (next + 1) & mask) {
		uint32_t home = index->slots[next].hash & mask;

		if (((next - home) & mask) < ((next - i) & mask))
			continue;
		index->slots[i] = index->slots[next];
		i = next;
	}
	index->slots[i].id = 0;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd constants with bits all over: the fractions of the square roots of 2, 3 and 5. */
#define MIX_1 UINT64_C(0x6a09e667f3bcc909)
#define MIX_2 UINT64_C(0xbb67ae8584caa73b)
#define MIX_3 UINT64_C(0x3c6ef372fe94f82b)

/*
 * Each word meets the state, which is secret, before it is multiplied, and the factor holds no part
 * of the word: so no word can make the product 0 and wipe out what came before it.
 */
static uint64_t hash_with_seed(const void *bytes, size_t size, uint64_t seed, uint64_t factor)
{
	const uint8_t *at = bytes;
	uint64_t hash = seed ^ MIX_3, word;

	for (size_t left = size; left; left -= left < 8 ? left : 8, at += 8) {
		word = 0;
		memcpy(&word, at, left < 8 ? left : 8);
		hash = mix(hash ^ le64toh(word), factor);
	}
	return mix(hash ^ size, MIX_1);
}

/* Drawn once, before the second thread starts; a constant where the kernel gives none. */
static uint64_t process_seed(void)
{
	static uint64_t seed;

	if (!seed) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = MIX_2;
		seed |= 1;
	}
	return seed;
}

static uint64_t load_u64(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static uint32_t load_u32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/*
 * Two words at a time. Both factors hold a secret that a stranger cannot know, so no text can be
 * made for which the product is 0 and what came before is wiped out.
 */
uint64_t hash_bytes(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint64_t seed = process_seed(), hash = mix(seed ^ size, MIX_1), first, second;

	if (size > 16) {
		size_t left = size;

		/* Two chains, since each product waits for the one before it. */
		if (left > 64) {
			uint64_t other = mix(hash, MIX_3 ^ seed);

			for (; left > 32; left -= 32, at += 32) {
				hash = mix(load_u64(at) ^ seed, load_u64(at + 8) ^ hash);
				other = mix(load_u64(at + 16) ^ seed, load_u64(at + 24) ^ other);
			}
			hash = mix(hash ^ seed, other ^ MIX_1);
		}
		for (; left > 16; left -= 16, at += 16)
			hash = mix(load_u64(at) ^ seed, load_u64(at + 8) ^ hash);
		/* The last 16 bytes, some of them once more. */
		at = (const uint8_t *)bytes + size - 16;
		first = load_u64(at);
		second = load_u64(at + 8);
	} else if (size >= 8) {
		first = load_u64(at);
		second = load_u64(at + size - 8);
	} else if (size >= 4) {
		first = load_u32(at);
		second = load_u32(at + size - 4);
	} else {
		first = size ? (uint64_t)at[0] << 16 | (uint64_t)at[size / 2] << 8 | at[size - 1]
			     : 0;
		second = 0;
	}
	return mix(mix(first ^ seed, second ^ hash), MIX_2);
}

uint64_t hash_u64(uint64_t value)
{
	return mix(value ^ MIX_1, process_seed() ^ MIX_2);
}

uint64_t hash_next(uint64_t hash, uint64_t value)
{
	return mix(hash ^ value, MIX_2);
}

uint64_t stable_key(const void *bytes, size_t size, uint64_t parent_key)
{
	uint64_t key = hash_with_seed(bytes, size, parent_key, MIX_2);

	return key ? key : 1;
}
