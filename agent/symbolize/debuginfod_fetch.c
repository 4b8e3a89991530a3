/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debuginfod_fetch.h"

/* Its older form of some options also works with the versions from before the newer one. */
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "elf/executable_file.h"

enum { HTTP_OK = 200, HTTP_NOT_FOUND = 404 };

/* What is used of libcurl. */
struct library {
	__typeof__(&curl_easy_init) init;
	__typeof__(&curl_easy_setopt) set;
	__typeof__(&curl_easy_perform) perform;
	__typeof__(&curl_easy_getinfo) get;
	__typeof__(&curl_easy_cleanup) cleanup;
};

struct transfer {
	int fd;
	uint64_t size;
	uint64_t size_max;
	uint32_t silence_max_s;
	bool is_too_large;
};

void debuginfod_request_write(const struct debuginfod_request *request,
			      struct bytes_writer *ret_argument)
{
	bytes_write(ret_argument, &request->build_id, sizeof(request->build_id));
	bytes_write_u64(ret_argument, request->size_max);
	bytes_write_u32(ret_argument, request->silence_max_s);
	for (size_t i = 0; i < request->url_count; i++)
		bytes_write(ret_argument, request->urls[i], strlen(request->urls[i]) + 1);
}

static bool load_library(struct library *ret_library)
{
	static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };
	void *handle = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !handle; i++)
		handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return false;
	ret_library->init = (__typeof__(&curl_easy_init))dlsym(handle, "curl_easy_init");
	ret_library->set = (__typeof__(&curl_easy_setopt))dlsym(handle, "curl_easy_setopt");
	ret_library->perform = (__typeof__(&curl_easy_perform))dlsym(handle, "curl_easy_perform");
	ret_library->get = (__typeof__(&curl_easy_getinfo))dlsym(handle, "curl_easy_getinfo");
	ret_library->cleanup = (__typeof__(&curl_easy_cleanup))dlsym(handle, "curl_easy_cleanup");
	return ret_library->init && ret_library->set && ret_library->perform && ret_library->get &&
	       ret_library->cleanup;
}

/* Anything but @size ends the transfer. */
static size_t take_bytes(char *bytes, size_t unit, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t size = unit * count, written = 0;

	transfer->size += size;
	transfer->is_too_large = transfer->size > transfer->size_max;
	while (!transfer->is_too_large && written < size) {
		ssize_t r = write(transfer->fd, bytes + written, size - written);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return 0;
		written += (size_t)r;
	}
	return written;
}

static void configure(const struct library *library, CURL *handle, const char *url,
		      struct transfer *transfer)
{
	bool is_secure = strncmp(url, "https:", strlen("https:")) == 0;
	long allowed = is_secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS;

	library->set(handle, CURLOPT_URL, url);
	library->set(handle, CURLOPT_PROTOCOLS, allowed);
	library->set(handle, CURLOPT_REDIR_PROTOCOLS, allowed);
	library->set(handle, CURLOPT_FOLLOWLOCATION, 1L);
	library->set(handle, CURLOPT_MAXREDIRS, (long)DEBUGINFOD_REDIRECTIONS_MAX);
	library->set(handle, CURLOPT_NOSIGNAL, 1L);
	library->set(handle, CURLOPT_CONNECTTIMEOUT, (long)DEBUGINFOD_CONNECT_TIME_MAX_S);
	library->set(handle, CURLOPT_TIMEOUT, (long)DEBUGINFOD_TRANSFER_TIME_MAX_S);
	library->set(handle, CURLOPT_LOW_SPEED_LIMIT, (long)DEBUGINFOD_SPEED_LEAST);
	library->set(handle, CURLOPT_LOW_SPEED_TIME, (long)transfer->silence_max_s);
	library->set(handle, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)transfer->size_max);
	library->set(handle, CURLOPT_USERAGENT, "flickerscope/" FLICKERSCOPE_VERSION);
	/* A page that comes with an error is no file. */
	library->set(handle, CURLOPT_FAILONERROR, 1L);
	library->set(handle, CURLOPT_WRITEFUNCTION, take_bytes);
	library->set(handle, CURLOPT_WRITEDATA, transfer);
}

static int fetch_from(const struct library *library, const char *url, struct transfer *transfer)
{
	CURL *handle = library->init();
	long status = 0;
	CURLcode r;

	if (!handle)
		return -ENOMEM;
	configure(library, handle, url, transfer);
	r = library->perform(handle);
	library->get(handle, CURLINFO_RESPONSE_CODE, &status);
	library->cleanup(handle);
	if (r == CURLE_OK && status == HTTP_OK)
		return 0;
	if (transfer->is_too_large || r == CURLE_FILESIZE_EXCEEDED)
		return DEBUGINFOD_TOO_LARGE;
	return status == HTTP_NOT_FOUND ? DEBUGINFOD_NOT_FOUND : DEBUGINFOD_UNREACHABLE;
}

/* Whether it is what was asked for: a server may send anything. */
static int check_file(int fd, const struct build_id *build_id)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	struct build_id found;
	int r = executable_file_open(fd, &file);

	if (r)
		return r;
	return executable_file_build_id(file, &found) && build_id_equal(&found, build_id)
		       ? 0
		       : EXECUTABLE_OTHER;
}

static int ask_server(const struct library *library, const char *server,
		      const struct build_id *build_id, struct transfer *transfer)
{
	char url[DEBUGINFOD_URL_SIZE_MAX + BUILD_ID_TEXT_SIZE + 32], id[BUILD_ID_TEXT_SIZE];
	size_t size = strlen(server);
	int r;

	build_id_text(build_id, id);
	while (size && server[size - 1] == '/')
		size--;
	snprintf(url, sizeof(url), "%.*s/buildid/%s/debuginfo", (int)size, server, id);
	if (ftruncate(transfer->fd, 0) < 0 || lseek(transfer->fd, 0, SEEK_SET) < 0)
		return -errno;
	transfer->size = 0;
	r = fetch_from(library, url, transfer);
	return r ? r : check_file(transfer->fd, build_id);
}

int debuginfod_fetch_job(int output_fd, struct bytes_reader argument,
			 struct bytes_writer *ret_result)
{
	struct transfer transfer = { .fd = output_fd };
	int worst = DEBUGINFOD_UNREACHABLE, r = DEBUGINFOD_UNREACHABLE;
	struct build_id build_id;
	struct library library;

	bytes_read_into(&argument, &build_id, sizeof(build_id));
	transfer.size_max = bytes_read_u64(&argument);
	transfer.silence_max_s = bytes_read_u32(&argument);
	if (argument.failed || !build_id.size || build_id.size > BUILD_ID_SIZE_MAX)
		return -EINVAL;
	if (!load_library(&library))
		return DEBUGINFOD_NO_LIBRARY;
	while (r != 0 && bytes_left(&argument)) {
		const char *server = bytes_read_string(&argument);

		if (!server || strlen(server) > DEBUGINFOD_URL_SIZE_MAX)
			return -EINVAL;
		r = ask_server(&library, server, &build_id, &transfer);
		/* One that answered counts for more than one that did not. */
		if (worst == DEBUGINFOD_UNREACHABLE)
			worst = r;
	}
	return r == 0 ? 0 : worst;
}
