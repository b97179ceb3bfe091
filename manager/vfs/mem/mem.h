#ifndef VFS_MEM_MEM_H
#define VFS_MEM_MEM_H
/*
 * mem.h - a file system in memory: its parts, to each other. Layer: vfs/mem.
 *
 * Order    readdir cursors are sequence numbers given to names when they are made:
 *          a name added or removed while somebody reads moves no other name.
 * Limit    mem_fs.limit bytes for pages, inodes, names, links, attributes and access lists
 *          together (ENOSPC); MEM_FILE_MAX bytes a file (EFBIG); MEM_XATTR_TOTAL bytes of
 *          attributes an inode; MEM_MAPS_MAX files that clients map (ENFILE). Of a mapped file
 *          with more than MEM_SHIFT_MAX bytes no range is taken out, and none put in
 *          (EOPNOTSUPP; Linux's tmpfs never does): all others wait while bytes are copied.
 * Owner    a name holds its inode; the last reference of an unnamed inode frees it.
 * Thread   scheduler thread only. Nothing here yields, so every operation is atomic.
 *
 * Way down: mem_ops (fs.c) -> names in dir.c, bytes in file.c -> pages.c -> pool.c.
 */
#include "vfs/vfs.h"

#define MEM_PAGE_SIZE 4096u
#define MEM_PAGE_SHIFT 12u
#define MEM_FILE_MAX (UINT64_C(1) << 40)
#define MEM_XATTR_TOTAL 65536u
#define MEM_MAPS_MAX 4096u
#define MEM_SHIFT_MAX (UINT64_C(16) << 20)
#define MEM_INODE_COST 512u /* charged for an inode, whatever it holds */

struct mem_fs {
	struct vfs_fs fs;
	uint64_t limit, used; /* bytes */
	uint64_t inode_count;
	uint64_t next_ino;
};

/* ---- pages.c: a sparse array of pages: a tree of 64-slot nodes. */
struct mem_pages {
	void *root; /* height 0: page 0 itself */
	unsigned int height;
	uint64_t count; /* pages */
};

char *pages_find(const struct mem_pages *p, uint64_t index); /* NULL: a hole */
/* The page, made if it was a hole; not zeroed if `overwrite`. 0, -ENOSPC, -ENOMEM. */
MUST_USE int pages_get(struct mem_fs *fs, struct mem_pages *p, uint64_t index, bool overwrite,
		       char **ret);
/* Make holes of pages first..end-1. */
void pages_drop(struct mem_fs *fs, struct mem_pages *p, uint64_t first, uint64_t end);
/*
 * Pages from `from` on come to be `to` on, and all after them; of those between, the ones that
 * would be overwritten go. 0, or -ENOSPC: nothing has changed.
 */
MUST_USE int pages_shift(struct mem_fs *fs, struct mem_pages *p, uint64_t from, uint64_t to);
/* First page at or after index that exists; UINT64_MAX: none. */
uint64_t pages_next(const struct mem_pages *p, uint64_t index);

/* ---- pool.c: where pages come from. */
char *pool_take(bool *ret_zeroed); /* NULL: no memory */
void pool_give(char *page);
uint64_t pool_pages(void); /* census */

/* ---- map.c: a file whose bytes are in a memfd, because a client maps it. */
struct mem_map {
	int fd;
	int read_fd; /* the same file, opened for reading only; -1: not yet */
	char *base;  /* our mapping: [0, mapped) */
	uint64_t mapped;
	uint64_t file_size; /* of the memfd: the file's, to a page's end */
	uint64_t dense_end; /* [0, dense_end) is known to have pages: plain memory access */
	uint64_t charged;   /* bytes */
	uint64_t version;
};

struct mem_inode;
MUST_USE int map_new(struct mem_inode *m);
void map_free(struct mem_fs *fs, struct mem_map *map);
int map_read_fd(struct mem_map *map); /* or -errno */
ssize_t map_read(struct mem_map *map, void *buf, size_t size, uint64_t offset);
ssize_t map_write(struct mem_fs *fs, struct mem_map *map, const void *buf, size_t size,
		  uint64_t offset);
/* Zero, and free where whole pages allow it. */
int map_punch(struct mem_fs *fs, struct mem_map *map, uint64_t offset, uint64_t size);
/* Behind the end of the memfd too, which stays where it is. */
int map_allocate(struct mem_fs *fs, struct mem_map *map, uint64_t offset, uint64_t size);
/*
 * What is from `from` on goes to `to`, whole pages; then the file has another size. An error of
 * the host's may leave some of it moved.
 */
MUST_USE int map_shift(struct mem_fs *fs, struct mem_map *map, uint64_t from, uint64_t to);
/* The file has another size: let the memfd end with its last page. */
MUST_USE int map_resize(struct mem_fs *fs, struct mem_map *map, uint64_t size);
int64_t map_seek(struct mem_map *map, uint64_t offset, int whence);
uint64_t map_blocks(struct mem_fs *fs, struct mem_map *map); /* of 512 bytes; corrects the charge */

/* ---- dir.c: names. */
struct mem_name {
	struct mem_name *next; /* of its bucket */
	uint32_t hash;
	uint32_t slot;		 /* its place in mem_dir.slots */
	struct mem_inode *inode; /* counted */
	uint16_t len;
	char text[]; /* not terminated */
};

struct mem_slot {
	uint64_t sequence;
	struct mem_name *name; /* NULL: removed */
};

struct mem_dir {
	struct mem_name **buckets; /* power of two; NULL while empty */
	uint32_t bucket_count;
	uint32_t count;
	struct mem_slot *slots; /* in order of sequence */
	uint32_t slot_count, slot_capacity;
	uint32_t compactions; /* places in slots changed */
	uint64_t next_sequence;
};

struct mem_name *dir_find(const struct mem_dir *dir, const char *name, size_t len);
/* Adds `inode`, taking a reference. 0, -ENOSPC, -ENOMEM. */
MUST_USE int dir_add(struct mem_fs *fs, struct mem_dir *dir, const char *name, size_t len,
		     struct mem_inode *inode);
/* Takes the name out and puts its inode. */
void dir_remove(struct mem_fs *fs, struct mem_dir *dir, struct mem_name *name);
void dir_clear(struct mem_fs *fs, struct mem_dir *dir);
int dir_read(const struct mem_dir *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx);
uint64_t dir_steps(void); /* census: slots and names looked at, in all directories */

/* ---- inodes. */
struct mem_xattr {
	struct mem_xattr *next;
	char *name;
	void *value;
	size_t size;
};

struct mem_inode {
	struct inode inode;
	uint32_t nlink;
	uint32_t xattr_size;		  /* names and values */
	uint32_t acl_size[VFS_ACL_KINDS]; /* of inode.acl: charged */
	uint64_t size;
	struct timespec atime, mtime, ctime, btime;
	struct mem_xattr *xattrs;
	struct list dead; /* in the reaper's queue */
	union {
		struct {
			struct mem_pages pages; /* empty once there is a map */
			struct mem_map *map;
		} file;
		struct mem_dir dir;
		char *target;
	};
};

static inline struct mem_inode *mem_of(struct inode *inode)
{
	return CONTAINER_OF(inode, struct mem_inode, inode);
}

static inline struct mem_fs *mem_fs_of(const struct mem_inode *m)
{
	return m->inode.fs->private_data;
}

/* Bytes charged to the file system. -ENOSPC past its limit. */
MUST_USE int mem_charge(struct mem_fs *fs, uint64_t size);
void mem_uncharge(struct mem_fs *fs, uint64_t size);
/* Content changed now. */
void mem_touch(struct mem_inode *m);

/* ---- file.c */
ssize_t mem_read(struct inode *inode, void *buf, size_t size, uint64_t offset);
ssize_t mem_write(struct inode *inode, const void *buf, size_t size, uint64_t offset);
int mem_resize(struct mem_inode *m, uint64_t size);
int mem_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t size);
int64_t mem_seek_data(struct inode *inode, uint64_t offset, int whence);
int mem_map(struct inode *inode, bool for_write, struct vfs_mapping *ret);

/* ---- xattr.c */
ssize_t mem_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int mem_setxattr(struct inode *inode, const char *name, const void *buf, size_t size, int flags);
ssize_t mem_listxattr(struct inode *inode, char *buf, size_t size);
int mem_removexattr(struct inode *inode, const char *name);
int mem_set_acl(struct inode *inode, const struct vfs_acl_change *change);
/* The lists that something new begins with. */
MUST_USE int mem_acls_begin(struct mem_inode *m, const struct vfs_attr *attr);
void mem_xattrs_free(struct mem_inode *m); /* lists too */

#endif /* VFS_MEM_MEM_H */
