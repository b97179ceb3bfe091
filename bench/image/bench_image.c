/*
 * bench_image.c - ext4 on a disk in memory under the virtual clock: the same numbers in each run.
 *
 *	rule	device reads while 1 to 64 tasks walk and read the same cold tree, with the cache's
 *		rule (a second task waits for a read under way) and without it
 *	boot	20 daemons, each with a program, a library that all use, and files of its own,
 *		started all at once, staggered by sleep, or each when the one before is ready; on
 *		a disk that seeks and on one that does not
 *
 * --json prints one object instead of the tables.
 */
#include "cache/cache.h"
#include "task/sched.h"
#include "task/task.h"
#include "test/disk/test_disk.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (128u << 10)
#define CACHE_BYTES (UINT64_C(128) << 20)
#define IMAGE_BYTES (UINT64_C(192) << 20)
#define FOLDERS 20u
#define FILES_EACH 10u
#define DAEMONS 20u
#define CONFIGS 5u
#define MS UINT64_C(1000000)

static bool json;
static char folder[] = "/tmp/hascall-bench-image.XXXXXX";
static struct test_disk *store;
static struct disk *disk;
static struct ext4 *fs;
static struct vfs_cred cred = { .privileged = true };
static struct vfs view = { .cred = &cred };
static unsigned int running; /* readers or daemons */
static uint64_t started_ns, ended_ns;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_image: %s failed\n", what);
	exit(1);
}

/* ---- the image: made once, by mke2fs. */

static void tool(const char *command)
{
	char text[512];

	snprintf(text, sizeof(text), "cd %s && export PATH=$PATH:/usr/sbin:/sbin && %s", folder,
		 command);
	must(system(text) == 0, command);
}

static void make_file(const char *name, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tree/%s", folder, name);
	f = fopen(path, "we");
	must(f != NULL, path);
	for (size_t i = 0; i < size; i++)
		fputc((int)(i * 31 % 251), f);
	must(fclose(f) == 0, path);
}

static void make_image(void)
{
	char name[64];

	must(mkdtemp(folder) != NULL, "mkdtemp");
	tool("mkdir -p tree/bin tree/lib tree/etc && cd tree && "
	     "for i in $(seq 0 19); do mkdir d$i; done");
	for (unsigned int i = 0; i < FOLDERS * FILES_EACH; i++) {
		snprintf(name, sizeof(name), "d%u/f%u", i % FOLDERS, i);
		make_file(name, (i * 7 % 20 + 1) * 4096);
	}
	make_file("lib/common", 2u << 20);
	for (unsigned int i = 0; i < DAEMONS; i++) {
		snprintf(name, sizeof(name), "bin/daemon%u", i);
		make_file(name, 700u << 10);
		snprintf(name, sizeof(name), "lib/own%u", i);
		make_file(name, (512u + i % 4 * 512) << 10);
		for (unsigned int k = 0; k < CONFIGS; k++) {
			snprintf(name, sizeof(name), "etc/config%u.%u", i, k);
			make_file(name, 3000);
		}
	}
	snprintf(name, sizeof(name), "mke2fs -q -F -t ext4 -d tree image %u >/dev/null",
		 (unsigned int)(IMAGE_BYTES >> 10));
	tool(name);
}

/* ---- mounted, cold. */

static void mount_image(void) MAY_YIELD;
static void mount_image(void)
{
	const struct ext4_mount_options how = { .read_only = true };
	struct ext4_report report;
	struct inode *root;

	must(cache_init(CACHE_BYTES) == 0, "cache_init");
	must(ext4_mount(disk, &how, &fs, &report) == 0, "ext4_mount");
	must(ext4_root(fs, &root) == 0, "ext4_root");
	must(vfs_root(root, "image", &view.root) == 0, "vfs_root");
	view.cwd = dentry_get(view.root);
}

static void unmount_image(void) MAY_YIELD;
static void unmount_image(void)
{
	dentry_put(view.cwd);
	dentry_put(view.root);
	vfs_unmount_all();
	must(ext4_unmount(fs) == 0, "ext4_unmount");
	vfs_fini();
	cache_fini();
}

/* Run fn, a task's body, on the image, which is cold. */
static void cold(const struct test_disk_model *model, task_fn *fn, void *arg,
		 struct disk_stats *ret)
{
	const struct test_disk_options options = {
		.size = IMAGE_BYTES,
		.completion = TEST_DISK_MODEL,
		.model = model,
	};
	char path[64];

	must(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL) == 0, "sched_init");
	disk = test_disk_open(&options, &store);
	snprintf(path, sizeof(path), "%s/image", folder);
	test_disk_load(store, path);
	must(task_start(NULL, "bench", fn, arg) == 0, "task_start");
	must(sched_run_until_idle() == 0, "the end of all tasks");
	disk_stats_get(disk, ret);
	disk_close(disk);
	test_disk_free(store);
	sched_fini();
}

static void read_file(const char *path, char *buffer) MAY_YIELD;
static void read_file(const char *path, char *buffer)
{
	struct dentry *d;
	uint64_t at = 0;
	ssize_t n;

	must(vfs_walk(&view, NULL, path, VFS_FOLLOW, &d) == 0, path);
	while ((n = vfs_read(dentry_inode(d), buffer, PIECE, at)) > 0)
		at += (uint64_t)n;
	must(n == 0, path);
	dentry_put(d);
}

/* ---- the rule. */

static void reader(void *arg) MAY_YIELD;
static void reader(void *arg)
{
	char *buffer = malloc(PIECE), path[64];

	(void)arg;
	must(buffer != NULL, "malloc");
	for (unsigned int i = 0; i < FOLDERS * FILES_EACH; i++) {
		snprintf(path, sizeof(path), "/d%u/f%u", i % FOLDERS, i);
		read_file(path, buffer);
	}
	free(buffer);
	running--;
	ended_ns = clock_now_ns();
}

struct how_many {
	unsigned int tasks;
	bool rule;
	struct cache_stats cache;
};

static void readers(void *arg) MAY_YIELD;
static void readers(void *arg)
{
	struct how_many *h = arg;

	mount_image();
	started_ns = clock_now_ns();
	cache_reads_twice = !h->rule;
	for (running = 0; running < h->tasks; running++)
		must(task_start(NULL, "reader", reader, NULL) == 0, "task_start");
	while (running > 0)
		must(task_sleep_until(clock_now_ns() + MS) == 0, "sleep");
	cache_reads_twice = false;
	cache_stats_get(&h->cache);
	unmount_image();
}

static void show_rule(void)
{
	if (!json)
		printf("%-8s %12s %12s %10s %10s %12s %12s\n", "tasks", "reads", "without rule",
		       "saved", "joins", "ms", "without rule");
	for (unsigned int tasks = 1; tasks <= 64; tasks *= 2) {
		struct how_many with = { .tasks = tasks, .rule = true };
		struct how_many without = { .tasks = tasks };
		struct disk_stats a, b;
		uint64_t a_ns, b_ns;

		cold(&test_disk_ssd, readers, &with, &a);
		a_ns = ended_ns - started_ns;
		cold(&test_disk_ssd, readers, &without, &b);
		b_ns = ended_ns - started_ns;
		if (json)
			printf("%s{\"tasks\": %u, \"bytes\": %lu, \"bytes_without_rule\": %lu, "
			       "\"joins\": %lu, \"ns\": %lu, \"ns_without_rule\": %lu}",
			       tasks == 1 ? "{\"rule\": [\n" : ",\n", tasks, a.read_bytes,
			       b.read_bytes, with.cache.joins, a_ns, b_ns);
		else
			printf("%-8u %9.1f MB %9.1f MB %9.1f%% %10lu %12.2f %12.2f\n", tasks,
			       (double)a.read_bytes / 1e6, (double)b.read_bytes / 1e6,
			       100.0 * (double)(b.read_bytes - a.read_bytes) / (double)b.read_bytes,
			       with.cache.joins, (double)a_ns / 1e6, (double)b_ns / 1e6);
	}
}

/* ---- boot. */

enum boot_kind { AT_ONCE, STAGGERED, ORDERED };

struct boot {
	enum boot_kind kind;
	uint64_t sleep_ns;
	uint64_t last_ready_ns;
};

static struct waitq ready;

static void daemon_main(void *arg) MAY_YIELD;
static void daemon_main(void *arg)
{
	unsigned int number = (unsigned int)(uintptr_t)arg;
	char *buffer = malloc(PIECE), path[64];

	must(buffer != NULL, "malloc");
	snprintf(path, sizeof(path), "/bin/daemon%u", number);
	read_file(path, buffer);
	read_file("/lib/common", buffer);
	for (unsigned int i = 0; i < CONFIGS; i++) {
		snprintf(path, sizeof(path), "/etc/config%u.%u", number, i);
		read_file(path, buffer);
	}
	snprintf(path, sizeof(path), "/lib/own%u", number);
	read_file(path, buffer);
	free(buffer);
	running--;
	ended_ns = clock_now_ns();
	waitq_wake_all(&ready);
}

static void wait_for_one(void) MAY_YIELD;
static void wait_for_one(void)
{
	must(waitq_wait(&ready, TASK_FOREVER, WAIT_SURE) == 0, "waiting for a daemon");
}

static void boot_main(void *arg) MAY_YIELD;
static void boot_main(void *arg)
{
	struct boot *b = arg;

	mount_image();
	waitq_init(&ready);
	started_ns = clock_now_ns();
	for (uintptr_t i = 0; i < DAEMONS; i++) {
		running++;
		must(task_start(NULL, "daemon", daemon_main, (void *)i) == 0, "task_start");
		if (b->kind == STAGGERED)
			must(task_sleep_until(clock_now_ns() + b->sleep_ns) == 0, "sleep");
		while (b->kind == ORDERED && running > 0)
			wait_for_one();
	}
	while (running > 0)
		wait_for_one();
	unmount_image();
}

static const struct {
	const char *name;
	struct boot boot;
} boots[] = {
	{ "all at once", { .kind = AT_ONCE } },
	{ "staggered by 10 ms", { .kind = STAGGERED, .sleep_ns = 10 * MS } },
	{ "staggered by 100 ms", { .kind = STAGGERED, .sleep_ns = 100 * MS } },
	{ "staggered by 1 s", { .kind = STAGGERED, .sleep_ns = 1000 * MS } },
	{ "each when the one before is ready", { .kind = ORDERED } },
};

static void show_boot(const char *name, const struct test_disk_model *model, bool last)
{
	if (json)
		printf("%s\"%s\": [\n", "", name);
	else
		printf("\nboot, %-34s %12s %12s %12s\n", name, "ms to ready", "calls", "MB");
	for (size_t i = 0; i < ARRAY_COUNT(boots); i++) {
		struct boot b = boots[i].boot;
		struct disk_stats stats;
		double ms;

		cold(model, boot_main, &b, &stats);
		ms = (double)(ended_ns - started_ns) / 1e6;
		if (json)
			printf("{\"name\": \"%s\", \"ms\": %.1f, \"calls\": %lu, "
			       "\"bytes\": %lu}%s\n",
			       boots[i].name, ms, stats.calls, stats.read_bytes,
			       i + 1 < ARRAY_COUNT(boots) ? ","
			       : last			  ? "]}}"
							  : "],");
		else
			printf("%-40s %12.0f %12lu %12.1f\n", boots[i].name, ms, stats.calls,
			       (double)stats.read_bytes / 1e6);
	}
}

int main(int argc, char **argv)
{
	/* One call at a time, in the order of their offsets at best; and as real ones sort. */
	struct test_disk_model no_sort = test_disk_7200;

	no_sort.nearest = false;
	json = argc == 2 && strcmp(argv[1], "--json") == 0;
	if (argc > 1 && !json) {
		fprintf(stderr, "usage: bench_image [--json]\n");
		return 2;
	}
	make_image();
	show_rule();
	if (json)
		printf("\n], \"boot\": {");
	show_boot("7200 turns a minute", &test_disk_7200, false);
	show_boot("the same, no sorting inside", &no_sort, false);
	show_boot("SSD", &test_disk_ssd, true);
	tool("rm -r tree image");
	(void)rmdir(folder);
	return 0;
}
