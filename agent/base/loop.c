/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

struct loop_source {
	struct loop *loop;
	struct loop_source *next;
	int fd;
	bool owns_fd;
	bool removed; /* freed at the end of the dispatch: an event in hand may still name it */
	void *context;
	void (*on_event)(uint32_t events, void *context);
	void (*on_timer)(void *context);
	void (*on_signal)(int signal, void *context);
};

struct loop {
	int epoll_fd;
	struct loop_source *sources;
	bool dispatching;
	bool has_removed; /* sources to sweep */
	bool stopped;
	int exit_code;
};

int loop_new(struct loop **ret_loop)
{
	CLEANUP(loop_free) struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	*ret_loop = TAKE(loop);
	return 0;
}

static void source_free(struct loop_source *source)
{
	if (source->owns_fd)
		fd_close(source->fd);
	free(source);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->sources) {
		struct loop_source *source = loop->sources;

		loop->sources = source->next;
		source_free(source);
	}
	fd_close(loop->epoll_fd);
	free(loop);
}

static int source_add(struct loop *loop, struct loop_source template, uint32_t events,
		      struct loop_source **ret_source)
{
	struct loop_source *source = malloc(sizeof(*source));
	struct epoll_event event = { .events = events };

	if (!source)
		return -ENOMEM;
	*source = template;
	source->loop = loop;
	event.data.ptr = source;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
		int r = -errno;

		free(source);
		return r;
	}
	source->next = loop->sources;
	loop->sources = source;
	if (ret_source)
		*ret_source = source;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events,
		void (*callback)(uint32_t events, void *context), void *context,
		struct loop_source **ret_source)
{
	return source_add(
		loop, (struct loop_source){ .fd = fd, .on_event = callback, .context = context },
		events, ret_source);
}

int loop_timer_set(struct loop_source *timer, uint64_t interval_ns)
{
	struct timespec interval = { .tv_sec = (time_t)(interval_ns / 1000000000),
				     .tv_nsec = (long)(interval_ns % 1000000000) };
	struct itimerspec setting = { .it_interval = interval, .it_value = interval };

	return timerfd_settime(timer->fd, 0, &setting, NULL) < 0 ? -errno : 0;
}

int loop_add_timer(struct loop *loop, uint64_t interval_ns, void (*callback)(void *context),
		   void *context, struct loop_source **ret_timer)
{
	CLEANUP(fd_close) int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source *timer = NULL;
	int r;

	if (fd < 0)
		return -errno;
	r = source_add(
		loop,
		(struct loop_source){
			.fd = fd, .owns_fd = true, .on_timer = callback, .context = context },
		EPOLLIN, &timer);
	if (r < 0)
		return r;
	TAKE_FD(fd);
	r = loop_timer_set(timer, interval_ns);
	if (r < 0) {
		loop_remove(timer);
		return r;
	}
	if (ret_timer)
		*ret_timer = timer;
	return 0;
}

int loop_add_signal(struct loop *loop, int signal, void (*callback)(int signal, void *context),
		    void *context)
{
	CLEANUP(fd_close) int fd = -1;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, signal);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = source_add(
		loop,
		(struct loop_source){
			.fd = fd, .owns_fd = true, .on_signal = callback, .context = context },
		EPOLLIN, NULL);
	if (r < 0)
		return r;
	TAKE_FD(fd);
	return 0;
}

static void sweep(struct loop *loop)
{
	struct loop_source **link = &loop->sources;

	loop->has_removed = false;
	while (*link) {
		struct loop_source *source = *link;

		if (source->removed) {
			*link = source->next;
			source_free(source);
		} else {
			link = &source->next;
		}
	}
}

void loop_remove(struct loop_source *source)
{
	if (!source || source->removed)
		return;
	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->removed = source->loop->has_removed = true;
	if (!source->loop->dispatching)
		sweep(source->loop);
}

int loop_fd(const struct loop *loop)
{
	return loop->epoll_fd;
}

static void handle(struct loop_source *source, uint32_t events)
{
	if (source->on_timer) {
		uint64_t expirations;

		if (read(source->fd, &expirations, sizeof(expirations)) == sizeof(expirations))
			source->on_timer(source->context);
	} else if (source->on_signal) {
		struct signalfd_siginfo info;

		if (read(source->fd, &info, sizeof(info)) == sizeof(info))
			source->on_signal((int)info.ssi_signo, source->context);
	} else {
		source->on_event(events, source->context);
	}
}

int loop_dispatch(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[LOOP_EVENTS_MAX];
	int count = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS_MAX, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	loop->dispatching = true;
	for (int i = 0; i < count; i++) {
		struct loop_source *source = events[i].data.ptr;

		if (!source->removed)
			handle(source, events[i].events);
	}
	loop->dispatching = false;
	if (loop->has_removed)
		sweep(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		int r = loop_dispatch(loop, -1);

		if (r < 0)
			return r;
	}
	return loop->exit_code;
}

void loop_stop(struct loop *loop, int exit_code)
{
	loop->stopped = true;
	loop->exit_code = exit_code;
}

int loop_stopped(const struct loop *loop, int *ret_exit_code)
{
	if (loop->stopped && ret_exit_code)
		*ret_exit_code = loop->exit_code;
	return loop->stopped;
}
