/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "host/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Ends */

static void the_sandbox_may_end_first(void **state)
{
	uint8_t *bytes = house_bytes(1000), got[2000];
	struct joined joined;

	(void)state;
	join(&joined, &house_plain, false);
	client_send(&joined.client, bytes, 1000, true);
	assert_int_equal(house_read(&joined.house, joined.server, got, sizeof(got)), 1000);
	/* The other direction is still open. */
	house_write(&joined.house, joined.server, bytes, 1000);
	house_until(&joined.house, client_has_echo, &joined.client);
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
	join(&joined, &house_plain, true);
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
	join(&joined, &house_plain, false);
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
	join(&joined, &house_plain, false);
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
	join(&joined, &house_plain, false);
	shutdown(joined.server, SHUT_WR);
	house_until(&joined.house, client_has_read_all, &joined.client);
	host_socket_reset(joined.server);
	joined.server = -1;
	house_until(&joined.house, client_has_ended, &joined.client);
	assert_int_equal(cothon_tcp_error(joined.client.tcp), -ECONNRESET);
	part(&joined);
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
	join(&joined, &house_offloaded, false);
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

/*
 * The sandbox gives up while a server that sends back what it reads can do neither: it reads the
 * rest when it can send again, though nobody wants that.
 */
static void what_nobody_wants_keeps_nothing_up(void **state)
{
	enum {
		LEN = 64 << 20
	};
	uint8_t *bytes = house_bytes(LEN), *got = malloc(LEN);
	struct joined joined;
	size_t acknowledged, done = 0, back = 0;
	ssize_t n;

	(void)state;
	join(&joined, &house_offloaded, false);
	joined.client.greedy = false;
	acknowledged = fill_the_way(&joined, bytes, LEN, false);
	while ((n = send(joined.server, bytes + back, LEN - back, MSG_NOSIGNAL)) > 0) {
		back += (size_t)n;
		house_run(&joined.house, 100);
	}
	cothon_tcp_abort(joined.client.tcp);
	house_write(&joined.house, joined.server, bytes, LEN);
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
	join(&joined, &house_offloaded, false);
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
	join(&joined, &house_plain, true);
	cothon_tcp_abort(joined.client.tcp);
	assert_int_equal(house_read_some(&joined.house, joined.server, &byte, 1), -ECONNRESET);
	free(joined.client.received);
	close(joined.server);
	house_close(&joined.house);
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
	join(&joined, &house_offloaded, false);
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

/* A sandbox that has reset a flow, but whose RST was lost, is asked after it. */
static void draining_finds_flows_that_are_no_more(void **state)
{
	struct joined joined;

	(void)state;
	join(&joined, &house_plain, false);
	house_run(&joined.house, 10);
	cothon_tcp_abort(joined.client.tcp);
	assert_int_equal(house_lose_frames(&joined.house), 1);
	house_run(&joined.house, 10);
	assert_int_equal(relay_undelivered(joined.house.relay), 0);
	relay_drain(joined.house.relay);
	assert_int_equal(relay_undelivered(joined.house.relay), 1);
	house_until(&joined.house, nothing_is_undelivered, joined.house.relay);
	free(joined.client.received);
	close(joined.server);
	house_close(&joined.house);
}

static void draining_opens_nothing_new(void **state)
{
	struct cothon_endpoint to;
	struct joined joined;
	struct client late;
	int listener = house_listen(false, 0);

	(void)state;
	join(&joined, &house_plain, false);
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
	join(&joined, &house_plain, false);
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
		cmocka_unit_test(the_sandbox_may_end_first),
		cmocka_unit_test(the_outside_may_end_first),
		cmocka_unit_test(a_reset_from_outside_comes_after_its_data),
		cmocka_unit_test(a_reset_that_sending_finds_is_a_reset),
		cmocka_unit_test(a_reset_after_an_end_from_outside),
		cmocka_unit_test(a_reset_from_inside_comes_after_its_data),
		cmocka_unit_test(what_nobody_wants_keeps_nothing_up),
		cmocka_unit_test(a_peer_that_goes_away_meanwhile_ends_it),
		cmocka_unit_test(a_reset_from_inside_is_a_reset),
		cmocka_unit_test(draining_delivers_what_was_acknowledged),
		cmocka_unit_test(draining_finds_flows_that_are_no_more),
		cmocka_unit_test(draining_opens_nothing_new),
		cmocka_unit_test(destroying_leaves_the_rest_to_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
