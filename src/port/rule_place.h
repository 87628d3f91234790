/* SPDX-License-Identifier: MIT */
#ifndef PORT_RULE_PLACE_H
#define PORT_RULE_PLACE_H

/*
 * Where a rule is about, as a string of bits, so that "is within" is "begins with" for addresses
 * and names alike:
 *
 *   any               no bits
 *   10.0.0.0/8        '4', the first 8 bits of the address
 *   fd00::/8          '6', the first 8 bits of the address
 *   example.com       'n', "moc.elpmaxe", NUL
 *   *.example.com     'n', "moc.elpmaxe."
 *
 * Sorted, the places within a place follow it.
 */

#include <cothon/rule.h>

enum {
	/* 'n', a name, and what ends it. */
	COTHON_PLACE_MAX = COTHON_NAME_MAX + 2
};

struct cothon_place {
	uint16_t bits;
	uint8_t bytes[COTHON_PLACE_MAX]; /* bits of the last one that do not count are 0 */
};

/* How many bytes so many bits take. */
static inline size_t cothon_place_size(unsigned bits)
{
	return (bits + 7) / 8;
}

void cothon_place_of_rule(struct cothon_place *place, const struct cothon_rule *rule);
void cothon_place_of_prefix(struct cothon_place *place, const struct cothon_addr *addr,
			    unsigned bits);
/* Of a name in normal form, or of what is below it. */
void cothon_place_of_name(struct cothon_place *place, const char *name, bool below);

#endif
