#include "test/vfs/vfs_test.h"

#include "device/host.h"
#include "task/sched.h"

#include <dirent.h>
#include <ftw.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#define TEXT_SIZE 65536u

struct vfs view;
struct vfs_cred cred;

/* ---- the scheduler, with an idle hook that sleeps until a host call is back. */

static uint32_t bell, heard;

static void ring(void *ctx)
{
	(void)ctx;
	__atomic_fetch_add(&bell, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool poll_device(void *ctx)
{
	(void)ctx;
	heard = __atomic_load_n(&bell, __ATOMIC_ACQUIRE);
	return host_poll();
}

static void idle(void *ctx, uint64_t deadline_ns)
{
	const struct timespec second = { .tv_sec = 1 };

	(void)ctx;
	(void)deadline_ns;
	syscall(SYS_futex, &bell, FUTEX_WAIT_PRIVATE, heard, &second, NULL, 0);
}

void leave_root(void)
{
	dentry_put(view.root);
	dentry_put(view.cwd);
	view.root = NULL;
	view.cwd = NULL;
}

void drop_root(void)
{
	leave_root();
	vfs_fini();
}

static void body(void *arg)
{
	void (*fn)(void);

	memcpy(&fn, arg, sizeof(fn));
	be_root();
	fn();
	drop_root();
	sched_stop();
}

void run_in_task(void (*fn)(void))
{
	const struct sched_hooks hooks = { .poll = poll_device, .idle = idle };
	const struct host_options options = { .notify = ring };
	const struct vfs_protect none = { 0, 1, 0, 0 };
	struct task *t;

	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = false }, &hooks), 0);
	CHECK_INT(host_init(&options), 0);
	vfs_set_protect(&none);
	CHECK_INT(task_start(&t, "test", body, &fn), 0);
	sched_run();
	CHECK_INT(sched_run_until_idle(), 0);
	host_fini();
	sched_fini();
}

/* ---- views. */

void be_user(uint32_t uid, uint32_t gid)
{
	cred = (struct vfs_cred){ .uid = uid,
				  .euid = uid,
				  .suid = uid,
				  .fsuid = uid,
				  .gid = gid,
				  .egid = gid,
				  .sgid = gid,
				  .fsgid = gid };
}

void be_root(void)
{
	be_user(0, 0);
	cred.privileged = true;
}

void use_root(struct inode *root)
{
	CHECK(!view.root);
	CHECK_INT(vfs_root(root, "test", &view.root), 0);
	view.cwd = dentry_get(view.root);
	view.cred = &cred;
	view.umask = 022;
	view.pid = 1;
}

void use_mem(uint64_t limit_bytes)
{
	struct inode *root;

	CHECK_INT(mem_fs_new("tmpfs", limit_bytes, 0755, &root), 0);
	use_root(root);
}

void make_upper(uint64_t limit_bytes, bool always, struct inode **ret_upper,
		struct inode **ret_work)
{
	const struct vfs_attr attr = { .mode = S_IFDIR | 0755 };
	struct inode *root;

	*ret_work = NULL;
	CHECK_INT(mem_fs_new("tmpfs", limit_bytes, 0755, &root), 0);
	if (!always && !getenv("VFS_WORK")) {
		*ret_upper = root;
		return;
	}
	CHECK_INT(root->ops->create(root, "upper", 5, &attr, ret_upper), 0);
	CHECK_INT(root->ops->create(root, "work", 4, &attr, ret_work), 0);
	inode_put(root);
}

void use_overlay(const char *folder)
{
	struct inode *lower = NULL, *upper, *work, *root;
	int fd;

	if (folder) {
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(fd >= 0);
		CHECK_INT(host_fs_new(fd, &lower), 0);
	}
	make_upper(0, false, &upper, &work);
	CHECK_INT(overlay_fs_new(lower, upper, work, &root), 0);
	use_root(root);
}

int do_open(const char *path, int flags, uint32_t mode, struct dentry **ret)
{
	struct vfs_open how = { flags, mode };

	return vfs_open(&view, NULL, path, &how, ret);
}

int do_create(const char *path, uint32_t mode)
{
	struct dentry *d;
	int r = do_open(path, O_CREAT | O_EXCL | O_WRONLY, mode, &d);

	if (r == 0)
		dentry_put(d);
	return r;
}

int do_mkdir(const char *path)
{
	return vfs_mkdir(&view, NULL, path, 0755);
}

static int get_attr(const char *path, unsigned int flags, struct vfs_attr *ret) MAY_YIELD
{
	struct dentry *d;
	int r = vfs_walk(&view, NULL, path, flags, &d);

	if (r < 0)
		return r;
	r = vfs_getattr(dentry_inode(d), ret);
	dentry_put(d);
	return r;
}

int do_stat(const char *path, struct vfs_attr *ret)
{
	return get_attr(path, VFS_FOLLOW, ret);
}

int do_lstat(const char *path, struct vfs_attr *ret)
{
	return get_attr(path, 0, ret);
}

int do_symlink(const char *target, const char *path)
{
	return vfs_symlink(&view, target, NULL, path);
}

int do_link(const char *from, const char *path)
{
	struct dentry *d;
	int r = vfs_walk(&view, NULL, from, 0, &d);

	if (r < 0)
		return r;
	r = vfs_link(&view, d, NULL, path);
	dentry_put(d);
	return r;
}

int do_unlink(const char *path)
{
	return vfs_unlink(&view, NULL, path);
}

int do_rmdir(const char *path)
{
	return vfs_rmdir(&view, NULL, path);
}

int do_rename(const char *from, const char *to, unsigned int flags)
{
	return vfs_rename(&view, NULL, from, NULL, to, flags);
}

int do_chmod(const char *path, uint32_t mode)
{
	struct dentry *d;
	int r = vfs_walk(&view, NULL, path, VFS_FOLLOW, &d);

	if (r < 0)
		return r;
	r = vfs_chmod(&cred, dentry_inode(d), mode);
	dentry_put(d);
	return r;
}

int do_chown(const char *path, uint32_t uid, uint32_t gid)
{
	struct dentry *d;
	int r = vfs_walk(&view, NULL, path, 0, &d);

	if (r < 0)
		return r;
	r = vfs_chown(&cred, dentry_inode(d), uid, gid);
	dentry_put(d);
	return r;
}

int do_truncate(const char *path, uint64_t size)
{
	struct dentry *d;
	int r = vfs_walk(&view, NULL, path, VFS_FOLLOW, &d);

	if (r < 0)
		return r;
	r = vfs_truncate(&cred, dentry_inode(d), size, false);
	dentry_put(d);
	return r;
}

ssize_t do_write(const char *path, const char *text, uint64_t offset)
{
	struct dentry *d;
	ssize_t r = do_open(path, O_WRONLY, 0, &d);

	if (r < 0)
		return r;
	r = vfs_write(dentry_inode(d), text, strlen(text), offset);
	dentry_put(d);
	return r;
}

const char *text_of(const char *path)
{
	static char text[TEXT_SIZE];
	struct dentry *d;
	ssize_t r;

	CHECK_INT(do_open(path, O_RDONLY, 0, &d), 0);
	r = vfs_read(dentry_inode(d), text, sizeof(text) - 1, 0);
	CHECK(r >= 0);
	text[r] = '\0';
	dentry_put(d);
	return text;
}

/* ---- listings. */

struct listing {
	char *names[4096];
	size_t count;
	unsigned int left; /* of this readdir call */
};

static int take_name(void *ctx, const struct vfs_dirent *entry)
{
	struct listing *l = ctx;

	if (l->left == 0)
		return 1;
	l->left--;
	CHECK(l->count < ARRAY_COUNT(l->names));
	l->names[l->count] = strndup(entry->name, entry->name_len);
	CHECK(l->names[l->count] != NULL);
	l->count++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *names_of(const char *path, unsigned int at_once)
{
	static char text[TEXT_SIZE];
	struct listing *l = calloc(1, sizeof(*l));
	uint64_t cursor = 0;
	struct dentry *d;
	size_t before, len = 0;

	CHECK(l != NULL);
	CHECK_INT(vfs_walk(&view, NULL, path, VFS_FOLLOW, &d), 0);
	do {
		before = l->count;
		l->left = at_once;
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, take_name, l), 0);
	} while (l->count > before);
	dentry_put(d);
	qsort(l->names, l->count, sizeof(l->names[0]), compare);
	text[0] = '\0';
	for (size_t i = 0; i < l->count; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", l->names[i]);
		CHECK(len < sizeof(text));
		free(l->names[i]);
	}
	free(l);
	return text;
}

const char *path_of(struct dentry *d)
{
	static char text[VFS_PATH_MAX];

	CHECK(dentry_path(&view, d, text, sizeof(text)) > 0);
	return text;
}

struct inode *inode_at(const char *path)
{
	struct inode *inode;
	struct dentry *d;

	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	inode = inode_get(dentry_inode(d));
	dentry_put(d);
	return inode;
}

uint64_t ino_of(const char *path)
{
	struct vfs_attr attr;

	CHECK_INT(do_lstat(path, &attr), 0);
	return attr.ino;
}

/* ---- the host's side. */

static char folder[64];
static pid_t folder_owner;

static void remove_folder(void)
{
	char command[160];

	if (getpid() != folder_owner)
		return;
	snprintf(command, sizeof(command), "chmod -Rf u+rwX %s; rm -rf %s", folder, folder);
	if (system(command) != 0)
		fprintf(stderr, "# %s is left\n", folder);
}

const char *host_folder(void)
{
	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/hascall-vfs-XXXXXX");
		CHECK(mkdtemp(folder) != NULL);
		folder_owner = getpid();
		atexit(remove_folder);
	}
	return folder;
}

static const char *in_folder(const char *name)
{
	static char path[8192];

	snprintf(path, sizeof(path), "%s/%s", host_folder(), name);
	return path;
}

void host_mkdir(const char *name)
{
	CHECK_INT(mkdir(in_folder(name), 0755), 0);
}

void host_file(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "we");

	CHECK(f != NULL);
	CHECK(fputs(text, f) >= 0);
	CHECK_INT(fclose(f), 0);
}

static uint64_t hash;

static void mix(const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
}

static int hash_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	static char buf[4096];
	ssize_t got = 0;
	int fd;

	(void)kind;
	(void)where;
	mix(path, strlen(path));
	mix(&st->st_mode, sizeof(st->st_mode));
	mix(&st->st_nlink, sizeof(st->st_nlink));
	mix(&st->st_uid, sizeof(st->st_uid));
	mix(&st->st_size, sizeof(st->st_size));
	mix(&st->st_mtim, sizeof(st->st_mtim));
	mix(&st->st_ctim, sizeof(st->st_ctim));
	if (S_ISLNK(st->st_mode)) {
		got = readlink(path, buf, sizeof(buf));
		CHECK(got >= 0);
		mix(buf, (size_t)got);
	}
	if (!S_ISREG(st->st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	while ((got = read(fd, buf, sizeof(buf))) > 0)
		mix(buf, (size_t)got);
	close(fd);
	return 0;
}

uint64_t host_hash(const char *path)
{
	hash = 0xcbf29ce484222325u;
	CHECK_INT(nftw(path, hash_one, 16, FTW_PHYS), 0);
	return hash;
}
