# What the tests share: processes that are started, awaited and ended, and addresses.
# Loaded by every file of tests; the lab itself is made by `run`.

# shellcheck shell=bash

if [ -z "${E2E_REMOTE:-}" ]; then
	echo "run these tests with tests/e2e/run, which makes the hosts they need" >&2
	exit 1
fi

. "${BASH_SOURCE[0]%/*}/common.bash"

# shellcheck disable=SC2034 # the tests use them
readonly host4=192.0.2.1 host6=2001:db8::1
# shellcheck disable=SC2034
readonly remote4=192.0.2.2 remote6=2001:db8::2
# The addresses of a sandbox, and of its gateway.
# shellcheck disable=SC2034
readonly inside4=10.0.2.100 inside6=fd00:c070::100
# shellcheck disable=SC2034
readonly gateway4=10.0.2.2 gateway6=fd00:c070::2

# Folders that the ordinary user may enter and write.
open_folders() {
	chmod 755 "$BATS_RUN_TMPDIR"
	chmod 777 "$BATS_FILE_TMPDIR"
	[ -z "${BATS_TEST_TMPDIR:-}" ] || chmod 777 "$BATS_TEST_TMPDIR"
}

# start NAME COMMAND...: in the background, its output in NAME.log, its process in NAME.pid.
start() {
	local name=$BATS_FILE_TMPDIR/$1
	shift
	"$@" >"$name.log" 2>&1 </dev/null 3>&- &
	echo $! >"$name.pid"
}

log() {
	echo "$BATS_FILE_TMPDIR/$1.log"
}

pid() {
	cat "$BATS_FILE_TMPDIR/$1.pid"
}

# A process that has ended, whether or not its parent has been told.
ended() {
	! grep -qsv '^State:[[:space:]]*Z' <(grep -s ^State: "/proc/$1/status")
}

# stop NAME [SIGNAL]: and waits until it is gone. A sanitizer's last words are a failure.
stop() {
	local process
	process=$(pid "$1")
	kill "-${2:-TERM}" "$process" 2>/dev/null || true
	if ! await 10 ended "$process"; then
		kill -KILL "$process" 2>/dev/null || true
		return 1
	fi
	rm "$BATS_FILE_TMPDIR/$1.pid"
	! grep -H -A 20 -e 'Sanitizer' -e 'runtime error:' "$(log "$1")"
}

# Everything that was started and not stopped.
stop_all() {
	local file status=0
	for file in "$BATS_FILE_TMPDIR"/*.pid; do
		[ ! -e "$file" ] || stop "$(basename "$file" .pid)" || status=1
	done
	return $status
}

# listening PROTOCOL PORT: something does, on this host; `remote` before it asks the other one.
listening() {
	local options=-Hltn
	[ "$1" = tcp ] || options=-Hlun
	[ -n "$(ss $options "sport = :$2")" ]
}

remote_listening() {
	local options=-Hltn
	[ "$1" = tcp ] || options=-Hlun
	[ -n "$(remote ss $options "sport = :$2")" ]
}

# seen SERVICE FOLDER ADDRESS: it did; some write their log after the answer.
seen() {
	await 5 services/"$1" seen "$2" "$3" || services/"$1" seen "$2" "$3"
}

fail() {
	echo "$*" >&2
	return 1
}

# expect WHAT EXPECTED SEEN
expect() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', saw '$3'"
}
