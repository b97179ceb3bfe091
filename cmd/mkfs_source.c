#include "cmd/mkfs.h"

#include "cmd/child.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "mkfs"
#define FOLDERS_OPEN 32

/* ---- how much it is. */

static struct {
	uint64_t bytes, files;
	uint32_t block_size;
} sum;

static int add_file(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	uint64_t size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : sum.block_size;
	uint64_t allocated = (uint64_t)st->st_blocks * 512;

	(void)place;
	if (kind == FTW_DNR || kind == FTW_NS) {
		cmd_complain(NAME, "%s: cannot be read", path);
		return CMD_FAILED;
	}
	if (S_ISREG(st->st_mode) && allocated < size)
		size = allocated; /* holes stay holes */
	sum.files++;
	sum.bytes += (size + sum.block_size - 1) / sum.block_size * sum.block_size;
	return 0;
}

static int measure(struct mkfs_source *s, uint32_t block_size)
{
	int r;

	sum.bytes = 0;
	sum.files = 0;
	sum.block_size = block_size;
	r = nftw(s->tree, add_file, FOLDERS_OPEN, FTW_PHYS);
	if (r < 0)
		cmd_complain(NAME, "%s: %s", s->from, strerror(errno));
	s->bytes = sum.bytes;
	s->files = sum.files;
	return r < 0 ? CMD_FAILED : r;
}

/* ---- programs. */

/* The temporary folder, and what will be in it. */
static int make_folder(struct mkfs_source *s)
{
	const struct {
		char *path;
		const char *name;
	} files[] = { { s->list, "list" },
		      { s->excluded, "excluded" },
		      { s->script, "script" },
		      { s->said, "said" } };
	int r;

	if (s->folder[0])
		return 0;
	r = child_folder_make(s->folder);
	if (r < 0) {
		s->folder[0] = '\0';
		cmd_complain(NAME, "no temporary folder can be made: %s", strerror(-r));
		return CMD_FAILED;
	}
	for (size_t i = 0; i < ARRAY_COUNT(files); i++)
		snprintf(files[i].path, MKFS_PATH_MAX, "%s/%s", s->folder, files[i].name);
	return 0;
}

static int run(const char *const argv[], const char *out, const char *err)
{
	const struct child_files files = { .out = out, .err = err, .keep_fd = -1 };
	int r = child_run(argv, &files);

	if (r < 0)
		cmd_complain(NAME, "%s cannot be run: %s", argv[0], strerror(-r));
	return r == 0 ? 0 : CMD_FAILED;
}

/* ---- an archive's list, as tar -tv prints it. */

struct entry {
	char type; /* as in the first column */
	unsigned int mode;
	unsigned long uid, gid, major, minor;
	char *path; /* from the root, "/" for the root itself */
};

static unsigned int mode_of(const char *letters)
{
	static const char type_letters[] = "-dlbcp";
	static const unsigned int types[] = {
		S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO
	};
	const char *type = strchr(type_letters, letters[0]);
	unsigned int mode = type && *type ? types[type - type_letters] : S_IFREG;

	for (unsigned int i = 0; i < 9; i++)
		if (letters[1 + i] != '-' && !strchr("ST", letters[1 + i]))
			mode |= 0400u >> i;
	mode |= strchr("sS", letters[3]) ? S_ISUID : 0u;
	mode |= strchr("sS", letters[6]) ? S_ISGID : 0u;
	mode |= strchr("tT", letters[9]) ? S_ISVTX : 0u;
	return mode;
}

/* \n, \\ and \ooo of tar's "escape" style, in place. */
static void unescape(char *text)
{
	static const char letters[] = "abfnrtv", meant[] = "\a\b\f\n\r\t\v";
	char *to = text;

	while (*text) {
		const char *letter;

		if (*text != '\\') {
			*to++ = *text++;
			continue;
		}
		text++;
		if (*text >= '0' && *text <= '3' && text[1] && text[2]) {
			*to++ = (char)((text[0] - '0') * 64 + (text[1] - '0') * 8 + text[2] - '0');
			text += 3;
			continue;
		}
		letter = *text ? strchr(letters, *text) : NULL;
		*to++ = letter ? meant[letter - letters] : *text;
		text += *text != '\0';
	}
	*to = '\0';
}

/* "./a//b/" is "/a/b". */
static void make_path(char *name)
{
	char *to = name;
	const char *from = name;
	char *copy = strdup(name);

	if (!copy)
		return;
	from = copy;
	while (*from) {
		size_t length = strcspn(from, "/");

		if (length > 0 && !(length == 1 && *from == '.')) {
			*to++ = '/';
			to = mempcpy(to, from, length);
		}
		from += length;
		from += strspn(from, "/");
	}
	if (to == name)
		*to++ = '/';
	*to = '\0';
	free(copy);
}

/*
 * "crw-r--r-- 0/0 1,3 2026-01-02 03:04:05 dev/null". `line` has a byte of room before it, for
 * the slash that a name may get. False if it is none.
 */
static bool read_entry(char *line, struct entry *e)
{
	char letters[16];
	int length = 0;

	e->major = 0;
	e->minor = 0;
	if (sscanf(line, "%10s %lu/%lu %lu,%lu %*s %*s%n", letters, &e->uid, &e->gid, &e->major,
		   &e->minor, &length) < 5 ||
	    length == 0) {
		length = 0;
		if (sscanf(line, "%10s %lu/%lu %*u %*s %*s%n", letters, &e->uid, &e->gid, &length) <
			    3 ||
		    length == 0)
			return false;
	}
	if (strlen(letters) != 10 || line[length] != ' ')
		return false;
	e->type = letters[0];
	e->mode = mode_of(letters);
	e->path = line + length; /* the blank becomes the slash */
	if (e->type == 'l' && strstr(e->path, " -> "))
		*strstr(e->path, " -> ") = '\0';
	memmove(e->path, e->path + 1, strlen(e->path));
	unescape(e->path);
	return true;
}

typedef int entry_fn(FILE *to, const struct entry *e);

/* fn for each entry but hard links, whose owner is that of the file they link to. */
static int each_entry(const struct mkfs_source *s, const char *to_path, entry_fn *fn)
{
	FILE *list = fopen(s->list, "re");
	FILE *to = fopen(to_path, "we");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int status = list && to ? 0 : CMD_FAILED;

	while (status == 0 && (length = getline(&line, &room, list)) > 0) {
		struct entry e;

		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (!read_entry(line, &e)) {
			cmd_complain(NAME, "%s: tar lists what is not understood: %s", s->from,
				     line);
			status = CMD_FAILED;
		} else if (e.type != 'h') {
			status = fn(to, &e);
		}
	}
	free(line);
	if (list)
		fclose(list);
	if (to && fclose(to) != 0)
		status = CMD_FAILED;
	return status;
}

/* ---- unpacking. */

static bool is_device(const struct entry *e)
{
	return e->type == 'c' || e->type == 'b';
}

static int put_exclusion(FILE *to, const struct entry *e)
{
	if (strchr(e->path, '\n')) {
		cmd_complain(NAME, "the archive has a name with a line break in it");
		return CMD_FAILED;
	}
	if (is_device(e))
		fprintf(to, "%s\n", e->path);
	return 0;
}

static int unpack(struct mkfs_source *s)
{
	int r = make_folder(s);

	if (r)
		return r;
	snprintf(s->tree, sizeof(s->tree), "%s/tree", s->folder);
	if (mkdir(s->tree, 0755) < 0)
		return CMD_FAILED;
	r = run((const char *const[]){ "tar", "-tvf", s->from, "--force-local", "--numeric-owner",
				       "--full-time", "--quoting-style=escape", NULL },
		s->list, NULL);
	if (r == 0)
		r = each_entry(s, s->excluded, put_exclusion);
	if (r == 0)
		r = run((const char *const[]){ "tar", "-xpf", s->from, "--force-local", "-C",
					       s->tree, "--no-same-owner", "--xattrs",
					       "--delay-directory-restore", "--no-wildcards",
					       "--anchored", "-X", s->excluded, NULL },
			NULL, NULL);
	/* mke2fs must be able to read what it copies; the image gets the modes of the list. */
	if (r == 0)
		r = run((const char *const[]){ "chmod", "-R", "u+rwX", "--", s->tree, NULL }, NULL,
			NULL);
	return r;
}

int mkfs_source_open(struct mkfs_source *s, const char *from, uint32_t block_size)
{
	struct stat st;
	int r = 0;

	*s = (struct mkfs_source){ .from = from };
	if (stat(from, &st) < 0) {
		cmd_complain(NAME, "%s: %s", from, strerror(errno));
		return CMD_FAILED;
	}
	s->is_archive = !S_ISDIR(st.st_mode);
	if (s->is_archive)
		r = unpack(s);
	else if (snprintf(s->tree, sizeof(s->tree), "%s", from) >= PATH_MAX)
		r = CMD_FAILED;
	return r ? r : measure(s, block_size);
}

void mkfs_source_close(struct mkfs_source *s)
{
	if (s->folder[0])
		child_folder_remove(s->folder);
	s->folder[0] = '\0';
}

/* ---- what tar could not do. */

/* As one word for debugfs: in quotes, and quotes in it doubled. */
static void put_word(FILE *to, const char *text, size_t length)
{
	putc('"', to);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"')
			putc('"', to);
		putc(text[i], to);
	}
	putc('"', to);
}

static void put_field(FILE *to, const char *path, const char *field, unsigned long value)
{
	fputs("set_inode_field ", to);
	put_word(to, path, strlen(path));
	fprintf(to, " %s %lu\n", field, value);
}

static int put_owner(FILE *to, const struct entry *e)
{
	char *path = strdup(e->path);
	size_t parent;

	if (!path)
		return CMD_FAILED;
	make_path(path);
	if (is_device(e)) {
		parent = (size_t)(strrchr(path, '/') - path);
		fputs("cd ", to);
		put_word(to, path, parent > 0 ? parent : 1);
		fputs("\nmknod ", to);
		put_word(to, path + parent + 1, strlen(path + parent + 1));
		fprintf(to, " %c %lu %lu\ncd /\n", e->type, e->major, e->minor);
	}
	put_field(to, path, "mode", e->mode);
	put_field(to, path, "uid", e->uid);
	put_field(to, path, "gid", e->gid);
	free(path);
	return 0;
}

/* mke2fs -d copies all of a folder but what the folder itself is. */
static int put_root(const struct mkfs_source *s)
{
	static char root[] = "/";
	FILE *to = fopen(s->script, "we");
	struct stat st;

	if (!to || stat(s->from, &st) < 0) {
		if (to)
			fclose(to);
		return CMD_FAILED;
	}
	put_owner(to, &(struct entry){ .type = 'd',
				       .mode = st.st_mode,
				       .uid = st.st_uid,
				       .gid = st.st_gid,
				       .path = root });
	return fclose(to) == 0 ? 0 : CMD_FAILED;
}

/* debugfs goes on after a mistake and ends with 0: what it says tells. */
static int look_for_mistakes(const char *path)
{
	FILE *said = fopen(path, "re");
	char line[512];
	int status = said ? 0 : CMD_FAILED;

	while (said && status == 0 && fgets(line, sizeof(line), said))
		if (strncmp(line, "debugfs ", 8) != 0 && line[0] != '\n') {
			line[strcspn(line, "\n")] = '\0';
			cmd_complain(NAME, "debugfs: %s", line);
			status = CMD_FAILED;
		}
	if (said)
		fclose(said);
	return status;
}

int mkfs_source_finish(struct mkfs_source *s, const char *image)
{
	int r = make_folder(s);

	if (r == 0)
		r = s->is_archive ? each_entry(s, s->script, put_owner) : put_root(s);
	if (r == 0)
		r = run((const char *const[]){ "debugfs", "-w", "-f", s->script, "--", image,
					       NULL },
			"/dev/null", s->said);
	return r ? r : look_for_mistakes(s->said);
}
