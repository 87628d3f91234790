/* SPDX-License-Identifier: MIT */
#include "control/fields.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void control_fields_fail(struct control_fields *fields, const char *hint, const char *error, ...)
{
	va_list arguments;

	if (fields->failed)
		return;
	fields->failed = true;
	va_start(arguments, error);
	vsnprintf(fields->error, sizeof(fields->error), error, arguments);
	va_end(arguments);
	snprintf(fields->hint, sizeof(fields->hint), "%s", hint);
}

void control_fields_begin(struct control_fields *fields, const json_t *json, const char *where, ...)
{
	va_list arguments;

	*fields = (struct control_fields){.object = json};
	va_start(arguments, where);
	vsnprintf(fields->where, sizeof(fields->where), where, arguments);
	va_end(arguments);
	if (!json)
		control_fields_fail(fields, "send a JSON object", "%s is missing", fields->where);
	else if (!json_is_object(json))
		control_fields_fail(fields, "send an object, as in {...}", "%s is no object",
				    fields->where);
}

void control_fields_only(struct control_fields *fields, const char *const *known)
{
	char names[128] = "there are: ";
	size_t len = strlen(names);
	void *at;

	if (fields->failed)
		return;
	for (const char *const *name = known; *name && len < sizeof(names); name++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
					name == known ? "" : ", ", *name);
	/* jansson takes objects that it does not change without const. */
	for (at = json_object_iter((json_t *)(uintptr_t)fields->object); at;
	     at = json_object_iter_next((json_t *)(uintptr_t)fields->object, at)) {
		const char *const *name = known;

		while (*name && strcmp(*name, json_object_iter_key(at)) != 0)
			name++;
		if (!*name)
			control_fields_fail(fields, names,
					    "%s has a field \"%.64s\", which is unknown",
					    fields->where, json_object_iter_key(at));
	}
}

/* The field's value; NULL when it is missing or null, or after an error. */
static const json_t *find(const struct control_fields *fields, const char *name)
{
	const json_t *value = fields->failed ? NULL : json_object_get(fields->object, name);

	return json_is_null(value) ? NULL : value;
}

/* The field's value, and an error when it is missing. */
static const json_t *demand(struct control_fields *fields, const char *name, const char *kind)
{
	const json_t *value = find(fields, name);
	char hint[128];

	snprintf(hint, sizeof(hint), "add \"%s\": %s", name, kind);
	if (!value)
		control_fields_fail(fields, hint, "%s lacks the field \"%s\"", fields->where, name);
	return value;
}

static void wrong_kind(struct control_fields *fields, const char *name, const char *kind)
{
	char hint[128];

	snprintf(hint, sizeof(hint), "send %s", kind);
	control_fields_fail(fields, hint, "the field \"%s\" of %s is not %s", name, fields->where,
			    kind);
}

const char *control_fields_optional_text(struct control_fields *fields, const char *name)
{
	const json_t *value = find(fields, name);

	if (value && !json_is_string(value))
		wrong_kind(fields, name, "a text");
	return json_string_value(value);
}

const char *control_fields_text(struct control_fields *fields, const char *name)
{
	const char *text;

	demand(fields, name, "a text");
	text = control_fields_optional_text(fields, name);
	return text ? text : "";
}

json_int_t control_fields_integer(struct control_fields *fields, const char *name, json_int_t least,
				  json_int_t most, json_int_t otherwise)
{
	const json_t *value = find(fields, name);
	char kind[64];

	snprintf(kind, sizeof(kind), "an integer from %lld to %lld", (long long)least,
		 (long long)most);
	if (!value && otherwise >= 0)
		return otherwise;
	value = demand(fields, name, kind);
	if (value && (!json_is_integer(value) || json_integer_value(value) < least ||
		      json_integer_value(value) > most))
		wrong_kind(fields, name, kind);
	return fields->failed ? least : json_integer_value(value);
}

bool control_fields_bool(struct control_fields *fields, const char *name)
{
	const json_t *value = demand(fields, name, "true or false");

	if (value && !json_is_boolean(value))
		wrong_kind(fields, name, "true or false");
	return json_is_true(value);
}

const json_t *control_fields_array(struct control_fields *fields, const char *name, size_t most)
{
	const json_t *value = find(fields, name);

	if (value && !json_is_array(value))
		wrong_kind(fields, name, "an array");
	else if (json_array_size(value) > most)
		control_fields_fail(fields, "send fewer", "\"%s\" of %s has more than %zu elements",
				    name, fields->where, most);
	return fields->failed ? NULL : value;
}

void control_fields_refuse(const struct control_fields *fields, struct control_request *request)
{
	control_refuse(request, HTTP_STATUS_BAD_REQUEST, fields->hint, "%s", fields->error);
}

bool control_query_number(struct control_request *request, const char *name, uint64_t *value)
{
	size_t len = strlen(name);
	const char *text = request->query + len + 1;
	char *end;

	if (!request->query[0])
		return true;
	if (strncmp(request->query, name, len) != 0 || request->query[len] != '=' ||
	    !isdigit((unsigned char)text[0])) {
		control_refuse(request, HTTP_STATUS_BAD_REQUEST, "write a number behind it",
			       "the query is not \"%s=NUMBER\"", name);
		return false;
	}
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (*end || errno) {
		control_refuse(request, HTTP_STATUS_BAD_REQUEST, "write a number",
			       "\"%.64s\" is no number of 64 bits", text);
		return false;
	}
	return true;
}
