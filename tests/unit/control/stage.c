/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include "base/list.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	PATIENCE = 10000000, /* microseconds */
	SETTLED = 3,         /* rounds without waiting */
};

static void listen_to_server(struct stage *stage)
{
	char input[4096];
	ssize_t len;

	while (stage->client >= 0 && !stage->ended) {
		len = recv(stage->client, input, sizeof(input), MSG_DONTWAIT);
		if (len < 0)
			break;
		if (len == 0) {
			stage->ended = true;
			break;
		}
		stage->heard = realloc(stage->heard, stage->heard_len + (size_t)len + 1);
		assert_non_null(stage->heard);
		memcpy(stage->heard + stage->heard_len, input, (size_t)len);
		stage->heard_len += (size_t)len;
		stage->heard[stage->heard_len] = '\0';
	}
}

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct stage *stage = cothon_container(hook, struct stage, hook);

	listen_to_server(stage);
	if (stage->until(stage)) {
		host_loop_stop(stage->loop);
		return UINT64_MAX;
	}
	assert_true(now < stage->give_up_at);
	/* The client's side is not watched: it is looked at again soon. */
	return now + 1000;
}

void stage_run(struct stage *stage, bool (*until)(struct stage *stage))
{
	stage->until = until;
	stage->give_up_at = host_now() + PATIENCE;
	stage->hook.turn = turn;
	host_loop_hook(stage->loop, &stage->hook);
	assert_int_equal(host_loop_run(stage->loop), 0);
	host_loop_unhook(stage->loop, &stage->hook);
}

static int rounds;

static bool rounds_are_over(struct stage *stage)
{
	(void)stage;
	return --rounds <= 0;
}

void stage_settle(struct stage *stage)
{
	rounds = SETTLED;
	stage_run(stage, rounds_are_over);
}

void stage_open(struct stage *stage, const struct control_route *routes, uint64_t patience)
{
	struct control_server_config config = {
		.instance = &stage->instance,
		.routes = routes,
		.listener = -1,
		.patience = patience,
	};

	*stage = (struct stage){.client = -1};
	assert_int_equal(host_loop_create(&stage->loop), 0);
	stage->instance.loop = stage->loop;
	assert_int_equal(control_server_create(&config, &stage->server), 0);
}

void stage_hang_up(struct stage *stage)
{
	if (stage->client >= 0)
		close(stage->client);
	stage->client = -1;
}

void stage_close(struct stage *stage)
{
	stage_hang_up(stage);
	if (stage->server)
		control_server_destroy(stage->server);
	host_loop_destroy(stage->loop);
	free(stage->heard);
}

void stage_connect(struct stage *stage)
{
	int ends[2];

	stage_hang_up(stage);
	stage_settle(stage);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	stage->client = ends[0];
	stage->ended = false;
	stage->heard_len = 0;
	free(stage->heard);
	stage->heard = strdup("");
	control_server_take(stage->server, ends[1]);
}

void stage_finish(struct stage *stage)
{
	shutdown(stage->client, SHUT_WR);
}

void stage_say(struct stage *stage, const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len > 0) {
		ssize_t sent = send(stage->client, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EPIPE)
			return; /* the server has refused the rest */
		if (sent < 0)
			stage_settle(stage);
		else
			from += sent, len -= (size_t)sent;
	}
}

/* The length of the answer at the beginning of `text`, 0 when it is not complete. */
static size_t answer_len(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *field = strstr(text, "Content-Length: ");
	size_t len;

	if (!end)
		return 0;
	assert_memory_equal(text, "HTTP/1.1 ", 9);
	if (strncmp(text + 9, "100", 3) == 0)
		return (size_t)(end + 4 - text);
	assert_true(field && field < end);
	len = (size_t)(end + 4 - text) + strtoul(field + strlen("Content-Length: "), NULL, 10);
	return strlen(text) >= len ? len : 0;
}

unsigned stage_answers(const struct stage *stage)
{
	const char *at = stage->heard;
	unsigned count = 0;
	size_t len;

	while (*at && (len = answer_len(at)) > 0) {
		at += len;
		count++;
	}
	return count;
}

bool stage_has_answer(struct stage *stage)
{
	return stage_answers(stage) > 0;
}

bool stage_has_ended(struct stage *stage)
{
	return stage->ended;
}

unsigned stage_ask(struct stage *stage, const char *request)
{
	stage_connect(stage);
	stage_say(stage, request, strlen(request));
	stage_run(stage, stage_has_answer);
	return (unsigned)strtoul(stage->heard + strlen("HTTP/1.1 "), NULL, 10);
}
