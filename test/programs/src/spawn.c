/* spawn.c - ways to make processes, also those that fail; prints the same at every run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tell.h"

extern char **environ;

static int wait_for(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void by_vfork(void)
{
	pid_t pid = vfork();

	/* What the child writes before exec need not reach the parent: doc/decisions/0003. */
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
		_exit(127);
	}
	int status = wait_for(pid);
	printf("vfork: status %d\n", status);
	volatile int failed = 0;
	pid = vfork();
	if (pid == 0) {
		execl("/no/such/program", "x", (char *)NULL);
		failed = errno;
		_exit(5);
	}
	status = wait_for(pid);
	printf("vfork with failing exec: status %d errno %d\n", status, failed);
	for (volatile int i = 0; i < 50; i++) {
		pid = vfork();
		if (pid == 0)
			_exit(i);
		if (wait_for(pid) != i)
			puts("vfork lost a status");
	}
}

static void by_posix_spawn(void)
{
	char *good[] = { "sh", "-c", "echo spawned; exit 4", NULL }, *bad[] = { "x", NULL };
	char *pwd[] = { "sh", "-c", "pwd; cat; echo $1 >&5", "sh", "five", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	pid_t pid;

	fflush(stdout);
	int r = posix_spawn(&pid, "/bin/sh", NULL, NULL, good, environ);
	printf("posix_spawn: %d status %d\n", r, wait_for(pid));
	printf("posix_spawn of nothing: %d\n",
	       posix_spawn(&pid, "/no/such", NULL, NULL, bad, environ));
	printf("posix_spawn of a text: %d\n",
	       posix_spawn(&pid, "/etc/passwd", NULL, NULL, bad, environ));
	printf("posix_spawnp of nothing: %d\n",
	       posix_spawnp(&pid, "no-such-program", NULL, NULL, bad, environ));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/etc/hostname", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 5, "five", O_CREAT | O_WRONLY, 0600);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attributes);
	sigfillset(&defaults);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	r = posix_spawn(&pid, "/bin/sh", &actions, &attributes, pwd, environ);
	int status = wait_for(pid);
	char text[10] = "";
	int fd = open("five", O_RDONLY);
	printf("actions: %d status %d read %zd %s", r, status, read(fd, text, 9), text);
	close(fd);
	unlink("five");
	printf("system %d popen ", WEXITSTATUS(system("exit 3")));
	FILE *p = popen("echo from popen; exit 2", "r");
	if (fgets(text, sizeof(text), p))
		printf("%s ", text);
	printf("%d\n", WEXITSTATUS(pclose(p)));
}

static void many(void)
{
	pid_t pids[100];
	int sum = 0;

	for (int i = 0; i < 100; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(i);
	}
	for (int i = 99; i >= 0; i--)
		sum += wait_for(pids[i]);
	printf("hundred children: %d\n", sum);
	tell("none left", wait(NULL));
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 10; i++)
		if (fork() == 0)
			_exit(0);
	tell("ignored children", (long)wait(NULL));
	signal(SIGCHLD, SIG_DFL);
}

static void *exec_in_thread(void *arg)
{
	(void)arg;
	execl("/bin/sh", "sh", "-c", "exit 33", (char *)NULL);
	return NULL;
}

static void *sleep_in_thread(void *arg)
{
	pause();
	return arg;
}

static void exec_among_threads(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t t;
		for (int i = 0; i < 5; i++)
			pthread_create(&t, NULL, sleep_in_thread, NULL);
		pthread_create(&t, NULL, exec_in_thread, NULL);
		pause();
	}
	printf("exec in one of many threads: %d\n", wait_for(pid));
	pid = fork();
	if (pid == 0) {
		pthread_t t;
		for (int i = 0; i < 5; i++)
			pthread_create(&t, NULL, sleep_in_thread, NULL);
		exit(34);
	}
	printf("exit among threads: %d\n", wait_for(pid));
	pid = fork();
	if (pid == 0) {
		pthread_t t;
		pthread_create(&t, NULL, sleep_in_thread, NULL);
		pid_t inner = fork();
		if (inner == 0)
			_exit(7);
		_exit(wait_for(inner));
	}
	printf("fork among threads: %d\n", wait_for(pid));
}

static void orphans_and_groups(void)
{
	int p[2];
	char text[100] = "";

	if (pipe(p) < 0)
		exit(1);
	pid_t pid = fork();
	if (pid == 0) {
		pid_t parent = getpid();
		if (fork() == 0) {
			while (getppid() == parent)
				usleep(1000);
			_exit(write(p[1], "orphan", 6) != 6);
		}
		_exit(0);
	}
	wait_for(pid);
	ssize_t n = read(p[0], text, sizeof(text));
	printf("%.*s has another parent\n", (int)n, text);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		for (int i = 0; i < 3; i++)
			if (fork() == 0)
				for (;;)
					pause();
		pause();
	}
	setpgid(pid, pid);
	usleep(50000);
	printf("group: %d kill %d", getpgid(pid) == pid, kill(-pid, SIGTERM));
	printf(" status %d\n", wait_for(pid));
	pid = fork();
	if (pid == 0)
		_exit(!(setsid() == getpid() && getpgrp() == getpid() && getsid(0) == getpid()));
	printf("session: %d\n", wait_for(pid));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, "renamed");
		char name[16];
		prctl(PR_GET_NAME, name);
		_exit(strcmp(name, "renamed"));
	}
	printf("name: %d\n", wait_for(pid));
	close(p[0]);
	close(p[1]);
}

static void shared_memory(void)
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int private = 1;

	for (int i = 0; i < 10; i++)
		if (fork() == 0) {
			private = 2;
			for (int k = 0; k < 1000; k++)
				__atomic_add_fetch(shared, 1, __ATOMIC_RELAXED);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	printf("shared %d private %d\n", *shared, private);
}

static void descriptors_over_exec(void)
{
	int kept = open("/etc/hostname", O_RDONLY),
	    closed = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
	char command[200];

	snprintf(command, sizeof(command), "[ -e /proc/self/fd/%d ] && [ ! -e /proc/self/fd/%d ]",
		 kept, closed);
	printf("descriptors over exec: %d\n", WEXITSTATUS(system(command)));
	fcntl(kept, F_SETFD, FD_CLOEXEC);
	snprintf(command, sizeof(command), "[ ! -e /proc/self/fd/%d ]", kept);
	printf("set later: %d\n", WEXITSTATUS(system(command)));
	signal(SIGUSR1, SIG_IGN);
	printf("ignored over exec: %d\n", WEXITSTATUS(system("kill -USR1 $$; exit 8")));
	signal(SIGUSR1, SIG_DFL);
	close(kept);
	close(closed);
}

static void clocks(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	usleep(30000);
	clock_gettime(CLOCK_MONOTONIC, &b);
	long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	printf("slept: %d\n", ms >= 30 && ms < 2000);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	by_vfork();
	by_posix_spawn();
	many();
	exec_among_threads();
	orphans_and_groups();
	shared_memory();
	descriptors_over_exec();
	clocks();
	execl("/bin/sh", "sh", "-c", "echo the end; exit 17", (char *)NULL);
	return 1;
}
