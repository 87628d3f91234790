/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_APPLICATIONS_H
#define CONTROL_APPLICATIONS_H

/*
 * Which application has a flow. Nobody waits for it: who asks is told what is known, and init is asked
 * in the background for what is not; the next one who asks is told that. What is known of a flow is looked up
 * again from time to time, since a port may come to another application.
 */

#include "base/list.h"
#include "host/loop.h"
#include "sandbox/sandbox.h"
#include <cothon/addr.h>

struct control_applications;

enum {
	CONTROL_APPLICATION = 48
};

struct control_application {
	char command[SANDBOX_COMMAND]; /* UTF-8; "" when nobody has the flow, or none is known */
	int pid;                       /* inside */
};

/* Somebody who waits for an application's name; embedded in its owner. */
struct control_application_query {
	struct cothon_list node;
	struct cothon_flow flow;
	/* Called once, from the loop. */
	void (*answered)(struct control_application_query *query,
			 const struct control_application *application);
};

/* Returns 0, -ENOMEM, or the errno of getrandom(2). Loop and sandbox outlive it. */
int control_applications_create(struct host_loop *loop, struct sandbox *sandbox,
				struct control_applications **applications);
/* Queries that wait are answered with nobody. NULL does nothing. */
void control_applications_destroy(struct control_applications *applications);
/*
 * The application that has a flow, whose "remote" end is the one inside; or NULL as long as that is not
 * known. Valid until the next call.
 */
const struct control_application *
control_applications_find(struct control_applications *applications,
			  const struct cothon_flow *flow);
/* Has the query answered by what is found out after this. */
void control_applications_ask(struct control_applications *applications,
			      struct control_application_query *query);

/* "curl (process 12)"; "" for nobody. Returns `text`. */
char *control_application_format(const struct control_application *application,
				 char text[static CONTROL_APPLICATION]);

#endif
