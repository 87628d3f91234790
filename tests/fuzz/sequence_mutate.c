/* SPDX-License-Identifier: MIT */

/* How libFuzzer changes sequences: an action's arguments, or whole actions. */

#include "base/random.h"
#include "sequence.h"
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other,
				 size_t other_size, uint8_t *out, size_t max_out, unsigned seed);

struct sequence {
	struct cothon_random random;
	uint8_t *data;
	size_t count, room; /* records */
};

static uint32_t below(struct sequence *sequence, size_t bound)
{
	return cothon_random_below(&sequence->random, (uint32_t)bound);
}

static void begin(struct sequence *sequence, unsigned seed)
{
	uint8_t bytes[32] = {0};

	memcpy(bytes, &seed, sizeof(seed));
	cothon_random_init(&sequence->random, bytes, 1000);
}

static uint8_t *at(struct sequence *sequence, size_t index)
{
	return sequence->data + index * SEQUENCE_RECORD;
}

/* Makes room for `count` records at a place; returns how many there is room for. */
static size_t open_gap(struct sequence *sequence, size_t place, size_t count)
{
	if (count > sequence->room - sequence->count)
		count = sequence->room - sequence->count;
	memmove(at(sequence, place + count), at(sequence, place),
		(sequence->count - place) * SEQUENCE_RECORD);
	sequence->count += count;
	return count;
}

static void insert_new(struct sequence *sequence)
{
	size_t place = 1 + below(sequence, sequence->count);

	if (open_gap(sequence, place, 1) == 0)
		return;
	for (size_t i = 0; i < SEQUENCE_RECORD; i++)
		at(sequence, place)[i] = (uint8_t)(below(sequence, 3) ? below(sequence, 256) : 0);
	at(sequence, place)[0] = (uint8_t)below(sequence, SEQUENCE_ACTIONS);
}

/* Copies some records to another place. */
static void copy_run(struct sequence *sequence)
{
	uint8_t run[8 * SEQUENCE_RECORD];
	size_t from = below(sequence, sequence->count);
	size_t count = 1 + below(sequence, 8);
	size_t place = 1 + below(sequence, sequence->count);

	if (count > sequence->count - from)
		count = sequence->count - from;
	memcpy(run, at(sequence, from), count * SEQUENCE_RECORD);
	count = open_gap(sequence, place, count);
	memcpy(at(sequence, place), run, count * SEQUENCE_RECORD);
}

static void remove_run(struct sequence *sequence)
{
	size_t from = below(sequence, sequence->count);
	size_t count = 1 + below(sequence, 4);

	if (count >= sequence->count - from)
		count = sequence->count - from - 1;
	memmove(at(sequence, from), at(sequence, from + count),
		(sequence->count - from - count) * SEQUENCE_RECORD);
	sequence->count -= count;
}

static void change_one(struct sequence *sequence)
{
	uint8_t *record = at(sequence, below(sequence, sequence->count));
	uint8_t copy[SEQUENCE_RECORD];
	size_t len;

	memcpy(copy, record, sizeof(copy));
	len = LLVMFuzzerMutate(copy, sizeof(copy), sizeof(copy));
	memcpy(record, copy, len);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct sequence sequence = {
		.data = data, .count = size / SEQUENCE_RECORD, .room = max_size / SEQUENCE_RECORD};

	if (sequence.room == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	if (sequence.count == 0) {
		memset(data, 0, SEQUENCE_RECORD);
		sequence.count = 1;
	}
	begin(&sequence, seed);
	switch (below(&sequence, 8)) {
	case 0:
	case 1:
		insert_new(&sequence);
		break;
	case 2:
		copy_run(&sequence);
		break;
	case 3:
		remove_run(&sequence);
		break;
	default:
		change_one(&sequence);
		break;
	}
	return sequence.count * SEQUENCE_RECORD;
}

/* The beginning of one sequence and the end of another. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other,
				 size_t other_size, uint8_t *out, size_t max_out, unsigned seed)
{
	struct sequence sequence = {.data = out, .room = max_out / SEQUENCE_RECORD};
	size_t head, from, tail;

	begin(&sequence, seed);
	head = below(&sequence, one_size / SEQUENCE_RECORD + 1);
	from = below(&sequence, other_size / SEQUENCE_RECORD + 1);
	tail = other_size / SEQUENCE_RECORD - from;
	if (head > sequence.room)
		head = sequence.room;
	if (tail > sequence.room - head)
		tail = sequence.room - head;
	memcpy(out, one, head * SEQUENCE_RECORD);
	memcpy(out + head * SEQUENCE_RECORD, other + from * SEQUENCE_RECORD,
	       tail * SEQUENCE_RECORD);
	return (head + tail) * SEQUENCE_RECORD;
}
