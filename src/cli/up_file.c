/* SPDX-License-Identifier: MIT */
#include "cli/up_file.h"

#include "cli/up_member.h"
#include "cli/up_network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what holds for all --- */

static int take_name(struct config_document *document, const struct config_node *value,
		     void *target)
{
	struct cli_up_file *file = target;
	const char *name = config_text(document, value);

	if (!name)
		return -EINVAL;
	if (!control_name_is_valid(name))
		return config_fail(
			document, value,
			"a network's name is 1 to %d letters, digits, '_', '.' and '-', and "
			"begins with a letter or a digit",
			CONTROL_NAME_MAX);
	snprintf(file->network, sizeof(file->network), "%s", name);
	file->named = true;
	return 0;
}

#define SHARED(function, option)                                                               \
	static int function(struct config_document *document, const struct config_node *value, \
			    void *target)                                                      \
	{                                                                                      \
		struct cli_up_file *file = target;                                             \
		return cli_up_take_option(document, value, &file->shared, option);             \
	}

SHARED(take_mtu, "mtu")
SHARED(take_gateway, "gateway")
SHARED(take_dns, "dns")
SHARED(take_ipv4_only, "ipv4-only")
SHARED(take_ipv6_only, "ipv6-only")

/* --- the sandboxes --- */

static int take_sandbox(struct config_document *document, const struct config_node *key,
			const struct config_node *value, void *target)
{
	struct cli_up_file *file = target;
	struct cli_up_member *member = &file->members[file->member_count];

	if (file->member_count == CLI_UP_MEMBERS)
		return config_fail(document, key, "these are more than %d sandboxes; use two files",
				   CLI_UP_MEMBERS);
	file->member_count++;
	return cli_up_member_read(document, key, value, file->environment, member);
}

static int take_sandboxes(struct config_document *document, const struct config_node *value,
			  void *target)
{
	return config_members(document, value, take_sandbox, target);
}

static const struct config_key keys[] = {
	{"name", take_name},           {"mtu", take_mtu},
	{"gateway", take_gateway},     {"dns", take_dns},
	{"ipv4_only", take_ipv4_only}, {"ipv6_only", take_ipv6_only},
	{"sandboxes", take_sandboxes}, {0},
};

/* --- dependencies --- */

struct depending {
	struct cli_up_file *file;
	size_t of;
};

static size_t find_member(const struct cli_up_file *file, const char *name)
{
	size_t i = 0;

	while (i < file->member_count && strcmp(file->members[i].options.name, name) != 0)
		i++;
	return i;
}

static int add_dependency(struct config_document *document, const struct config_node *node,
			  const struct depending *depending, bool healthy)
{
	struct cli_up_file *file = depending->file;
	const char *name = config_text(document, node);
	size_t on;

	if (!name)
		return -EINVAL;
	on = find_member(file, name);
	if (on == file->member_count) {
		const char *names[CLI_UP_MEMBERS + 1] = {NULL};

		for (size_t i = 0; i < file->member_count; i++)
			names[i] = file->members[i].options.name;
		return config_fail_unknown(document, node, "sandbox", name, names);
	}
	if (healthy && !file->members[on].has_health)
		return config_fail(
			document, node,
			"%s has no `health`, so it is never known to be healthy; write one, "
			"or `started` here",
			name);
	if (healthy && file->members[on].on_demand)
		return config_fail(document, node,
				   "%s is started on demand, so it need not be healthy ever; write "
				   "`started` here",
				   name);
	if (file->dependency_count == CLI_UP_DEPENDENCIES)
		return config_fail(document, node,
				   "these are more than %d dependencies in the file",
				   CLI_UP_DEPENDENCIES);
	file->dependencies[file->dependency_count++] = (struct cli_up_dependency){
		.between = {depending->of, on},
		.healthy = healthy,
	};
	return 0;
}

static int take_dependency(struct config_document *document, const struct config_node *value,
			   void *target)
{
	return add_dependency(document, value, target, false);
}

static int take_conditional(struct config_document *document, const struct config_node *key,
			    const struct config_node *value, void *target)
{
	static const char *const conditions[] = {"started", "healthy", NULL};
	const char *condition = config_text(document, value);
	bool healthy;

	if (!condition)
		return -EINVAL;
	healthy = strcmp(condition, "healthy") == 0;
	if (!healthy && strcmp(condition, "started") != 0)
		return config_fail_unknown(document, value, "condition", condition, conditions);
	return add_dependency(document, key, target, healthy);
}

static int read_dependencies(struct cli_up_file *file, size_t of)
{
	const struct config_node *node = file->members[of].depends_on;
	struct depending depending = {file, of};

	if (!node)
		return 0;
	if (config_is_mapping(node))
		return config_members(file->document, node, take_conditional, &depending);
	return config_list(file->document, node, take_dependency, &depending);
}

static int fail_loop(struct cli_up_file *file)
{
	const struct config_plan *plan = &file->plan;
	char text[256];
	size_t len = 0;

	for (size_t i = 0; i <= plan->loop_len && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " -> " : "",
					file->members[plan->loop[i % plan->loop_len]].options.name);
	return config_fail(file->document, file->members[plan->loop[0]].depends_on,
			   "sandboxes wait for one another: %s; leave one dependency out", text);
}

static int make_plan(struct cli_up_file *file)
{
	struct config_dependency *between = calloc(file->dependency_count + 1, sizeof(*between));
	int result;

	if (!between)
		return -ENOMEM;
	for (size_t i = 0; i < file->dependency_count; i++)
		between[i] = file->dependencies[i].between;
	result = config_plan_make(file->member_count, between, file->dependency_count, &file->plan);
	free(between);
	return result == -ELOOP ? fail_loop(file) : result;
}

/* --- the file --- */

/* The network is called as the file is, in the letters of a name and without what is behind the last dot. */
static void name_after(struct cli_up_file *file, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
	size_t len = dot && dot != base ? (size_t)(dot - base) : strlen(base);

	if (len > CONTROL_NAME_MAX)
		len = CONTROL_NAME_MAX;
	snprintf(file->network, sizeof(file->network), "%.*s", (int)len, base);
	if (!control_name_is_valid(file->network))
		snprintf(file->network, sizeof(file->network), "network");
}

/* What can be checked only when all is read. */
static int check(struct cli_up_file *file)
{
	const struct config_node *root = config_document_root(file->document);
	int result;

	if (file->member_count == 0)
		return config_fail(
			file->document, root,
			"there is no sandbox in it; write `sandboxes:` and below it NAME:");
	result = cli_up_network_make(file);
	for (size_t i = 0; result == 0 && i < file->member_count; i++)
		result = read_dependencies(file, i);
	return result ? result : make_plan(file);
}

int cli_up_file_read(const char *text, size_t len, const char *path, char *const *environment,
		     struct cli_up_file *file, struct config_error *error)
{
	int result;

	*file = (struct cli_up_file){.environment = environment};
	cli_run_options_begin(&file->shared);
	file->members = calloc(CLI_UP_MEMBERS, sizeof(*file->members));
	if (!file->members)
		return -ENOMEM;
	result = config_document_read(text, len, cli_nearest, error, &file->document);
	if (result) {
		file->document = NULL;
		return result;
	}
	result = config_mapping(file->document, config_document_root(file->document), keys, file);
	if (result == 0)
		result = check(file);
	if (!file->named)
		name_after(file, path);
	return result;
}

void cli_up_file_release(struct cli_up_file *file)
{
	for (size_t i = 0; i < file->member_count; i++)
		cli_up_member_release(&file->members[i]);
	cli_run_options_release(&file->shared);
	free(file->members);
	if (file->document)
		config_document_free(file->document);
	*file = (struct cli_up_file){0};
}
