/* SPDX-License-Identifier: MIT */
#include "control/routes.h"
#include "relay/neighbour.h"

static void add(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

void control_counters_get(struct control_request *request)
{
	const struct relay_counters *relay = relay_counters(request->instance->relay);
	const struct cothon_counters *stack = relay_stack_counters(request->instance->relay);
	const struct cothon_hub_counters *hub = relay_neighbour_counters(request->instance->relay);
	json_t *of_stack = json_object(), *of_relay = json_object();
	json_t *of_hub = hub ? json_object() : json_null();

#define ADD_STACK(name, text) add(of_stack, #name, stack->name);
	COTHON_COUNTERS(ADD_STACK)
#undef ADD_STACK
#define ADD_RELAY(name, text) add(of_relay, #name, relay->name);
	RELAY_COUNTERS(ADD_RELAY)
#undef ADD_RELAY
	if (hub) {
#define ADD_HUB(name, text) add(of_hub, #name, hub->name);
		COTHON_HUB_COUNTERS(ADD_HUB)
#undef ADD_HUB
	}
	control_answer(request, HTTP_STATUS_OK,
		       json_pack("{so, so, so}", "stack", of_stack, "relay", of_relay, "neighbours",
				 of_hub));
}
