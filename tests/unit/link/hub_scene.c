/* SPDX-License-Identifier: MIT */
#include "hub_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	FEATURES = COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO,
	MTU = 1500,
};

static void *ledger_alloc(void *context, size_t size)
{
	struct scene_ledger *ledger = context;

	if (ledger->empty)
		return NULL;
	ledger->blocks++;
	return malloc(size);
}

static void ledger_free(void *context, void *memory, size_t size)
{
	struct scene_ledger *ledger = context;

	/* What is given back is of the size that it was asked for: its last byte is there. */
	((volatile uint8_t *)memory)[size - 1] = 0;
	ledger->blocks--;
	free(memory);
}

static bool may_open(void *context, uint8_t transport, const struct cothon_endpoint *source,
		     const struct cothon_endpoint *destination)
{
	struct scene_member *member = context;

	member->asked++;
	member->transport = transport;
	member->source = *source;
	member->destination = *destination;
	return !member->denies;
}

static void join(struct scene *scene, unsigned number, uint32_t mtu)
{
	struct scene_member *member = &scene->members[number];
	struct cothon_memory malloced = cothon_memory_malloc;
	struct cothon_link *ends[2];
	struct cothon_addr addrs[2];
	char text[COTHON_ADDR_TEXT];

	snprintf(text, sizeof(text), "10.0.2.%u", 100 + number);
	assert_int_equal(cothon_addr_parse(text, &member->ipv4), 0);
	snprintf(text, sizeof(text), "fd00:c070::%u", 100 + number);
	assert_int_equal(cothon_addr_parse(text, &member->ipv6), 0);
	addrs[0] = member->ipv4;
	addrs[1] = member->ipv6;
	/* A kernel's end takes and gives what its own MTU would not. */
	assert_int_equal(cothon_wire_open(&malloced, scene->pool, mtu, FEATURES, SCENE_QUEUE, ends),
			 0);
	member->kernel = ends[0];
	member->kernel->mtu = COTHON_FRAME_MAX;
	assert_int_equal(cothon_hub_join(scene->hub,
					 &(struct cothon_hub_member){
						 .device = ends[1],
						 .addrs = addrs,
						 .addr_count = 2,
						 .may_open = may_open,
						 .context = member,
					 },
					 &member->port),
			 0);
}

struct scene *scene_open(uint32_t last_mtu, uint32_t max_flows)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct cothon_pool_config pool = {.memory = cothon_memory_malloc, .limit = SIZE_MAX};
	struct cothon_hub_config config = {
		.memory = {ledger_alloc, ledger_free, NULL}, .seed = {7}, .max_flows = max_flows};

	assert_non_null(scene);
	scene->now = config.now = SCENE_SECOND;
	config.memory.context = &scene->ledger;
	scene->pool = cothon_pool_create(&pool);
	assert_non_null(scene->pool);
	assert_int_equal(cothon_hub_create(&config, &scene->hub), 0);
	for (unsigned i = 0; i < SCENE_MEMBERS; i++)
		join(scene, i, i + 1 == SCENE_MEMBERS ? last_mtu : MTU);
	return scene;
}

void scene_close(struct scene *scene)
{
	for (unsigned i = 0; i < SCENE_MEMBERS; i++) {
		if (scene->members[i].port)
			cothon_link_close(scene->members[i].port);
	}
	for (unsigned i = 0; i < SCENE_MEMBERS; i++)
		cothon_link_close(scene->members[i].kernel);
	cothon_hub_destroy(scene->hub);
	assert_int_equal(scene->ledger.blocks, 0);
	assert_int_equal(cothon_pool_used(scene->pool), 0);
	cothon_pool_destroy(scene->pool);
	free(scene);
}

/* Packets */

void scene_ip(struct scene *scene, unsigned from, unsigned to, bool ipv6, uint8_t protocol)
{
	const struct scene_member *sender = &scene->members[from], *other = &scene->members[to];

	packet_ip(&scene->packet, ipv6 ? &sender->ipv6 : &sender->ipv4,
		  ipv6 ? &other->ipv6 : &other->ipv4, protocol);
}

void scene_tcp(struct scene *scene, unsigned from, unsigned to, bool ipv6, uint16_t source,
	       uint16_t destination, uint32_t seq, uint32_t ack, uint8_t flags, size_t len)
{
	scene_ip(scene, from, to, ipv6, PACKET_TCP);
	packet_tcp(&scene->packet, source, destination, seq, ack, flags);
	packet_fill(&scene->packet, len);
	packet_seal(&scene->packet);
}

void scene_udp(struct scene *scene, unsigned from, unsigned to, bool ipv6, uint16_t source,
	       uint16_t destination, size_t len)
{
	scene_ip(scene, from, to, ipv6, PACKET_UDP);
	packet_udp(&scene->packet, source, destination);
	packet_fill(&scene->packet, len);
	packet_seal(&scene->packet);
}

void scene_echo(struct scene *scene, unsigned from, unsigned to, bool ipv6, bool reply,
		uint16_t ident)
{
	uint8_t type = reply ? 0 : 8;

	if (ipv6)
		type = reply ? 129 : 128;
	scene_ip(scene, from, to, ipv6, ipv6 ? PACKET_ICMPV6 : PACKET_ICMP);
	packet_icmp(&scene->packet, type, 0, (uint32_t)ident << 16 | 1);
	packet_fill(&scene->packet, 56);
	packet_seal(&scene->packet);
}

/* What becomes of them */

static uint16_t host16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* What the packet's virtio-net header says (virtio 1.2 section 5.1.6). */
static struct cothon_offload offload_of(const struct packet *packet)
{
	const uint8_t *vnet = packet->vnet;
	struct cothon_offload offload = {.header_len = host16(vnet + 2)};

	if (vnet[1])
		offload.gso = vnet[1] == PACKET_GSO_UDP ? COTHON_GSO_UDP : COTHON_GSO_TCP;
	offload.gso_size = host16(vnet + 4);
	offload.csum_partial = vnet[0] & PACKET_NEEDS_CSUM;
	if (offload.csum_partial) {
		offload.csum_start = host16(vnet + 6);
		offload.csum_offset = host16(vnet + 8);
	}
	return offload;
}

bool scene_arrived(struct scene *scene, unsigned member)
{
	struct cothon_buf *buf;

	if (cothon_link_receive(scene->members[member].kernel, scene->pool, &buf))
		return false;
	memcpy(scene->data, buf->data, buf->len);
	scene->len = buf->len;
	scene->offload = buf->offload;
	cothon_buf_put(buf);
	return true;
}

unsigned scene_send(struct scene *scene, unsigned from)
{
	struct cothon_frame frame = {
		.iov[1] = {scene->packet.data, scene->packet.len},
		.count = 2,
		.len = scene->packet.len,
		.offload = offload_of(&scene->packet),
	};
	struct cothon_buf *buf;
	unsigned fate = SCENE_LOST;
	int result;

	cothon_hub_run(scene->hub, scene->now);
	assert_int_equal(cothon_link_transmit(scene->members[from].kernel, &frame), 0);
	result = cothon_link_receive(scene->members[from].port, scene->pool, &buf);
	if (result == 0) {
		assert_int_equal(buf->len, scene->packet.len);
		assert_memory_equal(buf->data, scene->packet.data, buf->len);
		cothon_buf_put(buf);
		return SCENE_UP;
	}
	assert_int_equal(result, -EALREADY);
	for (unsigned i = 0; i < SCENE_MEMBERS; i++) {
		if (!scene_arrived(scene, i))
			continue;
		assert_int_equal(fate, SCENE_LOST);
		fate = i == from ? (unsigned)SCENE_SAID : SCENE_AT + i;
		assert_false(scene_arrived(scene, i));
	}
	if (fate >= SCENE_AT) {
		/* It crosses as it is. */
		assert_int_equal(scene->len, scene->packet.len);
		assert_memory_equal(scene->data, scene->packet.data, scene->len);
	}
	return fate;
}

static const uint8_t *transport(const struct scene *scene)
{
	return scene->data + (scene->data[0] >> 4 == 4 ? 20 : 40);
}

uint8_t scene_flags(const struct scene *scene)
{
	return transport(scene)[13];
}

uint32_t scene_seq(const struct scene *scene)
{
	return packet_get32(transport(scene) + 4);
}

uint32_t scene_ack(const struct scene *scene)
{
	return packet_get32(transport(scene) + 8);
}

struct cothon_endpoint scene_at(const struct scene *scene, unsigned member, bool ipv6,
				uint16_t port)
{
	const struct scene_member *at = &scene->members[member];

	return (struct cothon_endpoint){ipv6 ? at->ipv6 : at->ipv4, port};
}

void scene_wait(struct scene *scene, uint64_t seconds)
{
	scene->now += seconds * SCENE_SECOND;
	cothon_hub_run(scene->hub, scene->now);
}
