/* SPDX-License-Identifier: MIT */
#include <cothon/link.h>

#include "base/bytes.h"
#include "base/list.h"
#include "wire/vnet.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of Linux 6.2, newer than the headers that a system may have. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	MTU_MIN = 1280, /* RFC 8200 section 5: every IPv6 link carries this much */
	MTU_MAX = 65535,
};

struct tun {
	struct cothon_link link;
	int fd;
};

/* What to ask the kernel for, most first, and what it means for the link when it is granted. */
static const struct {
	unsigned offloads;
	unsigned features;
} grants[] = {
	{TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
	 COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO},
	{TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, COTHON_LINK_CSUM | COTHON_LINK_TSO},
	{TUN_F_CSUM, COTHON_LINK_CSUM},
	{0, 0},
};

static struct tun *tun_of(struct cothon_link *link)
{
	return cothon_container(link, struct tun, link);
}

static int tun_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	uint8_t header[COTHON_VNET_HEADER];
	const uint8_t *packet = frame->iov[1].iov_base;
	ssize_t written;

	cothon_vnet_emit(&frame->offload, packet[0] >> 4, header);
	frame->iov[0] = (struct iovec){header, sizeof(header)};
	do {
		written = writev(tun_of(link)->fd, frame->iov, (int)frame->count);
	} while (written < 0 && errno == EINTR);
	/* The device takes a frame whole or not at all. */
	return written < 0 ? -errno : 0;
}

/*
 * Reads the next frame behind the headroom of a buffer that has room for the largest. Returns its
 * length, or a negative errno.
 */
static ssize_t read_frame(struct tun *tun, uint8_t *header, struct cothon_buf *buf)
{
	uint8_t beyond;
	struct iovec iov[] = {
		{header, COTHON_VNET_HEADER},
		{buf->data, COTHON_FRAME_MAX},
		/* The device cuts what does not fit, and only this shows it. */
		{&beyond, sizeof(beyond)},
	};
	ssize_t got;

	do {
		got = readv(tun->fd, iov, sizeof(iov) / sizeof(iov[0]));
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got <= COTHON_VNET_HEADER || got > COTHON_VNET_HEADER + COTHON_FRAME_MAX)
		return -EBADMSG;
	return got - COTHON_VNET_HEADER;
}

static int tun_receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct cothon_buf *frame = cothon_buf_get(pool, COTHON_HEADROOM + COTHON_FRAME_MAX);
	uint8_t header[COTHON_VNET_HEADER];
	ssize_t len;
	int error;

	if (!frame)
		return -ENOMEM;
	frame->data += COTHON_HEADROOM;
	len = read_frame(tun_of(link), header, frame);
	if (len < 0) {
		error = (int)len;
		goto lost;
	}
	frame->len = (uint32_t)len;
	error = cothon_vnet_parse(header, (struct cothon_bytes){frame->data, frame->len},
				  &frame->offload);
	if (error)
		goto lost;
	*buf = frame;
	return 0;
lost:
	cothon_buf_put(frame);
	return error;
}

static void tun_close(struct cothon_link *link)
{
	struct tun *tun = tun_of(link);

	close(tun->fd);
	free(tun);
}

static const struct cothon_link_ops tun_ops = {
	.transmit = tun_transmit,
	.receive = tun_receive,
	.close = tun_close,
};

/*
 * Makes sure that the device is what this link speaks to. Returns 0, -EINVAL, or the ioctl's errno.
 */
static int check_device(int fd)
{
	const unsigned kind = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq request = {0};
	int header_len = COTHON_VNET_HEADER;

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return -errno;
	if (((unsigned)request.ifr_flags & kind) != kind)
		return -EINVAL;
	return ioctl(fd, TUNSETVNETHDRSZ, &header_len) < 0 ? -errno : 0;
}

/* Asks for offloads until the kernel grants them. Returns 0 or the last ioctl's errno. */
static int ask_offloads(int fd, unsigned *features)
{
	for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++) {
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)grants[i].offloads) == 0) {
			*features = grants[i].features;
			return 0;
		}
	}
	return -errno;
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int cothon_tun_open(int fd, uint32_t mtu, struct cothon_link **link)
{
	struct tun *tun;
	int error;

	if (mtu < MTU_MIN || mtu > MTU_MAX)
		return -EINVAL;
	tun = malloc(sizeof(*tun));
	if (!tun)
		return -ENOMEM;
	*tun = (struct tun){.link = {.ops = &tun_ops, .mtu = mtu}, .fd = fd};

	error = check_device(fd);
	if (!error)
		error = set_nonblocking(fd);
	if (!error)
		error = ask_offloads(fd, &tun->link.features);
	if (error) {
		free(tun);
		return error;
	}
	*link = &tun->link;
	return 0;
}
