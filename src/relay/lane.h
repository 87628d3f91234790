/* SPDX-License-Identifier: MIT */
#ifndef RELAY_LANE_H
#define RELAY_LANE_H

/*
 * Lanes: a device with several queues is served by as many threads. Each lane is a relay of its own, with a
 * stack, a loop and flows that no other thread touches, over one queue of the device.
 *
 * The first lane is the relay that everybody else knows, in the thread that made it, and does all that there is
 * little of: names, UDP, echo, what is denied, and publishing. The others take TCP flows to addresses: those that the
 * sandbox opens and the rules let through, as the kernel spreads them over the queues by a hash, and the clients of
 * published ports that the first gives them.
 *
 * A frame that a lane reads and that is not its own goes by mail (mailbox.h):
 *
 *	what the first lane does			to the first
 *	an ICMP error, which may be about any flow	to all others too
 *	a TCP segment of no flow that it has		to the next one, until all have been asked
 *
 * The kernel sends a flow to the queue that was last written to for it. It forgets that after three silent seconds,
 * and above 4096 flows, and goes by the hash again: so the last happens to flows that came from outside.
 *
 * When the first lane wants to look at another, or change it, that one rests: its thread waits until the round in
 * which it was asked to is over. Whatever is common is thus changed by one thread while no other runs.
 */

#include "base/siphash.h"
#include "relay/mailbox.h"
#include "relay/measure.h"
#include <pthread.h>
#include <semaphore.h>

struct relay_lanes;

struct relay_lane {
	struct relay_lanes *lanes;
	unsigned index;
	struct relay *relay;
	struct cothon_link link;   /* what its stack sees of the device */
	struct cothon_link *queue; /* of the device */
	bool mail_next;            /* the next frame is one of the mailbox, if there is any */
	struct relay_mailbox mailbox;
	struct host_watch bell; /* of the mailbox */
	/* All but the first: */
	struct host_loop *loop;
	pthread_t thread;
	bool running;
	bool resting;                /* for the first lane alone to know */
	sem_t answer, go;            /* "I rest", "go on" */
	struct relay_mail order;     /* REST or STOP */
	struct relay_mail delivered; /* IDLE, once */
	bool reported;
};

struct relay_lanes {
	unsigned count;
	struct relay_limits limits; /* of all together */
	atomic_bool shown;          /* somebody looks on at what passes the device */
	struct cothon_siphash_key key;
	struct host_hook go_on;
	bool hooked; /* some lane rests */
	/* Sums, as they were when somebody asked last. */
	struct relay_counters counters;
	struct cothon_counters stack_counters;
	struct relay_histogram delay;
	struct relay_lane lane[];
};

/*
 * relay_create() with config->queues: makes a relay for each lane; *relay is the first's. Errors are those of
 * relay_create(), and those of eventfd(2) and epoll_create1(2).
 */
int relay_lanes_create(const struct relay_config *config, struct relay **relay);
/* Ends all threads and the relays of all lanes. */
void relay_lanes_destroy(struct relay *relay);

/* The relay of the next lane, which rests until this round is over; NULL after the last. */
struct relay *relay_lane_after(const struct relay *relay);
/* Has the lane of a relay rest, unless it is the first, until this round is over. */
void relay_lane_rest(const struct relay *relay);
/* The relay of the first lane. */
struct relay *relay_lane_first(struct relay *relay);

/*
 * Gives a client of a published port to one of the other lanes. Returns false when the first is to take it, which
 * has it still.
 */
bool relay_lane_give_client(struct relay *relay, int fd, const struct cothon_endpoint *client,
			    uint16_t inside);
/* Stops and starts to listen for what other lanes mail. */
void relay_lane_watch_bell(struct relay *relay, bool watch);
/* The end of a round. */
void relay_lane_turn(struct relay *relay);
/* Whether packets wait that another lane has mailed. */
bool relay_lane_has_mail(const struct relay *relay);
/* What was lost on its way to this lane because too much waited. */
uint64_t relay_lane_lost(const struct relay *relay);
/* For relay_measure(): has the other lanes tell the first what flows have ended. */
void relay_lanes_measure(struct relay *relay, bool wanted);

/* lane_link.c: the device as the stack of a lane sees it */

void relay_lane_link_init(struct relay_lane *lane);
/* The forwarder's answer to a segment of no flow. */
bool relay_lane_stray(struct relay *relay, const struct cothon_buf *frame);
/* Shows the first lane's tap what another one has mailed. */
void relay_lane_show(const struct relay_lane *lane, struct relay_mail *mail);

#endif
