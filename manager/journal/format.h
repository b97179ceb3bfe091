#ifndef JOURNAL_FORMAT_H
#define JOURNAL_FORMAT_H
/*
 * format.h - jbd2's journal as it stands on the disk. Layer: journal.
 * Source: Linux, Documentation/filesystems/ext4/journal.rst.
 *
 *     block 0      superblock, at the block's beginning
 *     block 1 ...  the log, a ring: transactions one after the other,
 *                  each: any number of { revoke | descriptor, its blocks }, then commit
 *
 * Order    numbers are big-endian; the types here can only be read through be32() and so on.
 * Hostile  a structure here promises a layout and nothing about what is in it.
 */
#include "base/cc.h"

#include <stdint.h>

struct be16 {
	uint16_t big;
};
struct be32 {
	uint32_t big;
};
struct be64 {
	uint64_t big;
};

static inline uint16_t be16(struct be16 v)
{
	return __builtin_bswap16(v.big);
}

static inline uint32_t be32(struct be32 v)
{
	return __builtin_bswap32(v.big);
}

static inline uint64_t be64(struct be64 v)
{
	return __builtin_bswap64(v.big);
}

static inline struct be32 to_be32(uint32_t v)
{
	return (struct be32){ __builtin_bswap32(v) };
}

static inline struct be64 to_be64(uint64_t v)
{
	return (struct be64){ __builtin_bswap64(v) };
}

#define JOURNAL_MAGIC 0xc03b3998u
#define JOURNAL_SUPER_SIZE 1024u
#define JOURNAL_UUID_SIZE 16u

enum journal_block_type {
	JOURNAL_DESCRIPTOR = 1,
	JOURNAL_COMMIT = 2,
	JOURNAL_SUPER_V1 = 3,
	JOURNAL_SUPER_V2 = 4,
	JOURNAL_REVOKE = 5,
};

enum journal_feature_compat { JOURNAL_COMPAT_CHECKSUM = 1 };
enum journal_feature_incompat {
	JOURNAL_INCOMPAT_REVOKE = 0x1,
	JOURNAL_INCOMPAT_64BIT = 0x2,
	JOURNAL_INCOMPAT_ASYNC_COMMIT = 0x4,
	JOURNAL_INCOMPAT_CHECKSUM_V2 = 0x8,
	JOURNAL_INCOMPAT_CHECKSUM_V3 = 0x10,
	JOURNAL_INCOMPAT_FAST_COMMIT = 0x20,
};
#define JOURNAL_INCOMPAT_KNOWN                                                              \
	(JOURNAL_INCOMPAT_REVOKE | JOURNAL_INCOMPAT_64BIT | JOURNAL_INCOMPAT_ASYNC_COMMIT | \
	 JOURNAL_INCOMPAT_CHECKSUM_V2 | JOURNAL_INCOMPAT_CHECKSUM_V3)
#define JOURNAL_CHECKSUM_CRC32C 4u

struct journal_header {
	struct be32 magic, type, sequence;
};

struct journal_super {
	struct journal_header header;
	struct be32 block_size;
	struct be32 block_count; /* of the journal, superblock and all */
	struct be32 first;	 /* block of the log */
	struct be32 sequence;	 /* of the first transaction in the log */
	struct be32 start;	 /* its block; 0: the log is empty */
	struct be32 error;
	/* version 2 only */
	struct be32 feature_compat, feature_incompat, feature_ro_compat;
	uint8_t uuid[JOURNAL_UUID_SIZE];
	struct be32 user_count;
	struct be32 dynamic_super;
	struct be32 transaction_max, transaction_data_max;
	uint8_t checksum_type;
	uint8_t unused1[3];
	struct be32 fast_commit_blocks;
	uint8_t unused2[164];
	struct be32 checksum; /* of all 1024 bytes, this field being 0 */
	uint8_t users[768];
};
static_assert(sizeof(struct journal_super) == JOURNAL_SUPER_SIZE, "the superblock's size");
static_assert(offsetof(struct journal_super, checksum) == 0xfc, "the superblock's layout");

/*
 * A descriptor is a header and then tags, one for each block that follows. A tag without
 * JOURNAL_TAG_SAME_UUID is followed by 16 bytes of UUID, which nobody looks at.
 */
enum journal_tag_flags {
	JOURNAL_TAG_ESCAPED = 1, /* the block begins with the magic number; the log has 0 there */
	JOURNAL_TAG_SAME_UUID = 2,
	JOURNAL_TAG_DELETED = 4,
	JOURNAL_TAG_LAST = 8,
};

/*
 * With neither checksum v3: 8 bytes, 4 more for block_high with 64bit, 2 more (that nobody
 * uses, at the end) with checksum v2. Not aligned then: copy before use.
 */
struct journal_tag {
	struct be32 block;
	struct be16 checksum; /* v2: the low half */
	struct be16 flags;
	struct be32 block_high;
};

/* With checksum v3. */
struct journal_tag3 {
	struct be32 block, flags, block_high, checksum;
};
static_assert(sizeof(struct journal_tag) == 12 && sizeof(struct journal_tag3) == 16, "tags");

/* The last bytes of descriptors and revoke blocks, with checksum v2 and v3. */
struct journal_tail {
	struct be32 checksum;
};

/* Then block numbers of 8 bytes with 64bit, else of 4. */
struct journal_revoke_header {
	struct journal_header header;
	struct be32 size; /* bytes in use, from the beginning of the block */
};

struct journal_commit_block {
	struct journal_header header;
	uint8_t checksum_type, checksum_size; /* checksum v1 only */
	uint8_t unused[2];
	struct be32 checksum[8]; /* v2, v3: the first, of the whole block */
	struct be64 seconds;
	struct be32 nanoseconds;
};
static_assert(offsetof(struct journal_commit_block, seconds) == 0x30, "the commit block's layout");

#endif /* JOURNAL_FORMAT_H */
