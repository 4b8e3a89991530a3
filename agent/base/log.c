/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"

enum { LINE_SIZE_MAX = 2048 };

static enum log_level level_max = LOG_LEVEL_INFO;

static const char *const level_prefix[] = {
	[LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_WARNING] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};

void log_set_level(enum log_level level)
{
	level_max = level;
}

/* One write() a line, so that lines of several threads and processes stay whole. */
static void print(enum log_level level, const char *message, const char *reason)
{
	char text[LINE_SIZE_MAX], line[LINE_SIZE_MAX * 4 + 1];
	size_t size;

	snprintf(text, sizeof(text), "flickerscope: %s%s%s%s", level_prefix[level], message,
		 reason ? ": " : "", reason ? reason : "");
	size = escape_terminal(text, strlen(text), line, sizeof(line) - 1);
	line[size++] = '\n';
	if (write(STDERR_FILENO, line, size) < 0)
		return; /* nowhere left to say it */
}

void log_line(enum log_level level, const char *format, ...)
{
	char message[LINE_SIZE_MAX];
	va_list arguments;

	if (level > level_max)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	print(level, message, NULL);
}

int log_errno(int error, const char *format, ...)
{
	char message[LINE_SIZE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	print(LOG_LEVEL_ERROR, message, strerror(-error));
	return error;
}
