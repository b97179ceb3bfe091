/*
 *              PREFLUSH              the flush is done
 *   arrived ------------> FLUSH_FIRST ----------------+
 *      |                                              v       dispatch        disk_done
 *      +------------------------------------------> QUEUED ----------> CARRIED ----------> done()
 *      |                                              ^                 |   |
 *      |                                              +-----------------+   | FUA
 *      |                                          failed, joined to others  v
 *      +------------------------------------------------------------> FLUSH_LAST ---------> done()
 *                DISK_FLUSH                                             the flush is done
 *
 *     stage        stands in                          what holds
 *     ARRIVED      arrived                            nothing is checked
 *     FLUSH_FIRST  flush_next or flush_now
 *     QUEUED       a queue, by age and by offset      D1 the queue counts it
 *     CARRIED      a list of the driver's             D2 its call is counted
 *     FLUSH_LAST   flush_next or flush_now            the driver does not write through
 *
 * A flush serves all requests that stood in flush_next when it began. It does not wait for
 * writes under way: nobody was promised that it covers them.
 */
#include "device/disk.h"

#include "device/disk_sort.h"
#include "task/event.h"
#include "task/sched.h"
#include "task/task.h"
#include "task/trace.h"

#include <errno.h>
#include <stdlib.h>

/* After a late request so many calls go by offset before lateness counts again. */
#define SWEEP_CALLS 16u

enum stage { STAGE_ARRIVED, STAGE_FLUSH_FIRST, STAGE_QUEUED, STAGE_CARRIED, STAGE_FLUSH_LAST };

struct queue {
	struct list by_age;
	struct disk_request *by_offset;
	unsigned int calls; /* with the driver */
	uint64_t count;
};

struct disk {
	const struct disk_driver *driver;
	void *context;
	struct disk_info info;
	struct disk_stats stats;
	struct event pump;
	uint64_t sequence;
	/* requests */
	struct list arrived;
	struct queue waited_for, background;
	struct list flush_next, flush_now;
	/* with the driver */
	unsigned int sweep;	   /* calls left that go by offset */
	uint64_t head;		   /* where the last call ended */
	struct disk_request flush; /* the queue's own: stands for flush_now */
	bool flushing;
};

static void pump(struct event *e);

int disk_new(const struct disk_driver *driver, const struct disk_info *info, void *context,
	     struct disk **ret)
{
	struct disk *disk;
	int r;

	if (info->size < DISK_SECTOR || info->size > INT64_MAX)
		return -EINVAL;
	disk = malloc(sizeof(*disk));
	if (!disk)
		return -ENOMEM;
	*disk = (struct disk){ .driver = driver, .context = context, .info = *info };
	r = event_init(&disk->pump, pump);
	if (r < 0) {
		free(disk);
		return r;
	}
	disk->info.size -= disk->info.size % DISK_SECTOR;
	list_init(&disk->arrived);
	list_init(&disk->waited_for.by_age);
	list_init(&disk->background.by_age);
	list_init(&disk->flush_next);
	list_init(&disk->flush_now);
	*ret = disk;
	return 0;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	assert(list_empty(&disk->arrived));
	assert(list_empty(&disk->waited_for.by_age) && disk->waited_for.calls == 0);
	assert(list_empty(&disk->background.by_age) && disk->background.calls == 0);
	assert(list_empty(&disk->flush_next) && !disk->flushing);
	disk->driver->close(disk);
	event_fini(&disk->pump);
	free(disk);
}

void *disk_context(const struct disk *disk)
{
	return disk->context;
}

void disk_info(const struct disk *disk, struct disk_info *ret)
{
	*ret = disk->info;
}

static uint64_t length_of(const struct list *l)
{
	uint64_t length = 0;

	LIST_EACH(node, l)
		length++;
	return length;
}

void disk_stats_get(const struct disk *disk, struct disk_stats *ret)
{
	*ret = disk->stats;
	ret->queued = disk->waited_for.count + disk->background.count + length_of(&disk->arrived) +
		      length_of(&disk->flush_next);
}

/* ---- queues. */

static struct disk_request *request_of(struct list *node)
{
	return LIST_ENTRY(node, struct disk_request, node);
}

static struct queue *queue_of(struct disk *disk, const struct disk_request *r)
{
	return r->flags & DISK_BACKGROUND_IO ? &disk->background : &disk->waited_for;
}

static void enqueue(struct disk *disk, struct disk_request *r)
{
	struct queue *q = queue_of(disk, r);

	r->stage = STAGE_QUEUED;
	list_push_back(&q->by_age, &r->node);
	disk_sort_add(&q->by_offset, r);
	q->count++;
}

static void dequeue(struct queue *q, struct disk_request *r)
{
	assert(r->stage == STAGE_QUEUED && q->count > 0); /* D1 */
	list_del(&r->node);
	disk_sort_remove(&q->by_offset, r);
	q->count--;
}

static void await_flush(struct disk *disk, struct disk_request *r, enum stage stage)
{
	r->stage = (uint8_t)stage;
	list_push_back(&disk->flush_next, &r->node);
}

static int check(const struct disk *disk, const struct disk_request *r)
{
	unsigned int allowed = DISK_BACKGROUND_IO;

	if (r->op == DISK_FLUSH)
		return r->flags & ~allowed ? -EINVAL : 0;
	if (r->op != DISK_READ && r->op != DISK_WRITE && r->op != DISK_DISCARD)
		return -EINVAL;
	if (r->op == DISK_READ)
		allowed |= DISK_PAST_CACHE;
	if (r->op == DISK_WRITE)
		allowed |= DISK_PREFLUSH | DISK_FUA;
	if (r->flags & ~allowed || r->size == 0 || (r->offset | r->size) % DISK_SECTOR)
		return -EINVAL;
	if (r->offset > disk->info.size || r->size > disk->info.size - r->offset)
		return -EINVAL;
	if (r->op != DISK_READ && disk->info.read_only)
		return -EROFS;
	return r->op == DISK_DISCARD && !disk->info.can_discard ? -EOPNOTSUPP : 0;
}

static void arrive(struct disk *disk, struct disk_request *r)
{
	int error = check(disk, r);

	if (error || (r->op == DISK_FLUSH && disk->info.read_only))
		r->done(r, error);
	else if (r->op == DISK_FLUSH)
		await_flush(disk, r, STAGE_FLUSH_LAST);
	else if (r->flags & DISK_PREFLUSH)
		await_flush(disk, r, STAGE_FLUSH_FIRST);
	else
		enqueue(disk, r);
}

/* ---- choosing. */

static bool older_than(const struct queue *q, uint64_t ns)
{
	return !list_empty(&q->by_age) &&
	       clock_now_ns() - request_of(q->by_age.next)->since_ns >= ns;
}

static struct queue *choose_queue(struct disk *disk)
{
	struct queue *waited_for = &disk->waited_for, *background = &disk->background;
	bool room = background->calls < DISK_BACKGROUND && background->count > 0;

	if (waited_for->calls + background->calls >= DISK_DEPTH)
		return NULL;
	if (room && (waited_for->count == 0 || older_than(background, DISK_WRITE_DELAY_NS)))
		return background;
	return waited_for->count > 0 ? waited_for : NULL;
}

/* The queue is not empty. */
static struct disk_request *choose_request(struct disk *disk, const struct queue *q)
{
	struct disk_request *r;

	if (disk->sweep > 0) {
		disk->sweep--;
	} else if (older_than(q, DISK_LATE_NS)) {
		disk->sweep = SWEEP_CALLS;
		return request_of(q->by_age.next);
	}
	r = disk_sort_from(q->by_offset, disk->head);
	return r ? r : disk_sort_from(q->by_offset, 0);
}

static bool may_join(const struct disk_request *a, const struct disk_request *b)
{
	return b && a->op == b->op && !b->alone;
}

/* Take `first` and its neighbours on both sides out of the queue, into `joined`. */
static void take_neighbours(struct queue *q, struct disk_request *first, struct list *joined)
{
	uint64_t begin = first->offset, end = first->offset + first->size;
	unsigned int count = 1;
	struct disk_request *r;

	dequeue(q, first);
	list_push_back(joined, &first->node);
	while (!first->alone && count < DISK_JOIN_MAX) {
		r = disk_sort_from(q->by_offset, end);
		if (!may_join(first, r) || r->offset != end)
			break;
		if (end - begin + r->size > DISK_JOIN_BYTES)
			break;
		end += r->size;
		count++;
		dequeue(q, r);
		list_push_back(joined, &r->node);
	}
	while (!first->alone && count < DISK_JOIN_MAX) {
		r = disk_sort_before(q->by_offset, begin);
		if (!may_join(first, r) || r->offset + r->size != begin)
			break;
		if (end - begin + r->size > DISK_JOIN_BYTES)
			break;
		begin -= r->size;
		count++;
		dequeue(q, r);
		list_push_front(joined, &r->node);
	}
}

/* ---- handing over. */

static void count_request(struct disk_stats *stats, const struct disk_request *r)
{
	switch (r->op) {
	case DISK_READ:
		stats->reads++;
		stats->read_bytes += r->size;
		break;
	case DISK_WRITE:
		stats->writes++;
		stats->written_bytes += r->size;
		break;
	case DISK_DISCARD:
		stats->discards++;
		break;
	case DISK_FLUSH:
		stats->flushes++;
		break;
	}
}

static void trace_call(const struct disk *disk, const struct list *joined)
{
	static const char *const names[] = { "reads", "writes", "flushes", "discards" };
	const struct disk_request *first = request_of(joined->next);
	const struct disk_request *last = request_of(joined->prev);

	if (first->op == DISK_FLUSH)
		TRACE(TRACE_DEVICE, "disk %s flushes", disk->driver->name);
	else
		TRACE(TRACE_DEVICE, "disk %s %s %llu to %llu", disk->driver->name, names[first->op],
		      (unsigned long long)first->offset,
		      (unsigned long long)(last->offset + last->size));
}

static void submit(struct disk *disk, struct list *joined)
{
	disk->stats.calls++;
	trace_call(disk, joined);
	disk->driver->submit(disk, joined);
}

static void dispatch(struct disk *disk, struct queue *q)
{
	struct list joined = LIST_INIT(joined);

	take_neighbours(q, choose_request(disk, q), &joined);
	LIST_EACH(node, &joined) {
		struct disk_request *r = request_of(node);

		r->stage = STAGE_CARRIED;
		count_request(&disk->stats, r);
		disk->head = r->offset + r->size;
	}
	q->calls++; /* D2 */
	submit(disk, &joined);
}

static void begin_flush(struct disk *disk)
{
	struct list one = LIST_INIT(one);

	disk->flushing = true;
	disk_take(&disk->flush_now, &disk->flush_next);
	disk->flush = (struct disk_request){ .op = DISK_FLUSH, .stage = STAGE_CARRIED };
	list_push_back(&one, &disk->flush.node);
	count_request(&disk->stats, &disk->flush);
	submit(disk, &one);
}

static void pump(struct event *e)
{
	struct disk *disk = CONTAINER_OF(e, struct disk, pump);
	struct list arrived;
	struct list *node;
	struct queue *q;

	disk_take(&arrived, &disk->arrived);
	while ((node = list_pop_front(&arrived)))
		arrive(disk, request_of(node));
	while ((q = choose_queue(disk)))
		dispatch(disk, q);
	if (!disk->flushing && !list_empty(&disk->flush_next))
		begin_flush(disk);
}

/* ---- and back. */

static void flush_done(struct disk *disk, int error)
{
	struct list served;
	struct list *node;

	disk->flushing = false;
	disk_take(&served, &disk->flush_now);
	while ((node = list_pop_front(&served))) {
		struct disk_request *r = request_of(node);

		if (r->stage == STAGE_FLUSH_FIRST && !error)
			enqueue(disk, r);
		else
			r->done(r, error);
	}
}

static void request_done(struct disk *disk, struct disk_request *r, bool joined, int error)
{
	assert(r->stage == STAGE_CARRIED);
	if (error == -EOPNOTSUPP && r->op == DISK_DISCARD)
		disk->info.can_discard = false;
	if (error && joined) {
		r->alone = true;
		enqueue(disk, r);
	} else if (!error && r->flags & DISK_FUA && !disk->driver->writes_through) {
		await_flush(disk, r, STAGE_FLUSH_LAST);
	} else {
		r->done(r, error);
	}
}

void disk_done(struct disk *disk, struct list *requests, int error)
{
	struct disk_request *first = request_of(requests->next);
	bool joined = requests->next != requests->prev;
	struct list done;
	struct list *node;

	event_soon(&disk->pump);
	disk_take(&done, requests);
	if (first == &disk->flush) {
		list_del(&disk->flush.node);
		flush_done(disk, error);
		return;
	}
	queue_of(disk, first)->calls--;
	while ((node = list_pop_front(&done)))
		request_done(disk, request_of(node), joined, error);
}

/* ---- sending. */

void disk_send(struct disk *disk, struct disk_request *request)
{
	request->stage = STAGE_ARRIVED;
	request->alone = false;
	request->sequence = disk->sequence++;
	request->since_ns = clock_now_ns();
	list_push_back(&disk->arrived, &request->node);
	event_soon(&disk->pump);
}

struct errand {
	struct disk_request request;
	struct waitq waiter;
	int error;
	bool done;
};

static void errand_done(struct disk_request *request, int error)
{
	struct errand *errand = CONTAINER_OF(request, struct errand, request);

	errand->error = error;
	errand->done = true;
	waitq_wake_all(&errand->waiter);
}

static int send_and_wait(struct disk *disk, const struct disk_request *request) MAY_YIELD
{
	struct errand errand = { .request = *request };

	assert(task_self());
	errand.request.done = errand_done;
	waitq_init(&errand.waiter);
	disk_send(disk, &errand.request);
	while (!errand.done) {
		int r = waitq_wait(&errand.waiter, TASK_FOREVER, WAIT_SURE);

		assert(r == 0);
	}
	return errand.error;
}

int disk_read(struct disk *disk, void *data, uint64_t size, uint64_t offset)
{
	return send_and_wait(
		disk, &(struct disk_request){
			      .op = DISK_READ, .data = data, .size = size, .offset = offset });
}

int disk_write(struct disk *disk, const void *data, uint64_t size, uint64_t offset)
{
	/* A driver reads a write's data only. */
	return send_and_wait(disk, &(struct disk_request){ .op = DISK_WRITE,
							   .data = (void *)(uintptr_t)data,
							   .size = size,
							   .offset = offset });
}

int disk_flush(struct disk *disk)
{
	return send_and_wait(disk, &(struct disk_request){ .op = DISK_FLUSH });
}
