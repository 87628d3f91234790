/* SPDX-License-Identifier: MIT */
#include "corpus.h"

const struct corpus_group *const corpus[] = {
	&corpus_ipv4, &corpus_ipv4_fragments,
	&corpus_ipv6, &corpus_ipv6_fragments,
	&corpus_icmp, &corpus_udp,
	&corpus_tcp,  &corpus_tcp_options,
	&corpus_vnet, NULL,
};

void corpus_to_self(const struct corpus_request *request, struct packet *packet, uint8_t protocol)
{
	packet_ip(packet, &request->scene->peer[request->family],
		  &request->scene->self[request->family], protocol);
}

void corpus_to_outside(const struct corpus_request *request, struct packet *packet,
		       uint8_t protocol)
{
	packet_ip(packet, &request->scene->peer[request->family],
		  &request->scene->outside[request->family], protocol);
}

void corpus_datagram(const struct corpus_request *request, struct packet *packet, size_t len)
{
	corpus_to_self(request, packet, PACKET_UDP);
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ECHO);
	packet_fill(packet, len);
	packet_seal(packet);
}

uint8_t corpus_icmp_protocol(const struct corpus_request *request)
{
	return request->family == SCENE_V4 ? PACKET_ICMP : PACKET_ICMPV6;
}
