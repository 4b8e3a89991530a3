/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for the worker process: the functions of an ELF file as a symbol_table, keyed by their
 * offset in the file, with the build id in its header.
 *
 * Taken are the symbols of .symtab, else of .dynsym and of the file that is packed in
 * .gnu_debugdata, and those of the separate debug file's .symtab: what is a function or stands
 * untyped in a code section. Also the stubs of the procedure linkage table as NAME@plt. A symbol version behind a
 * name (memcpy@@GLIBC_2.14) is cut off. Functions that no symbol names but .eh_frame describes, as
 * most of a stripped file's are, are found with an empty name: their start tells them apart.
 */
#ifndef FLICKERSCOPE_ELF_SYMBOLS_H
#define FLICKERSCOPE_ELF_SYMBOLS_H

#include "base/bytes.h"
#include "elf/executable_file.h"
#include "elf/symbol_table_builder.h"

enum elf_symbols_limits {
	ELF_SYMBOLS_SIZE_MAX = 24 * SYMBOL_BUILDER_SYMBOLS_MAX, /* bytes of .symtab or .dynsym */
	ELF_SYMBOLS_NAMES_SIZE_MAX = 512 << 20,			/* bytes of its string table */
	ELF_SYMBOLS_PACKED_SIZE_MAX = 32 << 20,			/* bytes of .gnu_debugdata */
	ELF_SYMBOLS_TIME_LIMIT_MS = 10000,			/* for struct worker_job_type */
};

/*
 * @file_fd, @debug_fd: the file, and its debug file or -1. Borrowed.
 * @argument: empty.
 *
 * Returns 0, one of enum executable_file_outcome, or -errno.
 */
int elf_symbols_job(int file_fd, int debug_fd, struct bytes_reader argument,
		    struct bytes_writer *ret_result);

/* The same for files that are open already. @debug_file: NULL: none. */
int elf_symbols_table(const struct executable_file *file, const struct executable_file *debug_file,
		      struct bytes_writer *ret_table);

#endif
