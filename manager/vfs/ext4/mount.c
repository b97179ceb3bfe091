#include "vfs/ext4/inside.h"

#include "vfs/ext4/journal_place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int ext4_writable(const struct ext4 *fs)
{
	return fs->read_only || fs->damage ? -EROFS : 0;
}

int ext4_begin(struct ext4 *fs, uint32_t credits, struct journal_handle *ret)
{
	int r = ext4_writable(fs);

	if (r < 0)
		return r;
	if (fs->journal)
		return journal_begin(fs->journal, credits, ret);
	*ret = (struct journal_handle){ .journal = NULL, .credits = credits };
	return 0;
}

/* ---- mounting. */

static uint64_t now_s(const struct ext4_mount_options *options)
{
	return options->now_s ? options->now_s : (uint64_t)time(NULL);
}

/* The superblock as the disk has it, to learn the size of blocks. */
static int read_super(struct ext4 *fs, struct ext4_report *report) MAY_YIELD
{
	struct ext4_super *super;
	struct disk_info info;
	int r;

	disk_info(fs->disk, &info);
	if (info.size < EXT4_SUPER_OFFSET + EXT4_SUPER_SIZE)
		return ext4_refuse(report, -EMEDIUMTYPE, "it is too small for a file system");
	super = malloc(sizeof(*super));
	if (!super)
		return -ENOMEM;
	r = disk_read(fs->disk, super, sizeof(*super), EXT4_SUPER_OFFSET);
	if (r == 0)
		r = ext4_super_check(fs, super, report);
	free(super);
	return r;
}

/* All that stands in the superblock and the descriptors; done again after a replay. */
static int load(struct ext4 *fs, struct ext4_report *report) MAY_YIELD
{
	uint32_t block_size = fs->block_size;
	int r = ext4_super_check(fs, ext4_super(fs), report);

	if (r == 0 && fs->block_size != block_size)
		r = ext4_refuse(report, -EUCLEAN, "the journal changes the size of blocks");
	if (r < 0)
		return r;
	r = ext4_groups_load(fs);
	if (r == -EUCLEAN && report->text[0] == '\0')
		ext4_refuse(report, r, "bitmaps or inode tables lie upon each other");
	return r == 0 ? ext4_journal_zones(fs) : r;
}

static void add_overhead(struct ext4 *fs)
{
	if (fs->overhead_blocks > 0 && fs->overhead_blocks < fs->block_count)
		return;
	fs->overhead_blocks = fs->first_block;
	for (uint32_t i = 0; i < fs->zone_count; i++)
		fs->overhead_blocks += fs->zones[i].end - fs->zones[i].first;
}

/* Reasons to write nothing that the contents give. */
static bool must_not_write(const struct ext4 *fs, struct ext4_report *report)
{
	if (ext4_super_read_only(fs, ext4_super(fs), report))
		return true;
	for (uint32_t i = 0; i < fs->group_count; i++)
		if (fs->groups[i].damaged) {
			ext4_refuse(report, 0,
				    "it is read-only: the descriptor of group %u is "
				    "damaged; run e2fsck",
				    i);
			return true;
		}
	return false;
}

static int check_root(struct ext4 *fs, struct ext4_report *report) MAY_YIELD
{
	struct ext4_inode *root;
	int r = ext4_iget(fs, EXT4_ROOT_NUMBER, &root);

	if (r < 0)
		return report->text[0] ? r : ext4_refuse(report, r, "there is no root directory");
	if (!S_ISDIR(root->mode))
		r = ext4_refuse(report, -EUCLEAN, "its root is no directory");
	inode_put(&root->inode);
	return r;
}

/* The superblock alone, past the journal: while nobody writes, or nobody does any more. */
static int write_super(struct ext4 *fs) MAY_YIELD
{
	int r;

	ext4_super_checksum(fs, ext4_super(fs));
	cache_dirty(fs->super_page);
	r = cache_write_pages(&fs->super_page, 1);
	return r < 0 ? r : disk_flush(fs->disk);
}

/* From here on the disk says that it is in use. */
static int begin_writing(struct ext4 *fs, const struct ext4_mount_options *options) MAY_YIELD
{
	struct ext4_super *super = ext4_super(fs);
	int r;

	cache_modify(fs->super_page);
	if (fs->journal)
		super->feature_incompat |= EXT4_INCOMPAT_RECOVER;
	else
		super->state &= (uint16_t)~EXT4_STATE_CLEAN;
	super->mount_count++;
	ext4_time_put(&super->mount_time, &super->mount_time_high, now_s(options));
	ext4_time_put(&super->write_time, &super->write_time_high, now_s(options));
	fs->feature_incompat = super->feature_incompat;
	r = write_super(fs);
	if (r == 0 && fs->journal)
		r = journal_start(fs->journal);
	return r;
}

static int mount(struct ext4 *fs, const struct ext4_mount_options *options,
		 struct ext4_report *report) MAY_YIELD
{
	struct disk_info info;
	int r = read_super(fs, report);

	if (r == 0)
		r = cache_map_disk(&fs->blocks, fs->disk, fs->block_size);
	if (r < 0)
		return r;
	fs->mapped = true;
	r = cache_get(&fs->blocks, ext4_block_of_super(fs), &fs->super_page);
	if (r == 0)
		r = load(fs, report);
	if (r == 0)
		r = ext4_inodes_init(fs);
	if (r < 0)
		return r;
	disk_info(fs->disk, &info);
	fs->read_only = options->read_only || info.read_only || must_not_write(fs, report);
	r = ext4_journal_find(fs, report);
	if (r == 0 && report->was_replayed) {
		r = load(fs, report);
		if (r == 0 && !fs->read_only)
			fs->read_only = must_not_write(fs, report);
	}
	if (r == 0)
		r = check_root(fs, report);
	if (r < 0)
		return r;
	if (fs->damage && !fs->read_only)
		return ext4_refuse(report, fs->damage, "%s", fs->damage_text);
	add_overhead(fs);
	fs->next_generation = (uint32_t)now_s(options) * 2654435761u;
	if (fs->read_only)
		return 0;
	r = ext4_alloc_init(fs);
	fs->allocates = r == 0;
	if (r == 0)
		r = begin_writing(fs, options);
	fs->written = r == 0;
	if (r == 0)
		r = ext4_orphans_clean(fs, &report->orphans);
	if (r == -EUCLEAN && fs->damage) {
		/* What is there can still be read. */
		fs->read_only = true;
		r = ext4_refuse(report, 0, "it is read-only: %s; run e2fsck", fs->damage_text);
	}
	return r;
}

static struct ext4 *new_fs(struct disk *disk)
{
	struct ext4 *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	fs->disk = disk;
	list_init(&fs->dirty_inodes);
	list_init(&fs->orphans);
	list_init(&fs->closing);
	list_init(&fs->closing_now);
	list_init(&fs->replaced);
	list_init(&fs->indexes);
	waitq_init(&fs->closed);
	task_lock_init(&fs->orphan_lock);
	ext4_vfs_init(fs);
	return fs;
}

static void free_fs(struct ext4 *fs) MAY_YIELD
{
	if (fs->allocates)
		ext4_alloc_fini(fs);
	if (fs->inode_table)
		ext4_inodes_fini(fs);
	ext4_groups_free(fs);
	free(fs->journal_runs);
	free(fs->lost);
	cache_put(fs->super_page);
	if (fs->mapped)
		cache_map_fini(&fs->blocks);
	free(fs);
}

int ext4_mount(struct disk *disk, const struct ext4_mount_options *options, struct ext4 **ret,
	       struct ext4_report *ret_report)
{
	struct ext4 *fs = new_fs(disk);
	int r;

	*ret_report = (struct ext4_report){ .read_only = false };
	if (!fs)
		return -ENOMEM;
	r = mount(fs, options, ret_report);
	if (r < 0) {
		if (ret_report->text[0] == '\0')
			ext4_refuse(ret_report, r, "%s",
				    fs->damage_text[0] ? fs->damage_text : strerror(-r));
		(void)!ext4_unmount(fs);
		return r;
	}
	fs->fs.read_only = fs->read_only;
	ret_report->read_only = fs->read_only;
	*ret = fs;
	return 0;
}

int ext4_root(struct ext4 *fs, struct inode **ret)
{
	struct ext4_inode *root;
	int r = ext4_iget(fs, EXT4_ROOT_NUMBER, &root);

	if (r == 0)
		*ret = &root->inode;
	return r;
}

/* ---- syncing and unmounting. */

/* The counters, which change too often to be written each time. */
static int store_counters(struct ext4 *fs) MAY_YIELD
{
	struct ext4_super *super = ext4_super(fs);
	struct journal_handle h;
	int r = ext4_begin(fs, 1, &h);

	if (r < 0)
		return r;
	r = ext4_super_get_write(&h, fs);
	if (r == 0) {
		super->free_blocks_low = (uint32_t)fs->free_blocks;
		if (fs->feature_incompat & EXT4_INCOMPAT_64BIT)
			super->free_blocks_high = (uint32_t)(fs->free_blocks >> 32);
		super->free_inodes = (uint32_t)fs->free_inodes;
		ext4_time_put(&super->write_time, &super->write_time_high, (uint64_t)time(NULL));
		ext4_super_store(&h, fs);
	}
	journal_end(&h);
	return r;
}

int ext4_flush(struct ext4 *fs)
{
	int r = disk_flush(fs->disk);

	/*
	 * The host tells once that it has lost writes, and not whose: the next flush would say that
	 * all is well, and the log would end before what is not home.
	 */
	if (r < 0 && fs->journal)
		journal_abort(fs->journal, r);
	else if (r < 0)
		ext4_damage(fs, "a flush failed: %s", strerror(-r));
	return r;
}

/* Everything that was changed so far, durable. */
static int commit(struct ext4 *fs) MAY_YIELD
{
	int r;

	if (fs->journal)
		return journal_commit_all(fs->journal);
	r = cache_sync(&fs->blocks, 0, UINT64_MAX);
	return r < 0 ? r : ext4_flush(fs);
}

/*
 * It has data to be written, maybe. One that is being closed has, too: who opens it again takes
 * it away from those that ext4_closing_wait() sees.
 */
static bool may_hold(const struct ext4_inode *inode)
{
	if (!inode->data || inode->state & (EXT4_I_LOADING | EXT4_I_LEAVING))
		return false;
	return inode->state & EXT4_I_CLOSING ? inode->nlink > 0 : inode->inode.refs > 0;
}

int ext4_files_write(struct ext4 *fs)
{
	int first = 0;

	for (uint32_t bucket = 0; bucket < fs->inode_buckets; bucket++) {
		struct ext4_inode *inode = fs->inode_table[bucket], *next;
		uint32_t buckets = fs->inode_buckets;

		/* Each is held while it is written, and the next found from it then. */
		for (; inode; inode = next) {
			int r = 0;

			if (!may_hold(inode)) {
				next = inode->hash_next;
				continue;
			}
			ext4_inode_hold(inode);
			r = ext4_flush_delayed(inode);
			if (r == 0)
				r = cache_sync(&inode->pages, 0, UINT64_MAX);
			if (first == 0)
				first = r;
			next = inode->hash_next;
			inode_put(&inode->inode);
			if (fs->inode_buckets == buckets)
				continue;
			/* It has grown: some are in later buckets now; again what is here. */
			buckets = fs->inode_buckets;
			next = fs->inode_table[bucket];
		}
	}
	return first;
}

/* The file system itself; and what files have lost, in *ret_lost. */
static int sync_all(struct ext4 *fs, int *ret_lost) MAY_YIELD
{
	int r;

	ext4_maps_push(fs);
	*ret_lost = ext4_files_write(fs);
	ext4_closing_wait(fs); /* those too that somebody closed meanwhile */
	r = ext4_inodes_store_marked(fs);
	if (r == 0)
		r = store_counters(fs);
	if (r == 0)
		r = commit(fs);
	return r;
}

int ext4_sync_fs(struct ext4 *fs)
{
	int r, lost;

	if (fs->read_only)
		return 0;
	r = sync_all(fs, &lost);
	return r < 0 ? r : lost;
}

int ext4_inode_sync(struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	struct journal_handle h;
	int r = 0;

	if (fs->read_only)
		return 0;
	if (inode->state & EXT4_I_DIRTY) {
		r = ext4_begin(fs, 1, &h);
		if (r < 0)
			return r;
		r = ext4_inode_store(&h, inode);
		journal_end(&h);
	}
	if (r < 0)
		return r;
	return fs->journal ? journal_commit(fs->journal, inode->last_transaction) : commit(fs);
}

static int end_writing(struct ext4 *fs) MAY_YIELD
{
	struct ext4_super *super = ext4_super(fs);

	cache_modify(fs->super_page);
	super->feature_incompat &= ~EXT4_INCOMPAT_RECOVER;
	super->state |= EXT4_STATE_CLEAN;
	return write_super(fs);
}

/* With what syncing gave: files may have lost data, and all else be as it should. */
static int end_journal(struct ext4 *fs, int synced) MAY_YIELD
{
	int r = journal_close(fs->journal);

	fs->journal = NULL;
	ext4_error_wait(fs); /* of one that the journal found just now */
	if (fs->written && r == 0 && !fs->damage)
		r = end_writing(fs);
	else if (fs->written && fs->damage != -ENOSPC)
		ext4_error_note(fs);
	if (fs->damage == -ENOSPC)
		return -ENOSPC;
	return synced < 0 ? synced : r;
}

/* The same without a journal: what is not written is missing in the middle of what is. */
static int end_plain(struct ext4 *fs, int synced, int lost) MAY_YIELD
{
	int r = synced;

	if (r == 0 && !fs->damage)
		r = end_writing(fs);
	else
		ext4_error_note(fs);
	if (r == 0)
		return lost;
	return r == -ENOSPC ? -EUCLEAN : r;
}

int ext4_unmount(struct ext4 *fs)
{
	int r = 0, lost = 0;

	ext4_replaced_wait(fs);
	ext4_maps_close(fs);
	if (fs->written && ext4_writable(fs) == 0)
		r = sync_all(fs, &lost);
	ext4_closing_end(fs);
	ext4_storer_stop(fs);
	ext4_error_wait(fs);
	if (fs->journal)
		r = end_journal(fs, r < 0 ? r : lost);
	else if (fs->written)
		r = end_plain(fs, r, lost);
	if (fs->written && fs->damage && (r == 0 || r == -ENOSPC))
		r = fs->damage; /* more than that files lost data */
	if (fs->written && r == 0)
		r = fs->lost_first;
	free_fs(fs);
	return r;
}
