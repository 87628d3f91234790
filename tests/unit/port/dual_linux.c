/* SPDX-License-Identifier: MIT */

/* The side of Linux: sockets in a network namespace of their own. */

#include "dual.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

/* The connection that was left, its two ends. */
static int left_open[2] = {-1, -1};

static void add_ipv4(int fd, const char *name, const char *addr)
{
	struct ifreq request = {0};
	struct sockaddr_in *place = (struct sockaddr_in *)(void *)&request.ifr_addr;

	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	place->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, addr, &place->sin_addr), 1);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
}

static void add_ipv6(int fd, const char *addr)
{
	struct in6_ifreq request = {.ifr6_prefixlen = 128, .ifr6_ifindex = 1};

	assert_int_equal(inet_pton(AF_INET6, addr, &request.ifr6_addr), 1);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
}

int dual_linux_enter(void **state)
{
	struct ifreq lo = {.ifr_name = "lo"};
	int ipv4, ipv6;

	(void)state;
	/* Root may do without a user namespace, where those are forbidden. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) && unshare(CLONE_NEWNET)) {
		print_error("no network namespace: %s\n", strerror(errno));
		return -1;
	}
	ipv4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ipv6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(ipv4 >= 0 && ipv6 >= 0);
	lo.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	assert_int_equal(ioctl(ipv4, SIOCSIFFLAGS, &lo), 0);
	add_ipv4(ipv4, "lo:1", "192.0.2.2");
	add_ipv4(ipv4, "lo:2", "192.0.2.3");
	add_ipv6(ipv6, "2001:db8::2");
	add_ipv6(ipv6, "2001:db8::3");
	close(ipv4);
	close(ipv6);
	return 0;
}

/* Takes CAP_NET_BIND_SERVICE, or lays it down. */
static void set_privileged(bool privileged)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	if (privileged)
		data[0].effective |= 1U << CAP_NET_BIND_SERVICE;
	else
		data[0].effective &= ~(1U << CAP_NET_BIND_SERVICE);
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* IPv4 as such, or in its mapped form for a socket of IPv6. */
static socklen_t socket_address(const struct cothon_addr *addr, uint16_t port, bool mapped,
				struct sockaddr_storage *storage)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)storage;

	memset(storage, 0, sizeof(*storage));
	if (cothon_addr_is_ipv4(addr) && !mapped) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		memcpy(&ipv4->sin_addr, addr->b + 12, 4);
		return sizeof(*ipv4);
	}
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port);
	memcpy(&ipv6->sin6_addr, addr->b, 16);
	return sizeof(*ipv6);
}

static void set_option(int fd, int level, int option, int value)
{
	assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

static int socket_type(uint8_t transport)
{
	return (transport == COTHON_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
}

int dual_linux_open(const struct dual_spec *spec, struct dual_server *server)
{
	struct cothon_addr addr;
	struct sockaddr_storage storage;
	socklen_t len;
	int error = 0;

	assert_int_equal(cothon_addr_parse(spec->place.addr, &addr), 0);
	len = socket_address(&addr, spec->port, spec->place.v6_only, &storage);
	*server = (struct dual_server){
		.fd = socket(storage.ss_family, socket_type(spec->transport) | SOCK_NONBLOCK, 0)};
	assert_true(server->fd >= 0);
	set_option(server->fd, SOL_SOCKET, SO_REUSEADDR, spec->options.reuse_address);
	set_option(server->fd, SOL_SOCKET, SO_REUSEPORT, spec->options.reuse_port);
	if (storage.ss_family == AF_INET6)
		set_option(server->fd, IPPROTO_IPV6, IPV6_V6ONLY, spec->place.v6_only);
	set_privileged(spec->options.privileged);
	if (bind(server->fd, (struct sockaddr *)&storage, len) ||
	    (spec->transport == COTHON_TCP && listen(server->fd, 8)))
		error = -errno;
	if (error) {
		dual_linux_close(server);
		return error;
	}
	len = sizeof(storage);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&storage, &len), 0);
	/* Both families have the port at the same place. */
	server->linux_port = ntohs(((struct sockaddr_in *)&storage)->sin_port);
	return 0;
}

void dual_linux_close(struct dual_server *server)
{
	close(server->fd);
	server->fd = -1;
}

/* Closes a connection by RST, so that nothing of it stays. */
static void reset(int fd)
{
	const struct linger linger = {1, 0};

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* True when something came to the server, which is taken and thrown away. */
static bool take(uint8_t transport, int server)
{
	char byte;

	if (transport == COTHON_UDP)
		return recv(server, &byte, sizeof(byte), MSG_DONTWAIT) == 1;
	int fd = accept(server, NULL, NULL);
	reset(fd);
	return fd >= 0;
}

int dual_linux_deliver(uint8_t transport, const struct cothon_addr *to, uint16_t port,
		       const struct dual_server *servers, int count)
{
	struct sockaddr_storage storage;
	socklen_t len = socket_address(to, port, false, &storage);
	int client = socket(storage.ss_family, socket_type(transport), 0), taker = -1;

	assert_true(client >= 0);
	/* On the loopback device a packet has arrived when sending it returns. */
	bool connected = !connect(client, (struct sockaddr *)&storage, len);
	if (transport == COTHON_UDP)
		assert_int_equal(send(client, "x", 1, 0), 1);
	else if (!connected)
		assert_int_equal(errno, ECONNREFUSED);
	for (int i = 0; i < count; i++) {
		if (take(transport, servers[i].fd)) {
			assert_int_equal(taker, -1);
			taker = i;
		}
	}
	assert_true(transport == COTHON_UDP || connected == (taker >= 0));
	reset(client);
	return taker;
}

static int state_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_state;
}

void dual_linux_leave(struct dual_server *server, const struct cothon_addr *to, uint16_t port,
		      enum dual_left left)
{
	struct sockaddr_storage storage;
	socklen_t len = socket_address(to, port, false, &storage);
	int client = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), own;

	assert_int_equal(connect(client, (struct sockaddr *)&storage, len), 0);
	own = accept(server->fd, NULL, NULL);
	assert_true(own >= 0);
	if (left == DUAL_TIME_WAIT) {
		assert_int_equal(shutdown(own, SHUT_WR), 0);
		close(client);
		/* The socket is done with; what waits is no longer it. */
		assert_int_equal(state_of(own), TCP_CLOSE);
		close(own);
		client = own = -1;
	} else if (left == DUAL_GONE) {
		close(client);
		close(own);
		client = own = -1;
	}
	dual_linux_close(server);
	left_open[0] = client;
	left_open[1] = own;
}

void dual_linux_forget(void)
{
	for (int i = 0; i < 2; i++) {
		reset(left_open[i]);
		left_open[i] = -1;
	}
}
