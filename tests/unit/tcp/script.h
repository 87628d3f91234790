/* SPDX-License-Identifier: MIT */
#ifndef UNIT_TCP_SCRIPT_H
#define UNIT_TCP_SCRIPT_H

/*
 * One host against written segments: a test says which segment arrives and which one then has to leave.
 *
 * Sequence numbers are relative: the SYN of each side is 0, its first byte 1; `seq` and SACK blocks count in
 * the sender's space, `ack` in the receiver's. Payload is a pattern of its sequence number, verified wherever it
 * arrives. The host is a server on port 80 or a client to port 80 of the peer; timestamps, once negotiated, are
 * in every segment without being mentioned.
 *
 * Everything that leaves is checked: checksums, lengths (host.c), the right edge of the window, which never
 * moves left by more than the window scale rounds (RFC 7323 section 2.4), and what timestamps echo.
 */

#include "../stack/host.h"
#include "wire/tcp.h"
#include <cothon/tcp.h>

enum {
	SCRIPT_PORT = 80,
	SCRIPT_MSS = 1460,
	SCRIPT_SECOND = 1000000,
	SCRIPT_MILLISECOND = 1000,
	/* One delayed ACK is surely due after this. */
	SCRIPT_DELAYED = 45000,

	FIN = COTHON_TCP_FIN,
	SYN = COTHON_TCP_SYN,
	RST = COTHON_TCP_RST,
	PSH = COTHON_TCP_PSH,
	ACK = COTHON_TCP_ACK,
	URG = COTHON_TCP_URG,
};

/* Options of a SYN. */
enum script_option {
	SCRIPT_WITH_MSS = 1,
	SCRIPT_WITH_SCALE = 2,
	SCRIPT_WITH_TIMESTAMPS = 4,
	SCRIPT_WITH_SACK = 8,
};

struct script_block {
	uint32_t start, end;
};

struct script_segment {
	uint8_t flags;
	uint32_t seq, ack;
	uint32_t len;
	/* As in the header. To send: 0 is the script's own. To expect: 0 is not compared. */
	uint32_t window;
	bool zero_window; /* the window is 0 */
	unsigned options; /* to expect: all of these are there, and in a SYN no others */
	uint16_t mss;     /* to expect: 0 is not compared */
	uint8_t scale;
	bool no_timestamp, has_timestamp;
	/* To send: 0 is the script's clock, and the last that the host sent. */
	uint32_t ts_value, ts_echo;
	unsigned sacks; /* to expect: 0 is not compared */
	struct script_block sack[4];
	/* Only to send: */
	bool bad_checksum;
	const uint8_t *raw_options; /* after those above; a multiple of four */
	size_t raw_len;
	uint16_t gso_size; /* to expect: 0 is not compared */
};

struct script_setup {
	struct host_setup host;
	bool ipv6;
	uint32_t iss;     /* the peer's */
	unsigned options; /* of the peer's SYN */
	uint16_t mss;     /* 0: SCRIPT_MSS */
	uint8_t scale;
	uint32_t window;  /* the peer's, as in the header; 0: 65535 */
	unsigned backlog; /* 0: 16 */
};

struct script_flow {
	uint16_t host_port, peer_port;
	uint32_t iss, host_iss;
	bool host_iss_known;
	struct cothon_tcp *tcp;
	unsigned events; /* told since they were last cleared */
	bool opened, ended;
	int error;
	uint8_t host_scale; /* what the host's windows are shifted by */
	bool timestamps;    /* negotiated */
	uint32_t ts_base;   /* the peer's timestamp clock at time 0 */
	uint32_t host_ts;   /* the last that the host sent */
	uint32_t edge;      /* right edge of the host's window */
	bool edge_known;
	uint64_t written, read;
};

struct script {
	struct host host;
	struct script_setup setup;
	bool ipv6;
	uint32_t window;
	struct cothon_listener *listener;
	struct script_flow flow;
	unsigned stray_events; /* told about other flows */
};

/* Makes the host. `setup` may be NULL. */
void script_open(struct script *script, const struct script_setup *setup);
/* Closes flow, listener and host; fails the test if memory is left. */
void script_close(struct script *script);
/* A flow between other ports from now on; the one so far is the caller's to keep. */
struct script_flow script_another(struct script *script, uint16_t host_port, uint16_t peer_port);

void script_listen(struct script *script);
void script_connect(struct script *script);
/* The whole handshake with the setup's options: the host as the server, or the client. */
void script_accept(struct script *script);
void script_connected(struct script *script);
/* Opens and does the handshake as a server. */
void script_established(struct script *script, const struct script_setup *setup);

void script_send_segment(struct script *script, const struct script_segment *segment);
/* Builds the packet alone; returns its length. */
size_t script_packet(struct script *script, const struct script_segment *segment, uint8_t *out);
/* The next segment that has left. */
struct script_segment script_take(struct script *script);
struct script_segment script_expect_segment(struct script *script,
					    const struct script_segment *expected, const char *file,
					    int line);
void script_expect_nothing(struct script *script, const char *file, int line);

/* script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100); */
#define script_send(script, ...) \
	script_send_segment((script), &(struct script_segment){__VA_ARGS__})
/* Flags (but PSH), seq, len and, with ACK, ack are compared; other fields when they are given. Returns what it was. */
#define script_expect(script, ...) \
	script_expect_segment((script), &(struct script_segment){__VA_ARGS__}, __FILE__, __LINE__)
#define script_quiet(script) script_expect_nothing((script), __FILE__, __LINE__)

void script_wait(struct script *script, uint64_t microseconds);
/* Looks away from all that has left. */
void script_ignore(struct script *script);
/* The owner writes so many bytes of the pattern; returns how many were taken. */
size_t script_write(struct script *script, size_t len);
/* The owner reads up to `len` bytes, which are verified; returns how many, or the error. */
ptrdiff_t script_read(struct script *script, size_t len);
/*
 * The peer sends and the application reads, for as long as the receive buffer grows for it. Returns the peer's next
 * sequence number, which was `at`.
 */
uint32_t script_widen(struct script *script, uint32_t at);
/* The owner does these, and the host is polled. */
void script_shutdown(struct script *script);
void script_close_flow(struct script *script);
void script_abort(struct script *script);
enum cothon_tcp_state script_state(const struct script *script);
/* Brings a server's established flow into a state; the peer's next seq and ack are put into *segment. */
void script_enter(struct script *script, enum cothon_tcp_state state,
		  struct script_segment *segment);

#endif
