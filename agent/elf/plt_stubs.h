/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names the stubs of the procedure linkage table, which have no symbols of their own: NAME@plt,
 * where NAME is the function that the stub jumps to.
 *
 * A stub is recognized by its jump through a slot of the global offset table; the relocation of
 * that slot has the symbol. So the order and form of the stubs (.plt, .plt.sec, .plt.got) don't
 * matter. x86-64 only: elsewhere there are no names.
 */
#ifndef FLICKERSCOPE_PLT_STUBS_H
#define FLICKERSCOPE_PLT_STUBS_H

#include "base/cleanup.h"
#include "elf/executable_file.h"
#include "elf/symbol_table_builder.h"

enum plt_stubs_limits {
	PLT_STUBS_CODE_SIZE_MAX = 4 << 20,	   /* of one of the sections */
	PLT_STUBS_RELOCATIONS_SIZE_MAX = 96 << 20, /* of .rela.plt, .rela.dyn */
	PLT_STUBS_SYMBOLS_SIZE_MAX = 24 << 20,	   /* of .dynsym */
	PLT_STUBS_NAMES_SIZE_MAX = 64 << 20,	   /* of .dynstr */
};

struct plt_stubs; /* owns the names */

/*
 * Adds the stubs of @file to @builder. What cannot be read is left out: these are few names, and
 * nothing else depends on them.
 *
 * @ret_stubs: to be freed after the builder. Written on 0.
 *
 * Returns 0 or -ENOMEM.
 */
int plt_stubs_add(const struct executable_file *file, struct symbol_table_builder *builder,
		  struct plt_stubs **ret_stubs);
void plt_stubs_free(struct plt_stubs *stubs); /* NULL is fine */
DEFINE_CLEANUP(struct plt_stubs *, plt_stubs_free);

#endif
