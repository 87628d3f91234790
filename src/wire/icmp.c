/* SPDX-License-Identifier: MIT */
#include "wire/icmp.h"

#include "wire/checksum.h"
#include <errno.h>

enum {
	AT_TYPE = 0,
	AT_CODE = 1,
	AT_CHECKSUM = 2,
	AT_IDENT = 4,    /* echo */
	AT_SEQUENCE = 6, /* echo */
	AT_MTU_IPV4 = 6, /* 16 bits (RFC 1191 section 4) */
	AT_WORD_IPV6 =
		4, /* 32 bits: MTU, or the pointer of a parameter problem (RFC 4443 section 3) */

	V4_ECHO_REPLY = 0,
	V4_UNREACHABLE = 3,
	V4_SOURCE_QUENCH = 4,
	V4_REDIRECT = 5,
	V4_ECHO_REQUEST = 8,
	V4_TIME_EXCEEDED = 11,
	V4_PARAMETER_PROBLEM = 12,

	V6_UNREACHABLE = 1,
	V6_TOO_BIG = 2,
	V6_TIME_EXCEEDED = 3,
	V6_PARAMETER_PROBLEM = 4,
	V6_INFORMATIONAL = 128, /* types from here on are no errors */
	V6_ECHO_REQUEST = 128,
	V6_ECHO_REPLY = 129,
};

/* What an error is called in each family. */
struct error_name {
	uint8_t type, code;
	enum cothon_unreachable reason;
};

/* For each reason, the first row is what is sent. */
static const struct error_name v4_errors[] = {
	{V4_UNREACHABLE, 0, COTHON_NET_UNREACHABLE},
	{V4_UNREACHABLE, 1, COTHON_HOST_UNREACHABLE},
	{V4_UNREACHABLE, 2, COTHON_PROTOCOL_UNREACHABLE},
	{V4_UNREACHABLE, 3, COTHON_PORT_UNREACHABLE},
	{V4_UNREACHABLE, 4, COTHON_TOO_BIG},
	{V4_UNREACHABLE, 13, COTHON_PROHIBITED},
	{V4_TIME_EXCEEDED, 0, COTHON_HOPS_EXCEEDED},
	{V4_TIME_EXCEEDED, 1, COTHON_REASSEMBLY_EXCEEDED},
	/*
	 * RFC 1122 section 3.2.2.1: a source route failed; network, host unknown; the source
	 * isolated.
	 */
	{V4_UNREACHABLE, 5, COTHON_HOST_UNREACHABLE},
	{V4_UNREACHABLE, 6, COTHON_NET_UNREACHABLE},
	{V4_UNREACHABLE, 7, COTHON_HOST_UNREACHABLE},
	{V4_UNREACHABLE, 8, COTHON_HOST_UNREACHABLE},
	/* Network, host prohibited; network, host unreachable for this type of service. */
	{V4_UNREACHABLE, 9, COTHON_PROHIBITED},
	{V4_UNREACHABLE, 10, COTHON_PROHIBITED},
	{V4_UNREACHABLE, 11, COTHON_NET_UNREACHABLE},
	{V4_UNREACHABLE, 12, COTHON_HOST_UNREACHABLE},
	/* RFC 1812 section 5.2.7.1: host precedence violation, precedence cutoff. */
	{V4_UNREACHABLE, 14, COTHON_PROHIBITED},
	{V4_UNREACHABLE, 15, COTHON_PROHIBITED},
};

static const struct error_name v6_errors[] = {
	{V6_UNREACHABLE, 0, COTHON_NET_UNREACHABLE},
	{V6_UNREACHABLE, 3, COTHON_HOST_UNREACHABLE},
	/* RFC 4443 section 3.4: an unknown protocol is an unrecognized next header. */
	{V6_PARAMETER_PROBLEM, 1, COTHON_PROTOCOL_UNREACHABLE},
	{V6_UNREACHABLE, 4, COTHON_PORT_UNREACHABLE},
	{V6_UNREACHABLE, 1, COTHON_PROHIBITED},
	{V6_TOO_BIG, 0, COTHON_TOO_BIG},
	{V6_TIME_EXCEEDED, 0, COTHON_HOPS_EXCEEDED},
	{V6_TIME_EXCEEDED, 1, COTHON_REASSEMBLY_EXCEEDED},
	/* Beyond the scope of the source; failed ingress policy; route to be rejected. */
	{V6_UNREACHABLE, 2, COTHON_HOST_UNREACHABLE},
	{V6_UNREACHABLE, 5, COTHON_PROHIBITED},
	{V6_UNREACHABLE, 6, COTHON_PROHIBITED},
};

struct error_table {
	const struct error_name *rows;
	size_t count;
};

static struct error_table errors_of(bool is_ipv4)
{
	if (is_ipv4)
		return (struct error_table){v4_errors, sizeof(v4_errors) / sizeof(v4_errors[0])};
	return (struct error_table){v6_errors, sizeof(v6_errors) / sizeof(v6_errors[0])};
}

static bool type_is_error(bool is_ipv4, uint8_t type)
{
	if (!is_ipv4)
		return type < V6_INFORMATIONAL;
	return type == V4_UNREACHABLE || type == V4_SOURCE_QUENCH || type == V4_REDIRECT ||
	       type == V4_TIME_EXCEEDED || type == V4_PARAMETER_PROBLEM;
}

static uint64_t pseudo_sum(const struct cothon_ip *ip, bool is_ipv4, size_t len)
{
	if (is_ipv4)
		return 0;
	return cothon_checksum_pseudo(&ip->source, &ip->destination, COTHON_IPPROTO_ICMPV6,
				      (uint32_t)len);
}

static void parse_error(const uint8_t *p, bool is_ipv4, struct cothon_icmp *icmp)
{
	struct error_table errors = errors_of(is_ipv4);

	for (size_t i = 0; i < errors.count; i++) {
		const struct error_name *error = &errors.rows[i];

		/* RFC 4443 section 3.2: the code of Packet Too Big is ignored. */
		if (error->type != p[AT_TYPE] ||
		    (error->code != p[AT_CODE] && (is_ipv4 || error->type != V6_TOO_BIG)))
			continue;
		icmp->kind = COTHON_ICMP_ERROR;
		icmp->reason = error->reason;
		if (error->reason == COTHON_TOO_BIG)
			icmp->mtu = is_ipv4 ? cothon_get16(p + AT_MTU_IPV4)
					    : cothon_get32(p + AT_WORD_IPV6);
		return;
	}
}

int cothon_icmp_parse(struct cothon_bytes message, const struct cothon_ip *ip, bool csum_valid,
		      struct cothon_icmp *icmp)
{
	bool is_ipv4 = cothon_addr_is_ipv4(&ip->destination);
	const uint8_t *p = message.data;

	if (message.len < COTHON_ICMP_HEADER)
		return -EBADMSG;
	if (!csum_valid) {
		uint64_t sum = pseudo_sum(ip, is_ipv4, message.len);

		if (cothon_checksum_finish(cothon_checksum_add(sum, p, message.len)) != 0)
			return -EILSEQ;
	}
	*icmp = (struct cothon_icmp){
		.kind = COTHON_ICMP_OTHER,
		.rest = {p + COTHON_ICMP_HEADER, message.len - COTHON_ICMP_HEADER},
		.is_error = type_is_error(is_ipv4, p[AT_TYPE]),
	};
	if (icmp->is_error) {
		parse_error(p, is_ipv4, icmp);
	} else if (p[AT_TYPE] == (is_ipv4 ? V4_ECHO_REQUEST : V6_ECHO_REQUEST)) {
		icmp->kind = COTHON_ICMP_ECHO_REQUEST;
	} else if (p[AT_TYPE] == (is_ipv4 ? V4_ECHO_REPLY : V6_ECHO_REPLY)) {
		icmp->kind = COTHON_ICMP_ECHO_REPLY;
	}
	if (icmp->kind == COTHON_ICMP_ECHO_REQUEST || icmp->kind == COTHON_ICMP_ECHO_REPLY) {
		icmp->ident = cothon_get16(p + AT_IDENT);
		icmp->sequence = cothon_get16(p + AT_SEQUENCE);
	}
	return 0;
}

static void emit_error(const struct cothon_icmp *icmp, bool is_ipv4, uint8_t *out)
{
	struct error_table errors = errors_of(is_ipv4);
	const struct error_name *error = errors.rows;

	while (error->reason != icmp->reason)
		error++;
	out[AT_TYPE] = error->type;
	out[AT_CODE] = error->code;
	cothon_put32(out + AT_WORD_IPV6, 0);
	if (error->reason == COTHON_TOO_BIG && is_ipv4) {
		cothon_put16(out + AT_MTU_IPV4,
			     icmp->mtu < UINT16_MAX ? (uint16_t)icmp->mtu : UINT16_MAX);
	} else if (error->reason == COTHON_TOO_BIG) {
		cothon_put32(out + AT_WORD_IPV6, icmp->mtu);
	} else if (error->reason == COTHON_PROTOCOL_UNREACHABLE && !is_ipv4) {
		struct cothon_ip quoted;

		/* The pointer says which next-header field of the packet was not understood. */
		if (cothon_ip_parse_quote(icmp->rest, &quoted) != -EBADMSG)
			cothon_put32(out + AT_WORD_IPV6, quoted.next_header_at);
	}
}

void cothon_icmp_emit(const struct cothon_icmp *icmp, const struct cothon_ip *ip,
		      uint8_t out[static COTHON_ICMP_HEADER])
{
	bool is_ipv4 = cothon_addr_is_ipv4(&ip->destination);

	if (icmp->kind == COTHON_ICMP_ERROR) {
		emit_error(icmp, is_ipv4, out);
	} else {
		bool request = icmp->kind == COTHON_ICMP_ECHO_REQUEST;

		if (is_ipv4)
			out[AT_TYPE] = request ? V4_ECHO_REQUEST : V4_ECHO_REPLY;
		else
			out[AT_TYPE] = request ? V6_ECHO_REQUEST : V6_ECHO_REPLY;
		out[AT_CODE] = 0;
		cothon_put16(out + AT_IDENT, icmp->ident);
		cothon_put16(out + AT_SEQUENCE, icmp->sequence);
	}
	cothon_put16(out + AT_CHECKSUM, 0);

	uint64_t sum = pseudo_sum(ip, is_ipv4, COTHON_ICMP_HEADER + icmp->rest.len);

	sum = cothon_checksum_add(sum, out, COTHON_ICMP_HEADER);
	sum = cothon_checksum_add(sum, icmp->rest.data, icmp->rest.len);
	cothon_put16(out + AT_CHECKSUM, cothon_checksum_finish(sum));
}
