#include "test/stress/stress.h"

#include "slot/slot.h"
#include "test/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t stress_seed(void)
{
	const char *given = getenv("STRESS_SEED");
	uint64_t seed = 0;

	if (given)
		seed = strtoull(given, NULL, 0);
	else
		CHECK_INT(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	seed |= 1; /* 0 would stay 0 */
	fprintf(stderr, "# STRESS_SEED=%" PRIu64 "\n", seed);
	return seed;
}

/* xorshift64* */
uint64_t stress_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

uint32_t stress_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(stress_next(state) >> 32) % limit;
}

bool stress_chance(uint64_t *state, uint32_t one_in)
{
	return stress_below(state, one_in) == 0;
}

int64_t stress_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (1000 * NS_PER_MS) + t.tv_nsec;
}

void stress_sleep_us(unsigned int us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

void *stress_share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

void journal_open(struct journal *j, uint32_t count)
{
	j->count = count;
	j->fd = memfd_create("journal", MFD_CLOEXEC);
	CHECK(j->fd >= 0);
	CHECK_INT(fcntl(j->fd, F_SETFL, O_APPEND), 0);
	j->number = stress_share(count * sizeof(*j->number));
	for (uint32_t i = 0; i < count; i++)
		j->number[i] = i;
}

void journal_call(const struct journal *j, uint32_t number, uint64_t ret_arg[6])
{
	CHECK(number < j->count);
	memset(ret_arg, 0, 6 * sizeof(*ret_arg));
	ret_arg[0] = (uint64_t)j->fd;
	ret_arg[1] = (uintptr_t)&j->number[number];
	ret_arg[2] = JOURNAL_RESULT;
}

uint8_t *journal_read(const struct journal *j)
{
	uint8_t *times = calloc(j->count, 1);
	uint64_t numbers[128];
	off_t offset = 0;
	ssize_t size;

	CHECK(times);
	while ((size = pread(j->fd, numbers, sizeof(numbers), offset)) > 0) {
		CHECK_INT(size % (ssize_t)sizeof(numbers[0]), 0);
		offset += size;
		for (size_t i = 0; i < (size_t)size / sizeof(numbers[0]); i++) {
			CHECK(numbers[i] < j->count);
			if (times[numbers[i]] < UINT8_MAX)
				times[numbers[i]]++;
		}
	}
	CHECK_INT(size, 0);
	return times;
}

void journal_close(struct journal *j)
{
	munmap(j->number, j->count * sizeof(*j->number));
	close(j->fd);
}

void entry_post(struct syscall_info *e, uint32_t num, const uint64_t arg[6], uint32_t bits,
		uint64_t link)
{
	CHECK_INT(slot_state(e), SYSCALL_NONE);
	__atomic_store_n(&e->num, num, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 6; i++)
		__atomic_store_n(&e->arg[i], arg[i], __ATOMIC_RELAXED);
	__atomic_store_n(&e->ret, (int64_t)link, __ATOMIC_RELAXED);
	__atomic_store_n(&e->state, SYSCALL_HASCALL | bits, __ATOMIC_RELEASE);
}

uint32_t entry_state(const struct syscall_info *e)
{
	return __atomic_load_n(&e->state, __ATOMIC_ACQUIRE) & SYSCALL_STATE_MASK;
}

bool entry_recall(struct syscall_info *e)
{
	uint32_t word = __atomic_load_n(&e->state, __ATOMIC_ACQUIRE);

	while ((word & SYSCALL_STATE_MASK) == SYSCALL_HASCALL)
		if (__atomic_compare_exchange_n(&e->state, &word, SYSCALL_NONE, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

int entry_wait(struct syscall_info *e, int64_t timeout_ns, int64_t *ret_result)
{
	int64_t end = stress_now_ns() + timeout_ns;
	uint32_t flags;
	int r;

	while ((r = slot_take(e, ret_result, &flags)) == -EAGAIN) {
		int64_t left = timeout_ns < 0 ? 0 : end - stress_now_ns();
		struct timespec t = { .tv_sec = left / (1000 * NS_PER_MS),
				      .tv_nsec = left % (1000 * NS_PER_MS) };
		uint32_t word;

		if (left < 0)
			return -ETIMEDOUT;
		if (slot_wait_begin(e, &word) == 0)
			syscall(SYS_futex, &e->state, FUTEX_WAIT, word, timeout_ns < 0 ? NULL : &t,
				NULL, 0);
	}
	return r;
}

struct executor {
	struct executors *all;
	unsigned int index;
};

static void *execute(void *arg)
{
	struct executor *x = arg;

	x->all->answer[x->index] = async_syscall_exec(x->all->area);
	free(x);
	return NULL;
}

void executors_start(struct executors *x, int area, unsigned int count)
{
	CHECK(area >= 0 && count <= EXECUTORS_MAX);
	x->area = area;
	x->count = count;
	for (unsigned int i = 0; i < count; i++) {
		struct executor *one = malloc(sizeof(*one));

		CHECK(one);
		*one = (struct executor){ .all = x, .index = i };
		x->answer[i] = 1;
		CHECK_INT(pthread_create(&x->thread[i], NULL, execute, one), 0);
	}
}

void executors_join(struct executors *x, int answer)
{
	for (unsigned int i = 0; i < x->count; i++) {
		CHECK_INT(pthread_join(x->thread[i], NULL), 0);
		CHECK_INT(x->answer[i], answer);
	}
}

static unsigned int count_names(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *d;
	unsigned int count = 0;

	CHECK(dir);
	while ((d = readdir(dir)))
		count += d->d_name[0] != '.';
	closedir(dir);
	return count;
}

static struct census count_all(void)
{
	return (struct census){ .threads = count_names("/proc/self/task"),
				.descriptors = count_names("/proc/self/fd") };
}

static void *note_tid(void *ret_tid)
{
	*(pid_t *)ret_tid = gettid();
	return NULL;
}

/* With the first thread of a process, a sanitizer starts one of its own: so do that first. */
struct census census_take(void)
{
	pthread_t thread;

	if (test_sanitized) {
		char folder[48];
		pid_t tid;

		CHECK_INT(pthread_create(&thread, NULL, note_tid, &tid), 0);
		CHECK_INT(pthread_join(thread, NULL), 0);
		/* A thread that was joined may take a moment to leave the list. */
		snprintf(folder, sizeof(folder), "/proc/self/task/%d", tid);
		while (access(folder, F_OK) == 0)
			stress_sleep_us(100);
	}
	return count_all();
}

void census_check(const struct census *before)
{
	struct census now = count_all();

	for (unsigned int ms = 0; ms < 5000 && now.threads > before->threads; ms++) {
		stress_sleep_us(1000);
		now = count_all();
	}
	CHECK_INT(now.threads, before->threads);
	CHECK_INT(now.descriptors, before->descriptors);
}

unsigned int census_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int lines = 0;
	int c;

	CHECK(f);
	while ((c = fgetc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

struct hascall *stress_open(const struct hascall_options *options)
{
	struct hascall_options o = *options;
	struct hascall *h = NULL;

	o.size = sizeof(o);
	CHECK_INT(hascall_open(&h, &o), 0);
	return h;
}

int64_t stress_call(struct hascall *h, uint32_t num, const uint64_t arg[6], uint32_t wait_flags)
{
	uint64_t ticket;
	int64_t ret = 0;

	CHECK_INT(hascall_post(h, num, arg, 0, 0, &ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, wait_flags, &ret), 0);
	return ret;
}

void stress_drop_result(void *ctx, uint64_t user_data, int64_t ret)
{
	(void)ctx;
	(void)user_data;
	(void)ret;
}

struct seen {
	unsigned int count;
	int64_t ret[4];
};

static void see(void *ctx, uint64_t user_data, int64_t ret)
{
	struct seen *s = ctx;

	CHECK(user_data < ARRAY_COUNT(s->ret));
	s->ret[user_data] = ret;
	s->count++;
}

/* lseek() of no file fails; the one after it has a result of its own all the same. */
static void use_chain(struct hascall *h, uint32_t wait_flags)
{
	const struct hascall_call calls[] = {
		{ .num = SYS_getppid, .flags = HASCALL_CHAIN, .user_data = 0, .group = 7 },
		{ .num = SYS_lseek,
		  .flags = HASCALL_CHAIN,
		  .arg = { UINT64_MAX },
		  .user_data = 1,
		  .group = 7 },
		{ .num = SYS_getppid, .flags = HASCALL_CHAIN, .user_data = 2, .group = 7 },
		{ .num = SYS_getppid, .flags = HASCALL_ALWAYS, .user_data = 3, .group = 7 },
	};
	struct seen seen = { 0 };

	CHECK_INT(hascall_submit(h, calls, ARRAY_COUNT(calls), 0, NULL), 0);
	CHECK_INT(hascall_wait_all(h, 7, -1, wait_flags), 0);
	CHECK_INT(hascall_reap(h, see, &seen), ARRAY_COUNT(calls));
	CHECK_INT(seen.ret[0], getppid());
	CHECK_INT(seen.ret[1], -EBADF);
	CHECK_INT(seen.ret[2], -ECANCELED);
	CHECK_INT(seen.ret[3], getppid());
}

static void use_any(struct hascall *h, uint32_t wait_flags)
{
	struct seen seen = { 0 };

	for (unsigned int i = 0; i < 4; i++)
		CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, i, HASCALL_MORE, NULL),
			  0);
	while (seen.count < 4) {
		CHECK_INT(hascall_wait_any(h, -1, wait_flags), 0);
		hascall_reap(h, see, &seen);
	}
	for (unsigned int i = 0; i < 4; i++)
		CHECK_INT(seen.ret[i], getppid());
}

/* A call that would wait for ever ends by its own time limit, another by request. */
static void use_cancel(struct hascall *h)
{
	const struct hascall_call calls[] = {
		{ .num = SYS_poll, .arg = { 0, 0, UINT64_MAX }, .timeout_ns = 2000000 },
		{ .num = SYS_poll, .arg = { 0, 0, UINT64_MAX } },
	};
	uint64_t tickets[2];
	int64_t ret = 0;

	CHECK_INT(hascall_submit(h, calls, 2, 0, tickets), 0);
	CHECK_INT(hascall_wait(h, tickets[0], -1, 0, &ret), 0);
	CHECK_INT(ret, -ETIMEDOUT);
	CHECK_INT(hascall_wait(h, tickets[1], 1000, 0, &ret), -ETIMEDOUT);
	CHECK_INT(hascall_cancel(h, tickets[1]), 0);
	CHECK_INT(hascall_wait(h, tickets[1], -1, 0, &ret), 0);
	CHECK_INT(ret, -ECANCELED);
}

void stress_use_most(struct hascall *h)
{
	for (uint32_t flags = 0; flags <= HASCALL_HELP; flags += HASCALL_HELP) {
		CHECK_INT(stress_call(h, SYS_getppid, (uint64_t[6]){ 0 }, flags), getppid());
		CHECK_INT(stress_call(h, SYS_fork, (uint64_t[6]){ 0 }, flags), -EOPNOTSUPP);
		CHECK_INT(stress_call(h, 5000, (uint64_t[6]){ 0 }, flags), -ENOSYS);
		use_any(h, flags);
		use_chain(h, flags);
	}
	CHECK_INT(hascall_in_flight(h), 0);
}

void stress_use_everything(struct hascall *h)
{
	stress_use_most(h);
	use_cancel(h);
	CHECK_INT(hascall_in_flight(h), 0);
}

int stress_in_child(void (*fn)(void *), void *arg)
{
	int status = -1;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		CHECK_INT(errno, EINTR);
	return status;
}
