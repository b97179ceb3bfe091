/*
 * mkfs.c - hascall mkfs: an image file with an ext4 file system, made by mke2fs.
 *
 * A new image grows beside its final name and gets it when it is complete: no half-made
 * image is left, and an old one lives on if something goes wrong.
 */
#include "cmd/mkfs.h"

#include "cmd/child.h"
#include "cmd/cmd.h"
#include "device/disk_claim.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "mkfs"
#define MIB (UINT64_C(1) << 20)
#define SIZE_DEFAULT (1024 * MIB)
#define SPARE (64 * MIB) /* around the files: the journal, and room for changes */
#define BLOCKS_MIN 2048u /* mke2fs makes no journal in less */
#define BYTES_A_INODE 16384u
#define INODE_SIZE 256u
#define LABEL_MAX 16u

static const char help[] =
	"usage: hascall mkfs [OPTION...] FILE [SIZE]\n"
	"\n"
	"Make FILE, an image with an ext4 file system. SIZE may end with K, M, G or T; by\n"
	"default it is 1G, or what the files need. Room is taken when it is used.\n"
	"\n"
	"options:\n"
	"      --from SOURCE     fill it with the files of a folder or of an archive that\n"
	"                        tar understands; owners, modes and devices are kept\n"
	"      --block-size N    1024, 2048 or 4096 bytes a block (default 4096)\n"
	"      --label TEXT      the file system's name, at most 16 bytes\n"
	"      --inodes N        room for N files\n"
	"      --force           overwrite FILE if it exists, or is a block device\n"
	"      --json            describe the image in JSON\n"
	"  -h, --help            print this and exit\n"
	"  -V, --version         print the version and exit\n"
	"\n"
	"It needs mke2fs of e2fsprogs; with --from also debugfs, and tar for archives.\n";

struct mkfs {
	const char *file, *from, *label;
	uint64_t size, block_size, inodes;
	bool force, json;
	bool is_device;
	char made[PATH_MAX]; /* where mke2fs works; empty: nothing to remove */
	bool done;
	int status;
};

/* ---- options */

static bool is_block_size(uint64_t n)
{
	return n == 1024 || n == 2048 || n == 4096;
}

static void take_number(struct mkfs *m, const char *text, const char *what, uint64_t *ret)
{
	if (cmd_read_number(text, ret != &m->inodes, ret) &&
	    (ret != &m->block_size || is_block_size(*ret)))
		return;
	cmd_complain(NAME, "'%s' is no %s", text, what);
	m->status = CMD_USAGE;
}

static void take_option(struct mkfs *m, int option)
{
	switch (option) {
	case 'f':
		m->from = optarg;
		break;
	case 'b':
		take_number(m, optarg, "block size: 1024, 2048 or 4096", &m->block_size);
		break;
	case 'l':
		m->label = optarg;
		if (strlen(optarg) > LABEL_MAX) {
			cmd_complain(NAME, "the label '%s' is longer than 16 bytes", optarg);
			m->status = CMD_USAGE;
		}
		break;
	case 'i':
		take_number(m, optarg, "number of files", &m->inodes);
		break;
	case 'F':
		m->force = true;
		break;
	case 'j':
		m->json = true;
		break;
	case 'h':
		fputs(help, stdout);
		m->done = true;
		break;
	case 'V':
		printf("hascall %s\n", CMD_VERSION);
		m->done = true;
		break;
	default:
		fprintf(stderr, "'hascall mkfs --help' lists the options.\n");
		m->status = CMD_USAGE;
	}
}

static void read_options(int argc, char **argv, struct mkfs *m)
{
	static const struct option longs[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "block-size", required_argument, NULL, 'b' },
		{ "label", required_argument, NULL, 'l' },
		{ "inodes", required_argument, NULL, 'i' },
		{ "force", no_argument, NULL, 'F' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	static char name[] = "hascall mkfs";
	int option;

	argv[0] = name;
	while (!m->done && !m->status &&
	       (option = getopt_long(argc, argv, "hV", longs, NULL)) != -1)
		take_option(m, option);
	if (m->done || m->status)
		return;
	if (argc - optind < 1 || argc - optind > 2) {
		cmd_complain(NAME, "a file is wanted, and a size if you like; "
				   "'hascall mkfs --help' tells the usage");
		m->status = CMD_USAGE;
		return;
	}
	m->file = argv[optind];
	if (argc - optind == 2)
		take_number(m, argv[optind + 1], "size", &m->size);
}

/* ---- where it goes */

static int complain_of(const char *path, const char *why)
{
	cmd_complain(NAME, "%s: %s", path, why);
	return CMD_FAILED;
}

/* What is there already: may it be overwritten? The claim in *ret_fd is held until the end. */
static int look_at_old(struct mkfs *m, int *ret_fd)
{
	struct stat st;
	int r;

	if (stat(m->file, &st) < 0)
		return errno == ENOENT ? 0 : complain_of(m->file, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return complain_of(m->file, "is neither a file nor a block device");
	if (!m->force)
		return complain_of(m->file, "exists already; --force overwrites it");
	m->is_device = S_ISBLK(st.st_mode);
	*ret_fd = open(m->file, O_RDWR | O_CLOEXEC);
	if (*ret_fd < 0)
		return complain_of(m->file, strerror(errno));
	r = disk_claim(*ret_fd, false);
	if (r == -EBUSY)
		return complain_of(m->file, "is in use");
	return r < 0 ? complain_of(m->file, strerror(-r)) : 0;
}

/* An empty file beside the one to be made, or the device itself. */
static int make_place(struct mkfs *m)
{
	mode_t mask = umask(0);
	int fd, r;

	umask(mask);
	r = snprintf(m->made, sizeof(m->made), "%s%s", m->file, m->is_device ? "" : ".XXXXXX");
	if (r >= PATH_MAX) {
		m->made[0] = '\0';
		return complain_of(m->file, strerror(ENAMETOOLONG));
	}
	if (m->is_device)
		return 0;
	fd = mkstemp(m->made);
	if (fd < 0) {
		m->made[0] = '\0';
		return complain_of(m->file, strerror(errno));
	}
	r = fchmod(fd, 0666 & ~mask) < 0 || ftruncate(fd, (off_t)m->size) < 0 ? errno : 0;
	close(fd);
	return r ? complain_of(m->file, strerror(r)) : 0;
}

static int put_in_place(struct mkfs *m)
{
	unsigned int flags = m->force ? 0 : RENAME_NOREPLACE;

	if (m->is_device)
		return 0;
	if (renameat2(AT_FDCWD, m->made, AT_FDCWD, m->file, flags) == 0) {
		m->made[0] = '\0';
		return 0;
	}
	/* A file system that cannot promise not to replace. */
	if (errno == EINVAL && flags && link(m->made, m->file) == 0)
		return 0;
	return complain_of(m->file, strerror(errno));
}

static void clean_up(struct mkfs *m, struct mkfs_source *source, int old_fd)
{
	mkfs_source_close(source);
	if (m->made[0] && !m->is_device)
		unlink(m->made);
	if (old_fd >= 0)
		close(old_fd);
}

/* ---- how large it is */

static uint64_t in_mib(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB * MIB;
}

static uint64_t size_for(const struct mkfs_source *source)
{
	return in_mib(source->bytes / 4 * 5 + (source->files + 1024) * 2 * INODE_SIZE + SPARE);
}

static int choose_size(struct mkfs *m, const struct mkfs_source *source, int old_fd)
{
	uint64_t least = BLOCKS_MIN * m->block_size, device;

	if (m->is_device) {
		if (ioctl(old_fd, BLKGETSIZE64, &device) < 0)
			return complain_of(m->file, strerror(errno));
		if (m->size > device)
			return complain_of(m->file, "is smaller than that");
		m->size = m->size ? m->size : device;
	}
	if (m->size == 0)
		m->size = m->from ? size_for(source) : SIZE_DEFAULT;
	m->size -= m->size % m->block_size;
	if (m->size < least) {
		cmd_complain(NAME, "%llu KiB is the least size with this block size",
			     (unsigned long long)(least / 1024));
		return CMD_FAILED;
	}
	if (m->size > INT64_MAX)
		return complain_of(m->file, strerror(EFBIG));
	/* mke2fs takes eleven for itself, and rounds down in each group. */
	if (m->inodes)
		m->inodes += 11 + 32 * (m->size / (8 * m->block_size * m->block_size) + 1);
	/* As many as mke2fs would make, or as the files need. */
	if (m->from && m->inodes == 0 && m->size / BYTES_A_INODE < source->files / 4 * 5 + 1024)
		m->inodes = source->files / 4 * 5 + 1024;
	return 0;
}

/* ---- making it */

#define WORDS_MAX 24u

static int run_mke2fs(const struct mkfs *m, const struct mkfs_source *source)
{
	char block_size[24], inodes[24], blocks[24], owner[64];
	const char *argv[WORDS_MAX] = { "mke2fs", "-q",	      "-F", "-t", "ext4",
					"-b",	  block_size, "-E", owner };
	const struct child_files files = { .keep_fd = -1 };
	unsigned int count = 9;
	int r;

	snprintf(block_size, sizeof(block_size), "%llu", (unsigned long long)m->block_size);
	snprintf(blocks, sizeof(blocks), "%llu", (unsigned long long)(m->size / m->block_size));
	snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)m->inodes);
	/* An empty image is its maker's; one with files has a root like its source. */
	snprintf(owner, sizeof(owner), "root_owner=%u:%u", m->from ? 0 : geteuid(),
		 m->from ? 0 : getegid());
	if (m->label) {
		argv[count++] = "-L";
		argv[count++] = m->label;
	}
	if (m->inodes) {
		argv[count++] = "-N";
		argv[count++] = inodes;
	}
	if (m->from) {
		argv[count++] = "-d";
		argv[count++] = source->tree;
	}
	argv[count++] = "--";
	argv[count++] = m->made;
	argv[count++] = blocks;
	assert(count < WORDS_MAX);
	r = child_run(argv, &files);
	if (r == -ENOENT)
		cmd_complain(NAME, "mke2fs was not found; it is in the package e2fsprogs");
	else if (r < 0)
		cmd_complain(NAME, "mke2fs cannot be run: %s", strerror(-r));
	else if (r > 0 && m->from && m->size < size_for(source))
		cmd_complain(NAME, "mke2fs failed; the files of %s need about %lluM", m->from,
			     (unsigned long long)(size_for(source) / MIB));
	else if (r > 0)
		cmd_complain(NAME, "mke2fs failed");
	return r ? CMD_FAILED : 0;
}

static void put_json_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static int describe(const struct mkfs *m)
{
	uint32_t super[256];
	unsigned long long inodes, blocks, free_blocks;
	int fd = open(m->file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, super, sizeof(super), 1024);

	if (fd >= 0)
		close(fd);
	if (n != sizeof(super))
		return complain_of(m->file, "cannot be read back");
	inodes = le32toh(super[0]);
	blocks = le32toh(super[1]) | (unsigned long long)le32toh(super[0x150 / 4]) << 32;
	free_blocks = le32toh(super[3]) | (unsigned long long)le32toh(super[0x158 / 4]) << 32;
	if (!m->json) {
		printf("%s: ext4, %llu MiB of which %llu are free, blocks of %llu bytes, "
		       "%llu inodes\n",
		       m->file, blocks * m->block_size / MIB, free_blocks * m->block_size / MIB,
		       (unsigned long long)m->block_size, inodes);
		return 0;
	}
	fputs("{\"file\": ", stdout);
	put_json_text(m->file);
	fputs(", \"type\": \"ext4\", \"label\": ", stdout);
	put_json_text(m->label ? m->label : "");
	printf(", \"size\": %llu, \"free\": %llu, \"block_size\": %llu, \"inodes\": %llu}\n",
	       blocks * m->block_size, free_blocks * m->block_size,
	       (unsigned long long)m->block_size, inodes);
	return 0;
}

static int make(struct mkfs *m, struct mkfs_source *source, int *old_fd)
{
	int status = look_at_old(m, old_fd);

	if (!status && m->from)
		status = mkfs_source_open(source, m->from, (uint32_t)m->block_size);
	if (!status)
		status = choose_size(m, source, *old_fd);
	if (!status)
		status = make_place(m);
	if (!status)
		status = run_mke2fs(m, source);
	if (!status && m->from)
		status = mkfs_source_finish(source, m->made);
	if (!status)
		status = put_in_place(m);
	return status ? status : describe(m);
}

int cmd_mkfs(int argc, char **argv)
{
	static struct mkfs_source source;
	static struct mkfs m = { .block_size = 4096 };
	int old_fd = -1, status;

	read_options(argc, argv, &m);
	if (m.done || m.status)
		return m.status;
	status = make(&m, &source, &old_fd);
	clean_up(&m, &source, old_fd);
	return status;
}
