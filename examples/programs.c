/* SPDX-License-Identifier: MIT */
#include "programs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	PAGES_PER_VISIT = 12,
	/* Microseconds between two pages: this, and less than as much again. */
	PAUSE = 20000,
};

__attribute__((format(printf, 2, 3))) static void fail(struct programs *programs,
						       const char *format, ...)
{
	va_list arguments;

	if (programs->failures++ > 0)
		return;
	va_start(arguments, format);
	vsnprintf(programs->failure, sizeof(programs->failure), format, arguments);
	va_end(arguments);
}

/* Browsers */

static void page_content(void *context, const void *data, size_t len)
{
	struct browser *browser = context;

	if (!document_matches(browser->page, browser->received, data, len))
		browser->wrong = true;
	browser->received += len;
}

static void end_visit(struct browser *browser)
{
	http_client_close(browser->client);
	browser->client = NULL;
}

static void page_answered(void *context, int status)
{
	struct browser *browser = context;
	struct programs *programs = browser->programs;
	const struct document *page = browser->page;
	uint64_t time = programs->now - browser->asked_at;

	browser->page = NULL;
	if (status < 0)
		fail(programs, "%s: %s", page->name, strerror(-status));
	else if (status != 200)
		fail(programs, "%s: the server answers %d", page->name, status);
	else if (browser->wrong || browser->received != page->size)
		fail(programs, "%s: what arrived is not what was sent", page->name);
	else
		programs->page_count++;
	programs->page_time += time;
	if (time > programs->longest_page_time)
		programs->longest_page_time = time;
	browser->wake_at =
		programs->now + PAUSE + (browser->steps * 7919 + browser->number * 104729) % PAUSE;
	if (status < 0 || --browser->left == 0)
		end_visit(browser);
}

static void begin_visit(struct browser *browser)
{
	static const struct http_client_events events = {page_content, page_answered};
	int error = http_client_open(browser->programs->stack, &browser->server, &events, browser,
				     &browser->client);

	browser->left = PAGES_PER_VISIT;
	if (error) {
		fail(browser->programs, "a connection for HTTP: %s", strerror(-error));
		browser->wake_at = browser->programs->now + PAUSE;
	}
}

static void ask(struct browser *browser)
{
	const struct documents *pages = browser->programs->pages;
	int error;

	browser->steps++;
	browser->page = &pages->list[(browser->steps * 7 + browser->number) % pages->count];
	browser->received = 0;
	browser->wrong = false;
	browser->asked_at = browser->programs->now;
	error = http_client_get(browser->client, browser->page->name);
	if (error)
		page_answered(browser, error);
}

uint64_t browser_turn(struct browser *browser)
{
	bool over = browser->programs->now >= browser->programs->until;

	if (browser->page)
		return COTHON_NEVER;
	if (over && browser->client)
		end_visit(browser);
	if (over)
		return COTHON_NEVER;
	if (browser->programs->now >= browser->wake_at) {
		if (!browser->client)
			begin_visit(browser);
		if (browser->client)
			ask(browser);
	}
	return browser->page ? COTHON_NEVER : browser->wake_at;
}

/* The downloader */

static void large_content(void *context, const void *data, size_t len)
{
	struct downloader *downloader = context;

	if (!document_matches(downloader->programs->large, downloader->received, data, len))
		downloader->wrong = true;
	downloader->received += len;
}

static void large_done(void *context, int error)
{
	struct downloader *downloader = context;
	struct programs *programs = downloader->programs;

	if (error < 0)
		fail(programs, "%s: %s", programs->large->name, strerror(-error));
	else if (downloader->wrong || downloader->received != programs->large->size)
		fail(programs, "%s: what arrived is not what was sent", programs->large->name);
	else
		programs->large_count++;
	ftp_client_close(downloader->client);
	downloader->client = NULL;
}

uint64_t downloader_turn(struct downloader *downloader)
{
	static const struct ftp_client_events events = {large_content, large_done};
	struct programs *programs = downloader->programs;
	const struct cothon_endpoint *server =
		&downloader->servers[downloader->fetched % downloader->server_count];
	int error;

	/* Once at least, and then as long as there is time; a failure is enough. */
	if (downloader->client || (downloader->fetched > 0 && programs->now >= programs->until) ||
	    programs->failures)
		return COTHON_NEVER;
	downloader->fetched++;
	downloader->received = 0;
	downloader->wrong = false;
	error = ftp_client_fetch(programs->stack, server, programs->large->name, &events,
				 downloader, &downloader->client);
	if (error)
		fail(programs, "a connection for FTP: %s", strerror(-error));
	return COTHON_NEVER;
}
