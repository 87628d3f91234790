/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/network_running.h"
#include "cli/options.h"
#include "cli/up_text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	/* Milliseconds after which it is said what is waited for. */
	TELL_AFTER = 1000,
};

static const struct cli_option options[] = {{0}};

static const struct cli_syntax syntax = {
	.name = "down",
	.examples = "  cothon down shop\n"
		    "  cothon down shop.yaml",
	.usage = "cothon down NETWORK|FILE",
	.summary =
		"Ends all sandboxes that `cothon up` has started together, and returns when they "
		"have ended: those that depend on others come first. A command that does not end "
		"when it is asked to (SIGTERM) is killed after its `stop_grace`.",
	.options = options,
};

struct network_list {
	char text[256]; /* "shop, store" */
	unsigned count;
};

static bool is_listed(const struct network_list *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list->text; (at = strstr(at, name)); at += len) {
		bool begins = at == list->text || at[-1] == ' ';

		if (begins && (!at[len] || at[len] == ','))
			return true;
	}
	return false;
}

static void note_network(void *context, const char *sandbox, const json_t *told, pid_t pid)
{
	struct network_list *list = context;
	const char *name =
		json_string_value(json_object_get(json_object_get(told, "up"), "network"));
	size_t len = strlen(list->text);

	(void)sandbox;
	(void)pid;
	if (!name || !*name || is_listed(list, name))
		return;
	list->count++;
	snprintf(list->text + len, sizeof(list->text) - len, "%s%s", len ? ", " : "", name);
}

static int not_running(const char *name, struct cli_error *error)
{
	struct network_list list = {0};

	if (cli_network_running_each(NULL, note_network, &list, error) < 0)
		return -EINVAL;
	if (list.count == 0)
		return cli_error(error, "no network %s is running, nor any other", name);
	return cli_error(error, "no network %s is running; there is: %s", name, list.text);
}

/* Waits for the end of a process, and says so when that takes long. */
static int await_end(int process, const char *name)
{
	struct pollfd end = {.fd = process, .events = POLLIN};
	bool told = false;

	for (;;) {
		int count = poll(&end, 1, told ? -1 : TELL_AFTER);

		if (count > 0)
			return 0;
		if (count < 0 && errno != EINTR)
			return -errno;
		if (count == 0 && !told)
			cli_message("down", "waiting for the commands of %s to end", name);
		told = told || count == 0;
	}
}

static int end_network(const char *name, struct cli_error *error)
{
	struct cli_network_running running;
	int result = cli_network_running_find(name, &running, error);
	int process;

	if (result < 0)
		return result;
	if (result == 0)
		return not_running(name, error);
	process = (int)syscall(SYS_pidfd_open, running.pid, 0);
	/* It has ended at this moment. */
	if (process < 0 && errno == ESRCH)
		return 0;
	if (process < 0)
		return cli_error(error, "cannot reach process %d: %s", (int)running.pid,
				 strerrordesc_np(errno));
	/* Still the same process: nobody else answers for the network meanwhile. */
	result = cli_network_running_find(name, &running, error);
	if (result > 0 && syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0) < 0 &&
	    errno != ESRCH)
		result = cli_error(error, "cannot end process %d: %s", (int)running.pid,
				   strerrordesc_np(errno));
	if (result > 0)
		result = await_end(process, name);
	close(process);
	return result;
}

/* An operand is a file when there is one of that name. */
static bool is_file(const char *operand)
{
	struct stat status;

	return strchr(operand, '/') || (stat(operand, &status) == 0 && S_ISREG(status.st_mode));
}

static int down(const char *operand, struct cli_error *error)
{
	static struct cli_up_text text;
	int result;

	if (!is_file(operand))
		return end_network(operand, error);
	if (cli_up_text_read(operand, &text) == 0)
		result = end_network(text.file.network, error);
	else
		result = cli_error(error, "the file does not say which network it is; name that: "
					  "cothon down NETWORK");
	cli_up_text_release(&text);
	return result;
}

int cli_down(int argc, char **argv)
{
	struct cli_error error;
	int operand = cli_options_read(&syntax, argc, argv, NULL, &error);

	if (operand == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (operand > 0 && operand != argc - 1)
		operand = cli_error(&error, "which network? write `cothon down NETWORK|FILE`");
	if (operand < 0 || down(argv[operand], &error) < 0) {
		cli_message("down", "%s", error.text);
		return CLI_FAILED;
	}
	return CLI_OK;
}
