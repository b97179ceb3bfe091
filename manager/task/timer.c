#include "task/timer.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_FIRST 64u

struct entry {
	uint64_t deadline_ns;
	uint64_t sequence; /* decides between equal deadlines */
	struct timer *timer;
};

static struct entry *heap; /* heap[0] is not used: the children of i are 2i and 2i + 1 */
static unsigned int heap_count, heap_room;
static uint64_t next_sequence;

int timer_reserve(unsigned int count)
{
	unsigned int room = heap_room ? heap_room : ROOM_FIRST;
	struct entry *larger;

	if (count <= heap_room)
		return 0;
	while (room < count)
		room *= 2;
	larger = realloc(heap, ((size_t)room + 1) * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	heap = larger;
	heap_room = room;
	return 0;
}

void timer_fini(void)
{
	assert(heap_count == 0);
	free(heap);
	heap = NULL;
	heap_room = 0;
}

static bool earlier(const struct entry *a, const struct entry *b)
{
	if (a->deadline_ns != b->deadline_ns)
		return a->deadline_ns < b->deadline_ns;
	return a->sequence < b->sequence;
}

static void put(unsigned int place, const struct entry *e)
{
	heap[place] = *e;
	e->timer->place = place;
}

static void sift_up(unsigned int place, struct entry e)
{
	while (place > 1 && earlier(&e, &heap[place / 2])) {
		put(place, &heap[place / 2]);
		place /= 2;
	}
	put(place, &e);
}

static void sift_down(unsigned int place, struct entry e)
{
	for (;;) {
		unsigned int child = 2 * place;

		if (child > heap_count)
			break;
		if (child < heap_count && earlier(&heap[child + 1], &heap[child]))
			child++;
		if (!earlier(&heap[child], &e))
			break;
		put(place, &heap[child]);
		place = child;
	}
	put(place, &e);
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	struct entry e = { deadline_ns, next_sequence++, t };

	assert(t->place == 0);
	assert(heap_count < heap_room); /* task_start() or event_init() reserved it */
	sift_up(++heap_count, e);
}

void timer_disarm(struct timer *t)
{
	unsigned int place = t->place;
	struct entry last;

	if (place == 0)
		return;
	t->place = 0;
	last = heap[heap_count--];
	if (last.timer == t)
		return;
	if (place > 1 && earlier(&last, &heap[place / 2]))
		sift_up(place, last);
	else
		sift_down(place, last);
}

uint64_t timer_next(void)
{
	return heap_count > 0 ? heap[1].deadline_ns : UINT64_MAX;
}

struct timer *timer_pop_due(uint64_t now_ns)
{
	struct timer *t;

	if (heap_count == 0 || heap[1].deadline_ns > now_ns)
		return NULL;
	t = heap[1].timer;
	timer_disarm(t);
	return t;
}
