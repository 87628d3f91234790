/* SPDX-License-Identifier: MIT */
#include "sandbox/resolv.h"

#include "../host/fresh.h"
#include "host/namespace.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define BOTH "nameserver 10.0.2.3\nnameserver fd00:c070::3\n"

static void assert_made(const struct relay_network *network, const char *host, const char *expected)
{
	/* Room for exactly this much. */
	size_t len = strlen(expected);
	char *text = malloc(len + 1);

	assert_non_null(text);
	assert_int_equal(sandbox_resolv_make(network, host, text, len + 1), (int)len);
	assert_string_equal(text, expected);
	assert_int_equal(sandbox_resolv_make(network, host, text, len), -EFBIG);
	free(text);
}

static void test_content(void **state)
{
	const struct relay_network network = relay_network_default();

	(void)state;
	assert_made(&network, "", BOTH);
	assert_made(&network, "nameserver 192.0.2.1\nnameserver ::1\n", BOTH);
	assert_made(&network, "search a.example b.example\nnameserver 192.0.2.1\n",
		    BOTH "search a.example b.example\n");
	/* A last line without its end. */
	assert_made(&network, "options\tedns0 ndots:3", BOTH "options\tedns0 ndots:3\n");
	assert_made(&network,
		    "domain example.org\n\n\n# search no\n; options no\nsortlist 1.2.3.4\n",
		    BOTH "domain example.org\n");
	/* A keyword begins the line, and ends with white space (resolv.conf(5)). */
	assert_made(&network, " search no\nsearch\nsearchlight x\noptions:x\nsearch yes\n",
		    BOTH "search yes\n");
}

static void test_families(void **state)
{
	struct relay_network network = relay_network_default();

	(void)state;
	network.ipv6.enabled = false;
	assert_made(&network, "search x\n", "nameserver 10.0.2.3\nsearch x\n");
	network.ipv6.enabled = true;
	network.ipv4.enabled = false;
	assert_made(&network, "search x\n", "nameserver fd00:c070::3\nsearch x\n");
}

/* Names are searched for among neighbours first, then where the host would. */
static void test_shared(void **state)
{
	struct relay_network network = relay_network_default();

	(void)state;
	network.shared = true;
	assert_made(&network, "", BOTH "search internal\n");
	assert_made(&network, "search x y\noptions ndots:2\ndomain z\n",
		    BOTH "search internal\nsearch internal x y\noptions ndots:2\n"
			 "search internal z\n");
}

static const char path[] = "/mnt/resolv.conf";

static int mount_over(const char *text, size_t len, const char *expected)
{
	static char seen[SANDBOX_RESOLV_MAX];
	struct relay_network network = relay_network_default();
	struct sandbox_resolv resolv;
	int fd;

	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(write(fd, text, len) == (ssize_t)len);
	close(fd);
	CHECK(sandbox_resolv_mount(&resolv, &network, path) == 0);
	CHECK(host_read_file(path, seen, sizeof(seen)) > 0 && strcmp(seen, expected) == 0);
	return 0;
}

/* One line without an end. */
static void fill(char *text, size_t len)
{
	static const char word[] = {'s', 'e', 'a', 'r', 'c', 'h', ' '};

	memset(text, 'x', len);
	memcpy(text, word, sizeof(word));
}

static int mount_usual(void)
{
	static const char text[] = "nameserver 192.0.2.1\nsearch example.org\n";

	return mount_over(text, strlen(text), BOTH "search example.org\n");
}

/* A file that nobody writes: the gateway's servers are there all the same. */
static int mount_huge(void)
{
	static char text[SANDBOX_RESOLV_MAX];

	fill(text, sizeof(text));
	return mount_over(text, sizeof(text), BOTH);
}

static int mount_full(void)
{
	static char text[SANDBOX_RESOLV_MAX - 1];

	/* It can be read, but with the servers in front there is no room for it. */
	fill(text, sizeof(text));
	return mount_over(text, sizeof(text), BOTH);
}

static bool reads(const char *expected)
{
	static char seen[SANDBOX_RESOLV_MAX];

	return host_read_file(path, seen, sizeof(seen)) >= 0 && strcmp(seen, expected) == 0;
}

static int write_host(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return close(fd);
}

/* What the kernel does to the mount when somebody outside replaces the file below it. */
static int mount_taken_away(void)
{
	struct relay_network network = relay_network_default();
	struct sandbox_resolv resolv;
	struct pollfd changes = {.events = POLLPRI};

	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	CHECK(write_host("search one\n") == 0);
	CHECK(sandbox_resolv_mount(&resolv, &network, path) == 0 && reads(BOTH "search one\n"));
	changes.fd = resolv.mounts;
	CHECK(poll(&changes, 1, 0) == 0);
	CHECK(umount2(path, MNT_DETACH) == 0 && reads("search one\n"));
	CHECK(poll(&changes, 1, 0) == 1 && (changes.revents & POLLPRI));

	CHECK(unlink(path) == 0);
	CHECK(sandbox_resolv_keep(&resolv, &network) == -ENOENT);
	CHECK(write_host("search two\n") == 0);
	CHECK(sandbox_resolv_keep(&resolv, &network) == 0 && reads(BOTH "search two\n"));

	/* What the command itself puts over it stays. */
	CHECK(mount("/dev/null", path, NULL, MS_BIND, NULL) == 0);
	CHECK(sandbox_resolv_keep(&resolv, &network) == 0 && reads(""));
	return 0;
}

static int mount_absent(void)
{
	struct relay_network network = relay_network_default();
	struct sandbox_resolv resolv;

	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	CHECK(sandbox_resolv_mount(&resolv, &network, path) == -ENOENT);
	return 0;
}

static void test_mount(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNS, mount_usual);
	ASSERT_FRESH(CLONE_NEWNS, mount_taken_away);
	ASSERT_FRESH(CLONE_NEWNS, mount_huge);
	ASSERT_FRESH(CLONE_NEWNS, mount_full);
	ASSERT_FRESH(CLONE_NEWNS, mount_absent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_mount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
