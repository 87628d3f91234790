/* SPDX-License-Identifier: MIT */
#ifndef UNIT_RELAY_HOUSE_H
#define UNIT_RELAY_HOUSE_H

/*
 * A relay whose sandbox is another stack, joined to it by a wire in memory. Its outside are real
 * sockets of the loopback device, which the sandbox reaches by the gateway's address. Everything
 * runs in one loop, in real time, until what a test waits for has come.
 */

#include "relay/relay.h"
#include <cothon/cothon.h>

struct house {
	struct host_loop *loop;
	struct relay *relay;
	struct relay_network network;
	struct cothon_pool *wire_pool, *pool;
	struct cothon_link *link; /* the sandbox's end of the wire */
	struct cothon_link *relay_link;
	struct cothon_stack *sandbox;
	struct host_hook sandbox_hook, wait_hook;
	/* What until() waits for. */
	bool (*done)(void *context);
	void *context;
	uint64_t deadline;
	bool timed_out;
	bool guest; /* the loop is another's */
};

struct house_config {
	unsigned features; /* of the wire */
	uint32_t mtu;      /* 0: 1500 */
	bool closed;       /* the host's loopback */
	bool ipv4_only;
	const struct cothon_endpoint *resolvers;
	unsigned resolver_count;
	const char *resolv_conf;
	/* Rules, each with "allow " or "deny " in front; ends with NULL. NULL: none. */
	const char *const *rules;
	struct relay_limits limits;
	/*
	 * The loop of another house, which is closed later; the neighbourhood that both are in, what this one is
	 * called there, and a number that is added to its sandbox's addresses.
	 */
	struct host_loop *loop;
	struct relay_neighbourhood *neighbourhood;
	const char *name;
	uint8_t number;
};

enum {
	HOUSE_RULES = 16 /* at most */
};

/* Reads such rules; returns how many there are. */
size_t house_rules(const char *const *texts, struct cothon_rule rules[static HOUSE_RULES]);

void house_open(struct house *house, const struct house_config *config);
void house_close(struct house *house);
/* Runs until done(context) is true; a test that waits for more than 20 seconds has failed. */
void house_until(struct house *house, bool (*done)(void *context), void *context);
/* Runs for so many milliseconds: to see that nothing happens. */
void house_run(struct house *house, unsigned milliseconds);
/* Runs a while in which nothing is to happen; fails if that takes the processor. */
void house_rest(struct house *house);

/* Loses what the sandbox has sent and the relay has not read. Returns how many frames that were. */
unsigned house_lose_frames(struct house *house);

/* An endpoint of the gateway, the sandbox or the DNS server, in IPv4 or IPv6. */
struct cothon_endpoint house_gateway(const struct house *house, bool ipv6, uint16_t port);
struct cothon_endpoint house_sandbox(const struct house *house, bool ipv6, uint16_t port);
struct cothon_endpoint house_dns(const struct house *house, bool ipv6);
/* The host's loopback. */
struct cothon_endpoint house_loopback(bool ipv6, uint16_t port);
struct cothon_endpoint house_endpoint(const char *addr, uint16_t port);
void assert_endpoints_equal(struct cothon_endpoint a, struct cothon_endpoint b);

/* Sockets of the host, non-blocking, on the loopback. `port` 0: any that is free. */
int house_listen(bool ipv6, uint16_t port);
int house_bind_udp(bool ipv6, uint16_t port);
int house_connect(bool ipv6, uint16_t port);
uint16_t house_port(int fd);
/* True when accept(2) would give a connection, or a read something. */
bool house_readable(void *fd);
int house_accept(struct house *house, int listener, struct cothon_endpoint *client);
/*
 * Waits for something to read and reads it; returns what read(2) does, errors as negative errnos.
 */
ssize_t house_read_some(struct house *house, int fd, void *data, size_t len);
/* Reads until `len` bytes or the end have come; returns how many. An error fails the test. */
size_t house_read(struct house *house, int fd, void *data, size_t len);
/* Writes all of it. */
void house_write(struct house *house, int fd, const void *data, size_t len);

/* A flow on the sandbox's stack, with what it receives and sends. */
struct client {
	struct cothon_tcp *tcp;
	unsigned events; /* all that were told */
	bool greedy;     /* reads what comes */
	uint8_t *received;
	size_t received_len, received_room;
	const uint8_t *send;
	size_t send_len, sent;
	bool shutdown; /* after sending */
};

void client_connect(struct house *house, struct client *client,
		    const struct cothon_endpoint *remote);
void client_send(struct client *client, const uint8_t *data, size_t len, bool shutdown);
/* Takes over a flow that a listener gave. */
void client_adopt(struct client *client, struct cothon_tcp *tcp);
/* Reads what there is. */
void client_read(struct client *client);
bool client_is_open(void *client);
bool client_has_ended(void *client);
bool client_has_read_all(void *client);
/* It has as many bytes as it was to send. */
bool client_has_echo(void *client);
void client_close(struct client *client);

/* A wire that leaves nothing to its ends, and one that takes all that can be offloaded. */
extern const struct house_config house_plain, house_offloaded;

/* A flow from the sandbox to a server outside that has accepted it. */
struct joined {
	struct house house;
	struct client client;
	int server;
};

void join(struct joined *joined, const struct house_config *config, bool ipv6);
void part(struct joined *joined);
/*
 * Sends until every buffer on the way to a server that does not read is full; returns the bytes
 * acknowledged.
 */
size_t fill_the_way(struct joined *joined, const uint8_t *bytes, size_t len, bool shut);

/* Bytes that repeat nowhere soon. */
uint8_t *house_bytes(size_t len);

#endif
