/* SPDX-License-Identifier: MIT */
#include "host/netlink.h"

#include "fresh.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct cothon_addr addr_of(const char *text)
{
	struct cothon_addr addr = {0};

	cothon_addr_parse(text, &addr);
	return addr;
}

static bool has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

static const char device[] = "wire";

/* Makes a device to set up, which stays as long as the process. */
static int make_device(void)
{
	struct ifreq request = {.ifr_name = "wire", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	CHECK(tun >= 0 && ioctl(tun, TUNSETIFF, &request) == 0);
	return 0;
}

/* Whether getifaddrs(3) knows the address with a mask of `prefix` bits on the interface. */
static bool has_address(const char *name, int family, const char *text, unsigned prefix)
{
	struct ifaddrs *all, *entry;
	uint8_t wanted[16], mask[16] = {0};
	size_t len = family == AF_INET ? 4 : 16;
	bool found = false;

	inet_pton(family, text, wanted);
	for (unsigned bit = 0; bit < prefix; bit++)
		mask[bit / 8] = (uint8_t)(mask[bit / 8] | 0x80 >> bit % 8);
	if (getifaddrs(&all) < 0)
		return false;
	for (entry = all; entry; entry = entry->ifa_next) {
		const struct sockaddr_in *ipv4 = (const void *)entry->ifa_addr;
		const struct sockaddr_in6 *ipv6 = (const void *)entry->ifa_addr;
		const struct sockaddr_in *mask4 = (const void *)entry->ifa_netmask;
		const struct sockaddr_in6 *mask6 = (const void *)entry->ifa_netmask;

		if (!entry->ifa_addr || entry->ifa_addr->sa_family != family ||
		    strcmp(entry->ifa_name, name) != 0)
			continue;
		found = found ||
			(family == AF_INET ? memcmp(&ipv4->sin_addr, wanted, len) == 0 &&
						     memcmp(&mask4->sin_addr, mask, len) == 0
					   : memcmp(&ipv6->sin6_addr, wanted, len) == 0 &&
						     memcmp(&mask6->sin6_addr, mask, len) == 0);
	}
	freeifaddrs(all);
	return found;
}

/* Whether a file of /proc/net has a line with all of these words. */
static bool has_line(const char *path, const char *first, const char *second)
{
	char line[512];
	FILE *file = fopen(path, "re");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, first) && strstr(line, second);
	if (file)
		fclose(file);
	return found;
}

static int set_up(void)
{
	struct cothon_addr sandbox = addr_of("10.9.8.7"), gateway = addr_of("10.9.8.1");
	struct host_netlink *netlink;
	unsigned index;
	struct ifreq request = {0};

	CHECK(!make_device());
	CHECK(host_netlink_open(&netlink) == 0);
	CHECK(host_netlink_index(netlink, device, &index) == 0 && index == if_nametoindex(device));
	CHECK(host_netlink_up(netlink, index, 4321, 77) == 0);
	memcpy(request.ifr_name, device, sizeof(device));
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu == 4321);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP));
	CHECK(ioctl(fd, SIOCGIFTXQLEN, &request) == 0 && request.ifr_qlen == 77);
	/* 0 leaves MTU and queue as they are. */
	CHECK(host_netlink_up(netlink, index, 0, 0) == 0);
	CHECK(ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu == 4321);
	CHECK(ioctl(fd, SIOCGIFTXQLEN, &request) == 0 && request.ifr_qlen == 77);

	CHECK(host_netlink_address(netlink, index, &sandbox, 24) == 0);
	CHECK(has_address(device, AF_INET, "10.9.8.7", 24));
	CHECK(host_netlink_default_route(netlink, index, &gateway) == 0);
	/* Destination 0, gateway 10.9.8.1 in the host's byte order. */
	CHECK(has_line("/proc/net/route", device, "\t00000000\t0108090A\t"));
	host_netlink_close(netlink);
	return 0;
}

static int set_up_ipv6(void)
{
	struct cothon_addr sandbox = addr_of("fd00:1::7"), gateway = addr_of("fd00:1::1");
	struct host_netlink *netlink;
	unsigned index;

	CHECK(!make_device());
	CHECK(host_netlink_open(&netlink) == 0);
	CHECK(host_netlink_index(netlink, device, &index) == 0);
	CHECK(host_netlink_no_link_local(netlink, index) == 0);
	CHECK(host_netlink_up(netlink, index, 1500, 0) == 0);
	CHECK(host_netlink_address(netlink, index, &sandbox, 64) == 0);
	CHECK(has_address(device, AF_INET6, "fd00:1::7", 64));
	/*
	 * Index, prefix 0x40, scope, and flags: permanent (80) and no detection (02), not
	 * tentative (40).
	 */
	CHECK(has_line("/proc/net/if_inet6", "fd000001000000000000000000000007", " 40 00 82 "));
	CHECK(!has_line("/proc/net/if_inet6", "fe80", device));
	CHECK(host_netlink_default_route(netlink, index, &gateway) == 0);
	CHECK(has_line("/proc/net/ipv6_route", "00000000000000000000000000000000 00 ",
		       " fd000001000000000000000000000001 "));
	host_netlink_close(netlink);
	return 0;
}

static int refusals(void)
{
	struct cothon_addr sandbox = addr_of("10.9.8.7"), elsewhere = addr_of("10.1.1.1");
	struct host_netlink *netlink;
	unsigned index = 0;

	CHECK(host_netlink_open(&netlink) == 0);
	CHECK(host_netlink_index(netlink, "nowhere", &index) == -ENODEV);
	CHECK(host_netlink_index(netlink, "a-name-of-more-than-15", &index) == -ENODEV);
	CHECK(host_netlink_up(netlink, 4711, 0, 0) == -ENODEV);
	CHECK(host_netlink_address(netlink, 4711, &sandbox, 24) == -ENODEV);
	CHECK(host_netlink_index(netlink, "lo", &index) == 0);
	CHECK(host_netlink_up(netlink, index, 0, 0) == 0);
	CHECK(host_netlink_address(netlink, index, &sandbox, 33) == -EINVAL);
	CHECK(host_netlink_address(netlink, index, &sandbox, 24) == 0);
	CHECK(host_netlink_address(netlink, index, &sandbox, 24) == -EEXIST);
	/* A gateway that is on none of the interface's networks. */
	CHECK(host_netlink_default_route(netlink, index, &elsewhere) == -ENETUNREACH);
	host_netlink_close(netlink);
	return 0;
}

static int without_privilege(void)
{
	struct host_netlink *netlink;
	unsigned index;

	/* In another user namespace the network namespace is somebody else's. */
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(host_netlink_open(&netlink) == 0);
	CHECK(host_netlink_index(netlink, "lo", &index) == 0);
	CHECK(host_netlink_up(netlink, index, 0, 0) == -EPERM);
	host_netlink_close(netlink);
	return 0;
}

static void need_tun(void)
{
	if (access("/dev/net/tun", R_OK | W_OK) == 0)
		return;
	print_message("# /dev/net/tun cannot be opened\n");
	skip();
}

static void test_set_up(void **state)
{
	(void)state;
	need_tun();
	ASSERT_FRESH(CLONE_NEWNET, set_up);
}

static void test_set_up_ipv6(void **state)
{
	(void)state;
	need_tun();
	if (!has_ipv6()) {
		print_message("# this kernel has no IPv6\n");
		skip();
	}
	ASSERT_FRESH(CLONE_NEWNET, set_up_ipv6);
}

static void test_refusals(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNET, refusals);
}

static void test_without_privilege(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNET, without_privilege);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_up),
		cmocka_unit_test(test_set_up_ipv6),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_without_privilege),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
