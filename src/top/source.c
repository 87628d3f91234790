/* SPDX-License-Identifier: MIT */
#include "top/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Milliseconds for which one sandbox is waited for: a view that stands still is none. */
	PATIENCE = 2000,
};

static struct top_connection *find(struct top_source *source, const char *name)
{
	for (size_t i = 0; i < source->count; i++) {
		if (strcmp(source->connections[i].running.name, name) == 0)
			return &source->connections[i];
	}
	return NULL;
}

static void leave(struct top_source *source, struct top_connection *connection)
{
	cli_running_close(&connection->running);
	*connection = source->connections[--source->count];
}

/* Connects to those that have come since the last look. */
static void find_new(struct top_source *source)
{
	char(*names)[CONTROL_NAME_MAX + 1] = NULL;
	struct cli_error error;
	int count;

	if (!source->opened)
		source->opened = control_directory_open(&source->directory, false) >= 0;
	if (!source->opened)
		return;
	count = cli_running_names(&source->directory, &names, &error);
	for (int i = 0; i < count && source->count < TOP_SOURCES; i++) {
		struct top_connection made = {0};

		if (find(source, names[i]))
			continue;
		made.running.fd = control_directory_connect(&source->directory, names[i]);
		snprintf(made.running.name, sizeof(made.running.name), "%s", names[i]);
		made.looks = TOP_PORTS_EVERY;
		if (made.running.fd >= 0)
			source->connections[source->count++] = made;
	}
	free(names);
}

int top_source_open(struct top_source *source, const char *only, struct cli_error *error)
{
	struct top_connection *first = &source->connections[0];
	int result;

	*source = (struct top_source){.only = only};
	if (!only)
		find_new(source);
	if (source->count > 0)
		return 0;
	/* Where none runs this says so. */
	result = cli_running_find(&first->running, only, error);
	if (result < 0)
		return result;
	first->looks = TOP_PORTS_EVERY;
	source->count = 1;
	return 0;
}

void top_source_close(struct top_source *source)
{
	while (source->count > 0)
		leave(source, &source->connections[0]);
	if (source->opened)
		control_directory_close(&source->directory);
	source->opened = false;
}

/* Asks with GET. Returns the answer, or NULL with *error. */
static json_t *get(struct top_connection *connection, const char *target, int *error)
{
	unsigned status = 0;
	json_t *answer = NULL;

	*error = control_client_ask(connection->running.fd, HTTP_GET, target, NULL, PATIENCE,
				    &status, &answer);
	if (*error == 0 && status == HTTP_STATUS_OK)
		return answer;
	json_decref(answer);
	if (*error == 0)
		*error = -EBADMSG;
	return NULL;
}

static bool wants_ports(struct top_connection *connection, const struct top_sandbox *sandbox)
{
	unsigned looks = ++connection->looks;

	return looks > TOP_PORTS_EVERY ||
	       (sandbox && sandbox->strangers > 0 && looks > TOP_PORTS_SOONEST);
}

/* Looks at one. Returns false when it is gone. */
static bool look_at(struct top_source *source, struct top_connection *connection,
		    const struct top_model *model, struct top_look *look)
{
	const struct top_sandbox *before = top_model_sandbox(model, connection->running.name);
	int error = 0;

	*look = (struct top_look){.sandbox = connection->running.name};
	if (wants_ports(connection, before)) {
		look->ports = get(connection, "/v1/ports", &error);
		connection->looks = 0;
	}
	if (error == 0)
		look->flows = get(connection, "/v1/flows", &error);
	if (error && error != -EPIPE)
		snprintf(source->trouble, sizeof(source->trouble), "%s: %s",
			 connection->running.name,
			 error == -ETIMEDOUT ? "it does not answer" : strerrordesc_np(-error));
	if (look->flows)
		return true;
	json_decref(look->ports);
	return false;
}

size_t top_source_look(struct top_source *source, struct top_model *model)
{
	struct top_look looks[TOP_SOURCES];
	size_t count = 0;

	source->trouble[0] = '\0';
	if (!source->only)
		find_new(source);
	while (count < source->count) {
		struct top_connection *connection = &source->connections[count];

		if (look_at(source, connection, model, &looks[count]))
			count++;
		else
			leave(source, connection);
	}
	if (top_model_take(model, looks, count) < 0)
		snprintf(source->trouble, sizeof(source->trouble), "there is no memory left");
	for (size_t i = 0; i < count; i++) {
		json_decref(looks[i].flows);
		json_decref(looks[i].ports);
	}
	return count;
}

static int change(struct top_source *source, const char *sandbox, enum http_method method,
		  const char *target, json_t *body, struct cli_error *error)
{
	struct top_connection *connection = find(source, sandbox);
	json_t *answer = NULL;
	int result;

	if (!connection) {
		json_decref(body);
		return cli_error(error, "%s has ended", sandbox);
	}
	result = cli_running_ask(&connection->running, method, target, body, &answer, error);
	json_decref(answer);
	json_decref(body);
	return result;
}

int top_source_end(struct top_source *source, const struct top_flow *flow, struct cli_error *error)
{
	return change(source, flow->sandbox, HTTP_DELETE, "/v1/flows",
		      json_pack("{s[O]}", "flows", flow->named), error);
}

int top_source_deny(struct top_source *source, const struct top_flow *flow, struct cli_error *error)
{
	return change(source, flow->sandbox, HTTP_POST, "/v1/rules",
		      json_pack("{s[{sb, ss}]}", "add", "allow", 0, "rule", flow->destination),
		      error);
}
