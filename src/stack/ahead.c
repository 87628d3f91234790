/* SPDX-License-Identifier: MIT */
#include "stack/ahead.h"

#include "base/bytes.h"
#include "stack/tcp/connection.h"
#include "wire/ip.h"

enum {
	LINE = 64,
	PORTS = 4, /* bytes at the start of a TCP header */
};

/* The flow that a packet names, if it is TCP and whole. */
static bool flow_of(const struct cothon_buf *buf, struct cothon_flow *flow)
{
	bool gso = buf->offload.gso != COTHON_GSO_NONE;
	struct cothon_endpoint local, remote;
	struct cothon_ip ip;
	const uint8_t *ports;

	if (cothon_ip_parse((struct cothon_bytes){buf->data, buf->len}, gso, &ip) ||
	    ip.protocol != COTHON_TCP || ip.fragment || ip.payload_len < PORTS)
		return false;
	ports = buf->data + ip.header_len;
	remote = (struct cothon_endpoint){ip.source, cothon_get16(ports)};
	local = (struct cothon_endpoint){ip.destination, cothon_get16(ports + 2)};
	*flow = cothon_flow_make(COTHON_TCP, &local, &remote);
	return true;
}

static void prefetch_connection(struct cothon_flow_entry *entry)
{
	const char *tcp = (const char *)cothon_container(entry, struct cothon_tcp, entry);

	for (size_t at = 0; at < sizeof(struct cothon_tcp); at += LINE)
		__builtin_prefetch(tcp + at);
}

void cothon_ahead(const struct cothon_stack *stack, struct cothon_buf *const *bufs, unsigned count)
{
	struct cothon_flow_search searches[COTHON_AHEAD];
	unsigned found = 0;

	for (unsigned i = 0; i < count; i++) {
		struct cothon_flow flow;

		if (bufs[i] && flow_of(bufs[i], &flow))
			cothon_flow_search_start(stack->flows, &flow, &searches[found++]);
	}
	for (unsigned i = 0; i < found; i++)
		cothon_flow_search_follow(stack->flows, &searches[i]);
	for (unsigned i = 0; i < found; i++) {
		struct cothon_flow_entry *entry =
			cothon_flow_search_end(stack->flows, &searches[i]);

		if (entry)
			prefetch_connection(entry);
	}
}
