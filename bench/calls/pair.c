/* SPDX-License-Identifier: MIT */
/*
 * pair.c - how far the first two processors are from each other: the round trip of
 * one cache line. Below 30 ns: two threads of one core; some 50: two cores with one
 * cache; hundreds: two cores far from each other. A guest's processors may move.
 */
#include "bench/calls/measure.h"

#include <pthread.h>
#include <sched.h>

#define TURNS 20000u
#define ROUNDS 5u
#define LINE 64

struct ball {
	uint32_t turn __attribute__((aligned(LINE)));
	int cpu __attribute__((aligned(LINE)));
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("processor %d is not ours", cpu);
}

/* Wait for each turn of mine below `end`, and pass the ball on. */
static void play(struct ball *ball, uint32_t mine, uint32_t end)
{
	for (; mine < end; mine += 2) {
		while (__atomic_load_n(&ball->turn, __ATOMIC_ACQUIRE) != mine)
			__builtin_ia32_pause();
		__atomic_store_n(&ball->turn, mine + 1, __ATOMIC_RELEASE);
	}
}

static void *second(void *arg)
{
	struct ball *ball = arg;

	pin(ball->cpu);
	play(ball, 1, 4 * TURNS);
	return NULL;
}

/* The first half is for the other thread to arrive. */
static double play_game(int cpu)
{
	struct ball ball = { .cpu = cpu };
	pthread_t thread;
	uint64_t from;
	double ns;

	if (pthread_create(&thread, NULL, second, &ball) != 0)
		die("no thread");
	play(&ball, 0, 2 * TURNS);
	from = now_ns();
	play(&ball, 2 * TURNS, 4 * TURNS);
	ns = (double)(now_ns() - from) / TURNS;
	pthread_join(thread, NULL);
	return ns;
}

double measure_round_trip(void)
{
	double best = 0;
	int cpu[2], found = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -1;
	for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu[found++] = i;
	if (found < 2)
		return -1;
	pin(cpu[0]);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		double ns = play_game(cpu[1]);

		best = round == 0 || ns < best ? ns : best;
	}
	sched_setaffinity(0, sizeof(set), &set);
	return best;
}
