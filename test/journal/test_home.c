/*
 * test_home.c - what journal.h promises of blocks that are freed while they go home: once the
 * freeing is committed the journal writes them no more, so they can be another's.
 */
#include "test/journal/journal_test.h"

#include "journal/inside.h"

#include <stdlib.h>
#include <string.h>

#define FREED 190u
#define CHANGED 200u /* blocks 1 .. that go home: more than are written at a time */
#define SPARE 1100u  /* blocks behind the log: more than may be on their way at a time */

static struct world base, w;

/* ---- a disk on which writes behind the log take as long as the test says. */
static struct {
	char *data;
	uint64_t slow_from;
	bool slow;
	struct list kept[2 * DISK_DEPTH]; /* joined requests */
	unsigned int kept_count;
	struct disk *disk;
} slow;

static void carry_out(struct list *requests)
{
	LIST_EACH(node, requests) {
		const struct disk_request *r = LIST_ENTRY(node, struct disk_request, node);

		if (r->op == DISK_READ)
			memcpy(r->data, slow.data + r->offset, r->size);
		else if (r->op == DISK_WRITE)
			memcpy(slow.data + r->offset, r->data, r->size);
	}
	disk_done(slow.disk, requests, 0);
}

static void slow_submit(struct disk *disk, struct list *requests)
{
	const struct disk_request *r = LIST_ENTRY(requests->next, struct disk_request, node);

	(void)disk;
	if (slow.slow && r->op == DISK_WRITE && r->offset >= slow.slow_from) {
		CHECK(slow.kept_count < ARRAY_COUNT(slow.kept));
		disk_take(&slow.kept[slow.kept_count++], requests);
	} else {
		carry_out(requests);
	}
}

static void slow_close(struct disk *disk)
{
	(void)disk;
	free(slow.data);
}

static void go_on(void)
{
	slow.slow = false;
	for (unsigned int i = 0; i < slow.kept_count; i++)
		carry_out(&slow.kept[i]);
	slow.kept_count = 0;
}

static void open_slow_disk(void)
{
	static const struct disk_driver driver = { .name = "slow",
						   .submit = slow_submit,
						   .close = slow_close };
	struct disk_info info = { .size = (base.disk_blocks + SPARE) * base.block_size };

	slow.data = calloc(1, info.size);
	slow.slow_from = base.disk_blocks * base.block_size;
	CHECK(slow.data);
	world_format(&base, slow.data + world_log_block(&base, 0) * base.block_size);
	CHECK_INT(disk_new(&driver, &info, NULL, &slow.disk), 0);
}

/* ---- tasks. */

static void change_all(void) MAY_YIELD
{
	struct journal_handle h;
	uint32_t id;

	CHECK_INT(journal_begin(w.j, CHANGED, &h), 0);
	for (uint64_t block = 1; block <= CHANGED; block++)
		put(&w, &h, block, 'm', 1);
	id = journal_handle_id(&h);
	journal_end(&h);
	CHECK_INT(journal_commit(w.j, id), 0);
}

static void write_spare(void *arg) MAY_YIELD
{
	(void)arg;
	for (uint64_t i = 0; i < SPARE; i++) {
		struct cache_page *page;

		CHECK_INT(cache_get_new(&w.blocks, base.disk_blocks + i, &page), 0);
		cache_dirty(page);
		cache_put(page);
	}
	CHECK_INT(cache_sync(&w.blocks, base.disk_blocks, UINT64_MAX), 0);
}

static void go_home(void *arg) MAY_YIELD
{
	(void)arg;
	CHECK_INT(journal_checkpoint_all(w.j), 0);
}

static void free_and_use(void *data) MAY_YIELD
{
	struct journal_handle h;
	uint32_t id;

	CHECK_INT(journal_begin(w.j, 1, &h), 0);
	CHECK_INT(journal_forget(&h, FREED, NULL), 0);
	id = journal_handle_id(&h);
	journal_end(&h);
	CHECK_INT(journal_commit(w.j, id), 0);
	/* It is a file's now. */
	CHECK_INT(disk_write(slow.disk, data, w.block_size, FREED * w.block_size), 0);
}

static void let_others(void) MAY_YIELD
{
	for (unsigned int i = 0; i < 200; i++)
		task_yield();
}

static void is_freed_on_its_way(void *arg) MAY_YIELD
{
	static uint8_t data[4096];

	(void)arg;
	open_slow_disk();
	world_on(&w, &base, slow.disk);
	world_open(&w);
	contents(&w, data, 'd', FREED, 1);
	change_all();
	slow.slow = true;
	spawn("spare", write_spare, NULL);
	let_others();
	spawn("home", go_home, NULL);
	let_others();
	spawn("free", free_and_use, data);
	let_others();
	go_on();
	let_others();
	CHECK(holds(&w, slow.data + FREED * w.block_size, 'd', FREED, 1));
	CHECK(holds(&w, slow.data + CHANGED * w.block_size, 'm', CHANGED, 1));
	CHECK_INT(world_close(&w), 0);
	world_off(&w);
	disk_close(slow.disk);
}

static void a_block_that_is_freed_on_its_way_home_is_not_written_later(void)
{
	world_begin(&base, &(struct world_options){ .log_count = 1100 });
	run_task(is_freed_on_its_way, NULL);
	world_end(&base);
}

static const struct test tests[] = {
	TEST(a_block_that_is_freed_on_its_way_home_is_not_written_later),
};
TEST_MAIN(tests)
