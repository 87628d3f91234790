#!/usr/bin/env bats
#
# What the shells complete, each asked as it asks itself when somebody presses the tab key:
#
#   BUILD=/absolute/folder bats completions.bats

bats_require_minimum_version 1.5.0

completions=$BATS_TEST_DIRNAME/../../completions

setup() {
	export PATH=$BUILD:$PATH HOME=$BATS_TEST_TMPDIR XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR
	cd "$BATS_TEST_TMPDIR"
	touch seen.log
	# A name that is taken, as that of a sandbox that runs.
	install -d -m 700 cothon
	mknod cothon/harbour.sock p
}

# Each prints what its shell offers for a line at its end, in order.
in_bash() {
	bash -c '
		source /usr/share/bash-completion/bash_completion
		source "$1/cothon.bash"
		compopt() { :; } # works only while somebody types
		COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_KEY=9
		# readline divides at the characters of COMP_WORDBREAKS.
		mapfile -t COMP_WORDS < <(grep -oE "[:=]+|[^ :=]+" <<<"$2")
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_cothon cothon "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"
	' bash "$completions" "$1" | sed 's/ *$//' | sort -u
}

in_zsh() {
	mkdir -p functions
	cp "$completions/cothon.zsh" functions/_cothon
	"$BATS_TEST_DIRNAME/zsh-complete" "$PWD/functions" "$1"
}

in_fish() {
	fish -c '
		source $argv[1]/cothon.fish
		complete -C $argv[2]
	' "$completions" "$1" | sed 's/\t.*//' | sort -u
}

# The whole of what comes for each line: the last word as it may become.
expect() {
	local shell=$1 line=$2
	shift 2
	echo "$shell: $line"
	diff <(printf '%s\n' "$@" | sort -u) <("in_$shell" "$line")
}

# What is the same in all three.
expect_all() {
	local shell=$1
	expect "$shell" 'cothon ru' rules run
	expect "$shell" 'cothon publish ' add ls rm
	expect "$shell" 'cothon run --allo' --allow
	expect "$shell" 'cothon services --class ' dynamic system user
	expect "$shell" 'cothon services http-r' http-rpc-epmap
	expect "$shell" 'cothon ports --port http-r' http-rpc-epmap
	expect "$shell" 'cothon exec har' harbour
	expect "$shell" 'cothon rules ls har' harbour
	expect "$shell" 'cothon help service' services
	expect "$shell" 'cothon run --log see' seen.log
	# A command of the sandbox, and what it takes itself.
	expect "$shell" 'cothon run -p 80:80 hostnam' $(compgen -c hostnam)
	expect "$shell" 'cothon run --user -p 80:80 -- ls --recursiv' --recursive
}

@test "bash" {
	expect_all bash
	expect bash 'cothon ports --port=http-r' http-rpc-epmap
	expect bash 'cothon run --log=see' seen.log
}

@test "zsh" {
	expect_all zsh
	expect zsh 'cothon ports --port=http-r' --port=http-rpc-epmap
	expect zsh 'cothon run --log=see' seen.log
}

@test "fish" {
	expect_all fish
	expect fish 'cothon ports --port=http-r' --port=http-rpc-epmap
	expect fish 'cothon run --log=see' --log=seen.log
}

@test "the program offers every subcommand and every option" {
	local name names
	mapfile -t names < <(cothon help | awk '/^$/ { part++ } part == 2 && NF { print $2 }')
	[ ${#names[@]} -ge 15 ]
	for name in "${names[@]}"; do
		cothon __complete "$name" | cut -f 1 | grep -x "$name"
		cothon __complete "$name" -- | cut -f 1 | sort >offered
		grep -x -- --help offered
		diff <(cothon "$name" --help | sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z0-9-]+).*/\2/p' | sort) offered
	done
}

@test "what nobody can type, it bears" {
	run -125 cothon __complete
	cothon __complete ''
	run -0 cothon __complete no-such-thing ''
	[ -z "$output" ]
	run -0 cothon __complete run --no-such-option= ''
	[ "$output" = ':command 2' ]
	run -0 cothon __complete run --mtu
	[ "$output" = "$(cothon __complete run --mt)" ]
}
