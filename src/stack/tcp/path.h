/* SPDX-License-Identifier: MIT */
#ifndef TCP_PATH_H
#define TCP_PATH_H

/*
 * What the path takes: segments become smaller when a router says so (RFC 1191, RFC 8201) or when large ones vanish
 * without a word (RFC 4821). After a while one large segment is tried: the others follow when it has arrived, and that
 * it is lost is no sign of congestion (RFC 8899).
 */

#include "stack/tcp/connection.h"

/* A router takes no packets of more than `mtu` bytes, of which one is in flight. It is believed if that is news, but never below a floor. */
void cothon_tcp_path_told(struct cothon_tcp *tcp, uint32_t mtu);
/*
 * Segments time out one after the other: the path may swallow large ones (RFC 4821 section 7.7), so they become smaller,
 * down to what any path takes.
 */
void cothon_tcp_path_suspect(struct cothon_tcp *tcp);
/* The length of the segment that tries the path now, if `may` new bytes may go out; 0: it is not tried. */
uint32_t cothon_tcp_path_try(const struct cothon_tcp *tcp, uint32_t may);
/* What began at `start` has gone out to try it. */
void cothon_tcp_path_tried(struct cothon_tcp *tcp, struct cothon_seq start);
/* [start, end) was sent again. */
void cothon_tcp_path_resent(struct cothon_tcp *tcp, struct cothon_seq start, struct cothon_seq end);
/* snd.una has moved. */
void cothon_tcp_path_acked(struct cothon_tcp *tcp);
/* Bytes that are lost, and were in nothing but the segment that tried the path. */
uint32_t cothon_tcp_path_lost(const struct cothon_tcp *tcp);
/*
 * Where the peer speaks no SACK: true when the first that is not acknowledged has tried the path, so that duplicate ACKs
 * tell of nothing else; it is lost then.
 */
bool cothon_tcp_path_blamed(struct cothon_tcp *tcp);

#endif
