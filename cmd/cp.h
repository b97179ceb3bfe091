#ifndef CMD_CP_H
#define CMD_CP_H
/*
 * cp.h - hascall cp, its files to each other: what can be done with a tree, be it the host's
 * or one in an image. Layer: cmd.
 *
 * Order    paths are from the root of the tree, or from where the command was started (host).
 *          Symbolic links at their end are not followed, unless said otherwise.
 * Errors   0 or a count, or -errno.
 * Thread   one task.
 */
#include "cmd/world.h"

struct cp_side;

struct cp_file {
	const struct cp_side *side;
	int fd;		  /* host */
	struct dentry *d; /* image */
};

/* Names, each terminated, one after the other. */
struct cp_names {
	char *text;
	size_t size, room;
};

struct cp_tree {
	int (*stat)(const struct cp_side *s, const char *path, bool follow, struct vfs_attr *ret);
	/* Adds all names but "." and "..". */
	int (*list)(const struct cp_side *s, const char *path, struct cp_names *names);
	ssize_t (*readlink)(const struct cp_side *s, const char *path, char *buf, size_t size);
	int (*open)(const struct cp_side *s, const char *path, struct cp_file *ret);
	int (*create)(const struct cp_side *s, const char *path, struct cp_file *ret); /* 0600 */
	ssize_t (*read)(const struct cp_file *f, void *buf, size_t size, uint64_t offset);
	ssize_t (*write)(const struct cp_file *f, const void *buf, size_t size, uint64_t offset);
	/* Where data is, at or after *begin; -ENXIO: nothing but a hole. */
	int (*data)(const struct cp_file *f, uint64_t *begin, uint64_t *ret_end);
	/* All is written: it is so long, and no power cut makes it shorter once it is renamed. */
	int (*finish)(const struct cp_file *f, uint64_t size);
	void (*close)(struct cp_file *f);
	int (*mkdir)(const struct cp_side *s, const char *path); /* 0700 */
	int (*symlink)(const struct cp_side *s, const char *target, const char *path);
	int (*mknod)(const struct cp_side *s, const char *path, uint32_t mode, uint64_t rdev);
	int (*link)(const struct cp_side *s, const char *from, const char *path);
	int (*rename)(const struct cp_side *s, const char *from, const char *to);
	int (*unlink)(const struct cp_side *s, const char *path);
	int (*chown)(const struct cp_side *s, const char *path, uint32_t uid, uint32_t gid);
	int (*chmod)(const struct cp_side *s, const char *path, uint32_t mode);
	int (*times)(const struct cp_side *s, const char *path, const struct timespec times[2]);
	ssize_t (*listxattr)(const struct cp_side *s, const char *path, char *buf, size_t size);
	ssize_t (*getxattr)(const struct cp_side *s, const char *path, const char *name, void *buf,
			    size_t size);
	int (*setxattr)(const struct cp_side *s, const char *path, const char *name,
			const void *value, size_t size);
};

struct cp_side {
	const struct cp_tree *tree;
	struct world_image *image; /* NULL: the host */
};

extern const struct cp_tree cp_host, cp_image;

MUST_USE int cp_names_add(struct cp_names *names, const char *name, size_t len);

#endif /* CMD_CP_H */
