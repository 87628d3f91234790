/* SPDX-License-Identifier: MIT */
#include "relay/state.h"

#include "base/bytes.h"
#include "relay/reason.h"
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	/* Type, code, checksum, identifier, sequence number: the same in both families. */
	HEADER = 8,
	SEQUENCE_AT = 6,
	/* A larger message is in no IP packet. */
	MESSAGE_MAX = 65535,
	/* Messages taken from a socket at a time; the event comes again for the others. */
	MESSAGES_MAX = 16,
};

static bool is_ipv4(const struct relay_echo *mapping)
{
	struct cothon_addr inside = mapping->entry.flow.local;

	return cothon_addr_is_ipv4(&inside);
}

/* From the host */

/* A real address as the sandbox knows it. */
static struct cothon_addr visible(const struct relay_echo *mapping, const struct cothon_addr *real)
{
	bool named = mapping->name && cothon_addr_equal(&mapping->real, real);

	return named ? mapping->named : *real;
}

/* The request that an ICMP error is about, as far as its beginning is there. */
static bool quoted_request(const struct relay_echo *mapping, const struct host_socket_error *error,
			   struct cothon_echo *about)
{
	struct cothon_endpoint inside = cothon_flow_local(&mapping->entry.flow);

	if (error->len < HEADER)
		return false;
	*about = (struct cothon_echo){
		.source = inside.addr,
		.destination = visible(mapping, &error->destination.addr),
		.ident = inside.port,
		.sequence = cothon_get16(error->payload + SEQUENCE_AT),
		.payload = error->payload + HEADER,
		.len = error->len - HEADER,
	};
	return true;
}

static void pass_errors(struct relay_echo *mapping)
{
	struct relay *relay = mapping->relay;
	struct host_socket_error error;

	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		enum cothon_unreachable reason;
		struct cothon_echo about;

		if (host_socket_take_error(mapping->watch.fd, &error)) {
			/* An error without an entry in the queue is taken by itself. */
			host_socket_error(mapping->watch.fd);
			return;
		}
		if (relay_reason_of_icmp(&error, &reason) &&
		    quoted_request(mapping, &error, &about) &&
		    cothon_stack_send_echo_unreachable(
			    relay->stack,
			    cothon_addr_is_any(&error.offender) ? NULL : &error.offender, reason,
			    error.info, &about) == 0)
			relay->counters.errors_passed++;
	}
}

/*
 * Whether who sent a reply may do so: it is the destination of a name, or its own address may be
 * reached, and is none that exists only inside.
 */
static bool may_reply(const struct relay_echo *mapping, const struct cothon_addr *real)
{
	const struct relay *relay = mapping->relay;

	if (mapping->name && cothon_addr_equal(&mapping->real, real))
		return true;
	return !relay_network_inside(&relay->policy.network, real) &&
	       relay_gate_may_enter(relay, 0, &(struct cothon_endpoint){*real, 0});
}

static void pass_reply(struct relay_echo *mapping, const struct host_sockaddr *from,
		       const uint8_t *message, size_t len)
{
	struct cothon_endpoint inside = cothon_flow_local(&mapping->entry.flow);
	struct cothon_addr real = host_sockaddr_endpoint(from).addr;
	struct cothon_echo reply = {
		.source = inside.addr,
		.destination = visible(mapping, &real),
		.ident = inside.port,
	};

	if (len < HEADER || message[0] != (is_ipv4(mapping) ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) ||
	    !may_reply(mapping, &real))
		return;
	reply.sequence = cothon_get16(message + SEQUENCE_AT);
	reply.payload = message + HEADER;
	reply.len = len - HEADER;
	mapping->relay->counters.echo_in++;
	mapping->bytes_in += reply.len;
	cothon_stack_send_echo_reply(mapping->relay->stack, &reply);
}

static void socket_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct relay_echo *mapping = cothon_container(watch, struct relay_echo, watch);
	uint8_t message[MESSAGE_MAX];

	mapping->relay->now = now;
	if (events & EPOLLERR)
		pass_errors(mapping);
	for (unsigned i = 0; (events & EPOLLIN) && i < MESSAGES_MAX; i++) {
		struct host_sockaddr from = {.len = sizeof(from.in6)};
		ssize_t len = recvfrom(watch->fd, message, sizeof(message), MSG_DONTWAIT, &from.any,
				       &from.len);

		if (len < 0)
			return;
		pass_reply(mapping, &from, message, (size_t)len);
	}
}

/* Mappings */

static void lose_waiting(struct relay_echo *mapping)
{
	if (!mapping->waiting)
		return;
	mapping->relay->waiting -= mapping->waiting->len;
	free(mapping->waiting);
	mapping->waiting = NULL;
}

/* Forgets the destination that has a name. */
static void forget_name(struct relay_echo *mapping)
{
	if (!mapping->name)
		return;
	relay_resolve_cancel(&mapping->waiter);
	relay_names_put(&mapping->relay->names, mapping->name);
	mapping->name = NULL;
	mapping->real = (struct cothon_addr){0};
	lose_waiting(mapping);
}

static void destroy(struct relay_echo *mapping)
{
	struct relay *relay = mapping->relay;

	forget_name(mapping);
	host_loop_remove(relay->loop, &mapping->watch);
	close(mapping->watch.fd);
	cothon_flow_table_remove(relay->echo.mappings, &mapping->entry);
	cothon_list_remove(&mapping->by_use);
	free(mapping);
}

static int open_socket(bool ipv4)
{
	int fd = host_socket_open(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM,
				  ipv4 ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6);

	if (fd >= 0 && ipv4)
		host_socket_set(fd, SOL_IP, IP_RECVERR, 1);
	else if (fd >= 0)
		host_socket_set(fd, SOL_IPV6, IPV6_RECVERR, 1);
	return fd;
}

static void resolved(struct relay_waiter *waiter);

static int create(struct relay *relay, const struct cothon_flow *key, int fd,
		  struct relay_echo **result)
{
	struct relay_echo *mapping = calloc(1, sizeof(*mapping));
	int error;

	if (!mapping)
		return -ENOMEM;
	mapping->entry.flow = *key;
	mapping->watch = (struct host_watch){.fd = fd, .ready = socket_ready};
	mapping->relay = relay;
	mapping->hops = -1;
	relay_waiter_init(&mapping->waiter, resolved);
	mapping->opened_at = relay->now;
	cothon_list_init(&mapping->by_use);
	error = cothon_flow_table_insert(relay->echo.mappings, &mapping->entry);
	if (error) {
		free(mapping);
		return error;
	}
	error = host_loop_add(relay->loop, &mapping->watch, EPOLLIN);
	if (error) {
		cothon_flow_table_remove(relay->echo.mappings, &mapping->entry);
		free(mapping);
		return error;
	}
	*result = mapping;
	return 0;
}

static struct cothon_flow key_of(const struct cothon_endpoint *inside)
{
	const struct cothon_endpoint anybody = {0};

	return cothon_flow_make(COTHON_UDP, inside, &anybody);
}

struct relay_echo *relay_echo_find(const struct relay *relay, const struct cothon_endpoint *inside)
{
	struct cothon_flow key = key_of(inside);
	struct cothon_flow_entry *entry = cothon_flow_table_find(relay->echo.mappings, &key);

	return entry ? cothon_container(entry, struct relay_echo, entry) : NULL;
}

void relay_echo_end(struct relay_echo *mapping)
{
	destroy(mapping);
}

/* Finds or makes the mapping of an address and identifier. */
static int obtain(struct relay *relay, const struct cothon_echo *echo, struct relay_echo **mapping)
{
	const struct cothon_endpoint inside = {echo->source, echo->ident};
	const struct cothon_endpoint anybody = {0};
	struct cothon_flow key = cothon_flow_make(COTHON_UDP, &inside, &anybody);
	struct cothon_flow_entry *entry = cothon_flow_table_find(relay->echo.mappings, &key);
	int error, fd;

	if (entry) {
		*mapping = cothon_container(entry, struct relay_echo, entry);
		return 0;
	}
	if (cothon_flow_table_count(relay->echo.mappings) >= relay->limits.echo_mappings) {
		destroy(cothon_container(relay->echo.by_use.next, struct relay_echo, by_use));
		relay->met.echo_mappings++;
	}
	fd = open_socket(cothon_addr_is_ipv4(&echo->source));
	if (fd < 0)
		return fd;
	error = create(relay, &key, fd, mapping);
	if (error)
		close(fd);
	return error;
}

static void touch(struct relay_echo *mapping)
{
	struct relay *relay = mapping->relay;

	mapping->used_at = relay->now;
	cothon_list_remove(&mapping->by_use);
	cothon_list_append(&relay->echo.by_use, &mapping->by_use);
	if (!cothon_timer_armed(&relay->echo.expiry.timer))
		relay_arm(relay, &relay->echo.expiry, RELAY_SECONDS(RELAY_ECHO_IDLE));
}

static void expiry(struct relay *relay, struct relay_timer *timer)
{
	while (!cothon_list_empty(&relay->echo.by_use)) {
		struct relay_echo *mapping =
			cothon_container(relay->echo.by_use.next, struct relay_echo, by_use);
		uint64_t deadline = mapping->used_at + RELAY_SECONDS(RELAY_ECHO_IDLE);

		if (deadline > relay->now) {
			relay_arm(relay, timer, deadline - relay->now);
			return;
		}
		relay_take_first(&relay->echo.by_use);
		destroy(mapping);
	}
}

/* From the sandbox */

/*
 * Sends a request to `target`; the kernel fills in identifier and checksum. Returns 0 or a negative
 * errno.
 */
static int send_request(struct relay_echo *mapping, const struct cothon_echo *echo,
			const struct cothon_addr *target)
{
	const struct cothon_endpoint destination = {*target, 0};
	struct host_sockaddr to = host_sockaddr_make(&destination, 0);
	uint8_t header[HEADER] = {is_ipv4(mapping) ? ICMP_ECHO : ICMP6_ECHO_REQUEST};
	struct iovec iov[2] = {
		{header, sizeof(header)},
		{(void *)(uintptr_t)echo->payload, echo->len},
	};
	struct msghdr message = {
		.msg_name = &to.any, .msg_namelen = to.len, .msg_iov = iov, .msg_iovlen = 2};

	cothon_put16(header + SEQUENCE_AT, echo->sequence);
	/*
	 * The first failure may be an error of an earlier request that the kernel tells only now.
	 */
	for (unsigned tries = 0; tries < 2; tries++) {
		if (sendmsg(mapping->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
	}
	return -errno;
}

static void set_hops(struct relay_echo *mapping, uint8_t hops)
{
	int onward = hops > 1 ? hops - 1 : 1;

	if (mapping->hops == onward)
		return;
	mapping->hops = onward;
	if (is_ipv4(mapping))
		host_socket_set(mapping->watch.fd, SOL_IP, IP_TTL, onward);
	else
		host_socket_set(mapping->watch.fd, SOL_IPV6, IPV6_UNICAST_HOPS, onward);
}

/* Sends a request, with what the sandbox is told when that fails. Returns 0 or a negative errno. */
static int send_out(struct relay_echo *mapping, const struct cothon_echo *echo,
		    const struct cothon_addr *target)
{
	struct relay *relay = mapping->relay;
	enum cothon_unreachable reason;
	int error;

	set_hops(mapping, echo->hops);
	error = send_request(mapping, echo, target);
	if (!error) {
		relay->counters.echo_out++;
		mapping->bytes_out += echo->len;
		return 0;
	}
	relay->counters.echo_lost++;
	return relay_reason_of_errno(error, &reason) ? error : -ETIMEDOUT;
}

static struct relay_attempt attempt_of(const struct cothon_echo *echo)
{
	return (struct relay_attempt){
		.source = {echo->source, echo->ident},
		.destination = {echo->destination, 0},
	};
}

/* The name is resolved: finds an address of the request's family. Returns 0 or a negative errno. */
static int find_real(struct relay_echo *mapping, const struct cothon_echo *echo)
{
	struct cothon_endpoint list[2 * RELAY_NAME_ADDRESSES];
	struct relay_attempt attempt = attempt_of(echo);
	int count = relay_gate_addresses(mapping->relay, &attempt, mapping->name, list);

	if (count < 0)
		return count;
	/* Those of the family come first; a socket for echo requests has only its own. */
	if (cothon_addr_is_ipv4(&list[0].addr) != is_ipv4(mapping))
		return -EHOSTUNREACH;
	mapping->real = list[0].addr;
	return 0;
}

static void resolved(struct relay_waiter *waiter)
{
	struct relay_echo *mapping = cothon_container(waiter, struct relay_echo, waiter);
	struct cothon_echo *echo = mapping->waiting;
	enum cothon_unreachable reason;
	int error;

	error = find_real(mapping, echo);
	if (!error)
		error = send_out(mapping, echo, &mapping->real);
	if (error == -EACCES)
		cothon_stack_send_echo_unreachable(mapping->relay->stack, NULL, COTHON_PROHIBITED,
						   0, echo);
	else if (error && relay_reason_of_errno(error, &reason))
		cothon_stack_send_echo_unreachable(mapping->relay->stack, NULL, reason, 0, echo);
	lose_waiting(mapping);
}

/* Keeps a request, instead of an earlier one, until its destination's name is resolved. */
static void keep_waiting(struct relay_echo *mapping, const struct cothon_echo *echo)
{
	struct relay *relay = mapping->relay;
	struct cothon_echo *waiting;

	if (!relay_may_wait(relay, echo->len)) {
		relay->counters.echo_lost++;
		return;
	}
	waiting = malloc(sizeof(*waiting) + echo->len);
	if (!waiting)
		return;
	*waiting = *echo;
	waiting->payload = (const uint8_t *)(waiting + 1);
	memcpy(waiting + 1, echo->payload, echo->len);
	lose_waiting(mapping);
	mapping->waiting = waiting;
	relay->waiting += echo->len;
}

static int send_to_name(struct relay_echo *mapping, const struct cothon_echo *echo,
			struct relay_name *name)
{
	if (mapping->name != name || !cothon_addr_equal(&mapping->named, &echo->destination)) {
		forget_name(mapping);
		mapping->name = relay_names_take(name);
		mapping->named = echo->destination;
	}
	if (!cothon_addr_is_any(&mapping->real))
		return send_out(mapping, echo, &mapping->real);
	keep_waiting(mapping, echo);
	if (mapping->waiting && cothon_list_empty(&mapping->waiter.node) &&
	    relay_resolve(mapping->relay, name, &mapping->waiter))
		resolved(&mapping->waiter);
	return 0;
}

int relay_echo_forward(struct relay *relay, const struct cothon_echo *echo)
{
	struct relay_attempt attempt = attempt_of(echo);
	struct relay_passage passage;
	struct relay_echo *mapping;
	int error = relay_gate_pass(relay, &attempt, &passage);

	if (error)
		return error;
	error = obtain(relay, echo, &mapping);
	if (error) {
		relay->counters.no_socket++;
		/* Only that ping is not allowed here is worth telling: the rest passes. */
		return error == -EACCES || error == -EPERM ? -EACCES : -ETIMEDOUT;
	}
	touch(mapping);
	if (passage.name)
		return send_to_name(mapping, echo, passage.name);
	return send_out(mapping, echo, &echo->destination);
}

/* Other rules */

void relay_echo_recheck(struct relay *relay)
{
	for (struct cothon_list *node = relay->echo.by_use.next; node != &relay->echo.by_use;
	     node = node->next) {
		struct relay_echo *mapping = cothon_container(node, struct relay_echo, by_use);
		struct cothon_endpoint inside = cothon_flow_local(&mapping->entry.flow);
		const struct relay_attempt attempt = {0, inside, {mapping->named, 0}};
		const struct cothon_endpoint real = {mapping->real, 0};

		if (mapping->name &&
		    !relay_gate_keep(relay, &attempt, mapping->name,
				     cothon_addr_is_any(&mapping->real) ? NULL : &real))
			forget_name(mapping);
	}
}

/* Life */

int relay_echo_init(struct relay *relay)
{
	struct cothon_siphash_key key = cothon_siphash_key(relay->seed, RELAY_KEY_ECHO);

	cothon_list_init(&relay->echo.by_use);
	relay_timer_init(&relay->echo.expiry, expiry);
	relay->echo.mappings = cothon_flow_table_create(&cothon_memory_malloc, &key,
							(uint32_t)relay->limits.echo_mappings);
	return relay->echo.mappings ? 0 : -ENOMEM;
}

void relay_echo_finish(struct relay *relay)
{
	if (!relay->echo.mappings)
		return;
	while (!cothon_list_empty(&relay->echo.by_use))
		destroy(cothon_container(relay_take_first(&relay->echo.by_use), struct relay_echo,
					 by_use));
	cothon_flow_table_destroy(relay->echo.mappings);
}
