/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/demangle.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

static const char stub_suffix[] = "@plt";      /* see plt_stubs.h */
static const char ellipsis[] = "\xe2\x80\xa6"; /* U+2026 */

enum { TEXT_SIZE_MAX = DEMANGLED_SIZE_MAX - (sizeof(ellipsis) - 1) };

struct output {
	char *text;
	size_t size;
	jmp_buf full;
};

bool demangle_is_mangled(const char *name, size_t size)
{
	size_t at = 0;

	/* Itanium: _Z; with the underscore of Mach-O and of blocks: __Z, ___Z, ____Z. Rust v0: _R. */
	while (at < size && at < 4 && name[at] == '_')
		at++;
	if (!at || at + 1 >= size)
		return false;
	return name[at] == 'Z' || (at == 1 && name[at] == 'R');
}

/*
 * Takes what libiberty prints, piece by piece. There is no other way to stop it than to jump out:
 * its printers keep nothing on the heap but one small buffer for Unicode names in Rust, which is
 * lost when it happens there.
 */
static void take_piece(const char *piece, size_t size, void *context)
{
	struct output *output = context;
	size_t room = TEXT_SIZE_MAX - output->size;

	memcpy(output->text + output->size, piece, size < room ? size : room);
	output->size += size < room ? size : room;
	if (size > room)
		longjmp(output->full, 1);
}

/* Cuts at the start of a UTF-8 sequence, so that no half one stands before the ellipsis. */
static void cut(struct output *output)
{
	while (output->size && (output->text[output->size] & 0xc0) == 0x80)
		output->size--;
	memcpy(output->text + output->size, ellipsis, sizeof(ellipsis) - 1);
	output->size += sizeof(ellipsis) - 1;
}

/* Of a stub of the linkage table: libiberty does not know what stands behind the name. */
static size_t without_suffix(const char *name, size_t size)
{
	size_t suffix_size = strlen(stub_suffix);

	if (size > suffix_size && memcmp(name + size - suffix_size, stub_suffix, suffix_size) == 0)
		return size - suffix_size;
	return size;
}

static bool demangle(const char *name, int options, struct output *output)
{
	if (setjmp(output->full)) {
		cut(output);
		return true;
	}
	/* Rust's legacy names are Itanium names with a hash at the end: ask for Rust first. */
	if (rust_demangle_callback(name, options, take_piece, output) && output->size)
		return true;
	output->size = 0;
	return cplus_demangle_v3_callback(name, options, take_piece, output) && output->size;
}

/* There is room: what was cut has its ellipsis at the end, and goes without. */
static void take_suffix(struct output *output)
{
	size_t size = strlen(stub_suffix);

	if (output->size + size > TEXT_SIZE_MAX)
		return;
	memcpy(output->text + output->size, stub_suffix, size);
	output->size += size;
}

size_t demangle_name(const char *name, size_t size, char ret_text[DEMANGLED_SIZE_MAX])
{
	struct output output = { .text = ret_text };
	char text[DEMANGLE_SIZE_MAX + 1];
	size_t plain_size;
	int limit = size > DEMANGLE_PLAIN_SIZE_MAX ? DMGL_NO_RECURSE_LIMIT : 0;

	if (size > DEMANGLE_SIZE_MAX || !demangle_is_mangled(name, size) || memchr(name, 0, size))
		return 0;
	plain_size = without_suffix(name, size);
	memcpy(text, name, plain_size);
	text[plain_size] = '\0';
	if (!demangle(text, DMGL_PARAMS | DMGL_ANSI | limit, &output))
		return 0;
	if (plain_size < size)
		take_suffix(&output);
	return output.size;
}

void demangle_batch_add(struct bytes_writer *batch, const char *name, size_t size)
{
	bytes_write_uleb128(batch, size);
	bytes_write(batch, name, size);
}

bool demangle_batch_next(struct bytes_reader *batch, const char **ret_name, size_t *ret_size)
{
	uint64_t size;
	const char *name;

	if (!bytes_left(batch))
		return false;
	size = bytes_read_uleb128(batch);
	name = bytes_read(batch, size);
	if (!name)
		return false;
	*ret_name = name;
	*ret_size = size;
	return true;
}

int demangle_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	char text[DEMANGLED_SIZE_MAX];
	size_t count = 0, size;
	const char *name;

	while (demangle_batch_next(&argument, &name, &size)) {
		if (++count > DEMANGLE_BATCH_MAX)
			return -EINVAL;
		demangle_batch_add(ret_result, text, demangle_name(name, size, text));
	}
	return argument.failed ? -EINVAL : 0;
}
