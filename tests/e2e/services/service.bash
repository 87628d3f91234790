# What the ten services share. Each is a program of four verbs:
#
#   services/NAME ports             the ports it listens on: tcp:21 udp:53 ...
#   services/NAME start FOLDER      runs the server in the foreground, with its files in the folder
#   services/NAME check ADDRESS     runs the client, and fails unless the answer is right
#   services/NAME seen FOLDER ADDRESS   fails unless the server saw a client at that address
#
# A service sources this file, says `ports`, defines the other verbs, and ends with `"$@"`.

# shellcheck shell=bash

set -euo pipefail

readonly here=${BASH_SOURCE[0]%/*}

. "$here/../common.bash"

ports() {
	# shellcheck disable=SC2154 # each service sets it
	echo "$ports"
}

# An address as a part of a URL.
bracketed() {
	if [[ $1 = *:* ]]; then echo "[$1]"; else echo "$1"; fi
}

# has WHAT TEXT PATTERN: the text has a line that the extended regular expression matches.
has() {
	if ! grep -Eq -- "$3" <<<"$2"; then
		printf '%s: no line matches %s in:\n%s\n' "$1" "$3" "$2" >&2
		return 1
	fi
}

# Servers that listen on [::] see clients of IPv4 there: the address as they write it.
mapped() {
	if [[ $1 = *:* ]]; then echo "$1"; else echo "(::ffff:)?${1//./\\.}"; fi
}

# A file that both sides can make: SIZE bytes, the same each time.
content() {
	head -c "$1" < <(yes 'all that is said goes through one gate')
}

# inetd FOLDER PORT: a server that speaks on its standard input and output, the verb `serve FOLDER`.
inetd() {
	cat >"$1/xinetd.conf" <<-END
	service port-$2
	{
		type = UNLISTED
		port = $2
		socket_type = stream
		protocol = tcp
		flags = IPv6 KEEPALIVE
		wait = no
		user = root
		instances = UNLIMITED
		cps = 1000 1
		log_type = FILE $1/xinetd.log
		log_on_success = HOST PID EXIT
		server = $(realpath "$0")
		server_args = serve $1
	}
	END
	exec xinetd -dontfork -f "$1/xinetd.conf" -pidfile "$1/xinetd.pid"
}
