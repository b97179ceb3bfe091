/* SPDX-License-Identifier: MIT */
#ifndef FRONT_INSIDE_H
#define FRONT_INSIDE_H
/*
 * inside.h - what the files of front/ share. Layer: front, inside only.
 *
 *	area.c    areas: memory shared with one address space, its socket
 *	shm.c     looking for calls, sleeping, the bell
 *	serve.c   server tasks: claim, call, complete
 *	host.c    host processes: signals, death, strangers
 *	root.c    what is at "/"
 *	layer.c   images that are layers: layer.h
 *	manager.c all of it together
 *
 * Thread   scheduler thread only, but for front_ring() and what signal handlers do.
 */
#include "hascall/run_abi.h"
#include "proc/proc.h"
#include "slot/slot.h"

#include <stdint.h>

struct front_options {
	uint64_t spin_ns;	  /* after the last work */
	unsigned int servers;	  /* tasks that are kept; 0: each call gets its own */
	unsigned int servers_max; /* tasks at all */
	bool keep_strangers;	  /* children of ours that are no process inside are left alone */
};
extern struct front_options front_options;

/* ---- area.c */
int area_client_new(struct client **ret);
void area_client_free(struct client *c);
int area_client_send(struct client *c, const int *fds, const uint32_t *slots, unsigned int count);
void area_publish(struct process *p);
void area_entry_reset(struct client *c, uint32_t entry);
bool area_entry_is_free(const struct client *c, uint32_t entry);
int32_t area_thread_tid(const struct thread *t);
/* Make one area ahead, if there are few; true if it did. */
bool area_prepare(void);
void area_fini(void);		 /* those made ahead; a living client is asserted */
extern struct list area_clients; /* client->node */

static inline struct run_control *client_control(const struct client *c)
{
	return (struct run_control *)(void *)c->area;
}

static inline struct syscall_info *client_entry(const struct client *c, uint32_t entry)
{
	assert(entry < RUN_ENTRY_COUNT);
	return (struct syscall_info *)(void *)(c->area + RUN_ENTRIES_OFFSET) + entry;
}

static inline unsigned char *client_bounce(const struct client *c, uint32_t entry)
{
	assert(entry < RUN_ENTRY_COUNT);
	return c->area + RUN_BOUNCE_OFFSET + (uint64_t)entry * RUN_BOUNCE_SIZE;
}

/* ---- shm.c */
MUST_USE int shm_init(int *ret_server_fd, int *ret_bell_fd);
void shm_fini(void);
bool shm_poll(void *ctx);
void shm_idle(void *ctx, uint64_t deadline_ns);
/* From any thread, and from signal handlers: there is something to look at. */
void front_ring(void);
/* For tests and benches: times it went to sleep. */
uint64_t shm_sleeps(void);
/* Looks at all areas until now. A call that sees two values has waited between. */
uint64_t shm_polls(void);

/* ---- serve.c */
MUST_USE int serve_init(void);
void serve_close(void); /* servers return once they are idle */
void serve_fini(void);	/* all have returned: asserted */
/* The thread has posted; false if there is no place for it now. */
bool serve_queue(struct thread *t);
void serve_grow(void); /* more servers, if all wait for something and calls wait for them */
unsigned int serve_count(void);
/* With no task ready: a call has been begun and is not completed. */
bool serve_any_waits(void);

/* ---- host.c */
MUST_USE int host_process_init(void);
void host_process_fini(void);
extern const struct proc_host host_process_ops;
bool host_process_poll(void); /* what SIGCHLD told; true if there was anything */
/* Now and then: late processes, lost children, strangers. */
void host_process_sweep(void);
void host_process_kill_all(void);
/* No process is inside any more: all children are strangers, at once. False: there are none. */
bool host_process_end_strangers(void);
/* A client broke the protocol: end it, with a line in the log. */
void host_process_damage(struct client *c, const char *what);
/* As proc_host.adopt. */
int host_process_adopt(struct process *p, int32_t pid);

/* ---- root.c */
struct dentry;
struct manager_options;
struct vfs;
/* 0, or -errno; what concerns an image was said on standard error. */
MUST_USE int root_build(const struct manager_options *o, struct dentry **ret) MAY_YIELD;
/* /dev, /proc; view: as root. */
MUST_USE int root_mounts(const struct manager_options *o, const struct vfs *view) MAY_YIELD;
bool root_complained(void); /* of these two, or of the image */
/* Nothing of the tree is held any more. 0, or -errno: changes are lost (said). */
int root_close(void) MAY_YIELD;

/* ---- manager.c */
void manager_process_ended(struct process *p);
bool manager_poll(void); /* signals to forward */

#endif /* FRONT_INSIDE_H */
