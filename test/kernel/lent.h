#ifndef TEST_KERNEL_LENT_H
#define TEST_KERNEL_LENT_H
/*
 * lent.h - areas whose executors are in the kernel, for tests. Layer: test.
 *
 * Order    lent_begin, lent_start; post with slot.h, then lent_ring; lent_end.
 * Limit    LENT_THREADS threads an area.
 * Owner    the test; all is static memory of its process.
 * Thread   as slot.h for the entries; the rest: one thread.
 *
 * Both forms: the system calls of a patched kernel, or else the module's device.
 */
#include "base/cc.h"
#include "hascall/kernel.h"
#include "slot/area.h"
#include "slot/slot.h"

#include <pthread.h>

#define LENT_THREADS 128u

struct lent_thread {
	struct async_syscall_executor record;
	struct lent_area *area;
	pthread_t thread;
	int tid;
	long answer;	      /* how its last lending ended */
	uint32_t grown;	      /* times it was told to bring another thread */
	uint32_t interrupted; /* times it was told of a signal */
};

struct lent_area {
	struct area_bell bell;
	struct area_server server;
	struct async_syscall_setup setup;
	struct syscall_info *entry;
	int handle; /* a descriptor, or a number of the patched kernel */
	bool patched;
	bool grows;	/* threads bring others when told */
	uint32_t count; /* atomic: threads */
	struct lent_thread thread[LENT_THREADS];
};

/* Is there a kernel that executes? */
bool lent_is_there(void);
bool lent_is_patched(void);

/* The kernel's answer: >= 0, or -errno. setup: what is not 0 there stays as it is. */
int lent_begin(struct lent_area *a, struct syscall_info *entry, uint32_t count);
int lent_forget(struct lent_area *a);

/* Lend the calling thread once. */
long lent_exec(struct lent_area *a, struct async_syscall_executor *record);

/* Threads that stay lent until END, bring another when told, and go on after a signal. */
void lent_start(struct lent_area *a, uint32_t count);
/* lent_begin and lent_start; where no kernel executes, the test is skipped. */
void lent_open(struct lent_area *a, struct syscall_info *entry, uint32_t count, uint32_t threads);
/* Put END into entry `end`, ring, wait for all threads: each must have ended so. */
void lent_end(struct lent_area *a, uint32_t end);

/* Wait for all threads, however they leave: each gives `wanted`. */
void lent_join(struct lent_area *a, long wanted);

/* After posting. */
void lent_ring(struct lent_area *a);
/* Ring whoever sleeps, again and again: when one leaves, a parked one takes its place. */
void lent_ring_all(struct lent_area *a);
/* Post and ring. */
void lent_post(struct lent_area *a, uint32_t entry, uint32_t num, const uint64_t arg[6]);
/* Wait for a result and take it. */
int64_t lent_take(struct lent_area *a, uint32_t entry);
/* Both. */
int64_t lent_call(struct lent_area *a, uint32_t entry, uint32_t num, const uint64_t arg[6]);
/* Wait until a thread of this process, or of a child, sleeps where a signal wakes it. */
void lent_await_asleep(int tid);
/* Wait until the entry is in that state. */
void lent_await(struct lent_area *a, uint32_t entry, int state);

/* Arguments of a call; pointers as (uintptr_t). */
#define ARGS(...)           \
	(const uint64_t[6]) \
	{                   \
		__VA_ARGS__ \
	}
#define NO_ARGS ARGS(0)

#endif /* TEST_KERNEL_LENT_H */
