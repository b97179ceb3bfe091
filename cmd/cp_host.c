/* cp_host.c - hascall cp: files of the host. */
#include "cmd/cp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int answer(int r)
{
	return r < 0 ? -errno : 0;
}

static ssize_t count(ssize_t n)
{
	return n < 0 ? -errno : n;
}

static int host_stat(const struct cp_side *s, const char *path, bool follow, struct vfs_attr *ret)
{
	struct stat st;

	(void)s;
	if (fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = (struct vfs_attr){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.rdev = st.st_rdev,
		.size = (uint64_t)st.st_size,
		.mode = st.st_mode,
		.nlink = (uint32_t)st.st_nlink,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.atime = st.st_atim,
		.mtime = st.st_mtim,
	};
	return 0;
}

int cp_names_add(struct cp_names *names, const char *name, size_t len)
{
	if (names->size + len + 1 > names->room) {
		size_t room = (names->room + len) * 2 + 4096;
		char *text = realloc(names->text, room);

		if (!text)
			return -ENOMEM;
		names->text = text;
		names->room = room;
	}
	memcpy(names->text + names->size, name, len);
	names->text[names->size + len] = '\0';
	names->size += len + 1;
	return 0;
}

static int host_list(const struct cp_side *s, const char *path, struct cp_names *names)
{
	DIR *dir = opendir(path);
	int r = 0;

	(void)s;
	if (!dir)
		return -errno;
	while (r == 0) {
		const struct dirent *e;

		errno = 0;
		e = readdir(dir);
		if (!e) {
			r = -errno;
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = cp_names_add(names, e->d_name, strlen(e->d_name));
	}
	closedir(dir);
	return r;
}

static ssize_t host_readlink(const struct cp_side *s, const char *path, char *buf, size_t size)
{
	(void)s;
	return count(readlink(path, buf, size));
}

static int host_open(const struct cp_side *s, const char *path, struct cp_file *ret)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ESTALE; /* it was another a moment ago */
	}
	*ret = (struct cp_file){ .side = s, .fd = fd };
	return 0;
}

static int host_create(const struct cp_side *s, const char *path, struct cp_file *ret)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	*ret = (struct cp_file){ .side = s, .fd = fd };
	return 0;
}

static ssize_t host_read(const struct cp_file *f, void *buf, size_t size, uint64_t offset)
{
	return count(pread(f->fd, buf, size, (off_t)offset));
}

static ssize_t host_write(const struct cp_file *f, const void *buf, size_t size, uint64_t offset)
{
	return count(pwrite(f->fd, buf, size, (off_t)offset));
}

static int host_data(const struct cp_file *f, uint64_t *begin, uint64_t *ret_end)
{
	off_t at = lseek(f->fd, (off_t)*begin, SEEK_DATA), end;

	*ret_end = INT64_MAX;
	if (at < 0) /* -EINVAL: it cannot tell, so all may be data */
		return errno == EINVAL || errno == EOPNOTSUPP ? 0 : -errno;
	end = lseek(f->fd, at, SEEK_HOLE);
	*begin = (uint64_t)at;
	if (end > at)
		*ret_end = (uint64_t)end;
	return 0;
}

static int host_finish(const struct cp_file *f, uint64_t size)
{
	return answer(ftruncate(f->fd, (off_t)size));
}

static void host_close_file(struct cp_file *f)
{
	close(f->fd);
}

static int host_mkdir(const struct cp_side *s, const char *path)
{
	(void)s;
	return answer(mkdir(path, 0700));
}

static int host_symlink(const struct cp_side *s, const char *target, const char *path)
{
	(void)s;
	return answer(symlink(target, path));
}

static int host_mknod(const struct cp_side *s, const char *path, uint32_t mode, uint64_t rdev)
{
	(void)s;
	return answer(mknod(path, mode, rdev));
}

static int host_link(const struct cp_side *s, const char *from, const char *path)
{
	(void)s;
	return answer(linkat(AT_FDCWD, from, AT_FDCWD, path, 0));
}

static int host_rename(const struct cp_side *s, const char *from, const char *to)
{
	(void)s;
	return answer(rename(from, to));
}

static int host_unlink(const struct cp_side *s, const char *path)
{
	(void)s;
	return answer(unlink(path));
}

static int host_chown(const struct cp_side *s, const char *path, uint32_t uid, uint32_t gid)
{
	(void)s;
	return answer(lchown(path, uid, gid));
}

static int host_chmod(const struct cp_side *s, const char *path, uint32_t mode)
{
	(void)s;
	return answer(chmod(path, mode));
}

static int host_times(const struct cp_side *s, const char *path, const struct timespec times[2])
{
	(void)s;
	return answer(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

static ssize_t host_listxattr(const struct cp_side *s, const char *path, char *buf, size_t size)
{
	(void)s;
	return count(llistxattr(path, buf, size));
}

static ssize_t host_getxattr(const struct cp_side *s, const char *path, const char *name, void *buf,
			     size_t size)
{
	(void)s;
	return count(lgetxattr(path, name, buf, size));
}

static int host_setxattr(const struct cp_side *s, const char *path, const char *name,
			 const void *value, size_t size)
{
	(void)s;
	return answer(lsetxattr(path, name, value, size, 0));
}

const struct cp_tree cp_host = {
	.stat = host_stat,
	.list = host_list,
	.readlink = host_readlink,
	.open = host_open,
	.create = host_create,
	.read = host_read,
	.write = host_write,
	.data = host_data,
	.finish = host_finish,
	.close = host_close_file,
	.mkdir = host_mkdir,
	.symlink = host_symlink,
	.mknod = host_mknod,
	.link = host_link,
	.rename = host_rename,
	.unlink = host_unlink,
	.chown = host_chown,
	.chmod = host_chmod,
	.times = host_times,
	.listxattr = host_listxattr,
	.getxattr = host_getxattr,
	.setxattr = host_setxattr,
};
