/* SPDX-License-Identifier: MIT */
#include "host/socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <unistd.h>

int host_socket_family(const struct cothon_addr *addr)
{
	return cothon_addr_is_ipv4(addr) ? AF_INET : AF_INET6;
}

struct host_sockaddr host_sockaddr_make(const struct cothon_endpoint *endpoint, uint32_t scope)
{
	struct host_sockaddr made = {.len = sizeof(made.in6)};

	if (cothon_addr_is_ipv4(&endpoint->addr)) {
		made.in.sin_family = AF_INET;
		made.in.sin_port = htons(endpoint->port);
		memcpy(&made.in.sin_addr, &endpoint->addr.b[12], 4);
		made.len = sizeof(made.in);
	} else {
		made.in6.sin6_family = AF_INET6;
		made.in6.sin6_port = htons(endpoint->port);
		memcpy(&made.in6.sin6_addr, endpoint->addr.b, 16);
		made.in6.sin6_scope_id = scope;
	}
	return made;
}

struct cothon_endpoint host_sockaddr_endpoint(const struct host_sockaddr *sockaddr)
{
	struct cothon_endpoint endpoint = {0};

	if (sockaddr->any.sa_family == AF_INET) {
		uint8_t bytes[4];

		memcpy(bytes, &sockaddr->in.sin_addr, sizeof(bytes));
		endpoint.addr = cothon_addr_ipv4(bytes);
		endpoint.port = ntohs(sockaddr->in.sin_port);
	} else if (sockaddr->any.sa_family == AF_INET6) {
		/* An IPv4 peer of a socket for both families has the mapped form already. */
		endpoint.addr = cothon_addr_ipv6(sockaddr->in6.sin6_addr.s6_addr);
		endpoint.port = ntohs(sockaddr->in6.sin6_port);
	}
	return endpoint;
}

int host_socket_open(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	return fd < 0 ? -errno : fd;
}

int host_socket_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

int host_socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

struct cothon_endpoint host_socket_local(int fd)
{
	struct host_sockaddr local = {.len = sizeof(local.in6)};

	local.any.sa_family = AF_UNSPEC;
	getsockname(fd, &local.any, &local.len);
	return host_sockaddr_endpoint(&local);
}

void host_socket_reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static enum host_error_origin origin_of(uint8_t origin)
{
	switch (origin) {
	case SO_EE_ORIGIN_LOCAL:
		return HOST_ERROR_LOCAL;
	case SO_EE_ORIGIN_ICMP:
		return HOST_ERROR_ICMP;
	case SO_EE_ORIGIN_ICMP6:
		return HOST_ERROR_ICMPV6;
	default:
		return HOST_ERROR_OTHER;
	}
}

/* Reads an extended error and, behind it, the offender's address. */
static void parse_extended(const struct cmsghdr *cmsg, struct host_socket_error *error)
{
	size_t len = cmsg->cmsg_len - CMSG_LEN(0);
	struct host_sockaddr offender = {0};
	struct sock_extended_err extended;

	if (len < sizeof(extended))
		return;
	memcpy(&extended, CMSG_DATA(cmsg), sizeof(extended));
	len -= sizeof(extended);
	if (len > sizeof(offender.in6))
		len = sizeof(offender.in6);
	memcpy(&offender.in6, CMSG_DATA(cmsg) + sizeof(extended), len);

	error->origin = origin_of(extended.ee_origin);
	error->error = -(int)extended.ee_errno;
	error->type = extended.ee_type;
	error->code = extended.ee_code;
	error->info = extended.ee_info;
	error->offender = host_sockaddr_endpoint(&offender).addr;
}

int host_socket_take_error(int fd, struct host_socket_error *error)
{
	union {
		char room[512];
		struct cmsghdr align;
	} control;
	struct host_sockaddr destination = {0};
	struct iovec iov = {error->payload, sizeof(error->payload)};
	struct msghdr message = {
		.msg_name = &destination.in6,
		.msg_namelen = sizeof(destination.in6),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	ssize_t len = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (len < 0)
		return -errno;
	error->origin = HOST_ERROR_OTHER;
	error->error = 0;
	error->type = error->code = 0;
	error->info = 0;
	error->offender = (struct cothon_addr){0};
	error->destination = host_sockaddr_endpoint(&destination);
	error->len = (size_t)len;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message); cmsg;
	     cmsg = CMSG_NXTHDR(&message, cmsg)) {
		if ((cmsg->cmsg_level == SOL_IP && cmsg->cmsg_type == IP_RECVERR) ||
		    (cmsg->cmsg_level == SOL_IPV6 && cmsg->cmsg_type == IPV6_RECVERR))
			parse_extended(cmsg, error);
	}
	return 0;
}
