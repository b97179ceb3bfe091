#include "test/cache/cache_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct io {
	struct event event;
	struct backing *backing;
	struct cache_page *page;
	bool write;
	uint8_t was[]; /* a write: the data when it began */
};

static void begin(const struct sched_options *options, uint64_t limit)
{
	CHECK_INT(sched_init(options, NULL), 0);
	CHECK_INT(cache_init(limit), 0);
}

void begin_cache(uint64_t limit)
{
	begin(&(struct sched_options){ .virtual_clock = true }, limit);
}

void begin_seeded_cache(uint64_t limit, uint64_t seed)
{
	begin(&(struct sched_options){ .virtual_clock = true, .seeded = true, .seed = seed },
	      limit);
}

void end_cache(void)
{
	struct cache_stats seen = stats();

	CHECK_INT(seen.pages, 0);
	CHECK_INT(seen.bytes, 0);
	CHECK_INT(seen.pinned, 0);
	CHECK_INT(seen.held, 0);
	CHECK_INT(seen.dirty, 0);
	CHECK_INT(task_count(), 0);
	cache_fini();
	sched_fini();
}

uint8_t *backing_page(struct backing *s, uint64_t index)
{
	CHECK(index < s->count);
	return s->bytes + index * s->map.page_size;
}

uint64_t backing_random(struct backing *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % below;
}

static void io_done(struct event *e)
{
	struct io *io = CONTAINER_OF(e, struct io, event);
	struct backing *s = io->backing;
	struct cache_page *page = io->page;
	int error = s->fails ? s->fails(s, io->write, page->index) : 0;

	if (io->write) {
		CHECK_INT(page->state, CACHE_WRITING);
		/* Nobody changed the data under the device. */
		CHECK(s->may_change || memcmp(io->was, page->data, s->map.page_size) == 0);
		if (!error)
			memcpy(backing_page(s, page->index), page->data, s->map.page_size);
	} else if (!error) {
		memcpy(page->data, backing_page(s, page->index), s->map.page_size);
	}
	event_fini(e);
	s->under_way--;
	if (io->write)
		cache_write_done(page, error);
	else
		cache_read_done(page, error);
	free(io);
}

static void io_begin(struct backing *s, struct cache_page *page, bool write)
{
	struct io *io = malloc(sizeof(*io) + (write ? s->map.page_size : 0));
	uint64_t takes_ns = write ? s->write_ns : s->read_ns;

	CHECK(io != NULL);
	*io = (struct io){ .backing = s, .page = page, .write = write };
	if (write) {
		memcpy(io->was, page->data, s->map.page_size);
		if (s->writes < LOG_MAX)
			s->written[s->writes] = page->index;
		s->writes++;
		s->background_writes += cache_in_background();
	} else {
		s->reads++;
	}
	if (++s->under_way > s->most_under_way)
		s->most_under_way = s->under_way;
	if (s->spread_ns > 0)
		takes_ns += backing_random(s, s->spread_ns);
	CHECK_INT(event_init(&io->event, io_done), 0);
	event_at(&io->event, clock_now_ns() + takes_ns);
}

static void backing_read(struct cache_map *map, struct cache_page **pages, unsigned int count)
	MAY_YIELD;
static void backing_read(struct cache_map *map, struct cache_page **pages, unsigned int count)
{
	struct backing *s = map->owner;

	s->inside++;
	if (s->yields)
		task_yield();
	for (unsigned int i = 0; i < count; i++) {
		CHECK_INT(pages[i]->state, CACHE_READING);
		CHECK(i == 0 || pages[i]->index > pages[i - 1]->index);
		io_begin(s, pages[i], false);
	}
	if (s->lingers_ns > 0)
		sleep_ns(s->lingers_ns);
	s->inside--;
}

static void backing_write(struct cache_map *map, struct cache_page **pages, unsigned int count)
	MAY_YIELD;
static void backing_write(struct cache_map *map, struct cache_page **pages, unsigned int count)
{
	struct backing *s = map->owner;

	CHECK(count > 0 && count <= CACHE_BATCH);
	s->write_calls++;
	s->inside++;
	if (s->yields)
		task_yield();
	for (unsigned int i = 0; i < count; i++) {
		CHECK_INT(pages[i]->state, CACHE_WRITING);
		CHECK(i == 0 || pages[i]->index > pages[i - 1]->index);
		io_begin(s, pages[i], true);
	}
	if (s->lingers_ns > 0)
		sleep_ns(s->lingers_ns);
	s->inside--;
}

static const struct cache_map_ops backing_ops = { .read = backing_read, .write = backing_write };

void backing_init(struct backing *s, uint64_t count, uint32_t page_size)
{
	*s = (struct backing){ .count = count,
			       .read_ns = MILLISECOND_NS,
			       .write_ns = MILLISECOND_NS,
			       .random = 88172645463325252u };
	s->bytes = malloc(count * page_size);
	CHECK(s->bytes != NULL);
	cache_map_init(&s->map, &backing_ops, s, page_size);
	for (uint64_t i = 0; i < count; i++)
		memset(backing_page(s, i), (int)(i % 251), page_size);
}

void backing_down(struct backing *s)
{
	cache_map_fini(&s->map);
	CHECK_INT(s->inside, 0);
	s->down = true;
}

static void take_down(void *arg) MAY_YIELD;
static void take_down(void *arg)
{
	backing_down(arg);
}

void backing_fini(struct backing *s)
{
	if (!s->down)
		run_task(take_down, s);
	CHECK_INT(s->under_way, 0);
	free(s->bytes);
}

int all_reads_fail(struct backing *s, bool write, uint64_t index)
{
	(void)s, (void)index;
	return write ? 0 : -EIO;
}

int all_writes_fail(struct backing *s, bool write, uint64_t index)
{
	(void)s, (void)index;
	return write ? -EIO : 0;
}

struct task *spawn(const char *name, task_fn *fn, void *arg)
{
	struct task *t;

	CHECK_INT(task_start(&t, name, fn, arg), 0);
	return t;
}

void run(void)
{
	CHECK_INT(sched_run_until_idle(), 0);
}

void run_task(task_fn *fn, void *arg)
{
	spawn("test", fn, arg);
	run();
}

void sleep_ns(uint64_t ns)
{
	CHECK_INT(task_sleep_until(clock_now_ns() + ns), 0);
}

void fill(struct backing *s, uint64_t index, uint8_t byte)
{
	struct cache_page *page;

	CHECK_INT(cache_get(&s->map, index, &page), 0);
	cache_modify(page);
	memset(page->data, byte, s->map.page_size);
	cache_dirty(page);
	cache_put(page);
}

uint8_t peek(struct backing *s, uint64_t index)
{
	struct cache_page *page;
	uint8_t byte;

	CHECK_INT(cache_get(&s->map, index, &page), 0);
	byte = *(const uint8_t *)page->data;
	cache_put(page);
	return byte;
}

struct cache_stats stats(void)
{
	struct cache_stats seen;

	cache_stats_get(&seen);
	return seen;
}
