"""What libhascall is to reach beside its peers, and whether it did. Read by bench/calls/run."""

US = "hascall"
POLLING = "hascall polling"
CALLS = ("statx", "pread", "open+close")

# (peer, how, case, depth, goal, our engine)
GOALS = (
    [("sync", "window", case, 1, 1.05, US) for case in ("getppid", *CALLS)]
    + [("sync", "window", case, depth, 0.70, US) for case in CALLS for depth in (8, 64)]
    + [("libuv", "window", case, depth, goal, US) for case in CALLS for depth, goal in ((8, 0.20), (64, 0.45))]
    + [("libeio", "window", "statx", depth, goal, US) for depth, goal in ((8, 0.20), (64, 0.45))]
    + [("aio", "window", "pread", depth, goal, US) for depth, goal in ((8, 0.10), (64, 0.20))]
    + [("io_uring", "window", case, depth, 0.60, US)
       for case in ("statx", "link+unlink", "mkdir+rmdir", "rename") for depth in (8, 64)]
    + [("io_uring", "bursts", "fsync", 64, 0.60, US)]
    + [("io_uring", "window", case, depth, goal, US) for case, goal in (("pread", 0.80), ("open+close", 1.15)) for depth in (8, 64)]
    + [("io_uring", "window", "open+read+close", depth, 1.0, US) for depth in (8, 64)]
    + [("sync", "offload", "statx", 64, 0.20, US), ("libuv", "offload", "statx", 64, 0.03, US)]
    + [("sync", "offload", "statx", 64, 0.10, POLLING), ("io_uring SQPOLL", "offload", "statx", 64, 1.3, POLLING)]
    + [("io_uring SQPOLL", "offload", "pread", 64, 1.3, POLLING)]
    + [("libuv", "bursts", "sleep 1 ms", 64, 0.10, US)]
)
# All 64 sleeps beside one of them alone; a job's time is a 64th of the burst's.
LONGEST = 1.6

# Why a goal is missed when it is, as far as it is known.
POSTING = "posting and taking the result cost 10 to 20 ns"
DISTANCE = "between cores far from each other an entry's line takes 200 ns each way"
WAKING = "waking a worker on a halted processor takes the caller 7 to 10 us in a guest, 64 calls share that"
CHAIN = "each worker that blocks wakes the next, 7 to 10 us each in a guest"
REASONS = {
    **{("window", case, 1): POSTING for case in ("getppid", *CALLS)},
    **{("window", case, depth): DISTANCE for case in (*CALLS, "open+read+close") for depth in (8, 64)},
    ("offload", "statx", 64): WAKING,
    ("bursts", "fsync", 64): CHAIN,
    ("bursts", "sleep 1 ms", 64): CHAIN,
}


def name_of(how, case, depth, engine):
    text = {"window": f"{case}, depth {depth}", "bursts": f"{depth} x {case}", "offload": f"caller's loss, {case} x {depth}"}[how]
    if how == "window" and case == "open+read+close":
        text += ", linked"
    return text + (" (polling)" if engine == POLLING else "")


def row(bench, peer, name, goal, ours, theirs, times=1.0):
    """One line of the table; `times` turns figures of a job into the ratio that is asked for."""
    ratio, mean, cpu = (bench.ratio(ours, theirs, what) for what in ("p50", "mean", "cpu"))
    why = bench.failures.get(theirs) or bench.failures.get(ours) or bench.missing.get(theirs[3]) or "left out of this run"
    if ratio:
        ratio = tuple(each * times for each in ratio)
    return {"peer": peer, "case": name, "goal": goal, "ratio": ratio, "mean": mean[0] * times if mean else 0.0,
            "cpu": cpu[0] if cpu else 0.0, "by_pair": {kind: value * times for kind, value in bench.by_pair(ours, theirs).items()},
            "reached": bool(ratio and ratio[0] <= goal), "why": why,
            "reason": REASONS.get(ours[:3], "")}


def judge(bench):
    rows = []
    for peer, how, case, depth, goal, us in GOALS:
        rows.append(row(bench, peer, name_of(how, case, depth, us), goal, (how, case, depth, us), (how, case, depth, peer)))
    case = "sleep 1 ms"
    rows.append(row(bench, "one such call", name_of("bursts", case, 64, US), LONGEST, ("bursts", case, 64, US),
                    ("bursts", case, 1, "sync"), 64.0))
    return rows
