/* SPDX-License-Identifier: MIT */
#ifndef TCP_CONGESTION_H
#define TCP_CONGESTION_H

/*
 * Congestion control (RFC 5681) behind a table of operations: how much may be in flight. What is lost, and
 * what is sent again, is decided in recovery.c.
 */

#include <stdbool.h>
#include <stdint.h>

struct cothon_congestion;

/* What an algorithm is told; sizes in bytes, times in microseconds. */
struct cothon_congestion_ops {
	const char *name;
	bool hystart; /* the first slow start ends by HyStart++ */
	/* `cwnd`, `ssthresh` and `mss` are set; the algorithm's own state is all zero. */
	void (*init)(struct cothon_congestion *cc);
	/* `acked` new bytes were acknowledged while the window was what limited sending. */
	void (*acked)(struct cothon_congestion *cc, uint32_t acked, uint64_t now, uint32_t srtt);
	/* Loss was found with `in_flight` bytes out: sets ssthresh; the caller sets cwnd from it. */
	void (*lost)(struct cothon_congestion *cc, uint32_t in_flight, uint64_t now);
	/* Nothing was sent for longer than a retransmission time-out; `idle` microseconds. May be NULL. */
	void (*idle)(struct cothon_congestion *cc, uint64_t idle);
};

/* HyStart++; its variables keep the names of RFC 9406. Times in microseconds. */
struct cothon_hystart {
	uint32_t round_left; /* bytes to be acknowledged until the round is over */
	uint32_t last_round_min_rtt, current_round_min_rtt, css_baseline_min_rtt;
	uint8_t rtt_sample_count, css_rounds;
	bool css; /* conservative slow start */
};

struct cothon_congestion {
	const struct cothon_congestion_ops *ops;
	uint32_t cwnd, ssthresh;
	uint32_t mss;
	struct cothon_hystart hystart;
	union {
		struct {
			uint32_t acked; /* since cwnd last grew by one segment */
		} newreno;
		struct {
			uint64_t epoch;     /* when this congestion avoidance began; 0: not yet */
			uint32_t w_max;     /* window before the last reduction */
			uint32_t k;         /* milliseconds from epoch to w_max again */
			uint32_t w_est;     /* window that Reno would have */
			uint32_t est_acked; /* since w_est last grew */
			uint32_t cwnd_epoch;
			uint32_t acked;
		} cubic;
	};
};

extern const struct cothon_congestion_ops cothon_newreno;
extern const struct cothon_congestion_ops cothon_cubic;

void cothon_hystart_init(struct cothon_hystart *hystart);
/*
 * `acked` bytes were acknowledged, `flight` bytes are in flight now, and what was acknowledged took `rtt` microseconds
 * (0: it is not known). May end slow start.
 */
void cothon_hystart_acked(struct cothon_congestion *cc, uint32_t acked, uint32_t flight,
			  uint32_t rtt);
/* By name; NULL when there is none of that name. */
const struct cothon_congestion_ops *cothon_congestion_find(const char *name);
/* Starts with the initial window of RFC 6928: ten segments, at most 14,600 bytes or two segments. */
void cothon_congestion_init(struct cothon_congestion *cc, const struct cothon_congestion_ops *ops,
			    uint32_t mss);
/* RFC 5681 section 4.1: after a pause of one RTO the window restarts from the initial one. */
void cothon_congestion_restart(struct cothon_congestion *cc, uint64_t idle);
uint32_t cothon_congestion_initial_window(uint32_t mss);
/*
 * Slow start's growth by the bytes acknowledged (RFC 3465), up to ssthresh; returns the bytes left over. There is no
 * limit per ACK: peers that take in whole frames acknowledge 64 KiB at a time, and with the limit L = 2 their
 * windows would hardly open. RFC 3465 fears the bursts; here turns on the link bound them. In conservative slow start
 * a quarter of it (RFC 9406 section 4.2).
 */
uint32_t cothon_congestion_slow_start(struct cothon_congestion *cc, uint32_t acked);

#endif
