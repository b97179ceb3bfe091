/* SPDX-License-Identifier: MIT */
#include "proc/inside.h"

#include <errno.h>
#include <sys/wait.h>

static bool wait_matches(const struct process *child, const struct wait_request *w)
{
	bool clone_child = child->exit_signal != SIGCHLD;

	if (!(w->options & __WALL) && clone_child != ((w->options & (uint32_t)__WCLONE) != 0))
		return false;
	switch (w->kind) {
	case P_PID:
		return child->pid == w->id;
	case P_PGID:
		return process_pgid(child) == w->id;
	default:
		return true;
	}
}

/* Has the child something to tell? Fills *ret then. */
static bool wait_tells(struct process *child, const struct wait_request *w, struct wait_result *ret)
{
	bool keep = (w->options & WNOWAIT) != 0;

	*ret = (struct wait_result){ .pid = child->pid, .uid = child->cred.uid };
	if (child->state == PROCESS_ZOMBIE) {
		if (!(w->options & WEXITED))
			return false;
		ret->how = child->exited;
		ret->usage = child->usage;
		if (!keep)
			process_gone(child);
		return true;
	}
	if (child->changed.code == 0)
		return false;
	if (!(w->options & (child->changed.code == CLD_STOPPED ? WSTOPPED : WCONTINUED)))
		return false;
	ret->how = child->changed;
	if (!keep)
		child->changed.code = 0;
	return true;
}

enum wait_outcome { WAIT_TOLD, WAIT_NOTHING_YET, WAIT_NO_CHILD };

/* *ret_dying: a zombie whose host process must end first, for its usage. */
static enum wait_outcome wait_look(struct process *p, const struct wait_request *w,
				   struct wait_result *ret, struct process **ret_dying)
{
	enum wait_outcome outcome = WAIT_NO_CHILD;

	*ret_dying = NULL;
	LIST_EACH(it, &p->children) {
		struct process *child = LIST_ENTRY(it, struct process, child_node);

		if (!wait_matches(child, w))
			continue;
		outcome = WAIT_NOTHING_YET;
		if (w->want_usage && child->state == PROCESS_ZOMBIE && !child->host_dead &&
		    (w->options & WEXITED)) {
			*ret_dying = child;
			return outcome;
		}
		if (wait_tells(child, w, ret))
			return WAIT_TOLD;
	}
	return outcome;
}

int process_wait(struct process *p, const struct wait_request *w, struct wait_result *ret)
{
	struct wait_result found;
	struct process *dying;
	int r;

	for (;;) {
		switch (wait_look(p, w, &found, &dying)) {
		case WAIT_TOLD:
			*ret = found;
			return 0;
		case WAIT_NO_CHILD:
			return -ECHILD;
		case WAIT_NOTHING_YET:
			break;
		}
		if (dying) {
			process_get(dying);
			r = waitq_wait(&dying->host_wait, TASK_FOREVER, WAIT_CANCELLABLE);
			process_put(dying);
		} else if (w->options & WNOHANG) {
			*ret = (struct wait_result){ .pid = 0 };
			return 0;
		} else {
			r = waitq_wait(&p->child_wait, TASK_FOREVER, WAIT_CANCELLABLE);
		}
		if (r < 0)
			return -ERESTARTSYS;
	}
}
