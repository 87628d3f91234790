#!/usr/bin/env bats
#
# What may be reached: a program that tries everything, in a sandbox with two names and a prefix.

bats_require_minimum_version 1.5.0
load lab

readonly metadata=169.254.169.254
# Its own resolver's log, and that of one that nobody may ask.
readonly asked=/run/lab/tmp/asked.log other=/run/lab/tmp/other.log

setup_file() {
	open_folders
	: >$asked
	: >$other
	remote ip address add $metadata/32 dev lo
	ip route add $metadata via "$remote4"
	start dns remote dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= \
		--no-resolv --no-hosts --bind-interfaces --listen-address="$remote4" --local=/test/ \
		--log-queries --log-facility=$asked \
		--host-record=www.test,"$remote4,$remote6" --cname=alias.test,www.test \
		--host-record=v4.test,"$remote4" --host-record=v6.test,"$remote6" \
		--host-record=turns.test,192.0.2.99,"$remote4" \
		--host-record=secret.test,"$remote4" --txt-record=www.test,text \
		--host-record=loopback.test,127.0.0.1,::1 --host-record=metadata.test,$metadata \
		--host-record=own.test,"$host4,$host6" --host-record=gateway.test,10.0.2.2 \
		--host-record=zero.test,0.0.0.0
	start other-dns remote dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= \
		--no-resolv --no-hosts --bind-interfaces --listen-address=192.0.2.20 --listen-address=2001:db8::20 \
		--local=/test/ --log-queries --log-facility=$other --host-record=www.test,192.0.2.66
	start web remote web 8080
	start web-81 remote web 8081
	start host-web web 8080
	start datagrams remote datagrams serve 7000
	await 10 sh -c '[ "$(remote ss -Hlun "sport = :53" | wc -l)" -eq 3 ]'
	await 10 remote_listening tcp 8080
	await 10 remote_listening tcp 8081
	await 10 remote_listening udp 7000
	await 10 listening tcp 8080
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
	echo "nameserver $remote4" >/etc/resolv.conf
	denied=$BATS_TEST_TMPDIR/denied.log
	open_folders
}

teardown_file() {
	: >/etc/resolv.conf
	ip route del $metadata
	stop_all
}

# agent COMMAND...: with two names and a prefix.
agent() {
	user sandbox --log "$denied" --allow www.test:8080 --allow '*.test.example' --allow alias.test \
		--allow 192.0.2.16/28:8080/tcp -- "$@"
}

# The rules of all that resolves to what no name may lead to, and for the other tests.
liar() {
	user sandbox --log "$denied" --allow loopback.test --allow metadata.test --allow own.test \
		--allow gateway.test --allow zero.test --allow v4.test --allow v6.test --allow turns.test -- "$@"
}

# at_once: a program that runs its arguments and fails unless they fail, within a second.
at_once='
	begin=${EPOCHREALTIME/./}
	if "$@"; then echo "it worked: $*"; exit 1; fi
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	if ((took >= 1000)); then echo "$took milliseconds: $*"; exit 1; fi'

# fails WITH WHAT...: as `fails agent curl ...`
fails() {
	"$1" bash -c "$at_once" - "${@:2}" 2>"$BATS_TEST_TMPDIR/said"
}

# noted REGEX: the log has such a line
noted() {
	local who='([^ ]+ \(process [0-9]+\) )?'
	grep -qE "^\{\"time\":\"[-0-9]{10}T[0-9:.]{15}Z\",.*\"message\":\"denied $who$1" "$denied" || {
		cat "$denied" >&2
		fail "not in the log: $1"
	}
}

# said REGEX: the same on standard error
said() {
	grep -qE "^cothon: [a-z0-9-]+: denied $1" "$BATS_TEST_TMPDIR/said" || {
		cat "$BATS_TEST_TMPDIR/said" >&2
		fail "not said: $1"
	}
}

# A datagram that has to come back, to HOST PORT [FAMILY]; an error is told at once.
datagram='
import socket, sys
family = int(sys.argv[3]) if len(sys.argv) > 3 else 0
at = socket.getaddrinfo(sys.argv[1], sys.argv[2], family, socket.SOCK_DGRAM)[0]
with socket.socket(at[0], socket.SOCK_DGRAM) as udp:
    udp.settimeout(5)
    udp.connect(at[4])
    udp.send(b"x")
    udp.recv(1)
'

@test "what is allowed works: by name over IPv4 and IPv6, by an alias, by the prefix" {
	expect 'client' "$host4" "$(agent curl -sS -4 http://www.test:8080/)"
	expect 'client' "$host6" "$(agent curl -sS -6 http://www.test:8080/)"
	expect 'client' "$host4" "$(agent curl -sS -4 http://alias.test:8080/)"
	expect 'client' "$host4" "$(agent curl -sS http://192.0.2.20:8080/)"
	agent ping -n -c 1 -W 5 alias.test
	agent ping -n -c 1 -W 5 -4 alias.test
	agent python3 -c "$datagram" alias.test 7000
	expect 'text' '"text"' "$(agent dig +short www.test TXT)"
	[ ! -s "$denied" ] || fail "$(cat "$denied")"
}

@test "a name has an address of the gateway's own range, which has the name" {
	run -0 agent sh -c 'dig +short www.test A; dig +short www.test AAAA; dig +short -x 198.18.0.1
		dig +tcp +short www.test; dig +short alias.test; dig +short www.test HTTPS'
	expect 'answers' '198.18.0.1 fd00:c071::1 www.test. 198.18.0.1 198.18.0.2' "$(xargs <<<"$output")"
}

@test "a name that is not allowed: no such name, and nobody is asked" {
	local before type
	agent getent hosts www.test
	before=$(wc -l <$asked)
	[ "$before" -gt 0 ]
	fails agent getent hosts secret.test
	fails agent curl -sS http://secret.test:8080/
	for type in A AAAA TXT MX SRV HTTPS ANY PTR NS CNAME NULL; do
		run -0 agent dig +tries=1 +time=5 "$type" "$(printf '%060d' "$RANDOM").tunnel.secret.test"
		[[ $output = *'status: NXDOMAIN'*'EDE: 15 (Blocked): (no rule allows it)'* ]]
		run -0 agent dig +tcp +tries=1 +time=5 "$type" "data.$RANDOM.secret.test"
		[[ $output = *'status: NXDOMAIN'* ]]
	done
	# What looks like an allowed name, and is none.
	fails agent getent hosts www.test.secret.test
	fails agent getent hosts xwww.test
	fails agent getent hosts test.example
	expect 'questions upstream' "$before" "$(wc -l <$asked)"
	noted 'the question for secret\.test: no rule allows it'
	noted 'the question for [0-9]{60}\.tunnel\.secret\.test: no rule allows it'
}

@test "a name that is allowed and does not exist: no such name" {
	run -0 agent dig nowhere.test.example
	[[ $output = *'status: '@(NXDOMAIN|REFUSED|SERVFAIL)* ]]
	fails agent getent hosts nowhere.test.example
}

@test "an allowed name on a port that is not allowed" {
	fails agent curl -sS http://www.test:8081/
	noted 'tcp .* -> www\.test:8081: no rule allows it'
	said 'tcp .* -> www\.test:8081: no rule allows it'
}

@test "addresses: IPv4, IPv6, another port of the prefix, another transport" {
	fails agent curl -sS "http://$remote4:8080/"
	fails agent curl -sS "http://[$remote6]:8080/"
	fails agent curl -sS http://192.0.2.20:8081/
	fails agent python3 -c "$datagram" "$remote4" 7000
	fails agent python3 -c "$datagram" "$remote6" 7000
	fails agent python3 -c "$datagram" 192.0.2.20 8080
	# Of the gateway's range, and no name's.
	fails agent python3 -c "$datagram" 198.18.7.7 8080
	fails agent curl -sS http://198.18.7.7:8080/
	noted "tcp .* -> $remote4:8080: no rule allows it"
	noted "tcp .* -> \\[$remote6\\]:8080: no rule allows it"
	noted 'udp .* -> 192\.0\.2\.20:8080: no rule allows it'
	noted "udp .* -> \\[$remote6\\]:7000: no rule allows it"
}

@test "ping" {
	fails agent ping -n -c 1 -W 5 "$remote4"
	fails agent ping -n -c 1 -W 5 "$remote6"
	# Its rule has a port.
	fails agent ping -n -c 1 -W 5 www.test
	noted "ping $inside4 -> $remote4: no rule allows it"
	noted 'ping .* -> www\.test: no rule allows it'
}

@test "other resolvers: the gateway answers for them, and they hear nothing" {
	local server transport
	for server in 192.0.2.20 2001:db8::20 203.0.113.53 "$gateway4"; do
		for transport in +notcp +tcp; do
			expect 'answer' 198.18.0.1 \
				"$(agent dig +short +tries=1 +time=5 $transport "@$server" www.test)"
			run -0 agent dig +tries=1 +time=5 $transport "@$server" tunnel.secret.test TXT
			[[ $output = *'status: NXDOMAIN'* ]]
		done
	done
	run -1 grep 'query\[' $other
	# It would have told.
	expect 'the other one' 192.0.2.66 "$(dig +short +tries=1 +time=5 @192.0.2.20 www.test)"
	grep 'query\[' $other
	# DNS over TLS and over QUIC.
	fails agent curl -sS telnet://192.0.2.20:853
	fails agent curl -sS telnet://alias.test:853
	fails agent python3 -c "$datagram" alias.test 853
	noted 'tcp .* -> alias\.test:853: it is closed to every sandbox'
}

@test "rebinding: a name that leads to loopback, metadata, this host or the gateway" {
	local name
	curl -sS -o /dev/null "http://$host4:8080/"
	for name in loopback metadata own gateway zero; do
		fails liar curl -sS "http://$name.test:8080/"
		noted "tcp .* -> $name\\.test:8080: the name leads only to addresses that are closed"
		fails liar python3 -c "$datagram" "$name.test" 8080
		noted "udp .* -> $name\\.test:8080: the name leads only to addresses that are closed"
		fails liar ping -n -c 1 -W 5 "$name.test"
		noted "ping .* -> $name\\.test: the name leads only to addresses that are closed"
	done
}

@test "a name with one family only serves the other one; an address that is not there is passed by" {
	expect 'client' "$host6" "$(liar curl -sS -4 http://v6.test:8080/)"
	expect 'client' "$host4" "$(liar curl -sS -6 http://v4.test:8080/)"
	expect 'client' "$host4" "$(liar curl -sS http://turns.test:8080/)"
	# AF_INET, AF_INET6
	liar python3 -c "$datagram" v6.test 7000 2
	liar python3 -c "$datagram" v4.test 7000 10
}

@test "link-local and the host's loopback are closed unless a rule names them" {
	start loopback web 5300 --at ::ffff:127.0.0.1
	await 10 listening tcp 5300
	plain() { user sandbox --log "$denied" -- "$@"; }
	anything() { user sandbox --log "$denied" --allow any -- "$@"; }
	named() { user sandbox --log "$denied" --allow $metadata:8080 --allow "$gateway4:5300" -- "$@"; }
	fails plain curl -sS "http://$metadata:8080/"
	fails plain curl -sS "http://$gateway4:5300/"
	fails anything curl -sS "http://$metadata:8080/"
	fails anything curl -sS "http://$gateway4:5300/"
	noted "tcp .* -> $metadata:8080: it is closed to every sandbox"
	noted "tcp .* -> $gateway4:5300: it is closed to every sandbox"
	named curl -sS -o /dev/null "http://$metadata:8080/"
	named curl -sS -o /dev/null "http://$gateway4:5300/"
	fails named curl -sS "http://$gateway4:8080/"
	stop loopback
}

@test "--deny beats --allow, by name and by what the name leads to" {
	denying() {
		user sandbox --log "$denied" --allow any --deny 192.0.2.2 --deny secret.test --deny any:8081 -- "$@"
	}
	expect 'client' "$host6" "$(denying curl -sS http://www.test:8080/)"
	fails denying curl -sS "http://$remote4:8080/"
	noted "tcp .* -> $remote4:8080: the rule \`deny 192\.0\.2\.2\` forbids it"
	fails denying curl -sS http://v4.test:8080/
	noted 'tcp .* -> v4\.test:8080: the rule `deny 192\.0\.2\.2` forbids it'
	fails denying curl -sS http://www.test:8081/
	noted 'tcp .* -> www\.test:8081: the rule `deny any:8081` forbids it'
	fails denying getent hosts secret.test
	noted 'the question for secret\.test: the rule `deny secret\.test` forbids it'
}

@test "a flood of denials is told of in a few lines" {
	user sandbox --allow 192.0.2.20 -- python3 -c '
import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(1, 2001):
    try:
        udp.sendto(b"x", ("192.0.2.2", port))
    except OSError:
        pass' 2>"$BATS_TEST_TMPDIR/said"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/said")" -le 40 ]
	said '[0-9]+ more'
}
