#!/usr/bin/env bats
#
# Malformed frames on the device of a sandbox, sent by a program that is root in it, while others in the same
# sandbox go about their business: they are served, and the engine is none the worse for it.

bats_require_minimum_version 1.5.0
load lab

# Kilobytes that the engine may have taken for good.
readonly growth=32768
# Sockets that stay for some minutes: of each family one that datagrams were sent by, and one for echo requests.
readonly lasting=4

setup_file() {
	[ -z "${E2E_DIRECT:-}" ] || return 0
	open_folders
	install -m 755 "$E2E_TOOLS/../../hostile/inject" "$BATS_FILE_TMPDIR/inject"
	start web remote web 5300 --say well
	await 10 remote_listening tcp 5300
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
	open_folders
}

teardown_file() {
	stop_all
}

# The command of the sandbox: it waits until the engine was looked at, sends frames for so many seconds, and has
# requests answered all that time; then it waits again.
business() {
	local folder=$1 inject=$2 seconds=$3 seed=$4 injecting answered=0 server
	shift 4
	touch "$folder/idle"
	until [ -e "$folder/begin" ]; do sleep 0.02; done
	"$inject" "$seconds" "$seed" >"$folder/inject.log" 2>&1 &
	injecting=$!
	while kill -0 "$injecting" 2>/dev/null; do
		for server in "$@"; do
			if [ "$(curl -sS --max-time 20 "http://$server/" 2>>"$folder/errors")" = well ]; then
				answered=$((answered + 1))
			else
				echo "$server" >>"$folder/unanswered"
			fi
		done
	done
	wait "$injecting" || touch "$folder/not-injected"
	echo "$answered" >"$folder/done"
	until [ -e "$folder/end" ]; do sleep 0.02; done
	return 7
}

descriptors() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

resident() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

# The host's sockets, to be read by people: how many of each kind, state and place where they go.
sockets() {
	ss -Hantuw | awk '{ print $1, $2, $6 }' | sort | uniq -c | sort -rn | head -20
}

few_descriptors() {
	[ "$(descriptors "$1")" -le "$2" ]
}

# storm SECONDS COMMAND...: a sandbox, made by the command, in which it rages.
storm() {
	local folder=$BATS_TEST_TMPDIR seconds=$1 seed engine idle resident status=0
	shift
	seed=$((RANDOM * 32768 + RANDOM))
	# What the sanitizers keep of memory that was freed is not the engine's.
	ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=8" \
		start storm "$@" -- bash -c "$(declare -f business); business \"\$@\"" business \
		"$folder" "$BATS_FILE_TMPDIR/inject" "$seconds" "$seed" "$remote4:5300" "[$remote6]:5300"
	engine=$(pid storm)
	await 10 test -e "$folder/idle"
	idle=$(descriptors "$engine")
	resident=$(resident "$engine")
	touch "$folder/begin"
	await $((seconds + 60)) test -e "$folder/done"
	echo "$(cat "$folder/inject.log"); $(cat "$folder/done") requests"
	[ ! -e "$folder/not-injected" ] || fail "frames could not be sent"
	[ ! -e "$folder/unanswered" ] || fail "$(wc -l <"$folder/unanswered") requests had no answer: $(sort "$folder/errors" | uniq -c)"
	[ "$(cat "$folder/done")" -ge $((seconds * 2)) ] || fail "too few requests"
	await 30 few_descriptors "$engine" $((idle + lasting)) || fail "$(descriptors "$engine") descriptors, before $idle: $(sockets)"
	[ "$(resident "$engine")" -le $((resident + growth)) ] || fail "$(resident "$engine") KiB of memory, before $resident"
	touch "$folder/end"
	wait "$engine" || status=$?
	expect 'exit status' 7 "$status"
	expect 'what the engine said' '' "$(cat "$(log storm)")"
	rm "$BATS_FILE_TMPDIR/storm.pid"
}

@test "ten seconds of hostile frames: an ordinary user's sandbox" {
	storm 10 user sandbox
}

@test "hostile frames on a device with a large MTU: root's sandbox" {
	storm 5 sandbox --mtu 65520
}
