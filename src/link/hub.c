/* SPDX-License-Identifier: MIT */
#include "link/hub.h"

#include "wire/udp.h"
#include <errno.h>
#include <string.h>

/* An address, and who has it. */
struct cothon_hub_place {
	struct cothon_addr addr;
	struct cothon_hub_port *port;
};

static struct cothon_hub_port *port_of(const struct cothon_link *link)
{
	return cothon_container(link, struct cothon_hub_port, link);
}

/* Places */

/* Where an address is in the order, or would be. */
static unsigned place_at(const struct cothon_hub *hub, const struct cothon_addr *addr)
{
	unsigned low = 0, high = hub->place_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (memcmp(&hub->places[middle].addr, addr, sizeof(*addr)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The port behind which an address is, or NULL. */
static struct cothon_hub_port *find(const struct cothon_hub *hub, const struct cothon_addr *addr)
{
	unsigned at = place_at(hub, addr);

	if (at < hub->place_count && cothon_addr_equal(&hub->places[at].addr, addr))
		return hub->places[at].port;
	return NULL;
}

static void insert(struct cothon_hub *hub, const struct cothon_addr *addr,
		   struct cothon_hub_port *port)
{
	unsigned at = place_at(hub, addr);

	memmove(&hub->places[at + 1], &hub->places[at],
		(hub->place_count - at) * sizeof(*hub->places));
	hub->places[at] = (struct cothon_hub_place){*addr, port};
	hub->place_count++;
}

static void remove_places(struct cothon_hub *hub, const struct cothon_hub_port *port)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < hub->place_count; i++) {
		if (hub->places[i].port != port)
			hub->places[kept++] = hub->places[i];
	}
	hub->place_count = kept;
}

/* Makes room for so many places more. Returns 0 or -ENOMEM. */
static int make_room(struct cothon_hub *hub, unsigned count)
{
	unsigned room = 2 * (hub->place_count + count);
	struct cothon_hub_place *places;

	if (hub->place_count + count <= hub->place_room)
		return 0;
	places = hub->memory.alloc(hub->memory.context, room * sizeof(*places));
	if (!places)
		return -ENOMEM;
	if (hub->places) {
		memcpy(places, hub->places, hub->place_count * sizeof(*places));
		hub->memory.free(hub->memory.context, hub->places,
				 hub->place_room * sizeof(*places));
	}
	hub->places = places;
	hub->place_room = room;
	return 0;
}

/* Frames */

/*
 * Where a frame goes by its IP header, which is not checked yet: the other member's port, or NULL when it is
 * for somebody else.
 */
static struct cothon_hub_port *destination(const struct cothon_hub_port *port,
					   const struct cothon_buf *frame)
{
	struct cothon_bytes bytes = {frame->data, frame->len};
	const uint8_t *ipv4 = cothon_bytes_at(bytes, 16, 4);
	const uint8_t *ipv6 = cothon_bytes_at(bytes, 24, 16);
	struct cothon_hub_port *to;
	struct cothon_addr addr;

	if (ipv4 && bytes.data[0] >> 4 == 4)
		addr = cothon_addr_ipv4(ipv4);
	else if (ipv6 && bytes.data[0] >> 4 == 6)
		addr = cothon_addr_ipv6(ipv6);
	else
		return NULL;
	to = find(port->hub, &addr);
	/* A kernel that sends to its own address by a device has lost it there: nobody else has it. */
	return to == port ? NULL : to;
}

/* The bytes of the largest packet that a frame stands for. */
static size_t packet_len(const struct cothon_hub_packet *packet)
{
	const struct cothon_offload *offload = packet->offload;
	size_t header = COTHON_UDP_HEADER;

	if (offload->gso == COTHON_GSO_NONE)
		return packet->ip.header_len + packet->payload.len;
	if (offload->gso == COTHON_GSO_TCP && packet->payload.len >= COTHON_TCP_HEADER)
		header = (size_t)(packet->payload.data[12] >> 4) * 4;
	return packet->ip.header_len + header + offload->gso_size;
}

static void show_received(const struct cothon_hub_port *port, const struct cothon_buf *frame)
{
	if (port->link.tap)
		cothon_link_show_received(&port->link, frame);
}

/* Gives a frame to the other member's device as it is. */
static void hand_over(struct cothon_hub_port *from, struct cothon_hub_port *to,
		      const struct cothon_buf *buf)
{
	struct cothon_frame frame = {
		.iov[1] = {buf->data, buf->len},
		.count = 2,
		.len = buf->len,
		.offload = buf->offload,
	};

	if (cothon_link_transmit(to->device, &frame)) {
		/* As a switch does whose port is busy: who sent it will do so again, or does not mind. */
		from->counters.lost++;
		return;
	}
	if (to->link.tap)
		cothon_link_show_transmitted(&to->link, &frame);
	from->counters.frames_out++;
	from->counters.bytes_out += buf->len;
	to->counters.frames_in++;
	to->counters.bytes_in += buf->len;
}

static bool has_address(const struct cothon_hub_port *port, const struct cothon_addr *addr)
{
	for (unsigned i = 0; i < port->addr_count; i++) {
		if (cothon_addr_equal(&port->addrs[i], addr))
			return true;
	}
	return false;
}

/*
 * Sees to a frame for another member. Returns true when that is all; false when the member's stack is to
 * answer it: it is malformed, or not let through.
 */
static bool switch_frame(struct cothon_hub_port *port, struct cothon_hub_port *to,
			 const struct cothon_buf *frame)
{
	bool gso = frame->offload.gso != COTHON_GSO_NONE;
	struct cothon_hub_packet packet = {.offload = &frame->offload, .from = port, .to = to};

	if (cothon_ip_parse((struct cothon_bytes){frame->data, frame->len}, gso, &packet.ip) ||
	    (gso && packet.ip.fragment))
		return false;
	if (!has_address(port, &packet.ip.source)) {
		port->counters.spoofed++;
		show_received(port, frame);
		return true;
	}
	packet.payload =
		(struct cothon_bytes){frame->data + packet.ip.header_len, packet.ip.payload_len};
	if (!cothon_hub_passes(port->hub, &packet)) {
		port->counters.refused++;
		return false;
	}
	show_received(port, frame);
	if (packet_len(&packet) > to->link.mtu) {
		port->counters.too_big++;
		cothon_hub_say_too_big(&packet, to->link.mtu);
		return true;
	}
	hand_over(port, to, frame);
	return true;
}

/* The port as a link */

static int port_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	return cothon_link_transmit(port_of(link)->device, frame);
}

static int port_receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct cothon_hub_port *port = port_of(link);
	struct cothon_hub_port *to;
	struct cothon_buf *frame;
	int error = cothon_link_receive(port->device, pool, &frame);

	if (error)
		return error;
	to = destination(port, frame);
	if (to && switch_frame(port, to, frame)) {
		cothon_buf_put(frame);
		return -EALREADY;
	}
	*buf = frame;
	return 0;
}

static void port_close(struct cothon_link *link)
{
	cothon_link_close(cothon_hub_leave(link));
}

static const struct cothon_link_ops port_ops = {
	.transmit = port_transmit,
	.receive = port_receive,
	.close = port_close,
};

/* Members */

static int check_member(const struct cothon_hub *hub, const struct cothon_hub_member *member)
{
	const struct cothon_list *first = hub->ports.next;

	if (member->addr_count == 0 || member->addr_count > COTHON_HUB_ADDRESSES)
		return -EINVAL;
	if (hub->port_count > 0 &&
	    cothon_container(first, struct cothon_hub_port, node)->link.features !=
		    member->device->features)
		return -EINVAL;
	for (unsigned i = 0; i < member->addr_count; i++) {
		if (!cothon_addr_is_unicast(&member->addrs[i]))
			return -EINVAL;
		if (find(hub, &member->addrs[i]))
			return -EADDRINUSE;
	}
	return hub->port_count < COTHON_HUB_MEMBERS ? 0 : -ENOSPC;
}

int cothon_hub_join(struct cothon_hub *hub, const struct cothon_hub_member *member,
		    struct cothon_link **link)
{
	struct cothon_hub_port *port;
	int error = check_member(hub, member);

	if (!error)
		error = make_room(hub, member->addr_count);
	if (error)
		return error;
	port = hub->memory.alloc(hub->memory.context, sizeof(*port));
	if (!port)
		return -ENOMEM;
	*port = (struct cothon_hub_port){
		.link = {.ops = &port_ops,
			 .mtu = member->device->mtu,
			 .features = member->device->features},
		.hub = hub,
		.device = member->device,
		.may_open = member->may_open,
		.context = member->context,
	};
	for (unsigned i = 0; i < COTHON_HUB_CLASSES; i++)
		cothon_list_init(&port->opened[i]);
	cothon_list_init(&port->reached);
	/* One that is told twice is one. */
	for (unsigned i = 0; i < member->addr_count; i++) {
		if (has_address(port, &member->addrs[i]))
			continue;
		insert(hub, &member->addrs[i], port);
		port->addrs[port->addr_count++] = member->addrs[i];
	}
	cothon_list_append(&hub->ports, &port->node);
	hub->port_count++;
	*link = &port->link;
	return 0;
}

struct cothon_link *cothon_hub_leave(struct cothon_link *link)
{
	struct cothon_hub_port *port = port_of(link);
	struct cothon_hub *hub = port->hub;
	struct cothon_link *device = port->device;

	for (unsigned i = 0; i < COTHON_HUB_CLASSES; i++) {
		while (!cothon_list_empty(&port->opened[i]))
			cothon_hub_cut(hub, cothon_container(port->opened[i].next,
							     struct cothon_hub_passage, by_use));
	}
	while (!cothon_list_empty(&port->reached))
		cothon_hub_cut(hub, cothon_container(port->reached.next, struct cothon_hub_passage,
						     reached));
	remove_places(hub, port);
	cothon_list_remove(&port->node);
	hub->port_count--;
	hub->memory.free(hub->memory.context, port, sizeof(*port));
	return device;
}

const struct cothon_hub_counters *cothon_hub_counters(const struct cothon_link *link)
{
	return &port_of(link)->counters;
}

/* Life */

int cothon_hub_create(const struct cothon_hub_config *config, struct cothon_hub **result)
{
	struct cothon_hub *hub = config->memory.alloc(config->memory.context, sizeof(*hub));

	if (!hub)
		return -ENOMEM;
	*hub = (struct cothon_hub){
		.memory = config->memory,
		.now = config->now,
		.due = UINT64_MAX,
		.max_flows = config->max_flows ? config->max_flows : 16384,
	};
	cothon_list_init(&hub->ports);
	if (cothon_hub_flows_init(hub, config->seed)) {
		config->memory.free(config->memory.context, hub, sizeof(*hub));
		return -ENOMEM;
	}
	*result = hub;
	return 0;
}

void cothon_hub_destroy(struct cothon_hub *hub)
{
	cothon_flow_table_destroy(hub->flows);
	if (hub->places)
		hub->memory.free(hub->memory.context, hub->places,
				 hub->place_room * sizeof(*hub->places));
	hub->memory.free(hub->memory.context, hub, sizeof(*hub));
}
