#!/bin/sh
# Its parent has gone: no walk from parent to child finds it.
/bin/sh -c 'echo $$ > "$0"; exec sleep 600' "$1" &
