/*
 * test_data_crash.c - what ext4.h promises of data when the power goes: what was there at the
 * last fsync is there, or what was written since; and nothing else: no bytes of other files,
 * none of old ones. The image is mounted after each cut, and e2fsck finds it clean.
 */
#include "test/ext4/data_image.h"

#include "task/sched.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES 3u
#define SIZE 60000u
#define STEPS 70u

/* Each file after each step; a step changes one file. */
static struct state {
	uint8_t bytes[FILES][SIZE];
	uint32_t size[FILES];
	bool synced[FILES]; /* this step is an fsync of the file */
} states[STEPS + 1];
static struct ext4_inode *files[FILES];

static const char *name_of(uint32_t f)
{
	static const char *const names[FILES] = { "first", "second", "third" };

	return names[f];
}

static void do_write(struct state *s, uint32_t f, uint32_t step) MAY_YIELD
{
	static uint8_t bytes[SIZE];
	uint32_t size = 1 + image_random(image_random(3) ? 3000 : 20000);
	uint32_t offset = image_random(4) ? image_random(SIZE - size) : s->size[f] % (SIZE - size);

	/* Who wrote it and when: a wrong byte is told from all that may be there. */
	memset(bytes, (int)(f * 80 + 1 + step), size);
	CHECK_INT(ext4_write(&files[f]->inode, bytes, size, offset), size);
	memcpy(s->bytes[f] + offset, bytes, size);
	if (offset + size > s->size[f])
		s->size[f] = offset + size;
}

/* Over blocks that are there: in no transaction, and durable all the same. */
static void do_overwrite(struct state *s, uint32_t f, uint32_t step) MAY_YIELD
{
	uint8_t byte = (uint8_t)(f * 80 + 1 + step);
	uint32_t offset;

	if (s->size[f] > 0) {
		offset = image_random(s->size[f]);
		CHECK_INT(ext4_write(&files[f]->inode, &byte, 1, offset), 1);
		s->bytes[f][offset] = byte;
	}
	CHECK_INT(ext4_fsync(&files[f]->inode, true), 0);
	s->synced[f] = true;
}

static void do_truncate(struct state *s, uint32_t f) MAY_YIELD
{
	uint32_t size = image_random(3) ? image_random(SIZE) : 0;

	task_lock_take(&files[f]->lock);
	CHECK_INT(ext4_truncate(files[f], size), 0);
	task_lock_drop(&files[f]->lock);
	memset(s->bytes[f] + size, 0, SIZE - size);
	s->size[f] = size;
}

static void do_fallocate(struct state *s, uint32_t f, int mode) MAY_YIELD
{
	uint32_t size = 1 + image_random(15000), offset = image_random(SIZE - size);

	CHECK_INT(ext4_fallocate(&files[f]->inode, mode | FALLOC_FL_KEEP_SIZE, offset, size), 0);
	if (mode)
		memset(s->bytes[f] + offset, 0, size);
}

/* Whole blocks come or go; a state is then all before or all after it. */
static void do_shift(struct state *s, uint32_t f, bool insert) MAY_YIELD
{
	uint32_t block = fs->block_size, size = block * (1 + image_random(4));
	uint32_t offset = s->size[f] ? image_random(s->size[f]) / block * block : 0;
	uint32_t from = insert ? offset : offset + size, to = insert ? offset + size : offset;

	if (from >= s->size[f] || (insert && s->size[f] + size > SIZE))
		return;
	/* What is before the range need not be on the disk; the shift itself is. */
	s->synced[f] = image_random(2);
	if (s->synced[f])
		CHECK_INT(ext4_fsync(&files[f]->inode, false), 0);
	CHECK_INT(ext4_fallocate(&files[f]->inode,
				 insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE, offset,
				 size),
		  0);
	memmove(s->bytes[f] + to, s->bytes[f] + from, s->size[f] - from);
	if (insert)
		memset(s->bytes[f] + from, 0, size);
	else
		memset(s->bytes[f] + s->size[f] - size, 0, size);
	s->size[f] += to - from;
}

static bool committing;
static struct waitq committed;

static void commit_meanwhile(void *arg) MAY_YIELD
{
	(void)arg;
	for (unsigned int i = 0; i < 6; i++) {
		CHECK_INT(journal_commit_all(fs->journal), 0);
		task_yield();
	}
	committing = false;
	waitq_wake_all(&committed);
}

/* Write-back by itself, while somebody else's commits go on. */
static void do_flush(uint32_t f) MAY_YIELD
{
	committing = true;
	waitq_init(&committed);
	CHECK_INT(task_start(NULL, "committer", commit_meanwhile, NULL), 0);
	CHECK_INT(ext4_flush_delayed(files[f]), 0);
	while (committing)
		(void)!waitq_wait(&committed, TASK_FOREVER, WAIT_SURE);
}

static void do_step(struct state *s, uint32_t step) MAY_YIELD
{
	uint32_t f = image_random(FILES);

	switch (image_random(12)) {
	case 10:
	case 11:
		do_shift(s, f, image_random(2));
		break;
	case 0:
		do_truncate(s, f);
		break;
	case 1:
		do_fallocate(s, f, FALLOC_FL_PUNCH_HOLE);
		break;
	case 2:
		do_fallocate(s, f, image_random(2) ? FALLOC_FL_ZERO_RANGE : 0);
		break;
	case 3:
		do_overwrite(s, f, step);
		break;
	case 4:
		CHECK_INT(ext4_fsync(&files[f]->inode, image_random(2)), 0);
		s->synced[f] = true;
		break;
	case 5:
		do_flush(f);
		break;
	default:
		do_write(s, f, step);
	}
}

static void work(void) MAY_YIELD
{
	memset(states, 0, sizeof(states));
	for (uint32_t f = 0; f < FILES; f++)
		files[f] = image_file(name_of(f));
	CHECK_INT(ext4_sync_fs(fs), 0);
	test_disk_record(image_disk);
	for (uint32_t step = 1; step <= STEPS; step++) {
		states[step] = states[step - 1];
		memset(states[step].synced, 0, sizeof(states[step].synced));
		do_step(&states[step], step);
		test_disk_mark(image_disk, step);
	}
	for (uint32_t f = 0; f < FILES; f++)
		inode_put(&files[f]->inode);
}

/* ---- after a cut. */

/* Steps first .. last may have happened to the file, as far as the disk is concerned. */
static void check_file(uint32_t f, uint32_t first, uint32_t last) MAY_YIELD
{
	static uint8_t bytes[SIZE];
	struct ext4_inode *file = image_find(name_of(f));
	uint32_t least = SIZE, most = 0;

	for (uint32_t i = first; i <= last; i++) {
		least = states[i].size[f] < least ? states[i].size[f] : least;
		most = states[i].size[f] > most ? states[i].size[f] : most;
	}
	if (file->size < least || file->size > most)
		test_fail(__FILE__, __LINE__, "file %u: size %llu, wanted %u to %u", f,
			  (unsigned long long)file->size, least, most);
	CHECK_INT(ext4_read(&file->inode, bytes, SIZE, 0), file->size);
	for (uint32_t at = 0; at < file->size; at++) {
		uint32_t i = first;

		while (i <= last && states[i].bytes[f][at] != bytes[at])
			i++;
		if (i > last)
			test_fail(__FILE__, __LINE__, "file %u, byte %u: %u; steps %u to %u", f, at,
				  bytes[at], first, last);
	}
	CHECK_INT(ext4_extents_check(file), 0);
	inode_put(&file->inode);
}

/* The last step that was acknowledged before place k of the log. */
static uint32_t step_at(size_t k)
{
	while (k > 0) {
		const struct test_record *record = test_disk_log(image_disk, --k);

		if (record->kind == RECORD_MARK)
			return (uint32_t)record->number;
	}
	return 0;
}

static void check_image(size_t k) MAY_YIELD
{
	uint32_t done = step_at(k), last = done < STEPS ? done + 1 : STEPS;

	for (uint32_t f = 0; f < FILES; f++) {
		uint32_t first = done;

		while (first > 0 && !states[first].synced[f])
			first--;
		check_file(f, first, last);
	}
}

static unsigned int images;

static void cut_anywhere(void) MAY_YIELD
{
	struct image_cuts cuts;
	size_t length;

	work();
	length = test_disk_log_length(image_disk);
	image_cuts_begin(&cuts);
	for (unsigned int i = 0; i < images; i++) {
		size_t k = (size_t)image_random((uint32_t)length + 1);

		image_cut(&cuts, k, i % 5 ? 1 + image_random(1000000) : 0, i % 2 ? REPLAY_TORN : 0);
		check_image(k);
		image_cut_over(&cuts);
	}
	image_cuts_end(&cuts);
}

/* DATA_SEEDS in the environment: more workloads, from 1 on, and images of each. */
static void after_a_power_cut_there_is_what_was_synced_or_written_since(void)
{
	const char *more = getenv("DATA_SEEDS");
	unsigned int seeds = more ? (unsigned int)strtoul(more, NULL, 10) : 2;

	images = more ? 200 : 25;
	for (unsigned int seed = 1; seed <= seeds; seed++) {
		image_seed = seed;
		image_run("-b 4096", MIB(16), cut_anywhere);
		image_seed = seed;
		image_run("-b 1024", MIB(12), cut_anywhere);
	}
}

/* ---- shifts that one transaction cannot take: in steps, and a cut may be between two. */

#define PIECES 30000u /* extents, 84 of which are a block of the tree */
#define WRITTEN 1000u /* one in so many has data */
#define BLOCK 1024u
#define TAKEN UINT64_C(6000)

static void check_piece(struct ext4_inode *file, uint32_t piece, uint64_t block) MAY_YIELD
{
	uint32_t got;

	CHECK_INT(ext4_read(&file->inode, &got, sizeof(got), block * BLOCK), sizeof(got));
	CHECK_INT(got, piece);
}

static void make_pieces(struct ext4_inode *file) MAY_YIELD
{
	CHECK_INT(ext4_fallocate(&file->inode, 0, 0, PIECES * UINT64_C(2048)), 0);
	for (uint32_t i = 0; i < PIECES; i++) {
		CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 i * UINT64_C(2048) + BLOCK, BLOCK),
			  0);
		if (i % WRITTEN == 0)
			CHECK_INT(ext4_write(&file->inode, &i, sizeof(i), i * UINT64_C(2048)),
				  sizeof(i));
	}
	CHECK_INT(ext4_sync_fs(fs), 0);
}

static void shift_pieces(struct ext4_inode *file) MAY_YIELD
{
	struct journal_stats before, now;

	journal_stats_get(fs->journal, &before);
	CHECK_INT(
		ext4_fallocate(&file->inode, FALLOC_FL_COLLAPSE_RANGE, 100 * BLOCK, TAKEN * BLOCK),
		0);
	journal_stats_get(fs->journal, &now);
	CHECK(now.commits - before.commits > 1);
	check_piece(file, 0, 0);
	for (uint32_t i = 4000; i < PIECES; i += WRITTEN)
		check_piece(file, i, i * 2 - TAKEN);
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_INSERT_RANGE, 100 * BLOCK, TAKEN * BLOCK),
		  0);
	journal_stats_get(fs->journal, &before);
	CHECK(before.commits - now.commits > 1);
	CHECK_INT(file->size, PIECES * UINT64_C(2048));
	for (uint32_t i = 4000; i < PIECES; i += WRITTEN)
		check_piece(file, i, i * UINT64_C(2));
}

static void cut_between_steps(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("pieces");
	struct image_cuts cuts;
	uint32_t length;

	make_pieces(file);
	test_disk_record(image_disk);
	shift_pieces(file);
	inode_put(&file->inode);
	length = (uint32_t)test_disk_log_length(image_disk);
	image_cuts_begin(&cuts);
	for (uint32_t i = 1; i <= (test_sanitized ? 3 : 10); i++) {
		image_cut(&cuts, (size_t)length * i / 10, i % 2, 0);
		file = image_find("pieces");
		CHECK_INT(ext4_extents_check(file), 0);
		check_piece(file, 0, 0);
		inode_put(&file->inode);
		image_cut_over(&cuts);
	}
	image_cuts_end(&cuts);
}

static void a_long_shift_may_be_cut_between_its_steps(void)
{
	image_seed = 3;
	image_run("-b 1024 -J size=1", MIB(80), cut_between_steps);
}

/*
 * ---- a leaf of the tree that cannot be read: what was cut off before it is cut off, and the file
 * says so; after a power cut the rest is.
 */

#define APART 600u /* two leaves, and more than one handle frees */

static void cut_with_a_bad_leaf(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("file");
	struct image_cuts cuts;
	uint32_t leaf;
	uint8_t byte = 1;

	for (uint32_t i = 0; i < APART; i++)
		CHECK_INT(ext4_write(&file->inode, &byte, 1, (uint64_t)i * 8192), 1);
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(cache_sync(&fs->blocks, 0, UINT64_MAX), 0);
	memcpy(&leaf, file->block + 12 + 4, sizeof(leaf)); /* the first child of the root */
	cache_drop(&fs->blocks, leaf, (uint64_t)leaf + 1);
	test_disk_record(image_disk);
	test_disk_fail_range(image_disk, DISK_READ, (uint64_t)leaf * fs->block_size, fs->block_size,
			     -EIO, 0);
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, 0), -EIO);
	task_lock_drop(&file->lock);
	CHECK_INT(journal_commit_all(fs->journal), 0);
	image_cut_now(&cuts);
	image_cut_now_over(&cuts);
	test_disk_mend(image_disk);
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, 0), 0);
	task_lock_drop(&file->lock);
	CHECK(list_empty(&fs->orphans)); /* there is nothing more to be cut */
	inode_put(&file->inode);
}

static void a_cut_that_fails_half_way_is_whole_on_the_disk(void)
{
	image_run("-b 4096", MIB(32), cut_with_a_bad_leaf);
}

/* ---- a file cut to nothing, written anew and closed. */

#define NEW_SIZE 20000u

static void replace_by_cutting(void) MAY_YIELD
{
	static uint8_t bytes[NEW_SIZE], seen[2 * NEW_SIZE];
	struct ext4_inode *file = image_file("settings");
	struct image_cuts cuts;

	memset(bytes, 'o', sizeof(bytes));
	CHECK_INT(ext4_write(&file->inode, bytes, sizeof(bytes), 0), sizeof(bytes));
	CHECK_INT(ext4_sync_fs(fs), 0);
	test_disk_record(image_disk);
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, 0), 0);
	task_lock_drop(&file->lock);
	memset(bytes, 'n', sizeof(bytes));
	CHECK_INT(ext4_write(&file->inode, bytes, sizeof(bytes), 0), sizeof(bytes));
	file->inode.ops->close_write(&file->inode);
	/* Nobody asks for anything; the cut is durable by now, if it was before the write. */
	(void)!task_sleep_until(clock_now_ns() + JOURNAL_COMMIT_NS + 500000000);
	inode_put(&file->inode);
	image_cut_now(&cuts);
	file = image_find("settings");
	CHECK_INT(ext4_read(&file->inode, seen, sizeof(seen), 0), NEW_SIZE);
	CHECK(memcmp(seen, bytes, NEW_SIZE) == 0);
	inode_put(&file->inode);
	image_cut_now_over(&cuts);
}

static void a_file_replaced_by_cutting_it_is_there_with_the_next_commit(void)
{
	image_seed = 5;
	image_run("-b 4096", MIB(16), replace_by_cutting);
	image_seed = 5;
	image_run("-b 1024", MIB(16), replace_by_cutting);
}

static const struct test tests[] = {
	TEST(a_cut_that_fails_half_way_is_whole_on_the_disk),
	TEST(a_file_replaced_by_cutting_it_is_there_with_the_next_commit),
	TEST_LONG(a_long_shift_may_be_cut_between_its_steps, 120),
	TEST_LONG(after_a_power_cut_there_is_what_was_synced_or_written_since, 3600),
};
TEST_MAIN(tests)
