#ifndef STRESS_H
#define STRESS_H
/*
 * stress.h - what the stress tests of libhascall share: a random sequence that can be
 * repeated, calls whose executions can be counted, entries posted by hand, and the
 * census of what a process has. Layer: test.
 *
 * Thread   a random sequence, an entry: one thread at a time. A journal: any.
 */
#include "hascall/hascall.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Loops under a sanitizer are shorter. */
#define STRESS_COUNT(plain, sanitized) (test_sanitized ? (sanitized) : (plain))

#define NS_PER_MS INT64_C(1000000)

/*
 * A random sequence. stress_seed() gives the number of this run and prints it; with
 * STRESS_SEED=number in the environment, that one.
 */
uint64_t stress_seed(void);
uint64_t stress_next(uint64_t *state);
uint32_t stress_below(uint64_t *state, uint32_t limit); /* 0 .. limit - 1 */
bool stress_chance(uint64_t *state, uint32_t one_in);

int64_t stress_now_ns(void);
void stress_sleep_us(unsigned int us);

/* Shared with forked children, zeros, never given back: a test is a process. */
void *stress_share(size_t size);

/*
 * A journal: calls that write their own number to the end of a file without a name. An
 * append is atomic, so a number is there as often as its call was executed.
 */
struct journal {
	int fd;
	uint32_t count;
	uint64_t *number; /* number[i] == i; shared memory */
};

void journal_open(struct journal *j, uint32_t count);
void journal_call(const struct journal *j, uint32_t number, uint64_t ret_arg[6]); /* SYS_write */
/* How often each number is there; free() it. Checks that the file has nothing else. */
uint8_t *journal_read(const struct journal *j);
void journal_close(struct journal *j);

#define JOURNAL_RESULT 8 /* of a call that was executed */

/* Entries by hand, chains too: bits are SYSCALL_LINKED, SYSCALL_HELD. */
void entry_post(struct syscall_info *e, uint32_t num, const uint64_t arg[6], uint32_t bits,
		uint64_t link);
/* Take back a call with whatever bits it has: true if nobody had begun it. */
bool entry_recall(struct syscall_info *e);
uint32_t entry_state(const struct syscall_info *e); /* the low byte, whatever it is */
/* 0 and the result, the entry being free again; -ETIMEDOUT; -EPROTO. */
int entry_wait(struct syscall_info *e, int64_t timeout_ns, int64_t *ret_result);

/* Threads that execute calls of an area until END. */
#define EXECUTORS_MAX 8
struct executors {
	int area;
	unsigned int count;
	unsigned long thread[EXECUTORS_MAX];
	int answer[EXECUTORS_MAX];
};
void executors_start(struct executors *x, int area, unsigned int count);
void executors_join(struct executors *x, int answer);

/* What a process has. */
struct census {
	unsigned int threads;
	unsigned int descriptors;
};
struct census census_take(void);
/* Threads that were joined may take a moment to leave the list. */
void census_check(const struct census *before);
unsigned int census_mappings(void);

/* The comfortable level. */
struct hascall *stress_open(const struct hascall_options *options); /* sets size */
int64_t stress_call(struct hascall *h, uint32_t num, const uint64_t arg[6], uint32_t wait_flags);
void stress_drop_result(void *ctx, uint64_t user_data, int64_t ret);

/*
 * Post and wait, once in each way there is, chains too: all results are right. The second
 * also cancels calls that wait for ever.
 */
void stress_use_most(struct hascall *h);
void stress_use_everything(struct hascall *h);

/* Run fn in a forked child; what waitpid() tells of it. */
int stress_in_child(void (*fn)(void *), void *arg);

#endif /* STRESS_H */
