/*
 * count_kernel.c - instructions a call costs: made plainly, posted to an executor in the
 * kernel, given to io_uring with a polling thread, posted by libhascall's pool. For a guest
 * with one processor under `-icount shift=0`, where the time stamp counter counts executed
 * instructions, of the kernel and of all threads.
 *
 * Prints lines "SUBJECT: WAY NUMBER", which bench/kernel/run makes a table of.
 */
#include "hascall/hascall.h"
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
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

/*
 * What is measured: a call, or an openat with a close of what it gave; and what io_uring calls
 * it (-1: it has no such call).
 */
struct subject {
	const char *name;
	uint32_t num;
	int opcode;
	uint64_t arg[6];
	bool with_close;
};

static uint32_t operations(const struct subject *s)
{
	return s->with_close ? BATCH / 2 : BATCH;
}

static void check_result(const struct subject *s, int64_t result)
{
	CHECK(result >= 0 || (s->num == SYS_close && result == -EBADF));
}

static void plain(const struct subject *s)
{
	for (uint32_t i = 0; i < operations(s); i++) {
		long r = syscall(s->num, s->arg[0], s->arg[1], s->arg[2], s->arg[3], s->arg[4],
				 s->arg[5]);

		if (s->with_close)
			syscall(SYS_close, r);
	}
}

/* Posted. */

static void post_all(const struct subject *s)
{
	const uint64_t link = SYSCALL_LINK_FROM(0, 1);

	for (uint32_t i = 0; i < BATCH && !s->with_close; i++)
		CHECK_INT(slot_post(&entry[i], s->num, s->arg), 0);
	for (uint32_t i = 0; i < BATCH && s->with_close; i += 2) {
		CHECK_INT(slot_post_held(&entry[i + 1], SYS_close, NO_ARGS, link), 0);
		CHECK_INT(slot_post_first(&entry[i], s->num, s->arg, SYSCALL_LINK_NEXT(i + 1)), 0);
	}
}

static void execute_all(const struct subject *s)
{
	static struct async_syscall_executor record;

	(void)s;
	CHECK_INT(lent_exec(&area, &record), ASYNC_SYSCALL_ENDED);
}

static void take_all(const struct subject *s)
{
	int64_t result = 0;
	uint32_t flags;

	for (uint32_t i = 0; i < BATCH; i++) {
		CHECK_INT(slot_take(&entry[i], &result, &flags), 0);
		check_result(s, result);
	}
}

static void post_execute_take(const struct subject *s)
{
	post_all(s);
	execute_all(s);
	take_all(s);
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
	uint32_t cq_mask;
	struct io_uring_cqe *cqe;
};
static struct ring ring;

static void ring_open(void)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1000 };
	struct io_uring_rsrc_register files = { .nr = BATCH, .flags = IORING_RSRC_REGISTER_SPARSE };
	char *sq;
	char *cq;

	ring.fd = (int)syscall(SYS_io_uring_setup, BATCH, &p);
	if (ring.fd < 0)
		return;
	CHECK_INT(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES2, &files,
			  sizeof(files)),
		  0);
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
	ring.cqe = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
	ring.cq_mask = p.cq_entries - 1;
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
	} else if (s->opcode == IORING_OP_OPENAT) {
		e->addr = s->arg[1];
		e->open_flags = (uint32_t)s->arg[2];
	}
}

/* The file goes to a place of the ring's own table, as only such a one can be closed in a link. */
static void fill_pair(struct io_uring_sqe *e, struct io_uring_sqe *next, const struct subject *s,
		      uint32_t place)
{
	fill(e, s);
	e->flags = IOSQE_IO_LINK;
	e->file_index = place + 1;
	*next = (struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .file_index = place + 1 };
}

static struct io_uring_sqe *sqe_at(uint32_t tail)
{
	ring.sq_array[tail & ring.sq_mask] = tail & ring.sq_mask;
	return &ring.sqe[tail & ring.sq_mask];
}

static void by_ring(const struct subject *s)
{
	uint32_t tail = *ring.sq_tail;
	uint32_t done = *ring.cq_head;

	for (uint32_t i = 0; i < operations(s); i++, tail++) {
		if (s->with_close) {
			fill_pair(sqe_at(tail), sqe_at(tail + 1), s, i);
			tail++;
		} else {
			fill(sqe_at(tail), s);
		}
	}
	__atomic_store_n(ring.sq_tail, tail, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(ring.sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		syscall(SYS_io_uring_enter, ring.fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
	while (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) - done < BATCH)
		syscall(SYS_io_uring_enter, ring.fd, 0,
			BATCH - (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) - done),
			IORING_ENTER_GETEVENTS, NULL, 0);
	for (uint32_t i = 0; i < BATCH; i++)
		check_result(s, ring.cqe[(done + i) & ring.cq_mask].res);
	__atomic_store_n(ring.cq_head, done + BATCH, __ATOMIC_RELEASE);
}

/* The library's pool. */

static struct hascall *pool;

static void pool_open(void)
{
	const struct hascall_options options = { .size = sizeof(options), .entries = BATCH };

	CHECK_INT(hascall_open(&pool, &options), 0);
}

static void take_pooled(void *subject, uint64_t user_data, int64_t result)
{
	(void)user_data;
	check_result(subject, result);
}

static void by_pool(const struct subject *s)
{
	struct subject copy = *s;
	struct hascall_call pair[2] = { { .num = s->num, .flags = HASCALL_CHAIN },
					{ .num = SYS_close, .from = { 1 } } };

	memcpy(pair[0].arg, s->arg, sizeof(pair[0].arg));
	for (uint32_t i = 0; i < operations(s); i++)
		CHECK_INT(s->with_close ? hascall_submit(pool, pair, 2, HASCALL_MORE, NULL)
					: hascall_post(pool, s->num, s->arg, i, HASCALL_MORE, NULL),
			  0);
	CHECK_INT(hascall_wait_all(pool, HASCALL_ALL_GROUPS, -1, 0), 0);
	CHECK_INT(hascall_reap(pool, take_pooled, &copy), BATCH);
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
	return best / operations(s);
}

static void report(const char *subject, const char *way, uint64_t number)
{
	printf("%s: %s %llu\n", subject, way, (unsigned long long)number);
	fflush(stdout);
}

static void count_posted(const struct subject *s, size_t count)
{
	CHECK_INT(lent_begin(&area, entry, BATCH + 1), 0);
	CHECK_INT(slot_end(&entry[BATCH]), 0);
	for (size_t i = 0; i < count; i++) {
		report(s[i].name, "plain", cost(&s[i], NULL, plain, NULL));
		report(s[i].name, "executor", cost(&s[i], post_all, execute_all, take_all));
		report(s[i].name, "posted", cost(&s[i], NULL, post_execute_take, NULL));
	}
	CHECK_INT(lent_forget(&area), 0);
}

static void count_pool(const struct subject *s, size_t count, const char *way)
{
	pool_open();
	/* Threads that the first calls have brought must have run: not what a call costs. */
	by_pool(&s[0]);
	usleep(100 * 1000);
	for (size_t i = 0; i < count; i++)
		report(s[i].name, way, cost(&s[i], NULL, by_pool, NULL));
	hascall_close(pool);
}

/* Last: the ring's thread keeps the processor busy for a while. */
static void count_ring(const struct subject *s, size_t count)
{
	ring_open();
	for (size_t i = 0; i < count; i++)
		if (s[i].opcode >= 0 && ring.fd >= 0)
			report(s[i].name, "sqpoll", cost(&s[i], NULL, by_ring, NULL));
}

static void count_instructions(void)
{
	const struct subject subjects[] = {
		{ "getppid", SYS_getppid, IORING_OP_NOP, { 0 }, false },
		{ "close(-1)", SYS_close, -1, { (uint64_t)-1 }, false },
		{ "pwrite 64 B /dev/null",
		  SYS_pwrite64,
		  IORING_OP_WRITE,
		  { (uint64_t)null, (uintptr_t)buffer, 64 },
		  false },
		{ "pwrite 4 KiB tmpfs",
		  SYS_pwrite64,
		  IORING_OP_WRITE,
		  { (uint64_t)file, (uintptr_t)buffer, sizeof(buffer) },
		  false },
		{ "pread 4 KiB tmpfs",
		  SYS_pread64,
		  IORING_OP_READ,
		  { (uint64_t)file, (uintptr_t)buffer, sizeof(buffer) },
		  false },
		{ "statx",
		  SYS_statx,
		  IORING_OP_STATX,
		  { (uint64_t)AT_FDCWD, (uintptr_t) "/tmp/count", 0, STATX_BASIC_STATS,
		    (uintptr_t)&info },
		  false },
		{ "openat+close",
		  SYS_openat,
		  IORING_OP_OPENAT,
		  { (uint64_t)AT_FDCWD, (uintptr_t) "/tmp/count", O_RDONLY },
		  true },
	};
	uint64_t began = instructions();

	for (unsigned int i = 0; i < 1000; i++)
		__asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop");
	report("10000 instructions", "counted", instructions() - began);
	count_posted(subjects, ARRAY_COUNT(subjects));
	CHECK_INT(setenv("HASCALL_KERNEL", "0", 1), 0);
	count_pool(subjects, ARRAY_COUNT(subjects), "threads");
	CHECK_INT(setenv("HASCALL_KERNEL", "1", 1), 0);
	count_pool(subjects, ARRAY_COUNT(subjects), "pool");
	count_ring(subjects, ARRAY_COUNT(subjects));
}

static void instructions_of_calls(void)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	null = open("/dev/null", O_RDWR);
	file = open("/tmp/count", O_RDWR | O_CREAT, 0600);
	CHECK(null >= 0 && file >= 0);
	CHECK_INT(write(file, buffer, sizeof(buffer)), sizeof(buffer));
	count_instructions();
	_exit(0); /* descriptors and a ring's thread are left */
}

static const struct test tests[] = {
	TEST_LONG(instructions_of_calls, 240),
};
TEST_MAIN(tests)
