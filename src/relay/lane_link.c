/* SPDX-License-Identifier: MIT */

/* The device as the stack of a lane sees it: one queue, and what other lanes hand on. */

#include "relay/state.h"
#include "wire/icmp.h"
#include "wire/tcp.h"
#include <errno.h>
#include <string.h>

static struct relay_lane *lane_of(struct cothon_link *link)
{
	return cothon_container(link, struct relay_lane, link);
}

/* Mail */

static void mail_frame(const struct relay_lane *from, unsigned to, const struct cothon_buf *frame,
		       uint8_t offered)
{
	struct relay_mail *mail = relay_mail_create(RELAY_MAIL_FRAME, frame->len);

	from->relay->counters.handed++;
	if (!mail) {
		from->relay->counters.handed_lost++;
		return;
	}
	mail->offload = frame->offload;
	mail->offered = offered;
	memcpy(relay_mail_bytes(mail), frame->data, frame->len);
	relay_mailbox_put(&from->lanes->lane[to].mailbox, mail);
}

static void mail_all(const struct relay_lane *from, const struct cothon_buf *frame)
{
	for (unsigned i = 0; i < from->lanes->count; i++) {
		if (i != from->index)
			mail_frame(from, i, frame, 0);
	}
}

bool relay_lane_stray(struct relay *relay, const struct cothon_buf *frame)
{
	const struct relay_lane *lane = relay->lane;
	unsigned count;

	if (!lane)
		return false;
	count = lane->lanes->count;
	/* Of what came in fragments only its sender can make a packet again, and does. */
	if (!frame)
		return true;
	if (frame->offered + 1U >= count)
		return false;
	mail_frame(lane, (lane->index + 1) % count, frame, (uint8_t)(frame->offered + 1));
	return true;
}

static int take_mailed(struct relay_lane *lane, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct relay_mail *mail = relay_mailbox_take_frame(&lane->mailbox);
	struct cothon_buf *frame;

	if (!mail)
		return -EAGAIN;
	frame = cothon_buf_get(pool, COTHON_HEADROOM + mail->len);
	if (frame) {
		frame->data += COTHON_HEADROOM;
		frame->len = (uint32_t)mail->len;
		frame->offload = mail->offload;
		frame->offered = mail->offered;
		memcpy(frame->data, relay_mail_bytes(mail), mail->len);
		*buf = frame;
	}
	relay_mail_free(mail);
	return frame ? 0 : -ENOMEM;
}

/* What passes a queue, for whoever looks on */

static bool is_shown(const struct relay_lane *lane)
{
	return lane->index > 0 && atomic_load_explicit(&lane->lanes->shown, memory_order_relaxed);
}

static void mail_shown(const struct relay_lane *lane, bool received, const struct iovec *iov,
		       unsigned count, size_t len, const struct cothon_offload *offload)
{
	struct relay_mail *mail = relay_mail_create(RELAY_MAIL_SHOWN, len);
	size_t at = 0;

	if (!mail)
		return;
	mail->offload = *offload;
	mail->received = received;
	for (unsigned i = 0; i < count; i++) {
		memcpy(relay_mail_bytes(mail) + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	relay_mailbox_put(&lane->lanes->lane[0].mailbox, mail);
}

void relay_lane_show(const struct relay_lane *lane, struct relay_mail *mail)
{
	const struct iovec iov = {relay_mail_bytes(mail), mail->len};
	struct cothon_tap *tap = lane->queue->tap;

	if (tap)
		tap->seen(tap, mail->received, &iov, 1, mail->len, &mail->offload);
}

/* Whose a frame is */

enum owner {
	OWN,
	FIRST_LANES,
	EVERYBODYS,
};

/* Whether this lane may answer a SYN: it is for an address, and the rules let it through. */
static bool may_open(const struct relay_lane *lane, const struct cothon_ip *ip,
		     struct cothon_bytes segment)
{
	struct cothon_endpoint destination = {.addr = ip->destination};
	struct relay_decision decision;

	if (segment.len < COTHON_TCP_HEADER || relay_names_is_synthetic(&destination.addr))
		return false;
	destination.port = cothon_get16(segment.data + 2);
	return relay_policy_decide(&lane->relay->policy, COTHON_TCP, &destination, &decision) == 0;
}

static bool is_syn(struct cothon_bytes segment)
{
	enum {
		FLAGS_AT = 13
	};
	const unsigned mask = COTHON_TCP_SYN | COTHON_TCP_ACK | COTHON_TCP_RST;

	return segment.len > FLAGS_AT && (segment.data[FLAGS_AT] & mask) == COTHON_TCP_SYN;
}

static bool is_icmp_error(const struct cothon_ip *ip, struct cothon_bytes message)
{
	struct cothon_icmp icmp;

	return cothon_icmp_parse(message, ip, true, &icmp) == 0 && icmp.is_error;
}

static enum owner owner_of(const struct relay_lane *lane, const struct cothon_buf *frame)
{
	bool gso = frame->offload.gso != COTHON_GSO_NONE;
	struct cothon_bytes payload;
	struct cothon_ip ip;

	/* What is malformed is counted by whoever reads it. */
	if (cothon_ip_parse((struct cothon_bytes){frame->data, frame->len}, gso, &ip))
		return OWN;
	payload = (struct cothon_bytes){frame->data + ip.header_len, ip.payload_len};
	if ((ip.protocol == COTHON_IPPROTO_ICMP || ip.protocol == COTHON_IPPROTO_ICMPV6) &&
	    !ip.fragment && is_icmp_error(&ip, payload))
		return EVERYBODYS;
	if (lane->index == 0)
		return OWN;
	if (ip.protocol != COTHON_IPPROTO_TCP || ip.fragment)
		return FIRST_LANES;
	return !is_syn(payload) || may_open(lane, &ip, payload) ? OWN : FIRST_LANES;
}

static int take_queued(struct relay_lane *lane, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct cothon_buf *frame;
	int error = cothon_link_receive(lane->queue, pool, &frame);

	if (error)
		return error;
	if (is_shown(lane))
		mail_shown(lane, true, &(struct iovec){frame->data, frame->len}, 1, frame->len,
			   &frame->offload);
	switch (owner_of(lane, frame)) {
	case FIRST_LANES:
		mail_frame(lane, 0, frame, 0);
		cothon_buf_put(frame);
		return -EALREADY;
	case EVERYBODYS:
		mail_all(lane, frame);
		break;
	case OWN:
		break;
	}
	*buf = frame;
	return 0;
}

/* The link */

static int lane_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct relay_lane *lane = lane_of(link);
	int error = cothon_link_transmit(lane->queue, frame);

	if (error == 0 && is_shown(lane))
		mail_shown(lane, false, frame->iov + 1, frame->count - 1, frame->len,
			   &frame->offload);
	return error;
}

/* In turns, so that neither keeps the other out. */
static int lane_receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct relay_lane *lane = lane_of(link);
	int error;

	lane->mail_next = !lane->mail_next;
	if (lane->mail_next) {
		error = take_mailed(lane, pool, buf);
		return error == -EAGAIN ? take_queued(lane, pool, buf) : error;
	}
	error = take_queued(lane, pool, buf);
	return error == -EAGAIN ? take_mailed(lane, pool, buf) : error;
}

static void lane_close(struct cothon_link *link)
{
	cothon_link_close(lane_of(link)->queue);
}

static const struct cothon_link_ops lane_ops = {
	.transmit = lane_transmit,
	.receive = lane_receive,
	.close = lane_close,
};

void relay_lane_link_init(struct relay_lane *lane)
{
	lane->link = (struct cothon_link){
		.ops = &lane_ops,
		.mtu = lane->queue->mtu,
		.features = lane->queue->features,
	};
}
