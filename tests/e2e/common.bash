# What the tests and the services share.

# shellcheck shell=bash

# The ten, in the order of the clients on *remote*, 11 to 20.
# shellcheck disable=SC2034
readonly services='ftp telnet smtp dns whois++ gopher finger http pop3 nntp'

# await SECONDS COMMAND...: until the command succeeds; fails, and says for what, when time is over.
await() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((${EPOCHREALTIME/./} > deadline)); then
			echo "waited in vain for: $*" >&2
			return 1
		fi
		sleep 0.02
	done
}
