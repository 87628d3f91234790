/* SPDX-License-Identifier: MIT */
#include "cli/up_member.h"

#include "config/words.h"
#include <cothon/service.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MILLISECOND = 1000,
	SECOND = 1000000,
	ARGUMENTS_MAX = CONFIG_MEMBERS_MAX,
};

#define HOUR (UINT64_C(3600) * SECOND)

/* --- what `cothon run` has an option for --- */

struct option_target {
	const struct cli_option *option;
	struct cli_run_options *options;
};

static int take_one(struct config_document *document, const struct config_node *value, void *target)
{
	const struct option_target *to = target;
	const char *text = config_text(document, value);
	struct cli_error error;

	if (!text)
		return -EINVAL;
	if (to->option->take(to->options, text, &error) < 0)
		return config_fail(document, value, "\"%.64s\": %s", text, error.text);
	return 0;
}

int cli_up_take_option(struct config_document *document, const struct config_node *value,
		       struct cli_run_options *options, const char *name)
{
	struct option_target target = {cli_run_option(name), options};
	struct cli_error error;
	bool wanted;

	if (target.option->argument)
		return config_list(document, value, take_one, &target);
	if (config_bool(document, value, &wanted) < 0)
		return -EINVAL;
	if (wanted && target.option->take(options, NULL, &error) < 0)
		return config_fail(document, value, "%s", error.text);
	return 0;
}

#define OPTION(function, option)                                                               \
	static int function(struct config_document *document, const struct config_node *value, \
			    void *target)                                                      \
	{                                                                                      \
		struct cli_up_member *member = target;                                         \
		return cli_up_take_option(document, value, &member->options, option);          \
	}

OPTION(take_publish, "publish")
OPTION(take_allow, "allow")
OPTION(take_deny, "deny")
OPTION(take_log, "log")
OPTION(take_user, "user")
OPTION(take_host_loopback, "host-loopback")

static int take_limit(struct config_document *document, const struct config_node *value,
		      void *target)
{
	struct cli_up_member *member = target;
	int result = cli_up_take_option(document, value, &member->options, "limit");

	if (result == 0 && member->options.limits.descriptors)
		return config_fail(
			document, value,
			"descriptors are bounded for a process, and all sandboxes are in "
			"one; leave it out, and bound that: `ulimit -n`");
	return result;
}

static int take_address(struct config_document *document, const struct config_node *value,
			void *target)
{
	struct cli_up_member *member = target;

	member->address = value;
	return cli_up_take_option(document, value, &member->options, "address");
}

/* --- the command --- */

static int check_no_command(struct config_document *document, const struct config_node *value,
			    const struct cli_up_member *member)
{
	if (!member->words)
		return 0;
	return config_fail(document, value,
			   "`command` and `shell` contradict each other; leave one out");
}

static int take_words(struct config_document *document, const struct config_node *value,
		      struct cli_up_member *member)
{
	const char *text = config_text(document, value);
	size_t at;
	int result;

	if (!text)
		return -EINVAL;
	result = config_words_split(text, &member->words, &at);
	if (result == -EBADMSG)
		return config_fail(
			document, value,
			"'%c' (character %zu) means something to a shell, and no shell reads "
			"this; write it in '...', or `shell:` instead of `command:`",
			text[at], at + 1);
	if (result == -EINVAL)
		return config_fail(document, value,
				   "what begins at character %zu does not end; is a quote missing?",
				   at + 1);
	if (result == 0 && !member->words[0])
		return config_fail(document, value, "there is no command in it");
	return result;
}

static int take_argument(struct config_document *document, const struct config_node *value,
			 void *target)
{
	struct cli_up_member *member = target;
	const char *text = config_text_or_empty(document, value);
	size_t count = 0;

	while (member->words[count])
		count++;
	/* The document lives as long as the member. */
	member->words[count] = (char *)(uintptr_t)text;
	return text ? 0 : -EINVAL;
}

static int take_command(struct config_document *document, const struct config_node *value,
			void *target)
{
	struct cli_up_member *member = target;
	int result = check_no_command(document, value, member);

	if (result || !config_is_list(value))
		return result ? result : take_words(document, value, member);
	member->words = calloc(ARGUMENTS_MAX + 1, sizeof(*member->words));
	if (!member->words)
		return -ENOMEM;
	result = config_list(document, value, take_argument, member);
	if (result == 0 && (!member->words[0] || !*member->words[0]))
		return config_fail(document, value, "there is no command in it");
	return result;
}

static int take_shell(struct config_document *document, const struct config_node *value,
		      void *target)
{
	static char shell[] = "/bin/sh", option[] = "-c";
	struct cli_up_member *member = target;
	const char *text = config_text(document, value);

	if (!text || check_no_command(document, value, member))
		return -EINVAL;
	member->words = calloc(4, sizeof(*member->words));
	if (!member->words)
		return -ENOMEM;
	member->words[0] = shell;
	member->words[1] = option;
	member->words[2] = (char *)(uintptr_t)text;
	return 0;
}

static int take_directory(struct config_document *document, const struct config_node *value,
			  void *target)
{
	struct cli_up_member *member = target;

	member->directory = config_text(document, value);
	return member->directory ? 0 : -EINVAL;
}

/* --- the environment --- */

/* Sets "NAME=VALUE", which is allocated and becomes the member's. */
static int set_variable(struct cli_up_member *member, char *text)
{
	size_t name = (size_t)(strchr(text, '=') - text) + 1, count = 0;
	char **grown;

	while (member->environment[count]) {
		if (strncmp(member->environment[count], text, name) == 0) {
			free(member->environment[count]);
			member->environment[count] = text;
			return 0;
		}
		count++;
	}
	grown = reallocarray(member->environment, count + 2, sizeof(*grown));
	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	grown[count] = text;
	grown[count + 1] = NULL;
	member->environment = grown;
	return 0;
}

static int take_variable(struct config_document *document, const struct config_node *key,
			 const struct config_node *value, void *target)
{
	const char *name = config_text(document, key);
	const char *text = config_text_or_empty(document, value);
	char *variable;

	if (!name || !text)
		return -EINVAL;
	if (strchr(name, '='))
		return config_fail(document, key, "there is a '=' in the name of a variable");
	if (asprintf(&variable, "%s=%s", name, text) < 0)
		return -ENOMEM;
	return set_variable(target, variable);
}

/* "NAME=VALUE" of a list. */
static int take_assignment(struct config_document *document, const struct config_node *value,
			   void *target)
{
	const char *text = config_text(document, value);
	const char *sign = text ? strchr(text, '=') : NULL;
	char *variable;

	if (!text)
		return -EINVAL;
	if (!sign || sign == text)
		return config_fail(document, value, "\"%.64s\" is not NAME=VALUE", text);
	variable = strdup(text);
	return variable ? set_variable(target, variable) : -ENOMEM;
}

static int take_environment(struct config_document *document, const struct config_node *value,
			    void *target)
{
	if (config_is_mapping(value))
		return config_members(document, value, take_variable, target);
	return config_list(document, value, take_assignment, target);
}

static int copy_environment(char *const *environment, struct cli_up_member *member)
{
	size_t count = 0;

	while (environment[count])
		count++;
	member->environment = calloc(count + 1, sizeof(*member->environment));
	for (size_t i = 0; member->environment && i < count; i++) {
		member->environment[i] = strdup(environment[i]);
		if (!member->environment[i])
			return -ENOMEM;
	}
	return member->environment ? 0 : -ENOMEM;
}

/* --- life --- */

static int take_restart(struct config_document *document, const struct config_node *value,
			void *target)
{
	static const char *const policies[] = {"no", "on-failure", "always", NULL};
	struct cli_up_member *member = target;
	const char *text = config_text(document, value);

	if (!text)
		return -EINVAL;
	if (config_restart_parse(text, &member->restart) == 0)
		return 0;
	if (strncmp(text, "on-failure:", 11) == 0)
		return config_fail(document, value,
				   "behind \"on-failure:\" stands how many times in a row, 1 to %d",
				   CONFIG_RESTART_MOST);
	return config_fail_unknown(document, value, "restart policy", text, policies);
}

static int take_stop_grace(struct config_document *document, const struct config_node *value,
			   void *target)
{
	struct cli_up_member *member = target;

	return config_duration(document, value, 0, HOUR, &member->stop_grace);
}

static int take_depends_on(struct config_document *document, const struct config_node *value,
			   void *target)
{
	struct cli_up_member *member = target;

	(void)document;
	member->depends_on = value;
	return 0;
}

/* --- health --- */

static int take_port(struct config_document *document, const struct config_node *value,
		     void *target)
{
	struct config_health *health = target;
	const char *text = config_text(document, value);

	if (!text)
		return -EINVAL;
	if (cothon_port_parse(text, strlen(text), COTHON_TCP, &health->port) < 0 || !health->port)
		return config_fail(
			document, value,
			"\"%.64s\" is no TCP port: neither a number from 1 to 65535 nor a "
			"service's name (`cothon services` lists those)",
			text);
	return 0;
}

static int take_interval(struct config_document *document, const struct config_node *value,
			 void *target)
{
	struct config_health *health = target;

	return config_duration(document, value, 100 * MILLISECOND, HOUR, &health->interval);
}

static int take_timeout(struct config_document *document, const struct config_node *value,
			void *target)
{
	struct config_health *health = target;

	return config_duration(document, value, 10 * MILLISECOND, HOUR, &health->timeout);
}

static int take_start_period(struct config_document *document, const struct config_node *value,
			     void *target)
{
	struct config_health *health = target;

	return config_duration(document, value, 0, 24 * HOUR, &health->start_period);
}

static int take_retries(struct config_document *document, const struct config_node *value,
			void *target)
{
	struct config_health *health = target;

	return config_integer(document, value, 1, 1000, &health->retries);
}

static const struct config_key health_keys[] = {
	{"port", take_port},       {"interval", take_interval},
	{"timeout", take_timeout}, {"start_period", take_start_period},
	{"retries", take_retries}, {0},
};

static int take_health(struct config_document *document, const struct config_node *value,
		       void *target)
{
	struct cli_up_member *member = target;
	int result;

	member->has_health = true;
	member->health = (struct config_health){
		.interval = 5 * SECOND,
		.timeout = 2 * SECOND,
		.start_period = 30 * SECOND,
		.retries = 3,
	};
	if (!config_is_mapping(value))
		return take_port(document, value, &member->health);
	result = config_mapping(document, value, health_keys, &member->health);
	if (result == 0 && !member->health.port)
		return config_fail(document, value, "which port is to answer? write `port:`");
	return result;
}

/* --- on demand --- */

static int take_on_demand(struct config_document *document, const struct config_node *value,
			  void *target)
{
	struct cli_up_member *member = target;

	return config_bool(document, value, &member->on_demand);
}

static int take_idle(struct config_document *document, const struct config_node *value,
		     void *target)
{
	struct cli_up_member *member = target;

	member->idle_at = value;
	return config_duration(document, value, 100 * MILLISECOND, 24 * HOUR, &member->idle);
}

static int take_start_timeout(struct config_document *document, const struct config_node *value,
			      void *target)
{
	struct cli_up_member *member = target;

	return config_duration(document, value, 100 * MILLISECOND, HOUR, &member->start_timeout);
}

static bool publishes_tcp(const struct cli_up_member *member)
{
	for (unsigned i = 0; i < member->options.publication_count; i++) {
		if (member->options.publications[i].transport == COTHON_TCP)
			return true;
	}
	return false;
}

/* Whether what is said of a start on demand fits together, and the rest. */
static int check_on_demand(struct config_document *document, const struct config_node *key,
			   const struct cli_up_member *member)
{
	bool inetd = member->listening.count > 0 &&
		     member->listening.handing != SANDBOX_HANDING_LISTEN_FDS;

	if (member->idle && !member->on_demand)
		return config_fail(
			document, member->idle_at,
			"`idle` is for what is started on demand; write `on_demand: true`, "
			"or leave it out");
	if (!member->on_demand)
		return 0;
	if (inetd)
		return config_fail(
			document, key,
			"`inetd` starts commands when somebody connects; leave `on_demand` "
			"out");
	if (!publishes_tcp(member))
		return config_fail(document, key,
				   "nobody can connect to it: `on_demand` needs a TCP port in "
				   "`publish`");
	return 0;
}

/* --- a sandbox --- */

static const struct config_key keys[] = {
	{"command", take_command},
	{"shell", take_shell},
	{"directory", take_directory},
	{"environment", take_environment},
	{"user", take_user},
	{"publish", take_publish},
	{"allow", take_allow},
	{"deny", take_deny},
	{"log", take_log},
	{"limit", take_limit},
	{"host_loopback", take_host_loopback},
	{"address", take_address},
	{"depends_on", take_depends_on},
	{"health", take_health},
	{"restart", take_restart},
	{"stop_grace", take_stop_grace},
	{"on_demand", take_on_demand},
	{"idle", take_idle},
	{"start_timeout", take_start_timeout},
	{"listen_fds", cli_up_take_listen_fds},
	{"inetd", cli_up_take_inetd},
	{0},
};

/* A name that is one of a control socket, and the first part of a domain name (RFC 1123 section 2.1). */
static bool is_label(const char *name)
{
	return control_name_is_valid(name) && !strpbrk(name, "._") && name[strlen(name) - 1] != '-';
}

int cli_up_member_read(struct config_document *document, const struct config_node *key,
		       const struct config_node *value, char *const *environment,
		       struct cli_up_member *member)
{
	const char *name = config_text(document, key);
	int result;

	if (!name)
		return -EINVAL;
	*member = (struct cli_up_member){
		.place = key, .stop_grace = 10 * SECOND, .start_timeout = 30 * SECOND};
	cli_run_options_begin(&member->options);
	member->options.name = name;
	if (!is_label(name))
		return config_fail(
			document, key,
			"a sandbox's name is 1 to %d letters, digits and '-', with '-' neither "
			"first nor last: others reach it as NAME.internal",
			CONTROL_NAME_MAX);
	result = copy_environment(environment, member);
	if (result == 0)
		result = config_mapping(document, value, keys, member);
	if (result)
		return result;
	if (!member->words)
		return config_fail(document, key, "%s has no command; write `command:` or `shell:`",
				   name);
	member->options.command = member->words;
	member->listening.sockets = member->sockets;
	return check_on_demand(document, key, member);
}

void cli_up_member_release(struct cli_up_member *member)
{
	for (size_t i = 0; member->environment && member->environment[i]; i++)
		free(member->environment[i]);
	free(member->environment);
	free(member->words);
	cli_run_options_release(&member->options);
	*member = (struct cli_up_member){0};
}
