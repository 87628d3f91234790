/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_MUTATE_H
#define HOSTILE_MUTATE_H

#include "base/random.h"
#include "packet.h"

/* Changes something about a frame: a bit, a field, its length, mostly near its beginning. */
void mutate(struct cothon_random *random, struct packet *packet);

#endif
