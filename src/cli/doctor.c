/* SPDX-License-Identifier: MIT */
#include "cli/explain.h"
#include "cli/options.h"
#include "cli/probe.h"
#include "cli/running.h"
#include "control/directory.h"
#include "host/namespace.h"
#include "sandbox/network.h"
#include <cothon/link.h>

#include <errno.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/*
 * What a check has found. The worst of all decides about `cothon run`: it works unless something
 * is missing.
 */
enum state {
	OK,
	LIMITED,
	MISSING
};

struct finding {
	enum state state;
	char text[320];
};

struct check {
	const char *name;
	void (*look)(const struct cli_probe *probe, struct finding *finding);
};

__attribute__((format(printf, 3, 4))) static void find(struct finding *finding, enum state state,
						       const char *format, ...)
{
	va_list arguments;

	finding->state = state;
	va_start(arguments, format);
	vsnprintf(finding->text, sizeof(finding->text), format, arguments);
	va_end(arguments);
}

/* The finding of a step of the probe: `text` when it worked. */
static void find_step(struct finding *finding, enum state otherwise, enum sandbox_step step,
		      int error, const char *text)
{
	const struct sandbox_failure failure = {step, error};

	if (error == 0)
		find(finding, OK, "%s", text);
	else if (error == CLI_PROBE_UNTRIED)
		find(finding, otherwise, "could not be tried for what is missing above");
	else
		find(finding, otherwise, "%s", cli_explain_reason(&failure));
}

static void look_at_kernel(const struct cli_probe *probe, struct finding *finding)
{
	struct utsname name;

	(void)probe;
	uname(&name);
	find(finding, OK, "%s %s", name.sysname, name.release);
}

static void look_at_user_namespaces(const struct cli_probe *probe, struct finding *finding)
{
	char text[32] = "";
	ssize_t len = host_read_file("/proc/sys/user/max_user_namespaces", text, sizeof(text));
	long count = strtol(text, NULL, 10);

	(void)probe;
	if (len < 0)
		find(finding, LIMITED, "this kernel does not say how many there may be");
	else if (count == 0)
		find(finding, MISSING,
		     "none may be made; allow some: sysctl user.max_user_namespaces=15000");
	else
		find(finding, OK, "%ld may be made", count);
}

static void look_at_apparmor(const struct cli_probe *probe, struct finding *finding)
{
	char text[32];

	if (host_read_file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", text,
			   sizeof(text)) < 0 ||
	    text[0] != '1')
		find(finding, OK, "does not restrict user namespaces");
	else if (probe->tun_make == 0)
		find(finding, OK, "restricts user namespaces, but not cothon's");
	else
		find(finding, LIMITED,
		     "restricts user namespaces; where it keeps cothon from one, the lines below "
		     "say so");
}

static void look_at_namespaces(const struct cli_probe *probe, struct finding *finding)
{
	find_step(finding, MISSING, SANDBOX_STEP_NAMESPACES, probe->namespaces,
		  "user, network, mount and PID namespaces can be made");
}

static void look_at_idmap(const struct cli_probe *probe, struct finding *finding)
{
	find_step(finding, MISSING, SANDBOX_STEP_IDMAP, probe->idmap,
		  geteuid() == 0 ? "all of this root's"
				 : "one of each: root inside is you outside");
}

static void look_at_tun(const struct cli_probe *probe, struct finding *finding)
{
	char text[64];
	struct stat stat_of;

	if (stat(SANDBOX_TUN, &stat_of) < 0) {
		find_step(finding, MISSING, SANDBOX_STEP_TUN_OPEN, -errno, "");
		return;
	}
	snprintf(text, sizeof(text), "opens (mode %04o)", stat_of.st_mode & 07777);
	find_step(finding, MISSING, SANDBOX_STEP_TUN_OPEN, probe->tun_open, text);
}

static void look_at_device(const struct cli_probe *probe, struct finding *finding)
{
	int error = probe->tun_make ? probe->tun_make : probe->link;

	find_step(finding, MISSING, SANDBOX_STEP_TUN_MAKE, error, "TUN, with virtio-net headers");
}

static void look_at_offloads(const struct cli_probe *probe, struct finding *finding)
{
	if (probe->link != 0)
		find_step(finding, LIMITED, SANDBOX_STEP_TUN_MAKE, CLI_PROBE_UNTRIED, "");
	else if (!(probe->features & COTHON_LINK_CSUM) || !(probe->features & COTHON_LINK_TSO))
		find(finding, LIMITED,
		     "the kernel grants no TCP segmentation; everything works, but slowly");
	else if (!(probe->features & COTHON_LINK_USO))
		find(finding, LIMITED,
		     "checksums and TCP segmentation; UDP segmentation needs Linux 6.2");
	else
		find(finding, OK, "checksums, TCP and UDP segmentation");
}

static void look_at_network(const struct cli_probe *probe, struct finding *finding)
{
	find_step(finding, MISSING, SANDBOX_STEP_NETWORK, probe->network,
		  "addresses and routes can be set");
}

static void look_at_ipv6_inside(const struct cli_probe *probe, struct finding *finding)
{
	if (probe->ipv6 < 0)
		find(finding, LIMITED,
		     "sandboxes have IPv4 only: this kernel has no IPv6, or it is switched off "
		     "(net.ipv6.conf.default.disable_ipv6)");
	else
		find_step(finding, LIMITED, SANDBOX_STEP_NETWORK, probe->ipv6, "sandboxes have it");
}

static void look_at_proc(const struct cli_probe *probe, struct finding *finding)
{
	if (probe->proc < 0)
		find(finding, LIMITED,
		     "a fresh one cannot be mounted, as in containers that hide parts of theirs; "
		     "processes inside are numbered as outside");
	else
		find_step(finding, LIMITED, SANDBOX_STEP_NETWORK, probe->proc,
			  "shows a sandbox its own processes");
}

static void look_at_tune(const struct cli_probe *probe, struct finding *finding)
{
	if (probe->tune < 0)
		find(finding, LIMITED,
		     "cannot be written; ephemeral ports inside are the kernel's own choice, and "
		     "ping inside needs root");
	else
		find_step(finding, LIMITED, SANDBOX_STEP_NETWORK, probe->tune,
			  "can be written inside");
}

/* The name servers of the host's file, one after the other. */
static void list_resolvers(char *list, size_t room)
{
	static char text[32768];
	const char *line = text;
	size_t used = 0;

	list[0] = '\0';
	if (host_read_file("/etc/resolv.conf", text, sizeof(text)) < 0)
		return;
	for (; line && *line && used < room; line = strchr(line, '\n'), line += line != NULL) {
		size_t skip = strspn(line, " \t"), len;

		if (strncmp(line + skip, "nameserver", 10) != 0)
			continue;
		skip += 10;
		skip += strspn(line + skip, " \t");
		len = strcspn(line + skip, " \t\n");
		used += (size_t)snprintf(list + used, room - used, "%s%.*s", used ? ", " : "",
					 (int)len, line + skip);
	}
}

static void look_at_resolv_conf(const struct cli_probe *probe, struct finding *finding)
{
	char list[160], text[256];

	list_resolvers(list, sizeof(list));
	snprintf(text, sizeof(text), "the gateway asks %s", list);
	find_step(finding, LIMITED, SANDBOX_STEP_RESOLV, probe->resolv, text);
	if (finding->state == OK && !list[0])
		find(finding, LIMITED,
		     "names no server; write one there (nameserver ADDR), or use --dns ADDR");
}

static void look_at_ping(const struct cli_probe *probe, struct finding *finding)
{
	int ping = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	(void)probe;
	if (ping >= 0)
		find(finding, OK, "ping sockets can be opened");
	else
		find(finding, LIMITED,
		     "ping from inside reaches only the gateway; allow ping sockets: sysctl "
		     "net.ipv4.ping_group_range=\"0 2147483647\"");
	if (ping >= 0)
		close(ping);
}

static void look_at_system_ports(const struct cli_probe *probe, struct finding *finding)
{
	const struct sockaddr_in lowest = {.sin_family = AF_INET,
					   .sin_port = htons(1),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char start[32] = "1024\n";

	(void)probe;
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&lowest, sizeof(lowest)) < 0 &&
	    errno == EACCES) {
		host_read_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", start,
			       sizeof(start));
		start[strcspn(start, "\n")] = '\0';
		find(finding, LIMITED,
		     "outside, you may publish ports from %s up; allow lower ones: sysctl "
		     "net.ipv4.ip_unprivileged_port_start=80",
		     start);
	} else {
		find(finding, OK, "you may publish any port");
	}
	if (fd >= 0)
		close(fd);
}

static void look_at_ipv6_outside(const struct cli_probe *probe, struct finding *finding)
{
	/* A global address that stands for any; a UDP socket sends nothing when it connects. */
	const struct sockaddr_in6 somewhere = {.sin6_family = AF_INET6,
					       .sin6_port = htons(53),
					       .sin6_addr.s6_addr = {0x20, 0x01, 0x0d, 0xb8}};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)probe;
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&somewhere, sizeof(somewhere)) == 0)
		find(finding, OK, "this host has a route");
	else
		find(finding, LIMITED,
		     "this host has no IPv6 route to the world; over IPv6 sandboxes reach what it "
		     "reaches");
	if (fd >= 0)
		close(fd);
}

static void look_at_isolation(const struct cli_probe *probe, struct finding *finding)
{
	if (probe->isolation < 0)
		find(finding, MISSING, "the process that parses packets cannot %s: %s",
		     host_isolation_text(probe->isolation_step),
		     cli_explain_error(probe->isolation));
	else
		find_step(finding, MISSING, SANDBOX_STEP_NAMESPACES, probe->isolation,
			  "the process that parses packets has no rights left");
}

static void look_at_landlock(const struct cli_probe *probe, struct finding *finding)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	(void)probe;
	if (version > 0)
		find(finding, OK, "version %ld: the same process cannot open a file", version);
	else
		find(finding, LIMITED,
		     "this kernel has none, or it is not switched on (lsm=landlock,... at boot); an "
		     "empty root directory and a filter of system calls remain");
}

static void look_at_control(const struct cli_probe *probe, struct finding *finding)
{
	struct control_directory directory;
	int error = control_directory_open(&directory, false);

	(void)probe;
	if (error == 0) {
		find(finding, OK, "in %s", directory.path);
		control_directory_close(&directory);
	} else if (error == -ENOENT) {
		find(finding, OK, "the first sandbox makes a directory for them");
	} else {
		find(finding, LIMITED,
		     "%s: %s; `cothon ps` sees no sandbox. Set XDG_RUNTIME_DIR to a directory of "
		     "yours",
		     directory.path,
		     error == -EPERM ? "it is not yours alone" : cli_explain_error(error));
	}
}

static void look_at_files(const struct cli_probe *probe, struct finding *finding)
{
	struct rlimit limit = {0};

	(void)probe;
	getrlimit(RLIMIT_NOFILE, &limit);
	find(finding, limit.rlim_max < 4096 ? LIMITED : OK,
	     "up to about %llu connections at once%s", (unsigned long long)limit.rlim_max,
	     limit.rlim_max < 4096 ? "; raise the hard limit to open files: ulimit -Hn" : "");
}

static const struct check checks[] = {
	{"kernel", look_at_kernel},
	{"user namespaces", look_at_user_namespaces},
	{"AppArmor", look_at_apparmor},
	{"namespaces", look_at_namespaces},
	{"users and groups", look_at_idmap},
	{SANDBOX_TUN, look_at_tun},
	{"device", look_at_device},
	{"offloads", look_at_offloads},
	{"network", look_at_network},
	{"IPv6 inside", look_at_ipv6_inside},
	{"IPv6 outside", look_at_ipv6_outside},
	{"/proc", look_at_proc},
	{"/proc/sys", look_at_tune},
	{"/etc/resolv.conf", look_at_resolv_conf},
	{"ping", look_at_ping},
	{"system ports", look_at_system_ports},
	{"isolation", look_at_isolation},
	{"Landlock", look_at_landlock},
	{"control sockets", look_at_control},
	{"open files", look_at_files},
};

enum {
	CHECKS = sizeof(checks) / sizeof(*checks)
};

static const char *const states[] = {"ok", "limited", "missing"};

static enum state look(const struct cli_probe *probe, struct finding findings[static CHECKS])
{
	enum state worst = OK;

	for (size_t i = 0; i < CHECKS; i++) {
		checks[i].look(probe, &findings[i]);
		if (findings[i].state > worst)
			worst = findings[i].state;
	}
	return worst;
}

static void print(const struct finding findings[static CHECKS], enum state worst)
{
	for (size_t i = 0; i < CHECKS; i++)
		printf("%-8s %-17s %s\n", states[findings[i].state], checks[i].name,
		       findings[i].text);
	if (worst == MISSING)
		printf("\n`cothon run` does not work here until what is missing is mended.\n");
	else
		printf("\n`cothon run` works here.\n");
}

static void print_json(const struct finding findings[static CHECKS], enum state worst)
{
	json_t *list = json_array(), *all;

	for (size_t i = 0; i < CHECKS; i++)
		json_array_append_new(list, json_pack("{ss, ss, ss}", "name", checks[i].name,
						      "state", states[findings[i].state], "finding",
						      findings[i].text));
	all = json_pack("{sb, so}", "works", worst != MISSING, "checks", list);
	cli_print_json(all);
	json_decref(all);
}

struct settings {
	bool json;
};

CLI_OPTION_FLAG(take_json, struct settings, json)

static const struct cli_option options[] = {
	{.name = "json", .help = "as JSON: whether it works, and each finding", .take = take_json},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "doctor",
	.examples = "  cothon doctor                          what does this machine allow?\n"
		    "  cothon doctor --json | jq .works       does `cothon run` work?",
	.usage = "cothon doctor [--json]",
	.summary = "Tries everything that `cothon run` does, and says of each whether it works\n"
		   "here, works in part (limited), or is missing, and how to mend that. The exit\n"
		   "status is 0 when `cothon run` works and 1 when it does not.",
	.options = options,
};

int cli_doctor(int argc, char **argv)
{
	struct settings settings = {0};
	struct finding findings[CHECKS];
	struct cli_error error;
	struct cli_probe probe;
	enum state worst;
	int operand = cli_options_read(&syntax, argc, argv, &settings, &error);

	if (operand == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (operand > 0 && operand < argc)
		operand = cli_error(&error, "it takes no argument; write `cothon doctor`");
	if (operand > 0)
		operand = cli_probe(&probe);
	else
		cli_message("doctor", "%s", error.text);
	if (operand < 0)
		return CLI_FAILED;
	worst = look(&probe, findings);
	if (settings.json)
		print_json(findings, worst);
	else
		print(findings, worst);
	return worst == MISSING ? 1 : CLI_OK;
}
