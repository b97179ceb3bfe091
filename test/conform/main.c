#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct conform_case *const tables[] = { file_cases,    path_cases,	  folder_cases,
						     process_cases, signal_cases, wait_cases,
						     socket_cases,  memory_cases, error_cases,
						     transfer_cases };

void tell(const char *what, long result)
{
	if (result == -1)
		printf("%s = %s\n", what, errno ? strerrorname_np(errno) : "-1");
	else
		printf("%s = %ld\n", what, result);
	fflush(stdout);
	errno = 0;
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	errno = 0;
}

static char kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '?';
	}
}

void show(const char *path)
{
	struct stat st;
	char target[256];

	if (lstat(path, &st) < 0) {
		tell(path, -1);
		return;
	}
	if (S_ISDIR(st.st_mode)) {
		say("%s: d %o", path, st.st_mode & 07777);
	} else if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, target, sizeof(target));
		say("%s: l -> %.*s links %ju size %jd", path, (int)n, target,
		    (uintmax_t)st.st_nlink, (intmax_t)st.st_size);
	} else {
		say("%s: %c %o links %ju size %jd owner %u:%u", path, kind_of(st.st_mode),
		    st.st_mode & 07777, (uintmax_t)st.st_nlink, (intmax_t)st.st_size, st.st_uid,
		    st.st_gid);
	}
}

void show_text(const char *path)
{
	char text[200];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n < 0) {
		tell(path, -1);
	} else {
		printf("%s holds %zd: ", path, n);
		for (ssize_t i = 0; i < n; i++)
			printf(text[i] >= ' ' && text[i] < 127 ? "%c" : "\\%03o",
			       (unsigned char)text[i]);
		say("%s", "");
	}
	if (fd >= 0)
		close(fd);
}

void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		tell(path, -1);
		exit(1);
	}
	close(fd);
}

void print_status(int status)
{
	if (WIFEXITED(status))
		say("exited %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		say("killed by %d", WTERMSIG(status));
	else if (WIFSTOPPED(status))
		say("stopped by %d", WSTOPSIG(status));
	else
		say("status %x", status);
}

void in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fn();
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		tell("child", -1);
	else
		print_status(status);
}

void sleep_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	errno = 0;
}

static void run_case(const struct conform_case *c)
{
	int status;
	pid_t pid;

	printf("# case %s\n", c->name);
	fflush(stdout);
	if (mkdir(c->name, 0755) < 0 || chdir(c->name) < 0) {
		tell(c->name, -1);
		return;
	}
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		alarm(CASE_SECONDS);
		umask(022);
		errno = 0;
		c->fn();
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		tell("case", -1);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		print_status(status);
	if (pid > 0)
		kill(-pid, SIGKILL);
	if (chdir("..") < 0)
		tell("back", -1);
}

int main(int argc, char **argv)
{
	const char *scratch = getenv("W");

	signal(SIGPIPE, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	if (scratch && (mkdir(scratch, 0755) < 0 || chdir(scratch) < 0)) {
		perror(scratch);
		return 2;
	}
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct conform_case *c = tables[t]; c->name; c++) {
			int wanted = argc == 1;
			for (int i = 1; i < argc; i++)
				wanted |= strcmp(argv[i], c->name) == 0;
			if (argc == 2 && strcmp(argv[1], "-l") == 0)
				puts(c->name);
			else if (wanted)
				run_case(c);
		}
	return 0;
}
