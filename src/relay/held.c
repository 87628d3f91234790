/* SPDX-License-Identifier: MIT */
#include "relay/held.h"

#include "relay/state.h"
#include <errno.h>
#include <stdlib.h>

struct held {
	struct cothon_list node;
	struct relay *relay;
	struct cothon_tcp *tcp;
	struct relay_timer timer;
};

static void forget(struct held *held)
{
	relay_disarm(held->relay, &held->timer);
	cothon_list_remove(&held->node);
	held->relay->held.count--;
	free(held);
}

static void refuse(struct held *held)
{
	struct cothon_tcp *tcp = held->tcp;

	forget(held);
	cothon_tcp_refuse(tcp, -EACCES);
}

static void time_is_over(struct relay *relay, struct relay_timer *timer)
{
	(void)relay;
	refuse(cothon_container(timer, struct held, timer));
}

/* The sandbox has given it up. */
static void news(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	if (!(events & COTHON_TCP_ENDED))
		return;
	forget(owner);
	cothon_tcp_close(tcp);
}

void relay_held_init(struct relay *relay)
{
	cothon_list_init(&relay->held.all);
}

void relay_held_finish(struct relay *relay)
{
	while (!cothon_list_empty(&relay->held.all))
		refuse(cothon_container(relay_take_first(&relay->held.all), struct held, node));
}

int relay_held_add(struct relay *relay, struct cothon_tcp *tcp)
{
	struct held *held;

	if (!relay->held.wanted || relay->draining || relay->held.count == RELAY_HELD_MAX)
		return -EACCES;
	held = malloc(sizeof(*held));
	if (!held)
		return -EACCES;
	*held = (struct held){.relay = relay, .tcp = tcp};
	relay_timer_init(&held->timer, time_is_over);
	cothon_list_append(&relay->held.all, &held->node);
	relay->held.count++;
	relay_arm(relay, &held->timer, RELAY_MILLISECONDS(RELAY_HELD_TIME));
	cothon_tcp_own(tcp, news, held);
	return 0;
}

void relay_hold_denied(struct relay *relay, bool hold)
{
	relay->held.wanted = hold;
	if (!hold)
		relay_held_finish(relay);
}

void relay_release_denied(struct relay *relay, const struct relay_denial *denial)
{
	struct cothon_flow flow;

	if (denial->transport != COTHON_TCP)
		return;
	flow = cothon_flow_make(COTHON_TCP, &denial->destination, &denial->source);
	for (struct cothon_list *node = relay->held.all.next; node != &relay->held.all;
	     node = node->next) {
		struct held *held = cothon_container(node, struct held, node);

		if (!cothon_flow_equal(cothon_tcp_flow(held->tcp), &flow))
			continue;
		relay->now = host_now();
		refuse(held);
		return;
	}
}
