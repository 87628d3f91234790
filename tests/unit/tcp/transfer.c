/* SPDX-License-Identifier: MIT */

/* Whole connections between two stacks: every byte arrives once and in order, whatever the link does. */

#include "stack/tcp/connection.h"

#include "pair.h"
#include <cothon/tcp.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	PORT = 7,
	HOUR = 3600
};

static const uint64_t second = 1000000;

/* One side of a connection: writes `to_send` bytes of a pattern, then its end, and checks what it reads. */
struct peer {
	struct cothon_tcp *tcp;
	uint64_t to_send, sent, received, expect;
	uint32_t send_pattern, receive_pattern;
	uint32_t max_receive; /* 0: not looked at */
	bool lazy;            /* reads when it likes, not when it could */
	bool opened, ended, at_end, drained;
	int error;
};

struct plan {
	struct pair_setup setup;
	uint64_t bytes; /* from left to right, and half of it back */
	bool ipv6, lazy, no_delay;
	/* Of both sides; 0: the default. */
	uint32_t max_receive, max_send;
	const char *congestion;
};

struct scene {
	struct pair pair;
	struct peer left, right;
	struct cothon_listener *listener;
	struct plan plan;
};

static uint8_t pattern(uint32_t seed, uint64_t at)
{
	uint64_t x = (at / 8 + seed) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> (8 * (at % 8)));
}

/* Reads at most `most` bytes. */
static void read_some(struct peer *peer, uint64_t most)
{
	uint8_t data[5000];
	ptrdiff_t got = -EAGAIN;

	while (most > 0) {
		got = cothon_tcp_read(peer->tcp, data,
				      most < sizeof(data) ? (size_t)most : sizeof(data));
		if (got <= 0)
			break;
		for (ptrdiff_t i = 0; i < got; i++)
			assert_int_equal(data[i], pattern(peer->receive_pattern,
							  peer->received + (uint64_t)i));
		peer->received += (uint64_t)got;
		most -= (uint64_t)got;
	}
	if (cothon_tcp_at_end(peer->tcp))
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

	assert_false(peer->ended);
	peer->tcp = tcp;
	if (events & COTHON_TCP_OPENED)
		peer->opened = true;
	if ((events & COTHON_TCP_READABLE) && !peer->lazy)
		read_some(peer, UINT64_MAX);
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
	struct cothon_tcp_options options = {.no_delay = ((struct peer *)owner)->lazy};

	/* One connection is enough: a second SYN of a client that gave up is not it. */
	if (((struct peer *)owner)->tcp) {
		cothon_tcp_abort(tcp);
		return;
	}
	cothon_tcp_set_options(tcp, &options);
	cothon_tcp_own(tcp, handle, owner);
	handle(tcp, owner, events);
}

static void configure(void *context, int side, struct cothon_stack_config *config)
{
	const struct plan *plan = context;

	(void)side;
	config->max_receive = plan->max_receive;
	config->max_send = plan->max_send;
	config->congestion = plan->congestion;
}

/* Returns 0, or the error of connect. */
static int scene_start(struct scene *scene, const struct plan *plan)
{
	struct cothon_endpoint any = {0}, to = {.port = PORT};
	struct cothon_endpoint listen = {.port = PORT};
	uint64_t bytes = plan->bytes;
	int error;

	memset(scene, 0, sizeof(*scene));
	scene->plan = *plan;
	scene->plan.setup.configure = configure;
	scene->plan.setup.context = &scene->plan;
	pair_create(&scene->pair, &scene->plan.setup);
	scene->left = (struct peer){
		.to_send = bytes,
		.expect = bytes / 2,
		.send_pattern = 1,
		.receive_pattern = 2,
		.lazy = plan->lazy,
		.max_receive = plan->max_receive,
	};
	scene->right = (struct peer){
		.to_send = bytes / 2,
		.expect = bytes,
		.send_pattern = 2,
		.receive_pattern = 1,
		.lazy = plan->lazy,
		.max_receive = plan->max_receive,
	};
	to.addr = plan->ipv6 ? scene->pair.ipv6[PAIR_RIGHT] : scene->pair.ipv4[PAIR_RIGHT];
	assert_int_equal(cothon_tcp_listen(scene->pair.stacks[PAIR_RIGHT], &listen, 16,
					   handle_accept, &scene->right, &scene->listener),
			 0);
	error = cothon_tcp_connect(scene->pair.stacks[PAIR_LEFT], &any, &to, handle, &scene->left,
				   &scene->left.tcp);
	if (!error)
		cothon_tcp_set_options(scene->left.tcp,
				       &(struct cothon_tcp_options){.no_delay = plan->no_delay});
	pair_kick(&scene->pair);
	return error;
}

static void scene_end(struct scene *scene)
{
	scene->pair.memory.fail_every = scene->pair.memory.fail_from = 0;
	if (scene->left.tcp)
		cothon_tcp_close(scene->left.tcp);
	if (scene->right.tcp)
		cothon_tcp_close(scene->right.tcp);
	cothon_listener_close(scene->listener);
	pair_destroy(&scene->pair);
}

/* A side is done when it was told the end and has read all, whenever it chose to. */
static bool is_done(const struct peer *peer)
{
	return peer->ended && (peer->error || peer->at_end);
}

/* Also when the right side never heard of a left one that gave up. */
static bool both_done(const struct scene *scene)
{
	return is_done(&scene->left) &&
	       (is_done(&scene->right) || (scene->left.error && !scene->right.tcp));
}

/* What must hold at any time. */
static void check_peer(const struct peer *peer)
{
	/* The window's scale rounds by less than the buffer's 32,768th part. */
	if (peer->tcp && peer->max_receive)
		assert_true(cothon_tcp_readable(peer->tcp) <=
			    peer->max_receive + peer->max_receive / 32768);
	assert_true(peer->received <= peer->expect);
}

/* Reads now and then, or when nothing else happens. Returns true when something came of it. */
static bool read_lazily(struct scene *scene, struct peer *peer, bool idle)
{
	uint64_t before = peer->received;

	if (!peer->lazy || !peer->tcp || peer->at_end)
		return false;
	if (!idle && cothon_random_below(&scene->pair.random, 20))
		return false;
	read_some(peer, 1 + cothon_random_below(&scene->pair.random, 3000));
	pair_kick(&scene->pair);
	return peer->received > before || peer->at_end;
}

/* Goes on until both are done or the virtual time is over. */
static bool scene_run(struct scene *scene, uint64_t seconds)
{
	uint64_t limit = scene->pair.now + seconds * second;

	while (!both_done(scene)) {
		bool idle = !pair_step(&scene->pair, limit);

		check_peer(&scene->left);
		check_peer(&scene->right);
		idle &= !read_lazily(scene, &scene->left, idle);
		idle &= !read_lazily(scene, &scene->right, idle);
		if (idle)
			return false;
	}
	return true;
}

static void fail_scene(const struct scene *scene, const char *what)
{
	fail_msg(
		"%s: seed %llu: left sent %llu received %llu of %llu ended %d error %d, right sent %llu received %llu of %llu ended %d error %d, at %llu us",
		what, (unsigned long long)scene->plan.setup.seed,
		(unsigned long long)scene->left.sent, (unsigned long long)scene->left.received,
		(unsigned long long)scene->left.expect, scene->left.ended, scene->left.error,
		(unsigned long long)scene->right.sent, (unsigned long long)scene->right.received,
		(unsigned long long)scene->right.expect, scene->right.ended, scene->right.error,
		(unsigned long long)scene->pair.now);
}

static void transfer(const struct plan *plan, uint64_t seconds)
{
	struct scene scene;

	assert_int_equal(scene_start(&scene, plan), 0);
	if (!scene_run(&scene, seconds))
		fail_scene(&scene, "not done");
	if (scene.left.error || scene.right.error || scene.left.received != scene.left.expect ||
	    scene.right.received != scene.right.expect)
		fail_scene(&scene, "not whole");
	assert_true(scene.left.drained && scene.right.drained);
	scene_end(&scene);
}

/* Tests */

static void test_clean(void **state)
{
	static const uint64_t bytes[] = {0, 1, 1460, 20000000};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct plan plan = {
			.setup = {.seed = 1, .impairment.delay = 50},
			.ipv6 = i % 2,
			.bytes = bytes[i / 2],
		};

		transfer(&plan, 60);
	}
}

static void test_offload(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct plan plan = {
			.setup = {.seed = 2,
				  .impairment = {.delay = 50,
						 .features = COTHON_LINK_CSUM | COTHON_LINK_TSO}},
			.ipv6 = i % 2,
			.bytes = 30000000,
		};

		plan.setup.impairment.mtu = i / 2 ? 65535 : 1280;
		transfer(&plan, 60);
	}
}

static uint32_t pick(struct cothon_random *random, const uint32_t *values, size_t count)
{
	return values[cothon_random_below(random, (uint32_t)count)];
}

#define PICK(random, ...)                             \
	pick(random, (const uint32_t[]){__VA_ARGS__}, \
	     sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* A plan drawn by a seed: any link, any bounds, any reader. */
static struct plan draw(uint64_t seed)
{
	struct cothon_random random;
	uint8_t bytes[32] = {0};
	struct plan plan = {.setup.seed = seed};
	struct pair_impairment *link = &plan.setup.impairment;

	memcpy(bytes, &seed, sizeof(seed));
	cothon_random_init(&random, bytes, 98);
	link->delay = PICK(&random, 10, 50, 1000, 10000, 100000);
	link->jitter = PICK(&random, 0, 0, 1000, 50000);
	link->loss = PICK(&random, 0, 0, 50, 200, 500, 1000);
	link->duplicate = PICK(&random, 0, 0, 100, 1000);
	link->reorder = PICK(&random, 0, 0, 100, 1000);
	link->damage = PICK(&random, 0, 0, 100, 500);
	link->rate = PICK(&random, 0, 0, 100, 1000);
	link->queue = PICK(&random, 0, 20000, 200000);
	link->features = PICK(&random, 0, 0, COTHON_LINK_CSUM, COTHON_LINK_CSUM | COTHON_LINK_TSO);
	link->mtu = PICK(&random, 1280, 1500, 1500, 9000, 65535);
	plan.ipv6 = cothon_random_below(&random, 2);
	plan.lazy = cothon_random_below(&random, 3) == 0;
	plan.no_delay = cothon_random_below(&random, 2);
	plan.congestion = cothon_random_below(&random, 2) ? "cubic" : "newreno";
	plan.max_receive = PICK(&random, 0, 0, 0, 1, 100, 2000, 65535, 65536, 100000);
	plan.max_send = PICK(&random, 0, 0, 0, 1, 100, 2000, 100000);
	plan.bytes = PICK(&random, 0, 1, 1000, 20000, 60000);
	if ((plan.max_receive && plan.max_receive < 1000) ||
	    (plan.max_send && plan.max_send < 1000))
		plan.bytes = plan.bytes < 300 ? plan.bytes : 300;
	/* Sequence numbers that begin anywhere: they are a clock. */
	plan.setup.now = 1000000 + ((uint64_t)cothon_random_u32(&random) << 2);
	return plan;
}

/* Both sides get everything, however the link and the owners behave. */
static void test_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2500; seed++) {
		struct plan plan = draw(seed);

		transfer(&plan, 50 * HOUR);
	}
}

/* Every so many-th allocation is refused: a connection may end with an error, and nothing else may happen to it. */
static void test_memory_refused(void **state)
{
	unsigned whole = 0, broken = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct plan plan = draw(seed);
		struct scene scene;
		int error;

		plan.bytes = plan.bytes < 20000 ? plan.bytes : 20000;
		scene_start(&scene, &plan);
		scene.pair.memory.fail_every = 2 + seed % 40;
		error = 0;
		if (scene.left.tcp && !scene_run(&scene, 50 * HOUR))
			fail_scene(&scene, "not done");
		if (!scene.left.error && !scene.right.error) {
			if (scene.left.received != scene.left.expect ||
			    scene.right.received != scene.right.expect)
				fail_scene(&scene, "not whole");
			whole++;
		} else {
			broken++;
		}
		(void)error;
		scene_end(&scene);
	}
	assert_true(whole > 300);
	(void)broken;
}

/* Memory that is short for a while costs time and nothing else. */
static void test_memory_short_for_a_while(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct plan plan = draw(seed);
		struct scene scene;

		plan.setup.impairment.damage = 0;
		assert_int_equal(scene_start(&scene, &plan), 0);
		scene_run(&scene, seed % 7 + 1);
		scene.pair.memory.fail_every = 1;
		scene_run(&scene, seed % 20);
		scene.pair.memory.fail_every = 0;
		if (!scene_run(&scene, 50 * HOUR))
			fail_scene(&scene, "not done");
		if (scene.left.error || scene.right.error ||
		    scene.left.received != scene.left.expect ||
		    scene.right.received != scene.right.expect)
			fail_scene(&scene, "not whole");
		scene_end(&scene);
	}
}

/* A pool that is full closes windows and holds writers back, but all arrives. */
static void test_pool_pressed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct plan plan = draw(seed);

		plan.setup.pool_limit = 1 + seed * 1000;
		transfer(&plan, 50 * HOUR);
	}
}

/* The link is cut for a time, at any moment: what was under way comes afterwards. */
static void test_partition(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct plan plan = draw(seed);
		struct scene scene;
		uint64_t until;

		assert_int_equal(scene_start(&scene, &plan), 0);
		until = scene.pair.now + seed * 10000;
		while (scene.pair.now < until && !both_done(&scene) &&
		       pair_step(&scene.pair, until))
			;
		scene.pair.links[seed % 2].cut = true;
		scene.pair.links[seed / 2 % 2].cut = true;
		/* Well below 2 MSL, after which a peer may have forgotten. */
		until = scene.pair.now + 20 * second;
		while (pair_step(&scene.pair, until))
			;
		scene.pair.now = until;
		scene.pair.links[0].cut = scene.pair.links[1].cut = false;
		pair_kick(&scene.pair);
		if (!scene_run(&scene, 50 * HOUR))
			fail_scene(&scene, "not done");
		if (scene.left.error || scene.right.error ||
		    scene.left.received != scene.left.expect ||
		    scene.right.received != scene.right.expect)
			fail_scene(&scene, "not whole");
		scene_end(&scene);
	}
}

/* One side disappears: the other is told, in the end. */
static void test_peer_gone(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct plan plan = draw(seed);
		struct scene scene;

		plan.lazy = false;
		plan.bytes = 5000000;
		plan.max_receive = plan.max_send = 0;
		plan.setup.impairment = (struct pair_impairment){.delay = 10000, .rate = 100};
		assert_int_equal(scene_start(&scene, &plan), 0);
		scene_run(&scene, 5);
		assert_true(scene.left.opened && scene.right.opened);
		scene.pair.links[0].cut = scene.pair.links[1].cut = true;
		assert_true(scene_run(&scene, HOUR));
		assert_int_equal(scene.left.error, -ETIMEDOUT);
		assert_int_equal(scene.right.error, -ETIMEDOUT);
		scene_end(&scene);
	}
}

/* One flow of a pair that stays open. */
struct open_flow {
	struct cothon_tcp *left, *right;
	bool opened;
};

static void keep_right(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct open_flow *flow = owner;
	uint8_t data[5000];

	flow->right = tcp;
	if (events & COTHON_TCP_OPENED)
		cothon_tcp_own(tcp, keep_right, owner);
	while (cothon_tcp_read(tcp, data, sizeof(data)) > 0)
		;
}

static void keep_left(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	((struct open_flow *)owner)->opened |= (events & COTHON_TCP_OPENED) != 0;
}

static bool all_was_read(void *context)
{
	struct open_flow *flow = context;

	return flow->opened && flow->right && cothon_tcp_unacknowledged(flow->left) == 0;
}

static void small_budget(void *context, int side, struct cothon_stack_config *config)
{
	(void)context;
	(void)side;
	config->receive_budget = 196608;
}

static void send_much(struct pair *pair, struct open_flow *flow)
{
	static const uint8_t data[20000];

	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(cothon_tcp_write(flow->left, data, sizeof(data)), sizeof(data));
		pair_kick(pair);
		assert_true(pair_run(pair, pair->now + 10 * second, all_was_read, flow));
	}
}

/* What one flow's buffer was given another one's gets when the first has been silent for a second. */
static void test_growth_moves_on(void **state)
{
	struct pair_setup setup = {.seed = 1, .impairment.delay = 10, .configure = small_budget};
	struct open_flow flows[2] = {{0}};
	struct cothon_listener *listeners[2];
	struct pair pair;

	(void)state;
	pair_create(&pair, &setup);
	for (uint16_t i = 0; i < 2; i++) {
		struct cothon_endpoint any = {0}, to = {pair.ipv4[PAIR_RIGHT], (uint16_t)(i + 7)};

		assert_int_equal(cothon_tcp_listen(pair.stacks[PAIR_RIGHT], &to, 4, keep_right,
						   &flows[i], &listeners[i]),
				 0);
		assert_int_equal(cothon_tcp_connect(pair.stacks[PAIR_LEFT], &any, &to, keep_left,
						    &flows[i], &flows[i].left),
				 0);
		pair_kick(&pair);
		assert_true(pair_run(&pair, pair.now + second, all_was_read, &flows[i]));
	}
	send_much(&pair, &flows[0]);
	assert_int_equal(flows[0].right->rcv.size, 262144);
	send_much(&pair, &flows[1]);
	assert_int_equal(flows[1].right->rcv.size, 65536);
	while (pair_step(&pair, pair.now + 2 * second))
		;
	pair.now += 2 * second;
	send_much(&pair, &flows[1]);
	assert_int_equal(flows[1].right->rcv.size, 262144);
	assert_int_equal(flows[0].right->rcv.size, 65536);
	assert_int_equal(pair.stacks[PAIR_RIGHT]->receive_granted, 196608);
	for (unsigned i = 0; i < 2; i++) {
		cothon_tcp_abort(flows[i].left);
		cothon_tcp_abort(flows[i].right);
		cothon_listener_close(listeners[i]);
	}
	pair_destroy(&pair);
}

static void test_refused(void **state)
{
	struct plan plan = {.setup = {.seed = 3, .impairment.delay = 50}};
	struct cothon_endpoint any = {0}, to;
	struct peer peer = {0};
	struct scene scene;
	struct cothon_tcp *tcp;

	(void)state;
	assert_int_equal(scene_start(&scene, &plan), 0);
	to = (struct cothon_endpoint){scene.pair.ipv4[PAIR_RIGHT], 8};
	assert_int_equal(cothon_tcp_connect(scene.pair.stacks[PAIR_LEFT], &any, &to, handle, &peer,
					    &tcp),
			 0);
	pair_kick(&scene.pair);
	while (!peer.ended)
		assert_true(pair_step(&scene.pair, scene.pair.now + second));
	assert_int_equal(peer.error, -ECONNREFUSED);
	cothon_tcp_close(tcp);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_memory_refused),
		cmocka_unit_test(test_memory_short_for_a_while),
		cmocka_unit_test(test_pool_pressed),
		cmocka_unit_test(test_partition),
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_growth_moves_on),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
