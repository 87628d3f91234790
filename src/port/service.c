/* SPDX-License-Identifier: MIT */
#include <cothon/service.h>

#include "port/service_table.h"

#include <errno.h>
#include <string.h>

/* The C library's functions follow the locale; service names are ASCII (RFC 6335 section 5.1). */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* True if `name` is the `len` characters at `text`, without regard to case. */
static bool name_is(const char *name, const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && name[i] && lower(name[i]) == lower(text[i]))
		i++;
	return i == len && !name[i];
}

/* Ports. */

enum cothon_port_class cothon_port_class(uint16_t port)
{
	if (port <= COTHON_PORT_SYSTEM_LAST)
		return COTHON_PORT_SYSTEM;
	return port <= COTHON_PORT_USER_LAST ? COTHON_PORT_USER : COTHON_PORT_DYNAMIC;
}

const char *cothon_port_class_name(enum cothon_port_class class)
{
	static const char *const names[] = {
		[COTHON_PORT_SYSTEM] = "system",
		[COTHON_PORT_USER] = "user",
		[COTHON_PORT_DYNAMIC] = "dynamic",
	};

	return names[class];
}

/* Transports, in the order in which they are tried and in which the table has them. */
static const struct {
	unsigned number;
	const char *name;
} transports[] = {
	{COTHON_TCP, "tcp"},
	{COTHON_UDP, "udp"},
	{COTHON_DCCP, "dccp"},
	{COTHON_SCTP, "sctp"},
};

enum {
	TRANSPORTS = sizeof(transports) / sizeof(transports[0])
};

const char *cothon_transport_name(unsigned transport)
{
	for (size_t i = 0; i < TRANSPORTS; i++)
		if (transports[i].number == transport)
			return transports[i].name;
	return NULL;
}

unsigned cothon_transport_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < TRANSPORTS; i++)
		if (name_is(transports[i].name, name, len))
			return transports[i].number;
	return 0;
}

/* Services. */

const struct cothon_service *cothon_service_all(size_t *count)
{
	*count = cothon_service_count;
	return cothon_service_rows;
}

const char *cothon_service_description(const struct cothon_service *service)
{
	return cothon_service_texts + service->text;
}

/* FNV-1a of the name in lower case, folded to the number of buckets. */
static uint32_t name_bucket(const char *name, size_t len)
{
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)lower(name[i])) * 16777619;
	return (hash ^ hash >> 16) % COTHON_SERVICE_BUCKETS;
}

static const struct cothon_service *service_by_name(const char *name, size_t len,
						    unsigned transport)
{
	uint32_t bucket;

	if (len >= COTHON_SERVICE_NAME)
		return NULL;
	bucket = name_bucket(name, len);
	for (size_t i = cothon_service_buckets[bucket]; i < cothon_service_buckets[bucket + 1];
	     i++) {
		const struct cothon_service *service =
			&cothon_service_rows[cothon_service_names[i]];
		if ((!transport || service->transport == transport) &&
		    name_is(service->name, name, len))
			return service;
	}
	return NULL;
}

const struct cothon_service *cothon_service_by_name(const char *name, unsigned transport)
{
	/* A longer name is not looked at to its end. */
	return service_by_name(name, strnlen(name, COTHON_SERVICE_NAME), transport);
}

const struct cothon_service *cothon_service_next(const struct cothon_service *service)
{
	size_t len = strlen(service->name);
	uint32_t bucket = name_bucket(service->name, len);
	size_t end = cothon_service_buckets[bucket + 1];
	size_t i = cothon_service_buckets[bucket];

	while (i < end && &cothon_service_rows[cothon_service_names[i]] != service)
		i++;
	if (i + 1 >= end)
		return NULL;
	const struct cothon_service *next = &cothon_service_rows[cothon_service_names[i + 1]];
	return name_is(next->name, service->name, len) ? next : NULL;
}

/* The order of the rows: the port first, then the transport. */
static uint32_t service_key(uint16_t port, unsigned transport)
{
	return (uint32_t)port << 8 | transport;
}

/*
 * The first row of a port and a transport, whether it is for this port alone or a range that begins
 * with it.
 */
static const struct cothon_service *service_row(uint16_t port, unsigned transport)
{
	const struct cothon_service *first = cothon_service_rows;
	size_t count = cothon_service_count;

	while (count) {
		const struct cothon_service *middle = first + count / 2;
		if (service_key(middle->port, middle->transport) < service_key(port, transport)) {
			first = middle + 1;
			count -= count / 2 + 1;
		} else {
			count /= 2;
		}
	}
	if (first == cothon_service_rows + cothon_service_count || first->port != port ||
	    first->transport != transport)
		return NULL;
	return first;
}

static const struct cothon_service *service_range(uint16_t port, unsigned transport)
{
	for (size_t i = 0; i < cothon_service_range_count; i++) {
		const struct cothon_service *range = &cothon_service_rows[cothon_service_ranges[i]];
		if (range->transport == transport && range->port <= port &&
		    port <= range->last_port)
			return range;
	}
	return NULL;
}

static const struct cothon_service *service_by_port(uint16_t port, unsigned transport)
{
	const struct cothon_service *service = service_row(port, transport);

	return service ? service : service_range(port, transport);
}

const struct cothon_service *cothon_service_by_port(uint16_t port, unsigned transport)
{
	const struct cothon_service *service = NULL;

	if (transport)
		return service_by_port(port, transport);
	for (size_t i = 0; i < TRANSPORTS && !service; i++)
		service = service_by_port(port, transports[i].number);
	return service;
}

/* Reading a port. */

enum {
	MISTAKEN_MAX = 255 /* characters of what is taken for a mistaken name */
};

/*
 * What a name may be made of: historic ones have more than the letters, digits and hyphens of RFC
 * 6335.
 */
static bool is_name(const char *text, size_t len)
{
	bool letter = false;

	if (len > MISTAKEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
		if (lower(text[i]) >= 'a' && lower(text[i]) <= 'z')
			letter = true;
	}
	/* RFC 6335 section 5.1: a name has at least one letter, so that no number is a name. */
	return letter;
}

int cothon_port_parse(const char *text, size_t len, unsigned transport, uint16_t *port)
{
	uint32_t number = 0;
	size_t digits = 0;

	while (digits < len && is_digit(text[digits])) {
		number = 10 * number + (uint32_t)(text[digits++] - '0');
		if (number > COTHON_PORT_LAST)
			number = COTHON_PORT_LAST + 1;
	}
	if (len > 0 && digits == len) {
		/* Port 0 is reserved (RFC 6335 section 6): nothing is reached there. */
		if (number == 0 || number > COTHON_PORT_LAST)
			return -ERANGE;
		*port = (uint16_t)number;
		return 0;
	}
	if (!is_name(text, len))
		return -EINVAL;
	const struct cothon_service *service = service_by_name(text, len, transport);
	if (!service)
		return -ENOENT;
	*port = service->port;
	return 0;
}

/* Names like another. */

enum {
	NEAREST_MAX = 2 * COTHON_SERVICE_NAME, /* characters of a mistaken name that count */
	NEAREST_COUNT = 8,                     /* names that are found */
};

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * How many characters to insert, remove, change, or swap with their neighbour make `name` of `text`
 * (the optimal string alignment), without regard to case; more than `limit` may be said as any
 * number above it.
 */
static unsigned name_distance(const char *name, const char *text, size_t len, unsigned limit)
{
	/* The rows of the usual matrix for the last three characters of the name. */
	unsigned rows[3][NEAREST_MAX + 1], least = 0, last_least;

	for (size_t j = 0; j <= len; j++)
		rows[0][j] = (unsigned)j;
	size_t i = 0;
	while (name[i]) {
		const unsigned *older = rows[(i + 2) % 3], *last = rows[i % 3];
		unsigned *row = rows[(i + 1) % 3];
		char c = lower(name[i++]);
		last_least = least;
		least = row[0] = (unsigned)i;
		for (size_t j = 1; j <= len; j++) {
			unsigned differ = c != lower(text[j - 1]);
			row[j] = smaller(smaller(last[j], row[j - 1]) + 1, last[j - 1] + differ);
			if (i > 1 && j > 1 && c == lower(text[j - 2]) &&
			    lower(name[i - 2]) == lower(text[j - 1]))
				row[j] = smaller(row[j], older[j - 2] + 1);
			least = smaller(least, row[j]);
		}
		/* What follows is made of these two rows. */
		if (least > limit && last_least > limit)
			return limit + 1;
	}
	return rows[i % 3][len];
}

/* Which characters there are in a text: one bit for each, and for some that are seldom the same. */
static uint32_t characters(const char *text, size_t len)
{
	uint32_t set = 0;

	for (size_t i = 0; i < len; i++)
		set |= UINT32_C(1) << (lower(text[i]) & 31);
	return set;
}

/* How many characters only the first of two sets has: each takes a change to get rid of. */
static unsigned count_missing(uint32_t set, uint32_t other)
{
	return (unsigned)__builtin_popcount(set & ~other);
}

/* Names by their distance, and among equals as they were found. */
struct ranking {
	const char **names;
	unsigned distances[NEAREST_COUNT];
	size_t count, room;
};

static void rank(struct ranking *ranking, const char *name, unsigned distance)
{
	size_t at;

	if (ranking->count < ranking->room)
		ranking->count++;
	at = ranking->count - 1;
	while (at > 0 && ranking->distances[at - 1] > distance) {
		ranking->names[at] = ranking->names[at - 1];
		ranking->distances[at] = ranking->distances[at - 1];
		at--;
	}
	ranking->names[at] = name;
	ranking->distances[at] = distance;
}

size_t cothon_service_nearest(const char *name, size_t len, const char *nearest[], size_t count)
{
	struct ranking ranking = {
		.names = nearest,
		.room = count < NEAREST_COUNT ? count : NEAREST_COUNT,
	};
	/* One character in three may be wrong, and one in any case. */
	unsigned limit = len < 6 ? 1 : (unsigned)len / 3;
	const char *previous = "";
	uint32_t own;

	if (len > NEAREST_MAX || count == 0)
		return 0;
	own = characters(name, len);
	for (size_t i = 0; i < cothon_service_count; i++) {
		const char *candidate = cothon_service_rows[cothon_service_names[i]].name;
		size_t width = strlen(candidate);
		unsigned distance;
		uint32_t set;

		/* The rows of a name stand together, but may differ in case. */
		if (name_is(previous, candidate, width))
			continue;
		previous = candidate;
		if ((width > len ? width - len : len - width) > limit)
			continue;
		set = characters(candidate, width);
		if (count_missing(own, set) > limit || count_missing(set, own) > limit)
			continue;
		distance = name_distance(candidate, name, len, limit);
		if (distance > limit)
			continue;
		rank(&ranking, candidate, distance);
		/* From now on only better ones. */
		if (ranking.count == ranking.room) {
			unsigned worst = ranking.distances[ranking.count - 1];
			if (worst == 0)
				break;
			limit = worst - 1;
		}
	}
	return ranking.count;
}
