#!/usr/bin/env bats
#
# The Debian packages: they are built, looked at by lintian, and put into a fresh system and out again.
# This wants root, and the network that apt-get has.

bats_require_minimum_version 1.5.0
load pages.bash

here=$BATS_TEST_DIRNAME
packages=$BATS_FILE_TMPDIR/packages
root=$BATS_FILE_TMPDIR/root

# The packages that ours depend on, but for each other.
dependencies() {
	local package
	for package in "$packages"/*.deb; do
		dpkg-deb --field "$package" Depends | tr ',' '\n' | sed -E 's/^ +//; s/ .*//'
	done | grep -v cothon | sort -u | paste -s -d ,
}

# A system of what every Debian has and what ours need, from where this machine's own packages come.
make_system() {
	# shellcheck disable=SC2016 # the variables are apt-get's
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		sort -u >"$BATS_FILE_TMPDIR/sources.list"
	apt-config dump --format '%F "%v";%n' Acquire >"$BATS_FILE_TMPDIR/apt.conf"
	mmdebstrap --mode=root --variant=essential --include="$(dependencies),pkgconf" \
		--aptopt="$BATS_FILE_TMPDIR/apt.conf" --dpkgopt=force-unsafe-io \
		"$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" "$BATS_FILE_TMPDIR/sources.list"
}

# Every file and folder of the system that is not a list or a record of packages.
everything() {
	(cd "$root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache \) -prune -o \
		-print | sort)
}

setup_file() {
	[ -x "$(command -v dpkg-buildpackage)" ] || skip 'needs dpkg-buildpackage'
	[ "$(id -u)" -eq 0 ] || skip 'needs root'
	cd "$here/../.."
	scripts/deb "$packages" >&2
	make_system >&2
	everything >"$BATS_FILE_TMPDIR/before"
	mkdir "$root/packages"
	cp "$packages"/*.deb "$root/packages"
}

inside() {
	"$here/inside" "$root" "$@"
}

@test "lintian finds nothing wrong" {
	# Which user builds does not matter to it.
	run -0 lintian --allow-root --fail-on error,warning "$packages"/*.changes
	[ -z "$output" ]
}

@test "the packages install in a fresh system" {
	inside sh -c 'dpkg -i /packages/*.deb'
	run -0 inside dpkg --audit
	[ -z "$output" ]
}

@test "the program runs there, and knows its services" {
	run -0 inside cothon --version
	[ "$output" = "cothon $(dpkg-deb --field "$packages"/cothon_*.deb Version)" ]
	run -0 inside cothon services http/tcp
	[[ $output == http*80/tcp* ]]
}

@test "a sandbox runs there" {
	[ -c /dev/net/tun ] || skip 'needs /dev/net/tun'
	inside cothon doctor
	inside cothon run -- true
	run -3 inside cothon run -- sh -c 'exit 3'
}

@test "pages and completions are where they are looked for" {
	local page
	for page in man1/cothon.1 man1/cothon-run.1 man3/libcothon.3 man3/cothon_stack.3; do
		gzip -t "$root/usr/share/man/$page.gz"
	done
	[ -f "$root/usr/share/bash-completion/completions/cothon" ]
	[ -f "$root/usr/share/zsh/vendor-completions/_cothon" ]
	[ -f "$root/usr/share/fish/vendor_completions.d/cothon.fish" ]
}

@test "a program is built with the library and runs there" {
	local flags
	gzip -cd "$root/usr/share/man/man3/libcothon.3.gz" >"$BATS_TEST_TMPDIR/libcothon.3"
	example_of "$BATS_TEST_TMPDIR/libcothon.3" >"$BATS_TEST_TMPDIR/example.c"
	# The system has pkg-config but no compiler: this machine's works with the system's library.
	read -r flags < <(inside pkg-config --cflags --libs libcothon)
	[ "$flags" = -lcothon ]
	gcc -I"$root/usr/include" -o "$root/packages/example" "$BATS_TEST_TMPDIR/example.c" \
		"$(echo "$root"/usr/lib/*/libcothon.so)"
	run -0 inside /packages/example
	[ "$output" = 'a SYN of 60 bytes' ]
}

@test "purged, the packages leave nothing" {
	inside dpkg --purge cothon libcothon-dev libcothon0
	rm -r "$root/packages"
	everything | diff "$BATS_FILE_TMPDIR/before" -
}
