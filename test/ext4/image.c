#include "test/ext4/image.h"

#include "task/sched.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/wait.h>

#define CACHE_SIZE (UINT64_C(32) << 20)
#define CHUNK (1u << 20)

struct ext4 *image;
struct ext4_report image_report;
struct disk *image_disk;
struct test_disk *image_store;
struct test_disk_options image_options;

/* ---- a task with all that ext4 stands on. */

static uint64_t cache_size;

static void body(void *arg)
{
	void (*fn)(void);

	memcpy(&fn, arg, sizeof(fn));
	be_root();
	CHECK_INT(cache_init(cache_size), 0);
	fn();
	drop_root();
	CHECK(!image && !image_disk);
	cache_fini();
	sched_stop();
}

static bool poll_nothing(void *ctx)
{
	(void)ctx;
	return false;
}

static void idle(void *ctx, uint64_t deadline_ns)
{
	(void)ctx;
	(void)deadline_ns;
}

void ext4_run(void (*fn)(void))
{
	ext4_run_with(fn, 0, CACHE_SIZE);
}

void ext4_run_with(void (*fn)(void), uint64_t order, uint64_t cache_bytes)
{
	const struct sched_hooks hooks = { .poll = poll_nothing, .idle = idle };
	const struct sched_options options = {
		.virtual_clock = true,
		.seeded = order != 0,
		.seed = order,
	};
	const struct vfs_protect none = { 0, 1, 0, 0 };
	struct task *t;

	cache_size = cache_bytes;
	CHECK_INT(sched_init(&options, &hooks), 0);
	vfs_set_protect(&none);
	CHECK_INT(task_start(&t, "test", body, &fn), 0);
	sched_run();
	CHECK_INT(sched_run_until_idle(), 0);
	sched_fini();
}

/* ---- files of the host. */

const char *image_path(const char *name)
{
	static char path[VFS_PATH_MAX];

	(void)!snprintf(path, sizeof(path), "%s/%s", host_folder(), name);
	return path;
}

/* On the heap: the stack of a task is small. */
static char *text(const char *format, ...) PRINTF_LIKE(1, 2);
static char *text(const char *format, ...)
{
	va_list args;
	char *made;

	va_start(args, format);
	CHECK(vasprintf(&made, format, args) >= 0);
	va_end(args);
	return made;
}

static FILE *start(const char *format, va_list args) PRINTF_LIKE(1, 0);
static FILE *start(const char *format, va_list args)
{
	char *what, *command;
	FILE *f;

	CHECK(vasprintf(&what, format, args) >= 0);
	command = text("cd %s && export PATH=$PATH:/usr/sbin:/sbin && %s", host_folder(), what);
	fflush(stdout);
	f = popen(command, "re");
	CHECK(f != NULL);
	free(command);
	free(what);
	return f;
}

static char said[65536];

static int finish(FILE *f)
{
	size_t got = fread(said, 1, sizeof(said) - 1, f);

	said[got] = '\0';
	while (fgetc(f) != EOF)
		;
	return pclose(f);
}

void image_tool(const char *format, ...)
{
	va_list args;
	int status;

	va_start(args, format);
	status = finish(start(format, args));
	va_end(args);
	if (status != 0)
		test_fail(__FILE__, __LINE__, "status %d of %s: %s", status, format, said);
}

const char *image_ask(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)finish(start(format, args));
	va_end(args);
	return said;
}

void image_make(const char *options, const char *size, const char *source)
{
	/* Made as by any mke2fs, whatever the machine's configuration says. */
	image_tool("rm -f image; mke2fs -q -F %s -E lazy_itable_init=0,lazy_journal_init=0 "
		   "%s %s %s image %s 2>&1",
		   strstr(options, "-t ") ? "" : "-t ext4", options, source ? "-d" : "",
		   source ? source : "", size);
}

void image_judge(void)
{
	image_tool("e2fsck -fn image 2>&1");
}

/* ---- mounting. */

static void open_disk(void)
{
	struct stat st;

	CHECK_INT(stat(image_path("image"), &st), 0);
	image_options.size = (uint64_t)st.st_size / DISK_SECTOR * DISK_SECTOR;
	image_disk = test_disk_open(&image_options, &image_store);
	test_disk_load(image_store, image_path("image"));
}

static void close_disk(void)
{
	disk_close(image_disk);
	test_disk_free(image_store);
	image_disk = NULL;
	image_store = NULL;
}

int image_try_mount(bool read_only)
{
	const struct ext4_mount_options options = { .read_only = read_only };
	int r;

	CHECK(!image && !image_disk);
	open_disk();
	r = ext4_mount(image_disk, &options, &image, &image_report);
	if (r < 0)
		close_disk();
	return r;
}

void image_mount(bool read_only)
{
	struct inode *root;
	int r = image_try_mount(read_only);

	if (r < 0 || image_report.read_only != read_only)
		test_fail(__FILE__, __LINE__, "mount: %s, %s", strerror(-r), image_report.text);
	CHECK_INT(ext4_root(image, &root), 0);
	use_root(root);
}

int image_try_unmount(void)
{
	int r;

	drop_root();
	r = ext4_unmount(image);
	image = NULL;
	test_disk_save(image_store, image_path("image"));
	close_disk();
	return r;
}

void image_unmount(void)
{
	CHECK_INT(image_try_unmount(), 0);
}

/* ---- comparing. */

static void compare_file(const char *host, const char *path, uint64_t size) MAY_YIELD
{
	static char ours[CHUNK], theirs[CHUNK];
	FILE *f = fopen(host, "re");
	struct dentry *d;
	uint64_t at = 0;

	CHECK(f != NULL);
	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	while (at < size) {
		size_t wanted = fread(theirs, 1, sizeof(theirs), f);
		ssize_t got = vfs_read(dentry_inode(d), ours, sizeof(ours), at);

		if (got != (ssize_t)wanted || memcmp(ours, theirs, wanted) != 0)
			test_fail(__FILE__, __LINE__, "%s: other bytes (%zd)", path, got);
		CHECK(wanted > 0);
		at += wanted;
	}
	fclose(f);
	dentry_put(d);
}

static void compare_link(const char *host, const char *path) MAY_YIELD
{
	static char ours[VFS_PATH_MAX], theirs[VFS_PATH_MAX];
	ssize_t wanted = readlink(host, theirs, sizeof(theirs));
	struct dentry *d;
	int got;

	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	got = vfs_readlink(dentry_inode(d), ours, sizeof(ours));
	CHECK_INT(got, wanted);
	CHECK(memcmp(ours, theirs, (size_t)wanted) == 0);
	dentry_put(d);
}

/* debugfs made the host's side: it knows files, directories and links, and their mode. */
static bool dumped;

struct seen {
	unsigned int count, unknown;
	const char *host;
};

static bool is_dumped(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode);
}

static int see(void *ctx, const struct vfs_dirent *entry)
{
	struct seen *seen = ctx;
	struct stat st;
	char *path;

	if (entry->name_len == 10 && memcmp(entry->name, "lost+found", 10) == 0)
		return 0;
	if (dumped && entry->type && !is_dumped(entry->type << 12))
		return 0;
	path = text("%s/%.*s", seen->host, (int)entry->name_len, entry->name);
	if (lstat(path, &st) == 0) {
		seen->count++;
		seen->unknown += entry->type && entry->type != st.st_mode >> 12;
	} else if (entry->type || !dumped) { /* else what it is was not in the directory */
		seen->unknown++;
	}
	free(path);
	return 0;
}

static void compare_dir(const char *host, const char *path) MAY_YIELD;

static void compare_one(const char *host, const char *path) MAY_YIELD
{
	struct vfs_attr attr;
	struct stat st;
	int r = do_lstat(path, &attr);

	CHECK_INT(lstat(host, &st), 0);
	if (r < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(-r));
	if (dumped) {
		const uint32_t kept = S_IFMT | 0777;

		CHECK_INT(attr.mode & kept, st.st_mode & kept);
	} else {
		CHECK_INT(attr.mode, st.st_mode);
		CHECK_INT(attr.uid, st.st_uid);
		CHECK_INT(attr.gid, st.st_gid);
		if (!S_ISDIR(st.st_mode))
			CHECK_INT(attr.nlink, st.st_nlink);
	}
	/* mke2fs writes 32 bits of it, debugfs reads them. */
	if (!S_ISLNK(st.st_mode))
		CHECK_INT((int32_t)attr.mtime.tv_sec, (int32_t)st.st_mtim.tv_sec);
	if (S_ISDIR(st.st_mode)) {
		compare_dir(host, path);
		return;
	}
	CHECK_INT(attr.rdev, st.st_rdev);
	if (S_ISLNK(st.st_mode) || S_ISREG(st.st_mode))
		CHECK_INT(attr.size, st.st_size);
	if (S_ISREG(st.st_mode))
		compare_file(host, path, (uint64_t)st.st_size);
	if (S_ISLNK(st.st_mode))
		compare_link(host, path);
}

static void compare_dir(const char *host, const char *path)
{
	struct seen seen = { .host = host };
	unsigned int count = 0;
	struct dirent *entry;
	uint64_t cursor = 0;
	struct dentry *d;
	DIR *dir = opendir(host);

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		char *below_host, *below;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    strcmp(entry->d_name, "lost+found") == 0)
			continue;
		below_host = text("%s/%s", host, entry->d_name);
		below = text("%s/%s", path, entry->d_name);
		compare_one(below_host, below);
		free(below_host);
		free(below);
		count++;
	}
	closedir(dir);
	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, see, &seen), 0);
	CHECK_INT(seen.count, count);
	CHECK_INT(seen.unknown, 0);
	dentry_put(d);
}

void image_compare(const char *name)
{
	char *path = text("%s", image_path(name));

	compare_dir(path, "/");
	free(path);
}

void image_compare_dump(void)
{
	image_tool("rm -rf dump; mkdir dump && debugfs -R 'rdump / dump' image 2>&1");
	dumped = true;
	image_compare("dump");
	dumped = false;
}

/* ---- a sample. */

uint32_t image_random(uint64_t *seed, uint32_t below)
{
	/* xorshift64* (Vigna 2014). */
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t)((*seed * 0x2545f4914f6cdd1du) >> 32) % below;
}

static void sample_bytes(const char *name, uint64_t *seed, size_t size)
{
	FILE *f = fopen(image_path(name), "we");

	CHECK(f != NULL);
	for (size_t i = 0; i < size; i += 4) {
		uint32_t word = image_random(seed, UINT32_MAX);

		CHECK_INT(fwrite(&word, 1, size - i < 4 ? size - i : 4, f),
			  size - i < 4 ? size - i : 4);
	}
	CHECK_INT(fclose(f), 0);
}

void image_sample(const char *name, unsigned int seed_number)
{
	uint64_t seed = seed_number * 2654435761u + 1;
	char path[512];

	image_tool(
		"mkdir %s && cd %s && mkdir empty deep many long && "
		"ln -s short link && ln -s $(printf %%200s | tr ' ' x) long_link && "
		"ln -s $(printf %%59s | tr ' ' y) full_link && "
		"ln -s $(printf %%60s | tr ' ' z) fuller_link && "
		"mkfifo pipe && echo hello > file && ln file other && "
		"truncate -s 3M sparse && printf end >> sparse && "
		"dd if=/dev/urandom of=sparse bs=1k seek=1000 count=3 conv=notrunc 2>&1 && "
		": > nothing && chmod 4711 file && chmod 1777 empty && "
		"cd deep && for i in 1 2 3 4 5 6 7 8 9; do mkdir $i && cd $i && echo $i > f; done",
		name, name);
	if (geteuid() == 0)
		image_tool("cd %s && mknod small c 5 7 && mknod large b 259 70000 && "
			   "chown 70000:80000 pipe",
			   name);
	image_tool("cd %s/many && for i in $(seq 700); do echo $i > name_number_$i; done", name);
	image_tool(
		"cd %s/long && for i in $(seq 10 40); do : > $(printf %%253s | tr ' ' l)$i; done; "
		": > häuser; : > 'with space'; : > ...",
		name);
	for (unsigned int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "%s/data_%u", name, i);
		sample_bytes(path, &seed, image_random(&seed, 300000));
	}
	image_tool("touch -h -d '2040-05-06 07:08:09.123456789' %s/link %s/file; "
		   "touch -d '1960-01-02 03:04:05' %s/nothing",
		   name, name, name);
}
