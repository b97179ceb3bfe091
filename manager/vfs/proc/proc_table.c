/* SPDX-License-Identifier: MIT */
/*
 * proc_table.c - what is in /proc, and where it comes from.
 */
#include "vfs/proc/inside.h"

#include <sys/stat.h>

#define DIRECTORY(n, ...)                                      \
	{                                                      \
		.name = n, .mode = S_IFDIR | 0555, __VA_ARGS__ \
	}
#define CHILDREN(list) .children = list, .child_count = ARRAY_COUNT(list)
#define FILE_OF(n, f)                                        \
	{                                                    \
		.name = n, .mode = S_IFREG | 0444, .fill = f \
	}
#define OWN_FILE(n, f)                                       \
	{                                                    \
		.name = n, .mode = S_IFREG | 0400, .fill = f \
	}
#define WRITABLE(n, f, s)                                                \
	{                                                                \
		.name = n, .mode = S_IFREG | 0644, .fill = f, .store = s \
	}
#define HOST_FILE(n)                                                       \
	{                                                                  \
		.name = n, .mode = S_IFREG | 0444, .host_path = "/proc/" n \
	}
#define HOST_FILE_AT(n, path)                                        \
	{                                                            \
		.name = n, .mode = S_IFREG | 0444, .host_path = path \
	}
#define TEXT_LINK(n, t)                                        \
	{                                                      \
		.name = n, .mode = S_IFLNK | 0777, .target = t \
	}
#define OBJECT_LINK(n, o)                                      \
	{                                                      \
		.name = n, .mode = S_IFLNK | 0777, .object = o \
	}

/* A number in fd/ and fdinfo/. */
static const struct proc_entry fd_link = {
	.name = "fd/",
	.mode = S_IFLNK | 0700,
	.object = proc_object_fd,
	.target = proc_target_fd,
};
static const struct proc_entry fdinfo_file = {
	.name = "fdinfo/",
	.mode = S_IFREG | 0400,
	.fill = proc_fill_fdinfo,
};

#define PROCESS_AND_THREAD                                                                      \
	FILE_OF("stat", proc_fill_stat), FILE_OF("statm", proc_fill_statm),                     \
		FILE_OF("status", proc_fill_status),                                            \
		WRITABLE("comm", proc_fill_comm, proc_store_comm),                              \
		FILE_OF("cmdline", proc_fill_cmdline), OWN_FILE("environ", proc_fill_environ),  \
		FILE_OF("maps", proc_fill_maps), OWN_FILE("auxv", proc_fill_auxv),              \
		FILE_OF("limits", proc_fill_limits), FILE_OF("mounts", proc_fill_mounts),       \
		FILE_OF("mountinfo", proc_fill_mountinfo), FILE_OF("cgroup", proc_fill_cgroup), \
		FILE_OF("uid_map", proc_fill_id_map), FILE_OF("gid_map", proc_fill_id_map),     \
		FILE_OF("loginuid", proc_fill_login), FILE_OF("oom_score", proc_fill_zero),     \
		WRITABLE("oom_score_adj", proc_fill_zero, proc_store_nothing),                  \
		OBJECT_LINK("exe", proc_object_exe), OBJECT_LINK("cwd", proc_object_cwd),       \
		OBJECT_LINK("root", proc_object_root),                                          \
		{ .name = "fd",                                                                 \
		  .mode = S_IFDIR | 0500,                                                       \
		  .numbered = PROC_DESCRIPTORS,                                                 \
		  .number = &fd_link },                                                         \
	{                                                                                       \
		.name = "fdinfo", .mode = S_IFDIR | 0500, .numbered = PROC_DESCRIPTORS,         \
		.number = &fdinfo_file                                                          \
	}

static const struct proc_entry thread_children[] = { PROCESS_AND_THREAD };
static const struct proc_entry thread_entry = DIRECTORY("tid", CHILDREN(thread_children));

static const struct proc_entry process_children[] = {
	PROCESS_AND_THREAD,
	DIRECTORY("task", .numbered = PROC_THREADS, .number = &thread_entry),
};
static const struct proc_entry process_entry = DIRECTORY("pid", CHILDREN(process_children));

#define KERNEL(n) HOST_FILE_AT(n, "/proc/sys/kernel/" n)
#define VM(n) HOST_FILE_AT(n, "/proc/sys/vm/" n)

static const struct proc_entry random_children[] = {
	FILE_OF("uuid", proc_fill_uuid),
	HOST_FILE_AT("boot_id", "/proc/sys/kernel/random/boot_id"),
	HOST_FILE_AT("entropy_avail", "/proc/sys/kernel/random/entropy_avail"),
	HOST_FILE_AT("poolsize", "/proc/sys/kernel/random/poolsize"),
};
static const struct proc_entry kernel_children[] = {
	KERNEL("hostname"),
	KERNEL("domainname"),
	KERNEL("ostype"),
	KERNEL("osrelease"),
	KERNEL("version"),
	KERNEL("pid_max"),
	KERNEL("threads-max"),
	KERNEL("ngroups_max"),
	KERNEL("cap_last_cap"),
	KERNEL("shmmax"),
	DIRECTORY("random", CHILDREN(random_children)),
};
static const struct proc_entry vm_children[] = {
	VM("overcommit_memory"),
	VM("max_map_count"),
	VM("mmap_min_addr"),
};
static const struct proc_entry sys_fs_children[] = {
	FILE_OF("pipe-max-size", proc_fill_pipe_max_size),
	HOST_FILE_AT("file-max", "/proc/sys/fs/file-max"),
	HOST_FILE_AT("nr_open", "/proc/sys/fs/nr_open"),
};
static const struct proc_entry sys_children[] = {
	DIRECTORY("kernel", CHILDREN(kernel_children)),
	DIRECTORY("vm", CHILDREN(vm_children)),
	DIRECTORY("fs", CHILDREN(sys_fs_children)),
};

static const struct proc_entry root_children[] = {
	TEXT_LINK("self", proc_target_self),
	TEXT_LINK("thread-self", proc_target_thread_self),
	TEXT_LINK("mounts", proc_target_mounts),
	FILE_OF("filesystems", proc_fill_filesystems),
	HOST_FILE("cpuinfo"),
	HOST_FILE("meminfo"),
	HOST_FILE("stat"),
	HOST_FILE("uptime"),
	HOST_FILE("loadavg"),
	HOST_FILE("version"),
	HOST_FILE("cmdline"),
	DIRECTORY("sys", CHILDREN(sys_children)),
};

const struct proc_entry proc_root_entry = {
	.name = "/",
	.mode = S_IFDIR | 0555,
	CHILDREN(root_children),
	.numbered = PROC_PROCESSES,
	.number = &process_entry,
};
