/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/stack_cache.h"

#include <stdint.h>

#include "check.h"

static const uint64_t addresses[] = { 0x401000, 0x401100, 0x401200, 0x401300 };

static struct stack_cache_key key_of(uint64_t process_id, uint64_t generation, uint16_t count)
{
	return (struct stack_cache_key){ .process_id = process_id,
					 .generation = generation,
					 .addresses = addresses,
					 .address_count = count };
}

static uint32_t find(const struct stack_cache *cache, struct stack_cache_key key)
{
	uint64_t hash;

	return stack_cache_find(cache, &key, &hash);
}

static void add(struct stack_cache *cache, struct stack_cache_key key, uint32_t stack_id)
{
	uint64_t hash;

	stack_cache_find(cache, &key, &hash);
	stack_cache_add(cache, &key, hash, stack_id);
}

static void remembers_a_stack_until_it_is_cleared(void)
{
	CLEANUP(stack_cache_free) struct stack_cache *cache = NULL;

	CHECK_OR_RETURN(stack_cache_new(64, &cache) == 0);
	CHECK_EQ(find(cache, key_of(1, 1, 4)), 0);
	add(cache, key_of(1, 1, 4), 7);
	CHECK_EQ(find(cache, key_of(1, 1, 4)), 7);
	stack_cache_clear(cache);
	CHECK_EQ(find(cache, key_of(1, 1, 4)), 0);
}

static void tells_processes_generations_and_lengths_apart(void)
{
	CLEANUP(stack_cache_free) struct stack_cache *cache = NULL;
	struct stack_cache_key split = key_of(1, 1, 4);

	CHECK_OR_RETURN(stack_cache_new(64, &cache) == 0);
	add(cache, key_of(1, 1, 4), 7);
	CHECK_EQ(find(cache, key_of(2, 1, 4)), 0);
	CHECK_EQ(find(cache, key_of(1, 2, 4)), 0);
	CHECK_EQ(find(cache, key_of(1, 1, 3)), 0);
	split.kernel_count = 2; /* the same addresses, two of them the kernel's */
	CHECK_EQ(find(cache, split), 0);
}

static void an_empty_stack_is_a_stack(void)
{
	CLEANUP(stack_cache_free) struct stack_cache *cache = NULL;

	CHECK_OR_RETURN(stack_cache_new(64, &cache) == 0);
	add(cache, key_of(1, 1, 0), 3);
	CHECK_EQ(find(cache, key_of(1, 1, 0)), 3);
	CHECK_EQ(find(cache, key_of(2, 1, 0)), 0);
}

/* Far more stacks than fit: memory stays, and what was added last is always found. */
static void a_full_cache_forgets_and_goes_on(void)
{
	CLEANUP(stack_cache_free) struct stack_cache *cache = NULL;

	CHECK_OR_RETURN(stack_cache_new(16, &cache) == 0);
	for (uint32_t i = 1; i <= 1000; i++) {
		add(cache, key_of(i, 1, 1 + i % 4), i);
		CHECK_EQ(find(cache, key_of(i, 1, 1 + i % 4)), i);
	}
	CHECK_EQ(find(cache, key_of(1, 1, 2)), 0);
}

static void a_stack_larger_than_the_cache_is_not_remembered(void)
{
	CLEANUP(stack_cache_free) struct stack_cache *cache = NULL;

	CHECK_OR_RETURN(stack_cache_new(3, &cache) == 0);
	add(cache, key_of(1, 1, 4), 7);
	CHECK_EQ(find(cache, key_of(1, 1, 4)), 0);
}

TESTS(TEST(remembers_a_stack_until_it_is_cleared),
      TEST(tells_processes_generations_and_lengths_apart), TEST(an_empty_stack_is_a_stack),
      TEST(a_full_cache_forgets_and_goes_on), TEST(a_stack_larger_than_the_cache_is_not_remembered))
