/* SPDX-License-Identifier: MIT */
#include <cothon/link.h>

#include "device.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	UDP_SEGMENT_OPTION = 103
};

/*
 * The next frame of a protocol and family; others, which the kernel sends of its own accord
 * (multicast listener reports, router solicitations), are passed over.
 */
static struct cothon_buf *receive(struct device *device, unsigned family, uint8_t protocol,
				  struct cothon_ip *ip)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = device->fd, .events = POLLIN};
		struct cothon_buf *buf;
		int error = cothon_link_receive(device->link, device->pool, &buf);

		if (error == -EAGAIN) {
			assert_int_equal(poll(&poll_fd, 1, DEVICE_WAIT), 1);
			continue;
		}
		assert_int_equal(error, 0);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){buf->data, buf->len},
						 buf->offload.gso != COTHON_GSO_NONE, ip),
				 0);
		assert_true(buf->data - buf->store >= COTHON_HEADROOM);
		if (ip->version == (family == 0 ? 4 : 6) && ip->protocol == protocol)
			return buf;
		cothon_buf_put(buf);
	}
}

static struct cothon_bytes upper(const struct cothon_buf *buf, const struct cothon_ip *ip)
{
	return (struct cothon_bytes){buf->data + ip->header_len, ip->payload_len};
}

static void fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
}

/* A packet of ours to the kernel's side, in two pieces: headers, payload. */
struct outgoing {
	struct cothon_frame frame;
	uint8_t headers[128];
	size_t ip_len, len;
	uint64_t pseudo;
};

static void begin_packet(struct outgoing *out, const struct device *device, unsigned family,
			 uint8_t protocol, size_t transport_len)
{
	struct cothon_ip ip = {
		.source = device->ours[family],
		.destination = device->kernel[family],
		.protocol = protocol,
		.hops = 64,
		.payload_len = (uint32_t)transport_len,
	};

	memset(out, 0, sizeof(*out));
	out->ip_len = out->len = cothon_ip_emit(&ip, out->headers);
	out->pseudo = cothon_checksum_pseudo(&ip.source, &ip.destination, protocol,
					     (uint32_t)transport_len);
}

/*
 * Finishes the packet, whose transport header of `header_len` bytes has been written, and sends it.
 */
static void transmit(struct device *device, struct outgoing *out, size_t header_len,
		     size_t csum_offset, const void *payload, size_t payload_len, bool partial)
{
	struct cothon_frame *frame = &out->frame;
	uint8_t *field = out->headers + out->ip_len + csum_offset;

	out->len += header_len;
	frame->iov[1] = (struct iovec){out->headers, out->len};
	frame->iov[2] = (struct iovec){(void *)payload, payload_len};
	frame->count = 3;
	frame->len = out->len + payload_len;
	frame->offload.header_len = (uint16_t)out->len;
	if (partial) {
		frame->offload.csum_partial = true;
		frame->offload.csum_start = (uint16_t)out->ip_len;
		frame->offload.csum_offset = (uint16_t)csum_offset;
		cothon_put16(field, cothon_checksum_fold(out->pseudo));
	} else {
		uint64_t sum = cothon_checksum_add_iov(out->pseudo, frame->iov + 1, 2, out->ip_len);

		cothon_put16(field, cothon_checksum_finish(sum));
	}
	assert_int_equal(cothon_link_transmit(device->link, frame), 0);
}

static void send_udp(struct device *device, unsigned family, const void *payload, size_t len,
		     uint16_t gso_size, bool partial)
{
	struct outgoing out;
	struct cothon_udp_header udp = {.source_port = DEVICE_PORT,
					.destination_port = DEVICE_PORT,
					.payload_len = (uint16_t)len};

	begin_packet(&out, device, family, COTHON_UDP, COTHON_UDP_HEADER + len);
	cothon_udp_emit(&udp, out.headers + out.len);
	if (gso_size) {
		out.frame.offload.gso = COTHON_GSO_UDP;
		out.frame.offload.gso_size = gso_size;
	}
	transmit(device, &out, COTHON_UDP_HEADER, 6, payload, len, partial);
}

static void test_open(void **state)
{
	struct cothon_link *link = NULL;
	char name[IFNAMSIZ];
	int fds[2], fd;

	(void)state;
	device_need();
	fd = device_open(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, name);
	assert_true(fd >= 0);
	assert_int_equal(cothon_tun_open(fd, 1279, &link), -EINVAL);
	assert_int_equal(cothon_tun_open(fd, 65536, &link), -EINVAL);
	assert_int_equal(cothon_tun_open(fd, 1280, &link), 0);
	assert_int_equal(link->mtu, 1280);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	/* Every kernel that has virtio headers on TUN has these. */
	assert_int_equal(link->features & (COTHON_LINK_CSUM | COTHON_LINK_TSO),
			 COTHON_LINK_CSUM | COTHON_LINK_TSO);
	cothon_link_close(link);

	/* A device of another kind, or none: it stays open, and the caller's. */
	fd = device_open(IFF_TUN | IFF_NO_PI, name);
	assert_true(fd >= 0);
	assert_int_equal(cothon_tun_open(fd, DEVICE_MTU, &link), -EINVAL);
	assert_int_equal(close(fd), 0);
	fd = device_open(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, name);
	assert_true(fd >= 0);
	assert_int_equal(cothon_tun_open(fd, DEVICE_MTU, &link), -EINVAL);
	assert_int_equal(close(fd), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(cothon_tun_open(fds[0], DEVICE_MTU, &link), -ENOTTY);
	close(fds[0]);
	close(fds[1]);
}

static void test_udp_out(void **state)
{
	struct device device;
	uint8_t payload[1400], got[2000];

	(void)state;
	device_begin(&device);
	fill(payload, sizeof(payload));
	for (unsigned family = 0; family < 2; family++) {
		int fd = device_socket(&device, family, SOCK_DGRAM);

		/* The kernel takes a checksum of ours, and makes one where we leave it to it. */
		for (int partial = 0; partial < 2; partial++) {
			for (size_t len = 0; len <= sizeof(payload); len += 175) {
				send_udp(&device, family, payload, len, 0, partial);
				assert_int_equal(recv(fd, got, sizeof(got), 0), len);
				assert_memory_equal(got, payload, len);
			}
		}
		close(fd);
	}
	device_end(&device);
}

static void test_udp_in(void **state)
{
	struct device device;
	uint8_t payload[1400];

	(void)state;
	device_begin(&device);
	fill(payload, sizeof(payload));
	for (unsigned family = 0; family < 2; family++) {
		int fd = device_socket(&device, family, SOCK_DGRAM);
		struct sockaddr_storage to;
		socklen_t to_len = device_sockaddr(&device.ours[family], 53, &to);

		for (size_t len = 0; len <= sizeof(payload); len += 175) {
			struct cothon_udp_header udp;
			struct cothon_buf *buf;
			struct cothon_ip ip;

			assert_int_equal(
				sendto(fd, payload, len, 0, (struct sockaddr *)&to, to_len), len);
			buf = receive(&device, family, COTHON_UDP, &ip);
			assert_true(cothon_addr_equal(&ip.source, &device.kernel[family]));
			assert_true(cothon_addr_equal(&ip.destination, &device.ours[family]));
			/* The kernel leaves the checksum to us: then there is nothing to verify. */
			assert_true(buf->offload.csum_partial);
			assert_true(buf->offload.csum_valid);
			assert_int_equal(buf->offload.csum_start, ip.header_len);
			assert_int_equal(buf->offload.csum_offset, 6);
			assert_int_equal(cothon_udp_parse(upper(buf, &ip), &ip, true, false, &udp),
					 0);
			assert_int_equal(udp.source_port, DEVICE_PORT);
			assert_int_equal(udp.destination_port, 53);
			assert_int_equal(udp.payload_len, len);
			assert_memory_equal(upper(buf, &ip).data + 8, payload, len);
			cothon_buf_put(buf);
		}
		close(fd);
	}
	device_end(&device);
}

static void test_udp_segments(void **state)
{
	enum {
		SEGMENT = 1400,
		COUNT = 45,
		LAST = 700,
		TOTAL = SEGMENT * (COUNT - 1) + LAST
	};
	static uint8_t payload[TOTAL], got[TOTAL];
	struct device device;

	(void)state;
	device_begin(&device);
	fill(payload, TOTAL);
	if (!(device.link->features & COTHON_LINK_USO)) {
		printf("# skipped, this kernel does not cut UDP on TUN devices (Linux 6.2)\n");
		device_end(&device);
		skip();
	}
	for (unsigned family = 0; family < 2; family++) {
		int fd = device_socket(&device, family, SOCK_DGRAM);
		int segment = SEGMENT, size = 1 << 20;
		struct sockaddr_storage to;
		socklen_t to_len = device_sockaddr(&device.ours[family], 53, &to);
		struct cothon_udp_header udp;
		struct cothon_buf *buf;
		struct cothon_ip ip;

		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
		/* One frame from us is as many datagrams there. */
		send_udp(&device, family, payload, TOTAL, SEGMENT, true);
		for (size_t i = 0; i < COUNT; i++) {
			size_t len = i < COUNT - 1 ? SEGMENT : LAST;

			assert_int_equal(recv(fd, got, sizeof(got), 0), len);
			assert_memory_equal(got, payload + SEGMENT * i, len);
		}

		/* And the other way round. */
		assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT_OPTION, &segment,
					    sizeof(segment)),
				 0);
		assert_int_equal(sendto(fd, payload, TOTAL, 0, (struct sockaddr *)&to, to_len),
				 TOTAL);
		buf = receive(&device, family, COTHON_UDP, &ip);
		assert_int_equal(buf->offload.gso, COTHON_GSO_UDP);
		assert_int_equal(buf->offload.gso_size, SEGMENT);
		assert_int_equal(cothon_udp_parse(upper(buf, &ip), &ip, true, true, &udp), 0);
		assert_int_equal(udp.payload_len, TOTAL);
		assert_memory_equal(upper(buf, &ip).data + 8, payload, TOTAL);
		cothon_buf_put(buf);
		close(fd);
	}
	device_end(&device);
}

/* Our side of a TCP connection, spoken by hand. */
struct hand {
	struct device *device;
	unsigned family;
	uint16_t port; /* of the kernel's side */
	struct cothon_seq next, expected;
};

static void send_tcp(struct hand *hand, uint8_t flags, const void *payload, size_t len)
{
	struct outgoing out;
	struct cothon_tcp_header tcp = {
		.source_port = DEVICE_PORT,
		.destination_port = hand->port,
		.seq = hand->next,
		.ack = hand->expected,
		.window = 65535,
		.flags = flags,
		.has_mss = flags & COTHON_TCP_SYN,
		.mss = 1400,
	};
	uint8_t scratch[COTHON_TCP_HEADER_MAX];
	size_t header_len = cothon_tcp_emit(&tcp, scratch);

	begin_packet(&out, hand->device, hand->family, COTHON_TCP, header_len + len);
	cothon_tcp_emit(&tcp, out.headers + out.len);
	if (len > 1400) {
		out.frame.offload.gso = COTHON_GSO_TCP;
		out.frame.offload.gso_size = 1400;
	}
	transmit(hand->device, &out, header_len, 16, payload, len, true);
	hand->next = cothon_seq_add(hand->next, (uint32_t)len + (flags & COTHON_TCP_SYN ? 1 : 0));
}

/* The next segment, of which `payload` then shows the data. The caller puts the buffer back. */
static struct cothon_buf *receive_tcp(struct hand *hand, struct cothon_tcp_header *tcp,
				      struct cothon_bytes *payload)
{
	struct cothon_ip ip;
	struct cothon_buf *buf = receive(hand->device, hand->family, COTHON_TCP, &ip);
	struct cothon_bytes segment = upper(buf, &ip);

	assert_int_equal(cothon_tcp_parse(segment, &ip, buf->offload.csum_valid, tcp), 0);
	payload->data = segment.data + tcp->header_len;
	payload->len = segment.len - tcp->header_len;
	return buf;
}

/* A connection from the kernel's side to ours; returns the kernel's socket. */
static int shake_hands(struct hand *hand)
{
	int fd = device_socket(hand->device, hand->family, SOCK_STREAM);
	struct sockaddr_storage to;
	socklen_t to_len = device_sockaddr(&hand->device->ours[hand->family], DEVICE_PORT, &to);
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	struct cothon_tcp_header tcp;
	struct cothon_bytes payload;
	struct linger linger = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, to_len), -1);
	assert_int_equal(errno, EINPROGRESS);
	cothon_buf_put(receive_tcp(hand, &tcp, &payload));
	assert_int_equal(tcp.flags & ~(COTHON_TCP_ECE | COTHON_TCP_CWR), COTHON_TCP_SYN);
	assert_true(tcp.has_mss && tcp.has_timestamp && tcp.has_window_scale && tcp.sack_permitted);
	assert_int_equal(tcp.mss, hand->family == 0 ? 1460 : 1440);
	hand->port = tcp.source_port;
	hand->expected = cothon_seq_add(tcp.seq, 1);
	hand->next.v = 0xfffff000; /* wraps on the way */
	send_tcp(hand, COTHON_TCP_SYN | COTHON_TCP_ACK, NULL, 0);
	assert_int_equal(poll(&poll_fd, 1, DEVICE_WAIT), 1);
	cothon_buf_put(receive_tcp(hand, &tcp, &payload));
	assert_int_equal(tcp.ack.v, hand->next.v);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	return fd;
}

static void test_tcp_segments(void **state)
{
	enum {
		TOTAL = 50000
	};
	static uint8_t payload[TOTAL], got[TOTAL];
	struct device device;

	(void)state;
	device_begin(&device);
	fill(payload, TOTAL);
	for (unsigned family = 0; family < 2; family++) {
		struct hand hand = {.device = &device, .family = family};
		int fd = shake_hands(&hand);
		struct cothon_tcp_header tcp;
		unsigned large = 0;
		size_t done = 0;

		/* In: the kernel gives whole frames, larger than the DEVICE_MTU. */
		assert_int_equal(send(fd, payload, TOTAL, 0), TOTAL);
		while (done < TOTAL) {
			struct cothon_bytes data;
			struct cothon_buf *buf = receive_tcp(&hand, &tcp, &data);

			assert_int_equal(tcp.seq.v, hand.expected.v);
			assert_true(data.len <= TOTAL - done);
			memcpy(got + done, data.data, data.len);
			done += data.len;
			if (buf->offload.gso == COTHON_GSO_TCP) {
				assert_int_equal(buf->offload.gso_size, 1400);
				assert_true(data.len > 1400);
				large++;
			}
			cothon_buf_put(buf);
			hand.expected = cothon_seq_add(hand.expected, (uint32_t)data.len);
			send_tcp(&hand, COTHON_TCP_ACK, NULL, 0);
		}
		assert_memory_equal(got, payload, TOTAL);
		assert_true(large > 0);

		/* Out: the kernel takes a frame of many segments. */
		memset(got, 0, TOTAL);
		send_tcp(&hand, COTHON_TCP_ACK | COTHON_TCP_PSH, payload, TOTAL);
		for (done = 0; done < TOTAL;) {
			ssize_t n = recv(fd, got + done, TOTAL - done, 0);

			assert_true(n > 0);
			done += (size_t)n;
		}
		assert_memory_equal(got, payload, TOTAL);
		close(fd);
	}
	device_end(&device);
}

static void test_device_down(void **state)
{
	struct device device;
	uint8_t packet[20] = {0x45};
	struct cothon_frame frame = {
		.iov = {{0}, {packet, sizeof(packet)}}, .count = 2, .len = sizeof(packet)};

	(void)state;
	device_begin(&device);
	device_set_up(device.name, false);
	assert_int_equal(cothon_link_transmit(device.link, &frame), -EIO);
	device_set_up(device.name, true);
	assert_int_equal(cothon_link_transmit(device.link, &frame), 0);
	device_end(&device);
}

/* Memory that can be made to run out. */
static bool memory_empty;

static void *some_alloc(void *context, size_t size)
{
	(void)context;
	return memory_empty ? NULL : malloc(size);
}

static void test_no_memory(void **state)
{
	struct cothon_pool_config config = {.memory = cothon_memory_malloc, .limit = SIZE_MAX};
	struct sockaddr_storage to;
	struct cothon_pool *full;
	struct cothon_buf *buf;
	struct device device;
	struct cothon_ip ip;
	socklen_t to_len;
	int fd;

	(void)state;
	device_begin(&device);
	config.memory.alloc = some_alloc;
	full = cothon_pool_create(&config);
	assert_non_null(full);
	fd = device_socket(&device, 0, SOCK_DGRAM);
	to_len = device_sockaddr(&device.ours[0], 53, &to);
	assert_int_equal(sendto(fd, "kept", 4, 0, (struct sockaddr *)&to, to_len), 4);
	memory_empty = true;
	assert_int_equal(cothon_link_receive(device.link, full, &buf), -ENOMEM);
	memory_empty = false;
	/* The frame has waited. */
	buf = receive(&device, 0, COTHON_UDP, &ip);
	assert_memory_equal(upper(buf, &ip).data + 8, "kept", 4);
	cothon_buf_put(buf);
	cothon_pool_destroy(full);
	close(fd);
	device_end(&device);
}

static void test_nothing_there(void **state)
{
	struct device device;
	struct cothon_buf *buf;
	int error;

	(void)state;
	device_begin(&device);
	do {
		error = cothon_link_receive(device.link, device.pool, &buf);
		if (error == 0)
			cothon_buf_put(buf);
	} while (error == 0);
	assert_int_equal(error, -EAGAIN);
	assert_int_equal(cothon_pool_used(device.pool), 0);
	device_end(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),         cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_udp_out),      cmocka_unit_test(test_udp_in),
		cmocka_unit_test(test_udp_segments), cmocka_unit_test(test_tcp_segments),
		cmocka_unit_test(test_device_down),  cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, device_find_out, NULL);
}
