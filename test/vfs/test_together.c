/*
 * test_together.c - what dentry.h and overlay.h promise of tasks that are in the same
 * directories across yields: who waits for whom, and that the tree stays one tree.
 */
#include "task/sched.h"
#include "test/vfs/slow_fs.h"
#include "test/vfs/vfs_test.h"

#define TASKS 6u
#define STEPS 150u
#define SEEDS 100u

static unsigned int running;
static struct waitq done;

static void start(task_fn *fn, void *arg)
{
	struct task *t;

	running++;
	CHECK_INT(task_start(&t, "other", fn, arg), 0);
}

static void ended(void)
{
	if (--running == 0)
		waitq_wake_all(&done);
}

static void wait_for_all(void) MAY_YIELD
{
	while (running > 0)
		CHECK_INT(waitq_wait(&done, TASK_FOREVER, WAIT_SURE), 0);
}

static void use_slow_mem(void) MAY_YIELD
{
	struct inode *root;

	waitq_init(&done);
	CHECK_INT(mem_fs_new("tmpfs", 0, 0755, &root), 0);
	make_slow(root);
	use_root(root);
}

/* ---- one name, many tasks. */

static int answers[TASKS];

static void look_for_missing(void *arg) MAY_YIELD;
static void look_for_missing(void *arg)
{
	struct vfs_attr a;

	*(int *)arg = do_stat("missing", &a);
	ended();
}

VFS_TEST(a_name_is_asked_for_once_whoever_wants_it)
{
	uint64_t before;

	use_slow_mem();
	before = slow_lookups();
	for (unsigned int i = 0; i < TASKS; i++)
		start(look_for_missing, &answers[i]);
	wait_for_all();
	for (unsigned int i = 0; i < TASKS; i++)
		CHECK_INT(answers[i], -ENOENT);
	CHECK_INT(slow_lookups(), before + 1);
}

static void make_exclusively(void *arg) MAY_YIELD;
static void make_exclusively(void *arg)
{
	*(int *)arg = do_create("new", 0644);
	ended();
}

VFS_TEST(of_many_that_make_a_file_exclusively_one_does)
{
	unsigned int made = 0;

	use_slow_mem();
	for (unsigned int i = 0; i < TASKS; i++)
		start(make_exclusively, &answers[i]);
	wait_for_all();
	for (unsigned int i = 0; i < TASKS; i++) {
		CHECK(answers[i] == 0 || answers[i] == -EEXIST);
		made += answers[i] == 0;
	}
	CHECK_INT(made, 1);
}

static void remove_directory(void *arg) MAY_YIELD;
static void remove_directory(void *arg)
{
	*(int *)arg = do_rmdir("d");
	ended();
}

static void make_inside(void *arg) MAY_YIELD;
static void make_inside(void *arg)
{
	*(int *)arg = do_create("d/inside", 0644);
	ended();
}

VFS_TEST(a_directory_is_either_removed_or_filled)
{
	use_slow_mem();
	for (unsigned int round = 0; round < 8; round++) {
		CHECK_INT(do_mkdir("d"), 0);
		start(round % 2 ? remove_directory : make_inside, &answers[round % 2]);
		start(round % 2 ? make_inside : remove_directory, &answers[!(round % 2)]);
		wait_for_all();
		if (answers[1] == 0) {
			CHECK_INT(answers[0], -ENOENT);
		} else {
			CHECK_INT(answers[1], -ENOTEMPTY);
			CHECK_INT(answers[0], 0);
			CHECK_INT(do_unlink("d/inside"), 0);
			CHECK_INT(do_rmdir("d"), 0);
		}
	}
}

static void move_in(void *arg) MAY_YIELD;
static void move_in(void *arg)
{
	const char **names = arg;
	int r = do_rename(names[0], names[1], 0);

	/* The second of the two finds that its target is below itself, or gone. */
	CHECK(r == 0 || r == -EINVAL || r == -ENOENT);
	ended();
}

VFS_TEST(two_directories_are_not_moved_into_each_other)
{
	const char *one[] = { "x", "y/x" }, *other[] = { "y", "x/y" };

	use_slow_mem();
	CHECK_INT(do_mkdir("x"), 0);
	CHECK_INT(do_mkdir("y"), 0);
	start(move_in, one);
	start(move_in, other);
	wait_for_all();
	CHECK(strcmp(names_of("/", 9), "x ") == 0 || strcmp(names_of("/", 9), "y ") == 0);
}

/* ---- everybody does everything. */

static uint64_t random_state;

static uint32_t pick(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

static const char *pick_path(char *path)
{
	unsigned int count = 1 + pick(3);

	path[0] = '\0';
	for (unsigned int i = 0; i < count; i++)
		sprintf(path + strlen(path), "%s%c", i ? "/" : "", (char)('a' + pick(4)));
	return path;
}

static int ignore_name(void *ctx, const struct vfs_dirent *entry)
{
	return entry->name_len == 0 || (*(unsigned int *)ctx)++ > 3;
}

static void list(const char *path) MAY_YIELD
{
	unsigned int seen = 0;
	uint64_t cursor = 0;
	struct dentry *d;

	if (vfs_walk(&view, NULL, path, VFS_FOLLOW | VFS_DIRECTORY, &d) < 0)
		return;
	for (int i = 0; i < 3; i++)
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, ignore_name, &seen), 0);
	dentry_put(d);
}

static void change(void) MAY_YIELD
{
	char a[16], b[16];
	struct vfs_attr attr;
	struct dentry *d;

	pick_path(a);
	pick_path(b);
	switch (pick(15)) {
	case 0:
	case 1:
		(void)!do_mkdir(a);
		break;
	case 2:
		(void)!do_create(a, 0644);
		break;
	case 3:
		(void)!do_unlink(a);
		break;
	case 4:
		(void)!do_rmdir(a);
		break;
	case 5:
	case 6:
		(void)!do_rename(a, b, pick(4) ? 0 : RENAME_EXCHANGE);
		break;
	case 7:
		(void)!do_link(a, b);
		break;
	case 8:
		(void)!do_write(a, "text", pick(20));
		break;
	case 9:
		if (do_open(a, O_RDONLY, 0, &d) == 0) {
			char text[8];
			ssize_t r = S_ISREG(dentry_inode(d)->type)
					    ? vfs_read(dentry_inode(d), text, sizeof(text), 0)
					    : 0;

			CHECK(r >= 0);
			task_yield();
			dentry_put(d);
		}
		break;
	case 10:
		list(a);
		break;
	case 11:
		(void)!do_truncate(a, pick(30));
		break;
	case 12:
		(void)!do_symlink(b, a);
		break;
	case 13:
		(void)!do_chmod(a, 0600);
		break;
	default:
		(void)!do_stat(a, &attr);
		if (pick(10) == 0)
			dentry_shrink(pick(3));
		break;
	}
}

static void change_much(void *arg) MAY_YIELD;
static void change_much(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < STEPS; i++)
		change();
	ended();
}

/* Every name that is listed is found, and each file has as many names as it says. */
struct census {
	struct {
		uint64_t ino;
		unsigned int names, nlink;
	} files[4096];
	unsigned int count;
};
static struct census census;

static void count_file(const struct vfs_attr *a)
{
	unsigned int i;

	for (i = 0; i < census.count && census.files[i].ino != a->ino; i++)
		;
	CHECK(i < ARRAY_COUNT(census.files));
	if (i == census.count) {
		census.count++;
		census.files[i].names = 0;
	}
	census.files[i].ino = a->ino;
	census.files[i].nlink = a->nlink;
	census.files[i].names++;
}

static void count_tree(const char *path, unsigned int depth) MAY_YIELD
{
	char *text = strdup(names_of(path, 1 + pick(3))), *next = text, *name;
	struct vfs_attr a;

	CHECK(text != NULL && depth < 20);
	while ((name = strsep(&next, " ")) && *name) {
		char *child;

		CHECK(asprintf(&child, "%s/%s", path, name) > 0);
		CHECK_INT(do_lstat(child, &a), 0);
		if (S_ISDIR(a.mode))
			count_tree(child, depth + 1);
		else
			count_file(&a);
		free(child);
	}
	free(text);
}

static void check_tree(void) MAY_YIELD
{
	for (int cold = 0; cold < 2; cold++) {
		census.count = 0;
		count_tree(".", 0);
		for (unsigned int i = 0; i < census.count; i++)
			CHECK_INT(census.files[i].names, census.files[i].nlink);
		dentry_shrink(0);
	}
}

static void everybody(void) MAY_YIELD
{
	for (unsigned int i = 0; i < TASKS; i++)
		start(change_much, NULL);
	wait_for_all();
	check_tree();
}

VFS_TEST(many_tasks_leave_a_sound_tree)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		random_state = seed;
		use_slow_mem();
		everybody();
		drop_root();
	}
}

/* What a lower looked like, to see that it still does: the tree is built before it is slow. */
static uint64_t lower_hash;

static void hash_tree(const char *path) MAY_YIELD
{
	char *text = strdup(names_of(path, 100)), *next = text, *name;
	char child[128];
	struct vfs_attr a;

	while ((name = strsep(&next, " ")) && *name) {
		snprintf(child, sizeof(child), "%s/%s", path, name);
		CHECK_INT(do_lstat(child, &a), 0);
		for (const char *c = child; *c; c++)
			lower_hash = (lower_hash ^ (unsigned char)*c) * 0x100000001b3u;
		lower_hash = (lower_hash ^ a.mode ^ a.size << 20 ^ (uint64_t)a.nlink << 50) *
			     0x100000001b3u;
		if (S_ISDIR(a.mode))
			hash_tree(child);
	}
	free(text);
}

VFS_TEST(many_tasks_leave_a_sound_overlay_and_the_lower_alone)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct inode *lower, *upper, *work, *root, *kept;
		uint64_t before;

		random_state = seed;
		waitq_init(&done);
		CHECK_INT(mem_fs_new("lower", 0, 0755, &lower), 0);
		kept = inode_get(lower);
		use_root(lower);
		for (int i = 0; i < 60; i++)
			change();
		lower_hash = 0;
		hash_tree(".");
		before = lower_hash;
		leave_root();
		make_upper(0, seed % 2, &upper, &work);
		make_slow(kept);
		make_slow(upper);
		if (work)
			make_slow(work);
		CHECK_INT(overlay_fs_new(inode_get(kept), upper, work, &root), 0);
		use_root(root);
		everybody();
		leave_root();
		use_root(inode_get(kept));
		lower_hash = 0;
		hash_tree(".");
		CHECK(lower_hash == before);
		inode_put(kept);
		drop_root();
	}
}

static const struct test tests[] = {
	TEST(a_name_is_asked_for_once_whoever_wants_it),
	TEST(of_many_that_make_a_file_exclusively_one_does),
	TEST(a_directory_is_either_removed_or_filled),
	TEST(two_directories_are_not_moved_into_each_other),
	TEST_LONG(many_tasks_leave_a_sound_tree, 30),
	TEST_LONG(many_tasks_leave_a_sound_overlay_and_the_lower_alone, 60),
};
TEST_MAIN(tests)
