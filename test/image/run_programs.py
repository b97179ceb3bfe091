"""Programs that commit one transaction after the other, say each number when it is durable, and can be judged."""
from run_common import check

ENDLESS = 100000

SQLITE = """
import os, random, sqlite3, sys
path, mode, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
c = sqlite3.connect(path, isolation_level=None)
c.execute("pragma journal_mode = " + mode).fetchall()
c.execute("pragma synchronous = extra")  # full does not sync that the rollback journal is removed
c.execute("create table if not exists one (n integer primary key, data blob)")
c.execute("create table if not exists other (n integer, data blob)")
for n in range(first, first + count):
    c.execute("begin")
    c.execute("insert into one values (?, randomblob(?))", (n, random.choice((10, 300, 9000))))
    c.execute("insert into other select n, data from one where n = ?", (n,))
    if n % 3 == 0:
        c.execute("update one set data = ? where n = ?", (b"", n - 40))
        c.execute("update other set data = ? where n = ?", (b"", n - 40))
    c.execute("commit")
    os.write(1, b"%d\\n" % n)
"""

SQLITE_CHECK = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print(c.execute("pragma integrity_check").fetchall())
print(c.execute("select count(*) from one join other using (n) where one.data is other.data").fetchone()[0],
      c.execute("select count(*) from one").fetchone()[0], c.execute("select count(*) from other").fetchone()[0],
      c.execute("select coalesce(max(n), 0) from one").fetchone()[0])
"""

GIT = """
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.fsync GIT_CONFIG_VALUE_0=all  # by itself it does not sync objects
[ -d "$1/.git" ] || { git init -q "$1" && sync; } || exit 9  # git init syncs nothing
cd "$1" && rm -f $(find .git -name '*.lock') && git reset -q --hard 2>/dev/null
n=$2
while [ $n -lt $(($2 + $3)) ]; do
    echo $n > number; seq $n > folder$((n % 5)).txt
    git add -A && git commit -q -m "commit $n" && sync .git/refs/heads/* .git/refs/heads || exit 9
    echo $n; n=$((n + 1))
done
"""

GIT_CHECK = """
cd "$1" && rm -f $(find .git -name '*.lock') && git fsck --full --strict 2>&1 | grep -v '^dangling\\|^notice: HEAD points'
git log --format=%s 2>/dev/null | cat
"""


def sqlite_work(base, mode, first, count=ENDLESS):
    return ["python3", "-c", SQLITE, base, mode, str(first), str(count)]


def sqlite_last(run, base):
    """The last transaction of a base that is in order. run: words -> what subprocess.run() gives."""
    if run("sh", "-c", f"test -s {base} && echo yes || :").stdout == "":
        return 0
    r = run("python3", "-c", SQLITE_CHECK, base)
    if "no such table" in r.stderr:
        return 0
    check(r.returncode == 0, "sqlite ended with", r.returncode, r.stdout, r.stderr)
    verdict, numbers = r.stdout.strip().split("\n")
    same, one, other, last = (int(word) for word in numbers.split())
    check(verdict == "[('ok',)]", verdict)
    check(same == one == other == last, "rows:", numbers)
    return last


def git_work(folder, first, count=ENDLESS):
    return ["sh", "-c", GIT, "sh", folder, str(first), str(count)]


def git_last(run, folder):
    """The number of commits of a repository that is in order."""
    r = run("sh", "-c", GIT_CHECK, "sh", folder)
    check(r.returncode == 0, "git ended with", r.returncode, r.stdout, r.stderr)
    lines = r.stdout.split("\n")[:-1]
    numbers = [int(line.split()[1]) for line in lines if line.startswith("commit ")]
    check(len(numbers) == len(lines), "git fsck:", lines[:10])
    check(numbers == list(range(len(numbers), 0, -1)), "commits:", numbers[:5])
    return len(numbers)
