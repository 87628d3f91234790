/* SPDX-License-Identifier: MIT */

/* What a relay shows of its flows. */

#include "relay/state.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

struct view {
	const struct relay *relay;
	void (*each)(const struct relay_flow *flow, void *context);
	void *context;
};

/* The one place where a flow gets the name that its destination was asked for by. */
static void give_name(const struct relay *relay, struct relay_flow *flow)
{
	const struct relay_name *name = relay_names_find(&relay->names, &flow->remote.addr);

	if (name)
		memcpy(flow->name, name->text, strlen(name->text) + 1);
}

const char *relay_name_of(const struct relay *relay, const struct cothon_addr *addr)
{
	const struct relay_name *name = relay_names_find(&relay->names, addr);

	return name ? name->text : NULL;
}

/* The round trip that the host's kernel has measured on its side, in microseconds; 0: none yet. */
static uint32_t round_trip(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_rtt;
}

static void show(const struct view *view, struct relay_flow *flow)
{
	give_name(view->relay, flow);
	view->each(flow, view->context);
}

/* What is known without asking the host's kernel. */
static void view_inside(const struct relay_tcp *tcp, struct relay_flow *flow)
{
	struct cothon_tcp_info info;

	cothon_tcp_info(tcp->tcp, &info);
	/* What the stack sends the application receives. */
	*flow = (struct relay_flow){
		.transport = COTHON_TCP,
		.published = tcp->inward,
		.inside = cothon_flow_remote(&info.flow),
		.remote = cothon_flow_local(&info.flow),
		.state = info.state,
		.opened_at = info.opened_at,
		.bytes_in = info.bytes_out,
		.bytes_out = info.bytes_in,
		.retransmits = info.retransmits,
		.srtt = info.srtt,
	};
}

bool relay_view_tcp(const struct relay_tcp *tcp, struct relay_flow *flow)
{
	if (!tcp->tcp)
		return false;
	view_inside(tcp, flow);
	if (tcp->outside_open)
		flow->srtt += round_trip(tcp->watch.fd);
	return true;
}

static void show_mapping(struct cothon_flow_entry *entry, void *context)
{
	const struct view *view = context;
	const struct relay_mapping *mapping = cothon_container(entry, struct relay_mapping, entry);
	struct relay_flow flow = {
		.transport = COTHON_UDP,
		.published = mapping->published,
		.inside = cothon_flow_local(&entry->flow),
		.state = COTHON_TCP_CLOSED,
		.opened_at = mapping->opened_at,
		.used_at = mapping->used_at,
		.bytes_in = mapping->bytes_in,
		.bytes_out = mapping->bytes_out,
	};

	show(view, &flow);
}

static void show_echo(struct cothon_flow_entry *entry, void *context)
{
	const struct view *view = context;
	const struct relay_echo *echo = cothon_container(entry, struct relay_echo, entry);
	struct relay_flow flow = {
		.inside = cothon_flow_local(&entry->flow),
		.state = COTHON_TCP_CLOSED,
		.opened_at = echo->opened_at,
		.used_at = echo->used_at,
		.bytes_in = echo->bytes_in,
		.bytes_out = echo->bytes_out,
	};

	show(view, &flow);
}

void relay_mappings(const struct relay *relay,
		    void (*each)(const struct relay_flow *flow, void *context), void *context)
{
	struct view view = {.relay = relay, .each = each, .context = context};

	cothon_flow_table_each(relay->udp.mappings, show_mapping, &view);
	cothon_flow_table_each(relay->echo.mappings, show_echo, &view);
	relay_neighbour_flows(relay, each, context);
}

/* Begins with the flows of a lane, which rests. */
static void enter(struct relay_walk *walk, struct relay *relay)
{
	walk->relay = relay;
	walk->next = relay->tcp.all.next;
	walk->following = relay->walks;
	relay->walks = walk;
}

static void leave(struct relay_walk *walk)
{
	struct relay_walk **link = &walk->relay->walks;

	while (*link && *link != walk)
		link = &(*link)->following;
	if (*link)
		*link = walk->following;
}

void relay_walk_begin(struct relay *relay, struct relay_walk *walk)
{
	enter(walk, relay);
}

/* Goes on with the flows of the next lane. Returns false when this was the last. */
static bool enter_next(struct relay_walk *walk)
{
	struct relay *next = relay_lane_after(walk->relay);

	if (!next)
		return false;
	leave(walk);
	enter(walk, next);
	return true;
}

/* The next flow that the sandbox knows of, or NULL. */
static const struct relay_tcp *step(struct relay_walk *walk)
{
	relay_lane_rest(walk->relay);
	do {
		while (walk->next != &walk->relay->tcp.all) {
			const struct relay_tcp *tcp =
				cothon_container(walk->next, struct relay_tcp, node);

			walk->next = walk->next->next;
			if (tcp->tcp)
				return tcp;
		}
	} while (enter_next(walk));
	return NULL;
}

bool relay_walk_next(struct relay_walk *walk, struct relay_flow *flow)
{
	const struct relay_tcp *tcp = step(walk);

	if (!tcp)
		return false;
	relay_view_tcp(tcp, flow);
	give_name(walk->relay, flow);
	return true;
}

void relay_walk_end(struct relay_walk *walk)
{
	relay_lane_rest(walk->relay);
	leave(walk);
}

void relay_flows_brief(struct relay *relay,
		       void (*each)(const struct relay_flow *flow, void *context), void *context)
{
	const struct relay_tcp *tcp;
	struct relay_walk walk;
	struct relay_flow flow;

	relay_walk_begin(relay, &walk);
	while ((tcp = step(&walk))) {
		view_inside(tcp, &flow);
		each(&flow, context);
	}
	relay_walk_end(&walk);
}

void relay_walk_leave(struct relay *relay, const struct relay_tcp *tcp)
{
	for (struct relay_walk *walk = relay->walks; walk; walk = walk->following) {
		if (walk->next == &tcp->node)
			walk->next = tcp->node.next;
	}
}

struct relay_flow_count relay_flow_count(const struct relay *relay)
{
	struct relay_flow_count count = {
		.udp = cothon_flow_table_count(relay->udp.mappings),
		.echo = cothon_flow_table_count(relay->echo.mappings),
	};

	for (const struct relay *lane = relay; lane; lane = relay_lane_after(lane)) {
		const struct cothon_list *all = &lane->tcp.all;

		for (const struct cothon_list *node = all->next; node != all; node = node->next)
			count.tcp++;
	}
	return count;
}

static struct relay_tcp *find_tcp(const struct relay *relay, const struct cothon_endpoint *inside,
				  const struct cothon_endpoint *remote)
{
	struct relay_tcp *found = NULL;

	for (const struct relay *lane = relay; lane && !found; lane = relay_lane_after(lane))
		found = relay_tcp_find(lane, inside, remote);
	return found;
}

bool relay_flow_is(const struct relay *relay, unsigned transport,
		   const struct cothon_endpoint *inside, const struct cothon_endpoint *remote)
{
	if (relay_neighbour_has(relay, transport, inside, remote))
		return true;
	if (transport == COTHON_TCP)
		return find_tcp(relay, inside, remote) != NULL;
	if (transport == COTHON_UDP)
		return relay_udp_find(relay, inside) != NULL;
	return relay_echo_find(relay, inside) != NULL;
}

int relay_flow_end(struct relay *relay, unsigned transport, const struct cothon_endpoint *inside,
		   const struct cothon_endpoint *remote)
{
	if (!relay_flow_is(relay, transport, inside, remote))
		return -ENOENT;
	relay->now = host_now();
	if (relay_neighbour_has(relay, transport, inside, remote))
		relay_neighbour_end(relay, transport, inside, remote);
	else if (transport == COTHON_TCP)
		relay_tcp_break(find_tcp(relay, inside, remote));
	else if (transport == COTHON_UDP)
		relay_udp_end(relay_udp_find(relay, inside));
	else
		relay_echo_end(relay_echo_find(relay, inside));
	return 0;
}
