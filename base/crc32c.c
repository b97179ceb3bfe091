#include "base/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* Castagnoli's, lowest power in the highest bit */
#define TABLES 8u

/* table[k][b]: what byte b does to the register when k more bytes follow it. */
static uint32_t table[TABLES][256];

__attribute__((constructor)) static void make_table(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][b] = crc;
	}
	for (uint32_t b = 0; b < 256; b++)
		for (unsigned int k = 1; k < TABLES; k++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *at = data;

	for (; size >= 8; size -= 8, at += 8) {
		uint64_t word;
		uint32_t next = 0;

		memcpy(&word, at, sizeof(word));
		word ^= crc;
		for (unsigned int k = 0; k < 8; k++)
			next ^= table[7 - k][word >> (8 * k) & 0xff];
		crc = next;
	}
	for (; size > 0; size--, at++)
		crc = crc >> 8 ^ table[0][(crc ^ *at) & 0xff];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_processor(uint32_t crc, const void *data,
							       size_t size)
{
	const uint8_t *at = data;
	uint64_t wide = crc;

	for (; size >= 8; size -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; size > 0; size--, at++)
		crc = __builtin_ia32_crc32qi(crc, *at);
	return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	if (__builtin_cpu_supports("sse4.2"))
		return by_processor(crc, data, size);
	return crc32c_by_table(crc, data, size);
}
#else
uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	return crc32c_by_table(crc, data, size);
}
#endif
