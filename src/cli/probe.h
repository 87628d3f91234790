/* SPDX-License-Identifier: MIT */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

/* Tries each step of making a sandbox for real, in a process that ends afterwards. */

#include "host/isolation.h"

/* What was not come to, because something before it failed. */
enum {
	CLI_PROBE_UNTRIED = 1
};

/* 0, a negative errno, or CLI_PROBE_UNTRIED. */
struct cli_probe {
	int namespaces, idmap, tun_open, tun_make, link;
	/* COTHON_LINK_* that the device grants, when `link` is 0. */
	unsigned features;
	int network, ipv6;
	int proc, tune, resolv;
	/* What the process that parses packets gives up, and the step where that fails. */
	int isolation;
	enum host_isolation_step isolation_step;
};

/* Returns 0, or a negative errno when not even a try could be made. */
int cli_probe(struct cli_probe *probe);

#endif
