/* SPDX-License-Identifier: MIT */
#include "control/publications.h"

#include "control/json.h"
#include "control/routes.h"
#include <cothon/service.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	/* Publications in one request. */
	ONE_REQUEST = 256,
};

/* --- one publication --- */

json_t *control_publication_json(const struct relay_publication *publication)
{
	return json_pack("{ss, so, si, si, si}", "transport",
			 cothon_transport_name(publication->transport), "address",
			 publication->has_addr ? control_json_addr(&publication->addr)
					       : json_null(),
			 "outside", (int)publication->outside, "inside", (int)publication->inside,
			 "count", (int)publication->count);
}

struct relay_publication control_publication_read(struct control_fields *fields)
{
	static const char *const known[] = {"transport", "address", "outside",
					    "inside",    "count",   NULL};
	struct relay_publication publication = {.transport = COTHON_TCP};
	const char *transport, *addr;
	json_int_t most;

	control_fields_only(fields, known);
	transport = control_fields_optional_text(fields, "transport");
	addr = control_fields_optional_text(fields, "address");
	if (transport)
		publication.transport =
			(uint8_t)cothon_transport_by_name(transport, strlen(transport));
	if (publication.transport != COTHON_TCP && publication.transport != COTHON_UDP)
		control_fields_fail(fields, "write \"tcp\" or \"udp\"",
				    "\"%.32s\" is no transport that can be published", transport);
	publication.has_addr = addr != NULL;
	if (addr && cothon_addr_parse(addr, &publication.addr) < 0)
		control_fields_fail(fields, "write one of the host's, or null for all",
				    "\"%.64s\" is no address", addr);
	publication.outside =
		(uint16_t)control_fields_integer(fields, "outside", 1, UINT16_MAX, -1);
	publication.inside = (uint16_t)control_fields_integer(fields, "inside", 1, UINT16_MAX, -1);
	/* A range ends at the last port. */
	most = publication.outside > publication.inside ? publication.outside : publication.inside;
	publication.count =
		(uint16_t)control_fields_integer(fields, "count", 1, UINT16_MAX - most + 1, 1);
	return publication;
}

/* --- the resource --- */

/* Publications of one request. */
struct batch {
	size_t count;
	struct relay_publication list[ONE_REQUEST];
};

static void add_json(const struct relay_publication *publication, void *context)
{
	json_array_append_new(context, control_publication_json(publication));
}

void control_publications_get(struct control_request *request)
{
	json_t *list = json_array();

	relay_publications(request->instance->relay, add_json, list);
	control_answer(request, HTTP_STATUS_OK, json_pack("{so}", "publications", list));
}

/* Reads {"publications": [...]}. Returns false when that has refused the request. */
static bool read_batch(struct control_request *request, struct batch *batch)
{
	static const char *const known[] = {"publications", NULL};
	struct control_fields body, one;
	const json_t *list;
	json_t *json;
	size_t i;

	batch->count = 0;
	control_fields_begin(&body, request->body, "the body");
	control_fields_only(&body, known);
	list = control_fields_array(&body, "publications", ONE_REQUEST);
	if (!body.failed && json_array_size(list) == 0)
		control_fields_fail(&body, "name one at least", "there are no \"publications\"");
	json_array_foreach(list, i, json)
	{
		control_fields_begin(&one, json, "publications[%zu]", i);
		batch->list[batch->count++] = control_publication_read(&one);
		if (one.failed && !body.failed)
			body = one;
	}
	if (body.failed)
		control_fields_refuse(&body, request);
	return !body.failed;
}

static unsigned status_of(int error)
{
	switch (error) {
	case -EADDRINUSE:
	case -ESHUTDOWN:
		return HTTP_STATUS_CONFLICT;
	case -EACCES:
	case -EPERM:
		return HTTP_STATUS_FORBIDDEN;
	case -EADDRNOTAVAIL:
	case -EAFNOSUPPORT:
	case -EINVAL:
		return HTTP_STATUS_UNPROCESSABLE_ENTITY;
	default:
		return HTTP_STATUS_SERVICE_UNAVAILABLE;
	}
}

static const char *hint_for(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another socket of the host has it: choose another, or find it with ss -lp";
	case -EACCES:
	case -EPERM:
		return "it is below those that ordinary users may open: choose one from 1024 on, or "
		       "lower the sysctl net.ipv4.ip_unprivileged_port_start";
	case -EADDRNOTAVAIL:
		return "this host does not have that address: write one of its own, or null";
	case -EAFNOSUPPORT:
		return "this family is switched off in the sandbox: write an address of the other";
	case -ESHUTDOWN:
		return "start another sandbox";
	default:
		return "the host lacks descriptors or memory: publish fewer ports";
	}
}

/* Says why, with what a program needs to say it in its own words. */
static void refuse(struct control_request *request, size_t index,
		   const struct relay_publication *publication,
		   const struct relay_publish_error *reason)
{
	const char *why = reason->error == -ESHUTDOWN ? "the command has ended"
						      : strerrordesc_np(-reason->error);
	char text[128];

	snprintf(text, sizeof(text), "cannot publish port %u/%s: %s", reason->port,
		 cothon_transport_name(publication->transport), why);
	control_answer(request, status_of(reason->error),
		       json_pack("{ss, ss, ss, si, si, so}", "error", text, "hint",
				 hint_for(reason->error), "reason", strerrorname_np(-reason->error),
				 "index", (int)index, "port", (int)reason->port, "address",
				 control_json_addr(&reason->addr)));
}

void control_publication_log(struct control_log *log, const char *event,
			     const struct relay_publication *publication)
{
	const char *transport = cothon_transport_name(publication->transport);
	char message[256], addr[COTHON_ADDR_TEXT] = "", outside[16], inside[16], count[16];
	struct control_log_line line = {.level = CONTROL_LOG_INFO, .message = message};

	if (!log || !control_log_wants(log, line.level))
		return;
	if (publication->has_addr)
		cothon_addr_format(&publication->addr, addr);
	snprintf(outside, sizeof(outside), "%u", publication->outside);
	snprintf(inside, sizeof(inside), "%u", publication->inside);
	snprintf(count, sizeof(count), "%u", publication->count);
	snprintf(message, sizeof(message), "%s port %s/%s%s%s as port %s inside%s%s%s", event,
		 outside, transport, addr[0] ? " of " : "", addr, inside,
		 publication->count > 1 ? ", and so on, " : "", publication->count > 1 ? count : "",
		 publication->count > 1 ? " of them" : "");
	control_log_add(&line, "event", event);
	control_log_add(&line, "transport", transport);
	control_log_add(&line, "address", addr);
	control_log_add(&line, "outside", outside);
	control_log_add(&line, "inside", inside);
	control_log_add(&line, "count", count);
	control_log_write(log, &line);
}

static void log_batch(const struct control_request *request, const char *event,
		      const struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		control_publication_log(request->instance->log, event, &batch->list[i]);
}

static void remove_first(struct relay *relay, const struct batch *batch, size_t count)
{
	while (count-- > 0)
		relay_unpublish(relay, &batch->list[count]);
}

void control_publications_post(struct control_request *request)
{
	struct relay *relay = request->instance->relay;
	struct relay_publish_error reason;
	struct batch batch;

	if (!read_batch(request, &batch))
		return;
	for (size_t i = 0; i < batch.count; i++) {
		if (relay_publish(relay, &batch.list[i], &reason) == 0)
			continue;
		remove_first(relay, &batch, i);
		refuse(request, i, &batch.list[i], &reason);
		return;
	}
	log_batch(request, "published", &batch);
	control_publications_get(request);
}

/* Which of a batch are there. */
struct presence {
	const struct batch *batch;
	bool there[ONE_REQUEST];
};

static void note_presence(const struct relay_publication *publication, void *context)
{
	struct presence *presence = context;

	for (size_t i = 0; i < presence->batch->count; i++)
		presence->there[i] |=
			relay_publication_equal(&presence->batch->list[i], publication);
}

void control_publications_delete(struct control_request *request)
{
	struct relay *relay = request->instance->relay;
	struct batch batch;
	struct presence presence = {.batch = &batch};

	if (!read_batch(request, &batch))
		return;
	relay_publications(relay, note_presence, &presence);
	for (size_t i = 0; i < batch.count; i++) {
		if (presence.there[i])
			continue;
		control_answer(request, HTTP_STATUS_NOT_FOUND,
			       json_pack("{ss, ss, si}", "error", "there is no such publication",
					 "hint",
					 "list them: one is removed as it was made, "
					 "and a range as a whole",
					 "index", (int)i));
		return;
	}
	/* One that is named twice is gone the second time. */
	for (size_t i = 0; i < batch.count; i++)
		relay_unpublish(relay, &batch.list[i]);
	log_batch(request, "unpublished", &batch);
	control_publications_get(request);
}
