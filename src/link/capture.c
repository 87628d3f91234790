/* SPDX-License-Identifier: MIT */
#include <cothon/capture.h>

#include "base/list.h"
#include "link/pcapng.h"
#include "link/segments.h"
#include "wire/ip.h"
#include <errno.h>
#include <string.h>

struct cothon_capture {
	struct cothon_tap tap;
	struct cothon_link *link; /* NULL when it has ended */
	struct cothon_memory memory;
	struct cothon_capture_knowledge knowledge;
	struct cothon_rules *filter;
	uint64_t (*clock)(void *context);
	uint64_t began;
	uint64_t size; /* UINT64_MAX: no bound */
	uint32_t snap; /* UINT32_MAX: no bound */
	struct cothon_capture_counters counters;
	/* A ring: `len` bytes from `first` on, round its end. */
	uint8_t *ring;
	size_t room, first, len;
};

/* What is kept free in the buffer, and of the size, for the last block. */
enum {
	LAST = COTHON_PCAPNG_STATISTICS
};

static struct cothon_capture *capture_of(struct cothon_tap *tap)
{
	return cothon_container(tap, struct cothon_capture, tap);
}

/* --- the buffer --- */

/* Appends bytes for which there is room. */
static void append(struct cothon_capture *capture, const uint8_t *data, size_t len)
{
	size_t at = (capture->first + capture->len) % capture->room;
	size_t straight = capture->room - at < len ? capture->room - at : len;

	memcpy(capture->ring + at, data, straight);
	memcpy(capture->ring, data + straight, len - straight);
	capture->len += len;
	capture->counters.bytes += len;
}

unsigned cothon_capture_peek(const struct cothon_capture *capture, struct iovec iov[static 2])
{
	size_t straight = capture->room - capture->first;

	if (capture->len == 0)
		return 0;
	if (capture->len <= straight) {
		iov[0] = (struct iovec){capture->ring + capture->first, capture->len};
		return 1;
	}
	iov[0] = (struct iovec){capture->ring + capture->first, straight};
	iov[1] = (struct iovec){capture->ring, capture->len - straight};
	return 2;
}

void cothon_capture_consume(struct cothon_capture *capture, size_t len)
{
	capture->first = (capture->first + len) % capture->room;
	capture->len -= len;
	/* A buffer that is empty begins anew, where it is still in the cache. */
	if (capture->len == 0)
		capture->first = 0;
}

/* --- which packets --- */

static bool decide(const struct cothon_capture *capture, struct cothon_destination *destination,
		   uint16_t port)
{
	destination->port = port;
	return cothon_rules_decide(capture->filter, destination).allowed;
}

/* Whether the filter lets a packet of the flow through. */
static bool is_wanted(const struct cothon_capture *capture, const struct cothon_flow *flow)
{
	const struct cothon_capture_knowledge *knowledge = &capture->knowledge;
	struct cothon_destination destination = {
		.transport = flow->transport,
		.addr = &flow->local,
	};

	if (!capture->filter)
		return true;
	if (knowledge->name)
		destination.name = knowledge->name(knowledge->context, &flow->local);
	return decide(capture, &destination, flow->local_port) ||
	       (flow->transport && decide(capture, &destination, flow->remote_port));
}

static struct cothon_flow flow_of(const struct cothon_segments *segments, bool received)
{
	const struct cothon_endpoint *local = received ? &segments->destination : &segments->source;
	const struct cothon_endpoint *remote = received ? &segments->source
							: &segments->destination;
	struct cothon_flow flow = cothon_flow_make(COTHON_TCP, local, remote);

	flow.transport = segments->ports ? segments->protocol : 0;
	return flow;
}

/* --- packets --- */

static void append_segment(struct cothon_capture *capture, const struct cothon_segment *segment,
			   size_t len)
{
	for (unsigned i = 0; i < segment->count && len > 0; i++) {
		size_t take = segment->iov[i].iov_len < len ? segment->iov[i].iov_len : len;

		append(capture, segment->iov[i].iov_base, take);
		len -= take;
	}
}

/* Writes a packet, or counts it. Returns false when the capture has ended, its size being reached. */
static bool write_packet(struct cothon_capture *capture, const struct cothon_segment *segment,
			 struct cothon_pcapng_packet *packet)
{
	uint8_t around[COTHON_PCAPNG_TAIL];
	size_t len;

	packet->len = (uint32_t)segment->len;
	packet->captured = packet->len < capture->snap ? packet->len : capture->snap;
	len = cothon_pcapng_packet_len(packet);
	if (len + LAST > capture->size - capture->counters.bytes) {
		cothon_capture_stop(capture);
		return false;
	}
	capture->counters.packets++;
	if (len + LAST > capture->room - capture->len) {
		capture->counters.dropped++;
		return true;
	}
	append(capture, around, cothon_pcapng_head(packet, around));
	append_segment(capture, segment, packet->captured);
	append(capture, around, cothon_pcapng_tail(packet, around));
	return true;
}

static void seen(struct cothon_tap *tap, bool received, const struct iovec *iov, unsigned count,
		 size_t len, const struct cothon_offload *offload)
{
	struct cothon_capture *capture = capture_of(tap);
	const struct cothon_capture_knowledge *knowledge = &capture->knowledge;
	struct cothon_pcapng_packet packet = {.received = received};
	struct cothon_segments segments;
	struct cothon_segment segment;
	struct cothon_flow flow;

	cothon_segments_begin(&segments, iov, count, len, offload);
	flow = flow_of(&segments, received);
	if (!is_wanted(capture, &flow))
		return;
	packet.at = capture->clock(knowledge->context);
	if (knowledge->comment && segments.known)
		packet.comment = knowledge->comment(knowledge->context, &flow);
	while (cothon_segments_next(&segments, &segment) &&
	       write_packet(capture, &segment, &packet))
		;
}

void cothon_link_show_transmitted(const struct cothon_link *link, const struct cothon_frame *frame)
{
	link->tap->seen(link->tap, false, frame->iov + 1, frame->count - 1, frame->len,
			&frame->offload);
}

void cothon_link_show_received(const struct cothon_link *link, const struct cothon_buf *buf)
{
	const struct iovec all = {buf->data, buf->len};

	link->tap->seen(link->tap, true, &all, 1, buf->len, &buf->offload);
}

/* --- life --- */

static void begin(struct cothon_capture *capture, const struct cothon_capture_config *config)
{
	uint8_t section[COTHON_PCAPNG_SECTION], interface[COTHON_PCAPNG_INTERFACE];

	append(capture, section, cothon_pcapng_section("Cothon " COTHON_VERSION, section));
	append(capture, interface,
	       cothon_pcapng_interface(config->snap, config->name, config->description, interface));
}

int cothon_capture_open(const struct cothon_capture_config *config, struct cothon_capture **result)
{
	const struct cothon_memory *memory = &config->memory;
	struct cothon_capture *capture;

	if (config->link->tap)
		return -EBUSY;
	if (config->room < COTHON_CAPTURE_ROOM_MIN ||
	    (config->size && config->size < COTHON_PCAPNG_SECTION + COTHON_PCAPNG_INTERFACE + LAST))
		return -EINVAL;
	capture = memory->alloc(memory->context, sizeof(*capture));
	if (!capture)
		return -ENOMEM;
	*capture = (struct cothon_capture){
		.tap = {seen},
		.link = config->link,
		.memory = *memory,
		.knowledge = config->knowledge,
		.filter = config->filter,
		.clock = config->clock,
		.began = config->clock(config->knowledge.context),
		.size = config->size ? config->size : UINT64_MAX,
		.snap = config->snap ? config->snap : UINT32_MAX,
		.ring = memory->alloc(memory->context, config->room),
		.room = config->room,
	};
	if (!capture->ring) {
		memory->free(memory->context, capture, sizeof(*capture));
		return -ENOMEM;
	}
	begin(capture, config);
	config->link->tap = &capture->tap;
	*result = capture;
	return 0;
}

void cothon_capture_stop(struct cothon_capture *capture)
{
	const struct cothon_pcapng_statistics statistics = {
		.from = capture->began,
		.to = capture->clock(capture->knowledge.context),
		.received = capture->counters.packets,
		.dropped = capture->counters.dropped,
	};
	uint8_t last[COTHON_PCAPNG_STATISTICS];

	if (!capture->link)
		return;
	capture->link->tap = NULL;
	capture->link = NULL;
	append(capture, last, cothon_pcapng_statistics(&statistics, last));
}

void cothon_capture_close(struct cothon_capture *capture)
{
	struct cothon_memory memory = capture->memory;

	if (capture->link)
		capture->link->tap = NULL;
	cothon_rules_destroy(capture->filter);
	memory.free(memory.context, capture->ring, capture->room);
	memory.free(memory.context, capture, sizeof(*capture));
}

bool cothon_capture_runs(const struct cothon_capture *capture)
{
	return capture->link != NULL;
}

const struct cothon_capture_counters *cothon_capture_counters(const struct cothon_capture *capture)
{
	return &capture->counters;
}
