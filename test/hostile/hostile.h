#ifndef HOSTILE_H
#define HOSTILE_H
/*
 * hostile.h - programs that try to get out of the sandbox, or to hurt it from inside. Layer: test.
 *
 * test/hostile/run starts `hostile NAME` inside. An attack runs in a process of its own, beside a
 * witness: a process that goes on making ordinary calls. Afterwards the witness must have gone on,
 * and the runner looks at the host. What is an escape by itself is told by escaped(); all else by
 * what the host shows.
 *
 * Order    the runner's environment says where the bait is (struct bait).
 * Limit    ATTACK_SECONDS for an attack.
 *
 * Way down: main -> fork -> attack.fn.
 */
#include <stdint.h>
#include <sys/types.h>

#define ATTACK_SECONDS 60

/* What the sandbox puts at fixed places of each process; see include/hascall/run_abi.h. */
#include "hascall/run_abi.h"

struct bait {
	const char *folder; /* of the host: `keep` is in it, `new` must not appear */
	char keep[256], new[256];
	pid_t victim;	    /* a process of the host, outside */
	int port;	    /* of 127.0.0.1: the runner listens */
	const char *socket; /* name of an abstract AF_UNIX socket: the runner listens */
};
extern struct bait bait;

struct attack {
	const char *name;
	void (*fn)(void);
};

#define ATTACK(fn)               \
	{                        \
#fn, attack_##fn \
	}

/* Tables of attacks, one a file; each ends with one without a name. */
extern const struct attack call_attacks[], gate_attacks[], area_attacks[], resource_attacks[],
	signal_attacks[], fuzz_attacks[];

/* A way to make a system call: a number and six arguments; -errno or the result. */
typedef long route_fn(long number, const long arg[6]);

/* Tell the runner that something succeeded that must not. */
void escaped(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Tell the runner what happened, for a reader. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* There is nothing to attack here: not inside hascall. */
void not_here(const char *why) __attribute__((noreturn));

/* Run fn(arg) in a child, at most ms milliseconds; its wait status, or -1 if it was killed. */
int in_child(void (*fn)(void *), void *arg, long ms);
void sleep_ms(long ms);
/* True if a byte there can be read. */
int readable(const volatile void *p);
/* Memory that can be written and run. */
unsigned char *code_page(void);
/* Every `syscall` instruction in the shim's text; the count, at most room. */
size_t find_gates(uintptr_t *at, size_t room);
/* Make a call by jumping to that instruction. */
long call_gate(uintptr_t at, long number, const long arg[6]);
/* Make a call from code written at run time. */
long call_jit(long number, const long arg[6]);
/* Would hurt the machine if a broken sandbox let it through: never used with wild arguments. */
int is_dangerous(long number);

#endif /* HOSTILE_H */
