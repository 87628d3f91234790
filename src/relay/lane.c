/* SPDX-License-Identifier: MIT */
#include "relay/lane.h"

#include "host/socket.h"
#include "relay/state.h"
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	/* Letters read in a round; the bell rings again for the others. */
	LETTERS = 64,
};

/* Rest */

/* What rests goes on when the round is over in which it was worked on. */
static uint64_t go_on(struct host_hook *hook, uint64_t now)
{
	struct relay_lanes *lanes = cothon_container(hook, struct relay_lanes, go_on);

	(void)now;
	host_loop_unhook(lanes->lane[0].relay->loop, hook);
	lanes->hooked = false;
	for (unsigned i = 1; i < lanes->count; i++) {
		if (lanes->lane[i].resting)
			sem_post(&lanes->lane[i].go);
		lanes->lane[i].resting = false;
	}
	return UINT64_MAX;
}

static void await(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0 && errno == EINTR)
		;
}

static void order(struct relay_lane *lane, enum relay_mail_kind kind)
{
	lane->order = (struct relay_mail){.kind = kind, .lent = true};
	relay_mailbox_put(&lane->mailbox, &lane->order);
}

void relay_lane_rest(const struct relay *relay)
{
	struct relay_lane *lane = relay->lane;
	struct relay_lanes *lanes;

	if (!lane || !lane->running || lane->resting)
		return;
	lanes = lane->lanes;
	order(lane, RELAY_MAIL_REST);
	await(&lane->answer);
	lane->resting = true;
	lane->relay->now = host_now();
	if (!lanes->hooked)
		host_loop_hook(lanes->lane[0].relay->loop, &lanes->go_on);
	lanes->hooked = true;
}

struct relay *relay_lane_after(const struct relay *relay)
{
	const struct relay_lane *lane = relay->lane;

	if (!lane || lane->index + 1 == lane->lanes->count)
		return NULL;
	lane++;
	relay_lane_rest(lane->relay);
	return lane->relay;
}

struct relay *relay_lane_first(struct relay *relay)
{
	return relay->lane ? relay->lane->lanes->lane[0].relay : relay;
}

/* Mail */

static void flow_ended(void *context, const struct relay_flow *flow)
{
	struct relay_lane *lane = context;
	struct relay_mail *mail = relay_mail_create(RELAY_MAIL_ENDED, sizeof(*flow));

	if (!mail)
		return;
	memcpy(relay_mail_bytes(mail), flow, sizeof(*flow));
	relay_mailbox_put(&lane->lanes->lane[0].mailbox, mail);
}

static void tell_ended(const struct relay *relay, struct relay_mail *mail)
{
	struct relay_flow flow;

	memcpy(&flow, relay_mail_bytes(mail), sizeof(flow));
	if (relay->measures.ended)
		relay->measures.ended(relay->measures.context, &flow);
}

static void take_letter(struct relay_lane *lane, struct relay_mail *mail)
{
	switch (mail->kind) {
	case RELAY_MAIL_CLIENT:
		relay_publisher_take_client(lane->relay, mail->fd, &mail->client, mail->inside);
		break;
	case RELAY_MAIL_ENDED:
		tell_ended(lane->relay, mail);
		break;
	case RELAY_MAIL_SHOWN:
		relay_lane_show(lane, mail);
		break;
	case RELAY_MAIL_REST:
		sem_post(&lane->answer);
		await(&lane->go);
		/* From now on the letter may be on its way again. */
		return;
	case RELAY_MAIL_STOP:
		host_loop_stop(lane->loop);
		break;
	case RELAY_MAIL_FRAME:
	case RELAY_MAIL_IDLE:
		/* It has made a round, and that is what it is for. */
		break;
	}
	relay_mail_free(mail);
}

static void bell_rings(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct relay_lane *lane = cothon_container(watch, struct relay_lane, bell);
	struct relay_mail *mail;

	(void)events;
	lane->relay->now = now;
	cothon_stack_tell_time(lane->relay->stack, now);
	for (unsigned i = 0; i < LETTERS && (mail = relay_mailbox_take_letter(&lane->mailbox)); i++)
		take_letter(lane, mail);
	relay_take_input(lane->relay);
}

void relay_lane_watch_bell(struct relay *relay, bool watch)
{
	if (relay->lane)
		host_loop_change(relay->loop, &relay->lane->bell, watch ? EPOLLIN : 0);
}

bool relay_lane_has_mail(const struct relay *relay)
{
	return relay->lane && atomic_load(&relay->lane->mailbox.frame_count) > 0;
}

uint64_t relay_lane_lost(const struct relay *relay)
{
	return relay->lane ? atomic_load(&relay->lane->mailbox.lost) : 0;
}

/* By a hash, so that the stack of one lane sees all that comes from an endpoint, and lets no two flows have it. */
static struct relay_lane *lane_of_client(struct relay_lanes *lanes,
					 const struct cothon_endpoint *client)
{
	const uint64_t words[] = {client->addr.q[0], client->addr.q[1], client->port};

	return &lanes->lane[cothon_siphash13_words(&lanes->key, words, 3) % lanes->count];
}

bool relay_lane_give_client(struct relay *relay, int fd, const struct cothon_endpoint *client,
			    uint16_t inside)
{
	struct relay_lane *lane;
	struct relay_mail *mail;

	if (!relay->lane)
		return false;
	lane = lane_of_client(relay->lane->lanes, client);
	mail = lane->running ? relay_mail_create(RELAY_MAIL_CLIENT, 0) : NULL;
	if (!mail)
		return false;
	mail->client = *client;
	mail->inside = inside;
	mail->fd = fd;
	relay->counters.tcp_failed += !relay_mailbox_put(&lane->mailbox, mail);
	return true;
}

/* Rounds */

/* Whoever waits for the last deliveries looks again. */
static void report_delivery(struct relay_lane *lane)
{
	if (!lane->relay->draining || lane->reported || relay_tcp_undelivered(lane->relay) > 0)
		return;
	lane->reported = true;
	lane->delivered = (struct relay_mail){.kind = RELAY_MAIL_IDLE, .lent = true};
	relay_mailbox_put(&lane->lanes->lane[0].mailbox, &lane->delivered);
}

void relay_lane_turn(struct relay *relay)
{
	struct relay_lane *lane = relay->lane;

	if (!lane)
		return;
	if (lane->index > 0)
		report_delivery(lane);
	else
		atomic_store_explicit(&lane->lanes->shown, lane->queue->tap != NULL,
				      memory_order_relaxed);
}

/* Threads */

static void *run(void *argument)
{
	struct relay_lane *lane = argument;
	char name[16];

	snprintf(name, sizeof(name), "cothon lane %u", lane->index);
	pthread_setname_np(pthread_self(), name);
	sem_post(&lane->answer);
	/* Other than by order it would end only if the loop's own descriptors were gone. */
	host_loop_run(lane->loop);
	return NULL;
}

int relay_start_lanes(struct relay *relay)
{
	struct relay_lanes *lanes = relay->lane ? relay->lane->lanes : NULL;
	sigset_t all, before;
	int error = 0;

	if (!lanes)
		return 0;
	/* A second arena of glibc's malloc(3) asks /proc before it shrinks, which is out of reach then. */
	mallopt(M_ARENA_MAX, 1);
	/* Signals are the first thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 1; error == 0 && i < lanes->count; i++) {
		struct relay_lane *lane = &lanes->lane[i];

		error = -pthread_create(&lane->thread, NULL, run, lane);
		lane->running = error == 0;
		if (lane->running)
			await(&lane->answer);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void stop(struct relay_lanes *lanes)
{
	if (lanes->hooked)
		go_on(&lanes->go_on, 0);
	for (unsigned i = 1; i < lanes->count; i++) {
		struct relay_lane *lane = &lanes->lane[i];

		if (!lane->running)
			continue;
		order(lane, RELAY_MAIL_STOP);
		pthread_join(lane->thread, NULL);
		lane->running = false;
	}
}

/* Life */

/*
 * The part that each lane has of what is bounded for all of them together. Growth of receive buffers each has in full: it
 * bounds what waits in front of one queue.
 */
static struct relay_limits share(const struct relay_limits *limits, unsigned lanes)
{
	struct relay_limits share = *limits;

	share.tcp_flows = (limits->tcp_flows + lanes - 1) / lanes;
	share.half_open = (limits->half_open + lanes - 1) / lanes;
	share.buffers = (limits->buffers + lanes - 1) / lanes;
	share.fragments = (limits->fragments + lanes - 1) / lanes;
	share.icmp_errors = (limits->icmp_errors + lanes - 1) / lanes;
	return share;
}

/* Makes the lane's own parts, around a queue that stays the caller's on an error. */
static int prepare(struct relay_lane *lane, struct cothon_link *queue)
{
	int error = relay_mailbox_open(&lane->mailbox);

	if (error < 0)
		return error;
	lane->queue = queue;
	lane->bell = (struct host_watch){.fd = lane->mailbox.fd, .ready = bell_rings};
	sem_init(&lane->answer, 0, 0);
	sem_init(&lane->go, 0, 0);
	relay_lane_link_init(lane);
	if (lane->index > 0)
		error = host_loop_create(&lane->loop);
	return error;
}

/* Ends a lane's relay; its queue only where `close_queue` says so. */
static void end(struct relay_lane *lane, bool close_queue)
{
	struct relay *relay = lane->relay;

	if (relay) {
		host_loop_remove(relay->loop, &lane->bell);
		if (!close_queue)
			relay->link = NULL;
		relay_destroy_one(relay);
	}
	if (lane->loop)
		host_loop_destroy(lane->loop);
	if (lane->bell.ready) {
		relay_mailbox_close(&lane->mailbox);
		sem_destroy(&lane->answer);
		sem_destroy(&lane->go);
	}
}

/* Makes one over config->link. */
static int make(struct relay_lane *lane, const struct relay_config *config)
{
	struct relay_config own = *config;
	int error = prepare(lane, config->link);

	own.link = &lane->link;
	if (lane->index > 0)
		own.loop = lane->loop;
	if (error == 0)
		error = relay_create_one(&own, lane, &lane->relay);
	if (error == 0)
		error = host_loop_add(own.loop, &lane->bell, EPOLLIN);
	if (error < 0)
		end(lane, false);
	return error;
}

int relay_lanes_create(const struct relay_config *config, struct relay **relay)
{
	const unsigned count = config->queue_count + 1;
	struct relay_limits limits = relay_limits_fill(&config->limits);
	struct relay_config each = *config;
	struct relay_lanes *lanes = calloc(1, sizeof(*lanes) + count * sizeof(struct relay_lane));
	unsigned made = 0;
	int error = 0;

	if (!lanes)
		return -ENOMEM;
	lanes->limits = limits;
	lanes->limits.receive_growth *= count;
	lanes->go_on.turn = go_on;
	lanes->count = count;
	each.limits = share(&limits, count);
	while (error == 0 && made < count) {
		struct relay_lane *lane = &lanes->lane[made];

		lane->lanes = lanes;
		lane->index = made;
		if (made > 0) {
			each.link = config->queues[made - 1].link;
			each.link_fd = config->queues[made - 1].fd;
		}
		error = make(lane, &each);
		made += error == 0;
	}
	if (error == 0) {
		*relay = lanes->lane[0].relay;
		lanes->key = cothon_siphash_key((*relay)->seed, RELAY_KEY_LANES);
		return 0;
	}
	while (made > 0)
		end(&lanes->lane[--made], false);
	free(lanes);
	return error;
}

void relay_lanes_destroy(struct relay *relay)
{
	struct relay_lanes *lanes = relay->lane->lanes;

	stop(lanes);
	for (unsigned i = lanes->count; i > 0; i--)
		end(&lanes->lane[i - 1], true);
	free(lanes);
}

void relay_lanes_measure(struct relay *relay, bool wanted)
{
	for (struct relay *lane = relay_lane_after(relay); lane; lane = relay_lane_after(lane)) {
		lane->measures.wanted = true;
		lane->measures.ended = wanted ? flow_ended : NULL;
		lane->measures.context = lane->lane;
	}
}
