/* SPDX-License-Identifier: MIT */

/*
 * Malformed frames given to a stack: each of a corpus, with its counters; every combination of
 * TCP's flags in every state; and random ones. Nothing crashes, nothing leaks, counters count, and
 * others are served.
 */

#include "audit.h"
#include "client.h"
#include "corpus.h"
#include "states.h"
#include "storm.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ /* as gcc says it */
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#include <cmocka.h>

enum {
	QUIET_PORT = 40001,
	SENDING_PORT = 40002,
	ORDINARY_PORT = 50000,
	ORDINARY_BYTES = 3000,
	TESTS_MAX = 1000,
	NAME_MAX_LEN = 160,
};

static const char *const family_names[SCENE_FAMILIES] = {"IPv4", "IPv6"};

/* The corpus */

struct corpus_test {
	const struct corpus_case *case_;
	enum scene_family family;
};

static const struct {
	const char *name;
	size_t at;
} counters[] = {
#define COUNTER(name, text) {#name, offsetof(struct cothon_counters, name)},
	COTHON_COUNTERS(COUNTER)
#undef COUNTER
};

static uint64_t counter(const struct cothon_counters *of, size_t at)
{
	uint64_t value;

	memcpy(&value, (const char *)of + at, sizeof(value));
	return value;
}

/* By how much a counter is to move; false when everything moves it. */
static bool expected(const struct corpus_case *case_, size_t at, uint64_t *by)
{
	*by = 0;
	if (at == offsetof(struct cothon_counters, frames_in) ||
	    at == offsetof(struct cothon_counters, bytes_in) ||
	    at == offsetof(struct cothon_counters, bytes_out))
		return false;
	for (unsigned i = 0; i < CORPUS_COUNTS; i++) {
		if (case_->counts[i].by && case_->counts[i].counter == at)
			*by = case_->counts[i].by;
	}
	return true;
}

static void compare_counters(const struct corpus_case *case_, const struct cothon_counters *before,
			     const struct cothon_counters *now)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		uint64_t moved = counter(now, counters[i].at) - counter(before, counters[i].at);
		uint64_t by;

		if (!expected(case_, counters[i].at, &by) || moved == by)
			continue;
		print_error("%s moved by %llu, not by %llu\n", counters[i].name,
			    (unsigned long long)moved, (unsigned long long)by);
		wrong++;
	}
	if (wrong)
		fail_msg("%u counters are wrong", wrong);
}

/* What is on the stack already when the malformed frames come. */
static void open_flows(struct stage *stage, struct client quiet[static SCENE_FAMILIES],
		       bool with_sending)
{
	struct client sending;

	for (enum scene_family family = SCENE_V4; family < SCENE_FAMILIES; family++) {
		client_init(&quiet[family], stage, family, QUIET_PORT, SCENE_ECHO, false);
		assert_true(client_open(&quiet[family]));
		stage->scene.quiet[family] = client_flow(&quiet[family]);
		if (!with_sending)
			continue;
		client_init(&sending, stage, family, SENDING_PORT, SCENE_TALK, false);
		client_offer_options(&sending);
		assert_true(client_open(&sending));
		client_hear(&sending);
		assert_true(sending.received > 0);
		stage->scene.sending[family] = client_flow(&sending);
	}
	stage_drop_out(stage);
}

/* A flow that was there before still carries what it is given. */
static void check_quiet(struct client *client)
{
	size_t before = client->received;

	/* What came in its name and was good counts as its own. */
	client_hear(client);
	if ((int32_t)(client->una - client->seq) > 0)
		client->seq = client->una;
	client_send(client, client->seq, PACKET_ACK | PACKET_PSH, 20);
	client_hear(client);
	if (client->received - before < 20)
		fail_msg("a flow that was open before does not work any more");
}

static void run_case(void **state)
{
	const struct stage_setup setup = {
		.seed = 1, .features = COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO};
	const struct corpus_test *test = *state;
	const struct corpus_case *case_ = test->case_;
	struct corpus_request request = {.family = test->family, .value = case_->value};
	struct client quiet[SCENE_FAMILIES];
	struct cothon_counters before;
	struct stage stage;
	const char *wrong;

	stage_open(&stage, &setup);
	open_flows(&stage, quiet, case_->sending);
	request.scene = &stage.scene;
	before = *stage.counters;
	for (; request.index < (case_->frames ? case_->frames : 1); request.index++) {
		case_->build(&request, &stage.scratch);
		stage_input(&stage, &stage.scratch);
	}
	if (case_->seconds)
		stage_pass(&stage, STAGE_SECONDS(case_->seconds));
	compare_counters(case_, &before, stage.counters);
	/* Only what is for nobody at all moves no counter. */
	assert_int_equal(stage.uncounted, !case_->counts[0].by);
	wrong = audit_stack(stage.stack);
	if (!wrong)
		wrong = audit_counters(stage.counters, stage.offered, stage.rejected,
				       stage.uncounted);
	/* The family of the case comes first, before its answers are gone. */
	check_quiet(&quiet[test->family]);
	check_quiet(&quiet[!test->family]);
	for (enum scene_family family = SCENE_V4; !wrong && family < SCENE_FAMILIES; family++)
		wrong = client_ordinary(&stage, family, ORDINARY_PORT, ORDINARY_BYTES);
	if (wrong)
		fail_msg("%s", wrong);
	stage_close(&stage);
}

/* Flags */

struct states_test {
	enum scene_family family;
	enum cothon_tcp_state state;
};

static void run_all_flags(void **state)
{
	const struct states_test *test = *state;

	states_all_flags(test->family, test->state);
}

static void run_early_ack(void **state)
{
	const struct states_test *test = *state;

	states_early_ack(test->family, test->state);
}

/* All of them */

struct tests {
	struct CMUnitTest all[TESTS_MAX];
	char names[TESTS_MAX][NAME_MAX_LEN];
	struct corpus_test cases[TESTS_MAX];
	struct states_test states[TESTS_MAX];
	size_t count;
};

static struct CMUnitTest *add(struct tests *tests, CMUnitTestFunction run, void *state)
{
	struct CMUnitTest *test = &tests->all[tests->count];

	if (tests->count == TESTS_MAX)
		abort();
	*test = (struct CMUnitTest){
		.name = tests->names[tests->count], .test_func = run, .initial_state = state};
	tests->count++;
	return test;
}

static void add_case(struct tests *tests, const struct corpus_group *group,
		     const struct corpus_case *case_, enum scene_family family)
{
	struct corpus_test *test = &tests->cases[tests->count];
	bool both = group->families == CORPUS_BOTH && !case_->families;

	*test = (struct corpus_test){case_, family};
	snprintf(tests->names[tests->count], NAME_MAX_LEN, "%s: %s%s%s%s", group->name, case_->name,
		 both ? " (" : "", both ? family_names[family] : "", both ? ")" : "");
	add(tests, run_case, test);
}

static void add_corpus(struct tests *tests)
{
	for (const struct corpus_group *const *group = corpus; *group; group++) {
		for (size_t i = 0; i < (*group)->count; i++) {
			const struct corpus_case *case_ = &(*group)->cases[i];
			unsigned families = case_->families ? case_->families : (*group)->families;

			for (enum scene_family family = SCENE_V4; family < SCENE_FAMILIES;
			     family++) {
				if (families & 1U << family)
					add_case(tests, *group, case_, family);
			}
		}
	}
}

static void add_state(struct tests *tests, const char *what, CMUnitTestFunction run,
		      enum cothon_tcp_state state)
{
	for (enum scene_family family = SCENE_V4; family < SCENE_FAMILIES; family++) {
		struct states_test *test = &tests->states[tests->count];

		*test = (struct states_test){family, state};
		snprintf(tests->names[tests->count], NAME_MAX_LEN, "TCP in %s: %s (%s)",
			 cothon_tcp_state_name(state), what, family_names[family]);
		add(tests, run, test);
	}
}

static void add_states(struct tests *tests)
{
	for (enum cothon_tcp_state state = COTHON_TCP_LISTEN; state < COTHON_TCP_CLOSED; state++)
		add_state(tests, "every combination of flags", run_all_flags, state);
	add_state(tests, "an ACK of what has not gone out", run_early_ack, COTHON_TCP_SYN_SENT);
	add_state(tests, "an ACK of what has not gone out", run_early_ack, COTHON_TCP_SYN_RECEIVED);
}

/* Random frames */

struct options {
	uint64_t seed;
	uint64_t count; /* 0: as many as the seconds allow */
	unsigned seconds;
};

static void run_storm(void **state)
{
	const struct options *options = *state;
	struct storm_sum sum = {0};

	print_message("# random frames: --seed %llu\n", (unsigned long long)options->seed);
	fflush(stdout);
	if (options->count)
		storm_round(options->seed, options->count, &sum);
	else
		storm_seconds(options->seed, options->seconds, &sum);
	print_message("# %llu frames, at most %zu KiB of memory in use\n",
		      (unsigned long long)sum.frames, sum.peak >> 10);
}

/* A failed round has not come to its end. */
static int after_storm(void **state)
{
	(void)state;
	storm_say_where();
	return 0;
}

static void usage(void)
{
	fprintf(stderr, "usage: frames [--seconds N] [--seed N [--count N]]\n");
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value;

	if (!text)
		usage();
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end)
		usage();
	return value;
}

static struct options read_options(char **argv)
{
	struct options options = {.seconds = 1};

	if (getrandom(&options.seed, sizeof(options.seed), 0) != sizeof(options.seed))
		abort();
	/* A number that is easily said. */
	options.seed %= 1000000000;
	for (char **arg = argv + 1; *arg; arg += 2) {
		if (strcmp(*arg, "--seconds") == 0)
			options.seconds = (unsigned)number(arg[1]);
		else if (strcmp(*arg, "--seed") == 0)
			options.seed = number(arg[1]);
		else if (strcmp(*arg, "--count") == 0)
			options.count = number(arg[1]);
		else
			usage();
	}
	return options;
}

int main(int argc, char **argv)
{
	static struct tests tests;
	struct options options = read_options(argv);
	struct CMUnitTest *storm;

	(void)argc;
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_set_death_callback(storm_say_where);
#endif
	/* What is to be seen again is seen alone. */
	if (!options.count) {
		add_corpus(&tests);
		add_states(&tests);
	}
	snprintf(tests.names[tests.count], NAME_MAX_LEN, "random frames");
	storm = add(&tests, run_storm, &options);
	storm->teardown_func = after_storm;
	return _cmocka_run_group_tests("hostile frames", tests.all, tests.count, NULL, NULL);
}
