/* SPDX-License-Identifier: MIT */
/*
 * place.c - which processor a thread of the program calls from.
 *
 * The scheduler brings together who wake each other, and leaves them there while somebody
 * else keeps the rest of the machine busy: several programs and the manager then share one
 * processor, and each call costs a wake and two switches. So a thread that finds itself on
 * the manager's processor, with the manager awake and thus kept from working, goes to
 * another one: the manager serves at full speed, and the programs take turns with each
 * other, a time slice each. The decision is doc/decisions/0010.
 *
 * Only a thread whose last calls were answered without a wait moves. One that waits for another
 * program again and again (the two ends of a pipe) runs for a moment only: on the processor
 * of a third one it would queue for a time slice of that, and the scheduler places it better.
 */
#include "run/shim/shim.h"

#include <sys/syscall.h>

#define PATIENCE_MIN 16u /* prompt calls in a row before a thread moves; */
#define PATIENCE_MAX 1024u
#define SOON 4u /* it was brought back before so many times its patience: then twice as many */

#define MASK_WORDS 16u /* 1024 processors; on a larger machine nobody moves */

unsigned int shim_cpu(void)
{
	unsigned int value;

	/* The kernel keeps processor and node in a segment limit: the vDSO's own way. */
	__asm__ volatile("lsl %1, %0" : "=r"(value) : "r"(0x7bu));
	return value & 0xfff;
}

/*
 * The mask is put back at once: it is the program's. Between the two calls the thread is
 * where it is to be, and the scheduler, which may take it back, has no reason to for a while.
 */
static void leave(unsigned int cpu)
{
	uint64_t own[MASK_WORDS], others[MASK_WORDS], any = 0;
	int64_t size = gate_call(SYS_sched_getaffinity, 0, sizeof(own), (uint64_t)own, 0, 0);

	if (size <= 0)
		return;
	for (uint64_t i = 0; i < (uint64_t)size / 8; i++) {
		others[i] = i == cpu / 64 ? own[i] & ~(UINT64_C(1) << cpu % 64) : own[i];
		any |= others[i];
	}
	if (any == 0) /* the program may run here only */
		return;
	if (gate_call(SYS_sched_setaffinity, 0, (uint64_t)size, (uint64_t)others, 0, 0) == 0)
		(void)gate_call(SYS_sched_setaffinity, 0, (uint64_t)size, (uint64_t)own, 0, 0);
}

void shim_make_room(struct shim_thread *t, unsigned int cpu)
{
	uint32_t patience = t->patience ? t->patience : PATIENCE_MIN;

	if (t->prompt_calls < patience)
		return;
	if (t->calls_here >= patience * SOON)
		patience = PATIENCE_MIN;
	else if (patience < PATIENCE_MAX)
		patience *= 2;
	t->patience = patience;
	t->prompt_calls = 0;
	t->calls_here = 0;
	leave(cpu);
}

void shim_note_reply(struct shim_thread *t, uint32_t flags)
{
	t->prompt_calls = flags & RUN_REPLY_WAITED ? 0 : t->prompt_calls + 1;
	t->calls_here++;
}
