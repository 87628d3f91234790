/* SPDX-License-Identifier: MIT */
#include "relay/reason.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

/*
 * The codes of ICMP's destination unreachable (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section
 * 5.2.7.1).
 */
static enum cothon_unreachable unreachable(uint8_t code)
{
	switch (code) {
	case ICMP_UNREACH_NET:
	case ICMP_UNREACH_SRCFAIL:
	case ICMP_UNREACH_NET_UNKNOWN:
	case ICMP_UNREACH_TOSNET:
		return COTHON_NET_UNREACHABLE;
	case ICMP_UNREACH_PROTOCOL:
		return COTHON_PROTOCOL_UNREACHABLE;
	case ICMP_UNREACH_PORT:
		return COTHON_PORT_UNREACHABLE;
	case ICMP_UNREACH_NEEDFRAG:
		return COTHON_TOO_BIG;
	case ICMP_UNREACH_NET_PROHIB:
	case ICMP_UNREACH_HOST_PROHIB:
	case ICMP_UNREACH_FILTER_PROHIB:
	case ICMP_UNREACH_HOST_PRECEDENCE:
	case ICMP_UNREACH_PRECEDENCE_CUTOFF:
		return COTHON_PROHIBITED;
	default:
		return COTHON_HOST_UNREACHABLE;
	}
}

/* The codes of ICMPv6's (RFC 4443 section 3.1). */
static enum cothon_unreachable unreachable_v6(uint8_t code)
{
	switch (code) {
	case ICMP6_DST_UNREACH_NOROUTE:
	case ICMP6_DST_UNREACH_BEYONDSCOPE:
		return COTHON_NET_UNREACHABLE;
	case ICMP6_DST_UNREACH_ADDR:
		return COTHON_HOST_UNREACHABLE;
	case ICMP6_DST_UNREACH_NOPORT:
		return COTHON_PORT_UNREACHABLE;
	default:
		return COTHON_PROHIBITED;
	}
}

/* Code 0 of time exceeded is about the hop limit, code 1 about reassembly, in both families. */
static enum cothon_unreachable exceeded(uint8_t code)
{
	return code == ICMP_TIMXCEED_INTRANS ? COTHON_HOPS_EXCEEDED : COTHON_REASSEMBLY_EXCEEDED;
}

static bool of_icmpv4(uint8_t type, uint8_t code, enum cothon_unreachable *reason)
{
	switch (type) {
	case ICMP_UNREACH:
		*reason = unreachable(code);
		return true;
	case ICMP_TIMXCEED:
		*reason = exceeded(code);
		return true;
	default:
		return false;
	}
}

static bool of_icmpv6(uint8_t type, uint8_t code, enum cothon_unreachable *reason)
{
	switch (type) {
	case ICMP6_DST_UNREACH:
		*reason = unreachable_v6(code);
		return true;
	case ICMP6_PACKET_TOO_BIG:
		*reason = COTHON_TOO_BIG;
		return true;
	case ICMP6_TIME_EXCEEDED:
		*reason = exceeded(code);
		return true;
	default:
		return false;
	}
}

bool relay_reason_of_icmp(const struct host_socket_error *error, enum cothon_unreachable *reason)
{
	if (error->origin == HOST_ERROR_ICMP)
		return of_icmpv4(error->type, error->code, reason);
	return error->origin == HOST_ERROR_ICMPV6 && of_icmpv6(error->type, error->code, reason);
}

bool relay_reason_of_errno(int error, enum cothon_unreachable *reason)
{
	switch (error) {
	case -ENETUNREACH:
	case -ENETDOWN:
	case -EADDRNOTAVAIL:
		*reason = COTHON_NET_UNREACHABLE;
		return true;
	case -EHOSTUNREACH:
	case -EHOSTDOWN:
	case -ENONET:
		*reason = COTHON_HOST_UNREACHABLE;
		return true;
	case -ECONNREFUSED:
		*reason = COTHON_PORT_UNREACHABLE;
		return true;
	case -EACCES:
	case -EPERM:
		*reason = COTHON_PROHIBITED;
		return true;
	default:
		return false;
	}
}
