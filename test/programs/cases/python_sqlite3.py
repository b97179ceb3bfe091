#!/usr/bin/python3
# python3's sqlite3 module: transactions, threads, two connections that lock each other out, WAL, backup
import os, sqlite3, threading

os.makedirs(os.environ["W"])
os.chdir(os.environ["W"])
db = sqlite3.connect("a.db")
db.execute("create table t (id integer primary key, name text, value real)")
for n in range(200):
    with db:
        db.execute("insert into t (name, value) values (?, ?)", (f"name {n}", n / 3))
print(db.execute("select count(*), sum(value), max(name) from t").fetchone())
try:
    with db:
        db.execute("delete from t")
        raise KeyError
except KeyError:
    print(db.execute("select count(*) from t").fetchone())
other = sqlite3.connect("a.db", timeout=0.1)
db.execute("begin exclusive")
try:
    other.execute("insert into t (name) values ('x')")
except sqlite3.OperationalError as error:
    print(error)
db.rollback()
other.execute("insert into t (name) values ('x')")
other.commit()
print(db.execute("select count(*) from t").fetchone())
child = os.fork()
if child == 0:
    mine = sqlite3.connect("a.db")
    with mine:
        mine.execute("update t set name = 'child' where id = 1")
    os._exit(0)
print(os.waitpid(child, 0)[1], db.execute("select name from t where id = 1").fetchone())
print(db.execute("pragma journal_mode=wal").fetchone())
def insert(k):
    mine = sqlite3.connect("a.db", timeout=30)
    for n in range(25):
        with mine:
            mine.execute("insert into t (name) values (?)", (f"thread {k}",))
    mine.close()
threads = [threading.Thread(target=insert, args=(k,)) for k in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(db.execute("select count(*) from t where name like 'thread%'").fetchone())
copy = sqlite3.connect("b.db")
db.backup(copy)
print(copy.execute("select count(*) from t").fetchone(), db.execute("pragma integrity_check").fetchone())
print(db.execute("pragma wal_checkpoint(truncate)").fetchone())
db.execute("vacuum")
db.close(), other.close(), copy.close()
print(sorted(os.listdir(".")))
memory = sqlite3.connect(":memory:")
memory.executescript("create table m (x); insert into m values (1); insert into m values (2);")
print(memory.execute("select * from m").fetchall())
