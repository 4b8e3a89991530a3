/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands. Each takes its own part of the command line (argv[0] is its name), says what went
 * wrong itself, and returns the program's exit code: 0, 1 for a failure, 2 for wrong usage.
 */
#ifndef FLICKERSCOPE_COMMANDS_H
#define FLICKERSCOPE_COMMANDS_H

#include <stddef.h>

enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,
};

struct options_usage;

struct command {
	const struct options_usage *usage; /* what --help behind it says */
	const char *summary;		   /* in the list of commands */
	int (*run)(int argc, char **argv);
};

/* All of them, in the order in which they are listed. */
extern const struct command commands[];
extern const size_t command_count;

int command_live(int argc, char **argv);
int command_record(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_view(int argc, char **argv);
int command_info(int argc, char **argv);
int command_report(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_manual(int argc, char **argv);

extern const struct options_usage usage_live;
extern const struct options_usage usage_record;
extern const struct options_usage usage_dump;
extern const struct options_usage usage_view;
extern const struct options_usage usage_info;
extern const struct options_usage usage_report;
extern const struct options_usage usage_convert;
extern const struct options_usage usage_doctor;
extern const struct options_usage usage_manual;

#endif
