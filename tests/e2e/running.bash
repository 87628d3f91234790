# Sandboxes that run in the background under a name, seen and changed by others.

# shellcheck shell=bash

# The runtime directories of bin/as_root and bin/as_user: not deep, for what is in them is in addresses.
runtime_folders() {
	mkdir -p -m 700 /run/lab/tmp/run-root /run/lab/tmp/run-user
	chown 64999:64999 /run/lab/tmp/run-user
}

# What every file of tests of running sandboxes begins with, as far as it does not say otherwise.

setup_file() {
	open_folders
	runtime_folders
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
	open_folders
}

# The same, for tests that work in a folder of their own.
setup_in_folder() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
	open_folders
	cd "$BATS_TEST_TMPDIR" || return
}

# Ends what the files in the test's folder describe, and all else.
down_all() {
	local file
	for file in "$BATS_TEST_TMPDIR"/*.yaml; do
		[ ! -e "$file" ] || as_user "$COTHON" down "$file" 2>/dev/null || true
	done
	[ -n "${E2E_DIRECT:-}" ] || stop_all
}

# begin AS NAME COMMAND...: in a sandbox of that name, which answers when this returns. `stop NAME` ends it.
begin() {
	begin_with '' "$@"
}

# begin_with OPTIONS AS NAME COMMAND...
begin_with() {
	# shellcheck disable=SC2086 # options are words
	start "$3" "$2" "$COTHON" run --name "$3" $1 -- "${@:4}"
	await 10 "$2" "$COTHON" exec "$3" -- true || { cat "$(log "$3")" && return 1; }
}
