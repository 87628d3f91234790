/* SPDX-License-Identifier: MIT */
#include "control/making.h"

#include "control/connection.h"

#include <stdlib.h>
#include <string.h>

static void finish(struct control_making *making)
{
	cothon_list_remove(&making->node);
	free(making->text);
	making->over(making);
}

static void cancelled(struct control_request *request, void *owner)
{
	(void)request;
	finish(owner);
}

void control_make(struct control_request *request, struct control_making *making)
{
	making->request = request;
	making->text = NULL;
	making->len = making->room = 0;
	making->failed = false;
	cothon_list_init(&making->node);
	cothon_list_append(&request->connection->server->makings, &making->node);
	control_later(request, cancelled, making);
}

static int append(const char *text, size_t len, void *data)
{
	struct control_making *making = data;

	if (len > making->room - making->len) {
		size_t room = 2 * making->room + len + 4096;
		char *grown = making->failed ? NULL : realloc(making->text, room);

		if (!grown) {
			making->failed = true;
			return -1;
		}
		making->text = grown;
		making->room = room;
	}
	memcpy(making->text + making->len, text, len);
	making->len += len;
	return 0;
}

void control_making_add(struct control_making *making, const char *text)
{
	append(text, strlen(text), making);
}

void control_making_add_bytes(struct control_making *making, const char *bytes, size_t len)
{
	append(bytes, len, making);
}

void control_making_fail(struct control_making *making)
{
	making->failed = true;
}

void control_making_add_json(struct control_making *making, json_t *value)
{
	if (!value || json_dump_callback(value, append, making, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
		making->failed = true;
	json_decref(value);
}

void control_making_add_element(struct control_making *making, json_t *value, bool first)
{
	if (!first)
		control_making_add(making, ",");
	control_making_add_json(making, value);
}

/* Gives the answer that is complete. */
static void give(struct control_making *making)
{
	struct control_request *request = making->request;

	if (making->failed)
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
	else
		control_answer_text(request, HTTP_STATUS_OK,
				    making->type ? making->type : "application/json", making->text,
				    making->len);
	finish(making);
}

bool control_making_turn(struct cothon_list *makings)
{
	uint64_t end = 0;

	while (!cothon_list_empty(makings)) {
		struct control_making *making =
			cothon_container(makings->next, struct control_making, node);
		uint64_t now = host_now();

		if (end == 0)
			end = now + CONTROL_MAKING_TIME;
		if (now >= end)
			return true;
		if (making->failed || !making->step(making))
			give(making);
	}
	return false;
}
