/* SPDX-License-Identifier: MIT */

/* UDP of a stack, outwards: sources, checksums, several datagrams at once, the largest. */

#include "host.h"
#include "wire/udp.h"
#include <cothon/udp.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	PORT = 53,
	LARGEST = 65507
};

/* A sum that comes out as zero is sent as all ones, else it would mean that there is none. */
static void test_zero_sum_out(void **state)
{
	struct host_inbox *inbox = host_inbox_open();
	struct cothon_endpoint to = {host_peer(true), 9};
	struct cothon_udp *udp;
	unsigned ones = 0;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	udp = host_bind(&host, "::", PORT, inbox);
	for (unsigned i = 0; i < 65536; i++) {
		uint8_t payload[2] = {(uint8_t)(i >> 8), (uint8_t)i};
		struct host_frame *frame;

		assert_int_equal(cothon_udp_send(udp, NULL, &to, payload, 2), 0);
		frame = host_take(&host);
		assert_int_not_equal(cothon_get16(frame->data + 46), 0);
		ones += cothon_get16(frame->data + 46) == 0xffff;
		free(frame);
	}
	/* Of all words just one brings the sum to zero. */
	assert_int_equal(ones, 1);
	cothon_udp_close(udp);
	host_destroy(&host);
	free(inbox);
}

static void test_send(void **state)
{
	struct host_inbox *inbox = host_inbox_open();

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_endpoint to = {host_peer(ipv6), 2000};
		struct cothon_addr here = host_addr(ipv6), foreign;
		struct cothon_udp_header header;
		struct host_frame *frame;
		struct cothon_udp *udp;
		struct cothon_ip ip;
		struct host host;

		host_create(&host, NULL);
		udp = host_bind(&host, "::", PORT, inbox);
		assert_int_equal(cothon_udp_send(udp, NULL, &to, "answer", 6), 0);
		frame = host_take(&host);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
						 false, &ip),
				 0);
		assert_true(cothon_addr_equal(&ip.source, &here));
		assert_true(cothon_addr_equal(&ip.destination, &to.addr));
		assert_int_equal(ip.hops, 64);
		assert_int_equal(cothon_udp_parse((struct cothon_bytes){frame->data + ip.header_len,
									ip.payload_len},
						  &ip, false, false, &header),
				 0);
		assert_int_equal(header.source_port, PORT);
		assert_int_equal(header.destination_port, 2000);
		assert_int_equal(header.payload_len, 6);
		assert_memory_equal(frame->data + ip.header_len + 8, "answer", 6);
		free(frame);
		/* A router sends from others' addresses. */
		foreign = host_parse(ipv6 ? "2001:db8:5::5" : "198.51.100.5");
		assert_int_equal(cothon_udp_send(udp, &foreign, &to, "", 0), 0);
		frame = host_take(&host);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
						 false, &ip),
				 0);
		assert_true(cothon_addr_equal(&ip.source, &foreign));
		free(frame);
		assert_int_equal(host.counters->udp_out, 2);
		cothon_udp_close(udp);
		host_destroy(&host);
	}
	free(inbox);
}

static void test_send_errors(void **state)
{
	struct host_inbox *inbox = host_inbox_open();
	struct cothon_endpoint ipv4 = {host_peer(false), 9}, ipv6 = {host_peer(true), 9};
	struct cothon_pool_config pool_config = {.memory = cothon_memory_malloc, .limit = SIZE_MAX};
	struct cothon_stack_config config = {.memory = cothon_memory_malloc};
	struct cothon_addr only = host_addr(false);
	struct cothon_endpoint any = host_endpoint("::", PORT);
	struct cothon_stack *stack;
	struct cothon_udp *udp;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	udp = host_bind(&host, "192.0.2.1", PORT, inbox);
	assert_int_equal(cothon_udp_send(udp, NULL, &ipv6, "x", 1), -EINVAL);
	cothon_udp_close(udp);
	/* A wildcard has no source to a family of which the host has no address. */
	config.link = &host.link;
	config.pool = cothon_pool_create(&pool_config);
	assert_int_equal(cothon_stack_create(&config, &stack), 0);
	assert_int_equal(cothon_stack_add_address(stack, &only), 0);
	assert_int_equal(cothon_udp_bind(stack, &any, host_take_datagram, inbox, &udp), 0);
	assert_int_equal(cothon_udp_send(udp, NULL, &ipv6, "x", 1), -EADDRNOTAVAIL);
	assert_int_equal(host.waiting, 0);
	assert_int_equal(cothon_udp_send(udp, NULL, &ipv4, "x", 1), 0);
	assert_int_equal(host.waiting, 1);
	cothon_udp_close(udp);
	cothon_stack_destroy(stack);
	cothon_pool_destroy(config.pool);
	host_destroy(&host);
	free(inbox);
}

/* Several datagrams at once: the link cuts them if it can, else they are cut here. */
static void check_gso(unsigned features, bool ipv6, size_t len, uint16_t size)
{
	struct host_setup setup = {.features = features};
	bool offloaded = (features & COTHON_LINK_USO) && (features & COTHON_LINK_CSUM) &&
			 len > size;
	uint8_t *payload = malloc(len + 1);
	struct cothon_datagram datagram = {
		.source = {host_addr(ipv6), PORT},
		.destination = {host_peer(ipv6), 9},
		.payload = payload,
		.len = len,
		.gso_size = size,
		.hops = 17,
		.traffic_class = 0xb8,
	};
	size_t have = 0;
	struct host host;

	assert_non_null(payload);
	host_fill(payload, len, 4);
	host_create(&host, &setup);
	assert_int_equal(cothon_stack_send_datagram(host.stack, &datagram), 0);
	do {
		struct host_frame *frame = host_take(&host);
		size_t headers = (ipv6 ? 40 : 20) + 8;
		struct cothon_ip ip;
		size_t part;

		assert_int_equal(cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
						 offloaded, &ip),
				 0);
		assert_int_equal(ip.hops, 17);
		assert_int_equal(ip.traffic_class, 0xb8);
		assert_int_equal(frame->offload.gso, offloaded ? COTHON_GSO_UDP : COTHON_GSO_NONE);
		if (offloaded) {
			assert_int_equal(frame->offload.gso_size, size);
			assert_int_equal(frame->offload.header_len, headers);
		}
		part = frame->len - headers;
		assert_true(offloaded || part == size || have + part == len);
		assert_memory_equal(frame->data + headers, payload + have, part);
		have += part;
		free(frame);
	} while (have < len);
	assert_int_equal(host.waiting, 0);
	assert_int_equal(have, len);
	free(payload);
	host_destroy(&host);
}

static void test_gso(void **state)
{
	static const unsigned features[] = {
		0,
		COTHON_LINK_CSUM,
		COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO,
		/* A link that cuts but sums nothing could not make the pieces' checksums. */
		COTHON_LINK_USO,
	};
	static const size_t lens[] = {0, 1, 999, 1000, 1001, 1999, 2000, 2001, 65000};

	(void)state;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			check_gso(features[i], false, lens[k], 1000);
			check_gso(features[i], true, lens[k], 1000);
		}
	}
}

static void test_gso_errors(void **state)
{
	static uint8_t payload[65535];
	struct host_setup setup = {.features = COTHON_LINK_CSUM | COTHON_LINK_USO};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_datagram datagram = {
			.source = {host_addr(ipv6), PORT},
			.destination = {host_peer(ipv6), 9},
			.payload = payload,
			.len = 4000,
			.gso_size = ipv6 ? 1453 : 1473,
		};
		struct host host;

		host_create(&host, &setup);
		assert_int_equal(cothon_stack_send_datagram(host.stack, &datagram), -EINVAL);
		datagram.gso_size--;
		assert_int_equal(cothon_stack_send_datagram(host.stack, &datagram), 0);
		/* The frame is a packet of IP while it is whole. */
		datagram.len = ipv6 ? 65528 : 65508;
		assert_int_equal(cothon_stack_send_datagram(host.stack, &datagram), -EMSGSIZE);
		host_destroy(&host);
	}
}

/* 65,507 bytes go out in fragments, and come in. */
static void test_largest(void **state)
{
	struct host_inbox *inbox = host_inbox_open();
	uint8_t *payload = malloc(LARGEST);

	(void)state;
	assert_non_null(payload);
	host_fill(payload, LARGEST, 8);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_endpoint to = {host_addr(ipv6), PORT};
		struct cothon_addr from = host_peer(ipv6);
		struct cothon_udp *udp, *echo;
		struct host sender, receiver;

		inbox->count = 0;
		host_create(&sender, NULL);
		host_create(&receiver, NULL);
		assert_int_equal(cothon_stack_add_address(sender.stack, &from), 0);
		udp = host_bind(&sender, "::", 1000, inbox);
		echo = host_bind(&receiver, "::", PORT, inbox);
		assert_int_equal(cothon_udp_send(udp, &from, &to, payload, LARGEST), 0);
		while (sender.waiting) {
			struct host_frame *frame = host_take(&sender);

			assert_int_equal(inbox->count, 0);
			host_input(&receiver, frame->data, frame->len);
			free(frame);
		}
		assert_int_equal(inbox->count, 1);
		assert_int_equal(inbox->last.len, LARGEST);
		assert_memory_equal(inbox->payload, payload, LARGEST);
		cothon_udp_close(udp);
		cothon_udp_close(echo);
		host_destroy(&sender);
		host_destroy(&receiver);
	}
	free(payload);
	free(inbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_sum_out), cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_errors),  cmocka_unit_test(test_gso),
		cmocka_unit_test(test_gso_errors),   cmocka_unit_test(test_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
