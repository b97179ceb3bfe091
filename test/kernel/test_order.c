/*
 * test_order.c - executors in the kernel when things happen in an order that is seldom: some are
 * held up at a page that is not there, by userfaultfd(2), or kept from their processor.
 */
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096u
#define ENTRIES 64u /* one page */

enum page { ENTRY_PAGE, RINGS_PAGE, SLEEPERS_PAGE, PAGES };

static char *pages;
static char kept[PAGES][PAGE];
static int faults; /* descriptor */
static struct area_hint hint;
static struct lent_area area;

static char *page_at(enum page p)
{
	return pages + p * PAGE;
}

static void pages_map(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	CHECK(pages != MAP_FAILED);
	memset(pages, 0, PAGES * PAGE);
	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faults < 0)
		SKIP("this kernel has no userfaultfd");
	CHECK_INT(ioctl(faults, UFFDIO_API, &api), 0);
	range.range.start = (uintptr_t)pages;
	range.range.len = PAGES * PAGE;
	CHECK_INT(ioctl(faults, UFFDIO_REGISTER, &range), 0);
}

static void take_away(enum page p)
{
	memcpy(kept[p], page_at(p), PAGE);
	CHECK_INT(madvise(page_at(p), PAGE, MADV_DONTNEED), 0);
}

static void give_back(enum page p)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)page_at(p),
				    .src = (uintptr_t)kept[p],
				    .len = PAGE };

	CHECK_INT(ioctl(faults, UFFDIO_COPY, &copy), 0);
}

/* Wait until somebody is held up at that page. */
static void await_touch(enum page p)
{
	struct uffd_msg message;

	CHECK_INT(read(faults, &message, sizeof(message)), sizeof(message));
	CHECK_INT(message.event, UFFD_EVENT_PAGEFAULT);
	CHECK_INT((message.arg.pagefault.address - (uintptr_t)pages) / PAGE, p);
}

static void stay_on(uint32_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_INT(sched_setaffinity(0, sizeof(set), &set), 0);
}

struct lent_one {
	struct async_syscall_executor record;
	uint32_t cpu;
	long answer;
	bool is_out;
};

static void *be_lent(void *arg)
{
	struct lent_one *one = arg;

	stay_on(one->cpu);
	one->answer = lent_exec(&area, &one->record);
	__atomic_store_n(&one->is_out, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool occupied, is_free;

/* Nobody else runs on the first processor meanwhile. */
static void *occupy(void *unused)
{
	const struct sched_param first = { .sched_priority = 1 };

	stay_on(0);
	CHECK_INT(sched_setscheduler(0, SCHED_FIFO, &first), 0);
	__atomic_store_n(&occupied, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&is_free, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	return unused;
}

static void await_flag(const bool *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		usleep(200);
}

/*
 * One executor has used up the hint of END and has not yet put it back; another looks for hints
 * in vain, and falls asleep only after the first has waked all sleepers.
 */
static void an_end_reaches_who_is_about_to_sleep(void)
{
	static struct lent_one first = { .cpu = 1 }, second = { .cpu = 0 };
	struct syscall_info *entry;
	pthread_t thread[3];

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("one processor");
	stay_on(1);
	pages_map();
	entry = (struct syscall_info *)(void *)page_at(ENTRY_PAGE);
	area.setup.posted = (uintptr_t)&hint;
	area.setup.running = 2;
	area.setup.rings = (uintptr_t)page_at(RINGS_PAGE);
	area.setup.sleepers = (uintptr_t)page_at(SLEEPERS_PAGE);
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	CHECK_INT(slot_end(&entry[1]), 0);
	take_away(ENTRY_PAGE);
	take_away(SLEEPERS_PAGE);
	area_mark_posted(&hint, 1);
	CHECK_INT(pthread_create(&thread[0], NULL, be_lent, &first), 0);
	await_touch(ENTRY_PAGE);
	CHECK(!area_any_posted(&hint));
	CHECK_INT(pthread_create(&thread[1], NULL, be_lent, &second), 0);
	await_touch(SLEEPERS_PAGE);
	take_away(RINGS_PAGE);
	give_back(SLEEPERS_PAGE);
	await_touch(RINGS_PAGE); /* in futex(2) */
	CHECK_INT(pthread_create(&thread[2], NULL, occupy, NULL), 0);
	await_flag(&occupied);
	give_back(ENTRY_PAGE);
	await_touch(RINGS_PAGE); /* the first wakes */
	give_back(RINGS_PAGE);
	await_flag(&first.is_out);
	__atomic_store_n(&is_free, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_INT(pthread_join(thread[i], NULL), 0);
	CHECK_INT(first.answer, ASYNC_SYSCALL_ENDED);
	CHECK_INT(second.answer, ASYNC_SYSCALL_ENDED);
	CHECK_INT(lent_forget(&area), 0);
	close(faults);
}

static const struct test tests[] = {
	TEST(an_end_reaches_who_is_about_to_sleep),
};
TEST_MAIN(tests)
