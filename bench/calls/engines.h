/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CALLS_ENGINES_H
#define BENCH_CALLS_ENGINES_H
/*
 * engines.h - the engines there are, each from its own file. Layer: bench.
 *
 * A peer that was not there when this was built is an engine with `missing` set.
 */
#include "bench/calls/engine.h"

extern const struct engine engine_sync;		   /* engine_sync.c */
extern const struct engine engine_sync_threads;	   /* engine_sync.c */
extern const struct engine engine_aio;		   /* engine_aio.c */
extern const struct engine engine_libuv;	   /* engine_libuv.c */
extern const struct engine engine_libeio;	   /* engine_libeio.c */
extern const struct engine engine_io_uring;	   /* engine_uring.c */
extern const struct engine engine_sqpoll;	   /* engine_uring.c */
extern const struct engine engine_hascall;	   /* engine_hascall.c */
extern const struct engine engine_hascall_no_help; /* engine_hascall.c */
extern const struct engine engine_hascall_polling; /* engine_hascall.c */

#endif /* BENCH_CALLS_ENGINES_H */
