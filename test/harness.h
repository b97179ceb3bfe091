#ifndef TEST_HARNESS_H
#define TEST_HARNESS_H
/*
 * harness.h - runs a table of tests and speaks TAP. Layer: test.
 *
 *	static void full_port_makes_the_sender_wait(void)
 *	{
 *		CHECK(...);
 *	}
 *	static const struct test tests[] = {
 *		TEST(full_port_makes_the_sender_wait),
 *		TEST_LONG(ten_thousand_calls_arrive, 30),
 *	};
 *	TEST_MAIN(tests)
 *
 * Order    tests run one after the other, in the table's order.
 * Limit    a test has TEST_SECONDS (TEST_LONG: its own number; five times that
 *          under a sanitizer; HASCALL_TEST_SLOWER times that, if it is in the
 *          environment); then all its processes are killed.
 * Owner    each test is a process of its own. It fails if it leaves a descriptor
 *          open or a process alive.
 * Thread   any thread, and any process made by fork(), may CHECK.
 *
 * A program made so takes names of tests (as in the table) to run only those;
 * -l lists them, -n runs the one named in this process, for a debugger.
 * Exit status: 0, 1 if a test failed, 2 for wrong usage.
 *
 * Way down: test_main -> run_one -> fork -> test.fn.
 */
#include "base/cc.h"

#include <stdint.h>

#define TEST_SECONDS 10u

struct test {
	const char *name; /* a sentence that can be false, words joined by _ */
	void (*fn)(void);
	unsigned int seconds;
};

#define TEST(function) TEST_LONG(function, TEST_SECONDS)
#define TEST_LONG(function, limit)                                  \
	{                                                           \
		.name = #function, .fn = function, .seconds = limit \
	}
#define TEST_MAIN(tests)                                                 \
	int main(int argc, char **argv)                                  \
	{                                                                \
		return test_main(argc, argv, tests, ARRAY_COUNT(tests)); \
	}

/* True in a build with a sanitizer: use it for counts of loops, never for promises. */
extern const bool test_sanitized;

/* A check that fails ends its test at once and says what was seen. */
#define CHECK(cond)                                                 \
	do {                                                        \
		if (!(cond))                                        \
			test_fail(__FILE__, __LINE__, "%s", #cond); \
	} while (0)
/* Both are converted to int64_t: for results, counts, numbers. */
#define CHECK_INT(seen, wanted) \
	test_check_int(__FILE__, __LINE__, #seen, (int64_t)(seen), (int64_t)(wanted))
#define CHECK_STR(seen, wanted) test_check_str(__FILE__, __LINE__, #seen, seen, wanted)
/* End this test as skipped; the reason is a sentence that says what is missing. */
#define SKIP(...) test_skip(__VA_ARGS__)

int test_main(int argc, char **argv, const struct test *tests, size_t count);
_Noreturn void test_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);
_Noreturn void test_skip(const char *format, ...) PRINTF_LIKE(1, 2);
void test_check_int(const char *file, int line, const char *text, int64_t seen, int64_t wanted);
void test_check_str(const char *file, int line, const char *text, const char *seen,
		    const char *wanted);

#endif /* TEST_HARNESS_H */
