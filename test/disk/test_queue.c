/*
 * test_queue.c - what disk.h promises of the queue: Order, Limit, Errors. The driver is the
 * test disk, the clock a virtual one; the trace shows the calls that the driver gets.
 */
#include "device/disk.h"
#include "test/disk/test_disk.h"
#include "test/task/task_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)
#define MILLISECOND_NS UINT64_C(1000000)
#define REQUESTS 512u
#define SWEEP_MAX 64u /* calls; more than the queue lets pass before it looks for late ones */

static struct test_disk *td;
static struct disk *disk;
static const struct test_disk_options plain = { .size = UINT64_C(8) << 20,
						.completion = TEST_DISK_SOON };

static struct sent {
	struct disk_request request;
	unsigned int answers;
	int error;
	uint64_t at_ns;
} sent[REQUESTS];
static unsigned int sent_count;
static char data[REQUESTS * PAGE];

static void begin_with(const struct test_disk_options *options)
{
	begin_world();
	CHECK_INT(trace_start(TRACE_DEVICE | TRACE_USER, 64 * 1024), 0);
	disk = test_disk_open(options, &td);
	memset(sent, 0, sizeof(sent));
	sent_count = 0;
}

static void begin(void)
{
	begin_with(&plain);
}

/* The census: each request was answered once. */
static void end(void)
{
	struct disk_stats stats;

	for (unsigned int i = 0; i < sent_count; i++)
		CHECK_INT(sent[i].answers, 1);
	disk_stats_get(disk, &stats);
	CHECK_INT(stats.queued, 0);
	disk_close(disk);
	test_disk_free(td);
	end_world();
}

static void take_answer(struct disk_request *request, int error)
{
	struct sent *s = CONTAINER_OF(request, struct sent, request);

	CHECK(!task_self());
	s->answers++;
	s->error = error;
	s->at_ns = clock_now_ns();
}

/* Each request has a page of `data` for its own. */
static struct sent *send_flagged(enum disk_op op, uint64_t offset, uint64_t size,
				 unsigned int flags)
{
	struct sent *s = &sent[sent_count];

	CHECK(sent_count < REQUESTS);
	s->request = (struct disk_request){ .op = op,
					    .flags = flags,
					    .offset = offset,
					    .data = data + PAGE * sent_count,
					    .size = size,
					    .done = take_answer };
	sent_count++;
	disk_send(disk, &s->request);
	return s;
}

static struct sent *post(enum disk_op op, uint64_t offset, uint64_t size)
{
	return send_flagged(op, offset, size, 0);
}

static void run(void)
{
	CHECK_INT(sched_run_until_idle(), 0);
}

/* ---- answers. */

static void an_answer_comes_after_send_has_returned(void)
{
	struct sent *good, *bad;

	begin_with(&(struct test_disk_options){ .size = 8192 });
	good = post(DISK_READ, 0, 512);
	bad = post(DISK_READ, 1, 512);
	CHECK_INT(good->answers + bad->answers, 0);
	run();
	CHECK_INT(good->error, 0);
	CHECK_INT(bad->error, -EINVAL);
	end();
}

static unsigned int rounds;

static void send_again(struct disk_request *request, int error)
{
	CHECK_INT(error, 0);
	request->offset += 512;
	if (++rounds < 10)
		disk_send(disk, request);
}

static void a_request_may_be_sent_again_from_its_answer(void)
{
	static char sector[512];
	struct disk_request r = {
		.op = DISK_READ, .data = sector, .size = 512, .done = send_again
	};

	begin();
	disk_send(disk, &r);
	run();
	CHECK_INT(rounds, 10);
	end();
}

static void what_is_wrong_is_refused(void)
{
	const uint64_t size = plain.size;
	static const struct {
		enum disk_op op;
		unsigned int flags;
		uint64_t offset, size;
	} wrong[] = {
		{ DISK_READ, 0, 1, 512 },
		{ DISK_READ, 0, 0, 511 },
		{ DISK_READ, 0, 0, 0 },
		{ DISK_WRITE, 0, 256, 512 },
		{ DISK_DISCARD, 0, 0, 100 },
		{ DISK_READ, DISK_FUA, 0, 512 },
		{ DISK_DISCARD, DISK_PREFLUSH, 0, 512 },
		{ DISK_FLUSH, DISK_FUA, 0, 0 },
		{ DISK_WRITE, DISK_PAST_CACHE, 0, 512 },
		{ DISK_DISCARD, DISK_PAST_CACHE, 0, 512 },
		{ DISK_WRITE, 16, 0, 512 },
		{ DISK_READ, 0, UINT64_MAX - 511, 512 },
		{ DISK_READ, 0, 0, UINT64_MAX - 511 },
		{ DISK_READ, 0, UINT64_MAX - 511, UINT64_MAX - 511 },
	};

	begin();
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
		send_flagged(wrong[i].op, wrong[i].offset, wrong[i].size, wrong[i].flags);
	post(DISK_READ, size, 512);
	post(DISK_READ, size - 512, 1024);
	run();
	for (unsigned int i = 0; i < sent_count; i++)
		CHECK_INT(sent[i].error, -EINVAL);
	EXPECT_TRACE("");
	post(DISK_READ, size - 512, 512);
	run();
	CHECK_INT(sent[sent_count - 1].error, 0);
	end();
}

static void a_read_only_disk_is_not_written(void)
{
	begin_with(&(struct test_disk_options){ .size = 8192, .read_only = true });
	post(DISK_WRITE, 0, 512);
	send_flagged(DISK_WRITE, 0, 512, DISK_PREFLUSH | DISK_FUA);
	post(DISK_DISCARD, 0, 512);
	post(DISK_FLUSH, 0, 0);
	run();
	CHECK_INT(sent[0].error, -EROFS);
	CHECK_INT(sent[1].error, -EROFS);
	CHECK_INT(sent[2].error, -EROFS);
	CHECK_INT(sent[3].error, 0);
	EXPECT_TRACE("");
	end();
}

static void a_disk_that_cannot_discard_says_so(void)
{
	struct disk_info info;

	begin_with(&(struct test_disk_options){ .size = 8192, .cannot_discard = true });
	post(DISK_DISCARD, 0, 512);
	run();
	CHECK_INT(sent[0].error, -EOPNOTSUPP);
	end();
	begin();
	disk_info(disk, &info);
	CHECK(info.can_discard);
	test_disk_fail_nth(td, DISK_DISCARD, 1, -EOPNOTSUPP);
	post(DISK_DISCARD, 0, 512);
	run();
	CHECK_INT(sent[0].error, -EOPNOTSUPP);
	disk_info(disk, &info);
	CHECK(!info.can_discard);
	end();
}

/* ---- joining. */

static void neighbours_are_joined(void)
{
	static const unsigned int order[] = { 3, 0, 2, 4, 1 };

	begin();
	for (unsigned int i = 0; i < 5; i++)
		memset(data + i * PAGE, 'a' + (int)order[i], PAGE);
	for (unsigned int i = 0; i < 5; i++)
		post(DISK_WRITE, order[i] * PAGE, PAGE);
	run();
	EXPECT_TRACE("disk test writes 0 to 20480\n");
	for (unsigned int i = 0; i < 5; i++)
		CHECK_INT(test_disk_data(td)[i * PAGE + 17], 'a' + (int)i);
	memset(data, 0, sizeof(data));
	for (unsigned int i = 0; i < 5; i++)
		post(DISK_READ, order[i] * PAGE, PAGE);
	run();
	EXPECT_TRACE("disk test reads 0 to 20480\n");
	for (unsigned int i = 0; i < 5; i++)
		CHECK_INT(data[(5 + i) * PAGE + 17], 'a' + (int)order[i]);
	end();
}

static void neighbours_on_both_sides_of_the_head_are_joined(void)
{
	begin();
	post(DISK_READ, 3 * PAGE, PAGE);
	run();
	EXPECT_TRACE("disk test reads 12288 to 16384\n");
	for (unsigned int i = 0; i < 8; i++)
		post(DISK_READ, i * PAGE, PAGE);
	run();
	EXPECT_TRACE("disk test reads 0 to 32768\n");
	end();
}

static void what_overlaps_is_not_joined(void)
{
	begin();
	post(DISK_READ, 512, 512);
	run();
	EXPECT_TRACE("disk test reads 512 to 1024\n");
	post(DISK_READ, 512, 1024);
	post(DISK_READ, 1024, 512);
	post(DISK_READ, 1024, 512);
	run();
	EXPECT_TRACE("disk test reads 1024 to 1536\n"
		     "disk test reads 512 to 1536\n"
		     "disk test reads 1024 to 1536\n");
	end();
}

static void only_neighbours_of_one_kind_are_joined(void)
{
	begin();
	post(DISK_READ, 0, 512);
	post(DISK_READ, 1024, 512);
	post(DISK_WRITE, 1536, 512);
	post(DISK_DISCARD, 2048, 512);
	post(DISK_READ, 2560, 512);
	send_flagged(DISK_READ, 3072, 512, DISK_BACKGROUND_IO);
	run();
	EXPECT_TRACE("disk test reads 0 to 512\n"
		     "disk test reads 1024 to 1536\n"
		     "disk test writes 1536 to 2048\n"
		     "disk test discards 2048 to 2560\n"
		     "disk test reads 2560 to 3072\n"
		     "disk test reads 3072 to 3584\n");
	end();
}

static void a_joined_call_has_its_limits(void)
{
	begin();
	for (unsigned int i = 0; i < DISK_JOIN_MAX + 2; i++)
		post(DISK_READ, i * 512, 512);
	run();
	EXPECT_TRACE("disk test reads 0 to 131072\n"
		     "disk test reads 131072 to 132096\n");
	for (unsigned int i = 0; i < 4; i++) {
		static char half[DISK_JOIN_BYTES / 2];
		struct sent *s = &sent[sent_count++];

		s->request = (struct disk_request){ .op = DISK_READ,
						    .data = half,
						    .size = sizeof(half),
						    .offset = i * sizeof(half),
						    .done = take_answer };
		disk_send(disk, &s->request);
	}
	run();
	/* The head stands behind the first of them. */
	EXPECT_TRACE("disk test reads 524288 to 1572864\n"
		     "disk test reads 1572864 to 2097152\n"
		     "disk test reads 0 to 524288\n");
	end();
}

static void of_joined_requests_only_the_bad_one_fails(void)
{
	struct disk_stats stats;

	for (int kind = 0; kind < 2; kind++) {
		begin();
		if (kind == 0)
			test_disk_fail_range(td, DISK_WRITE, 5 * PAGE + 512, 512, -EIO, 0);
		else
			test_disk_fail_nth(td, DISK_WRITE, 6, -EIO);
		for (unsigned int i = 0; i < 10; i++) {
			memset(data + i * PAGE, 'x', PAGE);
			post(DISK_WRITE, i * PAGE, PAGE);
		}
		run();
		for (unsigned int i = 0; i < 10; i++) {
			CHECK_INT(sent[i].error, i == 5 ? -EIO : 0);
			CHECK_INT(test_disk_data(td)[i * PAGE], i == 5 ? 0 : 'x');
		}
		disk_stats_get(disk, &stats);
		CHECK_INT(stats.calls, 11);
		end();
	}
}

/* ---- order. */

static void requests_are_served_upwards_and_from_the_start_again(void)
{
	static const unsigned int pages[] = { 50, 10, 40, 20, 30 };

	begin();
	post(DISK_READ, 24 * PAGE, PAGE);
	run();
	for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
		post(DISK_READ, pages[i] * PAGE, PAGE);
	run();
	EXPECT_TRACE("disk test reads 98304 to 102400\n"
		     "disk test reads 122880 to 126976\n"
		     "disk test reads 163840 to 167936\n"
		     "disk test reads 204800 to 208896\n"
		     "disk test reads 40960 to 45056\n"
		     "disk test reads 81920 to 86016\n");
	end();
}

static void what_is_waited_for_goes_before_the_background(void)
{
	begin();
	send_flagged(DISK_WRITE, 0, 512, DISK_BACKGROUND_IO);
	send_flagged(DISK_WRITE, 8192, 512, DISK_BACKGROUND_IO);
	post(DISK_READ, 4096, 512);
	post(DISK_WRITE, 16384, 512);
	run();
	EXPECT_TRACE("disk test reads 4096 to 4608\n"
		     "disk test writes 16384 to 16896\n"
		     "disk test writes 0 to 512\n"
		     "disk test writes 8192 to 8704\n");
	end();
}

static void the_driver_has_so_many_calls_at_a_time(void)
{
	begin();
	test_disk_hold(td);
	for (unsigned int i = 0; i < 20; i++)
		send_flagged(DISK_WRITE, i * 2 * PAGE, 512, DISK_BACKGROUND_IO);
	run();
	CHECK_INT(test_disk_held(td), DISK_BACKGROUND);
	for (unsigned int i = 20; i < 80; i++)
		post(DISK_READ, i * 2 * PAGE, 512);
	run();
	CHECK_INT(test_disk_held(td), DISK_DEPTH);
	post(DISK_FLUSH, 0, 0);
	post(DISK_FLUSH, 0, 0);
	run();
	CHECK_INT(test_disk_held(td), DISK_DEPTH + 1);
	test_disk_release(td);
	run();
	end();
}

/*
 * So many tasks read, each again when it has its page, that the disk is never idle; reads at
 * random places if `random`, else ever upwards.
 */
#define READERS 64u
#define READ_UNTIL_NS (400 * MILLISECOND_NS)

static uint64_t next_page, random_state;

static void read_again(struct disk_request *request, int error)
{
	CHECK_INT(error, 0);
	if (random_state)
		request->offset = PAGE * (1 + test_random(&random_state, 2000));
	else
		request->offset = PAGE * 2 * ++next_page % (UINT64_C(1) << 40);
	if (clock_now_ns() < READ_UNTIL_NS)
		disk_send(disk, request);
}

static const struct test_disk_model one_ms = { .call_ns = MILLISECOND_NS };

static struct disk_request readers[READERS];

static void keep_busy(void)
{
	for (unsigned int i = 0; i < READERS; i++) {
		readers[i] = (struct disk_request){
			.op = DISK_READ, .data = data, .size = 512, .done = read_again
		};
		read_again(&readers[i], 0);
	}
}

static void send_late(void *arg) MAY_YIELD;
static void send_late(void *arg)
{
	CHECK_INT(task_sleep_until(50 * MILLISECOND_NS), 0);
	send_flagged(DISK_WRITE, 0, 512, *(const unsigned int *)arg);
}

static void a_background_write_waits_but_not_longer_than_it_may(void)
{
	unsigned int flags = DISK_BACKGROUND_IO;

	begin_with(&(struct test_disk_options){
		.size = plain.size, .completion = TEST_DISK_MODEL, .model = &one_ms });
	random_state = 1;
	keep_busy();
	spawn("late", send_late, &flags);
	run();
	/* What is with the driver when its turn comes is served before it, 1 ms each. */
	CHECK(sent[0].at_ns >= 55 * MILLISECOND_NS);
	CHECK(sent[0].at_ns <= (55 + 1 + DISK_DEPTH) * MILLISECOND_NS);
	end();
}

static void nobody_waits_for_ever_behind_a_stream(void)
{
	unsigned int flags = 0;

	begin_with(&(struct test_disk_options){
		.size = UINT64_C(1) << 41, .completion = TEST_DISK_MODEL, .model = &one_ms });
	random_state = 0;
	keep_busy();
	spawn("late", send_late, &flags);
	run();
	/* It lies behind the head, and the others never come back. */
	CHECK(sent[0].at_ns >= 50 * MILLISECOND_NS + DISK_LATE_NS);
	CHECK(sent[0].at_ns <=
	      50 * MILLISECOND_NS + DISK_LATE_NS + (SWEEP_MAX + DISK_DEPTH) * MILLISECOND_NS);
	end();
}

/* ---- durability. */

static void a_flush_does_not_wait_for_writes_under_way(void)
{
	begin();
	test_disk_record(td);
	test_disk_hold(td);
	post(DISK_WRITE, 0, 512);
	run();
	post(DISK_FLUSH, 0, 0);
	run();
	CHECK_INT(test_disk_held(td), 2);
	test_disk_release(td);
	run();
	/* The write was done before the flush ended, but after it began: not covered. */
	CHECK_INT(test_disk_log(td, 0)->kind, RECORD_WRITE);
	CHECK_INT(test_disk_log(td, 1)->kind, RECORD_FLUSH);
	CHECK_INT(test_disk_log(td, 1)->number, 0);
	end();
}

static void flushes_share_the_next_one(void)
{
	struct test_disk_stats stats;

	begin();
	test_disk_hold(td);
	for (unsigned int i = 0; i < 10; i++) {
		post(DISK_FLUSH, 0, 0);
		run();
	}
	CHECK_INT(test_disk_held(td), 1);
	test_disk_let(td, 1);
	run();
	CHECK_INT(sent[0].answers, 1);
	CHECK_INT(sent[1].answers, 0);
	CHECK_INT(test_disk_held(td), 1);
	test_disk_release(td);
	run();
	test_disk_stats_get(td, &stats);
	CHECK_INT(stats.calls, 2);
	end();
}

static void a_failed_flush_is_told_to_all_who_share_it(void)
{
	begin();
	test_disk_fail_nth(td, DISK_FLUSH, 1, -EIO);
	post(DISK_FLUSH, 0, 0);
	post(DISK_FLUSH, 0, 0);
	run();
	post(DISK_FLUSH, 0, 0);
	run();
	CHECK_INT(sent[0].error, -EIO);
	CHECK_INT(sent[1].error, -EIO);
	CHECK_INT(sent[2].error, 0);
	end();
}

static void preflush_and_fua_are_flushes_around_the_write(void)
{
	begin();
	test_disk_record(td);
	send_flagged(DISK_WRITE, 0, 512, DISK_PREFLUSH | DISK_FUA);
	run();
	EXPECT_TRACE("disk test flushes\n"
		     "disk test writes 0 to 512\n"
		     "disk test flushes\n");
	CHECK_INT(sent[0].error, 0);
	send_flagged(DISK_WRITE, 0, 512, DISK_PREFLUSH);
	run();
	EXPECT_TRACE("disk test flushes\ndisk test writes 0 to 512\n");
	send_flagged(DISK_WRITE, 0, 512, DISK_FUA);
	run();
	EXPECT_TRACE("disk test writes 0 to 512\ndisk test flushes\n");
	end();
}

static void a_write_whose_flush_fails_fails(void)
{
	begin();
	test_disk_fail_nth(td, DISK_FLUSH, 1, -EIO);
	send_flagged(DISK_WRITE, 0, 512, DISK_PREFLUSH | DISK_FUA);
	run();
	EXPECT_TRACE("disk test flushes\n");
	CHECK_INT(sent[0].error, -EIO);
	test_disk_fail_nth(td, DISK_FLUSH, 2, -EIO);
	send_flagged(DISK_WRITE, 0, 512, DISK_PREFLUSH | DISK_FUA);
	run();
	CHECK_INT(sent[1].error, -EIO);
	end();
}

/* ---- any order, any seed. */

struct writer {
	uint64_t first, random;
	char pages[8];
};
static uint64_t acknowledged[64]; /* places of the log */

/* Owns eight pages; writes, reads, flushes, and knows what must stand there. */
static void write_and_check(void *arg) MAY_YIELD;
static void write_and_check(void *arg)
{
	struct writer *w = arg;
	char *buffer = data + w->first * PAGE;

	for (unsigned int i = 0; i < 60; i++) {
		uint64_t page = test_random(&w->random, 8);
		unsigned int choice = (unsigned int)test_random(&w->random, 10);

		if (choice == 0) {
			CHECK_INT(disk_flush(disk), 0);
		} else if (choice < 6) {
			w->pages[page] = (char)('a' + test_random(&w->random, 26));
			memset(buffer, w->pages[page], PAGE);
			CHECK_INT(disk_write(disk, buffer, PAGE, (w->first + page) * PAGE), 0);
		} else {
			CHECK_INT(disk_read(disk, buffer, PAGE, (w->first + page) * PAGE), 0);
			CHECK_INT(buffer[0], w->pages[page]);
			CHECK_INT(buffer[PAGE - 1], w->pages[page]);
		}
	}
}

static void tasks_find_what_they_wrote_whatever_the_order(void)
{
	static struct writer writers[16];

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		begin_with(&(struct test_disk_options){
			.size = plain.size, .completion = TEST_DISK_SHUFFLED, .seed = seed });
		for (unsigned int i = 0; i < 16; i++) {
			writers[i] = (struct writer){ .first = 8 * i, .random = seed * 100 + i };
			spawn("writer", write_and_check, &writers[i]);
		}
		run();
		end();
	}
}

static void write_through(struct disk_request *request, int error)
{
	size_t i = (size_t)request->offset / PAGE;

	CHECK_INT(error, 0);
	acknowledged[i] = test_disk_log_length(td);
}

/* No flush but those that the writes themselves ask for. */
static void what_was_written_through_survives_any_crash(void)
{
	static struct disk_request r[64];

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct replay *replay;

		begin_with(&(struct test_disk_options){
			.size = plain.size, .completion = TEST_DISK_SHUFFLED, .seed = seed });
		test_disk_record(td);
		for (unsigned int i = 0; i < 64; i++) {
			memset(data + i * PAGE, 'a' + (int)(i + seed) % 26, PAGE);
			r[i] = (struct disk_request){
				.op = DISK_WRITE,
				.flags = DISK_FUA | (i % 3 ? DISK_PREFLUSH : 0) |
					 (i % 5 ? DISK_BACKGROUND_IO : 0),
				.offset = i * PAGE,
				.data = data + i * PAGE,
				.size = PAGE,
				.done = write_through,
			};
			disk_send(disk, &r[i]);
		}
		run();
		replay = replay_begin(td);
		for (size_t k = 0; k <= test_disk_log_length(td); k++) {
			replay_crash(replay, k, seed, REPLAY_TORN);
			for (unsigned int i = 0; i < 64; i++)
				if (acknowledged[i] <= k)
					CHECK(!memcmp(replay_data(replay) + i * PAGE,
						      data + i * PAGE, PAGE));
		}
		replay_end(replay);
		end();
	}
}

/* Requests of all kinds at once: each is answered, reads and writes of a page in turn. */
static void any_number_may_be_queued(void)
{
	static struct disk_request r[4096];
	static char sector[512];
	uint64_t random = 1;
	struct disk_stats stats;

	begin_with(&(struct test_disk_options){
		.size = plain.size, .completion = TEST_DISK_SHUFFLED, .seed = 1 });
	rounds = 10;
	for (size_t i = 0; i < ARRAY_COUNT(r); i++) {
		r[i] = (struct disk_request){
			.op = test_random(&random, 2) ? DISK_READ : DISK_WRITE,
			.flags = test_random(&random, 2) ? DISK_BACKGROUND_IO : 0,
			.offset = 512 * test_random(&random, 4096),
			.data = sector,
			.size = 512,
			.done = send_again,
		};
		disk_send(disk, &r[i]);
	}
	run();
	CHECK_INT(rounds, 10 + ARRAY_COUNT(r));
	disk_stats_get(disk, &stats);
	CHECK_INT(stats.reads + stats.writes, ARRAY_COUNT(r));
	CHECK_INT((stats.read_bytes + stats.written_bytes) / 512, ARRAY_COUNT(r));
	CHECK(stats.calls < ARRAY_COUNT(r));
	end();
}

static const struct test tests[] = {
	TEST(an_answer_comes_after_send_has_returned),
	TEST(a_request_may_be_sent_again_from_its_answer),
	TEST(what_is_wrong_is_refused),
	TEST(a_read_only_disk_is_not_written),
	TEST(a_disk_that_cannot_discard_says_so),
	TEST(neighbours_are_joined),
	TEST(neighbours_on_both_sides_of_the_head_are_joined),
	TEST(what_overlaps_is_not_joined),
	TEST(only_neighbours_of_one_kind_are_joined),
	TEST(a_joined_call_has_its_limits),
	TEST(of_joined_requests_only_the_bad_one_fails),
	TEST(requests_are_served_upwards_and_from_the_start_again),
	TEST(what_is_waited_for_goes_before_the_background),
	TEST(the_driver_has_so_many_calls_at_a_time),
	TEST(a_background_write_waits_but_not_longer_than_it_may),
	TEST(nobody_waits_for_ever_behind_a_stream),
	TEST(a_flush_does_not_wait_for_writes_under_way),
	TEST(flushes_share_the_next_one),
	TEST(a_failed_flush_is_told_to_all_who_share_it),
	TEST(preflush_and_fua_are_flushes_around_the_write),
	TEST(a_write_whose_flush_fails_fails),
	TEST(tasks_find_what_they_wrote_whatever_the_order),
	TEST(what_was_written_through_survives_any_crash),
	TEST(any_number_may_be_queued),
};
TEST_MAIN(tests)
