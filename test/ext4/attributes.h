#ifndef TEST_EXT4_ATTRIBUTES_H
#define TEST_EXT4_ATTRIBUTES_H
/*
 * attributes.h - extended attributes of files in an image, by path and as root: what test_xattr.c
 * and test_acl.c share. Layer: test.
 *
 * Thread   one.
 */
#include "test/ext4/image.h"
#include "vfs/acl.h"

/* Options of mke2fs, by which attributes have different places. */
#define ATTR_KINDS 8u
extern const char *const attr_kinds[ATTR_KINDS];

/* An access list for user 70000 and group 100; with it the mode is 0651. */
struct attr_list {
	uint32_t version;
	struct acl_entry entries[6];
};
extern const struct attr_list attr_list;

/* A new image of 16 MiB with /file, /dir and /link, mounted. */
void attr_start(const char *kind) MAY_YIELD;
void attr_judge(void) MAY_YIELD; /* unmounted, and e2fsck finds nothing */
void attr_again(void) MAY_YIELD; /* and mounted */

struct dentry *attr_walk(const char *path) MAY_YIELD; /* links are not followed */
int attr_set(const char *path, const char *name, const void *value, size_t size, int flags)
	MAY_YIELD;
int attr_set_text(const char *path, const char *name, const char *value) MAY_YIELD;
/* The value, terminated. */
extern char attr_got[VFS_XATTR_SIZE_MAX + 1];
ssize_t attr_get(const char *path, const char *name, size_t size) MAY_YIELD;
const char *attr_text(const char *path, const char *name) MAY_YIELD; /* or the error's name */
int attr_take_away(const char *path, const char *name) MAY_YIELD;
/* Names, sorted, a space after each; static buffer. */
const char *attr_list_of(const char *path) MAY_YIELD;
/* Text of this size, which the number chooses. */
void attr_fill(char *value, size_t size, unsigned int number);

#endif /* TEST_EXT4_ATTRIBUTES_H */
