/* SPDX-License-Identifier: MIT */
#ifndef TCP_RTT_H
#define TCP_RTT_H

/* The round trip's estimate and the retransmission time-out (RFC 6298). All in microseconds. */

#include <stdint.h>

enum {
	COTHON_RTO_INITIAL = 1000000, /* RFC 6298 rule 2.1 */
	/*
	 * Rule 2.4 asks for a second. Like Linux we take 200 ms, above the delayed ACK of the stacks in use; recovery
	 * of a lost tail on a link of 50 microseconds would otherwise wait 20,000 round trips.
	 */
	COTHON_RTO_MIN = 200000,
	/*
	 * Of 4 RTTVAR at least so much, in the place of rule 2.3's granularity: where the round trip never varies, a
	 * lone segment whose ACK is delayed would otherwise time out.
	 */
	COTHON_RTO_MARGIN = 50000,
	COTHON_RTO_MAX = 60000000,      /* rule 2.5 */
	COTHON_RTO_AFTER_SYN = 3000000, /* rule 5.7 */
	COTHON_RTT_BACKOFF_MAX = 16,    /* doublings, which lead beyond the largest time-out */
};

struct cothon_rtt {
	uint32_t srtt; /* 0: no sample yet */
	uint32_t rttvar;
	uint32_t rto;
	uint8_t backoff; /* times doubled since the last sample (rule 5.5) */
};

void cothon_rtt_init(struct cothon_rtt *rtt);
void cothon_rtt_sample(struct cothon_rtt *rtt, uint64_t sample);
/* The time-out with its doublings. */
uint32_t cothon_rtt_timeout(const struct cothon_rtt *rtt);
void cothon_rtt_backoff(struct cothon_rtt *rtt);

#endif
