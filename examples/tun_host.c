/* SPDX-License-Identifier: MIT */
#include "tun_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	MTU = 1500
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* Returns the descriptor, or a negative errno. */
static int open_device(const char *device)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, TUNSETIFF, &request) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static int create_host(struct tun_host *host, const struct cothon_addr *addr)
{
	struct cothon_host_config config = {.stack = {.link = host->link, .now = now()}};
	int error;

	/* Initial sequence numbers and ports must not be foreseeable: the seed has to be a secret. */
	if (getrandom(config.stack.seed, sizeof(config.stack.seed), 0) < 0)
		return -errno;
	error = cothon_host_create(&config, &host->host);
	return error ? error : cothon_stack_add_address(cothon_host_stack(host->host), addr);
}

int tun_host_create(struct tun_host *host, const char *device, const char *address)
{
	struct cothon_addr addr;
	int error = cothon_addr_parse(address, &addr);

	*host = (struct tun_host){.fd = -1};
	if (error)
		return error;
	host->fd = open_device(device);
	if (host->fd < 0)
		return host->fd;
	error = cothon_tun_open(host->fd, MTU, &host->link);
	if (error)
		close(host->fd);
	else
		error = create_host(host, &addr);
	if (error)
		tun_host_destroy(host);
	return error;
}

void tun_host_destroy(struct tun_host *host)
{
	if (host->host)
		cothon_host_destroy(host->host);
	if (host->link)
		cothon_link_close(host->link);
}

int tun_host_turn(struct tun_host *host)
{
	struct pollfd pollfd = {.fd = host->fd, .events = POLLIN};
	uint64_t began = now(), deadline = cothon_host_poll(host->host, began);
	struct timespec left = {0}, *timeout = NULL;

	if (deadline != COTHON_NEVER) {
		uint64_t wait = deadline > began ? deadline - began : 0;

		left.tv_sec = (time_t)(wait / 1000000);
		left.tv_nsec = (long)(wait % 1000000) * 1000;
		timeout = &left;
	}
	if (ppoll(&pollfd, 1, timeout, NULL) < 0)
		return -errno;
	cothon_host_poll(host->host, now());
	return 0;
}
