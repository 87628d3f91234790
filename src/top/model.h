/* SPDX-License-Identifier: MIT */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

/*
 * What `cothon top` shows: applications, their ports and flows, and how fast they are, from the
 * answers of sandboxes. It asks nothing and draws nothing.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOP_HISTORY = 32, /* seconds of a sparkline, one value each */
	TOP_NAME = 64,
	TOP_END = 288, /* an endpoint: a name of 253 characters and a port */
};

/* How fast something is, now and before. */
struct top_rates {
	double in, out; /* bytes per second */
	uint64_t bytes_in, bytes_out;
	bool known; /* there was a look before this one */
	float history[TOP_HISTORY];
	unsigned seen; /* values ever put there; the next goes to seen % TOP_HISTORY */
};

/* Takes what was counted, `seconds` after the last time; 0: this is the first. */
void top_rates_take(struct top_rates *rates, uint64_t bytes_in, uint64_t bytes_out, double seconds);
/* The value of `ago` looks before the last; 0 where there was none. */
double top_rates_before(const struct top_rates *rates, unsigned ago);

struct top_application {
	char sandbox[TOP_NAME], command[TOP_NAME]; /* command "": what nobody holds any longer */
	int pid;                                   /* inside */
	unsigned flows, ports;
	double delay; /* the longest round trip of its flows, seconds */
	bool folded;
	struct top_rates rates;
};

struct top_port {
	size_t application;
	char sandbox[TOP_NAME], transport[8], address[TOP_NAME], service[TOP_NAME];
	unsigned port;
};

struct top_flow {
	size_t application;
	char sandbox[TOP_NAME], transport[8], service[TOP_NAME], state[16];
	char local[TOP_END], remote[TOP_END];
	/* What a rule would deny: "example.org:443/tcp"; "" when there is nothing. */
	char destination[TOP_END];
	bool published, inside;
	json_t *named; /* as DELETE /v1/flows wants it */
	double delay, opened;
	uint64_t retransmits;
	struct top_rates rates;
};

/* What was told of a sandbox last. */
struct top_sandbox {
	char name[TOP_NAME];
	double now;     /* its clock at the last look */
	json_t *ports;  /* the last answer of /v1/ports */
	json_t *owners; /* whose a flow is, from it */
	struct top_rates rates;
	uint64_t denied, retransmits, frames_in, frames_out;
	bool gone;
	/* Flows that came with no owner: worth asking for the ports again. */
	unsigned strangers;
};

struct top_model {
	struct top_sandbox *sandboxes;
	size_t sandbox_count;
	struct top_application *applications;
	size_t application_count;
	struct top_port *ports;
	size_t port_count;
	struct top_flow *flows;
	size_t flow_count;
};

/* A look at one sandbox: the answer of /v1/flows, and that of /v1/ports unless it is NULL. */
struct top_look {
	const char *sandbox;
	json_t *flows, *ports;
};

/*
 * Takes one look at each sandbox that runs; others are forgotten. The answers stay the caller's.
 * Returns 0 or -ENOMEM, and then the model is as far as it got.
 */
int top_model_take(struct top_model *model, const struct top_look *looks, size_t count);
void top_model_free(struct top_model *model);
/* The sandbox of that name, or NULL. */
const struct top_sandbox *top_model_sandbox(const struct top_model *model, const char *name);

#endif
