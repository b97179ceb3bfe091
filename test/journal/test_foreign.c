/*
 * test_foreign.c - the format: what e2fsprogs wrote is replayed as e2fsprogs replays it, and
 * what is written here is listed by debugfs and replayed by e2fsck.
 */
#include "test/journal/journal_test.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS_MAX 4096u

/* A file system made by mke2fs, in a folder of its own. */
static struct image {
	char folder[64];
	uint32_t block_size;
	uint64_t size;
	uint64_t log[BLOCKS_MAX]; /* where the journal's blocks are */
	uint32_t log_count;
	uint64_t spare; /* behind the journal: blocks that belong to nobody */
} image;

/* In the image's folder; its exit status. */
static int shell(const char *format, ...) PRINTF_LIKE(1, 2);
static int shell(const char *format, ...)
{
	char command[1024];
	va_list args;
	int n, status;

	n = snprintf(command, sizeof(command), "cd %s && { ", image.folder);
	va_start(args, format);
	n += vsnprintf(command + n, sizeof(command) - (size_t)n, format, args);
	va_end(args);
	CHECK((size_t)n + 40 < sizeof(command));
	strcpy(command + n, "; } >>output 2>&1 </dev/null");
	status = system(command);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static FILE *open_in_folder(const char *name, const char *mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", image.folder, name);
	file = fopen(path, mode);
	CHECK(file);
	return file;
}

static void read_log_blocks(void)
{
	unsigned long long block;
	FILE *file;

	CHECK_INT(shell("debugfs -R 'blocks <8>' image 2>/dev/null >blocks"), 0);
	file = open_in_folder("blocks", "r");
	image.log_count = 0;
	while (fscanf(file, "%llu", &block) == 1) {
		CHECK(image.log_count < BLOCKS_MAX);
		image.log[image.log_count++] = block;
	}
	fclose(file);
	CHECK(image.log_count >= 1024);
	image.spare = image.log[image.log_count - 1] + 200;
}

static void image_make(uint32_t block_size, const char *features)
{
	if (access("/sbin/mke2fs", X_OK) != 0 && access("/usr/sbin/mke2fs", X_OK) != 0)
		SKIP("e2fsprogs is not installed");
	strcpy(image.folder, "/tmp/hascall-journal-XXXXXX");
	CHECK(mkdtemp(image.folder));
	setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
	image.block_size = block_size;
	image.size = (uint64_t)8192 * block_size;
	CHECK_INT(shell("truncate -s %llu image && mke2fs -q -F -t ext4 -b %u -O '%s' "
			"-J size=%u -E lazy_itable_init=0 image",
			(unsigned long long)image.size, block_size, features, block_size / 1024),
		  0);
	read_log_blocks();
	CHECK(image.spare + 1000 < image.size / block_size);
}

static void image_remove(void)
{
	CHECK_INT(shell("rm -r %s", image.folder), 0);
}

/* ---- a world on it. */

static struct world w;

static int where(void *context, uint32_t index, uint64_t *ret_block)
{
	(void)context;
	CHECK(index < image.log_count);
	*ret_block = image.log[index];
	return 0;
}

static bool may_write(void *context, uint64_t block)
{
	(void)context;
	return block > 0 && block < image.size / image.block_size;
}

static void image_world_begin(void)
{
	char path[128];

	w = (struct world){ .block_size = image.block_size };
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL), 0);
	CHECK_INT(cache_init(8 << 20), 0);
	w.disk = test_disk_open(
		&(struct test_disk_options){ .size = image.size, .completion = TEST_DISK_SOON },
		&w.td);
	snprintf(path, sizeof(path), "%s/image", image.folder);
	test_disk_load(w.td, path);
	w.setup = (struct journal_setup){ .disk = w.disk,
					  .blocks = &w.blocks,
					  .block_size = image.block_size,
					  .block_count = image.log_count,
					  .where = where,
					  .may_write = may_write };
	CHECK_INT(cache_map_disk(&w.blocks, w.disk, w.block_size), 0);
}

static void image_save(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", image.folder, name);
	test_disk_save(w.td, path);
}

/* ---- theirs, replayed here. */

static struct journal_replayed replayed;

/* Files for jw: so many blocks with contents of these versions, for blocks spare, spare + 1 ... */
static void make_data(const char *name, uint32_t version, unsigned int count)
{
	static uint8_t data[4096];
	FILE *file = open_in_folder(name, "w");

	w.block_size = image.block_size;
	for (unsigned int i = 0; i < count; i++) {
		contents(&w, data, 'f', image.spare + i, version);
		CHECK_INT(fwrite(data, image.block_size, 1, file), 1);
	}
	fclose(file);
}

/*
 * One transaction in a session of its own: after one with revokes debugfs writes the next over
 * its commit record.
 */
static void debugfs_writes_one(const char *open_options, const char *format, ...) PRINTF_LIKE(2, 3);
static void debugfs_writes_one(const char *open_options, const char *format, ...)
{
	FILE *script = open_in_folder("script", "w");
	va_list args;

	fprintf(script, "jo %s\njw ", open_options);
	va_start(args, format);
	vfprintf(script, format, args);
	va_end(args);
	fprintf(script, "\njc\n");
	fclose(script);
	CHECK_INT(shell("debugfs -w -f script image"), 0);
}

/* Four transactions, the last without a commit record; blocks 0 to 3, of which 1 is revoked. */
static void debugfs_writes(const char *open_options)
{
	unsigned long long a = image.spare;

	make_data("first", 5, 3); /* begins with the magic number: will be escaped */
	make_data("second", 7, 1);
	make_data("third", 10, 4);
	make_data("torn", 12, 1);
	debugfs_writes_one(open_options, "-b %llu,%llu,%llu first", a, a + 1, a + 2);
	debugfs_writes_one(open_options, "-b %llu -r %llu second", a, a + 1);
	debugfs_writes_one(open_options, "-b %llu,%llu,%llu,%llu third", a + 10, a + 11, a + 2,
			   a + 3);
	debugfs_writes_one(open_options, "-c -b %llu torn", a);
}

static void replays(void *arg) MAY_YIELD;
static void replays(void *arg)
{
	bool in_memory = *(bool *)arg;

	CHECK_INT(journal_open(&w.setup, &w.j), 0);
	CHECK(journal_needs_replay(w.j));
	if (in_memory)
		CHECK_INT(journal_replay_in_memory(w.j, &replayed), 0);
	else
		CHECK_INT(journal_replay(w.j, &replayed), 0);
}

static void closes(void *arg) MAY_YIELD;
static void closes(void *arg)
{
	(void)arg;
	CHECK_INT(world_close(&w), 0);
}

static bool is_log(uint64_t block)
{
	return block >= image.log[0] && block <= image.log[image.log_count - 1];
}

/* Everything is as e2fsck left it, but for the superblock and the journal themselves. */
static void compare_with(const char *name)
{
	FILE *file = open_in_folder(name, "r");
	static uint8_t theirs[4096];

	for (uint64_t b = 0; b < image.size / image.block_size; b++) {
		CHECK_INT(fread(theirs, image.block_size, 1, file), 1);
		if (b <= 1 || is_log(b))
			continue;
		if (memcmp(theirs, world_block(&w, b), image.block_size) != 0)
			test_fail(__FILE__, __LINE__, "block %llu differs", (unsigned long long)b);
	}
	fclose(file);
}

static void check_counts(void)
{
	CHECK_INT(replayed.transactions, 3);
	CHECK_INT(replayed.revoked, 1);
	CHECK_INT(replayed.blocks, 5); /* 0, 2, 3, 10, 11 */
}

static void replay_theirs(uint32_t block_size, const char *features, const char *open_options)
{
	bool in_memory = false;
	int r;

	image_make(block_size, features);
	debugfs_writes(open_options);
	r = shell("cp image theirs && e2fsck -E journal_only -y theirs");
	CHECK(r == 0 || r == 1);
	image_world_begin();
	run_task(replays, &in_memory);
	check_counts();
	compare_with("theirs");
	run_task(closes, NULL);
	world_end(&w);
	image_remove();
}

static void replay_of_debugfs_transactions_without_checksums(void)
{
	replay_theirs(1024, "", "");
	replay_theirs(4096, "", "");
	replay_theirs(1024, "^64bit,^metadata_csum", "");
}

static void replay_of_debugfs_transactions_with_checksum_v2(void)
{
	replay_theirs(1024, "", "-c -v 2");
	replay_theirs(4096, "", "-c -v 2");
	replay_theirs(1024, "^64bit", "-c -v 2");
}

static void replay_of_debugfs_transactions_with_checksum_v3(void)
{
	replay_theirs(1024, "", "-c -v 3");
	replay_theirs(4096, "", "-c -v 3");
	replay_theirs(1024, "^64bit", "-c -v 3");
}

static void check_in_memory(void *arg) MAY_YIELD;
static void check_in_memory(void *arg)
{
	static const struct {
		unsigned int at, from;
		uint32_t version;
	} wanted[] = { { 0, 0, 7 }, { 2, 2, 10 }, { 3, 3, 10 }, { 10, 0, 10 }, { 11, 1, 10 } };

	(void)arg;
	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
		struct cache_page *page;

		CHECK_INT(cache_get(&w.blocks, image.spare + wanted[i].at, &page), 0);
		CHECK(holds(&w, page->data, 'f', image.spare + wanted[i].from, wanted[i].version));
		cache_put(page);
	}
}

static void replay_in_memory_leaves_the_disk_alone(void)
{
	struct disk_stats stats;
	bool in_memory = true;

	image_make(1024, "");
	debugfs_writes("-c");
	image_world_begin();
	w.setup.read_only = true;
	run_task(replays, &in_memory);
	check_counts();
	run_task(check_in_memory, NULL);
	run_task(closes, NULL);
	disk_stats_get(w.disk, &stats);
	CHECK_INT(stats.writes + stats.flushes, 0);
	world_end(&w);
	image_remove();
}

/* ---- ours, read there. */

#define MANY 300u /* blocks: more than one descriptor's */

/* What debugfs must list; filled as it is written. */
static char expected[65536];
static size_t expected_length;

static void expect(const char *format, ...) PRINTF_LIKE(1, 2);
static void expect(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	expected_length += (size_t)vsnprintf(expected + expected_length,
					     sizeof(expected) - expected_length, format, args);
	va_end(args);
	CHECK(expected_length < sizeof(expected));
}

static void put_expected(struct journal_handle *h, uint64_t block, uint32_t version) MAY_YIELD;
static void put_expected(struct journal_handle *h, uint64_t block, uint32_t version)
{
	put(&w, h, block, 'f', version);
	expect("FS block %llu\n", (unsigned long long)block);
}

static void writes(void *arg) MAY_YIELD;
static void writes(void *arg)
{
	uint64_t a = image.spare;
	struct journal_handle h;

	(void)arg;
	expected_length = 0;
	world_open(&w);
	CHECK_INT(journal_begin(w.j, 100, &h), 0);
	put_expected(&h, a + 500, 3);
	put_expected(&h, a + 501, 5); /* escaped */
	put_expected(&h, a + 502, 5);
	journal_end(&h);
	CHECK_INT(journal_commit_all(w.j), 0);
	expect("commit\n");

	CHECK_INT(journal_begin(w.j, 100, &h), 0);
	CHECK_INT(journal_forget(&h, a + 502, NULL), 0);
	expect("Revoke FS block %llu\n", (unsigned long long)(a + 502));
	put_expected(&h, a + 501, 6);
	journal_end(&h);
	CHECK_INT(journal_commit_all(w.j), 0);
	expect("commit\n");

	for (unsigned int i = 0; i < MANY; i++) {
		CHECK_INT(journal_begin(w.j, 1, &h), 0);
		put_expected(&h, a + i, 10 + i % 3);
		journal_end(&h);
		if (i % 150 == 149) {
			CHECK_INT(journal_commit_all(w.j), 0);
			expect("commit\n");
		}
	}
	image_save("ours");
	CHECK_INT(world_close(&w), 0);
}

/* Those lines of logdump that say what is logged, in the words of expect(). */
static void check_logdump(void)
{
	static char seen[sizeof(expected)];
	char line[256];
	size_t length = 0;
	FILE *file;

	CHECK_INT(shell("debugfs -R 'logdump -a' ours 2>/dev/null >dump"), 0);
	file = open_in_folder("dump", "r");
	while (fgets(line, sizeof(line), file)) {
		unsigned long long block;

		CHECK(length + 64 < sizeof(seen));
		if (sscanf(line, " FS block %llu logged", &block) == 1)
			length += (size_t)sprintf(seen + length, "FS block %llu\n", block);
		else if (sscanf(line, " Revoke FS block %llu", &block) == 1)
			length += (size_t)sprintf(seen + length, "Revoke FS block %llu\n", block);
		else if (strstr(line, "(commit block)"))
			length += (size_t)sprintf(seen + length, "commit\n");
		CHECK(!strstr(line, "hecksum error"));
	}
	fclose(file);
	CHECK_STR(seen, expected);
}

static void check_block(FILE *file, uint64_t block, uint32_t version)
{
	static uint8_t data[4096];

	CHECK_INT(fseek(file, (long)(block * image.block_size), SEEK_SET), 0);
	CHECK_INT(fread(data, image.block_size, 1, file), 1);
	if (!holds(&w, data, 'f', block, version))
		test_fail(__FILE__, __LINE__, "block %llu is not version %u",
			  (unsigned long long)block, version);
}

static void check_replayed_by_e2fsck(void)
{
	static const uint8_t zeros[4096];
	static uint8_t data[4096];
	FILE *file = open_in_folder("ours", "r");
	int r;

	/* Nothing is home yet. */
	CHECK_INT(fseek(file, (long)((image.spare + 501) * image.block_size), SEEK_SET), 0);
	CHECK_INT(fread(data, image.block_size, 1, file), 1);
	CHECK(memcmp(data, zeros, image.block_size) == 0);
	fclose(file);
	r = shell("e2fsck -E journal_only -y ours");
	CHECK(r == 0 || r == 1);
	CHECK_INT(shell("e2fsck -fn ours"), 0);
	file = open_in_folder("ours", "r");
	check_block(file, image.spare + 500, 3);
	check_block(file, image.spare + 501, 6);
	for (unsigned int i = 0; i < MANY; i++)
		check_block(file, image.spare + i, 10 + i % 3);
	/* Revoked: as it was. */
	CHECK_INT(fseek(file, (long)((image.spare + 502) * image.block_size), SEEK_SET), 0);
	CHECK_INT(fread(data, image.block_size, 1, file), 1);
	CHECK(memcmp(data, zeros, image.block_size) == 0);
	fclose(file);
}

static void read_ours(uint32_t block_size, const char *features)
{
	image_make(block_size, features);
	CHECK_INT(shell("debugfs -w -R 'feature needs_recovery' image"), 0);
	image_world_begin();
	run_task(writes, NULL);
	world_end(&w);
	check_logdump();
	check_replayed_by_e2fsck();
	image_remove();
}

static void debugfs_and_e2fsck_read_what_is_written_here(void)
{
	read_ours(1024, "");
	read_ours(4096, "");
	read_ours(1024, "^64bit");
}

static const struct test tests[] = {
	TEST_LONG(replay_of_debugfs_transactions_without_checksums, 30),
	TEST_LONG(replay_of_debugfs_transactions_with_checksum_v2, 30),
	TEST_LONG(replay_of_debugfs_transactions_with_checksum_v3, 30),
	TEST_LONG(replay_in_memory_leaves_the_disk_alone, 30),
	TEST_LONG(debugfs_and_e2fsck_read_what_is_written_here, 30),
};
TEST_MAIN(tests)
