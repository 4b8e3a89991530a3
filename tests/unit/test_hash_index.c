/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash_index.h"

#include "check.h"

enum { THINGS_MAX = 20000 };

/* A thing's id is its place in this array, plus 1. */
static uint64_t things[THINGS_MAX];

static bool is_thing(uint32_t id, const void *wanted, const void *owner)
{
	const uint64_t *all = owner;

	return all[id - 1] == *(const uint64_t *)wanted;
}

static uint32_t find(const struct hash_index *index, uint64_t hash, uint64_t thing)
{
	return hash_index_find(index, hash, is_thing, &thing, things);
}

static void an_empty_index_finds_and_removes_nothing(void)
{
	struct hash_index index = hash_index_with_max(10);

	CHECK_EQ(find(&index, 1, 1), 0);
	hash_index_remove(&index, 1, 1);
	hash_index_clear(&index);
	CHECK_EQ(index.entry_count, 0);
	hash_index_free(&index);
}

static void things_are_found_through_all_growth(void)
{
	struct hash_index index = hash_index_with_max(THINGS_MAX);
	int wrong = 0;

	for (uint32_t i = 0; i < THINGS_MAX; i++) {
		things[i] = i * 7919u;
		wrong += hash_index_add(&index, hash_u64(things[i]), i + 1) != 0;
	}
	for (uint32_t i = 0; i < THINGS_MAX; i++)
		wrong += find(&index, hash_u64(things[i]), things[i]) != i + 1;
	CHECK_EQ(wrong, 0);
	CHECK_EQ(find(&index, hash_u64(1), 1), 0);
	hash_index_free(&index);
}

static void a_full_index_refuses_and_keeps_serving(void)
{
	struct hash_index index = hash_index_with_max(2);

	things[0] = 10;
	things[1] = 20;
	CHECK_EQ(hash_index_add(&index, 1, 1), 0);
	CHECK_EQ(hash_index_add(&index, 2, 2), 0);
	CHECK_EQ(hash_index_add(&index, 3, 3), HASH_INDEX_FULL);
	CHECK_EQ(find(&index, 1, 10), 1);
	CHECK_EQ(find(&index, 2, 20), 2);
	hash_index_remove(&index, 1, 1);
	CHECK_EQ(hash_index_add(&index, 3, 3), 0);
	hash_index_free(&index);
}

static void things_with_one_hash_are_told_apart(void)
{
	struct hash_index index = hash_index_with_max(100);

	for (uint32_t i = 0; i < 40; i++) {
		things[i] = i;
		CHECK_EQ(hash_index_add(&index, 77, i + 1), 0);
	}
	for (uint32_t i = 0; i < 40; i++)
		CHECK_EQ(find(&index, 77, i), i + 1);
	CHECK_EQ(find(&index, 77, 41), 0);
	hash_index_free(&index);
}

/* Runs of entries wrap around the table's end here: every third home is one of its last slots. */
static void removing_leaves_all_others_findable(void)
{
	struct hash_index index = hash_index_with_max(1000);
	uint64_t hashes[48];
	int wrong = 0;

	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < 48; i++) {
			things[i] = i;
			hashes[i] = i % 3 ? i * round : 60 + i % 5;
			wrong += hash_index_add(&index, hashes[i], i + 1) != 0;
		}
		for (uint32_t k = 0; k < 48; k++) {
			uint32_t gone = (k * 29 + round) % 48;

			hash_index_remove(&index, hashes[gone], gone + 1);
			things[gone] = UINT64_MAX;
			for (uint32_t i = 0; i < 48; i++)
				if (things[i] != UINT64_MAX)
					wrong += find(&index, hashes[i], i) != i + 1;
				else
					wrong += find(&index, hashes[i], i) != 0;
		}
		wrong += index.entry_count != 0;
	}
	CHECK_EQ(wrong, 0);
	hash_index_free(&index);
}

static void clearing_forgets_everything(void)
{
	struct hash_index index = hash_index_with_max(10);

	things[0] = 5;
	hash_index_add(&index, 1, 1);
	hash_index_clear(&index);
	CHECK_EQ(find(&index, 1, 5), 0);
	CHECK_EQ(hash_index_add(&index, 1, 1), 0);
	CHECK_EQ(find(&index, 1, 5), 1);
	hash_index_free(&index);
}

static void sizes_and_contents_change_the_hash(void)
{
	CHECK(hash_bytes("a", 1) == hash_bytes("a", 1));
	CHECK(hash_bytes("a", 1) != hash_bytes("b", 1));
	CHECK(hash_bytes("a\0", 1) != hash_bytes("a\0", 2));
	CHECK(hash_bytes("", 0) != hash_bytes("\0", 1));
	CHECK(hash_bytes("12345678", 8) != hash_bytes("123456781", 9));
	CHECK(hash_u64(0) != hash_u64(1));
}

/* No 8 bytes may wipe out what stands before them, whatever constants the hash is made of. */
static void known_constants_inside_do_not_collide(void)
{
	static const uint64_t constants[] = { 0, 0x6a09e667f3bcc909, 0xbb67ae8584caa73b,
					      0x3c6ef372fe94f82b };

	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 4; k++) {
			uint64_t left[] = { 1, constants[i], constants[k] };
			uint64_t right[] = { 2, constants[i], constants[k] };

			CHECK(hash_bytes(left, sizeof(left)) != hash_bytes(right, sizeof(right)));
		}
	}
}

/* Of 20,000 hashes of short names, the birthday bound lets about 0.05 pairs share 32 bits. */
static void hashes_of_like_names_spread(void)
{
	struct hash_index index = hash_index_with_max(THINGS_MAX);
	uint64_t bits_or = 0, bits_and = UINT64_MAX;
	uint32_t longest_run = 0, run = 0;

	for (uint32_t i = 0; i < THINGS_MAX; i++) {
		char name[32];
		int size = snprintf(name, sizeof(name), "_ZN5space8function%u", i);
		uint64_t hash = hash_bytes(name, (size_t)size);

		bits_or |= hash;
		bits_and &= hash;
		hash_index_add(&index, hash, i + 1);
	}
	for (uint32_t i = 0; i < index.slot_count; i++) {
		run = index.slots[i].id ? run + 1 : 0;
		longest_run = run > longest_run ? run : longest_run;
	}
	CHECK(bits_or == UINT64_MAX);
	CHECK(bits_and == 0);
	/* 61% full with linear probing: runs of a few hundred would mean clustering. */
	CHECK(longest_run < 300);
	hash_index_free(&index);
}

static void a_stable_key_is_the_same_in_every_run(void)
{
	CHECK(stable_key("function", 8, 1) == UINT64_C(0xadad7f328620a6cf));
	CHECK(stable_key("function", 8, 1) != stable_key("function", 8, 2));
	CHECK(stable_key("", 0, 0) != 0);
}

TESTS(TEST(an_empty_index_finds_and_removes_nothing), TEST(things_are_found_through_all_growth),
      TEST(a_full_index_refuses_and_keeps_serving), TEST(things_with_one_hash_are_told_apart),
      TEST(removing_leaves_all_others_findable), TEST(clearing_forgets_everything),
      TEST(sizes_and_contents_change_the_hash), TEST(known_constants_inside_do_not_collide),
      TEST(hashes_of_like_names_spread), TEST(a_stable_key_is_the_same_in_every_run))
