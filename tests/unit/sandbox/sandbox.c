/* SPDX-License-Identifier: MIT */

/* Whole sandboxes, without a stack at the other end of the link: what init says and does. */

#include "sandbox/sandbox.h"

#include "base/list.h"
#include "host/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum {
	HEARD_MAX = 16,
	/* No test takes that long. */
	PATIENCE = 20000000, /* microseconds */
};

/* A sandbox and what was heard of it. */
struct scene {
	struct host_signals signals;
	struct sandbox *sandbox;
	struct host_loop *loop;
	struct sandbox_listener listener;
	struct host_hook patience;
	uint64_t began;
	int tun;
	enum sandbox_word until;
	/* What to do when the command has said something on its standard output. */
	struct host_watch output;
	void (*spoken)(struct scene *scene);
	struct sandbox_message heard[HEARD_MAX];
	unsigned count;
};

static void heard(struct sandbox_listener *listener, const struct sandbox_message *message)
{
	struct scene *scene = cothon_container(listener, struct scene, listener);

	assert_true(scene->count < HEARD_MAX);
	scene->heard[scene->count++] = *message;
	if (message->word == SANDBOX_STOPPED)
		sandbox_signal(scene->sandbox, SIGCONT);
	if (message->word == scene->until)
		host_loop_stop(scene->loop);
}

static uint64_t be_patient(struct host_hook *hook, uint64_t now)
{
	struct scene *scene = cothon_container(hook, struct scene, patience);

	assert_true(now < scene->began + PATIENCE);
	return scene->began + PATIENCE;
}

static void read_output(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct scene *scene = cothon_container(watch, struct scene, output);
	char text[64];

	(void)events;
	(void)now;
	host_loop_remove(scene->loop, watch);
	assert_true(read(watch->fd, text, sizeof(text)) > 0);
	scene->spoken(scene);
}

/* Where this user cannot have sandboxes there is nothing to test. */
static void need_sandboxes(void)
{
	int pidfd;
	pid_t child = host_namespace_fork(CLONE_NEWUSER | CLONE_NEWNET, &pidfd);

	if (child == 0)
		_exit(access("/dev/net/tun", R_OK | W_OK) != 0);
	if (child > 0) {
		int status;

		close(pidfd);
		waitpid(child, &status, 0);
		if (status == 0)
			return;
	}
	print_message("# needs user namespaces and /dev/net/tun\n");
	skip();
}

/*
 * Runs a command up to init's word `until`; `spoken` (may be NULL) is called when it has printed
 * something.
 */
static void run(struct scene *scene, char *const *argv, bool user, enum sandbox_word until,
		void (*spoken)(struct scene *scene))
{
	struct sandbox_config config = {
		.network = relay_network_default(),
		.user = user,
		.signals = &scene->signals,
		.argv = argv,
	};
	struct sandbox_failure failure;
	int output[2], kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	memset(scene, 0, sizeof(*scene));
	need_sandboxes();
	host_signals_take(&scene->signals);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	dup2(output[1], STDOUT_FILENO);
	close(output[1]);
	assert_int_equal(sandbox_start(&config, &scene->sandbox, &failure), 0);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	assert_int_equal(host_loop_create(&scene->loop), 0);
	assert_int_equal(sandbox_device(scene->sandbox, &scene->tun, &failure), 0);
	assert_int_equal(fcntl(scene->tun, F_GETFL) & O_NONBLOCK, O_NONBLOCK);

	scene->until = until;
	scene->spoken = spoken;
	scene->listener.heard = heard;
	assert_int_equal(sandbox_watch(scene->sandbox, scene->loop, &scene->listener), 0);
	scene->output = (struct host_watch){.fd = output[0], .ready = read_output};
	if (spoken)
		assert_int_equal(host_loop_add(scene->loop, &scene->output, POLLIN), 0);
	scene->patience.turn = be_patient;
	scene->began = host_now();
	host_loop_hook(scene->loop, &scene->patience);
	assert_int_equal(sandbox_release(scene->sandbox), 0);
	assert_int_equal(host_loop_run(scene->loop), 0);
}

static void end(struct scene *scene)
{
	close(scene->output.fd);
	close(scene->tun);
	sandbox_end(scene->sandbox);
	host_loop_destroy(scene->loop);
	host_signals_restore(&scene->signals);
	/* Nothing of it is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void assert_heard(const struct scene *scene, unsigned at, enum sandbox_word word, int value)
{
	assert_true(at < scene->count);
	assert_int_equal(scene->heard[at].word, word);
	assert_int_equal(scene->heard[at].value, value);
}

/* Runs a shell's command to its end; its exit status must be `status`. */
static void assert_status(const char *command, bool user, int status)
{
	char shell[] = "sh", option[] = "-c";
	char *text = strdup(command);
	char *const argv[] = {shell, option, text, NULL};
	struct scene scene;

	run(&scene, argv, user, SANDBOX_EMPTY, NULL);
	end(&scene);
	free(text);
	if (scene.heard[0].value != status)
		print_message("# %s\n", command);
	assert_int_equal(scene.count, 2);
	assert_heard(&scene, 0, SANDBOX_EXITED, status);
	assert_heard(&scene, 1, SANDBOX_EMPTY, 0);
}

static void test_exit_status(void **state)
{
	(void)state;
	assert_status("exit 0", false, 0);
	assert_status("exit 42", false, 42);
	assert_status("kill -TERM $$", false, 143);
	assert_status("kill -KILL $$", true, 137);
}

static void test_not_run(void **state)
{
	char absent[] = "/no/such/command", folder[] = "/tmp";
	char *const first[] = {absent, NULL}, *const second[] = {folder, NULL};
	struct scene scene;

	(void)state;
	run(&scene, first, false, SANDBOX_EMPTY, NULL);
	assert_heard(&scene, 0, SANDBOX_NOT_RUN, -ENOENT);
	assert_heard(&scene, 1, SANDBOX_EXITED, 127);
	end(&scene);
	run(&scene, second, false, SANDBOX_EMPTY, NULL);
	assert_heard(&scene, 0, SANDBOX_NOT_RUN, -EACCES);
	assert_heard(&scene, 1, SANDBOX_EXITED, 126);
	end(&scene);
}

static void test_what_is_inside(void **state)
{
	static const struct {
		const char *command;
		bool user;
	} cases[] = {
		/* The loopback is up, and so is the device: a route leads to the gateway. */
		{"grep -q 127.0.0.1 /proc/net/fib_trie", false},
		{"grep -q cothon0 /proc/net/dev", false},
		{"grep -q '^cothon0.00000000.0202000A' /proc/net/route", false},
		{"grep -qx 'nameserver 10.0.2.3' /etc/resolv.conf", false},
		/* The dynamic range, and ping for the command's group. */
		{"set -- $(cat /proc/sys/net/ipv4/ip_local_port_range)\n"
		 "[ $1 = 49152 ] && [ $2 = 65535 ]",
		 false},
		{"grep -qE '^(cubic|reno)$' /proc/sys/net/ipv4/tcp_congestion_control", false},
		{"set -- $(cat /proc/sys/net/ipv4/ping_group_range)\n"
		 "[ $1 -le $(id -g) ] && [ $2 -ge $(id -g) ]",
		 false},
		{"set -- $(cat /proc/sys/net/ipv4/ping_group_range)\n"
		 "[ $1 -le $(id -g) ] && [ $2 -ge $(id -g) ]",
		 true},
		/* The command is root, and not init. */
		{"[ $(id -u) = 0 ] && [ $$ != 1 ]", false},
		{"grep -q '^CapEff:.*[1-9a-f]' /proc/self/status", false},
		{"! grep -q '^Cap[PEA][a-z]*:.*[1-9a-f]' /proc/self/status", true},
		/* Init's descriptors, of which one leads to the engine, are not the sandbox's. */
		{"! readlink /proc/1/fd/* && ! readlink /proc/1/exe", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_status(cases[i].command, cases[i].user, 0);
}

static void test_user(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "[ $(id -u) = %u ] && [ $(id -g) = %u ]", geteuid(),
		 getegid());
	assert_status(command, true, 0);
}

static void test_descriptors(void **state)
{
	int file = open("/dev/null", O_RDONLY), none = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int inherited = 0;
	char command[128];

	(void)state;
	for (int fd = 0; fd < 1024; fd++)
		inherited += fcntl(fd, F_GETFD) == 0;
	/* What was inherited is there, and nothing more but what the shell lists them with. */
	snprintf(command, sizeof(command),
		 "[ -e /proc/self/fd/%d ] && [ ! -e /proc/self/fd/%d ]\n"
		 "set -- /proc/self/fd/*; [ $# = %d ]",
		 file, none, inherited + 1);
	assert_status(command, false, 0);
	close(file);
	close(none);
}

static void test_children_end(void **state)
{
	(void)state;
	/* They would keep the pipe that is the standard output open, and init waiting. */
	assert_status("trap '' TERM HUP; setsid sleep 1000 & sleep 1000 & exit 3", false, 3);
}

static void send_term(struct scene *scene)
{
	assert_int_equal(sandbox_signal(scene->sandbox, SIGTERM), 0);
}

static void test_signal(void **state)
{
	char shell[] = "sh", option[] = "-c",
	     text[] = "trap 'exit 9' TERM; echo ready; while :; do "
		      "sleep 0.02; done";
	char *const argv[] = {shell, option, text, NULL};
	struct scene scene;

	(void)state;
	run(&scene, argv, false, SANDBOX_EMPTY, send_term);
	assert_heard(&scene, 0, SANDBOX_EXITED, 9);
	/* To a command that has ended. */
	assert_int_equal(sandbox_signal(scene.sandbox, SIGTERM), 0);
	end(&scene);
}

static void test_stop(void **state)
{
	char shell[] = "sh", option[] = "-c", text[] = "kill -STOP $$; kill -TSTP $$; exit 4";
	char *const argv[] = {shell, option, text, NULL};
	struct scene scene;

	(void)state;
	/* The scene sends SIGCONT. SIGTSTP stops nobody where the process group is orphaned. */
	run(&scene, argv, false, SANDBOX_EMPTY, NULL);
	assert_heard(&scene, 0, SANDBOX_STOPPED, SIGSTOP);
	assert_heard(&scene, scene.count - 2, SANDBOX_EXITED, 4);
	end(&scene);
}

/* Process 1 of the sandbox, as this process sees it. */
static pid_t init_of(void)
{
	char text[32] = "";

	assert_true(host_read_file("/proc/thread-self/children", text, sizeof(text)) > 0);
	return (pid_t)strtol(text, NULL, 10);
}

static void kill_init(struct scene *scene)
{
	(void)scene;
	kill(init_of(), SIGKILL);
}

static void test_init_dies(void **state)
{
	char shell[] = "sh", option[] = "-c", text[] = "echo ready; sleep 1000";
	char *const argv[] = {shell, option, text, NULL};
	struct scene scene;
	char byte;

	(void)state;
	run(&scene, argv, false, SANDBOX_GONE, kill_init);
	assert_int_equal(scene.count, 1);
	assert_int_equal(sandbox_signal(scene.sandbox, SIGTERM), -EPIPE);
	/* The command had the pipe's other end, and is no more. */
	assert_int_equal(read(scene.output.fd, &byte, 1), 0);
	end(&scene);
}

static void die(struct scene *scene)
{
	(void)scene;
	kill(getpid(), SIGKILL);
}

static void test_engine_dies(void **state)
{
	char shell[] = "sh", option[] = "-c",
	     text[] = "setsid sleep 1000 <&1 & echo ready; exec sleep 1000";
	char *const argv[] = {shell, option, text, NULL};
	int alive[2], status;
	char byte;
	pid_t engine;

	(void)state;
	need_sandboxes();
	/* What the command inherits, and nobody else. */
	assert_int_equal(pipe(alive), 0);
	engine = fork();
	if (engine == 0) {
		struct scene scene;

		close(alive[0]);
		run(&scene, argv, false, SANDBOX_GONE, die);
		_exit(1);
	}
	close(alive[1]);
	assert_int_equal(waitpid(engine, &status, 0), engine);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* The end of the file comes when the last process that could write is gone. */
	assert_int_equal(read(alive[0], &byte, 1), 0);
	close(alive[0]);
}

static void test_never_released(void **state)
{
	char name[] = "true";
	char *const argv[] = {name, NULL};
	struct scene scene;
	struct sandbox_config config = {
		.network = relay_network_default(),
		.signals = &scene.signals,
		.argv = argv,
	};
	struct sandbox_failure failure;
	struct sandbox *sandbox;

	(void)state;
	need_sandboxes();
	host_signals_take(&scene.signals);
	assert_int_equal(sandbox_start(&config, &sandbox, &failure), 0);
	sandbox_end(sandbox);
	host_signals_restore(&scene.signals);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_failure(void **state)
{
	char name[] = "true";
	char *const argv[] = {name, NULL};
	struct scene scene;
	struct sandbox_config config = {
		.network = relay_network_default(),
		.signals = &scene.signals,
		.argv = argv,
	};
	struct sandbox_failure failure;
	struct sandbox_message message = {0};

	(void)state;
	need_sandboxes();
	memset(&scene, 0, sizeof(scene));
	/* No device has this MTU. */
	config.network.mtu = 1000000;
	host_signals_take(&scene.signals);
	assert_int_equal(sandbox_start(&config, &scene.sandbox, &failure), 0);
	assert_int_equal(sandbox_device(scene.sandbox, &scene.tun, &failure), 0);
	close(scene.tun);
	assert_int_equal(host_loop_create(&scene.loop), 0);
	scene.listener.heard = heard;
	scene.until = SANDBOX_GONE;
	assert_int_equal(sandbox_watch(scene.sandbox, scene.loop, &scene.listener), 0);
	assert_int_equal(host_loop_run(scene.loop), 0);
	message = scene.heard[0];
	assert_int_equal(message.word, SANDBOX_FAILED);
	assert_int_equal(message.value, SANDBOX_STEP_NETWORK);
	assert_int_equal(message.detail, -EINVAL);
	sandbox_end(scene.sandbox);
	host_loop_destroy(scene.loop);
	host_signals_restore(&scene.signals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status),    cmocka_unit_test(test_not_run),
		cmocka_unit_test(test_what_is_inside), cmocka_unit_test(test_user),
		cmocka_unit_test(test_descriptors),    cmocka_unit_test(test_children_end),
		cmocka_unit_test(test_signal),         cmocka_unit_test(test_stop),
		cmocka_unit_test(test_init_dies),      cmocka_unit_test(test_engine_dies),
		cmocka_unit_test(test_never_released), cmocka_unit_test(test_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
