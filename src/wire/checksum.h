/* SPDX-License-Identifier: MIT */
#ifndef WIRE_CHECKSUM_H
#define WIRE_CHECKSUM_H

/* The Internet checksum (RFC 1071). */

#include <cothon/addr.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * The running sum, not folded: adds `len` bytes; `sum` starts at 0. `len` must be even, but for the
 * last piece.
 */
uint64_t cothon_checksum_add(uint64_t sum, const void *data, size_t len);
/* The same over a vector, whose pieces may have any length; skips the first `skip` bytes. */
uint64_t cothon_checksum_add_iov(uint64_t sum, const struct iovec *iov, unsigned count,
				 size_t skip);
/*
 * The sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1),
 * for the family that the addresses have.
 */
uint64_t cothon_checksum_pseudo(const struct cothon_addr *source,
				const struct cothon_addr *destination, uint8_t protocol,
				uint32_t len);
/* Folded to 16 bits, not complemented, in host order: what stands in a packet with csum_partial. */
uint16_t cothon_checksum_fold(uint64_t sum);
/* Folded and complemented: what stands in a packet, to be stored by cothon_put16(). */
uint16_t cothon_checksum_finish(uint64_t sum);

#endif
