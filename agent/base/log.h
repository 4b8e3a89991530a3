/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for the operator on standard error, one call one line.
 *
 * Whoever knows the path or the pid logs, once; everyone above only returns the error. What is
 * printed passes the terminal's escaper (base/escape.h): names are bytes from strangers. Any thread.
 */
#ifndef FLICKERSCOPE_LOG_H
#define FLICKERSCOPE_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

void log_set_level(enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Logs "MESSAGE: Strerror" for @error, an errno below zero, and returns @error. */
int log_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
