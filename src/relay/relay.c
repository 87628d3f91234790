/* SPDX-License-Identifier: MIT */
#include "relay/relay.h"

#include "host/descriptors.h"
#include "relay/resolve.h"
#include "relay/state.h"
#include <cothon/service.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

enum {
	/* Frames read from the link before what they brought is worked on: while it is in the cache. */
	INPUT_BURST = 8,
	/* Small ones are read on up to so many bytes: datagrams for one call to the host. */
	INPUT_BYTES = 64 << 10,
	INPUT_BURSTS = 8,
	/* Milliseconds for which nothing is read when there is no memory for it. */
	INPUT_PAUSE = 10,
	/* Bytes of free packet buffers that are kept. */
	POOL_KEEP = 8 << 20,
};

/* The network */

static struct cothon_addr addr(const char *text)
{
	struct cothon_addr parsed = {0};

	cothon_addr_parse(text, &parsed);
	return parsed;
}

struct relay_network relay_network_default(void)
{
	return (struct relay_network){
		.ipv4 =
			{
				.enabled = true,
				.sandbox = addr("10.0.2.100"),
				.gateway = addr("10.0.2.2"),
				.dns = addr("10.0.2.3"),
				.prefix = 24,
			},
		.ipv6 =
			{
				.enabled = true,
				.sandbox = addr("fd00:c070::100"),
				.gateway = addr("fd00:c070::2"),
				.dns = addr("fd00:c070::3"),
				.prefix = 64,
			},
		.mtu = 1500,
	};
}

/* The stack's questions */

static int forward_tcp(void *context, struct cothon_tcp *tcp)
{
	return relay_tcp_forward(context, tcp);
}

static int forward_udp(void *context, const struct cothon_datagram *datagram)
{
	return relay_udp_forward(context, datagram);
}

static int forward_echo(void *context, const struct cothon_echo *echo)
{
	return relay_echo_forward(context, echo);
}

static bool forward_stray(void *context, const struct cothon_buf *frame)
{
	return relay_lane_stray(context, frame);
}

static const struct cothon_forwarder forwarder = {
	.tcp = forward_tcp,
	.udp = forward_udp,
	.echo = forward_echo,
	.stray = forward_stray,
};

/* Rounds */

/* The device is gone, and its descriptor would stay readable for ever. */
static void lose_link(struct relay *relay)
{
	relay->link_gone = true;
	if (relay->link_watched)
		host_loop_remove(relay->loop, &relay->link_watch);
	relay->link_watched = false;
}

/* Without memory for a frame it waits in the device's queue for a moment. */
static void pause_input(struct relay *relay)
{
	if (relay->link_watched)
		host_loop_change(relay->loop, &relay->link_watch, 0);
	relay_lane_watch_bell(relay, false);
	relay_arm(relay, &relay->link_pause, RELAY_MILLISECONDS(INPUT_PAUSE));
}

static void resume_input(struct relay *relay, struct relay_timer *timer)
{
	(void)timer;
	if (relay->link_watched)
		host_loop_change(relay->loop, &relay->link_watch, EPOLLIN);
	relay_lane_watch_bell(relay, true);
}

/*
 * Reads a burst of frames, or of small ones several. Returns what the last cothon_stack_receive()
 * said.
 */
static int receive(struct relay *relay)
{
	const struct cothon_counters *counters = cothon_stack_counters(relay->stack);
	const uint64_t end = counters->bytes_in + INPUT_BYTES;
	int frames;

	for (unsigned i = 0; i < INPUT_BURSTS; i++) {
		frames = cothon_stack_receive(relay->stack, INPUT_BURST, relay->now);
		if (frames != INPUT_BURST || counters->bytes_in >= end)
			break;
	}
	return frames;
}

bool relay_take_input(struct relay *relay)
{
	int frames;

	if (relay->link_gone)
		return false;
	relay_neighbour_tell(relay);
	frames = receive(relay);
	relay_udp_flush(relay);
	if (relay->measures.wanted && frames > 0 && relay->measures.read_at == 0)
		relay->measures.read_at = relay->now;
	if (frames == -ENOMEM)
		pause_input(relay);
	else if (frames < 0)
		lose_link(relay);
	return frames == INPUT_BURST;
}

static void link_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct relay *relay = cothon_container(watch, struct relay, link_watch);

	(void)events;
	relay->now = now;
	relay_take_input(relay);
}

static void run_timers(struct relay *relay)
{
	struct cothon_timer *timer;

	while ((timer = cothon_wheel_expired(&relay->wheel, relay->now))) {
		struct relay_timer *due = cothon_container(timer, struct relay_timer, timer);

		due->expired(relay, due);
	}
}

/* The end of a round: what its events have brought moves, and the stack sends what is due. */
static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct relay *relay = cothon_container(hook, struct relay, hook);
	uint64_t deadline, timers;
	bool more = false;

	relay->now = now;
	if (!relay->link_watched)
		more = relay_take_input(relay);
	run_timers(relay);
	relay_tcp_turn(relay);
	deadline = cothon_stack_poll(relay->stack, now);
	/* Also what the stack's news have left flows to move, beyond what fits their turn. */
	more |= relay_tcp_has_turns(relay);
	if (relay->measures.read_at > 0) {
		relay_histogram_add(&relay->measures.delay, host_now() - relay->measures.read_at);
		relay->measures.read_at = 0;
	}
	relay_lane_turn(relay);
	timers = cothon_wheel_next(&relay->wheel);
	if (more)
		return now;
	return deadline < timers ? deadline : timers;
}

/* Rules */

/* The lanes have one set together, the first's. */
static int make_rules(struct relay *relay, const struct cothon_rule *list, size_t count)
{
	int error = 0;

	if (!relay->lane || relay->lane->index == 0)
		error = cothon_rules_create(&cothon_memory_malloc, list, count, &relay->rules);
	if (!error)
		relay_policy_follow(&relay->policy,
				    relay->rules ? relay->rules : relay_lane_first(relay)->rules);
	return error;
}

int relay_set_rules(struct relay *relay, const struct cothon_rule *rules, size_t count)
{
	struct cothon_rules *old = relay->rules;
	int error = cothon_rules_create(&cothon_memory_malloc, rules, count, &relay->rules);

	if (error)
		return error;
	for (struct relay *lane = relay; lane; lane = relay_lane_after(lane)) {
		relay_policy_follow(&lane->policy, relay->rules);
		lane->now = host_now();
		relay_tcp_recheck(lane);
	}
	cothon_rules_destroy(old);
	relay_way_recheck(relay);
	relay_echo_recheck(relay);
	relay_neighbour_recheck(relay);
	return 0;
}

const struct cothon_rules *relay_rules(const struct relay *relay)
{
	return relay->rules;
}

/* Life */

static int add_addresses(struct relay *relay, const struct relay_family *family)
{
	int error;

	if (!family->enabled)
		return 0;
	error = cothon_stack_add_address(relay->stack, &family->gateway);
	if (error)
		return error;
	error = cothon_stack_add_address(relay->stack, &family->dns);
	/* One address may be both. */
	return error == -EEXIST ? 0 : error;
}

/*
 * What a lane opens by the gateway's address has a port that no other lane would choose: each has a part of the dynamic
 * ports.
 */
static void share_ports(const struct relay_lane *lane, struct cothon_stack_config *config)
{
	enum {
		PORTS = COTHON_PORT_LAST - COTHON_PORT_USER_LAST
	};
	unsigned share;

	if (!lane)
		return;
	share = PORTS / lane->lanes->count;
	config->ephemeral_first = (uint16_t)(COTHON_PORT_USER_LAST + 1 + lane->index * share);
	config->ephemeral_last = (uint16_t)(config->ephemeral_first + share - 1);
}

static int create_stack(struct relay *relay)
{
	const struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc,
		.limit = relay->limits.buffers,
		.keep = POOL_KEEP,
	};
	struct cothon_stack_config config = {
		.memory = cothon_memory_malloc,
		.link = relay->link,
		.now = relay->now,
		.forwarder = &forwarder,
		.context = relay,
		.max_flows = (uint32_t)relay->limits.tcp_flows,
		.max_half_open = (uint32_t)relay->limits.half_open,
		.max_receive = (uint32_t)relay->limits.flow_receive,
		.max_send = (uint32_t)relay->limits.flow_send,
		.receive_budget = relay->limits.receive_growth,
		.max_fragments = (uint32_t)relay->limits.fragments,
		.icmp_rate = (uint32_t)relay->limits.icmp_errors,
	};
	int error;

	share_ports(relay->lane, &config);
	if (getrandom(config.seed, sizeof(config.seed), 0) < 0 ||
	    getrandom(relay->seed, sizeof(relay->seed), 0) < 0)
		return -errno;
	cothon_random_init(&relay->random, relay->seed, RELAY_KEY_RANDOM);
	relay_names_init(&relay->names, relay->seed, RELAY_KEY_NAMES);
	relay->names.max = (uint32_t)relay->limits.names;
	relay->pool = config.pool = cothon_pool_create(&pool);
	if (!relay->pool)
		return -ENOMEM;
	error = cothon_stack_create(&config, &relay->stack);
	if (!error)
		error = add_addresses(relay, &relay->policy.network.ipv4);
	if (!error)
		error = add_addresses(relay, &relay->policy.network.ipv6);
	return error;
}

static int watch_link(struct relay *relay, int fd)
{
	int error;

	if (fd < 0)
		return 0;
	relay->link_watch = (struct host_watch){.fd = fd, .ready = link_ready};
	error = host_loop_add(relay->loop, &relay->link_watch, EPOLLIN);
	relay->link_watched = !error;
	return error;
}

int relay_create_one(const struct relay_config *config, struct relay_lane *lane,
		     struct relay **result)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int error;

	if (!relay)
		return -ENOMEM;
	relay->loop = config->loop;
	relay->link = config->link;
	relay->lane = lane;
	relay->steward = config->steward;
	relay->limits = relay_limits_fill(&config->limits);
	relay->descriptors = host_descriptors_limit();
	relay->policy.network = config->network;
	relay->policy.host_loopback = config->host_loopback;
	relay->now = host_now();
	cothon_wheel_init(&relay->wheel, relay->now);
	relay_tcp_init(relay);
	relay_held_init(relay);
	relay_queries_init(&relay->queries, config);
	relay_dns_init(relay);
	cothon_list_init(&relay->lookups);
	cothon_list_init(&relay->names.by_use);
	relay_publisher_init(relay);
	relay_timer_init(&relay->link_pause, resume_input);
	relay->hook.turn = turn;
	host_loop_hook(relay->loop, &relay->hook);

	error = relay_neighbour_join(relay, config);
	if (!error)
		error = create_stack(relay);
	if (!error)
		error = make_rules(relay, config->rules, config->rule_count);
	if (!error)
		error = relay_ways_init(relay);
	if (!error)
		error = relay_udp_init(relay);
	if (!error)
		error = relay_echo_init(relay);
	if (!error)
		error = relay_dns_listen(relay);
	if (!error)
		error = watch_link(relay, config->link_fd);
	if (error) {
		relay_neighbour_leave(relay);
		relay->link = NULL;
		relay_destroy_one(relay);
		return error;
	}
	*result = relay;
	return 0;
}

int relay_create(const struct relay_config *config, struct relay **relay)
{
	if (config->queue_count > 0)
		return relay_lanes_create(config, relay);
	return relay_create_one(config, NULL, relay);
}

void relay_destroy_one(struct relay *relay)
{
	relay_publisher_finish(relay);
	relay_dns_finish(relay);
	relay_echo_finish(relay);
	relay_held_finish(relay);
	relay_tcp_finish(relay);
	relay_udp_finish(relay);
	relay_ways_finish(relay);
	relay_resolve_finish(relay);
	relay_names_finish(&relay->names);
	relay_own_finish(&relay->own);
	relay_denials_finish(&relay->denials);
	cothon_rules_destroy(relay->rules);
	host_loop_unhook(relay->loop, &relay->hook);
	if (relay->link_watched)
		host_loop_remove(relay->loop, &relay->link_watch);
	if (relay->stack)
		cothon_stack_destroy(relay->stack);
	relay_neighbour_leave(relay);
	if (relay->pool)
		cothon_pool_destroy(relay->pool);
	if (relay->link)
		cothon_link_close(relay->link);
	free(relay);
}

void relay_destroy(struct relay *relay)
{
	if (relay->lane)
		relay_lanes_destroy(relay);
	else
		relay_destroy_one(relay);
}

void relay_drain(struct relay *relay)
{
	relay_held_finish(relay);
	relay_publisher_finish(relay);
	for (struct relay *lane = relay; lane; lane = relay_lane_after(lane)) {
		lane->draining = true;
		cothon_stack_tell_time(lane->stack, host_now());
		relay_tcp_drain(lane);
	}
}

unsigned relay_undelivered(const struct relay *relay)
{
	unsigned count = 0;

	for (const struct relay *lane = relay; lane; lane = relay_lane_after(lane))
		count += relay_tcp_undelivered(lane);
	return count;
}

bool relay_link_waits(const struct relay *relay)
{
	for (const struct relay *lane = relay; lane; lane = relay_lane_after(lane)) {
		struct pollfd queue = {.fd = lane->link_watch.fd, .events = POLLIN};

		if (relay_lane_has_mail(lane) || (lane->link_watched && poll(&queue, 1, 0) > 0))
			return true;
	}
	return false;
}

void relay_observe(struct relay *relay,
		   void (*ended)(void *context, const struct cothon_tcp_info *info), void *context)
{
	relay->ended = ended;
	relay->ended_context = context;
}

struct cothon_stack *relay_stack(struct relay *relay)
{
	return relay->stack;
}

/* Adds the words of `more` to those of `sum`, both `size` bytes of uint64_t. */
static void add_words(void *sum, const void *more, size_t size)
{
	uint64_t *to = sum;
	const uint64_t *from = more;

	for (size_t i = 0; i < size / sizeof(*to); i++)
		to[i] += from[i];
}

const struct relay_counters *relay_counters(const struct relay *relay)
{
	struct relay_counters *sum;

	if (!relay->lane)
		return &relay->counters;
	sum = &relay->lane->lanes->counters;
	*sum = (struct relay_counters){0};
	for (const struct relay *lane = relay; lane; lane = relay_lane_after(lane)) {
		add_words(sum, &lane->counters, sizeof(*sum));
		sum->handed_lost += relay_lane_lost(lane);
	}
	return sum;
}

const struct cothon_counters *relay_stack_counters(const struct relay *relay)
{
	struct cothon_counters *sum;

	if (!relay->lane)
		return cothon_stack_counters(relay->stack);
	sum = &relay->lane->lanes->stack_counters;
	*sum = (struct cothon_counters){0};
	for (const struct relay *lane = relay; lane; lane = relay_lane_after(lane))
		add_words(sum, cothon_stack_counters(lane->stack), sizeof(*sum));
	return sum;
}
