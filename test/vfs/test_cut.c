/*
 * test_cut.c - what vfs.h promises of an overlay with a work directory: whoever mounts the
 * upper after a power cut sees each change of names done, or not begun. After each single
 * step in the upper a second overlay looks at it: the tree it shows must be that from
 * before the operation or that from after it. Without the work directory it is not so.
 */
#include "test/vfs/slow_fs.h"
#include "test/vfs/vfs_test.h"
#include "vfs/overlay/overlay.h"

#include <inttypes.h>

#define SEEDS (test_sanitized ? 40u : 1500u)
#define STEPS 60u
#define SHOWN_SIZE 16384u
#define SNAPSHOTS_MAX 64u

static struct inode *lower_root, *upper_root;
static uint64_t random_state;

static uint32_t pick(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

/* ---- what somebody would see who mounts it now. */

struct shown {
	char text[SHOWN_SIZE];
	size_t size;
};

static void add(struct shown *s, const char *text)
{
	size_t size = strlen(text);

	CHECK(s->size + size < SHOWN_SIZE);
	memcpy(s->text + s->size, text, size + 1);
	s->size += size;
}

struct listed {
	char name[32][VFS_NAME_MAX + 1];
	unsigned int count;
};

static int take(void *ctx, const struct vfs_dirent *entry)
{
	struct listed *l = ctx;

	CHECK(l->count < ARRAY_COUNT(l->name));
	memcpy(l->name[l->count], entry->name, entry->name_len);
	l->name[l->count++][entry->name_len] = '\0';
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void show_tree(struct shown *s, struct inode *dir, const char *above) MAY_YIELD;

static void show_one(struct shown *s, struct inode *dir, const char *above, const char *name)
	MAY_YIELD
{
	char line[256], path[128], data[32] = "";
	struct vfs_attr attr;
	struct inode *inode;

	CHECK_INT(dir->ops->lookup(dir, name, strlen(name), &inode), 0);
	CHECK_INT(inode->ops->getattr(inode, &attr), 0);
	if (S_ISREG(attr.mode))
		CHECK(inode->ops->read(inode, data, sizeof(data) - 1, 0) >= 0);
	if (S_ISLNK(attr.mode))
		CHECK(inode->ops->readlink(inode, data, sizeof(data) - 1) >= 0);
	snprintf(path, sizeof(path), "%s/%s", above, name);
	snprintf(line, sizeof(line), "%s %o %u %s\n", path, attr.mode, attr.uid, data);
	add(s, line);
	if (S_ISDIR(attr.mode))
		show_tree(s, inode, path);
	inode_put(inode);
}

static void show_tree(struct shown *s, struct inode *dir, const char *above)
{
	struct listed *l = calloc(1, sizeof(*l));
	uint64_t cursor = 0;

	CHECK(l);
	CHECK_INT(dir->ops->readdir(dir, &cursor, take, l), 0);
	qsort(l->name, l->count, sizeof(l->name[0]), by_text);
	for (unsigned int i = 0; i < l->count; i++)
		show_one(s, dir, above, l->name[i]);
	free(l);
}

static void show(struct shown *s) MAY_YIELD
{
	struct inode *root;

	s->size = 0;
	s->text[0] = '\0';
	CHECK_INT(overlay_fs_new(inode_get(lower_root), inode_get(upper_root), NULL, &root), 0);
	show_tree(s, root, "");
	inode_put(root);
}

static struct shown snapshot[SNAPSHOTS_MAX];
static unsigned int snapshots;

static void look(void) TSA(no_thread_safety_analysis)
{
	slow_changed = NULL;
	CHECK(snapshots < SNAPSHOTS_MAX);
	show(&snapshot[snapshots++]);
	slow_changed = look;
}

/* ---- operations. */

static const char *any_path(char path[64])
{
	static const char *const names[] = { "a", "b", "c" };

	if (pick(2))
		snprintf(path, 64, "%s", names[pick(3)]);
	else
		snprintf(path, 64, "%s/%s", names[pick(3)], names[pick(3)]);
	return path;
}

static int change(char told[160]) MAY_YIELD
{
	char a[64], b[64];
	uint32_t what = pick(9);

	any_path(a);
	any_path(b);
	snprintf(told, 160, "operation %u %s %s", what, a, b);
	switch (what) {
	case 0:
		return do_create(a, 0644);
	case 1:
		return do_mkdir(a);
	case 2:
		return do_unlink(a);
	case 3:
		return do_rmdir(a);
	case 4:
	case 5:
		return do_rename(a, b, 0);
	case 6:
		return do_link(a, b);
	case 7:
		return do_symlink("to", a);
	default:
		return do_rename(a, b, RENAME_EXCHANGE);
	}
}

/* The number of snapshots that show neither what was before nor what is after. */
static unsigned int run(uint64_t seed, bool with_work) MAY_YIELD
{
	static struct shown before, after, left;
	unsigned int between = 0;
	struct inode *work, *kept, *root;
	char told[160];

	random_state = seed;
	CHECK_INT(mem_fs_new("lower", 0, 0755, &lower_root), 0);
	use_root(inode_get(lower_root));
	for (int i = 0; i < 40; i++)
		(void)change(told);
	leave_root();
	make_upper(0, with_work, &upper_root, &work);
	make_slow(upper_root);
	kept = work ? inode_get(work) : NULL;
	if (work)
		make_slow(work);
	CHECK_INT(overlay_fs_new(inode_get(lower_root), inode_get(upper_root), work, &root), 0);
	use_root(root);
	for (unsigned int i = 0; i < STEPS; i++) {
		show(&before);
		snapshots = 0;
		slow_changed = look;
		(void)change(told);
		slow_changed = NULL;
		show(&after);
		for (unsigned int k = 0; k < snapshots; k++) {
			if (!strcmp(snapshot[k].text, before.text) ||
			    !strcmp(snapshot[k].text, after.text))
				continue;
			between++;
			if (with_work)
				printf("# seed %" PRIu64 ", %s, step %u:\n# %s\n", seed, told, k,
				       snapshot[k].text);
		}
	}
	left.size = 0;
	left.text[0] = '\0';
	if (kept) {
		show_tree(&left, kept, "");
		CHECK_STR(left.text, ""); /* nothing is left of what was prepared */
		inode_put(kept);
	}
	leave_root();
	inode_put(upper_root);
	inode_put(lower_root);
	drop_root();
	return between;
}

VFS_TEST(a_cut_between_two_steps_shows_before_or_after)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		CHECK_INT(run(seed, true), 0);
}

VFS_TEST(without_a_work_directory_it_would_not)
{
	unsigned int between = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		between += run(seed, false);
	CHECK(between > 0);
}

static const struct test tests[] = {
	TEST_LONG(a_cut_between_two_steps_shows_before_or_after, 60),
	TEST_LONG(without_a_work_directory_it_would_not, 60),
};
TEST_MAIN(tests)
