/* SPDX-License-Identifier: MIT */

/* Relays in one neighbourhood, and the stacks of their sandboxes. */

#include "relay/neighbour.h"

#include "house.h"
#include "relay/reply.h"
#include "zone.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	WEB,
	DB,
	APP,
	HOUSES,
	FLOWS_MAX = 4,
	BULK = 4 << 20,
};

static const char *const names[HOUSES] = {"web", "DB", "app"};

/* What the zone outside knows: nothing of neighbours. */
static const struct zone_record records[] = {
	{"www.example", RELAY_DNS_A, "192.0.2.1", 300},
	{0},
};

struct street {
	struct host_loop *loop;
	struct relay_neighbourhood *neighbourhood;
	struct house houses[HOUSES];
	bool closed[HOUSES];
	struct zone zone;
	/* Denials of APP. */
	unsigned denials;
	struct relay_denial denial;
	/* What a server inside was given. */
	struct cothon_tcp *accepted;
	/* Datagrams that came. */
	unsigned datagrams;
	struct cothon_endpoint from;
	uint8_t data[2048];
	size_t len;
};

static void denied(void *context, const struct relay_denial *denial)
{
	struct street *street = context;

	street->denials++;
	street->denial = *denial;
}

/* Three houses, of which the last has rules. */
static struct street *open_street(unsigned features, const char *const *rules)
{
	struct street *street = calloc(1, sizeof(*street));
	struct cothon_endpoint resolver;

	assert_non_null(street);
	assert_int_equal(host_loop_create(&street->loop), 0);
	assert_int_equal(relay_neighbourhood_create(street->loop, &street->neighbourhood), 0);
	zone_open(&street->zone, records);
	zone_serve(&street->zone, street->loop);
	resolver = house_loopback(false, zone_port(&street->zone));
	for (unsigned i = 0; i < HOUSES; i++)
		house_open(&street->houses[i], &(struct house_config){
						       .features = features,
						       .closed = true,
						       .resolvers = &resolver,
						       .resolver_count = 1,
						       .rules = i == APP ? rules : NULL,
						       .loop = street->loop,
						       .neighbourhood = street->neighbourhood,
						       .name = names[i],
						       .number = (uint8_t)i,
					       });
	relay_on_denied(street->houses[APP].relay, denied, street);
	return street;
}

static void close_house(struct street *street, unsigned number)
{
	house_close(&street->houses[number]);
	street->closed[number] = true;
}

static void close_street(struct street *street)
{
	zone_close(&street->zone);
	for (unsigned i = 0; i < HOUSES; i++) {
		if (!street->closed[i])
			close_house(street, i);
	}
	relay_neighbourhood_destroy(street->neighbourhood);
	host_loop_destroy(street->loop);
	free(street);
}

static struct cothon_endpoint at(struct street *street, unsigned house, bool ipv6, uint16_t port)
{
	return house_sandbox(&street->houses[house], ipv6, port);
}

/* Flows */

static void accepted(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct street *street = owner;

	(void)events;
	street->accepted = tcp;
}

static struct cothon_listener *listen_in(struct street *street, unsigned house, uint16_t port)
{
	const struct cothon_endpoint local = {.port = port};
	struct cothon_listener *listener;

	assert_int_equal(cothon_tcp_listen(street->houses[house].sandbox, &local, 16, accepted,
					   street, &listener),
			 0);
	return listener;
}

static bool is_accepted(void *street)
{
	return ((struct street *)street)->accepted;
}

/* A flow from APP to a port of another house. */
struct pair {
	struct cothon_listener *listener;
	struct client client, server;
};

static void connect_pair(struct street *street, struct pair *pair, unsigned house, bool ipv6)
{
	struct cothon_endpoint to = at(street, house, ipv6, 80);

	pair->listener = listen_in(street, house, 80);
	street->accepted = NULL;
	client_connect(&street->houses[APP], &pair->client, &to);
	house_until(&street->houses[APP], client_is_open, &pair->client);
	house_until(&street->houses[APP], is_accepted, street);
	client_adopt(&pair->server, street->accepted);
}

static void close_pair(struct pair *pair)
{
	client_close(&pair->client);
	client_close(&pair->server);
	cothon_listener_close(pair->listener);
}

static void assert_refused(struct street *street, struct cothon_endpoint to, int error)
{
	struct client client;

	client_connect(&street->houses[APP], &client, &to);
	house_until(&street->houses[APP], client_has_ended, &client);
	assert_int_equal(cothon_tcp_error(client.tcp), error);
	client_close(&client);
}

static bool has_all(void *context)
{
	return ((struct client *)context)->received_len == BULK;
}

static void bytes_cross_untouched(void **state)
{
	const unsigned features[] = {0, COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO};
	uint8_t *bytes = house_bytes(BULK);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct street *street = open_street(features[i / 2], NULL);
		struct pair pair;

		connect_pair(street, &pair, WEB, i % 2);
		client_send(&pair.client, bytes, BULK, true);
		client_send(&pair.server, bytes, BULK, true);
		house_until(&street->houses[APP], has_all, &pair.client);
		house_until(&street->houses[APP], has_all, &pair.server);
		assert_memory_equal(pair.client.received, bytes, BULK);
		assert_memory_equal(pair.server.received, bytes, BULK);
		/* Nobody in between has taken part. */
		for (unsigned h = 0; h < HOUSES; h++) {
			struct relay *relay = street->houses[h].relay;

			assert_int_equal(cothon_stack_counters(relay_stack(relay))->tcp_in, 0);
			assert_int_equal(relay_counters(relay)->tcp_out, 0);
		}
		close_pair(&pair);
		close_street(street);
	}
	free(bytes);
}

/* Rules */

static void rules_name_neighbours(void **state)
{
	static const char *const rules[] = {"allow web.internal:80", NULL};
	struct street *street = open_street(0, rules);
	struct pair pair;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_endpoint web = at(street, WEB, ipv6, 81);

		connect_pair(street, &pair, WEB, ipv6);
		close_pair(&pair);
		street->denials = 0;
		assert_refused(street, web, -EACCES);
		assert_int_equal(street->denials, 1);
		assert_string_equal(street->denial.name, "web.internal");
		assert_int_equal(street->denial.by, RELAY_DENIED_BY_NONE);
		assert_int_equal(street->denial.transport, COTHON_TCP);
		assert_endpoints_equal(street->denial.destination, web);
		assert_refused(street, at(street, DB, ipv6, 80), -EACCES);
		assert_string_equal(street->denial.name, "db.internal");
	}
	close_street(street);
}

static void rules_name_addresses(void **state)
{
	static const char *const rules[] = {"deny 10.0.2.100/32", "deny *.internal:5432/tcp", NULL};
	struct street *street = open_street(0, rules);
	struct pair pair;

	(void)state;
	assert_refused(street, at(street, WEB, false, 80), -EACCES);
	assert_int_equal(street->denial.by, RELAY_DENIED_BY_RULE);
	assert_true(cothon_addr_equal(&street->denial.rule.addr,
				      &street->houses[WEB].network.ipv4.sandbox));
	connect_pair(street, &pair, WEB, true);
	close_pair(&pair);
	assert_refused(street, at(street, DB, false, 5432), -EACCES);
	connect_pair(street, &pair, DB, false);
	close_pair(&pair);
	close_street(street);
}

static void rules_that_change_end_flows(void **state)
{
	static const char *const forbidding[] = {"deny web.internal/tcp", NULL};
	struct street *street = open_street(0, NULL);
	struct cothon_rule rules[HOUSE_RULES];
	size_t count = house_rules(forbidding, rules);
	struct pair pair;

	(void)state;
	connect_pair(street, &pair, WEB, false);
	/* Another's rules are about what it opens itself. */
	assert_int_equal(relay_set_rules(street->houses[WEB].relay, rules, count), 0);
	client_send(&pair.client, (const uint8_t *)"ping", 4, false);
	client_send(&pair.server, (const uint8_t *)"pong", 4, false);
	house_until(&street->houses[APP], client_has_echo, &pair.client);
	house_until(&street->houses[APP], client_has_echo, &pair.server);
	assert_int_equal(relay_set_rules(street->houses[APP].relay, rules, count), 0);
	assert_int_equal(street->denials, 1);
	assert_string_equal(street->denial.name, "web.internal");
	house_until(&street->houses[APP], client_has_ended, &pair.client);
	house_until(&street->houses[APP], client_has_ended, &pair.server);
	assert_int_equal(cothon_tcp_error(pair.client.tcp), -ECONNRESET);
	assert_int_equal(cothon_tcp_error(pair.server.tcp), -ECONNRESET);
	close_pair(&pair);
	assert_refused(street, at(street, WEB, false, 80), -EACCES);
	close_street(street);
}

static void told(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	struct street *street = owner;

	(void)udp;
	street->datagrams++;
	street->from = datagram->source;
	street->len = datagram->len;
	assert_true(datagram->len <= sizeof(street->data));
	memcpy(street->data, datagram->payload, datagram->len);
}

static bool has_datagram(void *street)
{
	return ((struct street *)street)->datagrams > 0;
}

static bool has_denial(void *street)
{
	return ((struct street *)street)->denials > 0;
}

static struct cothon_udp *bind_in(struct street *street, unsigned house, uint16_t port)
{
	const struct cothon_endpoint local = {.port = port};
	struct cothon_udp *udp;

	assert_int_equal(cothon_udp_bind(street->houses[house].sandbox, &local, told, street, &udp),
			 0);
	return udp;
}

static void send_datagram(struct street *street, struct cothon_udp *udp, struct cothon_endpoint to)
{
	street->datagrams = 0;
	assert_int_equal(cothon_udp_send(udp, NULL, &to, "datagram", 8), 0);
}

static void datagrams_and_their_answers(void **state)
{
	static const char *const rules[] = {"allow db.internal:53/udp", "allow 10.0.2.101:54/udp",
					    NULL};
	struct street *street = open_street(0, rules);
	struct cothon_udp *app = bind_in(street, APP, 3000), *db = bind_in(street, DB, 53);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		send_datagram(street, app, at(street, DB, ipv6, 53));
		house_until(&street->houses[APP], has_datagram, street);
		assert_endpoints_equal(street->from, at(street, APP, ipv6, 3000));
		send_datagram(street, db, street->from);
		house_until(&street->houses[APP], has_datagram, street);
		assert_endpoints_equal(street->from, at(street, DB, ipv6, 53));
		street->denials = 0;
		send_datagram(street, app, at(street, DB, ipv6, 55));
		house_until(&street->houses[APP], has_denial, street);
		assert_string_equal(street->denial.name, "db.internal");
		assert_int_equal(street->denial.transport, COTHON_UDP);
	}
	cothon_udp_close(app);
	cothon_udp_close(db);
	close_street(street);
}

/* Names */

static unsigned ask(struct street *street, struct cothon_udp *udp, const char *name, uint16_t type)
{
	struct cothon_endpoint server = house_dns(&street->houses[APP], false);
	uint8_t message[512];
	size_t len = zone_question(name, type, message);

	street->datagrams = 0;
	assert_int_equal(cothon_udp_send(udp, NULL, &server, message, len), 0);
	house_until(&street->houses[APP], has_datagram, street);
	assert_endpoints_equal(street->from, server);
	assert_true(relay_dns_answers(message, len, street->data, street->len));
	return relay_dns_rcode(street->data);
}

static unsigned answer_count(const struct street *street)
{
	return street->data[7];
}

static void assert_address(const struct street *street, struct cothon_addr addr)
{
	size_t len = cothon_addr_is_ipv4(&addr) ? 4 : 16;

	assert_int_equal(answer_count(street), 1);
	assert_memory_equal(street->data + street->len - len, addr.b + 16 - len, len);
}

static bool has_refused_all(void *relay)
{
	return relay_counters(relay)->prohibited == 6;
}

/* On a network that is shared, its prefixes do not lead outside. */
static void where_nobody_is_nobody_answers(void **state)
{
	static const char *const places[] = {"10.0.2.50", "fd00:c070::50", "10.0.2.254"};
	struct street *street = open_street(0, NULL);
	struct relay *relay = street->houses[APP].relay;
	struct cothon_udp *udp = bind_in(street, APP, 3000);
	struct client clients[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct cothon_endpoint to = house_endpoint(places[i], 80);

		client_connect(&street->houses[APP], &clients[i], &to);
		send_datagram(street, udp, to);
	}
	house_until(&street->houses[APP], has_refused_all, relay);
	assert_int_equal(relay_counters(relay)->tcp_out, 0);
	assert_int_equal(relay_counters(relay)->udp_out, 0);
	assert_int_equal(cothon_stack_counters(relay_stack(relay))->icmp_errors_out, 6);
	assert_int_equal(street->denials, 0);
	for (unsigned i = 0; i < 3; i++)
		client_close(&clients[i]);
	cothon_udp_close(udp);
	close_street(street);
}

static void ask_about_neighbours(struct street *street, struct cothon_udp *udp)
{
	const struct relay_network *web = &street->houses[WEB].network;
	static const uint8_t pointer[] = "\3web\10internal";

	assert_int_equal(ask(street, udp, "web.internal", RELAY_DNS_A), 0);
	assert_address(street, web->ipv4.sandbox);
	assert_int_equal(ask(street, udp, "wEb.InternaL", RELAY_DNS_AAAA), 0);
	assert_address(street, web->ipv6.sandbox);
	assert_int_equal(ask(street, udp, "db.internal", RELAY_DNS_A), 0);
	assert_address(street, street->houses[DB].network.ipv4.sandbox);
	/* Itself too. */
	assert_int_equal(ask(street, udp, "app.internal", RELAY_DNS_A), 0);
	assert_address(street, street->houses[APP].network.ipv4.sandbox);
	assert_int_equal(ask(street, udp, "web.internal", RELAY_DNS_HTTPS), 0);
	assert_int_equal(answer_count(street), 0);
	assert_int_equal(ask(street, udp, "100.2.0.10.in-addr.arpa", RELAY_DNS_PTR), 0);
	assert_int_equal(answer_count(street), 1);
	assert_memory_equal(street->data + street->len - sizeof(pointer), pointer, sizeof(pointer));
	assert_int_equal(ask(street, udp,
			     "0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.0.c.0.0.d.f."
			     "ip6.arpa",
			     RELAY_DNS_PTR),
			 0);
	assert_memory_equal(street->data + street->len - sizeof(pointer), pointer, sizeof(pointer));
	assert_int_equal(ask(street, udp, "100.2.0.10.in-addr.arpa", RELAY_DNS_A), 0);
	assert_int_equal(answer_count(street), 0);
	/* What is not there, is not there outside either. */
	assert_int_equal(ask(street, udp, "other.internal", RELAY_DNS_A), RELAY_DNS_NXDOMAIN);
	assert_int_equal(ask(street, udp, "www.web.internal", RELAY_DNS_A), RELAY_DNS_NXDOMAIN);
	assert_int_equal(ask(street, udp, "10.0.2.100.internal", RELAY_DNS_A), RELAY_DNS_NXDOMAIN);
	assert_int_equal(answer_count(street), 0);
	assert_int_equal(ask(street, udp, "50.2.0.10.in-addr.arpa", RELAY_DNS_PTR),
			 RELAY_DNS_NXDOMAIN);
	assert_int_equal(ask(street, udp, "internal", RELAY_DNS_A), 0);
	assert_int_equal(answer_count(street), 0);
}

static void neighbours_have_names(void **state)
{
	static const char *const some[] = {"allow www.example", NULL};
	static const char *const addresses[] = {"allow 192.0.2.0/24", NULL};
	const char *const *const rules[] = {NULL, some, addresses};

	(void)state;
	/* Rules decide about flows, not about who may know a neighbour's name. */
	for (unsigned i = 0; i < 3; i++) {
		struct street *street = open_street(0, rules[i]);
		struct cothon_udp *udp = bind_in(street, APP, 3000);

		ask_about_neighbours(street, udp);
		assert_int_equal(street->zone.asked, 0);
		assert_int_equal(street->denials, 0);
		assert_int_equal(ask(street, udp, "www.example", RELAY_DNS_A),
				 i == 2 ? RELAY_DNS_NXDOMAIN : 0);
		assert_int_equal(ask(street, udp, "eternal", RELAY_DNS_A), RELAY_DNS_NXDOMAIN);
		assert_int_equal(street->zone.asked > 0, i != 2);
		cothon_udp_close(udp);
		close_street(street);
	}
}

/* Who asks over TCP is answered in the same way. */
static void names_over_tcp(void **state)
{
	struct street *street = open_street(0, NULL);
	struct cothon_endpoint server = house_dns(&street->houses[APP], false);
	struct client client;
	uint8_t message[514];
	size_t len = zone_question("web.internal", RELAY_DNS_A, message + 2);

	(void)state;
	message[0] = (uint8_t)(len >> 8);
	message[1] = (uint8_t)len;
	client_connect(&street->houses[APP], &client, &server);
	client_send(&client, message, len + 2, true);
	house_until(&street->houses[APP], client_has_read_all, &client);
	assert_true(client.received_len > len + 2);
	assert_memory_equal(client.received + client.received_len - 4,
			    street->houses[WEB].network.ipv4.sandbox.b + 12, 4);
	assert_int_equal(street->zone.asked, 0);
	client_close(&client);
	close_street(street);
}

/* What is seen */

struct flows {
	struct relay_flow list[FLOWS_MAX];
	unsigned count;
};

static void take(const struct relay_flow *flow, void *context)
{
	struct flows *flows = context;

	assert_true(flows->count < FLOWS_MAX);
	flows->list[flows->count++] = *flow;
}

static struct flows look(struct street *street, unsigned house)
{
	struct flows flows = {0};

	relay_mappings(street->houses[house].relay, take, &flows);
	return flows;
}

static bool has_ping(void *client)
{
	return ((struct client *)client)->received_len == 4;
}

static void flows_are_seen_and_ended(void **state)
{
	struct street *street = open_street(0, NULL);
	struct pair pair;
	struct flows app, web;

	(void)state;
	connect_pair(street, &pair, WEB, false);
	client_send(&pair.client, (const uint8_t *)"ping", 4, false);
	client_send(&pair.server, (const uint8_t *)"pongpong", 8, false);
	house_until(&street->houses[APP], has_ping, &pair.server);
	house_until(&street->houses[APP], client_has_echo, &pair.client);
	app = look(street, APP);
	web = look(street, WEB);
	assert_int_equal(app.count, 1);
	assert_int_equal(web.count, 1);
	assert_true(app.list[0].neighbour && web.list[0].neighbour);
	assert_true(!app.list[0].inward && web.list[0].inward);
	assert_string_equal(app.list[0].name, "web.internal");
	assert_string_equal(web.list[0].name, "app.internal");
	assert_endpoints_equal(app.list[0].remote, at(street, WEB, false, 80));
	assert_endpoints_equal(web.list[0].inside, at(street, WEB, false, 80));
	assert_endpoints_equal(web.list[0].remote, app.list[0].inside);
	assert_int_equal(app.list[0].state, COTHON_TCP_ESTABLISHED);
	assert_int_equal(app.list[0].bytes_out, 4);
	assert_int_equal(app.list[0].bytes_in, 8);
	assert_int_equal(web.list[0].bytes_in, 4);
	assert_int_equal(look(street, DB).count, 0);

	assert_true(relay_flow_is(street->houses[WEB].relay, COTHON_TCP, &web.list[0].inside,
				  &web.list[0].remote));
	assert_int_equal(relay_flow_end(street->houses[WEB].relay, COTHON_TCP, &web.list[0].inside,
					&web.list[0].remote),
			 0);
	house_until(&street->houses[APP], client_has_ended, &pair.client);
	house_until(&street->houses[APP], client_has_ended, &pair.server);
	assert_int_equal(cothon_tcp_error(pair.client.tcp), -ECONNRESET);
	assert_int_equal(look(street, APP).count, 0);
	close_pair(&pair);
	close_street(street);
}

/* Coming and going */

static void who_moves_out_is_missed(void **state)
{
	struct street *street = open_street(0, NULL);
	struct cothon_udp *udp = bind_in(street, APP, 3000);
	struct pair pair;

	(void)state;
	connect_pair(street, &pair, WEB, true);
	cothon_listener_close(pair.listener);
	close_house(street, WEB);
	house_until(&street->houses[APP], client_has_ended, &pair.client);
	assert_int_equal(cothon_tcp_error(pair.client.tcp), -ECONNRESET);
	client_close(&pair.client);
	free(pair.server.received);
	assert_int_equal(ask(street, udp, "web.internal", RELAY_DNS_A), RELAY_DNS_NXDOMAIN);
	/* And another may move in. */
	house_open(&street->houses[WEB], &(struct house_config){
						 .loop = street->loop,
						 .neighbourhood = street->neighbourhood,
						 .name = "web",
					 });
	street->closed[WEB] = false;
	assert_int_equal(ask(street, udp, "web.internal", RELAY_DNS_A), 0);
	connect_pair(street, &pair, WEB, false);
	close_pair(&pair);
	cothon_udp_close(udp);
	close_street(street);
}

static int try_to_join(struct street *street, const char *name, const char *addr)
{
	struct cothon_link *ends[2];
	struct relay_config config = {
		.loop = street->loop,
		.link_fd = -1,
		.network = relay_network_default(),
		.neighbourhood = street->neighbourhood,
		.neighbour_name = name,
	};
	struct relay *relay;
	int result;

	assert_int_equal(cothon_addr_parse(addr, &config.network.ipv4.sandbox), 0);
	config.network.ipv6.enabled = false;
	assert_int_equal(cothon_wire_open(&cothon_memory_malloc, street->houses[APP].pool, 1500, 0,
					  4, ends),
			 0);
	config.link = ends[0];
	result = relay_create(&config, &relay);
	/* On an error the link is still there, to be closed here. */
	if (result == 0)
		relay_destroy(relay);
	else
		cothon_link_close(ends[0]);
	cothon_link_close(ends[1]);
	return result;
}

static void who_may_not_move_in(void **state)
{
	struct street *street = open_street(0, NULL);

	(void)state;
	assert_int_equal(try_to_join(street, "web", "10.0.2.110"), -EEXIST);
	assert_int_equal(try_to_join(street, "db", "10.0.2.110"), -EEXIST);
	assert_int_equal(try_to_join(street, "a.b", "10.0.2.110"), -EINVAL);
	assert_int_equal(try_to_join(street, "", "10.0.2.110"), -EINVAL);
	assert_int_equal(try_to_join(street, "a b", "10.0.2.110"), -EINVAL);
	assert_int_equal(try_to_join(street, NULL, "10.0.2.110"), -EINVAL);
	assert_int_equal(try_to_join(street, "new", "10.0.2.100"), -EADDRINUSE);
	assert_int_equal(try_to_join(street, "new", "10.0.2.110"), 0);
	assert_int_equal(try_to_join(street, "new", "10.0.2.110"), 0);
	close_street(street);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_cross_untouched),
		cmocka_unit_test(rules_name_neighbours),
		cmocka_unit_test(rules_name_addresses),
		cmocka_unit_test(rules_that_change_end_flows),
		cmocka_unit_test(datagrams_and_their_answers),
		cmocka_unit_test(where_nobody_is_nobody_answers),
		cmocka_unit_test(neighbours_have_names),
		cmocka_unit_test(names_over_tcp),
		cmocka_unit_test(flows_are_seen_and_ended),
		cmocka_unit_test(who_moves_out_is_missed),
		cmocka_unit_test(who_may_not_move_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
