/* SPDX-License-Identifier: MIT */

/* GET /v1/ports: who holds which port in the sandbox, every flow, and what the gateway holds. */

#include "base/list.h"
#include "control/flows.h"
#include "control/json.h"
#include "control/making.h"
#include "control/routes.h"
#include "control/sockets.h"

#include <cothon/service.h>

#include <stdlib.h>
#include <string.h>

enum {
	/* Processes listed of those that hold one socket; more share it only by fork(2). */
	APPLICATIONS = 16,
};

/* A request that waits for init's answer. */
struct look {
	struct sandbox_question question;
	struct control_request *request;
};

/* What comes next in an answer. */
enum part {
	BINDINGS,
	FLOWS,
	INNER_FLOWS,
	REST,
};

/* An answer in the making. */
struct answer {
	struct control_making making;
	const struct control_instance *instance;
	struct sandbox_inspection *inspection;
	struct control_flows flows;
	enum part part;
	size_t at;       /* in this part */
	size_t elements; /* of the array that is being made */
	struct control_sockets sockets;
	/* Sockets whose flow the relay knows, by their place in the inspection. */
	bool *known;
	/* Processes that were written once, and are in every list that they belong to. */
	json_t **processes;
};

/* --- pieces --- */

static json_t *application(const struct sandbox_process *process)
{
	return json_pack("{so, so, si, so}", "command", control_json_text(process->command),
			 "arguments", control_json_text(process->arguments), "pid",
			 (int)process->pid, "host_pid",
			 process->host_pid ? json_integer(process->host_pid) : json_null());
}

static json_t *application_of(const struct answer *answer, uint32_t process)
{
	json_t **written = &answer->processes[process];

	if (!*written)
		*written = application(&answer->sockets.inspection->processes[process]);
	return *written;
}

/* The first processes that hold a socket; none for NULL. */
static json_t *applications(const struct answer *answer, const struct sandbox_socket *socket)
{
	const struct sandbox_inspection *inspection = answer->sockets.inspection;
	json_t *array = json_array();

	for (uint32_t i = 0; socket && i < socket->holder_count && i < APPLICATIONS; i++) {
		uint32_t holder = inspection->holders[socket->first_holder + i];

		json_array_append(array, application_of(answer, holder));
	}
	return array;
}

/* --- bindings --- */

static json_t *binding(const struct answer *answer, const struct sandbox_socket *socket)
{
	bool any = cothon_addr_is_any(&socket->local.addr);

	return json_pack("{ss, so, si, sb, so, ss, so}", "transport",
			 control_transport_name(socket->transport), "address",
			 control_json_addr(&socket->local.addr), "port", (int)socket->local.port,
			 "dual_stack", socket->ipv6 && any && !socket->v6only, "service",
			 control_service_json(socket->local.port, socket->transport), "class",
			 cothon_port_class_name(cothon_port_class(socket->local.port)),
			 "applications", applications(answer, socket));
}

/* --- flows --- */

/* The socket of a flow that the relay knows. */
static const struct sandbox_socket *socket_of(const struct answer *answer,
					      const struct relay_flow *flow)
{
	const struct sandbox_socket *socket;

	if (flow->transport == COTHON_TCP)
		return control_sockets_flow(&answer->sockets, COTHON_TCP, &flow->inside,
					    &flow->remote);
	if (flow->transport != COTHON_UDP)
		return NULL;
	socket = control_sockets_connected(&answer->sockets, &flow->inside);
	return socket ? socket
		      : control_sockets_binding(&answer->sockets, COTHON_UDP, &flow->inside);
}

/* A flow that goes through the relay. */
static json_t *relayed_flow(struct answer *answer, const struct relay_flow *known)
{
	const struct sandbox_socket *socket = socket_of(answer, known);
	struct relay_flow flow = *known;
	json_t *json;

	if (socket) {
		answer->known[socket - answer->inspection->sockets] = true;
		/* What the application's own end says is what it sees. */
		flow.state = (enum cothon_tcp_state)socket->state;
		if (flow.transport == COTHON_UDP && !flow.neighbour)
			flow.remote = socket->remote;
	}
	json = control_flow_json(&flow, answer->flows.now);
	json_object_set_new(json, "applications", applications(answer, socket));
	return json;
}

/* A flow between two sockets of the sandbox, or one that the relay does not know, or no more. */
static json_t *inner_flow(const struct answer *answer, const struct sandbox_socket *socket)
{
	bool serves = control_sockets_binding(&answer->sockets, socket->transport, &socket->local);
	uint16_t port = serves ? socket->local.port : socket->remote.port;
	bool tcp = socket->transport == COTHON_TCP;

	return json_pack(
		"{ss, so, so, sn, so, so, sI, sI, sI, sn, sn, so, ss, sb, sb, so}", "transport",
		control_transport_name(socket->transport), "local",
		control_json_endpoint(&socket->local), "remote",
		control_json_endpoint(&socket->remote), "name", "service",
		control_service_json(port, socket->transport), "state",
		tcp ? json_string(cothon_tcp_state_name((enum cothon_tcp_state)socket->state))
		    : json_null(),
		"bytes_in", (json_int_t)socket->bytes_in, "bytes_out",
		(json_int_t)socket->bytes_out, "retransmits", (json_int_t)socket->retransmits,
		"opened", "age", "round_trip", control_seconds_json(socket->srtt), "through",
		"inside", "published", 0, "inward", 0, "applications",
		applications(answer, socket));
}

/* --- what the gateway holds --- */

static void add_dns(json_t *array, const struct relay_family *family)
{
	static const unsigned transports[] = {COTHON_TCP, COTHON_UDP};

	for (size_t i = 0; family->enabled && i < 2; i++)
		json_array_append_new(
			array, json_pack("{ss, ss, so, si, si, so, ss}", "where", "inside",
					 "transport", control_transport_name(transports[i]),
					 "address", control_json_addr(&family->dns), "port", 53,
					 "count", 1, "service",
					 control_service_json(53, transports[i]), "use", "dns"));
}

static void add_publication(const struct relay_publication *publication, void *context)
{
	json_t *array = context;

	json_array_append_new(
		array, json_pack("{ss, ss, so, si, si, so, ss, si}", "where", "host", "transport",
				 control_transport_name(publication->transport), "address",
				 publication->has_addr ? control_json_addr(&publication->addr)
						       : json_null(),
				 "port", (int)publication->outside, "count",
				 (int)publication->count, "service",
				 control_service_json(publication->inside, publication->transport),
				 "use", "published", "inside", (int)publication->inside));
}

static json_t *gateway(const struct control_instance *instance)
{
	json_t *array = json_array();

	add_dns(array, &instance->network.ipv4);
	add_dns(array, &instance->network.ipv6);
	relay_publications(instance->relay, add_publication, array);
	return array;
}

/* --- the answer, step by step --- */

static void add(struct answer *answer, json_t *element)
{
	control_making_add_element(&answer->making, element, answer->elements++ == 0);
}

/* Ends one array and begins the next. */
static void begin(struct answer *answer, enum part part, const char *text)
{
	control_making_add(&answer->making, text);
	answer->part = part;
	answer->at = 0;
}

static void add_socket(struct answer *answer)
{
	const struct sandbox_socket *socket =
		control_sockets_at(&answer->sockets, (uint32_t)answer->at++);
	bool known = answer->known[socket - answer->inspection->sockets];

	if (answer->part == BINDINGS && control_socket_is_binding(socket))
		add(answer, binding(answer, socket));
	else if (answer->part == INNER_FLOWS && !known && socket->remote.port > 0)
		add(answer, inner_flow(answer, socket));
}

static bool step(struct control_making *making)
{
	struct answer *answer = cothon_container(making, struct answer, making);
	struct relay_flow flow;

	switch (answer->part) {
	case BINDINGS:
		if (answer->at < answer->sockets.count) {
			add_socket(answer);
			return true;
		}
		begin(answer, FLOWS, "],\"flows\":[");
		answer->elements = 0;
		return true;
	case FLOWS:
		if (control_flows_next(&answer->flows, &flow))
			add(answer, relayed_flow(answer, &flow));
		else
			begin(answer, INNER_FLOWS, "");
		return true;
	case INNER_FLOWS:
		if (answer->at < answer->sockets.count)
			add_socket(answer);
		else
			begin(answer, REST, "],\"gateway\":");
		return true;
	case REST:
		break;
	}
	control_making_add_json(making, gateway(answer->instance));
	control_making_add(making, ",\"truncated\":");
	control_making_add_json(making, json_boolean(answer->inspection->truncated ||
						     answer->flows.truncated));
	control_making_add(making, "}\n");
	return false;
}

static void over(struct control_making *making)
{
	struct answer *answer = cothon_container(making, struct answer, making);

	for (uint32_t i = 0; answer->processes && i < answer->inspection->process_count; i++)
		json_decref(answer->processes[i]);
	control_flows_end(&answer->flows);
	control_sockets_free(&answer->sockets);
	free(answer->known);
	free(answer->processes);
	sandbox_inspection_free(answer->inspection);
	free(answer);
}

/* Begins to answer; the inspection becomes the answer's. */
static void begin_answer(struct control_request *request, struct sandbox_inspection *inspection)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	struct control_making *making;

	if (!answer) {
		sandbox_inspection_free(inspection);
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	making = &answer->making;
	making->step = step;
	making->over = over;
	answer->instance = request->instance;
	answer->inspection = inspection;
	control_flows_begin(&answer->flows, request->instance->relay);
	control_make(request, making);
	answer->known = calloc(inspection->socket_count + 1, sizeof(*answer->known));
	answer->processes = calloc(inspection->process_count + 1, sizeof(json_t *));
	if (control_sockets_init(&answer->sockets, inspection) < 0 || !answer->known ||
	    !answer->processes)
		making->failed = true;
	control_making_add(making, "{\"name\":");
	control_making_add_json(making, control_json_text(answer->instance->name));
	control_making_add(making, ",\"now\":");
	control_making_add_json(making, control_seconds_json(answer->flows.now));
	control_making_add(making, ",\"bindings\":[");
}

/* --- the request --- */

static void answered(struct sandbox_question *question, int error,
		     const struct sandbox_answer *answer)
{
	struct look *look = cothon_container(question, struct look, question);
	struct control_request *request = look->request;

	free(look);
	if (error < 0) {
		control_refuse(request, HTTP_STATUS_SERVICE_UNAVAILABLE, NULL,
			       "the sandbox's sockets cannot be listed: %s",
			       strerrordesc_np(-error));
		return;
	}
	begin_answer(request, answer->inspection);
}

static void cancelled(struct control_request *request, void *owner)
{
	struct look *look = owner;

	sandbox_cancel(request->instance->sandbox, &look->question);
	free(look);
}

void control_ports_get(struct control_request *request)
{
	struct look *look = calloc(1, sizeof(*look));

	if (!look) {
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	look->request = request;
	look->question.word = SANDBOX_INSPECT;
	look->question.answered = answered;
	control_later(request, cancelled, look);
	sandbox_ask(request->instance->sandbox, &look->question);
}
