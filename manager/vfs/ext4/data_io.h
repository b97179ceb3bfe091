#ifndef VFS_EXT4_DATA_IO_H
#define VFS_EXT4_DATA_IO_H
/*
 * data_io.h - a page on its way to or from the disk. Layer: vfs/ext4.
 *
 * Owner    made by data_io_new() with one piece counted for the maker; frees itself, and
 *          answers the cache, when all pieces are done and the maker has let go.
 * Thread   scheduler thread only; the end of a piece comes outside any task.
 *
 * Way down: data_io_piece, data_io_go -> disk_send.
 */
#include "vfs/ext4/data.h"

struct data_io;

struct data_io_setup {
	struct ext4_inode *inode;
	struct cache_page *page;
	enum disk_op op;
	unsigned int flags;  /* enum disk_flags */
	uint32_t valid_size; /* of the page, inside the file: the rest is zero once read */
};
/* 0 or -ENOMEM. */
MUST_USE int data_io_new(const struct data_io_setup *setup, struct data_io **ret);
/*
 * Send blocks [at, +count) of the page to the disk's block `physical`. `t`: the transaction
 * that waits for it, counted by journal_data_begin(), or NULL.
 */
void data_io_piece(struct data_io *io, uint32_t at, uint32_t count, uint64_t physical,
		   struct journal_transaction *t);
/* No more pieces. `error`: of what could not be made a piece. */
void data_io_go(struct data_io *io, int error);

#endif /* VFS_EXT4_DATA_IO_H */
