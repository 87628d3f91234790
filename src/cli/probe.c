/* SPDX-License-Identifier: MIT */
#include "cli/probe.h"

#include "host/namespace.h"
#include "relay/relay.h"
#include "sandbox/idmap.h"
#include "sandbox/network.h"
#include "sandbox/resolv.h"
#include <cothon/link.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void try_device(struct cli_probe *probe)
{
	struct cothon_link *link;
	int tun = sandbox_network_open_tun();

	probe->tun_open = tun < 0 ? tun : 0;
	if (tun < 0)
		return;
	probe->tun_make = sandbox_network_make_device(tun, false);
	if (probe->tun_make == 0)
		probe->link = cothon_tun_open(tun, relay_network_default().mtu, &link);
	if (probe->link == 0) {
		struct relay_network network = relay_network_default();

		probe->features = link->features;
		probe->network = sandbox_network_configure(&network);
		probe->ipv6 = network.ipv6.enabled ? 0 : -EAFNOSUPPORT;
		cothon_link_close(link);
	} else {
		close(tun);
	}
}

/* In the sandbox; `mapped` is readable once users and groups are there. */
static _Noreturn void try_inside(struct cli_probe *probe, const struct sandbox_idmaps *maps,
				 int mapped)
{
	struct relay_network network = relay_network_default();
	struct sandbox_resolv resolv;
	char byte;

	try_device(probe);
	probe->proc = host_mount_proc();
	if (read(mapped, &byte, 1) == 1) {
		probe->tune = sandbox_network_tune(maps->group_first, maps->group_last);
		probe->resolv = sandbox_resolv_mount(&resolv, &network, "/etc/resolv.conf");
	}
	_exit(0);
}

/* In a process that can do nothing else afterwards. */
static void try_isolation(struct cli_probe *probe)
{
	pid_t pid = fork();

	if (pid == 0) {
		probe->isolation = host_isolate(NULL, NULL, &probe->isolation_step);
		_exit(0);
	}
	if (pid < 0)
		probe->isolation = -errno;
	else
		waitpid(pid, NULL, 0);
}

static void try_sandbox(struct cli_probe *probe, const struct sandbox_idmaps *maps,
			const int mapped[2])
{
	int pidfd;
	pid_t pid = host_namespace_fork(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID,
					&pidfd);

	if (pid == 0) {
		close(mapped[1]);
		try_inside(probe, maps, mapped[0]);
	}
	probe->namespaces = pid < 0 ? pid : 0;
	if (pid < 0) {
		/* Whether the device opens can be seen from here, too. */
		int tun = sandbox_network_open_tun();

		probe->tun_open = tun < 0 ? tun : 0;
		if (tun >= 0)
			close(tun);
		return;
	}
	probe->idmap = sandbox_idmaps_write(maps, pidfd);
	/* Where this fails the child finds the pipe's end instead. */
	if (probe->idmap == 0 && write(mapped[1], "", 1) < 0)
		probe->idmap = -errno;
	close(mapped[1]);
	waitpid(pid, NULL, 0);
	close(pidfd);
}

static const struct cli_probe untried = {
	.namespaces = CLI_PROBE_UNTRIED,
	.idmap = CLI_PROBE_UNTRIED,
	.tun_open = CLI_PROBE_UNTRIED,
	.tun_make = CLI_PROBE_UNTRIED,
	.link = CLI_PROBE_UNTRIED,
	.network = CLI_PROBE_UNTRIED,
	.ipv6 = CLI_PROBE_UNTRIED,
	.proc = CLI_PROBE_UNTRIED,
	.tune = CLI_PROBE_UNTRIED,
	.resolv = CLI_PROBE_UNTRIED,
	.isolation = CLI_PROBE_UNTRIED,
};

int cli_probe(struct cli_probe *probe)
{
	struct sandbox_idmaps maps;
	struct cli_probe *shared;
	int mapped[2];

	*probe = untried;
	probe->idmap = sandbox_idmaps_choose(false, &maps);
	if (probe->idmap < 0)
		return 0;
	if (pipe2(mapped, O_CLOEXEC) < 0)
		return -errno;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		close(mapped[0]);
		close(mapped[1]);
		return -ENOMEM;
	}
	*shared = untried;
	try_sandbox(shared, &maps, mapped);
	if (shared->namespaces == 0)
		try_isolation(shared);
	*probe = *shared;
	munmap(shared, sizeof(*shared));
	close(mapped[0]);
	if (probe->namespaces < 0)
		close(mapped[1]);
	return 0;
}
