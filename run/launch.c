/*
 * launch.c - see launch.h. Everything that can fail before the fork is done before
 * it; what fails in the child ends it with status 125 after a line on stderr.
 */
#include "run/launch.h"

#include "hascall/run_abi.h"
#include "run/filter.h"
#include "run/shim/shim.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define RSEQ_SIZE 32u /* the first and smallest that the kernel takes */
#define SET_UP_FAILED 125
#define FD_TEMPORARY 64 /* above every descriptor the shim uses */

extern const unsigned char shim_image[], shim_image_tail[];

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "hascall: cannot start the program: %s: %s\n", what, strerror(errno));
	_exit(SET_UP_FAILED);
}

static size_t strings_size(char *const *vector, uint32_t *ret_count)
{
	size_t size = 0;

	for (*ret_count = 0; vector[*ret_count]; (*ret_count)++)
		size += strlen(vector[*ret_count]) + 1;
	return size;
}

static char *put_strings(char *at, char *const *vector)
{
	for (; *vector; vector++)
		at = stpcpy(at, *vector) + 1;
	return at;
}

static void *map_at(uint64_t address, uint64_t size, int prot, int flags, int fd)
{
	void *want = (void *)address; /* a fixed place: run_abi.h */
	void *got = mmap(want, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (got == MAP_FAILED)
		fail("map");
	return got;
}

static void map_shim(void)
{
	size_t size = (size_t)(shim_image_tail - shim_image);
	void *text = map_at(RUN_TEXT, RUN_TEXT_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memcpy(text, shim_image, size);
	if (mprotect(text, RUN_TEXT_SIZE, PROT_READ | PROT_EXEC) < 0)
		fail("protect the shim");
	map_at(RUN_PROCESS, RUN_PROCESS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	       -1);
	map_at(RUN_THREADS, (uint64_t)RUN_ENTRY_COUNT * RUN_THREAD_SIZE, PROT_READ | PROT_WRITE,
	       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static void map_shared(const struct launch_options *o)
{
	map_at(RUN_AREA, RUN_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, o->area_fd);
	map_at(RUN_SERVER_PAGE, 4096, PROT_READ, MAP_SHARED, o->server_fd);
	map_at(RUN_BELL_PAGE, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, o->bell_fd);
}

/* The kernel's pages (vdso and its data) serve the programs too: they must survive exec. */
static void find_vdso(struct shim_process *p)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	if (!maps)
		fail("/proc/self/maps");
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;

		if (!strstr(line, "[vvar") && !strstr(line, "[vdso]"))
			continue;
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (!p->vdso_start)
			p->vdso_start = start;
		p->vdso_end = end;
	}
	fclose(maps);
	if (!p->vdso_start)
		p->vdso_start = p->vdso_end = 0x7ffffffff000;
}

/* What the kernel told us of the machine. By /proc: the C library changes what getauxval tells. */
static void find_machine(struct shim_process *p)
{
	const struct {
		uint64_t tag;
		uint64_t *to;
	} wanted[] = {
		{ AT_SYSINFO_EHDR, &p->vdso_entry },
		{ AT_HWCAP, &p->hwcap },
		{ AT_HWCAP2, &p->hwcap2 },
		{ AT_CLKTCK, &p->clock_ticks },
		{ AT_MINSIGSTKSZ, &p->min_signal_stack },
		{ AT_RSEQ_FEATURE_SIZE, &p->rseq_feature_size },
		{ AT_RSEQ_ALIGN, &p->rseq_align },
	};
	FILE *auxv = fopen("/proc/self/auxv", "re");
	uint64_t pair[2];

	if (!auxv)
		fail("/proc/self/auxv");
	while (fread(pair, sizeof(pair), 1, auxv) == 1)
		for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
			if (pair[0] == wanted[i].tag)
				*wanted[i].to = pair[1];
	fclose(auxv);
}

static void fill_process(const struct launch_options *o)
{
	struct shim_process *p = (struct shim_process *)RUN_PROCESS;
	size_t argv_size = strings_size(o->argv, &p->argc);
	char *at = map_at(RUN_SCRATCH, RUN_SCRATCH_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	p->scratch_strings = argv_size + strings_size(o->envp, &p->envc);
	put_strings(put_strings(at, o->argv), o->envp);
	find_vdso(p);
	find_machine(p);
}

/* Nothing of the host's descriptors goes along, but the socket. */
static void keep_socket_only(int socket_fd)
{
	if (dup2(socket_fd, RUN_FD_SOCKET) < 0)
		fail("socket");
	if (close_range(0, RUN_FD_SOCKET - 1, 0) < 0 ||
	    close_range(RUN_FD_SOCKET + 1, UINT_MAX, 0) < 0)
		fail("close descriptors");
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < SIGNAL_COUNT; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Whoever starts hascall may be root; its programs need none of root's rights on the host:
 * no real-time scheduling, no raised limits. Inside, what root may do is the manager's.
 */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &header, none) < 0)
		fail("capabilities");
}

/*
 * The C library registered a restartable sequence in memory that is about to go; the
 * kernel would end the process when it next writes there.
 */
static void drop_restartable_sequence(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	unsigned int size = __rseq_size > RSEQ_SIZE ? __rseq_size : RSEQ_SIZE;

	if (__rseq_size && syscall(SYS_rseq, area, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
		fail("rseq");
}

/* The shim's own descriptors need a little room, whatever the caller's limit. */
static void check_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FD_TEMPORARY) {
		files.rlim_cur = files.rlim_max < FD_TEMPORARY ? files.rlim_max : FD_TEMPORARY;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static _Noreturn void become_program(const struct launch_options *o, pid_t manager)
{
	void (*gate_start_here)(struct shim_thread *) =
		(void (*)(struct shim_thread *))(uintptr_t)RUN_TEXT;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		fail("prctl");
	if (getppid() != manager)
		_exit(SET_UP_FAILED); /* it ended before we asked to be told */
	/*
	 * Terminal signals go to the manager, which forwards them. No session of its own: in an
	 * orphaned group the kernel ignores SIGTSTP; here our parent is of another group.
	 */
	(void)setpgid(0, 0);
	reset_signals();
	check_limits();
	map_shim();
	map_shared(o);
	fill_process(o);
	keep_socket_only(o->socket_fd);
	drop_restartable_sequence();
	drop_capabilities();
	r = filter_install();
	if (r < 0) {
		errno = -r;
		fail("seccomp filter");
	}
	/* The filter is on: only the shim may speak from here. */
	shim_block(0)->stack_top = (uint64_t)shim_block(0) + RUN_THREAD_SIZE;
	gate_start_here(shim_block(0));
	__builtin_unreachable();
}

int launch_start(const struct launch_options *options, pid_t *ret_pid)
{
	uint32_t count;
	pid_t manager = getpid(), pid;

	if (strings_size(options->argv, &count) + strings_size(options->envp, &count) >
	    RUN_SCRATCH_SIZE / 4)
		return -E2BIG;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_program(options, manager);
	*ret_pid = pid;
	return 0;
}
