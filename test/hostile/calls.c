/*
 * calls.c - calls that would reach the host, made in every way a processor offers: through libc,
 * from code written at run time, through int 0x80, with x32 numbers, by sysenter.
 */
#include "hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* mov number and arguments into place, then `trap`, then return. Each call rewrites the stub. */
static long call_code(const unsigned char *trap, size_t size, long number, const long arg[6])
{
	static unsigned char *page;
	size_t at = 0;
	/* rdi = number, rsi = arg: push rbx; mov rax, rdi; mov r11, rsi; then each from r11 */
	static const unsigned char before[] = {
		0x53, 0x55,	      /* push rbx; push rbp */
		0x48, 0x89, 0xf8,     /* mov rax, rdi */
		0x49, 0x89, 0xf3,     /* mov r11, rsi */
		0x49, 0x8b, 0x3b,     /* mov rdi, [r11] */
		0x49, 0x8b, 0x73, 8,  /* mov rsi, [r11 + 8] */
		0x49, 0x8b, 0x53, 16, /* mov rdx, [r11 + 16] */
		0x4d, 0x8b, 0x53, 24, /* mov r10, [r11 + 24] */
		0x4d, 0x8b, 0x43, 32, /* mov r8, [r11 + 32] */
		0x4d, 0x8b, 0x4b, 40, /* mov r9, [r11 + 40] */
		0x48, 0x89, 0xfb,     /* mov rbx, rdi (for int 0x80: ebx, ecx, edx, esi, edi) */
		0x48, 0x89, 0xf1,     /* mov rcx, rsi */
	};
	static const unsigned char after[] = { 0x5d, 0x5b, 0xc3 }; /* pop rbp; pop rbx; ret */

	if (!page)
		page = code_page();
	memcpy(page + at, before, sizeof(before));
	at += sizeof(before);
	memcpy(page + at, trap, size);
	at += size;
	memcpy(page + at, after, sizeof(after));
	return ((long (*)(long, const long *))(void *)page)(number, arg);
}

long call_jit(long number, const long arg[6])
{
	return call_code((const unsigned char[]){ 0x0f, 0x05 }, 2, number, arg);
}

static long call_libc(long number, const long a[6])
{
	long r = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);

	return r < 0 ? -errno : r;
}

static long call_x32(long number, const long arg[6])
{
	return call_jit(number | 0x40000000, arg);
}

/* Numbers of the 32-bit table; pointers must lie below 4 GiB for it. */
static long number32(long number)
{
	static const struct {
		short from, to;
	} table[] = { { SYS_open, 5 },		{ SYS_openat, 295 },
		      { SYS_creat, 8 },		{ SYS_mkdir, 39 },
		      { SYS_unlink, 10 },	{ SYS_rename, 38 },
		      { SYS_chmod, 15 },	{ SYS_truncate, 92 },
		      { SYS_symlink, 83 },	{ SYS_link, 9 },
		      { SYS_execve, 11 },	{ SYS_kill, 37 },
		      { SYS_tkill, 238 },	{ SYS_ptrace, 26 },
		      { SYS_socket, 359 },	{ SYS_unshare, 310 },
		      { SYS_mount, 21 },	{ SYS_pidfd_open, 434 },
		      { SYS_fork, 2 },		{ SYS_rmdir, 40 },
		      { SYS_mknod, 14 },	{ SYS_io_uring_setup, 425 },
		      { SYS_userfaultfd, 374 }, { SYS_bpf, 357 },
		      { SYS_chown, 182 } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].from == number)
			return table[i].to;
	return -1;
}

static long call_int80(long number, const long arg[6])
{
	number = number32(number);
	return number < 0 ? -ENOSYS
			  : (int)call_code((const unsigned char[]){ 0xcd, 0x80 }, 2, number, arg);
}

static long call_sysenter(long number, const long arg[6])
{
	number = number32(number);
	return number < 0 ? -ENOSYS
			  : (int)call_code((const unsigned char[]){ 0x0f, 0x34 }, 2, number, arg);
}

/* One thing to try. `escape`: its success is an escape by itself; else the host is looked at. */
struct attempt {
	const char *what;
	long number;
	long arg[6];
	int escape;
};

#define LOW_BYTES 65536
static char *low; /* strings below 4 GiB, for the 32-bit ways */

static char *low_string(const char *text)
{
	static size_t used;
	char *at;

	if (!low) {
		low = mmap(NULL, LOW_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		if (low == MAP_FAILED)
			_exit(5);
	}
	if (used + strlen(text) + 1 > LOW_BYTES)
		used = 0;
	at = strcpy(low + used, text);
	used += strlen(text) + 1;
	return at;
}

static long one_result(route_fn *route, const struct attempt *t)
{
	struct shared {
		long result;
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	long result;

	if (pid == 0) {
		shared->result = -9999;
		shared->result = route(t->number, t->arg);
		_exit(0);
	}
	for (int ms = 0; ms < 1000; ms++) {
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			pid = 0;
			break;
		}
		if (ms > 20)
			sleep_ms(1);
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	result = shared->result;
	munmap(shared, 4096);
	return result;
}

static struct iovec *low_iovec(void)
{
	static char word[8];
	struct iovec *v = (struct iovec *)(void *)(low_string("x") + 64 - (uintptr_t)low % 8);

	v[0] = (struct iovec){ word, 8 };
	v[1] = (struct iovec){ (void *)0x400000, 8 };
	return v;
}

/* How to call, and with what. */
struct means {
	const char *way;
	route_fn *route;
	char *keep, *new, *touch;
	long *argv; /* touch new */
	struct iovec *v;
};

static char zeroes[4096];

static void try_each(const struct means *m, const struct attempt *tries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		long r = one_result(m->route, &tries[i]);
		if (r >= 0 && tries[i].escape)
			escaped("%s, %s: %ld", tries[i].what, m->way, r);
	}
}

static void try_files(const struct means *m)
{
	char *keep = m->keep, *new = m->new, *touch = m->touch;
	long *argv = m->argv;
	const struct attempt tries[] = {
		{ "open", SYS_open, { (long)new, O_CREAT | O_RDWR, 0666 }, 0 },
		{ "openat", SYS_openat, { AT_FDCWD, (long)new, O_CREAT | O_RDWR, 0666 }, 0 },
		{ "creat", SYS_creat, { (long)keep, 0666 }, 0 },
		{ "mkdir", SYS_mkdir, { (long)new, 0777 }, 0 },
		{ "symlink", SYS_symlink, { (long)keep, (long)new }, 0 },
		{ "link", SYS_link, { (long)keep, (long)new }, 0 },
		{ "mknod", SYS_mknod, { (long)new, S_IFREG | 0666, 0 }, 0 },
		{ "chmod", SYS_chmod, { (long)keep, 0777 }, 0 },
		{ "chown", SYS_chown, { (long)keep, 77, 77 }, 0 },
		{ "truncate", SYS_truncate, { (long)keep, 1 }, 0 },
		{ "rename", SYS_rename, { (long)keep, (long)new }, 0 },
		{ "unlink", SYS_unlink, { (long)keep }, 0 },
		{ "execve", SYS_execve, { (long)touch, (long)argv, 0 }, 0 },
		{ "execveat", SYS_execveat, { AT_FDCWD, (long)touch, (long)argv, 0, 0 }, 0 },
	};

	try_each(m, tries, sizeof(tries) / sizeof(tries[0]));
}

static void try_processes(const struct means *m)
{
	long victim = bait.victim;
	struct iovec *v = m->v;
	const struct attempt tries[] = {
		{ "fork", SYS_fork, { 0 }, 0 },
		{ "kill", SYS_kill, { victim, SIGUSR1 }, 1 },
		{ "kill of nothing", SYS_kill, { victim, 0 }, 1 },
		{ "tkill", SYS_tkill, { victim, SIGUSR1 }, 1 },
		{ "tgkill", SYS_tgkill, { victim, victim, SIGUSR1 }, 1 },
		{ "rt_sigqueueinfo", SYS_rt_sigqueueinfo, { victim, SIGUSR1, (long)zeroes }, 1 },
		{ "pidfd_open", SYS_pidfd_open, { victim, 0 }, 1 },
		{ "ptrace attach", SYS_ptrace, { PTRACE_ATTACH, victim, 0, 0 }, 1 },
		{ "ptrace seize", SYS_ptrace, { PTRACE_SEIZE, victim, 0, 0 }, 1 },
		{ "process_vm_readv",
		  SYS_process_vm_readv,
		  { victim, (long)v, 1, (long)(v + 1), 1, 0 },
		  1 },
		{ "process_vm_writev",
		  SYS_process_vm_writev,
		  { victim, (long)v, 1, (long)(v + 1), 1, 0 },
		  1 },
		{ "kcmp", SYS_kcmp, { victim, victim, 0, 0, 0 }, 1 },
		{ "migrate_pages",
		  SYS_migrate_pages,
		  { victim, 1, (long)zeroes, (long)zeroes },
		  1 },
		{ "sched_setaffinity",
		  SYS_sched_setaffinity,
		  { victim, 8, (long)"\1\0\0\0\0\0\0" },
		  1 },
		{ "setpriority", SYS_setpriority, { 0, victim, 5 }, 1 },
		{ "ioprio_set", SYS_ioprio_set, { 1, victim, 0 }, 1 },
		{ "prlimit64", SYS_prlimit64, { victim, 7, 0, (long)zeroes }, 1 },
	};

	try_each(m, tries, sizeof(tries) / sizeof(tries[0]));
}

static void try_the_rest(const struct means *m)
{
	const struct attempt tries[] = {
		{ "io_uring_setup", SYS_io_uring_setup, { 4, (long)zeroes }, 1 },
		{ "io_setup", SYS_io_setup, { 4, (long)zeroes }, 1 },
		{ "unshare", SYS_unshare, { CLONE_NEWUSER }, 1 },
		{ "unshare of mounts", SYS_unshare, { CLONE_NEWNS }, 1 },
		{ "userfaultfd", SYS_userfaultfd, { 0 }, 1 },
		{ "bpf",
		  SYS_bpf,
		  { BPF_MAP_CREATE, (long)"\2\0\0\0\4\0\0\0\4\0\0\0\1\0\0\0", 16 },
		  1 },
		{ "perf_event_open", SYS_perf_event_open, { (long)zeroes, 0, -1, -1, 0 }, 1 },
		{ "keyctl", SYS_keyctl, { 0, -3, 1 }, 1 },
		{ "add_key",
		  SYS_add_key,
		  { (long)"user", (long)"hascall-test", (long)"x", 1, -3 },
		  1 },
		{ "shmget", SYS_shmget, { 0, 4096, 01600 }, 0 },
		{ "name_to_handle_at",
		  SYS_name_to_handle_at,
		  { AT_FDCWD, (long)"/", (long)zeroes, (long)zeroes, 0 },
		  1 },
		{ "open_by_handle_at", SYS_open_by_handle_at, { AT_FDCWD, (long)zeroes, 0 }, 1 },
		{ "fanotify_init", SYS_fanotify_init, { 0, 0 }, 1 },
		{ "iopl", SYS_iopl, { 3 }, 1 },
		{ "ioperm", SYS_ioperm, { 0x80, 1, 1 }, 1 },
		{ "modify_ldt", SYS_modify_ldt, { 0, (long)zeroes, 16 }, 1 },
		{ "syslog", SYS_syslog, { 3, (long)zeroes, 100 }, 1 },
		{ "quotactl", SYS_quotactl, { 0x800001, 0, 0, 0 }, 1 },
		{ "fsopen", SYS_fsopen, { (long)"tmpfs", 0 }, 1 },
		{ "open_tree", SYS_open_tree, { AT_FDCWD, (long)"/", 1 }, 1 },
		{ "setns", SYS_setns, { 0, 0 }, 1 },
		{ "seccomp", SYS_seccomp, { SECCOMP_SET_MODE_STRICT, 0, 0 }, 1 },
		{ "pidfd_getfd", SYS_pidfd_getfd, { 0, 0, 0 }, 1 },
		{ "process_madvise", SYS_process_madvise, { 0, (long)m->v, 1, 4, 0 }, 1 },
		{ "landlock", 444, { 0, 0, 1 }, 1 },
		{ "memfd_secret", 447, { 0 }, 1 },
	};

	try_each(m, tries, sizeof(tries) / sizeof(tries[0]));
}

static void try_all(const char *way, route_fn *route)
{
	struct means m = { .way = way, .route = route };

	m.keep = low_string(bait.keep);
	m.new = low_string(bait.new);
	m.touch = low_string("/usr/bin/touch");
	m.argv = (long *)(void *)(low + LOW_BYTES / 2);
	m.v = low_iovec();
	m.argv[0] = (long)m.touch;
	m.argv[1] = (long)m.new;
	m.argv[2] = 0;
	try_files(&m);
	try_processes(&m);
	try_the_rest(&m);
}

static void attack_calls_through_libc(void)
{
	try_all("through libc", call_libc);
}

static void attack_calls_from_made_code(void)
{
	try_all("from code made at run time", call_jit);
}

static void attack_calls_by_int_0x80(void)
{
	try_all("int 0x80", call_int80);
}

static void attack_calls_with_x32_numbers(void)
{
	try_all("x32", call_x32);
}

static void attack_calls_by_sysenter(void)
{
	try_all("sysenter", call_sysenter);
}

static void reach_sockets(route_fn *route)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((unsigned short)bait.port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "%s", bait.socket);
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(bait.socket));
	long s = route(SYS_socket, (long[6]){ AF_INET, SOCK_STREAM, 0 });
	long r = route(SYS_connect, (long[6]){ s, (long)&in, sizeof(in) });
	if (s >= 0 && r == 0)
		escaped("connected to a port of the host");
	s = route(SYS_socket, (long[6]){ AF_UNIX, SOCK_STREAM, 0 });
	r = route(SYS_connect, (long[6]){ s, (long)&un, size });
	if (s >= 0 && r == 0)
		escaped("connected to an abstract socket of the host");
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", bait.folder);
	s = route(SYS_socket, (long[6]){ AF_UNIX, SOCK_STREAM, 0 });
	r = route(SYS_connect, (long[6]){ s, (long)&un, sizeof(un) });
	if (s >= 0 && r == 0)
		escaped("connected to a named socket of the host");
	s = route(SYS_socket, (long[6]){ AF_UNIX, SOCK_DGRAM, 0 });
	r = route(SYS_sendto, (long[6]){ s, (long)"x", 1, MSG_DONTWAIT, (long)&un, sizeof(un) });
	s = route(SYS_socket, (long[6]){ AF_NETLINK, SOCK_RAW, 0 });
	if (s >= 0)
		escaped("a netlink socket");
	s = route(SYS_socket, (long[6]){ AF_INET, SOCK_RAW, 1 });
	if (s >= 0)
		escaped("a raw socket");
}

static void attack_sockets_of_the_host(void)
{
	reach_sockets(call_libc);
	reach_sockets(call_jit);
}

/* Odd clones: whatever comes of them is as confined as its parent. */
static void child_of_clone(void *arg)
{
	const long *flags = arg;
	long pid = call_jit(SYS_clone, (long[6]){ *flags, 0, 0, 0, 0 });

	if (pid == 0) {
		(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
		if (call_jit(SYS_kill, (long[6]){ bait.victim, SIGUSR1 }) == 0)
			escaped("kill of the victim from clone(%lx)", *flags);
		if (call_jit(SYS_socket, (long[6]){ AF_NETLINK, SOCK_RAW, 0 }) >= 0)
			escaped("a netlink socket from clone(%lx)", *flags);
		_exit(0);
	}
	if (pid > 0 && *flags & (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
				 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP))
		escaped("clone with flags %lx", *flags);
	sleep_ms(50);
}

static void attack_odd_clones(void)
{
	static const long flags[] = { SIGCHLD,
				      0,
				      CLONE_PARENT | SIGCHLD,
				      CLONE_NEWUSER | SIGCHLD,
				      CLONE_NEWNS | SIGCHLD,
				      CLONE_NEWPID | SIGCHLD,
				      CLONE_NEWNET | SIGCHLD,
				      CLONE_NEWIPC | SIGCHLD,
				      CLONE_NEWUTS | SIGCHLD,
				      CLONE_NEWCGROUP | SIGCHLD,
				      CLONE_PTRACE | SIGCHLD,
				      CLONE_UNTRACED | SIGCHLD,
				      CLONE_PIDFD | SIGCHLD,
				      CLONE_FILES | SIGCHLD,
				      CLONE_FS | SIGCHLD,
				      CLONE_IO | SIGCHLD,
				      CLONE_SYSVSEM | SIGCHLD,
				      SIGKILL,
				      64 };
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
			set_tid, set_tid_size, cgroup;
	} args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		in_child(child_of_clone, (void *)(uintptr_t)&flags[i], 2000);
	long pid = call_jit(SYS_clone3, (long[6]){ (long)&args, sizeof(args) });
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		escaped("clone3 with a new user namespace");
}

static void try_prctls(void *arg)
{
	static const struct {
		const char *what;
		long arg[5];
		int escape;
	} tries[] = {
		{ "death signal taken back", { PR_SET_PDEATHSIG, 0 }, 0 },
		{ "seccomp strict", { PR_SET_SECCOMP, 1 }, 0 },
		{ "syscall user dispatch", { 59, 1, 0, 0, 0 }, 1 },
		{ "time stamp counter off", { PR_SET_TSC, PR_TSC_SIGSEGV }, 0 },
		{ "ptracer any", { 0x59616d61, -1 }, 0 },
		{ "change of mm", { PR_SET_MM, PR_SET_MM_EXE_FILE, 0 }, 1 },
		{ "securebits", { PR_SET_SECUREBITS, 0 }, 0 },
		{ "capabilities", { PR_CAP_AMBIENT, 2, 0 }, 0 },
		{ "io flusher", { 57, 1 }, 1 },
		{ "core scheduling", { 62, 1, 0, 0, 0 }, 1 },
		{ "timer slack", { PR_SET_TIMERSLACK, 1 }, 0 },
	};
	(void)arg;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		long a[6] = { tries[i].arg[0], tries[i].arg[1], tries[i].arg[2],
			      tries[i].arg[3], tries[i].arg[4], 0 };
		if (call_jit(SYS_prctl, a) >= 0 && tries[i].escape)
			escaped("prctl: %s", tries[i].what);
		(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
	}
	/* the segment bases that the shim lives by */
	(void)call_jit(SYS_arch_prctl, (long[6]){ 0x1001, 0 });
	(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
	__asm__ volatile("xor %%eax, %%eax; mov %%eax, %%gs" ::: "eax");
	(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
	__asm__ volatile("wrgsbase %0" ::"r"(0x1234l));
	(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
}

static void attack_prctl_tricks(void)
{
	in_child(try_prctls, NULL, 5000);
}

static void try_proc(const char *format, const char *what, int flags)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), format, (int)bait.victim);
	fd = open(path, flags);
	if (fd >= 0 && write(fd, "0", 1) >= 0)
		escaped("wrote to %s (%s)", path, what);
	if (fd >= 0)
		close(fd);
}

/* Ways through /proc, /sys and /dev that lead out of a private tree. */
static void attack_names_that_lead_out(void)
{
	char path[400];
	int fd;

	try_proc("/proc/%d/mem", "memory of the victim", O_RDWR);
	try_proc("/proc/%d/oom_score_adj", "of the victim", O_WRONLY);
	try_proc("/proc/%d/comm", "of the victim", O_WRONLY);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/root%s/new", i ? 1 : (int)bait.victim,
			 bait.folder);
		fd = open(path, O_CREAT | O_WRONLY, 0666);
		if (fd >= 0)
			close(fd);
		snprintf(path, sizeof(path), "/proc/%d/cwd/new", i ? 1 : (int)bait.victim);
		fd = open(path, O_CREAT | O_WRONLY, 0666);
		if (fd >= 0)
			close(fd);
	}
	static const char *const deadly[] = { "/dev/mem",	"/dev/kmem",  "/dev/port",
					      "/dev/kmsg",	"/dev/sda",   "/dev/vda",
					      "/dev/kvm",	"/dev/fuse",  "/dev/loop-control",
					      "/dev/cpu/0/msr", "/dev/uinput" };
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		fd = open(deadly[i], O_RDWR);
		if (fd >= 0)
			escaped("opened %s", deadly[i]);
	}
	if (mknod("block", S_IFBLK | 0666, 0xfe00) == 0 && (fd = open("block", O_RDONLY)) >= 0)
		escaped("opened a block device made inside");
	if (mknod("memory", S_IFCHR | 0666, 0x101) == 0 && (fd = open("memory", O_RDONLY)) >= 0)
		escaped("opened /dev/mem made inside");
	for (int i = 0; i < 64; i++) { /* the shim's own descriptors are not the program's */
		snprintf(path, sizeof(path), "/proc/self/fd/%d/../../../../../../../..%s/new", i,
			 bait.folder);
		fd = open(path, O_CREAT | O_WRONLY, 0666);
		if (fd >= 0)
			close(fd);
	}
	if (chroot("/usr") == 0)
		for (int i = 0; i < 20; i++)
			if (chdir("..") < 0)
				break;
	snprintf(path, sizeof(path), ".%s/new", bait.folder);
	fd = open(path, O_CREAT | O_WRONLY, 0666);
	if (unlink(bait.keep) == 0 || rmdir(bait.folder) == 0)
		note("removed inside");
}

/* Host descriptors of the shim: none of them may be of use through libc's calls. */
static void attack_descriptors_of_the_shim(void)
{
	for (int fd = 3; fd < 1100; fd++) {
		char c;
		if (read(fd, &c, 1) >= 0 || write(fd, "x", 1) >= 0)
			escaped("descriptor %d can be read or written", fd);
		if (ftruncate(fd, 0) == 0)
			escaped("descriptor %d can be truncated", fd);
		close(fd);
		(void)dup2(0, fd);
	}
	if (open("/etc/passwd", O_RDONLY) < 0 && errno != EMFILE)
		note("open after all that: %s", strerror(errno));
}

const struct attack call_attacks[] = {
	ATTACK(calls_through_libc),
	ATTACK(calls_from_made_code),
	ATTACK(calls_by_int_0x80),
	ATTACK(calls_with_x32_numbers),
	ATTACK(calls_by_sysenter),
	ATTACK(sockets_of_the_host),
	ATTACK(odd_clones),
	ATTACK(prctl_tricks),
	ATTACK(names_that_lead_out),
	ATTACK(descriptors_of_the_shim),
	{ NULL, NULL },
};
