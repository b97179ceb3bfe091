/*
 * test_hostile.c - kernel.h's promises against a process that breaks the rules: memory
 * that goes away, fields that change at any moment, threads under other rules.
 */
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 64u
#define END_ENTRY (ENTRIES - 1)
#define AREA_SIZE (ENTRIES * sizeof(struct syscall_info))

static struct syscall_info static_entry[ENTRIES] __attribute__((aligned(4096)));
static struct syscall_info *entry = static_entry;
static struct lent_area area;

static void begin(uint32_t threads)
{
	lent_open(&area, entry, ENTRIES, threads);
}

static struct syscall_info *fresh_pages(int flags)
{
	void *at = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

enum taking { BY_UNMAPPING, BY_FORBIDDING };

static void entries_go_away(enum taking how)
{
	char byte = 0;
	int fds[2];

	entry = fresh_pages(MAP_PRIVATE);
	begin(3);
	CHECK_INT(pipe(fds), 0);
	lent_post(&area, 4, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1));
	lent_await(&area, 4, SYSCALL_EXECUTING);
	CHECK_INT(lent_call(&area, 5, SYS_getpid, NO_ARGS), getpid());
	if (how == BY_UNMAPPING)
		CHECK_INT(munmap(entry, AREA_SIZE), 0);
	if (how == BY_FORBIDDING)
		CHECK_INT(mprotect(entry, AREA_SIZE, PROT_NONE), 0);
	CHECK_INT(write(fds[1], "z", 1), 1); /* the call ends, and finds nowhere to say so */
	lent_ring_all(&area);
	lent_join(&area, -EFAULT);
	CHECK_INT(byte, 'z');
	close(fds[0]);
	close(fds[1]);
	CHECK_INT(lent_forget(&area), 0);
	if (how == BY_FORBIDDING)
		CHECK_INT(munmap(entry, AREA_SIZE), 0);
}

static void unmapped_entries_end_the_executors(void)
{
	entries_go_away(BY_UNMAPPING);
}

static void forbidden_entries_end_the_executors(void)
{
	entries_go_away(BY_FORBIDDING);
}

/* One executor looks, which is allowed; the completion is not. */
static void entries_that_cannot_be_written_end_the_one_that_writes(void)
{
	char byte = 0;
	int fds[2];

	entry = fresh_pages(MAP_PRIVATE);
	begin(1);
	CHECK_INT(pipe(fds), 0);
	lent_post(&area, 4, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1));
	lent_await(&area, 4, SYSCALL_EXECUTING);
	CHECK_INT(mprotect(entry, AREA_SIZE, PROT_READ), 0);
	CHECK_INT(write(fds[1], "z", 1), 1);
	lent_join(&area, -EFAULT);
	CHECK_INT(byte, 'z');
	close(fds[0]);
	close(fds[1]);
	CHECK_INT(lent_forget(&area), 0);
	CHECK_INT(munmap(entry, AREA_SIZE), 0);
}

/* Other memory at the same address is an area like any other: nothing old is remembered. */
static void entries_may_be_replaced_in_flight(void)
{
	struct syscall_info *at = entry = fresh_pages(MAP_PRIVATE);

	begin(2);
	CHECK_INT(lent_call(&area, 5, SYS_getpid, NO_ARGS), getpid());
	for (unsigned int i = 0; i < 50; i++) {
		void *other = mmap(at, AREA_SIZE, PROT_READ | PROT_WRITE,
				   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(other == at);
		CHECK_INT(lent_call(&area, i, SYS_getpid, NO_ARGS), getpid());
		CHECK_INT(madvise(at, AREA_SIZE, MADV_DONTNEED), 0);
		CHECK_INT(lent_call(&area, i, SYS_getppid, NO_ARGS), getppid());
	}
	lent_end(&area, END_ENTRY);
	CHECK_INT(munmap(at, AREA_SIZE), 0);
}

static void a_lost_doorbell_ends_the_executors(void)
{
	uint32_t *words = (uint32_t *)(void *)fresh_pages(MAP_PRIVATE);
	static struct async_syscall_executor record;

	begin(0);
	CHECK_INT(lent_forget(&area), 0);
	area.setup.rings = (uintptr_t)words;
	area.setup.sleepers = (uintptr_t)(words + 16);
	/* As lent_begin() does, with a doorbell elsewhere. */
	area.handle = area.patched ? (int)syscall(ASYNC_SYSCALL_INIT_NUMBER, &area.setup, 0)
				   : open(HASCALL_DEVICE, O_RDONLY);
	CHECK(area.handle >= 0);
	if (!area.patched)
		CHECK_INT(ioctl(area.handle, HASCALL_BEGIN, &area.setup), 0);
	CHECK_INT(munmap(words, AREA_SIZE), 0);
	CHECK_INT(lent_exec(&area, &record), -EFAULT);
	CHECK_INT(lent_forget(&area), 0);
}

static void a_lost_record_ends_its_executor_only(void)
{
	struct async_syscall_executor *lost = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(lost != MAP_FAILED);
	begin(0);
	CHECK_INT(munmap(lost, 4096), 0);
	CHECK_INT(lent_exec(&area, lost), -EFAULT);
	lent_start(&area, 1);
	CHECK_INT(lent_call(&area, 3, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, END_ENTRY);
}

/* Everything in the area and in the records changes all the time. */

static bool flip_stop;

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Calls that do no harm whatever their arguments: descriptors are none, addresses are few. */
static const uint16_t harmless[] = {
	SYS_getpid, SYS_getppid,       SYS_close,     SYS_pread64,	 SYS_getcwd, SYS_gettid,
	SYS_uname,  SYS_clock_gettime, SYS_getrusage, SYS_times,	 600,	     601,
	SYS_exit,   SYS_fork,	       SYS_getgroups, SYS_sched_getparam
};

static void flip_entry(struct syscall_info *e, uint32_t *seed)
{
	static char scratch[4096];
	uint32_t what = next_random(seed) % 8;

	if (what < 4) {
		/* Rarely END or nonsense: those make the executors come back. */
		uint32_t dice = next_random(seed) % 64;
		uint32_t state = dice ? dice % 4 : next_random(seed);
		uint32_t beside = next_random(seed) & 7 ? 0 : next_random(seed) & 0x700;

		__atomic_store_n(&e->state, state | beside, __ATOMIC_RELAXED);
	} else if (what == 4) {
		__atomic_store_n(&e->num, harmless[next_random(seed) % ARRAY_COUNT(harmless)],
				 __ATOMIC_RELAXED);
	} else if (what == 5) {
		__atomic_store_n(&e->ret, (int64_t)next_random(seed) << (next_random(seed) % 32),
				 __ATOMIC_RELAXED);
	} else {
		uint64_t arg = what == 6 ? 1000 + next_random(seed) % 8
					 : (uintptr_t)&scratch[next_random(seed) % 64];

		__atomic_store_n(&e->arg[next_random(seed) % 6], arg, __ATOMIC_RELAXED);
	}
}

static void *flip(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	while (!__atomic_load_n(&flip_stop, __ATOMIC_RELAXED))
		flip_entry(&entry[next_random(&seed) % 16], &seed);
	return NULL;
}

/* Lend again and again, with a record full of nonsense now and then. */
static void *lend_again(void *arg)
{
	struct lent_thread *t = arg;
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	while (!__atomic_load_n(&flip_stop, __ATOMIC_RELAXED)) {
		if (next_random(&seed) % 16 == 0)
			for (size_t i = 0; i < sizeof(t->record) / 4; i++)
				((uint32_t *)&t->record)[i] = next_random(&seed) % 20;
		/* A call that is executed from a record must be a harmless one, too. */
		t->record.num = harmless[next_random(&seed) % ARRAY_COUNT(harmless)];
		t->record.flags = next_random(&seed) & ASYNC_SYSCALL_TELL_GROW;
		lent_exec(&area, &t->record);
	}
	return NULL;
}

static void flip_for(unsigned int ms, uint32_t running)
{
	pthread_t flipper[2];

	area.setup.running = running;
	area.setup.spin_ns = 1000000;
	begin(0);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_INT(pthread_create(&area.thread[i].thread, NULL, lend_again, &area.thread[i]),
			  0);
	for (uintptr_t i = 0; i < ARRAY_COUNT(flipper); i++)
		CHECK_INT(pthread_create(&flipper[i], NULL, flip, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < ms; i += 10) {
		usleep(10 * 1000);
		lent_ring(&area);
	}
	__atomic_store_n(&flip_stop, true, __ATOMIC_RELAXED);
	for (uintptr_t i = 0; i < ARRAY_COUNT(flipper); i++)
		CHECK_INT(pthread_join(flipper[i], NULL), 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		__atomic_store_n(&entry[i].state, SYSCALL_END, __ATOMIC_RELEASE);
	lent_ring_all(&area);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_INT(pthread_join(area.thread[i].thread, NULL), 0);
	CHECK_INT(lent_forget(&area), 0);
}

static void fields_that_change_all_the_time_do_no_harm(void)
{
	flip_for(3000, 1);
}

static void fields_that_change_under_many_executors_do_no_harm(void)
{
	flip_for(3000, 3);
}

/* Threads under other rules: test_module.c and test_patched.c have the filters. */

/* A process whose calls are traced. Its only thread lends itself for one call. */
static void traced(void)
{
	static struct async_syscall_executor record;
	bool patched = lent_is_patched();
	int64_t ret = 0;
	uint32_t flags;

	begin(0);
	CHECK_INT(slot_post(&entry[1], SYS_getppid, NO_ARGS), 0);
	CHECK_INT(slot_end(&entry[2]), 0);
	CHECK_INT(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
	raise(SIGSTOP);
	CHECK_INT(lent_exec(&area, &record), patched ? ASYNC_SYSCALL_ENDED : -EPERM);
	if (patched) {
		CHECK_INT(slot_take(&entry[1], &ret, &flags), 0);
		CHECK_INT(ret, getppid());
	}
	_exit(0);
}

/* How often the tracer sees getppid(): begin and end of each call. */
static void a_tracer_sees_posted_calls_or_stops_them(void)
{
	unsigned int seen = 0;
	int status = 0;
	pid_t child;

	begin(0);
	CHECK_INT(lent_forget(&area), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		traced();
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFSTOPPED(status));
	CHECK_INT(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD), 0);
	for (;;) {
		struct __ptrace_syscall_info info = { 0 };

		CHECK_INT(ptrace(PTRACE_SYSCALL, child, 0, 0), 0);
		CHECK_INT(waitpid(child, &status, 0), child);
		if (!WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) > 0);
		seen += info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_getppid;
	}
	CHECK_INT(status, 0);
	/* The child's own plain getppid() is the second one. */
	CHECK_INT(seen, area.patched ? 2 : 0);
}

/* By the gate of 32-bit programs: other numbers, other structures. */
static void a_32_bit_call_cannot_lend(void)
{
	struct async_syscall_executor *record = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint64_t number;
	uint64_t r;

	CHECK(record != MAP_FAILED);
	begin(0);
	number = area.patched ? ASYNC_SYSCALL_EXEC_NUMBER : 54; /* ioctl */
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(number), "b"((uint64_t)area.handle), "c"((uint64_t)HASCALL_EXEC),
			   "d"(record)
			 : "r8", "r9", "r10", "r11", "memory");
	CHECK((int)r == -ENOTTY || (int)r == -ENOSYS);
	CHECK_INT(munmap(record, 4096), 0);
	CHECK_INT(lent_forget(&area), 0);
}

/* Longer than the kernel's patience with a processor that does not schedule. */
static void spinning_executors_stall_nothing(void)
{
	area.setup.running = 3;
	area.setup.spin_ns = UINT32_MAX;
	begin(3);
	for (unsigned int i = 0; i < 26; i++) {
		CHECK_INT(lent_call(&area, i, SYS_getpid, NO_ARGS), getpid());
		sleep(1);
	}
	lent_end(&area, END_ENTRY);
}

static const struct test tests[] = {
	TEST(unmapped_entries_end_the_executors),
	TEST(forbidden_entries_end_the_executors),
	TEST(entries_that_cannot_be_written_end_the_one_that_writes),
	TEST(entries_may_be_replaced_in_flight),
	TEST(a_lost_doorbell_ends_the_executors),
	TEST(a_lost_record_ends_its_executor_only),
	TEST_LONG(fields_that_change_all_the_time_do_no_harm, 60),
	TEST_LONG(fields_that_change_under_many_executors_do_no_harm, 60),
	TEST(a_tracer_sees_posted_calls_or_stops_them),
	TEST(a_32_bit_call_cannot_lend),
	TEST_LONG(spinning_executors_stall_nothing, 90),
};
TEST_MAIN(tests)
