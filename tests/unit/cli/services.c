/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <cothon/service.h>

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

/* What one run of the subcommand leaves. */
struct output {
	int status;
	char out[1 << 20], err[4096];
};

/*
 * Puts an empty file in the place of a descriptor; returns the file, and in *kept a copy of what
 * was there.
 */
static int capture(int fd, int *kept)
{
	int file = memfd_create("output", MFD_CLOEXEC);

	*kept = dup(fd);
	assert_true(file >= 0 && *kept >= 0);
	assert_int_equal(dup2(file, fd), fd);
	return file;
}

static void release(int fd, int kept, int file, char *text, size_t size)
{
	ssize_t len;

	assert_int_equal(dup2(kept, fd), fd);
	close(kept);
	len = pread(file, text, size - 1, 0);
	close(file);
	assert_in_range(len, 0, size - 2);
	text[len] = '\0';
}

/* Runs `cothon services`; argv ends with NULL. */
static void run(struct output *output, char **argv)
{
	int argc = 0, kept_out, kept_err;

	while (argv[argc])
		argc++;
	fflush(stdout);
	int out = capture(STDOUT_FILENO, &kept_out);
	int err = capture(STDERR_FILENO, &kept_err);
	output->status = cli_services(argc, argv);
	fflush(stdout);
	release(STDERR_FILENO, kept_err, err, output->err, sizeof(output->err));
	release(STDOUT_FILENO, kept_out, out, output->out, sizeof(output->out));
}

static struct output output;

#define RUN(...) run(&output, (char *[]){"services", __VA_ARGS__})

#define assert_run(expected_status, expected_out, ...)            \
	do {                                                      \
		RUN(__VA_ARGS__, NULL);                           \
		assert_string_equal(output.out, expected_out);    \
		assert_string_equal(output.err, "");              \
		assert_int_equal(output.status, expected_status); \
	} while (0)

#define assert_refused(expected_status, expected_err, ...)          \
	do {                                                        \
		RUN(__VA_ARGS__, NULL);                             \
		assert_string_equal(output.err, expected_err "\n"); \
		assert_int_equal(output.status, expected_status);   \
	} while (0)

#define HTTP                                                      \
	"http            80/tcp          # World Wide Web HTTP\n" \
	"http            80/udp          # World Wide Web HTTP\n" \
	"http            80/sctp         # HTTP\n"

static void names(void **state)
{
	(void)state;
	assert_run(0, HTTP, "http");
	assert_run(0, HTTP, "HTTP");
	assert_run(0, "http            80/sctp         # HTTP\n", "http/sctp");
	assert_run(0, "whois           43/tcp          # Who Is\n", "whois");
	assert_run(0,
		   "whois++         63/tcp          # whois++\n"
		   "whoispp         63/tcp          # whois++\n"
		   "whois++         63/udp          # whois++\n"
		   "whoispp         63/udp          # whois++\n",
		   "63");
	assert_run(0, "whois++         63/tcp          # whois++\n", "whois++/tcp");
	/* A historic name has a slash in it. */
	assert_run(0, "914c/g          211/udp         # Texas Instruments 914C/G Terminal\n",
		   "914c/g/udp");
	RUN("914c/g", NULL);
	assert_int_equal(output.status, 0);
	assert_non_null(strstr(output.out, "914c/g          211/tcp"));
}

static void ports(void **state)
{
	(void)state;
	assert_run(0, "domain          53/udp          # Domain Name Server\n", "53/udp");
	assert_run(0,
		   "x11             6000-6063/tcp   # X Window System\n"
		   "x11             6000-6063/udp   # X Window System\n",
		   "6010");
	assert_run(0,
		   "whois           43/tcp          # Who Is\n"
		   "nicname         43/tcp          # Who Is\n"
		   "nicname         43/udp          # Who Is\n",
		   "43");
	/* One without a description. */
	assert_run(0,
		   "shell           514/tcp         # cmd like exec, but automatic "
		   "authentication is performed as for login\n"
		   "syslog          514/udp\n",
		   "514");
}

static void ports_without_a_service(void **state)
{
	(void)state;
	static const struct {
		char *port;
		const char *class, *range;
	} cases[] = {
		{"26", "system port", "0-1023"},
		{"20/dccp", "system port", "0-1023"},
		{"1028", "user port", "1024-49151"},
		{"49152", "dynamic port", "49152-65535"},
		{"65535/tcp", "dynamic port", "49152-65535"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN(cases[i].port, NULL);
		assert_int_equal(output.status, 0);
		assert_string_equal(output.err, "");
		assert_int_equal(strncmp(output.out, cases[i].port, strlen(cases[i].port)), 0);
		assert_non_null(strstr(output.out, "no service"));
		assert_non_null(strstr(output.out, cases[i].class));
		assert_non_null(strstr(output.out, cases[i].range));
	}
}

/* What is known is printed, what is not is said with the nearest names, and the status tells. */
static void unknown_names(void **state)
{
	(void)state;
	assert_refused(1,
		       "cothon: services: there is no service \"htpp\"; did you mean http or htcp?",
		       "http", "htpp", "53/udp");
	assert_string_equal(output.out,
			    HTTP "domain          53/udp          # Domain Name Server\n");
	assert_refused(
		1,
		"cothon: services: there is no service \"qqqqqqqqqqqq\", and none with a name "
		"like it; `cothon services` lists all",
		"qqqqqqqqqqqq");
	assert_refused(1, "cothon: services: the service \"syslog\" has no port on tcp",
		       "syslog/tcp");
	assert_refused(
		1,
		"cothon: services: http/foo: \"foo\" is not a transport; those with ports are "
		"tcp, udp, dccp and sctp",
		"http/foo");
	assert_refused(1, "cothon: services: 65536 is not a port: ports are 1 to 65535", "65536");
	assert_refused(1, "cothon: services: 0 is not a port: ports are 1 to 65535", "0/tcp");
	assert_refused(1,
		       "cothon: services: \"\" is neither a port (1 to 65535) nor a service's name",
		       "");
}

static void one_class(void **state)
{
	(void)state;
	assert_run(0, HTTP, "--class", "system", "http");
	assert_refused(1, "cothon: services: the service \"http\" has no user port", "--class",
		       "user", "http");
	assert_refused(1, "cothon: services: 80: this is a system port, not a dynamic one",
		       "--class=dynamic", "80");
	RUN("--class", "dynamic", NULL);
	assert_int_equal(output.status, 0);
	assert_non_null(strstr(output.out, "no service"));
	assert_refused(CLI_FAILED,
		       "cothon: services: --class all: a class of ports is one of system, user and "
		       "dynamic",
		       "--class", "all");
	RUN("--class", "user", NULL);
	assert_int_equal(output.status, 0);
	assert_null(strstr(output.out, " 1023/"));
	assert_non_null(strstr(output.out, " 1025/"));
}

/* Reads what was printed as JSON. */
static json_t *read_json(void)
{
	json_error_t error;
	json_t *json = json_loads(output.out, 0, &error);

	if (!json)
		fail_msg("%s", error.text);
	assert_true(json_is_array(json));
	return json;
}

/* The object at `i` is a service, or a port that none has (NULL). */
static void assert_object(const json_t *array, size_t i, const char *name, int first, int last,
			  const char *transport, const char *class, const char *description)
{
	const json_t *object = json_array_get(array, i);
	static const char *const keys[] = {"name", "transport", "class", "description"};
	const char *const texts[] = {name, transport, class, description};

	assert_int_equal(json_object_size(object), 6);
	assert_int_equal(json_integer_value(json_object_get(object, "first_port")), first);
	assert_int_equal(json_integer_value(json_object_get(object, "last_port")), last);
	for (size_t j = 0; j < sizeof(keys) / sizeof(keys[0]); j++) {
		const json_t *value = json_object_get(object, keys[j]);

		assert_non_null(value);
		if (texts[j])
			assert_string_equal(json_string_value(value), texts[j]);
		else
			assert_true(json_is_null(value));
	}
}

static void json(void **state)
{
	(void)state;
	RUN("--json", "6010/tcp", "whois", "49152", "26/udp", NULL);
	assert_int_equal(output.status, 0);
	assert_string_equal(output.err, "");
	json_t *array = read_json();
	assert_int_equal(json_array_size(array), 4);
	assert_object(array, 0, "x11", 6000, 6063, "tcp", "user", "X Window System");
	assert_object(array, 1, "whois", 43, 43, "tcp", "system", "Who Is");
	assert_object(array, 2, NULL, 49152, 49152, NULL, "dynamic", NULL);
	assert_object(array, 3, NULL, 26, 26, "udp", "system", NULL);
	json_decref(array);

	/* What is unknown is said as ever, and what is known is there. */
	assert_refused(1,
		       "cothon: services: there is no service \"htpp\"; did you mean http or htcp?",
		       "--json", "htpp", "53/udp");
	array = read_json();
	assert_int_equal(json_array_size(array), 1);
	assert_object(array, 0, "domain", 53, 53, "udp", "system", "Domain Name Server");
	json_decref(array);

	RUN("--json", "--class", "system", NULL);
	array = read_json();
	assert_in_range(json_array_size(array), 1000, 2000);
	assert_object(array, 0, "tcpmux", 1, 1, "tcp", "system", "TCP Port Service Multiplexer");
	json_decref(array);

	assert_run(0, "[]\n", "--json", "--class", "dynamic");
}

/* All of it: a line each, in the order of ports, that a reader of services(5) can take apart. */
static void everything(void **state)
{
	(void)state;
	unsigned long last = 0;
	unsigned lines = 0;

	RUN(NULL);
	assert_int_equal(output.status, 0);
	for (char *line = strtok(output.out, "\n"); line; line = strtok(NULL, "\n")) {
		/* A name, a port or a range, a transport. */
		char *end = line + strcspn(line, " ");
		assert_in_range(end - line, 1, 15);
		unsigned long port = strtoul(end, &end, 10);
		if (*end == '-')
			assert_true(strtoul(end + 1, &end, 10) > port);
		assert_int_equal(*end++, '/');
		assert_true(cothon_transport_by_name(end, strcspn(end, " ")) > 0);
		assert_true(port >= last && port <= 65535);
		last = port;
		lines++;
	}
	assert_in_range(lines, 11700, 14000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(ports),
		cmocka_unit_test(ports_without_a_service),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(one_class),
		cmocka_unit_test(json),
		cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
