/* SPDX-License-Identifier: Apache-2.0 */
#include "process/executable_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/hash_index.h"
#include "elf/build_id.h"
#include "privileged/process_files.h"

struct executable_table {
	struct process_files *files;
	struct hash_index index;		       /* of files, by identity; id is the slot */
	struct executable *slots[EXECUTABLES_MAX + 1]; /* owned */
	struct executable *special[EXECUTABLE_ANONYMOUS + 1]; /* by kind; in slots too */
	uint32_t slot_count;				      /* slots ever used */
	uint32_t hand; /* where the search for a slot without references goes on */
	uint32_t open_slots[EXECUTABLE_FDS_MAX]; /* with an open file, longest first */
	uint32_t open_count;
	uint32_t open_max;
	uint64_t last_id;
	struct executable_counters counters;
};

static bool identity_equal(const struct executable_identity *left,
			   const struct executable_identity *right)
{
	if (left->build_id_size || right->build_id_size)
		return left->build_id_size == right->build_id_size &&
		       memcmp(left->build_id, right->build_id, left->build_id_size) == 0;
	return left->inode == right->inode && left->inode_generation == right->inode_generation &&
	       left->device_major == right->device_major &&
	       left->device_minor == right->device_minor;
}

static uint64_t identity_hash(const struct executable_identity *identity)
{
	const uint64_t numbers[] = {
		identity->inode,
		identity->inode_generation,
		(uint64_t)identity->device_major << 32 | identity->device_minor,
	};

	if (identity->build_id_size)
		return hash_bytes(identity->build_id, identity->build_id_size);
	return hash_bytes(numbers, sizeof(numbers));
}

static bool slot_is(uint32_t slot, const void *wanted, const void *owner)
{
	const struct executable_table *table = owner;

	return identity_equal(&table->slots[slot]->identity, wanted);
}

static bool starts_with(const char *text, size_t size, const char *prefix)
{
	return size >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

static enum executable_kind kind_of(const struct executable_identity *identity, const char *path,
				    size_t size)
{
	/* Shared anonymous memory has a file inside the kernel, which says nothing. */
	static const char *const anonymous[] = { "//anon", "/dev/zero", "/SYSV", "/anon_hugepage" };

	if (size == 6 && starts_with(path, size, "[vdso]"))
		return EXECUTABLE_VDSO;
	if (size == 10 && starts_with(path, size, "[vsyscall]"))
		return EXECUTABLE_VSYSCALL;
	if (!size || path[0] != '/' || (!identity->inode && !identity->build_id_size))
		return EXECUTABLE_ANONYMOUS;
	for (size_t i = 0; i < ARRAY_SIZE(anonymous); i++)
		if (starts_with(path, size, anonymous[i]))
			return EXECUTABLE_ANONYMOUS;
	return EXECUTABLE_FILE;
}

static void close_at(struct executable_table *table, uint32_t place)
{
	struct executable *executable = table->slots[table->open_slots[place]];

	fd_close(executable->fd);
	executable->fd = -1;
	table->open_count--;
	memmove(&table->open_slots[place], &table->open_slots[place + 1],
		(table->open_count - place) * sizeof(table->open_slots[0]));
}

void executable_table_close_fd(struct executable_table *table, struct executable *executable)
{
	for (uint32_t i = 0; executable->fd >= 0 && i < table->open_count; i++)
		if (table->open_slots[i] == executable->slot)
			close_at(table, i);
}

static void keep_fd(struct executable_table *table, struct executable *executable, int fd,
		    uint64_t now_ns)
{
	if (table->open_count == table->open_max) {
		close_at(table, 0);
		table->counters.fds_closed_early++;
	}
	table->open_slots[table->open_count++] = executable->slot;
	executable->fd = fd;
	executable->fd_opened_ns = now_ns;
	executable->open_failed_ns = 0;
	table->counters.opened++;
}

void executable_table_expire(struct executable_table *table, uint64_t now_ns)
{
	while (table->open_count) {
		const struct executable *oldest = table->slots[table->open_slots[0]];

		if (oldest->fd_opened_ns + (uint64_t)EXECUTABLE_FD_KEPT_MS * NS_PER_MS > now_ns)
			return;
		close_at(table, 0);
	}
}

/* From now on it cannot be found, as another has its identity. */
static void hide(struct executable_table *table, struct executable *executable)
{
	if (executable->is_indexed)
		hash_index_remove(&table->index, identity_hash(&executable->identity),
				  executable->slot);
	executable->is_indexed = false;
}

static void forget(struct executable_table *table, struct executable *executable)
{
	executable_table_close_fd(table, executable);
	hide(table, executable);
	table->slots[executable->slot] = NULL;
	free((char *)executable->path);
	free(executable);
}

/* A slot never used, or that of an executable without references that nobody took lately; or 0. */
static uint32_t free_slot(struct executable_table *table)
{
	if (table->slot_count < EXECUTABLES_MAX)
		return ++table->slot_count;
	for (uint32_t tries = 0; tries < 2 * EXECUTABLES_MAX; tries++) {
		struct executable *executable;

		table->hand = table->hand % EXECUTABLES_MAX + 1;
		executable = table->slots[table->hand];
		if (!executable)
			return table->hand;
		if (executable->reference_count)
			continue;
		if (executable->was_used) {
			executable->was_used = false;
			continue;
		}
		forget(table, executable);
		return table->hand;
	}
	return 0;
}

static struct executable *add(struct executable_table *table, enum executable_kind kind,
			      const struct executable_identity *identity, const char *path,
			      size_t path_size)
{
	struct executable *executable = calloc(1, sizeof(*executable));
	uint32_t slot;

	if (!executable)
		return NULL;
	executable->path = strndup(path, path_size);
	slot = executable->path ? free_slot(table) : 0;
	if (!slot || (kind == EXECUTABLE_FILE &&
		      hash_index_add(&table->index, identity_hash(identity), slot) != 0)) {
		free((char *)executable->path);
		free(executable);
		return NULL;
	}
	executable->id = ++table->last_id;
	executable->slot = slot;
	executable->kind = kind;
	executable->is_indexed = kind == EXECUTABLE_FILE;
	executable->identity = *identity;
	executable->fd = -1;
	executable->is_memory = starts_with(path, path_size, "/memfd:");
	table->slots[slot] = executable;
	return executable;
}

static int add_special(struct executable_table *table)
{
	static const struct {
		enum executable_kind kind;
		const char *name;
	} special[] = {
		{ EXECUTABLE_VDSO, "[vdso]" },
		{ EXECUTABLE_VSYSCALL, "[vsyscall]" },
		{ EXECUTABLE_ANONYMOUS, "[anon]" },
	};
	const struct executable_identity none = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
		struct executable *executable = add(table, special[i].kind, &none, special[i].name,
						    strlen(special[i].name));

		if (!executable)
			return -ENOMEM;
		executable->reference_count = 1; /* the table's own, for ever */
		table->special[special[i].kind] = executable;
	}
	return 0;
}

int executable_table_new(struct process_files *files, struct executable_table **ret_table)
{
	CLEANUP(executable_table_free) struct executable_table *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	table->files = files;
	table->index = hash_index_with_max(EXECUTABLES_MAX);
	table->open_max =
		descriptors_share(EXECUTABLE_FDS_PARTS, EXECUTABLE_FDS_LEAST, EXECUTABLE_FDS_MAX);
	r = add_special(table);
	if (r < 0)
		return r;
	*ret_table = TAKE(table);
	return 0;
}

void executable_table_free(struct executable_table *table)
{
	if (!table)
		return;
	for (uint32_t slot = 1; slot <= table->slot_count; slot++)
		if (table->slots[slot])
			forget(table, table->slots[slot]);
	hash_index_free(&table->index);
	free(table);
}

struct executable *executable_table_take(struct executable_table *table,
					 const struct executable_identity *identity,
					 const char *path, size_t path_size, bool *ret_is_new)
{
	enum executable_kind kind = kind_of(identity, path, path_size);
	struct executable *executable = table->special[kind];
	bool is_new = false;

	if (kind == EXECUTABLE_FILE) {
		uint32_t slot = hash_index_find(&table->index, identity_hash(identity), slot_is,
						identity, table);

		is_new = !slot;
		executable = slot ? table->slots[slot]
				  : add(table, kind, identity, path,
					process_path_size_undeleted(path, path_size));
	}
	if (!executable) {
		table->counters.refused_full++;
		return NULL;
	}
	executable->reference_count++;
	executable->was_used = true;
	if (ret_is_new)
		*ret_is_new = is_new;
	return executable;
}

bool executable_table_wants_time(const struct executable_table *table,
				 const struct executable_identity *identity, const char *path,
				 size_t path_size, uint64_t now_ns)
{
	uint32_t slot;

	if (identity->build_id_size || kind_of(identity, path, path_size) != EXECUTABLE_FILE)
		return false;
	slot = hash_index_find(&table->index, identity_hash(identity), slot_is, identity, table);
	return !slot ||
	       now_ns >= table->slots[slot]->checked_ns + (uint64_t)EXECUTABLE_CHECK_MS * NS_PER_MS;
}

/* Whether the file was written since it was known, as far as that can be seen. */
static bool was_written(struct executable *executable, const struct executable_sight *sight)
{
	struct executable_identity *identity = &executable->identity;

	if (executable->kind != EXECUTABLE_FILE || identity->build_id_size || !sight->changed_ns)
		return false;
	executable->checked_ns = sight->now_ns;
	if (!identity->changed_ns)
		identity->changed_ns = sight->changed_ns;
	return identity->changed_ns != sight->changed_ns;
}

struct executable *executable_table_take_mapped(struct executable_table *table,
						const struct executable_identity *identity,
						const char *path, size_t path_size,
						const struct executable_sight *sight,
						bool *ret_is_new)
{
	struct executable *executable =
		executable_table_take(table, identity, path, path_size, ret_is_new);

	if (!executable || !was_written(executable, sight))
		return executable;
	hide(table, executable);
	executable_release(executable);
	executable = executable_table_take(table, identity, path, path_size, ret_is_new);
	if (executable)
		was_written(executable, sight);
	return executable;
}

void executable_take_again(struct executable *executable)
{
	executable->reference_count++;
}

void executable_release(struct executable *executable)
{
	executable->reference_count--;
}

/* Without a build id nothing in the file tells that it was written anew since it was mapped. */
static bool is_unchanged(const struct executable *executable, int fd)
{
	const struct executable_identity *identity = &executable->identity;
	struct stat status;

	if (identity->build_id_size || !identity->changed_ns)
		return true;
	return fstat(fd, &status) == 0 &&
	       (uint64_t)status.st_mtim.tv_sec * NS_PER_S + (uint64_t)status.st_mtim.tv_nsec ==
		       identity->changed_ns;
}

static int open_file(struct executable_table *table, const struct executable *executable,
		     uint32_t pid, uint64_t start, uint64_t end, int *ret_fd)
{
	const struct executable_identity *identity = &executable->identity;
	const struct process_file_rules rules = {
		.size_max = PROCESS_EXECUTABLE_SIZE_MAX,
		.identity_matters = !identity->build_id_size,
		.device_major = identity->device_major,
		.device_minor = identity->device_minor,
		.inode = identity->inode,
	};
	int r = process_files_open_executable(table->files, pid,
					      (struct process_range){ .start = start, .end = end },
					      executable->path, &rules, ret_fd);

	if (r == 0 && !is_unchanged(executable, *ret_fd)) {
		fd_close(*ret_fd);
		return PROCESS_FILE_OTHER;
	}
	return r;
}

int executable_table_open(struct executable_table *table, struct executable *executable,
			  uint32_t pid, uint64_t start, uint64_t end, uint64_t now_ns)
{
	int r, fd = -1;

	if (executable->fd >= 0)
		return 0;
	if (executable->open_failed_ns &&
	    now_ns < executable->open_failed_ns + (uint64_t)EXECUTABLE_OPEN_RETRY_MS * NS_PER_MS)
		return -EAGAIN;
	if (executable->kind == EXECUTABLE_FILE)
		r = open_file(table, executable, pid, start, end, &fd);
	else if (executable->kind == EXECUTABLE_VDSO)
		r = process_files_open_vdso(table->files, &fd);
	else
		r = -ENXIO;
	if (r != 0) {
		executable->open_failed_ns = now_ns ? now_ns : 1;
		table->counters.open_failed++;
		table->counters.fds_short += descriptors_are_short(r);
		return r;
	}
	keep_fd(table, executable, fd, now_ns);
	return 0;
}

bool executable_may_be(const struct executable *executable, const struct build_id *build_id)
{
	const struct executable_identity *identity = &executable->identity;

	return !identity->build_id_size ||
	       (identity->build_id_size == build_id->size &&
		memcmp(identity->build_id, build_id->bytes, build_id->size) == 0);
}

struct executable *executable_table_at(const struct executable_table *table, uint32_t slot)
{
	return slot <= EXECUTABLES_MAX ? table->slots[slot] : NULL;
}

int executable_table_fd(const struct executable_table *table, const struct executable *executable)
{
	return executable->fd;
}

const struct executable_counters *executable_table_counters(struct executable_table *table)
{
	table->counters.fds = table->open_count;
	table->counters.executables = table->index.entry_count;
	return &table->counters;
}
