/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows the head of an answer, handed out piece by piece: bytes of the program, text that
 * was made for it, a part of a file, or a download that is made while it is sent. Loop thread.
 */
#ifndef FLICKERSCOPE_BODY_H
#define FLICKERSCOPE_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct body;
struct download;

#define BODY_SIZE_UNKNOWN UINT64_MAX

/* Each returns 0 or -ENOMEM; what is taken is taken on failure too. */
int body_of_bytes(const uint8_t *bytes, size_t size, struct body **ret_body);	  /* borrowed */
int body_of_text(struct bytes_writer text, struct body **ret_body);		  /* taken */
int body_of_file(int fd, uint64_t offset, uint64_t size, struct body **ret_body); /* @fd: taken */
int body_of_download(struct download *download, struct body **ret_body);	  /* taken */

void body_free(struct body *body); /* NULL is fine */
DEFINE_CLEANUP(struct body *, body_free);

uint64_t body_size(const struct body *body); /* of all; BODY_SIZE_UNKNOWN before it ended */

/*
 * The next bytes; *ret_size is 0 behind the last ones. Returns 0 or -errno: the body cannot be
 * completed, such as of a file that has shrunk.
 */
int body_next(struct body *body, uint8_t *ret_bytes, size_t size_max, size_t *ret_size);

#endif
