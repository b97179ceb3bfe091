#ifndef TEST_DISK_INSIDE_H
#define TEST_DISK_INSIDE_H
/*
 * inside.h - what the parts of the test disk share. Layer: test, inside only.
 */
#include "base/list.h"
#include "task/event.h"
#include "test/disk/store.h"
#include "test/disk/test_disk.h"

/* Bytes that only grow: a mapping, so that what points into it stays right. */
struct arena {
	char *data;
	uint64_t used;
};
void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void *arena_copy(struct arena *a, const void *data, uint64_t size);

struct log {
	bool recording;
	struct store before; /* what was on the disk at place 0 */
	struct test_record *record;
	size_t length, room;
	struct arena data;
};
void log_write(struct log *log, const struct disk_request *r, uint64_t size);
void log_flush(struct log *log, size_t begun_at);
void log_mark(struct log *log, uint64_t number);
void log_end(struct log *log); /* forget it */
const struct log *test_disk_log_of(const struct test_disk *td);

/* A call of the queue, with the driver. */
struct call {
	struct list node; /* in test_disk.pending, in the order of arrival */
	struct list requests;
	size_t log_length; /* when it came */
	uint64_t done_ns;  /* MODEL, once it is begun */
	bool begun;
};

struct model_state {
	const struct test_disk_model *model;
	uint64_t head;	     /* where the last call that was begun ends */
	uint64_t channel_ns; /* the bytes of all before are over */
	unsigned int begun;  /* calls */
	uint64_t size;
};
/* How long the call would take if it began now; *ret_end: where the head is then. */
uint64_t model_time(const struct model_state *m, const struct call *call, uint64_t now_ns,
		    uint64_t *ret_end);

#endif /* TEST_DISK_INSIDE_H */
