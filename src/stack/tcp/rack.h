/* SPDX-License-Identifier: MIT */
#ifndef TCP_RACK_H
#define TCP_RACK_H

/*
 * Loss by time (RFC 8985 section 6): what was sent a reordering window before something that has arrived is lost. Its
 * variables keep their names.
 */

#include "stack/tcp/scoreboard.h"

enum {
	COTHON_DUP_THRESH = 3, /* RFC 5681 section 3.2 */
};

struct cothon_rack {
	uint64_t xmit_ts;          /* of what was sent last of all that has arrived */
	struct cothon_seq end_seq; /* and its end */
	uint32_t rtt;              /* microseconds, of the same */
	uint64_t min_rtt_at;
	uint32_t min_rtt;       /* the least of the last minutes; 0: none yet */
	struct cothon_seq fack; /* behind the highest byte that has arrived */
	struct cothon_seq dsack_round;
	bool in_dsack_round;
	bool reordering_seen;
	uint8_t reo_wnd_mult, reo_wnd_persist;
};

void cothon_rack_init(struct cothon_rack *rack, struct cothon_seq una);
/* What the ACK is that tells of spans that have arrived. */
struct cothon_rack_ack {
	uint64_t now;
	/* How long ago what it answers was sent, by its timestamp, in milliseconds; UINT32_MAX without one. */
	uint32_t echo;
	struct cothon_seq fack; /* as it was before */
};

/* A span has arrived (section 6.2 steps 1 to 3). */
void cothon_rack_delivered(struct cothon_rack *rack, const struct cothon_rack_ack *ack,
			   const struct cothon_span *span);
/* The peer has got something twice (step 4): with `nxt` acknowledged the round is over in which that counts once. */
void cothon_rack_dsack(struct cothon_rack *rack, struct cothon_seq una, struct cothon_seq nxt);
/* A recovery is over (step 4). */
void cothon_rack_recovered(struct cothon_rack *rack);
/* The reordering window in microseconds; `hurry`: none is given where no reordering was ever seen (step 4). */
uint32_t cothon_rack_reo_wnd(const struct cothon_rack *rack, uint32_t srtt, bool hurry);
/*
 * Marks what is lost (step 5). Returns in how many microseconds more may be; 0 when there is nothing to wait for.
 */
uint64_t cothon_rack_detect(const struct cothon_rack *rack, struct cothon_scoreboard *board,
			    uint32_t reo_wnd, uint64_t now);

#endif
