/* SPDX-License-Identifier: MIT */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

/* Tries each step of making a sandbox for real, in a process that ends afterwards. */

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
};

/* Returns 0, or a negative errno when not even a try could be made. */
int cli_probe(struct cli_probe *probe);

#endif
