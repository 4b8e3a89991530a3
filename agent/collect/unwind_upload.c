/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/unwind_upload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collect/range_pool.h"
#include "elf/unwind_table.h"
#include "privileged/unwind_maps.h"

enum {
	SLAB_CHUNKS = UNWIND_SLAB_ROWS / UNWIND_UPLOAD_CHUNK_ROWS,
	SLAB_SIZE = UNWIND_SLAB_ROWS * sizeof(struct unwind_row),
};

struct unwind_upload {
	struct unwind_maps *maps;
	struct range_pool *rows; /* in chunks */
	struct range_pool *pages;
	struct range_pool *mappings;
	uint32_t slabs_max;
	uint32_t live_chunks; /* of rows: in use and not resting */
	uint32_t last_generation;
	uint32_t last_serial;
	uint64_t turned_ns;
	struct unwind_upload_counters counters;
};

int unwind_upload_new(struct unwind_maps *maps, uint64_t bytes_max,
		      struct unwind_upload **ret_upload)
{
	CLEANUP(unwind_upload_free) struct unwind_upload *upload = calloc(1, sizeof(*upload));
	uint64_t slabs = bytes_max / SLAB_SIZE;
	int r;

	if (!upload) {
		unwind_maps_free(maps);
		return -ENOMEM;
	}
	upload->maps = maps;
	upload->slabs_max = slabs > UNWIND_SLABS_MAX ? UNWIND_SLABS_MAX
			    : slabs		     ? (uint32_t)slabs
						     : 1;
	r = range_pool_new(upload->slabs_max * SLAB_CHUNKS, SLAB_CHUNKS, &upload->rows);
	if (r < 0)
		return r;
	r = range_pool_new(UNWIND_PAGES_MAX, UNWIND_PAGES_MAX, &upload->pages);
	if (r < 0)
		return r;
	r = range_pool_new(UNWIND_MAPPINGS_MAX, UNWIND_PROCESS_MAPPINGS_MAX, &upload->mappings);
	if (r < 0)
		return r;
	*ret_upload = TAKE(upload);
	return 0;
}

void unwind_upload_free(struct unwind_upload *upload)
{
	if (!upload)
		return;
	range_pool_free(upload->rows);
	range_pool_free(upload->pages);
	range_pool_free(upload->mappings);
	unwind_maps_free(upload->maps);
	free(upload);
}

/* --- tables ---------------------------------------------------------------------------------- */

static uint32_t chunks_of(uint32_t row_count)
{
	return (row_count + UNWIND_UPLOAD_CHUNK_ROWS - 1) / UNWIND_UPLOAD_CHUNK_ROWS;
}

static uint32_t first_chunk(const struct unwind_page_rows *page)
{
	return page->slab * (uint32_t)SLAB_CHUNKS + page->first / UNWIND_UPLOAD_CHUNK_ROWS;
}

/* Room for each page's rows; in no page's but those that got some when it fails. */
static int take_rows(struct unwind_upload *upload, const struct unwind_table_view *view,
		     struct unwind_page_rows *pages, uint32_t *ret_taken)
{
	*ret_taken = 0;
	for (uint32_t i = 0; i < view->header->page_count; i++) {
		uint32_t count = view->pages[i].count, chunk;

		if (count > UNWIND_SLAB_ROWS ||
		    range_pool_take(upload->rows, chunks_of(count), &chunk) != 0)
			return UNWIND_UPLOAD_FULL;
		pages[i] = (struct unwind_page_rows){
			.slab = (uint16_t)(chunk / SLAB_CHUNKS),
			.first = (uint16_t)(chunk % SLAB_CHUNKS * UNWIND_UPLOAD_CHUNK_ROWS),
			.count = count,
		};
		++*ret_taken;
	}
	return 0;
}

/* The slabs that the pages lie in. Rows are handed out lowest first: what is missing is on top. */
static int make_slabs(struct unwind_upload *upload, const struct unwind_page_rows *pages,
		      uint32_t page_count)
{
	for (uint32_t i = 0; i < page_count; i++) {
		uint32_t first = pages[i].slab, end = first;
		int r;

		if (unwind_maps_slab(upload->maps, first))
			continue;
		for (uint32_t j = i; j < page_count; j++)
			if (pages[j].slab > end)
				end = pages[j].slab;
		end += 1 + UNWIND_UPLOAD_SLABS_AHEAD;
		if (end > upload->slabs_max)
			end = upload->slabs_max;
		r = unwind_maps_add_slabs(upload->maps, first, end - first);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint32_t chunks_of_pages(const struct unwind_page_rows *pages, uint32_t page_count)
{
	uint32_t chunks = 0;

	for (uint32_t i = 0; i < page_count; i++)
		chunks += chunks_of(pages[i].count);
	return chunks;
}

static void give_rows(struct unwind_upload *upload, const struct unwind_page_rows *pages,
		      uint32_t page_count)
{
	for (uint32_t i = 0; i < page_count; i++)
		range_pool_give(upload->rows, first_chunk(&pages[i]), chunks_of(pages[i].count));
}

static int fill_pages(struct unwind_upload *upload, const struct unwind_table_view *view,
		      struct unwind_page_rows *pages)
{
	uint32_t taken;
	int r = take_rows(upload, view, pages, &taken);

	if (r == 0)
		r = make_slabs(upload, pages, taken);
	if (r != 0) {
		give_rows(upload, pages, taken);
		return r;
	}
	for (uint32_t i = 0; i < taken; i++)
		memcpy(unwind_maps_slab(upload->maps, pages[i].slab) + pages[i].first,
		       view->rows + view->pages[i].first,
		       pages[i].count * sizeof(struct unwind_row));
	return 0;
}

/* Counts up from @least, and from there again. */
static uint32_t next_number(uint32_t *last, uint32_t least)
{
	if (++*last < least)
		*last = least;
	return *last;
}

/* From now on the table holds for the files that it was taught for; with 0, no more. */
static void set_serial(struct unwind_upload *upload, const struct unwind_upload_table *table,
		       uint32_t serial)
{
	struct unwind_page_rows *pages = unwind_maps_pages(upload->maps);

	__atomic_store_n(&pages[table->first_page - 1].count, serial, __ATOMIC_RELEASE);
}

int unwind_upload_add_table(struct unwind_upload *upload, const struct unwind_table_view *view,
			    struct unwind_upload_table *ret_table)
{
	struct unwind_upload_table table = {
		.file_page = view->header->first_page,
		.page_count = view->header->page_count,
		.bytes = view->header->row_count * sizeof(struct unwind_row) +
			 view->header->page_count * sizeof(struct unwind_page_rows),
	};
	struct unwind_page_rows *pages = unwind_maps_pages(upload->maps);
	uint32_t header;
	int r = 0;

	if (table.page_count >= UNWIND_PAGES_MAX) {
		r = UNWIND_UPLOAD_FULL;
	} else if (table.page_count) {
		r = range_pool_take(upload->pages, 1 + table.page_count, &header);
		if (r == 0) {
			table.first_page = header + 1;
			r = fill_pages(upload, view, pages + table.first_page);
			if (r != 0)
				range_pool_give(upload->pages, header, 1 + table.page_count);
		}
		if (r == 0) {
			table.serial = next_number(&upload->last_serial, UNWIND_SERIAL_LEAST);
			set_serial(upload, &table, table.serial);
			upload->live_chunks +=
				chunks_of_pages(pages + table.first_page, table.page_count);
		}
	}
	if (r != 0) {
		upload->counters.tables_full++;
		return r < 0 ? r : UNWIND_UPLOAD_FULL;
	}
	*ret_table = table;
	return 0;
}

void unwind_upload_remove_table(struct unwind_upload *upload,
				const struct unwind_upload_table *table)
{
	const struct unwind_page_rows *pages = unwind_maps_pages(upload->maps) + table->first_page;

	if (!table->page_count)
		return;
	set_serial(upload, table, 0);
	upload->live_chunks -= chunks_of_pages(pages, table->page_count);
	give_rows(upload, pages, table->page_count);
	range_pool_give(upload->pages, table->first_page - 1, 1 + table->page_count);
}

bool unwind_upload_is_tight(const struct unwind_upload *upload)
{
	uint32_t all = upload->slabs_max * SLAB_CHUNKS;

	return upload->live_chunks > all - all / UNWIND_UPLOAD_KEPT_FREE;
}

void unwind_upload_teach_file(struct unwind_upload *upload, int fd,
			      const struct unwind_upload_table *table)
{
	const struct unwind_file_table file_table = {
		.serial = table->serial,
		.first_page = table->first_page,
		.page_count = table->page_count,
		.file_page = (uint32_t)table->file_page,
	};

	/* Without pages it is as good as none. */
	if (table->page_count && unwind_maps_teach_file(upload->maps, fd, &file_table))
		upload->counters.files_taught++;
}

/* --- processes ------------------------------------------------------------------------------- */

static struct unwind_mapping mapping_row(const struct unwind_upload_mapping *mapping,
					 uint32_t generation)
{
	struct unwind_mapping row = {
		.begin = mapping->start,
		.end = mapping->end,
		.generation = generation,
	};

	if (mapping->table) {
		row.bias = mapping->file_offset - mapping->start -
			   (mapping->table->file_page << UNWIND_PAGE_BITS);
		row.first_page = mapping->table->first_page;
		row.page_count = mapping->table->page_count;
	}
	return row;
}

/* From here on no walk that begins takes anything from it, children's included. */
static void give_range(struct unwind_upload *upload, struct unwind_upload_range *range)
{
	struct unwind_mapping *rows = unwind_maps_mappings(upload->maps) + range->first;

	for (uint32_t i = 0; i < range->count; i++)
		__atomic_store_n(&rows[i].generation, 0, __ATOMIC_RELEASE);
	if (range->count)
		range_pool_give(upload->mappings, range->first, range->count);
	*range = (struct unwind_upload_range){ 0 };
}

static int write_range(struct unwind_upload *upload, const struct unwind_upload_mapping *mappings,
		       uint32_t count, struct unwind_upload_range *ret_range)
{
	struct unwind_upload_range range = { .count = count };
	struct unwind_mapping *rows;

	if (count && range_pool_take(upload->mappings, count, &range.first) != 0)
		return UNWIND_UPLOAD_FULL;
	range.generation = next_number(&upload->last_generation, 1);
	rows = unwind_maps_mappings(upload->maps) + range.first;
	for (uint32_t i = 0; i < count; i++)
		rows[i] = mapping_row(&mappings[i], range.generation);
	/* The rows stand before the process is pointed to them: the system call orders that. */
	*ret_range = range;
	return 0;
}

int unwind_upload_set_process(struct unwind_upload *upload, uint32_t pid, uint64_t start_ns,
			      const struct unwind_upload_mapping *mappings, uint32_t count,
			      struct unwind_upload_range *range)
{
	struct unwind_upload_range fresh;
	struct unwind_process process = { .start_ns = start_ns, .pid = pid };
	int r;

	if (count > UNWIND_PROCESS_MAPPINGS_MAX) {
		upload->counters.mappings_truncated += count - UNWIND_PROCESS_MAPPINGS_MAX;
		count = UNWIND_PROCESS_MAPPINGS_MAX;
	}
	r = write_range(upload, mappings, count, &fresh);
	if (r != 0) {
		upload->counters.mappings_full++;
		unwind_upload_remove_process(upload, pid, range);
		return r;
	}
	process.first = fresh.first;
	process.count = fresh.count;
	process.generation = fresh.generation;
	r = unwind_maps_set_process(upload->maps, &process);
	if (r < 0) {
		upload->counters.processes_full++;
		give_range(upload, &fresh);
		unwind_upload_remove_process(upload, pid, range);
		return r == -E2BIG ? UNWIND_UPLOAD_FULL : r;
	}
	give_range(upload, range);
	*range = fresh;
	return 0;
}

void unwind_upload_remove_process(struct unwind_upload *upload, uint32_t pid,
				  struct unwind_upload_range *range)
{
	if (range->generation)
		unwind_maps_remove_process(upload->maps, pid, range->generation);
	give_range(upload, range);
}

/* --- ticks ----------------------------------------------------------------------------------- */

/* Empty slabs go back, from the top, but for those that were made ahead. */
static void remove_empty_slabs(struct unwind_upload *upload)
{
	uint32_t empty = 0;

	for (uint32_t i = 0; i < upload->slabs_max; i++)
		if (unwind_maps_slab(upload->maps, i) &&
		    range_pool_is_empty(upload->rows, i * SLAB_CHUNKS) &&
		    empty++ > UNWIND_UPLOAD_SLABS_AHEAD)
			unwind_maps_remove_slab(upload->maps, i);
}

void unwind_upload_tick(struct unwind_upload *upload, uint64_t now_ns)
{
	if (now_ns - upload->turned_ns < UNWIND_UPLOAD_REST_MS * NS_PER_MS)
		return;
	upload->turned_ns = now_ns;
	range_pool_turn(upload->rows);
	range_pool_turn(upload->pages);
	range_pool_turn(upload->mappings);
	remove_empty_slabs(upload);
}

const struct unwind_upload_counters *unwind_upload_counters(struct unwind_upload *upload)
{
	struct unwind_upload_counters *counters = &upload->counters;

	counters->table_bytes =
		(uint64_t)range_pool_used(upload->rows) * UNWIND_UPLOAD_CHUNK_ROWS *
			sizeof(struct unwind_row) +
		(uint64_t)range_pool_used(upload->pages) * sizeof(struct unwind_page_rows);
	counters->slab_bytes = 0;
	for (uint32_t i = 0; i < upload->slabs_max; i++)
		counters->slab_bytes += unwind_maps_slab(upload->maps, i) ? SLAB_SIZE : 0;
	return counters;
}
