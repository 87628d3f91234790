/* SPDX-License-Identifier: MIT */
#include "control/json.h"
#include "control/routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static json_t *command(char *const *argv)
{
	json_t *array = json_array();

	for (; *argv; argv++)
		json_array_append_new(array, control_json_text(*argv));
	return array;
}

/* null: this family is switched off. */
static json_t *family(const struct relay_family *family)
{
	if (!family->enabled)
		return json_null();
	return json_pack("{so, so, so, si}", "address", control_json_addr(&family->sandbox),
			 "gateway", control_json_addr(&family->gateway), "dns",
			 control_json_addr(&family->dns), "prefix", (int)family->prefix);
}

/* What `cothon up` knows of the sandbox; null where that has not started it. */
static json_t *supervision(const struct control_supervision *supervision)
{
	struct control_state state;
	char digest[17];

	if (!supervision)
		return json_null();
	supervision->look(supervision->context, &state);
	snprintf(digest, sizeof(digest), "%016" PRIx64, supervision->digest);
	return json_pack("{so, so, ss, ss, sI, so}", "network",
			 control_json_text(supervision->network), "file",
			 control_json_text(supervision->file), "digest", digest, "state",
			 state.word, "restarts", (json_int_t)state.restarts, "status",
			 state.status < 0 ? json_null() : json_integer(state.status));
}

void control_sandbox_get(struct control_request *request)
{
	const struct control_instance *instance = request->instance;

	control_answer(
		request, HTTP_STATUS_OK,
		json_pack("{ss, si, si, so, so, so, so, si, ss, so}", "name", instance->name, "pid",
			  (int)getpid(), "init_pid", (int)sandbox_pid(instance->sandbox), "command",
			  command(instance->command), "started",
			  control_json_time(instance->started_at), "ipv4",
			  family(&instance->network.ipv4), "ipv6", family(&instance->network.ipv6),
			  "mtu", (int)instance->network.mtu, "version", COTHON_VERSION, "up",
			  supervision(instance->supervision)));
}
