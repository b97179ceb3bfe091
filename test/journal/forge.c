#include "test/journal/forge.h"

#include "base/crc32c.h"

#include <string.h>

#define MAGIC 0xc03b3998u

void forge_begin(struct forge *f, struct world *w, uint32_t features, uint32_t start)
{
	*f = (struct forge){
		.w = w, .features = features, .index = start, .start = start, .id = 1
	};
	w->options.features = features;
}

static bool has_checksums(const struct forge *f)
{
	return f->features & (F_V2 | F_V3);
}

static uint32_t seed_of(void)
{
	return crc32c(~0u, "0123456789abcdef", 16);
}

void forge_mend(const struct forge *f, uint8_t *block, bool is_super)
{
	uint32_t size = is_super ? 1024 : f->w->block_size;
	uint32_t at = is_super ? 0xfc : get_be32(block + 4) == 2 ? 16 : size - 4;

	if (!has_checksums(f))
		return;
	put_be32(block + at, 0);
	put_be32(block + at, crc32c(is_super ? ~0u : seed_of(), block, size));
}

static void put_block(struct forge *f, uint8_t *block)
{
	if (f->damage_next)
		block[f->w->block_size / 2] ^= 4;
	f->damage_next = false;
	test_disk_put(f->w->td, world_log_block(f->w, f->index) * f->w->block_size, block,
		      f->w->block_size);
	if (++f->index == f->w->log_count)
		f->index = 1;
}

static void put_header(const struct forge *f, uint8_t *block, uint32_t type)
{
	memset(block, 0, f->w->block_size);
	put_be32(block, MAGIC);
	put_be32(block + 4, type);
	put_be32(block + 8, f->id);
}

/* The tag, without its uuid; how long it is. */
static uint32_t put_tag(const struct forge *f, uint8_t *at, uint64_t block, uint32_t flags,
			uint32_t crc)
{
	bool wide = f->features & F_64BIT;

	put_be32(at, (uint32_t)block);
	if (f->features & F_V3) {
		put_be32(at + 4, flags);
		put_be32(at + 8, (uint32_t)(block >> 32));
		put_be32(at + 12, crc);
		return 16;
	}
	put_be32(at + 4, (f->features & F_V2 ? crc << 16 : 0) | flags);
	if (wide)
		put_be32(at + 8, (uint32_t)(block >> 32));
	return 8u + (wide ? 4 : 0) + (f->features & F_V2 ? 2 : 0);
}

static uint32_t put_data(const struct forge *f, uint8_t *to, uint64_t block, uint32_t version)
{
	contents(f->w, to, 'm', block, version);
	if (get_be32(to) != MAGIC)
		return 0;
	put_be32(to, 0);
	return 1;
}

void forge_blocks(struct forge *f, const uint64_t *blocks, unsigned int count, uint32_t version)
{
	static uint8_t descriptor[4096], data[64][4096];
	uint32_t at = 12, sequence;

	CHECK(count <= ARRAY_COUNT(data));
	put_header(f, descriptor, 1);
	put_be32(&sequence, f->id);
	for (unsigned int i = 0; i < count; i++) {
		uint32_t flags = put_data(f, data[i], blocks[i], version), crc;

		flags |= (i > 0 ? 2u : 0) | (i + 1 == count ? 8u : 0);
		crc = crc32c(crc32c(seed_of(), &sequence, 4), data[i], f->w->block_size);
		at += put_tag(f, descriptor + at, blocks[i], flags, crc);
		at += i == 0 ? 16 : 0;
		CHECK(at <= f->w->block_size - 4);
	}
	forge_mend(f, descriptor, false);
	put_block(f, descriptor);
	for (unsigned int i = 0; i < count; i++)
		put_block(f, data[i]);
}

void forge_revoke(struct forge *f, const uint64_t *blocks, unsigned int count)
{
	uint32_t size = f->features & F_64BIT ? 8 : 4;
	static uint8_t block[4096];

	put_header(f, block, 5);
	put_be32(block + 12, 16 + count * size);
	for (unsigned int i = 0; i < count; i++) {
		uint8_t *at = block + 16 + (size_t)i * size;

		if (size == 8)
			put_be32(at, (uint32_t)(blocks[i] >> 32));
		put_be32(at + size - 4, (uint32_t)blocks[i]);
	}
	forge_mend(f, block, false);
	put_block(f, block);
}

void forge_commit(struct forge *f)
{
	static uint8_t block[4096];

	put_header(f, block, 2);
	put_be32(block + 52, ++f->seconds);
	forge_mend(f, block, false);
	put_block(f, block);
	f->id++;
}

void forge_end(struct forge *f)
{
	uint8_t super[1024];

	world_format(f->w, (char *)super);
	put_be32(super + 28, f->start);
	forge_mend(f, super, true);
	test_disk_put(f->w->td, world_log_block(f->w, 0) * f->w->block_size, super, sizeof(super));
}
