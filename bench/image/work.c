/*
 * work.c - what is measured in a file system: the same static program in each, so that no
 * interpreter's or shell's cost is in a figure. Bench: see bench/image/run.
 *
 *     work [-C FOLDER] COMMAND [ARGUMENT...] [, COMMAND [ARGUMENT...]]...
 *
 * Several commands share one start of the file system: what the first has read is in
 * memory for the second. FOLDER is made if it is missing. Results go to standard error, one
 * line "work: NAME VALUE" each: nanoseconds per operation, or (`latency`, `count`) as said
 * at the command.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOLDERS 20u
#define PROCESSES_MAX 64u
#define MIB (UINT64_C(1) << 20)
#define SMALL 1024u
#define PAGE 4096u
#define WARM_FILES 1000u
#define SAMPLES_MAX 100000u

static char buffer[MIB];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void tell(const char *name, double value)
{
	fprintf(stderr, "work: %s %.1f\n", name, value);
}

static unsigned int number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text ? text : "", &end, 10);

	if (!text || end == text || *end || value > UINT32_MAX) {
		fprintf(stderr, "work: '%s' is not a number\n", text ? text : "");
		exit(2);
	}
	return (unsigned int)value;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t pick(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* ---- several processes, phase by phase: all begin together, and the last one's end counts. */

struct phase {
	const char *name;
	void (*fn)(unsigned int process, unsigned int processes, unsigned int count);
};

static void child(const struct phase *phases, unsigned int processes, unsigned int process,
		  unsigned int count, int go, int done)
{
	char byte;

	for (; phases->name; phases++) {
		if (read(go, &byte, 1) != 1)
			_exit(1);
		phases->fn(process, processes, count);
		if (write(done, "", 1) != 1)
			_exit(1);
	}
	_exit(0);
}

/* `count` operations in all; each line is one phase's, after `prefix`. */
static void together(const char *prefix, const struct phase *phases, unsigned int processes,
		     unsigned int count)
{
	int go[PROCESSES_MAX][2], done[2];
	char name[64], byte;

	if (processes == 0 || processes > PROCESSES_MAX || pipe(done) < 0)
		fail("the processes");
	for (unsigned int i = 0; i < processes; i++) {
		pid_t pid;

		if (pipe(go[i]) < 0)
			fail("pipe");
		pid = fork();
		if (pid < 0)
			fail("fork");
		if (pid == 0)
			child(phases, processes, i, count, go[i][0], done[1]);
		close(go[i][0]);
	}
	close(done[1]);
	for (const struct phase *p = phases; p->name; p++) {
		uint64_t from = now_ns();

		for (unsigned int i = 0; i < processes; i++)
			if (write(go[i][1], "", 1) != 1)
				fail("go");
		for (unsigned int i = 0; i < processes; i++)
			if (read(done[0], &byte, 1) != 1)
				fail(p->name);
		snprintf(name, sizeof(name), "%s%s", prefix, p->name);
		tell(name, (double)(now_ns() - from) / count);
	}
	for (unsigned int i = 0; i < processes; i++) {
		close(go[i][1]);
		wait(NULL);
	}
	close(done[0]);
}

/* ---- files COUNT PROCESSES: small files in FOLDERS folders. */

static void file_name(char *name, size_t size, char kind, unsigned int i)
{
	snprintf(name, size, "d%02u/%c%06u", i % FOLDERS, kind, i);
}

static void make_file(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0 || write(fd, buffer, SMALL) != SMALL || close(fd) < 0)
		fail(name);
}

static void create_files(unsigned int process, unsigned int processes, unsigned int count)
{
	char name[64];

	for (unsigned int i = process; i < count; i += processes) {
		file_name(name, sizeof(name), 'f', i);
		make_file(name);
	}
}

static void stat_files(unsigned int process, unsigned int processes, unsigned int count)
{
	struct stat st;
	char name[64];

	for (unsigned int i = process; i < count; i += processes) {
		file_name(name, sizeof(name), 'f', i);
		if (stat(name, &st) < 0 || st.st_size != SMALL)
			fail(name);
	}
}

static unsigned int read_folder(const char *name)
{
	DIR *folder = opendir(name);
	unsigned int seen = 0;
	struct dirent *entry;

	if (!folder)
		fail(name);
	while ((entry = readdir(folder)) != NULL)
		seen += entry->d_name[0] != '.';
	closedir(folder);
	return seen;
}

static void read_folders(unsigned int process, unsigned int processes, unsigned int count)
{
	char name[64];

	for (unsigned int i = process; i < FOLDERS; i += processes) {
		snprintf(name, sizeof(name), "d%02u", i);
		if (read_folder(name) != count / FOLDERS)
			fail("a folder lacks entries");
	}
}

static void read_files(unsigned int process, unsigned int processes, unsigned int count)
{
	char name[64], data[SMALL];

	for (unsigned int i = process; i < count; i += processes) {
		int fd;

		file_name(name, sizeof(name), 'f', i);
		fd = open(name, O_RDONLY);
		if (fd < 0 || read(fd, data, SMALL) != SMALL || close(fd) < 0)
			fail(name);
	}
}

static void rename_files(unsigned int process, unsigned int processes, unsigned int count)
{
	char name[64], to[64];

	for (unsigned int i = process; i < count; i += processes) {
		file_name(name, sizeof(name), 'f', i);
		file_name(to, sizeof(to), 'r', i);
		if (rename(name, to) < 0)
			fail(name);
	}
}

static void unlink_files(unsigned int process, unsigned int processes, unsigned int count)
{
	char name[64];

	for (unsigned int i = process; i < count; i += processes) {
		file_name(name, sizeof(name), 'r', i);
		if (unlink(name) < 0)
			fail(name);
	}
}

static void do_files(char **argv)
{
	static const struct phase phases[] = {
		{ "create", create_files },
		{ "stat", stat_files },
		{ "readdir", read_folders },
		{ "read", read_files },
		{ "rename", rename_files },
		{ "unlink", unlink_files },
		{ NULL, NULL },
	};
	unsigned int count = number(argv[1]) / FOLDERS * FOLDERS;
	char name[64];

	for (unsigned int i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "d%02u", i);
		if (mkdir(name, 0755) < 0)
			fail(name);
	}
	together("", phases, number(argv[2]), count);
	for (unsigned int i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "d%02u", i);
		if (rmdir(name) < 0)
			fail(name);
	}
}

/* ---- directory COUNT: empty files in one. */

static void do_directory(char **argv)
{
	unsigned int count = number(argv[1]);
	uint64_t from;
	struct stat st;
	char name[64];

	if (mkdir("one", 0755) < 0 || chdir("one") < 0)
		fail("one");
	from = now_ns();
	for (unsigned int i = 0; i < count; i++) {
		int fd;

		snprintf(name, sizeof(name), "f%06u", i);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0 || close(fd) < 0)
			fail(name);
	}
	tell("create", (double)(now_ns() - from) / count);
	from = now_ns();
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "f%06u", (unsigned int)pick(count));
		if (stat(name, &st) < 0)
			fail(name);
	}
	tell("stat", (double)(now_ns() - from) / 10000);
	from = now_ns();
	if (read_folder(".") != count)
		fail("the folder lacks entries");
	tell("readdir", (double)(now_ns() - from) / count);
	from = now_ns();
	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "f%06u", i);
		if (unlink(name) < 0)
			fail(name);
	}
	tell("unlink", (double)(now_ns() - from) / count);
	if (chdir("..") < 0 || rmdir("one") < 0)
		fail("one");
}

/* ---- fill FILE MIB, read FILE: in pieces of 1 MiB; ns per MiB. */

static void fill(const char *name, unsigned int mib)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0)
		fail(name);
	for (unsigned int i = 0; i < mib; i++) {
		memcpy(buffer, &i, sizeof(i));
		if (write(fd, buffer, MIB) != (ssize_t)MIB)
			fail(name);
	}
	if (fsync(fd) < 0 || close(fd) < 0)
		fail(name);
}

static void do_fill(char **argv)
{
	unsigned int mib = number(argv[2]);
	uint64_t from = now_ns();

	fill(argv[1], mib);
	tell("write", (double)(now_ns() - from) / mib);
}

static uint64_t read_all(const char *name)
{
	int fd = open(name, O_RDONLY);
	uint64_t sum = 0;
	ssize_t n;

	if (fd < 0)
		fail(name);
	while ((n = read(fd, buffer, MIB)) > 0)
		sum += (uint64_t)n;
	if (n < 0 || close(fd) < 0)
		fail(name);
	return sum;
}

static void do_read(char **argv)
{
	uint64_t from = now_ns(), bytes = read_all(argv[1]);

	tell("read", (double)(now_ns() - from) * (double)MIB / (double)bytes);
}

/* ---- random FILE COUNT, random-write FILE COUNT: 4 KiB, anywhere. */

static void do_random(char **argv)
{
	bool writes = argv[0][6] == '-';
	unsigned int count = number(argv[2]);
	int fd = open(argv[1], writes ? O_RDWR : O_RDONLY);
	struct stat st;
	uint64_t from;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < PAGE)
		fail(argv[1]);
	from = now_ns();
	for (unsigned int i = 0; i < count; i++) {
		off_t at = (off_t)pick((uint64_t)st.st_size / PAGE) * PAGE;
		ssize_t n = writes ? pwrite(fd, buffer, PAGE, at) : pread(fd, buffer, PAGE, at);

		if (n != PAGE)
			fail(argv[1]);
	}
	tell(argv[0], (double)(now_ns() - from) / count);
	close(fd);
}

/* ---- sync COUNT PROCESSES: each appends 4 KiB to a file of its own, and syncs. */

static void append_and_sync(unsigned int process, unsigned int processes, unsigned int count)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "sync%02u", process);
	fd = open(name, O_CREAT | O_WRONLY | O_APPEND, 0644);
	for (unsigned int i = process; i < count; i += processes)
		if (write(fd, buffer, PAGE) != PAGE || fsync(fd) < 0)
			fail(name);
	close(fd);
}

static void do_sync(char **argv)
{
	static const struct phase phases[] = { { "fsync", append_and_sync }, { NULL, NULL } };
	unsigned int processes = number(argv[2]);
	char name[64];

	together("", phases, processes, number(argv[1]));
	for (unsigned int i = 0; i < processes; i++) {
		snprintf(name, sizeof(name), "sync%02u", i);
		unlink(name);
	}
}

/* ---- calls COUNT PROCESSES: of a file that is in memory, and of none. */

static void stat_one(unsigned int process, unsigned int processes, unsigned int count)
{
	struct stat st;

	for (unsigned int i = process; i < count; i += processes)
		if (stat("one", &st) < 0)
			fail("one");
}

static void read_one(unsigned int process, unsigned int processes, unsigned int count)
{
	char data[SMALL];
	int fd = open("one", O_RDONLY);

	for (unsigned int i = process; i < count; i += processes)
		if (pread(fd, data, sizeof(data), 0) != sizeof(data))
			fail("one");
	close(fd);
}

static void umask_only(unsigned int process, unsigned int processes, unsigned int count)
{
	for (unsigned int i = process; i < count; i += processes)
		umask(022);
}

static void do_calls(char **argv)
{
	static const struct phase phases[] = {
		{ "umask", umask_only },
		{ "stat", stat_one },
		{ "pread", read_one },
		{ NULL, NULL },
	};

	make_file("one");
	together("", phases, number(argv[2]), number(argv[1]));
	unlink("one");
}

/* ---- tree PROCESSES FOLDER: each reads all files below it, in the same order. */

static uint64_t tree_files;
static const char *tree_folder;

static void read_tree(const char *name)
{
	DIR *folder = opendir(name);
	struct dirent *entry;

	if (!folder)
		fail(name);
	while ((entry = readdir(folder)) != NULL) {
		char path[1024];
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		if (lstat(path, &st) < 0)
			fail(path);
		if (S_ISDIR(st.st_mode)) {
			read_tree(path);
		} else if (S_ISREG(st.st_mode)) {
			read_all(path);
			tree_files++;
		}
	}
	closedir(folder);
}

static void read_whole_tree(unsigned int process, unsigned int processes, unsigned int count)
{
	(void)process, (void)processes, (void)count;
	read_tree(tree_folder);
	if (tree_files == 0)
		fail("the tree has no files");
}

static void do_tree(char **argv)
{
	static const struct phase phases[] = { { "tree", read_whole_tree }, { NULL, NULL } };

	tree_folder = argv[2];
	together("", phases, number(argv[1]), 1);
}

/* ---- run [-i INPUT] PROGRAM [ARGUMENT...]: its time, as a whole. */

static void become(char **argv)
{
	if (strcmp(argv[0], "-i") == 0) {
		int fd = open(argv[1], O_RDONLY);

		if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
			fail(argv[1]);
		argv += 2;
	}
	execv(argv[0], argv);
	fail(argv[0]);
}

static void do_run(char **argv)
{
	uint64_t from = now_ns();
	pid_t pid = fork();
	int status;

	if (pid < 0)
		fail("fork");
	if (pid == 0)
		become(argv + 1);
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	tell("run", (double)(now_ns() - from));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "work: %s: status %x\n", argv[1], (unsigned int)status);
		exit(1);
	}
}

/*
 * ---- latency GAP_US COMMAND [ARGUMENT...]: what a short call takes, one each GAP_US, with nothing
 * else going on, and while another process does COMMAND: idle_p50, p50 and so on, ns.
 * `samples`: how many there were meanwhile.
 */

static uint64_t samples[SAMPLES_MAX];

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The slower of two calls: any child's end, and stat. *ret_ended: it has ended. */
static uint64_t sample(unsigned int gap_us, int *status, bool *ret_ended)
{
	const struct timespec gap = { 0, (long)gap_us * 1000 };
	struct stat st;
	uint64_t from, first, second;
	char name[64];

	nanosleep(&gap, NULL);
	snprintf(name, sizeof(name), "warm/f%04u", (unsigned int)pick(WARM_FILES));
	from = now_ns();
	*ret_ended = waitpid(-1, status, WNOHANG) > 0;
	first = now_ns() - from;
	from = now_ns();
	if (stat(name, &st) < 0)
		fail(name);
	second = now_ns() - from;
	return first > second ? first : second;
}

static void tell_samples(const char *prefix, size_t count)
{
	static const struct {
		const char *name;
		unsigned int percent;
	} shown[] = { { "p50", 50 }, { "p99", 99 }, { "max", 100 } };

	if (count == 0)
		fail("it ended before the first stat");
	qsort(samples, count, sizeof(samples[0]), compare);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		size_t at = count * shown[i].percent / 100;
		char name[64];

		snprintf(name, sizeof(name), "%s%s", prefix, shown[i].name);
		tell(name, (double)samples[at < count ? at : count - 1]);
	}
}

static void warm_up(void)
{
	struct stat st;
	char name[64];

	if (mkdir("warm", 0755) < 0 && errno != EEXIST)
		fail("warm");
	for (unsigned int i = 0; i < WARM_FILES; i++) {
		snprintf(name, sizeof(name), "warm/f%04u", i);
		if (stat(name, &st) < 0)
			make_file(name);
		if (stat(name, &st) < 0)
			fail(name);
	}
	sync();
}

static void run_command(char **argv);

static void do_latency(char **argv)
{
	unsigned int gap_us = number(argv[1]);
	size_t count = 0;
	bool ended = false;
	uint64_t from;
	int status = 0;
	pid_t pid;

	warm_up();
	for (size_t i = 0; i < 1000; i++)
		samples[i] = sample(gap_us, &status, &ended);
	tell_samples("idle_", 1000);
	from = now_ns();
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		if (strcmp(argv[2], "exec") == 0)
			become(argv + 3);
		run_command(argv + 2);
		_exit(0);
	}
	while (!ended && count < SAMPLES_MAX)
		samples[count++] = sample(gap_us, &status, &ended);
	tell("other", (double)(now_ns() - from));
	tell("samples", (double)count);
	tell_samples("", count);
	if (ended && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
		fprintf(stderr, "work: %s: status %x\n", argv[2], (unsigned int)status);
		exit(1);
	}
}

/* ---- daemon FILE...: read them, say that all is ready, and end. */

static void say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, sizeof(to)) != 7)
		fail(path);
	close(fd);
}

static void do_daemon(char **argv)
{
	while (*++argv)
		read_all(*argv);
	say_ready();
}

static void do_unlink(char **argv)
{
	uint64_t from = now_ns();

	if (unlink(argv[1]) < 0)
		fail(argv[1]);
	tell("unlink", (double)(now_ns() - from));
}

static const struct {
	const char *name;
	int arguments; /* at least */
	void (*fn)(char **argv);
} commands[] = {
	{ "files", 2, do_files },	  { "directory", 1, do_directory },
	{ "fill", 2, do_fill },		  { "read", 1, do_read },
	{ "random", 2, do_random },	  { "sync", 2, do_sync },
	{ "random-write", 2, do_random }, { "calls", 2, do_calls },
	{ "tree", 2, do_tree },		  { "run", 1, do_run },
	{ "latency", 2, do_latency },	  { "daemon", 1, do_daemon },
	{ "unlink", 1, do_unlink },
};

static void run_command(char **argv)
{
	int arguments = 0;

	while (argv[0] && argv[arguments + 1])
		arguments++;
	for (size_t i = 0; argv[0] && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[0], commands[i].name) != 0 || arguments < commands[i].arguments)
			continue;
		commands[i].fn(argv);
		return;
	}
	fprintf(stderr, "work: no such command, or it lacks arguments\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int i = 1;

	memset(buffer, 'w', sizeof(buffer));
	if (argc > 2 && strcmp(argv[1], "-C") == 0) {
		if ((mkdir(argv[2], 0755) < 0 && errno != EEXIST) || chdir(argv[2]) < 0)
			fail(argv[2]);
		i = 3;
	}
	while (i < argc) {
		int from = i;

		while (i < argc && strcmp(argv[i], ",") != 0)
			i++;
		argv[i++] = NULL; /* argv[argc] is one already */
		run_command(argv + from);
	}
	return 0;
}
