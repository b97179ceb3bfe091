/*
 * test_pool.c - the words of kernel.h by which a library finds its way among many entries:
 * posted, done, attention, cut; and that libhascall lends its workers, and when not.
 */
#include "hascall/hascall.h"
#include "test/harness.h"
#include "test/kernel/filter.h"
#include "test/kernel/lent.h"
#include "test/lib/area.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ENTRIES 600u
#define END_ENTRY (ENTRIES - 1)
#define HINTS ((ENTRIES + AREA_HINT_ENTRIES - 1) / AREA_HINT_ENTRIES)
#define WORDS ((ENTRIES + 63) / 64)

static struct syscall_info entry[ENTRIES];
static struct area_hint hint[HINTS];
static uint64_t done[WORDS];
static uint32_t attention;
static int32_t cut[ENTRIES];
static struct lent_area area;

static void begin(uint32_t threads)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	area.setup.posted = (uintptr_t)hint;
	area.setup.done = (uintptr_t)done;
	area.setup.attention = (uintptr_t)&attention;
	area.setup.cut = (uintptr_t)cut;
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	lent_start(&area, threads);
}

static void mark(uint32_t i)
{
	area_mark_posted(&hint[i / AREA_HINT_ENTRIES], i % AREA_HINT_ENTRIES);
	lent_ring(&area);
}

static void post(uint32_t i, uint32_t num, const uint64_t arg[6])
{
	CHECK_INT(slot_post(&entry[i], num, arg), 0);
	mark(i);
}

static bool is_done(uint32_t i)
{
	return __atomic_load_n(&done[i / 64], __ATOMIC_ACQUIRE) >> (i % 64) & 1;
}

static int64_t take(uint32_t i)
{
	int64_t ret = lent_take(&area, i);

	while (!is_done(i)) /* a moment after the state */
		usleep(100);
	__atomic_fetch_and(&done[i / 64], ~(UINT64_C(1) << (i % 64)), __ATOMIC_SEQ_CST);
	return ret;
}

/* END is marked like a call; lent_end() puts it there once more. */
static void finish(void)
{
	CHECK_INT(slot_end(&entry[END_ENTRY]), 0);
	mark(END_ENTRY);
	lent_end(&area, END_ENTRY);
}

static void only_marked_entries_are_visited(void)
{
	const uint32_t some[] = { 0, 1, 63, 64, 255, 256, 257, 511, 512, 598 };

	begin(2);
	CHECK_INT(slot_post(&entry[7], SYS_getpid, NO_ARGS), 0);
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < ARRAY_COUNT(some); i++)
			post(some[i], SYS_getppid, NO_ARGS);
		for (unsigned int i = 0; i < ARRAY_COUNT(some); i++)
			CHECK_INT(take(some[i]), getppid());
	}
	CHECK_INT(slot_state(&entry[7]), SYSCALL_HASCALL);
	mark(7);
	CHECK_INT(take(7), getpid());
	finish();
}

static void marks_without_a_call_do_nothing(void)
{
	begin(2);
	for (uint32_t i = 0; i < 300; i++)
		mark(i);
	post(9, SYS_getpid, NO_ARGS);
	CHECK_INT(take(9), getpid());
	finish();
}

/* In the word of the last entry, and in the words after it. */
static void a_mark_beyond_the_entries_ends_the_executor(void)
{
	const uint32_t beyond[] = { ENTRIES, ENTRIES + 1, 64 * WORDS,
				    HINTS * AREA_HINT_ENTRIES - 1 };
	static struct async_syscall_executor record;

	begin(0);
	for (unsigned int i = 0; i < ARRAY_COUNT(beyond); i++) {
		area_mark_posted(&hint[HINTS - 1], beyond[i] % AREA_HINT_ENTRIES);
		CHECK_INT(lent_exec(&area, &record), -EPROTO);
		hint[HINTS - 1] = (struct area_hint){ 0 };
	}
	CHECK_INT(lent_forget(&area), 0);
}

/* Somebody writes over the entry while its call is executed. */
static void a_result_that_cannot_be_delivered_is_left(void)
{
	struct lent_thread *t = &area.thread[0];
	int fds[2];
	char byte;

	begin(1);
	CHECK_INT(pipe(fds), 0);
	post(5, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1));
	lent_await(&area, 5, SYSCALL_EXECUTING);
	lent_await_asleep(t->tid);
	__atomic_store_n(&entry[5].state, SYSCALL_HASCALL, __ATOMIC_RELAXED);
	CHECK_INT(write(fds[1], "x", 1), 1);
	lent_join(&area, -EPROTO);
	CHECK_INT(t->record.entry, 5 + 1);
	CHECK_INT(t->record.left, ASYNC_SYSCALL_LEFT_RESULT);
	CHECK_INT(t->record.ret, 1);
	CHECK(!is_done(5));
	/* Put right, it can be. */
	__atomic_store_n(&entry[5].state, SYSCALL_EXECUTING, __ATOMIC_RELAXED);
	attention = 1;
	CHECK_INT(lent_exec(&area, &t->record), ASYNC_SYSCALL_TELL);
	CHECK_INT(take(5), 1);
	CHECK_INT(lent_forget(&area), 0);
	close(fds[0]);
	close(fds[1]);
}

static void an_executor_comes_out_to_tell(void)
{
	static struct async_syscall_executor record;

	begin(0);
	attention = 1;
	for (uint32_t i = 0; i < 3; i++)
		post(i * 100, SYS_getpid, NO_ARGS);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_INT(lent_exec(&area, &record), ASYNC_SYSCALL_TELL);
		CHECK_INT(record.left, ASYNC_SYSCALL_LEFT_NOTHING);
		CHECK(is_done(i * 100));
		CHECK(!is_done(i * 100 + 100));
	}
	attention = 0;
	post(5, SYS_getpid, NO_ARGS);
	CHECK_INT(slot_end(&entry[END_ENTRY]), 0);
	mark(END_ENTRY);
	CHECK_INT(lent_exec(&area, &record), ASYNC_SYSCALL_ENDED);
	CHECK(is_done(5));
	/* The mark stays for those who come later. */
	CHECK_INT(lent_exec(&area, &record), ASYNC_SYSCALL_ENDED);
	CHECK_INT(lent_forget(&area), 0);
}

static void post_chain(const uint32_t *at, const uint64_t *link, uint32_t count)
{
	for (uint32_t i = count - 1; i < count; i--) {
		uint64_t word = link[i] | (i + 1 < count ? SYSCALL_LINK_NEXT(at[i + 1]) : 0);

		CHECK_INT(i > 0 ? slot_post_held(&entry[at[i]], SYS_getpid, NO_ARGS, word)
				: slot_post_first(&entry[at[i]], SYS_getpid, NO_ARGS, word),
			  0);
	}
	mark(at[0]);
}

static void a_chain_goes_on_after_telling(void)
{
	static struct async_syscall_executor record;
	const uint32_t at[] = { 300, 2, 599 - 64 };
	const uint64_t link[] = { 0, 0, 0 };

	begin(0);
	attention = 1;
	post_chain(at, link, ARRAY_COUNT(at));
	for (uint32_t i = 0; i < ARRAY_COUNT(at); i++) {
		bool last = i + 1 == ARRAY_COUNT(at);

		CHECK_INT(lent_exec(&area, &record), ASYNC_SYSCALL_TELL);
		CHECK_INT(record.left, last ? ASYNC_SYSCALL_LEFT_NOTHING : ASYNC_SYSCALL_LEFT_CALL);
		CHECK_INT(take(at[i]), getpid());
	}
	CHECK_INT(lent_forget(&area), 0);
}

static void a_call_that_was_cut_is_not_begun(void)
{
	const uint32_t at[] = { 10, 11, 12, 13 };
	const uint64_t link[] = { 0, 0, SYSCALL_LINK_ALWAYS, SYSCALL_LINK_ALWAYS };

	begin(1);
	cut[11] = -ETIMEDOUT;
	cut[13] = 5; /* not a failure: means nothing */
	post_chain(at, link, ARRAY_COUNT(at));
	CHECK_INT(take(10), getpid());
	CHECK_INT(take(11), -ETIMEDOUT);
	CHECK_INT(take(12), getpid());
	CHECK_INT(take(13), getpid());
	finish();
}

static void wrong_words_are_refused(void)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	area.setup.posted = (uintptr_t)hint + 4;
	CHECK_INT(lent_begin(&area, entry, ENTRIES), -EINVAL);
	area.setup.posted = UINT64_C(1) << 63;
	CHECK_INT(lent_begin(&area, entry, ENTRIES), -EINVAL);
	area.setup.posted = 0;
	area.setup.attention = (uintptr_t)&attention; /* without done */
	CHECK_INT(lent_begin(&area, entry, ENTRIES), -EINVAL);
}

/* A call executed by an area that is, or is not, the kernel's when it is opened. */
static struct hascall *open_area(int in_kernel)
{
	struct hascall *h = NULL;

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	CHECK_INT(hascall_open(&h, NULL), 0);
	CHECK_INT(hascall_in_kernel(h), in_kernel);
	return h;
}

static int64_t call(struct hascall *h, uint32_t num)
{
	uint64_t ticket;
	int64_t result;

	CHECK_INT(hascall_post(h, num, NO_ARGS, 0, 0, &ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &result), 0);
	return result;
}

static void call_often(struct hascall *h)
{
	for (unsigned int i = 0; i < 100; i++)
		CHECK_INT(call(h, SYS_getppid), getppid());
}

static void the_library_lends_its_workers_unless_told_not_to(void)
{
	const char *const values[] = { NULL, "1", "0" };

	for (unsigned int i = 0; i < ARRAY_COUNT(values); i++) {
		bool is_wanted = i < 2;
		struct hascall *h;

		if (values[i])
			setenv("HASCALL_KERNEL", values[i], 1);
		else
			unsetenv("HASCALL_KERNEL");
		h = open_area(is_wanted);
		call_often(h);
		CHECK_INT(hascall_in_kernel(h), is_wanted);
		hascall_close(h);
	}
}

/* With the module, the workers go on by themselves; a patched kernel asks the filter. */
static void a_filter_put_on_all_threads_is_obeyed(void)
{
	struct hascall *h = open_area(1);

	call_often(h);
	forbid_getppid(SECCOMP_RET_ERRNO | EPERM, SECCOMP_FILTER_FLAG_TSYNC);
	for (unsigned int i = 0; i < 100; i++)
		CHECK_INT(call(h, SYS_getppid), -EPERM);
	CHECK_INT(hascall_in_kernel(h), lent_is_patched());
	CHECK_INT(call(h, SYS_getpid), getpid());
	hascall_close(h);
}

/* What became of its number is no business of the library any more. */
static void the_application_may_close_the_descriptor(void)
{
	struct hascall *h = open_area(1);
	int fds[2];

	call_often(h);
	close_range(3, ~0u, 0);
	CHECK_INT(pipe(fds), 0);
	/* All executors come out by and by, to tell. */
	for (unsigned int i = 0; i < 100; i++) {
		CHECK_INT(hascall_post(h, SYS_getppid, NO_ARGS, 0, 0, NULL), 0);
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		CHECK_INT(hascall_reap(h, ignore_result, NULL), 1);
		call_often(h);
	}
	hascall_close(h);
	CHECK_INT(write(fds[1], "x", 1), 1);
	close(fds[0]);
	close(fds[1]);
}

/* An array of the protocol's own level: its child cannot close it. */
static void a_forked_child_keeps_no_descriptor_of_an_array(void)
{
	int before = dup(0);
	int status = -1;
	int after;
	pid_t pid;

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	close(before);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_INT(async_syscall_init(entry, ENTRIES, 0), i);
	CHECK_INT(async_syscall_exit(1), 0);
	after = dup(0);
	CHECK_INT(after, lent_is_patched() ? before : before + 1);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(after);
		CHECK_INT(dup(0), before);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	close(after);
	CHECK_INT(async_syscall_exit(0), 0);
	CHECK_INT(async_syscall_exit(2), 0);
	CHECK_INT(dup(0), before);
	close(before);
}

static void a_forked_child_keeps_no_descriptor(void)
{
	int before = dup(0);
	struct hascall *h;
	int status = -1;
	pid_t pid;

	close(before);
	h = open_area(1);
	call_often(h);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		hascall_close(h);
		CHECK_INT(dup(0), before);
		/* An area of its own. */
		h = open_area(1);
		call_often(h);
		hascall_close(h);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	call_often(h);
	CHECK_INT(hascall_in_kernel(h), 1);
	hascall_close(h);
}

static const struct test tests[] = {
	TEST(only_marked_entries_are_visited),
	TEST(marks_without_a_call_do_nothing),
	TEST(a_mark_beyond_the_entries_ends_the_executor),
	TEST(a_result_that_cannot_be_delivered_is_left),
	TEST(an_executor_comes_out_to_tell),
	TEST(a_chain_goes_on_after_telling),
	TEST(a_call_that_was_cut_is_not_begun),
	TEST(wrong_words_are_refused),
	TEST(the_library_lends_its_workers_unless_told_not_to),
	TEST(a_filter_put_on_all_threads_is_obeyed),
	TEST(the_application_may_close_the_descriptor),
	TEST(a_forked_child_keeps_no_descriptor),
	TEST(a_forked_child_keeps_no_descriptor_of_an_array),
};
TEST_MAIN(tests)
