/* SPDX-License-Identifier: MIT */
#include "relay/dns.h"

#include "relay/question.h"
#include "relay/state.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	/* Flows to the sandbox's port 53 that may be half-open. */
	TCP_BACKLOG = 64,
	/* An answer is as large as a datagram may be. */
	ANSWER_MAX = 65535,
	/* Answers taken from a query's socket in one round; all but one are forged. */
	ANSWERS_MAX = 16,
};

struct query {
	struct host_watch watch; /* fd -1: none is open */
	struct relay *relay;
	struct cothon_udp *udp; /* by which it came */
	struct cothon_list node;
	struct relay_timer timer;
	struct cothon_endpoint client;
	uint16_t client_id;
	unsigned attempt; /* resolvers asked so far, all rounds counted */
	size_t len;
	uint8_t message[]; /* with the ID that the resolver sees */
};

/* One query */

static void close_socket(struct query *query)
{
	if (query->watch.fd < 0)
		return;
	host_loop_remove(query->relay->loop, &query->watch);
	close(query->watch.fd);
	query->watch.fd = -1;
}

static void destroy(struct query *query)
{
	struct relay *relay = query->relay;

	close_socket(query);
	relay_disarm(relay, &query->timer);
	cothon_list_remove(&query->node);
	relay->dns.query_count--;
	free(query);
}

/* Gives the client an answer and ends the query. */
static void answer(struct query *query, uint8_t *message, size_t len)
{
	relay_dns_set_id(message, query->client_id);
	cothon_udp_send(query->udp, NULL, &query->client, message, len);
	destroy(query);
}

static void fail(struct query *query)
{
	query->relay->counters.dns_failed++;
	answer(query, query->message,
	       relay_dns_make_failure(query->message, query->len, RELAY_DNS_SERVFAIL));
}

/* The resolver whose turn it is, or NULL when all were asked often enough. */
static const struct relay_resolver *resolver_for(const struct relay_dns *dns, unsigned attempt,
						 unsigned rounds)
{
	const struct relay_resolvers *resolvers = &dns->resolvers;

	if (attempt >= resolvers->count * rounds)
		return NULL;
	return &resolvers->list[attempt % resolvers->count];
}

/*
 * Sends the query to a resolver, from a port and with an ID chosen anew. Returns 0 or a negative
 * errno.
 */
static int ask(struct query *query, const struct relay_resolver *resolver)
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

/* Asks the next resolver that can be asked; without any the query has failed. */
static void ask_next(struct query *query)
{
	struct relay *relay = query->relay;
	const struct relay_resolver *resolver;

	close_socket(query);
	while ((resolver = resolver_for(&relay->dns, query->attempt, RELAY_DNS_ROUNDS))) {
		query->attempt++;
		if (ask(query, resolver) == 0) {
			relay_arm(relay, &query->timer, RELAY_SECONDS(RELAY_DNS_TIMEOUT));
			return;
		}
	}
	fail(query);
}

static void timed_out(struct relay *relay, struct relay_timer *timer)
{
	(void)relay;
	ask_next(cothon_container(timer, struct query, timer));
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
	struct query *query = cothon_container(watch, struct query, watch);
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
			ask_next(query);
			return;
		}
		if (!relay_dns_answers(query->message, query->len, message, (size_t)len))
			continue;
		if (is_no_help(message) && resolver_for(&relay->dns, query->attempt, 1)) {
			ask_next(query);
			return;
		}
		relay->counters.dns_answers++;
		answer(query, message, (size_t)len);
		return;
	}
}

/* From the sandbox, UDP */

static struct query *create(struct relay *relay, const struct cothon_datagram *datagram)
{
	struct query *query = calloc(1, sizeof(*query) + datagram->len);

	if (!query)
		return NULL;
	query->watch = (struct host_watch){.fd = -1, .ready = socket_ready};
	query->relay = relay;
	relay_timer_init(&query->timer, timed_out);
	query->client = datagram->source;
	query->client_id = relay_dns_id(datagram->payload);
	query->len = datagram->len;
	memcpy(query->message, datagram->payload, datagram->len);
	cothon_list_append(&relay->dns.queries, &query->node);
	relay->dns.query_count++;
	return query;
}

static void refuse_query(struct cothon_udp *udp, const struct cothon_datagram *datagram,
			 unsigned rcode)
{
	uint8_t message[RELAY_DNS_QUERY_MAX];
	size_t len = datagram->len;

	memcpy(message, datagram->payload, len);
	len = relay_dns_make_failure(message, len, rcode);
	cothon_udp_send(udp, NULL, &datagram->source, message, len);
}

static void take_query(struct relay *relay, struct cothon_udp *udp,
		       const struct cothon_datagram *datagram)
{
	struct query *query;
	int error = datagram->len > RELAY_DNS_QUERY_MAX
			    ? -EBADMSG
			    : relay_dns_check_query(datagram->payload, datagram->len);

	relay->counters.dns_queries++;
	if (error == -EPROTO || error == -EOPNOTSUPP)
		refuse_query(udp, datagram,
			     error == -EPROTO ? RELAY_DNS_FORMERR : RELAY_DNS_NOTIMP);
	if (error || relay->draining) {
		relay->counters.dns_dropped++;
		return;
	}
	if (relay->dns.query_count >= RELAY_DNS_QUERIES) {
		relay->counters.dns_dropped++;
		destroy(cothon_container(relay_take_first(&relay->dns.queries), struct query,
					 node));
	}
	query = create(relay, datagram);
	if (!query)
		return;
	query->udp = udp;
	relay_resolvers_refresh(&relay->dns.resolvers);
	ask_next(query);
}

static void udp_told(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	size_t piece = datagram->gso_size ? datagram->gso_size : datagram->len;
	size_t at = 0;

	do {
		struct cothon_datagram one = *datagram;

		one.payload += at;
		one.len = datagram->len - at < piece ? datagram->len - at : piece;
		take_query(owner, udp, &one);
		at += piece;
	} while (at < datagram->len);
}

/* From the sandbox, TCP */

/* Dials the next resolver; returns 0, or `error` when each was tried. */
static int dial_next(struct relay_tcp *flow, int error)
{
	const struct relay_resolver *resolver;

	while ((resolver = resolver_for(&flow->relay->dns, flow->attempt, 1))) {
		struct host_sockaddr to = host_sockaddr_make(&resolver->endpoint, resolver->scope);

		flow->attempt++;
		if (relay_tcp_dial(flow, &to) == 0)
			return 0;
	}
	return error;
}

static void tcp_told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct relay *relay = owner;
	struct relay_tcp *flow;

	(void)events;
	flow = relay->draining ? NULL : relay_tcp_create(relay);
	if (!flow) {
		cothon_tcp_abort(tcp);
		return;
	}
	relay_tcp_take_inside(flow, tcp, true);
	flow->retry = dial_next;
	relay_resolvers_refresh(&relay->dns.resolvers);
	if (dial_next(flow, -EHOSTUNREACH))
		relay_tcp_drop(flow);
}

/* Life */

static int listen_at(struct relay *relay, unsigned index, const struct relay_family *family)
{
	const struct cothon_endpoint local = {family->dns, RELAY_DNS_PORT};
	int error;

	if (!family->enabled)
		return 0;
	error = cothon_udp_bind(relay->stack, &local, udp_told, relay, &relay->dns.udp[index]);
	if (error)
		return error;
	return cothon_tcp_listen(relay->stack, &local, TCP_BACKLOG, tcp_told, relay,
				 &relay->dns.tcp[index]);
}

void relay_dns_init(struct relay *relay, const struct relay_config *config)
{
	const char *path = config->resolv_conf ? config->resolv_conf : "/etc/resolv.conf";

	cothon_list_init(&relay->dns.queries);
	if (config->resolvers)
		relay_resolvers_fix(&relay->dns.resolvers, config->resolvers,
				    config->resolver_count);
	else
		relay_resolvers_follow(&relay->dns.resolvers, path);
}

int relay_dns_listen(struct relay *relay)
{
	int error = listen_at(relay, 0, &relay->policy.network.ipv4);

	return error ? error : listen_at(relay, 1, &relay->policy.network.ipv6);
}

void relay_dns_finish(struct relay *relay)
{
	struct relay_dns *dns = &relay->dns;

	while (!cothon_list_empty(&dns->queries))
		destroy(cothon_container(relay_take_first(&dns->queries), struct query, node));
	for (unsigned i = 0; i < 2; i++) {
		if (dns->udp[i])
			cothon_udp_close(dns->udp[i]);
		if (dns->tcp[i])
			cothon_listener_close(dns->tcp[i]);
	}
}
