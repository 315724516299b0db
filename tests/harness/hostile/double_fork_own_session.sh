#!/bin/sh
# A daemon: parent gone, session of its own.
setsid /bin/sh -c 'echo $$ > "$0"; exec sleep 600' "$1" &
