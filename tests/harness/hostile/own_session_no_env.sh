#!/bin/sh
# A session of its own and no environment: no marker finds it.
exec setsid env -i /bin/sh -c 'echo $$ > "$0"; exec sleep 600' "$1"
