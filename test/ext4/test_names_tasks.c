/*
 * test_names_tasks.c - what ext4.h promises when many tasks change and read the same
 * directories: who made a name finds it, who removed it does not; a name that is there all the
 * time is read once by each reading; at the end e2fsck finds nothing, and another mount sees
 * the same. In many orders of tasks, with a cache so small that blocks come and go.
 */
#include "test/ext4/image.h"

#include "task/sched.h"

#define TASKS 6u
#define STEPS 400u
#define OWN 12u	    /* names that only one task changes */
#define STABLE 100u /* names that nobody changes */
#define DIRS 4u
#define CACHE_SMALL (UINT64_C(200) << 10)
#define ORDERS (test_sanitized ? 4u : 8u)

static uint64_t seed;
static unsigned int running;
static bool pushing;
static struct waitq all_done;

static uint32_t pick(uint32_t below)
{
	return image_random(&seed, below);
}

/* As long as it takes for blocks to fill and split. */
static void name_of(char *name, const char *kind, unsigned int who, unsigned int number)
{
	sprintf(name, "%s_%u_%0*u", kind, who, (int)(10 + (who * 31 + number * 17) % 90), number);
}

static bool is_there(unsigned int dir, const char *text) MAY_YIELD
{
	struct ext4_name name = { text, (uint32_t)strlen(text) };
	struct dentry *d;
	char path[8];
	uint32_t number;
	int r;

	/* Past the cache of names. */
	sprintf(path, "/d%u", dir);
	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	r = ext4_dir_find(ext4_i(dentry_inode(d)), &name, &number);
	dentry_put(d);
	CHECK(r == 0 || r == -ENOENT);
	return r == 0;
}

/* ---- a task's own names: nobody else may disturb them. */

struct own {
	bool there[DIRS][OWN];
};

static void own_step(struct own *own, unsigned int who) MAY_YIELD
{
	unsigned int dir = pick(DIRS), number = pick(OWN), other = pick(OWN);
	char name[128], path[160], to[160];
	bool *there = &own->there[dir][number];

	name_of(name, "own", who, number);
	sprintf(path, "/d%u/%s", dir, name);
	CHECK_INT(is_there(dir, name), *there);
	if (!*there) {
		CHECK_INT(pick(2) ? do_create(path, 0644) : do_symlink(path, path), 0);
		*there = true;
	} else if (pick(2)) {
		CHECK_INT(do_unlink(path), 0);
		*there = false;
	} else {
		unsigned int to_dir = pick(DIRS);

		name_of(name, "own", who, other);
		sprintf(to, "/d%u/%s", to_dir, name);
		CHECK_INT(do_rename(path, to, 0), 0);
		*there = false;
		own->there[to_dir][other] = true;
		if (strcmp(path, to) == 0)
			return;
		CHECK_INT(is_there(to_dir, name), true);
	}
}

/* ---- names that all tasks change: any answer of names is right, but no damage. */

static void common_step(void) MAY_YIELD
{
	static const int answers[] = { 0,	-ENOENT,    -EEXIST, -ENOTDIR,
				       -EISDIR, -ENOTEMPTY, -EINVAL, -ELOOP };
	char a[160], b[160], name[128];
	bool known = false;
	int r;

	name_of(name, "all", 0, pick(6));
	sprintf(a, "/d%u/%s", pick(DIRS), name);
	name_of(name, "all", 0, pick(6));
	sprintf(b, pick(2) ? "/d%u/%s" : "/d%u/all_0_0000000000/%s", pick(DIRS), name);
	switch (pick(7)) {
	case 0:
		r = do_mkdir(a);
		break;
	case 1:
		r = do_create(a, 0644);
		break;
	case 2:
		r = do_link(a, b);
		if (r == -EPERM) /* of a directory */
			r = 0;
		break;
	case 3:
		r = do_unlink(a);
		break;
	case 4:
		r = do_rmdir(a);
		break;
	case 5:
		r = do_rename(a, b, pick(3) ? 0 : RENAME_EXCHANGE);
		break;
	default:
		r = (int)do_write(a, "some bytes", pick(5000));
		if (r > 0)
			r = 0;
		break;
	}
	for (size_t i = 0; i < ARRAY_COUNT(answers); i++)
		known |= r == answers[i];
	if (!known)
		test_fail(__FILE__, __LINE__, "%s %s: %s", a, b, strerror(-r));
}

/* ---- reading: the stable names, each once. */

struct seen {
	unsigned int stable[STABLE];
	unsigned int left;
	bool more;
};

static int see(void *ctx, const struct vfs_dirent *entry)
{
	struct seen *seen = ctx;
	unsigned int number;
	char name[256];

	seen->more = true;
	if (seen->left == 0)
		return 1;
	seen->left--;
	snprintf(name, sizeof(name), "%.*s", (int)entry->name_len, entry->name);
	if (sscanf(name, "stable_0_%u", &number) == 1) {
		CHECK(number < STABLE);
		seen->stable[number]++;
	}
	return 0;
}

static void read_step(void) MAY_YIELD
{
	struct seen *seen = calloc(1, sizeof(*seen));
	unsigned int at_once = 1 + pick(20);
	uint64_t cursor = 0;
	struct dentry *d;
	char path[8];

	CHECK(seen != NULL);
	sprintf(path, "/d%u", pick(DIRS));
	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	do {
		seen->left = at_once;
		seen->more = false;
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, see, seen), 0);
		task_yield();
	} while (seen->more);
	for (unsigned int i = 0; i < STABLE; i++)
		CHECK_INT(seen->stable[i], 1);
	dentry_put(d);
	free(seen);
}

static void client(void *arg) MAY_YIELD
{
	struct own *own = calloc(1, sizeof(*own));
	unsigned int who;

	memcpy(&who, arg, sizeof(who));
	CHECK(own != NULL);
	for (unsigned int i = 0; i < STEPS; i++) {
		uint32_t what = pick(10);

		if (what < 5)
			own_step(own, who);
		else if (what < 9)
			common_step();
		else
			read_step();
		task_yield();
		if (pick(100) == 0)
			CHECK_INT(ext4_sync_fs(image), 0);
	}
	free(own);
	if (--running == 0)
		waitq_wake_all(&all_done);
}

/* Blocks of no use push out those that are. */
static void pusher(void *arg) MAY_YIELD
{
	(void)arg;
	for (unsigned int i = 0; running > 0; i++) {
		struct cache_page *page;

		CHECK_INT(cache_get(&image->blocks, pick((uint32_t)image->block_count), &page), 0);
		cache_put(page);
		if (i % 4 == 0)
			task_yield();
	}
	pushing = false;
	waitq_wake_all(&all_done);
}

/* ---- the whole. */

static const char *image_kind;

static void play(void) MAY_YIELD
{
	static unsigned int numbers[TASKS];
	struct cache_stats stats;
	char name[128], path[160];

	image_make(image_kind, "16M", NULL);
	image_options = (struct test_disk_options){ .completion = TEST_DISK_SHUFFLED,
						    .seed = seed };
	image_mount(false);
	waitq_init(&all_done);
	running = TASKS;
	for (unsigned int dir = 0; dir < DIRS; dir++) {
		sprintf(path, "/d%u", dir);
		CHECK_INT(do_mkdir(path), 0);
		for (unsigned int i = 0; i < STABLE; i++) {
			name_of(name, "stable", 0, i);
			sprintf(path, "/d%u/%s", dir, name);
			CHECK_INT(do_create(path, 0644), 0);
		}
	}
	for (unsigned int i = 0; i < TASKS; i++) {
		numbers[i] = i;
		CHECK_INT(task_start(NULL, "client", client, &numbers[i]), 0);
	}
	pushing = true;
	CHECK_INT(task_start(NULL, "pusher", pusher, NULL), 0);
	while (running > 0 || pushing)
		(void)!waitq_wait(&all_done, TASK_FOREVER, WAIT_SURE);
	cache_stats_get(&stats);
	CHECK(stats.evictions > 100); /* or nobody ever waited */
	image_unmount();
	image_judge();
	image_options = (struct test_disk_options){ .completion = TEST_DISK_AT_ONCE };
	image_mount(true);
	image_compare_dump();
	image_unmount();
}

static void in_many_orders(const char *kind)
{
	const char *told = getenv("EXT4_SEED");
	uint64_t first = told ? strtoull(told, NULL, 10) : 1;
	uint64_t last = told ? first : ORDERS;

	image_kind = kind;
	for (uint64_t order = first; order <= last; order++) {
		seed = order * 7919 + 5;
		fprintf(stderr, "# order %llu\n", (unsigned long long)order);
		ext4_run_with(play, order, CACHE_SMALL);
	}
}

static void tasks_do_not_disturb_each_other_in_trees(void)
{
	in_many_orders("-b 1024");
}

static void tasks_do_not_disturb_each_other_without_trees(void)
{
	in_many_orders("-b 1024 -O ^dir_index");
}

static void tasks_do_not_disturb_each_other_without_a_journal(void)
{
	in_many_orders("-b 2048 -O ^has_journal");
}

static const struct test tests[] = {
	TEST_LONG(tasks_do_not_disturb_each_other_in_trees, 240),
	TEST_LONG(tasks_do_not_disturb_each_other_without_trees, 240),
	TEST_LONG(tasks_do_not_disturb_each_other_without_a_journal, 240),
};
TEST_MAIN(tests)
