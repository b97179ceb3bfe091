#ifndef VFS_CHANGE_H
#define VFS_CHANGE_H
/*
 * change.h - making and removing names: what open.c, change.c and rename.c share.
 * Layer: vfs, inside the folder only.
 *
 * Way down: vfs_mkdir -> change_begin -> make_inode -> inode_ops.create.
 */
#include "vfs/walk.h"

/*
 * A place for a new name, its directory locked. change_end() unlocks and puts.
 */
struct place {
	struct walk walk;
	struct dentry *name; /* counted, negative */
};

/*
 * Walk to `path` and lock its directory. EEXIST if there is something, ENOENT for
 * "name/" unless a directory is to be made, EROFS. Whether one may write there
 * (may_change) is for the caller to ask, at the place where Linux asks it.
 */
MUST_USE int change_begin(struct place *place, const struct vfs *view, struct dentry *at,
			  const char *path, bool make_directory) MAY_YIELD;
void change_end(struct place *place);

/*
 * Attributes of something new in `dir`: owner, group and mode as a setgid directory wants them;
 * its lists and mode as the default list of `dir` wants them, or, if there is none, the mode
 * without the umask. After 0: acl_free_lists().
 */
MUST_USE int new_attr(const struct vfs *view, struct inode *dir, uint32_t mode,
		      struct vfs_attr *ret) MAY_YIELD;

#endif /* VFS_CHANGE_H */
