/* SPDX-License-Identifier: MIT */

/*
 * The host's resolv.conf(5): the resolvers that it names, and what a sandbox's file is made of. That
 * names the sandbox's own resolvers and no other, whatever the host's says.
 */

#include "fuzz.h"
#include "relay/resolv.h"
#include "sandbox/resolv.h"

static void check_made(const struct relay_network *network, const char *text, size_t len)
{
	struct relay_resolver list[RELAY_RESOLVERS_MAX];

	fuzz_check(relay_resolv_parse(text, len, list) == 2);
	fuzz_check(cothon_addr_equal(&list[0].endpoint.addr, &network->ipv4.dns));
	fuzz_check(cothon_addr_equal(&list[1].endpoint.addr, &network->ipv6.dns));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct relay_network network = relay_network_default();
	struct relay_resolver list[RELAY_RESOLVERS_MAX];
	/* The same as bytes, as a text, and room that is soon full. */
	uint8_t *bytes = fuzz_copy(data, size);
	char *host = fuzz_text(data, size);
	size_t room = 64 + size / 2;
	char *made = malloc(room);
	unsigned count = relay_resolv_parse((const char *)bytes, size, list);
	int len;

	fuzz_check(count >= 1 && count <= RELAY_RESOLVERS_MAX);
	for (unsigned i = 0; i < count; i++)
		fuzz_check(list[i].endpoint.port == 53);
	fuzz_check(made);
	len = sandbox_resolv_make(&network, host, made, room);
	if (len >= 0) {
		fuzz_check((size_t)len < room && strlen(made) == (size_t)len);
		check_made(&network, made, (size_t)len);
	}
	free(made);
	free(host);
	free(bytes);
	return 0;
}
