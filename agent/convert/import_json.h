/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles in JSON: V8's .cpuprofile (one or an array of them), and trace events as Chrome writes
 * them (an array, or an object with "traceEvents").
 *
 * Of trace events, the pieces of CPU profiles ("Profile", "ProfileChunk", "CpuProfile") are samples
 * as they are. Complete events and begin/end pairs become samples as trace_slices.h says; they are
 * another event, named "trace". Other kinds of events are passed over.
 */
#ifndef FLICKERSCOPE_IMPORT_JSON_H
#define FLICKERSCOPE_IMPORT_JSON_H

struct foreign_profile;
struct input_bytes;

/* Returns 0 or -errno, logged. */
int import_json(struct input_bytes *input, struct foreign_profile *profile);

#endif
