/* SPDX-License-Identifier: MIT */

/*
 * Looking ahead changes nothing: a stack with many flows that reads its packets from a link, several
 * at a time, does what one does that is given the same packets one by one.
 */

#include "stack/ahead.h"

#include "host.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
	FLOWS = COTHON_AHEAD_FLOWS + 100,
	PACKETS = 40000,
	SYN = 2,
	ACK = 16,
	RST = 4,
};

/* What a link has to give: packets made from a number, the same for every stack. */
struct side {
	struct cothon_link link;
	struct host_memory memory;
	struct cothon_pool *pool;
	struct cothon_stack *stack;
	uint32_t at, end;
	uint64_t sent;  /* a hash of all that was sent */
	uint32_t given; /* datagrams and flows */
	struct cothon_tcp **held;
};

static size_t tcp_packet(uint8_t *out, uint32_t n, uint8_t flags, uint32_t seq)
{
	uint8_t header[20] = {0};
	struct cothon_ip ip = host_header(n % 2, false, COTHON_TCP);

	cothon_put16(header, (uint16_t)(1024 + n / 2 % 8192));
	cothon_put16(header + 2, (uint16_t)(1 + n / 2 / 8192));
	cothon_put32(header + 4, seq);
	header[12] = 0x50;
	header[13] = flags;
	cothon_put16(header + 14, 1000);
	return host_ip(out, ip, header, sizeof(header));
}

/* Packet number `n`: first a SYN for each flow, then of everything something. */
static size_t packet(uint8_t *out, uint32_t n)
{
	uint32_t random = n * 0x9e3779b1U >> 7;
	uint32_t flow = random % (FLOWS + 100);
	struct cothon_endpoint from = {host_peer(n & 8), 53}, to = {host_addr(n & 8), 4000};
	size_t len;

	if (n < FLOWS)
		return tcp_packet(out, n, SYN, n);
	switch (n % 8) {
	case 0:
		return tcp_packet(out, flow, ACK, flow + 1);
	case 1:
		return tcp_packet(out, flow, RST, flow + 1);
	case 2:
		return tcp_packet(out, flow, SYN, flow);
	case 3:
		return host_udp(out, &from, &to, "x", 1);
	case 4:
		/* Cut anywhere. */
		return tcp_packet(out, flow, ACK, flow) * (n % 97) / 97;
	case 5:
		/* A byte is wrong. */
		len = tcp_packet(out, flow, ACK, flow);
		out[random % len] ^= 0x55;
		return len;
	default:
		return tcp_packet(out, flow, ACK, flow + 1 + n % 3);
	}
}

static struct cothon_buf *buf_of(struct side *side, uint32_t n)
{
	struct cothon_buf *buf = cothon_buf_get(side->pool, 2048);

	assert_non_null(buf);
	buf->len = (uint32_t)packet(buf->data, n);
	buf->offload = (struct cothon_offload){.csum_valid = true};
	return buf;
}

/* Every fifth has a link header that lies. */
static bool is_bad(uint32_t n)
{
	return n >= FLOWS && n % 5 == 0;
}

static int give(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct side *side = cothon_container(link, struct side, link);
	uint32_t n = side->at;

	(void)pool;
	if (n == side->end)
		return -EAGAIN;
	side->at++;
	if (is_bad(n))
		return -EBADMSG;
	*buf = buf_of(side, n);
	return 0;
}

static int take(struct cothon_link *link, struct cothon_frame *frame)
{
	struct side *side = cothon_container(link, struct side, link);

	for (unsigned i = 0; i < frame->count; i++) {
		const uint8_t *bytes = frame->iov[i].iov_base;

		for (size_t j = 0; j < frame->iov[i].iov_len; j++)
			side->sent = (side->sent ^ bytes[j]) * UINT64_C(0x100000001b3);
	}
	return 0;
}

static void keep_open(struct cothon_link *link)
{
	(void)link;
}

static const struct cothon_link_ops ops = {take, give, keep_open};

/* Every SYN is held. */
static int hold(void *context, struct cothon_tcp *tcp)
{
	struct side *side = context;

	(void)tcp;
	side->given++;
	return 0;
}

static int drop(void *context, const struct cothon_datagram *datagram)
{
	struct side *side = context;

	(void)datagram;
	side->given++;
	return 0;
}

static const struct cothon_forwarder forwarder = {.tcp = hold, .udp = drop};

static void side_create(struct side *side)
{
	struct cothon_stack_config config = {.now = 1000000, .max_half_open = 2 * FLOWS};
	struct cothon_pool_config pool = {.limit = SIZE_MAX};

	memset(side, 0, sizeof(*side));
	side->link = (struct cothon_link){.ops = &ops, .mtu = 1500};
	pool.memory = config.memory = host_memory_of(&side->memory);
	side->pool = cothon_pool_create(&pool);
	assert_non_null(side->pool);
	config.link = &side->link;
	config.pool = side->pool;
	config.forwarder = &forwarder;
	config.context = side;
	assert_int_equal(cothon_stack_create(&config, &side->stack), 0);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_addr addr = host_addr(ipv6);
		assert_int_equal(cothon_stack_add_address(side->stack, &addr), 0);
	}
}

static void side_destroy(struct side *side)
{
	cothon_stack_destroy(side->stack);
	assert_int_equal(cothon_pool_used(side->pool), 0);
	cothon_pool_destroy(side->pool);
	assert_int_equal(side->memory.live, 0);
}

/* Packets up to number `end`, by the link or one by one; a poll after every burst. */
static void feed_link(struct side *side, uint32_t end, unsigned burst)
{
	while (side->at < end) {
		uint32_t before = side->at, left = end - before;

		side->end = left < burst ? end : before + burst;
		/* Asked for more than there is it says how many there were. */
		assert_int_equal(cothon_stack_receive(side->stack, burst + 3, 1000000),
				 side->end - before);
		assert_int_equal(side->at, side->end);
		cothon_stack_poll(side->stack, 1000000);
	}
}

static void feed_singly(struct side *side, uint32_t end, unsigned burst)
{
	while (side->at < end) {
		for (unsigned i = 0; i < burst && side->at < end; i++, side->at++)
			if (!is_bad(side->at))
				cothon_stack_input(side->stack, buf_of(side, side->at), 1000000);
		cothon_stack_poll(side->stack, 1000000);
	}
}

static uint64_t bad_frames(uint32_t end)
{
	uint64_t count = 0;

	for (uint32_t n = 0; n < end; n++)
		count += is_bad(n);
	return count;
}

static void same_as_one_by_one(void **state)
{
	(void)state;
	static const unsigned bursts[] = {1, 5, COTHON_AHEAD, 64};

	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		struct side together, singly;
		struct cothon_counters counters;

		side_create(&together);
		side_create(&singly);
		feed_link(&together, PACKETS, bursts[i]);
		feed_singly(&singly, PACKETS, bursts[i]);
		counters = *cothon_stack_counters(together.stack);
		assert_true(counters.ip_bad_header > bad_frames(PACKETS));
		counters.ip_bad_header -= bad_frames(PACKETS);
		assert_memory_equal(&counters, cothon_stack_counters(singly.stack),
				    sizeof(counters));
		assert_true(together.sent == singly.sent && together.given == singly.given);
		/* The flows were there, and much else happened. */
		assert_true(together.given > FLOWS && counters.tcp_resets_out > 100);
		assert_true(counters.ip_bad_checksum > 100 && counters.udp_in > 100);
		side_destroy(&together);
		side_destroy(&singly);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
