/* SPDX-License-Identifier: MIT */
#include "relay/way.h"

#include "relay/state.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Life */

static void lose_waiting(struct relay_way *way)
{
	while (way->waiting_count > 0) {
		struct relay_waiting *waiting = way->waiting[--way->waiting_count];

		way->mapping->relay->waiting -= waiting->datagram.len;
		free(waiting);
	}
}

static void forget(struct relay_way *way)
{
	struct relay *relay = way->mapping->relay;

	lose_waiting(way);
	relay_resolve_cancel(&way->waiter);
	if (way->known)
		cothon_flow_table_remove(relay->ways.origins, &way->origin);
	cothon_flow_table_remove(relay->ways.ways, &way->entry);
	if (way->name)
		relay_names_put(&relay->names, way->name);
	cothon_list_remove(&way->node);
	cothon_list_remove(&way->by_use);
	if (way->mapping->last_way == way)
		way->mapping->last_way = NULL;
	free(way);
}

static struct relay_way *oldest_way(const struct relay *relay)
{
	if (cothon_list_empty(&relay->ways.by_use))
		return NULL;
	return cothon_container(relay->ways.by_use.next, struct relay_way, by_use);
}

static struct relay_way *touch(struct relay_way *way)
{
	struct relay *relay = way->mapping->relay;

	way->used_at = relay->now;
	cothon_list_remove(&way->by_use);
	cothon_list_append(&relay->ways.by_use, &way->by_use);
	way->mapping->last_way = way;
	relay_udp_watch_idle(relay);
	return way;
}

static struct cothon_flow key_of(const struct relay_mapping *mapping,
				 const struct cothon_endpoint *other)
{
	struct cothon_endpoint inside = cothon_flow_local(&mapping->entry.flow);

	return cothon_flow_make(COTHON_UDP, other, &inside);
}

struct relay_way *relay_way_find(struct relay_mapping *mapping,
				 const struct cothon_endpoint *destination)
{
	struct cothon_flow key = key_of(mapping, destination);
	struct cothon_flow_entry *entry;

	if (cothon_list_empty(&mapping->ways))
		return NULL;
	if (mapping->last_way && cothon_flow_equal(&mapping->last_way->entry.flow, &key))
		return touch(mapping->last_way);
	entry = cothon_flow_table_find(mapping->relay->ways.ways, &key);
	return entry ? touch(cothon_container(entry, struct relay_way, entry)) : NULL;
}

static void resolved(struct relay_waiter *waiter);

struct relay_way *relay_way_open(struct relay_mapping *mapping,
				 const struct cothon_endpoint *destination,
				 const struct relay_passage *passage)
{
	struct relay *relay = mapping->relay;
	struct relay_way *way = calloc(1, sizeof(*way));

	if (!way)
		return NULL;
	if (cothon_flow_table_count(relay->ways.ways) >= relay->limits.udp_ways) {
		forget(oldest_way(relay));
		relay->counters.udp_evicted++;
		relay->met.udp_ways++;
	}
	way->entry.flow = key_of(mapping, destination);
	if (cothon_flow_table_insert(relay->ways.ways, &way->entry)) {
		free(way);
		return NULL;
	}
	way->mapping = mapping;
	way->name = passage->name ? relay_names_take(passage->name) : NULL;
	way->open = !passage->name;
	way->target = passage->target;
	relay_waiter_init(&way->waiter, resolved);
	cothon_list_append(&mapping->ways, &way->node);
	cothon_list_init(&way->by_use);
	return touch(way);
}

void relay_way_forget(struct relay_mapping *mapping)
{
	while (!cothon_list_empty(&mapping->ways))
		forget(cothon_container(relay_take_first(&mapping->ways), struct relay_way, node));
}

uint64_t relay_way_expire(struct relay *relay)
{
	struct relay_way *way;

	while ((way = oldest_way(relay))) {
		uint64_t deadline = way->used_at + RELAY_SECONDS(RELAY_UDP_IDLE);

		if (deadline > relay->now)
			return deadline;
		relay_take_first(&relay->ways.by_use);
		forget(way);
	}
	return COTHON_NEVER;
}

/* Names */

static struct relay_attempt attempt_of(const struct relay_way *way)
{
	return (struct relay_attempt){
		.transport = COTHON_UDP,
		.source = cothon_flow_remote(&way->entry.flow),
		.destination = cothon_flow_local(&way->entry.flow),
	};
}

/* Whether the host knows a route to an endpoint: UDP has no handshake that would find out. */
static bool has_route(const struct cothon_endpoint *endpoint)
{
	struct host_sockaddr to = host_sockaddr_make(endpoint, 0);
	int fd = host_socket_open(to.any.sa_family, SOCK_DGRAM, IPPROTO_UDP);
	bool found;

	if (fd < 0)
		return false;
	found = connect(fd, &to.any, to.len) == 0;
	close(fd);
	return found;
}

/*
 * Notes whom a named way's answers come from. Where two names of a mapping share a real endpoint,
 * it is the one that was opened last.
 */
static void remember_origin(struct relay_way *way)
{
	struct cothon_flow_table *origins = way->mapping->relay->ways.origins;
	struct cothon_flow_entry *other;

	way->origin.flow = key_of(way->mapping, &way->target);
	other = cothon_flow_table_find(origins, &way->origin.flow);
	if (other) {
		cothon_flow_table_remove(origins, other);
		cothon_container(other, struct relay_way, origin)->known = false;
	}
	way->known = cothon_flow_table_insert(origins, &way->origin) == 0;
}

/* The name is resolved: finds out where the way leads. Returns 0 or a negative errno. */
static int find_target(struct relay_way *way)
{
	struct cothon_endpoint list[2 * RELAY_NAME_ADDRESSES];
	struct relay_attempt attempt = attempt_of(way);
	int count = relay_gate_addresses(way->mapping->relay, &attempt, way->name, list);
	int at = 0;

	if (count < 0)
		return count;
	while (at < count && !has_route(&list[at]))
		at++;
	if (at == count)
		return -ENETUNREACH;
	way->target = list[at];
	way->open = true;
	remember_origin(way);
	return 0;
}

/* Tells the sender of what waits why it cannot go on, and forgets the way. */
static void give_up(struct relay_way *way, int error)
{
	struct relay *relay = way->mapping->relay;
	enum cothon_unreachable reason = COTHON_HOST_UNREACHABLE;

	if (error == -EACCES)
		reason = COTHON_PROHIBITED;
	for (unsigned i = 0; i < way->waiting_count; i++)
		cothon_stack_send_unreachable(relay->stack, NULL, reason, 0,
					      &way->waiting[i]->datagram);
	forget(way);
}

static void resolved(struct relay_waiter *waiter)
{
	struct relay_way *way = cothon_container(waiter, struct relay_way, waiter);
	int error = find_target(way);

	if (error) {
		give_up(way, error);
		return;
	}
	for (unsigned i = 0; i < way->waiting_count; i++)
		relay_udp_send_to(way->mapping, &way->target, &way->waiting[i]->datagram);
	lose_waiting(way);
	relay_udp_flush(way->mapping->relay);
}

static void keep_waiting(struct relay_way *way, const struct cothon_datagram *datagram)
{
	struct relay_waiting *waiting;

	if (way->waiting_count == RELAY_WAY_WAITING ||
	    !relay_may_wait(way->mapping->relay, datagram->len)) {
		way->mapping->relay->counters.udp_lost++;
		return;
	}
	waiting = malloc(sizeof(*waiting) + datagram->len);
	if (!waiting)
		return;
	waiting->datagram = *datagram;
	waiting->datagram.payload = waiting->payload;
	if (datagram->len)
		memcpy(waiting->payload, datagram->payload, datagram->len);
	way->waiting[way->waiting_count++] = waiting;
	way->mapping->relay->waiting += datagram->len;
}

void relay_way_send(struct relay_way *way, const struct cothon_datagram *datagram)
{
	if (way->open) {
		relay_udp_send_to(way->mapping, &way->target, datagram);
		return;
	}
	keep_waiting(way, datagram);
	if (cothon_list_empty(&way->waiter.node) &&
	    relay_resolve(way->mapping->relay, way->name, &way->waiter))
		resolved(&way->waiter);
}

bool relay_way_leads_to(const struct relay_mapping *mapping, const struct cothon_endpoint *visible)
{
	struct cothon_flow key;

	if (cothon_list_empty(&mapping->ways))
		return false;
	key = key_of(mapping, visible);
	return (mapping->last_way && cothon_flow_equal(&mapping->last_way->entry.flow, &key)) ||
	       cothon_flow_table_find(mapping->relay->ways.ways, &key);
}

bool relay_way_visible(const struct relay_mapping *mapping, const struct cothon_endpoint *real,
		       struct cothon_endpoint *visible)
{
	struct cothon_flow key;
	struct cothon_flow_entry *entry;

	if (cothon_list_empty(&mapping->ways))
		return false;
	key = key_of(mapping, real);
	entry = cothon_flow_table_find(mapping->relay->ways.origins, &key);
	if (!entry)
		return false;
	*visible =
		cothon_flow_local(&cothon_container(entry, struct relay_way, origin)->entry.flow);
	return true;
}

/* All ways */

void relay_way_recheck(struct relay *relay)
{
	struct cothon_list *node = relay->ways.by_use.next;

	while (node != &relay->ways.by_use) {
		struct relay_way *way = cothon_container(node, struct relay_way, by_use);
		struct relay_attempt attempt = attempt_of(way);

		node = node->next;
		if (!relay_gate_keep(relay, &attempt, way->name, way->open ? &way->target : NULL))
			forget(way);
	}
}

int relay_ways_init(struct relay *relay)
{
	struct cothon_siphash_key ways = cothon_siphash_key(relay->seed, RELAY_KEY_WAYS);
	struct cothon_siphash_key origins = cothon_siphash_key(relay->seed, RELAY_KEY_ORIGINS);
	uint32_t most = (uint32_t)relay->limits.udp_ways;

	cothon_list_init(&relay->ways.by_use);
	relay->ways.ways = cothon_flow_table_create(&cothon_memory_malloc, &ways, most);
	relay->ways.origins = cothon_flow_table_create(&cothon_memory_malloc, &origins, most);
	return relay->ways.ways && relay->ways.origins ? 0 : -ENOMEM;
}

void relay_ways_finish(struct relay *relay)
{
	if (relay->ways.ways)
		cothon_flow_table_destroy(relay->ways.ways);
	if (relay->ways.origins)
		cothon_flow_table_destroy(relay->ways.origins);
}
