/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/perf_script_text.h"

#include <time.h>

#include "check.h"
#include "import_fixture.h"

/* Checks what becomes of a text. */
static void check_import(const char *input, const char *expected)
{
	char *text = import_string_of(input);

	CHECK_STR_EQ(text, expected);
	free(text);
}

static void chains_of_callers_are_stacks(void)
{
	check_import("bash 25370/25371 [002] 603593.188539:   10101010 cpu-clock:pppH: \n"
		     "\tffffffff8104f45a native_write+0x1f ([kernel.kallsyms])\n"
		     "\t    7f3a101f0a58 read+0x8 (/usr/lib/libc.so.6)\n"
		     "\t    55aa101f0a58 main+0x128 (/bin/bash)\n"
		     "\n"
		     "bash 25370/25371 [002] 603593.198640:   10101010 cpu-clock:pppH: \n"
		     "\t    55aa101f0a58 main+0x128 (/bin/bash)\n"
		     "\n",
		     "603593.188539 [2] bash 25370/25371 "
		     "main@/bin/bash;read@/usr/lib/libc.so.6'l;native_write@[kernel]'k\n"
		     "603593.198640 [2] bash 25370/25371 main@/bin/bash\n");
}

/* Old perf indents with spaces, prints one id, and no period. */
static void old_forms_are_read(void)
{
	check_import("java  3244 [001]   12.500000: cpu-clock: \n"
		     "            7f1e214c24d9 SpinPause (/usr/lib/libjvm.so)\n"
		     "\n"
		     "java  3245 [001]   12.600000: cpu-clock:\n"
		     "            7f1e214c24d9 SpinPause (/usr/lib/libjvm.so)\n",
		     "12.500000 [1] java 3244/3244 SpinPause@/usr/lib/libjvm.so'l\n"
		     "12.600000 [1] java 3245/3245 SpinPause@/usr/lib/libjvm.so'l\n");
}

static void names_of_processes_stay_whole(void)
{
	check_import("Web Content 2 1234/1235 [000] 1.000001: cycles: \n\t 1 f (/x)\n\n"
		     "kworker/0:1-eve    77 [000] 1.000002: cycles: \n\t 1 f (/x)\n\n"
		     "a: b 9 78 [000] 1.000003: cycles: \n\t 1 f (/x)\n\n"
		     ":-1    -1 [000] 1.000004: cycles: \n\t 1 f (/x)\n\n",
		     "1.000001 [0] Web Content 2 1234/1235 f@/x\n"
		     "1.000002 [0] kworker/0:1-eve 77/77 f@/x\n"
		     "1.000003 [0] a: b 9 78/78 f@/x\n"
		     "1.000004 [0] :-1 0/0 f@/x\n");
}

static void symbols_stay_whole(void)
{
	check_import(
		"x 1/1 [000] 5.000000: cycles: \n"
		"\t 1 operator+ (/a)\n"
		"\t 2 std::operator+<char>(int (*)(int), char const*)+0x1f (/a)\n"
		"\t 3 (anonymous namespace)::f(std::vector<int, std::allocator<int> >) (/a b)\n"
		"\t 4 foo (/tmp/x (deleted))\n"
		"\t 5 [unknown] ([unknown])\n"
		"\t 6 std::function<void (int)>::operator()(int) const (/usr/bin/c++)\n"
		"\n",
		"5.000000 [0] x 1/1 std::function<void (int)>::operator()(int) const@/usr/bin/c++;"
		"[unknown]'u;foo@/tmp/x (deleted);"
		"(anonymous namespace)::f(std::vector<int, std::allocator<int> >)@/a b;"
		"std::operator+<char>(int (*)(int), char const*)@/a;operator+@/a\n");
}

static void inlined_frames_have_their_kind(void)
{
	check_import("x 1/1 [000] 5.000000: cycles: \n"
		     "\t 1 leaf (inlined)\n"
		     "\t 1 outer+0x3 (/a)\n"
		     "\t 2 Lorg/A;::run->Lorg/B;::step->operator->-user (/tmp/perf-1.map)\n\n",
		     "5.000000 [0] x 1/1 Lorg/A;::run@/tmp/perf-1.map'j;"
		     "Lorg/B;::step@/tmp/perf-1.map'i;operator->-user@/tmp/perf-1.map'i;outer@/a;"
		     "leaf'i\n");
}

/* Without -g, a sample is one line with its frame, or with none. */
static void samples_without_chains_are_read(void)
{
	check_import(
		"         swapper     0 [002] 10.057076:   10101010 cpu-clock:  ffffffff810013aa "
		"net_rx_action+0xa ([kernel.kallsyms])\n"
		"            bash 25370 [001] 11.057077:   10101010 cpu-clock:            4b931e "
		"[unknown] (/bin/bash)\n"
		"            bash 25370 [001] 12.057077:   10101010 cpu-clock: \n"
		"            dead 25370 [001] 13.057077:   10101010 cpu-clock: \n",
		"10.057076 [2] swapper 0/0 net_rx_action@[kernel]'k\n"
		"11.057077 [1] bash 25370/25370 [unknown]@/bin/bash\n"
		"12.057077 [1] bash 25370/25370 \n"
		"13.057077 [1] dead 25370/25370 \n");
}

static void idle_is_left_out_and_counted(void)
{
	static const char text[] = "swapper     0 [000] 1.000000: cpu-clock: \n"
				   "\tffffffff81051586 pv_native_safe_halt ([kernel.kallsyms])\n"
				   "\tffffffff810c2b31 cpu_startup_entry ([kernel.kallsyms])\n\n"
				   "swapper/1     0/0 [001] 1.000000: cpu-clock: \n"
				   "\tffffffff81051586 handle_irq ([kernel.kallsyms])\n"
				   "\tffffffff810c2b31 do_idle ([kernel.kallsyms])\n\n"
				   "swapper     0 [000] 1.500000: cpu-clock: \n\n"
				   "swapper-daemon   10 [000] 2.000000: cpu-clock: \n"
				   "\tffffffff81051586 cpuidle_enter ([kernel.kallsyms])\n\n";
	struct capture_summary summary = import_summary(text, strlen(text), NULL);

	CHECK_EQ(summary.sample_count, 1);
	CHECK_EQ(summary.idle_count, 3);
	check_import(text, "2.000000 [0] swapper-daemon 10/10 cpuidle_enter@[kernel]'k\n");
}

static void events_are_kept_apart(void)
{
	static const char text[] = "a 1/1 [000] 1.000000: 100 cycles:ppp: \n\t 1 f (/x)\n\n"
				   "a 1/1 [000] 1.100000: 100 instructions:u: \n\t 1 g (/x)\n\n"
				   "a 1/1 [000] 1.200000: 100 instructions:u: \n\t 1 h (/x)\n\n";
	struct capture_summary summary = import_summary(text, strlen(text), NULL);
	char *other = import_bytes(text, strlen(text), "instructions");

	CHECK_STR_EQ(summary.event_name, "cycles:ppp");
	CHECK_EQ(summary.event, WIRE_EVENT_CYCLES);
	CHECK_EQ(summary.sample_count, 1);
	CHECK_STR_EQ(summary.events, "1 cycles:ppp\n2 instructions:u");
	CHECK_STR_EQ(other, "1.100000 [0] a 1/1 g@/x\n1.200000 [0] a 1/1 h@/x\n");
	CHECK(!import_bytes(text, strlen(text), "inst"));
	free(other);
}

static void comments_tell_about_the_recording(void)
{
	static const char text[] =
		"# ========\n# captured on    : Thu Jan  1 12:00:10 1970\n"
		"# hostname : host-1\n# os release : 6.1.0\n# nrcpus online : 8\n"
		"# cmdline : /usr/bin/perf record -F 250 -a -g \n# ========\n#\n"
		"a 1/1 [003] 7.250000: cycles: \n\t 1 f (/x)\n\n";
	struct capture_summary summary;

	setenv("TZ", "UTC", 1);
	tzset();
	summary = import_summary(text, strlen(text), NULL);
	CHECK_STR_EQ(summary.host, "host-1");
	CHECK_STR_EQ(summary.kernel, "Linux 6.1.0");
	CHECK_STR_EQ(summary.note, "Recorded by: /usr/bin/perf record -F 250 -a -g");
	CHECK_STR_EQ(summary.title, "file.txt");
	CHECK_EQ(summary.cpu_count, 8);
	CHECK_EQ(summary.frequency_mhz, 250000);
	/* Whole seconds are added, as many as fit: the place within the second stays. */
	CHECK_EQ(summary.start_us % 1000000, 250000);
	CHECK_EQ(summary.start_us / 1000000, 12 * 3600 + 9);
}

static void rate_and_cpus_follow_from_the_samples(void)
{
	char text[65536];
	size_t at = 0;
	struct capture_summary summary;

	for (uint32_t i = 0; i < 200; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "a 1/1 [%03u] %u.%06u: cycles: \n\t 1 f (/x)\n\n", i % 4,
				       100 + i / 4 * 4000 / 1000000, i / 4 * 4000 % 1000000);
	summary = import_summary(text, at, NULL);
	CHECK_EQ(summary.sample_count, 200);
	CHECK_EQ(summary.frequency_mhz, 250000);
	CHECK_EQ(summary.cpu_count, 4);
}

/* Two threads that run at the same time are not on one CPU, and none is on two. */
static void samples_without_a_cpu_get_one(void)
{
	check_import("a 1/1 1.000000: cycles: \n\t 1 f (/x)\n\n"
		     "b 1/2 1.000100: cycles: \n\t 1 f (/x)\n\n"
		     "a 1/1 1.010000: cycles: \n\t 1 f (/x)\n\n"
		     "b 1/2 1.010100: cycles: \n\t 1 f (/x)\n\n",
		     "1.000000 [0] a 1/1 f@/x\n1.010000 [0] a 1/1 f@/x\n"
		     "1.000100 [1] b 1/2 f@/x\n1.010100 [1] b 1/2 f@/x\n");
}

static void times_that_go_back_are_put_in_order(void)
{
	check_import("a 1/1 [000] 90000.000000: cycles: \n\t 1 late (/x)\n\n"
		     "a 1/1 [000] 5.000000: cycles: \n\t 1 early (/x)\n\n"
		     "a 1/1 [000] 6.000000999: cycles: \n\t 1 middle (/x)\n\n",
		     "5.000000 [0] a 1/1 early@/x\n6.000000 [0] a 1/1 middle@/x\n"
		     "90000.000000 [0] a 1/1 late@/x\n");
}

static void samples_without_times_are_laid_out(void)
{
	static const char text[] = "node 12 31912 cpu-clock: \n\t 1 f (/x)\n\n"
				   "node 12 31912 cpu-clock: \n\t 1 g (/x)\n\n";

	check_import(text, "1.000000 [0] node 12 31912/31912 f@/x\n"
			   "1.010000 [0] node 12 31912/31912 g@/x\n");
	CHECK(strstr(import_summary(text, strlen(text), NULL).note, "no times"));
}

/* Branch stacks, source lines, warnings and other records are no part of a stack. */
static void other_lines_are_passed_over(void)
{
	check_import("Failed to open /tmp/perf-1.map, continuing without symbols\n"
		     "a 1/1 [000] 1.000000: cycles: \n\t 1 f+0x1 (/x)\n"
		     "  file.c:12\n"
		     "\t 2 g (/x)\n"
		     " 0x4006b4/0x4006a0/P/-/-/0  0x4006b0/0x4006b4/P/-/-/0 \n\n"
		     "a 1/1 [000] 1.500000: PERF_RECORD_MMAP2 1/1: [0x1(0x2) @ 0]: r-xp /x\n"
		     "a 1/1 [000] 2.000000: sched:sched_switch: prev_comm=a next_comm=b\n"
		     "\t 3 schedule ([kernel.kallsyms])\n\n",
		     "1.000000 [0] a 1/1 g@/x;f@/x\n");
}

/* With --show-lost-events: what perf could not keep is told, also before and behind all samples. */
static void lost_samples_are_counted(void)
{
	static const char text[] =
		"a     1 [001] 2.000000: PERF_RECORD_LOST lost 4\n"
		"a 1/1 [000] 1.000000: cycles: \n\t 1 f (/x)\n\n"
		"swapper     0 [001] 0.500000: PERF_RECORD_LOST lost 30\n"
		"a 1/1 [000] 1.200000: cycles: \n\t 1 f (/x)\n\n"
		"a     1 [001] 1.100000: PERF_RECORD_LOST_SAMPLES lost 1\n"
		"a     1 [001] 1.150000: PERF_RECORD_LOST lost\n"
		"a     1 [001] 1.160000: PERF_RECORD_MMAP2 1/1: [0x1(0x2) @ 0]: r-xp /x\n";
	struct capture_summary summary = import_summary(text, strlen(text), NULL);

	CHECK_EQ(summary.sample_count, 2);
	CHECK_EQ(summary.lost_count, 35);
	CHECK_STR_EQ(summary.event_name, "cycles");
}

static void tracepoints_keep_their_stacks(void)
{
	static const char text[] =
		"a 1/1 [000] 2.000000: sched:sched_switch: prev_comm=a next_comm=b\n"
		"\t 3 schedule ([kernel.kallsyms])\n\n";

	check_import(text, "2.000000 [0] a 1/1 schedule@[kernel]'k\n");
}

/* However the file is cut into blocks, and packed or not, it is the same file. */
static void packed_files_are_unpacked(void)
{
	static const char text[] = "a 1/1 [000] 1.000000: cycles: \n\t 1 f (/x)\n\n";
	size_t size;
	void *packed = import_pack(text, strlen(text), &size);
	void *twice = malloc(2 * size);
	char *once_text = import_bytes(packed, size, NULL), *twice_text;

	memcpy(twice, packed, size);
	memcpy((char *)twice + size, packed, size);
	twice_text = import_bytes(twice, 2 * size, NULL);
	CHECK_STR_EQ(once_text, "1.000000 [0] a 1/1 f@/x\n");
	CHECK_STR_EQ(twice_text, "1.000000 [0] a 1/1 f@/x\n1.000000 [0] a 1/1 f@/x\n");
	CHECK(!import_bytes(packed, size - 9, NULL));
	free(once_text);
	free(twice_text);
	free(packed);
	free(twice);
}

static void names_may_be_any_bytes_and_very_long(void)
{
	size_t size = 1200000;
	char *text = malloc(size + 256), *imported;
	int at = sprintf(text, "a\xff\xfe 1/1 [000] 1.000000: cycles: \n\t 1 ");

	memset(text + at, 'n', size);
	strcpy(text + at + size, " (/x)\n\t 2 main (/x)\n\n");
	imported = import_string_of(text);
	CHECK_OR_RETURN(imported);
	CHECK(strncmp(imported, "1.000000 [0] a\xff\xfe 1/1 main@/x;nnn", 32) == 0);
	CHECK_EQ(strlen(strstr(imported, "nnn")), WIRE_STRING_SIZE_MAX + strlen("@/x\n"));
	free(imported);
	free(text);
}

static void endless_lines_are_refused(void)
{
	static const char head[] = "a 1/1 [000] 1.000000: cycles: \n\t 1 ";
	size_t size = 6000000;
	char *text = malloc(size);

	memset(text, 'x', size);
	CHECK(!import_bytes(text, size, NULL));
	memcpy(text, head, strlen(head));
	CHECK(!import_bytes(text, size, NULL));
	free(text);
}

static void nonsense_is_refused(void)
{
	static const char *const texts[] = {
		"",
		"\n\n\n",
		"#\n#\n",
		"hello world\n",
		"a 1/1 [000] 99999999999999.000000: x: \n",
		"\x89"
		"FLK",
		"PERFILE2\x68",
		"{",
		"[",
		"{\"nodes\":",
		"[{\"ph\":\"X\"}]",
		"{}",
		"[]",
		"\x0a\x04\x08\x01\x10\x02",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		CHECK(!import_string_of(texts[i]));
}

/* Recordings of the FlameGraph project, which may lie beside this repository. */
static void real_recordings_open(void)
{
	static const struct {
		const char *name;
		uint64_t samples;
		uint64_t idle;
	} files[] = {
		{ "perf-cycles-instructions-01.txt", 102, 9 },
		{ "perf-iperf-stacks-pidtid-01.txt", 201, 0 },
		{ "perf-java-stacks-01.txt", 45, 1 },
		{ "perf-vertx-stacks-01.txt", 286, 0 },
	};
	static const char folder[] = "../shared/data/perf-script";

	if (access(folder, R_OK) < 0)
		SKIP("there is no ../shared/data/perf-script");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
		struct capture_summary summary = { 0 };
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
		CHECK_EQ(input_open(path, NULL, &reader), 0);
		CHECK_OR_RETURN(reader);
		CHECK_EQ(capture_summary_read(reader, &summary), 0);
		CHECK_EQ(summary.sample_count, files[i].samples);
		CHECK_EQ(summary.idle_count, files[i].idle);
	}
}

TESTS(TEST(chains_of_callers_are_stacks), TEST(old_forms_are_read),
      TEST(names_of_processes_stay_whole), TEST(symbols_stay_whole),
      TEST(inlined_frames_have_their_kind), TEST(samples_without_chains_are_read),
      TEST(idle_is_left_out_and_counted), TEST(events_are_kept_apart),
      TEST(comments_tell_about_the_recording), TEST(rate_and_cpus_follow_from_the_samples),
      TEST(samples_without_a_cpu_get_one), TEST(times_that_go_back_are_put_in_order),
      TEST(samples_without_times_are_laid_out), TEST(other_lines_are_passed_over),
      TEST(lost_samples_are_counted), TEST(tracepoints_keep_their_stacks),
      TEST(packed_files_are_unpacked), TEST(names_may_be_any_bytes_and_very_long),
      TEST(endless_lines_are_refused), TEST(nonsense_is_refused), TEST(real_recordings_open))
