/* SPDX-License-Identifier: MIT */
/*
 * area.c - areas: one shared memory object and one socket for each address space.
 *
 * The memory cannot be made smaller by whoever else has it (sealed), so looking into
 * it never ends in SIGBUS. An area is never used for a second process: some child
 * that the host knows and we do not could still have it mapped.
 */
#include "front/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREPARED_MAX 4u

static_assert(sizeof(struct run_control) <= RUN_ENTRIES_OFFSET, "entries come after");
static_assert(RUN_ENTRIES_OFFSET + RUN_ENTRY_COUNT * sizeof(struct syscall_info) <=
		      RUN_BOUNCE_OFFSET,
	      "buffers come after");
static_assert(sizeof(((struct run_control *)0)->hint.posted) / 8 == PROC_ENTRIES / 64,
	      "a hint bit an entry");

struct list area_clients = LIST_INIT(area_clients);
static struct list prepared = LIST_INIT(prepared);
static unsigned int prepared_count;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int area_map(struct client *c)
{
	void *area;

	c->area_fd = memfd_create("hascall-area", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (c->area_fd < 0)
		return -errno;
	if (ftruncate(c->area_fd, (off_t)RUN_AREA_SIZE) < 0 ||
	    fcntl(c->area_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	area = mmap(NULL, RUN_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		    c->area_fd, 0);
	if (area == MAP_FAILED)
		return -errno;
	c->area = area;
	return 0;
}

static int area_connect(struct client *c)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	c->socket = pair[0];
	c->peer = pair[1];
	return 0;
}

static void client_destroy(struct client *c)
{
	if (c->area)
		munmap(c->area, RUN_AREA_SIZE);
	close_fd(&c->area_fd);
	close_fd(&c->socket);
	close_fd(&c->peer);
	free(c);
}

static int client_make(struct client **ret)
{
	struct client *c = calloc(1, sizeof(*c));
	struct run_control *control;
	int r;

	if (!c)
		return -ENOMEM;
	c->area_fd = c->socket = c->peer = -1;
	list_init(&c->node);
	r = area_map(c);
	if (r == 0)
		r = area_connect(c);
	if (r < 0) {
		client_destroy(c);
		return r;
	}
	control = client_control(c);
	control->version = RUN_ABI_VERSION;
	control->entry_count = RUN_ENTRY_COUNT;
	*ret = c;
	return 0;
}

bool area_prepare(void)
{
	struct client *c;

	if (prepared_count >= PREPARED_MAX || client_make(&c) < 0)
		return false;
	/* The pages that every process touches: its first calls need no page fault for them. */
	memset(c->area + RUN_ENTRIES_OFFSET, 0, sizeof(struct syscall_info));
	memset(client_bounce(c, 0), 0, 1);
	list_push_back(&prepared, &c->node);
	prepared_count++;
	return true;
}

int area_client_new(struct client **ret)
{
	struct list *node = list_pop_front(&prepared);
	struct client *c;
	int r;

	if (node) {
		c = LIST_ENTRY(node, struct client, node);
		prepared_count--;
	} else if ((r = client_make(&c)) < 0) {
		return r == -ENOMEM ? -ENOMEM : -EAGAIN;
	}
	list_push_back(&area_clients, &c->node);
	*ret = c;
	return 0;
}

void area_client_free(struct client *c)
{
	list_del(&c->node);
	client_destroy(c);
}

void area_fini(void)
{
	struct list *node;

	assert(list_empty(&area_clients));
	while ((node = list_pop_front(&prepared)))
		client_destroy(LIST_ENTRY(node, struct client, node));
	prepared_count = 0;
}

int area_client_send(struct client *c, const int *fds, const uint32_t *slots, unsigned int count)
{
	union {
		struct cmsghdr header;
		unsigned char room[CMSG_SPACE(RUN_FDS_MAX * sizeof(int))];
	} control;
	uint32_t payload[RUN_FDS_MAX];
	struct iovec bytes = { payload, count * sizeof(payload[0]) };
	struct msghdr message = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};

	assert(count > 0 && count <= RUN_FDS_MAX);
	memcpy(payload, slots, count * sizeof(payload[0]));
	memset(&control, 0, sizeof(control));
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	if (c->socket < 0)
		return -ENOTCONN;
	if (sendmsg(c->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno; /* -EAGAIN: it does not receive what it was sent */
	return 0;
}

void area_publish(struct process *p)
{
	struct run_control *control;

	if (!p->client)
		return;
	control = client_control(p->client);
	__atomic_store_n(&control->ppid, process_ppid(p), __ATOMIC_RELAXED);
	control->uid = p->cred.uid;
	control->euid = p->cred.euid;
	control->suid = p->cred.suid;
	control->gid = p->cred.gid;
	control->egid = p->cred.egid;
	control->sgid = p->cred.sgid;
}

void area_entry_reset(struct client *c, uint32_t entry)
{
	__atomic_store_n(&client_control(c)->tid[entry], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&client_entry(c, entry)->state, SYSCALL_NONE, __ATOMIC_RELEASE);
}

bool area_entry_is_free(const struct client *c, uint32_t entry)
{
	return slot_state(client_entry(c, entry)) == SYSCALL_NONE;
}

int32_t area_thread_tid(const struct thread *t)
{
	return (int32_t)__atomic_load_n(&client_control(t->client)->tid[t->entry],
					__ATOMIC_RELAXED);
}
