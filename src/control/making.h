/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_MAKING_H
#define CONTROL_MAKING_H

/*
 * A long answer, made in steps: a few in each round of the loop, so that packets pass in between.
 * Embedded in its owner, from control_make() until `over` is called.
 */

#include "base/list.h"
#include "control/server.h"

enum {
	CONTROL_MAKING_TIME = 500 /* microseconds of a round that answers are made in, about */
};

struct control_making {
	/*
	 * Appends some more, in some ten microseconds. Returns true as long as there is more to come.
	 */
	bool (*step)(struct control_making *making);
	/* The answer has been given, or nobody waits for it any longer: the owner may be freed. */
	void (*over)(struct control_making *making);

	const char *type; /* of its media; NULL: application/json */

	/* Its own. */
	struct control_request *request;
	struct cothon_list node;
	char *text;
	size_t len, room;
	bool failed; /* for want of memory */
};

/* Keeps the request and begins to answer it. `step`, `over` and `type` are set. */
void control_make(struct control_request *request, struct control_making *making);
/* Appends text as it is. */
void control_making_add(struct control_making *making, const char *text);
void control_making_add_bytes(struct control_making *making, const char *bytes, size_t len);
/* The rest cannot be had for want of memory: that is the answer. */
void control_making_fail(struct control_making *making);
/* Appends a value, which becomes the maker's; NULL stands for one that there was no memory for. */
void control_making_add_json(struct control_making *making, json_t *value);
/* The same for an element of an array, with a comma in front of it unless it is the first one. */
void control_making_add_element(struct control_making *making, json_t *value, bool first);

/* For the server: makes for a while. Returns true when something is left to do. */
bool control_making_turn(struct cothon_list *makings);

#endif
