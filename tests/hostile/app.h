/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_APP_H
#define HOSTILE_APP_H

/*
 * The applications on a stage's stack: who owns its flows, and the forwarder. They behave as enum
 * scene_port says.
 */

#include "scene.h"
#include <cothon/cothon.h>

enum {
	APPS = 64
};

struct stage;

struct app {
	struct stage *stage;
	struct cothon_tcp *tcp; /* NULL: free */
	uint16_t port;          /* how it behaves */
	bool held;              /* not yet answered */
	size_t said;
};

struct apps {
	struct app all[APPS];
	struct cothon_listener *listeners[5];
	struct cothon_udp *udp;
	uint64_t datagrams; /* echoed */
	uint32_t keepalive; /* seconds, of all flows; 0: none */
};

extern const struct cothon_forwarder app_forwarder;

/* Begins to listen on all ports. */
void app_open_all(struct stage *stage);
/* Begins to listen where that has failed for want of memory. */
void app_listen_all(struct stage *stage);
/* One of the listeners, by its number, is started anew; without memory it is missing for a while. */
void app_restart(struct stage *stage, size_t which);
/* Gives up what does not end with the stack. */
void app_close_all(struct stage *stage);
/* Opens a flow from the stack's own address to the peer's port. Returns its owner, or NULL. */
struct app *app_connect(struct stage *stage, enum scene_family family, uint16_t port);
/* Who has the flow from the peer's port, or NULL. */
struct app *app_of(struct stage *stage, enum scene_family family, uint16_t peer_port);
/* Gives the flow up, in order or by RST. */
void app_give_up(struct app *app, bool abort);
/* The forwarder's late answer to a flow that is held; `error` 0: it is accepted. */
void app_answer(struct app *app, int error);
/* Something that an application may do at any time to one of its flows, by chance. */
void app_whim(struct stage *stage);

#endif
