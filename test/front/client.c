/* SPDX-License-Identifier: MIT */
#include "test/front/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread unsigned int client_index;
struct run_control *client_control;
struct syscall_info *client_entries;
unsigned char *client_area;
struct area_bell *client_bell;
const struct run_server *client_server;

static __thread uint32_t last_flags;
static int client_socket = -1;
static int granted_area = -1, granted_socket = -1;

static void use_area(int fd)
{
	void *area = mmap(NULL, RUN_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(area != MAP_FAILED);
	client_area = area;
	client_control = area;
	client_entries = (struct syscall_info *)(void *)(client_area + RUN_ENTRIES_OFFSET);
	close(fd);
}

static void introduce(void)
{
	client_index = 0;
	client_control->tid[0] = (uint32_t)syscall(SYS_gettid);
	__atomic_store_n(&client_control->host_pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
}

static _Noreturn void be_program(const struct manager_launch *l, int (*program)(void))
{
	void *page;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, l->server_fd, 0);
	CHECK(page != MAP_FAILED);
	client_server = page;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, l->bell_fd, 0);
	CHECK(page != MAP_FAILED);
	client_bell = page;
	client_socket = l->socket_fd;
	use_area(l->area_fd);
	introduce();
	exit_inside(program());
}

/* What the programs find below their changes: next to nothing, and nothing of this machine. */
static const char *const root_dirs[] = { "tmp", "etc" };

static void make_root(char *path)
{
	int fd;

	CHECK(mkdtemp(path) != NULL);
	CHECK_INT(chmod(path, 0755), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	for (unsigned int i = 0; i < ARRAY_COUNT(root_dirs); i++)
		CHECK_INT(mkdirat(fd, root_dirs[i], 0755), 0);
	close(fd);
}

/* Nothing has been written there: rmdir(2) would say so. */
static void drop_root(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	for (unsigned int i = 0; i < ARRAY_COUNT(root_dirs); i++)
		CHECK_INT(unlinkat(fd, root_dirs[i], AT_REMOVEDIR), 0);
	close(fd);
	CHECK_INT(rmdir(path), 0);
}

int run_inside(int (*program)(void), const struct manager_options *given)
{
	static char *const no_strings[] = { NULL };
	struct manager_options options = { .root_fd = -1,
					   .spin_ns = MANAGER_SPIN_DEFAULT,
					   .umask = 022 };
	char root[] = "/tmp/hascall-test-XXXXXX";
	struct manager_launch launch;
	int status;
	pid_t pid;

	if (given)
		options = *given;
	options.argv = no_strings;
	options.envp = no_strings;
	make_root(root);
	options.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(manager_start(&options, &launch), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		be_program(&launch, program);
	CHECK_INT(manager_attach(pid), 0);
	CHECK_INT(manager_run(&status), 0);
	drop_root(root);
	return status;
}

/* ---- calls. */

unsigned char *bounce(void)
{
	return client_area + RUN_BOUNCE_OFFSET + (uint64_t)client_index * RUN_BOUNCE_SIZE;
}

uint64_t put_text(uint64_t offset, const char *text)
{
	memcpy(bounce() + offset, text, strlen(text) + 1);
	return offset;
}

void ring(void)
{
	if (!area_must_ring(&client_server->server))
		return;
	area_ring(client_bell);
	syscall(SYS_futex, &client_bell->rings, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void post(const uint64_t num_and_arg[7])
{
	CHECK_INT(
		slot_post(&client_entries[client_index], (uint32_t)num_and_arg[0], num_and_arg + 1),
		0);
	area_mark_posted(&client_control->hint, client_index);
	ring();
}

int64_t finish(void)
{
	struct syscall_info *e = &client_entries[client_index];
	int64_t ret = 0;
	uint32_t word;

	while (slot_state(e) != SYSCALL_COMPLETED) {
		if (slot_wait_begin(e, &word) == 0)
			syscall(SYS_futex, &e->state, FUTEX_WAIT, word, NULL, NULL, 0);
	}
	CHECK_INT(slot_take(e, &ret, &last_flags), 0);
	return ret;
}

int64_t call_with(const uint64_t num_and_arg[7])
{
	post(num_and_arg);
	return finish();
}

uint32_t call_flags(void)
{
	return last_flags;
}

_Noreturn void exit_inside(int status)
{
	(void)call(SYS_exit_group, (uint64_t)status);
	_exit(status);
}

/* ---- fork. */

static void receive_grant(void)
{
	union {
		struct cmsghdr header;
		unsigned char room[CMSG_SPACE(RUN_FDS_MAX * sizeof(int))];
	} control;
	uint32_t slot[RUN_FDS_MAX];
	struct iovec io = { slot, sizeof(slot) };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int fd[2];

	CHECK_INT(recvmsg(client_socket, &m, 0), 2 * sizeof(uint32_t));
	CHECK_INT(slot[0], RUN_SLOT_NEW_AREA);
	CHECK_INT(slot[1], RUN_SLOT_NEW_SOCKET);
	memcpy(fd, CMSG_DATA(&control.header), sizeof(fd));
	granted_area = fd[0];
	granted_socket = fd[1];
}

int64_t fork_grant(uint64_t flags)
{
	int64_t r = call(RUN_FORK, flags, flags & CLONE_VFORK ? 1 : 0);

	if (r == 0) {
		CHECK(call_flags() & RUN_REPLY_FDS);
		receive_grant();
	}
	return r;
}

pid_t fork_host(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	CHECK(pid >= 0);
	if (pid > 0) {
		close(granted_area);
		close(granted_socket);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(client_socket);
	client_socket = granted_socket;
	use_area(granted_area);
	introduce();
	return 0;
}

pid_t fork_inside(uint64_t flags)
{
	int64_t r = fork_grant(flags);
	pid_t pid;

	if (r < 0)
		return (pid_t)r;
	pid = fork_host();
	if (pid == 0)
		return 0;
	r = call(RUN_FORKED, (uint64_t)pid, flags & CLONE_VFORK ? 1 : 0, 8192);
	return r < 0 ? (pid_t)r : pid;
}

pid_t wait_inside(pid_t pid, int *ret_status, int options)
{
	int64_t r = call(SYS_wait4, (uint64_t)pid, 0x100, (uint64_t)options, RUN_NULL);

	if (r > 0)
		memcpy(ret_status, bounce() + 0x100, sizeof(int));
	return (pid_t)r;
}
