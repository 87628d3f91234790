/* SPDX-License-Identifier: MIT */
#ifndef UNIT_EXAMPLES_STAGE_H
#define UNIT_EXAMPLES_STAGE_H

/* Two hosts on a virtual clock, and peers that say what a test writes and put down what they hear. */

#include "../../../examples/documents.h"
#include "../../../examples/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum {
	STAGE_CLIENT,
	STAGE_SERVER
};
enum {
	STAGE_PORT = 4000,
	STAGE_TEXT = 16384
};

struct stage {
	struct hosts hosts;
	uint64_t now;
	struct cothon_endpoint server;           /* the server's address, and STAGE_PORT */
	struct cothon_addr client, other_client; /* the client's addresses */
	struct cothon_listener *listener;        /* of stage_answer() */
};

struct peer {
	struct stage *stage;
	struct cothon_tcp *tcp;
	const char *words; /* said when the connection is open; NULL: nothing */
	bool then_end;     /* and the end after it */
	char heard[STAGE_TEXT];
	size_t len;
	bool at_end, ended;
};

void stage_create(struct stage *stage);
void stage_destroy(struct stage *stage);
/* Goes on until nothing more happens within a second. */
void stage_settle(struct stage *stage);

/* Connects from one of the client's addresses to a port of the server, and says the words. */
void peer_connect(struct peer *peer, struct stage *stage, const struct cothon_addr *from,
		  uint16_t port, const char *words);
/* Waits at STAGE_PORT for the client under test, and says the words to it. */
void peer_answer(struct peer *peer, struct stage *stage, const char *words, bool then_end);
void peer_say(struct peer *peer, const char *words);
void peer_close(struct peer *peer);
/* What was heard is exactly this. It is forgotten then. */
void peer_heard(struct peer *peer, const char *words);

#endif
