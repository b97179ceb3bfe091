#!/usr/bin/python3
# python3: fork, exec, wait forms, signals, multiprocessing, select, poll, epoll, socketpair, mmap, locks
import fcntl, mmap, multiprocessing, os, select, signal, socket, sys, time, threading

os.makedirs(os.environ["W"])
os.chdir(os.environ["W"])
def child(fn):
    pid = os.fork()
    if pid == 0:
        os._exit(fn() or 0)
    return pid
pid = child(lambda: 7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = child(lambda: time.sleep(0.1))
print(os.waitpid(pid, os.WNOHANG)[0], os.wait()[0] == pid)
pid = child(lambda: os.kill(os.getpid(), signal.SIGKILL))
info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(info.si_code == os.CLD_KILLED, info.si_status, os.waitpid(pid, 0)[1])
pid = child(lambda: time.sleep(100))
os.kill(pid, signal.SIGSTOP)
print(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
os.kill(pid, signal.SIGCONT)
print(os.WIFCONTINUED(os.waitpid(pid, os.WCONTINUED)[1]))
os.kill(pid, signal.SIGTERM)
print(os.waitpid(pid, 0)[1])
got = []
signal.signal(signal.SIGUSR1, lambda n, f: got.append(n))
pid = child(lambda: os.kill(os.getppid(), signal.SIGUSR1))
os.waitpid(pid, 0)
print(got)
signal.signal(signal.SIGALRM, lambda n, f: got.append("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.2)
print(got)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigwait([signal.SIGUSR2]))
print(signal.sigtimedwait([signal.SIGUSR2], 0.05))
try:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    r, w = os.pipe()
    os.close(r)
    print(os.waitpid(child(lambda: os.write(w, b"x")), 0)[1])
finally:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
try:
    os.write(w, b"x")
except BrokenPipeError as error:
    print(error.errno)

def square(q, n):
    q.put(n * n)
queue = multiprocessing.Queue()
workers = [multiprocessing.Process(target=square, args=(queue, n)) for n in range(5)]
[p.start() for p in workers]
print(sorted(queue.get() for _ in workers), [p.join() for p in workers], [p.exitcode for p in workers])
with multiprocessing.Pool(3) as pool:
    print(pool.map(len, ["a", "bb", "ccc"]))
shared = multiprocessing.Value("i", 0)
def bump():
    for _ in range(500):
        with shared.get_lock():
            shared.value += 1
workers = [multiprocessing.Process(target=bump) for _ in range(4)]
[p.start() for p in workers]
[p.join() for p in workers]
print(shared.value)

a, b = socket.socketpair()
a.send(b"ping")
print(b.recv(10), select.select([a, b], [a], [], 0)[1] == [a])
poll = select.poll()
poll.register(b, select.POLLIN)
print(poll.poll(20), a.send(b"x"), [e for _, e in poll.poll(1000)])
ep = select.epoll()
ep.register(b.fileno(), select.EPOLLIN | select.EPOLLET)
print(len(ep.poll(1)), ep.poll(0.02))
socket.send_fds(a, [b"take"], [os.open("/etc/hostname", os.O_RDONLY)])
b.recv(1)
message, fds, _, _ = socket.recv_fds(b, 10, 4)
print(message, len(fds), len(os.read(fds[0], 100)) > 0)
a.close()
print(b.recv(1))

with open("m", "w+b") as f:
    f.truncate(8192)
    m = mmap.mmap(f.fileno(), 8192)
    m[5000:5005] = b"hello"
    m.flush()
    print(os.pread(f.fileno(), 5, 5000))
    pid = child(lambda: m.__setitem__(0, 65))
    os.waitpid(pid, 0)
    print(m[0])
    fcntl.lockf(f, fcntl.LOCK_EX)
    def try_lock():
        try:
            fcntl.lockf(open("m", "r+b"), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno
    print(os.waitstatus_to_exitcode(os.waitpid(child(try_lock), 0)[1]))

print(os.getpgid(0) == os.getpgrp(), os.getsid(0) > 0, os.nice(0), os.getpriority(os.PRIO_PROCESS, 0))
pid = child(lambda: os.execv("/bin/sh", ["sh", "-c", "exit 4"]))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.posix_spawn("/bin/true", ["true"], os.environ) > 0, os.wait()[1])
try:
    os.wait()
except ChildProcessError as error:
    print(error.errno)
t = threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1))
t.start()
t.join()
time.sleep(0.01)
print(got)
sys.exit(11)
