/* SPDX-License-Identifier: MIT */
#include "host/sockdiag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* What the kernel fills at most with one answer to a dump (NLMSG_GOODSIZE up to 32 KiB). */
	ANSWER_ROOM = 32768,
	/* The kernel's numbers of states, in <net/tcp_states.h>. */
	KERNEL_TIME_WAIT = 6,
};

/* What the kernel calls the states, by its numbers. */
static const uint8_t states[] = {
	[1] = COTHON_TCP_ESTABLISHED,  [2] = COTHON_TCP_SYN_SENT,
	[3] = COTHON_TCP_SYN_RECEIVED, [4] = COTHON_TCP_FIN_WAIT_1,
	[5] = COTHON_TCP_FIN_WAIT_2,   [KERNEL_TIME_WAIT] = COTHON_TCP_TIME_WAIT,
	[7] = COTHON_TCP_CLOSED,       [8] = COTHON_TCP_CLOSE_WAIT,
	[9] = COTHON_TCP_LAST_ACK,     [10] = COTHON_TCP_LISTEN,
	[11] = COTHON_TCP_CLOSING,     [12] = COTHON_TCP_SYN_RECEIVED,
};

struct listing {
	enum cothon_transport transport;
	int (*each)(const struct host_inet_socket *socket, void *context);
	void *context;
	int result;
};

static struct cothon_endpoint endpoint(uint8_t family, const uint32_t *addr, uint16_t port)
{
	struct cothon_endpoint endpoint = {.port = ntohs(port)};
	uint8_t bytes[16];

	memcpy(bytes, addr, sizeof(bytes));
	endpoint.addr = family == AF_INET ? cothon_addr_ipv4(bytes) : cothon_addr_ipv6(bytes);
	return endpoint;
}

static bool has_peer_ended(enum cothon_tcp_state state)
{
	return state == COTHON_TCP_CLOSE_WAIT || state == COTHON_TCP_LAST_ACK ||
	       state == COTHON_TCP_CLOSING;
}

/* A kernel that knows less of a flow sends a shorter structure. */
static void read_info(const struct nlattr *attr, struct host_inet_socket *socket)
{
	size_t len = mnl_attr_get_payload_len(attr);
	struct tcp_info info = {0};

	memcpy(&info, mnl_attr_get_payload(attr), len < sizeof(info) ? len : sizeof(info));
	socket->bytes_out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
	socket->bytes_in = info.tcpi_bytes_received;
	/* There the peer's FIN counts as one. */
	if (has_peer_ended(socket->state) && socket->bytes_in > 0)
		socket->bytes_in--;
	socket->retransmits = info.tcpi_total_retrans;
	socket->srtt = info.tcpi_rtt;
}

static int read_attribute(const struct nlattr *attr, void *context)
{
	struct host_inet_socket *socket = context;
	uint16_t type = mnl_attr_get_type(attr);

	if (type == INET_DIAG_INFO && socket->transport == COTHON_TCP &&
	    socket->state != COTHON_TCP_LISTEN)
		read_info(attr, socket);
	if (type == INET_DIAG_SKV6ONLY && mnl_attr_get_payload_len(attr) >= 1)
		socket->v6only = mnl_attr_get_u8(attr) != 0;
	return MNL_CB_OK;
}

int host_sockdiag_parse(const struct nlmsghdr *message, enum cothon_transport transport,
			struct host_inet_socket *socket)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*diag) ||
	    (diag->idiag_family != AF_INET && diag->idiag_family != AF_INET6) ||
	    diag->idiag_state >= sizeof(states))
		return -EBADMSG;
	*socket = (struct host_inet_socket){
		.transport = (uint8_t)transport,
		.family = diag->idiag_family,
		.state = (enum cothon_tcp_state)states[diag->idiag_state],
		.local = endpoint(diag->idiag_family, diag->id.idiag_src, diag->id.idiag_sport),
		.remote = endpoint(diag->idiag_family, diag->id.idiag_dst, diag->id.idiag_dport),
		.inode = diag->idiag_inode,
		.uid = diag->idiag_uid,
	};
	return mnl_attr_parse(message, sizeof(*diag), read_attribute, socket) < 0 ? -EBADMSG : 0;
}

static int take(const struct nlmsghdr *message, void *context)
{
	struct listing *listing = context;
	struct host_inet_socket socket;

	listing->result = host_sockdiag_parse(message, listing->transport, &socket);
	if (listing->result == 0)
		listing->result = listing->each(&socket, listing->context);
	return listing->result == 0 ? MNL_CB_OK : MNL_CB_STOP;
}

static int ask(struct mnl_socket *netlink, enum cothon_transport transport, int family)
{
	_Alignas(struct nlmsghdr) char room[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(room);
	struct inet_diag_req_v2 *wanted;

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));
	wanted->sdiag_family = (uint8_t)family;
	wanted->sdiag_protocol = (uint8_t)transport;
	wanted->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	wanted->idiag_states = ~(1U << KERNEL_TIME_WAIT);
	return mnl_socket_sendto(netlink, request, request->nlmsg_len) < 0 ? -errno : 0;
}

static int receive(struct mnl_socket *netlink, struct listing *listing)
{
	char *answer = malloc(ANSWER_ROOM);
	int more = MNL_CB_OK;

	if (!answer)
		return -ENOMEM;
	while (more == MNL_CB_OK) {
		ssize_t len = mnl_socket_recvfrom(netlink, answer, ANSWER_ROOM);

		if (len >= 0)
			more = mnl_cb_run(answer, (size_t)len, 0, mnl_socket_get_portid(netlink),
					  take, listing);
		else if (errno != EINTR)
			more = MNL_CB_ERROR;
	}
	if (more == MNL_CB_ERROR)
		listing->result = -errno;
	free(answer);
	return listing->result;
}

int host_sockdiag_list(enum cothon_transport transport, int family,
		       int (*each)(const struct host_inet_socket *socket, void *context),
		       void *context)
{
	struct listing listing = {.transport = transport, .each = each, .context = context};
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int error;

	if (!netlink)
		return -errno;
	error = mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (error == 0)
		error = ask(netlink, transport, family);
	if (error == 0)
		error = receive(netlink, &listing);
	mnl_socket_close(netlink);
	return error;
}
