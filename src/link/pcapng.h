/* SPDX-License-Identifier: MIT */
#ifndef LINK_PCAPNG_H
#define LINK_PCAPNG_H

/*
 * Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian: one section with one
 * interface, whose packets are bare IP (LINKTYPE_RAW) and whose times are nanoseconds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	COTHON_PCAPNG_TEXT = 255, /* bytes of a text; a longer one is cut between two characters */
	/* Room for each of these blocks, and for what stands around a packet. */
	COTHON_PCAPNG_SECTION = 64 + COTHON_PCAPNG_TEXT,
	COTHON_PCAPNG_INTERFACE = 64 + 2 * COTHON_PCAPNG_TEXT,
	COTHON_PCAPNG_HEAD = 28,
	COTHON_PCAPNG_TAIL = 32 + COTHON_PCAPNG_TEXT,
	COTHON_PCAPNG_STATISTICS = 80,
};

struct cothon_pcapng_packet {
	uint64_t at;         /* nanoseconds since 1970 */
	uint32_t captured;   /* bytes of it that are in the file */
	uint32_t len;        /* bytes that it has */
	bool received;       /* by the interface; else sent */
	const char *comment; /* UTF-8; NULL: none */
};

struct cothon_pcapng_statistics {
	uint64_t from, to; /* nanoseconds since 1970 */
	uint64_t received, dropped;
};

/* Each writes a block, or a part of one, and returns its length. A text of NULL is left out. */
size_t cothon_pcapng_section(const char *application, uint8_t out[static COTHON_PCAPNG_SECTION]);
/* `snap`: bytes of a packet that are kept at most, 0: all. */
size_t cothon_pcapng_interface(uint32_t snap, const char *name, const char *description,
			       uint8_t out[static COTHON_PCAPNG_INTERFACE]);
/* What stands in front of a packet's bytes: always COTHON_PCAPNG_HEAD. */
size_t cothon_pcapng_head(const struct cothon_pcapng_packet *packet,
			  uint8_t out[static COTHON_PCAPNG_HEAD]);
/* What stands behind them, padding included. */
size_t cothon_pcapng_tail(const struct cothon_pcapng_packet *packet,
			  uint8_t out[static COTHON_PCAPNG_TAIL]);
/* The length of a packet's whole block. */
size_t cothon_pcapng_packet_len(const struct cothon_pcapng_packet *packet);
size_t cothon_pcapng_statistics(const struct cothon_pcapng_statistics *statistics,
				uint8_t out[static COTHON_PCAPNG_STATISTICS]);

#endif
