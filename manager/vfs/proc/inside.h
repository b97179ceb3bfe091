/* SPDX-License-Identifier: MIT */
#ifndef VFS_PROC_INSIDE_H
#define VFS_PROC_INSIDE_H
/*
 * inside.h - the tables of /proc and the inodes made of them. Layer: vfs, inside
 * the folder only.
 */
#include "vfs/proc/proc_fs.h"

struct proc_inode;

/* Directories whose further names are numbers. */
enum proc_numbered { PROC_NO_NUMBERS, PROC_PROCESSES, PROC_THREADS, PROC_DESCRIPTORS };

/* One name, of which many inodes may be made. All operations may yield. */
struct proc_entry {
	const char *name;
	uint32_t mode; /* type and permissions */
	/* directories */
	const struct proc_entry *children;
	unsigned int child_count;
	enum proc_numbered numbered;
	const struct proc_entry *number; /* what a number is */
	/* files */
	int (*fill)(struct proc_inode *p, struct proc_text *text);
	int (*store)(struct proc_inode *p, const char *bytes, size_t size);
	const char *host_path; /* the text is that of this file of the host */
	/* links: a text, or the very dentry */
	int (*target)(struct proc_inode *p, struct proc_text *text);
	int (*object)(struct proc_inode *p, struct dentry **ret);
};

struct proc_fs {
	struct vfs_fs fs;
	const struct proc_source *source;
	uint32_t inode_count; /* the last one frees this */
};

struct proc_inode {
	struct inode base;
	const struct proc_entry *entry;
	int32_t pid, tid; /* 0: of no process */
	int fd;
	/* a file's text, made at the first read; the lock is held while it is made */
	struct task_lock lock;
	struct proc_text text;
	bool filled;
};

static inline struct proc_inode *proc_inode_of(struct inode *inode)
{
	return CONTAINER_OF(inode, struct proc_inode, base);
}
static inline const struct proc_source *proc_source_of(const struct proc_inode *p)
{
	return CONTAINER_OF(p->base.fs, struct proc_fs, fs)->source;
}

extern const struct proc_entry proc_root_entry; /* proc_table.c */

/* A number as a name: no sign, no leading zero. -1: it is none. */
int32_t proc_parse_number(const char *name, size_t len);
/* What is known of the process or thread: 0 or -ESRCH. */
MUST_USE int proc_get_info(const struct proc_inode *p, struct proc_info *ret) MAY_YIELD;

/* proc_system.c */
MUST_USE int proc_copy_host(const char *path, struct proc_text *text) MAY_YIELD;
int proc_fill_filesystems(struct proc_inode *p, struct proc_text *text);
int proc_fill_mounts(struct proc_inode *p, struct proc_text *text);
int proc_fill_mountinfo(struct proc_inode *p, struct proc_text *text);
int proc_fill_uuid(struct proc_inode *p, struct proc_text *text);
int proc_fill_pipe_max_size(struct proc_inode *p, struct proc_text *text);
int proc_target_self(struct proc_inode *p, struct proc_text *text);
int proc_target_thread_self(struct proc_inode *p, struct proc_text *text);
int proc_target_mounts(struct proc_inode *p, struct proc_text *text);

/* proc_pid.c */
int proc_fill_stat(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_statm(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_status(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_comm(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_store_comm(struct proc_inode *p, const char *bytes, size_t size) MAY_YIELD;
int proc_fill_cmdline(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_environ(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_maps(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_auxv(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_limits(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_fdinfo(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
int proc_fill_zero(struct proc_inode *p, struct proc_text *text);
int proc_fill_cgroup(struct proc_inode *p, struct proc_text *text);
int proc_fill_id_map(struct proc_inode *p, struct proc_text *text);
int proc_fill_login(struct proc_inode *p, struct proc_text *text);
int proc_store_nothing(struct proc_inode *p, const char *bytes, size_t size);
int proc_object_exe(struct proc_inode *p, struct dentry **ret) MAY_YIELD;
int proc_object_cwd(struct proc_inode *p, struct dentry **ret) MAY_YIELD;
int proc_object_root(struct proc_inode *p, struct dentry **ret) MAY_YIELD;

/* proc_fd.c */
int proc_object_fd(struct proc_inode *p, struct dentry **ret) MAY_YIELD;
int proc_target_fd(struct proc_inode *p, struct proc_text *text) MAY_YIELD;
/* Permissions of a link in fd/: how it was opened. */
uint32_t proc_fd_link_mode(struct proc_inode *p) MAY_YIELD;

#endif /* VFS_PROC_INSIDE_H */
