#!/usr/bin/env bats
#
# `cothon run` as a person uses it: the command runs as if it were alone, and nothing of it stays behind.

bats_require_minimum_version 1.5.0
load lab

setup_file() {
	open_folders
	start remote-bulk remote bulk serve 5000
	await 10 remote_listening tcp 5000
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
	open_folders
}


teardown_file() {
	stop_all
}


# Everything that runs in the lab but this shell and its own, and every network namespace.
processes() {
	ps -e -o pid=,ppid=,args= | awk -v own="$BASHPID" '$1 != own && $2 != own { print $1, $3, $4, $5 }'
}

# nothing_left COMMAND...: in the end there are no processes and no network namespaces but those before it.
nothing_left() {
	local before after namespaces
	before=$(processes | sort)
	namespaces=$(lsns --noheadings --type net --output NS | sort)
	"$@"
	await 5 same_as "$before" "$namespaces" || {
		diff <(echo "$before") <(processes | sort)
		return 1
	}
}

same_as() {
	[ "$(processes | sort)" = "$1" ] && [ "$(lsns --noheadings --type net --output NS | sort)" = "$2" ]
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
	FLEET='three  ships' run -0 user sandbox -- sh -c 'printf "%s|" "$@" "$FLEET" "$PWD" "$(umask)"' sh 'a  b' '' $'c\nd' '*'
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
	expect status 141 "$({ user sandbox -- yes && :; echo "$?" >&3; } 3>&1 | head -n 1 | sed d)"
}

@test "open files go to the command" {
	echo 'from outside' >"$BATS_TEST_TMPDIR/file"
	expect output 'from outside' "$(user sandbox -- sh -c 'cat <&7' 7<"$BATS_TEST_TMPDIR/file")"
}

# Signals.

# A sandbox that says `ready` in a pipe, and what it then reads there.
ready() {
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	start command "$@"
	[ "$(timeout 10 cat "$BATS_TEST_TMPDIR/fifo")" = ready ]
}

status_of_command() {
	local status=0
	await 10 ended "$(pid command)"
	wait "$(pid command)" || status=$?
	rm "$BATS_FILE_TMPDIR/command.pid"
	echo "$status"
}

@test "SIGTERM, SIGINT and SIGHUP to cothon end the command" {
	local signal
	for signal in TERM:143 INT:130 HUP:129; do
		rm -f "$BATS_TEST_TMPDIR/fifo"
		# A shell gives its background jobs an ignored SIGINT; env takes that back.
		nothing_left ends_by "${signal%:*}" "${signal#*:}"
	done
}

ends_by() {
	ready user env --default-signal=INT sandbox -- sh -c "echo ready >$BATS_TEST_TMPDIR/fifo; exec sleep 1000"
	kill "-$1" "$(pid command)"
	expect status "$2" "$(status_of_command)"
}

@test "a command that handles SIGTERM has its own way" {
	ready user sandbox -- sh -c "trap 'exit 7' TERM; echo ready >$BATS_TEST_TMPDIR/fifo; while :; do sleep 0.05; done"
	kill -TERM "$(pid command)"
	expect status 7 "$(status_of_command)"
}

@test "kill -9 of cothon leaves no process and no namespace" {
	nothing_left killed
}

killed() {
	ready user sandbox -- sh -c "trap '' TERM HUP INT; setsid sleep 1000 & echo ready >$BATS_TEST_TMPDIR/fifo; sleep 1000"
	kill -KILL "$(pid command)"
	expect status 137 "$(status_of_command)"
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
	# Its socket's buffer is full when bulk's place is taken by nothing.
	remote sh -c 'python3 -c "
import socket
listener = socket.create_server((\"\", 5100))
stream, _ = listener.accept()
count = 0
while data := stream.recv(65536):
    count += len(data)
print(count)
"' >"$BATS_TEST_TMPDIR/count" 3>&- &
	await 10 remote_listening tcp 5100
	user sandbox -- python3 -c "
import socket
stream = socket.create_connection(('$remote4', 5100))
stream.sendall(bytes(3000000))
"
	wait $!
	expect 'bytes' 3000000 "$(cat "$BATS_TEST_TMPDIR/count")"
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
	run -7 terminal bin/user sandbox -- sh -c 'trap "echo interr""upted; exit 7" INT; echo re""ady; while :; do sleep 0.05; done' <<-'END'
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
	type cat^M
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
	type sandbox -- cat^M
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
	chmod 600 /dev/net/tun
	run -125 user sandbox -- true
	[[ $output = cothon:*/dev/net/tun*chmod* ]]
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

# The network inside.

@test "addresses, routes and loopback inside" {
	run -0 user sandbox -- ip -brief address
	grep -qE '^lo +(UNKNOWN|UP) +127\.0\.0\.1/8 ::1/128' <<<"$output"
	grep -qE " $inside4/24 " <<<"$output"
	grep -qE " $inside6/64 " <<<"$output"
	expect 'interfaces' 2 "$(wc -l <<<"$output")"
	expect 'route' "$gateway4" "$(user sandbox -- ip route show default | awk '{ print $3 }')"
	expect 'route' "$gateway6" "$(user sandbox -- ip -6 route show default | awk '{ print $3 }')"
}

@test "the ephemeral range inside is the dynamic range" {
	expect 'range' '49152 65535' "$(user sandbox -- cat /proc/sys/net/ipv4/ip_local_port_range | xargs)"
}

@test "no address is checked for duplicates when the command begins" {
	expect 'tentative addresses' '' "$(user sandbox -- ip -6 address show tentative)"
}

@test "--mtu, --address, --gateway, --ipv4-only and --ipv6-only" {
	run -0 user sandbox --mtu 9000 --address 172.16.5.9/16 --gateway 172.16.5.1 -- ip address
	grep -qE 'mtu 9000 ' <<<"$output"
	grep -qE 'inet 172\.16\.5\.9/16 ' <<<"$output"
	expect 'route' 172.16.5.1 "$(user sandbox --address 172.16.5.9/16 --gateway 172.16.5.1 -- ip route show default | awk '{ print $3 }')"
	run -0 user sandbox --ipv4-only -- ip -6 address
	[[ $output != *"$inside6"* ]]
	run -0 user sandbox --ipv6-only -- ip -4 address
	[[ $output != *"$inside4"* ]]
	user sandbox --ipv4-only -- bulk use "$remote4" 5000 1 1000
	user sandbox --ipv6-only -- bulk use "$remote6" 5000 1 1000
}

@test "the gateway answers ping; loopback inside is the sandbox's own" {
	user sandbox -- ping -n -c 1 -W 5 "$gateway4"
	user sandbox -- ping -n -c 1 -W 5 "$gateway6"
	user sandbox -- ping -n -c 1 -W 5 127.0.0.1
	user sandbox -- ping -n -c 1 -W 5 ::1
}

# serving PORT: a server on the loopback of *host*.
@test "the host's loopback is out of reach, and with --host-loopback at the gateway's address" {
	local address
	start loopback python3 -m http.server --bind 127.0.0.1 5200
	start loopback6 python3 -m http.server --bind ::1 5200
	await 10 sh -c '[ "$(ss -Hltn "sport = :5200" | wc -l)" -eq 2 ]'
	curl -sS -o /dev/null http://127.0.0.1:5200/
	for address in "$gateway4" "[$gateway6]"; do
		run -7 user sandbox -- curl -sS -o /dev/null "http://$address:5200/"
		user sandbox --host-loopback -- curl -sS -o /dev/null "http://$address:5200/"
	done
	stop loopback
	stop loopback6
}

@test "a sandbox's two ends of the world do not meet: two sandboxes hold the same port" {
	start first user sandbox -p 5301:80 -- python3 -c 'import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"first")
http.server.HTTPServer(("", 80), Answer).serve_forever()'
	start second user sandbox -p 5302:80 -- python3 -c 'import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"second")
http.server.HTTPServer(("", 80), Answer).serve_forever()'
	await 10 answers "http://$host4:5301/" first
	await 10 answers "http://$host4:5302/" second
	stop first
	stop second
}

answers() {
	[ "$(remote curl -sS --max-time 2 "$1")" = "$2" ]
}
