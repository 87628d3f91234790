/* SPDX-License-Identifier: MIT */
#ifndef PORT_EPHEMERAL_H
#define PORT_EPHEMERAL_H

/*
 * The allocator of ephemeral ports: a client's side of a flow gets a port that nobody can guess
 * (RFC 6056), that is never a system port and never a reserved one. A port counts per destination:
 * that it is taken towards one leaves it free towards all others.
 *
 * For a few destinations to which most ports are taken the allocator remembers which; so a port
 * that its caller refused has to be released when it becomes free.
 *
 * Memory: a bit for each port of the range, nine times: 19 KiB for the dynamic ports.
 */

#include "base/siphash.h"
#include <cothon/addr.h>
#include <cothon/buf.h>

struct cothon_ephemeral;

/*
 * Makes an allocator of the ports from `first` to `last`, inclusive, but for those in the
 * `reserved_count` ranges of `reserved`, which may overlap and lie outside. Returns 0, -ENOMEM, or
 * -EINVAL when `first` is below 1024 or above `last`, or a range ends before it begins.
 */
int cothon_ephemeral_create(const struct cothon_memory *memory,
			    const struct cothon_siphash_key *key, uint16_t first, uint16_t last,
			    const struct cothon_port_range *reserved, size_t reserved_count,
			    struct cothon_ephemeral **ephemeral);
void cothon_ephemeral_destroy(struct cothon_ephemeral *ephemeral);
/*
 * Chooses a port for flow->local_port, whose value does not matter, for which free(context, port)
 * is true: at random, each that is free as likely as any other. Returns 0, or -EADDRNOTAVAIL when
 * `free` refused them all: each is asked about once or remembered, and a few more at random before.
 */
int cothon_ephemeral_choose(struct cothon_ephemeral *ephemeral, const struct cothon_flow *flow,
			    bool (*free)(void *context, uint16_t port), void *context,
			    uint16_t *port);
/*
 * What stood in the way of flow->local_port is gone for this flow: it may be chosen again. Of no
 * effect where it was not refused.
 */
void cothon_ephemeral_release(struct cothon_ephemeral *ephemeral, const struct cothon_flow *flow);
/* The same for a port and all flows of a transport. */
void cothon_ephemeral_release_port(struct cothon_ephemeral *ephemeral, uint8_t transport,
				   uint16_t port);

#endif
