/* SPDX-License-Identifier: MIT */
#ifndef WIRE_OPTIONS_H
#define WIRE_OPTIONS_H

/*
 * The list of options behind an IPv4 header (RFC 791 section 3.1) and a TCP header (RFC 9293 section 3.1): a kind, and a length
 * that counts both of them, but for the two kinds that are a byte each.
 */

#include "base/bytes.h"
#include <errno.h>

enum {
	COTHON_OPTION_END = 0,
	COTHON_OPTION_NOP = 1,
};

/*
 * Finds the option at `*at` or behind it, whole, and steps behind that. Returns 1; 0 at the end of the list; or -EBADMSG
 * when its length is 0, 1 or overruns the list.
 */
static inline int cothon_option_next(struct cothon_bytes options, size_t *at,
				     struct cothon_bytes *option)
{
	const uint8_t *p;
	size_t left;

	while (*at < options.len && options.data[*at] == COTHON_OPTION_NOP)
		++*at;
	if (*at == options.len || options.data[*at] == COTHON_OPTION_END)
		return 0;
	p = options.data + *at;
	left = options.len - *at;
	if (left < 2 || p[1] < 2 || p[1] > left)
		return -EBADMSG;
	*option = (struct cothon_bytes){p, p[1]};
	*at += p[1];
	return 1;
}

#endif
