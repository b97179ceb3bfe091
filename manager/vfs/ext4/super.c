#include "vfs/ext4/inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOG_BLOCK_SIZE_MAX 2u	  /* 4096 */
#define GROUPS_MAX (1u << 20)	  /* memory for them is taken at mount */
#define BLOCKS_PER_GROUP_MIN 256u /* mke2fs makes none smaller */
#define FIRST_INODE_OLD 11u	  /* of revision 0 */
#define HASH_VERSION_MAX EXT4_HASH_TEA
#define CHECKSUM_CRC32C 1u
#define GROUPS_PER_FLEX_SHIFT_MAX 20u

struct feature {
	uint32_t bit;
	const char *name;
};

/* What cannot be read without. */
static const struct feature unreadable[] = {
	{ EXT4_INCOMPAT_COMPRESSION, "compression" },
	{ EXT4_INCOMPAT_JOURNAL_DEV, "journal_dev" },
	{ EXT4_INCOMPAT_DIRDATA, "dirdata" },
	{ EXT4_INCOMPAT_INLINE_DATA, "inline_data" },
};
/* What can be read all the same. */
static const struct feature incompat_read_only[] = {
	{ EXT4_INCOMPAT_MMP, "mmp" },
	{ EXT4_INCOMPAT_EA_INODE, "ea_inode" },
	{ EXT4_INCOMPAT_LARGEDIR, "large_dir" },
	{ EXT4_INCOMPAT_ENCRYPT, "encrypt" },
	{ EXT4_INCOMPAT_CASEFOLD, "casefold" },
};
static const struct feature ro_compat_read_only[] = {
	{ EXT4_RO_COMPAT_BTREE_DIR, "btree_dir" },
	{ EXT4_RO_COMPAT_HAS_SNAPSHOT, "snapshot" },
	{ EXT4_RO_COMPAT_QUOTA, "quota" },
	{ EXT4_RO_COMPAT_BIGALLOC, "bigalloc" },
	{ EXT4_RO_COMPAT_REPLICA, "replica" },
	{ EXT4_RO_COMPAT_READONLY, "read-only" },
	{ EXT4_RO_COMPAT_PROJECT, "project" },
	{ EXT4_RO_COMPAT_SHARED_BLOCKS, "shared_blocks" },
	{ EXT4_RO_COMPAT_VERITY, "verity" },
	{ EXT4_RO_COMPAT_ORPHAN_PRESENT, "orphan_present" },
};
static const struct feature compat_read_only[] = {
	{ EXT4_COMPAT_FAST_COMMIT, "fast_commit" },
};

#define INCOMPAT_WRITABLE                                                         \
	(EXT4_INCOMPAT_FILETYPE | EXT4_INCOMPAT_RECOVER | EXT4_INCOMPAT_META_BG | \
	 EXT4_INCOMPAT_EXTENTS | EXT4_INCOMPAT_64BIT | EXT4_INCOMPAT_FLEX_BG |    \
	 EXT4_INCOMPAT_CSUM_SEED)
#define INCOMPAT_READABLE                                                                          \
	(INCOMPAT_WRITABLE | EXT4_INCOMPAT_MMP | EXT4_INCOMPAT_EA_INODE | EXT4_INCOMPAT_LARGEDIR | \
	 EXT4_INCOMPAT_ENCRYPT | EXT4_INCOMPAT_CASEFOLD)
#define RO_COMPAT_WRITABLE                                                                    \
	(EXT4_RO_COMPAT_SPARSE_SUPER | EXT4_RO_COMPAT_LARGE_FILE | EXT4_RO_COMPAT_HUGE_FILE | \
	 EXT4_RO_COMPAT_GDT_CSUM | EXT4_RO_COMPAT_DIR_NLINK | EXT4_RO_COMPAT_EXTRA_ISIZE |    \
	 EXT4_RO_COMPAT_METADATA_CSUM)

int ext4_refuse(struct ext4_report *report, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->text, sizeof(report->text), format, args);
	va_end(args);
	return error;
}

/* The name of the first feature of `bits`. */
static const char *feature_name(const struct feature *table, size_t count, uint32_t bits)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].bit & bits)
			return table[i].name;
	return "unknown to this version";
}

struct ext4_super *ext4_super(const struct ext4 *fs)
{
	size_t offset = fs->block_size > EXT4_SUPER_OFFSET ? EXT4_SUPER_OFFSET : 0;

	return (struct ext4_super *)(void *)((uint8_t *)fs->super_page->data + offset);
}

uint64_t ext4_block_of_super(const struct ext4 *fs)
{
	return fs->block_size > EXT4_SUPER_OFFSET ? 0 : 1;
}

static uint32_t checksum_of(const struct ext4_super *super)
{
	return ext4_crc32c(~0u, super, offsetof(struct ext4_super, checksum));
}

void ext4_super_checksum(const struct ext4 *fs, struct ext4_super *super)
{
	if (ext4_has_checksums(fs))
		super->checksum = checksum_of(super);
}

int ext4_super_get_write(struct journal_handle *h, struct ext4 *fs)
{
	return journal_get_write(h, fs->super_page);
}

void ext4_super_store(struct journal_handle *h, struct ext4 *fs)
{
	ext4_super_checksum(fs, ext4_super(fs));
	journal_dirty(h, fs->super_page);
}

/* Before any number is believed. */
static int check_kind(const struct ext4_super *s, struct ext4_report *report)
{
	uint32_t bits;

	if (s->magic != EXT4_SUPER_MAGIC)
		return ext4_refuse(report, -EMEDIUMTYPE, "this is not an ext4 file system");
	if (s->feature_ro_compat & EXT4_RO_COMPAT_METADATA_CSUM) {
		if (s->checksum_type != CHECKSUM_CRC32C)
			return ext4_refuse(report, -EOPNOTSUPP,
					   "its checksums are of a kind unknown (%u)",
					   s->checksum_type);
		if (s->checksum != checksum_of(s))
			return ext4_refuse(report, -EUCLEAN, "the superblock's checksum is wrong");
	}
	if (s->revision > 1)
		return ext4_refuse(report, -EOPNOTSUPP, "revision %u of the format is unknown",
				   s->revision);
	if (s->revision == 0 && (s->feature_compat || s->feature_incompat || s->feature_ro_compat))
		return ext4_refuse(report, -EUCLEAN, "revision 0 with features");
	bits = s->feature_incompat & ~INCOMPAT_READABLE;
	if (bits)
		return ext4_refuse(report, -EOPNOTSUPP,
				   "it has a feature that cannot be read: %s (incompat %#x)",
				   feature_name(unreadable, ARRAY_COUNT(unreadable), bits), bits);
	if (s->log_block_size > LOG_BLOCK_SIZE_MAX)
		return ext4_refuse(report, -EOPNOTSUPP,
				   "its blocks have %s bytes; 1024, 2048 and 4096 can be read",
				   s->log_block_size <= 6 ? "8192 or more"
							  : "an impossible number of");
	return 0;
}

static bool is_power_of_2(uint32_t value)
{
	return value && (value & (value - 1)) == 0;
}

/* Sizes of things. */
static int check_sizes(struct ext4 *fs, const struct ext4_super *s, struct ext4_report *report)
{
	bool wide = s->feature_incompat & EXT4_INCOMPAT_64BIT;
	uint32_t bits_per_block = 8u << (10 + s->log_block_size);

	fs->block_shift = 10 + s->log_block_size;
	fs->block_size = 1u << fs->block_shift;
	fs->inode_size = s->revision == 0 ? EXT4_INODE_SIZE_MIN : s->inode_size;
	fs->first_inode = s->revision == 0 ? FIRST_INODE_OLD : s->first_inode;
	fs->descriptor_size = wide ? s->descriptor_size : EXT4_DESCRIPTOR_SIZE_MIN;
	if (!is_power_of_2(fs->inode_size) || fs->inode_size < EXT4_INODE_SIZE_MIN ||
	    fs->inode_size > fs->block_size)
		return ext4_refuse(report, -EUCLEAN, "inodes of %u bytes", fs->inode_size);
	if (!is_power_of_2(fs->descriptor_size) ||
	    (wide && fs->descriptor_size < sizeof(struct ext4_descriptor)) ||
	    fs->descriptor_size > EXT4_DESCRIPTOR_SIZE_MAX)
		return ext4_refuse(report, -EUCLEAN, "group descriptors of %u bytes",
				   fs->descriptor_size);
	fs->descriptors_per_block = fs->block_size / fs->descriptor_size;
	fs->blocks_per_group = s->blocks_per_group;
	fs->inodes_per_group = s->inodes_per_group;
	if (s->feature_ro_compat & EXT4_RO_COMPAT_BIGALLOC) {
		/* Bits stand for clusters; nobody reads them of what is mounted read-only. */
		if (s->log_cluster_size < s->log_block_size || s->log_cluster_size > 20)
			return ext4_refuse(report, -EUCLEAN, "impossible cluster size");
		if (fs->blocks_per_group > UINT32_MAX / 2)
			return ext4_refuse(report, -EUCLEAN, "groups too large");
	} else if (fs->blocks_per_group > bits_per_block) {
		return ext4_refuse(report, -EUCLEAN, "%u blocks in a group", fs->blocks_per_group);
	}
	if (fs->blocks_per_group < BLOCKS_PER_GROUP_MIN || fs->blocks_per_group % 8)
		return ext4_refuse(report, -EUCLEAN, "%u blocks in a group", fs->blocks_per_group);
	if (fs->inodes_per_group < fs->block_size / fs->inode_size ||
	    fs->inodes_per_group > bits_per_block || fs->inodes_per_group % 8)
		return ext4_refuse(report, -EUCLEAN, "%u inodes in a group", fs->inodes_per_group);
	return 0;
}

/* How many there are of each. */
static int check_counts(struct ext4 *fs, const struct ext4_super *s, struct ext4_report *report)
{
	bool wide = s->feature_incompat & EXT4_INCOMPAT_64BIT;
	bool clusters = s->feature_ro_compat & EXT4_RO_COMPAT_BIGALLOC;
	struct disk_info info;
	uint64_t groups;

	fs->block_count = s->blocks_count_low | (wide ? (uint64_t)s->blocks_count_high << 32 : 0);
	fs->reserved_blocks = s->reserved_blocks_low |
			      (wide ? (uint64_t)s->reserved_blocks_high << 32 : 0);
	fs->reserved_uid = s->default_reserved_uid;
	fs->reserved_gid = s->default_reserved_gid;
	fs->first_block = s->first_data_block;
	fs->inode_count = s->inodes_count;
	if (fs->first_block != (fs->block_size == 1024 && !clusters ? 1 : 0))
		return ext4_refuse(report, -EUCLEAN, "the first data block is %u", fs->first_block);
	disk_info(fs->disk, &info);
	if (fs->block_count > info.size >> fs->block_shift)
		return ext4_refuse(report, -EUCLEAN,
				   "it has %llu blocks of %u bytes, but the disk only %llu",
				   (unsigned long long)fs->block_count, fs->block_size,
				   (unsigned long long)(info.size >> fs->block_shift));
	if (fs->block_count <= fs->first_block + 1)
		return ext4_refuse(report, -EUCLEAN, "it has no blocks");
	groups = (fs->block_count - fs->first_block + fs->blocks_per_group - 1) /
		 fs->blocks_per_group;
	if (groups > GROUPS_MAX)
		return ext4_refuse(report, -EOPNOTSUPP, "it has %llu groups; %u are supported",
				   (unsigned long long)groups, GROUPS_MAX);
	fs->group_count = (uint32_t)groups;
	fs->descriptor_blocks = (fs->group_count + fs->descriptors_per_block - 1) /
				fs->descriptors_per_block;
	if (fs->inode_count != (uint64_t)fs->inodes_per_group * fs->group_count)
		return ext4_refuse(report, -EUCLEAN, "%u inodes in %u groups of %u",
				   fs->inode_count, fs->group_count, fs->inodes_per_group);
	if (fs->first_inode < FIRST_INODE_OLD || fs->first_inode > fs->inodes_per_group)
		return ext4_refuse(report, -EUCLEAN, "the first inode is %u", fs->first_inode);
	if (fs->reserved_blocks > fs->block_count)
		return ext4_refuse(report, -EUCLEAN, "more blocks are reserved than there are");
	return 0;
}

/* The rest: what follows from features. */
static int check_rest(struct ext4 *fs, const struct ext4_super *s, struct ext4_report *report)
{
	bool meta_groups = s->feature_incompat & EXT4_INCOMPAT_META_BG;

	fs->reserved_descriptor_blocks = s->feature_compat & EXT4_COMPAT_RESIZE_INODE
						 ? s->reserved_descriptor_blocks
						 : 0;
	if (fs->reserved_descriptor_blocks > fs->block_size / 4)
		return ext4_refuse(report, -EUCLEAN, "%u reserved descriptor blocks",
				   fs->reserved_descriptor_blocks);
	fs->first_meta_group = s->first_meta_group;
	if (meta_groups && fs->first_meta_group > fs->descriptor_blocks)
		return ext4_refuse(report, -EUCLEAN, "the first meta group is %u",
				   fs->first_meta_group);
	if (!meta_groups && fs->first_block + 1 + fs->descriptor_blocks > fs->block_count)
		return ext4_refuse(report, -EUCLEAN, "no room for the descriptors");
	fs->backup_groups[0] = s->backup_groups[0];
	fs->backup_groups[1] = s->backup_groups[1];
	fs->groups_per_flex_shift = s->feature_incompat & EXT4_INCOMPAT_FLEX_BG
					    ? s->log_groups_per_flex
					    : 0;
	if (fs->groups_per_flex_shift > GROUPS_PER_FLEX_SHIFT_MAX)
		fs->groups_per_flex_shift = GROUPS_PER_FLEX_SHIFT_MAX;
	fs->want_extra_size = 0;
	if (fs->inode_size > EXT4_INODE_SIZE_MIN) {
		uint32_t room = fs->inode_size - EXT4_INODE_SIZE_MIN;
		uint32_t known = sizeof(struct ext4_disk_inode) - EXT4_INODE_SIZE_MIN;

		fs->want_extra_size = (uint16_t)(known < room ? known : room);
	}
	memcpy(fs->hash_seed, s->hash_seed, sizeof(fs->hash_seed));
	fs->hash_version = s->default_hash_version;
	fs->hash_unsigned = s->flags & EXT4_SUPER_FLAG_UNSIGNED_HASH;
	if (fs->hash_version > HASH_VERSION_MAX)
		fs->hash_version = EXT4_HASH_HALF_MD4;
	fs->overhead_blocks = s->overhead_blocks;
	return 0;
}

int ext4_super_check(struct ext4 *fs, const struct ext4_super *super, struct ext4_report *report)
{
	int r = check_kind(super, report);

	if (r < 0)
		return r;
	fs->feature_compat = super->feature_compat;
	fs->feature_incompat = super->feature_incompat;
	fs->feature_ro_compat = super->feature_ro_compat;
	memcpy(fs->uuid, super->uuid, sizeof(fs->uuid));
	fs->checksum_seed = fs->feature_incompat & EXT4_INCOMPAT_CSUM_SEED
				    ? super->checksum_seed
				    : ext4_crc32c(~0u, fs->uuid, sizeof(fs->uuid));
	r = check_sizes(fs, super, report);
	if (r == 0)
		r = check_counts(fs, super, report);
	if (r == 0)
		r = check_rest(fs, super, report);
	return r;
}

bool ext4_super_read_only(const struct ext4 *fs, const struct ext4_super *super,
			  struct ext4_report *report)
{
	uint32_t bits = fs->feature_incompat & ~INCOMPAT_WRITABLE;
	const char *name = NULL;

	if (bits)
		name = feature_name(incompat_read_only, ARRAY_COUNT(incompat_read_only), bits);
	bits = fs->feature_ro_compat & ~RO_COMPAT_WRITABLE;
	if (!name && bits)
		name = feature_name(ro_compat_read_only, ARRAY_COUNT(ro_compat_read_only), bits);
	bits = fs->feature_compat & EXT4_COMPAT_FAST_COMMIT;
	if (!name && bits)
		name = feature_name(compat_read_only, ARRAY_COUNT(compat_read_only), bits);
	if (name)
		ext4_refuse(report, 0, "it is read-only: feature %s cannot be written", name);
	else if (!(fs->feature_incompat & EXT4_INCOMPAT_EXTENTS))
		ext4_refuse(report, 0, "it is read-only: files without extents cannot be written");
	else if (super->state & EXT4_STATE_ERRORS)
		ext4_refuse(report, 0, "it is read-only: errors were found in it; run e2fsck");
	else if (!(super->state & EXT4_STATE_CLEAN) &&
		 !(fs->feature_compat & EXT4_COMPAT_HAS_JOURNAL))
		ext4_refuse(report, 0,
			    "it is read-only: it has no journal and was not unmounted; "
			    "run e2fsck");
	else
		return false;
	return true;
}
