/*
 * test_open.c - what disk.h promises of image files and of the disk in memory: data, sizes,
 * locks, errors.
 */
#include "device/disk.h"
#include "test/device/device_test.h"
#include "test/disk/image_file.h"
#include "test/disk/test_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define GIB (KIB * KIB * KIB)

static bool is_zero(const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i])
			return false;
	return true;
}

/* ---- data. */

static char in[16384], out[16384];

static void write_and_read(struct disk *disk) MAY_YIELD;
static void write_and_read(struct disk *disk)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251 + 1);
	CHECK_INT(disk_read(disk, in, sizeof(in), 4096), 0);
	CHECK(is_zero(in, sizeof(in)));
	CHECK_INT(disk_write(disk, out, sizeof(out), 4096), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(disk_read(disk, in, sizeof(in), 4096), 0);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK_INT(disk_read(disk, in, 512, 4096 + 1536), 0);
	CHECK(!memcmp(in, out + 1536, 512));
}

static void memory_gives_back_what_was_written_(void *arg) MAY_YIELD;
static void memory_gives_back_what_was_written_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_memory(64 * KIB, &disk), 0);
	write_and_read(disk);
	disk_close(disk);
}

static void memory_gives_back_what_was_written(void)
{
	begin_device(NULL);
	run_task(memory_gives_back_what_was_written_, NULL);
	end_device();
}

static void image_gives_back_what_was_written_(void *arg) MAY_YIELD;
static void image_gives_back_what_was_written_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	write_and_read(disk);
	disk_close(disk);
	CHECK_INT(disk_open_image(path, true, &disk), 0);
	memset(in, 0, sizeof(in));
	CHECK_INT(disk_read(disk, in, sizeof(in), 4096), 0);
	CHECK(!memcmp(in, out, sizeof(in)));
	disk_close(disk);
}

static void image_gives_back_what_was_written(void)
{
	make_image("/tmp", 64 * KIB);
	begin_device(NULL);
	run_task(image_gives_back_what_was_written_, NULL);
	end_device();
	remove_image();
}

static void without_executors_everything_is_done_at_once(void)
{
	make_image("/tmp", 64 * KIB);
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL), 0);
	spawn("test", image_gives_back_what_was_written_, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	sched_fini();
	remove_image();
}

/* Requests of one call, more than its vector can take, with data in as many places. */
#define PIECES (DISK_JOIN_MAX + 44)

static struct disk_request pieces[PIECES];
static char piece_data[PIECES][1024];
static unsigned int pieces_done;

static void count_piece(struct disk_request *r, int error)
{
	CHECK_INT(error, 0);
	CHECK_INT(r->size, 1024);
	pieces_done++;
}

static void send_pieces(struct disk *disk, enum disk_op op) MAY_YIELD;
static void send_pieces(struct disk *disk, enum disk_op op)
{
	pieces_done = 0;
	for (unsigned int i = 0; i < PIECES; i++) {
		pieces[i] = (struct disk_request){ .op = op,
						   .data = piece_data[i],
						   .size = 1024,
						   .offset = 512 + i * 1024,
						   .done = count_piece };
		disk_send(disk, &pieces[i]);
	}
	while (pieces_done < PIECES)
		sleep_ms(1);
}

static void a_large_joined_write_arrives_whole_(void *arg) MAY_YIELD;
static void a_large_joined_write_arrives_whole_(void *arg)
{
	struct disk_stats stats;
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	for (unsigned int i = 0; i < PIECES; i++)
		memset(piece_data[i], (int)(1 + i % 200), 1024);
	send_pieces(disk, DISK_WRITE);
	memset(piece_data, 0, sizeof(piece_data));
	send_pieces(disk, DISK_READ);
	for (unsigned int i = 0; i < PIECES; i++)
		for (unsigned int j = 0; j < 1024; j++)
			CHECK((unsigned char)piece_data[i][j] == 1 + i % 200);
	disk_stats_get(disk, &stats);
	CHECK_INT(stats.calls, 4);
	CHECK_INT(stats.reads, PIECES);
	CHECK_INT(stats.written_bytes, PIECES * 1024);
	disk_close(disk);
}

static void a_large_joined_write_arrives_whole(void)
{
	make_image("/tmp", 1024 * KIB);
	begin_device(NULL);
	run_task(a_large_joined_write_arrives_whole_, NULL);
	end_device();
	remove_image();
}

/* The host forgets what it has of the second half, so that a read comes in two parts. */
static void a_read_that_is_half_in_the_hosts_cache_is_whole_(void *arg) MAY_YIELD;
static void a_read_that_is_half_in_the_hosts_cache_is_whole_(void *arg)
{
	static char whole[96 * 1024];
	struct disk *disk;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)arg;
	for (size_t i = 0; i < sizeof(whole); i++)
		whole[i] = (char)(i / 512);
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	CHECK_INT(disk_write(disk, whole, sizeof(whole), 0), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(posix_fadvise(fd, 49152, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
	memset(whole, 'x', sizeof(whole));
	CHECK_INT(disk_read(disk, whole, sizeof(whole), 0), 0);
	for (size_t i = 0; i < sizeof(whole); i++)
		CHECK(whole[i] == (char)(i / 512));
	disk_close(disk);
}

static void a_read_that_is_half_in_the_hosts_cache_is_whole(void)
{
	make_image("/tmp", 96 * KIB);
	begin_device(NULL);
	run_task(a_read_that_is_half_in_the_hosts_cache_is_whole_, NULL);
	end_device();
	remove_image();
}

static void a_size_of(uint64_t size, uint64_t wanted) MAY_YIELD;
static void a_size_of(uint64_t size, uint64_t wanted)
{
	struct disk_info info;
	struct disk *disk;

	CHECK_INT(truncate(path, (off_t)size), 0);
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	disk_info(disk, &info);
	CHECK_INT(info.size, wanted);
	CHECK(!info.read_only);
	CHECK(info.can_discard);
	CHECK_INT(disk_read(disk, in, 512, wanted - 512), 0);
	CHECK_INT(disk_read(disk, in, 512, wanted), -EINVAL);
	CHECK_INT(disk_write(disk, in, 512, wanted), -EINVAL);
	disk_close(disk);
}

static void what_does_not_fill_a_sector_is_left_alone_(void *arg) MAY_YIELD;
static void what_does_not_fill_a_sector_is_left_alone_(void *arg)
{
	(void)arg;
	a_size_of(512, 512);
	a_size_of(1023, 512);
	a_size_of(5000, 4608);
}

static void what_does_not_fill_a_sector_is_left_alone(void)
{
	make_image("/tmp", 512);
	begin_device(NULL);
	run_task(what_does_not_fill_a_sector_is_left_alone_, NULL);
	end_device();
	remove_image();
}

/* Every sector of a large sparse file can be reached. */
static void a_sparse_image_of_a_tebibyte_works_(void *arg) MAY_YIELD;
static void a_sparse_image_of_a_tebibyte_works_(void *arg)
{
	static const uint64_t places[] = { 0, 2 * GIB - 512, 4 * GIB - 512, 5 * GIB,
					   1024 * GIB - 512 };
	struct disk *disk;
	struct stat st;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		memset(out, 'a' + (int)i, 512);
		CHECK_INT(disk_write(disk, out, 512, places[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		CHECK_INT(disk_read(disk, in, 512, places[i]), 0);
		CHECK_INT(in[511], 'a' + (int)i);
	}
	CHECK_INT(disk_read(disk, in, 4096, 4 * GIB), 0);
	CHECK(is_zero(in, 4096));
	disk_close(disk);
	CHECK_INT(stat(path, &st), 0);
	CHECK((uint64_t)st.st_blocks * 512 < 1024 * KIB);
}

static void a_sparse_image_of_a_tebibyte_works(void)
{
	make_image("/tmp", 1024 * GIB);
	begin_device(NULL);
	run_task(a_sparse_image_of_a_tebibyte_works_, NULL);
	end_device();
	remove_image();
}

static void discarded_sectors_read_as_zeros(struct disk *disk) MAY_YIELD;
static void discarded_sectors_read_as_zeros(struct disk *disk)
{
	struct disk_request r;

	memset(out, 'x', sizeof(out));
	CHECK_INT(disk_write(disk, out, sizeof(out), 0), 0);
	r = (struct disk_request){ .op = DISK_DISCARD, .offset = 512, .size = 9 * KIB };
	CHECK_INT(send_and_wait(disk, &r), 0);
	CHECK_INT(disk_read(disk, in, sizeof(in), 0), 0);
	CHECK_INT(in[511], 'x');
	CHECK(is_zero(in + 512, 9 * KIB));
	CHECK_INT(in[512 + 9 * KIB], 'x');
}

static void a_discard_gives_room_back_(void *arg) MAY_YIELD;
static void a_discard_gives_room_back_(void *arg)
{
	struct disk *disk;
	struct stat before, after;

	(void)arg;
	CHECK_INT(disk_open_memory(64 * KIB, &disk), 0);
	discarded_sectors_read_as_zeros(disk);
	disk_close(disk);
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	CHECK_INT(disk_write(disk, out, sizeof(out), 0), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(stat(path, &before), 0);
	discarded_sectors_read_as_zeros(disk);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(stat(path, &after), 0);
	CHECK(after.st_blocks < before.st_blocks);
	CHECK_INT(after.st_size, before.st_size);
	disk_close(disk);
}

static void a_discard_gives_room_back(void)
{
	make_image("/tmp", 64 * KIB);
	begin_device(NULL);
	run_task(a_discard_gives_room_back_, NULL);
	end_device();
	remove_image();
}

/* ---- many at once. */

static void write_through_is_one_call_(void *arg) MAY_YIELD;
static void write_through_is_one_call_(void *arg)
{
	struct disk_request r = {
		.op = DISK_WRITE, .flags = DISK_PREFLUSH | DISK_FUA, .data = out, .size = 4096
	};
	struct disk_stats stats;
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	memset(out, 'w', 4096);
	CHECK_INT(send_and_wait(disk, &r), 0);
	disk_stats_get(disk, &stats);
	CHECK_INT(stats.calls, 2);
	CHECK_INT(stats.flushes, 1);
	CHECK_INT(disk_read(disk, in, 4096, 0), 0);
	CHECK(!memcmp(in, out, 4096));
	disk_close(disk);
}

static void write_through_is_one_call(void)
{
	make_image("/tmp", 64 * KIB);
	begin_device(NULL);
	run_task(write_through_is_one_call_, NULL);
	end_device();
	remove_image();
}

#define TASKS 24u
#define OWN_PAGES 64u

struct writer {
	struct disk *disk;
	uint64_t first, random;
	char pages[OWN_PAGES];
	char buffer[4096];
};

static void write_and_check(void *arg) MAY_YIELD;
static void write_and_check(void *arg)
{
	struct writer *w = arg;

	for (unsigned int i = 0; i < 100; i++) {
		uint64_t page = test_random(&w->random, OWN_PAGES);
		uint64_t choice = test_random(&w->random, 20);

		if (choice == 0) {
			CHECK_INT(disk_flush(w->disk), 0);
		} else if (choice < 12) {
			w->pages[page] = (char)('a' + test_random(&w->random, 26));
			memset(w->buffer, w->pages[page], 4096);
			CHECK_INT(disk_write(w->disk, w->buffer, 4096, (w->first + page) * 4096),
				  0);
		} else {
			CHECK_INT(disk_read(w->disk, w->buffer, 4096, (w->first + page) * 4096), 0);
			CHECK_INT(w->buffer[0], w->pages[page]);
			CHECK_INT(w->buffer[4095], w->pages[page]);
		}
	}
}

static struct writer writers[TASKS];
static struct disk *image;

static void open_it(void *arg) MAY_YIELD;
static void open_it(void *arg)
{
	(void)arg;
	CHECK_INT(disk_open_image(path, false, &image), 0);
}

static void many_tasks_find_what_they_wrote(void)
{
	unsigned int seeds = test_sanitized ? 3 : SEEDS;

	make_image("/tmp", (uint64_t)TASKS * OWN_PAGES * 4096);
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		CHECK_INT(truncate(path, 0), 0);
		CHECK_INT(truncate(path, (off_t)TASKS * OWN_PAGES * 4096), 0);
		begin_seeded_device(seed);
		run_task(open_it, NULL);
		for (unsigned int i = 0; i < TASKS; i++) {
			writers[i] = (struct writer){ .disk = image,
						      .first = OWN_PAGES * i,
						      .random = seed * 100 + i };
			spawn("writer", write_and_check, &writers[i]);
		}
		run_all();
		disk_close(image);
		end_device();
	}
	remove_image();
}

/* Four images together have more calls than the host keeps entries for. */
#define IMAGES 4u
#define CALLS 40u

static struct disk_request crowd[IMAGES][CALLS];
static struct disk *images[IMAGES];
static unsigned int crowd_answers;
static char crowd_data[IMAGES][CALLS][4096];

static void count_answer(struct disk_request *r, int error)
{
	CHECK_INT(error, 0);
	CHECK_INT(r->size, 4096);
	crowd_answers++;
}

static void send_crowd(void *arg) MAY_YIELD;
static void send_crowd(void *arg)
{
	(void)arg;
	for (unsigned int d = 0; d < IMAGES; d++) {
		for (unsigned int i = 0; i < CALLS; i++) {
			memset(crowd_data[d][i], 'A' + (int)i, 4096);
			crowd[d][i] = (struct disk_request){ .op = DISK_WRITE,
							     .data = crowd_data[d][i],
							     .size = 4096,
							     .offset = i * 8192,
							     .done = count_answer };
			disk_send(images[d], &crowd[d][i]);
		}
	}
	sleep_ms(0); /* the queues hand over what they may */
	/* The one entry that tasks have is theirs all the time. */
	while (crowd_answers < IMAGES * CALLS)
		CHECK_INT(host_call(SYS_getppid, (uint64_t[6]){ 0 }), getppid());
	for (unsigned int d = 0; d < IMAGES; d++) {
		CHECK_INT(disk_read(images[d], in, 512, (CALLS - 1) * 8192), 0);
		CHECK_INT(in[0], 'A' + (int)CALLS - 1);
		disk_close(images[d]);
	}
}

static void open_four(void *arg) MAY_YIELD;
static void open_four(void *arg)
{
	(void)arg;
	for (unsigned int d = 0; d < IMAGES; d++) {
		make_image("/tmp", 1024 * KIB);
		CHECK_INT(disk_open_image(path, false, &images[d]), 0);
		remove_image();
	}
}

static void more_calls_than_entries_wait_their_turn(void)
{
	begin_device(&(struct host_options){ .calls_max = 1 });
	run_task(open_four, NULL);
	run_task(send_crowd, NULL);
	end_device();
}

/* ---- locks. */

static int open_and_close(const char *name, bool read_only) MAY_YIELD;
static int open_and_close(const char *name, bool read_only)
{
	struct disk *disk;
	int r = disk_open_image(name, read_only, &disk);

	if (r == 0)
		disk_close(disk);
	return r;
}

static void one_writer_or_many_readers_(void *arg) MAY_YIELD;
static void one_writer_or_many_readers_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	CHECK_INT(open_and_close(path, false), -EBUSY);
	CHECK_INT(open_and_close(path, true), -EBUSY);
	disk_close(disk);
	CHECK_INT(disk_open_image(path, true, &disk), 0);
	CHECK_INT(open_and_close(path, true), 0);
	CHECK_INT(open_and_close(path, false), -EBUSY);
	disk_close(disk);
	CHECK_INT(open_and_close(path, false), 0);
}

static void one_writer_or_many_readers(void)
{
	make_image("/tmp", 64 * KIB);
	begin_device(NULL);
	run_task(one_writer_or_many_readers_, NULL);
	end_device();
	remove_image();
}

static void expect_busy(void *arg) MAY_YIELD;
static void expect_busy(void *arg)
{
	CHECK_INT(open_and_close(path, false), *(const int *)arg);
	CHECK_INT(open_and_close(path, true), *(const int *)arg);
}

static void another_process_is_refused_until_the_first_has_died(void)
{
	int busy = -EBUSY, none = 0;
	int ready[2];
	pid_t child;
	char byte;

	make_image("/tmp", 64 * KIB);
	CHECK_INT(pipe(ready), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		begin_device(NULL);
		run_task(open_it, NULL);
		CHECK_INT(write(ready[1], "x", 1), 1);
		pause();
	}
	close(ready[1]);
	CHECK_INT(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	begin_device(NULL);
	run_task(expect_busy, &busy);
	CHECK_INT(kill(child, SIGKILL), 0);
	CHECK_INT(waitpid(child, NULL, 0), child);
	run_task(expect_busy, &none);
	end_device();
	remove_image();
}

/* Runs a command; its first line goes to `line`. False if it failed. */
static bool ask(const char *command, char *line, size_t size)
{
	FILE *pipe = popen(command, "re");
	bool any;

	CHECK(pipe);
	any = fgets(line, (int)size, pipe) != NULL;
	line[strcspn(line, "\n")] = '\0';
	return pclose(pipe) == 0 && any;
}

static void what_stands_behind_a_loop_device_is_in_use_(void *arg) MAY_YIELD;
static void what_stands_behind_a_loop_device_is_in_use_(void *arg)
{
	struct disk_info info;
	struct disk *disk;

	CHECK_INT(open_and_close(path, false), -EBUSY);
	CHECK_INT(open_and_close(path, true), -EBUSY);
	/* The device itself is a disk. */
	CHECK_INT(disk_open_image(arg, false, &disk), 0);
	CHECK_INT(open_and_close(arg, true), -EBUSY);
	disk_info(disk, &info);
	CHECK_INT(info.size, 64 * KIB);
	memset(out, 'd', 4096);
	CHECK_INT(disk_write(disk, out, 4096, 4096), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(disk_read(disk, in, 4096, 4096), 0);
	CHECK(!memcmp(in, out, 4096));
	disk_close(disk);
}

static void what_stands_behind_a_loop_device_is_in_use(void)
{
	char command[160], device[64];
	bool looped;

	make_image("/tmp", 64 * KIB);
	snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null", path);
	looped = ask(command, device, sizeof(device));
	if (looped) {
		begin_device(NULL);
		run_task(what_stands_behind_a_loop_device_is_in_use_, device);
		end_device();
		snprintf(command, sizeof(command), "losetup -d %s && echo", device);
		CHECK(ask(command, device, sizeof(device)));
	}
	remove_image();
	if (!looped)
		SKIP("no loop device can be made here");
}

/* ---- what is wrong. */

static void what_is_no_disk_is_refused_(void *arg) MAY_YIELD;
static void what_is_no_disk_is_refused_(void *arg)
{
	struct disk *disk;
	char name[80];

	(void)arg;
	CHECK_INT(open_and_close("/nowhere/at-all", true), -ENOENT);
	CHECK_INT(open_and_close("/tmp", false), -EMEDIUMTYPE);
	CHECK_INT(open_and_close("/tmp", true), -EMEDIUMTYPE);
	CHECK_INT(open_and_close("/dev/null", false), -EMEDIUMTYPE);
	CHECK_INT(open_and_close(path, false), -EINVAL);
	CHECK_INT(truncate(path, 511), 0);
	CHECK_INT(open_and_close(path, true), -EINVAL);
	/* It is not opened to wait for a writer. */
	snprintf(name, sizeof(name), "%s.fifo", path);
	CHECK_INT(mkfifo(name, 0600), 0);
	CHECK_INT(open_and_close(name, true), -EMEDIUMTYPE);
	CHECK_INT(unlink(name), 0);
	CHECK_INT(disk_open_memory(0, &disk), -EINVAL);
	CHECK_INT(disk_open_memory(UINT64_MAX, &disk), -EINVAL);
	disk_close(NULL);
}

static void what_is_no_disk_is_refused(void)
{
	make_image("/tmp", 0);
	begin_device(NULL);
	run_task(what_is_no_disk_is_refused_, NULL);
	end_device();
	remove_image();
}

static void a_read_only_image_is_not_written_(void *arg) MAY_YIELD;
static void a_read_only_image_is_not_written_(void *arg)
{
	struct disk_info info;
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, true, &disk), 0);
	disk_info(disk, &info);
	CHECK(info.read_only && !info.can_discard);
	CHECK_INT(disk_write(disk, out, 512, 0), -EROFS);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(disk_read(disk, in, 512, 0), 0);
	disk_close(disk);
}

static void a_read_only_image_is_not_written(void)
{
	make_image("/tmp", 64 * KIB);
	CHECK_INT(chmod(path, 0400), 0);
	begin_device(NULL);
	run_task(a_read_only_image_is_not_written_, NULL);
	end_device();
	remove_image();
}

static void an_image_cut_short_by_others_is_an_io_error_(void *arg) MAY_YIELD;
static void an_image_cut_short_by_others_is_an_io_error_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	CHECK_INT(truncate(path, 6000), 0);
	CHECK_INT(disk_read(disk, in, 4096, 0), 0);
	CHECK_INT(disk_read(disk, in, 4096, 4096), -EIO);
	CHECK_INT(disk_read(disk, in, 4096, 8192), -EIO);
	CHECK_INT(disk_read(disk, in, 512, 4096), 0);
	disk_close(disk);
}

static void an_image_cut_short_by_others_is_an_io_error(void)
{
	make_image("/tmp", 64 * KIB);
	begin_device(NULL);
	run_task(an_image_cut_short_by_others_is_an_io_error_, NULL);
	end_device();
	remove_image();
}

static void a_full_host_is_no_space_(void *arg) MAY_YIELD;
static void a_full_host_is_no_space_(void *arg)
{
	struct disk *disk;
	int r = 0;

	CHECK_INT(disk_open_image(arg, false, &disk), 0);
	for (unsigned int i = 0; i < 16 && r == 0; i++)
		r = disk_write(disk, out, sizeof(out), i * sizeof(out));
	CHECK_INT(r, -ENOSPC);
	CHECK_INT(disk_read(disk, in, 512, 0), 0);
	CHECK_INT(disk_flush(disk), 0);
	disk_close(disk);
}

static void a_full_host_is_no_space(void)
{
	char folder[] = "/tmp/hascall-disk-XXXXXX";
	char command[200], name[64], line[64];

	if (unshare(CLONE_NEWNS) < 0)
		SKIP("no mount can be made here");
	CHECK(mkdtemp(folder));
	snprintf(command, sizeof(command),
		 "mount --make-rprivate / && mount -t tmpfs -o size=64k none %s && echo", folder);
	CHECK(ask(command, line, sizeof(line)));
	snprintf(name, sizeof(name), "%s/image", folder);
	snprintf(command, sizeof(command), "truncate -s 1M %s && echo", name);
	CHECK(ask(command, line, sizeof(line)));
	begin_device(NULL);
	run_task(a_full_host_is_no_space_, name);
	end_device();
	snprintf(command, sizeof(command), "umount %s && rmdir %s && echo", folder, folder);
	CHECK(ask(command, line, sizeof(line)));
}

static const struct test tests[] = {
	TEST(memory_gives_back_what_was_written),
	TEST(image_gives_back_what_was_written),
	TEST(without_executors_everything_is_done_at_once),
	TEST(a_large_joined_write_arrives_whole),
	TEST(a_read_that_is_half_in_the_hosts_cache_is_whole),
	TEST(write_through_is_one_call),
	TEST(what_does_not_fill_a_sector_is_left_alone),
	TEST(a_sparse_image_of_a_tebibyte_works),
	TEST(a_discard_gives_room_back),
	TEST_LONG(many_tasks_find_what_they_wrote, 60),
	TEST(more_calls_than_entries_wait_their_turn),
	TEST(one_writer_or_many_readers),
	TEST(another_process_is_refused_until_the_first_has_died),
	TEST(what_stands_behind_a_loop_device_is_in_use),
	TEST(what_is_no_disk_is_refused),
	TEST(a_read_only_image_is_not_written),
	TEST(an_image_cut_short_by_others_is_an_io_error),
	TEST(a_full_host_is_no_space),
};
TEST_MAIN(tests)
