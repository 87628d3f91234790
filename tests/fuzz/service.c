/* SPDX-License-Identifier: MIT */

/* A port as text, by number or by a service's name, and the names that it is nearest to. */

#include "fuzz.h"
#include <cothon/service.h>

static void check_port(const char *text, size_t len, unsigned transport)
{
	char *ended = fuzz_text(text, len);
	uint16_t port = 0;

	if (cothon_port_parse(text, len, transport, &port) == 0) {
		const struct cothon_service *service = cothon_service_by_name(ended, transport);

		fuzz_check(port > 0 || service);
		fuzz_check(service || (ended[0] >= '0' && ended[0] <= '9'));
	}
	free(ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned transports[] = {0, COTHON_TCP, COTHON_UDP, COTHON_SCTP, COTHON_DCCP};
	char *text = (char *)fuzz_copy(data, size);
	const char *nearest[8];
	size_t count = cothon_service_nearest(text, size, nearest, 8);
	unsigned transport = cothon_transport_by_name(text, size);

	fuzz_check(count <= 8);
	for (size_t i = 0; i < count; i++)
		fuzz_check(cothon_service_by_name(nearest[i], 0));
	if (transport)
		fuzz_check(strlen(cothon_transport_name(transport)) == size);
	for (size_t i = 0; i < sizeof(transports) / sizeof(*transports); i++)
		check_port(text, size, transports[i]);
	free(text);
	return 0;
}
