#ifndef TEST_LIB_AREA_H
#define TEST_LIB_AREA_H
/*
 * area.h - what the tests of libhascall do again and again: open an area, submit one
 * call, wait for it, block a call in a pipe. Layer: test.
 */
#include "hascall/hascall.h"
#include "test/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADDRESS(x) ((uint64_t)(uintptr_t)(x))

static inline struct hascall *area_open(const struct hascall_options *wanted)
{
	struct hascall_options options = { 0 };
	struct hascall *h = NULL;

	if (wanted)
		options = *wanted;
	options.size = sizeof(options);
	CHECK_INT(hascall_open(&h, &options), 0);
	return h;
}

static inline uint64_t submit_one(struct hascall *h, const struct hascall_call *call)
{
	uint64_t ticket = 0;

	CHECK_INT(hascall_submit(h, call, 1, 0, &ticket), 0);
	return ticket;
}

static inline int64_t result_of(struct hascall *h, uint64_t ticket)
{
	int64_t result = 0;

	CHECK_INT(hascall_wait(h, ticket, -1, 0, &result), 0);
	return result;
}

static inline void ignore_result(void *ctx, uint64_t user_data, int64_t ret)
{
	(void)ctx;
	(void)user_data;
	(void)ret;
}

static inline struct hascall_call read_call(int fd, void *buffer, uint64_t size)
{
	return (struct hascall_call){
		.num = SYS_read,
		.arg = { (uint64_t)fd, ADDRESS(buffer), size },
	};
}

static inline struct hascall_call write_call(int fd, const void *buffer, uint64_t size)
{
	return (struct hascall_call){
		.num = SYS_write,
		.arg = { (uint64_t)fd, ADDRESS(buffer), size },
	};
}

/* A pipe: a read from it runs until pipe_feed(). */
struct test_pipe {
	int out, in;
};

static inline struct test_pipe pipe_open(void)
{
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	return (struct test_pipe){ fds[0], fds[1] };
}

static inline void pipe_feed(const struct test_pipe *p)
{
	CHECK_INT(write(p->in, "x", 1), 1);
}

/* Keeps one worker in a read from the pipe until pipe_feed(): the ticket. */
static inline uint64_t occupy(struct hascall *h, const struct test_pipe *p, char *byte)
{
	const struct hascall_call call = read_call(p->out, byte, 1);
	uint64_t ticket;

	do {
		ticket = submit_one(h, &call);
		usleep(1000);
	} while (hascall_recall(h, ticket) == 0); /* nobody has begun it yet: once more */
	return ticket;
}

static inline void pipe_close(const struct test_pipe *p)
{
	close(p->out);
	close(p->in);
}

#endif /* TEST_LIB_AREA_H */
