/*
 * test_mem.c - what mem/mem.h promises: limits, sparse files, stable listings,
 * mappings that see what is written, attributes of its own.
 */
#include "test/vfs/vfs_test.h"
#include "vfs/mem/mem.h"

#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define PAGE 4096u
#define TIB (UINT64_C(1) << 40)

static struct inode *open_file(const char *path, struct dentry **ret) MAY_YIELD
{
	CHECK_INT(do_open(path, O_CREAT | O_RDWR, 0644, ret), 0);
	return dentry_inode(*ret);
}

static uint64_t blocks_of(struct inode *inode) MAY_YIELD
{
	struct vfs_attr a;

	CHECK_INT(vfs_getattr(inode, &a), 0);
	return a.blocks;
}

static uint64_t free_blocks(void) MAY_YIELD
{
	struct vfs_statfs s;

	CHECK_INT(vfs_statfs(dentry_inode(view.root), &s), 0);
	return s.bfree;
}

/* ---- sparse files. */

VFS_TEST(a_sparse_file_of_a_tebibyte_costs_what_is_written)
{
	char text[8];
	struct dentry *d;
	struct inode *f;

	use_mem(0);
	f = open_file("big", &d);
	CHECK_INT(vfs_truncate(&cred, f, TIB, true), 0);
	CHECK_INT(vfs_write(f, "end", 3, TIB - 3), 3);
	CHECK_INT(vfs_write(f, "middle", 6, TIB / 2 - 3), 6);
	CHECK_INT(blocks_of(f), 3 * 8);
	CHECK_INT(vfs_read(f, text, 8, TIB - 8), 8);
	CHECK(memcmp(text, "\0\0\0\0\0end", 8) == 0);
	CHECK_INT(vfs_read(f, text, 8, TIB), 0);
	CHECK_INT(vfs_seek_data(f, 0, SEEK_DATA), TIB / 2 - PAGE);
	CHECK_INT(vfs_seek_data(f, TIB / 2 - PAGE, SEEK_HOLE), TIB / 2 + PAGE);
	CHECK_INT(vfs_seek_data(f, TIB / 2 + PAGE, SEEK_DATA), TIB - PAGE);
	CHECK_INT(vfs_seek_data(f, TIB - 5, SEEK_HOLE), TIB);
	CHECK_INT(vfs_seek_data(f, TIB, SEEK_DATA), -ENXIO);
	CHECK_INT(vfs_write(f, "x", 1, TIB), -EFBIG);
	CHECK_INT(vfs_write(f, "x", 1, INT64_MAX), -EFBIG);
	CHECK_INT(vfs_write(f, "x", 0, INT64_MAX), 0);
	CHECK_INT(vfs_write(f, "xyz", 3, TIB - 1), 1);
	CHECK_INT(vfs_truncate(&cred, f, TIB + 1, true), -EFBIG);
	CHECK_INT(vfs_truncate(&cred, f, 10, true), 0);
	CHECK_INT(blocks_of(f), 0);
	dentry_put(d);
}

VFS_TEST(what_was_cut_off_is_zero_when_the_file_grows_again)
{
	char text[8];
	struct dentry *d;
	struct inode *f;

	use_mem(0);
	f = open_file("f", &d);
	CHECK_INT(vfs_write(f, "abcdefgh", 8, 0), 8);
	CHECK_INT(vfs_truncate(&cred, f, 3, true), 0);
	CHECK_INT(vfs_truncate(&cred, f, 8, true), 0);
	CHECK_INT(vfs_read(f, text, 8, 0), 8);
	CHECK(memcmp(text, "abc\0\0\0\0\0", 8) == 0);
	CHECK_INT(vfs_truncate(&cred, f, 3, true), 0);
	CHECK_INT(vfs_write(f, "z", 1, 6), 1);
	CHECK_INT(vfs_read(f, text, 8, 0), 7);
	CHECK(memcmp(text, "abc\0\0\0z", 7) == 0);
	dentry_put(d);
}

static void check_punched(struct inode *f) MAY_YIELD
{
	static char page[4 * PAGE];

	memset(page, 'x', sizeof(page));
	CHECK_INT(vfs_write(f, page, sizeof(page), 0), sizeof(page));
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE - 1, PAGE + 2),
		  0);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE + 5, 2), 0);
	CHECK_INT(blocks_of(f), 3 * 8);
	CHECK_INT(vfs_read(f, page, sizeof(page), 0), sizeof(page));
	for (size_t i = 0; i < sizeof(page); i++) {
		bool hole = (i >= PAGE - 1 && i < 2 * PAGE + 1) ||
			    (i >= 3 * PAGE + 5 && i < 3 * PAGE + 7);

		CHECK_INT(page[i], hole ? 0 : 'x');
	}
	CHECK_INT(vfs_seek_data(f, 0, SEEK_HOLE), PAGE);
	CHECK_INT(vfs_seek_data(f, PAGE, SEEK_DATA), 2 * PAGE);
	CHECK_INT(vfs_fallocate(f, 0, 4 * PAGE, 10), 0);
	CHECK_INT(vfs_read(f, page, sizeof(page), 4 * PAGE), 10);
	CHECK_INT(page[0] | page[9], 0);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_ZERO_RANGE, 0, 10), 0);
	CHECK_INT(vfs_read(f, page, 11, 0), 11);
	CHECK_INT(page[9], 0);
	CHECK_INT(page[10], 'x');
}

VFS_TEST(holes_are_punched_with_and_without_a_mapping)
{
	struct vfs_mapping m;
	struct dentry *d;
	struct inode *f;

	use_mem(0);
	f = open_file("plain", &d);
	check_punched(f);
	dentry_put(d);
	f = open_file("mapped", &d);
	CHECK_INT(vfs_map(f, true, &m), 0);
	check_punched(f);
	dentry_put(d);
}

/* Of a sparse file: "here" comes to be where it was before. */
static void check_shifted(struct inode *f) MAY_YIELD
{
	const int out = FALLOC_FL_COLLAPSE_RANGE, in = FALLOC_FL_INSERT_RANGE;
	char text[8] = "";
	uint64_t blocks;

	CHECK_INT(vfs_truncate(&cred, f, TIB / 2, true), 0);
	CHECK_INT(vfs_write(f, "here", 4, TIB / 4 + 100), 4);
	CHECK_INT(vfs_write(f, "gone", 4, TIB / 8), 4);
	blocks = blocks_of(f);
	CHECK_INT(vfs_fallocate(f, in, 5 * PAGE, TIB / 4), 0);
	CHECK_INT(vfs_seek_data(f, 0, SEEK_DATA), TIB / 8 + TIB / 4);
	CHECK_INT(vfs_fallocate(f, out, TIB / 4, TIB / 8 + PAGE), 0);
	CHECK_INT(blocks_of(f), blocks - 8);
	CHECK_INT(vfs_read(f, text, 5, TIB / 2 - TIB / 8 - PAGE + 100), 5);
	CHECK(memcmp(text, "here", 5) == 0);
	CHECK_INT(vfs_seek_data(f, 0, SEEK_DATA), TIB / 2 - TIB / 8 - PAGE);
	CHECK_INT(vfs_fallocate(f, out, PAGE, PAGE - 1), -EINVAL);
	CHECK_INT(vfs_fallocate(f, in, 1, PAGE), -EINVAL);
	CHECK_INT(vfs_fallocate(f, out, 0, TIB / 2 + TIB / 8 - PAGE), -EINVAL);
	CHECK_INT(vfs_fallocate(f, in, TIB / 2 + TIB / 8 - PAGE, PAGE), -EINVAL);
	CHECK_INT(vfs_fallocate(f, in, 0, TIB / 2), -EFBIG);
	CHECK_INT(vfs_fallocate(f, in | FALLOC_FL_KEEP_SIZE, 0, PAGE), -EOPNOTSUPP);
	CHECK_INT(vfs_fallocate(f, in | out, 0, PAGE), -EOPNOTSUPP);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_UNSHARE_RANGE, 0, PAGE), -EOPNOTSUPP);
}

VFS_TEST(ranges_are_taken_out_and_put_in_with_and_without_a_mapping)
{
	struct vfs_mapping m;
	struct dentry *d;
	struct inode *f;

	use_mem(0);
	f = open_file("plain", &d);
	check_shifted(f);
	dentry_put(d);
	f = open_file("mapped", &d);
	CHECK_INT(vfs_map(f, true, &m), 0);
	check_shifted(f);
	dentry_put(d);
}

/* The n-th write to a file of the host fails; 0: none does. */
static unsigned int refused_write;

ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
	if (refused_write > 0 && --refused_write == 0) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, from, size, offset);
}

/* Who touches what is behind the file's end gets a SIGBUS, not zeros. */
VFS_TEST(an_insert_that_fails_leaves_the_mapping_as_long_as_the_file)
{
	struct vfs_mapping m;
	struct dentry *d;
	struct inode *f;

	use_mem(0);
	f = open_file("file", &d);
	CHECK_INT(vfs_map(f, true, &m), 0);
	for (unsigned int i = 0; i < 4; i++)
		CHECK_INT(vfs_write(f, "here", 4, i * PAGE), 4);
	refused_write = 1;
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_INSERT_RANGE, PAGE, 10 * PAGE), -ENOSPC);
	CHECK_INT(refused_write, 0);
	CHECK_INT(lseek(m.host_fd, 0, SEEK_END), 4 * PAGE);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_INSERT_RANGE, PAGE, 10 * PAGE), 0);
	CHECK_INT(lseek(m.host_fd, 0, SEEK_END), 14 * PAGE);
	dentry_put(d);
}

/* All others wait while a mapped file's bytes are moved. */
VFS_TEST(ranges_of_a_large_mapped_file_stay_where_they_are)
{
	static char bytes[1 << 20];
	struct vfs_mapping m;
	struct dentry *d;
	struct inode *f;
	uint64_t size = 0;

	use_mem(0);
	f = open_file("file", &d);
	CHECK_INT(vfs_truncate(&cred, f, TIB / 2, true), 0);
	CHECK_INT(vfs_map(f, true, &m), 0);
	while (size < MEM_SHIFT_MAX) {
		CHECK_INT(vfs_write(f, bytes, sizeof(bytes), size), sizeof(bytes));
		size += sizeof(bytes);
	}
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_INSERT_RANGE, PAGE, PAGE), 0);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE), 0);
	CHECK_INT(vfs_write(f, "more", 4, size), 4);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_INSERT_RANGE, PAGE, PAGE), -EOPNOTSUPP);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE), -EOPNOTSUPP);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE - 1), -EINVAL);
	dentry_put(d);
}

/* ---- mappings. */

VFS_TEST(a_mapping_and_reads_and_writes_see_each_other)
{
	struct vfs_mapping m, again;
	struct dentry *d;
	struct inode *f;
	char text[16];
	char *shared;

	use_mem(0);
	f = open_file("f", &d);
	CHECK_INT(vfs_write(f, "before", 6, 0), 6);
	CHECK_INT(vfs_map(f, true, &m), 0);
	CHECK(m.writable);
	CHECK_INT(m.file_size, 6);
	shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m.host_fd, 0);
	CHECK(shared != MAP_FAILED);
	CHECK(memcmp(shared, "before", 7) == 0);
	CHECK_INT(vfs_write(f, "AFTER", 5, 1), 5);
	CHECK(memcmp(shared, "bAFTER", 7) == 0);
	memcpy(shared, "client", 6);
	CHECK_INT(vfs_read(f, text, sizeof(text), 0), 6);
	CHECK(memcmp(text, "client", 6) == 0);
	/* Growth, over the end of the page and far away. */
	CHECK_INT(vfs_write(f, "grown", 5, PAGE - 2), 5);
	CHECK(memcmp(shared + PAGE - 2, "grown", 5) == 0);
	CHECK_INT(vfs_write(f, "far", 3, 100 * PAGE), 3);
	shared[PAGE + 100] = '!';
	CHECK_INT(vfs_read(f, text, 1, PAGE + 100), 1);
	CHECK_INT(text[0], '!');
	CHECK_INT(vfs_truncate(&cred, f, 2, true), 0);
	CHECK(memcmp(shared, "cl\0\0\0\0", 6) == 0);
	CHECK_INT(vfs_read(f, text, sizeof(text), 0), 2);
	CHECK_INT(vfs_map(f, false, &again), 0);
	CHECK(again.version == m.version && !again.writable);
	munmap(shared, 2 * PAGE);
	dentry_put(d);
}

static sigjmp_buf out_of_fault;

static void on_fault(int sig)
{
	siglongjmp(out_of_fault, sig);
}

static int touch(volatile const char *at)
{
	int sig = sigsetjmp(out_of_fault, 1);

	if (sig == 0)
		(void)*at;
	return sig;
}

VFS_TEST(a_mapping_ends_with_the_page_in_which_the_file_ends)
{
	struct vfs_mapping m;
	struct dentry *d;
	struct inode *f;
	char *shared, text[4];

	use_mem(0);
	signal(SIGBUS, on_fault);
	f = open_file("f", &d);
	CHECK_INT(vfs_write(f, "text", 4, 2 * PAGE), 4);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 8 * PAGE), 0); /* counts for nothing */
	CHECK_INT(vfs_map(f, true, &m), 0);
	shared = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m.host_fd, 0);
	CHECK(shared != MAP_FAILED);
	CHECK_INT(touch(shared + 3 * PAGE - 1), 0);
	CHECK_INT(touch(shared + 3 * PAGE), SIGBUS);
	CHECK_INT(vfs_read(f, text, 4, 2 * PAGE), 4); /* by our own mapping, from here on */
	CHECK_INT(vfs_truncate(&cred, f, PAGE + 1, true), 0);
	CHECK_INT(touch(shared + 2 * PAGE - 1), 0);
	CHECK_INT(touch(shared + 2 * PAGE), SIGBUS);
	CHECK_INT(vfs_fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE), 0);
	CHECK_INT(touch(shared + 2 * PAGE), SIGBUS);
	CHECK_INT(vfs_truncate(&cred, f, 4 * PAGE, true), 0);
	CHECK_INT(touch(shared + 4 * PAGE - 1), 0);
	CHECK_INT(shared[2 * PAGE], 0);
	CHECK_INT(vfs_read(f, text, 4, 2 * PAGE), 4);
	CHECK_INT(text[0], 0);
	CHECK_INT(vfs_fallocate(f, 0, 4 * PAGE, 1), 0);
	CHECK_INT(touch(shared + 5 * PAGE - 1), 0);
	CHECK_INT(vfs_truncate(&cred, f, 0, true), 0);
	CHECK_INT(touch(shared), SIGBUS);
	CHECK_INT(vfs_write(f, "new", 3, 0), 3);
	CHECK_INT(shared[0], 'n');
	munmap(shared, 5 * PAGE);
	dentry_put(d);
}

VFS_TEST(only_so_many_files_are_mapped_at_a_time)
{
	struct rlimit limit;
	struct vfs_mapping m;
	struct dentry *d;
	char name[32];
	unsigned int count = 0;
	int r;

	CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 2 * MEM_MAPS_MAX)
		SKIP("only %llu descriptors are allowed", (unsigned long long)limit.rlim_max);
	limit.rlim_cur = limit.rlim_max;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
	use_mem(0);
	do {
		snprintf(name, sizeof(name), "f%u", count);
		r = vfs_map(open_file(name, &d), true, &m);
		dentry_put(d);
	} while (r == 0 && ++count <= MEM_MAPS_MAX);
	CHECK_INT(r, -ENFILE);
	CHECK_INT(count, MEM_MAPS_MAX);
	CHECK_INT(do_unlink("f7"), 0);
	CHECK_INT(vfs_map(open_file(name, &d), true, &m), 0);
	dentry_put(d);
}

VFS_TEST(a_client_can_do_no_harm_with_what_it_maps)
{
	struct vfs_mapping m;
	struct dentry *d;
	struct inode *f;
	char text[4];

	use_mem(0);
	f = open_file("f", &d);
	CHECK_INT(vfs_write(f, "data", 4, 0), 4);
	CHECK_INT(vfs_map(f, false, &m), 0);
	CHECK_INT(pwrite(m.host_fd, "x", 1, 0), -1);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m.host_fd, 0) == MAP_FAILED);
	CHECK_INT(vfs_map(f, true, &m), 0);
	CHECK_INT(fcntl(m.host_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK_INT(vfs_read(f, text, 4, 0), 4);
	CHECK(memcmp(text, "data", 4) == 0);
	dentry_put(d);
}

static void shift_model(struct inode *f, char *model, uint64_t *size, uint64_t limit) MAY_YIELD
{
	bool insert = random() % 2;
	uint64_t at = (uint64_t)random() % (*size / PAGE + 1) * PAGE;
	uint64_t count = (uint64_t)(1 + random() % 8) * PAGE;
	uint64_t from = insert ? at : at + count, to = insert ? at + count : at;

	if (from >= *size || (insert && *size + count > limit))
		return;
	CHECK_INT(vfs_fallocate(f, insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE, at,
				count),
		  0);
	memmove(model + to, model + from, *size - from);
	*size += to - from;
	if (insert)
		memset(model + from, 0, count);
	else
		memset(model + *size, 0, count);
}

/* Random writes, cuts and reads of one file, mapped half way: against an array. */
VFS_TEST(a_file_is_the_array_of_bytes_that_was_written)
{
	enum { SIZE = 300000, STEPS = 4000 };
	static char model[SIZE], buf[20000];
	struct vfs_mapping m;
	struct dentry *d;
	struct inode *f;
	uint64_t size = 0;

	use_mem(0);
	srandom(7);
	f = open_file("f", &d);
	for (int i = 0; i < STEPS; i++) {
		uint64_t at = (uint64_t)random() % (SIZE - sizeof(buf));
		size_t len = (size_t)random() % sizeof(buf);

		if (i == STEPS / 2)
			CHECK_INT(vfs_map(f, true, &m), 0);
		if (random() % 8 == 0) {
			CHECK_INT(vfs_truncate(&cred, f, at, true), 0);
			if (at < size)
				memset(model + at, 0, size - at);
			size = at;
		} else if (random() % 8 == 0) {
			CHECK_INT(vfs_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
						len + 1),
				  0);
			memset(model + at, 0, len + 1);
		} else if (random() % 8 == 0) {
			shift_model(f, model, &size, SIZE - sizeof(buf));
		} else if (random() % 2) {
			memset(buf, (int)random(), len);
			memcpy(model + at, buf, len);
			CHECK_INT(vfs_write(f, buf, len, at), len);
			if (len > 0 && at + len > size)
				size = at + len;
		} else {
			ssize_t got = vfs_read(f, buf, len, at);

			CHECK_INT(got, at >= size ? 0 : at + len > size ? size - at : len);
			CHECK(memcmp(buf, model + at, (size_t)got) == 0);
		}
	}
	dentry_put(d);
}

/* ---- limits. */

VFS_TEST(a_full_file_system_says_so_and_recovers)
{
	enum { LIMIT = 1024 * 1024 };
	static char page[PAGE];
	uint64_t empty, written = 0;
	char name[32];
	struct dentry *d;
	struct inode *f;
	ssize_t r;
	int made = 0;

	use_mem(LIMIT);
	empty = free_blocks();
	f = open_file("f", &d);
	while ((r = vfs_write(f, page, sizeof(page), written)) > 0)
		written += (uint64_t)r;
	CHECK_INT(r, -ENOSPC);
	CHECK(written > LIMIT * 9 / 10 && written <= LIMIT);
	CHECK_INT(free_blocks(), 0);
	CHECK_INT(vfs_fallocate(f, 0, written, 100 * PAGE), -ENOSPC);
	CHECK_INT(vfs_write(f, page, sizeof(page), 0), sizeof(page));
	dentry_put(d);
	CHECK_INT(do_unlink("f"), 0);
	CHECK_INT(free_blocks(), empty);
	/* Empty files are not free either. */
	do {
		snprintf(name, sizeof(name), "file-%d", made);
		r = do_create(name, 0644);
	} while (r == 0 && ++made < LIMIT);
	CHECK_INT(r, -ENOSPC);
	CHECK(made > 500 && made < LIMIT / 256);
	CHECK_INT(do_mkdir("one-more"), -ENOSPC);
	CHECK_INT(do_symlink("x", "one-more"), -ENOSPC);
	while (made-- > 0) {
		snprintf(name, sizeof(name), "file-%d", made);
		CHECK_INT(do_unlink(name), 0);
	}
	CHECK_INT(free_blocks(), empty);
}

VFS_TEST(pages_go_back_when_files_go)
{
	static char megabyte[1024 * 1024];
	struct dentry *d;
	struct inode *f;

	use_mem(0);
	f = open_file("f", &d);
	for (uint64_t i = 0; i < 20; i++)
		CHECK_INT(vfs_write(f, megabyte, sizeof(megabyte), i * sizeof(megabyte)),
			  sizeof(megabyte));
	CHECK_INT(pool_pages(), 20 * 256);
	CHECK_INT(do_unlink("f"), 0);
	CHECK_INT(vfs_read(f, megabyte, 10, 0), 10); /* still open */
	dentry_put(d);
	CHECK_INT(pool_pages(), 0);
}

/* ---- listings. */

/* Takes names until there are `stop_at`, and then says no. */
struct count {
	unsigned int seen[1000];
	unsigned int left;
	bool any;
};

static int count_name(void *ctx, const struct vfs_dirent *entry)
{
	struct count *c = ctx;
	unsigned int number;
	char name[32];

	if (c->left == 0)
		return 1;
	c->left--;
	c->any = true;
	CHECK(entry->name_len < sizeof(name));
	memcpy(name, entry->name, entry->name_len);
	name[entry->name_len] = '\0';
	CHECK_INT(sscanf(name, "name-%u", &number), 1);
	CHECK(number < ARRAY_COUNT(c->seen));
	c->seen[number]++;
	return 0;
}

/* While one reads in small parts, others make, remove and rename names. */
VFS_TEST(names_that_stay_are_listed_exactly_once)
{
	static struct count c;
	uint64_t cursor = 0;
	struct dentry *d;
	char name[32], other[32];

	use_mem(0);
	CHECK_INT(do_mkdir("d"), 0);
	for (unsigned int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "d/name-%u", i);
		CHECK_INT(do_create(name, 0644), 0);
	}
	CHECK_INT(vfs_walk(&view, NULL, "d", 0, &d), 0);
	srandom(3);
	memset(&c, 0, sizeof(c));
	/* 0..199 stay; 200..399 go; 400..599 are renamed over 600..799; 800..999 come. */
	for (unsigned int round = 0;; round++) {
		c.left = 1 + (unsigned int)random() % 4;
		c.any = false;
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, count_name, &c), 0);
		if (!c.any)
			break;
		if (round >= 200)
			continue;
		snprintf(name, sizeof(name), "d/name-%u", 200 + round);
		CHECK_INT(do_unlink(name), 0);
		snprintf(name, sizeof(name), "d/name-%u", 400 + round);
		snprintf(other, sizeof(other), "d/name-%u", 600 + round);
		CHECK_INT(do_rename(name, other, 0), 0);
		snprintf(name, sizeof(name), "d/name-%u", 800 + round);
		CHECK_INT(do_create(name, 0644), 0);
	}
	for (unsigned int i = 0; i < 200; i++)
		CHECK_INT(c.seen[i], 1);
	for (unsigned int i = 200; i < ARRAY_COUNT(c.seen); i++)
		CHECK(c.seen[i] <= 1);
	dentry_put(d);
}

VFS_TEST(removing_while_listing_removes_all)
{
	static struct count c;
	uint64_t cursor = 0;
	struct dentry *d;
	char name[32];

	use_mem(0);
	CHECK_INT(do_mkdir("d"), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d/name-%u", i);
		CHECK_INT(do_create(name, 0644), 0);
	}
	CHECK_INT(vfs_walk(&view, NULL, "d", 0, &d), 0);
	memset(&c, 0, sizeof(c));
	do {
		c.any = false;
		c.left = 17;
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, count_name, &c), 0);
		for (unsigned int i = 0; i < ARRAY_COUNT(c.seen); i++) {
			if (c.seen[i] != 1)
				continue;
			c.seen[i] = 2;
			snprintf(name, sizeof(name), "d/name-%u", i);
			CHECK_INT(do_unlink(name), 0);
		}
	} while (c.any);
	dentry_put(d);
	CHECK_INT(do_rmdir("d"), 0);
}

static int take_some(void *ctx, const struct vfs_dirent *entry)
{
	unsigned int *left = ctx;

	(void)entry;
	if (*left == 0)
		return 1;
	(*left)--;
	return 0;
}

/* Counted in steps, not in time: everything is proportional to the number of names. */
VFS_TEST(a_directory_of_a_hundred_thousand_names_stays_fast)
{
	enum { NAMES = 100000 };
	uint64_t cursor = 0, before, start = dir_steps();
	struct dentry *d;
	unsigned int left, listed = 0;
	char name[32];

	use_mem(0);
	CHECK_INT(do_mkdir("d"), 0);
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "d/name-%u", i);
		CHECK_INT(do_create(name, 0644), 0);
	}
	CHECK(dir_steps() - start < NAMES * 20);
	start = dir_steps();
	CHECK_INT(vfs_walk(&view, NULL, "d", 0, &d), 0);
	do { /* as a small buffer would list it */
		before = cursor;
		left = 20;
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, take_some, &left), 0);
		listed += 20 - left;
	} while (cursor != before);
	CHECK_INT(listed, NAMES);
	CHECK(dir_steps() - start < NAMES * 5);
	start = dir_steps();
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "d/name-%u", i);
		CHECK_INT(do_unlink(name), 0);
	}
	CHECK(dir_steps() - start < NAMES * 20);
	start = dir_steps();
	CHECK_STR(names_of("d", 10), "");
	CHECK(dir_steps() - start < 10);
	dentry_put(d);
}

/* ---- attributes. */

VFS_TEST(xattrs_are_kept_and_bounded)
{
	static char big[VFS_XATTR_SIZE_MAX + 1];
	const struct vfs_bytes one = { "1", 1 }, two = { "22", 2 };
	const struct vfs_bytes most = { big, 60000 }, too_big = { big, sizeof(big) };
	struct inode *f;
	struct dentry *d;
	char buf[64];

	use_mem(0);
	f = open_file("f", &d);
	CHECK_INT(vfs_setxattr(&cred, f, "user.a", &one, XATTR_REPLACE), -ENODATA);
	CHECK_INT(vfs_setxattr(&cred, f, "user.a", &one, 0), 0);
	CHECK_INT(vfs_setxattr(&cred, f, "user.a", &one, XATTR_CREATE), -EEXIST);
	CHECK_INT(vfs_setxattr(&cred, f, "user.a", &two, 0), 0);
	CHECK_INT(vfs_setxattr(&cred, f, "trusted.t", &one, 0), 0);
	CHECK_INT(vfs_getxattr(&cred, f, "user.a", NULL, 0), 2);
	CHECK_INT(vfs_getxattr(&cred, f, "user.a", buf, 1), -ERANGE);
	CHECK_INT(vfs_getxattr(&cred, f, "user.b", buf, 1), -ENODATA);
	CHECK_INT(vfs_getxattr(&cred, f, "nonsense", buf, 1), -EOPNOTSUPP);
	CHECK_INT(vfs_listxattr(&cred, f, buf, sizeof(buf)), 17);
	CHECK_INT(vfs_listxattr(&cred, f, buf, 5), -ERANGE);
	CHECK_INT(vfs_setxattr(&cred, f, "user.big", &too_big, 0), -E2BIG);
	CHECK_INT(vfs_setxattr(&cred, f, "user.big", &most, 0), 0);
	CHECK_INT(vfs_setxattr(&cred, f, "user.big2", &most, 0), -ENOSPC);
	CHECK_INT(vfs_removexattr(&cred, f, "user.big"), 0);
	CHECK_INT(vfs_removexattr(&cred, f, "user.big"), -ENODATA);
	be_user(1000, 1000);
	CHECK_INT(vfs_getxattr(&cred, f, "trusted.t", buf, 1), -ENODATA);
	CHECK_INT(vfs_setxattr(&cred, f, "user.a", &two, 0), -EACCES);
	CHECK_INT(vfs_setxattr(&cred, f, "security.s", &two, 0), -EPERM);
	CHECK_INT(vfs_listxattr(&cred, f, buf, sizeof(buf)), 7);
	CHECK_STR(buf, "user.a");
	dentry_put(d);
}

VFS_TEST(a_file_without_a_name_can_be_given_one_once)
{
	struct dentry *d, *excl;
	struct vfs_attr a;
	struct vfs_open how = { O_TMPFILE | O_RDWR | O_EXCL, 0600 };

	use_mem(0);
	CHECK_INT(do_open(".", O_TMPFILE | O_RDONLY, 0600, &d), -EINVAL);
	CHECK_INT(vfs_tmpfile(&view, NULL, "/", 0666, &d), 0);
	CHECK_INT(vfs_write(dentry_inode(d), "text", 4, 0), 4);
	CHECK_INT(vfs_getattr(dentry_inode(d), &a), 0);
	CHECK_INT(a.nlink, 0);
	CHECK_INT(a.mode, S_IFREG | 0644);
	CHECK_INT(vfs_link(&view, d, NULL, "named"), 0);
	CHECK_STR(text_of("named"), "text");
	dentry_put(d);
	CHECK_INT(vfs_open(&view, NULL, ".", &how, &excl), 0);
	CHECK_INT(vfs_link(&view, excl, NULL, "other"), -ENOENT);
	dentry_put(excl);
	CHECK_STR(names_of(".", 10), "named ");
}

VFS_TEST(device_files_are_all_there)
{
	struct vfs_attr a;
	struct inode *root;

	CHECK_INT(dev_fs_new(&root), 0);
	use_root(root);
	CHECK_STR(names_of("/", 3), "console fd full null pts random shm stderr stdin stdout tty "
				    "urandom zero ");
	CHECK_INT(do_stat("/null", &a), 0);
	CHECK_INT(a.mode, S_IFCHR | 0666);
	CHECK_INT(a.rdev, 0x103);
	CHECK_INT(do_stat("/shm", &a), 0);
	CHECK_INT(a.mode, S_IFDIR | 01777);
	be_user(1000, 1000);
	CHECK_INT(do_create("/mine", 0644), -EACCES);
	CHECK_INT(do_create("/shm/mine", 0644), 0);
}

VFS_TEST(each_change_has_a_time_of_its_own)
{
	struct vfs_attr before, after;
	struct dentry *d;
	struct inode *f;

	use_mem(0);
	f = open_file("f", &d);
	CHECK_INT(vfs_write(f, "a", 1, 0), 1);
	for (unsigned int i = 0; i < 1000; i++) {
		CHECK_INT(vfs_getattr(f, &before), 0);
		CHECK_INT(vfs_write(f, "b", 1, 0), 1);
		CHECK_INT(vfs_getattr(f, &after), 0);
		CHECK(after.mtime.tv_sec > before.mtime.tv_sec ||
		      after.mtime.tv_nsec > before.mtime.tv_nsec);
	}
	dentry_put(d);
}

static const struct test tests[] = {
	TEST(a_sparse_file_of_a_tebibyte_costs_what_is_written),
	TEST(what_was_cut_off_is_zero_when_the_file_grows_again),
	TEST(holes_are_punched_with_and_without_a_mapping),
	TEST(ranges_are_taken_out_and_put_in_with_and_without_a_mapping),
	TEST(an_insert_that_fails_leaves_the_mapping_as_long_as_the_file),
	TEST(ranges_of_a_large_mapped_file_stay_where_they_are),
	TEST(a_mapping_and_reads_and_writes_see_each_other),
	TEST(only_so_many_files_are_mapped_at_a_time),
	TEST(a_mapping_ends_with_the_page_in_which_the_file_ends),
	TEST(a_client_can_do_no_harm_with_what_it_maps),
	TEST(a_file_is_the_array_of_bytes_that_was_written),
	TEST(a_full_file_system_says_so_and_recovers),
	TEST(pages_go_back_when_files_go),
	TEST(names_that_stay_are_listed_exactly_once),
	TEST(removing_while_listing_removes_all),
	TEST(a_directory_of_a_hundred_thousand_names_stays_fast),
	TEST(xattrs_are_kept_and_bounded),
	TEST(a_file_without_a_name_can_be_given_one_once),
	TEST(device_files_are_all_there),
	TEST(each_change_has_a_time_of_its_own),
};
TEST_MAIN(tests)
