/*
 * test_area.c - what area.h promises of hints, bell and sleepers, in one thread.
 */
#include "slot/area.h"
#include "test/harness.h"

static void taken_word_holds_the_marks_once(void)
{
	struct area_hint hint = { 0 };

	area_mark_posted(&hint, 0);
	area_mark_posted(&hint, 63);
	area_mark_posted(&hint, 64);
	area_mark_posted(&hint, 255);
	CHECK(area_any_posted(&hint));
	CHECK(area_take_posted(&hint, 0) == (1 | UINT64_C(1) << 63));
	CHECK(area_take_posted(&hint, 0) == 0);
	CHECK(area_take_posted(&hint, 1) == 1);
	CHECK(area_take_posted(&hint, 2) == 0);
	CHECK(area_take_posted(&hint, 3) == UINT64_C(1) << 63);
	CHECK(!area_any_posted(&hint));
}

static void cancel_marks_are_apart_from_posts(void)
{
	struct area_hint hint = { 0 };

	area_mark_cancel(&hint, 70);
	CHECK(!area_any_posted(&hint));
	CHECK(area_take_posted(&hint, 1) == 0);
	CHECK(area_take_cancel(&hint, 1) == UINT64_C(1) << 6);
	CHECK(area_take_cancel(&hint, 1) == 0);
}

static void entries_and_words_out_of_range_do_nothing(void)
{
	struct {
		struct area_hint hint;
		uint64_t guard[8];
	} m = { 0 };

	area_mark_posted(&m.hint, AREA_HINT_ENTRIES);
	area_mark_posted(&m.hint, UINT32_MAX);
	area_mark_cancel(&m.hint, AREA_HINT_ENTRIES);
	area_unmark_posted(&m.hint, AREA_HINT_ENTRIES);
	CHECK(!area_any_posted(&m.hint));
	for (unsigned int i = 0; i < 8; i++)
		CHECK(m.guard[i] == 0);
	CHECK(area_take_posted(&m.hint, AREA_HINT_WORDS) == 0);
	CHECK(area_take_cancel(&m.hint, UINT32_MAX) == 0);
	CHECK_INT(area_take_one(&m.hint, UINT32_MAX), -1);
}

static void unmark_takes_one_mark_away(void)
{
	struct area_hint hint = { 0 };

	area_mark_posted(&hint, 100);
	area_mark_posted(&hint, 101);
	area_unmark_posted(&hint, 100);
	CHECK(area_take_posted(&hint, 1) == UINT64_C(1) << (101 - 64));
}

static void taking_one_by_one_visits_all_marks_in_turn(void)
{
	static const unsigned int marks[] = { 3, 7, 63, 64, 130, 255 };
	struct area_hint hint = { 0 };
	unsigned int from = 60;

	for (size_t i = 0; i < ARRAY_COUNT(marks); i++)
		area_mark_posted(&hint, marks[i]);
	for (size_t i = 0; i < ARRAY_COUNT(marks); i++) {
		int entry = area_take_one(&hint, from);

		CHECK_INT(entry, marks[(i + 2) % ARRAY_COUNT(marks)]); /* 63 comes first */
		from = (unsigned int)entry + 1;
	}
	CHECK_INT(area_take_one(&hint, from), -1);
}

static void one_mark_is_found_from_everywhere(void)
{
	for (unsigned int mark = 0; mark < AREA_HINT_ENTRIES; mark++)
		for (unsigned int from = 0; from <= AREA_HINT_ENTRIES; from += 5) {
			struct area_hint hint = { 0 };

			area_mark_posted(&hint, mark);
			CHECK_INT(area_take_one(&hint, from), mark);
			CHECK_INT(area_take_one(&hint, from), -1);
		}
}

static void only_a_sleeping_server_must_be_rung(void)
{
	struct area_server server = { 0 };
	struct area_bell bell = { 0 };
	uint32_t seen = 1;

	CHECK(!area_must_ring(&server));
	area_sleep_prepare(&server, &bell, &seen);
	CHECK_INT(seen, 0);
	CHECK(area_must_ring(&server));
	area_sleep_prepare(&server, &bell, &seen); /* a second one */
	area_sleep_finish(&server);
	CHECK(area_must_ring(&server));
	area_sleep_finish(&server);
	CHECK(!area_must_ring(&server));
}

static void ring_after_prepare_changes_what_was_seen(void)
{
	struct area_server server = { 0 };
	struct area_bell bell = { .rings = UINT32_MAX };
	uint32_t seen;

	area_sleep_prepare(&server, &bell, &seen);
	area_ring(&bell);
	CHECK(bell.rings != seen);
	CHECK_INT(bell.rings, 0);
	area_sleep_finish(&server);
}

static void parts_lie_on_lines_of_their_own(void)
{
	CHECK_INT(sizeof(struct area_hint), 64);
	CHECK_INT(sizeof(struct area_bell), 64);
	CHECK_INT(sizeof(struct area_server), 64);
}

static const struct test tests[] = {
	TEST(taken_word_holds_the_marks_once),
	TEST(cancel_marks_are_apart_from_posts),
	TEST(entries_and_words_out_of_range_do_nothing),
	TEST(unmark_takes_one_mark_away),
	TEST(taking_one_by_one_visits_all_marks_in_turn),
	TEST(one_mark_is_found_from_everywhere),
	TEST(only_a_sleeping_server_must_be_rung),
	TEST(ring_after_prepare_changes_what_was_seen),
	TEST(parts_lie_on_lines_of_their_own),
};
TEST_MAIN(tests)
