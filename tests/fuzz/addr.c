/* SPDX-License-Identifier: MIT */

/* The text of an address: what is read is written in a form that is read as the same. */

#include "fuzz.h"
#include <cothon/addr.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	char written[COTHON_ADDR_TEXT], endpoint[COTHON_ENDPOINT_TEXT];
	struct cothon_addr addr, again;

	if (cothon_addr_parse(text, &addr) == 0) {
		struct cothon_endpoint at = {addr, 65535};

		cothon_addr_format(&addr, written);
		fuzz_check(cothon_addr_parse(written, &again) == 0);
		fuzz_check(cothon_addr_equal(&addr, &again));
		fuzz_check(strlen(cothon_endpoint_format(&at, endpoint)) < sizeof(endpoint));
		fuzz_check(cothon_addr_in_prefix(&addr, &again,
						 cothon_addr_is_ipv4(&addr) ? 32 : 128));
	}
	free(text);
	return 0;
}
