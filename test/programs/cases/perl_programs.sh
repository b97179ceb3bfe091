#!/bin/sh
# needs: perl
# perl: files, forks, pipes, signals, sockets, sorting, regular expressions
. "$T/lib.sh"
perl -e 'print "hello\n"; exit 3'; echo "status $?"
perl -ne '$n{length $_}++; END { print "$_ $n{$_}\n" for sort { $a <=> $b } keys %n }' /etc/passwd | wc -l
perl -e 'for my $n (1 .. 10) { my $p = fork; if (!$p) { exit $n } waitpid $p, 0; $s += $? >> 8 } print "$s\n"'
perl -e 'open my $p, "-|", "seq 1 1000" or die; my $s; $s += $_ while <$p>; close $p; print "$s $?\n"; open $p, "|-", "sort -r | head -n 2" or die; print $p "$_\n" for 1 .. 50; close $p; print `echo backticks`; print system("exit 5") >> 8, "\n"'
perl -e '$SIG{USR1} = sub { print "USR1\n" }; kill USR1 => $$; $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; }; print $@; local $SIG{CHLD} = sub { print "CHLD\n"; wait }; if (!fork) { exit } select undef, undef, undef, 1;'
perl -e 'pipe R, W; if (!fork) { close R; print W "from the child\n"; exit } close W; print while <R>; wait; print $? >> 8, "\n"'
perl -e 'use Socket; socketpair A, B, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die; syswrite A, "socket\n"; sysread B, $x, 100; print $x'
perl -e 'open F, ">", "f"; print F "x" x 10, "\n" for 1 .. 1000; close F; print -s "f", " ", (stat "f")[2] & 0777, "\n"; rename "f", "g"; unlink "g"; print -e "g" ? "there" : "gone", "\n"; mkdir "d"; opendir D, "."; print join(" ", sort readdir D), "\n"; open F, "<", "none" or print $! + 0, " $!\n"; use Fcntl ":flock"; open F, ">l"; print flock(F, LOCK_EX), "\n"; utime 5, 6, "l"; print((stat "l")[9], "\n"); print -t STDIN ? "tty" : "no tty", "\n"'
perl -MPOSIX -e 'print POSIX::uname() ? "uname\n" : ""; print POSIX::ttyname(0) // "no tty", "\n"; print getcwd() eq $ENV{W} ? "cwd\n" : "no\n"; my $m = POSIX::SigSet->new(SIGUSR1); sigprocmask(SIG_BLOCK, $m); kill USR1 => $$; my $q = POSIX::SigSet->new; sigpending($q); print $q->ismember(SIGUSR1), "\n"; print strftime("%F", gmtime 0), "\n"'
perl -i.bak -pe 's/2/two/' "$(seq 1 3 >e; echo e)"; cat e e.bak; perl -c -e 'print 1' 2>&1; perl -e 'die "dead\n"'; echo "status $?"; perl -e 'exec "sh", "-c", "echo exec; exit 6"'; echo "status $?"; perl -e '@a = map { int rand 1e6 } 1 .. 1e5; @a = sort { $a <=> $b } @a; print scalar @a, "\n"'; echo 'print "script $0 @ARGV\n"' >s.pl; perl s.pl a b
