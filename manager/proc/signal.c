/* SPDX-License-Identifier: MIT */
#include "proc/inside.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static bool signal_permitted(const struct process *from, const struct process *to, int sig)
{
	const struct vfs_cred *f = &from->cred, *t = &to->cred;

	if (f->euid == 0 || from == to)
		return true;
	if (f->euid == t->suid || f->euid == t->uid || f->uid == t->suid || f->uid == t->uid)
		return true;
	return sig == SIGCONT && from->group && to->group &&
	       from->group->session == to->group->session;
}

static siginfo_t info_from(const struct signal_from *from, int sig)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = from->code;
	info.si_pid = from->sender ? from->sender->pid : 0;
	info.si_uid = from->sender ? from->sender->cred.uid : 0;
	info.si_value = from->value;
	return info;
}

/* A stop by the keyboard's signals would be for ever in an orphaned group: there it is lost. */
static bool stop_is_lost(const struct process *p, int sig)
{
	if (sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
		return false;
	return p->group && group_orphaned(p->group, NULL) && !proc_host->signal_caught(p, sig);
}

/* The last step of every way to a process. */
static void deliver(struct process *p, const siginfo_t *info)
{
	if (p->state == PROCESS_STARTING) {
		p->early_signals |= UINT64_C(1) << (info->si_signo - 1);
		return;
	}
	if (p->state == PROCESS_ZOMBIE || p->state == PROCESS_GONE || p->host_dead ||
	    stop_is_lost(p, info->si_signo))
		return;
	(void)proc_host->signal(p, info); /* it may have died this moment: nobody to tell */
}

void process_signal(struct process *p, int sig, int32_t code)
{
	const struct signal_from nobody = { .code = code };
	siginfo_t info = info_from(&nobody, sig);

	deliver(p, &info);
}

void signal_early(struct process *p)
{
	while (p->early_signals != 0) {
		int sig = __builtin_ctzll(p->early_signals) + 1;

		p->early_signals &= p->early_signals - 1;
		process_signal(p, sig, SI_USER);
	}
}

void group_signal(struct group *g, int sig, int32_t code)
{
	LIST_EACH(it, &g->members)
		process_signal(LIST_ENTRY(it, struct process, group_node), sig, code);
}

void signal_parent(struct process *child, struct process_status how)
{
	struct process *parent = child->parent;
	bool exited = how.code != CLD_STOPPED && how.code != CLD_CONTINUED;
	siginfo_t info;

	if (!parent)
		return;
	waitq_wake_all(&parent->child_wait);
	if (child->exit_signal == 0 || (!exited && parent->sigchld_no_stop))
		return;
	memset(&info, 0, sizeof(info));
	info.si_signo = child->exit_signal;
	info.si_code = how.code;
	info.si_pid = child->pid;
	info.si_uid = child->cred.uid;
	info.si_status = how.status;
	deliver(parent, &info);
}

/* ---- kill(2). */

/* What has come of one receiver after the other. */
struct kill_result {
	const struct signal_from *from;
	int sig;
	bool self;
	unsigned int permitted, refused;
};

static void kill_one(struct kill_result *k, struct process *p)
{
	siginfo_t info;

	if (!signal_permitted(k->from->sender, p, k->sig)) {
		k->refused++;
		return;
	}
	k->permitted++;
	if (k->sig == 0)
		return;
	k->self |= p == k->from->sender;
	info = info_from(k->from, k->sig);
	deliver(p, &info);
}

static int kill_result(const struct kill_result *k, bool *ret_self)
{
	*ret_self = k->self;
	if (k->permitted > 0)
		return 0;
	return k->refused > 0 ? -EPERM : -ESRCH;
}

static void kill_group(struct kill_result *k, struct group *g)
{
	LIST_EACH_SAFE(it, &g->members)
		kill_one(k, LIST_ENTRY(it, struct process, group_node));
}

/* Everybody but the sender and the first one, as kill(-1) leaves init alone. */
static void kill_all(struct kill_result *k)
{
	for (struct process *p = process_next(NULL); p; p = process_next(p)) {
		if (p != k->from->sender)
			kill_one(k, p);
	}
}

int process_kill(const struct signal_from *from, int32_t pid, int sig, bool *ret_self)
{
	struct kill_result k = { .from = from, .sig = sig };
	struct process *p;
	struct group *g;

	*ret_self = false;
	if (sig < 0 || sig >= _NSIG)
		return -EINVAL;
	if (pid == PROC_INIT_PID) /* the manager takes signals from nobody inside */
		return from->sender->cred.euid == 0 ? 0 : -EPERM;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid > 0) {
		p = process_find(pid);
		if (p)
			kill_one(&k, p);
	} else if (pid == -1) {
		kill_all(&k);
	} else {
		g = pid == 0 ? from->sender->group : group_find(-pid);
		if (g)
			kill_group(&k, g);
	}
	return kill_result(&k, ret_self);
}

static struct thread *thread_find(struct process *p, int32_t tid)
{
	LIST_EACH(it, &p->threads) {
		struct thread *t = LIST_ENTRY(it, struct thread, node);

		if (!t->ended && proc_host->thread_tid(t) == tid)
			return t;
	}
	return NULL;
}

int process_kill_thread(const struct signal_from *from, int32_t tgid, int32_t tid, int sig,
			bool *ret_self)
{
	struct process *p = tgid == -1 ? process_find(tid) : process_find(tgid);
	struct thread *t = NULL;
	siginfo_t info;

	*ret_self = false;
	if (sig < 0 || sig >= _NSIG || tid <= 0 || (tgid <= 0 && tgid != -1))
		return -EINVAL;
	if (p)
		t = thread_find(p, tid);
	else if (tgid == -1) { /* tkill of a thread that is not the first of its process */
		for (p = process_next(NULL); p && !t; p = t ? p : process_next(p))
			t = thread_find(p, tid);
	}
	if (p && !t && tid == p->pid && p->state == PROCESS_ZOMBIE)
		return signal_permitted(from->sender, p, sig) ? 0 : -EPERM;
	if (!t)
		return -ESRCH;
	if (!signal_permitted(from->sender, t->process, sig))
		return -EPERM;
	if (sig == 0 || stop_is_lost(t->process, sig))
		return 0;
	*ret_self = t->process == from->sender;
	info = info_from(from, sig);
	return proc_host->signal_thread(t, &info);
}

void proc_signal_caller(int sig)
{
	struct thread *t = thread_current();
	const struct signal_from self = { .sender = t ? t->process : NULL, .code = SI_USER };
	siginfo_t info;

	if (!t || t->ended)
		return;
	info = info_from(&self, sig);
	t->kick = true;
	(void)proc_host->signal_thread(t, &info);
}

void proc_sigpipe(void)
{
	proc_signal_caller(SIGPIPE);
}
