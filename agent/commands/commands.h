/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands. Each takes its own part of the command line (argv[0] is its name), says what went
 * wrong itself, and returns the program's exit code: 0, 1 for a failure, 2 for wrong usage.
 */
#ifndef FLICKERSCOPE_COMMANDS_H
#define FLICKERSCOPE_COMMANDS_H

enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int command_live(int argc, char **argv);
int command_record(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_view(int argc, char **argv);
int command_info(int argc, char **argv);
int command_report(int argc, char **argv);
int command_convert(int argc, char **argv);

#endif
