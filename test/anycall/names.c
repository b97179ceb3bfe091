/* SPDX-License-Identifier: MIT */
/*
 * names.c - calls on names: links, folders, rights, times, extended attributes.
 */
#include "test/anycall/anycall.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <utime.h>

/* Times that a case has set itself are of 1970; others differ from run to run. */
static void note_mode(struct run *run, const char *name)
{
	struct stat st;

	if (lstat(name, &st) == 0)
		anycall_note(run, "    %s: mode %o, links %llu, %lld\n", name, st.st_mode,
			     (unsigned long long)st.st_nlink,
			     st.st_mtime < 10000 ? (long long)st.st_mtime : -1);
	else
		anycall_note(run, "    %s: not there\n", name);
}

static void made_and_removed(struct run *run)
{
	struct stat st;

	CALL(run, mkdir, P("d"), 0750);
	CALL(run, mkdir, P("d"), 0750);
	CALL(run, mkdirat, AT_FDCWD, P("d/e"), 0777);
	CALL(run, mknod, P("d/f"), S_IFIFO | 0600, 0);
	CALL(run, mknodat, AT_FDCWD, P("d/g"), S_IFREG | 0644, 0);
	CALL(run, mknodat, AT_FDCWD, P("d/g"), S_IFREG | 0644, 0);
	CALL(run, rmdir, P("d"));
	CALL(run, unlink, P("d"));
	CALL(run, unlink, P("d/f"));
	CALL(run, unlinkat, AT_FDCWD, P("d/g"), 0);
	CALL(run, unlinkat, AT_FDCWD, P("d/e"), 0);
	CALL(run, unlinkat, AT_FDCWD, P("d/e"), AT_REMOVEDIR);
	CALL(run, rmdir, P("d"));
	CALL(run, rmdir, P("d"));
	CALL(run, unlink, P("d"));
	CALL(run, stat, P("d"), P(&st));
}

static void links(struct run *run)
{
	char text[64] = { 0 };

	CALL(run, mknod, P("a"), S_IFREG | 0600, 0);
	CALL(run, link, P("a"), P("b"));
	CALL(run, linkat, AT_FDCWD, P("a"), AT_FDCWD, P("c"), 0);
	note_mode(run, "a");
	CALL(run, link, P("a"), P("b"));
	CALL(run, link, P("none"), P("x"));
	CALL(run, symlink, P("target"), P("s"));
	CALL(run, symlinkat, P("other"), AT_FDCWD, P("t"));
	CALL(run, readlink, P("s"), P(text), sizeof(text));
	anycall_note_bytes(run, "readlink", text, sizeof(text));
	CALL(run, readlinkat, AT_FDCWD, P("t"), P(text), 3);
	anycall_note_bytes(run, "readlinkat", text, sizeof(text));
	CALL(run, readlink, P("a"), P(text), sizeof(text));
	CALL(run, readlink, P("s"), P(text), 0);
}

static void renamed(struct run *run)
{
	CALL(run, mknod, P("a"), S_IFREG | 0600, 0);
	CALL(run, mkdir, P("d"), 0700);
	CALL(run, rename, P("a"), P("b"));
	CALL(run, renameat, AT_FDCWD, P("b"), AT_FDCWD, P("d/c"));
	CALL(run, rename, P("d"), P("d/e"));
	CALL(run, rename, P("none"), P("x"));
	CALL(run, mknod, P("z"), S_IFREG | 0644, 0);
	CALL(run, renameat2, AT_FDCWD, P("z"), AT_FDCWD, P("d/c"), 1);
	CALL(run, renameat2, AT_FDCWD, P("z"), AT_FDCWD, P("d/c"), 2);
	CALL(run, renameat2, AT_FDCWD, P("z"), AT_FDCWD, P("d/c"), 64);
	note_mode(run, "z");
	note_mode(run, "d/c");
	note_mode(run, "a");
}

static void rights(struct run *run)
{
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);

	CALL(run, chmod, P("a"), 0604);
	note_mode(run, "a");
	CALL(run, fchmod, fd, 0640);
	note_mode(run, "a");
	CALL(run, fchmodat, AT_FDCWD, P("a"), 0444);
	note_mode(run, "a");
	CALL(run, fchmodat2, AT_FDCWD, P("a"), 0400, 0);
	note_mode(run, "a");
	CALL(run, chown, P("a"), -1, -1);
	CALL(run, fchown, fd, -1, -1);
	CALL(run, lchown, P("a"), -1, -1);
	CALL(run, fchownat, AT_FDCWD, P("a"), -1, -1, 0);
	CALL(run, fchownat, AT_FDCWD, P("none"), -1, -1, 0);
	CALL(run, access, P("a"), 4);
	CALL(run, access, P("a"), 1);
	CALL(run, access, P("a"), 9);
	CALL(run, faccessat, AT_FDCWD, P("none"), 0);
	CALL(run, faccessat2, AT_FDCWD, P("a"), 4, AT_EACCESS);
	CALL(run, faccessat2, AT_FDCWD, P("a"), 4, 1);
	CALL(run, umask, 077);
	CALL(run, mkdir, P("d"), 0777);
	note_mode(run, "d");
	CALL(run, umask, 022);
}

static void times_of_files(struct run *run)
{
	struct utimbuf old = { 1000, 2000 };
	struct timeval micro[2] = { { 3000, 5 }, { 4000, 5 } };
	struct timespec nano[2] = { { 5000, 5 }, { 6000, 5 } };
	struct timespec bad[2] = { { 1, -7 }, { 1, 0 } };

	CALL(run, mknod, P("a"), S_IFREG | 0600, 0);
	CALL(run, utime, P("a"), P(&old));
	note_mode(run, "a");
	CALL(run, utimes, P("a"), P(micro));
	note_mode(run, "a");
	micro[1].tv_sec = 4500;
	CALL(run, futimesat, AT_FDCWD, P("a"), P(micro));
	note_mode(run, "a");
	CALL(run, utimensat, AT_FDCWD, P("a"), P(nano), 0);
	note_mode(run, "a");
	CALL(run, utimensat, AT_FDCWD, P("a"), P(bad), 0);
	CALL(run, utime, P("none"), 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Entries are in no promised order. name_at: where in an entry the name is. */
static void note_entries(struct run *run, const char *list, int64_t size, size_t name_at)
{
	const char *name[16];
	size_t count = 0;
	unsigned short length;

	for (int64_t at = 0; at < size && count < 16; at += length) {
		memcpy(&length, list + at + 16, sizeof(length));
		name[count++] = list + at + name_at;
	}
	qsort(name, count, sizeof(name[0]), by_name);
	for (size_t i = 0; i < count; i++)
		anycall_note(run, "    entry %s\n", name[i]);
}

static void folders(struct run *run)
{
	char list[512];
	char here[256] = { 0 };
	int64_t fd, size;

	CALL(run, mkdir, P("d"), 0700);
	CALL(run, mknod, P("d/one"), S_IFREG | 0600, 0);
	CALL(run, mknod, P("d/two"), S_IFREG | 0600, 0);
	fd = CALL(run, open, P("d"), O_RDONLY | O_DIRECTORY);
	size = CALL(run, getdents64, fd, P(list), sizeof(list));
	note_entries(run, list, size, offsetof(struct dirent64, d_name));
	CALL(run, getdents64, fd, P(list), sizeof(list));
	CALL(run, lseek, fd, 0, 0);
	CALL(run, getdents64, fd, P(list), 1);
	size = CALL(run, getdents, fd, P(list), sizeof(list));
	note_entries(run, list, size, 18);
	CALL(run, chdir, P("d"));
	note_mode(run, "one");
	CALL_HIDDEN(run, getcwd, P(here), sizeof(here));
	anycall_note(run, "    in %s\n", strrchr(here, '/') ? strrchr(here, '/') : "nothing");
	CALL(run, getcwd, P(here), 1);
	CALL(run, chdir, P("none"));
	CALL(run, chdir, P("one"));
	CALL(run, unlink, P("two"));
	CALL(run, chdir, P(".."));
	CALL(run, fchdir, fd);
	note_mode(run, "two");
	note_mode(run, "one");
	CALL(run, fchdir, 0);
	CALL(run, chroot, P("none"));
}

static void file_systems(struct run *run)
{
	struct statfs fs;
	char name[64] = { 0 };
	int64_t fd = CALL(run, open, P("."), O_RDONLY);

	CALL(run, statfs, P("."), P(&fs));
	anycall_note(run, "    type %lx block %ld\n", (long)fs.f_type, (long)fs.f_bsize);
	CALL(run, fstatfs, fd, P(&fs));
	anycall_note(run, "    names %ld\n", (long)fs.f_namelen);
	CALL(run, statfs, P("none"), P(&fs));
	CALL(run, fstatfs, 99, P(&fs));
	CALL(run, ustat, 0xffffff, P(name));
	CALL(run, sysfs, 1, P("proc"));
	CALL(run, sysfs, 2, 0, P(name));
	anycall_note(run, "    %s\n", name);
	CALL(run, sysfs, 3);
}

static void extended_attributes(struct run *run)
{
	char text[256] = { 0 };
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);

	CALL(run, setxattr, P("a"), P("user.one"), P("1st"), 3, 0);
	CALL(run, setxattr, P("a"), P("user.one"), P("1st"), 3, XATTR_CREATE);
	CALL(run, lsetxattr, P("a"), P("user.two"), P("2nd"), 3, 0);
	CALL(run, fsetxattr, fd, P("user.three"), P("3rd"), 3, 0);
	CALL(run, getxattr, P("a"), P("user.one"), P(text), sizeof(text));
	anycall_note_bytes(run, "getxattr", text, 8);
	CALL(run, lgetxattr, P("a"), P("user.two"), P(text), sizeof(text));
	anycall_note_bytes(run, "lgetxattr", text, 8);
	CALL(run, fgetxattr, fd, P("user.three"), P(text), sizeof(text));
	anycall_note_bytes(run, "fgetxattr", text, 8);
	CALL(run, getxattr, P("a"), P("user.none"), P(text), sizeof(text));
	CALL(run, listxattr, P("a"), P(text), sizeof(text));
	CALL(run, llistxattr, P("a"), P(text), 1);
	CALL(run, flistxattr, fd, 0, 0);
	CALL(run, removexattr, P("a"), P("user.one"));
	CALL(run, lremovexattr, P("a"), P("user.two"));
	CALL(run, fremovexattr, fd, P("user.three"));
	CALL(run, fremovexattr, fd, P("user.three"));
	CALL(run, setxattr, P("a"), P("bad"), P(""), 0, 0);
	CALL(run, setxattrat, AT_FDCWD, P("a"), 0, P("user.four"), 0, 0);
	CALL(run, getxattrat, AT_FDCWD, P("a"), 0, P("user.four"), 0, 0);
	CALL(run, listxattrat, AT_FDCWD, P("a"), 0, P(text), sizeof(text));
	CALL(run, removexattrat, AT_FDCWD, P("a"), 0, P("user.none"));
	CALL(run, file_getattr, AT_FDCWD, P("a"), P(text), 1, 0);
	CALL(run, file_setattr, AT_FDCWD, P("a"), P(text), 1, 0);
}

static void handles(struct run *run)
{
	struct file_handle empty = { .handle_bytes = 0 };
	int mount_id;

	CALL(run, name_to_handle_at, AT_FDCWD, P("."), P(&empty), P(&mount_id), 0);
	CALL(run, name_to_handle_at, AT_FDCWD, P("none"), P(&empty), P(&mount_id), 0);
	CALL(run, open_by_handle_at, 99, P(&empty), O_RDONLY);
}

const struct anycall_case anycall_names[] = {
	{ "made_and_removed", made_and_removed },
	{ "links", links },
	{ "renamed", renamed },
	{ "rights", rights },
	{ "times_of_files", times_of_files },
	{ "folders", folders },
	{ "file_systems", file_systems },
	{ "extended_attributes", extended_attributes },
	{ "handles", handles },
	{ NULL, NULL },
};
