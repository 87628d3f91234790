#!/usr/bin/env bats
#
# Loads that are to take all there is of something, from inside a sandbox and through its published ports, while
# others in the same sandbox go about their business: they are served, and afterwards the engine holds no more
# memory and descriptors than before. And the host's own mishaps: its link, its address, its resolver.
#
# ATTACK_SCALE is by how much the loads are larger than what continuous integration has time for (`make attack`).

bats_require_minimum_version 1.5.0
load lab
load running

readonly scale=${ATTACK_SCALE:-1}
# Kilobytes that the engine may have taken for good: what the C library keeps of what was freed follows the load.
readonly growth=$((scale > 1 ? 131072 : 32768))
# Sockets that stay for some minutes.
readonly lasting=4

setup_file() {
	[ -z "${E2E_DIRECT:-}" ] || return 0
	open_folders
	runtime_folders
	install -m 755 "$E2E_TOOLS/../../hostile/flood" "$BATS_FILE_TMPDIR/flood"
	start web remote web 5300 --say well
	start pour remote "$BATS_FILE_TMPDIR/flood" pour 5301
	# What is sent there is lost without a word.
	remote ip route add blackhole 203.0.113.0/24
	await 10 remote_listening tcp 5300
	await 10 remote_listening tcp 5301
}

teardown() {
	local name
	exec 9>&-
	: >/etc/resolv.conf
	for name in attacked load inner stalled steady slow files dns; do
		[ ! -e "$BATS_FILE_TMPDIR/$name.pid" ] || stop "$name" KILL
	done
}

teardown_file() {
	stop_all
}

descriptors() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

resident() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

few_descriptors() {
	[ "$(descriptors "$1")" -le "$2" ]
}

# What one limit says of itself: limit NAME FIELD
limit() {
	curl -sS --max-time 10 --unix-socket /run/lab/tmp/run-root/cothon/attacked.sock http://sandbox/v1/limits |
		python3 -c 'import json, sys
limits = {one["name"]: one for one in json.load(sys.stdin)["limits"]}
print(limits[sys.argv[1]][sys.argv[2]])' "$1" "$2"
}

# fetch_inside: a request of another program in the sandbox.
fetch_inside() {
	as_root "$COTHON" exec attacked -- curl -sS --max-time 20 "http://$remote4:5300/"
}

# attacked OPTIONS: a sandbox with nothing in it.
attacked() {
	begin_with "$1" as_root attacked sleep 1000
	expect 'before' well "$(fetch_inside)"
	idle=$(descriptors "$(pid attacked)")
	before=$(resident "$(pid attacked)")
}

# during WHERE COMMAND...: the load, and requests as long as it lasts; its output in $output.
during() {
	local place=$1 load answered=0
	shift
	start load "$place" "$@"
	load=$(pid load)
	while ! ended "$load"; do
		expect 'a request meanwhile' well "$(fetch_inside)"
		answered=$((answered + 1))
	done
	wait "$load" || fail "the load failed: $(cat "$(log load)")"
	rm "$BATS_FILE_TMPDIR/load.pid"
	[ "$answered" -gt 0 ]
	output=$(cat "$(log load)")
	echo "$answered requests meanwhile; $output"
}

inside() {
	as_root "$COTHON" exec attacked -- "$@"
}

# Everything is as it was before the load.
as_before() {
	local engine
	engine=$(pid attacked)
	expect 'afterwards' well "$(fetch_inside)"
	await 60 few_descriptors "$engine" $((idle + lasting)) ||
		fail "$(descriptors "$engine") descriptors, before $idle: $(ss -Hantu | awk '{ print $1, $2 }' | sort | uniq -c)"
	[ "$(resident "$engine")" -le $((before + growth)) ] ||
		fail "$(resident "$engine") KiB of memory, before $before"
	stop attacked
	expect 'what the engine said' '' "$(cat "$(log attacked)")"
}

@test "SYNs from inside to where nobody answers: the oldest of them give way" {
	attacked '--limit half-open=500'
	during inside "$BATS_FILE_TMPDIR/flood" syn 203.0.113.1 $((20000 * scale))
	# Many are lost in the device's queue already.
	[ "$(limit half-open refused)" -ge 10000 ]
	[ "$(limit half-open used)" -le 500 ]
	# Those that are left end when their time is over, or for others.
	idle=$((idle + 500))
	as_before
}

@test "a scan of ports from inside finds what is open, and leaves nothing behind" {
	attacked ''
	during inside "$BATS_FILE_TMPDIR/flood" scan "$remote4" 5000 $((scale > 1 ? 65535 : 7999))
	[[ $output = *'open 5300'*'other 0'* ]]
	as_before
}

@test "connections through a published port, reset as soon as they stand" {
	attacked '-p 8080:80'
	start inner as_root "$COTHON" exec attacked -- web 80 --say inner
	await 10 remote curl -sS --max-time 5 "http://$host4:8080/"
	during remote "$BATS_FILE_TMPDIR/flood" connect "$host4" 8080 $((3000 * scale))
	[[ $output = *"connected $((3000 * scale)) refused 0 other 0"* ]]
	expect 'through the port' inner "$(remote curl -sS --max-time 10 "http://$host4:8080/")"
	stop inner
	as_before
}

@test "readers that do not read hold no more memory than there is for all" {
	local count=$((400 * scale)) engine
	attacked '--limit buffers=16M'
	engine=$(pid attacked)
	mkfifo "$BATS_TEST_TMPDIR/until"
	start stalled as_root bash -c "\"\$@\" <\"$BATS_TEST_TMPDIR/until\"" bash \
		"$COTHON" exec attacked -- "$BATS_FILE_TMPDIR/flood" stall "$remote4" 5301 "$count"
	exec 9>"$BATS_TEST_TMPDIR/until"
	await 60 grep -q "standing $count" "$(log stalled)"
	for _ in 1 2 3 4 5; do
		expect 'a request meanwhile' well "$(fetch_inside)"
	done
	[ "$(resident "$engine")" -le $((before + 65536 + growth)) ] ||
		fail "$(resident "$engine") KiB of memory, before $before"
	exec 9>&-
	await 20 ended "$(pid stalled)"
	rm "$BATS_FILE_TMPDIR/stalled.pid"
	as_before
}

@test "no descriptor is left: flows are refused, those that stand go on, and it passes" {
	attacked '--limit descriptors=100'
	mkfifo "$BATS_TEST_TMPDIR/until"
	start steady as_root bash -c "\"\$@\" <\"$BATS_TEST_TMPDIR/until\"" bash \
		"$COTHON" exec attacked -- "$BATS_FILE_TMPDIR/flood" stall "$remote4" 5300 40
	exec 9>"$BATS_TEST_TMPDIR/until"
	await 20 grep -q 'standing 40' "$(log steady)"
	# As many again are too many.
	run as_root "$COTHON" exec attacked -- "$BATS_FILE_TMPDIR/flood" stall "$remote4" 5300 100 </dev/null
	[ "$status" != 0 ]
	[ "$(limit descriptors refused)" -gt 0 ]
	await 10 few_descriptors "$(pid attacked)" 80
	expect 'a request meanwhile' well "$(fetch_inside)"
	exec 9>&-
	await 20 ended "$(pid steady)"
	rm "$BATS_FILE_TMPDIR/steady.pid"
	as_before
}

@test "pings from more sockets than there may be: the one not used for the longest time gives way" {
	attacked '--limit echo-mappings=2'
	# Each socket for echo requests is bound to an identifier.
	inside python3 -c 'if True:
		import socket, sys
		def ping(identifier):
			with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as echo:
				echo.bind(("", identifier))
				echo.settimeout(10)
				echo.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 1]) + b"x", (sys.argv[1], 0))
				echo.recv(100)
		for identifier in 1, 2, 1, 3:
			ping(identifier)' "$remote4"
	expect 'the identifiers that are left' '[1,3]' "$(as_root "$COTHON" ports attacked --json |
		jq -c '[.sandboxes[].flows[] | select(.transport == "echo").local.port] | sort')"
	expect 'in use' 2 "$(limit echo-mappings used)"
	expect 'how often it was met' 1 "$(limit echo-mappings refused)"
	as_before
}

# The host's mishaps

wire() {
	ip link set wire "$1"
}

host_address() {
	ip address flush dev wire
	ip address add "$1/24" dev wire
	ip address add "$2/64" dev wire nodad
	ip route replace default via "$remote4"
	ip -6 route replace default via "$remote6"
}

@test "the host's link goes down and comes up: a flow goes on, new ones are served" {
	attacked ''
	mkdir "$BATS_TEST_TMPDIR/served"
	head -c 400000 /dev/urandom >"$BATS_TEST_TMPDIR/served/large"
	start files remote python3 -m http.server --directory "$BATS_TEST_TMPDIR/served" 5302
	await 10 remote_listening tcp 5302
	start slow as_root "$COTHON" exec attacked -- curl -sS --max-time 60 --limit-rate 200k \
		-o "$BATS_TEST_TMPDIR/got" "http://$remote4:5302/large"
	await 10 test -s "$BATS_TEST_TMPDIR/got"
	wire down
	run fetch_inside
	[ "$status" != 0 ]
	wire up
	host_address "$host4" "$host6"
	await 20 fetch_inside
	await 60 ended "$(pid slow)"
	rm "$BATS_FILE_TMPDIR/slow.pid"
	cmp "$BATS_TEST_TMPDIR/served/large" "$BATS_TEST_TMPDIR/got"
	stop files
	as_before
}

@test "the host has another address: new flows leave by it" {
	attacked '-p 8080:80'
	start inner as_root "$COTHON" exec attacked -- web 80 --say inner
	host_address 192.0.2.3 2001:db8::3
	await 20 fetch_inside
	await 10 remote curl -sS --max-time 5 http://192.0.2.3:8080/
	host_address "$host4" "$host6"
	await 10 remote curl -sS --max-time 5 "http://$host4:8080/"
	stop inner
	as_before
}

# resolver: on the other host, until `stop dns`.
resolver() {
	start dns remote dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --no-resolv \
		--no-hosts --bind-interfaces --listen-address="$remote4" --local=/test/ \
		--host-record=one.test,192.0.2.41 --host-record=two.test,192.0.2.42
	await 10 remote_listening udp 53
}

# What a name leads to, as a program inside is told.
address_of() {
	inside getent ahostsv4 "$1" | awk '$2 == "STREAM" { print $1 }'
}

@test "the host's resolver is gone: names fail, addresses do not, and it comes back" {
	attacked ''
	resolver
	echo "nameserver $remote4" >/etc/resolv.conf
	expect 'before' 192.0.2.41 "$(address_of one.test)"
	# Its process has ended.
	stop dns
	run -2 inside getent ahostsv4 one.test
	run -2 inside getent ahostsv4 two.test
	expect 'meanwhile' well "$(fetch_inside)"
	resolver
	expect 'it is back' '192.0.2.41 192.0.2.42' "$(address_of one.test) $(address_of two.test)"
	# The host has none.
	rm /etc/resolv.conf
	run -2 inside getent ahostsv4 one.test
	expect 'meanwhile' well "$(fetch_inside)"
	echo "nameserver $remote4" >/etc/resolv.conf
	expect 'it is back' 192.0.2.41 "$(address_of one.test)"
	# The host has one that does not answer.
	echo 'nameserver 203.0.113.53' >/etc/resolv.conf
	run -124 inside timeout 0.5 getent ahostsv4 one.test
	expect 'meanwhile' well "$(fetch_inside)"
	echo "nameserver $remote4" >/etc/resolv.conf
	expect 'it is back' 192.0.2.42 "$(address_of two.test)"
	stop dns
	as_before
}

# Each process killed in turn; the engine's own end is in run.bats and isolation.bats.

# steward: of the sandbox that runs; init is the engine's other child.
children() {
	pgrep -P "$(pid attacked)"
}

# In another network namespace than this one.
is_init() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

init() {
	local child
	for child in $(children); do
		! is_init "$child" || echo "$child"
	done
}

steward() {
	local child
	for child in $(children); do
		is_init "$child" || echo "$child"
	done
}

# nothing_is_left PROCESS...: no process, no socket, no published port.
nothing_is_left() {
	local process
	# Init and the steward, at least.
	[ $# -ge 2 ]
	for process in "$@"; do
		await 10 test ! -e "/proc/$process"
	done
	as_root "$COTHON" ps >"$BATS_TEST_TMPDIR/ps"
	expect 'what runs' 1 "$(wc -l <"$BATS_TEST_TMPDIR/ps")"
	[ ! -e /run/lab/tmp/run-root/cothon/attacked.sock ]
	python3 -c 'import socket; socket.create_server(("", 8080))'
}

@test "kill -9 of init: said, and nothing is left" {
	local left status=0
	attacked '-p 8080:80'
	left=$(children)
	kill -KILL "$(init)"
	await 10 ended "$(pid attacked)"
	wait "$(pid attacked)" || status=$?
	expect 'status' 125 "$status"
	[[ $(cat "$(log attacked)") = *'its first process was killed from outside'* ]]
	# shellcheck disable=SC2086 # several numbers
	nothing_is_left $left
}

@test "kill -9 of the steward: said, the sandbox goes on, and nothing is left" {
	local left steward
	attacked '-p 8080:80'
	left=$(children)
	steward=$(steward)
	start inner as_root "$COTHON" exec attacked -- web 80 --say inner
	await 10 remote curl -sS --max-time 5 "http://$host4:8080/"
	kill -KILL "$steward"
	await 10 grep -q 'cannot be asked any more' "$(log attacked)"
	expect 'it goes on' inner "$(remote curl -sS --max-time 5 "http://$host4:8080/")"
	run as_root "$COTHON" rules ls attacked
	[ "$status" != 0 ]
	stop attacked
	await 10 ended "$(pid inner)"
	# shellcheck disable=SC2086
	nothing_is_left $left
}

@test "kill -9 of engine and steward at once leaves nothing" {
	local left
	attacked '-p 8080:80'
	left=$(children)
	kill -KILL "$(steward)" "$(pid attacked)"
	# shellcheck disable=SC2086
	nothing_is_left $left
}

@test "kill -9 of the command: its status is told, and nothing is left" {
	local left status=0
	attacked '-p 8080:80'
	left=$(children)
	kill -KILL "$(pgrep -P "$(init)" sleep)"
	await 10 ended "$(pid attacked)"
	wait "$(pid attacked)" || status=$?
	expect 'status' 137 "$status"
	# shellcheck disable=SC2086
	nothing_is_left $left
}
