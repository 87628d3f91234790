/* SPDX-License-Identifier: MIT */
#include "client.h"

#include "base/bytes.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include <stdlib.h>
#include <string.h>

enum {
	/* Bytes per segment of what an ordinary connection says. */
	SEGMENT = 1000,
	ROUNDS = 100,
	ROUND = 100000, /* microseconds */
};

/* What the client says: each byte tells where in the stream it is, the SYN at 0. */
static uint8_t byte_at(uint32_t place)
{
	return (uint8_t)(place * 2654435761U >> 24);
}

void client_init(struct client *client, struct stage *stage, enum scene_family family,
		 uint16_t port, uint16_t remote_port, bool outside)
{
	*client = (struct client){
		.stage = stage,
		.family = family,
		.addr = stage->scene.peer[family],
		.remote_addr = outside ? stage->scene.outside[family] : stage->scene.self[family],
		.port = port,
		.remote_port = remote_port,
		.iss = (uint32_t)port * 65537 + 4000000000,
	};
	client->seq = client->una = client->iss;
}

void client_offer(struct client *client, uint32_t seq, uint8_t flags, size_t len)
{
	struct packet *packet = &client->stage->scratch;

	packet_ip(packet, &client->addr, &client->remote_addr, PACKET_TCP);
	packet_tcp(packet, client->port, client->remote_port, seq,
		   flags & PACKET_ACK ? client->ack : 0, flags);
	if (flags & PACKET_SYN)
		packet_tcp_options(packet, client->options, client->options_len);
	for (size_t i = 0; i < len; i++)
		packet_put8(packet, byte_at(seq - client->iss + (uint32_t)i));
	packet_seal(packet);
	stage_offer(client->stage, packet);
}

void client_send(struct client *client, uint32_t seq, uint8_t flags, size_t len)
{
	client_offer(client, seq, flags, len);
	stage_run(client->stage);
}

static void hear_data(struct client *client, const struct cothon_tcp_header *tcp,
		      const uint8_t *data, size_t len)
{
	uint32_t old = client->ack - tcp->seq.v;

	if (old > len)
		return;
	for (size_t i = old; i < len; i++)
		client->check += data[i] * ((uint32_t)client->received++ % 251 + 1);
	client->ack += (uint32_t)len - old;
	if (tcp->flags & COTHON_TCP_FIN && !client->got_fin) {
		client->got_fin = true;
		client->ack++;
	}
}

static bool hear_segment(struct client *client, const struct stage_frame *frame)
{
	struct cothon_bytes bytes = {frame->data, frame->len};
	struct cothon_tcp_header tcp;
	struct cothon_ip ip;

	if (cothon_ip_parse(bytes, frame->offload.gso, &ip) || ip.protocol != PACKET_TCP)
		return false;
	bytes = (struct cothon_bytes){frame->data + ip.header_len, ip.payload_len};
	if (cothon_tcp_parse(bytes, &ip, true, &tcp) ||
	    !cothon_addr_equal(&ip.destination, &client->addr) ||
	    !cothon_addr_equal(&ip.source, &client->remote_addr) ||
	    tcp.destination_port != client->port || tcp.source_port != client->remote_port)
		return false;
	if (tcp.flags & COTHON_TCP_RST) {
		client->got_reset = true;
		return true;
	}
	if ((tcp.flags & COTHON_TCP_SYN) && !client->got_syn) {
		client->got_syn = true;
		client->irs = tcp.seq.v;
		client->ack = tcp.seq.v + 1;
	}
	if ((tcp.flags & COTHON_TCP_ACK) && (int32_t)(tcp.ack.v - client->una) > 0)
		client->una = tcp.ack.v;
	if (!(tcp.flags & COTHON_TCP_SYN))
		hear_data(client, &tcp, bytes.data + tcp.header_len, bytes.len - tcp.header_len);
	return true;
}

unsigned client_hear(struct client *client)
{
	struct stage_frame *frame;
	unsigned count = 0;

	while ((frame = stage_take(client->stage))) {
		count += hear_segment(client, frame);
		free(frame);
	}
	return count;
}

bool client_open(struct client *client)
{
	client_send(client, client->iss, PACKET_SYN, 0);
	client_hear(client);
	if (!client->got_syn || client->una != client->iss + 1)
		return false;
	client->seq = client->iss + 1;
	client_send(client, client->seq, PACKET_ACK, 0);
	return true;
}

void client_offer_options(struct client *client)
{
	const uint8_t options[] = {2, 4, 0x05, 0xa0, 1, 1, 4, 2};

	memcpy(client->options, options, sizeof(options));
	client->options_len = sizeof(options);
}

struct scene_flow client_flow(const struct client *client)
{
	return (struct scene_flow){
		.peer_port = client->port,
		.port = client->remote_port,
		.seq = client->seq,
		.ack = client->ack,
		.una = client->irs + 1,
	};
}

/*
 * One round: waits a little, takes in what came, and says again what was not acknowledged, up to
 * `end`.
 */
static void round_of(struct client *client, uint32_t end, bool fin)
{
	stage_pass(client->stage, ROUND);
	client_hear(client);
	/* Its end may be acknowledged already, which lies behind the last byte. */
	for (uint32_t at = client->una; (int32_t)(end - at) > 0 && !client->got_reset;) {
		size_t len = end - at < SEGMENT ? end - at : SEGMENT;

		client_send(client, at, PACKET_ACK | PACKET_PSH, len);
		client_hear(client);
		at += (uint32_t)len;
	}
	client_send(client, end, fin ? PACKET_ACK | PACKET_FIN : PACKET_ACK, 0);
	client_hear(client);
}

const char *client_ordinary(struct stage *stage, enum scene_family family, uint16_t port,
			    size_t len)
{
	struct client client;
	uint32_t expected = 0, end;
	unsigned rounds;

	client_init(&client, stage, family, port, SCENE_ECHO, false);
	stage_drop_out(stage);
	for (rounds = 0; rounds < ROUNDS && !client_open(&client) && !client.got_reset; rounds++)
		stage_pass(stage, ROUND);
	end = client.iss + 1 + (uint32_t)len;
	for (; rounds < ROUNDS && !client.got_reset && client.received < len; rounds++)
		round_of(&client, end, false);
	for (size_t i = 0; i < len; i++)
		expected += byte_at(1 + (uint32_t)i) * ((uint32_t)i % 251 + 1);
	if (client.received == len && client.check != expected)
		return "an ordinary connection got other bytes than it sent";
	for (; rounds < ROUNDS && !client.got_reset && !client.got_fin; rounds++)
		round_of(&client, end, true);
	if (client.got_reset)
		return "an ordinary connection was reset";
	if (rounds == ROUNDS)
		return client.got_syn ? "an ordinary connection got no answer"
				      : "an ordinary connection was not opened";
	client.seq = end + 1;
	client_send(&client, client.seq, PACKET_ACK, 0);
	client_hear(&client);
	return NULL;
}
