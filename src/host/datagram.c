/* SPDX-License-Identifier: MIT */
#include "host/datagram.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

enum {
	/*
	 * Bytes that may wait in a socket: 4 ms of 1400-byte datagrams at 3 Gbit/s, which is as long as a
	 * neighbour on the processor keeps us from them. The kernel doubles it for its own structures.
	 */
	RECEIVE_BUFFER = 1536 << 10,
};

/*
 * Room for the control messages of one datagram: TTL, traffic class, local address, size of
 * segments.
 */
union control {
	char room[CMSG_SPACE(sizeof(int)) * 3 + CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct cmsghdr align;
};

/* Opening */

static int prepare(int fd, int family, bool tell_local)
{
	bool ipv4 = family == AF_INET;
	int level = ipv4 ? SOL_IP : SOL_IPV6;
	int error = host_socket_set(fd, level, ipv4 ? IP_RECVERR : IPV6_RECVERR, 1);

	if (!error)
		error = host_socket_set(fd, level, ipv4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
	if (!error)
		error = host_socket_set(fd, level, ipv4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
	if (!error && tell_local)
		error = host_socket_set(fd, level, ipv4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
	if (!error && !ipv4)
		error = host_socket_set(fd, SOL_IPV6, IPV6_V6ONLY, 1);
	/* Without it (Linux before 5.0) datagrams come one by one. */
	host_socket_set(fd, SOL_UDP, UDP_GRO, 1);
	/* The kernel gives less where net.core.rmem_max says so. */
	host_socket_set(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
	return error;
}

int host_datagram_open(int family, bool tell_local)
{
	int fd = host_socket_open(family, SOCK_DGRAM, IPPROTO_UDP);
	int error;

	if (fd < 0)
		return fd;
	error = prepare(fd, family, tell_local);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

/* Receiving */

static int read_int(const struct cmsghdr *cmsg)
{
	int value = 0;
	size_t len = cmsg->cmsg_len - CMSG_LEN(0);

	/* IP_TOS comes as a byte, the others as an int. */
	if (len == 1)
		return *CMSG_DATA(cmsg);
	if (len >= sizeof(value))
		memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
	return value;
}

static void read_ip(const struct cmsghdr *cmsg, struct host_datagram *datagram)
{
	struct in_pktinfo info;
	uint8_t bytes[4];

	switch (cmsg->cmsg_type) {
	case IP_TTL:
		datagram->hops = (uint8_t)read_int(cmsg);
		break;
	case IP_TOS:
		datagram->traffic_class = (uint8_t)read_int(cmsg);
		break;
	case IP_PKTINFO:
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		memcpy(bytes, &info.ipi_spec_dst, sizeof(bytes));
		datagram->local = cothon_addr_ipv4(bytes);
		break;
	default:
		break;
	}
}

static void read_ipv6(const struct cmsghdr *cmsg, struct host_datagram *datagram)
{
	struct in6_pktinfo info;

	switch (cmsg->cmsg_type) {
	case IPV6_HOPLIMIT:
		datagram->hops = (uint8_t)read_int(cmsg);
		break;
	case IPV6_TCLASS:
		datagram->traffic_class = (uint8_t)read_int(cmsg);
		break;
	case IPV6_PKTINFO:
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		datagram->local = cothon_addr_ipv6(info.ipi6_addr.s6_addr);
		break;
	default:
		break;
	}
}

static void read_control(struct msghdr *message, struct host_datagram *datagram)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg;
	     cmsg = CMSG_NXTHDR(message, cmsg)) {
		if (cmsg->cmsg_level == SOL_IP)
			read_ip(cmsg, datagram);
		else if (cmsg->cmsg_level == SOL_IPV6)
			read_ipv6(cmsg, datagram);
		else if (cmsg->cmsg_level == SOL_UDP && cmsg->cmsg_type == UDP_GRO)
			datagram->gso_size = (uint16_t)read_int(cmsg);
	}
}

int host_datagram_receive(int fd, struct host_datagram *datagrams, unsigned count)
{
	struct mmsghdr messages[HOST_DATAGRAM_BATCH];
	union control controls[HOST_DATAGRAM_BATCH];
	struct iovec iov[HOST_DATAGRAM_BATCH];
	int received;

	for (unsigned i = 0; i < count; i++) {
		iov[i] = (struct iovec){datagrams[i].data, datagrams[i].len};
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &datagrams[i].peer.in6,
			.msg_namelen = sizeof(datagrams[i].peer.in6),
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = controls[i].room,
			.msg_controllen = sizeof(controls[i].room),
		};
	}
	received = recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL);
	if (received < 0)
		return -errno;
	for (int i = 0; i < received; i++) {
		struct host_datagram *datagram = &datagrams[i];

		datagram->peer.len = messages[i].msg_hdr.msg_namelen;
		datagram->local = (struct cothon_addr){0};
		datagram->len = messages[i].msg_len;
		datagram->gso_size = 0;
		datagram->hops = 0;
		datagram->traffic_class = 0;
		read_control(&messages[i].msg_hdr, datagram);
		if (datagram->gso_size >= datagram->len)
			datagram->gso_size = 0;
	}
	return received;
}

/* Sending */

/* Adds a control message behind the `used` bytes of others; returns how many there are then. */
static size_t add_control(union control *control, size_t used, int level, int type,
			  const void *data, size_t len)
{
	struct cmsghdr *cmsg = (struct cmsghdr *)(void *)(control->room + used);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);
	return used + CMSG_SPACE(len);
}

static size_t add_local(union control *control, const struct cothon_addr *local)
{
	struct in_pktinfo info = {0};
	struct in6_pktinfo info6 = {0};

	if (cothon_addr_is_any(local))
		return 0;
	if (cothon_addr_is_ipv4(local)) {
		memcpy(&info.ipi_spec_dst, &local->b[12], 4);
		return add_control(control, 0, SOL_IP, IP_PKTINFO, &info, sizeof(info));
	}
	memcpy(&info6.ipi6_addr, local->b, 16);
	return add_control(control, 0, SOL_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
}

static void fill_message(struct msghdr *message, const struct host_datagram *datagram,
			 struct iovec *iov, union control *control)
{
	size_t used = add_local(control, &datagram->local);

	if (datagram->gso_size)
		used = add_control(control, used, SOL_UDP, UDP_SEGMENT, &datagram->gso_size,
				   sizeof(datagram->gso_size));
	*iov = (struct iovec){datagram->data, datagram->len};
	*message = (struct msghdr){
		.msg_name = (void *)(uintptr_t)&datagram->peer.any,
		.msg_namelen = datagram->peer.len,
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = used ? control->room : NULL,
		.msg_controllen = used,
	};
}

int host_datagram_send(int fd, const struct host_datagram *datagrams, unsigned count)
{
	struct mmsghdr messages[HOST_DATAGRAM_BATCH];
	union control controls[HOST_DATAGRAM_BATCH];
	struct iovec iov[HOST_DATAGRAM_BATCH];
	int sent;

	for (unsigned i = 0; i < count; i++)
		fill_message(&messages[i].msg_hdr, &datagrams[i], &iov[i], &controls[i]);
	sent = sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}
