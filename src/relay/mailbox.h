/* SPDX-License-Identifier: MIT */
#ifndef RELAY_MAILBOX_H
#define RELAY_MAILBOX_H

/*
 * What the lanes of a relay give each other (lane.h): each has a box, into which any thread puts and
 * from which its own takes. A descriptor is readable while something is inside.
 */

#include "relay/relay.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
	RELAY_MAILBOX_BYTES =
		16 << 20, /* that may wait in one; what comes then is lost, and counted */
};

enum relay_mail_kind {
	RELAY_MAIL_FRAME,  /* a packet that is the taker's */
	RELAY_MAIL_CLIENT, /* a client of a published port */
	RELAY_MAIL_ENDED,  /* the last figures of a flow */
	RELAY_MAIL_SHOWN,  /* a packet that passed the sender's queue, for a capture */
	RELAY_MAIL_REST,   /* the first lane wants to work on what is the taker's */
	RELAY_MAIL_STOP,   /* the taker's thread is to end */
	RELAY_MAIL_IDLE,   /* nothing is left that the sender would have to deliver */
};

struct relay_mail {
	struct relay_mail *next;
	enum relay_mail_kind kind;
	bool lent; /* it is the sender's: not to be freed, and not counted among the bytes */
	union {
		struct {
			struct cothon_offload offload;
			uint8_t offered;
			bool received; /* SHOWN: by the lane; false: sent by it */
		};
		struct {
			struct cothon_endpoint client;
			uint16_t inside; /* the port */
			int fd;          /* its socket, the taker's */
		};
	};
	size_t len; /* of relay_mail_bytes() */
};

/* What comes behind it. FRAME and SHOWN: the packet; ENDED: a struct relay_flow. */
static inline uint8_t *relay_mail_bytes(struct relay_mail *mail)
{
	return (uint8_t *)(mail + 1);
}

struct relay_mail_queue {
	struct relay_mail *first, **end;
};

struct relay_mailbox {
	pthread_mutex_t mutex;
	int fd; /* eventfd(2) */
	/* Packets, and all else. */
	struct relay_mail_queue frames, letters;
	size_t bytes;
	atomic_uint frame_count; /* to be looked at without the mutex */
	atomic_ullong lost;
};

/* Returns 0 or the errno of eventfd(2). */
int relay_mailbox_open(struct relay_mailbox *box);
/* Frees what is inside, and closes what came with it. */
void relay_mailbox_close(struct relay_mailbox *box);

/* A mail with room for `len` bytes, or NULL. */
struct relay_mail *relay_mail_create(enum relay_mail_kind kind, size_t len);
/* Frees a mail that was taken, unless it is lent. */
void relay_mail_free(struct relay_mail *mail);
/* Puts a mail in, which is the box's then. Returns false when there is no room, and the mail is gone. */
bool relay_mailbox_put(struct relay_mailbox *box, struct relay_mail *mail);
/* The oldest packet, or NULL; the caller's. */
struct relay_mail *relay_mailbox_take_frame(struct relay_mailbox *box);
/* The oldest of all else, or NULL. */
struct relay_mail *relay_mailbox_take_letter(struct relay_mailbox *box);

#endif
