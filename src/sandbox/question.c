/* SPDX-License-Identifier: MIT */
#include "sandbox/question.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void sandbox_questions_init(struct sandbox_questions *questions, int channel, pid_t init)
{
	*questions = (struct sandbox_questions){.channel = channel, .init = init};
	cothon_list_init(&questions->waiting);
}

static void forget_answer(struct sandbox_questions *questions)
{
	free(questions->pids);
	questions->pids = NULL;
	while (questions->namespace_count > 0)
		close(questions->answer.namespaces[--questions->namespace_count]);
	questions->answer.inspection = NULL;
	questions->busy = false;
}

/* Tells who asked how the question that init was at has ended. */
static void conclude(struct sandbox_questions *questions, int error)
{
	struct sandbox_question *asked = questions->asked;

	questions->asked = NULL;
	if (asked)
		asked->answered(asked, error, &questions->answer);
	else
		sandbox_inspection_free(questions->answer.inspection);
	forget_answer(questions);
}

static int prepare(struct sandbox_questions *questions)
{
	if (questions->word != SANDBOX_INSPECT)
		return 0;
	questions->pids = calloc(SANDBOX_PROCESSES, sizeof(*questions->pids));
	return questions->pids ? sandbox_channel_identify(questions->channel) : -ENOMEM;
}

static int ask(struct sandbox_questions *questions, struct sandbox_question *question)
{
	const struct sandbox_message message = {.word = question->word};
	int error;

	questions->asked = question;
	questions->word = question->word;
	questions->busy = true;
	error = prepare(questions);
	if (error < 0)
		return error;
	return sandbox_channel_send(questions->channel, &message, -1, MSG_DONTWAIT);
}

static void ask_next(struct sandbox_questions *questions)
{
	while (!questions->busy && !cothon_list_empty(&questions->waiting)) {
		struct cothon_list *first = questions->waiting.next;
		int error;

		cothon_list_remove(first);
		error = ask(questions, cothon_container(first, struct sandbox_question, node));
		if (error < 0)
			conclude(questions, error);
	}
}

/* Init has answered, or will not. */
static void finish(struct sandbox_questions *questions, int error)
{
	conclude(questions, error);
	ask_next(questions);
}

void sandbox_questions_add(struct sandbox_questions *questions, struct sandbox_question *question)
{
	cothon_list_append(&questions->waiting, &question->node);
	ask_next(questions);
}

void sandbox_questions_cancel(struct sandbox_questions *questions,
			      struct sandbox_question *question)
{
	if (questions->asked == question)
		questions->asked = NULL;
	else
		cothon_list_remove(&question->node);
}

void sandbox_questions_end(struct sandbox_questions *questions, int error)
{
	/* Those that wait are not asked any more. */
	if (questions->busy)
		conclude(questions, error);
	while (!cothon_list_empty(&questions->waiting)) {
		struct sandbox_question *question =
			cothon_container(questions->waiting.next, struct sandbox_question, node);

		cothon_list_remove(&question->node);
		question->answered(question, error, NULL);
	}
}

void sandbox_questions_drop(struct sandbox_questions *questions)
{
	forget_answer(questions);
}

/* --- answers --- */

static void take_inspection(struct sandbox_questions *questions, int error, int file)
{
	struct sandbox_inspection *inspection = NULL;

	if (error > 0 || (error == 0 && file < 0))
		error = -EBADMSG;
	if (error == 0)
		error = sandbox_inspection_read(file, &inspection);
	for (uint32_t i = 0; error == 0 && i < inspection->process_count; i++)
		inspection->processes[i].host_pid = questions->pids[i];
	questions->answer.inspection = inspection;
	finish(questions, error);
}

/* Returns whether the descriptor was taken. */
static bool take_namespace(struct sandbox_questions *questions, int type, int fd)
{
	static const int types[SANDBOX_NAMESPACES] = {CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID,
						      CLONE_NEWNS};

	if (fd < 0 || type != types[questions->namespace_count]) {
		finish(questions, type < 0 ? type : -EBADMSG);
		return false;
	}
	questions->answer.namespaces[questions->namespace_count++] = fd;
	if (questions->namespace_count == SANDBOX_NAMESPACES)
		finish(questions, 0);
	return true;
}

static void take_process(struct sandbox_questions *questions, int number, pid_t process)
{
	/* Where init may not speak for another, the kernel says that it was init itself. */
	if (number >= 0 && number < SANDBOX_PROCESSES && process > 0 && process != questions->init)
		questions->pids[number] = process;
}

bool sandbox_questions_hear(struct sandbox_questions *questions,
			    const struct sandbox_message *message, int passed, pid_t sender)
{
	bool inspecting = questions->busy && questions->word == SANDBOX_INSPECT;
	bool taken = false;

	switch (message->word) {
	case SANDBOX_PROCESS:
		if (inspecting)
			take_process(questions, message->value, sender);
		break;
	case SANDBOX_INSPECTED:
		if (inspecting)
			take_inspection(questions, message->value, passed);
		break;
	case SANDBOX_NAMESPACE:
		if (questions->busy && questions->word == SANDBOX_ENTER)
			taken = take_namespace(questions, message->value, passed);
		break;
	default:
		return false;
	}
	if (passed >= 0 && !taken)
		close(passed);
	return true;
}
