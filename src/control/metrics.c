/* SPDX-License-Identifier: MIT */
#include "control/metrics.h"

#include "control/denials.h"
#include "control/making.h"
#include "control/openmetrics.h"
#include "control/routes.h"
#include "relay/measure.h"
#include "relay/neighbour.h"
#include <cothon/service.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Services and publications that are told apart; the rest is one, called "other". */
	SERVICES = 64,
	PUBLICATIONS = 256,
	/* Flows whose round trips are asked for in one step. */
	STEP_FLOWS = 8,
};

#define MICRO 1e6

/* What was moved for one service. */
struct service {
	const char *name;
	uint64_t ended, in, out; /* of flows that have ended */
	uint64_t live, live_in, live_out;
};

struct control_metrics {
	struct relay *relay;
	bool begun;
	struct relay_histogram round_trips;
	struct service services[SERVICES + 1]; /* the last one is for all others */
	unsigned service_count;
	/* While a part of them is written. */
	const struct control_instance *instance;
	const struct relay_histogram *live; /* round trips of the flows that there are */
	struct control_openmetrics *out;
	unsigned publication_count;
};

/* --- flows --- */

static struct service *other(struct control_metrics *metrics)
{
	metrics->services[SERVICES].name = "other";
	return &metrics->services[SERVICES];
}

static struct service *service_of(struct control_metrics *metrics, const struct relay_flow *flow)
{
	uint16_t port = flow->published ? flow->inside.port : flow->remote.port;
	const struct cothon_service *known = cothon_service_by_port(port, flow->transport);

	if (!known)
		return other(metrics);
	for (unsigned i = 0; i < metrics->service_count; i++) {
		if (strcmp(metrics->services[i].name, known->name) == 0)
			return &metrics->services[i];
	}
	if (metrics->service_count == SERVICES)
		return other(metrics);
	metrics->services[metrics->service_count].name = known->name;
	return &metrics->services[metrics->service_count++];
}

static void flow_ended(void *context, const struct relay_flow *flow)
{
	struct control_metrics *metrics = context;
	struct service *service = service_of(metrics, flow);

	service->ended++;
	service->in += flow->bytes_in;
	service->out += flow->bytes_out;
	if (flow->srtt)
		relay_histogram_add(&metrics->round_trips, flow->srtt);
}

static void add_live(const struct relay_flow *flow, void *context)
{
	struct control_metrics *metrics = context;
	struct service *service;

	/* Those that were never established are not told of when they end, nor those with neighbours. */
	if (flow->transport != COTHON_TCP || flow->state < COTHON_TCP_ESTABLISHED ||
	    flow->neighbour)
		return;
	service = service_of(metrics, flow);
	service->live++;
	service->live_in += flow->bytes_in;
	service->live_out += flow->bytes_out;
}

/* All at once: what ends meanwhile would count twice, or not at all. */
static void look_at_live(struct control_metrics *metrics)
{
	for (unsigned i = 0; i <= SERVICES; i++) {
		struct service *service = &metrics->services[i];

		service->live = service->live_in = service->live_out = 0;
	}
	relay_flows_brief(metrics->relay, add_live, metrics);
}

static void write_flows(struct control_metrics *metrics)
{
	struct relay_flow_count count = relay_flow_count(metrics->relay);
	const struct relay_counters *relay = relay_counters(metrics->relay);
	struct control_openmetrics *out = metrics->out;

	control_openmetrics_family(out, "cothon_flows", "gauge", NULL,
				   "Flows of TCP, and endpoints inside that send UDP or pings.");
	control_openmetrics_labelled(out, "", "transport", "tcp", count.tcp);
	control_openmetrics_labelled(out, "", "transport", "udp", count.udp);
	control_openmetrics_labelled(out, "", "transport", "echo", count.echo);
	control_openmetrics_family(out, "cothon_tcp_flows", "counter", NULL,
				   "TCP flows that were opened from inside and from outside.");
	control_openmetrics_labelled(out, "_total", "from", "inside", relay->tcp_out);
	control_openmetrics_labelled(out, "_total", "from", "outside", relay->tcp_in);
	control_openmetrics_family(out, "cothon_tcp_flows_failed", "counter", NULL,
				   "TCP flows whose other side could not be reached.");
	control_openmetrics_one(out, "_total", relay->tcp_failed);
}

static void write_service(struct control_openmetrics *out, const struct service *service,
			  const char *direction, uint64_t bytes)
{
	control_openmetrics_sample(out, "_total");
	control_openmetrics_label(out, "service", service->name);
	control_openmetrics_label(out, "direction", direction);
	control_openmetrics_count(out, bytes);
}

static void write_services(struct control_metrics *metrics)
{
	struct control_openmetrics *out = metrics->out;
	const struct service *services = metrics->services;

	look_at_live(metrics);
	control_openmetrics_family(out, "cothon_service_flows", "gauge", NULL,
				   "TCP flows by the service of the end that was gone to.");
	for (unsigned i = 0; i <= SERVICES; i++) {
		if (services[i].name)
			control_openmetrics_labelled(out, "", "service", services[i].name,
						     services[i].live);
	}
	control_openmetrics_family(out, "cothon_service_flows_ended", "counter", NULL,
				   "TCP flows of a service that have ended.");
	for (unsigned i = 0; i <= SERVICES; i++) {
		if (services[i].name)
			control_openmetrics_labelled(out, "_total", "service", services[i].name,
						     services[i].ended);
	}
	control_openmetrics_family(out, "cothon_service_bytes", "counter", "bytes",
				   "Payload of a service's TCP flows, into the sandbox and out.");
	for (unsigned i = 0; i <= SERVICES; i++) {
		if (!services[i].name)
			continue;
		write_service(out, &services[i], "in", services[i].in + services[i].live_in);
		write_service(out, &services[i], "out", services[i].out + services[i].live_out);
	}
}

/* --- histograms --- */

static void write_histogram(struct control_openmetrics *out,
			    const struct relay_histogram *histogram, const char *count,
			    const char *sum)
{
	uint64_t below = 0;

	for (unsigned i = 0; i < RELAY_BUCKETS; i++) {
		below += histogram->counts[i];
		control_openmetrics_sample(out, "_bucket");
		control_openmetrics_label_number(out, "le", relay_buckets[i] / MICRO);
		control_openmetrics_count(out, below);
	}
	control_openmetrics_labelled(out, "_bucket", "le", "+Inf", histogram->count);
	control_openmetrics_one(out, count, histogram->count);
	control_openmetrics_sample(out, sum);
	control_openmetrics_value(out, (double)histogram->sum / MICRO);
}

static void write_times(struct control_metrics *metrics)
{
	struct control_openmetrics *out = metrics->out;

	control_openmetrics_family(out, "cothon_tcp_round_trip_seconds", "histogram", "seconds",
				   "Smoothed round trips, application to far end, of ended flows.");
	write_histogram(out, &metrics->round_trips, "_count", "_sum");
	control_openmetrics_family(out, "cothon_tcp_live_round_trip_seconds", "gaugehistogram",
				   "seconds", "The same of the flows that there are.");
	write_histogram(out, metrics->live, "_gcount", "_gsum");
	control_openmetrics_family(out, "cothon_queue_delay_seconds", "histogram", "seconds",
				   "From reading packets of the sandbox to having handed them on.");
	write_histogram(out, relay_delay(metrics->relay), "_count", "_sum");
}

/* --- counters --- */

/* Counters that say that something was lost or refused, and why. */
#define STACK_DROPS(X)              \
	X(link_lost)                \
	X(ip_bad_header)            \
	X(ip_bad_checksum)          \
	X(ip_bad_address)           \
	X(ip_not_ours)              \
	X(ip_hops_exceeded)         \
	X(ip_unknown_protocol)      \
	X(reassembly_failed)        \
	X(reassembly_evicted)       \
	X(icmp_bad)                 \
	X(icmp_errors_limited)      \
	X(udp_bad)                  \
	X(udp_no_port)              \
	X(tcp_bad)                  \
	X(tcp_no_flow)              \
	X(tcp_refused)              \
	X(tcp_half_open_dropped)    \
	X(tcp_flows_refused)        \
	X(tcp_out_of_order_dropped) \
	X(tcp_paws_dropped)
#define RELAY_DROPS(X)     \
	X(no_socket)       \
	X(prohibited)      \
	X(udp_lost)        \
	X(udp_unsolicited) \
	X(broadcast)       \
	X(echo_lost)       \
	X(dns_failed)      \
	X(dns_dropped)     \
	X(dns_denied)

static void write_drops(struct control_metrics *metrics)
{
	const struct cothon_counters *stack = relay_stack_counters(metrics->relay);
	const struct relay_counters *relay = relay_counters(metrics->relay);
	struct control_openmetrics *out = metrics->out;

	control_openmetrics_family(out, "cothon_drops", "counter", NULL,
				   "What was dropped or refused; the reasons are those of "
				   "cothon_events.");
#define DROP_OF_STACK(name) \
	control_openmetrics_labelled(out, "_total", "reason", #name, stack->name);
	STACK_DROPS(DROP_OF_STACK)
#undef DROP_OF_STACK
#define DROP_OF_RELAY(name) \
	control_openmetrics_labelled(out, "_total", "reason", #name, relay->name);
	RELAY_DROPS(DROP_OF_RELAY)
#undef DROP_OF_RELAY
}

/* All that is counted, and with it what comes to be counted later. */
static void write_events(struct control_metrics *metrics)
{
	const struct cothon_counters *stack = relay_stack_counters(metrics->relay);
	const struct relay_counters *relay = relay_counters(metrics->relay);
	const struct cothon_hub_counters *hub = relay_neighbour_counters(metrics->relay);
	struct control_openmetrics *out = metrics->out;

	control_openmetrics_family(out, "cothon_events", "counter", NULL,
				   "Everything that is counted, as `cothon` calls it.");
#define EVENT_OF_STACK(name, text) \
	control_openmetrics_labelled(out, "_total", "event", #name, stack->name);
	COTHON_COUNTERS(EVENT_OF_STACK)
#undef EVENT_OF_STACK
#define EVENT_OF_RELAY(name, text) \
	control_openmetrics_labelled(out, "_total", "event", "relay_" #name, relay->name);
	RELAY_COUNTERS(EVENT_OF_RELAY)
#undef EVENT_OF_RELAY
	if (!hub)
		return;
#define EVENT_OF_HUB(name, text) \
	control_openmetrics_labelled(out, "_total", "event", "neighbour_" #name, hub->name);
	COTHON_HUB_COUNTERS(EVENT_OF_HUB)
#undef EVENT_OF_HUB
}

static void write_traffic(struct control_metrics *metrics)
{
	const struct cothon_counters *stack = relay_stack_counters(metrics->relay);
	const struct relay_counters *relay = relay_counters(metrics->relay);
	struct control_openmetrics *out = metrics->out;

	/* What the stack takes in goes out of the sandbox. */
	control_openmetrics_family(out, "cothon_traffic_bytes", "counter", "bytes",
				   "Bytes of packets, headers included, into the sandbox and out.");
	control_openmetrics_labelled(out, "_total", "direction", "in", stack->bytes_out);
	control_openmetrics_labelled(out, "_total", "direction", "out", stack->bytes_in);
	control_openmetrics_family(out, "cothon_packets", "counter", NULL,
				   "Packets; one that is cut by offload counts once.");
	control_openmetrics_labelled(out, "_total", "direction", "in", stack->frames_out);
	control_openmetrics_labelled(out, "_total", "direction", "out", stack->frames_in);
	control_openmetrics_family(out, "cothon_udp_datagrams", "counter", NULL,
				   "Datagrams taken from the host and given to it.");
	control_openmetrics_labelled(out, "_total", "direction", "in", relay->udp_in);
	control_openmetrics_labelled(out, "_total", "direction", "out", relay->udp_out);
	control_openmetrics_family(out, "cothon_tcp_retransmits", "counter", NULL,
				   "Segments that were sent to the sandbox again.");
	control_openmetrics_one(out, "_total", stack->tcp_retransmits);
	control_openmetrics_family(out, "cothon_dns_queries", "counter", NULL,
				   "DNS queries of the sandbox.");
	control_openmetrics_one(out, "_total", relay->dns_queries);
}

/* --- rules, bounds, publications --- */

static void write_denied_count(const struct relay_denied_count *count, void *context)
{
	struct control_openmetrics *out = context;
	char text[COTHON_RULE_TEXT];

	control_openmetrics_sample(out, "_total");
	control_openmetrics_label(out, "by", control_denial_word(count->by));
	control_openmetrics_label(out, "rule",
				  count->rule ? cothon_rule_format(count->rule, text)
				  : count->by == RELAY_DENIED_BY_RULE ? "other"
								      : "");
	control_openmetrics_count(out, count->count);
}

static void write_denied(struct control_metrics *metrics)
{
	control_openmetrics_family(metrics->out, "cothon_denied", "counter", NULL,
				   "What was not let through, by the rule that forbids it.");
	relay_denied_counts(metrics->relay, write_denied_count, metrics->out);
}

static void write_bound(const struct relay_limit *limit, void *context)
{
	control_openmetrics_labelled(context, "", "resource", limit->name, limit->bound);
}

static void write_used(const struct relay_limit *limit, void *context)
{
	if (limit->counted)
		control_openmetrics_labelled(context, "", "resource", limit->name, limit->used);
}

static void write_refused(const struct relay_limit *limit, void *context)
{
	control_openmetrics_labelled(context, "_total", "resource", limit->name, limit->refused);
}

static void write_limits(const struct control_metrics *metrics,
			 void (*each)(const struct relay_limit *limit, void *context))
{
	const struct control_instance *instance = metrics->instance;

	relay_limits(metrics->relay, each, metrics->out);
	if (instance->limits)
		instance->limits(instance->limits_owner, each, metrics->out);
}

static void write_resources(struct control_metrics *metrics)
{
	control_openmetrics_family(metrics->out, "cothon_resource_bound", "gauge", NULL,
				   "How much there may be of a resource.");
	write_limits(metrics, write_bound);
	control_openmetrics_family(metrics->out, "cothon_resource_used", "gauge", NULL,
				   "How much there is of it.");
	write_limits(metrics, write_used);
	control_openmetrics_family(metrics->out, "cothon_resource_refused", "counter", NULL,
				   "How often its bound was met.");
	write_limits(metrics, write_refused);
}

static void range_text(uint16_t first, uint16_t count, char text[static 16])
{
	if (count > 1)
		snprintf(text, 16, "%u-%u", first, first + count - 1);
	else
		snprintf(text, 16, "%u", first);
}

static void write_publication(const struct relay_publication *publication, uint64_t accepted,
			      void *context)
{
	struct control_metrics *metrics = context;
	struct control_openmetrics *out = metrics->out;
	char addr[COTHON_ADDR_TEXT] = "", outside[16], inside[16];

	if (publication->transport != COTHON_TCP || metrics->publication_count++ >= PUBLICATIONS)
		return;
	if (publication->has_addr)
		cothon_addr_format(&publication->addr, addr);
	range_text(publication->outside, publication->count, outside);
	range_text(publication->inside, publication->count, inside);
	control_openmetrics_sample(out, "_total");
	control_openmetrics_label(out, "address", addr);
	control_openmetrics_label(out, "port", outside);
	control_openmetrics_label(out, "inside", inside);
	control_openmetrics_count(out, accepted);
}

static void write_publications(struct control_metrics *metrics)
{
	metrics->publication_count = 0;
	control_openmetrics_family(metrics->out, "cothon_published_connections", "counter", NULL,
				   "Connections that came by a published TCP port.");
	relay_publications_accepted(metrics->relay, write_publication, metrics);
}

static void write_instance(struct control_metrics *metrics)
{
	const struct control_instance *instance = metrics->instance;
	struct control_openmetrics *out = metrics->out;

	control_openmetrics_family(out, "cothon_sandbox", "info", NULL, "The sandbox.");
	control_openmetrics_sample(out, "_info");
	control_openmetrics_label(out, "name", instance->name ? instance->name : "");
	control_openmetrics_label(out, "version", COTHON_VERSION);
	control_openmetrics_count(out, 1);
	control_openmetrics_family(out, "cothon_start_time_seconds", "gauge", "seconds",
				   "When the sandbox started, since 1970.");
	control_openmetrics_sample(out, "");
	control_openmetrics_value(out, (double)instance->started_at / MICRO);
}

static void write_end(struct control_metrics *metrics)
{
	control_openmetrics_end(metrics->out);
}

/* --- all --- */

void control_metrics_begin(struct control_metrics *metrics)
{
	if (!metrics->begun)
		relay_measure(metrics->relay, flow_ended, metrics);
	metrics->begun = true;
}

struct control_metrics *control_metrics_create(struct relay *relay)
{
	struct control_metrics *metrics = calloc(1, sizeof(*metrics));

	if (metrics)
		metrics->relay = relay;
	return metrics;
}

void control_metrics_destroy(struct control_metrics *metrics)
{
	if (metrics && metrics->begun)
		relay_measure(metrics->relay, NULL, NULL);
	free(metrics);
}

/* --- an answer --- */

/* First the round trips of flows, some in each step, then a part of the text in each. */
struct answer {
	struct control_making making;
	struct control_metrics *metrics;
	const struct control_instance *instance;
	struct relay_walk walk;
	bool walks;
	struct relay_histogram live;
	struct control_openmetrics out;
	unsigned part;
};

static void (*const parts[])(struct control_metrics *metrics) = {
	write_instance, write_flows,        write_traffic, write_services,
	write_times,    write_publications, write_denied,  write_resources,
	write_drops,    write_events,       write_end,
};

static void look_at_flows(struct answer *answer)
{
	struct relay_flow flow;

	for (unsigned i = 0; answer->walks && i < STEP_FLOWS; i++) {
		answer->walks = relay_walk_next(&answer->walk, &flow);
		if (answer->walks && flow.state >= COTHON_TCP_ESTABLISHED && flow.srtt)
			relay_histogram_add(&answer->live, flow.srtt);
	}
	if (!answer->walks)
		relay_walk_end(&answer->walk);
}

static bool step(struct control_making *making)
{
	struct answer *answer = cothon_container(making, struct answer, making);
	struct control_metrics *metrics = answer->metrics;

	if (answer->walks) {
		look_at_flows(answer);
		return true;
	}
	metrics->instance = answer->instance;
	metrics->live = &answer->live;
	metrics->out = &answer->out;
	parts[answer->part++](metrics);
	if (answer->out.failed)
		control_making_fail(making);
	else
		control_making_add_bytes(making, answer->out.text, answer->out.len);
	answer->out.len = 0;
	return answer->part < sizeof(parts) / sizeof(*parts);
}

static void over(struct control_making *making)
{
	struct answer *answer = cothon_container(making, struct answer, making);

	if (answer->walks)
		relay_walk_end(&answer->walk);
	free(answer->out.text);
	free(answer);
}

void control_metrics_get(struct control_request *request)
{
	struct control_instance *instance = request->instance;
	struct answer *answer;

	if (!instance->metrics) {
		control_refuse(request, HTTP_STATUS_NOT_FOUND, NULL, "nothing is measured here");
		return;
	}
	answer = calloc(1, sizeof(*answer));
	if (!answer) {
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	answer->making.step = step;
	answer->making.over = over;
	answer->making.type = CONTROL_OPENMETRICS_TYPE;
	answer->metrics = instance->metrics;
	answer->instance = instance;
	answer->walks = true;
	control_metrics_begin(instance->metrics);
	relay_walk_begin(instance->relay, &answer->walk);
	control_make(request, &answer->making);
}

const struct control_route control_metrics_routes[] = {
	{HTTP_GET, "/metrics", control_metrics_get},
	{0},
};
