/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

/* Why there is no namespace or device to test with; NULL when there is. */
static const char *missing;
static char missing_text[200];

int device_open(short flags, char name[static IFNAMSIZ])
{
	struct ifreq request = {.ifr_flags = flags};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "cothon%%d");
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	memcpy(name, request.ifr_name, IFNAMSIZ);
	return fd;
}

int device_find_out(void **state)
{
	char name[IFNAMSIZ];
	const char *what = "no network namespace can be made";
	int fd = -1;

	(void)state;
	if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
		what = "no TUN device can be opened";
		fd = device_open(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, name);
		errno = fd < 0 ? -fd : 0;
	}
	if (fd < 0) {
		snprintf(missing_text, sizeof(missing_text), "%s: %s", what, strerror(errno));
		missing = missing_text;
		return 0;
	}
	close(fd);
	return 0;
}

/* Says why, where a machine does not permit what these tests are about. */
void device_need(void)
{
	if (!missing)
		return;
	printf("# skipped, %s\n", missing);
	fflush(stdout);
	skip();
}

static struct cothon_addr addr_of(const char *text)
{
	struct cothon_addr addr;

	assert_int_equal(cothon_addr_parse(text, &addr), 0);
	return addr;
}

/*
 * Waits for the kernel to make the route by which it takes packets to `addr`: it does so in its own
 * time.
 */
static void await_route(int fd, const struct cothon_addr *addr)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[8192];

	for (;;) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
		struct nlmsghdr *header = (struct nlmsghdr *)(void *)bytes;

		assert_true(got > 0);
		for (size_t left = (size_t)got; NLMSG_OK(header, left);
		     header = NLMSG_NEXT(header, left)) {
			struct rtmsg *route = NLMSG_DATA(header);
			struct rtattr *dst = RTM_RTA(route);

			if (header->nlmsg_type == NLMSG_ERROR)
				fail_msg("the kernel gives the device no IPv6 address");
			if (header->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_LOCAL)
				continue;
			for (size_t len = RTM_PAYLOAD(header); RTA_OK(dst, len);
			     dst = RTA_NEXT(dst, len)) {
				if (dst->rta_type == RTA_DST &&
				    memcmp(RTA_DATA(dst), addr->b, 16) == 0)
					return;
			}
		}
	}
}

/* Gives a device an IPv6 address, and returns when it serves. */
static void add_ipv6(int index, const struct cothon_addr *addr)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg message;
		struct rtattr local_head;
		uint8_t local[16];
		struct rtattr flags_head;
		uint32_t flags;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_NEWADDR,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE},
		.message = {.ifa_family = AF_INET6,
			    .ifa_prefixlen = 64,
			    .ifa_index = (unsigned)index},
		.local_head = {.rta_len = RTA_LENGTH(16), .rta_type = IFA_LOCAL},
		.flags_head = {.rta_len = RTA_LENGTH(4), .rta_type = IFA_FLAGS},
		.flags = IFA_F_NODAD,
	};
	struct sockaddr_nl routes = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_ROUTE};
	struct timeval wait = {.tv_sec = DEVICE_WAIT / 1000};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&routes, sizeof(routes)), 0);
	memcpy(request.local, addr->b, 16);
	assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
	await_route(fd, addr);
	close(fd);
}

void device_set_up(const char *name, bool up)
{
	struct ifreq request = {.ifr_flags = up ? IFF_UP | IFF_RUNNING : 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void configure(const char *name, const struct cothon_addr kernel[static 2])
{
	struct ifreq request = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&request.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, kernel[0].b + 12, 4);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
	assert_int_equal(ioctl(fd, SIOCSIFNETMASK, &request), 0);
	request.ifr_mtu = DEVICE_MTU;
	assert_int_equal(ioctl(fd, SIOCSIFMTU, &request), 0);
	device_set_up(name, true);
	assert_int_equal(ioctl(fd, SIOCGIFINDEX, &request), 0);
	add_ipv6(request.ifr_ifindex, &kernel[1]);
	close(fd);
}

void device_begin(struct device *device)
{
	struct cothon_pool_config config = {.memory = cothon_memory_malloc, .limit = SIZE_MAX};

	device_need();
	memset(device, 0, sizeof(*device));
	device->fd = device_open(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, device->name);
	assert_true(device->fd >= 0);
	device->kernel[0] = addr_of("10.99.0.1");
	device->ours[0] = addr_of("10.99.0.2");
	device->kernel[1] = addr_of("fd00:99::1");
	device->ours[1] = addr_of("fd00:99::2");
	device->pool = cothon_pool_create(&config);
	assert_non_null(device->pool);
	assert_int_equal(cothon_tun_open(device->fd, DEVICE_MTU, &device->link), 0);
	configure(device->name, device->kernel);
}

void device_end(struct device *device)
{
	int fd = device->fd;

	cothon_link_close(device->link);
	/* The link has closed the device. */
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(cothon_pool_used(device->pool), 0);
	cothon_pool_destroy(device->pool);
}

/* The address and port in the kernel's terms; returns the length. */
socklen_t device_sockaddr(const struct cothon_addr *addr, uint16_t port,
			  struct sockaddr_storage *storage)
{
	struct sockaddr_in *in = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

	memset(storage, 0, sizeof(*storage));
	if (cothon_addr_is_ipv4(addr)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr->b + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr->b, 16);
	return sizeof(*in6);
}

/* A socket of the kernel's side, bound to its address and DEVICE_PORT. */
int device_socket(const struct device *device, unsigned family, int type)
{
	struct sockaddr_storage storage;
	socklen_t len = device_sockaddr(&device->kernel[family], DEVICE_PORT, &storage);
	struct timeval wait = {.tv_sec = DEVICE_WAIT / 1000};
	int yes = 1;
	int fd = socket(storage.ss_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&storage, len), 0);
	return fd;
}
