/* SPDX-License-Identifier: MIT */

/* Packets that leave. */

#include "segment.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct seen {
	struct cothon_ip ip;
	struct cothon_tcp_header tcp;
	struct cothon_bytes payload;
};

/* The host's packets are well-formed, whatever they say. */
static struct seen look(struct play *play, const struct left *left)
{
	struct seen seen;
	struct cothon_addr host = packet_address(play, "host");

	if (cothon_ip_parse((struct cothon_bytes){left->data, left->len}, false, &seen.ip))
		play_fail(play, "a malformed packet has left");
	if (left->len != seen.ip.header_len + seen.ip.payload_len)
		play_fail(play, "a packet has left that is longer than it says");
	if (!cothon_addr_equal(&seen.ip.source, &host))
		play_fail(play, "a packet has left from another address");
	seen.payload = (struct cothon_bytes){left->data + seen.ip.header_len, seen.ip.payload_len};
	if (seen.ip.protocol == COTHON_IPPROTO_TCP) {
		if (cothon_tcp_parse(seen.payload, &seen.ip, false, &seen.tcp))
			play_fail(play, "a malformed segment has left");
		seen.payload.data += seen.tcp.header_len;
		seen.payload.len -= seen.tcp.header_len;
	}
	return seen;
}

/* The segment with numbers relative to those of the SYNs. */
static void make_relative(const struct play_flow *flow, struct cothon_tcp_header *tcp)
{
	if (flow->known)
		tcp->seq.v -= flow->host_iss;
	tcp->ack.v -= tcp->flags & COTHON_TCP_ACK ? flow->iss : tcp->ack.v;
	for (unsigned i = 0; i < tcp->sack_count; i++) {
		tcp->sack[i].start.v -= flow->iss;
		tcp->sack[i].end.v -= flow->iss;
	}
}

/* SHLD-14: the right edge of the window stays or moves right, but for what the window scale rounds. */
static void check_edge(struct play *play, const struct cothon_tcp_header *tcp)
{
	struct play_flow *flow = play->flow;
	uint32_t scale = tcp->flags & COTHON_TCP_SYN ? 0 : flow->host_scale;
	uint32_t edge = tcp->ack.v + ((uint32_t)tcp->window << scale);

	if (!(tcp->flags & COTHON_TCP_ACK) || (tcp->flags & COTHON_TCP_RST))
		return;
	if (flow->edge_known && (int32_t)(edge - flow->edge) <= -(int32_t)(1u << scale))
		play_fail(play, "the right edge of the host's window has moved left from %u to %u",
			  flow->edge, edge);
	if (!flow->edge_known || (int32_t)(edge - flow->edge) > 0)
		flow->edge = edge;
	flow->edge_known = true;
}

static struct play_flow *flow_of(struct play *play, const struct cothon_tcp_header *tcp)
{
	for (unsigned i = 0; i < play->flow_count; i++) {
		if (play->flows[i].peer_port == tcp->destination_port)
			return &play->flows[i];
	}
	return NULL;
}

void packet_learn(struct play *play, const struct left *left)
{
	struct seen seen = look(play, left);
	struct cothon_tcp_header *tcp = &seen.tcp;
	struct play_flow *selected = play->flow, *flow;
	uint32_t end;

	if (seen.ip.protocol != COTHON_IPPROTO_TCP)
		return;
	flow = flow_of(play, tcp);
	if (!flow || flow->host_port != tcp->source_port)
		return;
	if (tcp->flags & COTHON_TCP_SYN) {
		if (!flow->known || flow->host_iss != tcp->seq.v)
			flow->edge_known = false;
		flow->host_iss = tcp->seq.v;
		flow->known = true;
		flow->scaling = tcp->has_window_scale && play->peer.has_scale;
		flow->host_scale = flow->scaling ? tcp->window_scale : 0;
		flow->timestamps = tcp->has_timestamp && play->peer.timestamps;
	}
	play->flow = flow;
	make_relative(flow, tcp);
	end = tcp->seq.v + (uint32_t)seen.payload.len + !!(tcp->flags & COTHON_TCP_SYN) +
	      !!(tcp->flags & COTHON_TCP_FIN);
	if (!(tcp->flags & COTHON_TCP_RST) && (int32_t)(end - flow->host_next) > 0)
		flow->host_next = end;
	if (tcp->has_timestamp)
		flow->host_ts = tcp->ts_value;
	check_edge(play, tcp);
	for (uint32_t i = 0; flow->known && i < seen.payload.len; i++) {
		if (seen.payload.data[i] != packet_pattern(true, tcp->seq.v + i))
			play_fail(play, "byte %u of the host's stream is wrong", tcp->seq.v + i);
	}
	play->flow = selected;
}

static int add(char *text, size_t size, int used, const char *format, ...)
{
	va_list list;
	int len;

	if ((size_t)used >= size)
		return used;
	va_start(list, format);
	len = vsnprintf(text + used, size - (size_t)used, format, list);
	va_end(list);
	return used + len;
}

static void describe_segment(const struct cothon_tcp_header *tcp, uint32_t len, uint8_t ecn,
			     char *text, size_t size)
{
	int used = 0;

	for (unsigned i = 0; i < 8; i++) {
		if (tcp->flags >> i & 1)
			used = add(text, size, used, "%c", segment_flags[i]);
	}
	used = add(text, size, used, " %d", (int32_t)tcp->seq.v);
	if (len)
		used = add(text, size, used, ":%d", (int32_t)(tcp->seq.v + len));
	if (tcp->flags & COTHON_TCP_ACK)
		used = add(text, size, used, " ack %d", (int32_t)tcp->ack.v);
	used = add(text, size, used, " win %u", tcp->window);
	if (tcp->has_mss)
		used = add(text, size, used, " mss %u", tcp->mss);
	if (tcp->has_window_scale)
		used = add(text, size, used, " scale %u", tcp->window_scale);
	if (tcp->sack_permitted)
		used = add(text, size, used, " sackok");
	if (tcp->has_timestamp)
		used = add(text, size, used, " tsval %u tsecr %u", tcp->ts_value, tcp->ts_echo);
	for (unsigned i = 0; i < tcp->sack_count; i++)
		used = add(text, size, used, "%s%u:%u", i ? "," : " sack ", tcp->sack[i].start.v,
			   tcp->sack[i].end.v);
	if (ecn)
		add(text, size, used, " %s", ecn == 3 ? "ce" : ecn == 2 ? "ect0" : "ect1");
}

void packet_describe(struct play *play, const struct left *left, char *text, size_t size)
{
	struct seen seen = look(play, left);
	struct cothon_icmp icmp;
	struct cothon_udp_header udp;
	int used = 0;

	if (seen.ip.fragment) {
		snprintf(text, size, "fragment %u:%u%s", seen.ip.fragment_offset,
			 seen.ip.fragment_offset + seen.ip.payload_len,
			 seen.ip.more_fragments ? " more" : "");
		return;
	}
	if (seen.ip.protocol == COTHON_IPPROTO_TCP) {
		const struct play_flow *flow = flow_of(play, &seen.tcp);

		if (flow)
			make_relative(flow, &seen.tcp);
		if (flow != play->flow)
			used = add(text, size, used, "(port %u) ", seen.tcp.destination_port);
		describe_segment(&seen.tcp, (uint32_t)seen.payload.len, seen.ip.traffic_class & 3,
				 text + used, size - (size_t)used);
	} else if (seen.ip.protocol == COTHON_IPPROTO_UDP &&
		   cothon_udp_parse(seen.payload, &seen.ip, false, false, &udp) == 0) {
		snprintf(text, size, "udp %u>%u len %u", udp.source_port, udp.destination_port,
			 udp.payload_len);
	} else if (cothon_icmp_parse(seen.payload, &seen.ip, false, &icmp) == 0) {
		if (icmp.kind == COTHON_ICMP_ERROR)
			snprintf(text, size, "icmp %s", packet_reasons[icmp.reason]);
		else if (icmp.kind == COTHON_ICMP_ECHO_REPLY)
			snprintf(text, size, "echo %zu", icmp.rest.len);
		else
			snprintf(text, size, "another ICMP message");
	} else {
		snprintf(text, size, "a packet of protocol %u", seen.ip.protocol);
	}
}

static bool options_match(const struct segment *segment, const struct cothon_tcp_header *got)
{
	const struct cothon_tcp_header *tcp = &segment->tcp;
	bool any = segment->no_options || tcp->has_mss || tcp->has_window_scale ||
		   tcp->sack_permitted || tcp->has_timestamp;

	/* Of a SYN all options are written, or none. */
	if ((got->flags & COTHON_TCP_SYN) && any &&
	    (tcp->has_mss != got->has_mss || tcp->has_window_scale != got->has_window_scale ||
	     tcp->sack_permitted != got->sack_permitted ||
	     tcp->has_timestamp != got->has_timestamp))
		return false;
	if ((tcp->has_mss && tcp->mss != got->mss) ||
	    (tcp->has_window_scale && tcp->window_scale != got->window_scale) ||
	    (tcp->has_timestamp && !got->has_timestamp) ||
	    (segment->no_timestamp && got->has_timestamp))
		return false;
	if ((segment->has_ts_echo && tcp->ts_echo != got->ts_echo) ||
	    (segment->no_options && got->sack_count))
		return false;
	if (!tcp->sack_count)
		return true;
	return tcp->sack_count == got->sack_count &&
	       memcmp(tcp->sack, got->sack, sizeof(tcp->sack[0]) * got->sack_count) == 0;
}

static bool segment_matches(const struct segment *segment, const struct seen *seen)
{
	const struct cothon_tcp_header *tcp = &segment->tcp, *got = &seen->tcp;
	uint8_t mask = segment->psh_matters ? 0xff : (uint8_t)~COTHON_TCP_PSH;

	return (tcp->flags & mask) == (got->flags & mask) && cothon_seq_equal(tcp->seq, got->seq) &&
	       segment->len == seen->payload.len &&
	       (!segment->has_ack || cothon_seq_equal(tcp->ack, got->ack)) &&
	       (!segment->has_window || tcp->window == got->window) &&
	       (!segment->has_urgent || tcp->urgent == got->urgent) &&
	       (!segment->has_ecn || segment->ecn == (seen->ip.traffic_class & 3)) &&
	       options_match(segment, got);
}

void packet_expect(struct play *play, struct words words, const struct left *left)
{
	char wanted[400] = "", got[400];
	struct seen seen = look(play, left);
	bool same;

	for (unsigned i = words.at, used = 0; i < words.count && used < sizeof(wanted); i++)
		used += (unsigned)snprintf(wanted + used, sizeof(wanted) - used, "%s%s",
					   i > words.at ? " " : "", words.word[i]);
	packet_describe(play, left, got, sizeof(got));
	if (strncmp(wanted, "udp ", 4) == 0 || strncmp(wanted, "icmp ", 5) == 0 ||
	    strncmp(wanted, "echo ", 5) == 0 || strncmp(wanted, "fragment ", 9) == 0) {
		same = strcmp(wanted, got) == 0;
	} else {
		struct segment segment = segment_parse(play, &words);

		same = seen.ip.protocol == COTHON_IPPROTO_TCP &&
		       seen.tcp.destination_port == play->flow->peer_port;
		if (same) {
			make_relative(play->flow, &seen.tcp);
			same = segment_matches(&segment, &seen);
		}
	}
	if (!same)
		play_fail(play, "expected %s\n  got      %s", wanted, got);
}
