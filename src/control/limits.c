/* SPDX-License-Identifier: MIT */
#include "control/connection.h"
#include "control/routes.h"

static json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void add(const struct relay_limit *limit, void *context)
{
	json_t *list = context;

	json_array_append_new(list, json_pack("{ss, ss, so, so, so}", "name", limit->name, "text",
					      limit->text, "bound", integer(limit->bound), "used",
					      limit->counted ? integer(limit->used) : json_null(),
					      "refused", integer(limit->refused)));
}

void control_limits_get(struct control_request *request)
{
	const struct control_instance *instance = request->instance;
	const struct control_server *server = request->connection->server;
	const struct relay_limit connections = {
		.name = "control-connections",
		.text = "clients of the control socket",
		.bound = server->most,
		.counted = true,
		.used = server->count,
		.refused = server->refused,
	};
	json_t *list = json_array();

	if (list) {
		relay_limits(instance->relay, add, list);
		add(&connections, list);
		if (instance->limits)
			instance->limits(instance->limits_owner, add, list);
	}
	control_answer(request, HTTP_STATUS_OK, json_pack("{so}", "limits", list));
}
