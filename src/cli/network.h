/* SPDX-License-Identifier: MIT */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

/* The network of a sandbox, made of what the command line says of it. */

#include "cli/cli.h"
#include "relay/relay.h"

/* What is wanted of one family's half; the rest is chosen. */
struct cli_network_half {
	bool has_address, has_gateway;
	struct cothon_addr address, gateway;
	unsigned prefix; /* 0: the default, 24 or 64 */
};

struct cli_network {
	struct cli_network_half ipv4, ipv6;
	bool ipv4_only, ipv6_only;
	uint32_t mtu; /* 0: the default */
};

/* Reads ADDR[/PREFIX] as the sandbox's address. Returns 0, or -EINVAL with *error filled in. */
int cli_network_address(struct cli_network *wanted, const char *text, struct cli_error *error);
/* Reads ADDR as the gateway's address. Returns 0, or -EINVAL with *error filled in. */
int cli_network_gateway(struct cli_network *wanted, const char *text, struct cli_error *error);

/*
 * Makes the network. Where only one of address and gateway is given the other is in the same
 * prefix: .100 or .2 if free; the DNS server is .3, or the nearest that is free. Returns 0, or
 * -EINVAL with *error filled in.
 */
int cli_network_make(const struct cli_network *wanted, struct relay_network *network,
		     struct cli_error *error);

#endif
