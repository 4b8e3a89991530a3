/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that does for the agent what that may not do itself once it is confined: it opens what belongs
 * to other processes, and hands back descriptors. Requests are fixed (privileged_message.h).
 * process_files.h asks.
 *
 * It is a fork of the agent, made early, with nothing but its socket and the folders in which it makes files, if
 * there are any; of root's capabilities it keeps those to look into other processes, to read their files, to make
 * BPF maps and to open perf events; of system calls those of CONFINED_TO_OPENING, and where files are made those for that. It ends with the agent. Whoever asks waits: so it goes before others that want the CPU
 * (nice -20), which it needs for some 10 us each time.
 *
 * Each call blocks until the answer is there. Loop thread.
 */
#ifndef FLICKERSCOPE_PRIVILEGED_PROCESS_H
#define FLICKERSCOPE_PRIVILEGED_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "privileged/debug_folder.h"
#include "privileged/dump_folder.h"
#include "privileged/privileged_message.h"

struct perf_cpu_events;
struct privileged_process;

struct privileged_options {
	pid_t command_pid;	 /* of the command that is recorded; 0: none */
	const char *dump_folder; /* where dumps are made; NULL: nowhere */
	const char *
		debug_folder; /* of debug files that are downloaded, made when missing; NULL: none are */
};

/* Before any thread exists. Returns 0 or -errno; logged. */
int privileged_process_new(const struct privileged_options *options,
			   struct privileged_process **ret_process);
void privileged_process_free(struct privileged_process *process); /* ends it; NULL is fine */
DEFINE_CLEANUP(struct privileged_process *, privileged_process_free);

/*
 * @request: all but body_size.
 * @fd: comes along, borrowed; -1: none.
 * @body: behind the request; at most PRIVILEGED_BODY_SIZE_MAX bytes.
 * @ret_result: the caller's to close, whatever is returned; has something of 0 only.
 *
 * Returns what was answered (0, an outcome of process_files.h or debug_folder.h, or -errno), -E2BIG, -EPROTO, -EMFILE
 * when there is no room for the descriptors that came back, or -EPIPE when the process is gone, which is logged once.
 */
int privileged_process_ask(struct privileged_process *process,
			   const struct privileged_request *request, int fd, const void *body,
			   size_t body_size, struct privileged_result *ret_result);

/* As perf_events_open() does. */
int privileged_process_open_cpu(struct privileged_process *process, uint32_t cpu,
				uint64_t period_ns, struct perf_cpu_events *ret_events);

/* Sends SIGINT, SIGTERM or SIGHUP to the command that is recorded. Returns 0 or -errno. */
int privileged_process_signal(struct privileged_process *process, int signal);

/* The path of a unix socket that we listen on goes when we have ended; -1: there is none. Returns 0 or -errno. */
int privileged_process_remove_at_end(struct privileged_process *process, int socket);

/* A new file, open for writing, goes when we have ended, if nothing was written to it. Returns 0 or -errno. */
int privileged_process_remove_empty(struct privileged_process *process, int fd);

/* A new file in the folder of dumps, and its name. Returns 0 or -errno: -ENOTDIR: there is no such folder. */
int privileged_process_create_dump(struct privileged_process *process,
				   char ret_name[DUMP_NAME_SIZE_MAX], int *ret_fd);

/* As debug_folder_find(), _begin() and _end(). @id: the build id as text. */
int privileged_process_find_debug_file(struct privileged_process *process, const char *id,
				       int *ret_fd);
int privileged_process_begin_debug_file(struct privileged_process *process, const char *id,
					int *ret_fd);
int privileged_process_end_debug_file(struct privileged_process *process, const char *id,
				      enum debug_folder_end end);

pid_t privileged_process_pid(const struct privileged_process *process);

/* Processor time of its life so far. */
uint64_t privileged_process_cpu_us(const struct privileged_process *process);

#endif
