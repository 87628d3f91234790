#!/bin/sh
# Runs one client inside a sandbox, in step with bench/run, which talks to it over its standard input and output.
# usage: inside.sh CONGESTION SERVER COMMAND [ARG...]
congestion=$1
server=$2
shift 2

echo "$congestion" >/proc/sys/net/ipv4/tcp_congestion_control || exit 1
echo "bench: ready"
read -r _ || exit 1

device=$(ip -o route get "$server" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
mtu=$(ip -o link show dev "$device" | sed -n 's/.* mtu \([0-9]*\).*/\1/p')
echo "bench: facts mtu=$mtu congestion=$(cat /proc/sys/net/ipv4/tcp_congestion_control)"

"$@" </dev/null
status=$?
echo
echo "bench: done $status"
read -r _
exit $status
