/* SPDX-License-Identifier: Apache-2.0 */
#include "faulty_memory.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <libdeflate.h>
#include <libelf.h>
#include <libwebsockets.h>
#include <lzma.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zlib.h>

static struct faulty_memory *memory;

/* Of the program: what is outside called in, and is somewhere else each time that it is loaded. */
extern const char __executable_start[], etext[];

void faulty_memory_use(struct faulty_memory *used)
{
	memory = used;
}

bool faulty_memory_again(void)
{
	if (!memory || !__atomic_load_n(&memory->refused_count, __ATOMIC_RELAXED) ||
	    __atomic_fetch_add(&memory->again_count, 1, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&memory->is_short, false, __ATOMIC_RELAXED);
	return true;
}

/*
 * The return addresses of the frames from @frame up, by the frame pointers that every variant keeps. What
 * called into the agent may keep none: a frame far away, or not above, is no frame.
 */
__attribute__((no_sanitize("address", "undefined"))) static void read_callers(
	const void *frame, uintptr_t callers[FAULTY_CALLERS])
{
	enum { FRAME_SIZE_MAX = 1 << 18 };
	const uintptr_t *at = frame;

	for (uint32_t i = 0; i < memory->caller_count; i++) {
		const uintptr_t *next = (const uintptr_t *)at[0];

		if (at[1] < (uintptr_t)__executable_start || at[1] >= (uintptr_t)etext)
			break;
		callers[i] = at[1] - (uintptr_t)__executable_start;
		if (next <= at || (uintptr_t)next % sizeof(*next) ||
		    (uintptr_t)next - (uintptr_t)at > FRAME_SIZE_MAX)
			break;
		at = next;
	}
}

static uint64_t key_of(const uintptr_t callers[FAULTY_CALLERS])
{
	uint64_t key = 1;

	for (uint32_t i = 0; i < FAULTY_CALLERS; i++)
		key = (key ^ callers[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ key >> 29;
	return key | 1;
}

/* Processes and threads write at once, and any may be killed: no locks. */
static void count_call(uint64_t key, const uintptr_t callers[FAULTY_CALLERS])
{
	for (uint32_t i = 0; i < FAULTY_SITES_MAX; i++) {
		struct faulty_site *site =
			&memory->sites[((key >> 20) + i) & (FAULTY_SITES_MAX - 1)];
		uint64_t found = 0;

		if (__atomic_compare_exchange_n(&site->key, &found, key, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			memcpy(site->callers, callers, sizeof(site->callers));
		else if (found != key)
			continue;
		__atomic_fetch_add(&site->call_count, 1, __ATOMIC_RELAXED);
		return;
	}
	memory->is_full = true;
}

static __attribute__((noinline)) bool is_refused(const void *frame)
{
	uintptr_t callers[FAULTY_CALLERS] = { 0 };
	uint64_t key;

	if (!memory || !memory->is_on)
		return false;
	if (__atomic_load_n(&memory->is_short, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&memory->refused_count, 1, __ATOMIC_RELAXED);
		return true;
	}
	read_callers(frame, callers);
	key = key_of(callers);
	if (!memory->refused_key) {
		count_call(key, callers);
		return false;
	}
	if (key != memory->refused_key)
		return false;
	if (__atomic_fetch_add(&memory->refused_count, 1, __ATOMIC_RELAXED) && !memory->is_lasting)
		return false;
	if (memory->and_then_all)
		__atomic_store_n(&memory->is_short, true, __ATOMIC_RELAXED);
	return true;
}

/* What fails by what it returns; by errno as well, where callers look at it. */
#define FAULTY(type, name, parameters, arguments, failure)                                         \
	type faulty_##name parameters;                                                             \
	type faulty_##name parameters                                                              \
	{                                                                                          \
		if (is_refused(__builtin_frame_address(0))) {                                      \
			errno = ENOMEM;                                                            \
			return failure;                                                            \
		}                                                                                  \
		return name arguments;                                                             \
	}

FAULTY(void *, malloc, (size_t size), (size), NULL)
FAULTY(void *, calloc, (size_t count, size_t size), (count, size), NULL)
FAULTY(void *, realloc, (void *old, size_t size), (old, size), NULL)
FAULTY(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size), NULL)
FAULTY(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size), NULL)
FAULTY(int, posix_memalign, (void **place, size_t alignment, size_t size), (place, alignment, size),
       ENOMEM)
FAULTY(char *, strdup, (const char *text), (text), NULL)
FAULTY(char *, strndup, (const char *text, size_t size), (text, size), NULL)
FAULTY(int, vasprintf, (char **text, const char *format, va_list arguments),
       (text, format, arguments), -1)
FAULTY(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
FAULTY(DIR *, opendir, (const char *path), (path), NULL)
FAULTY(DIR *, fdopendir, (int fd), (fd), NULL)
FAULTY(void *, mmap, (void *at, size_t size, int access, int flags, int fd, off_t offset),
       (at, size, access, flags, fd, offset), MAP_FAILED)
FAULTY(char *, realpath, (const char *path, char *resolved), (path, resolved), NULL)
FAULTY(int, memfd_create, (const char *name, unsigned int flags), (name, flags), -1)
FAULTY(pid_t, fork, (void), (), -1)
FAULTY(int, pthread_create,
       (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context),
       (thread, attributes, run, context), EAGAIN)
FAULTY(int, socketpair, (int family, int type, int protocol, int ends[2]),
       (family, type, protocol, ends), -1)
FAULTY(int, epoll_create1, (int flags), (flags), -1)
FAULTY(int, eventfd, (unsigned int value, int flags), (value, flags), -1)
FAULTY(int, signalfd, (int fd, const sigset_t *signals, int flags), (fd, signals, flags), -1)
FAULTY(int, timerfd_create, (clockid_t clock, int flags), (clock, flags), -1)
FAULTY(int, inflateInit2_, (z_stream * stream, int bits, const char *version, int size),
       (stream, bits, version, size), Z_MEM_ERROR)
FAULTY(int, deflateInit2_,
       (z_stream * stream, int level, int method, int bits, int memory_level, int strategy,
	const char *version, int size),
       (stream, level, method, bits, memory_level, strategy, version, size), Z_MEM_ERROR)
FAULTY(struct libdeflate_decompressor *, libdeflate_alloc_decompressor, (void), (), NULL)
FAULTY(lzma_ret, lzma_stream_decoder, (lzma_stream * stream, uint64_t memory_max, uint32_t flags),
       (stream, memory_max, flags), LZMA_MEM_ERROR)
FAULTY(Elf *, elf_memory, (char *bytes, size_t size), (bytes, size), NULL)
FAULTY(Elf *, elf_begin, (int fd, Elf_Cmd command, Elf *archive), (fd, command, archive), NULL)
FAULTY(Dwarf *, dwarf_begin_elf, (Elf * elf, Dwarf_Cmd command, Elf_Scn *group),
       (elf, command, group), NULL)
FAULTY(BIO *, BIO_new_mem_buf, (const void *bytes, int size), (bytes, size), NULL)

FAULTY(scmp_filter_ctx, seccomp_init, (uint32_t action), (action), NULL)
FAULTY(struct btf *, btf__new_empty, (void), (), NULL)
FAULTY(int, bpf_object__open_skeleton,
       (struct bpf_object_skeleton * skeleton, const struct bpf_object_open_opts *options),
       (skeleton, options), -ENOMEM)
FAULTY(int, bpf_object__load_skeleton, (struct bpf_object_skeleton * skeleton), (skeleton), -ENOMEM)
FAULTY(struct bpf_link *, bpf_program__attach, (const struct bpf_program *program), (program), NULL)
FAULTY(int, bpf_map_create,
       (enum bpf_map_type type, const char *name, uint32_t key_size, uint32_t value_size,
	uint32_t entries_max, const struct bpf_map_create_opts *options),
       (type, name, key_size, value_size, entries_max, options), -1)
FAULTY(int, bpf_map_update_elem, (int fd, const void *key, const void *value, uint64_t flags),
       (fd, key, value, flags), -1)
FAULTY(struct lws_context *, lws_create_context, (const struct lws_context_creation_info *info),
       (info), NULL)
FAULTY(struct lws_vhost *, lws_create_vhost,
       (struct lws_context * context, const struct lws_context_creation_info *info),
       (context, info), NULL)
FAULTY(struct lws *, lws_adopt_socket_vhost, (struct lws_vhost * vhost, lws_sockfd_type fd),
       (vhost, fd), (close(fd), NULL))

/* Adding takes memory, removing does not. */
int faulty_epoll_ctl(int fd, int what, int other, struct epoll_event *event);
int faulty_epoll_ctl(int fd, int what, int other, struct epoll_event *event)
{
	if (what == EPOLL_CTL_ADD && is_refused(__builtin_frame_address(0))) {
		errno = ENOMEM;
		return -1;
	}
	return epoll_ctl(fd, what, other, event);
}

int faulty_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
int faulty_asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int size;

	if (is_refused(__builtin_frame_address(0))) {
		errno = ENOMEM;
		return -1;
	}
	va_start(arguments, format);
	size = vasprintf(text, format, arguments);
	va_end(arguments);
	return size;
}
