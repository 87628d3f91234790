/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

/*
 * A timer lies on the level of the highest byte in which its tick differs from the wheel's, in the
 * slot of that byte's value. So the timers of a level come before all those of the levels above it,
 * and the slot of the wheel's own tick is empty on every level between the lowest and the highest.
 * When the wheel comes to a slot of a higher level, its timers move down. The highest level goes
 * round: a timer that lies further ahead than it spans is met once in each round, and put back.
 */

enum {
	SLOT_BITS = 8,
	SLOT_MASK = COTHON_WHEEL_SLOTS - 1,
	TOP = COTHON_WHEEL_LEVELS - 1,
};

_Static_assert(1 << SLOT_BITS == COTHON_WHEEL_SLOTS, "a slot is chosen by whole bits of the tick");

/* The first tick that is not before the deadline. */
static uint64_t tick_of(uint64_t deadline)
{
	const uint64_t part = (1 << COTHON_WHEEL_SHIFT) - 1;

	return (deadline >> COTHON_WHEEL_SHIFT) + ((deadline & part) != 0);
}

static void place(struct cothon_wheel *wheel, struct cothon_timer *timer)
{
	uint64_t tick = tick_of(timer->deadline);
	unsigned level = 0;

	if (tick < wheel->tick)
		tick = wheel->tick;
	while (level < TOP && (tick ^ wheel->tick) >> (SLOT_BITS * (level + 1)))
		level++;

	unsigned slot = tick >> (SLOT_BITS * level) & SLOT_MASK;

	cothon_list_append(&wheel->slots[level][slot], &timer->node);
	wheel->used[level][slot / 64] |= UINT64_C(1) << slot % 64;
}

/*
 * The first slot of a level, from `from` on, that is not empty; COTHON_WHEEL_SLOTS if there is
 * none.
 */
static unsigned first_used(const uint64_t used[static COTHON_WHEEL_SLOTS / 64], unsigned from)
{
	for (unsigned word = from / 64; word < COTHON_WHEEL_SLOTS / 64; word++) {
		uint64_t bits = used[word];

		if (word == from / 64)
			bits &= UINT64_MAX << from % 64;
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return COTHON_WHEEL_SLOTS;
}

/* Finds the next slot that is not empty, and the tick at which the wheel comes to it. */
static bool next_slot(const struct cothon_wheel *wheel, unsigned *level, uint64_t *tick)
{
	for (unsigned l = 0; l < COTHON_WHEEL_LEVELS; l++) {
		uint64_t position = wheel->tick >> (SLOT_BITS * l);
		unsigned current = position & SLOT_MASK;
		unsigned slot = first_used(wheel->used[l], l == 0 ? current : current + 1);

		if (slot == COTHON_WHEEL_SLOTS && l == TOP) {
			slot = first_used(wheel->used[l], 0);
			if (slot < COTHON_WHEEL_SLOTS)
				position += COTHON_WHEEL_SLOTS;
		}
		if (slot < COTHON_WHEEL_SLOTS) {
			*level = l;
			*tick = (position - current + slot) << (SLOT_BITS * l);
			return true;
		}
	}
	return false;
}

void cothon_wheel_init(struct cothon_wheel *wheel, uint64_t now)
{
	for (unsigned level = 0; level < COTHON_WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < COTHON_WHEEL_SLOTS; slot++)
			cothon_list_init(&wheel->slots[level][slot]);
		for (unsigned word = 0; word < COTHON_WHEEL_SLOTS / 64; word++)
			wheel->used[level][word] = 0;
	}
	wheel->tick = now >> COTHON_WHEEL_SHIFT;
}

void cothon_timer_init(struct cothon_timer *timer)
{
	cothon_list_init(&timer->node);
	timer->deadline = 0;
}

bool cothon_timer_armed(const struct cothon_timer *timer)
{
	return !cothon_list_empty(&timer->node);
}

void cothon_wheel_arm(struct cothon_wheel *wheel, struct cothon_timer *timer, uint64_t deadline)
{
	cothon_wheel_disarm(wheel, timer);
	timer->deadline = deadline;
	place(wheel, timer);
}

void cothon_wheel_disarm(struct cothon_wheel *wheel, struct cothon_timer *timer)
{
	struct cothon_list *neighbour = timer->node.next;

	if (!cothon_timer_armed(timer))
		return;
	/* The only neighbour of the last timer in a slot is the slot itself. */
	if (neighbour == timer->node.prev) {
		size_t slot = (size_t)(neighbour - &wheel->slots[0][0]);

		wheel->used[slot / COTHON_WHEEL_SLOTS][slot % COTHON_WHEEL_SLOTS / 64] &=
			~(UINT64_C(1) << slot % 64);
	}
	cothon_list_remove(&timer->node);
}

/* Moves the timers of a slot that the wheel has come to down to where they belong now. */
static void cascade(struct cothon_wheel *wheel, unsigned level, unsigned slot)
{
	struct cothon_list moving;

	cothon_list_init(&moving);
	cothon_list_splice(&moving, &wheel->slots[level][slot]);
	wheel->used[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
	while (!cothon_list_empty(&moving)) {
		struct cothon_list *node = moving.next;

		cothon_list_remove(node);
		place(wheel, cothon_container(node, struct cothon_timer, node));
	}
}

struct cothon_timer *cothon_wheel_expired(struct cothon_wheel *wheel, uint64_t now)
{
	uint64_t end = now >> COTHON_WHEEL_SHIFT;
	uint64_t tick;
	unsigned level;

	if (end < wheel->tick)
		end = wheel->tick;
	while (next_slot(wheel, &level, &tick) && tick <= end) {
		unsigned slot = tick >> (SLOT_BITS * level) & SLOT_MASK;

		wheel->tick = tick;
		if (level == 0) {
			struct cothon_timer *timer = cothon_container(
				wheel->slots[level][slot].next, struct cothon_timer, node);

			cothon_wheel_disarm(wheel, timer);
			return timer;
		}
		cascade(wheel, level, slot);
	}
	wheel->tick = end;
	return NULL;
}

uint64_t cothon_wheel_next(const struct cothon_wheel *wheel)
{
	uint64_t tick;
	unsigned level;

	return next_slot(wheel, &level, &tick) ? tick << COTHON_WHEEL_SHIFT : UINT64_MAX;
}
