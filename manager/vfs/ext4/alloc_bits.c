#include "vfs/ext4/alloc_bits.h"

/* The next bit that is `used` or not, from `from` on. */
static uint32_t next(const struct bits *b, uint32_t from, bool used)
{
	for (uint32_t i = from / 64; i * 64 < b->end; i++) {
		uint64_t word = b->busy ? b->used[i] | b->busy[i] : b->used[i];

		if (!used)
			word = ~word;
		if (i == from / 64)
			word &= ~UINT64_C(0) << from % 64;
		if (word) {
			uint32_t found = i * 64 + (uint32_t)__builtin_ctzll(word);

			return found < b->end ? found : b->end;
		}
	}
	return b->end;
}

uint32_t bits_next_free(const struct bits *b, uint32_t from)
{
	return from < b->end ? next(b, from, false) : b->end;
}

uint32_t bits_next_used(const struct bits *b, uint32_t from)
{
	return from < b->end ? next(b, from, true) : b->end;
}

bool bits_find_run(const struct bits *b, uint32_t from, uint32_t want, uint32_t *ret,
		   uint32_t *longest)
{
	uint32_t at = bits_next_free(b, from);

	while (at < b->end) {
		uint32_t stop = bits_next_used(b, at);

		if (stop - at > *longest)
			*longest = stop - at;
		if (stop - at >= want) {
			*ret = at;
			return true;
		}
		at = bits_next_free(b, stop);
	}
	return false;
}

/* Bits [first, first + count) of one word. */
static uint64_t mask(uint32_t first, uint32_t count)
{
	return (count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1) << first;
}

static uint32_t part_of(uint32_t first, uint32_t count)
{
	return 64 - first % 64 < count ? 64 - first % 64 : count;
}

void bits_set(void *bitmap, uint32_t first, uint32_t count, bool value)
{
	uint64_t *words = bitmap;

	while (count > 0) {
		uint32_t part = part_of(first, count);

		if (value)
			words[first / 64] |= mask(first % 64, part);
		else
			words[first / 64] &= ~mask(first % 64, part);
		first += part;
		count -= part;
	}
}

bool bits_all(const void *bitmap, uint32_t first, uint32_t count)
{
	const uint64_t *words = bitmap;

	while (count > 0) {
		uint32_t part = part_of(first, count);
		uint64_t bits = mask(first % 64, part);

		if ((words[first / 64] & bits) != bits)
			return false;
		first += part;
		count -= part;
	}
	return true;
}
