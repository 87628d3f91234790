/* SPDX-License-Identifier: MIT */
#include "cli/up_network.h"

#include <errno.h>
#include <string.h>

/* The half of a network that an address is for. */
typedef struct relay_family *half_of(struct relay_network *network);

static struct relay_family *ipv4_of(struct relay_network *network)
{
	return &network->ipv4;
}

static struct relay_family *ipv6_of(struct relay_network *network)
{
	return &network->ipv6;
}

/* Whether an address is the gateway's, the DNS server's, or that of one of the first `count` members. */
static bool is_taken(struct cli_up_file *file, half_of *half, const struct cothon_addr *addr,
		     size_t count)
{
	const struct relay_family *shared = half(&file->shared.network);

	if (cothon_addr_equal(addr, &shared->gateway) || cothon_addr_equal(addr, &shared->dns))
		return true;
	for (size_t i = 0; i < count; i++) {
		const struct relay_family *other = half(&file->members[i].options.network);

		if (cothon_addr_equal(addr, &other->sandbox))
			return true;
	}
	return false;
}

static int take_wanted(struct cli_up_file *file, size_t index, half_of *half,
		       const struct cli_network_half *wanted)
{
	struct cli_up_member *member = &file->members[index];
	const struct relay_family *shared = half(&file->shared.network);
	char text[COTHON_ADDR_TEXT], network[COTHON_ADDR_TEXT];

	cothon_addr_format(&wanted->address, text);
	if (!shared->enabled)
		return config_fail(file->document, member->address,
				   "%s is of a family that the network does not have", text);
	if (wanted->prefix && wanted->prefix != shared->prefix)
		return config_fail(file->document, member->address,
				   "the network has a prefix of %u bits; leave /%u out",
				   shared->prefix, wanted->prefix);
	if (!cothon_addr_in_prefix(&wanted->address, &shared->gateway, shared->prefix))
		return config_fail(
			file->document, member->address,
			"%s is not in the network of the file, which is that of the gateway: "
			"%s/%u",
			text, cothon_addr_format(&shared->gateway, network), shared->prefix);
	if (is_taken(file, half, &wanted->address, index))
		return config_fail(
			file->document, member->address,
			"%s is taken: by the gateway, by the DNS server, or by a sandbox "
			"above",
			text);
	half(&member->options.network)->sandbox = wanted->address;
	return 0;
}

/* The next free address for every member that names none. */
static int give_others(struct cli_up_file *file, half_of *half,
		       const struct cli_network_half *(*wanted)(const struct cli_network *network))
{
	struct cothon_addr next = half(&file->shared.network)->sandbox;

	for (size_t i = 0; i < file->member_count; i++) {
		struct cli_up_member *member = &file->members[i];

		if (wanted(&member->options.wanted)->has_address)
			continue;
		while (is_taken(file, half, &next, file->member_count)) {
			/* The last address of a prefix is nobody's. */
			if (next.b[15] == UINT8_MAX - 1)
				return config_fail(file->document, member->place,
						   "no address is left for it in the network");
			next.b[15]++;
		}
		half(&member->options.network)->sandbox = next;
	}
	return 0;
}

static const struct cli_network_half *wanted_ipv4(const struct cli_network *network)
{
	return &network->ipv4;
}

static const struct cli_network_half *wanted_ipv6(const struct cli_network *network)
{
	return &network->ipv6;
}

/* What a member has in common with all others. */
static void begin_member(struct cli_up_file *file, struct cli_up_member *member)
{
	struct cli_run_options *options = &member->options;
	const struct cothon_addr none = {0};

	options->network = file->shared.network;
	options->network.shared = true;
	options->network.ipv4.sandbox = none;
	options->network.ipv6.sandbox = none;
	memcpy(options->resolvers, file->shared.resolvers, sizeof(options->resolvers));
	options->resolver_count = file->shared.resolver_count;
}

static int take_all_wanted(struct cli_up_file *file)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < file->member_count; i++) {
		const struct cli_network *wanted = &file->members[i].options.wanted;

		if (wanted->ipv4.has_address)
			result = take_wanted(file, i, ipv4_of, &wanted->ipv4);
		if (result == 0 && wanted->ipv6.has_address)
			result = take_wanted(file, i, ipv6_of, &wanted->ipv6);
	}
	return result;
}

/* Whether each member's options fit its network, and no two publish the same port. */
static int check_members(struct cli_up_file *file)
{
	struct cli_error error;

	for (size_t i = 0; i < file->member_count; i++) {
		if (cli_run_options_check(&file->members[i].options, &error) < 0)
			return config_fail(file->document, file->members[i].place, "%s",
					   error.text);
	}
	return 0;
}

int cli_up_network_make(struct cli_up_file *file)
{
	struct cli_error error;
	int result;

	if (cli_network_make(&file->shared.wanted, &file->shared.network, &error) < 0)
		return config_fail(file->document, config_document_root(file->document), "%s",
				   error.text);
	for (size_t i = 0; i < file->member_count; i++)
		begin_member(file, &file->members[i]);
	result = take_all_wanted(file);
	if (result == 0)
		result = give_others(file, ipv4_of, wanted_ipv4);
	if (result == 0)
		result = give_others(file, ipv6_of, wanted_ipv6);
	return result ? result : check_members(file);
}
