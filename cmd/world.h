#ifndef CMD_WORLD_H
#define CMD_WORLD_H
/*
 * world.h - the manager's own parts, in this process, for commands that look into images:
 * scheduler, host calls, disk, cache, ext4, names. Layer: cmd.
 *
 *	world_run(fn, context) -> fn runs in a task:
 *		world_open("x.img", how, &image)
 *		vfs_...(&image->view, ...)
 *		world_close_all()
 *
 * Order    an image is claimed from world_open() to world_close_all().
 * Limit    WORLD_IMAGES at a time; the same file is opened once, however it is named.
 * Owner    images are the world's.
 * Errors   what concerns an image is told on standard error, in the name of the command.
 * Thread   one; not while a manager runs in this process.
 *
 * Way down: world_open -> disk_open_image, ext4_mount -> layer_over_host (front/layer.h).
 */
#include "vfs/ext4/ext4.h"
#include "vfs/vfs.h"

#define WORLD_IMAGES 16u

struct world_how {
	bool write;
	bool raw; /* a layer as it is stored, not as programs see it */
};

struct world_image {
	const char *path;
	struct ext4 *ext4;
	struct ext4_report report;
	struct ext4_super super; /* as it was before the journal was replayed */
	struct vfs view;	 /* as root, with no umask */
	bool layer;		 /* it is one; programs see the host's tree below */
	bool raw;
};

/* `command` is for messages; fn gives an exit status. CMD_FAILED if it could not run. */
MUST_USE int world_run(const char *command, int (*fn)(void *context), void *context);
/* 0 or an exit status. The text of `path` must last as long as the image. */
MUST_USE int world_open(const char *path, const struct world_how *how, struct world_image **ret)
	MAY_YIELD;
/* Nothing of any image is held any more. 0, or an exit status: changes are lost. */
MUST_USE int world_close_all(void) MAY_YIELD;

#endif /* CMD_WORLD_H */
