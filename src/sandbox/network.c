/* SPDX-License-Identifier: MIT */
#include "sandbox/network.h"

#include "host/namespace.h"
#include "host/netlink.h"
#include <cothon/service.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>

enum {
	/*
	 * Packets that the device holds for the engine. The kernel's 500 overflow when some hundred
	 * flows begin or end at once: 3,000 flows, 500 at a time, lost 1,900 to 9,000 packets, and
	 * waited for their retransmission.
	 */
	QUEUE = 10000,
};

int sandbox_network_open_tun(void)
{
	int tun = open(SANDBOX_TUN, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return tun < 0 ? -errno : tun;
}

int sandbox_network_make_device(int tun, bool queues)
{
	struct ifreq request = {
		.ifr_name = SANDBOX_DEVICE_NAME,
		.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
	};

	if (queues)
		request.ifr_flags |= IFF_MULTI_QUEUE;

	if (ioctl(tun, TUNSETIFF, &request) < 0)
		return -errno;
	/*
	 * To remove a device takes the kernel tens of milliseconds. When the descriptor is closed
	 * its owner waits for that; when the namespace ends nobody does.
	 */
	return ioctl(tun, TUNSETPERSIST, 1) < 0 ? -errno : 0;
}

static int add_family(struct host_netlink *netlink, unsigned device,
		      const struct relay_family *family)
{
	int error = host_netlink_address(netlink, device, &family->sandbox, family->prefix);

	if (error < 0)
		return error;
	return host_netlink_default_route(netlink, device, &family->gateway);
}

static bool means_no_ipv6(int error)
{
	return error == -EAFNOSUPPORT || error == -EOPNOTSUPP || error == -EACCES;
}

static int configure(struct host_netlink *netlink, struct relay_network *network)
{
	unsigned loopback = 0, device = 0;
	int error = host_netlink_index(netlink, "lo", &loopback);

	if (error == 0)
		error = host_netlink_index(netlink, SANDBOX_DEVICE_NAME, &device);
	if (error == 0)
		error = host_netlink_up(netlink, loopback, 0, 0);
	if (error < 0)
		return error;
	/* Where this is refused there is no IPv6, or a link-local address does no harm. */
	host_netlink_no_link_local(netlink, device);
	/*
	 * The driver has its queue, and never says that it is full: disciplines in front of it are empty. With several queues
	 * the kernel would make 256 of them. Where this is refused, they do no harm but to the start.
	 */
	host_netlink_no_queueing(netlink, device);
	error = host_netlink_up(netlink, device, network->mtu, QUEUE);
	if (error == 0 && network->ipv4.enabled)
		error = add_family(netlink, device, &network->ipv4);
	if (error < 0 || !network->ipv6.enabled)
		return error;
	error = add_family(netlink, device, &network->ipv6);
	if (means_no_ipv6(error) && network->ipv4.enabled) {
		network->ipv6.enabled = false;
		return 0;
	}
	return error;
}

int sandbox_network_configure(struct relay_network *network)
{
	struct host_netlink *netlink;
	int error = host_netlink_open(&netlink);

	if (error < 0)
		return error;
	error = configure(netlink, network);
	host_netlink_close(netlink);
	return error;
}

/*
 * The path that may be congested begins at the engine's own sockets, which have the host's algorithm. Over the link one that
 * paces, such as bbr, only waits: with bbr inside one stream moved 13 Gbit/s, with cubic 23. Where cubic is not allowed
 * to namespaces, reno always is.
 */
static void choose_congestion_control(void)
{
	const char *file = "/proc/sys/net/ipv4/tcp_congestion_control";

	if (host_proc_write(file, "cubic") < 0)
		host_proc_write(file, "reno");
}

int sandbox_network_tune(uint32_t first_group, uint32_t last_group)
{
	char range[32];
	int error;

	snprintf(range, sizeof(range), "%d %d", COTHON_PORT_USER_LAST + 1, COTHON_PORT_LAST);
	error = host_proc_write("/proc/sys/net/ipv4/ip_local_port_range", range);
	if (error < 0)
		return error;
	choose_congestion_control();
	/* The file takes groups up to this one. */
	if (last_group > INT32_MAX)
		last_group = INT32_MAX;
	snprintf(range, sizeof(range), "%" PRIu32 " %" PRIu32, first_group, last_group);
	return host_proc_write("/proc/sys/net/ipv4/ping_group_range", range);
}
