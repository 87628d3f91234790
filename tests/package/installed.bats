#!/usr/bin/env bats
#
# What `meson install` installs, by a build that is there:
#
#   BUILD=/absolute/folder bats installed.bats

bats_require_minimum_version 1.5.0
load pages.bash

here=$BATS_TEST_DIRNAME
installed=$BATS_FILE_TMPDIR/installed

setup_file() {
	DESTDIR=$BATS_FILE_TMPDIR/installed meson install -C "$BUILD" --no-rebuild --quiet
}

setup() {
	local prefix
	prefix=$installed$(meson introspect --buildoptions "$BUILD" | jq -r '.[] | select(.name == "prefix").value')
	bin=$prefix/bin man=$prefix/share/man include=$prefix/include share=$prefix/share
	lib=$(dirname "$(find "$prefix" -name libcothon.a)")
	cothon=$bin/cothon
	export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$installed
}

# The subcommands, one a line; fails when there are fewer than there must be.
subcommands() {
	"$cothon" help | awk '/^$/ { part++ } part == 2 && NF { print $2; count++ } END { exit count < 15 }'
}

@test "the program, its completions and its pages are in their places" {
	[ -x "$bin/cothon" ]
	[ -f "$share/bash-completion/completions/cothon" ]
	[ -f "$share/zsh/vendor-completions/_cothon" ]
	[ -f "$share/fish/vendor_completions.d/cothon.fish" ]
	[ -f "$man/man1/cothon.1" ]
	[ -f "$man/man5/cothon-up.yaml.5" ]
	[ -x "$(dirname "$bin")/libexec/cothon/cothon-top" ]
	[ -f "$(dirname "$bin")/lib/systemd/user/cothon@.service" ]
	[ -f "$share/cothon/grafana/cothon.json" ]
}

@test "the headers are the public ones, and each compiles alone" {
	local header
	diff <(cd "$here/../../include" && find . -type f | sort) <(cd "$include" && find . -type f | sort)
	for header in "$include"/cothon/*.h; do
		gcc -std=c17 -Wall -Wextra -Werror -fsyntax-only -I"$include" -x c "$header"
	done
}

@test "the library has a name with a version" {
	[ "$(readlink "$lib/libcothon.so")" = libcothon.so.0 ]
	[ "$(readlink "$lib/libcothon.so.0")" = "libcothon.so.$(pkg-config --modversion libcothon)" ]
	[ "cothon $(pkg-config --modversion libcothon)" = "$("$cothon" --version)" ]
	readelf -d "$lib/libcothon.so" | grep -F 'SONAME' | grep -F '[libcothon.so.0]'
}

# How somebody else's project builds: build NAME STATIC SOURCE...
build() {
	local name=$1 static=$2 flags
	shift 2
	flags=$(pkg-config $static --cflags --libs libcothon)
	# shellcheck disable=SC2086 # they are several words
	gcc -std=gnu17 $static -o "$BATS_TEST_TMPDIR/$name" "$@" $flags
}

@test "the page's program is built outside, shared and static, and runs" {
	cd "$BATS_TEST_TMPDIR"
	example_of "$man/man3/libcothon.3" >example.c
	build shared '' example.c
	readelf -d shared | grep -F '[libcothon.so.0]'
	[ "$(LD_LIBRARY_PATH=$lib ./shared)" = 'a SYN of 60 bytes' ]
	build static --static example.c
	[ "$(./static)" = 'a SYN of 60 bytes' ]
}

@test "an example of the source is built outside, and runs" {
	local name sources=()
	# All but the scene, which belongs to the program, and the other programs.
	for name in over_wire hosts http_server http_client http_message documents line echo get wire_hosts; do
		sources+=("$here/../../examples/$name.c")
	done
	build over-wire '' "${sources[@]}"
	LD_LIBRARY_PATH=$lib "$BATS_TEST_TMPDIR/over-wire"
}

@test "every subcommand has a help like the others" {
	local name names
	names=$(subcommands)
	for name in $names; do
		echo "cothon $name --help"
		"$cothon" "$name" --help >"$BATS_TEST_TMPDIR/help"
		"$cothon" "$name" -h | diff "$BATS_TEST_TMPDIR/help" -
		"$cothon" help "$name" | diff "$BATS_TEST_TMPDIR/help" -
		# Examples first, then how it is called, then what it does, then the options.
		head -n 1 "$BATS_TEST_TMPDIR/help" | grep -E '^  .*cothon '"$name"
		grep -E "^usage: cothon $name( |\$)" "$BATS_TEST_TMPDIR/help"
		tail -n 1 "$BATS_TEST_TMPDIR/help" | grep -E '^  -h, --help +this text$'
		run -1 grep -nE '.{80}' "$BATS_TEST_TMPDIR/help"
		run -1 grep -nP '\t| $' "$BATS_TEST_TMPDIR/help"
	done
	run -1 grep -nE '.{80}' <("$cothon" help)
}

# The options that a text is about: --name where a line begins with it, or -x, --name.
options_in() {
	sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z0-9-]+).*/\2/p' | sort
}

@test "every subcommand has a page with the options of its help, and no others" {
	local name names
	names=$(subcommands)
	for name in $names; do
		echo "cothon-$name(1)"
		section_of "$man/man1/cothon-$name.1" OPTIONS | options_in >"$BATS_TEST_TMPDIR/options"
		grep -x -- --help "$BATS_TEST_TMPDIR/options"
		diff <("$cothon" "$name" --help | options_in) "$BATS_TEST_TMPDIR/options"
		section_of "$man/man1/cothon-$name.1" EXAMPLES | grep "cothon $name"
		section_of "$man/man1/cothon.1" SUBCOMMANDS | grep -F "cothon-$name(1)"
	done
	# And no page is about one that is not there.
	diff <(sort <<<"$names") <(find "$man/man1" -name 'cothon-*' -printf '%f\n' |
		sed 's/cothon-\(.*\)\.1/\1/' | sort)
}

@test "the pages are set without a warning" {
	local page
	for page in "$man"/man*/*; do
		echo "$page"
		run -0 env MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings --local-file "$page"
		[ -z "$(MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings --local-file "$page" 2>&1 >/dev/null)" ]
		# What apropos(1) finds it by.
		lexgrog "$page"
	done
}

@test "every page that a page names is there" {
	local page pages
	mapfile -t pages < <(grep -ohE '\\fB(lib)?cothon[-_.a-z\\]*\\fR\([0-9]\)' "$man"/man*/* |
		sed 's/\\f[BR]//g; s/\\//g' | sort -u)
	[ ${#pages[@]} -ge 15 ]
	for page in "${pages[@]}"; do
		page=${page%)}
		echo "$page"
		[ -f "$man/man${page#*(}/${page/(/.}" ]
	done
}

@test "every function of the library is in the reference, with what it does" {
	local name names
	mapfile -t names < <(nm -D --defined-only --format=posix "$lib/libcothon.so" | awk '$2 == "T" { print $1 }')
	[ ${#names[@]} -ge 50 ]
	for name in "${names[@]}"; do
		echo "$name"
		cat "$man"/man3/cothon_*.3 | sed -n '/^.SH NAME/,/^.SH SYN/p' | sed 's/\\//g' |
			grep -wF "$name" >/dev/null
	done
}
