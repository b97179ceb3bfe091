#ifndef JOURNAL_INSIDE_H
#define JOURNAL_INSIDE_H
/*
 * inside.h - the parts of the journal, to each other. Layer: journal, inside only.
 *
 *     open.c         superblock, journal_open, journal_start, journal_close, abort
 *     log.c          blocks of the log: where they are, reading ahead, writing in batches
 *     scan.c         what the log holds    replay.c  bring it home
 *     block.c        records of blocks     transaction.c  handles
 *     revoke.c       blocks freed          commit.c  the commit task
 *     checkpoint.c   room in the log
 *
 * A record (struct journal_block) exists while its block is in the running transaction, in
 * the committing one, or logged and not known to be home:
 *
 *     B1  page is set, pinned and held just while a member is in use and the block was in
 *         memory: what is not yet durable in the log is neither written home nor lost.
 *     B2  home is the newest committed transaction that has the block, if the block on the
 *         disk may be older than that.
 *     B3  at most one member belongs to the running and one to the committing transaction:
 *         they use different slots.
 *
 * Room in the log (all in blocks):
 *
 *     L1  free + what lies between the tail on the disk and head + what the committing
 *         transaction will still write = size.
 *     L2  journal_need(running) <= free: what has begun can be committed without waiting.
 */
#include "journal/format.h"
#include "journal/journal.h"
#include "task/task.h"

#include <stdint.h>

#define JOURNAL_BATCH_BLOCKS 256u /* a descriptor and all its blocks fit */
#define JOURNAL_BATCHES 2u
#define JOURNAL_LOG_MIN 32u	       /* blocks of log to be written at all */
#define JOURNAL_REVOKED_MAX 0x1000000u /* revokes a replay believes in */

/* Blocks index .. index + count - 1 of the journal's file lie at block .. on the disk. */
struct journal_run {
	uint32_t index, count;
	uint64_t block;
};

/* What the features say about sizes. */
struct journal_format {
	bool wide; /* 64bit */
	bool checksum2, checksum3;
	bool async; /* a commit record may be older than the blocks before it */
	uint32_t tag_size;
	uint32_t revoke_size;
	uint32_t tail_size; /* of descriptors and revoke blocks */
};

enum journal_state { JOURNAL_RUNNING, JOURNAL_LOCKED, JOURNAL_COMMITTING, JOURNAL_CHECKPOINT };

struct journal_transaction {
	struct journal *journal;
	enum journal_state state;
	uint32_t id;
	unsigned int slot; /* of its blocks' members */
	/* RUNNING, LOCKED */
	uint32_t handles;
	uint32_t reserved; /* credits of open handles */
	bool wanted;	   /* somebody waits for its commit */
	uint64_t due_ns;
	/* until CHECKPOINT */
	struct list members;
	uint32_t block_count;  /* members, not forgotten */
	uint32_t revoke_count; /* members, forgotten */
	uint32_t data_count;   /* writes under way */
	/* from COMMITTING on */
	uint32_t log_first, log_count;
	/* CHECKPOINT */
	struct list node; /* journal->checkpoints */
	struct list home; /* blocks that may not be home */
};

/* A block in a transaction that is not yet durable. */
struct journal_member {
	struct list node;
	struct journal_transaction *transaction; /* NULL: not in use */
	bool dirty;				 /* to be logged */
	bool forgotten;				 /* to be revoked; not dirty */
	bool copied;				 /* COMMITTING: the log has it */
	void *frozen;				 /* COMMITTING: as it was; the page is newer */
};

struct journal_block {
	uint64_t number;
	struct journal_block *hash_next;
	struct cache_page *page;
	struct journal_member member[2];
	struct journal_transaction *home;
	struct list home_node;
	bool going_home; /* being written there: nobody may change it */
};

struct journal_batch;
struct journal_write {
	struct disk_request request;
	struct journal_batch *batch;
};

/* Neighbours of the log on their way to the disk. */
struct journal_batch {
	struct journal *journal;
	uint8_t *data;
	struct journal_write *writes;
	uint32_t first, used; /* blocks of the log */
	uint32_t under_way;   /* writes */
};

/* Pages of one write to where they belong. */
struct journal_homeward {
	struct cache_page *pages[CACHE_BATCH];
	uint64_t numbers[CACHE_BATCH];
	unsigned int count;
};

struct journal {
	struct journal_setup setup;
	struct journal_super super;	 /* as it is on the disk */
	struct journal_super next_super; /* under super_lock: on its way there */
	struct journal_run *runs;	 /* by index */
	struct journal_run *runs_by_block;
	uint32_t run_count;
	struct journal_format format;
	uint32_t seed;		   /* of checksums */
	uint32_t first, end, size; /* of the log: first .. end - 1 */
	bool needs_replay, started;
	int error;	  /* aborted */
	bool error_noted; /* on the disk, if that was possible, or need not be */
	/* replayed in memory */
	uint64_t *kept;
	size_t kept_count;

	/* started */
	uint32_t transaction_max; /* blocks in one */
	uint32_t tags_per_block, revokes_per_block;
	uint32_t revoke_blocks; /* kept for each transaction, whatever it needs */
	uint32_t head;		/* where the next transaction begins */
	uint32_t free;
	bool marked_empty; /* on the disk */
	uint32_t next_id, committed_id;
	struct journal_transaction *running, *committing;
	struct list checkpoints; /* oldest first */
	struct journal_block **table;
	size_t bucket_count, block_count;
	struct journal_batch batch[JOURNAL_BATCHES];
	unsigned int filling; /* a batch */
	int write_error;
	uint8_t *record; /* memory for one block */
	/* commit task */
	struct task *task, *room_task;
	bool stopping;
	struct waitq commit_wanted; /* it waits here */
	struct waitq room_wanted;   /* the room task waits here */
	struct waitq drained;	    /* handles and data have ended */
	struct waitq written;	    /* a batch is done */
	/* others wait here */
	struct waitq unlocked;		   /* the running transaction became another */
	struct waitq committed;		   /* one more is durable; or never will be */
	struct waitq came_home;		   /* going_home ended */
	struct task_lock super_lock;	   /* the tail, the superblock on the disk, homeward */
	struct journal_homeward *homeward; /* memory */
	struct journal_stats stats;
};

/* ---- deliberate mistakes, in test builds only: a test that cannot fail proves nothing. */
enum journal_mistake {
	JOURNAL_NO_MISTAKE,
	JOURNAL_MISTAKE_NO_PREFLUSH,  /* commit record without a flush before it */
	JOURNAL_MISTAKE_NO_FUA,	      /* commit record that is not durable when acknowledged */
	JOURNAL_MISTAKE_RECORD_EARLY, /* commit record before ordered data is written */
	JOURNAL_MISTAKE_HOME_EARLY,   /* blocks written home before the commit record */
	JOURNAL_MISTAKE_NO_FREEZE,    /* a committing block is changed in place */
	JOURNAL_MISTAKE_NO_REVOKE,
	JOURNAL_MISTAKE_TAIL_EARLY, /* the tail moves before home writes are durable */
	JOURNAL_MISTAKE_TAIL_LATE,  /* log space is used again before the tail has moved */
	JOURNAL_MISTAKES
};
#ifdef JOURNAL_MISTAKEN
extern enum journal_mistake journal_mistake;
#define MISTAKE(which) (journal_mistake == (JOURNAL_MISTAKE_##which))
#else
#define MISTAKE(which) false
#endif

/* ---- open.c */
void journal_format_of(const struct journal_super *super, struct journal_format *ret);
/* The superblock with this tail goes to the disk. super_lock is held, or nobody else is there. */
MUST_USE int journal_super_store(struct journal *j, uint32_t start, uint32_t sequence,
				 unsigned int disk_flags) MAY_YIELD;

/* Why it was aborted, for who uses it next. */
void journal_error_store(struct journal *j) MAY_YIELD;

/* ---- log.c */
/* Read or write with flags, and wait. */
MUST_USE int journal_disk(struct journal *j, enum disk_op op, unsigned int flags, void *data,
			  uint64_t size, uint64_t offset) MAY_YIELD;
MUST_USE int journal_runs_make(struct journal *j, uint32_t block_count) MAY_YIELD;
/* Where block `index` is, and how many after it, at most `max`, stand there in line. */
uint64_t journal_where(const struct journal *j, uint32_t index, uint32_t max, uint32_t *ret_count);
/* Is it one of the journal's own blocks? */
bool journal_has_block(const struct journal *j, uint64_t block);
static inline uint32_t journal_index_after(const struct journal *j, uint32_t index, uint32_t count)
{
	uint32_t to_end = j->end - index;

	return count < to_end ? index + count : j->first + (count - to_end);
}

/* Reads blocks of the log, many at a time. */
struct journal_reader {
	struct journal *journal;
	uint8_t *window;
	uint32_t first, count; /* in the window */
};
MUST_USE int journal_reader_open(struct journal *j, struct journal_reader *ret);
void journal_reader_close(struct journal_reader *reader);
/* Valid until the next call. 0, or what the disk says. */
MUST_USE int journal_reader_get(struct journal_reader *reader, uint32_t index,
				const uint8_t **ret_data) MAY_YIELD;

MUST_USE int journal_batches_make(struct journal *j);
void journal_batches_free(struct journal *j);
/* The next `count` blocks (JOURNAL_BATCH_BLOCKS at most) will be given without a yield. */
void journal_log_reserve(struct journal *j, uint32_t count) MAY_YIELD;
/* The next block of the log, to be filled: zeros. Its place is head, which moves on. */
uint8_t *journal_log_next(struct journal *j);
/* All are on the disk (not durable), or the error. */
MUST_USE int journal_log_wait(struct journal *j) MAY_YIELD;

/* ---- checksums (log.c); all are 0 where the journal has none. */
/* Of a whole block whose own field at `offset` counts as 0. */
uint32_t journal_block_checksum(const struct journal *j, const uint8_t *block, size_t offset);
/* Of a block in the log, as it stands there. */
uint32_t journal_data_checksum(const struct journal *j, uint32_t sequence, const uint8_t *data);

/* ---- scan.c: what is in the log. */
struct journal_found {
	uint64_t block;
	uint32_t distance; /* of its copy, from the start of the log */
	uint32_t turn;	   /* of its transaction, from 0 */
	bool escaped;
};
struct journal_revoked {
	uint64_t block;
	uint32_t turn;
};
struct journal_contents {
	struct journal_found *found;
	size_t found_count, found_room;
	struct journal_revoked *revoked;
	size_t revoked_count, revoked_room;
	uint32_t transactions;
	uint32_t end_id; /* the first that is not there */
};
/* All complete transactions. 0, -EUCLEAN, -EIO, -ENOMEM. Free it in any case. */
MUST_USE int journal_scan(struct journal *j, struct journal_reader *reader,
			  struct journal_contents *ret) MAY_YIELD;
void journal_contents_free(struct journal_contents *contents);

/* ---- block.c */
struct journal_block *journal_block_find(const struct journal *j, uint64_t number);
/* Find or make. NULL: no memory. */
struct journal_block *journal_block_get(struct journal *j, uint64_t number);
/* Free it if nothing is known of the block any more. */
void journal_block_unuse(struct journal *j, struct journal_block *b);
/* Hold the page for the record (B1). */
void journal_block_hold(struct journal_block *b, struct cache_page *page);
/* No member is in use any more: the cache may do with the page what it likes. */
void journal_block_release(struct journal_block *b);
/* Into a transaction that runs, and out of one. */
struct journal_member *journal_member_add(struct journal_transaction *t, struct journal_block *b);
void journal_member_remove(struct journal_block *b, unsigned int slot);
bool journal_block_has_member(const struct journal_block *b);
struct journal_block *journal_member_block(struct list *node, unsigned int slot);
void journal_block_set_home(struct journal_block *b, struct journal_transaction *t); /* or NULL */

/* ---- transaction.c */
/* Blocks of log for what is in it, and so many more. t may be NULL: a new one. */
uint32_t journal_need(const struct journal *j, const struct journal_transaction *t,
		      uint32_t more_blocks, uint32_t more_revokes);
void journal_transaction_ask(struct journal_transaction *t);	 /* begin its commit soon */
void journal_transaction_changed(struct journal_transaction *t); /* its commit will be due */
void journal_transaction_free(struct journal_transaction *t);

/* ---- revoke.c */
/* No new step: the transaction's room for revokes is needed by those who are inside. */
bool journal_forgets_much(const struct journal *j, const struct journal_transaction *t);

/* ---- commit.c */
void journal_commit_task(void *journal) MAY_YIELD;
/* Wait until something is committed, or the journal aborted. */
void journal_wait_committed(struct journal *j) MAY_YIELD;

/* ---- checkpoint.c */
/* Keeps half of the log free, so that operations need not wait for room. */
void journal_room_task(void *journal) MAY_YIELD;
/* Some room was made, or not: look again. 0, or -EROFS. */
MUST_USE int journal_make_room(struct journal *j, uint32_t need) MAY_YIELD;
/* Everything that was committed is home, and durable there; the log is marked empty. */
MUST_USE int journal_checkpoint_all(struct journal *j) MAY_YIELD;

static inline void journal_wait(struct waitq *q) MAY_YIELD
{
	int r = waitq_wait(q, TASK_FOREVER, WAIT_SURE);

	assert(r == 0); /* it cannot be cancelled */
}

static inline bool journal_id_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif /* JOURNAL_INSIDE_H */
