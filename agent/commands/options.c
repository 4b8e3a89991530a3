/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "convert/formats.h"

enum long_option {
	OPTION_LISTEN = 256,
	OPTION_DEBUGINFOD,
	OPTION_DEBUGINFOD_CACHE,
	OPTION_TOKEN_FILE,
	OPTION_HOST,
	OPTION_WINDOW,
	OPTION_MEMORY,
	OPTION_FORCE,
	OPTION_JSON,
	OPTION_LAST,
	OPTION_PORT,
	OPTION_DUMP_DIR,
	OPTION_FROM,
	OPTION_TO,
	OPTION_TO_FORMAT,
	OPTION_BY,
	OPTION_LIMIT,
	OPTION_EVENT,
	OPTION_CONFIG,
	OPTION_USER,
	OPTION_TLS_CERTIFICATE,
	OPTION_TLS_KEY,
	OPTION_NO_COMMAND_LINE,
	OPTION_MAX_CPU,
};

static const struct option_row rows[] = {
	{ "frequency", 'F', "HZ", OPTIONS_SAMPLING,
	  "samples a second on each CPU, 1 to 10000 (99)" },
	{ "max-cpu", OPTION_MAX_CPU, "PERCENT", OPTIONS_SAMPLING,
	  "most that the agent takes of one CPU, as in 0.5: it samples at a lower rate (any)" },
	{ "pid", 'p', "PID", OPTIONS_SAMPLING,
	  "only this process, its threads and children; may be given again" },
	{ "cgroup", 'G', "CGROUP", OPTIONS_SAMPLING,
	  "only this cgroup (version 2) and those below it; may be given again" },
	{ "user", OPTION_USER, "USER", OPTIONS_SAMPLING,
	  "only processes of this user, a name or a number; may be given again" },
	{ "cpus", 'C', "CPUS", OPTIONS_SAMPLING, "only these CPUs, as in 0-3,5" },
	{ "debuginfod", OPTION_DEBUGINFOD, "URL", OPTIONS_SAMPLING,
	  "ask this server for missing debug files (none); may be given again" },
	{ "debuginfod-cache", OPTION_DEBUGINFOD_CACHE, "DIR", OPTIONS_SAMPLING,
	  "where they are kept (/var/cache/flickerscope)" },
	{ "listen", OPTION_LISTEN, "ADDR:PORT", OPTIONS_SERVING,
	  "where the page is served (127.0.0.1:7780); port 0 picks a free one; unix:/PATH is a "
	  "socket for a proxy" },
	{ "token-file", OPTION_TOKEN_FILE, "FILE", OPTIONS_SERVING,
	  "who may look: a secret, or lines of NAME RIGHT SECRET (/run/flickerscope/token, made "
	  "when missing)" },
	{ "tls-cert", OPTION_TLS_CERTIFICATE, "FILE", OPTIONS_SERVING,
	  "serve by TLS with this certificate and chain (PEM); read at the start" },
	{ "tls-key", OPTION_TLS_KEY, "FILE", OPTIONS_SERVING,
	  "its private key (PEM), for its owner alone to read" },
	{ "host", OPTION_HOST, "NAME", OPTIONS_SERVING,
	  "another name by which the page is reached; may be given again" },
	{ "window", OPTION_WINDOW, "TIME", OPTIONS_WINDOW, "how far back the page can look (10m)" },
	{ "memory", OPTION_MEMORY, "SIZE", OPTIONS_WINDOW,
	  "most memory for samples and rings; the oldest go first (256M)" },
	{ "output", 'o', "FILE", OPTIONS_OUTPUT, "write a capture to this file" },
	{ "force", OPTION_FORCE, NULL, OPTIONS_OUTPUT, "replace the file when it exists" },
	{ "duration", 'd', "TIME", OPTIONS_DURATION, "stop after this time, as in 30, 1.5s, 2m" },
	{ "no-command-line", OPTION_NO_COMMAND_LINE, NULL, OPTIONS_RECORDING,
	  "leave the command's arguments out of the capture: its name alone is its title" },
	{ "json", OPTION_JSON, NULL, OPTIONS_JSON, "print JSON" },
	{ "last", OPTION_LAST, "TIME", OPTIONS_DUMP,
	  "only the newest part, as in 60s; else all of it" },
	{ "port", OPTION_PORT, "PORT", OPTIONS_DUMP,
	  "the agent whose page has this port, where several run; 0: a unix socket" },
	{ "dump-dir", OPTION_DUMP_DIR, "DIR", OPTIONS_DUMPED,
	  "SIGUSR1 writes the window to a new file in this folder" },
	{ "output", 'o', "FILE", OPTIONS_CONVERT, "where to write to; - is standard output" },
	{ "to", OPTION_TO_FORMAT, "FORMAT", OPTIONS_CONVERT,
	  "flicker, perf-script, folded, pprof, speedscope, d3 or html" },
	{ "force", OPTION_FORCE, NULL, OPTIONS_CONVERT, "replace the file when it exists" },
	{ "from", OPTION_FROM, "T", OPTIONS_RANGE | OPTIONS_CONVERT,
	  "only what is from this time on, as in 12.5, 12:04:31.250" },
	{ "to", OPTION_TO, "T", OPTIONS_RANGE, "only what is before this time" },
	{ "to", OPTION_TO_FORMAT, "T", OPTIONS_CONVERT, "only what is before this time" },
	{ "by", OPTION_BY, "WHAT", OPTIONS_REPORT,
	  "function, module, process or thread (function)" },
	{ "event", OPTION_EVENT, "NAME", OPTIONS_EVENT,
	  "which one of the events in a foreign file (info tells them)" },
	{ "limit", OPTION_LIMIT, "N", OPTIONS_REPORT,
	  "at most so many rows (40; of JSON all); 0: all" },
	{ "config", OPTION_CONFIG, "FILE", OPTIONS_CONFIG,
	  "take options from this file, as flickerscope.conf(5) tells; what follows goes before "
	  "it" },
	{ "verbose", 'v', NULL, 0, "say more on standard error" },
	{ "help", 'h', NULL, 0, "print this" },
};

static bool taken(const struct option_row *row, const struct options_usage *usage)
{
	return !row->groups || (row->groups & usage->groups);
}

const struct option_row *options_row(const struct options_usage *usage, size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (taken(&rows[i], usage) && !index--)
			return &rows[i];
	return NULL;
}

bool option_is_for_files(const struct option_row *row)
{
	return row->code != OPTION_CONFIG && row->code != 'h';
}

const char *option_choice(const struct option_row *row, size_t index)
{
	if (row->code == OPTION_BY)
		return index < REPORT_BY_COUNT ? report_by_names[index] : NULL;
	if (row->code == OPTION_TO_FORMAT)
		return index < format_count ? formats[index].name : NULL;
	return NULL;
}

void option_names(const struct option_row *row, char *buffer, size_t size)
{
	const char *blank = row->argument ? " " : "",
		   *argument = row->argument ? row->argument : "";

	if (row->code < 256)
		snprintf(buffer, size, "-%c, --%s%s%s", row->code, row->long_name, blank, argument);
	else
		snprintf(buffer, size, "--%s%s%s", row->long_name, blank, argument);
}

static void print_help(const struct options_usage *usage)
{
	const struct option_row *row;

	printf("Usage: flickerscope %s [OPTIONS]%s%s\n\n%s\n", usage->name,
	       usage->arguments[0] ? " " : "", usage->arguments, usage->summary);
	if (usage->details)
		printf("\n%s\n", usage->details);
	printf("\nOptions:\n");
	for (size_t i = 0; (row = options_row(usage, i)); i++) {
		char names[64];

		option_names(row, names, sizeof(names));
		/* Long names stand below each other. */
		printf("  %s%-*s %s\n", row->code < 256 ? "" : "    ", row->code < 256 ? 26 : 22,
		       names, row->help);
	}
}

/* "frequency". */
static const char *long_name(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].code == code)
			return rows[i].long_name;
	return "";
}

static int wrong(const struct options *options, int code, const char *value, const char *expected)
{
	if (options->config_line)
		log_error("%s:%u: %s = %s: %s", options->config_path, options->config_line,
			  long_name(code), value, expected);
	else if (code < 256)
		log_error("-%c %s: %s", code, value, expected);
	else
		log_error("--%s %s: %s", long_name(code), value, expected);
	return OPTIONS_WRONG;
}

/* A whole decimal number from @least to @most and nothing else. */
static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || *end || number < least || number > most)
		return false;
	*ret_number = number;
	return true;
}

/* A decimal number with a unit; the first unit stands for no unit at all. */
struct unit {
	const char *name;
	double factor;
};

static bool parse_amount(const char *text, const struct unit *units, size_t unit_count,
			 double *ret_amount)
{
	char *end;
	double number;

	if ((text[0] < '0' || text[0] > '9') && text[0] != '.')
		return false;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return false; /* strtod would take hexadecimal */
	number = strtod(text, &end);
	if (end == text)
		return false;
	for (size_t i = 0; i < unit_count; i++) {
		if (strcmp(end, units[i].name) == 0 || (i == 0 && !*end)) {
			*ret_amount = number * units[i].factor;
			return true;
		}
	}
	return false;
}

static bool parse_duration_ms(const char *text, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{ "s", 1e3 }, { "ms", 1 }, { "m", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 },
	};
	double amount;

	if (!parse_amount(text, units, ARRAY_SIZE(units), &amount) || amount < 1 ||
	    amount > 1e3 * OPTIONS_WINDOW_MAX_S)
		return false;
	*ret_ms = (uint64_t)amount;
	return true;
}

static bool parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },	    { "K", 1 << 10 },	{ "M", 1 << 20 },   { "G", 1 << 30 },
		{ "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 },
	};
	double amount;

	if (!parse_amount(text, units, ARRAY_SIZE(units), &amount) ||
	    amount < OPTIONS_MEMORY_LEAST || amount > 1e12)
		return false;
	*ret_bytes = (uint64_t)amount;
	return true;
}

/* "0-3,5": numbers and ranges, parted by commas. */
static bool parse_cpus(const char *text, struct options *options)
{
	const char *at = text;

	do {
		char *end;
		unsigned long first, last;

		if (*at < '0' || *at > '9')
			return false;
		first = last = strtoul(at, &end, 10);
		if (*end == '-') {
			at = end + 1;
			if (*at < '0' || *at > '9')
				return false;
			last = strtoul(at, &end, 10);
		}
		if (last >= SAMPLE_CPUS_MAX || first > last)
			return false;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			options->cpu_chosen[cpu] = true;
		at = end + 1;
		if (*end && *end != ',')
			return false;
		if (!*end)
			break;
	} while (true);
	options->cpus_chosen = true;
	return true;
}

/* What is downloaded ends in a request line: no blanks, nothing that cannot be seen. */
static bool is_url(const char *text)
{
	if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0)
		return false;
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return strlen(text) <= OPTIONS_URL_SIZE_MAX;
}

static int take_debuginfod(struct options *options, int code, const char *value)
{
	if (code == OPTION_DEBUGINFOD_CACHE) {
		if (!value[0])
			return wrong(options, code, "''", "the folder needs a name");
		options->debuginfod_cache = value;
		return 0;
	}
	if (!is_url(value))
		return wrong(options, code, value,
			     "a server is given as in https://debuginfod.debian.net");
	if (options->debuginfod_url_count == OPTIONS_DEBUGINFOD_URLS_MAX)
		return wrong(options, code, value, "too many servers: 8 are the most");
	options->debuginfod_urls[options->debuginfod_url_count++] = value;
	return 0;
}

static bool parse_user(const char *text, uint32_t *ret_user)
{
	const struct passwd *entry = getpwnam(text);
	uint64_t number;

	if (entry)
		*ret_user = entry->pw_uid;
	else if (parse_number(text, 0, UINT32_MAX - 1, &number))
		*ret_user = (uint32_t)number;
	else
		return false;
	return true;
}

/* Whose processes are sampled. */
static int take_tasks(struct options *options, int code, const char *value)
{
	if (code == 'G') {
		if (!value[0])
			return wrong(options, code, "''", "the cgroup needs a name");
		if (options->cgroup_count == SAMPLE_CGROUPS_MAX)
			return wrong(options, code, value, "too many cgroups: 8 are the most");
		options->cgroups[options->cgroup_count++] = value;
		return 0;
	}
	if (options->user_count == SAMPLE_USERS_MAX)
		return wrong(options, code, value, "too many users: 16 are the most");
	if (!parse_user(value, &options->users[options->user_count]))
		return wrong(options, code, value,
			     "there is no such user; a number is taken as well");
	options->user_names[options->user_count++] = value;
	return 0;
}

static int take_sampling(struct options *options, int code, const char *value)
{
	uint64_t number;

	switch (code) {
	case 'F':
		if (!parse_number(value, 1, SAMPLE_FREQUENCY_MAX_HZ, &number))
			return wrong(options, code, value,
				     "the rate is a whole number from 1 to 10000");
		options->frequency_hz = (uint32_t)number;
		return 0;
	case 'p':
		if (!parse_number(value, 1, 4194304, &number))
			return wrong(options, code, value,
				     "a process id is a whole number from 1 to 4194304");
		if (options->pid_count == OPTIONS_PIDS_MAX)
			return wrong(options, code, value, "too many processes: 1024 are the most");
		options->pids[options->pid_count++] = (uint32_t)number;
		return 0;
	default:
		if (!parse_cpus(value, options))
			return wrong(options, code, value,
				     "CPUs are given as in 0-3,5, each below 1024");
		return 0;
	}
}

static int take_time(const struct options *options, struct time_point *point, int code,
		     const char *value)
{
	if (time_point_parse(value, point))
		return wrong(
			options, code, value,
			code == OPTION_TO_FORMAT
				? "neither a format (flicker, perf-script, folded, pprof, "
				  "speedscope, d3, html) nor a time, as in 12.5, 12:04:31.250"
				: "a time is seconds from the start or a time of the wall clock, "
				  "as in 12.5, 12:04:31.250, 2026-11-22T12:04:31.250");
	return 0;
}

/* What to read of a profile and how to show it. */
static int take_reading(struct options *options, int code, const char *value)
{
	uint64_t number;

	switch (code) {
	case OPTION_FROM:
		return take_time(options, &options->range.from, code, value);
	case OPTION_TO_FORMAT:
		if (format_by_name(value)) {
			options->format = format_by_name(value);
			return 0;
		}
		return take_time(options, &options->range.to, code, value);
	case OPTION_TO:
		return take_time(options, &options->range.to, code, value);
	case OPTION_BY:
		for (unsigned int by = 0; by < REPORT_BY_COUNT; by++) {
			if (strcmp(value, report_by_names[by]) != 0)
				continue;
			options->report_by = by;
			return 0;
		}
		return wrong(options, code, value,
			     "it is one of function, module, process, thread");
	default:
		if (!parse_number(value, 0, UINT32_MAX - 1, &number))
			return wrong(options, code, value, "a number of rows, or 0 for all");
		options->rows_max = (uint32_t)number;
		return 0;
	}
}

static int take(struct options *options, int code, const char *value)
{
	uint64_t number;
	double amount;

	switch (code) {
	case 'F':
	case 'p':
	case 'C':
		return take_sampling(options, code, value);
	case 'G':
	case OPTION_USER:
		return take_tasks(options, code, value);
	case OPTION_MAX_CPU:
		if (!parse_amount(value, &(struct unit){ "%", 1e4 }, 1, &amount) || amount < 1e3 ||
		    amount > 1e8)
			return wrong(options, code, value,
				     "a share of one CPU is 0.1 to 10000 percent, as in 0.5 or 2%");
		options->max_cpu_us_per_s = (uint32_t)amount;
		return 0;
	case OPTION_DEBUGINFOD:
	case OPTION_DEBUGINFOD_CACHE:
		return take_debuginfod(options, code, value);
	case OPTION_LISTEN:
		options->listen = value;
		return 0;
	case OPTION_TOKEN_FILE:
		options->token_file = value;
		return 0;
	case OPTION_TLS_CERTIFICATE:
		options->tls_certificate = value;
		return 0;
	case OPTION_TLS_KEY:
		options->tls_key = value;
		return 0;
	case OPTION_HOST:
		if (options->host_count == OPTIONS_HOSTS_MAX)
			return wrong(options, code, value, "too many names: 16 are the most");
		options->hosts[options->host_count++] = value;
		return 0;
	case OPTION_WINDOW:
		if (!parse_duration_ms(value, &number) || number < 1000)
			return wrong(options, code, value,
				     "the window is a time from 1s to 7d, as in 90s, 10m, 2h");
		options->window_s = number / 1000;
		return 0;
	case OPTION_MEMORY:
		if (!parse_size(value, &options->memory_bytes))
			return wrong(options, code, value,
				     "memory is a size of at least 32M, as in 256M or 1G");
		return 0;
	case 'o':
		if (!value[0])
			return wrong(options, code, "''", "the file needs a name");
		options->output = value;
		return 0;
	case OPTION_FORCE:
		options->force = true;
		return 0;
	case 'd':
		if (!parse_duration_ms(value, &options->duration_ms))
			return wrong(options, code, value,
				     "a time is a number above 0, as in 30, 1.5s, 2m");
		return 0;
	case OPTION_NO_COMMAND_LINE:
		options->no_command_line = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_LAST:
		if (!parse_duration_ms(value, &options->last_ms))
			return wrong(options, code, value,
				     "a time is a number above 0, as in 30, 1.5s, 2m");
		return 0;
	case OPTION_PORT:
		if (!parse_number(value, 0, UINT16_MAX, &number))
			return wrong(options, code, value, "a port is a whole number up to 65535");
		options->port = (int)number;
		return 0;
	case OPTION_DUMP_DIR:
		options->dump_dir = value;
		return 0;
	case OPTION_FROM:
	case OPTION_TO:
	case OPTION_TO_FORMAT:
	case OPTION_BY:
	case OPTION_LIMIT:
		return take_reading(options, code, value);
	case OPTION_EVENT:
		options->event = value;
		return 0;
	default:
		options->verbose = true;
		log_set_level(LOG_LEVEL_DEBUG);
		return 0;
	}
}

/* --- the file ------------------------------------------------------------------------------------ */

/* Reads the whole file, terminated. What root runs by it is for its owner alone to change. */
static int read_config(const char *path, char ret_text[OPTIONS_CONFIG_SIZE_MAX])
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	ssize_t size;

	if (fd < 0 || fstat(fd, &status) < 0)
		return log_errno(-errno, "--config %s", path);
	if (!S_ISREG(status.st_mode)) {
		log_error("--config %s: it is no regular file", path);
		return -EINVAL;
	}
	if ((status.st_uid != 0 && status.st_uid != geteuid()) ||
	    status.st_mode & (S_IWGRP | S_IWOTH)) {
		log_error("--config %s: others may change it: chown root and chmod go-w first",
			  path);
		return -EPERM;
	}
	size = read(fd, ret_text, OPTIONS_CONFIG_SIZE_MAX);
	if (size < 0)
		return log_errno(-errno, "--config %s", path);
	if (size == OPTIONS_CONFIG_SIZE_MAX || memchr(ret_text, '\0', (size_t)size)) {
		log_error("--config %s: it is no text of less than %d KiB", path,
			  OPTIONS_CONFIG_SIZE_MAX / 1024);
		return -EINVAL;
	}
	ret_text[size] = '\0';
	return 0;
}

/* Cuts off the blanks around a text, in place. */
static char *trimmed(char *text)
{
	static const char blanks[] = " \t\r";
	char *end;

	text += strspn(text, blanks);
	end = text + strlen(text);
	while (end > text && strchr(blanks, end[-1]))
		*--end = '\0';
	return text;
}

/* "name = value", or the name alone; the row and the value, or why not. */
static const char *split_line(const struct options_usage *usage, char *line,
			      const struct option_row **ret_row, char **ret_value)
{
	char *value = strchr(line, '=');
	const struct option_row *row;

	if (value)
		*value++ = '\0';
	line = trimmed(line);
	for (size_t i = 0; (row = options_row(usage, i)); i++)
		if (strcmp(row->long_name, line) == 0 && option_is_for_files(row))
			break;
	if (!row)
		return "there is no such option here";
	if (row->argument && !value)
		return "a value is missing, as in frequency = 99";
	if (!row->argument && value)
		return "it takes no value";
	*ret_row = row;
	*ret_value = value ? trimmed(value) : NULL;
	return NULL;
}

/* Takes the options of a file; their values stay in @options. */
static int take_config(const struct options_usage *usage, struct options *options, const char *path)
{
	char *next = options->config, *line;
	int r;

	if (options->config_path) {
		log_error("--config %s: one file is taken, and that was %s", path,
			  options->config_path);
		return OPTIONS_WRONG;
	}
	options->config_path = path;
	if (read_config(path, options->config) < 0)
		return OPTIONS_WRONG;
	for (unsigned int number = 1; (line = strsep(&next, "\n")); number++) {
		const struct option_row *row = NULL;
		const char *problem;
		char *value = NULL;

		line = trimmed(line);
		if (!*line || *line == '#')
			continue;
		problem = split_line(usage, line, &row, &value);
		if (problem) {
			log_error("%s:%u: %s: %s", path, number, line, problem);
			return OPTIONS_WRONG;
		}
		options->config_line = number;
		r = take(options, row->code, value);
		options->config_line = 0;
		if (r)
			return r;
	}
	return 0;
}

/* --- the command line ---------------------------------------------------------------------------- */

/* Fills getopt's tables with the rows that the command takes. */
static void getopt_tables(const struct options_usage *usage, char *ret_short,
			  struct option *ret_long)
{
	/* Options behind a command's name are the command's. */
	if (usage->runs_command)
		*ret_short++ = '+';
	*ret_short++ = ':';
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!taken(&rows[i], usage))
			continue;
		*ret_long++ = (struct option){ .name = rows[i].long_name,
					       .has_arg = rows[i].argument ? required_argument
									   : no_argument,
					       .val = rows[i].code };
		if (rows[i].code < 256) {
			*ret_short++ = (char)rows[i].code;
			if (rows[i].argument)
				*ret_short++ = ':';
		}
	}
	*ret_short = 0;
	*ret_long = (struct option){ 0 };
}

int options_parse(const struct options_usage *usage, int argc, char **argv,
		  struct options *ret_options)
{
	struct option long_options[ARRAY_SIZE(rows) + 1];
	char short_options[2 * ARRAY_SIZE(rows) + 4];
	int code, r;

	*ret_options = (struct options){
		.frequency_hz = 99,
		.debuginfod_cache = "/var/cache/flickerscope",
		.listen = "127.0.0.1:7780",
		.token_file = "/run/flickerscope/token",
		.window_s = 600,
		.memory_bytes = 256 << 20,
		.rows_max = OPTIONS_ROWS_UNSET,
		.port = -1,
	};

	getopt_tables(usage, short_options, long_options);
	optind = 0; /* glibc: begin anew, also after an earlier parse */
	while ((code = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (code == 'h') {
			print_help(usage);
			return OPTIONS_HELP;
		}
		if (code == ':' || code == '?') {
			log_error("%s: %s; try 'flickerscope %s --help'", argv[optind - 1],
				  code == ':' ? "a value is missing"
					      : "there is no such option here",
				  usage->name);
			return OPTIONS_WRONG;
		}
		r = code == OPTION_CONFIG ? take_config(usage, ret_options, optarg)
					  : take(ret_options, code, optarg);
		if (r)
			return r;
	}
	if (!ret_options->tls_certificate != !ret_options->tls_key) {
		log_error("--tls-cert and --tls-key belong together: one of them is missing");
		return OPTIONS_WRONG;
	}
	ret_options->arguments = argv + optind;
	ret_options->argument_count = argc - optind;
	if (ret_options->argument_count > usage->arguments_most) {
		log_error("%s: one argument too many; try 'flickerscope %s --help'",
			  ret_options->arguments[usage->arguments_most], usage->name);
		return OPTIONS_WRONG;
	}
	if (ret_options->argument_count < usage->arguments_least) {
		log_error("%s: %s is missing; try 'flickerscope %s --help'", usage->name,
			  usage->arguments, usage->name);
		return OPTIONS_WRONG;
	}
	return 0;
}
