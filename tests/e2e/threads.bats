#!/usr/bin/env bats
#
# A sandbox that several threads serve: whatever one thread does for all, and what is told of all of them. With 48 flows
# and three queues, that a thread has none would be chance of one in 100 million.

bats_require_minimum_version 1.5.0
load lab
load running

setup_file() {
	[ -z "${E2E_DIRECT:-}" ] || return 0
	open_folders
	runtime_folders
	start far-bulk remote bulk serve 5000
	start speaker remote python3 "$BATS_TEST_DIRNAME/bin/late" serve 5003
	start names remote dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts \
		--bind-interfaces --listen-address="$remote4" --local=/test/ --host-record=what.test,"$remote4"
	await 10 remote_listening tcp 53
	await 10 remote_listening tcp 5000
	await 10 remote_listening tcp 5003
}

teardown_file() {
	[ -n "${E2E_DIRECT:-}" ] || stop_all
}

setup() {
	setup_in_folder
}

teardown() {
	[ -n "${E2E_DIRECT:-}" ] || [ ! -e "$BATS_FILE_TMPDIR/many.pid" ] || stop many
}

cothon() {
	as_user "$COTHON" "$@"
}

# many OPTIONS COMMAND...: in the sandbox of that name, with three threads.
many() {
	begin_with "--threads 3 $1" as_user many "${@:2}"
}

# api PATH [OPTION...]: what the sandbox's control socket answers.
api() {
	as_user curl -sSf --unix-socket "/run/lab/tmp/run-user/cothon/many.sock" "http://sandbox$1" "${@:2}"
}

# flows JQ-CONDITION NUMBER: so many are told.
flows() {
	[ "$(api /v1/flows | jq "[.flows[] | select($1)] | length")" = "$2" ]
}

# counted NAME: by the relay.
counted() {
	api /v1/counters | jq ".relay.$1"
}

# The nanoseconds that each thread has been at work.
worked() {
	cut -d ' ' -f 1 "/proc/$(pid many)/task/"*/schedstat
}

@test "48 connections at once, both ways, by three threads" {
	local before after n
	many '' sleep 1000
	mapfile -t before < <(worked)
	cothon exec many -- bulk use "$remote4" 5000 48 1000000
	cothon exec many -- bulk use "$remote6" 5000 48 1000000
	mapfile -t after < <(worked)
	expect 'threads' 3 "${#after[@]}"
	for n in 0 1 2; do
		# Of some 30 MB, more than to be asked how the flows are.
		((after[n] > before[n] + 1000000)) || fail "thread $n: ${before[n]} ns, then ${after[n]}"
	done
	expect 'failed' 0 "$(counted tcp_failed)"
	expect 'lost' 0 "$(counted handed_lost)"
}

@test "what it sent is delivered when the command has ended" {
	start counter remote python3 "$BATS_TEST_DIRNAME/bin/late" count 5004 24 300000
	await 10 remote_listening tcp 5004
	# shellcheck disable=SC2016 # for the shell inside
	cothon run --threads 3 -- sh -c 'for n in $(seq 24); do
		head -c 300000 /dev/zero | socat -u - "TCP:$0:5004" & done; wait' "$remote4"
	await 10 grep -qx '24 clients' "$(log counter)"
}

@test "clients of a published port, on all threads; who is silent for longer than the kernel remembers still speaks first" {
	many '-p 6000:6000' python3 "$BATS_TEST_DIRNAME/bin/late" serve 6000
	await 10 cothon exec many -- sh -c '[ -n "$(ss -Hltn sport = :6000)" ]'
	# It forgets at the first whole second after three.
	start client6 client 11 python3 "$BATS_TEST_DIRNAME/bin/late" wait "$host6" 6000 24 5
	client 11 python3 "$BATS_TEST_DIRNAME/bin/late" wait "$host4" 6000 24 5
	await 10 ended "$(pid client6)"
	expect 'what IPv6 said' '' "$(cat "$(log client6)")"
	# From the host itself they come by the gateway's address and ports that the threads share.
	python3 "$BATS_TEST_DIRNAME/bin/late" wait 127.0.0.1 6000 48 0
	expect 'lost' 0 "$(counted handed_lost)"
	(($(counted handed) > 0))
	expect 'accepted' 96 "$(counted tcp_in)"
}

@test "connections out that are silent for long, then answered" {
	many '' sleep 1000
	cothon exec many -- python3 "$BATS_TEST_DIRNAME/bin/late" wait "$remote4" 5003 24 5
}

@test "UDP: one port outside for all that an application's port sends, whoever reads it" {
	local ports
	start sink remote python3 "$BATS_TEST_DIRNAME/bin/late" ports 5100 24
	await 10 grep -qx ready "$(log sink)"
	many '' sleep 1000
	cothon exec many -- python3 "$BATS_TEST_DIRNAME/bin/late" spray "$remote4" 5100 24
	await 10 grep -q '^ports' "$(log sink)"
	ports=$(grep '^ports' "$(log sink)")
	expect 'ports of the sender' 1 "$(wc -w <<<"${ports#ports}")"
	stop sink
}

@test "names and pings" {
	local n
	many "--dns $remote4 --allow what.test --allow $remote4 --allow $remote6" sleep 1000
	# Each question has a port of its own, and each connection: all queues have some.
	for n in {1..12}; do
		cothon exec many -- bash -c 'exec 3<>/dev/tcp/what.test/5003; echo 0 >&3; read -r line <&3; [ "$line" = late ]'
	done
	(($(counted dns_queries) >= 12))
	cothon exec many -- ping -c 1 -W 5 "$remote4"
	cothon exec many -- ping -c 1 -W 5 "$remote6"
}

@test "rules: denied whoever reads it, told once each; a change closes flows on all threads" {
	many "--allow $remote4:5003" sleep 1000
	start waiting cothon exec many -- python3 "$BATS_TEST_DIRNAME/bin/late" wait "$remote4" 5003 24 600
	await 10 flows '.transport == "tcp" and .state == "ESTABLISHED"' 24
	for n in {1..12}; do
		run ! cothon exec many -- bash -c "exec 3<>/dev/tcp/$remote4/5000"
	done
	expect 'denials' 12 "$(api /v1/denials | jq '.denials | length')"
	cothon rules add many --deny "$remote4:5003"
	await 10 flows '.transport == "tcp"' 0
	await 10 ended "$(pid waiting)"
	grep -q 'reset' "$(log waiting)"
}

@test "flows, ports, limits and metrics tell of all threads; any flow can be ended" {
	local ends flows part
	many '' sleep 1000
	start waiting cothon exec many -- python3 "$BATS_TEST_DIRNAME/bin/late" wait "$remote4" 5003 24 600
	await 10 flows '.transport == "tcp" and .state == "ESTABLISHED"' 24
	flows=$(api /v1/flows)
	expect 'in ports' 24 "$(cothon ports many --json | jq '[.. | objects | select(.remote? != null)] | length')"
	api /v1/limits | jq -e '.limits[] | select(.name == "tcp-flows") | .used == 24 and .bound == 262144'
	api /v1/metrics | grep -qE '^cothon_flows\{.*tcp.*\} 24'
	# At most 16 are ended by one request.
	for part in '.[:12]' '.[12:]'; do
		ends=$(jq -c "[.flows[] | select(.transport == \"tcp\") | {transport, local, remote}] | {flows: $part}" <<<"$flows")
		api /v1/flows -X DELETE -d "$ends" | jq -e '.ended == 12'
	done
	await 10 flows '.transport == "tcp"' 0
	await 10 ended "$(pid waiting)"
}

@test "a capture has the packets of all threads" {
	many '--capture many.pcapng' sleep 1000
	cothon exec many -- bulk use "$remote4" 5000 24 10000
	stop many
	expect 'connections opened' 24 "$(tshark -n -r many.pcapng -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' -T fields \
		-e tcp.srcport 2>/dev/null | sort -u | wc -l)"
	expect 'and answered' 24 "$(tshark -n -r many.pcapng -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 1' -T fields \
		-e tcp.dstport 2>/dev/null | sort -u | wc -l)"
}

@test "every thread is isolated" {
	local task
	many '' sleep 1000
	for task in "/proc/$(pid many)/task/"*; do
		grep -qx 'CapEff:	0000000000000000' "$task/status"
		grep -qx 'CapBnd:	0000000000000000' "$task/status"
		grep -qx 'NoNewPrivs:	1' "$task/status"
		grep -q libasan "$task/maps" || grep -qx 'Seccomp:	2' "$task/status"
		# Signals are the first thread's.
		[ "${task##*/}" = "$(pid many)" ] || grep -qE '^SigBlk:	f{5}' "$task/status"
	done
	expect 'threads' 3 "$(find "/proc/$(pid many)/task" -mindepth 1 -maxdepth 1 | wc -l)"
}

@test "wrong numbers of threads, and what does not go with several, are refused" {
	for n in 0 17 x -1 2x ''; do
		run -125 cothon run --threads "$n" true
		[[ $output == *'a number of threads from 1 to 16'* ]]
	done
	run -125 cothon run --threads 2 --watch true
	[[ $output == *'--watch sees one thread only'* ]]
}
