/*
 * test_slot.c - what slot.h promises of one entry, one thread playing both sides:
 * which move is possible in which state, what each hands over, what is -EPROTO.
 */
#include "slot/slot.h"
#include "test/harness.h"

static const uint64_t args[6] = { 11, 12, 13, 14, 15, 16 };

static void call_and_result_go_round(void)
{
	struct syscall_info e = { 0 };

	for (int64_t round = 0; round < 3; round++) {
		struct slot_call call = { 0 };
		bool must_wake = true;
		uint32_t flags = 0;
		int64_t ret = 0;

		CHECK_INT(slot_post(&e, 39, args), 0);
		CHECK_INT(slot_state(&e), SYSCALL_HASCALL);
		CHECK_INT(slot_claim(&e, &call), 0);
		CHECK_INT(slot_state(&e), SYSCALL_EXECUTING);
		CHECK_INT(call.num, 39);
		for (unsigned int i = 0; i < 6; i++)
			CHECK_INT(call.arg[i], args[i]);
		CHECK_INT(slot_complete(&e, -7 - round, 3, &must_wake), 0);
		CHECK(!must_wake);
		CHECK_INT(slot_take(&e, &ret, &flags), 0);
		CHECK_INT(ret, -7 - round);
		CHECK_INT(flags, 3);
		CHECK_INT(slot_state(&e), SYSCALL_NONE);
	}
}

enum move { POST, CLAIM, COMPLETE, TAKE, RECALL, WAIT_BEGIN, END, CLAIM_HELD, UNHOLD, MOVES };

static int try_move(enum move m, struct syscall_info *e)
{
	struct slot_call call = { 0 };
	bool must_wake;
	uint32_t word;
	int64_t ret;

	switch (m) {
	case POST:
		return slot_post(e, 1, args);
	case CLAIM:
		return slot_claim(e, &call);
	case COMPLETE:
		return slot_complete(e, 0, 0, &must_wake);
	case TAKE:
		return slot_take(e, &ret, &word);
	case RECALL:
		return slot_recall(e);
	case WAIT_BEGIN:
		return slot_wait_begin(e, &word);
	case END:
		return slot_end(e);
	case CLAIM_HELD:
		return slot_claim_held(e, &call);
	case UNHOLD:
		return slot_unhold(e);
	case MOVES:
		break;
	}
	return -EINVAL;
}

static void every_move_in_every_state_has_its_answer(void)
{
	static const int answer[MOVES][SYSCALL_END + 1] = {
		/* NONE, HASCALL, EXECUTING, COMPLETED, END */
		[POST] = { 0, -EAGAIN, -EAGAIN, -EAGAIN, -ESHUTDOWN },
		[CLAIM] = { -EAGAIN, 0, -EAGAIN, -EAGAIN, -ESHUTDOWN },
		[COMPLETE] = { -EPROTO, -EPROTO, 0, -EPROTO, -EPROTO },
		[TAKE] = { -EPROTO, -EAGAIN, -EAGAIN, 0, -EPROTO },
		[RECALL] = { -EPROTO, 0, -EAGAIN, -EAGAIN, -EPROTO },
		[WAIT_BEGIN] = { -EPROTO, 0, 0, -EAGAIN, -EPROTO },
		[END] = { 0, -EAGAIN, -EAGAIN, -EAGAIN, 0 },
		[CLAIM_HELD] = { -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -ESHUTDOWN },
		[UNHOLD] = { -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN },
	};

	for (int m = 0; m < MOVES; m++)
		for (uint32_t state = SYSCALL_NONE; state <= SYSCALL_END; state++) {
			struct syscall_info e = { .state = state };

			CHECK_INT(try_move((enum move)m, &e), answer[m][state]);
		}
}

static void a_refused_move_leaves_the_entry_alone(void)
{
	/* complete is the exception: it has overwritten the word before it can tell */
	static const enum move moves[] = { POST,       CLAIM, TAKE,	  RECALL,
					   WAIT_BEGIN, END,   CLAIM_HELD, UNHOLD };

	for (size_t m = 0; m < ARRAY_COUNT(moves); m++)
		for (uint32_t word = 0; word < 0x1000; word++) {
			struct syscall_info e = { .state = word, .num = 5, .ret = 6, .arg = { 7 } };

			if (try_move(moves[m], &e) == 0)
				continue;
			CHECK_INT(e.state, word);
			CHECK_INT(e.num, 5);
			CHECK_INT(e.ret, 6);
			CHECK_INT(e.arg[0], 7);
		}
}

/* The table of syscall_info.h. */
static bool is_legal(uint32_t state, uint32_t beside)
{
	if (beside == SYSCALL_LINKED)
		return state == SYSCALL_HASCALL || state == SYSCALL_EXECUTING;
	return beside == SYSCALL_HELD && state == SYSCALL_HASCALL;
}

static void an_impossible_word_is_a_protocol_error_for_every_move(void)
{
	for (int m = 0; m < MOVES; m++) {
		for (uint32_t state = SYSCALL_END + 1; state <= SYSCALL_STATE_MASK; state++) {
			struct syscall_info e = { .state = state };

			CHECK_INT(try_move((enum move)m, &e), -EPROTO);
		}
		for (unsigned int bit = 9; bit < 32; bit++)
			for (uint32_t state = SYSCALL_NONE; state <= SYSCALL_END; state++) {
				struct syscall_info e = { .state = state | UINT32_C(1) << bit };

				if (is_legal(state, UINT32_C(1) << bit))
					continue;
				CHECK_INT(slot_state(&e), -EPROTO);
				CHECK_INT(try_move((enum move)m, &e), -EPROTO);
			}
	}
}

static void executor_tells_how_far_a_call_is(void)
{
	struct syscall_info e = { .ret = 77 };
	struct slot_call call = { 0 };
	bool must_wake = false;
	uint32_t flags;
	int64_t ret = 0;

	slot_tell(&e, 0);
	CHECK_INT(slot_post(&e, 1, args), 0);
	CHECK_INT(slot_told(&e), 0);
	CHECK_INT(slot_claim(&e, &call), 0);
	CHECK(!call.linked);
	CHECK_INT(slot_told(&e), 0);
	slot_tell(&e, 32768);
	CHECK_INT(slot_told(&e), 32768);
	CHECK_INT(slot_state(&e), SYSCALL_EXECUTING);
	CHECK_INT(slot_complete(&e, 40000, 0, &must_wake), 0);
	CHECK_INT(slot_told(&e), 40000);
	CHECK_INT(slot_take(&e, &ret, &flags), 0);
	CHECK_INT(ret, 40000);
}

static void recalled_call_cannot_be_claimed(void)
{
	struct syscall_info e = { 0 };
	struct slot_call call = { 0 };

	CHECK_INT(slot_post(&e, 1, args), 0);
	CHECK_INT(slot_recall(&e), 0);
	CHECK_INT(slot_claim(&e, &call), -EAGAIN);
	CHECK_INT(slot_post(&e, 2, args), 0);
	CHECK_INT(slot_claim(&e, &call), 0);
	CHECK_INT(call.num, 2);
	CHECK_INT(slot_recall(&e), -EAGAIN);
}

static void waited_set_before_the_claim_reaches_complete(void)
{
	struct syscall_info e = { 0 };
	struct slot_call call = { 0 };
	bool must_wake = false;
	uint32_t word = 0;
	uint32_t flags;
	int64_t ret;

	CHECK_INT(slot_post(&e, 1, args), 0);
	CHECK_INT(slot_wait_begin(&e, &word), 0);
	CHECK_INT(word, SYSCALL_HASCALL | SYSCALL_WAITED);
	CHECK_INT(e.state, word);
	CHECK_INT(slot_claim(&e, &call), 0);
	CHECK_INT(slot_wait_begin(&e, &word), 0);
	CHECK_INT(word, SYSCALL_EXECUTING | SYSCALL_WAITED);
	CHECK_INT(slot_take(&e, &ret, &flags), -EAGAIN);
	CHECK_INT(slot_complete(&e, 1, 0, &must_wake), 0);
	CHECK(must_wake);
	CHECK_INT(e.state, SYSCALL_COMPLETED);
	CHECK_INT(slot_wait_begin(&e, &word), -EAGAIN);
}

static void waited_call_can_be_recalled(void)
{
	struct syscall_info e = { 0 };
	uint32_t word;

	CHECK_INT(slot_post(&e, 1, args), 0);
	CHECK_INT(slot_wait_begin(&e, &word), 0);
	CHECK_INT(slot_recall(&e), 0);
	CHECK_INT(e.state, SYSCALL_NONE);
}

static void end_stays_for_every_executor(void)
{
	struct syscall_info e = { 0 };
	struct slot_call call = { 0 };

	CHECK_INT(slot_end(&e), 0);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_INT(slot_claim(&e, &call), -ESHUTDOWN);
	CHECK_INT(slot_end(&e), 0);
	CHECK_INT(slot_state(&e), SYSCALL_END);
}

static void held_call_is_claimed_only_by_its_link(void)
{
	struct syscall_info e = { 0 };
	struct slot_call call = { 0 };
	bool must_wake = true;
	uint32_t flags;
	int64_t ret = 0;

	CHECK_INT(slot_post_held(&e, 7, args, 0x1234), 0);
	CHECK_INT(slot_state(&e), SYSCALL_HASCALL);
	CHECK_INT(slot_claim(&e, &call), -EAGAIN);
	CHECK_INT(slot_end(&e), -EAGAIN);
	CHECK_INT(slot_post(&e, 7, args), -EAGAIN);
	CHECK_INT(slot_claim_held(&e, &call), 0);
	CHECK_INT(e.state, SYSCALL_EXECUTING | SYSCALL_LINKED);
	CHECK(call.linked);
	CHECK_INT(call.link, 0x1234);
	CHECK_INT(call.num, 7);
	CHECK_INT(call.arg[5], 16);
	CHECK_INT(slot_claim_held(&e, &call), -EAGAIN);
	CHECK_INT(slot_complete(&e, 9, 0, &must_wake), 0);
	CHECK(!must_wake);
	CHECK_INT(e.state, SYSCALL_COMPLETED);
	CHECK_INT(slot_take(&e, &ret, &flags), 0);
	CHECK_INT(ret, 9);
}

static void first_of_a_chain_is_claimed_as_any_call_and_has_its_link(void)
{
	struct syscall_info e = { 0 };
	struct slot_call call = { 0 };

	CHECK_INT(slot_post_first(&e, 7, args, SYSCALL_LINK_NEXT(3)), 0);
	CHECK_INT(slot_claim_held(&e, &call), -EAGAIN);
	CHECK_INT(slot_claim(&e, &call), 0);
	CHECK(call.linked);
	CHECK_INT(call.link, SYSCALL_LINK_NEXT(3));
}

/* What is in ret of a plain call is not a link word, whatever was left there. */
static void plain_call_has_no_link(void)
{
	struct syscall_info e = { .ret = 77 };
	struct slot_call call = { .linked = true, .link = 5 };

	CHECK_INT(slot_post(&e, 7, args), 0);
	CHECK_INT(slot_claim(&e, &call), 0);
	CHECK(!call.linked);
	CHECK_INT(call.link, 0);
}

static void linked_and_held_entries_can_be_recalled_and_waited_for(void)
{
	struct syscall_info e = { 0 };
	struct slot_call call = { 0 };
	bool must_wake = false;
	uint32_t word = 0;

	CHECK_INT(slot_post_first(&e, 7, args, 1), 0);
	CHECK_INT(slot_recall(&e), 0);
	CHECK_INT(slot_post_held(&e, 7, args, 1), 0);
	CHECK_INT(slot_recall(&e), 0);
	CHECK_INT(e.state, SYSCALL_NONE);
	CHECK_INT(slot_post_held(&e, 7, args, 1), 0);
	CHECK_INT(slot_wait_begin(&e, &word), 0);
	CHECK_INT(word, SYSCALL_HASCALL | SYSCALL_LINKED | SYSCALL_HELD | SYSCALL_WAITED);
	CHECK_INT(slot_claim(&e, &call), -EAGAIN);
	CHECK_INT(slot_claim_held(&e, &call), 0);
	CHECK_INT(e.state, SYSCALL_EXECUTING | SYSCALL_LINKED | SYSCALL_WAITED);
	CHECK_INT(slot_complete(&e, 0, 0, &must_wake), 0);
	CHECK(must_wake);
}

static void unheld_call_is_claimed_as_any_call(void)
{
	struct syscall_info e = { 0 };
	struct slot_call call = { 0 };
	uint32_t word;

	CHECK_INT(slot_unhold(&e), -EAGAIN);
	CHECK_INT(slot_post(&e, 7, args), 0);
	CHECK_INT(slot_unhold(&e), -EAGAIN);
	CHECK_INT(slot_recall(&e), 0);
	CHECK_INT(slot_post_held(&e, 7, args, 1), 0);
	CHECK_INT(slot_wait_begin(&e, &word), 0);
	CHECK_INT(slot_unhold(&e), 0);
	CHECK_INT(e.state, SYSCALL_HASCALL | SYSCALL_LINKED | SYSCALL_WAITED);
	CHECK_INT(slot_claim(&e, &call), 0);
	CHECK_INT(call.link, 1);
	e.state = 0xbad;
	CHECK_INT(slot_unhold(&e), -EPROTO);
}

static const struct test tests[] = {
	TEST(held_call_is_claimed_only_by_its_link),
	TEST(first_of_a_chain_is_claimed_as_any_call_and_has_its_link),
	TEST(plain_call_has_no_link),
	TEST(linked_and_held_entries_can_be_recalled_and_waited_for),
	TEST(unheld_call_is_claimed_as_any_call),
	TEST(call_and_result_go_round),
	TEST(every_move_in_every_state_has_its_answer),
	TEST(a_refused_move_leaves_the_entry_alone),
	TEST(an_impossible_word_is_a_protocol_error_for_every_move),
	TEST(executor_tells_how_far_a_call_is),
	TEST(recalled_call_cannot_be_claimed),
	TEST(waited_set_before_the_claim_reaches_complete),
	TEST(waited_call_can_be_recalled),
	TEST(end_stays_for_every_executor),
};
TEST_MAIN(tests)
