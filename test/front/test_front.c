/* SPDX-License-Identifier: MIT */
/*
 * test_front.c - a whole manager and programs that speak to it by hand: what manager.h
 * and run_abi.h promise to honest ones.
 */
#include "test/front/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void nap_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
		  NULL);
}

/* ---- calls. */

static int asks_where_it_is(void)
{
	CHECK_INT(call(SYS_getcwd, 0, 100), 2);
	CHECK_STR((char *)bounce(), "/");
	CHECK_INT(call(SYS_getcwd, 0, 1), -ERANGE);
	CHECK_INT(call(9999), -ENOSYS);
	CHECK_INT(call(400), -ENOSYS);
	CHECK_INT(client_control->version, RUN_ABI_VERSION);
	CHECK_INT(client_control->ppid, 1);
	return 3;
}

static void a_call_is_served_and_the_status_comes_back(void)
{
	CHECK_INT(run_inside(asks_where_it_is, NULL), 3);
}

static int writes_a_file(void)
{
	int64_t fd = call(SYS_open, TEXT("/tmp/front-test"), O_RDWR | O_CREAT, 0600);

	CHECK_INT(fd, 3);
	memset(bounce(), 'x', 70000);
	CHECK_INT(call(SYS_write, 3, 0, 70000), 70000);
	memset(bounce(), 0, 70000);
	CHECK_INT(call(SYS_pread64, 3, 16, 70000, 1), 69999);
	CHECK_INT(bounce()[15], 0);
	CHECK_INT(bounce()[16], 'x');
	CHECK_INT(bounce()[16 + 69998], 'x');
	CHECK_INT(bounce()[16 + 69999], 0);
	CHECK_INT(call(SYS_close, 3), 0);
	CHECK_INT(call(SYS_close, 3), -EBADF);
	return 0;
}

static void bytes_go_through_the_bounce_buffer(void)
{
	CHECK(access("/tmp/front-test", F_OK) < 0);
	CHECK_INT(run_inside(writes_a_file, NULL), 0);
	CHECK(access("/tmp/front-test", F_OK) < 0); /* the host has no such file */
}

static int calls_often(void)
{
	for (int i = 0; i < 20000; i++)
		CHECK_INT(call(SYS_umask, 022), 022);
	return 0;
}

static void many_calls_are_served(void)
{
	CHECK_INT(run_inside(calls_often, NULL), 0);
}

static uint32_t rests_before;

static uint32_t rests_now(void)
{
	return __atomic_load_n(&client_server->rests, __ATOMIC_RELAXED);
}

/* Until a call posted with this entry is being executed. */
static void wait_until_executed(unsigned int entry)
{
	while (slot_state(&client_entries[entry]) != SYSCALL_EXECUTING)
		nap_ms(1);
}

static void *writes_later(void *arg)
{
	client_index = (unsigned int)(uintptr_t)arg;
	wait_until_executed(0);
	while (rests_now() == rests_before)
		nap_ms(1);
	bounce()[0] = 'w';
	CHECK_INT(call(SYS_write, 4, 0, 1), 1);
	post((const uint64_t[7]){ SYS_exit });
	return NULL;
}

static int is_told_what_waited(void)
{
	pthread_t thread;
	int64_t entry;

	CHECK_INT(call(SYS_umask, 022), 022);
	CHECK(!(call_flags() & RUN_REPLY_WAITED));
	CHECK_INT(call(SYS_pipe, 0), 0); /* 3 and 4 */
	entry = call(RUN_THREAD, 0);
	CHECK(entry > 0);
	rests_before = rests_now();
	CHECK_INT(call(SYS_umask, 022), 022);
	nap_ms(5);
	CHECK_INT(rests_now(), rests_before);
	CHECK_INT(pthread_create(&thread, NULL, writes_later, (void *)(uintptr_t)entry), 0);
	CHECK_INT(call(SYS_read, 3, 0, 1), 1);
	CHECK(call_flags() & RUN_REPLY_WAITED);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(call(SYS_umask, 022), 022);
	CHECK(!(call_flags() & RUN_REPLY_WAITED));
	return 0;
}

static void a_call_that_waited_says_so_and_the_manager_that_it_rests(void)
{
	CHECK_INT(run_inside(is_told_what_waited, NULL), 0);
}

static int calls_now_and_then(void)
{
	for (int i = 0; i < 20; i++) {
		nap_ms(2); /* the manager sleeps by now */
		CHECK_INT(call(SYS_umask, 022), 022);
	}
	return 0;
}

static void a_sleeping_manager_is_woken(void)
{
	CHECK_INT(run_inside(calls_now_and_then, NULL), 0);
}

/* ---- threads. */

#define READERS 40u
static int pipe_fd[2];

static void make_pipe(void)
{
	CHECK_INT(call(SYS_pipe, 0), 0);
	memcpy(pipe_fd, bounce(), sizeof(pipe_fd));
}

static void *read_one(void *arg)
{
	client_index = (unsigned int)(uintptr_t)arg;
	CHECK_INT(call(SYS_read, (uint64_t)pipe_fd[0], 0, 1), 1);
	CHECK_INT(bounce()[0], 'r');
	post((const uint64_t[7]){ SYS_exit });
	return NULL;
}

static int reads_with_many_threads(void)
{
	pthread_t thread[READERS];
	int64_t entry;

	make_pipe();
	for (unsigned int i = 0; i < READERS; i++) {
		entry = call(RUN_THREAD, 0);
		CHECK_INT(entry, i + 1);
		CHECK_INT(pthread_create(&thread[i], NULL, read_one, (void *)(uintptr_t)entry), 0);
	}
	for (unsigned int i = 0; i < READERS; i++)
		wait_until_executed(i + 1);
	memset(bounce(), 'r', READERS);
	CHECK_INT(call(SYS_write, (uint64_t)pipe_fd[1], 0, READERS), READERS);
	for (unsigned int i = 0; i < READERS; i++)
		CHECK_INT(pthread_join(thread[i], NULL), 0);
	/* Their entries are free again, once their last calls were served. */
	while ((entry = call(RUN_THREAD, 0)) != 1) {
		CHECK(entry > 1);
		CHECK_INT(call(RUN_THREAD_FAILED, (uint64_t)entry), 0);
		nap_ms(1);
	}
	CHECK_INT(call(RUN_THREAD_FAILED, 1), 0);
	CHECK_INT(call(RUN_THREAD_FAILED, 1), -EINVAL);
	CHECK_INT(call(RUN_THREAD_FAILED, 0), -EINVAL);
	CHECK_INT(call(RUN_THREAD_FAILED, 1u << 20), -EINVAL);
	return 0;
}

static void calls_that_wait_for_each_other_never_wait_for_servers(void)
{
	const struct manager_options few = { .root_fd = -1, .servers = 2 };

	CHECK_INT(run_inside(reads_with_many_threads, &few), 0);
}

/* ---- cancel. */

static int is_cut_short(void)
{
	make_pipe();
	post((const uint64_t[7]){ SYS_read, (uint64_t)pipe_fd[0], 0, 1 });
	wait_until_executed(0);
	area_mark_cancel(&client_control->hint, 0);
	ring();
	CHECK_INT(finish(), -512);
	/* Posted and cancelled in one breath. */
	post((const uint64_t[7]){ SYS_read, (uint64_t)pipe_fd[0], 0, 1 });
	area_mark_cancel(&client_control->hint, 0);
	ring();
	CHECK_INT(finish(), -512);
	/* The next call is not touched. */
	CHECK_INT(call(SYS_umask, 0), 022);
	bounce()[0] = 'x';
	CHECK_INT(call(SYS_write, (uint64_t)pipe_fd[1], 0, 1), 1);
	CHECK_INT(call(SYS_read, (uint64_t)pipe_fd[0], 0, 1), 1);
	return 0;
}

static void a_blocked_call_can_be_cut_short(void)
{
	CHECK_INT(run_inside(is_cut_short, NULL), 0);
}

/* ---- fork, wait, exit. */

static int forks(void)
{
	int status = 0;
	pid_t parent = getpid(), pid;

	CHECK_INT(wait_inside(-1, &status, 0), -ECHILD);
	pid = fork_inside(0);
	if (pid == 0) {
		CHECK_INT(client_control->ppid, parent);
		CHECK_INT(call(SYS_getpgid, 0), parent);
		exit_inside(42);
	}
	CHECK(pid > 0);
	CHECK_INT(wait_inside(-1, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 42);
	CHECK_INT(wait_inside(-1, &status, 0), -ECHILD);
	for (int i = 0; i < 50; i++) {
		pid = fork_inside(0);
		if (pid == 0)
			exit_inside(i);
		CHECK_INT(wait_inside(pid, &status, 0), pid);
		CHECK_INT(WEXITSTATUS(status), i);
	}
	return 0;
}

static void a_forked_child_is_served_and_waited_for(void)
{
	CHECK_INT(run_inside(forks, NULL), 0);
}

static int has_children_that_die(void)
{
	int status = 0;
	pid_t pid = fork_inside(0);

	if (pid == 0)
		_exit(9); /* without a word */
	CHECK_INT(wait_inside(pid, &status, 0), pid);
	CHECK_INT(WEXITSTATUS(status), 9);
	pid = fork_inside(0);
	if (pid == 0) {
		make_pipe();
		(void)call(SYS_read, (uint64_t)pipe_fd[0], 0, 1);
	}
	nap_ms(10);
	CHECK_INT(call(SYS_kill, (uint64_t)pid, SIGKILL), 0);
	CHECK_INT(wait_inside(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), SIGKILL);
	return 0;
}

static void a_death_without_a_word_is_seen(void)
{
	CHECK_INT(run_inside(has_children_that_die, NULL), 0);
}

static int has_a_child_that_stops(void)
{
	int status = 0;
	pid_t pid = fork_inside(0);

	if (pid == 0)
		for (;;)
			pause();
	CHECK_INT(wait_inside(pid, &status, WNOHANG), 0);
	CHECK_INT(call(SYS_kill, (uint64_t)pid, SIGSTOP), 0);
	CHECK_INT(wait_inside(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_INT(WSTOPSIG(status), SIGSTOP);
	CHECK_INT(wait_inside(pid, &status, WUNTRACED | WNOHANG), 0);
	CHECK_INT(call(SYS_kill, (uint64_t)pid, SIGCONT), 0);
	CHECK_INT(wait_inside(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	CHECK_INT(call(SYS_kill, (uint64_t)pid, SIGTERM), 0);
	CHECK_INT(wait_inside(pid, &status, 0), pid);
	CHECK_INT(WTERMSIG(status), SIGTERM);
	return 0;
}

static void stops_are_told(void)
{
	CHECK_INT(run_inside(has_a_child_that_stops, NULL), 0);
}

static volatile sig_atomic_t seen_code, seen_cld, seen_status, seen_pid;

static void on_child(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	seen_code = info->si_code;
	seen_cld = (int)info->si_utime;
	seen_status = info->si_status;
	seen_pid = info->si_pid;
}

static int hears_of_its_child(void)
{
	const struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO };
	int status;
	pid_t pid;

	sigaction(SIGCHLD, &action, NULL);
	pid = fork_inside(0);
	if (pid == 0)
		exit_inside(5);
	CHECK_INT(wait_inside(pid, &status, 0), pid);
	while (!seen_pid)
		nap_ms(1);
	CHECK_INT(seen_pid, pid);
	CHECK_INT(seen_code, RUN_SI_CHILD);
	CHECK_INT(seen_cld, CLD_EXITED);
	CHECK_INT(seen_status, 5);
	return 0;
}

static void sigchld_says_what_became_of_whom(void)
{
	CHECK_INT(run_inside(hears_of_its_child, NULL), 0);
}

static volatile sig_atomic_t seen_errno;

static void on_user(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	seen_code = info->si_code;
	seen_errno = info->si_errno;
	seen_pid = info->si_pid;
}

static int signals_itself(void)
{
	const struct sigaction action = { .sa_sigaction = on_user, .sa_flags = SA_SIGINFO };
	uint64_t pid = (uint64_t)getpid();

	sigaction(SIGUSR1, &action, NULL);
	CHECK_INT(call(SYS_kill, pid, SIGUSR1), 0);
	CHECK(call_flags() & RUN_REPLY_KICK);
	(void)syscall(SYS_getpid);
	CHECK_INT(seen_code, RUN_SI_USER);
	CHECK_INT(seen_errno, SI_USER);
	CHECK_INT(seen_pid, getpid());
	CHECK_INT(call(SYS_tgkill, pid, pid, SIGUSR1), 0);
	(void)syscall(SYS_getpid);
	CHECK_INT(seen_errno, SI_TKILL);
	CHECK_INT(call(SYS_kill, pid, 0), 0);
	CHECK(!(call_flags() & RUN_REPLY_KICK));
	return 0;
}

static void a_signal_to_oneself_kicks(void)
{
	CHECK_INT(run_inside(signals_itself, NULL), 0);
}

static int gets_usage(void)
{
	struct rusage usage;
	pid_t pid = fork_inside(0);

	if (pid == 0)
		exit_inside(0);
	CHECK_INT(call(SYS_wait4, (uint64_t)pid, 0x100, 0, 0x200), pid);
	memcpy(&usage, bounce() + 0x200, sizeof(usage));
	CHECK(usage.ru_maxrss > 0);
	return 0;
}

static void usage_comes_from_the_host(void)
{
	CHECK_INT(run_inside(gets_usage, NULL), 0);
}

static int leaves_a_window(void)
{
	pid_t pid;
	int status;
	int64_t r;

	CHECK_INT(fork_grant(CLONE_VFORK), 0);
	pid = fork_host();
	if (pid == 0) {
		nap_ms(20);
		memset(bounce(), 'w', 100);
		(void)call(SYS_exit_group, 7, 100);
		_exit(7);
	}
	r = call(RUN_FORKED, (uint64_t)pid, 1, 8192);
	CHECK_INT(r, 100);
	CHECK_INT(bounce()[99], 'w');
	CHECK_INT(wait_inside(pid, &status, 0), pid);
	CHECK_INT(WEXITSTATUS(status), 7);
	return 0;
}

static void a_vfork_parent_waits_and_gets_the_window(void)
{
	CHECK_INT(run_inside(leaves_a_window, NULL), 0);
}

static int leaves_others_behind(void)
{
	for (int i = 0; i < 5; i++) {
		if (fork_inside(0) == 0)
			for (;;)
				pause();
	}
	return 11;
}

/* The harness fails a test that leaves a process. */
static void what_is_left_is_killed(void)
{
	CHECK_INT(run_inside(leaves_others_behind, NULL), 11);
}

static int is_killed(void)
{
	raise(SIGKILL);
	return 0;
}

static void a_killed_program_has_a_shells_status(void)
{
	CHECK_INT(run_inside(is_killed, NULL), 128 + SIGKILL);
}

static int forks_to_the_limit(void)
{
	int made = 0;
	pid_t pid;

	while ((pid = fork_inside(0)) > 0)
		made++;
	if (pid == 0)
		for (;;)
			pause();
	CHECK_INT(pid, -EAGAIN);
	CHECK_INT(made, 9);
	CHECK_INT(call(SYS_umask, 022), 022);
	return 0;
}

static void forking_without_end_is_refused(void)
{
	const struct manager_options small = { .root_fd = -1, .umask = 022, .process_limit = 10 };

	CHECK_INT(run_inside(forks_to_the_limit, &small), 0);
}

static const struct test tests[] = {
	TEST(a_call_is_served_and_the_status_comes_back),
	TEST(bytes_go_through_the_bounce_buffer),
	TEST(many_calls_are_served),
	TEST(a_call_that_waited_says_so_and_the_manager_that_it_rests),
	TEST(a_sleeping_manager_is_woken),
	TEST(calls_that_wait_for_each_other_never_wait_for_servers),
	TEST(a_blocked_call_can_be_cut_short),
	TEST(a_forked_child_is_served_and_waited_for),
	TEST(a_death_without_a_word_is_seen),
	TEST(stops_are_told),
	TEST(sigchld_says_what_became_of_whom),
	TEST(a_signal_to_oneself_kicks),
	TEST(usage_comes_from_the_host),
	TEST(a_vfork_parent_waits_and_gets_the_window),
	TEST(what_is_left_is_killed),
	TEST(a_killed_program_has_a_shells_status),
	TEST(forking_without_end_is_refused),
};
TEST_MAIN(tests)
