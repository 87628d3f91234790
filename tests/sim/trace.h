/* SPDX-License-Identifier: MIT */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

/* A packet as a line of text, for those who look into a seed. */

#include <cothon/buf.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TRACE_TEXT = 400
};

/* Writes what a packet is, without a newline; returns `text`. */
char *trace_packet(const uint8_t *data, size_t len, const struct cothon_offload *offload,
		   char text[static TRACE_TEXT]);

#endif
