/* resources.c - all of something: processes, threads, memory, descriptors, pipes, locks, time. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 20000
#define PAPER_MAX \
	(1536ul << 20) /* bytes of files; the runner gives the manager less memory than this */

static void attack_forking_without_end(void)
{
	int count = 0, error = 0;

	while (count < CHILDREN_MAX) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0) {
			error = errno;
			break;
		}
		count++;
	}
	note("forked %d, then %s", count, error ? strerrorname_np(error) : "no limit");
	if (error != EAGAIN)
		escaped("no EAGAIN after %d children", count);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0)
		count--;
	note("%d were not reaped", count);
	for (int i = 0; i < 3; i++) { /* and again: what was freed can be used */
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			escaped("no fork after the flood: %s", strerrorname_np(errno));
	}
}

static void grow_tree(void)
{
	for (int i = 0; i < 100000; i++)
		if (fork() < 0)
			sleep_ms(1);
}

static void bomb(void *arg)
{
	(void)arg;
	setpgid(0, 0);
	grow_tree();
}

static void attack_fork_bomb(void)
{
	pid_t pid = fork();

	if (pid == 0)
		bomb(NULL);
	setpgid(pid, pid);
	sleep_ms(3000);
	for (int i = 0; i < 200; i++) { /* those that were just being born */
		if (kill(-pid, SIGKILL) < 0 && errno == ESRCH)
			break;
		sleep_ms(20);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	note("group after the kills: %s",
	     kill(-pid, 0) < 0 ? strerrorname_np(errno) : "still there");
}

static void *sit(void *arg)
{
	pause();
	return arg;
}

static void attack_threads_without_end(void)
{
	pthread_attr_t small;
	pthread_t t;
	int count = 0, error = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	while (count < 5000 && (error = pthread_create(&t, &small, sit, NULL)) == 0)
		count++;
	note("%d threads, then %s", count, error ? strerrorname_np(error) : "no limit");
	if (error != EAGAIN && error != ENOMEM)
		escaped("no limit of threads: %d", count);
	if (open("/etc/passwd", O_RDONLY) < 0)
		escaped("no open beside many threads");
}

static void attack_descriptors_without_end(void)
{
	int count = 0;

	for (int k = 0; k < 16; k++)
		if (fork() == 0) {
			int n = 0;
			struct rlimit l;
			getrlimit(RLIMIT_NOFILE, &l);
			l.rlim_cur = l.rlim_max;
			setrlimit(RLIMIT_NOFILE, &l);
			while (n < 30000 &&
			       open(n % 2 ? "/usr/include/stdio.h" : "/usr/include/errno.h",
				    O_RDONLY) >= 0)
				n++;
			int error = errno;
			note("process %d: %d descriptors, then %s", k, n,
			     n < 30000 ? strerrorname_np(error) : "enough");
			sleep_ms(1500);
			_exit(n < 100);
		}
	while (wait(NULL) > 0)
		count++;
	if (open("/usr/include/stdio.h", O_RDONLY) < 0)
		escaped("no open after it: %s", strerrorname_np(errno));
	note("%d processes", count);
}

/* Files of the host, all open at once: the manager must not run out of descriptors for good. */
static void attack_many_files_of_the_host(void)
{
	for (int k = 0; k < 8; k++)
		if (fork() == 0) {
			if (system("exec 2>/dev/null; cd /usr/include && find . -type f | "
				   "head -n 3000 | xargs -n 1000 tail -q -n 0") < 0)
				_exit(1);
			FILE *f = popen("find /usr/include /usr/share /usr/lib -type f 2>/dev/null "
					"| head -n 6000",
					"r");
			char name[4096];
			int n = 0;
			while (f && fgets(name, sizeof(name), f)) {
				name[strcspn(name, "\n")] = 0;
				if (open(name, O_RDONLY) < 0)
					break;
				n++;
			}
			note("%d files of the host open: %s", n, strerrorname_np(errno));
			sleep_ms(500);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	if (open("/usr/include/stdio.h", O_RDONLY) < 0)
		escaped("no open after it: %s", strerrorname_np(errno));
}

static void attack_filling_files(void)
{
	static char block[1 << 20];
	unsigned long written = 0;
	int fd = open("/tmp/paper", O_CREAT | O_RDWR | O_TRUNC, 0600), error = 0;

	memset(block, 'p', sizeof(block));
	while (written < PAPER_MAX) {
		ssize_t n = write(fd, block, sizeof(block));
		if (n <= 0) {
			error = errno;
			break;
		}
		written += (unsigned long)n;
	}
	note("%lu MiB written, then %s", written >> 20,
	     error ? strerrorname_np(error) : "no limit reached");
	if (error && error != ENOSPC && error != ENOMEM && error != EFBIG && error != EDQUOT)
		escaped("an odd error: %s", strerrorname_np(error));
	if (ftruncate(fd, 0) < 0 || unlink("/tmp/paper") < 0)
		escaped("a full file cannot be removed: %s", strerrorname_np(errno));
	fd = open("/tmp/again", O_CREAT | O_RDWR, 0600);
	if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
		escaped("no room after all was removed: %s", strerrorname_np(errno));
}

static void attack_making_names(void)
{
	char name[300];
	int count = 0, error = 0;

	mkdir("/tmp/names", 0700);
	for (; count < 300000; count++) {
		snprintf(name, sizeof(name), "/tmp/names/%0200d", count);
		if (mkdir(name, 0700) < 0) {
			error = errno;
			break;
		}
	}
	note("%d folders, then %s", count, error ? strerrorname_np(error) : "enough");
	if (open("/etc/passwd", O_RDONLY) < 0)
		escaped("no open: %s", strerrorname_np(errno));
}

static void attack_filling_pipes(void)
{
	static char block[65536];
	int count = 0, p[2], error = 0;

	for (int k = 0; k < 32; k++)
		if (fork() == 0) {
			for (count = 0; count < 500; count++) {
				if (pipe2(p, O_NONBLOCK) < 0) {
					error = errno;
					break;
				}
				while (write(p[1], block, sizeof(block)) > 0)
					;
			}
			if (k == 0)
				note("%d full pipes in each of 32, then %s", count,
				     error ? strerrorname_np(error) : "enough");
			sleep_ms(500);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	for (int k = 0; k < 16; k++)
		if (fork() == 0) {
			for (count = 0; count < 300; count++) {
				if (socketpair(AF_UNIX, k % 2 ? SOCK_DGRAM : SOCK_STREAM, 0, p) < 0)
					break;
				while (send(p[1], block, 30000, MSG_DONTWAIT) > 0)
					;
			}
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
}

static void attack_sockets_in_sockets(void)
{
	int s[2], count = 0;
	char control[CMSG_SPACE(sizeof(int) * 2)] = "";
	struct iovec v = { "x", 1 };

	for (; count < 5000;
	     count++) { /* each pair holds the one before, and nobody holds the last */
		int last[2] = { count ? s[0] : 0, count ? s[1] : 1 };
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) < 0)
			break;
		struct msghdr m = { .msg_iov = &v,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * 2);
		memcpy(CMSG_DATA(c), last, sizeof(last));
		if (sendmsg(s[0], &m, 0) < 0)
			break;
		if (count) {
			close(last[0]);
			close(last[1]);
		}
		memcpy(CMSG_DATA(c), s, sizeof(s)); /* and itself: a ring */
		(void)!sendmsg(s[0], &m, 0);
	}
	note("a chain of %d", count);
}

static void attack_epolls_in_epolls(void)
{
	int last = epoll_create1(0), depth = 0;
	struct epoll_event e = { .events = EPOLLIN };

	for (; depth < 500; depth++) {
		int ep = epoll_create1(0);
		if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, last, &e) < 0)
			break;
		(void)epoll_wait(ep, &e, 1, 0);
		last = ep;
	}
	note("epoll depth %d", depth);
	int a = epoll_create1(0), b = epoll_create1(0);
	epoll_ctl(a, EPOLL_CTL_ADD, b, &e);
	if (epoll_ctl(b, EPOLL_CTL_ADD, a, &e) == 0)
		note("a ring of two epolls was accepted");
	(void)epoll_wait(a, &e, 1, 0);
}

static void attack_folders_without_end(void)
{
	int depth = 0;

	if (chdir("/tmp") < 0)
		return;
	for (; depth < 20000; depth++)
		if (mkdir("d", 0700) < 0 || chdir("d") < 0)
			break;
	note("%d folders deep", depth);
	char text[100];
	(void)!getcwd(text, sizeof(text));
	(void)!readlink("/proc/self/cwd", text, sizeof(text));
	if (rename("/tmp/d", "/tmp/e") == 0)
		(void)!rmdir("/tmp/e");
	(void)!system("rm -rf /tmp/e /tmp/d");
}

static void attack_waiting_in_all_ways(void)
{
	pid_t pids[200];
	int p[2];

	if (pipe(p) < 0)
		return;
	for (int i = 0; i < 200; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char c;
			fd_set r;
			FD_ZERO(&r);
			FD_SET(p[0], &r);
			switch (i % 5) {
			case 0:
				(void)!read(p[0], &c, 1);
				break;
			case 1:
				(void)select(p[0] + 1, &r, NULL, NULL, NULL);
				break;
			case 2:
				if (fork() == 0)
					pause();
				wait(NULL);
				break;
			case 3:
				(void)!open("/tmp/nobody-writes",
					    O_RDONLY | (mkfifo("/tmp/nobody-writes", 0600) & 0));
				break;
			default:
				pause();
			}
			_exit(0);
		}
	}
	sleep_ms(500);
	for (int i = 0; i < 200; i++)
		if (pids[i] > 0)
			kill(pids[i], i % 2 ? SIGKILL : SIGTERM);
	for (int i = 0; i < 200; i++)
		if (pids[i] > 0)
			waitpid(pids[i], NULL, 0);
	note("all two hundred ended");
}

static void attack_killing_each_other(void)
{
	for (int k = 0; k < 300; k++) {
		pid_t pid = fork();
		if (pid == 0) {
			for (;;) {
				int fd = open("/usr/include/stdio.h", O_RDONLY);
				pid_t inner = fork();
				if (inner == 0)
					execl("/bin/true", "true", NULL);
				close(fd);
				wait(NULL);
			}
		}
		for (volatile int i = 0; i < (k * 7919) % 200000; i++)
			;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

const struct attack resource_attacks[] = {
	ATTACK(forking_without_end),	ATTACK(fork_bomb),
	ATTACK(threads_without_end),	ATTACK(descriptors_without_end),
	ATTACK(many_files_of_the_host), ATTACK(filling_files),
	ATTACK(making_names),		ATTACK(filling_pipes),
	ATTACK(sockets_in_sockets),	ATTACK(epolls_in_epolls),
	ATTACK(folders_without_end),	ATTACK(waiting_in_all_ways),
	ATTACK(killing_each_other),	{ NULL, NULL },
};
