/* SPDX-License-Identifier: MIT */
#include "relay/neighbour.h"

#include "relay/state.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

struct relay_neighbourhood {
	struct host_loop *loop;
	struct host_hook hook;
	struct cothon_hub *hub;
	struct cothon_list members;
};

/* Life */

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct relay_neighbourhood *neighbourhood =
		cothon_container(hook, struct relay_neighbourhood, hook);

	return cothon_hub_run(neighbourhood->hub, now);
}

int relay_neighbourhood_create(struct host_loop *loop, struct relay_neighbourhood **result)
{
	struct cothon_hub_config config = {.memory = cothon_memory_malloc, .now = host_now()};
	struct relay_neighbourhood *neighbourhood;
	int error;

	if (getrandom(config.seed, sizeof(config.seed), 0) < 0)
		return -errno;
	neighbourhood = calloc(1, sizeof(*neighbourhood));
	if (!neighbourhood)
		return -ENOMEM;
	error = cothon_hub_create(&config, &neighbourhood->hub);
	if (error) {
		free(neighbourhood);
		return error;
	}
	neighbourhood->loop = loop;
	cothon_list_init(&neighbourhood->members);
	neighbourhood->hook.turn = turn;
	host_loop_hook(loop, &neighbourhood->hook);
	*result = neighbourhood;
	return 0;
}

void relay_neighbourhood_destroy(struct relay_neighbourhood *neighbourhood)
{
	host_loop_unhook(neighbourhood->loop, &neighbourhood->hook);
	cothon_hub_destroy(neighbourhood->hub);
	free(neighbourhood);
}

/* Who is there */

static const struct relay *relay_of(const struct cothon_list *node)
{
	return cothon_container(node, struct relay, neighbour.node);
}

static const struct relay *find(const struct relay_neighbourhood *neighbourhood, const char *name)
{
	for (const struct cothon_list *node = neighbourhood->members.next;
	     node != &neighbourhood->members; node = node->next) {
		if (strcasecmp(relay_of(node)->neighbour.name, name) == 0)
			return relay_of(node);
	}
	return NULL;
}

static bool has_address(const struct relay *relay, const struct cothon_addr *addr)
{
	const struct relay_family *family = relay_network_family(&relay->policy.network, addr);

	return family->enabled && cothon_addr_equal(&family->sandbox, addr);
}

const char *relay_neighbour_name(const struct relay_neighbourhood *neighbourhood,
				 const struct cothon_addr *addr)
{
	if (!neighbourhood)
		return NULL;
	for (const struct cothon_list *node = neighbourhood->members.next;
	     node != &neighbourhood->members; node = node->next) {
		if (has_address(relay_of(node), addr))
			return relay_of(node)->neighbour.name;
	}
	return NULL;
}

bool relay_neighbour_find(const struct relay_neighbourhood *neighbourhood, const char *name,
			  bool ipv6, struct cothon_addr *addr)
{
	const struct relay *relay = find(neighbourhood, name);
	const struct relay_family *family;

	if (!relay)
		return false;
	family = ipv6 ? &relay->policy.network.ipv6 : &relay->policy.network.ipv4;
	*addr = family->enabled ? family->sandbox : (struct cothon_addr){0};
	return true;
}

bool relay_neighbour_is_name(const char *name)
{
	static const char domain[] = RELAY_NEIGHBOUR_DOMAIN;
	size_t len = strlen(name), tail = sizeof(domain) - 1;

	if (len < tail || strcasecmp(name + len - tail, domain) != 0)
		return false;
	return len == tail || name[len - tail - 1] == '.';
}

/* Joining */

/* Makes the whole name of a label. Returns 0 or -EINVAL. */
static int make_name(const char *label, char name[static COTHON_NAME_MAX + 1])
{
	char text[COTHON_NAME_MAX + 1];
	int len = snprintf(text, sizeof(text), "%s." RELAY_NEIGHBOUR_DOMAIN, label);

	if (len < 0 || (size_t)len >= sizeof(text) || strchr(label, '.'))
		return -EINVAL;
	return cothon_name_normalize(text, (size_t)len, name);
}

/* Whether the rules let the sandbox open a flow to another one's. */
static bool may_open(void *context, uint8_t transport, const struct cothon_endpoint *source,
		     const struct cothon_endpoint *destination)
{
	struct relay *relay = context;
	const struct relay_attempt attempt = {transport, *source, *destination};
	const char *name = relay_neighbour_name(relay->neighbour.neighbourhood, &destination->addr);
	struct relay_decision decision;

	if (name && relay_policy_decide_neighbour(&relay->policy, transport, name, destination,
						  &decision) == 0)
		return true;
	/* A new one goes up to the stack, and is refused there. */
	if (relay->neighbour.rechecking)
		relay_gate_keep(relay, &attempt, NULL, NULL);
	return false;
}

static int join_hub(struct relay *relay, struct relay_neighbourhood *neighbourhood)
{
	const struct relay_network *network = &relay->policy.network;
	struct cothon_addr addrs[2];
	struct cothon_hub_member member = {
		.device = relay->link,
		.addrs = addrs,
		.may_open = may_open,
		.context = relay,
	};

	if (network->ipv4.enabled)
		addrs[member.addr_count++] = network->ipv4.sandbox;
	if (network->ipv6.enabled)
		addrs[member.addr_count++] = network->ipv6.sandbox;
	return cothon_hub_join(neighbourhood->hub, &member, &relay->neighbour.port);
}

int relay_neighbour_join(struct relay *relay, const struct relay_config *config)
{
	struct relay_neighbour *neighbour = &relay->neighbour;
	int error;

	if (!config->neighbourhood)
		return 0;
	if (!config->neighbour_name)
		return -EINVAL;
	error = make_name(config->neighbour_name, neighbour->name);
	if (error)
		return error;
	if (find(config->neighbourhood, neighbour->name))
		return -EEXIST;
	error = join_hub(relay, config->neighbourhood);
	if (error)
		return error;
	neighbour->neighbourhood = config->neighbourhood;
	cothon_list_append(&config->neighbourhood->members, &neighbour->node);
	relay->policy.neighbourhood = config->neighbourhood;
	relay->policy.network.shared = true;
	relay->link = neighbour->port;
	return 0;
}

void relay_neighbour_leave(struct relay *relay)
{
	struct relay_neighbour *neighbour = &relay->neighbour;

	if (!neighbour->neighbourhood)
		return;
	cothon_list_remove(&neighbour->node);
	relay->link = cothon_hub_leave(neighbour->port);
	relay->policy.neighbourhood = NULL;
	neighbour->neighbourhood = NULL;
}

void relay_neighbour_tell(struct relay *relay)
{
	if (relay->neighbour.neighbourhood)
		cothon_hub_run(relay->neighbour.neighbourhood->hub, relay->now);
}

void relay_neighbour_recheck(struct relay *relay)
{
	if (!relay->neighbour.neighbourhood)
		return;
	relay->neighbour.rechecking = true;
	cothon_hub_recheck(relay->neighbour.port);
	relay->neighbour.rechecking = false;
}

/* What is seen */

struct view {
	const struct relay *relay;
	void (*each)(const struct relay_flow *flow, void *context);
	void *context;
};

static void show(const struct cothon_hub_flow *seen, void *context)
{
	const struct view *view = context;
	struct relay_flow flow = {
		.transport = seen->transport,
		.neighbour = true,
		.inward = !seen->opened,
		.inside = seen->local,
		.remote = seen->remote,
		.state = seen->state,
		.opened_at = seen->opened_at,
		.used_at = seen->used_at,
		.bytes_in = seen->bytes_in,
		.bytes_out = seen->bytes_out,
	};
	const char *name =
		relay_neighbour_name(view->relay->neighbour.neighbourhood, &seen->remote.addr);

	/* What is over is kept for stray segments alone. */
	if (seen->transport == COTHON_TCP &&
	    (seen->state == COTHON_TCP_TIME_WAIT || seen->state == COTHON_TCP_CLOSED))
		return;
	if (name)
		snprintf(flow.name, sizeof(flow.name), "%s", name);
	view->each(&flow, view->context);
}

void relay_neighbour_flows(const struct relay *relay,
			   void (*each)(const struct relay_flow *flow, void *context),
			   void *context)
{
	struct view view = {relay, each, context};

	if (relay->neighbour.neighbourhood)
		cothon_hub_flows(relay->neighbour.port, show, &view);
}

bool relay_neighbour_has(const struct relay *relay, unsigned transport,
			 const struct cothon_endpoint *inside, const struct cothon_endpoint *remote)
{
	struct cothon_hub_flow flow;

	return relay->neighbour.neighbourhood &&
	       cothon_hub_find(relay->neighbour.port, (uint8_t)transport, inside, remote, &flow);
}

void relay_neighbour_end(struct relay *relay, unsigned transport,
			 const struct cothon_endpoint *inside, const struct cothon_endpoint *remote)
{
	cothon_hub_end(relay->neighbour.port, (uint8_t)transport, inside, remote);
}

const struct cothon_hub_counters *relay_neighbour_counters(const struct relay *relay)
{
	return relay->neighbour.neighbourhood ? cothon_hub_counters(relay->neighbour.port) : NULL;
}
