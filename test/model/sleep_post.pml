/*
 * sleep_post.pml - a server that goes to sleep while a caller posts (area.h), on a
 * processor with store buffers: a write becomes visible to the other side some time
 * after it was made, reads may overtake it. This is what x86 does, and what a full
 * fence prevents by waiting until the buffer is empty.
 *
 * Checked: no run ends with the server asleep and a call posted (spin's invalid
 * end states: the caller ends only after every call was served).
 *
 * -DBROKEN_CALLER_FENCE  area_must_ring() without its fence
 * -DBROKEN_SERVER_FENCE  area_sleep_prepare() without its fence
 * -DBROKEN_NO_LOOK       the server sleeps without looking once more
 * -DBROKEN_LATE_SEEN     the server reads `rings` after it looked
 * -DBROKEN_NO_RING       the caller wakes without changing `rings`
 * Each must be rejected.
 */
#define CALLS 2

/* Memory. */
byte posted = 0;   /* calls posted (slot_post and area_mark_posted) */
byte sleepers = 0; /* area_server.sleepers */
byte rings = 0;	   /* area_bell.rings */

bool asleep = false; /* the server is in futex_wait */
byte served = 0;

/* Store buffers: one pending write each is enough for the race. */
bool caller_holds = false; /* caller: posted = caller_value is not visible yet */
byte caller_value;
bool server_holds = false; /* server: sleepers = server_value is not visible yet */
byte server_value;

/* The buffers drain at any time. */
active proctype drain_caller()
{
end:	do
	:: atomic { caller_holds -> posted = caller_value; caller_holds = false }
	od
}

active proctype drain_server()
{
end:	do
	:: atomic { server_holds -> sleepers = server_value; server_holds = false }
	od
}

active proctype caller()
{
	byte number = 0;

	do
	:: number < CALLS ->
		number++;
		/* slot_post, area_mark_posted */
		!caller_holds;
		atomic { caller_value = number; caller_holds = true };
#ifndef BROKEN_CALLER_FENCE
		!caller_holds; /* area_must_ring: full fence ... */
#endif
		if
		:: sleepers != 0 -> /* ... then reads sleepers */
#ifndef BROKEN_NO_RING
			rings++; /* area_ring: a locked instruction */
#endif
			asleep = false /* futex_wake */
		:: else
		fi;
		served == number /* the call is answered: otherwise we wait for ever */
	:: else -> break
	od
}

active proctype server()
{
	byte seen;

end:	do
	:: served < posted -> served++ /* found work */
	:: else ->
#ifndef BROKEN_LATE_SEEN
		seen = rings; /* area_sleep_prepare */
#endif
		!server_holds;
		atomic { server_value = 1; server_holds = true };
#ifndef BROKEN_SERVER_FENCE
		!server_holds;
#endif
#ifndef BROKEN_NO_LOOK
		if
		:: served < posted -> skip /* look once more: there is something */
		:: else ->
#endif
#ifdef BROKEN_LATE_SEEN
			seen = rings;
#endif
			atomic { /* futex_wait(rings == seen) */
				if
				:: rings == seen -> asleep = true
				:: else
				fi
			};
end_asleep:		!asleep
#ifndef BROKEN_NO_LOOK
		fi
#endif
		;
		!server_holds;
		sleepers = 0 /* area_sleep_finish: a locked instruction */
	od
}
