/* SPDX-License-Identifier: MIT */
#include "relay/query.h"

#include "relay/question.h"
#include "relay/state.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	/* An answer is as large as a datagram may be. */
	ANSWER_MAX = 65535,
	/* Answers taken from a query's socket in one round; all but one are forged. */
	ANSWERS_MAX = 16,
	NO_MORE_ATTEMPTS = 1 << 16,
};

static void close_socket(struct relay_query *query)
{
	if (query->watch.fd < 0)
		return;
	host_loop_remove(query->relay->loop, &query->watch);
	close(query->watch.fd);
	query->watch.fd = -1;
}

static void leave(struct relay_query *query)
{
	if (!cothon_list_empty(&query->node))
		query->relay->queries.count--;
	cothon_list_remove(&query->node);
}

void relay_query_cancel(struct relay_query *query)
{
	if (!query->relay)
		return;
	close_socket(query);
	relay_disarm(query->relay, &query->timer);
	leave(query);
	query->relay = NULL;
}

static void finish(struct relay_query *query, const uint8_t *answer, size_t len)
{
	struct relay *relay = query->relay;

	if (answer)
		relay->counters.dns_answers++;
	else
		relay->counters.dns_failed++;
	relay_query_cancel(query);
	query->answered(query, answer, len);
}

const struct relay_resolver *relay_queries_resolver(const struct relay_queries *queries,
						    unsigned attempt, unsigned rounds)
{
	const struct relay_resolvers *resolvers = &queries->resolvers;

	if (attempt >= resolvers->count * rounds)
		return NULL;
	return &resolvers->list[attempt % resolvers->count];
}

/*
 * Sends the query to a resolver, from a port and with an ID chosen anew. Returns 0 or a negative
 * errno.
 */
static int ask(struct relay_query *query, const struct relay_resolver *resolver)
{
	struct relay *relay = query->relay;
	struct host_sockaddr to = host_sockaddr_make(&resolver->endpoint, resolver->scope);
	int fd = host_socket_open(to.any.sa_family, SOCK_DGRAM, IPPROTO_UDP);
	int error;

	if (fd < 0) {
		relay->counters.no_socket++;
		return fd;
	}
	relay_dns_set_id(query->message, (uint16_t)cothon_random_u32(&relay->random));
	if (connect(fd, &to.any, to.len) < 0 ||
	    send(fd, query->message, query->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		error = -errno;
	} else {
		query->watch.fd = fd;
		error = host_loop_add(relay->loop, &query->watch, EPOLLIN);
	}
	if (error) {
		query->watch.fd = -1;
		close(fd);
	}
	return error;
}

/* Asks the next resolver that can be asked. Returns false when there is none. */
static bool ask_next(struct relay_query *query)
{
	struct relay *relay = query->relay;
	const struct relay_resolver *resolver;

	close_socket(query);
	while ((resolver = relay_queries_resolver(&relay->queries, query->attempt,
						  RELAY_QUERY_ROUNDS))) {
		query->attempt++;
		if (ask(query, resolver) == 0) {
			relay_arm(relay, &query->timer, RELAY_SECONDS(RELAY_QUERY_TIMEOUT));
			return true;
		}
	}
	return false;
}

static void ask_next_or_fail(struct relay_query *query)
{
	if (!ask_next(query))
		finish(query, NULL, 0);
}

static void timed_out(struct relay *relay, struct relay_timer *timer)
{
	(void)relay;
	ask_next_or_fail(cothon_container(timer, struct relay_query, timer));
}

/* Lets a query fail in the timers' next round. */
static void fail_soon(struct relay_query *query)
{
	close_socket(query);
	query->attempt = NO_MORE_ATTEMPTS;
	relay_arm(query->relay, &query->timer, 0);
}

/*
 * What says that this resolver cannot help, so that another one is asked as a host's own library
 * would.
 */
static bool is_no_help(const uint8_t *message)
{
	unsigned rcode = relay_dns_rcode(message);

	return rcode == RELAY_DNS_SERVFAIL || rcode == RELAY_DNS_NOTIMP ||
	       rcode == RELAY_DNS_REFUSED;
}

static void socket_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct relay_query *query = cothon_container(watch, struct relay_query, watch);
	struct relay *relay = query->relay;
	uint8_t message[ANSWER_MAX];

	(void)events;
	relay->now = now;
	for (unsigned i = 0; i < ANSWERS_MAX; i++) {
		ssize_t len = recv(watch->fd, message, sizeof(message), MSG_DONTWAIT);

		if (len < 0 && errno == EAGAIN)
			return;
		if (len < 0) {
			/* Refused or unreachable. */
			ask_next_or_fail(query);
			return;
		}
		if (!relay_dns_answers(query->message, query->len, message, (size_t)len))
			continue;
		if (is_no_help(message) &&
		    relay_queries_resolver(&relay->queries, query->attempt, 1)) {
			ask_next_or_fail(query);
			return;
		}
		finish(query, message, (size_t)len);
		return;
	}
}

void relay_query_start(struct relay *relay, struct relay_query *query)
{
	struct relay_queries *queries = &relay->queries;

	query->watch = (struct host_watch){.fd = -1, .ready = socket_ready};
	query->relay = relay;
	query->attempt = 0;
	cothon_list_init(&query->node);
	relay_timer_init(&query->timer, timed_out);
	if (queries->count >= relay->limits.dns_queries) {
		struct relay_query *oldest =
			cothon_container(queries->outstanding.next, struct relay_query, node);

		relay->counters.dns_dropped++;
		relay->met.dns_queries++;
		leave(oldest);
		fail_soon(oldest);
	}
	cothon_list_append(&queries->outstanding, &query->node);
	queries->count++;
	relay_resolvers_refresh(&queries->resolvers);
	if (!ask_next(query))
		fail_soon(query);
}

void relay_queries_init(struct relay_queries *queries, const struct relay_config *config)
{
	const char *path = config->resolv_conf ? config->resolv_conf : "/etc/resolv.conf";

	cothon_list_init(&queries->outstanding);
	if (config->resolvers)
		relay_resolvers_fix(&queries->resolvers, config->resolvers, config->resolver_count);
	else
		relay_resolvers_follow(&queries->resolvers, path, config->steward);
}
