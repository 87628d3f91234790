/* SPDX-License-Identifier: MIT */
#include "relay/measure.h"

#include "relay/state.h"

/* From the delay of one packet on this machine to the round trip of a satellite. */
const uint32_t relay_buckets[RELAY_BUCKETS] = {
	10,   25,    50,    100,   250,    500,    1000,   2500,
	5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
};

void relay_histogram_add(struct relay_histogram *histogram, uint64_t microseconds)
{
	unsigned bucket = 0;

	while (bucket < RELAY_BUCKETS && microseconds > relay_buckets[bucket])
		bucket++;
	histogram->counts[bucket]++;
	histogram->count++;
	histogram->sum += microseconds;
}

void relay_measure(struct relay *relay, void (*ended)(void *context, const struct relay_flow *flow),
		   void *context)
{
	relay->measures.wanted = true;
	relay->measures.ended = ended;
	relay->measures.context = context;
	relay_lanes_measure(relay, ended != NULL);
}

static void add(struct relay_histogram *sum, const struct relay_histogram *more)
{
	for (unsigned i = 0; i <= RELAY_BUCKETS; i++)
		sum->counts[i] += more->counts[i];
	sum->count += more->count;
	sum->sum += more->sum;
}

const struct relay_histogram *relay_delay(const struct relay *relay)
{
	struct relay_histogram *sum;

	if (!relay->lane)
		return &relay->measures.delay;
	sum = &relay->lane->lanes->delay;
	*sum = (struct relay_histogram){0};
	for (const struct relay *lane = relay; lane; lane = relay_lane_after(lane))
		add(sum, &lane->measures.delay);
	return sum;
}

void relay_measure_end(const struct relay_tcp *flow)
{
	const struct relay_measures *measures = &flow->relay->measures;
	struct relay_flow figures;

	if (measures->ended && flow->inside_open && relay_view_tcp(flow, &figures))
		measures->ended(measures->context, &figures);
}
