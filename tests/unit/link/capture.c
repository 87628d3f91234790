/* SPDX-License-Identifier: MIT */
#include <cothon/capture.h>

#include "link/pcapng.h"
#include "link/segments.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* --- blocks --- */

static void blocks_are_those_of_the_format(void **state)
{
	static const uint8_t section[] = {0x0a, 0x0d, 0x0d, 0x0a, 40, 0, 0,    0,    0x4d, 0x3c,
					  0x2b, 0x1a, 1,    0,    0,  0, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 4,  0, 1,    0,    'x',  0,
					  0,    0,    0,    0,    0,  0, 40,   0,    0,    0};
	static const uint8_t interface[] = {1,  0, 0, 0, 48,  0,   0,   0,   101, 0,   0,   0,
					    96, 0, 0, 0, 2,   0,   3,   0,   'w', 'e', 'b', 0,
					    3,  0, 4, 0, 'a', ' ', 'b', 'c', 9,   0,   1,   0,
					    9,  0, 0, 0, 0,   0,   0,   0,   48,  0,   0,   0};
	static const uint8_t head[] = {6, 0, 0,    0,    56,   0,    0,    0,    0,    0,
				       0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
				       3, 0, 0,    0,    7,    0,    0,    0};
	static const uint8_t tail[] = {0, 1, 0, 2, 0, 'h', 'i', 0, 0,  2, 0, 4, 0,
				       1, 0, 0, 0, 0, 0,   0,   0, 56, 0, 0, 0};
	static const uint8_t statistics[] = {5, 0, 0, 0, 76, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0,
					     2, 0, 0, 0, 2,  0, 8, 0, 0,  0, 0, 0, 1, 0, 0, 0,
					     3, 0, 8, 0, 0,  0, 0, 0, 2,  0, 0, 0, 4, 0, 8, 0,
					     3, 0, 0, 0, 0,  0, 0, 0, 5,  0, 8, 0, 4, 0, 0, 0,
					     0, 0, 0, 0, 0,  0, 0, 0, 76, 0, 0, 0};
	const struct cothon_pcapng_packet packet = {
		.at = UINT64_C(0x5566778811223344),
		.captured = 3,
		.len = 7,
		.received = true,
		.comment = "hi",
	};
	const struct cothon_pcapng_statistics figures = {1, 2, 3, 4};
	uint8_t out[1024];

	(void)state;
	assert_int_equal(cothon_pcapng_section("x", out), sizeof(section));
	assert_memory_equal(out, section, sizeof(section));
	assert_int_equal(cothon_pcapng_interface(96, "web", "a bc", out), sizeof(interface));
	assert_memory_equal(out, interface, sizeof(interface));
	assert_int_equal(cothon_pcapng_head(&packet, out), sizeof(head));
	assert_memory_equal(out, head, sizeof(head));
	assert_int_equal(cothon_pcapng_tail(&packet, out), sizeof(tail));
	assert_memory_equal(out, tail, sizeof(tail));
	assert_int_equal(cothon_pcapng_packet_len(&packet), sizeof(head) + 3 + sizeof(tail));
	assert_int_equal(cothon_pcapng_statistics(&figures, out), sizeof(statistics));
	assert_memory_equal(out, statistics, sizeof(statistics));
}

/* The longest texts fit the room that is told, and are cut between characters. */
static void texts_are_bounded(void **state)
{
	char text[1000];
	struct cothon_pcapng_packet packet = {.captured = 1, .len = 1, .comment = text};
	uint8_t *out = malloc(COTHON_PCAPNG_INTERFACE);

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	/* A character of two bytes, of which one would be left. */
	text[254] = '\xc3';
	text[255] = '\xa4';
	assert_in_range(cothon_pcapng_interface(0, text, text, out), 2 * 254,
			COTHON_PCAPNG_INTERFACE);
	out = realloc(out, COTHON_PCAPNG_SECTION);
	assert_in_range(cothon_pcapng_section(text, out), 254, COTHON_PCAPNG_SECTION);
	out = realloc(out, COTHON_PCAPNG_TAIL);
	assert_in_range(cothon_pcapng_tail(&packet, out), 254, COTHON_PCAPNG_TAIL);
	assert_int_equal(out[3 + 2], 254);
	assert_int_equal(out[3 + 4 + 253], 'a');
	assert_int_equal(out[3 + 4 + 254], 0);
	free(out);
}

/* --- segments --- */

static struct cothon_addr addr(const char *text)
{
	struct cothon_addr parsed;

	assert_int_equal(cothon_addr_parse(text, &parsed), 0);
	return parsed;
}

/* A frame, and where its payload begins. */
struct frame {
	uint8_t data[70000];
	size_t len, payload_at;
	struct cothon_offload offload;
};

static void make_ip(struct frame *frame, bool ipv6, uint8_t protocol, size_t payload)
{
	struct cothon_ip ip = {
		.source = addr(ipv6 ? "fd00::1" : "10.0.2.100"),
		.destination = addr(ipv6 ? "2001:db8::1" : "192.0.2.1"),
		.protocol = protocol,
		.hops = 64,
		.dont_fragment = true,
		.ident = 0xffff,
		.payload_len = (uint32_t)payload,
	};

	frame->len = cothon_ip_emit(&ip, frame->data) + payload;
}

static void fill(struct frame *frame)
{
	for (size_t i = frame->payload_at; i < frame->len; i++)
		frame->data[i] = (uint8_t)(i * 7);
}

static void make_tcp(struct frame *frame, bool ipv6, size_t payload, uint16_t size)
{
	const struct cothon_tcp_header tcp = {
		.source_port = 40000,
		.destination_port = 443,
		.seq = {0xffffff00},
		.flags = COTHON_TCP_ACK | COTHON_TCP_PSH | COTHON_TCP_FIN | COTHON_TCP_CWR,
		.has_timestamp = true,
	};
	size_t ip_len = ipv6 ? COTHON_IPV6_HEADER : COTHON_IPV4_HEADER, header;

	make_ip(frame, ipv6, COTHON_IPPROTO_TCP, 32 + payload);
	header = cothon_tcp_emit(&tcp, frame->data + ip_len);
	assert_int_equal(header, 32);
	frame->payload_at = ip_len + header;
	fill(frame);
	frame->offload = (struct cothon_offload){
		.gso = size ? COTHON_GSO_TCP : COTHON_GSO_NONE,
		.gso_size = size,
		.csum_partial = true,
		.header_len = (uint16_t)frame->payload_at,
		.csum_start = (uint16_t)ip_len,
		.csum_offset = 16,
	};
	cothon_put16(frame->data + ip_len + 16,
		     cothon_checksum_fold(cothon_checksum_pseudo(&(struct cothon_addr){0},
								 &(struct cothon_addr){0}, 0, 0)));
}

static void make_udp(struct frame *frame, size_t payload, uint16_t size)
{
	struct cothon_udp_header udp = {.source_port = 40000, .destination_port = 53};

	make_ip(frame, false, COTHON_IPPROTO_UDP, COTHON_UDP_HEADER + payload);
	udp.payload_len = (uint16_t)payload;
	cothon_udp_emit(&udp, frame->data + COTHON_IPV4_HEADER);
	frame->payload_at = COTHON_IPV4_HEADER + COTHON_UDP_HEADER;
	fill(frame);
	frame->offload = (struct cothon_offload){.gso = COTHON_GSO_UDP,
						 .gso_size = size,
						 .csum_partial = true,
						 .csum_start = 20,
						 .csum_offset = 6};
}

/* The packets of a frame, one behind the other, each checked to be right. */
struct packets {
	unsigned count;
	struct cothon_ip ip;
	struct cothon_tcp_header tcp;
	uint8_t payload[70000];
	size_t payload_len;
};

static void check_packet(const struct cothon_segment *segment, struct packets *packets)
{
	uint8_t data[70000];
	size_t len = 0, header;
	struct cothon_bytes inner;
	struct cothon_udp_header udp;

	for (unsigned i = 0; i < segment->count; len += segment->iov[i++].iov_len)
		memcpy(data + len, segment->iov[i].iov_base, segment->iov[i].iov_len);
	assert_int_equal(len, segment->len);
	assert_int_equal(cothon_ip_parse((struct cothon_bytes){data, len}, false, &packets->ip), 0);
	assert_int_equal(packets->ip.header_len + packets->ip.payload_len, len);
	inner = (struct cothon_bytes){data + packets->ip.header_len, packets->ip.payload_len};
	if (packets->ip.protocol == COTHON_IPPROTO_TCP) {
		assert_int_equal(cothon_tcp_parse(inner, &packets->ip, false, &packets->tcp), 0);
		/* Each goes on where the one before has ended. */
		assert_int_equal(packets->tcp.seq.v, (uint32_t)(0xffffff00 + packets->payload_len));
		header = packets->tcp.header_len;
	} else {
		assert_int_equal(cothon_udp_parse(inner, &packets->ip, false, false, &udp), 0);
		assert_int_equal(udp.payload_len, inner.len - COTHON_UDP_HEADER);
		header = COTHON_UDP_HEADER;
	}
	memcpy(packets->payload + packets->payload_len, inner.data + header, inner.len - header);
	packets->payload_len += inner.len - header;
	packets->count++;
}

/* Walks a frame that is given in pieces, and puts it together again. */
static void take_apart(const struct frame *frame, size_t piece, struct packets *packets)
{
	struct iovec iov[COTHON_FRAME_IOV];
	struct cothon_segments segments;
	struct cothon_segment segment;
	unsigned count = 0;

	for (size_t at = 0; at < frame->len; at += iov[count++].iov_len) {
		bool last = count == COTHON_FRAME_IOV - 1 || frame->len - at < piece;

		iov[count] = (struct iovec){(void *)(uintptr_t)(frame->data + at),
					    last ? frame->len - at : piece};
	}
	memset(packets, 0, sizeof(*packets));
	cothon_segments_begin(&segments, iov, count, frame->len, &frame->offload);
	while (cothon_segments_next(&segments, &segment)) {
		uint8_t flags;

		check_packet(&segment, packets);
		flags = packets->tcp.flags;
		if (packets->ip.protocol != COTHON_IPPROTO_TCP || !frame->offload.gso)
			continue;
		assert_int_equal(!!(flags & COTHON_TCP_CWR), packets->count == 1);
		assert_int_equal(!!(flags & COTHON_TCP_FIN),
				 packets->payload_len == frame->len - frame->payload_at);
		if (!packets->ip.version || packets->ip.version == 4)
			assert_int_equal(packets->ip.ident,
					 (uint16_t)(0xffff + packets->count - 1));
	}
	assert_int_equal(packets->payload_len, frame->len - frame->payload_at);
	assert_memory_equal(packets->payload, frame->data + frame->payload_at,
			    packets->payload_len);
}

static void frames_are_cut_as_a_device_does(void **state)
{
	static const size_t pieces[] = {70000, 52, 53, 4001};
	struct frame *frame = calloc(1, sizeof(*frame));
	struct packets *packets = calloc(1, sizeof(*packets));

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
			make_tcp(frame, ipv6, 60001, 1448);
			take_apart(frame, pieces[i], packets);
			assert_int_equal(packets->count, 42);
			make_tcp(frame, ipv6, 1448, 1448);
			take_apart(frame, pieces[i], packets);
			assert_int_equal(packets->count, 1);
		}
		make_udp(frame, 2500, 1000);
		take_apart(frame, pieces[i], packets);
		assert_int_equal(packets->count, 3);
	}
	free(frame);
	free(packets);
}

static void a_checksum_that_was_left_to_the_link_is_completed(void **state)
{
	struct frame *frame = calloc(1, sizeof(*frame));
	struct packets *packets = calloc(1, sizeof(*packets));
	struct cothon_addr from = addr("10.0.2.100"), to = addr("192.0.2.1");

	(void)state;
	make_tcp(frame, false, 1001, 0);
	cothon_put16(frame->data + 20 + 16, cothon_checksum_fold(cothon_checksum_pseudo(
						    &from, &to, COTHON_IPPROTO_TCP, 1033)));
	take_apart(frame, 52, packets);
	assert_int_equal(packets->count, 1);
	free(frame);
	free(packets);
}

static unsigned count_packets(const struct frame *frame, size_t *bytes)
{
	struct iovec iov = {(void *)(uintptr_t)frame->data, frame->len};
	struct cothon_segments segments;
	struct cothon_segment segment;
	unsigned count = 0;

	*bytes = 0;
	cothon_segments_begin(&segments, &iov, 1, frame->len, &frame->offload);
	while (cothon_segments_next(&segments, &segment)) {
		*bytes += segment.len;
		count++;
	}
	return count;
}

/* Frames that lie are one packet, with all their bytes and no other. */
static void frames_that_lie_are_left_as_they_are(void **state)
{
	struct frame *frame = calloc(1, sizeof(*frame)), *good = calloc(1, sizeof(*good));
	uint32_t random = 1;
	size_t bytes;

	(void)state;
	make_tcp(good, false, 5000, 1000);
	*frame = *good;
	frame->offload.gso_size = 1;
	assert_int_equal(count_packets(frame, &bytes), 1);
	frame->offload = (struct cothon_offload){.gso = COTHON_GSO_UDP, .gso_size = 1000};
	assert_int_equal(count_packets(frame, &bytes), 1);
	frame->offload = good->offload;
	frame->data[20 + 12] = 0xff; /* a header that is longer than there is */
	frame->len = 70;
	assert_int_equal(count_packets(frame, &bytes), 1);
	assert_int_equal(bytes, 70);
	for (unsigned i = 0; i < 20000; i++) {
		*frame = (struct frame){.len = 0};
		memcpy(frame->data, good->data, 300);
		frame->offload = good->offload;
		for (unsigned change = 0; change < 3; change++) {
			random = random * 1664525 + 1013904223;
			frame->data[(random >> 8) % 80] = (uint8_t)(random >> 24);
		}
		random = random * 1664525 + 1013904223;
		frame->len = (random >> 8) % 300;
		frame->offload.gso = (uint8_t)((random >> 20) % 3);
		frame->offload.csum_start = (uint16_t)((random >> 4) % 300);
		assert_in_range(count_packets(frame, &bytes), 1, 10);
		assert_true(bytes >= frame->len);
	}
	free(frame);
	free(good);
}

/* --- a capture of a link --- */

struct room {
	struct cothon_pool *pool;
	struct cothon_link *ends[2];
	struct cothon_capture *capture;
	uint64_t now;
};

static uint64_t tell_time(void *context)
{
	struct room *room = context;

	return ++room->now;
}

static const char *comment_on(void *context, const struct cothon_flow *flow)
{
	(void)context;
	return flow->local_port == 443 ? "to 443" : "other";
}

static void set_up(struct room *room, uint64_t size, uint32_t snap, const char *filter)
{
	const struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc, .limit = 1 << 26, .keep = 0};
	struct cothon_capture_config config = {
		.memory = cothon_memory_malloc,
		.name = "web",
		.room = COTHON_CAPTURE_ROOM_MIN,
		.snap = snap,
		.size = size,
		.clock = tell_time,
		.knowledge = {.comment = comment_on, .context = room},
	};
	struct cothon_rule rule;
	struct cothon_rule_error error;

	*room = (struct room){.pool = cothon_pool_create(&pool)};
	assert_int_equal(cothon_wire_open(&cothon_memory_malloc, room->pool, 1500,
					  COTHON_LINK_CSUM | COTHON_LINK_TSO, 1000, room->ends),
			 0);
	if (filter) {
		assert_int_equal(cothon_rule_parse(filter, strlen(filter), true, &rule, &error), 0);
		assert_int_equal(
			cothon_rules_create(&cothon_memory_malloc, &rule, 1, &config.filter), 0);
	}
	config.link = room->ends[1];
	assert_int_equal(cothon_capture_open(&config, &room->capture), 0);
	assert_int_equal(cothon_capture_open(&config, &room->capture), -EBUSY);
}

static void tear_down(struct room *room)
{
	cothon_capture_close(room->capture);
	assert_null(room->ends[1]->tap);
	cothon_link_close(room->ends[0]);
	cothon_link_close(room->ends[1]);
	cothon_pool_destroy(room->pool);
}

/* Sends a frame from one end, and takes it at the other. */
static void pass(struct room *room, const struct frame *frame, bool to_captured)
{
	struct cothon_frame sent = {
		.iov = {{0}, {(void *)(uintptr_t)frame->data, frame->len}},
		.count = 2,
		.len = frame->len,
		.offload = frame->offload,
	};
	struct cothon_buf *buf;

	assert_int_equal(cothon_link_transmit(room->ends[!to_captured], &sent), 0);
	assert_int_equal(cothon_link_receive(room->ends[to_captured], room->pool, &buf), 0);
	cothon_buf_put(buf);
}

/* Takes all out of the buffer. */
static size_t take(struct room *room, uint8_t *file, size_t at)
{
	struct iovec iov[2];
	unsigned count = cothon_capture_peek(room->capture, iov);

	for (unsigned i = 0; i < count; i++) {
		memcpy(file + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
		cothon_capture_consume(room->capture, iov[i].iov_len);
	}
	return at;
}

static uint32_t get(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Walks the blocks of a file, whose lengths all fit. Returns how many packets there are. */
static unsigned walk(const uint8_t *file, size_t len, uint32_t longest)
{
	unsigned packets = 0;
	size_t at = 0;
	uint32_t type = 0;

	while (at < len) {
		uint32_t block = get(file + at + 4);

		type = get(file + at);
		assert_in_range(block, 12, len - at);
		assert_int_equal(block % 4, 0);
		assert_int_equal(get(file + at + block - 4), block);
		if (type == 6) {
			assert_in_range(get(file + at + 20), 1, longest);
			packets++;
		}
		at += block;
	}
	/* The statistics are last. */
	assert_int_equal(type, 5);
	return packets;
}

static void packets_of_both_directions_are_written(void **state)
{
	static uint8_t file[1 << 20];
	struct frame *frame = calloc(1, sizeof(*frame));
	struct room room;
	size_t len;

	(void)state;
	set_up(&room, 0, 0, NULL);
	make_tcp(frame, false, 5000, 1448);
	pass(&room, frame, true);
	pass(&room, frame, false);
	cothon_capture_stop(room.capture);
	assert_false(cothon_capture_runs(room.capture));
	pass(&room, frame, true);
	len = take(&room, file, 0);
	assert_int_equal(walk(file, len, 1500), 8);
	assert_non_null(memmem(file, len, "to 443", 6));
	assert_non_null(memmem(file, len, "other", 5));
	assert_int_equal(cothon_capture_counters(room.capture)->packets, 8);
	assert_int_equal(cothon_capture_counters(room.capture)->bytes, len);
	tear_down(&room);
	free(frame);
}

/* What finds no room is counted, and what is written stays whole, round the end of the buffer. */
static void a_full_buffer_drops_and_counts(void **state)
{
	static uint8_t file[4 << 20];
	struct frame *frame = calloc(1, sizeof(*frame));
	const struct cothon_capture_counters *counters;
	struct room room;
	size_t len = 0;

	(void)state;
	set_up(&room, 0, 0, NULL);
	counters = cothon_capture_counters(room.capture);
	make_tcp(frame, false, 30000, 1448);
	for (unsigned i = 0; i < 40; i++) {
		pass(&room, frame, true);
		if (i % 7 == 6)
			len = take(&room, file, len);
	}
	cothon_capture_stop(room.capture);
	len = take(&room, file, len);
	assert_int_equal(counters->packets, 40 * 21);
	assert_in_range(counters->dropped, 1, 40 * 21 - 1);
	assert_int_equal(walk(file, len, 1500), counters->packets - counters->dropped);
	assert_int_equal(get(file + len - 16), counters->dropped);
	tear_down(&room);
	free(frame);
}

static void size_snap_and_filter_hold(void **state)
{
	static uint8_t file[1 << 20];
	struct frame *frame = calloc(1, sizeof(*frame));
	struct room room;
	size_t len;

	(void)state;
	make_tcp(frame, false, 1400, 0);
	set_up(&room, 10000, 0, NULL);
	while (cothon_capture_runs(room.capture))
		pass(&room, frame, true);
	len = take(&room, file, 0);
	assert_in_range(len, 8000, 10000);
	assert_in_range(walk(file, len, 1500), 5, 6);
	tear_down(&room);

	set_up(&room, 0, 60, "192.0.2.1:443");
	pass(&room, frame, true); /* to it */
	pass(&room, frame,
	     false); /* a packet of the wrong direction: its remote end is 10.0.2.100 */
	make_udp(frame, 100, 0);
	frame->offload.gso = COTHON_GSO_NONE;
	pass(&room, frame, true); /* to port 53 */
	cothon_capture_stop(room.capture);
	len = take(&room, file, 0);
	assert_int_equal(walk(file, len, 60), 1);
	tear_down(&room);
	free(frame);
}

static void what_cannot_be_is_refused(void **state)
{
	struct cothon_link link = {0};
	struct cothon_capture_config config = {
		.memory = cothon_memory_malloc,
		.link = &link,
		.room = COTHON_CAPTURE_ROOM_MIN - 1,
		.clock = tell_time,
	};
	struct cothon_capture *capture;

	(void)state;
	assert_int_equal(cothon_capture_open(&config, &capture), -EINVAL);
	config.room++;
	config.size = 100;
	assert_int_equal(cothon_capture_open(&config, &capture), -EINVAL);
	assert_null(link.tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_those_of_the_format),
		cmocka_unit_test(texts_are_bounded),
		cmocka_unit_test(frames_are_cut_as_a_device_does),
		cmocka_unit_test(a_checksum_that_was_left_to_the_link_is_completed),
		cmocka_unit_test(frames_that_lie_are_left_as_they_are),
		cmocka_unit_test(packets_of_both_directions_are_written),
		cmocka_unit_test(a_full_buffer_drops_and_counts),
		cmocka_unit_test(size_snap_and_filter_hold),
		cmocka_unit_test(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
