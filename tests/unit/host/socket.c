/* SPDX-License-Identifier: MIT */
#include "host/datagram.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The tests that need a network use the loopback device, in both families. */
static const char *const loopback[] = {"127.0.0.1", "::1"};

static struct cothon_endpoint endpoint(const char *addr, uint16_t port)
{
	struct cothon_endpoint made = {.port = port};

	assert_int_equal(cothon_addr_parse(addr, &made.addr), 0);
	return made;
}

static void assert_endpoint(struct cothon_endpoint a, struct cothon_endpoint b)
{
	char x[COTHON_ENDPOINT_TEXT], y[COTHON_ENDPOINT_TEXT];

	assert_string_equal(cothon_endpoint_format(&a, x), cothon_endpoint_format(&b, y));
}

/* Waits for events; a test that gets none in 5 seconds has failed. */
static void await(int fd, short events)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};

	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
}

/* Addresses */

static void endpoints_become_sockaddrs_and_back(void **state)
{
	const char *const addrs[] = {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "fe80::1"};

	(void)state;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		struct cothon_endpoint from = endpoint(addrs[i], (uint16_t)(i * 1000 + 1));
		struct host_sockaddr made = host_sockaddr_make(&from, 0);

		assert_int_equal(made.any.sa_family, i < 2 ? AF_INET : AF_INET6);
		assert_int_equal(made.len, i < 2 ? sizeof(made.in) : sizeof(made.in6));
		assert_endpoint(host_sockaddr_endpoint(&made), from);
	}
}

static void fields_are_in_network_order(void **state)
{
	struct cothon_endpoint from = endpoint("192.0.2.1", 0x1234);
	struct host_sockaddr made = host_sockaddr_make(&from, 7);

	(void)state;
	assert_int_equal(made.in.sin_port, htons(0x1234));
	assert_int_equal(made.in.sin_addr.s_addr, htonl(0xc0000201));
	from = endpoint("fe80::1", 53);
	made = host_sockaddr_make(&from, 7);
	assert_int_equal(made.in6.sin6_scope_id, 7);
}

static void a_mapped_peer_is_an_ipv4_endpoint(void **state)
{
	struct host_sockaddr mapped = {.len = sizeof(mapped.in6)};
	uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9};

	(void)state;
	mapped.in6.sin6_family = AF_INET6;
	mapped.in6.sin6_port = htons(80);
	memcpy(&mapped.in6.sin6_addr, bytes, 16);
	assert_endpoint(host_sockaddr_endpoint(&mapped), endpoint("192.0.2.9", 80));
}

static void another_family_is_nobody(void **state)
{
	struct host_sockaddr other = {.len = sizeof(other.any)};

	(void)state;
	other.any.sa_family = AF_UNIX;
	assert_endpoint(host_sockaddr_endpoint(&other), endpoint("::", 0));
}

/* TCP */

/* A connection over the loopback device: `near` and `far`. */
static void connect_pair(const char *addr, int *near, int *far)
{
	struct cothon_endpoint at = endpoint(addr, 0);
	struct host_sockaddr to = host_sockaddr_make(&at, 0);
	int listener = host_socket_open(to.any.sa_family, SOCK_STREAM, 0);

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, &to.any, to.len), 0);
	assert_int_equal(listen(listener, 1), 0);
	at = host_socket_local(listener);
	to = host_sockaddr_make(&at, 0);
	*near = host_socket_open(to.any.sa_family, SOCK_STREAM, 0);
	assert_true(connect(*near, &to.any, to.len) == 0 || errno == EINPROGRESS);
	await(*near, POLLOUT);
	assert_int_equal(host_socket_error(*near), 0);
	await(listener, POLLIN);
	to.len = sizeof(to.in6);
	*far = accept(listener, &to.any, &to.len);
	assert_true(*far >= 0);
	assert_endpoint(host_sockaddr_endpoint(&to), host_socket_local(*near));
	close(listener);
}

static void a_reset_is_a_reset(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		int near, far;
		char byte;

		connect_pair(loopback[i], &near, &far);
		host_socket_reset(near);
		await(far, POLLIN);
		assert_int_equal(recv(far, &byte, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, ECONNRESET);
		close(far);
	}
}

static void a_refused_connection_leaves_its_error(void **state)
{
	struct cothon_endpoint at = endpoint("127.0.0.1", 0);
	struct host_sockaddr to = host_sockaddr_make(&at, 0);
	int holder = host_socket_open(AF_INET, SOCK_STREAM, 0);
	int fd = host_socket_open(AF_INET, SOCK_STREAM, 0);

	(void)state;
	/* Bound and not listening: nobody else can listen there meanwhile. */
	assert_int_equal(bind(holder, &to.any, to.len), 0);
	at = host_socket_local(holder);
	to = host_sockaddr_make(&at, 0);
	if (connect(fd, &to.any, to.len) < 0 && errno == EINPROGRESS) {
		await(fd, POLLOUT);
		assert_int_equal(host_socket_error(fd), -ECONNREFUSED);
	} else {
		assert_int_equal(errno, ECONNREFUSED);
	}
	/* Taken once, it is gone. */
	assert_int_equal(host_socket_error(fd), 0);
	close(fd);
	close(holder);
}

static void errors_are_negative_errnos(void **state)
{
	(void)state;
	assert_int_equal(host_socket_open(AF_INET, 77, 0), -EINVAL);
	assert_int_equal(host_socket_set(-1, SOL_SOCKET, SO_KEEPALIVE, 1), -EBADF);
	assert_int_equal(host_socket_error(-1), -EBADF);
	assert_endpoint(host_socket_local(-1), endpoint("::", 0));
}

/* Datagrams */

struct mail {
	int fd;
	struct cothon_endpoint at;
};

static struct mail mail_open(const char *addr, bool tell_local)
{
	struct cothon_endpoint at = endpoint(addr, 0);
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	struct mail mail = {.fd = host_datagram_open(name.any.sa_family, tell_local)};

	assert_true(mail.fd >= 0);
	assert_int_equal(bind(mail.fd, &name.any, name.len), 0);
	mail.at = host_socket_local(mail.fd);
	return mail;
}

static struct host_datagram letter(const struct cothon_endpoint *to, uint8_t *data, size_t len)
{
	return (struct host_datagram){.peer = host_sockaddr_make(to, 0), .data = data, .len = len};
}

/* Receives one call's datagrams into `room` bytes each; returns how many. */
static int collect(int fd, struct host_datagram *datagrams, unsigned count, uint8_t *memory,
		   size_t room)
{
	await(fd, POLLIN);
	for (unsigned i = 0; i < count; i++) {
		datagrams[i].data = memory + i * room;
		datagrams[i].len = room;
	}
	return host_datagram_receive(fd, datagrams, count);
}

static void every_size_passes(void **state)
{
	const size_t sizes[] = {0, 1, 1472, 1473, 9000, 65507};
	uint8_t *data = malloc(HOST_DATAGRAM_MAX), *memory = malloc(HOST_DATAGRAM_MAX);

	(void)state;
	for (size_t i = 0; i < HOST_DATAGRAM_MAX; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (int family = 0; family < 2; family++) {
		struct mail sender = mail_open(loopback[family], false);
		struct mail receiver = mail_open(loopback[family], true);

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct host_datagram out = letter(&receiver.at, data, sizes[i]), in;

			assert_int_equal(host_datagram_send(sender.fd, &out, 1), 1);
			assert_int_equal(collect(receiver.fd, &in, 1, memory, HOST_DATAGRAM_MAX),
					 1);
			assert_int_equal(in.len, sizes[i]);
			assert_memory_equal(in.data, data, sizes[i]);
			assert_endpoint(host_sockaddr_endpoint(&in.peer), sender.at);
			assert_true(cothon_addr_equal(&in.local, &receiver.at.addr));
			assert_int_equal(in.gso_size, 0);
		}
		close(sender.fd);
		close(receiver.fd);
	}
	free(data);
	free(memory);
}

static void header_fields_are_told(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		int level = family ? SOL_IPV6 : SOL_IP;
		struct mail sender = mail_open(loopback[family], false);
		struct mail receiver = mail_open(loopback[family], false);
		struct host_datagram out = letter(&receiver.at, (uint8_t[]){1}, 1), in;
		uint8_t memory[16];

		host_socket_set(sender.fd, level, family ? IPV6_UNICAST_HOPS : IP_TTL, 9);
		host_socket_set(sender.fd, level, family ? IPV6_TCLASS : IP_TOS, 0xb9);
		assert_int_equal(host_datagram_send(sender.fd, &out, 1), 1);
		assert_int_equal(collect(receiver.fd, &in, 1, memory, sizeof(memory)), 1);
		assert_int_equal(in.hops, 9);
		assert_int_equal(in.traffic_class, 0xb9);
		assert_true(cothon_addr_is_any(&in.local));
		close(sender.fd);
		close(receiver.fd);
	}
}

/*
 * What was sent as one to be cut arrives whole or cut, as the kernel likes; the bytes and cuts are
 * the same.
 */
static void segments_arrive_as_datagrams(void **state)
{
	enum {
		SIZE = 1000,
		COUNT = 20,
		LAST = 123,
		TOTAL = SIZE * COUNT + LAST
	};
	uint8_t data[TOTAL], got[TOTAL], *memory = malloc(4 * HOST_DATAGRAM_MAX);

	(void)state;
	for (size_t i = 0; i < TOTAL; i++)
		data[i] = (uint8_t)(i * 13 + i / 256);
	for (int family = 0; family < 2; family++) {
		struct mail sender = mail_open(loopback[family], false);
		struct mail receiver = mail_open(loopback[family], false);
		struct host_datagram out = letter(&receiver.at, data, TOTAL), in[4];
		size_t total = 0, pieces = 0;

		out.gso_size = SIZE;
		assert_int_equal(host_datagram_send(sender.fd, &out, 1), 1);
		while (total < TOTAL) {
			int count = collect(receiver.fd, in, 4, memory, HOST_DATAGRAM_MAX);

			assert_true(count > 0);
			for (int i = 0; i < count; i++) {
				size_t size = in[i].gso_size ? in[i].gso_size : in[i].len;

				assert_true(size == SIZE || size == LAST);
				pieces += (in[i].len + size - 1) / size;
				memcpy(got + total, in[i].data, in[i].len);
				total += in[i].len;
			}
		}
		assert_int_equal(total, TOTAL);
		assert_int_equal(pieces, COUNT + 1);
		assert_memory_equal(got, data, TOTAL);
		close(sender.fd);
		close(receiver.fd);
	}
	free(memory);
}

static void many_go_in_one_call(void **state)
{
	struct mail sender = mail_open("127.0.0.1", false),
		    receiver = mail_open("127.0.0.1", false);
	struct host_datagram out[HOST_DATAGRAM_BATCH], in[HOST_DATAGRAM_BATCH];
	uint8_t data[HOST_DATAGRAM_BATCH], memory[HOST_DATAGRAM_BATCH * 8];
	int got = 0;

	(void)state;
	for (unsigned i = 0; i < HOST_DATAGRAM_BATCH; i++) {
		data[i] = (uint8_t)i;
		out[i] = letter(&receiver.at, &data[i], 1);
	}
	assert_int_equal(host_datagram_send(sender.fd, out, HOST_DATAGRAM_BATCH),
			 HOST_DATAGRAM_BATCH);
	got = collect(receiver.fd, in, HOST_DATAGRAM_BATCH, memory, 8);
	assert_int_equal(got, HOST_DATAGRAM_BATCH);
	for (int i = 0; i < got; i++)
		assert_int_equal(in[i].data[0], i);
	assert_int_equal(host_datagram_receive(receiver.fd, in, 1), -EAGAIN);
	close(sender.fd);
	close(receiver.fd);
}

static void the_source_can_be_chosen(void **state)
{
	struct cothon_endpoint any = endpoint("0.0.0.0", 0);
	struct host_sockaddr name = host_sockaddr_make(&any, 0);
	struct mail receiver = mail_open("127.0.0.1", false);
	struct host_datagram out = letter(&receiver.at, (uint8_t[]){1}, 1), in;
	struct cothon_endpoint other = endpoint("127.0.0.77", 0);
	int fd = host_datagram_open(AF_INET, true);
	uint8_t memory[8];

	(void)state;
	assert_int_equal(bind(fd, &name.any, name.len), 0);
	out.local = other.addr;
	assert_int_equal(host_datagram_send(fd, &out, 1), 1);
	assert_int_equal(collect(receiver.fd, &in, 1, memory, sizeof(memory)), 1);
	other.port = host_socket_local(fd).port;
	assert_endpoint(host_sockaddr_endpoint(&in.peer), other);
	close(fd);
	close(receiver.fd);
}

/* The error queue */

static void a_closed_port_answers_in_the_error_queue(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct mail sender = mail_open(loopback[family], false);
		struct mail closed = mail_open(loopback[family], false);
		uint8_t data[] = "what was lost";
		struct host_datagram out = letter(&closed.at, data, sizeof(data));
		struct host_socket_error error;

		close(closed.fd);
		assert_int_equal(host_datagram_send(sender.fd, &out, 1), 1);
		await(sender.fd, POLLERR);
		assert_int_equal(host_socket_take_error(sender.fd, &error), 0);
		assert_int_equal(error.origin, family ? HOST_ERROR_ICMPV6 : HOST_ERROR_ICMP);
		assert_int_equal(error.error, -ECONNREFUSED);
		assert_int_equal(error.type, family ? 1 : 3);
		assert_int_equal(error.code, family ? 4 : 3);
		assert_true(cothon_addr_equal(&error.offender, &closed.at.addr));
		assert_endpoint(error.destination, closed.at);
		assert_int_equal(error.len, sizeof(data));
		assert_memory_equal(error.payload, data, sizeof(data));
		assert_int_equal(host_socket_take_error(sender.fd, &error), -EAGAIN);
		close(sender.fd);
	}
}

/* What the kernel itself will not send says so at once, and how large it may be. */
static void a_datagram_too_big_leaves_the_mtu(void **state)
{
	struct mail sender = mail_open("127.0.0.1", false),
		    receiver = mail_open("127.0.0.1", false);
	struct host_sockaddr to = host_sockaddr_make(&receiver.at, 0);
	uint8_t *data = calloc(1, HOST_DATAGRAM_MAX);
	struct host_datagram out = letter(&receiver.at, data, 65508);
	struct host_socket_error error;
	socklen_t len = sizeof(int);
	int mtu = 0;

	(void)state;
	host_socket_set(sender.fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	assert_int_equal(host_datagram_send(sender.fd, &out, 1), -EMSGSIZE);
	assert_int_equal(host_socket_take_error(sender.fd, &error), 0);
	assert_int_equal(error.origin, HOST_ERROR_LOCAL);
	assert_int_equal(error.error, -EMSGSIZE);
	assert_true(cothon_addr_equal(&error.destination.addr, &receiver.at.addr));
	/* A connected socket knows it too. */
	assert_int_equal(connect(sender.fd, &to.any, to.len), 0);
	assert_int_equal(getsockopt(sender.fd, SOL_IP, IP_MTU, &mtu, &len), 0);
	assert_int_equal(error.info, mtu);
	close(sender.fd);
	close(receiver.fd);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_become_sockaddrs_and_back),
		cmocka_unit_test(fields_are_in_network_order),
		cmocka_unit_test(a_mapped_peer_is_an_ipv4_endpoint),
		cmocka_unit_test(another_family_is_nobody),
		cmocka_unit_test(a_reset_is_a_reset),
		cmocka_unit_test(a_refused_connection_leaves_its_error),
		cmocka_unit_test(errors_are_negative_errnos),
		cmocka_unit_test(every_size_passes),
		cmocka_unit_test(header_fields_are_told),
		cmocka_unit_test(segments_arrive_as_datagrams),
		cmocka_unit_test(many_go_in_one_call),
		cmocka_unit_test(the_source_can_be_chosen),
		cmocka_unit_test(a_closed_port_answers_in_the_error_queue),
		cmocka_unit_test(a_datagram_too_big_leaves_the_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
