#include "task/sched.h"

#include "task/inside.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define TASK_LIMIT_DEFAULT 16384u
/* So many tasks run before poll() is asked again: new work waits for 32 tasks at most. */
#define RUNS_BEFORE_POLL 32u
/* While there is work, the clock is read once in so many turns of the loop. */
#define TURNS_BEFORE_CLOCK 16u
#define SECOND_NS 1000000000u

struct sched sched;

int sched_init(const struct sched_options *options, const struct sched_hooks *hooks)
{
	int r;

	assert(!sched.started);
	sched = (struct sched){ .options = *options };
	if (hooks)
		sched.hooks = *hooks;
	if (sched.options.task_limit == 0)
		sched.options.task_limit = TASK_LIMIT_DEFAULT;
	sched.random = options->seed;
	list_init(&sched.ready);
	list_init(&sched.all);
	list_init(&sched.soon);
	context_of_thread(&sched.context);
	r = overflow_watch();
	if (r < 0)
		return r;
	sched.started = true;
	return 0;
}

void sched_fini(void)
{
	assert(sched.started && !sched.current);
	LIST_EACH(node, &sched.all) {
		const struct task *t = LIST_ENTRY(node, struct task, all);

		fprintf(stderr, "hascall: task %s is left in state %s\n", t->name,
			task_states[t->state].name);
	}
	assert(sched.task_count == 0);
	assert(sched.event_count == 0);
	overflow_unwatch();
	stack_pool_drain();
	timer_fini();
	sched.started = false;
}

uint64_t clock_now_ns(void)
{
	struct timespec now;

	if (sched.options.virtual_clock)
		return sched.virtual_ns;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* A number below `limit`, from a row that the seed fixes (splitmix64). */
static unsigned int random_below(unsigned int limit)
{
	uint64_t z = sched.random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned int)((z ^ (z >> 31)) % limit);
}

/* The next task to run, RUNNING; NULL when the loop should run. */
static struct task *pick(void)
{
	struct list *node = sched.ready.next;
	struct task *t;

	if (sched.runs_left == 0 || node == &sched.ready)
		return NULL;
	if (sched.options.seeded)
		for (unsigned int skip = random_below(sched.ready_count); skip > 0; skip--)
			node = node->next;
	sched.runs_left--;
	sched.ready_count--;
	list_del(node);
	t = LIST_ENTRY(node, struct task, ready);
	task_move(t, TASK_RUNNING);
	sched.current = t;
	return t;
}

void sched_arrived(void)
{
	if (sched.gone) {
		task_free(sched.gone);
		sched.gone = NULL;
	}
}

/* Task to task directly: the loop's own stack is visited only when it has something to do. */
void sched_give_up(void)
{
	struct task *self = sched.current;
	struct task *next;

	sched.current = NULL;
	next = pick();
	if (next == self)
		return;
	context_switch(&self->context, next ? &next->context : &sched.context);
	sched_arrived();
}

_Noreturn void sched_give_up_for_good(void)
{
	struct task *self = sched.current;
	struct task *next;

	assert(!sched.gone);
	sched.gone = self;
	sched.current = NULL;
	next = pick();
	context_leave(&self->context, next ? &next->context : &sched.context);
	__builtin_trap();
}

/* Run tasks until none is ready, or so many that poll() is due. True if any ran. */
static bool run_ready(void)
{
	struct task *first;

	sched.runs_left = RUNS_BEFORE_POLL;
	first = pick();
	if (!first)
		return false;
	context_switch(&sched.context, &first->context);
	sched_arrived();
	return true;
}

static void fire(struct timer *t)
{
	if (t->fired)
		t->fired(t);
	else
		task_wake(CONTAINER_OF(t, struct task, timer), -ETIMEDOUT);
}

/* Wake every task whose deadline has passed; so with events. */
static void run_timers(void)
{
	uint64_t now_ns;
	struct timer *t;

	if (timer_next() == UINT64_MAX)
		return;
	now_ns = clock_now_ns();
	while ((t = timer_pop_due(now_ns)))
		fire(t);
}

/* All wait: the virtual clock jumps to the next deadline. False if there is none. */
static bool jump(void)
{
	uint64_t next_ns = timer_next();

	if (next_ns == UINT64_MAX)
		return false;
	if (next_ns > sched.virtual_ns)
		sched.virtual_ns = next_ns;
	fire(timer_pop_due(next_ns));
	return true;
}

/* The events set until now; what they set themselves waits for the next turn. */
static bool run_events(void)
{
	struct list due;
	struct list *node;

	if (list_empty(&sched.soon))
		return false;
	list_push_front(&sched.soon, &due);
	list_del(&sched.soon);
	while ((node = list_pop_front(&due))) {
		struct event *e = LIST_ENTRY(node, struct event, soon);

		e->fn(e);
	}
	return true;
}

static bool work_left(void)
{
	return !list_empty(&sched.ready) || !list_empty(&sched.soon);
}

static bool poll_hook(void)
{
	return sched.hooks.poll && sched.hooks.poll(sched.hooks.ctx);
}

static void idle(uint64_t deadline_ns)
{
	struct timespec t = { .tv_sec = INT32_MAX };

	if (sched.hooks.idle) {
		sched.hooks.idle(sched.hooks.ctx, deadline_ns);
		return;
	}
	if (deadline_ns != UINT64_MAX)
		t = (struct timespec){ .tv_sec = (time_t)(deadline_ns / SECOND_NS),
				       .tv_nsec = (long)(deadline_ns % SECOND_NS) };
	/* A signal ends it early; then the loop comes round again. */
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/*
 * Reading the clock costs as much as serving a small call. So while each sleep of
 * the loop is followed by work, the timers are looked at now and then only. A
 * deadline that ends a sleep is not late for that: no work is found after it.
 */
void sched_run(void)
{
	unsigned int turns = 0;
	bool worked = false, found;

	assert(sched.started && !sched.current);
	while (!sched.stopping) {
		worked |= run_ready();
		worked |= run_events();
		found = poll_hook();
		if ((!worked && !found) || ++turns >= TURNS_BEFORE_CLOCK) {
			turns = 0;
			if (!sched.options.virtual_clock)
				run_timers();
		}
		if (work_left() || sched.stopping)
			continue;
		if (sched.options.virtual_clock && jump())
			continue;
		idle(timer_next());
		worked = false;
	}
	sched.stopping = false;
}

void sched_stop(void)
{
	sched.stopping = true;
}

unsigned int sched_run_until_idle(void)
{
	assert(sched.started && !sched.current);
	for (;;) {
		run_ready();
		run_events();
		poll_hook();
		if (work_left())
			continue;
		if (sched.options.virtual_clock) {
			if (jump())
				continue;
			return sched.task_count;
		}
		run_timers();
		if (!work_left())
			return sched.task_count;
	}
}
