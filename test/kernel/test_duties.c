/*
 * test_duties.c - what kernel.h and syscall_info.h promise of executors in the kernel: one
 * that sleeps is replaced, chains, signals, and what a kernel owes a call that ends.
 */
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 80u
#define END_ENTRY (ENTRIES - 1)
#define SLEEPERS 64u

static struct syscall_info entry[ENTRIES];
static struct lent_area area;

static void begin(uint32_t threads)
{
	lent_open(&area, entry, ENTRIES, threads);
}

/* One executor runs at a time; the reads end only if the writes behind them begin. */
static void executors_that_sleep_are_replaced(void)
{
	static int fds[SLEEPERS][2];
	static char got[SLEEPERS];

	area.grows = true;
	begin(2);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < SLEEPERS; i++) {
			CHECK_INT(pipe(fds[i]), 0);
			lent_post(&area, i, SYS_read,
				  ARGS((uint64_t)fds[i][0], (uintptr_t)&got[i], 1));
		}
		for (uint32_t i = 0; i < SLEEPERS; i++)
			CHECK_INT(lent_call(&area, SLEEPERS + i % 8, SYS_write,
					    ARGS((uint64_t)fds[i][1], (uintptr_t) "x", 1)),
				  1);
		for (uint32_t i = 0; i < SLEEPERS; i++) {
			CHECK_INT(lent_take(&area, i), 1);
			CHECK_INT(got[i], 'x');
			close(fds[i][0]);
			close(fds[i][1]);
		}
	}
	CHECK(area.count >= SLEEPERS + 1);
	lent_end(&area, END_ENTRY);
}

static void without_help_a_call_waits_for_a_sleeping_executor(void)
{
	char byte = 0;
	int fds[2];

	begin(1);
	CHECK_INT(pipe(fds), 0);
	lent_post(&area, 0, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1));
	lent_await(&area, 0, SYSCALL_EXECUTING);
	lent_post(&area, 1, SYS_getpid, NO_ARGS);
	usleep(100 * 1000);
	CHECK_INT(slot_state(&entry[1]), SYSCALL_HASCALL);
	CHECK_INT(write(fds[1], "x", 1), 1);
	CHECK_INT(lent_take(&area, 0), 1);
	CHECK_INT(lent_take(&area, 1), getpid());
	close(fds[0]);
	close(fds[1]);
	lent_end(&area, END_ENTRY);
}

/* Of six threads one has the place and one is kept as a spare. */
static void spare_executors_are_told_to_go(void)
{
	uint32_t idle = 0;

	area.setup.idle_ms = 100;
	begin(6);
	while (idle < 4) {
		usleep(20 * 1000);
		idle = 0;
		for (uint32_t i = 0; i < area.count; i++)
			idle += __atomic_load_n(&area.thread[i].answer, __ATOMIC_RELAXED) ==
				ASYNC_SYSCALL_IDLE;
	}
	usleep(300 * 1000);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	CHECK_INT(slot_end(&entry[END_ENTRY]), 0);
	lent_ring(&area);
	idle = 0;
	for (uint32_t i = 0; i < area.count; i++) {
		CHECK_INT(pthread_join(area.thread[i].thread, NULL), 0);
		idle += area.thread[i].answer == ASYNC_SYSCALL_IDLE;
	}
	CHECK_INT(idle, 4);
	CHECK_INT(lent_forget(&area), 0);
}

/* Two that are both awake may find the same call, and each take itself for the last. */
static void await_all_asleep(void)
{
	for (uint32_t i = 0; i < __atomic_load_n(&area.count, __ATOMIC_RELAXED); i++) {
		while (!__atomic_load_n(&area.thread[i].tid, __ATOMIC_ACQUIRE))
			usleep(200);
		lent_await_asleep(area.thread[i].tid);
	}
}

/* Who sleeps for want of calls will do as well as who is parked. */
static void threads_are_asked_for_only_when_none_is_idle(void)
{
	char bytes[2];
	int fds[2];

	area.setup.running = 4;
	area.grows = true;
	begin(2);
	CHECK_INT(pipe(fds), 0);
	for (uint32_t i = 0; i < 50; i++) {
		await_all_asleep();
		CHECK_INT(lent_call(&area, i % 8, SYS_getppid, NO_ARGS), getppid());
	}
	await_all_asleep();
	lent_post(&area, 0, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&bytes[0], 1));
	lent_await(&area, 0, SYSCALL_EXECUTING);
	CHECK_INT(__atomic_load_n(&area.count, __ATOMIC_RELAXED), 2);
	/* The second begins when nobody is idle any more. */
	lent_post(&area, 1, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&bytes[1], 1));
	lent_await(&area, 1, SYSCALL_EXECUTING);
	CHECK(__atomic_load_n(&area.count, __ATOMIC_RELAXED) > 2);
	CHECK_INT(lent_call(&area, 2, SYS_write, ARGS((uint64_t)fds[1], (uintptr_t) "xy", 2)), 2);
	CHECK_INT(lent_take(&area, 0), 1);
	CHECK_INT(lent_take(&area, 1), 1);
	close(fds[0]);
	close(fds[1]);
	lent_end(&area, END_ENTRY);
}

/* Chains. */

/* Post calls of a chain into entries from `first` on; link words get their `next`. */
struct step {
	uint32_t num;
	uint64_t link;
	uint64_t arg[6];
};

static void post_chain(uint32_t first, const struct step *step, uint32_t count)
{
	for (uint32_t i = count - 1; i < count; i--) {
		struct syscall_info *e = &entry[first + i];
		uint32_t word = SYSCALL_HASCALL | SYSCALL_LINKED | (i > 0 ? SYSCALL_HELD : 0);

		CHECK_INT(e->state, SYSCALL_NONE);
		e->num = step[i].num;
		memcpy(e->arg, step[i].arg, sizeof(e->arg));
		e->ret = (int64_t)(step[i].link |
				   (i + 1 < count ? SYSCALL_LINK_NEXT(first + i + 1) : 0));
		__atomic_store_n(&e->state, word, __ATOMIC_RELEASE);
	}
	lent_ring(&area);
}

static void a_chain_hands_results_on(void)
{
	char text[16] = "";
	const struct step steps[] = {
		{ SYS_openat,
		  0,
		  { (uint64_t)AT_FDCWD, (uintptr_t) "/tmp/chain", O_RDWR | O_CREAT, 0600 } },
		{ SYS_write, SYSCALL_LINK_FROM(0, 1), { 0, (uintptr_t) "chained", 7 } },
		{ SYS_pread64,
		  SYSCALL_LINK_FROM(0, 2) | SYSCALL_LINK_FROM(2, 1),
		  { 0, (uintptr_t)text } },
		{ SYS_close, SYSCALL_LINK_FROM(0, 3) | SYSCALL_LINK_ALWAYS, { 0 } },
	};

	begin(2);
	for (unsigned int round = 0; round < 20; round++) {
		int64_t fd;

		memset(text, 0, sizeof(text));
		post_chain(4, steps, ARRAY_COUNT(steps));
		fd = lent_take(&area, 4);
		CHECK(fd >= 0);
		CHECK_INT(lent_take(&area, 5), 7);
		CHECK_INT(lent_take(&area, 6), 7);
		CHECK_STR(text, "chained");
		CHECK_INT(lent_take(&area, 7), 0);
		CHECK_INT(fcntl((int)fd, F_GETFD), -1);
	}
	unlink("/tmp/chain");
	lent_end(&area, END_ENTRY);
}

static void a_failure_ends_a_chain(void)
{
	const struct step steps[] = {
		{ SYS_getpid, 0, { 0 } },
		{ SYS_close, 0, { (uint64_t)-1 } },
		{ SYS_getpid, 0, { 0 } },
		{ SYS_getppid, SYSCALL_LINK_ALWAYS, { 0 } },
		{ SYS_close, SYSCALL_LINK_ALWAYS | SYSCALL_LINK_FROM(0, 3), { 0 } },
		{ SYS_getpid, SYSCALL_LINK_FROM(0, 6), { 0 } },
	};
	const int64_t wanted[] = {
		getpid(), -EBADF, -ECANCELED, getppid(), -ECANCELED, -ECANCELED
	};

	begin(1);
	post_chain(0, steps, ARRAY_COUNT(steps));
	for (uint32_t i = 0; i < ARRAY_COUNT(steps); i++)
		CHECK_INT(lent_take(&area, i), wanted[i]);
	lent_end(&area, END_ENTRY);
}

static void links_that_lead_nowhere_end_a_chain(void)
{
	const uint64_t nowhere[] = { SYSCALL_LINK_NEXT(ENTRIES), 0xffff, SYSCALL_LINK_NEXT(0),
				     SYSCALL_LINK_NEXT(5), UINT64_C(1) << 60 };

	begin(1);
	for (unsigned int i = 0; i < ARRAY_COUNT(nowhere); i++) {
		const struct step one = { SYS_getpid, nowhere[i], { 0 } };

		post_chain(0, &one, 1);
		CHECK_INT(lent_take(&area, 0), getpid());
	}
	CHECK_INT(lent_call(&area, 0, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, END_ENTRY);
}

static void a_chain_has_at_most_its_limit_of_calls(void)
{
	struct step steps[SYSCALL_CHAIN_MAX + 1];

	for (uint32_t i = 0; i < ARRAY_COUNT(steps); i++)
		steps[i] = (struct step){ .num = SYS_getpid };
	begin(2);
	post_chain(0, steps, ARRAY_COUNT(steps));
	for (uint32_t i = 0; i < SYSCALL_CHAIN_MAX; i++)
		CHECK_INT(lent_take(&area, i), getpid());
	usleep(20 * 1000);
	CHECK_INT(slot_word(&entry[SYSCALL_CHAIN_MAX]),
		  SYSCALL_HASCALL | SYSCALL_LINKED | SYSCALL_HELD);
	lent_end(&area, END_ENTRY);
}

/* Task work: what a kernel does when a thread returns to user mode. */

static void a_posted_close_gives_the_reader_its_end_of_file(void)
{
	begin(2);
	for (unsigned int i = 0; i < 20; i++) {
		struct pollfd end;
		char byte;
		int fds[2];

		CHECK_INT(pipe(fds), 0);
		CHECK_INT(lent_call(&area, 0, SYS_close, ARGS((uint64_t)fds[1])), 0);
		end = (struct pollfd){ .fd = fds[0], .events = POLLIN };
		CHECK_INT(poll(&end, 1, 0), 1); /* at once: the call is completed */
		CHECK_INT(read(fds[0], &byte, 1), 0);
		close(fds[0]);
	}
	lent_end(&area, END_ENTRY);
}

static void a_posted_dup2_closes_what_it_replaces(void)
{
	int fds[2];
	int other;
	char byte;

	begin(1);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	other = open("/dev/null", O_RDONLY);
	CHECK(other >= 0);
	CHECK_INT(lent_call(&area, 0, SYS_dup2, ARGS((uint64_t)other, (uint64_t)fds[1])), fds[1]);
	CHECK_INT(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);
	close(fds[0]);
	close(fds[1]);
	close(other);
	lent_end(&area, END_ENTRY);
}

/* Signals. */

static void a_posted_sleep_goes_on_after_a_stop(void)
{
	struct timespec length = { .tv_sec = 1 };
	struct timespec began;
	struct timespec now;
	pid_t stopper;
	pid_t self;

	begin(1);
	self = getpid();
	stopper = fork();
	CHECK(stopper >= 0);
	if (stopper == 0) {
		for (unsigned int i = 0; i < 3; i++) {
			usleep(200 * 1000);
			kill(self, SIGSTOP);
			usleep(50 * 1000);
			kill(self, SIGCONT);
		}
		_exit(0);
	}
	clock_gettime(CLOCK_MONOTONIC, &began);
	CHECK_INT(lent_call(&area, 0, SYS_nanosleep, ARGS((uintptr_t)&length, 0)), 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK((now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000 >= 999);
	CHECK_INT(waitpid(stopper, NULL, 0), stopper);
	lent_end(&area, END_ENTRY);
}

static uint32_t handled;

static void on_signal(int number)
{
	(void)number;
	__atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}

static void handle(int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Signal the first thread until it has handled one, while it is in the call of entry 0. */
static void interrupt_first(void)
{
	uint32_t before = __atomic_load_n(&handled, __ATOMIC_RELAXED);

	lent_await(&area, 0, SYSCALL_EXECUTING);
	while (__atomic_load_n(&area.thread[0].record.entry, __ATOMIC_RELAXED) != 1)
		usleep(200);
	usleep(20 * 1000);
	CHECK_INT(syscall(SYS_tgkill, getpid(), area.thread[0].tid, SIGUSR1), 0);
	while (__atomic_load_n(&handled, __ATOMIC_RELAXED) == before)
		usleep(200);
}

static void a_restarting_handler_does_not_cut_a_read_short(void)
{
	char byte = 0;
	int fds[2];

	handle(SA_RESTART);
	begin(1);
	CHECK_INT(pipe(fds), 0);
	lent_post(&area, 0, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1));
	interrupt_first();
	interrupt_first();
	CHECK_INT(slot_state(&entry[0]), SYSCALL_EXECUTING);
	CHECK_INT(write(fds[1], "y", 1), 1);
	CHECK_INT(lent_take(&area, 0), 1);
	CHECK_INT(byte, 'y');
	CHECK_INT(area.thread[0].interrupted, 0);
	close(fds[0]);
	close(fds[1]);
	lent_end(&area, END_ENTRY);
}

static void a_handler_cuts_a_sleep_short(void)
{
	struct timespec length = { .tv_sec = 60 };

	handle(SA_RESTART); /* sleeps are not restarted, whatever the handler */
	begin(1);
	lent_post(&area, 0, SYS_nanosleep, ARGS((uintptr_t)&length, 0));
	interrupt_first();
	CHECK_INT(lent_take(&area, 0), -EINTR);
	lent_end(&area, END_ENTRY);
}

/* The thread of that number is in the call of entry 7: there a signal shall find it. */
static void *interrupt_in_entry_7(void *arg)
{
	const int tid = *(const int *)arg;

	lent_await(&area, 7, SYSCALL_EXECUTING);
	lent_await_asleep(tid);
	CHECK_INT(syscall(SYS_tgkill, getpid(), tid, SIGUSR1), 0);
	return NULL;
}

static void an_interrupted_thread_says_what_it_left(void)
{
	int tid = gettid();
	pthread_t thread;
	static struct async_syscall_executor *record = &area.thread[0].record;
	static int fds[2];
	static char byte;

	handle(0);
	begin(0);
	CHECK_INT(pipe(fds), 0);
	CHECK_INT(slot_post(&entry[7], SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)&byte, 1)), 0);
	CHECK_INT(pthread_create(&thread, NULL, interrupt_in_entry_7, &tid), 0);
	CHECK_INT(lent_exec(&area, record), -EINTR);
	CHECK_INT(handled, 1);
	CHECK_INT(record->left, ASYNC_SYSCALL_LEFT_CALL);
	CHECK_INT(record->entry, 8);
	CHECK_INT(record->num, SYS_read);
	CHECK_INT(slot_state(&entry[7]), SYSCALL_EXECUTING);
	record->left = ASYNC_SYSCALL_LEFT_RESULT;
	record->ret = -ECANCELED;
	CHECK_INT(slot_end(&entry[0]), 0);
	CHECK_INT(lent_exec(&area, record), ASYNC_SYSCALL_ENDED);
	CHECK_INT(lent_take(&area, 7), -ECANCELED);
	CHECK_INT(record->left, ASYNC_SYSCALL_LEFT_NOTHING);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(lent_forget(&area), 0);
	close(fds[0]);
	close(fds[1]);
}

static void idle_and_spare_executors_take_signals(void)
{
	handle(0);
	begin(3);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	usleep(50 * 1000);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_INT(syscall(SYS_tgkill, getpid(), area.thread[i].tid, SIGUSR1), 0);
		while (__atomic_load_n(&area.thread[i].interrupted, __ATOMIC_RELAXED) == 0)
			usleep(200);
	}
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, END_ENTRY);
}

/* The registers of the thread are its own again after a lending. */
static void registers_survive_a_lending(void)
{
	static struct async_syscall_executor record;
	uint64_t seen[3];
	uint64_t number;
	uint64_t first;
	uint64_t second;
	uint64_t third;

	begin(0);
	number = area.patched ? ASYNC_SYSCALL_EXEC_NUMBER : SYS_ioctl;
	first = (uint64_t)area.handle;
	second = area.patched ? (uintptr_t)&record : HASCALL_EXEC;
	third = area.patched ? 0x2222 : (uintptr_t)&record;
	CHECK_INT(slot_post(&entry[1], SYS_mmap, ARGS(1, 2, 3, 4, 5, 6)), 0);
	CHECK_INT(slot_end(&entry[2]), 0);
	__asm__ volatile("movl $0x8888, %%r8d\n"
			 "movl $0x9999, %%r9d\n"
			 "movl $0x1010, %%r10d\n"
			 "syscall\n"
			 "movq %%r8, (%[seen])\n"
			 "movq %%r9, 8(%[seen])\n"
			 "movq %%r10, 16(%[seen])\n"
			 : "+a"(number), "+D"(first), "+S"(second), "+d"(third)
			 : [seen] "b"(seen)
			 : "rcx", "r8", "r9", "r10", "r11", "memory");
	CHECK_INT(number, ASYNC_SYSCALL_ENDED);
	CHECK_INT(first, area.handle);
	CHECK_INT(second, area.patched ? (uintptr_t)&record : HASCALL_EXEC);
	CHECK_INT(third, area.patched ? 0x2222 : (uintptr_t)&record);
	CHECK_INT(seen[0], 0x8888);
	CHECK_INT(seen[1], 0x9999);
	CHECK_INT(seen[2], 0x1010);
	CHECK_INT(lent_take(&area, 1), -EINVAL);
	CHECK_INT(lent_forget(&area), 0);
}

/* How processes end. */

enum ending { BY_EXIT, BY_KILL, BY_FAULT, BY_EXEC, BY_MAIN_THREAD };

static void end_with_blocked_calls(enum ending how)
{
	int status = 0;
	int fds[2];
	pid_t child;

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	CHECK_INT(pipe(fds), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		static char byte[8];

		begin(10); /* no thread can be made while the process executes a program */
		for (uint32_t i = 0; i < 8; i++) {
			lent_post(&area, i, SYS_read,
				  ARGS((uint64_t)fds[0], (uintptr_t)&byte[i], 1));
			lent_await(&area, i, SYSCALL_EXECUTING);
		}
		if (how == BY_EXIT)
			_exit(7);
		if (how == BY_FAULT)
			__asm__ volatile("ud2");
		if (how == BY_EXEC)
			execl("/bin/busybox", "sh", "-c", "exit 7", (char *)NULL);
		if (how == BY_MAIN_THREAD)
			syscall(SYS_exit, 7); /* the others stay, until they are killed */
		pause();
	}
	usleep(500 * 1000);
	if (how == BY_KILL || how == BY_MAIN_THREAD)
		CHECK_INT(kill(child, SIGKILL), 0);
	CHECK_INT(waitpid(child, &status, 0), child);
	if (how == BY_EXIT || how == BY_EXEC)
		CHECK_INT(WEXITSTATUS(status), 7);
	else
		CHECK_INT(WTERMSIG(status), how == BY_FAULT ? SIGILL : SIGKILL);
	close(fds[0]);
	close(fds[1]);
}

static void a_process_exits_with_calls_blocked(void)
{
	end_with_blocked_calls(BY_EXIT);
}

static void a_process_is_killed_with_calls_blocked(void)
{
	end_with_blocked_calls(BY_KILL);
}

static void a_process_faults_with_calls_blocked(void)
{
	end_with_blocked_calls(BY_FAULT);
}

static void a_process_executes_another_program_with_calls_blocked(void)
{
	end_with_blocked_calls(BY_EXEC);
}

static void executors_outlive_the_first_thread_and_can_be_killed(void)
{
	end_with_blocked_calls(BY_MAIN_THREAD);
}

static void a_forked_child_cannot_serve_its_parents_area(void)
{
	static struct async_syscall_executor record;
	int status = 0;
	pid_t child;

	begin(1);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK_INT(lent_exec(&area, &record), area.patched ? -EBADF : -EPERM);
		_exit(0);
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(status, 0);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, END_ENTRY);
}

/* A process that shares the memory may post: the call is the executor's, with its rights. */
static void shared_entries_are_served_for_both(void)
{
	struct syscall_info *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t child;

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	CHECK(shared != MAP_FAILED);
	CHECK_INT(lent_begin(&area, shared, 64), 0);
	lent_start(&area, 1);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK_INT(slot_post(&shared[5], SYS_getpid, NO_ARGS), 0);
		while (slot_state(&shared[5]) != SYSCALL_COMPLETED) {
			area.server.sleepers = 1; /* its copy of the doorbell is private */
			usleep(1000);
		}
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		lent_ring(&area);
		usleep(1000);
	}
	CHECK_INT(status, 0);
	CHECK_INT(lent_take(&area, 5), getpid());
	lent_end(&area, 63);
	CHECK_INT(munmap(shared, 4096), 0);
}

static const struct test tests[] = {
	TEST_LONG(executors_that_sleep_are_replaced, 60),
	TEST(without_help_a_call_waits_for_a_sleeping_executor),
	TEST(spare_executors_are_told_to_go),
	TEST(threads_are_asked_for_only_when_none_is_idle),
	TEST(a_chain_hands_results_on),
	TEST(a_failure_ends_a_chain),
	TEST(links_that_lead_nowhere_end_a_chain),
	TEST(a_chain_has_at_most_its_limit_of_calls),
	TEST(a_posted_close_gives_the_reader_its_end_of_file),
	TEST(a_posted_dup2_closes_what_it_replaces),
	TEST(a_posted_sleep_goes_on_after_a_stop),
	TEST(a_restarting_handler_does_not_cut_a_read_short),
	TEST(a_handler_cuts_a_sleep_short),
	TEST(an_interrupted_thread_says_what_it_left),
	TEST(idle_and_spare_executors_take_signals),
	TEST(registers_survive_a_lending),
	TEST(a_process_exits_with_calls_blocked),
	TEST(a_process_is_killed_with_calls_blocked),
	TEST(a_process_faults_with_calls_blocked),
	TEST(a_process_executes_another_program_with_calls_blocked),
	TEST(executors_outlive_the_first_thread_and_can_be_killed),
	TEST(a_forked_child_cannot_serve_its_parents_area),
	TEST(shared_entries_are_served_for_both),
};
TEST_MAIN(tests)
