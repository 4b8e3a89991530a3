/* SPDX-License-Identifier: Apache-2.0 */
/* A program of 32 bits, without a C library: burns for a fraction of a second in narrow_leaf, and ends. */
static volatile unsigned int value;

__attribute__((noinline)) static void narrow_leaf(void)
{
	for (unsigned int i = 0; i < 400000000; i++)
		value += i;
}

void _start(void)
{
	narrow_leaf();
	__asm__ volatile("int $0x80" : : "a"(1), "b"(0)); /* exit(0) */
}
