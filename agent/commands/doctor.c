/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope doctor`: whether this host can be profiled, and if not, what to change. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/own_user.h"
#include "commands/commands.h"
#include "commands/options.h"
#include "commands/sampling.h"
#include "convert/output.h"
#include "pipeline.h"
#include "privileged/perf_events.h"

#define TRIAL_NS UINT64_C(500000000)

enum {
	TEXT_SIZE_MAX = 512,
	RATE_LEAST_HZ = 99,
	/* Bits of CapEff (linux/capability.h). */
	BIT_SYS_PTRACE = 19,
	BIT_SYS_ADMIN = 21,
	BIT_PERFMON = 38,
	BIT_BPF = 39,
};

/* The inode of the first pid namespace (include/linux/proc_ns.h, PROC_PID_INIT_INO). */
#define FIRST_PID_NAMESPACE 4026531836UL

const struct options_usage usage_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "Tells whether this host can be profiled, and if not, what to change.",
	.details = "Exit 0 when it can, 1 when not. Samples the host for half a second.",
	.groups = OPTIONS_JSON,
};

enum verdict {
	GOOD,
	POOR, /* it works, with less to see */
	BAD,  /* it does not work */
};

static const char *const verdicts[] = { "good", "poor", "bad" };

struct finding {
	enum verdict verdict;
	char text[TEXT_SIZE_MAX];
	const char *remedy; /* NULL: nothing is to be done */
};

struct check {
	const char *name;
	struct finding (*look)(void);
};

/* The first line of a file; false when it cannot be read. */
static bool read_line(const char *path, char *line, int size)
{
	CLEANUP(file_close) FILE *file = fopen(path, "re");

	if (!file || !fgets(line, size, file))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* A number as sysctl shows it; -1 when there is none. */
static long read_setting(const char *path)
{
	char line[64];

	return read_line(path, line, sizeof(line)) &&
			       (isdigit((unsigned char)line[0]) || line[0] == '-')
		       ? strtol(line, NULL, 10)
		       : -1;
}

static struct finding look_at_privileges(void)
{
	CLEANUP(file_close) FILE *file = fopen("/proc/self/status", "re");
	struct finding finding = { .verdict = BAD,
				   .remedy = "run it as root: sudo flickerscope doctor" };
	unsigned long long effective = 0;
	char line[256];

	if (!file) {
		snprintf(finding.text, sizeof(finding.text), "/proc/self/status: %s",
			 strerror(errno));
		finding.remedy = "free some memory, or mount /proc";
		return finding;
	}
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	if (geteuid() != 0) {
		snprintf(finding.text, sizeof(finding.text), "user %u is not root", geteuid());
		return finding;
	}
	snprintf(finding.text, sizeof(finding.text), "root; all processes but one become %s",
		 own_user_find(OWN_USER_FILE).user == OWN_USER_NOBODY ? "nobody" : OWN_USER_NAME);
	if (!(effective >> BIT_SYS_ADMIN & 1) &&
	    (!(effective >> BIT_BPF & 1) || !(effective >> BIT_PERFMON & 1))) {
		snprintf(finding.text, sizeof(finding.text),
			 "root without CAP_BPF and CAP_PERFMON");
		finding.remedy = "give the container or the service CAP_BPF and CAP_PERFMON";
		return finding;
	}
	if (!(effective >> BIT_SYS_ADMIN & 1) && perf_events_need_admin()) {
		snprintf(finding.text, sizeof(finding.text),
			 "root without CAP_SYS_ADMIN, and kernel.perf_event_paranoid is above 2");
		finding.remedy = "sysctl kernel.perf_event_paranoid=2, or give the container or "
				 "the service CAP_SYS_ADMIN";
		return finding;
	}
	finding.verdict = GOOD;
	finding.remedy = NULL;
	if (!(effective >> BIT_SYS_PTRACE & 1)) {
		finding.verdict = POOR;
		snprintf(finding.text, sizeof(finding.text), "root without CAP_SYS_PTRACE");
		finding.remedy = "CAP_SYS_PTRACE shows the files of others' processes";
	}
	return finding;
}

static struct finding look_at_types(void)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
		return (struct finding){ GOOD, "/sys/kernel/btf/vmlinux is there", NULL };
	return (struct finding){
		BAD, "/sys/kernel/btf/vmlinux is not there",
		"boot a kernel with CONFIG_DEBUG_INFO_BTF, as those of Debian, Ubuntu and "
		"Fedora are; in a container, mount /sys"
	};
}

static struct finding look_at_namespace(void)
{
	struct stat status;

	if (stat("/proc/self/ns/pid", &status) == 0 && status.st_ino == FIRST_PID_NAMESPACE)
		return (struct finding){ GOOD, "process ids are the host's", NULL };
	return (struct finding){ BAD, "this is a pid namespace: processes have other ids here",
				 "run it on the host, or the container with --pid=host" };
}

static struct finding look_at_lockdown(void)
{
	struct finding finding = { .verdict = GOOD };
	char line[64] = "";

	read_line("/sys/kernel/security/lockdown", line, sizeof(line));
	snprintf(finding.text, sizeof(finding.text), "%s", line[0] ? line : "the kernel has none");
	if (!strstr(line, "[confidentiality]"))
		return finding;
	finding.verdict = BAD;
	finding.remedy = "lockdown=confidentiality forbids reading memory by BPF: boot with "
			 "lockdown=integrity";
	return finding;
}

static struct finding look_at_rate(void)
{
	long most = read_setting("/proc/sys/kernel/perf_event_max_sample_rate");
	long percent = read_setting("/proc/sys/kernel/perf_cpu_time_max_percent");
	struct finding finding = { .verdict = GOOD };

	snprintf(finding.text, sizeof(finding.text),
		 "up to %ld samples a second on each CPU, %ld%% of its time", most, percent);
	if (most >= RATE_LEAST_HZ)
		return finding;
	finding.verdict = POOR;
	finding.remedy = "sysctl kernel.perf_event_max_sample_rate=10000";
	return finding;
}

static struct finding look_at_jit(void)
{
	if (read_setting("/proc/sys/net/core/bpf_jit_enable") != 0)
		return (struct finding){ GOOD, "BPF programs are compiled", NULL };
	return (struct finding){ POOR,
				 "BPF programs are interpreted, which costs many times as much",
				 "sysctl net.core.bpf_jit_enable=1" };
}

static void stop(void *context)
{
	loop_stop(context, 0);
}

/* Something to sample, on a host that sleeps. */
static void work(void *context)
{
	clock_t until = clock() + CLOCKS_PER_SEC / 50;

	while (clock() < until)
		;
}

/* Everything that live does but for the page; what stands in the way is said on standard error. */
static struct finding try_sampling(void)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(sampling_stop) struct sampling *sampling = NULL;
	struct finding finding = { BAD, "it does not work", "do what the line above says" };
	static char *arguments[] = { (char *)"doctor", NULL };
	struct pipeline_progress progress;
	struct options options;

	if (options_parse(&usage_doctor, 1, arguments, &options) || sampling_loop_new(&loop) < 0 ||
	    sampling_start(&options, loop, NULL, 0, &sampling) < 0 ||
	    loop_add_timer(loop, TRIAL_NS / 10, work, NULL, NULL) < 0 ||
	    loop_add_timer(loop, TRIAL_NS, stop, loop, NULL) < 0 || loop_run(loop) != 0)
		return finding;
	sampling_finish(sampling);
	progress = pipeline_progress(sampling_pipeline(sampling));
	snprintf(finding.text, sizeof(finding.text), "%llu samples in %.1f s at %u Hz, %llu lost",
		 (unsigned long long)progress.samples, (double)progress.span_us / 1e6,
		 options.frequency_hz, (unsigned long long)progress.samples_lost);
	finding.remedy = NULL;
	finding.verdict = GOOD;
	if (!progress.samples) {
		finding.verdict = BAD;
		finding.remedy =
			"CPU clock events do not arrive: a virtual machine without a timer for "
			"them?";
	} else if (progress.samples_lost) {
		finding.verdict = POOR;
		finding.remedy = "the host is overloaded, or --memory is too small for its CPUs";
	}
	return finding;
}

static const struct check checks[] = {
	{ "privileges", look_at_privileges }, { "type information", look_at_types },
	{ "lockdown", look_at_lockdown },     { "process ids", look_at_namespace },
	{ "sampling rate", look_at_rate },    { "BPF", look_at_jit },
	{ "sampling", try_sampling },
};

static void print_json(struct output *output, const struct check *check,
		       const struct finding *finding)
{
	static const char *const keys[] = { "{\"check\":", ",\"verdict\":", ",\"text\":",
					    ",\"remedy\":" };
	const char *values[] = { check->name, verdicts[finding->verdict], finding->text,
				 finding->remedy ? finding->remedy : "" };

	output_text(output, check == checks ? "[\n" : ",\n");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		output_text(output, keys[i]);
		output_json_string(output, values[i], strlen(values[i]));
	}
	output_text(output, "}");
}

static void print_line(struct output *output, const struct check *check,
		       const struct finding *finding)
{
	char line[2 * TEXT_SIZE_MAX];

	snprintf(line, sizeof(line), "%-4s  %-16s  %s\n", verdicts[finding->verdict], check->name,
		 finding->text);
	output_text(output, line);
	if (!finding->remedy)
		return;
	snprintf(line, sizeof(line), "%24s%s\n", "-> ", finding->remedy);
	output_text(output, line);
}

int command_doctor(int argc, char **argv)
{
	CLEANUP(output_free) struct output *output = NULL;
	enum verdict worst = GOOD;
	struct options options;
	int r = options_parse(&usage_doctor, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	r = output_new(STDOUT_FILENO, &output);
	for (size_t i = 0; i < ARRAY_SIZE(checks) && !r; i++) {
		struct finding finding = { .text = "not tried: see above" };

		/* What cannot work needs no trial. */
		if (checks[i].look == try_sampling && worst == BAD)
			finding.verdict = BAD;
		else
			finding = checks[i].look();
		worst = finding.verdict > worst ? finding.verdict : worst;
		if (options.json)
			print_json(output, &checks[i], &finding);
		else
			print_line(output, &checks[i], &finding);
	}
	if (!r && options.json)
		output_text(output, "\n]\n");
	if (!r)
		r = output_finish(output);
	if (r < 0)
		log_errno(r, "write to standard output");
	return r < 0 || worst == BAD ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
