/* SPDX-License-Identifier: MIT */

/*
 * Frames as a TUN device gives them, taken in by the link and a stack: each of the input's is two
 * bytes of length, a byte of flags, a virtio-net header and a packet. A pair of sockets that keep
 * boundaries stands for the device; what it is asked by ioctl(2) is answered here. What the stack
 * sends is audited.
 */

#include "fuzz.h"
#include "../hostile/audit.h"
#include "../hostile/packet.h"
#include "../hostile/scene.h"
#include "wire/vnet.h"
#include <cothon/cothon.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAMES = 64,
	MTU = 1500,
	TICK = 10000, /* microseconds from frame to frame */

	/* Flags of a frame: what is set right. */
	HEADER_SUM = 1,
	TRANSPORT_SUM = 2,
	LENGTHS = 4,
};

struct device {
	struct cothon_link *link;
	struct cothon_pool *pool;
	struct cothon_stack *stack;
	int far; /* the kernel's side */
	uint64_t now;
	struct packet packet;
};

/* Linked in the place of ioctl(2), whose third argument comes as it does here. */
int device_ioctl(int fd, unsigned long request, void *argument);

int device_ioctl(int fd, unsigned long request, void *argument)
{
	(void)fd;
	if (request == TUNGETIFF)
		((struct ifreq *)argument)->ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
	return 0;
}

static void open_device(struct device *device)
{
	struct cothon_pool_config pool = {.memory = cothon_memory_malloc, .limit = 1 << 20};
	struct cothon_stack_config config = {.memory = cothon_memory_malloc, .now = TICK};
	struct scene scene;
	int ends[2];

	fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
	fuzz_check(cothon_tun_open(ends[0], MTU, &device->link) == 0);
	device->far = ends[1];
	device->now = TICK;
	device->pool = cothon_pool_create(&pool);
	fuzz_check(device->pool);
	config.link = device->link;
	config.pool = device->pool;
	fuzz_check(cothon_stack_create(&config, &device->stack) == 0);
	scene_init(&scene);
	for (enum scene_family family = SCENE_V4; family < SCENE_FAMILIES; family++)
		fuzz_check(cothon_stack_add_address(device->stack, &scene.self[family]) == 0);
}

static void close_device(struct device *device)
{
	cothon_stack_destroy(device->stack);
	fuzz_check(cothon_pool_used(device->pool) == 0);
	cothon_pool_destroy(device->pool);
	device->link->ops->close(device->link);
	close(device->far);
}

static void hear(struct device *device)
{
	static uint8_t frame[COTHON_VNET_HEADER + COTHON_FRAME_MAX];
	ssize_t len;

	while ((len = recv(device->far, frame, sizeof(frame), 0)) > 0) {
		struct cothon_bytes bytes;
		struct cothon_offload offload;
		const char *wrong;

		fuzz_check(len > COTHON_VNET_HEADER);
		bytes = (struct cothon_bytes){frame + COTHON_VNET_HEADER,
					      (size_t)len - COTHON_VNET_HEADER};
		fuzz_check(cothon_vnet_parse(frame, bytes, &offload) == 0);
		wrong = audit_frame(device->link, &offload, bytes.data, bytes.len);
		if (wrong)
			fprintf(stderr, "a frame that was sent is wrong: %s\n", wrong);
		fuzz_check(!wrong);
	}
}

/* One frame from the kernel. */
static void give(struct device *device, unsigned flags, const uint8_t *frame, size_t len)
{
	struct packet *packet = &device->packet;
	struct iovec iov[] = {{packet->vnet, sizeof(packet->vnet)}, {packet->data, 0}};
	const struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

	/* Too short for a header: the device never gives this, and it costs nothing to bear it. */
	if (len < sizeof(packet->vnet)) {
		fuzz_check(send(device->far, frame, len, 0) == (ssize_t)len);
	} else {
		memcpy(packet->vnet, frame, sizeof(packet->vnet));
		packet->len = 0;
		packet_put(packet, frame + sizeof(packet->vnet), len - sizeof(packet->vnet));
		if ((flags & LENGTHS) && packet->len >= 40)
			packet_set_lengths(packet);
		if ((flags & HEADER_SUM) && packet->len > 0)
			packet_sum_header(packet);
		if (flags & TRANSPORT_SUM)
			packet_sum_transport(packet);
		iov[1].iov_len = packet->len;
		fuzz_check(sendmsg(device->far, &message, 0) >= 0);
	}
	fuzz_check(cothon_stack_receive(device->stack, 2, device->now) <= 1);
	cothon_stack_poll(device->stack, device->now);
	device->now += TICK;
	hear(device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct device device;

	open_device(&device);
	for (unsigned i = 0; i < FRAMES && size >= 3; i++) {
		size_t len = cothon_get16(data);
		unsigned flags = data[2];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		if (len > 0)
			give(&device, flags, data, len);
		data += len;
		size -= len;
	}
	close_device(&device);
	return 0;
}
