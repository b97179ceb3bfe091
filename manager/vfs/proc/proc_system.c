/* SPDX-License-Identifier: MIT */
/*
 * proc_system.c - files of /proc that belong to no process.
 */
#include "device/host.h"
#include "vfs/proc/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HOST_CHUNK 16384u
#define PIPE_SIZE_MAX (1024u * 1024u) /* file/pipe.c */

int proc_copy_host(const char *path, struct proc_text *text)
{
	int fd = host_openat(AT_FDCWD, path, O_RDONLY, 0);
	uint64_t offset = 0;
	ssize_t r;
	char *chunk;

	if (fd < 0)
		return fd;
	chunk = malloc(HOST_CHUNK);
	if (!chunk) {
		host_close(fd);
		return -ENOMEM;
	}
	do {
		r = host_pread(fd, chunk, HOST_CHUNK, offset);
		if (r > 0) {
			proc_add(text, chunk, (size_t)r);
			offset += (uint64_t)r;
		}
	} while (r > 0 && !text->failed);
	free(chunk);
	host_close(fd);
	return r < 0 ? (int)r : 0;
}

int proc_fill_filesystems(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	proc_print(text, "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\toverlay\n");
	return 0;
}

/* A path in a line of mounts: what would end it, or the line, as octal numbers. */
static void add_escaped(struct proc_text *text, const char *path)
{
	for (; *path; path++) {
		if (strchr(" \t\n\\#", *path))
			proc_print(text, "\\%03o", (unsigned int)(unsigned char)*path);
		else
			proc_add(text, path, 1);
	}
}

typedef void mount_line_fn(struct proc_text *text, unsigned int index,
			   const struct vfs_mount_info *mount);

static int each_mount(struct proc_text *text, mount_line_fn *line)
{
	/* Its path alone is more than a task's frame may be. */
	struct vfs_mount_info *mount = malloc(sizeof(*mount));

	if (!mount)
		return -ENOMEM;
	for (unsigned int i = 0; vfs_mount_list(i, mount) == 0; i++)
		line(text, i, mount);
	free(mount);
	return 0;
}

static const char *access_of(const struct vfs_mount_info *mount)
{
	return mount->read_only ? "ro" : "rw";
}

static void mounts_line(struct proc_text *text, unsigned int index,
			const struct vfs_mount_info *mount)
{
	(void)index;
	add_escaped(text, mount->source);
	proc_add(text, " ", 1);
	add_escaped(text, mount->path);
	proc_print(text, " %.60s %s,relatime 0 0\n", mount->type_name, access_of(mount));
}

static void mountinfo_line(struct proc_text *text, unsigned int index,
			   const struct vfs_mount_info *mount)
{
	/* Mounts are numbered from 20; the first is the root of the others. */
	proc_print(text, "%u %u 0:%u / ", 20 + index, index == 0 ? 1 : 20, 40 + index);
	add_escaped(text, mount->path);
	proc_print(text, " %s,relatime - %.60s ", access_of(mount), mount->type_name);
	add_escaped(text, mount->source);
	proc_print(text, " %s\n", access_of(mount));
}

int proc_fill_mounts(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	return each_mount(text, mounts_line);
}

int proc_fill_mountinfo(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	return each_mount(text, mountinfo_line);
}

int proc_fill_uuid(struct proc_inode *p, struct proc_text *text)
{
	uint8_t b[16];

	(void)p;
	if (getrandom(b, sizeof(b), GRND_NONBLOCK) != sizeof(b))
		return -EAGAIN;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (unsigned int i = 0; i < sizeof(b); i++)
		proc_print(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
	proc_add(text, "\n", 1);
	return 0;
}

int proc_fill_pipe_max_size(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	proc_print(text, "%u\n", PIPE_SIZE_MAX);
	return 0;
}

int proc_target_self(struct proc_inode *p, struct proc_text *text)
{
	int32_t pid = proc_source_of(p)->current();

	if (pid <= 0)
		return -ENOENT;
	proc_print(text, "%d", pid);
	return 0;
}

int proc_target_thread_self(struct proc_inode *p, struct proc_text *text)
{
	int32_t pid = proc_source_of(p)->current();

	if (pid <= 0)
		return -ENOENT;
	proc_print(text, "%d/task/%d", pid, proc_source_of(p)->current_thread());
	return 0;
}

int proc_target_mounts(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	proc_print(text, "self/mounts");
	return 0;
}
