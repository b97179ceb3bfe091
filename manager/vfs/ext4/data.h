#ifndef VFS_EXT4_DATA_H
#define VFS_EXT4_DATA_H
/*
 * data.h - bytes of files: the parts, to each other. Layer: vfs/ext4.
 *
 *     data.c           sizes, changes of ranges against readers
 *     data_read.c      reads, read-ahead
 *     data_write.c     writes: into pages, against a promise of blocks
 *     data_promise.c   the promises
 *     data_back.c      pages to the disk, blocks for what has none
 *     data_io.c        one page on its way from or to the disk
 *     data_range.c     pages of ranges whose blocks go
 *     data_truncate.c, data_fallocate.c, data_shift.c, data_sync.c
 *     data_map.c       files that clients map
 *
 * A page is 4096 bytes and has 1, 2 or 4 blocks. What a dirty page's block is:
 *
 *     in delayed        a hole on the disk; blocks are promised; data
 *     in converting     unwritten on the disk; data
 *     mapped            data
 *     none of them      a hole or unwritten; zeros, need not be written
 *
 * Promise  for each block in `delayed` one block, and for both sets what the extent tree may
 *          need; kept until write-back has found the blocks, or the page is dropped.
 * Ranges   who takes blocks from a file (truncate, punch) keeps readers out from before it
 *          drops the pages until the blocks are free: a page read in between would be read
 *          from what is another file's. Writers are kept out by inode->lock.
 * Thread   scheduler thread only.
 */
#include "vfs/ext4/data_set.h"
#include "vfs/ext4/ext4.h"

#define DATA_PAGE_SIZE 4096u
#define DATA_PAGE_SHIFT 12u
#define DATA_STREAMS 4u /* files read at several places at once */

/* Pages read one after the other. */
struct data_stream {
	uint64_t next;	/* the page that comes */
	uint64_t ahead; /* pages before this one are read, or on the way */
	uint32_t window;
};

struct ext4_data {
	struct block_set delayed, converting;
	/* ranges */
	unsigned int readers;
	bool changing;
	struct waitq readers_gone, change_done;
	/* read-ahead */
	struct data_stream streams[DATA_STREAMS];
	unsigned int next_stream;
	/* data_sync.c: writes that no transaction waits for; those of them that were flushed */
	uint64_t loose_writes, loose_flushed;
	/* data_map.c: NULL: no client maps it */
	struct data_map *map;
};

/* The inode's, made when first asked for. 0 or -ENOMEM. */
MUST_USE int data_of(struct ext4_inode *inode, struct ext4_data **ret);

/* ---- data.c: ranges. */
void data_read_begin(struct ext4_data *d) MAY_YIELD;
void data_read_end(struct ext4_data *d);
void data_change_begin(struct ext4_data *d) MAY_YIELD;
void data_change_end(struct ext4_data *d);
uint64_t data_size_max(const struct ext4_inode *inode);
/* Number of blocks that `size` bytes take. */
uint64_t data_blocks(const struct ext4 *fs, uint64_t size);

/* ---- data_write.c. */
/* 0, or why the file cannot be changed. */
MUST_USE int data_writable(const struct ext4_inode *inode);
/* After -ENOSPC, outside any handle: more may be free now. */
void data_make_room(struct ext4_inode *inode) MAY_YIELD;

/* ---- data_range.c: ranges whose blocks go. inode->lock is held. */
/* Bytes [from, end) of one page become zeros, where there is data. */
MUST_USE int data_zero_part(struct ext4_inode *inode, uint64_t from, uint64_t end) MAY_YIELD;
/* Before the file becomes longer: what its last block has behind the end is zero. */
MUST_USE int data_zero_tail(struct ext4_inode *inode) MAY_YIELD;
/* Blocks [first, end) can be unmapped: neither a page nor I/O has to do with them. */
MUST_USE int data_drop_blocks(struct ext4_inode *inode, uint64_t first, uint64_t end) MAY_YIELD;

/* ---- data_shift.c. inode->lock is held. */
/*
 * Bytes [offset, +size), whole blocks, are taken out of the file, or zeros put in there; what is
 * behind follows. Durable when it is done: else what is written over it afterwards could be
 * elsewhere after a power cut. If it needs more than a transaction, it may be half done then,
 * as it may after an error but -EINVAL, -EFBIG, -ENOSPC and those of the data before it.
 */
MUST_USE int data_collapse(struct ext4_inode *inode, uint64_t offset, uint64_t size) MAY_YIELD;
MUST_USE int data_insert(struct ext4_inode *inode, uint64_t offset, uint64_t size) MAY_YIELD;

/* ---- ext4_page_ops: data_read.c, data_back.c. */
void data_pages_read(struct cache_map *map, struct cache_page **pages, unsigned int count)
	MAY_YIELD;
void data_pages_write(struct cache_map *map, struct cache_page **pages, unsigned int count)
	MAY_YIELD;

/* ---- data_map.c: files that clients map. Without a map these do nothing. */
MUST_USE ssize_t data_map_read(struct ext4_inode *inode, void *buf, size_t size, uint64_t offset)
	MAY_YIELD;
/* The same bytes went into pages just now. */
void data_map_written(struct ext4_inode *inode, const void *buf, size_t size, uint64_t offset);
void data_map_zero(struct ext4_inode *inode, uint64_t offset, uint64_t size);
/* The file may become so long: make it possible. Or: it has become so short. */
MUST_USE int data_map_resize(struct ext4_inode *inode, uint64_t size);
void data_map_cut(struct ext4_inode *inode, uint64_t size);
/*
 * What was at `from`, to the end, is at `to`: whole pages, the map is long enough for both.
 * Readers are kept out.
 */
void data_map_shift(struct ext4_inode *inode, uint64_t from, uint64_t to) MAY_YIELD;
/*
 * Which bytes are where from `offset` on is the file's pages' to say: a move stopped half way.
 * What clients stored there and was not pushed is lost. Readers are kept out.
 */
void data_map_reload(struct ext4_inode *inode, uint64_t offset) MAY_YIELD;
/* What clients stored goes into pages. inode->lock is held. */
MUST_USE int data_map_push(struct ext4_inode *inode) MAY_YIELD;
void data_map_free(struct ext4_inode *inode);

static inline uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline struct ext4_inode *data_inode(struct cache_map *pages)
{
	return CONTAINER_OF(pages, struct ext4_inode, pages);
}

#endif /* VFS_EXT4_DATA_H */
