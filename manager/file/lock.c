/* SPDX-License-Identifier: MIT */
/*
 * lock.c - record locks of processes and of descriptions, and flock(2).
 *
 *   K1  locks of one owner and kind do not overlap.     K2  two of different owners that
 *   overlap are both for reading.                       K3  start <= end.
 *
 * A lock is in the list of its inode (of its file, if that has no name). Who must wait
 * stands in the queue of the lock in his way, and looks at the whole list again when
 * that lock changes or goes.
 */
#include "file/inside.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#define LOCKS_MAX 65536u /* in all */
#define CIRCLE_MAX 16u	 /* waiting owners that a search for a deadlock follows */
#define LOCK_TO_END ((uint64_t)INT64_MAX)

enum lock_kind { LOCK_RECORD, LOCK_WHOLE };

struct file_lock {
	struct list node;
	enum lock_kind kind;
	bool exclusive;
	/* of a record: a process, or the description (OFD); of a whole file: the description */
	const void *owner;
	int32_t pid;	     /* told by F_GETLK; -1: a description's */
	uint64_t start, end; /* bytes, both included */
	struct waitq waiting;
};

/* A process that waits; on the stack of its task. */
struct lock_wait {
	struct list node;
	const void *owner, *waits_for;
};

static struct list waits = LIST_INIT(waits);
static unsigned int lock_count;

static struct list *locks_of(struct file *f)
{
	struct inode *inode = file_inode(f);

	return inode ? &inode->locks : &f->locks;
}

static struct file_lock *lock_alloc(const struct file_lock *from)
{
	struct file_lock *lock = lock_count < LOCKS_MAX ? malloc(sizeof(*lock)) : NULL;

	if (!lock)
		return NULL;
	*lock = *from;
	list_init(&lock->node);
	waitq_init(&lock->waiting);
	lock_count++;
	return lock;
}

static void lock_free(struct file_lock *lock)
{
	if (!lock)
		return;
	list_del(&lock->node);
	waitq_wake_all(&lock->waiting);
	assert(lock_count > 0);
	lock_count--;
	free(lock);
}

static bool overlap(const struct file_lock *a, const struct file_lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* Overlap or touch: such locks of one owner and type become one. */
static bool adjoin(const struct file_lock *a, const struct file_lock *b)
{
	return overlap(a, b) || a->end + 1 == b->start || b->end + 1 == a->start;
}

static bool same_owner(const struct file_lock *a, const struct file_lock *b)
{
	return a->kind == b->kind && a->owner == b->owner;
}

/* The first lock that `wanted` would have to wait for. */
static struct file_lock *find_conflict(struct list *locks, const struct file_lock *wanted)
{
	LIST_EACH(node, locks) {
		struct file_lock *lock = LIST_ENTRY(node, struct file_lock, node);

		if (lock->kind == wanted->kind && lock->owner != wanted->owner &&
		    (lock->exclusive || wanted->exclusive) && overlap(lock, wanted))
			return lock;
	}
	return NULL;
}

/* Would an owner that waits for `next` close a circle? */
static bool closes_circle(const void *owner, const void *next)
{
	for (unsigned int i = 0; i < CIRCLE_MAX && next; i++) {
		const void *from = next;

		if (next == owner)
			return true;
		next = NULL;
		LIST_EACH(node, &waits) {
			const struct lock_wait *wait = LIST_ENTRY(node, struct lock_wait, node);

			if (wait->owner == from) {
				next = wait->waits_for;
				break;
			}
		}
	}
	return false;
}

/* Wait until nothing stands in the way of `wanted`. Only processes are looked at for circles. */
static int wait_for_turn(struct list *locks, const struct file_lock *wanted) MAY_YIELD
{
	struct file_lock *conflict;
	int r;

	while ((conflict = find_conflict(locks, wanted))) {
		struct lock_wait wait = { .owner = wanted->owner, .waits_for = conflict->owner };
		bool of_process = wanted->kind == LOCK_RECORD && wanted->pid >= 0;

		if (of_process && closes_circle(wanted->owner, conflict->owner))
			return -EDEADLK;
		list_init(&wait.node);
		if (of_process)
			list_push_back(&waits, &wait.node);
		r = waitq_wait(&conflict->waiting, TASK_FOREVER, WAIT_CANCELLABLE);
		list_del(&wait.node);
		if (r < 0)
			return file_wait_result(r);
	}
	return 0;
}

/* Take [start, end] of `cut` out of `lock`; *spare is used if two pieces are left. */
static void cut_out(struct file_lock *lock, const struct file_lock *cut, struct file_lock **spare)
{
	if (lock->start < cut->start && lock->end > cut->end) {
		struct file_lock *rest = *spare;

		*spare = NULL;
		rest->kind = lock->kind;
		rest->exclusive = lock->exclusive;
		rest->owner = lock->owner;
		rest->pid = lock->pid;
		rest->start = cut->end + 1;
		rest->end = lock->end;
		list_push_front(&lock->node, &rest->node);
		lock->end = cut->start - 1;
	} else if (lock->start < cut->start) {
		lock->end = cut->start - 1;
	} else if (lock->end > cut->end) {
		lock->start = cut->end + 1;
	} else {
		lock_free(lock);
		return;
	}
	waitq_wake_all(&lock->waiting);
}

/* Will a lock of the owner fall into two pieces? By K1 there is at most one. */
static bool will_split(struct list *locks, const struct file_lock *wanted, bool unlock)
{
	LIST_EACH(node, locks) {
		const struct file_lock *lock = LIST_ENTRY(node, struct file_lock, node);

		if (same_owner(lock, wanted) && lock->start < wanted->start &&
		    lock->end > wanted->end)
			return unlock || lock->exclusive != wanted->exclusive;
	}
	return false;
}

/*
 * The owner's range becomes `wanted`, or free. Nothing stands in the way any more,
 * and memory is there before the first change.
 */
static int set_range(struct list *locks, const struct file_lock *wanted, bool unlock)
{
	bool split = will_split(locks, wanted, unlock);
	struct file_lock *spare = split ? lock_alloc(wanted) : NULL;
	struct file_lock *made = unlock ? NULL : lock_alloc(wanted);

	if ((split && !spare) || (!unlock && !made)) {
		lock_free(spare);
		lock_free(made);
		return -ENOLCK;
	}
	LIST_EACH_SAFE(node, locks) {
		struct file_lock *lock = LIST_ENTRY(node, struct file_lock, node);

		if (!same_owner(lock, wanted))
			continue;
		if (made && lock->exclusive == made->exclusive) {
			if (!adjoin(lock, made))
				continue;
			made->start = lock->start < made->start ? lock->start : made->start;
			made->end = lock->end > made->end ? lock->end : made->end;
			lock_free(lock);
		} else if (overlap(lock, wanted)) {
			cut_out(lock, wanted, &spare);
		}
	}
	if (made)
		list_push_back(locks, &made->node);
	assert(!spare);
	return 0;
}

/* The range of a struct flock in bytes from the start of the file. */
static int range_of(struct file *f, const struct flock *lock, struct file_lock *ret) MAY_YIELD
{
	struct vfs_attr attr;
	int64_t start, end;
	int r;

	switch (lock->l_whence) {
	case SEEK_SET:
		start = 0;
		break;
	case SEEK_CUR:
		start = (int64_t)f->position;
		break;
	case SEEK_END:
		r = file_getattr(f, &attr);
		if (r < 0)
			return r;
		start = (int64_t)attr.size;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(start, lock->l_start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	end = INT64_MAX;
	if (lock->l_len > 0 && __builtin_add_overflow(start, lock->l_len - 1, &end))
		return -EOVERFLOW;
	if (lock->l_len < 0) {
		end = start - 1;
		start += lock->l_len;
		if (start < 0)
			return -EINVAL;
	}
	ret->start = (uint64_t)start;
	ret->end = (uint64_t)end;
	return 0;
}

/* What F_GETLK tells: the lock in the way, or that there is none. */
static void tell_conflict(struct list *locks, const struct file_lock *wanted, struct flock *ret)
{
	const struct file_lock *conflict = find_conflict(locks, wanted);

	if (!conflict) {
		ret->l_type = F_UNLCK;
		return;
	}
	ret->l_type = conflict->exclusive ? F_WRLCK : F_RDLCK;
	ret->l_whence = SEEK_SET;
	ret->l_start = (off_t)conflict->start;
	ret->l_len = conflict->end == LOCK_TO_END ? 0
						  : (off_t)(conflict->end - conflict->start + 1);
	ret->l_pid = conflict->pid;
}

static bool may_lock(const struct file *f, int type)
{
	return (type != F_RDLCK || file_readable(f)) && (type != F_WRLCK || file_writable(f));
}

int file_lock_posix(struct file *f, const void *owner, int32_t pid, int cmd, struct flock *lock)
{
	bool by_file = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	bool get = cmd == F_GETLK || cmd == F_OFD_GETLK;
	bool wait = cmd == F_SETLKW || cmd == F_OFD_SETLKW;
	struct file_lock wanted = {
		.kind = LOCK_RECORD,
		.exclusive = lock->l_type == F_WRLCK,
		.owner = by_file ? f : owner,
		.pid = by_file ? -1 : pid,
	};
	int r;

	if (f->flags & O_PATH)
		return -EBADF;
	if (lock->l_type != F_RDLCK && lock->l_type != F_WRLCK && (get || lock->l_type != F_UNLCK))
		return -EINVAL;
	if (by_file && lock->l_pid != 0)
		return -EINVAL;
	r = range_of(f, lock, &wanted);
	if (r < 0)
		return r;
	if (get) {
		tell_conflict(locks_of(f), &wanted, lock);
		return 0;
	}
	if (!may_lock(f, lock->l_type))
		return -EBADF;
	if (lock->l_type == F_UNLCK)
		return set_range(locks_of(f), &wanted, true);
	if (wait)
		r = wait_for_turn(locks_of(f), &wanted);
	else if (find_conflict(locks_of(f), &wanted))
		r = -EAGAIN;
	return r < 0 ? r : set_range(locks_of(f), &wanted, false);
}

/* All locks of an owner; K2 makes room for who waited for them. */
static void release_all(struct file *f, enum lock_kind kind, const void *owner)
{
	LIST_EACH_SAFE(node, locks_of(f)) {
		struct file_lock *lock = LIST_ENTRY(node, struct file_lock, node);

		if (lock->kind == kind && lock->owner == owner)
			lock_free(lock);
	}
}

int file_lock_flock(struct file *f, int operation)
{
	struct file_lock wanted = {
		.kind = LOCK_WHOLE,
		.owner = f,
		.pid = -1,
		.end = LOCK_TO_END,
	};
	int r = 0;

	if (f->flags & O_PATH)
		return -EBADF;
	switch (operation & ~LOCK_NB) {
	case LOCK_UN:
		release_all(f, LOCK_WHOLE, f);
		return 0;
	case LOCK_SH:
		break;
	case LOCK_EX:
		wanted.exclusive = true;
		break;
	default:
		return -EINVAL;
	}
	/* As on Linux a change of the kind is not atomic: the old lock goes first. */
	LIST_EACH(node, locks_of(f)) {
		struct file_lock *lock = LIST_ENTRY(node, struct file_lock, node);

		if (same_owner(lock, &wanted) && lock->exclusive == wanted.exclusive)
			return 0;
	}
	release_all(f, LOCK_WHOLE, f);
	if (!(operation & LOCK_NB))
		r = wait_for_turn(locks_of(f), &wanted);
	else if (find_conflict(locks_of(f), &wanted))
		r = -EWOULDBLOCK;
	return r < 0 ? r : set_range(locks_of(f), &wanted, false);
}

void file_lock_release_owner(struct file *f, const void *owner)
{
	release_all(f, LOCK_RECORD, owner);
}

void locks_forget(struct file *f)
{
	release_all(f, LOCK_RECORD, f);
	release_all(f, LOCK_WHOLE, f);
}
