/* SPDX-License-Identifier: MIT */
#ifndef PORT_SERVICE_TABLE_H
#define PORT_SERVICE_TABLE_H

/*
 * The registry of services as constant tables, made at build time by scripts/generate-services.
 * They hold no pointers, so that the loader has nothing to relocate and no page of them is touched
 * before a look-up does.
 */

#include <cothon/service.h>

enum {
	COTHON_SERVICE_BUCKETS = 1 << 13
};

/* All services, ordered by port, then transport, then preference. */
extern const size_t cothon_service_count;
extern const struct cothon_service cothon_service_rows[];
/* Their descriptions, at the offsets that the rows give. */
extern const char cothon_service_texts[];
/*
 * Row numbers by the hash of the name: those of bucket i are cothon_service_names[buckets[i]] up
 * to, and without, [buckets[i + 1]]. In a bucket the rows of a name stand together, ordered by
 * transport, then preference.
 */
extern const uint16_t cothon_service_names[];
extern const uint16_t cothon_service_buckets[COTHON_SERVICE_BUCKETS + 1];
/* The rows that are ranges. */
extern const size_t cothon_service_range_count;
extern const uint16_t cothon_service_ranges[];

#endif
