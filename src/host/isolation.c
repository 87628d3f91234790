/* SPDX-License-Identifier: MIT */
#include "host/isolation.h"

#include "host/namespace.h"
#include "host/syscall_filter.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *host_isolation_text(enum host_isolation_step step)
{
	switch (step) {
#define HOST_ISOLATION_STEP(name, text) \
	case HOST_ISOLATION_##name:     \
		return text;
		HOST_ISOLATION_STEPS(HOST_ISOLATION_STEP)
#undef HOST_ISOLATION_STEP
	}
	return "isolate itself";
}

/* The process keeps its user and group under their own numbers. */
static int map_own_ids(uid_t user, gid_t group)
{
	char map[64];
	int error;

	snprintf(map, sizeof(map), "%u %u 1", user, user);
	error = host_proc_write("/proc/self/uid_map", map);
	/* Without privileges outside, the kernel wants setgroups(2) to be given up for a map of groups. */
	if (error == 0)
		error = host_proc_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", group, group);
	return error < 0 ? error : host_proc_write("/proc/self/gid_map", map);
}

static int enter_namespaces(void)
{
	uid_t user = geteuid();
	gid_t group = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return -errno;
	return map_own_ids(user, group);
}

/* Seccomp forbids to make a process, and the limit says so too. */
static int lower_limits(void)
{
	const struct rlimit none = {0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	/* The kernel may know more of them than this program; the first that it does not is -EINVAL. */
	for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability) == 0;)
		capability++;
	if (errno != EINVAL)
		return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* What landlock_create_ruleset(2) takes; with each version of the interface comes more. */
struct landlock_attributes {
	uint64_t files, network, scopes;
};

enum {
	/* No signal to a process, and no connection to an abstract Unix socket, that is not its own. */
	SCOPES = 1 << 0 | 1 << 1
};

static size_t landlock_size(long version)
{
	return sizeof(uint64_t) * (version >= 6 ? 3 : version >= 4 ? 2 : 1);
}

/* All rights to files that the kernel can forbid. */
static uint64_t landlock_files(long version)
{
	unsigned bits = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;

	return (UINT64_C(1) << bits) - 1;
}

/* Forbids everything, by a set of rules that allow nothing. */
static int forbid_files(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const struct landlock_attributes attributes = {
		.files = landlock_files(version),
		.scopes = SCOPES,
	};
	int error = 0;
	long set;

	/* A kernel that has none, or in which it is off: the root directory is empty all the same. */
	if (version < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	set = syscall(SYS_landlock_create_ruleset, &attributes, landlock_size(version), 0);
	if (set < 0)
		return -errno;
	if (syscall(SYS_landlock_restrict_self, set, 0) < 0)
		error = -errno;
	close((int)set);
	return error;
}

static int filter_syscalls(void)
{
	struct sock_filter *code = (struct sock_filter *)(uintptr_t)host_syscall_filter;
	const struct sock_fprog program = {.len = host_syscall_filter_len, .filter = code};

	/* A thread that cannot take it over is the result. */
	long result =
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);

	if (result < 0)
		return -errno;
	return result > 0 ? -ESRCH : 0;
}

/* The leak sanitizer looks at its process from another one, which it makes at the end, and in /proc. */
static bool blinds_sanitizers(enum host_isolation_step step)
{
	return step == HOST_ISOLATION_ROOT || step == HOST_ISOLATION_LANDLOCK ||
	       step == HOST_ISOLATION_LIMITS || step == HOST_ISOLATION_SECCOMP;
}

int host_isolate(int (*start_threads)(void *context), void *context, enum host_isolation_step *step)
{
	static int (*const steps[])(void) = {
		[HOST_ISOLATION_NAMESPACES] = enter_namespaces,
		[HOST_ISOLATION_ROOT] = host_empty_root,
		[HOST_ISOLATION_CAPABILITIES] = drop_capabilities,
		[HOST_ISOLATION_LANDLOCK] = forbid_files,
		[HOST_ISOLATION_LIMITS] = lower_limits,
		[HOST_ISOLATION_SECCOMP] = filter_syscalls,
	};

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int error = 0;

		*step = (enum host_isolation_step)i;
		if (*step == HOST_ISOLATION_THREADS)
			error = start_threads ? start_threads(context) : 0;
		else if (!COTHON_SANITIZED || !blinds_sanitizers(*step))
			error = steps[i]();
		if (error < 0)
			return error;
	}
	return 0;
}
