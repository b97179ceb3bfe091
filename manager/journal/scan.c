/*
 * scan.c - one walk over the log: which transactions are complete, and what they hold.
 *
 *     the walk meets                          the log ends with the transactions before it
 *     no header of the transaction it expects yes
 *     a commit record that does not match     yes: torn; but -EUCLEAN if the next transaction
 *                                             has begun: then this record was once durable
 *     a matching commit record, and something no: -EUCLEAN, because all of that was durable
 *     before it that does not match           before it; with async_commit as the line above
 *
 * Without checksums everything matches. Where it ends, nothing of a later one is used.
 */
#include "journal/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct scan {
	struct journal *journal;
	struct journal_reader *reader;
	struct journal_contents *into;
	uint32_t distance; /* of the next block, from the start of the log: below size */
	uint32_t start, first_id;
	uint32_t id; /* of the transaction that is expected */
	/* of this transaction */
	bool damaged;
	size_t found_before, revoked_before;
	uint64_t last_seconds; /* of the commit before */
};

enum scan_outcome { SCAN_GO_ON, SCAN_END };

/* The next block of the log; SCAN_END when all of it was seen. */
static int next_block(struct scan *s, const uint8_t **ret_data) MAY_YIELD
{
	int r;

	if (s->distance >= s->journal->size)
		return SCAN_END;
	r = journal_reader_get(s->reader, journal_index_after(s->journal, s->start, s->distance),
			       ret_data);
	if (r < 0)
		return r;
	s->distance++;
	return SCAN_GO_ON;
}

static bool is_of(const uint8_t *block, uint32_t id)
{
	struct journal_header h;

	memcpy(&h, block, sizeof(h));
	return be32(h.magic) == JOURNAL_MAGIC && be32(h.sequence) == id;
}

static uint32_t type_of(const uint8_t *block)
{
	struct journal_header h;

	memcpy(&h, block, sizeof(h));
	return be32(h.type);
}

static size_t checksum_offset(const struct journal *j, uint32_t type)
{
	return type == JOURNAL_COMMIT ? offsetof(struct journal_commit_block, checksum)
				      : j->setup.block_size - sizeof(struct journal_tail);
}

static bool block_matches(const struct journal *j, const uint8_t *block)
{
	size_t offset = checksum_offset(j, type_of(block));
	struct be32 stored;

	if (j->format.tail_size == 0)
		return true;
	memcpy(&stored, block + offset, sizeof(stored));
	return be32(stored) == journal_block_checksum(j, block, offset);
}

static int add_found(struct journal_contents *c, const struct journal_found *f)
{
	if (c->found_count == c->found_room) {
		size_t room = c->found_room ? 2 * c->found_room : 256;
		struct journal_found *found = realloc(c->found, room * sizeof(*found));

		if (!found)
			return -ENOMEM;
		c->found = found;
		c->found_room = room;
	}
	c->found[c->found_count++] = *f;
	return 0;
}

static int add_revoked(struct journal_contents *c, uint64_t block, uint32_t turn)
{
	if (c->revoked_count == JOURNAL_REVOKED_MAX)
		return -EUCLEAN;
	if (c->revoked_count == c->revoked_room) {
		size_t room = c->revoked_room ? 2 * c->revoked_room : 256;
		struct journal_revoked *revoked = realloc(c->revoked, room * sizeof(*revoked));

		if (!revoked)
			return -ENOMEM;
		c->revoked = revoked;
		c->revoked_room = room;
	}
	c->revoked[c->revoked_count++] = (struct journal_revoked){ block, turn };
	return 0;
}

/* A tag in any of its formats. */
struct tag {
	uint64_t block;
	uint32_t flags, checksum;
};

static void read_tag(const struct journal_format *f, const uint8_t *at, struct tag *ret)
{
	struct journal_tag tag = { 0 };
	struct journal_tag3 tag3;

	if (f->checksum3) {
		memcpy(&tag3, at, sizeof(tag3));
		*ret = (struct tag){ be32(tag3.block), be32(tag3.flags), be32(tag3.checksum) };
		if (f->wide)
			ret->block |= (uint64_t)be32(tag3.block_high) << 32;
		return;
	}
	memcpy(&tag, at, f->wide ? sizeof(tag) : 8);
	*ret = (struct tag){ be32(tag.block), be16(tag.flags), be16(tag.checksum) };
	if (f->wide)
		ret->block |= (uint64_t)be32(tag.block_high) << 32;
}

static bool data_matches(const struct journal *j, const struct tag *tag, uint32_t id,
			 const uint8_t *data)
{
	uint32_t seen = journal_data_checksum(j, id, data);

	if (j->format.checksum3)
		return seen == tag->checksum;
	return !j->format.checksum2 || (seen & 0xffff) == tag->checksum;
}

/* The block that a tag describes. */
static int scan_tagged(struct scan *s, const struct tag *tag) MAY_YIELD
{
	struct journal *j = s->journal;
	const uint8_t *data;
	int r;

	if (s->distance >= j->size)
		return SCAN_END;
	r = add_found(s->into,
		      &(struct journal_found){ .block = tag->block,
					       .distance = s->distance,
					       .turn = s->id - s->first_id,
					       .escaped = tag->flags & JOURNAL_TAG_ESCAPED });
	if (r < 0)
		return r;
	if (j->format.tail_size == 0) {
		s->distance++; /* nothing to compare: not read now */
		return SCAN_GO_ON;
	}
	r = next_block(s, &data);
	if (r == SCAN_GO_ON && !data_matches(j, tag, s->id, data))
		s->damaged = true;
	return r;
}

static int scan_descriptor(struct scan *s, const uint8_t *block) MAY_YIELD
{
	struct journal *j = s->journal;
	uint32_t end = j->setup.block_size - j->format.tail_size;
	uint32_t at = sizeof(struct journal_header);
	int r = SCAN_GO_ON;

	/* Reading its blocks moves the reader's window. */
	uint8_t *copy = malloc(j->setup.block_size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, block, j->setup.block_size);
	while (r == SCAN_GO_ON && at + j->format.tag_size <= end) {
		struct tag tag;

		read_tag(&j->format, copy + at, &tag);
		at += j->format.tag_size;
		if (!(tag.flags & JOURNAL_TAG_SAME_UUID))
			at += JOURNAL_UUID_SIZE;
		r = scan_tagged(s, &tag);
		if (tag.flags & JOURNAL_TAG_LAST)
			break;
	}
	free(copy);
	return r;
}

static int scan_revoke(struct scan *s, const uint8_t *block)
{
	struct journal *j = s->journal;
	struct journal_revoke_header header;
	uint32_t size, at = sizeof(header);
	int r = 0;

	memcpy(&header, block, sizeof(header));
	size = be32(header.size);
	if (size < sizeof(header) || size > j->setup.block_size - j->format.tail_size) {
		s->damaged = true;
		return SCAN_GO_ON;
	}
	for (; r == 0 && at + j->format.revoke_size <= size; at += j->format.revoke_size) {
		struct be32 narrow;
		struct be64 wide;

		memcpy(&narrow, block + at, sizeof(narrow));
		memcpy(&wide, block + at, j->format.wide ? sizeof(wide) : 0);
		r = add_revoked(s->into, j->format.wide ? be64(wide) : be32(narrow),
				s->id - s->first_id);
	}
	return r;
}

/* Has the transaction after this one begun? Then this one was complete once. */
static int next_has_begun(struct scan *s, bool *ret) MAY_YIELD
{
	const uint8_t *block;
	uint32_t type;
	int r;

	*ret = false;
	if (s->distance >= s->journal->size)
		return 0;
	r = next_block(s, &block);
	if (r < 0)
		return r;
	s->distance--;
	type = type_of(block);
	*ret = is_of(block, s->id + 1) &&
	       (type == JOURNAL_DESCRIPTOR || type == JOURNAL_REVOKE || type == JOURNAL_COMMIT) &&
	       block_matches(s->journal, block);
	return 0;
}

/* Do all its blocks belong where a journal may write? */
static bool places_are_good(const struct scan *s)
{
	const struct journal *j = s->journal;

	for (size_t i = s->found_before; i < s->into->found_count; i++) {
		uint64_t block = s->into->found[i].block;

		if (journal_has_block(j, block) || !j->setup.may_write(j->setup.context, block))
			return false;
	}
	return true;
}

static int scan_commit(struct scan *s, const uint8_t *block) MAY_YIELD
{
	struct journal *j = s->journal;
	bool matches = block_matches(j, block), begun;
	struct journal_commit_block commit;
	int r;

	memcpy(&commit, block, sizeof(commit));
	if (!matches || (s->damaged && j->format.async)) {
		r = next_has_begun(s, &begun);
		if (r < 0)
			return r;
		return begun ? -EUCLEAN : SCAN_END;
	}
	if (s->damaged) /* an older one is what an earlier life of the journal left */
		return be64(commit.seconds) < s->last_seconds ? SCAN_END : -EUCLEAN;
	if (!places_are_good(s))
		return -EUCLEAN;
	s->last_seconds = be64(commit.seconds);
	s->found_before = s->into->found_count;
	s->revoked_before = s->into->revoked_count;
	s->into->transactions++;
	s->id++;
	return SCAN_GO_ON;
}

static int scan_block(struct scan *s, const uint8_t *block) MAY_YIELD
{
	uint32_t type = type_of(block);

	if (!is_of(block, s->id))
		return SCAN_END;
	if (type == JOURNAL_COMMIT)
		return scan_commit(s, block);
	if (type != JOURNAL_DESCRIPTOR && type != JOURNAL_REVOKE)
		return SCAN_END;
	if (!block_matches(s->journal, block))
		s->damaged = true;
	return type == JOURNAL_DESCRIPTOR ? scan_descriptor(s, block) : scan_revoke(s, block);
}

int journal_scan(struct journal *j, struct journal_reader *reader, struct journal_contents *ret)
{
	struct scan s = {
		.journal = j,
		.reader = reader,
		.into = ret,
		.start = be32(j->super.start),
		.first_id = be32(j->super.sequence),
		.id = be32(j->super.sequence),
	};
	const uint8_t *block;
	int r;

	*ret = (struct journal_contents){ 0 };
	do {
		r = next_block(&s, &block);
		if (r == SCAN_GO_ON)
			r = scan_block(&s, block);
	} while (r == SCAN_GO_ON);
	/* What stands behind the last commit record does not count. */
	ret->found_count = s.found_before;
	ret->revoked_count = s.revoked_before;
	ret->end_id = s.id;
	return r < 0 ? r : 0;
}

void journal_contents_free(struct journal_contents *contents)
{
	free(contents->found);
	free(contents->revoked);
	*contents = (struct journal_contents){ 0 };
}
