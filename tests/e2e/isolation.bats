#!/usr/bin/env bats
#
# The process that parses packets, looked at from outside: what it may still do, and what it holds.

bats_require_minimum_version 1.5.0
load lab
load running

teardown() {
	[ -n "${E2E_DIRECT:-}" ] || stop_all
}

# status_line PID NAME: its value in /proc/PID/status.
status_line() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# is_isolated PID
is_isolated() {
	local set kind content
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		[ "$(status_line "$1" "$set")" = 0000000000000000 ] || { echo "$set"; return 1; }
	done
	[ "$(status_line "$1" NoNewPrivs)" = 1 ]
	[ "$(status_line "$1" Threads)" = 1 ]
	for kind in mnt user; do
		[[ $(readlink "/proc/$1/ns/$kind") = "$kind:["* ]]
		[ "$(readlink "/proc/$1/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ]
	done
	# With sanitizers, which look at their process from another one and in /proc, these are left out.
	grep -q libasan "/proc/$1/maps" || {
		content=$(ls -A "/proc/$1/root/")
		[ -z "$content" ]
		[ "$(status_line "$1" Seccomp)" = 2 ]
		grep -qE '^Max core file size +0 +0 ' "/proc/$1/limits"
		grep -qE '^Max processes +0 +0 ' "/proc/$1/limits"
	}
}

# held PID: what its descriptors are, a line each, numbers of sockets left out.
held() {
	find "/proc/$1/fd" -type l -printf '%l\n' | sed -E 's/:\[[0-9]+\]$//' | sort | uniq -c |
		sed -E 's/^ +//'
}

@test "an ordinary user's: no capability, no new privileges, no file, few system calls" {
	begin as_user mine sleep 1000
	is_isolated "$(pid mine)"
}

@test "root's: the same" {
	begin as_root theirs sleep 1000
	is_isolated "$(pid theirs)"
}

@test "it holds open what docs/isolation.md lists, and nothing else" {
	begin_with '-p 8080:80 -p 5353:53/udp' as_user holder sleep 1000
	run -0 held "$(pid holder)"
	# What it writes messages to is the test's.
	diff -u - <(printf '%s\n' "${lines[@]}" | grep -v '/holder\.log$') <<-END
		1 /dev/net/tun
		2 /dev/null
		1 anon_inode:[eventpoll]
		1 anon_inode:[signalfd]
		6 socket
	END
}

@test "a system port is published while it runs by root, whose process has no right to it" {
	begin as_root theirs python3 -m http.server 80
	as_root "$COTHON" publish add theirs 81:80
	await 10 remote curl -sS --max-time 2 -o /dev/null "http://$host4:81/"
	as_root "$COTHON" publish rm theirs 81:80
}

@test "kill -9 of the process leaves no socket, no process and no port" {
	begin_with '-p 8082:80' as_user gone sleep 1000
	local engine steward
	engine=$(pid gone)
	steward=$(pgrep -P "$engine" | tr '\n' ' ')
	[ -n "$steward" ]
	kill -9 "$engine"
	for process in $steward; do
		await 5 test ! -e "/proc/$process"
	done
	[ ! -e /run/lab/tmp/run-user/cothon/gone.sock ]
	python3 -c 'import socket; socket.create_server(("", 8082))'
}
