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
	/* Datagrams that are remembered. */
	PIECES = 64
};

/* A binding on the sandbox's stack, what came in a row, and the last datagram it got. */
struct inside {
	struct cothon_udp *udp;
	unsigned count, frames;
	struct {
		size_t len;
		uint16_t port;
		uint8_t first;
	} pieces[PIECES];
	struct cothon_endpoint from;
	size_t len, total;
	uint8_t data[65536];
};

static void told(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	size_t size = datagram->gso_size ? datagram->gso_size : datagram->len;
	struct inside *inside = owner;
	size_t at = 0;

	(void)udp;
	inside->frames++;
	do {
		unsigned i = inside->count++ % PIECES;

		inside->pieces[i].len = datagram->len - at < size ? datagram->len - at : size;
		inside->pieces[i].port = datagram->source.port;
		inside->pieces[i].first = datagram->len ? datagram->payload[at] : 0;
		at += size;
	} while (at < datagram->len);
	inside->from = datagram->source;
	inside->len = datagram->len;
	inside->total += datagram->len;
	memcpy(inside->data, datagram->payload, datagram->len);
}

static void inside_bind(struct house *house, struct inside *inside, bool ipv6, uint16_t port)
{
	struct cothon_endpoint local = house_sandbox(house, ipv6, port);

	memset(inside, 0, sizeof(*inside));
	assert_int_equal(cothon_udp_bind(house->sandbox, &local, told, inside, &inside->udp), 0);
}

struct wanted {
	const struct inside *inside;
	unsigned count;
};

static bool has_come(void *context)
{
	const struct wanted *wanted = context;

	return wanted->inside->count >= wanted->count;
}

static void await(struct house *house, const struct inside *inside, unsigned count)
{
	struct wanted wanted = {inside, count};

	house_until(house, has_come, &wanted);
}

/* Takes the next datagram of a host's socket; `from` may be NULL. */
static size_t take(struct house *house, int fd, void *data, size_t room,
		   struct cothon_endpoint *from)
{
	struct host_sockaddr name = {.len = sizeof(name.in6)};
	ssize_t len;

	house_until(house, house_readable, &fd);
	len = recvfrom(fd, data, room, MSG_DONTWAIT, &name.any, &name.len);
	assert_true(len >= 0);
	if (from)
		*from = host_sockaddr_endpoint(&name);
	return (size_t)len;
}

static void give(int fd, struct cothon_endpoint to, const void *data, size_t len)
{
	struct host_sockaddr name = host_sockaddr_make(&to, 0);

	assert_int_equal(sendto(fd, data, len, 0, &name.any, name.len), len);
}

static const struct house_config plain = {0};
static const struct house_config offloaded = {.features = COTHON_LINK_CSUM | COTHON_LINK_TSO |
							  COTHON_LINK_USO};
static const struct house_config closed = {.closed = true};

/* Out and back */

static void every_size_goes_out_and_back(void **state)
{
	const size_t sizes[] = {0, 1, 1472, 1473, 9000, 65507};
	uint8_t *bytes = house_bytes(65507), *got = malloc(65536);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int server = house_bind_udp(ipv6, 0);
		struct cothon_endpoint to, from, first = {0};
		struct inside inside;
		struct house house;

		house_open(&house, &plain);
		inside_bind(&house, &inside, ipv6, 4000);
		to = house_gateway(&house, ipv6, house_port(server));
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			assert_int_equal(cothon_udp_send(inside.udp, NULL, &to, bytes, sizes[i]),
					 0);
			assert_int_equal(take(&house, server, got, 65536, &from), sizes[i]);
			assert_memory_equal(got, bytes, sizes[i]);
			if (i == 0)
				first = from;
			/* One mapping: always from the same endpoint. */
			assert_endpoints_equal(from, first);
			give(server, from, bytes, sizes[i]);
			await(&house, &inside, i + 1);
			assert_int_equal(inside.len, sizes[i]);
			assert_memory_equal(inside.data, bytes, sizes[i]);
			assert_endpoints_equal(inside.from, to);
		}
		cothon_udp_close(inside.udp);
		house_close(&house);
		close(server);
	}
	free(bytes);
	free(got);
}

/* RFC 4787 REQ-1: the same endpoint inside is the same endpoint outside, whoever it talks to. */
static void a_mapping_does_not_depend_on_the_destination(void **state)
{
	int one = house_bind_udp(false, 0), other = house_bind_udp(false, 0);
	struct cothon_endpoint first, second, third, to;
	struct inside a, b;
	struct house house;
	uint8_t byte = 9;

	(void)state;
	house_open(&house, &plain);
	inside_bind(&house, &a, false, 4000);
	inside_bind(&house, &b, false, 4001);
	to = house_gateway(&house, false, house_port(one));
	cothon_udp_send(a.udp, NULL, &to, &byte, 1);
	take(&house, one, &byte, 1, &first);
	cothon_udp_send(b.udp, NULL, &to, &byte, 1);
	take(&house, one, &byte, 1, &third);
	to = house_gateway(&house, false, house_port(other));
	cothon_udp_send(a.udp, NULL, &to, &byte, 1);
	take(&house, other, &byte, 1, &second);
	assert_endpoints_equal(first, second);
	assert_int_not_equal(first.port, third.port);
	cothon_udp_close(a.udp);
	cothon_udp_close(b.udp);
	house_close(&house);
	close(one);
	close(other);
}

/* Bursts keep order, sizes and bytes, whether they are collected, cut by the kernel, or neither. */
static void a_burst_arrives_as_it_was_sent(const struct house_config *config, bool ipv6)
{
	const size_t sizes[] = {1000, 1000, 1000, 400, 1000, 7, 7, 7, 0, 1400, 1400, 5000, 1400};
	enum {
		ROUNDS = 20,
		COUNT = sizeof(sizes) / sizeof(sizes[0])
	};
	uint8_t *bytes = house_bytes(8192), *got = malloc(65536);
	int servers[2] = {house_bind_udp(ipv6, 0), house_bind_udp(ipv6, 0)};
	struct inside inside;
	struct house house;

	house_open(&house, config);
	inside_bind(&house, &inside, ipv6, 4000);
	for (unsigned i = 0; i < ROUNDS * COUNT; i++) {
		struct cothon_endpoint to =
			house_gateway(&house, ipv6, house_port(servers[i / 50 % 2]));

		bytes[0] = (uint8_t)i;
		assert_int_equal(cothon_udp_send(inside.udp, NULL, &to, bytes, sizes[i % COUNT]),
				 0);
	}
	for (unsigned i = 0; i < ROUNDS * COUNT; i++) {
		size_t size = sizes[i % COUNT];

		bytes[0] = (uint8_t)i;
		assert_int_equal(take(&house, servers[i / 50 % 2], got, 65536, NULL), size);
		assert_memory_equal(got, bytes, size);
	}
	assert_int_equal(relay_counters(house.relay)->udp_out, ROUNDS * COUNT);
	assert_int_equal(relay_counters(house.relay)->udp_lost, 0);
	cothon_udp_close(inside.udp);
	house_close(&house);
	close(servers[0]);
	close(servers[1]);
	free(bytes);
	free(got);
}

static void bursts_keep_their_datagrams(void **state)
{
	(void)state;
	a_burst_arrives_as_it_was_sent(&plain, false);
	a_burst_arrives_as_it_was_sent(&plain, true);
	a_burst_arrives_as_it_was_sent(&offloaded, false);
	a_burst_arrives_as_it_was_sent(&offloaded, true);
}

/*
 * Datagrams of two neighbours outside, of many sizes and two traffic classes, come in as they were
 * sent; where the link cuts them, in fewer frames.
 */
static void neighbours_are_heard_as_they_spoke(const struct house_config *config, bool ipv6)
{
	const size_t sizes[] = {1000, 1000, 1000, 400, 1000, 1000, 7,    7,    0,
				0,    1400, 1400, 1,   1472, 1472, 2000, 2000, 1000};
	enum {
		COUNT = sizeof(sizes) / sizeof(sizes[0])
	};
	int servers[2] = {house_bind_udp(ipv6, 0), house_bind_udp(ipv6, 0)};
	bool cut = config->features & COTHON_LINK_USO;
	uint8_t *bytes = house_bytes(8192), got;
	struct cothon_endpoint to, from;
	struct inside inside;
	struct house house;

	house_open(&house, config);
	inside_bind(&house, &inside, ipv6, 4000);
	to = house_gateway(&house, ipv6, house_port(servers[0]));
	assert_int_equal(cothon_udp_send(inside.udp, NULL, &to, "?", 1), 0);
	take(&house, servers[0], &got, 1, &from);
	for (unsigned i = 0; i < 3 * COUNT; i++) {
		bytes[0] = (uint8_t)i;
		/* In the second of three rounds they take turns. */
		give(servers[i / COUNT == 1 ? i % 2 : 0], from, bytes, sizes[i % COUNT]);
		/* In the third the class changes behind the first datagram. */
		if (i == 2 * COUNT)
			assert_int_equal(host_socket_set(servers[0], ipv6 ? SOL_IPV6 : SOL_IP,
							 ipv6 ? IPV6_TCLASS : IP_TOS, 0x28),
					 0);
	}
	await(&house, &inside, 3 * COUNT);
	for (unsigned i = 0; i < 3 * COUNT; i++) {
		int server = servers[i / COUNT == 1 ? i % 2 : 0];

		assert_int_equal(inside.pieces[i].len, sizes[i % COUNT]);
		assert_int_equal(inside.pieces[i].port, house_port(server));
		assert_int_equal(inside.pieces[i].first, sizes[i % COUNT] ? i : 0);
	}
	assert_int_equal(relay_counters(house.relay)->udp_in, 3 * COUNT);
	/*
	 * As one came: 1000 1000 1000 400, 1000 1000 7, 1400 1400 1; in the third round one less in
	 * the first; and the 1000 that ends the first round with that which begins the second. Those
	 * that have to be fragmented are alone.
	 */
	assert_int_equal(inside.frames, 3 * COUNT - (cut ? 3 + 2 + 2 + 2 + 2 + 2 + 1 : 0));
	cothon_udp_close(inside.udp);
	house_close(&house);
	close(servers[0]);
	close(servers[1]);
	free(bytes);
}

static void datagrams_come_in_as_they_were_sent(void **state)
{
	(void)state;
	neighbours_are_heard_as_they_spoke(&plain, false);
	neighbours_are_heard_as_they_spoke(&plain, true);
	neighbours_are_heard_as_they_spoke(&offloaded, false);
	neighbours_are_heard_as_they_spoke(&offloaded, true);
}

/* Small frames of several datagrams are collected with what comes before and behind them. */
static void small_segments_are_collected(void **state)
{
	const struct {
		size_t len;
		uint16_t gso_size;
	} frames[] = {{500, 0},   {1500, 500}, {1000, 500}, {1300, 500}, {500, 0},
		      {900, 500}, {500, 500},  {800, 400},  {0, 0},      {3000, 100}};
	uint8_t *bytes = house_bytes(4096), got[4096];

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int server = house_bind_udp(ipv6, 0);
		struct cothon_datagram datagram = {0};
		struct inside inside;
		struct house house;
		unsigned count = 0;

		house_open(&house, &offloaded);
		inside_bind(&house, &inside, ipv6, 4000);
		datagram.source = house_sandbox(&house, ipv6, 4000);
		datagram.destination = house_gateway(&house, ipv6, house_port(server));
		for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
			datagram.payload = bytes + i;
			datagram.len = frames[i].len;
			datagram.gso_size = frames[i].gso_size;
			assert_int_equal(cothon_stack_send_datagram(house.sandbox, &datagram), 0);
		}
		for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
			size_t size = frames[i].gso_size ? frames[i].gso_size : frames[i].len;
			size_t at = 0;

			do {
				size_t left = frames[i].len - at, len = left < size ? left : size;

				assert_int_equal(take(&house, server, got, sizeof(got), NULL), len);
				assert_memory_equal(got, bytes + i + at, len);
				at += size;
				count++;
			} while (at < frames[i].len);
		}
		assert_int_equal(relay_counters(house.relay)->udp_out, count);
		assert_int_equal(relay_counters(house.relay)->udp_lost, 0);
		cothon_udp_close(inside.udp);
		house_close(&house);
		close(server);
	}
	free(bytes);
}

/* What one call sends to be cut crosses the link, and the host, as one. */
static void segments_stay_together_both_ways(void **state)
{
	enum {
		SIZE = 1200,
		COUNT = 40,
		TOTAL = SIZE * COUNT + 77
	};
	uint8_t *bytes = house_bytes(TOTAL), *got = malloc(65536);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int server = house_bind_udp(ipv6, 0);
		struct cothon_datagram datagram = {
			.payload = bytes, .len = TOTAL, .gso_size = SIZE, .dont_fragment = true};
		struct cothon_endpoint from;
		struct inside inside;
		struct house house;

		house_open(&house, &offloaded);
		inside_bind(&house, &inside, ipv6, 4000);
		datagram.source = house_sandbox(&house, ipv6, 4000);
		datagram.destination = house_gateway(&house, ipv6, house_port(server));
		assert_int_equal(cothon_stack_send_datagram(house.sandbox, &datagram), 0);
		for (unsigned i = 0; i <= COUNT; i++) {
			size_t size = i < COUNT ? SIZE : 77;

			assert_int_equal(take(&house, server, got, 65536, &from), size);
			assert_memory_equal(got, bytes + i * SIZE, size);
		}
		assert_int_equal(relay_counters(house.relay)->udp_out, COUNT + 1);
		/* SOL_UDP, UDP_SEGMENT */
		assert_int_equal(host_socket_set(server, 17, 103, SIZE), 0);
		give(server, from, bytes, TOTAL);
		await(&house, &inside, COUNT + 1);
		assert_int_equal(inside.total, TOTAL);
		cothon_udp_close(inside.udp);
		house_close(&house);
		close(server);
	}
	free(bytes);
	free(got);
}

/* The traffic class crosses in both directions, and the hop limit is one less. */
static void header_fields_pass(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int server = house_bind_udp(ipv6, 0), value = 0;
		int level = ipv6 ? SOL_IPV6 : SOL_IP;
		struct cothon_datagram datagram = {.payload = (const uint8_t *)"x",
						   .len = 1,
						   .hops = 33,
						   .traffic_class = 0x2e << 2 | 1};
		char control[256], byte;
		struct iovec iov = {&byte, 1};
		struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
		unsigned seen = 0;
		struct house house;

		house_open(&house, &plain);
		host_socket_set(server, level, ipv6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, 1);
		host_socket_set(server, level, ipv6 ? IPV6_RECVTCLASS : IP_RECVTOS, 1);
		datagram.source = house_sandbox(&house, ipv6, 4000);
		datagram.destination = house_gateway(&house, ipv6, house_port(server));
		assert_int_equal(cothon_stack_send_datagram(house.sandbox, &datagram), 0);
		house_until(&house, house_readable, &server);
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		assert_int_equal(recvmsg(server, &message, 0), 1);
		for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message); cmsg;
		     cmsg = CMSG_NXTHDR(&message, cmsg)) {
			bool hops = cmsg->cmsg_type == (ipv6 ? IPV6_HOPLIMIT : IP_TTL);

			value = 0;
			memcpy(&value, CMSG_DATA(cmsg), hops || ipv6 ? 4 : 1);
			assert_int_equal(value, hops ? 32 : (0x2e << 2 | 1));
			seen++;
		}
		assert_int_equal(seen, 2);
		house_close(&house);
		close(server);
	}
}

/* Errors */

struct errors {
	struct house *house;
	uint64_t count;
};

static bool error_has_come(void *context)
{
	const struct errors *errors = context;

	return cothon_stack_counters(errors->house->sandbox)->icmp_in >= errors->count;
}

static void a_closed_port_outside_is_told(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int gone = house_bind_udp(ipv6, 0), server = house_bind_udp(ipv6, 0);
		struct cothon_endpoint nobody, somebody;
		struct errors errors = {.count = 1};
		struct inside inside;
		struct house house;
		uint8_t byte = 1;

		house_open(&house, &plain);
		errors.house = &house;
		inside_bind(&house, &inside, ipv6, 4000);
		nobody = house_gateway(&house, ipv6, house_port(gone));
		somebody = house_gateway(&house, ipv6, house_port(server));
		close(gone);
		cothon_udp_send(inside.udp, NULL, &nobody, &byte, 1);
		house_until(&house, error_has_come, &errors);
		assert_int_equal(relay_counters(house.relay)->errors_passed, 1);
		/* The error of one destination is in the way of none to another. */
		for (unsigned i = 0; i < 20; i++) {
			cothon_udp_send(inside.udp, NULL, &nobody, &byte, 1);
			cothon_udp_send(inside.udp, NULL, &somebody, &byte, 1);
			assert_int_equal(take(&house, server, &byte, 1, NULL), 1);
		}
		assert_int_equal(relay_counters(house.relay)->udp_lost, 0);
		cothon_udp_close(inside.udp);
		house_close(&house);
		close(server);
	}
}

static void closed_places_are_told(void **state)
{
	const char *const places[] = {"169.254.169.254", "10.0.2.2", "10.0.2.3", "fe80::1",
				      "fd00:c070::2"};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct cothon_endpoint to = house_endpoint(places[i], 99);
		struct errors errors = {.count = 1};
		struct inside inside;
		struct house house;

		house_open(&house, &closed);
		errors.house = &house;
		inside_bind(&house, &inside, i > 2, 4000);
		cothon_udp_send(inside.udp, NULL, &to, "x", 1);
		house_until(&house, error_has_come, &errors);
		assert_int_equal(relay_counters(house.relay)->prohibited, 1);
		assert_int_equal(relay_counters(house.relay)->udp_out, 0);
		cothon_udp_close(inside.udp);
		house_close(&house);
	}
}

static void broadcast_goes_nowhere(void **state)
{
	struct cothon_endpoint to = house_endpoint("10.0.2.255", 99);
	struct inside inside;
	struct house house;

	(void)state;
	house_open(&house, &plain);
	inside_bind(&house, &inside, false, 4000);
	cothon_udp_send(inside.udp, NULL, &to, "x", 1);
	house_run(&house, 20);
	assert_int_equal(relay_counters(house.relay)->broadcast, 1);
	assert_int_equal(relay_counters(house.relay)->udp_out, 0);
	assert_int_equal(cothon_stack_counters(house.sandbox)->icmp_in, 0);
	cothon_udp_close(inside.udp);
	house_close(&house);
}

/* What comes unasked */

static void where_the_loopback_is_open_its_processes_are_the_gateway(void **state)
{
	int server = house_bind_udp(false, 0), stranger = house_bind_udp(false, 0);
	struct cothon_endpoint from, to;
	struct inside inside;
	struct house house;
	uint8_t byte = 1;

	(void)state;
	house_open(&house, &plain);
	inside_bind(&house, &inside, false, 4000);
	to = house_gateway(&house, false, house_port(server));
	cothon_udp_send(inside.udp, NULL, &to, &byte, 1);
	take(&house, server, &byte, 1, &from);
	/* Endpoint-independent filtering: a stranger may answer too. */
	give(stranger, from, &byte, 1);
	await(&house, &inside, 1);
	assert_endpoints_equal(inside.from, house_gateway(&house, false, house_port(stranger)));
	cothon_udp_close(inside.udp);
	house_close(&house);
	close(server);
	close(stranger);
}

/* Bounds */

/* More endpoints inside than there may be mappings: the longest unused one makes room. */
static void the_oldest_mapping_makes_room(void **state)
{
	enum {
		MAX = 4096
	};
	int server = house_bind_udp(false, 0);
	struct cothon_datagram datagram = {.payload = (const uint8_t *)"x", .len = 1};
	struct rlimit limit;
	struct house house;
	uint8_t byte;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	house_open(&house, &plain);
	datagram.destination = house_gateway(&house, false, house_port(server));
	for (unsigned i = 0; i < MAX + 10; i++) {
		datagram.source = house_sandbox(&house, false, (uint16_t)(10000 + i));
		assert_int_equal(cothon_stack_send_datagram(house.sandbox, &datagram), 0);
		take(&house, server, &byte, 1, NULL);
	}
	/* Where descriptors run out before, room is made as well: nothing is lost. */
	assert_true(relay_counters(house.relay)->udp_evicted >= 10);
	if (limit.rlim_cur > MAX + 100)
		assert_int_equal(relay_counters(house.relay)->udp_evicted, 10);
	assert_int_equal(relay_counters(house.relay)->udp_lost, 0);
	house_close(&house);
	close(server);
}

/* With no descriptor left a new endpoint takes the oldest one's socket. */
static void without_descriptors_the_oldest_mapping_makes_room(void **state)
{
	int server = house_bind_udp(false, 0), spare;
	struct cothon_datagram datagram = {.payload = (const uint8_t *)"x", .len = 1};
	struct rlimit before, tight;
	struct house house;
	uint8_t byte;

	(void)state;
	house_open(&house, &plain);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	spare = dup(server);
	close(spare);
	tight = before;
	tight.rlim_cur = (rlim_t)spare + 8;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	datagram.destination = house_gateway(&house, false, house_port(server));
	for (unsigned i = 0; i < 30; i++) {
		datagram.source = house_sandbox(&house, false, (uint16_t)(10000 + i));
		assert_int_equal(cothon_stack_send_datagram(house.sandbox, &datagram), 0);
		take(&house, server, &byte, 1, NULL);
	}
	/* At most 8 could be open at a time. */
	assert_in_range(relay_counters(house.relay)->udp_evicted, 22, 29);
	assert_int_equal(relay_counters(house.relay)->no_socket, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	house_close(&house);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_goes_out_and_back),
		cmocka_unit_test(a_mapping_does_not_depend_on_the_destination),
		cmocka_unit_test(bursts_keep_their_datagrams),
		cmocka_unit_test(datagrams_come_in_as_they_were_sent),
		cmocka_unit_test(small_segments_are_collected),
		cmocka_unit_test(segments_stay_together_both_ways),
		cmocka_unit_test(header_fields_pass),
		cmocka_unit_test(a_closed_port_outside_is_told),
		cmocka_unit_test(closed_places_are_told),
		cmocka_unit_test(broadcast_goes_nowhere),
		cmocka_unit_test(where_the_loopback_is_open_its_processes_are_the_gateway),
		cmocka_unit_test(the_oldest_mapping_makes_room),
		cmocka_unit_test(without_descriptors_the_oldest_mapping_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
