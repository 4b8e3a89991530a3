/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `flickerscope manual WHAT`: the manual pages and the completions, made of the same tables as --help,
 * so that none of them can say what another does not.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/own_user.h"
#include "commands/commands.h"
#include "commands/options.h"

const struct options_usage usage_manual = {
	.name = "manual",
	.arguments = "WHAT",
	.summary = "Writes the manual pages, and completions for shells.",
	.details =
		"  page         flickerscope(1), for man\n"
		"  config-page  flickerscope.conf(5)\n"
		"  bash         completions: . <(flickerscope manual bash)\n"
		"  zsh          completions: flickerscope manual zsh >_flickerscope in a folder of "
		"$fpath",
	.arguments_least = 1,
	.arguments_most = 1,
};

/* --- pages, for man(7) --------------------------------------------------------------------------- */

/* Text that roff takes as it is: no hyphens that become dashes, no line that is a request. */
static void put(const char *text)
{
	for (const char *at = text; *at; at++) {
		if ((at == text || at[-1] == '\n') && (*at == '.' || *at == '\''))
			fputs("\\&", stdout);
		if (*at == '-')
			fputs("\\-", stdout);
		else if (*at == '\\')
			fputs("\\e", stdout);
		else
			putchar(*at);
	}
}

static void put_line(const char *request, const char *text)
{
	fputs(request, stdout);
	put(text);
	putchar('\n');
}

static void put_head(const char *title, const char *section)
{
	printf(".TH %s %s \"\" \"flickerscope " FLICKERSCOPE_VERSION "\"\n.nh\n.ad l\n", title,
	       section);
}

static void put_options(const struct options_usage *usage)
{
	const struct option_row *row;

	for (size_t i = 0; (row = options_row(usage, i)); i++) {
		char names[64];

		option_names(row, names, sizeof(names));
		put_line(".TP\n.B ", names);
		put_line("", row->help);
	}
}

static void put_command(const struct command *command)
{
	const struct options_usage *usage = command->usage;

	put_line(".SS ", usage->name);
	printf(".B flickerscope %s\n[OPTIONS] ", usage->name);
	put_line("", usage->arguments);
	put_line(".PP\n", usage->summary);
	if (usage->details) {
		/* Its lines are as they stand in --help. */
		put_line(".PP\n.nf\n", usage->details);
		printf(".fi\n");
	}
	put_options(usage);
}

static void put_page(void)
{
	put_head("FLICKERSCOPE", "1");
	printf(".SH NAME\nflickerscope \\- watch what the CPUs of a Linux host do, live\n"
	       ".SH SYNOPSIS\n.B flickerscope\n[COMMAND] [OPTIONS]\n.SH DESCRIPTION\n"
	       "Samples the stacks of everything that runs, at a fixed rate on each CPU, and "
	       "shows\n"
	       "them on a page while they come: each second is a column of a heat map, and any\n"
	       "stretch of it, down to the millisecond, has its flame graph. What was sampled can\n"
	       "be kept in files, and files of other profilers open as well.\n"
	       ".PP\nWithout a command it is\n.BR live .\n.SH COMMANDS\n");
	for (size_t i = 0; i < command_count; i++)
		put_command(&commands[i]);
	printf(".SH EXIT STATUS\n0; 1 for a failure; 2 for wrong usage. What went wrong is one "
	       "line "
	       "on\nstandard error.\n.SH PRIVILEGES\n"
	       "What samples is started by root. One small process stays that; all others are\n"
	       "without capabilities, and become the user\n.I " OWN_USER_NAME
	       "\nwhere\n.I " OWN_USER_FILE "\nhas one of the system, else nobody.\n.SH FILES\n"
	       ".TP\n.I /run/flickerscope/token\nthe secret in the page's address\n"
	       ".TP\n.I /run/flickerscope/PORT.sock\nwhere\n.B dump\nasks a running agent\n"
	       ".TP\n.I /etc/flickerscope.conf\nthe options of the service\n"
	       ".TP\n.I /var/cache/flickerscope\ndebug files, where a server for them was named\n"
	       ".SH SEE ALSO\n.BR flickerscope.conf (5),\n.BR perf (1)\n");
}

static void put_config_page(void)
{
	const struct option_row *row;

	put_head("FLICKERSCOPE.CONF", "5");
	printf(".SH NAME\nflickerscope.conf \\- options of flickerscope live\n"
	       ".SH SYNOPSIS\n.B flickerscope live \\-\\-config\n.I FILE\n.SH DESCRIPTION\n"
	       "A line of the file is the long name of an option of\n.BR \"flickerscope live\" ,\n"
	       "with its value behind an equals sign, or the name alone where there is no value:\n"
	       ".PP\n.nf\n.RS\nfrequency = 49\nlisten = 127.0.0.1:7781\ncpus = 0\\-3\nverbose\n"
	       ".RE\n.fi\n"
	       ".PP\nEmpty lines and those that begin with # are passed over. What may be given "
	       "again may\nhave several lines. Options that stand behind\n.B \\-\\-config\n"
	       "on the command line go before those of the file. Nobody but root, or who runs the "
	       "program,\nmay be able to change the file. What is wrong is said with its line.\n"
	       ".PP\nThe service reads\n.IR /etc/flickerscope.conf .\n.SH OPTIONS\n");
	for (size_t i = 0; (row = options_row(&usage_live, i)); i++) {
		if (!option_is_for_files(row))
			continue;
		fputs(".TP\n.B ", stdout);
		put(row->long_name);
		put_line(row->argument ? " = " : "", row->argument ? row->argument : "");
		put_line("", row->help);
	}
	printf(".SH SEE ALSO\n.BR flickerscope (1)\n");
}

/* --- completions --------------------------------------------------------------------------------- */

/* convert has two of --to. */
static bool is_again(const struct options_usage *usage, size_t index)
{
	const char *name = options_row(usage, index)->long_name;

	for (size_t i = 0; i < index; i++)
		if (strcmp(options_row(usage, i)->long_name, name) == 0)
			return true;
	return false;
}

static void put_choices(const struct option_row *row)
{
	const char *choice;

	for (size_t i = 0; (choice = option_choice(row, i)); i++)
		printf("%s%s", i ? " " : "", choice);
}

static void put_bash_options(const struct options_usage *usage)
{
	const struct option_row *row;

	for (size_t i = 0; (row = options_row(usage, i)); i++) {
		printf(" --%s", row->long_name);
		if (row->code < 256)
			printf(" -%c", row->code);
	}
}

/* What can stand behind an option, by the word that --help has for it. */
static void put_bash_values(const struct options_usage *usage)
{
	const struct option_row *row;

	for (size_t i = 0; (row = options_row(usage, i)); i++) {
		const char *kind = row->argument ? row->argument : "";

		if (!row->argument || is_again(usage, i))
			continue;
		printf("\t%s:--%s", usage->name, row->long_name);
		if (row->code < 256)
			printf("|%s:-%c", usage->name, row->code);
		if (option_choice(row, 0)) {
			printf(") mapfile -t COMPREPLY < <(compgen -W \"");
			put_choices(row);
			printf("\" -- \"$word\") ;;\n");
		} else if (strcmp(kind, "FILE") == 0) {
			printf(") mapfile -t COMPREPLY < <(compgen -f -- \"$word\") ;;\n");
		} else if (strcmp(kind, "DIR") == 0) {
			printf(") mapfile -t COMPREPLY < <(compgen -d -- \"$word\") ;;\n");
		} else {
			printf(") COMPREPLY=() ;;\n");
		}
	}
}

static void put_bash(void)
{
	printf("# Completions of flickerscope for bash: made by 'flickerscope manual bash'.\n"
	       "_flickerscope() {\n"
	       "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal command=${COMP_WORDS[1]} options\n"
	       "\tcase $command in\n");
	for (size_t i = 0; i < command_count; i++) {
		printf("\t%s) options='", commands[i].usage->name);
		put_bash_options(commands[i].usage);
		printf("' ;;\n");
	}
	printf("\t*) command=live options='");
	put_bash_options(&usage_live);
	printf("' ;;\n\tesac\n\tcase $command:$before in\n");
	for (size_t i = 0; i < command_count; i++)
		put_bash_values(commands[i].usage);
	printf("\t*)\n\t\tif [[ $word == -* ]]; then\n"
	       "\t\t\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
	       "\t\telif [[ $command == manual ]]; then\n"
	       "\t\t\tmapfile -t COMPREPLY < <(compgen -W \"page config-page bash zsh\" -- "
	       "\"$word\")\n"
	       "\t\telif ((COMP_CWORD == 1)); then\n"
	       "\t\t\tmapfile -t COMPREPLY < <(compgen -W \"help");
	for (size_t i = 0; i < command_count; i++)
		printf(" %s", commands[i].usage->name);
	printf("\" -- \"$word\")\n\t\telse\n"
	       "\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
	       "\t\tfi ;;\n\tesac\n}\n"
	       "complete -o filenames -F _flickerscope flickerscope\n");
}

/* Within quotes and brackets of _arguments. */
static void put_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

static void put_zsh_option(const struct option_row *row, const char *name)
{
	printf(" \\\n\t\t\t'*%s[", name);
	put_zsh_text(row->help);
	putchar(']');
	if (row->argument) {
		putchar(':');
		put_zsh_text(row->argument);
		putchar(':');
	}
	if (option_choice(row, 0)) {
		putchar('(');
		put_choices(row);
		putchar(')');
	} else if (row->argument) {
		fputs(strcmp(row->argument, "FILE") == 0  ? "_files"
		      : strcmp(row->argument, "DIR") == 0 ? "_files -/"
							  : " ",
		      stdout);
	}
	putchar('\'');
}

static void put_zsh_command(const struct options_usage *usage)
{
	const struct option_row *row;

	printf("\t%s)\n\t\t_arguments -s", usage->name);
	for (size_t i = 0; (row = options_row(usage, i)); i++) {
		char name[64];

		if (is_again(usage, i))
			continue;
		snprintf(name, sizeof(name), "--%s", row->long_name);
		put_zsh_option(row, name);
		if (row->code >= 256)
			continue;
		snprintf(name, sizeof(name), "-%c", row->code);
		put_zsh_option(row, name);
	}
	if (usage == &usage_manual)
		printf(" \\\n\t\t\t'1:WHAT:(page config-page bash zsh)'");
	else if (usage->arguments_most)
		printf(" \\\n\t\t\t'*:FILE:_files'");
	printf(" ;;\n");
}

static void put_zsh(void)
{
	printf("#compdef flickerscope\n"
	       "# Completions of flickerscope for zsh: made by 'flickerscope manual zsh'.\n"
	       "_flickerscope() {\n\tlocal -a commands=(\n");
	for (size_t i = 0; i < command_count; i++)
		printf("\t\t'%s:%s'\n", commands[i].usage->name, commands[i].summary);
	printf("\t)\n\tif ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n"
	       "\t\t_describe command commands\n\t\treturn\n\tfi\n"
	       "\tlocal command=live\n"
	       "\tif [[ $words[2] != -* ]]; then\n\t\tcommand=$words[2]\n\t\tshift words\n"
	       "\t\t((CURRENT--))\n\tfi\n\tcase $command in\n");
	for (size_t i = 0; i < command_count; i++)
		put_zsh_command(commands[i].usage);
	printf("\tesac\n}\n_flickerscope \"$@\"\n");
}

/* ------------------------------------------------------------------------------------------------- */

int command_manual(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*put)(void);
	} kinds[] = {
		{ "page", put_page },
		{ "config-page", put_config_page },
		{ "bash", put_bash },
		{ "zsh", put_zsh },
	};
	struct options options;
	int r = options_parse(&usage_manual, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, options.arguments[0]) != 0)
			continue;
		kinds[i].put();
		return EXIT_CODE_OK;
	}
	log_error("%s: it is one of page, config-page, bash, zsh", options.arguments[0]);
	return EXIT_CODE_USAGE;
}
