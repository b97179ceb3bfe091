/* SPDX-License-Identifier: MIT */
#ifndef VFS_PROC_PROC_FS_H
#define VFS_PROC_PROC_FS_H
/*
 * proc_fs.h - /proc: a file system that shows processes. What it shows comes from
 * a proc_source, as this layer knows no process. Layer: vfs.
 *
 *     made here           filesystems mounts mountinfo self thread-self, directories,
 *                         sys/kernel/random/uuid, sys/fs/pipe-max-size, PID/cgroup ...
 *     from the source     PID/...
 *     from the host's     cpuinfo meminfo stat uptime loadavg version cmdline, sys/kernel,
 *     own /proc           sys/vm, sys/fs/file-max (proc_table.c has the list)
 *
 * Order    a file's text is made when it is read from offset 0, and further reads of
 *          that open see the same text.
 * Limit    PROC_TEXT_MAX bytes a text; what would be longer is cut off.
 * Owner    proc_fs_new() gives the root; the source must outlive it.
 * Thread   scheduler thread only.
 *
 * /proc/PID/fd/N is a link that leads to the very dentry of the open file. A file without a
 * name (pipe, socket, terminal of the host) has none; the link then leads to an inode of the
 * kind proc_fs_descriptor() knows: file_open() finds it, asks file_hooks.descriptor for
 * the open file behind it, and opens that once more (file_reopen).
 *
 * Way down: vfs_walk -> proc_lookup (proc_fs.c) -> proc_source.info;
 *           vfs_read -> proc_read -> fill -> proc_source.text.
 */
#include "vfs/vfs.h"

#include <stdint.h>
#include <sys/resource.h>

#define PROC_TEXT_MAX (1024u * 1024u)

/* A text that grows. Once `failed` it stays as it is. */
struct proc_text {
	char *data;
	size_t size, capacity;
	bool failed; /* no memory, or PROC_TEXT_MAX */
};
void proc_add(struct proc_text *text, const void *data, size_t size);
void proc_print(struct proc_text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* A process, or one thread of it. What a source does not know is 0. */
struct proc_info {
	int32_t pid, tid; /* tid == pid for the process */
	int32_t ppid, pgid, sid;
	char state; /* R S D T Z */
	char comm[16];
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	uint32_t group_count, groups[VFS_GROUPS_MAX];
	uint32_t thread_count;
	uint32_t umask;
	uint32_t fd_size; /* room in the table of descriptors */
	int32_t exit_signal;
	int32_t nice;
	uint32_t tty_dev;  /* of the controlling terminal */
	int32_t tty_group; /* in front of it; 0: no terminal */
	uint64_t start_ns; /* since boot */
	uint64_t user_ns, system_ns, child_user_ns, child_system_ns;
	uint64_t virtual_size; /* bytes */
	uint64_t resident_size;
	uint64_t pending, blocked, ignored, caught; /* signals: bit number - 1 */
};

enum proc_text_kind { PROC_CMDLINE, PROC_ENVIRON, PROC_MAPS, PROC_AUXV };
enum proc_link_kind { PROC_EXE, PROC_CWD, PROC_ROOT };

struct proc_descriptor {
	struct dentry
		*dentry; /* a new reference; NULL: it has no name, and `text` says what it is */
	char text[256];	 /* "pipe:[12]": file_text() */
	int flags;	 /* as open(2) has them, with O_CLOEXEC */
	uint64_t position;
	uint64_t ino;
	uint32_t mode; /* of a nameless file; descriptor_attr decides */
};

/*
 * All answer -ESRCH for a process that is not there, -ENOENT for a descriptor. All may
 * yield but the first six.
 */
struct proc_source {
	int32_t (*current)(void);	 /* process of the calling task; 0: none */
	int32_t (*current_thread)(void); /* its thread's number */
	const struct vfs *(*view)(
		void); /* of the calling task, for the texts of links; NULL: none */
	/* The smallest number greater than `after`; 0: there is none. */
	int32_t (*next_process)(int32_t after);
	int32_t (*next_thread)(int32_t pid, int32_t after);
	/* The smallest descriptor >= from, or -1. */
	int (*next_descriptor)(int32_t pid, int from);

	int (*info)(int32_t pid, int32_t tid, struct proc_info *ret);
	int (*text)(int32_t pid, enum proc_text_kind kind, struct proc_text *to);
	int (*link)(int32_t pid, enum proc_link_kind kind, struct dentry **ret); /* new reference */
	int (*descriptor)(int32_t pid, int fd, struct proc_descriptor *ret);
	int (*descriptor_attr)(int32_t pid, int fd, struct vfs_attr *ret); /* of a nameless file */
	int (*limit)(int32_t pid, unsigned int resource, struct rlimit *ret);
	int (*set_comm)(int32_t pid, int32_t tid, const char *comm); /* at most 15 bytes */
};

MUST_USE int proc_fs_new(const struct proc_source *source, struct inode **ret_root);

/* Is it what /proc/PID/fd/N of a nameless file leads to? */
bool proc_fs_descriptor(const struct inode *inode, int32_t *ret_pid, int *ret_fd);

#endif /* VFS_PROC_PROC_FS_H */
