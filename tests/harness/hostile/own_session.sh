#!/bin/sh
# In a session of its own: no signal to a process group finds it.
exec setsid /bin/sh -c 'echo $$ > "$0"; exec sleep 600' "$1"
