#include "call/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int exec_new(struct exec **ret)
{
	struct exec *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->program.mapping.host_fd = -1;
	e->interpreter.mapping.host_fd = -1;
	*ret = e;
	return 0;
}

static void file_drop(struct exec_file *f)
{
	dentry_put(f->dentry);
	stub_text_put(f->text);
	if (f->mapping.host_fd >= 0)
		close(f->mapping.host_fd);
}

void exec_free(struct exec *e)
{
	if (!e)
		return;
	file_drop(&e->program);
	file_drop(&e->interpreter);
	free(e);
}

/* May this be run? */
static int check_file(const struct vfs *view, struct inode *inode) MAY_YIELD
{
	int r;

	if (!S_ISREG(inode->type))
		return -EACCES;
	r = vfs_permission(view->cred, inode, VFS_MAY_EXEC);
	if (r < 0)
		return r;
	return inode->write_opens > 0 ? -ETXTBSY : 0;
}

/* Open and check what a path names. */
static int find_file(const struct vfs *view, const char *path, struct dentry **ret) MAY_YIELD
{
	struct dentry *d;
	int r = vfs_walk(view, NULL, path, VFS_FOLLOW, &d);

	if (r < 0)
		return r;
	r = check_file(view, dentry_inode(d));
	if (r < 0) {
		dentry_put(d);
		return r;
	}
	*ret = d;
	return 0;
}

static ssize_t read_inode(void *ctx, void *buf, size_t size, uint64_t offset) MAY_YIELD
{
	size_t done = 0;

	while (done < size) {
		ssize_t r = vfs_read(ctx, (char *)buf + done, size - done, offset + done);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* The file's first bytes, zeroes behind its end. Their count, or -errno. */
static ssize_t read_head(struct exec *e, const struct exec_file *f) MAY_YIELD
{
	ssize_t got = read_inode(dentry_inode(f->dentry), e->head, EXEC_HEAD_SIZE, 0);

	if (got >= 0)
		memset(e->head + got, 0, EXEC_HEAD_SIZE - (size_t)got);
	return got;
}

/* ---- scripts */

static void prefix_insert(struct exec *e, const char *string)
{
	uint32_t size = (uint32_t)strlen(string) + 1;

	assert(size <= EXEC_PREFIX_SIZE - e->prefix_size);
	memmove(e->prefix + size, e->prefix, e->prefix_size);
	memcpy(e->prefix, string, size);
	e->prefix_size += size;
	e->prefix_count++;
}

/* The program is a script: its interpreter takes its place. */
static int follow_script(struct exec *e, const struct vfs *view) MAY_YIELD
{
	char line[EXEC_LINE_SIZE];
	struct exec_script script;
	struct dentry *d;
	int r;

	memcpy(line, e->head, sizeof(line));
	r = exec_script_parse(line, &script);
	if (r < 0)
		return r;
	if (e->name_closes) /* the interpreter could not open it */
		return -ENOENT;
	if (script.interpreter[0] == '\0') /* a NUL in the file: for Linux, the directory */
		return -EACCES;
	r = find_file(view, script.interpreter, &d);
	if (r < 0)
		return r;
	if (e->prefix_count == 0)
		prefix_insert(e, e->name);
	/* From the second script on, its own name is there already: the line before had it. */
	if (script.argument)
		prefix_insert(e, script.argument);
	prefix_insert(e, script.interpreter);
	dentry_put(e->program.dentry);
	e->program.dentry = d;
	return 0;
}

/* ---- programs */

/* Parse a file whose head was read. */
static int parse_file(struct exec *e, struct exec_file *f, size_t head_size, bool interpreter)
	MAY_YIELD
{
	struct inode *inode = dentry_inode(f->dentry);
	struct elf_source source = {
		.head = e->head, .head_size = head_size, .read = read_inode, .ctx = inode
	};
	struct vfs_attr attr;
	int r = vfs_getattr(inode, &attr);

	if (r < 0)
		return r;
	source.size = attr.size;
	r = elf_parse(&source, &f->elf);
	/* The program may lie anywhere; an interpreter that is not relocatable could hit it. */
	if (r == ELF_FINE && interpreter && !f->elf.run.relocatable)
		r = ELF_SEGMENT_PLACE;
	if (r <= 0)
		return r;
	e->fault = r;
	return elf_errno(r, interpreter);
}

static int load_interpreter(struct exec *e, const struct vfs *view) MAY_YIELD
{
	ssize_t got;
	int r = find_file(view, e->program.elf.interp, &e->interpreter.dentry);

	if (r < 0)
		return r;
	got = read_head(e, &e->interpreter);
	if (got < 0)
		return (int)got;
	return parse_file(e, &e->interpreter, (size_t)got, true);
}

/* The file's descriptor, as our own: the file system may close its own while we wait. */
static int map_file(struct exec_file *f) MAY_YIELD
{
	struct vfs_mapping mapping;
	int fd, r;

	r = vfs_map(dentry_inode(f->dentry), false, &mapping);
	if (r < 0)
		return r;
	fd = fcntl(mapping.host_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	f->mapping = mapping;
	f->mapping.host_fd = fd;
	f->mapping.writable = false;
	return 0;
}

static int finish_file(struct exec_file *f, bool surely) MAY_YIELD
{
	f->text = stub_text_find(dentry_inode(f->dentry), STUB_RUN, surely);
	return map_file(f);
}

int exec_load(struct exec *e, const struct vfs *view, struct dentry *d)
{
	ssize_t got;
	int r;

	e->program.dentry = d;
	r = check_file(view, dentry_inode(d));
	if (r < 0)
		return r;
	got = read_head(e, &e->program);
	for (unsigned int scripts = 0; got >= 2 && e->head[0] == '#' && e->head[1] == '!';) {
		if (++scripts > EXEC_SCRIPTS_MAX)
			return -ELOOP;
		r = follow_script(e, view);
		if (r < 0)
			return r;
		got = read_head(e, &e->program);
	}
	if (got < 0)
		return (int)got;
	r = parse_file(e, &e->program, (size_t)got, false);
	if (r == 0 && e->program.elf.interp[0])
		r = load_interpreter(e, view);
	if (r == 0)
		r = finish_file(&e->program, !e->interpreter.dentry);
	if (r == 0 && e->interpreter.dentry)
		r = finish_file(&e->interpreter, true);
	return r;
}
