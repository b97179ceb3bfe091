/*
 * test_typed.c - what calls.h promises: each function makes the call it is named after, with
 * its arguments where the kernel looks for them. The kernel is the judge: the calls are
 * executed, and their effects looked at.
 */
#include "hascall/calls.h"
#include "test/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static struct hascall *area;
static char top[] = "/tmp/hascall-typed-XXXXXX";
static int dir = -1; /* top, open */

static void begin(void)
{
	CHECK_INT(hascall_open(&area, NULL), 0);
	CHECK(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir >= 0);
}

/* All names must be gone again. */
static void end(void)
{
	hascall_close(area);
	close(dir);
	CHECK_INT(rmdir(top), 0);
}

static struct hascall_call next;

static int64_t next_done(void)
{
	uint64_t ticket;
	int64_t result;

	CHECK_INT(hascall_submit(area, &next, 1, 0, &ticket), 0);
	CHECK_INT(hascall_wait(area, ticket, -1, 0, &result), 0);
	return result;
}

/* Execute it: the result. As a parameter, each call would have a place in its test's frame. */
#define done(call) (next = (call), next_done())

static int made(const char *name)
{
	int fd = (int)done(hascall_call_openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600));

	CHECK(fd >= 0);
	return fd;
}

static void drop(int fd, const char *name)
{
	CHECK_INT(done(hascall_call_close(fd)), 0);
	CHECK_INT(done(hascall_call_unlinkat(dir, name, 0)), 0);
}

static void files_are_opened_and_closed(void)
{
	const struct open_how how = { .flags = O_RDWR, .resolve = RESOLVE_NO_SYMLINKS };
	struct stat status;
	int fds[2];
	int fd;

	begin();
	drop(made("f"), "f");
	fd = (int)done(hascall_call_openat(dir, "g", O_WRONLY | O_CREAT, 0640));
	CHECK_INT(fstat(fd, &status), 0);
	CHECK_INT(status.st_mode & 07777, 0640);
	CHECK_INT(done(hascall_call_close(fd)), 0);
	fd = (int)done(hascall_call_openat2(dir, "g", &how, sizeof(how)));
	CHECK(fd >= 0);
	drop(fd, "g");
	CHECK_INT(done(hascall_call_close(-1)), -EBADF);
	fd = (int)done(hascall_call_open("/dev/null", O_WRONLY | O_CLOEXEC, 0));
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(close(fd), 0);
	fd = (int)done(hascall_call_memfd_create("m", MFD_CLOEXEC));
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(close(fd), 0);
	CHECK_INT(done(hascall_call_pipe2(fds, O_NONBLOCK)), 0);
	CHECK_INT(fcntl(fds[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	close(fds[0]);
	close(fds[1]);
	end();
}

static void bytes_are_read_and_written_where_told(void)
{
	char a[4] = "", b[4] = "";
	const struct iovec in[2] = { { (char[]){ "12" }, 2 }, { (char[]){ "34" }, 2 } };
	const struct iovec out[2] = { { a, 3 }, { b, 1 } };
	int fd;

	begin();
	fd = made("f");
	CHECK_INT(done(hascall_call_write(fd, "abcdef", 6)), 6);
	CHECK_INT(done(hascall_call_pwrite(fd, "XY", 2, 1)), 2);
	CHECK_INT(done(hascall_call_lseek(fd, -5, SEEK_END)), 1);
	CHECK_INT(done(hascall_call_read(fd, a, 3)), 3);
	CHECK_STR(a, "XYd");
	CHECK_INT(done(hascall_call_pread(fd, a, 3, 3)), 3);
	CHECK_STR(a, "def");
	CHECK_INT(done(hascall_call_writev(fd, in, 2)), 4);
	CHECK_INT(done(hascall_call_pwritev(fd, in, 1, 0)), 2);
	CHECK_INT(done(hascall_call_pwritev2(fd, in, 2, 9, RWF_DSYNC)), 4);
	CHECK_INT(done(hascall_call_pwritev2(fd, in, 2, 9, 1 << 30)), -EOPNOTSUPP);
	CHECK_INT(done(hascall_call_preadv(fd, out, 2, 9)), 4);
	CHECK_STR(a, "123");
	CHECK_STR(b, "4");
	CHECK_INT(done(hascall_call_preadv2(fd, out, 2, 1, 0)), 4);
	CHECK_STR(a, "2Yd");
	CHECK_INT(done(hascall_call_preadv2(fd, out, 2, 1, 1 << 30)), -EOPNOTSUPP);
	CHECK_INT(done(hascall_call_lseek(fd, 10, SEEK_SET)), 10);
	CHECK_INT(done(hascall_call_readv(fd, out, 1)), 3);
	CHECK_STR(a, "234");
	drop(fd, "f");
	end();
}

static void bytes_go_from_file_to_file(void)
{
	int64_t from = 1, to = 2;
	char seen[8] = "";
	int a, b, fds[2];

	begin();
	a = made("a");
	b = made("b");
	CHECK_INT(pipe(fds), 0);
	CHECK_INT(pwrite(a, "abcdef", 6, 0), 6);
	CHECK_INT(done(hascall_call_copy_file_range(a, &from, b, &to, 3, 0)), 3);
	CHECK_INT(from, 4);
	CHECK_INT(to, 5);
	CHECK_INT(done(hascall_call_copy_file_range(a, &from, b, &to, 3, 1)), -EINVAL);
	CHECK_INT(pread(b, seen, 8, 2), 3);
	CHECK_STR(seen, "bcd");
	from = 2;
	CHECK_INT(done(hascall_call_sendfile(b, a, &from, 4)), 4);
	CHECK_INT(from, 6);
	CHECK_INT(pread(b, seen, 8, 0), 5);
	CHECK_STR(seen, "cdefd");
	from = 3;
	CHECK_INT(done(hascall_call_splice(a, &from, fds[1], NULL, 2, SPLICE_F_NONBLOCK)), 2);
	to = 1;
	CHECK_INT(done(hascall_call_splice(fds[0], NULL, b, &to, 9, SPLICE_F_NONBLOCK)), 2);
	CHECK_INT(to, 3);
	CHECK_INT(pread(b, seen, 8, 0), 5);
	CHECK_STR(seen, "cdefd");
	close(fds[0]);
	close(fds[1]);
	drop(a, "a");
	drop(b, "b");
	end();
}

static void files_grow_shrink_and_are_kept(void)
{
	struct stat status;
	char path[64];
	int fd, other;

	begin();
	fd = made("f");
	snprintf(path, sizeof(path), "%s/f", top);
	CHECK_INT(done(hascall_call_ftruncate(fd, 5000)), 0);
	CHECK_INT(done(hascall_call_fstat(fd, &status)), 0);
	CHECK_INT(status.st_size, 5000);
	CHECK_INT(done(hascall_call_truncate(path, 4)), 0);
	CHECK_INT(done(hascall_call_fallocate(fd, FALLOC_FL_KEEP_SIZE, 4096, 4096)), 0);
	CHECK_INT(done(hascall_call_newfstatat(dir, "f", &status, 0)), 0);
	CHECK_INT(status.st_size, 4);
	CHECK_INT(status.st_blocks * 512 >= 4096, 1);
	CHECK_INT(done(hascall_call_fsync(fd)), 0);
	CHECK_INT(done(hascall_call_fdatasync(fd)), 0);
	CHECK_INT(done(hascall_call_syncfs(fd)), 0);
	CHECK_INT(done(hascall_call_sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE)), 0);
	CHECK_INT(done(hascall_call_sync_file_range(fd, 0, 4, 1 << 30)), -EINVAL);
	CHECK_INT(done(hascall_call_readahead(fd, 0, 4)), 0);
	CHECK_INT(done(hascall_call_fadvise64(fd, 0, 4, POSIX_FADV_DONTNEED)), 0);
	CHECK_INT(done(hascall_call_fadvise64(fd, 0, 4, 77)), -EINVAL);
	other = open(path, O_RDWR);
	CHECK_INT(done(hascall_call_flock(fd, LOCK_EX)), 0);
	CHECK_INT(done(hascall_call_flock(other, LOCK_EX | LOCK_NB)), -EWOULDBLOCK);
	close(other);
	drop(fd, "f");
	end();
}

static void what_is_known_of_a_file_is_told_and_changed(void)
{
	const struct timespec times[2] = { { 11, 0 }, { 22, 33 } };
	static struct statx statx_seen;
	static struct statfs fs[2];
	struct stat status;
	int fd;

	begin();
	fd = made("f");
	CHECK_INT(done(hascall_call_fchmod(fd, 0640)), 0);
	CHECK_INT(done(hascall_call_fchmodat(dir, "f", 0604)), 0);
	CHECK_INT(done(hascall_call_faccessat(dir, "f", R_OK)), 0);
	CHECK_INT(done(hascall_call_faccessat2(dir, "f", X_OK, AT_EACCESS)), -EACCES);
	CHECK_INT(done(hascall_call_faccessat2(dir, "f", X_OK, 1)), -EINVAL);
	CHECK_INT(done(hascall_call_utimensat(dir, "f", times, 0)), 0);
	CHECK_INT(done(hascall_call_fchown(fd, getuid(), getgid())), 0);
	CHECK_INT(done(hascall_call_fchownat(dir, "f", getuid(), getgid(), 0)), 0);
	CHECK_INT(done(hascall_call_fchownat(dir, "", getuid(), getgid(), 0)), -ENOENT);
	CHECK_INT(done(hascall_call_fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH)), 0);
	CHECK_INT(fstat(fd, &status), 0);
	CHECK_INT(status.st_mode & 07777, 0604);
	CHECK_INT(status.st_atim.tv_sec, 11);
	CHECK_INT(status.st_mtim.tv_nsec, 33);
	CHECK_INT(done(hascall_call_statx(dir, "f", 0, STATX_MTIME, &statx_seen)), 0);
	CHECK_INT(statx_seen.stx_mtime.tv_sec, 22);
	CHECK_INT(done(hascall_call_statfs(top, &fs[0])), 0);
	CHECK_INT(done(hascall_call_fstatfs(fd, &fs[1])), 0);
	CHECK_INT(fs[0].f_type, fs[1].f_type);
	drop(fd, "f");
	end();
}

static void attributes_are_set_listed_and_removed(void)
{
	char path[64], seen[64] = "";
	int fd;

	begin();
	fd = made("f");
	snprintf(path, sizeof(path), "%s/f", top);
	if (fsetxattr(fd, "user.a", "1", 1, 0) < 0) {
		drop(fd, "f");
		end();
		SKIP("no user attributes in /tmp");
	}
	CHECK_INT(done(hascall_call_fsetxattr(fd, "user.a", "22", 2, XATTR_CREATE)), -EEXIST);
	CHECK_INT(done(hascall_call_fsetxattr(fd, "user.a", "22", 2, 0)), 0);
	CHECK_INT(done(hascall_call_setxattr(path, "user.b", "333", 3, XATTR_REPLACE)), -ENODATA);
	CHECK_INT(done(hascall_call_setxattr(path, "user.b", "333", 3, 0)), 0);
	CHECK_INT(done(hascall_call_getxattr(path, "user.a", seen, sizeof(seen))), 2);
	CHECK_STR(seen, "22");
	CHECK_INT(done(hascall_call_fgetxattr(fd, "user.b", seen, sizeof(seen))), 3);
	CHECK_STR(seen, "333");
	CHECK(done(hascall_call_listxattr(path, seen, sizeof(seen))) >= 14);
	CHECK_INT(done(hascall_call_removexattr(path, "user.a")), 0);
	CHECK(done(hascall_call_flistxattr(fd, seen, sizeof(seen))) >= 7);
	CHECK_INT(done(hascall_call_fremovexattr(fd, "user.b")), 0);
	CHECK_INT(done(hascall_call_fremovexattr(fd, "user.b")), -ENODATA);
	drop(fd, "f");
	end();
}

static void names_are_made_moved_and_removed(void)
{
	struct stat status;
	static char seen[512];

	begin();
	CHECK_INT(done(hascall_call_mkdirat(dir, "d", 0750)), 0);
	CHECK_INT(fstatat(dir, "d", &status, 0), 0);
	CHECK_INT(status.st_mode, S_IFDIR | 0750);
	CHECK_INT(done(hascall_call_mknodat(dir, "p", S_IFIFO | 0640, 0)), 0);
	CHECK_INT(done(hascall_call_renameat2(dir, "p", dir, "q", 0)), 0);
	CHECK_INT(done(hascall_call_linkat(dir, "q", dir, "p", 0)), 0);
	CHECK_INT(done(hascall_call_linkat(dir, "q", dir, "r", 1)), -EINVAL);
	CHECK_INT(done(hascall_call_renameat2(dir, "d", dir, "p", RENAME_NOREPLACE)), -EEXIST);
	CHECK_INT(done(hascall_call_symlinkat("to", dir, "s")), 0);
	CHECK_INT(done(hascall_call_readlinkat(dir, "s", seen, sizeof(seen))), 2);
	CHECK(memcmp(seen, "to", 2) == 0);
	CHECK(done(hascall_call_getdents64(dir, seen, sizeof(seen))) >= 6 * 24);
	CHECK_INT(done(hascall_call_unlinkat(dir, "d", 0)), -EISDIR);
	CHECK_INT(done(hascall_call_unlinkat(dir, "d", AT_REMOVEDIR)), 0);
	CHECK_INT(done(hascall_call_unlinkat(dir, "p", 0)), 0);
	CHECK_INT(done(hascall_call_unlinkat(dir, "q", 0)), 0);
	CHECK_INT(done(hascall_call_unlinkat(dir, "s", 0)), 0);
	end();
}

static void descriptors_are_controlled(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fds[2], size = 0, copy;

	begin();
	CHECK_INT(pipe(fds), 0);
	CHECK_INT(done(hascall_call_fcntl(fds[0], F_SETFD, FD_CLOEXEC)), 0);
	CHECK_INT(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	copy = (int)done(hascall_call_fcntl(fds[0], F_DUPFD, 100));
	CHECK_INT(copy, 100);
	close(copy);
	CHECK_INT(done(hascall_call_fcntl_pointer(dir, F_GETLK, &lock)), 0);
	CHECK_INT(lock.l_type, F_UNLCK);
	CHECK_INT(write(fds[1], "abc", 3), 3);
	CHECK_INT(done(hascall_call_ioctl(fds[0], FIONREAD, &size)), 0);
	CHECK_INT(size, 3);
	CHECK_INT(done(hascall_call_ioctl_int(fds[0], FIOCLEX, 0)), 0);
	CHECK_INT(done(hascall_call_ioctl_int(fds[0], FIONCLEX, 0)), 0);
	CHECK_INT(fcntl(fds[0], F_GETFD), 0);
	close(fds[0]);
	close(fds[1]);
	end();
}

static void sockets_connect_and_carry_bytes(void)
{
	static struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "" };
	unsigned int size = sizeof(address);
	struct sockaddr *at = (struct sockaddr *)&address;
	char seen[8] = "";
	struct iovec one = { seen, 2 };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };
	int server, client, served, on = 1;

	begin();
	server = (int)done(hascall_call_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	client = (int)done(hascall_call_socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_INT(fcntl(server, F_GETFD), FD_CLOEXEC);
	CHECK_INT(done(hascall_call_bind(server, at, sizeof(sa_family_t))), 0);
	CHECK_INT(getsockname(server, at, &size), 0);
	CHECK_INT(done(hascall_call_listen(server, 1)), 0);
	CHECK_INT(done(hascall_call_connect(client, at, size)), 0);
	size = sizeof(address);
	served = (int)done(hascall_call_accept4(server, at, &size, SOCK_NONBLOCK));
	CHECK_INT(size, sizeof(sa_family_t));
	CHECK_INT(fcntl(served, F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_INT(done(hascall_call_recv(served, seen, 4, 0)), -EAGAIN);
	CHECK_INT(done(hascall_call_send(client, "abcdef", 6, MSG_DONTWAIT)), 6);
	CHECK_INT(done(hascall_call_recv(served, seen, 2, MSG_PEEK)), 2);
	size = sizeof(address);
	CHECK_INT(done(hascall_call_recvfrom(served, seen, 3, 0, at, &size)), 3);
	CHECK_STR(seen, "abc");
	CHECK_INT(size, 0);
	CHECK_INT(done(hascall_call_recvmsg(served, &message, 0)), 2);
	CHECK_STR(seen, "dec");
	CHECK_INT(done(hascall_call_sendmsg(served, &message, 0)), 2);
	CHECK_INT(done(hascall_call_sendto(served, "z", 1, 0, at, sizeof(*at))), -EISCONN);
	CHECK_INT(done(hascall_call_setsockopt(served, SOL_SOCKET, SO_PASSCRED, &on, 4)), 0);
	on = 0;
	size = sizeof(on);
	CHECK_INT(done(hascall_call_getsockopt(served, SOL_SOCKET, SO_PASSCRED, &on, &size)), 0);
	CHECK_INT(on, 1);
	CHECK_INT(done(hascall_call_shutdown(client, SHUT_WR)), 0);
	CHECK_INT(read(client, seen, 8), 2);
	close(server);
	close(client);
	close(served);
	end();
}

static void waits_end_when_told(void)
{
	struct timespec none = { 0, 1 }, left = { 7, 7 };
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 5 };
	struct pollfd poll_in = { .events = POLLIN };
	uint32_t word = 1;
	int fds[2], epoll;

	begin();
	CHECK_INT(pipe(fds), 0);
	poll_in.fd = fds[0];
	epoll = epoll_create1(0);
	CHECK_INT(done(hascall_call_epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event)), 0);
	CHECK_INT(done(hascall_call_poll(&poll_in, 1, 0)), 0);
	CHECK_INT(done(hascall_call_ppoll(&poll_in, 1, &none)), 0);
	CHECK_INT(done(hascall_call_epoll_wait(epoll, &event, 1, 0)), 0);
	CHECK_INT(write(fds[1], "a", 1), 1);
	CHECK_INT(done(hascall_call_poll(&poll_in, 1, -1)), 1);
	CHECK_INT(done(hascall_call_ppoll(&poll_in, 1, NULL)), 1);
	CHECK_INT(done(hascall_call_epoll_wait(epoll, &event, 1, -1)), 1);
	CHECK_INT(event.data.u64, 5);
	CHECK_INT(done(hascall_call_nanosleep(&none, &left)), 0);
	none = (struct timespec){ 0, 1 };
	CHECK_INT(done(hascall_call_clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &none, NULL)),
		  0);
	CHECK_INT(done(hascall_call_futex_wait(&word, FUTEX_PRIVATE_FLAG, 0, NULL)), -EAGAIN);
	CHECK_INT(done(hascall_call_futex_wait(&word, 0, 1, &none)), -ETIMEDOUT);
	CHECK_INT(done(hascall_call_futex_wake(&word, 0, 1)), 0);
	close(epoll);
	close(fds[0]);
	close(fds[1]);
	end();
}

static void children_are_waited_for(void)
{
	struct rusage usage = { .ru_maxrss = -1 };
	int status = 0;
	pid_t child;

	begin();
	child = fork();
	if (child == 0)
		_exit(5);
	CHECK_INT(done(hascall_call_wait4(child, &status, 0, &usage)), child);
	CHECK_INT(WEXITSTATUS(status), 5);
	CHECK(usage.ru_maxrss >= 0);
	CHECK_INT(done(hascall_call_kill(getpid(), 0)), 0);
	CHECK_INT(done(hascall_call_getppid()), getppid());
	end();
}

static void memory_is_mapped_and_changed(void)
{
	char *memory;
	int fd;

	begin();
	fd = made("f");
	CHECK_INT(ftruncate(fd, 8192), 0);
	CHECK_INT(pwrite(fd, "second", 6, 4096), 6);
	memory = (char *)(uintptr_t)done(
		hascall_call_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096));
	CHECK_STR(memory, "second");
	CHECK_INT(done(hascall_call_msync(memory, 4096, MS_SYNC)), 0);
	CHECK_INT(done(hascall_call_mprotect(memory, 4096, PROT_NONE)), 0);
	CHECK_INT(done(hascall_call_read(fd, memory, 1)), -EFAULT);
	CHECK_INT(done(hascall_call_madvise(memory, 4096, MADV_DONTNEED)), 0);
	CHECK_INT(done(hascall_call_madvise(memory, 4096, 9999)), -EINVAL);
	CHECK_INT(done(hascall_call_munmap(memory, 4096)), 0);
	CHECK_INT(done(hascall_call_msync(memory, 4096, MS_SYNC)), -ENOMEM);
	memory = calloc(1, 8);
	CHECK_INT(done(hascall_call_getrandom(memory, 8, 1)), 8);
	CHECK_INT(done(hascall_call_getrandom(memory, 8, 1u << 30)), -EINVAL);
	free(memory);
	drop(fd, "f");
	end();
}

static void the_raw_one_takes_all_six_arguments(void)
{
	const struct hascall_call call = hascall_call_raw(9, 1, 2, 3, 4, 5, 6);

	CHECK_INT(call.num, 9);
	for (unsigned int i = 0; i < 6; i++)
		CHECK_INT(call.arg[i], i + 1);
	CHECK_INT(call.flags | call.user_data | call.timeout_ns | call.group, 0);
	CHECK_INT(hascall_arg_int(-2), -2);
}

static void what_cannot_be_taken_from_a_result_is_refused(void)
{
	struct hascall_call calls[2];

	begin();
	for (unsigned int i = 0; i < 2; i++)
		calls[i] = hascall_call_getppid();
	hascall_from(hascall_chain_all(calls, 2) + 1, 6, 1);
	CHECK_INT(hascall_submit(area, calls, 2, 0, NULL), -EINVAL);
	calls[1] = hascall_call_getppid();
	hascall_from(&calls[1], 0, 256);
	CHECK_INT(hascall_submit(area, calls, 2, 0, NULL), -EINVAL);
	calls[1] = hascall_call_getppid();
	hascall_chain(&calls[1]);
	CHECK_INT(hascall_submit(area, calls, 2, 0, NULL), -EINVAL);
	end();
}

static const struct test tests[] = {
	TEST(files_are_opened_and_closed),
	TEST(bytes_are_read_and_written_where_told),
	TEST(bytes_go_from_file_to_file),
	TEST(files_grow_shrink_and_are_kept),
	TEST(what_is_known_of_a_file_is_told_and_changed),
	TEST(attributes_are_set_listed_and_removed),
	TEST(names_are_made_moved_and_removed),
	TEST(descriptors_are_controlled),
	TEST(sockets_connect_and_carry_bytes),
	TEST(waits_end_when_told),
	TEST(children_are_waited_for),
	TEST(memory_is_mapped_and_changed),
	TEST(the_raw_one_takes_all_six_arguments),
	TEST(what_cannot_be_taken_from_a_result_is_refused),
};
TEST_MAIN(tests)
