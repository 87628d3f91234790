/* SPDX-License-Identifier: MIT */
#include "sandbox/inetd.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum {
	SECOND = 1000000
};

/* The command leaves what waits where it is. */
static char *const idler[] = {"true", NULL};
static const struct sandbox_listen port = {.port = 7};

static struct sandbox_listening listening;
static struct sandbox_listeners listeners;
static struct sandbox_inetd inetd;
static struct host_signals signals;

static void open_inetd(enum sandbox_handing handing)
{
	listening = (struct sandbox_listening){
		.sockets = &port, .count = 1, .handing = handing, .most = 1};
	listeners = (struct sandbox_listeners){
		.config = &listening, .fds = {socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)}};
	assert_true(listeners.fds[0] > 0);
	/* Nothing is changed: the commands get the signals of this process. */
	sigprocmask(SIG_SETMASK, NULL, &signals.mask);
	sigaction(SIGPIPE, NULL, &signals.pipe);
	sigaction(SIGCHLD, NULL, &signals.child);
	inetd = (struct sandbox_inetd){
		.listeners = &listeners,
		.command = {.signals = &signals, .argv = idler},
		.channel = -1,
		.serving = true,
	};
}

static void serve_and_collect(uint64_t now)
{
	assert_int_equal(sandbox_inetd_source(&inetd, now), listeners.fds[0]);
	sandbox_inetd_serve(&inetd, now);
	assert_int_equal(inetd.count, 1);
	/* Nobody else meanwhile, and only its end changes that. */
	assert_int_equal(sandbox_inetd_source(&inetd, now), -1);
	assert_int_equal(sandbox_inetd_pause(&inetd, now), -1);
	assert_true(sandbox_inetd_collect(&inetd, waitpid(-1, NULL, 0)));
}

static void what_leaves_its_work_is_not_started_without_end(void **state)
{
	uint64_t now = 1000 * UINT64_C(1000000);

	(void)state;
	open_inetd(SANDBOX_HANDING_INETD_WAIT);
	for (int i = 0; i <= SANDBOX_INETD_BURST; i++)
		serve_and_collect(now);
	assert_int_equal(sandbox_inetd_source(&inetd, now), -1);
	assert_in_range(sandbox_inetd_pause(&inetd, now), 1, SANDBOX_INETD_INTERVAL / 1000 + 1);
	now += (uint64_t)sandbox_inetd_pause(&inetd, now) * 1000;
	serve_and_collect(now);
	assert_int_equal(sandbox_inetd_source(&inetd, now), -1);
	/* After some quiet it is as at first. */
	now += (uint64_t)(SANDBOX_INETD_BURST + 2) * SANDBOX_INETD_INTERVAL;
	for (int i = 0; i <= SANDBOX_INETD_BURST; i++)
		serve_and_collect(now);
	assert_int_equal(sandbox_inetd_source(&inetd, now), -1);
	close(listeners.fds[0]);
}

static void nobody_is_served_who_is_not_to_be(void **state)
{
	(void)state;
	open_inetd(SANDBOX_HANDING_INETD_WAIT);
	inetd.serving = false;
	assert_int_equal(sandbox_inetd_source(&inetd, SECOND), -1);
	assert_int_equal(sandbox_inetd_pause(&inetd, SECOND), -1);
	inetd.listeners = NULL;
	inetd.serving = true;
	assert_int_equal(sandbox_inetd_source(&inetd, SECOND), -1);
	assert_int_equal(sandbox_inetd_pause(&inetd, SECOND), -1);
	assert_false(sandbox_inetd_collect(&inetd, 1));
	close(listeners.fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_leaves_its_work_is_not_started_without_end),
		cmocka_unit_test(nobody_is_served_who_is_not_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
