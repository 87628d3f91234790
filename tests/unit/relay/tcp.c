/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "host/socket.h"
#include <errno.h>
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

/* Opening */

static void refused_is_refused(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int listener = house_listen(ipv6, 0);
		struct cothon_endpoint to;
		struct client client;
		struct house house;

		house_open(&house, &house_plain);
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
	house_open(&house, &house_plain);
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
	part(&joined);
	free(bytes);
	free(got);
}

static void bytes_pass_both_ways_at_once(void **state)
{
	(void)state;
	pass_both_ways(&house_plain, false);
	pass_both_ways(&house_plain, true);
	pass_both_ways(&house_offloaded, false);
	pass_both_ways(&house_offloaded, true);
}

static void small_messages_go_back_and_forth(void **state)
{
	uint8_t message[64];
	struct joined joined;

	(void)state;
	join(&joined, &house_plain, false);
	for (unsigned i = 0; i < 200; i++) {
		size_t len = 1 + i % sizeof(message);

		memset(message, (int)i, sizeof(message));
		joined.client.received_len = 0;
		client_send(&joined.client, message, len, false);
		assert_int_equal(house_read(&joined.house, joined.server, message, len), len);
		assert_int_equal(message[len - 1], (uint8_t)i);
		house_write(&joined.house, joined.server, message, len);
		house_until(&joined.house, client_has_echo, &joined.client);
		assert_memory_equal(joined.client.received, message, len);
	}
	part(&joined);
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
	join(&joined, &house_offloaded, false);
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
	join(&joined, &house_offloaded, false);
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
	house_open(&house, &house_plain);
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

	(void)state;
	join(&joined, &house_offloaded, false);
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
	}
	client_close(&other);
	close(server);
	close(listener);
	part(&joined);
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
		cmocka_unit_test(nobody_reads_outside),
		cmocka_unit_test(nobody_reads_inside),
		cmocka_unit_test(many_flows_at_once),
		cmocka_unit_test(a_bulk_flow_starves_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
