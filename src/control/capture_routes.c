/* SPDX-License-Identifier: MIT */

/* /v1/capture: starts and stops a capture, and tells of it. */

#include "control/capture.h"
#include "control/fields.h"
#include "control/json.h"
#include "control/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const ends[] = {
	[CONTROL_CAPTURE_GOES_ON] = NULL,  [CONTROL_CAPTURE_STOPPED] = "stopped",
	[CONTROL_CAPTURE_FULL] = "size",   [CONTROL_CAPTURE_OVER] = "time",
	[CONTROL_CAPTURE_LEFT] = "writer",
};

static json_t *number_or_null(uint64_t number)
{
	return number ? json_integer((json_int_t)number) : json_null();
}

static json_t *describe(const struct control_capture_state *state)
{
	const char *error = state->error ? strerrordesc_np(-state->error) : NULL;
	bool runs = state->ever && state->end == CONTROL_CAPTURE_GOES_ON;

	return json_pack("{sb, so, so, so, so, so, so, sI, sI, sI}", "running", (int)runs,
			 "started", state->ever ? control_json_time(state->began) : json_null(),
			 "ended", ends[state->end] ? json_string(ends[state->end]) : json_null(),
			 "error", error ? json_string(error) : json_null(), "size",
			 number_or_null(state->limits.size), "seconds",
			 number_or_null(state->limits.seconds), "snap",
			 number_or_null(state->limits.snap), "packets",
			 (json_int_t)state->counters.packets, "dropped",
			 (json_int_t)state->counters.dropped, "bytes",
			 (json_int_t)state->counters.bytes);
}

/* The instance's capture; NULL, with the request refused, when it has none. */
static struct control_capture *capture_of(struct control_request *request)
{
	struct control_capture *capture = request->instance->capture;

	if (!capture)
		control_refuse(request, HTTP_STATUS_NOT_FOUND, NULL,
			       "nothing can be captured here");
	return capture;
}

static void answer(struct control_request *request)
{
	struct control_capture_state state = control_capture_look(request->instance->capture);

	control_answer(request, HTTP_STATUS_OK, describe(&state));
}

void control_capture_get(struct control_request *request)
{
	if (capture_of(request))
		answer(request);
}

/* --- start --- */

struct wish {
	struct control_capture_limits limits;
	struct cothon_rule filters[CONTROL_CAPTURE_FILTERS];
};

static void read_filters(struct control_fields *fields, struct wish *wish)
{
	const json_t *list = control_fields_array(fields, "filter", CONTROL_CAPTURE_FILTERS);
	struct cothon_rule_error error;
	size_t i;
	json_t *json;

	wish->limits.filters = wish->filters;
	json_array_foreach(list, i, json)
	{
		const char *text = json_string_value(json);

		if (!text)
			control_fields_fail(fields, "write rules, as in [\"example.org:443\"]",
					    "filter[%zu] is no text", i);
		else if (cothon_rule_parse(text, strlen(text), true,
					   &wish->filters[wish->limits.filter_count], &error) < 0)
			control_fields_fail(fields, NULL, "filter[%zu]: %s", i, error.text);
		else
			wish->limits.filter_count++;
	}
}

/* Returns false with the request refused. */
static bool read_wish(struct control_request *request, struct wish *wish)
{
	static const char *const known[] = {"size", "seconds", "snap", "filter", NULL};
	struct control_fields fields;

	control_fields_begin(&fields, request->body, "the body");
	control_fields_only(&fields, known);
	wish->limits.size = (uint64_t)control_fields_integer(
		&fields, "size", CONTROL_CAPTURE_SIZE_MIN, INT64_MAX, 0);
	wish->limits.seconds =
		(uint64_t)control_fields_integer(&fields, "seconds", 1, UINT32_MAX, 0);
	wish->limits.snap = (uint32_t)control_fields_integer(&fields, "snap", 1, UINT32_MAX, 0);
	read_filters(&fields, wish);
	if (fields.failed)
		control_fields_refuse(&fields, request);
	return !fields.failed;
}

static void refuse(struct control_request *request, int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTSOCK:
		control_refuse(request, HTTP_STATUS_BAD_REQUEST,
			       "send one end of a pair of stream sockets along (SCM_RIGHTS); what "
			       "is captured comes out of the other",
			       "there is no stream socket to write to");
		break;
	case -EBUSY:
		control_refuse(request, HTTP_STATUS_CONFLICT,
			       "stop that one first, with `cothon capture NAME stop` (DELETE)",
			       "a capture is running already");
		break;
	case -EDOM:
		control_refuse(request, HTTP_STATUS_UNPROCESSABLE_ENTITY,
			       "filter by addresses, or add a rule about a name: then names are "
			       "told apart from what asks for them next on",
			       "no rule of the sandbox is about a name, so its addresses are not "
			       "known by names");
		break;
	default:
		control_refuse(request, HTTP_STATUS_SERVICE_UNAVAILABLE, NULL,
			       "the capture cannot start: %s", strerrordesc_np(-error));
	}
}

void control_capture_post(struct control_request *request)
{
	struct control_capture *capture = capture_of(request);
	struct wish *wish;
	int fd, error;

	if (!capture)
		return;
	wish = calloc(1, sizeof(*wish));
	if (!wish) {
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	if (read_wish(request, wish)) {
		fd = control_take_descriptor(request);
		error = fd < 0 ? fd : control_capture_start(capture, fd, &wish->limits);
		if (error < 0 && fd >= 0)
			close(fd);
		if (error < 0)
			refuse(request, error);
		else
			answer(request);
	}
	free(wish);
}

/* --- stop --- */

static void written(void *owner)
{
	answer(owner);
}

static void cancelled(struct control_request *request, void *owner)
{
	(void)owner;
	control_capture_forget(request->instance->capture);
}

void control_capture_delete(struct control_request *request)
{
	struct control_capture *capture = capture_of(request);
	int error;

	if (!capture)
		return;
	control_later(request, cancelled, NULL);
	error = control_capture_stop(capture, written, request);
	if (error == -ENOENT)
		control_refuse(request, HTTP_STATUS_CONFLICT, NULL, "no capture is running");
	else if (error == -EBUSY)
		control_refuse(request, HTTP_STATUS_CONFLICT, NULL,
			       "the capture is being stopped already");
}
