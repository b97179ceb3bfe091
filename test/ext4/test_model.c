/*
 * test_model.c - ext4 answers as the file system in memory does: the same random operations
 * on both, thousands of them, on images so small that they run full and out of inodes. At
 * the end, and after another mount, both trees are the same, and e2fsck finds nothing.
 *
 * EXT4_SEED=n repeats one seed and prints its operations; EXT4_SEEDS=n does n of them.
 */
#include "test/ext4/image.h"

#include <linux/falloc.h>

#define STEPS 3000u
#define HANDLES 6u
#define BYTES_MAX 60000u
#define NAMES 24u

static uint64_t seed;
static struct vfs views[2]; /* ext4, memory */
static struct dentry *handles[2][HANDLES];
static bool verbose;

static uint32_t pick(uint32_t below)
{
	return image_random(&seed, below);
}

struct op {
	unsigned int kind;
	char a[600], b[600];
	int flags;
	uint32_t mode;
	uint64_t offset;
	uint32_t size, handle;
};

enum {
	OP_CREATE,
	OP_MKDIR,
	OP_SYMLINK,
	OP_MKNOD,
	OP_LINK,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME,
	OP_WRITE,
	OP_TRUNCATE,
	OP_CHMOD,
	OP_CHOWN,
	OP_OPEN,
	OP_CLOSE,
	OP_HANDLE_WRITE,
	OP_HANDLE_READ,
	OP_HANDLE_ALLOCATE,
	OP_TMPFILE,
	OP_NAME,
	OP_SYNC,
	OP_LIST,
	OP_COUNT,
};

static void pick_name(char *to)
{
	uint32_t number = pick(NAMES);
	/* Some are as long as may be: few of them fill a block. */
	uint32_t length = number % 6 == 0 ? 200 + number * 2 : number % 5 * 3;
	int len = sprintf(to, "n%u", number);

	memset(to + len, 'a' + (int)(number % 26), length);
	to[(uint32_t)len + length] = '\0';
}

static void pick_path(char *path)
{
	uint32_t depth = 1 + pick(2);

	path[0] = '\0';
	for (uint32_t i = 0; i < depth; i++) {
		strcat(path, "/");
		if (i + 1 < depth)
			sprintf(path + strlen(path), "d%u", pick(3));
		else if (pick(4) == 0)
			sprintf(path + strlen(path), "d%u", pick(3));
		else
			pick_name(path + strlen(path));
	}
}

static void pick_op(struct op *op)
{
	static const int renames[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	static const int allocates[] = { 0,
					 FALLOC_FL_KEEP_SIZE,
					 FALLOC_FL_ZERO_RANGE,
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 FALLOC_FL_COLLAPSE_RANGE,
					 FALLOC_FL_INSERT_RANGE };

	memset(op, 0, sizeof(*op));
	op->kind = pick(3) ? pick(OP_COUNT) : pick(4);
	pick_path(op->a);
	pick_path(op->b);
	op->mode = pick(01000);
	op->handle = pick(HANDLES);
	op->offset = pick(4) ? pick(BYTES_MAX) : pick(4) ? pick(5000000) : pick(UINT32_MAX);
	op->size = pick(pick(3) ? 5000 : BYTES_MAX);
	op->flags = op->kind == OP_RENAME ? renames[pick(ARRAY_COUNT(renames))]
					  : allocates[pick(ARRAY_COUNT(allocates))];
}

static char bytes[BYTES_MAX];
static char target[1000];

static ssize_t write_to(struct dentry *d, const struct op *op, uint32_t size) MAY_YIELD
{
	memset(bytes, 'A' + (int)(op->offset % 26), sizeof(bytes));
	return vfs_write(dentry_inode(d), bytes, size, op->offset);
}

static int64_t do_path_write(const struct op *op, uint32_t size) MAY_YIELD
{
	struct dentry *d;
	int64_t r = do_open(op->a, O_WRONLY | O_NOFOLLOW, 0, &d);

	if (r < 0)
		return r;
	if (!S_ISREG(dentry_inode(d)->type))
		r = -EINVAL;
	else
		r = write_to(d, op, size);
	dentry_put(d);
	return r;
}

static uint64_t sum(const char *from, size_t size)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < size; i++)
		h = (h ^ (unsigned char)from[i]) * 0x100000001b3u;
	return h >> 1;
}

/* Shifts by pages: that both can do, whatever their blocks. */
static int64_t allocate(struct dentry *d, const struct op *op) MAY_YIELD
{
	bool shifts = op->flags & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);
	uint64_t offset = op->offset % 3000000, unit = shifts ? 4096 : 1;

	if (op->size < unit)
		return 0;
	return vfs_fallocate(dentry_inode(d), op->flags, offset / unit * unit,
			     op->size / unit * unit);
}

static int64_t do_handle(const struct op *op, unsigned int which, uint32_t size) MAY_YIELD
{
	struct dentry **d = &handles[which][op->handle];
	int64_t r;

	if (op->kind == OP_OPEN || op->kind == OP_TMPFILE) {
		if (*d)
			return 0;
		r = op->kind == OP_OPEN ? do_open(op->a, O_RDWR | O_NOFOLLOW, 0, d)
					: vfs_tmpfile(&view, NULL, "/", 0644, d);
		if (r == 0 && !S_ISREG(dentry_inode(*d)->type)) {
			dentry_put(*d);
			*d = NULL;
			r = -EINVAL;
		}
		return r;
	}
	if (!*d)
		return 0;
	switch (op->kind) {
	case OP_CLOSE:
		dentry_put(*d);
		*d = NULL;
		return 0;
	case OP_NAME:
		return vfs_link(&view, *d, NULL, op->a);
	case OP_HANDLE_WRITE:
		return write_to(*d, op, size);
	case OP_HANDLE_ALLOCATE:
		return allocate(*d, op);
	default:
		r = vfs_read(dentry_inode(*d), bytes, op->size, op->offset);
		return r < 0 ? r : (int64_t)sum(bytes, (size_t)r);
	}
}

/* `size`: how much to write, at most. */
static int64_t run(const struct op *op, unsigned int which, uint32_t size) MAY_YIELD
{
	switch (op->kind) {
	case OP_CREATE:
		return do_create(op->a, op->mode);
	case OP_MKDIR:
		return do_mkdir(op->a);
	case OP_SYMLINK:
		memset(target, 't', sizeof(target));
		target[1 + op->size % (op->mode & 1 ? 900 : 70)] = '\0';
		return do_symlink(target, op->a);
	case OP_MKNOD:
		return vfs_mknod(&view, NULL, op->a, S_IFIFO | op->mode, 0);
	case OP_LINK:
		return do_link(op->a, op->b);
	case OP_UNLINK:
		return do_unlink(op->a);
	case OP_RMDIR:
		return do_rmdir(op->a);
	case OP_RENAME:
		return do_rename(op->a, op->b, (unsigned int)op->flags);
	case OP_WRITE:
		return do_path_write(op, size);
	case OP_TRUNCATE:
		return do_truncate(op->a, op->offset % 3000000);
	case OP_CHMOD:
		return do_chmod(op->a, op->mode);
	case OP_CHOWN:
		return do_chown(op->a, op->size, op->mode);
	case OP_SYNC:
		return which == 0 && op->mode % 8 == 0 ? ext4_sync_fs(image) : 0;
	case OP_LIST: {
		const char *names;
		struct vfs_attr a;
		int r = do_lstat(op->b, &a);

		if (r < 0 || !S_ISDIR(a.mode))
			return r;
		names = names_of(op->b, 1 + op->mode % 5);
		return (int64_t)sum(names, strlen(names));
	}
	default:
		return do_handle(op, which, size);
	}
}

static void look_from(unsigned int which)
{
	view = views[which];
}

/* ---- comparing. */

/* A line of text about one thing; bytes by their sum. Not times: both are now. */
static char *tell(const char *path) MAY_YIELD
{
	struct vfs_attr a;
	uint64_t content = 0;
	char *line;

	CHECK_INT(do_lstat(path, &a), 0);
	if (S_ISREG(a.mode)) {
		struct dentry *d;
		ssize_t r;

		CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
		for (uint64_t at = 0; at < a.size && at < 20000000; at += (uint64_t)r) {
			r = vfs_read(dentry_inode(d), bytes, sizeof(bytes), at);
			CHECK(r > 0);
			content = content * 31 + sum(bytes, (size_t)r);
		}
		dentry_put(d);
	} else if (S_ISLNK(a.mode)) {
		struct dentry *d;
		int r;

		CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
		r = vfs_readlink(dentry_inode(d), target, sizeof(target));
		CHECK(r > 0);
		content = sum(target, (size_t)r);
		dentry_put(d);
	}
	if (S_ISDIR(a.mode))
		a.size = 0;
	CHECK(asprintf(&line, "%o %u:%u links %u size %llu is %llx", a.mode, a.uid, a.gid, a.nlink,
		       (unsigned long long)a.size, (unsigned long long)content) > 0);
	return line;
}

static void compare(const char *path) MAY_YIELD
{
	char *names[2], *next, *name;

	for (unsigned int i = 0; i < 2; i++) {
		look_from(i);
		names[i] = strdup(names_of(*path ? path : "/", 3));
	}
	/* Only an image has it. */
	next = strstr(names[0], "lost+found ");
	if (next)
		memmove(next, next + 11, strlen(next + 11) + 1);
	CHECK_STR(names[0], names[1]);
	next = names[0];
	while ((name = strsep(&next, " ")) != NULL && *name) {
		char *child, *lines[2];

		CHECK(asprintf(&child, "%s/%s", path, name) > 0);
		for (unsigned int i = 0; i < 2; i++) {
			look_from(i);
			lines[i] = tell(child);
		}
		if (strcmp(lines[0], lines[1]) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s, but in memory %s", child, lines[0],
				  lines[1]);
		if (lines[0][0] == '4') /* S_IFDIR */
			compare(child);
		free(child);
		free(lines[0]);
		free(lines[1]);
	}
	free(names[0]);
	free(names[1]);
}

/* ---- runs. */

static void step(const struct op *op, unsigned int number) MAY_YIELD
{
	bool writes = op->kind == OP_WRITE || op->kind == OP_HANDLE_WRITE;
	int64_t answers[2];

	if (verbose)
		fprintf(stderr, "# %u op %u %.40s %.40s flags %d mode %o at %llu size %u\n", number,
			op->kind, op->a, op->b, op->flags, op->mode, (unsigned long long)op->offset,
			op->size);
	look_from(0);
	answers[0] = run(op, 0, op->size);
	if (verbose)
		fprintf(stderr, "#     = %lld\n", (long long)answers[0]);
	/* What there was no room for is not done in memory either. */
	if (answers[0] == -ENOSPC && op->kind != OP_HANDLE_ALLOCATE)
		return;
	look_from(1);
	answers[1] = run(op, 1, writes && answers[0] >= 0 ? (uint32_t)answers[0] : op->size);
	if (answers[0] == -ENOSPC)
		return;
	if (answers[0] != answers[1])
		test_fail(__FILE__, __LINE__, "step %u: op %u %s %s gives %lld, in memory %lld",
			  number, op->kind, op->a, op->b, (long long)answers[0],
			  (long long)answers[1]);
}

/* The whole tree of the view as text, with times. */
static void dump(const char *path, FILE *to) MAY_YIELD
{
	char *names = strdup(names_of(*path ? path : "/", 7)), *next = names, *name;

	while ((name = strsep(&next, " ")) != NULL && *name) {
		struct vfs_attr a;
		char *child, *line;

		CHECK(asprintf(&child, "%s/%s", path, name) > 0);
		CHECK_INT(do_lstat(child, &a), 0);
		line = tell(child);
		fprintf(to, "%s %s times %lld.%ld %lld.%ld blocks %llu\n", child, line,
			(long long)a.mtime.tv_sec, a.mtime.tv_nsec, (long long)a.ctime.tv_sec,
			a.ctime.tv_nsec, (unsigned long long)a.blocks);
		if (S_ISDIR(a.mode))
			dump(child, to);
		free(child);
		free(line);
	}
	free(names);
}

static char *dump_all(void) MAY_YIELD
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	CHECK(to != NULL);
	dump("", to);
	CHECK_INT(fclose(to), 0);
	return text;
}

static void enter(struct inode *root, unsigned int which)
{
	memset(&view, 0, sizeof(view));
	use_root(root);
	views[which] = view;
}

static void run_steps(void) MAY_YIELD
{
	struct op op;

	for (unsigned int i = 0; i < STEPS; i++) {
		pick_op(&op);
		step(&op, i);
	}
	for (unsigned int i = 0; i < 2 * HANDLES; i++) {
		dentry_put(handles[i / HANDLES][i % HANDLES]);
		handles[i / HANDLES][i % HANDLES] = NULL;
	}
}

static void same_lines(char *seen, char *wanted)
{
	char *a, *b;

	do {
		a = strsep(&seen, "\n");
		b = strsep(&wanted, "\n");
		if (!a || !b || strcmp(a, b) != 0)
			CHECK_STR(a ? a : "(end)", b ? b : "(end)");
	} while (seen && wanted);
}

static void run_seed(uint64_t number, const char *options, const char *size) MAY_YIELD
{
	char *before, *after;
	struct inode *root;

	seed = number * 7919 + 17;
	image_make(options, size, NULL);
	image_mount(false);
	views[0] = view;
	CHECK_INT(mem_fs_new("tmpfs", 0, 0755, &root), 0);
	enter(root, 1);
	run_steps();
	compare("");
	look_from(0);
	CHECK_INT(ext4_sync_fs(image), 0); /* blocks that are only promised have no number yet */
	before = dump_all();
	look_from(1);
	leave_root();
	look_from(0);
	image_unmount();
	image_judge();
	image_mount(true);
	after = dump_all();
	image_unmount();
	same_lines(after, before); /* cuts them up */
	free(before);
	free(after);
}

static uint64_t number_in(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run_seeds(const char *options, const char *size, unsigned int count) MAY_YIELD
{
	uint64_t first = number_in("EXT4_SEED", 1);
	uint64_t last = number_in("EXT4_SEED", number_in("EXT4_SEEDS", count));

	verbose = getenv("EXT4_SEED") != NULL;
	for (uint64_t number = first; number <= last; number++) {
		fprintf(stderr, "# seed %llu\n", (unsigned long long)number);
		run_seed(number, options, size);
	}
}

EXT4_TEST(answers_are_those_of_memory_in_blocks_of_1024)
{
	run_seeds("-b 1024", "32M", 4);
}

EXT4_TEST(answers_are_those_of_memory_in_blocks_of_4096)
{
	run_seeds("-b 4096", "64M", 4);
}

EXT4_TEST(answers_are_those_of_memory_on_a_full_disk)
{
	run_seeds("-b 1024 -O ^has_journal -m 0", "1M", 6);
}

EXT4_TEST(answers_are_those_of_memory_on_a_full_disk_with_a_journal)
{
	run_seeds("-b 1024 -J size=1 -m 0", "3M", 6);
}

EXT4_TEST(answers_are_those_of_memory_with_few_inodes)
{
	run_seeds("-b 1024 -N 32", "16M", 4);
}

static const struct test tests[] = {
	TEST_LONG(answers_are_those_of_memory_in_blocks_of_1024, 120),
	TEST_LONG(answers_are_those_of_memory_in_blocks_of_4096, 120),
	TEST_LONG(answers_are_those_of_memory_on_a_full_disk, 120),
	TEST_LONG(answers_are_those_of_memory_on_a_full_disk_with_a_journal, 120),
	TEST_LONG(answers_are_those_of_memory_with_few_inodes, 120),
};
TEST_MAIN(tests)
