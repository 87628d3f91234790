/* SPDX-License-Identifier: MIT */

/*
 * Addresses and gateways of a network as texts, one per line, the first character saying which: what
 * is made of them has three different hosts in one prefix for each family.
 */

#include "fuzz.h"
#include "cli/network.h"

static void check_family(const struct relay_family *family)
{
	if (!family->enabled)
		return;
	fuzz_check(!cothon_addr_equal(&family->sandbox, &family->gateway));
	fuzz_check(!cothon_addr_equal(&family->sandbox, &family->dns));
	fuzz_check(!cothon_addr_equal(&family->gateway, &family->dns));
	fuzz_check(cothon_addr_in_prefix(&family->gateway, &family->sandbox, family->prefix));
	fuzz_check(cothon_addr_in_prefix(&family->dns, &family->sandbox, family->prefix));
}

static void read_line(struct cli_network *wanted, const char *line)
{
	struct cli_error error = {0};
	int reason = 0;

	if (*line == 'a')
		reason = cli_network_address(wanted, line + 1, &error);
	else if (*line == 'g')
		reason = cli_network_gateway(wanted, line + 1, &error);
	else if (*line == '4')
		wanted->ipv4_only = true;
	else if (*line == '6')
		wanted->ipv6_only = true;
	fuzz_check(reason == 0 || error.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cli_network wanted = {0};
	struct relay_network network;
	struct cli_error error = {0};
	char *text = fuzz_text(data, size), *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		read_line(&wanted, line);
	if (cli_network_make(&wanted, &network, &error) == 0) {
		check_family(&network.ipv4);
		check_family(&network.ipv6);
	} else {
		fuzz_check(error.text[0]);
	}
	free(text);
	return 0;
}
