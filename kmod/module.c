// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - the front for kernels as distributions build them: /dev/hascall.
 *
 * What such a kernel lacks is a way to call system calls, so their entry function is
 * found by a kprobe that is never armed, and reached by a static call: a direct jump, which
 * needs neither a landing pad for indirect branches nor a retpoline. Nor can a module
 * do a kernel's duties to seccomp, tracers and auditors: threads that have any such
 * work are refused.
 */
#include "front.h"

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/static_call.h>
#include <linux/uaccess.h>

#include <asm/unistd.h>

long no_sys_call(const struct pt_regs *regs, unsigned int number)
{
	return -ENOSYS;
}

DEFINE_STATIC_CALL(enter_sys_call, no_sys_call);

static int find_sys_call(void)
{
	/* Disabled: nothing is written to a function that all processors are in. */
	struct kprobe probe = { .symbol_name = "x64_sys_call", .flags = KPROBE_FLAG_DISABLED };
	int r = register_kprobe(&probe);

	if (r) {
		pr_err("hascall: this kernel has no x64_sys_call, or no kprobes: %d\n", r);
		return r;
	}
	/* With CONFIG_X86_KERNEL_IBT it is past the landing pad: as good for a direct jump. */
	static_call_update(enter_sys_call, (typeof(&no_sys_call))probe.addr);
	unregister_kprobe(&probe);
	return 0;
}

long front_futex(u32 __user *word, int op, u32 value)
{
	struct pt_regs regs = {
		.orig_ax = __NR_futex,
		.di = (unsigned long)word,
		.si = (unsigned long)op,
		.dx = value,
	};

	return static_call(enter_sys_call)(&regs, __NR_futex);
}

static long device_begin(struct file *file, const void __user *arg)
{
	struct async_syscall_setup setup;
	struct hascall_area *area;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (READ_ONCE(file->private_data))
		return -EBUSY;
	area = hascall_area_make(&setup);
	if (IS_ERR(area))
		return PTR_ERR(area);
	/* The other side of the barrier: device_exec. */
	if (cmpxchg_release(&file->private_data, NULL, area)) {
		hascall_area_free(area);
		return -EBUSY;
	}
	return 0;
}

static long device_exec(struct file *file, void __user *arg)
{
	struct hascall_area *area = smp_load_acquire(&file->private_data);
	long r;

	if (!area)
		return -EINVAL;
	if (!front_may_execute())
		return -EPERM;
	get_file(file); /* a posted close() of it must not free the area under the executor */
	r = hascall_exec(area, arg);
	fput(file);
	return r;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	switch (command) {
	case HASCALL_BEGIN:
		return device_begin(file, (const void __user *)arg);
	case HASCALL_EXEC:
		return device_exec(file, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/* Nobody is inside: those hold the file. */
static int device_release(struct inode *inode, struct file *file)
{
	hascall_area_free(file->private_data);
	return 0;
}

/* misc_open() puts the device there. */
static int device_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;
	return stream_open(inode, file);
}

/* No compat_ioctl: 32-bit programs have other structures and other numbers. */
static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hascall",
	.fops = &device_operations,
	.mode = 0666, /* it lets a thread do what it may do anyway */
};

static int __init hascall_init(void)
{
	int r = find_sys_call();

	if (r)
		return r;
	place_setup();
	r = misc_register(&device);
	if (r)
		place_teardown();
	return r;
}

static void __exit hascall_exit(void)
{
	misc_deregister(&device);
	place_teardown();
}

module_init(hascall_init);
module_exit(hascall_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Asynchronous system calls: executors in the kernel");
MODULE_VERSION("0.1.0");
