/* SPDX-License-Identifier: MIT */
/*
 * shm.c - how a request arrives: hints in the clients' areas are looked at while
 * there is work and a little after; then the manager's thread sleeps on the bell.
 *
 * Posted bits are taken before cancel bits. A cancel bit belongs to a call that is
 * posted, and was set after it; so its entry is queued or served by now:
 *
 *     client                           manager
 *     post, mark posted
 *     mark cancel
 *                                      takes posted: queues the call
 *                                      takes cancel: cuts it short
 *   or
 *                                      takes posted: not there yet
 *     post, mark posted, mark cancel
 *                                      takes cancel: the entry is idle, but its state is
 *                                        HASCALL: remembered for when it is queued
 *   or
 *     takes the reply, clears its cancel bit, posts the next call
 *                                      (took the bit before that: nothing to cut short)
 */
#include "front/inside.h"

#include "device/host.h"
#include "task/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE_SIZE 4096u
#define TURNS_ALWAYS 12u    /* of a microsecond or so, whoever else wants the processor */
#define LOOKS_A_TURN 32u    /* between two looks at the clock, and two offers of the processor */
#define LONG_TURN_NS 20000u /* it takes 2 us if nobody else wants the processor */
#define PAUSE_MIN_NS 1000000u
#define PAUSE_MAX_NS 64000000u
#define SLEEP_MAX_NS UINT64_C(1000000000)

static struct {
	struct run_server *server;
	struct area_bell *bell;
	uint64_t sleeps, polls;
	bool worked;			      /* since it last spun */
	uint64_t no_spin_before_ns, pause_ns; /* see crowded() */
} shm;

uint64_t shm_sleeps(void)
{
	return shm.sleeps;
}

uint64_t shm_polls(void)
{
	return shm.polls;
}

/* ---- the two pages that every process maps. */

static void *shared_page(const char *name, int *ret_fd)
{
	void *page;
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return NULL;
	page = ftruncate(fd, PAGE_SIZE) < 0
		       ? MAP_FAILED
		       : mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		close(fd);
		return NULL;
	}
	*ret_fd = fd;
	return page;
}

/* The same memory, for those who may only read it. */
static int reopen_for_reading(int fd)
{
	char path[64];
	int r;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

int shm_init(int *ret_server_fd, int *ret_bell_fd)
{
	int server_fd, r;

	shm.sleeps = shm.polls = 0;
	shm.worked = true;
	shm.pause_ns = PAUSE_MIN_NS;
	shm.no_spin_before_ns = 0;
	shm.server = shared_page("hascall-server", &server_fd);
	if (!shm.server)
		return -errno;
	shm.server->version = RUN_ABI_VERSION;
	r = reopen_for_reading(server_fd);
	close(server_fd);
	if (r < 0)
		return r;
	*ret_server_fd = r;
	shm.bell = shared_page("hascall-bell", ret_bell_fd);
	if (!shm.bell) {
		r = -errno;
		close(*ret_server_fd);
		munmap(shm.server, PAGE_SIZE);
		return r;
	}
	return 0;
}

void shm_fini(void)
{
	munmap(shm.server, PAGE_SIZE);
	munmap(shm.bell, PAGE_SIZE);
	shm.server = NULL;
	shm.bell = NULL;
}

void front_ring(void)
{
	if (!shm.bell)
		return;
	area_ring(shm.bell);
	if (__atomic_load_n(&shm.server->server.sleepers, __ATOMIC_SEQ_CST) != 0)
		syscall(SYS_futex, &shm.bell->rings, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- looking. */

static bool hint_is_set(const struct area_hint *hint)
{
	uint64_t any = 0;

	for (unsigned int word = 0; word < AREA_HINT_WORDS; word++)
		any |= __atomic_load_n(&hint->posted[word], __ATOMIC_RELAXED) |
		       __atomic_load_n(&hint->cancel[word], __ATOMIC_RELAXED);
	return any != 0;
}

/* Is there anything in any area? One cache line a client. */
static bool look(void)
{
	LIST_EACH(it, &area_clients) {
		const struct client *c = LIST_ENTRY(it, struct client, node);

		if (c->served && hint_is_set(&client_control(c)->hint))
			return true;
	}
	return false;
}

static void take_posted(struct client *c, unsigned int word)
{
	uint64_t bits = area_take_posted(&client_control(c)->hint, word) | c->pending[word];

	c->pending[word] = 0;
	for (; bits != 0; bits &= bits - 1) {
		uint32_t entry = word * 64 + (uint32_t)__builtin_ctzll(bits);
		struct thread *t = c->thread[entry];

		/* An entry nobody has, or one whose call is being served: a hint that lies. */
		if (!t || t->state != THREAD_IDLE)
			continue;
		/* Both lines are in the client's processor; they come while the task is found. */
		__builtin_prefetch(client_entry(c, entry), 1);
		__builtin_prefetch(client_bounce(c, entry), 1);
		if (!serve_queue(t))
			c->pending[word] |= bits & -bits;
	}
}

static void take_cancel(struct client *c, unsigned int word)
{
	uint64_t bits = area_take_cancel(&client_control(c)->hint, word);

	for (; bits != 0; bits &= bits - 1) {
		uint32_t entry = word * 64 + (uint32_t)__builtin_ctzll(bits);
		struct thread *t = c->thread[entry];

		if (!t)
			continue;
		if (t->state != THREAD_IDLE)
			thread_cancel(t);
		else if (slot_state(client_entry(c, entry)) == SYSCALL_HASCALL)
			t->cancel_next = true;
	}
}

/* Only what is new is written: every client reads this line with each call. */
static void show_cpu(void)
{
	int cpu = sched_getcpu();

	if (cpu >= 0 && (uint32_t)cpu != area_cpu(&shm.server->server))
		area_set_cpu(&shm.server->server, (uint32_t)cpu);
}

bool shm_poll(void *ctx)
{
	bool found = false;

	(void)ctx;
	shm.polls++;
	show_cpu();
	found |= host_process_poll();
	found |= manager_poll();
	found |= host_poll();
	LIST_EACH(it, &area_clients) {
		struct client *c = LIST_ENTRY(it, struct client, node);

		if (!c->served)
			continue;
		for (unsigned int word = 0; word < AREA_HINT_WORDS; word++) {
			if (__atomic_load_n(&client_control(c)->hint.posted[word],
					    __ATOMIC_RELAXED) != 0 ||
			    c->pending[word] != 0) {
				take_posted(c, word);
				found = true;
			}
			if (__atomic_load_n(&client_control(c)->hint.cancel[word],
					    __ATOMIC_RELAXED) != 0) {
				take_cancel(c, word);
				found = true;
			}
		}
	}
	serve_grow();
	shm.worked |= found;
	return found;
}

/* ---- sleeping. */

static void sleep_on_bell(uint32_t seen, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct timespec timeout;

	/* A client could take a ring back; then its call, and only its, waits this long. */
	if (left_ns > SLEEP_MAX_NS)
		left_ns = SLEEP_MAX_NS;
	timeout.tv_sec = (time_t)(left_ns / 1000000000);
	timeout.tv_nsec = (long)(left_ns % 1000000000);
	shm.sleeps++;
	syscall(SYS_futex, &shm.bell->rings, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

/*
 * Somebody else wants this processor: while we spin we would be in its way, and while
 * it runs a client's call would wait for it. Asleep, we are woken, and soon. So no
 * spinning for a while; twice as long each time.
 */
static void crowded(uint64_t now_ns)
{
	shm.pause_ns = shm.pause_ns < PAUSE_MAX_NS ? shm.pause_ns * 2 : PAUSE_MAX_NS;
	shm.no_spin_before_ns = now_ns + shm.pause_ns;
}

/*
 * Look for a while after the last work, offering the processor to who may wait for
 * it. True as soon as there may be work.
 */
static bool look_a_turn(void)
{
	for (unsigned int i = 0; i < LOOKS_A_TURN; i++) {
		if (look())
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

static bool spin(uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns(), end_ns = now_ns + front_options.spin_ns, before_ns;
	bool alone = false;

	if (!shm.worked || front_options.spin_ns == 0)
		return false;
	shm.worked = false;
	/* About as long as to sleep and be woken: calls often come one after the other. */
	for (unsigned int turn = 0; turn < TURNS_ALWAYS; turn++)
		if (look_a_turn())
			return true;
	if (end_ns > deadline_ns)
		end_ns = deadline_ns;
	if (now_ns < shm.no_spin_before_ns)
		return false;
	while (now_ns < end_ns) {
		if (look_a_turn()) {
			if (alone)
				shm.pause_ns = PAUSE_MIN_NS;
			return true;
		}
		if (host_poll())
			return true;
		before_ns = now_ns;
		sched_yield();
		show_cpu();
		now_ns = clock_now_ns();
		if (now_ns - before_ns > LONG_TURN_NS) {
			crowded(now_ns);
			return false;
		}
		alone = true;
	}
	return false;
}

void shm_idle(void *ctx, uint64_t deadline_ns)
{
	uint32_t seen;

	(void)ctx;
	if (serve_any_waits())
		__atomic_store_n(&shm.server->rests, shm.server->rests + 1, __ATOMIC_RELAXED);
	if (spin(deadline_ns))
		return;
	if (area_prepare())
		return;
	area_sleep_prepare(&shm.server->server, shm.bell, &seen);
	/* Whatever comes after the look rings: then `seen` is old and there is no sleep. */
	if (!look() && !host_poll() && !host_process_poll() && !manager_poll())
		sleep_on_bell(seen, deadline_ns);
	area_sleep_finish(&shm.server->server);
	show_cpu();
}
