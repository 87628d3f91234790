/* SPDX-License-Identifier: MIT */
#include "script.h"

#include "stack/tcp/connection.h"
#include "wire/checksum.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The byte with this relative sequence number, of the host or of the peer. */
static uint8_t pattern(bool host, uint32_t seq)
{
	uint32_t x = (seq / 4 + (host ? 1 : 7)) * UINT32_C(0x9e3779b1);

	return (uint8_t)((x ^ x >> 15) >> (8 * (seq % 4)));
}

/* The owner of the flow */

static void handle(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct script *script = owner;
	struct script_flow *flow = &script->flow;

	if (flow->tcp && flow->tcp != tcp) {
		script->stray_events |= events;
		return;
	}
	assert_false(flow->ended);
	flow->tcp = tcp;
	flow->events |= events;
	flow->opened |= (events & COTHON_TCP_OPENED) != 0;
	if (events & COTHON_TCP_ENDED) {
		flow->ended = true;
		flow->error = cothon_tcp_error(tcp);
	}
}

/* Life */

void script_open(struct script *script, const struct script_setup *setup)
{
	static const struct script_setup none;

	memset(script, 0, sizeof(*script));
	script->setup = setup ? *setup : none;
	script->ipv6 = script->setup.ipv6;
	script->window = script->setup.window ? script->setup.window : 65535;
	host_create(&script->host, &script->setup.host);
	script_another(script, SCRIPT_PORT, 40000);
}

struct script_flow script_another(struct script *script, uint16_t host_port, uint16_t peer_port)
{
	struct script_flow before = script->flow;

	script->flow = (struct script_flow){
		.host_port = host_port,
		.peer_port = peer_port,
		.iss = script->setup.iss,
		.ts_base = 1000000,
		.written = 1,
		.read = 1,
	};
	return before;
}

void script_close(struct script *script)
{
	if (script->flow.tcp)
		cothon_tcp_close(script->flow.tcp);
	if (script->listener)
		cothon_listener_close(script->listener);
	host_destroy(&script->host);
}

void script_listen(struct script *script)
{
	struct cothon_endpoint local = {.addr = host_addr(script->ipv6),
					.port = script->flow.host_port};
	unsigned backlog = script->setup.backlog ? script->setup.backlog : 16;

	assert_int_equal(cothon_tcp_listen(script->host.stack, &local, backlog, handle, script,
					   &script->listener),
			 0);
}

void script_connect(struct script *script)
{
	struct cothon_endpoint local = {.addr = host_addr(script->ipv6)};
	struct cothon_endpoint remote = {host_peer(script->ipv6), SCRIPT_PORT};

	assert_int_equal(cothon_tcp_connect(script->host.stack, &local, &remote, handle, script,
					    &script->flow.tcp),
			 0);
	script->flow.peer_port = SCRIPT_PORT;
	script->flow.host_port = cothon_tcp_flow(script->flow.tcp)->local_port;
	host_poll(&script->host);
}

static struct script_segment syn_of(const struct script *script, uint8_t flags)
{
	const struct script_setup *setup = &script->setup;

	return (struct script_segment){
		.flags = flags,
		.ack = flags & ACK ? 1 : 0,
		.options = setup->options,
		.mss = setup->mss ? setup->mss : SCRIPT_MSS,
		.scale = setup->scale,
	};
}

void script_accept(struct script *script)
{
	struct script_segment syn = syn_of(script, SYN);

	script_send_segment(script, &syn);
	script_expect(script, .flags = SYN | ACK, .ack = 1);
	script_send(script, .flags = ACK, .seq = 1, .ack = 1);
	assert_true(script->flow.opened);
	script->flow.events = 0;
	script_quiet(script);
}

void script_connected(struct script *script)
{
	struct script_segment syn = syn_of(script, SYN | ACK);

	script_connect(script);
	script_expect(script, .flags = SYN);
	script_send_segment(script, &syn);
	assert_true(script->flow.opened);
	script_expect(script, .flags = ACK, .seq = 1, .ack = 1);
	script->flow.events = 0;
	script_quiet(script);
}

void script_established(struct script *script, const struct script_setup *setup)
{
	script_open(script, setup);
	script_listen(script);
	script_accept(script);
}

/* What the peer sends */

static struct cothon_tcp_header header_of(struct script *script,
					  const struct script_segment *segment)
{
	const struct script_flow *flow = &script->flow;
	struct cothon_tcp_header header = {
		.source_port = flow->peer_port,
		.destination_port = flow->host_port,
		.seq.v = flow->iss + segment->seq,
		.ack.v = segment->flags & ACK ? flow->host_iss + segment->ack : 0,
		.window = (uint16_t)(segment->zero_window ? 0
				     : segment->window    ? segment->window
							  : script->window),
		.flags = segment->flags,
		.has_mss = segment->options & SCRIPT_WITH_MSS,
		.mss = segment->mss,
		.has_window_scale = segment->options & SCRIPT_WITH_SCALE,
		.window_scale = segment->scale,
		.sack_permitted = segment->options & SCRIPT_WITH_SACK,
		.sack_count = (uint8_t)segment->sacks,
	};

	for (unsigned i = 0; i < segment->sacks; i++) {
		header.sack[i].start.v = flow->host_iss + segment->sack[i].start;
		header.sack[i].end.v = flow->host_iss + segment->sack[i].end;
	}
	header.has_timestamp = !segment->no_timestamp &&
			       (flow->timestamps || (segment->options & SCRIPT_WITH_TIMESTAMPS));
	if (header.has_timestamp) {
		header.ts_value = segment->ts_value
					  ? segment->ts_value
					  : flow->ts_base + (uint32_t)(script->host.now / 1000);
		header.ts_echo = segment->ts_echo       ? segment->ts_echo
				 : segment->flags & ACK ? flow->host_ts
							: 0;
	}
	return header;
}

size_t script_packet(struct script *script, const struct script_segment *segment, uint8_t *out)
{
	struct cothon_tcp_header header = header_of(script, segment);
	struct cothon_ip ip = host_header(script->ipv6, false, COTHON_IPPROTO_TCP);
	uint8_t *bytes = malloc(128 + segment->len);
	size_t len;
	uint64_t sum;

	assert_non_null(bytes);
	len = cothon_tcp_emit(&header, bytes);
	if (segment->raw_len) {
		assert_true(len + segment->raw_len <= COTHON_TCP_HEADER_MAX);
		memcpy(bytes + len, segment->raw_options, segment->raw_len);
		len += segment->raw_len;
		bytes[12] = (uint8_t)(len / 4 << 4);
	}
	/* A SYN's payload begins behind it. */
	for (uint32_t i = 0; i < segment->len; i++)
		bytes[len + i] = pattern(false, segment->seq + i + !!(segment->flags & SYN));
	len += segment->len;
	sum = cothon_checksum_pseudo(&ip.source, &ip.destination, COTHON_IPPROTO_TCP,
				     (uint32_t)len);
	cothon_put16(bytes + 16,
		     (uint16_t)(cothon_checksum_finish(cothon_checksum_add(sum, bytes, len)) ^
				segment->bad_checksum));
	len = host_ip(out, ip, bytes, len);
	free(bytes);
	return len;
}

void script_send_segment(struct script *script, const struct script_segment *segment)
{
	uint8_t *packet = malloc(COTHON_FRAME_MAX);
	struct cothon_offload offload = {0};
	size_t len;

	assert_non_null(packet);
	if (segment->gso_size)
		offload = (struct cothon_offload){
			.gso = COTHON_GSO_TCP, .csum_valid = true, .gso_size = segment->gso_size};
	len = script_packet(script, segment, packet);
	host_input_offload(&script->host, packet, len, &offload);
	free(packet);
}

/* What the host sends */

static void parse(struct script *script, const struct host_frame *frame,
		  struct cothon_tcp_header *tcp, struct cothon_bytes *payload)
{
	struct script_flow *flow = &script->flow;
	struct cothon_addr here = host_addr(script->ipv6), there = host_peer(script->ipv6);
	struct cothon_bytes bytes = {frame->data, frame->len};
	struct cothon_ip ip;

	assert_int_equal(cothon_ip_parse(bytes, frame->offload.gso != COTHON_GSO_NONE, &ip), 0);
	assert_int_equal(ip.protocol, COTHON_IPPROTO_TCP);
	assert_true(cothon_addr_equal(&ip.source, &here));
	assert_true(cothon_addr_equal(&ip.destination, &there));
	assert_true(ip.dont_fragment);
	bytes = (struct cothon_bytes){frame->data + ip.header_len, ip.payload_len};
	assert_int_equal(cothon_tcp_parse(bytes, &ip, true, tcp), 0);
	assert_int_equal(tcp->source_port, flow->host_port);
	assert_int_equal(tcp->destination_port, flow->peer_port);
	*payload = (struct cothon_bytes){bytes.data + tcp->header_len, bytes.len - tcp->header_len};
}

/* SHLD-14: the right edge of the window that is offered stays or moves right. */
static void check_edge(struct script *script, const struct script_segment *segment)
{
	struct script_flow *flow = &script->flow;
	uint32_t scale = segment->flags & SYN ? 0 : flow->host_scale;
	uint32_t edge = segment->ack + (segment->window << scale);

	if (!(segment->flags & ACK) || (segment->flags & RST))
		return;
	if (flow->edge_known)
		assert_true((int32_t)(edge - flow->edge) > -(int32_t)(1u << scale));
	if (!flow->edge_known || (int32_t)(edge - flow->edge) > 0)
		flow->edge = edge;
	flow->edge_known = true;
}

static void learn_syn(struct script *script, const struct cothon_tcp_header *tcp)
{
	struct script_flow *flow = &script->flow;
	unsigned offered = script->setup.options;

	flow->host_iss = tcp->seq.v;
	flow->host_iss_known = true;
	flow->host_scale =
		tcp->has_window_scale && (offered & SCRIPT_WITH_SCALE) ? tcp->window_scale : 0;
	flow->timestamps = tcp->has_timestamp && (offered & SCRIPT_WITH_TIMESTAMPS);
}

struct script_segment script_take(struct script *script)
{
	struct script_flow *flow = &script->flow;
	struct host_frame *frame = host_take(&script->host);
	struct cothon_tcp_header tcp;
	struct cothon_bytes payload;
	struct script_segment segment;

	parse(script, frame, &tcp, &payload);
	if (tcp.flags & SYN)
		learn_syn(script, &tcp);
	segment = (struct script_segment){
		.flags = tcp.flags,
		.seq = tcp.seq.v - (flow->host_iss_known ? flow->host_iss : 0),
		.ack = tcp.flags & ACK ? tcp.ack.v - flow->iss : 0,
		.len = (uint32_t)payload.len,
		.window = tcp.window,
		.zero_window = tcp.window == 0,
		.options = (tcp.has_mss ? SCRIPT_WITH_MSS : 0u) |
			   (tcp.has_window_scale ? SCRIPT_WITH_SCALE : 0u) |
			   (tcp.has_timestamp ? SCRIPT_WITH_TIMESTAMPS : 0u) |
			   (tcp.sack_permitted ? SCRIPT_WITH_SACK : 0u),
		.mss = tcp.mss,
		.scale = tcp.window_scale,
		.has_timestamp = tcp.has_timestamp,
		.ts_value = tcp.ts_value,
		.ts_echo = tcp.ts_echo,
		.sacks = tcp.sack_count,
		.gso_size = frame->offload.gso_size,
	};
	for (unsigned i = 0; i < segment.sacks; i++)
		segment.sack[i] = (struct script_block){tcp.sack[i].start.v - flow->iss,
							tcp.sack[i].end.v - flow->iss};
	for (uint32_t i = 0; i < segment.len; i++)
		assert_int_equal(payload.data[i], pattern(true, segment.seq + i));
	/* RFC 7323 section 3.2: in every segment or in none, but for RST. */
	if (!(tcp.flags & (SYN | RST)))
		assert_int_equal(tcp.has_timestamp, flow->timestamps);
	if (tcp.has_timestamp)
		flow->host_ts = tcp.ts_value;
	check_edge(script, &segment);
	free(frame);
	return segment;
}

static void describe(const struct script_segment *segment, char *text, size_t size)
{
	static const char letters[] = "FSRPAU";
	char flags[8] = {0};
	int used;

	for (unsigned i = 0, at = 0; i < 6; i++) {
		if (segment->flags >> i & 1)
			flags[at++] = letters[i];
	}
	used = snprintf(text, size, "%s seq %u ack %u len %u window %u", flags, segment->seq,
			segment->ack, segment->len, segment->window);
	for (unsigned i = 0; i < segment->sacks; i++)
		used += snprintf(text + used, size - (size_t)used, " sack %u-%u",
				 segment->sack[i].start, segment->sack[i].end);
}

static bool matches(const struct script_segment *got, const struct script_segment *expected)
{
	if ((got->flags & ~PSH) != (expected->flags & ~PSH) || got->seq != expected->seq ||
	    got->len != expected->len)
		return false;
	if ((expected->flags & ACK) && got->ack != expected->ack)
		return false;
	if ((expected->window && got->window != expected->window) ||
	    (expected->zero_window && got->window != 0))
		return false;
	if ((expected->options & ~got->options) || (expected->mss && expected->mss != got->mss))
		return false;
	if (expected->options && (got->flags & SYN) && expected->options != got->options)
		return false;
	if (expected->gso_size && expected->gso_size != got->gso_size)
		return false;
	if (!expected->sacks)
		return true;
	return expected->sacks == got->sacks &&
	       memcmp(expected->sack, got->sack, got->sacks * sizeof(got->sack[0])) == 0;
}

struct script_segment script_expect_segment(struct script *script,
					    const struct script_segment *expected, const char *file,
					    int line)
{
	char wanted[256], what[256];
	struct script_segment got;

	describe(expected, wanted, sizeof(wanted));
	if (!script->host.first)
		fail_msg("%s:%d: expected %s, nothing was sent", file, line, wanted);
	got = script_take(script);
	describe(&got, what, sizeof(what));
	if (!matches(&got, expected))
		fail_msg("%s:%d: expected %s (options %u mss %u), got %s (options %u mss %u)", file,
			 line, wanted, expected->options, expected->mss, what, got.options,
			 got.mss);
	return got;
}

void script_expect_nothing(struct script *script, const char *file, int line)
{
	char what[256];
	struct script_segment got;

	if (!script->host.first)
		return;
	got = script_take(script);
	describe(&got, what, sizeof(what));
	fail_msg("%s:%d: expected nothing, got %s", file, line, what);
}

void script_ignore(struct script *script)
{
	while (script->host.first)
		script_take(script);
}

/* What the owner does */

void script_wait(struct script *script, uint64_t microseconds)
{
	host_advance(&script->host, microseconds);
}

size_t script_write(struct script *script, size_t len)
{
	uint8_t *data = malloc(len + 1);
	ptrdiff_t taken;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = pattern(true, (uint32_t)(script->flow.written + i));
	taken = cothon_tcp_write(script->flow.tcp, data, len);
	assert_true(taken >= 0);
	script->flow.written += (uint64_t)taken;
	free(data);
	host_poll(&script->host);
	return (size_t)taken;
}

ptrdiff_t script_read(struct script *script, size_t len)
{
	uint8_t *data = malloc(len + 1);
	ptrdiff_t got;

	assert_non_null(data);
	got = cothon_tcp_read(script->flow.tcp, data, len);
	for (ptrdiff_t i = 0; i < got; i++)
		assert_int_equal(data[i], pattern(false, (uint32_t)script->flow.read++));
	free(data);
	host_poll(&script->host);
	return got;
}

uint32_t script_widen(struct script *script, uint32_t at)
{
	uint32_t max = script->host.stack->config.max_receive;

	while (script->flow.tcp->rcv.size < max) {
		script_send(script, .flags = ACK, .seq = at, .ack = 1, .len = 500);
		at += 500;
		script_ignore(script);
		assert_int_equal(script_read(script, 500), 500);
		script_ignore(script);
	}
	/* The window follows when there is something to acknowledge. */
	script_send(script, .flags = ACK, .seq = at, .ack = 1, .len = 500);
	script_ignore(script);
	assert_int_equal(script_read(script, 500), 500);
	script_ignore(script);
	return at + 500;
}

void script_shutdown(struct script *script)
{
	cothon_tcp_shutdown(script->flow.tcp);
	host_poll(&script->host);
}

void script_close_flow(struct script *script)
{
	cothon_tcp_close(script->flow.tcp);
	script->flow.tcp = NULL;
	host_poll(&script->host);
}

void script_abort(struct script *script)
{
	cothon_tcp_abort(script->flow.tcp);
	script->flow.tcp = NULL;
	host_poll(&script->host);
}

enum cothon_tcp_state script_state(const struct script *script)
{
	struct cothon_tcp_info info;

	cothon_tcp_info(script->flow.tcp, &info);
	return info.state;
}

/* The peer's FIN, and the host's, on the way to a state. */
static void exchange(struct script *script, enum cothon_tcp_state state,
		     struct script_segment *segment)
{
	if (state == COTHON_TCP_CLOSE_WAIT || state == COTHON_TCP_LAST_ACK) {
		script_send(script, .flags = FIN | ACK, .seq = 1, .ack = 1);
		script_expect(script, .flags = ACK, .seq = 1, .ack = 2);
		segment->seq = 2;
	}
	if (state == COTHON_TCP_ESTABLISHED || state == COTHON_TCP_CLOSE_WAIT)
		return;
	script_shutdown(script);
	script_expect(script, .flags = FIN | ACK, .seq = 1, .ack = segment->seq);
	if (state == COTHON_TCP_FIN_WAIT_1 || state == COTHON_TCP_LAST_ACK)
		return;
	segment->ack = state == COTHON_TCP_CLOSING ? 1 : 2;
	if (state == COTHON_TCP_FIN_WAIT_2) {
		script_send(script, .flags = ACK, .seq = 1, .ack = 2);
		return;
	}
	/* CLOSING: a FIN that does not know of ours; TIME-WAIT: one that does. */
	script_send(script, .flags = FIN | ACK, .seq = 1, .ack = segment->ack);
	script_expect(script, .flags = ACK, .seq = 2, .ack = 2);
	segment->seq = 2;
}

void script_enter(struct script *script, enum cothon_tcp_state state,
		  struct script_segment *segment)
{
	*segment = (struct script_segment){.flags = ACK, .seq = 1, .ack = 1};
	exchange(script, state, segment);
	assert_int_equal(script_state(script), state);
	script_quiet(script);
	script->flow.events = 0;
}
