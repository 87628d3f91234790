/* SPDX-License-Identifier: MIT */
#include "port/turn.h"

/*
 * What a turn is doing. A flow that has nothing more to send is not idle at once: it passes through
 * the old queue first, where it waits for its next turn and pays the debt of a frame larger than
 * its deficit was. Only an idle flow is a new one when it comes back, so between two turns as a new
 * flow every flow that waited has had a turn, and no pattern of coming and going gains more than
 * its share.
 *
 * RFC 8290 section 4.2 lets a flow leave from the old queue at once. That is a loophole: it has a
 * quantum as a new flow, another as an old one, leaves a byte before the end of that, and comes
 * back as new, with two quanta where the others have one.
 */
enum turn_queue {
	TURN_IDLE,
	TURN_NEW,     /* in `fresh`, with something to send */
	TURN_OLD,     /* in `old`, with something to send */
	TURN_PASSING, /* in `old`, with nothing to send */
};

void cothon_turns_init(struct cothon_turns *turns, int32_t quantum)
{
	cothon_list_init(&turns->fresh);
	cothon_list_init(&turns->old);
	turns->quantum = quantum > 0 ? quantum : 1;
}

void cothon_turn_init(struct cothon_turn *turn)
{
	cothon_list_init(&turn->node);
	turn->deficit = 0;
	turn->queue = TURN_IDLE;
}

void cothon_turn_request(struct cothon_turns *turns, struct cothon_turn *turn)
{
	if (turn->queue == TURN_PASSING) {
		turn->queue = TURN_OLD;
	} else if (turn->queue == TURN_IDLE) {
		turn->queue = TURN_NEW;
		turn->deficit = turns->quantum;
		cothon_list_append(&turns->fresh, &turn->node);
	}
}

void cothon_turn_cancel(struct cothon_turn *turn)
{
	cothon_list_remove(&turn->node);
	turn->queue = TURN_IDLE;
}

/* Puts a turn at the end of the old queue, wherever it was. */
static void turn_to_old(struct cothon_turns *turns, struct cothon_turn *turn, enum turn_queue queue)
{
	cothon_list_remove(&turn->node);
	cothon_list_append(&turns->old, &turn->node);
	turn->queue = (uint8_t)queue;
}

/*
 * The loop visits each waiting flow at most 1 + debt / quantum times: with a quantum of the largest
 * frame, as deficit round robin wants it, at most twice.
 */
struct cothon_turn *cothon_turn_next(struct cothon_turns *turns)
{
	for (;;) {
		struct cothon_list *queue = cothon_list_empty(&turns->fresh) ? &turns->old
									     : &turns->fresh;
		if (cothon_list_empty(queue))
			return NULL;

		struct cothon_turn *turn = cothon_container(queue->next, struct cothon_turn, node);
		if (turn->deficit <= 0) {
			turn->deficit += turns->quantum;
			turn_to_old(turns, turn,
				    turn->queue == TURN_PASSING ? TURN_PASSING : TURN_OLD);
		} else if (turn->queue == TURN_PASSING) {
			cothon_turn_cancel(turn);
		} else {
			return turn;
		}
	}
}

void cothon_turn_done(struct cothon_turns *turns, struct cothon_turn *turn, uint32_t bytes,
		      bool more)
{
	int64_t deficit = (int64_t)turn->deficit - bytes;

	turn->deficit = deficit > INT32_MIN ? (int32_t)deficit : INT32_MIN;
	/* A flow that was cancelled while it was sending is in no queue and enters none. */
	if (!more && turn->queue != TURN_IDLE)
		turn_to_old(turns, turn, TURN_PASSING);
}
