/* errors.c - each call with a descriptor closed or of the wrong kind, or a pointer to nowhere. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* F a descriptor, P a pointer to 4096 good bytes, N to nowhere, S a path, numbers as they are */
enum { F = -1001, P = -1002, N = -1003, S = -1004, C = AT_FDCWD };

struct call {
	const char *name;
	long number;
	long arg[6];
};

#define CALL(name, ...)             \
	{                           \
#name, SYS_##name,  \
		{                   \
			__VA_ARGS__ \
		}                   \
	}

static const struct call with_descriptor[] = {
	CALL(read, F, P, 10),
	CALL(write, F, P, 10),
	CALL(pread64, F, P, 10, 0),
	CALL(pwrite64, F, P, 10, 0),
	CALL(lseek, F, 0, 0),
	CALL(fstat, F, P),
	CALL(ftruncate, F, 5),
	CALL(fsync, F),
	CALL(fdatasync, F),
	CALL(fchdir, F),
	CALL(fchmod, F, 0600),
	CALL(fchown, F, -1, -1),
	CALL(flock, F, 6),
	CALL(getdents64, F, P, 1000),
	CALL(dup, F),
	CALL(fcntl, F, F_GETFL),
	CALL(fcntl, F, F_SETFL, O_NONBLOCK),
	CALL(fcntl, F, F_GETPIPE_SZ),
	CALL(ioctl, F, 0x5401, P),
	CALL(ioctl, F, 0x541b, P),
	CALL(fstatfs, F, P),
	CALL(openat, F, S, 0),
	CALL(mkdirat, F, S, 0700),
	CALL(newfstatat, F, S, P, 0),
	CALL(unlinkat, F, S, 0),
	CALL(readlinkat, F, S, P, 10),
	CALL(faccessat, F, S, 0),
	CALL(fchmodat, F, S, 0600),
	CALL(symlinkat, S, F, S),
	CALL(utimensat, F, 0, 0, 0),
	CALL(fallocate, F, 0, 0, 10),
	CALL(sendfile, F, F, 0, 10),
	CALL(fadvise64, F, 0, 0, 0),
	CALL(readahead, F, 0, 10),
	CALL(getsockname, F, P, P),
	CALL(sendto, F, P, 5, 0x4000, 0, 0),
	CALL(recvfrom, F, P, 5, 0x40, 0, 0),
	CALL(shutdown, F, 2),
	CALL(listen, F, 1),
	CALL(getsockopt, F, 1, 3, P, P),
	CALL(epoll_ctl, F, 1, F, P),
	CALL(epoll_wait, F, P, 5, 0),
	CALL(timerfd_gettime, F, P),
	CALL(fgetxattr, F, S, P, 10),
	CALL(flistxattr, F, P, 100),
	CALL(fsetxattr, F, S, P, 1, 0),
	CALL(sync_file_range, F, 0, 0, 0),
	CALL(copy_file_range, F, 0, F, 0, 5, 0),
	CALL(readv, F, P, 0),
	CALL(writev, F, P, 0),
	CALL(syncfs, F),
	CALL(close, F),
	CALL(close, F),
};

static const struct call with_nowhere[] = {
	CALL(open, N, 0),
	CALL(open, N, O_CREAT, 0600),
	CALL(stat, N, P),
	CALL(stat, S, N),
	CALL(lstat, S, N),
	CALL(fstat, F, N),
	CALL(read, F, N, 10),
	CALL(write, F, N, 10),
	CALL(pread64, F, N, 10, 0),
	CALL(pwrite64, F, N, 10, 0),
	CALL(readv, F, N, 1),
	CALL(writev, F, N, 1),
	CALL(poll, N, 1, 0),
	CALL(ppoll, N, 1, P, 0, 8),
	CALL(select, 1, N, 0, 0, P),
	CALL(access, N, 0),
	CALL(pipe, N),
	CALL(pipe2, N, 0),
	CALL(nanosleep, N, 0),
	CALL(mkdir, N, 0700),
	CALL(rmdir, N),
	CALL(unlink, N),
	CALL(rename, N, S),
	CALL(rename, S, N),
	CALL(link, S, N),
	CALL(symlink, N, S),
	CALL(readlink, S, N, 10),
	CALL(chmod, N, 0600),
	CALL(chown, N, 0, 0),
	CALL(chdir, N),
	CALL(getcwd, N, 100),
	CALL(truncate, N, 0),
	CALL(statfs, S, N),
	CALL(fstatfs, F, N),
	CALL(getdents64, F, N, 100),
	CALL(uname, N),
	CALL(getrlimit, 7, N),
	CALL(setrlimit, 7, N),
	CALL(prlimit64, 0, 7, N, 0),
	CALL(getrusage, 0, N),
	CALL(times, N),
	CALL(sysinfo, N),
	CALL(getgroups, 10, N),
	CALL(getresuid, N, N, N),
	CALL(wait4, -1, N, 1, 0),
	CALL(waitid, 0, 0, N, 5, 0),
	CALL(execve, N, 0, 0),
	CALL(execve, S, N, 0),
	CALL(socketpair, 1, 1, 0, N),
	CALL(getsockname, F, N, N),
	CALL(openat, C, N, 0),
	CALL(mkdirat, C, N, 0),
	CALL(newfstatat, C, S, N, 0),
	CALL(unlinkat, C, N, 0),
	CALL(renameat2, C, N, C, S, 0),
	CALL(linkat, C, N, C, S, 0),
	CALL(symlinkat, N, C, S),
	CALL(readlinkat, C, S, N, 10),
	CALL(fchmodat, C, N, 0),
	CALL(faccessat, C, N, 0),
	CALL(utimensat, C, S, N, 0),
	CALL(epoll_ctl, F, 1, F, N),
	CALL(epoll_wait, F, N, 5, 0),
	CALL(timerfd_settime, F, 0, N, 0),
	CALL(eventfd2, 0, 99),
	CALL(statx, C, S, 0, 0xfff, N),
	CALL(statx, C, N, 0, 0xfff, P),
	CALL(openat2, C, S, N, 24),
	CALL(openat2, C, S, P, 5),
	CALL(copy_file_range, F, N, F, 0, 5, 0),
	CALL(sendfile, F, F, N, 5),
	CALL(memfd_create, N, 0),
	CALL(getxattr, S, N, P, 10),
	CALL(setxattr, S, N, P, 1, 0),
	CALL(clock_gettime, 0, N),
	CALL(clock_getres, 0, N),
	CALL(clock_nanosleep, 0, 0, N, 0),
	CALL(gettimeofday, N, 0),
	CALL(setitimer, 0, N, 0),
	CALL(getitimer, 0, N),
	CALL(rt_sigaction, 10, N, 0, 8),
	CALL(rt_sigaction, 10, 0, N, 8),
	CALL(rt_sigprocmask, 0, N, 0, 8),
	CALL(rt_sigprocmask, 0, 0, N, 8),
	CALL(rt_sigpending, N, 8),
	CALL(rt_sigsuspend, N, 8),
	CALL(rt_sigtimedwait, N, 0, P, 8),
	CALL(sigaltstack, N, 0),
	CALL(sigaltstack, 0, N),
	CALL(rt_sigqueueinfo, 0, 10, N),
	CALL(futex, N, 1, 1, 0, 0, 0),
	CALL(getrandom, N, 10, 0),
	CALL(prctl, 15, N),
	CALL(prctl, 16, N),
	CALL(sched_getaffinity, 0, 128, N),
	CALL(utime, S, N),
	CALL(sendmsg, F, N, 0),
	CALL(recvmsg, F, N, 0),
	CALL(getcpu, N, N, 0),
	CALL(time, N),
	CALL(fcntl, F, F_GETLK, N),
	CALL(fcntl, F, F_SETLK, N),
	CALL(ioctl, F, 0x5401, N),
	CALL(ioctl, F, 0x541b, N),
	CALL(ioctl, F, 0x5421, N),
};

static char *good, *nowhere;

static void one(const struct call *c, int fd)
{
	long a[6];

	memset(good, 0, 64);
	for (int i = 0; i < 6; i++)
		switch (c->arg[i]) {
		case F:
			a[i] = fd;
			break;
		case P:
			a[i] = (long)good;
			break;
		case N:
			a[i] = (long)nowhere;
			break;
		case S:
			a[i] = (long)"name";
			break;
		default:
			a[i] = c->arg[i];
		}
	errno = 0;
	long r = syscall(c->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	tell(c->name, r < 0 ? -1 : r > 2 && c->number == SYS_getdents64 ? 3 : r > 4096 ? 4096 : r);
}

/* Calls that would change what the descriptor stands for: not for things of the machine itself. */
static int changes_object(const struct call *c)
{
	return c->number == SYS_fchmod || c->number == SYS_fchown || c->number == SYS_utimensat ||
	       c->number == SYS_fsetxattr;
}

static void all_with(const char *what, int fd)
{
	int ours = strcmp(what, "null") != 0;
	char name[80];

	say("with %s", what);
	fflush(stdout);
	if (fork() == 0) {
		snprintf(name, sizeof(name), "in.%.3s", what);
		mkdir(name, 0700);
		if (chdir(name) < 0)
			_exit(1);
		for (size_t i = 0; i < sizeof(with_descriptor) / sizeof(with_descriptor[0]); i++)
			if (ours || !changes_object(&with_descriptor[i]))
				one(&with_descriptor[i], fd);
		_exit(0);
	}
	int status;
	wait(&status);
	print_status(status);
}

static void make_pointers(void)
{
	good = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	nowhere = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void case_wrong_descriptors(void)
{
	int p[2], s[2];

	make_pointers();
	make_file("f", "some text in a file");
	mkdir("d", 0700);
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
	all_with("closed", 999);
	all_with("negative", -1);
	all_with("readable file", open("f", O_RDONLY));
	all_with("writable file", open("f", O_WRONLY));
	all_with("path only", open("f", O_PATH));
	all_with("folder", open("d", O_RDONLY));
	close(p[1]);
	all_with("empty pipe without writer", p[0]);
	all_with("socket", s[0]);
	all_with("null", open("/dev/null", O_RDWR));
	all_with("epoll", (int)syscall(SYS_epoll_create1, 0));
	all_with("eventfd", (int)syscall(SYS_eventfd2, 1, O_NONBLOCK));
	all_with("timerfd", (int)syscall(SYS_timerfd_create, 1, O_NONBLOCK));
}

static void case_wrong_pointers(void)
{
	static char *const places[] = { (char *)1, (char *)0x7fffffffe000, (char *)-1,
					(char *)0xffffffff81000000, (char *)0x8000000000000000 };

	make_pointers();
	make_file("name", "x");
	int fd = open("name", O_RDWR);
	for (size_t i = 0; i < sizeof(with_nowhere) / sizeof(with_nowhere[0]); i++)
		one(&with_nowhere[i], fd);
	for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
		nowhere = places[k];
		say("pointer %p", (void *)nowhere);
		for (size_t i = 0; i < sizeof(with_nowhere) / sizeof(with_nowhere[0]); i++)
			one(&with_nowhere[i], fd);
	}
	T(access("name", F_OK));
}

static void case_wrong_numbers(void)
{
	static const long numbers[] = { 300000,	    1000, 500, 470, -1,	 0x40000000 + 39,
					0x7fffffff, 156,  174, 177, 178, 180,
					181,	    182,  183, 184, 185, 211,
					214,	    215,  236 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char name[40];
		snprintf(name, sizeof(name), "call %ld", numbers[i]);
		errno = 0;
		tell(name, syscall(numbers[i], 0, 0, 0, 0, 0, 0));
	}
}

const struct conform_case error_cases[] = {
	CASE(wrong_descriptors),
	CASE(wrong_pointers),
	CASE(wrong_numbers),
	{ NULL, NULL },
};
