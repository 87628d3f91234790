/* SPDX-License-Identifier: MIT */

/* What a host chooses for a connection, and what nobody may guess: sequence numbers, ports, timestamps. */

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void ignore_events(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	(void)owner;
	(void)events;
}

static const struct cothon_endpoint any_port = {.port = 0};

/* Connects, looks at the SYN and forgets the flow. */
static struct cothon_tcp_header syn_from(struct host *host, const struct cothon_endpoint *local,
					 const struct cothon_endpoint *remote)
{
	struct cothon_tcp_header header;
	struct host_frame *frame;
	struct cothon_tcp *tcp;
	struct cothon_ip ip;

	assert_int_equal(cothon_tcp_connect(host->stack, local, remote, ignore_events, NULL, &tcp),
			 0);
	host_poll(host);
	frame = host_take(host);
	assert_int_equal(
		cothon_ip_parse((struct cothon_bytes){frame->data, frame->len}, false, &ip), 0);
	assert_int_equal(
		cothon_tcp_parse((struct cothon_bytes){frame->data + ip.header_len, ip.payload_len},
				 &ip, false, &header),
		0);
	assert_int_equal(header.flags, SYN);
	free(frame);
	cothon_tcp_close(tcp);
	return header;
}

static uint32_t iss_at(uint64_t seed, uint64_t now, uint16_t from, uint16_t to)
{
	struct host_setup setup = {.seed = seed, .now = now};
	struct cothon_endpoint local = {host_addr(false), from}, remote = {host_peer(false), to};
	struct host host;
	uint32_t iss;

	host_create(&host, &setup);
	iss = syn_from(&host, &local, &remote).seq.v;
	host_destroy(&host);
	return iss;
}

/* RFC 6528 section 3: for one pair of endpoints it is a clock of four microseconds. */
static void test_iss_is_a_clock(void **state)
{
	static const uint64_t later[] = {0, 4, 8, 1000, 1000000, 3600000000, UINT64_C(17179869184)};
	uint32_t first = iss_at(1, 1000000, 5000, 80);

	(void)state;
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		assert_int_equal(iss_at(1, 1000000 + later[i], 5000, 80) - first,
				 (uint32_t)(later[i] / 4));
}

/* Between pairs of endpoints, and between seeds, it is as if drawn by lot. */
static void test_iss_is_spread(void **state)
{
	unsigned high[64] = {0}, low[64] = {0}, difference[64] = {0};
	double chi[3] = {0};
	uint32_t before = 0;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	for (uint32_t i = 0; i < 6400; i++) {
		struct cothon_endpoint local = {host_addr(i % 2), (uint16_t)(2000 + i / 2)};
		struct cothon_endpoint remote = {host_peer(i % 2), 80};
		uint32_t iss = syn_from(&host, &local, &remote).seq.v;

		high[iss >> 26]++;
		low[iss & 63]++;
		difference[(iss - before) >> 26]++;
		before = iss;
	}
	for (unsigned i = 0; i < 64; i++) {
		chi[0] += (high[i] - 100.0) * (high[i] - 100.0) / 100;
		chi[1] += (low[i] - 100.0) * (low[i] - 100.0) / 100;
		chi[2] += (difference[i] - 100.0) * (difference[i] - 100.0) / 100;
	}
	/* 63 degrees of freedom: above 103.4 once in a thousand times, below 30 never by chance either. */
	for (unsigned i = 0; i < 3; i++)
		assert_true(chi[i] > 30 && chi[i] < 103.4);
	host_destroy(&host);
	/* Each seed has its own. */
	assert_int_not_equal(iss_at(1, 1000000, 5000, 80), iss_at(2, 1000000, 5000, 80));
}

/* RFC 7323 section 7.1: nor do timestamps tell how long the host has been up, but per pair they only grow. */
static void test_timestamps(void **state)
{
	struct cothon_endpoint local = {host_addr(false), 5000}, remote = {host_peer(false), 80};
	struct host_setup setup = {.now = 1000000};
	uint32_t first, second, other;
	struct host host;

	(void)state;
	host_create(&host, &setup);
	first = syn_from(&host, &local, &remote).ts_value;
	host.now += 7000;
	host_poll(&host);
	second = syn_from(&host, &local, &remote).ts_value;
	assert_int_equal(second - first, 7);
	local.port++;
	other = syn_from(&host, &local, &remote).ts_value;
	assert_true(other - second > 1000 && second - other > 1000);
	host_destroy(&host);
}

/* RFC 6056: ports are of the range, each about as often as the others, and the next cannot be told. */
static void test_ports(void **state)
{
	struct cothon_endpoint remote = {host_peer(false), 80};
	unsigned bins[64] = {0}, steps[64] = {0};
	double chi[2] = {0};
	uint16_t before = 0;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	for (unsigned i = 0; i < 6400; i++) {
		uint16_t port = syn_from(&host, &any_port, &remote).source_port;

		assert_true(port >= 49152);
		bins[(port - 49152) / 256]++;
		steps[(uint16_t)(port - before) % 16384 / 256]++;
		before = port;
	}
	for (unsigned i = 0; i < 64; i++) {
		chi[0] += (bins[i] - 100.0) * (bins[i] - 100.0) / 100;
		chi[1] += (steps[i] - 100.0) * (steps[i] - 100.0) / 100;
	}
	assert_true(chi[0] > 30 && chi[0] < 103.4);
	assert_true(chi[1] > 30 && chi[1] < 103.4);
	host_destroy(&host);
}

static void four_ports(struct cothon_stack_config *config)
{
	config->ephemeral_first = 50000;
	config->ephemeral_last = 50003;
}

static void test_ports_run_out(void **state)
{
	struct host_setup setup = {.configure = four_ports};
	struct cothon_endpoint remote = {host_peer(false), 80}, other = {host_peer(false), 81};
	struct cothon_endpoint bound = {host_addr(false), 50002};
	struct cothon_listener *listener;
	struct cothon_tcp *tcp[8];
	unsigned seen = 0;
	struct host host;

	(void)state;
	host_create(&host, &setup);
	/* A port that somebody listens on is not chosen. */
	assert_int_equal(cothon_tcp_listen(host.stack, &bound, 4, ignore_events, NULL, &listener),
			 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(cothon_tcp_connect(host.stack, &any_port, &remote, ignore_events,
						    NULL, &tcp[i]),
				 0);
		seen |= 1u << (cothon_tcp_flow(tcp[i])->local_port - 50000);
	}
	assert_int_equal(seen, 0xb);
	assert_int_equal(cothon_tcp_connect(host.stack, &any_port, &remote, ignore_events, NULL,
					    &tcp[3]),
			 -EADDRNOTAVAIL);
	/* To another endpoint each port is another flow. */
	for (unsigned i = 3; i < 6; i++)
		assert_int_equal(cothon_tcp_connect(host.stack, &any_port, &other, ignore_events,
						    NULL, &tcp[i]),
				 0);
	cothon_tcp_close(tcp[1]);
	assert_int_equal(cothon_tcp_connect(host.stack, &any_port, &remote, ignore_events, NULL,
					    &tcp[1]),
			 0);
	for (unsigned i = 0; i < 6; i++)
		cothon_tcp_close(tcp[i]);
	cothon_listener_close(listener);
	host_destroy(&host);
}

/* MUST-46 and the other errors of an active open. */
static void test_connect_errors(void **state)
{
	static const struct {
		const char *local;
		uint16_t local_port;
		const char *remote;
		uint16_t remote_port;
		int error;
	} cases[] = {
		{"0.0.0.0", 0, "192.0.2.2", 0, -EINVAL},
		{"0.0.0.0", 0, "0.0.0.0", 80, -EINVAL},
		{"0.0.0.0", 0, "224.0.0.1", 80, -EINVAL},
		{"0.0.0.0", 0, "255.255.255.255", 80, -EINVAL},
		{"0.0.0.0", 0, "240.0.0.1", 80, -EINVAL},
		{"0.0.0.0", 0, "ff02::1", 80, -EINVAL},
		{"192.0.2.1", 0, "2001:db8::2", 80, -EINVAL},
		{"2001:db8::1", 0, "192.0.2.2", 80, -EINVAL},
		{"192.0.2.3", 0, "192.0.2.2", 80, -EADDRNOTAVAIL},
		{"2001:db8::3", 0, "2001:db8::2", 80, -EADDRNOTAVAIL},
		{"192.0.2.1", 7000, "192.0.2.2", 80, -EADDRINUSE},
		{"192.0.2.1", 7000, "192.0.2.2", 81, 0},
		{"0.0.0.0", 0, "2001:db8::2", 80, 0},
		{"::", 0, "192.0.2.2", 80, 0},
		{"::", 0, "2001:db8::2", 80, 0},
	};
	struct cothon_endpoint local = {host_addr(false), 7000}, remote = {host_peer(false), 80};
	struct cothon_tcp *first, *tcp;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	assert_int_equal(
		cothon_tcp_connect(host.stack, &local, &remote, ignore_events, NULL, &first), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		local = host_endpoint(cases[i].local, cases[i].local_port);
		remote = host_endpoint(cases[i].remote, cases[i].remote_port);
		assert_int_equal(cothon_tcp_connect(host.stack, &local, &remote, ignore_events,
						    NULL, &tcp),
				 cases[i].error);
		if (!cases[i].error)
			cothon_tcp_close(tcp);
	}
	cothon_tcp_close(first);
	host_destroy(&host);
}

/* A router opens flows in the name of others. */
static void test_foreign_source(void **state)
{
	static const struct cothon_forwarder forwarder = {0};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct host_setup setup = {.forwarder = &forwarder};
		struct cothon_endpoint client =
			host_endpoint(ipv6 ? "2001:db8:7::7" : "198.51.100.7", 33333);
		struct cothon_endpoint server = {host_peer(ipv6), 80};
		struct cothon_tcp_header header = {0};
		struct host_frame *frame;
		struct cothon_tcp *tcp;
		struct cothon_ip ip;
		struct host host;
		uint8_t bytes[COTHON_TCP_HEADER_MAX], packet[200];

		host_create(&host, &setup);
		assert_int_equal(cothon_tcp_connect(host.stack, &client, &server, ignore_events,
						    NULL, &tcp),
				 0);
		host_poll(&host);
		frame = host_take(&host);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
						 false, &ip),
				 0);
		assert_true(cothon_addr_equal(&ip.source, &client.addr));
		assert_int_equal(cothon_tcp_parse((struct cothon_bytes){frame->data + ip.header_len,
									ip.payload_len},
						  &ip, false, &header),
				 0);
		assert_int_equal(header.source_port, 33333);
		free(frame);
		/* The answer is for that address, and is taken. */
		header = (struct cothon_tcp_header){.source_port = 80,
						    .destination_port = 33333,
						    .ack = cothon_seq_add(header.seq, 1),
						    .flags = SYN | ACK,
						    .window = 65535};
		ip = (struct cothon_ip){.source = server.addr,
					.destination = client.addr,
					.protocol = COTHON_IPPROTO_TCP};
		host_input_offload(&host, packet,
				   host_ip(packet, ip, bytes, cothon_tcp_emit(&header, bytes)),
				   &(struct cothon_offload){.csum_valid = true});
		assert_int_equal(host.counters->tcp_opened, 1);
		frame = host_take(&host);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
						 false, &ip),
				 0);
		assert_true(cothon_addr_equal(&ip.source, &client.addr));
		free(frame);
		cothon_tcp_abort(tcp);
		host_drop_all(&host);
		host_destroy(&host);
	}
}

/* The name of every state is the RFC's. */
static void test_state_names(void **state)
{
	static const char *const names[] = {"LISTEN",      "SYN-SENT",   "SYN-RECEIVED",
					    "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
					    "CLOSE-WAIT",  "CLOSING",    "LAST-ACK",
					    "TIME-WAIT",   "CLOSED"};

	(void)state;
	for (unsigned i = 0; i <= COTHON_TCP_CLOSED; i++)
		assert_string_equal(cothon_tcp_state_name((enum cothon_tcp_state)i), names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iss_is_a_clock), cmocka_unit_test(test_iss_is_spread),
		cmocka_unit_test(test_timestamps),     cmocka_unit_test(test_ports),
		cmocka_unit_test(test_ports_run_out),  cmocka_unit_test(test_connect_errors),
		cmocka_unit_test(test_foreign_source), cmocka_unit_test(test_state_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
