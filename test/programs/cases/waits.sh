#!/bin/sh
# builds: waits waits+static
# poll, select, epoll, eventfd, timerfd, pipes filled to the brim, locks between processes
. "$T/lib.sh"
"$B/waits"; echo "status $?"
"$B/waits.static"; echo "status $?"
