/*
 * test_peer.c - a peer, or a stray pointer of the program's own, that writes anything
 * into the entries at full speed: executors go on or leave with -EPROTO, waits end
 * by their time limits, and an area can be closed.
 *
 * The numbers written are of calls that do no harm whatever their arguments are, and, where
 * a filter stands behind, all numbers.
 */
#include "lib/pool.h"
#include "test/harness.h"
#include "test/stress/filter.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 16u
#define EXECUTORS 2

struct shared {
	struct syscall_info entry[ENTRIES];
	uint32_t stop;
	uint32_t any_number; /* a filter refuses what would do harm */
	uint64_t left_by_end, left_by_damage;
};

static bool stopped(const struct shared *s)
{
	return __atomic_load_n(&s->stop, __ATOMIC_RELAXED) != 0;
}

/* Likely words, so that moves succeed and are then disturbed, and any word. */
static uint32_t nasty_word(uint64_t *random)
{
	static const uint32_t bits[] = { SYSCALL_WAITED, SYSCALL_LINKED, SYSCALL_HELD };
	uint32_t word = SYSCALL_HASCALL;

	switch (stress_below(random, 8)) {
	case 0:
		return (uint32_t)stress_next(random);
	case 1:
	case 2:
		word = stress_below(random, SYSCALL_END + 2);
		break;
	default:
		break;
	}
	for (size_t i = 0; i < ARRAY_COUNT(bits); i++)
		if (stress_chance(random, 2))
			word |= bits[i];
	return word;
}

static uint32_t nasty_number(uint64_t *random, bool any)
{
	static const uint32_t harmless[] = {
		SYS_getpid, SYS_getppid,
		SYS_getuid, SYS_fork,
		SYS_exit,   SYS_exit_group,
		SYS_execve, SYS_rt_sigreturn,
		511,	    512,
		5000,	    0x40000000u | SYS_getpid,
		UINT32_MAX, SYS_rt_sigprocmask,
		SYS_clone3,
	};
	uint32_t number = stress_below(random, 512);

	if (!any || stress_chance(random, 2))
		return harmless[stress_below(random, ARRAY_COUNT(harmless))];
	for (size_t i = 0; i < library_calls_count; i++)
		if (library_calls[i] == number)
			return SYS_getpid; /* the filter lets it through, and it might do harm */
	return number;
}

static uint64_t nasty_link(uint64_t *random)
{
	uint64_t link = stress_next(random);

	if (stress_chance(random, 4))
		return link;
	return (link & ~UINT64_C(0xffff)) | stress_below(random, ENTRIES + 2);
}

static void scribble_one(struct syscall_info *e, uint64_t *random, bool any)
{
	__atomic_store_n(&e->num, nasty_number(random, any), __ATOMIC_RELAXED);
	__atomic_store_n(&e->ret, (int64_t)nasty_link(random), __ATOMIC_RELAXED);
	__atomic_store_n(&e->arg[stress_below(random, 6)], stress_next(random), __ATOMIC_RELAXED);
	__atomic_store_n(&e->state, nasty_word(random), __ATOMIC_RELAXED);
}

static void *scribble(void *arg)
{
	struct shared *s = arg;
	uint64_t random = UINT64_C(88172645463325252);

	while (!stopped(s))
		scribble_one(&s->entry[stress_below(&random, ENTRIES)], &random,
			     s->any_number != 0);
	return NULL;
}

static void *execute_again_and_again(void *arg)
{
	struct shared *s = arg;
	int area = async_syscall_init(s->entry, ENTRIES, 0);

	CHECK(area >= 0);
	while (!stopped(s)) {
		int r = async_syscall_exec(area);

		CHECK(r == 0 || r == -EPROTO);
		__atomic_fetch_add(r == 0 ? &s->left_by_end : &s->left_by_damage, 1,
				   __ATOMIC_RELAXED);
	}
	CHECK_INT(async_syscall_exit(area), 0);
	return NULL;
}

/* Two areas over the same entries, so that none has to wait for the other's end. */
static void suffer(struct shared *s)
{
	pthread_t thread[EXECUTORS];

	for (unsigned int i = 0; i < EXECUTORS; i++)
		CHECK_INT(pthread_create(&thread[i], NULL, execute_again_and_again, s), 0);
	for (unsigned int i = 0; i < EXECUTORS; i++)
		CHECK_INT(pthread_join(thread[i], NULL), 0);
}

/* Whoever is in async_syscall_exec() is to find END, and only END. */
static void end_all(struct shared *s)
{
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < ENTRIES; i++)
		__atomic_store_n(&s->entry[i].state, SYSCALL_END, __ATOMIC_RELEASE);
}

static pid_t start(void *(*fn)(void *), struct shared *s)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn(s);
		_exit(0);
	}
	return pid;
}

static void *suffer_behind_a_filter(void *arg)
{
	struct shared *s = arg;

	if (s->any_number)
		CHECK_INT(filter_library_only((const uint32_t[]){ SYS_exit_group }, 1,
					      SECCOMP_RET_ERRNO | EPERM),
			  0);
	suffer(s);
	return NULL;
}

static void must_end_well(pid_t pid)
{
	int status = 0;

	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(!WIFSIGNALED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

static void check_seen(const struct shared *s)
{
	fprintf(stderr, "# executors left %llu times by END, %llu times by -EPROTO\n",
		(unsigned long long)s->left_by_end, (unsigned long long)s->left_by_damage);
	CHECK(s->left_by_end > 0 && s->left_by_damage > 0);
}

static void executors_survive_a_scribbling_process(void)
{
	struct shared *s = stress_share(sizeof(*s));
	pid_t executor;
	pid_t scribbler;

	s->any_number = !test_sanitized; /* a sanitizer calls more than the filter allows */
	scribbler = start(scribble, s);
	executor = start(suffer_behind_a_filter, s);
	stress_sleep_us(1000000);
	CHECK_INT(kill(scribbler, SIGKILL), 0);
	CHECK_INT(waitpid(scribbler, NULL, 0), scribbler);
	end_all(s);
	must_end_well(executor);
	check_seen(s);
}

static void executors_survive_a_scribbling_thread(void)
{
	struct shared *s = stress_share(sizeof(*s));
	pthread_t executor;
	pthread_t scribbler;
	uint32_t until = 0;

	CHECK_INT(pthread_create(&scribbler, NULL, scribble, s), 0);
	CHECK_INT(pthread_create(&executor, NULL, suffer_behind_a_filter, s), 0);
	while (until++ < 1000)
		stress_sleep_us(1000);
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	CHECK_INT(pthread_join(scribbler, NULL), 0);
	end_all(s);
	CHECK_INT(pthread_join(executor, NULL), 0);
	check_seen(s);
}

/* A stray writer for an area of the comfortable level, until `stop`. */
struct stray {
	struct hascall *h;
	uint32_t stop;
	uint64_t random;
};

static void *scribble_area(void *arg)
{
	struct stray *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
		scribble_one(&s->h->entry[stress_below(&s->random, s->h->entry_count)], &s->random,
			     false);
	return NULL;
}

/* Every function with a time limit: each answer is one of those that hascall.h lists. */
static bool use_once(struct hascall *h, uint64_t *random)
{
	struct hascall_call calls[3] = { { .num = SYS_getppid },
					 { .num = SYS_getppid },
					 { .num = SYS_getppid } };
	uint64_t tickets[3] = { 0 };
	uint32_t count = 1 + stress_below(random, 3);
	/* Who helps reads the entry as its own: a race, for ThreadSanitizer. */
	uint32_t flags = !test_sanitized && stress_chance(random, 2) ? HASCALL_HELP : 0;
	int64_t ret;
	int r;

	for (uint32_t i = 0; i + 1 < count; i++)
		calls[i].flags = HASCALL_CHAIN;
	if (stress_chance(random, 4))
		calls[0].timeout_ns = 100000;
	r = hascall_submit(h, calls, count, 0, tickets);
	if (r == -EPROTO)
		return false;
	CHECK(r == 0 || r == -EAGAIN);
	r = hascall_wait(h, tickets[count - 1], 20000, flags, &ret);
	CHECK(r == 0 || r == -ETIMEDOUT || r == -EPROTO || r == -ENOENT);
	r = hascall_cancel(h, tickets[0]);
	CHECK(r == 0 || r == -EALREADY || r == -EAGAIN || r == -ENOENT || r == -EPROTO);
	r = hascall_recall(h, tickets[0]);
	CHECK(r == 0 || r == -EAGAIN || r == -ENOENT || r == -EPROTO);
	r = hascall_wait_any(h, 20000, flags);
	CHECK(r == 0 || r == -ETIMEDOUT || r == -ENOENT || r == -EPROTO);
	r = hascall_wait_all(h, HASCALL_ALL_GROUPS, 20000, flags);
	CHECK(r == 0 || r == -ETIMEDOUT || r == -EPROTO);
	hascall_reap(h, stress_drop_result, NULL);
	return true;
}

static void scribbled_area_ends_with_eproto_and_closes(void)
{
	const unsigned int rounds = STRESS_COUNT(300, 40);
	struct census before = census_take();
	uint64_t random = stress_seed();
	unsigned int damaged = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		struct hascall *h = stress_open(
			&(struct hascall_options){ .entries = ENTRIES, .workers_max = 3 });
		struct stray stray = { .h = h, .random = stress_next(&random) | 1 };
		int64_t end = stress_now_ns() + 20 * NS_PER_MS;
		pthread_t thread;
		bool fine = true;

		CHECK_INT(pthread_create(&thread, NULL, scribble_area, &stray), 0);
		while (fine && stress_now_ns() < end)
			fine = use_once(h, &random);
		__atomic_store_n(&stray.stop, 1, __ATOMIC_RELAXED);
		CHECK_INT(pthread_join(thread, NULL), 0);
		damaged += !fine;
		hascall_close(h);
	}
	fprintf(stderr, "# %u of %u areas found damaged\n", damaged, rounds);
	CHECK(damaged > 0);
	census_check(&before);
}

/* Each single word an entry may be found with, at rest and while its call runs. */
static void any_word_in_an_entry_is_survived(void)
{
	static const uint32_t states[] = { SYSCALL_NONE,      SYSCALL_HASCALL, SYSCALL_EXECUTING,
					   SYSCALL_COMPLETED, SYSCALL_END,     99 };
	static const uint32_t bits[] = { 0,
					 SYSCALL_WAITED,
					 SYSCALL_LINKED,
					 SYSCALL_HELD,
					 SYSCALL_LINKED | SYSCALL_HELD,
					 0x80000000u };

	for (uint32_t i = 0; i < ARRAY_COUNT(states) * ARRAY_COUNT(bits) * 2; i++) {
		uint32_t word = states[i / 2 % ARRAY_COUNT(states)] |
				bits[i / 2 / ARRAY_COUNT(states)];
		struct hascall *h = stress_open(&(struct hascall_options){ .entries = 1 });
		const struct timespec t = { .tv_nsec = i % 2 * 1000000 };
		uint64_t ticket;
		int64_t ret;
		int r;

		CHECK_INT(hascall_post(h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&t }, 0, 0,
				       &ticket),
			  0);
		while (i % 2 && entry_state(&h->entry[0]) == SYSCALL_HASCALL)
			stress_sleep_us(50);
		__atomic_store_n(&h->entry[0].ret, -1, __ATOMIC_RELAXED); /* a link word too */
		__atomic_store_n(&h->entry[0].state, word, __ATOMIC_RELEASE);
		r = hascall_wait(h, ticket, 10 * NS_PER_MS, 0, &ret);
		CHECK(r == 0 || r == -ETIMEDOUT || r == -EPROTO);
		hascall_close(h);
	}
}

static const struct test tests[] = {
	TEST_LONG(executors_survive_a_scribbling_process, 20),
	TEST_LONG(executors_survive_a_scribbling_thread, 20),
	TEST_LONG(scribbled_area_ends_with_eproto_and_closes, 30),
	TEST_LONG(any_word_in_an_entry_is_survived, 20),
};
TEST_MAIN(tests)
