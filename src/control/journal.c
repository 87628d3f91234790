/* SPDX-License-Identifier: MIT */
#include "control/journal.h"

#include <stdlib.h>
#include <string.h>

/* What stands in front of a line's bytes. Records lie one behind the other, at any place in the ring. */
struct record {
	uint64_t at;
	uint32_t len;
	uint32_t source;
};

struct control_journal {
	size_t room;
	/* Bytes ever written, and ever given up: modulo `room` they are places in the ring. */
	uint64_t written, given_up;
	uint64_t first, next; /* numbers of lines */
	struct cothon_list listeners;
	char line[CONTROL_JOURNAL_LINE]; /* the one that is read, in one piece */
	char ring[];
};

struct control_journal *control_journal_create(size_t bytes)
{
	struct control_journal *journal;
	size_t least = sizeof(*journal) + CONTROL_JOURNAL_LINE + sizeof(struct record);

	if (bytes < least)
		bytes = least;
	journal = malloc(bytes);
	if (!journal)
		return NULL;
	*journal = (struct control_journal){.room = bytes - sizeof(*journal)};
	cothon_list_init(&journal->listeners);
	return journal;
}

static void tell(struct control_journal *journal)
{
	struct cothon_list waiting;

	/* Those that listen anew are told of the next line. */
	cothon_list_init(&waiting);
	while (!cothon_list_empty(&journal->listeners)) {
		struct cothon_list *first = journal->listeners.next;

		cothon_list_remove(first);
		cothon_list_append(&waiting, first);
	}
	while (!cothon_list_empty(&waiting)) {
		struct cothon_list *first = waiting.next;

		cothon_list_remove(first);
		cothon_container(first, struct control_journal_listener, node)
			->heard(cothon_container(first, struct control_journal_listener, node));
	}
}

void control_journal_destroy(struct control_journal *journal)
{
	tell(journal);
	free(journal);
}

/* Copies bytes that may lie around the ring's end. */
static void read_ring(const struct control_journal *journal, uint64_t from, void *bytes, size_t len)
{
	size_t place = (size_t)(from % journal->room), first = journal->room - place;

	if (first > len)
		first = len;
	memcpy(bytes, journal->ring + place, first);
	memcpy((char *)bytes + first, journal->ring, len - first);
}

static void write_ring(struct control_journal *journal, const void *bytes, size_t len)
{
	size_t place = (size_t)(journal->written % journal->room), first = journal->room - place;

	if (first > len)
		first = len;
	memcpy(journal->ring + place, bytes, first);
	if (len > first)
		memcpy(journal->ring, (const char *)bytes + first, len - first);
	journal->written += len;
}

/* The oldest line goes. */
static void forget(struct control_journal *journal)
{
	struct record record;

	read_ring(journal, journal->given_up, &record, sizeof(record));
	journal->given_up += sizeof(record) + record.len;
	journal->first++;
}

void control_journal_add(struct control_journal *journal, enum control_source source, uint64_t at,
			 const char *text, size_t len)
{
	struct record record = {.at = at, .source = (uint32_t)source};

	if (len > CONTROL_JOURNAL_LINE)
		len = CONTROL_JOURNAL_LINE;
	record.len = (uint32_t)len;
	while (journal->written - journal->given_up + sizeof(record) + len > journal->room)
		forget(journal);
	write_ring(journal, &record, sizeof(record));
	write_ring(journal, text, len);
	journal->next++;
	tell(journal);
}

void control_journal_read(struct control_journal *journal, uint64_t from,
			  bool (*each)(const struct control_line *line, void *context),
			  void *context)
{
	uint64_t at = journal->given_up;

	for (uint64_t number = journal->first; number < journal->next; number++) {
		struct control_line line = {.number = number, .text = journal->line};
		struct record record;

		read_ring(journal, at, &record, sizeof(record));
		at += sizeof(record);
		if (number >= from) {
			read_ring(journal, at, journal->line, record.len);
			line.at = record.at;
			line.len = record.len;
			line.source = (enum control_source)record.source;
			if (!each(&line, context))
				return;
		}
		at += record.len;
	}
}

uint64_t control_journal_next(const struct control_journal *journal)
{
	return journal->next;
}

void control_journal_listen(struct control_journal *journal,
			    struct control_journal_listener *listener)
{
	cothon_list_append(&journal->listeners, &listener->node);
}
