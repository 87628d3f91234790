/* SPDX-License-Identifier: MIT */
#ifndef CLI_PUBLISH_H
#define CLI_PUBLISH_H

/* What is published, in words: [ADDR:]PORT[-PORT]:PORT[-PORT][/tcp|/udp]. */

#include "cli/cli.h"
#include "relay/relay.h"

#define CLI_PUBLISH_FORM "[ADDR:]PORT[-PORT]:PORT[-PORT][/tcp|/udp]"

/*
 * Reads a publication: the part before the last colon is outside, the part behind it inside. A
 * service's name serves as a port; an IPv6 address is written in brackets. Returns 0, or -EINVAL
 * with *error filled in.
 */
int cli_publish_parse(const char *text, struct relay_publication *publication,
		      struct cli_error *error);

enum {
	CLI_PUBLISH_TEXT = COTHON_ADDR_TEXT + 40, /* room for a publication's text */
};
/* Writes a publication in the form that is read, ports by number; returns `text`. */
char *cli_publish_format(const struct relay_publication *publication,
			 char text[static CLI_PUBLISH_TEXT]);

/*
 * Whether two publications want the same port of the same address outside; *port becomes the first
 * such.
 */
bool cli_publish_conflict(const struct relay_publication *a, const struct relay_publication *b,
			  uint16_t *port);

#endif
