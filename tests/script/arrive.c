/* SPDX-License-Identifier: MIT */

/* Packets that arrive. */

#include "segment.h"

#include "wire/checksum.h"
#include <stdlib.h>
#include <string.h>

uint8_t packet_pattern(bool host, uint32_t seq)
{
	uint32_t x = (seq / 4 + (host ? 1 : 7)) * UINT32_C(0x9e3779b1);

	return (uint8_t)((x ^ x >> 15) >> (8 * (seq % 4)));
}

struct cothon_addr packet_address(struct play *play, const char *name)
{
	static const struct {
		const char *name, *text[2];
	} known[] = {
		{"host", {"192.0.2.1", "2001:db8::1"}},
		{"peer", {"192.0.2.2", "2001:db8::2"}},
		{"other", {"192.0.2.3", "2001:db8::3"}},
		{"any", {"0.0.0.0", "::"}},
		{"loopback", {"127.0.0.1", "::1"}},
		{"multicast", {"224.0.0.1", "ff02::1"}},
		{"broadcast", {"255.255.255.255", "ff02::1"}},
	};
	struct cothon_addr addr;

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) == 0)
			name = known[i].text[play->ipv6];
	}
	if (cothon_addr_parse(name, &addr))
		play_fail(play, "\"%s\" is not an address", name);
	return addr;
}

static void put_ip(struct play *play, struct cothon_ip ip, const uint8_t *payload, size_t len)
{
	size_t header;

	ip.version = play->ipv6 ? 6 : 4;
	if (ip.hops == 0)
		ip.hops = 64;
	ip.payload_len = (uint32_t)len;
	if (cothon_ip_header_len(&ip) + len > COTHON_FRAME_MAX)
		play_fail(play, "a packet of %zu bytes", len);
	header = cothon_ip_emit(&ip, play->packet);
	memcpy(play->packet + header, payload, len);
	if (cothon_host_input(play->host, play->packet, header + len, play->now))
		play_fail(play, "the host took no packet");
}

static struct cothon_ip from_peer(struct play *play, uint8_t protocol)
{
	return (struct cothon_ip){.source = packet_address(play, "peer"),
				  .destination = packet_address(play, "host"),
				  .protocol = protocol,
				  .dont_fragment = play->ipv6};
}

static void put_checksum(uint8_t *bytes, size_t len, size_t at, const struct cothon_ip *ip,
			 bool bad)
{
	uint64_t sum =
		cothon_checksum_pseudo(&ip->source, &ip->destination, ip->protocol, (uint32_t)len);
	uint16_t checksum = cothon_checksum_finish(cothon_checksum_add(sum, bytes, len));

	cothon_put16(bytes + at, (uint16_t)(checksum ^ bad));
}

/* The peer's own options and numbers where none are segment. */
static void complete(struct play *play, struct segment *segment)
{
	struct cothon_tcp_header *tcp = &segment->tcp;
	struct play_flow *flow = play->flow;
	const struct peer_options *peer = &play->peer;
	bool syn = tcp->flags & COTHON_TCP_SYN;
	bool silent = segment->no_options || segment->raw_len || tcp->has_mss ||
		      tcp->has_window_scale || tcp->sack_permitted || tcp->has_timestamp;

	if (syn && !silent) {
		tcp->has_mss = peer->has_mss;
		tcp->mss = peer->mss;
		tcp->has_window_scale = peer->has_scale;
		tcp->window_scale = peer->scale;
		tcp->sack_permitted = peer->sack;
		tcp->has_timestamp = peer->timestamps;
	}
	tcp->has_timestamp |= flow->timestamps && !syn && !segment->no_timestamp;
	if (!segment->has_ts_value)
		tcp->ts_value = peer->ts_base + (uint32_t)(play->now / 1000);
	if (!segment->has_ts_echo)
		tcp->ts_echo = tcp->flags & COTHON_TCP_ACK ? flow->host_ts : 0;
	if (!segment->has_window)
		tcp->window = (uint16_t)peer->window;
}

static void remember_sent(struct play *play, const struct segment *segment)
{
	struct play_flow *flow = play->flow;
	uint8_t flags = segment->tcp.flags;
	uint32_t end = segment->tcp.seq.v + segment->len + !!(flags & COTHON_TCP_SYN) +
		       !!(flags & COTHON_TCP_FIN);

	/* A SYN that is not the first is an attack, and has no place in the stream. */
	if ((flags & COTHON_TCP_SYN) && segment->tcp.seq.v != 0)
		return;
	if (!segment->bad && !(flags & COTHON_TCP_RST) && (int32_t)(end - flow->peer_next) > 0 &&
	    end - flow->peer_next < 1u << 20)
		flow->peer_next = end;
}

/* Header, options and payload of a segment of the peer. Returns its length. */
static size_t emit_segment(struct play *play, const struct segment *segment, uint16_t port)
{
	const struct play_flow *flow = play->flow;
	struct cothon_tcp_header tcp = segment->tcp;
	size_t len;

	tcp.source_port = (uint16_t)(flow->peer_port + port);
	tcp.destination_port = flow->host_port;
	tcp.seq.v += flow->iss;
	if (tcp.flags & COTHON_TCP_ACK)
		tcp.ack.v += flow->host_iss;
	for (unsigned i = 0; i < tcp.sack_count; i++) {
		tcp.sack[i].start.v += flow->host_iss;
		tcp.sack[i].end.v += flow->host_iss;
	}
	len = cothon_tcp_emit(&tcp, play->bytes);
	memcpy(play->bytes + len, segment->raw, segment->raw_len);
	len += segment->raw_len;
	if (len > COTHON_TCP_HEADER_MAX)
		play_fail(play, "options of %zu bytes", len - COTHON_TCP_HEADER);
	play->bytes[12] = (uint8_t)(len / 4 << 4);
	for (uint32_t i = 0; i < segment->len; i++)
		play->bytes[len + i] = packet_pattern(
			false, segment->tcp.seq.v + i + !!(tcp.flags & COTHON_TCP_SYN));
	return len + segment->len;
}

static void segment_arrives(struct play *play, struct words *words, uint32_t shift, uint16_t port)
{
	struct segment segment = segment_parse(play, words);
	struct cothon_ip ip = from_peer(play, COTHON_IPPROTO_TCP);
	size_t len;

	segment.tcp.seq.v += shift;
	complete(play, &segment);
	ip.source = segment.source;
	ip.destination = segment.destination;
	ip.traffic_class = segment.ecn;
	len = emit_segment(play, &segment, port);
	put_checksum(play->bytes, len, 16, &ip, segment.bad);
	remember_sent(play, &segment);
	put_ip(play, ip, play->bytes, len);
}

/* "5000>7 len 100 [sum none|bad] [length 50]": header and payload. Returns the length. */
static size_t emit_udp(struct play *play, struct words *words)
{
	struct cothon_ip ip = from_peer(play, COTHON_IPPROTO_UDP);
	size_t len = 0;
	uint8_t *bytes = play->bytes;
	const char *ports = words_take(play, words, "ports");
	char *end;
	unsigned long from = strtoul(ports, &end, 10), to = 65536;

	if (*end == '>')
		to = strtoul(end + 1, &end, 10);
	if (*end || from > 65535 || to > 65535)
		play_fail(play, "\"%s\" is not PORT>PORT", ports);
	if (words_if(words, "len"))
		len = words_number(play, words);
	if (len > 65507)
		play_fail(play, "a datagram of %zu bytes", len);
	cothon_udp_emit(&(struct cothon_udp_header){(uint16_t)from, (uint16_t)to, (uint16_t)len, 0},
			bytes);
	for (size_t i = 0; i < len; i++)
		bytes[COTHON_UDP_HEADER + i] = packet_pattern(false, (uint32_t)i);
	len += COTHON_UDP_HEADER;
	put_checksum(bytes, len, 6, &ip, false);
	if (words_if(words, "length"))
		cothon_put16(bytes + 4, (uint16_t)words_number(play, words));
	if (words_if(words, "sum")) {
		if (words_if(words, "bad"))
			bytes[7] ^= 1;
		else if (words_if(words, "none"))
			cothon_put16(bytes + 6, 0);
	}
	words_end(play, words);
	return len;
}

const char *const packet_reasons[PACKET_REASONS] = {
	[COTHON_NET_UNREACHABLE] = "net-unreachable",
	[COTHON_HOST_UNREACHABLE] = "host-unreachable",
	[COTHON_PORT_UNREACHABLE] = "port-unreachable",
	[COTHON_PROTOCOL_UNREACHABLE] = "protocol-unreachable",
	[COTHON_PROHIBITED] = "prohibited",
	[COTHON_TOO_BIG] = "too-big",
	[COTHON_HOPS_EXCEEDED] = "hops-exceeded",
	[COTHON_REASSEMBLY_EXCEEDED] = "reassembly-exceeded",
};

/* "too-big [mtu 1200] about 1": an error that quotes the host's segment with this sequence number. */
static void error_arrives(struct play *play, struct words *words)
{
	struct cothon_ip ip =
		from_peer(play, play->ipv6 ? COTHON_IPPROTO_ICMPV6 : COTHON_IPPROTO_ICMP);
	struct cothon_icmp icmp = {.kind = COTHON_ICMP_ERROR};
	const struct play_flow *flow = play->flow;
	const char *reason = words_take(play, words, "a reason");
	struct cothon_ip quoted = {.source = ip.destination,
				   .destination = ip.source,
				   .protocol = COTHON_IPPROTO_TCP,
				   .hops = 60,
				   .dont_fragment = true,
				   .payload_len = 1000};
	uint8_t quote[COTHON_IPV6_HEADER + 8];
	size_t len;
	unsigned i = 0;

	while (i < PACKET_REASONS && strcmp(reason, packet_reasons[i]) != 0)
		i++;
	if (i == PACKET_REASONS)
		play_fail(play, "\"%s\" is no reason", reason);
	icmp.reason = (enum cothon_unreachable)i;
	if (words_if(words, "mtu"))
		icmp.mtu = (uint32_t)words_number(play, words);
	if (!words_if(words, "about"))
		play_fail(play, "\"about SEQ\" is missing");
	len = cothon_ip_emit(&quoted, quote);
	cothon_put16(quote + len, flow->host_port);
	cothon_put16(quote + len + 2, flow->peer_port);
	cothon_put32(quote + len + 4,
		     flow->host_iss + segment_seq(play, words_take(play, words, "a number")));
	words_end(play, words);
	icmp.rest = (struct cothon_bytes){quote, len + 8};
	cothon_icmp_emit(&icmp, &ip, play->bytes);
	memcpy(play->bytes + COTHON_ICMP_HEADER, quote, len + 8);
	put_ip(play, ip, play->bytes, COTHON_ICMP_HEADER + len + 8);
}

static void echo_arrives(struct play *play, struct words *words)
{
	struct cothon_ip ip =
		from_peer(play, play->ipv6 ? COTHON_IPPROTO_ICMPV6 : COTHON_IPPROTO_ICMP);
	struct cothon_icmp icmp = {.kind = COTHON_ICMP_ECHO_REQUEST, .ident = 7, .sequence = 1};
	size_t len = words_number(play, words);
	uint8_t *data = play->bytes + COTHON_ICMP_HEADER;

	words_end(play, words);
	if (len > 65000)
		play_fail(play, "an echo of %zu bytes", len);
	for (size_t i = 0; i < len; i++)
		data[i] = packet_pattern(false, (uint32_t)i);
	icmp.rest = (struct cothon_bytes){data, len};
	cothon_icmp_emit(&icmp, &ip, play->bytes);
	put_ip(play, ip, play->bytes, COTHON_ICMP_HEADER + len);
}

void packet_datagram(struct play *play, struct words *words)
{
	if (!words_if(words, "udp"))
		play_fail(play, "a datagram is \"udp ...\"");
	play->datagram_len = emit_udp(play, words);
	memcpy(play->datagram, play->bytes, play->datagram_len);
	play->datagram_protocol = COTHON_IPPROTO_UDP;
	play->fragment_id++;
}

/* "0:1480 [more] [junk] [id N]": a piece of the datagram last written, or, as junk, other bytes in its place. */
static void fragment_arrives(struct play *play, struct words *words, uint32_t shift)
{
	struct cothon_ip ip = from_peer(play, play->datagram_protocol);
	uint32_t start, end;
	bool junk;

	segment_range(play, words_take(play, words, "a range"), &start, &end);
	ip.fragment = true;
	ip.dont_fragment = false;
	ip.ident = play->fragment_id + shift;
	ip.more_fragments = words_if(words, "more");
	junk = words_if(words, "junk");
	words_end(play, words);
	if (start % 8 || end < start || end > sizeof(play->datagram))
		play_fail(play, "no fragment begins at %u and ends at %u", start, end);
	ip.fragment_offset = (uint16_t)start;
	memcpy(play->bytes, play->datagram + start, end - start);
	for (uint32_t i = 0; junk && i < end - start; i++)
		play->bytes[i] ^= 0xff;
	put_ip(play, ip, play->bytes, end - start);
}

void packet_arrives(struct play *play, struct words words, uint32_t shift, uint16_t port)
{
	char line[PLAY_WORDS * 16];
	struct words copy = {.count = words.count, .at = words.at};
	size_t used = 0;

	/* Parsing takes words apart, and a line may be played many times. */
	for (unsigned i = 0; i < words.count; i++) {
		size_t len = strlen(words.word[i]) + 1;

		if (used + len > sizeof(line))
			play_fail(play, "the line is too long");
		copy.word[i] = memcpy(line + used, words.word[i], len);
		used += len;
	}
	if (words_if(&copy, "udp")) {
		size_t len = emit_udp(play, &copy);

		put_ip(play, from_peer(play, COTHON_IPPROTO_UDP), play->bytes, len);
	} else if (words_if(&copy, "icmp")) {
		error_arrives(play, &copy);
	} else if (words_if(&copy, "echo")) {
		echo_arrives(play, &copy);
	} else if (words_if(&copy, "fragment")) {
		fragment_arrives(play, &copy, shift);
	} else {
		segment_arrives(play, &copy, shift, port);
	}
}
