/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles of pprof (github.com/google/pprof, proto/profile.proto).
 *
 * Each type of value is an event. A value in units of the profile's period counts as so many
 * samples; others as they stand. They have no times: see timeless.h; the rate is that of the period
 * where it is one of time. The labels "process", "pid", "thread" and "tid" say whose a sample is.
 */
#ifndef FLICKERSCOPE_IMPORT_PPROF_H
#define FLICKERSCOPE_IMPORT_PPROF_H

#include <stdbool.h>

struct foreign_profile;
struct foreign_text;
struct input_bytes;

/* Whether a file that begins with @front may be one. */
bool import_pprof_knows(const struct foreign_text *front);

/* Returns 0 or -errno, logged. */
int import_pprof(struct input_bytes *input, struct foreign_profile *profile);

#endif
