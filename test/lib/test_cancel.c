/*
 * test_cancel.c - what hascall.h promises of hascall_cancel(), hascall_cancel_all() and
 * timeout_ns: the call that is meant ends, no other does, each result comes once.
 *
 * Those that look for rare moments go as many rounds as find a wrong order of two steps;
 * TEST_ROUNDS=10 in the environment makes that ten times as many.
 */
#include "test/lib/area.h"

#include "lib/pool.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define MS UINT64_C(1000000)

static unsigned int rounds_wanted(unsigned int plain, unsigned int when_sanitized)
{
	const char *times = getenv("TEST_ROUNDS");
	unsigned int count = test_sanitized ? when_sanitized : plain;

	return times ? count * (unsigned int)strtoul(times, NULL, 10) : count;
}

static struct hascall_call getpid_call(uint32_t flags)
{
	return (struct hascall_call){ .num = SYS_getpid, .flags = flags };
}

static void running_wait_is_interrupted(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	const struct timespec hour = { .tv_sec = 3600 };
	struct pollfd poll = { .fd = p.out, .events = POLLIN };
	char byte;
	const struct hascall_call call[] = {
		read_call(p.out, &byte, 1),
		{ .num = SYS_poll, .arg = { ADDRESS(&poll), 1, UINT64_MAX } },
		{ .num = SYS_nanosleep, .arg = { ADDRESS(&hour) } },
		{ .num = SYS_clock_nanosleep, .arg = { CLOCK_MONOTONIC, 0, ADDRESS(&hour) } },
	};

	for (unsigned int i = 0; i < ARRAY_COUNT(call); i++) {
		uint64_t ticket = submit_one(h, &call[i]);

		usleep(10000); /* most often begun by then; if not, the result is the same */
		CHECK_INT(hascall_cancel(h, ticket), 0);
		CHECK_INT(result_of(h, ticket), -ECANCELED);
		CHECK_INT(hascall_cancel(h, ticket), -ENOENT);
	}
	pipe_feed(&p); /* nobody is left to take it */
	CHECK_INT(read(p.out, &byte, 1), 1);
	hascall_close(h);
	pipe_close(&p);
}

static void call_nobody_has_begun_is_cancelled_at_once(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	char byte = 0;
	uint64_t running = occupy(h, &p, &byte);
	const struct hascall_call call = write_call(p.in, "y", 1);
	uint64_t waiting = submit_one(h, &call);

	CHECK_INT(hascall_cancel(h, waiting), 0);
	CHECK_INT(hascall_cancel(h, waiting), -EALREADY);
	CHECK_INT(hascall_wait_any(h, -1, 0), 0);
	CHECK_INT(result_of(h, waiting), -ECANCELED);
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	CHECK_INT(byte, 'x');
	hascall_close(h);
	pipe_close(&p);
}

static void cancel_of_unknown_and_finished_calls_says_so(void)
{
	struct hascall *h = area_open(NULL);
	const struct hascall_call call = getpid_call(0);
	uint64_t ticket = submit_one(h, &call);

	CHECK_INT(hascall_cancel(h, ticket + 1), -ENOENT);
	CHECK_INT(hascall_cancel(h, UINT64_MAX), -ENOENT);
	CHECK_INT(hascall_wait_any(h, -1, 0), 0);
	CHECK_INT(hascall_cancel(h, ticket), -EALREADY);
	CHECK_INT(result_of(h, ticket), getpid());
	CHECK_INT(hascall_cancel(h, ticket), -ENOENT);
	CHECK_INT(hascall_cancel_all(h, HASCALL_ALL_GROUPS), 0);
	hascall_close(h);
}

/* Half of a read was done: it is told, not thrown away. */
static void what_a_cancelled_call_did_is_its_result(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char *bytes = malloc(1 << 20);
	const struct hascall_call call = write_call(p.in, bytes, 1 << 20); /* pipe: 64 KiB */
	uint64_t ticket;
	int64_t result;

	CHECK(bytes);
	memset(bytes, 'z', 1 << 20);
	ticket = submit_one(h, &call);
	CHECK_INT(read(p.out, bytes, 1), 1); /* it has begun */
	CHECK_INT(hascall_cancel(h, ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &result), 0);
	CHECK(result > 0 && result < 1 << 20);
	free(bytes);
	hascall_close(h);
	pipe_close(&p);
}

static void later_call_of_a_chain_is_cancelled_before_it_begins(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char byte = 0;
	struct hascall_call call[] = {
		read_call(p.out, &byte, 1),
		getpid_call(HASCALL_CHAIN),
		getpid_call(HASCALL_CHAIN),
		getpid_call(HASCALL_ALWAYS),
	};
	uint64_t ticket[ARRAY_COUNT(call)];

	call[0].flags = HASCALL_CHAIN;
	CHECK_INT(hascall_submit(h, call, ARRAY_COUNT(call), 0, ticket), 0);
	CHECK_INT(hascall_cancel(h, ticket[2]), 0);
	CHECK_INT(hascall_cancel(h, ticket[2]), -EALREADY);
	pipe_feed(&p);
	CHECK_INT(result_of(h, ticket[0]), 1);
	CHECK_INT(result_of(h, ticket[1]), getpid());
	CHECK_INT(result_of(h, ticket[2]), -ECANCELED);
	CHECK_INT(result_of(h, ticket[3]), getpid());
	hascall_close(h);
	pipe_close(&p);
}

/* Whether it runs or not: the rest is cancelled, but for what is to run always. */
static void cancelled_first_call_ends_its_chain(void)
{
	for (unsigned int begun = 0; begun < 2; begun++) {
		struct hascall *h =
			area_open(&(struct hascall_options){ .workers_max = begun ? 2 : 1 });
		struct test_pipe p = pipe_open();
		char bytes[2] = "";
		uint64_t running = occupy(h, &p, &bytes[0]);
		struct hascall_call call[] = {
			read_call(p.out, &bytes[1], 1), getpid_call(HASCALL_CHAIN),
			getpid_call(HASCALL_CHAIN),	getpid_call(HASCALL_CHAIN),
			getpid_call(HASCALL_ALWAYS),
		};
		uint64_t ticket[ARRAY_COUNT(call)];

		call[0].flags = HASCALL_CHAIN;
		call[2].flags |= HASCALL_ALWAYS;
		CHECK_INT(hascall_submit(h, call, ARRAY_COUNT(call), 0, ticket), 0);
		usleep(begun ? 10000 : 0);
		CHECK_INT(hascall_cancel(h, ticket[0]), 0);
		CHECK_INT(result_of(h, ticket[0]), -ECANCELED);
		CHECK_INT(result_of(h, ticket[1]), -ECANCELED);
		pipe_feed(&p); /* a worker for those that run */
		CHECK_INT(result_of(h, ticket[2]), getpid());
		CHECK_INT(result_of(h, ticket[3]), -ECANCELED);
		CHECK_INT(result_of(h, ticket[4]), getpid());
		CHECK_INT(result_of(h, running), 1);
		hascall_close(h);
		pipe_close(&p);
	}
}

struct tally {
	unsigned int count, cancelled;
	uint64_t data;
};

static void tally(void *ctx, uint64_t user_data, int64_t ret)
{
	struct tally *t = ctx;

	t->count++;
	t->cancelled += ret == -ECANCELED;
	t->data += user_data;
}

static void cancel_all_asks_each_call_of_the_group(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	struct hascall_call call;
	struct tally t = { 0 };
	uint64_t other;
	char byte = 0;

	call = read_call(p.out, &byte, 1);
	other = submit_one(h, &call);
	call.group = 5;
	call.user_data = 1;
	for (unsigned int i = 0; i < 40; i++)
		submit_one(h, &call);
	CHECK_INT(hascall_cancel_all(h, 6), 0);
	CHECK_INT(hascall_cancel_all(h, 5), 40);
	CHECK_INT(hascall_wait_all(h, 5, -1, 0), 0);
	CHECK_INT(hascall_reap(h, tally, &t), 40);
	CHECK_INT(t.cancelled, 40);
	CHECK_INT(t.data, 40);
	CHECK_INT(hascall_poll(h, other, &(int64_t){ 0 }), -EAGAIN);
	CHECK_INT(hascall_cancel_all(h, HASCALL_ALL_GROUPS), 1);
	CHECK_INT(result_of(h, other), -ECANCELED);
	hascall_close(h);
	pipe_close(&p);
}

/* The worker that is called back must not find the next call before that is cancelled too. */
static void cancel_all_lets_nothing_begin(void)
{
	struct test_pipe p = pipe_open();

	for (unsigned int round = 0; round < 200; round++) {
		struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
		const struct hascall_call call = { .num = SYS_getpid };
		struct tally t = { 0 };
		char byte = 0;

		occupy(h, &p, &byte);
		for (unsigned int i = 0; i < 20; i++)
			submit_one(h, &call);
		CHECK_INT(hascall_cancel_all(h, HASCALL_ALL_GROUPS), 21);
		CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
		CHECK_INT(hascall_reap(h, tally, &t), 21);
		CHECK_INT(t.cancelled, 21);
		hascall_close(h);
	}
	pipe_close(&p);
}

/* open, a read that waits, close: the descriptor must not stay open. */
static void cancel_all_leaves_the_close_of_a_chain(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char byte = 0;
	struct hascall_call call[] = {
		{ .num = SYS_dup, .flags = HASCALL_CHAIN, .arg = { (uint64_t)p.out } },
		read_call(-1, &byte, 1),
		{ .num = SYS_close, .flags = HASCALL_ALWAYS, .from = { 2 } },
	};
	uint64_t ticket[3];
	int64_t fd;

	call[1].flags = HASCALL_CHAIN;
	call[1].from[0] = 1;
	CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0);
	fd = result_of(h, ticket[0]);
	CHECK_INT(hascall_cancel_all(h, 0), 1);
	CHECK_INT(result_of(h, ticket[1]), -ECANCELED);
	CHECK_INT(result_of(h, ticket[2]), 0);
	CHECK_INT(fcntl((int)fd, F_GETFD), -1);
	hascall_close(h);
	pipe_close(&p);
}

static void deadline_ends_a_running_call(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	struct timespec begin, end;
	char byte;
	struct hascall_call call = read_call(p.out, &byte, 1);

	call.timeout_ns = 30 * MS;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_INT(result_of(h, submit_one(h, &call)), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK((uint64_t)(end.tv_sec - begin.tv_sec) * 1000 * MS + (uint64_t)end.tv_nsec >=
	      (uint64_t)begin.tv_nsec + 30 * MS);
	hascall_close(h);
	pipe_close(&p);
}

static void deadline_ends_a_call_nobody_has_begun(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	char bytes[2] = "";
	uint64_t running = occupy(h, &p, &bytes[0]);
	struct hascall_call call[] = {
		read_call(p.out, &bytes[1], 1),
		getpid_call(HASCALL_CHAIN),
		getpid_call(0),
	};
	uint64_t ticket[3];
	int64_t result;

	call[0].timeout_ns = MS; /* alone */
	CHECK_INT(result_of(h, submit_one(h, &call[0])), -ETIMEDOUT);
	call[0].flags = HASCALL_CHAIN; /* with others after it; a helper must leave it alone */
	CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0);
	CHECK_INT(hascall_wait(h, ticket[0], -1, HASCALL_HELP, &result), 0);
	CHECK_INT(result, -ETIMEDOUT);
	CHECK_INT(result_of(h, ticket[1]), -ECANCELED);
	CHECK_INT(result_of(h, ticket[2]), -ECANCELED);
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	hascall_close(h);
	pipe_close(&p);
}

static void deadline_of_a_later_call_counts_from_the_submission(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char byte;
	struct hascall_call call[] = {
		read_call(p.out, &byte, 1),
		getpid_call(HASCALL_CHAIN),
		getpid_call(0),
	};
	uint64_t ticket[3];

	call[0].flags = HASCALL_CHAIN;
	call[1].timeout_ns = MS;
	CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0);
	/* Its time is over before its turn comes. */
	while (!__atomic_load_n(&h->cut[(uint32_t)ticket[1]], __ATOMIC_RELAXED))
		usleep(100);
	pipe_feed(&p);
	CHECK_INT(result_of(h, ticket[0]), 1);
	CHECK_INT(result_of(h, ticket[1]), -ETIMEDOUT);
	CHECK_INT(result_of(h, ticket[2]), -ECANCELED);
	hascall_close(h);
	pipe_close(&p);
}

/* Many at a time, more than are met at once; and some that end before. */
static void each_deadline_is_met(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .entries = 256 });
	struct test_pipe p = pipe_open();
	unsigned int rounds = rounds_wanted(10, 3);
	char byte;

	for (unsigned int round = 0; round < rounds; round++) {
		uint64_t ticket[200];
		struct hascall_call call;

		for (unsigned int i = 0; i < 200; i++) {
			call = i % 2 ? getpid_call(0) : read_call(p.out, &byte, 1);
			call.timeout_ns = i % 2 ? UINT64_MAX : 1 + i * 37 % 100 * MS / 10;
			ticket[i] = submit_one(h, &call);
		}
		for (unsigned int i = 0; i < 200; i++)
			CHECK_INT(result_of(h, ticket[i]), i % 2 ? getpid() : -ETIMEDOUT);
	}
	hascall_close(h);
	pipe_close(&p);
}

/* A deadline that passes while its entry is taken and used again must not hit the next call. */
static void deadline_does_not_outlive_its_call(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .entries = 1 });
	const struct timespec pause = { .tv_nsec = 300000 };
	struct hascall_call quick = { .num = SYS_nanosleep, .arg = { ADDRESS(&pause) } };
	struct hascall_call innocent = quick;
	unsigned int rounds = rounds_wanted(800, 200);
	unsigned int late = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		int64_t result;

		quick.timeout_ns = 200000 + i % 400 * 1000;
		result = result_of(h, submit_one(h, &quick));
		CHECK(result == 0 || result == -ETIMEDOUT);
		late += result < 0;
		CHECK_INT(result_of(h, submit_one(h, &innocent)), 0);
	}
	fprintf(stderr, "# %u of %u timed out\n", late, rounds);
	hascall_close(h);
}

/* Executors in the kernel show what they execute a moment late: who cancels then tries again. */
static int cancel(struct hascall *h, uint64_t ticket)
{
	int r;

	do
		r = hascall_cancel(h, ticket);
	while (r == -EAGAIN && hascall_in_kernel(h));
	return r;
}

/*
 * Cancels at all points of a call's life, against workers that go on to other calls at
 * once: a signal that came late would show as -EINTR or -ECANCELED of an innocent one.
 */
static void no_innocent_call_is_hit_and_no_cancel_is_lost(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 3, .parallel = 2 });
	const struct timespec pause = { .tv_nsec = 20000 };
	const struct hascall_call innocent = { .num = SYS_nanosleep,
					       .arg = { ADDRESS(&pause) },
					       .user_data = 1 };
	unsigned int rounds = rounds_wanted(2000, 1000);
	struct test_pipe p = pipe_open();
	unsigned int seen[3] = { 0 };
	uint32_t seed = 1;
	char byte;

	for (unsigned int i = 0; i < rounds; i++) {
		const struct hascall_call victim = read_call(p.out, &byte, 1);
		uint64_t ticket[4];
		int r;

		ticket[0] = submit_one(h, &innocent);
		ticket[1] = submit_one(h, &victim);
		ticket[2] = submit_one(h, &innocent);
		ticket[3] = submit_one(h, &innocent);
		seed = seed * 1664525u + 1013904223u;
		for (uint32_t spin = seed >> 16 & 0x3fff; spin > 0; spin--)
			__builtin_ia32_pause();
		CHECK_INT(cancel(h, ticket[1]), 0);
		CHECK_INT(result_of(h, ticket[1]), -ECANCELED);
		r = cancel(h, ticket[2]);
		CHECK(r == 0 || r == -EALREADY);
		for (unsigned int k = 0; k < 4; k++) {
			int64_t result;

			if (k == 1)
				continue;
			result = result_of(h, ticket[k]);
			if (k == 2 && r == 0 && result == -ECANCELED)
				seen[0]++;
			else
				CHECK_INT(result, 0);
		}
	}
	fprintf(stderr, "# %u of %u short sleeps were cancelled\n", seen[0], rounds);
	hascall_close(h);
	pipe_close(&p);
}

/*
 * A call that ends just when it is cancelled, and a sleep after it by the same worker: the
 * signal for the one must not cut the other short.
 */
static void signal_that_comes_late_hits_no_later_call(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	const struct timespec pause = { .tv_nsec = 1 };
	struct hascall_call call[2] = {
		{ .num = SYS_read },
		{ .num = SYS_nanosleep, .arg = { ADDRESS(&pause) } },
	};
	unsigned int rounds = rounds_wanted(3000, 1000);
	unsigned int asked = 0;
	static char bytes[4096];

	CHECK(fd >= 0);
	call[0] = read_call(fd, bytes, sizeof(bytes));
	for (unsigned int i = 0; i < rounds; i++) {
		uint64_t ticket[2];
		int64_t result;
		int r;

		CHECK_INT(hascall_submit(h, call, 2, 0, ticket), 0);
		for (uint32_t spin = i % 512; spin > 0; spin--)
			__builtin_ia32_pause();
		r = hascall_cancel(h, ticket[0]);
		CHECK(r == 0 || r == -EALREADY);
		asked += r == 0;
		result = result_of(h, ticket[0]);
		CHECK(result > 0 || (r == 0 && result == -ECANCELED));
		CHECK_INT(result_of(h, ticket[1]), 0);
	}
	fprintf(stderr, "# %u of %u were asked in time\n", asked, rounds);
	hascall_close(h);
	close(fd);
}

static void note_signal(int number)
{
	(void)number;
}

static void handler_of_the_application_is_left_alone(void)
{
	struct sigaction theirs = { .sa_handler = note_signal };
	struct sigaction now;
	struct test_pipe p = pipe_open();
	struct hascall *h;
	uint64_t running;
	char byte;

	CHECK_INT(sigaction(SIGRTMAX, &theirs, NULL), 0);
	h = area_open(&(struct hascall_options){ .workers_max = 1 });
	CHECK_INT(sigaction(SIGRTMAX, NULL, &now), 0);
	CHECK(now.sa_handler == note_signal);
	running = occupy(h, &p, &byte);
	CHECK_INT(hascall_cancel(h, running), -EOPNOTSUPP);
	CHECK_INT(hascall_cancel(h, running), -EOPNOTSUPP);
	/* What is not begun needs no signal. */
	{
		const struct hascall_call call = getpid_call(0);
		uint64_t waiting = submit_one(h, &call);

		CHECK_INT(hascall_cancel(h, waiting), 0);
		CHECK_INT(result_of(h, waiting), -ECANCELED);
	}
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	hascall_close(h);
	pipe_close(&p);
}

static void signal_is_an_option_the_same_for_all_areas(void)
{
	struct hascall_options options = { .size = sizeof(options) };
	struct test_pipe p = pipe_open();
	struct hascall *h = NULL;
	struct hascall *second;
	struct sigaction now;
	uint64_t running;
	char byte;

	options.cancel_signal = SIGUSR1;
	CHECK_INT(hascall_open(&h, &options), -EINVAL);
	options.cancel_signal = SIGRTMAX + 1;
	CHECK_INT(hascall_open(&h, &options), -EINVAL);
	options.cancel_signal = SIGRTMIN + 3;
	CHECK_INT(hascall_open(&h, &options), 0);
	CHECK_INT(sigaction(SIGRTMAX, NULL, &now), 0);
	CHECK(now.sa_handler == SIG_DFL);
	options.cancel_signal = SIGRTMIN + 4;
	CHECK_INT(hascall_open(&second, &options), -EINVAL);
	options.cancel_signal = 0;
	CHECK_INT(hascall_open(&second, &options), 0);
	running = occupy(second, &p, &byte);
	CHECK_INT(hascall_cancel(second, running), 0);
	CHECK_INT(result_of(second, running), -ECANCELED);
	hascall_close(second);
	hascall_close(h);
	pipe_close(&p);
}

/* As a stray one of another process would: the call goes on or says -EINTR, nothing breaks. */
static void stray_signal_breaks_nothing(void)
{
	struct hascall *h = area_open(NULL);
	const struct hascall_call call = getpid_call(0);

	for (unsigned int i = 0; i < 2000; i++) {
		uint64_t ticket = submit_one(h, &call);

		CHECK_INT(kill(getpid(), SIGRTMAX), 0);
		CHECK_INT(result_of(h, ticket), getpid());
	}
	hascall_close(h);
}

static void cancel_says_when_the_kernel_can_queue_no_signal(void)
{
	struct rlimit none = { 0 };
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	struct rlimit old;
	uint64_t running;
	char byte;
	int r;

	running = occupy(h, &p, &byte);
	CHECK_INT(getrlimit(RLIMIT_SIGPENDING, &old), 0);
	none.rlim_max = old.rlim_max;
	CHECK_INT(setrlimit(RLIMIT_SIGPENDING, &none), 0);
	r = hascall_cancel(h, running);
	CHECK_INT(setrlimit(RLIMIT_SIGPENDING, &old), 0);
	CHECK_INT(r, -EAGAIN);
	CHECK_INT(hascall_cancel(h, running), 0);
	CHECK_INT(result_of(h, running), -ECANCELED);
	hascall_close(h);
	pipe_close(&p);
}

static void cancel_makes_close_possible(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char bytes[64];

	for (unsigned int i = 0; i < 64; i++) {
		const struct hascall_call call = read_call(p.out, &bytes[i], 1);

		submit_one(h, &call);
	}
	CHECK_INT(hascall_cancel_all(h, HASCALL_ALL_GROUPS), 64);
	hascall_close(h);
	pipe_close(&p);
}

static void forked_child_cancels_nothing(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char byte;
	const struct hascall_call call = read_call(p.out, &byte, 1);
	uint64_t running = submit_one(h, &call);
	int status = -1;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_INT(hascall_cancel(h, running), -ESHUTDOWN);
		CHECK_INT(hascall_cancel_all(h, HASCALL_ALL_GROUPS), 0);
		CHECK_INT(hascall_submit(h, &call, 1, 0, NULL), -ESHUTDOWN);
		CHECK_INT(hascall_wait_all(h, 0, -1, 0), -ESHUTDOWN);
		hascall_close(h);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	hascall_close(h);
	pipe_close(&p);
}

static const struct test tests[] = {
	TEST(running_wait_is_interrupted),
	TEST(call_nobody_has_begun_is_cancelled_at_once),
	TEST(cancel_of_unknown_and_finished_calls_says_so),
	TEST(what_a_cancelled_call_did_is_its_result),
	TEST(later_call_of_a_chain_is_cancelled_before_it_begins),
	TEST(cancelled_first_call_ends_its_chain),
	TEST(cancel_all_asks_each_call_of_the_group),
	TEST(cancel_all_lets_nothing_begin),
	TEST(cancel_all_leaves_the_close_of_a_chain),
	TEST(deadline_ends_a_running_call),
	TEST(deadline_ends_a_call_nobody_has_begun),
	TEST(deadline_of_a_later_call_counts_from_the_submission),
	TEST(each_deadline_is_met),
	TEST_LONG(deadline_does_not_outlive_its_call, 30),
	TEST_LONG(no_innocent_call_is_hit_and_no_cancel_is_lost, 60),
	TEST_LONG(signal_that_comes_late_hits_no_later_call, 30),
	TEST(handler_of_the_application_is_left_alone),
	TEST(signal_is_an_option_the_same_for_all_areas),
	TEST(stray_signal_breaks_nothing),
	TEST(cancel_says_when_the_kernel_can_queue_no_signal),
	TEST(cancel_makes_close_possible),
	TEST(forked_child_cancels_nothing),
};
TEST_MAIN(tests)
