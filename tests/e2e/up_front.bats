#!/usr/bin/env bats
#
# `cothon up`: the process in front, which shows what commands write, and ends when they have; `cothon down`.

bats_require_minimum_version 1.5.0
load lab
load running

setup() {
	setup_in_folder
}

teardown() {
	down_all
}

@test "the last lines arrive with who begins to read when the command has ended" {
	local shown
	cat >late.yaml <<-'END'
	sandboxes:
	  talk:
	    shell: seq 1 20000; touch "$OUT/told"
	END
	chmod 644 late.yaml
	mkfifo shown && chmod a+w shown
	# shellcheck disable=SC2016 # for the shell that is started
	OUT=$BATS_TEST_TMPDIR start late as_user sh -c 'exec "$1" up late.yaml >shown' - "$COTHON"
	exec {shown}<shown
	await 10 test -e told
	expect 'the lines' "$(seq 1 20000 | md5sum)" "$(sed -n 's/^talk | //p' <&"$shown" | md5sum)"
}

@test "it ends with its commands, also when its parent ignores what becomes of children" {
	cat >once.yaml <<-'END'
	sandboxes:
	  once:
	    shell: echo once; exit 3
	END
	chmod 644 once.yaml
	run -1 --separate-stderr timeout -s KILL 20 as_user env --ignore-signal=CHLD "$COTHON" up once.yaml
	expect 'the output' 'once | once' "$output"
	[[ $stderr = *'exited with status 3'* ]]
}

@test "in the background, logs have what was denied, and that the steward is gone" {
	local engine steward
	cat >back.yaml <<-'END'
	sandboxes:
	  web:
	    command: sleep 1000
	    deny: 192.0.2.0/24
	END
	chmod 644 back.yaml
	run -0 as_user "$COTHON" up -d back.yaml
	run -7 as_user "$COTHON" exec web -- curl -sS http://192.0.2.2:81/
	run -0 --separate-stderr as_user "$COTHON" logs web
	# shellcheck disable=SC2016,SC2154 # no command; bats sets it
	[[ $stderr = *'cothon: denied tcp'*'192.0.2.2:81: the rule `deny 192.0.2.0/24` forbids it'* ]]
	engine=$(as_user "$COTHON" ps --json | jq '.sandboxes[0].pid')
	# Its other child is in another network.
	for steward in $(pgrep -P "$engine"); do
		[ "$(readlink "/proc/$steward/ns/net")" != "$(readlink /proc/self/ns/net)" ] || break
	done
	start follower as_user "$COTHON" logs -f web
	await 10 grep -q denied "$(log follower)"
	kill -KILL "$steward"
	await 10 grep -q 'cannot be asked any more' "$(log follower)"
	kill "$engine"
	await 10 ended "$engine"
}

@test "down without such a network names those that run, also where one is called as another begins" {
	printf 'sandboxes:\n  a:\n    command: sleep 1000\n' >longer.yaml
	printf 'sandboxes:\n  b:\n    command: sleep 1000\n' >long.yaml
	chmod 644 ./*.yaml
	run -0 as_user "$COTHON" up -d longer.yaml
	run -0 as_user "$COTHON" up -d long.yaml
	run -125 as_user "$COTHON" down lon
	[[ $output = *'no network lon is running; there is: longer, long' ]]
}
