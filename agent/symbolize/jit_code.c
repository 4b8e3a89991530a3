/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/covering.h"
#include "symbolize/jit_loads.h"

/* A stretch of memory and the load that one sees there now; they are disjoint. */
struct piece {
	uint64_t start;
	uint64_t end;
	uint32_t load; /* place in loads: the higher hides the lower */
};

struct pieces {
	struct piece *rows; /* owned, by start */
	size_t count;
	size_t capacity;
};

struct jit_code {
	size_t bytes_max;
	struct bytes_writer loads; /* struct jit_load, in order; their names are in names */
	struct bytes_writer names;
	struct pieces pieces;
	uint64_t forgotten;
};

int jit_code_new(size_t bytes_max, struct jit_code **ret_code)
{
	struct jit_code *code = calloc(1, sizeof(*code));

	if (!code)
		return -ENOMEM;
	code->bytes_max = bytes_max;
	code->loads = bytes_writer_with_max(SIZE_MAX);
	code->names = bytes_writer_with_max(UINT32_MAX);
	*ret_code = code;
	return 0;
}

void jit_code_free(struct jit_code *code)
{
	if (!code)
		return;
	bytes_writer_free(&code->loads);
	bytes_writer_free(&code->names);
	free(code->pieces.rows);
	free(code);
}

static const struct jit_load *loads_of(const struct jit_code *code)
{
	return (const struct jit_load *)code->loads.bytes;
}

static uint32_t load_count(const struct jit_code *code)
{
	return (uint32_t)(code->loads.size / sizeof(struct jit_load));
}

size_t jit_code_bytes(const struct jit_code *code)
{
	return code->loads.capacity + code->names.capacity +
	       code->pieces.capacity * sizeof(*code->pieces.rows);
}

uint64_t jit_code_forgotten(const struct jit_code *code)
{
	return code->forgotten;
}

/* --- what one sees where --------------------------------------------------------------------- */

static int add_piece(struct pieces *pieces, struct piece piece)
{
	struct piece *last = pieces->count ? &pieces->rows[pieces->count - 1] : NULL;

	if (last && last->load == piece.load && last->end == piece.start) {
		last->end = piece.end;
		return 0;
	}
	if (pieces->count == pieces->capacity) {
		size_t capacity = pieces->capacity ? pieces->capacity * 2 : 64;
		struct piece *rows = reallocarray(pieces->rows, capacity, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		pieces->rows = rows;
		pieces->capacity = capacity;
	}
	pieces->rows[pieces->count++] = piece;
	return 0;
}

/* Gives out what one sees from @at on up to @limit, where the next piece starts: the latest load. */
static int sweep(struct covering *covering, struct pieces *ret_pieces, uint64_t at, uint64_t limit)
{
	const struct covering_range *top;

	while (at < limit && (top = covering_top(covering, at))) {
		struct piece seen = {
			.start = at,
			.end = top->end < limit ? top->end : limit,
			.load = (uint32_t)top->rank,
		};
		int r = add_piece(ret_pieces, seen);

		if (r < 0)
			return r;
		at = seen.end;
	}
	return 0;
}

/* The lower start of the two next ones; both lists are sorted, and not both at their end. */
static const struct piece *next_piece(const struct pieces *left, size_t *left_at,
				      const struct pieces *right, size_t *right_at)
{
	if (*right_at == right->count ||
	    (*left_at < left->count && left->rows[*left_at].start <= right->rows[*right_at].start))
		return &left->rows[(*left_at)++];
	return &right->rows[(*right_at)++];
}

/* Both lists, with what hides what. @ret_pieces: empty. */
static int merge(const struct pieces *left, const struct pieces *right, struct pieces *ret_pieces)
{
	size_t count = left->count + right->count, left_at = 0, right_at = 0;
	CLEANUP(covering_close) struct covering covering = { 0 };
	uint64_t at = 0;
	int r = covering_open(count, &covering);

	for (size_t i = 0; i < count && r == 0; i++) {
		const struct piece *piece = next_piece(left, &left_at, right, &right_at);

		r = sweep(&covering, ret_pieces, at, piece->start);
		at = piece->start;
		covering_add(&covering,
			     (struct covering_range){ .end = piece->end, .rank = piece->load });
	}
	return r < 0 ? r : sweep(&covering, ret_pieces, at, UINT64_MAX);
}

static int compare_starts(const void *left, const void *right)
{
	const struct piece *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* Puts the loads from @first on over what is seen already. */
static int update_pieces(struct jit_code *code, uint32_t first)
{
	struct pieces added = { 0 }, merged = { 0 };
	const struct jit_load *loads = loads_of(code);
	int r = 0;

	added.rows = calloc(load_count(code) - first + 1, sizeof(*added.rows));
	if (!added.rows)
		return -ENOMEM;
	for (uint32_t i = first; i < load_count(code); i++)
		added.rows[added.count++] = (struct piece){
			.start = loads[i].start,
			.end = loads[i].start + loads[i].size,
			.load = i,
		};
	qsort(added.rows, added.count, sizeof(*added.rows), compare_starts);
	r = merge(&code->pieces, &added, &merged);
	free(added.rows);
	if (r < 0) {
		free(merged.rows);
		return r;
	}
	free(code->pieces.rows);
	code->pieces = merged;
	return 0;
}

static const struct piece *find_piece(const struct jit_code *code, uint64_t address)
{
	const struct piece *rows = code->pieces.rows;
	size_t first = 0, count = code->pieces.count;

	while (count) {
		size_t half = count / 2;

		if (rows[first + half].end <= address) {
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return first < code->pieces.count && rows[first].start <= address ? &rows[first] : NULL;
}

/* --- questions ------------------------------------------------------------------------------- */

static bool covers(const struct jit_load *load, uint64_t address)
{
	return address - load->start < load->size;
}

/* From @place down: the newest load there by @time_ns, or the earliest of those looked at. */
static uint32_t find_before(const struct jit_code *code, uint32_t place, uint64_t address,
			    uint64_t time_ns)
{
	const struct jit_load *loads = loads_of(code);
	uint32_t found = place;

	for (uint32_t steps = 0; steps < JIT_CODE_SCAN_MAX; steps++) {
		uint32_t at = place - steps;

		if (covers(&loads[at], address)) {
			found = at;
			if (loads[at].time_ns <= time_ns)
				break;
		}
		if (!at)
			break;
	}
	return found;
}

bool jit_code_find(const struct jit_code *code, uint64_t address, uint64_t time_ns,
		   struct jit_function *ret_function)
{
	const struct piece *piece = find_piece(code, address);
	const struct jit_load *load;

	if (!piece)
		return false;
	load = &loads_of(code)[piece->load];
	if (load->time_ns > time_ns)
		load = &loads_of(code)[find_before(code, piece->load, address, time_ns)];
	*ret_function = (struct jit_function){
		.start = load->start,
		.size = load->size,
		.name = (const char *)code->names.bytes + load->name_offset,
		.name_size = load->name_size,
	};
	return true;
}

/* --- adding ---------------------------------------------------------------------------------- */

/*
 * Gives moved code the name that it had: of the loads from @first on, or of what was seen before.
 * @steps: that are left, counted down.
 */
static void name_moved(const struct jit_code *code, uint32_t first, struct jit_load *moved,
		       uint32_t *steps)
{
	const struct jit_load *loads = loads_of(code);
	const struct piece *piece = find_piece(code, moved->moved_from);

	for (uint32_t at = load_count(code); at > first && *steps; at--, (*steps)--) {
		if (!covers(&loads[at - 1], moved->moved_from))
			continue;
		moved->name_offset = loads[at - 1].name_offset;
		moved->name_size = loads[at - 1].name_size;
		return;
	}
	if (piece) {
		moved->name_offset = loads[piece->load].name_offset;
		moved->name_size = loads[piece->load].name_size;
	}
}

static void add_loads(struct jit_code *code, const struct jit_loads_view *added)
{
	uint32_t first = load_count(code), steps = JIT_CODE_MOVE_STEPS_MAX;
	size_t names_size = code->names.size;

	bytes_write(&code->names, added->names, added->header->names_size);
	for (uint32_t i = 0; i < added->header->count; i++) {
		struct jit_load load = added->rows[i];

		if (load.moved_from) {
			load.name_size = 0;
			name_moved(code, first, &load, &steps);
		} else {
			load.name_offset += (uint32_t)names_size;
		}
		/* Without a name it would hide what has one. */
		if (load.name_size)
			bytes_write(&code->loads, &load, sizeof(load));
	}
}

/* Forgets the older half of the loads. */
static int forget_half(struct jit_code *code)
{
	uint32_t count = load_count(code), first = count / 2;
	const struct jit_load *loads = loads_of(code);
	struct jit_code kept = { .bytes_max = code->bytes_max };
	int r;

	kept.loads = bytes_writer_with_max(SIZE_MAX);
	kept.names = bytes_writer_with_max(UINT32_MAX);
	for (uint32_t i = first; i < count; i++) {
		struct jit_load load = loads[i];

		load.name_offset = (uint32_t)kept.names.size;
		bytes_write(&kept.names, code->names.bytes + loads[i].name_offset, load.name_size);
		bytes_write(&kept.loads, &load, sizeof(load));
	}
	r = kept.loads.failed || kept.names.failed ? -ENOMEM : update_pieces(&kept, 0);
	if (r == 0) {
		kept.forgotten = code->forgotten + first;
		bytes_writer_free(&code->loads);
		bytes_writer_free(&code->names);
		free(code->pieces.rows);
		*code = kept;
		return 0;
	}
	bytes_writer_free(&kept.loads);
	bytes_writer_free(&kept.names);
	return r;
}

int jit_code_add(struct jit_code *code, const struct jit_loads_view *loads)
{
	size_t loads_size = code->loads.size, names_size = code->names.size;
	int r;

	if (!loads->header->count)
		return 0;
	add_loads(code, loads);
	r = code->loads.failed || code->names.failed
		    ? -ENOMEM
		    : update_pieces(code, (uint32_t)(loads_size / sizeof(struct jit_load)));
	if (r < 0) {
		code->loads.size = loads_size;
		code->names.size = names_size;
		code->loads.failed = code->names.failed = false;
		return r;
	}
	while (jit_code_bytes(code) > code->bytes_max && load_count(code) > 1) {
		r = forget_half(code);
		if (r < 0)
			return r;
	}
	return 0;
}
