/* SPDX-License-Identifier: MIT */
#include "stack/stack.h"

#include "stack/ahead.h"
#include "stack/icmp.h"
#include "stack/ip.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/sender.h"
#include "stack/tcp/timers.h"
#include <errno.h>

/* Life */

static void fill_defaults(struct cothon_stack_config *config)
{
#define DEFAULT(field, value) config->field = config->field ? config->field : (value)
	DEFAULT(max_flows, 262144);
	DEFAULT(max_half_open, 4096);
	DEFAULT(max_receive, 4194304);
	DEFAULT(max_send, 4194304);
	DEFAULT(max_fragments, 4194304);
	DEFAULT(ephemeral_first, 49152);
	DEFAULT(ephemeral_last, 65535);
	DEFAULT(user_timeout, 924);
	DEFAULT(icmp_rate, 1000);
	DEFAULT(congestion, "cubic");
#undef DEFAULT
}

static int create_tables(struct cothon_stack *stack)
{
	const uint8_t *seed = stack->config.seed;
	struct cothon_siphash_key flows = cothon_siphash_key(seed, COTHON_KEY_FLOWS);
	struct cothon_siphash_key ephemeral = cothon_siphash_key(seed, COTHON_KEY_EPHEMERAL);
	struct cothon_siphash_key fragments = cothon_siphash_key(seed, COTHON_KEY_FRAGMENTS);
	struct cothon_siphash_key bindings = cothon_siphash_key(seed, COTHON_KEY_BINDINGS);

	stack->isn_key = cothon_siphash_key(seed, COTHON_KEY_ISN);
	stack->ident_key = cothon_siphash_key(seed, COTHON_KEY_IDENT);
	stack->timestamp_key = cothon_siphash_key(seed, COTHON_KEY_TIMESTAMP);
	cothon_random_init(&stack->random, seed, COTHON_KEY_RANDOM);
	cothon_fragments_init(&stack->fragments, &stack->memory, stack->pool, &fragments,
			      stack->config.max_fragments);
	stack->flows = cothon_flow_table_create(&stack->memory, &flows, stack->config.max_flows);
	stack->bindings = cothon_bindings_create(&stack->memory, &bindings);
	if (!stack->flows || !stack->bindings)
		return -ENOMEM;
	return cothon_ephemeral_create(&stack->memory, &ephemeral, stack->config.ephemeral_first,
				       stack->config.ephemeral_last, stack->config.reserved_ports,
				       stack->config.reserved_count, &stack->ephemeral);
}

int cothon_stack_create(const struct cothon_stack_config *config, struct cothon_stack **result)
{
	struct cothon_stack *stack = config->memory.alloc(config->memory.context, sizeof(*stack));
	int error;

	if (!stack)
		return -ENOMEM;
	*stack = (struct cothon_stack){
		.config = *config,
		.memory = config->memory,
		.link = config->link,
		.pool = config->pool,
		.now = config->now,
	};
	fill_defaults(&stack->config);
	stack->icmp_bucket = (struct cothon_bucket){stack->config.icmp_rate,
						    stack->config.icmp_rate, config->now};
	cothon_list_init(&stack->ready);
	cothon_list_init(&stack->time_wait);
	cothon_list_init(&stack->opening);
	cothon_list_init(&stack->answered);
	cothon_list_init(&stack->ended);
	cothon_list_init(&stack->grown);
	cothon_turns_init(&stack->turns, COTHON_TURN_QUANTUM);
	cothon_wheel_init(&stack->wheel, config->now);
	error = create_tables(stack);
	/* What the caller's memory holds is copied, or not looked at again. */
	stack->config.reserved_ports = NULL;
	if (!error && !cothon_congestion_find(stack->config.congestion))
		error = -EINVAL;
	if (error) {
		cothon_stack_destroy(stack);
		return error;
	}
	if (!stack->config.receive_budget)
		stack->config.receive_budget = cothon_pool_limit(stack->pool);
	*result = stack;
	return 0;
}

void cothon_stack_destroy(struct cothon_stack *stack)
{
	if (stack->flows) {
		cothon_tcp_destroy_all(stack);
		cothon_flow_table_destroy(stack->flows);
	}
	if (stack->bindings)
		cothon_bindings_destroy(stack->bindings);
	if (stack->ephemeral)
		cothon_ephemeral_destroy(stack->ephemeral);
	cothon_fragments_clear(&stack->fragments);
	stack->memory.free(stack->memory.context, stack, sizeof(*stack));
}

void *cothon_stack_alloc(struct cothon_stack *stack, size_t size)
{
	void *memory = stack->memory.alloc(stack->memory.context, size);

	if (!memory)
		stack->counters.memory_refused++;
	return memory;
}

void cothon_stack_free(struct cothon_stack *stack, void *memory, size_t size)
{
	stack->memory.free(stack->memory.context, memory, size);
}

const struct cothon_counters *cothon_stack_counters(const struct cothon_stack *stack)
{
	return &stack->counters;
}

struct cothon_usage cothon_stack_usage(const struct cothon_stack *stack)
{
	return (struct cothon_usage){
		.flows = cothon_flow_table_count(stack->flows),
		.half_open = stack->half_open,
		.receive_granted = stack->receive_granted,
		.fragments = stack->fragments.bytes,
		.buffers = cothon_pool_used(stack->pool),
	};
}

const struct cothon_stack_config *cothon_stack_config(const struct cothon_stack *stack)
{
	return &stack->config;
}

void cothon_stack_tell_time(struct cothon_stack *stack, uint64_t now)
{
	stack->now = now;
}

/* Addresses and bindings */

bool cothon_stack_has_address(const struct cothon_stack *stack, const struct cothon_addr *addr)
{
	for (unsigned i = 0; i < stack->address_count; i++) {
		if (cothon_addr_equal(&stack->addresses[i], addr))
			return true;
	}
	return false;
}

int cothon_stack_add_address(struct cothon_stack *stack, const struct cothon_addr *addr)
{
	if (!cothon_addr_is_unicast(addr))
		return -EINVAL;
	if (cothon_stack_has_address(stack, addr))
		return -EEXIST;
	if (stack->address_count == COTHON_MAX_ADDRESSES)
		return -ENOSPC;
	stack->addresses[stack->address_count++] = *addr;
	return 0;
}

const struct cothon_addr *cothon_stack_source(const struct cothon_stack *stack,
					      const struct cothon_addr *like)
{
	for (unsigned i = 0; i < stack->address_count; i++) {
		if (cothon_addr_is_ipv4(&stack->addresses[i]) == cothon_addr_is_ipv4(like))
			return &stack->addresses[i];
	}
	return NULL;
}

struct port_search {
	const struct cothon_bindings *bindings;
	uint8_t transport;
};

static bool port_is_free(void *context, uint16_t port)
{
	const struct port_search *search = context;

	return !cothon_bindings_hold(search->bindings, search->transport, port);
}

int cothon_stack_bind(struct cothon_stack *stack, struct cothon_binding *binding, uint8_t transport,
		      const struct cothon_endpoint *local,
		      const struct cothon_bind_options *options)
{
	static const struct cothon_bind_options none;
	const struct cothon_bind_options *with = options ? options : &none;
	struct port_search search = {stack->bindings, transport};
	struct cothon_endpoint nobody = {0};
	struct cothon_flow flow = cothon_flow_make(transport, local, &nobody);
	int error = 0;

	if (with->v6_only && cothon_addr_is_ipv4(&local->addr))
		return -EINVAL;
	if (!cothon_addr_is_any(&local->addr) && !cothon_stack_has_address(stack, &local->addr))
		return -EADDRNOTAVAIL;
	if (local->port != 0 && local->port < stack->config.unprivileged_first && !with->privileged)
		return -EACCES;
	*binding = (struct cothon_binding){
		.endpoint = *local,
		.transport = transport,
		.v6_only = with->v6_only,
		.reuse_address = with->reuse_address,
		.reuse_port = with->reuse_port,
	};
	cothon_list_init(&binding->node);
	if (local->port == 0)
		error = cothon_ephemeral_choose(stack->ephemeral, &flow, port_is_free, &search,
						&binding->endpoint.port);
	return error ? error : cothon_bindings_add(stack->bindings, binding);
}

void cothon_stack_unbind(struct cothon_stack *stack, struct cothon_binding *binding)
{
	cothon_bindings_remove(stack->bindings, binding);
	cothon_ephemeral_release_port(stack->ephemeral, binding->transport, binding->endpoint.port);
}

/* The rate of events */

bool cothon_bucket_take(struct cothon_bucket *bucket, uint64_t now)
{
	uint64_t earned = (now - bucket->filled_at) * bucket->rate / 1000000;

	if (earned > 0) {
		uint64_t sum = bucket->tokens + earned;

		bucket->tokens = sum < bucket->rate ? (uint32_t)sum : bucket->rate;
		bucket->filled_at += earned * 1000000 / bucket->rate;
	}
	if (bucket->tokens == 0)
		return false;
	bucket->tokens--;
	return true;
}

/* Driving it */

/*
 * Takes up to `most` frames from the link into `bufs`, whose number goes to *count; NULL stands for one that
 * is gone already. Returns 0, or what the link said.
 */
static int receive_some(struct cothon_stack *stack, struct cothon_buf **bufs, unsigned most,
			unsigned *count)
{
	for (*count = 0; *count < most; ++*count) {
		struct cothon_buf **buf = &bufs[*count];
		int error = cothon_link_receive(stack->link, stack->pool, buf);

		if (error && error != -EBADMSG && error != -EALREADY)
			return error;
		if (error)
			*buf = NULL;
		if (error == -EBADMSG)
			stack->counters.ip_bad_header++;
	}
	return 0;
}

int cothon_stack_receive(struct cothon_stack *stack, unsigned budget, uint64_t now)
{
	unsigned done = 0;

	while (done < budget) {
		bool ahead = cothon_flow_table_count(stack->flows) >= COTHON_AHEAD_FLOWS;
		unsigned left = budget - done, most = ahead ? COTHON_AHEAD : 1, count;
		struct cothon_buf *bufs[COTHON_AHEAD];
		int error;

		most = most < left ? most : left;
		error = receive_some(stack, bufs, most, &count);
		if (ahead)
			cothon_ahead(stack, bufs, count);
		for (unsigned i = 0; i < count; i++) {
			if (bufs[i])
				cothon_stack_input(stack, bufs[i], now);
		}
		if (error == -EAGAIN)
			return (int)(done + count);
		if (error)
			return error;
		done += count;
	}
	return (int)budget;
}

/* Sends in fair turns until nobody wants to, the link is busy, or the poll has sent its share. */
static void flush(struct cothon_stack *stack)
{
	uint64_t limit = stack->counters.bytes_out + COTHON_POLL_BYTES;
	struct cothon_turn *turn;

	stack->link_busy = false;
	if (stack->late_reset_count > 0 && !cothon_tcp_send_late_resets(stack))
		return;
	while (stack->counters.bytes_out < limit && (turn = cothon_turn_next(&stack->turns))) {
		struct cothon_tcp *tcp = cothon_container(turn, struct cothon_tcp, turn);
		uint64_t before = stack->counters.bytes_out;
		bool more = cothon_tcp_output(tcp, (uint32_t)turn->deficit);

		cothon_turn_done(&stack->turns, turn,
				 (uint32_t)(stack->counters.bytes_out - before), more);
		if (stack->link_busy)
			break;
	}
}

static uint64_t deadline(const struct cothon_stack *stack)
{
	uint64_t next = cothon_wheel_next(&stack->wheel);
	uint64_t fragments = cothon_fragments_deadline(&stack->fragments);

	if (!cothon_list_empty(&stack->ready))
		return stack->now;
	if (!cothon_list_empty(&stack->turns.fresh) || !cothon_list_empty(&stack->turns.old) ||
	    stack->late_reset_count > 0) {
		uint64_t again = stack->now + (stack->link_busy ? COTHON_LINK_RETRY : 0);

		next = again < next ? again : next;
	}
	return fragments < next ? fragments : next;
}

uint64_t cothon_stack_poll(struct cothon_stack *stack, uint64_t now)
{
	struct cothon_timer *timer;

	stack->now = now;
	stack->counters.memory_pressed += cothon_pool_pressed(stack->pool);
	while ((timer = cothon_wheel_expired(&stack->wheel, now)))
		cothon_tcp_timer(cothon_container(timer, struct cothon_tcp, timer));
	cothon_ip_expire_fragments(stack);
	cothon_tcp_deliver(stack);
	flush(stack);
	return deadline(stack);
}
