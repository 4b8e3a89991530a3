/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of bpf/ by the unwind tables of the files that a process maps, on this side. Whoever includes
 * this has included bpf/unwind_step.h before, with its own memory.
 */
#ifndef FLICKERSCOPE_MAPPED_TABLES_H
#define FLICKERSCOPE_MAPPED_TABLES_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "elf/elf_unwind.h"
#include "elf/unwind_table.h"

enum { MAPPED_FILES_MAX = 64, MAPPED_WALK_FRAMES_MAX = 127 };

struct mapped_file {
	uint64_t start, end, offset;
	struct bytes_writer bytes;
	struct unwind_table_view view;
};

struct mapped_tables {
	pid_t pid;
	struct mapped_file files[MAPPED_FILES_MAX];
	size_t count;
};

struct mapped_walk {
	uint64_t frames[MAPPED_WALK_FRAMES_MAX]; /* the innermost first */
	uint32_t count;
	enum stack_status status;
};

static void mapped_tables_free(struct mapped_tables *tables)
{
	for (size_t i = 0; i < tables->count; i++)
		bytes_writer_free(&tables->files[i].bytes);
	tables->count = 0;
}

static const struct mapped_file *mapped_tables_file(const struct mapped_tables *tables,
						    uint64_t address)
{
	for (size_t i = 0; i < tables->count; i++)
		if (address >= tables->files[i].start && address < tables->files[i].end)
			return &tables->files[i];
	return NULL;
}

static void mapped_tables_add(struct mapped_tables *tables, struct mapped_file file,
			      const char *path)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || tables->count == MAPPED_FILES_MAX)
		return;
	file.bytes = bytes_writer_with_max(64 << 20);
	if (unwind_table_job(fd, -1, bytes_reader_of(NULL, 0), &file.bytes) == 0 &&
	    unwind_table_view_open(file.bytes.bytes, file.bytes.size, &file.view) == 0)
		tables->files[tables->count++] = file;
	else
		bytes_writer_free(&file.bytes);
}

/* Adds the tables of what the process maps by now. */
static void mapped_tables_read(struct mapped_tables *tables)
{
	char name[32], line[512], permissions[5], path[256];
	CLEANUP(file_close) FILE *maps = NULL;
	unsigned long start, end, offset;

	snprintf(name, sizeof(name), "/proc/%d/maps", tables->pid);
	maps = fopen(name, "re");
	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %255s", &start, &end, permissions,
			   &offset, path) == 5 &&
		    permissions[2] == 'x' && path[0] == '/' && !mapped_tables_file(tables, start))
			mapped_tables_add(tables,
					  (struct mapped_file){
						  .start = start, .end = end, .offset = offset },
					  path);
}

/* The rule for @pc alone. */
static struct unwind_row mapped_tables_row(struct mapped_tables *tables, uint64_t pc)
{
	const struct mapped_file *file = mapped_tables_file(tables, pc);
	const struct unwind_row *row;
	uint64_t offset;

	if (!file) {
		mapped_tables_read(tables);
		file = mapped_tables_file(tables, pc);
	}
	if (!file)
		return (struct unwind_row){ .kinds = UNWIND_CFA_INVALID };
	offset = pc - file->start + file->offset;
	row = unwind_table_find(&file->view, offset);
	return row ? unwind_row_for(*row, pc, (uint32_t)(offset & 0xffff) - row->pc_low)
		   : (struct unwind_row){ .kinds = UNWIND_CFA_INVALID };
}

/* What unwind_frame() of bpf/unwind.bpf.h does, without the steps by frame pointers. */
static void mapped_tables_walk(struct mapped_tables *tables, struct unwind_registers *registers,
			       struct unwind_memory *memory, struct mapped_walk *ret_walk)
{
	ret_walk->count = 0;
	ret_walk->status = STACK_NONE;
	while (ret_walk->count < MAPPED_WALK_FRAMES_MAX && ret_walk->status == STACK_NONE) {
		struct unwind_row row = mapped_tables_row(tables, unwind_lookup_pc(registers));

		ret_walk->frames[ret_walk->count++] = registers->pc;
		ret_walk->status = unwind_step(row, registers, memory);
	}
}

#endif
