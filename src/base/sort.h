/* SPDX-License-Identifier: MIT */
#ifndef BASE_SORT_H
#define BASE_SORT_H

/* Sorting in place: the C library's qsort() allocates, and asks the system how much memory it has. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Puts numbers in the order in which before(a, b) is true for each a in front of a different b. */
void cothon_sort(uint32_t *numbers, size_t count,
		 bool (*before)(const void *context, uint32_t a, uint32_t b), const void *context);

#endif
