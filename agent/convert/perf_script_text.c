/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/perf_script_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	DIGITS_MAX = 18, /* of a number that certainly fits */
	ADDRESS_DIGITS_MAX = 16,
	PERIOD_WIDTH = 10,
	MISC_SIZE_MAX = 5, /* `-F misc` is a few letters between CPU and time */
};

/* --- words --------------------------------------------------------------------------------------- */

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_hex(char byte)
{
	/* One bit for each of the characters from '0' to 'o': lines are full of such digits. */
	static const uint64_t digits = UINT64_C(0x7e0000007e03ff);
	uint8_t place = (uint8_t)((uint8_t)byte - '0');

	return place < 64 && (digits >> place & 1);
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct foreign_text text_from(const char *begin, const char *end)
{
	return (struct foreign_text){ .bytes = begin, .size = (size_t)(end - begin) };
}

static struct foreign_text trimmed(struct foreign_text text)
{
	while (text.size && is_blank(text.bytes[0])) {
		text.bytes++;
		text.size--;
	}
	while (text.size && is_blank(text.bytes[text.size - 1]))
		text.size--;
	return text;
}

/* The last word of @text, without the blanks behind it; @text then ends before it. */
static struct foreign_text take_last_word(struct foreign_text *text)
{
	struct foreign_text left = trimmed(*text);
	size_t at = left.size;

	while (at && !is_blank(left.bytes[at - 1]))
		at--;
	*text = (struct foreign_text){ .bytes = left.bytes, .size = at };
	return (struct foreign_text){ .bytes = left.bytes + at, .size = left.size - at };
}

/* All of @text as a decimal number. */
static bool number_of(struct foreign_text text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!text.size || text.size > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (!is_digit(text.bytes[i]))
			return false;
		number = number * 10 + (uint64_t)(text.bytes[i] - '0');
	}
	*ret_number = number;
	return true;
}

static bool starts_with(struct foreign_text text, const char *start)
{
	size_t size = strlen(start);

	return text.size >= size && memcmp(text.bytes, start, size) == 0;
}

static bool ends_with(struct foreign_text text, const char *ending)
{
	size_t size = strlen(ending);

	return text.size >= size && memcmp(text.bytes + text.size - size, ending, size) == 0;
}

static bool contains(struct foreign_text text, const char *part)
{
	return text.size && memmem(text.bytes, text.size, part, strlen(part));
}

/* --- the line that begins a sample --------------------------------------------------------------- */

/* "SECONDS.FRACTION" that ends at @end: with 6 digits, or 9 with --ns. Returns where it starts. */
static const char *time_before(const char *line, const char *end, int64_t *ret_us)
{
	const char *point = end, *begin;
	uint64_t seconds, fraction;
	size_t digits;

	if (end - line > 7 && end[-7] == '.')
		point = end - 6;
	else if (end - line > 10 && end[-10] == '.')
		point = end - 9;
	else
		return NULL;
	digits = (size_t)(end - point);
	begin = point - 1;
	while (begin > line && is_digit(begin[-1]))
		begin--;
	if (begin > line && !is_blank(begin[-1]))
		return NULL;
	if (!number_of(text_from(begin, point - 1), &seconds) ||
	    !number_of(text_from(point, end), &fraction))
		return NULL;
	if (seconds > FOREIGN_TIME_MAX_US / 1000000) {
		*ret_us = INT64_MAX;
		return begin;
	}
	*ret_us = (int64_t)(seconds * 1000000 + (digits == 9 ? fraction / 1000 : fraction));
	return begin;
}

/* The colon behind the time; NULL where there is none. */
static const char *find_time(const char *line, const char *end, const char **ret_begin,
			     int64_t *ret_us)
{
	const char *colon = line;

	while ((colon = memchr(colon, ':', (size_t)(end - colon)))) {
		if (colon + 1 == end || is_blank(colon[1])) {
			*ret_begin = time_before(line, colon, ret_us);
			if (*ret_begin)
				return colon;
		}
		colon++;
	}
	return NULL;
}

static bool is_ids(struct foreign_text word)
{
	size_t i = 0;

	if (word.size && word.bytes[0] == '-')
		i++;
	if (i == word.size || !is_digit(word.bytes[i]))
		return false;
	while (i < word.size && is_digit(word.bytes[i]))
		i++;
	if (i < word.size && word.bytes[i] == '/')
		i++;
	if (i < word.size && word.bytes[i] == '-')
		i++;
	while (i < word.size && is_digit(word.bytes[i]))
		i++;
	return i == word.size && is_digit(word.bytes[i - 1]);
}

static bool is_cpu(struct foreign_text word, uint64_t *ret_cpu)
{
	return word.size > 2 && word.bytes[0] == '[' && word.bytes[word.size - 1] == ']' &&
	       number_of((struct foreign_text){ word.bytes + 1, word.size - 2 }, ret_cpu);
}

/* "PID/TID" or one number for both; -1 is what perf writes for a process it does not know. */
static void take_ids(struct foreign_text word, struct perf_header *header)
{
	const char *slash = memchr(word.bytes, '/', word.size);
	const char *end = word.bytes + word.size;
	uint64_t pid = 0, tid;

	if (!number_of(text_from(word.bytes, slash ? slash : end), &pid) || pid > INT32_MAX)
		pid = 0;
	tid = pid;
	if (slash && (!number_of(text_from(slash + 1, end), &tid) || tid > INT32_MAX))
		tid = pid;
	header->pid = (uint32_t)pid;
	header->tid = (uint32_t)tid;
	header->has_ids = true;
}

/* What stands before the time: comm, ids, CPU, each of which may be missing. */
static void take_who(struct foreign_text left, struct perf_header *header)
{
	struct foreign_text before = left;
	struct foreign_text word = take_last_word(&before);
	struct foreign_text before_misc = before;
	struct foreign_text word_misc = take_last_word(&before_misc);
	uint64_t cpu = 0, ignored;

	if (word.size && word.size <= MISC_SIZE_MAX && !is_ids(word) && !is_cpu(word, &ignored) &&
	    is_cpu(word_misc, &ignored)) {
		word = word_misc;
		before = before_misc;
	}
	header->cpu = FOREIGN_CPU_UNKNOWN;
	header->who = trimmed(left);
	if (is_cpu(word, &cpu)) {
		header->cpu = cpu < WIRE_CPUS_MAX ? (uint16_t)cpu : WIRE_CPUS_MAX - 1;
		header->who = trimmed(before);
		word = take_last_word(&before);
	}
	header->comm = header->who;
	header->has_ids = false;
	header->pid = header->tid = 0;
	if (is_ids(word)) {
		take_ids(word, header);
		header->comm = trimmed(before);
	}
}

/* "PERIOD EVENT: REST"; each may be missing. */
static void take_event(struct foreign_text text, struct perf_header *header)
{
	const char *end, *colon;
	size_t size = 0;

	text = trimmed(text);
	header->period = 0;
	while (size < text.size && is_digit(text.bytes[size]))
		size++;
	if (size && size < text.size && is_blank(text.bytes[size]) &&
	    number_of((struct foreign_text){ text.bytes, size }, &header->period)) {
		text.bytes += size;
		text.size -= size;
		text = trimmed(text);
	}
	end = text.bytes + text.size;
	for (colon = text.bytes; colon < end && !is_blank(*colon); colon++)
		;
	header->event = (struct foreign_text){ 0 };
	if (colon > text.bytes && colon[-1] == ':') {
		header->event = text_from(text.bytes, colon - 1);
		text = trimmed(text_from(colon, end));
	}
	header->rest = text;
}

/* Whether a number that could be the tid is the period: perf gives it 10 columns, a tid 5 or 7. */
static bool is_period(struct foreign_text word, struct foreign_text before)
{
	struct foreign_text left = before, ids = take_last_word(&left);
	uint64_t period;

	return number_of(word, &period) && is_ids(ids) &&
	       word.bytes + word.size - (ids.bytes + ids.size) > PERIOD_WIDTH;
}

/*
 * Without times: "comm tid event:", where the event is the first word that ends with a colon behind
 * a number or a CPU.
 */
static bool parse_timeless(const char *line, const char *end, struct perf_header *header)
{
	const char *colon = line;

	while ((colon = memchr(colon, ':', (size_t)(end - colon)))) {
		struct foreign_text before = text_from(line, colon), event, word;

		colon++;
		if (colon < end && !is_blank(*colon))
			continue;
		event = take_last_word(&before);
		take_who(before, header);
		if (!event.size || (!header->has_ids && header->cpu == FOREIGN_CPU_UNKNOWN))
			continue;
		word = take_last_word(&before);
		if (header->cpu == FOREIGN_CPU_UNKNOWN && is_period(word, before))
			take_who(before, header);
		header->event = event;
		header->rest = trimmed(text_from(colon, end));
		header->time_us = -1;
		header->period = 0;
		return true;
	}
	return false;
}

bool perf_last_number(struct foreign_text text, uint64_t *ret_number)
{
	return number_of(take_last_word(&text), ret_number);
}

bool perf_header_split(const char *line, size_t size, struct perf_header *ret_header)
{
	const char *end = line + size, *begin, *colon;

	colon = find_time(line, end, &begin, &ret_header->time_us);
	if (!colon)
		return false;
	ret_header->before = text_from(line, begin);
	ret_header->behind = text_from(colon + 1, end);
	return true;
}

bool perf_header_parse(const char *line, size_t size, struct perf_header *ret_header)
{
	if (!perf_header_split(line, size, ret_header)) {
		ret_header->before = ret_header->behind = (struct foreign_text){ 0 };
		return parse_timeless(line, line + size, ret_header);
	}
	take_who(ret_header->before, ret_header);
	take_event(ret_header->behind, ret_header);
	return true;
}

/* --- frames -------------------------------------------------------------------------------------- */

/* Where " (MODULE)" starts at the end of @text; NULL where there is none. */
static const char *find_module(struct foreign_text text)
{
	const char *open;
	size_t depth = 0;

	if (!text.size || text.bytes[text.size - 1] != ')')
		return NULL;
	open = memrchr(text.bytes, '(', text.size);
	if (!open)
		return NULL;
	if (open > text.bytes && is_blank(open[-1]) &&
	    !memchr(open, ')', (size_t)(text.bytes + text.size - 1 - open)))
		return open;
	/* Its own parentheses are in pairs: "(/tmp/x (deleted))". */
	for (size_t at = text.size; at--;) {
		depth += text.bytes[at] == ')';
		if (text.bytes[at] != '(')
			continue;
		if (--depth == 0)
			return at && is_blank(text.bytes[at - 1]) ? text.bytes + at : NULL;
	}
	return NULL;
}

static size_t hex_size(struct foreign_text text)
{
	size_t size = 0;

	while (size < text.size && is_hex(text.bytes[size]))
		size++;
	return size;
}

/* Cuts "+0x1f" off the end: of "operator+" all stays. */
static struct foreign_text without_offset(struct foreign_text text)
{
	size_t at = text.size;

	while (at && is_hex(text.bytes[at - 1]))
		at--;
	if (at < text.size && at > 3 && memcmp(text.bytes + at - 3, "+0x", 3) == 0)
		text.size = at - 3;
	return text;
}

static struct foreign_text base_of(struct foreign_text path)
{
	const char *slash = path.size ? memrchr(path.bytes, '/', path.size) : NULL;

	return slash ? text_from(slash + 1, path.bytes + path.size) : path;
}

static bool is_kernel_module(struct foreign_text base)
{
	return ends_with(base, ".ko") || contains(base, ".ko.") ||
	       (base.size > 2 && base.bytes[0] == '[' && base.bytes[base.size - 1] == ']');
}

static void take_kernel(struct foreign_frame *frame, struct foreign_text base)
{
	frame->kind = WIRE_FRAME_KERNEL;
	if (starts_with(base, "bpf_prog_") || foreign_text_is(base, "[bpf]"))
		frame->module_kind = WIRE_MODULE_BPF;
	else if (is_kernel_module(base) && !starts_with(base, "[kernel") &&
		 !starts_with(base, "[guest.kernel"))
		frame->module_kind = WIRE_MODULE_KERNEL_MODULE;
	else
		frame->module_kind = WIRE_MODULE_KERNEL;
	/* Under the name that it has everywhere else. */
	if (starts_with(base, "[kernel.kallsyms]"))
		frame->module = foreign_text_of("[kernel]");
}

static bool is_jit(struct foreign_text module, struct foreign_text base)
{
	return (starts_with(base, "perf-") && ends_with(base, ".map")) ||
	       (starts_with(base, "jitted-") && ends_with(base, ".so")) ||
	       starts_with(module, "//anon") || foreign_text_is(module, "anon") ||
	       foreign_text_is(module, "[anon]") || foreign_text_is(module, "[heap]") ||
	       foreign_text_is(module, "[stack]");
}

static void take_module(struct foreign_frame *frame, struct foreign_text module,
			bool kernel_address)
{
	struct foreign_text base = base_of(module);

	if (!module.size || foreign_text_is(module, "[unknown]")) {
		frame->kind = kernel_address ? WIRE_FRAME_KERNEL : WIRE_FRAME_UNRESOLVED;
		frame->module_kind = kernel_address ? WIRE_MODULE_KERNEL : WIRE_MODULE_UNKNOWN;
		return;
	}
	frame->module = module;
	if (starts_with(base, "[kernel") || starts_with(base, "[guest.kernel") ||
	    starts_with(base, "vmlinux") || starts_with(base, "bpf_prog_") ||
	    ends_with(base, ".ko") || contains(base, ".ko.") || kernel_address) {
		take_kernel(frame, base);
	} else if (starts_with(module, "[vdso") || starts_with(module, "[vsyscall")) {
		frame->kind = WIRE_FRAME_LIBRARY;
		frame->module_kind = WIRE_MODULE_VDSO;
	} else if (is_jit(module, base)) {
		frame->kind = WIRE_FRAME_JIT;
		frame->module_kind = WIRE_MODULE_JIT;
	} else {
		frame->kind = contains(base, ".so") ? WIRE_FRAME_LIBRARY : WIRE_FRAME_PROGRAM;
		frame->module_kind = WIRE_MODULE_FILE;
	}
}

struct foreign_frame perf_frame_of(const struct perf_frame *frame)
{
	struct foreign_frame foreign = { .name = frame->name };

	if (frame->inlined) {
		foreign.kind = WIRE_FRAME_INLINED;
		foreign.module_kind = WIRE_MODULE_UNKNOWN;
	} else {
		take_module(&foreign, frame->module, frame->kernel_address);
	}
	return foreign;
}

bool perf_frame_parse(const char *line, size_t size, struct perf_frame *ret_frame)
{
	struct foreign_text text = trimmed((struct foreign_text){ line, size });
	struct foreign_text address = { .bytes = text.bytes, .size = hex_size(text) };
	struct perf_frame frame = { 0 };
	const char *open;

	if (!address.size || address.size > ADDRESS_DIGITS_MAX ||
	    (address.size < text.size && !is_blank(text.bytes[address.size])))
		return false;
	frame.kernel_address = address.size == ADDRESS_DIGITS_MAX && starts_with(address, "ffff");
	text = trimmed(text_from(address.bytes + address.size, text.bytes + text.size));
	open = find_module(text);
	if (open) {
		frame.module = without_offset(text_from(open + 1, text.bytes + text.size - 1));
		text = trimmed(text_from(text.bytes, open));
		frame.inlined = foreign_text_is(frame.module, "inlined");
	}
	/* `-F ip` has nothing but addresses. */
	frame.name = text.size ? without_offset(text) : address;
	*ret_frame = frame;
	return true;
}

/* --- comments ------------------------------------------------------------------------------------ */

/* What stands behind "NAME :" in a comment, or false. */
static bool take_value(struct foreign_text line, const char *name, struct foreign_text *ret_value)
{
	size_t size = strlen(name);

	if (!starts_with(line, name))
		return false;
	line = trimmed((struct foreign_text){ line.bytes + size, line.size - size });
	if (!line.size || line.bytes[0] != ':')
		return false;
	*ret_value = trimmed((struct foreign_text){ line.bytes + 1, line.size - 1 });
	return true;
}

/* As ctime() writes it, by the clock of the place where it was recorded: taken for ours. */
static void take_date(struct foreign_facts *facts, struct foreign_text value)
{
	char date[64];
	struct tm when = { .tm_isdst = -1 };
	time_t seconds;

	if (value.size >= sizeof(date))
		return;
	memcpy(date, value.bytes, value.size);
	date[value.size] = '\0';
	if (!strptime(date, "%a %b %d %H:%M:%S %Y", &when))
		return;
	seconds = mktime(&when);
	if (seconds > 0 && seconds < FOREIGN_TIME_MAX_US / 1000000)
		facts->wall_end_us = (int64_t)seconds * 1000000;
}

/* The number behind @label in @text. */
static bool take_number(struct foreign_text text, const char *label, uint64_t *ret_number)
{
	const char *at = text.size ? memmem(text.bytes, text.size, label, strlen(label)) : NULL;
	struct foreign_text value;

	if (!at)
		return false;
	value = trimmed(text_from(at + strlen(label), text.bytes + text.size));
	for (size_t size = 0; size <= value.size; size++) {
		if (size < value.size && is_digit(value.bytes[size]))
			continue;
		value.size = size;
		break;
	}
	return number_of(value, ret_number);
}

/* The rate asked for stands behind -F, of whatever event. */
static void take_command(struct foreign_facts *facts, struct foreign_text value)
{
	uint64_t rate;

	snprintf(facts->note, sizeof(facts->note), "Recorded by: %.*s",
		 (int)(value.size < 900 ? value.size : 900), value.bytes);
	if ((take_number(value, " -F", &rate) || take_number(value, " --freq=", &rate) ||
	     take_number(value, " --freq ", &rate)) &&
	    rate && rate <= UINT32_MAX / 1000)
		facts->frequency_mhz = (uint32_t)rate * 1000;
}

/* "name = cycles, ... { sample_period, sample_freq } = 99, ... freq = 1, ..." */
static void take_event_rate(struct foreign_profile *profile, struct foreign_text value)
{
	struct foreign_text name = value;
	const char *comma;
	uint64_t rate = 0, is_frequency = 0;
	uint32_t event;

	if (!starts_with(value, "name = "))
		return;
	name.bytes += 7;
	name.size -= 7;
	comma = memmem(name.bytes, name.size, ", ", 2);
	if (!comma)
		return;
	name.size = (size_t)(comma - name.bytes);
	if (!take_number(value, "{ sample_period, sample_freq } =", &rate) ||
	    !take_number(value, ", freq =", &is_frequency) || !is_frequency || !rate ||
	    rate > UINT32_MAX / 1000)
		return;
	if (!foreign_profile_event(profile, name, &event))
		profile->events[event].frequency_mhz = (uint32_t)rate * 1000;
}

void perf_comment_parse(struct foreign_profile *profile, const char *line, size_t size)
{
	struct foreign_facts *facts = &profile->facts;
	struct foreign_text text = { line, size }, value;
	uint64_t number;

	while (text.size && (text.bytes[0] == '#' || is_blank(text.bytes[0]))) {
		text.bytes++;
		text.size--;
	}
	if (take_value(text, "captured on", &value))
		take_date(facts, value);
	else if (take_value(text, "hostname", &value))
		foreign_text_keep(facts->host, value);
	else if (take_value(text, "os release", &value))
		snprintf(facts->kernel, sizeof(facts->kernel), "Linux %.*s",
			 (int)(value.size < 256 ? value.size : 256), value.bytes);
	else if (take_value(text, "nrcpus online", &value) && number_of(value, &number) &&
		 number <= WIRE_CPUS_MAX)
		facts->cpu_count = (uint32_t)number;
	else if (take_value(text, "cmdline", &value))
		take_command(facts, value);
	else if (take_value(text, "event", &value))
		take_event_rate(profile, value);
}
