/* SPDX-License-Identifier: MIT */
#ifndef COTHON_HUB_H
#define COTHON_HUB_H

/*
 * A hub: where the links of several stacks meet, so that what lies behind one of them reaches what lies
 * behind another, packet by packet.
 *
 * A member brings the device that its stack would use, and the addresses behind that. It is given a port
 * instead: a link for its stack. What comes from the device for an address of another member goes to that
 * one's device, as it is: no hop is counted, no segment cut, no payload copied. All else goes up to the
 * stack, and what the stack sends goes to the device. So the members are neighbours on one link.
 *
 * Every packet between members belongs to a flow (TCP, UDP, echo requests), and who opens one is asked for
 * leave first: the sender's member, by its `may_open`. Packets of a flow that was let through pass in both
 * directions, and so do ICMP errors about them. What is not let through goes up to the sender's own stack
 * like a packet for anywhere else, and is answered there as whoever drives the stack wants; a segment of a TCP
 * flow that nobody knows is answered with a reset, as by any host. Other protocols never pass.
 *
 * A hub is driven by the stacks' calls of cothon_link_receive(), and used by one thread at a time. Time is
 * told by cothon_hub_run().
 */

#include <cothon/addr.h>
#include <cothon/buf.h>
#include <cothon/link.h>
#include <cothon/tcp.h>

struct cothon_hub;

enum {
	COTHON_HUB_SEED_LEN = 32,
	COTHON_HUB_MEMBERS = 1024,
	COTHON_HUB_ADDRESSES = 16, /* of one member */

	/*
	 * Seconds without a packet after which a flow is forgotten. TCP: RFC 5382 REQ-5 asks for 2 hours and
	 * 4 minutes once it is open, 4 minutes before and when it closes; UDP: RFC 4787 REQ-5, and as of its
	 * REQ-6 only what the side that opened it sends counts; echo requests likewise.
	 */
	COTHON_HUB_OPEN_IDLE = 7440,
	COTHON_HUB_TRANSITORY_IDLE = 240,
	COTHON_HUB_DATAGRAM_IDLE = 300,
};

struct cothon_hub_config {
	struct cothon_memory memory;
	uint8_t seed[COTHON_HUB_SEED_LEN];
	uint64_t now; /* microseconds of any clock that never goes back */
	/*
	 * Flows that one member may have opened; beyond it the one that was used the longest time ago is
	 * forgotten, those that open or close first. 0: 16384.
	 */
	uint32_t max_flows;
};

struct cothon_hub_member {
	/* Its device; becomes the port's, which closes it. */
	struct cothon_link *device;
	const struct cothon_addr *addrs; /* copied */
	unsigned addr_count;
	/*
	 * Whether a flow may be opened from one of its addresses to one of another member's. `transport` is
	 * COTHON_TCP, COTHON_UDP, or 0 for echo requests, which have ports 0. NULL: any may.
	 */
	bool (*may_open)(void *context, uint8_t transport, const struct cothon_endpoint *source,
			 const struct cothon_endpoint *destination);
	void *context;
};

/* What a member's port counts: name, and what one means. */
#define COTHON_HUB_COUNTERS(X)                                                         \
	X(frames_out, "frames that the member sent to others")                         \
	X(bytes_out, "their bytes, headers included")                                  \
	X(frames_in, "frames that others sent to the member")                          \
	X(bytes_in, "their bytes, headers included")                                   \
	X(flows, "flows that the member opened")                                       \
	X(refused, "packets to others that were not let through")                      \
	X(spoofed, "packets to others from an address that is not the member's, lost") \
	X(too_big, "packets that did not fit the other's MTU, lost")                   \
	X(lost, "packets that the other's device did not take")                        \
	X(forgotten, "flows forgotten for newer ones, or for want of memory")          \
	X(ended, "flows ended because they may not be open any more")

struct cothon_hub_counters {
#define COTHON_HUB_COUNTER(name, text) uint64_t name;
	COTHON_HUB_COUNTERS(COTHON_HUB_COUNTER)
#undef COTHON_HUB_COUNTER
};

/* A flow, as one of its two members sees it. */
struct cothon_hub_flow {
	uint8_t transport; /* COTHON_TCP, COTHON_UDP, or 0 for echo requests */
	bool opened;       /* by this member */
	/* Echo requests: the port of the side that opened it is their identifier. */
	struct cothon_endpoint local, remote;
	/*
	 * TCP, as far as packets tell it: SYN_SENT or SYN_RECEIVED, ESTABLISHED, then FIN_WAIT_1 where this
	 * member has closed, CLOSE_WAIT where the other has, TIME_WAIT when both have. Else CLOSED.
	 */
	enum cothon_tcp_state state;
	uint64_t opened_at, used_at;  /* the last packet was then */
	uint64_t bytes_out, bytes_in; /* payload, retransmissions included */
};

/* Makes a hub without members. Returns 0 or -ENOMEM. */
int cothon_hub_create(const struct cothon_hub_config *config, struct cothon_hub **hub);
/* Ends a hub that all have left. */
void cothon_hub_destroy(struct cothon_hub *hub);
/*
 * It is `now`; forgets the flows that have been silent for too long. To be called before ports are
 * received from. Returns when the next one will have been: UINT64_MAX when there is none.
 */
uint64_t cothon_hub_run(struct cothon_hub *hub, uint64_t now);

/*
 * Makes a port for a member. Its receive() returns what cothon_link_receive() says of links that deal with
 * a frame themselves. Returns 0; -EINVAL for no address or more than COTHON_HUB_ADDRESSES, for one that is
 * not unicast, or for a device that has other features than those of the other members, for frames cross as
 * they are; -EADDRINUSE when another member has one of the addresses; -ENOSPC beyond COTHON_HUB_MEMBERS; or
 * -ENOMEM. On an error the device stays the caller's.
 */
int cothon_hub_join(struct cothon_hub *hub, const struct cothon_hub_member *member,
		    struct cothon_link **port);
/*
 * Ends a port, but not its device, which is the caller's again. TCP flows of others with the member end by
 * resets, which also the device is given. cothon_link_close() of a port leaves, and closes the device.
 */
struct cothon_link *cothon_hub_leave(struct cothon_link *port);
/* Asks again whether the flows that the member opened may be, and ends those that may not. */
void cothon_hub_recheck(struct cothon_link *port);
/* Finds a flow of the member's. Returns false when there is none. */
bool cothon_hub_find(const struct cothon_link *port, uint8_t transport,
		     const struct cothon_endpoint *local, const struct cothon_endpoint *remote,
		     struct cothon_hub_flow *flow);
/*
 * Ends a flow of the member's: both sides of a TCP flow are sent a reset, and what they go on to send is a
 * flow's that nobody knows. Returns 0, or -ENOENT.
 */
int cothon_hub_end(struct cothon_link *port, uint8_t transport, const struct cothon_endpoint *local,
		   const struct cothon_endpoint *remote);
/* Calls `each` for all flows of a member; it must not change them. */
void cothon_hub_flows(const struct cothon_link *port,
		      void (*each)(const struct cothon_hub_flow *flow, void *context),
		      void *context);
const struct cothon_hub_counters *cothon_hub_counters(const struct cothon_link *port);

#endif
