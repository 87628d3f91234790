/* SPDX-License-Identifier: MIT */
#include "base/sort.h"

/* A heap sort: O(n log n) whatever the input. */

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t kept = *a;

	*a = *b;
	*b = kept;
}

/* Lets the number at `i` sink to its place in a heap with its last on top. */
static void sink(uint32_t *heap, size_t count, size_t i,
		 bool (*before)(const void *context, uint32_t a, uint32_t b), const void *context)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= count)
			return;
		if (child + 1 < count && before(context, heap[child], heap[child + 1]))
			child++;
		if (!before(context, heap[i], heap[child]))
			return;
		swap(&heap[i], &heap[child]);
		i = child;
	}
}

void cothon_sort(uint32_t *numbers, size_t count,
		 bool (*before)(const void *context, uint32_t a, uint32_t b), const void *context)
{
	for (size_t i = count / 2; i > 0; i--)
		sink(numbers, count, i - 1, before, context);
	for (size_t end = count; end > 1; end--) {
		swap(&numbers[0], &numbers[end - 1]);
		sink(numbers, end - 1, 0, before, context);
	}
}
