/*
 * bench_kernel.c - instructions a call costs: made plainly, posted to an executor in the
 * kernel, given to io_uring with a polling thread. For a guest with one processor under
 * `-icount shift=0`, where the time stamp counter counts executed instructions, of
 * the kernel and of all threads.
 */
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH 512u
#define ROUNDS 5u

static struct syscall_info entry[BATCH + 1];
static struct lent_area area;
static char buffer[4096];
static struct statx info;
static int file;
static int null;

static uint64_t instructions(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

/* What is measured: a call, and what io_uring calls it (-1: it does not). */
struct subject {
	const char *name;
	uint32_t num;
	int opcode;
	uint64_t arg[6];
};

static void plain(const struct subject *s)
{
	for (uint32_t i = 0; i < BATCH; i++)
		syscall(s->num, s->arg[0], s->arg[1], s->arg[2], s->arg[3], s->arg[4], s->arg[5]);
}

static void post_all(const struct subject *s)
{
	for (uint32_t i = 0; i < BATCH; i++)
		CHECK_INT(slot_post(&entry[i], s->num, s->arg), 0);
}

static void execute_all(const struct subject *s)
{
	static struct async_syscall_executor record;

	(void)s;
	CHECK_INT(lent_exec(&area, &record), ASYNC_SYSCALL_ENDED);
}

static void take_all(const struct subject *s)
{
	int64_t result;
	uint32_t flags;

	(void)s;
	for (uint32_t i = 0; i < BATCH; i++)
		CHECK_INT(slot_take(&entry[i], &result, &flags), 0);
}

/* io_uring, as little of it as is needed. */
struct ring {
	int fd;
	uint32_t *sq_tail;
	uint32_t *sq_array;
	uint32_t *sq_flags;
	uint32_t sq_mask;
	struct io_uring_sqe *sqe;
	uint32_t *cq_head;
	uint32_t *cq_tail;
};
static struct ring ring;

static void ring_open(void)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1000 };
	char *sq;
	char *cq;

	ring.fd = (int)syscall(SYS_io_uring_setup, BATCH, &p);
	if (ring.fd < 0)
		return;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_CQ_RING);
	ring.sqe = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	CHECK(sq != MAP_FAILED && cq != MAP_FAILED && ring.sqe != MAP_FAILED);
	ring.sq_tail = (uint32_t *)(void *)(sq + p.sq_off.tail);
	ring.sq_array = (uint32_t *)(void *)(sq + p.sq_off.array);
	ring.sq_flags = (uint32_t *)(void *)(sq + p.sq_off.flags);
	ring.sq_mask = p.sq_entries - 1;
	ring.cq_head = (uint32_t *)(void *)(cq + p.cq_off.head);
	ring.cq_tail = (uint32_t *)(void *)(cq + p.cq_off.tail);
}

static void fill(struct io_uring_sqe *e, const struct subject *s)
{
	*e = (struct io_uring_sqe){ .opcode = (uint8_t)s->opcode, .fd = (int32_t)s->arg[0] };
	if (s->opcode == IORING_OP_READ || s->opcode == IORING_OP_WRITE) {
		e->addr = s->arg[1];
		e->len = (uint32_t)s->arg[2];
		e->off = s->arg[3];
	} else if (s->opcode == IORING_OP_STATX) {
		e->addr = s->arg[1];
		e->statx_flags = (uint32_t)s->arg[2];
		e->len = (uint32_t)s->arg[3];
		e->off = s->arg[4];
	}
}

static void by_ring(const struct subject *s)
{
	uint32_t tail = *ring.sq_tail;
	uint32_t done = *ring.cq_head;

	for (uint32_t i = 0; i < BATCH; i++, tail++) {
		fill(&ring.sqe[tail & ring.sq_mask], s);
		ring.sq_array[tail & ring.sq_mask] = tail & ring.sq_mask;
	}
	__atomic_store_n(ring.sq_tail, tail, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(ring.sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		syscall(SYS_io_uring_enter, ring.fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
	while (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) - done < BATCH)
		syscall(SYS_io_uring_enter, ring.fd, 0,
			BATCH - (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) - done),
			IORING_ENTER_GETEVENTS, NULL, 0);
	__atomic_store_n(ring.cq_head, done + BATCH, __ATOMIC_RELEASE);
}

/* The fewest of some rounds: what the timer interrupt adds is not the call's. */
static uint64_t cost(const struct subject *s, void (*before)(const struct subject *),
		     void (*what)(const struct subject *), void (*after)(const struct subject *))
{
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t began;
		uint64_t took;

		if (before)
			before(s);
		began = instructions();
		what(s);
		took = instructions() - began;
		if (after)
			after(s);
		best = took < best ? took : best;
	}
	return best / BATCH;
}

static void execute_and_take_all(const struct subject *s)
{
	execute_all(s);
	take_all(s);
}

struct costs {
	uint64_t plain;
	uint64_t posted;
};

static void measure(const struct subject *s, struct costs *ret)
{
	ret->plain = cost(s, NULL, plain, NULL);
	ret->posted = cost(s, post_all, execute_all, take_all);
}

/* Afterwards: the ring's thread keeps the processor busy for a while. */
static void measure_ring(const struct subject *s, const struct costs *others)
{
	printf("%-22s %8llu %8llu", s->name, (unsigned long long)others->plain,
	       (unsigned long long)others->posted);
	if (s->opcode >= 0 && ring.fd >= 0)
		printf(" %8llu\n", (unsigned long long)cost(s, NULL, by_ring, NULL));
	else
		printf(" %8s\n", "-");
	fflush(stdout);
}

static void report_posting(void)
{
	const struct subject getppid_call = { .num = SYS_getppid };
	uint64_t post = cost(&getppid_call, NULL, post_all, execute_and_take_all);
	uint64_t began;

	post_all(&getppid_call);
	execute_all(&getppid_call);
	began = instructions();
	take_all(&getppid_call);
	printf("in the poster's thread: %llu to post a call, %llu to take its result\n",
	       (unsigned long long)post, (unsigned long long)(instructions() - began) / BATCH);
}

static void count_instructions(void)
{
	const struct subject subjects[] = {
		{ "getppid", SYS_getppid, IORING_OP_NOP, { 0 } },
		{ "close(-1)", SYS_close, -1, { (uint64_t)-1 } },
		{ "write 64 B /dev/null",
		  SYS_pwrite64,
		  IORING_OP_WRITE,
		  { (uint64_t)null, (uintptr_t)buffer, 64 } },
		{ "pread 4 KiB tmpfs",
		  SYS_pread64,
		  IORING_OP_READ,
		  { (uint64_t)file, (uintptr_t)buffer, sizeof(buffer) } },
		{ "statx",
		  SYS_statx,
		  IORING_OP_STATX,
		  { (uint64_t)AT_FDCWD, (uintptr_t) "/tmp/count", 0, STATX_BASIC_STATS,
		    (uintptr_t)&info } },
	};
	struct costs costs[ARRAY_COUNT(subjects)];
	uint64_t began = instructions();

	for (unsigned int i = 0; i < 1000; i++)
		__asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop");
	printf("10000 instructions count as %llu\n", (unsigned long long)(instructions() - began));
	report_posting();
	printf("\n%-22s %8s %8s %8s   instructions a call, batches of %u\n", "", "plain", "posted",
	       "sqpoll", BATCH);
	for (unsigned int i = 0; i < ARRAY_COUNT(subjects); i++)
		measure(&subjects[i], &costs[i]);
	ring_open();
	for (unsigned int i = 0; i < ARRAY_COUNT(subjects); i++)
		measure_ring(&subjects[i], &costs[i]);
	printf("sqpoll of getppid is a NOP: io_uring has no such call\n");
}

static void instructions_of_calls(void)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	null = open("/dev/null", O_RDWR);
	file = open("/tmp/count", O_RDWR | O_CREAT, 0600);
	CHECK(null >= 0 && file >= 0);
	CHECK_INT(write(file, buffer, sizeof(buffer)), sizeof(buffer));
	CHECK_INT(lent_begin(&area, entry, BATCH + 1), 0);
	CHECK_INT(slot_end(&entry[BATCH]), 0);
	count_instructions();
	_exit(0);
}

static const struct test tests[] = {
	TEST_LONG(instructions_of_calls, 120),
};
TEST_MAIN(tests)
