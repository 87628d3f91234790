/* SPDX-License-Identifier: MIT */
#ifndef COTHON_SERVICE_H
#define COTHON_SERVICE_H

/*
 * The registry of services: which name IANA binds to which port and transport (RFC 6335), as
 * constant data. Names compare without regard to case.
 */

#include <cothon/addr.h>

/* Room for the longest name (RFC 6335 section 5.1: 15 characters) with its terminating NUL. */
enum {
	COTHON_SERVICE_NAME = 16
};

struct cothon_service {
	char name[COTHON_SERVICE_NAME];
	uint16_t port, last_port; /* equal, but for a range */
	uint8_t transport;        /* enum cothon_transport */
	uint32_t text;            /* for cothon_service_description() */
};

/* What the registry says of a service: one line of ASCII, perhaps empty. */
const char *cothon_service_description(const struct cothon_service *service);

/* The three ranges (RFC 6335 section 6). */
enum cothon_port_class {
	COTHON_PORT_SYSTEM,
	COTHON_PORT_USER,
	COTHON_PORT_DYNAMIC
};
enum {
	COTHON_PORT_SYSTEM_LAST = 1023,
	COTHON_PORT_USER_LAST = 49151,
	COTHON_PORT_LAST = 65535,
};

enum cothon_port_class cothon_port_class(uint16_t port);
/* "system", "user", "dynamic" */
const char *cothon_port_class_name(enum cothon_port_class class);

/* The first service of that name on that transport (0: any transport, tcp first), or NULL. */
const struct cothon_service *cothon_service_by_name(const char *name, unsigned transport);
/*
 * The next service of the same name, on whatever transport, after one that is in the table; the
 * first is what cothon_service_by_name() finds for any transport. NULL: there is none.
 */
const struct cothon_service *cothon_service_next(const struct cothon_service *service);
/*
 * The preferred service of a port on a transport (0: any, tcp first), or NULL. One that has the
 * port for itself comes before a range.
 */
const struct cothon_service *cothon_service_by_port(uint16_t port, unsigned transport);
/* All services, ordered by port, then transport, then preference; *count tells how many. */
const struct cothon_service *cothon_service_all(size_t *count);
/*
 * The names that are most like a mistaken one of `len` characters, the most similar first: at most
 * `count` of them, and at most 8, are put into `nearest`. Returns how many, which may be 0.
 */
size_t cothon_service_nearest(const char *name, size_t len, const char *nearest[], size_t count);

/* "tcp", "udp", "sctp", "dccp"; NULL for others. */
const char *cothon_transport_name(unsigned transport);
/* The number of a transport's name, or 0. */
unsigned cothon_transport_by_name(const char *name, size_t len);

/*
 * Reads a port given as a number (1 to 65535) or as a service's name on `transport` (0: any, tcp
 * first); the port of a service that has a range is the first of it. `text` need not end with NUL.
 * Returns 0, -EINVAL for no number or no name, -ERANGE for a number out of range, or -ENOENT for a
 * name that is not in the registry.
 */
int cothon_port_parse(const char *text, size_t len, unsigned transport, uint16_t *port);

#endif
