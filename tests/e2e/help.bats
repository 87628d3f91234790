#!/usr/bin/env bats
#
# The examples of every help, and so of every manual page, are run as they stand, each in the place that it
# is written for: with a sandbox called "web" that runs, and the programs that they call.

bats_require_minimum_version 1.5.0
load lab
load running

setup() {
	setup_in_folder
	mkdir programs
	ln -s "$COTHON" programs/cothon
	export PATH=$PWD/programs:$PATH XDG_RUNTIME_DIR=/run/lab/tmp/run-root
	stand_ins
	cat >shop.yaml <<-'END'
	name: shop
	sandboxes:
	  web:
	    command: sleep infinity
	  db:
	    command: sleep infinity
	END
}

teardown() {
	[ -n "${E2E_DIRECT:-}" ] || stop_all
}

# What the examples call that is not Cothon's: nothing of what it does is looked at here.
stand_ins() {
	local name
	for name in curl nginx apt-get make nc xdg-open ./server ./servers ./ten-servers; do
		printf '#!/bin/sh\nexit 0\n' >"programs/$name"
		cp "programs/$name" "$PWD/${name#./}"
		chmod +x "programs/$name" "$PWD/${name#./}"
	done
	# It reads for as long as it is open.
	printf '#!/bin/sh\nexec cat >/dev/null\n' >programs/wireshark
	chmod +x programs/wireshark
}

# The examples of a subcommand, without what is said about them.
examples_of() {
	cothon "$1" --help | sed -nE '/^usage:/q; s/^  //; s/  +[^ ].*//; /./p'
}

# Runs one. What goes on until it is ended is ended after a second; a whole screen, by its key for that.
run_example() {
	local status=0
	case $1 in
	'cothon top'*)
		printf q | timeout 20 script --quiet --return --command "$1" /dev/null
		;;
	*--watch* | *http.server* | *' -f '* | *' start - |'* | 'cothon web'* | 'cothon up '[!-]*)
		timeout --signal=INT --kill-after=20 1 bash -c "$1" </dev/null || status=$?
		((status == 124 || status == 130 || status == 0))
		;;
	*)
		timeout 20 bash -c "set -o pipefail; $1" </dev/null
		;;
	esac
}

subcommands() {
	cothon help | awk '/^$/ { part++ } part == 2 && NF { print $2 }'
}

# run_all BEFORE AFTER SUBCOMMAND...: runs all of their examples, each between two commands.
run_all() {
	local before=$1 after=$2 name line
	shift 2
	[ $# -gt 0 ]
	for name in "$@"; do
		examples_of "$name" >examples
		[ -s examples ]
		while IFS= read -r line <&9; do
			echo "$line"
			$before "$line"
			run_example "$line"
			$after
		done 9<examples
	done
}

@test "the examples of one sandbox" {
	local names
	begin as_root web sleep infinity
	mapfile -t names < <(subcommands)
	[ ${#names[@]} -ge 15 ]
	mapfile -t names < <(printf '%s\n' "${names[@]}" | grep -vxE 'up|down|logs|capture')
	run_all : : "${names[@]}"
	# One capture at a time; and names are known where a rule is about one.
	cothon rules add web --allow example.org:443
	ready() {
		cothon capture web stop || true
		[[ $1 != *stop* ]] || cothon capture web start other.pcapng
	}
	run_all ready : capture
}

@test "the examples of sandboxes from a file" {
	start_all() {
		cothon up -d shop.yaml
	}
	# What an example has left, ended: nothing runs then.
	end_all() {
		cothon down shop || echo 'it has ended, or has not begun'
		expect 'what runs' 1 "$(cothon ps | wc -l)"
	}
	run_all : end_all up
	run_all start_all : down
	run_all start_all end_all logs
}
