#ifndef CMD_MKFS_H
#define CMD_MKFS_H
/*
 * mkfs.h - what an image is filled with. Layer: cmd.
 *
 * A folder is copied by mke2fs itself, owners included. An archive is unpacked by tar, as
 * whoever runs the command; what only root could have made (owners, device nodes, folders nobody
 * may enter) is then put into the image by debugfs, from the archive's list.
 */
#include "base/cc.h"
#include "cmd/child.h"

#include <limits.h>
#include <stdint.h>

#define MKFS_PATH_MAX (CHILD_PATH_MAX + 16)

struct mkfs_source {
	const char *from; /* as the user named it */
	bool is_archive;
	char folder[CHILD_PATH_MAX]; /* temporary; empty: there is none */
	char tree[PATH_MAX];	     /* what mke2fs -d gets */
	char list[MKFS_PATH_MAX], excluded[MKFS_PATH_MAX], script[MKFS_PATH_MAX],
		said[MKFS_PATH_MAX];
	uint64_t bytes, files; /* whole blocks; all kinds of files */
};

/* Look at it, unpack it. 0, or an exit status; it has complained. */
MUST_USE int mkfs_source_open(struct mkfs_source *s, const char *from, uint32_t block_size);
/* After mke2fs. 0, or an exit status; it has complained. */
MUST_USE int mkfs_source_finish(struct mkfs_source *s, const char *image);
void mkfs_source_close(struct mkfs_source *s); /* zeroed is fine */

#endif /* CMD_MKFS_H */
