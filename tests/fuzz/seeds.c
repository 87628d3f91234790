/* SPDX-License-Identifier: MIT */

/*
 * seeds FOLDER STAMP: writes the malformed frames of the hostile corpus into folders of FOLDER, one
 * for each target that reads frames, in the form that it reads; then touches STAMP.
 */

#include "../hostile/corpus.h"
#include "fuzz.h"
#include "sequence.h"
#include "wire/ip.h"
#include <errno.h>
#include <sys/stat.h>

enum {
	FRAME_MAX = 2048, /* longer ones say nothing more */

	/* Flags of the targets, as wire_ip.c, link_hub.c and segment.h have them. */
	IP_GSO = 1,
	HUB_PORTS = 8,
	HUB_RIGHT = 4 | HUB_PORTS | 16 | 32, /* from the first member to the second */
	SEGMENT_IPV6 = 1,
	SEGMENT_GSO = 8,
};

static unsigned written;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_folder(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die(path);
}

/* Writes one input: a head, and the rest. */
static void put(const char *folder, const char *target, const uint8_t *head, size_t head_len,
		const uint8_t *rest, size_t len)
{
	char *path;
	FILE *file;

	if (asprintf(&path, "%s/%s", folder, target) < 0)
		die(folder);
	make_folder(path);
	free(path);
	if (asprintf(&path, "%s/%s/%05u", folder, target, written++) < 0)
		die(folder);
	file = fopen(path, "wb");
	if (!file || fwrite(head, 1, head_len, file) != head_len ||
	    fwrite(rest, 1, len, file) != len || fclose(file) != 0)
		die(path);
	free(path);
}

/* What stands behind the IP header, for the target of its protocol. */
static void put_segment(const char *folder, const struct packet *packet, bool gso)
{
	struct cothon_ip ip;
	const char *target;
	uint8_t flags;

	if (cothon_ip_parse((struct cothon_bytes){packet->data, packet->len}, gso, &ip) ||
	    ip.fragment)
		return;
	switch (ip.protocol) {
	case COTHON_IPPROTO_TCP:
		target = "wire-tcp";
		break;
	case COTHON_IPPROTO_UDP:
		target = "wire-udp";
		break;
	case COTHON_IPPROTO_ICMP:
	case COTHON_IPPROTO_ICMPV6:
		target = "wire-icmp";
		break;
	default:
		return;
	}
	flags = (uint8_t)((ip.version == 6 ? SEGMENT_IPV6 : 0) | (gso ? SEGMENT_GSO : 0) | 4);
	put(folder, target, &flags, 1, packet->data + ip.header_len, ip.payload_len);
}

/* Appends a frame from a member to the next as link_hub.c has it: with its flags all set. */
static void hub_frame(struct packet *input, unsigned flags, const struct packet *packet)
{
	packet_put16(input, (unsigned)(sizeof(packet->vnet) + packet->len));
	packet_put8(input, flags);
	packet_put(input, packet->vnet, sizeof(packet->vnet));
	packet_put(input, packet->data, packet->len);
}

/* The frame as one of a flow between two members of a hub, which a SYN and a datagram have opened. */
static void put_hub(const char *folder, const struct packet *packet)
{
	static struct packet input, opening;
	const uint8_t protocols[] = {PACKET_TCP, PACKET_UDP};
	struct cothon_ip ip;
	struct cothon_addr addrs[2];

	if (cothon_ip_parse((struct cothon_bytes){packet->data, packet->len}, true, &ip) == 0) {
		addrs[0] = ip.source;
		addrs[1] = ip.destination;
	} else {
		cothon_addr_parse("10.0.2.100", &addrs[0]);
		addrs[1] = addrs[0];
	}
	input.len = 0;
	for (unsigned i = 0; i < 2; i++) {
		memset(opening.vnet, 0, sizeof(opening.vnet));
		packet_ip(&opening, &addrs[0], &addrs[1], protocols[i]);
		if (protocols[i] == PACKET_TCP)
			packet_tcp(&opening, 5000, 80, 1, 0, PACKET_SYN);
		else
			packet_udp(&opening, 5000, 80);
		packet_seal(&opening);
		hub_frame(&input, HUB_RIGHT, &opening);
	}
	hub_frame(&input, HUB_RIGHT, packet);
	hub_frame(&input, HUB_RIGHT & ~HUB_PORTS, packet);
	/* The rules change. */
	put(folder, "link-hub", input.data, input.len, (const uint8_t *)"\0\1\0\0\2\0", 6);
}

static void put_frame(const char *folder, const struct packet *packet)
{
	const uint8_t flags = packet->vnet[1] ? IP_GSO : 0;
	uint8_t tun[3 + PACKET_VNET] = {0};

	if (packet->len > FRAME_MAX)
		return;
	put(folder, "wire-vnet", packet->vnet, sizeof(packet->vnet), packet->data, packet->len);
	put(folder, "wire-ip", &flags, 1, packet->data, packet->len);
	packet_set16(tun, (unsigned)(sizeof(packet->vnet) + packet->len));
	memcpy(tun + 3, packet->vnet, sizeof(packet->vnet));
	put(folder, "link-tun", tun, sizeof(tun), packet->data, packet->len);
	put_hub(folder, packet);
	put_segment(folder, packet, flags);
}

static void put_case(const char *folder, const struct scene *scene, const struct corpus_case *case_,
		     enum scene_family family)
{
	static struct packet packet;
	struct corpus_request request = {.scene = scene, .family = family, .value = case_->value};

	/* Of many frames that differ by a number the first few are enough. */
	for (; request.index < (case_->frames ? case_->frames : 1) && request.index < 4;
	     request.index++) {
		case_->build(&request, &packet);
		put_frame(folder, &packet);
	}
}

static void put_corpus(const char *folder)
{
	struct scene scene;

	scene_init(&scene);
	for (const struct corpus_group *const *group = corpus; *group; group++) {
		for (size_t i = 0; i < (*group)->count; i++) {
			const struct corpus_case *case_ = &(*group)->cases[i];
			unsigned families = case_->families ? case_->families : (*group)->families;

			for (enum scene_family family = SCENE_V4; family < SCENE_FAMILIES;
			     family++) {
				if (families & 1U << family)
					put_case(folder, &scene, case_, family);
			}
		}
	}
}

/* Sequences: the lives of flows. The first record sets up the stack. */

#define SYN_OF(to, port)                                       \
	{                                                      \
		SEQUENCE_SYN,                                  \
		{                                              \
			to, port, 1, 1, 2, 3, 4, 15, 5, 180, 7 \
		}                                              \
	}
#define ACK_OF_ALL                \
	{                         \
		SEQUENCE_SEGMENT, \
		{                 \
			0         \
		}                 \
	}
#define DATA                          \
	{                             \
		SEQUENCE_SEGMENT,     \
		{                     \
			[13] = 3, 232 \
		}                     \
	}
#define DATA_BEHIND_GAP                                \
	{                                              \
		SEQUENCE_SEGMENT,                      \
		{                                      \
			[1] = 1, 3, 232, [13] = 3, 232 \
		}                                      \
	}
#define END                              \
	{                                \
		SEQUENCE_SEGMENT,        \
		{                        \
			[7] = PACKET_FIN \
		}                        \
	}
#define SECONDS(n)              \
	{                       \
		SEQUENCE_TIME,  \
		{               \
			3, 0, n \
		}               \
	}
#define CALL(what, n)                              \
	{                                          \
		SEQUENCE_CALL,                     \
		{                                  \
			0, what, (n) >> 8, (n)&255 \
		}                                  \
	}

static const struct sequence_record sequences[][12] = {
	/* Opened, spoken on with a gap, and ended from the far side. */
	{{0}, SYN_OF(0, 0), ACK_OF_ALL, DATA, DATA_BEHIND_GAP, DATA, ACK_OF_ALL, END, ACK_OF_ALL},
	/* The stack speaks and loses: SACK, a time-out, the rest. */
	{{0, {7}},
	 SYN_OF(1, 4),
	 ACK_OF_ALL,
	 {SEQUENCE_SEGMENT, {[4] = 1, [10] = 4, 128, 64}},
	 {SEQUENCE_SEGMENT, {[4] = 1, [10] = 8, 64, 32}},
	 SECONDS(3),
	 ACK_OF_ALL,
	 SECONDS(1),
	 ACK_OF_ALL,
	 END,
	 ACK_OF_ALL},
	/* Connects, is answered, writes, shuts down. */
	{{0},
	 {SEQUENCE_CONNECT, {1, 3}},
	 {SEQUENCE_SEGMENT, {[7] = PACKET_SYN}},
	 CALL(0, 5000),
	 ACK_OF_ALL,
	 CALL(2, 0),
	 ACK_OF_ALL,
	 END,
	 SECONDS(100)},
	/* Forwarded and held, then accepted; an ICMP error; the application gives up. */
	{{0},
	 SYN_OF(2, 8),
	 CALL(0, 0),
	 ACK_OF_ALL,
	 DATA,
	 {SEQUENCE_ERROR, {[4] = 0x80, 5, 0}},
	 CALL(1, 1000),
	 CALL(4, 0)},
	/* A datagram in pieces, out of order; one whole; a request. */
	{{0},
	 {SEQUENCE_FRAGMENT, {0, 20, 0, 80, 100}},
	 {SEQUENCE_FRAGMENT, {0, 20, 0, 0, 80}},
	 {SEQUENCE_FRAGMENT, {1, 20, 0, 80, 100}},
	 {SEQUENCE_FRAGMENT, {1, 20, 0, 0, 80}},
	 {SEQUENCE_DATAGRAM, {2, 6, 1, 1, 0}},
	 {SEQUENCE_ECHO, {1, 0, 0, 1, 2, 0, 100}}},
	/* The link is full and memory short while a flow speaks; windows of zero. */
	{{0, {0, 1, 80}},
	 SYN_OF(0, 4),
	 {SEQUENCE_WEATHER, {1, 0}},
	 ACK_OF_ALL,
	 {SEQUENCE_WEATHER, {0, 51}},
	 {SEQUENCE_SEGMENT, {[8] = 255, 255}},
	 SECONDS(20),
	 {SEQUENCE_WEATHER, {0, 0}},
	 ACK_OF_ALL,
	 SECONDS(60)},
	/* What others have thought of. */
	{{0},
	 SYN_OF(0, 0),
	 ACK_OF_ALL,
	 {SEQUENCE_CASE, {6, 3, 0, 0, 0}},
	 {SEQUENCE_CHANGE, {7, 0, 33, 2}},
	 {SEQUENCE_NOISE, {1, 2, 3, 4, 7}},
	 {SEQUENCE_RESTART, {0}}},
};

static size_t length_of(const struct sequence_record *sequence)
{
	static const struct sequence_record nothing;
	size_t count = sizeof(sequences[0]) / sizeof(sequences[0][0]);

	while (count > 1 && memcmp(&sequence[count - 1], &nothing, sizeof(nothing)) == 0)
		count--;
	return count;
}

static void put_sequences(const char *folder)
{
	const uint8_t nothing = 0;

	for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++)
		put(folder, "stack-sequence", &nothing, 0, (const uint8_t *)sequences[i],
		    length_of(sequences[i]) * sizeof(struct sequence_record));
}

int main(int argc, char **argv)
{
	FILE *stamp;

	if (argc != 3) {
		fprintf(stderr, "usage: seeds FOLDER STAMP\n");
		return 2;
	}
	make_folder(argv[1]);
	put_corpus(argv[1]);
	put_sequences(argv[1]);
	stamp = fopen(argv[2], "w");
	if (!stamp || fclose(stamp) != 0)
		die(argv[2]);
	return 0;
}
