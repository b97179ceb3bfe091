#include "vfs/ext4/dir.h"

#include <endian.h>
#include <string.h>

#define WORDS_MD4 8u
#define WORDS_TEA 4u
#define HASH_LAST 0xfffffffcu /* stands for EXT4_HASH_END, which means the end of a directory */

/* A byte of a name as the hash takes it: sign and all on the machines of old. */
static uint32_t byte_of(const char *text, uint32_t at, bool is_unsigned)
{
	return is_unsigned ? (uint32_t)(uint8_t)text[at] : (uint32_t)(int32_t)(int8_t)text[at];
}

/* `count` bytes after those that are in `value`. */
static uint32_t add_bytes(uint32_t value, const char *text, uint32_t count, bool is_unsigned)
{
	for (uint32_t i = 0; i < count; i++)
		value = (value << 8) + byte_of(text, i, is_unsigned);
	return value;
}

/* Four bytes, the first one highest. */
static uint32_t word_of(const char *text, bool is_unsigned)
{
	uint32_t word;

	memcpy(&word, text, sizeof(word));
	if (!is_unsigned && word & 0x80808080u)
		return add_bytes(0, text, sizeof(word), is_unsigned);
	return be32toh(word);
}

/* What is missing is made of the length. */
static void fill_words(uint32_t *words, uint32_t count, const char *text, uint32_t len,
		       bool is_unsigned)
{
	uint32_t pad = len | len << 8, whole = len / 4 < count ? len / 4 : count;

	pad |= pad << 16;
	for (uint32_t w = 0; w < whole; w++)
		words[w] = word_of(text + w * 4, is_unsigned);
	if (whole < count)
		words[whole] = add_bytes(pad, text + whole * 4, len % 4, is_unsigned);
	for (uint32_t w = whole + 1; w < count; w++)
		words[w] = pad;
}

/*
 * ---- Three rounds of MD4 (RFC 1320) over half a block, of several names at once: a listing
 * hashes every name it has, and each step of one waits for the one before it.
 */

typedef uint32_t lanes __attribute__((vector_size(DIR_HASHES * sizeof(uint32_t))));

/*
 * Macros: a vector wider than the processor's is not passed by value. `f`, which has the result
 * of the step before, is added last.
 */
#define STEP(a, in, f, by) (a = (a + (in)) + (f), a = a << (by) | a >> (32 - (by)))
#define CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MOST(x, y, z) (((y) & (z)) | ((x) & ((y) | (z))))

static void half_md4(lanes state[4], const lanes in[WORDS_MD4])
{
	lanes a = state[0], b = state[1], c = state[2], d = state[3];

	for (unsigned int i = 0; i < 8; i += 4) {
		STEP(a, in[i], CHOOSE(b, c, d), 3);
		STEP(d, in[i + 1], CHOOSE(a, b, c), 7);
		STEP(c, in[i + 2], CHOOSE(d, a, b), 11);
		STEP(b, in[i + 3], CHOOSE(c, d, a), 19);
	}
	for (unsigned int i = 2; i-- > 0;) {
		STEP(a, in[i] + 0x5a827999u, MOST(b, c, d), 3);
		STEP(d, in[i + 2] + 0x5a827999u, MOST(a, b, c), 5);
		STEP(c, in[i + 4] + 0x5a827999u, MOST(d, a, b), 9);
		STEP(b, in[i + 6] + 0x5a827999u, MOST(c, d, a), 13);
	}
	for (unsigned int i = 4; i > 0; i -= 2) {
		STEP(a, in[i - 1] + 0x6ed9eba1u, b ^ (c ^ d), 3);
		STEP(d, in[i + 3] + 0x6ed9eba1u, a ^ (b ^ c), 9);
		STEP(c, in[i - 2] + 0x6ed9eba1u, d ^ (a ^ b), 11);
		STEP(b, in[i + 2] + 0x6ed9eba1u, c ^ (d ^ a), 15);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static void half_md4_names(const uint32_t from[4], bool is_unsigned, const struct ext4_name *names,
			   unsigned int count, struct dir_hash *ret)
{
	uint32_t w[DIR_HASHES][WORDS_MD4], l[DIR_HASHES] = { 0 }, longest = 0;
	lanes state[4], next[4], in[WORDS_MD4];

	memset(w[count], 0, (DIR_HASHES - count) * sizeof(w[0]));
	for (unsigned int i = 0; i < count; i++) {
		l[i] = names[i].len;
		longest = l[i] > longest ? l[i] : longest;
	}
	for (unsigned int i = 0; i < 4; i++)
		state[i] = from[i] - (lanes){ 0 };
	for (uint32_t at = 0; at < longest; at += WORDS_MD4 * 4) {
		/* Those of which nothing is left keep the state they have. */
		const lanes going =
			(lanes)((lanes){ l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7] } > at);

		for (unsigned int i = 0; i < count; i++)
			if (at < l[i])
				fill_words(w[i], WORDS_MD4, names[i].text + at, l[i] - at,
					   is_unsigned);
		for (unsigned int k = 0; k < WORDS_MD4; k++)
			in[k] = (lanes){ w[0][k], w[1][k], w[2][k], w[3][k],
					 w[4][k], w[5][k], w[6][k], w[7][k] };
		memcpy(next, state, sizeof(next));
		half_md4(next, in);
		for (unsigned int i = 0; i < 4; i++)
			state[i] = (next[i] & going) | (state[i] & ~going);
	}
	for (unsigned int i = 0; i < count; i++)
		ret[i] = (struct dir_hash){ state[1][i], state[2][i] };
}

/* ---- the other hashes. */

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

static void tea_name(const uint32_t from[4], bool is_unsigned, const struct ext4_name *name,
		     struct dir_hash *ret)
{
	uint32_t words[WORDS_TEA], state[4];

	memcpy(state, from, sizeof(state));
	for (uint32_t at = 0; at < name->len; at += WORDS_TEA * 4) {
		fill_words(words, WORDS_TEA, name->text + at, name->len - at, is_unsigned);
		tea(state, words);
	}
	*ret = (struct dir_hash){ state[0], state[1] };
}

void dir_hashes(const struct ext4 *fs, uint32_t version, const struct ext4_name *names,
		unsigned int count, struct dir_hash *ret)
{
	bool is_unsigned = version >= EXT4_HASH_UNSIGNED;
	uint32_t state[4];

	assert(count <= DIR_HASHES);
	start(fs, state);
	switch (version % EXT4_HASH_UNSIGNED) {
	case EXT4_HASH_LEGACY:
		for (unsigned int i = 0; i < count; i++)
			ret[i] = (struct dir_hash){ legacy(&names[i], is_unsigned), 0 };
		break;
	case EXT4_HASH_HALF_MD4:
		half_md4_names(state, is_unsigned, names, count, ret);
		break;
	default:
		for (unsigned int i = 0; i < count; i++)
			tea_name(state, is_unsigned, &names[i], &ret[i]);
		break;
	}
	for (unsigned int i = 0; i < count; i++) {
		ret[i].major &= ~1u;
		if (ret[i].major == EXT4_HASH_END)
			ret[i].major = HASH_LAST;
	}
}

bool dir_hash(const struct ext4 *fs, uint32_t version, const struct ext4_name *name,
	      struct dir_hash *ret)
{
	dir_hashes(fs, version, name, 1, ret);
	return version < 2 * EXT4_HASH_UNSIGNED;
}

uint32_t dir_hash_version(const struct ext4 *fs)
{
	return fs->hash_version + (fs->hash_unsigned ? EXT4_HASH_UNSIGNED : 0);
}
