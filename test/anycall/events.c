/* SPDX-License-Identifier: MIT */
/*
 * events.c - pipes, and what tells that something has happened.
 */
#include "test/anycall/anycall.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MASK_SIZE 8u /* of a signal set, for the kernel */

static void pipes(struct run *run)
{
	struct iovec vec = { (char[]){ "spliced" }, 7 };
	char in[64] = { 0 };
	int one[2] = { -1, -1 };
	int two[2] = { -1, -1 };
	int count = 0;

	CALL(run, pipe, P(one));
	CALL(run, pipe2, P(two), O_NONBLOCK | O_CLOEXEC);
	CALL(run, pipe2, P(two), 1);
	anycall_note(run, "    %d %d %d %d\n", one[0], one[1], two[0], two[1]);
	CALL(run, write, one[1], P("through"), 7);
	CALL(run, ioctl, one[0], FIONREAD, P(&count));
	anycall_note(run, "    %d bytes\n", count);
	CALL(run, tee, one[0], two[1], 4, 0);
	CALL(run, splice, one[0], 0, two[1], 0, 100, 0);
	CALL(run, vmsplice, two[1], P(&vec), 1, 0);
	CALL(run, read, two[0], P(in), sizeof(in));
	anycall_note_bytes(run, "all of it", in, sizeof(in));
	CALL(run, read, two[0], P(in), sizeof(in));
	CALL(run, splice, 99, 0, two[1], 0, 1, 0);
	CALL(run, tee, one[0], 0, 1, 0);
	CALL(run, close, one[0]);
	CALL(run, write, one[1], P("x"), 1); /* SIGPIPE is ignored or stays with the worker */
}

static void polled(struct run *run)
{
	struct timespec at_once = { 0, 0 };
	struct timeval soon = { 0, 1000 };
	struct pollfd list[2];
	uint64_t in = 0;
	int end[2];

	CALL(run, pipe2, P(end), 0);
	CALL(run, write, end[1], P("x"), 1);
	list[0] = (struct pollfd){ .fd = end[0], .events = POLLIN };
	list[1] = (struct pollfd){ .fd = 99, .events = POLLIN };
	CALL(run, poll, P(list), 2, -1);
	anycall_note(run, "    %x %x\n", (unsigned int)list[0].revents,
		     (unsigned int)list[1].revents);
	CALL(run, ppoll, P(list), 1, P(&at_once), 0, MASK_SIZE);
	list[0].events = POLLPRI;
	CALL(run, poll, P(list), 1, 1);
	in = UINT64_C(1) << end[0];
	CALL(run, select, end[0] + 1, P(&in), 0, 0, P(&soon));
	anycall_note(run, "    %d\n", in == UINT64_C(1) << end[0]);
	CALL(run, pselect6, 64, P(&in), 0, 0, P(&at_once), 0);
	CALL(run, select, 0, 0, 0, 0, P(&soon));
	CALL(run, select, -1, 0, 0, 0, 0);
	CALL(run, poll, P(list), -1, 0);
}

static void counted(struct run *run)
{
	uint64_t value = 5;
	int64_t fd = CALL(run, eventfd, 7);
	int64_t one_by_one = CALL(run, eventfd2, 2, 0x801); /* semaphore, not blocking */

	CALL(run, write, fd, P(&value), sizeof(value));
	CALL(run, read, fd, P(&value), sizeof(value));
	anycall_note(run, "    %llu\n", (unsigned long long)value);
	for (int i = 0; i < 3; i++)
		CALL(run, read, one_by_one, P(&value), sizeof(value));
	CALL(run, read, fd, P(&value), 3);
	CALL(run, eventfd2, 0, 0x1234);
}

static void epoll(struct run *run)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 42 };
	struct epoll_event seen[2] = { 0 };
	struct timespec soon = { 0, 1000000 };
	int64_t old = CALL(run, epoll_create, 1);
	int64_t set = CALL(run, epoll_create1, EPOLL_CLOEXEC);
	int64_t fd = CALL(run, eventfd2, 0, 0);
	uint64_t value = 1;

	CALL(run, epoll_create, 0);
	CALL(run, epoll_ctl, set, EPOLL_CTL_ADD, fd, P(&event));
	CALL(run, epoll_ctl, set, EPOLL_CTL_ADD, fd, P(&event));
	CALL(run, epoll_ctl, old, EPOLL_CTL_DEL, fd, 0);
	CALL(run, epoll_wait, set, P(seen), 2, 1);
	CALL(run, write, fd, P(&value), sizeof(value));
	CALL(run, epoll_wait, set, P(seen), 2, -1);
	anycall_note(run, "    %llu\n", (unsigned long long)seen[0].data.u64);
	CALL(run, epoll_pwait, set, P(seen), 2, 0, 0, MASK_SIZE);
	CALL(run, epoll_pwait2, set, P(seen), 2, P(&soon), 0, MASK_SIZE);
	CALL(run, epoll_ctl, set, EPOLL_CTL_DEL, fd, 0);
	CALL(run, epoll_pwait2, set, P(seen), 2, P(&soon), 0, MASK_SIZE);
	CALL(run, epoll_wait, fd, P(seen), 2, 0);
}

static void note_inotify(struct run *run, const char *list, int64_t size)
{
	const struct inotify_event *event;

	for (int64_t at = 0; at < size; at += (int64_t)(sizeof(*event) + event->len)) {
		event = (const void *)(list + at);
		anycall_note(run, "    watch %d mask %x %s\n", event->wd, event->mask,
			     event->len ? event->name : "");
	}
}

static void inotify(struct run *run)
{
	_Alignas(8) char list[1024];
	int64_t fd = CALL(run, inotify_init1, IN_NONBLOCK);
	int64_t plain = CALL(run, inotify_init);
	int64_t watch;

	CALL(run, mkdir, P("d"), 0700);
	watch = CALL(run, inotify_add_watch, fd, P("d"), IN_CREATE | IN_DELETE);
	CALL(run, inotify_add_watch, fd, P("none"), IN_CREATE);
	CALL(run, inotify_add_watch, plain, P("d"), 0);
	CALL(run, mknod, P("d/f"), 0100600, 0);
	CALL(run, unlink, P("d/f"));
	note_inotify(run, list, CALL(run, read, fd, P(list), sizeof(list)));
	CALL(run, inotify_rm_watch, fd, watch);
	CALL(run, inotify_rm_watch, fd, watch);
	note_inotify(run, list, CALL(run, read, fd, P(list), sizeof(list)));
	CALL(run, read, fd, P(list), sizeof(list));
	CALL(run, fanotify_init, 0x80000000, 0);
	CALL(run, fanotify_mark, fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, P("."));
}

/* Signals to the process: workers block them, so they wait for whoever reads. */
static void signals_read(struct run *run)
{
	struct signalfd_siginfo info = { 0 };
	uint64_t mask = UINT64_C(1) << (SIGUSR1 - 1);
	int64_t fd, old;

	fd = CALL(run, signalfd4, -1, P(&mask), MASK_SIZE, SFD_NONBLOCK);
	old = CALL(run, signalfd, -1, P(&mask), MASK_SIZE);
	CALL(run, signalfd4, 0, P(&mask), MASK_SIZE, 0);
	CALL(run, kill, (uint64_t)getpid(), SIGUSR1);
	CALL(run, read, fd, P(&info), sizeof(info));
	anycall_note(run, "    signal %u from us %d\n", info.ssi_signo,
		     info.ssi_pid == (uint32_t)getpid());
	CALL(run, read, fd, P(&info), sizeof(info));
	CALL(run, close, old);
}

static void timers_read(struct run *run)
{
	struct itimerspec soon = { .it_value = { 0, 1000 } };
	struct itimerspec left;
	int64_t fd = CALL(run, timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t expired = 0;

	CALL(run, timerfd_create, 77, 0);
	CALL(run, timerfd_settime, fd, 0, P(&soon), 0);
	CALL(run, read, fd, P(&expired), sizeof(expired));
	anycall_note(run, "    %llu\n", (unsigned long long)expired);
	CALL(run, timerfd_gettime, fd, P(&left));
	anycall_note(run, "    %ld\n", left.it_value.tv_nsec);
	CALL(run, timerfd_settime, fd, 99, P(&soon), 0);
	CALL(run, timerfd_gettime, 99, P(&left));
}

const struct anycall_case anycall_events[] = {
	{ "pipes", pipes },
	{ "polled", polled },
	{ "counted", counted },
	{ "epoll", epoll },
	{ "inotify", inotify },
	{ "signals_read", signals_read },
	{ "timers_read", timers_read },
	{ NULL, NULL },
};
