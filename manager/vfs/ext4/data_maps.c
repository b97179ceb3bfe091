/* data_maps.c - all mapped files of a file system: who still has them, what is kept. */
#include "vfs/ext4/data_map.h"

#include "task/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Not in use: keep it for the next one, or not. */
static bool is_kept(const struct data_map *map, uint64_t idle)
{
	return !map->writable && idle <= DATA_MAPS_IDLE;
}

/* Nobody else has it: what was stored is stored for good. The inode is let go. */
static void leave_use(struct data_map *map) MAY_YIELD
{
	struct ext4_inode *inode = map->inode;

	task_lock_take(&inode->lock);
	if (inode->data->map == map && map->in_use && data_map_is_alone(map)) {
		int r = data_map_push(inode);

		if (r == 0 || ext4_writable(inode->fs) < 0) {
			map->in_use = false;
			if (map->writable || map->behind)
				data_map_destroy(map);
			task_lock_drop(&inode->lock);
			inode_put(&inode->inode);
			return;
		}
	}
	task_lock_drop(&inode->lock);
}

static void look_at(struct data_map *map) MAY_YIELD
{
	struct ext4_inode *inode = map->inode;

	/* Another task may look at it as well, and let it go. */
	inode_get(&inode->inode);
	data_map_take_back(map);
	if (data_map_is_alone(map)) {
		leave_use(map);
	} else if (map->writable || map->behind) {
		task_lock_take(&inode->lock);
		(void)!data_map_push(inode);
		task_lock_drop(&inode->lock);
	}
	inode_put(&inode->inode);
}

/* One round: each map in use, once. They are found by version, as they come and go. */
static bool look_at_all(struct ext4_maps *maps) MAY_YIELD
{
	uint64_t idle = 0, end = data_map_last_version(), at = 0;
	bool any = false;

	for (;;) {
		struct data_map *next = NULL;

		LIST_EACH(node, &maps->maps) {
			struct data_map *map = LIST_ENTRY(node, struct data_map, node);

			if (map->in_use && map->version > at && map->version <= end &&
			    (!next || map->version < next->version))
				next = map;
		}
		if (!next)
			break;
		at = next->version;
		look_at(next);
	}
	LIST_EACH(node, &maps->maps) {
		const struct data_map *map = LIST_ENTRY(node, struct data_map, node);

		any = any || map->in_use;
		idle += map->in_use ? 0 : map->charged;
	}
	LIST_EACH_SAFE(node, &maps->maps) {
		struct data_map *map = LIST_ENTRY(node, struct data_map, node);

		if (map->in_use || is_kept(map, idle))
			continue;
		if (map->inode->lock.owner) { /* who may be at work on it: the next round */
			any = true;
			continue;
		}
		idle -= map->charged;
		data_map_destroy(map);
	}
	return any;
}

static void look_task(void *arg) MAY_YIELD
{
	struct ext4 *fs = arg;
	struct ext4_maps *maps = fs->maps;
	bool any = true;

	task_background();
	while (any && !maps->stopping) {
		(void)!waitq_wait(&maps->wake, clock_now_ns() + DATA_MAP_NS, WAIT_SURE);
		any = look_at_all(maps);
	}
	maps->task = NULL;
	waitq_wake_all(&maps->gone);
}

static int maps_of(struct ext4 *fs, struct ext4_maps **ret)
{
	if (!fs->maps) {
		fs->maps = calloc(1, sizeof(*fs->maps));
		if (!fs->maps)
			return -ENOMEM;
		list_init(&fs->maps->maps);
		waitq_init(&fs->maps->wake);
		waitq_init(&fs->maps->gone);
	}
	*ret = fs->maps;
	return 0;
}

void ext4_maps_push(struct ext4 *fs)
{
	/* As the task does it: what has nothing new costs a look. */
	if (fs->maps)
		(void)!look_at_all(fs->maps);
}

/* Clients end before the file system does: nobody has a mapping any more. */
void ext4_maps_close(struct ext4 *fs)
{
	struct ext4_maps *maps = fs->maps;

	if (!maps)
		return;
	maps->stopping = true;
	waitq_wake_all(&maps->wake);
	while (maps->task)
		(void)!waitq_wait(&maps->gone, TASK_FOREVER, WAIT_SURE);
	while (!list_empty(&maps->maps)) {
		struct data_map *map = LIST_ENTRY(maps->maps.next, struct data_map, node);
		struct ext4_inode *inode = map->inode;
		bool in_use = map->in_use;

		task_lock_take(&inode->lock);
		(void)!data_map_push(inode);
		data_map_destroy(map);
		task_lock_drop(&inode->lock);
		if (in_use)
			inode_put(&inode->inode);
	}
	data_maps_wait_closed();
	free(maps);
	fs->maps = NULL;
}

static int hand_out(const struct data_map *map, int *fd, int flags)
{
	char path[32];

	if (*fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", map->fd);
	*fd = open(path, flags | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* The inode's map, with all that the file has: who comes now must not get older bytes. */
static int whole_map(struct ext4_inode *inode, bool for_write) MAY_YIELD
{
	const struct ext4_data *d = inode->data;

	if (d->map && d->map->behind)
		(void)!data_map_push(inode);
	if (d->map && d->map->behind && d->map->in_use)
		return -ENOMEM;
	if (d->map && d->map->behind)
		data_map_destroy(d->map);
	return d->map ? 0 : data_map_new(inode, for_write);
}

static int map_locked(struct ext4_inode *inode, bool for_write, struct vfs_mapping *ret) MAY_YIELD
{
	struct ext4_maps *maps = NULL;
	struct ext4_data *d;
	struct data_map *map;
	int r = data_of(inode, &d);

	if (r == 0)
		r = maps_of(inode->fs, &maps);
	if (r == 0)
		r = whole_map(inode, for_write);
	if (r < 0)
		return r;
	map = d->map;
	r = for_write ? hand_out(map, &map->write_fd, O_RDWR)
		      : hand_out(map, &map->read_fd, O_RDONLY);
	if (r == 0 && !maps->task)
		r = task_start(&maps->task, "ext4 maps", look_task, inode->fs);
	if (r < 0)
		return r;
	list_del(&map->node);
	list_push_back(&maps->maps, &map->node);
	if (!map->in_use)
		inode_get(&inode->inode);
	map->in_use = true;
	map->writable = map->writable || for_write;
	*ret = (struct vfs_mapping){
		.host_fd = for_write ? map->write_fd : map->read_fd,
		.writable = for_write,
		.version = map->version,
		.file_size = inode->size,
	};
	return 0;
}

int ext4_map_file(struct inode *vfs_inode, bool for_write, struct vfs_mapping *ret)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	int r = 0;

	if (!S_ISREG(vfs_inode->type))
		return -ENODEV;
	if (for_write)
		r = ext4_writable(inode->fs);
	if (r < 0)
		return r;
	task_lock_take(&inode->lock);
	r = map_locked(inode, for_write, ret);
	task_lock_drop(&inode->lock);
	return r;
}
