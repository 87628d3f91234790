/* SPDX-License-Identifier: MIT */

/* GET /v1/ports: who holds which port in the sandbox, every flow, and what the gateway holds. */

#include "base/list.h"
#include "control/json.h"
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

/* An answer in the making. */
struct answer {
	const struct control_instance *instance;
	struct control_sockets sockets;
	/* Sockets whose flow the relay knows, by their place in the inspection. */
	bool *known;
	/* Processes that were written once, and are in every list that they belong to. */
	json_t **processes;
	uint64_t now;
	json_t *flows;
};

/* --- pieces --- */

static json_t *text_or_null(const char *text)
{
	return text && text[0] ? control_json_text(text) : json_null();
}

/* NULL of `service` and any endpoint are null. */
static json_t *endpoint(const struct cothon_endpoint *endpoint)
{
	if (endpoint->port == 0 && cothon_addr_is_any(&endpoint->addr))
		return json_null();
	return json_pack("{so, si}", "address", control_json_addr(&endpoint->addr), "port",
			 (int)endpoint->port);
}

static json_t *service(uint16_t port, unsigned transport)
{
	const struct cothon_service *found = transport ? cothon_service_by_port(port, transport)
						       : NULL;

	return found ? json_string(found->name) : json_null();
}

static const char *transport_name(unsigned transport)
{
	return transport ? cothon_transport_name(transport) : "echo";
}

/* null for a time of 0. */
static json_t *seconds(uint64_t microseconds)
{
	return microseconds ? json_real((double)microseconds / 1e6) : json_null();
}

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
			 transport_name(socket->transport), "address",
			 control_json_addr(&socket->local.addr), "port", (int)socket->local.port,
			 "dual_stack", socket->ipv6 && any && !socket->v6only, "service",
			 service(socket->local.port, socket->transport), "class",
			 cothon_port_class_name(cothon_port_class(socket->local.port)),
			 "applications", applications(answer, socket));
}

static json_t *bindings(const struct answer *answer)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < answer->sockets.count; i++) {
		const struct sandbox_socket *socket = control_sockets_at(&answer->sockets, i);

		if (control_socket_is_binding(socket))
			json_array_append_new(array, binding(answer, socket));
	}
	return array;
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

static json_t *state(unsigned transport, enum cothon_tcp_state state)
{
	return transport == COTHON_TCP ? json_string(cothon_tcp_state_name(state)) : json_null();
}

static void add_flow(const struct relay_flow *flow, void *context)
{
	struct answer *answer = context;
	const struct sandbox_socket *socket = socket_of(answer, flow);
	struct cothon_endpoint remote = flow->remote;
	enum cothon_tcp_state seen = flow->state;
	uint16_t port;

	/* A published port that nothing has come through yet is no flow. */
	if (flow->transport != COTHON_TCP && flow->bytes_in + flow->bytes_out == 0)
		return;
	if (socket) {
		answer->known[socket - answer->sockets.inspection->sockets] = true;
		/* What the application's own end says is what it sees. */
		seen = (enum cothon_tcp_state)socket->state;
		if (flow->transport == COTHON_UDP)
			remote = socket->remote;
	}
	port = flow->published ? flow->inside.port : remote.port;
	json_array_append_new(
		answer->flows,
		json_pack("{ss, so, so, so, so, so, sI, sI, sI, so, so, ss, sb, so}", "transport",
			  transport_name(flow->transport), "local", endpoint(&flow->inside),
			  "remote", endpoint(&remote), "name", text_or_null(flow->name), "service",
			  service(port, flow->transport), "state", state(flow->transport, seen),
			  "bytes_in", (json_int_t)flow->bytes_in, "bytes_out",
			  (json_int_t)flow->bytes_out, "retransmits", (json_int_t)flow->retransmits,
			  "age", seconds(answer->now - flow->opened_at), "round_trip",
			  seconds(flow->srtt), "through", "gateway", "published", flow->published,
			  "applications", applications(answer, socket)));
}

/* A flow between two sockets of the sandbox, or one that the relay does not know, or no more. */
static json_t *inner_flow(const struct answer *answer, const struct sandbox_socket *socket)
{
	bool serves = control_sockets_binding(&answer->sockets, socket->transport, &socket->local);
	uint16_t port = serves ? socket->local.port : socket->remote.port;

	return json_pack("{ss, so, so, sn, so, so, sI, sI, sI, sn, so, ss, sb, so}", "transport",
			 transport_name(socket->transport), "local", endpoint(&socket->local),
			 "remote", endpoint(&socket->remote), "name", "service",
			 service(port, socket->transport), "state",
			 state(socket->transport, (enum cothon_tcp_state)socket->state), "bytes_in",
			 (json_int_t)socket->bytes_in, "bytes_out", (json_int_t)socket->bytes_out,
			 "retransmits", (json_int_t)socket->retransmits, "age", "round_trip",
			 seconds(socket->srtt), "through", "inside", "published", 0, "applications",
			 applications(answer, socket));
}

static void add_inner_flows(struct answer *answer)
{
	const struct sandbox_inspection *inspection = answer->sockets.inspection;

	for (uint32_t i = 0; i < answer->sockets.count; i++) {
		const struct sandbox_socket *socket = control_sockets_at(&answer->sockets, i);

		if (!answer->known[socket - inspection->sockets] && socket->remote.port > 0)
			json_array_append_new(answer->flows, inner_flow(answer, socket));
	}
}

static json_t *flows(struct answer *answer)
{
	answer->flows = json_array();
	relay_flows(answer->instance->relay, add_flow, answer);
	add_inner_flows(answer);
	return answer->flows;
}

/* --- what the gateway holds --- */

static void add_dns(json_t *array, const struct relay_family *family)
{
	static const unsigned transports[] = {COTHON_TCP, COTHON_UDP};

	for (size_t i = 0; family->enabled && i < 2; i++)
		json_array_append_new(
			array, json_pack("{ss, ss, so, si, si, so, ss}", "where", "inside",
					 "transport", transport_name(transports[i]), "address",
					 control_json_addr(&family->dns), "port", 53, "count", 1,
					 "service", service(53, transports[i]), "use", "dns"));
}

static void add_publication(const struct relay_publication *publication, void *context)
{
	json_t *array = context;

	json_array_append_new(
		array,
		json_pack("{ss, ss, so, si, si, so, ss, si}", "where", "host", "transport",
			  transport_name(publication->transport), "address",
			  publication->has_addr ? control_json_addr(&publication->addr)
						: json_null(),
			  "port", (int)publication->outside, "count", (int)publication->count,
			  "service", service(publication->inside, publication->transport), "use",
			  "published", "inside", (int)publication->inside));
}

static json_t *gateway(const struct control_instance *instance)
{
	json_t *array = json_array();

	add_dns(array, &instance->network.ipv4);
	add_dns(array, &instance->network.ipv6);
	relay_publications(instance->relay, add_publication, array);
	return array;
}

/* --- the request --- */

static json_t *describe(struct answer *answer)
{
	const struct sandbox_inspection *inspection = answer->sockets.inspection;
	json_t *json = json_pack("{ss, so, so, so, sb}", "name", answer->instance->name, "bindings",
				 bindings(answer), "flows", flows(answer), "gateway",
				 gateway(answer->instance), "truncated", inspection->truncated);

	for (uint32_t i = 0; i < inspection->process_count; i++)
		json_decref(answer->processes[i]);
	return json;
}

/* NULL when there is no memory. */
static json_t *make_answer(const struct control_instance *instance,
			   const struct sandbox_inspection *inspection)
{
	struct answer answer = {.instance = instance, .now = host_now()};
	json_t *json = NULL;

	answer.known = calloc(inspection->socket_count + 1, sizeof(*answer.known));
	answer.processes = calloc(inspection->process_count + 1, sizeof(json_t *));
	if (answer.known && answer.processes &&
	    control_sockets_init(&answer.sockets, inspection) == 0) {
		json = describe(&answer);
		control_sockets_free(&answer.sockets);
	}
	free(answer.known);
	free(answer.processes);
	return json;
}

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
	control_answer(request, HTTP_STATUS_OK, make_answer(request->instance, answer->inspection));
	sandbox_inspection_free(answer->inspection);
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
