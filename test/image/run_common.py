"""What the run_* tests share: images, judges, TAP."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
TOOLS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SUPER, LAST_ORPHAN, RECOVER, INCOMPAT = 1024, 0xe8, 4, 0x60


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def check(condition, *seen):
    if not condition:
        raise Wrong(" ".join(str(s) for s in seen) or "it does not hold")


def tool(*args, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace",
                          env={**os.environ, "PATH": TOOLS}, check=False, stdin=subprocess.DEVNULL, **more)


def super_word(image, offset):
    with open(image, "rb") as f:
        f.seek(SUPER + offset)
        return struct.unpack("<I", f.read(4))[0]


def clean(image, when=""):
    """e2fsck finds nothing, and there is nothing to replay."""
    check(not super_word(image, INCOMPAT) & RECOVER, when, "its journal is not empty")
    r = tool("e2fsck", "-fn", image)
    check(r.returncode == 0, when, "e2fsck -fn:", r.stdout, r.stderr)


def clean_after_replay(image, copy):
    """The same of an image that was left in use, when e2fsck has replayed its journal."""
    tool("cp", "--sparse=always", image, copy)
    r = tool("e2fsck", "-E", "journal_only", "-y", copy)
    check(r.returncode in (0, 1), "e2fsck -E journal_only:", r.stdout, r.stderr)
    if super_word(copy, LAST_ORPHAN):
        r = tool("e2fsck", "-p", copy)
        check(r.returncode in (0, 1), "e2fsck -p, for orphans:", r.stdout, r.stderr)
    r = tool("e2fsck", "-fn", copy)
    check(r.returncode == 0, "e2fsck -fn:", r.stdout, r.stderr)


def run_all(tests, options, folder):
    """[(name, function)]: each with a folder of its own; TAP. Exit status."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (name, fn) in enumerate(tests, 1):
        notes, verdict, skip = [], "ok", ""
        place = pathlib.Path(folder) / str(number)
        place.mkdir()
        try:
            notes = fn(place, options) or []
        except Wrong as wrong:
            notes, verdict = str(wrong).splitlines()[:40], "not ok"
            failed += 1
        except Skip as why:
            skip = f" # SKIP {why}"
        for line in notes:
            print("# " + line)
        print(f"{verdict} {number} - {name}{skip}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
    return int(failed > 0)


def choose(tests, names):
    unknown = [name for name in names if name not in [t.__name__ for t in tests]]
    if unknown:
        sys.exit(f"no test is named {unknown[0]}: {' '.join(t.__name__ for t in tests)}")
    return [(t.__name__.replace("_", " "), t) for t in tests if not names or t.__name__ in names]
