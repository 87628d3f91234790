/* SPDX-License-Identifier: MIT */
#include "cli/denied.h"

#include "base/list.h"

#include <cothon/service.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND UINT64_C(1000000)

/* Words */

/* The destination, by its name if it has one. */
static char *destination(const struct relay_denial *denial, char text[static CLI_DENIED_TEXT])
{
	char endpoint[COTHON_ENDPOINT_TEXT], addr[COTHON_ADDR_TEXT];

	if (denial->name[0] && denial->transport)
		snprintf(text, CLI_DENIED_TEXT, "%s:%u", denial->name, denial->destination.port);
	else if (denial->name[0])
		snprintf(text, CLI_DENIED_TEXT, "%s", denial->name);
	else if (denial->transport)
		snprintf(text, CLI_DENIED_TEXT, "%s",
			 cothon_endpoint_format(&denial->destination, endpoint));
	else
		snprintf(text, CLI_DENIED_TEXT, "%s",
			 cothon_addr_format(&denial->destination.addr, addr));
	return text;
}

char *cli_denied_what(const struct relay_denial *denial, bool source,
		      char text[static CLI_DENIED_TEXT])
{
	char from[COTHON_ENDPOINT_TEXT], to[CLI_DENIED_TEXT];
	const char *transport = denial->transport ? cothon_transport_name(denial->transport)
						  : "ping";

	if (denial->transport)
		cothon_endpoint_format(&denial->source, from);
	else
		cothon_addr_format(&denial->source.addr, from);
	if (denial->query)
		snprintf(text, CLI_DENIED_TEXT, "the question for %s",
			 denial->name[0] ? denial->name : ".");
	else if (source)
		snprintf(text, CLI_DENIED_TEXT, "%s %s -> %.400s", transport, from,
			 destination(denial, to));
	else
		snprintf(text, CLI_DENIED_TEXT, "%s -> %.400s", transport, destination(denial, to));
	return text;
}

char *cli_denied_why(const struct relay_denial *denial, char text[static CLI_DENIED_TEXT])
{
	char rule[COTHON_RULE_TEXT];

	switch (denial->by) {
	case RELAY_DENIED_BY_RULE:
		snprintf(text, CLI_DENIED_TEXT, "the rule `deny %s` forbids it",
			 cothon_rule_format(&denial->rule, rule));
		break;
	case RELAY_DENIED_BY_NONE:
		snprintf(text, CLI_DENIED_TEXT, "no rule allows it");
		break;
	case RELAY_DENIED_BY_NATURE:
		snprintf(text, CLI_DENIED_TEXT, "it is closed to every sandbox");
		break;
	case RELAY_DENIED_REBINDING:
		snprintf(text, CLI_DENIED_TEXT, "the name leads only to addresses that are closed");
		break;
	}
	return text;
}

/* Lines */

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec / 1000;
}

/* Whether one more line may be written in the second of `at`. */
static bool has_room(struct cli_denied_lines *lines, uint64_t at)
{
	if (at / SECOND != lines->second && lines->left_out == 0) {
		lines->second = at / SECOND;
		lines->written = 0;
	}
	if (lines->written == lines->limit || lines->left_out > 0) {
		lines->left_out++;
		return false;
	}
	lines->written++;
	return true;
}

__attribute__((format(printf, 2, 3))) static void say(const struct cli_denied *denied,
						      const char *format, ...)
{
	char text[2 * CLI_DENIED_TEXT + 64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (denied->say)
		denied->say(denied->owner, text);
	else
		cli_message(denied->name, "%s", text);
}

/* Tells how many lines were left out, once their second is over, or `now`. */
static void tell_left_out(struct cli_denied *denied, uint64_t at, bool now)
{
	if (denied->said.left_out == 0 || (!now && at / SECOND == denied->said.second))
		return;
	say(denied, "denied %u more", denied->said.left_out);
	denied->said.left_out = 0;
}

/* Whether the same was said a moment ago; if not, it is now. */
static bool is_repeated(struct cli_denied *denied, const char *what, uint64_t at)
{
	struct cli_denied_recent *recent;

	for (unsigned i = 0; i < CLI_DENIED_RECENT; i++) {
		recent = &denied->recent[i];
		if (recent->at && at - recent->at < CLI_DENIED_QUIET * SECOND &&
		    strcmp(recent->what, what) == 0)
			return true;
	}
	recent = &denied->recent[denied->next_recent++ % CLI_DENIED_RECENT];
	recent->at = at;
	snprintf(recent->what, sizeof(recent->what), "%s", what);
	return false;
}

/* --- the log --- */

/* A denial that waits for the name of its application. */
struct waiting {
	struct control_application_query query;
	struct cli_denied *denied;
	struct relay_denial denial;
};

static void write_log(struct cli_denied *denied, const struct relay_denial *denial,
		      const struct control_application *application)
{
	static const char *const words[] = {"rule", "none", "nature", "rebinding"};
	char what[CLI_DENIED_TEXT], why[CLI_DENIED_TEXT], who[CONTROL_APPLICATION] = "";
	char message[2 * CLI_DENIED_TEXT + 64], from[COTHON_ENDPOINT_TEXT],
		to[COTHON_ENDPOINT_TEXT], rule[COTHON_RULE_TEXT], process[16];
	const char *transport = cothon_transport_name(denial->transport);
	struct control_log_line line = {
		.level = CONTROL_LOG_WARNING, .at = denial->at, .message = message};

	if (application)
		control_application_format(application, who);
	snprintf(message, sizeof(message), "denied %s%s%s: %s", who, who[0] ? " " : "",
		 cli_denied_what(denial, true, what), cli_denied_why(denial, why));
	control_log_add(&line, "event", "denied");
	if (application && who[0]) {
		snprintf(process, sizeof(process), "%d", application->pid);
		control_log_add(&line, "application", application->command);
		control_log_add(&line, "process", process);
	}
	control_log_add(&line, "transport", transport ? transport : "echo");
	control_log_add(&line, "source", cothon_endpoint_format(&denial->source, from));
	control_log_add(&line, "destination", cothon_endpoint_format(&denial->destination, to));
	if (denial->name[0])
		control_log_add(&line, "name", denial->name);
	control_log_add(&line, "by", words[denial->by]);
	if (denial->by == RELAY_DENIED_BY_RULE)
		control_log_add(&line, "rule", cothon_rule_format(&denial->rule, rule));
	control_log_write(&denied->log, &line);
}

static void answered(struct control_application_query *query,
		     const struct control_application *application)
{
	struct waiting *waiting = cothon_container(query, struct waiting, query);
	struct cli_denied *denied = waiting->denied;

	denied->waiting--;
	write_log(denied, &waiting->denial, application);
	relay_release_denied(denied->relay, &waiting->denial);
	free(waiting);
}

/* Writes it when it is known whose it is, which nobody else waits for. */
static void log_denial(struct cli_denied *denied, const struct relay_denial *denial)
{
	struct waiting *waiting = NULL;

	if (denied->applications && denial->transport && denied->waiting < CLI_DENIED_WAITING)
		waiting = malloc(sizeof(*waiting));
	if (!waiting) {
		write_log(denied, denial, NULL);
		return;
	}
	*waiting = (struct waiting){
		.query =
			{
				.flow = cothon_flow_make((enum cothon_transport)denial->transport,
							 &denial->destination, &denial->source),
				.answered = answered,
			},
		.denied = denied,
		.denial = *denial,
	};
	denied->waiting++;
	control_applications_ask(denied->applications, &waiting->query);
}

static void tell(void *context, const struct relay_denial *denial)
{
	struct cli_denied *denied = context;
	char what[CLI_DENIED_TEXT], why[CLI_DENIED_TEXT];

	tell_left_out(denied, denial->at, false);
	if (control_log_wants(&denied->log, CONTROL_LOG_WARNING))
		log_denial(denied, denial);
	if (denied->silent || cothon_rules_count(relay_rules(denied->relay)) == 0 ||
	    is_repeated(denied, cli_denied_what(denial, false, what), denial->at))
		return;
	if (has_room(&denied->said, denial->at))
		say(denied, "denied %s: %s", cli_denied_what(denial, true, what),
		    cli_denied_why(denial, why));
}

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct cli_denied *denied = cothon_container(hook, struct cli_denied, hook);

	if (denied->said.left_out == 0 && denied->log.held_back == 0)
		return UINT64_MAX;
	tell_left_out(denied, wall_clock(), false);
	control_log_flush(&denied->log, false);
	return now + SECOND;
}

int cli_denied_open(struct cli_denied *denied, const char *log, enum control_log_level level)
{
	*denied = (struct cli_denied){
		.hook = {.turn = turn},
		.said = {.limit = CLI_DENIED_SAID},
		/* What the log says on standard error is not said there twice. */
		.silent = log && strcmp(log, "-") == 0,
	};
	return control_log_open(&denied->log, log, level);
}

void cli_denied_close(struct cli_denied *denied)
{
	control_log_close(&denied->log);
}

void cli_denied_say_by(struct cli_denied *denied, void (*told)(void *owner, const char *text),
		       void *owner)
{
	denied->say = told;
	denied->owner = owner;
}

void cli_denied_start(struct cli_denied *denied, const char *name, struct host_loop *loop,
		      struct relay *relay, struct control_applications *applications)
{
	denied->name = name;
	denied->applications = applications;
	/* Who is refused at once may be gone before it is known who that was. */
	if (applications && control_log_wants(&denied->log, CONTROL_LOG_WARNING))
		relay_hold_denied(relay, true);
	denied->loop = loop;
	denied->relay = relay;
	host_loop_hook(loop, &denied->hook);
	relay_on_denied(relay, tell, denied);
}

void cli_denied_limits(void *owner, void (*each)(const struct relay_limit *limit, void *context),
		       void *context)
{
	const struct cli_denied *denied = owner;
	const struct relay_limit lines = {
		.name = "log-lines",
		.text = "lines a second in the log",
		.bound = denied->log.limit,
		.refused = denied->log.all_held_back,
	};

	each(&lines, context);
}

void cli_denied_stop(struct cli_denied *denied)
{
	relay_on_denied(denied->relay, NULL, NULL);
	relay_hold_denied(denied->relay, false);
	host_loop_unhook(denied->loop, &denied->hook);
	tell_left_out(denied, wall_clock(), true);
	control_log_flush(&denied->log, true);
}
