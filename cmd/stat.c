/*
 * stat.c - hascall stat: what is in an image, or a file in it, as people or programs read it.
 */
#include "cmd/cmd.h"
#include "cmd/cp.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#define NAME "stat"

static const char help[] =
	"usage: hascall stat [--json] [--raw] IMAGE[:/PATH]\n"
	"\n"
	"Describe IMAGE, which nobody is using, or one file in it. Nothing is changed.\n"
	"\n"
	"options:\n"
	"      --json            in JSON\n"
	"      --raw             a layer's own tree: /upper and /work\n"
	"  -h, --help            print this and exit\n"
	"  -V, --version         print the version and exit\n";

static struct {
	bool json, raw, done;
	int status;
	char *image;
	const char *path; /* NULL: the image itself is meant */
	bool first;	  /* no member of the JSON object was printed yet */
	char link[VFS_PATH_MAX];
	char names[VFS_XATTR_SIZE_MAX];
} o;

/* ---- printing: "name: value" lines, or members of one object. */

/* Control characters, and bytes that are no UTF-8, would not be JSON. */
static bool is_utf8(const unsigned char *text, size_t *ret_len)
{
	size_t len = *text < 0x80    ? 1
		     : *text >= 0xf0 ? 4
		     : *text >= 0xe0 ? 3
		     : *text >= 0xc2 ? 2
				     : 0;

	for (size_t i = 1; i < len; i++)
		if ((text[i] & 0xc0) != 0x80)
			return false;
	*ret_len = len;
	return len > 0 && *text < 0xf5;
}

static void put_json_text(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	putchar('"');
	while (*at) {
		size_t len = 1;

		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < ' ' || *at == 0x7f || !is_utf8(at, &len))
			printf("\\u%04x", *at);
		else
			fwrite(at, 1, len, stdout);
		at += len > 0 ? len : 1;
	}
	putchar('"');
}

static void put_plain_text(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			printf("\\%03o", (unsigned char)*text);
		else
			putchar(*text);
	}
}

static void begin(const char *name)
{
	if (o.json) {
		printf("%s\"%s\": ", o.first ? "{" : ", ", name);
		o.first = false;
		return;
	}
	printf("%s:%*s", name, (int)(16 - strlen(name)), "");
}

static void end(void)
{
	if (!o.json)
		putchar('\n');
}

static void put_text(const char *name, const char *value)
{
	begin(name);
	if (o.json)
		put_json_text(value);
	else
		put_plain_text(value);
	end();
}

static void put_number(const char *name, uint64_t value)
{
	begin(name);
	printf("%llu", (unsigned long long)value);
	end();
}

static void put_time(const char *name, const struct timespec *t)
{
	char text[64], zone[16];
	struct tm tm;
	time_t seconds = t->tv_sec;

	begin(name);
	if (!localtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm));
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	if (o.json)
		printf("\"%s.%09ld %s\"", text, t->tv_nsec, zone);
	else
		printf("%s.%09ld %s", text, t->tv_nsec, zone);
	end();
}

static void finish(void)
{
	if (o.json)
		puts("}");
}

/* ---- an image. */

struct feature {
	uint32_t bit;
	const char *name;
};

static const struct feature compat[] = {
	{ EXT4_COMPAT_DIR_PREALLOC, "dir_prealloc" },
	{ EXT4_COMPAT_HAS_JOURNAL, "has_journal" },
	{ EXT4_COMPAT_EXT_ATTR, "ext_attr" },
	{ EXT4_COMPAT_RESIZE_INODE, "resize_inode" },
	{ EXT4_COMPAT_DIR_INDEX, "dir_index" },
	{ EXT4_COMPAT_SPARSE_SUPER2, "sparse_super2" },
	{ EXT4_COMPAT_FAST_COMMIT, "fast_commit" },
	{ EXT4_COMPAT_STABLE_INODES, "stable_inodes" },
	{ EXT4_COMPAT_ORPHAN_FILE, "orphan_file" },
};
static const struct feature incompat[] = {
	{ EXT4_INCOMPAT_FILETYPE, "filetype" },
	{ EXT4_INCOMPAT_RECOVER, "needs_recovery" },
	{ EXT4_INCOMPAT_META_BG, "meta_bg" },
	{ EXT4_INCOMPAT_EXTENTS, "extent" },
	{ EXT4_INCOMPAT_64BIT, "64bit" },
	{ EXT4_INCOMPAT_MMP, "mmp" },
	{ EXT4_INCOMPAT_FLEX_BG, "flex_bg" },
	{ EXT4_INCOMPAT_EA_INODE, "ea_inode" },
	{ EXT4_INCOMPAT_CSUM_SEED, "metadata_csum_seed" },
	{ EXT4_INCOMPAT_LARGEDIR, "large_dir" },
	{ EXT4_INCOMPAT_ENCRYPT, "encrypt" },
	{ EXT4_INCOMPAT_CASEFOLD, "casefold" },
};
static const struct feature ro_compat[] = {
	{ EXT4_RO_COMPAT_SPARSE_SUPER, "sparse_super" },
	{ EXT4_RO_COMPAT_LARGE_FILE, "large_file" },
	{ EXT4_RO_COMPAT_HUGE_FILE, "huge_file" },
	{ EXT4_RO_COMPAT_GDT_CSUM, "uninit_bg" },
	{ EXT4_RO_COMPAT_DIR_NLINK, "dir_nlink" },
	{ EXT4_RO_COMPAT_EXTRA_ISIZE, "extra_isize" },
	{ EXT4_RO_COMPAT_QUOTA, "quota" },
	{ EXT4_RO_COMPAT_BIGALLOC, "bigalloc" },
	{ EXT4_RO_COMPAT_METADATA_CSUM, "metadata_csum" },
	{ EXT4_RO_COMPAT_PROJECT, "project" },
	{ EXT4_RO_COMPAT_VERITY, "verity" },
	{ EXT4_RO_COMPAT_ORPHAN_PRESENT, "orphan_present" },
};

static void put_names(const struct feature *table, size_t count, uint32_t bits,
		      const char **separator)
{
	for (size_t i = 0; i < count; i++) {
		if (!(bits & table[i].bit))
			continue;
		printf("%s%s%s%s", *separator, o.json ? "\"" : "", table[i].name,
		       o.json ? "\"" : "");
		*separator = o.json ? ", " : " ";
	}
}

static void put_features(const struct ext4_super *s)
{
	const char *separator = "";

	begin("features");
	if (o.json)
		putchar('[');
	put_names(compat, ARRAY_COUNT(compat), s->feature_compat, &separator);
	put_names(incompat, ARRAY_COUNT(incompat), s->feature_incompat, &separator);
	put_names(ro_compat, ARRAY_COUNT(ro_compat), s->feature_ro_compat, &separator);
	if (o.json)
		putchar(']');
	end();
}

static void put_uuid(const uint8_t uuid[16])
{
	char text[40], *at = text;

	for (unsigned int i = 0; i < 16; i++)
		at += sprintf(at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      uuid[i]);
	put_text("uuid", text);
}

static const char *state_of(const struct ext4_super *s)
{
	if (s->state & EXT4_STATE_ERRORS)
		return "damaged: run 'hascall fsck'";
	if (s->feature_incompat & EXT4_INCOMPAT_RECOVER)
		return "its journal is to be replayed: the next use does it";
	return s->state & EXT4_STATE_CLEAN ? "clean" : "was not unmounted";
}

static void describe_image(const struct world_image *image)
{
	const struct ext4_super *s = &image->super;
	const struct ext4 *fs = image->ext4;
	char label[sizeof(s->volume_name) + 1] = "";

	memcpy(label, s->volume_name, sizeof(s->volume_name));
	put_text("file", image->path);
	put_text("type", "ext4");
	put_text("label", label);
	put_uuid(s->uuid);
	put_text("state", state_of(s));
	put_text("use", image->layer ? "layer" : "tree");
	put_number("block_size", fs->block_size);
	put_number("blocks", fs->block_count);
	put_number("blocks_free", fs->free_blocks);
	put_number("blocks_used", fs->block_count - fs->free_blocks);
	put_number("inodes", fs->inode_count);
	put_number("inodes_free", fs->free_inodes);
	put_number("inodes_used", fs->inode_count - fs->free_inodes);
	put_number("size", fs->block_count * fs->block_size);
	put_number("free", fs->free_blocks * fs->block_size);
	if (image->report.was_replayed && o.json)
		put_number("replayed", image->report.replayed.transactions);
	if (image->report.text[0])
		put_text("note", image->report.text);
	put_features(s);
	finish();
}

/* ---- a file. */

static const char *type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "regular file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symbolic link";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFIFO:
		return "fifo";
	default:
		return "socket";
	}
}

static void put_mode(uint32_t mode)
{
	begin("mode");
	printf(o.json ? "\"%04o\"" : "%04o", mode & 07777);
	end();
}

/* As JSON an object of sizes; else a line each. */
static void put_xattrs(const struct cp_side *side) MAY_YIELD
{
	ssize_t size = cp_image.listxattr(side, o.path, o.names, sizeof(o.names));
	const char *separator = "";

	if (o.json)
		begin("attributes");
	if (o.json)
		putchar('{');
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(o.names + at) + 1) {
		ssize_t value = cp_image.getxattr(side, o.path, o.names + at, NULL, 0);

		if (!o.json) {
			begin("attribute");
			put_plain_text(o.names + at);
			printf(" (%zd bytes)\n", value < 0 ? 0 : value);
			continue;
		}
		fputs(separator, stdout);
		put_json_text(o.names + at);
		printf(": %zd", value < 0 ? 0 : value);
		separator = ", ";
	}
	if (o.json)
		putchar('}');
}

static void describe_file(const struct cp_side *side, const struct vfs_attr *a) MAY_YIELD
{
	put_text("file", o.path);
	put_text("type", type_of(a->mode));
	put_mode(a->mode);
	put_number("uid", a->uid);
	put_number("gid", a->gid);
	put_number("size", a->size);
	put_number("room", a->blocks * 512);
	put_number("links", a->nlink);
	put_number("inode", a->ino);
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode)) {
		put_number("major", major(a->rdev));
		put_number("minor", minor(a->rdev));
	}
	if (S_ISLNK(a->mode)) {
		ssize_t n = cp_image.readlink(side, o.path, o.link, sizeof(o.link) - 1);

		o.link[n < 0 ? 0 : n] = '\0';
		put_text("target", o.link);
	}
	put_time("modified", &a->mtime);
	put_time("changed", &a->ctime);
	put_time("accessed", &a->atime);
	put_time("made", &a->btime);
	put_xattrs(side);
	finish();
}

/* ---- the command. */

static int describe(const struct cp_side *side) MAY_YIELD
{
	struct vfs_attr attr;
	int r;

	if (!o.path) {
		describe_image(side->image);
		return 0;
	}
	r = cp_image.stat(side, o.path, false, &attr);
	if (r < 0) {
		cmd_complain(NAME, "%s:%s: %s", o.image, o.path, strerror(-r));
		return 1;
	}
	describe_file(side, &attr);
	return 0;
}

static int run(void *context) MAY_YIELD
{
	const struct world_how how = { .raw = o.raw };
	struct cp_side side = { .tree = &cp_image };
	int status = world_open(o.image, &how, &side.image), closed;

	(void)context;
	if (status == 0)
		status = describe(&side);
	closed = world_close_all();
	return closed ? closed : status;
}

static void take_place(const char *text)
{
	const char *colon = strstr(text, ":/");
	struct stat st;

	/* A file may have that in its name, too. */
	if (colon && lstat(text, &st) < 0)
		o.path = colon + 1;
	o.image = o.path ? strndup(text, (size_t)(colon - text)) : strdup(text);
	if (!o.image)
		o.status = CMD_FAILED;
}

static void read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "raw", no_argument, NULL, 'R' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	static char name[] = "hascall stat";
	int option;

	argv[0] = name;
	while ((option = getopt_long(argc, argv, "hV", longs, NULL)) != -1) {
		switch (option) {
		case 'j':
			o.json = true;
			break;
		case 'R':
			o.raw = true;
			break;
		case 'h':
			fputs(help, stdout);
			o.done = true;
			return;
		case 'V':
			printf("hascall %s\n", CMD_VERSION);
			o.done = true;
			return;
		default:
			fprintf(stderr, "'hascall stat --help' lists the options.\n");
			o.status = CMD_USAGE;
			return;
		}
	}
	if (argc - optind == 1) {
		take_place(argv[optind]);
		return;
	}
	cmd_complain(NAME, "one image, or one file in it, is wanted; 'hascall stat --help' tells "
			   "the usage");
	o.status = CMD_USAGE;
}

int cmd_stat(int argc, char **argv)
{
	o.first = true;
	read_options(argc, argv);
	if (!o.done && !o.status)
		o.status = world_run(NAME, run, NULL);
	free(o.image);
	return o.status;
}
