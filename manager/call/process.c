/* SPDX-License-Identifier: MIT */
/*
 * process.c - processes and threads: fork in two halves, exit, wait.
 *
 *	parent's shim		manager			child
 *	RUN_FORK
 *				process_fork: STARTING
 *				sends area, socket
 *	clone					   	writes host_pid, may post
 *	RUN_FORKED pid
 *				adopt: RUNNING		is served
 */
#include "call/inside.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW_MAX 65536u

static_assert(sizeof(struct rusage) == 144, "run_calls.def");
static_assert(sizeof(siginfo_t) == 128, "run_calls.def");

/* ---- fork. */

static int grant(struct client *parent, struct client *child)
{
	const int fds[2] = { child->area_fd, child->peer };
	const uint32_t slots[2] = { RUN_SLOT_NEW_AREA, RUN_SLOT_NEW_SOCKET };
	int r = client_send(parent, fds, slots, 2);

	if (r < 0)
		return r;
	close(child->area_fd); /* mapped; the child has its own */
	close(child->peer);
	child->area_fd = -1;
	child->peer = -1;
	return 0;
}

int64_t call_run_fork(struct request *req)
{
	/* The host's child always has SIGCHLD; fork and vfork name no signal here. */
	uint64_t flags = (req->arg[0] & UINT32_MAX & ~(uint64_t)CSIGNAL) | SIGCHLD;
	struct process *child;
	int r = process_fork(req->process, flags, &child);

	if (r < 0)
		return r == -ENOMEM ? -ENOMEM : r == -EPERM || r == -EINVAL ? r : -EAGAIN;
	process_get(child);
	r = grant(req->client, child->client);
	if (r < 0) {
		process_abandon(child);
		process_put(child);
		return -EAGAIN;
	}
	/* One that was granted before is found by what its child says, or given up. */
	process_put(req->thread->forking);
	req->thread->forking = child;
	req->reply_flags |= RUN_REPLY_FDS;
	return 0;
}

/* The bytes that the vfork child left for its parent. */
static int64_t put_window(struct request *req, const struct process *child)
{
	uint64_t size = child->window_size < req->arg[2] ? child->window_size : req->arg[2];
	void *out;
	int r = request_at(req, 0, size, &out);

	if (r < 0 || size == 0)
		return r;
	memcpy(out, child->window, size);
	return (int64_t)size;
}

int64_t call_run_forked(struct request *req)
{
	struct process *child = req->thread->forking;
	int64_t r;

	if (!child)
		return -EINVAL;
	req->thread->forking = NULL;
	if ((int64_t)req->arg[0] <= 0) { /* the clone failed */
		if (child->state == PROCESS_STARTING)
			process_abandon(child);
		process_put(child);
		return 0;
	}
	r = child->state == PROCESS_STARTING ? proc_host->adopt(child, request_int(req, 0)) : 0;
	if (r < 0) {
		process_abandon(child);
	} else if (req->arg[1] != 0) {
		r = process_vfork_wait(child);
		if (r == 0)
			r = put_window(req, child);
	}
	process_put(child);
	return r;
}

/* ---- threads. */

int64_t call_run_thread(struct request *req)
{
	struct thread *t;
	int r = thread_new(req->process, -1, &t);

	return r < 0 ? -EAGAIN : (int64_t)t->entry;
}

int64_t call_run_thread_failed(struct request *req)
{
	uint64_t index = req->arg[0];
	struct thread *t = index < PROC_ENTRIES ? req->client->thread[index] : NULL;

	if (!t || t == req->thread)
		return -EINVAL;
	thread_end(t);
	return 0;
}

int64_t call_exit(struct request *req)
{
	thread_end(req->thread); /* freed when this call is over */
	req->no_reply = true;
	return 0;
}

/* ---- exit. */

static void keep_window(struct request *req)
{
	struct process *p = req->process;
	uint64_t size = req->arg[1] < WINDOW_MAX ? req->arg[1] : WINDOW_MAX;
	void *bytes;

	if (!p->vforked || size == 0 || p->window || request_at(req, 0, size, &bytes) < 0)
		return;
	p->window = malloc(size);
	if (!p->window)
		return; /* the parent sees that the child is gone, and not why */
	memcpy(p->window, bytes, size);
	p->window_size = (uint32_t)size;
}

int64_t call_exit_group(struct request *req)
{
	keep_window(req);
	process_exit(req->process,
		     (struct process_status){ CLD_EXITED, request_int(req, 0) & 0xff });
	return 0;
}

int64_t call_run_sigchld(struct request *req)
{
	req->process->sigchld_ignored = req->arg[0] != 0;
	req->process->sigchld_no_stop = req->arg[1] != 0;
	return 0;
}

/* ---- wait. */

static int32_t status_word(struct process_status how)
{
	switch (how.code) {
	case CLD_EXITED:
		return (how.status & 0xff) << 8;
	case CLD_DUMPED:
		return how.status | 0x80;
	case CLD_STOPPED:
		return how.status << 8 | 0x7f;
	case CLD_CONTINUED:
		return 0xffff;
	default:
		return how.status;
	}
}

int64_t call_wait4(struct request *req)
{
	const uint32_t known = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WALL |
			       (uint32_t)__WCLONE;
	int32_t pid = request_int(req, 0), status;
	uint32_t options = (uint32_t)req->arg[2];
	struct wait_request w = { .options = options | WEXITED, .kind = P_PID, .id = pid };
	struct wait_result result;
	void *room;
	int r = 0;

	if (options & ~known)
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == -1) {
		w.kind = P_ALL;
	} else if (pid <= 0) {
		w.kind = P_PGID;
		w.id = pid == 0 ? process_pgid(req->process) : -pid;
	}
	w.want_usage = request_has(req, 3);
	/* A child is waited for once: look first whether there is room for the answer. */
	if (request_has(req, 1))
		r = request_buffer(req, 1, sizeof(status), &room);
	if (r == 0 && w.want_usage)
		r = request_buffer(req, 3, sizeof(result.usage), &room);
	if (r == 0)
		r = process_wait(req->process, &w, &result);
	if (r < 0 || result.pid == 0)
		return r;
	status = status_word(result.how);
	if (request_has(req, 1))
		r = request_out(req, 1, &status, sizeof(status));
	if (r == 0 && w.want_usage)
		r = request_out(req, 3, &result.usage, sizeof(result.usage));
	return r < 0 ? r : result.pid;
}

/* idtype and id of waitid; P_PIDFD becomes the process's number. */
static int waitid_target(const struct request *req, struct wait_request *w)
{
	const struct process *target;
	const struct file *f;

	w->kind = request_int(req, 0);
	w->id = request_int(req, 1);
	switch (w->kind) {
	case P_ALL:
		return 0;
	case P_PID:
		return w->id <= 0 ? -EINVAL : 0;
	case P_PGID:
		if (w->id == 0)
			w->id = process_pgid(req->process);
		return w->id < 0 ? -EINVAL : 0;
	case P_PIDFD:
		f = fd_peek(req->process->fds, w->id);
		target = f ? pidfd_process(f) : NULL;
		if (!target)
			return f ? -EINVAL : -EBADF;
		w->kind = P_PID;
		w->id = target->pid;
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t call_waitid(struct request *req)
{
	const uint32_t events = WEXITED | WSTOPPED | WCONTINUED;
	const uint32_t known = events | WNOHANG | WNOWAIT | __WNOTHREAD | __WALL |
			       (uint32_t)__WCLONE;
	struct wait_request w = { .options = (uint32_t)req->arg[3] };
	struct wait_result result;
	siginfo_t info;
	void *room;
	int r;

	if ((w.options & ~known) || !(w.options & events))
		return -EINVAL;
	r = waitid_target(req, &w);
	w.want_usage = request_has(req, 4);
	if (r == 0 && request_has(req, 2))
		r = request_buffer(req, 2, sizeof(info), &room);
	if (r == 0 && w.want_usage)
		r = request_buffer(req, 4, sizeof(result.usage), &room);
	if (r == 0)
		r = process_wait(req->process, &w, &result);
	if (r < 0)
		return r;
	memset(&info, 0, sizeof(info));
	if (result.pid != 0) {
		info.si_signo = SIGCHLD;
		info.si_code = result.how.code;
		info.si_pid = result.pid;
		info.si_uid = result.uid;
		info.si_status = result.how.status;
	}
	if (request_has(req, 2))
		r = request_out(req, 2, &info, sizeof(info));
	if (r == 0 && w.want_usage && result.pid != 0)
		r = request_out(req, 4, &result.usage, sizeof(result.usage));
	return r;
}
