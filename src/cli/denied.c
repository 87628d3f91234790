/* SPDX-License-Identifier: MIT */
#include "cli/denied.h"

#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static void write_log(const struct cli_denied *denied, uint64_t at, const char *text)
{
	time_t seconds = (time_t)(at / SECOND);
	char line[2 * CLI_DENIED_TEXT + 64], stamp[32];
	struct tm time;
	int len;

	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &time));
	len = snprintf(line, sizeof(line), "%s.%06uZ %s\n", stamp, (unsigned)(at % SECOND), text);
	/* One call, so that lines of several writers do not mix; a full disk ends no network. */
	if (len > 0 && write(denied->log, line, (size_t)len) < 0)
		return;
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

/* Tells how many lines were left out, once their second is over, or `now`. */
static void tell_left_out(struct cli_denied *denied, uint64_t at, bool now)
{
	char text[64];

	if (denied->said.left_out > 0 && (now || at / SECOND != denied->said.second)) {
		cli_message(denied->name, "denied %u more", denied->said.left_out);
		denied->said.left_out = 0;
	}
	if (denied->logged.left_out > 0 && (now || at / SECOND != denied->logged.second)) {
		snprintf(text, sizeof(text), "denied %u more", denied->logged.left_out);
		write_log(denied, at, text);
		denied->logged.left_out = 0;
	}
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

static void tell(void *context, const struct relay_denial *denial)
{
	struct cli_denied *denied = context;
	char what[CLI_DENIED_TEXT], why[CLI_DENIED_TEXT], line[2 * CLI_DENIED_TEXT];

	tell_left_out(denied, denial->at, false);
	cli_denied_why(denial, why);
	if (denied->log && has_room(&denied->logged, denial->at)) {
		snprintf(line, sizeof(line), "denied %s: %s", cli_denied_what(denial, true, what),
			 why);
		write_log(denied, denial->at, line);
	}
	if (cothon_rules_count(relay_rules(denied->relay)) == 0 ||
	    is_repeated(denied, cli_denied_what(denial, false, what), denial->at))
		return;
	if (has_room(&denied->said, denial->at))
		cli_message(denied->name, "denied %s: %s", cli_denied_what(denial, true, what),
			    why);
}

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct cli_denied *denied = cothon_container(hook, struct cli_denied, hook);

	if (denied->said.left_out == 0 && denied->logged.left_out == 0)
		return UINT64_MAX;
	tell_left_out(denied, wall_clock(), false);
	return now + SECOND;
}

int cli_denied_open(struct cli_denied *denied, const char *log)
{
	*denied = (struct cli_denied){
		.hook = {.turn = turn},
		.said = {.limit = CLI_DENIED_SAID},
		.logged = {.limit = CLI_DENIED_LOGGED},
	};
	if (!log)
		return 0;
	/* What the C library opens for time stamps, it opens now. */
	tzset();
	denied->log = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (denied->log < 0) {
		denied->log = 0;
		return -errno;
	}
	return 0;
}

void cli_denied_close(struct cli_denied *denied)
{
	if (denied->log)
		close(denied->log);
	denied->log = 0;
}

void cli_denied_start(struct cli_denied *denied, const char *name, struct host_loop *loop,
		      struct relay *relay)
{
	denied->name = name;
	denied->loop = loop;
	denied->relay = relay;
	host_loop_hook(loop, &denied->hook);
	relay_on_denied(relay, tell, denied);
}

void cli_denied_stop(struct cli_denied *denied)
{
	relay_on_denied(denied->relay, NULL, NULL);
	host_loop_unhook(denied->loop, &denied->hook);
	tell_left_out(denied, wall_clock(), true);
}
