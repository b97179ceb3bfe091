#include "call/stub_decode.h"

#include <string.h>

/*
 * What follows the opcode byte, one letter for each value:
 *   .  nothing          b  1 byte       w  2 bytes       e  3 bytes (enter)
 *   j  4 bytes          m  ModRM        B  ModRM and 1 byte
 * and those that take more than a look into a table (skip_rare):
 *   z  4 bytes, 2 with 66               Z  ModRM and z
 *   v  like z, but 8 with REX.W         o  an address of 8 bytes, 4 with 67
 *   t  ModRM and, if its reg is 0 or 1, 1 byte     T  the same with z
 *   P  ModRM, whose reg must be 0 (pop; others are AMD's XOP, which nobody emits)
 *   2  the VEX prefix of two bytes      3  that of three      4  EVEX, of four
 *   p  a prefix         r  REX          f  the second table, below
 *   x  no instruction of 64-bit mode
 */
static const char one_byte[256 + 1] = "mmmmbzxxmmmmbzxf" /* 00 */
				      "mmmmbzxxmmmmbzxx" /* 10 */
				      "mmmmbzpxmmmmbzpx" /* 20 */
				      "mmmmbzpxmmmmbzpx" /* 30 */
				      "rrrrrrrrrrrrrrrr" /* 40 */
				      "................" /* 50 */
				      "xx4mppppzZbB...." /* 60 */
				      "bbbbbbbbbbbbbbbb" /* 70 */
				      "BZxBmmmmmmmmmmmP" /* 80 */
				      "..........x....." /* 90 */
				      "oooo....bz......" /* a0 */
				      "bbbbbbbbvvvvvvvv" /* b0 */
				      "BBw.32BZe.w..bx." /* c0 */
				      "mmmmxxx.mmmmmmmm" /* d0 */
				      "bbbbbbbbjjxb...." /* e0 */
				      "p.pp..tT......mm" /* f0 */;

/* After 0f. h: 0f 38, another opcode byte and ModRM; H: 0f 3a, the same and 1 byte. */
static const char after_0f[256 + 1] = "mmmmx.....x.xm.x" /* 00 */
				      "mmmmmmmmmmmmmmmm" /* 10 */
				      "mmmmxxxxmmmmmmmm" /* 20 */
				      "........hxHxxxxx" /* 30 */
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

/* The letters that are the same in every instruction. */
static const struct {
	bool known, modrm;
	uint8_t bytes;
} common[128] = {
	['.'] = { true, false, 0 }, ['b'] = { true, false, 1 }, ['w'] = { true, false, 2 },
	['e'] = { true, false, 3 }, ['j'] = { true, false, 4 }, ['m'] = { true, true, 0 },
	['B'] = { true, true, 1 },
};

/* What may be looked at: prefixes, opcode, ModRM, SIB, operands, all as long as can be. */
#define LOOKED_AT 32u

struct cursor {
	const uint8_t *at; /* LOOKED_AT bytes from the beginning can be read */
	bool bad;
	bool word, address32, rex_w;
};

/* ModRM with its SIB and displacement. */
static unsigned int modrm_size(const uint8_t *p)
{
	static const uint8_t displacement[4] = { 0, 1, 4, 0 };
	unsigned int mod = p[0] >> 6, rm = p[0] & 7;
	unsigned int size = 1 + displacement[mod];

	if (rm == 4 && mod != 3)
		size += mod == 0 && (p[1] & 7) == 5 ? 5 : 1;
	else if (rm == 5 && mod == 0)
		size += 4;
	return size;
}

static void skip_common(struct cursor *c, char form)
{
	unsigned int letter = (unsigned char)form;

	if (!common[letter].known) {
		c->bad = true;
		return;
	}
	if (common[letter].modrm)
		c->at += modrm_size(c->at);
	c->at += common[letter].bytes;
}

/* Behind a VEX or EVEX prefix. map: 1 is 0f, 2 is 0f 38, 3 is 0f 3a. */
static void skip_vector(struct cursor *c, unsigned int map)
{
	uint8_t opcode = *c->at++;

	if (map == 1)
		skip_common(c, opcode == 0x77 ? '.' : after_0f[opcode] == 'B' ? 'B' : 'm');
	else if (map == 2 || map == 3 || map == 5 || map == 6)
		skip_common(c, map == 3 ? 'B' : 'm');
	else
		c->bad = true;
}

static void skip_rare(struct cursor *c, char form)
{
	unsigned int word_or_double = c->word ? 2 : 4;
	unsigned int reg = c->at[0] >> 3 & 7;

	switch (form) {
	case 'z':
		c->at += word_or_double;
		break;
	case 'v':
		c->at += c->rex_w ? 8 : word_or_double;
		break;
	case 'o':
		c->at += c->address32 ? 4 : 8;
		break;
	case 'Z':
		c->at += modrm_size(c->at) + word_or_double;
		break;
	case 't':
		c->at += modrm_size(c->at) + (reg < 2 ? 1 : 0);
		break;
	case 'T':
		c->at += modrm_size(c->at) + (reg < 2 ? word_or_double : 0);
		break;
	case 'P':
		c->at += modrm_size(c->at);
		c->bad = reg != 0;
		break;
	case '2':
		c->at += 1;
		skip_vector(c, 1);
		break;
	case '3':
		c->at += 2;
		skip_vector(c, c->at[-2] & 31);
		break;
	case '4':
		c->at += 3;
		skip_vector(c, c->at[-3] & 7);
		break;
	case 'h':
	case 'H':
		c->at += 1;
		skip_common(c, form == 'h' ? 'm' : 'B');
		break;
	default:
		c->bad = true;
	}
}

static char skip_prefixes(struct cursor *c, char form)
{
	const uint8_t *most = c->at + STUB_INSTRUCTION_MAX;

	while (form == 'p' && c->at < most) {
		c->word |= c->at[-1] == 0x66;
		c->address32 |= c->at[-1] == 0x67;
		form = one_byte[*c->at++];
	}
	return form;
}

/* The length of what begins at `code`, of which LOOKED_AT bytes can be read. */
static unsigned int length_at(const uint8_t *code)
{
	struct cursor c = { .at = code + 1 };
	char form = one_byte[code[0]];

	if (form == 'p')
		form = skip_prefixes(&c, form);
	if (form == 'r') {
		c.rex_w = c.at[-1] & 8;
		form = one_byte[*c.at++];
	}
	if (form == 'f')
		form = after_0f[*c.at++];
	if (common[(unsigned char)form].known)
		skip_common(&c, form);
	else
		skip_rare(&c, form);
	return c.bad || c.at - code > STUB_INSTRUCTION_MAX ? 0 : (unsigned int)(c.at - code);
}

unsigned int stub_instruction_length(const uint8_t *code, size_t size)
{
	uint8_t padded[LOOKED_AT] = { 0 };
	unsigned int length;

	if (size >= LOOKED_AT)
		return length_at(code);
	memcpy(padded, code, size);
	length = length_at(padded);
	return length <= size ? length : 0;
}

/* ModRM's registers, with the bits that REX adds. */
struct operands {
	bool register_only; /* rm is a register, not memory */
	unsigned int reg, rm;
};

static struct operands operands_of(uint8_t modrm, uint8_t rex)
{
	return (struct operands){
		.register_only = modrm >> 6 == 3,
		.reg = (modrm >> 3 & 7) | (rex & 4) << 1,
		.rm = (modrm & 7) | (rex & 1) << 3,
	};
}

/* The instructions of two opcode bytes. */
static bool long_spares_eax(uint8_t opcode, const struct operands *o)
{
	switch (opcode) {
	case 0x1f: /* nop */
	case 0x10: /* moves, shuffles and clearing of vector registers */
	case 0x11:
	case 0x16:
	case 0x28:
	case 0x29:
	case 0x57:
	case 0x62:
	case 0x6c:
	case 0x6f:
	case 0x7f:
	case 0xd6:
	case 0xef:
		return true;
	case 0xb6: /* movzx, movsx */
	case 0xb7:
	case 0xbe:
	case 0xbf:
		return o->reg != 0;
	default:
		return opcode >> 4 == 4 && o->reg != 0; /* cmov */
	}
}

static bool short_spares_eax(uint8_t opcode, const struct operands *o)
{
	bool other = o->register_only ? o->rm != 0 : true;

	switch (opcode) {
	case 0x39: /* cmp, test */
	case 0x3b:
	case 0x85:
	case 0x90: /* nop */
		return true;
	case 0x89: /* mov and arithmetic to rm */
	case 0x01:
	case 0x09:
	case 0x21:
	case 0x29:
	case 0x31:
		return other;
	case 0x8b: /* to reg: mov, lea, movsxd, arithmetic */
	case 0x8d:
	case 0x63:
	case 0x03:
	case 0x0b:
	case 0x23:
	case 0x2b:
	case 0x33:
		return o->reg != 0;
	case 0x81: /* immediates, shifts */
	case 0x83:
	case 0xc1:
	case 0xc7:
	case 0xd1:
		return other;
	case 0x80: /* of a byte: ah is rm 4 */
	case 0x88:
	case 0xc6:
		return !o->register_only || (o->rm != 0 && o->rm != 4);
	case 0xf7: /* test, not, neg; the others are about eax */
		return other && (o->reg & 7) < 4;
	default:
		/* mov of an immediate to another register; push; pop */
		return (opcode >> 3 == 0xb8 >> 3 && o->rm != 0) || opcode >> 3 == 0x50 >> 3 ||
		       (opcode >> 3 == 0x58 >> 3 && o->rm != 0);
	}
}

bool stub_instruction_spares_eax(const uint8_t *code)
{
	struct operands o;
	uint8_t rex = 0;

	while (*code == 0x66 || *code == 0xf3 || *code == 0xf2 || *code == 0x64)
		code++;
	if ((*code & 0xf0) == 0x40)
		rex = *code++;
	if (code[0] == 0x0f) {
		o = operands_of(code[2], rex);
		return long_spares_eax(code[1], &o);
	}
	/* Where the register is in the opcode, that byte's low bits stand where rm would. */
	o = operands_of((code[0] & 0xe0) == 0x40 || (code[0] & 0xf0) == 0xb0 ? code[0] : code[1],
			rex);
	return short_spares_eax(code[0], &o);
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
