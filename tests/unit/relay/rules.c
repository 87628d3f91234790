/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "base/bytes.h"
#include "host/netlink.h"
#include "host/socket.h"
#include "relay/denials.h"
#include "relay/names.h"
#include "zone.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/*
 * The host of these tests is a network namespace whose addresses 10.9.0.1 and fd00:9::1 names lead
 * to. They are the host's own, so that it takes a rule about them for a name to lead there.
 */
static bool has_host;

/* The kernel makes a new IPv6 address ready a moment later: nobody listens there, and says so. */
static bool await_address(const struct cothon_endpoint *at)
{
	struct host_sockaddr name = host_sockaddr_make(at, 0);
	uint64_t deadline = host_now() + 5000000;
	int error;

	do {
		int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		error = connect(fd, &name.any, name.len) < 0 ? errno : 0;
		close(fd);
	} while (error != ECONNREFUSED && host_now() < deadline);
	return error == ECONNREFUSED;
}

static int make_host(void **state)
{
	struct cothon_endpoint ipv4 = house_endpoint("10.9.0.1", 0);
	struct cothon_endpoint ipv6 = house_endpoint("fd00:9::1", 9);
	struct host_netlink *netlink;
	unsigned index;

	(void)state;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 0;
	has_host = true;
	return host_netlink_open(&netlink) || host_netlink_index(netlink, "lo", &index) ||
	       host_netlink_up(netlink, index, 0, 0) ||
	       host_netlink_address(netlink, index, &ipv4.addr, 32) ||
	       host_netlink_address(netlink, index, &ipv6.addr, 128) ||
	       (host_netlink_close(netlink), !await_address(&ipv6));
}

static const struct zone_record records[] = {
	{"www.example", RELAY_DNS_A, "10.9.0.1", 300},
	{"www.example", RELAY_DNS_AAAA, "fd00:9::1", 300},
	{"alias.example", RELAY_DNS_CNAME, "www.example", 300},
	{"six.example", RELAY_DNS_AAAA, "fd00:9::1", 300},
	/* Nothing listens at the first ones. */
	{"turns.example", RELAY_DNS_A, "10.9.0.7", 300},
	{"turns.example", RELAY_DNS_A, "10.9.0.8", 300},
	{"turns.example", RELAY_DNS_A, "10.9.0.1", 300},
	{"brief.example", RELAY_DNS_A, "10.9.0.1", 0},
	{"loop.example", RELAY_DNS_A, "127.0.0.1", 300},
	{"loop.example", RELAY_DNS_AAAA, "::1", 300},
	{"meta.example", RELAY_DNS_A, "169.254.169.254", 300},
	{"own.example", RELAY_DNS_A, "10.9.0.2", 300},
	{"gateway.example", RELAY_DNS_A, "10.0.2.2", 300},
	{"many.example", RELAY_DNS_A, "224.0.0.1", 300},
	{"fails.example", 0, NULL, RELAY_DNS_SERVFAIL},
	{"secret.example", RELAY_DNS_A, "10.9.0.1", 300},
	{0},
};

struct scene {
	struct house house;
	struct zone zone;
	struct cothon_udp *asker; /* inside */
	unsigned count;
	struct cothon_endpoint from;
	size_t len;
	uint8_t answer[4096];
	unsigned denials;
	struct relay_denial denial; /* the last one */
};

static void told(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	struct scene *scene = owner;

	(void)udp;
	scene->count++;
	scene->from = datagram->source;
	scene->len = datagram->len;
	memcpy(scene->answer, datagram->payload, datagram->len);
}

static void denied(void *context, const struct relay_denial *denial)
{
	struct scene *scene = context;

	scene->denials++;
	scene->denial = *denial;
}

static struct scene *open_scene(const char *const *rules)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct cothon_endpoint resolver, local;
	struct house_config config = {.closed = true, .rules = rules, .resolver_count = 1};

	if (!has_host)
		skip();
	assert_non_null(scene);
	zone_open(&scene->zone, records);
	resolver = house_loopback(false, zone_port(&scene->zone));
	config.resolvers = &resolver;
	house_open(&scene->house, &config);
	zone_serve(&scene->zone, scene->house.loop);
	relay_on_denied(scene->house.relay, denied, scene);
	local = house_sandbox(&scene->house, false, 3000);
	assert_int_equal(cothon_udp_bind(scene->house.sandbox, &local, told, scene, &scene->asker),
			 0);
	return scene;
}

static void close_scene(struct scene *scene)
{
	cothon_udp_close(scene->asker);
	zone_close(&scene->zone);
	house_close(&scene->house);
	free(scene);
}

/* Asking */

static bool is_answered(void *scene)
{
	return ((struct scene *)scene)->count > 0;
}

static unsigned ask_at(struct scene *scene, struct cothon_endpoint server, const char *name,
		       uint16_t type)
{
	uint8_t message[512];
	size_t len = zone_question(name, type, message);

	scene->count = 0;
	assert_int_equal(cothon_udp_send(scene->asker, NULL, &server, message, len), 0);
	house_until(&scene->house, is_answered, scene);
	assert_endpoints_equal(scene->from, server);
	assert_true(relay_dns_answers(message, len, scene->answer, scene->len));
	return relay_dns_rcode(scene->answer);
}

static unsigned ask(struct scene *scene, const char *name, uint16_t type)
{
	return ask_at(scene, house_dns(&scene->house, false), name, type);
}

/* The synthetic address of a name, with a port. */
static struct cothon_endpoint synthetic(struct scene *scene, const char *name, bool ipv6,
					uint16_t port)
{
	struct cothon_endpoint endpoint = {.port = port};

	assert_int_equal(ask(scene, name, ipv6 ? RELAY_DNS_AAAA : RELAY_DNS_A), 0);
	assert_int_equal(scene->answer[7], 1);
	if (ipv6)
		endpoint.addr = cothon_addr_ipv6(scene->answer + scene->len - 16);
	else
		endpoint.addr = cothon_addr_ipv4(scene->answer + scene->len - 4);
	assert_true(relay_names_is_synthetic(&endpoint.addr));
	return endpoint;
}

static int listen_at(const char *addr)
{
	struct cothon_endpoint at = house_endpoint(addr, 0);
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	int fd = host_socket_open(name.any.sa_family, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, &name.any, name.len), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* A client that must be refused, and how. */
static void assert_refused(struct scene *scene, struct cothon_endpoint to, int error)
{
	uint64_t begin = host_now();
	struct client client;

	client_connect(&scene->house, &client, &to);
	house_until(&scene->house, client_has_ended, &client);
	assert_int_equal(cothon_tcp_error(client.tcp), error);
	assert_true(host_now() - begin < 1000000);
	client_close(&client);
}

#define WORLD "allow 10.9.0.1", "allow fd00:9::1"

static void a_name_is_reached_over_either_family(void **state)
{
	static const char *const rules[] = {"allow *.example", WORLD, NULL};
	const char *const names[] = {"www.example", "alias.example", "six.example"};
	struct scene *scene = open_scene(rules);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		bool ipv6 = i % 2;
		int listener = listen_at(ipv6 || i / 2 == 2 ? "fd00:9::1" : "10.9.0.1"), server;
		struct cothon_endpoint to =
			synthetic(scene, names[i / 2], ipv6, house_port(listener));
		struct client client;

		client_connect(&scene->house, &client, &to);
		server = house_accept(&scene->house, listener, NULL);
		house_until(&scene->house, client_is_open, &client);
		client_close(&client);
		close(server);
		close(listener);
	}
	assert_int_equal(scene->denials, 0);
	close_scene(scene);
}

/* The gateway answers questions that the zone need not answer again. */
static void answers_are_remembered_for_their_ttl(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	struct scene *scene = open_scene(rules);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		synthetic(scene, "www.example", false, 0);
		synthetic(scene, "www.example", true, 0);
	}
	assert_int_equal(scene->zone.asked, 2);
	synthetic(scene, "brief.example", false, 0);
	assert_int_equal(scene->zone.asked, 4);
	house_run(&scene->house, 1100);
	synthetic(scene, "brief.example", false, 0);
	assert_int_equal(scene->zone.asked, 6);
	close_scene(scene);
}

static void aliases_are_asked_for_and_servers_without_edns_too(void **state)
{
	static const char *const rules[] = {"allow *.example", WORLD, NULL};
	struct scene *scene = open_scene(rules);

	(void)state;
	scene->zone.terse = scene->zone.no_edns = true;
	synthetic(scene, "alias.example", false, 0);
	assert_string_equal(scene->zone.last, "www.example");
	close_scene(scene);
}

static void what_resolvers_say_of_allowed_names_is_said(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	struct scene *scene = open_scene(rules);

	(void)state;
	assert_int_equal(ask(scene, "nowhere.example", RELAY_DNS_A), RELAY_DNS_NXDOMAIN);
	assert_int_equal(ask(scene, "fails.example", RELAY_DNS_A), RELAY_DNS_SERVFAIL);
	assert_int_equal(ask(scene, "www.example", RELAY_DNS_HTTPS), 0);
	assert_int_equal(scene->answer[7], 0);
	/* Other types are the resolver's. */
	assert_int_equal(ask(scene, "www.example", 15), 0);
	assert_int_equal(scene->zone.asked, 2 + 2 + 1);
	assert_int_equal(scene->denials, 0);
	close_scene(scene);
}

static void a_denied_name_is_not_asked_for(void **state)
{
	static const char *const rules[] = {"allow www.example", "deny *.www.example", NULL};
	const char *const names[] = {"secret.example",  "x.www.example", "example",
				     "www.example.org", "xwww.example",  "\\001bad",
				     "a\\.b.example"};
	const uint16_t types[] = {RELAY_DNS_A,   RELAY_DNS_AAAA,
				  RELAY_DNS_PTR, RELAY_DNS_HTTPS,
				  RELAY_DNS_ANY, 16,
				  65535};
	struct scene *scene = open_scene(rules);

	(void)state;
	for (unsigned i = 0; i < 49; i++) {
		const char *name = names[i / 7];

		assert_int_equal(ask(scene, name, types[i % 7]), RELAY_DNS_NXDOMAIN);
		assert_int_equal(scene->denials, i + 1);
		assert_true(scene->denial.query);
		assert_int_equal(scene->denial.by,
				 i / 7 == 1 ? RELAY_DENIED_BY_RULE : RELAY_DENIED_BY_NONE);
		if (i / 7 < 5)
			assert_string_equal(scene->denial.name, name);
	}
	assert_int_equal(scene->zone.asked, 0);
	assert_int_equal(relay_counters(scene->house.relay)->dns_denied, 49);
	close_scene(scene);
}

static void the_gateway_stands_in_for_other_servers(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	struct scene *scene = open_scene(rules);

	(void)state;
	assert_int_equal(
		ask_at(scene, house_endpoint("192.0.2.53", 53), "www.example", RELAY_DNS_A), 0);
	assert_int_equal(ask_at(scene, house_endpoint("8.8.8.8", 53), "secret.org", 16),
			 RELAY_DNS_NXDOMAIN);
	assert_refused(scene, house_endpoint("192.0.2.53", 853), -EACCES);
	assert_int_equal(scene->denial.by, RELAY_DENIED_BY_NATURE);
	close_scene(scene);
}

static bool has_both_answers(void *context)
{
	const struct client *client = context;
	size_t first;

	if (client->received_len < 2)
		return false;
	first = 2 + (size_t)cothon_get16(client->received);
	return client->received_len >= first + 2 &&
	       client->received_len >= first + 2 + cothon_get16(client->received + first);
}

/* Two queries at once, or byte by byte; answered in their order, though the first takes longer. */
static void dns_over_tcp(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	struct scene *scene = open_scene(rules);
	const char *const servers[] = {"10.0.2.3", "192.0.2.1", "fd00:c070::3", "2001:db8::1"};
	uint8_t bytes[1024];
	size_t len = zone_question("www.example", RELAY_DNS_A, bytes + 2), second;

	(void)state;
	cothon_put16(bytes, (uint16_t)len);
	second = zone_question("secret.org", RELAY_DNS_A, bytes + 2 + len + 2);
	cothon_put16(bytes + 2 + len, (uint16_t)second);
	for (unsigned i = 0; i < 4; i++) {
		struct cothon_endpoint to = house_endpoint(servers[i], 53);
		size_t total = 2 + len + 2 + second, step = i % 2 ? 1 : total;
		struct client client;

		client_connect(&scene->house, &client, &to);
		house_until(&scene->house, client_is_open, &client);
		for (size_t at = 0; at < total; at += step) {
			client_send(&client, bytes + at, step, at + step == total);
			house_run(&scene->house, 1);
		}
		house_until(&scene->house, has_both_answers, &client);
		assert_int_equal(relay_dns_rcode(client.received + 2), 0);
		assert_int_equal(
			relay_dns_rcode(client.received + 2 + cothon_get16(client.received) + 2),
			RELAY_DNS_NXDOMAIN);
		house_until(&scene->house, client_has_read_all, &client);
		client_close(&client);
	}
	close_scene(scene);
}

static void a_stream_that_lies_is_reset(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	const uint8_t lies[3][16] = {{0, 0}, {0xff, 0xff}, {0, 4, 1, 2, 3, 4}};
	struct scene *scene = open_scene(rules);
	struct cothon_endpoint to = house_dns(&scene->house, false);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct client client;

		client_connect(&scene->house, &client, &to);
		client_send(&client, lies[i], sizeof(lies[i]), false);
		house_until(&scene->house, client_has_ended, &client);
		assert_int_equal(cothon_tcp_error(client.tcp), -ECONNRESET);
		client_close(&client);
	}
	close_scene(scene);
}

static void the_next_address_is_tried(void **state)
{
	static const char *const rules[] = {"allow *.example", "allow 10.9.0.1", NULL};
	struct scene *scene = open_scene(rules);
	int listener = listen_at("10.9.0.1"), server;
	struct cothon_endpoint to = synthetic(scene, "turns.example", false, house_port(listener));
	struct client client;

	(void)state;
	client_connect(&scene->house, &client, &to);
	server = house_accept(&scene->house, listener, NULL);
	house_until(&scene->house, client_is_open, &client);
	client_close(&client);
	close(server);
	/* And when nobody is at any of them, the last one's answer counts. */
	close(listener);
	assert_refused(scene, to, -ECONNREFUSED);
	assert_int_equal(scene->denials, 0);
	close_scene(scene);
}

static void rebinding_is_refused(void **state)
{
	static const char *const rules[] = {"allow *.example", "allow 0.0.0.0/0", "allow ::/0",
					    "deny 10.9.0.2", NULL};
	const char *const names[] = {"loop.example", "meta.example", "gateway.example",
				     "many.example", "www.example"};
	struct scene *scene = open_scene(rules);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_refused(scene, synthetic(scene, names[i], false, 80), -EACCES);
		assert_int_equal(scene->denials, i + 1);
		assert_int_equal(scene->denial.by, RELAY_DENIED_REBINDING);
		assert_string_equal(scene->denial.name, names[i]);
	}
	/* An address that a rule denies is not reached by a name that one allows. */
	assert_refused(scene, synthetic(scene, "own.example", false, 80), -EACCES);
	assert_int_equal(scene->denial.by, RELAY_DENIED_BY_RULE);
	assert_false(scene->denial.rule.allow);
	close_scene(scene);
}

static void ports_of_names_and_addresses(void **state)
{
	static const char *const rules[] = {"allow www.example:81", "allow 10.9.0.0/16:82", NULL};
	struct scene *scene = open_scene(rules);

	(void)state;
	assert_refused(scene, synthetic(scene, "www.example", false, 80), -EACCES);
	assert_string_equal(scene->denial.name, "www.example");
	assert_int_equal(scene->denial.destination.port, 80);
	assert_refused(scene, house_endpoint("10.9.0.1", 81), -EACCES);
	assert_string_equal(scene->denial.name, "");
	assert_int_equal(scene->denials, 2);
	/* Let through: the host's own answer. */
	assert_refused(scene, house_endpoint("10.9.0.1", 82), -ECONNREFUSED);
	/* Of the gateway's range, and nobody's. */
	assert_refused(scene, house_endpoint("198.18.9.9", 82), -EACCES);
	assert_int_equal(scene->denials, 3);
	close_scene(scene);
}

static void datagrams_carry_names_both_ways(void **state)
{
	static const char *const rules[] = {"allow *.example", WORLD, NULL};
	const char *const names[] = {"www.example", "six.example"};
	struct scene *scene = open_scene(rules);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct cothon_endpoint at = house_endpoint(i ? "fd00:9::1" : "10.9.0.1", 0);
		struct host_sockaddr name = host_sockaddr_make(&at, 0);
		int server = host_socket_open(name.any.sa_family, SOCK_DGRAM, 0);
		struct host_sockaddr from = {.len = sizeof(from.in6)};
		struct cothon_endpoint to;
		char data[16];

		assert_int_equal(bind(server, &name.any, name.len), 0);
		to = synthetic(scene, names[i], false, house_port(server));
		scene->count = 0;
		for (unsigned n = 0; n < 3; n++) {
			assert_int_equal(cothon_udp_send(scene->asker, NULL, &to, "ask", 3), 0);
			house_until(&scene->house, house_readable, &server);
			assert_int_equal(
				recvfrom(server, data, sizeof(data), 0, &from.any, &from.len), 3);
		}
		assert_int_equal(sendto(server, "yes", 3, 0, &from.any, from.len), 3);
		house_until(&scene->house, is_answered, scene);
		assert_endpoints_equal(scene->from, to);
		assert_memory_equal(scene->answer, "yes", 3);
		close(server);
	}
	assert_int_equal(scene->denials, 0);
	close_scene(scene);
}

/* Other rules */

static void set_rules(struct scene *scene, const char *const *texts)
{
	struct cothon_rule rules[HOUSE_RULES];
	size_t count = house_rules(texts, rules);

	assert_int_equal(relay_set_rules(scene->house.relay, rules, count), 0);
	assert_int_equal(cothon_rules_count(relay_rules(scene->house.relay)), count);
}

static void connect_to(struct scene *scene, struct client *client, int *server,
		       struct cothon_endpoint to, int listener)
{
	client_connect(&scene->house, client, &to);
	*server = house_accept(&scene->house, listener, NULL);
	house_until(&scene->house, client_is_open, client);
}

static void other_rules_close_what_they_forbid_and_nothing_else(void **state)
{
	static const char *const before[] = {"allow www.example", "allow six.example", WORLD, NULL};
	static const char *const after[] = {"allow www.example", "allow 10.9.0.1", NULL};
	struct scene *scene = open_scene(before);
	int listener = listen_at("10.9.0.1"), listener6 = listen_at("fd00:9::1"), servers[3];
	uint16_t port = house_port(listener), port6 = house_port(listener6);
	struct client named, other, plain;
	char byte;

	(void)state;
	connect_to(scene, &named, &servers[0], synthetic(scene, "www.example", false, port),
		   listener);
	connect_to(scene, &other, &servers[1], synthetic(scene, "six.example", false, port6),
		   listener6);
	connect_to(scene, &plain, &servers[2], house_endpoint("fd00:9::1", port6), listener6);
	set_rules(scene, after);
	assert_int_equal(scene->denials, 2);
	house_until(&scene->house, client_has_ended, &other);
	house_until(&scene->house, client_has_ended, &plain);
	assert_int_equal(cothon_tcp_error(other.tcp), -ECONNRESET);
	assert_int_equal(cothon_tcp_error(plain.tcp), -ECONNRESET);
	assert_int_equal(house_read_some(&scene->house, servers[1], &byte, 1), -ECONNRESET);
	assert_int_equal(house_read_some(&scene->house, servers[2], &byte, 1), -ECONNRESET);
	/* The one that stays, stays. */
	client_send(&named, (const uint8_t *)"on", 2, false);
	house_until(&scene->house, house_readable, &servers[0]);
	assert_false(client_has_ended(&named));
	/* And its name keeps its address. */
	assert_int_equal(synthetic(scene, "www.example", false, 0).addr.b[15], 1);
	client_close(&named);
	client_close(&other);
	client_close(&plain);
	for (unsigned i = 0; i < 3; i++)
		close(servers[i]);
	close(listener);
	close(listener6);
	close_scene(scene);
}

/* Rules that change all the time, and flows that are allowed by all of them, by name or address. */
static void changes_do_not_disturb_what_stays_allowed(void **state)
{
	enum {
		FLOWS = 40,
		CHANGES = 400
	};
	static const char *const one[] = {"allow www.example", WORLD, "deny 192.0.2.1", NULL};
	static const char *const other[] = {"allow *.example", "allow any", WORLD, NULL};
	struct scene *scene = open_scene(one);
	int listener = listen_at("10.9.0.1"), servers[FLOWS];
	struct cothon_endpoint named = synthetic(scene, "www.example", false, house_port(listener));
	struct cothon_endpoint plain = house_endpoint("10.9.0.1", house_port(listener));
	struct client clients[FLOWS];
	char byte;

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++)
		connect_to(scene, &clients[i], &servers[i], i % 2 ? named : plain, listener);
	for (unsigned i = 0; i < CHANGES; i++) {
		set_rules(scene, i % 2 ? one : other);
		client_send(&clients[i % FLOWS], (const uint8_t *)"x", 1, false);
		assert_int_equal(house_read(&scene->house, servers[i % FLOWS], &byte, 1), 1);
	}
	assert_int_equal(scene->denials, 0);
	for (unsigned i = 0; i < FLOWS; i++) {
		assert_false(client_has_ended(&clients[i]));
		client_close(&clients[i]);
		close(servers[i]);
	}
	close(listener);
	close_scene(scene);
}

static void other_rules_hold_for_the_next_datagram(void **state)
{
	static const char *const before[] = {"allow 10.9.0.1", NULL};
	static const char *const after[] = {"allow 10.9.0.1/32:1", NULL};
	struct scene *scene = open_scene(before);
	struct cothon_endpoint at = house_endpoint("10.9.0.1", 0);
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	int server = host_socket_open(AF_INET, SOCK_DGRAM, 0);
	char data[4];

	(void)state;
	assert_int_equal(bind(server, &name.any, name.len), 0);
	at.port = house_port(server);
	assert_int_equal(cothon_udp_send(scene->asker, NULL, &at, "a", 1), 0);
	house_until(&scene->house, house_readable, &server);
	assert_int_equal(recv(server, data, sizeof(data), 0), 1);
	set_rules(scene, after);
	assert_int_equal(scene->denials, 1);
	assert_int_equal(cothon_udp_send(scene->asker, NULL, &at, "b", 1), 0);
	house_run(&scene->house, 30);
	assert_int_equal(scene->denials, 2);
	assert_false(house_readable(&server));
	set_rules(scene, NULL);
	assert_int_equal(cothon_udp_send(scene->asker, NULL, &at, "c", 1), 0);
	house_until(&scene->house, house_readable, &server);
	close(server);
	close_scene(scene);
}

struct seen {
	uint64_t first, last;
	unsigned count;
};

static void see(uint64_t number, const struct relay_denial *denial, void *context)
{
	struct seen *seen = context;

	if (seen->count++ == 0)
		seen->first = number;
	seen->last = number;
	assert_int_equal(denial->destination.port, number + 1);
	assert_int_equal(denial->transport, COTHON_UDP);
	assert_true(denial->at > 0);
}

static void the_newest_denials_are_kept(void **state)
{
	static const char *const rules[] = {"allow 10.9.0.1", NULL};
	struct scene *scene = open_scene(rules);
	struct seen all = {0}, some = {0};

	(void)state;
	relay_denials(scene->house.relay, 0, see, &all);
	assert_int_equal(all.count, 0);
	for (unsigned port = 1; port <= RELAY_DENIALS + 10; port++) {
		struct cothon_endpoint to = house_endpoint("192.0.2.1", (uint16_t)port);

		assert_int_equal(cothon_udp_send(scene->asker, NULL, &to, "x", 1), 0);
		if (port % 64 == 0)
			house_run(&scene->house, 1);
	}
	house_run(&scene->house, 10);
	assert_int_equal(scene->denials, RELAY_DENIALS + 10);
	relay_denials(scene->house.relay, 0, see, &all);
	assert_int_equal(all.count, RELAY_DENIALS);
	assert_int_equal(all.first, 10);
	assert_int_equal(all.last, RELAY_DENIALS + 9);
	relay_denials(scene->house.relay, RELAY_DENIALS, see, &some);
	assert_int_equal(some.count, 10);
	close_scene(scene);
}

/* While a name is not resolved yet, either side may go. */
static void a_flow_that_waits_for_its_name_may_end(void **state)
{
	static const char *const rules[] = {"allow *.example", NULL};
	struct scene *scene = open_scene(rules);
	struct cothon_endpoint to = synthetic(scene, "brief.example", false, 80);
	struct client clients[2];

	(void)state;
	house_run(&scene->house, 1100);
	scene->zone.silent = true;
	for (unsigned i = 0; i < 2; i++)
		client_connect(&scene->house, &clients[i], &to);
	assert_int_equal(cothon_udp_send(scene->asker, NULL, &to, "x", 1), 0);
	house_run(&scene->house, 50);
	assert_int_equal(scene->zone.asked, 4);
	cothon_tcp_abort(clients[0].tcp);
	free(clients[0].received);
	house_run(&scene->house, 20);
	set_rules(scene, (const char *const[]){"deny any", NULL});
	house_until(&scene->house, client_has_ended, &clients[1]);
	client_close(&clients[1]);
	close_scene(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_reached_over_either_family),
		cmocka_unit_test(answers_are_remembered_for_their_ttl),
		cmocka_unit_test(aliases_are_asked_for_and_servers_without_edns_too),
		cmocka_unit_test(what_resolvers_say_of_allowed_names_is_said),
		cmocka_unit_test(a_denied_name_is_not_asked_for),
		cmocka_unit_test(the_gateway_stands_in_for_other_servers),
		cmocka_unit_test(dns_over_tcp),
		cmocka_unit_test(a_stream_that_lies_is_reset),
		cmocka_unit_test(the_next_address_is_tried),
		cmocka_unit_test(rebinding_is_refused),
		cmocka_unit_test(ports_of_names_and_addresses),
		cmocka_unit_test(datagrams_carry_names_both_ways),
		cmocka_unit_test(other_rules_close_what_they_forbid_and_nothing_else),
		cmocka_unit_test(changes_do_not_disturb_what_stays_allowed),
		cmocka_unit_test(other_rules_hold_for_the_next_datagram),
		cmocka_unit_test(the_newest_denials_are_kept),
		cmocka_unit_test(a_flow_that_waits_for_its_name_may_end),
	};

	return cmocka_run_group_tests(tests, make_host, NULL);
}
