#!/bin/sh
# needs: sqlite3
# sqlite3: 200 transactions, each its own journal and fsync; then modes, locks, a dump
. "$T/lib.sh"
{ echo 'create table t (a integer primary key, b text);'
  i=0; while [ $i -lt 200 ]; do echo "begin; insert into t (b) values ('row $i'); commit;"; i=$((i + 1)); done; } >script.sql
sqlite3 t.db <script.sql; echo "status $?"
sqlite3 t.db 'select count(*), sum(a), max(b) from t; pragma integrity_check'
for mode in delete truncate persist memory wal off; do
	sqlite3 $mode.db "pragma journal_mode=$mode; create table x (y); insert into x values ('$mode'); select * from x"
done
sqlite3 t.db .dump | sha256sum; sqlite3 t.db 'begin; delete from t; rollback; select count(*) from t'
sqlite3 t.db '.backup copy.db'; sqlite3 copy.db 'select count(*) from t; vacuum'
for i in 1 2 3 4; do (j=0; while [ $j -lt 10 ]; do sqlite3 -cmd '.timeout 20000' t.db "insert into t (b) values ('w$i')"; j=$((j + 1)); done) & done; wait
sqlite3 t.db "select b, count(*) from t where b like 'w%' group by b"
echo 'not a database, but a text' >bad.db; head -c 2000 /dev/zero >>bad.db; sqlite3 bad.db 'select 1 from sqlite_master'; echo "status $?"
sqlite3 /nonexistent/x.db 'create table t (a)'; echo "status $?"
sqlite3 -csv -header t.db 'select * from t limit 2'; sqlite3 t.db '.import /etc/passwd nothing' 2>/dev/null; sqlite3 t.db "select count(*) > 0 from nothing"
ls
