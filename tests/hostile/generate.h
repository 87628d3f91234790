/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_GENERATE_H
#define HOSTILE_GENERATE_H

/*
 * Random frames that know what a frame is: most are good segments of flows that there are, or good
 * datagrams, messages and fragments; a part of them is changed at random, and then most get their
 * checksums right again, so that they come far. The same seed gives the same frames, as long as the
 * stack does the same.
 */

#include "base/random.h"
#include "packet.h"
#include "scene.h"
#include <cothon/stack.h>

enum {
	GENERATE_PIECES = 6
};

struct generator {
	struct cothon_random random;
	const struct scene *scene;
	struct cothon_stack *stack; /* whose flows are hit; NULL: there are none to be known */
	/* The rest of a packet that was cut into fragments. */
	struct packet *pieces[GENERATE_PIECES];
	unsigned piece_count;
};

void generator_init(struct generator *generator, uint64_t seed, const struct scene *scene,
		    struct cothon_stack *stack);
void generator_finish(struct generator *generator);
void generator_next(struct generator *generator, struct packet *packet);

#endif
