/*
 * release.c - inodes that nobody has any more leave memory; those without a name the disk.
 *
 *     in use --ext4_release--> CLOSING --the task--> written, or deleted --> gone
 *        ^                        |                                 (LEAVING: wait)
 *        +-------- ext4_iget -----+
 */
#include "vfs/ext4/inside.h"

#include "task/sched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STORE_AFTER_NS UINT64_C(5000000000)
#define LOST_MAX 256u

static void leave_memory(struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;

	if (S_ISDIR(inode->mode))
		ext4_dir_forget(inode);
	ext4_extents_forget(inode);
	ext4_inode_drop(inode);
	waitq_wake_all(&fs->closed);
}

static bool deletable(const struct ext4_inode *inode)
{
	return inode->nlink == 0 && !(inode->state & EXT4_I_DELETED) &&
	       ext4_writable(inode->fs) == 0;
}

/* Nothing to write, nothing to free: it may go at once. */
static bool is_idle(const struct ext4_inode *inode)
{
	return !inode->data && !(inode->state & EXT4_I_DIRTY) && !deletable(inode);
}

/* ---- what could not be written. */

struct ext4_lost {
	uint32_t number, generation;
	int error;
};

/* Of more files than the table takes only syncfs(2) and the end tell. */
static void remember(struct ext4 *fs, const struct ext4_lost *entry)
{
	if (!fs->lost)
		fs->lost = calloc(LOST_MAX, sizeof(*fs->lost));
	if (fs->lost && fs->lost_count < LOST_MAX)
		fs->lost[fs->lost_count++] = *entry;
}

static void lost(struct ext4_inode *inode, int error)
{
	struct ext4 *fs = inode->fs;

	fprintf(stderr, "hascall: ext4: inode %u could not be written: %s\n", inode->number,
		strerror(-error));
	(void)ext4_lost_take(inode);
	remember(fs, &(struct ext4_lost){ inode->number, inode->generation, error });
	fs->lost_untold = error;
	if (fs->lost_first == 0)
		fs->lost_first = error;
}

int ext4_lost_take(struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;

	for (uint32_t i = 0; i < fs->lost_count; i++) {
		struct ext4_lost *entry = &fs->lost[i];
		int error = entry->error;

		if (entry->number != inode->number || entry->generation != inode->generation)
			continue;
		*entry = fs->lost[--fs->lost_count];
		return error;
	}
	return 0;
}

int ext4_lost_tell(struct ext4 *fs)
{
	int error = fs->lost_untold;

	fs->lost_untold = 0;
	return error;
}

/* ---- closing. */

/* What waits in memory goes to the disk. */
static int write_out(struct ext4_inode *inode) MAY_YIELD
{
	struct journal_handle h;
	int r = 0;

	if (inode->data) {
		r = ext4_flush_delayed(inode);
		if (r == 0)
			r = cache_sync(&inode->pages, 0, UINT64_MAX);
	}
	if (r == 0 && inode->state & EXT4_I_DIRTY) {
		r = ext4_begin(inode->fs, 1, &h);
		if (r == 0) {
			r = ext4_inode_store(&h, inode);
			journal_end(&h);
		}
	}
	return r;
}

static void closer(void *arg) MAY_YIELD;

/* The last in the row: whoever waits, waits for those before. */
static void queue(struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;

	inode->closing_number = ++fs->closings;
	list_push_back(&fs->closing, &inode->closing_node);
	/* Without memory for the task: the next that is queued, or a wait, starts it. */
	if (!fs->closer && task_start(&fs->closer, "ext4-close", closer, fs) < 0)
		fs->closer = NULL;
}

/* One inode, until it is gone or somebody has, or had, it again. */
static void close_one(struct ext4_inode *inode) MAY_YIELD
{
	uint32_t revivals = inode->revivals;
	int r = 0;

	inode->state |= EXT4_I_WITH_CLOSER;
	if (inode->nlink == 0)
		inode->state |= EXT4_I_LEAVING;
	if (deletable(inode)) {
		(void)ext4_lost_take(inode); /* nobody can ask any more */
		r = ext4_delete(inode);
		if (r < 0)
			ext4_damage(inode->fs, "inode %u could not be deleted: %s", inode->number,
				    strerror(-r));
	} else if (inode->nlink > 0) {
		r = write_out(inode);
		/* The error may be of an earlier try, and told now for the first time. */
		if (r < 0 && inode->revivals == revivals)
			r = write_out(inode);
		if (inode->revivals != revivals) {
			inode->state &= ~(unsigned int)EXT4_I_WITH_CLOSER;
			if (inode->state & EXT4_I_CLOSING)
				queue(inode);
			return;
		}
		if (r < 0 && r != -EROFS)
			lost(inode, r);
		inode->state |= EXT4_I_LEAVING;
	}
	ext4_data_free(inode);
	leave_memory(inode);
}

/* What a task is at. */
struct closing {
	struct list node;
	uint64_t number;
};

static struct ext4_inode *next_closing(const struct ext4 *fs, uint64_t upto)
{
	struct ext4_inode *inode;

	if (list_empty(&fs->closing))
		return NULL;
	inode = LIST_ENTRY(fs->closing.next, struct ext4_inode, closing_node);
	return inode->closing_number <= upto ? inode : NULL;
}

static void close_upto(struct ext4 *fs, uint64_t upto) MAY_YIELD
{
	struct ext4_inode *inode;

	while ((inode = next_closing(fs, upto)) != NULL) {
		struct closing now = { .number = inode->closing_number };

		list_del(&inode->closing_node);
		list_init(&now.node);
		list_push_back(&fs->closing_now, &now.node);
		close_one(inode);
		list_del(&now.node);
		waitq_wake_all(&fs->closed);
	}
}

static bool is_closing(const struct ext4 *fs, uint64_t upto)
{
	LIST_EACH(node, &fs->closing_now)
		if (LIST_ENTRY(node, struct closing, node)->number <= upto)
			return true;
	return next_closing(fs, upto) != NULL;
}

static void closer(void *arg) MAY_YIELD
{
	struct ext4 *fs = arg;

	close_upto(fs, UINT64_MAX);
	fs->closer = NULL;
	waitq_wake_all(&fs->closed);
}

void ext4_release(struct inode *vfs_inode)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);

	if (is_idle(inode) && !(inode->state & EXT4_I_WITH_CLOSER)) {
		leave_memory(inode);
		return;
	}
	inode->state |= EXT4_I_CLOSING;
	if (inode->state & EXT4_I_WITH_CLOSER)
		return; /* it looks again */
	queue(inode);
}

void ext4_closing_wait(struct ext4 *fs)
{
	uint64_t upto = fs->closings;

	while (is_closing(fs, upto)) {
		if (fs->closer || !list_empty(&fs->closing_now))
			(void)!waitq_wait(&fs->closed, TASK_FOREVER, WAIT_SURE);
		else
			close_upto(fs, upto);
	}
}

void ext4_closing_end(struct ext4 *fs)
{
	while (fs->closer || !list_empty(&fs->closing)) {
		if (fs->closer)
			(void)!waitq_wait(&fs->closed, TASK_FOREVER, WAIT_SURE);
		else
			close_upto(fs, UINT64_MAX);
	}
}

void ext4_make_room(struct ext4 *fs)
{
	ext4_closing_wait(fs);
	if (fs->journal)
		(void)!journal_commit_all(fs->journal);
}

/*
 * ---- files replaced by cutting and writing them. The cut is durable with the next commit,
 * their new data should not come much later: blocks are found for it now, and the transaction
 * waits for the data.
 */

static void replacer(void *arg) MAY_YIELD
{
	struct ext4 *fs = arg;
	struct list *node;

	task_background();
	while ((node = list_pop_front(&fs->replaced)) != NULL) {
		struct ext4_inode *inode = LIST_ENTRY(node, struct ext4_inode, replaced_node);

		/* An error is kept, and told to who asks. */
		(void)!ext4_flush_delayed(inode);
		inode_put(&inode->inode);
	}
	fs->replacer = NULL;
	waitq_wake_all(&fs->closed);
}

void ext4_close_write(struct inode *vfs_inode)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	struct ext4 *fs = inode->fs;

	if (!(inode->state & EXT4_I_REPLACED))
		return;
	inode->state &= ~(unsigned int)EXT4_I_REPLACED;
	if (!inode->data || !list_empty(&inode->replaced_node))
		return;
	/* Without memory for the task it is written as late as all others. */
	if (!fs->replacer && task_start(&fs->replacer, "ext4-replace", replacer, fs) < 0) {
		fs->replacer = NULL;
		return;
	}
	inode_get(vfs_inode);
	list_push_back(&fs->replaced, &inode->replaced_node);
}

void ext4_replaced_wait(struct ext4 *fs)
{
	while (fs->replacer)
		(void)!waitq_wait(&fs->closed, TASK_FOREVER, WAIT_SURE);
}

/* ---- inodes that are marked are stored after a while. */

static void storer(void *arg) MAY_YIELD
{
	struct ext4 *fs = arg;

	task_background();
	/* What could not be stored stays marked, and nobody would start another task for it. */
	while (task_sleep_until(clock_now_ns() + STORE_AFTER_NS) == 0 &&
	       ext4_inodes_store_marked(fs) < 0 && ext4_writable(fs) == 0)
		;
	fs->storer = NULL;
	waitq_wake_all(&fs->closed);
}

void ext4_storer_start(struct ext4 *fs)
{
	if (!fs->storer && task_start(&fs->storer, "ext4-store", storer, fs) < 0)
		fs->storer = NULL;
}

void ext4_storer_stop(struct ext4 *fs)
{
	while (fs->storer) {
		task_cancel(fs->storer);
		(void)!waitq_wait(&fs->closed, TASK_FOREVER, WAIT_SURE);
	}
}
