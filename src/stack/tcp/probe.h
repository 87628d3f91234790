/* SPDX-License-Identifier: MIT */
#ifndef TCP_PROBE_H
#define TCP_PROBE_H

/*
 * The tail loss probe (RFC 8985 section 7): when the last of what was sent is not acknowledged in about two round
 * trips, something goes out whose ACK tells what is lost, long before the retransmission timer would.
 */

#include "stack/tcp/recovery.h"

/* When a probe is due from now, in microseconds; 0 when none is. */
uint64_t cothon_tcp_probe_time(const struct cothon_tcp *tcp);
/* The probe timer has expired. */
void cothon_tcp_probe_send(struct cothon_tcp *tcp);
/* What an ACK says about the probe that is out (section 7.4.2). */
void cothon_tcp_probe_ack(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack);

#endif
