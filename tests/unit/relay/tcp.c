/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "host/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	BULK = 12 << 20
};

/* A flow from the sandbox to a server outside that has accepted it. */
struct joined {
	struct house house;
	struct client client;
	int server;
};

static void join(struct joined *joined, const struct house_config *config, bool ipv6)
{
	int listener = house_listen(ipv6, 0);
	struct cothon_endpoint to;

	house_open(&joined->house, config);
	to = house_gateway(&joined->house, ipv6, house_port(listener));
	client_connect(&joined->house, &joined->client, &to);
	joined->server = house_accept(&joined->house, listener, NULL);
	house_until(&joined->house, client_is_open, &joined->client);
	close(listener);
}

static void part(struct joined *joined)
{
	client_close(&joined->client);
	if (joined->server >= 0)
		close(joined->server);
	house_close(&joined->house);
}

static bool has_received(void *context)
{
	const struct joined *joined = context;

	return joined->client.received_len >= joined->client.send_len;
}

static const struct house_config plain = {0};
static const struct house_config offloaded = {
	.features = COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO, .mtu = 65520};

/* Opening */

static void refused_is_refused(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int listener = house_listen(ipv6, 0);
		struct cothon_endpoint to;
		struct client client;
		struct house house;

		house_open(&house, &plain);
		to = house_gateway(&house, ipv6, house_port(listener));
		/* Bound by us but not listening any more: nobody can take it meanwhile. */
		close(listener);
		client_connect(&house, &client, &to);
		house_until(&house, client_has_ended, &client);
		assert_int_equal(cothon_tcp_error(client.tcp), -ECONNREFUSED);
		assert_int_equal(relay_counters(house.relay)->tcp_failed, 1);
		client_close(&client);
		house_close(&house);
	}
}

static void closed_places_say_so(void **state)
{
	static const struct {
		const char *addr;
		int error;
	} cases[] = {
		{"169.254.169.254", -EACCES},    {"fe80::1", -EACCES},
		{"10.0.2.2", -ECONNREFUSED},     {"10.0.2.3", -ECONNREFUSED},
		{"fd00:c070::2", -ECONNREFUSED},
	};
	const struct house_config closed = {.closed = true};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cothon_endpoint to = house_endpoint(cases[i].addr, 80);
		struct client client;
		struct house house;

		house_open(&house, &closed);
		client_connect(&house, &client, &to);
		house_until(&house, client_has_ended, &client);
		assert_int_equal(cothon_tcp_error(client.tcp), cases[i].error);
		assert_int_equal(relay_counters(house.relay)->prohibited, 1);
		client_close(&client);
		house_close(&house);
	}
}

/* Without a descriptor for the outside a flow is refused; the next one, with one, is not. */
static void without_descriptors_a_flow_is_refused(void **state)
{
	int listener = house_listen(false, 0), spare;
	struct client refused, accepted;
	struct rlimit before, tight;
	struct cothon_endpoint to;
	struct house house;

	(void)state;
	house_open(&house, &plain);
	to = house_gateway(&house, false, house_port(listener));
	spare = dup(listener);
	close(spare);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t)spare;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	client_connect(&house, &refused, &to);
	house_until(&house, client_has_ended, &refused);
	assert_int_equal(cothon_tcp_error(refused.tcp), -ECONNREFUSED);
	assert_int_equal(relay_counters(house.relay)->no_socket, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	client_connect(&house, &accepted, &to);
	house_until(&house, client_is_open, &accepted);
	client_close(&refused);
	client_close(&accepted);
	close(listener);
	house_close(&house);
}

/* Bytes */

static void pass_both_ways(const struct house_config *config, bool ipv6)
{
	uint8_t *bytes = house_bytes(BULK), *got = malloc(BULK);
	struct joined joined;
	size_t put = 0, read_len = 0;

	join(&joined, config, ipv6);
	client_send(&joined.client, bytes, BULK, true);
	/* Both at once, so that neither direction waits for the other. */
	while (put < BULK || read_len < BULK) {
		ssize_t n = put < BULK ? send(joined.server, bytes + put, BULK - put, MSG_NOSIGNAL)
				       : -1;

		if (n > 0)
			put += (size_t)n;
		n = read(joined.server, got + read_len, BULK - read_len);
		if (n > 0)
			read_len += (size_t)n;
		house_run(&joined.house, 0);
	}
	shutdown(joined.server, SHUT_WR);
	assert_int_equal(house_read(&joined.house, joined.server, got, 1), 0);
	house_until(&joined.house, client_has_read_all, &joined.client);
	assert_int_equal(joined.client.received_len, BULK);
	assert_memory_equal(joined.client.received, bytes, BULK);
	read_len = 0;
	part(&joined);
	free(bytes);
	free(got);
}

static void bytes_pass_both_ways_at_once(void **state)
{
	(void)state;
	pass_both_ways(&plain, false);
	pass_both_ways(&plain, true);
	pass_both_ways(&offloaded, false);
	pass_both_ways(&offloaded, true);
}

static void small_messages_go_back_and_forth(void **state)
{
	uint8_t message[64];
	struct joined joined;

	(void)state;
	join(&joined, &plain, false);
	for (unsigned i = 0; i < 200; i++) {
		size_t len = 1 + i % sizeof(message);

		memset(message, (int)i, sizeof(message));
		joined.client.received_len = 0;
		client_send(&joined.client, message, len, false);
		assert_int_equal(house_read(&joined.house, joined.server, message, len), len);
		assert_int_equal(message[len - 1], (uint8_t)i);
		house_write(&joined.house, joined.server, message, len);
		house_until(&joined.house, has_received, &joined);
		assert_memory_equal(joined.client.received, message, len);
	}
	part(&joined);
}

/* Ends */

static void the_sandbox_may_end_first(void **state)
{
	uint8_t *bytes = house_bytes(1000), got[2000];
	struct joined joined;

	(void)state;
	join(&joined, &plain, false);
	client_send(&joined.client, bytes, 1000, true);
	assert_int_equal(house_read(&joined.house, joined.server, got, sizeof(got)), 1000);
	/* The other direction is still open. */
	house_write(&joined.house, joined.server, bytes, 1000);
	house_until(&joined.house, has_received, &joined);
	assert_false(client_has_read_all(&joined.client));
	close(joined.server);
	joined.server = -1;
	house_until(&joined.house, client_has_ended, &joined.client);
	assert_int_equal(cothon_tcp_error(joined.client.tcp), 0);
	assert_true(client_has_read_all(&joined.client));
	part(&joined);
	free(bytes);
}

static void the_outside_may_end_first(void **state)
{
	uint8_t *bytes = house_bytes(1000), got[2000];
	struct joined joined;

	(void)state;
	join(&joined, &plain, true);
	house_write(&joined.house, joined.server, bytes, 1000);
	shutdown(joined.server, SHUT_WR);
	house_until(&joined.house, client_has_read_all, &joined.client);
	assert_int_equal(joined.client.received_len, 1000);
	house_run(&joined.house, 20);
	assert_false(client_has_ended(&joined.client));
	client_send(&joined.client, bytes, 1000, true);
	assert_int_equal(house_read(&joined.house, joined.server, got, sizeof(got)), 1000);
	house_until(&joined.house, client_has_ended, &joined.client);
	assert_int_equal(cothon_tcp_error(joined.client.tcp), 0);
	part(&joined);
	free(bytes);
}

static void a_reset_from_outside_comes_after_its_data(void **state)
{
	uint8_t *bytes = house_bytes(100000);
	struct joined joined;

	(void)state;
	join(&joined, &plain, false);
	house_write(&joined.house, joined.server, bytes, 100000);
	host_socket_reset(joined.server);
	joined.server = -1;
	house_until(&joined.house, client_has_ended, &joined.client);
	assert_int_equal(cothon_tcp_error(joined.client.tcp), -ECONNRESET);
	client_read(&joined.client);
	assert_int_equal(joined.client.received_len, 100000);
	assert_memory_equal(joined.client.received, bytes, 100000);
	part(&joined);
	free(bytes);
}

/* Sending finds the reset before reading does: it is one all the same, not an end in order. */
static void a_reset_that_sending_finds_is_a_reset(void **state)
{
	struct joined joined;

	(void)state;
	join(&joined, &plain, false);
	client_send(&joined.client, (const uint8_t *)"lost", 4, false);
	cothon_stack_poll(joined.house.sandbox, host_now());
	host_socket_reset(joined.server);
	joined.server = -1;
	house_until(&joined.house, client_has_ended, &joined.client);
	assert_int_equal(cothon_tcp_error(joined.client.tcp), -ECONNRESET);
	assert_false(client_has_read_all(&joined.client));
	part(&joined);
}

static void a_reset_after_an_end_from_outside(void **state)
{
	struct joined joined;

	(void)state;
	join(&joined, &plain, false);
	shutdown(joined.server, SHUT_WR);
	house_until(&joined.house, client_has_read_all, &joined.client);
	host_socket_reset(joined.server);
	joined.server = -1;
	house_until(&joined.house, client_has_ended, &joined.client);
	assert_int_equal(cothon_tcp_error(joined.client.tcp), -ECONNRESET);
	part(&joined);
}

/*
 * Sends until every buffer on the way to a server that does not read is full; returns the bytes
 * acknowledged.
 */
static size_t fill_the_way(struct joined *joined, const uint8_t *bytes, size_t len, bool shut)
{
	size_t acknowledged, before;

	client_send(&joined->client, bytes, len, shut);
	acknowledged = 0;
	do {
		before = acknowledged;
		house_run(&joined->house, 300);
		acknowledged = joined->client.sent - cothon_tcp_unacknowledged(joined->client.tcp);
	} while (acknowledged > before);
	assert_true(acknowledged > 0 && acknowledged < len);
	return acknowledged;
}

/*
 * What the stack has acknowledged reaches a peer that reads late, even when the sandbox has given
 * up since.
 */
static void a_reset_from_inside_comes_after_its_data(void **state)
{
	enum {
		LEN = 64 << 20
	};
	uint8_t *bytes = house_bytes(LEN), *got = malloc(LEN);
	struct joined joined;
	size_t acknowledged, done = 0;
	ssize_t n;

	(void)state;
	join(&joined, &offloaded, false);
	acknowledged = fill_the_way(&joined, bytes, LEN, false);
	cothon_tcp_abort(joined.client.tcp);
	house_run(&joined.house, 300);
	house_rest(&joined.house);
	assert_int_equal(relay_undelivered(joined.house.relay), 1);
	while ((n = house_read_some(&joined.house, joined.server, got + done, LEN - done)) > 0)
		done += (size_t)n;
	assert_int_equal(n, -ECONNRESET);
	assert_true(done >= acknowledged);
	assert_memory_equal(got, bytes, done);
	free(joined.client.received);
	close(joined.server);
	house_close(&joined.house);
	free(bytes);
	free(got);
}

static bool nothing_is_undelivered(void *context)
{
	return relay_undelivered(context) == 0;
}

/* A peer that breaks before it has taken the rest is not waited for. */
static void a_peer_that_goes_away_meanwhile_ends_it(void **state)
{
	enum {
		LEN = 64 << 20
	};
	uint8_t *bytes = house_bytes(LEN);
	struct joined joined;

	(void)state;
	join(&joined, &offloaded, false);
	fill_the_way(&joined, bytes, LEN, false);
	cothon_tcp_abort(joined.client.tcp);
	house_run(&joined.house, 100);
	assert_int_equal(relay_undelivered(joined.house.relay), 1);
	host_socket_reset(joined.server);
	house_until(&joined.house, nothing_is_undelivered, joined.house.relay);
	free(joined.client.received);
	house_close(&joined.house);
	free(bytes);
}

static void a_reset_from_inside_is_a_reset(void **state)
{
	struct joined joined;
	uint8_t byte;

	(void)state;
	join(&joined, &plain, true);
	cothon_tcp_abort(joined.client.tcp);
	assert_int_equal(house_read_some(&joined.house, joined.server, &byte, 1), -ECONNRESET);
	free(joined.client.received);
	close(joined.server);
	house_close(&joined.house);
}

/* Windows */

static void nobody_reads_outside(void **state)
{
	enum {
		LEN = 64 << 20
	};
	uint8_t *bytes = house_bytes(LEN), *got = malloc(LEN);
	struct joined joined;

	(void)state;
	join(&joined, &offloaded, false);
	fill_the_way(&joined, bytes, LEN, true);
	house_rest(&joined.house);
	assert_int_equal(relay_undelivered(joined.house.relay), 1);
	assert_int_equal(house_read(&joined.house, joined.server, got, LEN), LEN);
	assert_memory_equal(got, bytes, LEN);
	assert_int_equal(house_read(&joined.house, joined.server, got, 1), 0);
	assert_int_equal(relay_undelivered(joined.house.relay), 0);
	part(&joined);
	free(bytes);
	free(got);
}

static void nobody_reads_inside(void **state)
{
	enum {
		LEN = 60 << 20
	};
	uint8_t *bytes = house_bytes(LEN);
	struct joined joined;
	size_t put = 0, idle = 0;

	(void)state;
	join(&joined, &offloaded, false);
	joined.client.greedy = false;
	while (idle < 20 && put < LEN) {
		ssize_t n = send(joined.server, bytes + put, LEN - put, MSG_NOSIGNAL);

		put += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		house_run(&joined.house, 10);
	}
	assert_true(put < LEN);
	house_rest(&joined.house);
	joined.client.greedy = true;
	client_read(&joined.client);
	house_write(&joined.house, joined.server, bytes + put, LEN - put);
	shutdown(joined.server, SHUT_WR);
	house_until(&joined.house, client_has_read_all, &joined.client);
	assert_int_equal(joined.client.received_len, LEN);
	assert_memory_equal(joined.client.received, bytes, LEN);
	part(&joined);
	free(bytes);
}

/* Many */

enum {
	MANY = 300
};

struct crowd {
	struct client clients[MANY];
	unsigned index;
};

static bool all_ended(void *context)
{
	struct crowd *crowd = context;

	for (unsigned i = 0; i < MANY; i++) {
		if (!client_has_read_all(&crowd->clients[i]))
			return false;
	}
	return true;
}

/* Each sends some and reads it back, all at the same time. */
static void many_flows_at_once(void **state)
{
	enum {
		LEN = 20000
	};
	uint8_t *bytes = house_bytes(LEN), *got = malloc(LEN);
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	int listener = house_listen(false, 0), servers[MANY];
	struct cothon_endpoint to;
	struct house house;

	(void)state;
	house_open(&house, &plain);
	to = house_gateway(&house, false, house_port(listener));
	for (unsigned i = 0; i < MANY; i++) {
		client_connect(&house, &crowd->clients[i], &to);
		client_send(&crowd->clients[i], bytes, LEN, true);
	}
	for (unsigned i = 0; i < MANY; i++)
		servers[i] = house_accept(&house, listener, NULL);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(house_read(&house, servers[i], got, LEN), LEN);
		assert_memory_equal(got, bytes, LEN);
		house_write(&house, servers[i], got, LEN);
		close(servers[i]);
	}
	house_until(&house, all_ended, crowd);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(crowd->clients[i].received_len, LEN);
		assert_memory_equal(crowd->clients[i].received, bytes, LEN);
		client_close(&crowd->clients[i]);
	}
	assert_int_equal(relay_counters(house.relay)->tcp_out, MANY);
	close(listener);
	house_close(&house);
	free(crowd);
	free(bytes);
	free(got);
}

/* A short request is answered while another flow has all there is to send. */
static void a_bulk_flow_starves_nobody(void **state)
{
	uint8_t *bytes = house_bytes(BULK), *got = malloc(BULK), byte = 1;
	struct joined joined;
	struct client other;
	struct cothon_endpoint to;
	int listener = house_listen(false, 0), server;
	unsigned answered = 0;

	(void)state;
	join(&joined, &offloaded, false);
	to = house_gateway(&joined.house, false, house_port(listener));
	client_connect(&joined.house, &other, &to);
	server = house_accept(&joined.house, listener, NULL);
	house_until(&joined.house, client_is_open, &other);
	for (unsigned round = 0; round < 50; round++) {
		/* The bulk flow always has more, in both directions. */
		send(joined.server, bytes, BULK, MSG_NOSIGNAL);
		assert_true(read(joined.server, got, BULK) > 0 || errno == EAGAIN);
		joined.client.received_len = 0;
		if (joined.client.sent == joined.client.send_len)
			client_send(&joined.client, bytes, BULK, false);
		client_send(&other, &byte, 1, false);
		assert_int_equal(house_read(&joined.house, server, got, 1), 1);
		answered++;
	}
	assert_int_equal(answered, 50);
	client_close(&other);
	close(server);
	close(listener);
	part(&joined);
	free(bytes);
	free(got);
}

/* The end of the sandbox */

static void draining_delivers_what_was_acknowledged(void **state)
{
	enum {
		LEN = 32 << 20
	};
	uint8_t *bytes = house_bytes(LEN), *got = malloc(LEN + 1);
	struct joined joined;

	(void)state;
	join(&joined, &offloaded, false);
	assert_int_equal(relay_undelivered(joined.house.relay), 0);
	relay_drain(joined.house.relay);
	/* The sandbox's kernel may still send. */
	assert_int_equal(relay_undelivered(joined.house.relay), 1);
	fill_the_way(&joined, bytes, LEN, true);
	assert_int_equal(relay_undelivered(joined.house.relay), 1);
	assert_int_equal(house_read(&joined.house, joined.server, got, LEN + 1), LEN);
	assert_memory_equal(got, bytes, LEN);
	assert_int_equal(relay_undelivered(joined.house.relay), 0);
	part(&joined);
	free(bytes);
	free(got);
}

static void draining_opens_nothing_new(void **state)
{
	struct cothon_endpoint to;
	struct joined joined;
	struct client late;
	int listener = house_listen(false, 0);

	(void)state;
	join(&joined, &plain, false);
	relay_drain(joined.house.relay);
	to = house_gateway(&joined.house, false, house_port(listener));
	client_connect(&joined.house, &late, &to);
	house_until(&joined.house, client_has_ended, &late);
	assert_false(client_is_open(&late));
	assert_false(house_readable(&listener));
	client_close(&late);
	close(listener);
	part(&joined);
}

static bool all_is_delivered(void *context)
{
	const struct joined *joined = context;

	return joined->client.sent == joined->client.send_len &&
	       cothon_tcp_unacknowledged(joined->client.tcp) == 0 &&
	       relay_undelivered(joined->house.relay) == 0;
}

/*
 * What the host's kernel has taken, it delivers also when the relay is gone and the peer has sent
 * something unread.
 */
static void destroying_leaves_the_rest_to_the_kernel(void **state)
{
	enum {
		LEN = 200000
	};
	uint8_t *bytes = house_bytes(LEN), *got = malloc(LEN + 1);
	struct joined joined;
	size_t done = 0;
	ssize_t n;

	(void)state;
	join(&joined, &plain, false);
	joined.client.greedy = false;
	relay_drain(joined.house.relay);
	client_send(&joined.client, bytes, LEN, true);
	house_until(&joined.house, all_is_delivered, &joined);
	house_write(&joined.house, joined.server, bytes, 1000);
	client_close(&joined.client);
	house_close(&joined.house);
	assert_int_equal(fcntl(joined.server, F_SETFL, 0), 0);
	while ((n = read(joined.server, got + done, LEN + 1 - done)) > 0)
		done += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(done, LEN);
	assert_memory_equal(got, bytes, LEN);
	close(joined.server);
	free(bytes);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_is_refused),
		cmocka_unit_test(closed_places_say_so),
		cmocka_unit_test(without_descriptors_a_flow_is_refused),
		cmocka_unit_test(bytes_pass_both_ways_at_once),
		cmocka_unit_test(small_messages_go_back_and_forth),
		cmocka_unit_test(the_sandbox_may_end_first),
		cmocka_unit_test(the_outside_may_end_first),
		cmocka_unit_test(a_reset_from_outside_comes_after_its_data),
		cmocka_unit_test(a_reset_that_sending_finds_is_a_reset),
		cmocka_unit_test(a_reset_after_an_end_from_outside),
		cmocka_unit_test(a_reset_from_inside_comes_after_its_data),
		cmocka_unit_test(a_peer_that_goes_away_meanwhile_ends_it),
		cmocka_unit_test(a_reset_from_inside_is_a_reset),
		cmocka_unit_test(nobody_reads_outside),
		cmocka_unit_test(nobody_reads_inside),
		cmocka_unit_test(many_flows_at_once),
		cmocka_unit_test(a_bulk_flow_starves_nobody),
		cmocka_unit_test(draining_delivers_what_was_acknowledged),
		cmocka_unit_test(draining_opens_nothing_new),
		cmocka_unit_test(destroying_leaves_the_rest_to_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
