#ifndef VFS_VFS_H
#define VFS_VFS_H
/*
 * vfs.h - names, inodes and mounts: what every file system gives and what the
 * rest of the manager asks for. Layer: vfs.
 *
 * Owner    inodes and dentries are counted; who gets one in a ret_ argument puts it.
 * Limit    names VFS_NAME_MAX bytes, paths VFS_PATH_MAX bytes, VFS_LINK_DEPTH symbolic links.
 * Thread   scheduler thread only.
 * Errors   all functions answer 0 (or a count) or -errno that may go to the client.
 *
 * Way down: vfs_walk (walk.c) -> dentry cache (dentry.c) -> inode_ops.lookup (overlay/, mem/, ...).
 */
#include "base/cc.h"
#include "base/list.h"
#include "task/task.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define VFS_NAME_MAX 255u
#define VFS_PATH_MAX 4096u
#define VFS_LINK_DEPTH 40u
#define VFS_GROUPS_MAX 64u
#define VFS_CURSOR_END (UINT64_C(1) << 62) /* an overlay has two such ranges in a d_off */

struct inode;
struct dentry;
struct vfs;
struct vfs_acl; /* acl.h */

/* An inode's lists: who may use it; what is made in this directory begins with. */
enum vfs_acl_kind { VFS_ACL_ACCESS, VFS_ACL_DEFAULT, VFS_ACL_KINDS };

struct vfs_attr {
	uint64_t dev, ino, rdev;
	uint64_t size;	 /* bytes */
	uint64_t blocks; /* of 512 bytes */
	uint32_t mode;	 /* type and permissions */
	uint32_t nlink, uid, gid;
	uint32_t blksize;
	struct timespec atime, mtime, ctime, btime;
	struct vfs_acl *acl[VFS_ACL_KINDS]; /* of what is made; lent; getattr gives none */
};

/* Another list, or none (acl NULL), and the bits of the mode that change with it. */
struct vfs_acl_change {
	enum vfs_acl_kind kind;
	const struct vfs_acl *acl; /* valid */
	uint32_t clear_mode, set_mode;
};

/* Which members of a vfs_attr a setattr changes. */
enum vfs_set {
	VFS_SET_MODE = 1,
	VFS_SET_UID = 2,
	VFS_SET_GID = 4,
	VFS_SET_SIZE = 8,
	VFS_SET_ATIME = 16,
	VFS_SET_MTIME = 32,
	VFS_SET_CTIME = 64,
};

/* What readdir tells about one name. A callback that answers non-zero did not take it: stop. */
struct vfs_dirent {
	const char *name;
	size_t name_len;
	uint64_t ino;
	uint32_t type; /* DT_* */
	uint64_t next; /* cursor after this name (d_off); below VFS_CURSOR_END */
};
typedef int vfs_emit_fn(void *ctx, const struct vfs_dirent *entry);

struct vfs_bytes {
	const void *data;
	size_t size;
};

/* A host descriptor that holds the data of a file, for mmap by a client. */
struct vfs_mapping {
	int host_fd;	  /* borrowed: valid at least until the caller yields; dup what must last */
	bool writable;	  /* host_fd may be given to the client for shared writing */
	uint64_t version; /* same: same content identity; key of the client's descriptor cache */
	uint64_t file_size; /* bytes, now */
};

/* What a rename is to do. */
struct vfs_move {
	struct inode *old_dir, *new_dir;
	const char *old_name, *new_name; /* NUL-terminated */
	struct inode *inode;
	struct inode *target; /* what the new name has; NULL: nothing */
	/*
	 * 0, RENAME_NOREPLACE (already checked), RENAME_EXCHANGE; an overlay's upper may be asked
	 * for RENAME_WHITEOUT: a character device 0/0 comes to the old name, in the same step.
	 */
	unsigned int flags;
};

/*
 * What a file system implements. A missing operation answers -EOPNOTSUPP (or the
 * errno that Linux gives; the vfs decides). Those that may touch a device may yield.
 * The vfs has checked names, types and permissions before it calls; a file system
 * checks what only it knows. `name` is not NUL-terminated where a length is given.
 */
struct inode_ops {
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **ret);
	int (*getattr)(struct inode *inode, struct vfs_attr *ret);
	int (*setattr)(struct inode *inode, const struct vfs_attr *attr, unsigned int set);
	/* 1 or 0: is there such a name? Cheaper than lookup; missing: lookup is asked. */
	int (*has_name)(struct inode *dir, const char *name, size_t len);
	/*
	 * Make a regular file, directory, fifo, socket or device node; attr: mode, uid, gid, rdev,
	 * acl.
	 * name NULL: an unnamed file (nlink 0) that link() may name later (O_TMPFILE, copy-up).
	 */
	int (*create)(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		      struct inode **ret);
	int (*symlink)(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		       const char *target, struct inode **ret);
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*rmdir)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*rename)(const struct vfs_move *move);
	/* Emit names from *cursor on (0: the first; "." and ".." come from the file layer). */
	int (*readdir)(struct inode *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx);
	int (*readlink)(struct inode *inode, char *buf, size_t size); /* length, not terminated */
	/*
	 * The text, NUL-terminated, borrowed while the inode is referenced. Missing, or the
	 * answer -EOPNOTSUPP: readlink.
	 */
	int (*link_text)(struct inode *inode, const char **ret);
	/* A link that is not a text (/proc/self/fd/N): gives the dentry itself. */
	int (*follow)(struct inode *inode, const struct vfs *view, struct dentry **ret);
	ssize_t (*read)(struct inode *inode, void *buf, size_t size, uint64_t offset);
	ssize_t (*write)(struct inode *inode, const void *buf, size_t size, uint64_t offset);
	int (*fallocate)(struct inode *inode, int mode, uint64_t offset, uint64_t size);
	/* SEEK_DATA / SEEK_HOLE. */
	int64_t (*seek_data)(struct inode *inode, uint64_t offset, int whence);
	int (*map)(struct inode *inode, bool for_write, struct vfs_mapping *ret);
	int (*sync)(struct inode *inode, bool data_only);
	/*
	 * What was written so far is on the disk no later than a change of names made after this.
	 * Cheaper than sync, it need not wait; missing: so it is anyway.
	 */
	int (*order)(struct inode *inode);
	/* First open for writing (open(2) may copy up); may be missing. */
	int (*open_write)(struct inode *inode);
	/* Who had it open for writing has closed it; may be missing. Must not yield. */
	void (*close_write)(struct inode *inode);
	ssize_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
	int (*setxattr)(struct inode *inode, const char *name, const void *buf, size_t size,
			int flags);
	ssize_t (*listxattr)(struct inode *inode, char *buf, size_t size);
	int (*removexattr)(struct inode *inode, const char *name);
	/*
	 * Access lists, which are no attributes to the operations above, but for listxattr.
	 * get_acl gives a heap copy, NULL if there is none, and does not yield once it has
	 * looked; missing: inode.acl is all there is. set_acl missing: no lists here. A setattr
	 * of the mode changes the list with it (acl_chmod); who changes a list sets or forgets
	 * inode.acl when it is done.
	 */
	int (*get_acl)(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl **ret);
	int (*set_acl)(struct inode *inode, const struct vfs_acl_change *change);
	/* Last reference gone; must not yield (hand slow work to a task). */
	void (*release)(struct inode *inode);
	bool volatile_names; /* lookups must not be cached (/proc) */
};

struct vfs_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen;
};

struct vfs_fs {
	const char *type_name; /* "overlay", "proc", ... for /proc/mounts */
	int (*statfs)(struct vfs_fs *fs, struct vfs_statfs *ret);
	/*
	 * All that was changed so far is durable; missing: it is. `tell`: if all went well, the
	 * error of data that was lost since somebody was told last.
	 */
	int (*sync)(struct vfs_fs *fs, bool tell);
	void *private_data;
	uint64_t dev; /* st_dev of its files: vfs_new_dev() */
	bool read_only;
};

/* Embedded at the start of each file system's own inode. */
struct inode {
	const struct inode_ops *ops;
	struct vfs_fs *fs;
	uint32_t refs;
	uint32_t type; /* S_IFMT part of the mode; never changes */
	uint64_t ino;
	uint64_t rdev;
	/*
	 * What permission checks read. A file system that sets has_perm keeps the three
	 * current (a walk then costs no call of it); the others are asked by getattr.
	 */
	uint32_t mode, uid, gid;
	bool has_perm;
	struct vfs_acl *acl[VFS_ACL_KINDS]; /* what is known of its lists: inode_acl() */
	struct list locks;		    /* fcntl/flock records: file/lock.c */
	void *file_state; /* what file/ keeps with an inode (fifo, socket), freed by its hook */
	void (*file_state_free)(void *file_state);
	uint32_t write_opens; /* open descriptions that may write (ETXTBSY) */
	uint32_t exec_maps;   /* running images */
};

void inode_init(struct inode *inode, const struct inode_ops *ops, struct vfs_fs *fs, uint32_t type);
struct inode *inode_get(struct inode *inode);
void inode_put(struct inode *inode); /* NULL is fine */
uint64_t inode_count(void);	     /* census: inodes of all file systems */

/* ---- a process's view: who looks, from where. Embedded in proc's fs context. */
struct vfs_cred {
	uint32_t uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
	uint32_t group_count;
	uint32_t groups[VFS_GROUPS_MAX];
	bool privileged; /* acts as root inside: permission checks pass (fsuid 0) */
};
/* For whom a task works. */
struct vfs_caller {
	const struct vfs_cred *cred;
	/* Wants to know how far a read is: vfs_tell_read(). NULL: does not. Must not yield. */
	void (*tell_read)(const struct vfs_caller *caller, const void *end);
};
/*
 * For whom the calling task works, in what a file system alone can judge: who may have the
 * last blocks of a disk. NULL: for the house. Lent.
 */
void vfs_act_for(const struct vfs_caller *caller);
const struct vfs_cred *vfs_acting_for(void);
/*
 * A file system in the middle of a large read: what lies before `end` in the buffer is there,
 * stays as it is, and counts in the result. The caller may take it already.
 */
void vfs_tell_read(const void *end);

struct vfs {
	struct dentry *root, *cwd;
	struct vfs_cred *cred;
	uint32_t umask;
	int32_t pid; /* whose view it is: /proc/self */
};

enum vfs_walk_flags {
	VFS_FOLLOW = 1,	   /* follow a final symbolic link */
	VFS_DIRECTORY = 2, /* must be a directory */
	VFS_EMPTY_OK = 4,  /* AT_EMPTY_PATH */
};

/*
 * Find an existing name. `at`: directory for relative paths (NULL: view->cwd).
 * Checks search permission.
 */
MUST_USE int vfs_walk(const struct vfs *view, struct dentry *at, const char *path,
		      unsigned int flags, struct dentry **ret) MAY_YIELD;

/* ---- dentries: one name in one directory. */
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d); /* NULL is fine */
struct inode *dentry_inode(
	const struct dentry *d); /* borrowed; never NULL for what vfs_walk returns */
/*
 * Absolute path as seen from view->root; " (deleted)" appended if unlinked. Length, or
 * -ENAMETOOLONG or -ERANGE.
 */
int dentry_path(const struct vfs *view, struct dentry *d, char *buf, size_t size);
bool dentry_unlinked(const struct dentry *d);
/* The directory that ".." means for this view; borrowed. `d` itself at the view's root. */
struct dentry *dentry_parent(const struct vfs *view, struct dentry *d);
/* The last name of the path, "/" for a root; borrowed until the next yield. */
const char *dentry_name(const struct dentry *d, size_t *ret_len);

/* What the dentry cache did; tests count with it. */
struct dentry_stats {
	uint64_t dentries, unused; /* now */
	uint64_t finds, probes;	   /* names asked of the cache, dentries compared for them */
	uint64_t lookups;	   /* names asked of a file system */
	uint64_t evicted;
};
void dentry_stats_get(struct dentry_stats *ret);

/* ---- operations by path; each checks permissions of view->cred. */
struct vfs_open {
	int flags;     /* O_* of open(2) */
	uint32_t mode; /* before umask */
};
/* open(2)'s name part: walks, creates (O_CREAT|O_EXCL), truncates (O_TRUNC), checks access. */
MUST_USE int vfs_open(const struct vfs *view, struct dentry *at, const char *path,
		      const struct vfs_open *how, struct dentry **ret) MAY_YIELD;
/* An unnamed file in directory `path` (O_TMPFILE). */
MUST_USE int vfs_tmpfile(const struct vfs *view, struct dentry *at, const char *path, uint32_t mode,
			 struct dentry **ret) MAY_YIELD;
MUST_USE int vfs_mkdir(const struct vfs *view, struct dentry *at, const char *path, uint32_t mode)
	MAY_YIELD;
MUST_USE int vfs_mknod(const struct vfs *view, struct dentry *at, const char *path, uint32_t mode,
		       uint64_t rdev) MAY_YIELD;
/* Like mknod of a socket, and gives the dentry (bind of AF_UNIX). */
MUST_USE int vfs_make_socket(const struct vfs *view, const char *path, uint32_t mode,
			     struct dentry **ret) MAY_YIELD;
MUST_USE int vfs_symlink(const struct vfs *view, const char *target, struct dentry *at,
			 const char *path) MAY_YIELD;
MUST_USE int vfs_link(const struct vfs *view, struct dentry *from, struct dentry *at,
		      const char *path) MAY_YIELD;
MUST_USE int vfs_unlink(const struct vfs *view, struct dentry *at, const char *path) MAY_YIELD;
MUST_USE int vfs_rmdir(const struct vfs *view, struct dentry *at, const char *path) MAY_YIELD;
MUST_USE int vfs_rename(const struct vfs *view, struct dentry *old_at, const char *old_path,
			struct dentry *new_at, const char *new_path, unsigned int flags) MAY_YIELD;

/* ---- operations on inodes, with permission checks where Linux makes them. */
enum { VFS_MAY_EXEC = 1, VFS_MAY_WRITE = 2, VFS_MAY_READ = 4 };
MUST_USE int vfs_permission(const struct vfs_cred *cred, struct inode *inode, unsigned int may)
	MAY_YIELD;
MUST_USE int vfs_getattr(struct inode *inode, struct vfs_attr *ret) MAY_YIELD;
MUST_USE int vfs_chmod(const struct vfs_cred *cred, struct inode *inode, uint32_t mode) MAY_YIELD;
MUST_USE int vfs_chown(const struct vfs_cred *cred, struct inode *inode, uint32_t uid, uint32_t gid)
	MAY_YIELD;
MUST_USE int vfs_truncate(const struct vfs_cred *cred, struct inode *inode, uint64_t size,
			  bool by_descriptor) MAY_YIELD;
/* times[2] in utimensat's form (UTIME_NOW, UTIME_OMIT), NULL: now. */
MUST_USE int vfs_utimens(const struct vfs_cred *cred, struct inode *inode,
			 const struct timespec times[2]) MAY_YIELD;
MUST_USE ssize_t vfs_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD;
MUST_USE ssize_t vfs_write(struct inode *inode, const void *buf, size_t size, uint64_t offset)
	MAY_YIELD;
MUST_USE int vfs_readlink(struct inode *inode, char *buf, size_t size) MAY_YIELD;
/* The text, terminated: lent as long as the inode is referenced, or in *ret_copy, to be freed. */
MUST_USE int vfs_link_text(struct inode *link, const char **ret, char **ret_copy) MAY_YIELD;
MUST_USE int vfs_map(struct inode *inode, bool for_write, struct vfs_mapping *ret) MAY_YIELD;

/*
 * fs.protected_symlinks, _hardlinks, _regular, _fifos of the host: what sticky
 * directories protect, and which files may be linked. Debian's settings until told.
 */
struct vfs_protect {
	unsigned int symlinks, hardlinks, regular, fifos;
};
void vfs_set_protect(const struct vfs_protect *protect);

/*
 * What a write by `cred` does to the set-user-id and set-group-id bits: call it before
 * vfs_write() and after a fallocate. Nothing if privileged.
 */
MUST_USE int vfs_remove_privs(const struct vfs_cred *cred, struct inode *inode) MAY_YIELD;
/* Names from *cursor on; checks nothing but the type (the descriptor was opened for reading). */
MUST_USE int vfs_readdir(struct inode *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
	MAY_YIELD;
/*
 * fallocate(2) after the descriptor's checks; long ranges are done in steps with yields between.
 * Collapse and insert go by blocks of the file system: those of ext4's, pages in memory.
 */
MUST_USE int vfs_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t size) MAY_YIELD;
MUST_USE int64_t vfs_seek_data(struct inode *inode, uint64_t offset, int whence) MAY_YIELD;
MUST_USE int vfs_sync(struct inode *inode, bool data_only) MAY_YIELD;
MUST_USE int vfs_sync_fs(struct inode *inode) MAY_YIELD; /* the file system it is in */
void vfs_sync_all(void) MAY_YIELD;			 /* all that are mounted: sync(2) */
MUST_USE int vfs_statfs(struct inode *inode, struct vfs_statfs *ret) MAY_YIELD;

/* xattr(7): size 0 asks for the size. */
#define VFS_XATTR_NAME_MAX 255u
#define VFS_XATTR_SIZE_MAX 65536u
/* Access lists (acl.h): the value of the list in effect, not bytes that somebody keeps. */
#define VFS_XATTR_ACL_ACCESS "system.posix_acl_access"
#define VFS_XATTR_ACL_DEFAULT "system.posix_acl_default"
MUST_USE ssize_t vfs_getxattr(const struct vfs_cred *cred, struct inode *inode, const char *name,
			      void *buf, size_t size) MAY_YIELD;
MUST_USE int vfs_setxattr(const struct vfs_cred *cred, struct inode *inode, const char *name,
			  const struct vfs_bytes *value, int flags) MAY_YIELD;
MUST_USE ssize_t vfs_listxattr(const struct vfs_cred *cred, struct inode *inode, char *buf,
			       size_t size) MAY_YIELD;
MUST_USE int vfs_removexattr(const struct vfs_cred *cred, struct inode *inode, const char *name)
	MAY_YIELD;

/* The time that goes into inodes. */
struct timespec vfs_now(void);

/* ---- mounts. */
MUST_USE int vfs_mount(struct dentry *on, struct inode *root_of_fs,
		       const char *source); /* takes a reference */
struct vfs_mount_info {
	const char *source, *type_name;
	char path[VFS_PATH_MAX];
	bool read_only;
};
int vfs_mount_list(unsigned int index, struct vfs_mount_info *ret); /* -ENOENT past the end */
MUST_USE int vfs_root(struct inode *root_of_fs, const char *source, struct dentry **ret);
uint64_t vfs_new_dev(void);
/* File systems may keep inodes of their own after it, until they are taken down. */
void vfs_unmount_all(void);
void vfs_fini(void); /* vfs_unmount_all(), and a leak is asserted */

/* ---- file systems (each in its own folder). */
/* mem/: a file system in memory. limit_bytes 0: half the machine's memory. */
MUST_USE int mem_fs_new(const char *type_name, uint64_t limit_bytes, uint32_t root_mode,
			struct inode **ret_root);
/* host/: a directory of the host, read-only, through device/host.h. dir_fd is taken over. */
MUST_USE int host_fs_new(int dir_fd, struct inode **ret_root) MAY_YIELD;
/*
 * overlay/: `lower` read-only below `upper`; NULL lower is allowed. With `work`, a directory of
 * the upper's file system that only the overlay uses (whose rename takes RENAME_WHITEOUT), each
 * change of names is one step to whoever mounts the upper after a power cut. References
 * are taken over.
 */
MUST_USE int overlay_fs_new(struct inode *lower, struct inode *upper, struct inode *work,
			    struct inode **ret_root) MAY_YIELD;
/* dev/: a mem file system with null zero full random urandom tty console fd std* shm pts. */
MUST_USE int dev_fs_new(struct inode **ret_root);
/* proc/: needs to know about processes, which vfs may not: vfs/proc/proc_fs.h has its source. */

#endif /* VFS_VFS_H */
