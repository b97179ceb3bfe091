/*
 * test_stub_cache.c - what stub_cache.h promises while a copy is made: the file is slow,
 * fails, changes or shrinks, the task is cancelled, others ask for it too.
 */
#include "call/elf.h"
#include "call/stub_cache.h"
#include "task/sched.h"
#include "test/vfs/vfs_test.h"

#include <sys/mman.h>

#define LINKER "/lib64/ld-linux-x86-64.so.2"

/* A file whose reads yield, and do what a test wants at one of them. */
struct slow_file {
	struct inode inode;
	uint8_t *bytes;
	uint64_t size;
	struct timespec mtime;
	unsigned int reads;
	unsigned int event_at; /* at this read; 0: never */
	int fails;	       /* then: -errno */
	bool changes, shrinks;
};

static struct slow_file file;
static struct vfs_fs fs = { .type_name = "slow", .dev = 77 };

static int slow_getattr(struct inode *inode, struct vfs_attr *ret)
{
	(void)inode;
	*ret = (struct vfs_attr){
		.dev = 77, .ino = 5, .size = file.size, .mtime = file.mtime, .mode = S_IFREG | 0755
	};
	return 0;
}

static ssize_t slow_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD
{
	(void)inode;
	task_yield();
	if (++file.reads == file.event_at) {
		if (file.fails)
			return file.fails;
		file.mtime.tv_nsec += file.changes;
		file.size /= file.shrinks ? 2 : 1;
	}
	if (offset >= file.size)
		return 0;
	if (size > file.size - offset)
		size = file.size - offset;
	memcpy(buf, file.bytes + offset, size);
	return (ssize_t)size;
}

static void slow_release(struct inode *inode)
{
	(void)inode;
}

static const struct inode_ops slow_ops = {
	.getattr = slow_getattr,
	.read = slow_read,
	.release = slow_release,
};

static void file_begins(void)
{
	int fd = open(LINKER, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		SKIP("no " LINKER);
	CHECK_INT(fstat(fd, &st), 0);
	file = (struct slow_file){ .size = (uint64_t)st.st_size };
	file.bytes = malloc(file.size);
	CHECK(file.bytes);
	CHECK_INT(read(fd, file.bytes, file.size), file.size);
	close(fd);
	inode_init(&file.inode, &slow_ops, &fs, S_IFREG);
	file.inode.ino = 5;
}

static void file_ends(void)
{
	stub_cache_drop();
	CHECK_INT(stub_cache_bytes(), 0);
	inode_put(&file.inode);
	free(file.bytes);
}

/* Ask for a copy at once: is there one? */
static bool ask(void) MAY_YIELD
{
	struct stub_text *text = stub_text_find(&file.inode, STUB_RUN, true);
	bool there = text != NULL;

	stub_text_put(text);
	return there;
}

VFS_TEST(a_copy_is_made_once)
{
	struct stub_text *first, *second;
	unsigned int reads;

	file_begins();
	first = stub_text_find(&file.inode, STUB_RUN, true);
	CHECK(first != NULL);
	reads = file.reads;
	CHECK(reads > 0);
	second = stub_text_find(&file.inode, STUB_TEXT_MAP, false);
	CHECK(second == first);
	CHECK_INT(file.reads, reads);
	CHECK(first->site_count > 10);
	CHECK_INT(first->stub_size % ELF_PAGE, 0);
	CHECK_INT(first->size % ELF_PAGE, 0);
	CHECK_INT(stub_cache_bytes(), first->size + first->stub_size);
	stub_text_put(second);
	stub_cache_drop(); /* forgotten, and still whole for who holds it */
	CHECK(lseek(first->fd, 0, SEEK_END) > 0);
	stub_text_put(first);
	file_ends();
}

/* Each read of a build in turn brings the event. `then`: is there a copy in the end? */
static void try_each_read(const struct slow_file *event, bool at_once, bool then) MAY_YIELD
{
	unsigned int reads;

	file_begins();
	CHECK(ask());
	reads = file.reads;
	file_ends();
	for (unsigned int i = 1; i <= reads; i++) {
		file_begins();
		file.event_at = i;
		file.fails = event->fails;
		file.changes = event->changes;
		file.shrinks = event->shrinks;
		CHECK_INT(ask(), at_once);
		CHECK_INT(ask(), then);
		file_ends();
	}
}

VFS_TEST(a_file_that_cannot_be_read_gets_no_copy)
{
	try_each_read(&(struct slow_file){ .fails = -EIO }, false, false);
}

VFS_TEST(a_build_that_was_cut_short_is_done_again)
{
	try_each_read(&(struct slow_file){ .fails = -ECANCELED }, false, true);
}

/* What was read is of two versions: it is not used, and the new version is another file. */
VFS_TEST(a_file_that_changes_meanwhile_gets_no_copy)
{
	try_each_read(&(struct slow_file){ .changes = true }, false, true);
}

VFS_TEST(a_file_that_shrinks_meanwhile_gets_no_copy)
{
	try_each_read(&(struct slow_file){ .shrinks = true }, false, false);
}

VFS_TEST(a_file_that_is_no_program_is_read_once)
{
	unsigned int reads;

	file_begins();
	file.bytes[0] = 0;
	CHECK(!ask());
	reads = file.reads;
	CHECK(!ask());
	CHECK_INT(file.reads, reads);
	file_ends();
}

/* ---- two tasks */

static struct waitq done;
static bool other_asked, other_got;

static void ask_too(void *arg) MAY_YIELD
{
	(void)arg;
	other_got = ask();
	other_asked = true;
	waitq_wake_all(&done);
}

VFS_TEST(who_asks_during_a_build_goes_on_without)
{
	struct task *other;
	unsigned int reads;

	file_begins();
	waitq_init(&done);
	CHECK_INT(task_start(&other, "other", ask_too, NULL), 0);
	CHECK(ask()); /* the other runs at its first read */
	CHECK(other_asked);
	CHECK(!other_got);
	reads = file.reads;
	CHECK(ask());
	CHECK_INT(file.reads, reads); /* it was read by one only */
	file_ends();
}

/* A full cache forgets others, never the one that is being made. */
static void fill_cache(void *arg) MAY_YIELD
{
	struct slow_file *others = arg;

	for (unsigned int i = 0; i < STUB_CACHE_ENTRIES + 10; i++) {
		file.mtime.tv_sec = 1000 + i; /* each one is another version */
		(void)stub_text_find(&others->inode, STUB_TEXT_MAP, false);
	}
	file.mtime.tv_sec = 0;
	other_asked = true;
}

VFS_TEST(a_full_cache_keeps_what_is_being_made)
{
	struct task *other;

	file_begins();
	CHECK_INT(task_start(&other, "other", fill_cache, &file), 0);
	CHECK(ask());
	CHECK(other_asked);
	CHECK(ask());
	file_ends();
}

static const struct test tests[] = {
	TEST(a_copy_is_made_once),
	TEST(a_file_that_cannot_be_read_gets_no_copy),
	TEST(a_build_that_was_cut_short_is_done_again),
	TEST(a_file_that_changes_meanwhile_gets_no_copy),
	TEST(a_file_that_shrinks_meanwhile_gets_no_copy),
	TEST(a_file_that_is_no_program_is_read_once),
	TEST(who_asks_during_a_build_goes_on_without),
	TEST(a_full_cache_keeps_what_is_being_made),
};
TEST_MAIN(tests)
