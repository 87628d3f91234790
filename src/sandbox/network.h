/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_NETWORK_H
#define SANDBOX_NETWORK_H

/* The sandbox's end of its link, made and set up from inside its network namespace. */

#include "relay/relay.h"

#include <stdint.h>

/* The device's name inside. */
#define SANDBOX_DEVICE_NAME "cothon0"
#define SANDBOX_TUN         "/dev/net/tun"

/*
 * Opens the TUN driver, not blocking and close-on-exec. Returns a descriptor or the errno of
 * open(2).
 */
int sandbox_network_open_tun(void);
/*
 * Makes the device: IFF_TUN | IFF_NO_PI | IFF_VNET_HDR. It belongs to the namespace and goes with
 * it, not with the descriptor. With `queues` each further call adds a queue to it. Returns 0 or the errno of
 * the ioctl.
 */
int sandbox_network_make_device(int tun, bool queues);

/*
 * Brings up the loopback and the device, with addresses and default routes. Where the kernel has
 * no IPv6 and the network has IPv4 too, network->ipv6.enabled becomes false instead of an error.
 * Returns 0 or a negative errno.
 */
int sandbox_network_configure(struct relay_network *network);

/*
 * Chooses the ephemeral ports of the namespace from the dynamic range, makes cubic or reno its
 * congestion control, and lets the groups first_group to last_group send echo requests. Returns 0 or the errno of the first file of
 * /proc/sys that refused.
 */
int sandbox_network_tune(uint32_t first_group, uint32_t last_group);

#endif
