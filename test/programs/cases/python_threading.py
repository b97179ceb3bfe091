#!/usr/bin/python3
# python3 with threads: locks, queues, conditions, events, pools, subprocesses from threads, thread-local data
import concurrent.futures, os, queue, subprocess, threading, time

count, lock = 0, threading.Lock()
def add():
    global count
    for _ in range(20000):
        with lock:
            count += 1
threads = [threading.Thread(target=add) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(count)

q, done = queue.Queue(maxsize=10), []
def worker():
    while (item := q.get()) is not None:
        done.append(item * item)
        q.task_done()
threads = [threading.Thread(target=worker) for _ in range(4)]
[t.start() for t in threads]
[q.put(n) for n in range(1000)]
q.join()
[q.put(None) for _ in threads]
[t.join() for t in threads]
print(sum(done), len(done))

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda n: len(os.listdir("/usr/include")) > 0, range(200))))
    print(sorted(pool.map(lambda n: subprocess.run(["sh", "-c", f"exit {n}"]).returncode, range(24))))
    print(sum(pool.map(lambda n: open("/etc/passwd").read().count(":"), range(100))) % 100)
with concurrent.futures.ProcessPoolExecutor(3) as pool:
    print(list(pool.map(abs, range(-10, 0))))

event = threading.Event()
t = threading.Timer(0.05, event.set)
t.start()
print(event.wait(5), event.wait(0.01))
condition, turn = threading.Condition(), [0]
order = []
def player(me):
    for _ in range(200):
        with condition:
            condition.wait_for(lambda: turn[0] == me)
            order.append(me)
            turn[0] = 1 - me
            condition.notify_all()
pair = [threading.Thread(target=player, args=(n,)) for n in (0, 1)]
[t.start() for t in pair]
[t.join() for t in pair]
print(order == [0, 1] * 200)
barrier = threading.Barrier(20)
threads = [threading.Thread(target=barrier.wait) for _ in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
r, w = os.pipe()
reader = threading.Thread(target=lambda: print(os.read(r, 10)))
reader.start()
time.sleep(0.05)
os.write(w, b"late")
reader.join()
for _ in range(300):
    t = threading.Thread(target=int)
    t.start()
    t.join()
local = threading.local()
local.x = 1
t = threading.Thread(target=lambda: print(hasattr(local, "x")))
t.start()
t.join()
print(threading.get_native_id() == os.getpid(), threading.active_count())
