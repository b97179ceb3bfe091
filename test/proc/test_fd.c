/* SPDX-License-Identifier: MIT */
/* test_fd.c - what fd.h promises: Order (lowest free number), Limit, Owner. */
#include "proc/fd.h"
#include "test/harness.h"

#include <errno.h>

static struct fd_table *t;

static struct file *a_file(void)
{
	struct file *pipe[2];

	CHECK_INT(pipe_new(0, pipe), 0);
	file_put(pipe[1]);
	return pipe[0];
}

static void begin(void)
{
	CHECK_INT(fd_table_new(&t), 0);
}

static void end(void)
{
	fd_table_put(t);
	file_fini();
	CHECK_INT(file_count(), 0);
}

static void the_lowest_free_number_is_given(void)
{
	begin();
	for (int i = 0; i < 200; i++)
		CHECK_INT(fd_install(t, a_file(), false, 0, 1024), i);
	CHECK_INT(fd_close(t, 70), 0);
	CHECK_INT(fd_close(t, 3), 0);
	CHECK_INT(fd_close(t, 3), -EBADF);
	CHECK_INT(fd_install(t, a_file(), false, 10, 1024), 70);
	CHECK_INT(fd_install(t, a_file(), false, 0, 1024), 3);
	CHECK_INT(fd_install(t, a_file(), false, 500, 1024), 500);
	CHECK_INT(fd_install(t, a_file(), false, 0, 1024), 200);
	CHECK_INT(t->count, 202);
	CHECK_INT(fd_next(t, 201), 500);
	CHECK_INT(fd_next(t, 501), -1);
	end();
}

static void the_limit_is_kept(void)
{
	begin();
	CHECK_INT(fd_install(t, a_file(), false, 0, 1), 0);
	CHECK_INT(fd_install(t, a_file(), false, 0, 1), -EMFILE);
	CHECK_INT(fd_install(t, a_file(), false, FD_MAX, UINT64_MAX), -EMFILE);
	CHECK_INT(fd_replace(t, a_file(), 5, false, 5), -EBADF);
	CHECK_INT(fd_replace(t, a_file(), FD_MAX, false, UINT64_MAX), -EBADF);
	CHECK_INT(fd_replace(t, a_file(), FD_MAX - 1, false, UINT64_MAX), FD_MAX - 1);
	CHECK(fd_peek(t, -1) == NULL);
	CHECK(fd_peek(t, INT64_MAX) == NULL);
	CHECK(fd_peek(t, FD_MAX) == NULL);
	end();
}

static void replacing_closes_what_was_there(void)
{
	uint64_t before;

	begin();
	CHECK_INT(fd_install(t, a_file(), true, 0, 10), 0);
	before = file_count();
	CHECK_INT(fd_replace(t, a_file(), 0, false, 10), 0);
	CHECK_INT(file_count(), before);
	CHECK(!fd_cloexec(t, 0));
	end();
}

static void exec_closes_what_is_marked(void)
{
	begin();
	for (int i = 0; i < 130; i++)
		CHECK_INT(fd_install(t, a_file(), i % 3 == 0, 0, 1024), i);
	fd_set_cloexec(t, 3, false);
	fd_set_cloexec(t, 4, true);
	fd_set_cloexec(t, 9999, true);
	fd_close_on_exec(t);
	CHECK(fd_peek(t, 0) == NULL);
	CHECK(fd_peek(t, 1) != NULL);
	CHECK(fd_peek(t, 3) != NULL);
	CHECK(fd_peek(t, 4) == NULL);
	CHECK(fd_peek(t, 129) == NULL);
	CHECK_INT(fd_install(t, a_file(), false, 0, 1024), 0);
	end();
}

static void a_copy_lives_on_its_own(void)
{
	struct fd_table *copy;

	begin();
	CHECK_INT(fd_install(t, a_file(), true, 7, 1024), 7);
	CHECK_INT(fd_table_copy(t, &copy), 0);
	CHECK(fd_peek(copy, 7) == fd_peek(t, 7));
	CHECK(fd_cloexec(copy, 7));
	CHECK_INT(fd_close(t, 7), 0);
	CHECK(fd_peek(copy, 7) != NULL);
	CHECK_INT(fd_install(copy, a_file(), false, 0, 1024), 0);
	CHECK(fd_peek(t, 0) == NULL);
	fd_table_put(copy);
	end();
}

/* Whoever takes all there are is stopped before the others are. */
static void the_last_files_are_shared_out(void)
{
	struct fd_table *other;
	int r, taken = 0;

	begin();
	CHECK_INT(fd_table_new(&other), 0);
	while ((r = fd_install(t, a_file(), false, 0, FD_MAX)) >= 0)
		taken++;
	CHECK_INT(r, -EMFILE);
	CHECK_INT(taken, FILE_LIMIT / 4 * 3 - 1);
	for (int i = 0; i < 1000; i++)
		CHECK_INT(fd_install(other, a_file(), false, 0, FD_MAX), i);
	CHECK_INT(fd_install(t, a_file(), false, 0, FD_MAX), -EMFILE);
	CHECK_INT(fd_close(t, 0), 0);
	CHECK_INT(fd_install(t, a_file(), false, 0, FD_MAX), -EMFILE);
	fd_table_put(t);
	CHECK_INT(fd_table_new(&t), 0);
	CHECK_INT(fd_install(t, a_file(), false, 0, FD_MAX), 0);
	fd_table_put(other);
	end();
}

static void no_table_holds_nothing(void)
{
	CHECK(fd_get(NULL, 0) == NULL);
	CHECK_INT(fd_install(NULL, a_file(), false, 0, 10), -EMFILE);
	CHECK_INT(fd_replace(NULL, a_file(), 0, false, 10), -EBADF);
	CHECK_INT(fd_close(NULL, 0), -EBADF);
	CHECK_INT(fd_next(NULL, 0), -1);
	fd_close_on_exec(NULL);
	fd_table_put(NULL);
	file_fini();
	CHECK_INT(file_count(), 0);
}

static const struct test tests[] = {
	TEST(the_lowest_free_number_is_given), TEST(the_limit_is_kept),
	TEST(replacing_closes_what_was_there), TEST(exec_closes_what_is_marked),
	TEST(a_copy_lives_on_its_own),	       TEST(the_last_files_are_shared_out),
	TEST(no_table_holds_nothing),
};
TEST_MAIN(tests)
