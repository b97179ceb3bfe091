/*
 * chain.pml - a chain of four calls, two executors, and a caller that recalls it, cancels
 * its first call or a later one, or only waits (lib/chain.h, lib/cut.c).
 *
 *     entry 0 -> 1 -> 2 (ALWAYS) -> 3; only 0 has a hint, the others are held
 *
 * Checked: each call is executed at most once, and never before the one before it is
 * completed; a chain that failed executes only what is ALWAYS; a cancel that was taken
 * for one of a held call is obeyed; each entry completes (spin's invalid end states:
 * the caller waits for all).
 *
 * -DBROKEN_HELD    an executor begins a held call whose hint lies
 * -DBROKEN_LOOK    the executor looks for a cancel before it claims, not after
 * -DBROKEN_LATE    the caller looks whether the call is held, then notes the cancel
 * -DBROKEN_DROP    who cancels the first call forgets the rest
 * -DBROKEN_HINT    the ALWAYS call is handed over without a hint
 * -DBROKEN_FORGET  the handed-over call's followers are not told of the failure
 * -DBROKEN_RECALL  the caller recalls a later call while the first is another's
 * -DBROKEN_TWICE   the handed-over call is also followed by who handed it over
 * Each must be rejected.
 */
#define LENGTH 4

mtype = { NONE, HASCALL, EXECUTING, COMPLETED };

mtype state[LENGTH];
bool held[LENGTH]; /* a bit of the same word */
bool posted[LENGTH]; /* hints */
bool cut[LENGTH];
byte executed[LENGTH];
bool failed[LENGTH];
bool asked_held[LENGTH]; /* hascall_cancel() found it held after it noted the cancel */
bool recalled = false;
bool done = false;

#define ALWAYS(i) ((i) == 2)

/* slot_claim(), slot_claim_held(): `got` */
inline claim(i, is_held) {
	atomic {
#ifdef BROKEN_HELD
		got = (state[i] == HASCALL);
#else
		got = (state[i] == HASCALL && held[i] == is_held);
#endif
		if
		:: got -> state[i] = EXECUTING; held[i] = false
		:: else
		fi
	}
}

inline complete(i) {
	assert(state[i] == EXECUTING);
	state[i] = COMPLETED
}

inline execute(i) {
	executed[i]++;
	assert(executed[i] == 1);
	assert(!recalled);
	assert(!asked_held[i]);
	if
	:: i > 0 -> assert(state[i - 1] == COMPLETED)
	:: else
	fi;
	if
	:: true -> failed[i] = true; chain_failed = true
	:: true
	fi
}

proctype executor()
{
	byte e;
	bool got, chain_failed, is_cut;

end:	do
	:: atomic {
		posted[0] || posted[1] || posted[2] ->
		if
		:: posted[0] -> posted[0] = false; e = 0
		:: posted[1] -> posted[1] = false; e = 1
		:: posted[2] -> posted[2] = false; e = 2
		fi
	   };
		chain_failed = false;
		claim(e, false);
		if
		:: !got -> goto next
		:: else
		fi;
		is_cut = cut[e];
begin:
#ifdef BROKEN_LOOK
		skip;
#else
		is_cut = cut[e];
#endif
		if
		:: is_cut || (chain_failed && !ALWAYS(e)) -> chain_failed = true
		:: else -> execute(e)
		fi;
		complete(e);
		if
		:: e + 1 == LENGTH -> goto next
		:: else
		fi;
		e++;
#ifdef BROKEN_LOOK
		is_cut = cut[e];
#endif
		claim(e, true);
		assert(got); /* else it is stuck */
		goto begin;
next:		e = 0;
		got = false;
		is_cut = false;
		chain_failed = false
	:: done -> break
	od
}

/* finish_claimed(), drop_rest(), hand_over(): the caller has claimed call 0 to cancel it. */
inline drop_rest() {
	complete(0);
#ifndef BROKEN_DROP
	claim(1, true);
	assert(got);
	complete(1);
	if
	:: cut[2] -> /* cancelled before: not handed over */
		claim(2, true);
		assert(got);
		complete(2);
		claim(3, true);
		assert(got);
		complete(3)
	:: else ->
#ifndef BROKEN_FORGET
		cut[3] = true;
		asked_held[3] = true;
#endif
		atomic { assert(state[2] == HASCALL && held[2]); held[2] = false };
#ifndef BROKEN_HINT
		posted[2] = true;
#endif
#ifdef BROKEN_TWICE
		claim(3, true);
		if
		:: got -> complete(3)
		:: else
		fi;
#endif
		gave_up = true
	fi
#endif
}

/* hascall_cancel() of a later call. */
inline cancel_held(i) {
#ifdef BROKEN_LATE
	if
	:: held[i] ->
		cut[i] = true;
		asked_held[i] = true
	:: else
	fi
#else
	cut[i] = true;
	atomic {
		if
		:: held[i] -> asked_held[i] = true
		:: else
		fi
	}
#endif
}

active proctype caller()
{
	bool got, gave_up;
	byte i;

	run executor();
	run executor();
	/* Held ones first, the first one last. */
	atomic { state[3] = HASCALL; held[3] = true };
	atomic { state[2] = HASCALL; held[2] = true };
	atomic { state[1] = HASCALL; held[1] = true };
#ifdef BROKEN_HELD
	posted[1] = true; /* a hint that lies */
#endif
	state[0] = HASCALL;
	posted[0] = true;
	if
	:: true
	:: true -> cancel_held(1)
	:: true -> cancel_held(2)
	:: true -> cancel_held(3)
	fi;
	if
	:: true
	:: claim(0, false); /* hascall_cancel() of the first */
		if
		:: got -> drop_rest()
		:: else
		fi
	:: atomic { /* hascall_recall() of the first */
		got = (state[0] == HASCALL);
		if
		:: got -> state[0] = NONE
		:: else
		fi
	   };
#ifdef BROKEN_RECALL
		got = true;
#endif
		if
		:: got ->
			i = 1;
			do
			:: i < LENGTH ->
				atomic {
					assert(state[i] == HASCALL && held[i]);
					state[i] = NONE;
					held[i] = false
				};
				i++
			:: else -> break
			od;
			recalled = true;
			goto over
		:: else
		fi
	fi;
	state[0] == COMPLETED;
	state[1] == COMPLETED;
	state[2] == COMPLETED;
	state[3] == COMPLETED;
	/* What is not ALWAYS did not run after a failure. */
	assert(!(failed[0] && executed[1] > 0));
	assert(!((failed[0] || failed[1] || gave_up) && executed[3] > 0));
	assert(!(gave_up && !cut[2] && executed[2] == 0));
over:	done = true
}
