/*
 * test_async.c - what hascall.h promises of the protocol's own level: the caller's
 * entries, the caller's threads.
 */
#include "hascall/hascall.h"
#include "lib/futex.h"
#include "slot/slot.h"
#include "test/harness.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 8
#define EXECUTORS 3

struct executor {
	int area;
	int answer;
	pthread_t thread;
};

static void *execute(void *arg)
{
	struct executor *x = arg;

	x->answer = async_syscall_exec(x->area);
	return NULL;
}

static void start(struct executor *x, unsigned int count, int area)
{
	for (unsigned int i = 0; i < count; i++) {
		x[i] = (struct executor){ .area = area, .answer = 1 };
		CHECK_INT(pthread_create(&x[i].thread, NULL, execute, &x[i]), 0);
	}
}

static void join(struct executor *x, unsigned int count, int answer)
{
	for (unsigned int i = 0; i < count; i++) {
		CHECK_INT(pthread_join(x[i].thread, NULL), 0);
		CHECK_INT(x[i].answer, answer);
	}
}

static int64_t take(struct syscall_info *e)
{
	uint32_t flags;
	int64_t ret = 0;
	int r;

	while ((r = slot_take(e, &ret, &flags)) == -EAGAIN) {
		uint32_t word;

		if (slot_wait_begin(e, &word) == 0)
			futex_wait(&e->state, word, FOREVER);
	}
	CHECK_INT(r, 0);
	return ret;
}

static void calls_are_served(uint32_t flags, unsigned int rounds)
{
	static struct syscall_info array[ENTRIES];
	struct executor x[EXECUTORS];
	const uint64_t none[6] = { 0 };
	int area = async_syscall_init(array, ENTRIES, flags);

	CHECK(area >= 0);
	start(x, EXECUTORS, area);
	for (unsigned int i = 0; i < rounds; i++) {
		for (unsigned int k = 0; k < ENTRIES; k++)
			CHECK_INT(slot_post(&array[k], k % 2 ? SYS_getpid : SYS_fork, none), 0);
		if (flags & ASYNC_SYSCALL_RINGS)
			CHECK_INT(async_syscall_ring(area, 2), 0);
		for (unsigned int k = 0; k < ENTRIES; k++)
			CHECK_INT(take(&array[k]), k % 2 ? getpid() : -EOPNOTSUPP);
		if (i % 64 == 0)
			usleep(2000); /* they sleep */
	}
	CHECK_INT(async_syscall_exit(area), -EBUSY);
	CHECK_INT(slot_end(&array[3]), 0);
	CHECK_INT(async_syscall_ring(area, EXECUTORS), 0);
	join(x, EXECUTORS, 0);
	CHECK_INT(async_syscall_exit(area), 0);
	CHECK_INT(async_syscall_exit(area), -EBADF);
}

static void posts_with_a_ring_are_served(void)
{
	calls_are_served(ASYNC_SYSCALL_RINGS, test_sanitized ? 500 : 5000);
}

static void posts_without_a_ring_are_served_by_timer(void)
{
	calls_are_served(0, 200);
}

static void end_lets_a_running_call_complete(void)
{
	static struct syscall_info array[2];
	int area = async_syscall_init(array, 2, 0);
	struct executor x;
	char byte = 0;
	int fds[2];

	CHECK(area >= 0);
	CHECK_INT(pipe(fds), 0);
	start(&x, 1, area);
	CHECK_INT(slot_post(&array[0], SYS_read,
			    (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&byte, 1 }),
		  0);
	while (slot_state(&array[0]) == SYSCALL_HASCALL)
		usleep(100);
	CHECK_INT(slot_end(&array[1]), 0);
	CHECK_INT(write(fds[1], "x", 1), 1);
	CHECK_INT(take(&array[0]), 1);
	CHECK_INT(byte, 'x');
	join(&x, 1, 0);
	CHECK_INT(async_syscall_exit(area), 0);
	close(fds[0]);
	close(fds[1]);
}

/* Executors for an area until they are ended by its last entry. */
static int begin(struct syscall_info *array, uint32_t count, struct executor *x, unsigned int n)
{
	int area = async_syscall_init(array, count, 0);

	CHECK(area >= 0);
	start(x, n, area);
	return area;
}

static void finish(struct syscall_info *array, uint32_t count, struct executor *x, unsigned int n)
{
	CHECK_INT(slot_end(&array[count - 1]), 0);
	join(x, n, 0);
	CHECK_INT(async_syscall_exit(x[0].area), 0);
}

static void until_completed(const struct syscall_info *e)
{
	while (slot_state(e) != SYSCALL_COMPLETED)
		usleep(100);
}

#define LINKS 24u

/* dup -> write to it -> close it, with a failure between, by entries in no order. */
static void chain_of_the_callers_own_entries(void)
{
	static struct syscall_info array[ENTRIES];
	const uint64_t none[6] = { 0 };
	const uint64_t bad[6] = { UINT32_MAX };
	struct executor x[EXECUTORS];
	unsigned int rounds = test_sanitized ? 100 : 300;
	uint64_t arg[6] = { 0 };
	char byte;
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	begin(array, ENTRIES, x, EXECUTORS);
	for (unsigned int i = 0; i < rounds; i++) {
		/* 5 -> 2 -> 6 -> 0 -> 1; the last is held without a link word. */
		CHECK_INT(slot_post_as(&array[1], SYS_getpid, none, SYSCALL_HASCALL | SYSCALL_HELD,
				       0),
			  0);
		CHECK_INT(slot_post_held(&array[0], SYS_close, none,
					 SYSCALL_LINK_NEXT(1) | SYSCALL_LINK_ALWAYS |
						 SYSCALL_LINK_FROM(0, 3)),
			  0);
		CHECK_INT(slot_post_held(&array[6], SYS_close, bad, SYSCALL_LINK_NEXT(0)), 0);
		arg[1] = (uintptr_t) "x";
		arg[2] = 1;
		CHECK_INT(slot_post_held(&array[2], SYS_write, arg,
					 SYSCALL_LINK_NEXT(6) | SYSCALL_LINK_FROM(0, 1)),
			  0);
		CHECK_INT(slot_post_first(&array[5], SYS_dup, (uint64_t[6]){ (uint64_t)fds[1] },
					  SYSCALL_LINK_NEXT(2)),
			  0);
		CHECK_INT(take(&array[1]), -ECANCELED);
		CHECK_INT(take(&array[0]), 0);
		CHECK_INT(take(&array[6]), -EBADF);
		CHECK_INT(take(&array[2]), 1);
		CHECK(take(&array[5]) > fds[1]);
		CHECK_INT(read(fds[0], &byte, 1), 1);
	}
	finish(array, ENTRIES, x, EXECUTORS);
	close(fds[0]);
	close(fds[1]);
}

static void held_entry_is_begun_by_nobody(void)
{
	static struct syscall_info array[ENTRIES];
	const uint64_t none[6] = { 0 };
	struct executor x[1];

	CHECK_INT(slot_post_held(&array[0], SYS_getpid, none, 0), 0);
	begin(array, ENTRIES, x, 1);
	for (unsigned int i = 0; i < 20; i++) {
		CHECK_INT(slot_post(&array[1], SYS_getpid, none), 0);
		CHECK_INT(take(&array[1]), getpid());
	}
	CHECK_INT(slot_state(&array[0]), SYSCALL_HASCALL);
	CHECK_INT(slot_recall(&array[0]), 0);
	finish(array, ENTRIES, x, 1);
}

static void link_that_leads_nowhere_ends_its_chain(void)
{
	static struct syscall_info array[ENTRIES];
	const uint64_t none[6] = { 0 };
	const uint64_t links[] = {
		SYSCALL_LINK_NEXT(0),	    /* to itself */
		SYSCALL_LINK_NEXT(ENTRIES), /* out of the array */
		UINT16_MAX,
		SYSCALL_LINK_NEXT(3),			/* to an entry without a call */
		SYSCALL_LINK_NEXT(4),			/* to one that is completed */
		UINT64_MAX & ~UINT64_C(0xffffff000000), /* all that has no meaning */
	};
	struct executor x[1];

	begin(array, ENTRIES, x, 1);
	CHECK_INT(slot_post(&array[4], SYS_getpid, none), 0);
	until_completed(&array[4]);
	for (size_t i = 0; i < ARRAY_COUNT(links); i++) {
		CHECK_INT(slot_post_first(&array[0], SYS_getpid, none, links[i]), 0);
		CHECK_INT(take(&array[0]), getpid());
	}
	/* A result of a call before the chain. */
	CHECK_INT(slot_post_first(&array[0], SYS_getpid, none, SYSCALL_LINK_FROM(2, 1)), 0);
	CHECK_INT(take(&array[0]), -ECANCELED);
	CHECK_INT(take(&array[4]), getpid());
	finish(array, ENTRIES, x, 1);
}

/* Nobody goes round for ever: what is beyond the limit stays with the caller. */
static void chain_ends_at_its_limit(void)
{
	static struct syscall_info array[LINKS];
	const uint64_t none[6] = { 0 };
	struct executor x[1];

	begin(array, LINKS, x, 1);
	for (uint32_t i = LINKS - 2; i > 0; i--)
		CHECK_INT(slot_post_held(&array[i], SYS_getpid, none, SYSCALL_LINK_NEXT(i + 1)), 0);
	CHECK_INT(slot_post_first(&array[0], SYS_getpid, none, SYSCALL_LINK_NEXT(1)), 0);
	for (uint32_t i = 0; i < SYSCALL_CHAIN_MAX; i++)
		CHECK_INT(take(&array[i]), getpid());
	CHECK_INT(slot_post(&array[0], SYS_getpid, none), 0); /* the executor is past it */
	CHECK_INT(take(&array[0]), getpid());
	for (uint32_t i = SYSCALL_CHAIN_MAX; i < LINKS - 1; i++) {
		CHECK_INT(slot_state(&array[i]), SYSCALL_HASCALL);
		CHECK_INT(slot_recall(&array[i]), 0);
	}
	finish(array, LINKS, x, 1);
}

static void chain_goes_to_its_end_though_others_meet_end(void)
{
	static struct syscall_info array[4];
	const uint64_t none[6] = { 0 };
	struct executor x[2];
	char byte;
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	CHECK_INT(slot_post_held(&array[2], SYS_getpid, none, SYSCALL_LINK_NEXT(3)), 0);
	CHECK_INT(slot_post_held(&array[1], SYS_getpid, none, SYSCALL_LINK_NEXT(2)), 0);
	CHECK_INT(slot_post_first(&array[0], SYS_read,
				  (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&byte, 1 },
				  SYSCALL_LINK_NEXT(1)),
		  0);
	begin(array, 4, x, 2);
	while (slot_state(&array[0]) == SYSCALL_HASCALL)
		usleep(100);
	CHECK_INT(slot_end(&array[3]), 0); /* where the chain leads, too */
	CHECK_INT(write(fds[1], "x", 1), 1);
	CHECK_INT(take(&array[0]), 1);
	CHECK_INT(take(&array[1]), getpid());
	CHECK_INT(take(&array[2]), getpid());
	join(x, 2, 0);
	CHECK_INT(async_syscall_exit(x[0].area), 0);
	close(fds[0]);
	close(fds[1]);
}

static void impossible_state_ends_the_executor(void)
{
	static struct syscall_info array[2];
	int area = async_syscall_init(array, 2, 0);
	struct executor x;

	CHECK(area >= 0);
	start(&x, 1, area);
	__atomic_store_n(&array[1].state, 77, __ATOMIC_RELAXED);
	join(&x, 1, -EPROTO);
	CHECK_INT(async_syscall_exit(area), 0);
}

static void wrong_arrays_and_numbers_are_refused(void)
{
	static struct syscall_info array[2];

	CHECK_INT(async_syscall_init(NULL, 1, 0), -EINVAL);
	CHECK_INT(async_syscall_init(array, 0, 0), -EINVAL);
	CHECK_INT(async_syscall_init(array, ASYNC_SYSCALL_ENTRIES_MAX + 1, 0), -EINVAL);
	CHECK_INT(async_syscall_init(array, 2, 1u << 31), -EINVAL);
	CHECK_INT(async_syscall_init((void *)((char *)array + 8), 1, 0), -EINVAL);
	CHECK_INT(async_syscall_exec(-1), -EBADF);
	CHECK_INT(async_syscall_exec(0), -EBADF);
	CHECK_INT(async_syscall_exec(ASYNC_SYSCALL_AREAS_MAX), -EBADF);
	CHECK_INT(async_syscall_ring(0, 1), -EBADF);
	CHECK_INT(async_syscall_ring(-1, 1), -EBADF);
	CHECK_INT(async_syscall_exit(ASYNC_SYSCALL_AREAS_MAX), -EBADF);
}

static void areas_are_limited_and_numbers_used_again(void)
{
	static struct syscall_info array[1];

	for (unsigned int i = 0; i < ASYNC_SYSCALL_AREAS_MAX; i++)
		CHECK_INT(async_syscall_init(array, 1, 0), i);
	CHECK_INT(async_syscall_init(array, 1, 0), -ENFILE);
	CHECK_INT(async_syscall_exit(5), 0);
	CHECK_INT(async_syscall_init(array, 1, 0), 5);
	for (int i = 0; i < (int)ASYNC_SYSCALL_AREAS_MAX; i++)
		CHECK_INT(async_syscall_exit(i), 0);
}

/* What a child does must not depend on what its parent's threads were doing. */
static void child_has_areas_of_its_own(int inherited)
{
	static struct syscall_info array[ENTRIES];
	struct executor x[1];

	CHECK_INT(async_syscall_exec(inherited), -EBADF);
	CHECK_INT(async_syscall_ring(inherited, 1), -EBADF);
	CHECK_INT(async_syscall_exit(inherited), -EBADF);
	begin(array, ENTRIES, x, 1);
	CHECK_INT(slot_post(&array[1], SYS_getpid, (uint64_t[6]){ 0 }), 0);
	CHECK_INT(take(&array[1]), getpid());
	CHECK_INT(async_syscall_exit(x[0].area), -EBUSY);
	finish(array, ENTRIES, x, 1);
	for (int i = 0; i < (int)ASYNC_SYSCALL_AREAS_MAX; i++)
		CHECK_INT(async_syscall_init(array, 1, 0), i); /* all are free */
}

static void with_child(void (*fn)(int area), int area)
{
	int status = -1;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn(area);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

static void forked_child_has_no_areas_but_its_own(void)
{
	static struct syscall_info array[ENTRIES];
	struct executor x[1];

	if (test_sanitized)
		SKIP("a sanitizer's locks do not survive a fork beside other threads");
	begin(array, ENTRIES, x, 1);
	CHECK_INT(slot_post(&array[1], SYS_getpid, (uint64_t[6]){ 0 }), 0);
	CHECK_INT(take(&array[1]), getpid()); /* the executor is inside */
	with_child(child_has_areas_of_its_own, x[0].area);
	CHECK_INT(slot_post(&array[1], SYS_getpid, (uint64_t[6]){ 0 }), 0);
	CHECK_INT(take(&array[1]), getpid());
	finish(array, ENTRIES, x, 1);
}

static bool enough;

static void *announce_and_forget(void *unused)
{
	static struct syscall_info array[1];

	(void)unused;
	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		CHECK_INT(async_syscall_exit(async_syscall_init(array, 1, 0)), 0);
	return NULL;
}

static void child_announces_one(int unused)
{
	static struct syscall_info array[1];

	(void)unused;
	CHECK_INT(async_syscall_exit(async_syscall_init(array, 1, 0)), 0);
}

#define FORKS_NS INT64_C(3000000000)

/*
 * Some of the forks happen while the other thread is in the middle of it. One takes a tenth of a
 * second in an emulated kernel with all its checks: then there are fewer.
 */
static void child_forked_at_any_moment_can_announce(void)
{
	int64_t end = now_ns() + FORKS_NS;
	pthread_t thread;

	if (test_sanitized)
		SKIP("a sanitizer's locks do not survive a fork beside other threads");
	CHECK_INT(pthread_create(&thread, NULL, announce_and_forget, NULL), 0);
	for (unsigned int i = 0; i < 300 && (i < 10 || now_ns() < end); i++)
		with_child(child_announces_one, 0);
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	CHECK_INT(pthread_join(thread, NULL), 0);
}

static const struct test tests[] = {
	TEST(chain_of_the_callers_own_entries),
	TEST(held_entry_is_begun_by_nobody),
	TEST(link_that_leads_nowhere_ends_its_chain),
	TEST(chain_ends_at_its_limit),
	TEST(chain_goes_to_its_end_though_others_meet_end),
	TEST(posts_with_a_ring_are_served),
	TEST(posts_without_a_ring_are_served_by_timer),
	TEST(end_lets_a_running_call_complete),
	TEST(impossible_state_ends_the_executor),
	TEST(wrong_arrays_and_numbers_are_refused),
	TEST(areas_are_limited_and_numbers_used_again),
	TEST(forked_child_has_no_areas_but_its_own),
	TEST(child_forked_at_any_moment_can_announce),
};
TEST_MAIN(tests)
