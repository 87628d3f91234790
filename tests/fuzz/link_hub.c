/* SPDX-License-Identifier: MIT */

/*
 * Frames from the devices of a hub's members: each of the input's is two bytes of length, a byte of
 * flags, a virtio-net header and a packet; a length below that of the header makes it something else that
 * happens. Whatever the members send, one hears only from another's own addresses, about flows that were
 * let through or by what the hub says itself.
 */

#include "fuzz.h"
#include "../hostile/packet.h"
#include "wire/ip.h"
#include "wire/vnet.h"
#include <cothon/hub.h>
#include <errno.h>

enum {
	FRAMES = 64,
	MEMBERS = 3,
	MAX_FLOWS = 8,
	QUEUE = 8,
	MTU = 1500,
	TICK = 10000,    /* microseconds from frame to frame */
	STEP = 60000000, /* that pass when the input says so */
	FEATURES = COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO,

	/* Flags of a frame: who sends it, in the lowest two bits; what is set right. */
	SENDER = 3,
	ADDRESSES = 4,
	PORTS = 8,
	LENGTHS = 16,
	SUMS = 32,
	THE_OTHER = 64, /* not the next member, but the one behind it */
};

struct street {
	struct cothon_pool *pool;
	struct cothon_hub *hub;
	struct cothon_link *kernels[MEMBERS], *ports[MEMBERS];
	struct cothon_addr addrs[MEMBERS][2];
	bool denies[MEMBERS];
	uint64_t now;
	struct packet packet;
};

static bool may_open(void *context, uint8_t transport, const struct cothon_endpoint *source,
		     const struct cothon_endpoint *destination)
{
	(void)transport;
	(void)source;
	(void)destination;
	return !*(const bool *)context;
}

static void join(struct street *street, unsigned member, struct cothon_link *device)
{
	const struct cothon_hub_member joins = {
		.device = device,
		.addrs = street->addrs[member],
		.addr_count = 2,
		.may_open = may_open,
		.context = &street->denies[member],
	};

	fuzz_check(cothon_hub_join(street->hub, &joins, &street->ports[member]) == 0);
}

static void open_street(struct street *street)
{
	struct cothon_pool_config pool = {.memory = cothon_memory_malloc, .limit = 1 << 20};
	struct cothon_hub_config config = {
		.memory = cothon_memory_malloc, .now = TICK, .max_flows = MAX_FLOWS};

	street->now = TICK;
	street->pool = cothon_pool_create(&pool);
	fuzz_check(street->pool);
	fuzz_check(cothon_hub_create(&config, &street->hub) == 0);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct cothon_link *ends[2];

		fuzz_check(cothon_addr_parse("10.0.2.100", &street->addrs[i][0]) == 0);
		fuzz_check(cothon_addr_parse("fd00:c070::100", &street->addrs[i][1]) == 0);
		street->addrs[i][0].b[15] = (uint8_t)(100 + i);
		street->addrs[i][1].b[15] = (uint8_t)i;
		street->denies[i] = false;
		/* One has room for less than the others. */
		fuzz_check(cothon_wire_open(&cothon_memory_malloc, street->pool,
					    i == 2 ? 1280 : MTU, FEATURES, QUEUE, ends) == 0);
		street->kernels[i] = ends[0];
		street->kernels[i]->mtu = COTHON_FRAME_MAX;
		join(street, i, ends[1]);
	}
}

static void close_street(struct street *street)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		cothon_link_close(street->ports[i]);
		cothon_link_close(street->kernels[i]);
	}
	cothon_hub_destroy(street->hub);
	fuzz_check(cothon_pool_used(street->pool) == 0);
	cothon_pool_destroy(street->pool);
}

/* Whose address it is; MEMBERS: nobody's. */
static unsigned owner_of(const struct street *street, const struct cothon_addr *addr)
{
	unsigned member = 0;

	while (member < MEMBERS && !cothon_addr_equal(&street->addrs[member][0], addr) &&
	       !cothon_addr_equal(&street->addrs[member][1], addr))
		member++;
	return member;
}

/* What a member hears is a packet to it, from another. */
static void hear(struct street *street, unsigned member)
{
	struct cothon_buf *buf;

	while (cothon_link_receive(street->kernels[member], street->pool, &buf) == 0) {
		struct cothon_bytes bytes = {buf->data, buf->len};
		struct cothon_ip ip;
		unsigned from;

		fuzz_check(cothon_ip_parse(bytes, buf->offload.gso, &ip) == 0);
		from = owner_of(street, &ip.source);
		fuzz_check(from < MEMBERS && from != member);
		fuzz_check(owner_of(street, &ip.destination) == member);
		fuzz_check(buf->offload.gso || buf->len <= street->ports[member]->mtu ||
			   ip.header_len + ip.payload_len <= street->ports[member]->mtu);
		cothon_buf_put(buf);
	}
}

/* Makes the frame one from a member to another, as far as the flags want it. */
static void set_right(struct street *street, unsigned flags, unsigned from, unsigned to)
{
	struct packet *packet = &street->packet;
	bool ipv4 = packet->len > 0 && packet_is_ipv4(packet);
	size_t header = ipv4 ? 20 : 40;

	if (packet->len < header + 4)
		return;
	if ((flags & ADDRESSES) && ipv4) {
		memcpy(packet->data + 12, street->addrs[from][0].b + 12, 4);
		memcpy(packet->data + 16, street->addrs[to][0].b + 12, 4);
	} else if (flags & ADDRESSES) {
		memcpy(packet->data + 8, street->addrs[from][1].b, 16);
		memcpy(packet->data + 24, street->addrs[to][1].b, 16);
	}
	if (flags & PORTS) {
		packet_set16(packet->data + header, from < to ? 5000 : 80);
		packet_set16(packet->data + header + 2, from < to ? 80 : 5000);
	}
	if ((flags & LENGTHS) && packet->len >= 40)
		packet_set_lengths(packet);
	if (flags & SUMS) {
		packet_sum_header(packet);
		packet_sum_transport(packet);
	}
}

static void send_frame(struct street *street, unsigned flags, const uint8_t *data, size_t len)
{
	struct packet *packet = &street->packet;
	unsigned from = (flags & SENDER) % MEMBERS;
	unsigned to = (from + (flags & THE_OTHER ? 2 : 1)) % MEMBERS;
	struct cothon_frame frame = {.count = 2};
	struct cothon_buf *buf;
	uint8_t *copy;
	int result;

	packet->len = 0;
	packet_put(packet, data + PACKET_VNET, len - PACKET_VNET);
	set_right(street, flags, from, to);
	if (packet->len == 0 || packet->len > COTHON_FRAME_MAX ||
	    cothon_vnet_parse(data, (struct cothon_bytes){packet->data, packet->len},
			      &frame.offload))
		return;
	copy = fuzz_copy(packet->data, packet->len);
	frame.iov[1] = (struct iovec){copy, packet->len};
	frame.len = packet->len;
	cothon_hub_run(street->hub, street->now);
	fuzz_check(cothon_link_transmit(street->kernels[from], &frame) == 0);
	result = cothon_link_receive(street->ports[from], street->pool, &buf);
	fuzz_check(result == 0 || result == -EALREADY);
	if (result == 0) {
		fuzz_check(buf->len == packet->len && !memcmp(buf->data, copy, buf->len));
		cothon_buf_put(buf);
	}
	free(copy);
}

static void count_opened(const struct cothon_hub_flow *flow, void *context)
{
	*(unsigned *)context += flow->opened;
}

/* What else happens. */
static void happen(struct street *street, unsigned flags, unsigned what)
{
	unsigned member = (flags & SENDER) % MEMBERS;
	const struct cothon_endpoint a = {street->addrs[member][flags >> 7], 5000};
	const struct cothon_endpoint b = {street->addrs[(member + 1) % MEMBERS][flags >> 7], 80};

	switch (what) {
	case 0:
		street->now += (uint64_t)STEP * (1 + (flags >> 2));
		break;
	case 1:
		street->denies[member] = !street->denies[member];
		break;
	case 2:
		cothon_hub_recheck(street->ports[member]);
		break;
	case 3:
		cothon_hub_end(street->ports[member], flags & 4 ? COTHON_TCP : COTHON_UDP, &a, &b);
		break;
	case 4:
		join(street, member, cothon_hub_leave(street->ports[member]));
		break;
	default:
		break;
	}
	cothon_hub_run(street->hub, street->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct street street;

	open_street(&street);
	for (unsigned i = 0; i < FRAMES && size >= 3; i++) {
		size_t len = cothon_get16(data);
		unsigned flags = data[2];

		data += 3;
		size -= 3;
		if (len < PACKET_VNET) {
			happen(&street, flags, (unsigned)len);
			len = 0;
		}
		if (len > size)
			len = size;
		if (len > PACKET_VNET)
			send_frame(&street, flags, data, len);
		for (unsigned member = 0; member < MEMBERS; member++) {
			unsigned opened = 0;

			hear(&street, member);
			cothon_hub_flows(street.ports[member], count_opened, &opened);
			fuzz_check(opened <= MAX_FLOWS);
		}
		data += len;
		size -= len;
		street.now += TICK;
	}
	close_street(&street);
	return 0;
}
