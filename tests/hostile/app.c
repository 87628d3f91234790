/* SPDX-License-Identifier: MIT */
#include "app.h"

#include "stage.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	BACKLOG = 16
};

static const uint16_t listened[] = {SCENE_ECHO, SCENE_DISCARD, SCENE_STALL, SCENE_HANG_UP,
				    SCENE_TALK};

/* Owning flows */

static struct app *free_app(struct stage *stage)
{
	for (unsigned i = 0; i < APPS; i++) {
		if (!stage->apps.all[i].tcp)
			return &stage->apps.all[i];
	}
	return NULL;
}

void app_give_up(struct app *app, bool abort)
{
	struct cothon_tcp *tcp = app->tcp;

	app->tcp = NULL;
	if (abort)
		cothon_tcp_abort(tcp);
	else
		cothon_tcp_close(tcp);
}

/* Sends back what there is to read, straight from where it lies. */
static void echo(struct app *app)
{
	struct iovec iov;

	while (cothon_tcp_peek(app->tcp, &iov, 1) == 1) {
		ptrdiff_t wrote = cothon_tcp_write(app->tcp, iov.iov_base, iov.iov_len);

		if (wrote <= 0)
			break;
		cothon_tcp_consume(app->tcp, (size_t)wrote);
	}
	if (cothon_tcp_at_end(app->tcp))
		cothon_tcp_shutdown(app->tcp);
}

static void discard(struct app *app)
{
	char data[4096];

	while (cothon_tcp_read(app->tcp, data, sizeof(data)) > 0)
		;
	if (cothon_tcp_at_end(app->tcp))
		app_give_up(app, false);
}

static void talk(struct app *app)
{
	while (app->said < SCENE_TALK_BYTES) {
		struct iovec iov[2];
		unsigned count = cothon_tcp_reserve(app->tcp, SCENE_TALK_BYTES - app->said, iov, 2);
		size_t len = 0;

		for (unsigned i = 0; i < count; i++) {
			memset(iov[i].iov_base, 't', iov[i].iov_len);
			len += iov[i].iov_len;
		}
		cothon_tcp_commit(app->tcp, len);
		if (len == 0)
			return;
		app->said += len;
	}
	cothon_tcp_shutdown(app->tcp);
}

static void told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct app *app = owner;

	assert_ptr_equal(app->tcp, tcp);
	if (events & COTHON_TCP_ENDED) {
		app_give_up(app, false);
		return;
	}
	switch (app->port) {
	case SCENE_ECHO:
		echo(app);
		break;
	case SCENE_DISCARD:
		discard(app);
		break;
	case SCENE_HANG_UP:
		app_give_up(app, false);
		break;
	case SCENE_TALK:
		talk(app);
		break;
	default:
		break;
	}
}

static void set_options(struct app *app)
{
	const struct cothon_tcp_options options = {
		.no_delay = app->port != SCENE_TALK,
		.keepalive_idle = app->stage->apps.keepalive,
		.keepalive_interval = 10,
		.keepalive_count = 3,
	};

	cothon_tcp_set_options(app->tcp, &options);
}

static struct app *own(struct stage *stage, struct cothon_tcp *tcp, uint16_t port)
{
	struct app *app = free_app(stage);

	if (!app)
		return NULL;
	*app = (struct app){.stage = stage, .tcp = tcp, .port = port};
	cothon_tcp_own(tcp, told, app);
	set_options(app);
	return app;
}

/* A listener's new flow. */
static void accepted(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct cothon_endpoint local = cothon_flow_local(cothon_tcp_flow(tcp));
	struct app *app = own(owner, tcp, local.port);

	if (app)
		told(tcp, app, events);
	else
		cothon_tcp_abort(tcp);
}

/* The forwarder */

static int forward_tcp(void *context, struct cothon_tcp *tcp)
{
	struct cothon_endpoint destination = cothon_flow_local(cothon_tcp_flow(tcp));
	struct app *app;

	switch (destination.port) {
	case SCENE_NO_NET:
		return -ENETUNREACH;
	case SCENE_NO_HOST:
		return -EHOSTUNREACH;
	case SCENE_PROHIBITED:
		return -EACCES;
	case SCENE_SILENT:
		return -ETIMEDOUT;
	case SCENE_GIVEN_BACK:
		cothon_tcp_refuse(tcp, -ECONNREFUSED);
		return 0;
	case SCENE_OPEN:
	case SCENE_HELD:
		app = own(context, tcp, SCENE_ECHO);
		if (!app)
			return -ENOMEM;
		app->held = destination.port == SCENE_HELD;
		if (!app->held)
			cothon_tcp_accept(tcp);
		return 0;
	default:
		return -ECONNREFUSED;
	}
}

/* Sends a datagram back. */
static void answer(struct stage *stage, const struct cothon_datagram *datagram)
{
	struct cothon_datagram back = *datagram;

	back.source = datagram->destination;
	back.destination = datagram->source;
	back.dont_fragment = false;
	if (back.destination.port == 0)
		return;
	if (cothon_stack_send_datagram(stage->stack, &back) == 0)
		stage->apps.datagrams++;
}

static int forward_udp(void *context, const struct cothon_datagram *datagram)
{
	switch (datagram->destination.port) {
	case SCENE_ANSWERED:
		answer(context, datagram);
		return 0;
	case SCENE_HELD:
		return 0;
	case SCENE_NO_NET:
		return -ENETUNREACH;
	case SCENE_NO_HOST:
		return -EHOSTUNREACH;
	case SCENE_PROHIBITED:
		return -EACCES;
	case SCENE_SILENT:
		return -ETIMEDOUT;
	case SCENE_REFUSED:
		/* A router on the way says that it is too big. */
		cothon_stack_send_unreachable(((struct stage *)context)->stack,
					      &datagram->destination.addr, COTHON_TOO_BIG, 1300,
					      datagram);
		return 0;
	default:
		return -ECONNREFUSED;
	}
}

/* Of the addresses outside every second is somebody's, and every fourth is known to be nobody's. */
static int forward_echo(void *context, const struct cothon_echo *request)
{
	struct cothon_stack *stack = ((struct stage *)context)->stack;

	switch (request->destination.b[15] % 4) {
	case 1:
		return -EHOSTUNREACH;
	case 3:
		cothon_stack_send_echo_unreachable(stack, NULL, COTHON_HOST_UNREACHABLE, 0,
						   request);
		return 0;
	default:
		cothon_stack_send_echo_reply(stack, request);
		return 0;
	}
}

const struct cothon_forwarder app_forwarder = {
	.tcp = forward_tcp,
	.udp = forward_udp,
	.echo = forward_echo,
};

void app_answer(struct app *app, int error)
{
	struct cothon_tcp *tcp = app->tcp;

	app->held = false;
	if (error) {
		app->tcp = NULL;
		cothon_tcp_refuse(tcp, error);
	} else {
		cothon_tcp_accept(tcp);
	}
}

/* UDP */

static void received(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	(void)udp;
	answer(owner, datagram);
}

/* All of them */

static void listen_at(struct stage *stage, size_t which)
{
	struct cothon_endpoint local = {.port = listened[which]};
	int error = cothon_tcp_listen(stage->stack, &local, BACKLOG, accepted, stage,
				      &stage->apps.listeners[which]);

	if (error) {
		assert_int_equal(error, -ENOMEM);
		stage->apps.listeners[which] = NULL;
	}
}

void app_restart(struct stage *stage, size_t which)
{
	which %= sizeof(listened) / sizeof(*listened);
	if (stage->apps.listeners[which])
		cothon_listener_close(stage->apps.listeners[which]);
	listen_at(stage, which);
}

void app_listen_all(struct stage *stage)
{
	for (size_t i = 0; i < sizeof(listened) / sizeof(*listened); i++) {
		if (!stage->apps.listeners[i])
			listen_at(stage, i);
		assert_non_null(stage->apps.listeners[i]);
	}
}

void app_open_all(struct stage *stage)
{
	struct apps *apps = &stage->apps;
	struct cothon_endpoint any = {.port = SCENE_ECHO};

	apps->keepalive = stage->setup.keepalive;
	app_listen_all(stage);
	assert_int_equal(cothon_udp_bind(stage->stack, &any, received, stage, &apps->udp), 0);
}

void app_close_all(struct stage *stage)
{
	struct apps *apps = &stage->apps;

	for (size_t i = 0; i < sizeof(listened) / sizeof(*listened); i++) {
		if (apps->listeners[i])
			cothon_listener_close(apps->listeners[i]);
	}
	cothon_udp_close(apps->udp);
}

struct app *app_of(struct stage *stage, enum scene_family family, uint16_t peer_port)
{
	for (unsigned i = 0; i < APPS; i++) {
		struct app *app = &stage->apps.all[i];
		struct cothon_endpoint remote;

		if (!app->tcp)
			continue;
		remote = cothon_flow_remote(cothon_tcp_flow(app->tcp));
		if (remote.port == peer_port &&
		    cothon_addr_equal(&remote.addr, &stage->scene.peer[family]))
			return app;
	}
	return NULL;
}

struct app *app_connect(struct stage *stage, enum scene_family family, uint16_t port)
{
	struct cothon_endpoint local = {.addr = stage->scene.self[family]};
	struct cothon_endpoint remote = {stage->scene.peer[family], port};
	struct app *app = free_app(stage);

	if (!app)
		return NULL;
	*app = (struct app){.stage = stage, .port = SCENE_ECHO};
	if (cothon_tcp_connect(stage->stack, &local, &remote, told, app, &app->tcp)) {
		app->tcp = NULL;
		return NULL;
	}
	set_options(app);
	return app;
}

void app_whim(struct stage *stage)
{
	struct cothon_random *random = &stage->random;
	struct app *app = &stage->apps.all[cothon_random_below(random, APPS)];
	char data[3000];

	if (cothon_random_below(random, 500) == 0)
		app_restart(stage,
			    cothon_random_below(random, sizeof(listened) / sizeof(*listened)));
	if (!app->tcp) {
		if (cothon_random_below(random, 20) == 0)
			app_connect(stage, (enum scene_family)cothon_random_below(random, 2),
				    (uint16_t)(22000 + cothon_random_below(random, 10)));
		return;
	}
	if (app->held) {
		app_answer(app, cothon_random_below(random, 2) ? 0 : -ECONNREFUSED);
		return;
	}
	switch (cothon_random_below(random, 10)) {
	case 0:
		cothon_tcp_shutdown(app->tcp);
		break;
	case 1:
		app_give_up(app, false);
		break;
	case 2:
		app_give_up(app, true);
		break;
	case 3:
	case 4:
		cothon_tcp_read(app->tcp, data, 1 + cothon_random_below(random, sizeof(data)));
		break;
	default:
		memset(data, 'w', sizeof(data));
		cothon_tcp_write(app->tcp, data, 1 + cothon_random_below(random, sizeof(data)));
		break;
	}
}
