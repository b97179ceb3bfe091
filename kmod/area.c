// SPDX-License-Identifier: GPL-2.0-only
#include "core.h"

#include <linux/err.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* In interrupt context: as many wake up as there are places. */
static void wake_parked(struct irq_work *work)
{
	struct hascall_area *area = container_of(work, struct hascall_area, hand_over);
	int places = atomic_read(&area->places);

	if (places > 0)
		wake_up_nr(&area->parking, places);
}

static bool word_is_good(u64 address)
{
	return address && address % sizeof(u32) == 0 &&
	       access_ok((void __user *)address, sizeof(u32));
}

/* Words for all entries, if there are any. */
static bool bits_are_good(u64 address, u64 entries, u64 entry_size)
{
	return address % sizeof(u64) == 0 &&
	       access_ok((void __user *)address, entries * entry_size);
}

static bool setup_is_good(const struct async_syscall_setup *s)
{
	u64 size = (u64)s->count * sizeof(struct async_syscall_info);

	if (s->size != sizeof(*s) || s->flags || memchr_inv(s->reserved, 0, sizeof(s->reserved)))
		return false;
	if (!s->array || s->array % sizeof(struct async_syscall_info) || s->count == 0 ||
	    s->count > ASYNC_SYSCALL_ENTRIES_MAX || !access_ok((void __user *)s->array, size))
		return false;
	if (s->running > ASYNC_SYSCALL_RUNNING_MAX)
		return false;
	if (!bits_are_good(s->posted, DIV_ROUND_UP(s->count, HINT_ENTRIES), HINT_SIZE) ||
	    !bits_are_good(s->done, DIV_ROUND_UP(s->count, 64), sizeof(u64)) ||
	    !bits_are_good(s->cut, s->count, sizeof(s32)))
		return false;
	if (s->attention && (!s->done || !word_is_good(s->attention)))
		return false;
	return (!s->rings && !s->sleepers) || (word_is_good(s->rings) && word_is_good(s->sleepers));
}

struct hascall_area *hascall_area_make(const struct async_syscall_setup *setup)
{
	struct hascall_area *area;

	if (!setup_is_good(setup))
		return ERR_PTR(-EINVAL);
	area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);
	if (!area)
		return ERR_PTR(-ENOMEM);
	area->mm = current->mm;
	mmgrab(area->mm);
	area->array = (struct async_syscall_info __user *)setup->array;
	area->rings = (u32 __user *)setup->rings;
	area->sleepers = (u32 __user *)setup->sleepers;
	area->posted = (u64 __user *)setup->posted;
	area->done = (u32 __user *)setup->done;
	area->attention = (u32 __user *)setup->attention;
	area->cut = (s32 __user *)setup->cut;
	area->count = setup->count;
	area->running = setup->running ? setup->running : 1;
	area->spin_ns = setup->spin_ns;
	area->idle_ms = setup->idle_ms;
	atomic_set(&area->places, (int)area->running);
	init_irq_work(&area->hand_over, wake_parked);
	init_waitqueue_head(&area->parking);
	return area;
}

void hascall_area_free(struct hascall_area *area)
{
	if (!area)
		return;
	irq_work_sync(&area->hand_over);
	mmdrop(area->mm);
	kfree(area);
}
