/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/progress.h"
#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum {
	QUIET_MS = 1000, /* what is done by then needs no words */
	INTERVAL_MS = 250,
};

struct progress progress_begin(const char *what)
{
	return (struct progress){
		.what = what,
		.begin_ms = monotonic_ms(),
		.is_terminal = isatty(STDERR_FILENO),
	};
}

void progress_update(void *context, uint64_t done, uint64_t all)
{
	struct progress *progress = context;
	uint64_t ms;

	if (!progress->is_terminal)
		return;
	ms = monotonic_ms();
	if (ms - progress->begin_ms < QUIET_MS || ms - progress->shown_ms < INTERVAL_MS)
		return;
	progress->shown_ms = ms;
	/* A message that comes meanwhile is written over it. */
	if (all)
		fprintf(stderr, "\033[K%s: %.0f%%\r", progress->what,
			100.0 * (double)done / (double)all);
	else
		fprintf(stderr, "\033[K%s: %.1f MB\r", progress->what, (double)done / 1e6);
}

void progress_end(const struct progress *progress)
{
	if (progress->is_terminal && monotonic_ms() - progress->begin_ms >= QUIET_MS)
		fputs("\r\033[K", stderr);
}
