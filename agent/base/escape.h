/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One escaper for each kind of place where names are printed. Names are bytes from strangers:
 * nothing prints a name around its sink's escaper. Any thread.
 */
#ifndef FLICKERSCOPE_ESCAPE_H
#define FLICKERSCOPE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * For terminals and logs: control bytes, invalid UTF-8 and characters that change the direction of
 * text (Unicode TR 9) become \xNN; all else stays.
 *
 * @ret_text: not zero-terminated; @size_max bytes at most, never cut inside an escape. Four times
 *	@size always suffices.
 *
 * Returns the bytes written.
 */
size_t escape_terminal(const char *text, size_t size, char *ret_text, size_t size_max);

/*
 * For a JSON string (RFC 8259, 7), without its quotes; invalid UTF-8 becomes U+FFFD.
 * Six times @size always suffices. Returns the bytes written.
 */
size_t escape_json(const char *text, size_t size, char *ret_text, size_t size_max);

/* Two lower-case hexadecimal digits for each byte, which mean nothing to anybody on the way. */
size_t escape_hex(const char *text, size_t size, char *ret_text, size_t size_max);

/* The name behind such digits, terminated. False when they are none, or of a zero, or too many. */
bool unescape_hex(const char *digits, size_t size, char *ret_text, size_t size_max);

#endif
