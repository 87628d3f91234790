/* SPDX-License-Identifier: MIT */
#include "control/sockets.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct cothon_endpoint endpoint(const char *addr, uint16_t port)
{
	struct cothon_endpoint made = {.port = port};

	assert_int_equal(cothon_addr_parse(addr, &made.addr), 0);
	return made;
}

enum {
	ANY4,      /* listens at 0.0.0.0:80 */
	DUAL,      /* listens at [::]:443, for both families */
	ONLY6,     /* listens at [::]:25, for IPv6 */
	EXACT,     /* listens at 127.0.0.1:443 */
	FLOW,      /* 127.0.0.1:443 with 127.0.0.1:50000 */
	DUAL_FLOW, /* an IPv6 socket's flow in IPv4: 10.0.2.100:443 with 192.0.2.1:50000 */
	UDP,       /* bound to 0.0.0.0:80 */
	CONNECTED, /* UDP, 10.0.2.100:50001 with 192.0.2.1:53 */
	COUNT,
};

struct scene {
	struct sandbox_socket all[COUNT];
	struct sandbox_inspection inspection;
	struct control_sockets sockets;
};

static struct sandbox_socket make(uint8_t transport, uint8_t state, bool ipv6, const char *local,
				  uint16_t port)
{
	return (struct sandbox_socket){.transport = transport,
				       .state = state,
				       .ipv6 = ipv6,
				       .local = endpoint(local, port)};
}

static int open_scene(void **state)
{
	static struct scene scene;
	struct sandbox_socket *all = scene.all;

	all[ANY4] = make(COTHON_TCP, COTHON_TCP_LISTEN, false, "0.0.0.0", 80);
	all[DUAL] = make(COTHON_TCP, COTHON_TCP_LISTEN, true, "::", 443);
	all[ONLY6] = make(COTHON_TCP, COTHON_TCP_LISTEN, true, "::", 25);
	all[ONLY6].v6only = true;
	all[EXACT] = make(COTHON_TCP, COTHON_TCP_LISTEN, false, "127.0.0.1", 443);
	all[FLOW] = make(COTHON_TCP, COTHON_TCP_ESTABLISHED, false, "127.0.0.1", 443);
	all[FLOW].remote = endpoint("127.0.0.1", 50000);
	all[DUAL_FLOW] = make(COTHON_TCP, COTHON_TCP_ESTABLISHED, true, "10.0.2.100", 443);
	all[DUAL_FLOW].remote = endpoint("192.0.2.1", 50000);
	all[UDP] = make(COTHON_UDP, COTHON_TCP_CLOSED, false, "0.0.0.0", 80);
	all[CONNECTED] = make(COTHON_UDP, COTHON_TCP_ESTABLISHED, false, "10.0.2.100", 50001);
	all[CONNECTED].remote = endpoint("192.0.2.1", 53);
	scene.inspection = (struct sandbox_inspection){.sockets = all, .socket_count = COUNT};
	*state = &scene;
	return control_sockets_init(&scene.sockets, &scene.inspection);
}

static int close_scene(void **state)
{
	struct scene *scene = *state;

	control_sockets_free(&scene->sockets);
	return 0;
}

/* The place of the socket that is found, -1: none. */
static int binding(const struct scene *scene, enum cothon_transport transport, const char *addr,
		   uint16_t port)
{
	struct cothon_endpoint local = endpoint(addr, port);
	const struct sandbox_socket *found =
		control_sockets_binding(&scene->sockets, transport, &local);

	return found ? (int)(found - scene->all) : -1;
}

static int flow(const struct scene *scene, const char *local, uint16_t port, const char *remote,
		uint16_t remote_port)
{
	struct cothon_endpoint here = endpoint(local, port), there = endpoint(remote, remote_port);
	const struct sandbox_socket *found =
		control_sockets_flow(&scene->sockets, COTHON_TCP, &here, &there);

	return found ? (int)(found - scene->all) : -1;
}

static void test_bindings(void **state)
{
	const struct scene *scene = *state;

	assert_int_equal(binding(scene, COTHON_TCP, "10.0.2.100", 80), ANY4);
	assert_int_equal(binding(scene, COTHON_TCP, "fd00:c070::100", 80), -1);
	assert_int_equal(binding(scene, COTHON_UDP, "10.0.2.100", 80), UDP);
	assert_int_equal(binding(scene, COTHON_TCP, "10.0.2.100", 81), -1);
	/* Both families, unless it is for IPv6 alone. */
	assert_int_equal(binding(scene, COTHON_TCP, "10.0.2.100", 443), DUAL);
	assert_int_equal(binding(scene, COTHON_TCP, "fd00:c070::100", 443), DUAL);
	assert_int_equal(binding(scene, COTHON_TCP, "10.0.2.100", 25), -1);
	assert_int_equal(binding(scene, COTHON_TCP, "fd00:c070::100", 25), ONLY6);
	/* The one that has the address for itself. */
	assert_int_equal(binding(scene, COTHON_TCP, "127.0.0.1", 443), EXACT);
	/* A connected socket is no binding. */
	assert_int_equal(binding(scene, COTHON_UDP, "10.0.2.100", 50001), -1);
}

static void test_flows(void **state)
{
	const struct scene *scene = *state;
	struct cothon_endpoint local = endpoint("10.0.2.100", 50001);

	assert_int_equal(flow(scene, "127.0.0.1", 443, "127.0.0.1", 50000), FLOW);
	assert_int_equal(flow(scene, "10.0.2.100", 443, "192.0.2.1", 50000), DUAL_FLOW);
	assert_int_equal(flow(scene, "10.0.2.100", 443, "192.0.2.1", 50001), -1);
	assert_int_equal(flow(scene, "10.0.2.101", 443, "192.0.2.1", 50000), -1);
	assert_ptr_equal(control_sockets_connected(&scene->sockets, &local),
			 &scene->all[CONNECTED]);
	local.port = 80;
	assert_null(control_sockets_connected(&scene->sockets, &local));
}

static void test_none(void **state)
{
	const struct sandbox_inspection none = {0};
	struct cothon_endpoint local = endpoint("10.0.2.100", 80);
	struct control_sockets sockets;

	(void)state;
	assert_int_equal(control_sockets_init(&sockets, &none), 0);
	assert_null(control_sockets_binding(&sockets, COTHON_TCP, &local));
	assert_null(control_sockets_flow(&sockets, COTHON_TCP, &local, &local));
	control_sockets_free(&sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bindings, open_scene, close_scene),
		cmocka_unit_test_setup_teardown(test_flows, open_scene, close_scene),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
