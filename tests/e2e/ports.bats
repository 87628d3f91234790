#!/usr/bin/env bats
#
# `cothon ports`: who holds which port in a sandbox, and every flow. What it says is compared with what the
# processes were told to do, and with what ss(8) finds inside.

bats_require_minimum_version 1.5.0
load lab
load running

setup_file() {
	open_folders
	runtime_folders
	start sink remote python3 -c 'if True:
		import socket, threading
		def swallow(connection):
			while connection.recv(65536):
				pass
		for family in socket.AF_INET, socket.AF_INET6:
			server = socket.socket(family)
			server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
			if family == socket.AF_INET6:
				server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
			server.bind(("", 5001))
			server.listen()
			def serve(server=server):
				while True:
					threading.Thread(target=swallow, args=(server.accept()[0],)).start()
			threading.Thread(target=serve).start()'
	await 10 remote_listening tcp 5001
}

teardown() {
	local name
	for name in fleet cargo; do
		[ ! -e "$BATS_FILE_TMPDIR/$name.pid" ] || stop "$name"
	done
}

teardown_file() {
	stop_all
}

# berthed AS OPTIONS COMMAND: a sandbox `fleet` whose shell command, in the variable FILE finds the file that the last of
# its `berths` makes.
berthed() {
	export FILE=$BATS_TEST_TMPDIR/ready
	rm -f "$FILE" "$FILE".?
	begin_with "$2" "$1" fleet bash -c "$3
		wait"
	await 10 test -e "$FILE"
}

# The lines "transport address port command pid" of all bindings, and those that ss(8) finds inside.
bindings() {
	"$1" "$COTHON" ports fleet --json | jq -r '.sandboxes[].bindings[] | . as $b | .applications[] |
		"\($b.transport) \(if $b.dual_stack then "*" else $b.address end) \($b.port) \(.command) \(.pid)"' | sort
}

bindings_of_ss() {
	"$1" "$COTHON" exec fleet -- ss -Htulnp | python3 -c 'if True:
		import re, sys
		for line in sys.stdin:
			transport, state, _, _, local, remote, users = line.split(None, 6)
			address, _, port = local.rpartition(":")
			address = re.sub("%.*", "", address).strip("[]")
			for command, pid in re.findall(r"\"(.*?)\",pid=(\d+)", users):
				print(transport, address, port, command, pid)' | sort -u
}

# The lines "transport local remote command pid" of all flows, and those that ss(8) finds inside.
flows() {
	"$1" "$COTHON" ports fleet --json | jq -r '.sandboxes[].flows[] | . as $f | .applications[] |
		"\($f.transport) \($f.local.address) \($f.local.port) \($f.remote.address) \($f.remote.port) \(.command) \(.pid)"' | sort
}

flows_of_ss() {
	"$1" "$COTHON" exec fleet -- ss -Htunp state connected | python3 -c 'if True:
		import re, sys
		for line in sys.stdin:
			transport, state, _, _, local, remote, users = line.split(None, 6)
			ends = []
			for end in local, remote:
				address, _, port = end.rpartition(":")
				ends += [re.sub("^::ffff:", "", re.sub("%.*", "", address).strip("[]")), port]
			for command, pid in re.findall(r"\"(.*?)\",pid=(\d+)", users):
				print(transport, *ends, command, pid)' | sort -u
}

# Servers of every kind, some started by a shell's child, one shared by two processes.
servers='
	(bash -c "berths $FILE.1 listen:0.0.0.0:80 listen:127.0.0.1:8080 bind:0.0.0.0:53" &)
	berths $FILE.2 listen:[::]:443 only6:25 bind:[::]:5353 &
	berths $FILE.3 listen:[fd00:c070::100]:79 bind:10.0.2.100:123 shared &
	until [ -e $FILE.1 ] && [ -e $FILE.2 ] && [ -e $FILE.3 ]; do sleep 0.05; done
	touch $FILE'

# holds AS [OPTIONS]
holds_right() {
	local expected
	berthed "$1" "${2:-}" "$servers"
	expected=$(bindings_of_ss "$1")
	expect 'ports and applications' "$expected" "$(bindings "$1")"
	# It is what was asked for: 8 sockets, of which 2 have two holders.
	expect 'how many' 10 "$(wc -l <<<"$expected")"
	expect 'sockets' '* 443,* 5353,0.0.0.0 53,0.0.0.0 80,10.0.2.100 123,127.0.0.1 8080,:: 25,fd00:c070::100 79' \
		"$(cut -d ' ' -f 2,3 <<<"$expected" | sort -u | paste -sd ,)"
	stop fleet
}

@test "every binding has the application that holds it: an ordinary user's" {
	holds_right as_user
}

@test "every binding has the application that holds it: root's, and with --user" {
	holds_right as_root
	berthed as_user --user 'berths $FILE listen:0.0.0.0:8000 &'
	expect 'ports and applications' "$(bindings_of_ss as_user)" "$(bindings as_user)"
	bindings as_user | grep -x 'tcp 0.0.0.0 8000 python3 [0-9]*'
	stop fleet
}

@test "every binding has the application that holds it: inside another user namespace" {
	as_user unshare --user --map-root-user --pid --fork --mount-proc "$BASH" -c '
		. ./common.bash
		"$COTHON" run --name inner -- berths "$0/ready" listen:0.0.0.0:80 3>&- &
		await 10 test -e "$0/ready"
		"$COTHON" ports inner --json >"$0/seen" || status=$?
		kill $! && wait
		exit ${status:-0}' "$BATS_TEST_TMPDIR"
	expect 'port, command, numbers' '80 python3 2' \
		"$(jq -r '.sandboxes[].bindings[] | "\(.port) \(.applications[0].command) \(.applications[0].pid)"' "$BATS_TEST_TMPDIR/seen")"
}

@test "the numbers of processes are right, inside and outside" {
	local pid host
	berthed as_user '' "$servers"
	while read -r pid host; do
		grep -P "^NSpid:.*\t$host\t$pid$" "/proc/$host/status"
	done < <(as_user "$COTHON" ports fleet --json |
		jq -r '.sandboxes[].bindings[].applications[] | "\(.pid) \(.host_pid)"' | sort -u | tee "$BATS_TEST_TMPDIR/pids")
	expect 'processes' 4 "$(wc -l <"$BATS_TEST_TMPDIR/pids")"
	stop fleet
}

@test "every flow: TCP and UDP, both families, published, within the sandbox" {
	berthed as_user '-p 8080:80' "
		berths \$FILE.1 listen:[::]:80 take take &
		await() { until test -e \$1; do sleep 0.05; done; }
		sleep 0.2
		(bash -c 'berths \$FILE.2 flow:$remote4:5001:4000 flow:[$remote6]:5001:5000 flow:127.0.0.1:80:600 datagram:$remote4:5002:70' &)
		await \$FILE.2
		touch \$FILE"
	exec 5<>"/dev/tcp/$host4/8080"
	await 10 test -e "$FILE.1"
	printf 'seven..' >&5
	await 5 seen_flow '.published and .bytes_in == 7'
	expect 'flows and applications' "$(flows_of_ss as_user)" "$(flows as_user)"
	expect 'how many' 6 "$(flows as_user | wc -l)"
	# How much, by which way, to what.
	await 5 seen_flow '.transport == "tcp" and .remote.address == "192.0.2.2" and .bytes_out == 4000 and
		.service == "commplex-link" and .state == "ESTABLISHED" and .through == "gateway" and .age < 20 and .round_trip > 0'
	await 5 seen_flow '.remote.address == "2001:db8::2" and .bytes_out == 5000 and .bytes_in == 0'
	await 5 seen_flow '.transport == "udp" and .remote.port == 5002 and .bytes_out == 70'
	await 5 seen_flow '.remote.port == 80 and .bytes_out == 600 and .through == "inside" and .service == "http"'
	await 5 seen_flow '.local.port == 80 and .bytes_in == 600 and .through == "inside" and .service == "http"'
	await 5 seen_flow '.local.port == 80 and .published and .service == "http" and .remote.address == "192.0.2.1"'
	exec 5>&-
	stop fleet
}

# seen_flow CONDITION: there is exactly one such flow of `fleet`.
seen_flow() {
	[ "$(as_user "$COTHON" ports fleet --json | jq ".sandboxes[].flows | map(select($1)) | length")" = 1 ]
}

@test "what the gateway itself holds" {
	begin_with '-p 127.0.0.1:2121-2123:21-23 -p 5353:53/udp' as_user fleet sleep 1000
	expect 'the gateway' 'host tcp 127.0.0.1 2121 3 21
host udp null 5353 1 53
inside tcp 10.0.2.3 53 1 null
inside tcp fd00:c070::3 53 1 null
inside udp 10.0.2.3 53 1 null
inside udp fd00:c070::3 53 1 null' "$(as_user "$COTHON" ports fleet --json |
		jq -r '.sandboxes[].gateway[] | "\(.where) \(.transport) \(.address) \(.port) \(.count) \(.inside)"' | sort)"
	run -0 as_user "$COTHON" ports fleet
	[[ $output = *'tcp  2121-2123'*'host'*'127.0.0.1'*'(to 21-23 inside)'* ]]
	stop fleet
}

# ports_with FILTER...: the ports of the bindings that are left.
ports_with() {
	as_user "$COTHON" ports fleet --json "$@" | jq -r '[.sandboxes[].bindings[].port] | sort | map(tostring) | join(" ")'
}

@test "filters" {
	berthed as_user '' "$servers
		exec -a watchman berths \$FILE.4 listen:0.0.0.0:6000"
	expect port 80 "$(ports_with --port 80)"
	expect 'port by name' 80 "$(ports_with --port http)"
	expect service 25 "$(ports_with --service smtp)"
	expect transport '53 123 5353' "$(ports_with --transport udp)"
	expect 'transport and app' '25 79 80 443 6000 8080' "$(ports_with --transport tcp --app python3)"
	run -0 as_user "$COTHON" ports fleet --json --app nginx
	expect 'app, unknown' '[]' "$(jq -c '[.sandboxes[].bindings[]]' <<<"$output")"
	expect 'app by number' '25 443 5353' \
		"$(ports_with --app "$(as_user "$COTHON" ports fleet --json | jq '.sandboxes[].bindings[] | select(.port == 25).applications[0].pid')")"
	run -125 as_user "$COTHON" ports fleet --port 70000
	[[ $output = cothon:*70000* ]]
	run -125 as_user "$COTHON" ports fleet --transport ipx
	[[ $output = cothon:*'tcp, udp and echo'* ]]
	stop fleet
}

@test "all sandboxes, none, an unknown one" {
	begin as_user fleet sleep 1000
	begin as_user cargo sleep 1000
	expect names 'cargo fleet' "$(as_user "$COTHON" ports --json | jq -r '[.sandboxes[].name] | sort | join(" ")')"
	run -0 as_user "$COTHON" ports
	[[ $output = *'cargo: 0 bindings, 0 flows'*'fleet: 0 bindings, 0 flows'* ]]
	run -125 as_user "$COTHON" ports flet
	[[ $output = cothon:*flet*'did you mean fleet'* ]]
	stop fleet
	stop cargo
	run -125 as_user "$COTHON" ports
	[[ $output = cothon:*'no sandbox'* ]]
}

@test "names and arguments of processes cannot write to the terminal" {
	export EVIL=$BATS_TEST_TMPDIR/$'a\e[2J\200'
	ln -s "$(readlink -f "$(command -v python3)")" "$EVIL"
	berthed as_user '' 'exec "$EVIL" bin/berths $FILE listen:0.0.0.0:80'
	run -0 as_user "$COTHON" ports fleet
	[[ $output = *'a?[2J??? (2)'* ]]
	as_user "$COTHON" ports fleet --json | jq -e '.sandboxes[].bindings[0].applications[0].command == "a\u001b[2J\ufffd"'
	stop fleet
}

@test "--watch ends with the sandbox; on a terminal of 80 columns no line is longer" {
	berthed as_user '' "$servers"
	start watch as_user "$COTHON" ports fleet --watch --json
	start table as_user "$COTHON" ports fleet --watch
	await 10 grep -q '"port":443' "$(log watch)"
	await 10 grep -q 443 "$(log table)"
	run -0 terminal bin/as_user sh -c 'read go; exec "$COTHON" ports fleet' <<-'END'
	size 24 80
	type go^M
	see python3
	END
	[ "$(tr -d '\r' <<<"$output" | wc -L)" -le 80 ]
	run -130 terminal bin/as_user sh -c 'read go; exec "$COTHON" ports fleet --watch' <<-'END'
	size 24 80
	type go^M
	see fleet: 8 bindings
	see fleet: 8 bindings
	type ^C
	END
	stop fleet
	await 5 ended "$(pid watch)"
	await 5 ended "$(pid table)"
	wait "$(pid watch)"
	wait "$(pid table)"
	rm "$BATS_FILE_TMPDIR"/{watch,table}.pid
}
