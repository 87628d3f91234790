/* SPDX-License-Identifier: MIT */
#include "generate_flow.h"

#include "stack/tcp/connection.h"

enum {
	NOP = 1,
	MSS = 2,
	SCALE = 3,
	SACK_PERMITTED = 4,
	SACK = 5,
	TIMESTAMP = 8,
	OPTIONS_MAX = 40,
	AT_WINDOW = 14,
	AT_URGENT = 18,
	UNREACHABLE = 3,
	UNREACHABLE_V6 = 1,
	TOO_BIG_V6 = 2,
};

/* Choosing */

struct choice {
	struct cothon_random *random;
	const struct cothon_tcp *tcp;
	uint32_t seen;
};

static void consider(const struct cothon_tcp *tcp, void *context)
{
	struct choice *choice = context;

	if (cothon_random_below(choice->random, ++choice->seen) == 0)
		choice->tcp = tcp;
}

static const struct cothon_tcp *any_flow(struct cothon_random *random, struct cothon_stack *stack)
{
	struct choice choice = {.random = random};

	cothon_tcp_each(stack, consider, &choice);
	return choice.tcp;
}

static uint32_t any_seq(struct cothon_random *random, const struct cothon_tcp *tcp)
{
	uint32_t nxt = tcp->rcv.nxt.v;

	switch (cothon_random_below(random, 20)) {
	case 0:
		return nxt - 1 - cothon_random_below(random, 2000);
	case 1:
	case 2:
	case 3:
		return nxt + 1 + cothon_random_below(random, 3000);
	case 4:
		return tcp->rcv.adv.v - 2 + cothon_random_below(random, 4);
	case 5:
		if (tcp->rcv.gaps && tcp->rcv.gaps->reassembly.count)
			return tcp->rcv.gaps->reassembly.ranges[0].start.v - 5 +
			       cothon_random_below(random, 10);
		return nxt - 1;
	case 6:
		return cothon_random_u32(random);
	default:
		return nxt;
	}
}

static uint32_t any_ack(struct cothon_random *random, const struct cothon_tcp *tcp)
{
	uint32_t una = tcp->snd.una.v, nxt = tcp->snd.nxt.v;

	switch (cothon_random_below(random, 20)) {
	case 0:
		return una - 1 - cothon_random_below(random, 3000);
	case 1:
		return nxt + 1 + cothon_random_below(random, 3000);
	case 2:
		return cothon_random_u32(random);
	case 3:
		/* Of a SYN that may not have been sent yet. */
		return tcp->snd.iss.v + 1;
	case 4:
	case 5:
	case 6:
	case 7:
		return una;
	case 8:
	case 9:
	case 10:
	case 11:
		return una + cothon_random_below(random, nxt - una + 1);
	default:
		return nxt;
	}
}

static uint8_t any_flags(struct cothon_random *random)
{
	static const uint8_t usual[] = {PACKET_ACK,
					PACKET_ACK,
					PACKET_ACK,
					PACKET_ACK,
					PACKET_ACK | PACKET_PSH,
					PACKET_ACK | PACKET_FIN,
					PACKET_ACK | PACKET_URG,
					PACKET_SYN,
					PACKET_SYN | PACKET_ACK,
					PACKET_RST,
					PACKET_RST | PACKET_ACK};

	if (cothon_random_below(random, 30) == 0)
		return (uint8_t)cothon_random_u32(random);
	if (cothon_random_below(random, 3))
		return PACKET_ACK;
	return usual[cothon_random_below(random, sizeof(usual))];
}

static uint16_t any_window(struct cothon_random *random)
{
	switch (cothon_random_below(random, 6)) {
	case 0:
		return 0;
	case 1:
		return (uint16_t)cothon_random_below(random, 4);
	case 2:
		return (uint16_t)cothon_random_u32(random);
	default:
		return 65535;
	}
}

static size_t any_payload(struct cothon_random *random)
{
	switch (cothon_random_below(random, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return 0;
	case 4:
	case 5:
	case 6:
		return 1 + cothon_random_below(random, 100);
	case 7:
	case 8:
		return 1 + cothon_random_below(random, 1460);
	default:
		return 1 + cothon_random_below(random, 30000);
	}
}

/* Options */

static size_t put_timestamp(struct cothon_random *random, const struct cothon_tcp *tcp,
			    uint8_t *out)
{
	uint32_t value = tcp->ts_recent + cothon_random_below(random, 50);

	if (cothon_random_below(random, 20) == 0)
		value = tcp->ts_recent - 1 - cothon_random_below(random, 1000);
	if (cothon_random_below(random, 50) == 0)
		value = cothon_random_u32(random);
	out[0] = out[1] = NOP;
	out[2] = TIMESTAMP;
	out[3] = 10;
	packet_set32(out + 4, value);
	packet_set32(out + 8, cothon_random_below(random, 3)
				      ? (uint32_t)(tcp->stack->now / 1000) + tcp->ts_offset -
						cothon_random_below(random, 300)
				      : cothon_random_u32(random));
	return 12;
}

/* Up to two blocks, most of them of something in flight. */
static size_t put_sack(struct cothon_random *random, const struct cothon_tcp *tcp, uint8_t *out)
{
	unsigned count = 1 + cothon_random_below(random, 2);
	uint32_t flight = tcp->snd.nxt.v - tcp->snd.una.v;

	out[0] = out[1] = NOP;
	out[2] = SACK;
	out[3] = (uint8_t)(2 + 8 * count);
	for (unsigned i = 0; i < count; i++) {
		uint32_t start = cothon_random_below(random, flight + 2);
		uint32_t end = start + cothon_random_below(random, flight + 2 - start + 1);

		if (cothon_random_below(random, 10) == 0)
			end = cothon_random_u32(random);
		packet_set32(out + 4 + 8U * i, tcp->snd.una.v + start);
		packet_set32(out + 8 + 8U * i, tcp->snd.una.v + end);
	}
	return 4 + 8U * count;
}

static size_t any_options(struct cothon_random *random, const struct cothon_tcp *tcp,
			  uint8_t options[static OPTIONS_MAX])
{
	size_t len = 0;

	if (tcp->timestamps ? cothon_random_below(random, 20) : !cothon_random_below(random, 30))
		len += put_timestamp(random, tcp, options);
	if (cothon_random_below(random, 4) == 0)
		len += put_sack(random, tcp, options + len);
	for (unsigned junk = cothon_random_below(random, 30) ? 0 : 8; junk > 0; junk--)
		options[len++] = (uint8_t)cothon_random_below(random, 12);
	return len;
}

size_t generate_syn_options(struct cothon_random *random, uint8_t options[static OPTIONS_MAX])
{
	static const uint16_t sizes[] = {0, 1, 47, 48, 536, 1220, 1400, 1460, 8960, 65535};
	size_t len = 0;

	if (cothon_random_below(random, 4)) {
		options[len++] = MSS;
		options[len++] = 4;
		packet_set16(options + len,
			     sizes[cothon_random_below(random, sizeof(sizes) / sizeof(*sizes))]);
		len += 2;
	}
	if (cothon_random_below(random, 2)) {
		options[len++] = NOP;
		options[len++] = SCALE;
		options[len++] = 3;
		options[len++] = (uint8_t)cothon_random_below(random, 20);
	}
	if (cothon_random_below(random, 2)) {
		options[len++] = SACK_PERMITTED;
		options[len++] = 2;
		options[len++] = TIMESTAMP;
		options[len++] = 10;
		packet_set32(options + len, cothon_random_u32(random));
		packet_set32(options + len + 4, 0);
		len += 8;
	}
	if (cothon_random_below(random, 8) == 0) {
		options[len++] = (uint8_t)cothon_random_below(random, 256);
		options[len++] = 4;
		options[len++] = 1;
		options[len++] = 2;
	}
	return len;
}

/* Frames */

bool generate_segment(struct cothon_random *random, struct cothon_stack *stack,
		      struct packet *packet)
{
	const struct cothon_tcp *tcp = any_flow(random, stack);
	const struct cothon_flow *flow;
	uint8_t options[OPTIONS_MAX];
	uint8_t *header;

	if (!tcp)
		return false;
	flow = &tcp->entry.flow;
	packet_ip(packet, &flow->remote, &flow->local, PACKET_TCP);
	packet_tcp(packet, flow->remote_port, flow->local_port, any_seq(random, tcp),
		   any_ack(random, tcp), any_flags(random));
	header = packet->data + packet->transport;
	packet_set16(header + AT_WINDOW, any_window(random));
	if (cothon_random_below(random, 30) == 0)
		packet_set16(header + AT_URGENT, cothon_random_u32(random) & 0xffff);
	packet_tcp_options(packet, options, any_options(random, tcp, options));
	packet_fill(packet, any_payload(random));
	return true;
}

bool generate_error(struct cothon_random *random, struct cothon_stack *stack, struct packet *packet)
{
	const struct cothon_tcp *tcp = any_flow(random, stack);
	const struct cothon_flow *flow;
	struct packet quote;
	bool ipv4, too_big = cothon_random_below(random, 2);

	if (!tcp)
		return false;
	flow = &tcp->entry.flow;
	packet_ip(&quote, &flow->local, &flow->remote, PACKET_TCP);
	packet_put16(&quote, flow->local_port);
	packet_put16(&quote, flow->remote_port);
	packet_put32(&quote,
		     cothon_random_below(random, 4) ? tcp->snd.una.v : any_ack(random, tcp));
	packet_fill(&quote, cothon_random_below(random, 40));
	packet_set_lengths(&quote);
	packet_sum_header(&quote);
	ipv4 = packet_is_ipv4(&quote);
	packet_ip(packet, &flow->remote, &flow->local, ipv4 ? PACKET_ICMP : PACKET_ICMPV6);
	if (ipv4)
		packet_icmp(packet, UNREACHABLE,
			    too_big ? 4 : (uint8_t)cothon_random_below(random, 16),
			    cothon_random_below(random, 2000));
	else
		packet_icmp(packet, too_big ? TOO_BIG_V6 : UNREACHABLE_V6,
			    (uint8_t)(too_big ? 0 : cothon_random_below(random, 7)),
			    cothon_random_below(random, 2000));
	packet_put(packet, quote.data, quote.len - cothon_random_below(random, 20) % quote.len);
	return true;
}
