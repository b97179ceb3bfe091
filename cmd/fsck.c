/*
 * fsck.c - hascall fsck: e2fsck over an image that nobody uses meanwhile.
 *
 * An image whose journal was not replayed is no damaged one, but e2fsck -n takes it for
 * that. So what is checked then is a copy, whose journal is replayed.
 */
#include "cmd/child.h"
#include "cmd/cmd.h"
#include "device/disk_claim.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "fsck"
#define SUPER_OFFSET 1024
#define SUPER_MAGIC 0xef53u
#define NEEDS_REPLAY 0x4u

static const char help[] =
	"usage: hascall fsck [-n|-y] FILE\n"
	"\n"
	"Check FILE, an image with an ext4 file system that nobody is using.\n"
	"\n"
	"options:\n"
	"  -n                    check, change nothing (the default)\n"
	"  -y                    repair whatever is wrong\n"
	"  -h, --help            print this and exit\n"
	"  -V, --version         print the version and exit\n"
	"\n"
	"The exit status is e2fsck's: 0 if nothing is wrong, 1 if all was repaired, 4 if\n"
	"something is wrong; 125 if FILE could not be checked. It needs e2fsck of e2fsprogs.\n";

static int complain_of(const char *path, const char *why)
{
	cmd_complain(NAME, "%s: %s", path, why);
	return CMD_FAILED;
}

static int read_options(int argc, char **argv, bool *ret_repair, bool *ret_done)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	static char name[] = "hascall fsck";
	bool said = false;
	int option;

	argv[0] = name;
	while ((option = getopt_long(argc, argv, "nyhV", longs, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			if (option == 'h')
				fputs(help, stdout);
			else
				printf("hascall %s\n", CMD_VERSION);
			*ret_done = true;
			return 0;
		}
		if (option == '?' || (said && *ret_repair != (option == 'y'))) {
			if (option != '?')
				cmd_complain(NAME, "-n and -y exclude each other");
			fprintf(stderr, "'hascall fsck --help' lists the options.\n");
			return CMD_USAGE;
		}
		said = true;
		*ret_repair = option == 'y';
	}
	if (argc - optind == 1)
		return 0;
	cmd_complain(NAME, "one file is wanted; 'hascall fsck --help' tells the usage");
	return CMD_USAGE;
}

/* 0 with the file open and claimed, or an exit status. */
static int claim(const char *path, bool repair, int *ret_fd)
{
	int fd = open(path, (repair ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? -errno : disk_claim(fd, !repair);

	if (r == 0) {
		*ret_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	if (r == -EBUSY)
		return complain_of(path, "is in use");
	if (r == -EMEDIUMTYPE || r == -EISDIR)
		return complain_of(path, "is neither a file nor a block device");
	return complain_of(path, strerror(-r));
}

/* 0, or an exit status. */
static int look_at_super(const char *path, int fd, bool *ret_needs_replay)
{
	unsigned char super[1024];
	uint16_t magic;
	uint32_t features;

	if (pread(fd, super, sizeof(super), SUPER_OFFSET) != (ssize_t)sizeof(super)) {
		/* e2fsck looks for copies of the superblock, but not in a file as short as that. */
		return complain_of(path, "is too short for a file system");
	}
	memcpy(&magic, super + 0x38, sizeof(magic));
	memcpy(&features, super + 0x60, sizeof(features));
	*ret_needs_replay = le16toh(magic) == SUPER_MAGIC && le32toh(features) & NEEDS_REPLAY;
	return 0;
}

static int run_e2fsck(const char *how, const char *path, int keep_fd, bool quiet)
{
	const char *const check[] = { "e2fsck", "-f", how, "--", path, NULL };
	const char *const replay[] = { "e2fsck", "-E", "journal_only", "-y", "--", path, NULL };
	const struct child_files files = { .out = quiet ? "/dev/null" : NULL,
					   .err = quiet ? "/dev/null" : NULL,
					   .keep_fd = keep_fd };
	int r = child_run(how ? check : replay, &files);

	if (r == -ENOENT)
		cmd_complain(NAME, "e2fsck was not found; it is in the package e2fsprogs");
	else if (r < 0)
		cmd_complain(NAME, "e2fsck cannot be run: %s", strerror(-r));
	return r < 0 ? CMD_FAILED : r;
}

/* ---- a copy, with its holes */

static int copy_range(int from, int to, off_t offset, off_t end)
{
	static char buffer[1 << 16];

	while (offset < end) {
		size_t size = sizeof(buffer);
		ssize_t n;

		if ((off_t)size > end - offset)
			size = (size_t)(end - offset);
		n = pread(from, buffer, size, offset);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		n = pwrite(to, buffer, (size_t)n, offset);
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		offset += n;
	}
	return 0;
}

static int copy_data(int from, int to)
{
	off_t size = lseek(from, 0, SEEK_END), begin = 0;
	int r = 0;

	if (size < 0 || ftruncate(to, size) < 0)
		return -errno;
	while (r == 0 && begin < size) {
		off_t end;

		begin = lseek(from, begin, SEEK_DATA);
		if (begin < 0)
			return errno == ENXIO ? 0 : -errno; /* a hole up to the end */
		end = lseek(from, begin, SEEK_HOLE);
		r = copy_range(from, to, begin, end < 0 ? size : end);
		begin = end < 0 ? size : end;
	}
	return r;
}

/* Blocks that the host shares cost nothing, where it can. */
static int copy(int from, const char *path)
{
	int to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = 0;

	if (to < 0)
		return -errno;
	if (ioctl(to, FICLONE, from) < 0)
		r = copy_data(from, to);
	close(to);
	return r;
}

static int check_copy(const char *path, int fd)
{
	char folder[CHILD_PATH_MAX], image[CHILD_PATH_MAX + sizeof("/image")];
	int r = child_folder_make(folder);
	int status;

	if (r < 0)
		return complain_of(path, strerror(-r));
	snprintf(image, sizeof(image), "%s/image", folder);
	printf("%s: its journal is to be replayed; a copy is checked, with that done\n", path);
	fflush(stdout);
	r = copy(fd, image);
	if (r < 0) {
		status = complain_of(path, strerror(-r));
	} else {
		/* If it cannot be replayed the check says why. */
		status = run_e2fsck(NULL, image, -1, true);
		if (status != CMD_FAILED)
			status = run_e2fsck("-n", image, -1, false);
	}
	child_folder_remove(folder);
	return status;
}

int cmd_fsck(int argc, char **argv)
{
	bool repair = false, done = false, needs_replay = false;
	int fd, status = read_options(argc, argv, &repair, &done);
	const char *path;

	if (status || done)
		return status;
	path = argv[optind];
	status = claim(path, repair, &fd);
	if (status)
		return status;
	status = look_at_super(path, fd, &needs_replay);
	if (status == 0 && needs_replay && !repair)
		status = check_copy(path, fd);
	else if (status == 0)
		status = run_e2fsck(repair ? "-y" : "-n", path, fd, false);
	close(fd);
	return status;
}
