/* SPDX-License-Identifier: MIT */
/*
 * test_hostile.c - programs that write what they like into their area: the manager
 * lives, others go on, and only the culprit is ended.
 */
#include "test/front/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void nap_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
		  NULL);
}

/* ---- offsets and sizes. */

static int lies_about_places(void)
{
	const uint64_t bad[] = { RUN_BOUNCE_SIZE, RUN_BOUNCE_SIZE + 1, RUN_BOUNCE_SIZE - 1,
				 1ull << 32,	  UINT64_MAX - 1,      UINT64_MAX,
				 INT64_MAX,	  (uint64_t)INT64_MIN };

	CHECK_INT(call(SYS_open, TEXT("/tmp/h"), O_RDWR | O_CREAT, 0600), 3);
	memset(bounce() + RUN_BOUNCE_SIZE - 16, 'x', 16);
	for (unsigned int i = 0; i < ARRAY_COUNT(bad); i++) {
		CHECK_INT(call(SYS_write, 3, bad[i], 100), -EFAULT);
		CHECK_INT(call(SYS_write, 3, 100, bad[i] | RUN_BOUNCE_SIZE), -EFAULT);
		CHECK_INT(call(SYS_fstat, 3, bad[i]), -EFAULT);
		CHECK_INT(call(SYS_open, bad[i], O_RDONLY), -EFAULT); /* no NUL before the end */
		CHECK_INT(call(SYS_getcwd, bad[i], 100), -EFAULT);
		CHECK_INT(call(SYS_pipe, bad[i]), -EFAULT);
		CHECK_INT(call(SYS_poll, bad[i], 5, 0), -EFAULT);
		CHECK_INT(call(SYS_sendmsg, 3, 0, 10, 0, bad[i]), -ENOTSOCK);
	}
	CHECK_INT(call(SYS_close, 3), 0);
	CHECK_INT(call(SYS_open, TEXT("/tmp/h"), O_RDONLY), 3); /* nothing was left open */
	return 0;
}

static void places_outside_the_buffer_are_efault(void)
{
	CHECK_INT(run_inside(lies_about_places, NULL), 0);
}

static int names_too_long(void)
{
	memset(bounce(), 'a', RUN_BOUNCE_SIZE);
	CHECK_INT(call(SYS_open, 0, O_RDONLY), -ENAMETOOLONG);
	bounce()[4096] = '\0';
	CHECK_INT(call(SYS_open, 0, O_RDONLY), -ENAMETOOLONG);
	CHECK_INT(call(SYS_memfd_create, 0, 0), -EINVAL);
	return 0;
}

static void a_string_without_an_end_is_too_long(void)
{
	CHECK_INT(run_inside(names_too_long, NULL), 0);
}

/* ---- any call with any arguments. */

static uint64_t random_state = 1;

static uint64_t random_word(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t random_argument(void)
{
	switch (random_word() % 8) {
	case 0:
		return random_word();
	case 1:
		return RUN_NULL;
	case 2:
		return random_word() % RUN_BOUNCE_SIZE;
	case 3:
		return (uint64_t) - (int64_t)(random_word() % 200);
	case 4:
		return 0x1000;
	default:
		return random_word() % 16;
	}
}

static bool may_wait_for_ever(uint64_t num)
{
	switch (num) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_kill: /* would hit itself */
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_pidfd_send_signal:
	case RUN_FORK: /* sends descriptors nobody takes */
	case RUN_START:
	case SYS_execve:
		return true;
	default:
		return false;
	}
}

static void fill_bounce(void)
{
	static const char *const paths[] = {
		"/tmp/a", "a", "/proc/self/fd", "/dev/null", "..", ""
	};

	for (unsigned int i = 0; i < 0x1000; i += 8) {
		uint64_t word = random_argument();

		memcpy(bounce() + i, &word, sizeof(word));
	}
	strcpy((char *)bounce() + 0x1000, paths[random_word() % ARRAY_COUNT(paths)]);
}

static int calls_anything(void)
{
	unsigned int count = test_sanitized ? 5000 : 40000;

	for (unsigned int i = 0; i < count; i++) {
		uint64_t a[7];

		a[0] = random_word() % 500;
		if (random_word() % 20 == 0)
			a[0] = RUN_FORK + random_word() % 8;
		for (unsigned int k = 1; k < 7; k++)
			a[k] = random_argument();
		if (may_wait_for_ever(a[0]))
			continue;
		if (i % 64 == 0)
			fill_bounce();
		post(a);
		/* What waits is cut short. */
		for (unsigned int turns = 0;
		     slot_state(&client_entries[0]) != SYSCALL_COMPLETED && turns < 300; turns++) {
			if (turns > 100) {
				area_mark_cancel(&client_control->hint, 0);
				ring();
				nap_ms(1);
			}
			sched_yield();
		}
		(void)finish();
		__atomic_store_n(&client_control->hint.cancel[0], 0, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static void any_call_with_any_arguments_is_survived(void)
{
	CHECK_INT(run_inside(calls_anything, NULL), 0);
}

/* ---- memory that changes while it is looked at. */

static volatile bool flipping;

static void *flip(void *arg)
{
	unsigned char *bytes = arg;

	while (flipping) {
		bytes[5] ^= 'x';
		bytes[9] ^= '/';
		memcpy(bytes + 0x100, &(uint64_t){ (uint64_t)rand() << 20 }, 8);
	}
	return NULL;
}

static int changes_its_mind(void)
{
	pthread_t thread;

	flipping = true;
	TEXT("/tmp/abcdefgh/i");
	CHECK_INT(pthread_create(&thread, NULL, flip, bounce() + 0x1000), 0);
	for (int i = 0; i < 3000; i++) {
		int64_t fd = call(SYS_open, 0x1000, O_RDWR | O_CREAT, 0600);

		if (fd >= 0)
			CHECK_INT(call(SYS_close, (uint64_t)fd), 0);
		(void)call(SYS_mkdir, 0x1000, 0700);
		(void)call(SYS_poll, 0x10f0, 4, 0);
		(void)call(SYS_select, 100, 0x1000, 7, 0);
		(void)call(SYS_utimensat, (uint64_t)-100, 0x1000, 0x10f0, 0);
	}
	flipping = false;
	CHECK_INT(pthread_join(thread, NULL), 0);
	return 0;
}

static void memory_that_changes_during_the_call_is_survived(void)
{
	CHECK_INT(run_inside(changes_its_mind, NULL), 0);
}

/* ---- entries and hints. */

/* A child does `what`; the parent goes on and sees it killed. */
static void child_is_killed_for(void (*what)(void))
{
	int status = 0;
	pid_t pid = fork_inside(0);

	if (pid == 0) {
		what();
		for (;;)
			pause();
	}
	CHECK_INT(wait_inside(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), SIGKILL);
	CHECK_INT(call(SYS_umask, 022), 022);
}

static void posts_an_unknown_state(void)
{
	__atomic_store_n(&client_entries[0].state, 0x77777777u, __ATOMIC_SEQ_CST);
	area_mark_posted(&client_control->hint, 0);
	ring();
}

static void changes_an_entry_being_served(void)
{
	CHECK_INT(call(SYS_pipe, 0), 0);
	post((const uint64_t[7]){ SYS_read, 3, 0, 1 });
	while (slot_state(&client_entries[0]) != SYSCALL_EXECUTING)
		nap_ms(1);
	__atomic_store_n(&client_entries[0].state, SYSCALL_NONE, __ATOMIC_SEQ_CST);
	area_mark_cancel(&client_control->hint, 0);
	ring();
}

static int breaks_the_protocol(void)
{
	child_is_killed_for(posts_an_unknown_state);
	child_is_killed_for(changes_an_entry_being_served);
	return 0;
}

static void who_breaks_the_protocol_is_killed_alone(void)
{
	CHECK_INT(run_inside(breaks_the_protocol, NULL), 0);
}

static int floods(void)
{
	pid_t pid = fork_inside(0);

	if (pid == 0) {
		for (;;) {
			for (unsigned int w = 0; w < AREA_HINT_WORDS; w++) {
				client_control->hint.posted[w] = UINT64_MAX;
				client_control->hint.cancel[w] = UINT64_MAX;
			}
			for (unsigned int i = 0; i < RUN_ENTRY_COUNT; i++)
				client_entries[i].state = SYSCALL_HASCALL;
			client_entries[0].num = SYS_umask;
		}
	}
	for (int i = 0; i < 2000; i++)
		CHECK_INT(call(SYS_umask, 022), 022);
	(void)call(SYS_kill, (uint64_t)pid, SIGKILL);
	return 0;
}

static void a_flood_of_hints_does_not_stop_others(void)
{
	CHECK_INT(run_inside(floods, NULL), 0);
}

static int takes_rings_back(void)
{
	for (int i = 0; i < 3; i++) {
		nap_ms(20);
		post((const uint64_t[7]){ SYS_umask, 022 });
		client_bell->rings = 0;
		CHECK_INT(finish(), 022);
	}
	return 0;
}

static void a_bell_that_is_tampered_with_costs_a_second_at_most(void)
{
	CHECK_INT(run_inside(takes_rings_back, NULL), 0);
}

/* ---- fork. */

static int lies_about_its_child(void)
{
	CHECK_INT(call(RUN_FORKED, 1, 0), -EINVAL); /* without a grant */
	CHECK_INT(fork_grant(0), 0);
	CHECK_INT(call(RUN_FORKED, (uint64_t)getpid(), 0), -ECHILD); /* is one already */
	CHECK_INT(fork_grant(0), 0);
	CHECK_INT(call(RUN_FORKED, (uint64_t)getppid(), 0), -ECHILD); /* not the manager's child */
	CHECK_INT(fork_grant(0), 0);
	CHECK_INT(call(RUN_FORKED, 1, 0), -ECHILD);
	CHECK_INT(fork_grant(0), 0);
	CHECK_INT(call(RUN_FORKED, (uint64_t)-EAGAIN, 0), 0);
	CHECK_INT(wait_inside(-1, &(int){ 0 }, 0), -ECHILD); /* none of them came to be */
	return 0;
}

static void a_child_is_who_the_host_says_it_is(void)
{
	CHECK_INT(run_inside(lies_about_its_child, NULL), 0);
}

static int has_a_grandchild_and_dies(void)
{
	int status;
	int64_t r;
	pid_t pid;

	CHECK_INT(call(SYS_pipe, 0), 0); /* 3, 4 */
	pid = fork_inside(0);
	if (pid == 0) {
		CHECK_INT(fork_grant(0), 0);
		if (fork_host() == 0) {
			bounce()[0] = 'g';
			CHECK_INT(call(SYS_write, 4, 0, 1), 1);
			exit_inside(0);
		}
		_exit(0); /* before it could say RUN_FORKED */
	}
	CHECK_INT(wait_inside(pid, &status, 0), pid);
	r = call(SYS_read, 3, 0, 1);
	CHECK_INT(r, 1);
	CHECK_INT(bounce()[0], 'g');
	return 0;
}

static void a_child_whose_parent_died_says_itself_who_it_is(void)
{
	CHECK_INT(run_inside(has_a_grandchild_and_dies, NULL), 0);
}

static int forks_past_the_manager(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	pid_t other;

	if (pid == 0)
		for (;;)
			pause();
	other = fork(); /* a child of its own, that it leaves behind */
	if (other == 0) {
		if (fork() == 0)
			for (;;)
				pause();
		_exit(0);
	}
	CHECK_INT(waitpid(other, NULL, 0), other);
	for (int i = 0; i < 80 && kill(pid, 0) == 0; i++)
		nap_ms(100);
	CHECK_INT(kill(pid, 0), -1);
	return 0;
}

static void children_made_past_the_manager_are_killed(void)
{
	CHECK_INT(run_inside(forks_past_the_manager, NULL), 0);
}

static int never_takes_its_descriptors(void)
{
	int64_t r = 0;

	for (int i = 0; i < 2000 && r == 0; i++)
		r = call(RUN_FORK, 0, 0);
	CHECK_INT(r, -EAGAIN);
	CHECK_INT(call(SYS_umask, 022), 022);
	return 0;
}

static void grants_that_nobody_takes_come_to_an_end(void)
{
	CHECK_INT(run_inside(never_takes_its_descriptors, NULL), 0);
}

static int claims_the_world(void)
{
	CHECK_INT(call(SYS_kill, (uint64_t)getppid(), SIGKILL), -ESRCH); /* the manager itself */
	CHECK_INT(call(SYS_kill, 1, SIGKILL), 0);
	client_control->tid[0] = (uint32_t)getppid();
	CHECK_INT(call(SYS_tkill, (uint64_t)getppid(), SIGKILL), -ESRCH); /* the host refuses */
	return 0;
}

static void nobody_outside_can_be_signalled(void)
{
	CHECK_INT(run_inside(claims_the_world, NULL), 0);
}

static const struct test tests[] = {
	TEST(places_outside_the_buffer_are_efault),
	TEST(a_string_without_an_end_is_too_long),
	TEST_LONG(any_call_with_any_arguments_is_survived, 60),
	TEST_LONG(memory_that_changes_during_the_call_is_survived, 30),
	TEST(who_breaks_the_protocol_is_killed_alone),
	TEST_LONG(a_flood_of_hints_does_not_stop_others, 30),
	TEST(a_bell_that_is_tampered_with_costs_a_second_at_most),
	TEST(a_child_is_who_the_host_says_it_is),
	TEST(a_child_whose_parent_died_says_itself_who_it_is),
	TEST_LONG(children_made_past_the_manager_are_killed, 20),
	TEST(grants_that_nobody_takes_come_to_an_end),
	TEST(nobody_outside_can_be_signalled),
};
TEST_MAIN(tests)
