/* SPDX-License-Identifier: MIT */
#include "edges.h"

#include "wire/tcp.h"

/* The edge of a flow; a new one if there is none. NULL when the table is full. */
static struct edge *find(struct edges *edges, const struct cothon_flow *flow)
{
	uint64_t words[sizeof(*flow) / sizeof(uint64_t)];
	uint64_t sum = 0;

	memcpy(words, flow, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15;
	for (size_t i = sum >> 32;; i++) {
		struct edge *edge = &edges->all[i % EDGES];

		if (edge->used && cothon_flow_equal(&edge->flow, flow))
			return edge;
		if (edge->used)
			continue;
		if (edges->count == EDGES - 1)
			return NULL;
		edges->count++;
		*edge = (struct edge){.flow = *flow, .used = true};
		return edge;
	}
}

static const char *look_at_segment(struct edges *edges, const struct cothon_ip *ip,
				   const struct cothon_tcp_header *tcp)
{
	struct cothon_endpoint from = {ip->source, tcp->source_port};
	struct cothon_endpoint to = {ip->destination, tcp->destination_port};
	struct cothon_flow flow = cothon_flow_make(COTHON_TCP, &from, &to);
	struct cothon_flow reverse = cothon_flow_make(COTHON_TCP, &to, &from);
	struct edge *edge = find(edges, &flow);
	struct edge *peer = find(edges, &reverse);
	uint32_t grain, right;

	if (!edge || !peer)
		return "there are more flows than the simulation looks at";
	if (tcp->flags & COTHON_TCP_SYN) {
		edge->known = false;
		edge->scaled = tcp->has_window_scale;
		edge->scale = tcp->window_scale;
		return NULL;
	}
	/* A scale counts when both have offered one. */
	grain = edge->scaled && peer->scaled ? UINT32_C(1) << edge->scale : 1;
	right = tcp->ack.v + tcp->window * grain;
	if (edge->known && (int32_t)(right - edge->right) <= -(int32_t)grain)
		return "the right edge of a window moves left";
	if (!edge->known || (int32_t)(right - edge->right) > 0)
		edge->right = right;
	edge->known = true;
	return NULL;
}

const char *edges_look(struct edges *edges, const uint8_t *data, size_t len,
		       const struct cothon_offload *offload)
{
	struct cothon_bytes packet = {data, len};
	struct cothon_tcp_header tcp;
	struct cothon_ip ip;

	if (cothon_ip_parse(packet, offload->gso != COTHON_GSO_NONE, &ip) || ip.fragment ||
	    ip.protocol != COTHON_IPPROTO_TCP)
		return NULL;
	packet = (struct cothon_bytes){data + ip.header_len, ip.payload_len};
	if (cothon_tcp_parse(packet, &ip, true, &tcp))
		return "a segment that cannot be parsed";
	if (tcp.flags & COTHON_TCP_RST)
		return NULL;
	return look_at_segment(edges, &ip, &tcp);
}
