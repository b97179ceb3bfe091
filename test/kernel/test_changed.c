/*
 * test_changed.c - what tracers and seccomp filters make of a posted call: its number, its
 * arguments and its result are theirs to change, as for a call that the thread makes itself, and
 * what they put in place is checked again. A patched kernel only: the module refuses such threads.
 *
 * Each test has two processes: one posts and has a lent thread, the other traces that thread.
 */
#include "test/harness.h"
#include "test/kernel/filter.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#define ENTRIES 64u
#define END_ENTRY (ENTRIES - 1)
#define X32_BIT 0x40000000u
#define SECCOMP_STOP (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)

static struct syscall_info entry[ENTRIES];
static struct lent_area area;

/* What a tracer does at the beginning and at the end of each call of its thread. NULL: nothing. */
struct changes {
	void (*at_entry)(struct user_regs_struct *regs);
	void (*at_exit)(struct user_regs_struct *regs);
	void (*at_filter)(struct user_regs_struct *regs); /* where a filter says so */
};

/* What the two processes say to each other. */
struct talk {
	int tid;
	uint32_t attached;
	uint32_t seen;	     /* by a change: calls as they were posted */
	uint32_t seen_again; /* as they were changed */
};
static struct talk *talk;

static void begin(uint32_t threads)
{
	if (!lent_is_there() || !lent_is_patched())
		SKIP("this kernel is not patched");
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	lent_start(&area, threads);
}

static void change(pid_t tid, void (*how)(struct user_regs_struct *))
{
	struct user_regs_struct regs;

	if (!how)
		return;
	CHECK_INT(ptrace(PTRACE_GETREGS, tid, NULL, &regs), 0);
	how(&regs);
	CHECK_INT(ptrace(PTRACE_SETREGS, tid, NULL, &regs), 0);
}

static void at_stop(pid_t tid, const struct changes *c)
{
	struct __ptrace_syscall_info info;

	CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) > 0);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		change(tid, c->at_entry);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		change(tid, c->at_exit);
}

/* Trace a thread until it is gone. */
static void trace(pid_t tid, const struct changes *c)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP;
	int status;

	CHECK_INT(ptrace(PTRACE_SEIZE, tid, NULL, options), 0);
	CHECK_INT(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
	while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
		int stop = status >> 8;
		int delivered = 0;

		if (stop == (SIGTRAP | 0x80))
			at_stop(tid, c);
		else if (stop == SECCOMP_STOP)
			change(tid, c->at_filter);
		else if (stop >> 8 == PTRACE_EVENT_STOP)
			__atomic_store_n(&talk->attached, 1, __ATOMIC_RELEASE);
		else
			delivered = WSTOPSIG(status);
		CHECK_INT(ptrace(PTRACE_SYSCALL, tid, NULL, delivered), 0);
	}
}

/* `posts` runs in a process whose only lent thread the calling one traces. */
static void in_traced_process(void (*posts)(void), const struct changes *c)
{
	int status = -1;
	pid_t child;
	int tid;

	if (!lent_is_patched())
		SKIP("this kernel is not patched");
	talk = mmap(NULL, sizeof(*talk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(talk != MAP_FAILED);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		begin(1);
		CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
		__atomic_store_n(&talk->tid, area.thread[0].tid, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&talk->attached, __ATOMIC_ACQUIRE))
			usleep(200);
		posts();
		lent_end(&area, END_ENTRY);
		_exit(0);
	}
	while ((tid = __atomic_load_n(&talk->tid, __ATOMIC_ACQUIRE)) == 0)
		usleep(200);
	trace(tid, c);
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(status, 0);
}

static int64_t call(uint32_t num, const uint64_t arg[6])
{
	return lent_call(&area, 1, num, arg);
}

/* The number. */

static void number_is_changed(struct user_regs_struct *regs)
{
	if (regs->orig_rax == SYS_getppid)
		regs->orig_rax = SYS_getpid;
	else if (regs->orig_rax == SYS_getuid)
		regs->orig_rax = SYS_gettid;
	else if (regs->orig_rax == SYS_geteuid)
		regs->orig_rax = SYS_exit;
	else if (regs->orig_rax == SYS_getgid)
		regs->orig_rax = ASYNC_SYSCALL_EXEC_NUMBER;
	else if (regs->orig_rax == SYS_getegid)
		regs->orig_rax = X32_BIT | SYS_getpid;
	else if (regs->orig_rax == SYS_getpgrp)
		regs->orig_rax = SYS_restart_syscall;
	else if (regs->orig_rax == SYS_sync)
		regs->orig_rax = 500;
}

static void posts_to_be_renumbered(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_INT(call(SYS_getppid, NO_ARGS), getpid());
		CHECK_INT(call(SYS_getuid, NO_ARGS), -EOPNOTSUPP);
		CHECK_INT(call(SYS_geteuid, NO_ARGS), -EOPNOTSUPP);
		CHECK_INT(call(SYS_getgid, NO_ARGS), -ENOSYS);
		CHECK_INT(call(SYS_getegid, NO_ARGS), -EOPNOTSUPP);
		CHECK_INT(call(SYS_getpgrp, NO_ARGS), -EOPNOTSUPP);
		CHECK_INT(call(SYS_sync, NO_ARGS), -ENOSYS);
		CHECK_INT(call(SYS_getpid, NO_ARGS), getpid());
	}
}

static void a_number_that_a_tracer_puts_in_place_is_checked_again(void)
{
	in_traced_process(posts_to_be_renumbered,
			  &(struct changes){ .at_entry = number_is_changed });
}

static void posts_to_be_renumbered_by_filter(void)
{
	forbid_getppid(SECCOMP_RET_TRACE, SECCOMP_FILTER_FLAG_TSYNC);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_INT(call(SYS_getppid, NO_ARGS), getpid());
}

static void a_filter_may_have_a_tracer_change_the_number(void)
{
	in_traced_process(posts_to_be_renumbered_by_filter,
			  &(struct changes){ .at_filter = number_is_changed });
}

static void a_filter_that_asks_a_tracer_where_there_is_none_is_answered(void)
{
	begin(1);
	forbid_getppid(SECCOMP_RET_TRACE, SECCOMP_FILTER_FLAG_TSYNC);
	CHECK_INT(call(SYS_getppid, NO_ARGS), -ENOSYS);
	lent_end(&area, END_ENTRY);
}

/* The arguments. */

static void arguments_are_changed(struct user_regs_struct *regs)
{
	if (regs->orig_rax == SYS_lseek)
		regs->rsi = 7;
	else if (regs->orig_rax == SYS_sched_getaffinity)
		regs->rdi = 0;
}

static void posts_other_arguments(void)
{
	int file = memfd_create("file", MFD_CLOEXEC);
	cpu_set_t set;

	CHECK(file >= 0);
	CHECK_INT(call(SYS_lseek, ARGS((uint64_t)file, 5, SEEK_SET)), 7);
	CHECK_INT(lseek(file, 0, SEEK_CUR), 7);
	/* Of "itself": refused, as it would be if it were posted. */
	CHECK_INT(
		call(SYS_sched_getaffinity, ARGS((uint64_t)getpid(), sizeof(set), (uintptr_t)&set)),
		-EOPNOTSUPP);
	close(file);
}

static void arguments_that_a_tracer_puts_in_place_are_used_and_checked(void)
{
	in_traced_process(posts_other_arguments,
			  &(struct changes){ .at_entry = arguments_are_changed });
}

/* What a tracer has changed stays so when the call is interrupted and begins again. */
static int from[2];
static int to[2];

static void descriptor_is_changed(struct user_regs_struct *regs)
{
	if (regs->orig_rax == SYS_read && (int)regs->rdi == from[0]) {
		regs->rdi = (uint64_t)to[0];
		__atomic_fetch_add(&talk->seen, 1, __ATOMIC_RELAXED);
	} else if (regs->orig_rax == SYS_read && (int)regs->rdi == to[0]) {
		__atomic_fetch_add(&talk->seen_again, 1, __ATOMIC_RELAXED);
	}
}

static void await_one(const uint32_t *count)
{
	while (__atomic_load_n(count, __ATOMIC_RELAXED) == 0)
		usleep(200);
}

/* A signal that is ignored does not interrupt; a stop of the whole process does. */
static void stop_and_continue(void)
{
	pid_t self = getpid();
	pid_t other = fork();

	CHECK(other >= 0);
	if (other == 0) {
		kill(self, SIGSTOP);
		usleep(50 * 1000);
		kill(self, SIGCONT);
		_exit(0);
	}
	CHECK_INT(waitpid(other, NULL, 0), other);
}

static void posts_a_read_that_is_interrupted(void)
{
	char byte = 0;

	lent_post(&area, 1, SYS_read, ARGS((uint64_t)from[0], (uintptr_t)&byte, 1));
	await_one(&talk->seen);
	lent_await_asleep(area.thread[0].tid); /* no more with the tracer, but in the call */
	stop_and_continue();
	await_one(&talk->seen_again);
	CHECK_INT(write(to[1], "z", 1), 1);
	CHECK_INT(lent_take(&area, 1), 1);
	CHECK_INT(byte, 'z');
	CHECK_INT(talk->seen, 1);
}

static void changed_arguments_last_over_an_interruption(void)
{
	CHECK_INT(pipe(from), 0);
	CHECK_INT(pipe(to), 0);
	in_traced_process(posts_a_read_that_is_interrupted,
			  &(struct changes){ .at_entry = descriptor_is_changed });
	for (unsigned int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
	}
}

/* The result. */

static void result_is_given(struct user_regs_struct *regs)
{
	if (regs->orig_rax == SYS_getppid) {
		regs->orig_rax = (uint64_t)-1; /* not executed */
		regs->rax = SYS_getppid;
	} else if (regs->orig_rax == SYS_getuid) {
		regs->orig_rax = (uint64_t)-1;
	}
}

static void result_is_changed(struct user_regs_struct *regs)
{
	if (regs->orig_rax == SYS_getgid)
		regs->rax = 4242;
	else if (regs->orig_rax == SYS_getegid)
		regs->rax = (uint64_t)-ENETDOWN;
}

static void posts_for_other_results(void)
{
	CHECK_INT(call(SYS_getppid, NO_ARGS), SYS_getppid);
	CHECK_INT(call(SYS_getuid, NO_ARGS), -ENOSYS);
	CHECK_INT(call(SYS_getgid, NO_ARGS), 4242);
	CHECK_INT(call(SYS_getegid, NO_ARGS), -ENETDOWN);
}

static void a_result_that_a_tracer_puts_in_place_is_the_calls(void)
{
	in_traced_process(
		posts_for_other_results,
		&(struct changes){ .at_entry = result_is_given, .at_exit = result_is_changed });
}

/* A supervisor answers; the number of the call is a result like another. */
static void answer_one(int listener, int64_t value)
{
	struct seccomp_notif asked = { 0 };
	struct seccomp_notif_resp answer = { 0 };

	CHECK_INT(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked), 0);
	CHECK_INT(asked.data.nr, SYS_getppid);
	CHECK_INT(asked.pid, area.thread[0].tid);
	answer.id = asked.id;
	answer.val = value;
	CHECK_INT(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
}

static void a_supervisor_gives_the_result(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_COUNT(code), .filter = code };
	const int64_t values[] = { 5, SYS_getppid, 0 };
	int listener;

	begin(1);
	CHECK_INT(call(SYS_getpid, NO_ARGS), getpid());
	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
					SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
				&program);
	CHECK(listener >= 0);
	for (unsigned int i = 0; i < ARRAY_COUNT(values); i++) {
		lent_post(&area, 1, SYS_getppid, NO_ARGS);
		answer_one(listener, values[i]);
		CHECK_INT(lent_take(&area, 1), values[i]);
	}
	close(listener);
	lent_end(&area, END_ENTRY);
}

/*
 * The handler of a trap writes a result where it believes the call's to be. The thread that was
 * lent gets it, whatever the handler's flags: it does not begin a call of that number.
 */
#define TRAPPED_RESULT 12345

static void on_trap(int number, siginfo_t *info, void *context)
{
	(void)number;
	CHECK_INT(info->si_syscall, SYS_getppid);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = TRAPPED_RESULT;
}

static void a_trap_ends_the_lending_and_no_call_is_made_of_its_result(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART };

	CHECK_INT(sigaction(SIGSYS, &action, NULL), 0);
	begin(1);
	forbid_getppid(SECCOMP_RET_TRAP, SECCOMP_FILTER_FLAG_TSYNC);
	CHECK_INT(call(SYS_getppid, NO_ARGS), -ENOSYS);
	lent_join(&area, TRAPPED_RESULT);
	CHECK_INT(lent_forget(&area), 0);
}

/* To go on with a wait is a call of its own: a filter that forbids it is obeyed. */
static void a_filter_is_asked_about_going_on_with_a_wait(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_COUNT(code), .filter = code };
	struct timespec length = { .tv_sec = 60 };

	begin(1);
	CHECK_INT(call(SYS_getpid, NO_ARGS), getpid());
	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_INT(
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program),
		0);
	lent_post(&area, 1, SYS_nanosleep, ARGS((uintptr_t)&length, 0));
	lent_await(&area, 1, SYSCALL_EXECUTING);
	usleep(50 * 1000);
	stop_and_continue();
	CHECK_INT(lent_take(&area, 1), -EACCES);
	CHECK_INT(call(SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, END_ENTRY);
}

/* How a program finds such a kernel, no number being tried. */
static void the_auxiliary_vector_tells_of_the_system_calls(void)
{
	CHECK_INT(getauxval(AT_ASYNC_SYSCALL), lent_is_patched() ? ASYNC_SYSCALL_INIT_NUMBER : 0);
}

static const struct test tests[] = {
	TEST(the_auxiliary_vector_tells_of_the_system_calls),
	TEST(a_number_that_a_tracer_puts_in_place_is_checked_again),
	TEST(a_filter_may_have_a_tracer_change_the_number),
	TEST(a_filter_that_asks_a_tracer_where_there_is_none_is_answered),
	TEST(arguments_that_a_tracer_puts_in_place_are_used_and_checked),
	TEST(changed_arguments_last_over_an_interruption),
	TEST(a_result_that_a_tracer_puts_in_place_is_the_calls),
	TEST(a_supervisor_gives_the_result),
	TEST(a_trap_ends_the_lending_and_no_call_is_made_of_its_result),
	TEST(a_filter_is_asked_about_going_on_with_a_wait),
};
TEST_MAIN(tests)
