/*
 * test_test_disk.c - what test_disk.h promises: crash tests are worth what it is worth.
 */
#include "task/sched.h"
#include "task/task.h"
#include "test/disk/test_disk.h"
#include "test/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (UINT64_C(1) << 20)
#define PAGE UINT64_C(4096)
#define MILLISECOND_NS UINT64_C(1000000)

static struct test_disk *td;
static struct disk *disk;

static void open_with(const struct test_disk_options *options)
{
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL), 0);
	disk = test_disk_open(options, &td);
}

static void begin(void)
{
	open_with(&(struct test_disk_options){ .size = SIZE });
}

static void end(void)
{
	disk_close(disk);
	test_disk_free(td);
	sched_fini();
}

static void run(task_fn *fn)
{
	CHECK_INT(task_start(NULL, "test", fn, NULL), 0);
	CHECK_INT(sched_run_until_idle(), 0);
}

/* A page filled with one letter, and what stands at a place. */
static int put_letter(char letter, uint64_t page) MAY_YIELD;
static int put_letter(char letter, uint64_t page)
{
	char data[1024];

	for (unsigned int i = 0; i < 4; i++) {
		int r;

		memset(data, letter, sizeof(data));
		r = disk_write(disk, data, sizeof(data), page * PAGE + i * sizeof(data));
		if (r < 0)
			return r;
	}
	return 0;
}

static char letter_at(const char *data, uint64_t page)
{
	const char *p = data + page * PAGE;

	CHECK(!memcmp(p, p + 1, PAGE - 1));
	return p[0] ? p[0] : '.';
}

static const char *letters(const char *data, unsigned int pages)
{
	static char text[65];

	CHECK(pages < sizeof(text));
	for (unsigned int i = 0; i < pages; i++)
		text[i] = letter_at(data, i);
	text[pages] = '\0';
	return text;
}

/* ---- faults. */

static void the_nth_request_fails_once_(void *arg) MAY_YIELD;
static void the_nth_request_fails_once_(void *arg)
{
	char data[512];

	(void)arg;
	test_disk_fail_nth(td, DISK_READ, 3, -EIO);
	test_disk_fail_nth(td, DISK_FLUSH, 1, -ENOSPC);
	for (unsigned int i = 1; i <= 5; i++)
		CHECK_INT(disk_read(disk, data, sizeof(data), 512), i == 3 ? -EIO : 0);
	CHECK_INT(disk_write(disk, data, sizeof(data), 512), 0);
	CHECK_INT(disk_flush(disk), -ENOSPC);
	CHECK_INT(disk_flush(disk), 0);
}

static void the_nth_request_fails_once(void)
{
	begin();
	run(the_nth_request_fails_once_);
	end();
}

static void a_range_fails_as_often_as_told_(void *arg) MAY_YIELD;
static void a_range_fails_as_often_as_told_(void *arg)
{
	char data[1024];

	(void)arg;
	test_disk_fail_range(td, DISK_WRITE, 4096, 512, -EIO, 2);
	test_disk_fail_range(td, DISK_READ, 8192, 512, -EIO, 0);
	memset(data, 'x', sizeof(data));
	CHECK_INT(disk_write(disk, data, 512, 4096 - 512), 0);
	CHECK_INT(disk_write(disk, data, 1024, 4096 - 512), -EIO);
	CHECK_INT(disk_write(disk, data, 512, 4096), -EIO);
	CHECK_INT(disk_read(disk, data, 512, 4096), 0);
	CHECK_INT(data[0], 0);
	CHECK_INT(disk_write(disk, data, 512, 4096), 0);
	for (unsigned int i = 0; i < 5; i++)
		CHECK_INT(disk_read(disk, data, 1024, 8192 - 512), -EIO);
	test_disk_mend(td);
	CHECK_INT(disk_read(disk, data, 1024, 8192 - 512), 0);
}

static void a_range_fails_as_often_as_told(void)
{
	begin();
	run(a_range_fails_as_often_as_told_);
	end();
}

static void a_torn_write_leaves_its_first_sectors_(void *arg) MAY_YIELD;
static void a_torn_write_leaves_its_first_sectors_(void *arg)
{
	static char data[4096];

	(void)arg;
	memset(data, 'n', sizeof(data));
	test_disk_tear_nth(td, 1, 3, -EIO);
	test_disk_tear_nth(td, 2, 1, 0);
	CHECK_INT(disk_write(disk, data, sizeof(data), 0), -EIO);
	CHECK_INT(disk_write(disk, data, sizeof(data), PAGE), 0);
	CHECK_INT(test_disk_data(td)[3 * 512 - 1], 'n');
	CHECK_INT(test_disk_data(td)[3 * 512], 0);
	CHECK_INT(test_disk_data(td)[PAGE + 511], 'n');
	CHECK_INT(test_disk_data(td)[PAGE + 512], 0);
}

static void a_torn_write_leaves_its_first_sectors(void)
{
	begin();
	run(a_torn_write_leaves_its_first_sectors_);
	end();
}

static void without_power_everything_fails_(void *arg) MAY_YIELD;
static void without_power_everything_fails_(void *arg)
{
	char data[512] = "x";

	(void)arg;
	test_disk_cut_power(td, 2);
	CHECK_INT(disk_write(disk, data, sizeof(data), 0), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(disk_write(disk, data, sizeof(data), 512), 0);
	CHECK_INT(disk_write(disk, data, sizeof(data), 1024), -EIO);
	CHECK_INT(disk_read(disk, data, sizeof(data), 0), -EIO);
	CHECK_INT(disk_flush(disk), -EIO);
	CHECK_INT(test_disk_data(td)[512], 'x');
	CHECK_INT(test_disk_data(td)[1024], 0);
	test_disk_mend(td);
	CHECK_INT(disk_read(disk, data, sizeof(data), 512), 0);
}

static void without_power_everything_fails(void)
{
	begin();
	run(without_power_everything_fails_);
	end();
}

static unsigned int answers;

static void count_answer(struct disk_request *r, int error)
{
	CHECK_INT(error, 0);
	CHECK(r->size == 512);
	answers++;
}

static void held_calls_pass_when_let(void)
{
	struct disk_request r[3];
	char data[512];

	begin();
	test_disk_hold(td);
	for (unsigned int i = 0; i < 3; i++) {
		r[i] = (struct disk_request){ .op = DISK_READ,
					      .data = data,
					      .size = 512,
					      .offset = i * PAGE,
					      .done = count_answer };
		disk_send(disk, &r[i]);
	}
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK_INT(answers, 0);
	CHECK_INT(test_disk_held(td), 3);
	test_disk_let(td, 2);
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK_INT(answers, 2);
	test_disk_release(td);
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK_INT(answers, 3);
	end();
}

/* ---- log and replay. */

/* Pages 0..: "ab" durable, then b over a and c, flushed; then d on page 3 and e on page 0. */
static void write_history(void *arg) MAY_YIELD;
static void write_history(void *arg)
{
	(void)arg;
	CHECK_INT(put_letter('a', 0), 0);
	CHECK_INT(put_letter('b', 1), 0);
	CHECK_INT(disk_flush(disk), 0);
	test_disk_record(td);
	test_disk_mark(td, 7);
	CHECK_INT(put_letter('b', 0), 0); /* 1..4 */
	CHECK_INT(put_letter('c', 2), 0); /* 5..8 */
	CHECK_INT(disk_flush(disk), 0);	  /* 9 */
	test_disk_mark(td, 8);		  /* 10 */
	CHECK_INT(put_letter('d', 3), 0); /* 11..14 */
	CHECK_INT(put_letter('e', 0), 0); /* 15..18 */
}

static void the_log_tells_what_happened(void)
{
	begin();
	run(write_history);
	CHECK_INT(test_disk_log_length(td), 19);
	CHECK_INT(test_disk_log(td, 0)->kind, RECORD_MARK);
	CHECK_INT(test_disk_log(td, 0)->number, 7);
	CHECK_INT(test_disk_log(td, 5)->kind, RECORD_WRITE);
	CHECK_INT(test_disk_log(td, 5)->offset, 2 * PAGE);
	CHECK_INT(test_disk_log(td, 5)->size, 1024);
	CHECK_INT(*(const char *)test_disk_log(td, 5)->data, 'c');
	CHECK_INT(test_disk_log(td, 9)->kind, RECORD_FLUSH);
	CHECK_INT(test_disk_log(td, 9)->number, 9);
	end();
}

static void a_prefix_is_what_was_written_until_then(void)
{
	struct replay *r;

	begin();
	run(write_history);
	r = replay_begin(td);
	replay_prefix(r, 0);
	CHECK_STR(letters(replay_data(r), 5), "ab...");
	replay_prefix(r, 5);
	CHECK_STR(letters(replay_data(r), 5), "bb...");
	replay_prefix(r, 19);
	CHECK_STR(letters(replay_data(r), 5), "ebcd.");
	replay_prefix(r, 9);
	CHECK_STR(letters(replay_data(r), 5), "bbc..");
	replay_end(r);
	end();
}

static void what_a_flush_covered_survives_and_nothing_else_must(void)
{
	struct replay *r;

	begin();
	run(write_history);
	r = replay_begin(td);
	CHECK_INT(replay_durable(r, 9), 0);
	CHECK_INT(replay_durable(r, 10), 9);
	CHECK_INT(replay_crash(r, 9, 0, 0), 8);
	CHECK_STR(letters(replay_data(r), 5), "ab...");
	CHECK_INT(replay_crash(r, 10, 0, 0), 0);
	CHECK_STR(letters(replay_data(r), 5), "bbc..");
	CHECK_INT(replay_crash(r, 19, 0, 0), 8);
	CHECK_STR(letters(replay_data(r), 5), "bbc..");
	replay_end(r);
	end();
}

static void the_test_may_choose(void)
{
	const size_t d[] = { 11, 12, 13, 14 };
	struct replay *r;

	begin();
	run(write_history);
	r = replay_begin(td);
	replay_chosen(r, 19, d, 4);
	CHECK_STR(letters(replay_data(r), 5), "bbcd.");
	replay_chosen(r, 19, d, 0);
	CHECK_STR(letters(replay_data(r), 5), "bbc..");
	replay_end(r);
	end();
}

static void write_three_sectors(void *arg) MAY_YIELD;
static void write_three_sectors(void *arg)
{
	char data[512];

	(void)arg;
	test_disk_record(td);
	for (unsigned int i = 0; i < 3; i++) {
		memset(data, 'x', sizeof(data));
		CHECK_INT(disk_write(disk, data, sizeof(data), 512 * i), 0);
	}
}

static void every_subset_is_found_by_some_seed_and_again_by_the_same(void)
{
	unsigned int found = 0;
	uint64_t seed_of[8] = { 0 };
	struct replay *r;

	begin();
	run(write_three_sectors);
	r = replay_begin(td);
	for (uint64_t seed = 1; seed <= 200; seed++) {
		unsigned int subset = 0;

		CHECK_INT(replay_crash(r, 3, seed, 0), 3);
		for (unsigned int i = 0; i < 3; i++)
			subset |= (replay_data(r)[512 * i] == 'x') << i;
		found |= 1u << subset;
		seed_of[subset] = seed;
	}
	CHECK_INT(found, 0xff);
	for (unsigned int subset = 0; subset < 8; subset++) {
		replay_crash(r, 3, seed_of[subset], 0);
		for (unsigned int i = 0; i < 3; i++)
			CHECK_INT(replay_data(r)[512 * i] == 'x', (subset >> i) & 1);
	}
	replay_end(r);
	end();
}

static void write_one_page(void *arg) MAY_YIELD;
static void write_one_page(void *arg)
{
	static char data[4096];

	(void)arg;
	memset(data, 'o', sizeof(data));
	test_disk_put(td, 0, data, sizeof(data));
	test_disk_record(td);
	memset(data, 'n', sizeof(data));
	CHECK_INT(disk_write(disk, data, sizeof(data), 0), 0);
}

static void a_torn_write_is_torn_between_sectors(void)
{
	unsigned int torn = 0, beginnings = 0;
	struct replay *r;

	begin();
	run(write_one_page);
	r = replay_begin(td);
	for (uint64_t seed = 1; seed <= 400; seed++) {
		unsigned int count = 0, changes = 0;

		replay_crash(r, 1, seed, REPLAY_TORN);
		for (unsigned int i = 0; i < 8; i++) {
			const char *sector = replay_data(r) + 512 * i;

			CHECK(!memcmp(sector, sector + 1, 511));
			count += sector[0] == 'n';
			changes += i > 0 && sector[0] != sector[-1];
		}
		torn += count > 0 && count < 8;
		beginnings += count > 0 && count < 8 && changes == 1 && replay_data(r)[0] == 'n';
	}
	CHECK(torn > 20);
	CHECK(beginnings > 5 && beginnings < torn);
	replay_end(r);
	end();
}

static struct replay *replay;

static void write_to_the_replay(void *arg) MAY_YIELD;
static void write_to_the_replay(void *arg)
{
	struct disk *test_disk = disk;

	(void)arg;
	disk = replay_disk(replay);
	CHECK_INT(put_letter('z', 0), 0);
	CHECK_INT(put_letter('z', 9), 0);
	CHECK_STR(letters(replay_data(replay), 10), "zbcd.....z");
	disk_close(disk);
	disk = test_disk;
}

static void what_is_written_to_a_replay_is_undone_by_the_next_move(void)
{
	begin();
	run(write_history);
	replay = replay_begin(td);
	replay_prefix(replay, 19);
	run(write_to_the_replay);
	replay_prefix(replay, 19);
	CHECK_STR(letters(replay_data(replay), 10), "ebcd......");
	replay_end(replay);
	end();
}

/* Against the plainest replay there is: from the beginning, each time. */
#define PAGES 16u

static void random_history(void *arg) MAY_YIELD;
static void random_history(void *arg)
{
	uint64_t *random = arg;

	test_disk_record(td);
	for (unsigned int i = 0; i < 60; i++) {
		switch (test_random(random, 8)) {
		case 0:
			CHECK_INT(disk_flush(disk), 0);
			break;
		case 1:
			test_disk_mark(td, i);
			break;
		default:
			CHECK_INT(put_letter((char)('a' + test_random(random, 26)),
					     test_random(random, PAGES)),
				  0);
		}
	}
}

static void plain_replay(char *image, size_t k)
{
	memset(image, 0, PAGES * PAGE);
	for (size_t i = 0; i < k; i++) {
		const struct test_record *record = test_disk_log(td, i);

		if (record->kind == RECORD_WRITE)
			memcpy(image + record->offset, record->data, record->size);
	}
}

static void moves_of_all_kinds_agree_with_a_plain_replay(void)
{
	static char image[PAGES * PAGE];

	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t random = seed;
		struct replay *r;
		size_t length;

		begin();
		CHECK_INT(task_start(NULL, "history", random_history, &random), 0);
		CHECK_INT(sched_run_until_idle(), 0);
		length = test_disk_log_length(td);
		r = replay_begin(td);
		for (unsigned int i = 0; i < 40; i++) {
			size_t k = test_random(&random, length + 1);

			replay_crash(r, k, 0, 0);
			plain_replay(image, replay_durable(r, k));
			CHECK(!memcmp(image, replay_data(r), sizeof(image)));
			replay_crash(r, k, seed, REPLAY_TORN);
			replay_prefix(r, k);
			plain_replay(image, k);
			CHECK(!memcmp(image, replay_data(r), sizeof(image)));
		}
		replay_end(r);
		end();
	}
}

/* ---- files. */

static void an_image_is_saved_with_holes_and_loaded_again(void)
{
	static const char zeros[PAGE];
	char path[] = "/tmp/hascall-disk-XXXXXX";
	int fd = mkstemp(path);
	struct replay *r;
	struct stat st;

	CHECK(fd >= 0);
	begin();
	run(write_history);
	r = replay_begin(td);
	replay_prefix(r, 19);
	replay_save(r, path);
	CHECK_INT(fstat(fd, &st), 0);
	CHECK_INT(st.st_size, SIZE);
	CHECK(st.st_blocks * 512 < (blkcnt_t)(64 * PAGE));
	test_disk_put(td, 0, zeros, PAGE);
	test_disk_load(td, path);
	CHECK_STR(letters(test_disk_data(td), 5), "ebcd.");
	replay_end(r);
	end();
	close(fd);
	unlink(path);
}

static void the_log_is_saved_as_dm_log_writes_does(void)
{
	char path[] = "/tmp/hascall-disk-XXXXXX";
	int fd = mkstemp(path);
	uint64_t word[64];
	size_t at = 512;

	CHECK(fd >= 0);
	begin();
	run(write_history);
	test_disk_log_save(td, path);
	CHECK_INT(pread(fd, word, 512, 0), 512);
	CHECK_INT(word[0], 0x6a736677736872);
	CHECK_INT(word[1], 1);
	CHECK_INT(word[2], 19);
	CHECK_INT((uint32_t)word[3], 512);
	for (size_t i = 0; i < 19; i++) {
		const struct test_record *record = test_disk_log(td, i);

		CHECK_INT(pread(fd, word, 512, (off_t)at), 512);
		at += 512;
		CHECK_INT(word[2], record->kind == RECORD_FLUSH	 ? 1
				   : record->kind == RECORD_MARK ? 8
								 : 0);
		CHECK_INT(word[0] * 512, record->offset);
		CHECK_INT(word[1] * 512, record->size);
		if (record->kind == RECORD_MARK) {
			CHECK_INT(word[3], 1);
			CHECK_STR((const char *)&word[4], i == 0 ? "7" : "8");
		}
		at += record->size;
	}
	CHECK_INT(lseek(fd, 0, SEEK_END), at);
	end();
	close(fd);
	unlink(path);
}

/* ---- time. */

static struct disk_request reads[64];
static char space[64 * 4096];

static void check_answer(struct disk_request *r, int error)
{
	CHECK_INT(error, 0);
	CHECK(r >= reads && r < reads + ARRAY_COUNT(reads));
}

/* Virtual ns that it takes to read pages with `step` between them, all sent at once. */
static uint64_t time_of_reads(const struct test_disk_model *model, unsigned int count,
			      uint64_t step, unsigned int stride)
{
	uint64_t ns;

	open_with(&(struct test_disk_options){
		.size = UINT64_C(1) << 30, .completion = TEST_DISK_MODEL, .model = model });
	for (unsigned int i = 0; i < count; i++) {
		reads[i] = (struct disk_request){ .op = DISK_READ,
						  .data = space + i * PAGE,
						  .size = PAGE,
						  .offset = step * ((i * stride) % count),
						  .done = check_answer };
		disk_send(disk, &reads[i]);
	}
	CHECK_INT(sched_run_until_idle(), 0);
	ns = clock_now_ns();
	end();
	return ns;
}

static void a_disk_with_an_arm_is_quick_in_a_row_and_slow_across(void)
{
	uint64_t row_ns = time_of_reads(&test_disk_7200, 32, PAGE, 1);
	uint64_t across_ns = time_of_reads(&test_disk_7200, 32, UINT64_C(33) << 20, 1);

	CHECK(row_ns < 3 * MILLISECOND_NS);
	CHECK(across_ns > 32 * MILLISECOND_NS && across_ns < 32 * 23 * MILLISECOND_NS);
	CHECK_INT(time_of_reads(&test_disk_7200, 32, UINT64_C(33) << 20, 1), across_ns);
}

static void taking_the_nearest_first_is_shorter_than_in_turn(void)
{
	struct test_disk_model in_turn = test_disk_7200;

	in_turn.nearest = false;
	/* The queue hands over at most DISK_DEPTH, by offset; so the model gets them sorted. */
	CHECK(time_of_reads(&test_disk_7200, 30, UINT64_C(1) << 20, 7) <
	      time_of_reads(&in_turn, 30, UINT64_C(1) << 20, 7));
}

static void an_ssd_answers_eight_at_a_time(void)
{
	uint64_t one_ns = time_of_reads(&test_disk_ssd, 1, PAGE * 2, 1);
	uint64_t eight_ns = time_of_reads(&test_disk_ssd, 8, PAGE * 2, 1);
	uint64_t sixteen_ns = time_of_reads(&test_disk_ssd, 16, PAGE * 2, 1);

	CHECK(one_ns >= 100000 && one_ns < 120000);
	CHECK(eight_ns < 2 * one_ns);
	CHECK(sixteen_ns > eight_ns + 50000 && sixteen_ns < 3 * one_ns);
}

static const struct test tests[] = {
	TEST(the_nth_request_fails_once),
	TEST(a_range_fails_as_often_as_told),
	TEST(a_torn_write_leaves_its_first_sectors),
	TEST(without_power_everything_fails),
	TEST(held_calls_pass_when_let),
	TEST(the_log_tells_what_happened),
	TEST(a_prefix_is_what_was_written_until_then),
	TEST(what_a_flush_covered_survives_and_nothing_else_must),
	TEST(the_test_may_choose),
	TEST(every_subset_is_found_by_some_seed_and_again_by_the_same),
	TEST(a_torn_write_is_torn_between_sectors),
	TEST(what_is_written_to_a_replay_is_undone_by_the_next_move),
	TEST(moves_of_all_kinds_agree_with_a_plain_replay),
	TEST(an_image_is_saved_with_holes_and_loaded_again),
	TEST(the_log_is_saved_as_dm_log_writes_does),
	TEST(a_disk_with_an_arm_is_quick_in_a_row_and_slow_across),
	TEST(taking_the_nearest_first_is_shorter_than_in_turn),
	TEST(an_ssd_answers_eight_at_a_time),
};
TEST_MAIN(tests)
