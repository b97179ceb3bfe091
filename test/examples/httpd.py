#!/usr/bin/env python3
"""httpd serves files, and no disk and no client makes the others wait. Speaks TAP:  httpd.py PROGRAM [TEST...]"""
import contextlib
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import tap
from tap import check, run, same, test

HTTPD = tap.program()
SECRET = b"what nobody may see"
SIZES = (0, 1, 16383, 16384, 16385, 65536, 1000003, 20000001)


def pattern(size):
    """Bytes that tell where they come from."""
    return b"".join(b"%07d\n" % i for i in range(size // 8 + 1))[:size]


def site(top):
    root = top / "root"
    for size in SIZES:
        tap.put(root / f"{size}.bin", pattern(size))
    for number in range(50):
        tap.put(root / "many" / f"{number}.txt", b"file %d\n" % number * number)
    tap.put(root / "folder/index.html", b"<p>folder")
    tap.put(root / "index.html", b"<p>top")
    (root / "no index").mkdir()
    tap.put(root / "odd ä?&%41.txt", b"odd")
    tap.put(top / "secret", SECRET)
    tap.put(top / "root-beside" / "secret", SECRET)
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("many/7.txt")
    (root / "out").symlink_to("../secret")
    (root / "absolute").symlink_to(top / "secret")
    (root / "folder-out").symlink_to("..")
    (root / "loop").symlink_to("loop")
    return root


class Server:
    def __init__(self, root, *options):
        self.child = subprocess.Popen([HTTPD, "--root", root, "--port", "0", *options], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.child.stdout.readline()
        found = re.fullmatch(rb"http://127\.0\.0\.1:(\d+)/\n", line)
        check(found, "it printed", line)
        self.port = int(found[1])

    def connect(self, receive_size=None):
        s = socket.socket()
        if receive_size:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_size)
        s.settimeout(tap.LIMIT_S)
        s.connect(("127.0.0.1", self.port))
        return Client(s)

    def get(self, path, *fields, method="GET"):
        with contextlib.closing(self.connect()) as client:
            return client.ask(path, *fields, method=method)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.child.pid}/task"))

    def stop(self, how=signal.SIGINT):
        self.child.send_signal(how)
        try:
            out, err = self.child.communicate(timeout=tap.LIMIT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise
        same((self.child.returncode, out, err), (0, b"", b""), "end of the server")


@contextlib.contextmanager
def serving(root, *options):
    server = Server(root, *options)
    try:
        yield server
        server.stop()
    finally:
        if server.child.poll() is None:
            server.child.kill()
            server.child.communicate()


class Client:
    def __init__(self, s):
        self.socket = s
        self.rest = b""

    def close(self):
        self.socket.close()

    def reset(self):
        """Leave without a word of farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, path, *fields, method="GET"):
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode())
        return self.answer(method == "HEAD")

    def more(self):
        data = self.socket.recv(1 << 16)
        check(data, "the connection ended after", self.rest[-200:])
        self.rest += data

    def answer(self, is_head=False):
        """(status, fields, body), after which comes the next answer."""
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        found = re.fullmatch(r"HTTP/1\.1 (\d\d\d) .+", first)
        check(found, "an answer begins with", first)
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        parts, length = [self.rest], 0 if is_head else int(fields["content-length"])
        got = len(self.rest)
        while got < length:
            data = self.socket.recv(1 << 16)
            check(data, f"the connection ended after {got} of {length} bytes")
            parts.append(data)
            got += len(data)
        body = b"".join(parts)
        self.rest = body[length:]
        return int(found[1]), fields, body[:length]

    def ended(self, resets=True):
        """True if nothing more comes. A reset may cost others the last answer."""
        try:
            return not self.rest and self.socket.recv(1) == b""
        except ConnectionResetError:
            return resets

    def is_silent(self, seconds=0.2):
        return not self.rest and not select.select([self.socket], [], [], seconds)[0]


def wait_until(is_so, what):
    end = time.monotonic() + tap.LIMIT_S
    while not is_so():
        check(time.monotonic() < end, what)
        time.sleep(0.02)


@test
def files_of_all_sizes_arrive_byte_for_byte(scratch):
    root = site(scratch)
    with serving(root) as server:
        for size in SIZES:
            status, fields, body = server.get(f"/{size}.bin")
            same((status, len(body)), (200, size), f"{size} bytes")
            check(body == pattern(size), f"the {size} bytes are others")
            same(fields["content-length"], str(size), "Content-Length")
        status, fields, body = server.get("/link?a=b")
        same((status, body), (200, b"file 7\n" * 7), "a link inside")
        same(fields["content-type"], "application/octet-stream", "type")
        same(server.get("/many/3.txt")[1]["content-type"], "text/plain; charset=utf-8", "type")
        same(server.get("/odd%20%C3%A4%3f&%2541.txt")[2], b"odd", "a name of odd letters")


@test
def one_connection_serves_many_requests_in_order(scratch):
    with serving(site(scratch)) as server:
        client = server.connect()
        for number in range(50):
            same(client.ask(f"/many/{number}.txt")[2], b"file %d\n" % number * number, number)
        same(client.ask("/gone")[0], 404, "in between")
        client.send(b"".join(b"GET /many/%d.txt HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(50)))
        for number in range(50):
            same(client.answer()[2], b"file %d\n" % number * number, f"{number} of a row")
        client.send(b"GET /1000003.bin HTTP/1.1\r\nHost: x\r\n\r\nGET /many/1.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        check(client.answer()[2] == pattern(1000003), "a large one in a row")
        same(client.answer()[2], b"file 1\n", "behind it")
        client.close()


@test
def a_request_may_come_letter_by_letter(scratch):
    with serving(site(scratch)) as server:
        client = server.connect()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for letter in b"GET /many/5.txt HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n":
            client.send(bytes([letter]))
            time.sleep(0.001)
        same(client.answer()[2], b"file 5\n" * 5, "body")
        client.close()


@test
def head_is_get_without_a_body(scratch):
    with serving(site(scratch)) as server:
        client = server.connect()
        for path in ("/1000003.bin", "/16384.bin", "/0.bin", "/folder/", "/gone", "/folder"):
            wanted = server.get(path)
            status, fields, _ = client.ask(path, method="HEAD")
            fields.pop("date"), wanted[1].pop("date")
            same((status, fields), wanted[:2], path)
        same(client.ask("/many/1.txt")[2], b"file 1\n", "what follows")
        client.close()


@test
def connections_end_when_they_shall(scratch):
    with serving(site(scratch)) as server:
        for request in (b"GET /many/2.txt HTTP/1.0\r\n\r\n", b"GET /many/2.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            client = server.connect()
            client.send(request)
            status, fields, body = client.answer()
            same((status, fields["connection"], body), (200, "close", b"file 2\n" * 2), request)
            check(client.ended(), "it goes on after", request)
            client.close()
        client = server.connect()
        client.send(b"GET /many/2.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        same(client.answer()[1]["connection"], "keep-alive", "HTTP/1.0 that asks for it")
        same(client.ask("/many/1.txt")[0], 200, "what follows")
        client.close()


@test
def folders_show_their_index(scratch):
    with serving(site(scratch)) as server:
        same(server.get("/")[2], b"<p>top", "/")
        same(server.get("http://any.host/folder/")[2], b"<p>folder", "a whole URL")
        status, fields, _ = server.get("/folder")
        same((status, fields["location"]), (301, "/folder/"), "/folder")
        same(server.get("/no%20index/")[0], 404, "a folder without index")
        same(server.get("/no%20index")[1]["location"], "/no%20index/", "an odd name")
        same(server.get("//folder")[1]["location"], "/folder/", "no other host")
        same(server.get("/many/1.txt/")[0], 404, "a file is no folder")


@test
def nothing_outside_the_root_is_served(scratch):
    with serving(site(scratch)) as server:
        for path in ("/../secret", "/folder/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/out", "/absolute",
                     "/folder-out/secret", "/../root-beside/secret", f"/{scratch}/secret", "//../secret", "/./../secret",
                     "/folder/%2e%2e/%2E%2e/secret", "/loop", "/....//secret", "/..", "/folder-out", "/..\\secret",
                     "/many/1.txt/../../../secret", "http:///../secret", "/out/", "/%2fetc/passwd", "//etc/passwd"):
            status, _, body = server.get(path)
            same(status, 404, path)
            check(SECRET not in body and b"root:" not in body, path, "shows", body)
        same(server.get("/folder/../many/1.txt")[2], b"file 1\n", "a way that stays inside")
        for path in ("/%00", "/many/1.txt%00.html", "/%", "/%4", "/%zz", "*", "many", "/a\tb", "/\x7f"):
            same(server.get(path)[0], 400, path)
        same(server.get("/" + "a" * 300)[0], 404, "a name that is too long")
        same(server.get("/" + "a/" * 2500)[0], 414, "a path that is too long")


@test
def malformed_requests_are_refused_and_end_the_connection(scratch):
    long = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(site(scratch)) as server:
        for request, wanted in (
                (b"\r\n\r\n\r\n", 400), (b"GET\r\n\r\n", 400), (b"GET /\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400),
                (b"GET / HTTP/1.1\n\n", 400), (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400), (b" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
                (b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400), (b"GET / HTTP/11\r\nHost: x\r\n\r\n", 400), (b"GET / http/1.1\r\nHost: x\r\n\r\n", 400),
                (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505), (b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x\0\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", 413),
                (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
                (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", 405), (b"DELETE /1.bin HTTP/1.1\r\nHost: x\r\n\r\n", 405),
                (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 405), (b"GETS / HTTP/1.1\r\nHost: x\r\n\r\n", 405), (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405),
                (long, 431), (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 3000 + b"\r\n", 431), (b"x" * 100000, 431)):
            client = server.connect()
            client.send(request)
            status, fields, _ = client.answer()
            same((status, fields["connection"]), (wanted, "close"), request[:60])
            if wanted == 405:
                same(fields["allow"], "GET, HEAD", "Allow")
            check(client.ended(resets=False), "it goes on after", request[:60])
            client.close()
        same(server.get("/many/1.txt")[0], 200, "afterwards")


@test
def noise_does_no_harm(scratch):
    choice = random.Random(2)
    words = [b"GET ", b"HEAD ", b"/", b"..", b"%", b"2e", b" ", b"HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Host: x\r\n", b"Range: bytes=",
             b"-", b"1", b"9" * 20, b":", b"\0", b"\n", b"\xff", b"Connection: ", b",", b"keep-alive", b"many/1.txt", b"?", b"#"]
    with serving(site(scratch), "--idle", "2") as server:
        for _ in range(400):
            client = server.connect()
            with contextlib.suppress(ConnectionError):
                client.send(b"GET / HTTP/1.1\r\n"[:choice.randrange(17)] + b"".join(choice.choices(words, k=choice.randrange(1, 60))))
            client.close()
        same(server.get("/many/1.txt")[2], b"file 1\n", "afterwards")


@test
def ranges_are_cut_out(scratch):
    data = pattern(1000003)
    size = len(data)
    with serving(site(scratch)) as server:
        client = server.connect()
        for text, first, last in (("0-0", 0, 0), ("0-", 0, size - 1), ("100-199", 100, 199), ("16000-17000", 16000, 17000),
                                  ("16384-", 16384, size - 1), ("16383-16384", 16383, 16384), ("-1", size - 1, size - 1),
                                  ("-20000", size - 20000, size - 1), (f"-{size * 2}", 0, size - 1),
                                  (f"999999-{10 ** 15}", 999999, size - 1)):
            status, fields, body = client.ask("/1000003.bin", f"Range: bytes={text}")
            same((status, fields["content-range"]), (206, f"bytes {first}-{last}/{size}"), text)
            check(body == data[first:last + 1], text, "is something else")
        for text in (f"{size}-", f"{size}-{size + 5}", "-0"):
            status, fields, _ = client.ask("/1000003.bin", f"Range: bytes={text}")
            same((status, fields["content-range"]), (416, f"bytes */{size}"), text)
        for text in ("bytes=0-1,3-4", "bytes=5-4", "bytes=", "bytes=-", "bytes=x-y", "lines=1-2", "bytes", "bytes=1-2-3", "bytes=-5-6"):
            same(client.ask("/16384.bin", f"Range: {text}")[0], 200, text)
        same(client.ask("/16384.bin", "Range: bytes=0-1", "If-Range: yesterday")[0], 200, "If-Range")
        same(client.ask("/0.bin", "Range: bytes=0-")[0], 416, "of an empty file")
        client.close()


@test
def a_file_that_does_not_open_keeps_only_its_own_client_waiting(scratch):
    root = site(scratch)
    with serving(root, "--disk", "600") as server:
        waiting = [server.connect() for _ in range(20)]  # more than there are processors
        for client in waiting:
            client.send(b"GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n")
        other = server.connect()
        for number in range(200):
            same(other.ask(f"/many/{number % 50}.txt")[0], 200, "another client's request")
        check(server.get("/1000003.bin")[2] == pattern(1000003), "another client's large file")
        for client in waiting:
            check(client.is_silent(0), "there is no writer, and yet an answer")
        check(server.threads() > 20, "threads", server.threads())
        writer = os.open(root / "pipe", os.O_WRONLY)  # now it opens
        for client in waiting:
            same(client.answer()[0], 403, "a fifo is no file")
            same(client.ask("/many/1.txt")[0], 200, "and its client goes on")
            client.close()
        os.close(writer)
        other.close()


@test
def a_disk_that_does_not_answer_gives_503(scratch):
    with serving(site(scratch), "--disk", "1") as server:
        clients = [server.connect() for _ in range(5)]
        for client in clients:
            client.send(b"GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in clients:
            same(client.answer()[0], 503, "/pipe")
            same(client.ask("/many/1.txt")[0], 200, "what follows")
            client.close()


@test
def a_client_that_leaves_while_a_disk_does_not_answer_leaves_nothing_behind(scratch):
    with serving(site(scratch), "--disk", "1") as server:
        server.get("/many/1.txt")
        before = server.descriptors()
        for _ in range(10):
            client = server.connect()
            client.send(b"GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n")
            client.reset()
        wait_until(lambda: server.descriptors() <= before, "descriptors remain")


@test
def many_connections_at_a_time_get_what_they_ask_for(scratch):
    wrong = []

    def client(number):
        try:
            choice = random.Random(number)
            mine = server.connect()
            for _ in range(20):
                which = choice.randrange(55)
                if which < 50:
                    path, wanted = f"/many/{which}.txt", b"file %d\n" % which * which
                else:
                    size = SIZES[which - 50]
                    path, wanted = f"/{size}.bin", pattern(size)
                if mine.ask(path)[2] != wanted:
                    wrong.append(path)
            mine.close()
        except Exception as why:
            wrong.append(repr(why))

    with serving(site(scratch)) as server:
        before = server.descriptors()
        threads = [threading.Thread(target=client, args=(number,)) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same(wrong, [], "what went wrong")
        wait_until(lambda: server.descriptors() <= before, "descriptors remain")


@test
def clients_over_the_limit_wait_for_their_turn(scratch):
    with serving(site(scratch), "--clients", "3", "--idle", "600") as server:
        clients = [server.connect() for _ in range(9)]
        for client in clients:
            client.send(b"GET /many/1.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in clients[:3]:
            same(client.answer()[0], 200, "one of the first")
        check(clients[3].is_silent(), "the fourth of three is served")
        for number, client in enumerate(clients):
            if number >= 3:
                same(client.answer()[0], 200, f"client {number}")
            client.close()


@test
def a_client_that_says_nothing_is_sent_away(scratch):
    with serving(site(scratch), "--idle", "3") as server:
        silent, half, done = server.connect(), server.connect(), server.connect()
        half.send(b"GET /many/1.txt HTT")
        same(done.ask("/many/1.txt")[0], 200, "the one that asks")
        for client in (silent, half, done):
            check(client.ended(), "an answer to nothing")
            client.close()
        dripping = server.connect()
        with contextlib.suppress(ConnectionError):  # a letter now and then is not progress
            for _ in range(1000):
                dripping.send(b"x")
                time.sleep(0.05)
            check(False, "who never ends his request stays for ever")
        dripping.close()


@test
def a_slow_client_gets_all_and_others_are_served_meanwhile(scratch):
    with serving(site(scratch)) as server:
        slow = server.connect(receive_size=4096)
        slow.send(b"GET /20000001.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(20):
            slow.rest += slow.socket.recv(1000)
            same(server.get("/many/1.txt")[0], 200, "another client")
            time.sleep(0.01)
        check(slow.answer()[2] == pattern(20000001), "the slow client got something else")
        slow.close()


@test
def clients_that_leave_in_the_middle_leave_nothing_behind(scratch):
    with serving(site(scratch)) as server:
        server.get("/many/1.txt")
        before = server.descriptors()
        for number in range(60):
            client = server.connect(receive_size=4096)
            client.send(b"GET /20000001.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            if number % 3:
                client.socket.recv(number * 500)
            if number % 2:
                client.reset()
            else:
                client.close()
        for _ in range(1500):  # some are gone before their file is open
            client = server.connect()
            client.send(b"GET /16385.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            client.reset()
        same(server.get("/many/1.txt")[0], 200, "afterwards")
        wait_until(lambda: server.descriptors() <= before, "descriptors remain")


@test
def a_file_that_shrinks_while_it_is_sent_ends_the_connection(scratch):
    root = site(scratch)
    with serving(root) as server:
        client = server.connect(receive_size=4096)
        client.send(b"GET /20000001.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        client.more()
        os.truncate(root / "20000001.bin", 10)
        try:
            client.answer()
            check(False, "all of a file that is gone arrived")
        except (tap.Failed, ConnectionError) as why:
            check(isinstance(why, ConnectionError) or "the connection ended" in str(why), why)
        client.close()
        same(server.get("/many/1.txt")[0], 200, "afterwards")


@test
def a_signal_ends_it_whatever_it_does(scratch):
    root = site(scratch)
    for how in (signal.SIGINT, signal.SIGTERM):
        server = Server(root, "--disk", "600")
        clients = [server.connect(receive_size=4096) for _ in range(12)]
        for number, client in enumerate(clients):
            request = (b"GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /20000001.bin HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /ha")[number % 3]
            client.send(request)
        same(server.get("/many/1.txt")[0], 200, "a request")
        server.stop(how)
        for client in clients:
            client.close()


@test
def few_descriptors_are_enough_for_few_clients(scratch):
    root = site(scratch)
    command = ["sh", "-c", 'ulimit -n 24; exec "$@"', "sh", HTTPD, "--root", root, "--port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        server = Server.__new__(Server)
        server.child = child
        server.port = int(re.search(rb":(\d+)/", child.stdout.readline())[1])
        clients = [server.connect() for _ in range(20)]
        for client in clients:
            client.send(b"GET /1000003.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for client in clients:
            check(client.answer()[2] == pattern(1000003), "something else")
            client.close()
        server.stop()
    finally:
        child.kill()


@test
def wrong_usage_is_told(scratch):
    for arguments in (["--port", "65536"], ["--port", "x"], ["--root", scratch / "gone"], ["--clients", "0"], ["--no-such-option"],
                      ["folder"], ["--address", "nowhere", "--port", "0"], ["--workers", "0"]):
        done = run(HTTPD, *arguments)
        same((done.status, done.out), (1, b""), f"httpd {arguments}")
        check(b"httpd" in done.err, arguments, "said", done.err)
    done = run(HTTPD, "--help")
    same((done.status, done.err), (0, b""), "httpd --help")
    check(b"usage: httpd" in done.out and b"--root" in done.out, done.out)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(HTTPD, "--port", str(taken.getsockname()[1]))
        check(done.status == 1 and b"in use" in done.err, done.err)


tap.main()
