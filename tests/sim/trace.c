/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include "wire/tcp.h"
#include <stdio.h>

static const char *flags_text(uint8_t flags, char text[static 9])
{
	static const char names[] = "FSRPAUEC";
	char *at = text;

	for (unsigned i = 0; i < 8; i++) {
		if (flags & 1U << i)
			*at++ = names[i];
	}
	*at = '\0';
	return text;
}

static void add_segment(FILE *out, const struct cothon_ip *ip, struct cothon_bytes segment)
{
	struct cothon_tcp_header tcp;
	char flags[9];

	if (cothon_tcp_parse(segment, ip, true, &tcp)) {
		fprintf(out, "TCP that cannot be parsed");
		return;
	}
	fprintf(out, "%u > %u %s seq %u len %zu ack %u win %u", tcp.source_port,
		tcp.destination_port, flags_text(tcp.flags, flags), tcp.seq.v,
		segment.len - tcp.header_len, tcp.ack.v, tcp.window);
	if (tcp.has_timestamp)
		fprintf(out, " ts %u %u", tcp.ts_value, tcp.ts_echo);
	for (unsigned i = 0; i < tcp.sack_count; i++)
		fprintf(out, " sack %u-%u", tcp.sack[i].start.v, tcp.sack[i].end.v);
}

char *trace_packet(const uint8_t *data, size_t len, const struct cothon_offload *offload,
		   char text[static TRACE_TEXT])
{
	bool gso = offload->gso != COTHON_GSO_NONE;
	struct cothon_ip ip;
	char from[COTHON_ADDR_TEXT], to[COTHON_ADDR_TEXT];
	FILE *out = fmemopen(text, TRACE_TEXT, "w");

	if (!out) {
		text[0] = '\0';
		return text;
	}
	if (cothon_ip_parse((struct cothon_bytes){data, len}, gso, &ip)) {
		fprintf(out, "%zu bytes that are no packet", len);
	} else {
		fprintf(out, "%s > %s ", cothon_addr_format(&ip.source, from),
			cothon_addr_format(&ip.destination, to));
		if (ip.protocol == COTHON_IPPROTO_TCP && !ip.fragment)
			add_segment(out, &ip,
				    (struct cothon_bytes){data + ip.header_len, ip.payload_len});
		else
			fprintf(out, "protocol %u len %u offset %u%s", ip.protocol, ip.payload_len,
				ip.fragment_offset, ip.more_fragments ? " more" : "");
	}
	if (gso)
		fprintf(out, " gso %u", offload->gso_size);
	fclose(out);
	return text;
}
