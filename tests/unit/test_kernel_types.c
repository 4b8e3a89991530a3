/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's types cut down: the sampler's object, loaded with them and with all that the kernel
 * tells, must come out the same. And bytes that are no types.
 */
#include "privileged/kernel_types.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "sample_abi.h"
#include "sampler.skel.h"

enum { CUT_SIZE_MAX = 16384 };

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return 0;
}

/* A descriptor of the running kernel's types, cut down. */
static int cut_file(const struct btf *wanted)
{
	int fd = memfd_create("kernel-types", MFD_CLOEXEC);

	CHECK_EQ(kernel_types_write(fd, wanted), 0);
	return fd;
}

static struct sampler_bpf *load(const char *types_path)
{
	struct bpf_object_open_opts options = {
		.sz = sizeof(options),
		.btf_custom_path = types_path,
	};
	struct sampler_bpf *skeleton = sampler_bpf__open_opts(&options);

	if (!skeleton)
		return NULL;
	skeleton->rodata->config_unwind = true;
	if (sampler_bpf__load(skeleton) < 0) {
		sampler_bpf__destroy(skeleton);
		return NULL;
	}
	return skeleton;
}

/* Addresses and descriptors of maps differ with each load. */
static bool is_address(const struct bpf_insn *instruction)
{
	return instruction->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static int differences(const struct bpf_program *program, const struct bpf_program *other)
{
	const struct bpf_insn *instructions = bpf_program__insns(program);
	const struct bpf_insn *others = bpf_program__insns(other);
	size_t count = bpf_program__insn_cnt(program);
	int differing = 0;

	CHECK_EQ(count, bpf_program__insn_cnt(other));
	for (size_t i = 0; i < count; i++) {
		if (is_address(&instructions[i]) && is_address(&others[i]))
			i++; /* of two words */
		else
			differing += memcmp(&instructions[i], &others[i], sizeof(*others)) != 0;
	}
	return differing;
}

static void the_object_comes_out_the_same(void)
{
	struct sampler_bpf *pattern = sampler_bpf__open(), *whole, *cut;
	struct bpf_program *program = NULL;
	char path[64];
	int fd, compared = 0;

	libbpf_set_print(print_nothing);
	CHECK(pattern);
	if (!pattern)
		return;
	fd = cut_file(bpf_object__btf(pattern->obj));
	CHECK(lseek(fd, 0, SEEK_END) > 0);
	CHECK(lseek(fd, 0, SEEK_END) < CUT_SIZE_MAX);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	whole = load(NULL);
	cut = whole ? load(path) : NULL;
	if (!whole) {
		SKIP("this kernel does not let us load the sampler");
	} else if (!cut) {
		CHECK(cut);
	} else {
		bpf_object__for_each_program(program, whole->obj)
		{
			compared++;
			CHECK_EQ(
				differences(program, bpf_object__find_program_by_name(
							     cut->obj, bpf_program__name(program))),
				0);
		}
		CHECK(compared > 5);
	}
	sampler_bpf__destroy(cut);
	sampler_bpf__destroy(whole);
	sampler_bpf__destroy(pattern);
	close(fd);
}

/* struct outer { int before; struct { long inside; }; char *pointer; short list[3]; }; */
static struct btf *some_types(const char *name)
{
	struct btf *types = btf__new_empty();
	int number = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
	int large = btf__add_int(types, "long", 8, BTF_INT_SIGNED);
	int small = btf__add_int(types, "short", 2, BTF_INT_SIGNED);
	int pointer = btf__add_ptr(types, number);
	int list = btf__add_array(types, number, small, 3);
	int fixed = btf__add_const(types, pointer), named = btf__add_typedef(types, "shorts", list);
	int nameless = btf__add_struct(types, NULL, 8);

	btf__add_field(types, "inside", large, 0, 0);
	btf__add_struct(types, name, 40);
	btf__add_field(types, "before", number, 0, 0);
	btf__add_field(types, NULL, nameless, 64, 0);
	btf__add_field(types, "pointer", fixed, 128, 0);
	btf__add_field(types, "list", named, 192, 0);
	return types;
}

/* struct NAME { long inside; short list[]; int pointer; int missing; }; */
static struct btf *wanted_types(const char *name)
{
	struct btf *types = btf__new_empty();
	int number = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
	int list = btf__add_array(types, number, number, 0);

	btf__add_struct(types, name, 32);
	btf__add_field(types, "inside", number, 0, 0);
	btf__add_field(types, "list", list, 64, 0);
	btf__add_field(types, "pointer", number, 128, 0);
	btf__add_field(types, "missing", number, 192, 0);
	return types;
}

static void only_what_is_wanted_is_cut_out(void)
{
	struct btf *types = some_types("outer"), *wanted = wanted_types("outer___flavor"),
		   *cut = NULL;
	const struct btf_type *outer;
	const struct btf_member *members;
	uint32_t size;
	const void *bytes = btf__raw_data(types, &size);

	CHECK_EQ(kernel_types_cut(bytes, size, wanted, &cut), 0);
	outer = btf__type_by_id(cut,
				(uint32_t)btf__find_by_name_kind(cut, "outer", BTF_KIND_STRUCT));
	CHECK(outer);
	if (outer) {
		members = btf_members(outer);
		CHECK_EQ(outer->size, 40);
		/* Not the pointer, which is a number on the other side, and not what is missing. */
		CHECK_EQ(btf_vlen(outer), 2);
		CHECK_STR_EQ(btf__name_by_offset(cut, members[0].name_off), "inside");
		CHECK_EQ(btf_member_bit_offset(outer, 0), 64);
		CHECK_EQ(btf__resolve_size(cut, members[0].type), 8);
		CHECK_STR_EQ(btf__name_by_offset(cut, members[1].name_off), "list");
		CHECK_EQ(btf_member_bit_offset(outer, 1), 192);
		CHECK_EQ(btf__resolve_size(cut, members[1].type), 6);
	}
	btf__free(cut);
	btf__free(wanted);
	btf__free(types);
}

static void bytes_that_are_no_types_are_refused(void)
{
	struct btf *types = some_types("outer"), *wanted = wanted_types("outer");
	uint32_t size;
	const void *bytes = btf__raw_data(types, &size);
	int refused = 0;

	for (uint32_t kept = 0; kept < size; kept++) {
		struct btf *cut = NULL;
		uint32_t *copy = malloc(kept + 1);

		memcpy(copy, bytes, kept);
		refused += kernel_types_cut(copy, kept, wanted, &cut) == -EINVAL;
		free(copy);
	}
	CHECK_EQ(refused, size);

	/* Any one word another one: an answer or a refusal, and nothing outside is read. */
	for (uint32_t at = 0; at + 4 <= size; at += 4)
		for (uint32_t value = 1; value; value *= 3) {
			struct btf *cut = NULL;
			uint8_t *copy = malloc(size);

			memcpy(copy, bytes, size);
			memcpy(copy + at, &value, sizeof(value));
			if (kernel_types_cut(copy, size, wanted, &cut) == 0)
				btf__free(cut);
			else
				CHECK(!cut);
			free(copy);
			if (value > UINT32_MAX / 3)
				break;
		}
	btf__free(wanted);
	btf__free(types);
}

TESTS(TEST(the_object_comes_out_the_same), TEST(only_what_is_wanted_is_cut_out),
      TEST(bytes_that_are_no_types_are_refused))
