/* SPDX-License-Identifier: MIT */
#include "sandbox/resolv.h"

#include "host/namespace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a line begins with one of the words that the sandbox takes over. */
static bool taken_over(const char *line, size_t len)
{
	static const char *const words[] = {"search", "domain", "options"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t word = strlen(words[i]);

		if (len > word && memcmp(line, words[i], word) == 0 &&
		    (line[word] == ' ' || line[word] == '\t'))
			return true;
	}
	return false;
}

static int append(char *text, size_t room, size_t *used, const char *piece, size_t len)
{
	if (len >= room - *used)
		return -EFBIG;
	memcpy(text + *used, piece, len);
	*used += len;
	text[*used] = '\0';
	return 0;
}

static int append_server(char *text, size_t room, size_t *used, const struct relay_family *family)
{
	char addr[COTHON_ADDR_TEXT], line[COTHON_ADDR_TEXT + 16];
	int len;

	if (!family->enabled)
		return 0;
	len = snprintf(line, sizeof(line), "nameserver %s\n",
		       cothon_addr_format(&family->dns, addr));
	return append(text, room, used, line, (size_t)len);
}

int sandbox_resolv_make(const struct relay_network *network, const char *host, char *text,
			size_t room)
{
	size_t used = 0;
	int error = append_server(text, room, &used, &network->ipv4);

	if (error == 0)
		error = append_server(text, room, &used, &network->ipv6);
	while (error == 0 && *host) {
		size_t len = strcspn(host, "\n");

		if (taken_over(host, len)) {
			error = append(text, room, &used, host, len);
			if (error == 0)
				error = append(text, room, &used, "\n", 1);
		}
		host += len;
		host += *host == '\n';
	}
	return error < 0 ? error : (int)used;
}

int sandbox_resolv_mount(const struct relay_network *network, const char *path)
{
	/* One buffer for the host's file and one for ours. */
	char *host = malloc(2 * (size_t)SANDBOX_RESOLV_MAX);
	char *text = host + SANDBOX_RESOLV_MAX;
	ssize_t len;
	int made;

	if (!host)
		return -ENOMEM;
	len = host_read_file(path, host, SANDBOX_RESOLV_MAX);
	/* A file that cannot be read, or is no reasonable one, has nothing to take over. */
	made = sandbox_resolv_make(network, len < 0 ? "" : host, text, SANDBOX_RESOLV_MAX);
	if (made == -EFBIG)
		made = sandbox_resolv_make(network, "", text, SANDBOX_RESOLV_MAX);
	if (made >= 0)
		made = host_mount_file(path, text, (size_t)made);
	free(host);
	return made;
}
