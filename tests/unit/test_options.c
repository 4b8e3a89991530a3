/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/options.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"

enum { WORDS_MAX = 32 };

static const struct options_usage live = {
	.name = "live",
	.arguments = "",
	.summary = "test",
	.groups = OPTIONS_SAMPLING | OPTIONS_SERVING | OPTIONS_WINDOW | OPTIONS_OUTPUT |
		  OPTIONS_CONFIG,
};

static const struct options_usage info = {
	.name = "info",
	.arguments = "FILE",
	.summary = "test",
	.groups = OPTIONS_JSON,
	.arguments_least = 1,
	.arguments_most = 1,
};

/* Parses the words of @line behind the command's name; what is said goes nowhere. */
static int parse(const struct options_usage *usage, const char *line, struct options *ret_options)
{
	static char words[256];
	char *argv[WORDS_MAX] = { (char *)usage->name };
	int argc = 1, saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC), r;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word && argc < WORDS_MAX - 1;
	     word = strtok(NULL, " "))
		argv[argc++] = word;
	dup2(null, STDERR_FILENO);
	r = options_parse(usage, argc, argv, ret_options);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	return r;
}

static void without_options_the_defaults_hold(void)
{
	struct options options;

	CHECK_OR_RETURN(parse(&live, "", &options) == 0);
	CHECK_EQ(options.frequency_hz, 99);
	CHECK_EQ(options.pid_count, 0);
	CHECK(!options.cpus_chosen);
	CHECK_STR_EQ(options.listen, "127.0.0.1:7780");
	CHECK_EQ(options.window_s, 600);
	CHECK_EQ(options.memory_bytes, 256 << 20);
	CHECK(!options.output);
	CHECK_EQ(options.debuginfod_url_count, 0); /* whatever the environment says */
}

static void every_option_is_taken(void)
{
	struct options options;

	CHECK_OR_RETURN(parse(&live,
			      "-F 999 -p 12 --pid 13 -C 0-2,5 --listen [::1]:0 --token-file /t "
			      "--host a --host b --window 90s --memory 1G -o x --force "
			      "--debuginfod http://127.0.0.1:1 --debuginfod https://a "
			      "--debuginfod-cache /c",
			      &options) == 0);
	CHECK_EQ(options.frequency_hz, 999);
	CHECK_EQ(options.pid_count, 2);
	CHECK_EQ(options.pids[1], 13);
	CHECK(options.cpus_chosen);
	CHECK(options.cpu_chosen[0] && options.cpu_chosen[2] && options.cpu_chosen[5]);
	CHECK(!options.cpu_chosen[3] && !options.cpu_chosen[4]);
	CHECK_STR_EQ(options.listen, "[::1]:0");
	CHECK_EQ(options.host_count, 2);
	CHECK_EQ(options.window_s, 90);
	CHECK_EQ(options.memory_bytes, 1 << 30);
	CHECK_STR_EQ(options.output, "x");
	CHECK(options.force);
	CHECK_EQ(options.debuginfod_url_count, 2);
	CHECK_STR_EQ(options.debuginfod_urls[1], "https://a");
	CHECK_STR_EQ(options.debuginfod_cache, "/c");
}

static void wrong_values_are_refused(void)
{
	static const char *const lines[] = {
		"-F 0",
		"-F 10001",
		"-F -1",
		"-F 99x",
		"-F 0x63",
		"-F",
		"-p 0",
		"-p x",
		"-p -5",
		"-p 4194305",
		"-C 3-1",
		"-C 1,",
		"-C a",
		"-C 1024",
		"-C 1-",
		"-C 1;2",
		"--window 0",
		"--window -3s",
		"--window 8d",
		"--window 10x",
		"--memory 1M",
		"--memory 0x1",
		"--memory x",
		"--nonsense",
		"-d 3",
		"--json",
		"argument",
		"--window 0x10",
		"--memory inf",
		"--window nan",
		"--debuginfod ftp://a",
		"--debuginfod a",
		"--debuginfod http://\x01",
	};
	struct options options;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int r = parse(&live, lines[i], &options);

		CHECK_EQ(r, OPTIONS_WRONG);
		if (r != OPTIONS_WRONG)
			printf("#   for: %s\n", lines[i]);
	}
}

static void options_of_other_commands_are_refused(void)
{
	struct options options;

	CHECK_EQ(parse(&info, "-F 99 file", &options), OPTIONS_WRONG);
	CHECK_EQ(parse(&info, "--json file", &options), 0);
	CHECK(options.json);
	CHECK_STR_EQ(options.arguments[0], "file");
}

static void the_number_of_arguments_is_checked(void)
{
	struct options options;

	CHECK_EQ(parse(&info, "", &options), OPTIONS_WRONG);
	CHECK_EQ(parse(&info, "a b", &options), OPTIONS_WRONG);
	CHECK_EQ(parse(&info, "a", &options), 0);
}

/* Parses a file of these bytes, with @before and @behind on the command line around it. */
static int parse_file(const char *text, mode_t mode, const char *before, const char *behind,
		      struct options *ret_options)
{
	static char path[] = "/tmp/options-XXXXXX";
	char line[128];
	int fd, r;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK_EQ(fchmod(fd, mode), 0);
	close(fd);
	snprintf(line, sizeof(line), "%s --config %s %s", before, path, behind);
	r = parse(&live, line, ret_options);
	unlink(path);
	return r;
}

static void options_of_a_file_are_taken(void)
{
	static const char text[] =
		"# of the service\n\n  frequency = 49\t\r\npid=12\npid = 13\nforce\n"
		"listen =127.0.0.1:1\ntoken-file = /a = b";
	struct options options;

	CHECK_OR_RETURN(parse_file(text, 0644, "-p 11", "", &options) == 0);
	CHECK_EQ(options.frequency_hz, 49);
	CHECK_EQ(options.pid_count, 3);
	CHECK_EQ(options.pids[2], 13);
	CHECK(options.force);
	CHECK_STR_EQ(options.listen, "127.0.0.1:1");
	CHECK_STR_EQ(options.token_file, "/a = b");
	/* What stands behind goes before it. */
	CHECK_OR_RETURN(parse_file(text, 0600, "-F 1", "-F 999", &options) == 0);
	CHECK_EQ(options.frequency_hz, 999);
	CHECK_EQ(parse_file("", 0600, "", "", &options), 0);
	CHECK_EQ(options.frequency_hz, 99);
}

static void wrong_files_are_refused(void)
{
	static const char *const texts[] = {
		"frequency = 0",  "frequency",	     "frequency 99",
		"frequenzy = 99", "force = yes",     "F = 99",
		"help",		  "config = x",	     "= 3",
		"duration = 3",	  "listen = a\n=\n", "--force",
		"last = 3",	  "pid = 1 2",
	};
	static char large[OPTIONS_CONFIG_SIZE_MAX + 1];
	struct options options;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int r = parse_file(texts[i], 0600, "", "", &options);

		CHECK_EQ(r, OPTIONS_WRONG);
		if (r != OPTIONS_WRONG)
			printf("#   for: %s\n", texts[i]);
	}
	memset(large, '#', sizeof(large) - 1);
	CHECK_EQ(parse_file(large, 0600, "", "", &options), OPTIONS_WRONG);
	large[OPTIONS_CONFIG_SIZE_MAX - 1] = 0;
	CHECK_EQ(parse_file(large, 0600, "", "", &options), 0);
	/* Whoever else may change it would run things as we do. */
	CHECK_EQ(parse_file("", 0602, "", "", &options), OPTIONS_WRONG);
	CHECK_EQ(parse_file("", 0620, "", "", &options), OPTIONS_WRONG);
	CHECK_EQ(parse(&live, "--config /", &options), OPTIONS_WRONG);
	CHECK_EQ(parse(&live, "--config /nonsense", &options), OPTIONS_WRONG);
	CHECK_EQ(parse_file("", 0600, "", "--config /dev/null", &options), OPTIONS_WRONG);
	CHECK_EQ(parse(&info, "--config /dev/null a", &options), OPTIONS_WRONG);
}

TESTS(TEST(without_options_the_defaults_hold), TEST(every_option_is_taken),
      TEST(wrong_values_are_refused), TEST(options_of_other_commands_are_refused),
      TEST(the_number_of_arguments_is_checked), TEST(options_of_a_file_are_taken),
      TEST(wrong_files_are_refused))
