/* SPDX-License-Identifier: Apache-2.0 */
/* What `report`, `convert` and `info` share: a file, or a part of it, in memory. */
#ifndef FLICKERSCOPE_LOADING_H
#define FLICKERSCOPE_LOADING_H

struct capture_reader;
struct merged_profile;
struct options;

/*
 * Opens the file that is the argument, "-" being standard input, and gives up all that reading it does not
 * need: nothing else can be opened from then on.
 *
 * Returns 0 or -errno; logged in one line.
 */
int load_confined(const struct options *options, int *ret_fd);

/*
 * Reads a file of any format. @fd: taken.
 *
 * Returns 0 or -errno; logged in one line.
 */
int load_capture(int fd, const struct options *options, struct capture_reader **ret_reader);

/* The same, and then what --from and --to leave of it. */
int load_profile(int fd, const struct options *options, struct merged_profile **ret_profile);

#endif
