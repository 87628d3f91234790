/* SPDX-License-Identifier: MIT */
#include "host/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	/*
	 * Room for one request or one answer; the largest answer is an error that quotes its
	 * request.
	 */
	MESSAGE_ROOM = 1024,
};

struct host_netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	_Alignas(struct nlmsghdr) char message[MESSAGE_ROOM];
};

int host_netlink_open(struct host_netlink **netlink)
{
	struct host_netlink *made = calloc(1, sizeof(*made));
	int error;

	if (!made)
		return -ENOMEM;
	made->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (made->socket && mnl_socket_bind(made->socket, 0, MNL_SOCKET_AUTOPID) == 0) {
		*netlink = made;
		return 0;
	}
	error = -errno;
	if (made->socket)
		mnl_socket_close(made->socket);
	free(made);
	return error;
}

void host_netlink_close(struct host_netlink *netlink)
{
	mnl_socket_close(netlink->socket);
	free(netlink);
}

int host_netlink_index(struct host_netlink *netlink, const char *name, unsigned *index)
{
	struct ifreq request = {.ifr_ifindex = 0};

	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	memcpy(request.ifr_name, name, strlen(name));
	if (ioctl(mnl_socket_get_fd(netlink->socket), SIOCGIFINDEX, &request) < 0)
		return -errno;
	*index = (unsigned)request.ifr_ifindex;
	return 0;
}

/*
 * Begins a request in netlink->message: its header, and `extra` zeroed bytes of the header of its
 * kind.
 */
static struct nlmsghdr *begin(struct host_netlink *netlink, uint16_t type, uint16_t flags,
			      size_t extra)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(netlink->message);

	request->nlmsg_type = type;
	request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	request->nlmsg_seq = ++netlink->sequence;
	mnl_nlmsg_put_extra_header(request, extra);
	return request;
}

/* Sends the request and takes its answer: 0, or the kernel's refusal as a negative errno. */
static int ask(struct host_netlink *netlink, const struct nlmsghdr *request)
{
	uint32_t sequence = request->nlmsg_seq;
	ssize_t len;

	if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(netlink->socket, netlink->message,
					  sizeof(netlink->message));
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	if (mnl_cb_run(netlink->message, (size_t)len, sequence,
		       mnl_socket_get_portid(netlink->socket), NULL, NULL) < 0)
		return -errno;
	return 0;
}

int host_netlink_up(struct host_netlink *netlink, unsigned index, uint32_t mtu, uint32_t queue)
{
	struct nlmsghdr *request = begin(netlink, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
	struct ifinfomsg *link = mnl_nlmsg_get_payload(request);

	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)index;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	if (mtu)
		mnl_attr_put_u32(request, IFLA_MTU, mtu);
	if (queue)
		mnl_attr_put_u32(request, IFLA_TXQLEN, queue);
	return ask(netlink, request);
}

int host_netlink_no_queueing(struct host_netlink *netlink, unsigned index)
{
	struct nlmsghdr *request =
		begin(netlink, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, sizeof(struct tcmsg));
	struct tcmsg *discipline = mnl_nlmsg_get_payload(request);

	discipline->tcm_family = AF_UNSPEC;
	discipline->tcm_ifindex = (int)index;
	discipline->tcm_parent = TC_H_ROOT;
	mnl_attr_put_strz(request, TCA_KIND, "noqueue");
	return ask(netlink, request);
}

int host_netlink_no_link_local(struct host_netlink *netlink, unsigned index)
{
	struct nlmsghdr *request = begin(netlink, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
	struct ifinfomsg *link = mnl_nlmsg_get_payload(request);
	struct nlattr *families, *ipv6;

	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)index;
	families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	ipv6 = mnl_attr_nest_start(request, AF_INET6);
	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request, ipv6);
	mnl_attr_nest_end(request, families);
	return ask(netlink, request);
}

static uint8_t family(const struct cothon_addr *addr)
{
	return cothon_addr_is_ipv4(addr) ? AF_INET : AF_INET6;
}

static void put_addr(struct nlmsghdr *request, uint16_t type, const struct cothon_addr *addr)
{
	if (cothon_addr_is_ipv4(addr))
		mnl_attr_put(request, type, 4, addr->b + 12);
	else
		mnl_attr_put(request, type, 16, addr->b);
}

int host_netlink_address(struct host_netlink *netlink, unsigned index,
			 const struct cothon_addr *addr, unsigned prefix)
{
	struct nlmsghdr *request =
		begin(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *address = mnl_nlmsg_get_payload(request);

	address->ifa_family = family(addr);
	address->ifa_prefixlen = (uint8_t)prefix;
	address->ifa_flags = IFA_F_NODAD | IFA_F_PERMANENT;
	address->ifa_scope = RT_SCOPE_UNIVERSE;
	address->ifa_index = index;
	put_addr(request, IFA_LOCAL, addr);
	put_addr(request, IFA_ADDRESS, addr);
	return ask(netlink, request);
}

int host_netlink_default_route(struct host_netlink *netlink, unsigned index,
			       const struct cothon_addr *gateway)
{
	struct nlmsghdr *request = begin(netlink, RTM_NEWROUTE, NLM_F_CREATE, sizeof(struct rtmsg));
	struct rtmsg *route = mnl_nlmsg_get_payload(request);

	route->rtm_family = family(gateway);
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	put_addr(request, RTA_GATEWAY, gateway);
	mnl_attr_put_u32(request, RTA_OIF, index);
	return ask(netlink, request);
}
