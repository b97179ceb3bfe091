#ifndef VFS_EXT4_FORMAT_H
#define VFS_EXT4_FORMAT_H
/*
 * format.h - ext4 as it stands on the disk. Layer: vfs/ext4.
 * Source: Linux, Documentation/filesystems/ext4.
 *
 * Order    all numbers are little-endian, and so are the machines this runs on; fields are read
 *          and written as they stand.
 * Hostile  a structure here promises a layout and nothing about what is in it.
 */
#include "base/cc.h"

#include <stdint.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the disk's order is the machine's");

#define EXT4_ROOT_NUMBER 2u
#define EXT4_RESIZE_NUMBER 7u
#define EXT4_JOURNAL_NUMBER 8u
#define EXT4_NAME_MAX 255u

/* ---- the superblock: 1024 bytes from the disk's byte 1024 on. */
#define EXT4_SUPER_OFFSET 1024u
#define EXT4_SUPER_SIZE 1024u
#define EXT4_SUPER_MAGIC 0xef53u
#define EXT4_LINK_MAX 65000u /* of a directory with dir_nlink it counts no further: 1 */

struct ext4_super {
	uint32_t inodes_count;
	uint32_t blocks_count_low;
	uint32_t reserved_blocks_low;
	uint32_t free_blocks_low;
	uint32_t free_inodes;
	uint32_t first_data_block;
	uint32_t log_block_size; /* 1024 << it */
	uint32_t log_cluster_size;
	uint32_t blocks_per_group;
	uint32_t clusters_per_group;
	uint32_t inodes_per_group;
	uint32_t mount_time;
	uint32_t write_time;
	uint16_t mount_count;
	uint16_t max_mount_count;
	uint16_t magic;
	uint16_t state; /* EXT4_STATE_* */
	uint16_t errors;
	uint16_t minor_revision;
	uint32_t last_check;
	uint32_t check_interval;
	uint32_t creator_os;
	uint32_t revision; /* 0: fixed inode size 128, first inode 11 */
	uint16_t default_reserved_uid;
	uint16_t default_reserved_gid;
	uint32_t first_inode;
	uint16_t inode_size;
	uint16_t block_group; /* of this copy */
	uint32_t feature_compat;
	uint32_t feature_incompat;
	uint32_t feature_ro_compat;
	uint8_t uuid[16];
	char volume_name[16];
	char last_mounted[64];
	uint32_t algorithms;
	uint8_t prealloc_blocks;
	uint8_t prealloc_directory_blocks;
	uint16_t reserved_descriptor_blocks;
	uint8_t journal_uuid[16];
	uint32_t journal_number;
	uint32_t journal_device;
	uint32_t last_orphan;
	uint32_t hash_seed[4];
	uint8_t default_hash_version;
	uint8_t journal_backup_type;
	uint16_t descriptor_size;
	uint32_t default_mount_options;
	uint32_t first_meta_group;
	uint32_t made_time;
	uint32_t journal_blocks[17];
	uint32_t blocks_count_high;
	uint32_t reserved_blocks_high;
	uint32_t free_blocks_high;
	uint16_t min_extra_size;
	uint16_t want_extra_size;
	uint32_t flags; /* EXT4_SUPER_FLAG_* */
	uint16_t raid_stride;
	uint16_t mmp_interval;
	uint64_t mmp_block;
	uint32_t raid_stripe_width;
	uint8_t log_groups_per_flex;
	uint8_t checksum_type; /* 1: crc32c */
	uint16_t reserved_pad;
	uint64_t kilobytes_written;
	uint32_t snapshot_number;
	uint32_t snapshot_id;
	uint64_t snapshot_reserved_blocks;
	uint32_t snapshot_list;
	uint32_t error_count;
	uint32_t first_error_time;
	uint32_t first_error_inode;
	uint64_t first_error_block;
	uint8_t first_error_function[32];
	uint32_t first_error_line;
	uint32_t last_error_time;
	uint32_t last_error_inode;
	uint32_t last_error_line;
	uint64_t last_error_block;
	uint8_t last_error_function[32];
	uint8_t mount_options[64];
	uint32_t user_quota_number;
	uint32_t group_quota_number;
	uint32_t overhead_blocks;
	uint32_t backup_groups[2]; /* sparse_super2 */
	uint8_t encrypt_algorithms[4];
	uint8_t encrypt_salt[16];
	uint32_t lost_found_number;
	uint32_t project_quota_number;
	uint32_t checksum_seed;
	uint8_t write_time_high;
	uint8_t mount_time_high;
	uint8_t made_time_high;
	uint8_t last_check_high;
	uint8_t first_error_time_high;
	uint8_t last_error_time_high;
	uint8_t first_error_code;
	uint8_t last_error_code;
	uint16_t encoding;
	uint16_t encoding_flags;
	uint32_t orphan_file_number;
	uint32_t reserved[94];
	uint32_t checksum; /* of all before it */
};
static_assert(sizeof(struct ext4_super) == EXT4_SUPER_SIZE, "the superblock");
static_assert(offsetof(struct ext4_super, magic) == 0x38, "the superblock");
static_assert(offsetof(struct ext4_super, journal_uuid) == 0xd0, "the superblock");
static_assert(offsetof(struct ext4_super, blocks_count_high) == 0x150, "the superblock");
static_assert(offsetof(struct ext4_super, mount_options) == 0x200, "the superblock");
static_assert(offsetof(struct ext4_super, checksum_seed) == 0x270, "the superblock");

/* super.first_error_code, last_error_code: a number of Linux's own for each errno. */
enum ext4_error_code { EXT4_ERROR_IO = 2, EXT4_ERROR_DAMAGE = 5 };
enum ext4_state { EXT4_STATE_CLEAN = 1, EXT4_STATE_ERRORS = 2, EXT4_STATE_ORPHANS = 4 };
enum ext4_super_flags {
	EXT4_SUPER_FLAG_SIGNED_HASH = 1,
	EXT4_SUPER_FLAG_UNSIGNED_HASH = 2,
};

/* Features that whoever does not know them may ignore. */
#define EXT4_COMPAT_DIR_PREALLOC 0x1u
#define EXT4_COMPAT_HAS_JOURNAL 0x4u
#define EXT4_COMPAT_EXT_ATTR 0x8u
#define EXT4_COMPAT_RESIZE_INODE 0x10u
#define EXT4_COMPAT_DIR_INDEX 0x20u
#define EXT4_COMPAT_SPARSE_SUPER2 0x200u
#define EXT4_COMPAT_FAST_COMMIT 0x400u
#define EXT4_COMPAT_STABLE_INODES 0x800u
#define EXT4_COMPAT_ORPHAN_FILE 0x1000u
/* Features without which one cannot even read. */
#define EXT4_INCOMPAT_COMPRESSION 0x1u
#define EXT4_INCOMPAT_FILETYPE 0x2u
#define EXT4_INCOMPAT_RECOVER 0x4u
#define EXT4_INCOMPAT_JOURNAL_DEV 0x8u
#define EXT4_INCOMPAT_META_BG 0x10u
#define EXT4_INCOMPAT_EXTENTS 0x40u
#define EXT4_INCOMPAT_64BIT 0x80u
#define EXT4_INCOMPAT_MMP 0x100u
#define EXT4_INCOMPAT_FLEX_BG 0x200u
#define EXT4_INCOMPAT_EA_INODE 0x400u
#define EXT4_INCOMPAT_DIRDATA 0x1000u
#define EXT4_INCOMPAT_CSUM_SEED 0x2000u
#define EXT4_INCOMPAT_LARGEDIR 0x4000u
#define EXT4_INCOMPAT_INLINE_DATA 0x8000u
#define EXT4_INCOMPAT_ENCRYPT 0x10000u
#define EXT4_INCOMPAT_CASEFOLD 0x20000u
/* Features without which one may read but not write. */
#define EXT4_RO_COMPAT_SPARSE_SUPER 0x1u
#define EXT4_RO_COMPAT_LARGE_FILE 0x2u
#define EXT4_RO_COMPAT_BTREE_DIR 0x4u
#define EXT4_RO_COMPAT_HUGE_FILE 0x8u
#define EXT4_RO_COMPAT_GDT_CSUM 0x10u
#define EXT4_RO_COMPAT_DIR_NLINK 0x20u
#define EXT4_RO_COMPAT_EXTRA_ISIZE 0x40u
#define EXT4_RO_COMPAT_HAS_SNAPSHOT 0x80u
#define EXT4_RO_COMPAT_QUOTA 0x100u
#define EXT4_RO_COMPAT_BIGALLOC 0x200u
#define EXT4_RO_COMPAT_METADATA_CSUM 0x400u
#define EXT4_RO_COMPAT_REPLICA 0x800u
#define EXT4_RO_COMPAT_READONLY 0x1000u
#define EXT4_RO_COMPAT_PROJECT 0x2000u
#define EXT4_RO_COMPAT_SHARED_BLOCKS 0x4000u
#define EXT4_RO_COMPAT_VERITY 0x8000u
#define EXT4_RO_COMPAT_ORPHAN_PRESENT 0x10000u

/* ---- group descriptors, from the block after the superblock on. */
#define EXT4_DESCRIPTOR_SIZE_MIN 32u /* without 64bit: the first half only */
#define EXT4_DESCRIPTOR_SIZE_MAX 1024u

struct ext4_descriptor {
	uint32_t block_bitmap_low;
	uint32_t inode_bitmap_low;
	uint32_t inode_table_low;
	uint16_t free_blocks_low;
	uint16_t free_inodes_low;
	uint16_t directories_low;
	uint16_t flags; /* EXT4_BG_* */
	uint32_t exclude_bitmap_low;
	uint16_t block_bitmap_checksum_low;
	uint16_t inode_bitmap_checksum_low;
	uint16_t unused_inodes_low;
	uint16_t checksum;
	uint32_t block_bitmap_high;
	uint32_t inode_bitmap_high;
	uint32_t inode_table_high;
	uint16_t free_blocks_high;
	uint16_t free_inodes_high;
	uint16_t directories_high;
	uint16_t unused_inodes_high;
	uint32_t exclude_bitmap_high;
	uint16_t block_bitmap_checksum_high;
	uint16_t inode_bitmap_checksum_high;
	uint32_t reserved;
};
static_assert(sizeof(struct ext4_descriptor) == 64, "a descriptor with 64bit");

#define EXT4_BG_INODE_UNINIT 1u /* inode bitmap (and table) never written: all free */
#define EXT4_BG_BLOCK_UNINIT 2u /* block bitmap never written: free but for metadata */
#define EXT4_BG_INODE_ZEROED 4u /* the inode table is zeros where it is unused */

/* ---- inodes. */
#define EXT4_INODE_SIZE_MIN 128u
#define EXT4_INODE_BLOCKS 15u /* pointers in block: 12 direct, then 1, 2 and 3 levels */
#define EXT4_DIRECT_BLOCKS 12u
#define EXT4_FAST_LINK_MAX 59u /* a longer target has a block */

struct ext4_disk_inode {
	uint16_t mode;
	uint16_t uid_low;
	uint32_t size_low;
	uint32_t atime;
	uint32_t ctime;
	uint32_t mtime;
	uint32_t dtime; /* of deletion, or the next orphan's number */
	uint16_t gid_low;
	uint16_t links_count;
	uint32_t blocks_low; /* of 512 bytes; with EXT4_HUGE_FILE_FL of the block size */
	uint32_t flags;	     /* EXT4_*_FL */
	uint32_t version_low;
	uint8_t block[60];
	uint32_t generation;
	uint32_t xattr_block_low;
	uint32_t size_high;
	uint32_t fragment_address;
	uint16_t blocks_high;
	uint16_t xattr_block_high;
	uint16_t uid_high;
	uint16_t gid_high;
	uint16_t checksum_low;
	uint16_t reserved;
	/* inodes of more than 128 bytes: of these, extra_size bytes are there */
	uint16_t extra_size;
	uint16_t checksum_high;
	uint32_t ctime_extra; /* 2 bits above the 32 of seconds, 30 of nanoseconds */
	uint32_t mtime_extra;
	uint32_t atime_extra;
	uint32_t btime;
	uint32_t btime_extra;
	uint32_t version_high;
	uint32_t project;
};
static_assert(sizeof(struct ext4_disk_inode) == 160, "an inode with all its extra fields");
static_assert(offsetof(struct ext4_disk_inode, block) == 0x28, "an inode");
static_assert(offsetof(struct ext4_disk_inode, checksum_low) == 0x7c, "an inode");
static_assert(offsetof(struct ext4_disk_inode, extra_size) == 0x80, "an inode");

#define EXT4_SYNC_FL 0x8u
#define EXT4_IMMUTABLE_FL 0x10u
#define EXT4_APPEND_FL 0x20u
#define EXT4_NODUMP_FL 0x40u
#define EXT4_NOATIME_FL 0x80u
#define EXT4_ENCRYPT_FL 0x800u
#define EXT4_INDEX_FL 0x1000u
#define EXT4_JOURNAL_DATA_FL 0x4000u
#define EXT4_DIRSYNC_FL 0x10000u
#define EXT4_TOPDIR_FL 0x20000u
#define EXT4_HUGE_FILE_FL 0x40000u
#define EXT4_EXTENTS_FL 0x80000u
#define EXT4_VERITY_FL 0x100000u
#define EXT4_EA_INODE_FL 0x200000u
#define EXT4_INLINE_DATA_FL 0x10000000u
#define EXT4_PROJINHERIT_FL 0x20000000u
#define EXT4_CASEFOLD_FL 0x40000000u
/* What a new inode takes over from its directory (of those, a file not all). */
#define EXT4_INHERITED_FL                                                                \
	(0x1u | 0x2u | 0x4u | EXT4_SYNC_FL | EXT4_NODUMP_FL | EXT4_NOATIME_FL | 0x400u | \
	 EXT4_JOURNAL_DATA_FL | 0x8000u | EXT4_DIRSYNC_FL | EXT4_PROJINHERIT_FL)

/* ---- extent trees. The root is in the inode; blocks below end with a checksum. */
#define EXT4_EXTENT_MAGIC 0xf30au
#define EXT4_EXTENT_DEPTH_MAX 5u
#define EXT4_EXTENT_LENGTH_MAX 32768u /* written; an unwritten one has length + 32768 */
#define EXT4_EXTENTS_IN_INODE 4u

struct ext4_extent_header {
	uint16_t magic;
	uint16_t entries;
	uint16_t entries_max;
	uint16_t depth; /* 0: what follows are extents */
	uint32_t generation;
};

struct ext4_extent_index {
	uint32_t logical; /* the first block below it */
	uint32_t child_low;
	uint16_t child_high;
	uint16_t unused;
};

struct ext4_extent {
	uint32_t logical;
	uint16_t length;
	uint16_t start_high;
	uint32_t start_low;
};

/* At the end of the room for entries: header + entries_max * 12. */
struct ext4_extent_tail {
	uint32_t checksum;
};
static_assert(sizeof(struct ext4_extent_header) == 12, "12 bytes each");
static_assert(sizeof(struct ext4_extent_index) == 12, "12 bytes each");
static_assert(sizeof(struct ext4_extent) == 12, "12 bytes each");

/* ---- directories: records that fill each block exactly. */
struct ext4_dirent {
	uint32_t number; /* 0: not in use */
	uint16_t size;	 /* to the next record; a multiple of 4 */
	uint8_t name_length;
	uint8_t type; /* EXT4_TYPE_*; without filetype: 0 */
	char name[];
};
static_assert(sizeof(struct ext4_dirent) == 8, "before the name");
/* Bytes a record with such a name needs. */
#define EXT4_DIRENT_SIZE(name_length) ((8u + (uint32_t)(name_length) + 3u) & ~3u)

enum ext4_type {
	EXT4_TYPE_UNKNOWN,
	EXT4_TYPE_REGULAR,
	EXT4_TYPE_DIRECTORY,
	EXT4_TYPE_CHARACTER,
	EXT4_TYPE_BLOCK,
	EXT4_TYPE_FIFO,
	EXT4_TYPE_SOCKET,
	EXT4_TYPE_LINK,
	EXT4_TYPE_COUNT,
};

/* With metadata_csum the last 12 bytes of a block of names; an unused record to others. */
#define EXT4_DIR_TAIL_TYPE 0xdeu
struct ext4_dir_tail {
	uint32_t zero;
	uint16_t size; /* 12 */
	uint8_t zero_length;
	uint8_t type; /* EXT4_DIR_TAIL_TYPE */
	uint32_t checksum;
};
static_assert(sizeof(struct ext4_dir_tail) == 12, "a tail");

/* ---- htree: in block 0 after "." and "..", and in blocks that look like one unused record. */
#define EXT4_HASH_LEGACY 0u
#define EXT4_HASH_HALF_MD4 1u
#define EXT4_HASH_TEA 2u
#define EXT4_HASH_UNSIGNED 3u	  /* added to the three, in memory and on the disk */
#define EXT4_HASH_END 0xfffffffeu /* a hash that no name may have (after >> 1 << 1) */

struct ext4_index_info {
	uint32_t zero;
	uint8_t hash_version;
	uint8_t size;	/* 8 */
	uint8_t levels; /* of index blocks below the root */
	uint8_t flags;
};
#define EXT4_INDEX_ROOT_INFO 24u /* its offset in block 0 */
#define EXT4_INDEX_ROOT_ENTRIES 32u
#define EXT4_INDEX_NODE_ENTRIES 8u

/* The first of a table has limit and count in the place of its hash, which is 0. */
struct ext4_index_entry {
	uint32_t hash;
	uint32_t block; /* of the directory */
};
struct ext4_index_count {
	uint16_t limit;
	uint16_t count;
};
struct ext4_index_tail { /* after `limit` entries */
	uint32_t zero;
	uint32_t checksum;
};

/* ---- extended attributes: behind the inode's extra fields, and in one block. */
#define EXT4_XATTR_MAGIC 0xea020000u
#define EXT4_XATTR_REFERENCES_MAX 1024u

struct ext4_xattr_header { /* of the block */
	uint32_t magic;
	uint32_t references;
	uint32_t blocks; /* 1 */
	uint32_t hash;
	uint32_t checksum;
	uint32_t reserved[3];
};
static_assert(sizeof(struct ext4_xattr_header) == 32, "32 bytes");

struct ext4_xattr_entry {
	uint8_t name_length;
	uint8_t name_index; /* EXT4_XATTR_INDEX_* */
	uint16_t value_offset;
	uint32_t value_inode; /* ea_inode */
	uint32_t value_size;
	uint32_t hash;
	char name[];
};
static_assert(sizeof(struct ext4_xattr_entry) == 16, "before the name");

enum ext4_xattr_index {
	EXT4_XATTR_INDEX_PLAIN = 0,
	EXT4_XATTR_INDEX_USER = 1,
	EXT4_XATTR_INDEX_ACL_ACCESS = 2,
	EXT4_XATTR_INDEX_ACL_DEFAULT = 3,
	EXT4_XATTR_INDEX_TRUSTED = 4,
	EXT4_XATTR_INDEX_SECURITY = 6,
	EXT4_XATTR_INDEX_SYSTEM = 7,
	EXT4_XATTR_INDEX_RICHACL = 8,
};

/* ---- orphan_file: blocks of numbers, each block with a tail. */
#define EXT4_ORPHAN_MAGIC 0x0b10ca04u
struct ext4_orphan_tail {
	uint32_t magic;
	uint32_t checksum;
};

#endif /* VFS_EXT4_FORMAT_H */
