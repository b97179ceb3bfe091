#!/usr/bin/python3
# gap: pseudo-terminals made inside
# python3: a program on a pseudo-terminal made inside, its size, its end
import fcntl, os, pty, struct, termios

pid, master = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "tty >/dev/null && echo terminal; read x; echo got $x; stty size"])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
os.write(master, b"typed\n")
seen = b""
while True:
    try:
        data = os.read(master, 1000)
    except OSError:
        break
    if not data:
        break
    seen += data
print(sorted(seen.split()), os.waitpid(pid, 0)[1])
