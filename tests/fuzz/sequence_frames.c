/* SPDX-License-Identifier: MIT */
#include "sequence.h"

#include "../hostile/corpus.h"
#include "../hostile/generate.h"
#include "stack/tcp/connection.h"
#include <string.h>

enum {
	OPTIONS_MAX = 40,
	NOP = 1,
	MSS = 2,
	SCALE = 3,
	SACK_PERMITTED = 4,
	SACK = 5,
	TIMESTAMP = 8,
	UNKNOWN = 254,

	AT_WINDOW = 14,
	AT_URGENT = 18,

	V4_HEADER = 20,
	V6_HEADER = 40,
	V4_IDENT = 4,
	V4_FRAGMENT = 6,
	V4_MORE = 0x2000,
	V6_NEXT = 6,

	ECHO = 8,
	ECHO_V6 = 128,
	UNREACHABLE = 3,
	UNREACHABLE_V6 = 1,
	TOO_BIG = 4, /* a code of UNREACHABLE */
	TOO_BIG_V6 = 2,

	/* The first argument of what is for nobody's flow. */
	TO_V6 = 1,
	TO_OUTSIDE = 2,

	PEER_PORT = 20000,
	NOISE_FRAMES = 8,
};

/* Flows */

struct choice {
	unsigned left;
	const struct cothon_tcp *tcp;
};

static void count_flow(const struct cothon_tcp *tcp, void *context)
{
	(void)tcp;
	++*(unsigned *)context;
}

static void choose_flow(const struct cothon_tcp *tcp, void *context)
{
	struct choice *choice = context;

	if (choice->left-- == 0)
		choice->tcp = tcp;
}

/* The flow of that number, beginning anew behind the last, or NULL. */
static const struct cothon_tcp *flow_at(struct stage *stage, unsigned number)
{
	struct choice choice = {0};
	unsigned count = 0;

	cothon_tcp_each(stage->stack, count_flow, &count);
	if (count == 0)
		return NULL;
	choice.left = number % count;
	cothon_tcp_each(stage->stack, choose_flow, &choice);
	return choice.tcp;
}

static uint32_t seq_of(const struct cothon_tcp *tcp, unsigned choice, int32_t delta)
{
	switch (choice % 8) {
	case 1:
		return tcp->rcv.nxt.v + (uint32_t)delta;
	case 2:
		return tcp->rcv.adv.v + (uint32_t)(delta % 4);
	case 3:
		return (tcp->rcv.gaps && tcp->rcv.gaps->reassembly.count
				? tcp->rcv.gaps->reassembly.ranges[0].start.v
				: tcp->rcv.nxt.v) +
		       (uint32_t)(delta % 64);
	case 4:
		return tcp->rcv.nxt.v + (uint32_t)delta * 65536;
	case 5:
		return tcp->rcv.irs.v;
	default:
		return tcp->rcv.nxt.v;
	}
}

static uint32_t ack_of(const struct cothon_tcp *tcp, unsigned choice, int32_t delta)
{
	uint32_t una = tcp->snd.una.v, nxt = tcp->snd.nxt.v;

	switch (choice % 8) {
	case 1:
		return una;
	case 2:
		return una + (uint32_t)delta;
	case 3:
		return nxt + (uint32_t)delta;
	case 4:
		return una + (nxt - una) / 2;
	case 5:
		return tcp->snd.iss.v + 1;
	case 6:
		return una + (uint32_t)delta * 65536;
	default:
		return nxt;
	}
}

static size_t put_timestamp(const struct cothon_tcp *tcp, int32_t delta, uint8_t *out)
{
	uint32_t now = (uint32_t)(tcp->stack->now / 1000) + tcp->ts_offset;

	out[0] = out[1] = NOP;
	out[2] = TIMESTAMP;
	out[3] = 10;
	packet_set32(out + 4, tcp->ts_recent + (uint32_t)delta);
	packet_set32(out + 8, now);
	return 12;
}

/* Blocks of what is in flight: where the first begins and how long they are, in its 255ths. */
static size_t put_sack(const struct cothon_tcp *tcp, unsigned count, uint8_t from, uint8_t step,
		       uint8_t *out)
{
	uint32_t flight = tcp->snd.nxt.v - tcp->snd.una.v;
	uint32_t place = tcp->snd.una.v + (uint32_t)((uint64_t)flight * from / 255);
	uint32_t len = (uint32_t)((uint64_t)flight * step / 255);

	out[0] = out[1] = NOP;
	out[2] = SACK;
	out[3] = (uint8_t)(2 + 8 * count);
	for (unsigned i = 0; i < count; i++) {
		packet_set32(out + 4 + 8U * i, place);
		packet_set32(out + 8 + 8U * i, place + len);
		place += 2 * len;
	}
	return 4 + 8U * count;
}

/*
 * The bits of what stands in a segment: 1 no timestamp where there should be one, or one where there
 * should not; 2 an old one; 4 and 8 one or two SACK blocks; 16 one of anything; 32 an option of no
 * length.
 */
static size_t put_options(const struct cothon_tcp *tcp, const struct sequence_record *record,
			  uint8_t out[static OPTIONS_MAX])
{
	unsigned bits = record->arg[10];
	uint8_t from = record->arg[11], step = record->arg[12];
	size_t len = 0;

	if (tcp->timestamps != (bits & 1))
		len += put_timestamp(tcp, bits & 2 ? -(int32_t)from - 1 : from % 2, out);
	if (bits & 12)
		len += put_sack(tcp, bits >> 2 & 3, from, step, out + len);
	if ((bits & 16) && len + 8 <= OPTIONS_MAX) {
		const uint8_t wild[] = {UNKNOWN, 4, from, step, NOP, NOP, from, step};

		memcpy(out + len, wild, sizeof(wild));
		len += sizeof(wild);
	}
	if ((bits & 32) && len + 4 <= OPTIONS_MAX) {
		memset(out + len, 0, 4);
		out[len] = UNKNOWN;
		len += 4;
	}
	return len;
}

/* Frames */

/*
 * arg: which flow; sequence number: from what, and how far, two bytes; the same of the
 * acknowledgment; flags but ACK, which is there unless it is asked not to; window, two bytes;
 * options, three; bytes of payload, two, the highest bit of which means many.
 */
static bool make_segment(struct stage *stage, const struct sequence_record *record)
{
	const struct cothon_tcp *tcp = flow_at(stage, record->arg[0]);
	struct packet *packet = &stage->scratch;
	unsigned payload = sequence_16(record, 13);
	uint8_t options[OPTIONS_MAX];
	const struct cothon_flow *flow;
	uint8_t *header;

	if (!tcp)
		return false;
	flow = &tcp->entry.flow;
	packet_ip(packet, &flow->remote, &flow->local, PACKET_TCP);
	packet_tcp(packet, flow->remote_port, flow->local_port,
		   seq_of(tcp, record->arg[1], sequence_delta(record, 2)),
		   ack_of(tcp, record->arg[4], sequence_delta(record, 5)),
		   record->arg[7] ^ PACKET_ACK);
	header = packet->data + packet->transport;
	packet_set16(header + AT_WINDOW, (uint16_t)~sequence_16(record, 8));
	packet_set16(header + AT_URGENT, record->arg[7] & PACKET_URG ? record->arg[11] : 0);
	packet_tcp_options(packet, options, put_options(tcp, record, options));
	packet_fill(packet, payload & 0x8000 ? payload & 0x7fff : payload % 1500);
	packet_seal(packet);
	if (packet->len > stage->link.mtu)
		packet_offload(packet, true, 1400);
	return true;
}

/* An IP header from the peer to the stack or to the host outside, as bits of an argument say. */
static void begin(struct stage *stage, unsigned bits, uint8_t protocol)
{
	const struct scene *scene = &stage->scene;
	enum scene_family family = bits & TO_V6 ? SCENE_V6 : SCENE_V4;

	packet_ip(&stage->scratch, &scene->peer[family],
		  bits & TO_OUTSIDE ? &scene->outside[family] : &scene->self[family], protocol);
}

static uint16_t port_at(unsigned number)
{
	static const uint16_t ports[] = {
		SCENE_ECHO,   SCENE_DISCARD,  SCENE_STALL,      SCENE_HANG_UP, SCENE_TALK,
		SCENE_CLOSED, SCENE_ANSWERED, SCENE_OPEN,       SCENE_HELD,    SCENE_REFUSED,
		SCENE_NO_NET, SCENE_NO_HOST,  SCENE_PROHIBITED, SCENE_SILENT,  SCENE_GIVEN_BACK,
	};

	return ports[number % (sizeof(ports) / sizeof(*ports))];
}

/*
 * arg: to whom; which port; from which; sequence number, four bytes; which options: 1 MSS, 2 window
 * scale, 4 SACK permitted, 8 timestamp; MSS, two bytes; scale; flags besides SYN; payload.
 */
static bool make_syn(struct stage *stage, const struct sequence_record *record)
{
	struct packet *packet = &stage->scratch;
	const uint8_t *arg = record->arg;
	uint8_t options[OPTIONS_MAX] = {0};
	size_t len = 0;

	if (arg[7] & 1) {
		const uint8_t mss[] = {MSS, 4, arg[8], arg[9]};

		memcpy(options, mss, sizeof(mss));
		len = sizeof(mss);
	}
	if (arg[7] & 2) {
		const uint8_t scale[] = {NOP, SCALE, 3, arg[10]};

		memcpy(options + len, scale, sizeof(scale));
		len += sizeof(scale);
	}
	if (arg[7] & 4) {
		const uint8_t permitted[] = {NOP, NOP, SACK_PERMITTED, 2};

		memcpy(options + len, permitted, sizeof(permitted));
		len += sizeof(permitted);
	}
	if (arg[7] & 8) {
		const uint8_t timestamp[12] = {NOP,    NOP,    TIMESTAMP, 10,
					       arg[3], arg[4], arg[5],    arg[6]};

		memcpy(options + len, timestamp, sizeof(timestamp));
		len += sizeof(timestamp);
	}
	begin(stage, arg[0], PACKET_TCP);
	packet_tcp(packet, (uint16_t)(PEER_PORT + arg[2]), port_at(arg[1]), packet_get32(arg + 3),
		   0, arg[11] ^ PACKET_SYN);
	packet_tcp_options(packet, options, len);
	packet_fill(packet, arg[12]);
	packet_seal(packet);
	return true;
}

/* arg: to whom; which port; from which; bytes of payload, two; 1: without a checksum. */
static bool make_datagram(struct stage *stage, const struct sequence_record *record)
{
	struct packet *packet = &stage->scratch;

	begin(stage, record->arg[0], PACKET_UDP);
	packet_udp(packet, (uint16_t)(stage->scene.datagram_port + record->arg[2]),
		   port_at(record->arg[1]));
	packet_fill(packet, sequence_16(record, 3) % 60000);
	packet_seal(packet);
	if (record->arg[5] & 1)
		packet_set16(packet->data + packet->transport + 6, 0);
	if (packet->len > stage->link.mtu)
		packet_offload(packet, true, 1000);
	return true;
}

/* arg: to whom; type, 0: echo request; code; identifier; sequence; bytes of payload, two. */
static bool make_echo(struct stage *stage, const struct sequence_record *record)
{
	struct packet *packet = &stage->scratch;
	const uint8_t *arg = record->arg;
	bool ipv6 = arg[0] & TO_V6;
	uint8_t type = ipv6 ? ECHO_V6 : ECHO;

	begin(stage, arg[0], ipv6 ? PACKET_ICMPV6 : PACKET_ICMP);
	packet_icmp(packet, arg[1] ? arg[1] : type, arg[2], (uint32_t)arg[3] << 16 | arg[4]);
	packet_fill(packet, sequence_16(record, 5) % 60000);
	packet_seal(packet);
	return true;
}

/*
 * arg: which flow; the quoted sequence number, from what and how far, two bytes; the code, or, with
 * the highest bit, too big; MTU, two bytes; bytes quoted behind the ports and the number.
 */
static bool make_error(struct stage *stage, const struct sequence_record *record)
{
	const struct cothon_tcp *tcp = flow_at(stage, record->arg[0]);
	struct packet *packet = &stage->scratch;
	const uint8_t *arg = record->arg;
	static struct packet quote;
	const struct cothon_flow *flow;
	bool ipv4, too_big = arg[4] & 0x80;
	uint8_t code = arg[4] & 0x0f;

	if (!tcp)
		return false;
	flow = &tcp->entry.flow;
	packet_ip(&quote, &flow->local, &flow->remote, PACKET_TCP);
	packet_put16(&quote, flow->local_port);
	packet_put16(&quote, flow->remote_port);
	packet_put32(&quote, ack_of(tcp, arg[1] + 1U, sequence_delta(record, 2)));
	packet_fill(&quote, arg[7]);
	packet_set_lengths(&quote);
	packet_sum_header(&quote);
	ipv4 = packet_is_ipv4(&quote);
	packet_ip(packet, &flow->remote, &flow->local, ipv4 ? PACKET_ICMP : PACKET_ICMPV6);
	if (ipv4)
		packet_icmp(packet, UNREACHABLE, too_big ? TOO_BIG : code, sequence_16(record, 5));
	else
		packet_icmp(packet, too_big ? TOO_BIG_V6 : UNREACHABLE_V6, too_big ? 0 : code,
			    sequence_16(record, 5));
	packet_put(packet, quote.data, quote.len);
	packet_seal(packet);
	return true;
}

/*
 * arg: to whom; the identification, by which the datagram is as long as it is; where the fragment
 * begins, in units of eight bytes, two bytes; how many of them; 1: more follow although it is the
 * last, or none although it is not; 2: a few bytes more than whole units.
 */
static bool make_fragment(struct stage *stage, const struct sequence_record *record)
{
	static struct packet whole;
	struct packet *packet = &stage->scratch;
	const uint8_t *arg = record->arg;
	size_t header, payload, from = sequence_16(record, 2) % 8192 * 8U, len = arg[4] * 8U;
	bool more;

	begin(stage, arg[0], PACKET_UDP);
	packet_udp(packet, (uint16_t)(stage->scene.datagram_port + arg[1]), SCENE_ECHO);
	packet_fill(packet, arg[1] * 64U);
	packet_seal(packet);
	memcpy(whole.data, packet->data, packet->len);
	whole.len = packet->len;
	header = packet_is_ipv4(&whole) ? V4_HEADER : V6_HEADER;
	payload = whole.len - header;
	if (from >= payload)
		from = from % payload / 8 * 8;
	if (len > payload - from)
		len = payload - from;
	more = (from + len < payload) != (arg[5] & 1);
	packet->len = header;
	if (header == V4_HEADER) {
		packet_set16(packet->data + V4_IDENT, arg[1]);
		packet_set16(packet->data + V4_FRAGMENT,
			     (unsigned)(from / 8) | (more ? V4_MORE : 0));
	} else {
		packet->data[V6_NEXT] = PACKET_FRAGMENT;
		packet_fragment_header(packet, PACKET_UDP, (unsigned)from, more, arg[1]);
	}
	packet_put(packet, whole.data + header + from, len);
	packet_fill(packet, arg[5] & 2 ? 3 : 0);
	packet_set_lengths(packet);
	packet_sum_header(packet);
	return true;
}

/* The scene's flows become one that there is, for cases that are about them. */
static void aim(struct stage *stage, unsigned number, enum scene_family family)
{
	const struct cothon_tcp *tcp = flow_at(stage, number);

	if (!tcp)
		return;
	stage->scene.quiet[family] = (struct scene_flow){
		.peer_port = tcp->entry.flow.remote_port,
		.port = tcp->entry.flow.local_port,
		.seq = tcp->rcv.nxt.v,
		.ack = tcp->snd.nxt.v,
		.una = tcp->snd.una.v,
	};
	stage->scene.sending[family] = stage->scene.quiet[family];
}

/* arg: group; case; family; which of its frames; which flow it is about. */
static bool make_case(struct stage *stage, const struct sequence_record *record)
{
	struct corpus_request request = {.scene = &stage->scene,
					 .family = record->arg[2] & 1 ? SCENE_V6 : SCENE_V4};
	const struct corpus_group *group;
	const struct corpus_case *case_;
	unsigned groups = 0, families;

	do
		groups++;
	while (corpus[groups]);
	group = corpus[record->arg[0] % groups];
	case_ = &group->cases[record->arg[1] % group->count];
	families = case_->families ? case_->families : group->families;
	if (!(families & 1U << request.family))
		request.family = !request.family;
	aim(stage, record->arg[4], request.family);
	request.index = record->arg[3] % (case_->frames ? case_->frames : 1);
	request.value = case_->value;
	case_->build(&request, &stage->scratch);
	return true;
}

/*
 * arg: what is set right again (1 lengths, 2 the header's checksum, 4 the transport's, 8 cut short);
 * where it is cut; then places and what they are changed by, four times.
 */
static bool make_change(struct stage *stage, const struct sequence_record *record)
{
	struct packet *packet = &stage->scratch;
	const uint8_t *arg = record->arg;

	if ((arg[0] & 8) && packet->len > 0)
		packet->len = arg[1] % packet->len;
	if (packet->len == 0)
		return true;
	for (unsigned i = 2; i < 10; i += 2) {
		if (arg[i] < packet->len)
			packet->data[arg[i]] ^= arg[i + 1];
	}
	if ((arg[0] & 1) && packet->len >= V6_HEADER)
		packet_set_lengths(packet);
	if (arg[0] & 2)
		packet_sum_header(packet);
	if (arg[0] & 4)
		packet_sum_transport(packet);
	return true;
}

/* arg: a seed, four bytes; how many frames. */
static void make_noise(struct stage *stage, const struct sequence_record *record)
{
	struct generator generator;

	generator_init(&generator, packet_get32(record->arg), &stage->scene, stage->stack);
	for (unsigned i = 0; i <= record->arg[4] % NOISE_FRAMES; i++) {
		generator_next(&generator, &stage->scratch);
		stage_offer(stage, &stage->scratch);
	}
	generator_finish(&generator);
}

void sequence_frame(struct stage *stage, const struct sequence_record *record)
{
	static bool (*const makers[])(struct stage *, const struct sequence_record *) = {
		[SEQUENCE_SEGMENT] = make_segment,   [SEQUENCE_SYN] = make_syn,
		[SEQUENCE_DATAGRAM] = make_datagram, [SEQUENCE_ECHO] = make_echo,
		[SEQUENCE_ERROR] = make_error,       [SEQUENCE_FRAGMENT] = make_fragment,
		[SEQUENCE_CASE] = make_case,         [SEQUENCE_CHANGE] = make_change,
	};
	unsigned action = record->action % SEQUENCE_BURST % SEQUENCE_ACTIONS;

	if (action == SEQUENCE_NOISE)
		make_noise(stage, record);
	else if (makers[action](stage, record))
		stage_offer(stage, &stage->scratch);
}
