/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a merged profile as a capture: what was within the range and nothing else, with the final
 * name of each function, in the segments that it came in.
 *
 * The event of samples is not kept: captures of several events do not exist.
 */
#ifndef FLICKERSCOPE_MERGED_CAPTURE_H
#define FLICKERSCOPE_MERGED_CAPTURE_H

struct merged_profile;

/*
 * @profile: its samples are sorted.
 * @fd: an empty regular file or memfd; borrowed.
 *
 * Returns 0 or -errno.
 */
int merged_capture_write(struct merged_profile *profile, int fd);

#endif
