/* SPDX-License-Identifier: MIT */
#include "host.h"

#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Memory */

static void *counted_alloc(void *context, size_t size)
{
	struct host_memory *memory = context;
	void *result;

	memory->allocations++;
	if ((memory->fail_every && memory->allocations % memory->fail_every == 0) ||
	    (memory->fail_from && memory->allocations >= memory->fail_from))
		return NULL;
	result = malloc(size);
	if (!result)
		abort();
	memory->live += size;
	return result;
}

static void counted_free(void *context, void *memory, size_t size)
{
	struct host_memory *counted = context;

	if (counted->live < size)
		abort();
	counted->live -= size;
	free(memory);
}

struct cothon_memory host_memory_of(struct host_memory *memory)
{
	return (struct cothon_memory){counted_alloc, counted_free, memory};
}

/* The link */

/* What a transport's checksum has to be on the wire, for a frame that the link does not complete. */
static void check_transport(struct cothon_bytes bytes, const struct cothon_ip *ip)
{
	struct cothon_tcp_header tcp;
	struct cothon_udp_header udp;
	struct cothon_icmp icmp;

	if (ip->protocol == COTHON_IPPROTO_TCP)
		assert_int_equal(cothon_tcp_parse(bytes, ip, false, &tcp), 0);
	else if (ip->protocol == COTHON_IPPROTO_UDP)
		assert_int_equal(cothon_udp_parse(bytes, ip, false, false, &udp), 0);
	else
		assert_int_equal(cothon_icmp_parse(bytes, ip, false, &icmp), 0);
}

/* Nothing ever leaves that is not what it says it is. */
static void check_frame(const struct host *host, const struct host_frame *frame)
{
	const struct cothon_offload *offload = &frame->offload;
	unsigned needed = (offload->csum_partial ? COTHON_LINK_CSUM : 0) |
			  (offload->gso == COTHON_GSO_TCP ? COTHON_LINK_TSO : 0) |
			  (offload->gso == COTHON_GSO_UDP ? COTHON_LINK_USO : 0);
	struct cothon_bytes bytes = {frame->data, frame->len};
	struct cothon_ip ip;

	assert_int_equal(needed & ~host->link.features, 0);
	assert_true(frame->len <= (offload->gso ? COTHON_FRAME_MAX : host->link.mtu));
	assert_int_equal(cothon_ip_parse(bytes, offload->gso != COTHON_GSO_NONE, &ip), 0);
	assert_int_equal(ip.header_len + ip.payload_len, frame->len);
	/* A cut frame's checksums are made when it is cut. */
	if (offload->gso)
		assert_true(offload->csum_partial && offload->gso_size > 0);
	if (offload->csum_partial)
		assert_int_equal(offload->csum_start, ip.header_len);
	else if (!ip.fragment)
		check_transport((struct cothon_bytes){frame->data + ip.header_len, ip.payload_len},
				&ip);
}

static int transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct host *host = (struct host *)link;
	struct host_frame *copy;
	size_t len = 0;

	if (host->refuse)
		return host->refuse;
	copy = malloc(sizeof(*copy) + frame->len);
	assert_non_null(copy);
	assert_true(frame->count <= COTHON_FRAME_IOV);
	for (unsigned i = 1; i < frame->count; i++) {
		assert_true(len + frame->iov[i].iov_len <= frame->len);
		memcpy(copy->data + len, frame->iov[i].iov_base, frame->iov[i].iov_len);
		len += frame->iov[i].iov_len;
	}
	assert_int_equal(len, frame->len);
	copy->next = NULL;
	copy->len = len;
	copy->offload = frame->offload;
	check_frame(host, copy);
	*host->last = copy;
	host->last = &copy->next;
	host->waiting++;
	return 0;
}

static int receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	(void)link;
	(void)pool;
	(void)buf;
	return -EAGAIN;
}

static void close_link(struct cothon_link *link)
{
	(void)link;
}

static const struct cothon_link_ops ops = {transmit, receive, close_link};

/* Life */

void host_create(struct host *host, const struct host_setup *setup)
{
	static const struct host_setup none;
	struct cothon_pool_config pool = {.limit = SIZE_MAX};
	struct cothon_stack_config config;
	struct cothon_addr addr;

	if (!setup)
		setup = &none;
	*host = (struct host){
		.link = {.ops = &ops,
			 .mtu = setup->mtu ? setup->mtu : 1500,
			 .features = setup->features},
		.now = setup->now ? setup->now : 1000000,
	};
	host->last = &host->first;
	pool.memory = host_memory_of(&host->memory);
	if (setup->pool_limit)
		pool.limit = setup->pool_limit;
	host->pool = cothon_pool_create(&pool);
	assert_non_null(host->pool);
	config = (struct cothon_stack_config){
		.memory = host_memory_of(&host->memory),
		.link = &host->link,
		.pool = host->pool,
		.now = host->now,
		.forwarder = setup->forwarder,
		.context = setup->context,
	};
	memcpy(config.seed, &setup->seed, sizeof(setup->seed));
	if (setup->configure)
		setup->configure(&config);
	assert_int_equal(cothon_stack_create(&config, &host->stack), 0);
	host->counters = cothon_stack_counters(host->stack);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		addr = host_addr(ipv6);
		assert_int_equal(cothon_stack_add_address(host->stack, &addr), 0);
	}
	host->deadline = cothon_stack_poll(host->stack, host->now);
}

void host_destroy(struct host *host)
{
	host->memory.fail_every = host->memory.fail_from = 0;
	cothon_stack_destroy(host->stack);
	assert_int_equal(cothon_pool_used(host->pool), 0);
	cothon_pool_destroy(host->pool);
	assert_int_equal(host->memory.live, 0);
	host_drop_all(host);
}

struct cothon_addr host_parse(const char *text)
{
	struct cothon_addr addr;

	assert_int_equal(cothon_addr_parse(text, &addr), 0);
	return addr;
}

struct cothon_addr host_addr(bool ipv6)
{
	return host_parse(ipv6 ? "2001:db8::1" : "192.0.2.1");
}

struct cothon_addr host_peer(bool ipv6)
{
	return host_parse(ipv6 ? "2001:db8::2" : "192.0.2.2");
}

struct cothon_endpoint host_endpoint(const char *addr, uint16_t port)
{
	return (struct cothon_endpoint){host_parse(addr), port};
}

/* Driving it */

void host_input_offload(struct host *host, const void *data, size_t len,
			const struct cothon_offload *offload)
{
	struct cothon_buf *buf = cothon_buf_get(host->pool, len);

	/* A link without memory for a frame loses it. */
	if (!buf)
		return;
	memcpy(buf->data, data, len);
	buf->len = (uint32_t)len;
	buf->offload = *offload;
	cothon_stack_input(host->stack, buf, host->now);
	host_poll(host);
}

void host_input(struct host *host, const void *data, size_t len)
{
	host_input_offload(host, data, len, &(struct cothon_offload){0});
}

void host_poll(struct host *host)
{
	/* What handlers bring about is told in the next round. */
	do
		host->deadline = cothon_stack_poll(host->stack, host->now);
	while (host->deadline <= host->now && !host->refuse);
}

void host_advance(struct host *host, uint64_t microseconds)
{
	uint64_t end = host->now + microseconds;

	while (host->deadline <= end) {
		if (host->deadline > host->now)
			host->now = host->deadline;
		host_poll(host);
		/* A link that takes nothing is asked again and again. */
		if (host->deadline <= host->now)
			host->now++;
	}
	host->now = end;
	host_poll(host);
}

struct host_frame *host_take(struct host *host)
{
	struct host_frame *frame = host->first;

	if (!frame)
		fail_msg("nothing was sent");
	host->first = frame->next;
	if (!host->first)
		host->last = &host->first;
	host->waiting--;
	return frame;
}

void host_drop_all(struct host *host)
{
	while (host->first)
		free(host_take(host));
}

/* Packets */

struct cothon_ip host_header(bool ipv6, bool from_host, uint8_t protocol)
{
	return (struct cothon_ip){
		.source = from_host ? host_addr(ipv6) : host_peer(ipv6),
		.destination = from_host ? host_peer(ipv6) : host_addr(ipv6),
		.version = ipv6 ? 6 : 4,
		.protocol = protocol,
	};
}

size_t host_ip(uint8_t *out, struct cothon_ip ip, const void *payload, size_t len)
{
	size_t header;

	if (ip.hops == 0)
		ip.hops = 64;
	ip.payload_len = (uint32_t)len;
	header = cothon_ip_emit(&ip, out);
	if (len)
		memcpy(out + header, payload, len);
	return header + len;
}

size_t host_udp(uint8_t *out, const struct cothon_endpoint *from, const struct cothon_endpoint *to,
		const void *payload, size_t len)
{
	struct cothon_ip ip = {
		.source = from->addr,
		.destination = to->addr,
		.protocol = COTHON_IPPROTO_UDP,
	};
	struct cothon_udp_header udp = {from->port, to->port, (uint16_t)len, 0};
	uint8_t *bytes = malloc(COTHON_UDP_HEADER + len);
	uint64_t sum = cothon_checksum_pseudo(&from->addr, &to->addr, COTHON_IPPROTO_UDP,
					      (uint32_t)(COTHON_UDP_HEADER + len));
	size_t total;

	assert_non_null(bytes);
	cothon_udp_emit(&udp, bytes);
	if (len)
		memcpy(bytes + COTHON_UDP_HEADER, payload, len);
	udp.checksum =
		cothon_checksum_finish(cothon_checksum_add(sum, bytes, COTHON_UDP_HEADER + len));
	if (udp.checksum == 0)
		udp.checksum = 0xffff;
	cothon_udp_emit(&udp, bytes);
	total = host_ip(out, ip, bytes, COTHON_UDP_HEADER + len);
	free(bytes);
	return total;
}

size_t host_icmp(uint8_t *out, const struct cothon_addr *from, const struct cothon_addr *to,
		 uint8_t type, uint8_t code, uint32_t word, const void *rest, size_t len)
{
	bool ipv4 = cothon_addr_is_ipv4(to);
	struct cothon_ip ip = {
		.source = *from,
		.destination = *to,
		.protocol = ipv4 ? COTHON_IPPROTO_ICMP : COTHON_IPPROTO_ICMPV6,
	};
	uint8_t *bytes = malloc(COTHON_ICMP_HEADER + len);
	uint64_t sum = ipv4 ? 0
			    : cothon_checksum_pseudo(from, to, COTHON_IPPROTO_ICMPV6,
						     (uint32_t)(COTHON_ICMP_HEADER + len));
	size_t total;

	assert_non_null(bytes);
	bytes[0] = type;
	bytes[1] = code;
	cothon_put16(bytes + 2, 0);
	cothon_put32(bytes + 4, word);
	if (len)
		memcpy(bytes + COTHON_ICMP_HEADER, rest, len);
	cothon_put16(bytes + 2, cothon_checksum_finish(
					cothon_checksum_add(sum, bytes, COTHON_ICMP_HEADER + len)));
	total = host_ip(out, ip, bytes, COTHON_ICMP_HEADER + len);
	free(bytes);
	return total;
}

/* Datagrams that arrive */

struct host_inbox *host_inbox_open(void)
{
	struct host_inbox *inbox = calloc(1, sizeof(*inbox));

	assert_non_null(inbox);
	return inbox;
}

int host_forward_datagram(void *context, const struct cothon_datagram *datagram)
{
	struct host_inbox *inbox = context;

	inbox->count++;
	inbox->last = *datagram;
	assert_true(datagram->len <= sizeof(inbox->payload));
	memcpy(inbox->payload, datagram->payload, datagram->len);
	inbox->last.payload = inbox->payload;
	return inbox->answer;
}

void host_take_datagram(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	struct host_inbox *inbox = owner;

	inbox->udp = udp;
	host_forward_datagram(inbox, datagram);
}

struct cothon_udp *host_bind(struct host *host, const char *addr, uint16_t port,
			     struct host_inbox *inbox)
{
	struct cothon_endpoint local = host_endpoint(addr, port);
	struct cothon_udp *udp;

	assert_int_equal(cothon_udp_bind(host->stack, &local, host_take_datagram, inbox, &udp), 0);
	return udp;
}

void host_fill(uint8_t *data, size_t len, uint32_t seed)
{
	uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < len; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		data[i] = (uint8_t)(x >> 56);
	}
}
