/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/unwind_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "privileged/sampler_program.h"

enum { SLAB_SIZE = UNWIND_SLAB_ROWS * sizeof(struct unwind_row) };

struct unwind_maps {
	struct sampler_program_maps fds; /* borrowed */
	struct unwind_page_rows *pages;
	struct unwind_mapping *mappings;
	struct unwind_row *slabs[UNWIND_SLABS_MAX]; /* NULL: there is none */
};

/* The kernel rounds the size of a map's memory up to whole pages, as munmap() does. */
static int share(int fd, size_t size, void *ret_memory)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*(void **)ret_memory = memory;
	return 0;
}

int unwind_maps_open(const struct sampler_program *program, struct unwind_maps **ret_maps)
{
	CLEANUP(unwind_maps_free) struct unwind_maps *maps = calloc(1, sizeof(*maps));
	int r;

	if (!maps)
		return -ENOMEM;
	maps->fds = sampler_program_maps(program);
	r = share(maps->fds.pages_fd, UNWIND_PAGES_MAX * sizeof(*maps->pages), &maps->pages);
	if (r < 0)
		return r;
	r = share(maps->fds.mappings_fd, UNWIND_MAPPINGS_MAX * sizeof(*maps->mappings),
		  &maps->mappings);
	if (r < 0)
		return r;
	*ret_maps = TAKE(maps);
	return 0;
}

void unwind_maps_free(struct unwind_maps *maps)
{
	if (!maps)
		return;
	for (uint32_t i = 0; i < UNWIND_SLABS_MAX; i++)
		if (maps->slabs[i])
			munmap(maps->slabs[i], SLAB_SIZE);
	if (maps->pages)
		munmap(maps->pages, UNWIND_PAGES_MAX * sizeof(*maps->pages));
	if (maps->mappings)
		munmap(maps->mappings, UNWIND_MAPPINGS_MAX * sizeof(*maps->mappings));
	free(maps);
}

struct unwind_page_rows *unwind_maps_pages(struct unwind_maps *maps)
{
	return maps->pages;
}

struct unwind_mapping *unwind_maps_mappings(struct unwind_maps *maps)
{
	return maps->mappings;
}

struct unwind_row *unwind_maps_slab(const struct unwind_maps *maps, uint32_t index)
{
	return index < UNWIND_SLABS_MAX ? maps->slabs[index] : NULL;
}

/* One slab that the kernel does not know yet; its descriptor is open until it does. */
static int create_slab(struct unwind_maps *maps, uint32_t index, int *ret_fd)
{
	const struct bpf_map_create_opts options = { .sz = sizeof(options),
						     .map_flags = BPF_F_MMAPABLE };
	CLEANUP(fd_close)
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_slab", sizeof(uint32_t),
				sizeof(struct unwind_row), UNWIND_SLAB_ROWS, &options);
	int r;

	if (fd < 0)
		return -errno;
	r = share(fd, SLAB_SIZE, &maps->slabs[index]);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* All in one call where the kernel has it (5.16): each waits for all walks. */
static int tell_slabs(const struct unwind_maps *maps, const uint32_t *indexes, const int *fds,
		      uint32_t count)
{
	const struct bpf_map_batch_opts options = { .sz = sizeof(options) };
	uint32_t done = count;

	if (count > 1 &&
	    bpf_map_update_batch(maps->fds.slabs_fd, indexes, fds, &done, &options) == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		if (bpf_map_update_elem(maps->fds.slabs_fd, &indexes[i], &fds[i], BPF_ANY) < 0)
			return -errno;
	return 0;
}

static void forget_slab(struct unwind_maps *maps, uint32_t index)
{
	munmap(maps->slabs[index], SLAB_SIZE);
	maps->slabs[index] = NULL;
}

int unwind_maps_add_slabs(struct unwind_maps *maps, uint32_t first, uint32_t count)
{
	uint32_t indexes[UNWIND_SLABS_MAX], made = 0;
	int fds[UNWIND_SLABS_MAX], r = 0;

	for (uint32_t i = first; i < first + count && i < UNWIND_SLABS_MAX && r == 0; i++) {
		if (maps->slabs[i])
			continue;
		r = create_slab(maps, i, &fds[made]);
		if (r == 0)
			indexes[made++] = i;
	}
	if (r == 0 && made)
		r = tell_slabs(maps, indexes, fds, made);
	for (uint32_t i = 0; i < made; i++) {
		fd_close(fds[i]); /* the map of maps holds it */
		if (r < 0)
			forget_slab(maps, indexes[i]);
	}
	return r;
}

void unwind_maps_remove_slab(struct unwind_maps *maps, uint32_t index)
{
	if (!unwind_maps_slab(maps, index))
		return;
	bpf_map_delete_elem(maps->fds.slabs_fd, &index);
	forget_slab(maps, index);
}

int unwind_maps_set_process(struct unwind_maps *maps, const struct unwind_process *process)
{
	if (bpf_map_update_elem(maps->fds.processes_fd, &process->pid, process, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static bool teach_address(const struct unwind_maps *maps, uint64_t address,
			  const struct unwind_file_table *table)
{
	const uint64_t arguments[] = { address, table->serial, table->first_page, table->page_count,
				       table->file_page };
	struct bpf_test_run_opts run = {
		.sz = sizeof(run),
		.ctx_in = arguments,
		.ctx_size_in = sizeof(arguments),
	};

	return bpf_prog_test_run_opts(maps->fds.teach_file_fd, &run) == 0 && run.retval;
}

bool unwind_maps_teach_file(const struct unwind_maps *maps, int fd,
			    const struct unwind_file_table *table)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	void *memory;
	bool taught;

	if (fd < 0)
		return teach_address(maps, getauxval(AT_SYSINFO_EHDR), table);
	memory = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		return false;
	taught = teach_address(maps, (uint64_t)(uintptr_t)memory, table);
	munmap(memory, page_size);
	return taught;
}

void unwind_maps_remove_process(struct unwind_maps *maps, uint32_t pid, uint32_t generation)
{
	struct unwind_process process;

	if (bpf_map_lookup_elem(maps->fds.processes_fd, &pid, &process) == 0 &&
	    process.generation == generation)
		bpf_map_delete_elem(maps->fds.processes_fd, &pid);
}
