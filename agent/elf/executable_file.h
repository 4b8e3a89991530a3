/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the parts of an ELF file that a profiler needs: segments, sections, notes.
 *
 * The file is hostile and may change while it is read. So it is never mapped (a file that shrinks
 * would raise SIGBUS): each part is copied once with pread() into memory whose size was checked
 * against the file and a named limit before it was allocated, and only the copy is looked at.
 *
 * Only what this machine's processes run is accepted: 64-bit, its own byte order, its own
 * machine type. Meant for the worker process; owned by one thread.
 *
 * Source of the layouts: the System V ABI, "Object Files"; elf.h has the structs.
 */
#ifndef FLICKERSCOPE_EXECUTABLE_FILE_H
#define FLICKERSCOPE_EXECUTABLE_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "elf/build_id.h"

enum executable_file_limits {
	EXECUTABLE_SEGMENTS_MAX = 512,	  /* program headers; linkers make about a dozen */
	EXECUTABLE_SECTIONS_MAX = 131072, /* section headers; -ffunction-sections has thousands */
	EXECUTABLE_NAMES_SIZE_MAX = 4 << 20,   /* names of sections */
	EXECUTABLE_NOTES_SIZE_MAX = 1 << 20,   /* one segment or section of notes ... */
	EXECUTABLE_NOTES_SIZE_USUAL = 4 << 10, /* ... mostly below this */
	EXECUTABLE_NOTE_PARTS_MAX = 64,	       /* segments and sections of notes looked at */
};

/* Also outcomes of the worker's jobs that read ELF files. */
enum executable_file_outcome {
	EXECUTABLE_NOT_ELF = 1,
	EXECUTABLE_UNSUPPORTED, /* 32-bit, other byte order, other machine, or relocatable */
	EXECUTABLE_MALFORMED,	/* cut, or headers that contradict each other */
	EXECUTABLE_TOO_LARGE,	/* beyond one of the limits */
	EXECUTABLE_NO_SECTION,	/* the part that was asked for is not there */
	EXECUTABLE_OTHER,	/* of two files: they do not belong together */
};

struct executable_file;

/*
 * @fd: borrowed for the file's life; needs pread(). A regular file.
 *
 * Returns 0, one of the outcomes, or -errno.
 */
int executable_file_open(int fd, struct executable_file **ret_file);

/* The same over bytes in memory, borrowed: for the vDSO, unpacked files and tests. */
int executable_file_open_bytes(const void *bytes, size_t size, struct executable_file **ret_file);

void executable_file_free(struct executable_file *file); /* NULL is fine */
DEFINE_CLEANUP(struct executable_file *, executable_file_free);

/* What an outcome means, as the end of a sentence: "is not an ELF file". */
const char *executable_file_outcome_text(int outcome);

const Elf64_Phdr *executable_file_segments(const struct executable_file *file, size_t *ret_count);
const Elf64_Shdr *executable_file_sections(const struct executable_file *file, size_t *ret_count);

/* The first section with @name and @type (SHT_NULL: any type), or NULL. */
const Elf64_Shdr *executable_file_find_section(const struct executable_file *file, const char *name,
					       uint32_t type);

/* The name of a section; "" when it has none. */
const char *executable_file_section_name(const struct executable_file *file,
					 const Elf64_Shdr *section);

/*
 * Where the byte at @address (as linked) stands in the file, by the PT_LOAD segments.
 * Returns false when no segment has it in the file.
 */
bool executable_file_offset(const struct executable_file *file, uint64_t address,
			    uint64_t *ret_offset);

/*
 * A copy of a section's bytes; one compressed by SHF_COMPRESSED comes unpacked.
 *
 * @size_max: a larger one is refused before any memory is taken.
 * @ret_bytes: to be freed with free(); NULL when it is empty.
 *
 * Returns 0, EXECUTABLE_TOO_LARGE, EXECUTABLE_MALFORMED (beyond the file's end, bad compression),
 * EXECUTABLE_NO_SECTION (holds no bytes: SHT_NOBITS) or -errno.
 */
int executable_file_read_section(const struct executable_file *file, const Elf64_Shdr *section,
				 size_t size_max, uint8_t **ret_bytes, size_t *ret_size);

/*
 * A copy of @size bytes at @offset in the file, which the caller has bounded.
 *
 * @ret_bytes: to be freed with free().
 *
 * Returns 0, EXECUTABLE_MALFORMED (beyond the file's end) or -errno.
 */
int executable_file_read(const struct executable_file *file, uint64_t offset, size_t size,
			 uint8_t **ret_bytes);

/* The same into memory that is there already, for passing over a file piece by piece. */
int executable_file_read_into(const struct executable_file *file, uint64_t offset, size_t size,
			      void *target);

uint64_t executable_file_size(const struct executable_file *file);

/* Bytes in segments that are executed. */
uint64_t executable_file_code_size(const struct executable_file *file);

/* Of the segments' notes, else of the sections'. Returns false when there is none. */
bool executable_file_build_id(const struct executable_file *file, struct build_id *ret_build_id);

#endif
