#!/usr/bin/env bats
#
# Ten services at once in one sandbox, each on its own port, all published, all used at the same time by
# ten clients on the other host.

load lab

setup_file() {
	local service port publish=()
	open_folders
	for service in $services; do
		for port in $(services/"$service" ports); do
			publish+=(-p "${port#*:}:${port#*:}/${port%:*}")
		done
	done
	mkdir "$BATS_FILE_TMPDIR/services"
	start services sandbox "${publish[@]}" -- services/all "$BATS_FILE_TMPDIR/services" "$host4"
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

# Each service saw the client that has its number, not the host or the gateway.
seen_by_all() {
	local prefix=$1 service number=11
	for service in $services; do
		seen "$service" "$BATS_FILE_TMPDIR/services/$service" "$prefix$number"
		number=$((number + 1))
	done
}

@test "ten services answer ten clients at the same time (IPv4)" {
	services/use --clients "$host4"
}

@test "ten services answer ten clients at the same time (IPv6)" {
	services/use --clients "$host6"
}

@test "each service saw its client's own IPv4 address" {
	seen_by_all 192.0.2.
}

@test "each service saw its client's own IPv6 address" {
	seen_by_all 2001:db8::
}

@test "FTP in active mode: the server in the sandbox calls its client back" {
	client 11 services/ftp check_active "$host4"
	client 11 services/ftp check_active "$host6"
}

@test "the services run until they are told to stop, and end well" {
	kill -0 "$(pid services)"
	stop services
}
