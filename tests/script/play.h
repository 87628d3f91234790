/* SPDX-License-Identifier: MIT */
#ifndef SCRIPT_PLAY_H
#define SCRIPT_PLAY_H

/*
 * The state of one case while it runs: one host, its applications' sockets, and its peer, which is what the
 * script says. README.md describes the notation.
 */

#include "wire/icmp.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include <cothon/cothon.h>
#include <setjmp.h>

enum {
	PLAY_FLOWS = 8,
	PLAY_WORDS = 48,
	PLAY_HOST_PORT = 80,
	PLAY_PEER_PORT = 40000,
	PLAY_SECOND = 1000000,
};

/* The words of a line, taken one after the other. */
struct words {
	char *word[PLAY_WORDS];
	unsigned count, at;
};

/* What the peer's SYNs and windows are, unless a segment says otherwise. */
struct peer_options {
	uint32_t iss, window;
	bool has_mss, has_scale, sack, timestamps;
	uint16_t mss;
	uint8_t scale;
	uint32_t ts_base; /* its timestamp clock at time 0 */
};

/* One of the peer's ports, with what the host has for it. */
struct play_flow {
	uint16_t host_port, peer_port;
	struct cothon_socket *socket, *udp;
	uint32_t iss, host_iss;
	bool known;         /* host_iss is */
	uint32_t peer_next; /* relative: behind all that the peer has sent */
	uint32_t host_next; /* relative: behind all that the host has sent */
	bool timestamps;
	bool scaling;
	uint8_t host_scale;
	uint32_t host_ts;
	uint32_t edge; /* right edge of the window that the host has offered */
	bool edge_known;
	uint32_t written, read; /* relative sequence numbers of the application's next bytes */
};

/* A packet that has left. */
struct left {
	struct left *next;
	uint64_t at;
	size_t len;
	uint8_t data[];
};

struct play {
	const char *file;
	unsigned line;
	bool ipv6;
	uint64_t now, deadline;
	size_t memory, allocations; /* live bytes */
	struct cothon_host_config config;
	struct cothon_host *host;
	struct peer_options peer;
	struct play_flow flows[PLAY_FLOWS], *flow;
	unsigned flow_count;
	struct cothon_socket *listener;
	struct left *first, **last;
	uint32_t fragment_id;
	uint8_t datagram[COTHON_FRAME_MAX]; /* what fragments are pieces of */
	size_t datagram_len;
	uint8_t datagram_protocol;
	/* `enter` may name several states: the case is played once for each. */
	unsigned choice, choices;
	const char *opening; /* the lines that it stands for, to be played */
	uint8_t packet[COTHON_FRAME_MAX + 128];
	uint8_t bytes[COTHON_FRAME_MAX + 128];
	jmp_buf failed;
	char message[1024];
};

/* The case has failed, for the reason given. Does not return. */
_Noreturn void play_fail(struct play *play, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* words.c: the words of a line. What is not as it should be fails the case. */

/* The next word, NULL at the end. */
char *words_next(struct words *words);
/* The next word, which has to be there. */
char *words_take(struct play *play, struct words *words, const char *what);
/* Takes the next word if it is this one. */
bool words_if(struct words *words, const char *word);
/* Fails the case unless all words were taken. */
void words_end(struct play *play, const struct words *words);
/* A number: decimal, 0x..., k and m for thousands and millions. */
uint64_t words_number(struct play *play, struct words *words);
uint64_t words_parse_number(struct play *play, const char *text);
/* Seconds as microseconds. */
uint64_t words_seconds(struct play *play, const char *text);

/* arrive.c and leave.c: packets. */

enum {
	PACKET_REASONS = COTHON_REASSEMBLY_EXCEEDED + 1
};

/* What ICMP errors are called. */
extern const char *const packet_reasons[PACKET_REASONS];

/* Builds what stands behind "<" and gives it to the host. `shift` and `port` are added to sequence number and port. */
void packet_arrives(struct play *play, struct words words, uint32_t shift, uint16_t port);
/* Fails the case unless the packet is what stands behind ">". */
void packet_expect(struct play *play, struct words words, const struct left *left);
/* What a packet is, in the notation. */
void packet_describe(struct play *play, const struct left *left, char *text, size_t size);
/* Looks at a packet for what the peer has to know: sequence numbers, timestamps, windows. */
void packet_learn(struct play *play, const struct left *left);
/* "datagram ...": what later fragments are pieces of. */
void packet_datagram(struct play *play, struct words *words);
/* The byte with this relative sequence number, of the host or of its peer. */
uint8_t packet_pattern(bool host, uint32_t seq);
struct cothon_addr packet_address(struct play *play, const char *name);

/* app.c: what the application does: the call that stands behind "app". */
void app_call(struct play *play, struct words *words);
/* The socket of the flow; without one the case fails. */
struct cothon_socket *app_socket(struct play *play);

/* play.c */

/*
 * Plays the lines of one case, text up to `end`, of which the first has the number `line`. Returns true when all
 * went as written; else play->message says what did not.
 */
bool play_case(struct play *play, const char *file, unsigned line, const char *text,
	       const char *end, bool ipv6);
void play_poll(struct play *play);

#endif
