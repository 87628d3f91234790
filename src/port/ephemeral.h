/* SPDX-License-Identifier: MIT */
#ifndef PORT_EPHEMERAL_H
#define PORT_EPHEMERAL_H

/*
 * The allocator of ephemeral ports: a client's side of a flow gets a port that nobody can guess
 * (RFC 6056) and that is never a system port.
 */

#include "base/siphash.h"
#include <cothon/addr.h>

struct cothon_ephemeral {
	struct cothon_siphash_key key;
	uint64_t counter;
	uint16_t first, last; /* inclusive; first is at least 1024 */
};

/* Returns 0, or -EINVAL when first is below 1024 or above last. */
int cothon_ephemeral_init(struct cothon_ephemeral *ephemeral, const struct cothon_siphash_key *key,
			  uint16_t first, uint16_t last);
/*
 * Chooses a port of the range for which free(context, port) is true, starting at one that is random
 * and differs between destinations, and puts it into *port. Every port of the range is tried at
 * most once. Returns 0, or -EADDRNOTAVAIL when none is free.
 */
int cothon_ephemeral_choose(struct cothon_ephemeral *ephemeral, const struct cothon_addr *local,
			    const struct cothon_endpoint *remote,
			    bool (*free)(void *context, uint16_t port), void *context,
			    uint16_t *port);

#endif
