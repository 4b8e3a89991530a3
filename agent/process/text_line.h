/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes text of the kernel apart: lines, words and numbers, each bound checked. Any thread.
 *
 * The functions move the reader past what they took; when they return false it stands anywhere
 * before that, and nothing was written.
 */
#ifndef FLICKERSCOPE_TEXT_LINE_H
#define FLICKERSCOPE_TEXT_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* The next line without its newline; the last one may lack it. False at the end. */
bool text_line_next(struct bytes_reader *text, struct bytes_reader *ret_line);

/* Passes over exactly @character. */
bool text_skip(struct bytes_reader *line, char character);

/* Passes over any number of spaces and tabs. */
void text_skip_blanks(struct bytes_reader *line);

/* One digit at least; false when the number does not fit. */
bool text_hex(struct bytes_reader *line, uint64_t *ret_number);
bool text_decimal(struct bytes_reader *line, uint64_t *ret_number);

/* Bytes up to the next blank or the end; may be empty. */
struct bytes_reader text_word(struct bytes_reader *line);

/* Passes over @prefix when the line starts with it. */
bool text_skip_prefix(struct bytes_reader *line, const char *prefix);

#endif
