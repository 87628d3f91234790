/* SPDX-License-Identifier: MIT */

/*
 * The scene of `make run` inside one process: a machine with many programs and the outside world with an HTTP and an
 * FTP server are two stacks of libcothon, joined by the simulated wire.
 *
 *   scene [SECONDS [MEGABYTES]]      for how long, and how large the document is that comes by FTP
 */

#include "cli/flow_view.h"
#include "hosts.h"
#include "programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	MACHINE,
	OUTSIDE,
};

enum {
	SECOND = 1000000, /* in microseconds, as all times */
	LOOK_EVERY = SECOND / 4,
	SLEEP_MAX = SECOND / 100,
	BROWSERS = 12,
	PAGES = 40,
	PAGE_NAME = 16,
	HTTP_PORT = 80,
	FTP_PORT = 21,
};

struct scene {
	struct hosts hosts;
	struct flow_view *view;
	char page_names[PAGES][PAGE_NAME];
	struct document page_list[PAGES], large;
	struct documents pages, files;
	struct cothon_endpoint http[2], ftp[2]; /* in each family */
	struct http_server *http_server;
	struct ftp_server *ftp_server;
	struct programs programs;
	struct browser browsers[BROWSERS];
	struct downloader downloader;
	uint64_t look_at;
};

static uint64_t clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec / 1000;
}

/* Setting up */

static void write_documents(struct scene *scene, uint64_t megabytes)
{
	for (unsigned i = 0; i < PAGES; i++) {
		snprintf(scene->page_names[i], PAGE_NAME, "page-%u", i + 1);
		scene->page_list[i] = (struct document){
			.name = scene->page_names[i],
			/* 1 to about 64 kB, many small ones among them. */
			.size = 1000 + (uint64_t)i * i * 40,
			.seed = i + 1,
		};
	}
	scene->large =
		(struct document){.name = "large", .size = megabytes << 20, .seed = PAGES + 1};
	scene->pages = (struct documents){scene->page_list, PAGES};
	scene->files = (struct documents){&scene->large, 1};
}

static int add_address(struct cothon_stack *stack, const char *text, uint16_t port,
		       struct cothon_endpoint *endpoint)
{
	int error = cothon_addr_parse(text, &endpoint->addr);

	endpoint->port = port;
	return error ? error : cothon_stack_add_address(stack, &endpoint->addr);
}

static int add_addresses(struct scene *scene)
{
	struct cothon_stack *outside = scene->hosts.stacks[OUTSIDE];
	struct cothon_stack *machine = scene->hosts.stacks[MACHINE];
	struct cothon_endpoint own;
	int error = add_address(outside, "198.51.100.80", HTTP_PORT, &scene->http[0]);

	if (!error)
		error = add_address(outside, "2001:db8::80", HTTP_PORT, &scene->http[1]);
	if (!error)
		error = add_address(outside, "198.51.100.21", FTP_PORT, &scene->ftp[0]);
	if (!error)
		error = add_address(outside, "2001:db8::21", FTP_PORT, &scene->ftp[1]);
	if (!error)
		error = add_address(machine, "10.0.2.100", 0, &own);
	if (!error)
		error = add_address(machine, "fd00:c070::100", 0, &own);
	return error;
}

static void flow_ended(const struct cothon_tcp *tcp, void *context)
{
	struct scene *scene = context;
	struct cothon_tcp_info info;

	cothon_tcp_info(tcp, &info);
	flow_view_ended(scene->view, &info);
}

static int start_servers(struct scene *scene)
{
	const struct http_server_config http = {
		.stack = scene->hosts.stacks[OUTSIDE],
		.local = {.port = HTTP_PORT}, /* any address, either family */
		.documents = &scene->pages,
		.ended = flow_ended,
		.context = scene,
	};
	const struct ftp_server_config ftp = {
		.stack = scene->hosts.stacks[OUTSIDE],
		.local = {.port = FTP_PORT},
		.documents = &scene->files,
		.ended = flow_ended,
		.context = scene,
	};
	int error = http_server_create(&http, &scene->http_server);

	return error ? error : ftp_server_create(&ftp, &scene->ftp_server);
}

static void start_programs(struct scene *scene, uint64_t until)
{
	scene->programs = (struct programs){
		.stack = scene->hosts.stacks[MACHINE],
		.until = until,
		.pages = &scene->pages,
		.large = &scene->large,
	};
	for (unsigned i = 0; i < BROWSERS; i++) {
		scene->browsers[i] = (struct browser){
			.programs = &scene->programs,
			.server = scene->http[i % 2],
			.number = i,
		};
	}
	scene->downloader = (struct downloader){
		.programs = &scene->programs,
		.servers = scene->ftp,
		.server_count = 2,
	};
}

static int set_up(struct scene *scene, uint64_t seconds, uint64_t megabytes)
{
	uint64_t now = clock_now();
	int error = hosts_create(&scene->hosts, now);

	if (error)
		return error;
	write_documents(scene, megabytes);
	error = add_addresses(scene);
	if (!error)
		error = start_servers(scene);
	start_programs(scene, now + seconds * SECOND);
	return error;
}

/* Servers first: they tell of their connections' ends. */
static void tear_down(struct scene *scene)
{
	if (scene->http_server)
		http_server_destroy(scene->http_server);
	if (scene->ftp_server)
		ftp_server_destroy(scene->ftp_server);
	if (scene->hosts.pool)
		hosts_destroy(&scene->hosts);
}

/* Playing */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Gives each program its turn; returns when one wants the next. */
static uint64_t run_programs(struct scene *scene, uint64_t now)
{
	uint64_t next;

	scene->programs.now = now;
	next = downloader_turn(&scene->downloader);
	for (unsigned i = 0; i < BROWSERS; i++)
		next = earlier(next, browser_turn(&scene->browsers[i]));
	return next;
}

static bool all_done(const struct scene *scene, uint64_t now)
{
	bool done = now >= scene->programs.until && !scene->downloader.client;

	for (unsigned i = 0; i < BROWSERS; i++)
		done = done && !scene->browsers[i].client;
	return done;
}

static void sleep_until(uint64_t then, uint64_t now)
{
	uint64_t microseconds = earlier(then - now, SLEEP_MAX);
	const struct timespec time = {.tv_nsec = (long)microseconds * 1000};

	nanosleep(&time, NULL);
}

static void play(struct scene *scene)
{
	uint64_t now, next;

	do {
		now = clock_now();
		next = run_programs(scene, now);
		next = earlier(next, hosts_turn(&scene->hosts, now));
		if (now >= scene->look_at) {
			flow_view_update(scene->view, scene->hosts.stacks[OUTSIDE], now);
			scene->look_at = now + LOOK_EVERY;
		}
		if (next > now)
			sleep_until(next, now);
	} while (!all_done(scene, now));
}

static int report(const struct scene *scene)
{
	const struct programs *programs = &scene->programs;
	unsigned pages = programs->page_count, large = programs->large_count;

	if (programs->failures > 0) {
		fprintf(stderr, "scene: failed %u times, first: %s\n", programs->failures,
			programs->failure);
		return EXIT_FAILURE;
	}
	printf("pages took %.1f ms each, the longest %.1f ms, while the file came down\n",
	       (double)programs->page_time / (pages > 0 ? pages : 1) / 1e3,
	       (double)programs->longest_page_time / 1e3);
	printf("verified, byte by byte: %u pages, and a file of %llu MiB %u time%s\n", pages,
	       (unsigned long long)scene->large.size >> 20, large, large == 1 ? "" : "s");
	return pages > 0 && large > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A whole number from 1 to `max`. */
static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end || value < 1 || value > max) {
		fprintf(stderr, "scene: %s: a number from 1 to %llu is meant here\n", text,
			(unsigned long long)max);
		exit(EXIT_FAILURE);
	}
	return value;
}

int main(int argc, char **argv)
{
	static struct scene scene;
	uint64_t seconds = argc > 1 ? number(argv[1], 3600) : 10;
	uint64_t megabytes = argc > 2 ? number(argv[2], 1 << 20) : 512;
	int error = set_up(&scene, seconds, megabytes);

	scene.view = flow_view_create(stdout, clock_now());
	if (error || !scene.view) {
		fprintf(stderr, "scene: %s\n", strerror(error ? -error : ENOMEM));
		return EXIT_FAILURE;
	}
	play(&scene);
	tear_down(&scene);
	flow_view_finish(scene.view, clock_now());
	flow_view_destroy(scene.view);
	return report(&scene);
}
