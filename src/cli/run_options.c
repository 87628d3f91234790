/* SPDX-License-Identifier: MIT */
#include "cli/run_options.h"

#include "cli/listen.h"
#include "cli/options.h"
#include "cli/publish.h"
#include "cli/rule_argument.h"
#include "config/document.h"
#include "control/directory.h"
#include <cothon/service.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MTU_MIN = 1280, /* RFC 8200 section 5: what every link of IPv6 carries */
	MTU_MAX = 65535,
	DNS_PORT = 53,
};

/* Microseconds. */
#define IDLE_MIN UINT64_C(100000)
#define IDLE_MAX UINT64_C(86400000000)

static int take_publish(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;
	struct relay_publication *publication = &options->publications[options->publication_count];
	uint16_t port;
	int reason;

	if (options->publication_count == CLI_RUN_PUBLICATIONS)
		return cli_error(
			error, "these are more than %d; publish ranges, as in 8000-8999:8000-8999",
			CLI_RUN_PUBLICATIONS);
	reason = cli_publish_parse(value, publication, error);
	if (reason < 0)
		return reason;
	for (unsigned i = 0; i < options->publication_count; i++) {
		if (cli_publish_conflict(publication, &options->publications[i], &port))
			return cli_error(
				error,
				"port %u/%s outside is in an earlier -p already; leave one out",
				port, cothon_transport_name(publication->transport));
	}
	options->publication_count++;
	return 0;
}

static int take_name(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;

	if (!control_name_is_valid(value))
		return cli_error(
			error,
			"a name is 1 to %d letters, digits, '_', '.' and '-', and begins with "
			"a letter or a digit",
			CONTROL_NAME_MAX);
	options->name = value;
	return 0;
}

static int take_mtu(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;
	char *end;
	unsigned long mtu = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)value[0]) || *end || mtu < MTU_MIN || mtu > MTU_MAX)
		return cli_error(error, "an MTU is %d to %d bytes; the usual one is 1500", MTU_MIN,
				 MTU_MAX);
	options->wanted.mtu = (uint32_t)mtu;
	return 0;
}

static int take_threads(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;
	char *end;
	unsigned long threads = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)value[0]) || *end || threads < 1 || threads > RELAY_QUEUES_MAX)
		return cli_error(error, "write a number of threads from 1 to %d", RELAY_QUEUES_MAX);
	options->threads = (unsigned)threads;
	return 0;
}

static int take_address(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;

	return cli_network_address(&options->wanted, value, error);
}

static int take_gateway(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;

	return cli_network_gateway(&options->wanted, value, error);
}

static int take_dns(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;
	struct cothon_endpoint *resolver = &options->resolvers[options->resolver_count];

	if (options->resolver_count == CLI_RUN_RESOLVERS)
		return cli_error(error, "these are more than %d; leave some out",
				 CLI_RUN_RESOLVERS);
	if (cothon_addr_parse(value, &resolver->addr) < 0 ||
	    !cothon_addr_is_unicast(&resolver->addr))
		return cli_error(
			error,
			"this is no address of a host; write a DNS server's, such as 9.9.9.9");
	resolver->port = DNS_PORT;
	options->resolver_count++;
	return 0;
}

/* Room for one more rule, or NULL. */
static struct cothon_rule *new_rule(struct cli_run_options *options)
{
	size_t count = options->rule_count;

	/* Doubled when it is full, which it is at every power of two. */
	if ((count & (count - 1)) == 0) {
		size_t room = count ? 2 * count : 1;
		struct cothon_rule *rules =
			reallocarray(options->rules, room, sizeof(*options->rules));

		if (!rules)
			return NULL;
		options->rules = rules;
	}
	return &options->rules[count];
}

static int take_rule(struct cli_run_options *options, const char *value, bool allow,
		     struct cli_error *error)
{
	struct cothon_rule *rule;
	int reason;

	if (options->rule_count == COTHON_RULES_MAX)
		return cli_error(error,
				 "these are more than %d rules; write prefixes, *.names and lists "
				 "of ports",
				 COTHON_RULES_MAX);
	rule = new_rule(options);
	if (!rule)
		return cli_error(error, "there is no memory left for it; free some");
	reason = cli_rule_parse(value, allow, rule, error);
	options->rule_count += reason == 0;
	return reason;
}

static int take_allow(void *target, const char *value, struct cli_error *error)
{
	return take_rule(target, value, true, error);
}

static int take_deny(void *target, const char *value, struct cli_error *error)
{
	return take_rule(target, value, false, error);
}

static int take_log(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;

	(void)error;
	options->log = value;
	return 0;
}

static int take_capture(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;

	if (strcmp(value, "-") == 0)
		return cli_error(error, "standard output is the command's; give a file, or run "
					"`cothon capture NAME start -`");
	options->capture.file = value;
	return 0;
}

static int take_log_level(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;
	int level = control_log_level(value);

	if (level < 0)
		return cli_error(error, "a level is error, warning, info or debug");
	options->log_level = (enum control_log_level)level;
	return 0;
}

static int take_metrics(void *target, const char *value, struct cli_error *error)
{
	const struct cothon_addr loopback = cothon_addr_ipv4((const uint8_t[4]){127, 0, 0, 1});
	struct cli_run_options *options = target;
	struct relay_publication parsed;
	char text[CLI_PUBLISH_TEXT];

	/* [ADDR:]PORT is the first half of a publication. */
	snprintf(text, sizeof(text), "%s:1", value);
	if (strchr(value, '/') || cli_publish_parse(text, &parsed, error) < 0 || parsed.count != 1)
		return cli_error(error, "write [ADDR:]PORT, as in 9100 or 0.0.0.0:9100");
	options->metrics.addr = parsed.has_addr ? parsed.addr : loopback;
	options->metrics.port = parsed.outside;
	return 0;
}

static int take_capture_size(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_size(&((struct cli_run_options *)target)->capture, value, error);
}

static int take_capture_time(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_time(&((struct cli_run_options *)target)->capture, value, error);
}

static int take_capture_snap(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_snap(&((struct cli_run_options *)target)->capture, value, error);
}

static int take_capture_filter(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_filter(&((struct cli_run_options *)target)->capture, value, error);
}

static int take_idle(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;

	if (config_parse_duration(value, IDLE_MIN, IDLE_MAX, &options->idle) < 0)
		return cli_error(error,
				 "write a time from 100ms to 24h, as in 500ms, 60s, 10m or 2h");
	return 0;
}

static int take_listen_fds(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;
	int reason;

	if (options->socket_count == SANDBOX_LISTEN_MAX)
		return cli_error(error, "these are more than %d", SANDBOX_LISTEN_MAX);
	reason = cli_listen_parse(value, &options->sockets[options->socket_count], error);
	options->socket_count += reason == 0;
	return reason;
}

static int take_limit(void *target, const char *value, struct cli_error *error)
{
	struct cli_run_options *options = target;

	return cli_limit_parse(value, &options->limits, error);
}

CLI_OPTION_FLAG(take_user, struct cli_run_options, user)
CLI_OPTION_FLAG(take_on_demand, struct cli_run_options, on_demand)
CLI_OPTION_FLAG(take_host_loopback, struct cli_run_options, host_loopback)
CLI_OPTION_FLAG(take_watch, struct cli_run_options, watch)
CLI_OPTION_FLAG(take_ipv4_only, struct cli_run_options, wanted.ipv4_only)
CLI_OPTION_FLAG(take_ipv6_only, struct cli_run_options, wanted.ipv6_only)

static const struct cli_option run_options[] = {
	{"publish", 'p', "SPEC",
	 "link a port outside to one inside; SPEC is\n" CLI_PUBLISH_FORM ",\n"
	 "outside first; a service's name serves as a port",
	 take_publish},
	{"allow", 0, "RULE",
	 "only what a rule allows may be reached; RULE is\n" CLI_RULE_FORM ", and DEST an\n"
	 "address, a prefix, a name, *.name (all below it) or any;\n"
	 "PORTS is a list of ports, ranges and services",
	 take_allow},
	{"deny", 0, "RULE", "what a rule denies may not be reached, even if one allows it",
	 take_deny},
	{"log", 0, "FILE",
	 "append a line for all that was not let through and all that changes; FILE may be - for "
	 "standard error and journal for systemd's. People read it on a terminal, elsewhere it is "
	 "JSON",
	 take_log},
	{"log-level", 0, "error|warning|info|debug", "what is worth a line [info]", take_log_level},
	{"capture", 0, "FILE", "write all packets to it, as pcapng, which Wireshark reads",
	 take_capture},
	{"capture-size", 0, "BYTES", "end when the file has so many, as in 100M",
	 take_capture_size},
	{"capture-for", 0, "TIME", "end after this time, as in 60s or 5m", take_capture_time},
	{"capture-snap", 0, "BYTES", "keep so many of each packet [all]", take_capture_snap},
	{"capture-filter", 0, "RULE",
	 "only packets to or from where RULE says, as in\nexample.org:443; may be repeated",
	 take_capture_filter},
	{"metrics", 0, "[ADDR:]PORT",
	 "serve metrics at http://ADDR:PORT/metrics on this host\n[127.0.0.1], for Prometheus",
	 take_metrics},
	{"on-demand", 0, NULL,
	 "start the command when somebody connects to a published\nTCP port, and wait for the next when it has ended",
	 take_on_demand},
	{"idle", 0, "TIME",
	 "with --on-demand: end the command after so long without a\nconnection, as 500ms, 60s, 10m or 2h",
	 take_idle},
	{"listen-fds", 0, "SPEC",
	 "give the command a listening socket from descriptor 3 up, as\nsystemd does; SPEC is " CLI_LISTEN_FORM,
	 take_listen_fds},
	{"limit", 0, "NAME=N", cli_limit_help, take_limit},
	{"name", 0, "NAME", "what the sandbox is called [after the command]", take_name},
	{"mtu", 0, "BYTES", "the largest packet, 1280 to 65535 [1500]", take_mtu},
	{"threads", 0, "N",
	 "serve TCP with so many threads, each with a queue of the device\nand a stack of its own, 1 to 16 [1]",
	 take_threads},
	{"address", 0, "ADDR[/PREFIX]",
	 "the sandbox's address [10.0.2.100/24, fd00:c070::100/64];\n"
	 "may be given for each family",
	 take_address},
	{"gateway", 0, "ADDR", "the gateway's address [10.0.2.2, fd00:c070::2]", take_gateway},
	{"dns", 0, "ADDR",
	 "ask this DNS server instead of those in the host's\n"
	 "/etc/resolv.conf; may be repeated",
	 take_dns},
	{"user", 0, NULL,
	 "the command keeps your identity instead of being root\n"
	 "inside; then ports below 1024 are reserved",
	 take_user},
	{"host-loopback", 0, NULL, "the gateway's address leads to this host's loopback",
	 take_host_loopback},
	{"watch", 0, NULL,
	 "show every flow on standard error while the command runs: a\n"
	 "table on a terminal, else a line now and then",
	 take_watch},
	{"ipv4-only", 0, NULL, "no IPv6 inside", take_ipv4_only},
	{"ipv6-only", 0, NULL, "no IPv4 inside", take_ipv6_only},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "run",
	.examples = "  cothon run curl http://example.org/\n"
		    "  cothon run -p 8080:80 python3 -m http.server 80\n"
		    "  cothon run -p 127.0.0.1:2121:ftp -p 5353:domain/udp ./servers\n"
		    "  cothon run -p 8000-8009:80-89 --name ten ./ten-servers\n"
		    "  cothon run --allow '*.debian.org:http,https' apt-get update\n"
		    "  cothon run --deny 10.0.0.0/8 --deny 192.168.0.0/16 make test\n"
		    "  cothon run --user bash",
	.usage = "cothon run [OPTIONS] [--] COMMAND [ARG...]",
	.summary = "Runs a command with its own addresses and its own 65,536 ports. The exit\n"
		   "status is the command's (128 + n when signal n ended it); 125 when Cothon\n"
		   "itself failed, 126 when the command cannot be run, 127 when it is not found.",
	.options = run_options,
};

/* Bounds of a capture that there is not. */
static int check_capture(const struct cli_run_options *options, struct cli_error *error)
{
	const struct control_capture_limits *limits = &options->capture.limits;

	if (!options->capture.file &&
	    (limits->size || limits->seconds || limits->snap || limits->filter_count))
		return cli_error(error, "only a capture can have bounds; add --capture FILE");
	return 0;
}

/* An address outside of a family that is switched off inside cannot reach it. */
int cli_run_options_check(const struct cli_run_options *options, struct cli_error *error)
{
	for (unsigned i = 0; i < options->publication_count; i++) {
		const struct relay_publication *publication = &options->publications[i];
		char addr[COTHON_ADDR_TEXT];
		bool ipv4 = cothon_addr_is_ipv4(&publication->addr);

		if (!publication->has_addr ||
		    (ipv4 ? options->network.ipv4.enabled : options->network.ipv6.enabled))
			continue;
		return cli_error(error,
				 "-p with %s and --ipv%c-only contradict each other; leave one out",
				 cothon_addr_format(&publication->addr, addr), ipv4 ? '6' : '4');
	}
	return check_capture(options, error);
}

void cli_run_options_begin(struct cli_run_options *options)
{
	*options = (struct cli_run_options){.log_level = CONTROL_LOG_INFO, .threads = 1};
}

/* Whether what is said of a start on demand fits together. */
static int check_on_demand(const struct cli_run_options *options, struct cli_error *error)
{
	if (options->idle && !options->on_demand)
		return cli_error(error,
				 "--idle is for --on-demand; give both, or leave --idle out");
	for (unsigned i = 0; options->on_demand && i < options->publication_count; i++) {
		if (options->publications[i].transport == COTHON_TCP)
			return 0;
	}
	if (options->on_demand)
		return cli_error(error,
				 "nobody can connect to it: --on-demand needs a TCP port, as in "
				 "-p 8080:80");
	return 0;
}

int cli_run_options_read(int argc, char **argv, struct cli_run_options *options,
			 struct cli_error *error)
{
	int operand, reason;

	cli_run_options_begin(options);
	operand = cli_options_read(&syntax, argc, argv, options, error);
	if (operand <= 0)
		return operand;
	if (operand == argc)
		return cli_error(
			error, "which command? write `cothon run [OPTIONS] [--] COMMAND [ARG...]`");
	options->command = argv + operand;
	reason = cli_network_make(&options->wanted, &options->network, error);
	if (reason == 0)
		reason = cli_run_options_check(options, error);
	if (reason == 0)
		reason = check_on_demand(options, error);
	if (reason == 0 && options->watch && options->threads > 1)
		reason = cli_error(error, "--watch sees one thread only; leave --threads out, or "
					  "look with `cothon top`");
	return reason < 0 ? reason : 1;
}

const struct cli_option *cli_run_option(const char *name)
{
	for (const struct cli_option *option = run_options; option->name; option++) {
		if (strcmp(option->name, name) == 0)
			return option;
	}
	return NULL;
}

void cli_run_options_release(struct cli_run_options *options)
{
	free(options->rules);
	cli_capture_options_release(&options->capture);
	options->rules = NULL;
	options->rule_count = 0;
}

void cli_run_options_help(void)
{
	cli_options_help(&syntax);
}
