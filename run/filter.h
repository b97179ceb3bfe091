#ifndef RUN_FILTER_H
#define RUN_FILTER_H
/*
 * filter.h - the seccomp filter every program thread lives under: the boundary. Layer: run.
 *
 * Verdicts: another architecture (int 0x80) ends the process; the calls of run_direct.def
 * pass from anywhere; a short list passes from the shim's gate page with its arguments
 * tested, so that whoever jumps there gains nothing; everything else is SIGSYS.
 *
 * Thread   applies to the calling thread and what it starts. Inherited for ever.
 * Source   seccomp(2), linux/seccomp.h.
 */
#include "base/cc.h"

/* Confine the calling thread: no_new_privs and the filter. 0 or -errno. */
MUST_USE int filter_install(void);

#endif /* RUN_FILTER_H */
