/* SPDX-License-Identifier: MIT */
/* identity.c - who a process is, and how much it may have. */
#include "call/inside.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

static int64_t set_user(struct request *req, enum cred_kind kind)
{
	const uint32_t id[3] = { (uint32_t)req->arg[0], (uint32_t)req->arg[1],
				 (uint32_t)req->arg[2] };

	return cred_set_user(req->process, kind, id);
}

static int64_t set_group(struct request *req, enum cred_kind kind)
{
	const uint32_t id[3] = { (uint32_t)req->arg[0], (uint32_t)req->arg[1],
				 (uint32_t)req->arg[2] };

	return cred_set_group(req->process, kind, id);
}

int64_t call_setuid(struct request *req)
{
	return set_user(req, CRED_SET);
}

int64_t call_setreuid(struct request *req)
{
	return set_user(req, CRED_SETRE);
}

int64_t call_setresuid(struct request *req)
{
	return set_user(req, CRED_SETRES);
}

int64_t call_setfsuid(struct request *req)
{
	return set_user(req, CRED_SETFS);
}

int64_t call_setgid(struct request *req)
{
	return set_group(req, CRED_SET);
}

int64_t call_setregid(struct request *req)
{
	return set_group(req, CRED_SETRE);
}

int64_t call_setresgid(struct request *req)
{
	return set_group(req, CRED_SETRES);
}

int64_t call_setfsgid(struct request *req)
{
	return set_group(req, CRED_SETFS);
}

int64_t call_getgroups(struct request *req)
{
	const struct vfs_cred *c = &req->process->cred;
	int32_t room = request_int(req, 0);
	int r;

	if (room < 0 || (room > 0 && (uint32_t)room < c->group_count))
		return -EINVAL;
	if (room == 0 || c->group_count == 0) /* the place is not looked at */
		return (int64_t)c->group_count;
	r = request_out(req, 1, c->groups, c->group_count * sizeof(c->groups[0]));
	return r < 0 ? r : (int64_t)c->group_count;
}

int64_t call_setgroups(struct request *req)
{
	uint32_t count = (uint32_t)req->arg[0];
	uint32_t groups[VFS_GROUPS_MAX];
	int r;

	if (req->process->cred.euid != 0)
		return -EPERM;
	if (count > VFS_GROUPS_MAX)
		return -EINVAL;
	r = request_in(req, 1, count * sizeof(groups[0]), groups);
	return r < 0 ? r : cred_set_groups(req->process, groups, count);
}

/* ---- limits. */

/* Argument `in` changes the limit if it is there, `out` is told what it was. */
static int64_t change_limit(struct request *req, struct process *p, uint32_t resource,
			    unsigned int in, unsigned int out)
{
	struct proc_limit limit, old;
	int r = 0;

	if (resource >= PROC_LIMITS)
		return -EINVAL;
	old = p->limit[resource];
	if (in < 6 && request_has(req, in)) {
		r = request_in(req, in, sizeof(limit), &limit);
		if (r == 0)
			r = limit_set(req->process, p, resource, &limit);
	}
	if (r == 0 && out < 6 && request_has(req, out))
		r = request_out(req, out, &old, sizeof(old));
	return r;
}

#define NO_ARGUMENT 6u

int64_t call_getrlimit(struct request *req)
{
	if (!request_has(req, 1))
		return -EFAULT;
	return change_limit(req, req->process, (uint32_t)req->arg[0], NO_ARGUMENT, 1);
}

int64_t call_setrlimit(struct request *req)
{
	if (!request_has(req, 1))
		return -EFAULT;
	return change_limit(req, req->process, (uint32_t)req->arg[0], 1, NO_ARGUMENT);
}

int64_t call_prlimit64(struct request *req)
{
	int32_t pid = request_int(req, 0);
	struct process *p = pid == 0 ? req->process : process_find(pid);
	const struct vfs_cred *mine = &req->process->cred, *its;

	if (!p)
		return -ESRCH;
	its = &p->cred;
	if (p != req->process && mine->euid != 0 &&
	    (mine->uid != its->uid || mine->uid != its->euid || mine->uid != its->suid ||
	     mine->gid != its->gid || mine->gid != its->egid || mine->gid != its->sgid))
		return -EPERM;
	return change_limit(req, p, (uint32_t)req->arg[1], 2, 3);
}

/* ---- priority. */

struct nice_request {
	struct request *req;
	int nice;
	unsigned int found;
	int result; /* the first error, or 0 */
};

static void nice_one(struct nice_request *n, struct process *p)
{
	const struct vfs_cred *mine = &n->req->process->cred;
	int r = -EPERM;

	n->found++;
	if (mine->euid == 0 || mine->euid == p->cred.uid || mine->euid == p->cred.euid)
		r = proc_host->set_nice(p, n->nice);
	if (n->result == 0)
		n->result = r;
}

static bool nice_means(const struct nice_request *n, const struct process *p)
{
	const struct process *self = n->req->process;
	uint32_t who = (uint32_t)n->req->arg[1];

	switch (request_int(n->req, 0)) {
	case PRIO_PROCESS:
		return who == 0 ? p == self : (uint32_t)p->pid == who;
	case PRIO_PGRP:
		return process_pgid(p) == (who == 0 ? process_pgid(self) : (int32_t)who);
	default:
		return p->cred.uid == (who == 0 ? self->cred.uid : who);
	}
}

int64_t call_setpriority(struct request *req)
{
	struct nice_request n = { .req = req, .nice = request_int(req, 2) };

	if (request_int(req, 0) < PRIO_PROCESS || request_int(req, 0) > PRIO_USER)
		return -EINVAL;
	n.nice = n.nice < -20 ? -20 : n.nice > 19 ? 19 : n.nice;
	for (struct process *p = process_next(NULL); p; p = process_next(p)) {
		if (p->state != PROCESS_ZOMBIE && nice_means(&n, p))
			nice_one(&n, p);
	}
	return n.found > 0 ? n.result : -ESRCH;
}
