/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacks an .xz stream, as the section .gnu_debugdata holds one, by liblzma.
 *
 * The stream is hostile: what it unpacks to and the memory for that are bounded, whatever it claims.
 * Meant for the worker process.
 */
#ifndef FLICKERSCOPE_XZ_PAYLOAD_H
#define FLICKERSCOPE_XZ_PAYLOAD_H

#include <stddef.h>

#include "base/bytes.h"

enum xz_payload_limits {
	XZ_PAYLOAD_SIZE_MAX = 128 << 20,       /* unpacked */
	XZ_PAYLOAD_DICTIONARY_MAX = 128 << 20, /* memory of the decoder; xz -9 asks for 65 MiB */
};

/*
 * Appends what @packed unpacks to.
 *
 * Returns 0, EXECUTABLE_MALFORMED, EXECUTABLE_TOO_LARGE (one of the limits, or @ret_bytes' own) or
 * -ENOMEM.
 */
int xz_payload_unpack(const void *packed, size_t packed_size, struct bytes_writer *ret_bytes);

#endif
