/* SPDX-License-Identifier: MIT */
#include "mutate.h"

#include <string.h>

/* How far the headers reach that are worth changing. */
enum {
	HEADERS = 100
};

/* A place in the frame, mostly in its headers. The frame is not empty. */
static size_t place(struct cothon_random *random, const struct packet *packet)
{
	size_t reach = packet->len;

	if (reach > HEADERS && cothon_random_below(random, 8))
		reach = HEADERS;
	return cothon_random_below(random, (uint32_t)reach);
}

static uint16_t edge(struct cothon_random *random, const struct packet *packet)
{
	const uint16_t edges[] = {0,
				  1,
				  4,
				  5,
				  7,
				  8,
				  0x7fff,
				  0x8000,
				  0xffff,
				  0xfffe,
				  (uint16_t)packet->len,
				  (uint16_t)(packet->len + 1),
				  (uint16_t)(packet->len - 1),
				  (uint16_t)(packet->len - 20),
				  (uint16_t)(packet->len - 40)};

	return edges[cothon_random_below(random, sizeof(edges) / sizeof(*edges))];
}

static void remove_bytes(struct cothon_random *random, struct packet *packet)
{
	size_t at = place(random, packet);
	size_t len = 1 + cothon_random_below(random, 20);

	if (len > packet->len - at)
		len = packet->len - at;
	memmove(packet->data + at, packet->data + at + len, packet->len - at - len);
	packet->len -= len;
}

static void repeat_bytes(struct cothon_random *random, struct packet *packet)
{
	size_t at = place(random, packet);
	size_t len = 1 + cothon_random_below(random, 20);

	if (len > packet->len - at || packet->len + len > sizeof(packet->data))
		return;
	memmove(packet->data + at + len, packet->data + at, packet->len - at);
	packet->len += len;
}

void mutate(struct cothon_random *random, struct packet *packet)
{
	size_t at;

	if (packet->len == 0)
		return;
	at = place(random, packet);
	switch (cothon_random_below(random, 10)) {
	case 0:
	case 1:
		packet->data[at] ^= (uint8_t)(1U << cothon_random_below(random, 8));
		break;
	case 2:
		packet->data[at] = (uint8_t)cothon_random_below(random, 256);
		break;
	case 3:
		packet->data[at] = (uint8_t)edge(random, packet);
		break;
	case 4:
	case 5:
		if (packet->len - at >= 2)
			packet_set16(packet->data + at, edge(random, packet));
		break;
	case 6:
		packet->len = place(random, packet);
		break;
	case 7:
		packet_fill(packet, 1 + cothon_random_below(random, 64));
		break;
	case 8:
		remove_bytes(random, packet);
		break;
	default:
		repeat_bytes(random, packet);
		break;
	}
}
