/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/unwind_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privileged/privileged_process.h"
#include "privileged/sampler_program.h"

enum { SLAB_SIZE = UNWIND_SLAB_ROWS * sizeof(struct unwind_row) };

struct unwind_maps {
	struct privileged_process *privileged; /* borrowed */
	struct sampler_program_maps fds;       /* borrowed */
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

int unwind_maps_open(const struct sampler_program *program, struct privileged_process *privileged,
		     struct unwind_maps **ret_maps)
{
	CLEANUP(unwind_maps_free) struct unwind_maps *maps = calloc(1, sizeof(*maps));
	int r;

	if (!maps)
		return -ENOMEM;
	maps->privileged = privileged;
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

/* By hand: libbpf tries to load a program first, to see whether a limit has to be raised. */
int unwind_maps_create_slab(int *ret_fd)
{
	union bpf_attr slab = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(struct unwind_row),
		.max_entries = UNWIND_SLAB_ROWS,
		.map_flags = BPF_F_MMAPABLE,
		.map_name = "unwind_slab",
	};
	long fd = syscall(SYS_bpf, BPF_MAP_CREATE, &slab, sizeof(slab));

	if (fd < 0)
		return -errno;
	*ret_fd = (int)fd;
	return 0;
}

/* So many as one answer holds. Returns how many were made, or -errno. */
static int ask_for_slabs(struct unwind_maps *maps, uint32_t count, int *ret_fds)
{
	struct privileged_request request = { .kind = PRIVILEGED_CREATE_SLABS };
	CLEANUP(privileged_result_close) struct privileged_result result;
	int r;

	if (count > PRIVILEGED_FDS_MAX)
		count = PRIVILEGED_FDS_MAX;
	request.numbers[0] = count;
	r = privileged_process_ask(maps->privileged, &request, -1, NULL, 0, &result);
	if (r != 0)
		return r < 0 ? r : -EPROTO;
	for (uint32_t i = 0; i < count; i++)
		if (result.fds[i] < 0)
			return -EPROTO;
	for (uint32_t i = 0; i < count; i++)
		ret_fds[i] = TAKE_FD(result.fds[i]);
	return (int)count;
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
	uint32_t indexes[UNWIND_SLABS_MAX], wanted = 0, made = 0, shared = 0;
	int fds[UNWIND_SLABS_MAX], r = 0;

	for (uint32_t i = first; i < first + count && i < UNWIND_SLABS_MAX; i++)
		if (!maps->slabs[i])
			indexes[wanted++] = i;
	while (r >= 0 && made < wanted) {
		r = ask_for_slabs(maps, wanted - made, fds + made);
		made += r > 0 ? (uint32_t)r : 0;
	}
	while (r >= 0 && shared < made) {
		r = share(fds[shared], SLAB_SIZE, &maps->slabs[indexes[shared]]);
		shared += r == 0;
	}
	if (r >= 0 && made)
		r = tell_slabs(maps, indexes, fds, made);
	for (uint32_t i = 0; i < made; i++)
		fd_close(fds[i]); /* the map of maps holds it */
	for (uint32_t i = 0; r < 0 && i < shared; i++)
		forget_slab(maps, indexes[i]);
	return r < 0 ? r : 0;
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
