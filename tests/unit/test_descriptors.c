/* SPDX-License-Identifier: Apache-2.0 */
#include "base/descriptors.h"

#include <errno.h>

#include "check.h"
#include "few_descriptors.h"

static void a_share_is_a_part_within_its_bounds(void)
{
	static const struct {
		rlim_t limit;
		uint32_t parts, least, most, share;
	} rows[] = {
		{ 1024, 4, 16, 1000, 256 }, { 1024, 16, 8, 1024, 64 }, { 1024, 4, 16, 200, 200 },
		{ 100, 16, 8, 1024, 8 },    { 100, 4, 16, 1000, 25 },  { 20, 16, 8, 1024, 8 },
		{ 1031, 16, 8, 1024, 64 }, /* nothing is rounded up */
	};
	rlim_t before = few_descriptors(64);

	CHECK(before >= 1031);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		few_descriptors(rows[i].limit);
		CHECK_EQ(descriptors_share(rows[i].parts, rows[i].least, rows[i].most),
			 rows[i].share);
	}
	few_descriptors(before);
}

static void short_is_what_the_kernel_says_when_none_is_left(void)
{
	rlim_t before = no_descriptors();
	int error = open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? -errno : 0;

	few_descriptors(before);
	CHECK(descriptors_are_short(error));
	CHECK(descriptors_are_short(-ENFILE));
	CHECK(!descriptors_are_short(-ENOENT));
	CHECK(!descriptors_are_short(0));
	CHECK(!descriptors_are_short(EMFILE)); /* an outcome */
}

TESTS(TEST(a_share_is_a_part_within_its_bounds),
      TEST(short_is_what_the_kernel_says_when_none_is_left))
