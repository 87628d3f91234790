/* SPDX-License-Identifier: MIT */
#include "control/fields.h"
#include "control/log.h"
#include "control/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Rules that one request adds or removes; PUT may bring as many as there can be. */
	CHANGES_MAX = 1024,
};

/* Rules while they are put together. */
struct draft {
	struct cothon_rule *list;
	size_t count;
};

/* --- one rule: {"allow": true, "rule": "example.org:443"} --- */

static json_t *rule_json(const struct cothon_rule *rule)
{
	char text[COTHON_RULE_TEXT];

	return json_pack("{sb, ss}", "allow", (int)rule->allow, "rule",
			 cothon_rule_format(rule, text));
}

static struct cothon_rule read_rule(struct control_fields *fields)
{
	static const char *const known[] = {"allow", "rule", NULL};
	struct cothon_rule rule = {0};
	struct cothon_rule_error error;
	const char *text;
	bool allow;

	control_fields_only(fields, known);
	allow = control_fields_bool(fields, "allow");
	text = control_fields_text(fields, "rule");
	if (!fields->failed && cothon_rule_parse(text, strlen(text), allow, &rule, &error) < 0)
		control_fields_fail(fields, "write DEST[:PORTS][/tcp|/udp]",
				    "\"%.100s\" is no rule: %s", text, error.text);
	return rule;
}

/* Appends the rules of an array to a draft that has room for them. */
static void read_rules(struct control_fields *body, const char *name, size_t most,
		       struct draft *draft)
{
	const json_t *list = control_fields_array(body, name, most);
	struct control_fields one;
	json_t *json;
	size_t i;

	json_array_foreach(list, i, json)
	{
		if (body->failed)
			return;
		control_fields_begin(&one, json, "%s[%zu]", name, i);
		draft->list[draft->count++] = read_rule(&one);
		if (one.failed)
			*body = one;
	}
}

/* --- drafts --- */

/* Room for `count` rules. Returns false when there is none, with the request refused. */
static bool make_room(struct control_request *request, struct draft *draft, size_t count)
{
	draft->count = 0;
	draft->list = calloc(count + 1, sizeof(*draft->list));
	if (!draft->list)
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
	return draft->list != NULL;
}

static bool holds(const struct draft *draft, const struct cothon_rule *rule)
{
	for (size_t i = 0; i < draft->count; i++) {
		if (cothon_rule_equal(&draft->list[i], rule))
			return true;
	}
	return false;
}

/* Takes every rule out that equals this one. Returns whether there was one. */
static bool take_out(struct draft *draft, const struct cothon_rule *rule)
{
	size_t kept = 0;

	for (size_t i = 0; i < draft->count; i++) {
		if (cothon_rule_equal(&draft->list[i], rule))
			continue;
		if (kept != i)
			draft->list[kept] = draft->list[i];
		kept++;
	}
	if (kept == draft->count)
		return false;
	draft->count = kept;
	return true;
}

/* --- answers --- */

static json_t *list_json(const struct cothon_rules *rules)
{
	json_t *list = json_array();

	for (size_t i = 0; i < cothon_rules_count(rules); i++)
		json_array_append_new(list, rule_json(cothon_rules_at(rules, i)));
	return list;
}

/*
 * What is odd about the rules from `first` on, and about older ones for their sake; places are those
 * in "rules".
 */
static json_t *oddities_json(const struct cothon_rules *rules, size_t first)
{
	static const char *const names[] = {
		[COTHON_RULE_TWICE] = "twice",
		[COTHON_RULE_HIDDEN] = "hidden",
		[COTHON_RULE_UNREACHABLE] = "unreachable",
	};
	json_t *list = json_array();

	for (size_t i = 0; i < cothon_rules_count(rules); i++) {
		size_t by = 0;
		enum cothon_rule_oddity oddity = cothon_rules_oddity(rules, i, &by);
		bool has_other = oddity == COTHON_RULE_TWICE || oddity == COTHON_RULE_HIDDEN;

		if (oddity == COTHON_RULE_FINE || (i < first && !(has_other && by >= first)))
			continue;
		json_array_append_new(list, json_pack("{si, ss, so}", "index", (int)i, "oddity",
						      names[oddity], "by",
						      has_other ? json_integer((json_int_t)by)
								: json_null()));
	}
	return list;
}

/* Puts a draft in force, and answers. Rules from `first` on are new. */
static void put_in_force(struct control_request *request, const struct draft *draft, size_t first)
{
	struct relay *relay = request->instance->relay;
	int error = relay_set_rules(relay, draft->list, draft->count);

	if (error == -E2BIG)
		control_refuse(request, HTTP_STATUS_UNPROCESSABLE_ENTITY,
			       "join some: a prefix, *.NAME, a list of ports",
			       "there can be at most %d rules", COTHON_RULES_MAX);
	else if (error)
		control_refuse(request, HTTP_STATUS_SERVICE_UNAVAILABLE, NULL,
			       "the rules stay as they are: %s", strerrordesc_np(-error));
	else
		control_log_say(request->instance->log, CONTROL_LOG_INFO,
				"the rules have changed; there are %zu now", draft->count);
	if (!error)
		control_answer(request, HTTP_STATUS_OK,
			       json_pack("{so, so}", "rules", list_json(relay_rules(relay)),
					 "oddities", oddities_json(relay_rules(relay), first)));
}

/* --- the resource --- */

void control_rules_get(struct control_request *request)
{
	control_answer(request, HTTP_STATUS_OK,
		       json_pack("{so}", "rules",
				 list_json(relay_rules(request->instance->relay))));
}

void control_rules_put(struct control_request *request)
{
	static const char *const known[] = {"rules", NULL};
	struct control_fields body;
	struct draft draft;

	control_fields_begin(&body, request->body, "the body");
	control_fields_only(&body, known);
	if (!body.failed && !json_object_get(request->body, "rules"))
		control_fields_fail(&body, "add \"rules\": an array, [] for none",
				    "the body lacks the field \"rules\"");
	if (!make_room(request, &draft, json_array_size(json_object_get(request->body, "rules"))))
		return;
	read_rules(&body, "rules", COTHON_RULES_MAX, &draft);
	if (body.failed)
		control_fields_refuse(&body, request);
	else
		put_in_force(request, &draft, 0);
	free(draft.list);
}

/* The rules as they are, in a draft with room for `more`. */
static bool begin_draft(struct control_request *request, struct draft *draft, size_t more)
{
	const struct cothon_rules *rules = relay_rules(request->instance->relay);
	size_t count = cothon_rules_count(rules);

	if (!make_room(request, draft, count + more))
		return false;
	for (size_t i = 0; i < count; i++)
		draft->list[draft->count++] = *cothon_rules_at(rules, i);
	return true;
}

/* Removes some rules and adds others, at once. Those that are there already are not added again. */
static void change(struct control_request *request, const struct draft *removed,
		   const struct draft *added)
{
	struct draft draft;
	size_t first;

	if (!begin_draft(request, &draft, added->count))
		return;
	for (size_t i = 0; i < removed->count; i++) {
		char text[COTHON_RULE_TEXT];

		if (take_out(&draft, &removed->list[i]))
			continue;
		control_refuse(request, HTTP_STATUS_NOT_FOUND,
			       "list the rules to see those that there are",
			       "there is no rule %s %s", removed->list[i].allow ? "allow" : "deny",
			       cothon_rule_format(&removed->list[i], text));
		free(draft.list);
		return;
	}
	first = draft.count;
	for (size_t i = 0; i < added->count; i++) {
		if (!holds(&draft, &added->list[i]))
			draft.list[draft.count++] = added->list[i];
	}
	put_in_force(request, &draft, first);
	free(draft.list);
}

/* Reads the arrays of those names (NULL: none), and makes the change. */
static void read_change(struct control_request *request, const char *const *known,
			const char *remove, const char *add)
{
	struct draft removed = {0}, added = {0};
	struct control_fields body;

	control_fields_begin(&body, request->body, "the body");
	control_fields_only(&body, known);
	if (!make_room(request, &removed, CHANGES_MAX))
		return;
	if (make_room(request, &added, CHANGES_MAX)) {
		if (remove)
			read_rules(&body, remove, CHANGES_MAX, &removed);
		if (add)
			read_rules(&body, add, CHANGES_MAX, &added);
		if (!body.failed && removed.count + added.count == 0)
			control_fields_fail(&body, "name one at least", "the body names no rule");
		if (body.failed)
			control_fields_refuse(&body, request);
		else
			change(request, &removed, &added);
	}
	free(removed.list);
	free(added.list);
}

void control_rules_post(struct control_request *request)
{
	static const char *const known[] = {"add", "remove", NULL};

	read_change(request, known, "remove", "add");
}

void control_rules_delete(struct control_request *request)
{
	static const char *const known[] = {"rules", NULL};

	read_change(request, known, "rules", NULL);
}
