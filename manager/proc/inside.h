/* SPDX-License-Identifier: MIT */
#ifndef PROC_INSIDE_H
#define PROC_INSIDE_H
/*
 * inside.h - what the files of proc/ share and nobody else may use. Layer: proc.
 *
 * Thread   scheduler thread only; nothing here yields.
 */
#include "proc/proc.h"

/* table.c */
void process_move(struct process *p, enum process_state to);
/* Give back what may go now: memory once no thread is served, the number once nobody needs it. */
void process_settle(struct process *p);
/* Its parent has waited, or nobody will. */
void process_gone(struct process *p);

/* A thread comes (false: there are too many) or goes. */
bool threads_take(void);
void threads_give_back(void);
unsigned int threads_count(void);

/* group.c */
MUST_USE int group_new(int32_t pgid, struct session *session, struct group **ret);
MUST_USE int session_new(struct process *leader, struct group **ret_group);
void group_join(struct group *g, struct process *p);
void group_leave(struct process *p); /* the last one frees it */
/* The process ends: its session loses its leader, groups may become orphans. */
void group_process_ends(struct process *p);

/* No member has a parent that could continue it; `ending` counts for nothing, NULL is fine. */
bool group_orphaned(const struct group *g, const struct process *ending);

/* signal.c */
/* Tell the parent what became of its child: SIGCHLD, and wake its wait. */
void signal_parent(struct process *child, struct process_status how);
void signal_early(struct process *p); /* what came while it was STARTING */

#endif /* PROC_INSIDE_H */
