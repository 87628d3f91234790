/* SPDX-License-Identifier: MIT */

/* The bounds of a relay: who gives way at each, that it is counted, and that the rest is served. */

#include "house.h"

#include "base/bytes.h"
#include "host/socket.h"
#include "relay/held.h"
#include "relay/question.h"
#include "zone.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct search {
	const char *name;
	struct relay_limit found;
};

static void compare(const struct relay_limit *limit, void *context)
{
	struct search *search = context;

	if (strcmp(limit->name, search->name) == 0)
		search->found = *limit;
}

static struct relay_limit limit(const struct house *house, const char *name)
{
	struct search search = {.name = name};

	relay_limits(house->relay, compare, &search);
	assert_non_null(search.found.name);
	return search.found;
}

static void assert_limit(const struct house *house, const char *name, uint64_t bound, uint64_t used,
			 uint64_t refused)
{
	struct relay_limit is = limit(house, name);

	assert_int_equal(is.bound, bound);
	assert_int_equal(is.used, used);
	assert_int_equal(is.refused, refused);
}

static void ignore(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	(void)udp;
	(void)datagram;
	if (owner)
		(*(unsigned *)owner)++;
}

static struct cothon_udp *bind_inside(struct house *house, uint16_t port, unsigned *count)
{
	struct cothon_endpoint local = house_sandbox(house, false, port);
	struct cothon_udp *udp;

	assert_int_equal(cothon_udp_bind(house->sandbox, &local, ignore, count, &udp), 0);
	return udp;
}

/* Sends a datagram to a server outside, and returns whom it came from. */
static struct cothon_endpoint send_out(struct house *house, struct cothon_udp *udp, int server)
{
	struct cothon_endpoint to = house_gateway(house, false, house_port(server));
	struct host_sockaddr from = {.len = sizeof(from.in6)};
	char byte;

	assert_int_equal(cothon_udp_send(udp, NULL, &to, "x", 1), 0);
	house_until(house, house_readable, &server);
	assert_int_equal(recvfrom(server, &byte, 1, 0, &from.any, &from.len), 1);
	return host_sockaddr_endpoint(&from);
}

static void no_limit_is_without_a_default(void **state)
{
	const struct relay_limits none = {0}, few = {.udp_mappings = 3};
	struct relay_limits limits = relay_limits_fill(&none);
	struct house house;

	(void)state;
#define RELAY_LIMIT(member, name, otherwise, least, most, text) \
	assert_int_equal(limits.member, (otherwise));           \
	assert_true((uint64_t)(least) <= limits.member && limits.member <= (uint64_t)(most));
	RELAY_LIMITS(RELAY_LIMIT)
#undef RELAY_LIMIT
	limits = relay_limits_fill(&few);
	assert_int_equal(limits.udp_mappings, 3);
	assert_int_equal(limits.udp_peers, 4096);
	house_open(&house, &house_plain);
#define RELAY_LIMIT(member, name, otherwise, least, most, text) \
	assert_int_equal(limit(&house, name).bound, (otherwise));
	RELAY_LIMITS(RELAY_LIMIT)
#undef RELAY_LIMIT
	assert_true(limit(&house, "descriptors").bound > 0);
	house_close(&house);
}

/* The newest flow is refused; those that are open go on, and there is room again behind them. */
static void the_flow_beyond_the_bound_is_refused(void **state)
{
	const struct house_config config = {.limits = {.tcp_flows = 2}};
	uint16_t port;
	int listener = house_listen(false, 0), servers[2];
	struct client clients[3];
	struct cothon_endpoint to;
	struct house house;
	char word[5];

	(void)state;
	port = house_port(listener);
	house_open(&house, &config);
	to = house_gateway(&house, false, port);
	for (unsigned i = 0; i < 2; i++) {
		client_connect(&house, &clients[i], &to);
		servers[i] = house_accept(&house, listener, NULL);
		house_until(&house, client_is_open, &clients[i]);
	}
	assert_limit(&house, "tcp-flows", 2, 2, 0);
	client_connect(&house, &clients[2], &to);
	house_run(&house, 50);
	assert_false(client_is_open(&clients[2]));
	assert_int_equal(limit(&house, "tcp-flows").used, 2);
	assert_true(limit(&house, "tcp-flows").refused > 0);
	client_send(&clients[0], (const uint8_t *)"hello", 5, false);
	assert_int_equal(house_read(&house, servers[0], word, 5), 5);
	/* One leaves, by a reset at once; the one that waits comes in by its next SYN. */
	client_close(&clients[1]);
	close(servers[1]);
	servers[1] = house_accept(&house, listener, NULL);
	house_until(&house, client_is_open, &clients[2]);
	client_close(&clients[0]);
	client_close(&clients[2]);
	close(servers[0]);
	close(servers[1]);
	close(listener);
	house_close(&house);
}

/* The mapping that was not used for the longest time makes room, the others keep their sockets. */
static void the_oldest_mapping_makes_room(void **state)
{
	const struct house_config config = {.limits = {.udp_mappings = 2}};
	int server = house_bind_udp(false, 0);
	struct cothon_endpoint first, second;
	struct cothon_udp *udp[3];
	struct house house;

	(void)state;
	house_open(&house, &config);
	for (uint16_t i = 0; i < 3; i++)
		udp[i] = bind_inside(&house, (uint16_t)(4000 + i), NULL);
	first = send_out(&house, udp[0], server);
	second = send_out(&house, udp[1], server);
	assert_endpoints_equal(send_out(&house, udp[0], server), first);
	assert_limit(&house, "udp-mappings", 2, 2, 0);
	send_out(&house, udp[2], server);
	assert_limit(&house, "udp-mappings", 2, 2, 1);
	assert_endpoints_equal(send_out(&house, udp[0], server), first);
	assert_int_not_equal(send_out(&house, udp[1], server).port, second.port);
	assert_limit(&house, "udp-mappings", 2, 2, 2);
	assert_int_equal(relay_counters(house.relay)->udp_evicted, 2);
	for (unsigned i = 0; i < 3; i++)
		cothon_udp_close(udp[i]);
	close(server);
	house_close(&house);
}

static const struct zone_record records[] = {
	{"one.example", RELAY_DNS_A, "192.0.2.1", 300},
	{"two.example", RELAY_DNS_A, "192.0.2.2", 300},
	{"three.example", RELAY_DNS_A, "192.0.2.3", 300},
	{0},
};

static void ask(struct house *house, struct cothon_udp *udp, const char *name)
{
	struct cothon_endpoint to = house_dns(house, false);
	uint8_t message[512];
	size_t len = zone_question(name, RELAY_DNS_A, message);

	assert_int_equal(cothon_udp_send(udp, NULL, &to, message, len), 0);
}

struct wanted {
	const unsigned *count;
	unsigned most;
};

static bool have_come(void *context)
{
	const struct wanted *wanted = context;

	return *wanted->count >= wanted->most;
}

/* A house that asks a resolver of its own, and who asks in its sandbox. */
struct inquiry {
	struct zone zone;
	struct house house;
	struct cothon_endpoint resolver;
	struct cothon_udp *udp;
	unsigned answers;
	struct wanted wanted;
};

static void inquiry_open(struct inquiry *inquiry, const struct house_config *like,
			 const struct zone_record *known, bool silent)
{
	struct house_config config = *like;

	*inquiry = (struct inquiry){.wanted = {&inquiry->answers, 1}};
	zone_open(&inquiry->zone, known);
	inquiry->zone.silent = silent;
	inquiry->resolver = house_loopback(false, zone_port(&inquiry->zone));
	config.closed = true;
	config.resolvers = &inquiry->resolver;
	config.resolver_count = 1;
	house_open(&inquiry->house, &config);
	inquiry->udp = bind_inside(&inquiry->house, 3000, &inquiry->answers);
	zone_serve(&inquiry->zone, inquiry->house.loop);
}

static void inquiry_close(struct inquiry *inquiry)
{
	cothon_udp_close(inquiry->udp);
	zone_close(&inquiry->zone);
	house_close(&inquiry->house);
}

/* With resolvers that do not answer, the oldest query fails, and is told so; the newest is asked. */
static void the_oldest_query_fails(void **state)
{
	const struct house_config config = {.limits = {.dns_queries = 2}};
	struct inquiry inquiry;

	(void)state;
	inquiry_open(&inquiry, &config, records, true);
	ask(&inquiry.house, inquiry.udp, "one.example");
	ask(&inquiry.house, inquiry.udp, "two.example");
	ask(&inquiry.house, inquiry.udp, "three.example");
	house_until(&inquiry.house, have_come, &inquiry.wanted);
	assert_int_equal(inquiry.answers, 1);
	assert_limit(&inquiry.house, "dns-queries", 2, 2, 1);
	assert_limit(&inquiry.house, "dns-requests", 512, 2, 0);
	/* The rest is served: one that is answered takes the place of the next oldest. */
	inquiry.zone.silent = false;
	ask(&inquiry.house, inquiry.udp, "one.example");
	inquiry.wanted.most = 3;
	house_until(&inquiry.house, have_come, &inquiry.wanted);
	inquiry_close(&inquiry);
}

/* Requests beyond the bound: the oldest is dropped without a word. */
static void the_oldest_request_is_dropped(void **state)
{
	const struct house_config config = {.limits = {.dns_requests = 2}};
	struct inquiry inquiry;

	(void)state;
	inquiry_open(&inquiry, &config, records, true);
	for (unsigned i = 0; i < 5; i++)
		ask(&inquiry.house, inquiry.udp, "one.example");
	house_run(&inquiry.house, 50);
	assert_int_equal(inquiry.answers, 0);
	assert_limit(&inquiry.house, "dns-requests", 2, 2, 3);
	assert_int_equal(limit(&inquiry.house, "dns-queries").used, 2);
	inquiry.zone.silent = false;
	ask(&inquiry.house, inquiry.udp, "two.example");
	house_until(&inquiry.house, have_come, &inquiry.wanted);
	inquiry_close(&inquiry);
}

/* Connections of the sandbox to the DNS server, under rules about names: the oldest is reset, the others are answered. */
static void the_oldest_dns_connection_is_reset(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	const struct house_config config = {.rules = rules, .limits = {.dns_streams = 2}};
	struct cothon_endpoint to;
	struct client clients[3];
	struct inquiry inquiry;
	uint8_t message[2 + 512];
	size_t len;

	(void)state;
	inquiry_open(&inquiry, &config, records, false);
	to = house_dns(&inquiry.house, false);
	for (unsigned i = 0; i < 3; i++) {
		client_connect(&inquiry.house, &clients[i], &to);
		house_until(&inquiry.house, client_is_open, &clients[i]);
	}
	house_until(&inquiry.house, client_has_ended, &clients[0]);
	assert_int_equal(cothon_tcp_error(clients[0].tcp), -ECONNRESET);
	assert_limit(&inquiry.house, "dns-streams", 2, 2, 1);
	len = zone_question("one.example", RELAY_DNS_A, message + 2);
	cothon_put16(message, (uint16_t)len);
	for (unsigned i = 1; i < 3; i++) {
		client_send(&clients[i], message, 2 + len, false);
		/* The question comes back in the answer. */
		house_until(&inquiry.house, client_has_echo, &clients[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		client_close(&clients[i]);
	inquiry_close(&inquiry);
}

/* The names of the least recent questions are forgotten. */
static void the_oldest_name_is_forgotten(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	const struct house_config config = {.rules = rules, .limits = {.names = 2}};
	struct inquiry inquiry;
	const char *const asked[] = {"one.example", "two.example", "three.example"};

	(void)state;
	inquiry_open(&inquiry, &config, records, false);
	for (unsigned i = 0; i < 3; i++) {
		ask(&inquiry.house, inquiry.udp, asked[i]);
		inquiry.wanted.most = i + 1;
		house_until(&inquiry.house, have_come, &inquiry.wanted);
	}
	assert_limit(&inquiry.house, "names", 2, 2, 1);
	inquiry_close(&inquiry);
}

/* What waits for a name is bounded in bytes, over all destinations. */
static void what_waits_for_a_name_is_bounded(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	static const uint8_t bytes[40000];
	const struct house_config config = {.rules = rules, .limits = {.waiting = 100000}};
	struct cothon_endpoint to = {.port = 9};
	struct inquiry inquiry;
	/* What the resolver says may be remembered for a second; then it is asked again. */
	static const struct zone_record brief[] = {
		{"one.example", RELAY_DNS_A, "192.0.2.1", 0},
		{0},
	};

	(void)state;
	inquiry_open(&inquiry, &config, brief, false);
	ask(&inquiry.house, inquiry.udp, "one.example");
	house_until(&inquiry.house, have_come, &inquiry.wanted);
	inquiry.zone.silent = true;
	house_run(&inquiry.house, 1100);
	/* The first synthetic address is the name's. */
	to.addr = house_endpoint("198.18.0.1", 0).addr;
	for (uint16_t i = 0; i < 4; i++) {
		to.port = (uint16_t)(9 + i);
		assert_int_equal(cothon_udp_send(inquiry.udp, NULL, &to, bytes, sizeof(bytes)), 0);
	}
	house_run(&inquiry.house, 50);
	assert_limit(&inquiry.house, "waiting", 100000, 2 * sizeof(bytes), 2);
	assert_int_equal(limit(&inquiry.house, "udp-ways").used, 4);
	assert_int_equal(relay_counters(inquiry.house.relay)->udp_lost, 2);
	inquiry_close(&inquiry);
}

/* The destination that was not sent to for the longest time is forgotten. */
static void the_oldest_way_is_forgotten(void **state)
{
	static const char *const rules[] = {"allow 127.0.0.1", NULL};
	const struct house_config config = {.rules = rules, .limits = {.udp_ways = 2}};
	int servers[3];
	struct cothon_udp *udp;
	struct house house;

	(void)state;
	house_open(&house, &config);
	udp = bind_inside(&house, 3000, NULL);
	for (unsigned i = 0; i < 3; i++) {
		servers[i] = house_bind_udp(false, 0);
		send_out(&house, udp, servers[i]);
	}
	assert_limit(&house, "udp-ways", 2, 2, 1);
	send_out(&house, udp, servers[0]);
	assert_limit(&house, "udp-ways", 2, 2, 2);
	for (unsigned i = 0; i < 3; i++)
		close(servers[i]);
	cothon_udp_close(udp);
	house_close(&house);
}

static void the_oldest_peer_is_forgotten(void **state)
{
	const struct house_config config = {.limits = {.udp_peers = 2}};
	struct relay_publication publication = {
		.transport = COTHON_UDP, .inside = 5000, .count = 1};
	struct relay_publish_error error;
	struct cothon_udp *udp;
	struct house house;
	unsigned count = 0;
	struct wanted wanted = {&count, 3};
	int probe = house_bind_udp(false, 0);
	struct host_sockaddr to;

	(void)state;
	publication.outside = house_port(probe);
	close(probe);
	house_open(&house, &config);
	udp = bind_inside(&house, 5000, &count);
	assert_int_equal(relay_publish(house.relay, &publication, &error), 0);
	to = host_sockaddr_make(
		&(struct cothon_endpoint){house_loopback(false, 0).addr, publication.outside}, 0);
	for (unsigned i = 0; i < 3; i++) {
		int client = house_bind_udp(false, 0);

		assert_int_equal(sendto(client, "x", 1, 0, &to.any, to.len), 1);
		close(client);
	}
	house_until(&house, have_come, &wanted);
	assert_limit(&house, "udp-peers", 2, 2, 1);
	cothon_udp_close(udp);
	house_close(&house);
}

/* A publication beyond the bound is refused as a whole, and takes none of the room. */
static void publishing_beyond_the_bound_is_refused(void **state)
{
	const struct house_config config = {.limits = {.published_ports = 2}};
	struct relay_publication publication = {
		.transport = COTHON_TCP,
		.has_addr = true,
		.addr = house_loopback(false, 0).addr,
		.inside = 80,
		.count = 1,
	};
	struct relay_publish_error error;
	struct house house;
	unsigned made = 0;

	(void)state;
	house_open(&house, &config);
	for (unsigned i = 0; i < 3; i++) {
		int probe = house_listen(false, 0);

		publication.outside = house_port(probe);
		close(probe);
		made += relay_publish(house.relay, &publication, &error) == 0;
	}
	assert_int_equal(made, 2);
	assert_int_equal(error.error, -ENOBUFS);
	assert_limit(&house, "published-ports", 2, 2, 1);
	house_close(&house);
}

enum {
	DENIED = RELAY_HELD_MAX + 5,
};

static unsigned ended(struct client clients[static DENIED])
{
	unsigned count = 0;

	for (unsigned i = 0; i < DENIED; i++)
		count += client_has_ended(&clients[i]);
	return count;
}

static bool some_have_ended(void *context)
{
	return ended(context) >= DENIED - RELAY_HELD_MAX;
}

static bool all_have_ended(void *context)
{
	return ended(context) == DENIED;
}

/* Of denied connections that are held back, those beyond the bound are refused at once; the others when they may be. */
static void denied_beyond_the_bound_are_not_held(void **state)
{
	static const char *const rules[] = {"allow 192.0.2.1", NULL};
	const struct house_config config = {.rules = rules};
	struct client clients[DENIED];
	struct cothon_endpoint to;
	struct house house;

	(void)state;
	house_open(&house, &config);
	relay_hold_denied(house.relay, true);
	to = house_endpoint("192.0.2.7", 9);
	for (unsigned i = 0; i < DENIED; i++)
		client_connect(&house, &clients[i], &to);
	house_until(&house, some_have_ended, clients);
	house_run(&house, 50);
	assert_int_equal(ended(clients), DENIED - RELAY_HELD_MAX);
	relay_hold_denied(house.relay, false);
	house_until(&house, all_have_ended, clients);
	for (unsigned i = 0; i < DENIED; i++)
		client_close(&clients[i]);
	house_close(&house);
}

static void set_room(const struct house *house, const char *name)
{
	struct relay_limit is = limit(house, name);

	assert_true(is.bound > 0);
}

/* Bounds of each of many, and of rates, say that nothing is counted. */
static void what_is_counted_is_said(void **state)
{
	static const char *const uncounted[] = {"flow-receive", "flow-send", "icmp-errors"};
	struct house house;

	(void)state;
	house_open(&house, &house_plain);
	for (unsigned i = 0; i < sizeof(uncounted) / sizeof(uncounted[0]); i++) {
		set_room(&house, uncounted[i]);
		assert_false(limit(&house, uncounted[i]).counted);
	}
	assert_true(limit(&house, "buffers").counted);
	assert_true(limit(&house, "descriptors").counted);
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_is_without_a_default),
		cmocka_unit_test(the_flow_beyond_the_bound_is_refused),
		cmocka_unit_test(the_oldest_mapping_makes_room),
		cmocka_unit_test(the_oldest_query_fails),
		cmocka_unit_test(the_oldest_request_is_dropped),
		cmocka_unit_test(the_oldest_dns_connection_is_reset),
		cmocka_unit_test(the_oldest_name_is_forgotten),
		cmocka_unit_test(what_waits_for_a_name_is_bounded),
		cmocka_unit_test(the_oldest_way_is_forgotten),
		cmocka_unit_test(the_oldest_peer_is_forgotten),
		cmocka_unit_test(publishing_beyond_the_bound_is_refused),
		cmocka_unit_test(denied_beyond_the_bound_are_not_held),
		cmocka_unit_test(what_is_counted_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
