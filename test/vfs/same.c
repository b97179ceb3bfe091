#include "test/vfs/same.h"

#include <grp.h>
#include <stdarg.h>
#include <sys/xattr.h>

#define BUF_SIZE 70000u

static int host_handles[HANDLES] = { -1, -1, -1, -1 };
static struct dentry *vfs_handles[HANDLES];
static char data[BUF_SIZE];

unsigned int identities(void)
{
	return getuid() == 0 ? 3 : 1;
}

/* What the host's kernel takes us for. Changing it is slow: only when it differs. */
static void be_on_host(unsigned int who)
{
	static unsigned int now;
	const gid_t second[1] = { 1000 };

	if (getuid() != 0 || who == now)
		return;
	now = who;
	CHECK_INT(seteuid(0), 0);
	CHECK_INT(setegid(who == 0 ? 0 : 999 + who), 0);
	CHECK_INT(setgroups(who == 2 ? 1 : 0, second), 0);
	CHECK_INT(seteuid(who == 0 ? 0 : 999 + who), 0);
}

static void be_inside(unsigned int who)
{
	if (getuid() != 0) {
		be_user(getuid(), getgid());
		return;
	}
	be_user(who == 0 ? 0 : 999 + who, who == 0 ? 0 : 999 + who);
	cred.privileged = who == 0;
	if (who == 2) {
		cred.group_count = 1;
		cred.groups[0] = 1000;
	}
}

static void tell(char *answer, const char *format, ...) PRINTF_LIKE(2, 3);
static void tell(char *answer, const char *format, ...)
{
	size_t len = strlen(answer);
	va_list args;

	va_start(args, format);
	vsnprintf(answer + len, ANSWER_SIZE - len, format, args);
	va_end(args);
}

static void tell_result(char *answer, int64_t r)
{
	/* Opening a fifo or a socket is not the vfs's to refuse. */
	if (r == -ENXIO)
		r = 0;
	if (r < 0)
		tell(answer, "%s", strerrorname_np((int)-r));
	else
		tell(answer, "%lld", (long long)r);
}

static void tell_bytes(char *answer, int64_t size)
{
	uint64_t h = 1469598103934665603u;

	tell(answer, " ");
	tell_result(answer, size);
	for (int64_t i = 0; i < size; i++)
		h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
	tell(answer, " bytes %llx", (unsigned long long)h);
}

/* Times that a test sets are long ago; all others are "now". */
static void tell_time(char *answer, int64_t seconds)
{
	if (seconds < 1000000000)
		tell(answer, " time %lld", (long long)seconds);
	else
		tell(answer, " now");
}

static void tell_attr(char *answer, const struct vfs_attr *a)
{
	tell(answer, " %o %u:%u", a->mode, a->uid, a->gid);
	if (S_ISDIR(a->mode))
		return;
	tell(answer, " links %u size %llu", a->nlink, (unsigned long long)a->size);
	if (S_ISREG(a->mode))
		tell_time(answer, a->mtime.tv_sec);
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		tell(answer, " dev %llx", (unsigned long long)a->rdev);
}

static void fill_data(const struct op *op)
{
	CHECK(op->size <= sizeof(data));
	memset(data, op->byte, op->size);
}

static int64_t neg(int64_t r)
{
	return r < 0 ? -errno : r;
}

/* ---- the host. */

static void host_stat_answer(int r, const struct stat *st, char *answer)
{
	const struct vfs_attr a = {
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.nlink = (uint32_t)st->st_nlink,
		.size = (uint64_t)st->st_size,
		.mtime = st->st_mtim,
		.rdev = st->st_rdev,
	};

	tell_result(answer, neg(r));
	if (r == 0)
		tell_attr(answer, &a);
}

static void host_read_write(int fd, const struct op *op, char *answer)
{
	struct stat st;
	int kind = op->flags & O_ACCMODE;

	CHECK_INT(fstat(fd, &st), 0);
	if ((op->flags & O_PATH) || !S_ISREG(st.st_mode))
		return;
	if (kind == O_WRONLY || kind == O_RDWR) {
		fill_data(op);
		tell(answer, " wrote ");
		tell_result(answer, neg(pwrite(fd, data, op->size, (off_t)op->offset)));
	}
	if (kind == O_RDONLY || kind == O_RDWR)
		tell_bytes(answer, neg(pread(fd, data, sizeof(data), 0)));
}

static void host_open(const struct op *op, char *answer)
{
	int fd = open(op->a, op->flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, op->mode);

	tell_result(answer, fd < 0 ? -errno : 0);
	if (fd < 0)
		return;
	host_read_write(fd, op, answer);
	if (op->kind == OP_HANDLE_OPEN) {
		if (host_handles[op->handle] >= 0)
			close(host_handles[op->handle]);
		host_handles[op->handle] = fd;
	} else {
		close(fd);
	}
}

static void host_list(const struct op *op, char *answer)
{
	int fd = open(op->a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	tell_result(answer, fd < 0 ? -errno : 0);
	if (fd >= 0)
		close(fd);
}

static void host_handle(const struct op *op, char *answer)
{
	int fd = host_handles[op->handle];
	struct stat st;
	int mode;

	if (fd < 0) {
		tell(answer, "none");
		return;
	}
	CHECK_INT(fstat(fd, &st), 0);
	mode = fcntl(fd, F_GETFL);
	if (op->kind == OP_HANDLE_STAT) {
		host_stat_answer(0, &st, answer);
	} else if (!S_ISREG(st.st_mode) || (mode & O_PATH)) {
		tell(answer, "other");
	} else if (op->kind == OP_HANDLE_READ) {
		if ((mode & O_ACCMODE) != O_WRONLY)
			tell_bytes(answer, neg(pread(fd, data, sizeof(data), 0)));
	} else if ((mode & O_ACCMODE) == O_RDONLY) {
		tell(answer, "read-only");
	} else if (op->kind == OP_HANDLE_WRITE) {
		fill_data(op);
		tell_result(answer, neg(pwrite(fd, data, op->size, (off_t)op->offset)));
	} else if (op->kind == OP_HANDLE_TRUNCATE) {
		tell_result(answer, neg(ftruncate(fd, (off_t)op->offset)));
	} else {
		tell_result(answer,
			    neg(fallocate(fd, op->flags, (off_t)op->offset, (off_t)op->size)));
	}
}

static void host_xattr(const struct op *op, char *answer)
{
	tell_result(answer, neg(op->size % 3 == 0 ? removexattr(op->a, "user.test")
						  : setxattr(op->a, "user.test", op->b,
							     strlen(op->b), op->flags)));
	tell(answer, " ");
	tell_result(answer, neg(getxattr(op->a, "user.test", data, sizeof(data))));
}

static void host_do_more(const struct op *op, char *answer)
{
	const struct timespec times[2] = { { .tv_nsec = (long)op->size },
					   { .tv_sec = (time_t)op->offset, .tv_nsec = op->flags } };
	struct stat st;
	int64_t r = 0;

	switch ((unsigned int)op->kind) {
	case OP_STAT:
		r = fstatat(AT_FDCWD, op->a, &st, op->flags ? AT_SYMLINK_NOFOLLOW : 0);
		host_stat_answer((int)r, &st, answer);
		return;
	case OP_READLINK:
		r = neg(readlink(op->a, data, sizeof(data)));
		tell_bytes(answer, r);
		return;
	case OP_CHMOD:
		r = chmod(op->a, op->mode);
		break;
	case OP_CHOWN:
		r = lchown(op->a, op->uid, op->gid);
		break;
	case OP_UTIMENS:
		r = utimensat(AT_FDCWD, op->a, times, 0);
		break;
	case OP_TRUNCATE:
		r = truncate(op->a, (off_t)op->offset);
		break;
	case OP_ACCESS:
		r = faccessat(AT_FDCWD, op->a, (int)op->mode & 7, AT_EACCESS);
		break;
	case OP_LIST:
		host_list(op, answer);
		return;
	case OP_XATTR:
		host_xattr(op, answer);
		return;
	default:
		host_handle(op, answer);
		return;
	}
	tell_result(answer, neg(r));
}

void host_do(const struct op *op, char *answer)
{
	int r = 0;

	answer[0] = '\0';
	be_on_host(op->who);
	errno = 0;
	switch ((unsigned int)op->kind) {
	case OP_OPEN:
	case OP_HANDLE_OPEN:
		host_open(op, answer);
		return;
	case OP_MKDIR:
		r = mkdir(op->a, op->mode);
		break;
	case OP_RMDIR:
		r = rmdir(op->a);
		break;
	case OP_UNLINK:
		r = unlink(op->a);
		break;
	case OP_RENAME:
		r = renameat2(AT_FDCWD, op->a, AT_FDCWD, op->b, (unsigned int)op->flags);
		break;
	case OP_LINK:
		r = linkat(AT_FDCWD, op->a, AT_FDCWD, op->b, 0);
		break;
	case OP_SYMLINK:
		r = symlink(op->a, op->b);
		break;
	case OP_MKNOD:
		r = mknod(op->a, op->mode, op->size);
		break;
	default:
		host_do_more(op, answer);
		return;
	}
	tell_result(answer, neg(r));
}

/* ---- the vfs. */

static void vfs_read_write(struct dentry *d, const struct op *op, char *answer) MAY_YIELD
{
	struct inode *inode = dentry_inode(d);
	int kind = op->flags & O_ACCMODE;

	if ((op->flags & O_PATH) || !S_ISREG(inode->type))
		return;
	if (kind == O_WRONLY || kind == O_RDWR) {
		fill_data(op);
		tell(answer, " wrote ");
		CHECK_INT(op->size ? vfs_remove_privs(&cred, inode) : 0, 0);
		tell_result(answer, vfs_write(inode, data, op->size, op->offset));
	}
	if (kind == O_RDONLY || kind == O_RDWR)
		tell_bytes(answer, vfs_read(inode, data, sizeof(data), 0));
}

static int handle_flags[HANDLES];

static void vfs_open_op(const struct op *op, char *answer) MAY_YIELD
{
	struct dentry *d;
	int r = do_open(op->a, op->flags, op->mode, &d);

	tell_result(answer, r);
	/* What file_open() refuses; the host's side answered 0 as well, and opened nothing. */
	if (r < 0)
		return;
	if (!(op->flags & O_PATH) &&
	    (S_ISSOCK(dentry_inode(d)->type) ||
	     (S_ISFIFO(dentry_inode(d)->type) && (op->flags & O_ACCMODE) == O_WRONLY))) {
		dentry_put(d);
		return;
	}
	vfs_read_write(d, op, answer);
	if (op->kind == OP_HANDLE_OPEN) {
		dentry_put(vfs_handles[op->handle]);
		vfs_handles[op->handle] = d;
		handle_flags[op->handle] = op->flags;
	} else {
		dentry_put(d);
	}
}

static void vfs_stat_answer(int r, const struct vfs_attr *a, char *answer)
{
	tell_result(answer, r);
	if (r == 0)
		tell_attr(answer, a);
}

static void vfs_handle(const struct op *op, char *answer) MAY_YIELD
{
	struct dentry *d = vfs_handles[op->handle];
	int mode = handle_flags[op->handle];
	struct vfs_attr a;

	if (!d) {
		tell(answer, "none");
		return;
	}
	CHECK_INT(vfs_getattr(dentry_inode(d), &a), 0);
	if (op->kind == OP_HANDLE_STAT) {
		vfs_stat_answer(0, &a, answer);
	} else if (!S_ISREG(a.mode) || (mode & O_PATH)) {
		tell(answer, "other");
	} else if (op->kind == OP_HANDLE_READ) {
		if ((mode & O_ACCMODE) != O_WRONLY)
			tell_bytes(answer, vfs_read(dentry_inode(d), data, sizeof(data), 0));
	} else if ((mode & O_ACCMODE) == O_RDONLY) {
		tell(answer, "read-only");
	} else if (op->kind == OP_HANDLE_WRITE) {
		fill_data(op);
		CHECK_INT(op->size ? vfs_remove_privs(&cred, dentry_inode(d)) : 0, 0);
		tell_result(answer, vfs_write(dentry_inode(d), data, op->size, op->offset));
	} else if (op->kind == OP_HANDLE_TRUNCATE) {
		tell_result(answer, vfs_truncate(&cred, dentry_inode(d), op->offset, true));
	} else {
		int r = vfs_fallocate(dentry_inode(d), op->flags, op->offset, op->size);

		if (r == 0)
			CHECK_INT(vfs_remove_privs(&cred, dentry_inode(d)), 0);
		tell_result(answer, r);
	}
}

static int found(const char *path, unsigned int flags, struct dentry **ret) MAY_YIELD
{
	return vfs_walk(&view, NULL, path, flags, ret);
}

static void vfs_xattr(const struct op *op, char *answer) MAY_YIELD
{
	const struct vfs_bytes value = { op->b, strlen(op->b) };
	struct dentry *d;
	int64_t r = found(op->a, VFS_FOLLOW, &d);

	if (r < 0) {
		tell_result(answer, r);
		tell(answer, " ");
		tell_result(answer, r);
		return;
	}
	if (op->size % 3 == 0)
		r = vfs_removexattr(&cred, dentry_inode(d), "user.test");
	else
		r = vfs_setxattr(&cred, dentry_inode(d), "user.test", &value, op->flags);
	tell_result(answer, r);
	tell(answer, " ");
	tell_result(answer, vfs_getxattr(&cred, dentry_inode(d), "user.test", data, sizeof(data)));
	dentry_put(d);
}

static int64_t vfs_attr_op(const struct op *op, struct inode *inode) MAY_YIELD
{
	const struct timespec times[2] = { { .tv_nsec = (long)op->size },
					   { .tv_sec = (time_t)op->offset, .tv_nsec = op->flags } };

	switch ((unsigned int)op->kind) {
	case OP_CHMOD:
		return vfs_chmod(&cred, inode, op->mode);
	case OP_CHOWN:
		return vfs_chown(&cred, inode, op->uid, op->gid);
	case OP_UTIMENS:
		return vfs_utimens(&cred, inode, times);
	case OP_TRUNCATE:
		return vfs_truncate(&cred, inode, op->offset, false);
	default:
		return vfs_permission(&cred, inode, op->mode & 7);
	}
}

static void vfs_do_more(const struct op *op, char *answer) MAY_YIELD
{
	bool no_follow = op->kind == OP_CHOWN || op->kind == OP_READLINK ||
			 (op->kind == OP_STAT && op->flags);
	struct vfs_attr a;
	struct dentry *d;
	int64_t r;

	if (op->kind == OP_XATTR) {
		vfs_xattr(op, answer);
		return;
	}
	if (op->kind == OP_LIST) {
		r = do_open(op->a, O_RDONLY | O_DIRECTORY, 0, &d);
		tell_result(answer, r);
		if (r == 0)
			dentry_put(d);
		return;
	}
	if (op->kind >= OP_HANDLE_OPEN) {
		vfs_handle(op, answer);
		return;
	}
	r = found(op->a, no_follow ? 0 : VFS_FOLLOW, &d);
	if (r < 0) {
		if (op->kind == OP_READLINK)
			tell_bytes(answer, r);
		else
			tell_result(answer, r);
		return;
	}
	if (op->kind == OP_STAT) {
		r = vfs_getattr(dentry_inode(d), &a);
		vfs_stat_answer((int)r, &a, answer);
	} else if (op->kind == OP_READLINK) {
		tell_bytes(answer, vfs_readlink(dentry_inode(d), data, sizeof(data)));
	} else {
		tell_result(answer, vfs_attr_op(op, dentry_inode(d)));
	}
	dentry_put(d);
}

void vfs_do(const struct op *op, char *answer)
{
	int r = 0;

	answer[0] = '\0';
	be_on_host(0); /* the lower is read as the manager */
	be_inside(op->who);
	switch ((unsigned int)op->kind) {
	case OP_OPEN:
	case OP_HANDLE_OPEN:
		vfs_open_op(op, answer);
		return;
	case OP_MKDIR:
		r = vfs_mkdir(&view, NULL, op->a, op->mode);
		break;
	case OP_RMDIR:
		r = do_rmdir(op->a);
		break;
	case OP_UNLINK:
		r = do_unlink(op->a);
		break;
	case OP_RENAME:
		r = do_rename(op->a, op->b, (unsigned int)op->flags);
		break;
	case OP_LINK:
		r = do_link(op->a, op->b);
		break;
	case OP_SYMLINK:
		r = do_symlink(op->a, op->b);
		break;
	case OP_MKNOD:
		r = vfs_mknod(&view, NULL, op->a, op->mode, op->size);
		break;
	default:
		vfs_do_more(op, answer);
		return;
	}
	tell_result(answer, r);
}

void ops_end(void)
{
	be_on_host(0);
	for (unsigned int i = 0; i < HANDLES; i++) {
		if (host_handles[i] >= 0)
			close(host_handles[i]);
		host_handles[i] = -1;
		dentry_put(vfs_handles[i]);
		vfs_handles[i] = NULL;
	}
}

void op_tell(const struct op *op, char *text, size_t size)
{
	static const char *const names[OP_KINDS] = {
		"open",	       "mkdir",		  "rmdir",
		"unlink",      "rename",	  "link",
		"symlink",     "mknod",		  "stat",
		"readlink",    "chmod",		  "chown",
		"utimens",     "truncate",	  "access",
		"list",	       "xattr",		  "handle_open",
		"handle_read", "handle_write",	  "handle_truncate",
		"handle_stat", "handle_allocate",
	};

	snprintf(text, size,
		 "%s(\"%s\", \"%s\", flags %o, mode %o, %d:%d, at %llu, %llu) by %u on %u",
		 names[op->kind], op->a, op->b, (unsigned int)op->flags, op->mode, (int)op->uid,
		 (int)op->gid, (unsigned long long)op->offset, (unsigned long long)op->size,
		 op->who, op->handle);
}
