/* SPDX-License-Identifier: MIT */
#include "cli/explain.h"

#include "host/namespace.h"
#include "sandbox/network.h"
#include <cothon/service.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A refusal, the setting that it may come from, and what to do. */
struct reason {
	enum sandbox_step step;
	int error; /* positive */
	/* The reason holds when this file begins with `value`; NULL: in any case. */
	const char *setting, *value;
	const char *text;
};

#define APPARMOR "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

static const char apparmor[] =
	"AppArmor keeps ordinary users from having privileges in their own namespaces; let them: "
	"sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give cothon an AppArmor profile "
	"with \"userns,\"";
static const char container[] =
	"a container's seccomp profile, a security module or a chroot forbids it; in a container, "
	"start that with --security-opt seccomp=unconfined";
static const char module[] = "the driver is not loaded; load it: modprobe tun";
static const char files[] = "too many files are open; raise the limit: ulimit -n";
static const char no_ipv6[] = "this kernel has no IPv6; leave --ipv6-only out";

/* The first that holds is the one. */
static const struct reason reasons[] = {
	{SANDBOX_STEP_NAMESPACES, EPERM, "/proc/sys/kernel/unprivileged_userns_clone", "0",
	 "this kernel keeps user namespaces from ordinary users; let them: sysctl "
	 "kernel.unprivileged_userns_clone=1"},
	{SANDBOX_STEP_NAMESPACES, EPERM, APPARMOR, "1", apparmor},
	{SANDBOX_STEP_NAMESPACES, EPERM, NULL, NULL, container},
	{SANDBOX_STEP_NAMESPACES, ENOSYS, NULL, NULL, container},
	{SANDBOX_STEP_NAMESPACES, ENOSPC, "/proc/sys/user/max_user_namespaces", "0",
	 "user namespaces are switched off; allow some: sysctl user.max_user_namespaces=15000"},
	{SANDBOX_STEP_NAMESPACES, ENOSPC, "/proc/sys/user/max_net_namespaces", "0",
	 "network namespaces are switched off; allow some: sysctl user.max_net_namespaces=15000"},
	{SANDBOX_STEP_NAMESPACES, ENOSPC, "/proc/sys/user/max_mnt_namespaces", "0",
	 "mount namespaces are switched off; allow some: sysctl user.max_mnt_namespaces=15000"},
	{SANDBOX_STEP_NAMESPACES, ENOSPC, "/proc/sys/user/max_pid_namespaces", "0",
	 "PID namespaces are switched off; allow some: sysctl user.max_pid_namespaces=15000"},
	{SANDBOX_STEP_NAMESPACES, ENOSPC, NULL, NULL,
	 "too many namespaces are there already, or they are nested too deep; the limits are in "
	 "/proc/sys/user"},
	{SANDBOX_STEP_NAMESPACES, EUSERS, NULL, NULL, "user namespaces are nested too deep"},
	{SANDBOX_STEP_NAMESPACES, EINVAL, NULL, NULL,
	 "this kernel is built without user, network, mount or PID namespaces"},
	{SANDBOX_STEP_NAMESPACES, EAGAIN, NULL, NULL,
	 "too many processes are there already; the limits are in `ulimit -u` and in the cgroup's "
	 "pids.max"},
	{SANDBOX_STEP_IDMAP, EPERM, APPARMOR, "1", apparmor},
	{SANDBOX_STEP_IDMAP, EPERM, NULL, NULL,
	 "root here may not give its users away: it lacks CAP_SETFCAP; run cothon as an ordinary "
	 "user, or give this container that capability"},
	{SANDBOX_STEP_IDMAP, ENOENT, NULL, NULL, "/proc is not mounted here; mount it"},
	{SANDBOX_STEP_TUN_OPEN, ENOENT, NULL, NULL,
	 "it is not there; load the driver (modprobe tun), or in a container give it the device "
	 "(--device " SANDBOX_TUN ")"},
	{SANDBOX_STEP_TUN_OPEN, ENODEV, NULL, NULL, module},
	{SANDBOX_STEP_TUN_OPEN, ENXIO, NULL, NULL, module},
	{SANDBOX_STEP_TUN_OPEN, EMFILE, NULL, NULL, files},
	{SANDBOX_STEP_TUN_OPEN, EACCES, NULL, NULL,
	 "its mode keeps you out; let everyone open it, as is usual: chmod 0666 " SANDBOX_TUN},
	{SANDBOX_STEP_TUN_OPEN, EPERM, NULL, NULL,
	 "this container may not use the device; start it with --device " SANDBOX_TUN},
	{SANDBOX_STEP_TUN_MAKE, EPERM, APPARMOR, "1", apparmor},
	{SANDBOX_STEP_TUN_MAKE, EPERM, NULL, NULL,
	 "a security module takes its privileges in its own namespaces from cothon"},
	{SANDBOX_STEP_TUN_MAKE, EINVAL, NULL, NULL,
	 "this kernel's TUN devices know no virtio-net headers; use Linux 2.6.27 or later"},
	{SANDBOX_STEP_NETWORK, EPERM, APPARMOR, "1", apparmor},
	{SANDBOX_STEP_NETWORK, EAFNOSUPPORT, NULL, NULL, no_ipv6},
	{SANDBOX_STEP_NETWORK, EOPNOTSUPP, NULL, NULL, no_ipv6},
	{SANDBOX_STEP_NETWORK, EACCES, NULL, NULL,
	 "IPv6 is switched off; switch it on (sysctl net.ipv6.conf.default.disable_ipv6=0), or "
	 "leave --ipv6-only out"},
	{SANDBOX_STEP_RESOLV, ENOENT, NULL, NULL,
	 "this host has none; programs inside find no DNS server, so make one: touch "
	 "/etc/resolv.conf"},
	{SANDBOX_STEP_CHANNEL, EPIPE, NULL, NULL,
	 "its first process was killed, perhaps for want of memory"},
	{SANDBOX_STEP_CHANNEL, EMFILE, NULL, NULL, files},
};

static bool holds(const struct reason *reason, const struct sandbox_failure *failure)
{
	char text[32];

	if (reason->step != failure->step || reason->error != -failure->error)
		return false;
	if (!reason->setting)
		return true;
	return host_read_file(reason->setting, text, sizeof(text)) > 0 &&
	       strncmp(text, reason->value, strlen(reason->value)) == 0;
}

const char *cli_explain_reason(const struct sandbox_failure *failure)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (holds(&reasons[i], failure))
			return reasons[i].text;
	}
	return cli_explain_error(failure->error);
}

const char *cli_explain_error(int error)
{
	const char *text = strerrordesc_np(-error);

	if (error == -EMFILE)
		return files;
	return text ? text : "an unknown error";
}

const char *cli_explain_failure(const struct sandbox_failure *failure, struct cli_error *error)
{
	static const char *const steps[] = {
#define SANDBOX_STEP(name, text) text,
		SANDBOX_STEPS(SANDBOX_STEP)
#undef SANDBOX_STEP
	};

	cli_error(error, "cannot %s: %s", steps[failure->step], cli_explain_reason(failure));
	return error->text;
}

/* The address and port as a message names them; an address that was not asked for is not named. */
static void spell(const struct relay_publication *publication,
		  const struct relay_publish_error *reason, char *text, size_t room)
{
	char addr[COTHON_ADDR_TEXT];

	if (publication->has_addr)
		snprintf(text, room, "port %u/%s of %s", reason->port,
			 cothon_transport_name(publication->transport),
			 cothon_addr_format(&reason->addr, addr));
	else
		snprintf(text, room, "port %u/%s", reason->port,
			 cothon_transport_name(publication->transport));
}

const char *cli_explain_publish(const struct relay_publication *publication,
				const struct relay_publish_error *reason, struct cli_error *error)
{
	bool tcp = publication->transport == COTHON_TCP;
	unsigned inside = (unsigned)(publication->inside + (reason->port - publication->outside));
	char what[COTHON_ADDR_TEXT + 32];

	spell(publication, reason, what, sizeof(what));
	switch (reason->error) {
	case -EADDRINUSE:
		cli_error(
			error,
			"cannot publish %s: another program has it; publish another (-p %u:%u%s), "
			"or find the program with: ss -l%snp sport = :%u",
			what, reason->port < 64512 ? reason->port + 1024U : reason->port - 1024U,
			inside, tcp ? "" : "/udp", tcp ? "t" : "u", reason->port);
		break;
	case -EACCES:
	case -EPERM:
		cli_error(error,
			  "cannot publish %s: it is below those that ordinary users may open; "
			  "publish another (-p %u:%u%s), or allow it: sysctl "
			  "net.ipv4.ip_unprivileged_port_start=%u",
			  what, reason->port + 8000U, inside, tcp ? "" : "/udp", reason->port);
		break;
	case -EADDRNOTAVAIL:
		cli_error(error,
			  "cannot publish %s: this host does not have that address; `ip address` "
			  "lists those it has, and without an address all serve",
			  what);
		break;
	case -EMFILE:
		cli_error(error,
			  "cannot publish %s: too many files are open; publish fewer ports, or "
			  "raise the limit: ulimit -n",
			  what);
		break;
	default:
		cli_error(error, "cannot publish %s: %s", what, cli_explain_error(reason->error));
	}
	return error->text;
}

const char *cli_explain_command(const char *command, int reason, bool there,
				struct cli_error *error)
{
	bool path = strchr(command, '/') != NULL;

	switch (reason) {
	case -ENOENT:
		if (!path)
			cli_error(error,
				  "there is no command \"%s\" in the PATH; install it, or write "
				  "where it is",
				  command);
		else if (there)
			cli_error(error,
				  "cannot run %s: the interpreter it names, or its loader, is not "
				  "there; see its first line",
				  command);
		else
			cli_error(error, "there is no file %s", command);
		break;
	case -EACCES:
		cli_error(error,
			  "cannot run %s: it is not executable, or in a directory that may not be "
			  "entered; ls -ld shows which",
			  command);
		break;
	case -ENOEXEC:
		cli_error(error, "cannot run %s: it is no program for this machine", command);
		break;
	default:
		cli_error(error, "cannot run %s: %s", command, cli_explain_error(reason));
	}
	return error->text;
}
