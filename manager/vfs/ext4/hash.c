#include "vfs/ext4/dir.h"

#include <string.h>

#define WORDS_MD4 8u
#define WORDS_TEA 4u
#define HASH_LAST 0xfffffffcu /* stands for EXT4_HASH_END, which means the end of a directory */

/* A byte of a name as the hash takes it: sign and all on the machines of old. */
static uint32_t byte_of(const char *text, uint32_t at, bool is_unsigned)
{
	return is_unsigned ? (uint32_t)(uint8_t)text[at] : (uint32_t)(int32_t)(int8_t)text[at];
}

/* Words of four bytes, the first byte highest; what is missing is made of the length. */
static void fill_words(uint32_t *words, uint32_t count, const char *text, uint32_t len,
		       bool is_unsigned)
{
	uint32_t pad = len | len << 8, bytes = len < count * 4 ? len : count * 4;

	pad |= pad << 16;
	for (uint32_t w = 0; w < count; w++) {
		uint32_t value = pad;

		for (uint32_t i = w * 4; i < bytes && i < w * 4 + 4; i++)
			value = (value << 8) + byte_of(text, i, is_unsigned);
		words[w] = value;
	}
}

static uint32_t rotate(uint32_t value, unsigned int by)
{
	return value << by | value >> (32 - by);
}

/* Three rounds of MD4 (RFC 1320) over half a block. */
static void half_md4(uint32_t state[4], const uint32_t in[WORDS_MD4])
{
	static const uint8_t word[3][WORDS_MD4] = {
		{ 0, 1, 2, 3, 4, 5, 6, 7 },
		{ 1, 3, 5, 7, 0, 2, 4, 6 },
		{ 3, 7, 2, 6, 1, 5, 0, 4 },
	};
	static const uint8_t turn[3][4] = { { 3, 7, 11, 19 }, { 3, 5, 9, 13 }, { 3, 9, 11, 15 } };
	static const uint32_t add[3] = { 0, 0x5a827999u, 0x6ed9eba1u };
	uint32_t s[4] = { state[0], state[1], state[2], state[3] };

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < WORDS_MD4; i++) {
			/* Each step changes another of the four: a, d, c, b. */
			uint32_t *a = &s[(4 - i % 4) % 4];
			uint32_t b = s[(5 - i % 4) % 4], c = s[(6 - i % 4) % 4];
			uint32_t d = s[(7 - i % 4) % 4], f;

			if (round == 0)
				f = d ^ (b & (c ^ d));
			else if (round == 1)
				f = (b & c) + ((b ^ c) & d);
			else
				f = b ^ c ^ d;
			*a = rotate(*a + f + in[word[round][i]] + add[round], turn[round][i % 4]);
		}
	}
	for (unsigned int i = 0; i < 4; i++)
		state[i] += s[i];
}

/* The Tiny Encryption Algorithm (Wheeler, Needham 1994), half its rounds, as a hash. */
static void tea(uint32_t state[4], const uint32_t in[WORDS_TEA])
{
	uint32_t sum = 0, x = state[0], y = state[1];

	for (unsigned int i = 0; i < 16; i++) {
		sum += 0x9e3779b9u;
		x += ((y << 4) + in[0]) ^ (y + sum) ^ ((y >> 5) + in[1]);
		y += ((x << 4) + in[2]) ^ (x + sum) ^ ((x >> 5) + in[3]);
	}
	state[0] += x;
	state[1] += y;
}

static uint32_t legacy(const struct ext4_name *name, bool is_unsigned)
{
	uint32_t last = 0x37abe8f9u, hash = 0x12a3fe2du;

	for (uint32_t i = 0; i < name->len; i++) {
		uint32_t next = last + (hash ^ byte_of(name->text, i, is_unsigned) * 7152373u);

		if (next & 0x80000000u)
			next -= 0x7fffffffu;
		last = hash;
		hash = next;
	}
	return hash << 1;
}

static void start(const struct ext4 *fs, uint32_t state[4])
{
	static const uint32_t usual[4] = { 0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u };
	const uint32_t *from = usual;

	for (unsigned int i = 0; i < 4; i++)
		if (fs->hash_seed[i])
			from = fs->hash_seed;
	memcpy(state, from, sizeof(usual));
}

bool dir_hash(const struct ext4 *fs, uint32_t version, const struct ext4_name *name,
	      struct dir_hash *ret)
{
	bool is_unsigned = version >= EXT4_HASH_UNSIGNED;
	uint32_t words[WORDS_MD4], state[4];

	start(fs, state);
	ret->minor = 0;
	switch (version % EXT4_HASH_UNSIGNED) {
	case EXT4_HASH_LEGACY:
		ret->major = legacy(name, is_unsigned);
		break;
	case EXT4_HASH_HALF_MD4:
		for (uint32_t i = 0; i < name->len; i += WORDS_MD4 * 4) {
			fill_words(words, WORDS_MD4, name->text + i, name->len - i, is_unsigned);
			half_md4(state, words);
		}
		ret->major = state[1];
		ret->minor = state[2];
		break;
	default:
		for (uint32_t i = 0; i < name->len; i += WORDS_TEA * 4) {
			fill_words(words, WORDS_TEA, name->text + i, name->len - i, is_unsigned);
			tea(state, words);
		}
		ret->major = state[0];
		ret->minor = state[1];
		break;
	}
	ret->major &= ~1u;
	if (ret->major == EXT4_HASH_END)
		ret->major = HASH_LAST;
	return version < 2 * EXT4_HASH_UNSIGNED;
}

uint32_t dir_hash_version(const struct ext4 *fs)
{
	return fs->hash_version + (fs->hash_unsigned ? EXT4_HASH_UNSIGNED : 0);
}
