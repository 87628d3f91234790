/* SPDX-License-Identifier: MIT */

/* What a relay shows of its flows. */

#include "relay/state.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

struct view {
	const struct relay *relay;
	void (*each)(const struct relay_flow *flow, void *context);
	void *context;
};

/* The one place where a flow gets the name that its destination was asked for by. */
static void give_name(const struct relay *relay, struct relay_flow *flow)
{
	const struct relay_name *name = relay_names_find(&relay->names, &flow->remote.addr);

	if (name)
		memcpy(flow->name, name->text, strlen(name->text) + 1);
}

static struct cothon_endpoint peer_of(int fd)
{
	struct host_sockaddr peer = {.len = sizeof(peer.in6)};

	if (getpeername(fd, &peer.any, &peer.len) < 0)
		return (struct cothon_endpoint){0};
	return host_sockaddr_endpoint(&peer);
}

/* The round trip that the host's kernel has measured on its side, in microseconds; 0: none yet. */
static uint32_t round_trip(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_rtt;
}

static void show(const struct view *view, struct relay_flow *flow)
{
	give_name(view->relay, flow);
	view->each(flow, view->context);
}

static void show_tcp(const struct view *view, const struct relay_tcp *tcp)
{
	struct cothon_tcp_info info;
	struct relay_flow flow;

	/* A client outside that the sandbox does not know of, or no more. */
	if (!tcp->tcp)
		return;
	cothon_tcp_info(tcp->tcp, &info);
	/* What the stack sends the application receives. */
	flow = (struct relay_flow){
		.transport = COTHON_TCP,
		.published = tcp->inward,
		.inside = cothon_flow_remote(&info.flow),
		.remote = cothon_flow_local(&info.flow),
		.state = info.state,
		.opened_at = info.opened_at,
		.bytes_in = info.bytes_out,
		.bytes_out = info.bytes_in,
		.retransmits = info.retransmits,
		.srtt = info.srtt,
	};
	if (tcp->watch.fd >= 0) {
		flow.host_local = host_socket_local(tcp->watch.fd);
		flow.outside = peer_of(tcp->watch.fd);
		if (tcp->outside_open)
			flow.srtt += round_trip(tcp->watch.fd);
	}
	show(view, &flow);
}

static void show_mapping(struct cothon_flow_entry *entry, void *context)
{
	const struct relay_mapping *mapping = cothon_container(entry, struct relay_mapping, entry);
	const struct relay_udp_socket *socket =
		cothon_container(mapping->sockets.next, struct relay_udp_socket, node);
	struct relay_flow flow = {
		.transport = COTHON_UDP,
		.published = mapping->published,
		.inside = cothon_flow_local(&entry->flow),
		.host_local = host_socket_local(socket->watch.fd),
		.state = COTHON_TCP_CLOSED,
		.opened_at = mapping->opened_at,
		.used_at = mapping->used_at,
		.bytes_in = mapping->bytes_in,
		.bytes_out = mapping->bytes_out,
	};

	show(context, &flow);
}

static void show_echo(struct cothon_flow_entry *entry, void *context)
{
	const struct relay_echo *echo = cothon_container(entry, struct relay_echo, entry);
	struct relay_flow flow = {
		.inside = cothon_flow_local(&entry->flow),
		.host_local = host_socket_local(echo->watch.fd),
		.state = COTHON_TCP_CLOSED,
		.opened_at = echo->opened_at,
		.used_at = echo->used_at,
		.bytes_in = echo->bytes_in,
		.bytes_out = echo->bytes_out,
	};

	show(context, &flow);
}

void relay_flows(const struct relay *relay,
		 void (*each)(const struct relay_flow *flow, void *context), void *context)
{
	struct view view = {.relay = relay, .each = each, .context = context};

	for (const struct cothon_list *node = relay->tcp.all.next; node != &relay->tcp.all;
	     node = node->next)
		show_tcp(&view, cothon_container(node, struct relay_tcp, node));
	cothon_flow_table_each(relay->udp.mappings, show_mapping, &view);
	cothon_flow_table_each(relay->echo.mappings, show_echo, &view);
}
