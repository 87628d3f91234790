/* SPDX-License-Identifier: MIT */
#include "datagram.h"

#include "content.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include <errno.h>
#include <string.h>

enum {
	LEN_MAX = 65535,
	UDP_HEADER = 8,
	IPV4_HEADER = 20,
	ECHO_IDENT = 77,
	HOPS = 64,
};

static uint64_t key_of(const struct datagrams *datagrams, const struct datagram *datagram)
{
	return (datagrams->world->setup.seed << 8 | (unsigned)(datagram - datagrams->all)) *
	       0xa0761d6478bd642f;
}

static struct datagram *find(struct datagrams *datagrams, enum datagram_kind kind, size_t len)
{
	for (unsigned i = 0; i < datagrams->count; i++) {
		struct datagram *datagram = &datagrams->all[i];

		if (datagram->kind == kind && datagram->len == len && datagram->begun)
			return datagram;
	}
	world_fail(datagrams->world, "a datagram of %zu bytes arrives that nobody has sent", len);
}

static void check(struct datagrams *datagrams, struct datagram *datagram, const uint8_t *data)
{
	unsigned number = (unsigned)(datagram - datagrams->all);
	size_t match = content_match(key_of(datagrams, datagram), 0, data, datagram->len);

	if (match < datagram->len &&
	    (datagram->len <= DATAGRAM_WHOLE || !(datagrams->excuses & DATAGRAM_MAY_BE_SPOILT)))
		world_fail(datagrams->world, "datagram %u: byte %zu is not what was sent", number,
			   match);
	if (++datagram->arrived > 1 && !(datagrams->excuses & DATAGRAM_MAY_BE_DOUBLED))
		world_fail(datagrams->world, "datagram %u arrives twice", number);
}

/* UDP */

static void take(struct cothon_udp *udp, void *owner, const struct cothon_datagram *got)
{
	struct datagrams *datagrams = owner;
	struct datagram *datagram = find(datagrams, DATAGRAM_UDP, got->len);
	const struct node *from = datagram->from, *to = datagram->to;

	if (datagrams->bindings[to->index] != udp)
		world_fail(datagrams->world, "node %u gets what is for another", to->index);
	if (!cothon_addr_equal(&got->source.addr, &from->addr[datagram->family]) ||
	    !cothon_addr_equal(&got->destination.addr, &to->addr[datagram->family]) ||
	    got->source.port != DATAGRAM_PORT || got->destination.port != DATAGRAM_PORT)
		world_fail(datagrams->world, "node %u gets a datagram with wrong endpoints",
			   to->index);
	check(datagrams, datagram, got->payload);
}

static void send_udp(struct datagrams *datagrams, struct datagram *datagram)
{
	uint8_t data[LEN_MAX];
	struct node *from = datagram->from;
	struct cothon_endpoint to = {datagram->to->addr[datagram->family], DATAGRAM_PORT};
	size_t max = LEN_MAX - UDP_HEADER - (datagram->family == 0 ? IPV4_HEADER : 0);
	int error;

	content_fill(key_of(datagrams, datagram), 0, data, datagram->len);
	error = cothon_udp_send(datagrams->bindings[from->index], NULL, &to, data, datagram->len);
	world_kick(from);
	datagram->sent = error == 0;
	if ((error == -EMSGSIZE) != (datagram->len > max))
		world_fail(datagrams->world, "a datagram of %zu bytes: %s", datagram->len,
			   strerror(-error));
	if (error && error != -EMSGSIZE && !(datagrams->excuses & DATAGRAM_MAY_BE_LOST))
		world_fail(datagrams->world, "a datagram cannot be sent: %s", strerror(-error));
}

/* Echo */

static void send_echo(struct datagrams *datagrams, struct datagram *datagram)
{
	uint8_t packet[LEN_MAX];
	struct cothon_ip ip = {
		.source = datagrams->stranger[datagram->family],
		.destination = datagram->to->addr[datagram->family],
		.protocol = datagram->family == 0 ? COTHON_IPPROTO_ICMP : COTHON_IPPROTO_ICMPV6,
		.hops = HOPS,
		.payload_len = (uint32_t)(COTHON_ICMP_HEADER + datagram->len),
	};
	size_t header = cothon_ip_emit(&ip, packet);
	uint8_t *data = packet + header + COTHON_ICMP_HEADER;
	struct cothon_icmp icmp = {
		.kind = COTHON_ICMP_ECHO_REQUEST,
		.ident = ECHO_IDENT,
		.sequence = (uint16_t)(datagram - datagrams->all),
		.rest = {data, datagram->len},
	};

	content_fill(key_of(datagrams, datagram), 0, data, datagram->len);
	cothon_icmp_emit(&icmp, &ip, packet + header);
	world_send(datagrams->world, packet, header + ip.payload_len);
	datagram->sent = true;
}

/* What is addressed to the switch: replies, and ICMP errors about what was spoilt on the way. */
static void take_reply(void *context, const struct cothon_buf *buf)
{
	struct datagrams *datagrams = context;
	struct datagram *datagram;
	struct cothon_bytes packet = {buf->data, buf->len};
	struct cothon_icmp icmp;
	struct cothon_ip ip;

	if (cothon_ip_parse(packet, false, &ip) || ip.fragment ||
	    !cothon_addr_equal(&ip.destination, &datagrams->stranger[ip.version == 4 ? 0 : 1]))
		return;
	packet = (struct cothon_bytes){buf->data + ip.header_len, ip.payload_len};
	if (cothon_icmp_parse(packet, &ip, buf->offload.csum_partial, &icmp) ||
	    icmp.kind != COTHON_ICMP_ECHO_REPLY)
		return;
	datagram = find(datagrams, DATAGRAM_ECHO, icmp.rest.len);
	if (icmp.ident != ECHO_IDENT || icmp.sequence != datagram - datagrams->all ||
	    !cothon_addr_equal(&ip.source, &datagram->to->addr[datagram->family]))
		world_fail(datagrams->world, "an echo reply that nobody has asked for");
	check(datagrams, datagram, icmp.rest.data);
}

/* Life */

static uint64_t run(void *context, uint64_t now)
{
	struct datagrams *datagrams = context;
	uint64_t next = COTHON_NEVER;

	for (unsigned i = 0; i < datagrams->count; i++) {
		struct datagram *datagram = &datagrams->all[i];

		if (datagram->begun)
			continue;
		if (datagram->at > now) {
			next = datagram->at < next ? datagram->at : next;
			continue;
		}
		datagram->begun = true;
		if (datagram->kind == DATAGRAM_UDP)
			send_udp(datagrams, datagram);
		else
			send_echo(datagrams, datagram);
	}
	return next;
}

void datagrams_open(struct datagrams *datagrams, struct world *world)
{
	struct cothon_endpoint local = {.port = DATAGRAM_PORT};
	struct world_work work = {run, datagrams, COTHON_NEVER};

	memset(datagrams, 0, sizeof(*datagrams));
	datagrams->world = world;
	datagrams->work = world_add(world, &work);
	cothon_addr_parse("192.0.2.200", &datagrams->stranger[0]);
	cothon_addr_parse("2001:db8::200", &datagrams->stranger[1]);
	world->stranger = take_reply;
	world->stranger_context = datagrams;
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		if (cothon_udp_bind(world->nodes[i].stack, &local, take, datagrams,
				    &datagrams->bindings[i]))
			world_fail(world, "node %u cannot bind", i);
	}
}

static bool is_taken(const struct datagrams *datagrams, size_t len)
{
	for (unsigned i = 0; i < datagrams->count; i++) {
		if (datagrams->all[i].len == len)
			return true;
	}
	return false;
}

void datagrams_add(struct datagrams *datagrams, const struct datagram *datagram)
{
	struct datagram *added = &datagrams->all[datagrams->count];

	if (datagrams->count == DATAGRAMS)
		world_fail(datagrams->world, "there are more datagrams than there is room for");
	*added = *datagram;
	while (is_taken(datagrams, added->len))
		added->len++;
	datagrams->count++;
	if (added->at < datagrams->work->due)
		datagrams->work->due = added->at;
}

bool datagrams_done(const struct datagrams *datagrams)
{
	for (unsigned i = 0; i < datagrams->count; i++) {
		if (!datagrams->all[i].begun)
			return false;
	}
	return true;
}

void datagrams_check(const struct datagrams *datagrams)
{
	for (unsigned i = 0; i < datagrams->count; i++) {
		const struct datagram *datagram = &datagrams->all[i];

		if (datagram->sent && !datagram->arrived &&
		    !(datagrams->excuses & DATAGRAM_MAY_BE_LOST))
			world_fail(datagrams->world, "datagram %u of %zu bytes is lost", i,
				   datagram->len);
	}
}

void datagrams_close(struct datagrams *datagrams)
{
	for (unsigned i = 0; i < datagrams->world->setup.nodes; i++)
		cothon_udp_close(datagrams->bindings[i]);
}
