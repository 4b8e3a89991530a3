/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two processes behind a worker, each given as the function that it runs and never returns
 * from. Both are made by fork() alone, have one thread, and end when their socket is closed.
 */
#ifndef FLICKERSCOPE_WORKER_CHILD_H
#define FLICKERSCOPE_WORKER_CHILD_H

#include <stdnoreturn.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/confinement.h"
#include "worker/worker.h"

/*
 * The forker: keeps nothing but @socket, starts a worker whenever it is sent a socket, and tells
 * of its start and its end by struct worker_event. One worker at a time. Started by root it becomes
 * another user with an empty root directory (base/confinement.h), and its workers with it.
 *
 * @agent_pid: the process whose death ends this one.
 */
noreturn void worker_forker_run(int socket, pid_t agent_pid, const struct worker_job_type *types,
				size_t type_count);

/*
 * The worker: gives up what the forker needed and it does not, then runs jobs as they come.
 *
 * It keeps standard error (for a sanitizer's or libc's last words) and @socket; it may not open more
 * than a few descriptors, take more than WORKER_MEMORY_SIZE_MAX, fork, dump
 * core, or run a job longer than twice its time limit even when nobody watches. It is the first to go
 * when memory runs out.
 */
noreturn void worker_child_run(int socket, pid_t forker_pid, const struct worker_job_type *types,
			       size_t type_count);

/* What a worker with these jobs is confined to. */
enum confinement worker_child_confinement(const struct worker_job_type *types, size_t type_count);

#endif
