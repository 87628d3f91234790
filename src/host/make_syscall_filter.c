/* SPDX-License-Identifier: MIT */

/*
 * Makes the filter of system calls, when the program is built.
 *
 *   make_syscall_filter LIST OUTPUT
 *
 * LIST has a system call a line, perhaps with a condition; "#" begins a comment. OUTPUT becomes C.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void fail(const char *what, const char *which, int error)
{
	fprintf(stderr, "make_syscall_filter: %s%s%s%s%s\n", what, which ? " " : "",
		which ? which : "", error ? ": " : "", error ? strerror(error) : "");
	exit(1);
}

static void allow(scmp_filter_ctx filter, int call, const char *name, unsigned count,
		  const struct scmp_arg_cmp *arguments)
{
	int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, arguments);

	if (error < 0)
		fail("cannot allow", name, -error);
}

static void allow_if(scmp_filter_ctx filter, int call, const char *name, const char *condition)
{
	static const int families[] = {AF_INET, AF_INET6, AF_NETLINK};
	static const unsigned requests[] = {TIOCOUTQ, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, TCGETS};

	if (strcmp(condition, "queue-or-terminal") == 0) {
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
			allow(filter, call, name, 1, &SCMP_A1(SCMP_CMP_EQ, requests[i], 0));
	} else if (strcmp(condition, "inet-or-netlink") == 0) {
		for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
			allow(filter, call, name, 1,
			      &SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	} else if (strcmp(condition, "not-executable") == 0) {
		allow(filter, call, name, 1, &SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	} else if (strcmp(condition, "no-path") == 0) {
		allow(filter, call, name, 1,
		      &SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	} else {
		fail("no condition", condition, 0);
	}
}

static void read_line(scmp_filter_ctx filter, char *line)
{
	char *name, *condition, *comment = strchr(line, '#');
	int call;

	if (comment)
		*comment = '\0';
	name = strtok(line, " \t\n");
	condition = strtok(NULL, " \t\n");
	if (!name)
		return;
	call = seccomp_syscall_resolve_name(name);
	if (call == __NR_SCMP_ERROR)
		fail("no system call", name, 0);
	/* Negative: this architecture has none of that name. */
	if (call < 0)
		return;
	if (condition)
		allow_if(filter, call, name, condition);
	else
		allow(filter, call, name, 0, NULL);
}

static void read_list(scmp_filter_ctx filter, const char *path)
{
	FILE *list = fopen(path, "r");
	char line[200];

	if (!list)
		fail("cannot read", path, errno);
	while (fgets(line, sizeof(line), list))
		read_line(filter, line);
	fclose(list);
}

static void write_code(FILE *output, int code)
{
	struct sock_filter step;
	unsigned count = 0;

	fprintf(output, "/* Made by make_syscall_filter. */\n#include \"host/syscall_filter.h\"\n\n"
			"const struct sock_filter host_syscall_filter[] = {\n");
	for (; read(code, &step, sizeof(step)) == (ssize_t)sizeof(step); count++)
		fprintf(output, "\t{%u, %u, %u, %uu},\n", step.code, step.jt, step.jf, step.k);
	fprintf(output, "};\nconst unsigned short host_syscall_filter_len = %u;\n", count);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int code = memfd_create("filter", MFD_CLOEXEC);
	FILE *output;
	int error;

	if (argc != 3)
		fail("usage: make_syscall_filter LIST OUTPUT", NULL, 0);
	if (!filter || code < 0)
		fail("no memory", NULL, 0);
	read_list(filter, argv[1]);
	/* The filter runs at every system call: found by halving, not one after the other. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	error = seccomp_export_bpf(filter, code);
	if (error < 0)
		fail("cannot make the filter", NULL, -error);
	lseek(code, 0, SEEK_SET);
	output = fopen(argv[2], "w");
	if (!output)
		fail("cannot write", argv[2], errno);
	write_code(output, code);
	if (fclose(output) != 0)
		fail("cannot write", argv[2], errno);
	seccomp_release(filter);
	return 0;
}
