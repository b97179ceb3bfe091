/* SPDX-License-Identifier: MIT */
/*
 * proc_pid.c - files of /proc/PID, in the form of proc(5).
 */
#include "vfs/proc/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAGE_BYTES 4096u
#define TICK_NS 10000000u /* a hundredth of a second: what programs take for a tick */

int proc_get_info(const struct proc_inode *p, struct proc_info *ret)
{
	*ret = (struct proc_info){ .pid = p->pid, .tid = p->tid, .state = 'S' };
	return proc_source_of(p)->info(p->pid, p->tid, ret);
}

static unsigned long long ticks(uint64_t ns)
{
	return ns / TICK_NS;
}

int proc_fill_stat(struct proc_inode *p, struct proc_text *text)
{
	struct proc_info i;
	int r = proc_get_info(p, &i);

	if (r < 0)
		return r;
	proc_print(text, "%d (%.15s) %c %d %d %d %u %d 4194304 0 0 0 0 ", i.tid, i.comm, i.state,
		   i.ppid, i.pgid, i.sid, i.tty_dev, i.tty_group > 0 ? i.tty_group : -1);
	proc_print(
		text, "%llu %llu %llu %llu %d %d %u 0 %llu %llu %llu %llu ", ticks(i.user_ns),
		ticks(i.system_ns), ticks(i.child_user_ns), ticks(i.child_system_ns), 20 + i.nice,
		i.nice, i.thread_count, ticks(i.start_ns), (unsigned long long)i.virtual_size,
		(unsigned long long)i.resident_size / PAGE_BYTES, (unsigned long long)UINT64_MAX);
	/* Addresses of code, stack and data are not told. Signal words have 31 bits, as of old. */
	proc_print(text, "0 0 0 0 0 %u %u %u %u 0 0 0 %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		   (unsigned int)i.pending & 0x7fffffffu, (unsigned int)i.blocked & 0x7fffffffu,
		   (unsigned int)i.ignored & 0x7fffffffu, (unsigned int)i.caught & 0x7fffffffu,
		   i.exit_signal);
	return 0;
}

int proc_fill_statm(struct proc_inode *p, struct proc_text *text)
{
	struct proc_info i;
	int r = proc_get_info(p, &i);

	if (r == 0)
		proc_print(text, "%llu %llu 0 0 0 %llu 0\n",
			   (unsigned long long)i.virtual_size / PAGE_BYTES,
			   (unsigned long long)i.resident_size / PAGE_BYTES,
			   (unsigned long long)i.virtual_size / PAGE_BYTES);
	return r;
}

static const char *state_word(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'D':
		return "disk sleep";
	case 'T':
		return "stopped";
	case 'Z':
		return "zombie";
	default:
		return "sleeping";
	}
}

static void add_ids(struct proc_text *text, const char *name, const uint32_t id[4])
{
	proc_print(text, "%s:\t%u\t%u\t%u\t%u\n", name, id[0], id[1], id[2], id[3]);
}

static void add_signals(struct proc_text *text, const char *name, uint64_t set)
{
	proc_print(text, "%s:\t%016llx\n", name, (unsigned long long)set);
}

/* Programs inside have no capability that would mean anything outside. */
static void add_capabilities(struct proc_text *text)
{
	static const char *const names[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };

	for (unsigned int i = 0; i < ARRAY_COUNT(names); i++)
		add_signals(text, names[i], 0);
}

int proc_fill_status(struct proc_inode *p, struct proc_text *text)
{
	struct proc_info i;
	int r = proc_get_info(p, &i);

	if (r < 0)
		return r;
	proc_print(text, "Name:\t%.15s\nUmask:\t%04o\nState:\t%c (%s)\n", i.comm, i.umask, i.state,
		   state_word(i.state));
	proc_print(text, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", i.pid, i.tid,
		   i.ppid);
	add_ids(text, "Uid", i.uid);
	add_ids(text, "Gid", i.gid);
	proc_print(text, "FDSize:\t%u\nGroups:\t", i.fd_size);
	for (uint32_t g = 0; g < i.group_count && g < VFS_GROUPS_MAX; g++)
		proc_print(text, "%u ", i.groups[g]);
	proc_print(text, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", i.pid, i.tid,
		   i.pgid, i.sid);
	if (i.state != 'Z')
		proc_print(text, "VmSize:\t%8llu kB\nVmRSS:\t%8llu kB\n",
			   (unsigned long long)i.virtual_size / 1024,
			   (unsigned long long)i.resident_size / 1024);
	proc_print(text, "Threads:\t%u\nSigQ:\t0/0\n", i.thread_count);
	add_signals(text, "SigPnd", i.pending);
	add_signals(text, "ShdPnd", 0);
	add_signals(text, "SigBlk", i.blocked);
	add_signals(text, "SigIgn", i.ignored);
	add_signals(text, "SigCgt", i.caught);
	add_capabilities(text);
	proc_print(text, "NoNewPrivs:\t0\nSeccomp:\t0\n"
			 "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
	return 0;
}

int proc_fill_comm(struct proc_inode *p, struct proc_text *text)
{
	struct proc_info i;
	int r = proc_get_info(p, &i);

	if (r == 0)
		proc_print(text, "%.15s\n", i.comm);
	return r;
}

int proc_store_comm(struct proc_inode *p, const char *bytes, size_t size)
{
	const struct proc_source *source = proc_source_of(p);
	char comm[16] = "";

	/* As prctl(PR_SET_NAME): what is too long is cut, and only one's own threads. */
	if (source->current() != p->pid)
		return -EINVAL;
	memcpy(comm, bytes, size < sizeof(comm) - 1 ? size : sizeof(comm) - 1);
	comm[strcspn(comm, "\n")] = '\0';
	return source->set_comm ? source->set_comm(p->pid, p->tid, comm) : -EACCES;
}

static int from_source(struct proc_inode *p, enum proc_text_kind kind, struct proc_text *text)
	MAY_YIELD
{
	return proc_source_of(p)->text(p->pid, kind, text);
}

int proc_fill_cmdline(struct proc_inode *p, struct proc_text *text)
{
	return from_source(p, PROC_CMDLINE, text);
}

int proc_fill_environ(struct proc_inode *p, struct proc_text *text)
{
	return from_source(p, PROC_ENVIRON, text);
}

int proc_fill_maps(struct proc_inode *p, struct proc_text *text)
{
	return from_source(p, PROC_MAPS, text);
}

int proc_fill_auxv(struct proc_inode *p, struct proc_text *text)
{
	return from_source(p, PROC_AUXV, text);
}

static void add_limit(struct proc_text *text, rlim_t value)
{
	char number[24] = "unlimited";

	if (value != RLIM_INFINITY)
		snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
	proc_print(text, "%-20s ", number);
}

int proc_fill_limits(struct proc_inode *p, struct proc_text *text)
{
	static const struct {
		const char *name, *unit;
	} rows[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", "" },
		[RLIMIT_RTPRIO] = { "Max realtime priority", "" },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};
	struct rlimit limit;
	int r;

	proc_print(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned int i = 0; i < RLIM_NLIMITS; i++) {
		r = proc_source_of(p)->limit(p->pid, i, &limit);
		if (r < 0)
			return r;
		proc_print(text, "%-25s ", rows[i].name);
		add_limit(text, limit.rlim_cur);
		add_limit(text, limit.rlim_max);
		proc_print(text, "%-10s\n", rows[i].unit);
	}
	return 0;
}

int proc_fill_zero(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	proc_print(text, "0\n");
	return 0;
}

int proc_fill_cgroup(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	proc_print(text, "0::/\n");
	return 0;
}

int proc_fill_id_map(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	proc_print(text, "%10u %10u %10u\n", 0u, 0u, UINT32_MAX);
	return 0;
}

int proc_fill_login(struct proc_inode *p, struct proc_text *text)
{
	(void)p;
	proc_print(text, "%u", UINT32_MAX); /* nobody logged in */
	return 0;
}

/* Accepted and without effect: nobody inside is killed for memory by this number. */
int proc_store_nothing(struct proc_inode *p, const char *bytes, size_t size)
{
	(void)p, (void)bytes, (void)size;
	return 0;
}

int proc_object_exe(struct proc_inode *p, struct dentry **ret)
{
	return proc_source_of(p)->link(p->pid, PROC_EXE, ret);
}

int proc_object_cwd(struct proc_inode *p, struct dentry **ret)
{
	return proc_source_of(p)->link(p->pid, PROC_CWD, ret);
}

int proc_object_root(struct proc_inode *p, struct dentry **ret)
{
	return proc_source_of(p)->link(p->pid, PROC_ROOT, ret);
}
