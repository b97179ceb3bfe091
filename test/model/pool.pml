/*
 * pool.pml - the workers of libhascall (lib/pool.h): whoever notices a waiting call
 * wakes one worker if none searches; the watcher finds workers that are blocked.
 *
 * Three calls. Call 2 ends at once. Call 0 is blocked in the kernel until call 2 has
 * ended, and nobody knows that it blocks; call 1 likewise, but it is known to wait
 * (CALL_MAY_WAIT). So a pool that forgets a call, or does not see that its workers
 * are blocked, stands still: an invalid end state.
 *
 * Each step is one atomic access of lib/pool.c, lib/watch.c; what those do under the
 * pool's lock is one atomic block. Full fences make it sequentially consistent (what
 * a missing fence does is shown in sleep_post.pml). A worker that leaves for a call known
 * to wait asks for two others if two calls wait. The watcher's tick is taken only when it
 * has something to find, else time would hide a standstill. It rests when no call waits,
 * or no worker is to be had for one: after 32 ticks, here at any time.
 *
 * -DBROKEN_BEGIN   a worker that found a call does not look after the others
 * -DBROKEN_SLEEP   a worker sleeps without looking once more
 * -DBROKEN_POST    the caller looks at the workers before it marks its call
 * -DBROKEN_REST    the watcher rests without looking once more, when no call waits
 * -DBROKEN_BLIND   the watcher does not see that a worker is blocked
 * -DBROKEN_KNOWN   a call known to wait is counted as running
 * Each must be rejected. For pools that cannot grow: pool_full.pml.
 */
#ifdef FULL
#define CALLS 4
#define WORKERS 2
#define BLOCKS(call) (call == 0)
#else
#define CALLS 3
#define WORKERS 3 /* workers_max */
#define BLOCKS(call) (call != 2)
#endif
#define PARALLEL 1

mtype = { REST, TICK, NOW };		/* enum watch_level */
mtype = { FREE, SEARCH, RUN, BLOCKED }; /* what the watcher sees of a worker: its phase */

bool posted[4]; /* hints */
bool ended[4];
byte searching = 0;
byte running = 0;
byte workers = 0;
mtype watch = REST;
mtype phase[3] = FREE;
bool idle[3];  /* in the idle list */
bool stuck[3]; /* in the kernel, blocked */

#define pending (posted[0] || posted[1] || posted[2] || posted[3])
#define pending_count (posted[0] + posted[1] + posted[2] + posted[3])
#define to_be_had (workers < WORKERS || idle[0] || idle[1] || idle[2])
#define last_ended ended[CALLS - 1]
#define all_ended (ended[0] && ended[1] && ended[2] && last_ended)

inline arm(level) {
	atomic {
		if
		:: level == NOW && watch != NOW -> watch = NOW
		:: level == TICK && watch == REST -> watch = TICK
		:: else
		fi
	}
}

/* call_one(), see_s being the searchers wanted: sets it to 0 if it called nobody. */
inline call_one(is_caller) {
	atomic {
		if
		:: searching >= see_s || running >= PARALLEL -> see_s = 0
		:: else ->
			if
			:: idle[0] -> idle[0] = false; searching++
			:: !idle[0] && idle[1] -> idle[1] = false; searching++
			:: !idle[0] && !idle[1] && idle[2] -> idle[2] = false; searching++
			:: else ->
				if
				:: workers == WORKERS -> see_s = 0
				:: workers < WORKERS && is_caller -> level = NOW; see_s = 0
				:: else ->
					searching++;
					workers++;
					run worker(workers - 1)
				fi
			fi
		fi
	}
}

/* pool_look(). see_s, see_r, level: locals of the caller of this. */
inline look(is_caller, wanted) {
	d_step { see_s = searching; see_r = running; level = REST };
	if
	:: see_s >= wanted
	:: see_s < wanted && see_r >= PARALLEL -> arm(TICK)
	:: else ->
		see_s = wanted;
		do
		:: see_s > 0 -> call_one(is_caller)
		:: else -> break
		od;
		arm(level)
	fi;
	d_step { see_s = 0; see_r = 0; level = REST } /* forgotten: fewer states */
}

proctype worker(byte me)
{
	byte call;
	byte see_s, see_r;
	mtype level = REST;
	bool is_searching = true;

	phase[me] = SEARCH;
	do
	:: atomic { /* pick() */
		if
		:: posted[0] -> posted[0] = false; call = 0
		:: posted[1] -> posted[1] = false; call = 1
		:: posted[2] -> posted[2] = false; call = 2
		:: posted[3] -> posted[3] = false; call = 3
		:: else -> goto nothing
		fi
	   };
		/* worker_begin() */
		atomic {
			if
			:: is_searching -> searching--
			:: else -> running--
			fi;
			is_searching = false;
#ifdef BROKEN_KNOWN
			phase[me] = RUN; running++
#else
			if
			:: call == 1 -> phase[me] = BLOCKED
			:: else -> phase[me] = RUN; running++
			fi
#endif
		};
#ifndef BROKEN_BEGIN
		if
		:: pending && phase[me] == BLOCKED && pending_count > 1 -> look(false, 2)
		:: pending && !(phase[me] == BLOCKED && pending_count > 1) -> look(false, 1)
		:: else
		fi;
#endif
		/* the call */
#ifdef BROKEN_KNOWN
		stuck[me] = (call == 0); /* nobody suspects call 1 */
#else
		stuck[me] = BLOCKS(call);
#endif
		(!BLOCKS(call) || last_ended);
		stuck[me] = false;
		/* worker_end() */
		atomic {
			if
			:: phase[me] == BLOCKED -> running++
			:: else
			fi;
			phase[me] = SEARCH
		};
		d_step { ended[call] = true; call = 0 };
		goto again;
nothing:	if
		:: !is_searching -> /* worker_idle() */
			atomic { running--; searching++; is_searching = true }
		:: else -> /* worker_sleep() */
			atomic { searching--; idle[me] = true };
#ifndef BROKEN_SLEEP
			if
			:: pending ->
				atomic { /* worker_rise() */
					if
					:: idle[me] -> idle[me] = false; searching++
					:: else
					fi
				}
			:: else
			fi;
#endif
end_asleep:		!idle[me]
		fi;
again:		skip
	od
}

active proctype caller()
{
	byte call = 0;
	byte see_s, see_r;
	mtype level = REST;

	/* pool_start() */
	atomic { searching++; workers++; run worker(0) };
	do
	:: call < CALLS ->
#ifdef BROKEN_POST
		look(true, 1);
		posted[call] = true;
#else
		posted[call] = true;
		if
		:: pending -> look(true, 1)
		:: else
		fi;
#endif
		call++
	:: else -> break
	od;
	all_ended
}

/* can_do_something(): the hints, then the rest under the lock. */
inline look_once_more() {
	if
	:: pending ->
		if
		:: to_be_had -> arm(TICK)
		:: else
		fi
	:: else
	fi
}

#define BLOCKED_UNSEEN(w) (phase[w] == RUN && stuck[w])

active proctype watcher()
{
	byte see_s, see_r;
	mtype level = REST;

end:	do
	:: watch == NOW ->
		watch = TICK;
		if
		:: pending -> look(false, 1)
		:: else
		fi
#ifndef BROKEN_BLIND
	:: atomic {
		watch == TICK && pending &&
		(BLOCKED_UNSEEN(0) || BLOCKED_UNSEEN(1) || BLOCKED_UNSEEN(2)) ->
		if
		:: BLOCKED_UNSEEN(0) -> phase[0] = BLOCKED
		:: BLOCKED_UNSEEN(1) -> phase[1] = BLOCKED
		:: BLOCKED_UNSEEN(2) -> phase[2] = BLOCKED
		fi;
		running--
	   };
		if
		:: pending -> look(false, 1)
		:: else
		fi
#endif
	:: watch == TICK && !pending ->
		atomic {
			if
			:: watch == TICK -> watch = REST
			:: else -> goto next
			fi
		};
#ifndef BROKEN_REST
		look_once_more();
#endif
next:		skip
	:: watch == TICK && pending && !to_be_had ->
		atomic {
			if
			:: watch == TICK -> watch = REST
			:: else -> goto next_full
			fi
		};
#ifndef BROKEN_FULL
		look_once_more();
#endif
next_full:	skip
	od
}
