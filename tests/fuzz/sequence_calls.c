/* SPDX-License-Identifier: MIT */
#include "sequence.h"

#include <errno.h>
#include <string.h>

enum {
	CLIENT_PORT = 22000, /* the peer's, that the stack connects to */
	CLIENT_PORTS = 10,
};

/* Of the flows that applications have the one of that number, beginning anew behind the last. */
static struct app *app_at(struct stage *stage, unsigned number)
{
	unsigned count = 0;

	for (unsigned i = 0; i < APPS; i++)
		count += stage->apps.all[i].tcp != NULL;
	number %= count ? count : 1;
	for (unsigned i = 0; i < APPS; i++) {
		if (stage->apps.all[i].tcp && number-- == 0)
			return &stage->apps.all[i];
	}
	return NULL;
}

static void write_some(struct app *app, size_t len)
{
	char data[4096];

	memset(data, 'w', sizeof(data));
	while (len > 0) {
		size_t want = len < sizeof(data) ? len : sizeof(data);
		ptrdiff_t wrote = cothon_tcp_write(app->tcp, data, want);

		if (wrote <= 0)
			return;
		len -= (size_t)wrote;
	}
}

static void read_some(struct app *app, size_t len)
{
	struct iovec iov;

	while (len > 0 && cothon_tcp_peek(app->tcp, &iov, 1) == 1) {
		size_t take = iov.iov_len < len ? iov.iov_len : len;

		cothon_tcp_consume(app->tcp, take);
		len -= take;
	}
}

/* arg: which flow; what; how much of it, two bytes. */
static void call(struct stage *stage, const struct sequence_record *record)
{
	struct app *app = app_at(stage, record->arg[0]);

	if (!app)
		return;
	if (app->held) {
		app_answer(app, record->arg[1] & 1 ? -ECONNREFUSED : 0);
		return;
	}
	switch (record->arg[1] % 6) {
	case 0:
		write_some(app, sequence_16(record, 2));
		break;
	case 1:
		read_some(app, sequence_16(record, 2));
		break;
	case 2:
		cothon_tcp_shutdown(app->tcp);
		break;
	case 3:
		app_give_up(app, false);
		break;
	case 4:
		app_give_up(app, true);
		break;
	default: {
		const struct cothon_tcp_options options = {
			.no_delay = record->arg[2] & 1,
			.keepalive_idle = record->arg[2] & 2 ? 1 : 60,
			.keepalive_interval = 10,
			.keepalive_count = 3,
		};

		cothon_tcp_set_options(app->tcp, &options);
		break;
	}
	}
}

/*
 * arg: the unit, how many of it, two bytes, and whether the stack is asked in time or all too late.
 */
static void let_time_pass(struct stage *stage, const struct sequence_record *record)
{
	static const struct {
		uint64_t unit;
		unsigned most;
	} scales[] = {
		{1, 65535},
		{1000, 1000},
		{1000, 65535},
		{STAGE_SECONDS(1), 120},
		{STAGE_SECONDS(1), 3600},
		{STAGE_SECONDS(3600), 30 * 24},
	};
	unsigned scale = record->arg[0] % (sizeof(scales) / sizeof(*scales));
	uint64_t passed = scales[scale].unit * (sequence_16(record, 1) % (scales[scale].most + 1));

	if (record->arg[3] & 1)
		stage_sleep(stage, passed);
	else
		stage_pass(stage, passed);
}

/* arg: what the link does; of 1,000 allocations, how many fail: never all, so that frames are read. */
static void change_weather(struct stage *stage, const struct sequence_record *record)
{
	static const int errors[] = {0, -EAGAIN, -ENOBUFS, -EIO};

	stage->link_error = errors[record->arg[0] & 3];
	stage->refuse = record->arg[1] & 1 ? record->arg[1] * 3U : 0;
}

void sequence_call(struct stage *stage, const struct sequence_record *record)
{
	switch (record->action % SEQUENCE_BURST % SEQUENCE_ACTIONS) {
	case SEQUENCE_TIME:
		let_time_pass(stage, record);
		break;
	case SEQUENCE_CALL:
		call(stage, record);
		break;
	case SEQUENCE_CONNECT:
		app_connect(stage, record->arg[0] & 1 ? SCENE_V6 : SCENE_V4,
			    (uint16_t)(CLIENT_PORT + record->arg[1] % CLIENT_PORTS));
		break;
	case SEQUENCE_RESTART:
		app_restart(stage, record->arg[0]);
		break;
	default:
		change_weather(stage, record);
		break;
	}
}
