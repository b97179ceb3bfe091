#!/usr/bin/python3
# python3 with subprocess: pipes, failures, timeouts, signals, many children, shells, file descriptors
import os, signal, subprocess, sys, tempfile

os.makedirs(os.environ["W"])
os.chdir(os.environ["W"])
run = subprocess.run
print(run(["echo", "hello"], capture_output=True))
print(run(["cat"], input=b"x" * 300000, capture_output=True).stdout == b"x" * 300000)
print(run("exit 3", shell=True).returncode, run("kill -9 $$", shell=True).returncode)
print(run("echo out; echo err >&2", shell=True, capture_output=True, text=True))
for program in ("/no/such/program", "/etc/passwd", "/"):
    try:
        run([program])
    except OSError as error:
        print(program, error.errno, error.strerror)
try:
    run(["sleep", "10"], timeout=0.2)
except subprocess.TimeoutExpired as error:
    print("timeout", error.cmd)
try:
    run(["true"], cwd="/no/such/folder")
except OSError as error:
    print("cwd", error.errno)
print(run(["pwd"], cwd="/usr", capture_output=True, text=True).stdout)
print(run(["sh", "-c", "echo $A-$B"], env={"A": "1", "PATH": "/bin:/usr/bin"}, capture_output=True, text=True).stdout)
a = subprocess.Popen(["seq", "1", "100000"], stdout=subprocess.PIPE)
b = subprocess.Popen(["sort", "-rn"], stdin=a.stdout, stdout=subprocess.PIPE)
a.stdout.close()
c = subprocess.Popen(["head", "-n", "2"], stdin=b.stdout, stdout=subprocess.PIPE)
b.stdout.close()
print(c.communicate()[0], a.wait(), b.wait() in (0, -signal.SIGPIPE, 2))
children = [subprocess.Popen(["sh", "-c", f"exit {n}"]) for n in range(30)]
print([child.wait() for child in children])
p = subprocess.Popen(["sleep", "100"])
p.terminate()
print(p.wait())
p = subprocess.Popen(["sh", "-c", "trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done"], stdout=subprocess.PIPE)
p.stdout.readline()
p.send_signal(signal.SIGINT)
print(p.wait())
r, w = os.pipe()
p = subprocess.Popen(["sh", "-c", f"echo through >&{w}"], pass_fds=[w])
os.close(w)
print(os.read(r, 100), p.wait())
p = subprocess.Popen(["sh", "-c", f"(echo no >&{r}) 2>/dev/null; echo $?"], stdout=subprocess.PIPE)
print(p.communicate()[0] != b"0\n")
with tempfile.TemporaryFile() as f:
    run(["echo", "to a file"], stdout=f)
    f.seek(0)
    print(f.read())
print(subprocess.getstatusoutput("echo both; exit 9"))
p = subprocess.Popen([sys.executable, "-c", "import sys; print(sys.stdin.read().upper())"], stdin=-1, stdout=-1, text=True)
print(p.communicate("to python"))
p = subprocess.Popen(["sh", "-c", "ps -o pgid= -p $$ | tr -d ' '"], start_new_session=True, stdout=-1, text=True)
print(int(p.communicate()[0]) == p.pid)
p = subprocess.Popen(["id", "-u"], preexec_fn=lambda: os.umask(0o77), stdout=-1)
print(p.communicate())
print(os.system("exit 6") >> 8, os.popen("echo popen").read())
