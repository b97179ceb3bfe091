#include "cmd/cp_copy.h"

#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME "cp"
#define BUFFER_SIZE (1u << 20)
#define LINKS_MIN 1024u
#define SHOW_AFTER_NS UINT64_C(500000000)
#define PRIVILEGES (S_ISUID | S_ISGID)

/* A directory that is being copied: its names, and where the paths ended before it. */
struct level {
	struct level *above;
	struct cp_names names;
	size_t next;
	size_t from_len, to_len;
	struct vfs_attr attr;
};

/* The first copy of a file with several names. */
struct linked {
	struct linked *next;
	uint64_t dev, ino;
	const struct cp_side *side;
	char to[];
};

struct cp_copy {
	struct cp_copy_options options;
	const volatile int *stop;
	const struct cp_side *from_side, *to_side;
	struct level *level;
	uint64_t made_dev, made_ino; /* the directory that was made first: not into itself */
	struct linked **links;	     /* by inode, hashed */
	uint64_t files, bytes, errors, owners_lost, xattrs_lost;
	uint64_t begun_ns, shown_ns;
	unsigned int temporary;
	bool over, shows, shown;
	char from[PATH_MAX], to[PATH_MAX], temp[PATH_MAX];
	char target[PATH_MAX];
	char names[VFS_XATTR_SIZE_MAX], value[VFS_XATTR_SIZE_MAX];
	char buffer[BUFFER_SIZE];
};

/* ---- telling. */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void clear_progress(struct cp_copy *c)
{
	if (c->shown)
		fputs("\r\033[K", stderr);
	c->shown = false;
}

static void show_progress(struct cp_copy *c)
{
	uint64_t now;

	if (!c->shows)
		return;
	now = now_ns();
	if (now - c->begun_ns < SHOW_AFTER_NS || now - c->shown_ns < SHOW_AFTER_NS / 4)
		return;
	c->shown_ns = now;
	c->shown = true;
	fprintf(stderr, "\r\033[K%llu files, %llu MiB", (unsigned long long)c->files,
		(unsigned long long)(c->bytes >> 20));
}

static bool is_end(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EROFS || error == -EUCLEAN ||
	       error == -ENOMEM;
}

/* As it is given on the command line: IMAGE:/PATH. */
static void tell(struct cp_copy *c, const struct cp_side *side, const char *path, const char *why)
{
	clear_progress(c);
	cmd_complain(NAME, "%s%s%s: %s", side->image ? side->image->path : "",
		     side->image ? ":" : "", path, why);
	c->errors++;
}

void cp_copy_complain(struct cp_copy *c, const struct cp_side *side, const char *path, int error)
{
	tell(c, side, path, strerror(-error));
	/* On the side that is read, only this file is concerned. */
	c->over |= is_end(error) && side == c->to_side;
}

static bool fail_from(struct cp_copy *c, int error)
{
	cp_copy_complain(c, c->from_side, c->from, error);
	return false;
}

static bool fail_to(struct cp_copy *c, int error)
{
	cp_copy_complain(c, c->to_side, c->to, error);
	return false;
}

static bool stopped(const struct cp_copy *c)
{
	return c->over || *c->stop;
}

/* ---- making one. */

struct cp_copy *cp_copy_new(const struct cp_copy_options *options, const volatile int *stop)
{
	struct cp_copy *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->links = calloc(LINKS_MIN, sizeof(*c->links));
	if (!c->links) {
		free(c);
		return NULL;
	}
	c->options = *options;
	c->stop = stop;
	c->begun_ns = now_ns();
	c->shows = !options->quiet && isatty(STDERR_FILENO);
	return c;
}

void cp_copy_free(struct cp_copy *c)
{
	if (!c)
		return;
	assert(!c->level);
	for (unsigned int i = 0; i < LINKS_MIN; i++) {
		while (c->links[i]) {
			struct linked *l = c->links[i];

			c->links[i] = l->next;
			free(l);
		}
	}
	free(c->links);
	free(c);
}

/* ---- attributes. */

static void copy_one_xattr(struct cp_copy *c, const char *name, const char *to, bool *lost)
	MAY_YIELD
{
	const struct cp_tree *from = c->from_side->tree;
	ssize_t size = from->getxattr(c->from_side, c->from, name, c->value, sizeof(c->value));

	if (size < 0) {
		*lost |= size != -ENODATA;
		return;
	}
	*lost |= c->to_side->tree->setxattr(c->to_side, to, name, c->value, (size_t)size) < 0;
}

static void copy_xattrs(struct cp_copy *c, const char *to) MAY_YIELD
{
	ssize_t size = c->from_side->tree->listxattr(c->from_side, c->from, c->names,
						     sizeof(c->names));
	bool lost = size < 0 && size != -EOPNOTSUPP;

	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(c->names + at) + 1)
		copy_one_xattr(c, c->names + at, to, &lost);
	c->xattrs_lost += lost;
}

/* Each step may undo what an earlier one set, so the order counts. */
static int copy_attributes(struct cp_copy *c, const struct vfs_attr *a, const char *to) MAY_YIELD
{
	const struct timespec times[2] = { a->atime, a->mtime };
	const struct cp_tree *tree = c->to_side->tree;
	uint32_t mode = a->mode & 07777;
	int r = tree->chown(c->to_side, to, a->uid, a->gid);

	if (r == -EPERM) {
		/* A program that gives its owner's rights must not give another's. */
		mode &= ~(uint32_t)PRIVILEGES;
		c->owners_lost++;
		r = 0;
	}
	if (r < 0)
		return r;
	copy_xattrs(c, to);
	if (!S_ISLNK(a->mode))
		r = tree->chmod(c->to_side, to, mode);
	return r < 0 ? r : tree->times(c->to_side, to, times);
}

/* ---- one file, under a name of its own. */

/* In the directory of c->to. */
static int temporary_name(struct cp_copy *c)
{
	const char *slash = strrchr(c->to, '/');
	int len = slash ? (int)(slash - c->to) + 1 : 0;
	int n = snprintf(c->temp, sizeof(c->temp), "%.*s" CP_TEMPORARY "%d-%u", len, c->to,
			 getpid(), c->temporary++);

	return n >= (int)sizeof(c->temp) ? -ENAMETOOLONG : 0;
}

/* Whose side an error was on. */
struct ends {
	int from, to;
};

static void copy_range(struct cp_copy *c, const struct cp_file *from, const struct cp_file *to,
		       uint64_t at, uint64_t end, struct ends *ret) MAY_YIELD
{
	while (at < end && ret->from == 0 && ret->to == 0) {
		size_t size = end - at < BUFFER_SIZE ? (size_t)(end - at) : BUFFER_SIZE;
		ssize_t n, done = 0;

		if (*c->stop)
			ret->to = -EINTR;
		n = from->side->tree->read(from, c->buffer, size, at);
		if (n < 0)
			ret->from = (int)n;
		if (n <= 0)
			return; /* it has become shorter */
		while (done < n && ret->to == 0) {
			ssize_t w = to->side->tree->write(to, c->buffer + done, (size_t)(n - done),
							  at + (uint64_t)done);

			if (w > 0)
				done += w;
			else
				ret->to = w < 0 ? (int)w : -EIO;
		}
		at += (uint64_t)n;
		c->bytes += (uint64_t)n;
		show_progress(c);
	}
}

static void copy_bytes(struct cp_copy *c, const struct cp_file *from, const struct cp_file *to,
		       uint64_t size, struct ends *ret) MAY_YIELD
{
	uint64_t at = 0, end;

	while (at < size && ret->from == 0 && ret->to == 0) {
		int r = from->side->tree->data(from, &at, &end);

		if (r == -ENXIO)
			break;
		if (r < 0) {
			ret->from = r;
			return;
		}
		copy_range(c, from, to, at, end < size ? end : size, ret);
		at = end;
	}
	if (ret->from == 0 && ret->to == 0)
		ret->to = to->side->tree->finish(to, size);
}

static bool make_regular(struct cp_copy *c, const struct vfs_attr *a) MAY_YIELD
{
	struct ends ends = { 0, 0 };
	struct cp_file from, to;
	int r = c->from_side->tree->open(c->from_side, c->from, &from);

	if (r < 0)
		return fail_from(c, r);
	r = c->to_side->tree->create(c->to_side, c->temp, &to);
	if (r < 0) {
		c->from_side->tree->close(&from);
		return fail_to(c, r);
	}
	copy_bytes(c, &from, &to, a->size, &ends);
	c->from_side->tree->close(&from);
	c->to_side->tree->close(&to);
	if (ends.from < 0)
		fail_from(c, ends.from);
	if (ends.to < 0)
		fail_to(c, ends.to);
	if (ends.from == 0 && ends.to == 0)
		return true;
	(void)c->to_side->tree->unlink(c->to_side, c->temp);
	return false;
}

static bool make_other(struct cp_copy *c, const struct vfs_attr *a) MAY_YIELD
{
	const struct cp_tree *tree = c->to_side->tree;
	ssize_t n;
	int r;

	if (S_ISLNK(a->mode)) {
		n = c->from_side->tree->readlink(c->from_side, c->from, c->target,
						 sizeof(c->target) - 1);
		if (n < 0)
			return fail_from(c, (int)n);
		c->target[n] = '\0';
		r = tree->symlink(c->to_side, c->target, c->temp);
	} else {
		r = tree->mknod(c->to_side, c->temp, a->mode & (S_IFMT | 0600), a->rdev);
	}
	return r < 0 ? fail_to(c, r) : true;
}

/* What stands there already: may a file come in its place? */
static int check_place(struct cp_copy *c) MAY_YIELD
{
	struct vfs_attr there;
	int r = c->to_side->tree->stat(c->to_side, c->to, false, &there);

	if (r == 0 && S_ISDIR(there.mode))
		return -EISDIR;
	return r == -ENOENT ? 0 : r;
}

static bool put_in_place(struct cp_copy *c) MAY_YIELD
{
	const struct cp_tree *tree = c->to_side->tree;
	int r = tree->rename(c->to_side, c->temp, c->to);

	/* Two names of one file: then a rename does nothing, and the name stays. */
	(void)tree->unlink(c->to_side, c->temp);
	return r < 0 ? fail_to(c, r) : true;
}

static bool copy_file(struct cp_copy *c, const struct vfs_attr *a) MAY_YIELD
{
	int r = check_place(c);

	if (r == 0)
		r = temporary_name(c);
	if (r < 0)
		return fail_to(c, r);
	if (!(S_ISREG(a->mode) ? make_regular(c, a) : make_other(c, a)))
		return false;
	r = copy_attributes(c, a, c->temp);
	if (r == 0)
		return put_in_place(c);
	(void)c->to_side->tree->unlink(c->to_side, c->temp);
	return fail_to(c, r);
}

/* ---- files with several names. */

static struct linked **bucket_of(struct cp_copy *c, const struct vfs_attr *a)
{
	return &c->links[(a->ino * 31 + a->dev) % LINKS_MIN];
}

static const struct linked *find_linked(struct cp_copy *c, const struct vfs_attr *a)
{
	const struct linked *l = *bucket_of(c, a);

	while (l && (l->ino != a->ino || l->dev != a->dev || l->side != c->from_side))
		l = l->next;
	return l;
}

static void note_linked(struct cp_copy *c, const struct vfs_attr *a)
{
	size_t len = strlen(c->to);
	struct linked *l = malloc(sizeof(*l) + len + 1);

	if (!l)
		return; /* then it is copied twice */
	*l = (struct linked){ *bucket_of(c, a), a->dev, a->ino, c->from_side };
	memcpy(l->to, c->to, len + 1);
	*bucket_of(c, a) = l;
}

static bool copy_linked(struct cp_copy *c, const struct vfs_attr *a) MAY_YIELD
{
	const struct linked *l = find_linked(c, a);
	int r;

	if (l) {
		r = check_place(c);
		if (r == 0)
			r = temporary_name(c);
		if (r == 0)
			r = c->to_side->tree->link(c->to_side, l->to, c->temp);
		if (r == 0)
			return put_in_place(c);
		/* Too many links, or none at all there: a copy does. */
		if (r != -EMLINK && r != -EPERM && r != -EOPNOTSUPP)
			return fail_to(c, r);
	}
	if (!copy_file(c, a))
		return false;
	if (!l)
		note_linked(c, a);
	return true;
}

/* ---- directories. */

static int append(char path[PATH_MAX], size_t len, const char *name)
{
	bool slash = len > 0 && path[len - 1] != '/';

	if (len + slash + strlen(name) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (slash)
		path[len++] = '/';
	memcpy(path + len, name, strlen(name) + 1);
	return 0;
}

/* A link that stands there may lead anywhere: it is not followed. */
static int make_directory(struct cp_copy *c) MAY_YIELD
{
	const struct cp_tree *tree = c->to_side->tree;
	struct vfs_attr there;
	int r = tree->stat(c->to_side, c->to, false, &there);

	if (r == 0)
		return S_ISDIR(there.mode) ? 0 : -ENOTDIR;
	if (r != -ENOENT)
		return r;
	r = tree->mkdir(c->to_side, c->to);
	if (r == 0 && !c->level && tree->stat(c->to_side, c->to, false, &there) == 0) {
		c->made_dev = there.dev;
		c->made_ino = there.ino;
	}
	return r;
}

static bool enter(struct cp_copy *c, const struct vfs_attr *a) MAY_YIELD
{
	struct level *l;
	int r;

	if (c->made_ino == a->ino && c->made_dev == a->dev &&
	    c->from_side->image == c->to_side->image)
		return fail_from(c, -ELOOP); /* what is being made is not copied */
	r = make_directory(c);
	if (r < 0)
		return fail_to(c, r);
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail_to(c, -ENOMEM);
	l->attr = *a;
	l->from_len = strlen(c->from);
	l->to_len = strlen(c->to);
	r = c->from_side->tree->list(c->from_side, c->from, &l->names);
	if (r < 0)
		fail_from(c, r); /* what was listed is copied */
	l->above = c->level;
	c->level = l;
	return true;
}

static void leave(struct cp_copy *c) MAY_YIELD
{
	struct level *l = c->level;
	int r;

	c->from[l->from_len] = '\0';
	c->to[l->to_len] = '\0';
	r = copy_attributes(c, &l->attr, c->to);
	if (r < 0)
		fail_to(c, r);
	c->level = l->above;
	free(l->names.text);
	free(l);
}

static void copy_any(struct cp_copy *c) MAY_YIELD
{
	struct vfs_attr a;
	int r = c->from_side->tree->stat(c->from_side, c->from, false, &a);

	if (r < 0) {
		fail_from(c, r);
		return;
	}
	if (S_ISDIR(a.mode)) {
		if (c->options.recursive) {
			(void)enter(c, &a);
			return;
		}
		tell(c, c->from_side, c->from, "is a directory; -r copies those");
		return;
	}
	if (a.nlink > 1 ? copy_linked(c, &a) : copy_file(c, &a))
		c->files++;
	show_progress(c);
}

/* The next name of the directory that is open. */
static void copy_next(struct cp_copy *c) MAY_YIELD
{
	struct level *l = c->level;
	const char *name;
	int r;

	if (l->next >= l->names.size || stopped(c)) {
		leave(c);
		return;
	}
	name = l->names.text + l->next;
	l->next += strlen(name) + 1;
	c->from[l->from_len] = '\0';
	c->to[l->to_len] = '\0';
	if (strncmp(name, CP_TEMPORARY, strlen(CP_TEMPORARY)) == 0 &&
	    c->from_side->image == c->to_side->image)
		return; /* our own */
	r = append(c->from, l->from_len, name);
	if (r < 0) {
		fail_from(c, r);
		return;
	}
	r = append(c->to, l->to_len, name);
	if (r < 0) {
		fail_to(c, r);
		return;
	}
	copy_any(c);
}

bool cp_copy_one(struct cp_copy *c, const struct cp_side *from_side, const char *from,
		 const struct cp_side *to_side, const char *to)
{
	c->from_side = from_side;
	c->to_side = to_side;
	c->made_ino = 0;
	if (snprintf(c->from, PATH_MAX, "%s", from) >= PATH_MAX)
		return fail_from(c, -ENAMETOOLONG);
	if (snprintf(c->to, PATH_MAX, "%s", to) >= PATH_MAX)
		return fail_to(c, -ENAMETOOLONG);
	copy_any(c);
	while (c->level)
		copy_next(c);
	return !stopped(c);
}

bool cp_copy_finish(struct cp_copy *c)
{
	clear_progress(c);
	if (c->owners_lost > 0)
		cmd_complain(NAME, "owners of %llu files were not kept: that is for root",
			     (unsigned long long)c->owners_lost);
	if (c->xattrs_lost > 0)
		cmd_complain(NAME, "extended attributes of %llu files were not all kept",
			     (unsigned long long)c->xattrs_lost);
	if (*c->stop)
		cmd_complain(NAME, "ended by signal %d; what was begun was removed", *c->stop);
	return c->errors == 0 && !*c->stop;
}
