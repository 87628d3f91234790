#!/usr/bin/env bats
#
# Errors and ends are what they are without a sandbox: `transcript` writes down what an application sees,
# once on the plain host and once inside, and the two texts must be the same.

bats_require_minimum_version 1.5.0
load lab

# Behind *remote*, on a wire of MTU 1400.
readonly far4=198.51.100.2 far6=2001:db8:1::2

far() {
	nsenter -t "$(pid far-host)" -n -- "$@"
}

# The networks 4 and 6 that fail in one way each: at *remote*, which answers for them, or on *host* itself.
networks() {
	remote ip route add blackhole 203.0.113.0/26
	remote ip route add prohibit 203.0.113.128/26
	remote ip -6 route add blackhole 2001:db8:a::/64
	remote ip -6 route add prohibit 2001:db8:c::/64
	ip route add unreachable 203.0.113.192/27
	ip route add throw 203.0.113.224/27
	ip -6 route add unreachable 2001:db8:d::/64
	ip -6 route add throw 2001:db8:e::/64
	# An address on the wire that nobody has is given up after three questions.
	sysctl -qw net.ipv4.neigh.wire.retrans_time_ms=100 net.ipv6.neigh.wire.retrans_time_ms=100
}

far_network() {
	start far-host unshare --net sleep infinity
	await 5 far true
	remote ip link add far mtu 1400 type veth peer name far mtu 1400 netns "$(pid far-host)"
	remote ip address add 198.51.100.1/24 dev far
	remote ip address add 2001:db8:1::1/64 dev far nodad
	remote ip link set far up
	far ip link set lo up
	far ip address add "$far4/24" dev far
	far ip address add "$far6/64" dev far nodad
	far ip link set far up
	far ip route add default via 198.51.100.1
	far ip -6 route add default via 2001:db8:1::1
	# An address there that nobody has is given up after three questions.
	remote sysctl -qw net.ipv4.neigh.far.retrans_time_ms=100 net.ipv6.neigh.far.retrans_time_ms=100
	await 5 ping -c 1 -W 1 "$far4"
	await 5 ping -c 1 -W 1 "$far6"
}

setup_file() {
	open_folders
	networks
	far_network
	start peer remote peer
	start far-peer nsenter -t "$(pid far-host)" -n peer
	start inside-peer user sandbox -p 7000-7006:7000-7006 -- peer
	await 10 remote_listening tcp 7006
	await 10 listening tcp 7006
	await 10 far ping -c 1 "$remote4"
}

teardown_file() {
	stop_all
}

# What is known about the way to an address is forgotten, so that both begin with the same.
forget() {
	ip route flush cache
	ip -6 route flush cache
	ip neighbour flush dev wire
}

plainly() {
	forget
	E2E_DIRECT=yes user sandbox -- "$@"
}

# The same MTU inside as outside, for the cases where it shows.
inside() {
	forget
	user sandbox --mtu 1500 -- "$@"
}

# compare EXPECTED SEEN: two texts.
compare() {
	diff --unified --label 'on the plain host' --label 'in the sandbox' "$1" "$2"
}

# same CASE ADDRESS...: the transcripts do not differ, and the last line on the plain host matches $expected.
same() {
	local what=$1 address
	shift
	for address in "$@"; do
		plainly transcript "$what" "$address" >"$BATS_TEST_TMPDIR/plain"
		inside transcript "$what" "$address" >"$BATS_TEST_TMPDIR/inside"
		compare "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/inside"
	done
	# What the plain host shows is what the case is about.
	grep -qE "$expected" "$BATS_TEST_TMPDIR/plain" || { cat "$BATS_TEST_TMPDIR/plain" && return 1; }
}

# published CASE: from the other host to a published port, it is as it is to a plain port.
published() {
	local pair
	for pair in "$remote4 $host4" "$remote6 $host6"; do
		plainly transcript "$1" "${pair% *}" >"$BATS_TEST_TMPDIR/plain"
		client 11 transcript "$1" "${pair#* }" >"$BATS_TEST_TMPDIR/inside"
		compare "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/inside"
	done
	grep -qE "$expected" "$BATS_TEST_TMPDIR/plain" || { cat "$BATS_TEST_TMPDIR/plain" && return 1; }
}

# Setting up a connection.

@test "connect: refused" {
	expected='^connect: ECONNREFUSED$' same refused "$remote4" "$remote6"
}

@test "connect: refused, without blocking" {
	expected='^SO_ERROR: ECONNREFUSED$' same refused-without-blocking "$remote4" "$remote6"
}

@test "connect: a router says that the host is unreachable" {
	expected='^connect: EHOSTUNREACH$' same connect-fails 198.51.100.99 2001:db8:1::99
}

@test "connect: a router says that the network is unreachable" {
	expected='^connect: ENETUNREACH$' same connect-fails 198.18.0.1 2001:db8:f::1
}

@test "connect: a router says that it is prohibited (IPv4)" {
	expected='^connect: EHOSTUNREACH$' same connect-fails 203.0.113.129
}

@test "connect: a router says that it is prohibited (IPv6)" {
	expected='^connect: EACCES$' same connect-fails 2001:db8:c::1
}

@test "connect: the host has a route that says unreachable" {
	expected='^connect: EHOSTUNREACH$' same connect-fails 203.0.113.193 2001:db8:d::1
}

@test "connect: the host has no route" {
	expected='^connect: ENETUNREACH$' same connect-fails 203.0.113.225 2001:db8:e::1
}

@test "connect: nobody on the wire has the address" {
	expected='^connect: EHOSTUNREACH$' same connect-fails 192.0.2.99 2001:db8::99
}

@test "connect: timed out" {
	local address jobs=() job
	for address in 203.0.113.1 2001:db8:a::1; do
		plainly transcript connect-times-out "$address" >"$BATS_TEST_TMPDIR/plain-$address" 3>&- &
		jobs+=($!)
		inside transcript connect-times-out "$address" >"$BATS_TEST_TMPDIR/inside-$address" 3>&- &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job"
	done
	for address in 203.0.113.1 2001:db8:a::1; do
		compare "$BATS_TEST_TMPDIR/plain-$address" "$BATS_TEST_TMPDIR/inside-$address"
		expect "$address" 'connect: ETIMEDOUT' "$(cat "$BATS_TEST_TMPDIR/plain-$address")"
	done
}

@test "connect: success, without blocking" {
	expected='^SO_ERROR: 0$' same connect-succeeds "$remote4" "$remote6"
}

# The end of a connection.

@test "end: the peer speaks first and closes" {
	expected='^everything: 12 bytes' same peer-speaks-first-and-closes "$remote4" "$remote6"
	expected='^everything: 12 bytes' published peer-speaks-first-and-closes
}

@test "end: half closed by us" {
	local expected='^answer: 300000 bytes, then the end and 1000000 bytes$'
	same half-closed-by-us "$remote4" "$remote6"
	published half-closed-by-us
}

@test "end: half closed by the peer" {
	expected='^peer: 500000 bytes, then the end$' same half-closed-by-peer "$remote4" "$remote6"
	expected='^peer: 500000 bytes, then the end$' published half-closed-by-peer
}

@test "end: closed by us at once" {
	expected='^peer: 300000 bytes, then the end$' same closed-by-us "$remote4" "$remote6"
	expected='^peer: 300000 bytes, then the end$' published closed-by-us
}

@test "end: reset while reading" {
	expected='^recv: ECONNRESET$' same reset-while-reading "$remote4" "$remote6"
	expected='^recv: ECONNRESET$' published reset-while-reading
}

@test "end: reset while polling" {
	expected='^SO_ERROR: ECONNRESET$' same reset-while-polling "$remote4" "$remote6"
	expected='^SO_ERROR: ECONNRESET$' published reset-while-polling
}

@test "end: reset while writing" {
	expected='^send: ECONNRESET$' same reset-while-writing "$remote4" "$remote6"
	expected='^send: ECONNRESET$' published reset-while-writing
}

@test "end: the peer closes what it has not read" {
	expected='^recv: ECONNRESET$' same peer-closes-unread "$remote4" "$remote6"
	expected='^recv: ECONNRESET$' published peer-closes-unread
}

@test "end: reset by us" {
	expected='^peer: 0 bytes, then ECONNRESET$' same reset-by-us "$remote4" "$remote6"
	expected='^peer: 0 bytes, then ECONNRESET$' published reset-by-us
}

@test "end: we close what we have not read" {
	expected='^peer: 0 bytes, then ECONNRESET$' same closed-by-us-unread "$remote4" "$remote6"
	expected='^peer: 0 bytes, then ECONNRESET$' published closed-by-us-unread
}

# vanish plainly|inside: the text that a connection to the far host leaves when the way there goes silent.
vanish() {
	local from to
	coproc "$1" transcript peer-vanishes "$2"
	# Bash forgets the ends of the pipes when the program ends.
	exec {from}<&"${COPROC[0]}" {to}>&"${COPROC[1]}"
	read -r -t 10 <&"$from"
	remote ip route add blackhole "$2"
	echo >&"$to"
	cat <&"$from"
	remote ip route delete blackhole "$2"
}

@test "end: a peer that vanishes is an error, not an end" {
	local address way
	# The host gives up after one repetition instead of fifteen.
	sysctl -qw net.ipv4.tcp_retries2=1
	for address in "$far4" "$far6"; do
		for way in plainly inside; do
			# Inside it is a reset, because the sandbox cannot be told that somebody else's time is over.
			grep -qE '^recv: (ETIMEDOUT|ECONNRESET)$' <(vanish "$way" "$address")
		done
	done
}

# Datagrams.

@test "datagram: to a closed port" {
	expected='^recv: ECONNREFUSED$' same datagram-to-closed-port "$remote4" "$remote6"
}

@test "datagram: to a closed port, unconnected" {
	expected='^recv: 5 bytes' same datagram-to-closed-port-unconnected "$remote4" "$remote6"
}

@test "datagram: to a closed port, in detail" {
	expected='^queue: ECONNREFUSED' same datagram-fails "$remote4" "$remote6"
}

@test "datagram: to an unreachable host, in detail" {
	expected='^queue: EHOSTUNREACH' same datagram-fails 198.51.100.99 2001:db8:1::99
}

@test "datagram: to an unreachable network, in detail" {
	expected='^queue: ENETUNREACH' same datagram-fails 198.18.0.1 2001:db8:f::1
}

@test "datagram: too long for the path, not to be fragmented" {
	expected='^path MTU: 1400$' same datagram-that-must-not-be-fragmented "$far4" "$far6"
}

# Echo requests.

# What ping tells of a router's error, without its times.
told() {
	"$1" ping -n -c 1 -W 5 "$2" | grep '^From '
}

@test "ping: a router's error is told" {
	local address
	for address in 198.51.100.99 2001:db8:f::1 2001:db8:1::99; do
		told plainly "$address" >"$BATS_TEST_TMPDIR/plain"
		told inside "$address" >"$BATS_TEST_TMPDIR/inside"
		compare "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/inside"
	done
}
