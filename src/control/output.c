/* SPDX-License-Identifier: MIT */

/* GET /v1/output: what the command has written, and what it writes as it comes. */

#include "control/fields.h"
#include "control/journal.h"
#include "control/json.h"
#include "control/routes.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* Bytes of lines in one answer; the next one has the rest. */
	ANSWER_BYTES = 1 << 20,
};

struct waiting {
	struct control_journal_listener listener;
	struct control_request *request;
	uint64_t from;
};

struct collection {
	json_t *list;
	uint64_t next;
	size_t bytes;
};

static const char *const sources[] = {
	[CONTROL_STDOUT] = "stdout",
	[CONTROL_STDERR] = "stderr",
	[CONTROL_COTHON] = "cothon",
};

static bool add(const struct control_line *line, void *context)
{
	struct collection *collection = context;
	char text[CONTROL_JOURNAL_LINE + 1];

	if (collection->bytes + line->len > ANSWER_BYTES)
		return false;
	collection->bytes += line->len;
	memcpy(text, line->text, line->len);
	text[line->len] = '\0';
	/* A zero byte would end the text. */
	for (size_t i = 0; i < line->len; i++) {
		if (!text[i])
			text[i] = ' ';
	}
	json_array_append_new(collection->list,
			      json_pack("{sI, so, ss, so}", "number", (json_int_t)line->number,
					"at", control_json_time(line->at), "source",
					sources[line->source], "text", control_json_text(text)));
	collection->next = line->number + 1;
	return true;
}

static void answer(struct control_request *request, uint64_t from)
{
	struct control_journal *journal = request->instance->supervision->journal;
	struct collection collection = {.list = json_array(), .next = from};

	control_journal_read(journal, from, add, &collection);
	control_answer(request, HTTP_STATUS_OK,
		       json_pack("{so, sI}", "lines", collection.list, "next",
				 (json_int_t)collection.next));
}

static void heard(struct control_journal_listener *listener)
{
	struct waiting *waiting = cothon_container(listener, struct waiting, listener);
	struct control_request *request = waiting->request;
	uint64_t from = waiting->from;

	free(waiting);
	answer(request, from);
}

static void cancelled(struct control_request *request, void *owner)
{
	struct waiting *waiting = owner;

	(void)request;
	cothon_list_remove(&waiting->listener.node);
	free(waiting);
}

static void wait_for_line(struct control_request *request, uint64_t from)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting) {
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	waiting->request = request;
	waiting->from = from;
	waiting->listener.heard = heard;
	control_later(request, cancelled, waiting);
	control_journal_listen(request->instance->supervision->journal, &waiting->listener);
}

void control_output_get(struct control_request *request)
{
	const struct control_supervision *supervision = request->instance->supervision;
	uint64_t from = UINT64_MAX, after = UINT64_MAX;

	if (!supervision) {
		control_refuse(
			request, HTTP_STATUS_NOT_FOUND, "`cothon up` keeps what its commands write",
			"what the command writes goes where `cothon run` was told to, and is "
			"not kept");
		return;
	}
	if (strncmp(request->query, "after=", 6) == 0) {
		if (!control_query_number(request, "after", &after))
			return;
	} else if (!control_query_number(request, "from", &from)) {
		return;
	}
	/* Those who ask for what comes next wait until something has. */
	if (after != UINT64_MAX && after >= control_journal_next(supervision->journal))
		wait_for_line(request, after);
	else
		answer(request, after != UINT64_MAX ? after : from == UINT64_MAX ? 0 : from);
}
