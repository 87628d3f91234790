/* SPDX-License-Identifier: MIT */
#include "stack/tcp/timers.h"

#include "stack/tcp/handshake.h"
#include "stack/tcp/path.h"
#include "stack/tcp/probe.h"
#include "stack/tcp/receiver.h"
#include "stack/tcp/recovery.h"
#include "stack/tcp/sender.h"
#include <errno.h>

enum {
	/* Time-outs in a row, some six seconds, after which it may be the size of the segments: most outages are shorter. */
	SUSPECT_PATH = 5
};

/* Arming */

static void rearm(struct cothon_tcp *tcp)
{
	struct cothon_wheel *wheel = &tcp->stack->wheel;
	uint64_t earliest = COTHON_NEVER;

	for (unsigned i = 0; i < COTHON_TCP_DEADLINES; i++) {
		if (tcp->deadlines[i] < earliest)
			earliest = tcp->deadlines[i];
	}
	if (earliest == COTHON_NEVER) {
		cothon_wheel_disarm(wheel, &tcp->timer);
	} else if (!cothon_timer_armed(&tcp->timer) || earliest < tcp->timer.deadline) {
		cothon_wheel_arm(wheel, &tcp->timer, earliest);
	}
	/* A timer that stands too early only expires once for nothing: cheaper than moving it with every ACK. */
}

static void set(struct cothon_tcp *tcp, enum cothon_tcp_deadline which, uint64_t from_now)
{
	tcp->deadlines[which] = tcp->stack->now + from_now;
	rearm(tcp);
}

static void clear(struct cothon_tcp *tcp, enum cothon_tcp_deadline which)
{
	tcp->deadlines[which] = COTHON_NEVER;
}

void cothon_tcp_timers_init(struct cothon_tcp *tcp)
{
	cothon_timer_init(&tcp->timer);
	for (unsigned i = 0; i < COTHON_TCP_DEADLINES; i++)
		tcp->deadlines[i] = COTHON_NEVER;
}

void cothon_tcp_timers_stop(struct cothon_tcp *tcp)
{
	cothon_wheel_disarm(&tcp->stack->wheel, &tcp->timer);
	cothon_tcp_timers_init(tcp);
}

/* What happens */

static void heard(struct cothon_tcp *tcp)
{
	if (tcp->options.keepalive_idle && cothon_tcp_synchronized(tcp) &&
	    tcp->state != COTHON_TCP_TIME_WAIT)
		set(tcp, COTHON_TCP_KEEPALIVE, tcp->options.keepalive_idle * UINT64_C(1000000));
	else
		clear(tcp, COTHON_TCP_KEEPALIVE);
}

void cothon_tcp_timers_options(struct cothon_tcp *tcp)
{
	heard(tcp);
}

void cothon_tcp_timers_held(struct cothon_tcp *tcp)
{
	set(tcp, COTHON_TCP_LIFE, COTHON_TCP_HELD_TIME);
}

void cothon_tcp_timers_syn_sent(struct cothon_tcp *tcp)
{
	clear(tcp, COTHON_TCP_LIFE);
	set(tcp, COTHON_TCP_RETRANSMIT, cothon_rtt_timeout(&tcp->snd.rtt));
}

void cothon_tcp_timers_established(struct cothon_tcp *tcp)
{
	clear(tcp, COTHON_TCP_LIFE);
	clear(tcp, COTHON_TCP_RETRANSMIT);
	heard(tcp);
}

void cothon_tcp_timers_sent(struct cothon_tcp *tcp)
{
	/* RFC 6298 rule 5.1: started when it does not run. */
	if (tcp->deadlines[COTHON_TCP_RETRANSMIT] == COTHON_NEVER)
		set(tcp, COTHON_TCP_RETRANSMIT, cothon_rtt_timeout(&tcp->snd.rtt));
	cothon_tcp_timers_probe(tcp, cothon_tcp_probe_time(tcp));
}

void cothon_tcp_timers_reorder(struct cothon_tcp *tcp, uint64_t wait)
{
	if (wait)
		set(tcp, COTHON_TCP_REORDER, wait);
	else
		clear(tcp, COTHON_TCP_REORDER);
}

void cothon_tcp_timers_probe(struct cothon_tcp *tcp, uint64_t wait)
{
	if (wait && tcp->stack->now + wait < tcp->deadlines[COTHON_TCP_RETRANSMIT])
		set(tcp, COTHON_TCP_PROBE, wait);
	else
		clear(tcp, COTHON_TCP_PROBE);
}

void cothon_tcp_timers_acked(struct cothon_tcp *tcp)
{
	tcp->snd.progress_at = tcp->stack->now;
	tcp->snd.timeouts = 0;
	/* Rules 5.2 and 5.3. */
	if (cothon_seq_equal(tcp->snd.una, tcp->snd.nxt))
		clear(tcp, COTHON_TCP_RETRANSMIT);
	else
		set(tcp, COTHON_TCP_RETRANSMIT, cothon_rtt_timeout(&tcp->snd.rtt));
	cothon_tcp_timers_probe(tcp, cothon_tcp_probe_time(tcp));
}

void cothon_tcp_timers_first_sent(struct cothon_tcp *tcp)
{
	tcp->snd.progress_at = tcp->stack->now;
	tcp->snd.persists = 0;
	clear(tcp, COTHON_TCP_RETRANSMIT);
}

/* SHLD-29 and SHLD-30: the first probe after the RTO, the others after ever longer times. */
static void set_persist(struct cothon_tcp *tcp)
{
	struct cothon_rtt rtt = tcp->snd.rtt;

	rtt.backoff = tcp->snd.persists;
	set(tcp, COTHON_TCP_RETRANSMIT, cothon_rtt_timeout(&rtt));
}

void cothon_tcp_timers_blocked(struct cothon_tcp *tcp)
{
	if (tcp->deadlines[COTHON_TCP_RETRANSMIT] != COTHON_NEVER)
		return;
	tcp->snd.progress_at = tcp->stack->now;
	set_persist(tcp);
}

void cothon_tcp_timers_no_memory(struct cothon_tcp *tcp)
{
	set(tcp, COTHON_TCP_MEMORY, COTHON_TCP_MEMORY_TIME);
}

/* How long nothing is to be sent before what was sent is history. */
static uint64_t rest_time(const struct cothon_tcp *tcp)
{
	return cothon_rtt_timeout(&tcp->snd.rtt) + COTHON_TCP_REST_TIME;
}

void cothon_tcp_timers_recovery(struct cothon_tcp *tcp)
{
	set(tcp, COTHON_TCP_REST, rest_time(tcp));
}

void cothon_tcp_timers_ack_sent(struct cothon_tcp *tcp)
{
	clear(tcp, COTHON_TCP_DELAYED_ACK);
}

void cothon_tcp_timers_ack_delayed(struct cothon_tcp *tcp)
{
	if (tcp->deadlines[COTHON_TCP_DELAYED_ACK] == COTHON_NEVER)
		set(tcp, COTHON_TCP_DELAYED_ACK, COTHON_TCP_DELAYED_ACK_TIME);
}

void cothon_tcp_timers_orphaned(struct cothon_tcp *tcp)
{
	clear(tcp, COTHON_TCP_KEEPALIVE);
	if (tcp->state == COTHON_TCP_FIN_WAIT_2 && tcp->deadlines[COTHON_TCP_LIFE] == COTHON_NEVER)
		set(tcp, COTHON_TCP_LIFE, COTHON_TCP_FIN_WAIT_2_TIME);
}

void cothon_tcp_timers_time_wait(struct cothon_tcp *tcp)
{
	clear(tcp, COTHON_TCP_RETRANSMIT);
	clear(tcp, COTHON_TCP_REORDER);
	clear(tcp, COTHON_TCP_PROBE);
	clear(tcp, COTHON_TCP_KEEPALIVE);
	clear(tcp, COTHON_TCP_REST);
	set(tcp, COTHON_TCP_LIFE, COTHON_TCP_TIME_WAIT_TIME);
}

/* What is due */

/* How long the connection goes on without any of its data acknowledged: R2 (RFC 9293 section 3.8.3). */
static uint64_t user_timeout(const struct cothon_tcp *tcp)
{
	uint32_t seconds = tcp->options.user_timeout ? tcp->options.user_timeout
						     : tcp->stack->config.user_timeout;

	if (!cothon_tcp_synchronized(tcp) && !tcp->options.user_timeout)
		return COTHON_TCP_SYN_TIME;
	return seconds * UINT64_C(1000000);
}

static bool given_up(struct cothon_tcp *tcp)
{
	if (tcp->stack->now - tcp->snd.progress_at < user_timeout(tcp))
		return false;
	/* MUST-55: what ICMP said meanwhile is the better reason. */
	cothon_tcp_reset(tcp, tcp->soft_error ? tcp->soft_error : -ETIMEDOUT);
	return true;
}

/*
 * MUST-37: as long as the peer answers, its window may stay closed for ever. When the owner has gone nobody is left
 * who could think otherwise, and the time alone decides (RFC 6429 section 3).
 */
static void note_answers(struct cothon_tcp *tcp)
{
	if (tcp->owned && tcp->heard_at > tcp->snd.progress_at)
		tcp->snd.progress_at = tcp->heard_at;
}

/* Returns false when the connection has ended. */
static bool persist(struct cothon_tcp *tcp)
{
	note_answers(tcp);
	if (given_up(tcp))
		return false;
	if (cothon_tcp_sender_override(tcp))
		return true;
	if (tcp->snd.persists < COTHON_RTT_BACKOFF_MAX)
		tcp->snd.persists++;
	cothon_tcp_send_probe(tcp);
	set_persist(tcp);
	return true;
}

static bool retransmit(struct cothon_tcp *tcp)
{
	bool syn = tcp->state == COTHON_TCP_SYN_SENT || tcp->state == COTHON_TCP_SYN_RECEIVED;

	if (!syn && cothon_seq_equal(tcp->snd.una, tcp->snd.nxt))
		return cothon_tcp_sender_unsent(tcp) == 0 || persist(tcp);
	/* A window that was taken back is probed by what it covered before (RFC 9293 section 3.8.6). */
	if (!syn && tcp->snd.wnd == 0)
		note_answers(tcp);
	if (given_up(tcp))
		return false;
	tcp->stack->counters.tcp_timeouts++;
	if (syn) {
		tcp->retransmits++;
		cothon_tcp_handshake_repeat(tcp);
	} else {
		if (++tcp->snd.timeouts >= SUSPECT_PATH && tcp->snd.wnd > 0) {
			tcp->snd.timeouts = 0;
			cothon_tcp_path_suspect(tcp);
		}
		cothon_tcp_recovery_timeout(tcp);
	}
	/* Rules 5.5 and 5.6. */
	cothon_rtt_backoff(&tcp->snd.rtt);
	set(tcp, COTHON_TCP_RETRANSMIT, cothon_rtt_timeout(&tcp->snd.rtt));
	return true;
}

static bool keepalive(struct cothon_tcp *tcp)
{
	uint64_t idle = tcp->options.keepalive_idle * UINT64_C(1000000);
	uint64_t silent = tcp->stack->now - tcp->heard_at;

	if (silent < idle) {
		set(tcp, COTHON_TCP_KEEPALIVE, idle - silent);
		return true;
	}
	/* MUST-26: with something in flight, or waiting for the window, the retransmission timer watches. */
	if (!cothon_seq_equal(tcp->snd.una, tcp->snd.nxt) || cothon_tcp_unacknowledged(tcp) > 0) {
		tcp->probes = 0;
		set(tcp, COTHON_TCP_KEEPALIVE, idle);
		return true;
	}
	/* MUST-29: one probe without an answer means nothing yet. */
	if (tcp->probes >= tcp->options.keepalive_count) {
		cothon_tcp_reset(tcp, -ETIMEDOUT);
		return false;
	}
	tcp->probes++;
	cothon_tcp_send_probe(tcp);
	set(tcp, COTHON_TCP_KEEPALIVE, tcp->options.keepalive_interval * UINT64_C(1000000));
	return true;
}

static bool life(struct cothon_tcp *tcp)
{
	cothon_tcp_end(tcp, tcp->state == COTHON_TCP_LISTEN ? -ETIMEDOUT : 0);
	return false;
}

static bool delayed_ack(struct cothon_tcp *tcp)
{
	/* The answer did not come: the next segments are acknowledged at once. */
	tcp->rcv.interactive = false;
	cothon_tcp_receiver_ack_now(tcp);
	return true;
}

static bool memory(struct cothon_tcp *tcp)
{
	if (tcp->snd.blocked) {
		tcp->snd.blocked = false;
		cothon_tcp_notify(tcp, COTHON_TCP_WRITABLE);
	}
	cothon_tcp_request(tcp);
	return true;
}

static bool reorder(struct cothon_tcp *tcp)
{
	if (cothon_seq_equal(tcp->snd.una, tcp->snd.nxt))
		return true;
	cothon_tcp_recovery_reorder(tcp);
	return true;
}

/* RFC 8985 section 7.3: the RTO begins anew with the probe. */
static bool probe(struct cothon_tcp *tcp)
{
	if (cothon_seq_equal(tcp->snd.una, tcp->snd.nxt))
		return true;
	cothon_tcp_probe_send(tcp);
	set(tcp, COTHON_TCP_RETRANSMIT, cothon_rtt_timeout(&tcp->snd.rtt));
	return true;
}

static bool rest(struct cothon_tcp *tcp)
{
	uint64_t time = rest_time(tcp), silent = tcp->stack->now - tcp->snd.last_sent;

	if (!cothon_seq_equal(tcp->snd.una, tcp->snd.nxt))
		set(tcp, COTHON_TCP_REST, time);
	else if (silent < time)
		set(tcp, COTHON_TCP_REST, time - silent);
	else
		cothon_tcp_recovery_rest(tcp);
	return true;
}

void cothon_tcp_timer(struct cothon_tcp *tcp)
{
	static bool (*const due[COTHON_TCP_DEADLINES])(struct cothon_tcp *) = {
		[COTHON_TCP_RETRANSMIT] = retransmit, [COTHON_TCP_DELAYED_ACK] = delayed_ack,
		[COTHON_TCP_KEEPALIVE] = keepalive,   [COTHON_TCP_LIFE] = life,
		[COTHON_TCP_MEMORY] = memory,         [COTHON_TCP_REORDER] = reorder,
		[COTHON_TCP_PROBE] = probe,           [COTHON_TCP_REST] = rest,
	};

	for (unsigned i = 0; i < COTHON_TCP_DEADLINES; i++) {
		if (tcp->deadlines[i] > tcp->stack->now)
			continue;
		clear(tcp, i);
		if (!due[i](tcp))
			return;
	}
	rearm(tcp);
}
