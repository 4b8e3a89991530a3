/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/kernel_types.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
	BYTES_MAX = 64 << 20, /* of the kernel's types; distributions' have 5 MB */
	WANTED_MAX = 256,     /* structures that an object names, its own maps' included */
	FIELDS_MAX = 64,      /* of one structure, that are wanted */
	LEVELS_MAX = 8,	      /* of structures within each other */
	MODIFIERS_MAX = 32,   /* typedefs, const and the like in front of a type */
};

/* The kernel's types where they lie. */
struct kernel {
	const uint8_t *types;
	const char *names;
	uint32_t types_size, names_size;
	uint32_t *places; /* in types, by id - 1; owned */
	uint32_t count;
};

/* A member of the kernel's, found by its name. */
struct member {
	uint32_t type;
	uint32_t bit_offset; /* in the structure that was asked */
	uint32_t bit_size;   /* 0: no bit field */
};

struct cutter {
	struct kernel kernel;
	const struct btf *wanted; /* borrowed */
	struct btf *cut;	  /* owned */
	struct {
		const char *
			name; /* of @wanted, borrowed, and only this long: what follows "___" is left out */
		size_t size;
		uint32_t type;
	} structures[WANTED_MAX]; /* by name */
	uint32_t structure_count;
};

/* --- the kernel's side ----------------------------------------------------------------------- */

/* Bytes of what follows a type; -1: nobody knows. */
static int64_t tail_size(const struct btf_type *type)
{
	uint32_t count = btf_vlen(type);

	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
		return sizeof(uint32_t);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return count * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return count * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return count * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return count * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return count * sizeof(struct btf_var_secinfo);
	default:
		return -1;
	}
}

static int kernel_open(const void *bytes, size_t size, struct kernel *ret_kernel)
{
	const struct btf_header *header = bytes;
	const uint8_t *start = bytes;
	uint64_t room;

	if (size < sizeof(*header) || header->magic != BTF_MAGIC ||
	    header->hdr_len < sizeof(*header) || header->hdr_len > size || header->hdr_len % 4 ||
	    header->type_off % 4)
		return -EINVAL;
	start += header->hdr_len;
	room = size - header->hdr_len;
	if ((uint64_t)header->type_off + header->type_len > room ||
	    (uint64_t)header->str_off + header->str_len > room || !header->str_len ||
	    start[header->str_off + header->str_len - 1])
		return -EINVAL;
	ret_kernel->types = start + header->type_off;
	ret_kernel->types_size = header->type_len;
	ret_kernel->names = (const char *)start + header->str_off;
	ret_kernel->names_size = header->str_len;
	ret_kernel->places =
		malloc(header->type_len / sizeof(struct btf_type) * sizeof(uint32_t) + 1);
	return ret_kernel->places ? 0 : -ENOMEM;
}

/* NULL: void, or there is no such type. */
static const struct btf_type *kernel_type(const struct kernel *kernel, uint32_t id)
{
	return id && id <= kernel->count ? (const void *)(kernel->types + kernel->places[id - 1])
					 : NULL;
}

static const char *kernel_name(const struct kernel *kernel, uint32_t offset)
{
	return offset < kernel->names_size ? kernel->names + offset : "";
}

/* What a type is without its typedefs and modifiers. */
static const struct btf_type *kernel_bare_type(const struct kernel *kernel, uint32_t id)
{
	const struct btf_type *type = kernel_type(kernel, id);

	for (int i = 0; type && (btf_is_mod(type) || btf_is_typedef(type)); i++)
		type = i < MODIFIERS_MAX ? kernel_type(kernel, type->type) : NULL;
	return type;
}

/* Finds a member, in nameless ones too. */
static bool kernel_member(const struct kernel *kernel, const struct btf_type *structure,
			  const char *name, int levels, struct member *ret_member)
{
	const struct btf_member *members = btf_members(structure);

	for (uint32_t i = 0; i < btf_vlen(structure); i++) {
		const char *member_name = kernel_name(kernel, members[i].name_off);
		uint32_t bit_offset = btf_member_bit_offset(structure, i);
		const struct btf_type *type;

		if (*member_name) {
			if (strcmp(member_name, name) != 0)
				continue;
			*ret_member = (struct member){
				.type = members[i].type,
				.bit_offset = bit_offset,
				.bit_size = btf_member_bitfield_size(structure, i),
			};
			return true;
		}
		type = kernel_bare_type(kernel, members[i].type);
		if (type && btf_is_composite(type) && levels &&
		    kernel_member(kernel, type, name, levels - 1, ret_member)) {
			ret_member->bit_offset += bit_offset;
			return true;
		}
	}
	return false;
}

/* --- what is cut out ------------------------------------------------------------------------- */

static const struct btf_type *wanted_bare_type(const struct btf *wanted, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(wanted, id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type)))
		type = btf__type_by_id(wanted, type->type);
	return type;
}

static int add_structure(struct cutter *cutter, const char *name, const struct btf_type *kernel,
			 const struct btf_type *wanted, int levels);

static int add_array(struct cutter *cutter, const struct btf_type *kernel,
		     const struct btf_type *wanted, int levels);

/* Adds a type as far as it is wanted. Returns its id, 0 when the two are nothing alike, -errno. */
static int add_type(struct cutter *cutter, uint32_t kernel_id, uint32_t wanted_id, int levels)
{
	const struct btf_type *kernel = kernel_bare_type(&cutter->kernel, kernel_id);
	const struct btf_type *wanted = wanted_bare_type(cutter->wanted, wanted_id);

	if (!kernel || !wanted)
		return 0;
	if (btf_is_composite(kernel) && btf_is_composite(wanted))
		return levels ? add_structure(cutter, NULL, kernel, wanted, levels - 1) : 0;
	if (btf_kind(kernel) != btf_kind(wanted))
		return 0;
	switch (btf_kind(kernel)) {
	case BTF_KIND_INT:
		return btf__add_int(cutter->cut, "int", kernel->size, btf_int_encoding(kernel));
	case BTF_KIND_PTR: /* to whatever: what is behind it is another structure's question */
		return btf__add_ptr(cutter->cut, 0);
	case BTF_KIND_ARRAY:
		return levels ? add_array(cutter, kernel, wanted, levels - 1) : 0;
	default:
		return 0;
	}
}

static int add_array(struct cutter *cutter, const struct btf_type *kernel,
		     const struct btf_type *wanted, int levels)
{
	const struct btf_array *array = btf_array(kernel);
	int element = add_type(cutter, array->type, btf_array(wanted)->type, levels);
	int index = element > 0 ? btf__add_int(cutter->cut, "int", sizeof(uint32_t), 0) : element;

	return index > 0 ? btf__add_array(cutter->cut, index, element, array->nelems) : index;
}

/* @name: NULL: none. Returns its id or -errno. */
static int add_structure(struct cutter *cutter, const char *name, const struct btf_type *kernel,
			 const struct btf_type *wanted, int levels)
{
	const struct btf_member *members = btf_members(wanted);
	struct member found[FIELDS_MAX];
	const char *names[FIELDS_MAX];
	int count = 0, id, r;

	for (uint32_t i = 0; i < btf_vlen(wanted) && count < FIELDS_MAX; i++) {
		struct member *member = &found[count];

		names[count] = btf__name_by_offset(cutter->wanted, members[i].name_off);
		if (!kernel_member(&cutter->kernel, kernel, names[count], LEVELS_MAX, member))
			continue;
		r = add_type(cutter, member->type, members[i].type, levels);
		if (r < 0)
			return r;
		member->type = (uint32_t)r; /* of the new ones from here on */
		count += r > 0;
	}
	/* The members' types stand before it: a structure's members are added at the end. */
	id = btf__add_struct(cutter->cut, name, kernel->size);
	for (int i = 0; id > 0 && i < count; i++) {
		r = btf__add_field(cutter->cut, names[i], (int)found[i].type, found[i].bit_offset,
				   found[i].bit_size);
		if (r < 0)
			return r;
	}
	return id;
}

/* --- which ----------------------------------------------------------------------------------- */

static int compare_names(const char *name, size_t size, const char *other, size_t other_size)
{
	int order = memcmp(name, other, size < other_size ? size : other_size);

	return order ? order : (size > other_size) - (size < other_size);
}

/* Sorted by insertion: there are a few dozen. */
static void list_wanted(struct cutter *cutter)
{
	for (uint32_t id = 1; id < btf__type_cnt(cutter->wanted); id++) {
		const struct btf_type *type = btf__type_by_id(cutter->wanted, id);
		const char *name = btf__name_by_offset(cutter->wanted, type->name_off), *flavor;
		uint32_t at = cutter->structure_count;
		size_t size;

		if (!btf_is_struct(type) || !*name || at >= WANTED_MAX)
			continue;
		flavor = strstr(name, "___");
		size = flavor ? (size_t)(flavor - name) : strlen(name);
		for (; at && compare_names(cutter->structures[at - 1].name,
					   cutter->structures[at - 1].size, name, size) > 0;
		     at--)
			cutter->structures[at] = cutter->structures[at - 1];
		cutter->structures[at].name = name;
		cutter->structures[at].size = size;
		cutter->structures[at].type = id;
		cutter->structure_count++;
	}
}

/* The first of the wanted structures that is called so; the number of them when none is. */
static uint32_t find_wanted(const struct cutter *cutter, const char *name, size_t size)
{
	uint32_t low = 0, high = cutter->structure_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (compare_names(cutter->structures[middle].name, cutter->structures[middle].size,
				  name, size) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int cut_structure(struct cutter *cutter, const struct btf_type *kernel)
{
	const char *name = kernel_name(&cutter->kernel, kernel->name_off);
	size_t size = strlen(name);

	for (uint32_t i = find_wanted(cutter, name, size); i < cutter->structure_count; i++) {
		const struct btf_type *wanted =
			btf__type_by_id(cutter->wanted, cutter->structures[i].type);
		int r;

		if (compare_names(cutter->structures[i].name, cutter->structures[i].size, name,
				  size) != 0)
			break;
		r = add_structure(cutter, name, kernel, wanted, LEVELS_MAX);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Where each type stands: members are named by number. */
static int find_places(struct kernel *kernel)
{
	uint32_t at = 0;

	while (at < kernel->types_size) {
		const struct btf_type *type = (const void *)(kernel->types + at);
		uint32_t left = kernel->types_size - at;
		int64_t tail;

		if (left < sizeof(*type))
			return -EINVAL;
		tail = tail_size(type);
		if (tail < 0 || (uint64_t)tail > left - sizeof(*type))
			return -EINVAL;
		kernel->places[kernel->count++] = at;
		at += sizeof(*type) + (uint32_t)tail;
	}
	return 0;
}

static int cut_types(struct cutter *cutter)
{
	int r = find_places(&cutter->kernel);

	for (uint32_t id = 1; r == 0 && id <= cutter->kernel.count; id++) {
		const struct btf_type *type = kernel_type(&cutter->kernel, id);

		if (btf_is_struct(type) && type->name_off)
			r = cut_structure(cutter, type);
	}
	return r;
}

int kernel_types_cut(const void *bytes, size_t size, const struct btf *wanted,
		     struct btf **ret_types)
{
	CLEANUP(memory_free) struct cutter *cutter = calloc(1, sizeof(*cutter));
	CLEANUP(btf__free) struct btf *cut = btf__new_empty();
	int r;

	if (!cutter || !cut)
		return -ENOMEM;
	cutter->wanted = wanted;
	cutter->cut = cut;
	list_wanted(cutter);
	r = kernel_open(bytes, size, &cutter->kernel);
	if (r == 0)
		r = cut_types(cutter);
	free(cutter->kernel.places);
	if (r < 0)
		return r;
	*ret_types = TAKE(cut);
	return 0;
}

/* --- the running kernel's -------------------------------------------------------------------- */

struct bytes {
	uint8_t *start; /* NULL: there are none */
	size_t size;
};

/* The file in memory: mapped where the kernel allows it (6.16), which saves the copy, else read. */
static int open_bytes(struct bytes *ret_bytes)
{
	CLEANUP(fd_close) int fd = open(KERNEL_TYPES_PATH, O_RDONLY | O_CLOEXEC);
	struct bytes bytes = { 0 };
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size <= 0 || status.st_size > BYTES_MAX)
		return -EFBIG;
	bytes.size = (size_t)status.st_size;
	bytes.start = mmap(NULL, bytes.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes.start != MAP_FAILED) {
		*ret_bytes = bytes;
		return 0;
	}
	bytes.start =
		mmap(NULL, bytes.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes.start == MAP_FAILED)
		return -errno;
	*ret_bytes = bytes; /* to be closed, whatever follows */
	for (size_t done = 0; done < bytes.size;) {
		ssize_t count = read(fd, bytes.start + done, bytes.size - done);

		if (count <= 0)
			return count < 0 ? -errno : -EIO;
		done += (size_t)count;
	}
	return 0;
}

static void close_bytes(struct bytes bytes)
{
	if (bytes.start)
		munmap(bytes.start, bytes.size);
}

DEFINE_CLEANUP(struct bytes, close_bytes);

int kernel_types_write(int fd, const struct btf *wanted)
{
	CLEANUP(close_bytes) struct bytes all = { 0 };
	CLEANUP(btf__free) struct btf *cut = NULL;
	const void *bytes;
	uint32_t size;
	int r = open_bytes(&all);

	if (r < 0)
		return r;
	r = kernel_types_cut(all.start, all.size, wanted, &cut);
	if (r < 0) /* libbpf may know newer kinds than this file does */
		return bytes_to_fd(fd, all.start, all.size);
	bytes = btf__raw_data(cut, &size);
	return bytes ? bytes_to_fd(fd, bytes, size) : -ENOMEM;
}
