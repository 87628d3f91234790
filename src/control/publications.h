/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_PUBLICATIONS_H
#define CONTROL_PUBLICATIONS_H

/* Publications as JSON; the server and its clients write and read the same. */

#include "control/fields.h"
#include "control/log.h"
#include "relay/relay.h"

/*
 * {"transport": "tcp", "address": null, "outside": 8080, "inside": 80, "count": 1}; the address is
 * null for all addresses of the host. Returns a new value, or NULL without memory.
 */
json_t *control_publication_json(const struct relay_publication *publication);
/* Reads one; what is wrong is noted in *fields. */
struct relay_publication control_publication_read(struct control_fields *fields);
/* Tells a log that a port was "published", or is it no longer: "unpublished". `log` may be NULL. */
void control_publication_log(struct control_log *log, const char *event,
			     const struct relay_publication *publication);

#endif
