/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs that this folder asks the worker process for. The worker has to be made with
 * symbolizer_job_types(), which lists them in this order.
 */
#ifndef FLICKERSCOPE_SYMBOL_JOBS_H
#define FLICKERSCOPE_SYMBOL_JOBS_H

enum symbol_job {
	SYMBOL_JOB_ELF,
	SYMBOL_JOB_PERF_MAP,
	SYMBOL_JOB_JITDUMP,
	SYMBOL_JOB_DEMANGLE,
	SYMBOL_JOB_DEBUG_REFERENCE,
	SYMBOL_JOB_CHECK_DEBUG_FILE,
	SYMBOL_JOB_COUNT,
};

#endif
