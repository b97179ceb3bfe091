/*
 * message.c - socket calls with addresses and messages: flattened into the bounce
 * buffer as bytes and a struct run_msg behind them (run_calls.def tells the forms).
 */
#include "run/shim/shim.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define ADDRESS_ROOM 128u
#define RECORD (RUN_BOUNCE_SIZE - 2048u) /* where addresses and struct run_msg lie */

/* An address or option the manager gives: u32 size before it, size in the program by reference. */
static int64_t give_sized(struct shim_thread *t, uint64_t address, uint64_t size_address)
{
	uint32_t room, size;

	if (!address)
		return 0;
	if (copy_user(&room, (const void *)size_address, sizeof(room)))
		return -EFAULT;
	memcpy(&size, shim_bounce(t) + RECORD, sizeof(size));
	if ((int32_t)room < 0)
		return -EINVAL;
	if (room > size)
		room = size;
	if (room > ADDRESS_ROOM)
		room = ADDRESS_ROOM;
	if (copy_user((void *)address, shim_bounce(t) + RECORD + sizeof(size), room) ||
	    copy_user((void *)size_address, &size, sizeof(size)))
		return -EFAULT;
	return 0;
}

static int64_t accept_call(struct shim_thread *t, const uint64_t arg[6], uint64_t flags)
{
	const uint64_t wire[6] = { arg[0], RECORD, 0, flags, 0, 0 };
	int64_t r = shim_post(t, SYS_accept, wire, NULL);

	if (r >= 0 && arg[1])
		(void)give_sized(t, arg[1], arg[2]);
	return r;
}

static int64_t name_call(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	const uint64_t wire[6] = { arg[0], RECORD, 0, 0, 0, 0 };
	int64_t r = shim_post(t, (uint32_t)nr, wire, NULL), given;

	if (r < 0)
		return r;
	given = give_sized(t, arg[1], arg[2]);
	return given < 0 ? given : r;
}

static int64_t option_call(struct shim_thread *t, const uint64_t arg[6])
{
	const uint64_t wire[6] = { arg[0], arg[1], arg[2], RECORD, 0, 0 };
	uint32_t room;
	int64_t r, given;

	if (copy_user(&room, (const void *)arg[4], sizeof(room)))
		return -EFAULT;
	if (room > ADDRESS_ROOM)
		room = ADDRESS_ROOM;
	memcpy(shim_bounce(t) + RECORD, &room, sizeof(room));
	r = shim_post(t, SYS_getsockopt, wire, NULL);
	if (r < 0)
		return r;
	given = give_sized(t, arg[3], arg[4]);
	return given < 0 ? given : r;
}

static int64_t send_to(struct shim_thread *t, const uint64_t arg[6])
{
	uint64_t size = arg[2] > RECORD ? RECORD : arg[2];
	uint64_t wire[6] = { arg[0], 0, size, arg[3], RUN_NULL, arg[5] };

	if (copy_user(shim_bounce(t), (const void *)arg[1], size))
		return -EFAULT;
	if (arg[4]) {
		if (arg[5] > ADDRESS_ROOM)
			return -EINVAL;
		if (copy_user(shim_bounce(t) + RECORD, (const void *)arg[4], arg[5]))
			return -EFAULT;
		wire[4] = RECORD;
	}
	return shim_post(t, SYS_sendto, wire, NULL);
}

static int64_t receive_from(struct shim_thread *t, const uint64_t arg[6])
{
	uint64_t size = arg[2] > RECORD ? RECORD : arg[2];
	const uint64_t wire[6] = { arg[0], 0, size, arg[3], arg[4] ? RECORD : RUN_NULL, 0 };
	int64_t r = shim_post(t, SYS_recvfrom, wire, NULL);
	uint64_t got = r < 0 ? 0 : (uint64_t)r > size ? size : (uint64_t)r;
	int64_t given;

	if (r < 0)
		return r;
	if (copy_user((void *)arg[1], shim_bounce(t), got))
		return -EFAULT;
	given = give_sized(t, arg[4], arg[5]);
	return given < 0 ? given : r;
}

/* Bytes of the message's vector to or from the bounce buffer; `size` is its limit. */
static int64_t move_bytes(struct shim_thread *t, const struct msghdr *h, uint64_t size, bool out)
{
	unsigned char *at = shim_bounce(t);
	uint64_t left = size;

	for (uint64_t i = 0; i < h->msg_iovlen && left; i++) {
		struct iovec v;

		if (copy_user(&v, h->msg_iov + i, sizeof(v)))
			return -EFAULT;
		if (v.iov_len > left)
			v.iov_len = left;
		if (out ? copy_user(v.iov_base, at, v.iov_len)
			: copy_user(at, v.iov_base, v.iov_len))
			return -EFAULT;
		at += v.iov_len;
		left -= v.iov_len;
	}
	return (int64_t)(size - left);
}

static struct run_msg *record(struct shim_thread *t)
{
	return (struct run_msg *)(void *)(shim_bounce(t) + RECORD);
}

static int64_t send_message(struct shim_thread *t, const uint64_t arg[6])
{
	struct run_msg *m = record(t);
	uint64_t wire[6] = { arg[0], 0, 0, arg[2], RECORD, 0 };
	struct msghdr h;
	int64_t size;

	if (copy_user(&h, (const void *)arg[1], sizeof(h)))
		return -EFAULT;
	if (h.msg_namelen > sizeof(m->name) || h.msg_controllen > sizeof(m->control))
		return -EINVAL;
	memset(m, 0, offsetof(struct run_msg, name));
	size = move_bytes(t, &h, RECORD, false);
	if (size < 0)
		return size;
	if (h.msg_name) {
		m->name_size = h.msg_namelen;
		if (copy_user(m->name, h.msg_name, h.msg_namelen))
			return -EFAULT;
	}
	if (h.msg_control) {
		m->control_size = (uint32_t)h.msg_controllen;
		if (copy_user(m->control, h.msg_control, h.msg_controllen))
			return -EFAULT;
	}
	wire[2] = (uint64_t)size;
	return shim_post(t, SYS_sendmsg, wire, NULL);
}

static uint64_t room_of(const struct msghdr *h)
{
	uint64_t room = 0;

	for (uint64_t i = 0; i < h->msg_iovlen && room < RECORD; i++) {
		struct iovec v;

		if (copy_user(&v, h->msg_iov + i, sizeof(v)))
			return room;
		room += v.iov_len > RECORD ? RECORD : v.iov_len;
	}
	return room > RECORD ? RECORD : room;
}

static int64_t give_message(struct shim_thread *t, struct msghdr *h, uint64_t address, int64_t got)
{
	struct run_msg m;

	memcpy(&m, record(t), sizeof(m));
	if (move_bytes(t, h, (uint64_t)got, true) < 0)
		return -EFAULT;
	if (h->msg_name) {
		uint32_t size = m.name_size < h->msg_namelen ? m.name_size : h->msg_namelen;

		if (size > sizeof(m.name) || copy_user(h->msg_name, m.name, size))
			return -EFAULT;
	}
	h->msg_namelen = m.name_size;
	if (m.control_size > sizeof(m.control) || m.control_size > h->msg_controllen)
		m.control_size = 0;
	if (m.control_size && copy_user(h->msg_control, m.control, m.control_size))
		return -EFAULT;
	h->msg_controllen = m.control_size;
	h->msg_flags = (int)m.flags;
	return copy_user((void *)address, h, sizeof(*h)) ? -EFAULT : got;
}

static int64_t receive_message(struct shim_thread *t, const uint64_t arg[6])
{
	struct run_msg *m = record(t);
	uint64_t wire[6] = { arg[0], 0, 0, arg[2], RECORD, 0 };
	struct msghdr h;
	int64_t r;

	if (copy_user(&h, (const void *)arg[1], sizeof(h)))
		return -EFAULT;
	memset(m, 0, offsetof(struct run_msg, name));
	m->control_size = (uint32_t)(h.msg_controllen > sizeof(m->control) ? sizeof(m->control)
									   : h.msg_controllen);
	wire[2] = room_of(&h);
	r = shim_post(t, SYS_recvmsg, wire, NULL);
	if (r < 0)
		return r;
	return give_message(t, &h, arg[1], (uint64_t)r > wire[2] ? (int64_t)wire[2] : r);
}

int64_t shim_message(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	switch (nr) {
	case SYS_accept:
		return accept_call(t, arg, 0);
	case SYS_accept4:
		return accept_call(t, arg, arg[3]);
	case SYS_getsockname:
	case SYS_getpeername:
		return name_call(t, nr, arg);
	case SYS_getsockopt:
		return option_call(t, arg);
	case SYS_sendto:
		return send_to(t, arg);
	case SYS_recvfrom:
		return receive_from(t, arg);
	case SYS_sendmsg:
		return send_message(t, arg);
	case SYS_recvmsg:
		return receive_message(t, arg);
	default:
		return SHIM_NOT_SPECIAL;
	}
}
