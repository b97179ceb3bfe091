/*
 * claim_recall.pml - one entry, one caller, two executors: what slot.h promises of
 * claim against recall, of complete against WAITED, and of END.
 *
 * Each step of this model is one atomic access of slot.h to the state word; data
 * that travels with it is modelled by `posted` (number of the call) and by counts.
 * Sequential consistency: the order of the other fields is TSan's matter
 * (test/slot), sleep against post is in sleep_post.pml.
 *
 * Checked: each call is executed exactly once or recalled exactly once (`executed`,
 * `recalled`), the caller takes the result of its own call (`result`), and no run
 * ends with the caller asleep (spin's invalid end states).
 *
 * -DBROKEN_CLAIM   the claim writes EXECUTING instead of comparing and swapping
 * -DBROKEN_RECALL  the recall writes NONE instead of comparing and swapping
 * -DBROKEN_WAITED  complete reads WAITED first, then writes COMPLETED
 * -DBROKEN_RETRY   a claim that met a new WAITED gives up: the call is stranded
 * Each must be rejected.
 */
#define CALLS 2
#ifdef BROKEN_RETRY
#define TRIES 1
#else
#define TRIES 4 /* SLOT_TRIES */
#endif

mtype = { NONE, HASCALL, EXECUTING, COMPLETED, END };

mtype state = NONE;  /* the state word: low byte ... */
bool waited = false; /* ... and the bit beside it; always accessed together */
byte hints = 0;	     /* posted bits not yet taken: who takes one looks once */
byte posted;	     /* num and arg: number of the call in the entry */
byte result;	     /* ret */
bool asleep = false; /* the caller is in futex_wait on the state word */
bool done = false;   /* END was posted: executors need no hint to see it */

byte executed[CALLS];
byte recalled[CALLS];

/* futex_wait(word): sleeps only if the word is as it was seen. One atomic step. */
inline futex_wait(seen) {
	atomic {
		if
		:: state == seen && waited -> asleep = true
		:: else
		fi
	}
	!asleep
}

active proctype caller()
{
	byte number = 0;
	mtype seen;
	bool taken;

	do
	:: number < CALLS ->
		/* post: owned by us, plain writes, then the state */
		assert(state == NONE);
		posted = number;
		atomic { state = HASCALL; waited = false; hints++ }
		taken = false;
		do
		:: taken -> break
		:: !taken ->
			if
			:: true -> /* try to take it */
				if
				:: state == COMPLETED ->
					assert(result == number + 100);
					state = NONE;
					taken = true
				:: else
				fi
			:: true -> /* try to recall it */
#ifdef BROKEN_RECALL
				if
				:: state == HASCALL ->
					atomic { state = NONE; waited = false };
					recalled[number]++;
					taken = true
				:: else
				fi
#else
				atomic {
					if
					:: state == HASCALL ->
						state = NONE; waited = false;
						recalled[number]++;
						taken = true
					:: else
					fi
				}
#endif
			:: true -> /* wait_begin, then sleep */
				atomic {
					if
					:: state == HASCALL || state == EXECUTING ->
						waited = true; seen = state
					:: else -> seen = NONE
					fi
				}
				if
				:: seen != NONE -> futex_wait(seen)
				:: else
				fi
			fi
		od;
		assert(executed[number] + recalled[number] == 1);
		number++
	:: else -> break
	od;
	assert(state == NONE);
	atomic { state = END; done = true }
}

active [2] proctype executor()
{
	mtype old;
	bool old_waited;
	byte mine;
	bool got;
	byte tries;

	do
	:: atomic { hints > 0 -> hints-- };
		got = false;
		tries = 0;
		/* claim: look, compare and swap, look again if WAITED appeared */
		do
		:: tries == TRIES -> break
		:: tries < TRIES ->
			tries++;
			d_step { old = state; old_waited = waited };
			if
			:: old != HASCALL -> break
			:: else
			fi;
#ifdef BROKEN_CLAIM
			atomic { state = EXECUTING; waited = old_waited };
			got = true;
			break
#else
			atomic {
				if
				:: state == old && waited == old_waited ->
					state = EXECUTING; got = true
				:: else
				fi
			};
			if
			:: got -> break
			:: else
			fi
#endif
		od;
		if
		:: got ->
			mine = posted;
			executed[mine]++;
			result = mine + 100;
#ifdef BROKEN_WAITED
			old_waited = waited;
			atomic { state = COMPLETED; waited = false };
#else
			/* complete: one exchange of the whole word */
			atomic {
				assert(state == EXECUTING);
				old_waited = waited;
				state = COMPLETED; waited = false
			};
#endif
			if
			:: old_waited -> asleep = false /* futex_wake */
			:: else
			fi
		:: else
		fi
	:: done && hints == 0 -> assert(state == END); break
	od
}
