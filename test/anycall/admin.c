/* SPDX-License-Identifier: MIT */
/*
 * admin.c - calls of the system's administrator, each with arguments that it must refuse
 * or that only ask. As any user: who may do less gets other errors, alike in all ways.
 */
#include "test/anycall/anycall.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/mount.h>
#include <sys/timex.h>

static void mounts(struct run *run)
{
	int64_t fs;

	CALL(run, mount, P("none"), P("missing"), P("tmpfs"), 0, 0);
	CALL(run, umount2, P("missing"), 0);
	CALL(run, umount2, P("."), 0x100);
	CALL(run, pivot_root, P("missing"), P("."));
	CALL(run, open_tree, AT_FDCWD, P("missing"), 0);
	CALL(run, move_mount, AT_FDCWD, P("missing"), AT_FDCWD, P("."), 0);
	CALL(run, fsopen, P("no-such-file-system"), 0);
	fs = CALL(run, fsopen, P("proc"), 0x1234);
	CALL(run, fsconfig, fs, 99, 0, 0, 0);
	CALL(run, fsmount, fs, 0, 0);
	CALL(run, fspick, AT_FDCWD, P("missing"), 0);
	CALL(run, mount_setattr, AT_FDCWD, P("missing"), 0, 0, 0);
	CALL(run, open_tree_attr, AT_FDCWD, P("missing"), 0, 0, 0);
	CALL(run, statmount, P(1), P(1), 0, 0);
	CALL(run, listmount, P(1), P(1), 0, 0);
	CALL(run, chroot, P("missing"));
}

static void storage(struct run *run)
{
	CALL(run, swapon, P("missing"), 0);
	CALL(run, swapoff, P("missing"));
	CALL(run, acct, P("missing"));
	CALL(run, quotactl, -1, P("missing"), 0, 0);
	CALL(run, quotactl_fd, 99, 0, 0, 0);
	CALL(run, name_to_handle_at, 99, P("missing"), P(1), P(1), 0);
	CALL(run, open_by_handle_at, AT_FDCWD, P(1), 0);
}

static void names_and_time(struct run *run)
{
	struct timex ask = { .modes = 0 };

	CALL(run, sethostname, P("x"), -1);
	CALL(run, setdomainname, P("x"), -1);
	CALL(run, settimeofday, P(1), 0);
	CALL_HIDDEN(run, adjtimex, P(&ask));
	CALL_HIDDEN(run, clock_adjtime, 0, P(&ask));
	CALL(run, clock_adjtime, 99, P(&ask));
	CALL(run, clock_settime, 99, P(&ask));
	CALL(run, syslog, 10, 0, 0);
	CALL(run, syslog, 99, 0, 0);
}

static void kernels(struct run *run)
{
	CALL(run, reboot, 1, 2, 3, 4);
	CALL(run, kexec_load, 0, 99, 0, 0x1234);
	CALL(run, kexec_file_load, -1, -1, 0, 0, 0x1234);
	CALL(run, init_module, P(1), 0, P(""));
	CALL(run, finit_module, 99, P(""), 0);
	CALL(run, delete_module, P("no_such_module"), O_NONBLOCK);
	CALL(run, bpf, 99999, 0, 0);
	CALL(run, perf_event_open, P(1), 1, -1, -1, 0);
	CALL(run, modify_ldt, 99, 0, 0);
	CALL(run, lsm_list_modules, P(1), P(1), 1);
}

static void rules(struct run *run)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE };
	int64_t fd;

	CALL(run, landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION);
	fd = CALL(run, landlock_create_ruleset, P(&attr), sizeof(attr), 0);
	CALL(run, landlock_add_rule, fd, 99, P(&attr), 0);
	CALL(run, landlock_create_ruleset, P(&attr), 1, 0);
	CALL(run, fanotify_init, 0x80000000, 0);
	CALL(run, fanotify_mark, 99, 0, 0, 0, 0);
}

const struct anycall_case anycall_admin[] = {
	{ "mounts", mounts },	{ "storage", storage }, { "names_and_time", names_and_time },
	{ "kernels", kernels }, { "rules", rules },	{ NULL, NULL },
};
