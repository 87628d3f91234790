/* SPDX-License-Identifier: MIT */

/* SYNs that a forwarder decides about: held, accepted, refused in every way, taken back. */

#include "script.h"
#include "wire/icmp.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the forwarder does when it is asked, and what it was told. */
struct gateway {
	enum {
		HOLD,
		ACCEPT,
		REFUSE_NOW,
		ANSWER
	} act;
	int error;
	unsigned asked, events;
	struct cothon_tcp *tcp;
	bool ended;
};

static void told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct gateway *gateway = owner;

	assert_ptr_equal(tcp, gateway->tcp);
	assert_false(gateway->ended);
	gateway->events |= events;
	gateway->ended = events & COTHON_TCP_ENDED;
}

static int ask(void *context, struct cothon_tcp *tcp)
{
	struct gateway *gateway = context;

	gateway->asked++;
	if (gateway->act == ANSWER)
		return gateway->error;
	if (gateway->act == REFUSE_NOW) {
		cothon_tcp_refuse(tcp, gateway->error);
		return 0;
	}
	gateway->tcp = tcp;
	cothon_tcp_own(tcp, told, gateway);
	if (gateway->act == ACCEPT)
		cothon_tcp_accept(tcp);
	return 0;
}

static const struct cothon_forwarder forwarder = {.tcp = ask};

static void open_with(struct script *script, struct gateway *gateway, bool ipv6)
{
	struct script_setup setup = {
		.ipv6 = ipv6,
		.iss = 5000,
		.host = {.forwarder = &forwarder, .context = gateway},
	};

	script_open(script, &setup);
}

static void test_accept_at_once(void **state)
{
	struct gateway gateway = {.act = ACCEPT};
	struct script script;

	(void)state;
	open_with(&script, &gateway, false);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(gateway.events, 0);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	assert_true(gateway.events & COTHON_TCP_OPENED);
	cothon_tcp_abort(gateway.tcp);
	script_expect(&script, .flags = RST | ACK, .seq = 1, .ack = 1);
	script_close(&script);
}

/* Honest connection setup: nothing leaves before the outside has answered, however long that takes. */
static void test_accept_later(void **state)
{
	struct gateway gateway = {.act = HOLD};
	struct cothon_tcp_info info;
	struct script script;

	(void)state;
	open_with(&script, &gateway, true);
	script_send(&script, .flags = SYN);
	/* The peer tries again and again. */
	for (unsigned i = 0; i < 5; i++) {
		script_wait(&script, 20 * UINT64_C(1000000));
		script_send(&script, .flags = SYN);
		script_quiet(&script);
	}
	assert_int_equal(gateway.asked, 1);
	cothon_tcp_info(gateway.tcp, &info);
	assert_int_equal(info.state, COTHON_TCP_LISTEN);
	assert_int_equal(info.flow.local_port, SCRIPT_PORT);
	cothon_tcp_accept(gateway.tcp);
	host_poll(&script.host);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	/* The time for an answer counts from here. */
	script_wait(&script, 170 * UINT64_C(1000000));
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	assert_true(gateway.events & COTHON_TCP_OPENED);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 4);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 5);
	assert_true(gateway.events & COTHON_TCP_READABLE);
	cothon_tcp_abort(gateway.tcp);
	script_ignore(&script);
	script_close(&script);
}

static const struct {
	int error;
	int reason; /* of the ICMP error; -1: a RST; -2: silence */
} refusals[] = {
	{-ECONNREFUSED, -1},
	{-ENOMEM, -1},
	{-EIO, -1},
	{-ECONNRESET, -1},
	{-ETIMEDOUT, -2},
	{-ENETUNREACH, COTHON_NET_UNREACHABLE},
	{-EHOSTUNREACH, COTHON_HOST_UNREACHABLE},
	{-EACCES, COTHON_PROHIBITED},
	{-EPERM, COTHON_PROHIBITED},
};

/* The ICMP error about a SYN quotes what its sender knows it by. */
static void expect_icmp(struct script *script, int reason)
{
	struct cothon_addr here = host_addr(script->ipv6), there = host_peer(script->ipv6);
	struct host_frame *frame = host_take(&script->host);
	const uint8_t *transport;
	struct cothon_icmp icmp;
	struct cothon_ip ip;

	assert_int_equal(
		cothon_ip_parse((struct cothon_bytes){frame->data, frame->len}, false, &ip), 0);
	assert_true(cothon_addr_equal(&ip.destination, &there));
	assert_int_equal(cothon_icmp_parse((struct cothon_bytes){frame->data + ip.header_len,
								 ip.payload_len},
					   &ip, false, &icmp),
			 0);
	assert_int_equal(icmp.reason, reason);
	assert_int_equal(cothon_ip_parse_quote(icmp.rest, &ip), 0);
	assert_true(cothon_addr_equal(&ip.source, &there));
	assert_true(cothon_addr_equal(&ip.destination, &here));
	assert_int_equal(ip.protocol, COTHON_IPPROTO_TCP);
	transport = icmp.rest.data + ip.header_len;
	assert_int_equal(icmp.rest.len - ip.header_len, 8);
	assert_int_equal(cothon_get16(transport), script->flow.peer_port);
	assert_int_equal(cothon_get16(transport + 2), SCRIPT_PORT);
	assert_int_equal(cothon_get32(transport + 4), 5000);
	free(frame);
}

static void check_refused(struct script *script, int reason)
{
	if (reason == -1)
		script_expect(script, .flags = RST | ACK, .seq = 0, .ack = 1);
	else if (reason >= 0)
		expect_icmp(script, reason);
	script_quiet(script);
	assert_int_equal(script->host.counters->tcp_refused, 1);
	assert_int_equal(script->host.deadline, COTHON_NEVER);
}

static void test_refuse(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6 * sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct gateway gateway = {.error = refusals[i / 6].error};
		struct script script;

		open_with(&script, &gateway, i % 2);
		/* By what the forwarder returns, inside its call, or later. */
		gateway.act = i / 2 % 3 == 0 ? ANSWER : i / 2 % 3 == 1 ? REFUSE_NOW : HOLD;
		script_send(&script, .flags = SYN);
		if (gateway.act == HOLD) {
			script_quiet(&script);
			script_wait(&script, 3 * SCRIPT_SECOND);
			cothon_tcp_refuse(gateway.tcp, gateway.error);
			host_poll(&script.host);
		}
		check_refused(&script, refusals[i / 6].reason);
		/* The next try is asked about anew. */
		script_send(&script, .flags = SYN);
		assert_int_equal(gateway.asked, 2);
		if (gateway.act == HOLD)
			cothon_tcp_refuse(gateway.tcp, -ETIMEDOUT);
		host_drop_all(&script.host);
		script_close(&script);
	}
}

/* The peer takes its SYN back: the forwarder is told, and keeps the handle until it gives it up. */
static void test_taken_back(void **state)
{
	(void)state;
	for (int refuse = 0; refuse < 2; refuse++) {
		struct gateway gateway = {.act = HOLD};
		struct script script;

		open_with(&script, &gateway, false);
		script_send(&script, .flags = SYN);
		script_send(&script, .flags = RST, .seq = 0);
		script_send(&script, .flags = RST, .seq = 2);
		assert_false(gateway.ended);
		script_send(&script, .flags = RST, .seq = 1);
		assert_true(gateway.ended);
		assert_int_equal(cothon_tcp_error(gateway.tcp), -ECONNRESET);
		/* Late answers are of no effect. */
		cothon_tcp_accept(gateway.tcp);
		host_poll(&script.host);
		if (refuse)
			cothon_tcp_refuse(gateway.tcp, -ECONNREFUSED);
		else
			cothon_tcp_close(gateway.tcp);
		host_poll(&script.host);
		script_quiet(&script);
		script_close(&script);
	}
}

/* A forwarder that never answers holds a SYN for three minutes. */
static void test_never_answered(void **state)
{
	struct gateway gateway = {.act = HOLD};
	struct script script;

	(void)state;
	open_with(&script, &gateway, false);
	script_send(&script, .flags = SYN);
	script_wait(&script, 179 * UINT64_C(1000000));
	assert_false(gateway.ended);
	script_wait(&script, 2 * UINT64_C(1000000));
	assert_true(gateway.ended);
	assert_int_equal(cothon_tcp_error(gateway.tcp), -ETIMEDOUT);
	script_quiet(&script);
	cothon_tcp_close(gateway.tcp);
	script_close(&script);
}

/* A close or an abort instead of an answer. */
static void test_given_up(void **state)
{
	(void)state;
	for (int abort = 0; abort < 2; abort++) {
		struct gateway gateway = {.act = HOLD};
		struct script script;

		open_with(&script, &gateway, false);
		script_send(&script, .flags = SYN);
		if (abort)
			cothon_tcp_abort(gateway.tcp);
		else
			cothon_tcp_close(gateway.tcp);
		host_poll(&script.host);
		if (abort)
			script_expect(&script, .flags = RST | ACK, .seq = 0, .ack = 1);
		script_quiet(&script);
		assert_int_equal(script.host.deadline, COTHON_NEVER);
		script_close(&script);
	}
}

/* What somebody listens on is not asked about; what nobody does, and all that is not the host's, is. */
static void test_who_is_asked(void **state)
{
	struct gateway gateway = {.act = ANSWER, .error = -ECONNREFUSED};
	struct script script;
	uint8_t packet[200];
	struct cothon_ip ip;
	size_t len;

	(void)state;
	open_with(&script, &gateway, false);
	script_listen(&script);
	script_accept(&script);
	assert_int_equal(gateway.asked, 0);
	script_abort(&script);
	script_ignore(&script);
	script_another(&script, SCRIPT_PORT + 1, 5000);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_int_equal(gateway.asked, 1);
	/* Port 80 of somebody else. */
	script_another(&script, SCRIPT_PORT, 5001);
	len = script_packet(&script, &(struct script_segment){.flags = SYN}, packet);
	ip = host_header(false, false, COTHON_IPPROTO_TCP);
	ip.destination = host_parse("198.51.100.7");
	len = host_ip(packet, ip, packet + 20, len - 20);
	host_input_offload(&script.host, packet, len, &(struct cothon_offload){.csum_valid = true});
	assert_int_equal(gateway.asked, 2);
	host_drop_all(&script.host);
	/* What is no SYN is never asked about. */
	script_another(&script, 9, 5001);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_expect(&script, .flags = RST, .seq = 1);
	assert_int_equal(gateway.asked, 2);
	script_close(&script);
}

static void test_without_functions(void **state)
{
	static const struct cothon_forwarder none = {0};
	struct script_setup setup = {.host.forwarder = &none};
	struct script script;

	(void)state;
	script_open(&script, &setup);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = RST | ACK, .seq = 0, .ack = 1);
	script_close(&script);
}

/* Segments of no flow that were offered, and what is said to that. */
struct elsewhere {
	bool taken;
	unsigned whole, in_fragments;
	uint8_t packet[128];
	size_t len;
};

static bool offered(void *context, const struct cothon_buf *frame)
{
	struct elsewhere *elsewhere = context;

	if (!frame) {
		elsewhere->in_fragments++;
		return elsewhere->taken;
	}
	elsewhere->whole++;
	assert_in_range(frame->len, 1, sizeof(elsewhere->packet));
	memcpy(elsewhere->packet, frame->data, frame->len);
	elsewhere->len = frame->len;
	return elsewhere->taken;
}

static const struct cothon_forwarder offering = {.stray = offered};

/* A segment that is another stack's is offered as it came, and answered only where nobody takes it. */
static void test_stray(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
		struct elsewhere elsewhere = {.taken = true};
		struct script_setup setup = {
			.host = {.forwarder = &offering, .context = &elsewhere},
			.ipv6 = ipv6,
		};
		const uint8_t flags[] = {ACK, RST, RST | ACK, SYN | ACK, FIN | ACK, 0};
		struct script script;

		script_open(&script, &setup);
		for (unsigned i = 0; i < sizeof(flags); i++) {
			script_send(&script, .flags = flags[i], .seq = 1, .ack = 1, .len = 10);
			script_quiet(&script);
			assert_int_equal(elsewhere.whole, i + 1);
			assert_int_equal(elsewhere.packet[0] >> 4, ipv6 ? 6 : 4);
			assert_int_equal(elsewhere.packet[(ipv6 ? 40 : 20) + 13] & 0x3f, flags[i]);
			assert_int_equal(elsewhere.len, (ipv6 ? 40 : 20) + 20 + 10);
		}
		/* A SYN may be the first of a flow here, and is nobody else's. */
		script_send(&script, .flags = SYN);
		script_expect(&script, .flags = RST | ACK, .seq = 0, .ack = 1);
		assert_int_equal(elsewhere.whole, sizeof(flags));

		elsewhere.taken = false;
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
		script_expect(&script, .flags = RST, .seq = 1);
		script_send(&script, .flags = RST, .seq = 1);
		script_quiet(&script);
		script_close(&script);
	}
}

static void few_half_open(struct cothon_stack_config *config)
{
	config->max_half_open = 5;
}

/* At the bound the oldest makes room, without a word to its peer; its owner is told. */
static void test_bound(void **state)
{
	struct gateway gateway = {.act = HOLD}, oldest[3] = {0};
	struct script_setup setup = {
		.host = {.forwarder = &forwarder, .context = &gateway, .configure = few_half_open}};
	struct script_flow newest;
	struct script script;

	(void)state;
	script_open(&script, &setup);
	for (uint16_t i = 0; i < 8; i++) {
		script_another(&script, SCRIPT_PORT, (uint16_t)(5000 + i));
		script_send(&script, .flags = SYN);
		if (i < 3) {
			oldest[i].tcp = gateway.tcp;
			cothon_tcp_own(gateway.tcp, told, &oldest[i]);
		}
	}
	assert_int_equal(gateway.asked, 8);
	assert_int_equal(script.host.counters->tcp_half_open_dropped, 3);
	assert_int_equal(cothon_stack_usage(script.host.stack).half_open, 5);
	script_quiet(&script);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(oldest[i].ended);
		assert_int_equal(cothon_tcp_error(oldest[i].tcp), -ETIMEDOUT);
		cothon_tcp_close(oldest[i].tcp);
	}
	/* The newest is served. */
	newest = script.flow;
	gateway.events = 0;
	cothon_tcp_accept(gateway.tcp);
	host_poll(&script.host);
	script.flow = newest;
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	assert_true(gateway.events & COTHON_TCP_OPENED);
	assert_int_equal(cothon_stack_usage(script.host.stack).half_open, 4);
	cothon_tcp_abort(gateway.tcp);
	script_expect(&script, .flags = RST | ACK, .seq = 1, .ack = 1);
	script_close(&script);
}

/* Whose SYN was answered takes the connection for open: as long as they are few, they stay. */
static void test_bound_answered(void **state)
{
	struct gateway gateway = {.act = ACCEPT};
	struct script_setup setup = {
		.host = {.forwarder = &forwarder, .context = &gateway, .configure = few_half_open}};
	struct script_flow first;
	struct script script;

	(void)state;
	script_open(&script, &setup);
	script_another(&script, SCRIPT_PORT, 4999);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	first = script.flow;
	cothon_tcp_own(gateway.tcp, NULL, NULL);
	gateway.act = HOLD;
	for (uint16_t i = 0; i < 20; i++) {
		script_another(&script, SCRIPT_PORT, (uint16_t)(5000 + i));
		script_send(&script, .flags = SYN);
		cothon_tcp_own(gateway.tcp, NULL, NULL);
	}
	assert_int_equal(script.host.counters->tcp_half_open_dropped, 16);
	script.flow = first;
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_opened, 1);
	script_close(&script);
}

/* But more than half of the room is not theirs. */
static void test_bound_never_acknowledged(void **state)
{
	struct gateway gateway = {.act = ACCEPT};
	struct script_setup setup = {
		.host = {.forwarder = &forwarder, .context = &gateway, .configure = few_half_open}};
	struct cothon_usage usage;
	struct script script;

	(void)state;
	script_open(&script, &setup);
	for (uint16_t i = 0; i < 20; i++) {
		script_another(&script, SCRIPT_PORT, (uint16_t)(5000 + i));
		script_send(&script, .flags = SYN);
		cothon_tcp_own(gateway.tcp, NULL, NULL);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
	}
	usage = cothon_stack_usage(script.host.stack);
	assert_int_equal(usage.half_open, 5);
	assert_int_equal(script.host.counters->tcp_half_open_dropped, 15);
	/* The newest is one of those that are left. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_opened, 1);
	script_close(&script);
}

static void never(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	(void)owner;
	(void)events;
	fail();
}

/*
 * A client for whom the gateway speaks uses its port again, while its last connection is in TIME-WAIT: the new one has
 * sequence numbers beyond the old one's.
 */
static void test_port_used_again(void **state)
{
	struct gateway gateway = {.act = ACCEPT};
	struct cothon_endpoint local, remote;
	struct script_setup setup = {.host = {.forwarder = &forwarder, .context = &gateway}};
	struct cothon_tcp_info info;
	struct cothon_tcp *tcp;
	struct script script;
	struct script_segment syn;
	uint64_t then;
	uint32_t old;

	(void)state;
	script_open(&script, &setup);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	local = cothon_flow_local(cothon_tcp_flow(gateway.tcp));
	remote = cothon_flow_remote(cothon_tcp_flow(gateway.tcp));
	assert_int_equal(cothon_tcp_connect(script.host.stack, &local, &remote, never, NULL, &tcp),
			 -EADDRINUSE);
	cothon_tcp_close(gateway.tcp);
	host_poll(&script.host);
	script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = 1);
	script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 2);
	script_expect(&script, .flags = ACK, .seq = 2, .ack = 2);
	then = script.host.now += 5 * UINT64_C(1000000);
	cothon_stack_tell_time(script.host.stack, then);
	assert_int_equal(cothon_tcp_connect(script.host.stack, &local, &remote, never, NULL, &tcp),
			 0);
	cothon_tcp_info(tcp, &info);
	assert_int_equal(info.state, COTHON_TCP_SYN_SENT);
	/* It counts from the time that was told, not from the last poll. */
	assert_int_equal(info.opened_at, then);
	old = script.flow.host_iss + 2;
	host_poll(&script.host);
	syn = script_take(&script);
	assert_int_equal(syn.flags, SYN);
	assert_true((int32_t)(script.flow.host_iss + syn.seq - old) >= 0);
	cothon_tcp_abort(tcp);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_at_once),
		cmocka_unit_test(test_accept_later),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_never_answered),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_who_is_asked),
		cmocka_unit_test(test_without_functions),
		cmocka_unit_test(test_stray),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_port_used_again),
		cmocka_unit_test(test_bound_answered),
		cmocka_unit_test(test_bound_never_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
