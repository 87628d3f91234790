/* SPDX-License-Identifier: MIT */

/* GET and DELETE /v1/flows: what goes through the relay, cheaply, and what is to end. */

#include "control/flows.h"

#include "control/fields.h"
#include "control/json.h"
#include "control/making.h"
#include "control/routes.h"
#include <cothon/service.h>

#include <stdlib.h>
#include <string.h>

enum {
	/* Flows that one request ends: each is looked for among all. */
	ENDED_MAX = 16,
};

/* --- flows as they are told --- */

const char *control_transport_name(unsigned transport)
{
	return transport ? cothon_transport_name(transport) : "echo";
}

json_t *control_service_json(uint16_t port, unsigned transport)
{
	const struct cothon_service *found = transport ? cothon_service_by_port(port, transport)
						       : NULL;

	return found ? json_string(found->name) : json_null();
}

json_t *control_seconds_json(uint64_t microseconds)
{
	return microseconds ? json_real((double)microseconds / 1e6) : json_null();
}

json_t *control_flow_json(const struct relay_flow *flow, uint64_t now)
{
	bool inward = flow->published || flow->inward;
	uint16_t port = inward ? flow->inside.port : flow->remote.port;
	bool tcp = flow->transport == COTHON_TCP;

	return json_pack("{ss, so, so, so, so, so, sI, sI, sI, so, so, so, ss, sb, sb}",
			 "transport", control_transport_name(flow->transport), "local",
			 control_json_endpoint(&flow->inside), "remote",
			 control_json_endpoint(&flow->remote), "name",
			 flow->name[0] ? control_json_text(flow->name) : json_null(), "service",
			 control_service_json(port, flow->transport), "state",
			 tcp ? json_string(cothon_tcp_state_name(flow->state)) : json_null(),
			 "bytes_in", (json_int_t)flow->bytes_in, "bytes_out",
			 (json_int_t)flow->bytes_out, "retransmits", (json_int_t)flow->retransmits,
			 "opened", control_seconds_json(flow->opened_at), "age",
			 control_seconds_json(now - flow->opened_at), "round_trip",
			 control_seconds_json(flow->srtt), "through",
			 flow->neighbour ? "neighbour" : "gateway", "published",
			 (int)flow->published, "inward", (int)inward);
}

static void keep(const struct relay_flow *flow, void *context)
{
	struct control_flows *flows = context;

	/* A TCP flow with a neighbour may have said nothing yet. */
	if (flow->bytes_in + flow->bytes_out == 0 && !flow->neighbour)
		return;
	if (flows->count == flows->room) {
		size_t room = flows->room ? 2 * flows->room : 64;
		struct relay_flow *list =
			room > CONTROL_FLOWS_MAX
				? NULL
				: reallocarray(flows->list, room, sizeof(*flows->list));

		flows->truncated |= !list;
		if (!list)
			return;
		flows->list = list;
		flows->room = room;
	}
	flows->list[flows->count++] = *flow;
}

void control_flows_begin(struct control_flows *flows, struct relay *relay)
{
	*flows = (struct control_flows){.now = host_now()};
	relay_walk_begin(relay, &flows->walk);
	relay_mappings(relay, keep, flows);
}

bool control_flows_next(struct control_flows *flows, struct relay_flow *flow)
{
	bool found = relay_walk_next(&flows->walk, flow);

	if (!found && flows->at < flows->count) {
		*flow = flows->list[flows->at++];
		found = true;
	}
	if (found && flows->told == CONTROL_FLOWS_MAX) {
		flows->truncated = true;
		return false;
	}
	flows->told += found;
	return found;
}

void control_flows_end(struct control_flows *flows)
{
	relay_walk_end(&flows->walk);
	free(flows->list);
}

/* --- GET --- */

struct listing {
	struct control_making making;
	struct control_flows flows;
};

/* Since the start, as packets on the sandbox's device; what the stack sends the sandbox receives. */
static json_t *totals(struct relay *relay)
{
	const struct cothon_counters *stack = relay_stack_counters(relay);
	const struct relay_counters *counters = relay_counters(relay);
	struct relay_flow_count count = relay_flow_count(relay);
	uint64_t denied = counters->prohibited + counters->dns_denied;

	return json_pack("{sI, sI, sI, sI, sI, sI, s{sI, sI, sI}}", "bytes_in",
			 (json_int_t)stack->bytes_out, "bytes_out", (json_int_t)stack->bytes_in,
			 "frames_in", (json_int_t)stack->frames_out, "frames_out",
			 (json_int_t)stack->frames_in, "retransmits",
			 (json_int_t)stack->tcp_retransmits, "denied", (json_int_t)denied, "flows",
			 "tcp", (json_int_t)count.tcp, "udp", (json_int_t)count.udp, "echo",
			 (json_int_t)count.echo);
}

static bool list_step(struct control_making *making)
{
	struct listing *listing = cothon_container(making, struct listing, making);
	struct control_flows *flows = &listing->flows;
	bool first = flows->told == 0;
	struct relay_flow flow;

	if (control_flows_next(flows, &flow)) {
		control_making_add_element(making, control_flow_json(&flow, flows->now), first);
		return true;
	}
	control_making_add(making, flows->truncated ? "],\"truncated\":true}\n"
						    : "],\"truncated\":false}\n");
	return false;
}

static void list_over(struct control_making *making)
{
	struct listing *listing = cothon_container(making, struct listing, making);

	control_flows_end(&listing->flows);
	free(listing);
}

void control_flows_get(struct control_request *request)
{
	const struct control_instance *instance = request->instance;
	struct listing *listing = calloc(1, sizeof(*listing));

	if (!listing) {
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	listing->making.step = list_step;
	listing->making.over = list_over;
	control_flows_begin(&listing->flows, instance->relay);
	control_make(request, &listing->making);
	control_making_add(&listing->making, "{\"name\":");
	control_making_add_json(&listing->making, control_json_text(instance->name));
	control_making_add(&listing->making, ",\"now\":");
	control_making_add_json(&listing->making, control_seconds_json(listing->flows.now));
	control_making_add(&listing->making, ",\"totals\":");
	control_making_add_json(&listing->making, totals(instance->relay));
	control_making_add(&listing->making, ",\"flows\":[");
}

/* --- DELETE --- */

struct named {
	unsigned transport;
	struct cothon_endpoint local, remote;
};

static struct cothon_endpoint read_endpoint(struct control_fields *flow, const char *name)
{
	static const char *const known[] = {"address", "port", NULL};
	const json_t *value = flow->failed ? NULL : json_object_get(flow->object, name);
	struct cothon_endpoint endpoint = {0};
	struct control_fields fields;
	const char *address;

	control_fields_begin(&fields, value, "%s of %.40s", name, flow->where);
	control_fields_only(&fields, known);
	address = control_fields_text(&fields, "address");
	if (!fields.failed && cothon_addr_parse(address, &endpoint.addr) < 0)
		control_fields_fail(&fields, "write it as /v1/flows does",
				    "\"%.64s\" is no address", address);
	endpoint.port = (uint16_t)control_fields_integer(&fields, "port", 0, UINT16_MAX, -1);
	if (fields.failed && !flow->failed)
		control_fields_fail(flow, fields.hint, "%s", fields.error);
	return endpoint;
}

static struct named read_flow(struct control_fields *fields)
{
	static const char *const known[] = {"transport", "local", "remote", NULL};
	struct named flow = {0};
	const char *transport;

	control_fields_only(fields, known);
	transport = control_fields_text(fields, "transport");
	flow.transport = cothon_transport_by_name(transport, strlen(transport));
	if (flow.transport != COTHON_TCP && flow.transport != COTHON_UDP &&
	    strcmp(transport, "echo") != 0)
		control_fields_fail(fields, "write \"tcp\", \"udp\" or \"echo\"",
				    "\"%.32s\" is no transport of flows", transport);
	flow.local = read_endpoint(fields, "local");
	/* Mappings have no remote end; the one that a socket is connected to does not matter. */
	if (flow.transport == COTHON_TCP)
		flow.remote = read_endpoint(fields, "remote");
	return flow;
}

/* Reads {"flows": [...]}. Returns how many; 0 when that has refused the request. */
static size_t read_flows(struct control_request *request, struct named list[static ENDED_MAX])
{
	static const char *const known[] = {"flows", NULL};
	struct control_fields body, one;
	const json_t *array;
	json_t *json;
	size_t i;

	control_fields_begin(&body, request->body, "the body");
	control_fields_only(&body, known);
	array = control_fields_array(&body, "flows", ENDED_MAX);
	if (!body.failed && json_array_size(array) == 0)
		control_fields_fail(&body, "name one at least", "there are no \"flows\"");
	json_array_foreach(array, i, json)
	{
		control_fields_begin(&one, json, "flows[%zu]", i);
		list[i] = read_flow(&one);
		if (one.failed && !body.failed)
			body = one;
	}
	if (body.failed)
		control_fields_refuse(&body, request);
	return body.failed ? 0 : json_array_size(array);
}

void control_flows_delete(struct control_request *request)
{
	struct relay *relay = request->instance->relay;
	struct named list[ENDED_MAX] = {0};
	size_t count = read_flows(request, list);
	json_int_t ended = 0;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (relay_flow_is(relay, list[i].transport, &list[i].local, &list[i].remote))
			continue;
		control_answer(
			request, HTTP_STATUS_NOT_FOUND,
			json_pack("{ss, ss, sI}", "error", "there is no such flow", "hint",
				  "it may have ended already; one whose both ends are inside "
				  "cannot be ended",
				  "index", (json_int_t)i));
		return;
	}
	/* One that is named twice is gone the second time. */
	for (size_t i = 0; i < count; i++)
		ended += relay_flow_end(relay, list[i].transport, &list[i].local,
					&list[i].remote) == 0;
	control_answer(request, HTTP_STATUS_OK, json_pack("{sI}", "ended", ended));
}
