/* SPDX-License-Identifier: MIT */
#include "port/rule_place.h"

#include <string.h>

void cothon_place_of_prefix(struct cothon_place *place, const struct cothon_addr *addr,
			    unsigned bits)
{
	bool ipv4 = cothon_addr_is_ipv4(addr);
	size_t size = cothon_place_size(bits);

	place->bytes[0] = ipv4 ? '4' : '6';
	memcpy(place->bytes + 1, addr->b + (ipv4 ? 12 : 0), size);
	if (bits % 8)
		place->bytes[size] &= (uint8_t)(0xff00 >> bits % 8);
	place->bits = (uint16_t)(8 + bits);
}

void cothon_place_of_name(struct cothon_place *place, const char *name, bool below)
{
	size_t len = strlen(name);

	place->bytes[0] = 'n';
	for (size_t i = 0; i < len; i++)
		place->bytes[1 + i] = (uint8_t)name[len - 1 - i];
	place->bytes[1 + len] = below ? '.' : '\0';
	place->bits = (uint16_t)(8 * (len + 2));
}

void cothon_place_of_rule(struct cothon_place *place, const struct cothon_rule *rule)
{
	switch (rule->kind) {
	case COTHON_RULE_PREFIX:
		cothon_place_of_prefix(place, &rule->addr, rule->bits);
		break;
	case COTHON_RULE_NAME:
	case COTHON_RULE_BELOW:
		cothon_place_of_name(place, rule->name, rule->kind == COTHON_RULE_BELOW);
		break;
	default:
		place->bits = 0;
		break;
	}
}
