#include "device/disk_claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_DEVICES "/sys/block"

/* The first line of a file, without its end. False if there is none. */
static bool read_line(const char *path, char *ret_line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, ret_line, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	ret_line[n] = '\0';
	ret_line[strcspn(ret_line, "\n")] = '\0';
	return true;
}

static bool is_behind(const char *loop, const struct stat *file, bool shared)
{
	char path[sizeof(BLOCK_DEVICES) + NAME_MAX + sizeof("/loop/backing_file")];
	static char line[PATH_MAX]; /* too long for a stack of a task */
	struct stat backing;

	snprintf(path, sizeof(path), BLOCK_DEVICES "/%s/loop/backing_file", loop);
	if (!read_line(path, line, sizeof(line)) || stat(line, &backing) < 0)
		return false;
	if (backing.st_dev != file->st_dev || backing.st_ino != file->st_ino)
		return false;
	snprintf(path, sizeof(path), BLOCK_DEVICES "/%s/ro", loop);
	return !shared || !read_line(path, line, sizeof(line)) || strcmp(line, "1") != 0;
}

/* A loop device that cannot change it does no harm to those who only read. */
static bool is_behind_any_loop(const struct stat *file, bool shared)
{
	DIR *dir = opendir(BLOCK_DEVICES);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = !strncmp(entry->d_name, "loop", 4) &&
			is_behind(entry->d_name, file, shared);
	closedir(dir);
	return found;
}

/* The host refuses O_EXCL while a block device is mounted, or another has it so. */
int disk_keep_from_mount(int fd, int *ret_fd)
{
	char path[32];
	int exclusive;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	exclusive = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (exclusive < 0)
		return -errno;
	*ret_fd = exclusive;
	return 0;
}

int disk_claim(int fd, bool shared)
{
	struct stat st;
	int r, exclusive;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		r = disk_keep_from_mount(fd, &exclusive);
		if (r < 0)
			return r;
		close(exclusive);
	} else if (!S_ISREG(st.st_mode)) {
		return -EMEDIUMTYPE;
	} else if (is_behind_any_loop(&st, shared)) {
		return -EBUSY;
	}
	if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}
