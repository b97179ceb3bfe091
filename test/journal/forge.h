#ifndef TEST_JOURNAL_FORGE_H
#define TEST_JOURNAL_FORGE_H
/*
 * forge.h - writes logs by hand, in any format, good or bad. Layer: test.
 *
 *	forge_begin(&f, &w, F_64BIT | F_V3, 5);	log begins at its block 5, transaction 1
 *	forge_blocks(&f, blocks, 3, 7);		a descriptor; contents are version 7
 *	forge_revoke(&f, blocks, 1);
 *	forge_commit(&f);			and on to transaction 2
 *	forge_end(&f);				the superblock
 */
#include "test/journal/journal_test.h"

struct forge {
	struct world *w;
	uint32_t features;
	uint32_t index, start, id;
	uint32_t seconds; /* of the next commit record */
	bool damage_next; /* one bit of the next block written here is wrong */
};

void forge_begin(struct forge *f, struct world *w, uint32_t features, uint32_t start);
void forge_blocks(struct forge *f, const uint64_t *blocks, unsigned int count, uint32_t version);
void forge_revoke(struct forge *f, const uint64_t *blocks, unsigned int count);
void forge_commit(struct forge *f);
void forge_end(struct forge *f);
/* After a change of any block of the log: its own checksum is right again. */
void forge_mend(const struct forge *f, uint8_t *block, bool is_super);

#endif /* TEST_JOURNAL_FORGE_H */
