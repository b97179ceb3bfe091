#ifndef TEST_VFS_VFS_TEST_H
#define TEST_VFS_VFS_TEST_H
/*
 * vfs_test.h - a scheduler, a device and a view to look at trees through. Layer: test.
 *
 *	run_in_task(fn)	run fn in a task; then all mounts are dropped and nothing may be left
 *	use_root(...)	inside: mount a root, and look from it as root of the machine
 *
 * Thread   one.
 */
#include "test/harness.h"
#include "vfs/dentry.h"
#include "vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void run_in_task(void (*fn)(void));
#define VFS_TEST(name)                           \
	static void name##_body(void) MAY_YIELD; \
	static void name(void)                   \
	{                                        \
		run_in_task(name##_body);        \
	}                                        \
	static void name##_body(void)

extern struct vfs view;
extern struct vfs_cred cred;

/* Takes over the root inode. */
void use_root(struct inode *root);
/* Stop looking from it; it stays mounted. */
void leave_root(void);
/* Away with it all, and the census: nothing may be left. Done at the end of a test, too. */
void drop_root(void);
void use_mem(uint64_t limit_bytes);
/* An upper in memory; if VFS_WORK is set, or `always`, a work directory beside it (else NULL). */
void make_upper(uint64_t limit_bytes, bool always, struct inode **ret_upper,
		struct inode **ret_work);
/* An overlay of a folder of the host, and memory. */
void use_overlay(const char *folder) MAY_YIELD;
void be_user(uint32_t uid, uint32_t gid);
void be_root(void);

/* Shorthand: relative to view.cwd, answers of the vfs. */
int do_open(const char *path, int flags, uint32_t mode, struct dentry **ret) MAY_YIELD;
int do_create(const char *path, uint32_t mode) MAY_YIELD; /* O_CREAT | O_EXCL, and put */
int do_mkdir(const char *path) MAY_YIELD;		  /* 0755 */
int do_stat(const char *path, struct vfs_attr *ret) MAY_YIELD;
int do_lstat(const char *path, struct vfs_attr *ret) MAY_YIELD;
int do_symlink(const char *target, const char *path) MAY_YIELD;
int do_link(const char *from, const char *path) MAY_YIELD;
int do_unlink(const char *path) MAY_YIELD;
int do_rmdir(const char *path) MAY_YIELD;
int do_rename(const char *from, const char *to, unsigned int flags) MAY_YIELD;
int do_chmod(const char *path, uint32_t mode) MAY_YIELD;
int do_chown(const char *path, uint32_t uid, uint32_t gid) MAY_YIELD;
int do_truncate(const char *path, uint64_t size) MAY_YIELD;
ssize_t do_write(const char *path, const char *text, uint64_t offset)
	MAY_YIELD; /* opens O_WRONLY */
/* Its bytes as text, in a static buffer. */
const char *text_of(const char *path) MAY_YIELD;
/* Names, sorted, a space after each. `at_once` names a readdir call; static buffer. */
const char *names_of(const char *path, unsigned int at_once) MAY_YIELD;
const char *path_of(struct dentry *d); /* static buffer */
uint64_t ino_of(const char *path) MAY_YIELD;
struct inode *inode_at(const char *path) MAY_YIELD; /* it must be there; inode_put() it */

/* ---- the host's side: a folder of its own, removed at the end of the test's process. */
const char *host_folder(void);
void host_mkdir(const char *name);
void host_file(const char *name, const char *text);
/* One number for everything in the folder: names, kinds, modes, owners, bytes, times of change. */
uint64_t host_hash(const char *folder);

#endif /* TEST_VFS_VFS_TEST_H */
