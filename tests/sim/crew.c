/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct crew {
	const char *program;
	uint64_t end;
	unsigned jobs;
	void (*each)(uint64_t seed);
	volatile uint64_t *seeds; /* that each process is at; shared with them */
	pid_t pids[CREW_JOBS_MAX];
	unsigned failures;
};

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* A process takes every so many-th seed, from the one that its place says. */
static void start(struct crew *crew, unsigned job)
{
	pid_t pid;

	crew->pids[job] = 0;
	if (crew->seeds[job] >= crew->end)
		return;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (pid > 0) {
		crew->pids[job] = pid;
		return;
	}
	for (; crew->seeds[job] < crew->end; crew->seeds[job] += crew->jobs) {
		alarm(CREW_SEED_SECONDS);
		crew->each(crew->seeds[job]);
	}
	exit(0);
}

static void report(struct crew *crew, unsigned job, int status)
{
	uint64_t seed = crew->seeds[job];

	crew->failures++;
	if (WIFSIGNALED(status))
		fprintf(stderr, "seed %" PRIu64 ": %s\n", seed,
			WTERMSIG(status) == SIGALRM ? "has not come to an end"
						    : strsignal(WTERMSIG(status)));
	fprintf(stderr, "replay with: %s replay %" PRIu64 "\n", crew->program, seed);
}

static bool any_left(const struct crew *crew)
{
	for (unsigned job = 0; job < crew->jobs; job++) {
		if (crew->pids[job])
			return true;
	}
	return false;
}

/* Waits for one process to end; one that failed is replaced behind the seed at which it did. */
static void wait_one(struct crew *crew)
{
	int status;
	pid_t pid = wait(&status);

	if (pid < 0)
		give_up("wait");
	for (unsigned job = 0; job < crew->jobs; job++) {
		if (crew->pids[job] != pid)
			continue;
		crew->pids[job] = 0;
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			report(crew, job, status);
			crew->seeds[job] += crew->jobs;
			if (crew->failures < CREW_FAILURES_MAX)
				start(crew, job);
		}
	}
}

unsigned crew_run(const char *program, uint64_t first, uint64_t count, unsigned jobs,
		  void (*each)(uint64_t seed))
{
	struct crew crew = {.program = program, .end = first + count, .jobs = jobs, .each = each};
	size_t size = jobs * sizeof(*crew.seeds);
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		give_up("mmap");
	crew.seeds = shared;
	for (unsigned job = 0; job < jobs; job++) {
		crew.seeds[job] = first + job;
		start(&crew, job);
	}
	while (any_left(&crew))
		wait_one(&crew);
	munmap(shared, size);
	return crew.failures;
}
