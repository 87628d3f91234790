#!/usr/bin/env bats
#
# `cothon run` as a person uses it: the command runs as if it were alone, and nothing of it stays behind.

bats_require_minimum_version 1.5.0
load lab

setup_file() {
	open_folders
	start remote-bulk remote bulk serve 5000
	start peer remote peer
	await 10 remote_listening tcp 5000
	await 10 remote_listening tcp 7000
	await 10 remote_listening tcp 7006
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
	open_folders
}


teardown() {
	chmod 666 /dev/net/tun
}

teardown_file() {
	stop_all
}


# The processes that have the test's mark in their environment, and all network namespaces.
marked() {
	grep -lsz "^E2E_MARK=$BATS_TEST_NAME$" /proc/[0-9]*/environ | cut -d / -f 3
	true
}

network_namespaces() {
	lsns --noheadings --type net --output NS | sort
}

# nothing_left COMMAND...: what it started, with the mark in its environment, is soon gone, and no network
# namespace is there that was not before.
nothing_left() {
	local before
	before=$(network_namespaces)
	E2E_MARK=$BATS_TEST_NAME "$@"
	await 5 none_marked || { ps -o pid,args -p "$(marked | xargs)" && return 1; }
	expect 'network namespaces' "$before" "$(network_namespaces)"
}

# something_runs: what nothing_left looks for is there while it runs.
something_runs() {
	[ -n "$(marked)" ]
	[ "$(network_namespaces)" != "$before" ]
}

none_marked() {
	[ -z "$(marked)" ]
}

# Exit status.

@test "the exit status is the command's" {
	run -0 user sandbox -- true
	run -1 user sandbox -- false
	run -42 user sandbox -- sh -c 'exit 42'
	run -255 user sandbox -- sh -c 'exit 255'
}

@test "the exit status is 128 + n when signal n ended the command" {
	run -143 user sandbox -- sh -c 'kill -TERM $$'
	run -137 user sandbox -- sh -c 'kill -KILL $$'
	run -139 user sandbox -- sh -c 'kill -SEGV $$'
}

@test "125 when cothon itself failed, and it says why" {
	run -125 user sandbox --no-such-option -- true
	[[ $output = cothon:*no-such-option* ]]
	run -125 user sandbox
	[[ $output = cothon:* ]]
}

@test "a rule that is not understood is refused, one that changes nothing is warned about" {
	run -125 user sandbox --allow any:htpp -- touch "$BATS_TEST_TMPDIR/ran"
	[[ $output = cothon:*'any:htpp'*'did you mean http?' ]]
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	run -7 user sandbox --deny 10.0.0.0/8 --allow 10.1.2.3:80 -- sh -c 'exit 7'
	[[ $output = cothon:*'allow 10.1.2.3:80'*'deny 10.0.0.0/8'*'leave one out' ]]
	run -0 user sandbox --allow any:http --deny 10.0.0.0/8 -- true
	[ -z "$output" ]
}

@test "126 when the command cannot be run, and it says why" {
	touch "$BATS_TEST_TMPDIR/text"
	run -126 user sandbox -- "$BATS_TEST_TMPDIR/text"
	[[ $output = cothon:*text*executable* ]]
	run -126 user sandbox -- /
	[[ $output = cothon:* ]]
}

@test "127 when the command is not found, and it says so" {
	run -127 user sandbox -- no-such-command
	[[ $output = cothon:*no-such-command* ]]
	run -127 user sandbox -- /no/such/file
	[[ $output = cothon:*/no/such/file* ]]
}

# What the command is given.

@test "arguments, environment, directory and mask are the caller's" {
	cd "$BATS_FILE_TMPDIR"
	umask 027
	FLEET='three  ships' run -0 user sandbox -- \
		sh -c 'printf "%s|" "$@" "$FLEET" "$PWD" "$(umask)"' sh 'a  b' '' $'c\nd' '*'
	expect output $'a  b||c\nd|*|three  ships|'"$BATS_FILE_TMPDIR|0027|" "$output"
}

@test "ten megabytes go through standard input and output unchanged" {
	local file=$BATS_TEST_TMPDIR/random
	head -c 10485760 /dev/urandom >"$file"
	user sandbox -- cat <"$file" >"$file.pipe" # a file to a file
	cmp "$file" "$file.pipe"
	cat "$file" | user sandbox -- cat | cmp "$file" -
	cat "$file" | user sandbox -- sh -c 'cat >&2' 2>&1 >/dev/null | cmp "$file" -
}

@test "the command sees the end of its input, and a reader of its output that is gone" {
	expect output 'end' "$(: | user sandbox -- sh -c 'cat; echo end')"
	# head ends after the first line, and yes by SIGPIPE.
	{ user sandbox -- yes || echo "$?" >"$BATS_TEST_TMPDIR/status"; } | head -n 1 >/dev/null
	expect status 141 "$(cat "$BATS_TEST_TMPDIR/status")"
}

@test "open files go to the command" {
	echo 'from outside' >"$BATS_TEST_TMPDIR/file"
	expect output 'from outside' "$(user sandbox -- sh -c 'cat <&7' 7<"$BATS_TEST_TMPDIR/file")"
}

@test "standard input, output and error may be closed" {
	run -5 user sandbox -- sh -c 'exit 5' <&- >&- 2>&-
}

# Signals.

# ready COMMAND...: runs it in the background until it says `ready` in the pipe, which it finds as $READY.
ready() {
	export READY=$BATS_TEST_TMPDIR/ready
	mkfifo "$READY"
	chmod 666 "$READY"
	start command "$@"
	expect 'the pipe' ready "$(timeout 10 cat "$READY")"
	rm "$READY"
}

# ends_with STATUS: the command that `ready` started.
ends_with() {
	local process status=0
	process=$(pid command)
	await 10 ended "$process"
	wait "$process" || status=$?
	rm "$BATS_FILE_TMPDIR/command.pid"
	expect 'status' "$1" "$status"
}

@test "SIGTERM, SIGINT and SIGHUP to cothon end the command" {
	nothing_left ends_by TERM 143
	nothing_left ends_by INT 130
	nothing_left ends_by HUP 129
}

# ends_by SIGNAL STATUS
ends_by() {
	# A shell has its background jobs ignore SIGINT; env takes that back.
	ready user env --default-signal=INT sandbox -- sh -c 'echo ready >"$READY"; exec sleep 1000'
	something_runs
	kill "-$1" "$(pid command)"
	ends_with "$2"
}

@test "a command that handles SIGTERM has its own way" {
	ready user sandbox -- sh -c 'trap "exit 7" TERM; echo ready >"$READY"; while :; do sleep 0.05; done'
	kill -TERM "$(pid command)"
	ends_with 7
}

@test "kill -9 of cothon leaves no process and no namespace" {
	nothing_left killed user
	nothing_left killed env
}

# killed user|env
killed() {
	ready "$1" sandbox -- sh -c 'trap "" TERM HUP INT; setsid sleep 1000 & echo ready >"$READY"; sleep 1000'
	something_runs
	kill -KILL "$(pid command)"
	ends_with 137
}

@test "the command's children are gone when it has ended" {
	nothing_left user sandbox -- sh -c 'setsid sleep 1000 & trap "" TERM; sleep 1000 & true'
	nothing_left sandbox -- sh -c 'setsid sleep 1000 & trap "" TERM; sleep 1000 & true'
}

@test "a hundred sandboxes one after the other leave nothing" {
	nothing_left many
}

many() {
	local n
	for n in {1..100}; do
		user sandbox -- true
	done
}

@test "the last bytes of a command arrive although it ends at once" {
	user sandbox -- bash -c "{ echo $BATS_TEST_NAME && head -c 3000000 /dev/zero; } >/dev/tcp/$remote4/7000"
	expect 'the peer saw' '3000000 bytes, then the end' \
		"$(exec 5<>"/dev/tcp/$remote4/7006" && echo "verdict $BATS_TEST_NAME" >&5 && cat <&5)"
}

# Terminals.

@test "terminal: the command has it, with its size, and hears of a new one" {
	run -3 terminal bin/user sandbox -- bash --norc <<-'END'
	type PS1="$((1+1))> "^M
	see 2>
	type tty^M
	see /dev/pts/
	see 2>
	size 33 77
	type stty size^M
	see 33 77
	see 2>
	type trap 'echo now $(stty size)' WINCH^M
	see 2>
	size 20 50
	see now 20 50
	type exit 3^M
	END
}

@test "terminal: Ctrl-C and Ctrl-\\ reach the command" {
	run -7 terminal bin/user sandbox -- \
		sh -c 'trap "echo interr""upted; exit 7" INT; echo re""ady; while :; do sleep 0.05; done' <<-'END'
	see ready
	type ^C
	see interrupted
	END
	run -130 terminal bin/user sandbox -- sh -c 'echo re""ady; exec sleep 1000' <<-'END'
	see ready
	type ^C
	END
	run -131 terminal bin/user sandbox -- sh -c 'echo re""ady; exec sleep 1000' <<-'END'
	see ready
	type ^\
	END
}

@test "terminal: a shell inside controls its jobs" {
	run -0 terminal bin/user sandbox -- bash --norc <<-'END'
	type PS1="$((1+1))> "^M
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
	type exit^M
	END
}

@test "terminal: a shell outside stops cothon and goes on with it" {
	run -0 terminal bin/user bash --norc <<-'END'
	type PS1="$((1+1))> "^M
	see 2>
	type sandbox -- sh -c 'echo re""ady; exec cat'^M
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
	type exit^M
	END
}

# Whose sandbox.

@test "the command is root in its sandbox; with --user it is who called" {
	expect 'user' '0 0' "$(user sandbox -- sh -c 'echo $(id -u) $(id -g)')"
	expect 'user' '64999 64999' "$(user sandbox --user -- sh -c 'echo $(id -u) $(id -g)')"
	expect 'user' '0 0' "$(sandbox -- sh -c 'echo $(id -u) $(id -g)')"
}

@test "root's sandbox has all users, so that servers may step down" {
	expect 'user' 64998 "$(sandbox -- setpriv --reuid=64998 --regid=64998 --clear-groups id -u)"
}

@test "system ports: free for the sandbox's root, reserved with --user" {
	local open='import socket; socket.create_server(("", 80)); print("open")'
	expect output open "$(user sandbox -- python3 -c "$open")"
	run -1 user sandbox --user -- python3 -c "$open"
	[[ $output = *PermissionError* ]]
}

@test "a sandbox reaches the other host: an ordinary user's" {
	user sandbox -- bulk use "$remote4" 5000 1 1000
	user sandbox --user -- bulk use "$remote6" 5000 1 1000
}

@test "a sandbox reaches the other host: root's" {
	sandbox -- bulk use "$remote4" 5000 1 1000
	sandbox -- bulk use "$remote6" 5000 1 1000
}

@test "a sandbox reaches the other host: inside another user namespace" {
	user unshare --user --map-root-user bin/sandbox -- bulk use "$remote4" 5000 1 1000
	user unshare --user --map-current-user bin/sandbox -- bulk use "$remote6" 5000 1 1000
}

@test "a sandbox in a sandbox reaches the other host" {
	user sandbox -- bin/sandbox --address 10.0.3.100 --gateway 10.0.3.2 -- bulk use "$remote4" 5000 1 1000
}

@test "refusals name what is refused and how to mend it" {
	local n
	chmod 600 /dev/net/tun
	# More than once, because two processes find out at the same time.
	for n in {1..20}; do
		run -125 user sandbox -- true
		[[ $output = cothon:*/dev/net/tun*chmod* ]]
	done
	run -1 user "$COTHON" doctor
	[[ $output = */dev/net/tun*chmod* ]]
	chmod 666 /dev/net/tun
	run -125 user unshare --user --map-root-user \
		sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec bin/sandbox -- true'
	[[ $output = cothon:*max_net_namespaces* ]]
}

@test "doctor finds nothing to mend here" {
	run -0 user "$COTHON" doctor
}
