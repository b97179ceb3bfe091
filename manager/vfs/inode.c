#include "vfs/acl.h"
#include "vfs/vfs.h"

#include <string.h>

#define NS_MAX 999999999L /* the largest tv_nsec */

static uint64_t live_inodes;

void inode_init(struct inode *inode, const struct inode_ops *ops, struct vfs_fs *fs, uint32_t type)
{
	memset(inode, 0, sizeof(*inode));
	inode->ops = ops;
	inode->fs = fs;
	inode->refs = 1;
	inode->type = type;
	list_init(&inode->locks);
	inode_acl_init(inode);
	live_inodes++;
}

struct inode *inode_get(struct inode *inode)
{
	assert(inode->refs > 0);
	assert(inode->refs < UINT32_MAX);
	inode->refs++;
	return inode;
}

void inode_put(struct inode *inode)
{
	if (!inode)
		return;
	assert(inode->refs > 0);
	if (--inode->refs > 0)
		return;
	if (inode->file_state) {
		/* Taken out first: the hook may look at the inode. */
		void *state = inode->file_state;

		inode->file_state = NULL;
		inode->file_state_free(state);
	}
	assert(live_inodes > 0);
	live_inodes--;
	inode_acl_drop(inode);
	if (inode->ops->release)
		inode->ops->release(inode);
}

uint64_t inode_count(void)
{
	return live_inodes;
}

struct timespec vfs_now(void)
{
	static struct timespec last;
	struct timespec now;

	/* The kernel's own choice for time stamps: a tick's precision, no call. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	/* Within a tick each is a nanosecond later: two changes never look like one. */
	if (now.tv_sec == last.tv_sec && now.tv_nsec <= last.tv_nsec && last.tv_nsec < NS_MAX)
		now.tv_nsec = last.tv_nsec + 1;
	last = now;
	return now;
}
