/* SPDX-License-Identifier: MIT */

/* Whole connections between two stacks: every byte arrives once and in order, whatever the link does. */

#include "pair.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PORT = 7 };

/* One side of a connection: writes `to_send` bytes of a pattern, then its end, and checks what it reads. */
struct peer {
	struct pair *pair;
	struct cothon_tcp *tcp;
	uint64_t to_send, sent, received, expect;
	uint32_t send_pattern, receive_pattern;
	bool opened, ended, at_end, drained;
	int error;
};

struct scene {
	struct pair pair;
	struct peer left, right;
	struct cothon_listener *listener;
};

static uint8_t pattern(uint32_t seed, uint64_t at)
{
	uint64_t x = (at / 8 + seed) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> (8 * (at % 8)));
}

static void read_all(struct peer *peer)
{
	uint8_t data[5000];
	ptrdiff_t got;

	while ((got = cothon_tcp_read(peer->tcp, data, sizeof(data))) > 0) {
		for (ptrdiff_t i = 0; i < got; i++)
			assert_int_equal(data[i], pattern(peer->receive_pattern,
							  peer->received + (uint64_t)i));
		peer->received += (uint64_t)got;
	}
	if (got == 0)
		peer->at_end = true;
}

static void write_all(struct peer *peer)
{
	while (peer->sent < peer->to_send) {
		uint8_t data[7000];
		uint64_t left = peer->to_send - peer->sent;
		size_t len = left < sizeof(data) ? (size_t)left : sizeof(data);
		ptrdiff_t wrote;

		for (size_t i = 0; i < len; i++)
			data[i] = pattern(peer->send_pattern, peer->sent + i);
		wrote = cothon_tcp_write(peer->tcp, data, len);
		if (wrote < 0)
			return;
		peer->sent += (uint64_t)wrote;
		if ((size_t)wrote < len)
			return;
	}
	cothon_tcp_shutdown(peer->tcp);
}

static void handle(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct peer *peer = owner;

	peer->tcp = tcp;
	if (events & COTHON_TCP_OPENED)
		peer->opened = true;
	if (events & COTHON_TCP_READABLE)
		read_all(peer);
	if (peer->opened && (events & (COTHON_TCP_WRITABLE | COTHON_TCP_OPENED)))
		write_all(peer);
	if (events & COTHON_TCP_DRAINED)
		peer->drained = true;
	if (events & COTHON_TCP_ENDED) {
		peer->ended = true;
		peer->error = cothon_tcp_error(tcp);
	}
}

static void handle_accept(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	cothon_tcp_own(tcp, handle, owner);
	handle(tcp, owner, events);
}

static bool both_ended(void *context)
{
	struct scene *scene = context;

	return scene->left.ended && scene->right.ended;
}

static void scene_start(struct scene *scene, uint64_t seed, const struct pair_impairment *link,
			bool ipv6, uint64_t bytes)
{
	struct cothon_endpoint any = { 0 }, to = { .port = PORT };
	struct cothon_endpoint listen = { .port = PORT };

	memset(scene, 0, sizeof(*scene));
	pair_create(&scene->pair, seed, link);
	scene->left = (struct peer){ .to_send = bytes, .expect = bytes / 2, .send_pattern = 1, .receive_pattern = 2 };
	scene->right = (struct peer){ .to_send = bytes / 2, .expect = bytes, .send_pattern = 2, .receive_pattern = 1 };
	to.addr = ipv6 ? scene->pair.ipv6[PAIR_RIGHT] : scene->pair.ipv4[PAIR_RIGHT];
	assert_int_equal(cothon_tcp_listen(scene->pair.stacks[PAIR_RIGHT], &listen, 16,
					   handle_accept, &scene->right, &scene->listener), 0);
	assert_int_equal(cothon_tcp_connect(scene->pair.stacks[PAIR_LEFT], &any, &to, handle,
					    &scene->left, &scene->left.tcp), 0);
	pair_kick(&scene->pair);
}

static void scene_end(struct scene *scene)
{
	if (scene->left.tcp)
		cothon_tcp_close(scene->left.tcp);
	if (scene->right.tcp)
		cothon_tcp_close(scene->right.tcp);
	cothon_listener_close(scene->listener);
	pair_destroy(&scene->pair);
}

static void transfer(uint64_t seed, const struct pair_impairment *link, bool ipv6, uint64_t bytes,
		     uint64_t seconds)
{
	struct scene scene;

	scene_start(&scene, seed, link, ipv6, bytes);
	if (!pair_run(&scene.pair, scene.pair.now + seconds * 1000000, both_ended, &scene))
		fail_msg("seed %llu: left sent %llu received %llu ended %d, right sent %llu received %llu ended %d at %llu us",
			 (unsigned long long)seed, (unsigned long long)scene.left.sent,
			 (unsigned long long)scene.left.received, scene.left.ended,
			 (unsigned long long)scene.right.sent,
			 (unsigned long long)scene.right.received, scene.right.ended,
			 (unsigned long long)scene.pair.now);
	assert_int_equal(scene.left.error, 0);
	assert_int_equal(scene.right.error, 0);
	assert_int_equal(scene.left.received, scene.left.expect);
	assert_int_equal(scene.right.received, scene.right.expect);
	assert_true(scene.left.at_end && scene.right.at_end);
	assert_true(scene.left.drained && scene.right.drained);
	scene_end(&scene);
}

static void test_clean(void **state)
{
	static const struct pair_impairment link = { .delay = 50 };

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		transfer(1, &link, ipv6, 0, 10);
		transfer(1, &link, ipv6, 1, 10);
		transfer(1, &link, ipv6, 1460, 10);
		transfer(1, &link, ipv6, 20000000, 60);
	}
}

static void test_offload(void **state)
{
	static const struct pair_impairment link = {
		.delay = 50, .features = COTHON_LINK_CSUM | COTHON_LINK_TSO
	};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++)
		transfer(2, &link, ipv6, 50000000, 60);
}

static void test_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct pair_impairment link = {
			.delay = 1000 * (1 + seed % 20),
			.loss = (uint32_t)(seed % 6) * 200,
			.duplicate = (uint32_t)(seed % 4) * 100,
			.reorder = (uint32_t)(seed % 5) * 300,
			.features = seed % 3 ? 0 : COTHON_LINK_CSUM | COTHON_LINK_TSO,
		};

		transfer(seed, &link, seed % 2, 400000, 3600);
	}
}

static void test_refused(void **state)
{
	static const struct pair_impairment link = { .delay = 50 };
	struct cothon_endpoint any = { 0 };
	struct scene scene;
	struct cothon_endpoint to;
	struct cothon_tcp *tcp;
	struct peer peer = { 0 };

	(void)state;
	scene_start(&scene, 3, &link, false, 0);
	to = (struct cothon_endpoint){ scene.pair.ipv4[PAIR_RIGHT], 8 };
	assert_int_equal(cothon_tcp_connect(scene.pair.stacks[PAIR_LEFT], &any, &to, handle, &peer,
					    &tcp), 0);
	pair_kick(&scene.pair);
	while (!peer.ended)
		assert_true(pair_step(&scene.pair, scene.pair.now + 1000000));
	assert_int_equal(peer.error, -ECONNREFUSED);
	cothon_tcp_close(tcp);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
