/* SPDX-License-Identifier: MIT */
#include "cli/limit.h"

#include "cli/units.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
	NAME_MAX_LEN = 31
};

struct limit {
	size_t offset; /* in struct cli_limits */
	uint64_t least, most;
};

#define RELAY_ENTRY(member, name, otherwise, least, most, text) \
	{offsetof(struct cli_limits, relay.member), (least), (uint64_t)(most)},
#define CLI_ENTRY(member, name, otherwise, least, most, text) \
	{offsetof(struct cli_limits, member), (least), (uint64_t)(most)},
static const struct limit table[] = {RELAY_LIMITS(RELAY_ENTRY) CLI_LIMITS(CLI_ENTRY)};

#define NAME(member, name, ...) name,
static const char *const names[] = {RELAY_LIMITS(NAME) CLI_LIMITS(NAME) NULL};

const char cli_limit_help[] = "bound a resource, as in tcp-flows=1000 or buffers=64M; NAME is\n"
			      "tcp-flows, half-open, flow-receive, flow-send,\n"
			      "receive-growth, buffers, fragments, icmp-errors,\n"
			      "udp-mappings, udp-peers, udp-ways, echo-mappings, waiting,\n"
			      "names, dns-queries, dns-requests, dns-streams,\n"
			      "published-ports, descriptors, control-connections or\n"
			      "log-lines";

static int unknown(const char *name, struct cli_error *error)
{
	const char *nearest = cli_nearest(name, names);

	if (nearest)
		return cli_error(error, "there is no limit \"%s\"; did you mean %s?", name,
				 nearest);
	return cli_error(error, "there is no limit \"%s\"; `cothon run --help` lists them", name);
}

int cli_limit_parse(const char *text, struct cli_limits *limits, struct cli_error *error)
{
	size_t len = strcspn(text, "="), at = 0;
	char name[NAME_MAX_LEN + 1];
	uint64_t number;

	snprintf(name, sizeof(name), "%.*s", (int)(len < NAME_MAX_LEN ? len : NAME_MAX_LEN), text);
	while (names[at] && strcmp(names[at], name) != 0)
		at++;
	if (!names[at])
		return unknown(name, error);
	if (!text[len])
		return cli_error(error, "a limit is NAME=N, as in %s=1000", name);
	if (!cli_units_read_bytes(text + len + 1, &number))
		return cli_error(error, "\"%s\" is no number; write one, as in %s=1000 or 64K",
				 text + len + 1, name);
	if (number < table[at].least || number > table[at].most)
		return cli_error(error, "%s is %llu to %llu", name,
				 (unsigned long long)table[at].least,
				 (unsigned long long)table[at].most);
	memcpy((char *)limits + table[at].offset, &number, sizeof(number));
	return 0;
}
