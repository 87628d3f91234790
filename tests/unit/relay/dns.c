/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "host/socket.h"
#include "relay/question.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ID 0x1234, recursion desired, one question: www.example. A IN. */
static const uint8_t question[] = {
	0x12, 0x34, 0x01, 0x00, 0,   1,   0,   0,   0,   0, 0, 0, 3, 'w', 'w',
	'w',  7,    'e',  'x',  'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1,
};

/* A client inside, and resolvers outside. */
struct scene {
	struct house house;
	struct cothon_udp *client;
	unsigned count;
	struct cothon_endpoint from;
	size_t len;
	uint8_t answer[65536];
	int resolvers[2];
	struct cothon_endpoint endpoints[2];
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

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct house_config config = {.closed = true, .resolver_count = 2};
	struct cothon_endpoint local;

	assert_non_null(scene);
	for (int i = 0; i < 2; i++) {
		/* One for each family. */
		scene->resolvers[i] = house_bind_udp(i, 0);
		scene->endpoints[i] = house_loopback(i, house_port(scene->resolvers[i]));
	}
	config.resolvers = scene->endpoints;
	house_open(&scene->house, &config);
	local = house_sandbox(&scene->house, false, 3000);
	assert_int_equal(cothon_udp_bind(scene->house.sandbox, &local, told, scene, &scene->client),
			 0);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	cothon_udp_close(scene->client);
	house_close(&scene->house);
	for (int i = 0; i < 2; i++) {
		if (scene->resolvers[i] >= 0)
			close(scene->resolvers[i]);
	}
	free(scene);
	return 0;
}

static void ask(struct scene *scene, const uint8_t *message, size_t len)
{
	struct cothon_endpoint to = house_dns(&scene->house, false);

	scene->count = 0;
	assert_int_equal(cothon_udp_send(scene->client, NULL, &to, message, len), 0);
}

static bool is_answered(void *scene)
{
	return ((struct scene *)scene)->count > 0;
}

/* What a resolver is asked, and by whom. */
struct asked {
	struct host_sockaddr from;
	size_t len;
	uint8_t message[4096];
};

static void take(struct scene *scene, int resolver, struct asked *asked)
{
	ssize_t len;

	house_until(&scene->house, house_readable, &scene->resolvers[resolver]);
	asked->from.len = sizeof(asked->from.in6);
	len = recvfrom(scene->resolvers[resolver], asked->message, sizeof(asked->message), 0,
		       &asked->from.any, &asked->from.len);
	assert_true(len > 0);
	asked->len = (size_t)len;
}

/* Answers with flags, response code, and some bytes behind the question. */
static void reply(struct scene *scene, int resolver, const struct asked *asked, uint8_t rcode,
		  size_t more)
{
	uint8_t message[65000];

	memset(message, 0x5a, sizeof(message));
	memcpy(message, asked->message, asked->len);
	message[2] |= 0x80;
	message[3] = (uint8_t)(0x80 | rcode);
	assert_int_equal(sendto(scene->resolvers[resolver], message, asked->len + more, 0,
				&asked->from.any, asked->from.len),
			 asked->len + more);
}

static void a_query_is_passed_on_and_answered(void **state)
{
	const size_t more[] = {0, 16, 1400, 60000};
	struct scene *scene = *state;
	uint16_t ids[4], ports[4];
	struct asked asked;

	for (unsigned i = 0; i < 4; i++) {
		ask(scene, question, sizeof(question));
		take(scene, 0, &asked);
		assert_int_equal(asked.len, sizeof(question));
		assert_memory_equal(asked.message + 2, question + 2, sizeof(question) - 2);
		ids[i] = relay_dns_id(asked.message);
		ports[i] = host_sockaddr_endpoint(&asked.from).port;
		reply(scene, 0, &asked, 0, more[i]);
		house_until(&scene->house, is_answered, scene);
		assert_endpoints_equal(scene->from, house_dns(&scene->house, false));
		assert_int_equal(scene->len, sizeof(question) + more[i]);
		assert_int_equal(relay_dns_id(scene->answer), 0x1234);
	}
	/*
	 * Neither ID nor port can be guessed from the one before: they are not all alike, nor the
	 * client's.
	 */
	assert_false(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] == ids[3]);
	assert_false(ports[0] == ports[1] && ports[1] == ports[2] && ports[2] == ports[3]);
	assert_false(ids[0] == 0x1234 && ids[1] == 0x1234);
}

/* RFC 5452: an answer with another ID, another question, or from another endpoint is none. */
static void forged_answers_are_ignored(void **state)
{
	int stranger = house_bind_udp(false, 0);
	struct scene *scene = *state;
	struct asked asked, forged;

	ask(scene, question, sizeof(question));
	take(scene, 0, &asked);
	forged = asked;
	for (unsigned i = 0; i < 40; i++) {
		forged.message[0] = (uint8_t)(asked.message[0] ^ (i + 1));
		reply(scene, 0, &forged, 0, i);
	}
	forged = asked;
	forged.message[13] ^= 1;
	reply(scene, 0, &forged, 0, 0);
	forged = asked;
	forged.message[2] |= 0x80;
	sendto(stranger, forged.message, forged.len, 0, &forged.from.any, forged.from.len);
	house_run(&scene->house, 50);
	assert_int_equal(scene->count, 0);
	reply(scene, 0, &asked, 0, 4);
	house_until(&scene->house, is_answered, scene);
	assert_int_equal(scene->len, sizeof(question) + 4);
	close(stranger);
}

static void a_silent_resolver_is_followed_by_the_next(void **state)
{
	struct scene *scene = *state;
	uint64_t start = host_now();
	struct asked first, second;

	ask(scene, question, sizeof(question));
	take(scene, 0, &first);
	take(scene, 1, &second);
	assert_in_range(host_now() - start, 1900000, 4000000);
	reply(scene, 1, &second, 0, 0);
	house_until(&scene->house, is_answered, scene);
	/* What comes late finds nobody: its socket is closed. */
	reply(scene, 0, &first, 0, 0);
	house_run(&scene->house, 20);
	assert_int_equal(scene->count, 1);
}

static void a_refusing_resolver_is_followed_at_once(void **state)
{
	struct scene *scene = *state;
	uint64_t start = host_now();
	struct asked asked;

	close(scene->resolvers[0]);
	scene->resolvers[0] = -1;
	ask(scene, question, sizeof(question));
	take(scene, 1, &asked);
	reply(scene, 1, &asked, 0, 0);
	house_until(&scene->house, is_answered, scene);
	assert_true(host_now() - start < 1500000);
}

static void a_resolver_that_cannot_help_is_followed(void **state)
{
	const uint8_t rcodes[] = {RELAY_DNS_SERVFAIL, RELAY_DNS_NOTIMP, RELAY_DNS_REFUSED};
	struct scene *scene = *state;
	struct asked asked;

	for (unsigned i = 0; i < 3; i++) {
		ask(scene, question, sizeof(question));
		take(scene, 0, &asked);
		reply(scene, 0, &asked, rcodes[i], 0);
		take(scene, 1, &asked);
		/* The last one's word is passed on whatever it is. */
		reply(scene, 1, &asked, rcodes[i], 0);
		house_until(&scene->house, is_answered, scene);
		assert_int_equal(relay_dns_rcode(scene->answer), rcodes[i]);
	}
	/* That a name does not exist is an answer. */
	ask(scene, question, sizeof(question));
	take(scene, 0, &asked);
	reply(scene, 0, &asked, 3, 0);
	house_until(&scene->house, is_answered, scene);
	assert_int_equal(relay_dns_rcode(scene->answer), 3);
}

static void without_any_resolver_it_fails(void **state)
{
	struct scene *scene = *state;

	for (int i = 0; i < 2; i++) {
		close(scene->resolvers[i]);
		scene->resolvers[i] = -1;
	}
	ask(scene, question, sizeof(question));
	house_until(&scene->house, is_answered, scene);
	assert_int_equal(relay_dns_id(scene->answer), 0x1234);
	assert_int_equal(relay_dns_rcode(scene->answer), RELAY_DNS_SERVFAIL);
	assert_int_equal(scene->len, sizeof(question));
	assert_int_equal(relay_counters(scene->house.relay)->dns_failed, 1);
}

static void malformed_queries_get_no_further(void **state)
{
	struct scene *scene = *state;
	uint8_t message[5000] = {0};

	/* Dropped: too short, a response, and one that is far too long. */
	ask(scene, question, 11);
	memcpy(message, question, sizeof(question));
	message[2] |= 0x80;
	ask(scene, message, sizeof(question));
	message[2] &= 0x7f;
	ask(scene, message, 5000);
	house_run(&scene->house, 30);
	assert_int_equal(scene->count, 0);
	/* Answered: cut within the question, and another operation. */
	ask(scene, question, 20);
	house_until(&scene->house, is_answered, scene);
	assert_int_equal(relay_dns_rcode(scene->answer), RELAY_DNS_FORMERR);
	message[2] = 0x28;
	ask(scene, message, sizeof(question));
	house_until(&scene->house, is_answered, scene);
	assert_int_equal(relay_dns_rcode(scene->answer), RELAY_DNS_NOTIMP);
	assert_int_equal(relay_counters(scene->house.relay)->dns_dropped, 5);
	assert_false(house_readable(&scene->resolvers[0]));
}

/* Beyond the bound the oldest query gives way to the newest. */
static void outstanding_queries_are_bounded(void **state)
{
	enum {
		MAX = 512
	};
	struct scene *scene = *state;
	struct asked asked;

	for (unsigned i = 0; i < MAX + 8; i++) {
		ask(scene, question, sizeof(question));
		take(scene, 0, &asked);
	}
	assert_int_equal(relay_counters(scene->house.relay)->dns_dropped, 8);
	reply(scene, 0, &asked, 0, 0);
	house_until(&scene->house, is_answered, scene);
}

/* TCP */

static bool has_three(void *client)
{
	return ((struct client *)client)->received_len >= 3;
}

/* The first resolver has no TCP: the second one is dialled. Bytes pass as they are. */
static void tcp_is_joined_to_a_resolver_that_listens(void **state)
{
	struct scene *scene = *state;
	int listener = house_listen(true, scene->endpoints[1].port), server;
	struct cothon_endpoint to = house_dns(&scene->house, true);
	struct client client;
	char got[4];

	client_connect(&scene->house, &client, &to);
	client_send(&client, (const uint8_t *)"ask", 3, false);
	server = house_accept(&scene->house, listener, NULL);
	assert_int_equal(house_read(&scene->house, server, got, 3), 3);
	assert_memory_equal(got, "ask", 3);
	house_write(&scene->house, server, "yes", 3);
	house_until(&scene->house, has_three, &client);
	close(server);
	house_until(&scene->house, client_has_read_all, &client);
	client_close(&client);
	close(listener);
}

static void tcp_without_a_resolver_is_reset(void **state)
{
	struct scene *scene = *state;
	struct cothon_endpoint to = house_dns(&scene->house, false);
	struct client client;

	client_connect(&scene->house, &client, &to);
	house_until(&scene->house, client_has_ended, &client);
	assert_int_equal(cothon_tcp_error(client.tcp), -ECONNRESET);
	client_close(&client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_query_is_passed_on_and_answered),
		TEST(forged_answers_are_ignored),
		TEST(a_silent_resolver_is_followed_by_the_next),
		TEST(a_refusing_resolver_is_followed_at_once),
		TEST(a_resolver_that_cannot_help_is_followed),
		TEST(without_any_resolver_it_fails),
		TEST(malformed_queries_get_no_further),
		TEST(outstanding_queries_are_bounded),
		TEST(tcp_is_joined_to_a_resolver_that_listens),
		TEST(tcp_without_a_resolver_is_reset),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
