#ifndef VFS_OVERLAY_OVERLAY_H
#define VFS_OVERLAY_OVERLAY_H
/*
 * overlay.h - one tree made of two: changes in an upper file system hide a lower,
 * read-only one. Its parts, to each other. Layer: vfs/overlay.
 *
 * The upper is written as the kernel's overlayfs writes it, so that either can
 * use it: a removed lower name is a whiteout (character device 0/0), a directory
 * that hides the lower one is opaque (trusted.overlay.opaque = "y"), one that was
 * moved tells where its lower part is (trusted.overlay.redirect = "/old/path").
 * The root of a new upper gets the lower root's attributes, and in an upper that
 * outlives us a mark (trusted.overlay.hascall.root) that it has: they are its own then.
 *
 * Copy-up: the first change of a lower inode copies it into the upper. The overlay's
 * own inode stays, so that who has it open sees the change, and its numbers stay:
 * a lower inode shows the lower's st_dev and st_ino for the whole run. What is
 * born in the upper shows its directory's st_dev, and numbers from OVL_INO_BASE on.
 *
 * Hard links of a lower file are one overlay inode, kept together after its copy-up
 * by an origin (origin.c), in memory: lower names that were never changed lead to
 * the upper copy through it.
 *
 * readdir: lower names first, then those that only the upper has. The lower never
 * changes, so a name's place is fixed whatever is copied up while somebody reads. Of a
 * name that only the upper has its listing says nearly all; inodes are asked for few.
 *
 * What guards what across a yield
 *     names of a directory        the vfs's lock of the directory
 *     upper, parent, name of an   ovl_inode.lock: taken by copy-up, and by unlink and
 *     inode                       rename of it. Order: under the vfs's locks; a child
 *                                 before its parents (copy-up climbs); two inodes of
 *                                 one rename by address.
 *     tables (inodes, origins)    not across a yield: looked up and entered in one go;
 *                                 ovl_fs.entering while a copy has a name and no origin
 *
 * Owner    an overlay inode holds its lower and upper inodes and its parent.
 * Thread   scheduler thread only.
 *
 * Way down: ovl_ops (fs.c) -> lookup.c, names.c, rename.c ... -> inode_ops of the layers.
 */
#include "vfs/vfs.h"

#include <sys/stat.h>

#define OVL_INO_BASE (UINT64_C(1) << 51) /* above any host's; below 2^53, exact in a double */
#define OVL_XATTR_PREFIX "trusted.overlay."
#define OVL_OPAQUE OVL_XATTR_PREFIX "opaque"
#define OVL_REDIRECT OVL_XATTR_PREFIX "redirect"
#define OVL_ADOPTED OVL_XATTR_PREFIX "hascall.root" /* not of overlayfs, which does not mind */

struct ovl_inode;

/* A lower file of which the upper knows more: a copy, or names that came and went. */
struct ovl_origin {
	struct ovl_origin *lower_next, *upper_next; /* of its buckets */
	struct inode *lower;			    /* counted */
	struct inode *upper;			    /* counted; NULL: not copied up */
	int64_t names;				    /* names made minus names removed */
};

struct ovl_fs {
	struct vfs_fs fs;
	struct inode *lower, *upper; /* roots; lower may be NULL */
	struct inode *work;	     /* counted; NULL: steps of a change need not look like one */
	uint64_t work_count;
	struct inode *whiteout; /* counted: each whiteout is a link to it; NULL: none yet */
	uint64_t inode_count;
	struct ovl_inode **inodes; /* by key inode; power of two */
	size_t bucket_count, hashed;
	struct ovl_origin **by_lower, **by_upper;
	size_t origin_buckets, origin_count;
	/* Copies being given their names: the upper may show one before its origin does. */
	uint32_t entering;
	struct waitq entered;
};

struct ovl_inode {
	struct inode inode;
	struct inode *lower, *upper; /* counted; at least one */
	struct ovl_inode *hash_next;
	/* guarded by lock */
	struct ovl_inode *parent;  /* counted; NULL: the root, or no name is known */
	char *name;		   /* in parent; with hard links, one of its names */
	char *redirect;		   /* of a directory: where lower is, if not parent's + name */
	struct ovl_origin *origin; /* borrowed */
	struct task_lock lock;
	uint64_t dev;
	bool gone; /* the last name was removed */
	struct list dead;
};

static inline struct ovl_inode *ovl_of(struct inode *inode)
{
	return CONTAINER_OF(inode, struct ovl_inode, inode);
}

static inline struct ovl_fs *ovl_fs_of(const struct ovl_inode *o)
{
	return o->inode.fs->private_data;
}

/* Where its content is now. */
static inline struct inode *ovl_real(const struct ovl_inode *o)
{
	return o->upper ? o->upper : o->lower;
}

static inline bool ovl_is_dir(const struct ovl_inode *o)
{
	return S_ISDIR(o->inode.type);
}

static inline bool is_whiteout(const struct inode *upper)
{
	return S_ISCHR(upper->type) && upper->rdev == 0;
}

/* ---- fs.c */
/*
 * The overlay inode of what a lookup found in the layers (either may be NULL, not
 * both). Takes over both references, also on failure.
 */
struct ovl_found {
	struct inode *upper, *lower;
	char *redirect; /* heap; taken over */
};
MUST_USE int ovl_inode_for(struct ovl_inode *parent, const char *name, size_t len,
			   struct ovl_found *found, struct inode **ret) MAY_YIELD;
/* Copy mode and owner from the real inode. */
MUST_USE int ovl_refresh(struct ovl_inode *o) MAY_YIELD;
/* The number that an inode of the upper, no directory, shows: `number` is its own. */
uint64_t ovl_number(const struct ovl_fs *fs, uint64_t number);

/* ---- origin.c */
struct ovl_origin *origin_by_lower(const struct ovl_fs *fs, const struct inode *lower);
struct ovl_origin *origin_by_upper(const struct ovl_fs *fs, uint64_t number);
/* The origin of `o` (a lower non-directory), made if it has none. */
MUST_USE int origin_need(struct ovl_inode *o);
/* It was copied up: o->upper. */
void origin_copied(struct ovl_inode *o);
void origin_drop(struct ovl_inode *o);
void origin_free_all(struct ovl_fs *fs);

/* ---- lookup.c */
int ovl_lookup(struct inode *dir, const char *name, size_t len, struct inode **ret) MAY_YIELD;
int ovl_has_name(struct inode *dir, const char *name, size_t len) MAY_YIELD;
/* Has the lower directory that `dir` shows this name? 1, 0, -errno. */
MUST_USE int ovl_in_lower(const struct ovl_inode *dir, const char *name, size_t len) MAY_YIELD;
/* What the upper has under this name: an inode (counted), or NULL; 0 or -errno. */
MUST_USE int ovl_in_upper(const struct ovl_inode *dir, const char *name, size_t len,
			  struct inode **ret) MAY_YIELD;
/* Is an xattr of this name there and "y"? 1, 0, -errno. */
MUST_USE int ovl_has_mark(struct inode *upper, const char *name) MAY_YIELD;
MUST_USE int ovl_is_opaque(struct inode *upper) MAY_YIELD; /* 1, 0, -errno */
/* The redirect of an upper directory as a heap string; NULL: none. */
MUST_USE int ovl_get_redirect(struct inode *upper, char **ret) MAY_YIELD;
/* The path of o->lower from the lower's root, as a heap string. */
MUST_USE int ovl_lower_path(const struct ovl_inode *o, char **ret);

/* ---- copy_up.c */
#define OVL_ALL UINT64_MAX
/* Have o->upper; of a file's data at most `limit` bytes are copied. Parents first. */
MUST_USE int ovl_copy_up(struct ovl_inode *o, uint64_t limit) MAY_YIELD;

/* ---- names.c */
int ovl_create(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
	       struct inode **ret) MAY_YIELD;
int ovl_symlink(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		const char *target, struct inode **ret) MAY_YIELD;
int ovl_link(struct inode *dir, const char *name, size_t len, struct inode *inode) MAY_YIELD;
int ovl_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode) MAY_YIELD;
int ovl_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode) MAY_YIELD;
/* Put a whiteout into a directory of the upper, or of the work directory. */
MUST_USE int ovl_whiteout(struct ovl_inode *dir, const char *name, size_t len) MAY_YIELD;
MUST_USE int ovl_whiteout_in(struct ovl_fs *fs, struct inode *dir, const char *name, size_t len)
	MAY_YIELD;
/* An upper directory of which the merged view is empty loses its whiteouts. */
MUST_USE int ovl_clear_whiteouts(struct inode *upper) MAY_YIELD;
MUST_USE int ovl_check_empty(struct ovl_inode *dir) MAY_YIELD; /* 0, -ENOTEMPTY */
/* A name of `o` is gone. origin_need() was called if it has a lower. */
void ovl_lost_name(struct ovl_inode *o, const struct ovl_inode *dir, const char *name, size_t len)
	MAY_YIELD;
/* `name` is heap and taken over. */
void ovl_set_name(struct ovl_inode *o, struct ovl_inode *parent, char *name);
bool ovl_has_this_name(const struct ovl_inode *o, const struct ovl_inode *dir, const char *name,
		       size_t len);

/* ---- work.c: one rename instead of several steps, for an upper that outlives us. */
struct ovl_work {
	char name[24];
	size_t len;
};
bool ovl_has_work(const struct ovl_inode *o);
/* A name nobody has, in the work directory. */
void ovl_work_name(struct ovl_fs *fs, struct ovl_work *ret);
/* What was made under it becomes `name` of dir, in place of `there` (a whiteout; NULL: nothing). */
MUST_USE int ovl_work_show(struct ovl_inode *dir, const struct ovl_work *work, const char *name,
			   struct inode *made, struct inode *there) MAY_YIELD;
/* A whiteout takes the place of `there`, which is removed: a directory's whiteouts too. */
MUST_USE int ovl_work_hide(struct ovl_inode *dir, const char *name, struct inode *there) MAY_YIELD;
/* Remove what has this name; what cannot be is left for the next start. */
void ovl_work_remove(struct ovl_fs *fs, const struct ovl_work *work, struct inode *victim)
	MAY_YIELD;
/* At the start: what a power cut left. */
MUST_USE int ovl_work_clean(struct inode *work) MAY_YIELD;
/* The next name at or after *cursor; len 0: none. 0 or -errno. */
struct ovl_one_name {
	char text[VFS_NAME_MAX];
	size_t len;
};
MUST_USE int ovl_first_name(struct inode *upper, uint64_t *cursor, struct ovl_one_name *ret)
	MAY_YIELD;

/* ---- rename.c, readdir.c */
int ovl_rename(const struct vfs_move *what) MAY_YIELD;
int ovl_readdir(struct inode *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx) MAY_YIELD;

/* ---- data.c: attributes, bytes, xattrs: all go to the real inode, changes after copy-up. */
int ovl_getattr(struct inode *inode, struct vfs_attr *ret) MAY_YIELD;
int ovl_setattr(struct inode *inode, const struct vfs_attr *attr, unsigned int set) MAY_YIELD;
int ovl_readlink(struct inode *inode, char *buf, size_t size) MAY_YIELD;
int ovl_link_text(struct inode *inode, const char **ret) MAY_YIELD;
ssize_t ovl_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD;
ssize_t ovl_write(struct inode *inode, const void *buf, size_t size, uint64_t offset) MAY_YIELD;
int ovl_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t size) MAY_YIELD;
int64_t ovl_seek_data(struct inode *inode, uint64_t offset, int whence) MAY_YIELD;
int ovl_map(struct inode *inode, bool for_write, struct vfs_mapping *ret) MAY_YIELD;
int ovl_sync(struct inode *inode, bool data_only) MAY_YIELD;
void ovl_close_write(struct inode *inode);
int ovl_open_write(struct inode *inode) MAY_YIELD;
ssize_t ovl_getxattr(struct inode *inode, const char *name, void *buf, size_t size) MAY_YIELD;
int ovl_setxattr(struct inode *inode, const char *name, const void *buf, size_t size, int flags)
	MAY_YIELD;
ssize_t ovl_listxattr(struct inode *inode, char *buf, size_t size) MAY_YIELD;
int ovl_removexattr(struct inode *inode, const char *name) MAY_YIELD;
int ovl_get_acl(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl **ret) MAY_YIELD;
int ovl_set_acl(struct inode *inode, const struct vfs_acl_change *change) MAY_YIELD;

#endif /* VFS_OVERLAY_OVERLAY_H */
