/* SPDX-License-Identifier: MIT */

/*
 * An ICMP or ICMPv6 message: what is accepted lies in it, says the same when it is written and read
 * again, and a packet that it quotes is read as well.
 */

#include "segment.h"
#include "wire/icmp.h"

enum {
	CHECKSUM_AT = 2
};

static void check_written(const struct segment *segment, const struct cothon_icmp *icmp)
{
	struct cothon_icmp again;
	size_t len = COTHON_ICMP_HEADER + icmp->rest.len;
	uint8_t *message = malloc(len);

	fuzz_check(message);
	cothon_icmp_emit(icmp, &segment->ip, message);
	memcpy(message + COTHON_ICMP_HEADER, icmp->rest.data, icmp->rest.len);
	fuzz_check(cothon_icmp_parse((struct cothon_bytes){message, len}, &segment->ip, false,
				     &again) == 0);
	fuzz_check(again.kind == icmp->kind && again.is_error == icmp->is_error &&
		   again.rest.len == icmp->rest.len);
	if (icmp->kind == COTHON_ICMP_ERROR) {
		fuzz_check(again.reason == icmp->reason);
		fuzz_check(icmp->reason != COTHON_TOO_BIG || again.mtu == icmp->mtu);
	} else {
		fuzz_check(again.ident == icmp->ident && again.sequence == icmp->sequence);
	}
	free(message);
}

static void check_message(const struct segment *segment, const struct cothon_icmp *icmp)
{
	struct cothon_ip quoted;

	fuzz_check(icmp->rest.len == segment->bytes.len - COTHON_ICMP_HEADER);
	fuzz_check(icmp->is_error || icmp->kind != COTHON_ICMP_ERROR);
	if (icmp->kind == COTHON_ICMP_ERROR && cothon_ip_parse_quote(icmp->rest, &quoted) == 0)
		fuzz_check(quoted.header_len + quoted.payload_len <= icmp->rest.len);
	if (icmp->kind != COTHON_ICMP_OTHER)
		check_written(segment, icmp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cothon_icmp icmp;
	struct segment segment;
	bool ipv6 = size > 0 && (data[0] & SEGMENT_IPV6);

	if (!segment_read(&segment, data, size, ipv6 ? COTHON_IPPROTO_ICMPV6 : COTHON_IPPROTO_ICMP,
			  CHECKSUM_AT))
		return 0;
	if (cothon_icmp_parse(segment.bytes, &segment.ip, segment.flags & SEGMENT_VALID, &icmp) ==
	    0)
		check_message(&segment, &icmp);
	free(segment.copy);
	return 0;
}
