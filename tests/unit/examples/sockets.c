/* SPDX-License-Identifier: MIT */

/* The sockets of a host, and the examples on them, over the simulated wire and by hand. */

#include "../../../examples/echo.h"
#include "../../../examples/get.h"
#include "../../../examples/http.h"
#include "../../../examples/wire_hosts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	PORT = 7,
	MANY = 1000,
	TURNS_MAX = 2000000,
};

struct stage {
	struct wire_hosts wire;
	struct echo *echo;
	struct cothon_host *server, *client;
	struct cothon_endpoint to; /* the echo server */
};

static void set_stage(struct stage *stage, bool ipv6)
{
	memset(stage, 0, sizeof(*stage));
	assert_int_equal(wire_hosts_create(&stage->wire, ipv6, 1), 0);
	stage->server = stage->wire.hosts[WIRE_SERVER];
	stage->client = stage->wire.hosts[WIRE_CLIENT];
	stage->to = (struct cothon_endpoint){stage->wire.addrs[WIRE_SERVER], PORT};
	assert_int_equal(echo_create(stage->server, PORT, &stage->echo), 0);
}

static void clear_stage(struct stage *stage)
{
	echo_destroy(stage->echo);
	wire_hosts_destroy(&stage->wire);
}

static void turn(struct stage *stage)
{
	wire_hosts_turn(&stage->wire);
	echo_turn(stage->echo);
}

static struct cothon_socket *connected(struct stage *stage, enum cothon_transport transport)
{
	struct cothon_socket *socket;
	int usual = transport == COTHON_TCP ? -EINPROGRESS : 0;

	assert_int_equal(cothon_socket_open(stage->client, transport, &socket), 0);
	assert_int_equal(cothon_socket_connect(socket, &stage->to), usual);
	return socket;
}

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

/* Ten megabytes there and back, more than any queue holds, both ways at once. */
static void test_echo(void **state)
{
	enum {
		TOTAL = 10 << 20,
		PIECE = 5000
	};
	struct stage stage;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint8_t piece[PIECE];
		size_t sent = 0, got = 0;
		struct cothon_socket *socket;
		ptrdiff_t done = -EAGAIN;

		set_stage(&stage, ipv6);
		socket = connected(&stage, COTHON_TCP);
		for (unsigned turns = 0; done != 0 && turns < TURNS_MAX; turns++) {
			size_t want = TOTAL - sent < PIECE ? TOTAL - sent : PIECE;

			turn(&stage);
			for (size_t i = 0; i < want; i++)
				piece[i] = byte_at(sent + i);
			done = want ? cothon_socket_send(socket, piece, want, NULL) : 0;
			assert_true(done >= 0 || done == -EAGAIN);
			sent += done > 0 ? (size_t)done : 0;
			if (want && sent == TOTAL)
				assert_int_equal(cothon_socket_shutdown(socket), 0);
			done = cothon_socket_recv(socket, piece, PIECE, NULL);
			assert_true(done >= 0 || done == -EAGAIN);
			for (ptrdiff_t i = 0; i < done; i++)
				assert_int_equal(piece[i], byte_at(got++));
		}
		assert_int_equal(sent, TOTAL);
		assert_int_equal(got, TOTAL);
		assert_int_equal(echo_connections(stage.echo), 0);
		cothon_socket_close(socket);
		clear_stage(&stage);
	}
}

static void test_echo_many(void **state)
{
	static struct cothon_socket *sockets[MANY];
	struct stage stage;
	unsigned answered = 0;

	(void)state;
	set_stage(&stage, false);
	for (unsigned i = 0; i < MANY; i++) {
		/* As many as the backlog allows at once; the others come when these are accepted. */
		sockets[i] = connected(&stage, COTHON_TCP);
		turn(&stage);
		turn(&stage);
		turn(&stage);
	}
	for (unsigned i = 0; i < MANY; i++) {
		while (!(cothon_socket_ready(sockets[i]) & COTHON_SOCKET_WRITABLE))
			turn(&stage);
		assert_int_equal(cothon_socket_send(sockets[i], &i, sizeof(i), NULL), sizeof(i));
	}
	assert_int_equal(echo_connections(stage.echo), MANY);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned got;

		while (!(cothon_socket_ready(sockets[i]) & COTHON_SOCKET_READABLE))
			turn(&stage);
		assert_int_equal(cothon_socket_recv(sockets[i], &got, sizeof(got), NULL),
				 sizeof(got));
		assert_int_equal(got, i);
		answered++;
		cothon_socket_close(sockets[i]);
	}
	assert_int_equal(answered, MANY);
	while (echo_connections(stage.echo) > 0)
		turn(&stage);
	clear_stage(&stage);
}

static void test_datagrams(void **state)
{
	static const size_t lens[] = {0, 1, 1400, 1500, 9000, 65507};
	static uint8_t out[65507], in[65536];
	struct stage stage;

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = byte_at(i);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_socket *socket;

		set_stage(&stage, ipv6);
		socket = connected(&stage, COTHON_UDP);
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			struct cothon_endpoint from;

			assert_int_equal(cothon_socket_recv(socket, in, sizeof(in), NULL), -EAGAIN);
			assert_int_equal(cothon_socket_send(socket, out, lens[i], NULL), lens[i]);
			while (!(cothon_socket_ready(socket) & COTHON_SOCKET_READABLE))
				turn(&stage);
			assert_int_equal(cothon_socket_recv(socket, in, sizeof(in), &from),
					 lens[i]);
			assert_memory_equal(in, out, lens[i]);
			assert_int_equal(from.port, PORT);
			assert_true(cothon_addr_equal(&from.addr, &stage.to.addr));
		}
		/* What does not fit is lost, its length is told. */
		cothon_socket_send(socket, out, 100, NULL);
		while (!cothon_socket_ready(socket) ||
		       cothon_socket_recv(socket, in, 10, NULL) != 100)
			turn(&stage);
		cothon_socket_close(socket);
		clear_stage(&stage);
	}
}

/* A connected UDP socket hears its peer only. */
static void test_datagram_peer(void **state)
{
	struct cothon_socket *socket, *stranger;
	struct cothon_endpoint mine;
	struct stage stage;
	uint8_t byte;

	(void)state;
	set_stage(&stage, false);
	socket = connected(&stage, COTHON_UDP);
	mine = cothon_socket_local(socket);
	mine.addr = stage.wire.addrs[WIRE_CLIENT];
	assert_int_equal(cothon_socket_open(stage.server, COTHON_UDP, &stranger), 0);
	assert_int_equal(cothon_socket_send(stranger, "x", 1, &mine), 1);
	while (wire_hosts_turn(&stage.wire))
		continue;
	assert_int_equal(cothon_socket_recv(socket, &byte, 1, NULL), -EAGAIN);
	assert_int_equal(cothon_socket_dropped(socket), 0);
	/* What waits is bounded. */
	for (unsigned i = 0; i < 10000; i++) {
		cothon_socket_send(socket, "y", 1, NULL);
		turn(&stage);
	}
	while (wire_hosts_turn(&stage.wire))
		echo_turn(stage.echo);
	assert_true(cothon_socket_dropped(socket) > 0);
	assert_int_equal(cothon_socket_recv(socket, &byte, 1, NULL), 1);
	cothon_socket_close(socket);
	cothon_socket_close(stranger);
	clear_stage(&stage);
}

static void settle(struct stage *stage)
{
	while (wire_hosts_turn(&stage->wire))
		echo_turn(stage->echo);
}

/* That nobody holds the peer's port is told to a connected socket, once, by its next call. */
static void test_datagram_refused(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_socket *socket, *open;
		struct cothon_endpoint closed;
		struct stage stage;
		uint8_t byte;

		set_stage(&stage, ipv6);
		closed = stage.to;
		closed.port++;
		socket = connected(&stage, COTHON_UDP);
		assert_int_equal(cothon_socket_connect(socket, &closed), 0);
		assert_int_equal(cothon_socket_send(socket, "x", 1, NULL), 1);
		assert_int_equal(cothon_socket_ready(socket), COTHON_SOCKET_WRITABLE);
		settle(&stage);
		assert_int_equal(cothon_socket_ready(socket),
				 COTHON_SOCKET_WRITABLE | COTHON_SOCKET_READABLE);
		assert_int_equal(cothon_socket_error(socket), -ECONNREFUSED);
		assert_int_equal(cothon_socket_recv(socket, &byte, 1, NULL), -ECONNREFUSED);
		assert_int_equal(cothon_socket_error(socket), 0);
		assert_int_equal(cothon_socket_recv(socket, &byte, 1, NULL), -EAGAIN);
		assert_int_equal(cothon_socket_send(socket, "x", 1, NULL), 1);
		settle(&stage);
		assert_int_equal(cothon_socket_send(socket, "x", 1, NULL), -ECONNREFUSED);
		assert_int_equal(cothon_socket_recv(socket, &byte, 1, NULL), -EAGAIN);

		/* Of what a socket sends to others, and of what one without a peer sends, it is not told. */
		assert_int_equal(cothon_socket_connect(socket, &stage.to), 0);
		assert_int_equal(cothon_socket_send(socket, "x", 1, &closed), 1);
		assert_int_equal(cothon_socket_open(stage.client, COTHON_UDP, &open), 0);
		assert_int_equal(cothon_socket_send(open, "x", 1, &closed), 1);
		settle(&stage);
		assert_int_equal(cothon_socket_error(socket), 0);
		assert_int_equal(cothon_socket_recv(open, &byte, 1, NULL), -EAGAIN);

		/* It goes on as before. */
		assert_int_equal(cothon_socket_send(socket, "z", 1, NULL), 1);
		while (!(cothon_socket_ready(socket) & COTHON_SOCKET_READABLE))
			turn(&stage);
		assert_int_equal(cothon_socket_recv(socket, &byte, 1, NULL), 1);
		assert_int_equal(byte, 'z');
		cothon_socket_close(socket);
		cothon_socket_close(open);
		clear_stage(&stage);
	}
}

/* --- the HTTP client --- */

struct content {
	size_t len;
	bool wrong;
	const struct document *document;
};

static void take_content(void *context, const void *data, size_t len)
{
	struct content *content = context;

	if (!document_matches(content->document, content->len, data, len))
		content->wrong = true;
	content->len += len;
}

static int get(struct stage *stage, const char *name, uint16_t port, struct content *content)
{
	struct get_request request = {
		.server = {stage->to.addr, port},
		.name = name,
		.content = take_content,
		.context = content,
	};
	struct get *get;
	int status;

	assert_int_equal(get_begin(stage->client, &request, &get), 0);
	do {
		turn(stage);
		status = get_turn(get);
	} while (status == -EAGAIN);
	get_end(get);
	return status;
}

static void test_get(void **state)
{
	static const struct document list[] = {
		{"empty", 0, 1}, {"small", 5, 2}, {"large", 5 << 20, 3}};
	static const struct documents documents = {list, 3};
	struct http_server_config config = {.documents = &documents};
	struct http_server *server;
	struct stage stage;

	(void)state;
	set_stage(&stage, true);
	config.stack = cothon_host_stack(stage.server);
	config.local = (struct cothon_endpoint){stage.to.addr, 80};
	assert_int_equal(http_server_create(&config, &server), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct content content = {.document = &list[i]};

		assert_int_equal(get(&stage, list[i].name, 80, &content), 200);
		assert_int_equal(content.len, list[i].size);
		assert_false(content.wrong);
	}
	assert_int_equal(get(&stage, "none", 80, &(struct content){.document = &list[0]}), 404);
	assert_int_equal(get(&stage, "none", 81, &(struct content){.document = &list[0]}),
			 -ECONNREFUSED);
	http_server_destroy(server);
	clear_stage(&stage);
}

/* What answers is an echo server: no HTTP. */
static void test_get_no_http(void **state)
{
	struct content content = {0};
	struct stage stage;

	(void)state;
	set_stage(&stage, false);
	assert_int_equal(get(&stage, "x", PORT, &content), -EBADMSG);
	assert_int_equal(content.len, 0);
	clear_stage(&stage);
}

/* --- the calls --- */

static void test_call_errors(void **state)
{
	struct cothon_endpoint elsewhere = {.port = 1}, any = {.port = 9}, ipv6 = {.port = 1}, own;
	struct cothon_socket *tcp, *udp, *other;
	struct stage stage;
	uint8_t byte = 0;

	(void)state;
	set_stage(&stage, false);
	assert_int_equal(cothon_addr_parse("192.0.2.9", &elsewhere.addr), 0);
	assert_int_equal(cothon_addr_parse("2001:db8::9", &ipv6.addr), 0);
	own = (struct cothon_endpoint){stage.wire.addrs[WIRE_CLIENT], 0};
	assert_int_equal(cothon_socket_open(stage.client, COTHON_SCTP, &tcp), -EPROTONOSUPPORT);
	assert_int_equal(cothon_socket_open(stage.client, COTHON_TCP, &tcp), 0);
	assert_int_equal(cothon_socket_open(stage.client, COTHON_UDP, &udp), 0);
	assert_int_equal(cothon_socket_open(stage.client, COTHON_UDP, &other), 0);
	assert_int_equal(cothon_socket_send(tcp, &byte, 1, NULL), -ENOTCONN);
	assert_int_equal(cothon_socket_recv(tcp, &byte, 1, NULL), -ENOTCONN);
	assert_int_equal(cothon_socket_shutdown(tcp), -ENOTCONN);
	assert_int_equal(cothon_socket_accept(tcp, &other), -EINVAL);
	assert_int_equal(cothon_socket_ready(tcp), 0);
	assert_null(cothon_socket_tcp(tcp));
	assert_int_equal(cothon_socket_bind(tcp, &elsewhere), -EADDRNOTAVAIL);
	assert_int_equal(cothon_socket_bind(tcp, &any), 0);
	assert_int_equal(cothon_socket_bind(tcp, &any), -EINVAL);
	assert_int_equal(cothon_socket_local(tcp).port, 9);
	assert_int_equal(cothon_socket_listen(tcp, 1), 0);
	assert_int_equal(cothon_socket_listen(tcp, 1), -EINVAL);
	assert_int_equal(cothon_socket_connect(tcp, &stage.to), -EINVAL);
	assert_int_equal(cothon_socket_accept(tcp, &other), -EAGAIN);
	assert_int_equal(cothon_socket_listen(udp, 1), -EOPNOTSUPP);
	assert_int_equal(cothon_socket_shutdown(udp), -EOPNOTSUPP);
	assert_int_equal(cothon_socket_set_options(udp, &(struct cothon_tcp_options){0}),
			 -EOPNOTSUPP);
	assert_int_equal(cothon_socket_send(udp, &byte, 1, NULL), -EDESTADDRREQ);
	assert_int_equal(cothon_socket_bind(udp, &elsewhere), -EADDRNOTAVAIL);
	assert_int_equal(cothon_socket_bind(udp, &any), 0);
	assert_int_equal(cothon_socket_bind(other, &any), -EADDRINUSE);
	assert_int_equal(cothon_socket_remote(udp).port, 0);
	cothon_socket_close(other);
	assert_int_equal(cothon_socket_open(stage.client, COTHON_UDP, &other), 0);
	assert_int_equal(cothon_socket_bind(other, &own), 0);
	assert_int_equal(cothon_socket_connect(other, &ipv6), -EINVAL);
	assert_int_equal(cothon_socket_remote(other).port, 0);
	assert_int_equal(cothon_socket_connect(other, &elsewhere), 0);
	cothon_socket_close(tcp);
	tcp = connected(&stage, COTHON_TCP);
	assert_int_equal(cothon_socket_connect(tcp, &stage.to), -EALREADY);
	assert_int_equal(cothon_socket_send(tcp, &byte, 1, &stage.to), -EISCONN);
	assert_int_equal(cothon_socket_send(tcp, &byte, 1, NULL), -EAGAIN);
	assert_int_equal(cothon_socket_listen(tcp, 1), -EINVAL);
	/* The host ends with its sockets open. */
	clear_stage(&stage);
}

/* --- by hand --- */

static void carry(struct cothon_host *from, struct cothon_host *to, uint64_t now)
{
	uint8_t packet[2000];
	ptrdiff_t len;

	while ((len = cothon_host_output(from, packet, sizeof(packet))) >= 0)
		assert_int_equal(cothon_host_input(to, packet, (size_t)len, now), 0);
	assert_int_equal(len, -EAGAIN);
}

static void test_by_hand(void **state)
{
	struct cothon_host_config config = {.mtu = 1279};
	struct cothon_host *hosts[2];
	struct cothon_endpoint to = {.port = PORT};
	struct cothon_socket *socket;
	struct echo *echo;
	uint8_t packet[2000], word[5];
	static uint8_t huge[COTHON_FRAME_MAX + 1];
	uint64_t now = 0;

	(void)state;
	assert_int_equal(cothon_host_create(&config, &hosts[0]), -EINVAL);
	config = (struct cothon_host_config){.mtu = 1400, .queue = 2};
	config.stack.congestion = "none";
	assert_int_equal(cothon_host_create(&config, &hosts[0]), -EINVAL);
	config.stack.congestion = NULL;
	for (unsigned i = 0; i < 2; i++) {
		struct cothon_addr addr;

		assert_int_equal(cothon_host_create(&config, &hosts[i]), 0);
		assert_int_equal(cothon_addr_parse(i ? "192.0.2.2" : "192.0.2.1", &addr), 0);
		assert_int_equal(cothon_stack_add_address(cothon_host_stack(hosts[i]), &addr), 0);
		to.addr = i ? to.addr : addr;
	}
	assert_int_equal(cothon_host_input(hosts[0], huge, sizeof(huge), now), -EMSGSIZE);
	assert_int_equal(cothon_host_output(hosts[0], packet, sizeof(packet)), -EAGAIN);
	assert_int_equal(cothon_host_poll(hosts[0], now), COTHON_NEVER);
	assert_int_equal(echo_create(hosts[0], PORT, &echo), 0);
	assert_int_equal(cothon_socket_open(hosts[1], COTHON_TCP, &socket), 0);
	assert_int_equal(cothon_socket_connect(socket, &to), -EINPROGRESS);
	assert_true(cothon_host_poll(hosts[1], now) < COTHON_NEVER);
	/* A SYN with options is longer than 40 bytes, and stays. */
	assert_int_equal(cothon_host_output(hosts[1], packet, 40), -EMSGSIZE);
	for (unsigned i = 0; cothon_socket_recv(socket, word, 5, NULL) != 5; i++) {
		assert_true(i < 1000);
		now += 100;
		for (unsigned side = 0; side < 2; side++) {
			cothon_host_poll(hosts[side], now);
			carry(hosts[side], hosts[!side], now);
		}
		echo_turn(echo);
		if (i == 10)
			assert_int_equal(cothon_socket_send(socket, "hello", 5, NULL), 5);
	}
	assert_memory_equal(word, "hello", 5);
	assert_true(cothon_socket_ready(socket) & COTHON_SOCKET_WRITABLE);
	assert_int_equal(cothon_socket_connect(socket, &to), -EISCONN);
	echo_destroy(echo);
	cothon_host_destroy(hosts[0]);
	cothon_host_destroy(hosts[1]);
}

/* Whatever allocation fails: an error, and nothing is lost. */
struct limited {
	size_t live;
	unsigned left;
};

static void *limited_alloc(void *context, size_t size)
{
	struct limited *limited = context;
	void *memory = limited->left > 0 ? malloc(size) : NULL;

	if (limited->left > 0)
		limited->left--;
	limited->live += memory ? size : 0;
	return memory;
}

static void limited_free(void *context, void *memory, size_t size)
{
	struct limited *limited = context;

	limited->live -= size;
	free(memory);
}

static void test_without_memory(void **state)
{
	int error = -ENOMEM;
	struct limited limited = {0};

	(void)state;
	for (unsigned enough = 0; error; enough++) {
		struct cothon_host_config config = {
			.stack.memory = {limited_alloc, limited_free, &limited}};
		struct cothon_endpoint any = {.port = 1};
		struct cothon_socket *sockets[2];
		struct cothon_host *host = NULL;

		assert_true(enough < 100);
		limited.left = enough;
		error = cothon_host_create(&config, &host);
		if (!error)
			error = cothon_socket_open(host, COTHON_UDP, &sockets[0]);
		if (!error)
			error = cothon_socket_bind(sockets[0], &any);
		if (!error)
			error = cothon_socket_open(host, COTHON_TCP, &sockets[1]);
		if (!error)
			error = cothon_socket_listen(sockets[1], 1);
		if (host)
			cothon_host_destroy(host);
		assert_true(error == 0 || error == -ENOMEM);
		assert_int_equal(limited.live, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_echo_many),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_datagram_peer),
		cmocka_unit_test(test_datagram_refused),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_no_http),
		cmocka_unit_test(test_call_errors),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
