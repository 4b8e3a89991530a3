/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, parsed once into values that nobody changes again.
 *
 * A wrong value is said in one line that names the option, the value and what would be right.
 */
#ifndef FLICKERSCOPE_OPTIONS_H
#define FLICKERSCOPE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convert/report.h"
#include "convert/time_point.h"
#include "sample_abi.h"

struct format;

enum options_limits {
	OPTIONS_PIDS_MAX = 1024,
	OPTIONS_HOSTS_MAX = 16,
	OPTIONS_DEBUGINFOD_URLS_MAX = 8,
	OPTIONS_URL_SIZE_MAX = 1024,
	OPTIONS_WINDOW_MAX_S = 7 * 24 * 3600,
	OPTIONS_ROWS_DEFAULT = 40,	 /* of a report for people */
	OPTIONS_CONFIG_SIZE_MAX = 16384, /* bytes of a file of options */
	OPTIONS_MEMORY_LEAST = 32 << 20, /* bytes: rings, tables and a few segments */
};

#define OPTIONS_ROWS_UNSET UINT32_MAX

enum options_outcome {
	OPTIONS_HELP = 1, /* help was printed: exit 0 */
	OPTIONS_WRONG,	  /* said in one line: exit 2 */
};

/* Which options a command takes; the rest are refused. */
enum options_group {
	OPTIONS_SAMPLING = 1,  /* -F --max-cpu -p -G --user -C --debuginfod --debuginfod-cache */
	OPTIONS_SERVING = 2,   /* --listen --token-file --host --tls-cert --tls-key */
	OPTIONS_WINDOW = 4,    /* --window --memory */
	OPTIONS_OUTPUT = 8,    /* -o --force */
	OPTIONS_DURATION = 16, /* -d */
	OPTIONS_JSON = 32,
	OPTIONS_DUMP = 64,	  /* --last --port */
	OPTIONS_DUMPED = 128,	  /* --dump-dir */
	OPTIONS_RANGE = 256,	  /* --from --to */
	OPTIONS_REPORT = 512,	  /* --by --limit */
	OPTIONS_CONVERT = 1024,	  /* -o --force --to, which is a format or a time; --from */
	OPTIONS_CONFIG = 2048,	  /* --config */
	OPTIONS_RECORDING = 4096, /* --no-command-line */
	OPTIONS_EVENT = 8192,	  /* --event */
};

struct options {
	uint32_t frequency_hz;
	uint32_t max_cpu_us_per_s; /* of CPU time; 0: any */
	uint32_t pids[OPTIONS_PIDS_MAX];
	uint32_t pid_count; /* 0: all processes */
	const char *cgroups[SAMPLE_CGROUPS_MAX];
	uint32_t cgroup_count; /* 0: all */
	uint32_t users[SAMPLE_USERS_MAX];
	const char *user_names[SAMPLE_USERS_MAX]; /* as they were given */
	uint32_t user_count;			  /* 0: all */
	bool cpu_chosen[SAMPLE_CPUS_MAX];
	bool cpus_chosen; /* false: all CPUs */
	const char *debuginfod_urls[OPTIONS_DEBUGINFOD_URLS_MAX];
	uint32_t debuginfod_url_count; /* 0: nothing is downloaded */
	const char *debuginfod_cache;
	const char *listen;
	const char *token_file;
	const char *tls_certificate; /* NULL: no TLS; else there is a key as well */
	const char *tls_key;
	const char *hosts[OPTIONS_HOSTS_MAX]; /* other names by which the page may be reached */
	uint32_t host_count;
	uint64_t window_s;
	uint64_t memory_bytes;
	const char *output; /* NULL: none */
	bool force;
	uint64_t duration_ms; /* 0: until it is stopped */
	bool no_command_line; /* of the command that is recorded, in the capture */
	bool json;
	uint64_t last_ms;     /* 0: all of the window */
	int port;	      /* of the agent that is asked, 0 behind a proxy; -1: the only one */
	const char *dump_dir; /* NULL: none */
	struct time_range range;
	const char
		*event; /* of a foreign file that has several; NULL: what tells most of CPU time */
	const struct format *format; /* NULL: by the ending of the output's name */
	enum report_by report_by;
	uint32_t rows_max; /* 0: all; OPTIONS_ROWS_UNSET: what fits the kind of output */
	bool verbose;
	const char *config_path;	      /* of --config; NULL: none was given */
	unsigned int config_line;	      /* that is being taken; 0: none */
	char config[OPTIONS_CONFIG_SIZE_MAX]; /* what it held, cut into values */
	char **arguments; /* what is left behind the options; borrowed from main's argv */
	int argument_count;
};

/* What a command's --help says and which options it takes. */
struct options_usage {
	const char *name;
	const char *arguments; /* "FILE", or "" */
	const char *summary;   /* one line */
	const char *details;   /* more lines, or NULL */
	unsigned int groups;   /* enum options_group, or-ed */
	int arguments_least;
	int arguments_most;
	bool runs_command; /* the arguments are one: options end where it begins */
};

/* One option: how getopt knows it, who takes it, and its line of help. */
struct option_row {
	const char *long_name;
	int code; /* also the short name, when below 256 */
	const char *argument;
	unsigned int groups; /* 0: every command */
	const char *help;
};

/* The options that a command takes, in the order of --help; NULL behind the last. */
const struct option_row *options_row(const struct options_usage *usage, size_t index);

/* Whether a file of --config may have it. */
bool option_is_for_files(const struct option_row *row);

/* The words of which the argument is one; NULL behind the last, and where it is anything. */
const char *option_choice(const struct option_row *row, size_t index);

/* Writes "-F, --frequency HZ". */
void option_names(const struct option_row *row, char *buffer, size_t size);

/*
 * Parses argv[1...] (argv[0] is the command's name) into *ret_options, which is filled in any case and
 * must stay where it is: some of its values lie in it.
 *
 * Returns 0, OPTIONS_HELP or OPTIONS_WRONG.
 */
int options_parse(const struct options_usage *usage, int argc, char **argv,
		  struct options *ret_options);

#endif
