#!/usr/bin/env bats
#
# The other way round: the clients of ten services in one sandbox, the servers on the other host.

load lab

setup_file() {
	open_folders
	mkdir "$BATS_FILE_TMPDIR/services"
	start services remote services/all "$BATS_FILE_TMPDIR/services" "$remote4"
	await 20 settled
	[ -e "$BATS_FILE_TMPDIR/services/ready" ] || { cat "$(log services)" && false; }
}

# The services all listen, or they have given up.
settled() {
	[ -e "$BATS_FILE_TMPDIR/services/ready" ] || ended "$(pid services)"
}

teardown_file() {
	stop_all
}

# All came out through the host's own address.
seen_by_all() {
	local service
	for service in $services; do
		seen "$service" "$BATS_FILE_TMPDIR/services/$service" "$1"
	done
}

@test "an ordinary user's ten clients at the same time (IPv4)" {
	user sandbox -- services/use "$remote4"
	seen_by_all "$host4"
}

@test "an ordinary user's ten clients at the same time (IPv6)" {
	user sandbox -- services/use "$remote6"
	seen_by_all "$host6"
}

@test "root's ten clients at the same time (IPv4)" {
	sandbox -- services/use "$remote4"
}

@test "root's ten clients at the same time (IPv6)" {
	sandbox -- services/use "$remote6"
}
