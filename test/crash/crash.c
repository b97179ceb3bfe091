/*
 * crash.c - the disk, the tasks on it, and the images that a power cut may leave.
 */
#include "test/crash/crash.h"

#include "task/sched.h"
#include "vfs/host/host_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NOW_S UINT64_C(1700000000)
#define CACHE_BYTES (UINT64_C(48) << 20)
#define TOOLS "PATH=$PATH:/sbin:/usr/sbin; exec "
#define SUPER_OFFSET 1024
#define SUPER_CHECKSUM 1020u
#define LAST_ORPHAN (SUPER_OFFSET + 0xe8)
#define WRONG_SIZE 2000u

struct crash crash;
unsigned int crash_images, crash_foreign, crash_linux, crash_twice;
uint64_t crash_commits, crash_checkpoints;

static char path[64]; /* of the image as a file, for e2fsprogs */
static char wrong[WRONG_SIZE];

size_t crash_place(void)
{
	return test_disk_log_length(crash.td);
}

uint32_t crash_random(uint64_t *state, uint32_t below)
{
	return below > 0 ? (uint32_t)test_random(state, below) : 0;
}

static const char *tell(const char *format, ...) PRINTF_LIKE(1, 2);
static const char *tell(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	CHECK(vasprintf(&text, format, args) >= 0);
	va_end(args);
	snprintf(wrong, sizeof(wrong), "%s", text);
	free(text);
	return wrong;
}

/*
 * Two sectors of it, old and new: nothing that has its checksum in the second one outlives that,
 * Linux's ext4 no more than ours. Such an image is not asked for.
 */
static bool super_is_torn(const struct replay *replay)
{
	const char *super = replay_data(replay) + SUPER_OFFSET;
	uint32_t checksum;

	memcpy(&checksum, super + SUPER_CHECKSUM, sizeof(checksum));
	return checksum != ext4_crc32c(UINT32_MAX, super, SUPER_CHECKSUM);
}

static void cut_at(struct replay *replay, size_t k, uint64_t seed, unsigned int torn)
{
	replay_crash(replay, k, seed, torn);
	if (super_is_torn(replay))
		replay_crash(replay, k, seed, 0);
}

/* ---- e2fsprogs. */

static char said[WRONG_SIZE];

static int tool(const char *format, ...) PRINTF_LIKE(1, 2);
static int tool(const char *format, ...)
{
	char *command, *what, line[256];
	va_list args;
	size_t size = 0;
	FILE *f;

	va_start(args, format);
	CHECK(vasprintf(&what, format, args) >= 0);
	va_end(args);
	CHECK(asprintf(&command, TOOLS "%s", what) > 0);
	fflush(stdout);
	f = popen(command, "re");
	CHECK(f);
	said[0] = '\0';
	while (fgets(line, sizeof(line), f))
		if (size + 256 < sizeof(said))
			size += (size_t)snprintf(said + size, sizeof(said) - size, "\n#   %s",
						 line);
	free(command);
	free(what);
	return pclose(f);
}

static const char *check_image(const char *after)
{
	return tool("e2fsck -fn %s 2>&1", path) == 0 ? NULL
						     : tell("%s, e2fsck -fn:%s", after, said);
}

static bool has_orphans(void)
{
	uint32_t number = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && pread(fd, &number, sizeof(number), LAST_ORPHAN) == sizeof(number));
	close(fd);
	return number != 0;
}

/* The image is in the file: somebody else replays its journal. */
static const char *foreign_replay(void)
{
	int status = tool("e2fsck -E journal_only -y %s 2>&1", path);

	if (status != 0 && status != 1 << 8)
		return tell("e2fsck -E journal_only: %d%s", status, said);
	if (has_orphans()) {
		status = tool("e2fsck -p %s 2>&1", path);
		if (status != 0 && status != 1 << 8)
			return tell("e2fsck -p, for orphans: %d%s", status, said);
	}
	return check_image("their replay");
}

/* ---- Linux. */

static char mount_point[] = "/tmp/hascall-crash-XXXXXX";

static int mount_in_linux(void)
{
	return tool("mount -o loop %s %s 2>&1", path, mount_point);
}

/* Others of the machine may be looking into it at this moment: they go away. */
static int unmount_in_linux(void)
{
	int status = tool("umount %s 2>&1", mount_point);

	for (unsigned int i = 0; status != 0 && i < 100; i++) {
		usleep(100000);
		status = tool("umount %s 2>&1", mount_point);
	}
	return status;
}

/* Asked once: whether images may be mounted here at all. The new image is not changed by it. */
static bool linux_mounts(void)
{
	static enum { UNKNOWN, NO, YES } known;

	if (known != UNKNOWN)
		return known == YES;
	CHECK(mkdtemp(mount_point));
	known = mount_in_linux() == 0 ? YES : NO;
	if (known == NO)
		printf("# no image is judged by Linux:%s\n", said);
	else
		CHECK_INT(unmount_in_linux(), 0);
	rmdir(mount_point);
	return known == YES;
}

/* What Linux makes of the image that is in the file, as the model wants it. */
static const char *linux_tree(size_t k) MAY_YIELD
{
	int fd = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct inode *root;
	const char *bad;

	CHECK(fd >= 0);
	CHECK_INT(host_fs_new(fd, &root), 0);
	bad = crash_judge_tree(root, k);
	inode_put(root);
	return bad;
}

static const char *judge_linux(const struct replay *replay, size_t k) MAY_YIELD
{
	const char *bad;

	crash_linux++;
	crash_images++;
	replay_save(replay, path);
	CHECK_INT(mkdir(mount_point, 0700), 0);
	if (mount_in_linux() != 0) {
		rmdir(mount_point);
		return tell("Linux does not mount it:%s", said);
	}
	/* The model knows what an overlay shows, not what is stored for it. */
	bad = crash.options->overlay ? NULL : linux_tree(k);
	if (unmount_in_linux() != 0)
		test_fail(__FILE__, __LINE__, "umount:%s", said);
	rmdir(mount_point);
	if (bad) {
		char *copy = strdup(bad);

		bad = tell("in Linux: %s", copy);
		free(copy);
		return bad;
	}
	return check_image("unmounted by Linux");
}

/* ---- judging a disk. */

static const char *mount_disk(struct disk *disk, struct ext4 **ret) MAY_YIELD
{
	const struct ext4_mount_options options = { .now_s = NOW_S };
	struct ext4_report report;
	int r = ext4_mount(disk, &options, ret, &report);

	if (r < 0)
		return tell("mount: %s %s", strerror(-r), report.text);
	if (!report.read_only && !report.text[0])
		return NULL;
	(void)!ext4_unmount(*ret);
	return tell("mount: %s", report.text);
}

static struct inode *below(struct inode *dir, const char *name) MAY_YIELD
{
	struct inode *inode;

	CHECK_INT(dir->ops->lookup(dir, name, strlen(name), &inode), 0);
	return inode;
}

static int ignore(void *ctx, const struct vfs_dirent *entry)
{
	(void)entry;
	++*(unsigned int *)ctx;
	return 0;
}

/* The tree that programs would see; takes over nothing. */
static int root_of(struct ext4 *fs, struct inode **ret) MAY_YIELD
{
	struct inode *root, *upper, *work;
	unsigned int left = 0;
	uint64_t cursor = 0;
	int r;

	CHECK_INT(ext4_root(fs, &root), 0);
	if (!crash.options->overlay) {
		*ret = root;
		return 0;
	}
	upper = below(root, "upper");
	work = below(root, "work");
	inode_put(root);
	inode_get(work);
	r = overlay_fs_new(inode_get(crash.lower), upper, work, ret);
	if (r == 0)
		r = work->ops->readdir(work, &cursor, ignore, &left);
	if (r == 0 && left > 0)
		r = -ENOTEMPTY;
	inode_put(work);
	return r;
}

static const char *judge_disk(struct disk *disk, size_t k) MAY_YIELD
{
	struct inode *root;
	struct ext4 *fs;
	const char *bad = mount_disk(disk, &fs);
	int r;

	if (bad)
		return bad;
	r = root_of(fs, &root);
	if (r < 0) {
		bad = tell("the root: %s", strerror(-r));
	} else {
		bad = crash_judge_tree(root, k);
		inode_put(root);
	}
	vfs_unmount_all();
	r = ext4_unmount(fs);
	if (!bad && r < 0)
		bad = tell("unmount: %s", strerror(-r));
	return bad;
}

/* ---- the power goes. */

static const char *judge_replay(struct replay *replay, size_t k) MAY_YIELD
{
	struct disk *disk = replay_disk(replay);
	const char *bad = judge_disk(disk, k);

	disk_close(disk);
	if (!bad) {
		replay_save(replay, path);
		bad = check_image("unmounted");
	}
	crash_images++;
	return bad;
}

/* While the image is mounted the power goes again. */
static const char *judge_twice(struct replay *replay, size_t k) MAY_YIELD
{
	struct test_disk *td;
	struct disk *disk =
		test_disk_open(&(struct test_disk_options){ .size = crash.options->size }, &td);
	struct replay *again;
	struct inode *root;
	struct ext4 *fs;
	const char *bad;

	crash_twice++;
	test_disk_put(td, 0, replay_data(replay), crash.options->size);
	test_disk_record(td);
	bad = mount_disk(disk, &fs);
	if (!bad) {
		if (root_of(fs, &root) == 0)
			inode_put(root);
		vfs_unmount_all();
		(void)!ext4_unmount(fs);
	}
	disk_close(disk);
	again = replay_begin(td);
	for (unsigned int i = 0; i < 2 && !bad; i++) {
		cut_at(again, crash_random(&crash.random, (uint32_t)test_disk_log_length(td) + 1),
		       crash_random(&crash.random, 1000000), REPLAY_TORN);
		bad = judge_replay(again, k);
	}
	replay_end(again);
	test_disk_free(td);
	return bad;
}

static const char *judge_foreign(struct replay *replay, size_t k) MAY_YIELD
{
	struct test_disk *td;
	struct disk *disk;
	const char *bad;

	crash_foreign++;
	crash_images++;
	replay_save(replay, path);
	bad = foreign_replay();
	if (bad)
		return bad;
	disk = test_disk_open(&(struct test_disk_options){ .size = crash.options->size }, &td);
	test_disk_load(td, path);
	bad = judge_disk(disk, k);
	disk_close(disk);
	test_disk_free(td);
	return bad;
}

static void keep(const struct replay *replay)
{
	const char *file = getenv("CRASH_KEEP");

	if (file)
		replay_save(replay, file);
}

static const char *judge_cut(struct replay *replay, size_t k, unsigned int i) MAY_YIELD
{
	if (i % 5 == 1)
		return judge_foreign(replay, k);
	if (i % 7 == 2)
		return judge_twice(replay, k);
	if (i % 7 == 4 && linux_mounts())
		return judge_linux(replay, k);
	return judge_replay(replay, k);
}

/*
 * The first half of the images: prefixes, all over the log. The other: what a cache that keeps
 * anything back may leave, torn or not.
 */
static void cut(unsigned int images) MAY_YIELD
{
	struct replay *replay = replay_begin(crash.td);
	size_t length = crash_place();
	bool all = images == UINT_MAX;

	if (all)
		images = 2 * ((unsigned int)length + 1);
	for (unsigned int i = 0; i < images && !crash.verdict; i++) {
		size_t k = 2 * i >= images ? crash_random(&crash.random, (uint32_t)length + 1)
			   : all	   ? i
				 : length * (2 * i) / images + crash_random(&crash.random, 3);
		uint64_t seed = crash_random(&crash.random, 1000000);
		unsigned int torn = crash_random(&crash.random, 3) ? REPLAY_TORN : 0;
		const char *bad;

		k = k < length ? k : length;
		if (2 * i < images)
			replay_prefix(replay, k);
		else
			cut_at(replay, k, seed, torn);
		bad = judge_cut(replay, k, i);
		if (!bad)
			continue;
		if (2 * i < images)
			replay_prefix(replay, k);
		else
			cut_at(replay, k, seed, torn);
		keep(replay);
		bad = strdup(bad);
		crash.verdict = tell("image %u, place %zu of %zu: %s", i, k, length, bad);
	}
	replay_end(replay);
}

/* ---- the tasks. */

static void act(void *arg) MAY_YIELD
{
	actor_work(arg);
	crash.running--;
}

static void begin_tree(void) MAY_YIELD
{
	const struct crash_options *o = crash.options;

	CHECK_INT(do_mkdir("/shared"), 0);
	model_path("/shared", NULL);
	for (unsigned int i = 0; i < o->tasks; i++)
		actor_begin(&crash.actors[i]);
}

static void begin_overlay(struct inode *root) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFDIR | 0755 };
	struct inode *upper, *work, *merged;

	CHECK_INT(mem_fs_new("lower", 0, 0755, &crash.lower), 0);
	use_root(inode_get(crash.lower));
	begin_tree();
	leave_root();
	CHECK_INT(root->ops->create(root, "upper", 5, &attr, &upper), 0);
	CHECK_INT(root->ops->create(root, "work", 4, &attr, &work), 0);
	CHECK_INT(overlay_fs_new(inode_get(crash.lower), upper, work, &merged), 0);
	inode_put(root);
	use_root(merged);
}

static void run_tasks(uint64_t seed) MAY_YIELD
{
	const struct crash_options *o = crash.options;
	struct inode *root;

	CHECK_INT(ext4_root(crash.fs, &root), 0);
	crash.actors = calloc(o->tasks, sizeof(*crash.actors));
	CHECK(crash.actors);
	for (unsigned int i = 0; i < o->tasks; i++) {
		struct actor *a = &crash.actors[i];

		a->options = o;
		a->number = i;
		a->random = seed * 1000 + i;
		snprintf(a->prefix, sizeof(a->prefix), "t%u_", i);
	}
	if (o->overlay) {
		begin_overlay(root);
	} else {
		use_root(root);
		begin_tree();
	}
	CHECK_INT(ext4_sync_fs(crash.fs), 0);
	test_disk_record(crash.td);
	for (crash.running = 0; crash.running < o->tasks; crash.running++)
		CHECK_INT(task_start(NULL, "actor", act, &crash.actors[crash.running]), 0);
	while (crash.running > 0)
		(void)!task_sleep_until(clock_now_ns() + 100000000);
	leave_root();
	vfs_unmount_all();
}

static void body(void *arg) MAY_YIELD
{
	uint64_t seed = *(uint64_t *)arg;
	const struct crash_options *o = crash.options;
	struct disk *disk = test_disk_open(
		&(struct test_disk_options){
			.size = o->size,
			.completion = TEST_DISK_MODEL,
			/* One that seeks: some writes are far behind others. */
			.model = seed % 2 ? &test_disk_ssd : &test_disk_7200,
		},
		&crash.td);
	struct journal_stats stats;
	const char *bad;

	be_root();
	test_disk_load(crash.td, path);
	bad = mount_disk(disk, &crash.fs);
	if (bad)
		test_fail(__FILE__, __LINE__, "%s", bad);
	run_tasks(seed);
	journal_stats_get(crash.fs->journal, &stats);
	crash_commits += stats.commits;
	crash_checkpoints += stats.checkpoints;
	CHECK_INT(ext4_unmount(crash.fs), 0);
	disk_close(disk);
	if (o->worked)
		o->worked();
	cut(o->images);
	inode_put(crash.lower);
	drop_root();
	test_disk_free(crash.td);
	for (unsigned int i = 0; i < o->tasks; i++)
		model_forget(&crash.actors[i].model);
	free(crash.actors);
	model_forget_all();
}

const char *crash_run(const struct crash_options *options, uint64_t seed)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, (off_t)options->size), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	if (tool("mke2fs -q -F -t ext4 -U 12345678-1234-1234-1234-123456789012 "
		 "-E hash_seed=12345678-1234-1234-1234-123456789012 %s %s 2>&1",
		 options->mke2fs, path) != 0)
		test_fail(__FILE__, __LINE__, "mke2fs: %s", said);
	crash = (struct crash){ .options = options, .random = seed };
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true,
						      .seeded = true,
						      .seed = seed },
			     NULL),
		  0);
	CHECK_INT(cache_init(options->cache_bytes ? options->cache_bytes : CACHE_BYTES), 0);
	CHECK_INT(task_start(NULL, "crash", body, &seed), 0);
	CHECK_INT(sched_run_until_idle(), 0);
	cache_fini();
	sched_fini();
	close(fd);
	return crash.verdict;
}

static uint64_t asked(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

void crash_test(const struct crash_options *options)
{
	uint64_t first = asked("CRASH_SEED", 1);
	uint64_t last = getenv("CRASH_SEED") ? first : asked("CRASH_SEEDS", 1);
	const char *images = getenv("CRASH_IMAGES");
	struct crash_options o = *options;

	o.images = images && strcmp(images, "all") == 0
			   ? UINT_MAX
			   : (unsigned int)asked("CRASH_IMAGES", o.images);
	for (uint64_t seed = first; seed <= last; seed++) {
		const char *bad = crash_run(&o, seed);

		if (bad)
			test_fail(__FILE__, __LINE__, "%s, CRASH_SEED=%llu CRASH_IMAGES=%u: %s",
				  o.name, (unsigned long long)seed, o.images, bad);
	}
	printf("# %s: %u images, of them %u first replayed by e2fsck, %u by Linux; %u cut twice; "
	       "%llu commits, %llu checkpoints\n",
	       o.name, crash_images, crash_foreign, crash_linux, crash_twice,
	       (unsigned long long)crash_commits, (unsigned long long)crash_checkpoints);
}
