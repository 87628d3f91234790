/* SPDX-License-Identifier: MIT */
#ifndef UNIT_RELAY_ZONE_H
#define UNIT_RELAY_ZONE_H

/*
 * A resolver on the loopback that knows a few records and keeps what it was asked. It runs in the
 * house's loop.
 */

#include "host/loop.h"
#include "relay/question.h"

struct zone_record {
	const char *name;
	uint16_t type; /* A, AAAA, CNAME; 0: the whole name fails with the code in `ttl` */
	const char *data;
	uint32_t ttl;
};

struct zone {
	struct host_watch watch;
	struct host_loop *loop;
	const struct zone_record *records; /* ends with a NULL name */
	/* An answer ends with the alias: what it leads to has to be asked for. */
	bool terse;
	bool silent, no_edns;
	unsigned asked;
	char last[256]; /* name asked for last */
};

void zone_open(struct zone *zone, const struct zone_record *records);
uint16_t zone_port(const struct zone *zone);
/* Begins to answer, in a loop. */
void zone_serve(struct zone *zone, struct host_loop *loop);
void zone_close(struct zone *zone);

/* Makes the message that asks for a name; returns its length. */
size_t zone_question(const char *name, uint16_t type, uint8_t message[static 512]);

#endif
