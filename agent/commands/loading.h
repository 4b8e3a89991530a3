/* SPDX-License-Identifier: Apache-2.0 */
/* What `report` and `convert` share: a file, or a part of it, in memory. */
#ifndef FLICKERSCOPE_LOADING_H
#define FLICKERSCOPE_LOADING_H

struct merged_profile;
struct options;

/*
 * Loads what --from and --to leave of a file of any format; "-" is standard input.
 *
 * Returns 0 or -errno; logged in one line.
 */
int load_profile(const char *path, const struct options *options,
		 struct merged_profile **ret_profile);

#endif
