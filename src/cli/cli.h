/* SPDX-License-Identifier: MIT */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/* What the subcommands share: the table of them, exit statuses, messages. */

/* Name, and what `cothon help` says of it; each is run by the function cli_NAME(). */
#define CLI_COMMANDS(X)                                                        \
	X(run, "run a command with its own address and ports")                 \
	X(up, "start the sandboxes that a file describes")                     \
	X(down, "end the sandboxes that `cothon up` has started")              \
	X(logs, "what the commands of `cothon up` have written")               \
	X(ps, "the running sandboxes")                                         \
	X(publish, "link and unlink services of a running sandbox")            \
	X(rules, "what a running sandbox may reach, seen and changed")         \
	X(ports, "which application holds which port, and every flow")         \
	X(top, "a live view of the whole screen: who is fast, and where to")   \
	X(web, "a sandbox in the browser: its ports as a map, flows, rules")   \
	X(capture, "write the packets of a running sandbox to a file")         \
	X(metrics, "the figures of a running sandbox, for Prometheus")         \
	X(exec, "run another command in a running sandbox")                    \
	X(services, "the registry of services")                                \
	X(doctor, "what this machine allows, and how to mend what is missing") \
	X(help, "this text, or the help of a subcommand")

/* Exit statuses that are not the command's own, as env(1) and its kind have them. */
enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 125,     /* Cothon itself failed */
	CLI_CANNOT_RUN = 126, /* the command is there and cannot be run */
	CLI_NOT_FOUND = 127,  /* the command is not there */
};

struct cli_command {
	const char *name, *summary;
	/* argv[0] is the subcommand's name; argv[argc] is NULL. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

#define CLI_COMMAND(name, summary) int cli_##name(int argc, char **argv);
CLI_COMMANDS(CLI_COMMAND)
#undef CLI_COMMAND

/* The subcommands in the order of the help; ends with a NULL name. */
extern const struct cli_command cli_commands[];
/* The subcommand of that name, or NULL. */
const struct cli_command *cli_command_find(const char *name);
/*
 * Says that there is no such subcommand, and which is the nearest; `subject` is as for cli_message().
 * Returns CLI_FAILED.
 */
int cli_command_unknown(const char *subject, const char *name);

/*
 * `cothon __complete WORD...`: prints what the last word may become, for the shells' completions. It
 * is in no help. Returns the exit status.
 */
int cli_complete(int argc, char **argv);

/*
 * Prints "cothon: SUBJECT: ..." and a newline on standard error; `subject`, unless it is NULL, is
 * the subcommand or the sandbox that the message is about. What is printed says what is wrong,
 * why, and what to do.
 */
__attribute__((format(printf, 2, 3))) void cli_message(const char *subject, const char *format,
						       ...);

/* What is wrong with an argument, in words for who wrote it. */
struct cli_error {
	char text[512];
};

/* Fills in an error; returns -EINVAL, so that a parser can end with it. */
__attribute__((format(printf, 2, 3))) int cli_error(struct cli_error *error, const char *format,
						    ...);

/*
 * The one of `names` (ends with NULL) that is nearest to a mistyped one, or NULL when none is near
 * enough to be what was meant.
 */
const char *cli_nearest(const char *typed, const char *const *names);

#endif
