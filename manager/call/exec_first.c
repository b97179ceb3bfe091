/* exec_first.c - finds and loads the program that the manager was started for. */
#include "call/exec.h"

#include "call/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *start_why;
static int start_error;

/* 0 and the dentry, or what says that this name is not it. */
static int try_name(const struct vfs *view, const char *path, struct dentry **ret) MAY_YIELD
{
	struct dentry *d;
	int r = vfs_walk(view, NULL, path, VFS_FOLLOW, &d);

	if (r < 0)
		return r;
	r = S_ISDIR(dentry_inode(d)->type)
		    ? -EISDIR
		    : vfs_permission(view->cred, dentry_inode(d), VFS_MAY_EXEC);
	if (r < 0)
		dentry_put(d);
	else
		*ret = d;
	return r;
}

static const char *search_path(char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* As a shell looks for a command: the first that can be executed, by PATH. Its name: e->name. */
static int find_by_path(const struct call_first *first, const struct vfs *view, struct exec *e,
			struct dentry **ret) MAY_YIELD
{
	const char *at = search_path(first->envp);
	int error = -ENOENT;

	if (*first->argv[0] == '\0')
		return error;
	for (;;) {
		size_t size = strcspn(at, ":");
		int length = snprintf(e->name, REQUEST_STRING_SIZE, "%.*s/%s", size ? (int)size : 1,
				      size ? at : ".", first->argv[0]);
		int r = length < (int)REQUEST_STRING_SIZE ? try_name(view, e->name, ret)
							  : -ENAMETOOLONG;

		if (r == 0)
			return 0;
		if (r == -EACCES)
			error = r;
		if (!at[size])
			return error;
		at += size + 1;
	}
}

static int find(const struct call_first *first, const struct vfs *view, struct exec *e,
		struct dentry **ret) MAY_YIELD
{
	const char *path = first->path ? first->path : first->argv[0];

	if (!first->path && !strchr(path, '/'))
		return find_by_path(first, view, e, ret);
	if (strlen(path) >= REQUEST_STRING_SIZE)
		return -ENAMETOOLONG;
	memcpy(e->name, path, strlen(path) + 1);
	return vfs_walk(view, NULL, path, VFS_FOLLOW, ret);
}

static int load(const struct call_first *first, const struct vfs *view, struct exec *e) MAY_YIELD
{
	struct dentry *d;
	int r = find(first, view, e, &d);

	if (r < 0)
		return r;
	if (S_ISDIR(dentry_inode(d)->type))
		start_why = "is a directory";
	r = exec_load(e, view, d);
	if (r < 0 && e->fault)
		start_why = elf_why(e->fault);
	else if (r == -ENOENT)
		start_why = e->prefix_count || e->program.elf.interp[0] == '\0'
				    ? "is a script whose interpreter is missing"
				    : "needs a dynamic linker that is missing";
	return r;
}

int exec_load_first(struct exec *e, const struct vfs *view, const struct call_first *first)
{
	int r;

	start_why = NULL;
	r = load(first, view, e);
	start_error = -r;
	return r;
}

const char *exec_start_why(void)
{
	return start_why;
}

int exec_start_error(void)
{
	return start_error;
}
