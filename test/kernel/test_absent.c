/*
 * test_absent.c - executors in the kernel and memory that is not there when they touch it: the
 * entries, a thread's record, what a call's arguments point to.
 *
 * By userfaultfd(2), each touch of a page that was taken away is seen, and held up at will;
 * then the same with pages that were written to a swap device.
 */
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define ENTRIES 64u /* one page */
#define END_ENTRY (ENTRIES - 1)
#define EXECUTORS 3u

/* The pages that go and come back. */
enum page { ENTRY_PAGE, TEXT_PAGE, RECORD_PAGE, PAGES };

static char *pages;
static struct syscall_info *entry;
static struct lent_area area;

static char *page_at(enum page p)
{
	return pages + p * PAGE;
}

static void pages_map(void)
{
	pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	CHECK(pages != MAP_FAILED);
	CHECK_INT(madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE) < 0 && errno != EINVAL, 0);
	entry = (struct syscall_info *)(void *)page_at(ENTRY_PAGE);
}

/* The keeper: a thread that gives pages back to those who touch them. */
static struct {
	pthread_t thread;
	int tid;
	int fd;
	bool stop;
	bool holds;	    /* pages are not given back yet */
	uint32_t waiting;   /* touches that are held up */
	uint32_t by_others; /* touches by other threads than the first */
	char kept[PAGES][PAGE];
} keeper;

/*
 * Until the executors rest: what one of them wrote between the copy and the removal of a page would
 * be lost. That one counts as a sleeper is not enough: it looks once more after that.
 */
static void await_rest(void)
{
	DIR *threads;
	const struct dirent *e;

	while (__atomic_load_n(&area.server.sleepers, __ATOMIC_ACQUIRE) == 0)
		usleep(200);
	threads = opendir("/proc/self/task");
	CHECK(threads);
	while ((e = readdir(threads))) {
		int tid = atoi(e->d_name);

		if (tid && tid != gettid() && tid != __atomic_load_n(&keeper.tid, __ATOMIC_ACQUIRE))
			lent_await_asleep(tid);
	}
	closedir(threads);
}

static void give_back(uint64_t address)
{
	uint64_t number = (address - (uintptr_t)pages) / PAGE;
	struct uffdio_copy copy = { .dst = (uintptr_t)pages + number * PAGE,
				    .src = (uintptr_t)keeper.kept[number],
				    .len = PAGE };

	CHECK(number < PAGES);
	while (__atomic_load_n(&keeper.holds, __ATOMIC_ACQUIRE))
		usleep(200);
	if (ioctl(keeper.fd, UFFDIO_COPY, &copy) < 0)
		CHECK_INT(errno, EEXIST); /* two had touched it */
}

static void *keep(void *arg)
{
	pid_t first = getpid();

	(void)arg;
	__atomic_store_n(&keeper.tid, gettid(), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&keeper.stop, __ATOMIC_ACQUIRE)) {
		struct pollfd p = { .fd = keeper.fd, .events = POLLIN };
		struct uffd_msg m;

		if (poll(&p, 1, 10) <= 0)
			continue;
		if (read(keeper.fd, &m, sizeof(m)) != sizeof(m))
			continue;
		CHECK_INT(m.event, UFFD_EVENT_PAGEFAULT);
		__atomic_fetch_add(&keeper.waiting, 1, __ATOMIC_ACQ_REL);
		if ((pid_t)m.arg.pagefault.feat.ptid != first)
			__atomic_fetch_add(&keeper.by_others, 1, __ATOMIC_ACQ_REL);
		give_back(m.arg.pagefault.address);
		__atomic_fetch_sub(&keeper.waiting, 1, __ATOMIC_ACQ_REL);
	}
	return NULL;
}

static void keeper_begin(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_THREAD_ID };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	keeper.fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (keeper.fd < 0)
		SKIP("this kernel has no userfaultfd, or not for this user");
	CHECK_INT(ioctl(keeper.fd, UFFDIO_API, &api), 0);
	pages_map();
	range.range.start = (uintptr_t)pages;
	range.range.len = PAGES * PAGE;
	CHECK_INT(ioctl(keeper.fd, UFFDIO_REGISTER, &range), 0);
	CHECK_INT(pthread_create(&keeper.thread, NULL, keep, NULL), 0);
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
}

static void keeper_end(void)
{
	__atomic_store_n(&keeper.stop, true, __ATOMIC_RELEASE);
	CHECK_INT(pthread_join(keeper.thread, NULL), 0);
	close(keeper.fd);
	CHECK_INT(munmap(pages, PAGES * PAGE), 0);
}

/* Nobody else may touch it meanwhile. */
static void take_away(enum page p)
{
	memcpy(keeper.kept[p], page_at(p), PAGE);
	CHECK_INT(madvise(page_at(p), PAGE, MADV_DONTNEED), 0);
}

/* Take the page away, let `cause` happen, see an executor held up by it, give the page back. */
static void hold_up(enum page p, void (*cause)(void *), void *arg)
{
	uint32_t before = __atomic_load_n(&keeper.by_others, __ATOMIC_ACQUIRE);

	__atomic_store_n(&keeper.holds, true, __ATOMIC_RELEASE);
	take_away(p);
	cause(arg);
	while (__atomic_load_n(&keeper.by_others, __ATOMIC_ACQUIRE) == before)
		usleep(200);
	usleep(20 * 1000);
	CHECK(__atomic_load_n(&keeper.waiting, __ATOMIC_ACQUIRE) > 0);
	__atomic_store_n(&keeper.holds, false, __ATOMIC_RELEASE);
}

static void ring(void *unused)
{
	(void)unused;
	lent_ring(&area);
}

static void entries_that_are_absent_at_the_claim_come_back(void)
{
	keeper_begin();
	lent_start(&area, EXECUTORS);
	for (uint32_t i = 0; i < 5; i++) {
		await_rest();
		CHECK_INT(slot_post(&entry[i], SYS_getppid, NO_ARGS), 0);
		hold_up(ENTRY_PAGE, ring, NULL);
		CHECK_INT(lent_take(&area, i), getppid());
	}
	lent_end(&area, END_ENTRY);
	keeper_end();
}

static void write_one(void *fd)
{
	CHECK_INT(write(*(int *)fd, "x", 1), 1);
}

static void entries_that_are_absent_at_the_completion_come_back(void)
{
	static char byte;
	int fds[2];

	keeper_begin();
	lent_start(&area, EXECUTORS);
	CHECK_INT(pipe(fds), 0);
	for (uint32_t i = 0; i < 5; i++) {
		lent_post(&area, i, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1));
		lent_await(&area, i, SYSCALL_EXECUTING);
		await_rest(); /* this one in its call */
		hold_up(ENTRY_PAGE, write_one, &fds[1]);
		CHECK_INT(lent_take(&area, i), 1);
		CHECK_INT(byte, 'x');
	}
	close(fds[0]);
	close(fds[1]);
	lent_end(&area, END_ENTRY);
	keeper_end();
}

/* While one executor waits for an argument, another goes on. */
static void an_absent_argument_holds_up_its_own_call_only(void)
{
	struct timespec *length;

	keeper_begin();
	length = (struct timespec *)(void *)page_at(TEXT_PAGE);
	*length = (struct timespec){ .tv_nsec = 1 };
	lent_start(&area, EXECUTORS);
	await_rest();
	__atomic_store_n(&keeper.holds, true, __ATOMIC_RELEASE);
	take_away(TEXT_PAGE);
	lent_post(&area, 0, SYS_nanosleep, ARGS((uintptr_t)length, 0));
	while (__atomic_load_n(&keeper.waiting, __ATOMIC_ACQUIRE) == 0)
		usleep(200);
	for (uint32_t i = 1; i < 20; i++)
		CHECK_INT(lent_call(&area, i, SYS_getpid, NO_ARGS), getpid());
	CHECK_INT(slot_state(&entry[0]), SYSCALL_EXECUTING);
	__atomic_store_n(&keeper.holds, false, __ATOMIC_RELEASE);
	CHECK_INT(lent_take(&area, 0), 0);
	lent_end(&area, END_ENTRY);
	keeper_end();
}

static void *lend_with_record_page(void *arg)
{
	(void)arg;
	CHECK_INT(lent_exec(&area, (void *)page_at(RECORD_PAGE)), ASYNC_SYSCALL_ENDED);
	return NULL;
}

static void a_record_that_is_absent_comes_back(void)
{
	pthread_t thread;

	keeper_begin();
	memset(page_at(RECORD_PAGE), 0, PAGE);
	CHECK_INT(pthread_create(&thread, NULL, lend_with_record_page, NULL), 0);
	for (uint32_t i = 0; i < 5; i++) {
		await_rest();
		CHECK_INT(slot_post(&entry[i], SYS_getppid, NO_ARGS), 0);
		hold_up(RECORD_PAGE, ring, NULL); /* its `entry` is written at the claim */
		CHECK_INT(lent_take(&area, i), getppid());
	}
	CHECK_INT(slot_end(&entry[END_ENTRY]), 0);
	lent_ring(&area);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(lent_forget(&area), 0);
	keeper_end();
}

/* A page that never comes does not keep a process from its end. */
static void a_process_ends_while_its_executors_wait_for_a_page(void)
{
	int status = 0;
	char byte;
	int fds[2];
	pid_t child;

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	for (int by_itself = 0; by_itself < 2; by_itself++) {
		CHECK_INT(pipe(fds), 0);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			keeper_begin();
			lent_start(&area, EXECUTORS);
			await_rest();
			CHECK_INT(slot_post(&entry[1], SYS_getppid, NO_ARGS), 0);
			__atomic_store_n(&keeper.holds, true, __ATOMIC_RELEASE);
			take_away(ENTRY_PAGE);
			lent_ring(&area);
			while (__atomic_load_n(&keeper.by_others, __ATOMIC_ACQUIRE) == 0)
				usleep(200);
			CHECK_INT(write(fds[1], "x", 1), 1);
			if (by_itself)
				_exit(7);
			pause();
		}
		close(fds[1]);
		if (read(fds[0], &byte, 1) == 1 && !by_itself)
			CHECK_INT(kill(child, SIGKILL), 0);
		close(fds[0]);
		CHECK_INT(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return; /* skipped there */
		if (by_itself)
			CHECK_INT(WEXITSTATUS(status), 7);
		else
			CHECK_INT(WTERMSIG(status), SIGKILL);
	}
}

/* Swapping. */

#define DEVICE "/dev/ram0"

/* A swap device of 4 MiB, as mkswap(8) makes it. */
static void swap_begin(void)
{
	static uint32_t header[PAGE / 4];
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	if (fd < 0)
		SKIP("there is no " DEVICE);
	header[256] = 1;    /* version */
	header[257] = 1023; /* last page */
	memcpy((char *)header + PAGE - 10, "SWAPSPACE2", 10);
	CHECK_INT(write(fd, header, PAGE), PAGE);
	close(fd);
	if (swapon(DEVICE, 0) < 0)
		SKIP("swapon: %s", strerror(errno));
	pages_map();
}

/* What /proc/self/pagemap says of a page: bit 62: it is in swap, bit 63: it is in memory. */
static bool is_swapped(enum page p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	CHECK(fd >= 0);
	CHECK_INT(pread(fd, &word, 8, (off_t)((uintptr_t)page_at(p) / PAGE * 8)), 8);
	close(fd);
	return (word >> 62) == 1;
}

static void swap_out(enum page p)
{
	while (!is_swapped(p)) {
		CHECK_INT(madvise(page_at(p), PAGE, 21 /* MADV_PAGEOUT */), 0);
		usleep(1000);
	}
}

static void what_was_swapped_out_comes_back(void)
{
	char *text;
	char byte = 0;
	int fds[2];

	swap_begin();
	text = page_at(TEXT_PAGE);
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	lent_start(&area, EXECUTORS);
	CHECK_INT(pipe(fds), 0);
	for (uint32_t i = 0; i < 5; i++) {
		/* At the claim, and in the call. */
		memcpy(text, "swapped", 8);
		await_rest();
		CHECK_INT(
			slot_post(&entry[i], SYS_write, ARGS((uint64_t)fds[1], (uintptr_t)text, 8)),
			0);
		swap_out(TEXT_PAGE);
		swap_out(ENTRY_PAGE);
		lent_ring(&area);
		CHECK_INT(lent_take(&area, i), 8);
		CHECK_INT(read(fds[0], text, 8), 8);
		CHECK_STR(text, "swapped");
		/* At the completion. */
		lent_post(&area, i, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1));
		lent_await(&area, i, SYSCALL_EXECUTING);
		await_rest();
		swap_out(ENTRY_PAGE);
		CHECK_INT(write(fds[1], "x", 1), 1);
		CHECK_INT(lent_take(&area, i), 1);
	}
	close(fds[0]);
	close(fds[1]);
	lent_end(&area, END_ENTRY);
	CHECK_INT(munmap(pages, PAGES * PAGE), 0);
	CHECK_INT(swapoff(DEVICE), 0);
}

static const struct test tests[] = {
	TEST(entries_that_are_absent_at_the_claim_come_back),
	TEST(entries_that_are_absent_at_the_completion_come_back),
	TEST(an_absent_argument_holds_up_its_own_call_only),
	TEST(a_record_that_is_absent_comes_back),
	TEST(a_process_ends_while_its_executors_wait_for_a_page),
	TEST_LONG(what_was_swapped_out_comes_back, 30),
};
TEST_MAIN(tests)
