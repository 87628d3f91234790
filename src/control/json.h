/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

/* What appears in several answers, as JSON. Each returns a new value, or NULL without memory. */

#include <cothon/addr.h>

#include <jansson.h>

/* A text of bytes of any kind: those that are not UTF-8 become U+FFFD. */
json_t *control_json_text(const char *text);
json_t *control_json_addr(const struct cothon_addr *addr);
/* {"address": "10.0.2.100", "port": 80}; any address and port 0 are null. */
json_t *control_json_endpoint(const struct cothon_endpoint *endpoint);
/* Microseconds since 1970 as a time of RFC 3339, in UTC. */
json_t *control_json_time(uint64_t microseconds);

#endif
