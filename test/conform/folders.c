/* folders.c - rename, reading folders while they change, the working folder, /proc/self/fd. */
#include "conform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const kinds[] = { "missing",	 "file",     "empty",	 "full", "link",
				     "dangling", "tofolder", "samefile", "fifo" };

static void make_kinds(void)
{
	static const char script[] =
		"rm -rf t && mkdir -p t/empty t/full && echo f >t/file && echo g >t/full/x && "
		"ln -s file t/link && ln -s nowhere t/dangling && ln -s full t/tofolder && "
		"ln t/file t/samefile && mkfifo t/fifo";

	if (system(script) != 0 || chdir("t") < 0)
		exit(1);
}

/* Every kind of thing renamed to every other, plainly, with NOREPLACE, with EXCHANGE. */
static void case_rename_matrix(void)
{
	static const unsigned int flags[] = { 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	char what[80];

	for (size_t f = 0; f < 3; f++)
		for (size_t a = 0; a < sizeof(kinds) / sizeof(kinds[0]); a++)
			for (size_t b = 0; b < sizeof(kinds) / sizeof(kinds[0]); b++) {
				struct stat before, after;
				make_kinds();
				memset(&before, 0, sizeof(before));
				lstat(kinds[a], &before);
				snprintf(what, sizeof(what), "rename(%s, %s, %u)", kinds[a],
					 kinds[b], flags[f]);
				errno = 0;
				int r = renameat2(AT_FDCWD, kinds[a], AT_FDCWD, kinds[b], flags[f]);
				tell(what, r);
				if (r == 0) {
					int there = lstat(kinds[a], &after) == 0;
					lstat(kinds[b], &after);
					say("source there %d, moved %d", there,
					    before.st_ino == after.st_ino);
				}
				if (chdir("..") < 0)
					exit(1);
			}
}

static void case_rename_rest(void)
{
	make_kinds();
	T(rename("full", "full/below"));
	T(rename("full/x", "full"));
	T(rename("full", "full/."));
	T(rename(".", "dot"));
	T(rename("full", ".."));
	T(rename("full/", "folder/"));
	T(rename("file", "new/"));
	T(rename("file/", "new"));
	T(rename("folder/x", "./folder/../folder/y"));
	T(access("folder/y", F_OK));
	T(rename("empty", "folder/empty"));
	T(renameat2(AT_FDCWD, "file", AT_FDCWD, "x", 99));
	T(renameat2(AT_FDCWD, "file", AT_FDCWD, "x", RENAME_NOREPLACE | RENAME_EXCHANGE));
	T(rename("file", "/proc/x") == -1);
	T(rmdir("folder"));
	T(rmdir("folder/empty/"));
	T(rmdir("."));
	T(rmdir("folder/.."));
	T(rmdir("/"));
	T(rmdir("tofolder"));
	T(mkdir("..", 0700));
	T(mkdir("a/b", 0700));
	T(mkdir("a/", 0700));
}

static int count_entries(DIR *d)
{
	int n = 0;

	while (readdir(d))
		n++;
	return n;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_sorted(const char *path)
{
	char *names[100];
	size_t n = 0;
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d) {
		tell(path, -1);
		return;
	}
	while ((e = readdir(d)) && n < 100) {
		char text[300];
		snprintf(text, sizeof(text), "%s/%d", e->d_name, e->d_type);
		names[n++] = strdup(text);
	}
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++)
		say("  %s", names[i]);
	closedir(d);
}

static void case_reading_folders(void)
{
	char name[20];
	DIR *d;
	long at;
	struct dirent *e;

	make_kinds();
	print_sorted(".");
	print_sorted("full");
	print_sorted("file");
	print_sorted("missing");
	mkdir("big", 0700);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "big/%d", i);
		make_file(name, "");
	}
	d = opendir("big");
	say("%d entries", count_entries(d));
	rewinddir(d);
	say("%d again", count_entries(d));
	rewinddir(d);
	for (int i = 0; i < 10; i++)
		readdir(d);
	at = telldir(d);
	e = readdir(d);
	strcpy(name, e->d_name);
	readdir(d);
	seekdir(d, at);
	e = readdir(d);
	say("seekdir returns to it %d", strcmp(name, e->d_name) == 0);
	rewinddir(d);
	int seen = 0;
	while ((e = readdir(d))) { /* remove each as it comes: nothing is lost */
		if (e->d_name[0] == '.')
			continue;
		seen++;
		T(unlinkat(dirfd(d), e->d_name, 0) ? -1 : 0);
		if (seen == 3)
			break;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) == 0)
			seen++;
	say("removed %d while reading", seen);
	T(rmdir("big"));
	rewinddir(d);
	say("entries of a removed folder: %d", count_entries(d));
	closedir(d);
	char small[16];
	int fd = open(".", O_RDONLY);
	T(syscall(SYS_getdents64, fd, small, 16));
	T(syscall(SYS_getdents64, open("file", O_RDONLY), small, 16));
	T(syscall(SYS_getdents64, 999, small, 16));
}

struct record {
	uint64_t ino;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[256];
};

/* The first record that a call with room for a few gives; 0: there is none. */
static long one_record(int fd, struct record *ret)
{
	return syscall(SYS_getdents64, fd, ret, sizeof(*ret));
}

/* Each name once, whatever the buffer's size; -1: something came twice, or with a wrong length. */
static int read_in_pieces(int fd, unsigned int size)
{
	static char seen[300], buffer[4096];
	int count = 0;
	long n;

	memset(seen, 0, sizeof(seen));
	lseek(fd, 0, SEEK_SET);
	while ((n = syscall(SYS_getdents64, fd, buffer, size)) > 0) {
		struct record *r;

		for (long at = 0; at < n; at += r->size) {
			r = (struct record *)(buffer + at);
			if (r->size % 8 || r->size > n - at || strlen(r->name) + 20 > r->size)
				return -1;
			if (r->name[0] == '.')
				continue;
			if (seen[atoi(r->name + 1)]++)
				return -1;
			count++;
		}
	}
	return n < 0 ? -errno : count;
}

/* Records as the kernel gives them: room for one, places to go back to, two readers. */
static void case_records_of_folders(void)
{
	struct record r, after;
	int64_t places[302];
	int fd, other, n, wrong = 0;
	char name[256];

	mkdir("d", 0700);
	memset(name, 'n', sizeof(name));
	for (int i = 0; i < 300; i++) {
		char path[300];

		snprintf(path, sizeof(path), "d/n%d", i);
		make_file(path, "");
	}
	T(fd = open("d", O_RDONLY | O_DIRECTORY));
	T(other = dup(open("d", O_RDONLY | O_DIRECTORY)));
	for (unsigned int size = 32; size <= 4096; size = size * 3 / 2)
		say("%u: %d", size, read_in_pieces(fd, size));
	T(read_in_pieces(fd, 23));
	T(one_record(fd, &r) > 0);
	T(one_record(fd, &r) >= 0);
	lseek(fd, 0, SEEK_SET);
	for (n = 0; n < 302 && syscall(SYS_getdents64, fd, &r, 32) > 0; n++) {
		places[n] = r.next;
		wrong += r.next != lseek(fd, 0, SEEK_CUR);
		if (n % 7 == 0) /* somebody else is somewhere else */
			syscall(SYS_getdents64, other, &after, 32);
	}
	say("%d records, %d at another place than told", n, wrong);
	T(syscall(SYS_getdents64, fd, &r, 32));
	wrong = 0;
	for (int i = 0; i + 1 < n; i += 10) {
		lseek(fd, places[i], SEEK_SET);
		syscall(SYS_getdents64, fd, &r, 32);
		wrong += r.next != places[i + 1];
	}
	say("%d places that lead to another name", wrong);
	T(lseek(fd, places[n - 1], SEEK_SET) == places[n - 1]);
	T(syscall(SYS_getdents64, fd, &r, 32));
	lseek(fd, 0, SEEK_SET);
	syscall(SYS_getdents64, fd, &r, 32);
	syscall(SYS_getdents64, fd, &r, 32);
	unlink("d/n7");
	make_file("d/n7", "");
	say("after a name went and came: %d", read_in_pieces(fd, 100));
	name[0] = 'd', name[1] = '/', name[252] = '\0';
	make_file(name, "");
	T(lseek(fd, 0, SEEK_SET));
	for (n = 0; syscall(SYS_getdents64, fd, &r, 32) > 0; n++)
		;
	tell("one that is too long for the room", -1);
	T(system("rm -r d"));
	T(syscall(SYS_getdents64, fd, &r, 32));
	T(lseek(fd, 0, SEEK_SET));
	T(syscall(SYS_getdents64, fd, &r, 32));
}

static void case_changing_while_reading(void)
{
	char name[40];
	DIR *d;
	struct dirent *e;
	int old = 0, dots = 0, twice = 0;
	static char seen[500];

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "old.%d", i);
		make_file(name, "");
	}
	d = opendir(".");
	for (int n = 0; (e = readdir(d)); n++) {
		if (e->d_name[0] == '.')
			dots++;
		if (strncmp(e->d_name, "old.", 4) == 0) {
			int i = atoi(e->d_name + 4);
			twice += seen[i];
			old += !seen[i];
			seen[i] = 1;
		}
		if (n < 200) { /* others come and go meanwhile */
			snprintf(name, sizeof(name), "new.%d", n);
			make_file(name, "");
			snprintf(name, sizeof(name), "new.%d", n / 2);
			unlink(name);
		}
	}
	say("old ones seen %d, twice %d, dots %d", old, twice, dots);
	closedir(d);
}

static void print_cwd(const char *base)
{
	char text[4096];

	if (!getcwd(text, sizeof(text)))
		tell("getcwd", -1);
	else
		say("cwd is %s%s", strncmp(text, base, strlen(base)) == 0 ? "base" : "",
		    text + (strncmp(text, base, strlen(base)) == 0 ? strlen(base) : 0));
}

static void case_working_folder(void)
{
	char base[4096], small[4];

	if (!getcwd(base, sizeof(base)))
		exit(1);
	T(mkdir("a", 0755));
	T(mkdir("a/b", 0755));
	T(chdir("a/b"));
	print_cwd(base);
	T(rename("../../a", "../../renamed"));
	print_cwd(base);
	T(chdir(".."));
	print_cwd(base);
	T(chdir("b"));
	T(getcwd(small, sizeof(small)) ? 0 : -1);
	T(syscall(SYS_getcwd, NULL, 0));
	T(rmdir("../b"));
	print_cwd(base);
	T(open("x", O_CREAT | O_WRONLY, 0600));
	T(mkdir("x", 0700));
	T(access(".", F_OK));
	T(access("..", F_OK));
	print_sorted(".");
	T(chdir(".."));
	print_cwd(base);
	int fd = open("..", O_RDONLY | O_DIRECTORY);
	T(fchdir(fd));
	print_cwd(base);
	T(chdir("/"));
	print_cwd(base);
	T(chdir(".."));
	print_cwd(base);
	T(chdir("/usr/../usr/./include/.."));
	print_cwd(base);
	T(fchdir(fd));
	symlink("renamed", "s");
	T(chdir("s"));
	print_cwd(base);
	if (getuid() == 0) {
		T(chroot("."));
		T(chdir("/"));
		print_cwd(base);
		T(access("/etc", F_OK));
		T(chdir("../.."));
		print_cwd(base);
	}
}

static void case_proc_self_fd(void)
{
	char base[4096], link[64], target[4096];
	int fd, p[2];
	ssize_t n;

	if (!getcwd(base, sizeof(base)))
		exit(1);
	close_range(3, ~0u, 0);
	make_file("f", "hello");
	fd = open("f", O_RDWR);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	T(n = readlink(link, target, sizeof(target)) > 0);
	n = readlink(link, target, sizeof(target));
	say("%.*s", (int)(n - (ssize_t)strlen(base)), target + strlen(base));
	T(rename("f", "g"));
	n = readlink(link, target, sizeof(target));
	say("%.*s", (int)(n - (ssize_t)strlen(base)), target + strlen(base));
	T(unlink("g"));
	n = readlink(link, target, sizeof(target));
	say("%.*s", (int)(n - (ssize_t)strlen(base)), target + strlen(base));
	T(open(link, O_RDONLY));
	show_text(link);
	T(pipe(p));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", p[0]);
	n = readlink(link, target, sizeof(target));
	say("%.6s", target);
	print_sorted("/proc/self/fd");
	T(access("/proc/self/fd/77", F_OK));
	T(access("/dev/fd/0", F_OK));
	T(write(p[1], "x", 1));
	int again = open(link, O_RDONLY);
	T(read(again, target, 1));
	T(readlink("/proc/self/fd", target, 10));
	T(unlink("/proc/self/fd/0"));
	T(mkdir("/proc/x", 0700));
	T(readlink("/proc/self/exe", target, sizeof(target)) > 0);
	T(access("/proc/self/root/etc", F_OK));
	T(access("/proc/4194999", F_OK));
}

static void case_special_files(void)
{
	int fd;
	char text[16] = "xxxxxxxxxxxxxxx";

	T(fd = open("/dev/null", O_RDWR));
	T(read(fd, text, 10));
	T(write(fd, text, 10));
	T(close(fd));
	T(fd = open("/dev/zero", O_RDWR));
	T(read(fd, text, 10));
	say("%d %c", text[0] | text[9], text[10]);
	T(write(fd, text, 10));
	T(close(fd));
	T(fd = open("/dev/urandom", O_RDONLY));
	T(read(fd, text, 10));
	T(close(fd));
	T(access("/dev/shm", W_OK));
	T(open("/dev/nonexistent", O_RDONLY));
	T(open("/dev/tty", O_RDWR));
	T(access("/dev/stdin", F_OK));
	T(mkdir("/dev/null", 0700));
	T(open("/dev/null/", O_RDONLY));
	T(fd = open("/dev/ptmx", O_RDWR | O_NOCTTY));
	T(access("/tmp", W_OK));
}

const struct conform_case folder_cases[] = {
	CASE(rename_matrix),	      CASE(rename_rest),	CASE(reading_folders),
	CASE(changing_while_reading), CASE(working_folder),	CASE(proc_self_fd),
	CASE(special_files),	      CASE(records_of_folders), { NULL, NULL },
};
