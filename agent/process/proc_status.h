/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what is needed from the texts /proc/PID/stat and /proc/PID/status (proc(5)). The process's
 * name in them is chosen by strangers. Pure functions, any thread.
 */
#ifndef FLICKERSCOPE_PROC_STATUS_H
#define FLICKERSCOPE_PROC_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proc_status {
	uint32_t effective_user;
	uint32_t namespace_pid; /* in the innermost pid namespace; 0: the kernel does not tell */
	uint32_t thread_count; /* a main thread that has ended counts until its process is reaped */
};

struct proc_stat {
	uint64_t start_ticks; /* when it started: clock ticks of CLOCK_BOOTTIME (field 22) */
	char state;	      /* field 3; 'Z': the main thread has ended */
};

/* False when it is no stat. */
bool proc_stat_parse(const char *text, size_t size, struct proc_stat *ret_stat);

/* False when the text lacks the user. */
bool proc_status_parse(const char *text, size_t size, struct proc_status *ret_status);

#endif
