#include "vfs/ext4/journal_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As for mke2fs and Linux, with a superblock. In less some operations would find no room. */
#define LOG_MIN 1023u
/* Each block is looked at when it is mounted. mke2fs makes none of more than 10240000. */
#define LOG_MAX (1u << 24)

/* ---- what the journal asks. */

static int where(void *context, uint32_t index, uint64_t *ret_block)
{
	const struct ext4 *fs = context;
	uint32_t low = 0, high = fs->journal_run_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct ext4_journal_run *run = &fs->journal_runs[middle];

		if (index < run->first) {
			high = middle;
		} else if (index - run->first >= run->count) {
			low = middle + 1;
		} else {
			*ret_block = run->physical + (index - run->first);
			return 0;
		}
	}
	return -EUCLEAN;
}

static bool may_write(void *context, uint64_t block)
{
	const struct ext4 *fs = context;

	return block >= fs->first_block && block < fs->block_count;
}

static void committed(void *context, uint32_t transaction_id)
{
	ext4_alloc_committed(context, transaction_id);
}

static void aborted(void *context, int error)
{
	struct ext4 *fs = context;

	/* The journal has said why; if it was damage, that was noted before. */
	if (!fs->damage)
		fs->damage = error == -ENOSPC ? -ENOSPC : -EUCLEAN;
	if (error == -ENOSPC)
		return; /* what is on the disk is sound */
	ext4_error_set(fs, error == -EUCLEAN ? EXT4_ERROR_DAMAGE : EXT4_ERROR_IO, "journal", 0);
}

/* ---- finding it. */

static int add_run(struct ext4 *fs, uint32_t first, const struct ext4_run *run)
{
	struct ext4_journal_run *longer =
		realloc(fs->journal_runs, ((size_t)fs->journal_run_count + 1) * sizeof(*longer));

	if (!longer)
		return -ENOMEM;
	fs->journal_runs = longer;
	longer[fs->journal_run_count++] = (struct ext4_journal_run){
		.first = first,
		.count = run->count,
		.physical = run->physical,
	};
	return 0;
}

int ext4_journal_zones(struct ext4 *fs)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < fs->journal_run_count; i++)
		r = ext4_zone_add(fs, fs->journal_runs[i].physical,
				  fs->journal_runs[i].physical + fs->journal_runs[i].count);
	return r == 0 ? ext4_zones_sort(fs) : r;
}

static int find_runs(struct ext4 *fs, struct ext4_inode *inode, uint32_t count) MAY_YIELD
{
	uint32_t done = 0;
	int r = 0;

	while (r == 0 && done < count) {
		struct ext4_run run;

		r = ext4_map(inode, done, count - done, &run);
		if (r == 0 && run.kind != EXT4_MAPPED)
			r = -EUCLEAN;
		if (r == 0)
			r = add_run(fs, done, &run);
		if (r == 0)
			done += run.count;
	}
	/* Not before: looked up, they would not have been blocks that a file can have. */
	return r == 0 ? ext4_journal_zones(fs) : r;
}

static int find_file(struct ext4 *fs, struct ext4_report *report, uint32_t *ret_count) MAY_YIELD
{
	const struct ext4_super *super = ext4_super(fs);
	struct ext4_inode *inode;
	uint64_t count;
	int r;

	if (super->journal_number == 0 || super->journal_number >= fs->first_inode)
		return ext4_refuse(report, -EOPNOTSUPP, "its journal is not inside it");
	r = ext4_iget(fs, super->journal_number, &inode);
	if (r < 0)
		return ext4_refuse(report, r, "its journal's inode is damaged");
	count = inode->size >> fs->block_shift;
	if (count > LOG_MAX) {
		inode_put(&inode->inode);
		return ext4_refuse(report, -EOPNOTSUPP, "its journal is too large");
	}
	if (!S_ISREG(inode->mode) || count == 0 || count > fs->block_count || count > UINT32_MAX)
		r = -EUCLEAN;
	if (r == 0)
		r = find_runs(fs, inode, (uint32_t)count);
	inode_put(&inode->inode);
	if (r < 0)
		return ext4_refuse(report, r, "its journal's blocks are damaged");
	*ret_count = (uint32_t)count;
	return 0;
}

static int open_journal(struct ext4 *fs, struct ext4_report *report) MAY_YIELD
{
	struct journal_setup setup = {
		.disk = fs->disk,
		.blocks = &fs->blocks,
		.block_size = fs->block_size,
		.read_only = fs->read_only,
		.where = where,
		.may_write = may_write,
		.committed = committed,
		.aborted = aborted,
		.context = fs,
	};
	int r = find_file(fs, report, &setup.block_count);

	if (r < 0)
		return r;
	memcpy(setup.fs_uuid, fs->uuid, sizeof(setup.fs_uuid));
	r = journal_open(&setup, &fs->journal);
	return r < 0 ? ext4_refuse(report, r, "its journal cannot be read") : 0;
}

static int replay(struct ext4 *fs, struct ext4_report *report) MAY_YIELD
{
	int r;

	if (!journal_needs_replay(fs->journal))
		return 0;
	if (fs->read_only) {
		r = journal_replay_in_memory(fs->journal, &report->replayed);
	} else {
		r = journal_replay(fs->journal, &report->replayed);
		/* What was read before is read anew; the superblock's page has changed in place. */
		if (r == 0)
			cache_drop(&fs->blocks, 0, UINT64_MAX);
	}
	if (r == -ENOSPC)
		return ext4_refuse(report, r,
				   "its journal cannot be replayed: no room is left "
				   "where it lies");
	if (r < 0)
		return ext4_refuse(report, r, "its journal cannot be replayed; run e2fsck");
	report->was_replayed = true;
	return 0;
}

int ext4_journal_find(struct ext4 *fs, struct ext4_report *report)
{
	bool needed = fs->feature_incompat & EXT4_INCOMPAT_RECOVER;
	int r;

	if (!(fs->feature_compat & EXT4_COMPAT_HAS_JOURNAL))
		return needed ? ext4_refuse(report, -EUCLEAN,
					    "it needs recovery, but has no journal")
			      : 0;
	if (fs->read_only && !needed)
		return 0;
	r = open_journal(fs, report);
	if (r == 0 && !fs->read_only && journal_log_size(fs->journal) < LOG_MIN) {
		ext4_refuse(report, 0, "it is read-only: its journal is too small");
		fs->read_only = true;
	}
	if (r == 0 && !fs->read_only && journal_noted_error(fs->journal) != 0) {
		/* Linux goes on, and wants it checked; we leave all to who checks it. */
		ext4_refuse(report, 0, "it is read-only: an error ended its last use; run e2fsck");
		fs->read_only = true;
	}
	if (r == 0 && needed)
		return replay(fs, report);
	if (r == 0 && journal_needs_replay(fs->journal))
		r = ext4_refuse(report, -EUCLEAN,
				"its journal holds changes, but nothing says that they are due");
	if (r < 0 && !needed && r != -ENOMEM && r != -EIO) {
		/* Nothing in it is missed by who reads. */
		char why[sizeof(report->text)];

		memcpy(why, report->text, sizeof(why));
		ext4_refuse(report, 0, "it is read-only: %.200s", why);
		if (fs->journal)
			(void)!journal_close(fs->journal);
		fs->journal = NULL;
		fs->read_only = true;
		fs->damage = 0;
		return 0;
	}
	return r;
}
