#!/usr/bin/env bats
#
# The scene that `make run` shows: for real, as root and as an ordinary user, and inside one process.

bats_require_minimum_version 1.5.0

setup_file() {
	local build
	# What the program was built into; a copy that the ordinary user may enter, wherever the tree lies.
	build=$(readlink -f "${E2E_TOOLS:-$BATS_TEST_DIRNAME/../../build/tests/e2e/tools}/../../..")
	tree=$BATS_FILE_TMPDIR/tree
	export tree
	mkdir -p "$tree/scripts" "$tree/build/examples"
	cp -R "$BATS_TEST_DIRNAME"/../../scripts/scene{,.d} "$tree/scripts/"
	cp "${COTHON:-$build/cothon}" "$tree/build/cothon"
	cp "$build/examples/scene" "$tree/build/examples/"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	chown -R 64999 "$tree"
	# Distributions leave the device to everyone, some machines to root.
	tun_mode=$(stat -c %a /dev/net/tun)
	export tun_mode
	chmod 666 /dev/net/tun
}

teardown_file() {
	chmod "$tun_mode" /dev/net/tun
}

scene() {
	"$tree/scripts/scene" --seconds 1 --megabytes 16 "$@"
}

as_user() {
	HOME=/ setpriv --reuid=64999 --regid=64999 --clear-groups "$@"
}

# says PATTERN: a line of the output matches the extended regular expression as a whole.
says() {
	if ! grep -Eqx -- "$1" <<<"$output"; then
		printf 'no line is as %s in:\n%s\n' "$1" "$output" >&2
		return 1
	fi
}

silent_about() {
	if grep -Fq -- "$1" <<<"$output"; then
		printf 'this should not be said: %s in:\n%s\n' "$1" "$output" >&2
		return 1
	fi
}

# What either scene ends with: flows of both services, dynamic ports alone, and all verified.
was_seen() {
	[ "$status" -eq 0 ] || printf 'status %d:\n%s\n' "$status" "$output" >&2
	[ "$status" -eq 0 ]
	says ' +http +(1[2-9]|[2-9][0-9]|[0-9]{3,}) flows, .*'
	says ' +ftp +[1-9][0-9]* flows?, .*'
	says ' +\(dynamic\) +[1-9][0-9]* flows?, .*'
	says 'over one link in [0-9.]+ s: .*bit/s on average'
	says 'ports that the applications had: 0 system, 0 user, [1-9][0-9]+ dynamic, such as .*'
	says "$1: [1-9][0-9]+ pages, and a file of 16 MiB [1-9][0-9]* times?"
}

plays_for_real() {
	was_seen 'verified by SHA-256'
	silent_about 'inside one process'
}

@test "the scene plays for real, as root" {
	run scene
	plays_for_real
}

@test "the scene plays for real, as an ordinary user" {
	run as_user "$tree/scripts/scene" --seconds 1 --megabytes 16
	plays_for_real
}

@test "the scene plays inside one process when that is asked for" {
	COTHON_SCENE=wire run scene
	was_seen 'verified, byte by byte'
	says '  COTHON_SCENE=wire asks for it.'
}

@test "the scene plays inside one process where there is no TUN device, and says why" {
	run unshare --mount sh -c 'mount -t tmpfs none /dev/net && exec "$@"' sh \
		"$tree/scripts/scene" --seconds 1 --megabytes 16
	was_seen 'verified, byte by byte'
	says '  cothon: cannot open /dev/net/tun: .*'
}

@test "the scene plays inside one process where servers are missing, and says which" {
	local nginx
	nginx=$(command -v nginx)
	run unshare --mount sh -c "mount --bind /dev/null $nginx"' && exec "$@"' sh \
		"$tree/scripts/scene" --seconds 1 --megabytes 16
	was_seen 'verified, byte by byte'
	says '  These packages are missing: nginx\.'
}

# spoil SCHEME: a curl that changes what comes by it.
spoil() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/curl" <<-END
	#!/bin/bash
	$(command -v curl) "\$@"
	status=\$?
	case "\$*" in
	*$1://*$2
	esac
	exit \$status
	END
	chmod 755 "$BATS_TEST_TMPDIR/bin/curl"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

@test "a file that arrives changed makes the scene fail" {
	spoil ftp ') echo one byte more ;;'
	run scene
	[ "$status" -eq 1 ]
	says 'the download: what arrived is not what was sent'
	says 'scene: not everything arrived as it was sent'
	silent_about 'verified'
}

@test "a page that arrives changed makes the scene fail" {
	# shellcheck disable=SC2016 # the variable is the other script's
	spoil http ') for page in page-*; do echo one byte more >>$page; done ;;'
	run scene
	[ "$status" -eq 1 ]
	says 'browser [0-9]+: what arrived is not what was sent: .*'
	says 'scene: not everything arrived as it was sent'
	silent_about 'verified'
}

# Processes of the session, whatever their namespaces.
processes_of() {
	ps -o pid=,args= -s "$1"
}

@test "Ctrl-C ends the scene, and nothing is left of it" {
	local scene status=0 deadline
	# What bash starts in the background ignores Ctrl-C, unless that is undone.
	env --default-signal=INT,QUIT setsid "$tree/scripts/scene" --seconds 60 --megabytes 16 \
		>"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	scene=$!
	deadline=$((SECONDS + 20))
	until grep -q 'flows now' "$BATS_TEST_TMPDIR/log"; do
		[ $SECONDS -lt $deadline ]
		sleep 0.1
	done
	[ -n "$(processes_of $scene)" ]
	kill -INT -- -$scene
	wait $scene || status=$?
	[ $status -eq 130 ]
	[ -z "$(processes_of $scene)" ]
	run -1 grep "$tree/build/scene" /proc/mounts
	[ -z "$(ls "$tree/build/scene")" ]
}

@test "wrong usage is told from failure" {
	run scene --seconds many
	[ "$status" -eq 2 ]
	says "scene: --seconds takes a number from 1 to 99999, not 'many'"
	run scene --help
	[ "$status" -eq 0 ]
	says '.*COTHON_SCENE=wire.*'
	run scene --build /nowhere
	[ "$status" -eq 1 ]
}
