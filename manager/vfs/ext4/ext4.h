#ifndef VFS_EXT4_EXT4_H
#define VFS_EXT4_EXT4_H
/*
 * ext4.h - the parts of the ext4 file system, to each other. Layer: vfs/ext4.
 * Format: Linux, Documentation/filesystems/ext4; judge: e2fsck.
 *
 * Order of locks (outer first):
 *     inode->lock: all that an operation needs at once, by number  (changes of names, sizes,
 *     attributes)
 *     pages being read or written (cache)
 *     a handle (journal_begin)
 *     orphan_lock
 *     inode->map_lock: the extent tree
 *     metadata blocks (cache)
 * So: write-back, which has pages, may begin a handle and take map_lock, but no
 * inode->lock; and nobody
 * waits for a data page while inside a handle. File data is copied into pages with no
 * handle at all; blocks are found for it at write-back (delayed allocation), against
 * a reservation made when it was written (so ENOSPC comes from write(2)).
 *
 * Hostile  the image: every number from it is checked where it is read. Damage is -EUCLEAN, told
 *          once (ext4_damage), after which the file system takes no changes (-EROFS).
 * Owner    inodes are counted by the vfs; one struct ext4_inode a number, found by ext4_iget.
 * Thread   scheduler thread only.
 *
 * Way down: ext4_dir_ops, ext4_file_ops (fs.c) -> names dir.c, bytes data.c -> extent.c, alloc.c
 * -> journal, cache.
 */
#include "base/cc.h"
#include "base/list.h"
#include "cache/cache.h"
#include "journal/journal.h"
#include "vfs/ext4/format.h"
#include "vfs/vfs.h"

#include <stdint.h>

struct ext4_inode;
struct ext4_listing;   /* readdir.c: names that a reader of a directory goes on with */
struct ext4_dir_index; /* dirhash.c: names of a directory by hash, in memory */

struct ext4_group {
	uint64_t block_bitmap, inode_bitmap, inode_table; /* checked: inside the disk */
	uint32_t free_blocks, free_inodes, directories;
	uint32_t unused_inodes; /* at the end of the table, never initialised */
	uint16_t flags;		/* EXT4_BG_* */
	bool damaged;		/* checksum wrong: nothing is allocated here */
	uint32_t freeing;	/* blocks freed by transactions not yet durable (alloc.c) */
};

/*
 * cache_page.checked of blocks: what a block was found to be. Damaged files may share one, so
 * whoever uses it as something else looks at it again.
 */
enum ext4_checked {
	EXT4_IS_BLOCK_BITMAP = 1,
	EXT4_IS_INODE_BITMAP,
	EXT4_IS_NAMES,
	EXT4_IS_INDEX_ROOT,
	EXT4_IS_INDEX_NODE,
	EXT4_IS_EXTENTS,
	EXT4_IS_ATTRIBUTES,
};

/* Blocks that hold the file system itself: no file may have them. */
struct ext4_zone {
	uint64_t first, end;
};

#define EXT4_LISTINGS 8u /* readers of directories whose place is remembered */

struct ext4_error {
	uint8_t code;	      /* enum ext4_error_code; 0: none */
	const char *function; /* that found it */
	uint32_t line;
	uint64_t time_s;
};

struct ext4 {
	struct vfs_fs fs;
	struct disk *disk;
	struct cache_map blocks;	       /* of the disk, by block number */
	struct journal *journal;	       /* NULL: none */
	struct ext4_journal_run *journal_runs; /* where the journal's blocks are */
	uint32_t journal_run_count;
	bool read_only;
	bool mapped, allocates, written; /* what unmount has to end */
	int damage;			 /* no more changes: -EUCLEAN; -ENOSPC: the disk is full */
	char damage_text[160];		 /* the first */
	struct ext4_error error;	 /* and what the superblock says of it */
	/* constant while mounted */
	uint32_t block_size, block_shift;
	uint64_t block_count;
	uint32_t first_block;
	uint32_t blocks_per_group, inodes_per_group, group_count;
	uint32_t inode_size, inode_count, first_inode;
	uint32_t descriptor_size, descriptors_per_block;
	uint32_t feature_compat, feature_incompat, feature_ro_compat;
	uint32_t checksum_seed; /* metadata_csum */
	uint32_t hash_seed[4], hash_version;
	bool hash_unsigned;
	uint8_t uuid[16];
	uint64_t reserved_blocks; /* for root and these (s_r_blocks_count) */
	uint32_t reserved_uid, reserved_gid;
	uint64_t overhead_blocks; /* statfs */
	uint32_t descriptor_blocks, first_meta_group, backup_groups[2];
	uint32_t reserved_descriptor_blocks; /* after the descriptors, for resize2fs */
	uint32_t groups_per_flex_shift;
	uint16_t want_extra_size;
	struct ext4_zone *zones; /* ascending, apart from each other */
	uint32_t zone_count;
	/* the superblock's own page, pinned */
	struct cache_page *super_page;
	/* counters, in memory; written to the superblock at sync and unmount */
	uint64_t free_blocks, free_inodes;
	uint64_t delayed_blocks; /* promised to data that has no blocks yet */
	struct ext4_group *groups;
	struct ext4_alloc *alloc; /* alloc.c */
	/* inodes in memory */
	struct ext4_inode **inode_table; /* by number, hashed */
	uint32_t inode_buckets, inodes_in_memory;
	struct list dirty_inodes; /* times and sizes not yet in their blocks */
	struct list orphans;	  /* as on the disk: newest first */
	struct task_lock orphan_lock;
	uint32_t next_generation;
	/* release.c */
	struct list closing;	 /* nobody has them: to be written, or deleted, by a task */
	struct list closing_now; /* what tasks are at */
	uint64_t closings;	 /* how many were put into closing */
	struct task *closer;	 /* the task; NULL: none */
	struct waitq closed;	 /* woken when it ends, or an inode has left memory */
	struct task *storer;	 /* stores marked inodes after a while */
	struct task *noter;	 /* tells the disk of an error (errors.c) */
	struct ext4_lost *lost;	 /* files that lost data when they were closed; NULL: none yet */
	uint32_t lost_count;
	int lost_first, lost_untold; /* as -errno; nobody has heard of the latter */
	struct list replaced;  /* files cut and written anew: to be written; each is counted */
	struct task *replacer; /* the task */
	/* dirhash.c */
	struct list indexes; /* of directories' names: the last used at the end */
	uint64_t index_bytes;
	/* readdir.c: what readers that stopped go on with */
	struct ext4_listing *listings[EXT4_LISTINGS];
	uint32_t next_listing;	/* whose place is taken next */
	struct ext4_maps *maps; /* data_map.c; NULL: no file was mapped yet */
};

enum ext4_inode_flags_in_memory {
	EXT4_I_DIRTY = 1,	 /* in dirty_inodes */
	EXT4_I_ORPHAN = 2,	 /* in the orphan list */
	EXT4_I_DELETED = 4,	 /* nlink 0 and freed */
	EXT4_I_NEW = 8,		 /* its room on the disk has never been written */
	EXT4_I_LOADING = 16,	 /* being read from the disk */
	EXT4_I_CLOSING = 32,	 /* nobody has it: in fs->closing, or with the task */
	EXT4_I_WITH_CLOSER = 64, /* the task is at it */
	EXT4_I_LEAVING = 128,	 /* it is too late to have it again: wait until it is gone */
	EXT4_I_REPLACED = 256,	 /* cut to nothing, and perhaps written anew since */
};

struct ext4_inode {
	struct inode inode; /* first */
	struct ext4 *fs;
	struct ext4_inode *hash_next;
	struct list dirty_node, orphan_node, closing_node, replaced_node;
	struct waitq loaded;	 /* LOADING ended */
	int error;		 /* how */
	uint64_t closing_number; /* of fs->closings */
	uint32_t revivals;	 /* it was had again before the task was done */
	uint32_t number, generation;
	unsigned int state; /* enum ext4_inode_flags_in_memory */
	struct task_lock lock, map_lock;
	/* of the disk's inode, kept in host order; written by ext4_inode_store() */
	uint32_t mode, uid, gid, nlink;
	uint64_t size;	    /* what programs see */
	uint64_t disk_size; /* what the disk's inode says: grows when data has blocks */
	uint64_t blocks;    /* of 512 bytes */
	uint32_t flags;	    /* EXT4_*_FL */
	struct timespec atime, mtime, ctime, btime;
	uint64_t xattr_block;
	uint32_t project;
	uint32_t rdev_encoded;
	uint16_t extra_size;
	uint8_t block[60]; /* i_block: extent root, fast link, device numbers */
	uint32_t checksum_seed;
	uint32_t next_orphan;				  /* number, from the disk's i_dtime */
	uint32_t last_transaction, last_data_transaction; /* for fsync, fdatasync */
	/* data */
	/* Regular files with `data`: data.c makes it with `data`, ext4_data_free() ends it. */
	struct cache_map pages;
	uint64_t delayed;		   /* blocks promised to this file */
	struct ext4_data *data;		   /* data.c: mapping for clients, read-ahead */
	struct ext4_extent_cache *extents; /* extent.c: the last runs found */
	struct ext4_dir_index *names;	   /* directories; NULL: not made yet, or given up */
	uint32_t changes;		   /* of its names: who yielded looks whether it grew */
	uint32_t finds;			   /* names looked for without `names` */
	uint64_t alloc_goal;		   /* block after the last one given */
};

static inline struct ext4_inode *ext4_i(struct inode *inode)
{
	return CONTAINER_OF(inode, struct ext4_inode, inode);
}

/* ---- super.c: mount and unmount. */
/* format.h has the lists of features. A message for people, for what mount refused or did. */
struct ext4_mount_options {
	bool read_only;
	/*
	 * After an error there are no more changes, as with Linux's errors=remount-ro, whatever
	 * the superblock asks for; it is told, and the next mount is read-only until e2fsck has
	 * been there.
	 */
	uint64_t now_s; /* for the superblock's times; 0: the clock */
};
struct ext4_report {
	char text[256]; /* why it was refused, or is read-only; "" */
	bool read_only;
	struct journal_replayed replayed;
	bool was_replayed;
	uint32_t orphans; /* inodes deleted or cut at mount */
};
/*
 * The disk stays the caller's. 0, -EMEDIUMTYPE (not ext4), -EUCLEAN, -EROFS, -EOPNOTSUPP
 * (features) ...
 */
MUST_USE int ext4_mount(struct disk *disk, const struct ext4_mount_options *options,
			struct ext4 **ret, struct ext4_report *ret_report) MAY_YIELD;
/*
 * All inodes must have been put. Writes everything; frees in any case. 0, or why changes are lost:
 * -ENOSPC if the disk has no room, and the rest is whole; -EUCLEAN if it is not.
 */
int ext4_unmount(struct ext4 *fs) MAY_YIELD;
const char *ext4_loss_text(int error); /* what a user is told of that */
MUST_USE int ext4_sync_fs(struct ext4 *fs) MAY_YIELD;
MUST_USE int ext4_root(struct ext4 *fs, struct inode **ret) MAY_YIELD;
/*
 * Something on the disk is impossible: log once, no more changes; the disk is told, with the
 * function and line that found it. Gives -EUCLEAN.
 */
#define ext4_damage(fs, ...) ext4_damage_at(fs, __func__, __LINE__, __VA_ARGS__)
int ext4_damage_at(struct ext4 *fs, const char *function, uint32_t line, const char *format, ...)
	PRINTF_LIKE(4, 5);
/* 0, or -EROFS: first thing in each change. */
MUST_USE int ext4_writable(const struct ext4 *fs);
/* Begin an operation's handle: journal_begin with this file system's journal, or without one. */
MUST_USE int ext4_begin(struct ext4 *fs, uint32_t credits, struct journal_handle *ret) MAY_YIELD;
bool ext4_block_valid(const struct ext4 *fs, uint64_t block,
		      uint64_t count); /* data may lie there */

/* ---- checksum.c: crc32c (SSE4.2 or a table), as ext4 uses it (no final inversion). */
uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t size);
bool ext4_has_checksums(const struct ext4 *fs);

/* ---- group.c: descriptors and bitmaps' blocks. */
MUST_USE int ext4_groups_load(struct ext4 *fs) MAY_YIELD;
void ext4_groups_free(struct ext4 *fs);
/* The descriptor as it is in memory goes to its block, checksummed. */
MUST_USE int ext4_group_store(struct journal_handle *h, struct ext4 *fs, uint32_t group) MAY_YIELD;
/* A group's bitmap, checked once when read, made if the group is uninitialised. Pinned. */
MUST_USE int ext4_block_bitmap(struct ext4 *fs, uint32_t group, struct cache_page **ret) MAY_YIELD;
MUST_USE int ext4_inode_bitmap(struct ext4 *fs, uint32_t group, struct cache_page **ret) MAY_YIELD;
/*
 * After a change: checksum into the descriptor, both dirty. Get write access to the bitmap
 * before.
 */
MUST_USE int ext4_bitmap_store(struct journal_handle *h, struct ext4 *fs, uint32_t group,
			       struct cache_page *bitmap, bool of_inodes) MAY_YIELD;

/* ---- inode.c: inodes between disk and memory. */
MUST_USE int ext4_iget(struct ext4 *fs, uint32_t number, struct ext4_inode **ret) MAY_YIELD;
/* A new one in memory for a number just allocated; not on the disk until stored. Counted. */
MUST_USE int ext4_inode_new(struct ext4 *fs, uint32_t number, uint32_t mode,
			    struct ext4_inode **ret);
/* Into its block, within the handle. */
MUST_USE int ext4_inode_store(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD;
/* Times or size changed in memory; stored at the next sync, commit or eviction. */
void ext4_inode_mark(struct ext4_inode *inode);
MUST_USE int ext4_inodes_store_marked(struct ext4 *fs) MAY_YIELD;
/* The inode's block, pinned, and where in it the inode begins (xattrs in the body). */
MUST_USE int ext4_inode_block(struct ext4_inode *inode, struct cache_page **ret, uint8_t **ret_raw)
	MAY_YIELD;
extern const struct inode_ops ext4_file_ops, ext4_dir_ops, ext4_link_ops, ext4_special_ops;

/* ---- alloc.c: blocks and inode numbers. */
/* Up to *count blocks, at or after goal (0: near the inode); *count becomes what was given. */
MUST_USE int ext4_blocks_alloc(struct journal_handle *h, struct ext4_inode *inode, uint64_t goal,
			       uint32_t *count, uint64_t *ret_first) MAY_YIELD;
/*
 * Usable again when the handle's transaction is durable. Metadata is forgotten by the
 * journal too.
 */
MUST_USE int ext4_blocks_free(struct journal_handle *h, struct ext4_inode *inode, uint64_t first,
			      uint32_t count, bool metadata) MAY_YIELD;
/* Promise blocks to delayed data. 0 or -ENOSPC. */
MUST_USE int ext4_reserve(struct ext4_inode *inode, uint64_t count);
void ext4_unreserve(struct ext4_inode *inode, uint64_t count);
MUST_USE int ext4_number_alloc(struct journal_handle *h, struct ext4_inode *dir, uint32_t mode,
			       uint32_t *ret) MAY_YIELD;
MUST_USE int ext4_number_free(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD;
/* Credits for allocating or freeing `count` blocks at once. */
uint32_t ext4_credits_alloc(const struct ext4 *fs, uint32_t count);
MUST_USE int ext4_alloc_init(struct ext4 *fs);
void ext4_alloc_fini(struct ext4 *fs);
void ext4_alloc_committed(struct ext4 *fs, uint32_t transaction_id);

/* ---- extent.c: where a file's blocks are. Take map_lock themselves. */
enum ext4_run_kind { EXT4_HOLE, EXT4_MAPPED, EXT4_UNWRITTEN };
struct ext4_run {
	enum ext4_run_kind kind;
	uint32_t count;	   /* blocks, from the one asked for */
	uint64_t physical; /* not for holes */
};
/* Old block maps (no EXTENTS_FL) can be looked up too. */
MUST_USE int ext4_map(struct ext4_inode *inode, uint32_t logical, uint32_t count,
		      struct ext4_run *ret) MAY_YIELD;
/*
 * Make [logical, +count) mapped: holes get blocks (unwritten if asked), unwritten ones are
 * converted if not. Does the
 * first run only: ret->count tells how far it came. Within the handle, credits by
 * ext4_credits_map().
 */
MUST_USE int ext4_map_create(struct journal_handle *h, struct ext4_inode *inode, uint32_t logical,
			     uint32_t count, bool unwritten, struct ext4_run *ret) MAY_YIELD;
uint32_t ext4_credits_map(const struct ext4_inode *inode, uint32_t count);
/* Free blocks [first, end) in steps with their own handles. The inode is stored by it. */
MUST_USE int ext4_unmap(struct ext4_inode *inode, uint32_t first, uint64_t end) MAY_YIELD;
/* A new file's empty root. */
void ext4_extents_init(struct ext4_inode *inode);
void ext4_extents_forget(struct ext4_inode *inode);		     /* the memory kept of it */
MUST_USE int ext4_extents_check(struct ext4_inode *inode) MAY_YIELD; /* tests: the whole tree */
/*
 * Next logical block, at or after `logical`, that is (data) or is not (hole) mapped;
 * UINT64_MAX: none.
 */
MUST_USE int ext4_map_seek(struct ext4_inode *inode, uint32_t logical, bool data, uint64_t *ret)
	MAY_YIELD;

/* ---- data.c: bytes of files. */
extern const struct cache_map_ops ext4_page_ops;
ssize_t ext4_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD;
ssize_t ext4_write(struct inode *inode, const void *buf, size_t size, uint64_t offset) MAY_YIELD;
int ext4_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t size) MAY_YIELD;
int64_t ext4_seek_data(struct inode *inode, uint64_t offset, int whence) MAY_YIELD;
int ext4_map_file(struct inode *inode, bool for_write, struct vfs_mapping *ret) MAY_YIELD;
int ext4_fsync(struct inode *inode, bool data_only) MAY_YIELD;
/* Another size; inode->lock is held. Stores the inode. */
MUST_USE int ext4_truncate(struct ext4_inode *inode, uint64_t size) MAY_YIELD;
/*
 * Pages and what data.c keeps are gone, unwritten ones too; the inode is about to leave memory.
 * Without `data` there is nothing to do.
 */
void ext4_data_free(struct ext4_inode *inode) MAY_YIELD;
/* Write out what waits for blocks (replace by rename, close after truncate). */
MUST_USE int ext4_flush_delayed(struct ext4_inode *inode) MAY_YIELD;
/* Who wrote the file has closed it: one that was cut to nothing before is written out soon. */
void ext4_close_write(struct inode *inode);
/* What clients stored into mapped files goes to the files' pages; before ext4_sync_fs() writes. */
void ext4_maps_push(struct ext4 *fs) MAY_YIELD;
/* The same for the last time: nobody maps anything any more. First of all in ext4_unmount(). */
void ext4_maps_close(struct ext4 *fs) MAY_YIELD;

/*
 * ---- dir.c, dirhash.c, htree.c: names in directories. inode->lock of the directory is
 * held for changes.
 */
struct ext4_name {
	const char *text; /* not terminated */
	uint32_t len;	  /* 1 to 255: checked by the vfs, and here */
};
MUST_USE int ext4_dir_find(struct ext4_inode *dir, const struct ext4_name *name,
			   uint32_t *ret_number) MAY_YIELD; /* -ENOENT */
int ext4_readdir(struct inode *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx) MAY_YIELD;
MUST_USE int ext4_dir_add(struct journal_handle *h, struct ext4_inode *dir,
			  const struct ext4_name *name, const struct ext4_inode *inode) MAY_YIELD;
MUST_USE int ext4_dir_remove(struct journal_handle *h, struct ext4_inode *dir,
			     const struct ext4_name *name, uint32_t number) MAY_YIELD;
/* The name leads to another inode (rename over an existing name, ".." of a moved directory). */
MUST_USE int ext4_dir_set(struct journal_handle *h, struct ext4_inode *dir,
			  const struct ext4_name *name, const struct ext4_inode *inode) MAY_YIELD;
MUST_USE int ext4_dir_init(struct journal_handle *h, struct ext4_inode *dir,
			   const struct ext4_inode *parent) MAY_YIELD; /* "." and ".." */
MUST_USE int ext4_dir_empty(struct ext4_inode *dir) MAY_YIELD;	       /* 0 or -ENOTEMPTY */
uint32_t ext4_credits_dir(const struct ext4_inode *dir);
void ext4_dir_forget(struct ext4_inode *dir); /* the memory kept of it */

/*
 * ---- names.c: operations on names (inode_ops). orphan.c: inodes without a name, or to be
 * cut.
 */
MUST_USE int ext4_orphan_add(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD;
MUST_USE int ext4_orphan_remove(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD;
/* At mount: delete or cut what the list holds. */
MUST_USE int ext4_orphans_clean(struct ext4 *fs, uint32_t *ret_count) MAY_YIELD;
/*
 * The last reference of an inode without a name is gone: its blocks and number are freed,
 * by a task.
 */
void ext4_release(struct inode *inode);

/* ---- xattr.c, acl.c. inode->lock is held for changes. */
ssize_t ext4_getxattr(struct inode *inode, const char *name, void *buf, size_t size) MAY_YIELD;
int ext4_setxattr(struct inode *inode, const char *name, const void *buf, size_t size, int flags)
	MAY_YIELD;
ssize_t ext4_listxattr(struct inode *inode, char *buf, size_t size) MAY_YIELD;
int ext4_removexattr(struct inode *inode, const char *name) MAY_YIELD;
int ext4_get_acl(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl **ret) MAY_YIELD;
int ext4_set_acl(struct inode *inode, const struct vfs_acl_change *change) MAY_YIELD;
/* If its access list changes with this mode, both do, in one handle: 1. Else nothing does: 0. */
MUST_USE int ext4_acl_chmod(struct ext4_inode *inode, uint32_t mode) MAY_YIELD;
/* The lists of an inode that is being made, in its handle, which has these credits for it. */
MUST_USE int ext4_acl_begin(struct journal_handle *h, struct ext4_inode *inode,
			    const struct vfs_attr *attr) MAY_YIELD;
uint32_t ext4_acl_credits(const struct ext4 *fs, const struct vfs_attr *attr);
/* The inode is deleted: its attribute block is put. */
MUST_USE int ext4_xattr_free(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD;

#endif /* VFS_EXT4_EXT4_H */
