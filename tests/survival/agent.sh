#!/bin/sh
# An agent CLI at work: its tool sleeps in a session of its own. $1 is its prompt: KIND NUMBER.
# Both write their pids to ready/NUMBER once all there is to start was started.
# plain: dies of SIGTERM. deaf: it and its tool ignore every polite signal.
set -- $1
if [ "$1" = deaf ]; then
    trap '' TERM INT HUP QUIT TSTP
fi
mkdir -p ready
setsid sleep 600 &
echo "$$ $!" > ".pids-$2"
mv ".pids-$2" "ready/$2"
echo "working on $2"
wait
