#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H
/*
 * journal.h - jbd2's journal: changes of blocks become durable together or not at all.
 * Layer: journal (above cache, below vfs). Format: Linux, Documentation/filesystems/ext4/
 * journal.rst (versions 2 of the superblock; 64bit, checksum v2 and v3, revoke).
 *
 *     transaction  what happens                                         leaves when
 *     RUNNING      handles join it                                      a commit is due, or
 *                                                                       asked for
 *     LOCKED       no new handle; those inside finish                   the last handle ends
 *     COMMITTING   descriptor, blocks, revokes, flush, commit record    the record is durable
 *     CHECKPOINT   its blocks may go home, any time                     all are home, flushed
 *
 * While one is COMMITTING the next is RUNNING. The blocks of the former are copied into the
 * log's buffers; one that a handle wants to change before its turn came is kept as it was
 * (frozen). So nobody waits for the log's writes but who asked for a commit.
 *
 * Order    before a commit record: data writes counted by journal_data_begin/end of
 *          that transaction, then all its log blocks; then flush and record (PREFLUSH | FUA).
 *          Home writes only after it. The tail moves only after a flush of those.
 * Limit    a handle's credits: blocks it may change, at most a quarter of the journal
 *          (-ENOSPC from journal_begin). Commits when asked, after COMMIT_NS, when the
 *          transaction has a quarter of the log, or JOURNAL_BLOCKS_MAX, or would take a
 *          quarter of the cache (but may have JOURNAL_BLOCKS_MIN).
 * Owner    a handle belongs to the task that began it and lives on its stack.
 * Errors   -EROFS once the journal was aborted (I/O error in the log, damage): nothing more
 *          is written to the log, the journal says why once, and so does its superblock
 *          (journal_noted_error(); Linux's s_errno). A disk without room (-ENOSPC, of an image in
 *          a full file system) leaves what a power cut leaves: that is not noted, as a replay is
 *          all that it needs.
 * Hostile  a log is read as any input: numbers checked, loops bounded, a bad block ends the
 *          replay with what came before (a torn commit) or with -EUCLEAN and nothing written.
 * Thread   scheduler thread only.
 *
 * No journal: every function takes a handle whose journal is NULL: changes go to the
 * cache and no further promise is made.
 */
#include "base/cc.h"
#include "cache/cache.h"

#include <stdint.h>

#define JOURNAL_COMMIT_NS UINT64_C(5000000000)
#define JOURNAL_BLOCKS_MAX 8192u /* in a transaction: they stay in the cache until it commits */
#define JOURNAL_BLOCKS_MIN 256u	 /* enough for the largest operation of a file system */

struct journal;
struct journal_transaction;

struct journal_setup {
	struct disk *disk;
	struct cache_map *blocks; /* of the disk */
	uint32_t block_size;
	uint32_t block_count; /* of the journal's file */
	uint8_t fs_uuid[16];
	bool read_only;
	/*
	 * Block of the disk that is block `index` of the journal's file. 0 or -EUCLEAN. May
	 * yield.
	 */
	int (*where)(void *context, uint32_t index, uint64_t *ret_block);
	/* Is it a block of the file system, where a replay may go? The journal's own it knows. */
	bool (*may_write)(void *context, uint64_t block);
	/* The transaction is durable: what it freed may be used again. Must not yield. */
	void (*committed)(void *context, uint32_t transaction_id);
	/* The journal was aborted. Must not yield. */
	void (*aborted)(void *context, int error);
	void *context;
};

/*
 * Read and check the journal's superblock; journal_needs_replay() tells whether it is empty. 0;
 * -EUCLEAN: damaged; -EOPNOTSUPP: features (open.c lists them); -EIO, -ENOMEM.
 */
MUST_USE int journal_open(const struct journal_setup *setup, struct journal **ret) MAY_YIELD;
bool journal_needs_replay(const struct journal *j);
uint32_t journal_log_size(const struct journal *j); /* in blocks, without the superblock */
/*
 * The error, as -errno, that ended its last use; 0: none did. It is not forgotten: who checks the
 * file system takes it away, as e2fsck does.
 */
int journal_noted_error(const struct journal *j);

struct journal_replayed {
	uint32_t transactions, blocks, revoked;
};
/*
 * Write home what was committed, flush, and mark the journal empty. ret may be NULL. 0,
 * -EUCLEAN, -EROFS, -EIO, -ENOMEM. If it is cut short it can be done again.
 */
MUST_USE int journal_replay(struct journal *j, struct journal_replayed *ret) MAY_YIELD;
/*
 * The same, read-only: what a replay would write stands in the cache (held), the disk is
 * not touched. For mounting a disk that may not be written.
 */
MUST_USE int journal_replay_in_memory(struct journal *j, struct journal_replayed *ret) MAY_YIELD;
/*
 * Begin to use it: starts the commit task. The journal must be empty (else -EBUSY). It gets the
 * features 64bit, checksum v3 and revoke. 0; -EROFS: read_only; -EUCLEAN: too small;
 * -EOPNOTSUPP: of version 1; -EIO, -ENOMEM.
 */
MUST_USE int journal_start(struct journal *j) MAY_YIELD;
/*
 * Commit, write everything home, mark empty; free it in any case. No handle may be open. 0, or
 * why changes were lost. NULL is fine.
 */
int journal_close(struct journal *j) MAY_YIELD;

/* ---- operations. */
struct journal_handle {
	struct journal *journal; /* NULL: none */
	struct journal_transaction *transaction;
	uint32_t credits; /* left */
};

/*
 * Join the running transaction with `credits` blocks. May wait for a commit or for room in
 * the log:
 * hold no lock that a handle's owner could want (locks first, or begin first: the same for
 * all; ext4/: inode locks first). 0, -EROFS, -ENOSPC.
 */
MUST_USE int journal_begin(struct journal *j, uint32_t credits, struct journal_handle *ret)
	MAY_YIELD;
/* More credits, without waiting: 0, or -EAGAIN: end the operation's step and begin anew. */
MUST_USE int journal_extend(struct journal_handle *h, uint32_t credits);
/*
 * End this step and begin another in the same or a later transaction. On error the handle
 * is ended.
 */
MUST_USE int journal_restart(struct journal_handle *h, uint32_t credits) MAY_YIELD;
/* The operation is complete. */
void journal_end(struct journal_handle *h);
/* Identity of the handle's transaction, for journal_commit(), if the handle changed anything. */
uint32_t journal_handle_id(const struct journal_handle *h);

/*
 * Before each change of a pinned page's data, then, with no yield between change and call,
 * journal_dirty(). A block that is new in the transaction takes one credit. 0, -EROFS, -ENOMEM;
 * -ENOSPC: no credit is left.
 */
MUST_USE int journal_get_write(struct journal_handle *h, struct cache_page *page) MAY_YIELD;
void journal_dirty(struct journal_handle *h, struct cache_page *page);
/*
 * The block is freed (metadata): its changes are dropped, the log is told not to replay it, the
 * page (may be NULL; the caller puts it as ever) is forgotten. Takes no credit, and gives
 * back what the block took in this transaction. 0, -EROFS,
 * -ENOMEM; -ENOSPC: so many in one transaction. What is used again as
 * metadata in the same transaction is not revoked after all.
 */
MUST_USE int journal_forget(struct journal_handle *h, uint64_t block, struct cache_page *page)
	MAY_YIELD;
/*
 * How many blocks this handle may forget now with room in the log kept for them, also if another
 * who asked does so at the same time. 0: end the step; the next one's journal_begin() waits for
 * another transaction if need be. Who forgets no more than its credits need not ask.
 */
uint32_t journal_forget_room(const struct journal_handle *h);
/*
 * A block is used for file data now, that may have been logged as metadata before: nothing
 * to do.
 */

/*
 * Data that must be on the disk before the transaction commits: count it in and out. An error
 * does not stop the commit: it is the file's, and told there.
 */
struct journal_transaction *journal_data_begin(struct journal_handle *h);
void journal_data_end(struct journal_transaction *t,
		      int error); /* outside tasks too; NULL is fine */

/* ---- durability. */
/*
 * Wait until transaction `id` is durable, beginning its commit if need be. 0, -EROFS; and to who
 * waits for it when the journal is aborted -EIO, -ENOSPC.
 */
MUST_USE int journal_commit(struct journal *j, uint32_t id) MAY_YIELD;
/* Everything so far. */
MUST_USE int journal_commit_all(struct journal *j) MAY_YIELD;
/* Is it durable already? */
bool journal_committed(const struct journal *j, uint32_t id);
/*
 * Has it, or one after it, got a commit record, and so flushed the disk? A transaction in which
 * nothing was changed ends without one.
 */
bool journal_recorded(const struct journal *j, uint32_t id);
/* The last transaction that is not durable; once it is, all so far is. 0: all is. */
uint32_t journal_newest(const struct journal *j);
/* Stop all writing to the log: damage was found elsewhere. */
void journal_abort(struct journal *j, int error);

struct journal_stats {
	uint64_t commits, handles, blocks_logged, frozen, checkpoints, waits_for_room;
};
void journal_stats_get(const struct journal *j, struct journal_stats *ret);

#endif /* JOURNAL_JOURNAL_H */
