/* paths.c - what each call with a path answers to paths that are missing, wrong, long, circular. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static char long_name[300], long_path[6000], edge_name[256];

static const char *const odd_paths[] = {
	"missing",
	"missing/below",
	"file/below",
	"file/",
	"folder",
	"folder/",
	"folder/.",
	"folder/..",
	"",
	"loop",
	"loop/below",
	"dangling",
	"dangling/",
	"link/",
	"tofolder/",
	"tofolder/x",
	"/",
	".",
	"..",
	"//",
	"./file",
	"folder/../file",
	"/nonexistent/x",
	edge_name,
	long_name,
	long_path,
	"file/.",
	"file/..",
	"./folder//./x",
	"missing/..",
	"toself/file",
	"/proc/self/cwd/file",
	"/dev/null/x",
};

static int with_open(const char *p)
{
	return open(p, O_RDONLY);
}
static int with_create(const char *p)
{
	return open(p, O_WRONLY | O_CREAT, 0600);
}
static int with_exclusive(const char *p)
{
	return open(p, O_WRONLY | O_CREAT | O_EXCL, 0600);
}
static int with_stat(const char *p)
{
	struct stat st;
	return stat(p, &st);
}
static int with_lstat(const char *p)
{
	struct stat st;
	return lstat(p, &st);
}
static int with_access(const char *p)
{
	return access(p, R_OK | W_OK);
}
static int with_mkdir(const char *p)
{
	return mkdir(p, 0700);
}
static int with_symlink(const char *p)
{
	return symlink("file", p);
}
static int with_link(const char *p)
{
	return link("file", p);
}
static int with_link_from(const char *p)
{
	return link(p, "made");
}
static int with_rename_to(const char *p)
{
	return rename("other", p);
}
static int with_rename_from(const char *p)
{
	return rename(p, "made");
}
static int with_readlink(const char *p)
{
	char text[100];
	return (int)readlink(p, text, sizeof(text));
}
static int with_truncate(const char *p)
{
	return truncate(p, 3);
}
static int with_chmod(const char *p)
{
	return chmod(p, 0755);
}
static int with_chown(const char *p)
{
	return chown(p, -1, -1);
}
static int with_mkfifo(const char *p)
{
	return mkfifo(p, 0600);
}
static int with_utimensat(const char *p)
{
	return utimensat(AT_FDCWD, p, NULL, 0);
}
static int with_statfs(const char *p)
{
	struct statfs s;
	return statfs(p, &s);
}
static int with_getxattr(const char *p)
{
	return getxattr(p, "user.none", NULL, 0);
}
static int with_execve(const char *p)
{
	return execve(p, (char *[]){ "x", NULL }, NULL);
}
static int with_chdir(const char *p)
{
	int here = open(".", O_RDONLY), r = chdir(p), saved = errno;
	if (fchdir(here) < 0)
		abort();
	close(here);
	errno = saved;
	return r;
}

static const struct {
	const char *name;
	int (*fn)(const char *);
} calls[] = {
	{ "open", with_open },
	{ "create", with_create },
	{ "exclusive", with_exclusive },
	{ "stat", with_stat },
	{ "lstat", with_lstat },
	{ "access", with_access },
	{ "mkdir", with_mkdir },
	{ "symlink", with_symlink },
	{ "link", with_link },
	{ "link from", with_link_from },
	{ "rename to", with_rename_to },
	{ "rename from", with_rename_from },
	{ "readlink", with_readlink },
	{ "truncate", with_truncate },
	{ "chmod", with_chmod },
	{ "chown", with_chown },
	{ "mkfifo", with_mkfifo },
	{ "utimensat", with_utimensat },
	{ "statfs", with_statfs },
	{ "getxattr", with_getxattr },
	{ "chdir", with_chdir },
	{ "execve", with_execve },
	{ "unlink", unlink },
	{ "rmdir", rmdir },
};

static int changes_object(int (*fn)(const char *))
{
	return fn == with_chmod || fn == with_chown || fn == with_utimensat;
}

/* The same little tree again for each call and path. */
static void make_tree(void)
{
	if (system("rm -rf tree && mkdir tree") != 0 || chdir("tree") < 0)
		exit(1);
	make_file("file", "file");
	make_file("other", "other");
	mkdir("folder", 0755);
	symlink("loop", "loop");
	symlink("nowhere", "dangling");
	symlink("file", "link");
	symlink("folder", "tofolder");
	symlink(".", "toself");
}

static void remake_tree(void)
{
	if (unlink("made") < 0)
		rmdir("made");
	if (access("file", F_OK) == 0 && access("other", F_OK) == 0 &&
	    access("folder/.", F_OK) == 0 && access("missing", F_OK) < 0 &&
	    access("nowhere", F_OK) < 0 && access("folder/x", F_OK) < 0 &&
	    access(edge_name, F_OK) < 0) {
		struct stat st;
		if (lstat("link", &st) == 0 && lstat("loop", &st) == 0 &&
		    lstat("dangling", &st) == 0 && S_ISLNK(st.st_mode) &&
		    lstat("tofolder", &st) == 0 && lstat("toself", &st) == 0 &&
		    truncate("file", 4) == 0)
			return;
	}
	if (chdir("..") < 0)
		exit(1);
	make_tree();
}

static void case_odd_paths(void)
{
	memset(long_name, 'n', 256);
	memset(edge_name, 'e', 255);
	for (size_t i = 0; i + 2 < sizeof(long_path); i += 2)
		memcpy(long_path + i, "./", 2);
	make_tree();
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
		for (size_t p = 0; p < sizeof(odd_paths) / sizeof(odd_paths[0]); p++) {
			char what[80];
			int r;

			if (changes_object(calls[c].fn) && odd_paths[p][0] == '/' &&
			    strspn(odd_paths[p], "/") == strlen(odd_paths[p]))
				continue; /* the root folder is the machine's, natively */
			snprintf(what, sizeof(what), "%s(%.30s)", calls[c].name, odd_paths[p]);
			errno = 0;
			r = calls[c].fn(odd_paths[p]);
			tell(what, r < 0 ? -1 : calls[c].fn == with_readlink ? r : 0);
			if (r > 2)
				close_range(3, 20, 0);
			remake_tree();
		}
}

static void case_at_calls(void)
{
	int dir, file;
	struct stat st;
	char text[20];

	mkdir("d", 0755);
	make_file("d/f", "in d");
	make_file("f", "outside");
	dir = open("d", O_RDONLY | O_DIRECTORY);
	file = open("f", O_RDONLY);
	T(fstatat(dir, "f", &st, 0));
	say("%ld", (long)st.st_size);
	T(fstatat(dir, "missing", &st, 0));
	T(fstatat(file, "f", &st, 0));
	T(fstatat(999, "f", &st, 0));
	T(fstatat(999, "/", &st, 0));
	T(fstatat(file, "", &st, AT_EMPTY_PATH));
	T(fstatat(file, "", &st, 0));
	T(openat(dir, "new", O_CREAT | O_WRONLY, 0600) >= 0);
	T(mkdirat(dir, "sub", 0700));
	T(symlinkat("f", dir, "l"));
	T(readlinkat(dir, "l", text, 20));
	T(readlinkat(dir, "f", text, 20));
	T(readlinkat(dir, "l", text, 0));
	T(linkat(dir, "f", AT_FDCWD, "g", 0));
	T(linkat(dir, "l", AT_FDCWD, "l2", 0));
	show("l2");
	T(linkat(dir, "l", AT_FDCWD, "l3", AT_SYMLINK_FOLLOW));
	show("l3");
	T(linkat(dir, "f", AT_FDCWD, "x", 0x8000));
	T(renameat(dir, "new", AT_FDCWD, "moved"));
	T(unlinkat(dir, "sub", 0));
	T(unlinkat(dir, "f", AT_REMOVEDIR));
	T(unlinkat(dir, "sub", AT_REMOVEDIR));
	T(unlinkat(dir, "f", 0x8000));
	T(fchmodat(dir, "f", 0640, 0));
	show("d/f");
	T(fchownat(dir, "l", 5, 6, AT_SYMLINK_NOFOLLOW));
	T(faccessat(dir, "f", R_OK, 0));
	T(faccessat(dir, "f", 99, 0));
	T(mknodat(dir, "p", S_IFIFO | 0600, 0));
	show("d/p");
	T(unlink("d/f"));
	T(rename("d", "renamed"));
	T(fstatat(dir, "l", &st, AT_SYMLINK_NOFOLLOW));
	T(system("rm -r renamed"));
	T(openat(dir, "x", O_CREAT | O_WRONLY, 0600));
	T(fstatat(dir, ".", &st, 0));
	T(openat(dir, "..", O_RDONLY));
	T(fchdir(dir));
	T(getcwd(text, 20) ? 0 : -1);
	T(fchdir(file));
}

static long openat2_of(const char *path, unsigned long resolve, unsigned long flags)
{
	struct open_how how = { .flags = flags, .resolve = resolve };
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd >= 0)
		close((int)fd);
	return fd < 0 ? -1 : 0;
}

static void case_openat2(void)
{
	mkdir("d", 0755);
	make_file("d/f", "x");
	symlink("f", "d/l");
	T(openat2_of("d/f", 0, O_RDONLY));
	T(openat2_of("d/l", RESOLVE_NO_SYMLINKS, O_RDONLY));
	T(openat2_of("d/../d/f", RESOLVE_BENEATH, O_RDONLY));
	T(openat2_of("../x", RESOLVE_BENEATH, O_RDONLY));
	T(openat2_of("/etc/passwd", RESOLVE_BENEATH, O_RDONLY));
	T(openat2_of("/d/f", RESOLVE_IN_ROOT, O_RDONLY));
	T(openat2_of("d/f", 1 << 20, O_RDONLY));
	T(openat2_of("d/f", 0, 1ul << 40));
}

static void case_links(void)
{
	char name[20], before[20] = "l0";

	make_file("f", "x");
	T(link("f", "a"));
	T(link("f", "a"));
	T(link("missing", "b"));
	mkdir("d", 0755);
	T(link("d", "e"));
	T(link("f", "missing/x"));
	T(unlink("d"));
	T(rmdir("f"));
	T(unlink("f"));
	show("a");
	T(symlink("", "empty"));
	T(symlink("x", "a"));
	T(symlink("a", "l0"));
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		symlink(before, name);
		strcpy(before, name);
	}
	T(access("l39", F_OK));
	T(access("l40", F_OK));
	T(access("l41", F_OK));
	symlink("d/.", "dd");
	symlink("dd", "ddd");
	T(mkdir("ddd/made", 0700));
	show("d/made");
	symlink("made/../..", "d/up");
	T(access("d/up/a", F_OK));
	symlink("/proc/self/cwd/a", "magic");
	show_text("magic");
	T(mknod("p", S_IFIFO | 0640, 0));
	T(mknod("r", S_IFREG | 0640, 0));
	T(mknod("r", S_IFREG | 0640, 0));
	T(mknod("dir", S_IFDIR | 0640, 0));
	show("p");
	show("r");
	T(open("p", O_WRONLY | O_NONBLOCK));
	T(open("p", O_RDONLY | O_NONBLOCK) >= 0);
	T(open("p", O_WRONLY | O_NONBLOCK) >= 0);
}

static void case_umask_and_modes(void)
{
	T(umask(0));
	T(umask(027));
	T(open("a", O_CREAT | O_WRONLY, 0777) >= 0);
	show("a");
	T(mkdir("d", 0777));
	show("d");
	T(mkfifo("p", 0666));
	show("p");
	T(umask(01777));
	T(umask(0));
	T(open("s", O_CREAT | O_WRONLY, 07777) >= 0);
	show("s");
	T(chmod("s", 06755));
	T(chown("s", 5, 6));
	show("s");
	T(chmod("s", 04755));
	T(write(open("s", O_WRONLY), "x", 1));
	show("s");
	T(chmod("d", 02770));
	T(mkdir("d/sub", 0700));
	show("d/sub");
	T(fchmod(open("a", O_RDONLY), 0));
	show("a");
	T(chmod("a", 0200000 | 0644));
	show("a");
}

static void as_somebody(void)
{
	T(setgid(1234));
	T(setuid(1234));
	T(open("private", O_RDONLY));
	T(open("readable", O_RDONLY) >= 0);
	T(open("readable", O_WRONLY));
	T(access("readable", W_OK));
	T(open("closed/f", O_RDONLY));
	T(open("searchable/f", O_RDONLY) >= 0);
	T(open("searchable", O_RDONLY));
	T(open("new", O_CREAT | O_WRONLY, 0600));
	T(unlink("readable"));
	T(mkdir("open/mine", 0700));
	T(rename("open/theirs", "open/x"));
	T(rename("sticky/theirs", "sticky/x"));
	T(unlink("sticky/theirs"));
	T(unlink("open/theirs"));
	T(chmod("readable", 0777));
	T(chown("readable", 1234, 1234));
	T(chown("open/mine", 0, 0));
	T(chmod("open/mine", 02755));
	T(utimensat(AT_FDCWD, "readable", NULL, 0));
	T(execl("noexec", "x", NULL));
	T(truncate("readable", 0));
	T(setuid(0));
	T(chdir("closed"));
	T(chroot("."));
	T(link("private", "open/stolen") == -1 ? 1 : 0);
	T(mknod("open/dev", S_IFCHR | 0666, 0x103));
}

static void case_permissions(void)
{
	umask(0);
	make_file("private", "x");
	make_file("readable", "x");
	make_file("noexec", "#!/bin/sh\n");
	mkdir("closed", 0700);
	make_file("closed/f", "x");
	mkdir("searchable", 0711);
	make_file("searchable/f", "x");
	mkdir("open", 0777);
	make_file("open/theirs", "x");
	mkdir("sticky", 01777);
	make_file("sticky/theirs", "x");
	chmod("private", 0600);
	chmod("readable", 0644);
	chmod("sticky", 01777);
	if (getuid() == 0)
		in_child(as_somebody);
	T(access("noexec", X_OK));
	T(execl("noexec", "x", NULL));
	chmod("private", 0);
	T(open("private", O_RDWR) >= 0);
}

const struct conform_case path_cases[] = {
	CASE(odd_paths),       CASE(at_calls),	  CASE(openat2),  CASE(links),
	CASE(umask_and_modes), CASE(permissions), { NULL, NULL },
};
