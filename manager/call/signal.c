/* SPDX-License-Identifier: MIT */
/* signal.c - calls that send signals, and process groups, which are sent them. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int64_t call_kill(struct request *req)
{
	const struct signal_from from = { .sender = req->process, .code = SI_USER };
	bool self;
	int r = process_kill(&from, request_int(req, 0), request_int(req, 1), &self);

	request_kick(req, self);
	return r;
}

static int64_t kill_thread(struct request *req, int32_t tgid, int32_t tid, int sig)
{
	const struct signal_from from = { .sender = req->process, .code = SI_TKILL };
	bool self;
	int r = process_kill_thread(&from, tgid, tid, sig, &self);

	request_kick(req, self);
	return r;
}

int64_t call_tkill(struct request *req)
{
	return kill_thread(req, -1, request_int(req, 0), request_int(req, 1));
}

int64_t call_tgkill(struct request *req)
{
	if (request_int(req, 0) <= 0)
		return -EINVAL;
	return kill_thread(req, request_int(req, 0), request_int(req, 1), request_int(req, 2));
}

/* What the caller says it sends: only what a program may say of itself. */
static int queued(struct request *req, unsigned int i, bool to_self, struct signal_from *ret)
{
	siginfo_t info;
	int r = request_in(req, i, sizeof(info), &info);

	if (r < 0)
		return r;
	if ((info.si_code >= 0 || info.si_code == SI_TKILL) && !to_self)
		return -EPERM;
	*ret = (struct signal_from){ .sender = req->process, .code = info.si_code };
	ret->value = info.si_value;
	return 0;
}

int64_t call_rt_sigqueueinfo(struct request *req)
{
	int32_t pid = request_int(req, 0);
	struct signal_from from;
	bool self;
	int r = queued(req, 2, pid == req->process->pid, &from);

	if (r < 0)
		return r;
	if (pid <= 0)
		return -ESRCH;
	r = process_kill(&from, pid, request_int(req, 1), &self);
	request_kick(req, self);
	return r;
}

int64_t call_rt_tgsigqueueinfo(struct request *req)
{
	int32_t tgid = request_int(req, 0);
	struct signal_from from;
	bool self;
	int r = queued(req, 3, tgid == req->process->pid, &from);

	if (r < 0)
		return r;
	if (tgid <= 0)
		return -EINVAL;
	r = process_kill_thread(&from, tgid, request_int(req, 1), request_int(req, 2), &self);
	request_kick(req, self);
	return r;
}

/* ---- pidfds. */

int64_t call_pidfd_open(struct request *req)
{
	uint32_t flags = (uint32_t)req->arg[1];
	struct process *p = process_find(request_int(req, 0));
	struct file *f;
	int r;

	if ((flags & ~(uint32_t)O_NONBLOCK) || request_int(req, 0) <= 0)
		return -EINVAL;
	if (!p)
		return -ESRCH;
	r = pidfd_new(p, (int)flags, &f);
	return r < 0 ? r : install_file(req, f, true);
}

int64_t call_pidfd_send_signal(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	struct process *p = f ? pidfd_process(f) : NULL;
	struct signal_from from = { .sender = req->process, .code = SI_USER };
	bool self;
	int r = 0;

	if (!p)
		return f ? -EINVAL : -EBADF;
	if (req->arg[3] != 0)
		return -EINVAL;
	if (request_has(req, 2))
		r = queued(req, 2, p == req->process, &from);
	if (r < 0)
		return r;
	if (p->state == PROCESS_GONE)
		return -ESRCH;
	r = process_kill(&from, p->pid, request_int(req, 1), &self);
	request_kick(req, self);
	return r;
}

/* ---- groups and sessions. */

int64_t call_setpgid(struct request *req)
{
	return process_setpgid(req->process, request_int(req, 0), request_int(req, 1));
}

int64_t call_getpgrp(struct request *req)
{
	return process_pgid(req->process);
}

static const struct process *request_process(const struct request *req, unsigned int i)
{
	int32_t pid = request_int(req, i);

	return pid == 0 ? req->process : process_find(pid);
}

int64_t call_getpgid(struct request *req)
{
	const struct process *p = request_process(req, 0);

	return p ? process_pgid(p) : -ESRCH;
}

int64_t call_getsid(struct request *req)
{
	const struct process *p = request_process(req, 0);

	return p ? process_sid(p) : -ESRCH;
}

int64_t call_setsid(struct request *req)
{
	return process_setsid(req->process);
}
