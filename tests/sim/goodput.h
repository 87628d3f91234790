/* SPDX-License-Identifier: MIT */
#ifndef SIM_GOODPUT_H
#define SIM_GOODPUT_H

/*
 * How much gets through: goodput between two stacks by loss and round trip, and how fairly eight
 * flows share a bottleneck. The figures are exact: they change only when the stack's behaviour does.
 */

#include <stdio.h>

void goodput_write(FILE *out);

#endif
