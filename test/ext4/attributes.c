#include "test/ext4/attributes.h"

const char *const attr_kinds[ATTR_KINDS] = {
	"-b 1024",
	"-b 4096",
	"-b 1024 -I 128",
	"-b 1024 -I 1024",
	"-b 4096 -O ^has_journal",
	"-b 1024 -O ^metadata_csum",
	"-b 1024 -O ^ext_attr",
	"-b 2048 -O ^64bit,^resize_inode",
};

const struct attr_list attr_list = {
	2,
	{ { ACL_OWNER, 6, ACL_NO_ID },
	  { ACL_USER, 7, 70000 },
	  { ACL_OWNING_GROUP, 0, ACL_NO_ID },
	  { ACL_GROUP, 5, 100 },
	  { ACL_MASK, 5, ACL_NO_ID },
	  { ACL_OTHER, 1, ACL_NO_ID } },
};

struct dentry *attr_walk(const char *path)
{
	struct dentry *d;

	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	return d;
}

int attr_set(const char *path, const char *name, const void *value, size_t size, int flags)
{
	const struct vfs_bytes bytes = { value, size };
	struct dentry *d = attr_walk(path);
	int r = vfs_setxattr(&cred, dentry_inode(d), name, &bytes, flags);

	dentry_put(d);
	return r;
}

int attr_set_text(const char *path, const char *name, const char *value)
{
	return attr_set(path, name, value, strlen(value), 0);
}

char attr_got[VFS_XATTR_SIZE_MAX + 1];

ssize_t attr_get(const char *path, const char *name, size_t size)
{
	struct dentry *d = attr_walk(path);
	ssize_t n = vfs_getxattr(&cred, dentry_inode(d), name, attr_got, size);

	dentry_put(d);
	if (n >= 0 && size > 0)
		attr_got[n] = '\0';
	return n;
}

const char *attr_text(const char *path, const char *name)
{
	ssize_t n = attr_get(path, name, sizeof(attr_got) - 1);

	return n < 0 ? strerrorname_np((int)-n) : attr_got;
}

int attr_take_away(const char *path, const char *name)
{
	struct dentry *d = attr_walk(path);
	int r = vfs_removexattr(&cred, dentry_inode(d), name);

	dentry_put(d);
	return r;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *attr_list_of(const char *path)
{
	static char names[4096], all[8192];
	static char *sorted[256];
	char *at = all;
	struct dentry *d = attr_walk(path);
	ssize_t n = vfs_listxattr(&cred, dentry_inode(d), names, sizeof(names));
	size_t count = 0;

	dentry_put(d);
	CHECK(n >= 0);
	for (char *name = names; name < names + n; name += strlen(name) + 1)
		sorted[count++] = name;
	qsort(sorted, count, sizeof(*sorted), by_text);
	*at = '\0';
	for (size_t i = 0; i < count; i++)
		at = stpcpy(stpcpy(at, sorted[i]), " ");
	return all;
}

void attr_start(const char *kind)
{
	image_make(kind, "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/file", 0644), 0);
	CHECK_INT(do_mkdir("/dir"), 0);
	CHECK_INT(do_symlink("file", "/link"), 0);
}

void attr_judge(void)
{
	image_unmount();
	image_judge();
}

void attr_again(void)
{
	attr_judge();
	image_mount(false);
}

void attr_fill(char *value, size_t size, unsigned int number)
{
	for (size_t i = 0; i < size; i++)
		value[i] = (char)('a' + (i * 7 + number) % 26);
	value[size] = '\0';
}
