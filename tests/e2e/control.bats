#!/usr/bin/env bats
#
# Running sandboxes seen and changed from outside: names, `ps`, `publish`, `rules`, and the control
# socket as curl uses it.

bats_require_minimum_version 1.5.0
load lab
load running

readonly user_sockets=/run/lab/tmp/run-user/cothon root_sockets=/run/lab/tmp/run-root/cothon

teardown() {
	chmod 700 /run/lab/tmp/run-root
	[ ! -d "$root_sockets" ] || chmod 700 "$root_sockets"
	[ -n "${E2E_DIRECT:-}" ] || stop_all
}

# api AS NAME METHOD PATH [BODY]: the status on the last line.
api() {
	local sockets=$user_sockets
	[ "$1" = as_user ] || sockets=$root_sockets
	"$1" curl -sS --max-time 10 --unix-socket "$sockets/$2.sock" -X "$3" -w '%{http_code}\n' \
		${5:+--data "$5"} "http://sandbox$4"
}

# What curl says of a connection that is closed at once; it may be before curl has looked at it.
no_answer() {
	[[ $status = 7 || $status = 52 || $status = 56 ]]
}

# fetch PORT: from the other host.
fetch() {
	remote curl -sS --max-time 10 "http://$host4:$1/"
}

# opens PORT: a server on this host can have it.
opens() {
	python3 -c 'import socket, sys; socket.create_server(("", int(sys.argv[1])))' "$1"
}

cothon() {
	as_user "$COTHON" "$@"
}

# Names.

@test "ps lists what runs: name, process, command, address, publications" {
	begin_with '-p 8080:80 -p 127.0.0.1:5353:53/udp' as_user web sleep 1000
	begin_with '--ipv6-only' as_user second sh -c 'sleep 1000; echo "  "'
	run -0 cothon ps
	[[ ${lines[0]} =~ ^NAME\ +PID\ +COMMAND\ +STARTED\ +ADDRESS\ +PUBLISHED$ ]]
	[[ ${lines[1]} =~ ^web\ +$(pid web)\ +sleep\ 1000\ +[0-9]+\ s\ ago\ +$inside4\ +8080:80,\ 127.0.0.1:5353:53/udp$ ]]
	[[ ${lines[2]} =~ ^second\ .*fd00:c070::100\ *$ ]]
	[ "${#lines[@]}" = 3 ]
	cothon ps --json | python3 -c '
import json, sys
web, second = json.load(sys.stdin)["sandboxes"]
assert web["name"] == "web" and web["pid"] == int(sys.argv[1]) and web["command"] == ["sleep", "1000"]
assert web["ipv4"]["address"] == "10.0.2.100" and second["ipv4"] is None
assert len(web["publications"]) == 2' "$(pid web)"
}

@test "ps shows each user their own" {
	begin as_user mine sleep 1000
	begin as_root theirs sleep 1000
	run -0 cothon ps
	[[ ${#lines[@]} = 2 && ${lines[1]} = mine\ * ]]
	run -0 as_root "$COTHON" ps
	[[ ${#lines[@]} = 2 && ${lines[1]} = theirs\ * ]]
}

@test "without --name it is called after the command, with a number where that is taken" {
	start one as_user "$COTHON" run -- sleep 1000
	await 10 [ -S "$user_sockets/sleep.sock" ]
	start two as_user "$COTHON" run -- sleep 1000
	await 10 [ -S "$user_sockets/sleep-2.sock" ]
	stop one
	start three as_user "$COTHON" run -- /bin/sleep 1000
	await 10 [ -S "$user_sockets/sleep.sock" ]
}

@test "a name that is taken: says by which process; a wrong one: says what is right" {
	begin as_user web sleep 1000
	run -125 cothon run --name web -- true
	[[ $output = cothon:*'"web" is running already, as process '"$(pid web)"';'* ]]
	run -125 cothon run --name ../web -- true
	[[ $output = cothon:*letters*digits* ]]
	stop web
	run -0 cothon run --name web -- true
}

@test "of ten with the same name at the same moment one runs" {
	local n
	for n in {1..10}; do
		start "same$n" as_user "$COTHON" run --name same -- sleep 2
	done
	for n in {1..10}; do
		await 10 ended "$(pid "same$n")"
	done
	expect 'refused' 9 "$(cat "$BATS_FILE_TMPDIR"/same*.log | grep -c 'running already')"
}

@test "the directory and the socket are the user's alone, and the socket goes with the sandbox" {
	begin as_user web sleep 1000
	expect 'directory' '700 64999' "$(stat -c '%a %u' "$user_sockets")"
	expect 'socket' '600 64999' "$(stat -c '%a %u' "$user_sockets/web.sock")"
	stop web
	[ ! -e "$user_sockets/web.sock" ]
}

@test "kill -9: the name is free at once, again and again" {
	local n
	for n in {1..10}; do
		begin as_user web sleep 1000
		stop web KILL
	done
	await 5 [ ! -e "$user_sockets/web.sock" ]
}

@test "a socket that is nobody's: not listed, and replaced without a word" {
	as_user python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$user_sockets/web.sock"
	run -0 cothon ps
	expect 'lines' 1 "${#lines[@]}"
	run -125 cothon rules ls web
	[[ $output = cothon:*'no sandbox of yours is running'* ]]
	run -0 cothon run --name web -- true
	expect 'output' '' "$output"
	[ ! -e "$user_sockets/web.sock" ]
}

@test "a directory that is not the user's alone: runs without control, and says so; not with --name" {
	local open=/run/lab/tmp/run-open
	mkdir -p "$open/cothon"
	chown -R 64999:64999 "$open"
	chmod 777 "$open/cothon"
	run -0 user env XDG_RUNTIME_DIR="$open" "$COTHON" run -- true
	[[ $output = cothon:*"$open/cothon"*'not yours alone'* ]]
	run -125 user env XDG_RUNTIME_DIR="$open" "$COTHON" run --name web -- true
	[[ $output = cothon:*'not yours alone'* ]]
	run -125 user env XDG_RUNTIME_DIR="$open" "$COTHON" ps
	rm -r "$open"
}

@test "no name: the only one is meant; none, several, and a mistyped one are told apart" {
	run -125 cothon publish ls
	[[ $output = cothon:*'no sandbox of yours is running'* ]]
	begin as_user web sleep 1000
	run -0 cothon publish ls
	run -125 cothon publish ls wbe
	[[ $output = cothon:*'did you mean web'* ]]
	begin as_user mail sleep 1000
	run -125 cothon publish ls
	[[ $output = cothon:*'2 sandboxes are running'*mail*web* ]]
}

# Publications.

@test "publish add, ls, rm: the port leads inside, and is free at once afterwards" {
	local n
	begin as_user web web 80
	cothon publish add web 8080:80 8443:http
	await 10 curl -sSf --max-time 2 -o /dev/null "http://$host4:8080/"
	expect 'client' "$remote4" "$(fetch 8080)"
	expect 'client' "$remote4" "$(fetch 8443)"
	expect 'list' $'8080:80\n8443:80' "$(cothon publish ls web)"
	for n in {1..20}; do
		cothon publish rm web 8080:80
		opens 8080
		cothon publish add web 8080:80
	done
	expect 'client' "$remote4" "$(fetch 8080)"
	cothon publish rm web 8080:80 8443:80
	run -7 fetch 8080
	run -0 cothon publish ls web
	expect 'list' '' "$output"
}

@test "publish: a range, UDP, an address; NAME may be left out" {
	begin as_user web sh -c 'web 81 & exec datagrams serve 53'
	cothon publish add 127.0.0.1:8080-8082:80-82 5353:53/udp
	await 10 curl -sSf --max-time 2 -o /dev/null http://127.0.0.1:8081/
	run -7 fetch 8081
	client 11 datagrams ask "$host4" 5353 10
	listening udp 5353
	listening tcp 8081
	cothon publish rm 5353:53/udp 127.0.0.1:8080-8082:80-82
	run -1 listening udp 5353
	run -1 listening tcp 8081
}

@test "publish: of several all or none, and what is wrong is said" {
	start taker user web 8082
	await 10 listening tcp 8082
	begin_with '-p 8000:80' as_user web sleep 1000
	run -125 cothon publish add web 8080:80 8082:82 8083:83
	[[ $output = cothon:*8082/tcp*another* ]]
	run -125 cothon publish add web 8080:80 8081
	[[ $output = cothon:*8081*'belong together'* ]]
	run -125 cothon publish add web 800:80
	[[ $output = cothon:*800/tcp*ip_unprivileged_port_start* ]]
	run -125 cothon publish rm web 8000:80 8001:81
	[[ $output = cothon:*8001:81*'not published'* ]]
	expect 'list' 8000:80 "$(cothon publish ls web)"
	run -125 cothon publish
	run -125 cothon publish ad web 8080:80
	[[ $output = cothon:*'did you mean `cothon publish add`'* ]]
}

# Rules.

@test "rules add, ls, rm: they hold for the next connection" {
	start server remote web 80
	start other remote web 81
	await 10 remote_listening tcp 80
	await 10 remote_listening tcp 81
	begin as_user web sleep 1000
	local get="curl -sS --max-time 5 http://$remote4"
	[[ $(cothon rules ls web) = 'no rules'* ]]
	# shellcheck disable=SC2086 # words
	expect 'client' "$host4" "$(cothon exec web -- $get:81/)"
	cothon rules add web --allow "$remote4:80" --deny any:25
	expect 'client' "$host4" "$(cothon exec web -- $get:80/)"
	run ! cothon exec web -- $get:81/
	[[ $(cothon rules denied web) = *"tcp $inside4:"*"-> $remote4:81"*'no rule allows it'* ]]
	cothon rules add web --allow "$remote4:81"
	expect 'client' "$host4" "$(cothon exec web -- $get:81/)"
	expect 'list' "  1  allow  $remote4:80
  2  deny   any:25
  3  allow  $remote4:81" "$(cothon rules ls web)"
	cothon rules rm web 1
	run ! cothon exec web -- $get:80/
	cothon rules rm web --allow "$remote4:81" --deny any:25
	expect 'client' "$host4" "$(cothon exec web -- $get:80/)"
	cothon rules denied web --json | python3 -c '
import json, sys
denials = json.load(sys.stdin)["denials"]
assert [d["destination"]["port"] for d in denials] == [81, 80], denials'
}

@test "rules: all or none; what is wrong or odd is said" {
	begin as_user web sleep 1000
	run -125 cothon rules add web --allow example.org --allow 1.2.3.4.5:x
	[[ $output = cothon:* ]]
	run -125 cothon rules rm web --deny any:25
	[[ $output = cothon:*'no rule deny any:25'* ]]
	run -125 cothon rules rm web 1
	[[ $output = cothon:*'no rule number'* ]]
	run -125 cothon rules add web
	[[ $output = cothon:*'which rules'* ]]
	run -0 cothon rules add web --deny 10.0.0.0/8 --allow 10.1.2.3:80
	[[ $output = cothon:*'10.1.2.3:80'*'10.0.0.0/8'* ]]
	# What is there is not there twice.
	cothon rules add web --deny 10.0.0.0/8
	expect 'rules' 2 "$(cothon rules ls web | wc -l)"
}

@test "a rule that forbids an open connection closes it, and the others go on" {
	start first remote steady serve 5000
	start second remote steady serve 5001
	await 10 remote_listening tcp 5000
	await 10 remote_listening tcp 5001
	begin as_user web sleep 1000
	start kept as_user "$COTHON" exec web -- steady use "$remote4" 5000 5 3
	start closed as_user "$COTHON" exec web -- steady use "$remote4" 5001 5 3
	await 10 grep -qx steady "$(log kept)"
	await 10 grep -qx steady "$(log closed)"
	cothon rules add web --deny "$remote4:5001"
	await 2 ended "$(pid closed)"
	grep -q ConnectionResetError "$(log closed)"
	await 10 ended "$(pid kept)"
	grep -q '^5 connections' "$(log kept)"
}

# The API.

@test "curl --unix-socket: what there is, and what is refused" {
	begin as_user web sleep 1000
	[[ $(api as_user web GET /v1/sandbox) = *'"name":"web"'*200 ]]
	[[ $(api as_user web POST /v1/publications '{"publications":[{"outside":8080,"inside":80}]}') = *'"outside":8080'*200 ]]
	[[ $(api as_user web DELETE /v1/publications '{"publications":[{"outside":8080,"inside":80}]}') = *'[]'*200 ]]
	[[ $(api as_user web PUT /v1/rules '{"rules":[{"allow":true,"rule":"any:443"}]}') = *'any:443'*200 ]]
	[[ $(api as_user web POST /v1/rules '{"add":[{"allow":false,"rule":"any:25"}],"remove":[{"allow":true,"rule":"any:443"}]}') = *'[{"allow":false,"rule":"any:25"}]'*200 ]]
	[[ $(api as_user web DELETE /v1/rules '{"rules":[{"allow":false,"rule":"any:25"}]}') = *'"rules":[]'*200 ]]
	[[ $(api as_user web GET /v1/rules) = *'"rules":[]'*200 ]]
	[[ $(api as_user web GET '/v1/denials?from=0') = *'"next":0'*200 ]]
	[[ $(api as_user web GET /v1/counters) = *'"frames_in":'*'"tcp_out":'*200 ]]
	[[ $(api as_user web GET /v1/limits) = *'"name":"tcp-flows"'*'"bound":262144'*'"name":"control-connections"'*'"name":"log-lines"'*200 ]]
	[[ $(api as_user web GET /v1/nothing) = *'"hint":"there are: /v1/sandbox'*404 ]]
	[[ $(api as_user web PUT /v1/sandbox '{}') = *405 ]]
	[[ $(api as_user web POST /v1/rules '{"ad":[]}') = *'\"ad\"'*'there are: add, remove'*400 ]]
	[[ $(api as_user web POST /v1/rules '{"add":[{"allow":1,"rule":"any"}]}') = *'add[0]'*400 ]]
	[[ $(api as_user web POST /v1/publications '{"publications":[{"outside":0,"inside":80}]}') = *'1 to 65535'*400 ]]
	[[ $(api as_user web POST /v1/publications '{') = *'line 1'*400 ]]
	# A large body, for which curl asks first.
	head -c 2000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/large"
	[[ $(api as_user web PUT /v1/rules "@$BATS_TEST_TMPDIR/large") = *413 ]]
}

@test "another user gets no answer, root does" {
	begin as_root web sleep 1000
	begin as_user mail sleep 1000
	run -125 cothon rules ls web
	run -7 user curl -sS --unix-socket "$root_sockets/web.sock" http://x/v1/sandbox
	# Not even when the files let them in.
	chmod 755 /run/lab/tmp/run-root "$root_sockets"
	chmod 666 "$root_sockets/web.sock"
	user [ -w "$root_sockets/web.sock" ]
	run ! user curl -sS --unix-socket "$root_sockets/web.sock" http://x/v1/sandbox
	no_answer
	[[ $(api as_root web GET /v1/sandbox) = *200 ]]
	# Root's answer comes from the user's own sandbox.
	run -0 curl -sS --unix-socket "$user_sockets/mail.sock" http://x/v1/sandbox
	[[ $output = *'"name":"mail"'* ]]
}

@test "what runs inside gets no answer: it cannot open its own way out" {
	local as
	for as in as_user as_root; do
		begin "$as" web sleep 1000
		run -0 "$as" "$COTHON" exec web -- sh -c 'ls "$XDG_RUNTIME_DIR/cothon/web.sock"'
		run ! "$as" "$COTHON" exec web -- \
			sh -c 'curl -sS --unix-socket "$XDG_RUNTIME_DIR/cothon/web.sock" http://x/v1/sandbox'
		no_answer
		run ! "$as" "$COTHON" exec web -- \
			sh -c 'unshare --user curl -sS --unix-socket "$XDG_RUNTIME_DIR/cothon/web.sock" http://x/v1/sandbox'
		no_answer
		[[ $(api "$as" web GET /v1/sandbox) = *200 ]]
		stop web
	done
}

# waits_for NAME: somebody has connected, and is not accepted yet.
waits_for() {
	ss -Hxl | awk -v path="$user_sockets/$1.sock" '$5 == path { waiting = $3 } END { exit !waiting }'
}

@test "a sandbox that ends during a request: says so" {
	begin as_user web sleep 1000
	kill -STOP "$(pid web)"
	start asking as_user "$COTHON" rules ls web
	await 10 waits_for web
	run -0 cothon ps
	[[ ${lines[1]} =~ ^web\ +\?\  ]]
	kill -KILL "$(pid web)"
	await 5 ended "$(pid asking)"
	grep -q '^cothon: rules: web ended before it answered' "$(log asking)"
}

# Changes all the time.

# listens_inside NAME PORT
listens_inside() {
	cothon exec "$1" -- ss -Hltn "sport = :$2" | grep -q .
}

@test "two hundred changes a second while 200 connections run: none that stays allowed is disturbed" {
	start server remote steady serve 5000
	await 10 remote_listening tcp 5000
	begin_with "-p 6000:6000 --allow $remote4:5000" as_user web steady serve 6000
	await 10 listens_inside web 6000
	start out as_user "$COTHON" exec web -- steady use "$remote4" 5000 100 8
	start in client 11 steady use "$host4" 6000 100 8
	await 10 grep -qx steady "$(log out)"
	await 10 grep -qx steady "$(log in)"
	run -0 as_user churn "$user_sockets/web.sock" 7 200
	# It asks for 1400; a machine that has more to do makes fewer.
	[ "$output" -ge 700 ]
	await 10 ended "$(pid out)"
	await 10 ended "$(pid in)"
	grep -q '^100 connections' "$(log out)"
	grep -q '^100 connections' "$(log in)"
	expect 'rules' "  1  allow  $remote4:5000" "$(cothon rules ls web)"
	expect 'list' 6000:6000 "$(cothon publish ls web)"
}
