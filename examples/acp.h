/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_ACP_H
#define EXAMPLES_ACP_H
/*
 * acp.h - what the parts of acp share: the walk and options are in acp.c, the contents of
 * files in acp_file.c, links and devices in acp_special.c. Layer: examples.
 *
 * Each part gets an entry whose target folder is open, and ends by copy_done().
 */
#include "examples/walk.h"

#include <time.h>

#define COPY_BUFFER 65536u

/* A chain that grows. */
struct copy_chain {
	struct hascall_call call[JOB_CALLS];
	uint32_t count;
};

/* A folder: walk is the one that is read, target the one that is written. */
struct copy_folder {
	struct walk_folder walk;
	struct folder target;
	struct statx stat; /* of the one that is read */
	bool made;	   /* or found there; else nothing can be in it */
	bool created;	   /* by us */
	struct timespec times[2];
};

/* One thing that is copied: entry.stat tells what it is. */
struct copy {
	struct walk_entry entry;
	struct folder *target; /* where it goes; pinned */
	const char *target_name;
	char *buffer; /* COPY_BUFFER bytes, made when needed, kept for the next copy */
	struct timespec times[2];
	struct copy_chain chain; /* the step that runs */
	/* acp_file.c, once both files are open */
	int source_fd;
	int target_fd;
	bool failed;
	bool plain;	  /* by read and write, not copy_file_range */
	int64_t at;	  /* copied up to here */
	int64_t data_end; /* a hole begins there, as far as is known */
	int64_t source_at, target_at;
	struct statx target_stat;
};

struct copy_options {
	bool recursive;
	bool preserve;
	bool verbose;
	unsigned int umask;
	unsigned int uid, gid; /* of this process */
};
extern struct copy_options copy_options;

/* copy->chain, with nothing in it. */
struct copy_chain *chain_new(struct copy *copy);

/* Add a call to the chain: it begins when the one before has succeeded. Returns it. */
struct hascall_call *chain_add(struct copy_chain *chain, struct hascall_call call);

/* The argument of the last call is the result of an earlier one: its index. */
void chain_take(struct copy_chain *chain, unsigned int argument, uint32_t index);

/* Post copy->chain as the next step. */
void chain_start(struct copy *copy, job_step *next);

/* What cannot be done with the source, or with the target; the exit status will be 1. */
void copy_source_failed(const struct copy *copy, const char *what, int64_t result);
void copy_target_failed(const struct copy *copy, const char *what, int64_t result);

/* The results of the last step from index first to before end are of attributes: tell a failure. */
void copy_check_attributes(const struct copy *copy, uint32_t first, uint32_t end);

/* The mode that -p gives a copy: set-id bits only with the owner they belong to. */
unsigned int copy_mode(const struct statx *stat);

char *copy_buffer(struct copy *copy);
void copy_done(struct copy *copy);

/* The parts. */
void copy_file(struct copy *copy);
void copy_special(struct copy *copy);

#endif /* EXAMPLES_ACP_H */
