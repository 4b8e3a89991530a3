/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page that holds the viewer and the capture, to be opened from a disk without a network.
 *
 * Nothing of the capture is ever markup: it stands in the page as base64, its name too, and the
 * viewer reads both as it reads a file. Scripts run by a nonce, made anew for each page, and from
 * blobs that they make themselves; nothing else does, and nothing is ever loaded.
 */
#include "convert/formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "convert/export_page.h"
#include "convert/merged_capture.h"
#include "convert/output.h"

enum {
	PIECE_SIZE = 49152, /* bytes at a time: a multiple of 3, as base64 wants it */
	NONCE_SIZE = 33,
};

struct page {
	struct output *output;
	const char *title;
	int capture_fd;
	char nonce[NONCE_SIZE];
};

static int draw_nonce(struct page *page)
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(page->nonce, sizeof(page->nonce), "%016" PRIx64 "%016" PRIx64, random[0],
		 random[1]);
	return 0;
}

static int write_capture(const struct page *page)
{
	uint8_t piece[PIECE_SIZE];
	off_t offset = 0;
	ssize_t size;

	/* A memfd gives all that is asked for, up to its end. */
	while ((size = pread(page->capture_fd, piece, sizeof(piece), offset)) > 0) {
		output_base64(page->output, piece, (size_t)size);
		offset += size;
	}
	return size < 0 ? -errno : 0;
}

/* Whether one of the page's places stands here; it is passed over then. */
static bool take_place(const char **at, const char *place)
{
	if (strncmp(*at, place, strlen(place)) != 0)
		return false;
	*at += strlen(place);
	return true;
}

static int write_page(const struct page *page)
{
	const char *at = export_page;
	int r = 0;

	while (*at && !r && !output_error(page->output)) {
		size_t plain = strcspn(at, "@");

		output_bytes(page->output, at, plain);
		at += plain;
		if (take_place(&at, "@NONCE@"))
			output_text(page->output, page->nonce);
		else if (take_place(&at, "@NAME@"))
			output_base64(page->output, page->title, strlen(page->title));
		else if (take_place(&at, "@CAPTURE@"))
			r = write_capture(page);
		else if (*at)
			output_bytes(page->output, at++, 1);
	}
	return r;
}

int export_html(struct merged_profile *profile, const char *title, struct output *output)
{
	CLEANUP(fd_close) int fd = memfd_create("capture", MFD_CLOEXEC);
	struct page page = { .output = output, .title = title, .capture_fd = fd };
	int r = fd < 0 ? -errno : draw_nonce(&page);

	if (!r)
		r = merged_capture_write(profile, fd);
	return r ? r : write_page(&page);
}
