#!/bin/sh
# A tool child with no tricks.
echo $$ > "$1"
exec sleep 600
