/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a capture (include/wire.h) of what a foreign file holds, so that everything behind it reads
 * captures only.
 *
 * A capture has one event: the one asked for, else the one that tells most about CPU time. What the
 * file does not say is concluded from its samples: the rate is the time that most often lies
 * between two samples of one CPU, the number of CPUs is that of the CPUs seen. Where samples do not
 * name their CPU, those taken at the same time are put on different ones, so that none covers another.
 *
 * Times keep their place within the second; where the file tells when it was recorded, whole seconds
 * are added, so that the date is right.
 */
#ifndef FLICKERSCOPE_FOREIGN_CAPTURE_H
#define FLICKERSCOPE_FOREIGN_CAPTURE_H

#include <stdint.h>

struct foreign_profile;

enum foreign_capture_outcome {
	FOREIGN_CAPTURE_NO_EVENT = 1, /* the file has no event of that name */
};

/*
 * @profile: its samples are put in order of time.
 * @event: name, with or without its modifiers ("cycles" for "cycles:ppp"); NULL: choose.
 * @fd: an empty regular file or memfd; borrowed.
 *
 * The same profile gives the same bytes. Returns 0, FOREIGN_CAPTURE_NO_EVENT or -errno.
 */
int foreign_capture_write(struct foreign_profile *profile, const char *event, int fd);

#endif
