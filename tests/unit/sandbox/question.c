/* SPDX-License-Identifier: MIT */

/* Questions to an init that this test plays. */

#include "sandbox/question.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum {
	INIT = 4321
};

struct scene {
	int engine, init;
	struct sandbox_questions questions;
};

struct asker {
	struct sandbox_question question;
	unsigned answered;
	int error;
	struct sandbox_inspection *inspection;
	int namespaces[SANDBOX_NAMESPACES];
};

static void take_answer(struct sandbox_question *question, int error,
			const struct sandbox_answer *answer)
{
	struct asker *asker = cothon_container(question, struct asker, question);

	asker->answered++;
	asker->error = error;
	if (error == 0 && question->word == SANDBOX_INSPECT)
		asker->inspection = answer->inspection;
	for (unsigned i = 0;
	     error == 0 && question->word == SANDBOX_ENTER && i < SANDBOX_NAMESPACES; i++)
		asker->namespaces[i] = dup(answer->namespaces[i]);
}

static struct asker asker_of(enum sandbox_word word)
{
	return (struct asker){.question = {.word = word, .answered = take_answer}};
}

static void open_scene(struct scene *scene)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	scene->engine = ends[0];
	scene->init = ends[1];
	sandbox_questions_init(&scene->questions, scene->engine, INIT);
}

static void close_scene(struct scene *scene)
{
	sandbox_questions_drop(&scene->questions);
	close(scene->engine);
	if (scene->init >= 0)
		close(scene->init);
}

/* What init is asked now; -1: nothing. */
static int asked(const struct scene *scene)
{
	struct sandbox_message message;

	if (sandbox_channel_receive(scene->init, &message, NULL, MSG_DONTWAIT) < 0)
		return -1;
	return (int)message.word;
}

static bool hear(struct scene *scene, enum sandbox_word word, int value, int passed, pid_t sender)
{
	const struct sandbox_message message = {.word = word, .value = value};

	return sandbox_questions_hear(&scene->questions, &message, passed, sender);
}

static int inspection_file(void)
{
	struct sandbox_process processes[] = {{.pid = 7, .command = "one"},
					      {.pid = 8, .command = "two"},
					      {.pid = 9, .command = "three"}};
	const struct sandbox_inspection inspection = {.process_count = 3, .processes = processes};

	return sandbox_inspection_write(&inspection);
}

static void test_inspection(void **state)
{
	struct asker asker = asker_of(SANDBOX_INSPECT);
	struct scene scene;

	(void)state;
	open_scene(&scene);
	sandbox_questions_add(&scene.questions, &asker.question);
	assert_int_equal(asked(&scene), SANDBOX_INSPECT);
	assert_true(hear(&scene, SANDBOX_PROCESS, 0, -1, 1007));
	/* Where the kernel names init, or nobody, the number is not known. */
	assert_true(hear(&scene, SANDBOX_PROCESS, 1, -1, INIT));
	assert_true(hear(&scene, SANDBOX_PROCESS, 2, -1, 0));
	/* Numbers that no process has. */
	assert_true(hear(&scene, SANDBOX_PROCESS, -1, -1, 1008));
	assert_true(hear(&scene, SANDBOX_PROCESS, SANDBOX_PROCESSES, -1, 1008));
	assert_int_equal(asker.answered, 0);
	assert_true(hear(&scene, SANDBOX_INSPECTED, 0, inspection_file(), INIT));
	assert_int_equal(asker.answered, 1);
	assert_int_equal(asker.error, 0);
	assert_int_equal(asker.inspection->processes[0].host_pid, 1007);
	assert_int_equal(asker.inspection->processes[1].host_pid, 0);
	assert_int_equal(asker.inspection->processes[2].host_pid, 0);
	sandbox_inspection_free(asker.inspection);
	close_scene(&scene);
}

static void test_one_after_the_other(void **state)
{
	struct asker first = asker_of(SANDBOX_INSPECT), second = asker_of(SANDBOX_INSPECT);
	struct scene scene;

	(void)state;
	open_scene(&scene);
	sandbox_questions_add(&scene.questions, &first.question);
	sandbox_questions_add(&scene.questions, &second.question);
	assert_int_equal(asked(&scene), SANDBOX_INSPECT);
	assert_int_equal(asked(&scene), -1);
	hear(&scene, SANDBOX_INSPECTED, -EACCES, -1, INIT);
	assert_int_equal(first.error, -EACCES);
	assert_int_equal(second.answered, 0);
	assert_int_equal(asked(&scene), SANDBOX_INSPECT);
	hear(&scene, SANDBOX_INSPECTED, 0, inspection_file(), INIT);
	assert_int_equal(second.answered, 1);
	assert_int_equal(second.error, 0);
	sandbox_inspection_free(second.inspection);
	close_scene(&scene);
}

static void test_lies(void **state)
{
	static const struct {
		int value;
		bool file;
	} lies[] = {{0, false}, {1, false}, {17, true}};
	struct scene scene;

	(void)state;
	open_scene(&scene);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct asker asker = asker_of(SANDBOX_INSPECT);

		sandbox_questions_add(&scene.questions, &asker.question);
		hear(&scene, SANDBOX_INSPECTED, lies[i].value,
		     lies[i].file ? inspection_file() : -1, INIT);
		assert_int_equal(asker.answered, 1);
		assert_int_equal(asker.error, -EBADMSG);
	}
	/* What nobody has asked for is taken, and closed. */
	assert_true(hear(&scene, SANDBOX_INSPECTED, 0, inspection_file(), INIT));
	assert_true(hear(&scene, SANDBOX_NAMESPACE, CLONE_NEWUSER, dup(0), INIT));
	assert_true(hear(&scene, SANDBOX_PROCESS, 0, -1, 5));
	/* Other words are others'. */
	assert_false(hear(&scene, SANDBOX_EXITED, 0, -1, INIT));
	close_scene(&scene);
}

static const int types[] = {CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWNS};

static void test_namespaces(void **state)
{
	struct asker asker = asker_of(SANDBOX_ENTER);
	struct scene scene;

	(void)state;
	open_scene(&scene);
	sandbox_questions_add(&scene.questions, &asker.question);
	assert_int_equal(asked(&scene), SANDBOX_ENTER);
	for (unsigned i = 0; i < SANDBOX_NAMESPACES; i++) {
		assert_int_equal(asker.answered, 0);
		hear(&scene, SANDBOX_NAMESPACE, types[i], dup(scene.engine), INIT);
	}
	assert_int_equal(asker.answered, 1);
	assert_int_equal(asker.error, 0);
	for (unsigned i = 0; i < SANDBOX_NAMESPACES; i++)
		assert_int_equal(close(asker.namespaces[i]), 0);
	close_scene(&scene);
}

/* In another order, without a descriptor, with an error: there is no way in. */
static void test_no_way(void **state)
{
	struct asker wrong = asker_of(SANDBOX_ENTER), none = asker_of(SANDBOX_ENTER);
	struct asker refused = asker_of(SANDBOX_ENTER);
	struct scene scene;
	int lowest;

	(void)state;
	open_scene(&scene);
	lowest = dup(0);
	close(lowest);
	sandbox_questions_add(&scene.questions, &wrong.question);
	hear(&scene, SANDBOX_NAMESPACE, CLONE_NEWUSER, dup(0), INIT);
	hear(&scene, SANDBOX_NAMESPACE, CLONE_NEWPID, dup(0), INIT);
	assert_int_equal(wrong.error, -EBADMSG);
	sandbox_questions_add(&scene.questions, &none.question);
	hear(&scene, SANDBOX_NAMESPACE, CLONE_NEWUSER, -1, INIT);
	assert_int_equal(none.error, -EBADMSG);
	sandbox_questions_add(&scene.questions, &refused.question);
	hear(&scene, SANDBOX_NAMESPACE, -EPERM, -1, INIT);
	assert_int_equal(refused.error, -EPERM);
	/* No descriptor is left open. */
	assert_int_equal(dup(0), lowest);
	close(lowest);
	close_scene(&scene);
}

static void test_cancel(void **state)
{
	struct asker first = asker_of(SANDBOX_INSPECT), second = asker_of(SANDBOX_ENTER);
	struct asker third = asker_of(SANDBOX_INSPECT);
	struct scene scene;

	(void)state;
	open_scene(&scene);
	sandbox_questions_add(&scene.questions, &first.question);
	sandbox_questions_add(&scene.questions, &second.question);
	sandbox_questions_add(&scene.questions, &third.question);
	sandbox_questions_cancel(&scene.questions, &first.question);
	sandbox_questions_cancel(&scene.questions, &second.question);
	/* Init is still at the first. */
	assert_int_equal(asked(&scene), SANDBOX_INSPECT);
	assert_int_equal(asked(&scene), -1);
	hear(&scene, SANDBOX_INSPECTED, 0, inspection_file(), INIT);
	assert_int_equal(asked(&scene), SANDBOX_INSPECT);
	hear(&scene, SANDBOX_INSPECTED, 0, inspection_file(), INIT);
	assert_int_equal(first.answered + second.answered, 0);
	assert_int_equal(third.answered, 1);
	sandbox_inspection_free(third.inspection);
	close_scene(&scene);
}

static void test_init_gone(void **state)
{
	struct asker first = asker_of(SANDBOX_INSPECT), second = asker_of(SANDBOX_ENTER);
	struct asker late = asker_of(SANDBOX_ENTER);
	struct scene scene;

	(void)state;
	open_scene(&scene);
	sandbox_questions_add(&scene.questions, &first.question);
	sandbox_questions_add(&scene.questions, &second.question);
	close(scene.init);
	scene.init = -1;
	sandbox_questions_end(&scene.questions, -EPIPE);
	assert_int_equal(first.answered, 1);
	assert_int_equal(first.error, -EPIPE);
	assert_int_equal(second.answered, 1);
	assert_int_equal(second.error, -EPIPE);
	sandbox_questions_add(&scene.questions, &late.question);
	assert_int_equal(late.answered, 1);
	assert_int_equal(late.error, -EPIPE);
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inspection), cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_lies),       cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_no_way),     cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_init_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
