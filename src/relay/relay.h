/* SPDX-License-Identifier: MIT */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

/*
 * The relay joins flows on a stack to sockets of the outside host: it is the stack's forwarder for
 * what the sandbox opens (TCP, UDP, echo), its DNS server, and the one that accepts on published
 * ports.
 */

#include "host/loop.h"
#include "host/steward.h"
#include "relay/limits.h"
#include <cothon/cothon.h>

/* One family's half of the network that a sandbox is in. */
struct relay_family {
	bool enabled;
	struct cothon_addr sandbox, gateway, dns;
	unsigned prefix; /* bits, in the family's own count */
};

struct relay_network {
	struct relay_family ipv4, ipv6;
	uint32_t mtu;
	/*
	 * Its prefixes are those of a neighbourhood: what else is in them is another sandbox, or nobody; and
	 * names are searched for among the neighbours first.
	 */
	bool shared;
};

/* 10.0.2.0/24 and fd00:c070::/64 with .100, .2 and .3, MTU 1500. */
struct relay_network relay_network_default(void);

struct relay_neighbourhood;

/* A queue of a device that has several. */
struct relay_queue {
	struct cothon_link *link; /* becomes the relay's */
	int fd;                   /* readable when it has input */
};

enum {
	RELAY_QUEUES_MAX = 16 /* of a device, the first one included */
};

struct relay_config {
	struct host_loop *loop;
	struct cothon_link *link; /* becomes the relay's */
	/*
	 * What to watch for the link's input: readable when it has some; -1: ask it in every round.
	 */
	int link_fd;
	/*
	 * With a device of several queues, `link` is the first, and these are the others: each is served by a
	 * thread of its own once relay_start_lanes() is called (lane.h). Not with a neighbourhood.
	 */
	const struct relay_queue *queues;
	unsigned queue_count; /* below RELAY_QUEUES_MAX */
	struct relay_network network;
	/*
	 * The gateway's address leads to the host's loopback (127.0.0.1, ::1) instead of nowhere.
	 */
	bool host_loopback;
	/*
	 * Resolvers to ask instead of the host's; NULL: those of resolv_conf, followed as it
	 * changes.
	 */
	const struct cothon_endpoint *resolvers;
	unsigned resolver_count;
	const char *resolv_conf; /* "/etc/resolv.conf" */
	/* Opens resolv_conf and binds what this process may not; NULL: there is none. Outlives the relay. */
	const struct host_steward *steward;
	/* What may be reached; copied. None: everything that is not closed to every sandbox. */
	const struct cothon_rule *rules;
	size_t rule_count;
	struct relay_limits limits; /* 0 takes the default of each */
	/*
	 * The sandboxes that it shares its network with (neighbour.h), and what they call it: a label such as
	 * "web". NULL: it is alone. The neighbourhood outlives the relay.
	 */
	struct relay_neighbourhood *neighbourhood;
	const char *neighbour_name;
};

/* What a publication links: `count` ports from `outside` up to as many from `inside` up. */
struct relay_publication {
	uint8_t transport; /* COTHON_TCP or COTHON_UDP */
	bool has_addr;     /* false: all addresses of the host, both families */
	struct cothon_addr addr;
	uint16_t outside, inside, count;
};

/* Why a publication failed: the port and address that it was about. */
struct relay_publish_error {
	int error; /* negative errno of socket, bind or listen */
	uint16_t port;
	struct cothon_addr addr;
};

struct relay;
struct cothon_list;

/* What a relay counts: name, and what one means. */
#define RELAY_COUNTERS(X)                                                              \
	X(no_socket, "times the host had no descriptor or memory for a socket")        \
	X(prohibited, "flows, datagrams and echo requests for a place that is closed") \
	X(tcp_out, "flows that the sandbox opened")                                    \
	X(tcp_in, "connections accepted on published ports")                           \
	X(tcp_failed, "flows whose other side could not be reached")                   \
	X(accept_paused, "times accepting rested for lack of descriptors")             \
	X(udp_out, "datagrams given to the host")                                      \
	X(udp_in, "datagrams taken from the host")                                     \
	X(udp_lost, "datagrams that the host did not take")                            \
	X(udp_unsolicited, "datagrams from the host's side that may not enter")        \
	X(udp_evicted, "mappings and peers that made room for newer ones")             \
	X(broadcast, "datagrams for a broadcast address")                              \
	X(errors_passed, "ICMP errors passed into the sandbox")                        \
	X(echo_out, "echo requests given to the host")                                 \
	X(echo_in, "echo replies taken from the host")                                 \
	X(echo_lost, "echo requests that the host did not take")                       \
	X(dns_queries, "DNS queries over UDP")                                         \
	X(dns_answers, "DNS answers passed on")                                        \
	X(dns_failed, "DNS queries that no resolver answered")                         \
	X(dns_dropped, "DNS queries dropped: malformed, or too many outstanding")      \
	X(dns_denied, "DNS queries for a name that may not be asked for")              \
	X(handed, "packets read by one thread that were another's, and handed on")     \
	X(handed_lost, "packets lost between threads, because one had too much to do")

struct relay_counters {
#define RELAY_COUNTER(name, text) uint64_t name;
	RELAY_COUNTERS(RELAY_COUNTER)
#undef RELAY_COUNTER
};

/*
 * Makes the stack and joins it to the loop. Returns 0, -ENOMEM, the errno of a call to the host, or
 * with a neighbourhood an error of relay_neighbour_join(); on an error the link stays the caller's.
 */
int relay_create(const struct relay_config *config, struct relay **relay);
/*
 * Starts the threads of all queues but the first, without signals; none when there is only one. To be called once,
 * when the process has given up what it does not need, and before host_loop_run(). Returns 0 or the error of
 * pthread_create(3).
 */
int relay_start_lanes(struct relay *relay);
void relay_destroy(struct relay *relay);
/*
 * Publishes all ports of a publication, or none. Returns 0, or a negative errno with *error filled
 * in: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EMFILE, -ENOMEM, -EAFNOSUPPORT for an address of a
 * family that is switched off inside, -ESHUTDOWN after relay_drain(), -EINVAL for ports that cannot
 * be.
 */
int relay_publish(struct relay *relay, const struct relay_publication *publication,
		  struct relay_publish_error *error);
/*
 * Removes a publication: its ports of the host are free when this returns; flows that came by them
 * go on. Returns 0, or -ENOENT for one that there is not.
 */
int relay_unpublish(struct relay *relay, const struct relay_publication *publication);
/*
 * From now on nobody is accepted on published TCP ports: whoever connects waits in the host's queue, and `wanted` is
 * called with the port inside that the first such client wants, once for each port, until relay_admit().
 */
void relay_hold(struct relay *relay, void (*wanted)(void *context, uint16_t inside), void *context);
/* Accepts on published ports again, those that wait first. */
void relay_admit(struct relay *relay);
/* Whether both link the same ports in the same way. */
bool relay_publication_equal(const struct relay_publication *a, const struct relay_publication *b);
/* Calls `each` for all publications, in the order in which they were made. */
void relay_publications(const struct relay *relay,
			void (*each)(const struct relay_publication *publication, void *context),
			void *context);

/* The same with how many connections each has accepted; none of UDP. */
void relay_publications_accepted(const struct relay *relay,
				 void (*each)(const struct relay_publication *publication,
					      uint64_t accepted, void *context),
				 void *context);

/*
 * Replaces the rules, all at once: the next packet meets the new ones, and open flows that they
 * forbid are closed. The rules are copied. Returns 0, -ENOMEM or -E2BIG; then the old ones stay.
 */
int relay_set_rules(struct relay *relay, const struct cothon_rule *rules, size_t count);
/* The rules as they are now; until the next relay_set_rules(). */
const struct cothon_rules *relay_rules(const struct relay *relay);

/* What decided that something was not let through. */
enum relay_denied_by {
	RELAY_DENIED_BY_RULE,   /* one that denies: `rule` */
	RELAY_DENIED_BY_NONE,   /* there are rules that allow, and none allows this */
	RELAY_DENIED_BY_NATURE, /* closed to every sandbox unless a rule names it */
	RELAY_DENIED_REBINDING, /* the name has only addresses that are closed */
};

/* A flow, datagram, echo request or DNS query that was not let through. */
struct relay_denial {
	uint64_t at; /* microseconds since 1970 */
	enum relay_denied_by by;
	uint8_t transport;                  /* COTHON_TCP, COTHON_UDP, or 0 for an echo request */
	bool query;                         /* a question for `name` */
	struct cothon_endpoint source;      /* as it is inside */
	struct cothon_endpoint destination; /* as it is inside */
	char name[COTHON_NAME_MAX + 1];     /* "" when none is known */
	struct cothon_rule rule;
};

enum {
	RELAY_DENIALS = 1024 /* that are kept, the newest */
};
/* The denials that are kept, from the one numbered `from` on (0: the first ever), oldest first. */
void relay_denials(const struct relay *relay, uint64_t from,
		   void (*each)(uint64_t number, const struct relay_denial *denial, void *context),
		   void *context);
enum {
	RELAY_DENIED_RULES = 64 /* rules whose denials are counted one by one */
};
/* How often something was not let through, by what. */
struct relay_denied_count {
	enum relay_denied_by by;
	/* RELAY_DENIED_BY_RULE; NULL: those that came after the first RELAY_DENIED_RULES. */
	const struct cothon_rule *rule;
	uint64_t count;
};
void relay_denied_counts(const struct relay *relay,
			 void (*each)(const struct relay_denied_count *count, void *context),
			 void *context);
/* Has `denied` called for each, as it happens. */
void relay_on_denied(struct relay *relay,
		     void (*denied)(void *context, const struct relay_denial *denial),
		     void *context);

/*
 * From now on denied TCP connections are answered only when they are released, after a second at the
 * latest, a few of them at a time: so their applications can be found.
 */
void relay_hold_denied(struct relay *relay, bool hold);
/* Has one answered that was held, as its denial tells it. */
void relay_release_denied(struct relay *relay, const struct relay_denial *denial);

/* What a relay knows of a flow (TCP) or mapping (UDP, echo). */
struct relay_flow {
	uint8_t transport;             /* COTHON_TCP, COTHON_UDP, or 0 for echo */
	bool published;                /* it came by a published port */
	bool neighbour;                /* with another sandbox, by the network they share */
	bool inward;                   /* with `neighbour`: the other end has opened it */
	struct cothon_endpoint inside; /* the application's */
	/* The other end as the application sees it; UDP and echo: any. */
	struct cothon_endpoint remote;
	char name[COTHON_NAME_MAX + 1]; /* of `remote`, "" when none is known */
	enum cothon_tcp_state state;    /* TCP */
	uint64_t opened_at;             /* microseconds of host_now() */
	uint64_t used_at;               /* UDP and echo: of the last packet out */
	uint64_t bytes_in, bytes_out;   /* payload, as the application sees it */
	uint64_t retransmits;
	uint32_t srtt; /* from the application to the far end, microseconds; 0: not known */
};
/* Those of UDP and echo, and those with neighbours. */
void relay_mappings(const struct relay *relay,
		    void (*each)(const struct relay_flow *flow, void *context), void *context);
/*
 * A walk through the TCP flows, some now and some in later rounds, while they come and go. It costs the relay nothing
 * until a flow ends.
 */
struct relay_walk {
	struct relay *relay;
	struct cothon_list *next;
	struct relay_walk *following; /* among the walks under way */
};
void relay_walk_begin(struct relay *relay, struct relay_walk *walk);
/* Tells the next flow; false: there is none. */
bool relay_walk_next(struct relay_walk *walk, struct relay_flow *flow);
/* Before the relay ends. */
void relay_walk_end(struct relay_walk *walk);
/*
 * All TCP flows at once: without `name` and the part of `srtt` that the host's kernel is asked for, this takes a
 * twentieth of the time that a walk takes.
 */
void relay_flows_brief(struct relay *relay,
		       void (*each)(const struct relay_flow *flow, void *context), void *context);
/* How many there are. */
struct relay_flow_count {
	size_t tcp, udp, echo;
};
struct relay_flow_count relay_flow_count(const struct relay *relay);
/* Whether there is a flow as a walk or relay_mappings() tells it; `remote` matters for TCP only. */
bool relay_flow_is(const struct relay *relay, unsigned transport,
		   const struct cothon_endpoint *inside, const struct cothon_endpoint *remote);
/*
 * Ends a flow. TCP: both sides are reset, and what is on its way is lost. UDP and echo: the mapping goes, and with it
 * the socket that answers come to; of a published port, only what its clients are remembered by. The next packet out
 * begins anew, if the rules let it. Returns 0, or -ENOENT when there is none.
 */
int relay_flow_end(struct relay *relay, unsigned transport, const struct cothon_endpoint *inside,
		   const struct cothon_endpoint *remote);

/*
 * Ends what the sandbox's end leaves behind: publications are closed and nothing new is accepted;
 * bytes that were acknowledged to the sandbox but not yet taken by a host's socket still go out.
 * Call once.
 */
void relay_drain(struct relay *relay);
/* How many flows still hold bytes that were acknowledged and not yet delivered outside. */
unsigned relay_undelivered(const struct relay *relay);
/*
 * Has `ended` called with the last figures of every TCP flow that was established, when it ends;
 * also from relay_destroy().
 */
void relay_observe(struct relay *relay,
		   void (*ended)(void *context, const struct cothon_tcp_info *info), void *context);
/* The name that an address has inside, in normal form, or NULL. */
const char *relay_name_of(const struct relay *relay, const struct cothon_addr *addr);
/* The stack; of a device with several queues, that of the first. */
struct cothon_stack *relay_stack(struct relay *relay);
/* What was counted by now. With several queues these are sums, which the next call changes. */
const struct relay_counters *relay_counters(const struct relay *relay);
const struct cothon_counters *relay_stack_counters(const struct relay *relay);
/* Whether the link has packets that nobody has taken yet. */
bool relay_link_waits(const struct relay *relay);

#endif
