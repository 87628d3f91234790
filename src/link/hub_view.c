/* SPDX-License-Identifier: MIT */
#include "link/hub.h"

static enum cothon_tcp_state state_of(const struct cothon_hub_passage *passage, unsigned side)
{
	if (passage->entry.flow.transport != COTHON_TCP || passage->reset)
		return COTHON_TCP_CLOSED;
	if (!passage->answered)
		return side == passage->opener ? COTHON_TCP_SYN_SENT : COTHON_TCP_SYN_RECEIVED;
	if (passage->sides[0].fin && passage->sides[1].fin)
		return COTHON_TCP_TIME_WAIT;
	if (passage->sides[side].fin)
		return COTHON_TCP_FIN_WAIT_1;
	return passage->sides[!side].fin ? COTHON_TCP_CLOSE_WAIT : COTHON_TCP_ESTABLISHED;
}

static struct cothon_hub_flow view(const struct cothon_hub_passage *passage, unsigned side)
{
	return (struct cothon_hub_flow){
		.transport = cothon_hub_transport(passage),
		.opened = side == passage->opener,
		.local = cothon_hub_endpoint(passage, side),
		.remote = cothon_hub_endpoint(passage, !side),
		.state = state_of(passage, side),
		.opened_at = passage->opened_at,
		.used_at = passage->used_at,
		.bytes_out = passage->sides[side].bytes,
		.bytes_in = passage->sides[!side].bytes,
	};
}

void cothon_hub_flows(const struct cothon_link *link,
		      void (*each)(const struct cothon_hub_flow *flow, void *context),
		      void *context)
{
	const struct cothon_hub_port *port = cothon_container(link, struct cothon_hub_port, link);
	struct cothon_hub_flow flow;

	for (unsigned i = 0; i < COTHON_HUB_CLASSES; i++) {
		for (const struct cothon_list *node = port->opened[i].next;
		     node != &port->opened[i]; node = node->next) {
			const struct cothon_hub_passage *passage =
				cothon_container(node, struct cothon_hub_passage, by_use);

			flow = view(passage, passage->opener);
			each(&flow, context);
		}
	}
	for (const struct cothon_list *node = port->reached.next; node != &port->reached;
	     node = node->next) {
		const struct cothon_hub_passage *passage =
			cothon_container(node, struct cothon_hub_passage, reached);

		flow = view(passage, !passage->opener);
		each(&flow, context);
	}
}

bool cothon_hub_find(const struct cothon_link *link, uint8_t transport,
		     const struct cothon_endpoint *local, const struct cothon_endpoint *remote,
		     struct cothon_hub_flow *flow)
{
	const struct cothon_hub_port *port = cothon_container(link, struct cothon_hub_port, link);
	unsigned side;
	const struct cothon_hub_passage *passage =
		cothon_hub_between(port, transport, local, remote, &side);

	if (passage)
		*flow = view(passage, side);
	return passage;
}
