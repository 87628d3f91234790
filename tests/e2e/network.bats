#!/usr/bin/env bats
#
# The network inside a sandbox: what is there when the command begins.

bats_require_minimum_version 1.5.0
load lab

setup_file() {
	open_folders
	start remote-bulk remote bulk serve 5000
	await 10 remote_listening tcp 5000
}

setup() {
	[ -z "${E2E_DIRECT:-}" ] || skip 'needs the program'
}

teardown_file() {
	stop_all
}

@test "addresses, routes and loopback inside" {
	run -0 user sandbox -- ip -brief address
	grep -qE '^lo +(UNKNOWN|UP) +127\.0\.0\.1/8 ::1/128' <<<"$output"
	grep -qE " $inside4/24 " <<<"$output"
	grep -qE " $inside6/64 " <<<"$output"
	expect 'interfaces' 2 "$(wc -l <<<"$output")"
	expect 'route' "$gateway4" "$(user sandbox -- ip route show default | awk '{ print $3 }')"
	expect 'route' "$gateway6" "$(user sandbox -- ip -6 route show default | awk '{ print $3 }')"
}

@test "the ephemeral range inside is the dynamic range" {
	expect 'range' '49152 65535' "$(user sandbox -- cat /proc/sys/net/ipv4/ip_local_port_range | xargs)"
}

@test "no address is checked for duplicates when the command begins" {
	run -0 user sandbox -- ip -6 address show tentative
	expect 'tentative addresses' '' "$output"
}

@test "nothing is queued in front of the device" {
	local n
	for n in 1 3; do
		run -0 user sandbox --threads "$n" -- ip -oneline link show cothon0
		[[ $output == *' qdisc noqueue '* ]]
	done
}

@test "--mtu, --address, --gateway, --ipv4-only and --ipv6-only" {
	run -0 user sandbox --mtu 9000 --address 172.16.5.9/16 --gateway 172.16.5.1 -- ip address
	grep -qE 'mtu 9000 ' <<<"$output"
	grep -qE 'inet 172\.16\.5\.9/16 ' <<<"$output"
	run -0 user sandbox --address 172.16.5.9/16 --gateway 172.16.5.1 -- ip route show default
	[[ $output = *'via 172.16.5.1 '* ]]
	run -0 user sandbox --ipv4-only -- ip -6 address
	[[ $output != *"$inside6"* ]]
	run -0 user sandbox --ipv6-only -- ip -4 address
	[[ $output != *"$inside4"* ]]
	user sandbox --ipv4-only -- bulk use "$remote4" 5000 1 1000
	user sandbox --ipv6-only -- bulk use "$remote6" 5000 1 1000
}

@test "the gateway answers ping; loopback inside is the sandbox's own" {
	user sandbox -- ping -n -c 1 -W 5 "$gateway4"
	user sandbox -- ping -n -c 1 -W 5 "$gateway6"
	user sandbox -- ping -n -c 1 -W 5 127.0.0.1
	user sandbox -- ping -n -c 1 -W 5 ::1
}

@test "the host's loopback is out of reach, and with --host-loopback at the gateway's address" {
	local address
	start loopback web 5200 --at ::ffff:127.0.0.1
	start loopback6 web 5200 --at ::1
	await 10 sh -c '[ "$(ss -Hltn "sport = :5200" | wc -l)" -eq 2 ]'
	curl -sS -o /dev/null http://127.0.0.1:5200/
	for address in "$gateway4" "[$gateway6]"; do
		run -7 user sandbox -- curl -sS -o /dev/null "http://$address:5200/"
		user sandbox --host-loopback -- curl -sS -o /dev/null "http://$address:5200/"
	done
	stop loopback
	stop loopback6
}
