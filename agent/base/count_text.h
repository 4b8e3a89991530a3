/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for people: 1234567 as 1,234,567. Any thread. */
#ifndef FLICKERSCOPE_COUNT_TEXT_H
#define FLICKERSCOPE_COUNT_TEXT_H

#include <stdint.h>

enum { COUNT_TEXT_SIZE = 32 };

/* Returns @buffer. */
const char *count_text(uint64_t value, char buffer[COUNT_TEXT_SIZE]);

#endif
