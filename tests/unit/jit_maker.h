/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker answers, made without one: parts of perf maps and jitdumps as loads of code. */
#ifndef FLICKERSCOPE_JIT_MAKER_H
#define FLICKERSCOPE_JIT_MAKER_H

#include <stdio.h>

#include "base/cleanup.h"
#include "check.h"
#include "symbolize/jit_code.h"
#include "symbolize/jit_loads.h"
#include "symbolize/jitdump.h"
#include "symbolize/perf_map_text.h"

enum { JIT_MAKER_RESULT_SIZE_MAX = 64 << 20 };

/* Adds what a writer holds to @code, by way of the checks. Returns 0 or -errno. */
static inline int jit_maker_pass(struct jit_code *code, struct jit_loads_writer *writer)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer result = bytes_writer_with_max(JIT_MAKER_RESULT_SIZE_MAX);
	struct jit_loads_view view;
	int r = jit_loads_writer_finish(writer, (struct jit_position){ 0 }, 0, &result);

	if (r == 0)
		r = jit_loads_view_open(result.bytes, result.size, &view);
	return r < 0 ? r : jit_code_add(code, &view);
}

static inline int jit_maker_add_map(struct jit_code *code, const char *text)
{
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer writer = jit_loads_writer_new();

	perf_map_text_parse(text, strlen(text), &writer);
	return jit_maker_pass(code, &writer);
}

/* The name at @address at a time, "" when there is none. */
static inline const char *jit_maker_name(const struct jit_code *code, uint64_t address,
					 uint64_t time_ns)
{
	static char name[256];
	struct jit_function function;

	if (!jit_code_find(code, address, time_ns, &function))
		return "";
	snprintf(name, sizeof(name), "%.*s", (int)function.name_size, function.name);
	return name;
}

/* A jitdump as a compiler writes it. */
static inline void jit_maker_header(struct bytes_writer *dump, uint64_t flags)
{
	bytes_write_u32(dump, 0x4a695444);
	bytes_write_u32(dump, 1);
	bytes_write_u32(dump, 40);
	bytes_write_u32(dump, 62); /* EM_X86_64 */
	bytes_write_u32(dump, 0);
	bytes_write_u32(dump, 1234); /* pid */
	bytes_write_u64(dump, 1000);
	bytes_write_u64(dump, flags);
}

static inline void jit_maker_record(struct bytes_writer *dump, uint32_t id, uint32_t size,
				    uint64_t time_ns)
{
	bytes_write_u32(dump, id);
	bytes_write_u32(dump, 16 + size);
	bytes_write_u64(dump, time_ns);
}

static inline void jit_maker_load(struct bytes_writer *dump, uint64_t time_ns, uint64_t address,
				  uint64_t size, const char *name)
{
	uint32_t name_size = (uint32_t)strlen(name) + 1;

	jit_maker_record(dump, 0, 40 + name_size + (uint32_t)size, time_ns);
	bytes_write_u32(dump, 1234);
	bytes_write_u32(dump, 1234);
	bytes_write_u64(dump, address);
	bytes_write_u64(dump, address);
	bytes_write_u64(dump, size);
	bytes_write_u64(dump, 1);
	bytes_write(dump, name, name_size);
	for (uint64_t i = 0; i < size; i++)
		bytes_write_u8(dump, 0xc3);
}

static inline void jit_maker_move(struct bytes_writer *dump, uint64_t time_ns, uint64_t from,
				  uint64_t to, uint64_t size)
{
	jit_maker_record(dump, 1, 48, time_ns);
	bytes_write_u32(dump, 1234);
	bytes_write_u32(dump, 1234);
	bytes_write_u64(dump, to);
	bytes_write_u64(dump, from);
	bytes_write_u64(dump, to);
	bytes_write_u64(dump, size);
	bytes_write_u64(dump, 1);
}

static inline void jit_maker_close(struct bytes_writer *dump, uint64_t time_ns)
{
	jit_maker_record(dump, 3, 0, time_ns);
}

#endif
