/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/packet.h"
#include "privileged/privileged_process.h"
#include "serve/control_message.h"
#include "serve/dump.h"
#include "serve/listener.h"

enum {
	BACKLOG = 8,
	STALE_LOOKS_MAX = 4096, /* entries of the folder that are looked at */
	STALE_AGE_S = 10,
	PORT_DIGITS_MAX = 5,
};

/* One file that is being written: for a peer, or without one. */
struct job {
	TAILQ_ENTRY(job) link;
	struct control *control;
	int fd; /* of the peer; -1: it came by a signal */
	struct loop_source *source;
	struct dump *dump; /* NULL: nothing was asked for yet */
	char name[DUMP_NAME_SIZE_MAX];
};

TAILQ_HEAD(job_list, job);

struct control {
	struct control_options options;
	int listen_fd;
	struct loop_source *listen_source;
	char path[CONTROL_PATH_SIZE_MAX]; /* empty: there is no socket */
	ino_t inode;			  /* of the socket, so that no other is removed */
	struct job_list jobs;		  /* in the order of their arrival */
	uint32_t peer_count;
	uint32_t dump_count;
};

void control_path(uint16_t port, char ret_path[CONTROL_PATH_SIZE_MAX])
{
	snprintf(ret_path, CONTROL_PATH_SIZE_MAX, "%s/%u.sock", CONTROL_FOLDER, port);
}

/* --- jobs ------------------------------------------------------------------------------------ */

static int job_new(struct control *control, int fd, struct job **ret_job)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->control = control;
	job->fd = fd;
	control->peer_count += fd >= 0;
	TAILQ_INSERT_TAIL(&control->jobs, job, link);
	*ret_job = job;
	return 0;
}

static void job_free(struct job *job)
{
	struct control *control = job->control;

	TAILQ_REMOVE(&control->jobs, job, link);
	control->peer_count -= job->fd >= 0;
	control->dump_count -= job->dump != NULL;
	dump_free(job->dump);
	loop_remove(job->source);
	fd_close(job->fd);
	free(job);
}

/* The last word to a peer. */
static void reply(struct job *job, int error, uint64_t bytes)
{
	const struct control_reply answer = { .error = error, .bytes = bytes };
	uint8_t message[CONTROL_REPLY_SIZE];

	control_reply_write(&answer, message);
	/* The socket's buffer is empty; a peer that is gone needs no answer. */
	send(job->fd, message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_dumped(struct dump *dump, int error, uint64_t bytes, void *context)
{
	struct job *job = context;

	if (job->fd >= 0)
		reply(job, error, bytes);
	else if (!error)
		log_info("the window is in %s: %" PRIu64 " bytes", job->name, bytes);
	job_free(job);
}

static int start(struct job *job, int fd, uint64_t last_us)
{
	struct control *control = job->control;
	const struct dump_options options = {
		.loop = control->options.loop,
		.window = control->options.window,
		.instance_id = control->options.instance_id,
		.fd = fd,
		.name = job->name,
		.last_us = last_us,
		.done = on_dumped,
		.context = job,
	};
	int r;

	if (control->options.flush)
		control->options.flush(control->options.context);
	r = dump_start(&options, &job->dump);
	if (r == 0)
		control->dump_count++;
	return r;
}

/* --- a peer's request ------------------------------------------------------------------------ */

/* What a request brought: only a file that can be written to is of use. */
static int check_file(int fd)
{
	struct stat status;

	return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
			       status.st_size == 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY
		       ? 0
		       : -EINVAL;
}

static int answer(struct job *job, const void *bytes, size_t size, int taken_fd)
{
	CLEANUP(fd_close) int fd = taken_fd;
	struct control *control = job->control;
	struct control_request request;
	int r = check_file(fd);

	if (r < 0)
		return r;
	if (!control_request_read(bytes, size, &request))
		return -EPROTO;
	if (control->dump_count >= CONTROL_DUMPS_MAX)
		return -EBUSY;
	return start(job, TAKE_FD(fd), request.last_us);
}

static void on_peer(uint32_t events, void *context)
{
	struct job *job = context;
	uint8_t bytes[CONTROL_MESSAGE_SIZE_MAX];
	CLEANUP(fd_close) int fd = -1;
	size_t size = 0;
	int r = packet_receive(job->fd, bytes, sizeof(bytes), &size, &fd, 1);

	if (r == -EAGAIN)
		return;
	if ((r < 0 && r != -EMSGSIZE) || job->dump) {
		job_free(job); /* it hung up, or says more than it may */
		return;
	}
	if (r == 0)
		r = answer(job, bytes, size, TAKE_FD(fd));
	if (r < 0) {
		reply(job, r, 0);
		job_free(job);
	}
}

static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

/* Returns whether there is room for one more. */
static bool make_room(struct control *control)
{
	struct job *job = TAILQ_FIRST(&control->jobs);

	if (control->peer_count < CONTROL_PEERS_MAX)
		return true;
	while (job && (job->fd < 0 || job->dump))
		job = TAILQ_NEXT(job, link);
	if (!job)
		return false;
	job_free(job);
	return true;
}

static void on_connection(uint32_t events, void *context)
{
	struct control *control = context;
	int fd = accept4(control->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct job *job;

	if (fd < 0)
		return;
	if (!is_root(fd) || !make_room(control) || job_new(control, fd, &job) < 0) {
		close(fd);
		return;
	}
	snprintf(job->name, sizeof(job->name), "the file of 'dump'");
	if (loop_add_fd(control->options.loop, fd, EPOLLIN, on_peer, job, &job->source) < 0)
		job_free(job);
}

/* --- the folder ------------------------------------------------------------------------------ */

void control_dump(struct control *control)
{
	struct job *job;
	int fd = -1, r;

	if (!control->options.dump_folder) {
		log_warning("SIGUSR1 writes the window only where --dump-dir says");
		return;
	}
	if (control->dump_count >= CONTROL_DUMPS_MAX) {
		log_warning("the window is not written: %d dumps are under way", CONTROL_DUMPS_MAX);
		return;
	}
	r = job_new(control, -1, &job);
	if (r < 0) {
		log_errno(r, "write the window");
		return;
	}
	r = privileged_process_create_dump(control->options.privileged, job->name, &fd);
	r = r < 0 ? log_errno(r, "write the window to a new file in %s",
			      control->options.dump_folder)
		  : start(job, fd, 0);
	if (r < 0)
		job_free(job);
}

/* --- the socket ------------------------------------------------------------------------------ */

/* Whoever can write to the folder could put a socket of his own there. */
static int check_run_folder(void)
{
	struct stat status;

	if (mkdir(CONTROL_FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(CONTROL_FOLDER, &status) < 0)
		return -errno;
	return S_ISDIR(status.st_mode) && status.st_uid == 0 && !(status.st_mode & 022) ? 0
											: -EPERM;
}

/*
 * Sockets of agents that were killed; only "dump" would ask them. Whoever is just about to listen
 * answers in any case: a socket refuses from its bind() to its listen() alone, which is shorter than
 * STALE_AGE_S.
 */
static void remove_stale(void)
{
	CLEANUP(dir_close) DIR *folder = opendir(CONTROL_FOLDER);
	const struct dirent *entry;
	unsigned int count = 0;

	while (folder && (entry = readdir(folder)) && count++ < STALE_LOOKS_MAX) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		size_t digits = strspn(entry->d_name, "0123456789");
		struct stat status;

		if (!digits || digits > PORT_DIGITS_MAX ||
		    strcmp(entry->d_name + digits, ".sock") != 0)
			continue;
		control_path((uint16_t)strtoul(entry->d_name, NULL, 10), address.sun_path);
		if (lstat(address.sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
		    status.st_mtime + STALE_AGE_S < time(NULL) &&
		    !listener_is_served(&address, SOCK_SEQPACKET))
			unlink(address.sun_path);
	}
}

static int bind_path(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *any = (const struct sockaddr *)address;
	mode_t before = umask(077);
	int r = bind(fd, any, sizeof(*address)) < 0 ? -errno : 0;

	/* Left by an agent that was killed. */
	if (r == -EADDRINUSE && !listener_is_served(address, SOCK_SEQPACKET) &&
	    unlink(address->sun_path) == 0)
		r = bind(fd, any, sizeof(*address)) < 0 ? -errno : 0;
	umask(before);
	return r;
}

static int listen_open(struct control *control)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat status;
	int r = check_run_folder();

	control_path(control->options.port, address.sun_path);
	if (r < 0)
		return r;
	remove_stale();
	control->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listen_fd < 0)
		return -errno;
	r = bind_path(control->listen_fd, &address);
	if (r < 0)
		return r;
	memcpy(control->path, address.sun_path, sizeof(control->path));
	if (lstat(control->path, &status) == 0)
		control->inode = status.st_ino;
	if (listen(control->listen_fd, BACKLOG) < 0)
		return -errno;
	return loop_add_fd(control->options.loop, control->listen_fd, EPOLLIN, on_connection,
			   control, &control->listen_source);
}

int control_new(const struct control_options *options, struct control **ret_control)
{
	CLEANUP(control_free) struct control *control = calloc(1, sizeof(*control));
	char path[CONTROL_PATH_SIZE_MAX];
	int r;

	if (!control)
		return log_errno(-ENOMEM, "make the control socket");
	control->options = *options;
	control->listen_fd = -1;
	TAILQ_INIT(&control->jobs);
	r = listen_open(control);
	control_path(options->port, path);
	if (r == -EADDRINUSE)
		log_warning(
			"%s belongs to another agent: 'flickerscope dump' will not reach this one",
			path);
	else if (r < 0)
		log_warning("%s cannot be made (%s): 'flickerscope dump' will not reach this agent",
			    path, strerror(-r));
	*ret_control = TAKE(control);
	return 0;
}

int control_socket(const struct control *control)
{
	return control->listen_fd;
}

void control_free(struct control *control)
{
	struct stat status;

	if (!control)
		return;
	while (!TAILQ_EMPTY(&control->jobs))
		job_free(TAILQ_FIRST(&control->jobs));
	loop_remove(control->listen_source);
	if (control->path[0] && lstat(control->path, &status) == 0 &&
	    status.st_ino == control->inode)
		unlink(control->path);
	fd_close(control->listen_fd);
	free(control);
}
