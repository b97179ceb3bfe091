/*
 * bench_task.c - what tasks cost, in ns, beside what the C library has for the
 * same purpose: swapcontext() for the switch, two threads with a condition
 * variable for the round trip, pthread_create() for the start.
 *
 * Each figure is taken ROUNDS times; shown are the fastest, the middle and the
 * slowest. --json prints one object instead of the table.
 */
#include "task/port.h"
#include "task/sched.h"
#include "task/task.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#define ROUNDS 31u
#define MANY_TASKS 256u

struct figure {
	const char *name;
	/* Do it `count` times; returns the ns it took. */
	uint64_t (*fn)(unsigned int count);
	unsigned int count;
	double ns[ROUNDS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_task: %s failed\n", what);
	exit(1);
}

static void start(task_fn *fn, void *arg)
{
	must(task_start(NULL, "bench", fn, arg) == 0, "task_start");
}

static uint64_t time_until_idle(void)
{
	uint64_t from = now_ns();

	must(sched_run_until_idle() == 0, "ending all tasks");
	return now_ns() - from;
}

static void yielder(void *arg) MAY_YIELD;
static void yielder(void *arg)
{
	for (unsigned int i = *(const unsigned int *)arg; i > 0; i--)
		task_yield();
}

static uint64_t switch_two(unsigned int count)
{
	unsigned int each = count / 2;

	start(yielder, &each);
	start(yielder, &each);
	return time_until_idle();
}

static uint64_t switch_many(unsigned int count)
{
	unsigned int each = count / MANY_TASKS;

	for (unsigned int i = 0; i < MANY_TASKS; i++)
		start(yielder, &each);
	return time_until_idle();
}

struct pair {
	struct port *there, *back;
	unsigned int count;
};

static void asks(void *arg) MAY_YIELD;
static void asks(void *arg)
{
	const struct pair *p = arg;
	uint64_t answer;

	for (unsigned int i = 0; i < p->count; i++) {
		must(port_send(p->there, i) == PORT_OK, "port_send");
		must(port_recv(p->back, &answer) == PORT_OK && answer == i + 1, "port_recv");
	}
	port_close(p->there);
}

static void answers(void *arg) MAY_YIELD;
static void answers(void *arg)
{
	const struct pair *p = arg;
	uint64_t question;

	while (port_recv(p->there, &question) == PORT_OK)
		must(port_send(p->back, question + 1) == PORT_OK, "port_send");
}

static uint64_t port_round_trip(unsigned int count)
{
	struct pair p = { .count = count };
	uint64_t ns;

	must(port_open(&p.there, "there", 1) == 0 && port_open(&p.back, "back", 1) == 0,
	     "port_open");
	start(answers, &p);
	start(asks, &p);
	ns = time_until_idle();
	port_free(p.there);
	port_free(p.back);
	return ns;
}

static void nothing(void *arg)
{
	(void)arg;
}

static uint64_t task_start_to_end(unsigned int count)
{
	uint64_t from = now_ns();

	for (unsigned int i = 0; i < count; i++) {
		start(nothing, NULL);
		must(sched_run_until_idle() == 0, "ending all tasks");
	}
	return now_ns() - from;
}

/* All at once, so that most stacks come from the host and go back to it. */
static uint64_t task_start_new_stack(unsigned int count)
{
	uint64_t from = now_ns();

	for (unsigned int i = 0; i < count; i++)
		start(nothing, NULL);
	must(sched_run_until_idle() == 0, "ending all tasks");
	return now_ns() - from;
}

/* The peers. */

static ucontext_t ucontext_here, ucontext_there;

static void ucontext_body(void)
{
	for (;;)
		swapcontext(&ucontext_there, &ucontext_here);
}

static uint64_t swapcontext_switch(unsigned int count)
{
	static char stack[64 * 1024];
	uint64_t from;

	must(getcontext(&ucontext_there) == 0, "getcontext");
	ucontext_there.uc_stack.ss_sp = stack;
	ucontext_there.uc_stack.ss_size = sizeof(stack);
	makecontext(&ucontext_there, ucontext_body, 0);
	from = now_ns();
	for (unsigned int i = 0; i < count / 2; i++)
		swapcontext(&ucontext_here, &ucontext_there);
	return now_ns() - from;
}

struct table {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned int count, turn;
};

static void play(struct table *t, unsigned int me)
{
	pthread_mutex_lock(&t->mutex);
	for (unsigned int i = 0; i < t->count; i++) {
		while (t->turn != me)
			pthread_cond_wait(&t->changed, &t->mutex);
		t->turn = !me;
		pthread_cond_signal(&t->changed);
	}
	pthread_mutex_unlock(&t->mutex);
}

static void *play_second(void *arg)
{
	play(arg, 1);
	return NULL;
}

static uint64_t condition_round_trip(unsigned int count)
{
	struct table t = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count, 0 };
	pthread_t second;
	uint64_t from;

	must(pthread_create(&second, NULL, play_second, &t) == 0, "pthread_create");
	from = now_ns();
	play(&t, 0);
	pthread_join(second, NULL);
	return now_ns() - from;
}

static void *thread_body(void *arg)
{
	return arg;
}

static uint64_t thread_start_to_end(unsigned int count)
{
	uint64_t from = now_ns();
	pthread_t thread;

	for (unsigned int i = 0; i < count; i++) {
		must(pthread_create(&thread, NULL, thread_body, NULL) == 0, "pthread_create");
		pthread_join(thread, NULL);
	}
	return now_ns() - from;
}

static struct figure figures[] = {
	{ .name = "switch, 2 tasks", .fn = switch_two, .count = 100000 },
	{ .name = "switch, 256 tasks", .fn = switch_many, .count = 100000 },
	{ .name = "switch, swapcontext", .fn = swapcontext_switch, .count = 20000 },
	{ .name = "round trip, ports", .fn = port_round_trip, .count = 20000 },
	{ .name = "round trip, threads", .fn = condition_round_trip, .count = 200 },
	{ .name = "start to end, task", .fn = task_start_to_end, .count = 20000 },
	{ .name = "start to end, new stack", .fn = task_start_new_stack, .count = 1000 },
	{ .name = "start to end, thread", .fn = thread_start_to_end, .count = 200 },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const struct figure *f, bool json, bool is_first)
{
	double min = f->ns[0], median = f->ns[ROUNDS / 2], max = f->ns[ROUNDS - 1];

	if (!json) {
		printf("%-28s %10.1f %10.1f %10.1f\n", f->name, min, median, max);
		return;
	}
	fputs(is_first ? "{\"unit\": \"ns\", \"figures\": [\n" : ",\n", stdout);
	printf("{\"name\": \"%s\", \"min\": %.1f, \"median\": %.1f, \"max\": %.1f}", f->name, min,
	       median, max);
}

int main(int argc, char **argv)
{
	const struct sched_options options = { .virtual_clock = false };
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

	if (argc > 1 && !json) {
		fprintf(stderr, "usage: %s [--json]\n", argv[0]);
		return 2;
	}
	must(sched_init(&options, NULL) == 0, "sched_init");
	if (!json)
		printf("%-28s %10s %10s %10s   ns each\n", "", "min", "median", "max");
	for (size_t i = 0; i < ARRAY_COUNT(figures); i++) {
		struct figure *f = &figures[i];

		for (unsigned int round = 0; round < ROUNDS; round++)
			f->ns[round] = (double)f->fn(f->count) / f->count;
		qsort(f->ns, ROUNDS, sizeof(f->ns[0]), compare);
		print(f, json, i == 0);
	}
	if (json)
		puts("\n]}");
	sched_fini();
	return 0;
}
