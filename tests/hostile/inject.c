/* SPDX-License-Identifier: MIT */

/*
 * inject SECONDS SEED: gives hostile frames to the engine of the sandbox that it runs in, as root
 * of that sandbox, through a packet socket on its device: the whole corpus once, then random ones;
 * with virtio-net headers and without.
 */

#include "corpus.h"
#include "generate.h"
#include "sandbox/network.h"
#include "wire/ip.h"
#include <errno.h>
#include <net/if.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	/* Frames per turn, and milliseconds from one turn to the next. */
	TURN = 100,
	PAUSE = 10,

	ECHO = 8, /* of ICMP; ICMPv6: */
	ECHO_V6 = 128,
};

struct injector {
	struct scene scene;
	struct packet packet;
	int plain, vnet; /* sockets */
	unsigned device;
	/* Taken by the kernel, refused by it, and not even tried. */
	unsigned long sent, refused, spared;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_socket(int with_vnet)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	int one = 1;

	if (fd < 0)
		die("socket");
	if (with_vnet && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0)
		die("PACKET_VNET_HDR");
	return fd;
}

/*
 * What would leave something behind that only time removes: a datagram from another port makes a
 * mapping that lasts five minutes, and so does an echo request with another identifier; a SYN from
 * an address that nobody has inside is never reset, and one to an address that nobody has outside
 * is tried for as long as the host's kernel likes.
 */
static bool leaves_traces(const struct injector *injector)
{
	const struct packet *packet = &injector->packet;
	const struct scene *scene = &injector->scene;
	struct cothon_bytes bytes = {packet->data, packet->len};
	const uint8_t *transport;
	enum scene_family family;
	struct cothon_ip ip;

	if (cothon_ip_parse(bytes, packet->vnet[1] != 0, &ip) || ip.fragment_offset > 0)
		return false;
	transport = cothon_bytes_at(bytes, ip.header_len, 8);
	if (!transport)
		return false;
	family = ip.version == 4 ? SCENE_V4 : SCENE_V6;
	if (!cothon_addr_equal(&ip.source, &scene->peer[family]) ||
	    (cothon_addr_is_unicast(&ip.destination) &&
	     !cothon_addr_equal(&ip.destination, &scene->self[family]) &&
	     !cothon_addr_equal(&ip.destination, &scene->outside[family])))
		return true;
	switch (ip.protocol) {
	case PACKET_UDP:
		return packet_get16(transport) != SCENE_DATAGRAM_PORT;
	case PACKET_ICMP:
	case PACKET_ICMPV6:
		return (transport[0] == ECHO || transport[0] == ECHO_V6) &&
		       packet_get16(transport + 4) != SCENE_ECHO_IDENT;
	default:
		return false;
	}
}

static void send_frame(struct injector *injector, bool with_vnet)
{
	struct packet *packet = &injector->packet;
	bool ipv4 = packet_is_ipv4(packet);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ipv4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6),
		.sll_ifindex = (int)injector->device,
	};
	struct iovec iov[] = {{packet->vnet, sizeof(packet->vnet)}, {packet->data, packet->len}};
	struct msghdr message = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = with_vnet ? iov : iov + 1,
		.msg_iovlen = with_vnet ? 2 : 1,
	};

	if (leaves_traces(injector))
		injector->spared++;
	else if (sendmsg(with_vnet ? injector->vnet : injector->plain, &message, MSG_DONTWAIT) < 0)
		injector->refused++;
	else
		injector->sent++;
}

/* Both ways: the kernel may find the one frame good and the other not. */
static void send_case(struct injector *injector, const struct corpus_case *case_,
		      enum scene_family family)
{
	struct corpus_request request = {
		.scene = &injector->scene, .family = family, .value = case_->value};

	for (; request.index < (case_->frames ? case_->frames : 1); request.index++) {
		case_->build(&request, &injector->packet);
		send_frame(injector, false);
		send_frame(injector, true);
	}
}

static void rest(struct timespec *next)
{
	next->tv_nsec += PAUSE * 1000000;
	if (next->tv_nsec >= 1000000000) {
		next->tv_nsec -= 1000000000;
		next->tv_sec++;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

static void send_corpus(struct injector *injector)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (const struct corpus_group *const *group = corpus; *group; group++) {
		for (size_t i = 0; i < (*group)->count; i++) {
			const struct corpus_case *case_ = &(*group)->cases[i];
			unsigned families = case_->families ? case_->families : (*group)->families;

			for (enum scene_family family = SCENE_V4; family < SCENE_FAMILIES;
			     family++) {
				if (families & 1U << family)
					send_case(injector, case_, family);
			}
			rest(&next);
		}
	}
}

static void send_random(struct injector *injector, uint64_t seed, long seconds)
{
	struct generator generator;
	struct timespec next;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &next);
	end = next.tv_sec + seconds;
	generator_init(&generator, seed, &injector->scene, NULL);
	while (next.tv_sec < end) {
		for (unsigned i = 0; i < TURN; i++) {
			generator_next(&generator, &injector->packet);
			send_frame(injector, i % 2);
		}
		rest(&next);
	}
	generator_finish(&generator);
}

int main(int argc, char **argv)
{
	static struct injector injector;
	long seconds;
	uint64_t seed;

	if (argc != 3) {
		fprintf(stderr, "usage: inject SECONDS SEED\n");
		return 2;
	}
	seconds = strtol(argv[1], NULL, 10);
	seed = strtoull(argv[2], NULL, 10);
	scene_init(&injector.scene);
	injector.scene.datagram_ports = 1;
	injector.device = if_nametoindex(SANDBOX_DEVICE_NAME);
	if (injector.device == 0)
		die(SANDBOX_DEVICE_NAME);
	injector.plain = open_socket(0);
	injector.vnet = open_socket(1);
	send_corpus(&injector);
	send_random(&injector, seed, seconds);
	printf("seed %llu: %lu frames sent, %lu refused by the kernel, %lu spared\n",
	       (unsigned long long)seed, injector.sent, injector.refused, injector.spared);
	return injector.sent > 0 ? 0 : 1;
}
