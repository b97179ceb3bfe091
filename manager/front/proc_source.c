/* SPDX-License-Identifier: MIT */
/*
 * proc_source.c - what /proc shows of processes: the table's own knowledge, and for
 * memory and processor time what the host's /proc says of the host process.
 */
#include "front/proc_source.h"
#include "front/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HOST_TEXT_MAX 4096u
#define MAPS_PIECE 65536u

/* ---- the host's /proc. Not disks: these reads are short and made here. */

static ssize_t read_host(int32_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t done = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (done < size - 1 && (got = read(fd, buf + done, size - 1 - done)) > 0)
		done += (size_t)got;
	close(fd);
	buf[done] = '\0';
	return (ssize_t)done;
}

/* Fields 3, 14, 15, 18 (nice 19), 23, 24 of stat(5), which come after the name in brackets. */
static void add_host_stat(int32_t pid, int32_t tid, struct proc_info *ret)
{
	static char text[HOST_TEXT_MAX]; /* too large for a task's stack; nobody yields here */
	unsigned long long user, system, size, resident;
	char name[64], state;
	const char *rest;
	int nice;

	snprintf(name, sizeof(name), "task/%d/stat", tid);
	if (read_host(pid, name, text, sizeof(text)) <= 0)
		return;
	rest = strrchr(text, ')');
	if (!rest ||
	    sscanf(rest + 1,
		   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %d %*d %*d "
		   "%*u %llu %llu",
		   &state, &user, &system, &nice, &size, &resident) != 6)
		return;
	if (ret->state == 'S')
		ret->state = state;
	ret->user_ns = user * UINT64_C(10000000);
	ret->system_ns = system * UINT64_C(10000000);
	ret->nice = nice;
	ret->virtual_size = size;
	ret->resident_size = resident * 4096;
}

static void add_host_signals(int32_t pid, struct proc_info *ret)
{
	static char text[HOST_TEXT_MAX];
	struct {
		const char *name;
		uint64_t *to;
	} row[] = {
		{ "SigPnd:", &ret->pending },
		{ "SigBlk:", &ret->blocked },
		{ "SigIgn:", &ret->ignored },
		{ "SigCgt:", &ret->caught },
	};

	if (read_host(pid, "status", text, sizeof(text)) <= 0)
		return;
	for (unsigned int i = 0; i < ARRAY_COUNT(row); i++) {
		const char *line = strstr(text, row[i].name);

		if (line)
			*row[i].to = strtoull(line + strlen(row[i].name), NULL, 16);
	}
}

/* ---- who asks. */

static int32_t source_current(void)
{
	struct thread *t = thread_current();

	return t ? t->process->pid : 0;
}

static int32_t source_current_thread(void)
{
	struct thread *t = thread_current();

	return t ? area_thread_tid(t) : 0;
}

static const struct vfs *source_view(void)
{
	struct thread *t = thread_current();

	return t ? &t->process->view : NULL;
}

/* ---- processes, threads, descriptors. */

static int32_t source_next_process(int32_t after)
{
	int32_t best = 0;

	for (struct process *p = process_next(NULL); p; p = process_next(p)) {
		if (p->pid > after && (best == 0 || p->pid < best))
			best = p->pid;
	}
	return best;
}

static int32_t source_next_thread(int32_t pid, int32_t after)
{
	struct process *p = process_find(pid);
	int32_t best = 0;

	if (!p)
		return -ESRCH;
	LIST_EACH(it, &p->threads) {
		int32_t tid = area_thread_tid(LIST_ENTRY(it, struct thread, node));

		if (tid > after && (best == 0 || tid < best))
			best = tid;
	}
	if (best == 0 && p->pid > after && p->state == PROCESS_ZOMBIE)
		best = p->pid;
	return best;
}

static int source_next_descriptor(int32_t pid, int from)
{
	const struct process *p = process_find(pid);

	if (!p)
		return -ESRCH;
	return from < 0 ? -1 : (int)fd_next(p->fds, (uint32_t)from);
}

static bool has_thread(const struct process *p, int32_t tid)
{
	if (tid == p->pid)
		return true;
	LIST_EACH(it, &p->threads) {
		if (area_thread_tid(LIST_ENTRY(it, struct thread, node)) == tid)
			return true;
	}
	return false;
}

static void add_identity(const struct process *p, struct proc_info *ret)
{
	const struct vfs_cred *c = &p->cred;
	const uint32_t uid[4] = { c->uid, c->euid, c->suid, c->fsuid };
	const uint32_t gid[4] = { c->gid, c->egid, c->sgid, c->fsgid };

	memcpy(ret->uid, uid, sizeof(uid));
	memcpy(ret->gid, gid, sizeof(gid));
	ret->group_count = c->group_count;
	memcpy(ret->groups, c->groups, sizeof(c->groups));
}

/* As stat(5) writes a device number; pts/0 where the terminal has no name inside. */
static uint32_t tty_number(struct file *tty)
{
	const struct inode *inode = file_inode(tty);
	uint64_t rdev = inode ? inode->rdev : makedev(136, 0);

	return (minor(rdev) & 0xffu) | major(rdev) << 8 | (minor(rdev) & ~0xffu) << 12;
}

static int source_info(int32_t pid, int32_t tid, struct proc_info *ret)
{
	const struct process *p = process_find(pid);

	if (!p)
		return -ESRCH;
	if (!has_thread(p, tid))
		return -ENOENT;
	*ret = (struct proc_info){ .pid = pid, .tid = tid, .ppid = process_ppid(p), .state = 'S' };
	ret->pgid = process_pgid(p);
	ret->sid = process_sid(p);
	if (p->state == PROCESS_ZOMBIE)
		ret->state = 'Z';
	else if (p->state == PROCESS_STOPPED)
		ret->state = 'T';
	memcpy(ret->comm, p->comm, sizeof(ret->comm));
	add_identity(p, ret);
	LIST_EACH(it, &p->threads)
		ret->thread_count++;
	ret->umask = p->view.umask;
	ret->fd_size = p->fds ? p->fds->size : 0;
	ret->exit_signal = p->exit_signal;
	ret->start_ns = p->start_ns;
	if (p->group && p->group->session->tty) {
		ret->tty_dev = tty_number(p->group->session->tty);
		ret->tty_group = p->group->session->foreground;
	}
	if (ret->state != 'Z') {
		add_host_stat(pid, tid, ret);
		add_host_signals(pid, ret);
	}
	return 0;
}

/* ---- texts. */

/* Lines of the host's maps without what is the shim's; names of our own memory objects are none. */
static void add_maps_line(const struct process *p, struct proc_text *to, char *line, size_t size)
{
	const struct run_control *c = p->client ? client_control(p->client) : NULL;
	char stack[128];
	int length;
	unsigned long long start, end;
	char *name;

	if (sscanf(line, "%llx-%llx", &start, &end) != 2 || (start < RUN_END && end > RUN_BASE))
		return;
	name = strstr(line, "/memfd:");
	if (name) {
		proc_add(to, line, (size_t)(name - line));
		proc_add(to, "\n", 1);
		return;
	}
	/* Where it ends is the client's word: no more than a name hangs on it. */
	if (c && start < c->stack_end && end >= c->stack_end) {
		length = snprintf(stack, sizeof(stack), "%-72.*s [stack]\n",
				  (int)strcspn(line, "\n"), line);
		if (length > 0 && length < (int)sizeof(stack)) {
			proc_add(to, stack, (size_t)length);
			return;
		}
	}
	proc_add(to, line, size);
}

static int source_maps(const struct process *p, struct proc_text *to)
{
	char *buf = malloc(MAPS_PIECE * 16);
	ssize_t size;

	if (!buf)
		return -ENOMEM;
	size = read_host(p->pid, "maps", buf, MAPS_PIECE * 16);
	for (char *line = buf; size > 0 && *line;) {
		char *end = strchr(line, '\n');
		char after;

		if (!end)
			break;
		after = end[1];
		end[1] = '\0';
		add_maps_line(p, to, line, (size_t)(end + 1 - line));
		end[1] = after;
		line = end + 1;
	}
	free(buf);
	return size < 0 ? -ESRCH : 0;
}

static int source_auxv(int32_t pid, struct proc_text *to)
{
	static char text[HOST_TEXT_MAX];
	ssize_t size = read_host(pid, "auxv", text, sizeof(text));

	if (size < 0)
		return -ESRCH;
	proc_add(to, text, (size_t)size);
	return 0;
}

static int source_text(int32_t pid, enum proc_text_kind kind, struct proc_text *to)
{
	const struct process *p = process_find(pid);

	if (!p)
		return -ESRCH;
	if (p->state == PROCESS_ZOMBIE)
		return 0;
	switch (kind) {
	case PROC_CMDLINE:
		if (p->text)
			proc_add(to, p->text->bytes, p->text->cmdline_size);
		return 0;
	case PROC_ENVIRON:
		if (p->text)
			proc_add(to, p->text->bytes + p->text->cmdline_size, p->text->environ_size);
		return 0;
	case PROC_MAPS:
		return source_maps(p, to);
	case PROC_AUXV:
		return source_auxv(pid, to);
	}
	return -EINVAL;
}

static int source_link(int32_t pid, enum proc_link_kind kind, struct dentry **ret)
{
	const struct process *p = process_find(pid);
	struct dentry *d = NULL;

	if (!p)
		return -ESRCH;
	switch (kind) {
	case PROC_EXE:
		d = p->exe;
		break;
	case PROC_CWD:
		d = p->view.cwd;
		break;
	case PROC_ROOT:
		d = p->view.root;
		break;
	}
	if (!d)
		return -ENOENT;
	*ret = dentry_get(d);
	return 0;
}

/* ---- descriptors. */

static uint32_t nameless_mode(const struct file *f)
{
	if (f->ops->socket)
		return S_IFSOCK | 0777;
	if (strcmp(f->ops->kind, "pipe") == 0)
		return S_IFIFO | 0600;
	return strcmp(f->ops->kind, "tty") == 0 ? S_IFCHR | 0620 : 0600;
}

static int source_descriptor(int32_t pid, int fd, struct proc_descriptor *ret)
{
	const struct process *p = process_find(pid);
	struct file *f = p ? fd_peek(p->fds, fd) : NULL;

	if (!p)
		return -ESRCH;
	if (!f)
		return -ENOENT;
	memset(ret, 0, sizeof(*ret));
	ret->flags = f->flags | (fd_cloexec(p->fds, (uint32_t)fd) ? O_CLOEXEC : 0);
	ret->position = f->position;
	ret->ino = f->id;
	if (f->dentry) {
		ret->dentry = dentry_get(f->dentry);
		return 0;
	}
	ret->mode = nameless_mode(f);
	if (file_text(f, ret->text, sizeof(ret->text)) < 0)
		ret->text[0] = '\0';
	return 0;
}

static int file_attr(struct file *f, struct vfs_attr *ret) MAY_YIELD
{
	int r = file_getattr(f, ret);

	file_put(f);
	return r;
}

static int source_descriptor_attr(int32_t pid, int fd, struct vfs_attr *ret) MAY_YIELD
{
	const struct process *p = process_find(pid);
	struct file *f = p ? fd_get(p->fds, fd) : NULL;

	return f ? file_attr(f, ret) : -ENOENT;
}

static int source_limit(int32_t pid, unsigned int resource, struct rlimit *ret)
{
	const struct process *p = process_find(pid);

	if (!p || resource >= PROC_LIMITS)
		return p ? -EINVAL : -ESRCH;
	ret->rlim_cur = p->limit[resource].soft;
	ret->rlim_max = p->limit[resource].hard;
	return 0;
}

static int source_set_comm(int32_t pid, int32_t tid, const char *comm)
{
	struct process *p = process_find(pid);

	if (!p)
		return -ESRCH;
	if (tid == pid)
		snprintf(p->comm, sizeof(p->comm), "%.15s", comm);
	return 0;
}

const struct proc_source front_proc_source = {
	.current = source_current,
	.current_thread = source_current_thread,
	.view = source_view,
	.next_process = source_next_process,
	.next_thread = source_next_thread,
	.next_descriptor = source_next_descriptor,
	.info = source_info,
	.text = source_text,
	.link = source_link,
	.descriptor = source_descriptor,
	.descriptor_attr = source_descriptor_attr,
	.limit = source_limit,
	.set_comm = source_set_comm,
};

struct file *front_descriptor(int32_t pid, int fd)
{
	const struct process *p = process_find(pid);

	return p ? fd_get(p->fds, fd) : NULL;
}
