#include "test/journal/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block_state {
	char kind;
	uint32_t version;
	bool busy;	  /* a task has plans with it */
	uint32_t free_id; /* 'f': the transaction that freed it */
	bool reusable;	  /* and that is durable */
};

struct event_of {
	uint32_t id; /* transaction */
	uint32_t block;
	char kind;
	uint32_t version;
};

static uint64_t chance(struct workload *l, uint64_t limit)
{
	return test_random(&l->random, limit);
}

static void add_event(struct workload *l, uint32_t id, uint32_t block, char kind, uint32_t version)
{
	if (l->event_count == l->event_room) {
		l->event_room = l->event_room ? 2 * l->event_room : 1024;
		l->events = realloc(l->events, l->event_room * sizeof(*l->events));
		CHECK(l->events);
	}
	CHECK(l->event_count == 0 || l->events[l->event_count - 1].id <= id);
	l->events[l->event_count++] = (struct event_of){ id, block, kind, version };
	l->now[block].kind = kind;
	l->now[block].version = version;
	l->last_id = id;
}

static void freed_blocks_become_reusable(struct world *w, uint32_t id)
{
	struct workload *l = (struct workload *)w;

	for (uint32_t b = 1; b <= l->options.blocks; b++)
		if (l->now[b].kind == 'f' && l->now[b].free_id == id)
			l->now[b].reusable = true;
}

/* A block of that kind nobody is busy with, or 0. */
static uint32_t pick(struct workload *l, char kind)
{
	uint32_t start = (uint32_t)chance(l, l->options.blocks);

	/* Some blocks are in most transactions. */
	if (kind == 'm' && chance(l, 3) == 0)
		start = (uint32_t)chance(l, 4);
	for (uint32_t i = 0; i < l->options.blocks; i++) {
		uint32_t b = 1 + (start + i) % l->options.blocks;
		struct block_state *s = &l->now[b];

		if (s->kind == kind && !s->busy && (kind != 'f' || s->reusable))
			return b;
	}
	return 0;
}

static void write_metadata(struct workload *l, struct journal_handle *h, uint32_t block) MAY_YIELD;
static void write_metadata(struct workload *l, struct journal_handle *h, uint32_t block)
{
	struct cache_page *page;
	uint32_t version;

	CHECK_INT(cache_get_new(&l->w.blocks, block, &page), 0);
	CHECK_INT(journal_get_write(h, page), 0);
	version = ++l->version;
	contents(&l->w, page->data, 'm', block, version);
	journal_dirty(h, page);
	add_event(l, journal_handle_id(h), block, 'm', version);
	cache_put(page);
}

/* ---- what tasks do. Each returns the last transaction in which it changed anything, or 0. */

/* Several blocks; between asking for them and changing them anything may happen. */
static uint32_t do_change(struct workload *l) MAY_YIELD;
static uint32_t do_change(struct workload *l)
{
	uint32_t count = 1 + (uint32_t)chance(l, l->options.credits), id = 0;
	uint32_t first = (uint32_t)chance(l, l->options.blocks);
	struct journal_handle h;

	CHECK_INT(journal_begin(l->w.j, count, &h), 0);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t b = 1 + (first + i * 3) % l->options.blocks;

		if (chance(l, 3) == 0)
			b = pick(l, 'm');
		if (b == 0 || l->now[b].kind != 'm' || l->now[b].busy)
			continue;
		if (chance(l, 8) == 0)
			task_yield();
		if (l->now[b].kind == 'm' && !l->now[b].busy) {
			l->now[b].busy = true;
			write_metadata(l, &h, b);
			l->now[b].busy = false;
			id = journal_handle_id(&h);
		}
	}
	journal_end(&h);
	return id;
}

/* Asks for a block and changes it later in the handle, or not at all. */
static uint32_t do_slowly(struct workload *l) MAY_YIELD;
static uint32_t do_slowly(struct workload *l)
{
	uint32_t b = pick(l, 'm'), id = 0;
	struct cache_page *page;
	struct journal_handle h;

	if (b == 0)
		return 0;
	l->now[b].busy = true;
	CHECK_INT(journal_begin(l->w.j, 1, &h), 0);
	CHECK_INT(cache_get(&l->w.blocks, b, &page), 0);
	CHECK_INT(journal_get_write(&h, page), 0);
	for (uint64_t i = chance(l, 4); i > 0; i--)
		task_yield();
	if (chance(l, 4) != 0) {
		write_metadata(l, &h, b);
		id = journal_handle_id(&h);
	}
	cache_put(page);
	journal_end(&h);
	l->now[b].busy = false;
	return id;
}

static void free_block(struct workload *l, struct journal_handle *h, uint32_t b)
{
	l->now[b].reusable = false;
	l->now[b].free_id = journal_handle_id(h);
	add_event(l, journal_handle_id(h), b, 'f', 0);
}

static uint32_t do_forget(struct workload *l) MAY_YIELD;
static uint32_t do_forget(struct workload *l)
{
	uint32_t b = pick(l, 'm'), id;
	struct cache_page *page = NULL;
	struct journal_handle h;

	if (b == 0)
		return 0;
	l->now[b].busy = true;
	CHECK_INT(journal_begin(l->w.j, 2, &h), 0);
	if (chance(l, 2) == 0)
		CHECK_INT(cache_get(&l->w.blocks, b, &page), 0);
	CHECK_INT(journal_forget(&h, b, page), 0);
	free_block(l, &h, b);
	cache_put(page);
	if (chance(l, 3) == 0)
		write_metadata(l, &h, b); /* and used again, as metadata */
	id = journal_handle_id(&h);
	journal_end(&h);
	l->now[b].busy = false;
	return id;
}

/* A free block becomes metadata, or data that is on the disk when the transaction is. */
static uint32_t do_reuse(struct workload *l) MAY_YIELD;
static uint32_t do_reuse(struct workload *l)
{
	uint32_t b = pick(l, 'f'), version, id;
	struct journal_transaction *t;
	struct journal_handle h;
	uint8_t *data;

	if (b == 0)
		return 0;
	l->now[b].busy = true;
	CHECK_INT(journal_begin(l->w.j, 1, &h), 0);
	id = journal_handle_id(&h);
	if (chance(l, 2) == 0) {
		write_metadata(l, &h, b);
		journal_end(&h);
		l->now[b].busy = false;
		return id;
	}
	version = ++l->version;
	add_event(l, id, b, 'd', version);
	t = journal_data_begin(&h);
	/* The block that says so. */
	write_metadata(l, &h, 1);
	journal_end(&h);
	data = malloc(l->w.block_size);
	CHECK(data);
	contents(&l->w, data, 'd', b, version);
	sleep_ns(chance(l, 3) * chance(l, SECOND_NS));
	CHECK_INT(disk_write(l->w.disk, data, l->w.block_size, (uint64_t)b * l->w.block_size), 0);
	journal_data_end(t, 0);
	free(data);
	l->now[b].busy = false;
	return id;
}

static uint32_t do_free_data(struct workload *l) MAY_YIELD;
static uint32_t do_free_data(struct workload *l)
{
	uint32_t b = pick(l, 'd'), id;
	struct journal_handle h;

	if (b == 0)
		return 0;
	l->now[b].busy = true;
	CHECK_INT(journal_begin(l->w.j, 1, &h), 0);
	free_block(l, &h, b);
	write_metadata(l, &h, 1);
	id = journal_handle_id(&h);
	journal_end(&h);
	l->now[b].busy = false;
	return id;
}

/* A long operation, in steps. */
static uint32_t do_steps(struct workload *l) MAY_YIELD;
static uint32_t do_steps(struct workload *l)
{
	struct journal_handle h;
	uint32_t id = 0;

	CHECK_INT(journal_begin(l->w.j, 1, &h), 0);
	for (uint64_t i = 2 + chance(l, 6); i > 0; i--) {
		uint32_t b = pick(l, 'm');

		if (b == 0)
			break;
		l->now[b].busy = true;
		write_metadata(l, &h, b);
		l->now[b].busy = false;
		id = journal_handle_id(&h);
		if (journal_extend(&h, 1) == -EAGAIN)
			CHECK_INT(journal_restart(&h, 1), 0);
	}
	journal_end(&h);
	return id;
}

static uint32_t do_one(struct workload *l) MAY_YIELD;
static uint32_t do_one(struct workload *l)
{
	switch (chance(l, 10)) {
	case 0:
	case 1:
		return do_forget(l);
	case 2:
	case 3:
		return do_reuse(l);
	case 4:
		return do_free_data(l);
	case 5:
		return do_slowly(l);
	case 6:
		return do_steps(l);
	default:
		return do_change(l);
	}
}

static void work(void *arg) MAY_YIELD;
static void work(void *arg)
{
	struct workload *l = arg;

	for (unsigned int i = 0; i < l->options.steps; i++) {
		uint32_t id = do_one(l);

		if (id != 0 && chance(l, 4) == 0) {
			CHECK_INT(journal_commit(l->w.j, id), 0);
			CHECK(journal_committed(l->w.j, id));
			test_disk_mark(l->w.td, id);
		}
		if (chance(l, 5) == 0)
			sleep_ns(chance(l, 2 * SECOND_NS));
	}
	l->running--;
}

static void run_workload(void *arg) MAY_YIELD;
static void run_workload(void *arg)
{
	struct workload *l = arg;
	char name[24];

	world_open(&l->w);
	l->running = l->options.tasks;
	for (unsigned int i = 0; i < l->options.tasks; i++) {
		snprintf(name, sizeof(name), "worker %u", i);
		spawn(name, work, l);
	}
	while (l->running > 0)
		sleep_ns(100 * MILLISECOND_NS);
	journal_stats_get(l->w.j, &l->stats);
	CHECK_INT(world_close(&l->w), 0);
	test_disk_mark(l->w.td, l->last_id);
}

void workload_run(struct workload *l, const struct workload_options *options)
{
	uint8_t *first;

	*l = (struct workload){ .options = *options, .random = options->world.seed };
	world_begin(&l->w, &options->world);
	l->w.on_committed = freed_blocks_become_reusable;
	l->now = calloc(options->blocks + 1, sizeof(*l->now));
	first = malloc(l->w.block_size);
	CHECK(l->now && first && options->blocks < WORLD_BLOCKS);
	for (uint32_t b = 1; b <= options->blocks; b++) {
		contents(&l->w, first, 'm', b, 1);
		test_disk_put(l->w.td, (uint64_t)b * l->w.block_size, first, l->w.block_size);
		add_event(l, 0, b, 'm', 1);
	}
	l->version = 1;
	free(first);
	test_disk_record(l->w.td);
	run_task(run_workload, l);
}

void workload_end(struct workload *l)
{
	world_end(&l->w);
	free(l->events);
	free(l->now);
}

/* ---- judging. */

/* What the disk's blocks hold; kind 0: nothing whole. */
static void look(const struct workload *l, const char *disk, struct block_state *seen)
{
	for (uint32_t b = 1; b <= l->options.blocks; b++)
		seen[b].kind = which(&l->w, disk + (size_t)b * l->w.block_size, b,
				     &seen[b].version);
}

static uint32_t first_wrong(const struct workload *l, const struct block_state *state,
			    const struct block_state *seen)
{
	for (uint32_t b = 1; b <= l->options.blocks; b++)
		if (state[b].kind != 'f' &&
		    (state[b].kind != seen[b].kind || state[b].version != seen[b].version))
			return b;
	return 0;
}

const char *workload_judge(const struct workload *l, const char *disk, uint32_t acknowledged)
{
	static char text[512];
	size_t length = (size_t)snprintf(text, sizeof(text), "acknowledged %u:", acknowledged);
	struct block_state *seen = calloc(l->options.blocks + 1, sizeof(*seen));
	struct block_state *state = calloc(l->options.blocks + 1, sizeof(*state));
	const char *verdict = text;
	uint32_t wrong = 0;

	CHECK(seen && state);
	look(l, disk, seen);
	for (size_t i = 0; i < l->event_count; i++) {
		const struct event_of *e = &l->events[i];

		state[e->block].kind = e->kind;
		state[e->block].version = e->version;
		if (i + 1 < l->event_count && l->events[i + 1].id == e->id)
			continue;
		/* The state after transaction e->id and before the next that changed anything. */
		if (i + 1 < l->event_count && l->events[i + 1].id <= acknowledged)
			continue;
		wrong = first_wrong(l, state, seen);
		if (wrong == 0) {
			verdict = NULL;
			break;
		}
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   " after %u, block %u is %c%u, not %c%u;", e->id, wrong,
					   seen[wrong].kind ? seen[wrong].kind : '?',
					   seen[wrong].version, state[wrong].kind,
					   state[wrong].version);
		if (length >= sizeof(text))
			length = sizeof(text) - 1;
	}
	free(seen);
	free(state);
	return verdict;
}

struct crash {
	struct workload *l;
	struct replay *replay;
	uint32_t acknowledged;
	const char *verdict;
};

static void replay_and_judge(void *arg) MAY_YIELD;
static void replay_and_judge(void *arg)
{
	struct crash *c = arg;
	struct disk *disk = replay_disk(c->replay);
	struct world after;
	int r;

	world_on(&after, &c->l->w, disk);
	r = journal_open(&after.setup, &after.j);
	if (r == 0) {
		r = journal_replay(after.j, NULL);
		CHECK_INT(world_close(&after), 0);
	}
	world_off(&after);
	c->verdict = r < 0 ? strerror(-r)
			   : workload_judge(c->l, replay_data(c->replay), c->acknowledged);
	disk_close(disk);
}

const char *workload_crash(struct workload *l, struct replay *replay, size_t k, uint64_t seed)
{
	struct crash c = { .l = l, .replay = replay };

	for (size_t i = 0; i < k; i++) {
		const struct test_record *record = test_disk_log(l->w.td, i);

		if (record->kind == RECORD_MARK && record->number > c.acknowledged)
			c.acknowledged = (uint32_t)record->number;
	}
	replay_crash(replay, k, seed, REPLAY_TORN);
	run_task(replay_and_judge, &c);
	return c.verdict;
}
