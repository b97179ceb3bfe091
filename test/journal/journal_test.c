#include "test/journal/journal_test.h"

#include "base/crc32c.h"

#include <string.h>

#define MAGIC 0xc03b3998u

/* In pieces: seven blocks in line, and then a gap of one. */
uint64_t world_log_block(const struct world *w, uint32_t index)
{
	return WORLD_BLOCKS + index + (w->options.in_pieces ? index / 7 : 0);
}

static int where(void *context, uint32_t index, uint64_t *ret_block)
{
	const struct world *w = context;

	CHECK(index < w->log_count);
	*ret_block = world_log_block(w, index);
	return 0;
}

static bool may_write(void *context, uint64_t block)
{
	const struct world *w = context;

	return block > 0 && block < w->disk_blocks;
}

static void committed(void *context, uint32_t id)
{
	struct world *w = context;

	w->committed_calls++;
	w->last_committed = id;
	if (w->on_committed)
		w->on_committed(w, id);
}

static void aborted(void *context, int error)
{
	struct world *w = context;

	CHECK_INT(w->aborted, 0);
	w->aborted = error;
}

static void set_up(struct world *w)
{
	w->setup = (struct journal_setup){ .disk = w->disk,
					   .blocks = &w->blocks,
					   .block_size = w->block_size,
					   .block_count = w->log_count,
					   .where = where,
					   .may_write = may_write,
					   .committed = committed,
					   .aborted = aborted,
					   .context = w };
	CHECK_INT(cache_map_disk(&w->blocks, w->disk, w->block_size), 0);
}

void world_format(const struct world *w, char *super)
{
	uint32_t features = w->options.features;

	memset(super, 0, 1024);
	put_be32(super, MAGIC);
	put_be32(super + 4, 4);
	put_be32(super + 12, w->block_size);
	put_be32(super + 16, w->log_count);
	put_be32(super + 20, 1);
	put_be32(super + 24, 1);
	put_be32(super + 40, features);
	memcpy(super + 48, "0123456789abcdef", 16);
	put_be32(super + 64, 1);
	if (features & (F_V2 | F_V3)) {
		super[80] = 4;
		put_be32(super + 0xfc, crc32c(~0u, super, 1024));
	}
}

void world_begin(struct world *w, const struct world_options *options)
{
	struct sched_options sched_options = { .virtual_clock = true,
					       .seeded = options->seed != 0,
					       .seed = options->seed };
	char super[1024];

	*w = (struct world){ .options = *options };
	w->block_size = options->block_size ? options->block_size : 1024;
	w->log_count = options->log_count ? options->log_count : 65;
	w->disk_blocks = world_log_block(w, w->log_count) + 1;
	CHECK_INT(sched_init(&sched_options, NULL), 0);
	CHECK_INT(cache_init(options->cache_limit ? options->cache_limit : 4 << 20), 0);
	w->disk = test_disk_open(
		&(struct test_disk_options){ .size = w->disk_blocks * w->block_size,
					     .completion = options->seed ? TEST_DISK_SHUFFLED
									 : TEST_DISK_SOON,
					     .seed = options->seed },
		&w->td);
	world_format(w, super);
	test_disk_put(w->td, world_log_block(w, 0) * w->block_size, super, sizeof(super));
	set_up(w);
}

static void take_map_down(void *arg) MAY_YIELD;
static void take_map_down(void *arg)
{
	cache_map_fini(arg);
}

void world_end(struct world *w)
{
	struct cache_stats stats;

	CHECK(!w->j);
	run_task(take_map_down, &w->blocks);
	cache_stats_get(&stats);
	CHECK_INT(stats.pages, 0);
	CHECK_INT(stats.pinned, 0);
	CHECK_INT(stats.held, 0);
	CHECK_INT(task_count(), 0);
	disk_close(w->disk);
	test_disk_free(w->td);
	cache_fini();
	sched_fini();
}

void world_on(struct world *w, const struct world *like, struct disk *disk)
{
	*w = (struct world){ .options = like->options,
			     .disk = disk,
			     .block_size = like->block_size,
			     .log_count = like->log_count,
			     .disk_blocks = like->disk_blocks };
	set_up(w);
}

void world_off(struct world *w)
{
	CHECK(!w->j);
	cache_map_fini(&w->blocks);
}

const char *world_block(const struct world *w, uint64_t block)
{
	return test_disk_data(w->td) + block * w->block_size;
}

const char *world_log(const struct world *w, uint32_t index)
{
	return world_block(w, world_log_block(w, index));
}

void world_open(struct world *w)
{
	CHECK_INT(journal_open(&w->setup, &w->j), 0);
	if (journal_needs_replay(w->j))
		CHECK_INT(journal_replay(w->j, NULL), 0);
	CHECK_INT(journal_start(w->j), 0);
}

int world_close(struct world *w)
{
	int r = journal_close(w->j);

	w->j = NULL;
	return r;
}

/* ---- contents. Some begin with the journal's magic number. */

void contents(const struct world *w, uint8_t *to, char kind, uint64_t block, uint32_t version)
{
	uint64_t state = block * 1000003 + version * 31u + (unsigned char)kind;

	for (uint32_t i = 0; i < w->block_size; i += 8) {
		uint64_t word = test_random(&state, UINT64_MAX);

		memcpy(to + i, &word, sizeof(word));
	}
	put_be32(to, version % 5 == 0 ? MAGIC : version % 5 == 1 ? 0 : version);
	put_be32(to + 4, version);
	to[8] = (uint8_t)kind;
}

bool holds(const struct world *w, const void *data, char kind, uint64_t block, uint32_t version)
{
	static uint8_t wanted[4096]; /* no task runs meanwhile */

	contents(w, wanted, kind, block, version);
	return memcmp(data, wanted, w->block_size) == 0;
}

char which(const struct world *w, const void *data, uint64_t block, uint32_t *ret_version)
{
	char kind = ((const char *)data)[8];

	*ret_version = get_be32((const char *)data + 4);
	return holds(w, data, kind, block, *ret_version) ? kind : 0;
}

/* ---- changes. */

void put(struct world *w, struct journal_handle *h, uint64_t block, char kind, uint32_t version)
{
	struct cache_page *page;

	CHECK_INT(cache_get(&w->blocks, block, &page), 0);
	CHECK_INT(journal_get_write(h, page), 0);
	contents(w, page->data, kind, block, version);
	journal_dirty(h, page);
	cache_put(page);
}

uint32_t change(struct world *w, uint64_t block, char kind, uint32_t version)
{
	struct journal_handle h;
	uint32_t id;

	CHECK_INT(journal_begin(w->j, 1, &h), 0);
	put(w, &h, block, kind, version);
	id = journal_handle_id(&h);
	journal_end(&h);
	return id;
}

/* ---- tasks. */

struct task *spawn(const char *name, task_fn *fn, void *arg)
{
	struct task *t;

	CHECK_INT(task_start(&t, name, fn, arg), 0);
	return t;
}

void run_all(void)
{
	CHECK_INT(sched_run_until_idle(), 0);
}

void run_task(task_fn *fn, void *arg)
{
	spawn("test", fn, arg);
	run_all();
}

void sleep_ns(uint64_t ns)
{
	CHECK_INT(task_sleep_until(clock_now_ns() + ns), 0);
}
