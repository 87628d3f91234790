/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/publish.h"
#include "cli/verbs.h"
#include "control/publications.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RESOURCE "/v1/publications"

struct settings {
	bool json;
};

CLI_OPTION_FLAG(take_json, struct settings, json)

static const struct cli_option options[] = {
	{.name = "json", .help = "print what is published as JSON", .take = take_json},
	{0},
};

static const struct cli_syntax help = {
	.name = "publish",
	.examples = "  cothon publish add web 8080:80 8443:https\n"
		    "  cothon publish rm web 8080:80\n"
		    "  cothon publish ls web",
	.usage = "cothon publish add|rm|ls [--json] [NAME] [SPEC...]",
	.summary =
		"Links ports outside to ports in a running sandbox, and unlinks them. SPEC is\n"
		"  " CLI_PUBLISH_FORM "\n"
		"outside:inside, as for `cothon run -p`. Of several all are made, or none. One is\n"
		"removed as it was made, a range as a whole; its port outside is free at once, and\n"
		"connections that came by it go on. NAME may be left out when one sandbox runs.",
	.options = options,
};

/* --- what is asked --- */

/* The operands as the body of a request. */
static int make_body(char **operands, json_t **body, struct cli_error *error)
{
	json_t *list = json_array();

	for (; *operands; operands++) {
		struct relay_publication publication;
		struct cli_error reason;

		if (cli_publish_parse(*operands, &publication, &reason) < 0) {
			json_decref(list);
			return cli_error(error, "%s: %s", *operands, reason.text);
		}
		json_array_append_new(list, control_publication_json(&publication));
	}
	if (json_array_size(list) == 0) {
		json_decref(list);
		return cli_error(error, "which ports? write " CLI_PUBLISH_FORM);
	}
	*body = json_pack("{so}", "publications", list);
	return *body ? 0 : cli_error(error, "not enough memory");
}

/* --- what is answered --- */

static int print(const json_t *answer, const struct settings *settings)
{
	size_t i;
	json_t *json;

	if (settings->json) {
		cli_print_json(answer);
		return 0;
	}
	json_array_foreach(json_object_get(answer, "publications"), i, json)
	{
		struct relay_publication publication;
		struct control_fields fields;
		char text[CLI_PUBLISH_TEXT];

		control_fields_begin(&fields, json, "a publication");
		publication = control_publication_read(&fields);
		if (!fields.failed)
			puts(cli_publish_format(&publication, text));
	}
	return 0;
}

/* What cli_explain_publish() explains better than the sandbox, which knows no options. */
static int known_reason(const json_t *refusal)
{
	static const int known[] = {EADDRINUSE, EACCES, EPERM, EADDRNOTAVAIL, EMFILE};
	const char *reason = json_string_value(json_object_get(refusal, "reason"));

	for (size_t i = 0; reason && i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(reason, strerrorname_np(known[i])) == 0)
			return -known[i];
	}
	return 0;
}

/* Which operand it is about, and why, in the words of `cothon run -p`. */
static void explain(const json_t *refusal, char **operands, struct cli_error *error)
{
	const char *addr = json_string_value(json_object_get(refusal, "address"));
	size_t index = (size_t)json_integer_value(json_object_get(refusal, "index"));
	struct relay_publish_error reason = {
		.error = known_reason(refusal),
		.port = (uint16_t)json_integer_value(json_object_get(refusal, "port")),
	};
	struct relay_publication publication;
	struct cli_error before = *error;
	size_t count = 0;

	while (operands[count])
		count++;
	if (index >= count || !json_object_get(refusal, "index"))
		return;
	if (addr)
		cothon_addr_parse(addr, &reason.addr);
	if (!addr)
		cli_error(error,
			  "%s is not published like that; `cothon publish ls` lists what is, and a "
			  "range is removed as a whole",
			  operands[index]);
	else if (reason.error && cli_publish_parse(operands[index], &publication, &before) == 0)
		cli_explain_publish(&publication, &reason, error);
	else
		cli_error(error, "%s: %s", operands[index], before.text);
}

/* --- verbs --- */

static int ask(struct cli_running *running, enum http_method method, void *target, char **operands,
	       struct cli_error *error)
{
	const struct settings *settings = target;
	json_t *body, *answer;
	int result = make_body(operands, &body, error);

	if (result < 0)
		return result;
	result = cli_running_ask(running, method, RESOURCE, body, &answer, error);
	if (result == 0 && settings->json)
		cli_print_json(answer);
	else if (result < 0)
		explain(answer, operands, error);
	json_decref(answer);
	json_decref(body);
	return result;
}

static int add(struct cli_running *running, void *target, char **operands, struct cli_error *error)
{
	return ask(running, HTTP_POST, target, operands, error);
}

static int rm(struct cli_running *running, void *target, char **operands, struct cli_error *error)
{
	return ask(running, HTTP_DELETE, target, operands, error);
}

static int ls(struct cli_running *running, void *target, char **operands, struct cli_error *error)
{
	json_t *answer;
	int result = cli_running_ask(running, HTTP_GET, RESOURCE, NULL, &answer, error);

	(void)operands;
	if (result == 0)
		result = print(answer, target);
	json_decref(answer);
	return result;
}

/* A publication has a colon, and a name has none. */
static bool is_publication(const char *text)
{
	return strchr(text, ':') != NULL;
}

int cli_publish(int argc, char **argv)
{
	static const struct cli_verb list[] = {
		{"add", options, true, add},
		{"rm", options, true, rm},
		{"ls", options, false, ls},
		{0},
	};
	static const struct cli_verbs verbs = {"publish", list, &help, is_publication};
	struct settings settings = {0};

	return cli_verbs_run(&verbs, argc, argv, &settings);
}
