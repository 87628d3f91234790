/* SPDX-License-Identifier: MIT */
#include "crew.h"
#include "goodput.h"
#include "scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Seeds that are run twice, to see that nothing but the seed counts. */
	TWICE = 20
};

static const char *program;

static _Noreturn void usage(void)
{
	fputs("usage: sim run FIRST COUNT        runs so many seeds on all processors\n"
	      "       sim replay SEED            runs one, and shows every packet and their hash\n"
	      "       sim hash FIRST COUNT       the hashes of all packets and their times\n"
	      "       sim goodput                goodput by loss and round trip, and fairness\n"
	      "       sim test COUNT SEEDS [GOODPUT]\n"
	      "                                  tests, as TAP: the seeds from 1 on and those in the file\n"
	      "                                  SEEDS; that goodput is as in the file GOODPUT\n",
	      stderr);
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

/* Seeds */

static void run_plain(uint64_t seed)
{
	struct scenario_result result;

	scenario_run(seed, false, false, &result);
}

static uint64_t hash_of(uint64_t seed)
{
	struct scenario_result result;

	scenario_run(seed, true, false, &result);
	return result.hash;
}

static void run_twice(uint64_t seed)
{
	uint64_t first = hash_of(seed);
	uint64_t second = hash_of(seed);

	if (first == second)
		return;
	fprintf(stderr, "seed %" PRIu64 ": is another one the second time\n", seed);
	exit(1);
}

static int run(uint64_t first, uint64_t count)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned jobs = processors > 0 ? (unsigned)processors : 1;
	unsigned failures = crew_run(program, first, count,
				     jobs < CREW_JOBS_MAX ? jobs : CREW_JOBS_MAX, run_plain);

	printf("%" PRIu64 " seeds from %" PRIu64 ": %u failed%s\n", count, first, failures,
	       failures >= CREW_FAILURES_MAX ? ", and no more were run" : "");
	return failures > 0;
}

static int replay(uint64_t seed)
{
	struct scenario_result result;

	scenario_run(seed, true, true, &result);
	printf("seed %" PRIu64 ": %" PRIu64 " frames, %" PRIu64 " events, %" PRIu64
	       " bytes read, %" PRIu64 " ms, hash %016" PRIx64 "\n",
	       seed, result.frames, result.steps, result.bytes, result.passed / 1000, result.hash);
	return 0;
}

static int hash(uint64_t first, uint64_t count)
{
	for (uint64_t seed = first; seed < first + count; seed++)
		printf("%" PRIu64 " %016" PRIx64 "\n", seed, hash_of(seed));
	return 0;
}

/* Tests */

static unsigned cases;
static int failed;

static void record(bool ok, const char *name)
{
	printf("%s %u - %s\n", ok ? "ok" : "not ok", ++cases, name);
	fflush(stdout);
	failed |= !ok;
}

/* Returns what a file contains, to be freed by the caller; NULL when it cannot be read. */
static char *read_all(FILE *file)
{
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	return text;
}

/* The file is read first: a process forked meanwhile would move where it is read. */
static void test_seed_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = read_all(file), *rest = text, *line, name[64];

	record(text, "the file of seeds can be read");
	if (file)
		fclose(file);
	while (text && (line = strsep(&rest, "\n")) != NULL) {
		char *end;
		uint64_t seed = strtoull(line, &end, 10);

		if (end == line)
			continue;
		snprintf(name, sizeof(name), "seed %" PRIu64 ", which failed once", seed);
		record(crew_run(program, seed, 1, 1, run_plain) == 0, name);
	}
	free(text);
}

static void test_goodput(const char *path)
{
	FILE *file = fopen(path, "r");
	char *expected = read_all(file), *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool same;

	if (!out)
		exit(1);
	goodput_write(out);
	fclose(out);
	same = expected && strcmp(expected, text) == 0;
	if (!same)
		fprintf(stderr,
			"goodput is no longer as in %s; if that is meant, renew it with"
			" `make sim-snapshot`:\n%s",
			path, text);
	record(same, "goodput and fairness are as recorded");
	free(text);
	free(expected);
	if (file)
		fclose(file);
}

static int test(uint64_t count, const char *seeds, const char *snapshot)
{
	char name[64];

	test_seed_file(seeds);
	snprintf(name, sizeof(name), "%" PRIu64 " seeds", count);
	record(crew_run(program, 1, count, 1, run_plain) == 0, name);
	record(crew_run(program, 1, TWICE, 1, run_twice) == 0, "a seed does the same twice");
	if (snapshot)
		test_goodput(snapshot);
	printf("1..%u\n", cases);
	return failed;
}

int main(int argc, char **argv)
{
	program = argv[0];
	if (argc == 4 && strcmp(argv[1], "run") == 0)
		return run(number(argv[2]), number(argv[3]));
	if (argc == 3 && strcmp(argv[1], "replay") == 0)
		return replay(number(argv[2]));
	if (argc == 4 && strcmp(argv[1], "hash") == 0)
		return hash(number(argv[2]), number(argv[3]));
	if (argc == 2 && strcmp(argv[1], "goodput") == 0) {
		goodput_write(stdout);
		return 0;
	}
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "test") == 0)
		return test(number(argv[2]), argv[3], argv[4]);
	usage();
}
