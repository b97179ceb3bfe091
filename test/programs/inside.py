"""Run a command, natively or through a wrapper such as `hascall run --`, and tell what came of it.

Shared by test/programs, test/conform and test/hostile. A run is described by its argv, environment,
kind of standard input and a list of reactions ("when the output says X, do Y"); its Result holds
exit status, output, error output, and the processes it left behind.
"""
import ctypes
import fcntl
import hashlib
import os
import pathlib
import pty
import selectors
import shlex
import signal
import stat
import struct
import subprocess
import sys
import termios
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
STRAY_GRACE_SECONDS = 1.0
AFTER_EXIT_SECONDS = 2.0  # how long a pipe may stay open behind a run that ended
OUTPUT_LIMIT = 64 << 20
PR_SET_CHILD_SUBREAPER = 36

# What a file system below is asked about, to see that a run changed nothing of the host.
SYSTEM_FOLDERS = ["/etc", "/usr/bin", "/usr/include", "/usr/share/misc", "/usr/lib/python3",
                  "/boot", "/opt", "/srv", "/mnt", "/home"]


class Result:
    def __init__(self):
        self.status = None  # exit status as a shell says it; None: no end within the limit
        self.out = b""
        self.err = b""
        self.strays = []  # command lines of processes that outlived the run
        self.seconds = 0.0

    def parts(self):
        return {"status": str(self.status), "stdout": self.out, "stderr": self.err}


def forget_ignored_signals():
    """Who starts the tests may ignore some (nohup, a job in the background); the cases mean the usual ones."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
                   signal.SIGALRM, signal.SIGCHLD, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def adopt_strays():
    """Become the parent of processes whose parent died, so that run() finds them; and leave tidily on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    found = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children") as f:
                found += [int(word) for word in f.read().split()]
        except OSError:
            pass
    return found


def describe(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        with open(f"/proc/{pid}/comm") as f:
            return f"{pid} {words or '[' + f.read().strip() + ']'}"
    except OSError:
        return str(pid)


def end_strays(keep=()):
    """Give what is left a moment to end by itself; then name it and kill it."""
    until = time.monotonic() + STRAY_GRACE_SECONDS
    while True:
        left = []
        for pid in children():
            if pid in keep:
                continue
            try:
                done, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
            if not done:
                left.append(pid)
        if not left or time.monotonic() > until:
            break
        time.sleep(0.02)
    names = [describe(pid) for pid in left]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    for pid in left:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
    return names


class Reactions:
    """`on TEXT: ACTION ARGUMENT`, each done once, in order, when TEXT has appeared in the output."""

    def __init__(self, lines):
        self.waiting = []
        for text, action in lines:
            verb, _, argument = action.partition(" ")
            self.waiting.append((text.encode(), verb, argument))

    def look(self, run):
        while self.waiting and self.waiting[0][0] in run.seen():
            _, verb, argument = self.waiting.pop(0)
            time.sleep(0.1)  # the program has said it is ready; let it reach its wait
            getattr(run, "do_" + verb.replace("-", "_"))(argument)


class Run:
    def __init__(self, argv, env, cwd, stdin, reactions):
        self.result = Result()
        self.reactions = Reactions(reactions)
        self.master = None
        self.fds = {}  # descriptor -> name of the stream
        self.input = None
        started = time.monotonic()
        if stdin == "tty":
            self.start_on_tty(argv, env, cwd)
        else:
            self.start_on_pipes(argv, env, cwd, stdin)
        self.started = started

    def start_on_tty(self, argv, env, cwd):
        self.master, slave = pty.openpty()
        self.do_resize("40 100")

        def become_foreground():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
                                      preexec_fn=become_foreground)
        os.close(slave)
        self.fds = {self.master: "out"}

    def start_on_pipes(self, argv, env, cwd, stdin):
        source = {"null": subprocess.DEVNULL, "pipe": subprocess.PIPE, "closed": subprocess.DEVNULL,
                  "file": subprocess.DEVNULL}[stdin]
        if stdin == "file":
            source = open(__file__, "rb")
        if stdin == "closed":
            argv = ["/bin/sh", "-c", 'exec "$@" <&-', "sh"] + argv
        self.child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=source, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, start_new_session=True)
        if stdin == "file":
            source.close()
        if stdin == "pipe":
            self.child.stdin.write(b"one\ntwo\nthree\n")
            self.child.stdin.flush()
        self.fds = {self.child.stdout.fileno(): "out", self.child.stderr.fileno(): "err"}

    def seen(self):
        return self.result.out + self.result.err

    def do_type(self, argument):
        os.write(self.master if self.master is not None else self.child.stdin.fileno(),
                 argument.encode().decode("unicode_escape").encode("latin-1"))

    def do_signal(self, argument):
        self.child.send_signal(getattr(signal, "SIG" + argument))

    def do_resize(self, argument):
        rows, columns = (int(word) for word in argument.split())
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def do_close_stdin(self, _):
        self.child.stdin.close()

    def do_close_stdout(self, _):
        fd = self.child.stdout.fileno()
        self.selector.unregister(fd)
        del self.fds[fd]
        self.child.stdout.close()

    def read(self, fd):
        try:
            data = os.read(fd, 1 << 16)
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if not data:
            self.selector.unregister(fd)
            del self.fds[fd]
            return
        kind = self.fds[fd]
        if len(self.result.out) + len(self.result.err) < OUTPUT_LIMIT:
            setattr(self.result, kind, getattr(self.result, kind) + data)

    def follow(self, limit):
        """Collect output until the end of the child and of its output, or until `limit` seconds."""
        self.selector = selectors.DefaultSelector()
        for fd in self.fds:
            self.selector.register(fd, selectors.EVENT_READ)
        until = self.started + limit
        ended = False
        while time.monotonic() < until and not (ended and not self.fds):
            for key, _ in self.selector.select(0.05):
                if key.fd in self.fds:
                    self.read(key.fd)
            self.reactions.look(self)
            if not ended and self.child.poll() is not None:
                ended = True
                self.result.seconds = time.monotonic() - self.started
                until = min(until, time.monotonic() + AFTER_EXIT_SECONDS)
        return self.finish(ended)

    def finish(self, ended):
        result = self.result
        if not ended:
            result.seconds = time.monotonic() - self.started
            for target in (os.killpg, os.kill):
                try:
                    target(self.child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.child.wait()
        else:
            code = self.child.returncode
            result.status = code if code >= 0 else 128 - code
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            if stream:
                try:
                    stream.close()
                except OSError:
                    pass
        if self.master is not None:
            os.close(self.master)
        return result


def run(argv, env, cwd="/", stdin="null", reactions=(), limit=60, keep=()):
    result = Run(argv, env, cwd, stdin, reactions).follow(limit)
    result.strays = end_strays(keep)
    return result


def base_environment(**more):
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TERM": "dumb", "TZ": "UTC",
           "PYTHONDONTWRITEBYTECODE": "1", "USER": "tester", "SHELL": "/bin/sh"}
    env.update(more)
    return env


def wrapper_words(text):
    """The wrapper's words; a first word with a slash in it is taken from the project's top."""
    words = shlex.split(text)
    if words and "/" in words[0] and not os.path.isabs(words[0]):
        words[0] = str(TOP / words[0])
    if words and not os.access(words[0], os.X_OK) and "/" in words[0]:
        sys.exit(f"{words[0]} is not there: build it first, or say --inside 'COMMAND'")
    return words


def tree_state(root, contents):
    """What `root` holds, name by name. Access times are left out: reading is allowed."""
    state = {}
    for folder, folders, files in os.walk(root):
        for name in [""] + folders + files:
            path = os.path.join(folder, name) if name else folder
            try:
                st = os.lstat(path)
                value = [st.st_mode, st.st_ino, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns]
                if contents:  # a folder of our own: nobody else has business there
                    value += [st.st_nlink, st.st_ctime_ns]
                if contents and stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        value.append(hashlib.sha256(f.read()).hexdigest())
                state[path] = value
            except OSError as error:
                state[path] = [error.errno]
    return state


def system_state():
    state = {"/": sorted(os.listdir("/"))}
    for folder in SYSTEM_FOLDERS:
        state.update(tree_state(folder, contents=False))
    return state


def state_changes(before, after):
    names = sorted(set(before) | set(after))
    return [name for name in names if before.get(name) != after.get(name)]


class Tap:
    def __init__(self, count):
        self.failed = 0
        self.number = 0
        print(f"1..{count}", flush=True)

    def result(self, passed, name, notes=(), skip=None):
        self.number += 1
        self.failed += not passed
        for line in notes:
            print("# " + line)
        print(f"{'ok' if passed else 'not ok'} {self.number} - {name}" + (f" # SKIP {skip}" if skip else ""),
              flush=True)
