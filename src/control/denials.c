/* SPDX-License-Identifier: MIT */
#include "control/denials.h"

#include "control/fields.h"
#include "control/json.h"
#include "control/routes.h"
#include <cothon/service.h>

#include <errno.h>
#include <string.h>

static const char *const reasons[] = {
	[RELAY_DENIED_BY_RULE] = "rule",
	[RELAY_DENIED_BY_NONE] = "none",
	[RELAY_DENIED_BY_NATURE] = "nature",
	[RELAY_DENIED_REBINDING] = "rebinding",
};

struct collection {
	json_t *list;
	uint64_t next;
};

int control_denial_reason(const char *word)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (strcmp(word, reasons[i]) == 0)
			return (int)i;
	}
	return -EINVAL;
}

const char *control_denial_word(enum relay_denied_by by)
{
	return reasons[by];
}

static json_t *rule_json(const struct relay_denial *denial)
{
	char text[COTHON_RULE_TEXT];

	if (denial->by != RELAY_DENIED_BY_RULE)
		return json_null();
	return json_string(cothon_rule_format(&denial->rule, text));
}

static json_t *denial_json(uint64_t number, const struct relay_denial *denial)
{
	const char *transport = cothon_transport_name(denial->transport);

	return json_pack("{sI, so, ss, so, ss, sb, so, so, so}", "number", (json_int_t)number, "at",
			 control_json_time(denial->at), "by", reasons[denial->by], "rule",
			 rule_json(denial), "transport", transport ? transport : "echo", "query",
			 (int)denial->query, "source", control_json_endpoint(&denial->source),
			 "destination", control_json_endpoint(&denial->destination), "name",
			 denial->name[0] ? control_json_text(denial->name) : json_null());
}

static void add(uint64_t number, const struct relay_denial *denial, void *context)
{
	struct collection *collection = context;

	json_array_append_new(collection->list, denial_json(number, denial));
	collection->next = number + 1;
}

void control_denials_get(struct control_request *request)
{
	struct collection collection = {.next = 0};

	if (!control_query_number(request, "from", &collection.next))
		return;
	collection.list = json_array();
	relay_denials(request->instance->relay, collection.next, add, &collection);
	control_answer(request, HTTP_STATUS_OK,
		       json_pack("{so, sI}", "denials", collection.list, "next",
				 (json_int_t)collection.next));
}
