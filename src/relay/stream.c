/* SPDX-License-Identifier: MIT */
#include "relay/stream.h"

#include "base/bytes.h"
#include "relay/request.h"
#include "relay/state.h"
#include <errno.h>
#include <stdlib.h>

enum {
	/* Of the length in front of a message (RFC 1035 section 4.2.2). */
	PREFIX = 2,
};

static void destroy(struct relay_stream *stream, bool reset)
{
	struct relay *relay = stream->relay;

	if (stream->request)
		relay_request_cancel(stream->request);
	relay_disarm(relay, &stream->timer);
	cothon_list_remove(&stream->node);
	relay->dns.stream_count--;
	if (reset)
		cothon_tcp_abort(stream->tcp);
	else
		cothon_tcp_close(stream->tcp);
	free(stream);
}

/* The length in front of the next message; it must be there. */
static size_t peek_length(const struct relay_stream *stream)
{
	struct iovec iov[PREFIX];
	unsigned count = cothon_tcp_peek(stream->tcp, iov, PREFIX);
	const uint8_t *first = iov[0].iov_base;

	if (count > 1 && iov[0].iov_len < PREFIX)
		return (size_t)(first[0] << 8 | ((const uint8_t *)iov[1].iov_base)[0]);
	return cothon_get16(first);
}

/* Takes the next query if all of it is there. Returns its length or 0; a bad one breaks the stream. */
static size_t next_query(struct relay_stream *stream,
			 uint8_t message[static PREFIX + RELAY_REQUEST_LEN_MAX])
{
	size_t readable = cothon_tcp_readable(stream->tcp);
	size_t len;

	if (readable < PREFIX)
		return 0;
	len = peek_length(stream);
	if (len == 0 || len > RELAY_REQUEST_LEN_MAX) {
		stream->broken = true;
		return 0;
	}
	if (readable < PREFIX + len)
		return 0;
	if (cothon_tcp_read(stream->tcp, message, PREFIX + len) != (ptrdiff_t)(PREFIX + len)) {
		stream->broken = true;
		return 0;
	}
	return len;
}

/* Takes queries until one has to wait. Ends the stream when it is broken or all is said. */
static void advance(struct relay_stream *stream)
{
	struct relay *relay = stream->relay;
	uint8_t message[PREFIX + RELAY_REQUEST_LEN_MAX];
	struct relay_asker asker = {.stream = stream};
	size_t len;

	if (stream->reading)
		return;
	stream->reading = true;
	asker.client = cothon_flow_remote(cothon_tcp_flow(stream->tcp));
	asker.server = cothon_flow_local(cothon_tcp_flow(stream->tcp));
	while (!stream->request && !stream->broken && (len = next_query(stream, message)) > 0) {
		relay_arm(relay, &stream->timer, RELAY_SECONDS(RELAY_STREAM_IDLE));
		if (relay_request_take(relay, &asker, message + PREFIX, len))
			stream->broken = true;
	}
	stream->reading = false;
	if (stream->broken)
		destroy(stream, true);
	else if (!stream->request && cothon_tcp_at_end(stream->tcp))
		destroy(stream, false);
}

void relay_stream_answer(struct relay_stream *stream, const uint8_t *message, size_t len)
{
	uint8_t prefix[PREFIX];

	cothon_put16(prefix, (uint16_t)len);
	/* A client that does not read its answers is not waited for. */
	if (cothon_tcp_write(stream->tcp, prefix, PREFIX) != PREFIX ||
	    cothon_tcp_write(stream->tcp, message, len) != (ptrdiff_t)len)
		stream->broken = true;
	advance(stream);
}

static void told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct relay_stream *stream = owner;

	(void)tcp;
	if (events & COTHON_TCP_ENDED) {
		destroy(stream, false);
		return;
	}
	if (events & COTHON_TCP_OPENED)
		stream->opened = true;
	if (stream->opened)
		advance(stream);
}

static void timed_out(struct relay *relay, struct relay_timer *timer)
{
	(void)relay;
	destroy(cothon_container(timer, struct relay_stream, timer), true);
}

static struct relay_stream *create(struct relay *relay, struct cothon_tcp *tcp)
{
	struct relay_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	if (relay->dns.stream_count >= relay->limits.dns_streams) {
		relay->met.dns_streams++;
		destroy(cothon_container(relay->dns.streams.next, struct relay_stream, node), true);
	}
	stream->relay = relay;
	stream->tcp = tcp;
	relay_timer_init(&stream->timer, timed_out);
	cothon_list_append(&relay->dns.streams, &stream->node);
	relay->dns.stream_count++;
	relay_arm(relay, &stream->timer, RELAY_SECONDS(RELAY_STREAM_IDLE));
	cothon_tcp_own(tcp, told, stream);
	return stream;
}

int relay_stream_forward(struct relay *relay, struct cothon_tcp *tcp)
{
	if (!create(relay, tcp))
		return -ENOMEM;
	cothon_tcp_accept(tcp);
	return 0;
}

void relay_stream_open(struct relay *relay, struct cothon_tcp *tcp, unsigned events)
{
	if (create(relay, tcp))
		told(tcp, cothon_container(relay->dns.streams.prev, struct relay_stream, node),
		     events);
	else
		cothon_tcp_abort(tcp);
}

void relay_stream_finish(struct relay *relay)
{
	while (!cothon_list_empty(&relay->dns.streams))
		destroy(cothon_container(relay_take_first(&relay->dns.streams), struct relay_stream,
					 node),
			true);
}
