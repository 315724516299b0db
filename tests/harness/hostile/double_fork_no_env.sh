#!/bin/sh
# A daemon without an environment.
setsid env -i /bin/sh -c 'echo $$ > "$0"; exec sleep 600' "$1" &
