/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kernel_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "symbolize/name_cache.h"
#include "symbolize/symbolizer.h"

static const char kernel_module[] = "[kernel]";
static const char bpf_module[] = "[bpf]";

struct kernel_symbols {
	struct kernel_names names;
	struct name_cache cache; /* by address; an empty name: the kernel does not say */
	uint64_t kept_since_ns;
	uint64_t asked;
};

int kernel_symbols_new(struct kernel_names names, struct kernel_symbols **ret_symbols)
{
	CLEANUP(kernel_symbols_free)
	struct kernel_symbols *symbols = calloc(1, sizeof(*symbols));
	int r;

	if (!symbols)
		return -ENOMEM;
	symbols->names = names;
	r = name_cache_open(&symbols->cache);
	if (r < 0)
		return r;
	*ret_symbols = TAKE(symbols);
	return 0;
}

void kernel_symbols_free(struct kernel_symbols *symbols)
{
	if (!symbols)
		return;
	name_cache_close(&symbols->cache);
	free(symbols);
}

void kernel_symbols_tick(struct kernel_symbols *symbols, uint64_t now_ns)
{
	if (now_ns - symbols->kept_since_ns < KERNEL_SYMBOLS_KEPT_MS * NS_PER_MS)
		return;
	symbols->kept_since_ns = now_ns;
	name_cache_clear(&symbols->cache);
}

uint64_t kernel_symbols_asked(const struct kernel_symbols *symbols)
{
	return symbols->asked;
}

/* What the kernel says of an address: empty when it does not know. */
static struct bytes_reader find_text(struct kernel_symbols *symbols, uint64_t address)
{
	const char *text = "";
	uint32_t size = 0;

	if (name_cache_find(&symbols->cache, address, &text, &size))
		return bytes_reader_of(text, size);
	if (symbols->names.name) {
		text = symbols->names.name(symbols->names.context, address);
		size = text ? (uint32_t)strlen(text) : 0;
		symbols->asked++;
	}
	name_cache_put(&symbols->cache, address, text, size);
	return bytes_reader_of(text, size);
}

/* Takes " [module]" off the end of a name. Returns the module's name, empty for the kernel itself. */
static struct bytes_reader take_module(struct bytes_reader *text)
{
	size_t size = bytes_left(text);
	const uint8_t *blank = size ? memrchr(text->at, ' ', size) : NULL;
	struct bytes_reader module = bytes_reader_of(NULL, 0);

	if (!blank || text->end - blank < 4 || blank[1] != '[' || text->end[-1] != ']')
		return module;
	module = bytes_reader_of(blank + 2, (size_t)(text->end - 1 - (blank + 2)));
	text->end = blank;
	return module;
}

static bool is(const struct bytes_reader *text, const char *word)
{
	return bytes_left(text) == strlen(word) && memcmp(text->at, word, strlen(word)) == 0;
}

/* Trampolines of the kernel itself are told as if they were modules: "[__builtin__ftrace]". */
static bool is_builtin(const struct bytes_reader *module)
{
	static const char builtin[] = "__builtin__";

	return bytes_left(module) > sizeof(builtin) - 1 &&
	       memcmp(module->at, builtin, sizeof(builtin) - 1) == 0;
}

static void describe_module(const struct bytes_reader *module, struct frame_description *frame)
{
	if (!bytes_left(module) || is_builtin(module)) {
		frame->module_kind = WIRE_MODULE_KERNEL;
		frame->module_name = kernel_module;
		frame->module_name_size = sizeof(kernel_module) - 1;
	} else if (is(module, "bpf")) {
		frame->module_kind = WIRE_MODULE_BPF;
		frame->module_name = bpf_module;
		frame->module_name_size = sizeof(bpf_module) - 1;
	} else {
		frame->module_kind = WIRE_MODULE_KERNEL_MODULE;
		frame->module_name = (const char *)module->at;
		frame->module_name_size = (uint32_t)bytes_left(module);
	}
	frame->module_key =
		stable_key(frame->module_name, frame->module_name_size, frame->module_kind);
}

void kernel_symbols_describe(struct kernel_symbols *symbols, uint64_t address,
			     struct frame_description *ret_frame)
{
	struct bytes_reader text = find_text(symbols, address), module = take_module(&text);

	/* All that is known is that it is the kernel: one function for all such addresses. */
	if (!bytes_left(&text))
		text = bytes_reader_of(kernel_module, sizeof(kernel_module) - 1);
	*ret_frame = (struct frame_description){ .kind = WIRE_FRAME_KERNEL };
	describe_module(&module, ret_frame);
	ret_frame->name = (const char *)text.at;
	ret_frame->name_size = (uint32_t)bytes_left(&text);
	ret_frame->function_key =
		stable_key(ret_frame->name, ret_frame->name_size, ret_frame->module_key);
}
