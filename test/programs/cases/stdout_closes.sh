#!/bin/sh
# on enough: close-stdout
# same: status stderr
# whoever reads our output leaves: the writer gets SIGPIPE, so does the whole run
echo enough
sleep 0.5
exec yes
