#!/usr/bin/env bats
#
# Published ports: which port outside leads to which inside, who the client is, and what is refused.

bats_require_minimum_version 1.5.0
load lab

setup_file() {
	open_folders
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
}

teardown() {
	sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
	stop_all
}

# fetch URL: from the other host; what `web` answers is the client's address as it saw it.
fetch() {
	remote curl -sS --max-time 10 "$1"
}

# Until the server inside answers: published ports are open before it listens.
await_web() {
	await 10 curl -sSf --max-time 2 -o /dev/null "$1"
}

@test "-p 8080:80, IPv4 and IPv6: the client's own address is what the server sees" {
	start inside user sandbox -p 8080:80 -- web 80
	await_web "http://$host4:8080/"
	expect 'client' "$remote4" "$(fetch "http://$host4:8080/")"
	expect 'client' "$remote6" "$(fetch "http://[$host6]:8080/")"
}

@test "a connection from the host's loopback comes from the gateway" {
	start inside user sandbox -p 8080:80 -- web 80
	await_web "http://$host4:8080/"
	expect 'client' "$gateway4" "$(curl -sS http://127.0.0.1:8080/)"
	expect 'client' "$gateway6" "$(curl -sS 'http://[::1]:8080/')"
}

@test "a connection from the host's own address" {
	start inside user sandbox -p 8080:80 -- web 80
	await_web "http://$host4:8080/"
	expect 'client' "$host4" "$(curl -sS "http://$host4:8080/")"
	expect 'client' "$host6" "$(curl -sS "http://[$host6]:8080/")"
}

@test "a range: each port leads to its counterpart" {
	local n
	start inside user sandbox -p 8000-8002:80-82 -- sh -c 'web 80 & web 82 & wait'
	await_web "http://$host4:8000/"
	await_web "http://$host4:8002/"
	expect 'client' "$remote4" "$(fetch "http://$host4:8000/")"
	expect 'client' "$remote4" "$(fetch "http://$host4:8002/")"
	# Nobody listens on 81: refused, or reset where the host had to accept first.
	run ! fetch "http://$host4:8001/"
	[[ $status = 7 || $status = 56 ]]
}

@test "ADDR: opens the port at that address only" {
	start inside user sandbox -p 127.0.0.1:8081:80 -p "$host4:8082:80" -p "[$host6]:8083:80" -- web 80
	await_web http://127.0.0.1:8081/
	run -7 fetch "http://$host4:8081/"
	expect 'client' "$remote4" "$(fetch "http://$host4:8082/")"
	run -7 curl -sS http://127.0.0.1:8082/
	run -7 fetch "http://[$host6]:8082/"
	expect 'client' "$remote6" "$(fetch "http://[$host6]:8083/")"
	run -7 fetch "http://$host4:8083/"
}

@test "a service's name serves as a port" {
	start inside user sandbox -p 8021:ftp -p http-alt:http -- sh -c 'web 21 & web 80 & wait'
	await_web "http://$host4:8021/"
	await_web "http://$host4:8080/"
	expect 'client' "$remote4" "$(fetch "http://$host4:8021/")"
	expect 'client' "$remote4" "$(fetch "http://$host4:8080/")"
}

@test "/udp: TCP on the same port is not published" {
	start inside user sandbox -p 5353:domain/udp -- datagrams serve 53
	await 10 grep -qx ready "$(log inside)"
	client 11 datagrams ask "$host4" 5353 10
	run -1 listening tcp 5353
	client 12 datagrams ask "$host6" 5353 1 1000
	grep -q '^192.0.2.11 [0-9]* 10$' "$(log inside)"
	grep -q '^2001:db8::12 [0-9]* 1000$' "$(log inside)"
}

@test "datagrams from the host's loopback come from the gateway" {
	start inside user sandbox -p 5353:53/udp -- datagrams serve 53
	await 10 grep -qx ready "$(log inside)"
	datagrams ask 127.0.0.1 5353 10
	datagrams ask ::1 5353 20
	grep -q "^$gateway4 [0-9]* 10$" "$(log inside)"
	grep -q "^$gateway6 [0-9]* 20$" "$(log inside)"
}

@test "root publishes system ports" {
	start inside sandbox -p 80:80 -- web 80
	await_web "http://$host4/"
	expect 'client' "$remote4" "$(fetch "http://$host4/")"
	expect 'client' "$remote6" "$(fetch "http://[$host6]/")"
}

@test "a port that is taken: says which and what to do" {
	start taker user web 8080
	await 10 listening tcp 8080
	run -125 user sandbox -p 8080:80 -- true
	[[ $output = cothon:*8080/tcp*another* ]]
	run -125 user sandbox -p 8000-8090:8000-8090 -- true
	[[ $output = cothon:*8080/tcp*another* ]]
	user sandbox -p 8080:80/udp -- true
}

@test "a system port that is not the user's: says so and what to do" {
	run -125 user sandbox -p 80:80 -- true
	[[ $output = cothon:*80/tcp*ip_unprivileged_port_start=80* ]]
	sysctl -qw net.ipv4.ip_unprivileged_port_start=80
	user sandbox -p 80:80 -- true
}

@test "an address that is not the host's: says so" {
	run -125 user sandbox -p 192.0.2.250:8080:80 -- true
	[[ $output = cothon:*192.0.2.250* ]]
}

@test "what is no publication: says how one is written" {
	local wrong
	for wrong in 80 8080:0 8080:70000 8080-8081:80 nothing:80 192.0.2.1.5:80:80 8080:80/sctp; do
		run -125 user sandbox -p "$wrong" -- true
		[[ $output = cothon:* ]]
	done
}

@test "two sandboxes hold the same port, each published as another" {
	start first user sandbox -p 8001:80 -- web 80 --say first
	start second user sandbox -p 8002:80 -- web 80 --say second
	await_web "http://$host4:8001/"
	await_web "http://$host4:8002/"
	expect 'answer' first "$(fetch "http://$host4:8001/")"
	expect 'answer' second "$(fetch "http://$host4:8002/")"
}

@test "ports are closed when the command has ended" {
	user sandbox -p 8080:80 -- true
	run -1 listening tcp 8080
	user sandbox -p 8080:80 -- true
}

@test "a client that comes before the server listens is refused, and after that served" {
	mkfifo "$BATS_TEST_TMPDIR/go"
	chmod 666 "$BATS_TEST_TMPDIR/go"
	start inside user sandbox -p 8080:80 -- sh -c "read x <$BATS_TEST_TMPDIR/go; exec web 80"
	await 10 listening tcp 8080
	run ! fetch "http://$host4:8080/"
	[[ $status = 7 || $status = 56 ]]
	echo >"$BATS_TEST_TMPDIR/go"
	await_web "http://$host4:8080/"
}
