#include "device/host.h"

#include "device/inside.h"
#include "task/sched.h"
#include "task/task.h"
#include "task/trace.h"

#include <errno.h>
#include <hascall/hascall.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOST_CALLS_RESERVED (HOST_CALLS_WATCHER + HOST_CALLS_DISKS)
/* A cached answer takes a few us; one that took so long waited for something. */
#define BRIEF_NS 200000u
/* After it so many calls go to the executors before the next try here. */
#define BRIEF_PAUSE 16u

static struct {
	struct hascall *area; /* NULL until the first call */
	struct host_options options;
	struct task_sem room; /* entries that tasks may use */
	unsigned int in_flight;
	unsigned int brief_pause;
	bool running;
} host;

/* One task's call. */
struct task_call {
	struct host_request request;
	struct waitq reply;
	int64_t ret;
	bool done;
};

int host_init(const struct host_options *options)
{
	assert(!host.running);
	host.options = *options;
	if (host.options.calls_max == 0)
		host.options.calls_max = HOST_CALLS_DEFAULT;
	if (host.options.workers_max == 0)
		host.options.workers_max = HOST_WORKERS_DEFAULT;
	if (host.options.calls_max > HASCALL_ENTRIES_MAX - HOST_CALLS_RESERVED ||
	    host.options.workers_max > HASCALL_WORKERS_MAX)
		return -EINVAL;
	task_sem_init(&host.room, host.options.calls_max);
	host.in_flight = 0;
	host.brief_pause = 0;
	host.running = true;
	return 0;
}

void host_fini(void)
{
	assert(host.running && host.in_flight == 0);
	hostwait_fini();
	hascall_close(host.area);
	host.area = NULL;
	host.running = false;
}

bool host_running(void)
{
	return host.running;
}

unsigned int host_calls_in_flight(void)
{
	return host.in_flight;
}

/* A program that needs no executor gets no threads: they are made here. */
static int open_area(void)
{
	const struct hascall_options options = {
		.size = sizeof(options),
		.entries = host.options.calls_max + HOST_CALLS_RESERVED,
		.workers_max = host.options.workers_max,
		.notify = host.options.notify,
		.notify_ctx = host.options.notify_ctx,
	};

	return host.area ? 0 : hascall_open(&host.area, &options);
}

int host_post(struct host_request *request, uint32_t num, const uint64_t arg[6])
{
	int r = open_area();

	if (r < 0)
		return r;
	return hascall_post(host.area, num, arg, (uint64_t)(uintptr_t)request, 0, &request->ticket);
}

static void on_reply(void *ctx, uint64_t user_data, int64_t ret)
{
	struct host_request *request = (struct host_request *)(uintptr_t)user_data;

	(void)ctx;
	request->done(request, ret);
}

bool host_poll(void)
{
	return host.area && hascall_reap(host.area, on_reply, NULL) > 0;
}

void host_wait_outside(void)
{
	int r = hascall_wait_any(host.area, -1, 0);

	assert(r == 0);
	host_poll();
}

static void wake_caller(struct host_request *request, int64_t ret)
{
	struct task_call *call = CONTAINER_OF(request, struct task_call, request);

	call->ret = ret;
	call->done = true;
	waitq_wake_one(&call->reply);
}

static void leave(void)
{
	host.in_flight--;
	task_sem_post(&host.room);
}

/* Until the reply is there; or until the task is cancelled and the call taken back. */
static int64_t wait_for_reply(struct task_call *call, enum wait_kind kind) MAY_YIELD
{
	while (!call->done) {
		int r = waitq_wait(&call->reply, TASK_FOREVER, kind);

		if (r != -ECANCELED || call->done)
			continue;
		if (hascall_recall(host.area, call->request.ticket) == 0)
			return -ECANCELED;
		kind = WAIT_SURE; /* an executor has begun it */
	}
	return call->ret;
}

static int64_t call_executor(uint32_t num, const uint64_t arg[6], enum wait_kind kind) MAY_YIELD
{
	struct task_call call = { .request = { .done = wake_caller } };
	int64_t r = 0;

	if (kind == WAIT_SURE)
		task_sem_take(&host.room);
	else
		r = task_sem_wait(&host.room, TASK_FOREVER);
	if (r < 0)
		return r;
	host.in_flight++;
	waitq_init(&call.reply);
	TRACE(TRACE_DEVICE, "%s calls host %u", task_name(task_self()), num);
	r = host_post(&call.request, num, arg);
	if (r == 0)
		r = wait_for_reply(&call, kind);
	TRACE(TRACE_DEVICE, "%s back from host %u: %lld", task_name(task_self()), num,
	      (long long)r);
	leave();
	return r;
}

int64_t host_call(uint32_t num, const uint64_t arg[6])
{
	if (!host.running || !task_self())
		return host_call_now(num, arg);
	return call_executor(num, arg, WAIT_SURE);
}

int64_t host_call_cancellable(uint32_t num, const uint64_t arg[6])
{
	if (!host.running || !task_self())
		return host_call_now(num, arg);
	return call_executor(num, arg, WAIT_CANCELLABLE);
}

int64_t host_call_now(uint32_t num, const uint64_t arg[6])
{
	long r = syscall(num, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);

	return r < 0 ? -errno : r;
}

bool host_alone(void)
{
	return host.running && host.options.alone && host.options.alone();
}

/*
 * Nothing says beforehand whether the host has the answer in memory. But slow
 * answers come in rows (a tree that is read for the first time): so each slow one
 * buys the others of the manager some calls that cannot hold them up.
 */
int64_t host_call_brief(uint32_t num, const uint64_t arg[6])
{
	uint64_t begin_ns;
	int64_t r;

	if (host_alone()) {
		r = host_call_now(num, arg);
		return r == -EINTR ? host_call(num, arg) : r;
	}
	if (host.brief_pause > 0) {
		host.brief_pause--;
		return host_call(num, arg);
	}
	begin_ns = clock_now_ns();
	r = host_call_now(num, arg);
	if (clock_now_ns() - begin_ns > BRIEF_NS)
		host.brief_pause = BRIEF_PAUSE;
	/* A signal of the manager's own: executors have none. */
	return r == -EINTR ? host_call(num, arg) : r;
}
