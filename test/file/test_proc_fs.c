/* SPDX-License-Identifier: MIT */
/*
 * test_proc_fs.c - what vfs/proc/proc_fs.h promises, against two made-up processes:
 * 100, which calls, with a thread 105; and 200, a zombie.
 */
#include "test/file/file_test.h"

#include "vfs/proc/proc_fs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct file *open_files[4]; /* of process 100 */
static bool gone;		   /* process 100 has ended */
static unsigned int texts_made;
static char comm[16] = "prog (x) y";

static int32_t current(void)
{
	return 100;
}

static int32_t current_thread(void)
{
	return 105;
}

static const struct vfs *view(void)
{
	return &test_view;
}

static int32_t next_process(int32_t after)
{
	return after < 100 && !gone ? 100 : after < 200 ? 200 : 0;
}

static int32_t next_thread(int32_t pid, int32_t after)
{
	if (pid != 100)
		return after < pid ? pid : 0;
	return after < 100 ? 100 : after < 105 ? 105 : 0;
}

static int next_descriptor(int32_t pid, int from)
{
	if (pid != 100)
		return -1;
	for (; from < (int)ARRAY_COUNT(open_files); from++)
		if (open_files[from])
			return from;
	return -1;
}

static int info(int32_t pid, int32_t tid, struct proc_info *ret)
{
	bool known = (pid == 100 && !gone && (tid == 100 || tid == 105)) ||
		     (pid == 200 && tid == 200);

	if (!known)
		return -ESRCH;
	*ret = (struct proc_info){
		.pid = pid,
		.tid = tid,
		.ppid = 1,
		.pgid = pid,
		.sid = 100,
		.state = pid == 200 ? 'Z' : 'S',
		.uid = { 1000, 1000, 1000, 1000 },
		.gid = { 1000, 1000, 1000, 1000 },
		.thread_count = 2,
		.umask = 022,
		.exit_signal = 17,
		.start_ns = UINT64_C(12340000000),
		.virtual_size = 8192000,
		.resident_size = 409600,
		.blocked = 0x10000,
	};
	memcpy(ret->comm, comm, sizeof(comm));
	return 0;
}

static int text(int32_t pid, enum proc_text_kind kind, struct proc_text *to)
{
	if (pid != 100 || gone)
		return -ESRCH;
	texts_made++;
	if (kind == PROC_CMDLINE)
		proc_add(to, "prog\0-v\0", 8);
	if (kind == PROC_MAPS)
		for (unsigned int i = 0; i < 100000; i++)
			proc_print(to, "%08x-%08x r--p 00000000 00:00 0\n", i, i + 1);
	return 0;
}

static int link_of(int32_t pid, enum proc_link_kind kind, struct dentry **ret)
{
	if (pid != 100 || gone)
		return -ESRCH;
	*ret = dentry_get(kind == PROC_EXE ? open_files[0]->dentry : test_view.root);
	return 0;
}

static int descriptor(int32_t pid, int fd, struct proc_descriptor *ret)
{
	struct file *f = pid == 100 && fd < 4 ? open_files[fd] : NULL;

	if (!f)
		return -ENOENT;
	ret->flags = f->flags;
	ret->position = f->position;
	ret->ino = f->id;
	ret->mode = S_IFIFO | 0600;
	if (f->dentry)
		ret->dentry = dentry_get(f->dentry);
	else
		file_text(f, ret->text, sizeof(ret->text));
	return 0;
}

static int descriptor_attr(int32_t pid, int fd, struct vfs_attr *ret) MAY_YIELD
{
	CHECK_INT(pid, 100);
	return file_getattr(open_files[fd], ret);
}

static int limit(int32_t pid, unsigned int resource, struct rlimit *ret)
{
	(void)pid;
	*ret = (struct rlimit){ resource, RLIM_INFINITY };
	return 0;
}

static int set_comm(int32_t pid, int32_t tid, const char *name)
{
	CHECK_INT(pid, 100);
	CHECK_INT(tid, 105);
	snprintf(comm, sizeof(comm), "%s", name);
	return 0;
}

static struct file *descriptor_file(int32_t pid, int fd)
{
	return pid == 100 && fd < 4 && open_files[fd] ? file_get(open_files[fd]) : NULL;
}

static void make_tree(void *arg) MAY_YIELD;
static void make_tree(void *arg)
{
	static const struct proc_source source = {
		.current = current,
		.current_thread = current_thread,
		.view = view,
		.next_process = next_process,
		.next_thread = next_thread,
		.next_descriptor = next_descriptor,
		.info = info,
		.text = text,
		.link = link_of,
		.descriptor = descriptor,
		.descriptor_attr = descriptor_attr,
		.limit = limit,
		.set_comm = set_comm,
	};
	struct inode *root;
	struct dentry *d;

	(void)arg;
	CHECK_INT(vfs_mkdir(&test_view, NULL, "/proc", 0755), 0);
	CHECK_INT(vfs_walk(&test_view, NULL, "/proc", VFS_FOLLOW, &d), 0);
	CHECK_INT(proc_fs_new(&source, &root), 0);
	CHECK_INT(vfs_mount(d, root, "proc"), 0);
	dentry_put(d);
	open_files[0] = open_path("/exe with space", O_RDWR | O_CREAT);
	CHECK_INT(pipe_new(0, &open_files[1]), 0);
	CHECK_INT(eventfd_new(0, 0, &open_files[3]), 0);
}

static void begin(void)
{
	static const struct file_hooks hooks = { .descriptor = descriptor_file };

	begin_host_files();
	file_set_hooks(&hooks);
	gone = false;
	run_device(make_tree);
}

static void end(void)
{
	for (unsigned int i = 0; i < ARRAY_COUNT(open_files); i++)
		file_put(open_files[i]);
	memset(open_files, 0, sizeof(open_files));
	end_host_files();
}

/* The whole file, read `step` bytes at a time. */
static const char *content(const char *path, size_t step) MAY_YIELD
{
	static char buf[8192];
	struct file *f = open_path(path, O_RDONLY);
	size_t at = 0;
	ssize_t r;

	while ((r = file_read(f, buf + at, step)) > 0)
		at += (size_t)r;
	CHECK_INT(r, 0);
	buf[at] = '\0';
	file_put(f);
	return buf;
}

static void expect_link(const char *path, const char *wanted) MAY_YIELD
{
	char seen[256];
	struct dentry *d;
	int r;

	CHECK_INT(vfs_walk(&test_view, NULL, path, 0, &d), 0);
	r = vfs_readlink(dentry_inode(d), seen, sizeof(seen) - 1);
	CHECK(r >= 0);
	seen[r] = '\0';
	CHECK_STR(seen, wanted);
	dentry_put(d);
}

static void processes(void *arg) MAY_YIELD;
static void processes(void *arg)
{
	struct file *f;

	(void)arg;
	CHECK(strncmp(content("/proc/self/stat", 7),
		      "100 (prog (x) y) S 1 100 100 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 "
		      "2 0 1234 8192000 100 ",
		      84) == 0);
	CHECK_STR(content("/proc/200/statm", 100), "2000 100 0 0 0 2000 0\n");
	CHECK(strstr(content("/proc/self/task/105/status", 512),
		     "Tgid:\t100\nNgid:\t0\nPid:\t105\nPPid:\t1\n"));
	CHECK(strstr(content("/proc/200/status", 512), "State:\tZ (zombie)\n"));
	CHECK(strstr(content("/proc/self/status", 512), "SigBlk:\t0000000000010000\n"));
	CHECK(memcmp(content("/proc/self/cmdline", 3), "prog\0-v\0", 9) == 0);
	CHECK(strstr(content("/proc/self/limits", 100),
		     "Max open files            7                    unlimited            files"));
	CHECK_STR(content("/proc/self/oom_score_adj", 10), "0\n");
	expect_link("/proc/self", "100");
	expect_link("/proc/thread-self", "100/task/105");
	expect_link("/proc/self/exe", "/exe with space");
	expect_link("/proc/self/cwd", "/");
	f = open_path("/proc/thread-self/comm", O_RDWR | O_TRUNC);
	CHECK_INT(file_write(f, "a name that is too long\n", 24), 24);
	file_put(f);
	CHECK_STR(content("/proc/self/comm", 100), "a name that is \n");
	CHECK_INT(try_open("/proc/300", O_RDONLY, &f), -ENOENT);
	CHECK_INT(try_open("/proc/0100", O_RDONLY, &f), -ENOENT);
	CHECK_INT(try_open("/proc/99999999999999", O_RDONLY, &f), -ENOENT);
	CHECK_INT(try_open("/proc/self/task/200", O_RDONLY, &f), -ENOENT);
	CHECK_INT(try_open("/proc/new", O_RDWR | O_CREAT, &f), -ENOENT);
}

static void processes_are_shown_as_the_source_tells(void)
{
	begin();
	run_device(processes);
	end();
}

static void one_text(void *arg) MAY_YIELD;
static void one_text(void *arg)
{
	struct file *f = open_path("/proc/self/maps", O_RDONLY);
	char line[50] = "";
	size_t size = 0;
	ssize_t r;
	static char buf[65536];

	(void)arg;
	texts_made = 0;
	CHECK_INT(file_read(f, line, 48), 48);
	CHECK_INT(file_read(f, line, 48), 48);
	CHECK(strncmp(line, "\n0000000", 8) == 0 || line[0] != '\0');
	CHECK_INT(texts_made, 1); /* read on: the same text */
	CHECK_INT(file_seek(f, 0, SEEK_SET), 0);
	while ((r = file_read(f, buf, sizeof(buf))) > 0)
		size += (size_t)r;
	CHECK_INT(texts_made, 2);
	CHECK(size <= PROC_TEXT_MAX && size > PROC_TEXT_MAX - 100); /* cut off */
	gone = true;
	CHECK_INT(file_pread(f, buf, 10, 0), -ESRCH);
	file_put(f);
	f = open_path("/proc", O_RDONLY);
	CHECK_INT(try_open("/proc/100/stat", O_RDONLY, &open_files[2]), -ENOENT);
	file_put(f);
	gone = false;
}

static void a_text_is_made_at_the_start_and_stays_for_one_reader(void)
{
	begin();
	run_device(one_text);
	end();
}

static void expect_names(const char *path, const char *wanted) MAY_YIELD
{
	static char buf[8192], names[4096];
	struct file *f = open_path(path, O_RDONLY | O_DIRECTORY);
	size_t used = 0;
	ssize_t r;

	while ((r = file_getdents(f, buf, 64)) > 0) {
		for (ssize_t at = 0; at < r;) {
			struct dirent64 d;

			memcpy(&d, buf + at, offsetof(struct dirent64, d_name));
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s ",
						 buf + at + offsetof(struct dirent64, d_name));
			at += d.d_reclen;
		}
	}
	CHECK_INT(r, 0);
	file_put(f);
	CHECK_STR(names, wanted);
}

static void names(void *arg) MAY_YIELD;
static void names(void *arg)
{
	(void)arg;
	expect_names("/proc",
		     ". .. self thread-self mounts filesystems cpuinfo meminfo stat uptime "
		     "loadavg version cmdline sys 100 200 ");
	expect_names("/proc/self/fd", ". .. 0 1 2 3 ");
	expect_names("/proc/100/task", ". .. 100 105 ");
	expect_names("/proc/sys/fs", ". .. pipe-max-size file-max nr_open ");
}

static void directories_list_what_can_be_opened(void)
{
	begin();
	run_device(names);
	end();
}

static void descriptors(void *arg) MAY_YIELD;
static void descriptors(void *arg)
{
	struct vfs_attr attr;
	struct dentry *d;
	struct file *f;
	char pipe_text[32], byte;

	(void)arg;
	expect_link("/proc/self/fd/0", "/exe with space");
	snprintf(pipe_text, sizeof(pipe_text), "pipe:[%d]", (int)open_files[1]->id);
	expect_link("/proc/self/fd/1", pipe_text);
	expect_link("/proc/self/fd/3", "anon_inode:[eventfd]");
	/* By its link a file is found even when its name is gone. */
	CHECK_INT(vfs_unlink(&test_view, NULL, "/exe with space"), 0);
	expect_link("/proc/self/fd/0", "/exe with space (deleted)");
	f = open_path("/proc/self/fd/0", O_RDONLY);
	CHECK(file_inode(f) == file_inode(open_files[0]));
	file_put(f);
	/* A pipe is opened once more. */
	f = open_path("/proc/self/fd/2", O_WRONLY | O_CREAT | O_TRUNC);
	CHECK_INT(file_write(f, "p", 1), 1);
	file_put(f);
	CHECK_INT(file_read(open_files[1], &byte, 1), 1);
	CHECK_INT(try_open("/proc/self/fd/3", O_RDONLY, &f), -ENXIO);
	CHECK_INT(try_open("/proc/self/fd/9", O_RDONLY, &f), -ENOENT);
	CHECK_INT(vfs_walk(&test_view, NULL, "/proc/self/fd/1", VFS_FOLLOW, &d), 0);
	CHECK_INT(vfs_getattr(dentry_inode(d), &attr), 0);
	CHECK_INT(attr.ino, open_files[1]->id);
	dentry_put(d);
	CHECK_INT(vfs_walk(&test_view, NULL, "/proc/self/fd/1", 0, &d), 0);
	CHECK_INT(vfs_getattr(dentry_inode(d), &attr), 0);
	CHECK_INT(attr.mode, S_IFLNK | 0500); /* opened for reading */
	dentry_put(d);
	CHECK(strncmp(content("/proc/self/fdinfo/2", 100), "pos:\t0\nflags:\t01\n", 17) == 0);
}

static void a_descriptors_link_leads_to_the_file_itself(void)
{
	begin();
	run_device(descriptors);
	end();
}

static void system_wide(void *arg) MAY_YIELD;
static void system_wide(void *arg)
{
	char host[64] = "";

	(void)arg;
	CHECK(strstr(content("/proc/cpuinfo", 8000), "processor"));
	CHECK(strstr(content("/proc/meminfo", 100), "MemTotal:"));
	CHECK(strncmp(content("/proc/stat", 8000), "cpu ", 4) == 0);
	CHECK_INT(gethostname(host, sizeof(host) - 1), 0);
	CHECK(strncmp(content("/proc/sys/kernel/hostname", 100), host, strlen(host)) == 0);
	CHECK_STR(content("/proc/sys/fs/pipe-max-size", 100), "1048576\n");
	CHECK_INT(strlen(content("/proc/sys/kernel/random/uuid", 100)), 37);
	CHECK_STR(content("/proc/mounts", 5),
		  "test / tmpfs rw,relatime 0 0\nproc /proc proc rw,relatime 0 0\n");
	CHECK(strstr(content("/proc/self/mountinfo", 100),
		     "21 20 0:41 / /proc rw,relatime - proc proc rw\n"));
	CHECK(strstr(content("/proc/filesystems", 100), "nodev\toverlay\n"));
}

static void what_belongs_to_no_process_is_there(void)
{
	begin();
	run_device(system_wide);
	end();
}

static const struct test tests[] = {
	TEST(processes_are_shown_as_the_source_tells),
	TEST(a_text_is_made_at_the_start_and_stays_for_one_reader),
	TEST(directories_list_what_can_be_opened),
	TEST(a_descriptors_link_leads_to_the_file_itself),
	TEST(what_belongs_to_no_process_is_there),
};
TEST_MAIN(tests)
