/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <string.h>

static struct cothon_addr addr(const char *text)
{
	struct cothon_addr parsed = {0};

	cothon_addr_parse(text, &parsed);
	return parsed;
}

void scene_init(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	scene->self[SCENE_V4] = addr("10.0.2.2");
	scene->self[SCENE_V6] = addr("fd00:c070::2");
	scene->peer[SCENE_V4] = addr("10.0.2.100");
	scene->peer[SCENE_V6] = addr("fd00:c070::100");
	scene->outside[SCENE_V4] = addr("192.0.2.2");
	scene->outside[SCENE_V6] = addr("2001:db8::2");
	scene->datagram_port = SCENE_DATAGRAM_PORT;
	scene->datagram_ports = 50;
	for (int family = 0; family < SCENE_FAMILIES; family++) {
		scene->quiet[family] = (struct scene_flow){.peer_port = 40001,
							   .port = SCENE_ECHO,
							   .seq = 1000,
							   .ack = 2000,
							   .una = 2000};
		scene->sending[family] = (struct scene_flow){.peer_port = 40002,
							     .port = SCENE_TALK,
							     .seq = 1000,
							     .ack = 5000,
							     .una = 2000};
	}
}
