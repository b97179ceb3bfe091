#include "call/stub_decode.h"

#include <string.h>

/*
 * What follows the opcode byte, one letter for each value:
 *   .  nothing          b  1 byte       w  2 bytes       e  3 bytes (enter)
 *   z  4 bytes, 2 with 66               j  4 bytes (branches: 66 does not shorten them)
 *   v  like z, but 8 with REX.W         o  an address of 8 bytes, 4 with 67
 *   m  ModRM    B  ModRM and 1 byte     Z  ModRM and z
 *   t  ModRM and, if its reg is 0 or 1, 1 byte     T  the same with z
 *   x  no instruction of 64-bit mode, or a prefix that has its own code
 */
static const char one_byte[256 + 1] = "mmmmbzxxmmmmbzxx" /* 00 */
				      "mmmmbzxxmmmmbzxx" /* 10 */
				      "mmmmbzxxmmmmbzxx" /* 20 */
				      "mmmmbzxxmmmmbzxx" /* 30 */
				      "xxxxxxxxxxxxxxxx" /* 40 */
				      "................" /* 50 */
				      "xxxmxxxxzZbB...." /* 60 */
				      "bbbbbbbbbbbbbbbb" /* 70 */
				      "BZxBmmmmmmmmmmmm" /* 80 */
				      "..........x....." /* 90 */
				      "oooo....bz......" /* a0 */
				      "bbbbbbbbvvvvvvvv" /* b0 */
				      "BBw.xxBZe.w..bx." /* c0 */
				      "mmmmxxx.mmmmmmmm" /* d0 */
				      "bbbbbbbbjjxb...." /* e0 */
				      "x.xx..tT......mm" /* f0 */;

static const char after_0f[256 + 1] = "mmmmx.....x.xm.x" /* 00 */
				      "mmmmmmmmmmmmmmmm" /* 10 */
				      "mmmmxxxxmmmmmmmm" /* 20 */
				      "........xxxxxxxx" /* 30: 38 and 3a have their own code */
				      "mmmmmmmmmmmmmmmm" /* 40 */
				      "mmmmmmmmmmmmmmmm" /* 50 */
				      "mmmmmmmmmmmmmmmm" /* 60 */
				      "BBBBmmm.mmxxmmmm" /* 70 */
				      "jjjjjjjjjjjjjjjj" /* 80 */
				      "mmmmmmmmmmmmmmmm" /* 90 */
				      "...mBmxx...mBmmm" /* a0 */
				      "mmmmmmmmmmBmmmmm" /* b0 */
				      "mmBmBBBm........" /* c0 */
				      "mmmmmmmmmmmmmmmm" /* d0 */
				      "mmmmmmmmmmmmmmmm" /* e0 */
				      "mmmmmmmmmmmmmmmm" /* f0 */;

/* A cursor over one instruction; `bad` once it runs over the end. */
struct cursor {
	const uint8_t *at, *end;
	bool bad;
	bool word, address32, rex_w;
};

static uint8_t next_byte(struct cursor *c)
{
	if (c->at == c->end) {
		c->bad = true;
		return 0;
	}
	return *c->at++;
}

static void skip(struct cursor *c, unsigned int count)
{
	if ((size_t)(c->end - c->at) < count) {
		c->bad = true;
		return;
	}
	c->at += count;
}

/* ModRM with its SIB and displacement; answers the reg field. */
static unsigned int skip_modrm(struct cursor *c)
{
	uint8_t modrm = next_byte(c);
	unsigned int mod = modrm >> 6, rm = modrm & 7;

	if (mod != 3 && rm == 4) {
		uint8_t sib = next_byte(c);

		if (mod == 0 && (sib & 7) == 5)
			skip(c, 4);
	} else if (mod == 0 && rm == 5) {
		skip(c, 4);
	}
	if (mod == 1)
		skip(c, 1);
	else if (mod == 2)
		skip(c, 4);
	return modrm >> 3 & 7;
}

static void skip_operands(struct cursor *c, char form)
{
	unsigned int word_or_double = c->word ? 2 : 4;

	switch (form) {
	case '.':
		break;
	case 'b':
		skip(c, 1);
		break;
	case 'w':
		skip(c, 2);
		break;
	case 'e':
		skip(c, 3);
		break;
	case 'z':
		skip(c, word_or_double);
		break;
	case 'j':
		skip(c, 4);
		break;
	case 'v':
		skip(c, c->rex_w ? 8 : word_or_double);
		break;
	case 'o':
		skip(c, c->address32 ? 4 : 8);
		break;
	case 'm':
		skip_modrm(c);
		break;
	case 'B':
		skip_modrm(c);
		skip(c, 1);
		break;
	case 'Z':
		skip_modrm(c);
		skip(c, word_or_double);
		break;
	case 't':
		skip(c, skip_modrm(c) < 2 ? 1 : 0);
		break;
	case 'T':
		skip(c, skip_modrm(c) < 2 ? word_or_double : 0);
		break;
	default:
		c->bad = true;
	}
}

/* The opcode and operands behind a VEX or EVEX prefix. map: 1 is 0f, 2 is 0f 38, 3 is 0f 3a. */
static void skip_vector(struct cursor *c, unsigned int map)
{
	uint8_t opcode = next_byte(c);

	if (map == 1)
		skip_operands(c, opcode == 0x77 ? '.' : after_0f[opcode] == 'B' ? 'B' : 'm');
	else if (map == 3)
		skip_operands(c, 'B');
	else if (map == 2 || map == 5 || map == 6)
		skip_operands(c, 'm');
	else
		c->bad = true;
}

static void skip_opcode(struct cursor *c, uint8_t opcode)
{
	switch (opcode) {
	case 0x0f:
		opcode = next_byte(c);
		if (opcode == 0x38) {
			skip(c, 1);
			skip_operands(c, 'm');
		} else if (opcode == 0x3a) {
			skip(c, 1);
			skip_operands(c, 'B');
		} else {
			skip_operands(c, after_0f[opcode]);
		}
		break;
	case 0xc5:
		skip(c, 1);
		skip_vector(c, 1);
		break;
	case 0xc4:
		opcode = next_byte(c);
		skip(c, 1);
		skip_vector(c, opcode & 31);
		break;
	case 0x62:
		opcode = next_byte(c);
		skip(c, 2);
		skip_vector(c, opcode & 7);
		break;
	case 0x8f: /* pop; other values of reg are AMD's XOP, which nobody emits */
		if (skip_modrm(c) != 0)
			c->bad = true;
		break;
	default:
		skip_operands(c, one_byte[opcode]);
	}
}

unsigned int stub_instruction_length(const uint8_t *code, size_t size)
{
	struct cursor c = {
		.at = code,
		.end = code + (size < STUB_INSTRUCTION_MAX ? size : STUB_INSTRUCTION_MAX),
	};
	uint8_t byte;

	for (;;) {
		byte = next_byte(&c);
		if (byte == 0x66)
			c.word = true;
		else if (byte == 0x67)
			c.address32 = true;
		else if (byte != 0xf0 && byte != 0xf2 && byte != 0xf3 && (byte & 0xe7) != 0x26 &&
			 byte != 0x64 && byte != 0x65)
			break;
	}
	if ((byte & 0xf0) == 0x40) {
		c.rex_w = byte & 8;
		byte = next_byte(&c);
	}
	skip_opcode(&c, byte);
	return c.bad ? 0 : (unsigned int)(c.at - code);
}

#define WINDOW 48u   /* bytes before the place from which decoding starts */
#define TOO_NEAR 16u /* not from the last ones: they have had no time to fall into step */
#define VOTES_MIN 8u
/*
 * Of the ways, how many in a hundred come by. In libc's text 98 % of all beginnings have
 * 60 or more, and of the other places one in 20 000; 20 or less have 99.7 % of those,
 * and of the beginnings one in 500.
 */
#define YES_PERCENT 60u
#define NO_PERCENT 20u

enum stub_begins stub_instruction_begins(const uint8_t *text, size_t size, size_t at)
{
	size_t window = at < WINDOW ? at : WINDOW;
	const uint8_t *first = text + (at - window);
	bool leads[WINDOW + 1]; /* does decoding from here come by `at`? */
	unsigned int ayes = 0, votes = 0;

	leads[window] = true;
	for (size_t i = window; i-- > 0;) {
		unsigned int length = stub_instruction_length(first + i, size - (at - window + i));

		leads[i] = length != 0 && i + length <= window && leads[i + length];
		if (length == 0 || window - i <= TOO_NEAR)
			continue;
		votes++;
		ayes += leads[i];
	}
	if (votes < VOTES_MIN)
		return STUB_BEGINS_UNSURE;
	if (100 * ayes >= YES_PERCENT * votes)
		return STUB_BEGINS_YES;
	return 100 * ayes <= NO_PERCENT * votes ? STUB_BEGINS_NO : STUB_BEGINS_UNSURE;
}
