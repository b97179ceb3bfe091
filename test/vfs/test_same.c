/*
 * test_same.c - what vfs.h promises in one sentence: each operation answers as Linux
 * does. Random operations are done by the host's kernel in a folder and by the vfs
 * in a tree that began the same; every answer and the trees at the end must agree.
 *
 * VFS_SEED=n repeats one seed and prints its operations; VFS_SEEDS=n does n of them.
 */
#include "test/vfs/same.h"

#include <dirent.h>
#include <linux/falloc.h>
#include <sys/xattr.h>

#define SEEDS 25u
#define STEPS 400u
#define BASE "r/r/r/r/r/r" /* so deep that links with ".." do not lead out of the folder */

static uint64_t state;

static uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static void pick_path(char *path, bool links)
{
	static const char *const names[] = { "a", "b", "c", "d",
					     "a-somewhat-longer-name-than-others-is" };
	unsigned int count = 1 + pick(3);

	path[0] = '\0';
	for (unsigned int i = 0; i < count; i++) {
		const char *name = names[pick(pick(4) ? 3 : ARRAY_COUNT(names))];

		if ((i > 0 || links) && pick(12) == 0)
			name = pick(2) ? ".." : ".";
		if (i > 0)
			strcat(path, pick(20) ? "/" : "//");
		strcat(path, name);
	}
	if (pick(15) == 0)
		strcat(path, "/");
}

static int pick_open_flags(void)
{
	int flags = (int)pick(3);

	if (pick(2))
		flags |= O_CREAT;
	if (pick(6) == 0)
		flags |= O_EXCL;
	if (pick(4) == 0)
		flags |= O_TRUNC;
	if (pick(8) == 0)
		flags |= O_DIRECTORY;
	if (pick(8) == 0)
		flags |= O_NOFOLLOW;
	if (pick(12) == 0)
		flags |= O_PATH;
	if (pick(12) == 0)
		flags |= O_NOATIME;
	/* O_EXCL alone is undefined; this pair is refused by new kernels only. */
	if (!(flags & O_CREAT))
		flags &= ~O_EXCL;
	else
		flags &= ~O_DIRECTORY;
	return flags;
}

static uint32_t pick_mode(void)
{
	static const uint32_t modes[] = { 0644,	 0755,	0777,  0600,  0700, 0000,  0444, 01777,
					  02755, 02775, 04755, 06777, 0070, 02644, 0555 };

	return modes[pick(ARRAY_COUNT(modes))];
}

static int pick_flags(enum op_kind kind)
{
	static const int renames[] = {
		0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_NOREPLACE | RENAME_EXCHANGE
	};
	static const int times[] = { UTIME_NOW, UTIME_OMIT, 0, 5, -3 };
	static const int allocates[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 FALLOC_FL_PUNCH_HOLE };

	switch ((unsigned int)kind) {
	case OP_OPEN:
	case OP_HANDLE_OPEN:
		return pick_open_flags();
	case OP_RENAME:
		return renames[pick(ARRAY_COUNT(renames))];
	case OP_UTIMENS:
		return times[pick(ARRAY_COUNT(times))];
	case OP_HANDLE_ALLOCATE:
		return allocates[pick(ARRAY_COUNT(allocates))];
	case OP_XATTR:
		return (int)pick(3);
	default:
		return (int)pick(2);
	}
}

static void pick_op(struct op *op)
{
	static const uint32_t types[] = { S_IFIFO, S_IFREG, S_IFSOCK, S_IFDIR, S_IFLNK, 0 };
	static const uint32_t ids[] = { 0, 1000, 1001, UINT32_MAX, UINT32_MAX };

	memset(op, 0, sizeof(*op));
	op->kind = pick(OP_KINDS);
	if (pick(4) == 0) /* make more than is removed */
		op->kind = pick(2) ? OP_MKDIR : OP_OPEN;
	pick_path(op->a, op->kind == OP_SYMLINK);
	pick_path(op->b, false);
	op->flags = pick_flags(op->kind);
	op->mode = pick_mode();
	op->uid = ids[pick(ARRAY_COUNT(ids))];
	op->gid = ids[pick(ARRAY_COUNT(ids))];
	op->offset = pick(3) ? pick(200) : pick(60000);
	op->size = pick(3) ? pick(100) : pick(9000);
	op->handle = pick(HANDLES);
	op->who = pick(3) ? 0 : pick(identities());
	op->byte = (char)('a' + pick(26));
	if (op->kind == OP_MKNOD) {
		op->mode |= types[pick(ARRAY_COUNT(types))];
		op->size = 0;
	}
	if (op->kind == OP_UTIMENS)
		/* OMIT twice is answered before the path is looked at, by the call's handler. */
		op->size = op->flags == UTIME_OMIT || pick(2) ? (uint64_t)UTIME_NOW
							      : (uint64_t)UTIME_OMIT;
}

/* ---- whole trees as text: a line a name, in order. */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void host_names(const char *path, char *text, size_t size)
{
	struct dirent **list;
	int count = scandir(path, &list, NULL, by_name);
	size_t len = 0;

	CHECK(count >= 0);
	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		if (strcmp(list[i]->d_name, ".") != 0 && strcmp(list[i]->d_name, "..") != 0)
			len += (size_t)snprintf(text + len, size - len, "%s ", list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

/* The first path that named this inode: who is linked to whom. */
struct seen {
	uint64_t host, inside;
};
static struct seen seen[4096];
static size_t seen_count;

static void compare_links(const char *path) MAY_YIELD
{
	struct vfs_attr a;
	struct stat st;

	CHECK_INT(lstat(path, &st), 0);
	CHECK_INT(do_lstat(path, &a), 0);
	for (size_t i = 0; i < seen_count; i++)
		if ((seen[i].host == st.st_ino) != (seen[i].inside == a.ino))
			test_fail(__FILE__, __LINE__, "%s is linked otherwise", path);
	CHECK(seen_count < ARRAY_COUNT(seen));
	seen[seen_count++] = (struct seen){ st.st_ino, a.ino };
}

static void compare_one(const char *path) MAY_YIELD
{
	static char by_host[ANSWER_SIZE], by_vfs[ANSWER_SIZE];
	struct op op = { .kind = OP_STAT, .flags = 1 };

	snprintf(op.a, sizeof(op.a), "%s", path);
	for (int i = 0; i < 3; i++) {
		static const enum op_kind kinds[] = { OP_STAT, OP_READLINK, OP_OPEN };

		op.kind = kinds[i];
		if (op.kind == OP_OPEN)
			op.flags = O_NOFOLLOW;
		host_do(&op, by_host);
		vfs_do(&op, by_vfs);
		if (strcmp(by_host, by_vfs) != 0)
			test_fail(__FILE__, __LINE__, "at the end %s is %s, on the host %s", path,
				  by_vfs, by_host);
	}
	compare_links(path);
}

static void compare_tree(const char *path, int depth) MAY_YIELD
{
	char *text = malloc(ANSWER_SIZE), *next = text;
	const char *name;
	char child[OP_PATH];
	struct stat st;

	CHECK(text != NULL && depth < 30);
	if (access(path, R_OK | X_OK) != 0) { /* nor can an ordinary user look here */
		free(text);
		return;
	}
	host_names(path, text, ANSWER_SIZE);
	CHECK_STR(names_of(path, 1 + pick(5)), text);
	while ((name = strsep(&next, " ")) && *name) {
		CHECK((size_t)snprintf(child, sizeof(child), "%s/%s", path, name) < sizeof(child));
		compare_one(child);
		CHECK_INT(lstat(child, &st), 0);
		if (S_ISDIR(st.st_mode))
			compare_tree(child, depth + 1);
	}
	free(text);
}

/* ---- runs. */

static void run_seed(uint64_t seed, unsigned int steps) MAY_YIELD
{
	static char by_host[ANSWER_SIZE], by_vfs[ANSWER_SIZE], text[512];
	bool verbose = getenv("VFS_SEED") != NULL;
	struct op op;

	state = seed * 7919 + 17;
	for (unsigned int i = 0; i < steps; i++) {
		pick_op(&op);
		op_tell(&op, text, sizeof(text));
		if (verbose)
			fprintf(stderr, "# %u %s", i, text);
		host_do(&op, by_host);
		if (verbose)
			fprintf(stderr, " = %s\n", by_host);
		vfs_do(&op, by_vfs);
		if (strcmp(by_host, by_vfs) != 0)
			test_fail(__FILE__, __LINE__,
				  "seed %llu, step %u: %s is %s, on the host %s",
				  (unsigned long long)seed, i, text, by_vfs, by_host);
	}
	ops_end();
	seen_count = 0;
	be_root();
	compare_tree(".", 0);
}

static void go_to(const char *path)
{
	static char command[512];

	CHECK_INT(chdir(path), 0);
	snprintf(command, sizeof(command), "mkdir -p %s && chmod 777 %s", BASE, BASE);
	CHECK_INT(system(command), 0);
}

static uint64_t number_in(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t first_seed(void)
{
	return number_in("VFS_SEED", 1);
}

static uint64_t last_seed(void)
{
	return number_in("VFS_SEED", number_in("VFS_SEEDS", SEEDS));
}

static void make_base(void) MAY_YIELD
{
	for (size_t len = 1; len <= strlen(BASE); len += 2) {
		char path[sizeof(BASE)];

		snprintf(path, sizeof(path), "%.*s", (int)len, BASE);
		CHECK_INT(do_mkdir(path), 0);
		CHECK_INT(do_chown(path, getuid(), getgid()), 0);
	}
	CHECK_INT(do_chmod(BASE, 0777), 0);
}

/* The view looks from where the host's operations are done. */
static void enter_base(void) MAY_YIELD
{
	struct dentry *d;

	CHECK_INT(vfs_walk(&view, NULL, BASE, 0, &d), 0);
	dentry_put(view.cwd);
	view.cwd = d;
}

static bool has_xattrs(void)
{
	int r = setxattr(".", "user.test", "x", 1, 0);

	return r == 0 && removexattr(".", "user.test") == 0;
}

static void run_mem(void) MAY_YIELD
{
	static char command[256];

	umask(022);
	for (uint64_t seed = first_seed(); seed <= last_seed(); seed++) {
		snprintf(command, sizeof(command), "chmod -Rf u+rwX %s; rm -rf %s/r", host_folder(),
			 host_folder());
		CHECK_INT(system(command), 0);
		go_to(host_folder());
		CHECK_INT(chdir(BASE), 0);
		CHECK_INT(chmod(host_folder(), 0755), 0);
		if (!has_xattrs())
			SKIP("%s has no user xattrs", host_folder());
		be_root();
		use_mem(0);
		make_base();
		enter_base();
		run_seed(seed, STEPS);
		drop_root();
	}
	CHECK_INT(chdir("/"), 0);
}

VFS_TEST(memory_answers_as_the_host_does)
{
	run_mem();
}

/* A tree made by random operations of the host alone. */
static void grow_tree(uint64_t seed, unsigned int steps)
{
	static char answer[ANSWER_SIZE];
	struct op op;

	state = seed * 104729 + 3;
	for (unsigned int i = 0; i < steps; i++) {
		pick_op(&op);
		if (op.kind != OP_XATTR) /* the host's own are not shown */
			host_do(&op, answer);
	}
	ops_end();
}

VFS_TEST(an_overlay_answers_as_the_host_does)
{
	static char command[512], lower[256], other[256];

	umask(022);
	snprintf(lower, sizeof(lower), "%s/lower", host_folder());
	snprintf(other, sizeof(other), "%s/other", host_folder());
	CHECK_INT(chmod(host_folder(), 0755), 0);
	for (uint64_t seed = first_seed(); seed <= last_seed(); seed++) {
		uint64_t before;

		CHECK_INT(chdir(host_folder()), 0);
		snprintf(command, sizeof(command),
			 "chmod -Rf u+rwX .; rm -rf lower other && mkdir lower");
		CHECK_INT(system(command), 0);
		go_to(lower);
		CHECK_INT(chdir(BASE), 0);
		if (!has_xattrs())
			SKIP("%s has no user xattrs", host_folder());
		grow_tree(seed, STEPS);
		CHECK_INT(chdir(host_folder()), 0);
		/* Who is not root cannot copy what it may not read. */
		CHECK_INT(system("[ $(id -u) = 0 ] || chmod -R u+rwX lower"), 0);
		CHECK_INT(system("cp -a lower other"), 0);
		before = host_hash(lower);
		CHECK_INT(chdir(other), 0);
		CHECK_INT(chdir(BASE), 0);
		be_root();
		use_overlay(lower);
		enter_base();
		run_seed(seed, STEPS);
		drop_root();
		CHECK_INT(host_hash(lower) == before, true);
	}
	CHECK_INT(chdir("/"), 0);
}

static const struct test tests[] = {
	TEST_LONG(memory_answers_as_the_host_does, 120),
	TEST_LONG(an_overlay_answers_as_the_host_does, 120),
};
TEST_MAIN(tests)
