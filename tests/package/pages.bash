# The manual pages, as tests read them.

# shellcheck shell=bash

# The text of a page, without overstriking and with lines as long as they need be.
page_text() {
	MANWIDTH=500 LC_ALL=C.UTF-8 man --local-file "$1" | col -bx
}

# example_of PAGE: prints the program in libcothon(3).
example_of() {
	page_text "$1" |
		awk '/#include <cothon\/host.h>/ { on = 1; match($0, /^ */); indent = RLENGTH }
			on { print substr($0, indent + 1) }
			on && /^ *}$/ && match($0, /^ */) && RLENGTH == indent { exit }'
}

# section_of PAGE SECTION: the lines of one section.
section_of() {
	page_text "$1" | awk -v name="$2" '/^[A-Z]/ { on = $0 == name; next } on'
}
