#include "cmd/world.h"

#include "cache/cache.h"
#include "cmd/cmd.h"
#include "device/disk.h"
#include "device/host.h"
#include "front/layer.h"
#include "task/sched.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000u

struct opened {
	struct world_image image;
	struct disk *disk;
	dev_t dev;
	ino_t ino;
	bool write;
};

static struct {
	const char *command;
	int (*fn)(void *context);
	void *context;
	int status;
	uint32_t bell, heard; /* replies of host calls; the idle loop sleeps on it */
	struct opened *images[WORLD_IMAGES];
	unsigned int count;
	struct vfs_cred cred;
} world;

/* ---- the loop. */

static void ring(void *ctx)
{
	(void)ctx;
	__atomic_fetch_add(&world.bell, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &world.bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool poll_host(void *ctx)
{
	(void)ctx;
	world.heard = __atomic_load_n(&world.bell, __ATOMIC_ACQUIRE);
	return host_poll();
}

static void idle(void *ctx, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct timespec t = { .tv_sec = (time_t)(left_ns / SECOND_NS),
			      .tv_nsec = (long)(left_ns % SECOND_NS) };

	(void)ctx;
	syscall(SYS_futex, &world.bell, FUTEX_WAIT_PRIVATE, world.heard,
		deadline_ns == TASK_FOREVER ? NULL : &t, NULL, 0);
}

static void body(void *arg) MAY_YIELD
{
	(void)arg;
	world.status = world.fn(world.context);
	assert(world.count == 0);	    /* world_close_all() */
	while (task_foreground_count() > 1) /* those that only have to see that all is over */
		task_yield();
	sched_stop();
}

int world_run(const char *command, int (*fn)(void *context), void *context)
{
	const struct sched_hooks hooks = { .poll = poll_host, .idle = idle };
	const struct sched_options options = { .virtual_clock = false };
	const struct host_options host = { .notify = ring };
	struct task *task;
	int r = sched_init(&options, &hooks);

	world.command = command;
	world.fn = fn;
	world.context = context;
	world.status = CMD_FAILED;
	world.cred = (struct vfs_cred){ .privileged = true };
	if (r == 0)
		r = host_init(&host);
	if (r == 0)
		r = cache_init(0);
	if (r == 0)
		r = task_start(&task, command, body, NULL);
	if (r < 0) {
		cmd_complain(command, "%s", strerror(-r));
		return CMD_FAILED;
	}
	sched_run();
	cache_fini();
	host_fini();
	sched_fini();
	return world.status;
}

/* ---- opening. */

static int complain(const char *path, const char *why)
{
	cmd_complain(world.command, "%s: %s", path, why);
	return CMD_FAILED;
}

static int open_disk(const char *path, bool write, struct disk **ret) MAY_YIELD
{
	int r = disk_open_image(path, !write, ret);

	if (r == -EBUSY)
		return complain(path, "is in use; end that first, or copy and look from inside of "
				      "the 'hascall run' that uses it");
	if (r == -EMEDIUMTYPE)
		return complain(path, "is neither a regular file nor a block device");
	return r < 0 ? complain(path, strerror(-r)) : 0;
}

static int mount_ext4(struct opened *o) MAY_YIELD
{
	const struct ext4_mount_options how = { .read_only = !o->write };
	struct ext4_report *report = &o->image.report;
	const char *path = o->image.path;
	/* Something as small as that is no file system: ext4_mount() says so. */
	int r = disk_read(o->disk, &o->image.super, sizeof(o->image.super), EXT4_SUPER_OFFSET);

	if (r < 0 && r != -EINVAL)
		return complain(path, strerror(-r));
	r = ext4_mount(o->disk, &how, &o->image.ext4, report);
	if (r < 0)
		return complain(path, report->text[0] ? report->text : strerror(-r));
	if (report->read_only && o->write) {
		complain(path, report->text);
		return CMD_FAILED;
	}
	return 0;
}

/* Programs see a layer above the host's tree; read-only it needs no `work`. */
static int layer_root(const struct opened *o, struct inode *image_root, struct inode **ret)
	MAY_YIELD
{
	struct inode *upper, *work;
	int r = layer_parts(image_root, &upper, &work);

	if (r < 0)
		return r;
	if (!o->write) {
		inode_put(work);
		work = NULL;
	}
	return layer_over_host(-1, upper, work, ret);
}

static int look(struct opened *o, bool raw) MAY_YIELD
{
	enum layer_kind kind;
	struct inode *root, *seen;
	int r = ext4_root(o->image.ext4, &root);

	if (r == 0) {
		r = layer_look(root, &kind);
		if (r < 0)
			inode_put(root);
	}
	if (r < 0)
		return complain(o->image.path, strerror(-r));
	o->image.layer = kind == LAYER_LAYER;
	o->image.raw = raw;
	seen = root;
	if (o->image.layer && !raw) {
		r = layer_root(o, root, &seen);
		inode_put(root);
	}
	if (r == 0)
		r = vfs_root(seen, o->image.path, &o->image.view.root);
	if (r < 0)
		return complain(o->image.path, strerror(-r));
	o->image.view.cwd = dentry_get(o->image.view.root);
	o->image.view.cred = &world.cred;
	return 0;
}

static struct opened *find(const struct stat *st)
{
	for (unsigned int i = 0; i < world.count; i++)
		if (world.images[i]->dev == st->st_dev && world.images[i]->ino == st->st_ino)
			return world.images[i];
	return NULL;
}

static int open_new(struct opened *o, bool raw) MAY_YIELD
{
	int status = open_disk(o->image.path, o->write, &o->disk);

	if (status == 0)
		status = mount_ext4(o);
	return status == 0 ? look(o, raw) : status;
}

int world_open(const char *path, const struct world_how *how, struct world_image **ret)
{
	struct opened *o;
	struct stat st;

	if (stat(path, &st) < 0)
		return complain(path, strerror(errno));
	o = find(&st);
	if (o) {
		*ret = &o->image;
		return 0;
	}
	if (world.count == WORLD_IMAGES)
		return complain(path, "so many images at once are not served");
	o = calloc(1, sizeof(*o));
	if (!o)
		return complain(path, strerror(ENOMEM));
	o->image.path = path;
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	o->write = how->write;
	world.images[world.count++] = o;
	*ret = &o->image;
	return open_new(o, how->raw);
}

/* ---- closing. */

static int close_one(struct opened *o) MAY_YIELD
{
	int r = o->image.ext4 ? ext4_unmount(o->image.ext4) : 0;

	disk_close(o->disk);
	if (r < 0 && o->write)
		cmd_complain(world.command, "%s: changes may be lost: %s", o->image.path,
			     ext4_loss_text(r));
	if (!o->write)
		r = 0;
	free(o);
	return r < 0 ? CMD_FAILED : 0;
}

int world_close_all(void)
{
	int status = 0;

	for (unsigned int i = 0; i < world.count; i++) {
		dentry_put(world.images[i]->image.view.cwd);
		dentry_put(world.images[i]->image.view.root);
	}
	vfs_unmount_all();
	while (world.count > 0) {
		int r = close_one(world.images[--world.count]);

		status = status ? status : r;
	}
	vfs_fini();
	return status;
}
