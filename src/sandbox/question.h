/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_QUESTION_H
#define SANDBOX_QUESTION_H

/*
 * What the engine asks init: one question after the other, each answered in a later turn of the
 * loop. What init answers is checked as if somebody else had said it.
 */

#include "base/list.h"
#include "sandbox/channel.h"
#include "sandbox/inspection.h"

#include <stdbool.h>

enum {
	SANDBOX_NAMESPACES = 4
};

struct sandbox_answer {
	/* To SANDBOX_INSPECT; becomes that of the one who asked (sandbox_inspection_free()). */
	struct sandbox_inspection *inspection;
	/*
	 * To SANDBOX_ENTER: the sandbox's user, network, PID and mount namespaces, in the order in which they
	 * are to be entered; closed when `answered` returns.
	 */
	int namespaces[SANDBOX_NAMESPACES];
};

/* Embedded in its owner. */
struct sandbox_question {
	struct cothon_list node;
	enum sandbox_word word; /* SANDBOX_INSPECT or SANDBOX_ENTER */
	/*
	 * Called once: `error` is 0, or why there is no answer: -EPIPE when init has ended, -EAGAIN
	 * when it takes no questions, -EBADMSG when its answer is none, -ENOMEM, or the errno of
	 * what it was refused.
	 */
	void (*answered)(struct sandbox_question *question, int error,
			 const struct sandbox_answer *answer);
};

struct sandbox_questions {
	int channel;
	pid_t init;
	struct cothon_list waiting;
	/* The one that init is at; its owner may have lost interest. */
	bool busy;
	enum sandbox_word word;
	struct sandbox_question *asked;
	/* The answer as far as it has come. */
	pid_t *pids; /* as the engine numbers the processes of the inspection */
	struct sandbox_answer answer;
	unsigned namespace_count;
};

/* `init` is the process at the other end of the channel. */
void sandbox_questions_init(struct sandbox_questions *questions, int channel, pid_t init);
/* Ends all questions with `error`. */
void sandbox_questions_end(struct sandbox_questions *questions, int error);
/* Forgets all questions without a word, and frees. */
void sandbox_questions_drop(struct sandbox_questions *questions);
/* The question is asked when it is its turn; where that fails it is answered before this returns. */
void sandbox_questions_add(struct sandbox_questions *questions, struct sandbox_question *question);
/* The question will not be answered any more. */
void sandbox_questions_cancel(struct sandbox_questions *questions,
			      struct sandbox_question *question);
/*
 * Takes a word of init's that belongs to an answer, with the descriptor that came along (-1: none),
 * which it takes or closes, and the process that it is from. Returns false for other words; then
 * the descriptor stays the caller's.
 */
bool sandbox_questions_hear(struct sandbox_questions *questions,
			    const struct sandbox_message *message, int passed, pid_t sender);

#endif
