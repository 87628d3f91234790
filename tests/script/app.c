/* SPDX-License-Identifier: MIT */

/* What the application does. */

#include "play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BACKLOG = 16
};

static const struct {
	const char *name;
	int number;
} errors[] = {
	{"EAGAIN", EAGAIN},
	{"EPIPE", EPIPE},
	{"ENOTCONN", ENOTCONN},
	{"EINVAL", EINVAL},
	{"EINPROGRESS", EINPROGRESS},
	{"EALREADY", EALREADY},
	{"EISCONN", EISCONN},
	{"ECONNREFUSED", ECONNREFUSED},
	{"ECONNRESET", ECONNRESET},
	{"ETIMEDOUT", ETIMEDOUT},
	{"EHOSTUNREACH", EHOSTUNREACH},
	{"ENETUNREACH", ENETUNREACH},
	{"EACCES", EACCES},
	{"EMSGSIZE", EMSGSIZE},
};

static const char *result_text(ptrdiff_t result, char text[32])
{
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (result == -errors[i].number)
			return errors[i].name;
	}
	snprintf(text, 32, "%td", result);
	return text;
}

/* A call's result is what stands behind "=", or else `usual`. */
static void need_result(struct play *play, struct words *words, ptrdiff_t result, ptrdiff_t usual)
{
	char wanted_text[32], got[32];
	const char *wanted = result_text(usual, wanted_text);

	if (words_if(words, "="))
		wanted = words_take(play, words, "a result");
	words_end(play, words);
	if (strcmp(wanted, result_text(result, got)) != 0)
		play_fail(play, "expected the result %s\n  got                 %s", wanted,
			  result_text(result, got));
}

struct cothon_socket *app_socket(struct play *play)
{
	if (!play->flow->socket)
		play_fail(play, "the application has no socket for this flow");
	return play->flow->socket;
}

static void app_listen(struct play *play, struct words *words)
{
	struct cothon_endpoint local = {.port = PLAY_HOST_PORT};
	unsigned backlog = words_if(words, "backlog") ? (unsigned)words_number(play, words)
						      : BACKLOG;

	local.addr = packet_address(play, "host");
	if (cothon_socket_open(play->host, COTHON_TCP, &play->listener) ||
	    cothon_socket_bind(play->listener, &local))
		play_fail(play, "no socket to listen with");
	need_result(play, words, cothon_socket_listen(play->listener, backlog), 0);
}

static void app_unlisten(struct play *play)
{
	if (!play->listener)
		play_fail(play, "nothing listens");
	cothon_socket_close(play->listener);
	play->listener = NULL;
}

static void app_connect(struct play *play, struct words *words)
{
	struct cothon_endpoint remote = {packet_address(play, "peer"), play->flow->peer_port};
	struct play_flow *flow = play->flow;

	if (!flow->socket && cothon_socket_open(play->host, COTHON_TCP, &flow->socket))
		play_fail(play, "no socket to connect with");
	need_result(play, words, cothon_socket_connect(flow->socket, &remote), -EINPROGRESS);
	flow->host_port = cothon_socket_local(flow->socket).port;
}

static void app_accept(struct play *play, struct words *words)
{
	struct cothon_socket *accepted = NULL;
	int result;

	if (!play->listener)
		play_fail(play, "nothing listens");
	result = cothon_socket_accept(play->listener, &accepted);
	if (!result)
		play->flow->socket = accepted;
	need_result(play, words, result, 0);
}

static void app_write(struct play *play, struct words *words)
{
	size_t len = words_number(play, words);
	uint8_t *data = malloc(len + 1);
	ptrdiff_t result;

	if (!data)
		abort();
	for (size_t i = 0; i < len; i++)
		data[i] = packet_pattern(true, (uint32_t)(play->flow->written + i));
	if (!play->flow->socket) {
		free(data);
		app_socket(play);
	}
	result = cothon_socket_send(play->flow->socket, data, len, NULL);
	free(data);
	if (result > 0)
		play->flow->written += (uint32_t)result;
	need_result(play, words, result, (ptrdiff_t)len);
}

/* Reads up to so many bytes; as many are expected unless another result is written. */
static void app_read(struct play *play, struct words *words)
{
	size_t len = words_number(play, words);
	ptrdiff_t done = 0, result;

	do {
		size_t want = len - (size_t)done;

		want = want < sizeof(play->bytes) ? want : sizeof(play->bytes);
		result = cothon_socket_recv(app_socket(play), play->bytes, want, NULL);
		for (ptrdiff_t i = 0; i < result; i++) {
			if (play->bytes[i] != packet_pattern(false, play->flow->read++))
				play_fail(play, "byte %u of the peer's stream arrived changed",
					  play->flow->read - 1);
		}
		if (result > 0)
			done += result;
	} while (result > 0 && (size_t)done < len);
	need_result(play, words, done > 0 ? done : result, (ptrdiff_t)len);
}

static void app_options(struct play *play, struct words *words)
{
	struct cothon_tcp_options options = {.keepalive_interval = 75, .keepalive_count = 9};
	struct cothon_socket *socket = play->flow->socket ? play->flow->socket : play->listener;

	while (words->at < words->count) {
		if (words_if(words, "nodelay")) {
			options.no_delay = true;
		} else if (words_if(words, "keepalive")) {
			options.keepalive_idle = (uint32_t)words_number(play, words);
			options.keepalive_interval = (uint32_t)words_number(play, words);
			options.keepalive_count = (uint32_t)words_number(play, words);
		} else if (words_if(words, "timeout")) {
			options.user_timeout = (uint32_t)words_number(play, words);
		} else {
			words_end(play, words);
		}
	}
	if (!socket || cothon_socket_set_options(socket, &options))
		play_fail(play, "there is no socket to set options of");
}

static void app_udp(struct play *play, struct words *words)
{
	struct cothon_endpoint local = {.port = (uint16_t)words_number(play, words)};

	local.addr = packet_address(play, "host");
	if (cothon_socket_open(play->host, COTHON_UDP, &play->flow->udp))
		play_fail(play, "no socket");
	need_result(play, words, cothon_socket_bind(play->flow->udp, &local), 0);
}

/* Takes one datagram, whose bytes are the peer's. */
static void app_receive(struct play *play, struct words *words)
{
	ptrdiff_t result;

	if (!play->flow->udp)
		play_fail(play, "the application has no UDP socket");
	result = cothon_socket_recv(play->flow->udp, play->bytes, sizeof(play->bytes), NULL);
	for (ptrdiff_t i = 0; i < result; i++) {
		if (play->bytes[i] != packet_pattern(false, (uint32_t)i))
			play_fail(play, "byte %td of the datagram arrived changed", i);
	}
	need_result(play, words, result, -EAGAIN);
}

/* "send LEN to PORT" */
static void app_send(struct play *play, struct words *words)
{
	struct cothon_endpoint to = {.addr = packet_address(play, "peer")};
	size_t len = words_number(play, words);

	if (!words_if(words, "to") || len > sizeof(play->bytes) || !play->flow->udp)
		play_fail(play, "\"send LEN to PORT\" from a UDP socket");
	to.port = (uint16_t)words_number(play, words);
	memset(play->bytes, 0x55, len);
	need_result(play, words, cothon_socket_send(play->flow->udp, play->bytes, len, &to),
		    (ptrdiff_t)len);
}

/* What the socket is ready for: of r, w and e, or "-" for nothing. */
static void app_ready(struct play *play, struct words *words)
{
	const char *wanted = words_take(play, words, "what for");
	unsigned ready = cothon_socket_ready(app_socket(play));
	char got[4] = "", *at = got;

	if (ready & COTHON_SOCKET_READABLE)
		*at++ = 'r';
	if (ready & COTHON_SOCKET_WRITABLE)
		*at++ = 'w';
	if (ready & COTHON_SOCKET_ENDED)
		*at++ = 'e';
	*at = 0;
	if (strcmp(wanted, ready ? got : "-") != 0)
		play_fail(play, "expected ready for %s\n  got                %s", wanted,
			  ready ? got : "-");
}

static void app_give_up(struct play *play, void (*give_up)(struct cothon_socket *socket))
{
	give_up(app_socket(play));
	play->flow->socket = NULL;
}

void app_call(struct play *play, struct words *words)
{
	if (words_if(words, "listen"))
		app_listen(play, words);
	else if (words_if(words, "unlisten"))
		app_unlisten(play);
	else if (words_if(words, "connect"))
		app_connect(play, words);
	else if (words_if(words, "accept"))
		app_accept(play, words);
	else if (words_if(words, "write"))
		app_write(play, words);
	else if (words_if(words, "read"))
		app_read(play, words);
	else if (words_if(words, "shutdown"))
		need_result(play, words, cothon_socket_shutdown(app_socket(play)), 0);
	else if (words_if(words, "close"))
		app_give_up(play, cothon_socket_close);
	else if (words_if(words, "abort"))
		app_give_up(play, cothon_socket_abort);
	else if (words_if(words, "options"))
		app_options(play, words);
	else if (words_if(words, "ready"))
		app_ready(play, words);
	else if (words_if(words, "error"))
		need_result(play, words, cothon_socket_error(app_socket(play)), 0);
	else if (words_if(words, "udp"))
		app_udp(play, words);
	else if (words_if(words, "receive"))
		app_receive(play, words);
	else if (words_if(words, "send"))
		app_send(play, words);
	words_end(play, words);
	play_poll(play);
}
