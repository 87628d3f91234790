/* SPDX-License-Identifier: MIT */

/* What a relay shows of its flows. */

#include "house.h"

#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	FLOWS_MAX = 8
};

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

static struct flows look(struct house *house)
{
	struct flows flows = {0};
	struct relay_walk walk;
	struct relay_flow flow;

	relay_walk_begin(house->relay, &walk);
	while (relay_walk_next(&walk, &flow))
		take(&flow, &flows);
	relay_walk_end(&walk);
	relay_mappings(house->relay, take, &flows);
	return flows;
}

static void test_none(void **state)
{
	struct house house;

	(void)state;
	house_open(&house, &house_plain);
	assert_int_equal(look(&house).count, 0);
	house_close(&house);
}

static void test_outward(void **state)
{
	static const uint8_t hello[] = "hello";
	uint8_t buffer[64];
	struct joined joined;
	struct cothon_endpoint inside, gateway;
	const struct relay_flow *flow;
	struct flows flows;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		join(&joined, &house_plain, ipv6);
		client_send(&joined.client, hello, sizeof(hello), false);
		assert_int_equal(house_read(&joined.house, joined.server, buffer, sizeof(hello)),
				 sizeof(hello));
		flows = look(&joined.house);
		assert_int_equal(flows.count, 1);
		flow = &flows.list[0];
		assert_int_equal(flow->transport, COTHON_TCP);
		assert_false(flow->published);
		assert_int_equal(flow->state, COTHON_TCP_ESTABLISHED);
		inside = cothon_flow_local(cothon_tcp_flow(joined.client.tcp));
		gateway = cothon_flow_remote(cothon_tcp_flow(joined.client.tcp));
		assert_endpoints_equal(flow->inside, inside);
		assert_endpoints_equal(flow->remote, gateway);
		assert_int_equal(flow->bytes_out, sizeof(hello));
		assert_int_equal(flow->bytes_in, 0);
		assert_string_equal(flow->name, "");
		assert_true(flow->opened_at > 0 && flow->opened_at <= host_now());
		part(&joined);
	}
}

/* What is told of all at once has the same figures, but for what others would have to be asked for. */
static void test_brief(void **state)
{
	static const uint8_t hello[] = "hello";
	uint8_t buffer[64];
	struct joined joined;
	struct relay_walk walk;
	struct relay_flow walked;
	struct flows flows = {0};

	(void)state;
	join(&joined, &house_plain, false);
	client_send(&joined.client, hello, sizeof(hello), false);
	assert_int_equal(house_read(&joined.house, joined.server, buffer, sizeof(hello)),
			 sizeof(hello));
	relay_flows_brief(joined.house.relay, take, &flows);
	assert_int_equal(flows.count, 1);
	relay_walk_begin(joined.house.relay, &walk);
	assert_true(relay_walk_next(&walk, &walked));
	assert_endpoints_equal(flows.list[0].inside, walked.inside);
	assert_endpoints_equal(flows.list[0].remote, walked.remote);
	assert_int_equal(flows.list[0].state, COTHON_TCP_ESTABLISHED);
	assert_int_equal(flows.list[0].bytes_out, sizeof(hello));
	/* The way outside, which only the host's kernel knows. */
	assert_true(walked.srtt > flows.list[0].srtt);
	assert_false(relay_walk_next(&walk, &walked));
	relay_walk_end(&walk);
	part(&joined);
}

static void be_told(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	(void)udp;
	(void)owner;
	(void)datagram;
}

static void test_udp(void **state)
{
	static const uint8_t hello[] = "hello";
	int server = house_bind_udp(false, 0);
	struct cothon_endpoint local, to;
	const struct relay_flow *flow;
	struct cothon_udp *udp;
	struct flows flows;
	struct house house;
	uint8_t buffer[64];

	(void)state;
	house_open(&house, &house_plain);
	local = house_sandbox(&house, false, 4000);
	to = house_gateway(&house, false, house_port(server));
	assert_int_equal(cothon_udp_bind(house.sandbox, &local, be_told, NULL, &udp), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(cothon_udp_send(udp, NULL, &to, hello, sizeof(hello)) == 0);
		assert_int_equal(house_read_some(&house, server, buffer, sizeof(buffer)),
				 sizeof(hello));
	}
	flows = look(&house);
	assert_int_equal(flows.count, 1);
	flow = &flows.list[0];
	assert_int_equal(flow->transport, COTHON_UDP);
	assert_endpoints_equal(flow->inside, local);
	assert_true(cothon_addr_is_any(&flow->remote.addr));
	assert_int_equal(flow->bytes_out, 2 * sizeof(hello));
	assert_int_equal(flow->bytes_in, 0);
	assert_true(flow->used_at >= flow->opened_at);
	cothon_udp_close(udp);
	house_close(&house);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_outward),
		cmocka_unit_test(test_brief),
		cmocka_unit_test(test_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
