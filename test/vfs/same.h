#ifndef TEST_VFS_SAME_H
#define TEST_VFS_SAME_H
/*
 * same.h - one operation, done by the host's kernel or by the vfs: what both answer
 * is told as text, to be compared. Layer: test.
 *
 * Left out, as two good file systems differ in them: numbers of inodes and devices,
 * sizes and (merged) link counts of directories, blocks, access times, the order of
 * names; and whether opening a fifo or socket answers ENXIO, which is file/'s matter.
 */
#include "test/vfs/vfs_test.h"

#define HANDLES 4u
#define OP_PATH 128u
#define ANSWER_SIZE 4096u

enum op_kind {
	OP_OPEN, /* and read or write through it */
	OP_MKDIR,
	OP_RMDIR,
	OP_UNLINK,
	OP_RENAME,
	OP_LINK,
	OP_SYMLINK,
	OP_MKNOD,
	OP_STAT,
	OP_READLINK,
	OP_CHMOD,
	OP_CHOWN,
	OP_UTIMENS,
	OP_TRUNCATE,
	OP_ACCESS,
	OP_LIST,
	OP_XATTR,
	OP_HANDLE_OPEN,
	OP_HANDLE_READ,
	OP_HANDLE_WRITE,
	OP_HANDLE_TRUNCATE,
	OP_HANDLE_STAT,
	OP_HANDLE_ALLOCATE,
	OP_KINDS,
};

struct op {
	enum op_kind kind;
	char a[OP_PATH], b[OP_PATH];
	int flags;
	uint32_t mode, uid, gid;
	uint64_t offset, size;
	unsigned int handle;
	unsigned int who; /* index of identity */
	char byte;	  /* what is written */
};

/* The machine's root, and two users; if the test is not root: itself alone. */
unsigned int identities(void);
/* Does it; tells the answer in text of ANSWER_SIZE. */
void host_do(const struct op *op, char *answer);
void vfs_do(const struct op *op, char *answer) MAY_YIELD;
void ops_end(void); /* close what is open, and be oneself again */
void op_tell(const struct op *op, char *text, size_t size);

#endif /* TEST_VFS_SAME_H */
