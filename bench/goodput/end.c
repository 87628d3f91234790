/* SPDX-License-Identifier: MIT */
#include "end.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	PORT = 5001,
	/* Frames that wait in a TUN device or on the wire: more than any window here. */
	QUEUE = 10000,
	PIECE = 65536,
};

static const char congestion[] = "cubic";

_Noreturn void fail(const char *what, int error)
{
	if (error)
		fprintf(stderr, "goodput: %s: %s\n", what, strerror(-error));
	else
		fprintf(stderr, "goodput: %s\n", what);
	exit(EXIT_FAILURE);
}

static int checked(int result, const char *what)
{
	if (result < 0)
		fail(what, -errno);
	return result;
}

/* Linux */

static struct sockaddr_in ipv4(const char *address, uint16_t port)
{
	struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, address, &result.sin_addr) != 1)
		fail(address, -EINVAL);
	return result;
}

static void configure(struct ifreq *request, const char *address)
{
	int fd = checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	struct sockaddr_in addr = ipv4(address, 0), mask = ipv4("255.255.255.0", 0);

	memcpy(&request->ifr_addr, &addr, sizeof(addr));
	checked(ioctl(fd, SIOCSIFADDR, request), "SIOCSIFADDR");
	memcpy(&request->ifr_netmask, &mask, sizeof(mask));
	checked(ioctl(fd, SIOCSIFNETMASK, request), "SIOCSIFNETMASK");
	request->ifr_mtu = END_MTU;
	checked(ioctl(fd, SIOCSIFMTU, request), "SIOCSIFMTU");
	request->ifr_qlen = QUEUE;
	checked(ioctl(fd, SIOCSIFTXQLEN, request), "SIOCSIFTXQLEN");
	request->ifr_flags = IFF_UP | IFF_RUNNING;
	checked(ioctl(fd, SIOCSIFFLAGS, request), "SIOCSIFFLAGS");
	close(fd);
}

void end_open_linux(struct end *end, const char *address)
{
	struct ifreq request = {.ifr_name = "path",
				.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int error;

	*end = (struct end){.listener = -1, .fd = -1};
	if (unshare(CLONE_NEWNET) < 0)
		checked(unshare(CLONE_NEWUSER | CLONE_NEWNET), "a network namespace");
	end->tun = checked(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
	checked(ioctl(end->tun, TUNSETIFF, &request), "TUNSETIFF");
	error = cothon_tun_open(end->tun, END_MTU, &end->link);
	if (error)
		fail("a TUN device", error);
	/* Packets are lost one by one, so the kernel has to cut them and to complete their checksums itself. */
	checked(ioctl(end->tun, TUNSETOFFLOAD, 0UL), "TUNSETOFFLOAD");
	configure(&request, address);
	end->fd = checked(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
	checked(setsockopt(end->fd, IPPROTO_TCP, TCP_CONGESTION, congestion,
			   sizeof(congestion) - 1),
		"TCP_CONGESTION");
}

static uint64_t read_linux(struct end *end)
{
	uint64_t count = 0;
	ssize_t got;

	/* MSG_TRUNC: nobody looks at the bytes (tcp(7)). */
	while ((got = recv(end->fd, NULL, 16 * PIECE, MSG_TRUNC)) > 0)
		count += (uint64_t)got;
	if (got == 0 || (errno != EAGAIN && errno != ENOTCONN))
		fail("the connection", got == 0 ? -EPIPE : -errno);
	return count;
}

/* The library */

void end_open_library(struct end *end, const char *address, struct cothon_pool *pool, uint64_t seed,
		      uint64_t now)
{
	struct cothon_host_config config = {.stack = {.now = now, .congestion = congestion}};
	struct cothon_link *ends[2];
	struct cothon_addr addr;
	int error = cothon_wire_open(&cothon_memory_malloc, pool, END_MTU, 0, QUEUE, ends);

	if (error)
		fail("a wire", error);
	*end = (struct end){.tun = -1, .listener = -1, .fd = -1, .link = ends[0], .inner = ends[1]};
	config.stack.link = end->inner;
	memcpy(config.stack.seed, &seed, sizeof(seed));
	error = cothon_host_create(&config, &end->host);
	if (!error)
		error = cothon_addr_parse(address, &addr);
	if (!error)
		error = cothon_stack_add_address(cothon_host_stack(end->host), &addr);
	if (!error)
		error = cothon_socket_open(end->host, COTHON_TCP, &end->socket);
	if (error)
		fail("a host", error);
}

static uint64_t read_library(struct end *end)
{
	static uint8_t bytes[PIECE];
	uint64_t count = 0;
	ptrdiff_t got;

	while ((got = cothon_socket_recv(end->socket, bytes, sizeof(bytes), NULL)) > 0)
		count += (uint64_t)got;
	if (got != -EAGAIN)
		fail("the connection", got == 0 ? -EPIPE : (int)got);
	return count;
}

/* Either */

void end_close(struct end *end)
{
	if (end->host) {
		cothon_socket_abort(end->socket);
		cothon_host_destroy(end->host);
		cothon_link_close(end->inner);
	}
	if (end->fd >= 0)
		close(end->fd);
	if (end->listener >= 0)
		close(end->listener);
}

void end_listen(struct end *end)
{
	struct sockaddr_in any = ipv4("0.0.0.0", PORT);

	end->listener = end->fd;
	end->fd = -1;
	checked(bind(end->listener, (struct sockaddr *)&any, sizeof(any)), "bind");
	checked(listen(end->listener, 1), "listen");
}

void end_connect(struct end *end, const char *address)
{
	struct sockaddr_in to = ipv4(address, PORT);
	struct cothon_endpoint remote = {.port = PORT};
	int error;

	if (!end->host) {
		if (connect(end->fd, (struct sockaddr *)&to, sizeof(to)) < 0 &&
		    errno != EINPROGRESS)
			fail("connect", -errno);
		return;
	}
	error = cothon_addr_parse(address, &remote.addr);
	if (!error)
		error = cothon_socket_connect(end->socket, &remote);
	if (error != -EINPROGRESS)
		fail("connect", error);
}

void end_accept(struct end *end)
{
	if (end->listener < 0 || end->fd >= 0)
		return;
	end->fd = accept4(end->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (end->fd < 0 && errno != EAGAIN)
		fail("accept", -errno);
}

void end_write(struct end *end)
{
	static const uint8_t bytes[PIECE];
	ptrdiff_t written = 0;

	if (!end->host && end->fd < 0)
		return;
	do {
		written = end->host ? cothon_socket_send(end->socket, bytes, PIECE, NULL)
				    : send(end->fd, bytes, PIECE, MSG_NOSIGNAL);
	} while (written > 0);
	if (!end->host && written < 0)
		written = -errno;
	if (written < 0 && written != -EAGAIN && written != -ENOTCONN)
		fail("the connection", (int)written);
}

uint64_t end_read(struct end *end)
{
	if (end->host)
		return cothon_socket_tcp(end->socket) ? read_library(end) : 0;
	return end->fd >= 0 ? read_linux(end) : 0;
}

uint64_t end_poll(struct end *end, uint64_t now)
{
	return end->host ? cothon_host_poll(end->host, now) : COTHON_NEVER;
}

unsigned end_wait(const struct end *end, bool writes, struct pollfd *wait)
{
	if (end->host)
		return 0;
	wait[0] = (struct pollfd){.fd = end->tun, .events = POLLIN};
	wait[1] = (struct pollfd){.fd = end->fd, .events = writes ? POLLOUT : POLLIN};
	if (end->fd < 0)
		wait[1] = (struct pollfd){.fd = end->listener, .events = POLLIN};
	return 2;
}
