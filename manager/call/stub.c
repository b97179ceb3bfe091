#include "call/stub.h"

#include "call/stub_decode.h"

#include <emmintrin.h>
#include <errno.h>
#include <hascall/run_abi.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define NUMBER_SIZE 5u /* mov $nr,%eax */
#define NUMBER_LIMIT 1024u
#define LOOK_BACK 48u	  /* how far before a CHECK form its number may be loaded */
#define SHORT_BRANCH 130u /* reach of a branch with one byte of displacement, and its size */

static uint32_t load32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static void store32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

/* Is this a call that must not, or need not, go through a stub? */
static bool number_stays(uint32_t number)
{
	switch (number) {
#define DIRECT(number, name) case number:
#include <hascall/run_direct.def>
#undef DIRECT
	case 15:  /* rt_sigreturn */
	case 56:  /* clone */
	case 57:  /* fork */
	case 58:  /* vfork */
	case 435: /* clone3 */
		return true;
	default:
		return false;
	}
}

/* ---- forms */

/* Bytes of the cmp behind a syscall instruction at `at`; 0: another instruction. */
static unsigned int check_size(const uint8_t *text, size_t size, size_t at)
{
	const uint8_t *p = text + at + 2;
	size_t room = size - at - 2;
	unsigned int opcode_size = 1;

	if (room >= 6 && p[0] == 0x48)
		opcode_size = 2;
	if (room < opcode_size + 4 || p[opcode_size - 1] != 0x3d)
		return 0;
	/* -4096 or -4095: the range of errors. */
	return (load32(p + opcode_size) & ~1u) == 0xfffff000u ? opcode_size + 4 : 0;
}

static bool loads_number(const uint8_t *text, size_t syscall_at)
{
	const uint8_t *p = text + syscall_at - NUMBER_SIZE;

	return syscall_at >= NUMBER_SIZE && p[0] == 0xb8 && load32(p + 1) < NUMBER_LIMIT;
}

/* Do the instructions from `from` on lead straight to `at`, and leave eax alone? */
static bool leads_straight(const uint8_t *text, size_t size, size_t from, size_t at)
{
	while (from < at) {
		unsigned int length = stub_instruction_length(text + from, size - from);

		if (length == 0 || !stub_instruction_spares_eax(text + from))
			return false;
		from += length;
	}
	return from == at;
}

/* Which number has the call at `at`, for sure? Its last load, shortly before, is at *ret_from. */
static bool find_number(const uint8_t *text, size_t size, size_t at, size_t *ret_from,
			uint32_t *ret_number)
{
	for (size_t back = 2; back <= LOOK_BACK && back <= at; back++) {
		size_t from = at - back;
		const uint8_t *p = text + from;
		bool load = p[0] == 0xb8 && back >= NUMBER_SIZE && load32(p + 1) < NUMBER_LIMIT;
		bool zero = (p[0] == 0x31 || p[0] == 0x33) && p[1] == 0xc0; /* xor %eax,%eax */

		if (!load && !zero)
			continue;
		if (!leads_straight(text, size, from + (load ? NUMBER_SIZE : 2), at) ||
		    stub_instruction_begins(text, size, from) != STUB_BEGINS_YES)
			continue;
		*ret_from = from;
		*ret_number = load ? load32(p + 1) : 0;
		return true;
	}
	return false;
}

/* Outcomes of a look at the bytes 0f 05. */
enum look { LOOK_SITE, LOOK_BY_NUMBER, LOOK_BY_DOUBT, LOOK_BY_FORM };

static enum look look_for_number_form(const uint8_t *text, size_t size, size_t at,
				      struct stub_site *ret)
{
	size_t start = at - NUMBER_SIZE;
	uint32_t number;

	if (!loads_number(text, at))
		return LOOK_BY_FORM;
	number = load32(text + start + 1);
	if (number_stays(number))
		return LOOK_BY_NUMBER;
	if (stub_instruction_begins(text, size, start) != STUB_BEGINS_YES)
		return LOOK_BY_DOUBT;
	*ret = (struct stub_site){ .at = (uint32_t)start,
				   .number_at = (uint32_t)start,
				   .number = (uint16_t)number,
				   .form = STUB_NUMBER,
				   .size = NUMBER_SIZE };
	return LOOK_SITE;
}

static enum look look_for_check_form(const uint8_t *text, size_t size, size_t at,
				     struct stub_site *ret)
{
	unsigned int check = check_size(text, size, at);
	uint32_t number;
	size_t from;

	if (check == 0)
		return LOOK_BY_FORM;
	if (stub_instruction_begins(text, size, at) != STUB_BEGINS_YES)
		return LOOK_BY_DOUBT;
	if (!find_number(text, size, at, &from, &number) || number_stays(number))
		return LOOK_BY_NUMBER;
	*ret = (struct stub_site){ .at = (uint32_t)at,
				   .number_at = (uint32_t)from,
				   .number = (uint16_t)number,
				   .form = STUB_CHECK,
				   .size = (uint8_t)(2 + check) };
	return LOOK_SITE;
}

/* What can be done with the bytes 0f 05 at `at`? true: *ret is a site. */
static bool site_at(const uint8_t *text, size_t size, size_t at, struct stub_sites *sites,
		    struct stub_site *ret)
{
	enum look look = look_for_number_form(text, size, at, ret), other;

	if (look == LOOK_BY_FORM || look == LOOK_BY_DOUBT) {
		other = look_for_check_form(text, size, at, ret);
		if (other != LOOK_BY_FORM)
			look = other;
	}
	sites->by_number += look == LOOK_BY_NUMBER;
	sites->by_doubt += look == LOOK_BY_DOUBT;
	sites->by_form += look == LOOK_BY_FORM;
	return look == LOOK_SITE;
}

static int add_site(struct stub_sites *sites, size_t *room, const struct stub_site *site)
{
	if (sites->count == STUB_SITES_MAX) {
		sites->by_doubt++;
		return 0;
	}
	if (sites->count == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct stub_site *bigger = reallocarray(sites->site, more, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		sites->site = bigger;
		*room = more;
	}
	sites->site[sites->count++] = *site;
	return 0;
}

static __m128i load16(const uint8_t *from)
{
	return _mm_loadu_si128((const __m128i *)(const void *)from);
}

/* Of the 16 bytes from p on (17 can be read): a bit for each place of 0f 05. */
static unsigned int calls_in(const uint8_t *p)
{
	__m128i first = _mm_cmpeq_epi8(load16(p), _mm_set1_epi8(0x0f));
	__m128i second = _mm_cmpeq_epi8(load16(p + 1), _mm_set1_epi8(0x05));

	return (unsigned int)_mm_movemask_epi8(_mm_and_si128(first, second));
}

static int find_forms(const uint8_t *text, size_t size, struct stub_sites *sites)
{
	size_t room = 0, i = 0;

	while (i + 1 < size) {
		size_t step = size - i >= 17 ? 16 : 1;
		unsigned int places = step == 16 ? calls_in(text + i)
						 : text[i] == 0x0f && text[i + 1] == 0x05;

		for (; places; places &= places - 1) {
			struct stub_site site;
			size_t at = i + (unsigned int)__builtin_ctz(places);

			if (site_at(text, size, at, sites, &site) && add_site(sites, &room, &site))
				return -ENOMEM;
		}
		i += step;
	}
	return 0;
}

bool stub_may_have_sites(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i + 1 < size;) {
		size_t step = size - i >= 17 ? 16 : 1;
		unsigned int places = step == 16 ? calls_in(text + i)
						 : text[i] == 0x0f && text[i + 1] == 0x05;

		for (; places; places &= places - 1) {
			size_t at = i + (unsigned int)__builtin_ctz(places);

			if (loads_number(text, at) || check_size(text, size, at) != 0)
				return true;
		}
		i += step;
	}
	return false;
}

/*
 * ---- what leads where
 *
 * Of the bytes that are overwritten, an instruction begins at the first and, in a CHECK
 * form, at the cmp. Who leads to that cmp, having made no call, would be led into the
 * middle of our jump; who leads to the syscall, or between it and the load of its number,
 * may bring another number.
 */

struct led {
	const uint8_t *text;
	size_t size;
	struct stub_sites *sites;
	uint64_t *coarse; /* bit i: nothing may lead to some of the 64 bytes from text[64 * i] on */
};

#define SITE_DROPPED 0 /* stub_site.size: something leads to where nothing may */

/* Nothing may lead to text[number_at + 1] up to here. */
static uint64_t last_forbidden(const struct stub_site *site)
{
	return site->at + 2;
}

static void mark_coarse(struct led *led, const struct stub_site *site)
{
	for (uint64_t i = (site->number_at + 1) / 64; i <= last_forbidden(site) / 64; i++)
		led->coarse[i / 64] |= 1ull << (i % 64);
}

/* The CHECK site to which nothing may lead so, or NULL. */
static struct stub_site *site_led_to(const struct led *led, uint64_t target)
{
	uint32_t low = 0, high = led->sites->count;
	struct stub_site *site;

	if (target >= led->size || !(led->coarse[target / 4096] >> (target / 64 % 64) & 1))
		return NULL;
	while (low < high) { /* the first that ends at or behind the target */
		uint32_t middle = (low + high) / 2;

		if (last_forbidden(&led->sites->site[middle]) < target)
			low = middle + 1;
		else
			high = middle;
	}
	site = &led->sites->site[low];
	if (low == led->sites->count || site->form != STUB_CHECK || target <= site->number_at)
		return NULL;
	return site;
}

/* Can this be an instruction's opcode? It may have one prefix: REX, bnd, or a hint. */
static bool may_be_opcode(const struct led *led, size_t at)
{
	uint8_t before = at > 0 ? led->text[at - 1] : 0;

	if (stub_instruction_begins(led->text, led->size, at) != STUB_BEGINS_NO)
		return true;
	if ((before & 0xf0) != 0x40 && before != 0xf2 && before != 0x2e && before != 0x3e)
		return false;
	return stub_instruction_begins(led->text, led->size, at - 1) != STUB_BEGINS_NO;
}

/* What can be read as an instruction at text[from] leads to text[target], if there is one. */
static void note_target(const struct led *led, size_t from, uint64_t target)
{
	struct stub_site *site = site_led_to(led, target);

	if (site && site->size != SITE_DROPPED && may_be_opcode(led, from))
		site->size = SITE_DROPPED;
}

/* The same for an instruction that ends with four bytes of displacement, at text[at]. */
static void note_displacement(const struct led *led, size_t from, size_t at)
{
	if (at + 4 <= led->size)
		note_target(led, from, at + 4 + (uint64_t)(int64_t)(int32_t)load32(led->text + at));
}

/*
 * Of the 16 bytes from p on (17 can be read): a bit for each that may begin
 *	e9         jmp
 *	0f 8X      jcc
 *	8d, ModRM with rip: lea, the address of a label
 * No call: it leads to the beginning of a function, and none begins with the check of
 * another's result.
 */
static uint64_t leads_in(const uint8_t *p)
{
	__m128i first = load16(p), second = load16(p + 1);
	__m128i jmp = _mm_cmpeq_epi8(first, _mm_set1_epi8((char)0xe9));
	__m128i jcc = _mm_and_si128(_mm_cmpeq_epi8(first, _mm_set1_epi8(0x0f)),
				    _mm_cmpeq_epi8(_mm_and_si128(second, _mm_set1_epi8((char)0xf0)),
						   _mm_set1_epi8((char)0x80)));
	__m128i lea = _mm_and_si128(_mm_cmpeq_epi8(first, _mm_set1_epi8((char)0x8d)),
				    _mm_cmpeq_epi8(_mm_and_si128(second, _mm_set1_epi8((char)0xc7)),
						   _mm_set1_epi8(0x05)));

	return (unsigned int)_mm_movemask_epi8(_mm_or_si128(jmp, _mm_or_si128(jcc, lea)));
}

static void note_longs(const struct led *led)
{
	size_t i = 0;

	for (; led->size - i >= 65; i += 64) {
		const uint8_t *p = led->text + i;
		uint64_t places = leads_in(p) | leads_in(p + 16) << 16 | leads_in(p + 32) << 32 |
				  leads_in(p + 48) << 48;

		for (; places; places &= places - 1) {
			size_t from = i + (unsigned int)__builtin_ctzll(places);
			size_t opcode_size = 2u - (led->text[from] == 0xe9);

			note_displacement(led, from, from + opcode_size);
		}
	}
	/* The last bytes: whatever they are, they are taken for both sizes of opcode. */
	for (; i < led->size; i++) {
		note_displacement(led, i, i + 1);
		note_displacement(led, i, i + 2);
	}
}

/* jcc, loop, jrcxz and jmp with one byte of displacement, around one site. */
static void note_shorts(const struct led *led, const struct stub_site *site)
{
	size_t first = site->number_at > SHORT_BRANCH ? site->number_at - SHORT_BRANCH : 0;
	size_t last = site->at + SHORT_BRANCH;

	for (size_t i = first; i < last && i + 2 <= led->size; i++) {
		uint8_t opcode = led->text[i];

		if ((opcode & 0xf0) == 0x70 || (opcode & 0xfc) == 0xe0 || opcode == 0xeb)
			note_target(led, i, i + 2 + (uint64_t)(int64_t)(int8_t)led->text[i + 1]);
	}
}

/* Drop the sites into which something leads. */
static int drop_led_to(const uint8_t *text, size_t size, struct stub_sites *sites)
{
	struct led led = { .text = text, .size = size, .sites = sites };
	uint32_t kept = 0;

	led.coarse = calloc(size / 4096 + 1, sizeof(uint64_t));
	if (!led.coarse)
		return -ENOMEM;
	for (uint32_t i = 0; i < sites->count; i++)
		if (sites->site[i].form == STUB_CHECK)
			mark_coarse(&led, &sites->site[i]);
	note_longs(&led);
	for (uint32_t i = 0; i < sites->count; i++)
		if (sites->site[i].form == STUB_CHECK)
			note_shorts(&led, &sites->site[i]);
	for (uint32_t i = 0; i < sites->count; i++) {
		if (sites->site[i].size == SITE_DROPPED)
			sites->by_doubt++;
		else
			sites->site[kept++] = sites->site[i];
	}
	sites->count = kept;
	free(led.coarse);
	return 0;
}

int stub_find(const uint8_t *text, size_t size, struct stub_sites *ret)
{
	struct stub_sites sites = { 0 };
	int r = 0;

	if (size > STUB_TEXT_MAX) {
		*ret = sites;
		return 0;
	}
	r = find_forms(text, size, &sites);
	if (r == 0 && sites.count != 0)
		r = drop_led_to(text, size, &sites);
	if (r < 0) {
		stub_sites_free(&sites);
		return r;
	}
	*ret = sites;
	return 0;
}

void stub_sites_free(struct stub_sites *sites)
{
	free(sites->site);
	*sites = (struct stub_sites){ 0 };
}

/* ---- writing */

size_t stub_bytes(const struct stub_sites *sites)
{
	if (sites->count == 0)
		return 0;
	return ((sites->count + 1) * (size_t)STUB_SIZE + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* Writes at *at, and knows at which distance behind the text that will be. */
struct writer {
	uint8_t *at;
	const uint8_t *stubs;
	uint64_t distance;
};

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
	memcpy(w->at, bytes, size);
	w->at += size;
}

/* A displacement to the place that will be `target` bytes behind the text's first byte. */
static void put_target(struct writer *w, uint64_t target)
{
	uint64_t next = w->distance + (uint64_t)(w->at - w->stubs) + 4;

	store32(w->at, (uint32_t)(target - next));
	w->at += 4;
}

/* Where the program goes on. */
static uint32_t site_end(const struct stub_site *site)
{
	return site->at + site->size + (site->form == STUB_NUMBER ? 2u : 0u);
}

static void write_stub(struct writer *w, const uint8_t *text, const struct stub_site *site)
{
	uint64_t back;

	if (site->form == STUB_NUMBER)
		put_bytes(w, text + site->at, NUMBER_SIZE);
	back = w->distance + (uint64_t)(w->at - w->stubs) + RUN_STUB_RESTART;
	put_bytes(w, (const uint8_t[]){ 0x48, 0x8d, 0x0d }, 3);
	put_target(w, back);
	put_bytes(w, (const uint8_t[]){ 0xff, 0x25 }, 2);
	put_target(w, w->distance);
	if (site->form == STUB_CHECK)
		put_bytes(w, text + site->at + 2, site->size - 2u);
	put_bytes(w, (const uint8_t[]){ 0xe9 }, 1);
	put_target(w, site_end(site));
}

static void write_jump(uint8_t *text, const struct stub_site *site, uint64_t stub)
{
	uint8_t *p = text + site->at;

	p[0] = 0xe9;
	store32(p + 1, (uint32_t)(stub - (site->at + 5)));
	if (site->size == 7)
		memcpy(p + 5, (const uint8_t[]){ 0x66, 0x90 }, 2);
	else if (site->size == 8)
		memcpy(p + 5, (const uint8_t[]){ 0x0f, 0x1f, 0x00 }, 3);
}

void stub_write(const struct stub_sites *sites, uint8_t *text, uint8_t *stubs, uint64_t distance)
{
	const uint64_t entry = RUN_STUB_ENTRY;

	memset(stubs, 0xcc, stub_bytes(sites));
	memcpy(stubs, &entry, sizeof(entry));
	for (uint32_t i = 0; i < sites->count; i++) {
		struct writer w = {
			.at = stubs + (i + 1) * (size_t)STUB_SIZE,
			.stubs = stubs,
			.distance = distance,
		};

		write_stub(&w, text, &sites->site[i]);
		write_jump(text, &sites->site[i], distance + (i + 1) * (uint64_t)STUB_SIZE);
	}
}
