/*
 * test_audit.c - executors in the kernel under audit: a patched kernel records posted calls as a
 * thread's own, the module does not serve threads that are audited.
 */
#include "test/harness.h"
#include "test/kernel/lent.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 64u
#define END_ENTRY (ENTRIES - 1)

static struct syscall_info entry[ENTRIES];
static struct lent_area area;

/* The auditor: this process, over a socket. */
static struct {
	int fd;
	uint32_t number; /* of the last request */
} audit;

struct message {
	struct nlmsghdr head;
	char data[8192];
};

static struct message received;

/* One message: its type; 0: none came in time. */
static int receive(int ms)
{
	struct pollfd p = { .fd = audit.fd, .events = POLLIN };
	ssize_t size;

	if (poll(&p, 1, ms) <= 0)
		return 0;
	size = recv(audit.fd, &received, sizeof(received) - 1, 0);
	CHECK(size >= (ssize_t)sizeof(received.head));
	((char *)&received)[size] = 0;
	return received.head.nlmsg_type;
}

/* Ask for something; the kernel's answer: 0, -errno. Records that come meanwhile are dropped. */
static int request(uint16_t type, const void *data, size_t size)
{
	static struct message m;
	struct nlmsgerr answer;

	m.head = (struct nlmsghdr){ .nlmsg_len = (uint32_t)(sizeof(m.head) + size),
				    .nlmsg_type = type,
				    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
				    .nlmsg_seq = ++audit.number };
	CHECK(size < sizeof(m.data));
	memcpy(m.data, data, size);
	CHECK_INT(send(audit.fd, &m, m.head.nlmsg_len, 0), m.head.nlmsg_len);
	do
		CHECK(receive(5000));
	while (received.head.nlmsg_type != NLMSG_ERROR || received.head.nlmsg_seq != audit.number);
	memcpy(&answer, received.data, sizeof(answer));
	return answer.error;
}

static void rule(uint16_t type, uint32_t list, uint32_t action, uint32_t call)
{
	struct audit_rule_data r = { .flags = list, .action = action };

	r.mask[AUDIT_WORD(call)] |= AUDIT_BIT(call);
	CHECK_INT(request(type, &r, sizeof(r)), 0);
}

static void set(uint32_t mask, uint32_t enabled, uint32_t pid)
{
	struct audit_status status = { .mask = mask, .enabled = enabled, .pid = pid };

	CHECK_INT(request(AUDIT_SET, &status, sizeof(status)), 0);
}

/* Audit dup() of threads that begin from now on. */
static void audit_begin(void)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	audit.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
	if (audit.fd < 0)
		SKIP("this kernel has no audit");
	set(AUDIT_STATUS_PID | AUDIT_STATUS_ENABLED, 1, (uint32_t)getpid());
	rule(AUDIT_ADD_RULE, AUDIT_FILTER_EXIT, AUDIT_ALWAYS, SYS_dup);
}

/* A kernel that has audited goes on doing so a little for each thread; a rule ends that. */
static void audit_end(bool never_again)
{
	rule(AUDIT_DEL_RULE, AUDIT_FILTER_EXIT, AUDIT_ALWAYS, SYS_dup);
	if (never_again) {
		struct audit_rule_data none = { .flags = AUDIT_FILTER_TASK, .action = AUDIT_NEVER };

		memset(none.mask, 0xff, sizeof(none.mask));
		CHECK_INT(request(AUDIT_ADD_RULE, &none, sizeof(none)), 0);
	}
	set(AUDIT_STATUS_PID, 0, 0);
	close(audit.fd);
}

/* A call that nobody else makes: dup() of no descriptor. */
#define NO_DESCRIPTOR 0x7e577e57u

/* How many of the records that come are about it, made by that process. */
static unsigned int count_records(pid_t by, unsigned int wanted)
{
	char maker[32];
	unsigned int count = 0;

	snprintf(maker, sizeof(maker), " pid=%d ", by);
	while (count < wanted && receive(5000))
		count += received.head.nlmsg_type == AUDIT_SYSCALL &&
			 strstr(received.data, " syscall=32 success=no exit=-9 a0=7e577e57 ") &&
			 strstr(received.data, maker);
	return count;
}

/* By a process of its own: the auditor itself is not audited. */
static void posted_calls_are_recorded(void)
{
	int status = 0;
	pid_t child;

	if (lent_is_there() && !lent_is_patched())
		SKIP("the module serves no audited thread");
	audit_begin();
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
		lent_start(&area, 1);
		for (uint32_t i = 0; i < 5; i++)
			CHECK_INT(lent_call(&area, i, SYS_dup, ARGS(NO_DESCRIPTOR)), -EBADF);
		lent_end(&area, END_ENTRY);
		_exit(0);
	}
	CHECK_INT(count_records(child, 5), 5);
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(status, 0);
	audit_end(false);
}

static void *lend_once(void *arg)
{
	static struct async_syscall_executor record;

	*(long *)arg = lent_exec(&area, &record);
	return NULL;
}

static long answer_to_new_thread(void)
{
	pthread_t thread;
	long answer = 0;

	CHECK_INT(pthread_create(&thread, NULL, lend_once, &answer), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	return answer;
}

/* A thread that is audited from its beginning on is not served; an exempted one is. */
static void the_module_serves_no_audited_thread(void)
{
	if (lent_is_patched())
		SKIP("a patched kernel audits what is posted");
	audit_begin();
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	CHECK_INT(slot_post(&entry[1], SYS_getppid, NO_ARGS), 0);
	CHECK_INT(slot_end(&entry[2]), 0);
	CHECK_INT(answer_to_new_thread(), -EPERM);
	CHECK_INT(slot_state(&entry[1]), SYSCALL_HASCALL);
	audit_end(true);
	CHECK_INT(answer_to_new_thread(), ASYNC_SYSCALL_ENDED);
	CHECK_INT(lent_take(&area, 1), getppid());
	CHECK_INT(lent_forget(&area), 0);
}

static const struct test tests[] = {
	TEST_LONG(posted_calls_are_recorded, 30),
	TEST_LONG(the_module_serves_no_audited_thread, 30),
};
TEST_MAIN(tests)
