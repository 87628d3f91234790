#!/usr/bin/env bats
#
# `cothon up`: sandboxes that a file describes, in front and in the background; `down`, `logs`, and commands that
# are started by whoever connects.

bats_require_minimum_version 1.5.0
load lab
load running

setup() {
	setup_in_folder
}

teardown() {
	down_all
}

# file NAME: NAME.yaml of what comes in.
file() {
	cat >"$BATS_TEST_TMPDIR/$1.yaml"
	chmod 644 "$BATS_TEST_TMPDIR/$1.yaml"
}

# state NAME: as `cothon ps` has it, with restarts and exit status.
state() {
	as_user "$COTHON" ps --json |
		jq -r --arg name "$1" '.sandboxes[] | select(.name == $name).up | "\(.state) \(.restarts) \(.status)"'
}

# The names of all that run.
what_runs() {
	as_user "$COTHON" ps --json | jq -c '[.sandboxes[].name]'
}

# said NAME TEXT: it is in what `cothon logs` prints of that sandbox.
said() {
	[[ $(as_user "$COTHON" logs "$1" 2>&1) = *"$2"* ]]
}

# is NAME PATTERN: its state.
is() {
	# shellcheck disable=SC2053 # a pattern
	[[ $(state "$1") = $2 ]]
}

# The file.

@test "what is wrong in a file is said with line, column and the nearest key, and nothing starts" {
	file wrong <<-'END'
	sandboxes:
	  web:
	    comand: nginx
	END
	run -125 as_user "$COTHON" up wrong.yaml
	[[ $output = 'wrong.yaml:3:5: there is no key "comand"; did you mean command?' ]]
	run -125 as_user "$COTHON" up --check wrong.yaml
	[[ $output = wrong.yaml:3:5:* ]]
	{ echo 'sandboxes:' && printf "  s%d: {command: 'true'}\n" {1..65}; } | file many
	run -125 as_user "$COTHON" up --check many.yaml
	[[ $output = many.yaml:66:3:*'more than 64 sandboxes'* ]]
	run -125 as_user "$COTHON" up missing.yaml
	[[ $output = *missing.yaml*'No such file'* ]]
	run -125 as_user "$COTHON" up
	[[ $output = *'which file'* ]]
}

@test "the examples are right" {
	local example
	for example in "$BATS_TEST_DIRNAME"/../../examples/up/*.yaml; do
		run -0 as_user "$COTHON" up --check "$example"
		expect "what is said of $example" '' "$output"
	done
}

# Together.

@test "a server that is healthy first, and a client that finds it by name, in front" {
	mkdir -p site && echo 'from the server' >site/index.html && chmod -R a+rX site
	file pair <<-'END'
	sandboxes:
	  client:
	    shell: |
	      curl -sS http://server.internal/
	      echo "$FLEET in $PWD"
	      touch "$OUT/done"
	    environment: {FLEET: three ships}
	    directory: /
	    depends_on: {server: healthy}
	  server:
	    shell: |
	      sleep 0.3; python3 -m http.server 80 --directory site &
	      until [ -e "$OUT/done" ]; do sleep 0.05; done
	      exit 9
	    health: {port: http}
	END
	OUT=$BATS_TEST_TMPDIR run -1 --separate-stderr as_user "$COTHON" up pair.yaml
	[[ $output = *'client | from the server'* ]]
	[[ $output = *'client | three ships in /'* ]]
	[[ $stderr = *'server: exited with status 9'* ]]
}

@test "Ctrl-C ends all, those that others need last; a second network says what is running" {
	file order <<-'END'
	sandboxes:
	  db:
	    shell: trap 'echo db ends; exit 0' TERM; while :; do sleep 0.05; done
	  web:
	    shell: trap 'sleep 0.3; echo web ends; exit 0' TERM; echo web begins; while :; do sleep 0.05; done
	    depends_on: db
	END
	start order as_user env --default-signal=INT "$COTHON" up order.yaml
	await 10 grep -q 'web begins' "$(log order)"
	run -125 as_user "$COTHON" up order.yaml
	[[ $output = *'the network order is running already'*'with 2 sandboxes; end it first: cothon down order' ]]
	echo '# changed' >>order.yaml
	run -125 as_user "$COTHON" up -d order.yaml
	[[ $output = *'before it was changed'* ]]
	kill -INT "$(pid order)"
	await 10 ended "$(pid order)"
	wait "$(pid order)"
	rm "$BATS_FILE_TMPDIR/order.pid"
	expect 'the order' 'web | web begins,web | web ends,db  | db ends' \
		"$(grep ' | ' "$(log order)" | paste -sd,)"
	expect 'what runs' '[]' "$(what_runs)"
}

@test "in the background: ready when healthy, published, seen by ps, ports and logs, ended by down" {
	mkdir -p conf && cat >nginx.conf <<-'END'
	daemon off; pid nginx.pid; error_log stderr; worker_processes 1; user root;
	events {}
	http { access_log /dev/stdout; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
	uwsgi_temp_path u; scgi_temp_path s; server { listen 80; location / { return 200 "from nginx\n"; } } }
	END
	chmod a+r nginx.conf
	file shop <<-'END'
	sandboxes:
	  web:
	    command: [nginx, -e, stderr, -p, ., -c, nginx.conf]
	    publish: 127.0.0.1:8080:80
	    health: 80
	  side:
	    shell: echo once; echo twice >&2; exec sleep 1000
	END
	run -0 as_user "$COTHON" up -d shop.yaml
	expect 'the page' 'from nginx' "$(curl -sS http://127.0.0.1:8080/)"
	is web 'healthy 0 null'
	is side 'running 0 null'
	run -0 as_user "$COTHON" ps
	[[ $output = *STATE*NETWORK* && $output = *web*healthy*shop* ]]
	run -0 as_user "$COTHON" ports web
	[[ $output = *nginx* ]]
	expect 'side to web' 'from nginx' "$(as_user "$COTHON" exec side -- curl -sS http://web.internal/)"
	await 5 said side once
	await 5 said side twice
	run -0 --separate-stderr as_user "$COTHON" logs side
	expect 'standard output' once "$output"
	expect 'standard error' twice "$stderr"
	run -0 as_user "$COTHON" logs web side
	[[ $output = *'side | once'* && $output = *'web  | '*'GET / HTTP'* ]]
	start follow as_user "$COTHON" logs -f web
	curl -sS http://127.0.0.1:8080/later >/dev/null
	await 5 grep -q 'GET /later' "$(log follow)"
	run -125 as_user "$COTHON" down shp
	[[ $output = *'there is: shop'* ]]
	run -0 as_user "$COTHON" down shop.yaml
	await 5 ended "$(pid follow)"
	run -7 curl -sS http://127.0.0.1:8080/
	run -125 as_user "$COTHON" down shop
}

@test "in the background: what fails before it is ready ends all, and the reason is said" {
	file failing <<-'END'
	sandboxes:
	  good: {command: sleep 1000}
	  bad: {command: no-such-command}
	END
	run -1 as_user "$COTHON" up -d failing.yaml
	[[ $output = *'bad: '*no-such-command* ]]
	expect 'what runs' '[]' "$(what_runs)"
}

@test "a name that is taken is said, and nothing is left" {
	begin as_user web sleep 1000
	file taken <<-'END'
	sandboxes:
	  first: {command: sleep 1000}
	  web: {command: sleep 1000}
	END
	run -125 as_user "$COTHON" up -d taken.yaml
	[[ $output = *'"web" is running already'* ]]
	expect 'what runs' '["web"]' "$(what_runs)"
}

# Again.

@test "a command that fails is started again in the same sandbox, and what it left behind is ended" {
	file again <<-'END'
	sandboxes:
	  job:
	    shell: |
	      sleep 996 &
	      readlink /proc/self/ns/net >>"$OUT/nets"
	      pgrep -cfx 'sleep 996' >>"$OUT/sleepers"
	      [ "$(wc -l <"$OUT/nets")" -ge 3 ] || exit 7
	      exec sleep 1000
	    restart: on-failure
	END
	OUT=$BATS_TEST_TMPDIR run -0 as_user "$COTHON" up -d again.yaml
	await 10 is job 'running 2 7'
	await 10 eval '[ "$(wc -l <sleepers)" = 3 ]'
	expect 'network namespaces' 1 "$(sort -u nets | wc -l)"
	expect 'sleepers each time' '1,1,1' "$(paste -sd, sleepers)"
	run -0 as_user "$COTHON" logs job
	[[ $output = *'exited with status 7; starts again in 100 ms'*'in 200 ms'* ]]
	# Namespaces that are the command's after its restart, too.
	run -0 as_user "$COTHON" exec job -- pgrep -fx 'sleep 1000'
}

@test "on-failure:2 is three times at most, no is once" {
	file most <<-'END'
	sandboxes:
	  thrice: {shell: 'echo ran; exit 3', restart: 'on-failure:2'}
	  once: {shell: 'echo ran; exit 4'}
	  fine: {shell: 'echo ran', restart: on-failure}
	END
	run -1 --separate-stderr as_user "$COTHON" up most.yaml
	expect 'runs' '3 1 1' "$(for name in thrice once fine; do grep -c "^$name *| ran" <<<"$output"; done | xargs)"
	[[ $stderr = *'thrice: exited with status 3'* && $stderr = *'once: exited with status 4'* ]]
}

@test "a command that is not healthy any more is started again" {
	file ill <<-'END'
	sandboxes:
	  web:
	    shell: |
	      python3 -m http.server 80 & echo $! >"$OUT/server"
	      wait; exec sleep 1000
	    health: {port: 80, interval: 100ms, retries: 2, start_period: 20s}
	    restart: always
	END
	OUT=$BATS_TEST_TMPDIR run -0 as_user "$COTHON" up -d ill.yaml
	await 10 is web 'healthy 0 *'
	as_user "$COTHON" exec web -- kill "$(cat server)"
	await 10 is web 'healthy 1 *'
}

@test "what does not end when it is asked to is killed after its grace" {
	file deaf <<-'END'
	sandboxes:
	  deaf: {shell: "trap '' TERM; echo ready; while :; do sleep 0.05; done", stop_grace: 200ms}
	END
	run -0 as_user "$COTHON" up -d deaf.yaml
	await 5 said deaf ready
	run -0 as_user "$COTHON" down deaf
	expect 'what runs' '[]' "$(what_runs)"
}

@test "kill -9 of Cothon's process ends all commands, and their names are free" {
	file killed <<-'END'
	sandboxes:
	  one: {command: sleep 995}
	  two: {command: sleep 995}
	END
	run -0 as_user "$COTHON" up -d killed.yaml
	kill -KILL "$(as_user "$COTHON" ps --json | jq '.sandboxes[0].pid')"
	await 5 gone 995
	run -0 as_user "$COTHON" up -d killed.yaml
}

gone() {
	! pgrep -fx "sleep $1"
}

# On demand.

@test "the first connection starts the command and waits for it; idle time ends it" {
	file demand <<-'END'
	sandboxes:
	  web:
	    shell: sleep 0.3; exec python3 -m http.server 80
	    publish: 127.0.0.1:8080:80
	    on_demand: true
	    idle: 300ms
	END
	run -0 as_user "$COTHON" up -d demand.yaml
	is web 'idle 0 null'
	expect 'status' 200 "$(curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/)"
	await 10 is web 'idle 0 *'
	expect 'status' 200 "$(curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/)"
}

@test "cothon run --on-demand: the same for one command" {
	start single as_user "$COTHON" run --on-demand --idle 300ms --name single -p 127.0.0.1:8080:80 -- \
		sh -c 'echo begins; exec python3 -m http.server 80'
	await 10 is_there single
	expect 'status' 200 "$(curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/)"
	await 10 is_idle single
	expect 'status' 200 "$(curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/)"
	expect 'starts' 2 "$(grep -c begins "$(log single)")"
	stop single
	run -125 as_user "$COTHON" run --on-demand true
	[[ $output = *'needs a TCP port'* ]]
	run -0 as_user "$COTHON" run --listen-fds web=80 -- sh -c 'echo "$LISTEN_FDS $LISTEN_FDNAMES"'
	expect 'what is handed over' '1 web' "$output"
}

is_there() {
	as_user "$COTHON" exec "$1" -- true
}

# Nobody listens inside: the command does not run.
is_idle() {
	[ -z "$(as_user "$COTHON" exec "$1" -- ss -Hltn)" ]
}

@test "a command that does not come to accept: who waits is refused, and the next one may try" {
	file broken <<-'END'
	sandboxes:
	  web: {shell: exit 3, publish: '127.0.0.1:8080:80', on_demand: true, start_timeout: 500ms}
	END
	run -0 as_user "$COTHON" up -d broken.yaml
	run ! curl -sS --max-time 10 http://127.0.0.1:8080/
	[[ $status = 56 || $status = 52 ]]
	is web '* 3'
}

@test "LISTEN_FDS: lighttpd gets its socket, and is started by the first connection" {
	cat >lighttpd.conf <<-'END'
	server.document-root = var.CWD
	server.port = 80
	server.systemd-socket-activation = "enable"
	END
	echo 'from lighttpd' >page && chmod a+r page lighttpd.conf
	file light <<-'END'
	sandboxes:
	  web:
	    command: lighttpd -D -f lighttpd.conf
	    listen_fds: [web=80]
	    publish: 127.0.0.1:8080:80
	    on_demand: true
	  names:
	    shell: |
	      echo "$LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID - $$))"; readlink /proc/self/fd/3 /proc/self/fd/4 | sed 's/:.*//'
	      exec sleep 1000
	    listen_fds: [a=81, b=82/udp]
	END
	run -0 as_user "$COTHON" up -d light.yaml
	is web 'idle 0 null'
	expect 'the page' 'from lighttpd' "$(curl -sS --max-time 10 http://127.0.0.1:8080/page)"
	# It did not open the port itself: that was taken.
	run -0 as_user "$COTHON" exec web -- pgrep -x lighttpd
	await 5 said names $'socket\nsocket'
	expect 'what is handed over' '2 a:b 0,socket,socket' "$(as_user "$COTHON" logs names | paste -sd,)"
}

@test "inetd: rsync and cat serve each connection with a process of its own, bounded" {
	mkdir -p goods && echo 'a good' >goods/file && chmod -R a+rX goods
	cat >rsyncd.conf <<-END
	use chroot = no
	[goods]
	path = $BATS_TEST_TMPDIR/goods
	END
	chmod a+r rsyncd.conf
	file inet <<-'END'
	sandboxes:
	  rsync:
	    command: rsync --daemon --config=rsyncd.conf
	    # The port below 1024 is not rsync's to open.
	    user: true
	    inetd: 873
	    publish: 127.0.0.1:8730:873
	  cat:
	    command: cat
	    inetd: {port: echo, most: 2}
	    publish: 127.0.0.1:8007:7
	  waiter:
	    shell: |
	      exec python3 -c 'import socket; s = socket.socket(fileno=0); c, _ = s.accept(); c.sendall(b"waited\n")'
	    inetd: {port: 9, wait: true}
	    publish: 127.0.0.1:8009:9
	END
	run -0 as_user "$COTHON" up -d inet.yaml
	run -0 rsync -a rsync://127.0.0.1:8730/goods/ copy/
	expect 'the copy' 'a good' "$(cat copy/file)"
	# Two are served at a time; the third waits for one of them to go.
	exec 5<>/dev/tcp/127.0.0.1/8007 6<>/dev/tcp/127.0.0.1/8007 7<>/dev/tcp/127.0.0.1/8007
	echo five >&5
	read -r -t 5 line <&5
	expect line five "$line"
	echo six >&6
	read -r -t 5 line <&6
	expect line six "$line"
	echo seven >&7
	run ! read -r -t 0.2 line <&7
	exec 5<&-
	read -r -t 5 line <&7
	expect line seven "$line"
	exec 6<&- 7<&-
	for _ in 1 2; do
		exec 5<>/dev/tcp/127.0.0.1/8009
		read -r -t 5 line <&5
		expect line waited "$line"
		exec 5<&-
	done
	run -0 as_user "$COTHON" down inet
}

@test "inetd waits: tftpd gets the socket with the first datagram, serves all, and is started again when it has gone" {
	local i
	mkdir -p files && head -c 100000 /dev/urandom >files/some && chmod -R a+rX files
	file tftp <<-END
	sandboxes:
	  store:
	    command: [/usr/sbin/in.tftpd, --timeout, 1, --secure, $PWD/files]
	    inetd: tftp/udp
	  client:
	    command: sleep 1000
	END
	run -0 as_root "$COTHON" up -d tftp.yaml
	expect 'before the first' '' "$(pgrep in.tftpd)"
	for i in 1 2; do
		as_root "$COTHON" exec client -- curl -sS tftp://store.internal/some >"from$i"
		as_root "$COTHON" exec store -- curl -sS tftp://127.0.0.1/some >"at$i"
		cmp "from$i" files/some
		cmp "at$i" files/some
		await 10 run -1 pgrep in.tftpd
	done
	run -0 as_root "$COTHON" down tftp
}

# A manager of services.

@test "in front: a manager of services is told when all are up, and when they end" {
	file unit <<-'END'
	sandboxes:
	  web: {shell: 'sleep 0.2; exec python3 -m http.server 80', health: 80}
	END
	start manager as_user python3 -c 'if True:
	import os, socket
	path = os.environ["BATS_TEST_TMPDIR"] + "/notify"
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(path)
	for _ in range(2):
		print(s.recv(100).decode(), flush=True)'
	await 5 test -S "$BATS_TEST_TMPDIR/notify"
	start unit as_user env NOTIFY_SOCKET="$BATS_TEST_TMPDIR/notify" "$COTHON" up unit.yaml
	await 10 grep -q 'READY=1' "$(log manager)"
	is web 'healthy 0 null'
	stop unit
	await 5 grep -q 'STOPPING=1' "$(log manager)"
}
