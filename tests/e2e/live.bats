#!/usr/bin/env bats
#
# Flows as they are: /v1/flows, `cothon top` on terminals that tmux plays, `cothon web` in Chromium.

bats_require_minimum_version 1.5.0
load lab
load running

setup_file() {
	open_folders
	runtime_folders
	start sink remote python3 -c 'if True:
		import socket, threading
		server = socket.create_server(("", 5001))
		def swallow(connection):
			try:
				while connection.recv(65536):
					pass
			except ConnectionResetError:
				print("reset", flush=True)
		while True:
			threading.Thread(target=swallow, args=(server.accept()[0],)).start()'
	await 10 remote_listening tcp 5001
}

teardown() {
	! tmux has-session 2>/dev/null || tmux kill-server
	[ ! -e "$BATS_FILE_TMPDIR/page.pid" ] || stop page
	[ ! -e "$BATS_FILE_TMPDIR/fleet.pid" ] || stop fleet
}

teardown_file() {
	stop_all
}

# A sandbox `fleet`: it holds 8000, sends to 5001 of *remote* without end, ten times a second, and opens that
# flow again when it breaks; from port 6001 it sends datagrams.
fleet() {
	begin_with "$1" as_user fleet python3 -c 'if True:
		import socket, time
		held = socket.create_server(("", 8000))
		datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		datagrams.bind(("", 6001))
		def connect():
			try:
				return socket.create_connection(("192.0.2.2", 5001), 5)
			except OSError as error:
				print("no connection:", error, flush=True)
				return None
		flow = connect()
		while True:
			try:
				flow.sendall(bytes(10000))
			except (AttributeError, OSError):
				print("broken", flush=True)
				flow = connect()
			try:
				datagrams.sendto(b"x", ("192.0.2.2", 9))
			except OSError:
				pass
			time.sleep(0.1)'
	await 10 counts 'select(.transport == "tcp" and .bytes_out > 0)' 1
}

api() {
	as_user curl -sS --max-time 10 --unix-socket /run/lab/tmp/run-user/cothon/fleet.sock "http://cothon$1" "${@:2}"
}

# counts FILTER NUMBER: so many flows pass the filter.
counts() {
	[ "$(api /v1/flows | jq "[.flows[] | $1] | length")" = "$2" ]
}

tmux() {
	as_user tmux -S "$BATS_TEST_TMPDIR/tmux" -f /dev/null "$@"
}

# screen WIDTH HEIGHT COMMAND: on a terminal of that size; afterwards it says how it has ended.
screen() {
	# shellcheck disable=SC2016 # for the shell within
	tmux new-session -d -x "$1" -y "$2" "$3"'; echo "status $?"; stty -a | grep -o " -*icanon"; exec sleep 1000'
}

shows() {
	tmux capture-pane -p | grep -qF -- "$1"
}

shows_not() {
	! shows "$1"
}

# Whether anything on the screen has a colour.
coloured() {
	tmux capture-pane -p -e >"$BATS_TEST_TMPDIR/screen"
	grep -q $'\e\\[[0-9;]*3[0-7]' "$BATS_TEST_TMPDIR/screen"
}

# sees TEXT: within ten seconds it is on the screen.
sees() {
	await 10 shows "$1" || { tmux capture-pane -p && return 1; }
}

# sees_not TEXT: within ten seconds it is gone.
sees_not() {
	await 10 shows_not "$1" || { tmux capture-pane -p && return 1; }
}

keys() {
	tmux send-keys "$@"
}

# The cursor at the TCP flow: the only row that the filter leaves, below its application.
at_the_flow() {
	sees ':5001'
	keys / 5001 Enter
	sees 'only: 5001'
	sees_not '6001'
	keys End
}

# Since $before the totals and the UDP mapping have; $after is how they are now.
have_grown() {
	after=$(api /v1/flows)
	jq -en --argjson a "$before" --argjson b "$after" '$b.totals.bytes_out > $a.totals.bytes_out and
		any($b.flows[]; .transport == "udp" and .bytes_out > 1)'
}

@test "/v1/flows tells flows and totals by a clock of its own; a flow that is ended is reset on both sides" {
	local before after flow
	fleet ''
	before=$(api /v1/flows)
	await 10 have_grown
	jq -en --argjson a "$before" --argjson b "$after" '$b.now > $a.now and $b.totals.flows.tcp == 1 and
		$b.truncated == false'
	[ "$(jq -r '.flows[] | select(.transport == "tcp") | "\(.remote.address) \(.remote.port) \(.state)"' <<<"$after")" = \
		'192.0.2.2 5001 ESTABLISHED' ]
	flow=$(jq -c '.flows[] | select(.transport == "tcp") | {transport, local, remote}' <<<"$after")
	[ "$(api /v1/flows -X DELETE -d "{\"flows\":[$flow]}")" = '{"ended":1}' ]
	await 10 grep -q broken "$(log fleet)"
	await 10 grep -q reset "$(log sink)"
	api /v1/flows -X DELETE -d "{\"flows\":[$flow]}" | jq -e '.error == "there is no such flow" and .index == 0'
	# The application has opened another, which is no matter of the one before.
	await 10 counts 'select(.transport == "tcp")' 1
}

@test "a mapping of UDP that is ended begins anew with the next datagram" {
	local opened
	fleet ''
	await 10 counts 'select(.transport == "udp")' 1
	opened=$(api /v1/flows | jq '.flows[] | select(.transport == "udp") | .opened')
	[ "$(api /v1/flows -X DELETE -d '{"flows":[{"transport":"udp","local":{"address":"10.0.2.100","port":6001}}]}')" = \
		'{"ended":1}' ]
	await 10 counts "select(.transport == \"udp\" and .opened > $opened)" 1
}

@test "what names no flow is refused, with what is wrong" {
	fleet ''
	api /v1/flows -X DELETE | jq -e '.error == "the body is missing"'
	api /v1/flows -X DELETE -d '{"flows":[]}' | jq -e '.error == "there are no \"flows\""'
	api /v1/flows -X DELETE -d '{"flows":[{"transport":"sctp","local":{"address":"::","port":1}}]}' |
		jq -e '.error == "\"sctp\" is no transport of flows"'
	api /v1/flows -X DELETE -d '{"flows":[{"transport":"tcp","local":{"address":"10.0.2.100","port":1}}]}' |
		jq -e '.error == "remote of flows[0] is missing"'
}

@test "top shows applications with their ports and flows, and how fast they are" {
	fleet ''
	screen 80 24 "$COTHON top fleet"
	sees 'cothon top  fleet   1 application  2 ports  2 flows'
	sees '0.0.0.0:8000/tcp'
	sees '→ 192.0.2.2:5001'
	sees 'kB/s'
	sees 'ESTAB'
	coloured
	keys '?'
	sees 'deny its destination'
	keys x
	sees_not 'deny its destination'
	# The cursor is at the application.
	keys Enter
	sees '+ python3'
	sees_not ':5001'
	keys Enter
	sees ':5001'
	keys t
	sees 'python3 tcp → 192.0.2.2:5001'
	keys s dela Enter
	sees 'flows by delay'
	keys s nonsense Enter
	sees 'there is no order "nonsense"'
	keys / NoSuch Enter
	sees 'Nothing holds that text.'
	keys Escape
	sees ':5001'
	keys p
	sees PAUSED
	keys q
	sees 'status 0'
	sees ' icanon'
}

@test "top ends the flow under the cursor when it is told yes" {
	local port
	fleet ''
	port=$(api /v1/flows | jq '.flows[] | select(.transport == "tcp") | .local.port')
	screen 80 24 "$COTHON top fleet"
	sees ':5001'
	keys k
	sees 'the cursor is at no flow'
	at_the_flow
	keys k
	sees 'end tcp to 192.0.2.2:5001? y/n'
	keys n
	sees_not 'y/n'
	counts "select(.local.port == $port)" 1
	keys k y
	sees 'ended 192.0.2.2:5001'
	await 10 counts "select(.local.port == $port)" 0
	await 10 grep -q broken "$(log fleet)"
}

@test "top denies the destination under the cursor when it is told yes" {
	fleet ''
	screen 80 24 "$COTHON top fleet"
	at_the_flow
	keys d
	sees 'in fleet: --deny 192.0.2.2:5001/tcp? y/n'
	keys y
	sees 'denied 192.0.2.2:5001/tcp'
	[ "$(api /v1/rules | jq -c .rules)" = '[{"allow":false,"rule":"192.0.2.2:5001/tcp"}]' ]
	await 10 grep -q 'no connection' "$(log fleet)"
	await 10 counts 'select(.transport == "tcp")' 0
	sees_not ESTAB
}

@test "top does without colour, UTF-8 and room, and says what it cannot do without" {
	fleet ''
	screen 60 15 "env NO_COLOR=1 LC_ALL=C TERM=vt100 $COTHON top fleet"
	sees '-> 192.0.2.2:5001'
	sees 'by rate'
	expect 'the first line' 'cothon top  fleet ' "$(tmux capture-pane -p | sed -n 1p | cut -c 1-18)"
	expect 'the last line' 'q quit  s sort  / filter  t tree  k kill  d deny  p pause' "$(tmux capture-pane -p | sed -n 15p)"
	run -1 coloured
	tmux resize-window -x 100 -y 30
	sees DELAY
	keys q
	sees 'status 0'
	tmux kill-server
	screen 80 24 "env TERM=dumb $COTHON top fleet"
	sees 'cannot move its cursor'
	sees 'status 125'
	run -125 as_user "$COTHON" top fleet
	[[ $output == *'needs a terminal'* ]]
}

@test "top gives the terminal back when a signal ends it, and ends with its sandbox" {
	local signal
	fleet ''
	for signal in TERM HUP INT SEGV; do
		screen 80 24 "$COTHON top fleet"
		sees ':5001'
		as_user kill "-$signal" "$(pgrep -u 64999 -x cothon-top)"
		sees 'status 1'
		sees ' icanon'
		tmux kill-server
	done
	screen 80 24 "$COTHON top fleet"
	sees ':5001'
	stop fleet
	sees 'status 0'
}

# page: what `cothon web` prints, in `address`.
page() {
	start page as_user "$COTHON" web fleet
	await 10 grep -q ^http "$(log page)"
	address=$(head -n 1 "$(log page)")
}

# over_tcp PATH [CURL'S OPTIONS]: with the status on the last line.
over_tcp() {
	curl -sS --max-time 10 -w '\n%{http_code}' "${address%%/#*}$1" "${@:2}"
}

@test "the page is served on the loopback, to who has the token, under its own name, while cothon web runs" {
	local address port token
	fleet ''
	page
	port=${address%%/#*}
	port=${port##*:}
	token=${address#*#}
	over_tcp / | grep -q '<title>cothon</title>'
	curl -sSI "${address%%/#*}/page.js" | grep -q "^Content-Security-Policy: default-src 'none'"
	[ "$(over_tcp /v1/sandbox | tail -n 1)" = 401 ]
	[ "$(over_tcp /v1/sandbox -H "Authorization: Bearer ${token%?}" | tail -n 1)" = 401 ]
	[ "$(over_tcp /v1/sandbox -H "Authorization: Bearer ${token}0" | tail -n 1)" = 401 ]
	[ "$(over_tcp /v1/sandbox -H "Authorization: Bearer $token" | head -n 1 | jq -r .name)" = fleet ]
	[ "$(over_tcp / -H 'Host: rebound.example' | tail -n 1)" = 421 ]
	[ "$(over_tcp /v1/namespaces -H "Authorization: Bearer $token" | tail -n 1)" = 404 ]
	curl -sSi "${address%%/#*}/v1/sandbox" -H 'Origin: http://other.example' >"$BATS_TEST_TMPDIR/answer"
	grep -q '^HTTP/1.1 401' "$BATS_TEST_TMPDIR/answer"
	run -1 grep -i '^Access-Control' "$BATS_TEST_TMPDIR/answer"
	expect 'where it listens' "127.0.0.1:$port" "$(ss -Hltn "sport = :$port" | awk '{ print $4 }')"
	stop page
	run -7 curl -sS --max-time 10 "${address%%/#*}/"
	# The sandbox is none the worse.
	api /v1/sandbox | jq -e '.name == "fleet"'
}

@test "the page has so many connections, and who comes then is sent away" {
	local address
	fleet ''
	page
	run -0 python3 - "${address%%/#*}" <<-'END'
		import socket, sys, urllib.parse

		at = urllib.parse.urlsplit(sys.argv[1])
		held = [socket.create_connection((at.hostname, at.port), 10) for _ in range(64)]

		def ask(one):
		    one.settimeout(10)
		    try:
		        one.sendall(b'GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n' % at.port)
		        return one.recv(12)
		    except ConnectionError:
		        return b''

		assert all(ask(one) == b'HTTP/1.1 200' for one in held)
		assert ask(socket.create_connection((at.hostname, at.port), 10)) == b''
		held.pop().close()
		# It is the server's turn to find out.
		while ask(socket.create_connection((at.hostname, at.port), 10)) != b'HTTP/1.1 200':
		    pass
	END
}

@test "a page is served on a socket of the loopback that listens, with a token of some length, and on none else" {
	fleet ''
	run -0 as_user python3 - /run/lab/tmp/run-user/cothon/fleet.sock <<-'END'
		import json, socket, sys

		def ask(body, sockets):
		    control = socket.socket(socket.AF_UNIX)
		    control.connect(sys.argv[1])
		    text = json.dumps(body).encode()
		    head = b'POST /v1/web HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % len(text)
		    socket.send_fds(control, [head + text], [s.fileno() for s in sockets])
		    answer = b''
		    while more := control.recv(65536):
		        answer += more
		    return int(answer.split()[1])

		def made(address, blocking=False, listens=True):
		    one = socket.socket()
		    one.bind((address, 0))
		    if listens:
		        one.listen()
		    one.setblocking(blocking)
		    return one

		token = 't' * 32
		assert ask({'token': token}, [made('127.0.0.1')]) == 200
		assert ask({'token': token}, []) == 400
		assert ask({'token': token[1:]}, [made('127.0.0.1')]) == 400
		assert ask({'token': token + '\n'}, [made('127.0.0.1')]) == 400
		assert ask({'token': token}, [made('127.0.0.1', blocking=True)]) == 400
		assert ask({'token': token}, [made('0.0.0.0')]) == 400
		assert ask({'token': token}, [made('127.0.0.1', listens=False)]) == 400
		assert ask({'token': token}, [sys.stdin]) == 400
	END
}

@test "the page in a browser: a held port and a flow are shown, ports are published and rules changed" {
	local address
	fleet ''
	page
	HOME=$BATS_TEST_TMPDIR run -0 browse "$address" \
		'document.title == "fleet - cothon" && location.hash == ""' \
		'document.querySelector("#flow-table").innerText.includes("192.0.2.2:5001")' \
		'/out [0-9.]+ kB/.test(document.querySelector("#throughput").getAttribute("aria-label"))' \
		'document.getElementById("map").focus() || true' \
		'document.getElementById("map").dispatchEvent(new KeyboardEvent("keydown", {key: "PageDown"}));
		 /^8000 \(user\): tcp .*python3/.test(document.getElementById("port").textContent)' \
		'(form => { form.outside.value = 18000; form.inside.value = 8000; form.requestSubmit(); return true; })(document.getElementById("publish"))' \
		'document.getElementById("publications").innerText.includes("18000 → 8000/tcp")' \
		'(form => { form.rule.value = "192.0.2.9:80"; form.requestSubmit(); return true; })(document.getElementById("rule"))' \
		'document.getElementById("rules").innerText.includes("deny 192.0.2.9:80")'
	[ "$(api /v1/publications | jq -c '.publications[] | [.outside, .inside]')" = '[18000,8000]' ]
	[ "$(api /v1/rules | jq -c '.rules')" = '[{"allow":false,"rule":"192.0.2.9:80"}]' ]
	# What is refused is on the console, and on the page with the reason.
	HOME=$BATS_TEST_TMPDIR run -1 browse --size 390x844 --dark "$address" \
		'document.title == "fleet - cothon"' \
		'(form => { form.rule.value = "nonsense:x:y"; form.requestSubmit(); return true; })(document.getElementById("rule"))' \
		'document.getElementById("rule-error").textContent.includes("is no rule")' \
		'document.documentElement.scrollWidth <= 390'
	[[ $output == *$'\nconsole: '*' 400 '* && $output != *browse:* ]]
}
