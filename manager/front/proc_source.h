/* SPDX-License-Identifier: MIT */
#ifndef FRONT_PROC_SOURCE_H
#define FRONT_PROC_SOURCE_H
/*
 * proc_source.h - where /proc gets what it shows from. Layer: front, inside only.
 *
 * Thread   scheduler thread only.
 *
 * Way down: front_proc_source.info -> process_find, and the host's /proc.
 */
#include "file/file.h"
#include "vfs/proc/proc_fs.h"

extern const struct proc_source front_proc_source;
/* file_hooks.descriptor */
struct file *front_descriptor(int32_t pid, int fd);

#endif /* FRONT_PROC_SOURCE_H */
