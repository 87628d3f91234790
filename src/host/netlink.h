/* SPDX-License-Identifier: MIT */
#ifndef HOST_NETLINK_H
#define HOST_NETLINK_H

/*
 * Interfaces, addresses and routes of the network namespace that the caller is in, by rtnetlink(7).
 * Every request waits for the kernel's answer.
 */

#include <cothon/addr.h>

#include <stdint.h>

struct host_netlink;

/*
 * Returns 0, -ENOMEM, or the errno of socket(2) or bind(2). Interfaces are those of the namespace
 * at this time.
 */
int host_netlink_open(struct host_netlink **netlink);
void host_netlink_close(struct host_netlink *netlink);

/*
 * *index becomes the number of the interface called `name`. Returns 0, -ENODEV, or the errno of
 * ioctl(2).
 */
int host_netlink_index(struct host_netlink *netlink, const char *name, unsigned *index);

/*
 * Takes the queueing disciplines away from an interface that is down: what it sends goes to its driver at once. Returns 0
 * or the kernel's refusal.
 */
int host_netlink_no_queueing(struct host_netlink *netlink, unsigned index);

/*
 * Brings an interface up; `mtu` 0 leaves its MTU as it is, `queue` 0 the number of packets that may
 * wait to be sent. The kernel's refusal is returned: -EPERM without CAP_NET_ADMIN, -ENODEV, -EINVAL for an MTU that the device cannot have.
 */
int host_netlink_up(struct host_netlink *netlink, unsigned index, uint32_t mtu, uint32_t queue);

/*
 * Keeps the kernel from choosing a link-local address (RFC 4862 section 5.3) when the interface
 * comes up, and so from asking for routers on it. Returns 0, or the kernel's refusal:
 * -EAFNOSUPPORT where it has no IPv6.
 */
int host_netlink_no_link_local(struct host_netlink *netlink, unsigned index);

/*
 * Gives an interface an address in a prefix of `prefix` bits, counted in its own family. An IPv6
 * address is usable at once: no duplicate address detection. Returns 0, or the kernel's refusal:
 * -EEXIST; -EAFNOSUPPORT or -EOPNOTSUPP where it has no IPv6, -EACCES where IPv6 is switched off
 * for the interface.
 */
int host_netlink_address(struct host_netlink *netlink, unsigned index,
			 const struct cothon_addr *addr, unsigned prefix);

/*
 * The default route of the gateway's family, by way of the gateway. Returns 0 or the kernel's
 * refusal.
 */
int host_netlink_default_route(struct host_netlink *netlink, unsigned index,
			       const struct cothon_addr *gateway);

#endif
