/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cgroup, and which container, the text of /proc/PID/cgroup names (cgroups(7)).
 *
 * Container managers agree on nothing but that the container's id is in the path: docker
 * ("/docker/ID", "docker-ID.scope"), containerd and CRI-O under Kubernetes
 * ("/kubepods.../cri-containerd-ID.scope", "/kubepods/burstable/podUID/ID"), podman ("libpod-ID.scope"),
 * LXC ("lxc.payload.NAME"), systemd-nspawn ("machine-NAME.scope"). Pure functions, any thread.
 */
#ifndef FLICKERSCOPE_CGROUP_PATH_H
#define FLICKERSCOPE_CGROUP_PATH_H

#include <stddef.h>

enum cgroup_path_limits {
	CGROUP_PATH_SIZE_MAX = 4096,	 /* with the terminating zero; longer ones are cut */
	CGROUP_CONTAINER_SIZE_MAX = 128, /* with the terminating zero */
};

/*
 * The path in the unified hierarchy, or, where that one is unused ("/"), the longest in another.
 * Writes "" when the text names none. Returns the path's length.
 */
size_t cgroup_path_of(const char *text, size_t size, char ret_path[CGROUP_PATH_SIZE_MAX]);

/* The container's id (the first 12 digits, as the managers show it) or name; "" outside of one. */
void cgroup_path_container(const char *path, char ret_container[CGROUP_CONTAINER_SIZE_MAX]);

#endif
