/* SPDX-License-Identifier: MIT */
#ifndef FRONT_LAYER_H
#define FRONT_LAYER_H
/*
 * layer.h - an image that is a layer above the host's tree. Layer: front.
 *
 * It has two directories at its root and nothing else: `upper`, with the changes as the
 * kernel's overlayfs stores them, and `work`, which is the overlay's own; `dev` and `proc` may
 * stand beside them.
 *
 * Thread   scheduler thread only.
 */
#include "vfs/vfs.h"

enum layer_kind {
	LAYER_EMPTY, /* neither: it can become both */
	LAYER_LAYER,
	LAYER_TREE, /* something else is in it */
};

/* What is at the image's root? */
MUST_USE int layer_look(struct inode *image_root, enum layer_kind *ret) MAY_YIELD;
/* The two directories, made if they are missing and may be. */
MUST_USE int layer_parts(struct inode *image_root, struct inode **ret_upper,
			 struct inode **ret_work) MAY_YIELD;
/*
 * What is seen: the host's directory (host_fd, taken over; -1: its root) with `upper` above.
 * Both are taken over; work NULL: there is none.
 */
MUST_USE int layer_over_host(int host_fd, struct inode *upper, struct inode *work,
			     struct inode **ret_root) MAY_YIELD;

#endif /* FRONT_LAYER_H */
