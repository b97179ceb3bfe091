#include "base/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* Castagnoli's, lowest power in the highest bit */
#define TABLES 8u

/* table[k][b]: what byte b does to the register when k more bytes follow it. */
static uint32_t table[TABLES][256];

#if defined(__x86_64__)
static void make_later(void);
#else
static void make_later(void)
{
}
#endif

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
	make_later();
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
/*
 * The instruction takes three cycles and one can begin in each: so three thirds of a piece are
 * summed at a time. What a third does to the register is then moved past the thirds
 * behind it: later[k][b] is what byte b of the register, k bytes up, becomes in THIRD bytes.
 * Four pieces fill a block of 4096 bytes, but for 64.
 */
#define THIRD 336u
static uint32_t later[4][256];

static void make_later(void)
{
	static const uint8_t zeros[THIRD];

	for (unsigned int bit = 0; bit < 32; bit++)
		later[bit / 8][1u << bit % 8] = crc32c_by_table(1u << bit, zeros, THIRD);
	/* The rest are sums of those: all of it is linear. */
	for (unsigned int k = 0; k < 4; k++)
		for (uint32_t b = 1; b < 256; b++)
			later[k][b] = later[k][b & (b - 1)] ^ later[k][b & -b];
}

static uint32_t move(uint32_t crc)
{
	return later[0][crc & 0xff] ^ later[1][crc >> 8 & 0xff] ^ later[2][crc >> 16 & 0xff] ^
	       later[3][crc >> 24];
}

static uint64_t word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

__attribute__((target("sse4.2"))) static uint32_t piece(uint32_t crc, const uint8_t *at)
{
	uint64_t first = crc, second = 0, third = 0;

	for (const uint8_t *end = at + THIRD; at < end; at += 8) {
		first = __builtin_ia32_crc32di(first, word_at(at));
		second = __builtin_ia32_crc32di(second, word_at(at + THIRD));
		third = __builtin_ia32_crc32di(third, word_at(at + 2 * THIRD));
	}
	crc = move((uint32_t)first) ^ (uint32_t)second;
	return move(crc) ^ (uint32_t)third;
}

__attribute__((target("sse4.2"))) static uint32_t by_processor(uint32_t crc, const void *data,
							       size_t size)
{
	const uint8_t *at = data;
	uint64_t wide;

	for (; size >= 3 * THIRD; size -= 3 * THIRD, at += 3 * THIRD)
		crc = piece(crc, at);
	wide = crc;
	for (; size >= 8; size -= 8, at += 8)
		wide = __builtin_ia32_crc32di(wide, word_at(at));
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
