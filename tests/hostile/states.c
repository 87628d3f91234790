/* SPDX-License-Identifier: MIT */
#include "states.h"

#include "audit.h"
#include "client.h"
#include "stack/tcp/connection.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
	PORT = 45000
};

/* Bringing a flow into a state */

static const struct cothon_tcp *find(const struct client *client)
{
	struct cothon_endpoint local = {client->remote_addr, client->remote_port};
	struct cothon_endpoint remote = {client->addr, client->port};
	struct cothon_flow flow = cothon_flow_make(COTHON_TCP, &local, &remote);

	return cothon_tcp_find(client->stage->stack, &flow);
}

static enum cothon_tcp_state state_of(const struct client *client)
{
	const struct cothon_tcp *tcp = find(client);

	return tcp ? (enum cothon_tcp_state)tcp->state : COTHON_TCP_CLOSED;
}

static void send_fin(struct client *client)
{
	client_send(client, client->seq, PACKET_ACK | PACKET_FIN, 0);
	client->seq++;
}

/* The application says its end. `ack`: the peer acknowledges it at once. */
static void end_inside(struct client *client, bool ack)
{
	cothon_tcp_shutdown(app_of(client->stage, client->family, client->port)->tcp);
	stage_run(client->stage);
	if (!ack)
		return;
	client_hear(client);
	client_send(client, client->seq, PACKET_ACK, 0);
}

static void reach_synchronized(struct client *client, enum cothon_tcp_state state)
{
	assert_true(client_open(client));
	switch (state) {
	case COTHON_TCP_FIN_WAIT_1:
		end_inside(client, false);
		break;
	case COTHON_TCP_FIN_WAIT_2:
		end_inside(client, true);
		break;
	case COTHON_TCP_CLOSE_WAIT:
		send_fin(client);
		break;
	case COTHON_TCP_CLOSING:
		end_inside(client, false);
		send_fin(client);
		break;
	case COTHON_TCP_LAST_ACK:
		send_fin(client);
		end_inside(client, false);
		break;
	case COTHON_TCP_TIME_WAIT:
		end_inside(client, true);
		send_fin(client);
		break;
	default:
		break;
	}
}

static void reach_syn_sent(struct client *client)
{
	struct app *app = app_connect(client->stage, client->family, client->port);

	assert_non_null(app);
	client->remote_port = cothon_flow_local(cothon_tcp_flow(app->tcp)).port;
}

static void reach(struct client *client, struct stage *stage, enum scene_family family,
		  enum cothon_tcp_state state)
{
	bool held = state == COTHON_TCP_LISTEN;

	client_init(client, stage, family, PORT, held ? SCENE_HELD : SCENE_STALL, held);
	switch (state) {
	case COTHON_TCP_LISTEN:
	case COTHON_TCP_SYN_RECEIVED:
		client_send(client, client->seq++, PACKET_SYN, 0);
		break;
	case COTHON_TCP_SYN_SENT:
		reach_syn_sent(client);
		stage_run(stage);
		break;
	default:
		reach_synchronized(client, state);
		break;
	}
	client_hear(client);
	if (state_of(client) != state)
		fail_msg("the flow came to %s, not to %s", cothon_tcp_state_name(state_of(client)),
			 cothon_tcp_state_name(state));
}

/* What a segment may bring about */

/* Where its sequence number is. */
enum place {
	NEXT,
	AHEAD, /* in the window, but something is missing before it */
	BEFORE,
	FAR,
	PLACES,
};

/* What it acknowledges. */
enum acked {
	ALL, /* that was sent */
	NOTHING_NEW,
	NEVER_SENT,
	LONG_AGO,
	ACKS,
};

struct segment {
	uint8_t flags;
	enum place place;
	enum acked acked;
};

#define STATE(name) (1U << COTHON_TCP_##name)

/* A segment in the window that acknowledges something that was sent; `fin`: its end is in order. */
static unsigned after_acceptable(enum cothon_tcp_state state, bool all, bool fin)
{
	switch (state) {
	case COTHON_TCP_SYN_RECEIVED:
		/* Only its SYN can be acknowledged. */
		if (!all)
			return STATE(SYN_RECEIVED);
		return fin ? STATE(CLOSE_WAIT) : STATE(ESTABLISHED);
	case COTHON_TCP_ESTABLISHED:
		return fin ? STATE(CLOSE_WAIT) : STATE(ESTABLISHED);
	case COTHON_TCP_FIN_WAIT_1:
		if (all)
			return fin ? STATE(TIME_WAIT) : STATE(FIN_WAIT_2);
		return fin ? STATE(CLOSING) : STATE(FIN_WAIT_1);
	case COTHON_TCP_FIN_WAIT_2:
		return fin ? STATE(TIME_WAIT) : STATE(FIN_WAIT_2);
	case COTHON_TCP_CLOSING:
		return all ? STATE(TIME_WAIT) : STATE(CLOSING);
	case COTHON_TCP_LAST_ACK:
		return all ? STATE(CLOSED) : STATE(LAST_ACK);
	default:
		return 1U << state;
	}
}

/* RFC 9293 section 3.10.7.3: the sequence number of a SYN is what is to be learned. */
static unsigned after_syn_sent(const struct segment *segment)
{
	bool ack = segment->flags & PACKET_ACK;

	if (ack && segment->acked != ALL)
		return STATE(SYN_SENT);
	if (segment->flags & PACKET_RST)
		return ack ? STATE(CLOSED) : STATE(SYN_SENT);
	if (segment->flags & PACKET_SYN)
		return ack ? STATE(ESTABLISHED) : STATE(SYN_RECEIVED);
	return STATE(SYN_SENT);
}

/*
 * The states that a flow may be in after a segment, by RFC 9293 section 3.10.7, RFC 5961 and RFC
 * 1337.
 */
static unsigned after(enum cothon_tcp_state state, const struct segment *segment)
{
	bool next = segment->place == NEXT;
	/* With data that reaches into the window an old sequence number is none. */
	bool overlaps = segment->place == BEFORE && segment->flags & PACKET_PSH;

	if (state == COTHON_TCP_SYN_SENT)
		return after_syn_sent(segment);
	if (state == COTHON_TCP_LISTEN)
		return segment->flags & PACKET_RST && next ? STATE(CLOSED) : STATE(LISTEN);
	if (segment->flags & PACKET_RST)
		return next && state != COTHON_TCP_TIME_WAIT ? STATE(CLOSED) : 1U << state;
	if (segment->flags & PACKET_SYN) {
		/* RFC 1122 section 4.2.2.13: one with a later number may begin anew. */
		if (state == COTHON_TCP_TIME_WAIT && !(segment->flags & PACKET_ACK))
			return STATE(TIME_WAIT) | STATE(SYN_RECEIVED);
		/* A SYN that is the same as the first is none; what comes with it counts. */
		if (state != COTHON_TCP_SYN_RECEIVED || segment->place != BEFORE)
			return 1U << state;
		overlaps = true;
	}
	if (!(segment->flags & PACKET_ACK) || segment->acked == NEVER_SENT ||
	    segment->acked == LONG_AGO)
		return 1U << state;
	if (segment->place == FAR || (segment->place == BEFORE && !overlaps))
		return 1U << state;
	return after_acceptable(state, segment->acked == ALL,
				segment->flags & PACKET_FIN && segment->place != AHEAD);
}

/* Trying it */

static void send_segment(struct client *client, const struct segment *segment, bool in_handshake)
{
	static const uint32_t places[PLACES] = {0, 100, 0xffffffff, 0x60000000};
	struct client sender = *client;

	switch (segment->acked) {
	case ALL:
	case ACKS:
		break;
	case NOTHING_NEW:
		sender.ack = client->irs + !in_handshake;
		break;
	case NEVER_SENT:
		sender.ack += 1000;
		break;
	case LONG_AGO:
		sender.ack -= 0x50000000;
		break;
	}
	client_send(&sender, client->seq + places[segment->place], segment->flags,
		    segment->flags & PACKET_PSH ? 10 : 0);
}

static void try_segment(enum scene_family family, enum cothon_tcp_state state,
			const struct segment *segment)
{
	const struct stage_setup setup = {.seed = segment->flags,
					  .features = COTHON_LINK_CSUM | COTHON_LINK_TSO};
	struct stage stage;
	struct client client;
	struct cothon_counters before;
	enum cothon_tcp_state now;
	const char *wrong;

	stage_open(&stage, &setup);
	reach(&client, &stage, family, state);
	before = *stage.counters;
	send_segment(&client, segment, state <= COTHON_TCP_SYN_RECEIVED);
	now = state_of(&client);
	if (!(after(state, segment) & 1U << now))
		fail_msg("flags %02x, place %d, ACK %d: now %s", segment->flags, segment->place,
			 segment->acked, cothon_tcp_state_name(now));
	assert_int_equal(stage.counters->tcp_in - before.tcp_in, 1);
	assert_int_equal(stage.counters->tcp_bad, 0);
	/* RFC 9293 section 3.10.7: a RST is never answered by one. */
	if (segment->flags & PACKET_RST)
		assert_int_equal(stage.counters->tcp_resets_out, before.tcp_resets_out);
	wrong = audit_stack(stage.stack);
	if (wrong)
		fail_msg("flags %02x, place %d, ACK %d: %s", segment->flags, segment->place,
			 segment->acked, wrong);
	stage_close(&stage);
}

void states_all_flags(enum scene_family family, enum cothon_tcp_state state)
{
	struct segment segment;

	for (unsigned flags = 0; flags < 64; flags++) {
		segment.flags = (uint8_t)flags;
		for (segment.place = 0; segment.place < PLACES; segment.place++) {
			for (segment.acked = 0; segment.acked < ACKS; segment.acked++) {
				try_segment(family, state, &segment);
				/* Without ACK the number says nothing. */
				if (!(flags & PACKET_ACK))
					break;
			}
		}
	}
}

void states_early_ack(enum scene_family family, enum cothon_tcp_state state)
{
	const struct stage_setup setup = {.seed = 1};
	uint8_t flags = PACKET_ACK;
	struct stage stage;
	struct client client;

	stage_open(&stage, &setup);
	client_init(&client, &stage, family, PORT, SCENE_STALL, false);
	if (state == COTHON_TCP_SYN_SENT) {
		reach_syn_sent(&client);
		flags |= PACKET_SYN;
	} else {
		client_offer(&client, client.seq++, PACKET_SYN, 0);
		assert_true(stage_receive(&stage));
	}
	assert_int_equal(state_of(&client), state);
	client.ack = find(&client)->snd.iss.v + 1;
	client_send(&client, client.seq, flags, 0);
	assert_int_equal(state_of(&client), state);
	assert_int_equal(stage.counters->tcp_resets_out, 1);
	stage_close(&stage);
}
