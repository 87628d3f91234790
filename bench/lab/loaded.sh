#!/bin/sh
# Runs a client beside four bulk transfers, out of the sandbox or into it.
# usage: loaded.sh SERVER PORT out|in SECONDS COMMAND [ARG...]
server=$1
port=$2
direction=$3
seconds=$4
shift 4

report=$(mktemp)
[ "$direction" = in ] && reverse=-R || reverse=
# shellcheck disable=SC2086 # no word, or one
iperf3 -c "$server" -p "$port" -P 4 -t $((seconds + 4)) -i 0 $reverse >"$report" 2>&1 &
load=$!
# The transfers' first second is not the one that others have to live with.
sleep 1
"$@"
status=$?
kill -0 $load || { tail -n 3 "$report"; status=1; }
kill $load
wait $load
rm -f "$report"
exit $status
