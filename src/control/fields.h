/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_FIELDS_H
#define CONTROL_FIELDS_H

/* The fields of a request's JSON, read and checked one by one. The first error stays. */

#include "control/server.h"

struct control_fields {
	const json_t *object;
	char where[64]; /* what the object is, for messages: "the body", "add[2]" */
	bool failed;
	char error[256], hint[256]; /* why, once something has failed */
};

/* Begins to read the object. `json` may be NULL or anything else: that is an error of its own. */
__attribute__((format(printf, 3, 4))) void
control_fields_begin(struct control_fields *fields, const json_t *json, const char *where, ...);
/* Notes an error, unless there is one already. `hint` is copied. */
__attribute__((format(printf, 3, 4))) void
control_fields_fail(struct control_fields *fields, const char *hint, const char *error, ...);
/* Checks that there is no field but those of `known`, which ends with NULL. */
void control_fields_only(struct control_fields *fields, const char *const *known);

/* A text that must be there; "" after an error. It is the object's. */
const char *control_fields_text(struct control_fields *fields, const char *name);
/* A text that may be missing or null: then it is NULL. */
const char *control_fields_optional_text(struct control_fields *fields, const char *name);
/* An integer from `least` to `most`; `otherwise` when it is missing, unless that is negative. */
json_int_t control_fields_integer(struct control_fields *fields, const char *name, json_int_t least,
				  json_int_t most, json_int_t otherwise);
/* true or false; must be there. */
bool control_fields_bool(struct control_fields *fields, const char *name);
/* An array of at most `most` elements; NULL when it is missing, or after an error. */
const json_t *control_fields_array(struct control_fields *fields, const char *name, size_t most);

/* Answers 400 with the error. The request is no more when it returns. */
void control_fields_refuse(const struct control_fields *fields, struct control_request *request);

/*
 * A number in the request's query, as in "from=17"; *value stays where it is missing. Returns true;
 * or false, with the request refused, for another field or what is no number.
 */
bool control_query_number(struct control_request *request, const char *name, uint64_t *value);

#endif
