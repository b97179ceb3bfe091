/*
 * test_around.c - executors in the kernel are threads of their process in what surrounds it:
 * control groups, limits, scheduling.
 */
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 64u
#define END_ENTRY (ENTRIES - 1)
#define MIB (1024 * 1024)

/* Of a test and its child. */
struct shared {
	struct syscall_info entry[ENTRIES];
	struct lent_area area;
	bool ready;
};
static struct shared *s;

static void share(void)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(s != MAP_FAILED);
}

/* A child whose threads execute what this process posts, until END; then it exits with 0. */
static pid_t serve_in_child(uint32_t threads)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		CHECK_INT(lent_begin(&s->area, s->entry, ENTRIES), 0);
		lent_start(&s->area, threads);
		__atomic_store_n(&s->ready, true, __ATOMIC_RELEASE);
		lent_join(&s->area, ASYNC_SYSCALL_ENDED);
		_exit(0);
	}
	while (!__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE))
		usleep(200);
	return child;
}

static void end_child(pid_t child)
{
	int status = 0;

	CHECK_INT(slot_end(&s->entry[END_ENTRY]), 0);
	lent_ring(&s->area);
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(status, 0);
	munmap(s, sizeof(*s));
}

/* Control groups. */

#define GROUPS_AT "/tmp/groups"
#define GROUP GROUPS_AT "/hascall"

static void group_write(const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", GROUPS_AT, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool group_has(const char *file, const char *text)
{
	char all[512] = "";
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", GROUPS_AT, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(read(fd, all, sizeof(all) - 1) >= 0);
	close(fd);
	return strstr(all, text);
}

/* A group of its own; type and controller: "cgroup2", or "cgroup" with a controller's name. */
static void group_begin(const char *type, const char *controller)
{
	mkdir(GROUPS_AT, 0700);
	if (mount("none", GROUPS_AT, type, 0, controller) < 0)
		SKIP("this kernel has no %s %s", type, controller ? controller : "");
	CHECK_INT(mkdir(GROUP, 0700), 0);
}

static void group_end(void)
{
	while (rmdir(GROUP) < 0) /* processes that ended leave it a moment later */
		usleep(1000);
	CHECK_INT(umount(GROUPS_AT), 0);
}

static void group_enter(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	group_write("hascall/cgroup.procs", text);
}

/* How a group is frozen; old and new control groups differ. */
struct freezer {
	const char *type;
	const char *controller;
	const char *file;
	const char *freeze;
	const char *thaw;
	const char *told_in;
	const char *frozen;
};

/* Executors in a call, in a sleep, without a call, without a place: frozen, all rest. */
static void freeze_and_thaw(const struct freezer *f)
{
	const struct timespec length = { .tv_sec = 1 };
	char *byte;
	pid_t child;
	int fds[2];

	share();
	group_begin(f->type, f->controller);
	CHECK_INT(pipe(fds), 0);
	child = serve_in_child(5);
	group_enter(child);
	byte = (char *)&s->area.setup.reserved; /* shared, and read no more */
	memcpy(byte + 8, &length, sizeof(length));
	for (unsigned int round = 0; round < 3; round++) {
		lent_post(&s->area, 0, SYS_read, ARGS((uint64_t)fds[0], (uintptr_t)byte, 1));
		lent_post(&s->area, 1, SYS_nanosleep, ARGS((uintptr_t)(byte + 8), 0));
		lent_await(&s->area, 0, SYSCALL_EXECUTING);
		lent_await(&s->area, 1, SYSCALL_EXECUTING);
		CHECK_INT(lent_call(&s->area, 2, SYS_getpid, NO_ARGS), child);
		group_write(f->file, f->freeze);
		while (!group_has(f->told_in, f->frozen))
			usleep(1000);
		lent_post(&s->area, 3, SYS_getppid, NO_ARGS);
		CHECK_INT(write(fds[1], "x", 1), 1);
		usleep(100 * 1000);
		CHECK_INT(slot_state(&s->entry[0]), SYSCALL_EXECUTING);
		CHECK_INT(slot_state(&s->entry[3]), SYSCALL_HASCALL);
		group_write(f->file, f->thaw);
		CHECK_INT(lent_take(&s->area, 0), 1);
		CHECK_INT(lent_take(&s->area, 1), 0);
		CHECK_INT(lent_take(&s->area, 3), getpid());
	}
	close(fds[0]);
	close(fds[1]);
	end_child(child);
	group_end();
}

static void a_frozen_group_rests_and_goes_on(void)
{
	freeze_and_thaw(&(struct freezer){ "cgroup2", NULL, "hascall/cgroup.freeze", "1", "0",
					   "hascall/cgroup.events", "frozen 1" });
}

static void an_old_frozen_group_rests_and_goes_on(void)
{
	freeze_and_thaw(&(struct freezer){ "cgroup", "freezer", "hascall/freezer.state", "FROZEN",
					   "THAWED", "hascall/freezer.state", "FROZEN" });
}

/* A process frozen with all executors at rest can be killed. */
static void a_frozen_process_can_be_killed(void)
{
	int status = 0;
	pid_t child;

	share();
	group_begin("cgroup2", NULL);
	child = serve_in_child(3);
	group_enter(child);
	CHECK_INT(lent_call(&s->area, 2, SYS_getpid, NO_ARGS), child);
	group_write("hascall/cgroup.freeze", "1");
	while (!group_has("hascall/cgroup.events", "frozen 1"))
		usleep(1000);
	CHECK_INT(kill(child, SIGKILL), 0);
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(WTERMSIG(status), SIGKILL);
	group_end();
	munmap(s, sizeof(*s));
}

static uint64_t group_number(const char *file)
{
	char path[128];
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", GROUPS_AT, file);
	f = fopen(path, "re");
	CHECK(f);
	CHECK_INT(fscanf(f, "%lu", &value), 1);
	fclose(f);
	return value;
}

/*
 * Memory that a posted call takes is the process's group's; above its soft limit the executor is
 * slowed down as it would be by its own call, and no call is lost by it.
 */
static void memory_that_posted_calls_take_is_charged(void)
{
	const uint32_t part = 128 * 1024;
	char *buffer;
	pid_t child;
	int fd;

	share();
	buffer = mmap(NULL, part, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(buffer != MAP_FAILED);
	memset(buffer, 1, part);
	group_begin("cgroup2", NULL);
	if (!group_has("cgroup.controllers", "memory")) {
		group_end();
		SKIP("this kernel has no memory controller");
	}
	group_write("cgroup.subtree_control", "+memory");
	fd = open("/tmp/charged", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	child = serve_in_child(3);
	group_enter(child);
	for (uint64_t at = 0; at < 4 * MIB; at += part)
		CHECK_INT(lent_call(&s->area, 1, SYS_pwrite64,
				    ARGS((uint64_t)fd, (uintptr_t)buffer, part, at)),
			  part);
	CHECK(group_number("hascall/memory.current") >= 4 * MIB);
	group_write("hascall/memory.high", "4M");
	for (uint64_t at = 4 * MIB; at < 4 * MIB + 4 * part; at += part)
		CHECK_INT(lent_call(&s->area, 1, SYS_pwrite64,
				    ARGS((uint64_t)fd, (uintptr_t)buffer, part, at)),
			  part);
	CHECK(!group_has("hascall/memory.events", "high 0"));
	end_child(child);
	close(fd);
	CHECK_INT(unlink("/tmp/charged"), 0);
	group_write("cgroup.subtree_control", "-memory");
	group_end();
	munmap(buffer, part);
}

/* Limits. */

static struct syscall_info entry[ENTRIES];
static struct lent_area area;

static void limit(int resource, rlim_t value)
{
	struct rlimit l;

	CHECK_INT(getrlimit(resource, &l), 0);
	l.rlim_cur = value;
	CHECK_INT(setrlimit(resource, &l), 0);
}

static void limits_hold_for_posted_calls(void)
{
	int64_t fd;

	lent_open(&area, entry, ENTRIES, 2);
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	fd = lent_call(&area, 1, SYS_openat,
		       ARGS((uint64_t)AT_FDCWD, (uintptr_t) "/tmp/limit", O_RDWR | O_CREAT, 0600));
	CHECK(fd >= 0);
	limit(RLIMIT_FSIZE, 4);
	CHECK_INT(lent_call(&area, 1, SYS_write, ARGS((uint64_t)fd, (uintptr_t) "12345678", 8)), 4);
	CHECK_INT(lent_call(&area, 1, SYS_write, ARGS((uint64_t)fd, (uintptr_t) "12345678", 8)),
		  -EFBIG);
	limit(RLIMIT_NOFILE, (rlim_t)fd + 1);
	CHECK_INT(lent_call(&area, 1, SYS_dup, ARGS((uint64_t)fd)), -EMFILE);
	limit(RLIMIT_AS, 1);
	CHECK_INT(lent_call(&area, 1, SYS_mmap,
			    ARGS(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0)),
		  -ENOMEM);
	limit(RLIMIT_AS, RLIM_INFINITY);
	CHECK_INT(lent_call(&area, 1, SYS_close, ARGS((uint64_t)fd)), 0);
	CHECK_INT(unlink("/tmp/limit"), 0);
	lent_end(&area, END_ENTRY);
}

/* An executor that looks for calls for ever uses up the time of its process. */
static void the_time_of_executors_is_their_process_s(void)
{
	int status = 0;
	pid_t child;

	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		limit(RLIMIT_CPU, 1);
		area.setup.spin_ns = UINT32_MAX;
		lent_open(&area, entry, ENTRIES, 1);
		pause();
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(WTERMSIG(status), SIGXCPU);
}

/* Scheduling. */

/* Give all threads of the area a real-time class. */
static void make_real_time(void)
{
	for (uint32_t i = 0; i < area.count; i++) {
		struct sched_param p = { .sched_priority = 1 + (int)i };

		while (__atomic_load_n(&area.thread[i].tid, __ATOMIC_ACQUIRE) == 0)
			usleep(200);
		CHECK_INT(sched_setscheduler(area.thread[i].tid, SCHED_FIFO, &p), 0);
	}
}

static void real_time_executors_replace_each_other(void)
{
	char got[4];
	int fds[2];

	lent_open(&area, entry, ENTRIES, 6);
	make_real_time();
	CHECK_INT(pipe(fds), 0);
	for (unsigned int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 4; i++)
			lent_post(&area, i, SYS_read,
				  ARGS((uint64_t)fds[0], (uintptr_t)&got[i], 1));
		for (uint32_t i = 0; i < 4; i++)
			lent_await(&area, i, SYSCALL_EXECUTING);
		for (uint32_t i = 4; i < 8; i++)
			CHECK_INT(lent_call(&area, i, SYS_getpid, NO_ARGS), getpid());
		CHECK_INT(write(fds[1], "xxxx", 4), 4);
		for (uint32_t i = 0; i < 4; i++)
			CHECK_INT(lent_take(&area, i), 1);
	}
	close(fds[0]);
	close(fds[1]);
	lent_end(&area, END_ENTRY);
}

/* They may have nearly all of all processors: the kernel's own limit is what others live from. */
static void real_time_executors_that_spin_stall_nothing(void)
{
	area.setup.running = 2;
	area.setup.spin_ns = UINT32_MAX;
	lent_open(&area, entry, ENTRIES, 2);
	make_real_time();
	for (unsigned int i = 0; i < 5; i++) {
		CHECK_INT(lent_call(&area, i, SYS_getpid, NO_ARGS), getpid());
		sleep(1);
	}
	lent_end(&area, END_ENTRY);
}

static const struct test tests[] = {
	TEST(a_frozen_group_rests_and_goes_on),
	TEST(an_old_frozen_group_rests_and_goes_on),
	TEST(a_frozen_process_can_be_killed),
	TEST_LONG(memory_that_posted_calls_take_is_charged, 60),
	TEST(limits_hold_for_posted_calls),
	TEST_LONG(the_time_of_executors_is_their_process_s, 30),
	TEST(real_time_executors_replace_each_other),
	TEST_LONG(real_time_executors_that_spin_stall_nothing, 90),
};
TEST_MAIN(tests)
