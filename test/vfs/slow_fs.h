#ifndef TEST_VFS_SLOW_FS_H
#define TEST_VFS_SLOW_FS_H
/*
 * slow_fs.h - a memory file system that gives up the processor before and after each
 * operation, as one on a device would. Layer: test.
 */
#include "vfs/vfs.h"

/* Takes over nothing: the inode and all that are reached through it are slow from now on. */
void make_slow(struct inode *mem_inode);
uint64_t slow_lookups(void);
/* Called after each change of names or attributes instead of giving up the processor; NULL: not. */
extern void (*slow_changed)(void);

#endif /* TEST_VFS_SLOW_FS_H */
