/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - many files watched by one (epoll(7)).
 *
 * An entry stands with a watch in its file's poll queue all the time. A change puts
 * it on the ready list; who waits takes entries off, asks the files themselves, and
 * tells what holds. A level entry that was told goes back to the list's end, an
 * edge entry waits for the next change, a one-shot entry for EPOLL_CTL_MOD.
 *
 *   E1  an entry is in the hash table of its epoll and in the list of its file.
 *   E2  a disabled entry (one-shot, told) is not on the ready list.
 *   E3  epolls form no circle, and no chain longer than EPOLL_DEPTH_MAX.
 *
 * An entry holds no reference to its file: the file's end takes the entry away.
 */
#include "file/inside.h"
#include "task/sched.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define EPOLL_DEPTH_MAX 5u
#define EPOLL_ENTRIES_MAX (256u * 1024u) /* in all epolls */
#define EPOLL_BUCKETS_FIRST 16u
#define EPOLL_ALWAYS (EPOLLERR | EPOLLHUP)
#define EPOLL_WAYS (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)
/* Names of events that poll(2) has with the same values. */
#define EPOLL_EVENTS                                                                             \
	(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | \
	 EPOLLMSG | EPOLLRDHUP | EPOLL_ALWAYS)

struct epoll {
	struct file *file;
	/* entries by descriptor number */
	struct list *buckets;
	unsigned int bucket_count, entry_count;
	struct list ready;
	/* of the walk over chains that met it last */
	uint64_t met_by;
	unsigned int levels;
	/* who waits in epoll_wait, and who watches this epoll itself */
	struct waitq waiting;
	struct poll_queue changed;
};

struct epoll_entry {
	struct poll_watch watch;
	struct epoll *epoll;
	struct file *file; /* not counted */
	int fd;
	bool disabled;
	struct epoll_event event;
	struct list in_bucket, in_ready, in_file;
};

static uint64_t walk;
static unsigned int entries;

static struct list *bucket_of(const struct epoll *ep, int fd)
{
	return &ep->buckets[(unsigned int)fd & (ep->bucket_count - 1)];
}

static int make_buckets(unsigned int count, struct list **ret)
{
	struct list *buckets = malloc(count * sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++)
		list_init(&buckets[i]);
	*ret = buckets;
	return 0;
}

/* Twice the buckets. Without memory for them the chains only get longer. */
static void grow(struct epoll *ep)
{
	struct list *old = ep->buckets;
	unsigned int old_count = ep->bucket_count;

	if (make_buckets(old_count * 2, &ep->buckets) < 0)
		return;
	ep->bucket_count = old_count * 2;
	for (unsigned int i = 0; i < old_count; i++) {
		struct list *node;

		while ((node = list_pop_front(&old[i]))) {
			struct epoll_entry *e = LIST_ENTRY(node, struct epoll_entry, in_bucket);

			list_push_back(bucket_of(ep, e->fd), node);
		}
	}
	free(old);
}

static struct epoll_entry *find(struct epoll *ep, int fd, const struct file *file)
{
	LIST_EACH(node, bucket_of(ep, fd)) {
		struct epoll_entry *e = LIST_ENTRY(node, struct epoll_entry, in_bucket);

		if (e->fd == fd && e->file == file)
			return e;
	}
	return NULL;
}

static void make_ready(struct epoll_entry *e)
{
	struct epoll *ep = e->epoll;

	if (e->disabled || !list_empty(&e->in_ready))
		return; /* E2 */
	list_push_back(&ep->ready, &e->in_ready);
	waitq_wake_one(&ep->waiting);
	poll_queue_wake(&ep->changed);
}

static void entry_changed(struct poll_watch *watch)
{
	make_ready(CONTAINER_OF(watch, struct epoll_entry, watch));
}

/* What holds of what the entry asks for. */
static uint32_t entry_events(const struct epoll_entry *e, struct poll_table *pt)
{
	return file_poll(e->file, pt) & (e->event.events | EPOLL_ALWAYS) & EPOLL_EVENTS;
}

static void entry_free(struct epoll_entry *e)
{
	e->epoll->entry_count--;
	entries--;
	list_del(&e->watch.node);
	list_del(&e->in_bucket);
	list_del(&e->in_ready);
	list_del(&e->in_file);
	free(e);
}

void epoll_forget(struct file *f)
{
	LIST_EACH_SAFE(node, &f->epoll_items)
		entry_free(LIST_ENTRY(node, struct epoll_entry, in_file));
}

/*
 * Take what is ready, each entry once. A level entry goes back to the end of the
 * list: the others get their turn before it, however small `max` is.
 */
static unsigned int harvest(struct epoll *ep, struct epoll_event *events, unsigned int max)
{
	struct list told = LIST_INIT(told);
	unsigned int count = 0;
	struct list *node;

	while (count < max && (node = list_pop_front(&ep->ready))) {
		struct epoll_entry *e = LIST_ENTRY(node, struct epoll_entry, in_ready);
		uint32_t seen = entry_events(e, NULL);

		if (seen == 0)
			continue;
		events[count].events = seen;
		events[count].data = e->event.data;
		count++;
		if (e->event.events & EPOLLONESHOT)
			e->disabled = true;
		else if (!(e->event.events & EPOLLET))
			list_push_back(&told, node);
	}
	while ((node = list_pop_front(&told)))
		list_push_back(&ep->ready, node);
	return count;
}

/* Is anything ready? What turns out not to be is taken off the list. */
static bool any_ready(struct epoll *ep)
{
	LIST_EACH_SAFE(node, &ep->ready) {
		if (entry_events(LIST_ENTRY(node, struct epoll_entry, in_ready), NULL) != 0)
			return true;
		list_del(node);
	}
	return false;
}

static unsigned int epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll *ep = f->private_data;

	poll_table_add(pt, &ep->changed);
	return any_ready(ep) ? FILE_READY_IN : 0;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->private_data;

	for (unsigned int i = 0; i < ep->bucket_count; i++) {
		LIST_EACH_SAFE(node, &ep->buckets[i])
			entry_free(LIST_ENTRY(node, struct epoll_entry, in_bucket));
	}
	assert(ep->entry_count == 0); /* E1 */
	assert(waitq_empty(&ep->waiting));
	free(ep->buckets);
	free(ep);
}

static const struct file_ops epoll_ops = {
	.poll = epoll_poll,
	.release = epoll_release,
	.kind = "anon_inode:[eventpoll]",
};

int epoll_new(int flags, struct file **ret)
{
	struct epoll *ep;
	int r;

	if (flags & ~(EPOLL_CLOEXEC | O_ACCMODE)) /* a caller may give its access mode */
		return -EINVAL;
	ep = calloc(1, sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	ep->bucket_count = EPOLL_BUCKETS_FIRST;
	r = make_buckets(ep->bucket_count, &ep->buckets);
	if (r < 0) {
		free(ep);
		return r;
	}
	list_init(&ep->ready);
	waitq_init(&ep->waiting);
	poll_queue_init(&ep->changed);
	r = file_new(&epoll_ops, O_RDWR, ep, &ep->file);
	if (r < 0) {
		free(ep->buckets);
		free(ep);
		return r;
	}
	*ret = ep->file;
	return 0;
}

/*
 * Chains of epolls. Each walk marks what it has met with its own number, so that its
 * cost is the number of entries, not of paths; E3 bounds the recursion.
 */
static unsigned int levels_below(const struct file *f)
{
	unsigned int deepest = 0;
	struct epoll *ep;

	if (f->ops != &epoll_ops)
		return 0;
	ep = f->private_data;
	if (ep->met_by == walk)
		return ep->levels;
	for (unsigned int i = 0; i < ep->bucket_count; i++) {
		LIST_EACH(node, &ep->buckets[i]) {
			unsigned int levels =
				levels_below(LIST_ENTRY(node, struct epoll_entry, in_bucket)->file);

			deepest = levels > deepest ? levels : deepest;
		}
	}
	ep->met_by = walk;
	ep->levels = deepest + 1;
	return ep->levels;
}

/* The epoll itself counts. */
static unsigned int levels_above(struct epoll *ep)
{
	unsigned int highest = 0;

	if (ep->met_by == walk)
		return ep->levels;
	LIST_EACH(node, &ep->file->epoll_items) {
		unsigned int levels =
			levels_above(LIST_ENTRY(node, struct epoll_entry, in_file)->epoll);

		highest = levels > highest ? levels : highest;
	}
	ep->met_by = walk;
	ep->levels = highest + 1;
	return ep->levels;
}

static int check_chain(struct epoll *ep, const struct file *target)
{
	unsigned int below, above;

	if (target->ops != &epoll_ops)
		return 0;
	walk++;
	below = levels_below(target);
	if (ep->met_by == walk)
		return -ELOOP; /* target watches ep already */
	walk++;
	above = levels_above(ep);
	return below + above > EPOLL_DEPTH_MAX ? -ELOOP : 0; /* E3 */
}

static void entry_start(struct epoll_entry *e, const struct epoll_event *event)
{
	struct poll_table pt = { .watch = &e->watch };

	e->event = *event;
	e->disabled = false;
	list_del(&e->watch.node);
	if (entry_events(e, &pt) != 0)
		make_ready(e);
}

static int entry_add(struct epoll *ep, int fd, struct file *target, const struct epoll_event *event)
{
	struct epoll_entry *e;
	int r;

	if (!target->ops->poll)
		return -EPERM; /* regular files and directories are always ready */
	r = check_chain(ep, target);
	if (r < 0)
		return r;
	if (entries >= EPOLL_ENTRIES_MAX)
		return -ENOSPC;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	if (ep->entry_count >= 2 * ep->bucket_count)
		grow(ep);
	e->watch.changed = entry_changed;
	list_init(&e->watch.node);
	list_init(&e->in_ready);
	e->epoll = ep;
	e->file = target;
	e->fd = fd;
	list_push_back(bucket_of(ep, fd), &e->in_bucket);
	list_push_back(&target->epoll_items, &e->in_file);
	ep->entry_count++;
	entries++;
	entry_start(e, event);
	return 0;
}

static int entry_modify(struct epoll_entry *e, const struct epoll_event *event)
{
	if ((e->event.events | event->events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	list_del(&e->in_ready);
	entry_start(e, event);
	return 0;
}

int epoll_control(struct file *f, int op, int fd, struct file *target,
		  const struct epoll_event *event)
{
	struct epoll *ep = f->private_data;
	struct epoll_entry *e;

	if (f->ops != &epoll_ops || target == f)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (event->events & ~(EPOLL_EVENTS | EPOLL_WAYS)))
		return -EINVAL;
	e = find(ep, fd, target);
	switch (op) {
	case EPOLL_CTL_ADD:
		return e ? -EEXIST : entry_add(ep, fd, target, event);
	case EPOLL_CTL_MOD:
		return e ? entry_modify(e, event) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (!e)
			return -ENOENT;
		entry_free(e);
		return 0;
	default:
		return -EINVAL;
	}
}

int epoll_wait_events(struct file *f, struct epoll_event *events, unsigned int max,
		      uint64_t deadline_ns)
{
	struct epoll *ep = f->private_data;
	unsigned int count;
	int r = 0;

	if (f->ops != &epoll_ops || max == 0)
		return -EINVAL;
	for (;;) {
		count = harvest(ep, events, max);
		if (count > 0 || r == -ETIMEDOUT)
			break;
		if (r < 0)
			return r == -ECANCELED ? -EINTR : r;
		if (deadline_ns != TASK_FOREVER && deadline_ns <= clock_now_ns())
			return 0;
		r = waitq_wait(&ep->waiting, deadline_ns, WAIT_CANCELLABLE);
	}
	/* What is left is for the next who waits. */
	if (!list_empty(&ep->ready))
		waitq_wake_one(&ep->waiting);
	return (int)count;
}
