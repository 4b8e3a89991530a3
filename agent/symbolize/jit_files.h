/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds and opens the files in which a process names the code that it makes, as that process sees
 * them: a stranger chooses what they hold, so they must be regular files that belong to it or to
 * root. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_JIT_FILES_H
#define FLICKERSCOPE_JIT_FILES_H

struct process;
struct process_files;

enum jit_files_outcome {
	JIT_FILES_NONE = 100, /* there is none; above the outcomes of process_files.h */
};

/* /tmp/perf-PID.map. Returns 0, an outcome (also of process_files.h) or -errno. */
int jit_files_open_map(struct process_files *files, const struct process *process, int *ret_fd);

/* The jitdump among the mappings. Returns 0, an outcome (also of process_files.h) or -errno. */
int jit_files_open_dump(struct process_files *files, const struct process *process, int *ret_fd);

#endif
