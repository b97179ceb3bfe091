/*
 * special.c - calls whose arguments do not fit the table of run_calls.def: vectors,
 * commands that decide the form (ioctl, fcntl), sets and signal masks (select, ppoll).
 */
#include "run/shim/shim.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/time_types.h>
#include <linux/uio.h>
#include <sys/syscall.h>

#define VECTOR_MAX 1024u
#define SET_BYTES 128u /* 1024 descriptors */
#define NS 1000000000ull

/* ---- vectors: gathered into, or scattered from, the bounce buffer */

static int64_t next_piece(const struct iovec *user, uint64_t i, struct iovec *ret)
{
	if (copy_user(ret, user + i, sizeof(*ret)))
		return -EFAULT;
	return (int64_t)ret->iov_len < 0 ? -EINVAL : 0;
}

static int64_t vector_size(const struct iovec *user, uint64_t count)
{
	uint64_t total = 0;
	struct iovec v;

	if (count > VECTOR_MAX)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		int64_t r = next_piece(user, i, &v);

		if (r < 0)
			return r;
		total += v.iov_len;
		if ((int64_t)total < 0)
			return -EINVAL;
	}
	return (int64_t)total;
}

/*
 * Move `size` bytes between the vector from byte `skip` on and the bounce buffer: how many, as
 * far as the program's memory goes.
 */
static uint64_t move_vector(struct shim_thread *t, const struct iovec *user, uint64_t skip,
			    uint64_t size, bool to_program)
{
	unsigned char *at = shim_bounce(t);
	uint64_t moved = 0;
	struct iovec v;

	for (uint64_t i = 0; moved < size; i++) {
		uint64_t piece, left;

		if (next_piece(user, i, &v) < 0)
			break;
		if (skip >= v.iov_len) {
			skip -= v.iov_len;
			continue;
		}
		piece = v.iov_len - skip;
		if (piece > size - moved)
			piece = size - moved;
		left = to_program ? copy_user((char *)v.iov_base + skip, at + moved, piece)
				  : copy_user(at + moved, (char *)v.iov_base + skip, piece);
		moved += piece - left;
		if (left)
			break;
		skip = 0;
	}
	return moved;
}

/* Is there memory for the first byte that a read brings? */
static bool room_for_one(const struct iovec *user, uint64_t skip)
{
	struct iovec v;

	for (uint64_t i = 0; next_piece(user, i, &v) == 0; i++) {
		if (skip < v.iov_len)
			return copy_probe((char *)v.iov_base + skip);
		skip -= v.iov_len;
	}
	return false;
}

/* One piece of a vector call as a plain read, write, pread64 or pwrite64. */
static int64_t vector_piece(struct shim_thread *t, const uint64_t arg[6], uint64_t plain,
			    uint64_t done, uint64_t size)
{
	bool out = plain == SYS_read || plain == SYS_pread64;
	const struct iovec *user = (const struct iovec *)arg[1];
	uint64_t wire[6] = { arg[0], 0, size, arg[3] + done, 0, 0 };
	uint64_t moved;
	int64_t r;

	if (!out && size) {
		moved = move_vector(t, user, done, size, false);
		if (moved)
			wire[2] = moved;
		else
			wire[1] = RUN_NULL;
		if (moved < size)
			wire[4] = RUN_WRITE_CUT;
	}
	if (plain == SYS_read && size && !room_for_one(user, done)) {
		r = shim_read_nowhere(t, arg[0], size);
		if (r < 0)
			return r;
	}
	r = shim_post(t, (uint32_t)plain, wire, NULL);
	if (r <= 0 || !out)
		return r;
	moved = move_vector(t, user, done, (uint64_t)r, true);
	return moved < (uint64_t)r ? shim_cut_read(t, plain, arg[0], moved, r) : r;
}

static int64_t vector_call(struct shim_thread *t, const uint64_t arg[6], uint64_t plain)
{
	int64_t total = vector_size((const struct iovec *)arg[1], arg[2]);
	uint64_t done = 0;

	if (total < 0)
		return total;
	do {
		uint64_t size = (uint64_t)total - done;
		int64_t r;

		if (size > RUN_BOUNCE_SIZE)
			size = RUN_BOUNCE_SIZE;
		r = vector_piece(t, arg, plain, done, size);
		if (r == -EISDIR && total == 0)
			return 0; /* a vector without bytes is not read, a read of none is */
		if (r < 0)
			return done ? (int64_t)done : r;
		done += (uint64_t)r;
		if ((uint64_t)r < size)
			break;
	} while (done < (uint64_t)total);
	return (int64_t)done;
}

/* preadv2 and pwritev2: position -1 is the file's own; flags other than hints are refused. */
static int64_t vector2_call(struct shim_thread *t, const uint64_t arg[6], bool write)
{
	if (arg[5])
		return -EOPNOTSUPP;
	if (arg[3] == UINT64_MAX)
		return vector_call(t, arg, write ? SYS_write : SYS_read);
	return vector_call(t, arg, write ? SYS_pwrite64 : SYS_pread64);
}

/* ---- ioctl and fcntl */

struct ioctl_form {
	uint32_t command, kind, size;
};

#define IN RUN_IN
#define OUT RUN_OUT
#define INOUT RUN_INOUT
static const struct ioctl_form ioctls[] = {
#define IOCTL(command, name, kind, size) { command, kind, size },
#include "hascall/run_ioctls.def"
#undef IOCTL
};

static const struct ioctl_form *find_ioctl(uint32_t command)
{
	for (unsigned int i = 0; i < ARRAY_COUNT(ioctls); i++)
		if (ioctls[i].command == command)
			return &ioctls[i];
	return NULL;
}

static int64_t io_control(struct shim_thread *t, const uint64_t arg[6])
{
	const struct ioctl_form *form = find_ioctl((uint32_t)arg[1]);
	uint64_t wire[6] = { arg[0], arg[1] & UINT32_MAX, arg[2], RUN_NULL, 0, 0 };
	int64_t r;

	if (form) {
		wire[3] = 0;
		wire[4] = form->size;
		if (form->kind != RUN_OUT &&
		    copy_user(shim_bounce(t), (const void *)arg[2], form->size))
			return -EFAULT;
	}
	r = shim_post(t, SYS_ioctl, wire, NULL);
	if (r >= 0 && form && form->kind != RUN_IN &&
	    copy_user((void *)arg[2], shim_bounce(t), form->size))
		return -EFAULT;
	return r;
}

static bool takes_lock(uint64_t command)
{
	switch (command) {
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return true;
	default:
		return false;
	}
}

static int64_t file_control(struct shim_thread *t, const uint64_t arg[6])
{
	bool lock = takes_lock(arg[1]);
	const uint64_t wire[6] = { arg[0], arg[1], arg[2], lock ? 0 : RUN_NULL, 0, 0 };
	int64_t r;

	if (lock && copy_user(shim_bounce(t), (const void *)arg[2], sizeof(struct flock)))
		return -EFAULT;
	r = shim_post(t, SYS_fcntl, wire, NULL);
	if (r >= 0 && (arg[1] == F_GETLK || arg[1] == F_OFD_GETLK) &&
	    copy_user((void *)arg[2], shim_bounce(t), sizeof(struct flock)))
		return -EFAULT;
	return r;
}

/* ---- waiting for descriptors */

/* A timespec or timeval to nanoseconds; no pointer: for ever. */
static int64_t read_timeout(uint64_t address, uint64_t per_second, uint64_t *ret_ns)
{
	struct __kernel_timespec ts;

	*ret_ns = RUN_NULL;
	if (!address)
		return 0;
	if (copy_user(&ts, (const void *)address, sizeof(ts)))
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || (uint64_t)ts.tv_nsec >= per_second)
		return -EINVAL;
	if ((uint64_t)ts.tv_sec > NS)
		return 0;
	*ret_ns = (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec * (NS / per_second);
	return 0;
}

static int64_t copy_sets(struct shim_thread *t, const uint64_t arg[6], uint64_t bytes, bool out)
{
	for (unsigned int i = 0; i < 3; i++) {
		unsigned char *set = shim_bounce(t) + (uint64_t)i * SET_BYTES;

		if (!out)
			memset(set, 0, SET_BYTES);
		if (!arg[1 + i])
			continue;
		if (out ? copy_user((void *)arg[1 + i], set, bytes)
			: copy_user(set, (const void *)arg[1 + i], bytes))
			return -EFAULT;
	}
	return 0;
}

static int64_t select_call(struct shim_thread *t, const uint64_t arg[6], uint64_t timeout_ns)
{
	uint64_t count = arg[0] > 1024 ? 1024 : arg[0];
	uint64_t bytes = (count + 63) / 64 * 8;
	uint64_t there = (arg[1] ? 1u : 0u) | (arg[2] ? 2u : 0u) | (arg[3] ? 4u : 0u);
	const uint64_t wire[6] = { count, 0, there, timeout_ns, 0, 0 };
	int64_t r;

	if ((int32_t)arg[0] < 0)
		return -EINVAL;
	r = copy_sets(t, arg, bytes, false);
	if (r < 0)
		return r;
	r = shim_post(t, SYS_select, wire, NULL);
	if (r >= 0 && copy_sets(t, arg, bytes, true) < 0)
		return -EFAULT;
	return r;
}

static int64_t poll_call(struct shim_thread *t, const uint64_t arg[6], uint64_t timeout_ns)
{
	const uint64_t wire[6] = { 0, arg[1], timeout_ns, 0, 0, 0 };
	uint64_t size;
	int64_t r;

	if (arg[1] > RUN_BOUNCE_SIZE / 8)
		return -EINVAL;
	size = arg[1] * 8;
	if (copy_user(shim_bounce(t), (const void *)arg[0], size))
		return -EFAULT;
	r = shim_post(t, SYS_ppoll, wire, NULL);
	if (r >= 0 && copy_user((void *)arg[0], shim_bounce(t), size))
		return -EFAULT;
	return r;
}

static int64_t epoll_call(struct shim_thread *t, const uint64_t arg[6], uint64_t timeout_ms)
{
	const uint64_t wire[6] = { arg[0], 0, arg[2], timeout_ms, 0, 0 };
	int64_t r;

	if (arg[2] - 1 >= RUN_BOUNCE_SIZE / 12)
		return -EINVAL;
	r = shim_post(t, SYS_epoll_pwait, wire, NULL);
	if (r > 0 && copy_user((void *)arg[1], shim_bounce(t), (uint64_t)r * 12))
		return -EFAULT;
	return r;
}

/* The forms with a signal mask: it holds while the call waits. */
static int64_t with_mask(struct shim_thread *t, uint64_t nr, const uint64_t arg[6], uint64_t mask,
			 uint64_t mask_size)
{
	uint64_t timeout = RUN_NULL;
	struct shim_mask m;
	int64_t r = 0;

	if (nr == SYS_pselect6)
		r = read_timeout(arg[4], NS, &timeout);
	else if (nr == SYS_ppoll)
		r = read_timeout(arg[2], NS, &timeout);
	else if (nr == SYS_epoll_pwait)
		timeout = arg[3];
	else
		r = read_timeout(arg[3], NS, &timeout);
	if (nr == SYS_epoll_pwait2 && timeout != RUN_NULL)
		timeout /= 1000000;
	if (r < 0)
		return r;
	r = shim_mask_begin(t, mask, mask_size, &m);
	if (r < 0)
		return r;
	if (nr == SYS_pselect6)
		r = select_call(t, arg, timeout);
	else if (nr == SYS_ppoll)
		r = poll_call(t, arg, timeout);
	else
		r = epoll_call(t, arg, timeout);
	shim_mask_end(t, &m);
	return r;
}

static int64_t pselect6(struct shim_thread *t, const uint64_t arg[6])
{
	struct {
		uint64_t address, size;
	} mask = { 0, 0 };

	if (arg[5] && copy_user(&mask, (const void *)arg[5], sizeof(mask)))
		return -EFAULT;
	return with_mask(t, SYS_pselect6, arg, mask.address, mask.size);
}

static int64_t plain_select(struct shim_thread *t, const uint64_t arg[6])
{
	uint64_t timeout_ns;
	int64_t r = read_timeout(arg[4], 1000000, &timeout_ns);

	return r < 0 ? r : select_call(t, arg, timeout_ns);
}

int64_t shim_special(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	switch (nr) {
	case SYS_readv:
		return vector_call(t, arg, SYS_read);
	case SYS_writev:
		return vector_call(t, arg, SYS_write);
	case SYS_preadv:
		return vector_call(t, arg, SYS_pread64);
	case SYS_pwritev:
		return vector_call(t, arg, SYS_pwrite64);
	case SYS_preadv2:
	case SYS_pwritev2:
		return vector2_call(t, arg, nr == SYS_pwritev2);
	case SYS_ioctl:
		return io_control(t, arg);
	case SYS_fcntl:
		return file_control(t, arg);
	case SYS_select:
		return plain_select(t, arg);
	case SYS_pselect6:
		return pselect6(t, arg);
	case SYS_ppoll:
		return with_mask(t, nr, arg, arg[3], arg[4]);
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		return with_mask(t, nr, arg, arg[4], arg[5]);
	default:
		return shim_message(t, nr, arg);
	}
}
