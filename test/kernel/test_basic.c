/*
 * test_basic.c - what kernel.h promises of executors in the kernel: calls are executed
 * as the process's own, once each; wrong use is refused; END ends.
 */
#include "hascall/hascall.h"
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 64u

static struct syscall_info entry[ENTRIES];
static struct lent_area area;

static void begin(uint32_t threads)
{
	lent_open(&area, entry, ENTRIES, threads);
}

static void a_posted_call_gives_what_a_plain_one_gives(void)
{
	char text[8] = "";
	struct statx info = { 0 };
	struct stat plain;
	int64_t fd;

	begin(1);
	CHECK_INT(lent_call(&area, 3, SYS_getppid, NO_ARGS), getppid());
	CHECK_INT(lent_call(&area, 4, SYS_getpid, NO_ARGS), getpid());
	fd = lent_call(&area, 5, SYS_openat,
		       ARGS((uint64_t)AT_FDCWD, (uintptr_t) "/tmp/file", O_RDWR | O_CREAT, 0600));
	CHECK(fd >= 0);
	CHECK_INT(lent_call(&area, 6, SYS_write, ARGS((uint64_t)fd, (uintptr_t) "hello", 5)), 5);
	CHECK_INT(lent_call(&area, 7, SYS_pread64,
			    ARGS((uint64_t)fd, (uintptr_t)text, sizeof(text), 1)),
		  4);
	CHECK_STR(text, "ello");
	CHECK_INT(lent_call(&area, 8, SYS_statx,
			    ARGS((uint64_t)AT_FDCWD, (uintptr_t) "/tmp/file", 0, STATX_BASIC_STATS,
				 (uintptr_t)&info)),
		  0);
	CHECK_INT(stat("/tmp/file", &plain), 0);
	CHECK_INT(info.stx_ino, plain.st_ino);
	CHECK_INT(info.stx_size, 5);
	CHECK_INT(lent_call(&area, 9, SYS_close, ARGS((uint64_t)fd)), 0);
	CHECK_INT(lent_call(&area, 9, SYS_close, ARGS((uint64_t)fd)), -EBADF);
	CHECK_INT(lent_call(&area, 0, SYS_read, ARGS((uint64_t)-1, 1, 1)), -EBADF);
	CHECK_INT(lent_call(&area, 1, SYS_openat, ARGS((uint64_t)AT_FDCWD, 8, 0)), -EFAULT);
	CHECK_INT(unlink("/tmp/file"), 0);
	lent_end(&area, 63);
}

/* All six arguments arrive in their places. */
static void six_arguments_arrive(void)
{
	int64_t at;

	begin(1);
	at = lent_call(&area, 0, SYS_mmap,
		       ARGS(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    (uint64_t)-1, 0));
	CHECK(at > 0);
	memset((void *)(uintptr_t)at, 1, 8192);
	CHECK_INT(munmap((void *)(uintptr_t)at, 8192), 0);
	lent_end(&area, 63);
}

static void calls_not_on_the_list_are_refused(void)
{
	const uint32_t about_thread[] = { SYS_exit,	  SYS_fork,    SYS_vfork,
					  SYS_clone,	  SYS_clone3,  SYS_execve,
					  SYS_exit_group, SYS_gettid,  SYS_rt_sigreturn,
					  SYS_prctl,	  SYS_seccomp, SYS_setuid,
					  SYS_ptrace,	  SYS_unshare, SYS_restart_syscall };

	begin(2);
	for (unsigned int i = 0; i < ARRAY_COUNT(about_thread); i++)
		CHECK_INT(lent_call(&area, i, about_thread[i], NO_ARGS), -EOPNOTSUPP);
	CHECK_INT(lent_call(&area, 0, SYS_sched_getaffinity, NO_ARGS), -EOPNOTSUPP);
	CHECK_INT(lent_call(&area, 0, SYS_futex, ARGS(8, 6 /* LOCK_PI */)), -EOPNOTSUPP);
	lent_end(&area, 63);
}

/* Arguments that some call reads as "the calling thread". */
static void what_the_library_refuses_the_kernel_refuses(void)
{
	const uint64_t values[] = { 0, 1, 2, 3, 6, 13, 0x20000000, UINT32_MAX, UINT64_MAX };
	unsigned int refused = 0;

	begin(1);
	for (uint32_t number = 0; number < 600; number++) {
		for (unsigned int i = 0; i < ARRAY_COUNT(values); i++) {
			uint64_t v = values[i];
			const uint64_t arg[6] = { v, i % 2 ? v : 0, v, v, v, v };
			int r = hascall_check(number, arg, NULL);

			if (r == 0)
				continue;
			refused++;
			CHECK_INT(lent_call(&area, number % 60, number, arg), r);
		}
	}
	CHECK(refused > 1000);
	lent_end(&area, 63);
}

static void numbers_that_are_no_calls_are_refused(void)
{
	begin(1);
	CHECK_INT(lent_call(&area, 0, 511, NO_ARGS), -ENOSYS);
	CHECK_INT(lent_call(&area, 1, 512, NO_ARGS), -ENOSYS);
	CHECK_INT(lent_call(&area, 2, 0xffffff, NO_ARGS), -ENOSYS);
	CHECK_INT(lent_call(&area, 3, UINT32_MAX, NO_ARGS), -EOPNOTSUPP); /* x32's bit is set */
	CHECK_INT(lent_call(&area, 4, 0x40000000u + SYS_getpid, NO_ARGS), -EOPNOTSUPP);
	CHECK_INT(lent_call(&area, 5, ASYNC_SYSCALL_EXEC_NUMBER, NO_ARGS), -ENOSYS);
	/* Known to newer kernels, allowed, unknown to this one. */
	CHECK_INT(lent_call(&area, 6, 469, NO_ARGS), -ENOSYS);
	lent_end(&area, 63);
}

static void wrong_areas_are_refused(void)
{
	static struct syscall_info two[3];

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	CHECK_INT(lent_begin(&area, NULL, 2), -EINVAL);
	CHECK_INT(lent_begin(&area, two, 0), -EINVAL);
	CHECK_INT(lent_begin(&area, (void *)((char *)two + 8), 2), -EINVAL);
	CHECK_INT(lent_begin(&area, (void *)((uintptr_t)1 << 63), 2), -EINVAL);
	CHECK_INT(lent_begin(&area, (void *)UINT64_C(0xffffffffff0000), 1024), -EINVAL);
	CHECK_INT(lent_begin(&area, two, ASYNC_SYSCALL_ENTRIES_MAX + 1), -EINVAL);
	area.setup.flags = 1;
	CHECK_INT(lent_begin(&area, two, 2), -EINVAL);
	area.setup.flags = 0;
	area.setup.reserved[3] = 1;
	CHECK_INT(lent_begin(&area, two, 2), -EINVAL);
	area.setup.reserved[3] = 0;
	area.setup.running = UINT32_MAX;
	CHECK_INT(lent_begin(&area, two, 2), -EINVAL);
}

static void wrong_lending_is_refused(void)
{
	static struct async_syscall_executor record[2];

	begin(0);
	record[0].flags = 1u << 31;
	CHECK_INT(lent_exec(&area, record), -EINVAL);
	record[0].flags = 0;
	CHECK_INT(lent_exec(&area, NULL), -EFAULT);
	CHECK_INT(lent_exec(&area, (void *)((char *)record + 8)), -EFAULT);
	CHECK_INT(lent_exec(&area, (void *)UINT64_C(0xffff800000000000)), -EFAULT);
	record[0].left = 77;
	CHECK_INT(lent_exec(&area, record), -EINVAL);
	record[0].left = ASYNC_SYSCALL_LEFT_CALL;
	record[0].entry = ENTRIES + 1;
	CHECK_INT(lent_exec(&area, record), -EINVAL);
	CHECK_INT(lent_forget(&area), 0);
}

static void impossible_states_end_the_executor(void)
{
	static struct async_syscall_executor record;
	const uint32_t impossible[] = { 5, 77, 0x80000000u, SYSCALL_NONE | SYSCALL_LINKED,
					SYSCALL_EXECUTING | SYSCALL_HELD };

	begin(0);
	for (unsigned int i = 0; i < ARRAY_COUNT(impossible); i++) {
		__atomic_store_n(&entry[9].state, impossible[i], __ATOMIC_RELAXED);
		CHECK_INT(lent_exec(&area, &record), -EPROTO);
	}
	CHECK_INT(lent_forget(&area), 0);
}

static void end_is_met_by_all_and_an_area_can_begin_again(void)
{
	begin(5);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, 63);
	entry[63].state = SYSCALL_NONE;
	area.count = 0;
	begin(3);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, 2);
}

struct poster {
	pthread_t thread;
	uint32_t first;
	uint32_t rounds;
};

static void *post_additions(void *arg)
{
	struct poster *p = arg;
	int fd = (int)lent_call(&area, p->first, SYS_eventfd2, NO_ARGS);
	uint64_t sum = 0;
	uint64_t one = 1;

	CHECK(fd >= 0);
	for (uint32_t i = 0; i < p->rounds; i++) {
		for (uint32_t k = 0; k < 15; k++)
			lent_post(&area, p->first + k, SYS_write,
				  ARGS((uint64_t)fd, (uintptr_t)&one, sizeof(one)));
		for (uint32_t k = 0; k < 15; k++)
			CHECK_INT(lent_take(&area, p->first + k), 8);
	}
	CHECK_INT(read(fd, &sum, sizeof(sum)), sizeof(sum));
	CHECK_INT(sum, p->rounds * 15);
	close(fd);
	return NULL;
}

/* Each call adds one to a counter of the kernel's. */
static void calls_of_many_posters_are_executed_once_each(void)
{
	struct poster poster[4];

	area.setup.running = 2;
	area.setup.spin_ns = 50000;
	begin(4);
	for (uint32_t i = 0; i < ARRAY_COUNT(poster); i++) {
		poster[i] = (struct poster){ .first = 15 * i, .rounds = 100 };
		CHECK_INT(pthread_create(&poster[i].thread, NULL, post_additions, &poster[i]), 0);
	}
	for (uint32_t i = 0; i < ARRAY_COUNT(poster); i++)
		CHECK_INT(pthread_join(poster[i].thread, NULL), 0);
	lent_end(&area, 63);
}

static void posts_without_a_ring_are_seen_by_timer(void)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	CHECK_INT(lent_forget(&area), 0);
	memset(&area, 0, sizeof(area));
	/* By hand, without the doorbell. */
	area.setup = (struct async_syscall_setup){ .size = sizeof(area.setup),
						   .array = (uintptr_t)entry,
						   .count = ENTRIES };
	area.entry = entry;
	area.patched = lent_is_patched();
	area.handle = area.patched ? (int)syscall(ASYNC_SYSCALL_INIT_NUMBER, &area.setup, 0)
				   : open(HASCALL_DEVICE, O_RDONLY);
	CHECK(area.handle >= 0);
	if (!area.patched)
		CHECK_INT(ioctl(area.handle, HASCALL_BEGIN, &area.setup), 0);
	lent_start(&area, 1);
	for (unsigned int i = 0; i < 10; i++) {
		usleep(5000);
		CHECK_INT(slot_post(&entry[i], SYS_getpid, NO_ARGS), 0);
		CHECK_INT(lent_take(&area, i), getpid());
	}
	lent_end(&area, 63);
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Of two seconds, less than a twentieth: one that polls would use all of them. */
static void idle_executors_use_no_processor(void)
{
	int64_t before;

	begin(6);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	usleep(100 * 1000);
	before = cpu_ns();
	usleep(2 * 1000 * 1000);
	CHECK(cpu_ns() - before < 100 * 1000 * 1000);
	lent_end(&area, 63);
}

static const struct test tests[] = {
	TEST(a_posted_call_gives_what_a_plain_one_gives),
	TEST(six_arguments_arrive),
	TEST(calls_not_on_the_list_are_refused),
	TEST(what_the_library_refuses_the_kernel_refuses),
	TEST(numbers_that_are_no_calls_are_refused),
	TEST(wrong_areas_are_refused),
	TEST(wrong_lending_is_refused),
	TEST(impossible_states_end_the_executor),
	TEST(end_is_met_by_all_and_an_area_can_begin_again),
	TEST_LONG(calls_of_many_posters_are_executed_once_each, 60),
	TEST(posts_without_a_ring_are_seen_by_timer),
	TEST(idle_executors_use_no_processor),
};
TEST_MAIN(tests)
