#!/usr/bin/python3
# python3: json, csv, pickle, zip, gzip, hashlib, shutil, glob, tempfile, os and pathlib over files
import csv, errno, glob, gzip, hashlib, io, json, os, pathlib, pickle, shutil, stat, sys, tarfile, tempfile, time, zipfile

os.makedirs(os.environ["W"])
os.chdir(os.environ["W"])
data = {"list": list(range(1000)), "text": "snowman \u2603", "nested": {"a": [None, True, 1.5]}}
with open("a.json", "w") as f:
    json.dump(data, f, indent=1)
print(json.load(open("a.json")) == data, os.path.getsize("a.json"), hashlib.sha256(open("a.json", "rb").read()).hexdigest())
csv.writer(open("a.csv", "w")).writerows([n, n * n] for n in range(100))
print(sum(int(row[1]) for row in csv.reader(open("a.csv"))))
pickle.dump(data, open("a.pickle", "wb"))
print(pickle.load(open("a.pickle", "rb")) == data)
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    [z.write(name) for name in ("a.json", "a.csv")]
print(zipfile.ZipFile("a.zip").testzip(), sorted(zipfile.ZipFile("a.zip").namelist()))
gzip.open("a.gz", "wb").write(b"z" * 100000)
print(len(gzip.open("a.gz").read()))
with tarfile.open("a.tar", "w") as t:
    t.add("a.json")
tarfile.open("a.tar").extractall("untar")
shutil.copytree("untar", "copy")
shutil.copy2("a.csv", "copy/b.csv")
shutil.move("copy", "moved")
print(sorted(glob.glob("**/*", recursive=True)))
p = pathlib.Path("deep/er/est")
p.mkdir(parents=True)
(p / "f").write_text("x" * 10)
(p / "f").rename(p / "g")
(p / "l").symlink_to("g")
print((p / "l").read_text(), (p / "l").is_symlink(), [str(x) for x in sorted(p.iterdir())], os.readlink(p / "l"))
os.chmod(p / "g", 0o600)
os.utime(p / "g", (1, 2))
st = os.stat(p / "g")
print(stat.filemode(st.st_mode), st.st_size, st.st_mtime, st.st_nlink)
for action in (lambda: open("missing"), lambda: os.mkdir("deep"), lambda: os.rmdir("deep"), lambda: os.listdir("a.csv"),
               lambda: os.rename("missing", "x"), lambda: os.open("deep", os.O_WRONLY), lambda: os.readlink("a.csv"),
               lambda: os.close(777), lambda: os.kill(2**22 + 5, 0), lambda: os.link("deep", "l"), lambda: open("a.csv/x"),
               lambda: os.open("x" * 300, os.O_CREAT)):
    try:
        print("done", action())
    except OSError as error:
        print(errno.errorcode[error.errno])
f = open("rw", "w+b", buffering=0)
f.write(b"0123456789"); f.seek(3); f.write(b"XY"); f.seek(0); print(f.read(), f.tell(), f.truncate(4), f.seek(0, 2))
print(os.pread(f.fileno(), 2, 1), os.pwrite(f.fileno(), b"!", 20), os.fstat(f.fileno()).st_size)
print(os.writev(f.fileno(), [b"a", b"bc"]), os.lseek(f.fileno(), 0, os.SEEK_CUR))
with tempfile.TemporaryDirectory() as d, tempfile.NamedTemporaryFile(dir=d) as n:
    print(os.path.dirname(n.name) == d)
print([e.name for e in sorted(os.scandir("."), key=lambda e: e.name) if e.is_file()])
shutil.rmtree("deep")
print(os.path.exists("deep"), shutil.which("sh") is not None, shutil.disk_usage("/").total > 0)
print(os.get_terminal_size.__name__, sys.stdin.isatty(), os.cpu_count() >= 1, time.time() > 1.5e9, os.getloadavg()[0] >= 0)
print(sys.version_info[:2], sys.executable, os.getcwd() == os.environ["W"], len(os.urandom(16)))
import ctypes, decimal, datetime, email, http.client, logging, multiprocessing, random, re, ssl, unittest, urllib.request, xml.dom
print(datetime.datetime.fromtimestamp(0, datetime.timezone.utc), random.Random(5).random(), ctypes.CDLL(None).getpid() == os.getpid())
