/* SPDX-License-Identifier: MIT */
#include "host/sockdiag.h"

#include "fresh.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* --- messages --- */

union message {
	struct nlmsghdr header;
	char room[1024];
};

/* An established flow of 10.0.2.100:80 with 192.0.2.1:1000. */
static struct inet_diag_msg *begin(union message *message)
{
	struct inet_diag_msg *diag;

	memset(message, 0, sizeof(*message));
	mnl_nlmsg_put_header(message);
	message->header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	diag = mnl_nlmsg_put_extra_header(&message->header, sizeof(*diag));
	diag->idiag_family = AF_INET;
	diag->idiag_state = 1;
	diag->id.idiag_sport = htons(80);
	diag->id.idiag_dport = htons(1000);
	diag->id.idiag_src[0] = inet_addr("10.0.2.100");
	diag->id.idiag_dst[0] = inet_addr("192.0.2.1");
	diag->idiag_inode = 4711;
	diag->idiag_uid = 33;
	return diag;
}

static void test_flow(void **state)
{
	const struct tcp_info info = {
		.tcpi_bytes_sent = 1500,
		.tcpi_bytes_retrans = 500,
		.tcpi_bytes_received = 70,
		.tcpi_total_retrans = 3,
		.tcpi_rtt = 250,
	};
	struct host_inet_socket socket;
	char local[COTHON_ENDPOINT_TEXT], remote[COTHON_ENDPOINT_TEXT];
	union message message;

	(void)state;
	begin(&message);
	mnl_attr_put(&message.header, INET_DIAG_INFO, sizeof(info), &info);
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), 0);
	assert_int_equal(socket.transport, COTHON_TCP);
	assert_int_equal(socket.state, COTHON_TCP_ESTABLISHED);
	assert_string_equal(cothon_endpoint_format(&socket.local, local), "10.0.2.100:80");
	assert_string_equal(cothon_endpoint_format(&socket.remote, remote), "192.0.2.1:1000");
	assert_int_equal(socket.inode, 4711);
	assert_int_equal(socket.uid, 33);
	assert_int_equal(socket.bytes_out, 1000);
	assert_int_equal(socket.bytes_in, 70);
	assert_int_equal(socket.retransmits, 3);
	assert_int_equal(socket.srtt, 250);

	/* The peer's FIN, which the kernel counts. */
	((struct inet_diag_msg *)mnl_nlmsg_get_payload(&message.header))->idiag_state = 8;
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), 0);
	assert_int_equal(socket.state, COTHON_TCP_CLOSE_WAIT);
	assert_int_equal(socket.bytes_in, 69);
}

static void test_old_kernel(void **state)
{
	struct tcp_info info = {.tcpi_rtt = 250, .tcpi_bytes_sent = 9};
	struct host_inet_socket socket;
	union message message;

	(void)state;
	begin(&message);
	mnl_attr_put(&message.header, INET_DIAG_INFO, offsetof(struct tcp_info, tcpi_rttvar),
		     &info);
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), 0);
	assert_int_equal(socket.srtt, 250);
	assert_int_equal(socket.bytes_out, 0);
}

static void test_listener(void **state)
{
	struct host_inet_socket socket;
	struct inet_diag_msg *diag;
	union message message;

	(void)state;
	diag = begin(&message);
	diag->idiag_family = AF_INET6;
	diag->idiag_state = 10;
	memset(&diag->id.idiag_src, 0, sizeof(diag->id.idiag_src));
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), 0);
	assert_int_equal(socket.state, COTHON_TCP_LISTEN);
	assert_int_equal(socket.family, AF_INET6);
	assert_true(cothon_addr_is_any(&socket.local.addr));
	assert_false(cothon_addr_is_ipv4(&socket.local.addr));
	assert_false(socket.v6only);
	mnl_attr_put_u8(&message.header, INET_DIAG_SKV6ONLY, 1);
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), 0);
	assert_true(socket.v6only);
}

static void test_refused(void **state)
{
	struct host_inet_socket socket;
	struct inet_diag_msg *diag;
	union message message;

	(void)state;
	/* Every length at which it is cut. */
	for (uint32_t len = NLMSG_HDRLEN; len < NLMSG_HDRLEN + sizeof(*diag); len++) {
		begin(&message);
		message.header.nlmsg_len = len;
		assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket),
				 -EBADMSG);
	}
	begin(&message);
	message.header.nlmsg_type = NLMSG_DONE;
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), -EBADMSG);
	diag = begin(&message);
	diag->idiag_family = AF_UNIX;
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), -EBADMSG);
	diag = begin(&message);
	diag->idiag_state = 13;
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), -EBADMSG);
	diag->idiag_state = 255;
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), -EBADMSG);
}

/* An attribute that claims to be longer than the message is not read. */
static void test_lying_attribute(void **state)
{
	struct host_inet_socket socket;
	union message message;
	struct nlattr *attr;

	(void)state;
	begin(&message);
	attr = mnl_nlmsg_get_payload_tail(&message.header);
	mnl_attr_put_u8(&message.header, INET_DIAG_SKV6ONLY, 1);
	attr->nla_len = 900;
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), 0);
	assert_false(socket.v6only);
	/* One of no bytes at all has no value. */
	attr->nla_len = sizeof(*attr);
	assert_int_equal(host_sockdiag_parse(&message.header, COTHON_TCP, &socket), 0);
	assert_false(socket.v6only);
}

/* --- the kernel's own answers, in a network namespace without other sockets --- */

struct seen {
	unsigned count;
	struct host_inet_socket last;
};

static int see(const struct host_inet_socket *socket, void *context)
{
	struct seen *seen = context;

	seen->count++;
	seen->last = *socket;
	return 0;
}

static int stop(const struct host_inet_socket *socket, void *context)
{
	(void)socket;
	(void)context;
	return -EFBIG;
}

static int list_own(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(4000)};
	struct seen seen = {0};
	int tcp = socket(AF_INET6, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct stat status;

	CHECK(host_sockdiag_list(COTHON_TCP, AF_INET, see, &seen) == 0 && seen.count == 0);
	CHECK(bind(tcp, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(tcp, 1) == 0);
	CHECK(fstat(tcp, &status) == 0);
	CHECK(host_sockdiag_list(COTHON_TCP, AF_INET, see, &seen) == 0 && seen.count == 0);
	CHECK(host_sockdiag_list(COTHON_TCP, AF_INET6, see, &seen) == 0 && seen.count == 1);
	CHECK(seen.last.state == COTHON_TCP_LISTEN && seen.last.local.port == 4000);
	CHECK(seen.last.inode == status.st_ino && !seen.last.v6only);
	CHECK(host_sockdiag_list(COTHON_TCP, AF_INET6, stop, NULL) == -EFBIG);
	CHECK(bind(udp,
		   (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
							    .sin_port = htons(53)},
		   sizeof(struct sockaddr_in)) == 0);
	CHECK(host_sockdiag_list(COTHON_UDP, AF_INET, see, &seen) == 0 && seen.count == 2);
	CHECK(seen.last.transport == COTHON_UDP && seen.last.state == COTHON_TCP_CLOSED);
	CHECK(seen.last.local.port == 53);
	return 0;
}

static void test_list(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNET, list_own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_old_kernel),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lying_attribute),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
