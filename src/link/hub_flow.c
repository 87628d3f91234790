/* SPDX-License-Identifier: MIT */
#include "link/hub.h"

#include "wire/icmp.h"
#include "wire/udp.h"
#include <errno.h>

/* What keys are drawn from the seed for. */
enum {
	KEY_FLOWS = 1,
	KEY_FRAGMENTS,
};

enum {
	SECOND = 1000000,
	/*
	 * In the place of a transport, for flows of echo requests: two, for the side with the identifier is not
	 * told by its port when that is 0.
	 */
	ECHO_OF_FIRST = 1,
	ECHO_OF_SECOND = 2,
};

/* What a packet tells of its flow. */
struct header {
	/* COTHON_TCP, COTHON_UDP, or 0 for echo; its endpoints, in the order in which it was sent. */
	uint8_t transport;
	struct cothon_endpoint source, destination;
	/* It may open a flow; it belongs to one that the destination opened (echo replies). */
	bool opens, answers;
	/* TCP. */
	uint8_t flags;
	struct cothon_seq seq;
	uint32_t len; /* of the payload */
};

static const uint32_t idle_seconds[COTHON_HUB_CLASSES] = {
	[COTHON_HUB_TRANSITORY] = COTHON_HUB_TRANSITORY_IDLE,
	[COTHON_HUB_DATAGRAM] = COTHON_HUB_DATAGRAM_IDLE,
	[COTHON_HUB_OPEN] = COTHON_HUB_OPEN_IDLE,
};

/* Reading packets */

static bool read_tcp(const struct cothon_hub_packet *packet, struct header *header)
{
	const uint8_t *tcp = cothon_bytes_at(packet->payload, 0, COTHON_TCP_HEADER);
	size_t len = tcp ? (size_t)(tcp[12] >> 4) * 4 : 0;

	if (len < COTHON_TCP_HEADER || len > packet->payload.len)
		return false;
	header->source.port = cothon_get16(tcp);
	header->destination.port = cothon_get16(tcp + 2);
	header->seq = (struct cothon_seq){cothon_get32(tcp + 4)};
	header->flags = tcp[13];
	header->len = (uint32_t)(packet->payload.len - len);
	/* Anything else is of a flow that has begun already, or of none. */
	header->opens = (header->flags & (COTHON_TCP_SYN | COTHON_TCP_ACK | COTHON_TCP_RST |
					  COTHON_TCP_FIN)) == COTHON_TCP_SYN;
	return true;
}

static bool read_udp(const struct cothon_hub_packet *packet, struct header *header)
{
	const uint8_t *udp = cothon_bytes_at(packet->payload, 0, COTHON_UDP_HEADER);

	if (!udp)
		return false;
	header->source.port = cothon_get16(udp);
	header->destination.port = cothon_get16(udp + 2);
	header->len = (uint32_t)(packet->payload.len - COTHON_UDP_HEADER);
	header->opens = true;
	return true;
}

static bool read_echo(const struct cothon_icmp *icmp, struct header *header)
{
	if (icmp->kind == COTHON_ICMP_ECHO_REQUEST) {
		header->opens = true;
		header->source.port = icmp->ident;
	} else if (icmp->kind == COTHON_ICMP_ECHO_REPLY) {
		header->answers = true;
		header->destination.port = icmp->ident;
	} else {
		return false;
	}
	header->transport = 0;
	header->len = (uint32_t)icmp->rest.len;
	return true;
}

/* Reads what is behind the IP header. False when it is malformed, or none of what may pass. */
static bool read_header(const struct cothon_hub_packet *packet, const struct cothon_icmp *icmp,
			struct header *header)
{
	*header = (struct header){
		.transport = packet->ip.protocol,
		.source.addr = packet->ip.source,
		.destination.addr = packet->ip.destination,
	};
	if (icmp)
		return read_echo(icmp, header);
	if (packet->ip.protocol == COTHON_TCP)
		return read_tcp(packet, header);
	return packet->ip.protocol == COTHON_UDP && read_udp(packet, header);
}

/* The table */

/* The order of endpoints, whose addresses differ: an entry's local one is the first. */
static bool is_first(const struct cothon_endpoint *a, const struct cothon_endpoint *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) < 0;
}

/* The flow of a packet as the table has it; *side is the sender's. */
static struct cothon_flow key_of(const struct header *header, unsigned *side)
{
	bool first = is_first(&header->source, &header->destination);
	unsigned transport = header->transport;

	*side = !first;
	if (transport == 0)
		transport = first != header->answers ? ECHO_OF_FIRST : ECHO_OF_SECOND;
	return first ? cothon_flow_make(transport, &header->source, &header->destination)
		     : cothon_flow_make(transport, &header->destination, &header->source);
}

static struct cothon_hub_passage *find(const struct cothon_hub *hub, const struct cothon_flow *flow)
{
	struct cothon_flow_entry *entry = cothon_flow_table_find(hub->flows, flow);

	return entry ? cothon_container(entry, struct cothon_hub_passage, entry) : NULL;
}

static struct cothon_hub_port *opener_of(const struct cothon_hub_passage *passage)
{
	return passage->sides[passage->opener].port;
}

uint8_t cothon_hub_transport(const struct cothon_hub_passage *passage)
{
	uint8_t transport = passage->entry.flow.transport;

	return transport == COTHON_TCP || transport == COTHON_UDP ? transport : 0;
}

struct cothon_endpoint cothon_hub_endpoint(const struct cothon_hub_passage *passage, unsigned side)
{
	return side == 0 ? cothon_flow_local(&passage->entry.flow)
			 : cothon_flow_remote(&passage->entry.flow);
}

int cothon_hub_flows_init(struct cothon_hub *hub, const uint8_t seed[static COTHON_HUB_SEED_LEN])
{
	struct cothon_siphash_key key = cothon_siphash_key(seed, KEY_FLOWS);

	hub->fragment_key = cothon_siphash_key(seed, KEY_FRAGMENTS);
	/* Members' own bounds are what holds. */
	hub->flows = cothon_flow_table_create(&hub->memory, &key, UINT32_MAX);
	return hub->flows ? 0 : -ENOMEM;
}

/* The life of a flow */

/* When it will have been silent for too long. */
static uint64_t deadline(const struct cothon_hub_passage *passage)
{
	return passage->used_at + (uint64_t)idle_seconds[passage->class] * SECOND;
}

/* Puts a flow at the end of the list that it belongs to now. */
static void use(struct cothon_hub *hub, struct cothon_hub_passage *passage)
{
	passage->used_at = hub->now;
	cothon_list_remove(&passage->by_use);
	cothon_list_append(&opener_of(passage)->opened[passage->class], &passage->by_use);
	if (deadline(passage) < hub->due)
		hub->due = deadline(passage);
}

static void forget(struct cothon_hub *hub, struct cothon_hub_passage *passage)
{
	cothon_flow_table_remove(hub->flows, &passage->entry);
	cothon_list_remove(&passage->by_use);
	cothon_list_remove(&passage->reached);
	opener_of(passage)->opened_count--;
	hub->memory.free(hub->memory.context, passage, sizeof(*passage));
}

void cothon_hub_cut(struct cothon_hub *hub, struct cothon_hub_passage *passage)
{
	bool closed = passage->reset || (passage->sides[0].fin && passage->sides[1].fin);

	if (passage->entry.flow.transport == COTHON_TCP && !closed) {
		cothon_hub_say_reset(passage, 0);
		cothon_hub_say_reset(passage, 1);
	}
	forget(hub, passage);
}

/* Forgets the flow of a member that matters least: one that opens or closes, or was silent longest. */
static void make_room(struct cothon_hub_port *port)
{
	for (unsigned i = 0; i < COTHON_HUB_CLASSES; i++) {
		if (cothon_list_empty(&port->opened[i]))
			continue;
		port->counters.forgotten++;
		forget(port->hub,
		       cothon_container(port->opened[i].next, struct cothon_hub_passage, by_use));
		return;
	}
}

/* Makes the flow that a packet opens. Returns NULL without memory. */
static struct cothon_hub_passage *begin(struct cothon_hub *hub,
					const struct cothon_hub_packet *packet,
					const struct cothon_flow *flow, unsigned side)
{
	struct cothon_hub_passage *passage;

	if (packet->from->opened_count >= hub->max_flows)
		make_room(packet->from);
	passage = hub->memory.alloc(hub->memory.context, sizeof(*passage));
	if (!passage)
		return NULL;
	*passage = (struct cothon_hub_passage){
		.entry.flow = *flow,
		.opener = (uint8_t)side,
		.class = flow->transport == COTHON_TCP ? COTHON_HUB_TRANSITORY
						       : COTHON_HUB_DATAGRAM,
		.opened_at = hub->now,
	};
	if (cothon_flow_table_insert(hub->flows, &passage->entry)) {
		hub->memory.free(hub->memory.context, passage, sizeof(*passage));
		return NULL;
	}
	passage->sides[side].port = packet->from;
	passage->sides[!side].port = packet->to;
	cothon_list_init(&passage->by_use);
	cothon_list_init(&passage->reached);
	cothon_list_append(&packet->to->reached, &passage->reached);
	packet->from->opened_count++;
	packet->from->counters.flows++;
	use(hub, passage);
	return passage;
}

/* Moves a TCP flow on by a segment. */
static void follow_tcp(struct cothon_hub_passage *passage, unsigned side,
		       const struct header *header)
{
	struct cothon_hub_side *sender = &passage->sides[side];
	uint32_t len = header->len + !!(header->flags & COTHON_TCP_SYN) +
		       !!(header->flags & COTHON_TCP_FIN);
	struct cothon_seq end = cothon_seq_add(header->seq, len);

	if (header->flags & COTHON_TCP_RST) {
		passage->reset = true;
	} else {
		/* A SYN may be another attempt, with other sequence numbers: what came before it is nothing. */
		bool first = !sender->sent || (header->flags & COTHON_TCP_SYN);

		if (first || cothon_seq_after(end, sender->next))
			sender->next = end;
		sender->fin = (sender->fin && !first) || (header->flags & COTHON_TCP_FIN);
		sender->sent = true;
	}
	/* What the other side sends is an answer to the SYN. */
	passage->answered |= side != passage->opener;
	if (passage->reset || !passage->answered ||
	    (passage->sides[0].fin && passage->sides[1].fin))
		passage->class = COTHON_HUB_TRANSITORY;
	else
		passage->class = COTHON_HUB_OPEN;
}

static void follow(struct cothon_hub *hub, struct cothon_hub_passage *passage, unsigned side,
		   const struct header *header)
{
	passage->sides[side].bytes += header->len;
	if (passage->entry.flow.transport == COTHON_TCP)
		follow_tcp(passage, side, header);
	else if (side != passage->opener)
		/* RFC 4787 REQ-6: or the other side could keep its way in open for ever. */
		return;
	use(hub, passage);
}

/* True for a SYN on a flow that is over: it opens another one with the same endpoints. */
static bool begins_anew(const struct cothon_hub_passage *passage, const struct header *header)
{
	return header->transport == COTHON_TCP && header->opens &&
	       (passage->reset || (passage->sides[0].fin && passage->sides[1].fin));
}

static bool may_open(const struct cothon_hub_port *from, uint8_t transport,
		     struct cothon_endpoint source, struct cothon_endpoint destination)
{
	if (transport == 0)
		source.port = destination.port = 0;
	return !from->may_open || from->may_open(from->context, transport, &source, &destination);
}

/* The flow that a packet is part of, or that it may open; NULL: it may not pass. */
static struct cothon_hub_passage *admit(struct cothon_hub *hub,
					const struct cothon_hub_packet *packet,
					const struct header *header, unsigned *side)
{
	struct cothon_flow flow = key_of(header, side);
	struct cothon_hub_passage *passage = find(hub, &flow);

	if (passage && begins_anew(passage, header)) {
		forget(hub, passage);
		passage = NULL;
	}
	if (passage)
		return passage;
	if (!header->opens ||
	    !may_open(packet->from, header->transport, header->source, header->destination))
		return NULL;
	passage = begin(hub, packet, &flow, *side);
	if (!passage)
		packet->from->counters.forgotten++;
	return passage;
}

/* Fragments */

static struct cothon_hub_fragments *slot_of(struct cothon_hub *hub, const struct cothon_ip *ip)
{
	uint64_t words[5] = {ip->source.q[0], ip->source.q[1], ip->destination.q[0],
			     ip->destination.q[1], (uint64_t)ip->protocol << 32 | ip->ident};

	return &hub->fragments[cothon_siphash13_words(&hub->fragment_key, words, 5) %
			       COTHON_HUB_FRAGMENTS];
}

/* Lets the fragments pass that follow a first one. */
static void expect_fragments(struct cothon_hub *hub, const struct cothon_ip *ip,
			     const struct cothon_flow *flow)
{
	*slot_of(hub, ip) = (struct cothon_hub_fragments){
		.source = ip->source,
		.destination = ip->destination,
		.ident = ip->ident,
		.protocol = ip->protocol,
		.until = hub->now + (uint64_t)COTHON_HUB_FRAGMENT_IDLE * SECOND,
		.flow = *flow,
	};
}

static bool later_fragment_passes(struct cothon_hub *hub, const struct cothon_hub_packet *packet)
{
	const struct cothon_ip *ip = &packet->ip;
	const struct cothon_hub_fragments *slot = slot_of(hub, ip);
	struct cothon_hub_passage *passage;

	/* RFC 1858 section 3.2.2, RFC 3128: one at 8 bytes could put other TCP flags over the first's. */
	if (ip->fragment_offset < COTHON_TCP_HEADER && ip->protocol == COTHON_TCP)
		return false;
	if (hub->now >= slot->until || slot->ident != ip->ident || slot->protocol != ip->protocol ||
	    !cothon_addr_equal(&slot->source, &ip->source) ||
	    !cothon_addr_equal(&slot->destination, &ip->destination))
		return false;
	passage = find(hub, &slot->flow);
	if (!passage)
		return false;
	passage->sides[passage->sides[1].port == packet->from].bytes += packet->payload.len;
	return true;
}

/* ICMP errors */

/* An error passes to whoever sent the packet that it quotes, from where that went. */
static bool error_passes(const struct cothon_hub *hub, const struct cothon_hub_packet *packet,
			 const struct cothon_icmp *icmp)
{
	struct cothon_hub_packet quoted = {.from = packet->to, .to = packet->from};
	struct cothon_icmp echo;
	struct header header;
	struct cothon_flow flow;
	unsigned side;
	bool is_icmp;

	if (cothon_ip_parse_quote(icmp->rest, &quoted.ip) || quoted.ip.fragment_offset > 0 ||
	    !cothon_addr_equal(&quoted.ip.source, &packet->ip.destination) ||
	    !cothon_addr_equal(&quoted.ip.destination, &packet->ip.source))
		return false;
	quoted.payload = (struct cothon_bytes){icmp->rest.data + quoted.ip.header_len,
					       icmp->rest.len - quoted.ip.header_len};
	is_icmp = quoted.ip.protocol == COTHON_IPPROTO_ICMP ||
		  quoted.ip.protocol == COTHON_IPPROTO_ICMPV6;
	if (is_icmp && cothon_icmp_parse(quoted.payload, &quoted.ip, true, &echo))
		return false;
	/* RFC 792: of what is quoted 8 bytes are sure, so no more than TCP's ports. */
	if (quoted.ip.protocol == COTHON_TCP) {
		if (quoted.payload.len < 8)
			return false;
		header = (struct header){
			.transport = COTHON_TCP,
			.source = {quoted.ip.source, cothon_get16(quoted.payload.data)},
			.destination = {quoted.ip.destination,
					cothon_get16(quoted.payload.data + 2)},
		};
	} else if (!read_header(&quoted, is_icmp ? &echo : NULL, &header)) {
		return false;
	}
	flow = key_of(&header, &side);
	return find(hub, &flow);
}

/* Packets */

bool cothon_hub_passes(struct cothon_hub *hub, const struct cothon_hub_packet *packet)
{
	uint8_t icmp_protocol = packet->ip.version == 4 ? COTHON_IPPROTO_ICMP
							: COTHON_IPPROTO_ICMPV6;
	bool is_icmp = packet->ip.protocol == icmp_protocol;
	struct cothon_hub_passage *passage;
	struct cothon_icmp icmp;
	struct header header;
	unsigned side;

	if (packet->ip.fragment && packet->ip.fragment_offset > 0)
		return later_fragment_passes(hub, packet);
	if (is_icmp && (packet->offload->gso != COTHON_GSO_NONE ||
			cothon_icmp_parse(packet->payload, &packet->ip, true, &icmp)))
		return false;
	if (is_icmp && icmp.is_error)
		return error_passes(hub, packet, &icmp);
	if (!read_header(packet, is_icmp ? &icmp : NULL, &header))
		return false;
	passage = admit(hub, packet, &header, &side);
	if (!passage)
		return false;
	follow(hub, passage, side, &header);
	if (packet->ip.fragment)
		expect_fragments(hub, &packet->ip, &passage->entry.flow);
	return true;
}

/* Time */

/* Forgets what has been silent for too long in a list; `due` becomes the next one's deadline. */
static void expire(struct cothon_hub *hub, struct cothon_list *opened)
{
	while (!cothon_list_empty(opened)) {
		struct cothon_hub_passage *oldest =
			cothon_container(opened->next, struct cothon_hub_passage, by_use);

		if (deadline(oldest) > hub->now) {
			if (deadline(oldest) < hub->due)
				hub->due = deadline(oldest);
			return;
		}
		forget(hub, oldest);
	}
}

uint64_t cothon_hub_run(struct cothon_hub *hub, uint64_t now)
{
	hub->now = now;
	if (now < hub->due)
		return hub->due;
	hub->due = UINT64_MAX;
	for (struct cothon_list *node = hub->ports.next; node != &hub->ports; node = node->next) {
		struct cothon_hub_port *port = cothon_container(node, struct cothon_hub_port, node);

		for (unsigned i = 0; i < COTHON_HUB_CLASSES; i++)
			expire(hub, &port->opened[i]);
	}
	return hub->due;
}

/* Rules, and flows that are ended */

static bool may_be_open(const struct cothon_hub_passage *passage)
{
	return may_open(opener_of(passage), cothon_hub_transport(passage),
			cothon_hub_endpoint(passage, passage->opener),
			cothon_hub_endpoint(passage, !passage->opener));
}

void cothon_hub_recheck(struct cothon_link *link)
{
	struct cothon_hub_port *port = cothon_container(link, struct cothon_hub_port, link);

	for (unsigned i = 0; i < COTHON_HUB_CLASSES; i++) {
		struct cothon_list *node = port->opened[i].next;

		while (node != &port->opened[i]) {
			struct cothon_hub_passage *passage =
				cothon_container(node, struct cothon_hub_passage, by_use);

			node = node->next;
			if (may_be_open(passage))
				continue;
			port->counters.ended++;
			cothon_hub_cut(port->hub, passage);
		}
	}
}

struct cothon_hub_passage *cothon_hub_between(const struct cothon_hub_port *port, uint8_t transport,
					      const struct cothon_endpoint *local,
					      const struct cothon_endpoint *remote, unsigned *side)
{
	/* Echo: who opened it is not told, so both are looked for. */
	for (unsigned answers = 0; answers < 2; answers++) {
		struct header header = {
			.transport = transport,
			.source = *local,
			.destination = *remote,
			.answers = answers,
		};
		struct cothon_flow flow = key_of(&header, side);
		struct cothon_hub_passage *passage = find(port->hub, &flow);

		if (passage && passage->sides[*side].port == port)
			return passage;
	}
	return NULL;
}

int cothon_hub_end(struct cothon_link *link, uint8_t transport, const struct cothon_endpoint *local,
		   const struct cothon_endpoint *remote)
{
	struct cothon_hub_port *port = cothon_container(link, struct cothon_hub_port, link);
	unsigned side;
	struct cothon_hub_passage *passage =
		cothon_hub_between(port, transport, local, remote, &side);

	if (!passage)
		return -ENOENT;
	opener_of(passage)->counters.ended++;
	cothon_hub_cut(port->hub, passage);
	return 0;
}
