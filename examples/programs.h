/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_PROGRAMS_H
#define EXAMPLES_PROGRAMS_H

/*
 * The application programs of the scene: browsers, which visit an HTTP server again and again, for a few pages each
 * time, and a downloader, which fetches a large document by FTP, again and again. Every byte is checked.
 */

#include "ftp.h"
#include "http.h"

/* What all programs of the machine share. */
struct programs {
	struct cothon_stack *stack;
	uint64_t now;   /* kept by whoever gives the programs their turns */
	uint64_t until; /* nothing new is begun after this time */
	const struct documents *pages;
	const struct document *large;
	/* What has happened. */
	unsigned page_count, large_count;
	uint64_t page_time, longest_page_time; /* microseconds, from request to last byte */
	unsigned failures;
	char failure[160]; /* the first one */
};

struct browser {
	struct programs *programs;
	struct cothon_endpoint server;
	unsigned number; /* tells browsers apart */
	struct http_client *client;
	unsigned steps; /* taken in all */
	unsigned left;  /* pages, in this visit */
	uint64_t wake_at;
	const struct document *page; /* that is coming */
	uint64_t asked_at, received;
	bool wrong;
};

struct downloader {
	struct programs *programs;
	const struct cothon_endpoint *servers; /* asked in turn */
	unsigned server_count, fetched;
	struct ftp_client *client;
	uint64_t received;
	bool wrong;
};

/*
 * Each does what is due and returns when it wants its next turn; COTHON_NEVER: when it is told something, or, with no
 * client, not any more.
 */
uint64_t browser_turn(struct browser *browser);
uint64_t downloader_turn(struct downloader *downloader);

#endif
