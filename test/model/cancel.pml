/*
 * cancel.pml - a running call is ended by a signal to its worker (lib/cut.h), once, and
 * the signal hits nothing else.
 *
 * Two workers, two entries. Entry 0: first a call that waits (the victim), for ever or
 * until it is fed, with a deadline; when it has ended, an innocent one. Entry 1: an
 * innocent call. The caller may recall the victim and post it again, which leaves a
 * worker on its way to an entry that another one claims. The watcher meets the
 * deadline once.
 *
 * A signal is pending until its worker is in the kernel, or comes in between, at the
 * latest when a system call returns. Each step is one atomic access of lib/pool.c,
 * lib/cut.c; sequential consistency: entry and phase are written before the claim's
 * compare-and-swap, and who sees EXECUTING sees them.
 *
 * Checked: a pending signal never meets an innocent call in the kernel (`assert`); the
 * victim ends (spin's invalid end states).
 *
 * -DBROKEN_LATE     the worker says what it executes after the claim, not before
 * -DBROKEN_GAP      the handler does not send the worker back to its last look
 * -DBROKEN_NO_LOOK  the worker does not look before the instruction
 * -DBROKEN_BLIND    CUT is set without comparing the phase
 * -DBROKEN_EARLY    the worker does not wait until the signal was sent
 * -DBROKEN_FLUSH    the worker makes no system call for the signal to come in
 * -DBROKEN_RETREAT  a worker whose claim failed goes on without looking at CUT
 * -DBROKEN_DROP     the caller uses the entry again before it has dropped the deadline
 * Each must be rejected.
 */
#define WORKERS 2

mtype = { NONE, HASCALL, EXECUTING, COMPLETED };

mtype state[2];
bool posted[2];	      /* hints */
bool victim = true;   /* the call in entry 0 waits */
bool fed = false;     /* it can end by itself */
bool deadline = false; /* of the call in entry 0, and it has passed */
bool locked = false;  /* the pool's lock */
bool done = false;

/* Of each worker: its phase, one word (number, BUSY, CUT); its entry; its signal. */
byte number[WORKERS];
bool busy[WORKERS];
bool cut[WORKERS];
byte entry[WORKERS];
bool pending[WORKERS];

inline lock() {
	atomic { !locked -> locked = true }
}

inline unlock() {
	locked = false
}

inline announce() {
	entry[me] = e;
	atomic { number[me] = (number[me] + 1) % 4; busy[me] = true; cut[me] = false }
}

/* worker_rest() */
inline rest() {
	atomic { was_cut = cut[me]; busy[me] = false; cut[me] = false };
	if
	:: was_cut ->
#ifndef BROKEN_EARLY
		lock();
		unlock();
#endif
#ifndef BROKEN_FLUSH
		pending[me] = false
#endif
		skip
	:: else
	fi
}

proctype worker(byte me)
{
	byte e;
	bool got, was_cut;

end:	do
	:: atomic {
		posted[0] || posted[1] ->
		if
		:: posted[0] -> posted[0] = false; e = 0
		:: posted[1] -> posted[1] = false; e = 1
		fi
	   };
#ifndef BROKEN_LATE
		announce();
#endif
		atomic { /* slot_claim() */
			got = (state[e] == HASCALL);
			if
			:: got -> state[e] = EXECUTING
			:: else
			fi
		};
#ifdef BROKEN_LATE
		announce();
#endif
		if
		:: !got ->
#ifdef BROKEN_RETREAT
			atomic { busy[me] = false; cut[me] = false };
#else
			rest();
#endif
			goto next
		:: else
		fi;
look:
#ifndef BROKEN_NO_LOOK
		if
		:: cut[me] -> goto ended
		:: else
		fi;
#endif
		/* between the look and the instruction */
		if
		:: pending[me] -> /* the handler runs */
			pending[me] = false;
#ifndef BROKEN_GAP
			goto look
#endif
		:: true
		fi;
		/* in the kernel */
		if
		:: e == 0 && victim ->
			if
			:: atomic { pending[me] -> pending[me] = false } /* -EINTR */
			:: fed
			fi
		:: else ->
			assert(!pending[me])
		fi;
ended:		rest();
		state[e] = COMPLETED;
next:		got = false;
		was_cut = false;
		e = 0
	:: done -> break
	od
}

/* Only while it is the same call of that worker: the word did not change. */
inline interrupt(w) {
	d_step { seen = number[w]; seen_busy = busy[w] };
	if
	:: seen_busy && entry[w] == 0 ->
		atomic {
#ifdef BROKEN_BLIND
			if
			:: true -> cut[w] = true; hit = true
			fi
#else
			if
			:: busy[w] && number[w] == seen -> cut[w] = true; hit = true
			:: else
			fi
#endif
		};
		if
		:: hit -> pending[w] = true /* tgkill */
		:: else
		fi
	:: else
	fi;
	d_step { hit = false; seen = 0; seen_busy = false }
}

active proctype watcher()
{
	byte seen;
	bool seen_busy, hit, mine;
	mtype now;

end:	deadline;
	lock();
	if
	:: deadline ->
		deadline = false;
		atomic { /* slot_claim() */
			now = state[0];
			mine = (now == HASCALL);
			if
			:: mine -> state[0] = EXECUTING
			:: else
			fi
		};
		if
		:: now == EXECUTING -> interrupt(0); interrupt(1)
		:: else
		fi
	:: else
	fi;
	unlock();
	if
	:: mine -> state[0] = COMPLETED
	:: else
	fi
}

active proctype caller()
{
	run worker(0);
	run worker(1);
	state[1] = HASCALL;
	posted[1] = true;
	state[0] = HASCALL;
	posted[0] = true;
	if
	:: atomic { state[0] == HASCALL -> state[0] = NONE }; /* recall, post again */
		posted[0] = false;
		state[0] = HASCALL;
		posted[0] = true
	:: true
	fi;
	deadline = true;
	if
	:: fed = true
	:: true
	fi;
	state[0] == COMPLETED;
#ifndef BROKEN_DROP
	lock();
	deadline = false;
	unlock();
#endif
	/* The entry is used again, at once. */
	victim = false;
	state[0] = HASCALL;
	posted[0] = true;
	state[0] == COMPLETED;
	state[1] == COMPLETED;
	done = true
}
