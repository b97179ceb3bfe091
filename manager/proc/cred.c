/* SPDX-License-Identifier: MIT */
#include "proc/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Linux's rules without capabilities: who has effective user 0 may everything. User
 * and group numbers follow the same rules, so one function serves both.
 */
struct ids {
	uint32_t *real, *effective, *saved, *fs;
};
#define KEEP UINT32_MAX

static bool is_one_of(uint32_t id, const struct ids *i, bool saved)
{
	return id == *i->real || id == *i->effective || (saved && id == *i->saved);
}

MUST_USE static int ids_set_re(const struct ids *i, const uint32_t id[3], bool privileged)
{
	uint32_t real = id[0] == KEEP ? *i->real : id[0];
	uint32_t effective = id[1] == KEEP ? *i->effective : id[1];

	if (!privileged && id[0] != KEEP && !is_one_of(real, i, false))
		return -EPERM;
	if (!privileged && id[1] != KEEP && !is_one_of(effective, i, true))
		return -EPERM;
	if (id[0] != KEEP || (id[1] != KEEP && effective != *i->real))
		*i->saved = effective;
	*i->real = real;
	*i->effective = effective;
	*i->fs = effective;
	return 0;
}

MUST_USE static int ids_set_res(const struct ids *i, const uint32_t id[3], bool privileged)
{
	for (unsigned int k = 0; k < 3; k++) {
		if (!privileged && id[k] != KEEP && !is_one_of(id[k], i, true))
			return -EPERM;
	}
	if (id[0] != KEEP)
		*i->real = id[0];
	if (id[1] != KEEP) {
		*i->effective = id[1];
		*i->fs = id[1];
	}
	if (id[2] != KEEP)
		*i->saved = id[2];
	return 0;
}

MUST_USE static int ids_set(const struct ids *i, enum cred_kind kind, const uint32_t id[3],
			    bool privileged)
{
	uint32_t old;

	switch (kind) {
	case CRED_SET:
		if (id[0] == KEEP)
			return -EINVAL;
		if (privileged) {
			*i->real = id[0];
			*i->saved = id[0];
		} else if (id[0] != *i->real && id[0] != *i->saved) {
			return -EPERM;
		}
		*i->effective = id[0];
		*i->fs = id[0];
		return 0;
	case CRED_SETRE:
		return ids_set_re(i, id, privileged);
	case CRED_SETRES:
		return ids_set_res(i, id, privileged);
	case CRED_SETFS:
		old = *i->fs;
		if (id[0] != KEEP && (privileged || is_one_of(id[0], i, true)))
			*i->fs = id[0];
		return (int)old; /* always the old one, never an error */
	}
	return -EINVAL;
}

int cred_set_user(struct process *p, enum cred_kind kind, const uint32_t id[3])
{
	struct vfs_cred *c = &p->cred;
	const struct ids ids = { &c->uid, &c->euid, &c->suid, &c->fsuid };
	int r = ids_set(&ids, kind, id, c->euid == 0);

	c->privileged = c->fsuid == 0;
	proc_host->publish(p);
	return r;
}

int cred_set_group(struct process *p, enum cred_kind kind, const uint32_t id[3])
{
	struct vfs_cred *c = &p->cred;
	const struct ids ids = { &c->gid, &c->egid, &c->sgid, &c->fsgid };
	int r = ids_set(&ids, kind, id, c->euid == 0);

	proc_host->publish(p);
	return r;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int cred_set_groups(struct process *p, const uint32_t *groups, uint32_t count)
{
	if (p->cred.euid != 0)
		return -EPERM;
	if (count > VFS_GROUPS_MAX)
		return -EINVAL;
	p->cred.group_count = count;
	memcpy(p->cred.groups, groups, count * sizeof(*groups));
	qsort(p->cred.groups, count, sizeof(*groups), by_number); /* as the kernel shows them */
	return 0;
}

void cred_exec(struct process *p, uint32_t euid, uint32_t egid)
{
	struct vfs_cred *c = &p->cred;

	if (euid != KEEP)
		c->euid = euid;
	if (egid != KEEP)
		c->egid = egid;
	c->suid = c->euid;
	c->fsuid = c->euid;
	c->sgid = c->egid;
	c->fsgid = c->egid;
	c->privileged = c->fsuid == 0;
}

/* ---- limits. */

int limit_set(struct process *caller, struct process *p, unsigned int resource,
	      const struct proc_limit *limit)
{
	if (resource >= PROC_LIMITS || limit->soft > limit->hard)
		return -EINVAL;
	if (limit->hard > p->limit[resource].hard && caller->cred.euid != 0)
		return -EPERM;
	if (resource == RLIMIT_NOFILE && limit->hard > FD_MAX)
		return -EPERM;
	p->limit[resource] = *limit;
	return 0;
}
