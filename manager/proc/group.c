/* SPDX-License-Identifier: MIT */
#include "proc/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static struct list groups = LIST_INIT(groups);

static void session_drop_tty(struct session *s)
{
	struct file *tty = s->tty;

	s->tty = NULL;
	s->foreground = 0;
	file_put(tty);
}

static void session_put(struct session *s)
{
	assert(s->refs > 0);
	if (--s->refs > 0)
		return;
	session_drop_tty(s);
	free(s);
}

int group_new(int32_t pgid, struct session *session, struct group **ret)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->pgid = pgid;
	g->session = session;
	session->refs++;
	list_init(&g->members);
	list_push_back(&groups, &g->node);
	*ret = g;
	return 0;
}

int session_new(struct process *leader, struct group **ret_group)
{
	struct session *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->sid = leader->pid;
	s->leader = leader;
	r = group_new(leader->pid, s, ret_group);
	if (r < 0)
		free(s);
	return r;
}

void group_join(struct group *g, struct process *p)
{
	assert(!p->group);
	p->group = g;
	list_push_back(&g->members, &p->group_node);
}

void group_leave(struct process *p)
{
	struct group *g = p->group;

	if (!g)
		return;
	p->group = NULL;
	list_del(&p->group_node);
	if (!list_empty(&g->members))
		return;
	list_del(&g->node);
	session_put(g->session);
	free(g);
}

struct group *group_find(int32_t pgid)
{
	LIST_EACH(it, &groups) {
		struct group *g = LIST_ENTRY(it, struct group, node);

		if (g->pgid == pgid && pgid > 0)
			return g;
	}
	return NULL;
}

int32_t process_pgid(const struct process *p)
{
	return p->group ? p->group->pgid : 0;
}

int32_t process_sid(const struct process *p)
{
	return p->group ? p->group->session->sid : 0;
}

int process_setpgid(struct process *p, int32_t pid, int32_t pgid)
{
	struct process *target = pid == 0 ? p : process_find(pid);
	struct group *g;
	int r;

	if (pgid < 0 || (pgid == 0 && pid < 0))
		return -EINVAL;
	if (!target || (target != p && target->parent != p))
		return -ESRCH;
	if (!target->group || target->group->session != p->group->session)
		return -EPERM;
	if (target != p && target->has_execed)
		return -EACCES;
	if (target->group->session->leader == target)
		return -EPERM;
	if (pgid == 0)
		pgid = target->pid;
	g = group_find(pgid);
	if (g == target->group)
		return 0;
	if (g && g->session != p->group->session)
		return -EPERM;
	if (!g) {
		if (pgid != target->pid)
			return -EPERM;
		r = group_new(pgid, target->group->session, &g);
		if (r < 0)
			return r;
	}
	group_leave(target);
	group_join(g, target);
	return 0;
}

int process_setsid(struct process *p)
{
	struct group *g;
	int r;

	/* A group with its number: of itself, or one that it once led and left behind. */
	if (group_find(p->pid))
		return -EPERM;
	r = session_new(p, &g);
	if (r < 0)
		return r;
	group_leave(p);
	group_join(g, p);
	return p->pid;
}

/* The links that keep a group from being orphaned: parents in other groups of its session. */
static bool links_outside(const struct process *p, const struct group *g)
{
	const struct process *parent = p->parent;

	return parent && parent->group && parent->group != g &&
	       parent->group->session == g->session;
}

/* A group is orphaned if no member has such a link: nobody would continue it. `ending` is none. */
bool group_orphaned(const struct group *g, const struct process *ending)
{
	LIST_EACH(it, &g->members) {
		const struct process *p = LIST_ENTRY(it, struct process, group_node);

		if (p != ending && p->parent != ending && p->state != PROCESS_ZOMBIE &&
		    links_outside(p, g))
			return false;
	}
	return true;
}

/* Does a link end with the process? A group that was orphaned before is left alone. */
static bool group_loses_link(const struct group *g, const struct process *ending)
{
	if (ending->group == g)
		return links_outside(ending, g);
	LIST_EACH(it, &g->members) {
		if (LIST_ENTRY(it, struct process, group_node)->parent == ending)
			return true;
	}
	return false;
}

static bool group_has_stopped(const struct group *g)
{
	LIST_EACH(it, &g->members) {
		if (LIST_ENTRY(it, struct process, group_node)->state == PROCESS_STOPPED)
			return true;
	}
	return false;
}

void group_process_ends(struct process *p)
{
	struct group *own = p->group;
	struct session *s = own->session;

	if (s->leader == p) {
		struct group *front = s->tty ? group_find(s->foreground) : NULL;

		s->leader = NULL;
		session_drop_tty(s);
		if (front && front->session == s) {
			group_signal(front, SIGHUP, SI_KERNEL);
			group_signal(front, SIGCONT, SI_KERNEL);
		}
	}
	/* Its own group may have lost the last parent outside; so may those of its children. */
	LIST_EACH(it, &groups) {
		struct group *g = LIST_ENTRY(it, struct group, node);

		if (g->session != s || !group_has_stopped(g) || !group_loses_link(g, p) ||
		    !group_orphaned(g, p))
			continue;
		group_signal(g, SIGHUP, SI_KERNEL);
		group_signal(g, SIGCONT, SI_KERNEL);
	}
}

/* ---- the controlling terminal. There is one outside, so each terminal file is that one. */

static struct process *caller(void)
{
	struct thread *t = thread_current();

	return t && t->process->group ? t->process : NULL;
}

static struct session *session_of_tty(void)
{
	LIST_EACH(it, &groups) {
		struct session *s = LIST_ENTRY(it, struct group, node)->session;

		if (s->tty)
			return s;
	}
	return NULL;
}

static int tty_take(struct process *p, struct file *f)
{
	struct session *s = p->group->session;

	if (s->leader == p && s->tty)
		return 0;
	if (s->leader != p || session_of_tty())
		return -EPERM; /* nobody takes it from a living session, root neither */
	s->tty = file_get(f);
	s->foreground = p->group->pgid;
	return 0;
}

static int tty_set_foreground(struct session *s, int32_t pgid)
{
	struct group *g;

	if (pgid < 0)
		return -EINVAL;
	g = group_find(pgid);
	if (!g)
		return -ESRCH;
	if (g->session != s)
		return -EPERM;
	s->foreground = pgid;
	return 0;
}

static int tty_give_up(struct process *p)
{
	struct session *s = p->group->session;
	struct group *front = group_find(s->foreground);

	if (s->leader != p)
		return 0; /* Linux lets the caller alone lose it; here the session keeps it */
	session_drop_tty(s);
	if (front && front->session == s) {
		group_signal(front, SIGHUP, SI_KERNEL);
		group_signal(front, SIGCONT, SI_KERNEL);
	}
	return 0;
}

int proc_tty_ioctl(struct file *f, unsigned int cmd, void *arg)
{
	struct process *p = caller();
	struct session *s;
	int32_t id;

	if (!p)
		return -ENOTTY;
	s = p->group->session;
	if (cmd == TIOCSCTTY)
		return tty_take(p, f);
	if (!s->tty)
		return -ENOTTY;
	switch (cmd) {
	case TIOCGPGRP:
		memcpy(arg, &s->foreground, sizeof(s->foreground));
		return 0;
	case TIOCSPGRP:
		memcpy(&id, arg, sizeof(id));
		return tty_set_foreground(s, id);
	case TIOCGSID:
		memcpy(arg, &s->sid, sizeof(s->sid));
		return 0;
	case TIOCNOTTY:
		return tty_give_up(p);
	default:
		return -ENOTTY;
	}
}

int proc_tty_access(struct file *f, bool writing)
{
	struct thread *t = thread_current();
	struct process *p = caller();
	struct session *s;

	(void)f;
	if (!p || writing) /* TOSTOP is rare: output of the background passes */
		return 0;
	s = p->group->session;
	if (!s->tty || s->foreground == p->group->pgid)
		return 0;
	if (group_orphaned(p->group, NULL) || proc_host->signal_ignored(t, SIGTTIN))
		return -EIO;
	group_signal(p->group, SIGTTIN, SI_KERNEL);
	return -ERESTARTSYS;
}

struct file *proc_open_tty(void)
{
	struct process *p = caller();

	return p && p->group->session->tty ? file_get(p->group->session->tty) : NULL;
}

void proc_tty_first(struct process *p, struct file *tty)
{
	struct session *s = p->group->session;

	assert(!s->tty);
	s->tty = file_get(tty);
	s->foreground = p->group->pgid;
}

bool proc_signal_foreground(int sig)
{
	struct session *s = session_of_tty();
	struct group *g = s ? group_find(s->foreground) : NULL;
	struct process *first = process_next(NULL);

	if (!g && first)
		g = first->group;
	if (!g)
		return false;
	group_signal(g, sig, SI_KERNEL);
	return sig != SIGTSTP || !group_orphaned(g, NULL);
}
