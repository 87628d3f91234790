/* SPDX-License-Identifier: MIT */
#include "corpus.h"

enum {
	AT_OFFSET = 12,
	AT_FLAGS = 13,
	AT_WINDOW = 14,
	AT_CHECKSUM = 16,
	AT_URGENT = 18,
	HEADER = 20,
	PEER_PORT = 32000,
	SEQ = 77,
	XMAS = PACKET_FIN | PACKET_PSH | PACKET_URG,
};

static uint8_t *header(struct packet *packet)
{
	return packet->data + packet->transport;
}

/* A segment to a port of the stack. */
static void segment(const struct corpus_request *request, struct packet *packet, uint16_t port,
		    uint8_t flags, size_t len)
{
	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, PEER_PORT, port, SEQ, 0, flags);
	packet_fill(packet, len);
	packet_seal(packet);
}

/* A segment of the quiet flow, `off` from what comes next. */
static void of_flow(const struct corpus_request *request, struct packet *packet, uint32_t off,
		    uint8_t flags, size_t len)
{
	const struct scene_flow *flow = &request->scene->quiet[request->family];

	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, flow->peer_port, flow->port, flow->seq + off, flow->ack, flags);
	packet_fill(packet, len);
	packet_seal(packet);
}

static void cut(const struct corpus_request *request, struct packet *packet)
{
	segment(request, packet, SCENE_ECHO, PACKET_SYN, 0);
	packet->len = packet->transport + request->value;
	packet_seal(packet);
}

static void data_offset(const struct corpus_request *request, struct packet *packet)
{
	segment(request, packet, SCENE_ECHO, PACKET_SYN, 0);
	header(packet)[AT_OFFSET] = (uint8_t)((request->value + request->index) << 4);
	packet_sum_transport(packet);
}

static void checksum(const struct corpus_request *request, struct packet *packet)
{
	segment(request, packet, SCENE_ECHO, PACKET_SYN, 0);
	packet_set16(header(packet) + AT_CHECKSUM, request->value);
}

static void checksum_of_flow(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, 0, PACKET_ACK | PACKET_RST, 0);
	header(packet)[AT_CHECKSUM] ^= 0x80;
}

static void to_closed(const struct corpus_request *request, struct packet *packet)
{
	segment(request, packet, SCENE_CLOSED, (uint8_t)request->value, 10);
}

static void to_listener(const struct corpus_request *request, struct packet *packet)
{
	segment(request, packet, SCENE_ECHO, (uint8_t)request->value, 10);
}

static void to_outside(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_outside(request, packet, PACKET_TCP);
	packet_tcp(packet, PEER_PORT, (uint16_t)request->value, SEQ, 0, PACKET_SYN);
	packet_seal(packet);
}

static void port_zero(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, 0, 0, SEQ, 0, PACKET_SYN);
	packet_seal(packet);
}

/* From the stack to itself. */
static void land(const struct corpus_request *request, struct packet *packet)
{
	const struct cothon_addr *self = &request->scene->self[request->family];

	packet_ip(packet, self, self, PACKET_TCP);
	packet_tcp(packet, SCENE_ECHO, SCENE_ECHO, SEQ, 0, PACKET_SYN);
	packet_seal(packet);
}

static void flood(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, (uint16_t)(1024 + request->index), SCENE_DISCARD, SEQ, 0, PACKET_SYN);
	packet_seal(packet);
}

/* Flags on the quiet flow, at the right place. */
static void flags_of_flow(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, 0, (uint8_t)request->value, 0);
}

static void reset_at(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, request->value, PACKET_RST, 0);
}

static void ack_of(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, 0, PACKET_ACK, 0);
	packet_set32(header(packet) + 8,
		     request->scene->quiet[request->family].ack + request->value);
	packet_sum_transport(packet);
}

static void data_at(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, request->value, PACKET_ACK | PACKET_PSH, 10);
}

/* Data of a segment that the flow has seen. */
static void old_data(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, 0U - 10, PACKET_ACK | PACKET_PSH, 10);
}

/*
 * An urgent pointer of `value` on a segment that says nothing but that, with and without the flag.
 */
static void urgent(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, 0, PACKET_ACK | (request->index ? PACKET_URG : 0), 0);
	packet_set16(header(packet) + AT_URGENT, request->value);
	packet_sum_transport(packet);
}

static void urgent_data(const struct corpus_request *request, struct packet *packet)
{
	of_flow(request, packet, 0, PACKET_ACK | PACKET_URG, 10);
	packet_set16(header(packet) + AT_URGENT, request->value);
	packet_sum_transport(packet);
}

/* A segment whose payload reaches far beyond the window. */
static void too_much(const struct corpus_request *request, struct packet *packet)
{
	const struct scene_flow *flow = &request->scene->quiet[request->family];

	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, flow->peer_port, flow->port, flow->seq - 1, flow->ack, PACKET_ACK);
	packet_fill(packet, 1);
	packet_seal(packet);
}

#define BAD     .counts = {COUNT(tcp_in, 1), COUNT(tcp_bad, 1)}
#define DROPPED .counts = {COUNT(tcp_in, 1)}
#define NO_FLOW .counts = {COUNT(tcp_in, 1), COUNT(tcp_no_flow, 1)}
#define RESET                                                                         \
	.counts = {COUNT(tcp_in, 1), COUNT(tcp_no_flow, 1), COUNT(tcp_resets_out, 1), \
		   COUNT(tcp_out, 1), COUNT(frames_out, 1)}
#define REFUSED                                                                       \
	.counts = {COUNT(tcp_in, 1),  COUNT(tcp_refused, 1),    COUNT(tcp_closed, 1), \
		   COUNT(tcp_out, 1), COUNT(tcp_resets_out, 1), COUNT(frames_out, 1)}
#define UNREACHABLE                                                               \
	.counts = {COUNT(tcp_in, 1), COUNT(tcp_refused, 1), COUNT(tcp_closed, 1), \
		   COUNT(icmp_errors_out, 1), COUNT(frames_out, 1)}
/* Taken for a SYN: answered. */
#define ANSWERED .counts = {COUNT(tcp_in, 1), COUNT(tcp_out, 1), COUNT(frames_out, 1)}
#define CHALLENGED                                                                    \
	.counts = {COUNT(tcp_in, 1), COUNT(tcp_challenge_acks, 1), COUNT(tcp_out, 1), \
		   COUNT(frames_out, 1)}
/* Out of the window: answered by an ACK. */
#define DUPLICATE                                                                 \
	.counts = {COUNT(tcp_in, 1), COUNT(tcp_duplicates, 1), COUNT(tcp_out, 1), \
		   COUNT(frames_out, 1)}
/* Ten bytes that the application sends back at once. */
#define ECHOED .counts = {COUNT(tcp_in, 1), COUNT(tcp_out, 1), COUNT(frames_out, 1)}

static const struct corpus_case cases[] = {
	{"no header", cut, .value = 0, BAD},
	{"a header cut after 19 bytes", cut, .value = 19, BAD},
	{"data offsets below five words", data_offset, .frames = 5,
	 .counts = {COUNT(tcp_in, 5), COUNT(tcp_bad, 5)}},
	{"data offsets beyond the segment", data_offset, .value = 6, .frames = 10,
	 .counts = {COUNT(tcp_in, 10), COUNT(tcp_bad, 10)}},
	{"a wrong checksum", checksum, .value = 0xdead, BAD},
	{"no checksum", checksum, .value = 0, BAD},
	{"a reset with a wrong checksum", checksum_of_flow, BAD},
	{"a NULL scan of a closed port", to_closed, .value = 0, RESET},
	{"an XMAS scan of a closed port", to_closed, .value = XMAS, RESET},
	{"a FIN scan of a closed port", to_closed, .value = PACKET_FIN, RESET},
	{"an ACK scan of a closed port", to_closed, .value = PACKET_ACK, RESET},
	{"a SYN-ACK to a closed port", to_closed, .value = PACKET_SYN | PACKET_ACK, RESET},
	{"a reset to a closed port", to_closed, .value = PACKET_RST, NO_FLOW},
	{"all flags to a closed port", to_closed, .value = 0xff, NO_FLOW},
	{"a SYN with data to a closed port", to_closed, .value = PACKET_SYN, REFUSED},
	{"an ACK scan of an open port", to_listener, .value = PACKET_ACK, RESET},
	{"a SYN-ACK to an open port", to_listener, .value = PACKET_SYN | PACKET_ACK, RESET},
	{"a reset to an open port", to_listener, .value = PACKET_RST, NO_FLOW},
	{"SYN and RST to an open port", to_listener, .value = PACKET_SYN | PACKET_RST, NO_FLOW},
	{"a SYN with data", to_listener, .value = PACKET_SYN, ANSWERED},
	{"SYN and FIN", to_listener, .value = PACKET_SYN | PACKET_FIN, ANSWERED},
	{"SYN, FIN, PSH and URG", to_listener, .value = PACKET_SYN | XMAS, ANSWERED},
	{"a SYN outside that is refused", to_outside, .value = SCENE_REFUSED, REFUSED},
	{"a SYN outside that is given back", to_outside, .value = SCENE_GIVEN_BACK, REFUSED},
	{"a SYN to a network that is not there", to_outside, .value = SCENE_NO_NET, UNREACHABLE},
	{"a SYN to a place that is closed", to_outside, .value = SCENE_PROHIBITED, UNREACHABLE},
	{"a SYN to a place that is silent", to_outside, .value = SCENE_SILENT,
	 .counts = {COUNT(tcp_in, 1), COUNT(tcp_refused, 1), COUNT(tcp_closed, 1)}},
	{"a SYN that is held for three minutes", to_outside, .value = SCENE_HELD, .seconds = 200,
	 .counts = {COUNT(tcp_in, 1), COUNT(tcp_closed, 1)}},
	{"from port 0 to port 0", port_zero, REFUSED},
	{"from the stack's own endpoint to itself (LAND)", land,
	 .counts = {COUNT(ip_bad_address, 1)}},
	{"more SYNs than may be half-open", flood, .frames = 20,
	 .counts = {COUNT(tcp_in, 20), COUNT(tcp_half_open_dropped, 4), COUNT(tcp_out, 16),
		    COUNT(frames_out, 16)}},
	{"a flow: no flags", flags_of_flow, .value = 0, DROPPED},
	{"a flow: FIN, PSH and URG", flags_of_flow, .value = XMAS, DROPPED},
	{"a flow: SYN", flags_of_flow, .value = PACKET_SYN, CHALLENGED},
	{"a flow: SYN and ACK", flags_of_flow, .value = PACKET_SYN | PACKET_ACK, CHALLENGED},
	{"a flow: SYN and FIN", flags_of_flow, .value = PACKET_SYN | PACKET_FIN, CHALLENGED},
	{"a flow: RST in the window", reset_at, .value = 1, CHALLENGED},
	{"a flow: RST left of the window", reset_at, .value = 0xffffffff,
	 .counts = {COUNT(tcp_in, 1), COUNT(tcp_duplicates, 1)}},
	{"a flow: RST far from the window", reset_at, .value = 0x40000000,
	 .counts = {COUNT(tcp_in, 1), COUNT(tcp_duplicates, 1)}},
	{"a flow: an ACK of what was never sent", ack_of, .value = 1, CHALLENGED},
	{"a flow: an ACK half the numbers ahead", ack_of, .value = 0x7fffffff, CHALLENGED},
	{"a flow: an ACK from long ago", ack_of, .value = 0x80000001, CHALLENGED},
	{"a flow: data half the numbers ahead", data_at, .value = 0x7ffffff0, DUPLICATE},
	{"a flow: data that was there before", old_data, DUPLICATE},
	{"a flow: one byte that was there before", too_much, DUPLICATE},
	{"a flow: an urgent pointer to 0", urgent, .value = 0, .frames = 2,
	 .counts = {COUNT(tcp_in, 2)}},
	{"a flow: an urgent pointer to 65535", urgent, .value = 65535, .frames = 2,
	 .counts = {COUNT(tcp_in, 2)}},
	{"a flow: urgent data with a pointer to 0", urgent_data, .value = 0, ECHOED},
	{"a flow: urgent data with a pointer into it", urgent_data, .value = 5, ECHOED},
	{"a flow: urgent data with a pointer beyond it", urgent_data, .value = 65535, ECHOED},
};

CORPUS_GROUP(corpus_tcp, "TCP", CORPUS_BOTH, cases);
