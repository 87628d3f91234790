/* SPDX-License-Identifier: MIT */
#ifndef COTHON_CAPTURE_H
#define COTHON_CAPTURE_H

/*
 * A capture writes the packets of a link as pcapng, as they would be on a wire: frames that stand for
 * several packets are cut into these, and checksums that were left to the link are complete. It costs
 * a link nothing but the question whether there is one.
 *
 * It does no input or output of its own: what it writes gathers in a buffer of a fixed size, from
 * which its owner takes it. A packet that finds no room there is counted as dropped; the packet itself
 * goes its way.
 */

#include <cothon/link.h>
#include <cothon/rule.h>

struct cothon_capture;

enum {
	/* Bytes of the buffer at least, and of a comment at most; a longer one is cut. */
	COTHON_CAPTURE_ROOM_MIN = 128 << 10,
	COTHON_CAPTURE_COMMENT = 255,
};

/* What is asked about packets; both functions may be NULL, and both return NULL for what they do not know. */
struct cothon_capture_knowledge {
	/*
	 * A comment for a packet of `flow`, in UTF-8; valid until the next call. "Local" is the side
	 * of whoever holds the link, "remote" its far side. Port 0: it has none, as ICMP; the
	 * transport is then 0.
	 */
	const char *(*comment)(void *context, const struct cothon_flow *flow);
	/* The name that an address is known by, for the filter; in normal form. */
	const char *(*name)(void *context, const struct cothon_addr *addr);
	void *context;
};

struct cothon_capture_config {
	struct cothon_memory memory;
	struct cothon_link *link; /* outlives the capture */
	/* Of the interface, and what it is; UTF-8, read before cothon_capture_open() returns. NULL: none. */
	const char *name, *description;
	size_t room;   /* bytes of the buffer, COTHON_CAPTURE_ROOM_MIN at least */
	uint32_t snap; /* bytes of a packet that are kept; 0: all */
	uint64_t size; /* bytes after which it ends; 0: never. What is written is never longer. */
	/*
	 * Packets whose far side is the flow's remote end in the application's eyes: what is allowed
	 * by one of these rules, with the port of either end, is written. NULL: everything; else the capture's
	 * when cothon_capture_open() returns 0.
	 */
	struct cothon_rules *filter;
	/* Nanoseconds since 1970. */
	uint64_t (*clock)(void *context);
	struct cothon_capture_knowledge knowledge;
};

struct cothon_capture_counters {
	uint64_t packets; /* that the filter has let through */
	uint64_t dropped; /* of these, for want of room */
	uint64_t bytes;   /* written so far, all in all */
};

/*
 * Starts to capture: what the link transmits and receives from now on. Returns 0; -EBUSY when the link
 * has a capture already; -EINVAL for a buffer that is too small or a size into which not even the
 * blocks around the packets fit; or -ENOMEM.
 */
int cothon_capture_open(const struct cothon_capture_config *config,
			struct cothon_capture **capture);
/* Ends it, and forgets what was not taken. */
void cothon_capture_close(struct cothon_capture *capture);
/*
 * Ends capturing: the last block, with how many packets there were and how many were dropped, is in
 * the buffer then. Does nothing when it has ended already.
 */
void cothon_capture_stop(struct cothon_capture *capture);
/* Whether it still captures; it ends by itself when its size is reached. */
bool cothon_capture_runs(const struct cothon_capture *capture);
/* Points `iov` at what is in the buffer, oldest first. Returns how many entries were filled. */
unsigned cothon_capture_peek(const struct cothon_capture *capture, struct iovec iov[static 2]);
/* Takes `len` bytes off the front, at most what peek showed. */
void cothon_capture_consume(struct cothon_capture *capture, size_t len);
const struct cothon_capture_counters *cothon_capture_counters(const struct cothon_capture *capture);

#endif
