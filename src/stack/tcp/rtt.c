/* SPDX-License-Identifier: MIT */
#include "stack/tcp/rtt.h"

void cothon_rtt_init(struct cothon_rtt *rtt)
{
	*rtt = (struct cothon_rtt){.rto = COTHON_RTO_INITIAL};
}

void cothon_rtt_sample(struct cothon_rtt *rtt, uint64_t sample)
{
	uint32_t r = sample < 1 ? 1 : sample > COTHON_RTO_MAX ? COTHON_RTO_MAX : (uint32_t)sample;
	uint64_t rto, margin;

	if (rtt->srtt == 0) {
		/* Rule 2.2. */
		rtt->srtt = r;
		rtt->rttvar = r / 2;
	} else {
		/* Rule 2.3, with alpha = 1/8 and beta = 1/4. */
		uint32_t error = rtt->srtt > r ? rtt->srtt - r : r - rtt->srtt;

		rtt->rttvar = rtt->rttvar - rtt->rttvar / 4 + error / 4;
		rtt->srtt = rtt->srtt - rtt->srtt / 8 + r / 8;
		if (rtt->srtt == 0)
			rtt->srtt = 1;
	}
	margin = 4 * (uint64_t)rtt->rttvar;
	rto = rtt->srtt + (margin > COTHON_RTO_MARGIN ? margin : COTHON_RTO_MARGIN);
	rtt->rto = rto < COTHON_RTO_MIN   ? COTHON_RTO_MIN
		   : rto > COTHON_RTO_MAX ? COTHON_RTO_MAX
					  : (uint32_t)rto;
	rtt->backoff = 0;
}

uint32_t cothon_rtt_timeout(const struct cothon_rtt *rtt)
{
	uint64_t timeout = (uint64_t)rtt->rto << rtt->backoff;

	return timeout < COTHON_RTO_MAX ? (uint32_t)timeout : COTHON_RTO_MAX;
}

void cothon_rtt_backoff(struct cothon_rtt *rtt)
{
	if (rtt->backoff < COTHON_RTT_BACKOFF_MAX)
		rtt->backoff++;
}
