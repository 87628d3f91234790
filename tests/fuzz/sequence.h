/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_SEQUENCE_H
#define FUZZ_SEQUENCE_H

/*
 * The input of the target that plays sequences: records of one size, each an action with its
 * arguments, so that any bytes are a sequence and a mutator can take, copy and move whole actions.
 */

#include "../hostile/stage.h"

enum {
	SEQUENCE_RECORD = 16,
	SEQUENCE_RECORDS = 128, /* played at most, the first of which sets up the stack */
	/* In an action's byte: the stack reads and is polled only after the next one. */
	SEQUENCE_BURST = 0x80,
};

/* What each does with its arguments is said in sequence_frames.c and sequence_calls.c. */
enum sequence_action {
	SEQUENCE_SEGMENT, /* of a flow that there is */
	SEQUENCE_SYN,
	SEQUENCE_DATAGRAM,
	SEQUENCE_ECHO,
	SEQUENCE_ERROR, /* an ICMP error about a flow that there is */
	SEQUENCE_FRAGMENT,
	SEQUENCE_CASE,   /* a malformed frame of the hostile corpus */
	SEQUENCE_CHANGE, /* the last frame again, with other bytes */
	SEQUENCE_NOISE,  /* frames of the hostile generator */
	SEQUENCE_TIME,
	SEQUENCE_CALL, /* of an application, on a flow that it has */
	SEQUENCE_CONNECT,
	SEQUENCE_RESTART, /* of a listener */
	SEQUENCE_WEATHER, /* the link's errors and the allocator's */
	SEQUENCE_ACTIONS,
};

struct sequence_record {
	uint8_t action;
	uint8_t arg[SEQUENCE_RECORD - 1];
};

/* Two arguments as a number. */
static inline uint16_t sequence_16(const struct sequence_record *record, unsigned at)
{
	return (uint16_t)(record->arg[at] << 8 | record->arg[at + 1]);
}

/* The same with a sign. */
static inline int32_t sequence_delta(const struct sequence_record *record, unsigned at)
{
	return (int16_t)sequence_16(record, at);
}

/*
 * Makes the frame that the record asks for in the stage's scratch and lays it onto the link; nothing
 * where it asks for a flow and there is none.
 */
void sequence_frame(struct stage *stage, const struct sequence_record *record);
/* What happens beside the frames: time, calls, errors. */
void sequence_call(struct stage *stage, const struct sequence_record *record);

#endif
