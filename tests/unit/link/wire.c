/* SPDX-License-Identifier: MIT */
#include <cothon/link.h>

#include "base/random.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	MTU = 1500,
	QUEUE = 4
};

/* Memory that counts its blocks, and can be made to run out. */
struct ledger {
	size_t blocks;
	bool empty;
};

static void *ledger_alloc(void *context, size_t size)
{
	struct ledger *ledger = context;

	if (ledger->empty)
		return NULL;
	ledger->blocks++;
	return malloc(size);
}

static void ledger_free(void *context, void *memory, size_t size)
{
	struct ledger *ledger = context;

	(void)size;
	ledger->blocks--;
	free(memory);
}

/* A wire with a pool of its own and one for its receivers. */
struct bench {
	struct ledger ledger, pool_ledger;
	struct cothon_pool *pool, *receiver;
	struct cothon_link *ends[2];
};

static struct cothon_pool *make_pool(struct ledger *ledger)
{
	struct cothon_pool *pool = cothon_pool_create(&(struct cothon_pool_config){
		.memory = {.alloc = ledger_alloc, .free = ledger_free, .context = ledger},
		.limit = SIZE_MAX,
	});

	assert_non_null(pool);
	return pool;
}

static void begin(struct bench *bench, unsigned features)
{
	struct cothon_memory memory = {
		.alloc = ledger_alloc, .free = ledger_free, .context = &bench->ledger};

	memset(bench, 0, sizeof(*bench));
	bench->pool = make_pool(&bench->ledger);
	bench->receiver = make_pool(&bench->pool_ledger);
	assert_int_equal(cothon_wire_open(&memory, bench->pool, MTU, features, QUEUE, bench->ends),
			 0);
}

/* Ends the wire and its pools: all memory must have come back. */
static void end(struct bench *bench)
{
	cothon_link_close(bench->ends[0]);
	cothon_link_close(bench->ends[1]);
	assert_int_equal(cothon_pool_used(bench->pool), 0);
	assert_int_equal(cothon_pool_used(bench->receiver), 0);
	cothon_pool_destroy(bench->pool);
	cothon_pool_destroy(bench->receiver);
	assert_int_equal(bench->ledger.blocks, 0);
	assert_int_equal(bench->pool_ledger.blocks, 0);
}

/* A frame of one piece. */
static struct cothon_frame frame_of(void *data, size_t len)
{
	return (struct cothon_frame){.iov = {{0}, {data, len}}, .count = 2, .len = len};
}

static int send_text(struct cothon_link *link, const char *text)
{
	struct cothon_frame frame = frame_of((void *)text, strlen(text));

	return cothon_link_transmit(link, &frame);
}

static void receive_text(struct cothon_link *link, struct cothon_pool *pool, const char *text)
{
	struct cothon_buf *buf;

	assert_int_equal(cothon_link_receive(link, pool, &buf), 0);
	assert_ptr_equal(buf->pool, pool);
	assert_int_equal(buf->len, strlen(text));
	assert_memory_equal(buf->data, text, buf->len);
	assert_null(buf->next);
	assert_true(buf->data - buf->store >= COTHON_HEADROOM);
	cothon_buf_put(buf);
}

static void test_both_ways_in_order(void **state)
{
	struct bench bench;
	struct cothon_buf *buf;

	(void)state;
	begin(&bench, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bench.ends[i]->mtu, MTU);
		assert_int_equal(bench.ends[i]->features, 0);
		assert_int_equal(cothon_link_receive(bench.ends[i], bench.pool, &buf), -EAGAIN);
	}
	assert_int_equal(send_text(bench.ends[0], "one"), 0);
	assert_int_equal(send_text(bench.ends[1], "there"), 0);
	assert_int_equal(send_text(bench.ends[0], "two"), 0);
	receive_text(bench.ends[1], bench.receiver, "one");
	assert_int_equal(send_text(bench.ends[0], "three"), 0);
	receive_text(bench.ends[0], bench.receiver, "there");
	receive_text(bench.ends[1], bench.receiver, "two");
	/* A receiver may also share the wire's pool. */
	receive_text(bench.ends[1], bench.pool, "three");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(cothon_link_receive(bench.ends[i], bench.pool, &buf), -EAGAIN);
	end(&bench);
}

static void test_queue(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, 0);
	for (unsigned i = 0; i < QUEUE; i++)
		assert_int_equal(send_text(bench.ends[0], "full"), 0);
	assert_int_equal(send_text(bench.ends[0], "full"), -EAGAIN);
	/* The other direction has a queue of its own. */
	assert_int_equal(send_text(bench.ends[1], "free"), 0);
	receive_text(bench.ends[1], bench.receiver, "full");
	assert_int_equal(send_text(bench.ends[0], "last"), 0);
	assert_int_equal(send_text(bench.ends[0], "full"), -EAGAIN);
	for (unsigned i = 0; i < QUEUE - 1; i++)
		receive_text(bench.ends[1], bench.receiver, "full");
	receive_text(bench.ends[1], bench.receiver, "last");
	/* What is under way when the ends close is given back. */
	assert_int_equal(send_text(bench.ends[0], "under way"), 0);
	end(&bench);
}

static void test_pieces(void **state)
{
	static const uint8_t seed[32] = "pieces";
	struct cothon_random random;
	struct bench bench;

	(void)state;
	begin(&bench, 0);
	cothon_random_init(&random, seed, 1);
	for (unsigned round = 0; round < 1000; round++) {
		uint8_t whole[MTU];
		struct cothon_frame frame = {.count = COTHON_FRAME_IOV};
		struct cothon_buf *buf;

		/* What stands in the first entry is the link's. */
		frame.iov[0] = (struct iovec){&random, SIZE_MAX};
		for (size_t i = 0; i < MTU; i++)
			whole[i] = (uint8_t)cothon_random_u32(&random);
		for (unsigned i = 1; i < COTHON_FRAME_IOV; i++) {
			frame.iov[i].iov_base = whole + frame.len;
			frame.iov[i].iov_len = cothon_random_below(&random, 78);
			frame.len += frame.iov[i].iov_len;
		}
		assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), 0);
		/* The pieces have been read: they may change. */
		whole[0] ^= 0xff;
		assert_int_equal(cothon_link_receive(bench.ends[1], bench.receiver, &buf), 0);
		whole[0] ^= 0xff;
		assert_int_equal(buf->len, frame.len);
		assert_memory_equal(buf->data, whole, frame.len);
		cothon_buf_put(buf);
	}
	end(&bench);
}

static void test_sizes(void **state)
{
	static uint8_t data[COTHON_FRAME_MAX + 1];
	struct cothon_frame frame;
	struct cothon_buf *buf;
	struct bench bench;

	(void)state;
	begin(&bench, COTHON_LINK_CSUM | COTHON_LINK_TSO);
	frame = frame_of(data, MTU);
	assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), 0);
	frame = frame_of(data, MTU + 1);
	assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), -EMSGSIZE);
	/* A frame that is to be cut does not mind the MTU. */
	frame.offload = (struct cothon_offload){.gso = COTHON_GSO_TCP, .gso_size = 1460};
	assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), 0);
	frame.len = frame.iov[1].iov_len = COTHON_FRAME_MAX;
	data[COTHON_FRAME_MAX - 1] = 77;
	assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), 0);
	frame.len = frame.iov[1].iov_len = COTHON_FRAME_MAX + 1;
	assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), -EMSGSIZE);

	assert_int_equal(cothon_link_receive(bench.ends[1], bench.receiver, &buf), 0);
	assert_int_equal(buf->len, MTU);
	cothon_buf_put(buf);
	assert_int_equal(cothon_link_receive(bench.ends[1], bench.receiver, &buf), 0);
	assert_int_equal(buf->len, MTU + 1);
	cothon_buf_put(buf);
	assert_int_equal(cothon_link_receive(bench.ends[1], bench.receiver, &buf), 0);
	assert_int_equal(buf->len, COTHON_FRAME_MAX);
	assert_int_equal(buf->data[COTHON_FRAME_MAX - 1], 77);
	cothon_buf_put(buf);

	/* Pieces that make another length than the frame's are a lie. */
	frame = frame_of(data, 100);
	frame.len = 99;
	assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), -EINVAL);
	frame.len = 101;
	assert_int_equal(cothon_link_transmit(bench.ends[0], &frame), -EINVAL);
	assert_int_equal(cothon_link_receive(bench.ends[1], bench.receiver, &buf), -EAGAIN);
	end(&bench);
}

static void test_offload_crosses(void **state)
{
	static const struct cothon_offload offload = {
		.gso = COTHON_GSO_UDP,
		.csum_partial = true,
		.gso_size = 1472,
		.header_len = 28,
		.csum_start = 20,
		.csum_offset = 6,
	};
	static uint8_t data[8000];

	(void)state;
	for (unsigned shared = 0; shared < 2; shared++) {
		struct bench bench;
		struct cothon_frame frame = frame_of(data, sizeof(data));
		struct cothon_buf *buf;

		begin(&bench, COTHON_LINK_CSUM | COTHON_LINK_USO);
		frame.offload = offload;
		assert_int_equal(cothon_link_transmit(bench.ends[1], &frame), 0);
		assert_int_equal(cothon_link_receive(bench.ends[0],
						     shared ? bench.pool : bench.receiver, &buf),
				 0);
		assert_int_equal(buf->offload.gso, offload.gso);
		assert_int_equal(buf->offload.gso_size, offload.gso_size);
		assert_int_equal(buf->offload.header_len, offload.header_len);
		assert_int_equal(buf->offload.csum_start, offload.csum_start);
		assert_int_equal(buf->offload.csum_offset, offload.csum_offset);
		assert_true(buf->offload.csum_partial);
		/* There is nothing to verify in a checksum that has not been made. */
		assert_true(buf->offload.csum_valid);
		cothon_buf_put(buf);
		assert_int_equal(send_text(bench.ends[1], "plain"), 0);
		assert_int_equal(cothon_link_receive(bench.ends[0], bench.receiver, &buf), 0);
		assert_false(buf->offload.csum_valid);
		cothon_buf_put(buf);
		end(&bench);
	}
}

static void test_features(void **state)
{
	static const struct {
		unsigned feature;
		struct cothon_offload offload;
	} rows[] = {
		{COTHON_LINK_CSUM, {.csum_partial = true}},
		{COTHON_LINK_TSO, {.gso = COTHON_GSO_TCP, .gso_size = 100}},
		{COTHON_LINK_USO, {.gso = COTHON_GSO_UDP, .gso_size = 100}},
	};

	(void)state;
	for (unsigned features = 0; features < 8; features++) {
		struct bench bench;
		uint8_t data[1000] = {0};

		begin(&bench, features);
		assert_int_equal(bench.ends[0]->features, features);
		for (size_t i = 0; i < 3; i++) {
			struct cothon_frame frame = frame_of(data, sizeof(data));

			frame.offload = rows[i].offload;
			assert_int_equal(cothon_link_transmit(bench.ends[0], &frame),
					 features & rows[i].feature ? 0 : -EOPNOTSUPP);
		}
		end(&bench);
	}
}

static void test_no_memory(void **state)
{
	struct ledger ledger = {.empty = true};
	struct cothon_memory memory = {
		.alloc = ledger_alloc, .free = ledger_free, .context = &ledger};
	struct cothon_link *ends[2];
	struct cothon_buf *buf;
	struct bench bench;

	(void)state;
	assert_int_equal(cothon_wire_open(&memory, NULL, MTU, 0, QUEUE, ends), -ENOMEM);
	begin(&bench, 0);
	bench.ledger.empty = true;
	assert_int_equal(send_text(bench.ends[0], "lost"), -ENOMEM);
	bench.ledger.empty = false;
	assert_int_equal(send_text(bench.ends[0], "kept"), 0);
	/* A receiver without memory may come again. */
	bench.pool_ledger.empty = true;
	assert_int_equal(cothon_link_receive(bench.ends[1], bench.receiver, &buf), -ENOMEM);
	bench.pool_ledger.empty = false;
	receive_text(bench.ends[1], bench.receiver, "kept");
	end(&bench);
}

static void test_one_end_closed(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, 0);
	assert_int_equal(send_text(bench.ends[0], "was sent"), 0);
	assert_int_equal(send_text(bench.ends[1], "goes nowhere"), 0);
	cothon_link_close(bench.ends[0]);
	assert_int_equal(send_text(bench.ends[1], "nobody there"), -ENETDOWN);
	receive_text(bench.ends[1], bench.receiver, "was sent");
	cothon_link_close(bench.ends[1]);
	assert_int_equal(cothon_pool_used(bench.pool), 0);
	cothon_pool_destroy(bench.pool);
	cothon_pool_destroy(bench.receiver);
	assert_int_equal(bench.ledger.blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways_in_order),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_offload_crosses),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_one_end_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
