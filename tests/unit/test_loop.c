/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "check.h"

enum { PATIENCE_MS = 20000 };

struct fixture {
	struct loop *loop;
	struct loop_source *source, *other;
	int fd;
	int calls;
	int other_calls;
	uint32_t events;
	int signal;
};

static void setup(struct fixture *fixture)
{
	*fixture = (struct fixture){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (fixture->fd < 0 || loop_new(&fixture->loop) < 0)
		check_give_up();
}

static void cleanup_teardown(struct fixture *fixture)
{
	loop_free(fixture->loop);
	fd_close(fixture->fd);
}

static void make_readable(struct fixture *fixture)
{
	eventfd_write(fixture->fd, 1);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void count_event(uint32_t events, void *context)
{
	struct fixture *fixture = context;

	fixture->calls++;
	fixture->events = events;
}

static void count_timer(void *context)
{
	((struct fixture *)context)->calls++;
}

static void keep_signal(int number, void *context)
{
	((struct fixture *)context)->signal = number;
}

static void a_readable_descriptor_calls_back_until_it_is_removed(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(loop_add_fd(fixture.loop, fixture.fd, EPOLLIN, count_event, &fixture,
			     &fixture.source),
		 0);
	CHECK_EQ(loop_dispatch(fixture.loop, 0), 0);
	CHECK_EQ(fixture.calls, 0);
	make_readable(&fixture);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.calls, 2); /* level-triggered */
	CHECK_EQ(fixture.events, EPOLLIN);
	loop_remove(fixture.source);
	CHECK_EQ(loop_dispatch(fixture.loop, 0), 0);
	CHECK_EQ(fixture.calls, 2);
}

static void a_descriptor_that_epoll_refuses_is_an_error(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(loop_add_fd(fixture.loop, -1, EPOLLIN, count_event, &fixture, NULL), -EBADF);
	CHECK_EQ(loop_add_fd(fixture.loop, fixture.fd, EPOLLIN, count_event, &fixture, NULL), 0);
	CHECK_EQ(loop_add_fd(fixture.loop, fixture.fd, EPOLLIN, count_event, &fixture, NULL),
		 -EEXIST);
}

static void a_timer_calls_back_again_and_again(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	uint64_t start = now_ms();

	setup(&fixture);
	CHECK_EQ(loop_add_timer(fixture.loop, 5000000, count_timer, &fixture, NULL), 0);
	while (fixture.calls < 3 && now_ms() < start + PATIENCE_MS)
		loop_dispatch(fixture.loop, PATIENCE_MS);
	CHECK_EQ(fixture.calls, 3);
	CHECK(now_ms() - start >= 15);
}

static void a_timer_of_0_rests_until_it_is_set(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(loop_add_timer(fixture.loop, 0, count_timer, &fixture, &fixture.source), 0);
	CHECK_EQ(loop_dispatch(fixture.loop, 20), 0);
	CHECK_EQ(fixture.calls, 0);
	CHECK_EQ(loop_timer_set(fixture.source, 1), 0);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.calls, 1);
	CHECK_EQ(loop_timer_set(fixture.source, 0), 0);
	CHECK_EQ(loop_dispatch(fixture.loop, 20), 0);
	CHECK_EQ(fixture.calls, 1);
}

static void missed_ticks_are_one_call(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(loop_add_timer(fixture.loop, 1000000, count_timer, &fixture, &fixture.source), 0);
	poll(NULL, 0, 20); /* the only way to miss ticks */
	CHECK_EQ(loop_timer_set(fixture.source, 3600000000000), 0);
	CHECK_EQ(loop_timer_set(fixture.source, 1000000), 0);
	poll(NULL, 0, 20);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.calls, 1);
}

static void a_signal_calls_back_instead_of_killing(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(loop_add_signal(fixture.loop, SIGUSR1, keep_signal, &fixture), 0);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.signal, SIGUSR1);
}

static void remove_both(uint32_t events, void *context)
{
	struct fixture *fixture = context;

	fixture->calls++;
	loop_remove(fixture->source);
	loop_remove(fixture->other);
	loop_remove(fixture->source); /* twice does nothing */
}

/* Both are ready in one dispatch, and whichever comes first takes the other one away. */
static void a_source_removed_by_another_is_not_called_any_more(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int other_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	setup(&fixture);
	make_readable(&fixture);
	CHECK_EQ(loop_add_fd(fixture.loop, fixture.fd, EPOLLIN, remove_both, &fixture,
			     &fixture.source),
		 0);
	CHECK_EQ(
		loop_add_fd(fixture.loop, other_fd, EPOLLIN, remove_both, &fixture, &fixture.other),
		0);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(loop_dispatch(fixture.loop, 0), 0);
	CHECK_EQ(fixture.calls, 1);
}

static void replace_self(uint32_t events, void *context)
{
	struct fixture *fixture = context;

	fixture->calls++;
	loop_remove(fixture->source);
	loop_add_fd(fixture->loop, fixture->fd, EPOLLIN, count_event, fixture, &fixture->source);
}

static void a_callback_may_put_another_source_in_its_place(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	make_readable(&fixture);
	CHECK_EQ(loop_add_fd(fixture.loop, fixture.fd, EPOLLIN, replace_self, &fixture,
			     &fixture.source),
		 0);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.events, 0);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.calls, 2);
	CHECK_EQ(fixture.events, EPOLLIN);
}

static void the_loops_own_descriptor_tells_that_something_waits(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	struct pollfd event;

	setup(&fixture);
	CHECK_EQ(loop_add_fd(fixture.loop, fixture.fd, EPOLLIN, count_event, &fixture, NULL), 0);
	event = (struct pollfd){ .fd = loop_fd(fixture.loop), .events = POLLIN };
	CHECK_EQ(poll(&event, 1, 0), 0);
	make_readable(&fixture);
	CHECK_EQ(poll(&event, 1, PATIENCE_MS), 1);
}

static void stop_with_7(uint32_t events, void *context)
{
	loop_stop(((struct fixture *)context)->loop, 7);
}

static void running_ends_with_the_stoppers_code(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	int code = 99;

	setup(&fixture);
	CHECK(!loop_stopped(fixture.loop, &code));
	CHECK_EQ(code, 99);
	make_readable(&fixture);
	CHECK_EQ(loop_add_fd(fixture.loop, fixture.fd, EPOLLIN, stop_with_7, &fixture, NULL), 0);
	CHECK_EQ(loop_run(fixture.loop), 7);
	CHECK(loop_stopped(fixture.loop, &code));
	CHECK_EQ(code, 7);
}

static void more_sources_than_one_dispatch_handles_all_get_their_turn(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	int fds[LOOP_EVENTS_MAX * 2];

	setup(&fixture);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		CHECK_EQ(loop_add_fd(fixture.loop, fds[i], EPOLLIN | EPOLLET, count_event, &fixture,
				     NULL),
			 0);
	}
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.calls, LOOP_EVENTS_MAX);
	CHECK_EQ(loop_dispatch(fixture.loop, PATIENCE_MS), 0);
	CHECK_EQ(fixture.calls, LOOP_EVENTS_MAX * 2);
	loop_free(TAKE(fixture.loop));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

TESTS(TEST(a_readable_descriptor_calls_back_until_it_is_removed),
      TEST(a_descriptor_that_epoll_refuses_is_an_error), TEST(a_timer_calls_back_again_and_again),
      TEST(a_timer_of_0_rests_until_it_is_set), TEST(missed_ticks_are_one_call),
      TEST(a_signal_calls_back_instead_of_killing),
      TEST(a_source_removed_by_another_is_not_called_any_more),
      TEST(a_callback_may_put_another_source_in_its_place),
      TEST(the_loops_own_descriptor_tells_that_something_waits),
      TEST(running_ends_with_the_stoppers_code),
      TEST(more_sources_than_one_dispatch_handles_all_get_their_turn))
