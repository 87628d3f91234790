/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <string.h>

enum {
	SECOND = 1000000,
	TURNS_MAX = 1000000
};

static struct cothon_addr add(struct stage *stage, int side, const char *text)
{
	struct cothon_addr addr;

	assert_int_equal(cothon_addr_parse(text, &addr), 0);
	assert_int_equal(cothon_stack_add_address(stage->hosts.stacks[side], &addr), 0);
	return addr;
}

void stage_create(struct stage *stage)
{
	memset(stage, 0, sizeof(*stage));
	stage->now = SECOND;
	assert_int_equal(hosts_create(&stage->hosts, stage->now), 0);
	stage->client = add(stage, STAGE_CLIENT, "10.0.2.100");
	stage->other_client = add(stage, STAGE_CLIENT, "10.0.2.101");
	stage->server.addr = add(stage, STAGE_SERVER, "198.51.100.80");
	stage->server.port = STAGE_PORT;
}

void stage_destroy(struct stage *stage)
{
	if (stage->listener)
		cothon_listener_close(stage->listener);
	hosts_destroy(&stage->hosts);
}

void stage_settle(struct stage *stage)
{
	for (unsigned turns = 0; turns < TURNS_MAX; turns++) {
		uint64_t next = hosts_turn(&stage->hosts, stage->now);

		if (next > stage->now && next - stage->now > SECOND)
			return;
		if (next > stage->now)
			stage->now = next;
	}
	fail_msg("the hosts do not come to rest");
}

/* Peers */

static void hear(struct peer *peer)
{
	ptrdiff_t got;

	while ((got = cothon_tcp_read(peer->tcp, peer->heard + peer->len,
				      sizeof(peer->heard) - 1 - peer->len)) > 0) {
		peer->len += (size_t)got;
		assert_true(peer->len < sizeof(peer->heard) - 1);
	}
	if (got == 0)
		peer->at_end = true;
	peer->heard[peer->len] = '\0';
}

static void handle(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct peer *peer = owner;

	peer->tcp = tcp;
	if ((events & COTHON_TCP_OPENED) && peer->words)
		assert_int_equal(cothon_tcp_write(tcp, peer->words, strlen(peer->words)),
				 strlen(peer->words));
	if ((events & COTHON_TCP_OPENED) && peer->then_end)
		cothon_tcp_shutdown(tcp);
	if (events & COTHON_TCP_READABLE)
		hear(peer);
	if (events & COTHON_TCP_ENDED)
		peer->ended = true;
}

static void take(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	cothon_tcp_own(tcp, handle, owner);
	handle(tcp, owner, events);
}

void peer_connect(struct peer *peer, struct stage *stage, const struct cothon_addr *from,
		  uint16_t port, const char *words)
{
	const struct cothon_endpoint local = {.addr = *from};
	struct cothon_endpoint remote = stage->server;

	remote.port = port;
	memset(peer, 0, sizeof(*peer));
	peer->stage = stage;
	peer->words = words;
	assert_int_equal(cothon_tcp_connect(stage->hosts.stacks[STAGE_CLIENT], &local, &remote,
					    handle, peer, &peer->tcp),
			 0);
	stage_settle(stage);
}

void peer_answer(struct peer *peer, struct stage *stage, const char *words, bool then_end)
{
	memset(peer, 0, sizeof(*peer));
	peer->stage = stage;
	peer->words = words;
	peer->then_end = then_end;
	assert_int_equal(cothon_tcp_listen(stage->hosts.stacks[STAGE_SERVER], &stage->server, 1,
					   take, peer, &stage->listener),
			 0);
}

void peer_say(struct peer *peer, const char *words)
{
	assert_int_equal(cothon_tcp_write(peer->tcp, words, strlen(words)), strlen(words));
	stage_settle(peer->stage);
}

void peer_close(struct peer *peer)
{
	cothon_tcp_close(peer->tcp);
	peer->tcp = NULL;
	stage_settle(peer->stage);
}

void peer_heard(struct peer *peer, const char *words)
{
	assert_string_equal(peer->heard, words);
	peer->len = 0;
	peer->heard[0] = '\0';
}
