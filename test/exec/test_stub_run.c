/*
 * test_stub_run.c - what stub.h promises about a whole library: this process's own libc
 * is replaced by a patched copy, and goes on to work, every call by a stub.
 */
#include "call/stub.h"
#include "test/exec/native_entry.h"
#include "test/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct libc {
	uint64_t text; /* its first page */
	uint64_t size; /* bytes, in pages */
	struct stub_sites sites;
};

static int find_libc(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct libc *libc = ctx;

	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so.6"))
		return 0;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];

		if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
			continue;
		libc->text = info->dlpi_addr + h->p_vaddr;
		libc->size = (h->p_filesz + 4095) & ~4095ull;
	}
	return 1;
}

/* Room for the stubs, behind the text within reach of a jump. */
static uint8_t *room_behind(uint64_t text, size_t size)
{
	for (uint64_t at = text + (64 << 20); at < text + (1 << 30); at += 1 << 20) {
		void *got = mmap((void *)at, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (got == (void *)at)
			return got;
	}
	SKIP("no room within reach of libc");
	return NULL;
}

/* Not by libc: it is libc's own text that goes. */
static void move_over(void *from, uint64_t to, size_t size)
{
	register uint64_t flags __asm__("r10") = MREMAP_MAYMOVE | MREMAP_FIXED;
	register uint64_t where __asm__("r8") = to;
	uint64_t ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(SYS_mremap), "D"(from), "S"(size), "d"(size), "r"(flags), "r"(where)
			 : "rcx", "r11", "memory");
	CHECK(ret == to);
}

static void patch_libc(void)
{
	struct libc libc = { 0 };
	uint8_t *stubs, *copy;

	dl_iterate_phdr(find_libc, &libc);
	if (!libc.text)
		SKIP("the C library is not libc.so.6");
	CHECK_INT(stub_find((const uint8_t *)libc.text, libc.size, &libc.sites), 0);
	CHECK(libc.sites.count > 100);
	stubs = room_behind(libc.text, stub_bytes(&libc.sites));
	copy = mmap(NULL, libc.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(copy != MAP_FAILED);
	memcpy(copy, (const uint8_t *)libc.text, libc.size);
	stub_write(&libc.sites, copy, stubs, (uint64_t)stubs - libc.text);
	native_entry_map();
	CHECK_INT(mprotect(stubs, stub_bytes(&libc.sites), PROT_READ | PROT_EXEC), 0);
	CHECK_INT(mprotect(copy, libc.size, PROT_READ | PROT_EXEC), 0);
	move_over(copy, libc.text, libc.size);
	stub_sites_free(&libc.sites);
}

/* ---- work for libc */

static void use_files(void)
{
	char path[] = "/tmp/stub-XXXXXX", text[64] = "";
	int fd = mkstemp(path);
	struct stat st;
	FILE *f;

	CHECK(fd >= 0);
	CHECK_INT(write(fd, "hello\nworld\n", 12), 12);
	CHECK_INT(pread(fd, text, 5, 6), 5);
	CHECK_STR(text, "world");
	CHECK_INT(fstat(fd, &st), 0);
	CHECK_INT(st.st_size, 12);
	CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
	f = fdopen(fd, "r");
	CHECK(f && fgets(text, sizeof(text), f));
	CHECK_STR(text, "hello\n");
	fclose(f);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(stat(path, &st), -1);
	CHECK_INT(errno, ENOENT);
	CHECK_INT(close(fd), -1);
	CHECK_INT(errno, EBADF);
}

static void use_directories(void)
{
	DIR *dir = opendir("/usr");
	unsigned int names = 0;

	CHECK(dir);
	while (readdir(dir))
		names++;
	closedir(dir);
	CHECK(names > 3);
}

static void use_pipes_and_processes(void)
{
	struct iovec parts[2] = { { (void *)(uintptr_t) "ab", 2 },
				  { (void *)(uintptr_t) "cd", 2 } };
	struct pollfd item = { .events = POLLIN };
	char text[8] = "";
	int ends[2], status;
	pid_t pid;

	CHECK_INT(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		ssize_t written = writev(ends[1], parts, 2);

		_exit(written == 4 && getppid() > 1 ? 7 : 8);
	}
	CHECK(pid > 0);
	item.fd = ends[0];
	CHECK_INT(poll(&item, 1, 5000), 1);
	CHECK_INT(read(ends[0], text, 4), 4);
	CHECK_STR(text, "abcd");
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(WEXITSTATUS(status), 7);
	close(ends[0]);
	close(ends[1]);
}

static void use_programs(void)
{
	char text[64] = "";
	FILE *f = popen("echo one; echo two | tr o 0", "r");

	CHECK(f);
	CHECK_INT(fread(text, 1, sizeof(text) - 1, f), 8);
	CHECK_INT(pclose(f), 0);
	CHECK_STR(text, "one\ntw0\n");
	CHECK_INT(WEXITSTATUS(system("exit 3")), 3);
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int sig)
{
	(void)sig;
	signals_seen++;
}

static void use_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal }, old;
	sigset_t set, pending;
	sigjmp_buf back;

	CHECK_INT(sigaction(SIGUSR1, &action, &old), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_INT(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	CHECK_INT(kill(getpid(), SIGUSR1), 0);
	CHECK_INT(sigpending(&pending), 0);
	CHECK(sigismember(&pending, SIGUSR1));
	CHECK_INT(signals_seen, 0);
	CHECK_INT(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	CHECK_INT(signals_seen, 1);
	CHECK_INT(raise(SIGUSR1), 0);
	CHECK_INT(signals_seen, 2);
	if (sigsetjmp(back, 1) == 0)
		siglongjmp(back, 1);
	CHECK_INT(sigaction(SIGUSR1, &old, NULL), 0);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned int arrived;

static void *thread(void *arg)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	nanosleep(&moment, NULL);
	pthread_mutex_lock(&lock);
	arrived++;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	return arg;
}

static void use_threads(void)
{
	pthread_t threads[4];

	for (unsigned int i = 0; i < ARRAY_COUNT(threads); i++)
		CHECK_INT(pthread_create(&threads[i], NULL, thread, &lock), 0);
	pthread_mutex_lock(&lock);
	while (arrived < ARRAY_COUNT(threads))
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	for (unsigned int i = 0; i < ARRAY_COUNT(threads); i++) {
		void *ret;

		CHECK_INT(pthread_join(threads[i], &ret), 0);
		CHECK(ret == &lock);
	}
}

static void a_patched_libc_goes_on_to_work(void)
{
	if (test_sanitized)
		SKIP("a sanitizer knows libc's text");
	patch_libc();
	for (unsigned int i = 0; i < 20; i++) {
		use_files();
		use_directories();
		use_pipes_and_processes();
		use_signals();
		signals_seen = 0;
	}
	use_programs();
	use_threads();
	CHECK(getppid() > 0);
	CHECK(native_entry_calls() > 500);
	printf("# %u calls by stubs\n", native_entry_calls());
}

static const struct test tests[] = {
	TEST_LONG(a_patched_libc_goes_on_to_work, 30),
};
TEST_MAIN(tests)
