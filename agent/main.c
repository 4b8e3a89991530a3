/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the command in a table, runs it, returns its exit code. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "commands/commands.h"
#include "commands/options.h"

static void print_help(void)
{
	printf("flickerscope watches what the CPUs of this host do, live.\n\n"
	       "Usage: flickerscope [COMMAND] [OPTIONS]\n\nCommands:\n");
	for (size_t i = 0; i < command_count; i++)
		printf("  %-8s %s\n", commands[i].usage->name, commands[i].summary);
	printf("\n'flickerscope COMMAND --help' tells more; 'flickerscope --version' the "
	       "version.\n");
}

int main(int argc, char **argv)
{
	static char default_command[] = "live";
	const char *name = argc > 1 ? argv[1] : default_command;

	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
		print_help();
		return EXIT_CODE_OK;
	}
	if (strcmp(name, "--version") == 0) {
		printf("flickerscope %s\n", FLICKERSCOPE_VERSION);
		return EXIT_CODE_OK;
	}
	/* Options without a command are live's; its name then stands where the program's did. */
	if (argc > 0 && (argc < 2 || name[0] == '-')) {
		argv[0] = default_command;
		return command_live(argc, argv);
	}
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(name, commands[i].usage->name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	log_error("%s: there is no such command; 'flickerscope --help' lists them", name);
	return EXIT_CODE_USAGE;
}
