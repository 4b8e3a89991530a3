/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_name.h"

#include <string.h>

#include "base/cleanup.h"

/* Kinds of code that V8 makes of functions (src/logging/log.cc, CodeTag), and the marks of its tiers. */
static const char *const function_tags[] = { "JS:", "LazyCompile:", "Function:", "Eval:",
					     "Script:" };
static const char tier_marks[] = "~^+*";
static const char no_name[] = "(anonymous)";

static size_t tag_size(const char *name, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(function_tags); i++) {
		size_t tag = strlen(function_tags[i]);

		if (size > tag && memcmp(name, function_tags[i], tag) == 0)
			return tag;
	}
	return 0;
}

size_t jit_name_write(char *target, const char *name, size_t size)
{
	size_t skipped = tag_size(name, size), added = 0;

	if (skipped && strchr(tier_marks, name[skipped]))
		skipped++;
	/* A function without a name has only the place where it stands. */
	if (skipped && (skipped == size || name[skipped] == ' ')) {
		_Static_assert(sizeof(no_name) <= JIT_NAME_ADDED_MAX, "there is room for it");
		added = sizeof(no_name) - 1;
		memcpy(target, no_name, added);
	}
	memcpy(target + added, name + skipped, size - skipped);
	return added + size - skipped;
}
