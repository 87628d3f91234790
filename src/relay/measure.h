/* SPDX-License-Identifier: MIT */
#ifndef RELAY_MEASURE_H
#define RELAY_MEASURE_H

/*
 * What is measured of a relay once somebody wants to know: how long packets are at work in this process,
 * and the flows that have ended.
 */

#include <stdbool.h>
#include <stdint.h>

struct relay;
struct relay_flow;
struct relay_tcp;

enum {
	RELAY_BUCKETS = 16
};

/* Upper bounds of a histogram's buckets but the last, which has none, in microseconds. */
extern const uint32_t relay_buckets[RELAY_BUCKETS];

struct relay_histogram {
	uint64_t counts[RELAY_BUCKETS + 1]; /* of each bucket alone */
	uint64_t count, sum;                /* microseconds */
};

void relay_histogram_add(struct relay_histogram *histogram, uint64_t microseconds);

struct relay_measures {
	bool wanted;
	uint64_t read_at; /* when the frames of this round were read; 0: there were none */
	/* From then until they were handed over to sockets of the host, or answered: once a round. */
	struct relay_histogram delay;
	/* Called with the last figures of every TCP flow that was established. */
	void (*ended)(void *context, const struct relay_flow *flow);
	void *context;
};

/* Starts to measure; `ended` may be NULL. Before it is called nothing is measured, and it costs nothing. */
void relay_measure(struct relay *relay, void (*ended)(void *context, const struct relay_flow *flow),
		   void *context);
const struct relay_histogram *relay_delay(const struct relay *relay);

/* For tcp.c: a flow ends. */
void relay_measure_end(const struct relay_tcp *flow);
/*
 * view.c: the figures of a flow, without `name`. Returns false for a client
 * outside that the sandbox does not know of, or no more.
 */
bool relay_view_tcp(const struct relay_tcp *tcp, struct relay_flow *flow);

#endif
