#!/usr/bin/env bats
#
# Names: the gateway is the DNS server inside, and asks those that the host asks.

bats_require_minimum_version 1.5.0
load lab

# dns_server NAME PLACE ADDRESS ANSWER: on the other host or on this one; what.test has the answer.
dns_server() {
	start "$1" "$2" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= \
		--no-resolv --no-hosts --bind-interfaces --listen-address="$3" --local=/test/ \
		--host-record=what.test,"$4" --host-record=short.what.test,"$4" --cname=also.test,what.test \
		--txt-record=long.test,"$(printf '%0250d' 1)" --txt-record=long.test,"$(printf '%0250d' 2)" \
		--txt-record=long.test,"$(printf '%0250d' 3)"
}

setup_file() {
	open_folders
	dns_server remote-dns4 remote "$remote4" 192.0.2.41
	dns_server remote-dns6 remote "$remote6" 192.0.2.61
	dns_server other-dns remote 192.0.2.20 192.0.2.42
	dns_server loopback-dns env 127.0.0.53 192.0.2.53
	dns_server loopback-dns6 env ::1 192.0.2.63
	await 10 sh -c '[ "$(remote ss -Hlun "sport = :53" | wc -l)" -eq 3 ]'
	await 10 sh -c '[ "$(ss -Hlun "sport = :53" | wc -l)" -eq 2 ]'
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
	echo "nameserver $remote4" >/etc/resolv.conf
}

teardown_file() {
	: >/etc/resolv.conf
	stop_all
}

# The answer that a program inside gets through the C library.
lookup() {
	user sandbox "${@:2}" -- getent ahostsv4 "$1" | awk '$2 == "STREAM" { print $1 }'
}

@test "resolv.conf inside names the gateway's DNS server, and keeps the host's search and options" {
	printf 'search what.test elsewhere.test\nnameserver %s\noptions ndots:2\n' "$remote4" >/etc/resolv.conf
	run -0 user sandbox -- cat /etc/resolv.conf
	expect 'name servers' "10.0.2.3 fd00:c070::3" "$(awk '$1 == "nameserver" { print $2 }' <<<"$output" | xargs)"
	grep -qx 'search what.test elsewhere.test' <<<"$output"
	grep -qx 'options ndots:2' <<<"$output"
	expect 'answer' 192.0.2.41 "$(lookup short)"
	# The host's own file is as it was.
	grep -qx "nameserver $remote4" /etc/resolv.conf
}

@test "names resolve through the host's server (IPv4)" {
	expect 'answer' 192.0.2.41 "$(lookup what.test)"
	expect 'answer' 192.0.2.41 "$(lookup also.test)"
}

@test "names resolve through the host's server (IPv6)" {
	echo "nameserver $remote6" >/etc/resolv.conf
	expect 'answer' 192.0.2.61 "$(lookup what.test)"
}

@test "names resolve through a server on the host's loopback" {
	echo 'nameserver 127.0.0.53' >/etc/resolv.conf
	expect 'answer' 192.0.2.53 "$(lookup what.test)"
	echo 'nameserver ::1' >/etc/resolv.conf
	expect 'answer' 192.0.2.63 "$(lookup what.test)"
}

@test "--dns asks another server" {
	expect 'answer' 192.0.2.42 "$(lookup what.test --dns 192.0.2.20)"
	expect 'answer' 192.0.2.61 "$(lookup what.test --dns "$remote6")"
}

@test "the second server is asked when the first is not there" {
	printf 'nameserver 192.0.2.19\nnameserver %s\n' "$remote4" >/etc/resolv.conf
	expect 'answer' 192.0.2.41 "$(lookup what.test)"
}

@test "at both addresses of the DNS server, over UDP and over TCP" {
	local server transport
	for server in 10.0.2.3 fd00:c070::3; do
		for transport in +notcp +tcp; do
			expect 'answer' 192.0.2.41 \
				"$(user sandbox -- dig +short +tries=1 +time=5 "$transport" "@$server" what.test A)"
		done
		# Too long for a datagram of old: cut off, and asked again over TCP.
		expect 'texts' 3 "$(user sandbox -- dig +short +tries=1 +time=5 +noedns "@$server" long.test TXT | wc -l)"
	done
}

@test "a name that is not there: the server's answer comes through" {
	run -0 user sandbox -- dig +tries=1 +time=5 nowhere.test
	[[ $output = *'status: NXDOMAIN'* ]]
	run -2 user sandbox -- getent hosts nowhere.test
}

@test "the only server refuses: the answer is no, and at once" {
	echo 'nameserver 192.0.2.19' >/etc/resolv.conf
	SECONDS=0
	run -2 user sandbox -- getent hosts what.test
	[ "$SECONDS" -lt 3 ]
}

@test "the host has no server: the answer is no, and at once" {
	: >/etc/resolv.conf
	SECONDS=0
	run -2 user sandbox -- getent hosts what.test
	[ "$SECONDS" -lt 3 ]
}

@test "a sandbox that runs follows a changed resolv.conf, written anew or put in its place" {
	mkfifo "$BATS_TEST_TMPDIR/ask" "$BATS_TEST_TMPDIR/answer"
	chmod 666 "$BATS_TEST_TMPDIR"/{ask,answer}
	start asker user sandbox -- sh -c "
		exec <$BATS_TEST_TMPDIR/ask >$BATS_TEST_TMPDIR/answer
		while read -r name; do dig +short +tries=1 +time=5 \$name; done"
	exec {ask}>"$BATS_TEST_TMPDIR/ask" {answer}<"$BATS_TEST_TMPDIR/answer"
	expect 'answer' 192.0.2.41 "$(asked what.test)"
	echo 'nameserver 192.0.2.20' >/etc/resolv.conf
	expect 'answer' 192.0.2.42 "$(asked what.test)"
	echo 'nameserver 127.0.0.53' >/etc/resolv.conf.new
	mv /etc/resolv.conf.new /etc/resolv.conf
	expect 'answer' 192.0.2.53 "$(asked what.test)"
	# A link, as a local resolver's service leaves it.
	echo "nameserver $remote6" >/run/lab/stub
	ln -s /run/lab/stub /etc/resolv.conf.new
	mv /etc/resolv.conf.new /etc/resolv.conf
	expect 'answer' 192.0.2.61 "$(asked what.test)"
	rm /etc/resolv.conf
	exec {ask}>&-
	await 10 ended "$(pid asker)"
}

asked() {
	local line
	echo "$1" >&"$ask"
	read -r -t 10 line <&"$answer"
	echo "$line"
}

@test "many questions at the same time" {
	user sandbox -- sh -c '
		for n in $(seq 100); do
			dig +short +tries=1 +time=5 what.test &
		done
		wait' >"$BATS_TEST_TMPDIR/answers"
	expect 'answers' 100 "$(grep -cx 192.0.2.41 "$BATS_TEST_TMPDIR/answers")"
}
