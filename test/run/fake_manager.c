/*
 * fake_manager.c - see fake_manager.h. Everything here trusts the client: it is a
 * test's manager. A call that would block is looked at again at every round.
 */
#include "test/run/fake_manager.h"

#include "call/elf.h"
#include "hascall/run_abi.h"
#include "run/launch.h"
#include "slot/slot.h"
#include "test/harness.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct fake_client {
	unsigned char *area;
	int area_fd, socket[2];
	pid_t pid;	       /* 0: not started */
	uint64_t threads;      /* entries in use, bit by bit */
	bool waiting;	       /* entry 0 waits for a signal (pause by read of descriptor 99) */
	struct slot_call call; /* what it waits in */
	bool live;
};

struct fake_manner fake_manner;
static struct fake_client clients[FAKE_CLIENTS];
static struct fake_client *forking;
static struct run_server *server;
static struct area_bell *bell;
static const char *program_path;
static char *output;
static size_t output_room;

static void *shared(size_t size, int *ret_fd)
{
	void *at;

	*ret_fd = memfd_create("fake", MFD_CLOEXEC);
	CHECK(*ret_fd >= 0 && ftruncate(*ret_fd, (off_t)size) == 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	CHECK(at != MAP_FAILED);
	return at;
}

static struct fake_client *new_client(void)
{
	for (unsigned int i = 0; i < FAKE_CLIENTS; i++) {
		struct fake_client *c = &clients[i];

		if (c->live)
			continue;
		*c = (struct fake_client){ .live = true, .threads = 1 };
		c->area = shared(RUN_AREA_SIZE, &c->area_fd);
		CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c->socket) == 0);
		return c;
	}
	return NULL;
}

static void end_client(struct fake_client *c)
{
	munmap(c->area, RUN_AREA_SIZE);
	close(c->area_fd);
	close(c->socket[0]);
	close(c->socket[1]);
	c->live = false;
}

static void send_fds(const struct fake_client *c, const int *fds, const uint32_t *slots,
		     unsigned int count)
{
	char control[CMSG_SPACE(sizeof(int) * RUN_FDS_MAX)] = { 0 };
	struct iovec io = { (void *)(uintptr_t)slots, count * sizeof(*slots) };
	struct msghdr m = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * count),
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(h), fds, sizeof(int) * count);
	CHECK(sendmsg(c->socket[0], &m, 0) > 0);
}

static unsigned char *bounce(const struct fake_client *c, unsigned int entry)
{
	return c->area + RUN_BOUNCE_OFFSET + (size_t)entry * RUN_BOUNCE_SIZE;
}

static struct syscall_info *entry_of(const struct fake_client *c, unsigned int entry)
{
	return (struct syscall_info *)(void *)(c->area + RUN_ENTRIES_OFFSET) + entry;
}

static void reply(struct fake_client *c, unsigned int entry, int64_t ret, uint32_t flags)
{
	struct syscall_info *e = entry_of(c, entry);
	bool wake = false;

	CHECK(slot_complete(e, ret, flags, &wake) == 0);
	if (wake)
		syscall(SYS_futex, &e->state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static ssize_t read_program(void *ctx, void *buf, size_t size, uint64_t offset)
{
	return pread(*(int *)ctx, buf, size, (off_t)offset);
}

/* Reading the program never yields here: there are no tasks. */
TSA(no_thread_safety_analysis)
static void start(struct fake_client *c)
{
	struct run_plan *plan = (struct run_plan *)(void *)bounce(c, 0);
	static struct elf_image image;
	int fd = open(program_path, O_RDONLY | O_CLOEXEC);
	const uint32_t slot = 0;
	struct elf_source source = { .read = read_program, .ctx = &fd };
	struct stat st;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	source.size = (uint64_t)st.st_size;
	CHECK_INT(elf_parse(&source, &image), 0);
	memset(plan, 0, sizeof(*plan));
	plan->image_count = 1;
	plan->image[0] = image.run;
	plan->execfn_offset = 8192;
	strcpy((char *)bounce(c, 0) + 8192, program_path);
	send_fds(c, &fd, &slot, 1);
	close(fd);
	reply(c, 0, 0, RUN_REPLY_FDS);
}

static void grant_fork(struct fake_client *c, unsigned int entry)
{
	const uint32_t slots[2] = { RUN_SLOT_NEW_AREA, RUN_SLOT_NEW_SOCKET };

	forking = new_client();
	if (!forking) {
		reply(c, entry, -EAGAIN, 0);
		return;
	}
	send_fds(c, (int[2]){ forking->area_fd, forking->socket[1] }, slots, 2);
	reply(c, entry, 0, RUN_REPLY_FDS);
}

static void forked(struct fake_client *c, unsigned int entry, const struct slot_call *call)
{
	forking->pid = (pid_t)call->arg[0];
	if (call->arg[1]) { /* vfork: wait until it is gone, give its window back */
		struct fake_client *child = forking;

		c->call = *call;
		c->call.arg[0] = (uint64_t)(child - clients);
		c->waiting = true;
		return;
	}
	reply(c, entry, 0, 0);
}

static void new_thread(struct fake_client *c, unsigned int entry)
{
	int index = c->threads == UINT64_MAX ? -1 : __builtin_ctzll(~c->threads);

	if (index < 0) {
		reply(c, entry, -EAGAIN, 0);
		return;
	}
	c->threads |= UINT64_C(1) << index;
	((struct run_control *)(void *)c->area)->tid[index] = 0;
	reply(c, entry, index, 0);
}

static void keep_output(const void *bytes, size_t size)
{
	if (size >= output_room)
		size = output_room - 1;
	memcpy(output, bytes, size);
	output += size;
	output_room -= size;
	*output = 0;
}

/* A thread is who says so in the area. */
static bool has_thread(const struct fake_client *c, uint32_t tid)
{
	const struct run_control *control = (const struct run_control *)(const void *)c->area;

	for (unsigned int i = 0; i < 64; i++)
		if (c->threads >> i & 1 &&
		    __atomic_load_n(&control->tid[i], __ATOMIC_ACQUIRE) == tid)
			return true;
	return false;
}

static void send_signal(struct fake_client *c, unsigned int entry, const struct slot_call *call)
{
	int r;

	if (call->num == SYS_tgkill && !has_thread(c, (uint32_t)call->arg[1])) {
		reply(c, entry, -ESRCH, 0);
		return;
	}
	r = call->num == SYS_kill
		    ? kill((pid_t)call->arg[0], (int)call->arg[1])
		    : (int)syscall(SYS_tgkill, call->arg[0], call->arg[1], call->arg[2]);

	reply(c, entry, r < 0 ? -errno : 0, RUN_REPLY_KICK);
}

static void exit_group_called(struct fake_client *c, unsigned int entry, uint64_t window)
{
	for (unsigned int i = 0; i < FAKE_CLIENTS; i++) {
		struct fake_client *parent = &clients[i];

		if (!parent->live || !parent->waiting || parent->call.num != RUN_FORKED ||
		    parent->call.arg[0] != (uint64_t)(c - clients))
			continue;
		memcpy(bounce(parent, 0), bounce(c, entry), window);
		parent->waiting = false;
		reply(parent, 0, (int64_t)window, 0);
	}
	reply(c, entry, 0, 0);
}

/* wait4 for the child that wait names, if it is gone. */
static void try_wait(struct fake_client *c)
{
	pid_t pid = (pid_t)c->call.arg[0];
	int status;

	if (waitpid(pid, &status, WNOHANG) == 0)
		return;
	for (unsigned int i = 1; i < FAKE_CLIENTS; i++)
		if (clients[i].live && clients[i].pid == pid)
			end_client(&clients[i]);
	if (c->call.arg[1] != RUN_NULL)
		memcpy(bounce(c, 0) + c->call.arg[1], &status, sizeof(status));
	c->waiting = false;
	reply(c, 0, pid, 0);
}

static void move_on(void)
{
	static uint32_t calls;

	if (fake_manner.passes != 0)
		area_set_cpu(&server->server, calls++ % fake_manner.passes);
}

static void serve(struct fake_client *c, unsigned int entry, const struct slot_call *call)
{
	unsigned char *bytes = bounce(c, entry);

	move_on();
	switch (call->num) {
	case RUN_START:
		start(c);
		return;
	case RUN_FORK:
		grant_fork(c, entry);
		return;
	case RUN_FORKED:
		forked(c, entry, call);
		return;
	case RUN_THREAD:
		new_thread(c, entry);
		return;
	case SYS_exit:
		/* Nobody waits: the entry is free. */
		__atomic_store_n(&entry_of(c, entry)->state, SYSCALL_NONE, __ATOMIC_RELEASE);
		c->threads &= ~(UINT64_C(1) << entry);
		return;
	case SYS_exit_group:
		exit_group_called(c, entry, call->arg[1]);
		return;
	case SYS_kill:
	case SYS_tgkill:
		send_signal(c, entry, call);
		return;
	case SYS_write:
		if (call->arg[1] == RUN_NULL) {
			reply(c, entry, -EFAULT, 0);
			return;
		}
		keep_output(bytes + call->arg[1], call->arg[2]);
		reply(c, entry, (int64_t)call->arg[2], fake_manner.flags);
		return;
	case SYS_wait4:
	case SYS_read: /* blocks for ever: only a cancel ends it */
		c->waiting = true;
		c->call = *call;
		return;
	case SYS_pread64: /* a pattern: byte i of the file is i */
		for (uint64_t i = 0; i < call->arg[2]; i++)
			bytes[call->arg[1] + i] = (unsigned char)(call->arg[3] + i);
		reply(c, entry, (int64_t)call->arg[2], 0);
		return;
	default:
		reply(c, entry, -ENOSYS, 0);
	}
}

static void look(struct fake_client *c)
{
	struct run_control *control = (struct run_control *)(void *)c->area;
	uint64_t cancel = area_take_cancel(&control->hint, 0);
	uint64_t posted = area_take_posted(&control->hint, 0);

	if (c->waiting && c->call.num == SYS_wait4)
		try_wait(c);
	for (; posted; posted &= posted - 1) {
		unsigned int entry = (unsigned int)__builtin_ctzll(posted);
		struct slot_call call;

		if (slot_claim(entry_of(c, entry), &call) == 0)
			serve(c, entry, &call);
	}
	/* After the posts: a cancel belongs to a call that was posted before it. */
	if ((cancel & 1) && c->waiting && c->call.num == SYS_read) {
		c->waiting = false;
		reply(c, 0, -512 /* ERESTARTSYS */, 0);
	}
}

int fake_run(const char *program, char *const argv[], char *out, size_t out_size)
{
	static char home[] = "HOME=/";
	static char *const environment[] = { home, NULL };
	struct launch_options o = { .argv = argv, .envp = environment };
	int status = 0, server_rw;
	struct fake_client *first;
	char path[64];
	pid_t pid;

	program_path = program;
	output = out;
	output_room = out_size;
	*out = 0;
	server = shared(4096, &server_rw);
	bell = shared(4096, &o.bell_fd);
	area_set_cpu(&server->server, UINT32_MAX);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", server_rw);
	o.server_fd = open(path, O_RDONLY | O_CLOEXEC);
	first = new_client();
	o.area_fd = first->area_fd;
	o.socket_fd = first->socket[1];
	CHECK_INT(launch_start(&o, &pid), 0);
	first->pid = pid;
	while (waitpid(pid, &status, WNOHANG) == 0)
		for (unsigned int i = 0; i < FAKE_CLIENTS; i++)
			if (clients[i].live && clients[i].pid) /* not before its maker has told */
				look(&clients[i]);
	for (unsigned int i = 0; i < FAKE_CLIENTS; i++)
		if (clients[i].live)
			end_client(&clients[i]);
	close(server_rw);
	close(o.server_fd);
	close(o.bell_fd);
	return status;
}
