#!/usr/bin/env bats
#
# Sandboxes that share a network: `web` serves, `app` has rules, `db` has none.

bats_require_minimum_version 1.5.0
load lab
load running

setup_file() {
	[ -z "${E2E_DIRECT:-}" ] || return 0
	open_folders
	runtime_folders
	export FLEET=$BATS_FILE_TMPDIR/fleet.yaml
	head -c 50000000 /dev/urandom >"$BATS_FILE_TMPDIR/bytes"
	cat >"$FLEET" <<-FILE
		sandboxes:
		  web:
		    shell: web 80 & datagrams serve 53 & python3 -m http.server --directory $BATS_FILE_TMPDIR 81 & wait
		  app:
		    command: sleep 1000
		    allow: ["web.internal:80", "web.internal:53/udp"]
		  db:
		    command: sleep 1000
	FILE
	chmod 644 "$FLEET"
	start up as_user "$COTHON" up "$FLEET"
	await 20 running
}

teardown_file() {
	stop_all
}

# in_sandbox NAME COMMAND...
in_sandbox() {
	as_user "$COTHON" exec "$1" -- "${@:2}"
}

running() {
	in_sandbox db curl -sSf --max-time 5 http://web.internal/ &&
		in_sandbox db curl -sSf --max-time 5 http://web.internal:81/
}

# The address of a sandbox in family 4 or 6, as it sees it itself.
address_of() {
	in_sandbox "$1" ip -o -"$2" address show dev cothon0 | awk '{ sub("/.*", "", $4); print $4 }'
}

# closed COMMAND...: fails at once, not when time is over.
closed() {
	local start=${EPOCHREALTIME/./}
	! "$@" || fail "this should not work: $*"
	((${EPOCHREALTIME/./} - start < 3000000)) || fail "this took too long: $*"
}

@test "each reaches the others by name and by address, and is seen as what it is" {
	local family name
	for family in 4 6; do
		for name in web.internal web; do
			expect "the client of $name" "$(address_of db $family)" \
				"$(in_sandbox db curl -sSf -$family --max-time 5 http://$name/)"
		done
	done
	in_sandbox db curl -sSf --max-time 5 "http://$(address_of web 4)/"
	in_sandbox db curl -sSf --max-time 5 "http://[$(address_of web 6)]/"
	in_sandbox db ping -c 2 -i 0.1 -W 5 web
	expect 'the name of an address' web.internal \
		"$(in_sandbox db getent hosts "$(address_of web 4)" | awk '{ print $2 }')"
	run -2 in_sandbox db getent hosts nobody.internal
}

@test "datagrams of every size, fragments too" {
	in_sandbox db datagrams ask "$(address_of web 4)" 53 0 1 1472 1473 20000 65507
	in_sandbox db datagrams ask "$(address_of web 6)" 53 0 1 1452 1453 20000 65507
}

@test "rules are about neighbours too" {
	local family db
	for family in 4 6; do
		db=$(address_of db $family)
		in_sandbox db ping -$family -c 1 -W 5 "$db"
		in_sandbox app curl -sSf -$family --max-time 5 http://web.internal/
		closed in_sandbox app curl -sS -$family --max-time 5 http://web.internal:81/
		closed in_sandbox app ping -$family -c 1 -W 5 web.internal
		closed in_sandbox app ping -$family -c 1 -W 5 "$db"
	done
	in_sandbox app datagrams ask "$(address_of web 4)" 53 100
	as_user "$COTHON" rules denied app | grep -q 'web.internal:81'
	# Who may not open anything still answers.
	in_sandbox web curl -sS --max-time 5 http://app.internal:9/ || [ $? -eq 7 ]
}

@test "rules that change end what they forbid" {
	start held in_sandbox app bash -c 'exec 3<>/dev/tcp/web.internal/80; cat <&3; echo over'
	await 5 flow_of app
	as_user "$COTHON" rules add app --deny web.internal/tcp
	# Reset, not closed in order: cat(1) says so.
	await 10 grep -q over "$(log held)"
	grep -qi 'reset' "$(log held)"
	closed in_sandbox app curl -sS --max-time 5 http://web.internal/
	as_user "$COTHON" rules rm app --deny web.internal/tcp
	in_sandbox app curl -sSf --max-time 5 http://web.internal/
	rm "$BATS_FILE_TMPDIR/held.pid"
}

# The flow of a sandbox with web's port 80, in the form "name state <- or ->".
flow_of() {
	as_user "$COTHON" ports "$1" --json | jq -er '.sandboxes[].flows[]
		| select(.through == "neighbour" and (.local.port == 80 or .remote.port == 80))
		| "\(.name) \(.state) \(.inward) \(.applications[0].command)"'
}

# flow_is NAME TEXT: what flow_of prints.
flow_is() {
	[ "$(flow_of "$1")" = "$2" ]
}

@test "flows between them are seen from both sides" {
	start held in_sandbox db bash -c 'exec 3<>/dev/tcp/web.internal/80; read -r <&3'
	await 5 flow_is db 'web.internal ESTABLISHED false bash' || fail "db's: $(flow_of db)"
	await 5 flow_is web 'db.internal ESTABLISHED true python3' || fail "web's: $(flow_of web)"
	stop held
}

@test "bytes cross whole" {
	in_sandbox db curl -sSf --max-time 20 -o "$BATS_TEST_TMPDIR/bytes" http://web.internal:81/bytes
	cmp "$BATS_FILE_TMPDIR/bytes" "$BATS_TEST_TMPDIR/bytes"
}
