#ifndef CALL_STUB_CACHE_H
#define CALL_STUB_CACHE_H
/*
 * stub_cache.h - patched copies of texts (stub.h), made when they are worth it and
 * shared by all processes. Layer: call.
 *
 * A copy is a sealed memfd: the pages of the file's text, then the stubs. It belongs to
 * one version of a file: device, number, size, times of change. It is made
 *	at once     for what surely makes calls (the caller says so: C libraries,
 *	            interpreters, static programs);
 *	else        from the second use on (stub_cache_set), if the text has any calls.
 *
 *	         first use          due                        read, patched
 *	(none) -----------> SEEN ---------> BUILDING ------------------------> DONE
 *	                     ^                 |  cancelled    |  no calls, unusual, no memory
 *	                     +-----------------+               +------------> NONE
 *	Any but BUILDING is forgotten when the cache is full, oldest use first.
 *
 * Limit    STUB_CACHE_ENTRIES versions; stub_cache_set()'s bytes in copies;
 *          STUB_CACHE_TEXT_MAX bytes a text.
 * Owner    copies are counted: stub_text_put() what stub_text_find() gave.
 * Thread   scheduler thread only.
 *
 * Way down: stub_text_find -> build -> vfs_read, stub_find, stub_write (stub.c).
 */
#include "base/cc.h"
#include "vfs/vfs.h"

#include <stdint.h>

#define STUB_CACHE_ENTRIES 1024u
#define STUB_CACHE_TEXT_MAX (16ull << 20)
#define STUB_CACHE_BYTES (64ull << 20) /* unless set */

struct stub_text {
	uint32_t refs;
	int fd;		    /* read-only for all: sealed */
	uint64_t key;	    /* for client_slot(): the version of no file */
	uint64_t min_vaddr; /* of the whole image, in pages */
	uint64_t span;
	uint64_t vaddr;	 /* of the text, in pages */
	uint64_t offset; /* of it in the file; in fd it is at 0 */
	uint64_t size;
	uint64_t stub_size; /* the stubs: in fd at `size`, in memory behind the span */
	uint32_t site_count;
};

enum stub_use {
	STUB_FIRST_MAP, /* the first mapping of a library, before its text: makes, does not count */
	STUB_TEXT_MAP,	/* of its text: counts, does not make, because no room was kept */
	STUB_RUN,	/* a program or interpreter: counts and makes */
};

/*
 * The patched copy of a file's text, counted; NULL if there is none (yet, or ever).
 * `surely`: it is worth a copy at once.
 */
struct stub_text *stub_text_find(struct inode *inode, enum stub_use use, bool surely) MAY_YIELD;
void stub_text_put(struct stub_text *text); /* NULL is fine */

/* A client may write to this file behind our back: it gets no copy any more. */
void stub_cache_written(struct inode *inode) MAY_YIELD;

struct stub_cache_options {
	/* Before a copy is made. 1: at the second use; 0: at the first; UINT32_MAX: never. */
	uint32_t uses;
	uint64_t bytes;
};
void stub_cache_set(const struct stub_cache_options *options);
void stub_cache_drop(void);	 /* forget all; no task may be building */
uint64_t stub_cache_bytes(void); /* in copies that the cache holds */

#endif /* CALL_STUB_CACHE_H */
