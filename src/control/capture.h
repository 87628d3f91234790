/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_CAPTURE_H
#define CONTROL_CAPTURE_H

/*
 * The capture of a running sandbox: packets go to a scribe (host/scribe.h), which writes them to a file.
 * There is one at a time, and the figures of the last one stay.
 */

#include "host/loop.h"
#include "sandbox/sandbox.h"

#include <cothon/capture.h>

struct relay;
struct control_capture;
struct control_applications;

enum {
	CONTROL_CAPTURE_FILTERS = 64,
	CONTROL_CAPTURE_SIZE_MIN = 4096, /* bytes */
};

/* What to capture, and how much of it. */
struct control_capture_limits {
	uint64_t size;                     /* bytes of the file; 0: any */
	uint64_t seconds;                  /* 0: until it is stopped */
	uint32_t snap;                     /* bytes of a packet that are kept; 0: all */
	const struct cothon_rule *filters; /* that allow; copied */
	size_t filter_count;
};

/* Why a capture has ended. */
enum control_capture_end {
	CONTROL_CAPTURE_GOES_ON,
	CONTROL_CAPTURE_STOPPED,
	CONTROL_CAPTURE_FULL, /* its size */
	CONTROL_CAPTURE_OVER, /* its time */
	CONTROL_CAPTURE_LEFT, /* the scribe has gone, or could not write */
};

struct control_capture_state {
	bool ever; /* there was one; else all else is 0 */
	enum control_capture_end end;
	bool written;   /* it has ended, and all is in the file */
	int error;      /* the scribe's, a negative errno */
	uint64_t began; /* microseconds since 1970 */
	struct cothon_capture_counters counters;
	struct control_capture_limits limits; /* without filters */
};

struct control_capture_config {
	struct host_loop *loop;
	struct cothon_link *link; /* the sandbox's device */
	const struct relay *relay;
	struct control_applications *applications; /* NULL: packets have no comments */
	const char *name;                          /* of the sandbox, NULL: none */
	char *const *command;                      /* ends with NULL */
};

/* What *config points to outlives it. Returns 0 or -ENOMEM. */
int control_capture_create(const struct control_capture_config *config,
			   struct control_capture **capture);
/*
 * Ends a capture that goes on, and waits for a moment until the scribe has written what there is.
 * NULL does nothing.
 */
void control_capture_destroy(struct control_capture *capture);
/*
 * Starts to capture into a stream socket, which becomes the capture's. Returns 0; -EBUSY when one goes on,
 * or was not written to its end yet; -EINVAL for a size that is too small; -EDOM for a filter by a name
 * when the sandbox's rules tell no names apart; -ENOTSOCK for what is no stream socket; -ENOMEM; or the
 * errno of epoll_ctl(2). Then the socket stays the caller's.
 */
int control_capture_start(struct control_capture *capture, int socket,
			  const struct control_capture_limits *limits);
/*
 * Stops. Has `written` called, perhaps before it returns, when all is in the file. Returns -ENOENT when
 * none goes on, and -EBUSY when somebody waits for that already.
 */
int control_capture_stop(struct control_capture *capture, void (*written)(void *owner),
			 void *owner);
/* Who waits for the end does so no longer. */
void control_capture_forget(struct control_capture *capture);
struct control_capture_state control_capture_look(const struct control_capture *capture);

#endif
