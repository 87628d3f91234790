/* SPDX-License-Identifier: MIT */
#ifndef COTHON_STACK_H
#define COTHON_STACK_H

/*
 * A stack: one instance of the protocol engine, with its own clock, ports and flows.
 *
 * It is driven from outside and does no input or output of its own: cothon_stack_input() takes packets
 * in, cothon_stack_poll() runs timers, tells owners of flows what happened and sends packets to the
 * link, and returns when it wants to be called again. Time is microseconds of any clock that never goes
 * back; a stack is used by one thread at a time.
 */

#include <cothon/addr.h>
#include <cothon/buf.h>
#include <cothon/link.h>

struct cothon_stack;
struct cothon_tcp;

/* "Never", for deadlines. */
#define COTHON_NEVER UINT64_MAX

enum {
	COTHON_SEED_LEN = 32
};

/* Why a packet cannot be delivered: each stands for the ICMP and the ICMPv6 message that says so. */
enum cothon_unreachable {
	COTHON_NET_UNREACHABLE,
	COTHON_HOST_UNREACHABLE,
	COTHON_PORT_UNREACHABLE,
	COTHON_PROTOCOL_UNREACHABLE,
	COTHON_PROHIBITED,
	COTHON_TOO_BIG,
	COTHON_HOPS_EXCEEDED,
	COTHON_REASSEMBLY_EXCEEDED,
};

/*
 * A UDP datagram, or, when gso_size is not 0, as many datagrams to one place as it takes to carry
 * `len` bytes in pieces of gso_size, the last one perhaps shorter.
 */
struct cothon_datagram {
	struct cothon_endpoint source, destination;
	const uint8_t *payload;
	size_t len;
	uint16_t gso_size;
	uint8_t hops; /* TTL or hop limit it arrived with */
	uint8_t traffic_class;
	bool dont_fragment;
};

/* An echo request (RFC 792, RFC 4443 section 4.1) to an address that is not the stack's own. */
struct cothon_echo {
	struct cothon_addr source, destination;
	uint16_t ident, sequence;
	const uint8_t *payload;
	size_t len;
	uint8_t hops;
};

/*
 * What a stack that plays the router asks when a packet is for nobody here: its answers come from
 * whoever knows the outside. Every function may be NULL; then the packet is answered as a host
 * answers for a closed port (RFC 9293 section 3.10.7.1, RFC 1122 section 3.2.2.1).
 * Payload pointers are valid during the call only.
 */
struct cothon_forwarder {
	/*
	 * A SYN has come for an endpoint without a binding. Returns 0 to hold it: `tcp` then is the
	 * forwarder's, which calls cothon_tcp_own() now and cothon_tcp_accept() or cothon_tcp_refuse() now
	 * or later. Otherwise a negative errno, with the meaning that cothon_tcp_refuse() gives it.
	 */
	int (*tcp)(void *context, struct cothon_tcp *tcp);
	/* A datagram for an endpoint without a binding. Same answer; 0 when it was taken. */
	int (*udp)(void *context, const struct cothon_datagram *datagram);
	/* An echo request for an address that is not the stack's own. */
	int (*echo)(void *context, const struct cothon_echo *echo);
	/*
	 * A TCP segment other than a SYN has come for no flow. Returns true when it is no matter of this
	 * stack: another one on the same link has the flow, or may have it; false has it answered by a
	 * reset. `frame` is the packet as the link gave it, or NULL when it came in fragments.
	 */
	bool (*stray)(void *context, const struct cothon_buf *frame);
};

/* Explicit congestion notification (RFC 3168), with the meaning of Linux's tcp_ecn 2, 0 and 1. */
enum cothon_ecn {
	COTHON_ECN_ACCEPT, /* where the peer asks for it */
	COTHON_ECN_OFF,
	COTHON_ECN_REQUEST, /* also asked for when opening a flow */
};

struct cothon_stack_config {
	struct cothon_memory memory;
	struct cothon_link *link; /* outlives the stack */
	struct cothon_pool *pool; /* outlives the stack */
	uint8_t seed[COTHON_SEED_LEN];
	uint64_t now;
	const struct cothon_forwarder *forwarder; /* NULL: a plain host */
	void *context;                            /* given to the forwarder */
	/* Bounds. 0 takes the default in brackets. */
	uint32_t max_flows; /* TCP flows, all states [262144] */
	/* Forwarded or listened-for flows not yet established; the oldest makes room [4096]. */
	uint32_t max_half_open;
	/* Bytes one flow may have received and not yet read [4194304]. */
	uint32_t max_receive;
	/*
	 * A flow's receive buffer begins with 65536 bytes and is given more as its owner reads; this is what
	 * all flows together are given beyond that [the pool's limit]. It bounds their memory, and what
	 * waits on a link whose other end sends as much as windows let it.
	 */
	size_t receive_budget;
	uint32_t max_send; /* bytes one flow may have written and not yet seen acknowledged [4194304] */
	uint32_t max_fragments;   /* bytes in incomplete datagrams [4194304] */
	uint16_t ephemeral_first; /* range of ports chosen for connections [49152] */
	uint16_t ephemeral_last;  /* [65535] */
	/*
	 * Ports of that range that are never chosen, only bound by number, as Linux's
	 * ip_local_reserved_ports; copied.
	 */
	const struct cothon_port_range *reserved_ports;
	size_t reserved_count;
	/*
	 * The first port that anybody may bind, as Linux's ip_unprivileged_port_start; below, binding
	 * is -EACCES without the privilege that the call is given. 1024 is the rule on most hosts [0]
	 */
	uint16_t unprivileged_first;
	uint32_t user_timeout; /* seconds unacknowledged data may wait, R2 of RFC 9293 3.8.3 [924] */
	uint32_t icmp_rate;    /* ICMP errors per second, RFC 1812 section 4.3.2.8 [1000] */
	/* The congestion control of new flows: "cubic" [default] or "newreno". */
	const char *congestion;
	uint8_t ecn; /* enum cothon_ecn: explicit congestion notification of new flows */
};

/*
 * How a port is bound, with the meaning that Linux gives it. Two bindings of one transport and port meet
 * when their addresses are equal or one is the wildcard that covers the other.
 */
struct cothon_bind_options {
	/*
	 * SO_REUSEADDR. UDP: bindings that meet may stand side by side when all have it, and the newest
	 * gets the packets. TCP: may listen although flows of an earlier listener at the port, which had
	 * this too, go on or are in TIME-WAIT.
	 */
	bool reuse_address;
	/* SO_REUSEPORT: bindings that meet may stand side by side when all have it, and share the flows. */
	bool reuse_port;
	/* IPV6_V6ONLY: the wildcard :: does not cover IPv4. */
	bool v6_only;
	/* CAP_NET_BIND_SERVICE: a port below `unprivileged_first` may be bound. */
	bool privileged;
};

/* What a stack counts: name, and what one means. */
#define COTHON_COUNTERS(X)                                                                \
	X(frames_in, "frames received")                                                   \
	X(bytes_in, "bytes received, headers included")                                   \
	X(frames_out, "frames sent")                                                      \
	X(bytes_out, "bytes sent, headers included")                                      \
	X(link_busy, "times the link took nothing")                                       \
	X(link_lost, "frames that the link lost")                                         \
	X(ip_bad_header, "packets with a malformed IP header")                            \
	X(ip_bad_checksum, "IPv4 headers with a wrong checksum")                          \
	X(ip_bad_address, "packets from or to an address that no host may use")           \
	X(ip_not_ours, "packets for an address that is not ours")                         \
	X(ip_hops_exceeded, "packets whose hop limit ended here")                         \
	X(ip_unknown_protocol, "packets of a protocol that is not spoken here")           \
	X(fragments_in, "fragments received")                                             \
	X(fragments_out, "fragments sent")                                                \
	X(reassembled, "datagrams put together from fragments")                           \
	X(reassembly_failed, "datagrams given up: late, overlapping, or over the bound")  \
	X(reassembly_evicted, "times incomplete datagrams made room for newer ones")      \
	X(icmp_in, "ICMP messages received")                                              \
	X(icmp_bad, "malformed ICMP messages")                                            \
	X(icmp_errors_out, "ICMP errors sent")                                            \
	X(icmp_errors_limited, "ICMP errors not sent for the rate limit")                 \
	X(echo_in, "echo requests received")                                              \
	X(udp_in, "UDP datagrams received")                                               \
	X(udp_out, "UDP datagrams sent")                                                  \
	X(udp_bad, "malformed UDP datagrams, or with a wrong checksum")                   \
	X(udp_no_port, "UDP datagrams for a port that nobody holds")                      \
	X(tcp_in, "TCP segments received")                                                \
	X(tcp_out, "TCP segments sent")                                                   \
	X(tcp_bad, "malformed TCP segments, or with a wrong checksum")                    \
	X(tcp_no_flow, "TCP segments that belong to no flow")                             \
	X(tcp_resets_out, "resets sent")                                                  \
	X(tcp_resets_in, "resets accepted")                                               \
	X(tcp_opened, "TCP flows that became established")                                \
	X(tcp_closed, "TCP flows that ended")                                             \
	X(tcp_refused, "TCP flows refused")                                               \
	X(tcp_half_open_dropped, "half-open flows given up, or SYNs dropped, for room")   \
	X(tcp_flows_refused, "TCP flows refused for the bound on flows")                  \
	X(tcp_retransmits, "segments sent again")                                         \
	X(tcp_timeouts, "retransmission time-outs")                                       \
	X(tcp_fast_recoveries, "times loss was found without a time-out")                 \
	X(tcp_tail_probes, "tail loss probes sent (RFC 8985)")                            \
	X(tcp_dsacks_in, "reports that something sent again arrived twice (RFC 2883)")    \
	X(tcp_undone, "losses that turned out to be none")                                \
	X(tcp_ecn_marks_in, "segments with text that a router marked for congestion")     \
	X(tcp_ecn_reductions, "times a peer told of congestion and a window was reduced") \
	X(tcp_black_holes, "times segments were made smaller for time-outs (RFC 4821)")   \
	X(tcp_out_of_order, "segments that arrived out of order")                         \
	X(tcp_out_of_order_dropped, "out-of-order segments dropped for the bound")        \
	X(tcp_duplicates, "segments that brought nothing new")                            \
	X(tcp_challenge_acks, "challenge ACKs sent (RFC 5961)")                           \
	X(tcp_paws_dropped, "segments dropped for an old timestamp or none (RFC 7323)")   \
	X(memory_pressed, "polls that found more in buffers than their bound")            \
	X(memory_refused, "times memory was refused")

struct cothon_counters {
#define COTHON_COUNTER(name, text) uint64_t name;
	COTHON_COUNTERS(COTHON_COUNTER)
#undef COTHON_COUNTER
};

/*
 * Makes a stack in *stack. The config is copied, what it points to is not. Returns 0, -ENOMEM, or
 * -EINVAL for a range of ports that is empty or reaches below 1024, a reserved range that is empty, or an
 * unknown congestion control.
 */
int cothon_stack_create(const struct cothon_stack_config *config, struct cothon_stack **stack);
/* Ends a stack: flows are dropped without a word to their peers or owners. */
void cothon_stack_destroy(struct cothon_stack *stack);

/*
 * Gives the stack an address of its own: it answers echo there and bindings may use it. The first of
 * each family is the source of what the stack sends in its own name. Returns 0, -EINVAL for an address
 * that is not unicast, -EEXIST, or -ENOSPC beyond 16 addresses.
 */
int cothon_stack_add_address(struct cothon_stack *stack, const struct cothon_addr *addr);
bool cothon_stack_has_address(const struct cothon_stack *stack, const struct cothon_addr *addr);

/*
 * Tells the time before calls that are made between polls: connections that they open or change count from then. Input
 * and polls tell it themselves.
 */
void cothon_stack_tell_time(struct cothon_stack *stack, uint64_t now);
/*
 * Takes one packet that a link received; `buf` becomes the stack's. Nothing is sent and no owner is
 * called before the next poll, except the forwarder, at once.
 */
void cothon_stack_input(struct cothon_stack *stack, struct cothon_buf *buf, uint64_t now);
/*
 * Reads at most `budget` frames from the stack's link and takes them in. Returns how many were read; a
 * number below budget means that the link has no more now; or the link's error.
 */
int cothon_stack_receive(struct cothon_stack *stack, unsigned budget, uint64_t now);
/*
 * Runs what is due: timers, then handlers of flows to which something happened, then output in fair
 * turns, for about `COTHON_POLL_BYTES` at most. Returns when it is to be called again at the latest: `now` when there
 * is more to do at once, COTHON_NEVER when nothing is pending.
 */
uint64_t cothon_stack_poll(struct cothon_stack *stack, uint64_t now);

const struct cothon_counters *cothon_stack_counters(const struct cothon_stack *stack);

/* How much of what is bounded is in use. */
struct cothon_usage {
	uint32_t flows, half_open;
	uint64_t receive_granted; /* of receive_budget */
	size_t fragments;         /* bytes */
	size_t buffers;           /* bytes of the pool */
};

struct cothon_usage cothon_stack_usage(const struct cothon_stack *stack);
/* The configuration that the stack was made with, defaults filled in. */
const struct cothon_stack_config *cothon_stack_config(const struct cothon_stack *stack);

/*
 * Sends a datagram from any source (a router forwards for others). Larger ones than the link's MTU are
 * fragmented unless dont_fragment is set. Returns 0; -EMSGSIZE when it does not fit an IP packet, or
 * not the MTU with dont_fragment; -EINVAL when the families differ or gso_size is over the MTU; or the
 * link's error. `payload` is the caller's.
 */
int cothon_stack_send_datagram(struct cothon_stack *stack, const struct cothon_datagram *datagram);
/* Answers an echo request in the name of its destination. Returns 0 or the link's error. */
int cothon_stack_send_echo_reply(struct cothon_stack *stack, const struct cothon_echo *echo);
/*
 * Tells the sender of a datagram (source and the first bytes of its payload as far as they are
 * known) why it was not delivered. `from` is who says so: NULL for the stack's own address. `mtu` is for
 * COTHON_TOO_BIG. Subject to the rate limit. Returns 0, -EBUSY when limited, or the link's error.
 */
int cothon_stack_send_unreachable(struct cothon_stack *stack, const struct cothon_addr *from,
				  enum cothon_unreachable reason, uint32_t mtu,
				  const struct cothon_datagram *about);
/* The same about an echo request. */
int cothon_stack_send_echo_unreachable(struct cothon_stack *stack, const struct cothon_addr *from,
				       enum cothon_unreachable reason, uint32_t mtu,
				       const struct cothon_echo *about);

#endif
