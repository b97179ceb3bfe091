#include "cache/inside.h"

#include <errno.h>

#define RUN_MAX 64u /* pages in one request */

/* Neighbours on the disk and in memory go in one request; the disk joins the others. */
static bool touches(const struct cache_page *a, const struct cache_page *b)
{
	return b->index == a->index + 1 &&
	       (const char *)b->data == (const char *)a->data + a->map->page_size;
}

static void finish(struct cache_page *page, enum disk_op op, int error)
{
	if (op == DISK_READ)
		cache_read_done(page, error);
	else
		cache_write_done(page, error);
}

static void run_done(struct disk_request *request, int error);

static void send_run(struct cache_page *first, unsigned int count, enum disk_op op,
		     unsigned int flags)
{
	const struct cache_map *map = first->map;

	first->request = (struct disk_request){ .op = op,
						.flags = flags,
						.offset = first->index * map->page_size,
						.data = first->data,
						.size = (uint64_t)count * map->page_size,
						.done = run_done };
	disk_send(map->disk, &first->request);
}

static void run_done(struct disk_request *request, int error)
{
	struct cache_page *page = CONTAINER_OF(request, struct cache_page, request);
	enum disk_op op = request->op;
	unsigned int flags = request->flags;
	bool alone = !page->io_next;

	while (page) {
		struct cache_page *next = page->io_next;

		page->io_next = NULL;
		/* One bad block is no reason to lose its neighbours: ask for each by itself. */
		if (error == 0 || alone)
			finish(page, op, error);
		else
			send_run(page, 1, op, flags);
		page = next;
	}
}

static void send_pages(struct cache_map *map, struct cache_page **pages, unsigned int count,
		       enum disk_op op, unsigned int flags)
{
	struct disk_info info;
	unsigned int run;

	disk_info(map->disk, &info);
	for (unsigned int i = 0; i < count; i += run) {
		run = 1;
		pages[i]->io_next = NULL;
		if (pages[i]->index >= info.size / map->page_size) {
			finish(pages[i], op, -EINVAL); /* its offset may not even be a number */
			continue;
		}
		for (; i + run < count && run < RUN_MAX; run++) {
			if (!touches(pages[i + run - 1], pages[i + run]))
				break;
			pages[i + run - 1]->io_next = pages[i + run];
			pages[i + run]->io_next = NULL;
		}
		send_run(pages[i], run, op, flags);
	}
}

static void read_blocks(struct cache_map *map, struct cache_page **pages, unsigned int count)
{
	send_pages(map, pages, count, DISK_READ, 0);
}

static void write_blocks(struct cache_map *map, struct cache_page **pages, unsigned int count)
{
	send_pages(map, pages, count, DISK_WRITE, cache_in_background() ? DISK_BACKGROUND_IO : 0);
}

static const struct cache_map_ops disk_ops = { .read = read_blocks, .write = write_blocks };

int cache_map_disk(struct cache_map *map, struct disk *disk, uint32_t block_size)
{
	struct disk_info info;

	disk_info(disk, &info);
	if ((block_size != 1024 && block_size != 2048 && block_size != 4096) ||
	    info.size < block_size)
		return -EINVAL;
	cache_map_init(map, &disk_ops, NULL, block_size);
	map->disk = disk;
	return 0;
}
