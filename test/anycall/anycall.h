#ifndef TEST_ANYCALL_ANYCALL_H
#define TEST_ANYCALL_ANYCALL_H
/*
 * anycall.h - one list of system calls, executed in three ways: by this thread, by a
 * worker of libhascall, and by a wait that helps. Layer: test.
 *
 * A case calls by CALL() and its like and notes what it saw. Each way has a process,
 * a folder and descriptors of its own, made in the same manner; the notes must be
 * the same text.
 *
 * Way down: anycall_alike -> run_case -> case -> anycall_call -> one of ways[].
 */
#include "base/cc.h"

#include <stdint.h>
#include <sys/syscall.h>

struct run;

struct anycall_case {
	const char *name;
	void (*fn)(struct run *run);
};

/* Run a case in each way and compare; the test fails where the notes differ. */
void anycall_alike(const struct anycall_case *c);

/* The same, and mark in `called` which numbers were executed; it has ANYCALL_NUMBERS places. */
#define ANYCALL_NUMBERS 512u
void anycall_count(const struct anycall_case *c, uint8_t *called);

/*
 * Execute a call; the result, -errno for an error. CALL notes the result. CALL_HIDDEN
 * notes only whether it failed, and how: for results that differ from run to run (process
 * numbers, addresses).
 */
enum anycall_show { ANYCALL_SHOW, ANYCALL_HIDE };
int64_t anycall_call(struct run *run, const char *name, uint32_t num, const uint64_t arg[6],
		     enum anycall_show show);
#define CALL(run, name, ...) \
	anycall_call(run, #name, SYS_##name, (const uint64_t[6]){ __VA_ARGS__ }, ANYCALL_SHOW)
#define CALL_HIDDEN(run, name, ...) \
	anycall_call(run, #name, SYS_##name, (const uint64_t[6]){ __VA_ARGS__ }, ANYCALL_HIDE)
/* A pointer as an argument. */
#define P(...) ((uintptr_t)(__VA_ARGS__))

/* Add to the notes. */
void anycall_note(struct run *run, const char *format, ...) PRINTF_LIKE(2, 3);
void anycall_note_bytes(struct run *run, const char *what, const void *data, size_t size);

/* Calls that the kernel's headers of 2022 do not know. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_map_shadow_stack
#define SYS_map_shadow_stack 453
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#endif
#ifndef SYS_futex_wait
#define SYS_futex_wait 455
#endif
#ifndef SYS_futex_requeue
#define SYS_futex_requeue 456
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#ifndef SYS_listmount
#define SYS_listmount 458
#endif
#ifndef SYS_lsm_list_modules
#define SYS_lsm_list_modules 461
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif
#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif
#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif
#ifndef SYS_removexattrat
#define SYS_removexattrat 466
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#endif
#ifndef SYS_file_setattr
#define SYS_file_setattr 469
#endif

/* The cases, by file. Each list ends with a case without a name. */
extern const struct anycall_case anycall_files[];
extern const struct anycall_case anycall_names[];
extern const struct anycall_case anycall_events[];
extern const struct anycall_case anycall_sockets[];
extern const struct anycall_case anycall_memory[];
extern const struct anycall_case anycall_ipc[];
extern const struct anycall_case anycall_process[];
extern const struct anycall_case anycall_admin[];

#endif /* TEST_ANYCALL_ANYCALL_H */
