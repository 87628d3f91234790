#!/usr/bin/env bats
#
# Much at once: a gigabyte each way, 500 connections, datagrams of every size, echo requests; from the
# sandbox to the other host, and from there to a published port. Every byte is verified.

bats_require_minimum_version 1.5.0
load lab

readonly gigabyte=1073741824
readonly sizes='0 1 1472 1473 9000 65507'

setup_file() {
	open_folders
	start remote-bulk remote bulk serve 5000
	start remote-datagrams remote datagrams serve 5001
	start more-datagrams remote datagrams serve 5002
	start inside-bulk user sandbox -p 6000:6000 -- bulk serve 6000
	start inside-datagrams user sandbox -p 6001:6001/udp -- datagrams serve 6001
	await 10 remote_listening tcp 5000
	await 10 listening tcp 6000
	await 10 grep -qx ready "$(log remote-datagrams)"
	await 10 grep -qx ready "$(log more-datagrams)"
	await 10 grep -qx ready "$(log inside-datagrams)"
}

teardown_file() {
	stop_all
}

# Connections that the server has seen to their end, from the address and from as many ports.
ended_from() {
	awk -v address="$2" -v bytes="$3" '$1 == address && $4 == bytes { ports[$2] } END { print length(ports) }' \
		"$(log "$1")"
}

@test "a gigabyte each way at once, out of the sandbox (IPv4)" {
	user sandbox -- bulk use "$remote4" 5000 1 "$gigabyte"
	expect "connections from the host's address" 1 "$(ended_from remote-bulk "$host4" "$gigabyte")"
}

@test "a gigabyte each way at once, out of the sandbox (IPv6)" {
	user sandbox -- bulk use "$remote6" 5000 1 "$gigabyte"
	expect "connections from the host's address" 1 "$(ended_from remote-bulk "$host6" "$gigabyte")"
}

@test "a gigabyte each way at once, to a published port (IPv4)" {
	client 11 bulk use "$host4" 6000 1 "$gigabyte"
	expect "connections from the client's address" 1 "$(ended_from inside-bulk 192.0.2.11 "$gigabyte")"
}

@test "a gigabyte each way at once, to a published port (IPv6)" {
	client 11 bulk use "$host6" 6000 1 "$gigabyte"
	expect "connections from the client's address" 1 "$(ended_from inside-bulk 2001:db8::11 "$gigabyte")"
}

@test "500 connections at once, out of the sandbox (IPv4)" {
	user sandbox -- bulk use "$remote4" 5000 500 100000
	expect "connections from the host's address" 500 "$(ended_from remote-bulk "$host4" 100000)"
}

@test "500 connections at once, out of the sandbox (IPv6)" {
	user sandbox -- bulk use "$remote6" 5000 500 100000
	expect "connections from the host's address" 500 "$(ended_from remote-bulk "$host6" 100000)"
}

@test "500 connections at once, to a published port (IPv4)" {
	client 12 bulk use "$host4" 6000 500 100000
	expect "connections from the client's address" 500 "$(ended_from inside-bulk 192.0.2.12 100000)"
}

@test "500 connections at once, to a published port (IPv6)" {
	client 12 bulk use "$host6" 6000 500 100000
	expect "connections from the client's address" 500 "$(ended_from inside-bulk 2001:db8::12 100000)"
}

# arrived ADDRESS: one of each size came to the other host from there.
arrived() {
	expect 'sizes that arrived' "$sizes" \
		"$(awk -v from="$1" '$1 == from { print $3 }' "$(log remote-datagrams)" | xargs)"
}

@test "datagrams of 0 to 65507 bytes, out of the sandbox (IPv4)" {
	user sandbox -- datagrams ask "$remote4" 5001 $sizes
	arrived "$host4"
}

@test "datagrams of 0 to 65507 bytes, out of the sandbox (IPv6)" {
	user sandbox -- datagrams ask "$remote6" 5001 $sizes
	arrived "$host6"
}

# asked ADDRESS OUTPUT: the server inside saw each datagram come from the client's own address and port.
asked() {
	local line
	expect "datagrams" 6 "$(wc -l <<<"$2")"
	while read -r line; do
		grep -qx "$1 $line" "$(log inside-datagrams)" || fail "no datagram from $1 $line"
	done <<<"$2"
}

@test "datagrams of 0 to 65507 bytes, to a published port (IPv4)" {
	asked 192.0.2.13 "$(client 13 datagrams ask "$host4" 6001 $sizes)"
}

@test "datagrams of 0 to 65507 bytes, to a published port (IPv6)" {
	asked 2001:db8::13 "$(client 13 datagrams ask "$host6" 6001 $sizes)"
}

# RFC 4787: the mapping depends on the endpoint inside only.
@test "a socket inside has one port outside, whichever server it talks to" {
	local address seen size=100
	for address in "$remote4" "$remote6"; do
		size=$((size + 1))
		user sandbox -- datagrams ask "$address" 5001,5002 "$size"
		seen=$(awk -v size="$size" '$3 == size { print $2 }' "$(log remote-datagrams)" "$(log more-datagrams)")
		expect 'datagrams' 2 "$(wc -l <<<"$seen")"
		expect 'ports' 1 "$(sort -u <<<"$seen" | wc -l)"
	done
}

@test "ping" {
	local address size
	for address in "$remote4" "$remote6"; do
		for size in 0 56 1452 8000; do
			user sandbox -- ping -n -c 3 -i 0.05 -W 5 -s "$size" "$address"
		done
	done
}

@test "ping to an address that is not there gets no answer" {
	run -1 user sandbox -- ping -n -c 1 -W 1 192.0.2.99
	run -1 user sandbox -- ping -n -c 1 -W 1 2001:db8::99
}
