/* SPDX-License-Identifier: MIT */
#ifndef TEST_FRONT_CLIENT_H
#define TEST_FRONT_CLIENT_H
/*
 * client.h - a program inside as a test plays it: it speaks run_abi.h as the shim does,
 * honestly or not, and nothing confines it. Layer: test.
 *
 *	static int program(void)  { CHECK_INT(call(SYS_getcwd, 0, 100), 2); return 3; }
 *	CHECK_INT(run_inside(program, NULL), 3);	in the test: a whole manager
 *
 * Thread   each thread that calls has an entry of its own: client_entry.
 */
#include "hascall/run_abi.h"
#include "slot/slot.h"
#include "test/harness.h"

#include "front/manager.h"

#include <sys/types.h>

/* Run a manager with this as the first program: its exit status. options may be NULL. */
int run_inside(int (*program)(void), const struct manager_options *options);

extern __thread unsigned int client_index; /* entry of this thread */
extern struct run_control *client_control;
extern struct syscall_info *client_entries;
extern unsigned char *client_area;
extern struct area_bell *client_bell;
extern const struct run_server *client_server;

unsigned char *bounce(void); /* of this thread */
/* Post and wait. Arguments that are missing are 0. */
#define call(...) call_with((const uint64_t[7]){ __VA_ARGS__ })
int64_t call_with(const uint64_t num_and_arg[7]);
uint32_t call_flags(void); /* of this thread's last reply */
/* The halves, for those that want to do something between. */
void post(const uint64_t num_and_arg[7]);
int64_t finish(void);
void ring(void);

/* A string at an offset of the bounce buffer: the offset. */
uint64_t put_text(uint64_t offset, const char *text);
#define TEXT(s) put_text(0x1000, s)
#define TEXT2(s) put_text(0x3000, s)

/* fork as the shim does it: 0 in the child, which has its own area. flags: CLONE_*. */
pid_t fork_inside(uint64_t flags);
/* Its first half and its second, for those who misbehave. */
int64_t fork_grant(uint64_t flags);
pid_t fork_host(void);
_Noreturn void exit_inside(int status);
pid_t wait_inside(pid_t pid, int *ret_status, int options);

#endif /* TEST_FRONT_CLIENT_H */
