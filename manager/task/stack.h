#ifndef TASK_STACK_H
#define TASK_STACK_H
/*
 * stack.h - stacks with a guard page below them, and the switch between them.
 * Layer: task, inside only.
 *
 * Limit    STACK_POOL_MAX stacks that nobody uses are kept; the rest go back to the host.
 * Owner    who got a stack puts it back, standing on another one.
 * Thread   scheduler thread only.
 *
 * The sanitizers are told of each switch here and nowhere else: AddressSanitizer
 * must know which stack is in use, ThreadSanitizer which line of execution.
 *
 * Way down: context_switch -> task_switch_stack (switch.S).
 */
#include "base/cc.h"

#define STACK_POOL_MAX 64u

struct stack {
	void *low; /* the guard page ends here */
	size_t size;
};

/* A stack nobody uses. 0 or -ENOMEM. */
MUST_USE int stack_get(struct stack *ret_stack);
void stack_put(const struct stack *s);
void stack_pool_drain(void);
/* Does `address` lie in the guard page? Safe in a signal handler. */
bool stack_guard_holds(const struct stack *s, const void *address);

/* A place where execution can go on. Valid while not running: sp. */
struct context {
	void *sp;
	/* for the sanitizers, unused otherwise */
	void *fake_stack;
	const void *stack_low;
	size_t stack_size;
	void *fiber;
};

/* The calling thread's own stack. */
void context_of_thread(struct context *c);
/* `entry(arg)` starts when the context is switched to; its first act is context_arrived(). */
void context_make(struct context *c, const struct stack *s, void (*entry)(void *), void *arg);
void context_arrived(void);
/* Go on at `to`; returns when somebody switches back to `from`. */
void context_switch(struct context *from, struct context *to);
/* The same, and nobody will switch back. */
void context_leave(struct context *from, struct context *to);
/* A context that was left, before its stack is put back. */
void context_end(struct context *c);

#endif /* TASK_STACK_H */
