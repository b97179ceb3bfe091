#include "test/disk/test_disk.h"

#include "task/sched.h"
#include "test/disk/inside.h"
#include "test/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum fault_kind { FAULT_NTH, FAULT_RANGE, FAULT_TEAR };

/*
 * The queue tries the requests of a joined call one by one when it has failed. So a fault that
 * has met its request in a joined call is bound to it, and used up when it comes alone.
 */
struct fault {
	struct list node;
	enum fault_kind kind;
	enum disk_op op;
	uint64_t n; /* requests still to come, with the one it is for */
	uint64_t offset, size;
	uint64_t sectors;
	unsigned int times;
	int error;
	const struct disk_request *bound;
};

struct test_disk {
	struct disk *disk; /* NULL once closed */
	struct test_disk_options options;
	struct store store;
	struct log log;
	struct list faults;
	struct test_disk_stats stats;
	/* power */
	bool dead, will_die;
	uint64_t writes_left;
	/* calls */
	struct list pending;
	unsigned int pending_count;
	bool held;
	struct event event;
	uint64_t random;
	struct model_state model;
};

uint64_t test_random(uint64_t *state, uint64_t limit)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % limit;
}

static struct call *call_of(struct list *node)
{
	return LIST_ENTRY(node, struct call, node);
}

static struct disk_request *request_of(struct list *node)
{
	return LIST_ENTRY(node, struct disk_request, node);
}

/* ---- faults. */

static struct fault *add_fault(struct test_disk *td, const struct fault *f)
{
	struct fault *own = malloc(sizeof(*own));

	CHECK(own);
	*own = *f;
	list_push_back(&td->faults, &own->node);
	return own;
}

void test_disk_fail_nth(struct test_disk *td, enum disk_op op, uint64_t n, int error)
{
	CHECK(n > 0 && error < 0);
	add_fault(td, &(struct fault){ .kind = FAULT_NTH, .op = op, .n = n, .error = error });
}

void test_disk_fail_range(struct test_disk *td, enum disk_op op, uint64_t offset, uint64_t size,
			  int error, unsigned int times)
{
	CHECK(error < 0);
	add_fault(td, &(struct fault){ .kind = FAULT_RANGE,
				       .op = op,
				       .offset = offset,
				       .size = size,
				       .error = error,
				       .times = times });
}

void test_disk_tear_nth(struct test_disk *td, uint64_t n, uint64_t sectors, int error)
{
	CHECK(n > 0);
	add_fault(td, &(struct fault){ .kind = FAULT_TEAR,
				       .op = DISK_WRITE,
				       .n = n,
				       .sectors = sectors,
				       .error = error });
}

static void remove_fault(struct fault *f)
{
	list_del(&f->node);
	free(f);
}

void test_disk_cut_power(struct test_disk *td, uint64_t n)
{
	td->dead = n == 0;
	td->will_die = true;
	td->writes_left = n;
}

void test_disk_mend(struct test_disk *td)
{
	LIST_EACH_SAFE(node, &td->faults)
		remove_fault(LIST_ENTRY(node, struct fault, node));
	td->dead = false;
	td->will_die = false;
}

static bool meets(struct fault *f, const struct disk_request *r)
{
	if (f->op != r->op)
		return false;
	if (f->kind == FAULT_RANGE)
		return r->offset < f->offset + f->size && f->offset < r->offset + r->size;
	if (f->bound)
		return f->bound == r;
	return !r->alone && --f->n == 0; /* alone: it was counted before */
}

/* 0 or the error of this request; *ret_size: bytes of it that are written. */
static int ask_faults(struct test_disk *td, const struct disk_request *r, bool joined,
		      uint64_t *ret_size)
{
	int error = 0;

	*ret_size = r->size;
	LIST_EACH_SAFE(node, &td->faults) {
		struct fault *f = LIST_ENTRY(node, struct fault, node);

		if (!meets(f, r))
			continue;
		error = f->error ? f->error : error;
		if (f->kind != FAULT_TEAR)
			*ret_size = 0;
		else if (f->sectors * DISK_SECTOR < *ret_size)
			*ret_size = f->sectors * DISK_SECTOR;
		if (joined && f->error)
			f->bound = r;
		else if (f->kind != FAULT_RANGE || --f->times == 0)
			remove_fault(f);
	}
	return error;
}

/* ---- carrying out. */

static void count_write(struct test_disk *td)
{
	if (td->will_die && --td->writes_left == 0)
		td->dead = true;
}

static void apply(struct test_disk *td, const struct disk_request *r, uint64_t size)
{
	switch (r->op) {
	case DISK_READ:
		memcpy(r->data, td->store.data + r->offset, r->size);
		break;
	case DISK_WRITE:
		if (size > 0) {
			store_write(&td->store, r->offset, r->data, size);
			log_write(&td->log, r, size);
		}
		count_write(td);
		break;
	case DISK_DISCARD:
		store_zero(&td->store, r->offset, r->size);
		log_write(&td->log, r, r->size);
		break;
	case DISK_FLUSH:
		break;
	}
}

static int carry_out(struct test_disk *td, struct call *call)
{
	static uint64_t sizes[DISK_JOIN_MAX];
	bool joined = call->requests.next != call->requests.prev;
	unsigned int i = 0;
	int error = 0;

	if (td->dead)
		return -EIO;
	LIST_EACH(node, &call->requests) {
		int r = ask_faults(td, request_of(node), joined, &sizes[i++]);

		error = r ? r : error;
	}
	if (error && (joined || sizes[0] == 0))
		return error;
	i = 0;
	LIST_EACH(node, &call->requests) {
		const struct disk_request *r = request_of(node);
		uint64_t size = sizes[i++];

		if (td->dead)
			return -EIO;
		if (r->op == DISK_FLUSH)
			log_flush(&td->log, call->log_length);
		else
			apply(td, r, size);
	}
	return error;
}

static void complete(struct test_disk *td, struct call *call)
{
	struct list requests;
	int error;

	list_del(&call->node);
	td->pending_count--;
	td->stats.calls++;
	LIST_EACH(node, &call->requests)
		td->stats.requests++;
	error = carry_out(td, call);
	td->stats.failed += error != 0;
	disk_take(&requests, &call->requests);
	free(call);
	disk_done(td->disk, &requests, error);
}

/* ---- when. */

static void count_distance(struct test_disk *td, const struct call *call)
{
	uint64_t begin = request_of(call->requests.next)->offset;

	if (request_of(call->requests.next)->op == DISK_FLUSH)
		return;
	td->stats.distance += begin > td->model.head ? begin - td->model.head
						     : td->model.head - begin;
}

/* The next call to begin: the first that came, or the one that is reached first. */
static struct call *next_to_begin(const struct test_disk *td, uint64_t now_ns)
{
	struct call *found = NULL;
	uint64_t best_ns = UINT64_MAX, end;

	LIST_EACH(node, &td->pending) {
		struct call *call = call_of(node);
		uint64_t time_ns;

		if (call->begun)
			continue;
		if (!td->model.model->nearest)
			return call;
		time_ns = model_time(&td->model, call, now_ns, &end);
		if (time_ns < best_ns) {
			best_ns = time_ns;
			found = call;
		}
	}
	return found;
}

static void begin_calls(struct test_disk *td)
{
	unsigned int channels = td->model.model->channels ? td->model.model->channels : 1;
	uint64_t now_ns = clock_now_ns(), end;
	struct call *call;

	while (td->model.begun < channels && (call = next_to_begin(td, now_ns))) {
		uint64_t time_ns = model_time(&td->model, call, now_ns, &end);

		count_distance(td, call);
		call->begun = true;
		call->done_ns = now_ns + time_ns;
		td->model.head = end;
		td->model.channel_ns = call->done_ns;
		td->model.begun++;
		td->stats.busy_ns += time_ns;
	}
}

static struct call *earliest(const struct test_disk *td)
{
	struct call *found = NULL;

	LIST_EACH(node, &td->pending)
		if (call_of(node)->begun && (!found || call_of(node)->done_ns < found->done_ns))
			found = call_of(node);
	return found;
}

static void step_model(struct test_disk *td)
{
	struct call *call;

	while ((call = earliest(td)) && call->done_ns <= clock_now_ns()) {
		td->model.begun--;
		complete(td, call);
	}
	begin_calls(td);
	call = earliest(td);
	if (call)
		event_at(&td->event, call->done_ns);
}

static struct call *any_pending(struct test_disk *td)
{
	struct list *node = td->pending.next;

	if (td->options.completion == TEST_DISK_SHUFFLED)
		for (uint64_t n = test_random(&td->random, td->pending_count); n > 0; n--)
			node = node->next;
	return call_of(node);
}

/* Something may be done, unless it is held. */
static void step(struct test_disk *td)
{
	if (td->held || list_empty(&td->pending))
		return;
	switch (td->options.completion) {
	case TEST_DISK_AT_ONCE:
		while (!td->held && !list_empty(&td->pending))
			complete(td, call_of(td->pending.next));
		break;
	case TEST_DISK_SOON:
	case TEST_DISK_SHUFFLED:
		complete(td, any_pending(td));
		if (!list_empty(&td->pending))
			event_soon(&td->event);
		break;
	case TEST_DISK_MODEL:
		step_model(td);
		break;
	}
}

static void on_event(struct event *e)
{
	step(CONTAINER_OF(e, struct test_disk, event));
}

static void submit(struct disk *disk, struct list *requests)
{
	struct test_disk *td = disk_context(disk);
	struct call *call = malloc(sizeof(*call));

	CHECK(call);
	*call = (struct call){ .log_length = td->log.length };
	disk_take(&call->requests, requests);
	list_push_back(&td->pending, &call->node);
	if (++td->pending_count > td->stats.depth_max)
		td->stats.depth_max = td->pending_count;
	if (td->options.completion == TEST_DISK_AT_ONCE)
		step(td);
	else if (!td->held && !event_is_set(&td->event))
		event_soon(&td->event);
	else if (!td->held && td->options.completion == TEST_DISK_MODEL)
		event_soon(&td->event); /* a channel may be free */
}

void test_disk_hold(struct test_disk *td)
{
	CHECK(td->options.completion != TEST_DISK_MODEL);
	td->held = true;
	event_clear(&td->event);
}

unsigned int test_disk_held(const struct test_disk *td)
{
	return td->held ? td->pending_count : 0;
}

void test_disk_let(struct test_disk *td, unsigned int calls)
{
	CHECK(td->held);
	while (calls-- > 0) {
		CHECK(!list_empty(&td->pending));
		complete(td, call_of(td->pending.next));
	}
}

void test_disk_release(struct test_disk *td)
{
	td->held = false;
	event_soon(&td->event);
}

/* ---- open, close. */

static void close_disk(struct disk *disk)
{
	struct test_disk *td = disk_context(disk);

	event_fini(&td->event);
	td->disk = NULL;
}

static const struct disk_driver driver = {
	.name = "test",
	.submit = submit,
	.close = close_disk,
};

struct disk *test_disk_open(const struct test_disk_options *options, struct test_disk **ret)
{
	const struct disk_info info = {
		.size = options->size,
		.read_only = options->read_only,
		.can_discard = !options->cannot_discard,
	};
	struct test_disk *td = malloc(sizeof(*td));

	CHECK(td);
	CHECK(options->completion != TEST_DISK_MODEL || options->model);
	*td = (struct test_disk){
		.options = *options,
		.random = options->seed,
		.model = { .model = options->model, .size = options->size },
	};
	store_init(&td->store, options->size);
	list_init(&td->faults);
	list_init(&td->pending);
	CHECK_INT(event_init(&td->event, on_event), 0);
	CHECK_INT(disk_new(&driver, &info, td, &td->disk), 0);
	*ret = td;
	return td->disk;
}

void test_disk_free(struct test_disk *td)
{
	CHECK(!td->disk);
	test_disk_mend(td);
	log_end(&td->log);
	store_fini(&td->store);
	free(td);
}

const char *test_disk_data(const struct test_disk *td)
{
	return td->store.data;
}

void test_disk_put(struct test_disk *td, uint64_t offset, const void *data, uint64_t size)
{
	store_write(&td->store, offset, data, size);
}

void test_disk_load(struct test_disk *td, const char *path)
{
	store_load(&td->store, path);
}

void test_disk_save(const struct test_disk *td, const char *path)
{
	store_save(&td->store, path);
}

void test_disk_stats_get(const struct test_disk *td, struct test_disk_stats *ret)
{
	*ret = td->stats;
}

void test_disk_record(struct test_disk *td)
{
	log_end(&td->log);
	store_init(&td->log.before, td->store.size);
	store_copy(&td->log.before, &td->store);
	arena_init(&td->log.data);
	td->log.recording = true;
}

void test_disk_mark(struct test_disk *td, uint64_t number)
{
	log_mark(&td->log, number);
}

const struct log *test_disk_log_of(const struct test_disk *td)
{
	return &td->log;
}
