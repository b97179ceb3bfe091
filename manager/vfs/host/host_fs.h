#ifndef VFS_HOST_HOST_FS_H
#define VFS_HOST_HOST_FS_H
/*
 * host_fs.h - a directory of the host, read-only: its parts, to each other. Layer: vfs/host.
 *
 * The host's tree is taken as unchanging while it is used: names, attributes and
 * link texts are asked once and kept. A change that the host makes meanwhile may
 * be seen or not; it is never followed half way into another file (ESTALE).
 *
 * A directory's names are read once, all of them, when something is first looked
 * up in it: names that are not there (PATH, #include, imports) then cost no call.
 *
 * Not shown: what lies in the host's /proc, in its /dev, and in other mounts of
 * proc, devpts, debugfs and tracefs: those directories are empty here. Files of
 * sysfs and the like have no true size: they are read until the host says EOF.
 *
 * Limit    HOST_FDS_MAX open descriptors; HOST_NAMES_MAX bytes of cached names,
 *          the directory in use apart. Both forget what was not used longest.
 * Owner    an inode holds its parent. Descriptors in use are counted (fds_use).
 * Thread   scheduler thread only. Tasks that want the same thing of the host at the
 *          same time: names are read under host_inode.loading; of two opens of one
 *          file the second is closed; of two new inodes of one file the second is dropped.
 *
 * Way down: host_ops (fs.c) -> names.c, fds.c -> io.c.
 */
#include "vfs/small.h"
#include "vfs/vfs.h"

#define HOST_FDS_MAX 256u
#define HOST_NAMES_MAX (32u * 1024u * 1024u)

struct statx;

struct host_fs {
	struct vfs_fs fs;
	uint64_t inode_count;
	uint32_t euid;
	struct host_inode **by_number; /* by (dev, ino); power of two */
	size_t bucket_count, numbered;
	/* descriptors: least recently used first */
	struct list fds;
	uint32_t fd_count;
	/* read directories: least recently used first */
	struct list names;
	size_t names_size;
	/* the host's own /proc and /dev */
	struct {
		uint64_t dev, ino;
	} hidden[2];
};

struct host_name {
	uint64_t ino;
	uint32_t text; /* offset into host_names.texts */
	uint16_t len;
	uint8_t type; /* DT_ */
};

/* All names of a directory, in the order in which the host tells them. */
struct host_names {
	struct host_name *entries;
	char *texts;
	uint32_t *index; /* open addressing; entry number + 1, 0: free; power of two */
	uint32_t count, capacity;
	uint32_t texts_size, texts_capacity;
	uint32_t index_size;
	uint32_t users; /* being read across a yield */
	struct list lru;
	struct host_inode *owner;
};

enum host_flag {
	HOST_HIDDEN = 1,     /* a directory shown empty */
	HOST_UNSIZED = 2,    /* st_size says nothing */
	HOST_UNLISTABLE = 4, /* may be searched, not read: every name is asked for */
	HOST_QUICK = 8,	     /* io_quick() */
};

struct host_inode {
	struct inode inode;
	struct host_inode *parent; /* counted; NULL: the root */
	char *name;		   /* in parent; NUL-terminated */
	struct vfs_attr attr;
	uint32_t flags;
	/* fds.c */
	int fd; /* -1: none */
	uint32_t fd_users;
	struct list fd_lru;
	/* directories */
	struct host_names *names; /* NULL: not read, or forgotten */
	struct task_lock loading;
	/* links */
	char *target;
	/* the rest */
	struct host_inode *number_next;
	struct list dead;
};

static inline struct host_inode *host_of(struct inode *inode)
{
	return CONTAINER_OF(inode, struct host_inode, inode);
}

static inline struct host_fs *host_fs_of(const struct host_inode *h)
{
	return h->inode.fs->private_data;
}

static inline bool host_quick(const struct host_inode *h)
{
	return h->flags & HOST_QUICK;
}

/* ---- fds.c: a descriptor of the inode, opened if need be, kept until fds_done(). */
MUST_USE int fds_use(struct host_inode *h) MAY_YIELD; /* the descriptor, or -errno */
void fds_done(struct host_inode *h);
/* Where `fd`, the directory's, cannot be listed (O_PATH): another that can. */
MUST_USE int fds_open_listing(struct host_inode *dir, int fd) MAY_YIELD;
void fds_forget(struct host_inode *h); /* close */

/* ---- names.c */
/* Have dir->names, in use until names_done(). -EACCES: HOST_UNLISTABLE is set. */
MUST_USE int names_use(struct host_inode *dir, struct host_names **ret) MAY_YIELD;
void names_done(struct host_names *names);
const struct host_name *names_find(const struct host_names *names, const char *name, size_t len);
void names_forget(struct host_inode *dir);

#endif /* VFS_HOST_HOST_FS_H */
