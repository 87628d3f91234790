/* SPDX-License-Identifier: MIT */
#ifndef PORT_NAME_H
#define PORT_NAME_H

/* Domain names as rules have them. */

#include <cothon/rule.h>

/*
 * Brings a name to its normal form, as cothon_name_normalize() does. Returns NULL, or what keeps the
 * text from being a name, in words that follow "is no domain name: ".
 */
const char *cothon_name_read(const char *name, size_t len, char normal[static COTHON_NAME_MAX + 1]);

#endif
