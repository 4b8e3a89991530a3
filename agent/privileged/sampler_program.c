/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/sampler_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "privileged/kernel_types.h"
#include "sampler.skel.h"

struct sampler_program {
	struct sampler_bpf *skeleton;
	struct bpf_program *sampler;	/* the form that this kernel takes */
	int ring_fds[SAMPLE_RINGS_MAX]; /* -1: not wanted */
};

enum { PRINT_LINES_MAX = 24 };

/* The last lines of @text: of the verifier's megabytes these say what it did not like. */
static char *last_lines(char *text)
{
	char *start = text + strlen(text);

	for (int lines = 0; start > text; start--)
		if (start[-1] == '\n' && start[0] && ++lines == PRINT_LINES_MAX)
			break;
	return start;
}

/* libbpf's and the verifier's words are for developers; the operator gets load_failed()'s line. */
__attribute__((format(printf, 2, 0))) static int print_debug(enum libbpf_print_level level,
							     const char *format, va_list arguments)
{
	CLEANUP(memory_free) char *text = NULL;
	char *line, *rest;

	if (level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, format, arguments) < 0) {
		text = NULL;
		return 0;
	}
	rest = last_lines(text);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_debug("%s", line);
	return 0;
}

/* In the mode "confidentiality" the kernel lets nobody read its memory, root included. */
static bool kernel_is_locked_down(void)
{
	CLEANUP(file_close) FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char text[128];

	return file && fgets(text, sizeof(text), file) && strstr(text, "[confidentiality]");
}

static int load_failed(int error)
{
	if ((error == -EPERM || error == -EACCES) && kernel_is_locked_down())
		log_error(
			"the kernel is locked down (confidentiality) and refuses BPF programs that "
			"read stacks: boot with lockdown=integrity or less");
	else if (error == -EPERM)
		log_error("the kernel refuses to load the BPF program: run as root (CAP_BPF and "
			  "CAP_PERFMON)");
	else if (access(KERNEL_TYPES_PATH, F_OK) < 0)
		log_error("this kernel says nothing about its types (no " KERNEL_TYPES_PATH
			  "): use one built with CONFIG_DEBUG_INFO_BTF, as distributions do");
	else if (error == -ENOMEM)
		log_error("no memory for the BPF maps: ask for less with --memory");
	else
		log_errno(error,
			  "the kernel does not accept the BPF program (Linux 5.15 or newer is "
			  "needed; --verbose gives the kernel's words)");
	return error;
}

void sampler_program_free(struct sampler_program *program)
{
	if (!program)
		return;
	for (uint32_t i = 0; i < SAMPLE_RINGS_MAX; i++)
		fd_close(program->ring_fds[i]);
	sampler_bpf__destroy(program->skeleton);
	free(program);
}

static int create_rings(struct sampler_program *program,
			const struct sampler_program_options *options)
{
	int rings_fd = bpf_map__fd(program->skeleton->maps.sample_rings);

	for (uint32_t i = 0; i < SAMPLE_RINGS_MAX; i++) {
		int fd;

		if (!options->ring_wanted[i])
			continue;
		fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "samples", 0, 0,
				    (uint32_t)options->ring_size, NULL);
		if (fd < 0)
			return -errno;
		program->ring_fds[i] = fd;
		if (bpf_map_update_elem(rings_fd, &i, &fd, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

/* The plain form is for kernels before 5.17, and for tests of it on others: see bpf/README.md. */
static void choose_sampler(struct sampler_program *program)
{
	struct sampler_bpf *skeleton = program->skeleton;
	bool has_loop = !getenv("FLICKERSCOPE_PLAIN_LOOP") &&
			libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL) > 0;

	bpf_program__set_autoload(skeleton->progs.sample_cpu, has_loop);
	bpf_program__set_autoload(skeleton->progs.sample_cpu_plain, !has_loop);
	program->sampler = has_loop ? skeleton->progs.sample_cpu : skeleton->progs.sample_cpu_plain;
}

/*
 * Room to remember rows, for each CPU; without tables there is nothing to remember. And none for pids
 * where none are asked for.
 */
static void size_maps(struct sampler_bpf *skeleton, const struct sampler_program_options *options)
{
	int cpus = options->unwind ? libbpf_num_possible_cpus() : 1;

	if (cpus < 1)
		cpus = 1;
	bpf_map__set_max_entries(skeleton->maps.unwind_found, (uint32_t)cpus * UNWIND_FOUND_ROWS);
	if (!options->pid_filter)
		bpf_map__set_max_entries(skeleton->maps.filter_pids, 1);
}

static void configure(struct sampler_bpf *skeleton, const struct sampler_program_options *options)
{
	size_maps(skeleton, options);
	skeleton->rodata->config_pid_filter = options->pid_filter;
	skeleton->rodata->config_cgroup_count = options->cgroup_count;
	skeleton->rodata->config_user_count = options->user_count;
	skeleton->rodata->config_kernel_frames = options->kernel_frames;
	skeleton->rodata->config_user_frames = options->user_frames;
	skeleton->rodata->config_frames_max = options->frames_max;
	skeleton->rodata->config_ring_size = options->ring_size;
	skeleton->rodata->config_unwind = options->unwind;
	skeleton->rodata->config_filter_children = options->pid_filter && options->children;
	bpf_program__set_autoload(skeleton->progs.process_forked,
				  options->unwind || (options->pid_filter && options->children));
	bpf_program__set_autoload(skeleton->progs.process_executed, options->unwind);
	bpf_program__set_autoload(skeleton->progs.unwind_teach_file, options->unwind);
	bpf_program__set_autoload(skeleton->progs.process_exited,
				  options->unwind || options->pid_filter);
}

static int follow(struct bpf_program *program, struct bpf_link **ret_link)
{
	if (!bpf_program__autoload(program))
		return 0;
	*ret_link = bpf_program__attach(program);
	return *ret_link ? 0 : -errno;
}

/* Ends are followed before beginnings: what was begun is then ended too. */
static int follow_processes(struct sampler_bpf *skeleton)
{
	int r = follow(skeleton->progs.process_exited, &skeleton->links.process_exited);

	if (r == 0)
		r = follow(skeleton->progs.process_executed, &skeleton->links.process_executed);
	if (r == 0)
		r = follow(skeleton->progs.process_forked, &skeleton->links.process_forked);
	return r;
}

/* How much the verifier had to look at: the limit is a million. From 5.16 on. */
static void tell_verified(const struct sampler_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program->sampler), &info, &size) == 0)
		log_debug("%s: %u instructions were verified", bpf_program__name(program->sampler),
			  info.verified_insns);
}

/*
 * Where libbpf is to find the kernel's types once they are written there: it takes a path, and the
 * object must be open to know which are wanted.
 */
static int open_skeleton(struct sampler_program *program, int types_fd)
{
	char path[64];
	struct bpf_object_open_opts options = {
		.sz = sizeof(options),
		.btf_custom_path = path,
	};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", types_fd);
	program->skeleton = sampler_bpf__open_opts(&options);
	return program->skeleton ? 0 : -errno;
}

static int load_skeleton(struct sampler_program *program, int types_fd)
{
	int r = kernel_types_write(types_fd, bpf_object__btf(program->skeleton->obj));

	return r < 0 ? r : sampler_bpf__load(program->skeleton);
}

int sampler_program_load(const struct sampler_program_options *options,
			 struct sampler_program **ret_program)
{
	CLEANUP(sampler_program_free) struct sampler_program *program = NULL;
	CLEANUP(fd_close) int types_fd = memfd_create("kernel-types", MFD_CLOEXEC);
	int r;

	if (types_fd < 0)
		return log_errno(-errno, "load the BPF program");
	program = calloc(1, sizeof(*program));
	if (!program)
		return log_errno(-ENOMEM, "load the BPF program");
	memset(program->ring_fds, -1, sizeof(program->ring_fds));

	libbpf_set_print(print_debug);
	r = open_skeleton(program, types_fd);
	if (r < 0)
		return load_failed(r);
	choose_sampler(program);
	configure(program->skeleton, options);
	r = load_skeleton(program, types_fd);
	if (r < 0)
		return load_failed(r);
	tell_verified(program);
	r = create_rings(program, options);
	if (r < 0)
		return load_failed(r);
	r = follow_processes(program->skeleton);
	if (r < 0)
		return load_failed(r);

	*ret_program = TAKE(program);
	return 0;
}

int sampler_program_fd(const struct sampler_program *program)
{
	return bpf_program__fd(program->sampler);
}

int sampler_program_ring_fd(const struct sampler_program *program, uint32_t ring_index)
{
	return ring_index < SAMPLE_RINGS_MAX ? program->ring_fds[ring_index] : -1;
}

struct sampler_counters *sampler_program_counters(const struct sampler_program *program)
{
	return program->skeleton->bss->counters_of_cpu;
}

struct sample_filter *sampler_program_filter(struct sampler_program *program)
{
	return &program->skeleton->bss->filter;
}

struct sampler_program_maps sampler_program_maps(const struct sampler_program *program)
{
	return (struct sampler_program_maps){
		.slabs_fd = bpf_map__fd(program->skeleton->maps.unwind_slabs),
		.pages_fd = bpf_map__fd(program->skeleton->maps.unwind_pages),
		.mappings_fd = bpf_map__fd(program->skeleton->maps.unwind_mappings),
		.processes_fd = bpf_map__fd(program->skeleton->maps.unwind_processes),
		.teach_file_fd = bpf_program__fd(program->skeleton->progs.unwind_teach_file),
	};
}

int sampler_program_add_pid(const struct sampler_program *program, uint32_t pid)
{
	const uint8_t asked_for = 1;
	int fd = bpf_map__fd(program->skeleton->maps.filter_pids);

	return bpf_map_update_elem(fd, &pid, &asked_for, BPF_ANY) < 0 ? -errno : 0;
}

int sampler_program_run_time(const struct sampler_program *program, uint64_t *ret_time_ns,
			     uint64_t *ret_runs)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(sampler_program_fd(program), &info, &size) < 0)
		return -errno;
	*ret_time_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
	return 0;
}

const char *sampler_program_kernel_name(const struct sampler_program *program, uint64_t address)
{
	const uint64_t arguments[] = { address };
	char *name = program->skeleton->bss->kernel_name;
	struct bpf_test_run_opts run = {
		.sz = sizeof(run),
		.ctx_in = arguments,
		.ctx_size_in = sizeof(arguments),
	};
	int fd = bpf_program__fd(program->skeleton->progs.name_kernel_address);

	if (bpf_prog_test_run_opts(fd, &run) < 0 || (int)run.retval <= 0)
		return NULL;
	name[SAMPLE_KERNEL_NAME_SIZE - 1] = 0;
	/* An address that nobody knows is printed as a number, and goes nowhere. */
	return name[0] && strncmp(name, "0x", 2) != 0 ? name : NULL;
}
