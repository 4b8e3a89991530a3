/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: file descriptors, timers and signals on one epoll.
 *
 * One thread owns all mutable state and runs here; callbacks never block. The loop's own
 * descriptor is readable while something waits, so that another loop (libwebsockets') can drive it
 * with loop_dispatch(). Sources live until the loop is freed or they are removed; a source may be
 * removed from inside any callback.
 */
#ifndef FLICKERSCOPE_LOOP_H
#define FLICKERSCOPE_LOOP_H

#include <stdint.h>

#include "base/cleanup.h"

struct loop;
struct loop_source;

enum loop_limits {
	LOOP_EVENTS_MAX = 32, /* handled by one dispatch */
};

int loop_new(struct loop **ret_loop);
void loop_free(struct loop *loop); /* NULL is fine; closes timers and signals, not others' fds */
DEFINE_CLEANUP(struct loop *, loop_free);

/* @events: of epoll(7), level-triggered. The fd is borrowed until the source is removed. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events,
		void (*callback)(uint32_t events, void *context), void *context,
		struct loop_source **ret_source);

/*
 * Calls back every @interval_ns of CLOCK_MONOTONIC, late rather than twice: missed ones are one.
 * An interval of 0 adds a timer that is not running; see loop_timer_set().
 */
int loop_add_timer(struct loop *loop, uint64_t interval_ns, void (*callback)(void *context),
		   void *context, struct loop_source **ret_timer);
int loop_timer_set(struct loop_source *timer, uint64_t interval_ns);

/* Blocks @signal for the process and calls back instead. */
int loop_add_signal(struct loop *loop, int signal, void (*callback)(int signal, void *context),
		    void *context);

void loop_remove(struct loop_source *source); /* NULL is fine */

/* Readable while a dispatch would do something. Borrowed. */
int loop_fd(const struct loop *loop);

/* Handles what waits, for up to @timeout_ms (-1: until something comes). Returns 0 or -errno. */
int loop_dispatch(struct loop *loop, int timeout_ms);

/* Dispatches until loop_stop(); returns the stopper's @exit_code, or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int exit_code);

/* Whether loop_stop() was called, and with what. */
int loop_stopped(const struct loop *loop, int *ret_exit_code);

#endif
