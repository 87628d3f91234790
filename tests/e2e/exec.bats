#!/usr/bin/env bats
#
# `cothon exec`: another command in a sandbox that runs, as if it had been started there.

bats_require_minimum_version 1.5.0
load lab
load running

teardown() {
	[ -n "${E2E_DIRECT:-}" ] || stop_all
}

# Exit status.

@test "the exit status is the command's, or 125, 126, 127 with the reason" {
	begin as_user web sleep 1000
	run -0 as_user "$COTHON" exec web -- true
	run -42 as_user "$COTHON" exec web -- sh -c 'exit 42'
	run -255 as_user "$COTHON" exec web sh -c 'exit 255'
	run -143 as_user "$COTHON" exec web -- sh -c 'kill -TERM $$'
	run -137 as_user "$COTHON" exec web -- sh -c 'kill -KILL $$'
	run -127 as_user "$COTHON" exec web -- no-such-command
	[[ $output = cothon:*no-such-command* ]]
	touch "$BATS_TEST_TMPDIR/text"
	run -126 as_user "$COTHON" exec web -- "$BATS_TEST_TMPDIR/text"
	[[ $output = cothon:*text*executable* ]]
	run -125 as_user "$COTHON" exec wep -- true
	[[ $output = cothon:*wep*'did you mean web'* ]]
	run -125 as_user "$COTHON" exec web
	[[ $output = cothon:*'which command'* ]]
	run -125 as_user "$COTHON" exec
	[[ $output = cothon:*'which sandbox'* ]]
}

# Where it runs.

# What a process can say of where and who it is.
self='readlink /proc/self/ns/user /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/mnt
	id; grep -e ^Cap -e ^Seccomp -e ^NoNewPrivs /proc/self/status; cat /proc/net/dev | grep -c cothon0'

# same AS [OPTIONS]: the sandbox's own command says the same of itself as one that comes later.
same() {
	local as=$1
	shift
	begin_with "$*" "$as" own sh -c "{ $self; } >'$BATS_TEST_TMPDIR/own'; sleep 1000"
	await 10 grep -q '^1$' "$BATS_TEST_TMPDIR/own"
	run -0 "$as" "$COTHON" exec own -- sh -c "$self"
	expect 'the later command' "$(cat "$BATS_TEST_TMPDIR/own")" "$output"
	stop own
}

@test "it is where the sandbox's command is, and who that is: an ordinary user's" {
	same as_user
	same as_user --user
}

@test "it is where the sandbox's command is, and who that is: root's" {
	same as_root
	same as_root --user
}

@test "it is where the sandbox's command is, and who that is: inside another user namespace" {
	as_user unshare --user --map-root-user "$BASH" -c "
		. ./common.bash
		'$COTHON' run --name nested -- sh -c '{ $self; } >\"$BATS_TEST_TMPDIR/nested\"; sleep 1000' 3>&- &
		await 10 grep -q '^1$' '$BATS_TEST_TMPDIR/nested'
		'$COTHON' exec nested -- sh -c '$self' >'$BATS_TEST_TMPDIR/later' || status=\$?
		kill \$! && wait
		exit \${status:-0}"
	cmp "$BATS_TEST_TMPDIR/nested" "$BATS_TEST_TMPDIR/later"
}

@test "directory, environment, standard input and output, and open files are the caller's" {
	begin as_user web sleep 1000
	cd "$BATS_FILE_TMPDIR"
	FLEET='three  ships' run -0 as_user "$COTHON" exec web -- \
		sh -c 'printf "%s|" "$@" "$FLEET" "$PWD"' sh 'a  b' ''
	expect output "a  b||three  ships|$BATS_FILE_TMPDIR|" "$output"
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/random"
	as_user "$COTHON" exec web -- cat <"$BATS_TEST_TMPDIR/random" | cmp "$BATS_TEST_TMPDIR/random" -
	echo 'from outside' >"$BATS_TEST_TMPDIR/file"
	expect output 'from outside' \
		"$(as_user "$COTHON" exec web -- sh -c 'cat <&7' 7<"$BATS_TEST_TMPDIR/file")"
	expect output 'end' "$(: | as_user "$COTHON" exec web -- sh -c 'cat; echo end')"
	run -5 as_user "$COTHON" exec web -- sh -c 'exit 5' <&- >&- 2>&-
}

@test "many at the same time" {
	local n processes=()
	begin as_user web sleep 1000
	for n in {1..12}; do
		as_user "$COTHON" exec web -- sh -c "echo $n" >"$BATS_TEST_TMPDIR/$n" 3>&- &
		processes+=($!)
	done
	for n in "${processes[@]}"; do
		wait "$n"
	done
	expect 'their words' "$(seq 12 | xargs)" "$(cat "$BATS_TEST_TMPDIR"/{1..12} | xargs)"
}

@test "a command inside gets no way to its own sandbox's socket" {
	local socket
	begin as_user web sleep 1000
	socket=/run/lab/tmp/run-user/cothon/web.sock
	[ -S "$socket" ]
	run ! as_user "$COTHON" exec web -- curl -sf --max-time 5 --unix-socket "$socket" http://localhost/v1/namespaces
	[[ $status = 7 || $status = 52 || $status = 56 ]]
	run -0 as_user "$COTHON" exec web -- sh -c '"$1" exec web -- true; echo "status $?"' sh "$COTHON"
	[[ $output = *$'\nstatus 125' ]]
}

# Signals and ends.

# later AS COMMAND...: in the sandbox `web`, until it has made the file `ready`.
later() {
	rm -f "$BATS_TEST_TMPDIR/ready"
	start later "$1" env --default-signal=INT "$COTHON" exec web -- "${@:2}"
	await 10 test -e "$BATS_TEST_TMPDIR/ready"
}

# ends_with STATUS: the command that `later` started.
ends_with() {
	local process status=0
	process=$(pid later)
	await 10 ended "$process"
	wait "$process" || status=$?
	rm "$BATS_FILE_TMPDIR/later.pid"
	expect status "$1" "$status"
}

# How many processes of the sandbox sleep for so many seconds.
sleepers() {
	as_user "$COTHON" exec web -- pgrep -cfx "sleep $1"
	true
}

@test "SIGTERM, SIGINT and SIGHUP to cothon exec end the command, unless it has its own way" {
	local file=$BATS_TEST_TMPDIR/ready
	begin as_user web sleep 1000
	later as_user sh -c "touch '$file'; exec sleep 999"
	kill -TERM "$(pid later)"
	ends_with 143
	later as_user sh -c "touch '$file'; exec sleep 999"
	kill -INT "$(pid later)"
	ends_with 130
	later as_user sh -c "touch '$file'; exec sleep 999"
	kill -HUP "$(pid later)"
	ends_with 129
	later as_user sh -c "trap 'exit 7' TERM; touch '$file'; while :; do sleep 0.05; done"
	kill -TERM "$(pid later)"
	ends_with 7
	expect 'processes left' 0 "$(sleepers 999)"
}

@test "kill -9 of cothon exec ends the command, and the sandbox goes on" {
	begin as_user web sleep 1000
	later as_user sh -c "touch '$BATS_TEST_TMPDIR/ready'; exec sleep 998"
	expect 'processes' 1 "$(sleepers 998)"
	kill -KILL "$(pid later)"
	ends_with 137
	await 5 gone 998
	run -0 as_user "$COTHON" exec web -- true
}

gone() {
	[ "$(sleepers "$1")" = 0 ]
}

@test "it ends when the sandbox does, which waits for nobody" {
	begin as_user web sleep 1000
	later as_user sh -c "trap '' TERM; touch '$BATS_TEST_TMPDIR/ready'; sleep 997; true"
	stop web
	ends_with 137
	grep 'the sandbox has ended' "$(log later)"
	# Not even for one that is stopped.
	begin as_user web sleep 1000
	later as_user sh -c "touch '$BATS_TEST_TMPDIR/ready'; exec sleep 997"
	kill -STOP "$(pid later)"
	stop web
	kill -CONT "$(pid later)"
	ends_with 137
}

# Terminals.

@test "terminal: a shell in a running sandbox controls its jobs" {
	begin as_user web sleep 1000
	run -3 terminal bin/as_user "$COTHON" exec web -- bash --norc <<-'END'
	type PS1="$((1+1))> "^M
	see 2>
	type tty^M
	see /dev/pts/
	see 2>
	size 33 77
	type stty size^M
	see 33 77
	see 2>
	type echo re""ady; cat^M
	see ready
	type hello^M
	see hello
	see hello
	type ^Z
	see Stopped
	see 2>
	type fg^M
	see cat
	type again^M
	see again
	see again
	type ^D
	see 2>
	type exit 3^M
	END
}

@test "terminal: Ctrl-C reaches the command; a shell outside stops cothon exec and goes on with it" {
	begin as_user web sleep 1000
	run -0 terminal bin/as_user bash --norc <<-'END'
	type PS1="$((1+1))> "^M
	see 2>
	type $COTHON exec web -- sh -c 'echo re""ady; exec cat'^M
	see ready
	type hello^M
	see hello
	see hello
	type ^Z
	see Stopped
	see 2>
	type fg^M
	see cat
	type again^M
	see again
	see again
	type ^D
	see 2>
	type $COTHON exec web -- sh -c 'trap "echo interr""upted; exit 7" INT; echo re""ady; while :; do sleep 0.05; done'^M
	see ready
	type ^C
	see interrupted
	see 2>
	type echo status $?^M
	see status 7
	see 2>
	type exit^M
	END
}
