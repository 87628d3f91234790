#!/usr/bin/env bats
#
# A running sandbox as it is seen from outside: captures that tshark reads, metrics as their parsers and
# Prometheus read them, and the log.

bats_require_minimum_version 1.5.0
load lab
load running

setup_file() {
	[ -z "${E2E_DIRECT:-}" ] || return 0
	open_folders
	runtime_folders
	head -c 1000000 /dev/urandom >"$BATS_FILE_TMPDIR/blob"
	cd "$BATS_FILE_TMPDIR"
	start files remote python3 -m http.server --protocol HTTP/1.1 --bind :: 8000
	await 10 remote_listening tcp 8000
}

teardown_file() {
	[ -n "${E2E_DIRECT:-}" ] || stop_all
}

setup() {
	setup_in_folder
}

teardown() {
	[ -z "${E2E_DIRECT:-}" ] || return 0
	[ ! -e "$BATS_FILE_TMPDIR/web.pid" ] || stop web
}

cothon() {
	as_user "$COTHON" "$@"
}

# within COMMAND...: in the sandbox web.
within() {
	cothon exec web -- "$@"
}

# frames FILE FILTER FIELD...: the fields of the frames that pass tshark's filter, checksums looked at.
frames() {
	local file=$1 filter=$2 fields=() field
	shift 2
	for field; do fields+=(-e "$field"); done
	tshark -n -r "$file" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
		-Y "$filter" -T fields "${fields[@]}" 2>tshark.errors || {
		cat tshark.errors >&2
		return 1
	}
}

count() {
	wc -l
}

# is_clean FILE: complete, lengths as on a wire, checksums right, nothing lost or sent again.
is_clean() {
	local wrong='ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 ||
		tcp.analysis.retransmission || tcp.analysis.out_of_order || tcp.analysis.lost_segment ||
		tcp.analysis.duplicate_ack || tcp.analysis.ack_lost_segment ||
		_ws.malformed || ip.len != frame.len || frame.len > 1500'
	run -0 frames "$1" "$wrong" frame.number _ws.col.Info
	[ -z "$output" ] || fail "$output"
	# tshark says on standard error that a file is cut short.
	! grep -i 'cut short' tshark.errors
}

# Captures.

@test "a capture has packets as on a wire, though the device cuts and sums" {
	cothon run --capture all.pcapng curl -sS -o /dev/null "http://$remote4:8000/blob"
	[ "$(stat -c %a:%u all.pcapng)" = 600:64999 ]
	is_clean all.pcapng
	# The device took far fewer frames than the wire has packets.
	[ "$(frames all.pcapng 'frame.len == 1500' frame.number | count)" -gt 500 ]
	# All that curl was sent, in whole.
	as_user mkdir out
	as_user tshark -n -r all.pcapng -q --export-objects "http,out" >/dev/null
	cmp out/blob "$BATS_FILE_TMPDIR/blob"
	capinfos all.pcapng >infos
	grep -q 'Capture application: *Cothon' infos
	grep -q 'Description = sandbox curl: curl -sS' infos
	grep -q 'Strict time order: *True' infos
}

@test "a capture has UDP and IPv6, and what applications send uncut" {
	cothon run --capture all.pcapng curl -sS -o /dev/null -T "$BATS_FILE_TMPDIR/blob" -X GET "http://[$remote6]:8000/" || true
	run -0 frames all.pcapng 'tcp.checksum.status == 0 || frame.len > 1500 || ipv6.plen + 40 != frame.len' frame.number
	[ -z "$output" ]
	[ "$(frames all.pcapng 'frame.len == 1500 && ipv6.src == fd00:c070::100' frame.number | count)" -gt 20 ]
	cothon run --capture udp.pcapng python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 1000)  # UDP_SEGMENT
s.sendto(bytes(2500), ("'$remote4'", 9))'
	[ "$(frames udp.pcapng 'udp && !icmp' udp.length | tr '\n' ' ')" = '1008 1008 508 ' ]
}

@test "packets name their application" {
	begin as_user web sleep 1000
	cothon capture web start named.pcapng
	within python3 -c '
import socket, time
s = socket.create_connection(("'$remote4'", 8000))
deadline = time.monotonic() + 10
for i in range(40):
    s.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    s.recv(65536)
    time.sleep(0.01)'
	cothon capture web stop
	is_clean named.pcapng
	frames named.pcapng 'tcp.port == 8000' frame.comment | sort | uniq -c >comments
	grep -qE '[0-9]+ python3 \(process [0-9]+\)$' comments || fail "$(cat comments)"
}

@test "captures start and stop while it runs, one at a time" {
	begin as_user web sleep 1000
	run -0 cothon capture web
	[ "$output" = 'nothing was captured' ]
	cothon capture web start first.pcapng
	run -125 cothon capture start web second.pcapng
	[[ $output = *'a capture is running already'* ]]
	within curl -sS -o /dev/null "http://$remote4:8000/blob"
	run -0 cothon capture web
	[[ $output =~ ^captures:\ [0-9]+\ packets,\ [0-9.]+\ MB$ ]]
	run -0 cothon capture web stop
	[[ $output =~ ^ended\ \(stopped\):\ [0-9]+\ packets ]]
	is_clean first.pcapng
	run -125 cothon capture web stop
	[[ $output = *'no capture is running'* ]]
	# The file of another capture is left alone when there can be none.
	cothon capture web start first.pcapng
	within curl -sS -o /dev/null "http://$remote4:8000/"
	cothon capture web --json stop | jq -e '.dropped == 0 and .ended == "stopped" and .running == false'
	is_clean first.pcapng
	[ "$(frames first.pcapng tcp.flags.syn==1 frame.number | count)" = 2 ]
}

@test "a capture goes to standard output until the sandbox ends" {
	begin as_user web sleep 1000
	start reader as_user sh -c '"$0" capture web start - | tee stream.pcapng | tshark -n -l -r - -Y tcp.flags.syn==1' "$COTHON"
	await 10 eval '[ "$(cothon capture web --json | jq .running)" = true ]'
	within curl -sS -o /dev/null "http://$remote4:8000/"
	stop web
	await 10 ended "$(pid reader)"
	grep -q 8000 "$(log reader)"
	is_clean stream.pcapng
	run -125 cothon run --capture - true
	[[ $output = *"standard output is the command's"* ]]
}

@test "filters, snap lengths, sizes and times hold" {
	begin as_user web sleep 1000
	as_user mkdir files
	cothon capture web start files/filter --filter "$remote4:8000" --snap 100
	within curl -sS -o /dev/null "http://$remote4:8000/blob"
	within curl -sS -o /dev/null "http://[$remote6]:8000/blob"
	cothon capture web stop
	[ "$(frames files/filter 'ipv6' frame.number | count)" = 0 ]
	[ "$(frames files/filter 'tcp.port == 8000' frame.number | count)" -gt 500 ]
	[ "$(frames files/filter 'frame.cap_len == 100' frame.number | count)" -gt 500 ]
	[ "$(frames files/filter 'frame.cap_len > 100' frame.number | count)" = 0 ]
	cothon capture web start files/size --size 100K
	within curl -sS -o /dev/null "http://$remote4:8000/blob"
	await 10 eval '[ "$(cothon capture web --json | jq -r .ended)" = size ]'
	[ "$(stat -c %s files/size)" -le 102400 ]
	[ "$(stat -c %s files/size)" -gt 98000 ]
	is_clean files/size
	cothon capture web start files/time --for 1s
	await 10 eval '[ "$(cothon capture web --json | jq -r .ended)" = time ]'
	is_clean files/time
	run -125 cothon capture web start files/name --filter example.org
	[[ $output = *'no rule of the sandbox is about a name'* ]]
}

@test "a file that cannot be written ends the capture, not the sandbox" {
	begin as_user web sleep 1000
	cothon capture web start /dev/full
	within curl -sS -o /dev/null "http://$remote4:8000/blob"
	await 10 eval 'cothon capture web --json | jq -e "(.running | not) and .error == \"No space left on device\""'
	within curl -sS -o /dev/null "http://$remote4:8000/blob"
	run -125 cothon run --capture /none/such true
	[[ $output = *'cannot write to /none/such'* ]]
}

@test "what nobody takes from a capture is dropped and counted, and the sandbox does not wait for it" {
	begin as_user web sleep 1000
	# A pipe that nobody reads.
	as_user mkfifo pipe
	exec 8<>pipe
	cothon capture web start pipe 8<&-
	# 16 MiB wait in the engine, some in the pipe and the socket.
	within curl -sS --max-time 60 $(yes -- "-o /dev/null http://$remote4:8000/blob" | head -n 30)
	cothon capture web --json | jq -e '.running and .packets > 20000 and .dropped > 0 and .dropped < .packets - 10000'
	exec 8<&-
	await 10 eval 'cothon capture web --json | jq -e ".running | not"'
}

# Metrics.

# parses FILE: OpenMetrics in all strictness, and Prometheus's own linter for what it has in common.
parses() {
	python3 - "$1" <<-'END'
	import sys
	from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
	print(len(list(parse(open(sys.argv[1]).read()))))
	END
	sed -E -e 's/^# (TYPE|HELP) (\S+) counter$/# \1 \2_total counter/' \
		-e '/^# UNIT|^# EOF|^# (TYPE|HELP) cothon_sandbox |cothon_sandbox_info|live_round_trip/d' "$1" >classic
	awk '/^# TYPE/ && $4 == "counter" { sub(/_total$/, "", $3); counter[$3] }
		{ if (/^# HELP/ && $3 in counter) $3 = $3 "_total"; print }' classic >linted
	promtool check metrics <linted
}

@test "metrics are what their parsers take, and tell what happened" {
	begin_with "--metrics 9100 -p 8080:8000 --allow any --deny $remote4:81" as_user web \
		python3 -m http.server 8000
	within curl -sS -o /dev/null "http://$remote4:8000/blob"
	run -7 within curl -sS "http://$remote4:81/"
	await 10 remote curl -sS -o /dev/null "http://$host4:8080/"
	cothon metrics web >metrics
	parses metrics
	grep -qx 'cothon_sandbox_info{name="web",version="[0-9.]*"} 1' metrics
	grep -qxF "cothon_denied_total{by=\"rule\",rule=\"$remote4:81\"} 1" metrics
	grep -qx 'cothon_published_connections_total{address="",port="8080",inside="8000"} [1-9][0-9]*' metrics
	grep -qx 'cothon_service_bytes_total{service="[a-z-]*",direction="in"} 100[0-9]*' metrics
	grep -qx 'cothon_queue_delay_seconds_count [1-9][0-9]*' metrics
	grep -qx 'cothon_resource_bound{resource="tcp-flows"} 262144' metrics
	# On the address, that path and no other.
	curl -sS -D head http://127.0.0.1:9100/metrics -o scraped
	grep -q '^Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8' head
	parses scraped
	[ "$(curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:9100/v1/sandbox)" = 404 ]
	run -7 remote curl -sS "http://$host4:9100/metrics"
}

@test "the dashboard asks for families that there are" {
	begin as_user web sleep 1000
	cothon metrics web | sed -nE 's/^# TYPE (\S+) .*/\1/p' >families
	python3 - families "$E2E_CONTRIB/grafana/cothon.json" <<-'END'
	import json, re, sys
	families = open(sys.argv[1]).read().split()
	suffixes = ("", "_total", "_bucket", "_count", "_sum", "_info", "_gcount", "_gsum")
	names = {family + suffix for family in families for suffix in suffixes}
	board = json.load(open(sys.argv[2]))
	queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
	asked = {name for query in queries for name in re.findall(r"\bcothon_\w+", query)}
	assert len(asked) > 10 and asked <= names, asked - names
	END
}

@test "Prometheus scrapes it" {
	begin_with '--metrics 9101' as_user web sleep 1000
	cat >prometheus.yml <<-'END'
	scrape_configs:
	  - job_name: cothon
	    scrape_interval: 1s
	    static_configs: [{targets: ["127.0.0.1:9101"]}]
	END
	chmod 644 prometheus.yml
	start prometheus as_user prometheus --config.file=prometheus.yml --storage.tsdb.path=data \
		--web.listen-address=127.0.0.1:9109
	# asked PATH JQ [QUERY]: what Prometheus answers is so.
	asked() {
		curl -sS --fail -o answer ${3:+--data-urlencode "query=$3"} "http://127.0.0.1:9109/api/v1/$1" &&
			jq -e "$2" answer
	}
	await 20 asked query '.data.result[0].value[1] == "1"' up
	asked query '.data.result[0].value[1] == "262144" and .data.result[0].metric.job == "cothon"' \
		'cothon_resource_bound{resource="tcp-flows"}'
	await 20 asked metadata '.data.cothon_traffic_bytes[0].type == "counter"'
	stop prometheus
}

# Logs.

@test "the log has a denied flow's application, destination and rule" {
	begin_with "--log log.json --allow any --deny $remote4:81" as_user web sleep 1000
	run -7 within curl -sS "http://$remote4:81/"
	await 10 grep -q '"event":"denied"' log.json
	jq -e 'select(.event == "denied") | .application == "curl" and .destination == "'"$remote4"':81" and
		.rule == "'"$remote4"':81" and .level == "warning" and .sandbox == "web" and .transport == "tcp"' log.json
	cothon publish add web 8090:80
	cothon publish rm web 8090:80
	cothon rules add web --deny 198.51.100.0/24
	jq -sr '.[] | select(.level == "info") | .message' log.json >said
	diff said - <<-'END'
	published port 8090/tcp as port 80 inside
	unpublished port 8090/tcp as port 80 inside
	the rules have changed; there are 3 now
	END
}

@test "the log tells what was held back, and which limits were met" {
	cothon run --log log.json --limit log-lines=5 --deny 198.51.100.0/24 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(1, 1001):
    try: s.sendto(b"x", ("198.51.100.1", port))
    except OSError: pass'
	jq -se 'map(select(.event == "held_back") | .lines | tonumber) | add > 900' log.json
	cothon run --log limit.json --limit tcp-flows=1 python3 -c '
import socket
kept = socket.create_connection(("'$remote4'", 8000))
try: socket.create_connection(("'$remote4'", 8000), timeout=1)
except OSError: pass'
	jq -se 'map(select(.event == "limit" and .limit == "tcp-flows" and .bound == "1")) | length > 0' limit.json
	cothon run --log other.json --log-level error --deny 198.51.100.1 python3 -c '
import socket
socket.socket().connect_ex(("198.51.100.1", 80))'
	[ -e other.json ]
	[ ! -s other.json ]
}

@test "the log goes to the journal, and to people on a terminal" {
	mkdir -p /run/systemd/journal
	start journal python3 -c '
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/systemd/journal/socket")
os.chmod("/run/systemd/journal/socket", 0o666)
while True: print(s.recv(65536).decode(), flush=True)'
	await 10 test -S /run/systemd/journal/socket
	run -7 cothon run --log journal --deny "$remote4:81" curl -sS "http://$remote4:81/"
	await 10 grep -q '^MESSAGE=denied curl' "$(log journal)"
	for field in PRIORITY=4 SYSLOG_IDENTIFIER=cothon COTHON_EVENT=denied COTHON_APPLICATION=curl "COTHON_RULE=$remote4:81"; do
		grep -qxF "$field" "$(log journal)" || fail "$field: $(cat "$(log journal)")"
	done
	stop journal
	rm -r /run/systemd
	run -125 cothon run --log journal true
	# On a terminal it is a line for people, once.
	run -7 script -qec "as_user $COTHON run --log - --deny $remote4:81 curl -sS http://$remote4:81/" /dev/null
	[[ $output =~ [0-9:]{8}\ warning:\ curl:\ denied\ curl\ \(process\ [0-9]+\)\ tcp\ [0-9.:]+\ -\>\ $remote4:81: ]]
	[ "$(grep -c denied <<<"$output")" = 1 ]
	run -7 cothon run --log - --deny "$remote4:81" curl -sS "http://$remote4:81/"
	jq -e .application <<<"$(grep '^{' <<<"$output")"
}
