/* SPDX-License-Identifier: MIT */
/*
 * test_moment.c - what happens when a worker loses its processor between two steps. The
 * worker is held there by what the kernel does at that step: a fault, where it first
 * touches an entry; a signal, where it makes a system call that a filter does not let pass.
 */
#include "test/lib/area.h"

#include "lib/pool.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <ucontext.h>

#define PAGE 4096u

static bool held, go_on;

static void hold(void)
{
	__atomic_store_n(&held, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE))
		usleep(100);
}

static void until_held(void)
{
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		usleep(100);
}

static void let_go(void)
{
	__atomic_store_n(&go_on, true, __ATOMIC_RELEASE);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	hold(); /* then the access is tried again */
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	CHECK_INT(sigaction(number, &action, NULL), 0);
}

static int state_of(const struct hascall *h, uint64_t ticket)
{
	return slot_state(&h->entry[(uint32_t)ticket]);
}

static void until_executing(const struct hascall *h, uint64_t ticket)
{
	while (state_of(h, ticket) != SYSCALL_EXECUTING)
		usleep(100);
}

static void protect_page_of(const struct hascall *h, uint64_t ticket, int protection)
{
	uintptr_t entry = (uintptr_t)&h->entry[(uint32_t)ticket];

	CHECK_INT(mprotect((void *)(entry - entry % PAGE), PAGE, protection), 0);
}

/*
 * A worker is on its way to an entry. Meanwhile the call in it is recalled; the next one is
 * executed by another worker, and cancelled; and one more is posted there, which nobody cancels.
 */
static void cancel_does_not_hit_a_later_call_of_the_same_entry(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .entries = 256, .parallel = 4 });
	const struct hascall_call quick = { .num = SYS_getppid };
	struct test_pipe other = pipe_open();
	struct test_pipe p = pipe_open();
	char bytes[2];
	const struct hascall_call wait = read_call(p.out, &bytes[1], 1);
	uint64_t busy, ticket;

	handle(SIGSEGV, on_fault);
	/* Past the first page: hints are in it, which others need. */
	for (unsigned int i = 0; i < 64; i++)
		submit_one(h, &quick);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	busy = occupy(h, &other, &bytes[0]);
	CHECK_INT(hascall_submit(h, &quick, 1, HASCALL_MORE, &ticket), 0);
	protect_page_of(h, ticket, PROT_NONE);
	hascall_kick(h);
	until_held();
	protect_page_of(h, ticket, PROT_READ | PROT_WRITE);

	CHECK_INT(hascall_recall(h, ticket), 0);
	ticket = submit_one(h, &wait);
	pipe_feed(&other); /* this worker takes it, if nobody else has */
	until_executing(h, ticket);
	CHECK_INT(hascall_cancel(h, ticket), 0);
	CHECK_INT(result_of(h, ticket), -ECANCELED);

	CHECK_INT(hascall_submit(h, &quick, 1, HASCALL_MORE, &ticket), 0);
	let_go();
	while (state_of(h, ticket) == SYSCALL_HASCALL)
		sched_yield(); /* no hint leads there: it is the one that was held */
	CHECK_INT(result_of(h, ticket), getppid());
	CHECK_INT(result_of(h, busy), 1);
	hascall_close(h);
	pipe_close(&other);
	pipe_close(&p);
}

static int bell;

/* A worker is about to write to the eventfd. */
static void on_write(int number, siginfo_t *info, void *context)
{
	greg_t *result = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX];
	uint64_t one = 1;
	const struct iovec whole = { &one, sizeof(one) };

	(void)number;
	(void)info;
	hold();
	*result = syscall(SYS_writev, bell, &whole, 1);
}

/* From now on, write() to the descriptor raises SIGSYS. */
static void stop_writes_to(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)fd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_COUNT(code), code };

	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* It must not stay readable for ever: an event loop would go round and round. */
static void reap_before_the_eventfd_is_written_leaves_it_in_order(void)
{
	const struct hascall_call quick = { .num = SYS_getppid };
	struct pollfd p = { .events = POLLIN };
	struct hascall *h;

	bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p.fd = bell;
	handle(SIGSYS, on_write);
	stop_writes_to(bell);
	h = area_open(&(struct hascall_options){ .flags = HASCALL_USE_EVENTFD, .eventfd = bell });
	submit_one(h, &quick);
	until_held();
	CHECK_INT(hascall_reap(h, ignore_result, NULL), 1);
	let_go();
	CHECK_INT(poll(&p, 1, -1), 1);
	while (poll(&p, 1, 0) > 0)
		hascall_reap(h, ignore_result, NULL);
	submit_one(h, &quick); /* and it still rings */
	CHECK_INT(poll(&p, 1, -1), 1);
	CHECK_INT(hascall_reap(h, ignore_result, NULL), 1);
	hascall_close(h);
	close(bell);
}

static const struct test tests[] = {
	TEST(cancel_does_not_hit_a_later_call_of_the_same_entry),
	TEST(reap_before_the_eventfd_is_written_leaves_it_in_order),
};
TEST_MAIN(tests)
