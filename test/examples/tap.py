"""What the tests of the examples share: TAP, a scratch folder, trees of odd files.

    @test
    def a_sentence_that_can_be_false(scratch): ...
    main()          runs them all, or those named on the command line behind the program

A test gets a pathlib.Path of its own, which is removed after it; check() and same() end it.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

LIMIT_S = 120  # of one command: a hang is a failure, a slow machine is not
NOBODY = 65534
TESTS = []


class Failed(Exception):
    pass


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def check(is_so, *words):
    if not is_so:
        raise Failed(" ".join(str(word) for word in words))


def same(seen, wanted, what):
    if seen != wanted:
        raise Failed(f"{what}: {shorten(seen)}, wanted {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 600 else text[:300] + " ... " + text[-300:]


class Result:
    def __init__(self, done, usage=None):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.usage = usage


def as_nobody():
    """What makes subprocess drop root's rights; nothing to drop for others."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def run(*argv, **more):
    """Run to the end: status, output and error output as bytes."""
    more.setdefault("env", dict(os.environ, LC_ALL="C"))
    return Result(subprocess.run([os.fspath(word) for word in argv], stdin=subprocess.DEVNULL,
                                 stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                                 timeout=LIMIT_S, check=False, **more))


def with_descriptors(count, *argv):
    """The same command in a shell that may open only so many descriptors."""
    return ["sh", "-c", f'ulimit -n {count}; exec "$@"', "sh", *argv]


def is_sanitized(program):
    code = pathlib.Path(program).read_bytes()
    return b"__asan_init" in code or b"__tsan_init" in code


def put(path, data=b"", mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if mode is not None:
        path.chmod(mode)
    return path


def put_holes(path, size, *data):
    """A file of that size that has data only at those offsets."""
    with open(path, "wb") as f:
        f.truncate(size)
        for offset in data:
            os.pwrite(f.fileno(), b"data at %d" % offset, offset)
    return path


def odd_tree(top):
    """A bit of everything that a tree may have, and that needs no rights to make."""
    for size in (0, 1, 511, 4096, 5000, 65535, 65536, 65537, 300001):
        put(top / "sizes" / str(size), bytes(i * 7 % 251 for i in range(size)))
    put(top / "a" / "b" / "c" / "deep", b"x" * 100)
    (top / "empty").mkdir()
    for number in range(700):
        put(top / "many" / f"file{number:04}", b"%d" % number)
    for number in range(60):
        put(top / "folders" / str(number) / "inside" / "f", b"y" * number * 50)
    odd = top / "odd names"
    for name in ("n" * 255, " ", "-", "--help", "a\nb", "ä", "*", "'\"\\", "..."):
        put(odd / name, b"z" * 10)
    put(pathlib.Path(os.fsdecode(os.fsencode(odd) + b"/not\xff\xfeutf8")), b"q")
    links = top / "links"
    links.mkdir()
    for name, target in (("to-file", "../sizes/5000"), ("to-folder", "../a"), ("nowhere", "gone"),
                         ("loop", "loop"), ("long", "x/" * 1500 + "y"), ("absolute", "/etc/passwd")):
        (links / name).symlink_to(target)
    os.mkfifo(top / "fifo")
    put_holes(top / "sizes/hole", 10 << 20)
    put_holes(top / "sizes/holes", 5 << 20, 0, 1 << 20, 3 << 20)
    put_holes(top / "sizes/hole-first", 3 << 20, (3 << 20) - 20)
    return top


def deep_tree(top, depth, name="folder-with-a-name-of-some-length-to-go-deep-with"):
    """A path too long for one call: made from the inside. Each level has a folder beside the way."""
    fd = os.open(top, os.O_RDONLY)
    for level in range(depth):
        for beside in ("", "0", "z"):
            os.mkdir(name + beside, dir_fd=fd)
        for place in (name + "0", name + "z", "."):
            with open(os.open(f"{place}/file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd), "wb") as f:
                f.write(b"level %d\n" % level * (level % 50))
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    return top


def run_one(number, function):
    # Not /tmp, which may be memory with no room; anybody may look into it.
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="hascall-examples.", dir="/var/tmp"))
    scratch.chmod(0o755)
    name = f"{number} - {function.__name__}"
    try:
        function(scratch)
        print(f"ok {name}", flush=True)
        return True
    except Skip as why:
        print(f"ok {name} # SKIP {why}", flush=True)
        return True
    except Exception as why:  # whatever it is, the other tests run
        print(f"not ok {name}", flush=True)
        lines = [str(why)] if isinstance(why, Failed) else []
        place = [frame for frame in traceback.extract_tb(why.__traceback__)][-3:]
        lines += [f"{frame.filename}:{frame.lineno}: {frame.line}" for frame in place]
        lines += [] if isinstance(why, Failed) else traceback.format_exception_only(type(why), why)
        for line in "\n".join(lines).splitlines():
            print("# " + line.encode(errors="replace").decode(), flush=True)
        return False
    finally:
        # Python's own rmtree cannot go as deep.
        subprocess.run(["chmod", "-R", "u+rwx", scratch], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", scratch], check=False)


def main():
    os.umask(0o022)
    wanted = [function for function in TESTS if len(sys.argv) < 3 or function.__name__ in sys.argv[2:]]
    print(f"1..{len(wanted)}", flush=True)
    results = [run_one(number, function) for number, function in enumerate(wanted, 1)]
    sys.exit(not all(results))


def program():
    """The example under test, the first argument."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PROGRAM [TEST...]")
    return pathlib.Path(sys.argv[1]).resolve()


def program_for_all(scratch):
    """A copy that a user without rights can start, wherever the build folder is."""
    return shutil.copy(program(), scratch / program().name)
