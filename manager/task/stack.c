#include "task/stack.h"

#include "task/task.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE (4 * (size_t)TASK_STACK_SIZE) /* it pads every variable */
#else
#define STACK_SIZE ((size_t)TASK_STACK_SIZE)
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define GUARD_SIZE ((size_t)4096)
#define MXCSR_DEFAULT 0x1f80u /* as a process starts: all exceptions masked, round to nearest */
#define X87_DEFAULT 0x037fu

/* What task_switch_stack() leaves on a stack, lowest address first. */
struct switch_frame {
	uint32_t mxcsr;
	uint32_t x87;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	void (*go_on)(void);
};

void task_switch_stack(void **save_sp, void *load_sp);
void task_first_frame(void);

static void *pool[STACK_POOL_MAX]; /* `low` of each; all have STACK_SIZE bytes */
static unsigned int pool_count;

int stack_get(struct stack *ret_stack)
{
	char *mapping;

	ret_stack->size = STACK_SIZE;
	if (pool_count > 0) {
		ret_stack->low = pool[--pool_count];
		return 0;
	}
	mapping = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(mapping, GUARD_SIZE, PROT_NONE) < 0) {
		/* The limit of mappings (vm.max_map_count) counts as memory. */
		munmap(mapping, GUARD_SIZE + STACK_SIZE);
		return -ENOMEM;
	}
	ret_stack->low = mapping + GUARD_SIZE;
	return 0;
}

static void stack_unmap(void *low)
{
	munmap((char *)low - GUARD_SIZE, GUARD_SIZE + STACK_SIZE);
}

void stack_put(const struct stack *s)
{
	if (pool_count < STACK_POOL_MAX)
		pool[pool_count++] = s->low;
	else
		stack_unmap(s->low);
}

void stack_pool_drain(void)
{
	while (pool_count > 0)
		stack_unmap(pool[--pool_count]);
}

bool stack_guard_holds(const struct stack *s, const void *address)
{
	uintptr_t low = (uintptr_t)s->low;
	uintptr_t a = (uintptr_t)address;

	return a < low && a >= low - GUARD_SIZE;
}

void context_of_thread(struct context *c)
{
	*c = (struct context){ 0 };
#ifdef WITH_ASAN
	pthread_attr_t attributes;
	void *low = NULL;

	if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
		pthread_attr_getstack(&attributes, &low, &c->stack_size);
		pthread_attr_destroy(&attributes);
	}
	c->stack_low = low;
#endif
#ifdef WITH_TSAN
	c->fiber = __tsan_get_current_fiber();
#endif
}

void context_make(struct context *c, const struct stack *s, void (*entry)(void *), void *arg)
{
	/* The frame ends 16 bytes below the top: rsp is aligned when it has been popped. */
	struct switch_frame *frame =
		(struct switch_frame *)(void *)((char *)s->low + s->size - 16) - 1;

#ifdef WITH_ASAN
	/* A stack used before may carry marks of frames that never returned. */
	__asan_unpoison_memory_region(s->low, s->size);
#endif
	*frame = (struct switch_frame){
		.mxcsr = MXCSR_DEFAULT,
		.x87 = X87_DEFAULT,
		.rbx = (uint64_t)(uintptr_t)entry,
		.r12 = (uint64_t)(uintptr_t)arg,
		.go_on = task_first_frame,
	};
	*c = (struct context){ .sp = frame, .stack_low = s->low, .stack_size = s->size };
#ifdef WITH_TSAN
	c->fiber = __tsan_create_fiber(0);
#endif
}

void context_arrived(void)
{
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
}

void context_switch(struct context *from, struct context *to)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_size);
#endif
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	task_switch_stack(&from->sp, to->sp);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

void context_leave(struct context *from, struct context *to)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(NULL, to->stack_low, to->stack_size);
#endif
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	task_switch_stack(&from->sp, to->sp);
}

void context_end(struct context *c)
{
#ifdef WITH_TSAN
	__tsan_destroy_fiber(c->fiber);
#endif
	c->sp = NULL;
}
